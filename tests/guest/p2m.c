/* SPDX-License-Identifier: MIT */
/*
 * The P2M at a place of the kernel's choice (INIT_P2M), and the initrd as a frame number (MOD_START_PFN).
 *
 * INITRD: every word of it
 * ARGS: one=1 two="2 3"
 */
#include "tap.h"

static void p2m_is_where_it_was_asked_for(void)
{
	check_equal(boot_info->mfn_list, 0x8000000000UL);
	for (unsigned long pfn = 0; pfn < boot_info->nr_pages; pfn++)
		if (mfn_to_pfn(memory_p2m[pfn]) != pfn) {
			check_equal(mfn_to_pfn(memory_p2m[pfn]), pfn);
			return;
		}
}

static void frames_of_the_p2m_are_named(void)
{
	check(boot_info->nr_p2m_frames >= (boot_info->nr_pages * 8 + 4095) / 4096);
	check(boot_info->first_p2m_pfn + boot_info->nr_p2m_frames <= boot_info->nr_pages);
}

static void initrd_is_a_frame_number(void)
{
	if (boot_info->mod_len == 0)
		return skip("no initrd");
	check(boot_info->flags & SIF_MOD_START_PFN);
	check(boot_info->mod_start < boot_info->nr_pages);
	check(memcmp(pfn_to_virt(boot_info->mod_start), "every word of it", 16) == 0);
}

static void command_line_is_whole(void)
{
	check(strstr((char *)boot_info->cmd_line, "one=1 two=\"2 3\"") != NULL);
}

static const struct tap_test tests[] = {
	TEST(p2m_is_where_it_was_asked_for),
	TEST(frames_of_the_p2m_are_named),
	TEST(initrd_is_a_frame_number),
	TEST(command_line_is_whole),
};

RUNTIME_KERNEL_P2M

void guest_main(void)
{
	tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
