/* SPDX-License-Identifier: MIT */
/* PCI functions: Q1 to Q6 of pci/pci.h and pci/msi.c, on a machine whose functions are memory. What must be refused first. */
#include "unit.h"

#include <string.h>

#include <control.h>
#include <xen/domctl.h>
#include <xen/physdev.h>

#include "boot/boot_info.h"
#include "cpu/features.h"
#include "cpu/irq.h"
#include "event/event.h"
#include "include/errno.h"
#include "iommu/iommu.h"
#include "memory_guest.h"
#include "memory_oracle.h"
#include "pci.h"
#include "sched/timer.h"
#include "tables.h"

#define FREE_VA(i)	(0x200000UL + (i) * PAGE_SIZE)
#define OTHER		5
#define RESET_NS	(100 * NSEC_PER_MSEC)

/* ---- an IOMMU that notes what it is asked ---- */

static struct { bool is_there; int attach_error, msi_error; uint32_t attached, attaches, msis; bool has[1 << 16]; } iommu;

bool iommu_is_there(void) { return iommu.is_there; }

int iommu_device_attach(uint32_t sbdf, struct domain *domain)
{
	CU_ASSERT(domain->dma_pool.count);
	iommu.attaches++;
	if (iommu.attach_error && iommu.attached)
		return iommu.attach_error;
	if (iommu.has[sbdf])
		return -EBUSY;
	iommu.has[sbdf] = true;
	iommu.attached++;
	return 0;
}

void iommu_device_detach(uint32_t sbdf)
{
	CU_ASSERT_TRUE(iommu.has[sbdf]);
	iommu.has[sbdf] = false;
	iommu.attached--;
}

int iommu_msi_map(uint32_t sbdf, uint32_t vector, uint64_t *address, uint32_t *data)
{
	if (iommu.msi_error)
		return iommu.msi_error;
	iommu.msis++;
	if (iommu.is_there) {
		*address = 0x1fee00010;
		*data = 0;
	}
	return 0;
}

void iommu_msi_unmap(uint32_t sbdf, uint32_t vector) { iommu.msis--; }

/* ---- given ---- */

static void all_is_counted(void)
{
	const char *wrong = memory_oracle_complaint();

	if (wrong)
		fprintf(stderr, "  %s\n", wrong);
	CU_ASSERT_PTR_NULL(wrong);
}

static struct memory_guest zero, other;

/* Domain-0, which runs, another, and the functions. */
static void given(void)
{
	memset(&iommu, 0, sizeof(iommu));
	given_functions();
	zero = given_guest(0);
	other = given_guest(OTHER);
	fake_switch_to(zero.domain->vcpu[0]);
	zero.domain->vcpu[0]->iopl = other.domain->vcpu[0]->iopl = 1;
}

static long device(uint32_t command, domid_t id, uint32_t sbdf)
{
	struct xen_domctl *op = GUEST_COPY(struct xen_domctl, .cmd = command, .domain = id,
					   .interface_version = XEN_DOMCTL_INTERFACE_VERSION);

	op->u.assign_device.u.pci.machine_sbdf = sbdf;
	return guest_call(__HYPERVISOR_domctl, guest_address(op), 0, 0, 0);
}

static long assign(domid_t id, uint32_t sbdf)
{
	long error;

	guest_call_tries = 0;
	error = device(XEN_DOMCTL_assign_device, id, sbdf);
	guest_call_tries = UINT32_MAX;
	if (error != -ERESTART)
		return error;
	fake_advance(RESET_NS);
	return device(XEN_DOMCTL_assign_device, id, sbdf);
}

static long deassign(domid_t id, uint32_t sbdf) { return device(XEN_DOMCTL_deassign_device, id, sbdf); }

static long declare_pool(struct memory_guest *guest)
{
	struct xen_domctl *op = GUEST_COPY(struct xen_domctl, .cmd = SKINK_DOMCTL_dma_pool, .domain = guest->domain->id,
					   .interface_version = XEN_DOMCTL_INTERFACE_VERSION);

	*(struct skink_domctl_dma_pool *)op->u.pad = (struct skink_domctl_dma_pool){
		.first_mfn = guest->page[DATA], .count = 1, .flags = SKINK_DMA_POOL_UNPROTECTED };
	return guest_call(__HYPERVISOR_domctl, guest_address(op), 0, 0, 0);
}

/* As the port emulation does it for a domain. */
static uint32_t port_in(struct domain *domain, uint32_t sbdf, uint32_t at, uint32_t bytes)
{
	uint32_t address = 1u << 31 | sbdf << 8 | (at & 0xfc), value = 0;

	if (!pci_port(domain, 0xcf8, 4, true, &address) || !pci_port(domain, (uint16_t)(0xcfc + at % 4), bytes, false, &value))
		return UINT32_MAX;
	return value;
}

static void port_out(struct domain *domain, uint32_t sbdf, uint32_t at, uint32_t bytes, uint32_t value)
{
	uint32_t address = 1u << 31 | sbdf << 8 | (at & 0xfc);

	CU_ASSERT(pci_port(domain, 0xcf8, 4, true, &address));
	CU_ASSERT(pci_port(domain, (uint16_t)(0xcfc + at % 4), bytes, true, &value));
}

static pte_t page(paddr_t address) { return (address & PAGE_MASK) | WRITABLE; }

/* ---- what there is ---- */

static void function_that_lies_is_assigned_to_nobody(void)
{
	struct fake_function *over_ram = fake_function(0x100, 1, 1, 0x020000);
	struct fake_function *over_apic = fake_function(0x200, 1, 2, 0x020000);
	struct fake_function *unset = fake_function(0x300, 1, 3, 0x020000);
	struct fake_function *wrapping = fake_function(0x400, 1, 4, 0x020000);
	struct fake_function *over_flash = fake_function(0x500, 1, 5, 0x020000);
	struct fake_function *beyond = fake_function(0x600, 1, 6, 0x020000);

	fake_function_bar(over_ram, 0, 2UL << 20, PAGE_SIZE, 0);
	fake_function_bar(over_apic, 0, 0xfee00000, PAGE_SIZE, 0);
	fake_function_bar(unset, 0, 0, PAGE_SIZE, 0);
	fake_function_bar(wrapping, 0, 0xfff0000000000000, 1UL << 52, BAR_64);
	fake_function_bar(over_flash, 0, 0xffe00000, PAGE_SIZE, 0);
	fake_function_bar(beyond, 0, 1UL << cpu_features.address_bits, PAGE_SIZE, BAR_64);
	given();
	for (uint32_t sbdf = 0x100; sbdf <= 0x600; sbdf += 0x100) {
		CU_ASSERT_PTR_NOT_NULL(pci_find(sbdf));
		CU_ASSERT_EQUAL(assign(0, sbdf), -ENODEV);
	}
	CU_ASSERT_EQUAL(assign(0, 0), -ENODEV);		/* the bridge */
	CU_ASSERT_EQUAL(assign(0, 0x0018), -ENODEV);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSIX | 1 << 16), -ENODEV);
}

static void capabilities_that_go_in_a_circle_end(void)
{
	struct fake_function *circle = fake_function(0x100, 1, 1, 0x020000);

	fake_function_capability(circle, 0x40, CAPABILITY_MSIX);
	fake_function_set(circle, 0x41, 1, 0x40);
	fake_function_set(circle, 0x42, 2, 0x7ff);
	fake_function_bar(circle, 0, FAKE_DEVICES + 0x40000, PAGE_SIZE, 0);
	given();
	/* Its table is larger than the BAR: there is none. */
	CU_ASSERT_EQUAL(pci_find(0x100)->msix, 0x40);
	CU_ASSERT_EQUAL(pci_find(0x100)->msix_count, 0);
	CU_ASSERT_EQUAL(assign(0, 0x100), 0);
}

static void table_whose_end_wraps_is_none(void)
{
	struct fake_function *function = fake_function(0x100, 1, 1, 0x020000);

	fake_function_capability(function, 0x40, CAPABILITY_MSIX);
	fake_function_set(function, 0x44, 4, 0xfffffff8);	/* and 16 bytes of one entry are 8 */
	fake_function_bar(function, 0, FAKE_DEVICES + 0x40000, PAGE_SIZE, 0);
	given();
	CU_ASSERT_EQUAL(pci_find(0x100)->msix, 0x40);
	CU_ASSERT_EQUAL(pci_find(0x100)->msix_count, 0);
}

static void nothing_masters_the_bus_after_the_start(void)		/* Q2 */
{
	given();
	/* The card is in its reset already, so that its first owner need not wait. */
	CU_ASSERT_EQUAL(pci_config_read(SBDF_MSIX, PCI_COMMAND, 2), 0);
	CU_ASSERT_EQUAL(fake_function_find(SBDF_MSIX)->resets, 1);
	for (uint32_t sbdf = SBDF_MSI; sbdf <= SBDF_NEIGHBOUR; sbdf++) {
		CU_ASSERT_EQUAL(pci_config_read(sbdf, PCI_COMMAND, 2), COMMAND_IO | COMMAND_MEMORY);
		CU_ASSERT_EQUAL(pci_config_read(sbdf, PCI_BAR, 4) & ~BAR_FLAGS, (uint32_t)pci_find(sbdf)->bar[0].start);
	}
	CU_ASSERT_EQUAL(pci_config_read(0, PCI_COMMAND, 2), COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
}

static void functions_are_described(void)
{
	struct xen_domctl *op = GUEST_COPY(struct xen_domctl, .cmd = SKINK_DOMCTL_pci_function, .domain = 4000,
					   .interface_version = XEN_DOMCTL_INTERFACE_VERSION);
	struct skink_domctl_pci_function *function = (void *)op->u.pad;

	given();
	op = GUEST_COPY(struct xen_domctl, .cmd = SKINK_DOMCTL_pci_function, .domain = 4000,
			.interface_version = XEN_DOMCTL_INTERFACE_VERSION);
	function = (void *)op->u.pad;
	function->index = 1;
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_domctl, guest_address(op), 0, 0, 0), 0);
	CU_ASSERT_EQUAL(function->sbdf, SBDF_MSIX);
	CU_ASSERT_EQUAL(function->vendor, 0x1af4);
	CU_ASSERT_EQUAL(function->device, 0x1041);
	CU_ASSERT_EQUAL(function->class_code, 0x020000);
	CU_ASSERT_EQUAL(function->owner, DOMID_INVALID);
	CU_ASSERT_EQUAL(function->flags, SKINK_PCI_ASSIGNABLE | SKINK_PCI_HAS_RESET);
	CU_ASSERT_EQUAL(function->msix_vectors, 8);
	CU_ASSERT_EQUAL(function->bar_start[0], BAR_MSIX);
	CU_ASSERT_EQUAL(function->bar_order[0], PAGE_SHIFT);
	CU_ASSERT_EQUAL(function->bar_start[1] | function->bar_start[4], 0);
	CU_ASSERT_EQUAL(function->bar_order[2], PAGE_SHIFT + 1);
	function->index = 4;
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_domctl, guest_address(op), 0, 0, 0), -ENOENT);
	fake_switch_to(other.domain->vcpu[0]);
	function->index = 0;
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_domctl, guest_address(op), 0, 0, 0), -EPERM);
}

/* ---- whose it is ---- */

static void function_has_one_owner(void)		/* Q1 */
{
	given();
	CU_ASSERT_EQUAL(device(XEN_DOMCTL_test_assign_device, DOMID_INVALID, SBDF_MSI), 0);
	CU_ASSERT_EQUAL(assign(OTHER, SBDF_MSI), 0);
	CU_ASSERT_EQUAL(assign(OTHER, SBDF_MSI), -EBUSY);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSI), -EBUSY);
	CU_ASSERT_EQUAL(device(XEN_DOMCTL_test_assign_device, DOMID_INVALID, SBDF_MSI), -EBUSY);
	CU_ASSERT_EQUAL(deassign(0, SBDF_MSI), -ENODEV);
	CU_ASSERT_EQUAL(assign(OTHER + 1, SBDF_MSIX), -ESRCH);
	CU_ASSERT_EQUAL(deassign(OTHER, SBDF_MSI), 0);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSI), 0);
	fake_switch_to(other.domain->vcpu[0]);
	CU_ASSERT_EQUAL(device(XEN_DOMCTL_assign_device, OTHER, SBDF_MSIX), -EPERM);
	all_is_counted();
}

static void function_is_reset_for_each_owner(void)		/* Q4 */
{
	struct fake_function *machine;

	given();
	machine = fake_function_find(SBDF_MSIX);
	guest_call_tries = 3;
	CU_ASSERT_EQUAL(device(XEN_DOMCTL_assign_device, OTHER, SBDF_MSIX), -ERESTART);
	fake_advance(RESET_NS - 1);
	CU_ASSERT_EQUAL(device(XEN_DOMCTL_assign_device, OTHER, SBDF_MSIX), -ERESTART);
	CU_ASSERT_EQUAL(machine->resets, 1);
	CU_ASSERT_PTR_NULL(pci_find(SBDF_MSIX)->owner);
	fake_advance(1);
	CU_ASSERT_EQUAL(device(XEN_DOMCTL_assign_device, OTHER, SBDF_MSIX), 0);
	guest_call_tries = UINT32_MAX;
	CU_ASSERT_EQUAL(pci_config_read(SBDF_MSIX, PCI_BAR, 4), (uint32_t)BAR_MSIX | BAR_64);
	CU_ASSERT_EQUAL(pci_config_read(SBDF_MSIX, PCI_BAR + 8, 4), (uint32_t)BAR_MSIX_TABLE);
	CU_ASSERT_EQUAL(pci_config_read(SBDF_MSIX, PCI_COMMAND, 2), COMMAND_MEMORY | COMMAND_NO_INTX);
	/* At once for the next, which need not do it again. */
	CU_ASSERT_EQUAL(deassign(OTHER, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(machine->resets, 2);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(machine->resets, 2);
	/* It does not come back. */
	CU_ASSERT_EQUAL(deassign(0, SBDF_MSIX), 0);
	fake_function_set(machine, PCI_ID, 4, UINT32_MAX);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSIX), -ENODEV);
}

static void end_of_the_owner_frees_it(void)		/* Q1, Q2 */
{
	struct fake_function *machine;
	uint32_t pirq = 0;

	given();
	machine = fake_function_find(SBDF_MSIX);
	iommu.is_there = true;
	CU_ASSERT_EQUAL(assign(OTHER, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(declare_pool(&other), 0);
	CU_ASSERT_EQUAL(iommu.attached, 1);
	port_out(other.domain, SBDF_MSIX, PCI_COMMAND, 2, COMMAND_MASTER);
	CU_ASSERT_EQUAL(machine->masters, 1);
	CU_ASSERT_EQUAL(pci_msi_map(other.domain, SBDF_MSIX, 3, true, &pirq), 0);
	fake_switch_to(other.domain->vcpu[0]);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), page(BAR_MSIX)), 0);
	CU_ASSERT_EQUAL(pci_find(SBDF_MSIX)->mappings, 1);
	all_is_counted();
	fake_switch_to(zero.domain->vcpu[0]);

	/* First it is silent: then frames may go. */
	pci_domain_stop(other.domain);
	CU_ASSERT_EQUAL(iommu.attached, 0);
	CU_ASSERT_EQUAL(fake_function_get(machine, PCI_COMMAND, 2) & COMMAND_MASTER, 0);
	CU_ASSERT_EQUAL(fake_function_get(machine, 0x42, 2), 0xc007);
	CU_ASSERT_EQUAL(port_in(other.domain, SBDF_MSIX, 0, 4), UINT32_MAX);
	CU_ASSERT_EQUAL(machine->resets, 2);

	CU_ASSERT_EQUAL(guest_ends(other.domain), 0);
	CU_ASSERT_PTR_NULL(pci_find(SBDF_MSIX)->owner);
	CU_ASSERT_EQUAL(pci_find(SBDF_MSIX)->mappings, 0);
	CU_ASSERT_EQUAL(pci_find(SBDF_MSIX)->msis, 0);
	CU_ASSERT_EQUAL(iommu.msis, 0);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSIX), 0);
	all_is_counted();
}

/* ---- bus mastering ---- */

/* Its interrupts, mappings and configuration stay; mastering is the successor's to switch on. */
static void fenced_function_reaches_nothing_until_it_is_attached_again(void)		/* R1 of reset/reset.h */
{
	struct fake_function *machine;
	uint32_t pirq = 0;

	given();
	machine = fake_function_find(SBDF_MSIX);
	iommu.is_there = true;
	CU_ASSERT_EQUAL(assign(OTHER, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSI), 0);
	CU_ASSERT_EQUAL(declare_pool(&other), 0);
	port_out(other.domain, SBDF_MSIX, PCI_COMMAND, 2, COMMAND_MASTER);
	CU_ASSERT_EQUAL(pci_msi_map(other.domain, SBDF_MSIX, 3, true, &pirq), 0);

	pci_domain_fence(other.domain);
	CU_ASSERT_EQUAL(iommu.attached, 0);
	CU_ASSERT_EQUAL(fake_function_get(machine, PCI_COMMAND, 2) & COMMAND_MASTER, 0);
	port_out(other.domain, SBDF_MSIX, PCI_COMMAND, 2, COMMAND_MASTER);
	CU_ASSERT_EQUAL(fake_function_get(machine, PCI_COMMAND, 2) & COMMAND_MASTER, 0);

	CU_ASSERT_EQUAL(pci_pool_is_there(other.domain), 0);
	CU_ASSERT_EQUAL(iommu.attached, 1);
	CU_ASSERT_EQUAL(fake_function_get(machine, PCI_COMMAND, 2) & COMMAND_MASTER, 0);
	port_out(other.domain, SBDF_MSIX, PCI_COMMAND, 2, COMMAND_MASTER);
	CU_ASSERT_TRUE(fake_function_get(machine, PCI_COMMAND, 2) & COMMAND_MASTER);
	CU_ASSERT_EQUAL(pci_find(SBDF_MSIX)->msis, 1);
	all_is_counted();
}

/* Domain-0 may assign one while the reset has let go of the lock. */
static void function_that_comes_in_the_middle_of_a_reset_is_attached_once(void)
{
	given();
	iommu.is_there = true;
	CU_ASSERT_EQUAL(assign(OTHER, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(declare_pool(&other), 0);
	pci_domain_fence(other.domain);
	CU_ASSERT_EQUAL(assign(OTHER, SBDF_MSI), 0);
	CU_ASSERT_EQUAL(iommu.attached, 1);
	CU_ASSERT_EQUAL(pci_pool_is_there(other.domain), 0);
	CU_ASSERT_EQUAL(iommu.attached, 2);
	pci_domain_fence(other.domain);
	CU_ASSERT_EQUAL(iommu.attached, 0);
	CU_ASSERT_EQUAL(pci_pool_is_there(other.domain), 0);
	CU_ASSERT_EQUAL(iommu.attached, 2);
	all_is_counted();
}

static void without_a_pool_there_is_no_bus_master(void)		/* Q2 */
{
	given();
	CU_ASSERT_EQUAL(assign(0, SBDF_MSI), 0);
	for (uint32_t at = PCI_COMMAND; at < PCI_STATUS; at++)
		port_out(zero.domain, SBDF_MSI, at, 1, 0xff);
	port_out(zero.domain, SBDF_MSI, PCI_COMMAND, 2, 0xffff);
	port_out(zero.domain, SBDF_MSI, PCI_COMMAND, 4, UINT32_MAX);
	CU_ASSERT_EQUAL(fake_function_find(SBDF_MSI)->masters, 0);
	CU_ASSERT_EQUAL(declare_pool(&zero), 0);
	CU_ASSERT_EQUAL(fake_function_find(SBDF_MSI)->masters, 0);
	port_out(zero.domain, SBDF_MSI, PCI_COMMAND, 1, COMMAND_MASTER | COMMAND_IO);
	CU_ASSERT_EQUAL(port_in(zero.domain, SBDF_MSI, PCI_COMMAND, 2), COMMAND_MASTER | COMMAND_MEMORY | COMMAND_NO_INTX);
	port_out(zero.domain, SBDF_MSI, PCI_COMMAND, 2, 0);
	CU_ASSERT_EQUAL(port_in(zero.domain, SBDF_MSI, PCI_COMMAND, 2), COMMAND_MEMORY | COMMAND_NO_INTX);
}

static void function_that_the_iommu_does_not_take_is_no_bus_master(void)		/* Q2 */
{
	given();
	iommu.is_there = true;
	iommu.attach_error = -EOPNOTSUPP;
	CU_ASSERT_EQUAL(assign(0, SBDF_MSI), 0);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(iommu.attaches, 0);
	/* The second is refused: then the first is not attached either, and there is no pool. */
	CU_ASSERT_EQUAL(declare_pool(&zero), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(iommu.attaches, 2);
	CU_ASSERT_EQUAL(iommu.attached, 0);
	CU_ASSERT_EQUAL(zero.domain->dma_pool.count, 0);
	CU_ASSERT_EQUAL(deassign(0, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(declare_pool(&zero), 0);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSIX), -EOPNOTSUPP);
	CU_ASSERT_PTR_NULL(pci_find(SBDF_MSIX)->owner);
	port_out(zero.domain, SBDF_MSI, PCI_COMMAND, 2, COMMAND_MASTER);
	CU_ASSERT_EQUAL(fake_function_find(SBDF_MSI)->masters, 1);
	CU_ASSERT_EQUAL(deassign(0, SBDF_MSI), 0);
	CU_ASSERT_EQUAL(iommu.attached, 0);
	all_is_counted();
}

/* ---- configuration space ---- */

static void domain_sees_its_own_functions_alone(void)		/* Q1 */
{
	uint32_t value = 0x80000000;

	given();
	CU_ASSERT(!pci_port(other.domain, 0xcf8, 4, true, &value));
	CU_ASSERT(!pci_port(other.domain, 0xcfc, 4, false, &value));
	CU_ASSERT_EQUAL(assign(OTHER, SBDF_MSI), 0);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSIX), 0);
	for (uint32_t sbdf = 0; sbdf < 0x10000; sbdf++) {
		CU_ASSERT_EQUAL(port_in(other.domain, sbdf, 0, 4) != UINT32_MAX, sbdf == SBDF_MSI);
		CU_ASSERT_EQUAL(port_in(zero.domain, sbdf, 0, 4) != UINT32_MAX, sbdf == SBDF_MSIX);
	}
	/* What does not say which register. */
	value = SBDF_MSI << 8;
	CU_ASSERT(pci_port(other.domain, 0xcf8, 4, true, &value));
	CU_ASSERT(pci_port(other.domain, 0xcfc, 4, false, &value));
	CU_ASSERT_EQUAL(value, UINT32_MAX);
	value = 0x80000000 | SBDF_MSI << 8;
	CU_ASSERT(pci_port(other.domain, 0xcf8, 4, true, &value));
	CU_ASSERT(pci_port(other.domain, 0xcf8, 4, false, &value));
	CU_ASSERT_EQUAL(value, 0x80000000 | SBDF_MSI << 8);
	for (uint32_t bytes = 1; bytes <= 4; bytes *= 2)
		for (uint16_t port = 0xcf8; port < 0xd00; port++) {
			bool is_address = port == 0xcf8 && bytes == 4;

			value = 0;
			CU_ASSERT_EQUAL(pci_port(other.domain, port, bytes, false, &value), port >= 0xcfc || is_address);
			if (port > 0xcfc && port % bytes)
				CU_ASSERT_EQUAL(value, UINT32_MAX);
		}
}

static void only_command_and_sizes_are_written(void)		/* Q5 */
{
	uint8_t before[PCI_CONFIG_BYTES];
	struct fake_function *machine;

	given();
	CU_ASSERT_EQUAL(assign(0, SBDF_MSIX), 0);
	machine = fake_function_find(SBDF_MSIX);
	memcpy(before, machine->byte, sizeof(before));
	for (uint32_t bytes = 1; bytes <= 4; bytes *= 2)
		for (uint32_t at = 0; at < PCI_CONFIG_BYTES; at += bytes)
			for (uint32_t value = 0; value < 3; value++)
				port_out(zero.domain, SBDF_MSIX, at, bytes, value == 2 ? 0x5a5a5a5a : -value);
	CU_ASSERT_EQUAL(memcmp(before, machine->byte, sizeof(before)), 0);
	CU_ASSERT_EQUAL(machine->resets, 1);
}

static void bars_are_sized_and_stay(void)		/* Q5 */
{
	given();
	CU_ASSERT_EQUAL(assign(0, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(port_in(zero.domain, SBDF_MSIX, PCI_BAR, 4), BAR_MSIX | BAR_64);
	CU_ASSERT_EQUAL(port_in(zero.domain, SBDF_MSIX, PCI_BAR + 4, 4), 0);
	port_out(zero.domain, SBDF_MSIX, PCI_BAR, 4, UINT32_MAX);
	port_out(zero.domain, SBDF_MSIX, PCI_BAR + 4, 4, UINT32_MAX);
	CU_ASSERT_EQUAL(port_in(zero.domain, SBDF_MSIX, PCI_BAR, 4), 0xfffff000 | BAR_64);
	CU_ASSERT_EQUAL(port_in(zero.domain, SBDF_MSIX, PCI_BAR + 2, 2), 0xffff);
	CU_ASSERT_EQUAL(port_in(zero.domain, SBDF_MSIX, PCI_BAR + 4, 4), UINT32_MAX);
	port_out(zero.domain, SBDF_MSIX, PCI_BAR, 4, 0x12345000);
	port_out(zero.domain, SBDF_MSIX, PCI_BAR + 4, 4, 0);
	CU_ASSERT_EQUAL(port_in(zero.domain, SBDF_MSIX, PCI_BAR, 4), BAR_MSIX | BAR_64);
	CU_ASSERT_EQUAL(port_in(zero.domain, SBDF_MSIX, PCI_BAR + 4, 4), 0);
	/* Ports of I/O, and a ROM, are not shown. */
	port_out(zero.domain, SBDF_MSIX, PCI_BAR + 16, 4, UINT32_MAX);
	CU_ASSERT_EQUAL(port_in(zero.domain, SBDF_MSIX, PCI_BAR + 16, 4), 0);
	CU_ASSERT_EQUAL(port_in(zero.domain, SBDF_MSIX, PCI_ROM, 4), 0);
	/* The next owner begins anew. */
	port_out(zero.domain, SBDF_MSIX, PCI_BAR, 4, UINT32_MAX);
	CU_ASSERT_EQUAL(deassign(0, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(assign(OTHER, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(port_in(other.domain, SBDF_MSIX, PCI_BAR, 4), BAR_MSIX | BAR_64);
}

/* ---- pages ---- */

static void page_that_is_not_the_domains_is_refused(void)		/* Q3 */
{
	given();
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), page(BAR_MSI)), -EINVAL);
	CU_ASSERT_EQUAL(assign(OTHER, SBDF_MSI), 0);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), page(BAR_MSI)), -EINVAL);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), page(BAR_MSI) | PTE_DEVICE), -EINVAL);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), page(BAR_MSIX + PAGE_SIZE)), -EINVAL);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), page(BAR_MSIX - PAGE_SIZE)), -EINVAL);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), page(BAR_MSIX_TABLE)), -EPERM);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), page(BAR_MSIX_TABLE) & ~PTE_WRITABLE), -EPERM);
	/* By another's name, which Domain-0 may use for memory. */
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_update_va_mapping_otherdomain, FREE_VA(0), page(BAR_MSI), 0, OTHER), -EINVAL);
	fake_switch_to(other.domain->vcpu[0]);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), page(BAR_MSIX)), -EINVAL);
	/* Two functions have something on it, whosever they are. */
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), page(BAR_SHARED)), -EINVAL);
	fake_switch_to(zero.domain->vcpu[0]);
	CU_ASSERT_EQUAL(assign(OTHER, SBDF_NEIGHBOUR), 0);
	fake_switch_to(other.domain->vcpu[0]);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), page(BAR_SHARED)), -EINVAL);
	/* As a table, or from a table above. */
	CU_ASSERT(guest_updates(other.page[L2], 5, page(BAR_MSI)) != 0);
	CU_ASSERT(guest_pins(BAR_MSI >> PAGE_SHIFT, FRAME_L1) != 0);
	all_is_counted();
}

static void page_of_its_own_is_mapped_as_asked(void)		/* Q3 */
{
	const pte_t flags[] = { WRITABLE, READ_ONLY, WRITABLE | PTE_CACHE_OFF, WRITABLE | PTE_CACHE_OFF | PTE_WRITE_THROUGH,
				READ_ONLY | PTE_LARGE, WRITABLE | PTE_NO_EXECUTE | PTE_AVAIL };
	const struct pci_function *function;

	given();
	CU_ASSERT_EQUAL(assign(0, SBDF_MSI), 0);
	function = pci_find(SBDF_MSI);
	for (uint32_t i = 0; i < ARRAY_SIZE(flags); i++) {
		pte_t *entry = &words_of(zero.page[L1_SECOND])[i];

		CU_ASSERT_EQUAL(guest_maps(FREE_VA(i), BAR_MSI | flags[i] | PTE_GLOBAL), 0);
		CU_ASSERT_EQUAL(*entry, BAR_MSI | flags[i] | PTE_DEVICE);
		CU_ASSERT_EQUAL(function->mappings, i + 1);
		/* What was read can be written back. */
		CU_ASSERT_EQUAL(guest_maps(FREE_VA(i), *entry), 0);
		CU_ASSERT_EQUAL(guest_maps(FREE_VA(i), *entry & ~PTE_DEVICE), 0);
		CU_ASSERT_EQUAL(function->mappings, i + 1);
	}
	all_is_counted();
	CU_ASSERT_EQUAL(deassign(0, SBDF_MSI), -EBUSY);
	/* All go with their table, too, and come back with it. */
	CU_ASSERT_EQUAL(guest_updates(zero.page[L2], 1, 0), 0);
	fake_deferred_steps(current_vcpu(), UINT32_MAX);
	CU_ASSERT_EQUAL(function->mappings, 0);
	CU_ASSERT_EQUAL(guest_updates(zero.page[L2], 1, pte(zero.page[L1_SECOND], WRITABLE)), 0);
	CU_ASSERT_EQUAL(function->mappings, ARRAY_SIZE(flags));
	all_is_counted();
	for (uint32_t i = 0; i < ARRAY_SIZE(flags); i++)
		CU_ASSERT_EQUAL(guest_maps(FREE_VA(i), pte(zero.page[DATA], READ_ONLY)), 0);
	CU_ASSERT_EQUAL(deassign(0, SBDF_MSI), 0);
	all_is_counted();
}

static void tables_with_a_page_that_was_taken_away_are_refused(void)		/* Q3, Q4 */
{
	given();
	CU_ASSERT_EQUAL(assign(0, SBDF_MSI), 0);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), page(BAR_MSI)), 0);
	(void)fake_guest_touch(FREE_VA(0), true);
	CU_ASSERT_EQUAL(guest_updates(zero.page[L2], 1, 0), 0);
	fake_deferred_steps(current_vcpu(), UINT32_MAX);
	/* The TLB remembers it still: not when the next has the function. */
	CU_ASSERT_EQUAL(deassign(0, SBDF_MSI), 0);
	CU_ASSERT_EQUAL(assign(OTHER, SBDF_MSI), 0);
	all_is_counted();
	CU_ASSERT_EQUAL(guest_updates(zero.page[L2], 1, pte(zero.page[L1_SECOND], WRITABLE)), -EINVAL);
	CU_ASSERT_EQUAL(pci_find(SBDF_MSI)->mappings, 0);
	all_is_counted();
}

/* ---- interrupts ---- */

static long map_pirq(uint32_t sbdf, int entry, uint64_t table, int *pirq)
{
	struct physdev_map_pirq *map = GUEST_COPY(struct physdev_map_pirq, .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI,
						  .index = -1, .pirq = -1, .bus = (int)(sbdf >> 8),
						  .devfn = (int)(sbdf & 0xff), .entry_nr = entry, .table_base = table);
	long error = guest_call(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, guest_address(map), 0, 0);

	*pirq = map->pirq;
	return error;
}

static long unmap_pirq(int pirq)
{
	struct physdev_unmap_pirq *unmap = GUEST_COPY(struct physdev_unmap_pirq, .domid = DOMID_SELF, .pirq = pirq);

	return guest_call(__HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq, guest_address(unmap), 0, 0);
}

static void interrupts_of_others_are_refused(void)		/* Q1 */
{
	int pirq, mine;

	given();
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSIX, 0, BAR_MSIX_TABLE, &pirq), -ENODEV);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSIX, 8, BAR_MSIX_TABLE, &pirq), -EINVAL);
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSIX, -1, BAR_MSIX_TABLE, &pirq), -EINVAL);
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSIX, 0, 0, &pirq), -EINVAL);
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSIX | 1 << 24, 0, BAR_MSIX_TABLE, &pirq), -ENODEV);
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSIX, 0, BAR_MSIX_TABLE, &mine), 0);
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSIX, 0, BAR_MSIX_TABLE, &pirq), -EEXIST);
	fake_switch_to(other.domain->vcpu[0]);
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSIX, 1, BAR_MSIX_TABLE, &pirq), -ENODEV);
	CU_ASSERT_EQUAL(unmap_pirq(mine), -EINVAL);
	CU_ASSERT_EQUAL(pirq_attach(other.domain, (uint32_t)mine), -EPERM);
	fake_switch_to(zero.domain->vcpu[0]);
	CU_ASSERT_EQUAL(pirq_attach(zero.domain, (uint32_t)mine), 0);
	CU_ASSERT_EQUAL(unmap_pirq(mine), -EBUSY);
	CU_ASSERT_EQUAL(deassign(0, SBDF_MSIX), -EBUSY);
	pirq_detach((uint32_t)mine);
	CU_ASSERT_EQUAL(unmap_pirq(mine), 0);
	CU_ASSERT_EQUAL(unmap_pirq(mine), -EINVAL);
	CU_ASSERT_EQUAL(unmap_pirq(-1), -EINVAL);
	CU_ASSERT_EQUAL(iommu.msis, 0);
	CU_ASSERT_EQUAL(deassign(0, SBDF_MSIX), 0);
	all_is_counted();
}

static void msix_entry_sends_its_pirq_and_the_others_are_masked(void)		/* Q6 */
{
	volatile uint32_t *table = fake_device(BAR_MSIX_TABLE);
	int pirq = 0;

	given();
	for (uint32_t i = 0; i < 8 * 4; i++)
		table[i] = i % 4 == 3 ? 0 : 0xfeedbeef;		/* as an owner before might have left it */
	fake_function_set(fake_function_find(SBDF_MSIX), 0x42, 2, 0x8007);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(pci_config_read(SBDF_MSIX, 0x42, 2), 0xc007);
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSIX, 5, BAR_MSIX_TABLE, &pirq), 0);
	CU_ASSERT_EQUAL(pci_config_read(SBDF_MSIX, 0x42, 2), 0x8007);
	for (uint32_t entry = 0; entry < 8; entry++)
		CU_ASSERT_EQUAL(table[entry * 4 + 3], entry != 5);
	CU_ASSERT_EQUAL(table[5 * 4], 0xfee00000);
	CU_ASSERT_EQUAL(table[5 * 4 + 1], 0);
	CU_ASSERT_EQUAL(table[5 * 4 + 2], (uint32_t)pirq);
	CU_ASSERT_EQUAL(unmap_pirq(pirq), 0);
	CU_ASSERT_EQUAL(table[5 * 4 + 3], 1);
	/* As the IOMMU would have it. */
	iommu.is_there = true;
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSIX, 5, BAR_MSIX_TABLE, &pirq), 0);
	CU_ASSERT_EQUAL(table[5 * 4 + 1], 1);
	CU_ASSERT_EQUAL(unmap_pirq(pirq), 0);
	iommu.msi_error = -ENODEV;
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSIX, 6, BAR_MSIX_TABLE, &pirq), -ENODEV);
	CU_ASSERT_EQUAL(table[6 * 4 + 3], 1);
	CU_ASSERT_EQUAL(pci_find(SBDF_MSIX)->msis, 0);
}

static void msi_is_one_message(void)		/* Q6 */
{
	struct fake_function *machine;
	int pirq;

	given();
	machine = fake_function_find(SBDF_MSI);
	fake_function_set(machine, 0x52, 2, 0x01f1);		/* 8 messages, and on */
	CU_ASSERT_EQUAL(assign(0, SBDF_MSI), 0);
	CU_ASSERT_EQUAL(fake_function_get(machine, 0x52, 2), 0x0180);
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSI, 1, 0, &pirq), -EINVAL);
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSI, 0, 0, &pirq), 0);
	CU_ASSERT_EQUAL(fake_function_get(machine, 0x52, 2), 0x0181);
	CU_ASSERT_EQUAL(fake_function_get(machine, 0x54, 4), 0xfee00000);
	CU_ASSERT_EQUAL(fake_function_get(machine, 0x58, 4), 0);
	CU_ASSERT_EQUAL(fake_function_get(machine, 0x5c, 2), (uint32_t)pirq);
	CU_ASSERT_EQUAL(unmap_pirq(pirq), 0);
	CU_ASSERT_EQUAL(fake_function_get(machine, 0x52, 2), 0x0180);
}

static void number_that_cannot_be_told_is_given_back(void)
{
	struct physdev_map_pirq *map;

	given();
	CU_ASSERT_EQUAL(assign(0, SBDF_MSI), 0);
	map = GUEST_COPY(struct physdev_map_pirq, .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI, .devfn = SBDF_MSI);
	fake.guest_fault_access = 2;
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, guest_address(map), 0, 0), -EFAULT);
	CU_ASSERT_EQUAL(pci_find(SBDF_MSI)->msis, 0);
	map = GUEST_COPY(struct physdev_map_pirq, .domid = OTHER, .type = MAP_PIRQ_TYPE_MSI, .devfn = SBDF_MSI);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, guest_address(map), 0, 0), -EPERM);
}

static void storm_of_interrupts_is_masked_until_the_period_ends(void)
{
	volatile uint32_t *mask;
	int pirq = 0, second = 0;

	given();
	mask = fake_device(BAR_MSIX_TABLE + 3 * 16 + 12);
	CU_ASSERT_EQUAL(assign(0, SBDF_MSIX), 0);
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSIX, 3, BAR_MSIX_TABLE, &pirq), 0);
	fake_advance(20 * NSEC_PER_MSEC);
	CU_ASSERT_EQUAL(map_pirq(SBDF_MSIX, 4, BAR_MSIX_TABLE, &second), 0);
	for (uint32_t i = 0; i < 2001; i++)		/* in 20 ms: a new period begins with the last */
		pci_msi_arrived((uint32_t)pirq);
	for (uint32_t i = 0; i < 1000; i++) {
		pci_msi_arrived((uint32_t)pirq);
		pci_msi_arrived((uint32_t)second);
	}
	CU_ASSERT_EQUAL(*mask, 0);
	pci_msi_arrived((uint32_t)pirq);
	CU_ASSERT_EQUAL(*mask, 1);
	CU_ASSERT_EQUAL(mask[4], 0);
	pci_msi_arrived((uint32_t)pirq);		/* what was on its way */
	CU_ASSERT_EQUAL(pci_find(SBDF_MSIX)->storms, 1);
	fake_pci_timers(10 * NSEC_PER_MSEC);
	CU_ASSERT_EQUAL(*mask, 0);
	/* As many, over longer, are no storm. */
	for (uint32_t i = 0; i < 10000; i++) {
		pci_msi_arrived((uint32_t)pirq);
		fake_advance(10 * NSEC_PER_USEC);
	}
	CU_ASSERT_EQUAL(*mask, 0);
	CU_ASSERT_EQUAL(pci_find(SBDF_MSIX)->storms, 1);
}

static void domain_has_so_many_pirqs_at_most(void)
{
	struct fake_function *large = fake_function(0x100, 1, 1, 0x020000);
	uint32_t pirq, count = 0;

	fake_function_bar(large, 0, FAKE_DEVICES + 0x40000, 2 * PAGE_SIZE, 0);
	fake_function_capability(large, 0x40, CAPABILITY_MSIX);
	fake_function_set(large, 0x42, 2, 255);
	given();
	CU_ASSERT_EQUAL(assign(0, 0x100), 0);
	while (pci_msi_map(zero.domain, 0x100, count, true, &pirq) == 0)
		count++;
	CU_ASSERT_EQUAL(count, 64);
	CU_ASSERT_EQUAL(pci_msi_map(zero.domain, 0x100, count, true, &pirq), -ENOSPC);
}

static const struct unit_case cases[] = {
	UNIT_CASE(function_that_lies_is_assigned_to_nobody),
	UNIT_CASE(capabilities_that_go_in_a_circle_end),
	UNIT_CASE(table_whose_end_wraps_is_none),
	UNIT_CASE(nothing_masters_the_bus_after_the_start),
	UNIT_CASE(functions_are_described),
	UNIT_CASE(function_has_one_owner),
	UNIT_CASE(function_is_reset_for_each_owner),
	UNIT_CASE(end_of_the_owner_frees_it),
	UNIT_CASE(fenced_function_reaches_nothing_until_it_is_attached_again),
	UNIT_CASE(function_that_comes_in_the_middle_of_a_reset_is_attached_once),
	UNIT_CASE(without_a_pool_there_is_no_bus_master),
	UNIT_CASE(function_that_the_iommu_does_not_take_is_no_bus_master),
	UNIT_CASE(domain_sees_its_own_functions_alone),
	UNIT_CASE(only_command_and_sizes_are_written),
	UNIT_CASE(bars_are_sized_and_stay),
	UNIT_CASE(page_that_is_not_the_domains_is_refused),
	UNIT_CASE(page_of_its_own_is_mapped_as_asked),
	UNIT_CASE(tables_with_a_page_that_was_taken_away_are_refused),
	UNIT_CASE(interrupts_of_others_are_refused),
	UNIT_CASE(msix_entry_sends_its_pirq_and_the_others_are_masked),
	UNIT_CASE(msi_is_one_message),
	UNIT_CASE(number_that_cannot_be_told_is_given_back),
	UNIT_CASE(storm_of_interrupts_is_masked_until_the_period_ends),
	UNIT_CASE(domain_has_so_many_pirqs_at_most),
};

int main(void) { return unit_run("pci", cases, ARRAY_SIZE(cases)); }
