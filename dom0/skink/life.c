/* SPDX-License-Identifier: MIT */
/* A domain pauses, ends, begins again; and what is asked of it from outside. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "deed.h"
#include "lib/need.h"
#include "message.h"
#include "units.h"
#include "verbs.h"

#define WAIT_S		 60.0
#define WAIT_FOR_EVER_S	 (365.0 * 86400)
#define RESTART_S	 10.0
#define UPGRADE_S	 120.0	/* with the rehearsal, on a busy machine */
#define DUMP_S		 600.0

static void told_destroyed(const struct invocation *invocation, const char *domain, json_t *result)
{
	deed_tell(invocation, domain, result, "destroyed");
}

static void told_paused(const struct invocation *invocation, const char *domain, json_t *result)
{
	deed_tell(invocation, domain, result, "paused");
}

static void told_running(const struct invocation *invocation, const char *domain, json_t *result)
{
	deed_tell(invocation, domain, result, "running");
}

/* What skinkd answers at once. */
static int simple(const struct invocation *invocation, deed_told *told)
{
	const struct deed deed = {.invocation = invocation, .method = invocation->verb->name,
				  .meanwhile = "skinkd goes on: see 'skink list'"};

	return deed_each(&deed, told);
}

static json_t *flags_of(const struct invocation *invocation)
{
	json_t *flags = json_object();

	if (invocation->given[OPTION_FORCE])
		json_object_set_new(flags, "force", json_true());
	if (invocation->given[OPTION_FOR_GOOD])
		json_object_set_new(flags, "for_good", json_true());
	return flags;
}

/* Who takes all takes driver domains and those they serve. */
int verb_destroy(const struct invocation *invocation)
{
	const struct deed deed = {.invocation = invocation, .method = "destroy", .more = flags_of(invocation),
				  .meanwhile = "skinkd goes on: see 'skink list'"};

	if (invocation->given[OPTION_ALL])
		json_object_set_new(deed.more, "force", json_true());
	return deed_each(&deed, told_destroyed);
}

int verb_pause(const struct invocation *invocation)
{
	return simple(invocation, told_paused);
}

int verb_unpause(const struct invocation *invocation)
{
	return simple(invocation, told_running);
}

static void told_down(const struct invocation *invocation, const char *domain, json_t *result)
{
	char *state = need_copy(text_of(result, "state"));
	const char *text = state;

	if (strcmp(state, "asked") == 0)
		text = "asked to shut down";
	else if (strcmp(state, "gone") == 0)
		text = "shut down";
	deed_tell(invocation, domain, result, text);
	free(state);
}

/* How long the host gives its guests: skinkd.conf says it. */
static int ask_shutdown_timeout(const struct invocation *invocation, double *seconds)
{
	const struct call call = {.method = "info", .params = json_object(), .what = "shutdown --all"};
	json_t *result;
	int code = ask(invocation, &call, &result);

	if (code)
		return code;
	if (json_is_number(json_object_get(result, "shutdown_timeout_s")))
		*seconds = number_of(result, "shutdown_timeout_s");
	json_decref(result);
	return EXIT_DONE;
}

int verb_shutdown(const struct invocation *invocation)
{
	struct deed deed = {.invocation = invocation, .method = "shutdown", .may_wait = true, .knows_timeout = true,
			    .for_guests = true,
			    .meanwhile = invocation->given[OPTION_ALL] ?
					 "they were asked to shut down and go on with that: see 'skink list'" :
					 "it was asked to shut down and goes on with that: see 'skink list'"};
	int code = EXIT_DONE;

	if (!timeout_of(invocation, WAIT_S, &deed.timeout))
		return EXIT_BAD_INPUT;
	deed.more = flags_of(invocation);
	if (invocation->given[OPTION_ALL] && !invocation->given[OPTION_TIMEOUT])
		code = ask_shutdown_timeout(invocation, &deed.timeout);
	return code ? code : deed_each(&deed, told_down);
}

static void told_rebooted(const struct invocation *invocation, const char *domain, json_t *result)
{
	const json_t *again = json_object_get(result, "domain");
	char text[64] = "asked to reboot";

	if (json_is_object(again))
		snprintf(text, sizeof(text), "rebooted, its id is now %.0f", number_of(again, "id"));
	deed_tell(invocation, domain, result, text);
}

int verb_reboot(const struct invocation *invocation)
{
	struct deed deed = {.invocation = invocation, .method = "reboot", .may_wait = true, .knows_timeout = true,
			    .for_guests = true,
			    .meanwhile = invocation->given[OPTION_ALL] ?
					 "they were asked to reboot and go on with that: see 'skink list'" :
					 "it was asked to reboot and goes on with that: see 'skink list'"};

	if (!timeout_of(invocation, WAIT_S, &deed.timeout))
		return EXIT_BAD_INPUT;
	return deed_each(&deed, told_rebooted);
}

/* The driver domains that there are, as operands; the caller drops *result, in which their names stand. */
static int list_drivers(const struct invocation *invocation, json_t **result, const char ***names, int *count)
{
	const struct call call = {.method = "list", .params = json_object(), .what = "restart --all-drivers"};
	json_t *domains;
	const json_t *domain;
	size_t index;
	int code = ask(invocation, &call, result);

	if (code)
		return code;
	domains = json_object_get(*result, "domains");
	*names = need_zeroed(json_array_size(domains) + 1, sizeof(**names));
	json_array_foreach(domains, index, domain) {
		const char *role = text_of(domain, "role");

		if (strcmp(role, "net") == 0 || strcmp(role, "blk") == 0)
			(*names)[(*count)++] = text_of(domain, "name");
	}
	return EXIT_DONE;
}

static void told_restarted(const struct invocation *invocation, const char *domain, json_t *result)
{
	const json_t *last = json_object_get(json_object_get(result, "restart"), "last");
	uint64_t recovered_us = count_of(last, "recovered_us");
	const char *core_file = text_of(result, "core_file");
	char *text = recovered_us ? need_text("serves again after %lu us", recovered_us) : need_copy("serves again");

	if (core_file && *core_file)
		note("%s: dumped to %s", domain, core_file);
	deed_tell(invocation, domain, result, text);
	free(text);
}

static int restart_all(const struct invocation *invocation, const struct deed *deed)
{
	const char **names = NULL;
	json_t *listed = NULL;
	int count = 0, code = list_drivers(invocation, &listed, &names, &count);

	if (!code && !count)
		note("there is no driver domain");
	for (int i = 0; i < count && code == EXIT_DONE; i++) {
		struct deed one = *deed;
		json_t *result;

		one.domain = names[i];
		one.more = json_incref(deed->more);
		code = deed_do(&one, &result);
		if (code == EXIT_DONE)
			told_restarted(invocation, names[i], result);
		else if (i + 1 < count)
			note("%d of %d driver domains have not been restarted: it stopped at the first that failed", count - i - 1, count);
	}
	free(names);
	json_decref(listed);
	json_decref(deed->more);
	return code;
}

int verb_restart(const struct invocation *invocation)
{
	struct deed deed = {.invocation = invocation, .method = "restart", .knows_timeout = true,
			    .meanwhile = "skinkd goes on: see 'skink events'"};

	if (!timeout_of(invocation, RESTART_S, &deed.timeout))
		return EXIT_BAD_INPUT;
	if (invocation->given[OPTION_DUMP_CORE])
		deed.more = json_pack("{s:b}", "dump_core", true);
	if (invocation->given[OPTION_ALL_DRIVERS])
		return restart_all(invocation, &deed);
	return deed_each(&deed, told_restarted);
}

int verb_release(const struct invocation *invocation)
{
	struct deed deed = {.invocation = invocation, .method = "release", .knows_timeout = true,
			    .meanwhile = "skinkd goes on: see 'skink events'"};

	if (!timeout_of(invocation, RESTART_S, &deed.timeout))
		return EXIT_BAD_INPUT;
	return deed_each(&deed, told_restarted);
}

static void told_upgraded(const struct invocation *invocation, const char *domain, json_t *result)
{
	const json_t *last = json_object_get(json_object_get(result, "restart"), "last");
	char *text = need_text("runs the new image; its guests waited for %lu us", count_of(last, "recovered_us"));

	deed_tell(invocation, domain, result, text);
	free(text);
}

int verb_upgrade(const struct invocation *invocation)
{
	struct deed deed = {.invocation = invocation, .method = "upgrade", .domain = invocation->operands[0], .knows_timeout = true,
			    .meanwhile = "skinkd goes on: see 'skink events'"};
	const char *image = invocation->value[OPTION_IMAGE];
	json_t *result;
	char *whole;
	int code;

	if (!image) {
		complain("upgrade needs --image FILE: the image that is to run");
		return EXIT_BAD_INPUT;
	}
	if (!timeout_of(invocation, UPGRADE_S, &deed.timeout))
		return EXIT_BAD_INPUT;
	whole = realpath(image, NULL);
	deed.more = json_pack("{s:s}", "image", whole ? whole : image);
	free(whole);
	if (!deed.more) {
		complain("upgrade: the image's name is not UTF-8: write another");
		return EXIT_BAD_INPUT;
	}
	code = deed_do(&deed, &result);
	if (code == EXIT_DONE)
		told_upgraded(invocation, deed.domain, result);
	return code;
}

int verb_wait(const struct invocation *invocation)
{
	const char *awaited = invocation->value[OPTION_FOR] ? invocation->value[OPTION_FOR] : "running";
	struct deed deed = {.invocation = invocation, .method = "wait", .domain = invocation->operands[0],
			    .knows_timeout = true};
	json_t *result;
	char *state;
	int code;

	if (strcmp(awaited, "running") && strcmp(awaited, "shutdown") && strcmp(awaited, "recovered")) {
		complain("--for: '%s' cannot be waited for: write running, shutdown or recovered", awaited);
		return EXIT_BAD_INPUT;
	}
	if (!timeout_of(invocation, WAIT_FOR_EVER_S, &deed.timeout))
		return EXIT_BAD_INPUT;
	deed.more = json_pack("{s:s}", "for", awaited);
	code = deed_do(&deed, &result);
	if (code)
		return code;
	state = need_copy(text_of(result, "state"));
	deed_tell(invocation, deed.domain, result, state);
	free(state);
	return EXIT_DONE;
}

int verb_sysrq(const struct invocation *invocation)
{
	const char *key = invocation->operands[1];
	struct deed deed = {.invocation = invocation, .method = "sysrq", .domain = invocation->operands[0],
			    .meanwhile = "the key may have been sent"};

	if (strlen(key) != 1) {
		complain("sysrq: '%s' is not a key: write one letter or digit, 'h' makes the guest list them", key);
		return EXIT_BAD_INPUT;
	}
	deed.more = json_pack("{s:s}", "key", key);
	return deed_do(&deed, NULL);
}

/* skinkd has a working directory of its own. */
static char *absolute(const char *file)
{
	char here[PATH_MAX];

	if (*file == '/' || !getcwd(here, sizeof(here)))
		return need_copy(file);
	return need_text("%s/%s", here, file);
}

int verb_dump_core(const struct invocation *invocation)
{
	struct deed deed = {.invocation = invocation, .method = "dump-core", .domain = invocation->operands[0],
			    .meanwhile = "skinkd goes on with it: see 'skink events'"};
	char size[UNITS_TEXT], *file = NULL, *text;
	json_t *result;
	int code;

	if (!timeout_of(invocation, DUMP_S, &deed.timeout))
		return EXIT_BAD_INPUT;
	if (invocation->operands[1])
		file = absolute(invocation->operands[1]);
	deed.more = json_pack("{s:s*}", "file", file);
	if (deed.more && invocation->given[OPTION_LIVE])
		json_object_set_new(deed.more, "live", json_true());
	free(file);
	if (!deed.more) {
		complain("dump-core: the file's name is not UTF-8: write another");
		return EXIT_BAD_INPUT;
	}
	code = deed_do(&deed, &result);
	if (code)
		return code;
	text = need_text("dumped to %s, %s", text_of(result, "file"),
			 format_size(size, count_of(result, "bytes")));
	deed_tell(invocation, deed.domain, result, text);
	free(text);
	return EXIT_DONE;
}

int verb_autostart(const struct invocation *invocation)
{
	bool enable = !invocation->given[OPTION_DISABLE];
	struct deed deed = {.invocation = invocation, .method = "autostart", .domain = invocation->operands[0],
			    .more = json_pack("{s:b}", "enable", enable)};
	json_t *result;
	int code = deed_do(&deed, &result);

	if (code)
		return code;
	deed_tell(invocation, deed.domain, result,
	     enable ? "will be started when the host boots" : "will not be started when the host boots");
	return EXIT_DONE;
}
