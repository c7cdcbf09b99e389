typedef struct {
    double n;    /* samples since the last alarm */
    double mean;
    double low_n; /* the prefix with the least upper bound of its mean; 0: none */
    double low_mean;
    double high_n; /* the prefix with the largest lower bound */
    double high_mean;
    double ratio; /* statistic over threshold after the newest sample */
    uint32_t flags;
} detector_state;

static void detector_clear(detector_state *state)
{
    state->n = 0.0;
    state->mean = 0.0;
    state->low_n = 0.0;
    state->low_mean = 0.0;
    state->high_n = 0.0;
    state->high_mean = 0.0;
}

static void detector_restart(detector_state *state)
{
    detector_clear(state);
}

/* Difference of means over Hoeffding's bound; a cut point that is all there is proves nothing. */
static double detector_share(const detector_state *state, double gap, double cut)
{
    if (cut >= state->n) {
        return 0.0;
    }
    return gap / sqrt((1.0 / cut - 1.0 / state->n) * DETECTOR_DRIFT_LOG);
}

static void detector_accept(detector_state *state, double x)
{
    double bound;
    state->n += 1.0;
    state->mean += (x - state->mean) / state->n;
    bound = sqrt(DETECTOR_HALF_LOG / state->n);
    if ((state->low_n < 1.0) || (state->low_mean + sqrt(DETECTOR_HALF_LOG / state->low_n) >= state->mean + bound)) {
        state->low_n = state->n;
        state->low_mean = state->mean;
    }
    state->ratio = detector_share(state, state->mean - state->low_mean, state->low_n);
#if DETECTOR_TWO_SIDED
    if ((state->high_n < 1.0) || (state->high_mean - sqrt(DETECTOR_HALF_LOG / state->high_n) <= state->mean - bound)) {
        state->high_n = state->n;
        state->high_mean = state->mean;
    }
    state->ratio = detector_larger(state->ratio, detector_share(state, state->high_mean - state->mean, state->high_n));
#endif
    state->ratio = detector_larger(state->ratio, 0.0);
    if (state->ratio >= 1.0) {
        state->flags = DETECTOR_DRIFT;
    } else if (state->ratio >= DETECTOR_WARNING_SHARE) {
        state->flags = DETECTOR_WARNING;
    } else {
        state->flags = 0U;
    }
}
