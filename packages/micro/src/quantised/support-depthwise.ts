// C functions of depthwise convolutions of 3 x 3 taps: plane by plane.

/** For the table of helpers. */
export const planesText = `/* A window of 3 x 3 over planes, columns one after another; places of the input that lie before it. */
typedef struct {
    int32_t input[2];
    int32_t output[2];
    int32_t begins[2];
    int32_t stride;
    int32_t dilation;
} NAME_planes;

#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
typedef struct {
    int32_t pairs;
    int32_t skip_x;
    int32_t skip_y;
    int32_t rows;
    int32_t scaling[3];
    int16_t outer[6];
    int32_t bias[2];
    const int8_t *x;
    int32_t wide;
    int8_t *y;
    int32_t channels;
    int16_t middle[4];
} NAME_plane_job;
/* One row of taps for two places next to each other: of the inputs p0 ... p3 in lr, SXTB16 makes (p1, p3) and (p0, p2). */
#define NAME_TAPS3(outer, middle, half)                                                             \\
    "sxtb16 r12, lr, ror #8\\n\\tsxtb16 lr, lr\\n\\t"                                                  \\
    "smlad r9, lr, " outer ", r9\\n\\tsmlab" half " r9, r12, " middle ", r9\\n\\t"                     \\
    "smlad r10, r12, " outer ", r10\\n\\tsmlat" half " r10, lr, " middle ", r10\\n\\t"
/* r4 multiplier, r5 shift, r6 half a step and zero point. */
#define NAME_PLANE_CODE(sum)                                                                        \\
    "asr r12, " sum ", #31\\n\\tadd lr, r6, r12\\n\\tsmlal r12, lr, " sum ", r4\\n\\t"                   \\
    "asr lr, lr, r5\\n\\tssat " sum ", #8, lr\\n\\t"
/* Rows of pairs of places of one channel: r0 inputs, r1 width of the plane, r2 outputs, r3 channels; the stack holds the job up to bias. */
__attribute__((naked, noinline)) static void NAME_plane_rows(const NAME_plane_job *job __attribute__((unused)))
{
    __asm__(".syntax unified\\n\\t"
            "push {r4-r11, lr}\\n\\t"
            "ldmia r0!, {r4-r7}\\n\\t"
            "add r12, r0, #32\\n\\t"
            "push {r4-r7}\\n\\t"
            "ldmia r0, {r4-r11}\\n\\t"
            "push {r4-r11}\\n\\t"
            "ldm r12, {r0-r3, r7, r8}\\n\\t"
            "1: ldr r11, [sp, #32]\\n\\t"
            "2: ldrd r4, r5, [sp, #12]\\n\\t"
            "ldr r6, [sp, #20]\\n\\t"
            "ldrd r9, r10, [sp, #24]\\n\\t"
            "ldr lr, [r0, r1]\\n\\t" NAME_TAPS3("r5", "r7", "t")
            "ldr lr, [r0, r1, lsl #1]\\n\\t" NAME_TAPS3("r6", "r8", "b")
            "ldr lr, [r0], #2\\n\\t" NAME_TAPS3("r4", "r7", "b")
            "ldm sp, {r4-r6}\\n\\t" NAME_PLANE_CODE("r9")
            "strb r9, [r2]\\n\\t" NAME_PLANE_CODE("r10")
            "strb r10, [r2, r3]\\n\\t"
            "add r2, r2, r3, lsl #1\\n\\t"
            "subs r11, r11, #1\\n\\t"
            "bne 2b\\n\\t"
            "ldrd r4, r5, [sp, #36]\\n\\t"
            "add r0, r0, r4\\n\\t"
            "add r2, r2, r5\\n\\t"
            "ldr r4, [sp, #44]\\n\\t"
            "subs r4, r4, #1\\n\\t"
            "str r4, [sp, #44]\\n\\t"
            "bne 1b\\n\\t"
            "add sp, sp, #48\\n\\t"
            "pop {r4-r11, pc}\\n\\t");
}

/* Rows of an odd width write one place into the row behind, which comes next; the last row meets that place twice instead. */
static void NAME_plane3(const NAME_planes *g, int32_t wide, const int8_t *plane, const int16_t *w, const int32_t *p, int32_t channels, int8_t *y)
{
    const int32_t odd = g->output[1] & 1;
    const int32_t rows = g->output[0] - odd;
    const int32_t pairs = (g->output[1] + odd) / 2;
    NAME_plane_job job = {pairs, g->stride * wide - 2 * pairs, -odd * channels, rows, {p[1], p[2], p[3]}, {0}, {p[0], p[0]},
                          plane, g->dilation * wide, y, channels, {0}};
    memcpy(job.outer, w, sizeof job.outer);
    memcpy(job.middle, w + 6, sizeof job.middle);
    if (rows > 0) {
        NAME_plane_rows(&job);
    }
    if (odd != 0) {
        job.x = plane + rows * g->stride * wide;
        job.y = y + rows * g->output[1] * channels;
        job.rows = 1;
        job.pairs = pairs - 1;
        NAME_plane_rows(&job);
        job.x += g->output[1] - 2;
        job.y += (g->output[1] - 2) * channels;
        job.pairs = 1;
        NAME_plane_rows(&job);
    }
}
#else
static void NAME_plane3(const NAME_planes *g, int32_t wide, const int8_t *plane, const int16_t *w, const int32_t *p, int32_t channels, int8_t *y)
{
    for (int32_t row = 0; row < g->output[0]; row++) {
        const int8_t *const x = plane + row * g->stride * wide;
        for (int32_t k = 0; k < g->output[1]; k++) {
            int32_t sum = p[0];
            for (int32_t i = 0; i < 3; i++) {
                const int8_t *const taps = x + i * g->dilation * wide + k;
                sum += taps[0] * w[2 * i] + taps[1] * w[6 + i] + taps[2] * w[2 * i + 1];
            }
            *y = NAME_narrowed(sum, 0, p[1], p[2], p[3]);
            y += channels;
        }
    }
}
#endif

#if defined(__GNUC__)
#define NAME_HERE __attribute__((always_inline))
#else
#define NAME_HERE
#endif

/*
 * A depthwise convolution, written out for each layer with its sizes: each channel is gathered into a plane with its borders, so that sums need not look for edges.
 * Weights of a channel: the outer two of each row, then the middle ones. The plane is as wide as the output made even, and two more.
 */
static inline NAME_HERE void NAME_depthwise3(const int8_t *x, const NAME_planes *g, int32_t zero, const int16_t *w, const NAME_scaling *s, int8_t *plane, int8_t *y)
{
    const int32_t wide = ((g->output[1] + 1) & ~1) + 2;
    const int32_t high = (g->output[0] - 1) * g->stride + 2 * g->dilation + 1;
    const int32_t most = high - g->begins[0];
    const int32_t rows = (g->input[0] < most) ? g->input[0] : most;
    const int32_t channels = s->channels;
    const int32_t columns = g->input[1];
    int8_t *const inner = plane + g->begins[0] * wide + g->begins[1];
    memset(plane, zero, (size_t)(wide * high));
    for (int32_t c = 0; c < channels; c++) {
        const int8_t *from = x + c;
        for (int32_t row = 0; row < rows; row++) {
            int8_t *to = inner + row * wide;
            for (int32_t four = columns >> 2; four > 0; four--) {
                to[0] = from[0];
                to[1] = from[channels];
                to[2] = from[2 * channels];
                to[3] = from[3 * channels];
                to += 4;
                from += 4 * channels;
            }
            for (int32_t k = columns & 3; k > 0; k--) {
                *to++ = *from;
                from += channels;
            }
        }
        NAME_plane3(g, wide, plane, w + 10 * c, s->parameters + 4 * c, channels, y + c);
    }
    if (s->low > -128 || s->high < 127) {
        for (int32_t place = 0; place < g->output[0] * g->output[1]; place++) {
            NAME_bounded(s, y + place * channels);
        }
    }
}`;
