/* SPDX-License-Identifier: MIT */
/* References to frames, general and by type (mem/frame.h: F1 to F6). Tables' contents are mem/table.c's. */
#include "cpu/speculation.h"
#include "cpu/tlb.h"
#include "mem/deferred.h"
#include "mem/pagelist.h"
#include "mem/table.h"

uint64_t frame_limit;

#define FRAMES_MAX	((CORE_END - DIRECTMAP_START) >> PAGE_SHIFT)
#define CHUNKS_MAX	(FRAMES_MAX >> FRAME_CHUNK_SHIFT)
static bool chunk_exists[CHUNKS_MAX];

bool frame_chunk_exists(uint64_t chunk) { return chunk < CHUNKS_MAX && chunk_exists[chunk]; }

void frame_chunk_add(uint64_t chunk) { chunk_exists[chunk] = true; }

static inline struct frame *at(mfn_t number)
{
	if (!frame_chunk_exists(number.raw >> FRAME_CHUNK_SHIFT))
		return NULL;
	return frame_table + array_index(number.raw, FRAMES_MAX);
}

struct frame *frame_at(mfn_t number) { return at(number); }

void frame_link(uint32_t *list, struct frame *frame)
{
	uint32_t number = (uint32_t)frame_number(frame).raw;

	frame->prev = FRAME_LINK_NONE;
	frame->next = *list;
	if (frame->next != FRAME_LINK_NONE)
		frame_table[frame->next].prev = number;
	*list = number;
}

void frame_unlink(uint32_t *list, struct frame *frame)
{
	if (frame->next != FRAME_LINK_NONE)
		frame_table[frame->next].prev = frame->prev;
	if (frame->prev != FRAME_LINK_NONE)
		frame_table[frame->prev].next = frame->next;
	else
		*list = frame->next;
}

static inline struct frame *get(mfn_t number, const struct domain *owner)
{
	struct frame *frame = at(number);
	uint64_t count;

	if (!frame)
		return NULL;
	count = read_once(&frame->count);
	do {
		uint64_t references = count & FRAME_COUNT_MASK;

		if (references == 0 || references >= FRAME_COUNT_MAX || frame->owner != owner->id)
			return NULL;
	} while (!compare_and_swap(&frame->count, &count, count + 1));
	/* The owner is sure only now: before, the frame could have been freed and given away. */
	if (likely(frame->owner == owner->id))
		return frame;
	frame_put(frame);
	return NULL;
}

struct frame *frame_get(mfn_t number, const struct domain *owner) { return get(number, owner); }

struct frame *frame_table_of(struct domain_locked owner, mfn_t number)
{
	struct frame *frame = frame_at(number);

	return frame && load_acquire(&frame->owner) == owner.domain->id && frame_is_table(frame) ? frame : NULL;
}

void frame_get_again(struct frame *frame)
{
	uint64_t before = __atomic_fetch_add(&frame->count, 1, __ATOMIC_RELAXED);

	ASSERT((before & FRAME_COUNT_MASK) != 0, "F3");
}

static inline void put(struct frame *frame)
{
	uint64_t before = __atomic_fetch_sub(&frame->count, 1, __ATOMIC_SEQ_CST);

	ASSERT((before & FRAME_COUNT_MASK) != 0, "F3");
	if ((before & FRAME_COUNT_MASK) == 1)
		page_list_release(frame);
	else if (unlikely(before == (FRAME_CORE | 2)))
		domain_may_end(frame->owner);
}

void frame_put(struct frame *frame) { put(frame); }

/* Before a frame gets another use nobody may hold a stale translation to it, or through it. */
static void flush_stale(struct frame *frame)
{
	struct domain *owner = domain_find(frame->owner);
	cpumask_t stale;

	if (!owner)
		return;
	barrier_full();
	stale = tlb_not_flushed_since(read_once(&owner->dirty_cpus), frame->flushed);
	if (stale)
		tlb_flush(stale, TLB_ALL_PAGES);
}

/* The one who changed the type word from no references to this type, not validated, goes on here. F4: owner's lock. */
static int validate(struct frame *frame, enum frame_type type)
{
	int result = table_validate(frame, type);
	uint64_t word = (uint64_t)type << FRAME_TYPE_SHIFT;

	if (result == 0) {
		frame->validated = 512;
		__atomic_fetch_or(&frame->type, FRAME_VALIDATED, __ATOMIC_RELEASE);
		return 0;
	}
	if (result == -ERESTART && frame->validated) {
		frame_get_again(frame);		/* kept while it is partial */
		store_release(&frame->type, word | FRAME_PARTIAL);
		return result;
	}
	store_release(&frame->type, word);
	return result;
}

/* A frame that is half a table, or whose last use may go with one: the work on it must end first. */
static int wait_for_table(struct frame *frame, uint64_t word)
{
	if (frame->owner != current_vcpu()->domain->id)
		return -EBUSY;
	if (word & FRAME_PARTIAL) {
		struct domain *owner = domain_find(frame->owner);

		ASSERT(spin_is_locked(&owner->lock), "F4");
		deferred_add_partial(frame);
	}
	return -ERESTART;
}

/* The first reference of its type, where `*word` was read. -EAGAIN: it has changed, and was read again. */
static int get_first_type(struct frame *frame, enum frame_type type, uint64_t *word)
{
	enum frame_type old = frame_type_of(*word);
	bool is_partial = *word & FRAME_PARTIAL, is_stale = old != type && old != FRAME_PLAIN;
	uint64_t wanted = (uint64_t)type << FRAME_TYPE_SHIFT | 1;

	if (*word & FRAME_TYPE_COUNT_MASK) {
		/* A table that waits to be taken apart may be all that holds it as what it is. */
		if (old != type || (uint32_t)*word == FRAME_TYPE_COUNT_MASK)
			return old <= FRAME_L4 && current_vcpu()->deferred_tables ? wait_for_table(frame, *word) : -EINVAL;
		if (type != FRAME_WRITABLE)
			return -EBUSY;
		cpu_relax_serving();	/* stale translations through it are being flushed */
		*word = load_acquire(&frame->type);
		return -EAGAIN;
	}
	if ((*word & FRAME_DEFERRED) || (is_partial && old != type)) {
		if (is_partial && type == FRAME_WRITABLE)
			return -EBUSY;	/* may be without the lock; what asks for this can wait */
		return wait_for_table(frame, *word);
	}
	if (type == FRAME_WRITABLE && !is_stale)
		wanted |= FRAME_VALIDATED;
	if (!compare_and_swap(&frame->type, word, wanted))
		return -EAGAIN;
	if (is_stale)
		flush_stale(frame);
	if (type == FRAME_WRITABLE) {
		__atomic_fetch_or(&frame->type, FRAME_VALIDATED, __ATOMIC_RELEASE);
		return 0;
	}
	if (is_partial)
		frame_put(frame);	/* the caller's reference keeps it from here on */
	else
		frame->validated = 0;
	return validate(frame, type);
}

/* Validated: it has references already, and gets one more. False: it is not, or has as many as can be counted. */
static inline bool get_type_again(struct frame *frame, enum frame_type type)
{
	uint64_t word = load_acquire(&frame->type);

	while (word >> FRAME_VALIDATED_SHIFT == ((uint64_t)type << 1 | 1) && (uint32_t)word != FRAME_TYPE_COUNT_MASK)
		if (likely(compare_and_swap(&frame->type, &word, word + 1)))
			return true;
	return false;
}

NOINLINE int frame_get_type(struct frame *frame, enum frame_type type)
{
	uint64_t word;
	int error;

	do {
		if (get_type_again(frame, type))
			return 0;
		word = load_acquire(&frame->type);
		error = get_first_type(frame, type, &word);
	} while (error == -EAGAIN);
	return error;
}

/* All but the last one. */
static inline bool put_type_but_last(struct frame *frame)
{
	uint64_t word = load_acquire(&frame->type);

	while ((uint32_t)word > 1)
		if (likely(compare_and_swap(&frame->type, &word, word - 1)))
			return true;
	return false;
}

NOINLINE void frame_put_type(struct frame *frame)
{
	uint64_t word, left;

	do {
		if (put_type_but_last(frame))
			return;
		word = load_acquire(&frame->type);
		ASSERT((word & FRAME_TYPE_COUNT_MASK) != 0, "F3");
		left = word & ~FRAME_VALIDATED;		/* still counted: nobody can come and go */
		if (frame_type_of(word) <= FRAME_L4)
			left = (left - 1) | FRAME_DEFERRED;
	} while ((uint32_t)word > 1 || !compare_and_swap(&frame->type, &word, left));
	if (left & FRAME_DEFERRED) {
		deferred_add(frame);
	} else {
		frame->flushed = tlb_clock();			/* whoever sees the count fall sees it too */
		store_release(&frame->type, left - 1);
	}
}

int frame_get_as(mfn_t number, const struct domain *owner, enum frame_type type, struct frame **frame)
{
	struct frame *taken = get(number, owner);
	int error = 0;

	if (!taken)
		return -EINVAL;
	if (type != FRAME_PLAIN && !get_type_again(taken, type))
		error = frame_get_type(taken, type);
	if (type == FRAME_WRITABLE && likely(!error) && unlikely(read_once(&taken->count) >> FRAME_WATCHED_SHIFT & 7)) {
		error = frame_may_write(taken);
		if (error)
			frame_put_type(taken);
	}
	if (likely(!error)) {
		*frame = taken;
		return 0;
	}
	frame_put(taken);
	return error == -EINVAL && type == FRAME_WRITABLE ? -EBUSY : error;
}

void frame_put_as(struct frame *frame, enum frame_type type)
{
	if (type != FRAME_PLAIN && !put_type_but_last(frame))
		frame_put_type(frame);
	put(frame);
}

bool frame_stays(mfn_t number, const struct domain *owner, enum frame_type type)
{
	struct frame *frame = at(number);

	/* One that the owner gave up before, others may drop at any time. */
	if (!owner->is_frozen || !frame || !(load_acquire(&frame->count) & FRAME_ALLOCATED) || frame->owner != owner->id)
		return false;
	if (type == FRAME_PLAIN)
		return true;
	/* Who has another type, or none yet, is asked for in the long way. */
	return frame_type_of(read_once(&frame->type)) == type && (read_once(&frame->type) & FRAME_TYPE_COUNT_MASK) &&
	       (!(read_once(&frame->count) >> FRAME_WATCHED_SHIFT & 7) || frame_may_write(frame) == 0);
}

/* The core's own type reference keeps a shared page from ever being a table. */
void frame_share(void *page, struct domain *domain)
{
	struct frame *frame = frame_of(virt_to_mfn(page));

	frame->type = (uint64_t)FRAME_WRITABLE << FRAME_TYPE_SHIFT | FRAME_VALIDATED | 1;
	frame->owner = domain->id;
	store_release(&frame->count, FRAME_CORE | 1);
}

bool frame_unshare(void *page)
{
	struct frame *frame = frame_of(virt_to_mfn(page));
	uint64_t alone = FRAME_CORE | 1;

	/* From one reference, ours, to none: nobody can get one any more. */
	if (!compare_and_swap(&frame->count, &alone, FRAME_CORE))
		return alone == FRAME_CORE;
	frame->type = 0;
	frame->owner = DOMID_INVALID;
	frame->flushed = tlb_clock();
	return true;
}

int frame_steal(struct domain_locked owner, mfn_t number, struct frame **stolen)
{
	struct frame *frame = frame_get(number, owner.domain);
	uint64_t only = FRAME_ALLOCATED | 2;	/* the owner's and ours */

	if (!frame)
		return -EINVAL;
	/* At 0 nobody can get another reference, until it has no owner by whom to find it. */
	if ((read_once(&frame->type) & (FRAME_TYPE_COUNT_MASK | FRAME_PARTIAL | FRAME_DEFERRED)) ||
	    !compare_and_swap(&frame->count, &only, 0)) {
		frame_put(frame);
		return -EBUSY;
	}
	*stolen = frame;
	page_list_remove(owner.domain, frame);
	frame->flushed = tlb_clock();
	store_release(&frame->count, FRAME_CORE);
	return 0;
}
