/* SPDX-License-Identifier: MIT */
/*
 * The program that a driver's manifest names to be run after each of its deaths (<skink:hook>): without a shell, as the user who is
 * named there, with nothing of skinkd's environment, and for so long only.
 * HO1  One at a time for each driver. Deaths in the meantime are told by one more run, with the last one's facts and their number.
 * HO2  What it started and did not wait for is killed with it when its time is over.
 */
#pragma once

#include <stdint.h>

#include "lib/manifest.h"

#define HOOK_FACTS	16
#define HOOK_FACT	320

/* "NAME=value", of one death; what is longer is cut. */
struct hook_facts {
	char text[HOOK_FACTS][HOOK_FACT];
	uint32_t count;
};

void hook_fact(struct hook_facts *facts, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Copies all that it is given. Says in an event what went wrong. */
void hook_run(const char *domain, int id, const struct manifest_hook *hook, const struct hook_facts *facts);

void hook_open(void);			/* hooks are run from here on, after each death that the monitor tells of */
