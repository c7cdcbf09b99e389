/* The device as a process: its flash is a file, its link a TCP connection that it makes again whenever it breaks. For tests.
   device FLASH-FILE PORT [--die-at STEP] [--sensor MILLISECONDS]; a reset begins the process anew under its own id. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* board.h has the firmware's main, which takes no arguments. */
#define main board_main
#include "board.h"
#undef main
#include "device.h"
#include "flash.h"
#include "ports.h"

#define RECONNECT_MS 100u
#define WRITE_PATIENCE_MS 2000

static char   **arguments;
static int      connection = -1;
static uint16_t port;
static uint64_t tried_ms;
static uint32_t die_at;
static uint32_t sensor_ms;
static uint32_t watchdog_ms;

static uint64_t nanoseconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t started;

uint64_t board_milliseconds(void) { return (nanoseconds() - started) / 1000000u; }
uint64_t board_ticks(void) { return (nanoseconds() - started) / 40u; }

static void hang_up(void)
{
    if (connection >= 0) {
        (void)close(connection);
    }
    connection = -1;
}

static void call_up(void)
{
    struct sockaddr_in to;
    const int on = 1;
    if (connection >= 0 || (tried_ms != 0u && board_milliseconds() - tried_ms < RECONNECT_MS)) {
        return;
    }
    tried_ms = board_milliseconds() + 1u;
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection >= 0 && connect(connection, (struct sockaddr *)&to, sizeof to) != 0) {
        hang_up();
    }
    if (connection >= 0) {
        (void)setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)fcntl(connection, F_SETFL, O_NONBLOCK);
    }
}

size_t link_read(uint8_t *into, size_t most)
{
    call_up();
    if (connection < 0 || most == 0u) {
        return 0u;
    }
    const ssize_t got = read(connection, into, most);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        hang_up();
    }
    return got > 0 ? (size_t)got : 0u;
}

size_t link_write(const uint8_t *bytes, size_t count)
{
    const size_t all = count;
    while (connection >= 0 && count > 0u) {
        const ssize_t put = send(connection, bytes, count, MSG_NOSIGNAL);
        if (put > 0) {
            bytes += put;
            count -= (size_t)put;
        } else if (errno == EAGAIN || errno == EINTR) {
            struct pollfd ready = {connection, POLLOUT, 0};
            if (poll(&ready, 1, WRITE_PATIENCE_MS) == 0) {
                hang_up();
            }
        } else {
            hang_up();
        }
    }
    return all - count;
}

void board_wait(uint32_t milliseconds)
{
    struct pollfd ready = {connection, POLLIN, 0};
    (void)poll(&ready, connection >= 0 ? 1u : 0u, (int)milliseconds);
}

void board_reset(void)
{
    hang_up();
    (void)execv("/proc/self/exe", arguments);
    _exit(70);
}

static void bite(int signal_number)
{
    (void)signal_number;
    board_reset();
}

void watchdog_start(uint32_t milliseconds)
{
    watchdog_ms = milliseconds;
    watchdog_feed();
}

void watchdog_feed(void)
{
    const struct itimerval when = {{0, 0}, {(time_t)(watchdog_ms / 1000u), (suseconds_t)(watchdog_ms % 1000u) * 1000}};
    (void)setitimer(ITIMER_REAL, &when, NULL);
}

void port_entropy(uint8_t bytes[16])
{
    if (getrandom(bytes, 16, 0) != 16) {
        memset(bytes, 0, 16);
    }
}

bool port_sensor(int64_t *time_ms, float *value)
{
    static uint64_t due;
    if (sensor_ms == 0u || board_milliseconds() < due) {
        return false;
    }
    due = board_milliseconds() + sensor_ms;
    *value = 20.0f + (float)(*time_ms / 1000 % 10);
    return true;
}

static void power_cut(uint32_t step, uint8_t *work, uint32_t bytes)
{
    (void)work;
    (void)bytes;
    if (step == die_at) {
        (void)raise(SIGKILL);
    }
}

static void map_flash(const char *path)
{
    const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || (lseek(file, 0, SEEK_END) < (off_t)FLASH_BYTES && ftruncate(file, FLASH_BYTES) != 0)) {
        perror(path);
        exit(1);
    }
    void *memory = mmap(NULL, FLASH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    flash_attach((uint8_t *)memory);
}

int main(int count, char **given)
{
    sigset_t none;
    if (count < 3) {
        (void)fprintf(stderr, "device FLASH-FILE PORT [--die-at STEP] [--sensor MS]\n");
        return 2;
    }
    arguments = given;
    started = nanoseconds();
    map_flash(given[1]);
    port = (uint16_t)atoi(given[2]);
    for (int i = 3; i + 1 < count; i += 2) {
        const uint32_t number = (uint32_t)atoi(given[i + 1]);
        if (strcmp(given[i], "--die-at") == 0) {
            die_at = number;
            flash_set_hook(power_cut);
        } else if (strcmp(given[i], "--sensor") == 0) {
            sensor_ms = number;
        }
    }
    (void)signal(SIGALRM, bite);
    /* The watchdog's signal is blocked while it is handled, and a reset out of the handler would inherit that. */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    device_start();
    for (;;) {
        device_step();
    }
}
