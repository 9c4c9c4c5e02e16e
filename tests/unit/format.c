/* SPDX-License-Identifier: MIT */
/* lib/format.c against the host's printf. */
#include "unit.h"

#include <limits.h>
#include <string.h>

#include "lib/log.h"
#include "lib/string.h"

/* The same text and length as libc, into buffers of every size from 0 on, and nothing behind them. */
#define SAME(...)									\
	do {										\
		char ours_[128], theirs_[128];						\
		int length_ = snprintf(theirs_, sizeof(theirs_), __VA_ARGS__);		\
		for (size_t room_ = 0; room_ < sizeof(ours_); room_++) {		\
			memset(ours_, '#', sizeof(ours_));				\
			CU_ASSERT_EQUAL(format_string(ours_, room_, __VA_ARGS__), (size_t)length_);	\
			CU_ASSERT_EQUAL(ours_[room_], '#');				\
			if (room_ > 0) {						\
				CU_ASSERT_EQUAL(strlen(ours_), MIN((size_t)length_, room_ - 1));	\
				CU_ASSERT_EQUAL(memcmp(ours_, theirs_, strlen(ours_)), 0);	\
			}								\
		}									\
	} while (0)

static void text_is_cut_and_ends(void)
{
	SAME("plain");
	SAME("%s", "");
	SAME("%s and %s", "one", "two");
	SAME("%.*s|%.*s|%.*s", 3, "abcdef", 10, "short", 0, "star");
	SAME("%%%s%%", "x");
}

static void text_that_does_not_end_is_read_as_far_as_it_may(void)
{
	char *end = (char *)fake_guest_memory(4096) + 4092;
	char to[8];

	memcpy(end, "abcd", 4);
	CU_ASSERT_EQUAL(format_string(to, sizeof(to), "%.*s", 4, end), 4);
	CU_ASSERT_STRING_EQUAL(to, "abcd");
}

static void numbers_are_as_printf_has_them(void)
{
	SAME("%d %d %d %d", 0, -1, INT_MAX, INT_MIN);
	SAME("%ld %ld %ld", LONG_MAX, LONG_MIN, -5L);
	SAME("%u %lu %x %lx", UINT_MAX, ULONG_MAX, 0xdeadbeef, 0x123456789abcdefUL);
	SAME("%016lx|%08x|%04x|%03u|%02x", 0xabcUL, 0x1234u, 0xfu, 7u, 0xbeefu);
}

static void what_is_no_conversion_is_shown(void)
{
	char to[32], *nothing = NULL;

	/* Not for the compiler's eyes: it checks formats. */
	const char *const odd[] = { "%", "%5", "%k", "100%" };
	const char *const shown[] = { "", "", "k", "100" };

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		format_string(to, sizeof(to), odd[i]);
#pragma GCC diagnostic pop
		CU_ASSERT_STRING_EQUAL(to, shown[i]);
	}
	format_string(to, sizeof(to), "%s", *(char *volatile *)&nothing);
	CU_ASSERT_STRING_EQUAL(to, "(null)");
}

static void string_copy_cuts_and_says_the_length(void)
{
	char to[4];

	CU_ASSERT_EQUAL(string_copy(to, "abcdef", sizeof(to)), 6);
	CU_ASSERT_STRING_EQUAL(to, "abc");
	CU_ASSERT_EQUAL(string_copy(to, "", sizeof(to)), 0);
	CU_ASSERT_STRING_EQUAL(to, "");
	CU_ASSERT_EQUAL(string_copy(to, "x", 0), 1);
}

static void numbers_are_read_and_saturate(void)
{
	static const struct { const char *text; uint64_t value; size_t used; } cases[] = {
		{ "", 0, 0 }, { "x", 0, 0 }, { "0", 0, 1 }, { "42M", 42, 2 }, { "0x1fG", 0x1f, 4 }, { "0xg", 0, 1 },
		{ "18446744073709551615", UINT64_MAX, 20 }, { "0x10a,", 0x10a, 5 },
	};
	const char *end, *absurd = "99999999999999999999999999";

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CU_ASSERT_EQUAL(text_number(cases[i].text, &end), cases[i].value);
		CU_ASSERT_EQUAL(end - cases[i].text, (long)cases[i].used);
	}
	CU_ASSERT(text_number(absurd, &end) > 1ULL << 56);
	CU_ASSERT_EQUAL(*end, 0);
}

static const struct unit_case cases[] = {
	UNIT_CASE(text_is_cut_and_ends),
	UNIT_CASE(text_that_does_not_end_is_read_as_far_as_it_may),
	UNIT_CASE(numbers_are_as_printf_has_them),
	UNIT_CASE(what_is_no_conversion_is_shown),
	UNIT_CASE(string_copy_cuts_and_says_the_length),
	UNIT_CASE(numbers_are_read_and_saturate),
};

int main(void)
{
	return unit_run("format", cases, ARRAY_SIZE(cases));
}
