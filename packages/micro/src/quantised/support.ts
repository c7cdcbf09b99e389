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
 * parameters: bias (with the input's zero point folded in), multiplier, shift of each channel.
 */
typedef struct {
    const int32_t *parameters;
    int32_t channels;
    int32_t up;
    int32_t zero;
    int32_t low;
    int32_t high;
} NAME_scaling;

static inline int8_t NAME_narrowed(const NAME_scaling *s, const int32_t *parameters, int32_t sum)
{
    return (int8_t)NAME_within(NAME_scaled(sum * (1 << s->up), parameters[1], parameters[2]) + s->zero, s->low, s->high);
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

/* sum + a.low * b.low + a.high * b.high. */
static inline int32_t NAME_dual(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}
#endif`;

const rows = `#if defined(__ARM_NEON)
#include <arm_neon.h>
#define NAME_SLOT(k) (k)
#elif defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
/* Rows of inputs lie in fours as 0 2 1 3, which is how SXTB16 unpacks the weights. */
#define NAME_SLOT(k) (((k) & ~3) | (((k) & 1) << 1) | (((k) >> 1) & 1))
#define NAME_DSP_ROWS
#else
#define NAME_SLOT(k) (k)
#endif

/* Widens count inputs into places at ... of a row. */
static void NAME_widen(const int8_t *x, int32_t at, int32_t count, int16_t *row)
{
    int32_t k = at;
    const int32_t end = at + count;
    for (; k < end && (k & 3) != 0; k++) {
        row[NAME_SLOT(k)] = *x++;
    }
#if defined(NAME_DSP_ROWS)
    for (; k + 4 <= end; k += 4) {
        const uint32_t bytes = ((const NAME_word *)(const void *)x)->value;
        *(NAME_two_words *)(void *)(row + k) = NAME_even(bytes) | ((uint64_t)NAME_odd(bytes) << 32);
        x += 4;
    }
#endif
    for (; k < end; k++) {
        row[NAME_SLOT(k)] = *x++;
    }
}`;

const fill = `/* The same value in count places of a row. */
static inline void NAME_fill(int32_t value, int32_t at, int32_t count, int16_t *row)
{
    for (int32_t k = at; k < at + count; k++) {
        row[NAME_SLOT(k)] = (int16_t)value;
    }
}`;

const sum2 = `/* Sums of one row (4 * quads inputs) with two channels; weights lie as [quads][2][4]. */
static inline void NAME_sum2(const int16_t *x, const int8_t *w, int32_t quads, int32_t *sums)
{
    int32_t a = sums[0];
    int32_t b = sums[1];
#if defined(__ARM_NEON)
    int32x4_t va = vdupq_n_s32(0);
    int32x4_t vb = vdupq_n_s32(0);
    for (int32_t q = 0; q < quads; q++) {
        const int16x4_t vx = vld1_s16(x + 4 * q);
        const int16x8_t vw = vmovl_s8(vld1_s8(w + 8 * q));
        va = vmlal_s16(va, vx, vget_low_s16(vw));
        vb = vmlal_s16(vb, vx, vget_high_s16(vw));
    }
    const int32x2_t pair = vpadd_s32(vadd_s32(vget_low_s32(va), vget_high_s32(va)), vadd_s32(vget_low_s32(vb), vget_high_s32(vb)));
    a += vget_lane_s32(pair, 0);
    b += vget_lane_s32(pair, 1);
#elif defined(NAME_DSP_ROWS)
    const NAME_two_words *xs = (const NAME_two_words *)(const void *)x;
    const NAME_two_words *ws = (const NAME_two_words *)(const void *)w;
    const NAME_two_words *const last = ws + quads;
#pragma GCC unroll 4
    while (ws != last) {
        const uint64_t vx = *xs++;
        const uint64_t vw = *ws++;
        a = NAME_dual((uint32_t)vx, NAME_even((uint32_t)vw), a);
        b = NAME_dual((uint32_t)vx, NAME_even((uint32_t)(vw >> 32)), b);
        a = NAME_dual((uint32_t)(vx >> 32), NAME_odd((uint32_t)vw), a);
        b = NAME_dual((uint32_t)(vx >> 32), NAME_odd((uint32_t)(vw >> 32)), b);
    }
#else
    for (int32_t q = 0; q < quads; q++) {
        for (int32_t i = 0; i < 4; i++) {
            a += x[4 * q + i] * w[8 * q + i];
            b += x[4 * q + i] * w[8 * q + 4 + i];
        }
    }
#endif
    sums[0] = a;
    sums[1] = b;
}`;

const sum4 = `/* The same for two rows that follow one another: sums of row 0, then of row 1. */
static inline void NAME_sum4(const int16_t *x, const int8_t *w, int32_t quads, int32_t *sums)
{
#if defined(__ARM_NEON)
    int32x4_t v0 = vdupq_n_s32(0);
    int32x4_t v1 = vdupq_n_s32(0);
    int32x4_t v2 = vdupq_n_s32(0);
    int32x4_t v3 = vdupq_n_s32(0);
    for (int32_t q = 0; q < quads; q++) {
        const int16x4_t vx = vld1_s16(x + 4 * q);
        const int16x4_t vz = vld1_s16(x + 4 * (quads + q));
        const int16x8_t vw = vmovl_s8(vld1_s8(w + 8 * q));
        v0 = vmlal_s16(v0, vx, vget_low_s16(vw));
        v1 = vmlal_s16(v1, vx, vget_high_s16(vw));
        v2 = vmlal_s16(v2, vz, vget_low_s16(vw));
        v3 = vmlal_s16(v3, vz, vget_high_s16(vw));
    }
    const int32x2_t p = vpadd_s32(vadd_s32(vget_low_s32(v0), vget_high_s32(v0)), vadd_s32(vget_low_s32(v1), vget_high_s32(v1)));
    const int32x2_t r = vpadd_s32(vadd_s32(vget_low_s32(v2), vget_high_s32(v2)), vadd_s32(vget_low_s32(v3), vget_high_s32(v3)));
    vst1q_s32(sums, vaddq_s32(vld1q_s32(sums), vcombine_s32(p, r)));
#elif defined(NAME_DSP_ROWS)
    int32_t a = sums[0];
    int32_t b = sums[1];
    int32_t c = sums[2];
    int32_t d = sums[3];
    const NAME_two_words *xs = (const NAME_two_words *)(const void *)x;
    const NAME_two_words *zs = xs + quads;
    const NAME_two_words *ws = (const NAME_two_words *)(const void *)w;
    const NAME_two_words *const last = ws + quads;
#pragma GCC unroll 4
    while (ws != last) {
        const uint64_t vx = *xs++;
        const uint64_t vz = *zs++;
        const uint64_t vw = *ws++;
        uint32_t pair = NAME_even((uint32_t)vw);
        a = NAME_dual((uint32_t)vx, pair, a);
        c = NAME_dual((uint32_t)vz, pair, c);
        pair = NAME_even((uint32_t)(vw >> 32));
        b = NAME_dual((uint32_t)vx, pair, b);
        d = NAME_dual((uint32_t)vz, pair, d);
        pair = NAME_odd((uint32_t)vw);
        a = NAME_dual((uint32_t)(vx >> 32), pair, a);
        c = NAME_dual((uint32_t)(vz >> 32), pair, c);
        pair = NAME_odd((uint32_t)(vw >> 32));
        b = NAME_dual((uint32_t)(vx >> 32), pair, b);
        d = NAME_dual((uint32_t)(vz >> 32), pair, d);
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
#else
    NAME_sum2(x, w, quads, sums);
    NAME_sum2(x + 4 * quads, w, quads, sums + 2);
#endif
}`;

const products1 = `/* One row of inputs against all channels. */
static void NAME_products1(const int16_t *x, const int8_t *w, int32_t quads, const NAME_scaling *s, int8_t *y)
{
    const int32_t *p = s->parameters;
    for (int32_t c = 0; c < s->channels; c += 2) {
        const int32_t more = (c + 1 < s->channels) ? 3 : 0;
        int32_t sums[2] = {p[0], p[more]};
        NAME_sum2(x, w, quads, sums);
        y[c] = NAME_narrowed(s, p, sums[0]);
        if (more != 0) {
            y[c + 1] = NAME_narrowed(s, p + 3, sums[1]);
        }
        p += 6;
        w += 8 * quads;
    }
}`;

const products2 = `/* Two rows of inputs, one after the other, against all channels. */
static void NAME_products2(const int16_t *x, const int8_t *w, int32_t quads, const NAME_scaling *s, int8_t *y0, int8_t *y1)
{
    const int32_t *p = s->parameters;
    for (int32_t c = 0; c < s->channels; c += 2) {
        const int32_t more = (c + 1 < s->channels) ? 3 : 0;
        int32_t sums[4] = {p[0], p[more], p[0], p[more]};
        NAME_sum4(x, w, quads, sums);
        y0[c] = NAME_narrowed(s, p, sums[0]);
        y1[c] = NAME_narrowed(s, p, sums[2]);
        if (more != 0) {
            y0[c + 1] = NAME_narrowed(s, p + 3, sums[1]);
            y1[c + 1] = NAME_narrowed(s, p + 3, sums[3]);
        }
        p += 6;
        w += 8 * quads;
    }
}`;

const depthwise = `/*
 * One output place of a depthwise convolution. offsets: where each tap lies from x, an even number of them;
 * weights lie as [channels / 4][pairs of taps][4][2].
 */
static void NAME_depthwise(const int8_t *x, const int32_t *offsets, int32_t pairs, const int16_t *w, const NAME_scaling *s, int8_t *y)
{
    const int32_t *p = s->parameters;
    int32_t c = 0;
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
    for (; c + 4 <= s->channels; c += 4) {
        int32_t sum0 = p[0];
        int32_t sum1 = p[3];
        int32_t sum2 = p[6];
        int32_t sum3 = p[9];
        const int32_t *o = offsets;
        const int32_t *const last = o + 2 * pairs;
        while (o != last) {
            const uint32_t t0 = ((const NAME_word *)(const void *)(x + o[0]))->value;
            const uint32_t t1 = ((const NAME_word *)(const void *)(x + o[1]))->value;
            const uint64_t w01 = ((const NAME_two_words *)(const void *)w)[0];
            const uint64_t w23 = ((const NAME_two_words *)(const void *)w)[1];
            const uint32_t first = (t0 & 0xFFFFU) | (t1 << 16);
            const uint32_t second = (t1 & 0xFFFF0000U) | (t0 >> 16);
            sum0 = NAME_dual(NAME_even(first), (uint32_t)w01, sum0);
            sum1 = NAME_dual(NAME_odd(first), (uint32_t)(w01 >> 32), sum1);
            sum2 = NAME_dual(NAME_even(second), (uint32_t)w23, sum2);
            sum3 = NAME_dual(NAME_odd(second), (uint32_t)(w23 >> 32), sum3);
            o += 2;
            w += 8;
        }
        y[c] = NAME_narrowed(s, p, sum0);
        y[c + 1] = NAME_narrowed(s, p + 3, sum1);
        y[c + 2] = NAME_narrowed(s, p + 6, sum2);
        y[c + 3] = NAME_narrowed(s, p + 9, sum3);
        p += 12;
        x += 4;
    }
    x -= c;
    w -= 2 * c * pairs;
#endif
    for (; c < s->channels; c++) {
        const int16_t *taps = w + 8 * (c / 4) * pairs + 2 * (c % 4);
        int32_t sum = p[0];
        for (int32_t i = 0; i < pairs; i++) {
            sum += x[offsets[2 * i] + c] * taps[8 * i] + x[offsets[2 * i + 1] + c] * taps[8 * i + 1];
        }
        y[c] = NAME_narrowed(s, p, sum);
        p += 3;
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
        row[NAME_SLOT(k)] = x[k];
    }
}

/* Before an activation, in steps of 2^-16: both sums scaled, and the bias. parameters: multipliers of both sums, bias. */
static int32_t NAME_gate(int32_t input, int32_t hidden, const int32_t *parameters, int32_t shift)
{
    const int64_t sum = (int64_t)input * parameters[0] + (int64_t)hidden * parameters[1];
    const int64_t half = ((int64_t)1 << (shift - 1)) - ((sum < 0) ? 1 : 0);
    const int64_t value = ((sum + half) >> shift) + parameters[2];
    return (value > 1048576) ? 1048576 : ((value < -1048576) ? -1048576 : (int32_t)value);
}

/* 1 / (1 + exp(-x)) - 1/2 for x = step / 32, in steps of 2^-17. */
static const uint16_t NAME_logistic[386] = {
LOGISTIC
};

/* The table at x >= 0, x in steps of 2^-16, by linear interpolation. */
static int32_t NAME_logistic_at(int32_t x)
{
    const int32_t place = (x < 786432) ? x : 786432;
    const int32_t low = NAME_logistic[place >> 11];
    return low + (((NAME_logistic[(place >> 11) + 1] - low) * (place & 2047) + 1024) >> 11);
}

/* From steps of 2^-16 to steps of 2^-15. */
static int32_t NAME_sigmoid_q15(int32_t x)
{
    const int32_t part = (NAME_logistic_at((x < 0) ? -x : x) + 2) >> 2;
    return (x < 0) ? (16384 - part) : ((part < 16384) ? (16384 + part) : 32767);
}

static int32_t NAME_tanh_q15(int32_t x)
{
    const int32_t part = (NAME_logistic_at(2 * ((x < 0) ? -x : x)) + 1) >> 1;
    const int32_t size = (part < 32767) ? part : 32767;
    return (x < 0) ? -size : size;
}

/* value / 2^15, rounded. */
static int32_t NAME_q15(int32_t value)
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
