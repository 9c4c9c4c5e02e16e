/* SPDX-License-Identifier: MIT */
/*
 * Whether a driver domain is well, judged by what was seen of it: arithmetic alone. Whoever looks copies what he sees once, hands it
 * in, and looks again when he is told to.
 *
 *                its CPU time goes on, and its heartbeat does not             so for `hang` of CPU time, looked at closely
 *   HEALTH_WELL ---------------------------------------------> HEALTH_DOUBT ------------------------------> HEALTH_HANG
 *      |  ^                                                        |
 *      |  +---------------------- a heartbeat ---------------------+
 *      +--> HEALTH_MUTE      it sleeps, and gave no sign of life when it should have
 *      +--> HEALTH_LIVELOCK  it never rests, it has work, and has answered nothing of it
 *      +--> HEALTH_SILENT    the same, and it sleeps: its device is what it waits for
 *
 * HE1  Time that the driver was not given is not held against it: it hangs by its own CPU time.
 * HE2  No close look counts for more than a quarter of `hang`, and one that came late for a sixteenth of that: what a machine below
 *      this one took away looks like the driver's own CPU time, and is never all there is.
 * HE3  Half of `hang` is found from afar, the other half by close looks alone: those before which the driver was stopped and let go,
 *      so that it did run.
 * HE4  Work that may have to wait for its turn (a rate) is no work here.
 * HE5  A driver that gives signs of life is looked at twice in `hang` of its CPU time, not of the wall's.
 * HE6  A loop that goes round and rests once, or answers once, is none that leads nowhere; nor one that may still be taking requests, for
 *      which each that waits gives it a millisecond. One that does not say when it rests is judged by the device's time.
 * HE7  By as much as a look comes late this machine, or what is below it, was away: that is no time in which the driver slept, or its
 *      device was silent.
 * HE8  While somebody else holds it (who injects a fault), and in the look that is the first after that, nothing is held against it.
 * HE9  What a close look takes of the driver's CPU time is waited for besides. Without that the last would be a little too early, and the
 *      next at least 100 us later: Linux does not set a timer to less.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum health_verdict { HEALTH_WELL, HEALTH_DOUBT, HEALTH_HANG, HEALTH_MUTE, HEALTH_LIVELOCK, HEALTH_SILENT };

struct health_setting {
	uint64_t hang_ns;		/* of CPU time */
	uint64_t heartbeat_ns, device_ns;	/* of the wall's */
};

struct health_look {
	uint64_t now_ns, cpu_ns;
	uint64_t heartbeat;
	bool is_blocked;
	uint32_t rested;		/* changes whenever it found nothing to do, or others owed all; 0: it does not say */
	bool is_whole;			/* the rings were looked at too: */
	uint64_t answered;		/* any number that changes with each answer */
	uint32_t waiting;		/* requests of which it may answer one at once */
	bool is_resetting;		/* it waits, awake, for its device to acknowledge a reset */
	bool is_close;			/* HE3 */
	bool is_held;			/* HE8 */
};

struct health {
	struct health_setting setting;
	struct health_look last;
	uint64_t next_ns;		/* when the last look wanted the next */
	uint64_t idle_ns;		/* the pause between two looks at one that does nothing */
	uint64_t credit_ns;		/* CPU time without a heartbeat, by HE2 */
	uint64_t taken_ns;		/* HE9 */
	uint64_t passed_ns;		/* HEALTH_HANG: when it had had all of `hang` */
	uint64_t beat_ns;		/* since when it sleeps without a heartbeat */
	uint64_t answered;		/* as the rings were last looked at, */
	bool had_work;
	uint64_t fair_ns;		/* the wall's time that counts against it: not what it starved, was held, or a look came late */
	uint64_t answer_ns;		/* of that: since when it has work and answers nothing */
	uint64_t answer_cpu_ns;
	bool was_blocked;		/* once since answer_ns */
	uint64_t whole_cpu_ns;		/* at the last look at its rings */
	struct {
		bool is_begun;
		uint64_t cpu_ns, heartbeat, answered;	/* when it began */
	} restless;
};

/* A look that sees this should be at the rings too. */
bool health_wants_rings(const struct health *health, const struct health_look *look);

/* A new life, or new settings: what was seen before counts no more. */
void health_begin(struct health *health, const struct health_setting *setting, const struct health_look *look);

/* health->next_ns is when to look again; with HEALTH_DOUBT, closely. A verdict other than WELL and DOUBT stands until health_begin(). */
enum health_verdict health_judge(struct health *health, const struct health_look *look);
