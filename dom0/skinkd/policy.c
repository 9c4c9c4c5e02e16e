/* SPDX-License-Identifier: MIT */
/* What becomes of a domain that has ended, and of all of them when skinkd was started again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xen/sched.h>

#include "lib/image.h"
#include "skinkd/attach.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/life.h"
#include "skinkd/monitor.h"
#include "skinkd/note.h"
#include "skinkd/state.h"
#include "skinkd/wait.h"

/* A domain that ends so often in a row before quick_death_s have passed is not started again: it would never stop. */
#define QUICK_DEATHS	5

static const char *name_of(const struct domain *domain)
{
	return domain->manifest->name;
}

/* ---- core files ---- */

struct dump_end {
	struct domain *domain;
	bool is_restart;
};

static void dumped(void *context, const struct outcome *result)
{
	struct dump_end *next = context;

	if (result->code)
		event("failed", name_of(next->domain), next->domain->id, "no core file: %s", result->message);
	life_end(next->domain, next->is_restart);
	free(next);
}

static void dump_and_end(struct domain *domain, bool is_restart)
{
	struct dump_end *next = need_memory(malloc(sizeof(*next)));

	*next = (struct dump_end){ domain, is_restart };
	domain->phase = PHASE_ENDED;
	life_dump(domain, NULL, false, dumped, next);
}

/* ---- policies ---- */

static bool may_restart(struct domain *domain)
{
	uint64_t lived_ms = uv_now(host.loop) - domain->started_ms;

	domain->quick_deaths = lived_ms < host.conf.quick_death_s * 1000 ? domain->quick_deaths + 1 : 0;
	if (domain->quick_deaths < QUICK_DEATHS)
		return true;
	event("failed", name_of(domain), domain->id, "it has ended within %lu s of its start %d times in a row: it is not started "
	      "again", host.conf.quick_death_s, QUICK_DEATHS);
	return false;
}

static enum manifest_action action_for(const struct domain *domain, uint32_t reason)
{
	switch (reason) {
	case SHUTDOWN_crash:
	case SHUTDOWN_watchdog:
		return domain->manifest->on_crash;
	case SHUTDOWN_reboot:
	case SHUTDOWN_soft_reset:
		return domain->manifest->on_reboot;
	default:
		return domain->manifest->on_poweroff;
	}
}

static enum manifest_action without_restart(enum manifest_action action)
{
	return action == ACTION_RESTART ? ACTION_DESTROY : action == ACTION_COREDUMP_RESTART ? ACTION_COREDUMP_DESTROY : action;
}

static void obey(struct domain *domain, enum manifest_action action)
{
	switch (action) {
	case ACTION_DESTROY:
		life_end(domain, false);
		return;
	case ACTION_RESTART:
		life_end(domain, may_restart(domain));
		return;
	case ACTION_PRESERVE:
		domain->phase = PHASE_ENDED;
		life_changed();
		return;
	case ACTION_COREDUMP_DESTROY:
		dump_and_end(domain, false);
		return;
	case ACTION_COREDUMP_RESTART:
		dump_and_end(domain, may_restart(domain));
		return;
	}
}

static uint32_t reason_of(uint32_t flags)
{
	return flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
}

static enum manifest_action wanted_for(const struct domain *domain, uint32_t flags)
{
	enum manifest_action action = action_for(domain, reason_of(flags));

	return domain->stays_down ? without_restart(action) : action;
}

/* What it left behind has been noted. Who dumps it meanwhile has it looked at once more. */
static void has_crashed(struct domain *domain, uint32_t flags)
{
	char words[DRIVER_TEXT_BYTES + 1];

	if (domain->phase != PHASE_RUNNING)
		return;
	if (domain->driver) {
		driver_last_words(domain->driver, words, sizeof(words));
		monitor_unborn(domain, words);
	} else {
		obey(domain, wanted_for(domain, flags));
	}
}

static void has_shut_down(struct domain *domain, uint32_t flags)
{
	uint32_t reason = reason_of(flags);
	bool is_crash = reason == SHUTDOWN_crash || reason == SHUTDOWN_watchdog;
	char words[DRIVER_TEXT_BYTES + 1] = "";

	if (domain->driver)
		driver_last_words(domain->driver, words, sizeof(words));
	if (!domain->driver || !is_crash)
		event(is_crash ? "crashed" : "shutdown", name_of(domain), domain->id, "%s: %s%s%s", reason_name(flags),
		      manifest_action_name(wanted_for(domain, flags)), *words ? "; it said: " : "", words);
	if (is_crash)
		note_begin(domain, flags, has_crashed);
	else
		obey(domain, wanted_for(domain, flags));
}

/* Somebody else destroyed it. */
static void has_gone(struct domain *domain)
{
	event("destroyed", name_of(domain), domain->id, "not by skinkd");
	life_leave(domain);
	if (host.store.handle)
		store_remove(&host.store, domain->id, domain->uuid);
	domain_remove(domain);
	life_changed();
}

static void look_at(struct domain *domain)
{
	struct xen_domctl_getdomaininfo info;
	int result = core_domain_info(&host.core, domain->id, &info);

	if (result && result != -ESRCH)
		return;
	if (result || info.flags & XEN_DOMINF_dying || memcmp(info.handle, domain->uuid, sizeof(info.handle)))
		has_gone(domain);
	else if (info.flags & XEN_DOMINF_shutdown && domain->phase == PHASE_RUNNING && !domain->note && !monitor_has(domain))
		has_shut_down(domain, info.flags);
}

void life_look(void)
{
	struct domain *next;

	uv_update_time(host.loop);
	for (struct domain *domain = host.domains; domain; domain = next) {
		next = domain->next;
		if (domain->phase == PHASE_RUNNING || domain->phase == PHASE_ENDED)
			look_at(domain);
	}
	wait_look();
}

/* ---- after skinkd was started again ---- */

/* What a build had made when skinkd was killed carries the UUID, but nobody has been told its id. */
/* Of those that no record tells of. */
static void destroy_all_with(const uint8_t uuid[16])
{
	struct target *list;
	size_t count = target_list(&list);

	for (size_t i = 0; i < count; i++) {
		if (!list[i].has_id || list[i].record || memcmp(list[i].info.handle, uuid, sizeof(list[i].info.handle)))
			continue;
		core_domain_destroy(&host.core, list[i].id);
		if (host.store.handle)
			store_remove(&host.store, list[i].id, uuid);
	}
	free(list);
}

/* An upgrade that was under way has changed nothing yet; whoever asked for it knows that skinkd was ended. */
static void end_rehearsal(const struct domain *domain)
{
	uint8_t uuid[16];

	memcpy(uuid, domain->uuid, sizeof(uuid));
	image_rehearsal_uuid(uuid);
	destroy_all_with(uuid);
}

static void resume(struct domain *domain)
{
	if (domain->monitor)
		end_rehearsal(domain);
	switch (domain->phase) {
	case PHASE_BUILDING:
		destroy_all_with(domain->uuid);
		if (domain->restarts && !domain->is_doomed) {
			life_build(domain, NULL, NULL);
			return;
		}
		event("failed", name_of(domain), 0, "skinkd was ended while it was being built: create it again");
		domain_remove(domain);
		return;
	case PHASE_ENDING:
		life_end(domain, domain->is_restarting);
		return;
	case PHASE_DUMPING:
		return;			/* life_dump_is_cut_off() */
	case PHASE_RUNNING:
		if (domain->is_new)
			life_let_run(domain);
		else
			attach_resume(domain->id, domain->manifest);
		/* fall through */
	case PHASE_ENDED:
		if (domain->is_doomed)
			life_end(domain, false);
		return;
	}
}

void life_resume(void)
{
	struct domain *next;

	for (struct domain *domain = host.domains; domain; domain = next) {
		next = domain->next;
		resume(domain);
	}
	state_save();
	life_look();
}
