/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <stdatomic.h>

#define RING		1024u
#define PAYLOAD_MAX	4096u

_Static_assert(sizeof(struct store_page) == 2064, "io/xs_wire.h");
_Static_assert(sizeof(struct store_header) == 16, "io/xs_wire.h");

void store_open(struct store *store, void *page, void (*notify)(void), void (*wait)(void))
{
	*store = (struct store){ .page = page, .notify = notify, .wait = wait };
}

/* ---------------------------------------------------------------- bytes */

static void store_send(struct store *store, const void *bytes, size_t size)
{
	struct store_page *page = store->page;
	const uint8_t *from = bytes;

	while (size > 0) {
		uint32_t written = page->request_written;

		if (written - *(volatile uint32_t *)&page->request_read >= RING) {
			store->notify();
			store->wait();
			continue;
		}
		atomic_thread_fence(memory_order_seq_cst);
		page->request[written % RING] = *from++;
		size--;
		atomic_thread_fence(memory_order_release);
		*(volatile uint32_t *)&page->request_written = written + 1;
	}
}

/* `bytes` may be NULL: they are passed over. */
static void store_receive(struct store *store, void *bytes, size_t size)
{
	struct store_page *page = store->page;
	uint8_t *to = bytes;

	while (size > 0) {
		uint32_t read = page->reply_read;

		if (*(volatile uint32_t *)&page->reply_written == read) {
			store->wait();
			continue;
		}
		atomic_thread_fence(memory_order_acquire);
		if (to)
			*to++ = page->reply[read % RING];
		size--;
		atomic_thread_fence(memory_order_seq_cst);
		*(volatile uint32_t *)&page->reply_read = read + 1;
		/* Who has more than there was room for waits for this. */
		if (*(volatile uint32_t *)&page->reply_written - read == RING)
			store->notify();
	}
}

/* ---------------------------------------------------------------- messages */

/* The next message that is no news of a watch, its payload into `value`. */
static int store_reply(struct store *store, char *value, size_t size)
{
	struct store_header header;
	size_t kept;

	for (;;) {
		store_receive(store, &header, sizeof(header));
		if (header.length > PAYLOAD_MAX)
			return -71;
		if (header.type != STORE_EVENT && header.id == store->last_id)
			break;
		store->changed |= header.type == STORE_EVENT;
		store_receive(store, NULL, header.length);
	}
	kept = size == 0 ? 0 : header.length < size - 1 ? header.length : size - 1;
	store_receive(store, value, kept);
	store_receive(store, NULL, header.length - kept);
	if (size > 0)
		value[kept] = 0;
	return header.type == STORE_ERROR ? -2 : (int)kept;
}

static size_t text_length(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	return length;
}

/* Up to two texts, the second with its zero if `ends` says so. */
static int store_ask(struct store *store, uint32_t type, const char *first, const char *second, bool ends, char *value, size_t size)
{
	struct store_header header = {
		.type = type, .id = ++store->last_id,
		.length = (uint32_t)(text_length(first) + 1 + (second ? text_length(second) + ends : 0)),
	};

	if (header.length > PAYLOAD_MAX)
		return -22;
	store_send(store, &header, sizeof(header));
	store_send(store, first, text_length(first) + 1);
	if (second)
		store_send(store, second, text_length(second) + ends);
	store->notify();
	return store_reply(store, value, size);
}

int store_get(struct store *store, const char *path, char *value, size_t size)
{
	return store_ask(store, STORE_READ, path, NULL, false, value, size);
}

int store_put(struct store *store, const char *path, const char *value)
{
	int result = store_ask(store, STORE_WRITE, path, value, false, NULL, 0);

	return result < 0 ? result : 0;
}

int store_watch(struct store *store, const char *path)
{
	int result = store_ask(store, STORE_WATCH, path, "front", true, NULL, 0);

	return result < 0 ? result : 0;
}

bool store_changed(struct store *store)
{
	bool changed;

	while (*(volatile uint32_t *)&store->page->reply_written != store->page->reply_read) {
		struct store_header header;

		store_receive(store, &header, sizeof(header));
		store->changed |= header.type == STORE_EVENT;
		store_receive(store, NULL, header.length <= PAYLOAD_MAX ? header.length : 0);
	}
	changed = store->changed;
	store->changed = false;
	return changed;
}
