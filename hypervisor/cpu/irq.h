/* SPDX-License-Identifier: MIT */
/*
 * Interrupts of the machine: vectors, who handles each, and the physical interrupts (pirqs) that domains may bind.
 * A pirq is level-less for us: MSI or MSI-X of an assigned function; the console UART's IOAPIC entry is the core's own.
 */
#pragma once

#define VECTOR_FIRST_IRQ	0x20	/* below: exceptions; up to 0xef: given to domains; from 0xf0 on: the core's own */
#define VECTOR_EVENT_CHECK	0xf0
#define VECTOR_TLB_FLUSH	0xf1
#define VECTOR_HALT		0xf2
#define VECTOR_TIMER		0xf3
#define VECTOR_CONSOLE		0xf4
#define VECTOR_IOMMU		0xf5
#define VECTOR_SPURIOUS		0xff

#define MSI_ADDRESS		0xfee00000ULL

void irq_init(void);		/* masks all of the IOAPICs but the UART; after acpi_init() and apic_init_boot() */

/* entry.S: an interrupt arrived; acknowledges it, sets a softirq. Interrupts are off. */
void irq_dispatch(uint32_t vector);

/* SOFTIRQ_IRQ: acts on what has arrived on this CPU, from the exit path, with no lock held. */
void irq_softirq(void);

#define PIRQ_COUNT 256		/* a pirq's number is its vector */
/* For event channels: -EPERM unless the pirq was given to the domain, -EBUSY if it is bound. */
MUST_CHECK int pirq_attach(struct domain *domain, uint32_t pirq);
void pirq_detach(uint32_t pirq);

/* For device assignment: gives a free pirq to `domain`, with the MSI message that raises it. -ENOSPC. */
MUST_CHECK int pirq_create(struct domain *domain, uint32_t *pirq, uint64_t *msi_address, uint32_t *msi_data);
/* -EBUSY: it is bound still. */
MUST_CHECK int pirq_destroy(uint32_t pirq);
