/* SPDX-License-Identifier: MIT */
#include "blk/blk.h"
#include "runtime/driver_domain.h"
#include "runtime/events.h"
#include "runtime/console.h"
#include "runtime/lib.h"
#include "runtime/memory.h"
#include "runtime/ready.h"
#include "runtime/time.h"

#define QUICK_NS	25000u		/* a disk that answers within this is waited for awake */
#define GATHER_EVERY	64u		/* wake-ups, after which it is tried whether gathering pays now */
#define GATHER_TRIES	8u		/* so often in a row it may bring nothing before it ends */

struct blk blk;

static uint32_t pages_of(size_t bytes)
{
	return (uint32_t)((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
}

void blk_begin(struct blk_device *device)
{
	uint64_t room = page_free_count() / 4, wanted = (uint64_t)driver_domain.attachment_count * (1 + BLK_RINGS_MAX);

	blk.device = device;
	blk.work = ready_scratch(pages_of(BLK_WORKS * sizeof(*blk.work)));
	blk.free_count = BLK_WORKS;
	blk.copy = ready_scratch(pages_of(BLK_COPIES * sizeof(*blk.copy)));
	blk.spare_total = (uint32_t)(wanted < room ? wanted : room);
	blk.spare = ready_scratch(blk.spare_total);
}

void *spare_take(void)
{
	void **page = blk.spare_free;

	if (page) {
		blk.spare_free = *page;
		blk.spare_free_count--;
		return page;
	}
	ASSERT(blk.spare_used < blk.spare_total);
	return blk.spare + (size_t)blk.spare_used++ * PAGE_SIZE;
}

void spare_give(void *page)
{
	*(void **)page = blk.spare_free;
	blk.spare_free = page;
	blk.spare_free_count++;
}

uint32_t spare_count(void)
{
	return blk.spare_total - blk.spare_used + blk.spare_free_count;
}

void queue_activate(struct queue *queue)
{
	if (queue->is_active)
		return;
	queue->is_active = true;
	queue->next = NULL;
	if (blk.active)
		blk.active_last->next = queue;
	else
		blk.active = queue;
	blk.active_last = queue;
}

void queue_deactivate(struct queue *queue)
{
	struct queue **link = &blk.active, *before = NULL;

	while (*link && *link != queue) {
		before = *link;
		link = &before->next;
	}
	if (*link) {
		*link = queue->next;
		if (blk.active_last == queue)
			blk.active_last = before;
	}
	queue->is_active = false;
	reserve_end(queue);
}

static struct queue *queue_pop(void)
{
	struct queue *queue = blk.active;

	if (queue) {
		blk.active = queue->next;
		queue->is_active = false;
	}
	return queue;
}

/* Each ring has its turn; the one that began is the last of the next round. True: something was taken, or others may take what was reserved. */
static bool serve(void)
{
	struct queue *last = blk.active_last, *queue;
	bool was_reserved = blk.reserve.queue;
	uint32_t taken = 0;

	blk.wake_ns = 0;
	while ((queue = queue_pop())) {
		int count = queue->disk->state == DISK_SERVING ? queue_serve(queue) : 0;

		if (count < 0)
			disk_drop(queue);
		if (queue->disk->state == DISK_SERVING)
			queue_activate(queue);
		else
			reserve_end(queue);
		if (count > 0) {
			taken += (uint32_t)count;
			driver_domain.status->busy[queue->disk->place / 64] |= 1ULL << queue->disk->place % 64;
		}
		if (queue == last)
			break;
	}
	if ((queue = queue_pop()))
		queue_activate(queue);
	return taken || (was_reserved && !blk.reserve.queue);
}

static void answer(void)
{
	struct queue *queue;

	while ((queue = blk.done)) {
		blk.done = queue->next_done;
		queue->is_done = false;
		if (queue->disk->state != DISK_SERVING)
			continue;
		if (queue_answer(queue)) {
			event_send(queue->port);
			queue->disk->status->counter[DRIVER_EVENTS_SENT]++;
		}
		if (!answers_owed(&queue->answers))
			driver_domain.status->busy[queue->disk->place / 64] &= ~(1ULL << queue->disk->place % 64);
	}
}

static bool listen(bool on)
{
	bool is_there = false;

	for (unsigned int lane = 0; lane < blk.device->queues; lane++) {
		if (on ? !blk.flying[lane] : blk.is_silent[lane])
			continue;
		is_there |= blk.device->driver->interrupts(blk.device, lane, on);
		blk.is_silent[lane] = !on;
	}
	blk.is_listening = on;
	return on && is_there;
}

static uint32_t requests_waiting(void)
{
	uint32_t count = 0;

	for (struct queue *queue = blk.active; queue; queue = queue->next) {
		int waiting = ring_back_look(&queue->answers.ring);

		count += waiting > 0 ? (uint32_t)waiting : 0;
	}
	return count;
}

/*
 * Linux sends an event for each request unless one is on its way. Woken by the first of many, and on the CPU of the one who sends
 * them, it is cheaper to let him write them all. Whether there will be more is known by trying: as long as there are, and again
 * every now and then. That once there were none says little: he had just written all that he may. One turn of his is short, so he gets
 * another as long as it was of use.
 */
static void gather(void)
{
	uint32_t first = requests_waiting(), before, now = first;

	if (!first || (!blk.gathers && ++blk.wakes % GATHER_EVERY))
		return;
	do {
		before = now;
		event_yield();
		now = requests_waiting();
	} while (now > before && now < BLK_BATCH);
	if (now > first)
		blk.gathers = GATHER_TRIES;
	else if (blk.gathers)
		blk.gathers--;
}

static bool disk_is_busy(void)
{
	for (unsigned int lane = 0; lane < blk.device->queues; lane++)
		if (blk.flying[lane])
			return true;
	return false;
}

static bool rings_have_news(void)
{
	for (struct queue *queue = blk.active; queue; queue = queue->next)
		if (!queue->is_waiting && ring_back_look(&queue->answers.ring) != 0)
			return true;
	return false;
}

/* Going to sleep and being woken costs more than a quick disk takes. True: something came. */
static bool wait_awake(void)
{
	uint64_t end_ns;

	if (!blk.is_quick || !disk_is_busy())
		return false;
	end_ns = time_now_ns() + QUICK_NS;
	while (time_now_ns() < end_ns) {
		if (works_reap() || rings_have_news() || event_is_due())
			return true;
		cpu_relax();
	}
	blk.is_quick = false;
	return false;
}

/* True: a ring has requests that could not be taken, and perhaps can be now. */
static bool rings_are_held(void)
{
	for (struct queue *queue = blk.active; queue; queue = queue->next)
		if (queue->is_waiting)
			return true;
	return false;
}

/* The device begins before anybody is told of what it has done. With nothing left to do but what it has now, the next round waits for it. */
bool blk_work(void)
{
	bool did;

	if (blk.is_listening) {
		listen(false);
		gather();
	}
	did = works_reap();
	if (did && blk.slept_ns) {
		blk.is_quick = time_now_ns() - blk.slept_ns < QUICK_NS;
		blk.slept_ns = 0;
	}
	did |= serve();
	works_settle();
	works_push();
	answer();
	if (blk.is_releasing)
		disks_release();
	blk.has_worked = did;
	if (did && !blk.taking && !rings_are_held())
		wait_awake();
	return did || blk.taking;
}

/*
 * A ring's next request has to wake us, unless the disk has much to do for the ring: its next answer wakes us too, and then
 * work_land() has us look at the ring (L4). Rings with requests that may not be taken yet stay active: the disk, or the time, lets
 * them go on.
 */
static bool queue_rest(struct queue *queue)
{
	return !queue->is_waiting && ring_back_sleep_until(&queue->answers.ring, 1 + queue->works / 4) == 0;
}

bool blk_rest(void)
{
	struct queue *last = blk.active_last, *queue;
	bool is_there;

	if (wait_awake())
		return true;
	is_there = listen(true);
	while ((queue = queue_pop())) {
		if (queue->disk->state == DISK_SERVING && !queue_rest(queue))
			queue_activate(queue);
		is_there |= queue->is_active && !queue->is_waiting;
		if (queue == last)
			break;
	}
	if (blk.wake_ns)
		driver_domain_wake_at(blk.wake_ns);
	blk.slept_ns = disk_is_busy() ? time_now_ns() : 0;
	return is_there;
}
