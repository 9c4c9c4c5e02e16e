/* SPDX-License-Identifier: MIT */
/*
 * Interrupts of the device as the driver sees them: events on the channels that it has bound them to. What the core and the device do below
 * that is not touched.
 */
#include "inject/faults.h"

#include <time.h>

#define PORTS_MAX	256u
#define STORM_NS	100000000L
#define SILENCE_NS	50000000L

struct interrupts {
	uint32_t port[PORTS_MAX];
	uint32_t count;
};

static void find_interrupts(struct victim *victim, struct interrupts *interrupts)
{
	struct evtchn_status status;

	interrupts->count = 0;
	for (uint32_t port = 1; port < PORTS_MAX; port++)
		if (!core_port_status(&victim->core, victim->id, port, &status) && status.status == EVTCHNSTAT_pirq)
			interrupts->port[interrupts->count++] = port;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/*
 * All become pending, and an event of the core's has the driver look. It is the core that sets the selector of that event's word: where the
 * selector stands already it takes the upcall for sent, and who sleeps then sleeps for ever.
 */
static void raise_all(struct victim *victim, const struct interrupts *interrupts, struct shared_info *shared)
{
	for (uint32_t i = 0; i < interrupts->count; i++) {
		uint32_t port = interrupts->port[i];

		__atomic_fetch_or(&shared->evtchn_pending[port / 64], 1UL << port % 64, __ATOMIC_SEQ_CST);
		if (port / 64 != victim->driver_port / 64)
			__atomic_fetch_or(&shared->vcpu_info[0].evtchn_pending_sel, 1UL << port / 64, __ATOMIC_SEQ_CST);
	}
	(void)core_port_send(&victim->core, victim->kick_port);
}

/* One that was awake may have seen that event and not yet what became pending with it: it looks once more. One that sleeps has seen all. */
static bool let_it_look(struct victim *victim, const struct interrupts *interrupts, struct shared_info *shared)
{
	struct xen_domctl_getdomaininfo info;

	if (victim_pause(victim) || core_domain_info(&victim->core, victim->id, &info))
		return false;
	for (uint32_t i = 0; i < interrupts->count && !(info.flags & XEN_DOMINF_blocked); i++)
		__atomic_fetch_or(&shared->vcpu_info[0].evtchn_pending_sel, 1UL << interrupts->port[i] / 64, __ATOMIC_SEQ_CST);
	if (!(info.flags & XEN_DOMINF_blocked))
		__atomic_store_n(&shared->vcpu_info[0].evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
	return !victim_go(victim);
}

static enum injected begin(struct victim *victim, struct fault *fault, struct interrupts *interrupts, struct shared_info **shared)
{
	if (victim_pause(victim))
		return VICTIM_GONE;
	find_interrupts(victim, interrupts);
	*shared = shared_info_of(victim);
	json_object_set_new(fault->record, "interrupts", json_integer(interrupts->count));
	if (!*shared)
		return NOT_INJECTED;
	if (!interrupts->count)
		return NO_TARGET;
	return victim_go(victim) ? VICTIM_GONE : INJECTED;
}

enum injected fault_interrupt_storm(struct victim *victim, struct fault *fault)
{
	struct interrupts interrupts;
	struct shared_info *shared;
	enum injected result = begin(victim, fault, &interrupts, &shared);
	uint64_t end, raised = 0;

	if (result != INJECTED)
		return result;
	if (!victim->kick_port)
		return NOT_INJECTED;
	for (end = now_ns() + STORM_NS; now_ns() < end && victim_is_the_same(victim); raised++)
		raise_all(victim, &interrupts, shared);
	if (victim_is_the_same(victim) && !let_it_look(victim, &interrupts, shared))
		return VICTIM_GONE;
	json_object_set_new(fault->record, "raised", json_integer((json_int_t)raised));
	fault_activated(fault, raised > 0, "its ports became pending");
	return INJECTED;
}

/* What comes in while a port is masked is taken away. */
enum injected fault_interrupt_lost(struct victim *victim, struct fault *fault)
{
	const struct timespec silence = { 0, SILENCE_NS };
	struct interrupts interrupts;
	struct shared_info *shared;
	uint64_t masked[PORTS_MAX / 64] = { 0 };
	enum injected result = begin(victim, fault, &interrupts, &shared);
	uint32_t lost = 0;

	if (result != INJECTED)
		return result;
	victim_obstruct(victim, true);
	for (uint32_t i = 0; i < interrupts.count; i++) {
		uint32_t port = interrupts.port[i];

		masked[port / 64] |= __atomic_fetch_or(&shared->evtchn_mask[port / 64], 1UL << port % 64, __ATOMIC_SEQ_CST) & 1UL << port % 64;
	}
	nanosleep(&silence, NULL);
	for (uint32_t i = 0; i < interrupts.count; i++) {
		uint64_t bit = 1UL << interrupts.port[i] % 64, *pending = &shared->evtchn_pending[interrupts.port[i] / 64];

		/* In this order: what became pending under the mask would never be told of. */
		if (!(masked[interrupts.port[i] / 64] & bit))
			__atomic_fetch_and(&shared->evtchn_mask[interrupts.port[i] / 64], ~bit, __ATOMIC_SEQ_CST);
		lost += (__atomic_fetch_and(pending, ~bit, __ATOMIC_SEQ_CST) & bit) != 0;
	}
	victim_obstruct(victim, false);
	json_object_set_new(fault->record, "lost", json_integer(lost));
	fault_activated(fault, lost > 0, lost ? "ports were pending, and are not any more" : "no interrupt came meanwhile");
	return INJECTED;
}
