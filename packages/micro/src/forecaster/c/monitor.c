/* Watches the residuals one step ahead: the detector says whether something changed, the rolling error by how much. */
typedef struct {
    double sizes[FORECASTER_SCORE_WINDOW];  /* ring of the clipped sizes */
    double errors[FORECASTER_SCORE_WINDOW]; /* and of the true ones; -1: not finite, or none yet */
    double block_sum;
    double score;         /* newest verdict */
    double rolling_error; /* -1: none yet */
    forecaster_detector_state detector;
    uint32_t at;          /* place of the next residual in the rings */
    uint32_t block_count;
    uint32_t latched;     /* updates until the detector's alarm is forgotten; 0: it has none */
    uint32_t over;
    uint32_t confirmed;
    uint32_t raised;
    uint32_t alarm;
    uint32_t unused;
} forecaster_monitor;

/* The episode is over: the detector starts again from the reference. */
static void forecaster_rearm(forecaster_monitor *monitor)
{
    monitor->latched = 0U;
    monitor->raised = 0U;
    monitor->block_sum = 0.0;
    monitor->block_count = 0U;
    forecaster_detector_reset(&monitor->detector);
#ifdef FORECASTER_PRIMED_SAMPLES
    forecaster_detector_prime(&monitor->detector, 0.0, FORECASTER_PRIMED_SAMPLES);
#endif
}

static void forecaster_empty_monitor(forecaster_monitor *monitor)
{
    for (uint32_t i = 0U; i < FORECASTER_SCORE_WINDOW; i++) {
        monitor->sizes[i] = FORECASTER_REFERENCE_MEAN;
        monitor->errors[i] = -1.0;
    }
    monitor->at = 0U;
    monitor->over = 0U;
    monitor->confirmed = 0U;
    monitor->alarm = 0U;
    monitor->score = 0.0;
    monitor->rolling_error = -1.0;
    monitor->unused = 0U;
    forecaster_rearm(monitor);
}

/* Adds to the block; a full block goes to the detector. A latched alarm needs no more evidence. */
static void forecaster_feed(forecaster_monitor *monitor, double clipped)
{
    double size;
    uint32_t flags;
    if (monitor->latched > 0U) {
        return;
    }
    monitor->block_sum += clipped;
    monitor->block_count += 1U;
    if (monitor->block_count < FORECASTER_BLOCK) {
        return;
    }
    size = monitor->block_sum / (double)monitor->block_count;
    monitor->block_sum = 0.0;
    monitor->block_count = 0U;
    flags = forecaster_detector_update(&monitor->detector, FORECASTER_SAMPLE(size));
    if ((flags & FORECASTER_DETECTOR_DRIFT) != 0U) {
        monitor->latched = 2U * FORECASTER_SCORE_WINDOW;
    }
}

/* Keeps, makes or forgets the detector's alarm by how long the effect has lasted. */
static void forecaster_judge(forecaster_monitor *monitor, double effect)
{
    if (effect >= 1.0) {
        monitor->over += (monitor->over < FORECASTER_SCORE_WINDOW) ? 1U : 0U;
    } else {
        monitor->over -= (monitor->over > 0U) ? 1U : 0U;
    }
    if (monitor->over >= FORECASTER_SCORE_WINDOW) {
        monitor->latched = 2U * FORECASTER_SCORE_WINDOW;
    }
    if (monitor->latched == 0U) {
        return;
    }
    monitor->latched = (effect >= 1.0) ? 2U * FORECASTER_SCORE_WINDOW : monitor->latched - 1U;
    if (monitor->latched == 0U) {
        forecaster_rearm(monitor);
    }
}

/* Amount of drift over the amount that alerts, as a score from 0 to 1: 0.7 at 1. */
static double forecaster_score(double ratio)
{
    if (!(ratio > 0.0)) {
        return 0.0;
    }
    return (ratio == 1.0) ? FORECASTER_ALERT_SCORE : 1.0 - pow(1.0 - FORECASTER_ALERT_SCORE, ratio);
}

/* How many times worse than the reference the rolling error is, 1 at the ratio that alerts. */
static double forecaster_effect(const forecaster_monitor *monitor)
{
    double sum = 0.0;
    double effect;
    for (uint32_t i = 0U; i < FORECASTER_SCORE_WINDOW; i++) {
        sum += monitor->sizes[i];
    }
    effect = log(sum / (double)FORECASTER_SCORE_WINDOW / FORECASTER_REFERENCE_MEAN) / FORECASTER_ALERT_LOG;
    return (effect > 0.0) ? effect : 0.0;
}

static double forecaster_rolling_error(const forecaster_monitor *monitor)
{
    double sum = 0.0;
    double count = 0.0;
    for (uint32_t i = 0U; i < FORECASTER_SCORE_WINDOW; i++) {
        if (monitor->errors[i] >= 0.0) {
            sum += monitor->errors[i];
            count += 1.0;
        }
    }
    return (count > 0.0) ? sum / count : -1.0;
}

/* Takes one residual; 1 when it raises the first alarm of an episode. */
static uint32_t forecaster_watch(forecaster_monitor *monitor, double residual)
{
    const double size = fabs(residual);
    const double clipped = (size <= FORECASTER_CEILING) ? size : FORECASTER_CEILING;
    double amount;
    uint32_t raised;
    monitor->sizes[monitor->at] = clipped;
    monitor->errors[monitor->at] = (size <= 1e100) ? size : -1.0;
    monitor->at = (monitor->at + 1U) % FORECASTER_SCORE_WINDOW;
    forecaster_feed(monitor, clipped);
    amount = forecaster_effect(monitor);
    forecaster_judge(monitor, amount);
    if (monitor->latched == 0U) {
        const double evidence = forecaster_detector_evidence(&monitor->detector);
        amount = (evidence < amount) ? evidence : amount;
    }
    monitor->score = forecaster_score(amount);
    if (monitor->score < FORECASTER_ALERT_AT) {
        monitor->confirmed = 0U;
    } else if (monitor->confirmed < FORECASTER_CONFIRM) {
        monitor->confirmed += 1U;
    } else {
        /* Confirmed already. */
    }
    monitor->alarm = (monitor->confirmed >= FORECASTER_CONFIRM) ? 1U : 0U;
    raised = ((monitor->alarm != 0U) && (monitor->raised == 0U)) ? 1U : 0U;
    monitor->raised |= raised;
    monitor->rolling_error = forecaster_rolling_error(monitor);
    return raised;
}
