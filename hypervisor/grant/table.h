/* SPDX-License-Identifier: MIT */
/* What the files of grant/ share: a domain's table, the state of each loan, and the handles of a user. */
#pragma once

#include <xen/grant_table.h>

#include "cpu/speculation.h"
#include "grant/grant.h"

#define GRANTS_PER_FRAME	(PAGE_SIZE / sizeof(struct grant_entry_v1))
#define HANDLES_PER_PAGE	(PAGE_SIZE / sizeof(struct grant_handle))
#define HANDLE_PAGES_MAX	(GRANT_HANDLES_MAX / HANDLES_PER_PAGE)
#define HANDLE_NONE		UINT32_MAX

/* A loan as the lender's side keeps it, beside the shared entry that the guest may scribble on. */
struct grant_active {
	uint32_t frame;			/* valid while a count below is not 0 */
	domid_t user;			/* the same */
	uint32_t readers, writers;	/* pins: mappings and copies in progress */
};

/* A mapping as the user's side keeps it. */
struct grant_handle {
	struct domain *lender;		/* a reference is held; NULL: this handle is free */
	grant_ref_t gref;		/* of a free one: the next free handle */
	uint32_t flags;			/* GNTMAP_readonly, _contains_pte, HANDLE_GOING */
};
_Static_assert(sizeof(struct grant_handle) == 16, "HANDLES_PER_PAGE");

/* In flags: taken out of the page table, but the TLBs are not flushed yet; the pin stays until they are. */
#define HANDLE_GOING	0x100

struct grant_table {		/* all under grant_lock */
	struct grant_entry_v1 *shared[GRANT_FRAMES_MAX];	/* the guest writes these at any time */
	struct grant_active *active[GRANT_FRAMES_MAX];
	uint32_t frame_count;
	uint32_t unshared_count;	/* of a dying domain: frames that no mapping of the guest's is left of */

	struct grant_handle *handles[HANDLE_PAGES_MAX];
	uint32_t handle_pages, handle_count;	/* count: of those that are taken */
	uint32_t handle_free;		/* first of the free ones; HANDLE_NONE: none */
	uint32_t handle_destroy;	/* while all are released: those below are */
};

/* What one hypercall keeps from operation to operation, until grant_batch_finish(). */
struct grant_copy_side {
	struct domain *lender;		/* of a gref, a reference is held; NULL: the frame is the caller's own, or none */
	uint64_t name;			/* gref or gmfn */
	struct frame *frame;		/* references and, of a gref, a pin are held; NULL: none */
	uint8_t *bytes;			/* of what is named above; NULL: nothing is */
};

#define UNMAP_PENDING_MAX 128

struct grant_batch {
	struct vcpu *vcpu;
	struct domain *domain;			/* who calls */
	struct grant_copy_side source, dest;
	uint32_t pending_count;
	uint32_t pending[UNMAP_PENDING_MAX];	/* handles */
};

/* table.c. grant_lock is held. */
static inline struct grant_entry_v1 *grant_entry(struct grant_table *table, grant_ref_t gref)
{
	return &table->shared[array_index(gref / GRANTS_PER_FRAME, table->frame_count)][gref % GRANTS_PER_FRAME];
}
/* Flags and domain of an entry are one word, so that they are judged and changed together. */
static inline uint32_t *grant_entry_word(struct grant_entry_v1 *entry) { return (uint32_t *)(void *)entry; }
static inline struct grant_active *grant_active(struct grant_table *table, grant_ref_t gref)
{
	return &table->active[array_index(gref / GRANTS_PER_FRAME, table->frame_count)][gref % GRANTS_PER_FRAME];
}
static inline bool grant_ref_ok(const struct grant_table *table, grant_ref_t gref) { return gref < table->frame_count * GRANTS_PER_FRAME; }

/* A handle is left, and the next handle_take() has it; its lender is not NULL. */
MUST_CHECK bool handle_is_left(struct grant_table *table);
uint32_t handle_take(struct grant_table *table, struct grant_handle content);
struct grant_handle *handle_find(struct grant_table *table, uint32_t number);	/* NULL: not in use */
/* No lock held: drops a mapping's pin, its reference to the lender, and that to `frame` if it is the caller's. */
void handle_end(struct domain *user, uint32_t number, struct frame *frame);

/*
 * pin.c. The lender's grant_lock is held. A pin marks the shared entry as being read or written and takes one
 * reference to the frame, writable or not. GNTST_*.
 */
MUST_CHECK int grant_pin(struct domain *lender, grant_ref_t gref, domid_t user, bool writable,
			 struct frame **frame);
/* Takes away the marks that no pin stands for. */
static inline void grant_unmark(struct grant_entry_v1 *entry, const struct grant_active *active)
{
	uint16_t marks = 0;

	if (!active->writers)
		marks |= GTF_writing;
	if (!active->readers && !active->writers)
		marks |= GTF_reading;
	if (marks)
		__atomic_fetch_and(&entry->flags, (uint16_t)~marks, __ATOMIC_SEQ_CST);
}
/*
 * Ends it, and not its reference to the frame: that is the caller's, or its page table's. The name is one of ours (a handle's, a copy's), bounded when it
 * was pinned; a table only grows.
 */
static inline void grant_unpin(struct grant_table *lent, grant_ref_t gref, bool writable)
{
	uint32_t frame = gref / GRANTS_PER_FRAME, index = gref % GRANTS_PER_FRAME;
	struct grant_active *active = &lent->active[frame][index];
	uint32_t *pins = writable ? &active->writers : &active->readers;

	ASSERT(*pins > 0, "G4");
	--*pins;
	grant_unmark(&lent->shared[frame][index], active);
}

/* `count` operations that were copied in; each gets its status. */
typedef void grant_run(struct grant_batch *batch, void *operations, uint32_t count);
grant_run grant_map, grant_unmap;				/* map.c */
grant_run grant_copy;						/* copy.c */
grant_run grant_transfer;					/* transfer.c */

void grant_unmap_flush(struct grant_batch *batch);		/* map.c: completes what is pending */
void grant_copy_release(struct grant_batch *batch);		/* copy.c: drops what the sides hold */
