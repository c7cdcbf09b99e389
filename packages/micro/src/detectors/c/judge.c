/* Sets the flags from statistic over threshold, where the paper has no warning zone of its own. */
static void detector_judge(detector_state *state, double ratio)
{
    state->ratio = ratio;
    if (ratio >= 1.0) {
        state->flags = DETECTOR_DRIFT;
    } else if (ratio >= 0.8) {
        state->flags = DETECTOR_WARNING;
    } else {
        state->flags = 0U;
    }
}
