/* SPDX-License-Identifier: MIT */
/*
 * The store: what stands in it for a domain, as every tool of Xen's writes it, and what a guest answers there.
 * X1  Only what a guest must write is its own; all else it may read.
 * X2  A guest's values are text of at most STORE_VALUE_MAX bytes, and are judged like any other input.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenstore.h>

#include "lib/build.h"

#define STORE_VALUE_MAX	1024

struct store {
	struct xs_handle *handle;
};

/* What is written for a domain before it runs. */
struct store_domain {
	const struct built *built;
	const char *name;
	const uint8_t *uuid;
	uint64_t memory_kib, memory_max_kib;
	uint32_t vcpus, vcpus_max;		/* online at first; at most */
	bool has_console;
};

int store_open(struct store *store);		/* -errno: there is no xenstored */
void store_close(struct store *store);

/*
 * The socket on which the calls wait: among those that are open, one to the same daemon as `alike`, and not that. -1: not found.
 * Nobody else may open a store meanwhile.
 */
int store_socket(int alike);

/* Removes what stands there of domains that are gone, for when nobody could tell xenstored of their end. */
void store_sweep(struct store *store, bool (*is_there)(domid_t id));

/* Writes all of it in one transaction and tells xenstored of the domain. 0 or -errno, and nothing is left. */
int store_add(struct store *store, const struct store_domain *domain);
void store_remove(struct store *store, domid_t id, const uint8_t uuid[16]);

/* Below /local/domain/ID. The caller frees the text; NULL if it is not there. */
char *store_read(struct store *store, domid_t id, const char *node);
int store_write(struct store *store, domid_t id, const char *node, const char *value);
int store_vcpu_set(struct store *store, domid_t id, uint32_t vcpu, bool is_online);

/* "c0ffee00-...": 36 characters and a NUL. */
#define UUID_TEXT	37
void uuid_text(const uint8_t uuid[16], char text[UUID_TEXT]);
