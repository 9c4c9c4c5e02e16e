/* SPDX-License-Identifier: MIT */
/* What a skinkd that was ended in the middle of something leaves in state.json, and what the next one makes of it. */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/manifest.h"
#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/job.h"
#include "skinkd/life.h"
#include "skinkd/monitor_line.h"
#include "skinkd/state.h"
#include "skinkd/watch.h"

#define ID		7
#define GUEST		"<domain type='skink'><name>web</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>" \
			"<os><type>linux</type><kernel>/k</kernel></os></domain>"

struct host host;

/* ---- the core ---- */

static int pauses;

int xencall1(xencall_handle *handle, unsigned int hypercall, uint64_t argument)
{
	const struct xen_domctl *operation = (const struct xen_domctl *)argument;

	CU_ASSERT_EQUAL(operation->domain, ID);
	if (operation->cmd == XEN_DOMCTL_unpausedomain && !pauses) {
		errno = EINVAL;
		return -1;
	}
	pauses += operation->cmd == XEN_DOMCTL_pausedomain ? 1 : operation->cmd == XEN_DOMCTL_unpausedomain ? -1 : 0;
	return 0;
}

/* ---- in skinkd's place ---- */

static struct driver driver;
static struct monitor monitor;
static struct {
	bool is_open;
	enum phase phase;
	int pauses;
} opened;

void event(const char *kind, const char *domain, int id, const char *format, ...)
{
}

struct domain *domain_add(struct manifest *manifest)
{
	struct domain *domain = calloc(1, sizeof(*domain));

	domain->manifest = manifest;
	host.domains = domain;
	return domain;
}

void domain_remove(struct domain *domain)
{
	manifest_free(domain->manifest);
	free(domain);
	host.domains = NULL;
}

bool uuid_parse(const char *text, uint8_t uuid[16])
{
	return true;
}

json_t *attach_out(void)
{
	return json_array();
}

void attach_in(json_t *list)
{
}

json_t *monitor_out(const struct domain *domain)
{
	return domain->monitor ? json_integer(domain->monitor->state) : json_null();
}

void monitor_in(struct domain *domain, json_t *json)
{
	if (json_is_integer(json))
		domain->monitor = &monitor;
}

json_t *driver_out(const struct driver *one)
{
	return json_true();
}

bool driver_in(json_t *json, struct driver_shared *shared)
{
	return json_is_true(json);
}

struct driver *driver_open(struct domain *domain, const struct driver_shared *shared)
{
	opened.is_open = true;
	opened.phase = domain->phase;
	opened.pauses = pauses;
	return domain->driver = &driver;
}

void watch_pause(struct monitor *one, bool is_on)
{
}

void monitor_tell_later(void)
{
}

void life_destroy(struct domain *domain)
{
}

void life_look(void)
{
}

/* The thread never comes back: skinkd is ended first. */
static struct job *under_way;

void job_start(struct job *job)
{
	under_way = job;
}

/* ---- given, when ---- */

static struct domain *given_a_domain(enum phase phase, bool is_driver)
{
	struct report report = { 0 };
	struct manifest *manifest;
	struct domain *domain;

	if (!manifest_parse(GUEST, strlen(GUEST), "web.xml", &manifest, &report))
		report_print(&report, stdout);
	CU_ASSERT_PTR_NOT_NULL_FATAL(manifest);
	report_free(&report);
	domain = domain_add(manifest);
	domain->id = ID;
	domain->phase = phase;
	monitor = (struct monitor){ .state = MONITOR_SERVING };
	if (is_driver) {
		domain->driver = &driver;
		domain->monitor = &monitor;
	}
	memset(&opened, 0, sizeof(opened));
	pauses = 0;
	return domain;
}

static void nobody_waits(void *context, const struct outcome *result)
{
}

static void when_it_is_dumped(bool is_live)
{
	life_dump(host.domains, "/tmp/core", is_live, nobody_waits, NULL);
}

static struct domain *when_skinkd_is_killed(void)
{
	domain_remove(host.domains);
	free(under_way);
	under_way = NULL;
	CU_ASSERT_TRUE(state_load());
	CU_ASSERT_PTR_NOT_NULL_FATAL(host.domains);
	return host.domains;
}

/* ---- a dump that is cut off ---- */

static void driver_that_was_being_dumped_serves_on(void)		/* DR2 */
{
	for (int is_live = 0; is_live < 2; is_live++) {
		given_a_domain(PHASE_RUNNING, true);
		when_it_is_dumped(is_live);
		CU_ASSERT_EQUAL(pauses, !is_live);
		when_skinkd_is_killed();
		CU_ASSERT_EQUAL(pauses, 0);
		CU_ASSERT_TRUE(opened.is_open && opened.phase == PHASE_RUNNING && opened.pauses == 0);
		CU_ASSERT_EQUAL(host.domains->phase, PHASE_RUNNING);
		domain_remove(host.domains);
	}
}

static void pause_that_is_not_the_dump_s_stays(void)
{
	for (int is_live = 0; is_live < 2; is_live++) {
		given_a_domain(PHASE_RUNNING, true);
		pauses = 1;		/* its driver is held, or a hand has done it */
		when_it_is_dumped(is_live);
		when_skinkd_is_killed();
		CU_ASSERT_EQUAL(pauses, 1);
		CU_ASSERT_EQUAL(opened.pauses, 1);
		domain_remove(host.domains);
	}
}

static void driver_that_died_before_it_was_ready_is_not_taken_for_one_that_runs(void)
{
	given_a_domain(PHASE_ENDED, true);
	monitor.state = MONITOR_DEAD;
	when_it_is_dumped(false);
	when_skinkd_is_killed();
	CU_ASSERT_TRUE(opened.is_open && opened.phase == PHASE_ENDED);
	domain_remove(host.domains);
}

static void policy_of_a_guest_that_has_ended_is_obeyed_anew(void)
{
	given_a_domain(PHASE_ENDED, false);
	when_it_is_dumped(false);
	when_skinkd_is_killed();
	CU_ASSERT_EQUAL(host.domains->phase, PHASE_RUNNING);
	CU_ASSERT_EQUAL(pauses, 0);
	CU_ASSERT_FALSE(opened.is_open);
	domain_remove(host.domains);
}

int main(void)
{
	static char folder[] = "/tmp/skink-state-XXXXXX";
	char path[sizeof(folder) + 16];
	CU_pSuite suite;

	strcpy(host.conf.state_dir, mkdtemp(folder));
	host.core.call = xencall_open(NULL, 0);
	host.own = calloc(1, sizeof(*host.own));
	CU_initialize_registry();
	suite = CU_add_suite("state", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(driver_that_was_being_dumped_serves_on);
	TEST(pause_that_is_not_the_dump_s_stays);
	TEST(driver_that_died_before_it_was_ready_is_not_taken_for_one_that_runs);
	TEST(policy_of_a_guest_that_has_ended_is_obeyed_anew);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	snprintf(path, sizeof(path), "%s/state.json", folder);
	unlink(path);
	rmdir(folder);
	return CU_get_number_of_failures() ? 1 : 0;
}
