/* Power cuts at every step of the flash (flash.h, flash_hook).
     cuts update BYTES EVERY [torn] [again]   a process updates a device and kills itself at the n-th step, another one starts from the flash that is left
                                              and finishes; with `again` a second one is killed while it recovers
     cuts ring EVERY [torn] [alone]           the same while the outbox goes round; alone: no hub has been heard since the start
     cuts freeze BYTES EVERY [torn] [late]    one process updates a device and is held at each step, while another one, which has never run a device, goes on
                                              with a copy of its flash: nothing is done twice, so that images of many words can be cut everywhere; late: only in the last steps
   n runs over all steps (or every EVERY-th). torn: what is in work at that moment holds noise (power_cut.h). The hub's disk survives, as a hub's does. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cut_work.h"
#include "power_cut.h"

static uint32_t die_at;
static uint32_t trial; /* the cut before the process that finishes */
static uint32_t every;
static bool     torn;

static void step(uint32_t number, uint8_t *work, uint32_t bytes)
{
    now->steps = number;
    if (number != die_at) {
        return;
    }
    if (torn) {
        power_cut_tear(work, bytes, number);
    }
    (void)kill(getpid(), SIGKILL);
}

static pid_t fork_or_end(void)
{
    const pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    return pid;
}

/* Waits for a child. True when it came to its end, false when it was cut; there is no third way. */
static bool came_to_its_end(pid_t pid, uint32_t dies)
{
    int status = 0;
    if (waitpid(pid, &status, 0) != pid) {
        perror("waitpid");
        exit(2);
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        return false;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        (void)printf("after a cut at step %u\n", (unsigned)(dies > 0u ? dies : trial));
        exit(1);
    }
    return true;
}

/* A child that does `work` and ends, by itself or by its cut. */
static bool child(void (*work)(void), uint32_t dies)
{
    const pid_t pid = fork_or_end();
    if (pid == 0) {
        die_at = dies;
        flash_set_hook(step);
        work();
        _exit(0);
    }
    return came_to_its_end(pid, dies);
}

static uint32_t second(uint32_t n, uint32_t steps) { return 1u + (n * 7919u + 13u) % steps; }

static void update_base(world *base)
{
    (void)child(factory, 0u);
    (void)child(first_model, 0u);
    memcpy(base, now, sizeof *base);
}

static void update_cuts(world *base, bool again)
{
    update_base(base);
    (void)child(update_to_the_end, 0u);
    const uint32_t steps = now->steps;
    uint32_t cuts = 0u;
    for (uint32_t n = 1u; n <= steps; n += every) {
        memcpy(now, base, sizeof *base);
        cuts += child(update_work, n) ? 0u : 1u;
        if (again) {
            cuts += child(update_work, second(n, steps)) ? 0u : 1u;
        }
        trial = n;
        (void)child(update_to_the_end, 0u);
    }
    (void)printf("update: steps %u, cuts %u, all finished\n", (unsigned)steps, (unsigned)cuts);
}

static void ring_cuts(world *base, bool alone)
{
    void (*const work)(void) = alone ? ring_work_alone : ring_work;
    uint32_t cuts = 0u;
    uint32_t steps = 0u;
    (void)child(factory, 0u);
    (void)child(ring_prepare, 0u);
    memcpy(base, now, sizeof *base);
    for (uint32_t n = 0u; n <= steps; n += n == 0u ? 1u : every) {
        memcpy(now, base, sizeof *base);
        cuts += child(work, n) ? 0u : 1u;
        steps = n == 0u ? now->steps : steps;
        trial = n;
        (void)child(ring_finish, 0u);
    }
    (void)printf("ring: steps %u, cuts %u, all finished\n", (unsigned)steps, (unsigned)cuts);
}

/* What the process that is held says: the step, and what is in work. */
typedef struct {
    uint32_t step; /* 0: it has come to its end */
    uint32_t work; /* offset in the flash */
    uint32_t bytes;
} held;

static int      told[2];
static int      let[2];
static uint32_t from; /* steps up to here are not held */

/* The end of an update, its tag, the switch, the probation. */
#define LATE_STEPS 400u

static void hold(uint32_t number, uint8_t *work, uint32_t bytes)
{
    const held here = {number, (uint32_t)(work - now->flash), bytes};
    char go;
    now->steps = number;
    if (number > from && number % every == 0u && (write(told[1], &here, sizeof here) != (ssize_t)sizeof here || read(let[0], &go, 1u) != 1)) {
        _exit(2);
    }
}

static void work_held(void)
{
    const held end = {0u, 0u, 0u};
    close(told[0]);
    close(let[1]);
    flash_set_hook(hold);
    update_work();
    (void)write(told[1], &end, sizeof end);
    _exit(0);
}

static void freeze(world *copy, bool late)
{
    held at;
    uint32_t cuts = 0u;
    uint32_t steps = 0u;
    update_base(copy);
    if (late) {
        (void)child(update_to_the_end, 0u);
        from = now->steps > LATE_STEPS ? now->steps - LATE_STEPS : 0u;
        memcpy(now, copy, sizeof *copy);
    }
    if (pipe(told) != 0 || pipe(let) != 0) {
        perror("pipe");
        exit(2);
    }
    const pid_t pid = fork_or_end();
    if (pid == 0) {
        work_held();
    }
    close(told[1]);
    close(let[0]);
    while (read(told[0], &at, sizeof at) == (ssize_t)sizeof at && at.step > 0u) {
        memcpy(copy, now, sizeof *copy);
        if (torn) {
            power_cut_tear(copy->flash + at.work, at.bytes, at.step);
        }
        world *const held_one = now;
        enter(copy);
        trial = at.step;
        (void)child(update_to_the_end, 0u);
        enter(held_one);
        cuts += 1u;
        steps = at.step;
        (void)write(let[1], "", 1u);
    }
    trial = steps;
    (void)came_to_its_end(pid, 0u);
    steps = now->steps;
    (void)child(update_to_the_end, 0u);
    (void)printf("freeze: steps %u, cuts %u, all finished\n", (unsigned)steps, (unsigned)cuts);
}

int main(int count, char **given)
{
    world *both = (world *)mmap(NULL, 2u * sizeof *both, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const bool ring = count > 2 && strcmp(given[1], "ring") == 0;
    const bool frozen = count > 2 && strcmp(given[1], "freeze") == 0;
    const int words = ring ? 3 : 4;
    bool special = false;
    if (both == MAP_FAILED || count < words) {
        return 2;
    }
    for (int i = words; i < count; i += 1) {
        torn = torn || strcmp(given[i], "torn") == 0;
        special = special || strcmp(given[i], ring ? "alone" : frozen ? "late" : "again") == 0;
    }
    enter(both);
    payload_bytes = ring ? 2000u : (uint32_t)strtoul(given[2], NULL, 10);
    every = (uint32_t)strtoul(given[words - 1], NULL, 10);
    if (payload_bytes > MOST_PAYLOAD || payload_bytes < 32u || every == 0u) {
        return 2;
    }
    if (ring) {
        ring_cuts(both + 1, special);
    } else if (frozen) {
        freeze(both + 1, special);
    } else {
        update_cuts(both + 1, special);
    }
    return 0;
}
