/* SPDX-License-Identifier: MIT */
/*
 * kill-driver ID COUNT MOST_US SEED HOW: kills a driver domain that often, each time after a pause of at most so long, and waits until
 * it has been reset before the next one; SIGTERM ends it between two. HOW: "jump" (its next instruction is nowhere: it says so itself, and ends), "stack" (and it has no stack
 * to say so on: the core ends it). Runs in Domain-0.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/core.h"

#define NOWHERE		0x10UL
#define PATIENCE_US	20000000UL
#define DEAD_US		3000000UL
#define LOOK_US		500UL

static volatile sig_atomic_t is_enough;

static void end(int number)
{
	is_enough = 1;
}

static int harm(struct core *core, domid_t id, const char *how)
{
	vcpu_guest_context_t context;
	int result = core_domain_pause(core, id);

	if (result)
		return result;
	result = core_vcpu_context_get(core, id, 0, &context);
	context.user_regs.rip = NOWHERE;
	if (!strcmp(how, "stack"))
		context.user_regs.rsp = NOWHERE;
	if (!result)
		result = core_vcpu_context_set(core, id, 0, &context);
	core_domain_unpause(core, id);
	return result;
}

/* 0: it has another generation, and serves. -1: it does not come, or lies dead for longer than a pause. */
static int wait_for_next(struct core *core, domid_t id, uint32_t generation)
{
	struct skink_driver_info info;
	uint64_t dead_us = 0;

	for (uint64_t waited = 0; waited < PATIENCE_US && dead_us < DEAD_US; waited += LOOK_US) {
		int result = core_driver_info(core, id, &info);

		if (result)
			return result;
		if (info.generation != generation && info.state == SKINK_DRIVER_SERVING)
			return 0;
		dead_us = info.state == SKINK_DRIVER_DEAD ? dead_us + LOOK_US : 0;
		usleep(LOOK_US);
	}
	return -1;
}

int main(int count, char **values)
{
	struct skink_driver_info info;
	struct core core;
	domid_t id;
	int result, killed;

	if (count != 6 || core_open(&core))
		return 2;
	id = (domid_t)atoi(values[1]);
	srand48(atol(values[4]));
	signal(SIGTERM, end);
	for (killed = 0; killed < atoi(values[2]) && !is_enough; killed++) {
		usleep((useconds_t)(drand48() * atof(values[3])));
		result = core_driver_info(&core, id, &info);
		if (!result)
			result = harm(&core, id, values[5]);
		if (!result)
			result = wait_for_next(&core, id, info.generation);
		if (result) {
			printf("kill %d: %s\n", killed + 1, result == -1 ? "it is not back" : strerror(-result));
			return 1;
		}
	}
	printf("killed %d times\n", killed);
	return 0;
}
