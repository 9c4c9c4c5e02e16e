/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "message.h"

/* How a domain's state is painted. */
enum colour state_colour(const char *state);

/* devices.c: as a table, if there are any. */
void print_attachments(const json_t *attachments);

/* rings.c: one ring, its part of the ledger, and its first requests. */
void print_ring(const json_t *ring);
