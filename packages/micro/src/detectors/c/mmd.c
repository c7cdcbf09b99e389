/* A random Fourier feature of the Gaussian kernel. */
static double detector_map(const double scaled[DETECTOR_DIMENSIONS], uint32_t k)
{
    double angle = detector_phases[k];
    for (uint32_t j = 0U; j < DETECTOR_DIMENSIONS; j++) {
        angle += detector_directions[k * DETECTOR_DIMENSIONS + j] * scaled[j];
    }
    return DETECTOR_ROOT_2 * cos(angle) * DETECTOR_SHARE;
}

static double detector_weighted(const double difference[DETECTOR_MAP_SIZE], uint32_t k)
{
    return difference[k];
}
