/* SPDX-License-Identifier: MIT */
/* A guest's interfaces at a driver domain that does as it is told: what is counted and told of them when they come and go. */
#include <CUnit/Basic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "skinkd/attach_nodes.h"
#include "skinkd/attach_step.h"
#include "skinkd/disks.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/methods.h"
#include "skinkd/monitor.h"
#include "skinkd/state.h"
#include "skinkd/text.h"
#include "skinkd/transient.h"
#include "skinkd/usage.h"
#include "skinkd/watch.h"

#define GUEST	3
#define UUID	"6a1f7a4e-33c5-4c7e-9b32-5f4de63fd5f1"

struct host host;

static struct manifest_interface interfaces[2] = { { .mac = { 0, 0x16, 0x3e, 0, 0, 1 } }, { .mac = { 0, 0x16, 0x3e, 0, 0, 2 } } };
static struct manifest_disk disks[1] = { { .target = (char []){ "xvda" } } };
static struct manifest manifest = { .name = (char []){ "web" }, .interfaces = interfaces, .interface_count = 2, .disks = disks, .disk_count = 1,
				    .vcpus = 1 };
static struct domain guest = { .id = GUEST, .phase = PHASE_RUNNING, .manifest = &manifest };
static struct manifest net_manifest = { .name = (char []){ "net0" }, .role = ROLE_NET };
static struct driver driver;
static struct domain net0 = { .id = 7, .manifest = &net_manifest, .driver = &driver };
static struct driver driver = { .domain = &net0, .state = DRIVER_SERVING };

static union {
	struct driver_table table;
	uint8_t bytes[DRIVER_TABLE_BYTES(DRIVER_ATTACHMENTS_MAX)];
} its_table;
static union {
	struct driver_status status;
	uint8_t bytes[DRIVER_STATUS_BYTES(DRIVER_ATTACHMENTS_MAX)];
} its_status;
static uint8_t its_ledger[1 << 20];

/* ---- the core, in libxencall's place ---- */

int xencall1(xencall_handle *handle, unsigned int hypercall, uint64_t argument)
{
	struct xen_sysctl *operation = (struct xen_sysctl *)argument;
	struct xen_domctl_getdomaininfo *info = operation->u.getdomaininfolist.buffer.p;

	memset(info, 0, sizeof(*info));
	info->domain = GUEST;
	info->tot_pages = 256;
	operation->u.getdomaininfolist.num_domains = 1;
	return 0;
}

/* ---- the clocks ---- */

static time_t date, up;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	*now = (struct timespec){ .tv_sec = clock == CLOCK_REALTIME ? date : up };
	return 0;
}

static void when_time_goes_by(time_t seconds)
{
	date += seconds;
	up += seconds;
	uv_update_time(host.loop);
}

/* ---- in skinkd's place ---- */

static unsigned int told;
static char *saved;		/* usage.json */
static const char *asked_for;
static json_t *answered;

void event(const char *kind, const char *domain, int id, const char *format, ...)
{
	told++;
}

struct domain *domain_by_id(domid_t id)
{
	return id == GUEST ? &guest : id == net0.id ? &net0 : NULL;
}

struct domain *domain_by_uuid(const uint8_t uuid[16])
{
	return &guest;
}

bool uuid_parse(const char *text, uint8_t uuid[16])
{
	return true;
}

json_t *domain_json(const struct domain *domain)
{
	return json_pack("{s:s, s:s, s:i}", "uuid", UUID, "role", "guest", "restarts", 0);
}

struct driver *driver_find(const char *name, enum driver_role role)
{
	return &driver;
}

bool driver_serves(const struct driver *one)
{
	return true;
}

bool monitor_is_stopped(const struct driver *one)
{
	return false;
}

bool monitor_is_closed(const struct driver *one)
{
	return false;
}

/* What the next skinkd finds if this one is killed just then. */
static struct {
	json_t *attachments;
	uint64_t gone[2][ATTACH_SUMS];
	typeof(its_table) table;
	typeof(its_status) status;
} then;

void state_save(void)
{
	json_decref(then.attachments);
	then.attachments = attach_out();
	memcpy(then.gone, guest.gone, sizeof(then.gone));
	then.table = its_table;
	then.status = its_status;
}

int file_replace(const char *path, const char *text)
{
	free(saved);
	saved = strdup(text);
	return 0;
}

void log_append(const char *name, const char *text, size_t bytes)
{
}

void watch_take(struct attachment *attachment)
{
}

void watch_drop(struct attachment *attachment)
{
}

static bool copies_are_dropped;		/* by a pool of volumes, which looks at all attachments then */

void transient_drop(struct attachment *attachment)
{
	if (copies_are_dropped)
		attach_look();
}

enum disks_found transient_resolve(struct attachment *attachment, const struct manifest_disk *disk, char why[ATTACH_WHY])
{
	return DISKS_NEVER;
}

enum disks_found disks_resolve(struct driver *one, const struct manifest_disk *disk, bool is_own, struct driver_blk *blk, char why[ATTACH_WHY])
{
	*blk = (struct driver_blk){ .sector_bytes = 512, .extent_count = 1, .extent = { { 64, 128 } } };
	return DISKS_FOUND;
}

static bool is_own;

bool disks_overlap(const struct driver_blk *a, const struct driver_blk *b)
{
	return a->extent_count && b->extent_count;
}

bool disks_is_own(const struct attachment *attachment)
{
	return is_own && !strcmp(attachment->key, "xvdb");
}

const struct manifest *disks_own(void)
{
	return NULL;
}

void disks_take_up(const struct attachment *attachment)
{
}

void disks_forget(const struct driver *one)
{
}

void driver_text(const char *from, size_t bytes, char *text, size_t room)
{
	snprintf(text, room, "%.*s", (int)bytes, from);
}

bool rpc_unpack(struct request *request, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	va_arg(arguments, const char *);		/* the field's name */
	*va_arg(arguments, const char **) = asked_for;
	va_end(arguments);
	return true;
}

void rpc_answer(struct request *request, json_t *result)
{
	answered = result;
}

void rpc_fail(struct request *request, int code, const char *format, ...)
{
}

/* ---- the store ---- */

int attach_nodes_add(const struct attachment *attachment, domid_t driver_id)
{
	return 0;
}

void attach_nodes_remove(const struct attachment *attachment)
{
}

static enum xenbus_state stored_back, stored_front;

void attach_nodes_take_up(struct attachment *attachment)
{
	attachment->back = stored_back;
	attachment->front = stored_front;
}

void attach_front_path(const struct attachment *attachment, char path[ATTACH_PATH])
{
	*path = 0;
}

static uint32_t queues_offered;

void attach_back_put(void *attachment, const char *node, const char *value)
{
	if (!strcmp(node, "multi-queue-max-queues"))
		queues_offered = (uint32_t)atoi(value);
}

void attach_back_state(struct attachment *attachment, enum xenbus_state state)
{
	attachment->back = state;
}

enum xenbus_state attach_front_state(const struct attachment *attachment)
{
	return attachment->front;
}

static const char *port = "5";

char *attach_front_read(void *attachment, const char *node)
{
	const char *const nodes[][2] = { { "event-channel", port }, { "tx-ring-ref", "8" }, { "rx-ring-ref", "9" },
						{ "request-rx-copy", "1" }, { "feature-rx-notify", "1" }, { "ring-ref", "8" } };

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (!strcmp(node, nodes[i][0]))
			return strdup(nodes[i][1]);
	return NULL;
}

/* ---- the driver: a new serial begins with new counters ---- */

void driver_tell(struct driver *one)
{
	for (uint32_t i = 0; i < its_table.table.attachment_count; i++) {
		uint32_t serial = its_table.table.attachment[i].serial;
		struct driver_attachment_status *status = &its_status.status.attachment[i];

		if (serial && serial != status->serial)
			*status = (struct driver_attachment_status){ .serial = serial, .answer = DRIVER_ATTACHED };
		else if (!serial && status->serial)
			status->answer = DRIVER_DETACHED;
	}
	its_status.status.table_seen = ++its_table.table.changed;
}

static void when_it_counts(const struct attachment *attachment, uint64_t bytes)
{
	its_status.status.attachment[attachment->slot].counter[DRIVER_RX_BYTES] += bytes;
}

/* ---- the guest ---- */

static void when_its_front_end_is(struct attachment *attachment, enum xenbus_state state)
{
	attachment->front = state;
	attach_look();
}

static void when_it_connects(struct attachment *attachment)
{
	when_its_front_end_is(attachment, XenbusStateClosed);
	when_its_front_end_is(attachment, XenbusStateInitialising);
	when_its_front_end_is(attachment, XenbusStateConnected);
}

static struct attachment *given_an_interface(int number)
{
	char key[ATTACH_KEY];
	struct attachment *attachment;

	attach_mac_text(interfaces[number].mac, key);
	attachment = attach_add(GUEST, "web", ATTACH_VIF, key, "net0");
	when_it_connects(attachment);
	CU_ASSERT_EQUAL_FATAL(attachment->back, XenbusStateConnected);
	return attachment;
}

static struct attachment *given_a_disk(void)
{
	struct attachment *attachment;

	its_table.table.role = DRIVER_BLK;
	attachment = attach_add(GUEST, "web", ATTACH_VBD, disks[0].target, "disk0");
	when_it_connects(attachment);
	CU_ASSERT_EQUAL_FATAL(attachment->back, XenbusStateConnected);
	return attachment;
}

static void when_it_is_detached(struct attachment *attachment)
{
	attach_remove(attachment, true);
	attach_look();
}

static void given_a_guest(void)
{
	while (attachments)
		when_it_is_detached(attachments);
	memset(&its_table, 0, sizeof(its_table));
	memset(&its_status, 0, sizeof(its_status));
	memset(guest.gone, 0, sizeof(guest.gone));
	its_table.table.role = DRIVER_NET;
	its_table.table.attachment_count = DRIVER_ATTACHMENTS_MAX;
	driver.table = &its_table.table;
	driver.status = &its_status.status;
	driver.ledger = its_ledger;
	driver.shared.ledger_pages = sizeof(its_ledger) >> FRAME_SHIFT;
	usage_end(&guest);
	date = 1800000000;
	up = 1000;
	uv_update_time(host.loop);
	guest.started = (double)date;
	guest.started_ms = uv_now(host.loop);
}

static void given_a_file(const char *name, const char *text)
{
	char path[sizeof(host.conf.state_dir) + 32];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", host.conf.state_dir, name);
	file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

static void when_files_go(void)
{
	static const char *const names[] = { "usage.json", "usage.log" };
	char path[sizeof(host.conf.state_dir) + 32];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", host.conf.state_dir, names[i]);
		unlink(path);
	}
}

static double used(const char *key)
{
	json_t *list = usage_list(), *last = json_array_get(list, json_array_size(list) - 1);
	double value = json_number_value(json_object_get(last, key));

	json_decref(list);
	return value;
}

/* Its attachments as the last state_save() knew them, the driver's pages as they are, or as they were then. */
static struct attachment *when_skinkd_is_killed(bool is_then)
{
	struct attachment *next;

	if (is_then) {
		its_table = then.table;
		its_status = then.status;
	}
	for (struct attachment *attachment = attachments; attachment; attachment = next) {
		next = attachment->next;
		stored_back = attachment->back;
		stored_front = attachment->front;
		free(attachment);
	}
	attachments = NULL;
	memcpy(guest.gone, then.gone, sizeof(guest.gone));
	attach_in(then.attachments);
	CU_ASSERT_PTR_NOT_NULL_FATAL(attachments);
	return attachments;
}

/* ---- what is billed ---- */

static void a_device_that_goes_leaves_what_it_had_and_no_more(void)		/* K4, US1 */
{
	struct attachment *first, *second;

	given_a_guest();
	first = given_an_interface(0);
	second = given_an_interface(1);
	when_it_counts(first, 100);
	when_it_counts(second, 50);
	CU_ASSERT_EQUAL(used("net_rx_bytes"), 150);
	for (uint64_t cycle = 1; cycle < 4; cycle++) {
		when_it_is_detached(second);
		CU_ASSERT_PTR_NULL_FATAL(attachments->next);
		CU_ASSERT_EQUAL(used("net_rx_bytes"), 100 + 50 * cycle);
		second = given_an_interface(1);
		CU_ASSERT_EQUAL(used("net_rx_bytes"), 100 + 50 * cycle);
		when_it_counts(second, 50);
	}
}

static void a_device_that_connects_anew_between_two_looks_is_counted(void)	/* K4 */
{
	struct attachment *attachment;

	given_a_guest();
	attachment = given_an_interface(0);
	CU_ASSERT_EQUAL(used("net_rx_bytes"), 0);
	when_it_counts(attachment, 1000);
	when_it_connects(attachment);
	when_it_counts(attachment, 7);
	CU_ASSERT_EQUAL(used("net_rx_bytes"), 1007);
}

static void a_driver_that_goes_takes_no_counters_along(void)			/* K4 */
{
	struct attachment *attachment;

	given_a_guest();
	attachment = given_an_interface(0);
	when_it_counts(attachment, 1000);
	attach_driver_gone(&driver);
	memset(&its_status, 0, sizeof(its_status));
	CU_ASSERT_EQUAL(used("net_rx_bytes"), 1000);
	attach_look();
	when_it_connects(attachment);
	when_it_counts(attachment, 7);
	CU_ASSERT_EQUAL(used("net_rx_bytes"), 1007);
}

static void when_it_is_built_again(void)
{
	when_it_is_detached(attachments);
	memset(guest.gone, 0, sizeof(guest.gone));
	usage_anew(&guest);
}

static void a_domain_that_is_built_again_begins_at_nothing_and_is_billed_for_both(void)	/* US1 */
{
	given_a_guest();
	when_it_counts(given_an_interface(0), 1000);
	CU_ASSERT_EQUAL(used("net_rx_bytes"), 1000);
	when_it_is_built_again();
	when_it_counts(given_an_interface(0), 7);
	CU_ASSERT_EQUAL(used("net_rx_bytes"), 1007);
	when_it_is_built_again();
	when_it_counts(given_an_interface(0), 2000);		/* more than in the life before, at the first look */
	CU_ASSERT_EQUAL(used("net_rx_bytes"), 3007);
}

static void what_nobody_can_see_any_more_is_billed_once(void)				/* US1 */
{
	given_a_guest();
	when_it_counts(given_an_interface(0), 1000);
	when_it_counts(given_an_interface(1), 500);
	CU_ASSERT_EQUAL(used("net_rx_bytes"), 1500);
	attachments->record = RECORD_NONE;			/* while there was no skinkd its driver has gone, and its status with it */
	CU_ASSERT_EQUAL(used("net_rx_bytes"), 1500);
}

static void a_driver_that_counts_nonsense_gives_no_negative_sums(void)		/* DR1 */
{
	json_t *sums;

	given_a_guest();
	when_it_counts(given_an_interface(0), UINT64_MAX);
	when_it_counts(given_an_interface(1), UINT64_MAX);
	sums = attach_sums(GUEST, ATTACH_VIF);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(sums, "rx_bytes")), INT64_MAX);
	json_decref(sums);
	CU_ASSERT_TRUE(used("net_rx_bytes") > 0);
}

static void who_sets_the_clock_is_not_billed_for_it(void)			/* US3 */
{
	given_a_guest();
	date += 40 * 365 * 86400L;
	CU_ASSERT_EQUAL(used("memory_kib_seconds"), 0);
	when_time_goes_by(5);
	date += 86400;
	CU_ASSERT_EQUAL(used("memory_kib_seconds"), 5 * 1024);
	when_time_goes_by(5);
	date -= 2 * 86400;
	CU_ASSERT_EQUAL(used("memory_kib_seconds"), 10 * 1024);
}

static void memory_is_billed_while_there_is_no_skinkd(void)			/* US3 */
{
	char *of_that_one;

	given_a_guest();
	used("memory_kib_seconds");
	when_time_goes_by(61);
	used("memory_kib_seconds");
	of_that_one = strdup(saved);
	usage_end(&guest);
	when_time_goes_by(3600);
	date += 86400;
	given_a_file("usage.json", of_that_one);
	usage_open();
	CU_ASSERT_EQUAL(used("memory_kib_seconds"), (61 + 3600) * 1024);
	free(of_that_one);
}

static void a_log_that_somebody_has_edited_is_shown_as_far_as_it_makes_sense(void)
{
	given_a_guest();
	given_a_file("usage.log", "{}\n{\"domain\": 1, \"uuid\": \"x\"}\n{\"domain\": \"old\", \"uuid\": \"x\"}\nnonsense\n");
	asked_for = "old";
	method_usage(NULL);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(answered, "usage")), 1);
	json_decref(answered);
	given_a_file("usage.log", "");
}

/* ---- what is told ---- */

static void who_connects_again_and_again_does_not_push_others_events_out(void)
{
	struct attachment *attachment;

	given_a_guest();
	attachment = given_an_interface(0);
	told = 0;
	for (int i = 0; i < 100; i++)
		when_it_connects(attachment);
	CU_ASSERT_TRUE(told < 5);
	when_time_goes_by(60);
	told = 0;
	when_it_connects(attachment);
	CU_ASSERT_EQUAL(told, 1);
}

static void who_connects_rightly_and_wrongly_in_turn_does_not_either(void)
{
	struct attachment *attachment;

	given_a_guest();
	attachment = given_an_interface(0);
	told = 0;
	for (int i = 0; i < 100; i++) {
		port = "none";
		when_it_connects(attachment);
		CU_ASSERT_NOT_EQUAL(attachment->back, XenbusStateConnected);
		port = "5";
		when_it_connects(attachment);
		CU_ASSERT_EQUAL(attachment->back, XenbusStateConnected);
	}
	CU_ASSERT_TRUE(told < 7);
}

static void what_a_driver_has_spoilt_is_told(void)
{
	struct attachment *attachment;

	given_a_guest();
	attachment = given_an_interface(0);
	for (int i = 0; i < 10; i++)
		when_it_connects(attachment);
	told = 0;
	its_status.status.attachment[attachment->slot].answer = DRIVER_LOST;
	attach_look();
	CU_ASSERT_TRUE(told > 0);
}

/* ---- what is offered ---- */

static void no_more_queues_are_offered_than_the_image_serves(void)
{
	static const struct {
		uint32_t vcpus, wanted, serves, offered;
	} cases[] = { { 1, 0, 0, 1 }, { 2, 0, 16, 2 }, { 8, 0, 16, 4 }, { 8, 0, 2, 2 }, { 1, 16, 16, 16 }, { 1, 16, 4, 4 }, { 1, 16, 0, 16 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		given_a_guest();
		manifest.vcpus = cases[i].vcpus;
		interfaces[0].queues = cases[i].wanted;
		driver.shared.queues = cases[i].serves;
		given_an_interface(0);
		CU_ASSERT_EQUAL(queues_offered, cases[i].offered);
	}
	manifest.vcpus = 1;
	interfaces[0].queues = driver.shared.queues = 0;
}

/* ---- over a restart of skinkd ---- */

static struct driver_attachment *record_of(const struct attachment *attachment)
{
	return &its_table.table.attachment[attachment->slot];
}

/* In the middle of give(): nothing of the record is there yet, or all but its serial. */
static void what_the_driver_was_never_given_is_given_anew(void)			/* K2, D2 */
{
	for (int i = 0; i < 4; i++) {
		struct attachment *attachment;
		struct driver_attachment full;
		uint32_t serial;

		given_a_guest();
		attachment = i & 2 ? given_a_disk() : given_an_interface(0);
		serial = attachment->serial;
		full = *record_of(attachment);
		full.serial = 0;
		if (i & 1)
			then.table.table.attachment[attachment->slot] = full;
		attachment->back = XenbusStateInitWait;
		attachment = when_skinkd_is_killed(true);
		CU_ASSERT(attachment->record == RECORD_NONE && record_of(attachment)->queue_count == 0);
		CU_ASSERT(attachment->front == XenbusStateConnected && attachment->blk.extent_count == 0);
		attach_look();
		CU_ASSERT(attachment->record == RECORD_GIVEN && attachment->back == XenbusStateConnected);
		CU_ASSERT(attachment->serial == serial + 1 && record_of(attachment)->serial == serial + 1);
		CU_ASSERT(attachment->kind == ATTACH_VIF || record_of(attachment)->blk.extent_count == 1);
	}
}

/* In the middle of release(), of one whose front-end was refused and has not been told to close. */
static void what_was_released_is_offered_anew(void)
{
	struct attachment *attachment;

	given_a_guest();
	attachment = given_a_disk();
	attachment->back = XenbusStateInitWait;
	its_status.status.attachment[attachment->slot].answer = DRIVER_REFUSED;
	CU_ASSERT(attach_step(attachment) && attachment->record == RECORD_WITHDRAWN);
	memset(&then.table.table.attachment[attachment->slot], 0, sizeof(struct driver_attachment));
	attachment = when_skinkd_is_killed(true);
	attach_look();
	CU_ASSERT(attachment->record == RECORD_GIVEN && attachment->back == XenbusStateConnected);
	CU_ASSERT_EQUAL(record_of(attachment)->blk.extent_count, 1);
}

/* In the middle of serve_again(). */
static void what_was_to_be_served_again_is(void)				/* K2, K4, D2 */
{
	struct attachment *attachment;
	uint32_t serial;

	given_a_guest();
	attachment = given_an_interface(0);
	when_it_counts(attachment, 1000);
	serial = attachment->serial;
	its_status.status.attachment[attachment->slot].answer = DRIVER_ASIDE;
	attach_look();
	CU_ASSERT_EQUAL(attach_serve_aside(&driver), 1);
	attachment = when_skinkd_is_killed(true);
	CU_ASSERT(attachment->record == RECORD_GIVEN && attachment->back == XenbusStateConnected && attachment->serial == serial + 1);
	CU_ASSERT(record_of(attachment)->serial == serial + 1 && its_status.status.attachment[attachment->slot].answer == DRIVER_ATTACHED);
	CU_ASSERT_EQUAL(its_table.table.serial_last, serial + 1);
	when_it_counts(attachment, 7);
	CU_ASSERT_EQUAL(used("net_rx_bytes"), 1007);
}

static void what_is_the_driver_s_stays_its_under_the_serial_that_it_has(void)	/* D2 */
{
	struct attachment *attachment;
	uint32_t serial;

	given_a_guest();
	attachment = given_an_interface(0);
	serial = attachment->serial;
	attachment = when_skinkd_is_killed(false);
	CU_ASSERT(attachment->record == RECORD_GIVEN && attachment->serial == serial && record_of(attachment)->serial == serial);
	/* There was no room for state.json. */
	record_of(attachment)->serial = its_table.table.serial_last = serial + 2;
	driver_tell(&driver);
	attachment = when_skinkd_is_killed(false);
	CU_ASSERT(attachment->record == RECORD_GIVEN && attachment->serial == serial + 2 && record_of(attachment)->serial == serial + 2);
	attach_look();
	CU_ASSERT_EQUAL(attachment->back, XenbusStateConnected);
}

static void what_is_somebody_else_s_by_now_is_left_alone(void)
{
	struct attachment *attachment;

	given_a_guest();
	attachment = given_an_interface(0);
	record_of(attachment)->front_id = GUEST + 1;
	record_of(attachment)->serial++;
	attachment = when_skinkd_is_killed(false);
	CU_ASSERT(attachment->record == RECORD_NONE && record_of(attachment)->queue_count == 1);
}

static struct attachment *given_a_lost_interface(void)
{
	struct attachment *attachment = given_an_interface(0);

	its_status.status.attachment[attachment->slot].answer = DRIVER_LOST;
	attach_look();
	CU_ASSERT(attachment->is_lost && attachment->back == XenbusStateClosing);
	return attachment;
}

static bool is_parked(const struct attachment *attachment)
{
	return !attachment->driver && attachment->is_lost && attachment->record == RECORD_NONE;
}

static void then_it_comes_anew(struct attachment *attachment)
{
	attach_look();
	CU_ASSERT(is_parked(attachment));
	when_time_goes_by(1);
	attach_look();
	CU_ASSERT(is_parked(attachment));
	when_time_goes_by(1);
	uv_run(host.loop, UV_RUN_NOWAIT);		/* nobody else has news */
	CU_ASSERT(attachment->driver == &driver && !attachment->is_lost);
	when_it_connects(attachment);
	CU_ASSERT_EQUAL(attachment->back, XenbusStateConnected);
}

static void what_was_lost_and_withdrawn_comes_anew(void)
{
	struct attachment *attachment;

	given_a_guest();
	attachment = given_a_lost_interface();
	attachment->front = XenbusStateClosed;
	CU_ASSERT_TRUE(attach_step(attachment));
	CU_ASSERT_EQUAL(attachment->record, RECORD_WITHDRAWN);
	attachment = when_skinkd_is_killed(true);
	CU_ASSERT(attachment->record == RECORD_WITHDRAWN && attachment->is_lost);
	then_it_comes_anew(attachment);
}

static void what_was_lost_and_has_gone_comes_anew_as_late(void)
{
	struct attachment *attachment;

	given_a_guest();
	attachment = given_a_lost_interface();
	when_its_front_end_is(attachment, XenbusStateClosed);
	CU_ASSERT(is_parked(attachment));
	attachment = when_skinkd_is_killed(true);
	CU_ASSERT(is_parked(attachment));
	then_it_comes_anew(attachment);
}

/* Its answer is there to be read: it is told and closed as it was. */
static void what_was_lost_and_is_not_closed_yet_is_closed(void)
{
	struct attachment *attachment;

	given_a_guest();
	attachment = given_a_lost_interface();
	state_save();
	attachment = when_skinkd_is_killed(true);
	attach_look();
	CU_ASSERT(attachment->is_lost && attachment->back == XenbusStateClosing && attachment->record == RECORD_GIVEN);
	when_its_front_end_is(attachment, XenbusStateClosed);
	then_it_comes_anew(attachment);
}

/* ---- a manifest with other devices ---- */

static void part_has_come(void *left, const struct outcome *result)
{
	CU_ASSERT_EQUAL(result->code, 0);
	--*(size_t *)left;
}

static void devices_come_and_go_with_a_manifest_and_each_is_told_of_after_it(void)
{
	struct manifest other = manifest;
	struct attachment *disk;
	size_t left = 1;

	given_a_guest();
	attach_park(given_an_interface(0));
	attach_park(given_an_interface(1));
	other.interface_count = 0;
	its_table.table.role = DRIVER_BLK;
	copies_are_dropped = true;
	attach_change(GUEST, &other, 60, part_has_come, &left, &left);
	CU_ASSERT_EQUAL(left, 1 + 3);
	attach_look();
	CU_ASSERT_EQUAL(left, 1 + 1);
	disk = attach_find(GUEST, "xvda");
	CU_ASSERT_PTR_NOT_NULL_FATAL(disk);
	CU_ASSERT(attachments == disk && !disk->next);
	when_it_connects(disk);
	CU_ASSERT_EQUAL(left, 1);
	/* The same once more is nothing. */
	attach_change(GUEST, &other, 60, part_has_come, &left, &left);
	CU_ASSERT_EQUAL(left, 1);
	copies_are_dropped = false;
	its_table.table.role = DRIVER_NET;
}

/* What the first has, what the second asks for, whether the second is Domain-0's own look, and whether it may have it. */
static void who_writes_shares_no_sector_unless_both_say_so(void)		/* DK1 */
{
	enum { RO = 1, SH = 2 };
	static const struct { int had, wanted; bool is_own, is_right; } cases[] = {
		{ 0, 0, false, false }, { RO, 0, false, false }, { 0, RO, false, false }, { RO, RO, false, true }, { SH, 0, false, false },
		{ 0, SH, false, false }, { SH, SH, false, true }, { SH, RO, false, false }, { RO, SH, false, false }, { SH, SH | RO, false, true },
		{ 0, RO, true, true }, { 0, 0, true, false },
	};
	struct manifest_disk both[2] = { disks[0], { .target = (char []){ "xvdb" } } };
	struct manifest other = manifest;
	struct attachment *second;

	other.disks = both;
	other.disk_count = 2;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		given_a_guest();
		guest.manifest = &other;
		both[0].is_readonly = cases[i].had & RO;
		both[0].is_shareable = cases[i].had & SH;
		both[1].is_readonly = cases[i].wanted & RO;
		both[1].is_shareable = cases[i].wanted & SH;
		is_own = cases[i].is_own;
		given_a_disk();
		second = attach_add(GUEST, "web", ATTACH_VBD, "xvdb", "disk0");
		when_its_front_end_is(second, XenbusStateInitialising);
		CU_ASSERT_EQUAL(second->blk.extent_count, cases[i].is_right ? 1 : 0);
		CU_ASSERT_EQUAL(strstr(second->why, "it overlaps xvda of 'web'") != NULL, !cases[i].is_right);
		while (attachments)
			when_it_is_detached(attachments);
		guest.manifest = &manifest;
	}
	is_own = false;
	its_table.table.role = DRIVER_NET;
}

static void device_that_its_guest_still_holds_cannot_come_anew(void)
{
	struct manifest other = manifest;
	size_t left = 1;

	given_a_guest();
	given_an_interface(0);
	other.interface_count = other.disk_count = 0;
	attach_change(GUEST, &other, 60, part_has_come, &left, &left);
	attach_look();
	CU_ASSERT_EQUAL(left, 1 + 1);
	CU_ASSERT_PTR_NOT_NULL(attach_leaving(GUEST, &manifest));
	CU_ASSERT_PTR_NULL(attach_leaving(GUEST, &other));
	when_its_front_end_is(attachments, XenbusStateClosed);
	CU_ASSERT_EQUAL(left, 1);
	CU_ASSERT_PTR_NULL(attachments);
	CU_ASSERT_PTR_NULL(attach_leaving(GUEST, &manifest));
}

/* state.json has the manifest as it is to be, and the attachments as they were. */
static void change_that_skinkd_was_killed_in_is_finished_by_the_next(void)
{
	struct manifest other = manifest;
	struct attachment *disk;

	given_a_guest();
	given_an_interface(0);
	given_an_interface(1);
	other.interfaces = &interfaces[1];
	other.interface_count = 1;
	state_save();
	when_skinkd_is_killed(false);
	its_table.table.role = DRIVER_BLK;
	attach_resume(GUEST, &other);
	attach_look();
	CU_ASSERT_PTR_NOT_NULL(attachments);
	CU_ASSERT(!attachments->is_wanted && !attachments->is_forced && attachments->back == XenbusStateClosing);
	when_its_front_end_is(attachments, XenbusStateClosed);
	CU_ASSERT_STRING_EQUAL(attachments->key, "00:16:3e:00:00:02");
	CU_ASSERT(attachments->is_wanted && attachments->back == XenbusStateConnected);
	disk = attach_find(GUEST, "xvda");
	CU_ASSERT(disk && disk == attachments->next && !disk->next);
	when_it_connects(disk);
	CU_ASSERT_EQUAL(disk->back, XenbusStateConnected);
	/* There was nothing left to do. */
	attach_resume(GUEST, &other);
	CU_ASSERT(attachments->is_wanted && disk->is_wanted && !disk->next);
	its_table.table.role = DRIVER_NET;
}

/* ---- a domain that is gone ---- */

static void copy_and_a_neighbour_that_leaves_go_with_their_domain(void)
{
	struct attachment *leaving;

	given_a_guest();
	given_a_disk();
	its_table.table.role = DRIVER_NET;
	leaving = given_an_interface(0);
	given_an_interface(1);
	attach_remove(leaving, false);
	leaving->front = XenbusStateClosed;	/* it goes with the next look */
	copies_are_dropped = true;
	attach_domain_gone(GUEST);
	CU_ASSERT_PTR_NULL(attachments);
	copies_are_dropped = false;
}

int main(void)
{
	static char folder[] = "/tmp/skink-attachments-XXXXXX";
	CU_pSuite suite;

	host.loop = uv_default_loop();
	host.domains = &guest;
	strcpy(host.conf.state_dir, mkdtemp(folder));
	strcpy(host.conf.log_dir, folder);
	host.core.call = xencall_open(NULL, 0);
	CU_initialize_registry();
	suite = CU_add_suite("attachments", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(a_device_that_goes_leaves_what_it_had_and_no_more);
	TEST(a_device_that_connects_anew_between_two_looks_is_counted);
	TEST(a_driver_that_goes_takes_no_counters_along);
	TEST(a_domain_that_is_built_again_begins_at_nothing_and_is_billed_for_both);
	TEST(what_nobody_can_see_any_more_is_billed_once);
	TEST(who_sets_the_clock_is_not_billed_for_it);
	TEST(memory_is_billed_while_there_is_no_skinkd);
	TEST(a_log_that_somebody_has_edited_is_shown_as_far_as_it_makes_sense);
	TEST(a_driver_that_counts_nonsense_gives_no_negative_sums);
	TEST(who_connects_again_and_again_does_not_push_others_events_out);
	TEST(who_connects_rightly_and_wrongly_in_turn_does_not_either);
	TEST(what_a_driver_has_spoilt_is_told);
	TEST(devices_come_and_go_with_a_manifest_and_each_is_told_of_after_it);
	TEST(who_writes_shares_no_sector_unless_both_say_so);
	TEST(device_that_its_guest_still_holds_cannot_come_anew);
	TEST(change_that_skinkd_was_killed_in_is_finished_by_the_next);
	TEST(copy_and_a_neighbour_that_leaves_go_with_their_domain);
	TEST(no_more_queues_are_offered_than_the_image_serves);
	TEST(what_the_driver_was_never_given_is_given_anew);
	TEST(what_was_released_is_offered_anew);
	TEST(what_was_to_be_served_again_is);
	TEST(what_is_the_driver_s_stays_its_under_the_serial_that_it_has);
	TEST(what_is_somebody_else_s_by_now_is_left_alone);
	TEST(what_was_lost_and_withdrawn_comes_anew);
	TEST(what_was_lost_and_has_gone_comes_anew_as_late);
	TEST(what_was_lost_and_is_not_closed_yet_is_closed);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	when_files_go();
	rmdir(folder);
	return CU_get_number_of_failures() ? 1 : 0;
}
