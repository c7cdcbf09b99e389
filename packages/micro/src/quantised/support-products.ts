// C functions that sum products of rows of inputs with weights: in portable C99, for the DSP instructions of ARMv7E-M and for NEON. For the table of helpers.

export const rowsText = `#if defined(__ARM_NEON)
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

export const widenText = `static inline void NAME_widen(const int8_t *x, int32_t at, int32_t count, int16_t *row, int32_t step)
{
    NAME_widen_here(x, at, count, row, step);
}`;

export const fillText = `/* The same value in count places of a row. */
static void NAME_fill(int32_t value, int32_t at, int32_t count, int16_t *row, int32_t step)
{
    for (int32_t k = at; k < at + count; k++) {
        row[NAME_SLOT(k, step)] = (int16_t)value;
    }
}`;

export const quad2Text = `#if defined(NAME_DSP_ROWS)
/* One four of a row with two channels: x in two registers, weights in two, sums in r12 and lr. */
#define NAME_QUAD2(x0, x1, w0, w1)                                                                  \\
    "sxtb16 r3, " w0 "\\n\\tsmlad r12, " x0 ", r3, r12\\n\\tsxtb16 r3, " w1 "\\n\\tsmlad lr, " x0 ", r3, lr\\n\\t" \\
    "sxtb16 r3, " w0 ", ror #8\\n\\tsmlad r12, " x1 ", r3, r12\\n\\t"                                  \\
    "sxtb16 r3, " w1 ", ror #8\\n\\tsmlad lr, " x1 ", r3, lr\\n\\t"
#endif`;

export const sum2Text = `/* Adds the products of one row (quads fours) with two channels to sums; weights lie as [quads][2][4]. */
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

export const sum4Text = `#if defined(NAME_DSP_ROWS)
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

export const products1Text = `/* One row of inputs against all channels. */
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

export const products2Text = `/* Two interlaced rows of inputs against all channels. */
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
