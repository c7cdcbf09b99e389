typedef struct {
    double roots[DETECTOR_WINDOW_SIZE]; /* ring: cube roots of the newest vectors' distances from their nearest cluster */
    double white[DETECTOR_DIMENSIONS];  /* the newest vector where the clusters are round */
    double ratio;                       /* statistic over threshold at the newest comparison */
    uint32_t slot;                      /* place of the next vector in the ring */
    uint32_t held;                      /* vectors in it */
    uint32_t tick;                      /* vectors since the newest comparison */
    uint32_t flags;
} detector_state;

/* Turns a standardised vector into the space in which the clusters are round. */
static void detector_whiten(double x[DETECTOR_DIMENSIONS])
{
    for (uint32_t i = 0U; i < DETECTOR_DIMENSIONS; i++) {
        double sum = x[i];
        for (uint32_t k = 0U; k < i; k++) {
            sum -= detector_factor[i * DETECTOR_DIMENSIONS + k] * x[k];
        }
        x[i] = sum / detector_factor[i * DETECTOR_DIMENSIONS + i];
    }
}

static void detector_place(detector_state *state, const double x[DETECTOR_DIMENSIONS], uint32_t slot)
{
    double least = (double)INFINITY;
    detector_standardise(x, state->white);
    detector_whiten(state->white);
    for (uint32_t k = 0U; k < DETECTOR_CENTRES; k++) {
        double squared = 0.0;
        for (uint32_t j = 0U; j < DETECTOR_DIMENSIONS; j++) {
            const double gap = state->white[j] - detector_centres[k * DETECTOR_DIMENSIONS + j];
            squared += gap * gap;
        }
        least = (squared < least) ? squared : least;
    }
    state->roots[slot] = cbrt(least);
}

static double detector_compare(detector_state *state)
{
    double mean = 0.0;
    for (uint32_t i = 0U; i < DETECTOR_WINDOW_SIZE; i++) {
        mean += state->roots[i] / (double)DETECTOR_WINDOW_SIZE;
    }
    return fabs(mean - DETECTOR_HELD_MEAN) / DETECTOR_REACH;
}
