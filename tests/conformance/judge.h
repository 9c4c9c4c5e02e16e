/* SPDX-License-Identifier: MIT */
/* A scripted front-end's verdicts on a back-end, from inside a guest: TAP on its console. */
#ifndef CONFORMANCE_JUDGE_H
#define CONFORMANCE_JUDGE_H

#include "../../protocols/ring.h"
#include "decode.h"
#include "kernel.h"

#include "../../protocols/front/bus.h"

struct step {
	const char *rule;
	const char *text;
	void (*run)(void);
};

/* What is wrong, within a step: it is broken. The first few are told, with the rings as they were at the first. */
void wrong(const char *expected, const char *seen, ...) __attribute__((format(printf, 2, 3)));
void step_skip(const char *why);

/* Without a connection, or answers, nothing more can be tried: the steps that follow are skipped, and nothing is waited for any more. */
void judge_over(void);

/* All of them in order; one that ends the connection comes last. tell() tells each ring. */
void judge(const struct step *steps, unsigned int count, void (*tell)(void));

/* The command line says "storm": the back-end is not judged. Who has connected sends events without end, and this does not return. */
void storm_if_told(void (*connect)(void), const uint32_t *port);

/* Until condition() is true, looking at store and device meanwhile; false after so long. */
bool judge_wait(bool (*condition)(void), unsigned int ms);

/* A ring as this end has it, its last responses and its requests: within tell(). Nothing of one that there is not yet. */
void ring_tell(const char *name, const struct ring_front *ring, decode_slot *request, decode_slot *response);
/* How many events of the device came since it was last asked. */
unsigned int events_taken(void);

#endif
