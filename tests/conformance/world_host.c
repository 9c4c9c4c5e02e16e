/* SPDX-License-Identifier: MIT */
/*
 * The scripts against a reference front-end in one process, without domains: the store is a list, grants are pointers, and time
 * passes when nothing is left to do. So all rules are walked in a moment, and each mutant of the front-end too.
 *   conformance-host net|blk
 */
#include "roles.h"
#include "script.h"
#include "work.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_MAX	128u
#define GRANTS_MAX	4096u
#define PING_MS		50u
#define WORK_PAGES	18u

static struct { char path[160], text[64]; } keys[KEYS_MAX];
static unsigned int key_count;
static struct { uint8_t *page; bool readonly, is_mapped; } grants[GRANTS_MAX];
static uint64_t now_ms = 1;
static bool store_changed, front_pending;
static unsigned int back_events;
static bool port_open, bound;

static struct blk blk;
static struct net net;
static void *work_pages;

/* ---------------------------------------------------------------- the store */

static const char *const front_home = "/local/domain/1/";

static int key_find(const char *path)
{
	for (unsigned int i = 0; i < key_count; i++)
		if (!strcmp(keys[i].path, path))
			return (int)i;
	return -1;
}

int world_read(const char *path, char *text, size_t size)
{
	int i = key_find(path);

	return i < 0 ? -1 : snprintf(text, size, "%s", keys[i].text);
}

void world_write(const char *path, const char *text)
{
	int i = key_find(path);

	if (i < 0) {
		if (key_count == KEYS_MAX)
			abort();
		i = (int)key_count++;
		snprintf(keys[i].path, sizeof(keys[i].path), "%s", path);
	}
	snprintf(keys[i].text, sizeof(keys[i].text), "%s", text);
	store_changed = true;
}

unsigned int world_entries(const char *directory)
{
	size_t length = strlen(directory);
	unsigned int count = 0;

	for (unsigned int i = 0; i < key_count; i++)
		count += !strncmp(keys[i].path, directory, length) && keys[i].path[length] == '/';
	return count;
}

/* Paths without a slash in front are relative to the front-end's domain. */
static const char *whole_path(const char *path)
{
	static char whole[256];

	if (*path == '/')
		return path;
	snprintf(whole, sizeof(whole), "%s%s", front_home, path);
	return whole;
}

static int front_store_read(const char *path, char *value, size_t size)
{
	int length = world_read(whole_path(path), value, size);

	return length < 0 ? FRONT_NO_KEY : length;
}

static int front_store_write(const char *path, const char *value)
{
	world_write(whole_path(path), value);
	return 0;
}

/* ---------------------------------------------------------------- grants */

static uint32_t front_grant(uint16_t user, void *page, bool readonly)
{
	(void)user;
	for (uint32_t gref = 8; gref < GRANTS_MAX; gref++)
		if (!grants[gref].page) {
			grants[gref].page = page;
			grants[gref].readonly = readonly;
			grants[gref].is_mapped = false;
			return gref;
		}
	return FRONT_NO_GRANT;
}

static bool front_ungrant(uint32_t gref)
{
	if (grants[gref].is_mapped)
		return false;
	grants[gref].page = NULL;
	return true;
}

void *world_map(const uint32_t *grefs, unsigned int count)
{
	if (count != 1 || grefs[0] >= GRANTS_MAX || grants[grefs[0]].readonly)
		return NULL;
	grants[grefs[0]].is_mapped = true;
	return grants[grefs[0]].page;
}

void world_unmap(void *pages, unsigned int count)
{
	(void)count;
	for (uint32_t gref = 0; gref < GRANTS_MAX; gref++)
		grants[gref].is_mapped &= grants[gref].page != pages;
}

int world_copy_from(uint32_t gref, unsigned int offset, void *to, unsigned int size)
{
	if (gref >= GRANTS_MAX || !grants[gref].page || offset + size > RING_PAGE)
		return -1;
	memcpy(to, grants[gref].page + offset, size);
	return 0;
}

int world_copy_to(uint32_t gref, unsigned int offset, const void *from, unsigned int size)
{
	if (gref >= GRANTS_MAX || !grants[gref].page || grants[gref].readonly || offset + size > RING_PAGE)
		return -1;
	memcpy(grants[gref].page + offset, from, size);
	return 0;
}

/* ---------------------------------------------------------------- pages and events */

static void *front_pages_alloc(unsigned int count)
{
	void *pages = aligned_alloc(RING_PAGE, (size_t)count * RING_PAGE);

	return pages ? memset(pages, 0, (size_t)count * RING_PAGE) : NULL;
}

static void front_pages_free(void *pages, unsigned int count)
{
	(void)count;
	free(pages);
}

static int front_event_open(uint16_t remote, uint32_t *port)
{
	(void)remote;
	*port = 21;
	port_open = true;
	return 0;
}

static void front_event_send(uint32_t port) { back_events += port == 21 && bound; }

static void front_event_close(uint32_t port)
{
	(void)port;
	port_open = false;
}

static void front_log(const char *device, const char *text) { printf("# %s: %s\n", device, text); }

/* As a domain's: binding sets the binder's port pending. */
int world_bind(uint32_t remote_port)
{
	if (remote_port != 21 || !port_open)
		return -1;
	bound = true;
	back_events++;
	return 1;
}

void world_unbind(int handle) { bound = handle != 1; }
void world_send(int handle) { front_pending = handle == 1; }

unsigned int world_events(int handle)
{
	unsigned int events = handle == 1 ? back_events : 0;

	back_events = 0;
	return events;
}

static const struct front_os front_os = {
	.pages_alloc = front_pages_alloc, .pages_free = front_pages_free, .grant = front_grant, .ungrant = front_ungrant,
	.event_open = front_event_open, .event_send = front_event_send, .event_close = front_event_close,
	.store_read = front_store_read, .store_write = front_store_write, .log = front_log,
};

/* ---------------------------------------------------------------- time */

uint64_t world_now_ms(void) { return now_ms; }

/* One thing that the front-end has to do. */
static bool front_works(void)
{
	static uint64_t pinged;

	if (store_changed) {
		store_changed = false;
		script.role == BLK ? blk_back_changed(&blk) : net_back_changed(&net);
		return true;
	}
	if (front_pending) {
		front_pending = false;
		script.role == BLK ? blk_event(&blk) : net_event(&net);
		return true;
	}
	if (script.role == BLK)
		return blk_is_up(&blk) && work_blk_go_on(&blk, work_pages, WORK_PAGES);
	if (!net_is_up(&net) || now_ms < pinged + PING_MS)
		return false;
	pinged = now_ms;
	work_net_ping(&net);
	return true;
}

void world_wait(unsigned int ms)
{
	now_ms += front_works() ? 1 : ms;
}

/* ---------------------------------------------------------------- the toolstack's part */

static void front_write(const char *key, const char *text)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", script.front, key);
	world_write(path, text);
}

static void device_create(const char *back, const char *own)
{
	snprintf(script.front, sizeof(script.front), "%s%s", front_home, own);
	snprintf(script.back, sizeof(script.back), "%s", back);
	front_write("backend", back);
	front_write("backend-id", "0");
	front_write("mac", "00:16:3e:5a:4b:01");
	front_write("state", "1");
	back_write("state", "1");
}

/* One device, from its nodes in the store to its end. */
static bool walk(enum role role, unsigned int pass)
{
	char own[32], back[64];
	bool went;

	snprintf(own, sizeof(own), "device/%s/%u", role == BLK ? "vbd" : "vif", pass);
	snprintf(back, sizeof(back), "/local/domain/0/backend/%s/1/%u", role == BLK ? "vbd" : "vif", pass);
	script = (struct script){
		.role = role, .pass = pass, .begin_ms = 5000, .limit_ms = 20000, .silence_ms = 5000, .blame = RULES,
	};
	work_blk_begin();
	device_create(back, own);
	if (role == BLK ? blk_open(&blk, &front_os, own) : net_open(&net, &front_os, own, work_net_received)) {
		fprintf(stderr, "conformance-host: the front-end did not open its device\n");
		exit(2);
	}
	role == BLK ? blk_offer() : net_offer();
	went = script_run(role == BLK ? blk_walk : net_walk);
	role == BLK ? blk_end() : net_end();
	return went;
}

int main(int count, char *arguments[])
{
	bool is_blk = count == 2 && !strcmp(arguments[1], "blk");

	if (!is_blk && (count != 2 || strcmp(arguments[1], "net"))) {
		fprintf(stderr, "conformance-host net|blk\n");
		return 2;
	}
	work_pages = front_pages_alloc(WORK_PAGES);
	for (unsigned int pass = 1; pass <= 2 && walk(is_blk ? BLK : NET, pass); pass++)
		;
	return rules_report(stdout, is_blk ? BLK : NET, RULES) ? 1 : 0;
}
