/* SPDX-License-Identifier: MIT */
/* cpu/irq.c: what an interrupt comes to, who gets which pirq, and what the IOAPICs are told. */
#include "fake-cpu/instructions.h"

static inline void cpu_hlt(void) { }

/* The fake CPU has these too, for all other tests. */
void real_cpu_raise_softirq(struct cpu *cpu, enum softirq softirq);
void real_cpu_send_event_check(struct cpu *cpu);
#define pirq_attach		real_pirq_attach
#define pirq_detach		real_pirq_detach
#define pirq_create		real_pirq_create
#define pirq_destroy		real_pirq_destroy
#define cpu_raise_softirq	real_cpu_raise_softirq
#define cpu_send_event_check	real_cpu_send_event_check
#define cpu_halt_others		real_cpu_halt_others
#define cpu_halt_all		real_cpu_halt_all
#include "../../hypervisor/cpu/irq.c"

#include "unit.h"

#include <string.h>

#define IOAPIC_AT	0x300000
#define IOAPICS		2
#define INPUTS		8u

struct acpi_info acpi_info;
static uint32_t eois, console_interrupts, pirq_events, last_pirq, arrivals, ipi_vector;
static cpumask_t ipi_cpus;

void apic_eoi(void) { eois++; }
void apic_send_ipi(cpumask_t cpus, uint32_t vector) { ipi_cpus = cpus; ipi_vector = vector; }
void uart_receive(void) { console_interrupts++; }

void pci_msi_arrived(uint32_t pirq) { arrivals++; }

void event_send_pirq(uint32_t pirq)
{
	pirq_events++;
	last_pirq = pirq;
}

static void given(void)
{
	memset(pirqs, 0, sizeof(pirqs));
	memset(pending, 0, sizeof(pending));
	eois = arrivals = console_interrupts = pirq_events = last_pirq = ipi_vector = 0;
	ipi_cpus = 0;
	this_cpu()->softirqs = 0;
}

static void a_pirq_interrupts_only_its_owner(void)		/* I2 */
{
	struct domain *owner = given_domain(), *other = given_domain();
	uint32_t number = 0, data = 0;
	uint64_t address = 0;

	given();
	CU_ASSERT_EQUAL(real_pirq_attach(owner, VECTOR_FIRST_IRQ), -EPERM);
	CU_ASSERT_EQUAL(real_pirq_create(owner, &number, &address, &data), 0);
	CU_ASSERT_EQUAL(data, number);
	CU_ASSERT_EQUAL(address, MSI_ADDRESS | (uint64_t)cpu_by_id[0]->apic_id << 12);
	CU_ASSERT_EQUAL(real_pirq_attach(other, number), -EPERM);
	CU_ASSERT_EQUAL(real_pirq_attach(owner, PIRQ_COUNT), -EINVAL);

	/* Not bound: it goes nowhere, and is counted all the same. */
	irq_dispatch(data);
	irq_softirq();
	CU_ASSERT_EQUAL(pirq_events, 0);
	CU_ASSERT_EQUAL(arrivals, 1);
	CU_ASSERT_EQUAL(real_pirq_attach(owner, number), 0);
	CU_ASSERT_EQUAL(real_pirq_attach(owner, number), -EBUSY);
	irq_dispatch(data);
	CU_ASSERT_EQUAL(pirq_events, 0);
	CU_ASSERT_EQUAL(this_cpu()->softirqs, 1 << SOFTIRQ_IRQ);
	irq_softirq();
	irq_softirq();
	CU_ASSERT_EQUAL(pirq_events, 1);
	CU_ASSERT_EQUAL(arrivals, 2);		/* a storm would be seen */
	CU_ASSERT_EQUAL(last_pirq, number);
	CU_ASSERT_EQUAL(real_pirq_destroy(number), -EBUSY);
	real_pirq_detach(number);
	irq_dispatch(data);
	irq_softirq();
	CU_ASSERT_EQUAL(pirq_events, 1);
	CU_ASSERT_EQUAL(real_pirq_destroy(number), 0);
	CU_ASSERT_EQUAL(real_pirq_attach(owner, number), -EPERM);
}

static void there_are_only_so_many_pirqs(void)
{
	struct domain *owner = given_domain();
	bool seen[256] = { false };
	uint32_t number = 0, data = 0, count = 0;
	uint64_t address;

	given();
	for (; !real_pirq_create(owner, &number, &address, &data); count++) {
		CU_ASSERT_TRUE(data >= VECTOR_FIRST_IRQ && data < VECTOR_EVENT_CHECK && !seen[data]);
		seen[data] = true;
	}
	CU_ASSERT_EQUAL(count, VECTOR_EVENT_CHECK - VECTOR_FIRST_IRQ);
	CU_ASSERT_EQUAL(real_pirq_destroy(VECTOR_FIRST_IRQ + 7), 0);
	CU_ASSERT_EQUAL(real_pirq_create(owner, &number, &address, &data), 0);
	CU_ASSERT_EQUAL(number, VECTOR_FIRST_IRQ + 7);
}

static void each_vector_comes_to_what_it_is_for(void)
{
	given();
	irq_dispatch(VECTOR_SPURIOUS);
	CU_ASSERT_EQUAL(eois, 0);
	irq_dispatch(VECTOR_EVENT_CHECK);
	irq_dispatch(VECTOR_TLB_FLUSH);
	CU_ASSERT_EQUAL(eois, 2);
	CU_ASSERT_EQUAL(this_cpu()->softirqs, 0);
	irq_dispatch(VECTOR_TIMER);
	CU_ASSERT_EQUAL(this_cpu()->softirqs, 1 << SOFTIRQ_TIMER);
	irq_dispatch(VECTOR_CONSOLE);
	irq_softirq();
	CU_ASSERT_EQUAL(console_interrupts, 1);
	/* One that nobody has. */
	irq_dispatch(VECTOR_FIRST_IRQ);
	irq_softirq();
	CU_ASSERT_EQUAL(console_interrupts + pirq_events, 1);
	CU_ASSERT_EQUAL(eois, 5);
}

static void another_cpu_is_woken_once(void)
{
	given();
	cpu_by_id[2]->softirqs = 0;
	cpu_by_id[2]->online = true;
	real_cpu_raise_softirq(cpu_by_id[2], SOFTIRQ_SCHEDULE);
	CU_ASSERT_EQUAL(ipi_cpus, 1 << 2);
	CU_ASSERT_EQUAL(ipi_vector, VECTOR_EVENT_CHECK);
	ipi_cpus = 0;
	real_cpu_raise_softirq(cpu_by_id[2], SOFTIRQ_SCHEDULE);
	real_cpu_raise_softirq(this_cpu(), SOFTIRQ_SCHEDULE);
	CU_ASSERT_EQUAL(ipi_cpus, 0);
	real_cpu_halt_others();
	CU_ASSERT_EQUAL(ipi_cpus, ~(1ULL << cpu_id()));
}

static void given_ioapics(void)
{
	acpi_info.ioapic_count = IOAPICS;
	for (uint32_t n = 0; n < IOAPICS; n++) {
		acpi_info.ioapic[n] = (struct acpi_ioapic){ IOAPIC_AT + n * PAGE_SIZE, n * INPUTS, n };
		((uint32_t *)paddr_to_virt(IOAPIC_AT + n * PAGE_SIZE))[WINDOW] = (INPUTS - 1) << 16;
	}
}

static void only_the_console_gets_through_the_ioapics(void)
{
	given_ioapics();
	irq_init();
	/* What was written last: the first word of the last entry of each. */
	for (uint32_t n = 0; n < IOAPICS; n++) {
		const uint32_t *registers = paddr_to_virt(IOAPIC_AT + n * PAGE_SIZE);

		CU_ASSERT_EQUAL(registers[SELECT], FIRST_ENTRY + 2 * (INPUTS - 1));
		CU_ASSERT_EQUAL(registers[WINDOW], ENTRY_MASKED);
	}
	/* The UART's as the last of the second one. */
	given_ioapics();
	acpi_info.ioapic[1].gsi_base = 0;
	((uint32_t *)paddr_to_virt(IOAPIC_AT + PAGE_SIZE))[WINDOW] = UART_IRQ << 16;
	irq_init();
	CU_ASSERT_EQUAL(((uint32_t *)paddr_to_virt(IOAPIC_AT + PAGE_SIZE))[WINDOW], VECTOR_CONSOLE);
}

static const struct unit_case cases[] = {
	UNIT_CASE(a_pirq_interrupts_only_its_owner),
	UNIT_CASE(there_are_only_so_many_pirqs),
	UNIT_CASE(each_vector_comes_to_what_it_is_for),
	UNIT_CASE(another_cpu_is_woken_once),
	UNIT_CASE(only_the_console_gets_through_the_ioapics),
};

int main(void)
{
	return unit_run("irq", cases, ARRAY_SIZE(cases));
}
