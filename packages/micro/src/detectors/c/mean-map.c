typedef struct {
    double maps[DETECTOR_WINDOW_SIZE * DETECTOR_MAP_SIZE]; /* ring of the maps of the newest vectors */
    double scaled[DETECTOR_DIMENSIONS];                    /* the newest vector in deviations of the reference */
    double difference[DETECTOR_MAP_SIZE];                  /* of the means of the window's maps and the reference's */
    double ratio;                                          /* statistic over threshold at the newest comparison */
    uint32_t slot;                                         /* place of the next vector in the ring */
    uint32_t held;                                         /* vectors in it */
    uint32_t tick;                                         /* vectors since the newest comparison */
    uint32_t flags;
} detector_state;

static void detector_place(detector_state *state, const double x[DETECTOR_DIMENSIONS], uint32_t slot)
{
    detector_standardise(x, state->scaled);
    for (uint32_t k = 0U; k < DETECTOR_MAP_SIZE; k++) {
        state->maps[slot * DETECTOR_MAP_SIZE + k] = detector_map(state->scaled, k);
    }
}

static double detector_compare(detector_state *state)
{
    double total = 0.0;
    for (uint32_t k = 0U; k < DETECTOR_MAP_SIZE; k++) {
        double sum = 0.0;
        for (uint32_t i = 0U; i < DETECTOR_WINDOW_SIZE; i++) {
            sum += state->maps[i * DETECTOR_MAP_SIZE + k];
        }
        state->difference[k] = sum / (double)DETECTOR_WINDOW_SIZE - detector_mean[k];
    }
    for (uint32_t k = 0U; k < DETECTOR_MAP_SIZE; k++) {
        total += detector_weighted(state->difference, k) * state->difference[k];
    }
    return total / DETECTOR_THRESHOLD;
}
