/* SPDX-License-Identifier: MIT */
/*
 * Interrupts. What arrives is acknowledged and noted in a bit; its handler runs on the exit path.
 * Lock: irq_lock, for the tables below, but for pending, which only its own CPU touches.
 *
 * I1  A handler runs with no lock held: an interrupt can arrive in the middle of anything.
 * I2  A pirq interrupts only the domain it was given to.
 */
#include "cpu/irq.h"

#include "cpu/apic.h"
#include "cpu/cpu.h"
#include "cpu/ops.h"
#include "cpu/tlb.h"
#include "domain/domain.h"
#include "event/event.h"
#include "include/errno.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/spinlock.h"

#define VECTORS			256
#define MSI_ADDRESS		0xfee00000ULL

struct irq_line {
	void (*handler)(void *data);	/* NULL: free */
	void *data;
};

struct pirq {
	struct domain *owner;		/* NULL: free */
	uint32_t vector;
	bool is_bound;
};

static struct spinlock irq_lock;
static struct irq_line line[VECTORS];
static struct pirq pirqs[PIRQ_COUNT];
static uint64_t pending[MAX_CPUS][VECTORS / 64];

void irq_dispatch(uint32_t vector)
{
	if (vector == VECTOR_SPURIOUS)
		return;
	apic_eoi();
	if (vector == VECTOR_TLB_FLUSH) {
		tlb_serve_requests();
	} else if (vector == VECTOR_HALT) {
		for (;;)
			cpu_hlt();
	} else if (vector == VECTOR_TIMER) {
		cpu_raise_softirq(this_cpu(), SOFTIRQ_TIMER);
	} else if (vector != VECTOR_EVENT_CHECK) {
		(void)bit_test_and_set(pending[cpu_id()], vector);
		cpu_raise_softirq(this_cpu(), SOFTIRQ_IRQ);
	}
}

void irq_softirq(void)
{
	uint64_t *mine = pending[cpu_id()];
	uint32_t bit;

	for (uint32_t word = 0; word < VECTORS / 64; word++)
		bits_each(bit, __atomic_exchange_n(&mine[word], 0, __ATOMIC_RELAXED)) {
			struct irq_line now = line[word * 64 + bit];

			if (now.handler)
				now.handler(now.data);
		}
}

uint32_t irq_allocate(void (*handler)(void *data), void *data)
{
	uint32_t vector = VECTOR_FIRST_IRQ;

	spin_lock(&irq_lock);
	/* Ends at VECTOR_EVENT_CHECK, which has no handler. */
	while (line[vector].handler || vector == VECTOR_INT80 || vector == VECTOR_HYPERCALL)
		vector++;
	if (vector < VECTOR_EVENT_CHECK) {
		line[vector].data = data;
		store_release(&line[vector].handler, handler);
	}
	spin_unlock(&irq_lock);
	return vector < VECTOR_EVENT_CHECK ? vector : 0;
}

static void pirq_arrived(void *data)
{
	const struct pirq *pirq = data;

	if (read_once(&pirq->is_bound))
		event_send_pirq((uint32_t)(pirq - pirqs));
}

int pirq_attach(struct domain *domain, uint32_t number)
{
	int result = -EPERM;

	if (number >= PIRQ_COUNT)
		return -EINVAL;
	spin_lock(&irq_lock);
	if (pirqs[number].owner == domain) {
		result = pirqs[number].is_bound ? -EBUSY : 0;
		pirqs[number].is_bound = true;
	}
	spin_unlock(&irq_lock);
	return result;
}

void pirq_detach(uint32_t number)
{
	spin_lock(&irq_lock);
	pirqs[number].is_bound = false;
	spin_unlock(&irq_lock);
}

/* An MSI is an edge: acknowledged when it arrives, and one more sets the event pending again; none has to be unmasked. */
int pirq_create(struct domain *domain, uint32_t *number, uint64_t *msi_address, uint32_t *msi_data)
{
	struct pirq *pirq = pirqs, *end = pirqs + PIRQ_COUNT;

	spin_lock(&irq_lock);
	while (pirq < end && pirq->owner)
		pirq++;
	if (pirq < end)
		*pirq = (struct pirq){ .owner = domain };
	spin_unlock(&irq_lock);
	if (pirq == end)
		return -ENOSPC;
	pirq->vector = irq_allocate(pirq_arrived, pirq);
	if (pirq->vector == 0) {
		pirq->owner = NULL;
		return -ENOSPC;
	}
	*number = (uint32_t)(pirq - pirqs);
	*msi_address = MSI_ADDRESS | (uint64_t)cpu_by_id[0]->apic_id << 12;
	*msi_data = pirq->vector;
	return 0;
}

void pirq_destroy(uint32_t number)
{
	struct pirq *pirq = &pirqs[number];

	spin_lock(&irq_lock);
	write_once(&line[pirq->vector].handler, NULL);
	*pirq = (struct pirq){ .owner = NULL };
	spin_unlock(&irq_lock);
}

void cpu_raise_softirq(struct cpu *cpu, enum softirq softirq)
{
	if (!bit_test_and_set(&cpu->softirqs, softirq))
		cpu_send_event_check(cpu);
}

void cpu_send_event_check(struct cpu *cpu)
{
	if (cpu != this_cpu() && read_once(&cpu->online))
		apic_send_ipi(1ULL << cpu->id, VECTOR_EVENT_CHECK);
}

void cpu_halt_all(void)
{
	apic_send_ipi_others(VECTOR_HALT);
	log_error("All CPUs are halted.\n");
	for (;;)
		cpu_hlt();
}
