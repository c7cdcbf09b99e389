/* The device's ports on the emulated boards (and, but for the sensor, on silicon). */
#include <math.h>
#include <string.h>

#include "board.h"
#include "bytes.h"
#include "model.h"
#include "outbox.h"
#include "ports.h"

/* DEVICE_SENSOR_MS: a simulated temperature every so many milliseconds; 0: the hub feeds the readings.
   DEVICE_SENSOR_SERIAL: a sensor on the console (UART1) that sends lines; see below. */
#ifndef DEVICE_SENSOR_MS
#define DEVICE_SENSOR_MS 0u
#endif

uint32_t port_board(void) { return BOARD_ID; }

uint32_t port_address(const uint8_t *place) { return (uint32_t)(uintptr_t)place; }

const sanderling_entry *port_entry(const uint8_t *image, const sanderling_image_header *header)
{
    return (const sanderling_entry *)(const void *)(image + header->entry_offset);
}

void port_entropy(uint8_t bytes[16])
{
    memset(bytes, 0, 16u);
    (void)put_u64(bytes, board_ticks());
}

#ifdef DEVICE_SENSOR_SERIAL
/* A line for each reading, time and the bits of the float in hexadecimal: "R 0123456789abcdef 41a00000". What came of it is answered when the next one is
   asked for: "@ time value taken predictions flags residual score error forecast …", every number eight digits (the time sixteen). */
#define LINE_DIGITS 24u
#define FIXED_WORDS 9u
#define MOST_SHOWN 6u

static struct {
    bool     asked;
    uint32_t predictions; /* before the reading */
    int64_t  time_ms;
    float    value;
} sensed;

static struct {
    bool     begun;
    uint32_t digits;
    uint32_t words[3];
} line;

static char *put_word(char *at, uint32_t word)
{
    *at = ' ';
    for (uint32_t i = 0u; i < 8u; i += 1u) {
        at[1u + i] = "0123456789abcdef"[(word >> (28u - 4u * i)) & 15u];
    }
    return at + 9;
}

static char *put_bits(char *at, float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return put_word(at, bits);
}

static void answer_sensor(void)
{
    char text[2u + 9u * (FIXED_WORDS + MOST_SHOWN)] = "@";
    const bool answered = model.entry != NULL && model.predictions != sensed.predictions;
    char *at = put_word(text + 1, (uint32_t)((uint64_t)sensed.time_ms >> 32));
    at = put_word(at, (uint32_t)((uint64_t)sensed.time_ms & 0xFFFFFFFFu));
    at = put_bits(at, sensed.value);
    at = put_word(at, outbox_newest_ms() == sensed.time_ms ? 1u : 0u);
    at = put_word(at, model.predictions);
    at = put_word(at, answered ? model.answer.flags : 0u);
    at = put_bits(at, answered ? model.answer.residual : 0.0f);
    at = put_bits(put_bits(at, model.drift_score), model.rolling_error);
    for (uint32_t i = 0u; answered && i < model.answer.horizon && i < MOST_SHOWN; i += 1u) {
        at = put_bits(at, model.answer.forecast[i]);
    }
    *at = '\n';
    console_write((const uint8_t *)text, (size_t)(at + 1 - text));
}

static int digit_of(int byte)
{
    if (byte >= (int)'0' && byte <= (int)'9') {
        return byte - (int)'0';
    }
    return byte >= (int)'a' && byte <= (int)'f' ? byte - (int)'a' + 10 : -1;
}

/* Takes one byte more. True when it ends a line of an R and 24 digits; anything else begins anew. */
static bool take_byte(int byte)
{
    const int digit = digit_of(byte);
    if (byte == (int)'R') {
        memset(&line, 0, sizeof line);
        line.begun = true;
    } else if (byte == (int)'\n') {
        const bool whole = line.begun && line.digits == LINE_DIGITS;
        line.begun = false;
        return whole;
    } else if (digit >= 0 && line.begun && line.digits < LINE_DIGITS) {
        line.words[line.digits / 8u] = line.words[line.digits / 8u] << 4 | (uint32_t)digit;
        line.digits += 1u;
    } else if (byte != (int)' ') {
        line.begun = false;
    }
    return false;
}

bool port_sensor(int64_t *time_ms, float *value)
{
    static bool listens;
    if (!listens) {
        listens = true;
        console_listen();
    }
    if (sensed.asked) {
        sensed.asked = false;
        answer_sensor();
    }
    for (int byte = console_read(); byte >= 0; byte = console_read()) {
        if (take_byte(byte)) {
            *time_ms = (int64_t)((uint64_t)line.words[0] << 32 | line.words[1]);
            memcpy(value, &line.words[2], sizeof *value);
            sensed.asked = true;
            sensed.predictions = model.predictions;
            sensed.time_ms = *time_ms;
            sensed.value = *value;
            return true;
        }
    }
    return false;
}
#elif DEVICE_SENSOR_MS > 0u
/* A room: a day's swing, a slow draught and a little noise. */
bool port_sensor(int64_t *time_ms, float *value)
{
    static uint64_t due;
    static uint32_t noise = 2463534242u;
    const uint64_t now = board_milliseconds();
    if (now < due) {
        return false;
    }
    due = (due == 0u ? now : due) + DEVICE_SENSOR_MS;
    noise ^= noise << 13;
    noise ^= noise >> 17;
    noise ^= noise << 5;
    const float day = (float)(*time_ms % 86400000) / 86400000.0f * 6.2831853f;
    const float minutes = (float)(*time_ms % 600000) / 600000.0f * 6.2831853f;
    *value = 21.0f + 2.0f * sinf(day) + 0.3f * sinf(minutes) + (float)(noise >> 8) * (0.1f / 16777216.0f);
    return true;
}
#else
bool port_sensor(int64_t *time_ms, float *value)
{
    (void)time_ms;
    (void)value;
    return false;
}
#endif
