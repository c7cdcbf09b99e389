typedef struct {
    double n;           /* samples since the last alarm */
    double rate;        /* of errors among them */
    double best_rate;   /* rate and spread where their sum was least */
    double best_spread;
    double ratio;       /* statistic over threshold after the newest sample */
    uint32_t flags;
} detector_state;

static void detector_clear(detector_state *state)
{
    state->n = 0.0;
    state->rate = 0.0;
    state->best_rate = 2.0;
    state->best_spread = 2.0;
    state->ratio = 0.0;
}

static void detector_restart(detector_state *state)
{
    detector_clear(state);
}

/* How far the rate has risen, when the best spread is 0 and nothing can be divided by it. */
static double detector_sign(double rise)
{
    if (rise > 0.0) {
        return 2.0;
    }
    return (rise < 0.0) ? -2.0 : 0.0;
}

static void detector_accept(detector_state *state, double error)
{
    double spread;
    double above;
    double rise;
    state->n += 1.0;
    state->rate += (error - state->rate) / state->n;
    if (state->n <= DETECTOR_WARM_UP) {
        return;
    }
    spread = sqrt(detector_larger(0.0, state->rate * (1.0 - state->rate)) / state->n);
    if (state->rate + spread <= state->best_rate + state->best_spread) {
        state->best_rate = state->rate;
        state->best_spread = spread;
    }
    above = state->rate + spread - state->best_rate;
    if (above > DETECTOR_DRIFT_LEVEL * state->best_spread) {
        state->flags = DETECTOR_DRIFT;
    } else if (above > DETECTOR_WARNING_LEVEL * state->best_spread) {
        state->flags = DETECTOR_WARNING;
    } else {
        state->flags = 0U;
    }
    rise = above - state->best_spread;
    state->ratio = (state->best_spread > 0.0) ? rise / ((DETECTOR_DRIFT_LEVEL - 1.0) * state->best_spread) : detector_sign(rise);
}
