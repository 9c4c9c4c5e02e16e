/* SPDX-License-Identifier: MIT */
#include "skinkd/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/pulse.h"
#include "skinkd/attach.h"
#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/life.h"

#define LINK_INTERVAL_MS	1000
#define LINK_PATIENCE_S		5
#define NEWS_MAX		64

static struct pulse *pulse;		/* NULL: there was no xenstored when skinkd started */
static uv_async_t pulse_news;
static uv_poll_t store_poll;

static void tell_trouble(void)
{
	if (pulse && pulse_state(pulse) == PULSE_HANGS)
		event("failed", NULL, 0, "xenstored has not answered for %d s: running domains go on; none can be started, shut down in "
		      "order or resized until it does", LINK_PATIENCE_S);
	else
		event("failed", NULL, 0, "xenstored has gone: running domains go on; none can be started, shut down in order or resized "
		      "until the machine is started again");
}

static void lose(void)
{
	uv_poll_stop(&store_poll);
	store_close(&host.store);
	tell_trouble();
}

/*
 * A guest can write faster than it is read: whoever else waits for the loop has his turn in between. As long as libxenstore has more
 * its descriptor stays readable, and this is called again.
 */
static void store_has_news(uv_poll_t *poll, int status, int what)
{
	char **news;

	errno = 0;
	for (int i = 0; i < NEWS_MAX && host.store.handle && (news = xs_check_watch(host.store.handle)); i++) {
		attach_store_news(news[XS_WATCH_PATH], news[XS_WATCH_TOKEN]);
		free(news);
		errno = 0;
	}
	if (status < 0 || (errno && errno != EAGAIN))
		lose();
	attach_look();
	life_look();
}

static bool is_there(domid_t id)
{
	struct xen_domctl_getdomaininfo info;
	int result = core_domain_info(&host.core, id, &info);

	return id == 0 || (result ? result != -ESRCH : !(info.flags & XEN_DOMINF_dying));
}

static void watch(void)
{
	xs_watch(host.store.handle, "@releaseDomain", "release");
	xs_watch(host.store.handle, "@introduceDomain", "introduce");
	for (struct attachment *attachment = attachments; attachment; attachment = attachment->next)
		if (attachment->driver)
			attach_read_states(attachment);
	uv_poll_init(host.loop, &store_poll, xs_fileno(host.store.handle));
	uv_poll_start(&store_poll, UV_READABLE, store_has_news);
}

static bool connect_store(void)
{
	int result = store_open(&host.store);

	if (result || !pulse_guard(pulse, store_socket(pulse_socket(pulse)))) {
		store_close(&host.store);
		return false;
	}
	watch();
	return true;
}

static void connect_again(void)
{
	if (!connect_store())
		return;
	store_sweep(&host.store, is_there);	/* LK2 */
	event("recovered", NULL, 0, "xenstored answers again");
	attach_look();
	life_look();
}

void link_look(void)
{
	bool answers = pulse && pulse_state(pulse) == PULSE_ANSWERS;

	if (host.store.handle && !(answers && pulse_is_whole(pulse)))
		lose();
	if (!host.store.handle && answers)
		connect_again();
}

static void pulse_has_news(uv_async_t *async)
{
	link_look();
}

/* On the pulse's thread. */
static void told(void *context)
{
	uv_async_send(&pulse_news);
}

void link_open(void)
{
	const struct pulse_setting setting = { xs_daemon_socket(), LINK_INTERVAL_MS, LINK_PATIENCE_S * 1000 / LINK_INTERVAL_MS,
					       told, NULL };

	uv_async_init(host.loop, &pulse_news, pulse_has_news);
	pulse = pulse_start(&setting);
	if (!pulse || pulse_state(pulse) != PULSE_ANSWERS || !connect_store())
		tell_trouble();
}
