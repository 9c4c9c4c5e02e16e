/* SPDX-License-Identifier: MIT */
/*
 * Interrupts of the machine: vectors, who handles each, and the physical interrupts (pirqs) that domains may bind.
 * A pirq is level-less for us: MSI or MSI-X of an assigned function; the console UART's IOAPIC entry is the core's own.
 */
#pragma once

#include "include/types.h"

struct domain;

#define VECTOR_FIRST_IRQ	0x20	/* 0x20 .. 0xef: allocated; 0xf0 .. 0xff: fixed, below; 0x80, 0x82 are guests' int n */
#define VECTOR_INT80		0x80
#define VECTOR_HYPERCALL	0x82
#define VECTOR_EVENT_CHECK	0xf0
#define VECTOR_TLB_FLUSH	0xf1
#define VECTOR_HALT		0xf2
#define VECTOR_TIMER		0xf3
#define VECTOR_SPURIOUS		0xff

void irq_init(void);		/* masks everything; after acpi_init() */

/* Sends an ISA interrupt to the boot CPU as `vector`. False if no IOAPIC has it. */
MUST_CHECK bool ioapic_route_isa(uint32_t isa_irq, uint32_t vector);

/* entry.S: an interrupt arrived; acknowledges it, sets a softirq. Interrupts are off. */
void irq_dispatch(uint32_t vector);

/* SOFTIRQ_IRQ: runs the handlers of what has arrived on this CPU, from the exit path, with no lock held. */
void irq_softirq(void);

/* A vector for the core's own use; the handler is run by irq_softirq. 0 if none is left. */
uint32_t irq_allocate(void (*handler)(void *data), void *data);

#define PIRQ_COUNT 256
/* For event channels: -EPERM unless the pirq was given to the domain, -EBUSY if it is bound. */
MUST_CHECK int pirq_attach(struct domain *domain, uint32_t pirq);
void pirq_detach(uint32_t pirq);

/* For device assignment: gives a free pirq to `domain`, with the MSI message that raises it. -ENOSPC. */
MUST_CHECK int pirq_create(struct domain *domain, uint32_t *pirq, uint64_t *msi_address, uint32_t *msi_data);
void pirq_destroy(uint32_t pirq);
