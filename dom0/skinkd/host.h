/* SPDX-License-Identifier: MIT */
/*
 * The host as skinkd sees it: there is one, and one thread (the loop's) touches it. What takes long runs on the loop's
 * work queue with handles of its own and touches nothing here.
 */
#pragma once

#include <jansson.h>
#include <uv.h>

#include "lib/core.h"
#include "lib/store.h"
#include "skinkd/conf.h"

struct domain;
struct manifest;

struct host {
	uv_loop_t *loop;
	struct conf conf;
	struct core core;
	struct store store;		/* handle NULL: xenstored has gone, and no domain can be started */
	struct manifest *own;		/* Domain-0's devices: the rest of it says nothing */
	struct domain *domains;		/* those that skinkd built, in the order of their making */
	uint64_t started_ms;		/* uv_now() */
};

extern struct host host;

/* One line on standard error, with its priority: who supervises skinkd keeps it. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Never NULL: without memory skinkd ends, and its domains do not notice. */
void *need_memory(void *memory);

/* How something ended. code: what skink exits with (protocols/skinkd.md), 0: well. */
struct outcome {
	int code;
	char message[512];
	json_t *lines;			/* more of them, or NULL */
};

enum { CODE_FAILED = 1, CODE_BAD = 2, CODE_NO_DOMAIN = 3, CODE_NOT_ALLOWED = 4, CODE_TIMED_OUT = 6 };

struct outcome outcome(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Who waits for something hears of it once; the callee must not keep or free the outcome. */
typedef void (*done_fn)(void *context, const struct outcome *outcome);
