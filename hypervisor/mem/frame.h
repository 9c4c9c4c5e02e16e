/* SPDX-License-Identifier: MIT */
/*
 * Every frame of the machine: who owns it, how often it is referred to, and what it may be used as.
 *
 * A general reference (count) keeps a frame from being freed. A type reference (type) says that it is used in
 * one way; it can have another type only when no type reference is left.
 *
 * F1  A frame is never writable by a guest and a page table or descriptor table at once.
 * F2  Each present entry of a validated table holds the references that its frame needs.
 * F3  A frame with a general reference is not freed; each type reference comes with a general one.
 * F4  Page-table types of a frame change under its owner's lock; other types by compare-and-swap.
 * F5  Who holds a domain's lock, and finds first that a frame is its and then that it is a table, needs no reference: before a frame
 *     is another domain's, each CPU has flushed its TLB, or it was taken from its owner under that lock.
 * F6  A frozen domain (reset/reset.h: R2) gives no frame away and makes none a table. Until its vcpu leaves the core it stays frozen, so
 *     that who runs for it needs no reference to a frame of it.
 *
 * A table whose validation stopped half way is partial: entries [0, validated) hold references, nobody holds the
 * table by type. One whose last type reference went, and whose entries still hold theirs, is deferred: it stands
 * in the list of a vcpu that must take it apart before it enters its guest again (mem/deferred.h).
 */
#pragma once

enum frame_type {
	FRAME_PLAIN,		/* nothing yet: becomes any other */
	FRAME_L1,		/* page tables, validated; the numbers are the levels */
	FRAME_L2,
	FRAME_L3,
	FRAME_L4,
	FRAME_SEGMENT,		/* of a GDT or LDT, each descriptor checked */
	FRAME_WRITABLE,		/* mapped writable, or written by the core */
};

#define FRAME_LINK_NONE 0	/* frame 0 is never given away */

struct frame {
	uint64_t count;		/* atomic: FRAME_ALLOCATED | references; 0: free */
	uint64_t type;		/* atomic: enum frame_type << 56 | FRAME_* flags | type references */
	uint32_t next, prev;	/* owner's page list; free list; `next`: list of deferred tables */
	uint32_t flushed;	/* tlb_clock() when the last writable type reference went */
	domid_t owner;		/* changes only while count has no reference */
	uint16_t validated;	/* of a partial or deferred table: entries that hold references */
};
_Static_assert(sizeof(struct frame) == 32, "budget: 1.5 % of RAM");

#define FRAME_ALLOCATED		(1ULL << 63)	/* in count: the owner's own reference is not dropped yet */
#define FRAME_CORE		(1ULL << 62)	/* in count: the core's own page (heap; with a reference: shared_info, grant table), or nobody's yet */
#define FRAME_CLASS_SHIFT	60		/* in count, 2 bits: of a driver domain's frame, enum driver_class */
#define FRAME_CLASS_MASK	(3ULL << FRAME_CLASS_SHIFT)
#define FRAME_WATCHED_SHIFT	59
#define FRAME_WATCHED		(1ULL << FRAME_WATCHED_SHIFT)	/* in count: it has a clean copy, and nobody has changed it (reset/reset.h: R3) */
#define FRAME_COUNT_MASK	((1ULL << 32) - 1)
#define FRAME_COUNT_MAX		(1ULL << 31)	/* for guests: frame_get_again() has room above it */

#define FRAME_TYPE_SHIFT	56
#define FRAME_VALIDATED_SHIFT	55
#define FRAME_VALIDATED		(1ULL << FRAME_VALIDATED_SHIFT)	/* who comes second may use it: checked and, after another type, flushed */
#define FRAME_PARTIAL		(1ULL << 54)
#define FRAME_DEFERRED		(1ULL << 53)
#define FRAME_PINNED		(1ULL << 52)	/* MMUEXT_PIN: a type reference of the guest's own */
#define FRAME_TYPE_COUNT_MASK	((1ULL << 32) - 1)

extern uint64_t frame_limit;		/* frames 0 .. frame_limit - 1 have a struct frame */

static inline enum frame_type frame_type_of(uint64_t type) { return type >> FRAME_TYPE_SHIFT & 0xf; }

/* A page table, validated. The owner's lock is held, and a reference, or the answer is already old. */
static inline bool frame_is_table(const struct frame *frame)
{
	uint64_t word = load_acquire(&frame->type);

	return (word & FRAME_VALIDATED) && frame_type_of(word) <= FRAME_L4;
}

/* The frame table exists in pieces of 2 MiB, where there is RAM; paging.c says so at boot. */
#define FRAME_CHUNK_SHIFT 16
bool frame_chunk_exists(uint64_t chunk);
void frame_chunk_add(uint64_t chunk);

extern struct frame *const frame_table;

/* The record of a frame; NULL if the machine has no RAM there. Any number may be asked for. */
struct frame *frame_at(mfn_t frame);
/* The same for one that is known to be RAM. */
static inline struct frame *frame_of(mfn_t number) { return frame_table + number.raw; }
static inline mfn_t frame_number(const struct frame *frame) { return mfn((uint64_t)(frame - frame_table)); }

/* The machine-to-physical table: what each frame's owner calls it. Guests read it at MACH2PHYS_VIRT_START. */
void m2p_set(mfn_t frame, gfn_t guest);		/* GFN_NONE: nobody's */
gfn_t m2p_get(mfn_t frame);

/* Lists of frames, named by their first; FRAME_LINK_NONE: empty. Whose list it is has its lock. */
void frame_link(uint32_t *list, struct frame *frame);
void frame_unlink(uint32_t *list, struct frame *frame);

/* A validated page table of `owner`'s, or NULL: it stays both until the lock is let go (F5). */
struct frame *frame_table_of(struct domain_locked owner, mfn_t number);

/* A reference to a frame that `owner` owns, or NULL. Give it back by frame_put(). */
struct frame *frame_get(mfn_t number, const struct domain *owner);
/* One more, of a frame that the caller holds already. */
void frame_get_again(struct frame *frame);
void frame_put(struct frame *frame);

/*
 * A type reference (the caller holds a general one, which goes along with it). FRAME_WRITABLE for
 * any frame and caller; page tables and segments with the owner's lock held. -EINVAL: used otherwise; -ERESTART:
 * stopped half way or waits for a deferred table: continue the hypercall. -EPERM, -EFAULT...: an entry is refused.
 */
MUST_CHECK int frame_get_type(struct frame *frame, enum frame_type type);
/* Drops it. Of a table's last one nothing blocks: the table goes to the current vcpu's deferred list. */
void frame_put_type(struct frame *frame);

/*
 * A general reference and one by type (FRAME_PLAIN: none), at once or neither: -EINVAL if the frame is not `owner`'s; -EBUSY
 * if it is to be FRAME_WRITABLE and is a table; else as frame_get_type().
 */
MUST_CHECK int frame_get_as(mfn_t number, const struct domain *owner, enum frame_type type, struct frame **frame);
void frame_put_as(struct frame *frame, enum frame_type type);
/* F6: no reference is needed, and it may be used as that. What must be known before the core writes to it is noted. */
MUST_CHECK bool frame_stays(mfn_t number, const struct domain *owner, enum frame_type type);

/* As what a frame is taken by who reads it, and may write to it. */
static inline enum frame_type frame_access(bool writable) { return writable ? FRAME_WRITABLE : FRAME_PLAIN; }

static inline uint32_t frame_class_of(const struct frame *frame) { return read_once(&frame->count) >> FRAME_CLASS_SHIFT & 3; }

/* Before the core writes to a frame, or when the dirty bit of an entry for it goes. reset/ready.c, as the next one. */
void frame_note_change(struct frame *frame);
static inline void frame_touch(struct frame *frame)
{
	if (unlikely(read_once(&frame->count) & FRAME_WATCHED))
		frame_note_change(frame);
}
/* -EPERM: it is Dom0's to write, and the current domain is another (R5). */
MUST_CHECK int frame_may_write(struct frame *frame);

/* A page of the core's heap becomes `domain`'s to map, and is never a table. */
void frame_share(void *page, struct domain *domain);
/* The end of that: true when no mapping is left, or it had ended before: the page can go back to the heap; false: try later. */
MUST_CHECK bool frame_unshare(void *page);

/*
 * A frame leaves its owner (exchange, transfer): only if nobody else refers to it. Then it is nobody's and in no page list,
 * its room still counted, without a reference, so that none can get one: page_list_release() frees it, page_list_add() makes it somebody's.
 * -EINVAL: it is not the owner's; -EBUSY: all is as before.
 */
MUST_CHECK int frame_steal(struct domain_locked owner, mfn_t number, struct frame **frame);
