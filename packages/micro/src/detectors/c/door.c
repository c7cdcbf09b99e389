void detector_reset(detector_state *state)
{
    detector_clear(state);
    state->ratio = 0.0;
    state->flags = 0U;
}

uint32_t detector_update(detector_state *state, double x)
{
    if (!DETECTOR_TAKES(x)) {
        return state->flags | DETECTOR_REFUSED;
    }
    if ((state->flags & DETECTOR_DRIFT) != 0U) {
        detector_restart(state);
    }
    state->flags = 0U;
    detector_accept(state, x);
    return state->flags;
}
