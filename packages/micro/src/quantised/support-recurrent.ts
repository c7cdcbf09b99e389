// C functions of recurrent layers: sums of a step, gates, activations by a table with interpolation.

const recurrent = `/* Sums of one row with an even number of channels. */
#if defined(NAME_DSP_ROWS)
typedef struct {
    const int16_t *x;
    int32_t quads;
    int32_t pairs;
    int32_t *sums;
} NAME_sums_job;
__attribute__((naked, noinline)) static void NAME_all_sums(
    NAME_sums_job *job __attribute__((unused)), const int8_t *w __attribute__((unused)))
{
    __asm__(".syntax unified\\n\\t"
            "push {r0, r4-r11, lr}\\n\\t"
            "1: ldr r3, [sp]\\n\\t"
            "ldm r3, {r0, r2}\\n\\t"
            "mov r12, #0\\n\\t"
            "mov lr, #0\\n\\t"
            "tst r2, #1\\n\\t"
            "beq 2f\\n\\t"
            "ldmia r0!, {r4, r5}\\n\\t"
            "ldmia r1!, {r8, r9}\\n\\t" NAME_QUAD2("r4", "r5", "r8", "r9")
            "2: lsrs r2, r2, #1\\n\\t"
            "beq 4f\\n\\t"
            "3: ldmia r0!, {r4-r7}\\n\\t"
            "ldmia r1!, {r8-r11}\\n\\t" NAME_QUAD2("r4", "r5", "r8", "r9") NAME_QUAD2("r6", "r7", "r10", "r11")
            "subs r2, r2, #1\\n\\t"
            "bne 3b\\n\\t"
            "4: ldr r3, [sp]\\n\\t"
            "ldr r4, [r3, #12]\\n\\t"
            "stmia r4!, {r12, lr}\\n\\t"
            "str r4, [r3, #12]\\n\\t"
            "ldr r4, [r3, #8]\\n\\t"
            "subs r4, r4, #1\\n\\t"
            "str r4, [r3, #8]\\n\\t"
            "bne 1b\\n\\t"
            "pop {r0, r4-r11, pc}\\n\\t");
}
#endif

static void NAME_sums(const int16_t *x, const int8_t *w, int32_t quads, int32_t channels, int32_t *sums)
{
#if defined(NAME_DSP_ROWS)
    NAME_sums_job job = {x, quads, channels / 2, sums};
    NAME_all_sums(&job, w);
#else
    for (int32_t c = 0; c < channels; c += 2) {
        sums[c] = 0;
        sums[c + 1] = 0;
        NAME_sum2(x, w, quads, sums + c);
        w += 8 * quads;
    }
#endif
}

/* A row of int16 in the order in which the sums take it. */
static void NAME_arrange(const int16_t *x, int32_t count, int16_t *row)
{
    for (int32_t k = 0; k < count; k++) {
        row[NAME_SLOT(k, 4)] = x[k];
    }
}

/* Before an activation, in steps of 2^-16: both sums scaled, and the bias. parameters: multipliers of both sums, bias. */
static inline int32_t NAME_gate(int32_t input, int32_t hidden, const int32_t *parameters, int32_t up)
{
    const int64_t start = (int64_t)(((uint64_t)(uint32_t)parameters[2] << 32) | 0x80000000U);
    return (int32_t)((start + (int64_t)(input * (1 << up)) * parameters[0] + (int64_t)hidden * parameters[1]) >> 32);
}

/* 1 / (1 + exp(-x)) - 1/2 for x = step / 32, in steps of 2^-17. */
static const uint16_t NAME_logistic[LENGTH] = {
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

const logisticLength = 386;

/** Bytes of the table of the logistic function. */
export const logisticBytes = logisticLength * 2;

/**
 * The table of the logistic function, as lines of C. Between its points the function lies above its chords, by up to h²/8 · |f''|: raised by half of that, the
 * table errs to both sides alike. Rounding to 16 bits hides what exp of different engines may differ in.
 */
function logisticTable(): string {
  const step = 1 / 32;
  const codes = Array.from({ length: logisticLength }, (_, i) => {
    const value = 1 / (1 + Math.exp(-Math.min(i, 384) * step));
    const bend = value * (1 - value) * (2 * value - 1);
    return Math.min(65535, Math.round((value - 0.5 + (bend * step ** 2) / 16) * 2 ** 17));
  });
  const lines = Array.from({ length: Math.ceil(codes.length / 16) }, (_, i) => codes.slice(16 * i, 16 * i + 16));
  return lines.map((line) => `    ${line.join(', ')}`).join(',\n');
}

/** For the table of helpers. */
export const recurrentText = recurrent.replace('LENGTH', String(logisticLength)).replace('LOGISTIC', logisticTable());
