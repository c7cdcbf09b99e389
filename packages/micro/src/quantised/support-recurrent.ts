// C functions of recurrent layers: sums of a step, gates, activations by a table with interpolation.

const recurrent = `#if defined(__GNUC__)
#define NAME_APART __attribute__((noinline))
#else
#define NAME_APART
#endif

/* Sums of one row with an even number of channels. */
#if defined(NAME_DSP_ROWS)
typedef struct {
    const int16_t *x;
    int32_t quads;
    int32_t fours;
    int32_t *sums;
} NAME_sums_job;
/* One four of a row (r4, r5) with two of four channels, whose weights are in r6 and r7. */
#define NAME_PAIR(sum0, sum1)                                                                       \\
    "sxtb16 r12, r6\\n\\tsmlad " sum0 ", r4, r12, " sum0 "\\n\\tsxtb16 r12, r7\\n\\tsmlad " sum1 ", r4, r12, " sum1 "\\n\\t" \\
    "sxtb16 r12, r6, ror #8\\n\\tsmlad " sum0 ", r5, r12, " sum0 "\\n\\t"                              \\
    "sxtb16 r12, r7, ror #8\\n\\tsmlad " sum1 ", r5, r12, " sum1 "\\n\\t"
#define NAME_FOUR                                                                                   \\
    "ldmia r0!, {r4, r5}\\n\\tldmia r1!, {r6, r7}\\n\\t" NAME_PAIR("r8", "r9")                           \\
    "ldmia r2!, {r6, r7}\\n\\t" NAME_PAIR("r10", "r11")
__attribute__((naked, noinline)) static void NAME_four_sums(
    NAME_sums_job *job __attribute__((unused)), const int8_t *w __attribute__((unused)))
{
    __asm__(".syntax unified\\n\\t"
            "push {r0, r4-r11, lr}\\n\\t"
            "1: ldr r3, [sp]\\n\\t"
            "ldm r3, {r0, lr}\\n\\t"
            "add r2, r1, lr, lsl #3\\n\\t"
            "mov r8, #0\\n\\t"
            "mov r9, #0\\n\\t"
            "mov r10, #0\\n\\t"
            "mov r11, #0\\n\\t"
            "tst lr, #1\\n\\t"
            "beq 2f\\n\\t" NAME_FOUR
            "2: lsrs lr, lr, #1\\n\\t"
            "beq 4f\\n\\t"
            "3:\\n\\t" NAME_FOUR NAME_FOUR
            "subs lr, lr, #1\\n\\t"
            "bne 3b\\n\\t"
            "4: ldr r3, [sp]\\n\\t"
            "ldr r4, [r3, #12]\\n\\t"
            "stmia r4!, {r8-r11}\\n\\t"
            "str r4, [r3, #12]\\n\\t"
            "mov r1, r2\\n\\t"
            "ldr r4, [r3, #8]\\n\\t"
            "subs r4, r4, #1\\n\\t"
            "str r4, [r3, #8]\\n\\t"
            "bne 1b\\n\\t"
            "pop {r0, r4-r11, pc}\\n\\t");
}
#endif

static void NAME_sums(const int16_t *x, const int8_t *w, int32_t quads, int32_t channels, int32_t *sums)
{
    int32_t c = 0;
#if defined(NAME_DSP_ROWS)
    if (channels > 3) {
        NAME_sums_job job = {x, quads, channels / 4, sums};
        NAME_four_sums(&job, w);
        c = channels & ~3;
        w += 4 * quads * c;
    }
#endif
    for (; c < channels; c += 2) {
        sums[c] = 0;
        sums[c + 1] = 0;
        NAME_sum2(x, w, quads, sums + c);
        w += 8 * quads;
    }
}

/* A row of int16 in the order in which the sums take it. */
static void NAME_arrange(const int16_t *x, int32_t count, int16_t *row)
{
    int32_t left = count;
#if defined(NAME_DSP_ROWS)
    for (int32_t four = count >> 2; four > 0; four--) {
        const uint32_t here = ((const NAME_word *)(const void *)x)->value;
        const uint32_t next = ((const NAME_word *)(const void *)(x + 2))->value;
        uint32_t even;
        uint32_t odd;
        __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(even) : "r"(here), "r"(next));
        __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(odd) : "r"(next), "r"(here));
        *(NAME_two_words *)(void *)row = even | ((uint64_t)odd << 32);
        x += 4;
        row += 4;
    }
    left = count & 3;
#endif
    for (int32_t k = 0; k < left; k++) {
        row[NAME_SLOT(k, 4)] = x[k];
    }
}

/* Before an activation, in steps of 2^-16: both sums scaled, and the bias. parameters: multipliers of both sums, bias. */
static inline int32_t NAME_gate(int32_t input, int32_t hidden, const int32_t *parameters, int32_t up)
{
    const int64_t start = (int64_t)(((uint64_t)(uint32_t)parameters[2] << 32) | 0x80000000U);
    return (int32_t)((start + (int64_t)(input * (1 << up)) * parameters[0] + (int64_t)hidden * parameters[1]) >> 32);
}

/* 1 / (1 + exp(-x)) - 1/2 for x = step / 32, in steps of 2^-17, less 32768. */
static const int16_t NAME_logistic[LENGTH] = {
LOGISTIC
};

/* Between two neighbours of the table, part / 2048 from the first, in steps of 2^-28; more is added to it. */
static inline int32_t NAME_between(const int16_t *pair, int32_t part, int32_t more)
{
#if defined(NAME_DSP_ROWS)
    const uint32_t both = ((const NAME_word *)(const void *)pair)->value;
    uint32_t parts;
    int32_t sum;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(parts) : "r"(2048 - part), "r"(part));
    __asm__("smlad %0, %1, %2, %3" : "=r"(sum) : "r"(both), "r"(parts), "r"(more));
    return sum;
#else
    return (2048 - part) * pair[0] + part * pair[1] + more;
#endif
}

static inline int32_t NAME_most_bits(int32_t value, int32_t most)
{
    return (value < most) ? value : most;
}

/* From steps of 2^-16 to steps of 2^-15. */
static inline int32_t NAME_sigmoid_q15(int32_t x)
{
    const int32_t sign = x >> 31;
    const int32_t size = NAME_most_bits((x ^ sign) - sign, 1048575);
    const int32_t part = NAME_between(NAME_logistic + (size >> 11), size & 2047, 67108864 + 4096) >> 13;
    return NAME_most_bits(16384 + ((part ^ sign) - sign), 32767);
}

static inline int32_t NAME_tanh_q15(int32_t x)
{
    const int32_t sign = x >> 31;
    const int32_t size = NAME_most_bits((x ^ sign) - sign, 524287);
    const int32_t part = NAME_between(NAME_logistic + (size >> 10), 2 * (size & 1023), 67108864 + 2048) >> 12;
    return (NAME_most_bits(part, 32767) ^ sign) - sign;
}

/* Gates one after another. */
static NAME_APART void NAME_gates(const int32_t *input, const int32_t *hidden, const int32_t *parameters, int32_t up, int32_t count, int16_t *y)
{
    for (int32_t j = 0; j < count; j++) {
        y[j] = (int16_t)NAME_sigmoid_q15(NAME_gate(input[j], hidden[j], parameters, up));
        parameters += 3;
    }
}

/* value / 2^15, rounded. */
static inline int32_t NAME_q15(int32_t value)
{
    return (value + 16384) >> 15;
}`;

/** From 0 to 16 in steps of 1/32. */
const logisticLength = 513;

/** Bytes of the table of the logistic function. */
export const logisticBytes = logisticLength * 2;

/**
 * The table of the logistic function, as lines of C. Between its points the function lies above its chords, by up to h²/8 · |f''|: raised by half of that, the
 * table errs to both sides alike. Rounding to 16 bits hides what exp of different engines may differ in.
 */
function logisticTable(): string {
  const step = 1 / 32;
  const codes = Array.from({ length: logisticLength }, (_, i) => {
    const value = 1 / (1 + Math.exp(-i * step));
    const bend = value * (1 - value) * (2 * value - 1);
    return Math.min(65535, Math.round((value - 0.5 + (bend * step ** 2) / 16) * 2 ** 17)) - 32768;
  });
  const lines = Array.from({ length: Math.ceil(codes.length / 16) }, (_, i) => codes.slice(16 * i, 16 * i + 16));
  return lines.map((line) => `    ${line.join(', ')}`).join(',\n');
}

/** For the table of helpers: what a reset gate leaves. */
export const shareText = `/* value * factor / 2^15 for |value| <= 2^30 and a factor of int16, rounded. */
static inline int32_t NAME_share(int32_t value, int32_t factor)
{
    return (int32_t)(((int64_t)(value * 2) * (factor * 65536) + 0x80000000LL) >> 32);
}`;

/** For the table of helpers. */
export const recurrentText = recurrent.replace('LENGTH', String(logisticLength)).replace('LOGISTIC', logisticTable());
