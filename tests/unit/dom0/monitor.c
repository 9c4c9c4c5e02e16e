/* SPDX-License-Identifier: MIT */
/* The monitor's line, against a core that is a few lines: what it asks of that, in which order, and what it counts. */
#include "skinkd/monitor_line.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/image.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/host.h"
#include "skinkd/life.h"
#include "skinkd/watch.h"

#define ID		7
#define FAR_US		3600000000UL

struct host host;

/* ---- the core ---- */

static struct {
	struct skink_driver_info info;
	int pauses, reset_error;
	char asked[64];			/* r: reset, p: pause, u: unpause, a: armed, d: disarmed */
} core;

static void note(char what)
{
	size_t length = strlen(core.asked);

	if (length + 1 < sizeof(core.asked))
		core.asked[length] = what;
}

static int do_reset(void)
{
	note('r');
	if (core.info.state == SKINK_DRIVER_STARTING)
		return -EAGAIN;
	if (core.reset_error)
		return core.reset_error;
	core.info.state = SKINK_DRIVER_SERVING;
	core.info.generation++;
	return 0;
}

static int do_domctl(const struct xen_domctl *operation)
{
	struct skink_domctl_driver_info to;

	CU_ASSERT_EQUAL(operation->domain, ID);
	switch (operation->cmd) {
	case SKINK_DOMCTL_reset:
		return do_reset();
	case SKINK_DOMCTL_arm:
		core.info.is_armed = *(const uint32_t *)&operation->u;
		note(core.info.is_armed ? 'a' : 'd');
		return core.info.state == SKINK_DRIVER_SERVING || !core.info.is_armed ? 0 : -EBUSY;
	case SKINK_DOMCTL_driver_info:
		memcpy(&to, &operation->u, sizeof(to));
		memcpy((void *)to.address, &core.info, sizeof(core.info));
		return 0;
	case XEN_DOMCTL_pausedomain:
		core.pauses++;
		note('p');
		return 0;
	case XEN_DOMCTL_unpausedomain:
		if (!core.pauses)
			return -EINVAL;
		core.pauses--;
		note('u');
		return 0;
	default:
		return -ENOSYS;
	}
}

/* In libxencall's place. */
int xencall1(xencall_handle *handle, unsigned int hypercall, uint64_t argument)
{
	int result = do_domctl((const struct xen_domctl *)argument);

	errno = -result;
	return result ? -1 : 0;
}

/* In skinkd's place. */
void driver_text(const char *from, size_t bytes, char *text, size_t room)
{
	snprintf(text, room, "%.*s", (int)bytes, from);
}

void monitor_tell_later(void)
{
}

void monitor_wake(void)
{
}

bool monitor_is_after(uint64_t report_ns, uint64_t ns)
{
	return false;
}

const char *fault_name(enum fault_kind kind)
{
	return "crash";
}

const char *monitor_state_name(enum monitor_state state)
{
	return "serving";
}

const char *driver_image(const struct manifest *manifest)
{
	return "its manifest's";
}

void watch_add(struct monitor *one)
{
}

void watch_free(struct monitor *one)
{
}

void watch_pause(struct monitor *one, bool is_on)
{
}

void life_restart(struct domain *domain)
{
}

void life_changed(void)
{
}

/* In place of lib/image.h and what monitor_image.c asks of the core. l: loaded, n: renewed. */
static struct { int load_error; bool is_shut_down, is_unfit; } images;

static int played_image_load(struct core *unused, domid_t id, struct driver_shared *shared, const struct image *image)
{
	note('l');
	core.info.state = SKINK_DRIVER_STARTING;
	core.info.generation++;
	core.info.is_armed = 0;
	return images.load_error;
}

static int played_image_check(const struct driver_note *note, const struct driver_table *table, char *why, size_t room)
{
	return images.is_unfit ? -EINVAL : 0;
}

static void played_image_free(struct image *image)
{
}

static int played_core_open(struct core *unused)
{
	return 0;
}

static int played_core_renew(struct core *unused, domid_t id)
{
	note('n');
	return 0;
}

static int played_core_domain_info(struct core *unused, domid_t id, struct xen_domctl_getdomaininfo *info)
{
	*info = (struct xen_domctl_getdomaininfo){ .flags = (images.is_shut_down ? XEN_DOMINF_shutdown : 0) |
							    (core.pauses ? XEN_DOMINF_paused : 0) };
	return 0;
}

#define image_load	played_image_load
#define image_check	played_image_check
#define image_free	played_image_free
#define core_open	played_core_open
#define core_renew	played_core_renew
#define core_domain_info played_core_domain_info
#include "skinkd/monitor_image.c"
#include "skinkd/monitor_record.c"

/* ---- given, when ---- */

static struct driver_table table;
static struct driver driver = { .table = &table };
static struct monitor monitor;

static struct monitor *given_serving(struct manifest_restart policy)
{
	memset(&core, 0, sizeof(core));
	memset(&images, 0, sizeof(images));
	table = (struct driver_table){ 0 };
	core.info.state = SKINK_DRIVER_SERVING;
	monitor = (struct monitor){ .driver = &driver, .id = ID, .policy = policy, .arm_us = UINT64_MAX, .last.kind = FAULT_KINDS };
	driver.monitor = &monitor;
	monitor_look_at(&monitor);
	memset(core.asked, 0, sizeof(core.asked));
	return &monitor;
}

static struct manifest_restart policy_of(uint32_t limit, uint64_t backoff_us, bool is_armed)
{
	return (struct manifest_restart){ .is_automatic = true, .is_armed = is_armed, .limit = limit, .within_us = FAR_US,
					  .backoff_us = backoff_us, .backoff_max_us = FAR_US, .then = EXHAUSTED_QUARANTINE_HOLD };
}

static void dies(enum skink_driver_cause cause)
{
	core.info.state = SKINK_DRIVER_DEAD;
	core.info.is_armed = 0;
	core.info.cause = cause;
	strcpy(core.info.text, "a page fault");
	monitor_look_at(&monitor);
}

/* As the core does it alone. */
static void dies_armed(void)
{
	core.info.is_armed = 0;
	core.info.cause = SKINK_CAUSE_CRASH;
	core.info.generation++;
	monitor_look_at(&monitor);
}

static void pause_is_over(void)
{
	monitor_do_due(&monitor, monitor.due_us);
}

/* ---- then ---- */

static void ready_is_armed_if_the_policy_has_it_so(void)
{
	given_serving(policy_of(5, 1000, true));
	CU_ASSERT_TRUE(core.info.is_armed && monitor.is_armed);
	CU_ASSERT_EQUAL(monitor.state, MONITOR_SERVING);
	given_serving(policy_of(5, 1000, false));
	CU_ASSERT_FALSE(core.info.is_armed);
}

static void death_that_the_core_mended_is_counted_once(void)	/* MO3 */
{
	given_serving(policy_of(5, 1000, true));
	dies_armed();
	monitor_look_at(&monitor);
	monitor_look_at(&monitor);
	CU_ASSERT_EQUAL(monitor.restarts, 1);
	CU_ASSERT_EQUAL(monitor.deaths_of[FAULT_CRASH], 1);
	CU_ASSERT_TRUE(monitor.last.is_by_core);
	CU_ASSERT_FALSE(core.info.is_armed);		/* RS3: the next one waits a while */
	CU_ASSERT_STRING_EQUAL(core.asked, "");
}

static void unarmed_death_is_reset_at_once(void)
{
	given_serving(policy_of(5, 1000, false));
	dies(SKINK_CAUSE_SHUTDOWN);
	CU_ASSERT_STRING_EQUAL(core.asked, "r");
	CU_ASSERT_EQUAL(monitor.state, MONITOR_SERVING);
	CU_ASSERT_EQUAL(monitor.deaths_of[FAULT_SHUTDOWN], 1);
	CU_ASSERT_STRING_EQUAL(monitor.last.text, "a page fault");
	monitor_look_at(&monitor);
	CU_ASSERT_EQUAL(monitor.restarts, 1);
}

static void hang_is_reset_where_it_stands(void)
{
	given_serving(policy_of(5, 1000, false));
	monitor.deadline_us = monitor_now_us() - 30;
	monitor_fault(&driver, FAULT_HANG, "nothing answered for %d ms", 5);
	CU_ASSERT_STRING_EQUAL(core.asked, "r");
	CU_ASSERT_TRUE(monitor.last.late_us >= 30);
	CU_ASSERT_EQUAL(core.pauses, 0);
	CU_ASSERT_EQUAL(monitor.deaths_of[FAULT_HANG], 1);
	CU_ASSERT_STRING_EQUAL(monitor.last.text, "nothing answered for 5 ms");
}

static void second_hang_stands_still_until_its_pause_is_over(void)
{
	given_serving(policy_of(5, 1000, false));
	monitor_fault(&driver, FAULT_HANG, "once");
	monitor_fault(&driver, FAULT_HANG, "twice");
	CU_ASSERT_EQUAL(monitor.state, MONITOR_BACKING_OFF);
	CU_ASSERT_EQUAL(core.pauses, 1);
	monitor_fault(&driver, FAULT_HANG, "not a third time: it stands still");
	CU_ASSERT_EQUAL(monitor.deaths_of[FAULT_HANG], 2);
	CU_ASSERT_EQUAL(monitor_do_due(&monitor, monitor.due_us - 1), monitor.due_us);
	CU_ASSERT_EQUAL(core.pauses, 1);
	pause_is_over();
	CU_ASSERT_STRING_EQUAL(core.asked, "rpru");
	CU_ASSERT_EQUAL(core.pauses, 0);
	CU_ASSERT_EQUAL(monitor.state, MONITOR_SERVING);
	CU_ASSERT_TRUE(monitor.last.is_late);
}

static void one_that_is_used_up_is_stopped_before_it_is_reset(void)	/* MO4 */
{
	given_serving(policy_of(1, 0, false));
	dies(SKINK_CAUSE_CRASH);
	dies(SKINK_CAUSE_CRASH);
	CU_ASSERT_STRING_EQUAL(core.asked, "rpr");
	CU_ASSERT_EQUAL(monitor.state, MONITOR_HELD);
	CU_ASSERT_EQUAL(core.pauses, 1);
	monitor_look_at(&monitor);
	monitor_fault(&driver, FAULT_ABUSE, "it does not run");
	CU_ASSERT_STRING_EQUAL(core.asked, "rpr");
	CU_ASSERT_EQUAL(monitor_by_hand(&monitor), 0);
	CU_ASSERT_EQUAL(core.pauses, 0);
	CU_ASSERT_EQUAL(monitor.state, MONITOR_SERVING);
	CU_ASSERT_EQUAL(monitor.history.count, 0);
}

static void pause_that_somebody_else_took_off_is_made_anew(void)	/* MO4 */
{
	given_serving(policy_of(2, 1000, false));
	monitor_fault(&driver, FAULT_HANG, "once");
	monitor_fault(&driver, FAULT_HANG, "twice");
	CU_ASSERT_EQUAL(core.pauses, 1);
	core.pauses = 0;
	pause_is_over();
	CU_ASSERT_EQUAL(monitor.state, MONITOR_SERVING);
	monitor_fault(&driver, FAULT_HANG, "it is used up");
	CU_ASSERT_EQUAL(monitor.state, MONITOR_HELD);
	CU_ASSERT_EQUAL(core.pauses, 1);
}

static void by_hand_does_not_count(void)
{
	given_serving(policy_of(1, 0, true));
	for (int i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(monitor_by_hand(&monitor), 0);
	CU_ASSERT_EQUAL(monitor.history.count, 0);
	CU_ASSERT_EQUAL(monitor.deaths_of[FAULT_BY_HAND], 10);
	CU_ASSERT_TRUE(core.info.is_armed);
}

static void only_a_driver_that_ended_itself_accuses_a_request(void)
{
	static const enum fault_kind pardoned[] = { FAULT_HEARTBEAT, FAULT_DEVICE, FAULT_ABUSE, FAULT_STORM, FAULT_PROTOCOL };

	given_serving(policy_of(100, 0, false));
	for (size_t i = 0; i < sizeof(pardoned) / sizeof(*pardoned); i++) {
		monitor_fault(&driver, pardoned[i], "it is ill");
		CU_ASSERT_EQUAL(table.pardoned, core.info.generation);
	}
	CU_ASSERT_EQUAL(monitor_by_hand(&monitor), 0);
	CU_ASSERT_EQUAL(table.pardoned, core.info.generation);
	dies(SKINK_CAUSE_CRASH);
	CU_ASSERT_EQUAL(table.pardoned, 0);
	monitor_by_hand(&monitor);
	monitor_fault(&driver, FAULT_HANG, "it hangs");
	CU_ASSERT_EQUAL(table.pardoned, 0);
}

static void pardon_of_a_reset_that_failed_is_taken_back(void)
{
	given_serving(policy_of(100, 0, false));
	core.reset_error = -EIO;
	monitor_by_hand(&monitor);
	CU_ASSERT_EQUAL(table.pardoned, 1);
	core.reset_error = 0;
	monitor.last.kind = FAULT_CRASH;
	pause_is_over();
	CU_ASSERT_EQUAL(core.info.generation, 1);
	CU_ASSERT_EQUAL(table.pardoned, 0);
}

static void reset_that_fails_is_tried_again(void)
{
	given_serving(policy_of(5, 1000, false));
	core.reset_error = -EIO;
	dies(SKINK_CAUSE_CRASH);
	CU_ASSERT_EQUAL(monitor.last.result, -EIO);
	CU_ASSERT_EQUAL(monitor.state, MONITOR_BACKING_OFF);
	pause_is_over();
	CU_ASSERT_EQUAL(monitor.state, MONITOR_BACKING_OFF);
	core.reset_error = 0;
	pause_is_over();
	CU_ASSERT_EQUAL(monitor.state, MONITOR_SERVING);
	CU_ASSERT_EQUAL(monitor.restarts, 1);
}

/* Each try is told of and written down. */
static void core_that_refuses_is_asked_less_and_less(void)
{
	uint64_t last_us = 0;

	given_serving(policy_of(5, 1000, false));
	core.reset_error = -EIO;
	dies(SKINK_CAUSE_CRASH);
	CU_ASSERT_EQUAL(monitor.last.pause_us, 1000);
	for (int i = 0; i < 20; i++) {
		last_us = monitor.last.pause_us;
		pause_is_over();
		CU_ASSERT(monitor.last.pause_us == 2 * last_us || monitor.last.pause_us == 4096000);
	}
	CU_ASSERT_EQUAL(last_us, 4096000);
	core.reset_error = 0;
	pause_is_over();
	CU_ASSERT_EQUAL(monitor.state, MONITOR_SERVING);
	core.reset_error = -EIO;
	monitor_by_hand(&monitor);
	CU_ASSERT_EQUAL(monitor.last.pause_us, 1000);
}

static void deaths_that_nobody_hears_of_are_counted_and_cost_no_memory(void)
{
	struct monitor_death death;
	int count = 0;

	given_serving(policy_of(1000, 0, false));
	for (int i = 0; i < MONITOR_DEATHS + 5; i++)
		dies(SKINK_CAUSE_CRASH);
	CU_ASSERT_EQUAL(monitor.untold_lost, 5);
	while (monitor_next_death(&monitor, &death))
		count++;
	CU_ASSERT_EQUAL(count, MONITOR_DEATHS);
	CU_ASSERT_EQUAL(monitor.restarts, MONITOR_DEATHS + 5);
}

static void one_that_dies_before_it_is_ready_is_never_reset(void)
{
	given_serving(policy_of(1, 0, true));
	core.info.state = SKINK_DRIVER_STARTING;
	monitor.state = MONITOR_STARTING;
	monitor_look_at(&monitor);
	monitor_dies_early(&monitor, "no such device");
	CU_ASSERT_EQUAL(monitor.state, MONITOR_BACKING_OFF);
	pause_is_over();
	CU_ASSERT_EQUAL(monitor.due_us, UINT64_MAX);	/* the loop builds it anew */
	monitor_dies_early(&monitor, "no such device");
	CU_ASSERT_EQUAL(monitor.state, MONITOR_CLOSED);
	CU_ASSERT_STRING_EQUAL(core.asked, "");
}

/* ---- another image ---- */

static struct image *image_named(const char *file)
{
	struct image *image = calloc(1, sizeof(*image));

	snprintf(image->file, sizeof(image->file), "%s", file);
	return image;
}

/* It has been loaded, and has not said ready. */
static void given_changing(struct manifest_restart policy)
{
	struct domain domain = { .monitor = &monitor };
	char why[MONITOR_TEXT];

	given_serving(policy);
	CU_ASSERT_EQUAL(monitor_change(&domain, image_named("new"), image_named("old"), why), 0);
	CU_ASSERT_EQUAL(monitor_change(&domain, NULL, NULL, why), -1);
	CU_ASSERT_EQUAL(monitor.state, MONITOR_CHANGING);
	monitor_do_due(&monitor, monitor_now_us());
	CU_ASSERT_STRING_EQUAL(core.asked, "plu");
	CU_ASSERT_STRING_EQUAL(monitor.images.file, "new");
}

static void says_ready(void)
{
	core.info.state = SKINK_DRIVER_SERVING;
	monitor_look_at(&monitor);
	CU_ASSERT_EQUAL(monitor.state, MONITOR_SERVING);
}

static void trial_is_over(void)
{
	monitor_do_due(&monitor, monitor.images.until_us);
}

static void new_image_serves_and_is_armed_when_its_trial_is_over(void)
{
	given_changing(policy_of(5, 1000, true));
	says_ready();
	CU_ASSERT_TRUE(monitor.last.is_change && monitor.last.is_late);
	CU_ASSERT_FALSE(core.info.is_armed);
	CU_ASSERT_EQUAL(monitor.history.count, 0);
	trial_is_over();
	CU_ASSERT_PTR_NULL(monitor.images.back);
	CU_ASSERT_TRUE(core.info.is_armed);
	dies(SKINK_CAUSE_CRASH);
	CU_ASSERT_STRING_EQUAL(monitor.images.file, "new");
}

static void new_image_that_dies_in_its_trial_gives_way(void)
{
	given_changing(policy_of(5, 1000, true));
	says_ready();
	dies(SKINK_CAUSE_CRASH);
	CU_ASSERT_EQUAL(monitor.last.then, MONITOR_CHANGING);
	CU_ASSERT_STRING_EQUAL(monitor.last.image, "new");
	CU_ASSERT_STRING_EQUAL(core.asked, "pluplu");
	CU_ASSERT_STRING_EQUAL(monitor.images.file, "old");
	says_ready();
	CU_ASSERT_PTR_NULL(monitor.images.back);
	CU_ASSERT_EQUAL(monitor.deaths_of[FAULT_CRASH], 1);
	CU_ASSERT_EQUAL(core.pauses, 0);
}

static void so_does_one_that_is_found_at_fault(void)
{
	given_changing(policy_of(5, 1000, true));
	says_ready();
	monitor_fault(&driver, FAULT_HANG, "nothing answered");
	CU_ASSERT_STRING_EQUAL(monitor.images.file, "old");
}

static void so_does_one_that_is_never_ready(void)
{
	given_changing(policy_of(5, 1000, true));
	monitor_look_at(&monitor);
	CU_ASSERT_STRING_EQUAL(monitor.images.file, "new");
	images.is_shut_down = true;
	monitor_look_at(&monitor);
	CU_ASSERT_STRING_EQUAL(monitor.images.file, "old");
	given_changing(policy_of(5, 1000, true));
	monitor_do_due(&monitor, monitor.images.until_us);
	CU_ASSERT_STRING_EQUAL(monitor.images.file, "old");
	CU_ASSERT_PTR_NOT_NULL(strstr(monitor.last.text, "not said ready"));
	given_changing(policy_of(5, 1000, true));
	monitor_gave_up(&driver, "no such device");
	CU_ASSERT_STRING_EQUAL(monitor.images.file, "old");
	CU_ASSERT_PTR_NOT_NULL(strstr(monitor.last.text, "no such device"));
}

/* It is the driver's, and cut where it no longer fits; who shows it makes JSON of it. */
static void what_a_new_image_says_is_told_in_utf8(void)
{
	char words[121] = "", file[101] = "";

	for (int i = 0; i < 60; i++)
		strcat(words, "\xc3\xa9");
	memset(file, 'x', 100);
	for (int length = 80; length <= 100; length++) {
		json_t *text;

		given_changing(policy_of(5, 1000, true));
		snprintf(monitor.images.file, sizeof(monitor.images.file), "%.*s", length, file);
		monitor_gave_up(&driver, words);
		text = json_string(monitor.last.text);
		CU_ASSERT_PTR_NOT_NULL(text);
		json_decref(text);
		monitor_images_free(&monitor);
	}
}

/* MO4 */
static void when_the_old_one_does_not_come_up_either_it_is_held(void)
{
	given_changing(policy_of(5, 1000, true));
	monitor_gave_up(&driver, "no such device");
	monitor_gave_up(&driver, "no such device");
	CU_ASSERT_EQUAL(monitor.state, MONITOR_HELD);
	CU_ASSERT_TRUE(monitor.is_unborn);
	CU_ASSERT_STRING_EQUAL(core.asked, "pluplupn");
	CU_ASSERT_EQUAL(core.pauses, 1);
}

static void fallback_comes_when_restarts_are_used_up_and_once(void)
{
	given_serving(policy_of(1, 0, false));
	monitor.images.fallback = image_named("other");
	dies(SKINK_CAUSE_CRASH);
	dies(SKINK_CAUSE_CRASH);
	CU_ASSERT_STRING_EQUAL(core.asked, "rplu");
	says_ready();
	CU_ASSERT_EQUAL(monitor.history.count, 0);
	dies(SKINK_CAUSE_CRASH);
	CU_ASSERT_EQUAL(monitor.state, MONITOR_SERVING);
	dies(SKINK_CAUSE_CRASH);
	CU_ASSERT_EQUAL(monitor.state, MONITOR_HELD);
	CU_ASSERT_STRING_EQUAL(monitor.images.file, "other");
}

static void fallback_that_cannot_serve_is_not_tried(void)
{
	given_serving(policy_of(0, 0, false));
	monitor.images.fallback = image_named("other");
	images.is_unfit = true;
	dies(SKINK_CAUSE_CRASH);
	CU_ASSERT_EQUAL(monitor.state, MONITOR_HELD);
	CU_ASSERT_STRING_EQUAL(core.asked, "pr");
	monitor_images_free(&monitor);
}

/* ---- a skinkd that was ended while another image began ---- */

static struct manifest manifest;
static struct domain domain;

/* What it kept of it is what the next one begins with. */
static struct monitor *given_another_skinkd(void)
{
	json_t *kept;

	manifest.driver.restart = monitor.policy;
	domain = (struct domain){ .id = ID, .phase = PHASE_RUNNING, .manifest = &manifest, .driver = &driver, .monitor = &monitor };
	kept = monitor_out(&domain);
	monitor_images_free(&monitor);
	domain.monitor = NULL;
	monitor_in(&domain, kept);
	json_decref(kept);
	driver.domain = &domain;
	monitor_add(&driver);
	memset(core.asked, 0, sizeof(core.asked));
	return domain.monitor;
}

static void then_it_serves_and_has_not_died(struct monitor *one)
{
	CU_ASSERT_EQUAL(one->state, MONITOR_SERVING);
	CU_ASSERT_EQUAL(one->deaths_of[FAULT_CRASH], 0);
	CU_ASSERT_TRUE(one->last.kind == FAULT_KINDS || one->last.is_change);
	CU_ASSERT_PTR_NULL(strchr(core.asked, 'n'));
	monitor_free(&domain);
}

static void image_that_begins_is_waited_for_by_the_next_skinkd(void)
{
	struct monitor *one;

	given_changing(policy_of(5, 1000, false));
	one = given_another_skinkd();
	monitor_look_at(one);
	monitor_do_due(one, monitor_now_us());
	CU_ASSERT_EQUAL(one->state, MONITOR_CHANGING);
	core.info.state = SKINK_DRIVER_SERVING;
	monitor_look_at(one);
	CU_ASSERT_STRING_EQUAL(one->images.file, "new");
	then_it_serves_and_has_not_died(one);
}

static void image_that_is_ready_before_the_next_skinkd_is_no_death(void)
{
	struct monitor *one;

	given_changing(policy_of(5, 1000, false));
	one = given_another_skinkd();
	core.info.state = SKINK_DRIVER_SERVING;
	monitor_look_at(one);
	monitor_do_due(one, monitor_now_us());
	CU_ASSERT_EQUAL(one->untold_count, 0);
	then_it_serves_and_has_not_died(one);
}

static void image_that_was_not_loaded_yet_is_forgotten_by_the_next_skinkd(void)
{
	struct domain asked = { .monitor = &monitor };
	char why[MONITOR_TEXT];
	struct monitor *one;

	given_serving(policy_of(5, 1000, false));
	CU_ASSERT_EQUAL(monitor_change(&asked, image_named("new"), image_named("old"), why), 0);
	one = given_another_skinkd();
	monitor_look_at(one);
	monitor_do_due(one, monitor_now_us());
	then_it_serves_and_has_not_died(one);
}

static void image_that_was_half_loaded_is_loaded_by_the_next_skinkd(void)
{
	struct monitor *one;

	given_changing(policy_of(5, 1000, false));
	core.pauses = 1;
	one = given_another_skinkd();
	monitor_look_at(one);
	monitor_do_due(one, monitor_now_us());
	CU_ASSERT_TRUE(one->images.is_missing);
	CU_ASSERT_EQUAL(monitor_change(&domain, image_named("new"), NULL, (char [MONITOR_TEXT]){ "" }), 0);
	monitor_do_due(one, monitor_now_us());
	core.info.state = SKINK_DRIVER_SERVING;
	monitor_look_at(one);
	CU_ASSERT_EQUAL(core.pauses, 0);
	then_it_serves_and_has_not_died(one);
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("monitor", NULL, NULL);
	if (monitor_line_open())
		return 1;
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(ready_is_armed_if_the_policy_has_it_so);
	TEST(death_that_the_core_mended_is_counted_once);
	TEST(unarmed_death_is_reset_at_once);
	TEST(hang_is_reset_where_it_stands);
	TEST(second_hang_stands_still_until_its_pause_is_over);
	TEST(one_that_is_used_up_is_stopped_before_it_is_reset);
	TEST(pause_that_somebody_else_took_off_is_made_anew);
	TEST(by_hand_does_not_count);
	TEST(only_a_driver_that_ended_itself_accuses_a_request);
	TEST(pardon_of_a_reset_that_failed_is_taken_back);
	TEST(reset_that_fails_is_tried_again);
	TEST(core_that_refuses_is_asked_less_and_less);
	TEST(deaths_that_nobody_hears_of_are_counted_and_cost_no_memory);
	TEST(one_that_dies_before_it_is_ready_is_never_reset);
	TEST(new_image_serves_and_is_armed_when_its_trial_is_over);
	TEST(new_image_that_dies_in_its_trial_gives_way);
	TEST(so_does_one_that_is_found_at_fault);
	TEST(so_does_one_that_is_never_ready);
	TEST(what_a_new_image_says_is_told_in_utf8);
	TEST(when_the_old_one_does_not_come_up_either_it_is_held);
	TEST(fallback_comes_when_restarts_are_used_up_and_once);
	TEST(fallback_that_cannot_serve_is_not_tried);
	TEST(image_that_begins_is_waited_for_by_the_next_skinkd);
	TEST(image_that_is_ready_before_the_next_skinkd_is_no_death);
	TEST(image_that_was_not_loaded_yet_is_forgotten_by_the_next_skinkd);
	TEST(image_that_was_half_loaded_is_loaded_by_the_next_skinkd);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
