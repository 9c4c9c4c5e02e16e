/* SPDX-License-Identifier: MIT */
/* What the verbs have in common: one question to skinkd, its answer's fields, time limits. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "client.h"
#include "verb.h"

/* Opens, calls, closes. As client_call(). */
int ask(const struct invocation *invocation, const struct call *call, json_t **result);

/* --timeout in seconds, or otherwise. False: not a time, and that has been said. */
bool timeout_of(const struct invocation *invocation, double otherwise, double *seconds);

/* How long skink itself waits for an answer that skinkd gives after `timeout` at the latest. */
double limit_for(double timeout);

/* Fields of an object; "" and 0 where there is no such field or it is of another kind. */
const char *text_of(const json_t *object, const char *key);
double number_of(const json_t *object, const char *key);
uint64_t count_of(const json_t *object, const char *key);	/* 0 .. 2^62 */
uint64_t kib_of(const json_t *object, const char *key);	/* the same, in bytes */
bool flag_of(const json_t *object, const char *key);

/* Each string of a list of lines, to stderr: warnings. */
void note_lines(const json_t *lines, const char *before);
