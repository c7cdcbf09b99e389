typedef struct {
    double n;       /* samples that the reference was estimated from */
    double mean;    /* of the reference */
    double squares; /* of the distances from it */
    double up;      /* summed deviations above it */
    double down;    /* and below it */
    double ratio;   /* statistic over threshold after the newest sample */
    uint32_t flags;
} detector_state;

static void detector_clear(detector_state *state)
{
    state->n = 0.0;
    state->mean = 0.0;
    state->squares = 0.0;
    state->up = 0.0;
    state->down = 0.0;
    state->ratio = 0.0;
}

static void detector_restart(detector_state *state)
{
    detector_clear(state);
}

/* No sample counts for more deviations than this: a constant reference makes every change infinite. */
#define DETECTOR_MOST 1e6

static void detector_add(detector_state *state, double deviations)
{
    const double held = (deviations < DETECTOR_MOST) ? deviations : DETECTOR_MOST;
    const double z = detector_larger(-DETECTOR_MOST, held);
    double sum;
    state->up = detector_larger(0.0, state->up + z - DETECTOR_K);
    state->down = detector_larger(0.0, state->down - z - DETECTOR_K);
#if DETECTOR_DIRECTION == 0
    sum = detector_larger(state->up, state->down);
#elif DETECTOR_DIRECTION > 0
    sum = state->up;
#else
    sum = state->down;
#endif
    detector_judge(state, sum / DETECTOR_H);
}

#if DETECTOR_REFERENCE_GIVEN
static void detector_accept(detector_state *state, double x)
{
    detector_add(state, (x - DETECTOR_MEAN) / DETECTOR_DEVIATION);
}
#else
static void detector_accept(detector_state *state, double x)
{
    const double gap = x - state->mean;
    double deviation;
    if (state->n < DETECTOR_WARM_UP) {
        state->n += 1.0;
        state->mean += gap / state->n;
        state->squares += gap * (x - state->mean);
        return;
    }
    deviation = sqrt(state->squares / (state->n - 1.0));
    if (deviation > 0.0) {
        detector_add(state, gap / deviation);
    } else if (gap > 0.0) {
        detector_add(state, DETECTOR_MOST);
    } else if (gap < 0.0) {
        detector_add(state, -DETECTOR_MOST);
    } else {
        detector_add(state, 0.0);
    }
}
#endif
