/* SPDX-License-Identifier: MIT */
/* IOAPICs: all entries masked, but the one of the console's UART. */
#ifndef SKINK_IOAPIC_H
#define SKINK_IOAPIC_H

#include "include/types.h"

void ioapic_init(void);		/* masks everything; after acpi_init() */

/* Sends an ISA interrupt to the boot CPU as `vector`. False if no IOAPIC has it. */
MUST_CHECK bool ioapic_route_isa(uint32_t isa_irq, uint32_t vector);

#endif
