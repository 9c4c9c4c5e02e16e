/* SPDX-License-Identifier: MIT */
/* What each driver domain does alike, against a fake of what stands below it: tables that cannot be, the log, the loop. H1, H2, H3 */
#include <CUnit/Basic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/driver_domain.c"

#define PAGES 64u
#define TABLE_PFN 4u
#define STATUS_PFN 16u
#define LOG_PFN 40u
#define LEDGER_PFN 44u
#define POOL_PFN 48u
#define ATTACHMENTS 8u
#define MFN_BASE 0x1000u

static uint8_t memory[PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static struct start_info info;
static unsigned long p2m[PAGES];
static bool is_dom0;
static jmp_buf end;
static char last_words[512];

/* What the loop did, as letters: o obey, w work, r rest, t tick, b block, s a signal to Dom0. */
static char trace[256];
static unsigned int traced, blocks_left, work_left;
static bool obeys, rest_finds_something;
static uint64_t now_ns, timer_at;
static unsigned int timers_set;
static void (*on_block)(void);

static uint32_t resets;		/* what ready says */

static void note(char letter)
{
	if (traced + 1 < sizeof(trace))
		trace[traced++] = letter;
	trace[traced] = 0;
}

/* ---- below ---- */

struct start_info *boot_info = &info;
unsigned long *memory_p2m = p2m;
static unsigned long reserved[16], reserved_count;

bool boot_is_dom0(void) { return is_dom0; }
void *pfn_to_virt(unsigned long pfn) { return memory[pfn]; }
void event_take(void) { }
void event_mask_upcalls(void) { }
int event_unmask(evtchn_port_t port) { return 0; }
uint64_t time_now_ns(void) { return now_ns; }

uint32_t ready_say(void)
{
	note('!');
	return resets;
}

void memory_reserve(unsigned long first, unsigned long count)
{
	reserved[reserved_count++] = first;
}

int event_bind_virq(uint32_t virq, uint32_t vcpu, evtchn_port_t *port)
{
	*port = 3;
	return 0;
}

int event_send(evtchn_port_t port)
{
	CU_ASSERT_EQUAL(port, 9);
	note('s');
	return 0;
}

int time_set_timer(uint64_t deadline_ns)
{
	timer_at = deadline_ns;
	timers_set++;
	return 0;
}

void panic(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(last_words, sizeof(last_words), format, arguments);
	va_end(arguments);
	longjmp(end, 1);
}

void event_block(void)
{
	note('b');
	if (blocks_left-- == 0)
		longjmp(end, 2);
	if (on_block)
		on_block();
	else
		now_ns = timer_at;
}

/* ---- given ---- */

static struct driver_table *table(void) { return (void *)memory[TABLE_PFN]; }
static struct driver_status *status(void) { return (void *)memory[STATUS_PFN]; }
static struct driver_log *the_log(void) { return (void *)memory[LOG_PFN]; }

static void given_domain(void)
{
	memset(memory, 0, sizeof(memory));
	memset(&driver_domain, 0, sizeof(driver_domain));
	log_region = NULL;
	table_obeyed = 0;
	is_table_due = true;
	wake_ns = timer_ns = NEVER;
	reserved_count = 0;
	traced = blocks_left = work_left = timers_set = 0;
	trace[0] = last_words[0] = 0;
	obeys = true;
	rest_finds_something = false;
	on_block = NULL;
	is_dom0 = false;
	resets = 0;
	now_ns = 1000;
	for (unsigned long pfn = 0; pfn < PAGES; pfn++)
		p2m[pfn] = MFN_BASE + pfn;
	info = (struct start_info){ .nr_pages = PAGES, .mod_start = (unsigned long)memory[TABLE_PFN], .mod_len = 8 * PAGE_SIZE };
	*table() = (struct driver_table){
		.magic = DRIVER_TABLE_MAGIC, .version = DRIVER_VERSION, .role = DRIVER_BLK, .attachment_count = ATTACHMENTS, .control_port = 9,
		.pool = { POOL_PFN, 16 }, .ledger = { LEDGER_PFN, 4 }, .status = { STATUS_PFN, 8 }, .log = { LOG_PFN, 2 },
		.heartbeat_ns = 5000000,
	};
}

/* 0: it began; 1: it ended, last_words say why. */
static int begun(void)
{
	int how = setjmp(end);

	if (how)
		return how;
	driver_domain_find();
	driver_domain_init(DRIVER_BLK);
	return 0;
}

static bool do_obey(void) { note('o'); return obeys; }
static bool do_rest(void) { note('r'); return rest_finds_something; }
static void do_tick(void) { note('t'); }
static void do_again(void)
{
	note('a');
	CU_ASSERT_TRUE(status()->awaits_device);
	now_ns += 50;
	driver_domain.found += 3;
}

static bool do_work(void)
{
	note('w');
	if (!work_left)
		return false;
	work_left--;
	return true;
}

static const struct driver_calls calls = { .obey = do_obey, .work = do_work, .rest = do_rest, .tick = do_tick };

static const struct driver_calls those_that_say_ready = {
	.again = do_again, .obey = do_obey, .work = do_work, .rest = do_rest, .tick = do_tick,
};

/* Until it has blocked once more than `blocks` times. */
static void when_it_runs(unsigned int blocks)
{
	blocks_left = blocks;
	if (!setjmp(end))
		driver_domain_run(&calls);
}

/* ---- the table ---- */

static void regions_are_kept_from_the_allocator(void)
{
	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	CU_ASSERT_EQUAL(reserved_count, 4);
	CU_ASSERT_EQUAL(status()->magic, DRIVER_STATUS_MAGIC);
	CU_ASSERT_EQUAL(status()->state, DRIVER_STARTING);
	CU_ASSERT_EQUAL(pool_bytes, 16 * PAGE_SIZE);
	CU_ASSERT_EQUAL(pool_machine(memory[POOL_PFN + 1]), (MFN_BASE + POOL_PFN + 1) << 12);
	CU_ASSERT_PTR_EQUAL(driver_domain.ledger, memory[LEDGER_PFN]);
}

static void module_that_is_no_table_is_left_alone(void)
{
	given_domain();
	table()->magic = 0x464c457f;
	CU_ASSERT_EQUAL(begun(), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(last_words, "needs a driver's table"));
	CU_ASSERT_EQUAL(reserved_count, 0);
	given_domain();
	info.mod_len = sizeof(struct driver_table) - 1;
	CU_ASSERT_EQUAL(begun(), 1);
	given_domain();
	info.flags = SIF_MOD_START_PFN;
	info.mod_start = TABLE_PFN;
	CU_ASSERT_EQUAL(begun(), 1);
	given_domain();
	is_dom0 = true;
	CU_ASSERT_EQUAL(begun(), 1);
	CU_ASSERT_EQUAL(reserved_count, 0);
}

static void table_that_cannot_be_is_named_in_the_log(void)
{
	given_domain();
	table()->version = 7;
	CU_ASSERT_EQUAL(begun(), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(last_words, "version 7"));
	given_domain();
	table()->role = DRIVER_NET;
	CU_ASSERT_EQUAL(begun(), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(last_words, "role 1"));
	given_domain();
	table()->attachment_count = DRIVER_ATTACHMENTS_MAX + 1;
	CU_ASSERT_EQUAL(begun(), 1);
	given_domain();
	info.mod_len = DRIVER_TABLE_BYTES(ATTACHMENTS) - 1;
	CU_ASSERT_EQUAL(begun(), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(last_words, "8 attachments"));
}

static void region_that_cannot_be_is_named(void)
{
	static const struct driver_region bad[] = { { 0, 0 }, { PAGES, 1 }, { PAGES - 1, 2 }, { UINT64_MAX, 1 }, { 1, UINT64_MAX },
						    { UINT64_MAX - 1, UINT64_MAX }, { MEMORY_LIMIT_PAGES, 1 } };
	static const struct { size_t at; const char *name; } regions[] = {
		{ offsetof(struct driver_table, pool), "pool" }, { offsetof(struct driver_table, ledger), "ledger" },
		{ offsetof(struct driver_table, status), "status" }, { offsetof(struct driver_table, log), "log" },
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (unsigned int which = 0; which < 4; which++) {
			given_domain();
			memcpy((uint8_t *)table() + regions[which].at, &bad[i], sizeof(bad[i]));
			CU_ASSERT_EQUAL(begun(), 1);
			CU_ASSERT_PTR_NOT_NULL(strstr(last_words, regions[which].name));
		}
	given_domain();
	table()->status.pages = 1;
	CU_ASSERT_EQUAL(begun(), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(last_words, "status"));
	given_domain();
	info.nr_pages = 2 * MEMORY_LIMIT_PAGES;
	table()->log.pfn = MEMORY_LIMIT_PAGES - 1;
	CU_ASSERT_EQUAL(begun(), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(last_words, "log"));
}

static void pool_that_is_not_contiguous_is_refused(void)
{
	given_domain();
	p2m[POOL_PFN + 7]++;
	CU_ASSERT_EQUAL(begun(), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(last_words, "0x37"));
}

/* ---- status and log ---- */

static void status_of_a_predecessor_is_kept(void)
{
	given_domain();
	status()->magic = DRIVER_STATUS_MAGIC;
	status()->version = DRIVER_VERSION;
	status()->generation = 41;
	status()->attachment[3].port[0][0] = 77;
	strcpy(status()->text, "old");
	CU_ASSERT_EQUAL(begun(), 0);
	CU_ASSERT_EQUAL(status()->text[0], 0);
	when_it_runs(0);
	CU_ASSERT_EQUAL(status()->generation, 42);
	CU_ASSERT_EQUAL(driver_domain.generation, 42);
	CU_ASSERT_EQUAL(status()->attachment[3].port[0][0], 77);
	CU_ASSERT_EQUAL(status()->state, DRIVER_SERVING);
}

static void status_of_nobody_is_wiped(void)
{
	given_domain();
	memset(status(), 0xa5, 4096);
	CU_ASSERT_EQUAL(begun(), 0);
	when_it_runs(0);
	CU_ASSERT_EQUAL(status()->generation, 1);
	CU_ASSERT_EQUAL(status()->attachment[3].port[0][0], 0);
}

static void log_keeps_the_latest(void)
{
	uint64_t room = 2 * PAGE_SIZE - 64;
	char line[32];
	uint64_t before = 0;

	given_domain();
	driver_domain_log("lost", 4);
	CU_ASSERT_EQUAL(begun(), 0);
	for (unsigned int i = 0; i < 1000; i++) {
		int length = snprintf(line, sizeof(line), "line %u\n", i);

		driver_domain_log(line, (size_t)length);
		CU_ASSERT_EQUAL(the_log()->written, before + (unsigned int)length);
		for (int n = 0; n < length; n++)
			CU_ASSERT_EQUAL(the_log()->text[(before + (unsigned int)n) % room], line[n]);
		before = the_log()->written;
	}
	CU_ASSERT_TRUE(before > room);
	CU_ASSERT_EQUAL(memory[LEDGER_PFN - 2][0], 0);
}

static void last_words_are_in_the_status(void)
{
	char words[300];

	given_domain();
	driver_domain_last_words("nowhere yet");
	CU_ASSERT_EQUAL(begun(), 0);
	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = 0;
	driver_domain_last_words(words);
	CU_ASSERT_EQUAL(strlen(status()->text), DRIVER_TEXT_BYTES - 1);
}

/* ---- the loop ---- */

static void table_is_obeyed_before_the_first_sleep(void)
{
	given_domain();
	table()->changed = 5;
	CU_ASSERT_EQUAL(begun(), 0);
	when_it_runs(0);
	CU_ASSERT_STRING_EQUAL(trace, "soswwrb");
	CU_ASSERT_EQUAL(status()->table_seen, 5);
}

static void table_that_is_not_obeyed_whole_is_obeyed_again(void)
{
	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	obeys = false;
	status()->table_seen = 99;
	when_it_runs(1);
	CU_ASSERT_STRING_EQUAL(trace, "sowrbtowrb");
	CU_ASSERT_EQUAL(status()->table_seen, 99);
}

static void change_table(void)
{
	table()->changed++;
}

static void change_of_the_table_is_seen_when_it_wakes(void)
{
	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	on_block = change_table;
	when_it_runs(2);
	CU_ASSERT_STRING_EQUAL(trace, "soswwrboswwrboswwrb");
	CU_ASSERT_EQUAL(status()->table_seen, 2);
}

static void it_does_not_sleep_while_there_is_work(void)		/* H2 */
{
	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	work_left = 3;
	when_it_runs(0);
	CU_ASSERT_STRING_EQUAL(trace, "soswwwwrb");
}

static bool rest_once(void)
{
	bool found = rest_finds_something;

	note('r');
	rest_finds_something = false;
	return found;
}

static void it_does_not_sleep_if_something_came_meanwhile(void)	/* H2 */
{
	static const struct driver_calls mine = { .obey = do_obey, .work = do_work, .rest = rest_once };

	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	rest_finds_something = true;
	if (!setjmp(end))
		driver_domain_run(&mine);
	CU_ASSERT_STRING_EQUAL(trace, "soswwrwrb");
}

static void it_wakes_for_the_heartbeat(void)
{
	uint64_t before;

	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	when_it_runs(0);
	CU_ASSERT_EQUAL(timer_at, 1000 + 5000000);
	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	before = status()->heartbeat;
	when_it_runs(3);
	CU_ASSERT_STRING_EQUAL(trace, "soswwrbtwrbtwrbtwrb");
	CU_ASSERT_EQUAL(timer_at, 1000 + 4 * 5000000);
	CU_ASSERT_EQUAL(status()->heartbeat, before + 5);
}

static void it_looks_at_its_device_before_that_is_taken_for_silent(void)
{
	given_domain();
	table()->heartbeat_ns = 3600000000000;
	table()->device_ns = 1000000000;
	CU_ASSERT_EQUAL(begun(), 0);
	when_it_runs(0);
	CU_ASSERT_EQUAL(timer_at, 1000 + 250000000);
}

static uint64_t wanted[8];
static unsigned int asked;

static bool ask_and_rest(void)
{
	note('r');
	if (asked < 8 && wanted[asked])
		driver_domain_wake_at(wanted[asked]);
	asked++;
	return false;
}

static void it_wakes_earlier_if_it_is_asked_to(void)
{
	static const struct driver_calls mine = { .obey = do_obey, .work = do_work, .rest = ask_and_rest };

	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	memset(wanted, 0, sizeof(wanted));
	wanted[0] = 1300;
	wanted[1] = 9000000000;
	asked = 0;
	blocks_left = 0;
	if (!setjmp(end))
		driver_domain_run(&mine);
	CU_ASSERT_EQUAL(timer_at, 1300);
	asked = 0;
	blocks_left = 1;
	if (!setjmp(end))
		driver_domain_run(&mine);
	CU_ASSERT_EQUAL(timer_at, 1300 + 5000000 - 300);
}

static void stay(void)
{
}

static void timer_is_set_once_for_a_deadline(void)
{
	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	on_block = stay;		/* events wake it, long before the heartbeat */
	when_it_runs(5);
	CU_ASSERT_EQUAL(timers_set, 1);
}

static void deadline_that_has_passed_is_set_again(void)
{
	static const struct driver_calls mine = { .obey = do_obey, .work = do_work, .rest = ask_and_rest };

	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	asked = 0;
	wanted[0] = wanted[1] = wanted[2] = 1300;
	blocks_left = 2;
	if (!setjmp(end))
		driver_domain_run(&mine);
	CU_ASSERT_EQUAL(timers_set, 3);
}

/* ---- ready, and after a reset ---- */

static void when_it_says_ready(uint32_t after)
{
	resets = after;
	blocks_left = 0;
	if (!setjmp(end))
		driver_domain_run(&those_that_say_ready);
}

static void first_life_says_ready_before_it_serves(void)	/* H4 */
{
	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	when_it_says_ready(0);
	CU_ASSERT_STRING_EQUAL(trace, "!soswwrb");
	CU_ASSERT_EQUAL(status()->generation, 1);
	driver_domain_note_answer();
	CU_ASSERT_EQUAL(status()->answered_ns, 0);
}

static void successor_resets_its_device_first_and_tells_when_the_table_is_obeyed(void)	/* H4 */
{
	given_domain();
	table()->changed = 5;
	CU_ASSERT_EQUAL(begun(), 0);
	status()->state = DRIVER_SERVING;
	status()->generation = 77;		/* whatever a dying predecessor wrote */
	status()->table_seen = 4;
	when_it_says_ready(3);
	CU_ASSERT_STRING_EQUAL(trace, "!aoswwrb");
	CU_ASSERT_EQUAL(status()->state, DRIVER_SERVING);
	CU_ASSERT_EQUAL(status()->generation, 4);
	CU_ASSERT_EQUAL(driver_domain.generation, 4);
	CU_ASSERT_EQUAL(status()->table_seen, 5);
}

static void successor_says_how_far_it_has_come(void)
{
	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	status()->taken_ns = status()->answered_ns = 1;
	when_it_says_ready(1);
	CU_ASSERT_EQUAL(status()->resumed_ns, 1000);
	CU_ASSERT_EQUAL(status()->acknowledged_ns, 1050);
	CU_ASSERT_FALSE(status()->awaits_device);
	CU_ASSERT_EQUAL(status()->taken_ns, 1050);
	CU_ASSERT_EQUAL(status()->found, 1 + 3);
	CU_ASSERT_EQUAL(status()->answered_ns, 0);
	now_ns = 2000;
	driver_domain_note_answer();
	now_ns = 3000;
	driver_domain_note_answer();
	CU_ASSERT_EQUAL(status()->answered_ns, 2000);
}

static void successor_does_not_say_what_it_found_before_it_has_all_rings(void)
{
	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	status()->found = 77;			/* its predecessor's */
	obeys = false;
	when_it_says_ready(1);
	CU_ASSERT_EQUAL(status()->taken_ns, 0);
	CU_ASSERT_EQUAL(status()->found, 0);
}

static void successor_beats_as_its_own_time_goes(void)
{
	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	now_ns = 900000000;
	when_it_says_ready(1);
	CU_ASSERT_EQUAL(timer_at, 900000050 + 5000000);
}

static void one_that_cannot_serve_says_so_and_lives(void)
{
	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	blocks_left = 2;
	if (!setjmp(end))
		driver_domain_fail("no disk at %02x", 0x1f);
	CU_ASSERT_STRING_EQUAL(status()->text, "no disk at 1f");
	CU_ASSERT_EQUAL(status()->state, DRIVER_FAILED);
	CU_ASSERT_STRING_EQUAL(trace, "sbbb");
	CU_ASSERT_EQUAL(status()->heartbeat, 3);
}

static void in_a_rehearsal_it_waits_for_its_device(void)
{
	given_domain();
	table()->is_rehearsal = 1;
	blocks_left = 2;
	CU_ASSERT_NOT_EQUAL(begun(), 0);
	CU_ASSERT_EQUAL(status()->state, DRIVER_WAITING);
	CU_ASSERT_EQUAL(status()->heartbeat, 3);
}

/* What another image died at was not this one's request, and how far that had come is not how far this one has. */
static void heir_of_another_image_is_told_of_as_a_successor(void)
{
	given_domain();
	CU_ASSERT_EQUAL(begun(), 0);
	status()->generation = 5;
	status()->taken_ns = status()->answered_ns = status()->found = 7;
	when_it_runs(1);
	CU_ASSERT_EQUAL(status()->generation, 6);
	CU_ASSERT_TRUE(driver_domain.is_pardoned);
	CU_ASSERT_FALSE(driver_domain.has_answered);
	CU_ASSERT_EQUAL(status()->answered_ns, 0);
	CU_ASSERT_NOT_EQUAL(status()->taken_ns, 7);
	CU_ASSERT_EQUAL(status()->found, 1);
}

#define CASE(name) CU_add_test(suite, #name, name)

int main(void)
{
	unsigned int failures;
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("driver domain", NULL, NULL);
	CASE(regions_are_kept_from_the_allocator);
	CASE(module_that_is_no_table_is_left_alone);
	CASE(table_that_cannot_be_is_named_in_the_log);
	CASE(region_that_cannot_be_is_named);
	CASE(pool_that_is_not_contiguous_is_refused);
	CASE(status_of_a_predecessor_is_kept);
	CASE(status_of_nobody_is_wiped);
	CASE(log_keeps_the_latest);
	CASE(last_words_are_in_the_status);
	CASE(table_is_obeyed_before_the_first_sleep);
	CASE(table_that_is_not_obeyed_whole_is_obeyed_again);
	CASE(change_of_the_table_is_seen_when_it_wakes);
	CASE(it_does_not_sleep_while_there_is_work);
	CASE(it_does_not_sleep_if_something_came_meanwhile);
	CASE(it_wakes_for_the_heartbeat);
	CASE(it_looks_at_its_device_before_that_is_taken_for_silent);
	CASE(it_wakes_earlier_if_it_is_asked_to);
	CASE(timer_is_set_once_for_a_deadline);
	CASE(deadline_that_has_passed_is_set_again);
	CASE(first_life_says_ready_before_it_serves);
	CASE(successor_resets_its_device_first_and_tells_when_the_table_is_obeyed);
	CASE(successor_says_how_far_it_has_come);
	CASE(successor_does_not_say_what_it_found_before_it_has_all_rings);
	CASE(successor_beats_as_its_own_time_goes);
	CASE(one_that_cannot_serve_says_so_and_lives);
	CASE(in_a_rehearsal_it_waits_for_its_device);
	CASE(heir_of_another_image_is_told_of_as_a_successor);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
