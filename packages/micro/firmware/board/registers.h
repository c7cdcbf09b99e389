/* Registers of the ARMv7-M core (DDI 0403) and of the CMSDK peripherals on the MPS2 (DAI 0386, DAI 0500). Only for the files of this folder. */
#ifndef SANDERLING_REGISTERS_H
#define SANDERLING_REGISTERS_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

typedef struct {
    volatile uint32_t data, state, control, interrupts, divider;
} uart_registers;
#define UART0 ((uart_registers *)0x40004000u)
#define UART1 ((uart_registers *)0x40005000u)
#define UART_TX_FULL 1u
#define UART_RX_FULL 2u
#define UART_TX_ON 1u
#define UART_RX_ON 2u
#define UART_RX_INTERRUPT 8u /* in control */
#define UART_RX_PENDING 2u   /* in interrupts; writing clears */

typedef struct {
    volatile uint32_t control, value, reload, interrupts;
} timer_registers;
#define TIMER0 ((timer_registers *)0x40000000u)
#define TIMER1 ((timer_registers *)0x40001000u)
#define TIMER_ON 1u
#define TIMER_INTERRUPT 8u

typedef struct {
    volatile uint32_t load, value, control, clear;
} watchdog_registers;
#define WATCHDOG ((watchdog_registers *)0x40008000u)
#define WATCHDOG_LOCK REGISTER(0x40008C00u)
#define WATCHDOG_KEY 0x1ACCE551u

/* Interrupt numbers of the MPS2. */
#define IRQ_UART0_RX 0u
#define IRQ_UART1_RX 2u
#define IRQ_TIMER0 8u
#define IRQ_TIMER1 9u

#define NVIC_ENABLE REGISTER(0xE000E100u)
#define SCB_AIRCR REGISTER(0xE000ED0Cu)
#define SCB_CCR REGISTER(0xE000ED14u)
#define SCB_SHCSR REGISTER(0xE000ED24u)
#define SCB_CFSR REGISTER(0xE000ED28u)
#define SCB_HFSR REGISTER(0xE000ED2Cu)
#define SCB_MMFAR REGISTER(0xE000ED34u)
#define SCB_BFAR REGISTER(0xE000ED38u)
#define SCB_CPACR REGISTER(0xE000ED88u)
#define SCB_ICIALLU REGISTER(0xE000EF50u)
#define MPU_TYPE REGISTER(0xE000ED90u)
#define MPU_CONTROL REGISTER(0xE000ED94u)
#define MPU_REGION REGISTER(0xE000ED98u)
#define MPU_BASE REGISTER(0xE000ED9Cu)
#define MPU_ATTRIBUTES REGISTER(0xE000EDA0u)

#endif
