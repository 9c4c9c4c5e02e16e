/* SPDX-License-Identifier: MIT */
/* IOAPICs. Devices interrupt by MSI; here only the console's UART does, and all other entries stay masked. */
#include "boot/acpi.h"
#include "cpu/cpu.h"
#include "cpu/directmap.h"
#include "cpu/irq.h"

#define SELECT			0		/* of 32-bit words */
#define WINDOW			4
#define REGISTER_VERSION	1
#define REGISTER_ENTRY(n)	(0x10 + 2 * (n))
#define ENTRY_MASKED		0x10000u
#define ENTRY_LEVEL		0x8000u
#define ENTRY_ACTIVE_LOW	0x2000u

static struct ioapic {
	volatile uint32_t *registers;
	uint32_t inputs;
} ioapic[ACPI_IOAPICS_MAX];

/* Selects a register. */
static volatile uint32_t *window(const struct ioapic *of, uint32_t reg)
{
	of->registers[SELECT] = reg;
	return &of->registers[WINDOW];
}

void irq_init(void)
{
	for (uint32_t n = 0; n < acpi_info.ioapic_count; n++) {
		ioapic[n].registers = mmio_map(acpi_info.ioapic[n].address, 32);
		ioapic[n].inputs = (*window(&ioapic[n], REGISTER_VERSION) >> 16 & 0xff) + 1;
		for (uint32_t input = 0; input < ioapic[n].inputs; input++)
			*window(&ioapic[n], REGISTER_ENTRY(input)) = ENTRY_MASKED;
	}
}

bool ioapic_route_isa(uint32_t isa_irq, uint32_t vector)
{
	const struct acpi_isa_irq *irq = &acpi_info.isa_irq[isa_irq];
	uint32_t low = vector | (irq->is_level ? ENTRY_LEVEL : 0) | (irq->is_active_low ? ENTRY_ACTIVE_LOW : 0);

	for (uint32_t n = 0; n < acpi_info.ioapic_count; n++) {
		uint32_t input = irq->gsi - acpi_info.ioapic[n].gsi_base;

		if (input >= ioapic[n].inputs)
			continue;	/* below the first, too */
		*window(&ioapic[n], REGISTER_ENTRY(input) + 1) = cpu_by_id[0]->apic_id << 24;
		*window(&ioapic[n], REGISTER_ENTRY(input)) = low;
		return true;
	}
	return false;
}
