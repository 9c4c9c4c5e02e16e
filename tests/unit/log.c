/* SPDX-License-Identifier: MIT */
/* lib/log.c: what goes to the console, what is kept of it, and how little guests can add. */
#include "unit.h"

#include <string.h>

#include "cpu/uart.h"
#include "include/types.h"
#include "lib/log.h"

#define KEPT 16384

static char sent[65536];
static size_t sent_length;

void uart_write(const char *bytes, size_t count)
{
	CU_ASSERT_FATAL(sent_length + count < sizeof(sent));
	memcpy(sent + sent_length, bytes, count);
	sent_length += count;
	sent[sent_length] = 0;
}

static void given_empty_log(void)
{
	log_info("\n");			/* whatever line a test before has begun, ends */
	log_forget();
	memset(sent, 0, sizeof(sent));
	sent_length = 0;
	fake_advance(NSEC_PER_SEC);	/* guests may speak again */
}

/* All that is kept from `place` on, in pieces of `room`. */
static const char *kept_from(uint32_t place, uint32_t room)
{
	static char text[2 * KEPT];
	uint32_t length = 0, count;

	while ((count = log_read(&place, text + length, room)) != 0)
		length += count;
	text[length] = 0;
	return text;
}

static void each_line_has_its_mark_on_the_console_and_not_in_what_is_kept(void)
{
	given_empty_log();
	log_info("one\ntwo %d", 2);
	log_info(" more\n");
	CU_ASSERT_STRING_EQUAL(sent, "skink: one\r\nskink: two 2 more\r\n");
	CU_ASSERT_STRING_EQUAL(kept_from(log_first(), 5), "one\ntwo 2 more\n");
	CU_ASSERT_STRING_EQUAL(kept_from(log_first(), 1000), "one\ntwo 2 more\n");
}

static void a_reader_goes_on_where_it_was(void)
{
	char text[16] = "";
	uint32_t place;

	given_empty_log();
	place = log_first();
	log_info("abc");
	CU_ASSERT_EQUAL(log_read(&place, text, 2), 2);
	CU_ASSERT_EQUAL(memcmp(text, "ab", 2), 0);
	CU_ASSERT_EQUAL(log_read(&place, text, 16), 1);
	CU_ASSERT_EQUAL(text[0], 'c');
	CU_ASSERT_EQUAL(log_read(&place, text, 16), 0);
	CU_ASSERT_EQUAL(log_read(&place, text, 0), 0);
	log_info("d\n");
	CU_ASSERT_EQUAL(log_read(&place, text, 16), 2);
	CU_ASSERT_EQUAL(memcmp(text, "d\n", 2), 0);
}

static void who_comes_late_gets_what_is_left(void)
{
	uint32_t place;

	given_empty_log();
	place = log_first();
	for (uint32_t i = 0; i < KEPT / 8; i++)
		log_info("%07u\n", i);
	log_info("0123456\n");
	CU_ASSERT_EQUAL(log_first(), place + 8);
	CU_ASSERT_EQUAL(strlen(kept_from(place, 100)), KEPT);
	CU_ASSERT_EQUAL(memcmp(kept_from(place, 100), "0000001\n", 8), 0);
	CU_ASSERT_STRING_EQUAL(kept_from(place, 100) + KEPT - 8, "0123456\n");
}

/* A place from another time, or one that nobody was ever given. */
static void a_place_that_is_none_begins_at_the_first(void)
{
	given_empty_log();
	log_info("here\n");
	CU_ASSERT_STRING_EQUAL(kept_from(log_first() - 1, 100), "here\n");
	CU_ASSERT_STRING_EQUAL(kept_from(log_first() + 6, 100), "here\n");
	CU_ASSERT_STRING_EQUAL(kept_from(log_first() + 0x80000000, 100), "here\n");
}

static void what_is_forgotten_is_not_read(void)
{
	given_empty_log();
	log_info("gone\n");
	log_forget();
	CU_ASSERT_STRING_EQUAL(kept_from(log_first(), 100), "");
	log_info("new\n");
	CU_ASSERT_STRING_EQUAL(kept_from(log_first(), 100), "new\n");
}

static void guests_say_little(void)
{
	uint32_t lines = 0;

	given_empty_log();
	for (int i = 0; i < 1000; i++)
		log_guest(7, "noise", 5);
	for (const char *at = sent; (at = strstr(at, "d7: noise")) != NULL; at++)
		lines++;
	CU_ASSERT_EQUAL(lines, 16);
	fake_advance(NSEC_PER_SEC);
	log_guest(7, "again", 5);
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "984 lines of guests dropped"));
	CU_ASSERT_PTR_NOT_NULL(strstr(sent, "d7: again"));
}

/* Not kept: Domain-0 has a log of its own, and neither has the end of its line that was not one. */
static void what_domain_zero_has_begun_is_not_gone_on_with(void)
{
	given_empty_log();
	log_write_raw("dom0# ", 6);
	log_info("domain 5 crashed\n");
	log_write_raw("ls\r\n", 4);
	log_info("one");
	log_guest(7, "two", 3);
	log_write_raw("dom0# ", 6);
	log_guest(7, "three", 5);
	CU_ASSERT_STRING_EQUAL(sent, "dom0# \r\nskink: domain 5 crashed\r\nls\r\nskink: one\r\nskink: d7: two\r\ndom0# \r\nskink: d7: three\r\n");
	CU_ASSERT_STRING_EQUAL(kept_from(log_first(), 1000), "domain 5 crashed\none\nd7: two\nd7: three\n");
}

static void what_is_above_the_level_is_not_said(void)
{
	given_empty_log();
	log_set_level(LOG_WARNING);
	log_info("no\n");
	log_warning("yes\n");
	log_set_level(LOG_INFO);
	CU_ASSERT_STRING_EQUAL(kept_from(log_first(), 100), "yes\n");
}

static const struct unit_case cases[] = {
	UNIT_CASE(each_line_has_its_mark_on_the_console_and_not_in_what_is_kept),
	UNIT_CASE(a_reader_goes_on_where_it_was),
	UNIT_CASE(who_comes_late_gets_what_is_left),
	UNIT_CASE(a_place_that_is_none_begins_at_the_first),
	UNIT_CASE(what_is_forgotten_is_not_read),
	UNIT_CASE(guests_say_little),
	UNIT_CASE(what_domain_zero_has_begun_is_not_gone_on_with),
	UNIT_CASE(what_is_above_the_level_is_not_said),
};

int main(void)
{
	return unit_run("log", cases, ARRAY_SIZE(cases));
}
