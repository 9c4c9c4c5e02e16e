/* SPDX-License-Identifier: MIT */
/* boot/options.c */
#include "unit.h"

#include <string.h>

#include "boot/boot_info.h"

static void given(const char *line)
{
	memset(boot_info.command_line, 0, sizeof(boot_info.command_line));
	strncpy(boot_info.command_line, line, sizeof(boot_info.command_line) - 1);
}

static void odd_lines_have_no_options(void)
{
	static const char *const lines[] = { "", " ", "=", "==", "no-", "no-no-", "\t=x", "xa ax a-b=c", "A" };
	char value[8] = "before";

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		given(lines[i]);
		CU_ASSERT_FALSE(option_text("a", value, sizeof(value)));
		CU_ASSERT_STRING_EQUAL(value, "");
		CU_ASSERT_TRUE(option_flag("a", true));
		CU_ASSERT_FALSE(option_flag("a", false));
		CU_ASSERT_EQUAL(option_number("a", 7), 7);
	}
}

static void more_words_than_can_be_counted_do_no_harm(void)
{
	char line[1024];

	for (size_t i = 0; i < sizeof(line); i++)
		line[i] = i % 2 ? ' ' : 'a';
	line[sizeof(line) - 1] = 0;
	given(line);
	CU_ASSERT_TRUE(option_flag("a", false));
}

static void a_long_value_is_cut(void)
{
	char value[4];

	given("a=abcdefgh b");
	CU_ASSERT_TRUE(option_text("a", value, sizeof(value)));
	CU_ASSERT_STRING_EQUAL(value, "abc");
}

static void numbers_that_are_none_do_not_count(void)
{
	given("a=x b=12x c=");
	CU_ASSERT_EQUAL(option_number("a", 7), 7);
	CU_ASSERT_EQUAL(option_number("b", 7), 7);
	CU_ASSERT_EQUAL(option_number("c", 7), 7);
}

static void values_and_flags_are_found(void)
{
	char value[32];

	given("  console=com1,vga  noreboot x2apic=off\tsmp=no empty= maxcpus=3 ");
	CU_ASSERT_TRUE(option_text("console", value, sizeof(value)));
	CU_ASSERT_STRING_EQUAL(value, "com1,vga");
	CU_ASSERT_TRUE(option_text("empty", value, sizeof(value)));
	CU_ASSERT_STRING_EQUAL(value, "");
	CU_ASSERT_TRUE(option_flag("noreboot", false));
	CU_ASSERT_FALSE(option_flag("x2apic", true));
	CU_ASSERT_FALSE(option_flag("smp", true));
	CU_ASSERT_TRUE(option_text("smp", value, sizeof(value)));
	CU_ASSERT_STRING_EQUAL(value, "no");
	CU_ASSERT_EQUAL(option_number("maxcpus", 64), 3);
}

static void the_last_of_several_counts(void)
{
	char value[8];

	given("a=1 a=2 b b=no c c=0 c=on");
	CU_ASSERT_TRUE(option_text("a", value, sizeof(value)));
	CU_ASSERT_STRING_EQUAL(value, "2");
	CU_ASSERT_FALSE(option_flag("b", true));
	CU_ASSERT_TRUE(option_flag("c", false));
}

static void unknown_words_are_named(void)
{
	given(" console=com1 noreboot\tdom0mem=1G x2apic=off maxcpus com loglvl ");
	fake.log[0] = 0;
	options_check();
	CU_ASSERT_PTR_NOT_NULL(strstr(fake.log, "option com is unknown"));
	given("console=com1 noreboot dom0mem=1G x2apic=off");
	options_check();
	CU_ASSERT_PTR_NOT_NULL(strstr(fake.log, "option dom0mem=1G is unknown"));
	fake.log[0] = 0;
	given("console=com1 noreboot x2apic=off dom0_mem=1G,max:2G dom0_max_vcpus=1");
	options_check();
	CU_ASSERT_STRING_EQUAL(fake.log, "");
}

static const struct unit_case cases[] = {
	UNIT_CASE(odd_lines_have_no_options),
	UNIT_CASE(more_words_than_can_be_counted_do_no_harm),
	UNIT_CASE(a_long_value_is_cut),
	UNIT_CASE(numbers_that_are_none_do_not_count),
	UNIT_CASE(values_and_flags_are_found),
	UNIT_CASE(the_last_of_several_counts),
	UNIT_CASE(unknown_words_are_named),
};

int main(void)
{
	return unit_run("options", cases, ARRAY_SIZE(cases));
}
