/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "skinkd/attach.h"
#include "skinkd/check.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/life.h"
#include "skinkd/methods.h"
#include "skinkd/monitor.h"
#include "skinkd/state.h"
#include "skinkd/text.h"
#include "skinkd/upgrade.h"
#include "skinkd/wait.h"

#define TIMEOUT_S	60.0

/* ---- what a request and `apply` both do ---- */

struct outcome change_memory(struct domain *domain, uint64_t kib)
{
	uint64_t available, all, now = domain->memory_target_kib;
	char text[32];
	int result;

	if (kib > domain->manifest->memory_kib)
		return outcome(CODE_BAD, "%lu MiB are more than '%s' may ever have, %lu MiB: its <memory> says so, and changes at its "
			       "next start", kib >> 10, domain->manifest->name, domain->manifest->memory_kib >> 10);
	if (kib < MANIFEST_MEMORY_KIB_MIN)
		return outcome(CODE_BAD, "%lu KiB are too little for any kernel: write %u or more", kib, MANIFEST_MEMORY_KIB_MIN);
	memory_free(&available, &all);
	if (kib > now && kib - now > available)
		return outcome(CODE_FAILED, "only %lu MiB are free: take some from another domain first", available >> 10);
	snprintf(text, sizeof(text), "%lu", kib);
	result = !host.store.handle ? -ENOTCONN : store_write(&host.store, domain->id, "memory/target", text);
	if (result)
		return outcome(CODE_FAILED, "'%s' cannot be told: xenstored says: %s", domain->manifest->name, strerror(-result));
	domain->memory_target_kib = kib;
	event("changed", domain->manifest->name, domain->id, "memory: %lu KiB, was %lu", kib, now);
	state_save();
	return outcome(0, "done");
}

struct outcome change_vcpus(struct domain *domain, uint32_t vcpus)
{
	int result = host.store.handle ? 0 : -ENOTCONN;

	if (!vcpus || vcpus > domain->manifest->vcpus)
		return outcome(CODE_BAD, "'%s' can have 1 to %u vcpus: its <vcpu> says so, and changes at its next start",
			       domain->manifest->name, domain->manifest->vcpus);
	for (uint32_t i = 0; i < domain->manifest->vcpus && !result; i++)
		result = store_vcpu_set(&host.store, domain->id, i, i < vcpus);
	if (result)
		return outcome(CODE_FAILED, "'%s' cannot be told: xenstored says: %s", domain->manifest->name, strerror(-result));
	event("changed", domain->manifest->name, domain->id, "vcpus: %u, was %u", vcpus, domain->vcpus_target);
	domain->vcpus_target = vcpus;
	state_save();
	return outcome(0, "done");
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

struct outcome change_live(struct domain *domain, struct manifest *manifest)
{
	struct outcome result = outcome(0, "done");
	struct manifest *old = domain->manifest;

	domain_keep_macs(manifest, old);
	domain->manifest = manifest;
	domain_keep_uuid(domain);
	monitor_policy(domain);
	if (!same_text(old->driver.fallback, manifest->driver.fallback) || old->driver.restart.then != manifest->driver.restart.then)
		upgrade_fallback_anew(domain);
	if (domain->phase == PHASE_RUNNING) {
		life_tune(domain);
		attach_update(domain->id, manifest);
		if (domain->driver)
			driver_health(domain->driver, &manifest->driver.health);
	}
	if (manifest->current_memory_kib != old->current_memory_kib)
		result = change_memory(domain, manifest->current_memory_kib);
	if (!result.code && manifest->current_vcpus != old->current_vcpus)
		result = change_vcpus(domain, manifest->current_vcpus);
	manifest_free(old);
	state_save();
	return result;
}

/* ---- memory and vcpus: the guest has to do it, and that may be waited for ---- */

static void memory_is_set(void *context, const struct outcome *result)
{
	struct request *request = context;
	struct target target;

	if (result->code)
		rpc_fail_outcome(request, result);
	else if (method_target(request, json_object_get(request->params, "domain"), &target))
		rpc_answer(request, json_pack("{s:I, s:I}", "memory_kib", (json_int_t)(target.info.tot_pages << 2), "memory_target_kib",
					      json_integer_value(json_object_get(request->params, "memory_kib"))));
}

void method_mem_set(struct request *request)
{
	struct wait_request wait = { .what = WAIT_MEMORY, .timeout_s = TIMEOUT_S };
	struct outcome result;
	int is_awaited = 1;
	json_int_t kib;
	json_t *named;

	if (!rpc_unpack(request, "{s:o, s:I, s?b, s?F}", "domain", &named, "memory_kib", &kib, "wait", &is_awaited, "timeout",
			&wait.timeout_s) || !method_guest(request, named, false, &wait.target))
		return;
	result = kib < 0 ? outcome(CODE_BAD, "memory is not negative") : change_memory(wait.target.record, (uint64_t)kib);
	wait.value = (uint64_t)kib;
	if (result.code || !is_awaited)
		memory_is_set(request, &result);
	else
		wait_start(&wait, memory_is_set, request);
}

static void vcpus_are_set(void *context, const struct outcome *result)
{
	struct request *request = context;
	struct target target;

	if (result->code)
		rpc_fail_outcome(request, result);
	else if (method_target(request, json_object_get(request->params, "domain"), &target))
		rpc_answer(request, json_pack("{s:i}", "vcpus", target.info.nr_online_vcpus));
}

void method_vcpu_set(struct request *request)
{
	struct wait_request wait = { .what = WAIT_VCPUS, .timeout_s = TIMEOUT_S };
	int is_awaited = 1, vcpus;
	struct outcome result;
	json_t *named;

	if (!rpc_unpack(request, "{s:o, s:i, s?b, s?F}", "domain", &named, "vcpus", &vcpus, "wait", &is_awaited, "timeout",
			&wait.timeout_s) || !method_guest(request, named, false, &wait.target))
		return;
	result = change_vcpus(wait.target.record, vcpus < 0 ? 0 : (uint32_t)vcpus);
	wait.value = (uint64_t)vcpus;
	if (result.code || !is_awaited)
		vcpus_are_set(request, &result);
	else
		wait_start(&wait, vcpus_are_set, request);
}

/* ---- scheduling ---- */

void method_sched(struct request *request)
{
	json_int_t weight = -1, cap = -1, warp = -1, warp_limit = -1;
	struct skink_domctl_sched sched = { 0 };
	struct target target;
	bool is_set;
	json_t *named;
	int result;

	if (!rpc_unpack(request, "{s:o, s?I, s?I, s?I, s?I}", "domain", &named, "weight", &weight, "cap", &cap, "warp_us", &warp,
			"warp_limit_us", &warp_limit) || !method_target(request, named, &target))
		return;
	is_set = json_object_size(request->params) > 1;
	result = core_sched(&host.core, target.id, &sched);
	pay_hide(target.record, &sched);
	sched.set = is_set;
	sched.weight = weight < 0 ? sched.weight : (uint32_t)weight;
	sched.cap_percent = cap < 0 ? sched.cap_percent : (uint32_t)cap;
	sched.warp_us = warp < 0 ? sched.warp_us : (uint32_t)warp;
	sched.warp_limit_us = warp_limit < 0 ? sched.warp_limit_us : (uint32_t)warp_limit;
	if (!result && is_set)
		result = core_sched(&host.core, target.id, &sched);
	if (result == -EINVAL) {
		rpc_fail(request, CODE_BAD, "out of range: the weight is 1 to 65535, the cap a percentage of one CPU (0: none)");
		return;
	}
	if (result) {
		rpc_fail(request, CODE_FAILED, "the core does not do that for '%s': %s", target.name, strerror(-result));
		return;
	}
	if (is_set && target.record) {
		target.record->manifest->sched = (struct manifest_sched){ sched.weight, sched.cap_percent, sched.warp_us,
									  sched.warp_limit_us };
		pay_forget(target.record);
	}
	if (is_set) {
		event("changed", target.name, target.id, "weight %u, cap %u %%, warp %u us", sched.weight, sched.cap_percent,
		      sched.warp_us);
		state_save();
	}
	rpc_answer(request, sched_json(&sched));
}

/* vcpu: a number, or "all" for UINT32_MAX. */
static bool which_vcpu(const json_t *named, const struct target *target, uint32_t *vcpu)
{
	*vcpu = UINT32_MAX;
	if (json_is_string(named))
		return !strcmp(json_string_value(named), "all");
	if (!json_is_integer(named) || json_integer_value(named) < 0 || json_integer_value(named) > target->info.max_vcpu_id)
		return false;
	*vcpu = (uint32_t)json_integer_value(named);
	return true;
}

void method_vcpu_pin(struct request *request)
{
	json_t *named, *which;
	struct target target;
	const char *text;
	uint32_t vcpu;
	uint64_t cpus;
	int result = 0;

	if (!rpc_unpack(request, "{s:o, s:o, s:s}", "domain", &named, "vcpu", &which, "cpus", &text) ||
	    !method_target(request, named, &target))
		return;
	if (!which_vcpu(which, &target, &vcpu) || !cpus_parse(text, &cpus) || !cpus) {
		rpc_fail(request, CODE_BAD, "vcpu is 0 to %u or 'all', cpus is like '0-3,5' or 'all'", target.info.max_vcpu_id);
		return;
	}
	for (uint32_t i = 0; i <= target.info.max_vcpu_id && !result; i++) {
		if (vcpu != UINT32_MAX && vcpu != i)
			continue;
		result = core_vcpu_affinity_set(&host.core, target.id, i, cpus);
		if (!result && target.record && i < MANIFEST_VCPUS_MAX)
			target.record->manifest->affinity[i] = cpus == UINT64_MAX ? 0 : cpus;
	}
	if (result) {
		rpc_fail(request, result == -EINVAL ? CODE_BAD : CODE_FAILED, "the core does not pin it to %s: %s", text,
			 result == -EINVAL ? "this machine has none of these CPUs" : strerror(-result));
		return;
	}
	event("changed", target.name, target.id, "pinned to CPUs %s", text);
	state_save();
	rpc_answer(request, json_pack("{s:o}", "vcpus", vcpus_json(&target)));
}
