/* SPDX-License-Identifier: MIT */
/*
 * The block back-end: virtual disks of guests on one disk of the domain's own.
 *
 *   a ring --request.c--> judged --work.c--> ios of the device, data copied by grant --> done --runtime/answers.c--> answered, in order
 *
 * B1  No io reaches a sector outside of the extents of the disk that it is for.
 * B2  A request is copied out of its ring, its segments out of their page; the copies are judged, and used.
 * B3  A request is taken only when every work and buffer that it needs is there: what was taken always ends.
 * B4  While a work is the device's, its disk is not let go of: rings stay mapped, and nobody is told DRIVER_DETACHED.
 * B5  A flush begins when nothing else of its ring is under way. Behind a barrier nothing is taken until it is done.
 * B6  A ring that has works already gets no more of them, or of buffers, than are left: whoever comes later finds some. Where that is too few for a ring
 *     that has none, as much as its request needs is reserved for it: until it is taken nobody else gets what would leave less. One ring at a time.
 * B7  A successor takes over one disk at a time, and serves it before the next. Requests of a ring at one of which its predecessor died are
 *     taken one by one, until that one is answered.
 * B8  A disk that goes, or is lost, leaves no request without an answer: what was not begun, or is not in the ledger, is answered with an error.
 */
#pragma once

#include "blk/limit.h"
#include "device/blk.h"
#include "driver.h"
#include "runtime/answers.h"
#include "runtime/driver_domain.h"
#include "runtime/xen.h"
#include "vbd.h"

#define BLK_RINGS_MAX		DRIVER_DISK_QUEUES_MAX
#define BLK_WORKS		256u
#define BLK_BATCH		32u	/* requests taken from a ring before it is another's turn */
#define BLK_FIRST_BATCH		2u	/* the same until a successor's first answer: the disk works on those while others are taken */
#define BLK_COPIES		128u
#define BLK_PORTS		4096u

struct disk;
struct queue;
struct slot;

/* In a page of the guest's. */
struct guest_run {
	grant_ref_t gref;
	uint16_t offset, bytes;
};

/* One io of the device for a request, which may need several. */
struct work {
	struct blk_io io;
	struct work *next;
	struct queue *queue;
	struct slot *slot;
	bool is_flying;				/* the device has it */
	bool copy_failed;
	uint32_t guest_count;
	struct guest_run guest[BLK_SEGMENTS_MAX];	/* where its data is in the guest: the same bytes as in io.segment[], one behind the other */
};

struct work_list {
	struct work *first, *last;
};

/* A request that was taken and is not answered. */
struct slot {
	uint64_t id;
	uint8_t operation;			/* as the response repeats it */
	int8_t status;				/* VBD_STATUS_* */
	uint8_t works;				/* not ended */
	bool is_done;
	uint32_t index;				/* in the ring */
};

/*
 * A barrier: FENCE_NONE --taken--> FENCE_FLUSH --flushed--> FENCE_WRITE --written--> FENCE_LAST --flushed--> FENCE_NONE
 * Where the disk has no cache, or the barrier no data, states are left out.
 */
enum fence { FENCE_NONE, FENCE_FLUSH, FENCE_WRITE, FENCE_LAST };

/* One ring of a disk. */
struct queue {
	struct disk *disk;
	struct queue *next;			/* in blk.active */
	struct queue *next_done;		/* in blk.done */
	struct answers answers;			/* the ring */
	struct slot *slot;			/* a page */
	void *pages;				/* the ring's, mapped; NULL: not */
	uint32_t page_count;
	bool is_adopted;			/* the port is the predecessor's */
	uint32_t number;
	evtchn_port_t port;			/* 0: none */
	unsigned int lane;			/* queue of the device */
	uint32_t works, buffers;		/* held */
	bool is_active, is_done;		/* in which list it is */
	bool is_waiting;			/* has requests that it may not take yet */
	bool is_suspect;			/* a driver died at work on the request: */
	uint32_t suspect_index;
	enum fence fence;
	struct work_list fenced;		/* a barrier's writes, until the flush before them is done */
};

enum disk_state {
	DISK_SERVING,
	DISK_DROPPED,				/* nothing is taken or answered, rings are closed: the front-end lied */
	DISK_LEAVING,				/* the same, and then it is gone: Dom0 took it away */
	DISK_ASIDE,				/* only its ports are bound: drivers died of it */
	DISK_LOST,				/* nothing is taken: its rings are kept until its front-end has closed, to answer the last of it (B8) */
};

struct disk {
	uint32_t place;				/* in the table */
	uint32_t serial;
	enum disk_state state;
	bool was_attached;			/* by a predecessor ... */
	bool is_lost;				/* ... whose ledger and its rings do not agree */
	domid_t front_id;
	uint32_t flags;				/* DRIVER_BLK_* */
	uint32_t unit;				/* sectors of 512 bytes in one of the guest's: 1 or 8 */
	uint64_t sectors;			/* of 512 bytes */
	uint32_t extent_count;
	struct driver_extent extent[DRIVER_EXTENTS_MAX];
	struct limit limit;
	struct driver_attachment_status *status;
	uint32_t queue_count;
	struct queue queue[BLK_RINGS_MAX];
};

/* B6 */
struct reserve {
	const struct queue *queue;		/* for whom; NULL: there is none, and the others are 0 */
	uint32_t works, buffers;
};

enum taking { TAKING_NONE, TAKING_BUSY, TAKING_OTHERS };

/* All state there is: zeros, a device and scratch pages are a back-end that has just begun. What is in those need not be restored. */
struct blk {
	struct blk_device *device;
	bool is_listening;			/* events are waited for */
	bool is_silent[BLK_QUEUES_MAX];		/* what is done in that lane does not interrupt */
	bool is_quick;				/* it woke us soon after the last sleep */
	uint64_t slept_ns;			/* since when, if it was at work; 0 */
	uint32_t gathers;			/* so many times more front-ends are given time to write more than one request */
	uint32_t wakes;

	struct disk *disk[DRIVER_ATTACHMENTS_MAX];
	uint32_t seen[DRIVER_ATTACHMENTS_MAX];	/* serial that was attached or refused; 0: none */
	uint16_t queue_of_port[BLK_PORTS];	/* 1 + place * BLK_RINGS_MAX + number */

	bool is_releasing;			/* there are disks that wait for their works to end */

	/* What a predecessor left. */
	bool has_begun;
	enum taking taking;			/* which disks are taken over just now */
	bool has_worked;			/* the last round had something to do */
	uint32_t taking_place;
	uint64_t busy[DRIVER_ATTACHMENTS_MAX / 64];
	uint32_t suspect;			/* the place + 1 of the disk that it was at work for when it died: it is the last */

	struct queue *active, *active_last;	/* may have requests */
	struct queue *done;			/* may have answers */
	uint64_t wake_ns;			/* when a limit allows more; 0: nobody waits for one */

	struct work *work;			/* scratch: BLK_WORKS of them */
	struct work *free;
	uint32_t work_used;			/* so many were ever taken: from there on they are free too */
	uint32_t free_count;
	struct reserve reserve;
	struct work_list copying;		/* their copies are in the batch below */
	struct work_list waiting[BLK_QUEUES_MAX];	/* for room in the device */
	uint32_t flying[BLK_QUEUES_MAX];

	struct gnttab_copy *copy;		/* scratch: BLK_COPIES of them */
	struct work *copy_of[BLK_COPIES];
	uint32_t copy_count;

	uint8_t *spare;				/* scratch pages, for disks and their slots */
	void **spare_free;			/* given back: each points to the next */
	uint32_t spare_total, spare_used, spare_free_count;
};
extern struct blk blk;

/* A request as copied from its ring, and what it asks. */
struct request {
	union vbd_slot raw;
	const struct vbd_segment *segment;
	uint32_t segment_count;
	uint8_t operation;			/* as the response repeats it */
	enum blk_op op;
	bool is_barrier;
	uint64_t sector, sectors;		/* of 512 bytes, on the guest's disk */
};

/* loop.c */
void blk_begin(struct blk_device *device);	/* before ready */
bool blk_work(void);				/* a round of what there is to do */
bool blk_rest(void);				/* asks for events. True: there is something already */
void queue_activate(struct queue *queue);
void queue_deactivate(struct queue *queue);
void *spare_take(void);				/* a page, not cleared: there must be one */
void spare_give(void *page);
uint32_t spare_count(void);

/* attach.c */
bool table_obey(void);				/* after each change of it. True: all is done that it asks */
void disk_drop(struct queue *queue);		/* its front-end broke the ring's rules */
void disks_release(void);			/* B4: those that are to go and whose works have ended */

/* ring.c */
int queue_bind(struct queue *queue, uint32_t theirs);	/* its event channel; 0 or -errno */
/* Each false with the reason in `why`. queue_open() maps and takes over. */
bool queue_open(struct queue *queue, const struct driver_queue *record, char *why, size_t room);
bool queue_map(struct queue *queue, const struct driver_queue *record, char *why, size_t room);
void queue_unmap(struct queue *queue);
void queue_give_up(struct queue *queue, const struct driver_ledger *ledger);	/* mapped, and nothing else is done with its ring any more */
void queue_close(struct queue *queue);
/* 0: it has none any more. */
evtchn_port_t port_of_predecessor(evtchn_port_t noted, domid_t front_id, uint32_t theirs);

/* successor.c */
void successor_begin(void);
uint32_t successor_next(void);			/* the place to take over now; DRIVER_ATTACHMENTS_MAX: none yet, or none more (blk.taking) */
/* Notes which of its queues has a request that is suspected. Not NULL: that one, and the disk is to be set aside. */
struct queue *disk_suspect(struct disk *disk);
void suspicion_end(struct queue *queue);	/* the request is answered */

/* request.c */
int queue_serve(struct queue *queue);		/* requests taken; RING_EPROTO: they were not, the ring's rules are broken */
void slot_done(struct queue *queue, struct slot *slot);
bool queue_answer(struct queue *queue);		/* what is done, up to the first that is not; true: an event is due */

/* extent.c */
/* Where `sector` of the guest's disk is on the device; *count: how many sectors there are from it in one piece (B1). */
uint64_t disk_translate(const struct disk *disk, uint64_t sector, uint64_t *count);
uint32_t disk_extents(const struct disk *disk, uint64_t sector, uint64_t sectors);	/* in how many of them these sectors are */

/* work.c */
bool works_suffice(const struct queue *queue, const struct request *request);	/* B3, B6 */
void works_begin(struct queue *queue, const struct request *request, struct slot *slot);
bool works_reap(void);
void works_settle(void);			/* makes the copies; then what waits for them goes on */
void works_push(void);				/* to the device, doorbells too */
bool copy_in(void *to, grant_ref_t gref, domid_t lender, uint32_t bytes);	/* one, at once */
uint32_t works_of(uint32_t segments, uint32_t extents);	/* as many as a request in so many extents may need */
/* B6: it is its turn, and it asks anew, or it asks no more. */
static inline void reserve_end(const struct queue *queue)
{
	if (blk.reserve.queue == queue)
		blk.reserve = (struct reserve){ 0 };
}

/* At work on this request, from here to doing_end(): whoever dies in between has named it (driver.md, section 7). */
static inline void doing_begin(const struct queue *queue, uint32_t index)
{
	struct driver_status *status = driver_domain.status;

	status->doing_ring = queue->answers.number;
	status->doing_index = index;
	__atomic_store_n(&status->doing, queue->disk->place + 1, __ATOMIC_RELEASE);
}

static inline void doing_slot(const struct queue *queue, const struct slot *slot)
{
	doing_begin(queue, slot->index);
}

static inline void doing_end(void)
{
	__atomic_store_n(&driver_domain.status->doing, 0, __ATOMIC_RELEASE);
}
