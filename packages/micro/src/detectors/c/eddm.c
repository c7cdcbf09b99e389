typedef struct {
    double n;          /* samples since the last alarm */
    double last_error; /* number of the sample that was the newest error */
    double errors;
    double mean;       /* of the distances between errors */
    double squares;    /* of their distances from it */
    double best;       /* largest mean + 2 deviations */
    double ratio;      /* statistic over threshold after the newest sample */
    uint32_t warned;   /* whether the newest error was in the warning zone */
    uint32_t flags;
} detector_state;

static void detector_clear(detector_state *state)
{
    state->n = 0.0;
    state->last_error = 0.0;
    state->errors = 0.0;
    state->mean = 0.0;
    state->squares = 0.0;
    state->best = 0.0;
    state->ratio = 0.0;
    state->warned = 0U;
}

static void detector_restart(detector_state *state)
{
    detector_clear(state);
}

static void detector_test(detector_state *state)
{
    const double spread = (state->errors > 1.0) ? sqrt(state->squares / (state->errors - 1.0)) : 0.0;
    const double reach = state->mean + 2.0 * spread;
    double level;
    if (reach > state->best) {
        state->best = reach;
        state->ratio = 0.0;
        return;
    }
    if (state->errors <= DETECTOR_MIN_ERRORS) {
        return;
    }
    level = reach / state->best;
    state->warned = (level < DETECTOR_ALPHA) ? 1U : 0U;
    state->ratio = (1.0 - level) / (1.0 - DETECTOR_BETA);
    if (level < DETECTOR_BETA) {
        state->flags = DETECTOR_DRIFT;
    }
}

static void detector_gap(detector_state *state)
{
    const double gap = state->n - state->last_error;
    const double before = gap - state->mean;
    state->last_error = state->n;
    state->errors += 1.0;
    state->mean += before / state->errors;
    state->squares += before * (gap - state->mean);
    if (state->n > DETECTOR_MIN_ERRORS) {
        detector_test(state);
    }
}

static void detector_accept(detector_state *state, double error)
{
    state->n += 1.0;
    if (error > 0.5) {
        detector_gap(state);
    }
    if ((state->warned != 0U) && (state->flags == 0U)) {
        state->flags = DETECTOR_WARNING;
    }
}
