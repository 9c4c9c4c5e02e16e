/* SPDX-License-Identifier: MIT */
/*
 * A network driver domain on the host: what the runtime and the core are to it, a card, and front-ends, honest or not.
 * The back-end dies in step(), when world.steps_left runs out. Checked all the time: no copy from or to a page that was not lent.
 */
#pragma once

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/net.h"

#define WORLD_GUESTS	4u
#define WORLD_QUEUES	2u		/* of one guest, at most */
#define WORLD_GREFS	4096u
#define WORLD_POOL	512u
#define WORLD_FLYING	64u
#define WORLD_FRAME_MAX	70000u

struct world_grant {
	uint8_t *page;			/* NULL: not lent */
	bool is_readonly;
};

/* A front-end's queue, from its own side. */
struct world_queue {
	struct ring_front tx, rx;
	uint8_t *tx_page, *rx_page;
	uint32_t front_port, local_port;	/* local: the driver's; 0: not bound */
	uint32_t kicks;				/* events that the driver sent */
	bool is_kicked;
};

struct world_guest {
	struct driver_attachment *record;
	struct world_grant grant[WORLD_GREFS];
	struct world_queue queue[WORLD_QUEUES];
	uint32_t queues;
};

/* A frame as the card sent it, or as it is to receive it. */
struct world_frame {
	uint32_t length;
	uint16_t flags, csum_start, csum_offset, gso_bytes, header_bytes;
	uint8_t gso;
	uint8_t bytes[WORLD_FRAME_MAX];
};

struct world {
	uint64_t random, now_ns, wake_ns;
	struct driver_table *table;
	struct world_guest guest[WORLD_GUESTS];
	struct net_device device;

	/* The card. */
	struct net_frame flying[WORLD_FLYING];	/* handed over, in order; copied when they complete */
	uint32_t flying_count, completed, depth;
	uint32_t refused_length;		/* of frames that its driver never takes */
	void *buffer[256];			/* given for receiving; of a life that ended, until the card begins anew */
	uint32_t buffer_count, segment_bytes;
	bool is_left_begun, is_deaf, is_unplugged, is_awaited;
	struct net_frame taken;			/* given to the back-end, and not known to be recorded; segment_count 0: none */
	struct world_frame arriving[16];
	uint32_t arriving_first, arriving_count;
	void (*sent)(const struct world_frame *frame);
	uint32_t doorbells, interrupts_on;

	bool pending[64];
	void (*handler[64])(evtchn_port_t);
	uint32_t hypercalls, copies, told, ports_asked, rests;

	/* Deaths. */
	bool is_gradual;			/* a successor takes over in rounds, as in a machine; else at once */
	bool is_mortal;
	uint64_t steps, steps_left;
	jmp_buf death;
	void (*meanwhile)(void);		/* what others do between two steps */
	const char *panic;
	jmp_buf panicked;
	bool panic_is_expected;
};
extern struct world world;

void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void step(void);
uint64_t world_random(void);
static inline uint32_t world_below(uint32_t limit) { return (uint32_t)(world_random() >> 33) % limit; }
static inline bool world_chance(uint32_t of) { return world_below(of) == 0; }

/* Guests 0 to count - 1 with so many queues each, addresses 02:00:00:00:00:<number + 1>, everything negotiated, a card if asked for. */
void world_begin(uint64_t seed, uint32_t guests, uint32_t queues, bool has_card);
void world_end(void);
void world_attach(uint32_t number, uint32_t queues);	/* a record; guest rings are new */
void world_detach(uint32_t number);
void world_back_end(void);			/* a new one, or a successor */
void world_run(void);				/* works until it rests */
bool world_round(void);				/* one round; true: it has done something */
struct driver_attachment_status *world_status(uint32_t number);

/* A front-end's ways. */
void *world_page(void);
uint32_t world_lend(uint32_t number, void *page, bool is_readonly);
void world_withdraw(uint32_t number, uint32_t gref);
void world_kick(uint32_t number, uint32_t queue);

/* The card's. */
void world_card_completes(uint32_t count);
struct world_frame *world_card_receives(void);	/* to be filled in, headers and all; NULL: it has enough */
