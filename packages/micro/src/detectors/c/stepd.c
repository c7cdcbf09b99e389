typedef struct {
    double n; /* samples since the last alarm */
    double recent_errors;
    double older_errors;
    double ratio;                    /* statistic over threshold after the newest sample */
    uint32_t at;                     /* place of the next sample in the ring */
    uint32_t flags;
    uint8_t recent[DETECTOR_WINDOW]; /* ring of the newest samples */
} detector_state;

static void detector_clear(detector_state *state)
{
    state->n = 0.0;
    state->recent_errors = 0.0;
    state->older_errors = 0.0;
    state->ratio = 0.0;
    state->at = 0U;
    memset(state->recent, 0, sizeof state->recent);
}

static void detector_restart(detector_state *state)
{
    detector_clear(state);
}

/* The statistic T of the test of equal proportions, 0 when the change is not in the wanted direction. */
static double detector_statistic(const detector_state *state)
{
    const double window = (double)DETECTOR_WINDOW;
    const double older = state->n - window;
    const double rise = state->recent_errors / window - state->older_errors / older;
    const double rate = (state->recent_errors + state->older_errors) / state->n;
    const double scale = 1.0 / older + 1.0 / window;
    const double spread = sqrt(rate * (1.0 - rate) * scale);
#if DETECTOR_DIRECTION > 0
    if (rise < 0.0) {
        return 0.0;
    }
#elif DETECTOR_DIRECTION < 0
    if (rise > 0.0) {
        return 0.0;
    }
#endif
    return (spread > 0.0) ? detector_larger(0.0, fabs(rise) - scale / 2.0) / spread : 0.0;
}

static void detector_accept(detector_state *state, double error)
{
    const double leaving = (double)state->recent[state->at];
    double z;
    state->recent[state->at] = (error > 0.5) ? 1U : 0U;
    state->at = (state->at + 1U) % DETECTOR_WINDOW;
    state->recent_errors += error - leaving;
    state->older_errors += leaving;
    state->n += 1.0;
    if (state->n < 2.0 * (double)DETECTOR_WINDOW) {
        return;
    }
    z = detector_statistic(state);
    state->ratio = z / DETECTOR_Z_DRIFT;
    if (z > DETECTOR_Z_DRIFT) {
        state->flags = DETECTOR_DRIFT;
    } else if (z > DETECTOR_Z_WARNING) {
        state->flags = DETECTOR_WARNING;
    } else {
        state->flags = 0U;
    }
}
