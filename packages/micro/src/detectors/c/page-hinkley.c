typedef struct {
    double n;     /* samples since the last alarm */
    double mean;  /* their mean */
    double up;    /* summed excess above it */
    double down;  /* and below it */
    double ratio; /* statistic over threshold after the newest sample */
    uint32_t flags;
} detector_state;

static void detector_clear(detector_state *state)
{
    state->n = 0.0;
    state->mean = 0.0;
    state->up = 0.0;
    state->down = 0.0;
}

static void detector_restart(detector_state *state)
{
    detector_clear(state);
}

static void detector_accept(detector_state *state, double x)
{
    double sum;
    double excess;
    state->n += 1.0;
    state->mean += (x - state->mean) / state->n;
    excess = x - state->mean;
    state->up = detector_larger(0.0, DETECTOR_ALPHA * state->up + excess - DETECTOR_DELTA);
    state->down = detector_larger(0.0, DETECTOR_ALPHA * state->down - excess - DETECTOR_DELTA);
#if DETECTOR_DIRECTION == 0
    sum = detector_larger(state->up, state->down);
#elif DETECTOR_DIRECTION > 0
    sum = state->up;
#else
    sum = state->down;
#endif
    detector_judge(state, sum / DETECTOR_LAMBDA);
    if (state->n < DETECTOR_MIN_SAMPLES) {
        state->flags = 0U;
    }
}

void detector_prime(detector_state *state, double mean, double n)
{
    detector_reset(state);
    state->mean = mean;
    state->n = n;
}
