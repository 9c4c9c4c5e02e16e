/* SPDX-License-Identifier: MIT */
/* What a driver may not do, against a core that is a few numbers: what is a fault, what is none, and what was counted around a reset (WS1). */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/monitor.h"
#include "skinkd/watch.h"

#define ID		7
#define SBDF		0x20u
#define KIB		(1UL << 10)
#define LOOK_MS		500u
#define NEVER		UINT64_MAX

/* ---- the core, in libxencall's place ---- */

static struct skink_domctl_account account;
static struct skink_domctl_pci_function function = { .sbdf = SBDF };
static struct skink_domctl_sched sched;
static struct xen_domctl_getvcpuinfo vcpu;

static int fail(int error)
{
	errno = error;
	return -1;
}

int xencall1(xencall_handle *handle, unsigned int hypercall, uint64_t argument)
{
	struct xen_domctl *operation = (struct xen_domctl *)argument;
	uint32_t index = *(const uint32_t *)&operation->u;

	if (operation->cmd == SKINK_DOMCTL_account)
		memcpy(&operation->u, &account, sizeof(account));
	else if (operation->cmd == SKINK_DOMCTL_sched)
		memcpy(&operation->u, &sched, sizeof(sched));
	else if (operation->cmd == XEN_DOMCTL_getvcpuinfo)
		memcpy(&operation->u, &vcpu, sizeof(vcpu));
	else if (operation->cmd != SKINK_DOMCTL_pci_function)
		return fail(ENOSYS);
	else if (index)
		return fail(ENOENT);
	else
		memcpy(&operation->u, &function, sizeof(function));
	return 0;
}

/* ---- in skinkd's place, and libuv's ---- */

struct host host;
static uv_timer_cb look;
static uint64_t answered, now_ns;
static bool is_busy;
static unsigned int faults, events;
static enum fault_kind fault_kind;
static char fault_text[MONITOR_TEXT];

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
	return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat)
{
	look = callback;
	return 0;
}

uint64_t uv_hrtime(void)
{
	return now_ns;
}

bool watch_was_idle(struct monitor *monitor)
{
	return !is_busy;
}

uint64_t watch_answered(struct monitor *monitor)
{
	return answered;
}

void monitor_fault(struct driver *driver, enum fault_kind kind, const char *format, ...)
{
	va_list arguments;

	faults++;
	fault_kind = kind;
	va_start(arguments, format);
	vsnprintf(fault_text, sizeof(fault_text), format, arguments);
	va_end(arguments);
	driver->monitor->generation++;
}

void event(const char *kind, const char *name, int id, const char *format, ...)
{
	CU_ASSERT(!strcmp(kind, "failed") && !strcmp(name, "net0") && id == ID && strstr(format, "has not said ready"));
	events++;
}

/* ---- given ---- */

static struct manifest manifest = { .name = (char *)"net0" };
static struct driver_table table = { .function_count = 1, .function = { SBDF }, .attachment_count = 2 };
static struct {
	struct driver_status own;
	struct driver_attachment_status attachment[2];
} status;
static struct driver_log driver_log;
static struct monitor monitor;
static struct driver driver;
static struct domain domain;

static void given_a_driver_that_serves(void)
{
	account = (struct skink_domctl_account){ 0 };
	function.faults = function.storms = 0;
	driver_log.written = answered = faults = events = 0;
	sched = (struct skink_domctl_sched){ 0 };
	memset(&status, 0, sizeof(status));
	is_busy = false;
	monitor = (struct monitor){ .state = MONITOR_SERVING };
	domain = (struct domain){ .id = ID, .driver = &driver, .manifest = &manifest, .phase = PHASE_RUNNING };
	driver = (struct driver){ .domain = &domain, .monitor = &monitor, .table = &table, .status = &status.own, .log = &driver_log, .state = DRIVER_SERVING };
	host.domains = &domain;
	look(NULL);
}

static void uses(uint64_t hypercalls)
{
	account.used[SKINK_ACCOUNT_HYPERCALLS] += hypercalls;
	look(NULL);
}

/* Its loop goes round, and one round in `one_in` finds something. */
static void goes_round(uint64_t cpu_ms, uint64_t rounds, uint64_t one_in)
{
	now_ns += LOOK_MS * 1000000;
	vcpu.cpu_time += cpu_ms * 1000000;
	status.own.heartbeat += rounds;
	status.own.rested += (uint32_t)(rounds - rounds / one_in);
	look(NULL);
}

/* ---- then ---- */

static void access_out_of_the_pool_is_a_fault_once(void)
{
	given_a_driver_that_serves();
	look(NULL);
	CU_ASSERT_EQUAL(faults, 0);
	function.faults = 3;
	look(NULL);
	CU_ASSERT_EQUAL(faults, 1);
	CU_ASSERT_EQUAL(fault_kind, FAULT_STORM);
	CU_ASSERT_STRING_EQUAL(fault_text, "the IOMMU has refused 3 accesses of its device 00:04.0, outside of its pool");
	look(NULL);
	look(NULL);
	CU_ASSERT_EQUAL(faults, 1);
}

static void what_was_refused_around_a_reset_is_nobodys(void)		/* WS1 */
{
	given_a_driver_that_serves();
	monitor.generation++;
	function.faults = function.storms = 100;
	driver_log.written = 100 << 20;
	look(NULL);
	look(NULL);
	CU_ASSERT_EQUAL(faults, 0);
}

static void interrupts_are_a_storm_when_they_were_masked_twice(void)
{
	given_a_driver_that_serves();
	function.storms += 1;
	look(NULL);
	CU_ASSERT_EQUAL(faults, 0);
	function.storms += 2;
	look(NULL);
	CU_ASSERT_EQUAL(faults, 1);
	CU_ASSERT_EQUAL(fault_kind, FAULT_STORM);
	CU_ASSERT_STRING_EQUAL(fault_text, "the interrupts of its device 00:04.0 had to be masked 2 times in 500 ms");
}

static void function_that_is_not_there_any_more_has_done_nothing(void)
{
	given_a_driver_that_serves();
	table.function[0] = SBDF + 8;
	function.faults = 3;
	look(NULL);
	table.function[0] = SBDF;
	CU_ASSERT_EQUAL(faults, 0);
}

static void log_is_a_flood_from_a_mebibyte_on(void)
{
	given_a_driver_that_serves();
	driver_log.written += 1024 * KIB - 1;
	look(NULL);
	CU_ASSERT_EQUAL(faults, 0);
	driver_log.written += 1024 * KIB;
	look(NULL);
	CU_ASSERT_EQUAL(faults, 1);
	CU_ASSERT_EQUAL(fault_kind, FAULT_ABUSE);
	CU_ASSERT_STRING_EQUAL(fault_text, "it has written 1024 KiB into its log in 500 ms");
}

static void limit_that_is_used_up_without_an_answer_is_abuse(void)
{
	given_a_driver_that_serves();
	account.limit[SKINK_ACCOUNT_HYPERCALLS] = 10;
	for (int i = 0; i < 3; i++)
		uses(500);
	CU_ASSERT_EQUAL(faults, 0);
	uses(500);
	CU_ASSERT_EQUAL(faults, 1);
	CU_ASSERT_EQUAL(fault_kind, FAULT_ABUSE);
	CU_ASSERT_STRING_EQUAL(fault_text, "it uses up its limit of hypercalls, 10 in 10 ms, and has answered nothing for 2000 ms");
}

static void busy_at_its_limit_is_not_ill_if_it_answers(void)
{
	given_a_driver_that_serves();
	account.limit[SKINK_ACCOUNT_HYPERCALLS] = 10;
	for (int i = 0; i < 100; i++) {
		answered += i % 4 == 3;
		uses(500);
	}
	CU_ASSERT_EQUAL(faults, 0);
}

/* The machine may have been away for a part of the time. */
static void half_of_the_limit_is_enough_and_less_is_not(void)
{
	given_a_driver_that_serves();
	account.limit[SKINK_ACCOUNT_HYPERCALLS] = 10;
	for (int i = 0; i < 100; i++)
		uses(249);
	CU_ASSERT_EQUAL(faults, 0);
	for (int i = 0; i < 4; i++)
		uses(250);
	CU_ASSERT_EQUAL(faults, 1);
}

static void without_a_limit_there_is_none_to_use_up(void)
{
	given_a_driver_that_serves();
	for (int i = 0; i < 100; i++)
		uses(1000000);
	CU_ASSERT_EQUAL(faults, 0);
}

static void cpu_that_is_used_up_for_nothing_is_abuse(void)
{
	given_a_driver_that_serves();
	for (int i = 0; i < 3; i++)
		goes_round(LOOK_MS, 100000, NEVER);
	CU_ASSERT_EQUAL(faults, 0);
	goes_round(LOOK_MS, 100000, NEVER);
	CU_ASSERT_EQUAL(faults, 1);
	CU_ASSERT_EQUAL(fault_kind, FAULT_ABUSE);
	CU_ASSERT_STRING_EQUAL(fault_text, "for 2000 ms it had nothing to do, no request and no event, and did not sleep: it uses 100 % of the CPU "
			       "time that it may have");
	for (int i = 0; i < 4; i++)
		goes_round(LOOK_MS, 100000, NEVER);
	CU_ASSERT_EQUAL(faults, 1);
}

/* The first look after a reset only notes. */
static void successor_that_does_the_same_is_found_again(void)
{
	cpu_that_is_used_up_for_nothing_is_abuse();
	goes_round(LOOK_MS, 100000, NEVER);
	CU_ASSERT_EQUAL(faults, 2);
}

static void answer_request_or_event_is_something_to_do(void)		/* WS2 */
{
	given_a_driver_that_serves();
	for (int i = 0; i < 100; i++) {
		answered += i % 4 == 0;
		is_busy = i % 4 == 1;
		status.attachment[1].counter[DRIVER_EVENTS_TAKEN] += i % 4 == 2;
		goes_round(LOOK_MS, 100000, NEVER);
	}
	CU_ASSERT_EQUAL(faults, 0);
	for (int i = 0; i < 100; i++) {
		status.attachment[0].counter[DRIVER_EVENTS_TAKEN]++;
		goes_round(LOOK_MS, 100000, NEVER);
	}
	CU_ASSERT_EQUAL(faults, 0);
	for (int i = 0; i < 100; i++) {
		answered++;
		goes_round(LOOK_MS, 100000, NEVER);
	}
	CU_ASSERT_EQUAL(faults, 0);
	is_busy = true;
	for (int i = 0; i < 100; i++)
		goes_round(LOOK_MS, 100000, NEVER);
	CU_ASSERT_EQUAL(faults, 0);
}

/* A flood of frames for nobody: none is answered, and none waits in a ring. */
static void frames_of_the_wire_are_something_to_do(void)		/* WS2 */
{
	given_a_driver_that_serves();
	for (int i = 0; i < 100; i++)
		goes_round(LOOK_MS, 100000, 2);
	for (int i = 0; i < 100; i++)
		goes_round(LOOK_MS, 100000, 1);
	CU_ASSERT_EQUAL(faults, 0);
}

static void driver_that_gets_less_than_half_of_its_cpu_is_not_judged(void)
{
	given_a_driver_that_serves();
	for (int i = 0; i < 100; i++)
		goes_round(LOOK_MS * 49 / 100, 100000, NEVER);
	CU_ASSERT_EQUAL(faults, 0);
	for (int i = 0; i < 4; i++)
		goes_round(LOOK_MS / 2, 100000, NEVER);
	CU_ASSERT_EQUAL(faults, 1);
}

static void driver_with_a_cap_is_judged_by_that(void)
{
	given_a_driver_that_serves();
	sched.cap_percent = 20;
	for (int i = 0; i < 100; i++)
		goes_round(LOOK_MS * 9 / 100, 100000, NEVER);
	CU_ASSERT_EQUAL(faults, 0);
	for (int i = 0; i < 4; i++)
		goes_round(LOOK_MS / 10, 100000, NEVER);
	CU_ASSERT_EQUAL(faults, 1);
	CU_ASSERT_EQUAL(fault_kind, FAULT_ABUSE);
}

static void one_that_sleeps_or_hangs_goes_no_rounds(void)
{
	given_a_driver_that_serves();
	for (int i = 0; i < 100; i++)
		goes_round(1, 10, NEVER);
	for (int i = 0; i < 100; i++)
		goes_round(LOOK_MS, 0, NEVER);
	CU_ASSERT_EQUAL(faults, 0);
}

static void driver_that_does_not_serve_is_not_judged(void)
{
	given_a_driver_that_serves();
	monitor.state = MONITOR_HELD;
	function.faults = 3;
	look(NULL);
	driver.state = DRIVER_STARTING;
	monitor.state = MONITOR_SERVING;
	look(NULL);
	CU_ASSERT_EQUAL(faults, 0);
}

static void looks(unsigned int count)
{
	while (count--)
		look(NULL);
}

static void given_a_driver_that_starts(void)
{
	given_a_driver_that_serves();
	driver.state = DRIVER_STARTING;
	monitor.state = MONITOR_STARTING;
}

static void driver_that_does_not_come_up_is_told_of_once(void)
{
	given_a_driver_that_starts();
	looks(19);
	CU_ASSERT_EQUAL(events, 0);
	looks(100);
	CU_ASSERT_EQUAL(events, 1);
	/* And one that serves without. */
	given_a_driver_that_starts();
	driver.state = DRIVER_SERVING;
	looks(20);
	CU_ASSERT_EQUAL(events, 1);
	CU_ASSERT_EQUAL(faults, 0);
}

static void who_stands_still_or_has_said_why_is_not_waited_for(void)
{
	given_a_driver_that_starts();
	domain.is_paused = true;
	looks(30);
	domain.is_paused = false;
	looks(19);
	driver.state = DRIVER_FAILED;
	looks(30);
	driver.state = DRIVER_STARTING;
	looks(19);
	domain.phase = PHASE_ENDED;
	looks(30);
	CU_ASSERT_EQUAL(events, 0);
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("watch_slow", NULL, NULL);
	host.core.call = xencall_open(NULL, 0);
	watch_slow_open();
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(access_out_of_the_pool_is_a_fault_once);
	TEST(what_was_refused_around_a_reset_is_nobodys);
	TEST(interrupts_are_a_storm_when_they_were_masked_twice);
	TEST(function_that_is_not_there_any_more_has_done_nothing);
	TEST(log_is_a_flood_from_a_mebibyte_on);
	TEST(limit_that_is_used_up_without_an_answer_is_abuse);
	TEST(busy_at_its_limit_is_not_ill_if_it_answers);
	TEST(half_of_the_limit_is_enough_and_less_is_not);
	TEST(without_a_limit_there_is_none_to_use_up);
	TEST(cpu_that_is_used_up_for_nothing_is_abuse);
	TEST(successor_that_does_the_same_is_found_again);
	TEST(answer_request_or_event_is_something_to_do);
	TEST(frames_of_the_wire_are_something_to_do);
	TEST(driver_that_gets_less_than_half_of_its_cpu_is_not_judged);
	TEST(driver_with_a_cap_is_judged_by_that);
	TEST(one_that_sleeps_or_hangs_goes_no_rounds);
	TEST(driver_that_does_not_serve_is_not_judged);
	TEST(driver_that_does_not_come_up_is_told_of_once);
	TEST(who_stands_still_or_has_said_why_is_not_waited_for);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
