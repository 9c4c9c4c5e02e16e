/* SPDX-License-Identifier: MIT */
/* The machine's clocks: the timestamp counter, calibrated, and each CPU's one-shot timer. */
#pragma once

/* ns = (ticks << shift, or >> -shift) * mul >> 32: the form that the ABI hands to guests. */
struct tsc_scale {
	uint32_t mul;
	int8_t shift;
};

extern struct tsc_scale tsc_scale;
extern uint64_t tsc_at_boot;		/* time_now_ns() is 0 here */
extern uint32_t tsc_khz;
extern bool tsc_is_stable;		/* the same on all CPUs, at one rate: pvclock may say so to guests */

void tsc_calibrate(void);		/* once, on the boot CPU, after acpi_init() and apic_init_boot() */
void tsc_warp_check(void);		/* by each CPU that starts and, at the same time, the boot CPU */
void tsc_check_stable(void);		/* after all CPUs are up */

uint64_t tsc_to_ns(uint64_t tsc);
void delay_us(uint64_t us);

/* Raises SOFTIRQ_TIMER on this CPU at `deadline_ns` (at once if it is past); UINT64_MAX stops it. */
void cpu_timer_program(uint64_t deadline_ns);
void cpu_timer_init(void);		/* on each CPU */

/* The real-time clock, in seconds since 1970; read at boot. */
uint64_t rtc_read_seconds(void);
