/* SPDX-License-Identifier: MIT */
/*
 * skinkd: the only program that changes anything on a host. It runs in the foreground and says on standard error what
 * happens; whoever supervises it keeps that and starts it again when it ends. Its domains do not notice either way.
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "skinkd/attach.h"
#include "skinkd/deaths.h"
#include "skinkd/devices.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/functions.h"
#include "skinkd/hook.h"
#include "skinkd/host.h"
#include "skinkd/job.h"
#include "skinkd/kernels.h"
#include "skinkd/life.h"
#include "skinkd/link.h"
#include "skinkd/methods.h"
#include "skinkd/metrics.h"
#include "skinkd/monitor.h"
#include "skinkd/rpc.h"
#include "skinkd/state.h"
#include "skinkd/usage.h"
#include "skinkd/watch.h"

#define LOOK_MS		5000		/* in case the store told us nothing */

struct host host;

static uv_timer_t look_timer;
static uv_signal_t signals[2];

struct arguments {
	const char *conf_file;
	bool is_named, only_check, only_prepare;
};

const char *argp_program_version = "skinkd 0.3";

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'c':
		arguments->conf_file = value;
		arguments->is_named = true;
		return 0;
	case 't':
		arguments->only_check = true;
		return 0;
	case 'p':
		arguments->only_prepare = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s': skinkd takes options only", value);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void look(uv_timer_t *timer)
{
	link_look();
	drivers_look();
	functions_look();
	life_look();
	usage_look();
}

/* ---- start and end ---- */

static void stop(uv_signal_t *handle, int number)
{
	event("stopped", NULL, 0, "signal %d: the domains go on", number);
	state_save();
	rpc_close();
	metrics_close();
	exit(0);
}

static void make_folders(void)
{
	const char *const folders[] = { host.conf.state_dir, host.conf.log_dir, host.conf.domains_dir, host.conf.system_dir };
	char folder[sizeof(host.conf.socket)];

	snprintf(folder, sizeof(folder), "%s", host.conf.socket);
	if (strrchr(folder, '/'))
		*strrchr(folder, '/') = 0;
	mkdir(folder, 0755);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdir(folders[i], 0750) && errno != EEXIST)
			say("%s: %s", folders[i], strerror(errno));
}

static void take_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
	uv_signal_init(host.loop, &signals[0]);
	uv_signal_init(host.loop, &signals[1]);
	uv_signal_start(&signals[0], stop, SIGTERM);
	uv_signal_start(&signals[1], stop, SIGINT);
}

/* The machine has been started: its domains are what the folders say. */
static void begin_anew(void)
{
	domain_choose_macs(host.own);
	attach_domain(0, host.own);
	state_save();
	apply_folder(host.conf.system_dir, host.conf.domains_dir);
}

static bool begin(void)
{
	int result;

	make_folders();
	result = core_open(&host.core);
	if (result) {
		say("this is not Domain-0 of Skink, or /dev/xen/privcmd is missing: %s", strerror(-result));
		return false;
	}
	events_open();
	link_open();
	drivers_open();
	watch_open();
	monitor_open();
	watch_slow_open();
	pay_open();
	deaths_open();
	hook_open();
	host.own = devices_of_dom0(host.conf.own_devices);
	take_signals();
	if (state_load()) {
		usage_open();
		life_resume();
	} else {
		usage_open();
		begin_anew();
	}
	if (!rpc_open())
		return false;
	metrics_open();
	uv_timer_init(host.loop, &look_timer);
	uv_timer_start(&look_timer, look, LOOK_MS, LOOK_MS);
	kernels_prepare_in_background();
	event("started", NULL, 0, "skinkd answers at %s", host.conf.socket);
	return true;
}

int main(int count, char **values)
{
	static const struct argp_option options[] = {
		{ "config", 'c', "FILE", 0, "read FILE instead of " CONF_FILE, 0 },
		{ "test", 't', NULL, 0, "only check the configuration", 0 },
		{ "prepare-kernels", 'p', NULL, 0, "only unpack the kernels that prepare_kernels names, ahead of their use", 0 },
		{ NULL, 0, NULL, 0, NULL, 0 },
	};
	static const struct argp argp = { options, parse, NULL, "The daemon of Skink's Domain-0: it builds domains and follows "
					  "their life.", NULL, NULL, NULL };
	struct arguments arguments = { .conf_file = CONF_FILE };

	argp_parse(&argp, count, values, 0, NULL, &arguments);
	conf_defaults(&host.conf);
	if (!conf_read(&host.conf, arguments.conf_file, !arguments.is_named))
		return 2;
	if (arguments.only_check)
		return 0;
	if (arguments.only_prepare)
		return kernels_prepare() ? 0 : 1;
	jobs_open();
	host.loop = uv_default_loop();
	host.started_ms = uv_now(host.loop);
	if (!begin())
		return 1;
	return uv_run(host.loop, UV_RUN_DEFAULT);
}
