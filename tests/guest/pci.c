/* SPDX-License-Identifier: MIT */
/*
 * PCI functions: this kernel as Domain-0 looks at what there is, gives functions to itself and to a second domain of itself,
 * and tries to do with them what is not its to do. Three devices: edu, whose registers are simple and which has MSI, an
 * e1000e, which has MSI-X, and an NVMe controller, which can be reset. `ports`: a machine without MCFG, configuration space by ports; `iommu`: VT-d with
 * interrupt remapping, and a device behind a bridge.
 *
 * QEMU: -machine q35 -m 512 -device edu -device e1000e -drive if=none,id=disk,driver=null-co -device nvme,serial=1,drive=disk
 * QEMU ports: -machine pc -m 512 -device edu -device e1000e -drive if=none,id=disk,driver=null-co -device nvme,serial=1,drive=disk
 * QEMU iommu: -machine q35 -m 512 -smp 2 -device intel-iommu,intremap=on -device pcie-root-port,id=bridge,chassis=1 -device edu -device e1000e,bus=bridge -drive if=none,id=disk,driver=null-co -device nvme,serial=1,drive=disk
 * MODULE: pci
 */
#include "tap.h"

#include "builder.h"
#include "control.h"
#include "runtime/events.h"
#include "runtime/pci.h"
#include "runtime/time.h"

#define SECOND 1000000000UL
#define VIEW 0x6000800000UL
#define UNCACHED (1UL << 3 | 1UL << 4)

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8
#define EDU_ID 0x00
#define EDU_INVERT 0x04
#define EDU_IRQ_STATUS 0x24
#define EDU_IRQ_RAISE 0x60
#define EDU_IRQ_ACKNOWLEDGE 0x64

#define E1000E_VENDOR 0x8086
#define E1000E_DEVICE 0x10d3
#define E1000E_CAUSE_SET 0xc8
#define E1000E_MASK_SET 0xd0
#define E1000E_IVAR 0xe4
#define E1000E_OTHER (1u << 24)

#define COMMAND 0x04
#define COMMAND_MEMORY 2u
#define COMMAND_MASTER 4u
#define COMMAND_NO_INTX 0x400u
#define CAPABILITY_MSI 0x05
#define CAPABILITY_MSIX 0x11

static struct skink_domctl_pci_function edu, e1000e;
static struct child child;
static volatile uint32_t events;

/* ---- what Domain-0 asks ---- */

static long describe(uint32_t index, struct skink_domctl_pci_function *function)
{
	struct xen_domctl op = { 0 };
	long error;

	((struct skink_domctl_pci_function *)op.u.pad)->index = index;
	error = domctl(SKINK_DOMCTL_pci_function, 0, &op);
	memcpy(function, op.u.pad, sizeof(*function));
	return error;
}

static void find(uint16_t vendor, uint16_t device, struct skink_domctl_pci_function *function)
{
	for (uint32_t index = 0; describe(index, function) == 0; index++)
		if (function->vendor == vendor && function->device == device)
			return;
	memset(function, 0, sizeof(*function));
}

static long device(uint32_t command, domid_t id, uint32_t sbdf)
{
	struct xen_domctl op = { .u.assign_device = { .dev = XEN_DOMCTL_DEV_PCI, .u.pci.machine_sbdf = sbdf } };

	return domctl(command, id, &op);
}

static long assign(domid_t id, uint32_t sbdf)
{
	return device(XEN_DOMCTL_assign_device, id, sbdf);
}

static long deassign(domid_t id, uint32_t sbdf)
{
	return device(XEN_DOMCTL_deassign_device, id, sbdf);
}

static uint64_t page_of(const struct skink_domctl_pci_function *function, unsigned int bar, uint64_t offset)
{
	return (function->bar_start[bar] + offset) | PTE_KERNEL | UNCACHED | PTE_NX;
}

static bool is_seen(uint32_t sbdf)
{
	struct pci_function at = { .address = sbdf };

	return pci_read(&at, 0, 4) != UINT32_MAX;
}

static uint16_t owner_of(uint32_t index)
{
	struct skink_domctl_pci_function function;

	return describe(index, &function) ? 0xdead : function.owner;
}

/* ---- the tests ---- */

static void functions_of_the_machine_are_listed(void)
{
	struct skink_domctl_pci_function function;
	uint32_t index = 0;

	for (; describe(index, &function) == 0; index++) {
		check_equal(function.index, index);
		check_equal(function.owner, DOMID_INVALID);
	}
	check_equal(describe(index, &function), -XEN_ENOENT);
	check_equal(describe(UINT32_MAX, &function), -XEN_ENOENT);
	check(index >= 4);
	find(EDU_VENDOR, EDU_DEVICE, &edu);
	find(E1000E_VENDOR, E1000E_DEVICE, &e1000e);
	check_equal(edu.flags & SKINK_PCI_ASSIGNABLE, SKINK_PCI_ASSIGNABLE);
	check_equal(edu.class_code, 0x00ff00);
	check_equal(edu.bar_order[0], 20);
	check_equal(edu.msix_vectors, 0);
	check_equal(e1000e.flags & SKINK_PCI_ASSIGNABLE, SKINK_PCI_ASSIGNABLE);
	check_equal(e1000e.class_code, 0x020000);
	check_equal(e1000e.bar_order[0], 17);
	check_equal(e1000e.bar_start[2], 0);		/* I/O ports */
	check_equal(e1000e.msix_vectors, 5);
}

static void function_of_nobody_is_seen_by_nobody(void)
{
	struct physdev_set_iopl iopl = { 1 };

	check_equal(hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
	for (uint32_t sbdf = 0; sbdf < 0x200; sbdf++)
		check(!is_seen(sbdf));
	check(memory_map(VIEW, page_of(&edu, 0, 0)) != 0);
}

static void what_is_no_device_is_not_assigned(void)
{
	struct xen_domctl op = { .u.assign_device = { .dev = XEN_DOMCTL_DEV_DT } };

	check_equal(assign(0, 0), -XEN_ENODEV);		/* the host bridge */
	check_equal(assign(0, 0xfff8), -XEN_ENODEV);
	check_equal(assign(0, edu.sbdf | 1u << 16), -XEN_ENODEV);
	check_equal(device(XEN_DOMCTL_test_assign_device, DOMID_INVALID, 0), -XEN_ENODEV);
	check_equal(domctl(XEN_DOMCTL_assign_device, 0, &op), -XEN_EINVAL);
	op.u.assign_device.dev = XEN_DOMCTL_DEV_PCI;
	op.u.assign_device.flags = XEN_DOMCTL_DEV_RDM_RELAXED;
	op.u.assign_device.u.pci.machine_sbdf = edu.sbdf;
	check_equal(domctl(XEN_DOMCTL_assign_device, 0, &op), -XEN_EINVAL);
	check_equal(assign(77, edu.sbdf), -XEN_ESRCH);
	check_equal(deassign(0, edu.sbdf), -XEN_ENODEV);
}

static void function_is_assigned_to_one_domain(void)
{
	check_equal(device(XEN_DOMCTL_test_assign_device, DOMID_INVALID, edu.sbdf), 0);
	check_equal(assign(0, edu.sbdf), 0);
	check_equal(device(XEN_DOMCTL_test_assign_device, DOMID_INVALID, edu.sbdf), -XEN_EBUSY);
	check_equal(assign(0, edu.sbdf), -XEN_EBUSY);
	check_equal(owner_of(edu.index), 0);
}

static void domain_sees_its_own_functions_alone(void)
{
	for (uint32_t sbdf = 0; sbdf < 0x200; sbdf++)
		check_equal(is_seen(sbdf), sbdf == edu.sbdf);
	check_equal(assign(0, e1000e.sbdf), 0);
	for (uint32_t sbdf = 0; sbdf < 0x200; sbdf++)
		check_equal(is_seen(sbdf), sbdf == edu.sbdf || sbdf == e1000e.sbdf);
}

static void bars_say_where_and_how_large_they_are(void)
{
	struct pci_function own;

	check_equal(pci_open(e1000e.sbdf, &own), 0);
	for (unsigned int bar = 0; bar < PCI_BARS; bar++) {
		check_equal(own.bar[bar], e1000e.bar_start[bar]);
		check_equal(own.bar_bytes[bar], e1000e.bar_start[bar] ? 1UL << e1000e.bar_order[bar] : 0);
	}
	check_equal(own.msix_vectors, 5);
}

static void bars_cannot_be_moved(void)
{
	struct pci_function at = { .address = edu.sbdf };
	uint32_t before = pci_read(&at, 0x10, 4);

	pci_write(&at, 0x10, 4, 0x1000);
	check_equal(pci_read(&at, 0x10, 4), before);
	pci_write(&at, 0x10, 2, 0xffff);
	pci_write(&at, 0x13, 1, 0xff);
	check_equal(pci_read(&at, 0x10, 4), before);
	pci_write(&at, 0x10, 4, UINT32_MAX);
	check_equal(pci_read(&at, 0x10, 4), 0xfff00000);
	check_equal(pci_read(&at, 0x12, 2), 0xfff0);
	pci_write(&at, 0x10, 4, 0);
	check_equal(pci_read(&at, 0x10, 4), before);
	pci_write(&at, 0x30, 4, UINT32_MAX);
	check_equal(pci_read(&at, 0x30, 4), 0);
}

static void interrupts_cannot_be_set_up_by_hand(void)
{
	struct pci_function one = { .address = edu.sbdf }, two = { .address = e1000e.sbdf };
	uint32_t msi = pci_capability(&one, CAPABILITY_MSI, 0), msix = pci_capability(&two, CAPABILITY_MSIX, 0);

	check(msi && msix);
	for (uint32_t at = msi; at < msi + 16; at += 4)
		pci_write(&one, at, 4, UINT32_MAX);
	check_equal(pci_read(&one, msi + 2, 2) & 1, 0);
	check_equal(pci_read(&one, msi + 4, 4), 0);
	pci_write(&two, msix + 2, 2, 0xffff);
	check_equal(pci_read(&two, msix + 2, 2) & 0x8000, 0);
	pci_write(&one, COMMAND, 2, 0);
	check_equal(pci_read(&one, COMMAND, 2), COMMAND_MEMORY | COMMAND_NO_INTX);
}

static void function_without_a_pool_is_no_bus_master(void)
{
	struct pci_function at = { .address = edu.sbdf };
	struct xen_domctl op = { 0 };
	struct skink_domctl_dma_pool *pool = (void *)op.u.pad;

	pci_write(&at, COMMAND, 2, UINT16_MAX);
	check_equal(pci_read(&at, COMMAND, 2) & COMMAND_MASTER, 0);
	*pool = (struct skink_domctl_dma_pool){ .first_mfn = virt_to_mfn(page_alloc()), .count = 1,
						 .flags = SKINK_DMA_POOL_UNPROTECTED };
	check_equal(domctl(SKINK_DOMCTL_dma_pool, 0, &op), 0);
	check_equal(pci_read(&at, COMMAND, 2) & COMMAND_MASTER, 0);
	pci_write(&at, COMMAND, 4, UINT32_MAX);
	check_equal(pci_read(&at, COMMAND, 2), COMMAND_MASTER | COMMAND_MEMORY | COMMAND_NO_INTX);
	pci_write(&at, COMMAND, 1, 0);
	check_equal(pci_read(&at, COMMAND, 2), COMMAND_MEMORY | COMMAND_NO_INTX);
	pci_write(&at, COMMAND, 2, COMMAND_MASTER);
	find(EDU_VENDOR, EDU_DEVICE, &edu);
	check_equal(!!(edu.flags & SKINK_PCI_PROTECTED), pool->is_protected);
}

static volatile uint32_t *edu_registers(struct pci_function *own)
{
	check_equal(pci_open(edu.sbdf, own), 0);
	return pci_map(own, 0, 0, PAGE_SIZE);
}

static void registers_can_be_mapped(void)
{
	static struct pci_function own;
	volatile uint32_t *registers = edu_registers(&own);

	check(registers != NULL);
	check_equal(registers[EDU_ID / 4], 0x010000ed);
	registers[EDU_INVERT / 4] = 0x12345678;
	check_equal(registers[EDU_INVERT / 4], ~0x12345678u);
	/* The last page is its own, the next is not. */
	check_equal(memory_map(VIEW, page_of(&edu, 0, (1 << 20) - PAGE_SIZE)), 0);
	check_equal(memory_map(VIEW, page_of(&edu, 0, 1 << 20)), -XEN_EINVAL);
	/* What was read back can be written again. */
	check_equal(memory_map(VIEW, *memory_entry(memory_base_mfn, VIEW, 1)), 0);
	check_equal(memory_map(VIEW, 0), 0);
}

static void page_of_the_msix_table_cannot_be_mapped(void)
{
	check_equal(memory_map(VIEW, page_of(&e1000e, 3, 0)), -XEN_EPERM);
	check_equal(memory_map(VIEW, page_of(&e1000e, 3, 0) & ~PTE_WRITE), -XEN_EPERM);
	check_equal(memory_map(VIEW, page_of(&e1000e, 3, PAGE_SIZE)), 0);
	check_equal(memory_map(VIEW, 0), 0);
}

/* Neither as a page table, nor lent, nor as the core's number for a frame of RAM. */
static void registers_are_no_memory(void)
{
	uint64_t mfn = edu.bar_start[0] >> 12;

	check(memory_ext(MMUEXT_PIN_L1_TABLE, mfn) != 0);
	check(memory_update((mfn << 12) | MMU_MACHPHYS_UPDATE, 0) != 0);
	check(memory_update(mfn << 12, 0) != 0);
	/* The core's mark is of no use on RAM. */
	check_equal(memory_map(VIEW, virt_to_mfn(page_alloc()) << 12 | PTE_KERNEL | 1UL << 62), -XEN_EINVAL);
}

static void on_event(evtchn_port_t port)
{
	events++;
}

static bool event_comes(void)
{
	uint64_t end = time_now_ns() + 20 * SECOND;

	while (!events && time_now_ns() < end)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, NULL);
	return events;
}

static void msi_is_an_event(void)
{
	static struct pci_function own;
	volatile uint32_t *registers = edu_registers(&own);
	evtchn_port_t port = 0;

	check_equal(pci_interrupt(&own, 0, &port), 0);
	event_set_handler(port, on_event);
	for (int round = 0; round < 3; round++) {
		events = 0;
		registers[EDU_IRQ_RAISE / 4] = 1;
		check(event_comes());
		check_equal(registers[EDU_IRQ_STATUS / 4], 1);
		registers[EDU_IRQ_ACKNOWLEDGE / 4] = 1;
	}
	check_equal(event_close(port), 0);
}

static void msix_is_an_event(void)
{
	static struct pci_function own;
	volatile uint32_t *registers;
	evtchn_port_t port = 0;

	check_equal(pci_open(e1000e.sbdf, &own), 0);
	pci_write(&own, COMMAND, 2, COMMAND_MASTER);
	registers = pci_map(&own, 0, 0, PAGE_SIZE);
	check(registers != NULL);
	check_equal(pci_interrupt(&own, 3, &port), 0);
	event_set_handler(port, on_event);
	events = 0;
	registers[E1000E_IVAR / 4] = (8u | 3u) << 16;		/* other causes: vector 3 */
	registers[E1000E_MASK_SET / 4] = E1000E_OTHER;
	registers[E1000E_CAUSE_SET / 4] = E1000E_OTHER;
	check(event_comes());
	check_equal(event_close(port), 0);
}

static long map_pirq(uint32_t sbdf, int entry, uint64_t table, int type, int *pirq)
{
	struct physdev_map_pirq map = { .domid = DOMID_SELF, .type = type, .index = -1, .pirq = -1,
					.bus = (int)(sbdf >> 8), .devfn = (int)(sbdf & 0xff), .entry_nr = entry,
					.table_base = table };
	long error = hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, &map);

	*pirq = map.pirq;
	return error;
}

static long unmap_pirq(int pirq)
{
	struct physdev_unmap_pirq unmap = { DOMID_SELF, pirq };

	return hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq, &unmap);
}

static void interrupts_are_a_domains_own(void)
{
	struct evtchn_bind_pirq bind = { 0 };
	int pirq, other;

	check_equal(map_pirq(edu.sbdf, 0, 0, MAP_PIRQ_TYPE_MSI, &pirq), -XEN_EEXIST);
	check_equal(map_pirq(edu.sbdf, 1, 0, MAP_PIRQ_TYPE_MSI, &pirq), -XEN_EINVAL);
	check_equal(map_pirq(edu.sbdf, 0, 1, MAP_PIRQ_TYPE_MSI, &pirq), -XEN_EINVAL);
	check_equal(map_pirq(e1000e.sbdf, 5, 1, MAP_PIRQ_TYPE_MSI, &pirq), -XEN_EINVAL);
	check_equal(map_pirq(e1000e.sbdf, -1, 1, MAP_PIRQ_TYPE_MSI, &pirq), -XEN_EINVAL);
	check_equal(map_pirq(e1000e.sbdf, 0, 0, MAP_PIRQ_TYPE_MSI, &pirq), -XEN_EBUSY);
	check_equal(map_pirq(e1000e.sbdf, 0, 1, MAP_PIRQ_TYPE_GSI, &pirq), -XEN_EINVAL);
	check_equal(map_pirq(0, 0, 0, MAP_PIRQ_TYPE_MSI, &pirq), -XEN_ENODEV);
	check_equal(map_pirq(e1000e.sbdf, 0, 1, MAP_PIRQ_TYPE_MSI_SEG, &pirq), 0);
	check_equal(map_pirq(e1000e.sbdf, 1, 1, MAP_PIRQ_TYPE_MSI, &other), 0);
	check(pirq != other);
	bind.pirq = (uint32_t)pirq;
	check_equal(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, &bind), 0);
	check_equal(unmap_pirq(pirq), -XEN_EBUSY);
	check_equal(unmap_pirq(other), 0);
	check_equal(unmap_pirq(other), -XEN_EINVAL);
	check_equal(unmap_pirq(-1), -XEN_EINVAL);
	check_equal(event_close(bind.port), 0);
	check_equal(unmap_pirq(pirq), 0);
}

/* What the tests before have left. */
static void unmap_pirqs(void)
{
	for (int pirq = 0; pirq < 256; pirq++)
		unmap_pirq(pirq);
}

#define STORM_ROUNDS 200
#define STORM_EDGES 5000

/* 2,000 in 10 ms; a machine that is busy with others needs some rounds for that. */
static void storm_of_interrupts_is_masked_for_a_while(void)
{
	static struct pci_function own;
	volatile uint32_t *registers = edu_registers(&own);
	evtchn_port_t port = 0;
	unsigned int rounds = 0;

	unmap_pirqs();
	check_equal(pci_interrupt(&own, 0, &port), 0);
	event_mask(port);
	do {
		for (int edge = 0; edge < STORM_EDGES; edge++)
			registers[EDU_IRQ_RAISE / 4] = 1;
		find(EDU_VENDOR, EDU_DEVICE, &edu);
	} while (!edu.storms && ++rounds < STORM_ROUNDS);
	printf("# after %u rounds of %u\n", rounds, STORM_EDGES);
	check(edu.storms > 0);
	events = 0;
	event_set_handler(port, on_event);
	check_equal(event_unmask(port), 0);
	check(event_comes());
	/* It is heard again when the period is over. */
	time_sleep_ns(2 * SECOND / 100);
	events = 0;
	registers[EDU_IRQ_ACKNOWLEDGE / 4] = UINT32_MAX;
	registers[EDU_IRQ_RAISE / 4] = 1;
	check(event_comes());
	check_equal(event_close(port), 0);
}

/* The mappings that the runtime keeps for good, too. */
static void unmap_all(void)
{
	unmap_pirqs();
	for (uint64_t at = 0x7d0000000000UL; memory_entry(memory_base_mfn, at, 1); at += PAGE_SIZE) {
		if (!*memory_entry(memory_base_mfn, at, 1))
			break;
		check_equal(memory_map(at, 0), 0);
	}
}

static void function_in_use_is_not_taken_away(void)
{
	check_equal(deassign(0, edu.sbdf), -XEN_EBUSY);
	unmap_all();
	check_equal(memory_map(VIEW, page_of(&edu, 0, 0)), 0);
	check_equal(deassign(0, edu.sbdf), -XEN_EBUSY);
	check_equal(memory_map(VIEW, 0), 0);
	check_equal(deassign(0, edu.sbdf), 0);
	check_equal(deassign(0, edu.sbdf), -XEN_ENODEV);
	check_equal(deassign(0, e1000e.sbdf), 0);
	check_equal(owner_of(edu.index), DOMID_INVALID);
	check(!is_seen(edu.sbdf) && !is_seen(e1000e.sbdf));
	check_equal(memory_map(VIEW, page_of(&edu, 0, 0)), -XEN_EINVAL);
}

#define NVME_CLASS 0x010802
#define NVME_CAPABILITIES 0x00

/* A reset clears the BARs and lasts 0.1 s; of its registers QEMU's controller resets none that could be written here. */
static void function_is_reset_between_two_owners(void)
{
	struct skink_domctl_pci_function nvme;
	volatile uint32_t *registers = (void *)VIEW;
	uint32_t before, index = 0;
	uint64_t start;

	while (describe(index, &nvme) == 0 && nvme.class_code != NVME_CLASS)
		index++;
	check_equal(nvme.class_code, NVME_CLASS);
	if (!(nvme.flags & SKINK_PCI_HAS_RESET))
		return skip("the controller is no PCI Express endpoint here");
	check_equal(assign(0, nvme.sbdf), 0);
	check_equal(memory_map(VIEW, page_of(&nvme, 0, 0)), 0);
	before = registers[NVME_CAPABILITIES / 4];
	check(before != 0 && before != UINT32_MAX);
	check_equal(memory_map(VIEW, 0), 0);
	start = time_now_ns();
	check_equal(deassign(0, nvme.sbdf), 0);
	check_equal(assign(0, nvme.sbdf), 0);
	check(time_now_ns() - start >= SECOND / 10);
	check_equal(memory_map(VIEW, page_of(&nvme, 0, 0)), 0);
	check_equal(registers[NVME_CAPABILITIES / 4], before);
	check_equal(memory_map(VIEW, 0), 0);
	check_equal(deassign(0, nvme.sbdf), 0);
}

/* ---- a second domain ---- */

enum { ASK_ID, ASK_MAP, ASK_INTERRUPT, ASK_IS_SEEN, ASK_CONTROL, ASK_USE, ASK_UNUSE };

/*
 * Uses a function in each way for so long, while it may be given and taken away: returns how often something of it was
 * there. What is there is whole, or the answer is negative.
 */
static int64_t use(uint32_t sbdf, uint64_t entry, uint64_t duration_ns)
{
	struct pci_function at = { .address = sbdf };
	uint64_t end = time_now_ns() + duration_ns;
	int64_t uses = 0;
	int pirq;

	while (time_now_ns() < end) {
		uint32_t id = pci_read(&at, 0, 4);

		if (id != UINT32_MAX && id != (EDU_DEVICE << 16 | EDU_VENDOR))
			return -1;
		pci_write(&at, 0x10, 4, UINT32_MAX);
		uses += id != UINT32_MAX;
		if (map_pirq(sbdf, 0, 0, MAP_PIRQ_TYPE_MSI, &pirq) == 0 && unmap_pirq(pirq))
			return -2;
		if (memory_map(VIEW, entry))
			continue;
		/* Nobody takes it away while it is mapped. */
		if (*(volatile uint32_t *)VIEW != 0x010000ed || memory_map(VIEW, 0))
			return -3;
		uses++;
	}
	return uses;
}

static int64_t answer(uint32_t what, const uint64_t *argument)
{
	struct physdev_set_iopl iopl = { 1 };
	static struct pci_function own;
	volatile uint32_t *registers;
	static evtchn_port_t port;
	struct xen_domctl op = { 0 };

	hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl);
	switch (what) {
	case ASK_ID:
		registers = pci_open((uint32_t)argument[0], &own) ? NULL : pci_map(&own, 0, 0, PAGE_SIZE);
		return registers ? (int64_t)registers[EDU_ID / 4] : -1;
	case ASK_MAP:
		return memory_map(VIEW, argument[0]);
	case ASK_INTERRUPT:
		return pci_interrupt(&own, 0, &port);
	case ASK_UNUSE:
		check_equal(event_close(port), 0);
		unmap_all();
		return tap_failed_checks;
	case ASK_USE:
		return use((uint32_t)argument[0], argument[1], SECOND / 2);
	case ASK_CONTROL:
		return domctl(XEN_DOMCTL_assign_device, DOMID_SELF, &op);
	default:
		return is_seen((uint32_t)argument[0]);
	}
}

static void other_domain_has_what_it_was_given(void)
{
	check_equal(child_start(&child), 0);
	check_equal(assign(child.id, edu.sbdf), 0);
	check_equal(owner_of(edu.index), child.id);
	check(!is_seen(edu.sbdf));
	check_equal(memory_map(VIEW, page_of(&edu, 0, 0)), -XEN_EINVAL);
	check_equal(child_call(&child, ASK_ID, edu.sbdf, 0), 0x010000ed);
	check_equal(child_call(&child, ASK_INTERRUPT, 0, 0), 0);
	check_equal(child_call(&child, ASK_IS_SEEN, e1000e.sbdf, 0), 0);
	check_equal(child_call(&child, ASK_MAP, page_of(&e1000e, 0, 0), 0), -XEN_EINVAL);
	check_equal(child_call(&child, ASK_CONTROL, 0, 0), -XEN_EPERM);
	check_equal(deassign(0, edu.sbdf), -XEN_ENODEV);
	check_equal(deassign(child.id, edu.sbdf), -XEN_EBUSY);
}

/* How often its owner used it, while it came and went so often. */
static int64_t contend(unsigned int *turns, unsigned int *refused)
{
	child_ask(&child, ASK_USE, edu.sbdf, page_of(&edu, 0, 0));
	while (child.mailbox->is_asked) {
		long error = deassign(child.id, edu.sbdf);

		*refused += error == -XEN_EBUSY;
		*turns += error == 0;
		check(error == 0 || error == -XEN_EBUSY || error == -XEN_ENODEV);
		error = assign(child.id, edu.sbdf);
		check(error == 0 || error == -XEN_EBUSY);
		/* The owner has it for some time, another each turn. */
		for (uint64_t end = time_now_ns() + *turns % 64 * 4000; time_now_ns() < end; )
			;
	}
	return child_wait(&child);
}

static void function_comes_and_goes_while_its_owner_uses_it(void)
{
	unsigned int turns = 0, refused = 0;
	int64_t uses = 0;

	check_equal(child_call(&child, ASK_UNUSE, edu.sbdf, 0), 0);
	/* Again, where the machine gave one of the two all of that time. */
	for (unsigned int asked = 0; asked < 20 && uses >= 0 && (!uses || !turns); asked++)
		uses = contend(&turns, &refused);
	printf("# taken away %u times, refused %u times, used %ld times\n", turns, refused, uses);
	check(uses > 0);
	check(turns > 0);
}

static void function_of_a_domain_that_ends_is_nobodys(void)
{
	child_disconnect(&child);
	check_equal(child_destroy(&child), 0);
	check_equal(owner_of(edu.index), DOMID_INVALID);
	check_equal(assign(0, edu.sbdf), 0);
	check_equal(memory_map(VIEW, page_of(&edu, 0, 0)), 0);
	check_equal(*(volatile uint32_t *)VIEW, 0x010000ed);
	check_equal(memory_map(VIEW, 0), 0);
}

static const struct tap_test tests[] = {
	TEST(functions_of_the_machine_are_listed),
	TEST(function_of_nobody_is_seen_by_nobody),
	TEST(what_is_no_device_is_not_assigned),
	TEST(function_is_assigned_to_one_domain),
	TEST(domain_sees_its_own_functions_alone),
	TEST(bars_say_where_and_how_large_they_are),
	TEST(bars_cannot_be_moved),
	TEST(interrupts_cannot_be_set_up_by_hand),
	TEST(function_without_a_pool_is_no_bus_master),
	TEST(registers_can_be_mapped),
	TEST(page_of_the_msix_table_cannot_be_mapped),
	TEST(registers_are_no_memory),
	TEST(msi_is_an_event),
	TEST(msix_is_an_event),
	TEST(interrupts_are_a_domains_own),
	TEST(storm_of_interrupts_is_masked_for_a_while),
	TEST(function_in_use_is_not_taken_away),
	TEST(function_is_reset_between_two_owners),
	TEST(other_domain_has_what_it_was_given),
	TEST(function_comes_and_goes_while_its_owner_uses_it),
	TEST(function_of_a_domain_that_ends_is_nobodys),
};

RUNTIME_KERNEL

void guest_main(void)
{
	if (!boot_is_dom0())
		child_serve(answer);
	tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
