/* SPDX-License-Identifier: MIT */
/*
 * inject: faults for a driver domain whose manifest allows it. What injects them is a program of its own (dom0/inject), which is started
 * here and listened to.
 * IJ1  Nothing is written of a fault, to a log or a file, before the driver serves again: Dom0's own disk may be what was hit.
 * IJ2  An injector that is killed leaves nobody paused, and nothing in the driver's way: what it has left goes with a restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fault.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/job.h"
#include "skinkd/methods.h"
#include "skinkd/monitor.h"
#include "skinkd/text.h"
#include "skinkd/watch.h"

#define PROGRAM		"/usr/lib/skink/bin/inject"
#define OUTPUT_MAX	(8UL << 20)
#define AT_ONCE		2u		/* so that other work finds a thread */
#define QUIET_MS	100
#define QUIET_TRIES	300u		/* of QUIET_MS: then it is said although the driver is still away */

struct injection {
	struct job job;				/* first */
	struct injection *next;
	struct request *request;
	char name[64];
	domid_t id;
	uint8_t uuid[16];
	struct fault_page *page;		/* the injector's own word (lib/fault.h) */
	int page_file;
	char *image;
	char argument[6][32];			/* of the program, after its name; [1] is the image's */
	char *output;
	size_t bytes;
	int status;
	json_t *faults;
	uv_timer_t timer;
	uint32_t tries;
};

static struct injection *injections;		/* those that have not ended */

/* ---- its page ---- */

static bool page_open(struct injection *injection)
{
	injection->page_file = memfd_create("fault", MFD_CLOEXEC);
	if (injection->page_file < 0)
		return false;
	injection->page = MAP_FAILED;
	if (!ftruncate(injection->page_file, sizeof(*injection->page)))
		injection->page = mmap(NULL, sizeof(*injection->page), PROT_READ, MAP_SHARED, injection->page_file, 0);
	if (injection->page != MAP_FAILED)
		return true;
	close(injection->page_file);
	return false;
}

/* Ended within a step, it may have asked for what was not done any more: then it is paused, and nobody else has paused it. */
static bool is_left_paused(const struct injection *injection, const struct domain *domain)
{
	struct xen_domctl_getdomaininfo info;

	if (injection->page->pause == FAULT_FREE || injection->page->pause == FAULT_PAUSED)
		return injection->page->pause == FAULT_PAUSED;
	return !domain->is_paused && !monitor_backs_off(domain->driver) && !monitor_waits_for_somebody(domain) &&
	       !core_domain_info(&host.core, injection->id, &info) && info.flags & XEN_DOMINF_paused;
}

/* IJ2 */
static void set_free(const struct injection *injection, struct domain *domain)
{
	char why[MONITOR_TEXT] = "";

	if (!domain->driver || domain->id != injection->id)
		return;
	if (is_left_paused(injection, domain))
		core_domain_unpause(&host.core, injection->id);
	if (injection->page->steps % 2 && !monitor_backs_off(domain->driver) && !monitor_waits_for_somebody(domain) &&
	    monitor_restart(domain, why))
		event("failed", injection->name, injection->id, "the injector ended in the middle of its work, and what it has left cannot be "
		      "taken away: %s", why);
}

static void page_close(struct injection *injection)
{
	struct domain *domain = domain_by_uuid(injection->uuid);

	if (domain && domain->monitor)
		watch_held_end(domain->monitor, injection->page);
	if (domain)
		set_free(injection, domain);
	munmap(injection->page, sizeof(*injection->page));
	close(injection->page_file);
}

/* ---- the program ---- */

static int start(struct injection *injection, int *output, pid_t *pid)
{
	char program[] = PROGRAM, *arguments[8] = { program };
	static char *const environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], result;

	for (int i = 0; i < 6; i++)
		arguments[i + 1] = i == 1 ? injection->image : injection->argument[i];
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
	posix_spawn_file_actions_adddup2(&actions, injection->page_file, FAULT_PAGE_FD);
	result = posix_spawn(pid, PROGRAM, &actions, NULL, arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	*output = ends[0];
	if (result)
		close(ends[0]);
	return -result;
}

static int run(struct job *job, struct core *core)
{
	struct injection *injection = (struct injection *)job;
	pid_t pid;
	int output = -1, result = start(injection, &output, &pid);
	ssize_t got = 1;

	if (result)
		return result;
	while (got > 0 || (got < 0 && errno == EINTR)) {
		got = read(output, injection->output + injection->bytes, OUTPUT_MAX - injection->bytes);
		injection->bytes += got > 0 ? (size_t)got : 0;
	}
	close(output);
	while (waitpid(pid, &injection->status, 0) < 0 && errno == EINTR)
		;
	return 0;
}

/* ---- what it said ---- */

/* Lines of JSON, one for each fault; what is none is a complaint, and the last. */
static void take_output(struct injection *injection, char *complaint, size_t room)
{
	char *rest = NULL;

	injection->output[injection->bytes] = 0;
	injection->faults = json_array();
	snprintf(complaint, room, "the injector ended with status %d and did not say why", injection->status);
	for (char *line = strtok_r(injection->output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		json_t *fault = json_loads(line, 0, NULL);

		if (fault)
			json_array_append_new(injection->faults, fault);
		else if (*line != '{')
			snprintf(complaint, room, "%.400s", line);
	}
	text_make_utf8(complaint);
}

static void timer_closed(uv_handle_t *timer)
{
	struct injection *injection = timer->data;

	json_decref(injection->faults);
	free(injection->image);
	free(injection);
}

static void tell(struct injection *injection)
{
	json_t *fault;
	size_t i;

	json_array_foreach(injection->faults, i, fault) {
		const char *symbol = json_string_value(json_object_get(fault, "symbol"));
		const char *outcome = json_string_value(json_object_get(fault, "outcome"));

		event("injected", injection->name, injection->id, "fault '%s', seed %" JSON_INTEGER_FORMAT ": %s%s%s",
		      json_string_value(json_object_get(fault, "class")), json_integer_value(json_object_get(fault, "seed")),
		      outcome ? outcome : "", symbol ? " at " : "", symbol ? symbol : "");
	}
}

/* IJ1 */
static void tell_when_it_serves(uv_timer_t *timer)
{
	struct injection *injection = timer->data;
	struct skink_driver_info info;
	int result = core_driver_info(&host.core, injection->id, &info);

	if (!result && info.state != SKINK_DRIVER_SERVING && ++injection->tries < QUIET_TRIES)
		return;
	tell(injection);
	uv_close((uv_handle_t *)timer, timer_closed);
}

static void done(struct job *job)
{
	struct injection *injection = (struct injection *)job, **link = &injections;
	char complaint[500];
	json_t *result;

	while (*link != injection)
		link = &(*link)->next;
	*link = injection->next;
	page_close(injection);
	if (job->result) {
		rpc_fail(injection->request, CODE_FAILED, "%s: %s", PROGRAM, strerror(-job->result));
		injection->faults = json_array();
	} else {
		take_output(injection, complaint, sizeof(complaint));
		result = json_pack("{s:s, s:O, s:s?}", "driver", injection->name, "faults", injection->faults, "error",
				   injection->status ? complaint : NULL);
		rpc_answer(injection->request, result);
	}
	free(injection->output);
	injection->output = NULL;
	uv_timer_init(host.loop, &injection->timer);
	injection->timer.data = injection;
	uv_timer_start(&injection->timer, tell_when_it_serves, QUIET_MS, QUIET_MS);
}

/* ---- the method ---- */

/* False: it has failed the request. */
static bool is_allowed(struct request *request, const struct target *target)
{
	const struct domain *domain = target->record;

	if (target->has_id && target->id == 0)
		rpc_fail(request, CODE_NOT_ALLOWED, "Domain-0 is the control domain: faults are injected into driver domains alone");
	else if (!domain || !domain->driver)
		rpc_fail(request, CODE_NOT_ALLOWED, "'%s' is no driver domain: faults are injected into driver domains alone", target->name);
	else if (!domain->manifest->driver.may_inject)
		rpc_fail(request, CODE_NOT_ALLOWED, "'%s' does not allow it: write <skink:inject allow='yes'/> into its <skink:driver>, and "
			 "deploy it anew", target->name);
	else if (domain->phase != PHASE_RUNNING)
		rpc_fail(request, CODE_FAILED, "'%s' does not run: see 'skink info %s'", target->name, target->name);
	else
		return true;
	return false;
}

static bool is_free(struct request *request, const struct target *target)
{
	uint32_t count = 0;

	for (const struct injection *one = injections; one; one = one->next, count++)
		if (one->id == target->id) {
			rpc_fail(request, CODE_FAILED, "faults are being injected into '%s' already: wait until that has ended", target->name);
			return false;
		}
	if (count < AT_ONCE)
		return true;
	rpc_fail(request, CODE_FAILED, "faults are being injected into %u driver domains already: wait until that has ended", count);
	return false;
}

static bool is_sound(struct request *request, const char *class, json_int_t count, json_int_t seed, double rate)
{
	if (!fault_class_find(class))
		rpc_fail(request, CODE_BAD, "there is no class '%.40s': 'skink inject --list-classes' lists what there is", class);
	else if (count < 1 || count > FAULT_COUNT_MAX)
		rpc_fail(request, CODE_BAD, "count is 1 to %u", FAULT_COUNT_MAX);
	else if (seed < 0)
		rpc_fail(request, CODE_BAD, "seed is 0 or more");
	else if (!(rate >= FAULT_RATE_MIN && rate <= FAULT_RATE_MAX))
		rpc_fail(request, CODE_BAD, "rate is %g to %g faults a second", FAULT_RATE_MIN, FAULT_RATE_MAX);
	else
		return true;
	return false;
}

/* NULL: it has failed the request. */
static struct injection *injection_new(struct request *request, const struct target *target)
{
	struct injection *injection = need_memory(calloc(1, sizeof(*injection)));

	if (!page_open(injection)) {
		rpc_fail(request, CODE_FAILED, "no page for the injector: %s", strerror(errno));
		free(injection);
		return NULL;
	}
	injection->job = (struct job){ .run = run, .done = done };
	injection->request = request;
	injection->id = target->id;
	memcpy(injection->uuid, target->record->uuid, sizeof(injection->uuid));
	injection->output = need_memory(malloc(OUTPUT_MAX + 1));
	snprintf(injection->name, sizeof(injection->name), "%s", target->name);
	injection->image = need_memory(strdup(monitor_image(target->record)));
	return injection;
}

void method_inject(struct request *request)
{
	struct injection *injection;
	struct target target;
	json_int_t count = 1, seed = 0;
	double rate = 1;
	const char *class;
	json_t *named;

	if (!rpc_unpack(request, "{s:o, s:s, s?I, s?I, s?F}", "domain", &named, "class", &class, "count", &count, "seed", &seed, "rate",
			&rate) || !method_target(request, named, &target) || !is_sound(request, class, count, seed, rate) ||
	    !is_allowed(request, &target) || !is_free(request, &target))
		return;
	injection = injection_new(request, &target);
	if (!injection)
		return;
	snprintf(injection->argument[0], sizeof(injection->argument[0]), "%u", target.id);
	snprintf(injection->argument[2], sizeof(injection->argument[2]), "%s", class);
	snprintf(injection->argument[3], sizeof(injection->argument[3]), "%" JSON_INTEGER_FORMAT, count);
	snprintf(injection->argument[4], sizeof(injection->argument[4]), "%" JSON_INTEGER_FORMAT, seed);
	snprintf(injection->argument[5], sizeof(injection->argument[5]), "%g", rate);
	watch_held_by(target.record->monitor, injection->page);
	injection->next = injections;
	injections = injection;
	job_start(&injection->job);
}
