/* SPDX-License-Identifier: MIT */
/*
 * Reset in place: a driver domain goes back to the moment when it said ready, keeps its id, its frames and its ports, and
 * its front-ends notice nothing (protocols/driver.md, section 6).
 *
 *   starting --ready--> serving --dies, not armed--> dead --SKINK_DOMCTL_reset--> resetting
 *   serving --dies and is armed, or SKINK_DOMCTL_reset--> resetting --reset_step() has done all--> serving
 *   any --SKINK_DOMCTL_renew, its domain paused--> starting, not declared --SKINK_DOMCTL_driver--> starting
 *
 * R1  Fence before copy: nothing is restored that a device can still write to.
 * R2  From ready on only L1 entries change (domain->is_frozen): so all tables are known, and those above are as they were.
 * R3  A restored frame that is not FRAME_WATCHED is in the list of changed ones, or of those that a reset has to do yet. Whoever
 *     writes to a watched one as the core, gets or drops a writable way to it, takes it out first (frame_touch()); what the CPU
 *     writes is in the dirty bits.
 * R4  A frame that somebody besides its owner's tables can write to is in that list, always.
 * R5  A frame of DRIVER_HOST is never writable for anybody but Domain-0.
 * R6  An L1 table that is FRAME_WATCHED is as it was at ready: no entry of it can become dirty, and whoever writes to one says so
 *     (frame_touch(), of the table's frame).
 * R7  Who sees that it has died sees what of: a death and what is noted of it are one, with reset->lock.
 *
 * Locks: domctl_lock for all that is not said to be atomic; reset->lock, a leaf, for deaths and for the list of changed frames.
 */
#pragma once

#include <control.h>

#define RESET_TABLES_MAX 64
#define COPIES_AT_ONCE 16		/* between two looks at preempt_needed() */
/* sched_vcpu_hurry(): guests wait for a successor, and Domain-0 only until it has begun one; block drivers have 10,000. */
#define RESET_BORROWS_US 40000
#define HOST_BORROWS_US	20000

/* A slot of the table of restored frames: found where its number is hashed to, or soon after. */
struct reset_frame {
	uint32_t number;		/* 0: no frame */
	uint32_t clean;			/* the frame of its clean copy; 0: it was all zeroes */
	uint32_t writers;		/* writable entries for it in the owner's clean tables */
	uint32_t next;			/* of changed ones: the slot's index + 1; 0 ends */
};

/* An L1 table, and its clean copy. */
struct reset_table {
	uint32_t number, clean;
	bool is_quiet;			/* the CPU does not change it: it is watched (R6) */
};

enum reset_phase { RESET_FENCE, RESET_TABLES, RESET_GRANTS, RESET_FRAMES };

#define VCPU_SAVED_FROM	offsetof(struct vcpu, in_kernel)	/* all that a vcpu's own CPU may change */
#define VCPU_SAVED_TO	offsetof(struct vcpu, table_kernel)

struct reset {
	uint32_t state;			/* enum skink_driver_state; atomic */
	bool is_armed;			/* atomic */
	bool is_declared;
	uint32_t clean_max, clean_count;
	struct skink_driver_info info;

	/* Set by ready, constant after. */
	struct reset_frame *frame;
	uint32_t slot_count;		/* a power of 2 */
	struct reset_table table[RESET_TABLES_MAX];
	uint32_t table_count;
	struct cpu_user_regs regs;
	uint8_t vcpu[VCPU_SAVED_TO - VCPU_SAVED_FROM];
	uint64_t events_masked[64];

	/* How far ready, a reset or the end has come. */
	enum reset_phase phase;
	uint32_t next, released, unpin_next;
	bool is_unpinned;		/* renewal: it has no table any more */
	bool is_asked;			/* Dom0's call waits for the end of the reset */

	struct spinlock lock;
	uint32_t changed;		/* list: R3 */
	uint32_t restoring;		/* list, during a reset: those of `changed` that it has to do yet */
};

/* domctl.c calls these with domctl_lock held; the errors are control.h's. */
MUST_CHECK int reset_declare(struct domain *domain, const struct skink_domctl_driver *wanted);
MUST_CHECK int reset_by_host(struct domain *domain);		/* -ERESTART: call again */
MUST_CHECK int reset_renew(struct domain *domain);		/* -ERESTART */
MUST_CHECK int reset_arm(struct domain *domain, bool is_on);
MUST_CHECK int reset_tell(struct domain *domain, const struct skink_domctl_driver_info *wanted);

/* The domain has died, so a reset that it is armed for begins: true. It goes on when its vcpu next leaves the core. */
MUST_CHECK bool reset_begins(struct domain *domain, enum skink_driver_cause cause, const char *text);
/* It has died and is not armed. */
void reset_note_death(struct domain *domain, enum skink_driver_cause cause, const char *text);
/* VIRQ_ARCH_7 */
void reset_tell_host(void);

/* VCPU_WORK_RESET, on the exit path, no lock held: a piece of the reset. The vcpu is current, and comes back until it is done. */
void reset_continue(struct vcpu *vcpu);
/* The same with domctl_lock held; its vcpu is current or does not run. -ERESTART while there is more; -EIO as in control.h. */
MUST_CHECK int reset_step(struct domain *domain);

/* Of a dying domain, its vcpus stopped: the clean copies go, a bounded piece at a time. -ERESTART. */
MUST_CHECK int reset_release(struct domain *domain);
void reset_free(struct domain *domain);

/* Within reset/: R3 and R6; true: it was watched. */
static inline void frame_watch(struct frame *frame) { __atomic_fetch_or(&frame->count, FRAME_WATCHED, __ATOMIC_SEQ_CST); }
static inline bool frame_unwatch(struct frame *frame)
{
	return __atomic_fetch_and(&frame->count, ~FRAME_WATCHED, __ATOMIC_SEQ_CST) & FRAME_WATCHED;
}
static inline bool frame_is_watched(const struct frame *frame) { return read_once(&frame->count) & FRAME_WATCHED; }
/* R4, of a frame that is watched; the slot of a frame; NULL: it is not restored. */
void reset_note_shared(struct reset *reset, const struct reset_frame *slot);
struct reset_frame *reset_find(const struct reset *reset, mfn_t number);
