/* SPDX-License-Identifier: MIT */
/*
 * The scripted back-end in Dom0, for the front-end of a domain that runs: it writes the device's nodes as a toolstack does, plays the
 * back-end, prints TAP, and takes the device away.
 *   conformance-backend net|blk DOMID [RULE]      0: every MUST is kept   1: one is not   2: it could not be tried
 */
#include "roles.h"
#include "script.h"

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#define HANDLES_MAX	8u
#define BEGIN_MS	120000u
#define LIMIT_MS	30000u
#define SILENCE_MS	8000u

static struct xs_handle *store;
static xengnttab_handle *grants;
static xenevtchn_handle *events;
static struct { xenevtchn_port_or_error_t port; unsigned int count; } handles[HANDLES_MAX];
static unsigned int handle_count;

/* The harness is at fault, or what it stands on: nothing is said of the front-end. */
static void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "conformance-backend: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	exit(2);
}

/* ---------------------------------------------------------------- the store */

int world_read(const char *path, char *text, size_t size)
{
	unsigned int length;
	char *value = xs_read(store, XBT_NULL, path, &length);

	if (!value)
		return -1;
	snprintf(text, size, "%s", value);
	free(value);
	return (int)(length < size ? length : size - 1);
}

void world_write(const char *path, const char *text)
{
	if (!xs_write(store, XBT_NULL, path, text, (unsigned int)strlen(text)))
		fail("%s cannot be written; is the domain there?", path);
}

unsigned int world_entries(const char *directory)
{
	unsigned int count = 0;
	char **names = xs_directory(store, XBT_NULL, directory, &count);

	free(names);
	return names ? count : 0;
}

/* A directory of `owner`, where `other` may do so much. */
static void directory_create(const char *path, unsigned int owner, unsigned int other, unsigned int may)
{
	struct xs_permissions permissions[2] = { { .id = owner, .perms = XS_PERM_NONE }, { .id = other, .perms = may } };

	if (!xs_mkdir(store, XBT_NULL, path) || !xs_set_permissions(store, XBT_NULL, path, permissions, 2))
		fail("%s cannot be made; is the domain there?", path);
}

/* ---------------------------------------------------------------- grants */

void *world_map(const uint32_t *grefs, unsigned int count)
{
	return xengnttab_map_domain_grant_refs(grants, count, script.front_id, (uint32_t *)grefs, PROT_READ | PROT_WRITE);
}

void world_unmap(void *pages, unsigned int count) { xengnttab_unmap(grants, pages, count); }

static int copy(uint32_t gref, unsigned int offset, void *here, unsigned int size, uint16_t flag)
{
	xengnttab_grant_copy_segment_t segment = { .flags = flag, .len = (uint16_t)size };

	if (offset + size > RING_PAGE)
		return -1;
	if (flag == GNTCOPY_source_gref) {
		segment.source.foreign.ref = gref;
		segment.source.foreign.offset = (uint16_t)offset;
		segment.source.foreign.domid = (uint16_t)script.front_id;
		segment.dest.virt = here;
	} else {
		segment.source.virt = here;
		segment.dest.foreign.ref = gref;
		segment.dest.foreign.offset = (uint16_t)offset;
		segment.dest.foreign.domid = (uint16_t)script.front_id;
	}
	if (xengnttab_grant_copy(grants, 1, &segment))
		fail("the kernel did not copy");
	return segment.status == GNTST_okay ? 0 : -1;
}

int world_copy_from(uint32_t gref, unsigned int offset, void *to, unsigned int size)
{
	return copy(gref, offset, to, size, GNTCOPY_source_gref);
}

int world_copy_to(uint32_t gref, unsigned int offset, const void *from, unsigned int size)
{
	return copy(gref, offset, (void *)from, size, GNTCOPY_dest_gref);
}

/* ---------------------------------------------------------------- events and time */

int world_bind(uint32_t remote_port)
{
	xenevtchn_port_or_error_t port = xenevtchn_bind_interdomain(events, script.front_id, remote_port);

	if (port < 0 || handle_count == HANDLES_MAX)
		return -1;
	handles[handle_count].port = port;
	return (int)handle_count++;
}

void world_unbind(int handle) { xenevtchn_unbind(events, (evtchn_port_t)handles[handle].port); }
void world_send(int handle) { xenevtchn_notify(events, (evtchn_port_t)handles[handle].port); }

static void events_fetch(int ms)
{
	struct pollfd fd = { .fd = xenevtchn_fd(events), .events = POLLIN };

	while (poll(&fd, 1, ms) == 1) {
		xenevtchn_port_or_error_t port = xenevtchn_pending(events);

		for (unsigned int i = 0; i < handle_count; i++)
			handles[i].count += handles[i].port == port;
		if (port < 0 || xenevtchn_unmask(events, (evtchn_port_t)port))
			fail("the kernel's event channels do not work");
		ms = 0;
	}
}

unsigned int world_events(int handle)
{
	unsigned int count;

	events_fetch(0);
	count = handles[handle].count;
	handles[handle].count = 0;
	return count;
}

void world_wait(unsigned int ms) { events_fetch((int)ms); }

uint64_t world_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---------------------------------------------------------------- the toolstack's part */

static void front_write(const char *key, const char *text)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", script.front, key);
	world_write(path, text);
}

static void device_create(const char *class, unsigned int device)
{
	snprintf(script.front, sizeof(script.front), "/local/domain/%u/device/%s/%u", script.front_id, class, device);
	snprintf(script.back, sizeof(script.back), "/local/domain/0/backend/%s/%u/%u", class, script.front_id, device);
	/* BUS-10: what it must not do is to be seen. */
	directory_create(script.back, 0, script.front_id, XS_PERM_READ | XS_PERM_WRITE);
	back_write("frontend", "%s", script.front);
	back_write("frontend-id", "%u", script.front_id);
	back_write("online", "1");
	back_write("state", "1");
	script.role == BLK ? blk_offer() : net_offer();

	directory_create(script.front, script.front_id, 0, XS_PERM_READ);
	front_write("backend", script.back);
	front_write("backend-id", "0");
	if (script.role == BLK) {
		char number[16];

		snprintf(number, sizeof(number), "%u", device);
		front_write("virtual-device", number);
		front_write("device-type", "disk");
	} else {
		front_write("handle", "0");
		front_write("mac", "00:16:3e:5a:4b:01");
	}
	front_write("state", "1");
}

static void device_remove(void)
{
	xs_rm(store, XBT_NULL, script.front);
	xs_rm(store, XBT_NULL, script.back);
}

/* One device, from its nodes in the store to their removal. */
static bool walk(enum role role, unsigned int pass, unsigned int front_id)
{
	bool went;

	script = (struct script){
		.role = role, .pass = pass, .front_id = front_id, .blame = RULES,
		.begin_ms = pass > 1 ? LIMIT_MS : BEGIN_MS, .limit_ms = LIMIT_MS, .silence_ms = SILENCE_MS,
	};
	if (role == BLK)
		device_create("vbd", pass > 1 ? 51728 : 51712);
	else
		device_create("vif", pass - 1);
	went = script_run(role == BLK ? blk_walk : net_walk);
	role == BLK ? blk_end() : net_end();
	device_remove();
	return went;
}

int main(int count, char *arguments[])
{
	enum rule only = count > 3 ? rule_find(arguments[3]) : RULES;
	enum role role = count > 1 && !strcmp(arguments[1], "blk") ? BLK : NET;

	if (count < 3 || count > 4 || (strcmp(arguments[1], "blk") && strcmp(arguments[1], "net")))
		fail("conformance-backend net|blk DOMID [RULE]");
	if (count > 3 && only == RULES)
		fail("%s: no such rule; docs/protocols.md has them all", arguments[3]);
	store = xs_open(0);
	grants = xengnttab_open(NULL, 0);
	events = xenevtchn_open(NULL, 0);
	if (!store || !grants || !events)
		fail("no store, grants or event channels: run it in Dom0, as root");
	for (unsigned int pass = 1; pass <= 2 && walk(role, pass, (unsigned int)atoi(arguments[2])); pass++)
		;
	return rules_report(stdout, role, only) ? 1 : 0;
}
