/* SPDX-License-Identifier: MIT */
/*
 * Interrupts. What arrives is acknowledged and noted in a bit; the exit path acts on it. Devices interrupt by MSI; of
 * the IOAPICs only the entry of the console's UART is in use, all others stay masked.
 * Lock: irq_lock, for who owns a pirq; pending is touched only by its own CPU.
 *
 * I1  It is acted on with no lock held: an interrupt can arrive in the middle of anything.
 * I2  A pirq interrupts only the domain it was given to.
 */
#include "cpu/irq.h"

#include "boot/acpi.h"
#include "cpu/apic.h"
#include "cpu/ops.h"
#include "cpu/tlb.h"
#include "cpu/uart.h"
#include "event/event.h"
#include "iommu/iommu.h"
#include "pci/pci.h"

static struct pirq {
	struct domain *owner;		/* NULL: free */
	bool is_bound;
} pirqs[PIRQ_COUNT];

static struct spinlock irq_lock;
static uint64_t pending[MAX_CPUS][PIRQ_COUNT / 64];

void irq_dispatch(uint32_t vector)
{
	if (vector != VECTOR_SPURIOUS)
		apic_eoi();
	switch (vector) {
	case VECTOR_SPURIOUS:
	case VECTOR_EVENT_CHECK:
		break;
	case VECTOR_TLB_FLUSH:
		tlb_serve_requests();
		break;
	case VECTOR_TIMER:
		cpu_raise_softirq(this_cpu(), SOFTIRQ_TIMER);
		break;
	case VECTOR_HALT:
		for (;;)
			cpu_hlt();
	default:
		(void)bit_test_and_set(pending[cpu_id()], vector);
		cpu_raise_softirq(this_cpu(), SOFTIRQ_IRQ);
	}
}

void irq_softirq(void)
{
	uint64_t *mine = pending[cpu_id()];
	uint32_t bit;

	for (uint32_t word = 0; word < PIRQ_COUNT / 64; word++)
		bits_each(bit, __atomic_exchange_n(&mine[word], 0, __ATOMIC_RELAXED)) {
			uint32_t vector = word * 64 + bit;

			if (vector == VECTOR_IOMMU)
				iommu_faults_read();
			else if (vector == VECTOR_CONSOLE)
				uart_receive();
			else {
				pci_msi_arrived(vector);	/* whoever hears of it, or nobody */
				if (read_once(&pirqs[vector].is_bound))
					event_send_pirq(vector);
			}
		}
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
	uint32_t vector = VECTOR_FIRST_IRQ;

	spin_lock(&irq_lock);
	while (vector < VECTOR_EVENT_CHECK && pirqs[vector].owner)
		vector++;
	if (vector < VECTOR_EVENT_CHECK)
		pirqs[vector] = (struct pirq){ .owner = domain };
	spin_unlock(&irq_lock);
	if (vector == VECTOR_EVENT_CHECK)
		return -ENOSPC;
	*number = *msi_data = vector;
	*msi_address = MSI_ADDRESS | (uint64_t)cpu_by_id[0]->apic_id << 12;
	return 0;
}

int pirq_destroy(uint32_t number)
{
	bool is_bound;

	spin_lock(&irq_lock);
	is_bound = pirqs[number].is_bound;
	if (!is_bound)
		pirqs[number].owner = NULL;
	spin_unlock(&irq_lock);
	return is_bound ? -EBUSY : 0;
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

void cpu_halt_others(void) { apic_send_ipi(~(1ULL << cpu_id()), VECTOR_HALT); }

void cpu_halt_all(void)
{
	cpu_halt_others();
	log_error("All CPUs are halted.\n");
	for (;;)
		cpu_hlt();
}

/* ---- IOAPICs ---- */

#define SELECT			0		/* of 32-bit words */
#define WINDOW			4
#define REGISTER_VERSION	1
#define FIRST_ENTRY		0x10
#define ENTRY_MASKED		0x10000u

void irq_init(void)
{
	for (uint32_t n = 0; n < acpi_info.ioapic_count; n++) {
		const struct acpi_ioapic *ioapic = &acpi_info.ioapic[n];
		volatile uint32_t *registers = mmio_map(ioapic->address, 32);
		uint32_t gsi = ioapic->gsi_base, entry, last, high = cpu_by_id[0]->apic_id << 24;

		registers[SELECT] = REGISTER_VERSION;
		last = gsi + (registers[WINDOW] >> 16 & 0xff);
		for (entry = FIRST_ENTRY; gsi <= last; gsi++, entry += 2) {
			bool is_used = gsi == UART_IRQ && iommu_ioapic_entry(ioapic->id, VECTOR_CONSOLE, &high);

			registers[SELECT] = entry + 1;
			registers[WINDOW] = high;
			registers[SELECT] = entry;
			registers[WINDOW] = is_used ? VECTOR_CONSOLE : ENTRY_MASKED;
		}
	}
}
