/* SPDX-License-Identifier: MIT */
/* Drivers that are restarted, or let go, by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/need.h"
#include "skinkd/attach.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/life.h"
#include "skinkd/methods.h"
#include "skinkd/monitor.h"
#include "skinkd/wait.h"

#define TIMEOUT_S	10.0

/* What is asked of a driver, and by whom. */
struct restarted {
	struct request *request;
	uint8_t uuid[16];
	struct target target;
	double timeout_s;
	char *core_file;		/* NULL: none was asked for */
};

static void has_recovered(void *context, const struct outcome *result)
{
	struct restarted *restarted = context;
	struct domain *domain = domain_by_uuid(restarted->uuid);

	if (result->code || !domain)
		rpc_fail_outcome(restarted->request, result);
	else
		rpc_answer(restarted->request, json_pack("{s:o, s:o, s:s*}", "domain", domain_json(domain), "restart",
							 monitor_json(domain->monitor), "core_file", restarted->core_file));
	free(restarted->core_file);
	free(restarted);
}

/* A driver domain of skinkd's, or the request has failed. */
static bool is_driver(struct request *request, const struct target *target)
{
	if (target->record && target->record->monitor)
		return true;
	rpc_fail(request, CODE_NOT_ALLOWED, "'%s' is no driver domain: 'skink reboot %s' asks a guest to begin again", target->name,
		 target->name);
	return false;
}

static void fail(struct restarted *restarted, int code, const char *why)
{
	struct outcome result = outcome(code, "%s", why);

	has_recovered(restarted, &result);
}

static void begin_again(struct restarted *restarted, int (*how)(struct domain *, char *), const char *what)
{
	struct wait_request wait = { .what = WAIT_RECOVERED, .target = restarted->target, .timeout_s = restarted->timeout_s };
	char why[MONITOR_TEXT], text[MONITOR_TEXT + 200];

	if (how(restarted->target.record, why)) {
		snprintf(text, sizeof(text), "'%s' is not %s: %s", restarted->target.name, what, why);
		fail(restarted, CODE_FAILED, text);
		return;
	}
	wait_start(&wait, has_recovered, restarted);
}

/* NULL: the request has failed. */
static struct restarted *asked(struct request *request, const struct target *target, double timeout_s)
{
	struct restarted *restarted;

	if (!is_driver(request, target))
		return NULL;
	if (target->record->is_paused) {
		rpc_fail(request, CODE_FAILED, "'%s' is paused: 'skink unpause %s' first", target->name, target->name);
		return NULL;
	}
	restarted = need_memory(calloc(1, sizeof(*restarted)));
	restarted->request = request;
	restarted->target = *target;
	restarted->timeout_s = timeout_s < 0 ? 0 : timeout_s;
	memcpy(restarted->uuid, target->record->uuid, sizeof(restarted->uuid));
	return restarted;
}

static void has_dumped(void *context, const struct outcome *result)
{
	struct restarted *restarted = context;
	struct domain *domain = domain_by_uuid(restarted->uuid);

	if (result->code) {
		has_recovered(restarted, result);
	} else if (!domain || domain != restarted->target.record || !domain->driver) {
		fail(restarted, CODE_FAILED, "it was destroyed meanwhile");
	} else {
		restarted->core_file = need_copy(result->message);
		begin_again(restarted, monitor_restart, "restarted");
	}
}

void method_restart(struct request *request)
{
	struct restarted *restarted;
	double timeout_s = TIMEOUT_S;
	struct target target;
	json_t *named;
	int dumps = 0;

	if (!rpc_unpack(request, "{s:o, s?F, s?b}", "domain", &named, "timeout", &timeout_s, "dump_core", &dumps) ||
	    !method_guest(request, named, true, &target))
		return;
	if (dumps && target.record && target.record->phase != PHASE_RUNNING && target.record->phase != PHASE_ENDED) {
		rpc_fail(request, CODE_FAILED, "'%s' is being dumped or destroyed already", target.name);
		return;
	}
	restarted = asked(request, &target, timeout_s);
	if (restarted && dumps)
		life_dump(target.record, NULL, false, has_dumped, restarted);
	else if (restarted)
		begin_again(restarted, monitor_restart, "restarted");
}

/* The driver itself, or disks that it has set aside: there may be both. */
static int release(struct domain *domain, char why[MONITOR_TEXT])
{
	uint32_t served = domain->driver ? attach_serve_aside(domain->driver) : 0;

	return monitor_release(domain, why) && !served ? -1 : 0;
}

void method_release(struct request *request)
{
	struct restarted *restarted;
	double timeout_s = TIMEOUT_S;
	struct target target;
	json_t *named;

	if (!rpc_unpack(request, "{s:o, s?F}", "domain", &named, "timeout", &timeout_s) ||
	    !method_guest(request, named, true, &target))
		return;
	restarted = asked(request, &target, timeout_s);
	if (restarted)
		begin_again(restarted, release, "released");
}
