/* SPDX-License-Identifier: MIT */
/* Which class is done by what, and what is written down of it. */
#include "inject/faults.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *class;
	fault_fn inject;
} table[] = {
	{ "crash", fault_crash },
	{ "null", fault_null },
	{ "assertion", fault_assertion },
	{ "hang", fault_hang },
	{ "hang-masked", fault_hang_masked },
	{ "text", fault_text },
	{ "data", fault_data },
	{ "heap", fault_heap },
	{ "stack", fault_stack },
	{ "register", fault_register },
	{ "pointer", fault_pointer },
	{ "off-by-one", fault_off_by_one },
	{ "skip", fault_skip },
	{ "branch", fault_branch },
	{ "unlock", fault_unlock },
	{ "page-table", fault_page_table },
	{ "completion-lost", fault_completion_lost },
	{ "completion-double", fault_completion_double },
	{ "completion-reorder", fault_completion_reorder },
	{ "dma-address", fault_dma_address },
	{ "device-silent", fault_device_silent },
	{ "interrupt-storm", fault_interrupt_storm },
	{ "interrupt-lost", fault_interrupt_lost },
	{ "ring-index", fault_ring_index },
	{ "ring-response", fault_ring_response },
	{ "ledger", fault_ledger },
	{ "hog-cpu", fault_hog_cpu },
	{ "hog-hypercalls", fault_hog_hypercalls },
	{ "hog-events", fault_hog_events },
	{ "hog-log", fault_hog_log },
};

static void put_bytes(json_t *record, const char *key, const uint8_t *from, size_t bytes)
{
	char text[2 * 64 + 1] = "";

	for (size_t i = 0; i < bytes && i < 64; i++)
		snprintf(text + 2 * i, 3, "%02x", from[i]);
	json_object_set_new(record, key, json_string(text));
}

void fault_tell(struct victim *victim, struct fault *fault, uint64_t address, const void *old, const void *new, size_t bytes)
{
	char text[128];

	snprintf(text, sizeof(text), "0x%lx", address);
	json_object_set_new(fault->record, "address", json_string(text));
	image_describe(&victim->image, address, text, sizeof(text));
	json_object_set_new(fault->record, "symbol", json_string(text));
	put_bytes(fault->record, "old", old, bytes);
	put_bytes(fault->record, "new", new, bytes);
}

void fault_activated(struct fault *fault, bool is_active, const char *how)
{
	json_object_set_new(fault->record, "activated", json_boolean(is_active));
	json_object_set_new(fault->record, "how", json_string(how));
}

enum injected fault_write(struct victim *victim, struct fault *fault, uint64_t address, const void *new, size_t bytes)
{
	uint8_t old[64];

	if (bytes > sizeof(old) || !victim_read(victim, address, old, bytes) || !victim_write(victim, address, new, bytes))
		return VICTIM_GONE;
	fault_tell(victim, fault, address, old, new, bytes);
	return INJECTED;
}

static void put_times(json_t *record)
{
	struct timespec wall, system;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &system);
	json_object_set_new(record, "time", json_real((double)wall.tv_sec + (double)wall.tv_nsec * 1e-9));
	json_object_set_new(record, "monotonic_ns", json_integer(system.tv_sec * 1000000000L + system.tv_nsec));
}

/* Who has ended it, as far as the core knows. */
static void tell_how_it_went(struct victim *victim, json_t *record)
{
	struct skink_driver_info info;
	bool is_there = !core_driver_info(&victim->core, victim->id, &info);

	json_object_set_new(record, "why", !is_there ? json_string("it is not there any more") : info.generation == victim->generation &&
			    info.state == SKINK_DRIVER_SERVING ? json_string("it was lost sight of, and serves") :
			    json_sprintf("generation %u: %.*s", info.generation, (int)sizeof(info.text), info.text));
}

static enum injected inject_into(struct victim *victim, struct fault *fault)
{
	enum injected result = VICTIM_GONE;

	if (victim_begin(victim))
		return result;
	json_object_set_new(fault->record, "generation", json_integer(victim->generation));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(table[i].class, fault->class->name))
			result = table[i].inject(victim, fault);
	return result;
}

enum injected fault_inject(struct victim *victim, const char *class, uint64_t seed, json_t *record)
{
	static const char *const outcomes[] = {
		[INJECTED] = "injected", [NO_TARGET] = "no-target", [NOT_INJECTED] = "not-injected", [VICTIM_GONE] = "gone",
	};
	struct fault fault = { .class = fault_class_find(class), .random = { seed }, .record = record };
	enum injected result;

	json_object_set_new(record, "class", json_string(class));
	json_object_set_new(record, "group", json_string(fault_group_name(fault.class->group)));
	json_object_set_new(record, "seed", json_integer((json_int_t)seed));
	json_object_set_new(record, "activated", json_null());
	result = inject_into(victim, &fault);
	put_times(record);
	if (result == VICTIM_GONE)
		tell_how_it_went(victim, record);
	victim_leave(victim);
	json_object_set_new(record, "outcome", json_string(outcomes[result]));
	return result;
}
