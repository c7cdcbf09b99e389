double detector_evidence(const detector_state *state)
{
    if ((state->flags & DETECTOR_DRIFT) != 0U) {
        return (state->ratio > 1.0) ? state->ratio : 1.0;
    }
    if (state->ratio > 1.0 - 1e-12) {
        return 1.0 - 1e-12;
    }
    return (state->ratio > 0.0) ? state->ratio : 0.0;
}
