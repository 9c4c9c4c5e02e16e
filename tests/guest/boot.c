/* SPDX-License-Identifier: MIT */
/* What a domain finds at its first instruction. */
#include "tap.h"

extern char runtime_hypercall_page[], runtime_end_address[];

static void magic_names_the_abi(void)
{
	check(memcmp(boot_info->magic, "xen-3.0-x86_64", 14) == 0);
}

static void start_info_says_dom0_and_privileged_together(void)
{
	check_equal(!!(boot_info->flags & SIF_INITDOMAIN), !!(boot_info->flags & SIF_PRIVILEGED));
}

static void every_frame_of_the_p2m_is_ours_and_the_m2p_agrees(void)
{
	for (unsigned long pfn = 0; pfn < boot_info->nr_pages; pfn++)
		if (mfn_to_pfn(memory_p2m[pfn]) != pfn) {
			check_equal(mfn_to_pfn(memory_p2m[pfn]), pfn);
			return;
		}
}

static void start_info_lies_after_the_kernel(void)
{
	check((char *)boot_info >= runtime_end_address);
	check(virt_to_pfn(boot_info) < boot_info->nr_pages);
}

static void page_tables_are_mapped_read_only(void)
{
	for (unsigned long i = 0; i < boot_info->nr_pt_frames; i++) {
		uint64_t *entry = memory_entry(memory_base_mfn, boot_info->pt_base + i * PAGE_SIZE, 1);

		check_equal(*entry & (PTE_PRESENT | PTE_WRITE), PTE_PRESENT);
	}
}

static void at_least_512_kib_are_mapped_after_the_page_tables(void)
{
	unsigned long first = virt_to_pfn((void *)boot_info->pt_base) + boot_info->nr_pt_frames;

	for (unsigned long pfn = first; pfn < first + 128; pfn++)
		check(*memory_entry(memory_base_mfn, (uint64_t)pfn_to_virt(pfn), 1) & PTE_PRESENT);
}

static void hypercall_page_makes_hypercalls(void)
{
	long result;
	void *entry = runtime_hypercall_page + __HYPERVISOR_xen_version * 32;

	__asm__ volatile("call *%1" : "=a"(result) : "r"(entry), "D"(XENVER_version), "S"(0)
			 : "memory", "rcx", "r11");
	check_equal(result, 4 << 16 | 17);
}

static void command_line_is_a_string(void)
{
	check(strlen((char *)boot_info->cmd_line) < MAX_GUEST_CMDLINE);
	printf("# command line: %s\n", (char *)boot_info->cmd_line);
}

static void dom0_console_information_lies_in_the_start_info_page(void)
{
	if (!boot_is_dom0())
		return skip("not Dom0");
	check(boot_info->console.dom0.info_off + boot_info->console.dom0.info_size <= PAGE_SIZE);
}

static void shared_info_has_a_wall_clock(void)
{
	printf("# first instruction at tick %lu\n", boot_ticks);
	check(boot_shared->wc_sec > 1000000000);
}

static const struct tap_test tests[] = {
	TEST(magic_names_the_abi),
	TEST(start_info_says_dom0_and_privileged_together),
	TEST(every_frame_of_the_p2m_is_ours_and_the_m2p_agrees),
	TEST(start_info_lies_after_the_kernel),
	TEST(page_tables_are_mapped_read_only),
	TEST(at_least_512_kib_are_mapped_after_the_page_tables),
	TEST(hypercall_page_makes_hypercalls),
	TEST(command_line_is_a_string),
	TEST(dom0_console_information_lies_in_the_start_info_page),
	TEST(shared_info_has_a_wall_clock),
};

TAP_MAIN(tests)
