/* Forecasts one step ahead that wait for their readings, in the order in which their cells were first forecast for. */
typedef struct {
    int64_t cells[3U * FORECASTER_HORIZON];
    double forecasts[3U * FORECASTER_HORIZON]; /* NaN: only forecasts further ahead name the cell */
    double sum;                                /* of the readings of the cell that is being observed */
    double count;
    int64_t cell; /* that cell */
    uint32_t waiting;
} forecaster_ledger;

static void forecaster_empty_ledger(forecaster_ledger *ledger)
{
    ledger->waiting = 0U;
    ledger->cell = FORECASTER_NO_CELL;
    ledger->sum = 0.0;
    ledger->count = 0.0;
}

static void forecaster_forget(forecaster_ledger *ledger, uint32_t at)
{
    ledger->waiting -= 1U;
    for (uint32_t i = at; i < ledger->waiting; i++) {
        ledger->cells[i] = ledger->cells[i + 1U];
        ledger->forecasts[i] = ledger->forecasts[i + 1U];
    }
}

static uint32_t forecaster_find(const forecaster_ledger *ledger, int64_t cell)
{
    uint32_t at = 0U;
    while ((at < ledger->waiting) && (ledger->cells[at] != cell)) {
        at++;
    }
    return at;
}

/* Notes a forecast that starts behind `last`. One from before the newest reading comes from a window that has started over, as the clock was
   ahead and has come back: what was noted under that clock is forgotten. */
static void forecaster_note(forecaster_ledger *ledger, int64_t last, double one_step_ahead)
{
    if (last < ledger->cell) {
        forecaster_empty_ledger(ledger);
    }
    for (uint32_t step = 1U; step <= FORECASTER_HORIZON; step++) {
        const uint32_t at = forecaster_find(ledger, last + (int64_t)step);
        if (at == ledger->waiting) {
            ledger->cells[at] = last + (int64_t)step;
            ledger->forecasts[at] = (double)NAN;
            ledger->waiting += 1U;
        }
        if (step == 1U) {
            ledger->forecasts[at] = one_step_ahead;
        }
    }
    /* Forecasts for cells that no reading will ever come to, as after a clock went astray: the oldest noted go first. */
    while (ledger->waiting > 2U * FORECASTER_HORIZON) {
        forecaster_forget(ledger, 0U);
    }
}

/* The residual one step ahead of the observed cell, NaN if there is none to settle. */
static double forecaster_settled(forecaster_ledger *ledger)
{
    const uint32_t at = forecaster_find(ledger, ledger->cell);
    double forecast;
    if ((at == ledger->waiting) || (ledger->count < 1.0)) {
        return (double)NAN;
    }
    forecast = ledger->forecasts[at];
    forecaster_forget(ledger, at);
    return ledger->sum / ledger->count - forecast;
}

static void forecaster_begin(forecaster_ledger *ledger, int64_t cell)
{
    uint32_t at = 0U;
    ledger->cell = cell;
    ledger->sum = 0.0;
    ledger->count = 0.0;
    while (at < ledger->waiting) {
        if (ledger->cells[at] < cell) {
            forecaster_forget(ledger, at);
        } else {
            at++;
        }
    }
}

/* Takes a reading; writes the residuals that it settles, at most two. Late readings settle nothing. */
static uint32_t forecaster_observe(forecaster_ledger *ledger, int64_t time, float value, double residuals[2])
{
    const int64_t cell = forecaster_cell_of(time);
    uint32_t settled = 0U;
    if (cell < ledger->cell) {
        return 0U;
    }
    if (cell != ledger->cell) {
        residuals[0] = forecaster_settled(ledger);
        settled = isnan(residuals[0]) ? 0U : 1U;
        forecaster_begin(ledger, cell);
    }
    ledger->sum += (double)value;
    ledger->count += 1.0;
    /* A quarter of a step of jitter is allowed. */
    if ((double)time >= forecaster_cell_time(cell) - FORECASTER_STEP_MS / 4.0) {
        residuals[settled] = forecaster_settled(ledger);
        settled += isnan(residuals[settled]) ? 0U : 1U;
    }
    return settled;
}
