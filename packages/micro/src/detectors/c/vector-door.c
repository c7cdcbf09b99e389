void detector_reset(detector_state *state)
{
    memset(state, 0, sizeof *state);
}

uint32_t detector_update(detector_state *state, const double x[DETECTOR_DIMENSIONS])
{
    for (uint32_t j = 0U; j < DETECTOR_DIMENSIONS; j++) {
        if (!(fabs(x[j]) <= 1e100)) {
            return state->flags | DETECTOR_REFUSED;
        }
    }
    detector_place(state, x, state->slot);
    state->slot = (state->slot + 1U) % DETECTOR_WINDOW_SIZE;
    state->tick = (state->tick + 1U) % DETECTOR_EVERY;
    if (state->held < DETECTOR_WINDOW_SIZE) {
        state->held += 1U;
        if (state->held < DETECTOR_WINDOW_SIZE) {
            return 0U;
        }
        state->ratio = detector_compare(state);
    } else if (state->tick == 0U) {
        state->ratio = detector_compare(state);
    } else {
        /* What the newest comparison said still holds. */
    }
    if (state->ratio >= 1.0) {
        state->flags = DETECTOR_DRIFT;
    } else if (state->ratio >= 0.8) {
        state->flags = DETECTOR_WARNING;
    } else {
        state->flags = 0U;
    }
    return state->flags;
}
