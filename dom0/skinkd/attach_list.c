/* SPDX-License-Identifier: MIT */
/* Who waits for attachments, what is shown of them, and what is kept of them over a restart of skinkd. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skinkd/attach_nodes.h"
#include "skinkd/attach_step.h"
#include "skinkd/disks.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"

/* ---- waiting ---- */

struct attach_wait {
	struct attach_wait *next;
	domid_t id;
	char key[ATTACH_KEY];
	enum attach_await what;
	uint64_t deadline_ms;
	done_fn done;
	void *context;
};

static struct attach_wait *waits;

static bool is_over(const struct attach_wait *wait, struct outcome *result)
{
	const struct attachment *attachment = attach_find(wait->id, wait->key);

	if (wait->what == ATTACH_AWAIT_GONE ? !attachment : attachment && attachment->back == XenbusStateConnected)
		*result = outcome(0, "done");
	else if (wait->what == ATTACH_AWAIT_CONNECTED && (!attachment || attachment->is_refused || attachment->is_stuck))
		*result = outcome(CODE_FAILED, "%s is not attached: %s", wait->key, attachment ? attachment->why : "it is gone again");
	else if (uv_now(host.loop) < wait->deadline_ms)
		return false;
	else if (wait->what == ATTACH_AWAIT_GONE)
		*result = outcome(CODE_TIMED_OUT, "the guest has not let go of %s: it goes as soon as it does; --force takes it away at "
				  "once", wait->key);
	else
		*result = outcome(CODE_TIMED_OUT, "%s is not connected yet (%s): %s", wait->key, attach_state_name(attachment->front),
				  *attachment->why ? attachment->why : !attachment->driver ? "its driver domain is not there" :
				  "the guest has not answered");
	return true;
}

void attach_waits_look(void)
{
	struct attach_wait **at = &waits, *wait;
	struct outcome result;

	while ((wait = *at)) {
		if (!is_over(wait, &result)) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		wait->done(wait->context, &result);
		free(wait);
		at = &waits;		/* whoever was told may have waited, or looked, himself */
	}
}

void attach_wait(const struct attachment *attachment, enum attach_await what, double timeout_s, done_fn done, void *context)
{
	struct attach_wait *wait = need_memory(calloc(1, sizeof(*wait)));

	*wait = (struct attach_wait){ .next = waits, .id = attachment->front_id, .what = what, .done = done, .context = context,
				      .deadline_ms = uv_now(host.loop) + (uint64_t)(timeout_s * 1000) };
	snprintf(wait->key, sizeof(wait->key), "%s", attachment->key);
	waits = wait;
}

/* ---- what is shown ---- */

uint32_t attach_count(const struct driver *driver, const char **name)
{
	uint32_t count = 0;

	for (struct attachment *attachment = attachments; attachment; attachment = attachment->next)
		if (attachment->driver == driver && !disks_is_own(attachment)) {
			*name = attachment->front_name;
			count++;
		}
	return count;
}

/* As much as a JSON number holds: a driver may say anything (DR1). */
static uint64_t at_most(uint64_t count)
{
	return count < INT64_MAX ? count : INT64_MAX;
}

/* K4: the driver may not have come to its serial yet. */
static void copy_counters(const struct attachment *attachment, uint64_t counter[DRIVER_COUNTERS])
{
	const volatile struct driver_attachment_status *status = NULL;

	if (attachment->record != RECORD_NONE && attachment->driver)
		status = attach_status(attachment);
	if (status && __atomic_load_n(&status->serial, __ATOMIC_ACQUIRE) != attachment->serial)
		status = NULL;
	for (int i = 0; i < DRIVER_COUNTERS; i++)
		counter[i] = status ? at_most(status->counter[i]) : 0;
	counter[DRIVER_BUSY_NS] = attachment->share.serial == attachment->serial ? attachment->share.busy_ns : 0;
}

static json_t *counters_json(enum attach_kind kind, const uint64_t counter[])
{
	static const char *const names[][DRIVER_COUNTERS] = {
		[ATTACH_VIF] = { "tx_packets", "tx_bytes", "tx_dropped", "tx_spoofed", "rx_packets", "rx_bytes", "rx_dropped", NULL,
				 "events_taken", "events_sent", "redone", "busy_ns" },
		[ATTACH_VBD] = { "reads", "read_bytes", "writes", "write_bytes", "flushes", "discards", "errors", NULL,
				 "events_taken", "events_sent", "redone", "busy_ns" },
	};
	json_t *json = json_object();

	for (int i = 0; i < DRIVER_COUNTERS; i++)
		if (names[kind][i])
			json_object_set_new(json, names[kind][i], json_integer((json_int_t)counter[i]));
	return json;
}

static json_t *attachment_json(const struct attachment *attachment)
{
	const struct manifest_interface *interface = attach_interface(attach_manifest_of(attachment->front_id), attachment->key);
	uint64_t counter[DRIVER_COUNTERS];
	json_t *json;

	copy_counters(attachment, counter);
	json = json_pack("{s:s, s:s, s:i, s:s, s:i, s:s, s:s, s:s}", "domain", attachment->front_name, "kind",
			 attachment->kind == ATTACH_VIF ? "interface" : "disk", "device", attachment->device, "name", attachment->key,
			 "domain_id", attachment->front_id, "driver", attachment->driver_name, "state", !attachment->driver ? attachment->is_lost ? "lost" : "no-driver" :
			 attach_is_aside(attachment) ? "set-aside" : attach_state_name(attachment->back), "why", attachment->why);
	need_memory(json);
	json_object_set_new(json, "link_up", interface ? json_boolean(interface->is_up) : json_null());
	json_object_set_new(json, "counters", counters_json(attachment->kind, counter));
	return json;
}

json_t *attachments_of_driver(const struct driver *driver)
{
	json_t *list = json_array();

	for (struct attachment *attachment = attachments; attachment; attachment = attachment->next)
		if (attachment->driver == driver)
			json_array_append_new(list, attachment_json(attachment));
	return list;
}

json_t *attachments_of_domain(domid_t id)
{
	json_t *list = json_array();

	for (struct attachment *attachment = attachments; attachment; attachment = attachment->next)
		if (attachment->front_id == id)
			json_array_append_new(list, attachment_json(attachment));
	return list;
}

static const struct {
	const char *name;
	int index;
} summed[][ATTACH_SUMS] = {
	[ATTACH_VIF] = { { "rx_bytes", DRIVER_RX_BYTES }, { "tx_bytes", DRIVER_TX_BYTES }, { "rx_packets", DRIVER_RX_PACKETS },
			 { "tx_packets", DRIVER_TX_PACKETS } },
	[ATTACH_VBD] = { { "read_bytes", DRIVER_READ_BYTES }, { "write_bytes", DRIVER_WRITE_BYTES }, { "reads", DRIVER_READS },
			 { "writes", DRIVER_WRITES } },
};

static void add_counters(const struct attachment *attachment, uint64_t sum[ATTACH_SUMS])
{
	uint64_t counter[DRIVER_COUNTERS];

	copy_counters(attachment, counter);
	for (int i = 0; i < ATTACH_SUMS; i++)
		sum[i] = at_most(sum[i] + counter[summed[attachment->kind][i].index]);
}

void attach_count_gone(const struct attachment *attachment)
{
	struct domain *domain = domain_by_id(attachment->front_id);

	if (domain)
		add_counters(attachment, domain->gone[attachment->kind]);
}

json_t *attach_sums(domid_t id, enum attach_kind kind)
{
	const struct domain *domain = domain_by_id(id);
	uint64_t sum[ATTACH_SUMS] = { 0 };
	bool is_any = false;
	json_t *json;

	if (domain)
		memcpy(sum, domain->gone[kind], sizeof(sum));
	for (int i = 0; i < ATTACH_SUMS; i++)
		is_any |= sum[i] > 0;
	for (struct attachment *attachment = attachments; attachment; attachment = attachment->next)
		if (attachment->front_id == id && attachment->kind == kind) {
			add_counters(attachment, sum);
			is_any = true;
		}
	if (!is_any)
		return json_null();
	json = json_object();
	for (int i = 0; i < ATTACH_SUMS; i++)
		json_object_set_new(json, summed[kind][i].name, json_integer((json_int_t)sum[i]));
	return json;
}

/* ---- over a restart of skinkd ---- */

json_t *attach_out(void)
{
	json_t *list = json_array();

	for (struct attachment *attachment = attachments; attachment; attachment = attachment->next)
		json_array_append_new(list, json_pack("{s:i, s:i, s:s, s:s, s:i, s:s, s:i, s:b, s:i, s:i, s:b, s:b, s:I, s:b, s:b, s:b}", "kind",
				      attachment->kind, "front", attachment->front_id, "name", attachment->front_name, "key",
				      attachment->key, "device", attachment->device, "driver", attachment->driver_name, "driver_id",
				      attachment->driver ? attachment->driver->domain->id : 0, "plugged", attachment->driver != NULL,
				      "record", attachment->record, "slot", attachment->slot, "wanted", attachment->is_wanted,
				      "forced", attachment->is_forced, "serial", (json_int_t)attachment->serial,
				      "copied", attachment->transient == TRANSIENT_READY, "lost", attachment->is_lost,
				      "later", attachment->anew_ms != 0));
	return list;
}

/* K2: state.json knew of each serial before the table did; the table of some that state.json does not, if it could not be written. */
static void take_up_given(struct attachment *attachment, struct driver_attachment *record)
{
	if (!record->serial) {
		memset(record, 0, sizeof(*record));	/* the driver never had it */
		attachment->record = RECORD_NONE;
	} else if (record->front_id != attachment->front_id || record->device != attachment->device) {
		attachment->record = RECORD_NONE;	/* it is somebody else's now */
	} else if ((int32_t)(record->serial - attachment->serial) > 0) {
		attachment->serial = record->serial;
	} else if (record->serial != attachment->serial) {
		attach_renumber(attachment);		/* what had been counted for the old one is counted (K4) */
	}
}

static void take_up_record(struct attachment *attachment)
{
	struct driver_attachment *record = &attachment->driver->table->attachment[attachment->slot];

	if (attachment->record == RECORD_GIVEN) {
		take_up_given(attachment, record);
	} else if (attachment->record == RECORD_WITHDRAWN) {
		attachment->withdrawn_at = attachment->driver->table->changed + 1;
		record->serial = 0;
		driver_tell(attachment->driver);
	}
	if (attachment->record != RECORD_NONE && attachment->kind == ATTACH_VBD) {
		attachment->blk = record->blk;
		attachment->blk_flags = record->flags;
		attachment->has_volumes = attach_has_volumes(attachment);
	}
}

void attach_read_states(struct attachment *attachment)
{
	attach_nodes_take_up(attachment);
	/* What it was offered is found anew, also by one that is still to be released. */
	if (attachment->record != RECORD_GIVEN && attachment->back == XenbusStateInitWait)
		attachment->back = XenbusStateInitialising;
}

/* Its states are what the store says; of its record, what the table says. */
static void take_up(struct attachment *attachment, int driver_id)
{
	struct domain *domain = domain_by_id((domid_t)driver_id);

	attachment->driver = domain ? domain->driver : NULL;
	if (!attachment->driver) {
		attachment->record = RECORD_NONE;
		attachment->is_lost = false;
		attach_nodes_remove(attachment);	/* its driver went while nobody looked */
		return;
	}
	take_up_record(attachment);
	/* Without a store, what has been given to the driver is taken for connected. */
	attachment->back = attachment->front = attachment->record == RECORD_GIVEN ? XenbusStateConnected : XenbusStateUnknown;
	attach_read_states(attachment);
}

static void one_in(json_t *json)
{
	struct attachment *attachment = need_memory(calloc(1, sizeof(*attachment))), **at = &attachments;
	int kind, front, device, driver_id, plugged, record, slot, wanted, forced, copied = 0, lost = 0, later = 0;
	const char *name, *key, *driver;
	json_int_t serial;

	if (json_unpack(json, "{s:i, s:i, s:s, s:s, s:i, s:s, s:i, s:b, s:i, s:i, s:b, s:b, s:I, s?b, s?b, s?b}", "kind", &kind, "front", &front, "name",
			&name, "key", &key, "device", &device, "driver", &driver, "driver_id", &driver_id, "plugged", &plugged,
			"record", &record, "slot", &slot, "wanted", &wanted, "forced", &forced, "serial", &serial, "copied", &copied,
			"lost", &lost, "later", &later) ||
	    kind < ATTACH_VIF || kind > ATTACH_VBD || record < RECORD_NONE || record > RECORD_WITHDRAWN || slot < 0 ||
	    slot >= (int)DRIVER_ATTACHMENTS_MAX) {
		say("state.json: an attachment that cannot be read is left out");
		free(attachment);
		return;
	}
	*attachment = (struct attachment){ .kind = (enum attach_kind)kind, .front_id = (domid_t)front, .device = (uint32_t)device,
					   .record = (enum attach_record)record, .slot = slot, .serial = (uint32_t)serial,
					   .is_wanted = wanted, .is_forced = forced,
					   /* Of one that its driver still has, its answer says so. */
					   .is_lost = lost && record != RECORD_GIVEN,
					   .transient = copied ? TRANSIENT_READY : TRANSIENT_NONE };
	snprintf(attachment->front_name, sizeof(attachment->front_name), "%s", name);
	snprintf(attachment->key, sizeof(attachment->key), "%s", key);
	snprintf(attachment->driver_name, sizeof(attachment->driver_name), "%s", driver);
	while (*at)
		at = &(*at)->next;
	*at = attachment;
	disks_take_up(attachment);
	if (plugged)
		take_up(attachment, driver_id);
	else
		attachment->record = RECORD_NONE;
	if (!attachment->driver && later)
		attach_comes_later(attachment);
}

void attach_in(json_t *list)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		one_in(one);
}
