// C functions that integer layers share: sums of products and their scaling, in portable C99, for the DSP instructions of ARMv7E-M and for NEON. All give equal bytes.

import { planesText } from './support-depthwise.ts';
import { mostText, tallyText } from './support-pool.ts';
import { logisticBytes, recurrentText, shareText } from './support-recurrent.ts';

const scale = `/* Right shifts of negative numbers must keep the sign. */
typedef char NAME_shifts_keep_the_sign[((-2) >> 1) == -1 ? 1 : -1];

/* sum * multiplier / 2^32, rounded to the nearest; an odd multiplier leaves no ties. */
static inline int32_t NAME_scaled(int32_t sum, int32_t multiplier)
{
    return (int32_t)(((int64_t)sum * multiplier + 0x80000000LL) >> 32);
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
 * Scaling of sums: sum * 2^up * multiplier / 2^32, rounded to the nearest; then the zero point, then the bounds.
 * parameters of each channel: bias with the input's zero point folded in, multiplier.
 */
typedef struct {
    const int32_t *parameters;
    int32_t channels;
    int32_t up;
    int32_t zero;
    int32_t low;
    int32_t high;
} NAME_scaling;

/* One sum as a code; bounds narrower than those of int8 are for NAME_bounded. */
static inline int8_t NAME_narrowed(int32_t sum, int32_t multiplier, const NAME_scaling *s)
{
    const int32_t wide = sum * (1 << s->up);
    int32_t code;
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
    __asm__("smmlar %0, %1, %2, %3" : "=r"(code) : "r"(wide), "r"(multiplier), "r"(s->zero));
    __asm__("ssat %0, #8, %1" : "=r"(code) : "r"(code));
#else
    code = NAME_within(NAME_scaled(wide, multiplier) + s->zero, -128, 127);
#endif
    return (int8_t)code;
}

/* The bounds of an activation. */
static inline void NAME_bounded(const NAME_scaling *s, int8_t *y)
{
    if (s->low > -128 || s->high < 127) {
        for (int32_t c = 0; c < s->channels; c++) {
            y[c] = (int8_t)NAME_within(y[c], s->low, s->high);
        }
    }
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
#if defined(__GNUC__)
#define NAME_INLINE __attribute__((always_inline))
#else
#define NAME_INLINE
#endif

/* Widens count inputs into places at ... of a row; step: from one four of the row to the next, 8 where two rows are interlaced. */
static inline NAME_INLINE void NAME_widen_here(const int8_t *x, int32_t at, int32_t count, int16_t *row, int32_t step)
{
#if defined(NAME_DSP_ROWS)
    const int32_t before = -at & 3;
    const int32_t head = (before < count) ? before : count;
    if (head > 0) {
        row[NAME_SLOT(at, step)] = x[0];
    }
    if (head > 1) {
        row[NAME_SLOT(at + 1, step)] = x[1];
    }
    if (head > 2) {
        row[NAME_SLOT(at + 2, step)] = x[2];
    }
    x += head;
    row += ((at + head) >> 2) * step;
    for (int32_t q = (count - head) >> 2; q > 0; q--) {
        const uint32_t bytes = ((const NAME_word *)(const void *)x)->value;
        *(NAME_two_words *)(void *)row = NAME_even(bytes) | ((uint64_t)NAME_odd(bytes) << 32);
        x += 4;
        row += step;
    }
    const int32_t tail = (count - head) & 3;
    if (tail > 0) {
        row[0] = x[0];
    }
    if (tail > 1) {
        row[2] = x[1];
    }
    if (tail > 2) {
        row[1] = x[2];
    }
#else
    for (int32_t k = 0; k < count; k++) {
        row[NAME_SLOT(at + k, step)] = x[k];
    }
#endif
}`;

const widen = `static inline void NAME_widen(const int8_t *x, int32_t at, int32_t count, int16_t *row, int32_t step)
{
    NAME_widen_here(x, at, count, row, step);
}`;

const fill = `/* The same value in count places of a row. */
static void NAME_fill(int32_t value, int32_t at, int32_t count, int16_t *row, int32_t step)
{
    for (int32_t k = at; k < at + count; k++) {
        row[NAME_SLOT(k, step)] = (int16_t)value;
    }
}`;

const quad2 = `#if defined(NAME_DSP_ROWS)
/* One four of a row with two channels: x in two registers, weights in two, sums in r12 and lr. */
#define NAME_QUAD2(x0, x1, w0, w1)                                                                  \\
    "sxtb16 r3, " w0 "\\n\\tsmlad r12, " x0 ", r3, r12\\n\\tsxtb16 r3, " w1 "\\n\\tsmlad lr, " x0 ", r3, lr\\n\\t" \\
    "sxtb16 r3, " w0 ", ror #8\\n\\tsmlad r12, " x1 ", r3, r12\\n\\t"                                  \\
    "sxtb16 r3, " w1 ", ror #8\\n\\tsmlad lr, " x1 ", r3, lr\\n\\t"
#endif`;

const sum2 = `/* Adds the products of one row (quads fours) with two channels to sums; weights lie as [quads][2][4]. */
#if defined(NAME_DSP_ROWS)
__attribute__((naked, noinline, unused)) static void NAME_sum2(
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

const sum4 = `#if defined(NAME_DSP_ROWS)
/* Two interlaced rows against pairs of channels: sums, scaling and saturation in one piece. Everything in job but quads, zero and x moves on. No doublings. */
typedef struct {
    const int16_t *x;
    const int8_t *w;
    int32_t quads;
    const int32_t *parameters;
    int8_t *y0;
    int8_t *y1;
    int32_t zero;
    int32_t pairs;
} NAME_rows_job;
#define NAME_QUAD4                                                                                  \\
    "ldmia r0!, {r4-r7}\\n\\tldmia r1!, {r12, lr}\\n\\t"                                                \\
    "sxtb16 r3, r12\\n\\tsmlad r8, r4, r3, r8\\n\\tsmlad r10, r6, r3, r10\\n\\t"                           \\
    "sxtb16 r3, lr\\n\\tsmlad r9, r4, r3, r9\\n\\tsmlad r11, r6, r3, r11\\n\\t"                            \\
    "sxtb16 r3, r12, ror #8\\n\\tsmlad r8, r5, r3, r8\\n\\tsmlad r10, r7, r3, r10\\n\\t"                   \\
    "sxtb16 r3, lr, ror #8\\n\\tsmlad r9, r5, r3, r9\\n\\tsmlad r11, r7, r3, r11\\n\\t"
/* r1: zero point. */
#define NAME_CODE(sum, multiplier)                                                                  \\
    "smmlar " sum ", " sum ", " multiplier ", r1\\n\\tssat " sum ", #8, " sum "\\n\\t"
__attribute__((naked, noinline)) static void NAME_rows2(NAME_rows_job *job __attribute__((unused)))
{
    __asm__(".syntax unified\\n\\t"
            "push {r0, r4-r11, lr}\\n\\t"
            "1: ldr r3, [sp]\\n\\t"
            "ldm r3, {r0, r1, r2, r12}\\n\\t"
            "ldr r8, [r12]\\n\\t"
            "ldr r9, [r12, #8]\\n\\t"
            "mov r10, r8\\n\\t"
            "mov r11, r9\\n\\t"
            "tst r2, #1\\n\\t"
            "beq 2f\\n\\t" NAME_QUAD4
            "2: lsrs r2, r2, #1\\n\\t"
            "beq 4f\\n\\t"
            "3:\\n\\t" NAME_QUAD4 NAME_QUAD4
            "subs r2, r2, #1\\n\\t"
            "bne 3b\\n\\t"
            "4: ldr r3, [sp]\\n\\t"
            "str r1, [r3, #4]\\n\\t"
            "ldr r0, [r3, #12]\\n\\t"
            "ldr r1, [r3, #24]\\n\\t"
            "ldr r4, [r0, #4]\\n\\t"
            "ldr r5, [r0, #12]\\n\\t"
            "adds r0, r0, #16\\n\\t"
            "str r0, [r3, #12]\\n\\t" NAME_CODE("r8", "r4") NAME_CODE("r10", "r4") NAME_CODE("r9", "r5") NAME_CODE("r11", "r5")
            "ldrd r4, r5, [r3, #16]\\n\\t"
            "strb r8, [r4], #1\\n\\t"
            "strb r9, [r4], #1\\n\\t"
            "strb r10, [r5], #1\\n\\t"
            "strb r11, [r5], #1\\n\\t"
            "strd r4, r5, [r3, #16]\\n\\t"
            "ldr r2, [r3, #28]\\n\\t"
            "subs r2, r2, #1\\n\\t"
            "str r2, [r3, #28]\\n\\t"
            "bne 1b\\n\\t"
            "pop {r0, r4-r11, pc}\\n\\t");
}
#endif

/* The products of two interlaced rows with two channels, added to sums: of row 0 with both channels, then of row 1. */
static inline void NAME_sum4(const int16_t *x, const int8_t *w, int32_t quads, int32_t *sums)
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
            sums[0] += x[8 * q + NAME_PLACE(i)] * w[8 * q + i];
            sums[1] += x[8 * q + NAME_PLACE(i)] * w[8 * q + 4 + i];
            sums[2] += x[8 * q + 4 + NAME_PLACE(i)] * w[8 * q + i];
            sums[3] += x[8 * q + 4 + NAME_PLACE(i)] * w[8 * q + 4 + i];
        }
    }
#endif
}`;

const products1 = `/* One row of inputs against all channels. */
static void NAME_products1(const int16_t *x, const int8_t *w, int32_t quads, const NAME_scaling *s, int8_t *y)
{
    const int32_t *p = s->parameters;
    for (int32_t c = 0; c < s->channels; c += 2) {
        const int32_t more = (c + 1 < s->channels) ? 2 : 0;
        int32_t sums[2] = {p[0], p[more]};
        NAME_sum2(x, w, quads, sums);
        y[c] = NAME_narrowed(sums[0], p[1], s);
        if (more != 0) {
            y[c + 1] = NAME_narrowed(sums[1], p[3], s);
        }
        p += 4;
        w += 8 * quads;
    }
    NAME_bounded(s, y);
}`;

const products2 = `/* Two interlaced rows of inputs against all channels. */
static void NAME_products2(const int16_t *x, const int8_t *w, int32_t quads, const NAME_scaling *s, int8_t *y0, int8_t *y1)
{
    const int32_t *p = s->parameters;
    int32_t c = 0;
#if defined(NAME_DSP_ROWS)
    if (s->channels > 1 && s->up == 0) {
        NAME_rows_job job = {x, w, quads, p, y0, y1, s->zero, s->channels / 2};
        NAME_rows2(&job);
        c = s->channels & ~1;
        p += 2 * c;
        w += 4 * quads * c;
    }
#endif
    for (; c < s->channels; c += 2) {
        const int32_t more = (c + 1 < s->channels) ? 2 : 0;
        int32_t sums[4] = {p[0], p[more], p[0], p[more]};
        NAME_sum4(x, w, quads, sums);
        y0[c] = NAME_narrowed(sums[0], p[1], s);
        y1[c] = NAME_narrowed(sums[2], p[1], s);
        if (more != 0) {
            y0[c + 1] = NAME_narrowed(sums[1], p[3], s);
            y1[c + 1] = NAME_narrowed(sums[3], p[3], s);
        }
        p += 4;
        w += 8 * quads;
    }
    NAME_bounded(s, y0);
    NAME_bounded(s, y1);
}`;

const depthwise = `#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
/* Fours of channels, two taps at a time: sums, scaling and saturation in one piece. */
typedef struct {
    const int8_t *const *taps;
    const int16_t *w;
    int32_t pairs;
    const int32_t *parameters;
    int8_t *y;
    int32_t zero;
    int32_t channel;
    int32_t fours;
} NAME_taps_job;
#define NAME_TAPS4                                                                                  \\
    "ldmia r0!, {r3, r4}\\n\\tldr r3, [r3, lr]\\n\\tldr r4, [r4, lr]\\n\\tldmia r1!, {r6, r7}\\n\\t"            \\
    "pkhbt r5, r3, r4, lsl #16\\n\\tpkhtb r4, r4, r3, asr #16\\n\\t"                                     \\
    "sxtb16 r3, r5\\n\\tsmlad r8, r3, r6, r8\\n\\tsxtb16 r5, r5, ror #8\\n\\tsmlad r9, r5, r7, r9\\n\\t"      \\
    "ldmia r1!, {r6, r7}\\n\\t"                                                                        \\
    "sxtb16 r3, r4\\n\\tsmlad r10, r3, r6, r10\\n\\tsxtb16 r4, r4, ror #8\\n\\tsmlad r11, r4, r7, r11\\n\\t"
/* r0: parameters, r1: zero point. */
#define NAME_TAP_CODE(sum)                                                                          \\
    "ldr r4, [r0, #4]\\n\\tadds r0, r0, #8\\n\\t"                                                    \\
    "smmlar " sum ", " sum ", r4, r1\\n\\tssat " sum ", #8, " sum "\\n\\t"
__attribute__((naked, noinline)) static void NAME_taps4(NAME_taps_job *job __attribute__((unused)))
{
    __asm__(".syntax unified\\n\\t"
            "push {r0, r4-r11, lr}\\n\\t"
            "1: ldr r3, [sp]\\n\\t"
            "ldm r3, {r0, r1, r2, r12}\\n\\t"
            "ldr lr, [r3, #24]\\n\\t"
            "ldr r8, [r12]\\n\\t"
            "ldr r9, [r12, #8]\\n\\t"
            "ldr r10, [r12, #16]\\n\\t"
            "ldr r11, [r12, #24]\\n\\t"
            "tst r2, #1\\n\\t"
            "beq 2f\\n\\t" NAME_TAPS4
            "2: lsrs r2, r2, #1\\n\\t"
            "beq 4f\\n\\t"
            "3:\\n\\t" NAME_TAPS4 NAME_TAPS4
            "subs r2, r2, #1\\n\\t"
            "bne 3b\\n\\t"
            "4: ldr r3, [sp]\\n\\t"
            "str r1, [r3, #4]\\n\\t"
            "add lr, lr, #4\\n\\t"
            "str lr, [r3, #24]\\n\\t"
            "mov r0, r12\\n\\t"
            "ldr r1, [r3, #20]\\n\\t" NAME_TAP_CODE("r8") NAME_TAP_CODE("r9") NAME_TAP_CODE("r10") NAME_TAP_CODE("r11")
            "str r0, [r3, #12]\\n\\t"
            "ldr r4, [r3, #16]\\n\\t"
            "strb r8, [r4], #1\\n\\t"
            "strb r9, [r4], #1\\n\\t"
            "strb r10, [r4], #1\\n\\t"
            "strb r11, [r4], #1\\n\\t"
            "str r4, [r3, #16]\\n\\t"
            "ldr r2, [r3, #28]\\n\\t"
            "subs r2, r2, #1\\n\\t"
            "str r2, [r3, #28]\\n\\t"
            "bne 1b\\n\\t"
            "pop {r0, r4-r11, pc}\\n\\t");
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
    if (s->channels >= 4 && s->up == 0) {
        NAME_taps_job job = {taps, w, pairs, p, y, s->zero, 0, s->channels / 4};
        NAME_taps4(&job);
        c = s->channels & ~3;
        p += 2 * c;
    }
#endif
    for (; c < s->channels; c++) {
        const int16_t *own = w + 8 * (c / 4) * pairs + 2 * (c % 4);
        int32_t sum = p[0];
        for (int32_t i = 0; i < pairs; i++) {
            sum += taps[2 * i][c] * own[8 * i] + taps[2 * i + 1][c] * own[8 * i + 1];
        }
        y[c] = NAME_narrowed(sum, p[1], s);
        p += 2;
    }
    NAME_bounded(s, y);
}`;

/** In the order in which the file has them: what one calls stands before it. */
export const integerHelpers = {
  int8_scale: { text: scale },
  int8_within: { text: within },
  int8_rounded: { text: rounded },
  int8_scaling: { text: scaling },
  int8_dsp: { text: dsp },
  int8_widen_here: { text: rows },
  int8_widen: { text: widen },
  int8_fill: { text: fill },
  int8_quad2: { text: quad2 },
  int8_sum2: { text: sum2 },
  int8_sum4: { text: sum4 },
  int8_products1: { text: products1 },
  int8_products2: { text: products2 },
  int8_depthwise: { text: depthwise },
  int8_depthwise_planes: { text: planesText },
  int8_most: { text: mostText },
  int8_tally: { text: tallyText },
  int8_share: { text: shareText },
  int8_recurrent: { text: recurrentText, constantBytes: logisticBytes },
} as const;
