/* SPDX-License-Identifier: MIT */
/* Who pays for what drivers do: what of its weight is left to a guest, and that nobody but the core sees it (PY1 to PY3). */
#include <CUnit/Basic.h>
#include <string.h>

#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/host.h"
#include "skinkd/monitor.h"
#include "skinkd/pay.h"
#include "skinkd/share.h"

#define MS	1000000UL
#define WEIGHT	256u
#define GUEST	3
#define OTHER	4

/* ---- the core, in libxencall's place ---- */

static struct skink_domctl_sched sched[8];
static struct skink_domctl_account account[8];
static uint64_t cpu_ns[8];
static unsigned int calls;

int xencall1(xencall_handle *handle, unsigned int hypercall, uint64_t argument)
{
	struct xen_domctl *operation = (struct xen_domctl *)argument;
	struct xen_sysctl *list = (struct xen_sysctl *)argument;
	struct xen_domctl_getdomaininfo *info;

	calls++;
	if (hypercall == __HYPERVISOR_sysctl) {
		info = list->u.getdomaininfolist.buffer.p;
		info->domain = list->u.getdomaininfolist.first_domain;
		info->cpu_time = cpu_ns[info->domain];
		list->u.getdomaininfolist.num_domains = 1;
		return 0;
	}
	if (operation->cmd == SKINK_DOMCTL_account) {
		memcpy(&operation->u, &account[operation->domain], sizeof(account[0]));
		return 0;
	}
	if (((const struct skink_domctl_sched *)&operation->u)->set)
		memcpy(&sched[operation->domain], &operation->u, sizeof(sched[0]));
	memcpy(&operation->u, &sched[operation->domain], sizeof(sched[0]));
	return 0;
}

/* ---- in skinkd's place, and libuv's ---- */

struct host host;
struct attachment *attachments;
static uv_timer_cb look;
static unsigned int shares;

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
	return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat)
{
	look = callback;
	return 0;
}

void share_look(struct driver *driver)
{
	shares++;
}

/* ---- two guests, and a driver that serves them ---- */

static struct manifest manifest[2];
static struct monitor monitor;
static struct driver driver;
static struct domain guest, other, serving;
static struct attachment disk, vif;

static void given_two_guests_and_a_driver(void)
{
	manifest[0].sched.weight = manifest[1].sched.weight = WEIGHT;
	monitor.state = MONITOR_SERVING;
	driver = (struct driver){ .state = DRIVER_SERVING, .monitor = &monitor };
	guest = (struct domain){ .next = &other, .id = GUEST, .phase = PHASE_RUNNING, .manifest = &manifest[0] };
	other = (struct domain){ .next = &serving, .id = OTHER, .phase = PHASE_RUNNING, .manifest = &manifest[1] };
	serving = (struct domain){ .id = 7, .phase = PHASE_RUNNING, .manifest = &manifest[1], .driver = &driver };
	host.domains = &guest;
	disk = (struct attachment){ .front_id = GUEST, .next = &vif };
	vif = (struct attachment){ .front_id = OTHER };
	attachments = &disk;
	for (int id = 0; id < 8; id++) {
		sched[id] = (struct skink_domctl_sched){ .weight = WEIGHT, .warp_us = 10 };
		cpu_ns[id] = MS;
		account[id] = (struct skink_domctl_account){ .set = 0 };
	}
	pay_open();
	look(NULL);
}

/* One look later. */
static void when_it_runs_and_is_served(uint64_t own_ns, uint64_t served_ns)
{
	cpu_ns[GUEST] += own_ns;
	cpu_ns[OTHER] += own_ns;
	disk.share.asked_ns += served_ns;
	look(NULL);
}

static void given_lately(uint64_t own_ns, uint64_t served_ns)
{
	for (int i = 0; i < 12; i++)
		when_it_runs_and_is_served(own_ns, served_ns);
}

static void a_guest_pays_for_what_is_done_for_it_and_others_do_not(void)
{
	given_two_guests_and_a_driver();
	given_lately(40 * MS, 20 * MS);
	CU_ASSERT_TRUE(sched[GUEST].weight >= WEIGHT * 2 / 3 && sched[GUEST].weight <= WEIGHT * 2 / 3 + 1);
	CU_ASSERT_EQUAL(sched[GUEST].warp_us, 10);
	CU_ASSERT_EQUAL(sched[OTHER].weight, WEIGHT);
	CU_ASSERT_EQUAL(sched[7].weight, WEIGHT);
	CU_ASSERT_TRUE(shares >= 12);
}

static void an_eighth_is_left_to_whoever_does_nothing_itself(void)		/* PY1 */
{
	given_two_guests_and_a_driver();
	given_lately(0, 90 * MS);
	CU_ASSERT_EQUAL(sched[GUEST].weight, WEIGHT / 8);
	manifest[0].sched.weight = 3;
	given_lately(0, 90 * MS);
	CU_ASSERT_EQUAL(sched[GUEST].weight, 1);
}

static void what_others_send_it_costs_it_nothing(void)				/* PY2 */
{
	given_two_guests_and_a_driver();
	for (int i = 0; i < 12; i++) {
		disk.share.busy_ns += 50 * MS;
		when_it_runs_and_is_served(40 * MS, 0);
	}
	CU_ASSERT_EQUAL(sched[GUEST].weight, WEIGHT);
}

static void whoever_stops_has_all_of_it_again(void)
{
	given_two_guests_and_a_driver();
	given_lately(40 * MS, 40 * MS);
	CU_ASSERT_TRUE(sched[GUEST].weight < WEIGHT);
	given_lately(40 * MS, 0);
	given_lately(40 * MS, 0);
	given_lately(40 * MS, 0);
	CU_ASSERT_EQUAL(sched[GUEST].weight, WEIGHT);
}

static void the_core_is_not_asked_about_those_who_ask_for_nothing(void)
{
	given_two_guests_and_a_driver();
	calls = 0;
	given_lately(40 * MS, 0);
	CU_ASSERT_EQUAL(calls, 12);	/* Domain-0's time */
}

/* One look later, in which Domain-0 was busy. */
static void when_dom0_works(uint64_t dom0_ns, uint64_t of_guest, uint64_t of_other)
{
	cpu_ns[0] += dom0_ns;
	account[GUEST].used[SKINK_ACCOUNT_EVENTS_SENT] += of_guest;
	account[OTHER].used[SKINK_ACCOUNT_EVENTS_SENT] += of_other;
	when_it_runs_and_is_served(40 * MS, 0);
}

static void who_floods_the_store_pays_for_dom0(void)
{
	given_two_guests_and_a_driver();
	for (int i = 0; i < 12; i++)
		when_dom0_works(20 * MS, 1000, 1);
	CU_ASSERT_TRUE(sched[GUEST].weight >= WEIGHT * 2 / 3 - 1 && sched[GUEST].weight < WEIGHT * 2 / 3 + 2);
	CU_ASSERT_TRUE(sched[OTHER].weight >= WEIGHT - 1);
}

static void what_dom0_does_by_itself_nobody_pays(void)
{
	given_two_guests_and_a_driver();
	for (int i = 0; i < 12; i++)
		when_dom0_works(90 * MS, 2, 1);
	CU_ASSERT_TRUE(sched[GUEST].weight >= WEIGHT - 2);
	for (int i = 0; i < 12; i++)
		when_dom0_works(4 * MS, 1000, 1);
	CU_ASSERT_EQUAL(sched[GUEST].weight, WEIGHT);
}

static void events_that_a_driver_takes_are_not_domain_0_s(void)
{
	given_two_guests_and_a_driver();
	for (int i = 0; i < 12; i++) {
		disk.share.events += 1000;
		when_dom0_works(50 * MS, 1000, 0);
	}
	CU_ASSERT_EQUAL(sched[GUEST].weight, WEIGHT);
}

/* Years of idling before its first request are not its work of the last moment. */
static void what_it_ran_before_it_asked_does_not_count(void)
{
	given_two_guests_and_a_driver();
	cpu_ns[GUEST] += 1000000 * MS;
	given_lately(40 * MS, 40 * MS);
	CU_ASSERT_TRUE(sched[GUEST].weight <= WEIGHT / 2);
}

static void an_attachment_that_goes_makes_nobody_rich_or_poor(void)
{
	given_two_guests_and_a_driver();
	given_lately(40 * MS, 40 * MS);
	disk.share.asked_ns = 0;
	when_it_runs_and_is_served(40 * MS, 0);
	CU_ASSERT_TRUE(sched[GUEST].weight >= WEIGHT / 2 && sched[GUEST].weight <= WEIGHT);
}

static void what_is_told_is_what_was_asked_for(void)				/* PY3 */
{
	struct skink_domctl_sched said;

	given_two_guests_and_a_driver();
	given_lately(40 * MS, 40 * MS);
	said = sched[GUEST];
	pay_hide(&guest, &said);
	CU_ASSERT_EQUAL(said.weight, WEIGHT);
	pay_hide(NULL, &said);
	CU_ASSERT_EQUAL(said.weight, WEIGHT);
	CU_ASSERT_EQUAL(manifest[0].sched.weight, WEIGHT);
}

/* Another skinkd has lowered it and has ended. */
static void what_an_earlier_skinkd_left_is_put_right(void)
{
	given_two_guests_and_a_driver();
	sched[GUEST].weight = 100;
	guest.pay = (struct pay){ .id = 0 };
	given_lately(40 * MS, 0);
	CU_ASSERT_EQUAL(sched[GUEST].weight, WEIGHT);
}

static void new_parameters_are_what_it_pays_from(void)
{
	given_two_guests_and_a_driver();
	given_lately(40 * MS, 40 * MS);
	manifest[0].sched.weight = sched[GUEST].weight = 1000;
	pay_forget(&guest);
	given_lately(40 * MS, 40 * MS);
	CU_ASSERT_TRUE(sched[GUEST].weight >= 499 && sched[GUEST].weight <= 500);
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	host.core.call = xencall_open(NULL, 0);
	suite = CU_add_suite("pay", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(a_guest_pays_for_what_is_done_for_it_and_others_do_not);
	TEST(an_eighth_is_left_to_whoever_does_nothing_itself);
	TEST(what_others_send_it_costs_it_nothing);
	TEST(whoever_stops_has_all_of_it_again);
	TEST(the_core_is_not_asked_about_those_who_ask_for_nothing);
	TEST(who_floods_the_store_pays_for_dom0);
	TEST(what_dom0_does_by_itself_nobody_pays);
	TEST(events_that_a_driver_takes_are_not_domain_0_s);
	TEST(what_it_ran_before_it_asked_does_not_count);
	TEST(an_attachment_that_goes_makes_nobody_rich_or_poor);
	TEST(what_is_told_is_what_was_asked_for);
	TEST(what_an_earlier_skinkd_left_is_put_right);
	TEST(new_parameters_are_what_it_pays_from);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
