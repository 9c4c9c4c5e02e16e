/* SPDX-License-Identifier: MIT */
/* What of a driver's CPU time went into whom: by what was done for each, and never more than it had. */
#include <CUnit/Basic.h>
#include <string.h>

#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/host.h"
#include "skinkd/share.h"

#define MS	1000000UL

struct host host;
struct attachment *attachments;

static struct domain domain = { .id = 7 };
static struct driver driver, other;
static struct attachment disk, vif;
static struct driver_attachment_status said[2];
static uint64_t cpu_ns;
static bool is_gone;

/* ---- the core, in libxencall's place ---- */

/* A list of one domain, or of none. */
int xencall1(xencall_handle *handle, unsigned int hypercall, uint64_t argument)
{
	struct xen_sysctl *operation = (struct xen_sysctl *)argument;
	struct xen_domctl_getdomaininfo *info;

	info = operation->u.getdomaininfolist.buffer.p;
	info->domain = domain.id;
	info->cpu_time = cpu_ns;
	operation->u.getdomaininfolist.num_domains = !is_gone;
	return 0;
}

/* ---- what is attached ---- */

enum driver_answer attach_answer(const struct attachment *attachment)
{
	return attach_status(attachment)->answer;
}

const struct driver_attachment_status *attach_status(const struct attachment *attachment)
{
	return &said[attachment == &vif];
}

static void given_a_disk_and_an_interface(void)
{
	memset(said, 0, sizeof(said));
	said[0].answer = said[1].answer = DRIVER_ATTACHED;
	driver = other = (struct driver){ .domain = &domain };
	disk = (struct attachment){ .kind = ATTACH_VBD, .driver = &driver, .record = RECORD_NONE + 1, .serial = 1, .next = &vif };
	vif = (struct attachment){ .kind = ATTACH_VIF, .driver = &driver, .record = RECORD_NONE + 1, .serial = 2 };
	attachments = &disk;
	cpu_ns = 0;
	is_gone = false;
	share_look(&driver);
}

static void time_goes_where_work_was_done(void)
{
	given_a_disk_and_an_interface();
	said[0].counter[DRIVER_READS] = 3;
	said[0].counter[DRIVER_READ_BYTES] = 3 * 2048;
	said[1].counter[DRIVER_TX_PACKETS] = 2;
	said[1].counter[DRIVER_TX_BYTES] = 0;
	cpu_ns = 8 * MS;
	share_look(&driver);
	CU_ASSERT_EQUAL(disk.share.busy_ns, 6 * MS);
	CU_ASSERT_EQUAL(vif.share.busy_ns, 2 * MS);
	said[1].counter[DRIVER_RX_BYTES] += 1;
	cpu_ns += MS;
	share_look(&driver);
	CU_ASSERT_EQUAL(disk.share.busy_ns, 6 * MS);
	CU_ASSERT_EQUAL(vif.share.busy_ns, 3 * MS);
}

static void what_others_send_is_not_what_it_asked_for(void)
{
	given_a_disk_and_an_interface();
	said[0].counter[DRIVER_READS] = 1;
	said[1].counter[DRIVER_TX_PACKETS] = 1;
	said[1].counter[DRIVER_RX_PACKETS] = 2;
	cpu_ns = 4 * MS;
	share_look(&driver);
	CU_ASSERT_EQUAL(vif.share.busy_ns, 3 * MS);
	CU_ASSERT_EQUAL(vif.share.asked_ns, MS);
	CU_ASSERT_EQUAL(disk.share.asked_ns, MS);
}

/* Who sends events for nothing pays for them, and not its neighbour, which has a request now and then. */
static void events_for_nothing_are_asked_for(void)
{
	given_a_disk_and_an_interface();
	said[0].counter[DRIVER_READS] = 1;
	said[0].counter[DRIVER_EVENTS_TAKEN] = 1;
	said[1].counter[DRIVER_TX_PACKETS] = 1;
	said[1].counter[DRIVER_RX_PACKETS] = 1;
	said[1].counter[DRIVER_EVENTS_TAKEN] = 2;
	cpu_ns = 2 * MS;
	share_look(&driver);
	CU_ASSERT_EQUAL(disk.share.asked_ns, 666666);
	CU_ASSERT_EQUAL(vif.share.asked_ns, 666666);
	said[0].counter[DRIVER_READS] += 1;
	said[0].counter[DRIVER_EVENTS_TAKEN] += 4;
	said[1].counter[DRIVER_TX_PACKETS] += 1;
	cpu_ns += 5 * MS;
	share_look(&driver);
	CU_ASSERT_EQUAL(disk.share.asked_ns, 666666 + 4 * MS);
	CU_ASSERT_EQUAL(vif.share.asked_ns, 666666 + MS);
}

static void time_without_work_is_nobodys(void)
{
	given_a_disk_and_an_interface();
	cpu_ns = 5 * MS;
	share_look(&driver);
	said[0].counter[DRIVER_WRITES] = 1;
	cpu_ns += MS;
	share_look(&driver);
	CU_ASSERT_EQUAL(disk.share.busy_ns, MS);
	CU_ASSERT_EQUAL(vif.share.busy_ns, 0);
}

static void who_is_attached_anew_begins_anew(void)
{
	given_a_disk_and_an_interface();
	said[0].counter[DRIVER_WRITES] = 10;
	cpu_ns = MS;
	share_look(&driver);
	disk.serial++;
	said[0].counter[DRIVER_WRITES] = 1;
	cpu_ns += MS;
	share_look(&driver);
	CU_ASSERT_EQUAL(disk.share.busy_ns, MS);
}

static void counters_that_lie_cost_nobody_else_more_than_there_was(void)
{
	given_a_disk_and_an_interface();
	memset(said[0].counter, 0xff, sizeof(said[0].counter));
	said[1].counter[DRIVER_TX_PACKETS] = 1;
	cpu_ns = MS;
	share_look(&driver);
	CU_ASSERT_TRUE(disk.share.busy_ns + vif.share.busy_ns <= MS);
	memset(said[0].counter, 0, sizeof(said[0].counter));
	said[1].counter[DRIVER_TX_PACKETS]++;
	cpu_ns += MS;
	share_look(&driver);
	CU_ASSERT_TRUE(disk.share.busy_ns + vif.share.busy_ns <= 2 * MS);
}

static void others_and_the_detached_get_none(void)
{
	given_a_disk_and_an_interface();
	vif.driver = &other;
	said[0].answer = DRIVER_REFUSED;
	said[0].counter[DRIVER_READS] = said[1].counter[DRIVER_TX_PACKETS] = 9;
	cpu_ns = MS;
	share_look(&driver);
	is_gone = true;
	share_look(&driver);
	CU_ASSERT_EQUAL(disk.share.busy_ns + vif.share.busy_ns, 0);
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	host.core.call = xencall_open(NULL, 0);
	suite = CU_add_suite("share", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(time_goes_where_work_was_done);
	TEST(what_others_send_is_not_what_it_asked_for);
	TEST(events_for_nothing_are_asked_for);
	TEST(time_without_work_is_nobodys);
	TEST(who_is_attached_anew_begins_anew);
	TEST(counters_that_lie_cost_nobody_else_more_than_there_was);
	TEST(others_and_the_detached_get_none);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
