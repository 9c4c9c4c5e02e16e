/* SPDX-License-Identifier: MIT */
/* The end: power off by ACPI S5, reset by FADT, 0xcf9 or triple fault. */
#pragma once

/* Domain-0 has ended: powers off, reboots, or (noreboot) says so and halts; reason is SHUTDOWN_*. */
NORETURN void power_domain_zero_ended(unsigned int reason);
