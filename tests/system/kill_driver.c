/* SPDX-License-Identifier: MIT */
/*
 * kill-driver ID COUNT MOST_US SEED HOW [IMAGE]: kills a driver domain that often, each time after a pause of at most so long, and waits until
 * it has been reset before the next one; SIGTERM ends it between two. HOW: "jump" (its next instruction is nowhere: it says so itself, and ends), "stack" (and it has no stack
 * to say so on: the core ends it). Runs in Domain-0.
 *
 * With the file of its image, in which its variables are found, each kill looks at the rings while the driver is paused, and prints in which states they were
 * (ring_states.h). Those are taken in turn, so that each is met as often as the others: whenever the driver is found in none that
 * is wished for it goes on for a moment, until it was looked at TRIES times; then it is killed as it is.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inject/victim.h"
#include "ring_states.h"

#define NOWHERE		0x10UL
#define PATIENCE_US	20000000UL
#define DEAD_US		3000000UL
#define LOOK_US		500UL
#define TRIES		1000u
#define TRY_US		3000.0

static volatile sig_atomic_t is_enough;

static void end(int number)
{
	is_enough = 1;
}

/* It is paused: the next instruction is its last. */
static int harm(struct victim *victim, const char *how)
{
	int result;

	victim->context.user_regs.rip = NOWHERE;
	if (!strcmp(how, "stack"))
		victim->context.user_regs.rsp = NOWHERE;
	result = victim_set(victim);
	victim_go(victim);
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

static void print_states(int kill, const struct ring_states *states, enum ring_state wished, uint32_t tries)
{
	printf("kill %d: wished for %s, %u looks, rings %u", kill + 1, ring_state_name[wished], tries, states->rings);
	for (int state = 0; state < RING_STATES; state++)
		printf(" %s %u", ring_state_name[state], states->count[state]);
	putchar('\n');
}

/* Paused in a state that is wished for, if it comes by one. */
static int pause_in_state(struct victim *victim, int kill)
{
	/* What is decided is published a few instructions later: nobody finds it there by looking. */
	static const enum ring_state wishes[] = { RING_UNREAD, RING_TAKEN, RING_UNSEEN };
	enum ring_state wished = wishes[kill % 3];
	struct ring_states states;

	for (uint32_t tries = 1;; tries++) {
		int result = victim_pause(victim);

		if (result)
			return result;
		if (!ring_states_look(victim, &states))
			return -EIO;
		if (states.count[wished] || tries == TRIES) {
			print_states(kill, &states, wished, tries);
			return 0;
		}
		victim_go(victim);
		usleep((useconds_t)(drand48() * TRY_US));
	}
}

static int kill_once(struct victim *victim, int kill, const char *how)
{
	struct skink_driver_info info;
	int result = core_driver_info(&victim->core, victim->id, &info);

	if (!result)
		result = victim->image.symbol_count ? pause_in_state(victim, kill) : victim_pause(victim);
	if (!result)
		result = harm(victim, how);
	return result ? result : wait_for_next(&victim->core, victim->id, info.generation);
}

int main(int count, char **values)
{
	static struct fault_page page;		/* skinkd has none of it: a pause is too short to be taken for a hang */
	struct victim victim = { .page = &page };
	int result, killed;

	if (count < 6 || count > 7)
		return 2;
	victim.id = (domid_t)atoi(values[1]);
	if (count == 7 ? victim_open(&victim, victim.id, values[6], &page) : core_open(&victim.core))
		return 2;
	srand48(atol(values[4]));
	signal(SIGTERM, end);
	for (killed = 0; killed < atoi(values[2]) && !is_enough; killed++) {
		usleep((useconds_t)(drand48() * atof(values[3])));
		result = kill_once(&victim, killed, values[5]);
		if (result) {
			printf("kill %d: %s\n", killed + 1, result == -1 ? "it is not back" : strerror(-result));
			return 1;
		}
	}
	printf("killed %d times\n", killed);
	return 0;
}
