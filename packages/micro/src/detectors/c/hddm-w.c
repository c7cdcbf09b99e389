/* An exponentially weighted mean and the weight in its bound, 1 until the first sample. */
typedef struct {
    double mean;
    double weight;
} detector_weighted;

/* The moment of the best bound, and what came since. */
typedef struct {
    double best; /* least mean + bound */
    detector_weighted before;
    detector_weighted since;
} detector_cut;

typedef struct {
    detector_weighted total;
    detector_cut rise;
    detector_cut fall; /* of the mirrored samples 1 - x */
    double ratio;      /* statistic over threshold after the newest sample */
    uint32_t flags;
} detector_state;

static void detector_empty(detector_cut *cut)
{
    cut->best = 1e9; /* above every mean + bound */
    cut->before.mean = 0.0;
    cut->before.weight = 1.0;
    cut->since.mean = 0.0;
    cut->since.weight = 1.0;
}

static void detector_clear(detector_state *state)
{
    state->total.mean = 0.0;
    state->total.weight = 1.0;
    detector_empty(&state->rise);
    detector_empty(&state->fall);
}

static void detector_restart(detector_state *state)
{
    detector_clear(state);
}

static void detector_add(detector_weighted *sample, double x)
{
    sample->mean = (sample->weight >= 1.0) ? x : DETECTOR_LAMBDA * x + DETECTOR_KEEP * sample->mean;
    sample->weight = DETECTOR_LAMBDA_SQUARED + DETECTOR_KEEP_SQUARED * sample->weight;
}

/* Moves the cut or adds to what came since; gives the difference of means over McDiarmid's bound. */
static double detector_follow(const detector_state *state, detector_cut *cut, double x, double mean)
{
    const double bound = mean + sqrt(state->total.weight * DETECTOR_DRIFT_LOG);
    if (bound < cut->best) {
        detector_empty(cut);
        cut->best = bound;
        cut->before.mean = mean;
        cut->before.weight = state->total.weight;
        return 0.0;
    }
    detector_add(&cut->since, x);
    return (cut->since.mean - cut->before.mean) / sqrt((cut->before.weight + cut->since.weight) * DETECTOR_DRIFT_LOG);
}

static void detector_accept(detector_state *state, double x)
{
    detector_add(&state->total, x);
    state->ratio = detector_larger(0.0, detector_follow(state, &state->rise, x, state->total.mean));
#if DETECTOR_TWO_SIDED
    state->ratio = detector_larger(state->ratio, detector_follow(state, &state->fall, 1.0 - x, 1.0 - state->total.mean));
#endif
    if (state->ratio > 1.0) {
        state->flags = DETECTOR_DRIFT;
    } else if (state->ratio > DETECTOR_WARNING_SHARE) {
        state->flags = DETECTOR_WARNING;
    } else {
        state->flags = 0U;
    }
}
