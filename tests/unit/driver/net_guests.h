/* SPDX-License-Identifier: MIT */
/*
 * Honest front-ends over net_world: they send packets whose content says who sent them and which they are, and check what they receive. One sleeps
 * until it is kicked. Every slot's page is lent when it is posted and withdrawn when it is answered.
 */
#pragma once

#include "net_world.h"

#define TO_WIRE		WORLD_GUESTS		/* numbers of receivers; guests come first */
#define TO_ALL		(WORLD_GUESTS + 1)

struct guests {
	uint32_t sent, answered, received, errors;	/* packets; slots with an error */
	uint32_t lost;					/* answered, and somebody who should have it and was not aside has not */
	uint32_t wire_sent, wire_got;			/* frames that the card has acknowledged, for one guest; those that it has */
	uint32_t segments;				/* frames that the back-end has cut for the card */
	uint32_t joined;				/* frames that came as the end of another */
	uint32_t wrong;					/* not whole, not in order, twice answered, never sent */
	uint32_t promised, broken;			/* answered before the wire had it (NB9), and of these it never came */
	const char *first_wrong;
	bool has_strangers;				/* packets that are not from here are let pass */
};
extern struct guests guests;
extern uint32_t guests_honest;			/* the first so many are */

void guests_begin(void);				/* after world_begin(): buffers are posted */
bool guest_send(uint32_t number, uint32_t to, uint32_t bytes, uint32_t slots, bool is_gso);	/* false: no room */
void wire_send(uint32_t to, uint32_t bytes, bool is_gso);
bool guest_is_aside(uint32_t number);			/* two drivers have died at one of its packets */
void guest_release(uint32_t number);			/* Dom0 has it served again: what was on its way to it may be lost */
void promise_settle(void);				/* the wire should have all that it was promised */
uint32_t wire_lost(void);				/* of the frames for one guest, those that it has not although it was not aside since */
void wire_stream(uint32_t to, uint32_t bytes, uint32_t count);	/* segments of one TCP stream, one behind the other */
void guest_look(uint32_t number);			/* fetches what it was kicked for, and posts buffers anew */
bool guest_sleeps_for_ever(uint32_t number);		/* something waits for it, and nobody kicked it */
uint32_t guest_owed(uint32_t number);			/* slots that are not answered */
