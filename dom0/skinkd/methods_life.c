/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "skinkd/attach.h"
#include "skinkd/autostart.h"
#include "skinkd/events.h"
#include "skinkd/life.h"
#include "skinkd/methods.h"
#include "skinkd/monitor.h"
#include "skinkd/state.h"
#include "skinkd/wait.h"
#include "skinkd/watch.h"

#define TIMEOUT_S	60.0
#define TIMEOUT_MAX_S	1e6

/* What is answered when it has come. */
struct waiter {
	struct request *request;
	json_t *answer;
	uint8_t uuid[16];
};

static struct waiter *waiter_new(struct request *request, const struct target *target, json_t *answer)
{
	struct waiter *waiter = need_memory(calloc(1, sizeof(*waiter)));

	waiter->request = request;
	waiter->answer = answer;
	if (target->record)
		memcpy(waiter->uuid, target->record->uuid, sizeof(waiter->uuid));
	return waiter;
}

static double limit_timeout(double timeout)
{
	return timeout < 0 ? 0 : timeout > TIMEOUT_MAX_S ? TIMEOUT_MAX_S : timeout;
}

/* ---- create ---- */

struct creation {
	struct request *request;
	json_t *warnings;
	char name[256];
};

static void created(void *context, const struct outcome *result)
{
	struct creation *creation = context;
	struct domain *domain = domain_by_name(creation->name);

	if (result->code || !domain) {
		rpc_fail_outcome(creation->request, result);
		json_decref(creation->warnings);
	} else {
		rpc_answer(creation->request, json_pack("{s:o, s:o}", "domain", domain_json(domain), "warnings", creation->warnings));
	}
	free(creation);
}

void method_create(struct request *request)
{
	const char *xml, *file = "manifest";
	struct creation *creation;
	struct manifest *manifest;
	json_t *warnings;
	int is_paused = 0;

	if (!rpc_unpack(request, "{s:s, s?s, s?b}", "xml", &xml, "file", &file, "paused", &is_paused))
		return;
	manifest = method_manifest(request, xml, file, &warnings);
	if (!manifest)
		return;
	creation = need_memory(calloc(1, sizeof(*creation)));
	*creation = (struct creation){ .request = request, .warnings = warnings };
	snprintf(creation->name, sizeof(creation->name), "%s", manifest->name);
	rpc_progress(request, "unpacking the kernel and building the domain");
	life_create(manifest, is_paused, created, creation);
}

/* ---- destroy, shutdown, reboot ---- */

static void destroyed(void *context, const struct outcome *result)
{
	struct waiter *waiter = context;

	if (result->code) {
		rpc_fail_outcome(waiter->request, result);
		json_decref(waiter->answer);
	} else {
		rpc_answer(waiter->request, waiter->answer);
	}
	free(waiter);
}

static void destroy_foreign(struct request *request, const struct target *target, json_t *answer)
{
	int result = core_domain_destroy(&host.core, target->id);

	if (result) {
		json_decref(answer);
		rpc_fail(request, CODE_FAILED, "the core does not destroy '%s': %s", target->name, strerror(-result));
		return;
	}
	if (host.store.handle)
		store_remove(&host.store, target->id, target->info.handle);
	event("destroyed", target->name, target->id, "it was not created by skinkd");
	rpc_answer(request, answer);
}

/* True: it has failed the request. */
static bool serves_somebody(struct request *request, const struct target *target)
{
	const struct driver *driver = target->record ? target->record->driver : NULL;
	const char *name = "";
	uint32_t count = driver ? attach_count(driver, &name) : 0;

	if (count)
		rpc_fail(request, CODE_NOT_ALLOWED, "'%s' serves %u device%s, one of '%.60s': --force takes %s away", target->name, count,
			 count == 1 ? "" : "s", name, count == 1 ? "it" : "them");
	return count;
}

void method_destroy(struct request *request)
{
	struct wait_request wait = { .what = WAIT_GONE, .timeout_s = TIMEOUT_S };
	json_t *named, *answer;
	int is_forced = 0;

	if (!rpc_unpack(request, "{s:o, s?b}", "domain", &named, "force", &is_forced) ||
	    !method_target(request, named, &wait.target))
		return;
	if (wait.target.has_id && wait.target.id == 0) {
		rpc_fail(request, CODE_NOT_ALLOWED, "Domain-0 is never destroyed ('poweroff' in Domain-0 ends the machine)");
		return;
	}
	if (!is_forced && serves_somebody(request, &wait.target))
		return;
	answer = json_pack("{s:o}", "domain", target_json(&wait.target));
	if (!wait.target.record) {
		destroy_foreign(request, &wait.target, answer);
		return;
	}
	life_destroy(wait.target.record);
	wait_start(&wait, destroyed, waiter_new(request, &wait.target, answer));
}

static void is_down(void *context, const struct outcome *result)
{
	struct waiter *waiter = context;
	struct domain *domain = domain_by_uuid(waiter->uuid);
	json_t *shown;

	if (result->code) {
		rpc_fail_outcome(waiter->request, result);
	} else if (!domain || domain->phase == PHASE_ENDING) {
		rpc_answer(waiter->request, json_pack("{s:s}", "state", "gone"));
	} else {
		shown = domain_json(domain);
		rpc_answer(waiter->request, json_pack("{s:O}", "state", json_object_get(shown, "state")));
		json_decref(shown);
	}
	free(waiter);
}

/* A driver domain is crash-only: it has nothing to write back, and is asked nothing. */
static void shutdown_driver(struct request *request, struct wait_request *wait, bool is_forced, bool is_awaited)
{
	if (!is_forced && serves_somebody(request, &wait->target))
		return;
	life_destroy(wait->target.record);
	if (is_awaited)
		wait_start(wait, is_down, waiter_new(request, &wait->target, NULL));
	else
		rpc_answer(request, json_pack("{s:s}", "state", "asked"));
}

static void has_rebooted(void *context, const struct outcome *result)
{
	struct waiter *waiter = context;
	struct domain *domain = domain_by_uuid(waiter->uuid);

	if (result->code || !domain)
		rpc_fail_outcome(waiter->request, result);
	else
		rpc_answer(waiter->request, json_pack("{s:o}", "domain", domain_json(domain)));
	free(waiter);
}

/* Both are asked of the guest in the same way. */
static void ask_guest(struct request *request, const char *what, enum wait_for awaited, done_fn done, json_t *at_once)
{
	struct wait_request wait = { .what = awaited, .needs_answer = true, .timeout_s = TIMEOUT_S };
	int is_awaited = 1, is_forced = 0, is_for_good = 0, result;
	json_t *named;

	if (!rpc_unpack(request, "{s:o, s?b, s?F, s?b, s?b}", "domain", &named, "wait", &is_awaited, "timeout", &wait.timeout_s,
			"force", &is_forced, "for_good", &is_for_good) || !method_guest(request, named, awaited == WAIT_DOWN, &wait.target)) {
		json_decref(at_once);
		return;
	}
	wait.timeout_s = limit_timeout(wait.timeout_s);
	if (wait.target.record && wait.target.record->driver && awaited == WAIT_DOWN) {
		wait.needs_answer = false;
		shutdown_driver(request, &wait, is_forced, is_awaited);
		json_decref(at_once);
		return;
	}
	result = !host.store.handle ? -ENOTCONN : store_write(&host.store, wait.target.id, "control/shutdown", what);
	if (!result && wait.target.record) {
		wait.target.record->stays_down = is_for_good && awaited == WAIT_DOWN;
		state_save();
	}
	if (result) {
		rpc_fail(request, CODE_FAILED, "'%s' cannot be asked: xenstored says: %s", wait.target.name, strerror(-result));
	} else if (!is_awaited) {
		rpc_answer(request, json_incref(at_once));
	} else {
		wait_start(&wait, done, waiter_new(request, &wait.target, NULL));
	}
	json_decref(at_once);
}

void method_shutdown(struct request *request)
{
	ask_guest(request, "poweroff", WAIT_DOWN, is_down, json_pack("{s:s}", "state", "asked"));
}

void method_reboot(struct request *request)
{
	ask_guest(request, "reboot", WAIT_REPLACED, has_rebooted, json_pack("{s:n}", "domain"));
}

/* ---- pause, unpause ---- */

static void note_paused(struct domain *domain, bool is_paused)
{
	if (domain && domain->monitor)
		watch_pause(domain->monitor, is_paused);
	if (domain && domain->is_paused != is_paused) {
		domain->is_paused = is_paused;
		state_save();
	}
}

/* MO4: unless a hand has paused it too, an unpause would take the monitor's own pause off. True: it has failed the request. */
static bool is_the_monitors(struct request *request, const struct target *target, bool is_paused)
{
	const struct domain *domain = target->record;
	const char *name = target->name;

	if (!domain || !domain->monitor || (domain->is_paused && !is_paused))
		return false;
	if (monitor_waits_for_somebody(domain))
		rpc_fail(request, CODE_FAILED, "'%s' does not run: 'skink release %s' lets it go", name, name);
	else if (domain->driver && monitor_backs_off(domain->driver))
		rpc_fail(request, CODE_FAILED, "'%s' has died and is restarted soon: try again when it serves, or 'skink restart %s' has it "
			 "back at once", name, name);
	else if (domain->driver && monitor_is_changing(domain->driver))
		rpc_fail(request, CODE_FAILED, "another image is beginning in '%s': try again when it serves", name);
	else
		return false;
	return true;
}

static void set_paused(struct request *request, bool is_paused)
{
	struct target target;
	json_t *named;
	bool was;
	int result;

	if (!rpc_unpack(request, "{s:o}", "domain", &named) || !method_guest(request, named, true, &target) ||
	    is_the_monitors(request, &target, is_paused))
		return;
	was = target.info.flags & XEN_DOMINF_paused;
	result = was == is_paused ? 0 : is_paused ? core_domain_pause(&host.core, target.id) :
		 core_domain_unpause(&host.core, target.id);
	if (result) {
		rpc_fail(request, CODE_FAILED, "the core does not %spause '%s': %s", is_paused ? "" : "un", target.name,
			 strerror(-result));
		return;
	}
	note_paused(target.record, is_paused);
	if (was != is_paused)
		event(is_paused ? "paused" : "unpaused", target.name, target.id, "by request");
	core_domain_info(&host.core, target.id, &target.info);
	rpc_answer(request, json_pack("{s:o}", "domain", target_json(&target)));
	wait_look();
}

void method_pause(struct request *request)
{
	set_paused(request, true);
}

void method_unpause(struct request *request)
{
	set_paused(request, false);
}

/* ---- wait ---- */

void method_wait(struct request *request)
{
	struct wait_request wait = { .timeout_s = TIMEOUT_S };
	const char *what;
	json_t *named;

	if (!rpc_unpack(request, "{s:o, s:s, s?F}", "domain", &named, "for", &what, "timeout", &wait.timeout_s))
		return;
	if (strcmp(what, "running") && strcmp(what, "shutdown") && strcmp(what, "recovered")) {
		rpc_fail(request, CODE_BAD, "'%s' is nothing to wait for: write running, shutdown or recovered", what);
		return;
	}
	if (!method_target(request, named, &wait.target))
		return;
	wait.timeout_s = limit_timeout(wait.timeout_s);
	wait.what = !strcmp(what, "shutdown") ? WAIT_DOWN : !strcmp(what, "running") ? WAIT_RUNNING : WAIT_RECOVERED;
	wait_start(&wait, is_down, waiter_new(request, &wait.target, NULL));
}

/* ---- sysrq, dump-core, autostart ---- */

void method_sysrq(struct request *request)
{
	struct target target;
	const char *key;
	json_t *named;
	int result;

	if (!rpc_unpack(request, "{s:o, s:s}", "domain", &named, "key", &key) || !method_guest(request, named, true, &target))
		return;
	if (strlen(key) != 1 || !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *key)) {
		rpc_fail(request, CODE_BAD, "'%s' is no key: write one letter or digit (h lists them on the guest's console)", key);
		return;
	}
	result = !host.store.handle ? -ENOTCONN : store_write(&host.store, target.id, "control/sysrq", key);
	if (result)
		rpc_fail(request, CODE_FAILED, "'%s' cannot be asked: xenstored says: %s", target.name, strerror(-result));
	else
		rpc_answer(request, json_object());
}

static void has_dumped(void *context, const struct outcome *result)
{
	struct request *request = context;
	struct stat status = { 0 };

	if (result->code) {
		rpc_fail_outcome(request, result);
		return;
	}
	stat(result->message, &status);
	rpc_answer(request, json_pack("{s:s, s:I}", "file", result->message, "bytes", (json_int_t)status.st_size));
}

void method_dump_core(struct request *request)
{
	const char *file = NULL;
	struct target target;
	int is_live = 0;
	json_t *named;

	if (!rpc_unpack(request, "{s:o, s?s, s?b}", "domain", &named, "file", &file, "live", &is_live) ||
	    !method_guest(request, named, false, &target))
		return;
	if (file && (*file != '/' || strlen(file) > 255))
		rpc_fail(request, CODE_BAD, "'%s': write the whole name of a file, from '/' on", file);
	else if (target.record->phase != PHASE_RUNNING && target.record->phase != PHASE_ENDED)
		rpc_fail(request, CODE_FAILED, "'%s' is being dumped or destroyed already", target.name);
	else
		life_dump(target.record, file, is_live, has_dumped, request);
}

void method_autostart(struct request *request)
{
	struct target target;
	struct outcome result;
	char *xml = NULL;
	int enable = 1;
	json_t *named;

	if (!rpc_unpack(request, "{s:o, s?b}", "domain", &named, "enable", &enable))
		return;
	if (!enable && json_is_string(named) && !strchr(json_string_value(named), '/') &&
	    autostart_is_on(json_string_value(named))) {
		result = autostart_disable(json_string_value(named));
	} else {
		if (!method_guest(request, named, false, &target))
			return;
		xml = enable ? need_memory(manifest_write(target.record->manifest)) : NULL;
		result = xml ? autostart_enable(target.name, xml) : autostart_disable(target.name);
		free(xml);
	}
	if (result.code)
		rpc_fail_outcome(request, &result);
	else
		rpc_answer(request, json_pack("{s:b}", "autostart", enable));
}
