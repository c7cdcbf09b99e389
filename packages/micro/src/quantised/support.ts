// C functions that integer layers share: sums of products and their scaling, in portable C99, for the DSP instructions of ARMv7E-M and for NEON. All give equal bytes.

const scale = `/* Right shifts of negative numbers must keep the sign. */
typedef char NAME_shifts_keep_the_sign[((-2) >> 1) == -1 ? 1 : -1];

/* sum * multiplier / 2^(32 + shift), rounded once, ties away from zero. */
static inline int32_t NAME_scaled(int32_t sum, int32_t multiplier, int32_t shift)
{
    const int32_t sign = sum >> 31;
    const int64_t half = (int64_t)(((uint64_t)(uint32_t)((1 << (shift - 1)) + sign) << 32) | (uint32_t)sign);
    return (int32_t)((half + (int64_t)sum * multiplier) >> 32) >> shift;
}`;

const within = `static inline int32_t NAME_within(int32_t value, int32_t low, int32_t high)
{
    return (value < low) ? low : ((value > high) ? high : value);
}`;

const rounded = `/* value / 2^shift, rounded, ties away from zero. */
static inline int32_t NAME_rounded(int32_t value, int32_t shift)
{
    return (value + (1 << (shift - 1)) - ((value < 0) ? 1 : 0)) >> shift;
}`;

const scaling = `/*
 * Scaling of sums: sum * 2^up * multiplier / 2^(32 + shift), rounded once, ties away from zero; then the zero point, then the bounds.
 * parameters of each channel: bias with the input's zero point folded in, multiplier, shift, 2^(shift - 1) + zero point * 2^shift.
 */
typedef struct {
    const int32_t *parameters;
    int32_t channels;
    int32_t up;
    int32_t low;
    int32_t high;
} NAME_scaling;

static inline int8_t NAME_narrowed(const NAME_scaling *s, const int32_t *parameters, int32_t sum)
{
    const int32_t wide = sum * (1 << s->up);
    const int32_t sign = wide >> 31;
    const int64_t start = (int64_t)(((uint64_t)(uint32_t)(parameters[3] + sign) << 32) | (uint32_t)sign);
    const int32_t code = (int32_t)((start + (int64_t)wide * parameters[1]) >> 32) >> parameters[2];
    return (int8_t)NAME_within(code, s->low, s->high);
}`;

const dsp = `#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
typedef uint64_t __attribute__((may_alias)) NAME_two_words;
typedef struct {
    uint32_t value;
} __attribute__((packed, may_alias)) NAME_word;

/* Bytes 0 and 2, or 1 and 3, as two int16. */
static inline uint32_t NAME_even(uint32_t bytes)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(bytes));
    return pair;
}

static inline uint32_t NAME_odd(uint32_t bytes)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(bytes));
    return pair;
}
#endif`;

const rows = `#if defined(__ARM_NEON)
#include <arm_neon.h>
#elif defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
#define NAME_DSP_ROWS
#endif

/* Where input k of a row lies: with DSP instructions fours are kept as 0 2 1 3, which is how SXTB16 unpacks weights. */
#if defined(NAME_DSP_ROWS)
#define NAME_PLACE(k) ((((k) & 1) << 1) | (((k) >> 1) & 1))
#else
#define NAME_PLACE(k) ((k) & 3)
#endif
#define NAME_SLOT(k, step) (((k) >> 2) * (step) + NAME_PLACE(k))

/* Widens count inputs into places at ... of a row; step: from one four of the row to the next, 8 where two rows are interlaced. */
static void NAME_widen(const int8_t *x, int32_t at, int32_t count, int16_t *row, int32_t step)
{
#if defined(NAME_DSP_ROWS)
    int32_t k = at;
    int32_t left = count;
    for (; left > 0 && (k & 3) != 0; left--) {
        row[NAME_SLOT(k, step)] = *x++;
        k++;
    }
    row += (k >> 2) * step;
    for (int32_t q = left >> 2; q > 0; q--) {
        const uint32_t bytes = ((const NAME_word *)(const void *)x)->value;
        *(NAME_two_words *)(void *)row = NAME_even(bytes) | ((uint64_t)NAME_odd(bytes) << 32);
        x += 4;
        row += step;
    }
    if ((left & 3) > 0) {
        row[0] = x[0];
    }
    if ((left & 3) > 1) {
        row[2] = x[1];
    }
    if ((left & 3) > 2) {
        row[1] = x[2];
    }
#else
    for (int32_t k = 0; k < count; k++) {
        row[NAME_SLOT(at + k, step)] = x[k];
    }
#endif
}`;

const fill = `/* The same value in count places of a row. */
static void NAME_fill(int32_t value, int32_t at, int32_t count, int16_t *row, int32_t step)
{
    for (int32_t k = at; k < at + count; k++) {
        row[NAME_SLOT(k, step)] = (int16_t)value;
    }
}`;

const sum2 = `/* Adds the products of one row (quads fours) with two channels to sums; weights lie as [quads][2][4]. */
#if defined(NAME_DSP_ROWS)
#define NAME_QUAD2(x0, x1, w0, w1)                                                                  \\
    "sxtb16 r3, " w0 "\\n\\tsmlad r12, " x0 ", r3, r12\\n\\tsxtb16 r3, " w1 "\\n\\tsmlad lr, " x0 ", r3, lr\\n\\t" \\
    "sxtb16 r3, " w0 ", ror #8\\n\\tsmlad r12, " x1 ", r3, r12\\n\\t"                                  \\
    "sxtb16 r3, " w1 ", ror #8\\n\\tsmlad lr, " x1 ", r3, lr\\n\\t"
__attribute__((naked, noinline)) static void NAME_sum2(
    const int16_t *x __attribute__((unused)), const int8_t *w __attribute__((unused)),
    int32_t quads __attribute__((unused)), int32_t *sums __attribute__((unused)))
{
    __asm__(".syntax unified\\n\\t"
            "push {r3-r11, lr}\\n\\t"
            "ldm r3, {r12, lr}\\n\\t"
            "tst r2, #1\\n\\t"
            "beq 1f\\n\\t"
            "ldmia r0!, {r4, r5}\\n\\t"
            "ldmia r1!, {r8, r9}\\n\\t" NAME_QUAD2("r4", "r5", "r8", "r9")
            "1: tst r2, #2\\n\\t"
            "beq 2f\\n\\t"
            "ldmia r0!, {r4-r7}\\n\\t"
            "ldmia r1!, {r8-r11}\\n\\t" NAME_QUAD2("r4", "r5", "r8", "r9") NAME_QUAD2("r6", "r7", "r10", "r11")
            "2: lsrs r2, r2, #2\\n\\t"
            "beq 4f\\n\\t"
            "3: ldmia r0!, {r4-r7}\\n\\t"
            "ldmia r1!, {r8-r11}\\n\\t" NAME_QUAD2("r4", "r5", "r8", "r9") NAME_QUAD2("r6", "r7", "r10", "r11")
            "ldmia r0!, {r4-r7}\\n\\t"
            "ldmia r1!, {r8-r11}\\n\\t" NAME_QUAD2("r4", "r5", "r8", "r9") NAME_QUAD2("r6", "r7", "r10", "r11")
            "subs r2, r2, #1\\n\\t"
            "bne 3b\\n\\t"
            "4: ldr r3, [sp]\\n\\t"
            "stm r3, {r12, lr}\\n\\t"
            "pop {r3-r11, pc}\\n\\t");
}
#else
static void NAME_sum2(const int16_t *x, const int8_t *w, int32_t quads, int32_t *sums)
{
#if defined(__ARM_NEON)
    int32x4_t a = vdupq_n_s32(0);
    int32x4_t b = vdupq_n_s32(0);
    for (int32_t q = 0; q < quads; q++) {
        const int16x4_t vx = vld1_s16(x + 4 * q);
        const int16x8_t vw = vmovl_s8(vld1_s8(w + 8 * q));
        a = vmlal_s16(a, vx, vget_low_s16(vw));
        b = vmlal_s16(b, vx, vget_high_s16(vw));
    }
    const int32x2_t pair = vpadd_s32(vadd_s32(vget_low_s32(a), vget_high_s32(a)), vadd_s32(vget_low_s32(b), vget_high_s32(b)));
    vst1_s32(sums, vadd_s32(vld1_s32(sums), pair));
#else
    int32_t a = sums[0];
    int32_t b = sums[1];
    for (int32_t k = 0; k < 4 * quads; k++) {
        a += x[k] * w[k + (k & ~3)];
        b += x[k] * w[k + (k & ~3) + 4];
    }
    sums[0] = a;
    sums[1] = b;
#endif
}
#endif`;

const sum4 = `/* The same for two interlaced rows: sums of row 0 with both channels, then of row 1. */
#if defined(NAME_DSP_ROWS)
#define NAME_QUAD4                                                                                  \\
    "ldmia r0!, {r4-r7}\\n\\tldmia r1!, {r12, lr}\\n\\t"                                                \\
    "sxtb16 r3, r12\\n\\tsmlad r8, r4, r3, r8\\n\\tsmlad r10, r6, r3, r10\\n\\t"                           \\
    "sxtb16 r3, lr\\n\\tsmlad r9, r4, r3, r9\\n\\tsmlad r11, r6, r3, r11\\n\\t"                            \\
    "sxtb16 r3, r12, ror #8\\n\\tsmlad r8, r5, r3, r8\\n\\tsmlad r10, r7, r3, r10\\n\\t"                   \\
    "sxtb16 r3, lr, ror #8\\n\\tsmlad r9, r5, r3, r9\\n\\tsmlad r11, r7, r3, r11\\n\\t"
__attribute__((naked, noinline)) static void NAME_sum4(
    const int16_t *x __attribute__((unused)), const int8_t *w __attribute__((unused)),
    int32_t quads __attribute__((unused)), int32_t *sums __attribute__((unused)))
{
    __asm__(".syntax unified\\n\\t"
            "push {r3-r11, lr}\\n\\t"
            "ldm r3, {r8-r11}\\n\\t"
            "tst r2, #1\\n\\t"
            "beq 1f\\n\\t" NAME_QUAD4
            "1: lsrs r2, r2, #1\\n\\t"
            "beq 3f\\n\\t"
            "2:\\n\\t" NAME_QUAD4 NAME_QUAD4
            "subs r2, r2, #1\\n\\t"
            "bne 2b\\n\\t"
            "3: ldr r3, [sp]\\n\\t"
            "stm r3, {r8-r11}\\n\\t"
            "pop {r3-r11, pc}\\n\\t");
}
#else
static void NAME_sum4(const int16_t *x, const int8_t *w, int32_t quads, int32_t *sums)
{
#if defined(__ARM_NEON)
    int32x4_t v0 = vdupq_n_s32(0);
    int32x4_t v1 = vdupq_n_s32(0);
    int32x4_t v2 = vdupq_n_s32(0);
    int32x4_t v3 = vdupq_n_s32(0);
    for (int32_t q = 0; q < quads; q++) {
        const int16x8_t vx = vld1q_s16(x + 8 * q);
        const int16x8_t vw = vmovl_s8(vld1_s8(w + 8 * q));
        v0 = vmlal_s16(v0, vget_low_s16(vx), vget_low_s16(vw));
        v1 = vmlal_s16(v1, vget_low_s16(vx), vget_high_s16(vw));
        v2 = vmlal_s16(v2, vget_high_s16(vx), vget_low_s16(vw));
        v3 = vmlal_s16(v3, vget_high_s16(vx), vget_high_s16(vw));
    }
    const int32x2_t p = vpadd_s32(vadd_s32(vget_low_s32(v0), vget_high_s32(v0)), vadd_s32(vget_low_s32(v1), vget_high_s32(v1)));
    const int32x2_t r = vpadd_s32(vadd_s32(vget_low_s32(v2), vget_high_s32(v2)), vadd_s32(vget_low_s32(v3), vget_high_s32(v3)));
    vst1q_s32(sums, vaddq_s32(vld1q_s32(sums), vcombine_s32(p, r)));
#else
    for (int32_t q = 0; q < quads; q++) {
        for (int32_t i = 0; i < 4; i++) {
            sums[0] += x[8 * q + i] * w[8 * q + i];
            sums[1] += x[8 * q + i] * w[8 * q + 4 + i];
            sums[2] += x[8 * q + 4 + i] * w[8 * q + i];
            sums[3] += x[8 * q + 4 + i] * w[8 * q + 4 + i];
        }
    }
#endif
}
#endif`;

const products1 = `/* One row of inputs against all channels. */
static void NAME_products1(const int16_t *x, const int8_t *w, int32_t quads, const NAME_scaling *s, int8_t *y)
{
    const int32_t *p = s->parameters;
    for (int32_t c = 0; c < s->channels; c += 2) {
        const int32_t more = (c + 1 < s->channels) ? 4 : 0;
        int32_t sums[2] = {p[0], p[more]};
        NAME_sum2(x, w, quads, sums);
        y[c] = NAME_narrowed(s, p, sums[0]);
        if (more != 0) {
            y[c + 1] = NAME_narrowed(s, p + 4, sums[1]);
        }
        p += 8;
        w += 8 * quads;
    }
}`;

const products2 = `/* Two interlaced rows of inputs against all channels. */
static void NAME_products2(const int16_t *x, const int8_t *w, int32_t quads, const NAME_scaling *s, int8_t *y0, int8_t *y1)
{
    const int32_t *p = s->parameters;
    for (int32_t c = 0; c < s->channels; c += 2) {
        const int32_t more = (c + 1 < s->channels) ? 4 : 0;
        int32_t sums[4] = {p[0], p[more], p[0], p[more]};
        NAME_sum4(x, w, quads, sums);
        y0[c] = NAME_narrowed(s, p, sums[0]);
        y1[c] = NAME_narrowed(s, p, sums[2]);
        if (more != 0) {
            y0[c + 1] = NAME_narrowed(s, p + 4, sums[1]);
            y1[c + 1] = NAME_narrowed(s, p + 4, sums[3]);
        }
        p += 8;
        w += 8 * quads;
    }
}`;

const depthwise = `#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
/* Adds the products of four channels, from place c on, to sums: two taps at a time. */
__attribute__((naked, noinline)) static void NAME_taps4(
    const int8_t *const *taps __attribute__((unused)), const int16_t *w __attribute__((unused)),
    int32_t pairs __attribute__((unused)), int32_t *sums __attribute__((unused)), int32_t c __attribute__((unused)))
{
    __asm__(".syntax unified\\n\\t"
            "push {r3-r11, lr}\\n\\t"
            "ldr lr, [sp, #40]\\n\\t"
            "ldm r3, {r8-r11}\\n\\t"
            "1: ldmia r0!, {r3, r4}\\n\\t"
            "ldr r3, [r3, lr]\\n\\t"
            "ldr r4, [r4, lr]\\n\\t"
            "ldmia r1!, {r6, r7}\\n\\t"
            "pkhbt r5, r3, r4, lsl #16\\n\\t"
            "pkhtb r4, r4, r3, asr #16\\n\\t"
            "sxtb16 r3, r5\\n\\t"
            "smlad r8, r3, r6, r8\\n\\t"
            "sxtb16 r5, r5, ror #8\\n\\t"
            "smlad r9, r5, r7, r9\\n\\t"
            "ldmia r1!, {r6, r7}\\n\\t"
            "sxtb16 r3, r4\\n\\t"
            "smlad r10, r3, r6, r10\\n\\t"
            "sxtb16 r4, r4, ror #8\\n\\t"
            "smlad r11, r4, r7, r11\\n\\t"
            "subs r2, r2, #1\\n\\t"
            "bne 1b\\n\\t"
            "ldr r3, [sp]\\n\\t"
            "stm r3, {r8-r11}\\n\\t"
            "pop {r3-r11, pc}\\n\\t");
}
#endif

/*
 * One output place of a depthwise convolution. taps: where each tap of channel 0 lies, an even number of them;
 * weights lie as [channels / 4][pairs of taps][4][2].
 */
static void NAME_depthwise(const int8_t *const *taps, int32_t pairs, const int16_t *w, const NAME_scaling *s, int8_t *y)
{
    const int32_t *p = s->parameters;
    int32_t c = 0;
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
    for (; c + 4 <= s->channels; c += 4) {
        int32_t sums[4] = {p[0], p[4], p[8], p[12]};
        NAME_taps4(taps, w, pairs, sums, c);
        y[c] = NAME_narrowed(s, p, sums[0]);
        y[c + 1] = NAME_narrowed(s, p + 4, sums[1]);
        y[c + 2] = NAME_narrowed(s, p + 8, sums[2]);
        y[c + 3] = NAME_narrowed(s, p + 12, sums[3]);
        w += 8 * pairs;
        p += 16;
    }
    w -= 2 * c * pairs;
#endif
    for (; c < s->channels; c++) {
        const int16_t *own = w + 8 * (c / 4) * pairs + 2 * (c % 4);
        int32_t sum = p[0];
        for (int32_t i = 0; i < pairs; i++) {
            sum += taps[2 * i][c] * own[8 * i] + taps[2 * i + 1][c] * own[8 * i + 1];
        }
        y[c] = NAME_narrowed(s, p, sum);
        p += 4;
    }
}`;

const recurrent = `/* Sums of one row with an even number of channels. */
static void NAME_sums(const int16_t *x, const int8_t *w, int32_t quads, int32_t channels, int32_t *sums)
{
    for (int32_t c = 0; c < channels; c += 2) {
        sums[c] = 0;
        sums[c + 1] = 0;
        NAME_sum2(x, w, quads, sums + c);
        w += 8 * quads;
    }
}

/* A row of int16 in the order in which the sums take it. */
static void NAME_arrange(const int16_t *x, int32_t count, int16_t *row)
{
    for (int32_t k = 0; k < count; k++) {
        row[NAME_SLOT(k, 4)] = x[k];
    }
}

/* Before an activation, in steps of 2^-16: both sums scaled, and the bias. parameters: multipliers of both sums, bias. */
static inline int32_t NAME_gate(int32_t input, int32_t hidden, const int32_t *parameters, int32_t up, int32_t shift)
{
    const int64_t sum = (int64_t)(input * (1 << up)) * parameters[0] + (int64_t)hidden * parameters[1];
    return (((int32_t)(sum >> 32) + (1 << (shift - 1))) >> shift) + parameters[2];
}

/* 1 / (1 + exp(-x)) - 1/2 for x = step / 32, in steps of 2^-17. */
static const uint16_t NAME_logistic[386] = {
LOGISTIC
};

/* The table at x >= 0, x in steps of 2^-16, by linear interpolation. */
static inline int32_t NAME_logistic_at(int32_t x)
{
    const int32_t place = (x < 786432) ? x : 786432;
    const int32_t low = NAME_logistic[place >> 11];
    return low + (((NAME_logistic[(place >> 11) + 1] - low) * (place & 2047) + 1024) >> 11);
}

/* From steps of 2^-16 to steps of 2^-15. */
static inline int32_t NAME_sigmoid_q15(int32_t x)
{
    const int32_t part = (NAME_logistic_at((x < 0) ? -x : x) + 2) >> 2;
    return (x < 0) ? (16384 - part) : ((part < 16384) ? (16384 + part) : 32767);
}

static inline int32_t NAME_tanh_q15(int32_t x)
{
    const int32_t most = (x < 0) ? -x : x;
    const int32_t part = (NAME_logistic_at((most < 393216) ? (2 * most) : 786432) + 1) >> 1;
    const int32_t size = (part < 32767) ? part : 32767;
    return (x < 0) ? -size : size;
}

/* value / 2^15, rounded. */
static inline int32_t NAME_q15(int32_t value)
{
    return (value + 16384) >> 15;
}`;

/** The table of the logistic function, as lines of C. Rounding to 16 bits hides what exp of different engines may differ in. */
function logisticTable(): string {
  const codes = Array.from({ length: 386 }, (_, i) =>
    Math.min(65535, Math.round((1 / (1 + Math.exp(-Math.min(i, 384) / 32)) - 0.5) * 2 ** 17)),
  );
  const lines = Array.from({ length: Math.ceil(codes.length / 16) }, (_, i) => codes.slice(16 * i, 16 * i + 16));
  return lines.map((line) => `    ${line.join(', ')}`).join(',\n');
}

/** In the order in which the file has them: what one calls stands before it. */
export const integerHelpers = {
  int8_scale: { text: scale },
  int8_within: { text: within },
  int8_rounded: { text: rounded },
  int8_scaling: { text: scaling },
  int8_dsp: { text: dsp },
  int8_widen: { text: rows },
  int8_fill: { text: fill },
  int8_sum2: { text: sum2 },
  int8_sum4: { text: sum4 },
  int8_products1: { text: products1 },
  int8_products2: { text: products2 },
  int8_depthwise: { text: depthwise },
  int8_recurrent: { text: recurrent.replace('LOGISTIC', logisticTable()) },
} as const;
