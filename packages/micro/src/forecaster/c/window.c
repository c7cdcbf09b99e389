/* One cell of the grid: its readings, apart in the order of their times, and beyond FORECASTER_READINGS_PER_CELL folded into the sum. */
typedef struct {
    int64_t cell; /* FORECASTER_NO_CELL: empty */
    double sum;   /* of all readings */
    uint32_t count;
    uint32_t kept; /* readings apart */
    int64_t times[FORECASTER_READINGS_PER_CELL];
    float values[FORECASTER_READINGS_PER_CELL];
} forecaster_cell;

/* The newest cells, a ring, and what the model sees of them. */
typedef struct {
    forecaster_cell cells[FORECASTER_CELLS];
    double rows[FORECASTER_WINDOW + 1U]; /* values of the window's rows and of the one before, gaps bridged; NaN: unknown */
    int64_t head;                        /* the newest cell */
    int64_t newest;                      /* the newest reading's time */
    int64_t last_stale;
    uint32_t stale_run;
    uint32_t ready;
} forecaster_window;

static double forecaster_cell_time(int64_t cell)
{
    return FORECASTER_OFFSET_MS + (double)cell * FORECASTER_STEP_MS;
}

/* The cell that a time falls in: within half a step of the cell's own time, the earlier edge included. */
static int64_t forecaster_cell_of(int64_t time)
{
    return (int64_t)floor(((double)time - FORECASTER_OFFSET_MS) / FORECASTER_STEP_MS + 0.5);
}

static uint32_t forecaster_slot_of(int64_t cell)
{
    const int64_t slot = cell % (int64_t)FORECASTER_CELLS;
    return (uint32_t)((slot < 0) ? slot + (int64_t)FORECASTER_CELLS : slot);
}

static void forecaster_empty_cell(forecaster_cell *slot, int64_t cell)
{
    slot->cell = cell;
    slot->sum = 0.0;
    slot->count = 0U;
    slot->kept = 0U;
}

static void forecaster_empty_window(forecaster_window *window)
{
    for (uint32_t i = 0U; i < FORECASTER_CELLS; i++) {
        forecaster_empty_cell(&window->cells[i], FORECASTER_NO_CELL);
    }
    window->head = FORECASTER_NO_CELL;
    window->newest = FORECASTER_NO_TIME;
    window->stale_run = 0U;
    window->ready = 0U;
}

/* A fresh sum in the order of the times: the same to the last bit, in whatever order the readings came. */
static double forecaster_total(const forecaster_cell *slot)
{
    double sum = 0.0;
    for (uint32_t i = 0U; i < slot->kept; i++) {
        sum += (double)slot->values[i];
    }
    return sum;
}

static void forecaster_replace(forecaster_cell *slot, uint32_t at, float value)
{
    if (slot->count == slot->kept) {
        slot->values[at] = value;
        slot->sum = forecaster_total(slot);
    } else {
        slot->sum = slot->sum - (double)slot->values[at] + (double)value;
        slot->values[at] = value;
    }
}

static void forecaster_insert(forecaster_cell *slot, uint32_t at, int64_t time, float value)
{
    for (uint32_t i = slot->kept; i > at; i--) {
        slot->times[i] = slot->times[i - 1U];
        slot->values[i] = slot->values[i - 1U];
    }
    slot->times[at] = time;
    slot->values[at] = value;
    slot->count += 1U;
    slot->kept += 1U;
    slot->sum = (at + 1U == slot->kept) ? slot->sum + (double)value : forecaster_total(slot);
}

/* The cell is full: from now on only repeats of the newest time are recognised. */
static void forecaster_fold(forecaster_cell *slot, int64_t time, float value)
{
    const uint32_t last = slot->kept - 1U;
    slot->count += 1U;
    slot->sum += (double)value;
    if (time > slot->times[last]) {
        slot->times[0] = time;
        slot->values[0] = value;
    } else {
        slot->times[0] = slot->times[last];
        slot->values[0] = slot->values[last];
    }
    slot->kept = 1U;
}

/* Puts a reading into its cell; 1 if it replaced the one of the same time. */
static uint32_t forecaster_add_reading(forecaster_window *window, int64_t cell, int64_t time, float value)
{
    forecaster_cell *const slot = &window->cells[forecaster_slot_of(cell)];
    uint32_t at;
    if (cell > window->head) {
        window->head = cell;
    }
    if (slot->cell != cell) {
        forecaster_empty_cell(slot, cell);
    }
    at = slot->kept;
    while ((at > 0U) && (slot->times[at - 1U] > time)) {
        at--;
    }
    if ((at > 0U) && (slot->times[at - 1U] == time)) {
        forecaster_replace(slot, at - 1U, value);
        return 1U;
    }
    if (slot->count < FORECASTER_READINGS_PER_CELL) {
        forecaster_insert(slot, at, time, value);
    } else {
        forecaster_fold(slot, time, value);
    }
    return 0U;
}

/* A cell's mean; NaN without a reading. */
static double forecaster_mean(const forecaster_window *window, int64_t cell)
{
    const forecaster_cell *const slot = &window->cells[forecaster_slot_of(cell)];
    return (slot->cell == cell) ? slot->sum / (double)slot->count : (double)NAN;
}

/* The value of an empty cell on a straight line between its neighbours; NaN where the gap is too long. */
static double forecaster_bridged(const forecaster_window *window, int64_t cell)
{
    int64_t before = cell - 1;
    int64_t after = cell + 1;
    int64_t missing;
    double from;
    double to;
    while (isnan(forecaster_mean(window, before)) && (cell - before <= FORECASTER_MOST_MISSING)) {
        before--;
    }
    while (isnan(forecaster_mean(window, after)) && (after - before <= FORECASTER_MOST_MISSING)) {
        after++;
    }
    missing = after - before - 1;
    if (missing > FORECASTER_MOST_MISSING) {
        return (double)NAN;
    }
    from = forecaster_mean(window, before);
    to = forecaster_mean(window, after);
    return from + (to - from) * ((double)(cell - before) / (double)(missing + 1));
}

/* Values of the window's rows and of the row before it; tells whether all of the window's are known. */
static uint32_t forecaster_fill_rows(forecaster_window *window)
{
    const int64_t first = window->head - (int64_t)FORECASTER_WINDOW;
    uint32_t complete = 1U;
    for (uint32_t i = 0U; i <= FORECASTER_WINDOW; i++) {
        double value = forecaster_mean(window, first + (int64_t)i);
        if (isnan(value)) {
            value = forecaster_bridged(window, first + (int64_t)i);
        }
        window->rows[i] = value;
        if ((i > 0U) && isnan(value)) {
            complete = 0U;
        }
    }
    return complete;
}

static uint32_t forecaster_take(forecaster_window *window, int64_t time, float value)
{
    const uint32_t late = (time < window->newest) ? 1U : 0U;
    const uint32_t was_ready = window->ready;
    const uint32_t replaced = forecaster_add_reading(window, forecaster_cell_of(time), time, value);
    window->stale_run = 0U;
    if (late == 0U) {
        window->newest = time;
    }
    window->ready = forecaster_fill_rows(window);
    if (replaced != 0U) {
        return FORECASTER_DUPLICATE;
    }
    if (late != 0U) {
        return FORECASTER_LATE;
    }
    if (window->ready != 0U) {
        return FORECASTER_READY;
    }
    return (was_ready != 0U) ? FORECASTER_GAP : FORECASTER_FILLING;
}

/* A reading older than every cell is dropped; when several in a row go forward in time, the clock has gone back and all begins anew. */
static uint32_t forecaster_take_stale(forecaster_window *window, int64_t time, float value)
{
    window->stale_run = ((time > window->last_stale) || (window->stale_run == 0U)) ? window->stale_run + 1U : 1U;
    window->last_stale = time;
    if (window->stale_run < FORECASTER_STALE_BEFORE_RESTART) {
        return FORECASTER_STALE;
    }
    forecaster_empty_window(window);
    (void)forecaster_take(window, time, value);
    return FORECASTER_RESTARTED;
}

/* Takes a reading and tells what became of it. */
static uint32_t forecaster_push(forecaster_window *window, int64_t time, float value)
{
    if ((time > FORECASTER_LAST_TIME) || (time < -FORECASTER_LAST_TIME) || !isfinite(value)) {
        return FORECASTER_INVALID;
    }
    if ((window->head != FORECASTER_NO_CELL) && (forecaster_cell_of(time) <= window->head - (int64_t)FORECASTER_CELLS)) {
        return forecaster_take_stale(window, time, value);
    }
    return forecaster_take(window, time, value);
}
