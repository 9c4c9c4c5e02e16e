/* SPDX-License-Identifier: MIT */
/*
 * A client of the store, for a kernel that has none: one page of two byte rings that the start info names, and an event channel.
 * One question at a time; what watches have to say is noted meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_page {
	uint8_t request[1024];
	uint8_t reply[1024];
	uint32_t request_read, request_written;		/* free-running */
	uint32_t reply_read, reply_written;
};

enum { STORE_READ = 2, STORE_WATCH = 4, STORE_WRITE = 11, STORE_EVENT = 15, STORE_ERROR = 16 };

/* In front of each message, either way. */
struct store_header {
	uint32_t type;
	uint32_t id;
	uint32_t transaction;
	uint32_t length;		/* of what follows */
};

struct store {
	struct store_page *page;
	void (*notify)(void);		/* the store's event channel */
	void (*wait)(void);		/* until it may have fired; may return too early */
	uint32_t last_id;
	bool changed;			/* a watch has fired */
};

void store_open(struct store *store, void *page, void (*notify)(void), void (*wait)(void));

/* Paths relative to the domain's own directory, or whole. Length of the value, zero-terminated and cut at `size`; -2: none. */
int store_get(struct store *store, const char *path, char *value, size_t size);
int store_put(struct store *store, const char *path, const char *value);

/* From now on store_changed() tells of changes at and below the path, once right away. */
int store_watch(struct store *store, const char *path);
/* Whether anything that is watched may have changed since it was last asked. */
bool store_changed(struct store *store);
