/* SPDX-License-Identifier: MIT */
/* What stands in the metrics: docs/metrics.md has each family. Everything comes from what list, info and rings show as well. */
#include "skinkd/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "lib/openmetrics.h"
#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/methods.h"
#include "skinkd/monitor.h"
#include "skinkd/rings.h"

/* What one answer is made of: looked at once, so that all families speak of one moment. */
struct snapshot {
	json_t *domains;		/* as of `list`, with "account" */
	json_t *drivers;		/* {name: `restart` of info} */
	json_t *attachments;		/* as of `info` of each driver */
	json_t *rings;
	json_t *events;			/* {kind: count} */
};

/* ---- recoveries: kept by the driver's name, which outlives it ---- */

#define DRIVERS_MAX	64
#define RINGS_MAX	256		/* of one driver */

static struct recoveries {
	char driver[64];
	struct metrics_histogram histogram;
} recoveries[DRIVERS_MAX];
static size_t recoveries_count;

void metrics_recovered(const char *driver, double seconds)
{
	struct recoveries *at = recoveries;

	while (at < &recoveries[recoveries_count] && strcmp(at->driver, driver))
		at++;
	if (at == &recoveries[DRIVERS_MAX])
		return;
	if (at == &recoveries[recoveries_count]) {
		snprintf(at->driver, sizeof(at->driver), "%s", driver);
		recoveries_count++;
	}
	metrics_histogram_add(&at->histogram, seconds);
}

/* ---- looking ---- */

static void look_at_domains(struct snapshot *snapshot)
{
	struct target *list;
	size_t count = target_list(&list);

	for (size_t i = 0; i < count; i++) {
		struct skink_domctl_account account = { 0 };
		json_t *one = target_json(&list[i]);

		if (list[i].has_id)
			core_account(&host.core, list[i].id, &account);
		json_object_set_new(one, "account", account_json(account.used));
		json_array_append_new(snapshot->domains, one);
	}
	free(list);
}

static void add_all(json_t *list, json_t *more)
{
	json_array_extend(list, more);
	json_decref(more);
}

static bool have_one_place(const json_t *a, const json_t *b)
{
	return json_equal(json_object_get(a, "domain"), json_object_get(b, "domain")) &&
	       json_equal(json_object_get(a, "name"), json_object_get(b, "name"));
}

/* What a guest had before it was built again is there until its driver lets go of it; its successor's numbers have the same labels. */
static void add_newest(json_t *list, json_t *all)
{
	json_t *one, *later;
	size_t i, j;
	bool is_old;

	json_array_foreach(all, i, one) {
		is_old = false;
		for (j = i + 1; (later = json_array_get(all, j)) && !is_old; j++)
			is_old = have_one_place(one, later);
		if (!is_old)
			json_array_append(list, one);
	}
	json_decref(all);
}

static struct snapshot look(void)
{
	struct snapshot snapshot = { json_array(), json_object(), json_array(), json_array(), events_counts() };

	look_at_domains(&snapshot);
	for (struct domain *domain = host.domains; domain; domain = domain->next) {
		if (!domain->driver)
			continue;
		if (domain->monitor)
			json_object_set_new(snapshot.drivers, domain->manifest->name, monitor_json(domain->monitor));
		add_newest(snapshot.attachments, attachments_of_driver(domain->driver));
		add_all(snapshot.rings, rings_of_driver(domain->driver, RINGS_MAX, 0));
	}
	return snapshot;
}

static void forget(struct snapshot *snapshot)
{
	json_decref(snapshot->domains);
	json_decref(snapshot->drivers);
	json_decref(snapshot->attachments);
	json_decref(snapshot->rings);
	json_decref(snapshot->events);
}

static const char *text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* ---- the host and its domains ---- */

static void write_host(struct metrics *metrics)
{
	struct xen_sysctl_physinfo machine = { 0 };

	core_machine(&host.core, &machine);
	metrics_family(metrics, METRICS_GAUGE, "skink_host_cpus", NULL, "CPUs of the machine");
	metrics_put(metrics, machine.nr_cpus, NULL);
	metrics_family(metrics, METRICS_GAUGE, "skink_host_memory_bytes", "bytes", "Memory that domains and the core share");
	metrics_put(metrics, (double)(machine.total_pages << FRAME_SHIFT), NULL);
	metrics_family(metrics, METRICS_GAUGE, "skink_host_memory_free_bytes", "bytes", "Memory that no domain has");
	metrics_put(metrics, (double)(machine.free_pages << FRAME_SHIFT), NULL);
}

/* One family, of one number of each domain. */
static void write_domains(struct metrics *metrics, const struct snapshot *snapshot, enum metrics_type type, const char *name,
			  const char *unit, const char *help, const char *key, double factor)
{
	const json_t *one;
	size_t i;

	metrics_family(metrics, type, name, unit, help);
	json_array_foreach(snapshot->domains, i, one)
		metrics_put(metrics, number(one, key) * factor, "domain", text(one, "name"), NULL);
}

static void write_states(struct metrics *metrics, const struct snapshot *snapshot)
{
	static const char *const states[] = { "running", "blocked", "paused", "shutdown", "crashed", "dying", "building", NULL };
	const json_t *one;
	size_t i;

	metrics_family(metrics, METRICS_INFO, "skink_domain", NULL, "A domain");
	json_array_foreach(snapshot->domains, i, one) {
		char id[24];

		snprintf(id, sizeof(id), "%.0f", number(one, "id"));
		metrics_put(metrics, 1, "domain", text(one, "name"), "id", id, "uuid", text(one, "uuid"), "role", text(one, "role"), NULL);
	}
	metrics_family(metrics, METRICS_STATESET, "skink_domain_state", NULL, "What a domain does");
	json_array_foreach(snapshot->domains, i, one)
		metrics_state(metrics, "domain", text(one, "name"), states, text(one, "state") ? text(one, "state") : "");
}

static void write_accounts(struct metrics *metrics, const struct snapshot *snapshot)
{
	const char *operation;
	const json_t *one;
	json_t *value;
	size_t i;

	metrics_family(metrics, METRICS_COUNTER, "skink_domain_operations", NULL, "What a domain asked of the core");
	json_array_foreach(snapshot->domains, i, one)
		json_object_foreach(json_object_get(one, "account"), operation, value)
			metrics_put(metrics, json_number_value(value), "domain", text(one, "name"), "operation", operation, NULL);
}

/* ---- drivers ---- */

static void write_restarts(struct metrics *metrics, const struct snapshot *snapshot)
{
	const char *driver, *cause, *states[MONITOR_STATES + 1] = { NULL };
	json_t *one, *count;

	for (enum monitor_state state = 0; state < MONITOR_STATES; state++)
		states[state] = monitor_state_name(state);
	metrics_family(metrics, METRICS_STATESET, "skink_driver_state", NULL, "What its monitor has to say of a driver domain");
	json_object_foreach(snapshot->drivers, driver, one)
		metrics_state(metrics, "driver", driver, states, text(one, "state") ? text(one, "state") : "");
	metrics_family(metrics, METRICS_GAUGE, "skink_driver_armed", NULL, "1: the core itself resets it when it crashes");
	json_object_foreach(snapshot->drivers, driver, one)
		metrics_put(metrics, json_is_true(json_object_get(one, "armed")), "driver", driver, NULL);
	metrics_family(metrics, METRICS_COUNTER, "skink_driver_deaths", NULL, "Deaths of a driver domain, by cause");
	json_object_foreach(snapshot->drivers, driver, one)
		json_object_foreach(json_object_get(one, "causes"), cause, count)
			metrics_put(metrics, json_number_value(count), "driver", driver, "cause", cause, NULL);
	metrics_family(metrics, METRICS_COUNTER, "skink_driver_restarts", NULL, "Resets in place of a driver domain");
	json_object_foreach(snapshot->drivers, driver, one)
		metrics_put(metrics, number(one, "restarts"), "driver", driver, NULL);
	metrics_family(metrics, METRICS_HISTOGRAM, "skink_driver_recovery_seconds", "seconds", "From a death to all rings taken over");
	for (size_t i = 0; i < recoveries_count; i++)
		metrics_histogram_put(metrics, &recoveries[i].histogram, "driver", recoveries[i].driver);
}

/* ---- attachments ---- */

/* A counter of attachments; `key` NULL ends a list of them. */
struct counter {
	const char *key, *value;	/* of the attachment's counters; of the family's label */
};

static void write_counters(struct metrics *metrics, const struct snapshot *snapshot, const char *name, const char *unit, const char *help,
			   const char *label, const struct counter *counters, double factor)
{
	const json_t *one, *value;
	size_t i;

	metrics_family(metrics, METRICS_COUNTER, name, unit, help);
	json_array_foreach(snapshot->attachments, i, one)
		for (const struct counter *counter = counters; counter->key; counter++) {
			value = json_object_get(json_object_get(one, "counters"), counter->key);
			if (value)
				metrics_put(metrics, json_number_value(value) * factor, "driver", text(one, "driver"), "domain",
					    text(one, "domain"), "device", text(one, "name"), label, counter->value, NULL);
		}
}

static void write_attachments(struct metrics *metrics, const struct snapshot *snapshot)
{
	static const struct counter bytes[] = { { "tx_bytes", "transmitted" }, { "rx_bytes", "received" }, { "read_bytes", "read" },
						{ "write_bytes", "written" }, { NULL, NULL } };
	static const struct counter requests[] = { { "tx_packets", "transmit" }, { "rx_packets", "receive" }, { "reads", "read" },
						   { "writes", "write" }, { "flushes", "flush" }, { "discards", "discard" }, { NULL, NULL } };
	static const struct counter lost[] = { { "tx_dropped", "transmit" }, { "rx_dropped", "receive" }, { "tx_spoofed", "spoofed" },
					       { NULL, NULL } };
	static const struct counter errors[] = { { "errors", NULL }, { NULL, NULL } };
	static const struct counter redone[] = { { "redone", NULL }, { NULL, NULL } };
	static const struct counter busy[] = { { "busy_ns", NULL }, { NULL, NULL } };

	write_counters(metrics, snapshot, "skink_attachment_bytes", "bytes", "What went through, as the guest sees it", "direction", bytes, 1);
	write_counters(metrics, snapshot, "skink_attachment_requests", NULL, "Frames and requests that were answered", "operation", requests, 1);
	write_counters(metrics, snapshot, "skink_attachment_lost_frames", NULL, "Frames that were dropped", "reason", lost, 1);
	write_counters(metrics, snapshot, "skink_attachment_errors", NULL, "Disk requests that failed", NULL, errors, 1);
	write_counters(metrics, snapshot, "skink_attachment_redone_requests", NULL, "Requests that a successor did again", NULL, redone, 1);
	write_counters(metrics, snapshot, "skink_attachment_busy_seconds", "seconds", "CPU time that its driver spent on it", NULL, busy, 1e-9);
}

/* The indices are the front-end's word, and go round. */
static uint32_t waiting_in(const json_t *ring)
{
	return (uint32_t)number(ring, "req_prod") - (uint32_t)number(ring, "rsp_prod");
}

static void write_rings(struct metrics *metrics, const struct snapshot *snapshot)
{
	const json_t *one;
	char queue[16];
	size_t i;

	for (int slots = 0; slots < 2; slots++) {
		if (slots)
			metrics_family(metrics, METRICS_GAUGE, "skink_ring_slots", NULL, "Slots of a ring");
		else
			metrics_family(metrics, METRICS_GAUGE, "skink_ring_unanswered", NULL, "Requests in a ring without an answer; of a receive "
				       "ring, buffers that wait");
		json_array_foreach(snapshot->rings, i, one) {
			double room = number(one, "slots"), unanswered = waiting_in(one);

			snprintf(queue, sizeof(queue), "%.0f", number(one, "queue"));
			if (room)		/* its pages can be read */
				metrics_put(metrics, slots ? room : unanswered < room ? unanswered : room, "driver", text(one, "driver"), "domain",
					    text(one, "domain"), "device", text(one, "device"), "queue", queue, "ring", text(one, "ring"), NULL);
		}
	}
}

static void write_events(struct metrics *metrics, const struct snapshot *snapshot)
{
	const char *kind;
	json_t *count;

	metrics_family(metrics, METRICS_COUNTER, "skink_events", NULL, "Events since skinkd was started, by kind");
	json_object_foreach(snapshot->events, kind, count)
		metrics_put(metrics, json_number_value(count), "kind", kind, NULL);
}

void metrics_write(FILE *to)
{
	struct metrics metrics = { .to = to };
	struct snapshot snapshot = look();

	write_host(&metrics);
	write_states(&metrics, &snapshot);
	write_domains(&metrics, &snapshot, METRICS_GAUGE, "skink_domain_memory_bytes", "bytes", "Memory that it has", "memory_kib", 1024);
	write_domains(&metrics, &snapshot, METRICS_GAUGE, "skink_domain_vcpus", NULL, "Vcpus that are online", "vcpus", 1);
	write_domains(&metrics, &snapshot, METRICS_COUNTER, "skink_domain_cpu_seconds", "seconds", "CPU time of all its vcpus", "cpu_seconds", 1);
	write_accounts(&metrics, &snapshot);
	write_restarts(&metrics, &snapshot);
	write_attachments(&metrics, &snapshot);
	write_rings(&metrics, &snapshot);
	write_events(&metrics, &snapshot);
	metrics_end(&metrics);
	forget(&snapshot);
}
