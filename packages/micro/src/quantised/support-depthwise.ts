// C functions of depthwise convolutions. Plane by plane: bands of some channels as int16, with their borders, so that sums need not look for edges. Or tap by tap.

/** For the table of helpers. The functions that sum rows are written for each shape, by plane-rows.ts. */
export const planesText = `/*
 * A window over planes; columns come second. span: rows of the input that a row of the output reads; wide: from one row of a plane to the next;
 * band: rows of the output that are made at a time.
 */
typedef struct {
    int32_t input[2];
    int32_t output[2];
    int32_t begins[2];
    int32_t stride;
    int32_t span;
    int32_t wide;
    int32_t band;
    int32_t taps;
} NAME_planes;

/* Rows of one channel. */
typedef struct {
    const int16_t *x;
    int8_t *y;
    int32_t rows;
    const int8_t *w;
    int32_t bias;
    int32_t multiplier;
    int32_t zero;
} NAME_plane_job;

/* Rows of the input to be copied; skip: from the end of a row to the next, size: int16 from plane to plane. */
typedef struct {
    const int8_t *x;
    int32_t channels;
    int32_t rows;
    int32_t columns;
    int32_t skip;
    int32_t wide;
    int16_t *planes;
    int32_t size;
} NAME_gather_job;

/* One channel. */
static void NAME_gather1(const NAME_gather_job *job)
{
    const int8_t *x = job->x;
    int16_t *to = job->planes;
    for (int32_t row = job->rows; row > 0; row--) {
        for (int32_t k = 0; k < job->columns; k++) {
            to[k] = *x;
            x += job->channels;
        }
        x += job->skip;
        to += job->wide;
    }
}

/* Four channels that lie next to each other. */
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
/* Two places at a time; r0: input, r1: channels, r4 ... r7: planes; a row of an odd width ends with halves of words. */
__attribute__((naked, noinline)) static void NAME_gather4(const NAME_gather_job *job __attribute__((unused)))
{
    __asm__(".syntax unified\\n\\t"
            "ldr r1, [r0, #8]\\n\\t"
            "cmp r1, #0\\n\\t"
            "it le\\n\\t"
            "bxle lr\\n\\t"
            "push {r4-r11, lr}\\n\\t"
            "ldrd r2, r3, [r0, #12]\\n\\t"
            "ldr r12, [r0, #20]\\n\\t"
            "sub r12, r12, r2\\n\\t"
            "lsl r12, r12, #1\\n\\t"
            "push {r1, r2, r3, r12}\\n\\t"
            "ldrd r4, r5, [r0, #24]\\n\\t"
            "ldrd r0, r1, [r0]\\n\\t"
            "add r6, r4, r5, lsl #2\\n\\t"
            "add r7, r6, r5, lsl #1\\n\\t"
            "add r5, r4, r5, lsl #1\\n\\t"
            "1: ldr r2, [sp, #4]\\n\\t"
            "lsrs r12, r2, #1\\n\\t"
            "beq 3f\\n\\t"
            "2: ldr r9, [r0, r1]\\n\\t"
            "ldr r8, [r0]\\n\\t"
            "add r0, r0, r1, lsl #1\\n\\t"
            "pkhbt r10, r8, r9, lsl #16\\n\\t"
            "pkhtb r11, r9, r8, asr #16\\n\\t"
            "sxtb16 r8, r10\\n\\t"
            "sxtb16 r10, r10, ror #8\\n\\t"
            "str r8, [r4], #4\\n\\t"
            "sxtb16 r9, r11\\n\\t"
            "sxtb16 r11, r11, ror #8\\n\\t"
            "str r10, [r5], #4\\n\\t"
            "str r9, [r6], #4\\n\\t"
            "str r11, [r7], #4\\n\\t"
            "subs r12, r12, #1\\n\\t"
            "bne 2b\\n\\t"
            "3: tst r2, #1\\n\\t"
            "beq 4f\\n\\t"
            "ldr r8, [r0]\\n\\t"
            "add r0, r0, r1\\n\\t"
            "sxtb16 r9, r8\\n\\t"
            "sxtb16 r8, r8, ror #8\\n\\t"
            "strh r9, [r4], #2\\n\\t"
            "strh r8, [r5], #2\\n\\t"
            "lsr r9, r9, #16\\n\\t"
            "lsr r8, r8, #16\\n\\t"
            "strh r9, [r6], #2\\n\\t"
            "strh r8, [r7], #2\\n\\t"
            "4: ldrd r3, r12, [sp, #8]\\n\\t"
            "add r0, r0, r3\\n\\t"
            "add r4, r4, r12\\n\\t"
            "add r5, r5, r12\\n\\t"
            "add r6, r6, r12\\n\\t"
            "add r7, r7, r12\\n\\t"
            "ldr r2, [sp]\\n\\t"
            "subs r2, r2, #1\\n\\t"
            "str r2, [sp]\\n\\t"
            "bne 1b\\n\\t"
            "add sp, sp, #16\\n\\t"
            "pop {r4-r11, pc}\\n\\t");
}
#else
static void NAME_gather4(const NAME_gather_job *job)
{
    NAME_gather_job one = *job;
    for (int32_t lane = 0; lane < 4; lane++) {
        NAME_gather1(&one);
        one.x++;
        one.planes += one.size;
    }
}
#endif

/* A depthwise convolution without doublings; w: the taps of each channel, sum: rows of one channel, planes: four of them, or one for less than four channels. */
static void NAME_depthwise_planes(
    const int8_t *x, const NAME_planes *g, int32_t zero, const int8_t *w, const NAME_scaling *s, int16_t *planes, int8_t *y, void (*sum)(const NAME_plane_job *))
{
    const int32_t channels = s->channels;
    const int32_t most = g->wide - g->begins[1];
    const int32_t columns = (g->input[1] < most) ? g->input[1] : most;
    for (int32_t first = 0; first < g->output[0]; first += g->band) {
        const int32_t left = g->output[0] - first;
        const int32_t rows = (left < g->band) ? left : g->band;
        const int32_t high = (rows - 1) * g->stride + g->span;
        const int32_t size = high * g->wide;
        const int32_t top = first * g->stride - g->begins[0];
        const int32_t before = (top >= 0) ? 0 : ((-top < high) ? -top : high);
        const int32_t below = g->input[0] - top;
        const int32_t inside = ((below < high) ? below : high) - before;
        NAME_gather_job input = {x + (top + before) * g->input[1] * channels, channels, inside, columns, (g->input[1] - columns) * channels,
                                 g->wide, planes + before * g->wide + g->begins[1], size};
        NAME_plane_job job = {planes, y + first * g->output[1] * channels, rows, w, 0, 0, s->zero};
        const int32_t *p = s->parameters;
        for (int32_t i = ((channels < 4) ? 1 : 4) * size - 1; i >= 0; i--) {
            planes[i] = (int16_t)zero;
        }
        for (int32_t c = 0; c < channels;) {
            const int32_t end = (channels - c < 4) ? (c + 1) : (c + 4);
            if (end == c + 1) {
                NAME_gather1(&input);
            } else {
                NAME_gather4(&input);
            }
            input.x += end - c;
            job.x = planes;
            for (; c < end; c++) {
                job.bias = p[0];
                job.multiplier = p[1];
                sum(&job);
                job.x += size;
                job.y++;
                job.w += g->taps;
                p += 2;
            }
        }
    }
    if (s->low > -128 || s->high < 127) {
        for (int32_t place = 0; place < g->output[0] * g->output[1]; place++) {
            NAME_bounded(s, y + place * channels);
        }
    }
}`;

/** For the table of helpers: tap by tap, four channels at a time. */
export const tapsText = `#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
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
