/* SPDX-License-Identifier: MIT */
/* Drivers that are restarted, or let go, by hand. */
#include <stdlib.h>
#include <string.h>

#include "skinkd/attach.h"
#include "skinkd/events.h"
#include "skinkd/methods.h"
#include "skinkd/monitor.h"
#include "skinkd/wait.h"

#define TIMEOUT_S	10.0

struct restarted {
	struct request *request;
	uint8_t uuid[16];
};

static void has_recovered(void *context, const struct outcome *result)
{
	struct restarted *restarted = context;
	struct domain *domain = domain_by_uuid(restarted->uuid);

	if (result->code || !domain)
		rpc_fail_outcome(restarted->request, result);
	else
		rpc_answer(restarted->request, json_pack("{s:o, s:o}", "domain", domain_json(domain), "restart",
							 monitor_json(domain->monitor)));
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

static void answer_when_back(struct request *request, const struct target *target, double timeout_s)
{
	struct wait_request wait = { .what = WAIT_RECOVERED, .target = *target, .timeout_s = timeout_s };
	struct restarted *restarted = need_memory(calloc(1, sizeof(*restarted)));

	restarted->request = request;
	memcpy(restarted->uuid, target->record->uuid, sizeof(restarted->uuid));
	wait_start(&wait, has_recovered, restarted);
}

static void begin_again(struct request *request, int (*how)(struct domain *, char *), const char *what)
{
	double timeout_s = TIMEOUT_S;
	char why[MONITOR_TEXT];
	struct target target;
	json_t *named;

	if (!rpc_unpack(request, "{s:o, s?F}", "domain", &named, "timeout", &timeout_s) ||
	    !method_guest(request, named, true, &target) || !is_driver(request, &target))
		return;
	if (target.record->is_paused)
		rpc_fail(request, CODE_FAILED, "'%s' is paused: 'skink unpause %s' first", target.name, target.name);
	else if (how(target.record, why))
		rpc_fail(request, CODE_FAILED, "'%s' is not %s: %s", target.name, what, why);
	else
		answer_when_back(request, &target, timeout_s < 0 ? 0 : timeout_s);
}

void method_restart(struct request *request)
{
	begin_again(request, monitor_restart, "restarted");
}

/* The driver itself, or disks that it has set aside: there may be both. */
static int release(struct domain *domain, char why[MONITOR_TEXT])
{
	uint32_t served = domain->driver ? attach_serve_aside(domain->driver) : 0;

	return monitor_release(domain, why) && !served ? -1 : 0;
}

void method_release(struct request *request)
{
	begin_again(request, release, "released");
}
