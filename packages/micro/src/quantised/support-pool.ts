// C functions of pools: a row of channels taken into the greatest, or into the sums, four at a time where ARMv7E-M's instructions allow it.

/** For the table of helpers. */
export const mostText = `/* y = max(y, x) over channels. */
static void NAME_most(int8_t *y, const int8_t *x, int32_t channels)
{
    int32_t c = 0;
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
    for (; c < channels - 3; c += 4) {
        NAME_word *const to = (NAME_word *)(void *)(y + c);
        const uint32_t next = ((const NAME_word *)(const void *)(x + c))->value;
        uint32_t most;
        /* SSUB8 notes which bytes of one are not below those of the other, SEL takes those. */
        __asm__("ssub8 %0, %1, %2\\n\\tsel %0, %1, %2" : "=&r"(most) : "r"(to->value), "r"(next) : "cc");
        to->value = most;
    }
#endif
    for (; c < channels; c++) {
        y[c] = (y[c] < x[c]) ? x[c] : y[c];
    }
}`;

/** For the table of helpers. */
export const tallyText = `/* sums += x over channels. */
static void NAME_tally(int32_t *sums, const int8_t *x, int32_t channels)
{
    int32_t c = 0;
    for (; c < channels - 3; c += 4) {
        sums[c] += x[c];
        sums[c + 1] += x[c + 1];
        sums[c + 2] += x[c + 2];
        sums[c + 3] += x[c + 3];
    }
    for (; c < channels; c++) {
        sums[c] += x[c];
    }
}`;
