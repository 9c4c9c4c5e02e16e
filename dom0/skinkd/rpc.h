/* SPDX-License-Identifier: MIT */
/*
 * The socket: clients, their requests, the answers (protocols/skinkd.md).
 * Q1  Each request is answered exactly once, also when its client has gone: then nobody hears it.
 * Q2  What a client may do is decided by its credentials alone, before its method is called.
 * Q3  A client that sends or reads badly costs a bounded amount of memory and nobody else's time.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "skinkd/host.h"

struct client;

struct request {
	struct client *client;
	json_t *id;
	json_t *params;			/* an object */
};

typedef void (*method_fn)(struct request *request);

struct method {
	const char *name;
	method_fn call;
	bool (*is_read)(const json_t *params);	/* NULL: it changes something, and is for root */
};

extern const struct method methods[];	/* methods.c; the last has no name */

bool rpc_open(void);
void rpc_close(void);
/* Who may connect to a socket of skinkd's: root, and the group that skinkd.conf names. */
bool rpc_socket_mode(const char *path);

/* Both end the request. */
void rpc_answer(struct request *request, json_t *result);		/* takes the result */
void rpc_fail(struct request *request, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
void rpc_fail_outcome(struct request *request, const struct outcome *outcome);
void rpc_fail_lines(struct request *request, int code, const char *message, json_t *lines);	/* takes the lines */

void rpc_progress(struct request *request, const char *text);

/* From now on this client hears of each event. */
void rpc_follow(struct request *request);
void rpc_tell_followers(json_t *event);

/* json_unpack_ex() that refuses what the format does not name; false: it has failed the request. */
bool rpc_unpack(struct request *request, const char *format, ...);
