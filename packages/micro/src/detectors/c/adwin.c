typedef struct {
    double sums[DETECTOR_ROWS * DETECTOR_ROOM];    /* of the buckets, row by row, oldest first; bucket size doubles from row to row */
    double spreads[DETECTOR_ROWS * DETECTOR_ROOM]; /* squared deviations inside each bucket */
    double width;                                  /* samples in the window */
    double total;                                  /* their sum */
    double squares;                                /* their squared deviations from the mean */
    double rest;                                   /* ratio that the newest check left: the evidence until the next one */
    double ratio;                                  /* statistic over threshold after the newest sample */
    uint32_t used[DETECTOR_ROWS];                  /* buckets of each row */
    uint32_t rows;                                 /* rows in use */
    uint32_t tick;                                 /* samples since the newest check */
    uint32_t flags;
} detector_state;

static void detector_clear(detector_state *state)
{
    memset(state->used, 0, sizeof state->used);
    state->rows = 1U;
    state->width = 0.0;
    state->total = 0.0;
    state->squares = 0.0;
    state->tick = 0U;
    state->rest = 0.0;
}

/* The paper keeps the window that is left: it is the model of the new concept. */
static void detector_restart(detector_state *state)
{
    (void)state;
}

static void detector_push(detector_state *state, uint32_t row, double sum, double spread)
{
    const uint32_t at = row * DETECTOR_ROOM + state->used[row];
    state->sums[at] = sum;
    state->spreads[at] = spread;
    state->used[row] += 1U;
    if (row >= state->rows) {
        state->rows = row + 1U;
    }
}

/* Removes the oldest buckets of a row. */
static void detector_shift(detector_state *state, uint32_t row, uint32_t count)
{
    const uint32_t at = row * DETECTOR_ROOM;
    const size_t left = (size_t)(DETECTOR_ROOM - count) * sizeof(double);
    memmove(&state->sums[at], &state->sums[at + count], left);
    memmove(&state->spreads[at], &state->spreads[at + count], left);
    state->used[row] -= count;
}

static void detector_drop_oldest(detector_state *state)
{
    const uint32_t row = state->rows - 1U;
    const uint32_t at = row * DETECTOR_ROOM;
    const double size = ldexp(1.0, (int)row);
    const double sum = state->sums[at];
    double gap = 0.0;
    state->width -= size;
    state->total -= sum;
    if (state->width > 0.0) {
        gap = sum / size - state->total / state->width;
    }
    state->squares -= state->spreads[at] + (gap * gap * size * state->width) / (size + state->width);
    detector_shift(state, row, 1U);
    while ((state->rows > 1U) && (state->used[state->rows - 1U] == 0U)) {
        state->rows -= 1U;
    }
}

/* Two oldest buckets of a row become one of the next; past the last row the oldest is forgotten. */
static void detector_merge_oldest(detector_state *state, uint32_t row)
{
    const uint32_t at = row * DETECTOR_ROOM;
    const double size = ldexp(1.0, (int)row);
    double sum;
    double gap;
    double spread;
    if (row + 1U >= DETECTOR_ROWS) {
        detector_drop_oldest(state);
        return;
    }
    sum = state->sums[at] + state->sums[at + 1U];
    gap = (state->sums[at] - state->sums[at + 1U]) / size;
    spread = state->spreads[at] + state->spreads[at + 1U] + (gap * gap * size) / 2.0;
    detector_shift(state, row, 2U);
    detector_push(state, row + 1U, sum, spread);
}

static void detector_insert(detector_state *state, double x)
{
    if (state->width > 0.0) {
        const double gap = x - state->total / state->width;
        state->squares += (gap * gap * state->width) / (state->width + 1.0);
    }
    state->width += 1.0;
    state->total += x;
    detector_push(state, 0U, x, 0.0);
    for (uint32_t row = 0U; (row < DETECTOR_ROWS) && (state->used[row] > DETECTOR_MAX_BUCKETS); row++) {
        detector_merge_oldest(state, row);
    }
}

/* Largest ratio of difference to bound over all cuts at a bucket's edge; the first above 1 ends the scan. */
static double detector_worst_cut(const detector_state *state)
{
    const double confidence = log((2.0 * log(detector_larger(state->width, DETECTOR_EULER))) / DETECTOR_DELTA);
    const double variance = (state->width > 0.0) ? detector_larger(0.0, state->squares) / state->width : 0.0;
    const double spread = 2.0 * variance * confidence;
    double n0 = 0.0;
    double sum0 = 0.0;
    double worst = 0.0;
    for (uint32_t row = state->rows; row > 0U; row--) {
        const double size = ldexp(1.0, (int)row - 1);
        for (uint32_t k = 0U; k < state->used[row - 1U]; k++) {
            double n1;
            double gap;
            double reciprocal;
            double ratio;
            n0 += size;
            sum0 += state->sums[(row - 1U) * DETECTOR_ROOM + k];
            n1 = state->width - n0;
            if (n1 < DETECTOR_MIN_WINDOW) {
                return worst;
            }
            if (n0 < DETECTOR_MIN_WINDOW) {
                continue;
            }
            gap = fabs(sum0 / n0 - (state->total - sum0) / n1);
            reciprocal = 1.0 / (n0 - DETECTOR_MIN_WINDOW + 1.0) + 1.0 / (n1 - DETECTOR_MIN_WINDOW + 1.0);
            ratio = gap / (sqrt(spread * reciprocal) + (2.0 / 3.0) * confidence * reciprocal);
            worst = detector_larger(ratio, worst);
            if (worst > 1.0) {
                return worst;
            }
        }
    }
    return worst;
}

/* Drops the oldest bucket while a cut passes; gives the ratio of the first scan. */
static double detector_shrink(detector_state *state)
{
    const double found = detector_worst_cut(state);
    double rest = found;
    while ((rest > 1.0) && (state->width > 1.0)) {
        detector_drop_oldest(state);
        rest = detector_worst_cut(state);
    }
    state->rest = (rest < DETECTOR_BELOW_ONE) ? rest : DETECTOR_BELOW_ONE;
    return found;
}

static void detector_accept(detector_state *state, double x)
{
    detector_insert(state, x);
    state->tick += 1U;
    if (state->tick >= DETECTOR_CLOCK) {
        state->tick = 0U;
        if (state->width > DETECTOR_GRACE) {
            detector_judge(state, detector_shrink(state));
            return;
        }
    }
    detector_judge(state, state->rest);
}
