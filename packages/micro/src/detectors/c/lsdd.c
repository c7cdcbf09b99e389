/* The Gaussian kernel around a centre. */
static double detector_map(const double scaled[DETECTOR_DIMENSIONS], uint32_t k)
{
    double squared = 0.0;
    for (uint32_t j = 0U; j < DETECTOR_DIMENSIONS; j++) {
        const double gap = scaled[j] - detector_centres[k * DETECTOR_DIMENSIONS + j];
        squared += gap * gap;
    }
    return exp(-squared / DETECTOR_SPREAD);
}

static double detector_weighted(const double difference[DETECTOR_MAP_SIZE], uint32_t k)
{
    double row = 0.0;
    for (uint32_t j = 0U; j < DETECTOR_MAP_SIZE; j++) {
        row += detector_form[k * DETECTOR_MAP_SIZE + j] * difference[j];
    }
    return row;
}
