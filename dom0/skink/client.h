/* SPDX-License-Identifier: MIT */
/*
 * One conversation with skinkd: protocols/skinkd.md from the client's side.
 * C1  A call returns an enum exit_code; what went wrong has been said, once, when it returns.
 * C2  What skinkd sends is judged before it is used: a broken answer ends the call, not the program.
 * C3  Nothing waits for ever that has a limit: connecting, writing and waiting end at the call's limit.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "exit.h"

#define CLIENT_LIMIT_S 30.0	/* for what skinkd answers at once */

struct client;

struct call {
	const char *method;
	json_t *params;			/* taken over; NULL: something that was to be in it is not UTF-8 */
	const char *what;		/* "create web.xml": in messages and on the progress line */
	const char *meanwhile;		/* what becomes of it when the person presses Ctrl-C */
	double limit_s;			/* 0: CLIENT_LIMIT_S; negative: none */
	bool quiet;			/* errors are not said: the caller tries something else */
	bool until_begun;		/* the first progress is enough: then the result is null */
	json_t **error_data;		/* where an error's further data goes, instead of being said */
};

/* From the next call on, signals wait (tty.h, T2). */
int client_open(const char *socket_path, bool quiet, struct client **client) __attribute__((warn_unused_result));

/* *result is the caller's, never NULL with EXIT_DONE; result may be NULL when nobody wants it. */
int client_call(struct client *client, const struct call *call, json_t **result);

/*
 * Several at once: all are sent, then answers are taken in the order in which they come. ended() is told of each that
 * skinkd answered, by its place in the list; a result, never NULL with EXIT_DONE, is then its own. EXIT_DONE: all were
 * answered. Whatever else ends them, ends them all. The calls have the same limit.
 */
int client_call_each(struct client *client, const struct call *calls, size_t count,
		     void (*ended)(size_t at, int code, json_t *result, void *context), void *context);

/*
 * After a call that makes skinkd go on telling: each further notification's parameters go to `take`, until that returns
 * false (EXIT_DONE), a signal comes or skinkd goes away.
 */
int client_follow(struct client *client, const struct call *call,
		  bool (*take)(const json_t *params, void *context), void *context);

void client_close(struct client *client);
