/* A vector in deviations of the reference. */
static void detector_standardise(const double x[DETECTOR_DIMENSIONS], double out[DETECTOR_DIMENSIONS])
{
    for (uint32_t j = 0U; j < DETECTOR_DIMENSIONS; j++) {
        const double z = (x[j] - detector_centre[j]) / detector_deviation[j];
        out[j] = z;
        if (z > DETECTOR_MOST_DEVIATIONS) {
            out[j] = DETECTOR_MOST_DEVIATIONS;
        }
        if (z < -DETECTOR_MOST_DEVIATIONS) {
            out[j] = -DETECTOR_MOST_DEVIATIONS;
        }
    }
}
