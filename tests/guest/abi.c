/* SPDX-License-Identifier: MIT */
/*
 * xen_version, console_io, sched_op, multicall, vm_assist, what is not there, and bad pointers everywhere.
 *
 * QEMU: -icount shift=0,sleep=off
 * QEMU smap: -icount shift=0,sleep=off -cpu max
 */
#include "tap.h"

#include "runtime/events.h"
#include "runtime/grants.h"
#include "runtime/time.h"

#define UNMAPPED 0x00007f1234567000UL
#define NON_CANONICAL 0x0000800000000000UL
#define HYPERVISORS 0xffff830000000000UL

/* Every hypercall that takes a pointer to a structure it reads: number, up to two leading arguments. */
static const struct pointer_row {
	uint8_t number, leading;
	uint16_t first, second;
	uint8_t trailing; /* what follows the pointer */
} pointer_rows[] = {
	{ __HYPERVISOR_set_trap_table, 0, 0, 0, 0 },
	{ __HYPERVISOR_mmu_update, 0, 0, 0, 1 },
	{ __HYPERVISOR_mmuext_op, 0, 0, 0, 1 },
	{ __HYPERVISOR_multicall, 0, 0, 0, 1 },
	{ __HYPERVISOR_set_gdt, 0, 0, 0, 16 },
	{ __HYPERVISOR_platform_op, 0, 0, 0, 0 },
	{ __HYPERVISOR_callback_op, 1, CALLBACKOP_register, 0, 0 },
	{ __HYPERVISOR_callback_op, 1, CALLBACKOP_unregister, 0, 0 },
	{ __HYPERVISOR_xen_version, 1, XENVER_get_features, 0, 0 },
	{ __HYPERVISOR_sched_op, 1, SCHEDOP_shutdown, 0, 0 },
	{ __HYPERVISOR_sched_op, 1, SCHEDOP_poll, 0, 0 },
	{ __HYPERVISOR_sched_op, 1, SCHEDOP_watchdog, 0, 0 },
	{ __HYPERVISOR_event_channel_op, 1, EVTCHNOP_alloc_unbound, 0, 0 },
	{ __HYPERVISOR_event_channel_op, 1, EVTCHNOP_bind_interdomain, 0, 0 },
	{ __HYPERVISOR_event_channel_op, 1, EVTCHNOP_bind_virq, 0, 0 },
	{ __HYPERVISOR_event_channel_op, 1, EVTCHNOP_bind_ipi, 0, 0 },
	{ __HYPERVISOR_event_channel_op, 1, EVTCHNOP_bind_pirq, 0, 0 },
	{ __HYPERVISOR_event_channel_op, 1, EVTCHNOP_bind_vcpu, 0, 0 },
	{ __HYPERVISOR_event_channel_op, 1, EVTCHNOP_close, 0, 0 },
	{ __HYPERVISOR_event_channel_op, 1, EVTCHNOP_send, 0, 0 },
	{ __HYPERVISOR_event_channel_op, 1, EVTCHNOP_status, 0, 0 },
	{ __HYPERVISOR_event_channel_op, 1, EVTCHNOP_unmask, 0, 0 },
	{ __HYPERVISOR_event_channel_op, 1, EVTCHNOP_reset, 0, 0 },
	{ __HYPERVISOR_physdev_op, 1, PHYSDEVOP_set_iopl, 0, 0 },
	{ __HYPERVISOR_physdev_op, 1, PHYSDEVOP_map_pirq, 0, 0 },
	{ __HYPERVISOR_physdev_op, 1, PHYSDEVOP_unmap_pirq, 0, 0 },
	{ __HYPERVISOR_memory_op, 1, XENMEM_increase_reservation, 0, 0 },
	{ __HYPERVISOR_memory_op, 1, XENMEM_decrease_reservation, 0, 0 },
	{ __HYPERVISOR_memory_op, 1, XENMEM_populate_physmap, 0, 0 },
	{ __HYPERVISOR_memory_op, 1, XENMEM_exchange, 0, 0 },
	{ __HYPERVISOR_memory_op, 1, XENMEM_current_reservation, 0, 0 },
	{ __HYPERVISOR_memory_op, 1, XENMEM_maximum_reservation, 0, 0 },
	{ __HYPERVISOR_memory_op, 1, XENMEM_memory_map, 0, 0 },
	{ __HYPERVISOR_memory_op, 1, XENMEM_machine_memory_map, 0, 0 },
	{ __HYPERVISOR_memory_op, 1, XENMEM_add_to_physmap, 0, 0 },
	{ __HYPERVISOR_vcpu_op, 2, VCPUOP_set_singleshot_timer, 0, 0 },
	{ __HYPERVISOR_vcpu_op, 2, VCPUOP_register_runstate_memory_area, 0, 0 },
	{ __HYPERVISOR_vcpu_op, 2, VCPUOP_register_vcpu_time_memory_area, 0, 0 },
	{ __HYPERVISOR_grant_table_op, 1, GNTTABOP_map_grant_ref, 0, 1 },
	{ __HYPERVISOR_grant_table_op, 1, GNTTABOP_unmap_grant_ref, 0, 1 },
	{ __HYPERVISOR_grant_table_op, 1, GNTTABOP_setup_table, 0, 1 },
	{ __HYPERVISOR_grant_table_op, 1, GNTTABOP_transfer, 0, 1 },
	{ __HYPERVISOR_grant_table_op, 1, GNTTABOP_copy, 0, 1 },
	{ __HYPERVISOR_grant_table_op, 1, GNTTABOP_query_size, 0, 1 },
	{ __HYPERVISOR_grant_table_op, 1, GNTTABOP_set_version, 0, 1 },
	{ __HYPERVISOR_grant_table_op, 1, GNTTABOP_get_version, 0, 1 },
};

static long call_with_pointer(const struct pointer_row *row, uint64_t pointer)
{
	/* mmu_update and mmuext_op: count, done, domain follow; multicall, set_gdt, grants: a count. */
	switch (row->leading) {
	case 0:
		return hypercall(row->number, pointer, row->trailing, 0, DOMID_SELF);
	case 1:
		return hypercall(row->number, row->first, pointer, row->trailing);
	default:
		return hypercall(row->number, row->first, row->second, pointer);
	}
}

/* Three of memory_op answer with how many extents they did; Skink refuses some of Xen's operations whole. */
static bool is_refusal(const struct pointer_row *row, long result)
{
	bool is_memory = row->number == __HYPERVISOR_memory_op, is_physdev = row->number == __HYPERVISOR_physdev_op;
	bool counts = is_memory && (row->first == XENMEM_increase_reservation ||
				    row->first == XENMEM_decrease_reservation ||
				    row->first == XENMEM_populate_physmap);
	bool optional = (is_memory && (row->first == XENMEM_memory_map || row->first == XENMEM_add_to_physmap)) ||
			(is_physdev && (row->first == PHYSDEVOP_map_pirq || row->first == PHYSDEVOP_unmap_pirq));

	return result == -XEN_EFAULT || (counts && result == 0) ||
	       (optional && on_skink() && result == -XEN_ENOSYS);
}

static void every_row_refuses(uint64_t pointer)
{
	for (unsigned int i = 0; i < sizeof(pointer_rows) / sizeof(pointer_rows[0]); i++) {
		long result = call_with_pointer(&pointer_rows[i], pointer);

		check_that(is_refusal(&pointer_rows[i], result), "hypercall %u, operation %u: %ld", pointer_rows[i].number,
			   pointer_rows[i].first, result);
	}
}

static void unmapped_pointer_is_efault(void)
{
	every_row_refuses(UNMAPPED);
}

static void non_canonical_pointer_is_efault(void)
{
	every_row_refuses(NON_CANONICAL);
}

static void pointer_into_the_hypervisor_is_efault(void)
{
	every_row_refuses(HYPERVISORS);
}

static void pointer_into_the_m2p_is_efault(void)
{
	every_row_refuses(MACH2PHYS_VIRT_START);
}

/* The first bytes are there, the rest of the structure is not. */
static void structure_that_runs_off_its_page_is_efault(void)
{
	char *page = page_alloc();
	uint64_t address = 0x7000000000UL;

	check_equal(memory_map(address, virt_to_mfn(page) << 12 | PTE_KERNEL), 0);
	for (unsigned int i = 0; i < sizeof(pointer_rows) / sizeof(pointer_rows[0]); i++) {
		const struct pointer_row *row = &pointer_rows[i];
		long result = call_with_pointer(row, address + PAGE_SIZE - 1);

		if (row->number == __HYPERVISOR_sched_op && row->first == SCHEDOP_remote_shutdown)
			continue; /* two bytes of a domain id may be the whole of what is read first */
		check_that(is_refusal(row, result), "hypercall %u, operation %u: %ld", row->number, row->first,
			   result);
	}
	memory_map(address, 0);
	page_free(page);
}

/* Results go to guest memory: a page that the guest cannot write to cannot be written to for it. */
static void answer_to_a_read_only_page_is_efault(void)
{
	char *page = page_alloc();
	struct evtchn_alloc_unbound *alloc = (void *)page;

	alloc->dom = DOMID_SELF;
	memory_protect(page, PTE_KERNEL_RO);
	check_equal(hypercall(__HYPERVISOR_xen_version, XENVER_extraversion, page), -XEN_EFAULT);
	check_equal(hypercall(__HYPERVISOR_xen_version, XENVER_capabilities, page), -XEN_EFAULT);
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, page), -XEN_EFAULT);
	check_equal(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, page), -XEN_EFAULT);
	check_equal(hypercall(__HYPERVISOR_memory_op, XENMEM_machphys_mapping, page), -XEN_EFAULT);
	memory_protect(page, PTE_KERNEL);
	check_equal(alloc->port, 0);
	page_free(page);
}

/* A page table is read-only for its guest, so no hypercall may be made to write to it. */
static void answer_into_a_page_table_is_efault(void)
{
	uint64_t *table = memory_entry(memory_base_mfn, (uint64_t)boot_info, 1);
	uint64_t before = *table;

	table = (uint64_t *)((uint64_t)table & ~(PAGE_SIZE - 1));
	check_equal(hypercall(__HYPERVISOR_xen_version, XENVER_commandline, table), -XEN_EFAULT);
	check_equal(*memory_entry(memory_base_mfn, (uint64_t)boot_info, 1), before);
}

static void unknown_hypercalls_are_enosys(void)
{
	static const unsigned long numbers[] = { 11, 38, 43, 47, 55, 56, 63, 64, 1000, 0x7fffffff,
						 0x80000000, 0x100000000, ~0UL };

	for (unsigned int i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		check_that(hypercall(numbers[i], 0, 0, 0, 0, 0) == -XEN_ENOSYS, "hypercall %lu: %ld",
			   numbers[i], hypercall(numbers[i], 0, 0, 0, 0, 0));
}

static void unknown_operations_are_enosys(void)
{
	static char buffer[4096];

	check_equal(hypercall(__HYPERVISOR_xen_version, 99, buffer), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_sched_op, 99, buffer), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_event_channel_op, 99, buffer), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_physdev_op, 99, buffer), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_memory_op, 60, buffer), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_vcpu_op, 99, 0, buffer), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_callback_op, 99, buffer), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_vm_assist, 99, 0), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_console_io, 99, 1, buffer), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_grant_table_op, 99, buffer, 1), -XEN_ENOSYS);
}

static void registers_that_are_not_results_survive_a_hypercall(void)
{
	unsigned long rdi = XENVER_version, rsi = 0, rdx = 3, rax = __HYPERVISOR_xen_version;
	register unsigned long r8 __asm__("r8") = 8, r9 __asm__("r9") = 9, r10 __asm__("r10") = 10,
			       r12 __asm__("r12") = 12, r15 __asm__("r15") = 15;

	__asm__ volatile("syscall"
			 : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r8), "+r"(r9), "+r"(r10),
			   "+r"(r12), "+r"(r15)
			 :
			 : "rcx", "r11", "memory");
	check(rdi == XENVER_version && rsi == 0 && rdx == 3);
	check(r8 == 8 && r9 == 9 && r10 == 10 && r12 == 12 && r15 == 15);
}

/* xen_version */

static void version_is_4_17(void)
{
	check_equal(hypercall(__HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17);
	check_equal(hypercall(__HYPERVISOR_xen_version, XENVER_pagesize, 0), 4096);
}

static void version_strings_end(void)
{
	static struct xen_compile_info compile;
	static xen_capabilities_info_t capabilities;
	static xen_changeset_info_t changeset;
	static xen_extraversion_t extra;
	static xen_commandline_t line;

	check(hypercall(__HYPERVISOR_xen_version, XENVER_extraversion, extra) >= 0);
	check(strlen(extra) < sizeof(extra));
	check(hypercall(__HYPERVISOR_xen_version, XENVER_compile_info, &compile) >= 0);
	check(strlen(compile.compiler) < 64 && strlen(compile.compile_date) < 32);
	check(hypercall(__HYPERVISOR_xen_version, XENVER_capabilities, capabilities) >= 0);
	check(strstr(capabilities, "xen-3.0-x86_64") != NULL);
	check(hypercall(__HYPERVISOR_xen_version, XENVER_changeset, changeset) >= 0);
	check(hypercall(__HYPERVISOR_xen_version, XENVER_commandline, line) >= 0);
	printf("# extra '%s' capabilities '%s' changeset '%s'\n", extra, capabilities, changeset);
}

static void features_are_those_of_a_pv_domain(void)
{
	struct xen_feature_info info = { .submap_idx = 0 };
	uint32_t wanted = 1U << XENFEAT_mmu_pt_update_preserve_ad | 1U << XENFEAT_gnttab_map_avail_bits |
			  1U << XENFEAT_highmem_assist | 1U << XENFEAT_pae_pgdir_above_4gb;
	uint32_t never = 1U << XENFEAT_writable_page_tables | 1U << XENFEAT_auto_translated_physmap |
			 1U << XENFEAT_writable_descriptor_tables | 1U << XENFEAT_supervisor_mode_kernel;

	check_equal(hypercall(__HYPERVISOR_xen_version, XENVER_get_features, &info), 0);
	printf("# features %x\n", info.submap);
	check_equal(info.submap & (1U << XENFEAT_mmu_pt_update_preserve_ad), 1U << XENFEAT_mmu_pt_update_preserve_ad);
	check_that((info.submap & wanted) == wanted || on_skink(), "submap %x", info.submap);
	check_equal(info.submap & never, 0);
	check_equal(!!(info.submap & 1U << XENFEAT_dom0), boot_is_dom0());
}

static void features_beyond_the_last_submap_are_refused(void)
{
	struct xen_feature_info info = { .submap_idx = 1, .submap = 77 };

	check_equal(hypercall(__HYPERVISOR_xen_version, XENVER_get_features, &info), -XEN_EINVAL);
	check_equal(info.submap, 77);
}

static void platform_parameters_name_the_hypervisor_hole(void)
{
	struct xen_platform_parameters parameters = { 0 };

	check_equal(hypercall(__HYPERVISOR_xen_version, XENVER_platform_parameters, &parameters), 0);
	check_equal(parameters.virt_start, HYPERVISOR_VIRT_START);
}

static void guest_handle_is_sixteen_bytes(void)
{
	uint8_t handle[20];

	memset(handle, 0xa5, sizeof(handle));
	check_equal(hypercall(__HYPERVISOR_xen_version, XENVER_guest_handle, handle), 0);
	check(handle[16] == 0xa5 && handle[19] == 0xa5);
}

/* console_io */

static void console_refuses_a_bad_buffer(void)
{
	check_equal(hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, 10, UNMAPPED), -XEN_EFAULT);
	check_equal(hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, 10, HYPERVISORS), -XEN_EFAULT);
	check_equal(hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, 10, NON_CANONICAL), -XEN_EFAULT);
}

static void console_writes_nothing_for_no_bytes(void)
{
	check_equal(hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, 0, "x"), 0);
}

static void console_reads_nothing_when_nobody_typed(void)
{
	char buffer[16];

	check_equal(hypercall(__HYPERVISOR_console_io, CONSOLEIO_read, sizeof(buffer), buffer), 0);
}

static void console_writes_long_text(void)
{
	static char text[3000];

	memset(text, '.', sizeof(text));
	memcpy(text, "# long ", 7);
	text[sizeof(text) - 1] = '\n';
	check_equal(hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, sizeof(text), text), 0);
}

/* sched_op */

static void yield_returns(void)
{
	check_equal(hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0), 0);
}

static void poll_with_a_past_deadline_returns_at_once(void)
{
	check_equal(event_poll(NULL, 0, 1), 0);
	check_equal(event_poll(NULL, 0, time_now_ns()), 0);
}

static void poll_waits_until_its_deadline(void)
{
	uint64_t start = time_now_ns();

	check_equal(event_poll(NULL, 0, start + 5000000), 0);
	check(time_now_ns() >= start + 5000000);
	check(time_now_ns() < start + 500000000);
}

static void poll_refuses_bad_ports(void)
{
	evtchn_port_t ports[2] = { 4000, 100000 };

	check_equal(event_poll(&ports[1], 1, time_now_ns() + 1000000), -XEN_EINVAL);
	check_equal(event_poll(ports, 129, time_now_ns() + 1000000), -XEN_EINVAL);
	check_equal(event_poll((evtchn_port_t *)UNMAPPED, 1, time_now_ns() + 1000000), -XEN_EFAULT);
}

static void block_ends_with_an_event(void)
{
	evtchn_port_t timer;

	check_equal(event_bind_virq(VIRQ_TIMER, 0, &timer), 0);
	event_unmask(timer);
	/* Far enough away that it cannot come before the block, where it would be lost. */
	check_equal(time_set_timer(time_now_ns() + 200000000), 0);
	check_equal(hypercall(__HYPERVISOR_sched_op, SCHEDOP_block, 0), 0);
	event_close(timer);
}

static void block_unmasks_upcalls(void)
{
	evtchn_port_t timer;

	check_equal(event_bind_virq(VIRQ_TIMER, 0, &timer), 0);
	event_unmask(timer);
	event_mask_upcalls();
	time_set_timer(time_now_ns() + 2000000);
	hypercall(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
	check_equal(vcpu_self()->info->evtchn_upcall_mask, 0);
	event_unmask_upcalls();
	event_close(timer);
}

static void watchdogs_are_two_and_can_be_stopped(void)
{
	struct sched_watchdog watchdog = { .id = 0, .timeout = 60 };
	long first = hypercall(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &watchdog);
	long second = hypercall(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &watchdog);

	check_equal(first, 1);
	check_equal(second, 2);
	check_equal((int)hypercall(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &watchdog), -XEN_ENOSPC);
	for (watchdog.id = 1; watchdog.id <= 2; watchdog.id++) {
		watchdog.timeout = 60;
		check_equal(hypercall(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &watchdog), 0);
		watchdog.timeout = 0;
		check_equal(hypercall(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &watchdog), 0);
	}
}

static void watchdog_that_is_not_there_is_einval(void)
{
	struct sched_watchdog watchdog = { .id = 1, .timeout = 60 };

	check_equal((int)hypercall(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &watchdog), -XEN_EINVAL);
	watchdog.id = 3;
	check_equal((int)hypercall(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &watchdog), -XEN_EINVAL);
}

/* multicall */

static struct multicall_entry multicall_of(unsigned long op, unsigned long first, unsigned long second)
{
	return (struct multicall_entry){ .op = op, .result = 4711, .args = { first, second } };
}

static void multicall_gives_each_call_its_own_result(void)
{
	struct multicall_entry calls[4] = {
		multicall_of(__HYPERVISOR_xen_version, XENVER_version, 0),
		multicall_of(__HYPERVISOR_xen_version, XENVER_extraversion, UNMAPPED),
		multicall_of(63, 0, 0),
		multicall_of(__HYPERVISOR_xen_version, XENVER_pagesize, 0),
	};

	check_equal(hypercall(__HYPERVISOR_multicall, calls, 4), 0);
	check_equal(calls[0].result, 4 << 16 | 17);
	check_equal(calls[1].result, -XEN_EFAULT);
	check_equal(calls[2].result, -XEN_ENOSYS);
	check_equal(calls[3].result, 4096);
}

static void multicall_within_a_multicall_is_refused(void)
{
	struct multicall_entry inner = multicall_of(__HYPERVISOR_xen_version, XENVER_version, 0);
	struct multicall_entry outer = multicall_of(__HYPERVISOR_multicall, (unsigned long)&inner, 1);

	check_equal(hypercall(__HYPERVISOR_multicall, &outer, 1), 0);
	check_equal(outer.result, -XEN_EINVAL);
	check_equal(inner.result, 4711);
}

static void multicall_of_many_is_continued(void)
{
	static struct multicall_entry calls[500];

	for (unsigned int i = 0; i < 500; i++)
		calls[i] = multicall_of(__HYPERVISOR_xen_version, XENVER_pagesize, 0);
	check_equal(hypercall(__HYPERVISOR_multicall, calls, 500), 0);
	for (unsigned int i = 0; i < 500; i++)
		if (calls[i].result != 4096)
			check_equal(calls[i].result, 4096);
}

/* The call before the bad page was made. */
static void multicall_stops_at_a_bad_page(void)
{
	char *page = page_alloc();
	uint64_t address = 0x7000000000UL;
	struct multicall_entry *last = (void *)(address + PAGE_SIZE - sizeof(*last));

	memory_map(address, virt_to_mfn(page) << 12 | PTE_KERNEL);
	*last = multicall_of(__HYPERVISOR_xen_version, XENVER_pagesize, 0);
	check_equal(hypercall(__HYPERVISOR_multicall, last, 2), -XEN_EFAULT);
	check_equal(last->result == 4096 || last->result == 4711, true);
	memory_map(address, 0);
	page_free(page);
}

static void multicall_of_none_succeeds(void)
{
	check_equal(hypercall(__HYPERVISOR_multicall, NULL, 0), 0);
}

/* platform_op and what is left of older interfaces */

static void platform_op_of_another_version_is_refused(void)
{
	struct xen_platform_op op = { .cmd = XENPF_getidletime, .interface_version = 0x77 };

	check_equal(hypercall(__HYPERVISOR_platform_op, &op), boot_is_dom0() ? -XEN_EACCES : -XEN_EPERM);
	op.interface_version = XENPF_INTERFACE_VERSION;
	op.cmd = 9999;
	check_equal(hypercall(__HYPERVISOR_platform_op, &op), boot_is_dom0() ? -XEN_ENOSYS : -XEN_EPERM);
}

static void wall_clock_is_set_by_platform_op(void)
{
	struct xen_platform_op op = { .cmd = XENPF_settime64, .interface_version = XENPF_INTERFACE_VERSION };
	uint64_t before = time_wall_ns() / 1000000000;

	if (!boot_is_dom0())
		return skip("not Dom0");
	op.u.settime64.secs = before + 1000;
	op.u.settime64.system_time = time_now_ns();
	check_equal(hypercall(__HYPERVISOR_platform_op, &op), 0);
	check(time_wall_ns() / 1000000000 - before - 1000 < 10);
}

static void old_sched_op_does_not_exist(void)
{
	check(!on_skink() || hypercall(__HYPERVISOR_sched_op_compat, SCHEDOP_yield, 0) == -XEN_ENOSYS);
	check(!on_skink() || hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown_code, 0) == -XEN_ENOSYS);
}

/* vm_assist */

static void vm_assist_knows_what_a_64_bit_guest_may_have(void)
{
	static const unsigned int known[] = { VMASST_TYPE_writable_pagetables, VMASST_TYPE_architectural_iopl,
					      VMASST_TYPE_runstate_update_flag, VMASST_TYPE_m2p_strict };

	for (unsigned int i = 0; i < 4; i++) {
		check_equal(hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_enable, known[i]), 0);
		if (known[i] != VMASST_TYPE_writable_pagetables)
			check_equal(hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_disable, known[i]), 0);
	}
}

static void vm_assist_refuses_unknown_types(void)
{
	check_equal(hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 7), -XEN_EINVAL);
	check_equal(hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 63), -XEN_EINVAL);
	check_equal(hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 64), -XEN_EINVAL);
	check_equal(hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_disable, ~0U), -XEN_EINVAL);
}

/* What Skink refuses by design: docs/abi.md. Xen has some of it. */
static void refused_by_design(void)
{
	static char buffer[512];
	static const unsigned int numbers[] = { __HYPERVISOR_xenoprof_op, __HYPERVISOR_hvm_op,
						__HYPERVISOR_kexec_op, __HYPERVISOR_tmem_op,
						__HYPERVISOR_argo_op, __HYPERVISOR_xenpmu_op,
						__HYPERVISOR_dm_op, __HYPERVISOR_hypfs_op,
						__HYPERVISOR_arch_0, __HYPERVISOR_arch_1, __HYPERVISOR_nmi_op };

	if (!on_skink())
		return skip("for Skink");
	for (unsigned int i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		check_that(hypercall(numbers[i], 0, buffer, 1) == -XEN_ENOSYS, "hypercall %u: %ld", numbers[i],
			   hypercall(numbers[i], 0, buffer, 1));
	check_equal(hypercall(__HYPERVISOR_memory_op, XENMEM_machphys_mfn_list, buffer), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_memory_op, XENMEM_maximum_gpfn, buffer), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, buffer), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_eoi, buffer), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query, buffer), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, buffer), -XEN_ENOSYS);
}

static const struct tap_test tests[] = {
	TEST(unmapped_pointer_is_efault),
	TEST(non_canonical_pointer_is_efault),
	TEST(pointer_into_the_hypervisor_is_efault),
	TEST(pointer_into_the_m2p_is_efault),
	TEST(structure_that_runs_off_its_page_is_efault),
	TEST(answer_to_a_read_only_page_is_efault),
	TEST(answer_into_a_page_table_is_efault),
	TEST(unknown_hypercalls_are_enosys),
	TEST(unknown_operations_are_enosys),
	TEST(registers_that_are_not_results_survive_a_hypercall),
	TEST(version_is_4_17),
	TEST(version_strings_end),
	TEST(features_are_those_of_a_pv_domain),
	TEST(features_beyond_the_last_submap_are_refused),
	TEST(platform_parameters_name_the_hypervisor_hole),
	TEST(guest_handle_is_sixteen_bytes),
	TEST(console_refuses_a_bad_buffer),
	TEST(console_writes_nothing_for_no_bytes),
	TEST(console_reads_nothing_when_nobody_typed),
	TEST(console_writes_long_text),
	TEST(yield_returns),
	TEST(poll_with_a_past_deadline_returns_at_once),
	TEST(poll_waits_until_its_deadline),
	TEST(poll_refuses_bad_ports),
	TEST(block_ends_with_an_event),
	TEST(block_unmasks_upcalls),
	TEST(watchdogs_are_two_and_can_be_stopped),
	TEST(watchdog_that_is_not_there_is_einval),
	TEST(multicall_gives_each_call_its_own_result),
	TEST(multicall_within_a_multicall_is_refused),
	TEST(multicall_of_many_is_continued),
	TEST(multicall_stops_at_a_bad_page),
	TEST(multicall_of_none_succeeds),
	TEST(platform_op_of_another_version_is_refused),
	TEST(wall_clock_is_set_by_platform_op),
	TEST(old_sched_op_does_not_exist),
	TEST(vm_assist_knows_what_a_64_bit_guest_may_have),
	TEST(vm_assist_refuses_unknown_types),
	TEST(refused_by_design),
};

TAP_MAIN(tests)
