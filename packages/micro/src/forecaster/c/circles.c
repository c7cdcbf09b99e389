/* Sines and cosines of the rows' times: computed once for each cell, as they are the costly part of a window. */
typedef struct {
    int64_t cells[FORECASTER_WINDOW];
    float values[FORECASTER_WINDOW * FORECASTER_CIRCLES];
} forecaster_circles;

static void forecaster_empty_circles(forecaster_circles *circles)
{
    for (uint32_t i = 0U; i < FORECASTER_WINDOW; i++) {
        circles->cells[i] = FORECASTER_NO_CELL;
    }
}

/* Where a time lies in its period, radians. */
static double forecaster_turn(double time, double period)
{
    return (FORECASTER_TWO_PI * fmod(time, period)) / period;
}

static const float *forecaster_circles_of(forecaster_circles *circles, int64_t cell)
{
    const int64_t remainder = cell % (int64_t)FORECASTER_WINDOW;
    const uint32_t slot = (uint32_t)((remainder < 0) ? remainder + (int64_t)FORECASTER_WINDOW : remainder);
    float *const values = &circles->values[slot * FORECASTER_CIRCLES];
    if (circles->cells[slot] != cell) {
        const double time = forecaster_cell_time(cell);
        circles->cells[slot] = cell;
        FORECASTER_WRITE_CIRCLES
    }
    return values;
}
