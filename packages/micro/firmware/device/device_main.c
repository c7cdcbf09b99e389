/* The firmware's main: generic, whatever the model. */
#include "board.h"
#include "device.h"
#ifdef DEVICE_POWER_CUTS
#include "power_cut.h"
#endif

/* A model that faults is a model that died: the start after it counts against its probation. */
void board_fault(uint32_t exception, const uint32_t *frame)
{
    board_describe_fault(exception, frame);
    board_reset();
}

int main(void)
{
#ifdef DEVICE_POWER_CUTS
    power_cut_arm();
#endif
    device_start();
    for (;;) {
        device_step();
    }
}
