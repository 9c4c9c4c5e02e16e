/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_LATE_MS	1000u		/* an event that has not come by then does not come */
#define HOLD_MS		500u		/* of BUS-2 */
#define KEYS_MAX	64u
#define RESPONSES_TOLD	4u
#define REQUESTS_TOLD	8u
#define TEXT_MAX	512u

enum { INITIALISING = 1, INIT_WAIT, INITIALISED, CONNECTED, CLOSING, CLOSED };

struct script script;

static jmp_buf stop;
static struct { char path[160], text[32]; } keys[KEYS_MAX];	/* as they were read, for BUS-4 */
static unsigned int key_count;
static struct { char path[192], text[64]; } back_keys[KEYS_MAX];	/* as they were written, for BUS-10 */
static unsigned int back_key_count;

static void walk_stop(void) __attribute__((noreturn));
static void walk_stop(void) { longjmp(stop, 1); }

bool script_run(void (*walk)(void))
{
	rules_begin(walk_stop);
	if (setjmp(stop))
		return false;
	walk();
	return true;
}

/* ---------------------------------------------------------------- the store */

static int front_read(const char *key, char *text, size_t size)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", script.front, key);
	return world_read(path, text, size);
}

bool key_is_there(const char *key)
{
	char text[64];

	return front_read(key, text, sizeof(text)) >= 0;
}

bool key_is(const char *key, const char *text)
{
	char found[64];

	return front_read(key, found, sizeof(found)) >= 0 && !strcmp(found, text);
}

uint64_t key_number(const char *key, bool *there)
{
	char text[32];
	int length = front_read(key, text, sizeof(text));

	*there = length >= 0;
	if (!*there)
		return 0;
	if (length == 0 || length > 19 || strspn(text, "0123456789") != (size_t)length) {
		rule_broken(BUS_5, "digits and nothing else", "%s = \"%s\"", key, text);
		return 0;
	}
	rule_kept(BUS_5);
	if (key_count < KEYS_MAX) {
		snprintf(keys[key_count].path, sizeof(keys[0].path), "%s", key);
		snprintf(keys[key_count++].text, sizeof(keys[0].text), "%s", text);
	}
	return strtoull(text, NULL, 10);
}

void front_keys_check(void)
{
	for (unsigned int i = 0; i < key_count; i++)
		if (!key_is(keys[i].path, keys[i].text))
			rule_broken(BUS_4, "the value that was there at first", "%s is no longer \"%s\"", keys[i].path, keys[i].text);
	rule_kept(BUS_4);
}

static bool is_within(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return !strncmp(path, directory, length) && path[length] == '/';
}

static void back_key_note(const char *path, const char *text)
{
	unsigned int i = 0;

	while (i < back_key_count && strcmp(back_keys[i].path, path))
		i++;
	if (i == KEYS_MAX)
		abort();
	back_key_count += i == back_key_count;
	snprintf(back_keys[i].path, sizeof(back_keys[i].path), "%s", path);
	snprintf(back_keys[i].text, sizeof(back_keys[i].text), "%s", text);
}

void back_write(const char *key, const char *format, ...)
{
	char path[192], text[64];
	va_list arguments;

	snprintf(path, sizeof(path), "%s/%s", script.back, key);
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	back_key_note(path, text);
	world_write(path, text);
}

void back_keys_check(void)
{
	unsigned int count = 0, there = world_entries(script.back);
	char text[64];

	for (unsigned int i = 0; i < back_key_count; i++) {
		if (!is_within(back_keys[i].path, script.back))
			continue;
		count++;
		if (world_read(back_keys[i].path, text, sizeof(text)) < 0 || strcmp(text, back_keys[i].text))
			rule_broken(BUS_10, "the keys that the back-end wrote", "%s is no longer \"%s\"", back_keys[i].path, back_keys[i].text);
	}
	if (there != count)
		rule_broken(BUS_10, "the keys that the back-end wrote", "%u keys in %s, and it wrote %u", there, script.back, count);
	rule_kept(BUS_10);
}

void back_switch(unsigned int state)
{
	script.closing |= state >= CLOSING;
	back_write("state", "%u", state);
}

/* From Initialising to Closed; Initialised may be left out, and Closing. */
static bool state_may_follow(unsigned int from, unsigned int to)
{
	static const uint8_t after[] = {
		[INITIALISING] = 1 << INITIALISED | 1 << CONNECTED | 1 << CLOSING | 1 << CLOSED,
		[INITIALISED] = 1 << CONNECTED | 1 << CLOSING | 1 << CLOSED,
		[CONNECTED] = 1 << CLOSING | 1 << CLOSED,
		[CLOSING] = 1 << CLOSED,
		[CLOSED] = 1 << INITIALISING,
	};

	return from < sizeof(after) && to <= CLOSED && (after[from] >> to & 1);
}

void front_watch(void)
{
	char text[32];
	unsigned int state = front_read("state", text, sizeof(text)) > 0 ? (unsigned int)strtoul(text, NULL, 10) : 0;

	if (state == script.state)
		return;
	if (!state_may_follow(script.state, state))
		rule_broken(BUS_1, "1, then 3 or 4, then 4, then 5 or 6, then 6", "state %u after state %u", state, script.state);
	rule_kept(BUS_1);
	script.state = state;
	if (state >= CLOSING && !script.closing)
		rule_broken(script.blame == RULES ? BUS_1 : script.blame, "to be used on",
			    "the front-end closes (state %u), and the back-end does not", state);
}

static void wait_and_watch(unsigned int ms)
{
	world_wait(ms);
	front_watch();
}

static bool front_is_ready(void)
{
	return script.state == INITIALISED || script.state == CONNECTED;
}

bool front_begin(void)
{
	uint64_t until = world_now_ms() + HOLD_MS;

	key_count = 0;
	script.state = INITIALISING;
	script.blame = RULES;
	while (world_now_ms() < until)
		wait_and_watch(50);
	if (front_is_ready())
		rule_broken(BUS_2, "state 1 while the back-end is in state 1", "state %u", script.state);
	else
		rule_kept(BUS_2);
	back_switch(INIT_WAIT);
	for (until = world_now_ms() + script.begin_ms; !front_is_ready(); wait_and_watch(50))
		if (world_now_ms() >= until) {
			if (script.pass > 1)
				return false;
			rule_broken(BUS_1, "state 3 or 4 after the back-end's 2", "state %u, %u s later", script.state, script.begin_ms / 1000);
		}
	return true;
}

void front_close(void (*serve)(void))
{
	uint64_t until = world_now_ms() + script.limit_ms;

	back_switch(CLOSING);
	while (script.state != CLOSED) {
		if (world_now_ms() >= until)
			rule_broken(BUS_9, "state 6 after the back-end's 5", "state %u, %u s later", script.state, script.limit_ms / 1000);
		serve();
		wait_and_watch(10);
	}
	/* What it had sent before it said so: whoever waits for that waits for ever otherwise, and takes no other device. */
	serve();
	rule_kept(BUS_9);
	back_keys_check();
}

/* ---------------------------------------------------------------- rings */

static uint64_t key_needed(const char *key)
{
	bool there;
	uint64_t number = key_number(key, &there);

	if (!there)
		rule_broken(BUS_3, "a number", "no key %s in state %u", key, script.state);
	rule_kept(BUS_3);
	return number;
}

void wire_map(struct wire *wire, const char *name, const char *key, unsigned int pages, size_t slot_size)
{
	uint32_t grefs[16];
	char numbered[64];

	wire->name = name;
	wire->page_count = pages;
	for (unsigned int i = 0; i < pages; i++) {
		snprintf(numbered, sizeof(numbered), pages > 1 ? "%s%u" : "%s", key, i);
		grefs[i] = (uint32_t)key_needed(numbered);
	}
	wire->pages = world_map(grefs, pages);
	if (!wire->pages)
		rule_broken(BUS_7, "a grant for the back-end's domain, writable", "%s = %u cannot be mapped", key, grefs[0]);
	rule_kept(BUS_7);
	ring_back_attach(&wire->ring, wire->pages, pages * RING_PAGE, slot_size, 0, 0);
	if (wire->ring.shared->rsp_prod || wire->ring.shared->req_prod > wire->ring.slots)
		rule_broken(BUS_30, "rsp_prod 0, req_prod at most the slots", "rsp_prod %u, req_prod %u of %u slots (%s)",
			    wire->ring.shared->rsp_prod, wire->ring.shared->req_prod, wire->ring.slots, name);
	rule_kept(BUS_30);
}

int wire_bind(const char *key)
{
	int handle = world_bind((uint32_t)key_needed(key));

	if (handle < 0)
		rule_broken(BUS_8, "an unbound channel for the back-end's domain", "%s cannot be bound", key);
	rule_kept(BUS_8);
	return handle;
}

void wire_unmap(struct wire *wire)
{
	if (wire->pages)
		world_unmap(wire->pages, wire->page_count);
	wire->pages = NULL;
}

int wire_look(struct wire *wire)
{
	int waiting = ring_back_look(&wire->ring);

	if (waiting < 0)
		rule_broken(BUS_31, "req_prod from the last one seen to rsp_prod + slots", "req_prod %u, before it %u, rsp_prod %u, %u slots (%s)",
			    wire->ring.refused, wire->ring.req_seen, wire->ring.rsp_prod, wire->ring.slots, wire->name);
	if (waiting > 0)
		rule_kept(BUS_31);
	return waiting;
}

int wire_wait(struct wire *wire, unsigned int ms)
{
	uint64_t until = world_now_ms() + ms, seen = 0;
	unsigned int looks = 0;
	int waiting = wire_look(wire);

	if (waiting)
		return waiting;
	world_events(wire->event);
	if (ring_back_sleep(&wire->ring))
		return wire_look(wire);		/* it came before the wish: no event is due */
	while (!waiting && world_now_ms() < until) {
		wait_and_watch(20);
		waiting = wire_look(wire);
	}
	/* Its event may be under way. If the machine stood still, so did who sends it. */
	for (seen = world_now_ms(); waiting > 0 && !world_events(wire->event); world_wait(20), looks++)
		if (world_now_ms() > seen + EVENT_LATE_MS && looks > EVENT_LATE_MS / 20) {
			rule_broken(BUS_33, "an event when req_prod comes to req_event", "req_prod %u, req_event %u, and no event (%s)",
				    wire->ring.req_seen, wire->ring.shared->req_event, wire->name);
			return waiting;
		}
	if (waiting > 0)
		rule_kept(BUS_33);
	return wire_look(wire);
}

void wire_take(struct wire *wire, void *request, size_t size)
{
	uint32_t slot = wire->ring.req_cons & (wire->ring.slots - 1);

	ring_back_take(&wire->ring, request, size);
	memcpy(wire->copy[slot], request, size);
}

void wire_answer(struct wire *wire, const void *response, size_t size)
{
	uint32_t slot = wire->ring.rsp_put & (wire->ring.slots - 1);
	const void *now = ring_slot(wire->ring.shared, wire->ring.slots, wire->ring.slot_size, slot);

	if (memcmp(now, wire->copy[slot], wire->ring.slot_size))
		rule_broken(RST_1, "the request as it was when it was taken", "slot %u is another (%s)", slot, wire->name);
	rule_kept(RST_1);
	ring_back_put(&wire->ring, response, size);
}

void wire_push(struct wire *wire)
{
	uint32_t rsp_event = wire->ring.shared->rsp_event;

	if (!ring_back_push(&wire->ring))
		return;
	wire->rsp_event = rsp_event;
	world_send(wire->event);
}

static void slot_tell(FILE *to, const struct wire *wire, const char *kind, uint32_t index, decode_slot *decode)
{
	char text[TEXT_MAX];

	decode(text, sizeof(text), ring_slot(wire->pages, wire->ring.slots, wire->ring.slot_size, index));
	fprintf(to, "  %s %u: %s\n", kind, index, text);
}

void wire_dump(FILE *to, const struct wire *wire)
{
	const struct ring_shared *shared = wire->pages;
	uint32_t put = wire->ring.rsp_put, seen = wire->ring.req_seen;

	if (!shared)
		return;
	fprintf(to, "%s: %u slots; req_prod %u req_event %u rsp_prod %u rsp_event %u; taken up to %u\n", wire->name,
		wire->ring.slots, shared->req_prod, shared->req_event, shared->rsp_prod, shared->rsp_event, wire->ring.req_cons);
	/* A response is there until its slot has the next request. */
	for (uint32_t i = put < RESPONSES_TOLD ? 0 : put - RESPONSES_TOLD; i != put; i++)
		if (seen - i <= wire->ring.slots)
			slot_tell(to, wire, "response", i, wire->decode_response);
	for (uint32_t i = seen - put > REQUESTS_TOLD ? seen - REQUESTS_TOLD : put; i != seen; i++)
		slot_tell(to, wire, "request", i, wire->decode_request);
}

/* How far in front of what is published the front-end asked to be woken: 0 and less is not at all. */
static int32_t wire_asks(const struct wire *wire)
{
	return (int32_t)(wire->ring.shared->rsp_event - wire->ring.rsp_prod);
}

/* An event that it did not ask for moves it: it only sleeps. */
static bool wire_wakes(struct wire *wire)
{
	uint32_t req_prod = wire->ring.shared->req_prod, rsp_event = wire->ring.shared->rsp_event;
	uint64_t until = world_now_ms() + script.limit_ms / 4;

	if (wire_asks(wire) > 0)
		return false;
	wire->moved = (int32_t)(rsp_event - wire->rsp_event) > 0;
	world_send(wire->event);
	while (world_now_ms() < until) {
		wait_and_watch(20);
		if (wire->ring.shared->req_prod != req_prod || wire->ring.shared->rsp_event != rsp_event)
			return true;
	}
	return false;
}

/* It sleeps behind a response, or before one: it asked, and had not fetched all. */
static void wire_did_not_ask(struct wire *wire)
{
	rule_broken(wire->moved ? BUS_36 : BUS_35, wire->moved ? "all responses fetched, and rsp_event behind them" :
		    "rsp_event beyond rsp_prod in a front-end that waits", "rsp_event %u, rsp_prod %u; one more event, and it went on (%s)",
		    wire->ring.shared->rsp_event, wire->ring.rsp_prod, wire->name);
}

void wire_is_dead(struct wire *wire, const char *expected)
{
	if (wire->ring.req_seen == 0 && script.pass > 1)
		walk_stop();
	if (wire->ring.req_seen == 0) {
		fprintf(stderr, "conformance: no request for %u s: the kernel under test does not use its device (docs/front-ends.md)\n",
			script.limit_ms / 1000);
		exit(2);
	}
	if (wire_wakes(wire))
		wire_did_not_ask(wire);
	rule_broken(script.blame, expected, "nothing for %u s (%s)", script.limit_ms / 1000, wire->name);
	walk_stop();
}

void wire_check_asked(struct wire *wire)
{
	uint32_t outstanding = wire->ring.req_seen - wire->ring.rsp_prod;
	uint64_t until = world_now_ms() + script.limit_ms / 4;

	while (wire_asks(wire) <= 0 && world_now_ms() < until)
		wait_and_watch(20);
	if (wire_asks(wire) <= 0 || (uint32_t)wire_asks(wire) > outstanding)
		rule_broken(BUS_35, "rsp_event from rsp_prod + 1 to req_prod in a front-end that waits",
			    "rsp_event %u, rsp_prod %u, req_prod %u (%s)", wire->ring.shared->rsp_event, wire->ring.rsp_prod,
			    wire->ring.req_seen, wire->name);
	rule_kept(BUS_35);
}

void wire_check_fetched(struct wire *wire)
{
	uint64_t until = world_now_ms() + script.limit_ms;

	while (wire_asks(wire) <= 0 && world_now_ms() < until)
		wait_and_watch(20);
	if (wire_asks(wire) > 0) {
		rule_kept(BUS_36);
		return;
	}
	wire_is_dead(wire, "all responses fetched");
}
