/* SPDX-License-Identifier: MIT */
/* A kernel with no ENTRY, no VIRT_BASE, no INIT_P2M and no HYPERCALL_PAGE note: e_entry, and base 0. */
#include "tap.h"

static void kernel_runs_where_it_was_linked(void)
{
	check((uint64_t)kernel_runs_where_it_was_linked < 1UL << 30);
	check((uint64_t)boot_info < 1UL << 30);
}

static void virtual_address_is_pseudo_physical_address(void)
{
	uint64_t *entry = memory_entry(memory_base_mfn, (uint64_t)boot_info, 1);

	check_equal((*entry & PTE_FRAME) >> 12, memory_p2m[(uint64_t)boot_info >> 12]);
}

static void p2m_lies_in_the_bootstrap_region(void)
{
	check(boot_info->mfn_list < 1UL << 30);
}

static void hypercalls_need_no_page(void)
{
	check_equal(hypercall(__HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17);
}

static void traps_arrive(void)
{
	struct trap_frame frame;

	memory_map(0, 0);
	check(trap_try(&frame, (void (*)(void *))NULL, NULL));
	check_equal(frame.vector, TRAP_PAGE_FAULT);
}

static const struct tap_test tests[] = {
	TEST(kernel_runs_where_it_was_linked),
	TEST(virtual_address_is_pseudo_physical_address),
	TEST(p2m_lies_in_the_bootstrap_region),
	TEST(hypercalls_need_no_page),
	TEST(traps_arrive),
};

RUNTIME_KERNEL_MINIMAL

void guest_main(void)
{
	tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
