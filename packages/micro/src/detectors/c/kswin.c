typedef struct {
    double window[DETECTOR_WINDOW_SIZE];
    double older[DETECTOR_STAT_SIZE]; /* room for the draw */
    double newer[DETECTOR_STAT_SIZE];
    double ratio;                     /* statistic over threshold after the newest sample */
    uint32_t order[DETECTOR_WINDOW_SIZE - DETECTOR_STAT_SIZE]; /* a permutation: the draw shuffles its beginning */
    uint32_t random[4];               /* xoshiro128** */
    uint32_t held;                    /* samples in the window */
    uint32_t flags;
} detector_state;

static void detector_clear(detector_state *state)
{
    static const uint32_t seed[4] = DETECTOR_RANDOM;
    state->held = 0U;
    for (uint32_t i = 0U; i < DETECTOR_WINDOW_SIZE - DETECTOR_STAT_SIZE; i++) {
        state->order[i] = i;
    }
    memcpy(state->random, seed, sizeof seed);
}

/* The newest samples stay: they are the beginning of the new concept. */
static void detector_restart(detector_state *state)
{
    memmove(state->window, &state->window[DETECTOR_WINDOW_SIZE - DETECTOR_STAT_SIZE], DETECTOR_STAT_SIZE * sizeof(double));
    state->held = DETECTOR_STAT_SIZE;
    state->ratio = 0.0;
}

static uint32_t detector_turned(uint32_t word, uint32_t bits)
{
    return (word << bits) | (word >> (32U - bits));
}

/* 32 random bits by xoshiro128** of Blackman and Vigna (2018). */
static uint32_t detector_drawn(uint32_t s[4])
{
    const uint32_t result = detector_turned(s[1] * 5U, 7U) * 9U;
    const uint32_t shifted = s[1] << 9U;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = detector_turned(s[3], 11U);
    return result;
}

/* Shell's sort with Knuth's gaps: no recursion and no room, fast enough for every size that is allowed. */
static void detector_sort(double values[DETECTOR_STAT_SIZE])
{
    uint32_t gap = 1U;
    while (gap < DETECTOR_STAT_SIZE / 3U) {
        gap = gap * 3U + 1U;
    }
    for (; gap > 0U; gap /= 3U) {
        for (uint32_t i = gap; i < DETECTOR_STAT_SIZE; i++) {
            const double moving = values[i];
            uint32_t j = i;
            while ((j >= gap) && (values[j - gap] > moving)) {
                values[j] = values[j - gap];
                j -= gap;
            }
            values[j] = moving;
        }
    }
}

/* Largest gap between the two empirical distributions, in steps of one sample; ties count once. */
static uint32_t detector_steps(const double a[DETECTOR_STAT_SIZE], const double b[DETECTOR_STAT_SIZE])
{
    uint32_t i = 0U;
    uint32_t j = 0U;
    uint32_t worst = 0U;
    while ((i < DETECTOR_STAT_SIZE) && (j < DETECTOR_STAT_SIZE)) {
        const double x = (a[i] < b[j]) ? a[i] : b[j];
        uint32_t gap;
        while ((i < DETECTOR_STAT_SIZE) && (a[i] <= x)) {
            i++;
        }
        while ((j < DETECTOR_STAT_SIZE) && (b[j] <= x)) {
            j++;
        }
        gap = (i > j) ? i - j : j - i;
        worst = (gap > worst) ? gap : worst;
    }
    return worst;
}

static uint32_t detector_distance(detector_state *state)
{
    const uint32_t from = DETECTOR_WINDOW_SIZE - DETECTOR_STAT_SIZE;
    for (uint32_t i = 0U; i < DETECTOR_STAT_SIZE; i++) {
        const uint32_t j = i + detector_drawn(state->random) % (from - i);
        const uint32_t drawn = state->order[j];
        state->order[j] = state->order[i];
        state->order[i] = drawn;
        state->older[i] = state->window[drawn];
        state->newer[i] = state->window[from + i];
    }
    detector_sort(state->older);
    detector_sort(state->newer);
    return detector_steps(state->older, state->newer);
}

static void detector_accept(detector_state *state, double x)
{
    if (state->held == DETECTOR_WINDOW_SIZE) {
        memmove(state->window, &state->window[1], (DETECTOR_WINDOW_SIZE - 1U) * sizeof(double));
    } else {
        state->held += 1U;
    }
    state->window[state->held - 1U] = x;
    if (state->held == DETECTOR_WINDOW_SIZE) {
        detector_judge(state, ((double)detector_distance(state) + 1e-9) / DETECTOR_CRITICAL_STEPS);
    }
}
