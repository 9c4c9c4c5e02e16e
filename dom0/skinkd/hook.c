/* SPDX-License-Identifier: MIT */
#include "skinkd/hook.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "skinkd/events.h"
#include "skinkd/host.h"

struct hook {
	struct hook *next;
	char domain[64];
	int id;
	char *command, *user;
	uint64_t timeout_ms;
	struct hook_facts facts;
	uv_process_t process;		/* ->data: the hook; it runs while this is active */
	uv_timer_t timer;
	bool is_late;
	uint32_t open_handles;
	uint32_t waiting;		/* deaths that came meanwhile, the last with these facts: */
	struct hook_facts next_facts;
};

static struct hook *hooks;		/* those that run */

void hook_fact(struct hook_facts *facts, const char *format, ...)
{
	va_list arguments;

	if (facts->count == HOOK_FACTS)
		return;
	va_start(arguments, format);
	vsnprintf(facts->text[facts->count++], HOOK_FACT, format, arguments);
	va_end(arguments);
}

static void start(struct hook *hook);

/* ---- its end ---- */

static void forget(struct hook *hook)
{
	struct hook **at = &hooks;

	while (*at != hook)
		at = &(*at)->next;
	*at = hook->next;
	free(hook->command);
	free(hook->user);
	free(hook);
}

/* Both handles are closed: HO1. */
static void closed(uv_handle_t *handle)
{
	struct hook *hook = handle->data;

	if (--hook->open_handles)
		return;
	if (!hook->waiting) {
		forget(hook);
		return;
	}
	hook->facts = hook->next_facts;
	hook_fact(&hook->facts, "SKINK_DEATHS=%u", hook->waiting);
	hook->waiting = 0;
	start(hook);
}

static void close_both(struct hook *hook)
{
	uv_close((uv_handle_t *)&hook->process, closed);
	uv_close((uv_handle_t *)&hook->timer, closed);
}

static void exited(uv_process_t *process, int64_t status, int number)
{
	struct hook *hook = process->data;

	if (hook->is_late)
		event("failed", hook->domain, hook->id, "the hook %s was killed: it took longer than %g s", hook->command,
		      (double)hook->timeout_ms / 1e3);
	else if (number)
		event("failed", hook->domain, hook->id, "the hook %s was ended by signal %d", hook->command, number);
	else if (status)
		event("failed", hook->domain, hook->id, "the hook %s ended with %d", hook->command, (int)status);
	close_both(hook);
}

/* HO2: it leads a group of its own. */
static void is_late(uv_timer_t *timer)
{
	struct hook *hook = timer->data;

	hook->is_late = true;
	kill(-hook->process.pid, SIGKILL);
}

/* ---- its beginning ---- */

static int spawn(struct hook *hook, const struct passwd *user)
{
	char *arguments[] = { hook->command, hook->domain, NULL }, *environment[HOOK_FACTS + 1] = { NULL };
	uv_stdio_container_t none[3] = { { .flags = UV_IGNORE }, { .flags = UV_IGNORE }, { .flags = UV_IGNORE } };
	const uv_process_options_t options = {
		.exit_cb = exited, .file = hook->command, .args = arguments, .env = environment, .cwd = "/", .stdio = none, .stdio_count = 3,
		.flags = UV_PROCESS_DETACHED | UV_PROCESS_SETUID | UV_PROCESS_SETGID, .uid = user->pw_uid, .gid = user->pw_gid,
	};

	for (uint32_t i = 0; i < hook->facts.count; i++)
		environment[i] = hook->facts.text[i];
	return uv_spawn(host.loop, &hook->process, &options);
}

static void start(struct hook *hook)
{
	const struct passwd *user = getpwnam(hook->user);
	int result;

	hook->is_late = false;
	hook->process.data = hook->timer.data = hook;
	hook->open_handles = 2;
	uv_timer_init(host.loop, &hook->timer);
	hook->timer.data = hook;
	if (!user) {
		event("failed", hook->domain, hook->id, "the hook %s is not run: there is no user '%s': write one of /etc/passwd into <skink:hook>",
		      hook->command, hook->user);
		hook->open_handles = 1;
		uv_close((uv_handle_t *)&hook->timer, closed);
		return;
	}
	result = spawn(hook, user);
	hook->process.data = hook;
	if (result) {
		event("failed", hook->domain, hook->id, "the hook %s is not run: %s", hook->command, uv_strerror(result));
		close_both(hook);		/* libuv has the handle, whether or not it runs */
		return;
	}
	uv_timer_start(&hook->timer, is_late, hook->timeout_ms, 0);
}

void hook_run(const char *domain, int id, const struct manifest_hook *wanted, const struct hook_facts *facts)
{
	struct hook *hook = hooks;

	while (hook && strcmp(hook->domain, domain))
		hook = hook->next;
	if (hook) {
		hook->waiting++;
		hook->next_facts = *facts;
		return;
	}
	hook = need_memory(calloc(1, sizeof(*hook)));
	*hook = (struct hook){ .next = hooks, .id = id, .command = need_memory(strdup(wanted->command)),
			       .user = need_memory(strdup(wanted->user)), .timeout_ms = (wanted->timeout_us + 999) / 1000, .facts = *facts };
	snprintf(hook->domain, sizeof(hook->domain), "%s", domain);
	hook_fact(&hook->facts, "SKINK_DEATHS=1");
	hooks = hook;
	start(hook);
}
