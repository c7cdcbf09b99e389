// C functions of pools: a row of channels taken into the greatest, or into the sums, four at a time where ARMv7E-M's instructions allow it.

/** For the table of helpers. */
export const mostText = `/* y = max(y, x) over channels. */
static void NAME_most(int8_t *y, const int8_t *x, int32_t channels)
{
    int32_t left = channels;
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
    for (int32_t four = channels >> 2; four > 0; four--) {
        NAME_word *const to = (NAME_word *)(void *)y;
        const uint32_t next = ((const NAME_word *)(const void *)x)->value;
        uint32_t most;
        /* SSUB8 notes which bytes of one are not below those of the other, SEL takes those. */
        __asm__("ssub8 %0, %1, %2\\n\\tsel %0, %1, %2" : "=&r"(most) : "r"(to->value), "r"(next) : "cc");
        to->value = most;
        x += 4;
        y += 4;
    }
    left = channels & 3;
#endif
    for (int32_t c = 0; c < left; c++) {
        y[c] = (y[c] < x[c]) ? x[c] : y[c];
    }
}`;

/** For the table of helpers. */
export const tallyText = `/* sums += x over channels. */
static void NAME_tally(int32_t *sums, const int8_t *x, int32_t channels)
{
    for (int32_t four = channels >> 2; four > 0; four--) {
        sums[0] += x[0];
        sums[1] += x[1];
        sums[2] += x[2];
        sums[3] += x[3];
        sums += 4;
        x += 4;
    }
    for (int32_t c = 0; c < (channels & 3); c++) {
        sums[c] += x[c];
    }
}`;
