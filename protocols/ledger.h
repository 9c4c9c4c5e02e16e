/* SPDX-License-Identifier: MIT */
/*
 * The ledger of one ring: the answers that a back-end has decided, in pages that survive its reset. Written by the driver domain,
 * laid out by Dom0 before the driver hears of the attachment. ledger.md is the specification; the invariants L1 to L10 are there.
 * All indices are those of the ring: 32 bits, never masked but to find a place, compared modulo 2^32.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_MAGIC		0x4c4b5331u
#define LEDGER_VERSION		1u
#define LEDGER_ALIGN		64u	/* where in the ledger's pages a ring's part may begin */
#define LEDGER_SLOTS_MAX	1024u
#define LEDGER_RESPONSE_MAX	16u

/* The place of one answer: the one to request `index` is entry[index % slots]. */
struct ledger_entry {
	uint8_t response[LEDGER_RESPONSE_MAX];	/* as it will stand in the slot; zeros behind it */
	uint32_t index;
	uint32_t generation;			/* of the driver domain when it wrote this */
	uint32_t ring;				/* that of struct ledger_ring */
	uint32_t sum;				/* ledger_entry_sum() */
};

struct ledger_ring {
	/* Dom0's: never written by the driver. */
	uint32_t magic;
	uint16_t version;
	uint16_t response_size;			/* 4 network transmit, 8 network receive, 16 block */
	uint32_t slots;				/* a power of two, as many as the ring has */
	uint32_t ring;				/* a number that no other ring of this driver domain ever had */
	uint64_t reserved[2];			/* zero */
	/* The driver's. */
	uint64_t commit;			/* ledger_commit_pack(): one store of eight bytes */
	uint32_t published;			/* a note: bounds rsp_prod from below */
	uint32_t looked, seen;			/* the table's `changed` for which it looked at the ring, and the req_prod that it saw (ledger.md, section 8) */
	uint32_t zero[3];
	struct ledger_entry entry[];
};

_Static_assert(sizeof(struct ledger_entry) == 32, "ledger.md, section 2: two entries to a cache line");
_Static_assert(offsetof(struct ledger_entry, index) == 16, "ledger.md, section 2");
_Static_assert(offsetof(struct ledger_entry, generation) == 20, "ledger.md, section 2");
_Static_assert(offsetof(struct ledger_entry, ring) == 24, "ledger.md, section 2");
_Static_assert(offsetof(struct ledger_entry, sum) == 28, "ledger.md, section 2: the sum covers what is before it");
_Static_assert(sizeof(struct ledger_ring) == LEDGER_ALIGN, "ledger.md, section 1: entries begin on a cache line");
_Static_assert(offsetof(struct ledger_ring, response_size) == 6, "ledger.md, section 1");
_Static_assert(offsetof(struct ledger_ring, slots) == 8, "ledger.md, section 1");
_Static_assert(offsetof(struct ledger_ring, ring) == 12, "ledger.md, section 1");
_Static_assert(offsetof(struct ledger_ring, commit) == 32, "ledger.md, section 3: commit is one aligned store");
_Static_assert(offsetof(struct ledger_ring, published) == 40, "ledger.md, section 1");
_Static_assert(offsetof(struct ledger_ring, looked) == 44, "ledger.md, section 1");

static inline size_t ledger_bytes(uint32_t slots)
{
	return sizeof(struct ledger_ring) + slots * sizeof(struct ledger_entry);
}

static inline uint32_t ledger_mix(uint32_t sum, uint32_t word)
{
	return ((sum << 5 | sum >> 27) ^ word) * 0x9e3779b1u;
}

static inline uint32_t ledger_word(const struct ledger_entry *entry, size_t number)
{
	uint32_t word;

	__builtin_memcpy(&word, (const uint8_t *)entry + number * sizeof(word), sizeof(word));
	return word;
}

/* Any change within one word of 32 bits changes the sum; zeros have none that fits. */
static inline uint32_t ledger_entry_sum(const struct ledger_entry *entry)
{
	uint32_t sum = LEDGER_MAGIC;

	_Static_assert(7 * sizeof(sum) == offsetof(struct ledger_entry, sum), "each word before the sum is in it");
	/* Written out: it is paid for each answer, and a loop costs twice as much. */
	sum = ledger_mix(sum, ledger_word(entry, 0));
	sum = ledger_mix(sum, ledger_word(entry, 1));
	sum = ledger_mix(sum, ledger_word(entry, 2));
	sum = ledger_mix(sum, ledger_word(entry, 3));
	sum = ledger_mix(sum, ledger_word(entry, 4));
	sum = ledger_mix(sum, ledger_word(entry, 5));
	sum = ledger_mix(sum, ledger_word(entry, 6));
	return sum ^ sum >> 16;
}

/* Index in bits 0 to 31, the generation's low half in 32 to 47, a check of both above: one flipped bit never agrees. */
static inline uint16_t ledger_commit_check(uint32_t index, uint16_t generation)
{
	return (uint16_t)(index ^ index >> 16 ^ generation ^ 0x534b);
}

static inline uint64_t ledger_commit_pack(uint32_t index, uint32_t generation)
{
	return index | (uint64_t)(uint16_t)generation << 32 |
	       (uint64_t)ledger_commit_check(index, (uint16_t)generation) << 48;
}

static inline uint32_t ledger_commit_index(uint64_t commit)
{
	return (uint32_t)commit;
}

static inline uint16_t ledger_commit_generation(uint64_t commit)
{
	return (uint16_t)(commit >> 32);
}

static inline bool ledger_commit_is_whole(uint64_t commit)
{
	return commit >> 48 == ledger_commit_check(ledger_commit_index(commit), ledger_commit_generation(commit));
}

/* L3  published <= rsp_prod <= commit <= req_prod, none of them further than `slots` from where it may be. */
static inline bool ledger_indices_agree(uint32_t published, uint32_t rsp_prod, uint32_t commit, uint32_t req_prod, uint32_t slots)
{
	return commit - published <= slots && rsp_prod - published <= commit - published &&
	       req_prod - rsp_prod <= slots && commit - rsp_prod <= req_prod - rsp_prod;
}

/* L5  What stands between rsp_prod and commit is whole, has its own index, and is of the generation that moved commit. */
static inline bool ledger_entry_agrees(const struct ledger_entry *entry, uint32_t ring, uint32_t index, uint64_t commit)
{
	return entry->sum == ledger_entry_sum(entry) && entry->index == index && entry->ring == ring &&
	       (uint16_t)entry->generation == ledger_commit_generation(commit);
}

/* L4, L8  The event of a take-over: whoever asked may have slept since the predecessor published. */
static inline bool ledger_take_over_sends(uint32_t rsp_prod, uint32_t rsp_event)
{
	return (int32_t)(rsp_prod - rsp_event) >= 0;
}

/* L9  The event while serving: rsp_prod has just moved from `old` past the response that was asked for. */
static inline bool ledger_serving_sends(uint32_t rsp_prod, uint32_t old, uint32_t rsp_event)
{
	return rsp_prod - rsp_event < rsp_prod - old;
}
