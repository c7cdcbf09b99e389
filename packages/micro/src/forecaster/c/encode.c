static double forecaster_clamped(double x)
{
    if (x > FORECASTER_CLAMP_SIGMA) {
        return FORECASTER_CLAMP_SIGMA;
    }
    return (x < -FORECASTER_CLAMP_SIGMA) ? -FORECASTER_CLAMP_SIGMA : x;
}

/* Writes the window as the model takes it: rows of features, normalised. */
static void forecaster_encode(forecaster_memory *memory)
{
    const forecaster_window *const window = &memory->window;
    for (uint32_t i = 0U; i < FORECASTER_WINDOW; i++) {
        const double value = window->rows[i + 1U];
        FORECASTER_READ_ROW
        float *const row = &memory->input[i * FORECASTER_FEATURES];
        FORECASTER_WRITE_ROW
    }
}
