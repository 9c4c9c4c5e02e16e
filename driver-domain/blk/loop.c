/* SPDX-License-Identifier: MIT */
#include "blk/blk.h"
#include "runtime/driver_domain.h"
#include "runtime/events.h"
#include "runtime/lib.h"
#include "runtime/time.h"

#define QUICK_NS	25000u		/* a disk that answers within this is waited for awake */

struct blk blk;

void blk_begin(struct blk_device *device)
{
	blk.device = device;
	for (uint32_t i = 0; i < BLK_WORKS; i++) {
		blk.work[i].next = blk.free;
		blk.free = &blk.work[i];
	}
	blk.free_count = BLK_WORKS;
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

/* Each ring has its turn; the one that began is the last of the next round. */
static bool serve(void)
{
	struct queue *last = blk.active_last, *queue;
	uint32_t taken = 0;

	blk.wake_ns = 0;
	while ((queue = queue_pop())) {
		int count = queue->disk->state == DISK_SERVING ? queue_serve(queue) : 0;

		if (count < 0)
			disk_drop(queue);
		if (queue->disk->state == DISK_SERVING)
			queue_activate(queue);
		taken += count > 0 ? (uint32_t)count : 0;
		if (queue == last)
			break;
	}
	if ((queue = queue_pop()))
		queue_activate(queue);
	return taken;
}

static void answer(void)
{
	struct queue *queue;

	while ((queue = blk.done)) {
		blk.done = queue->next_done;
		queue->is_done = false;
		if (queue->disk->state == DISK_SERVING && queue_answer(queue)) {
			event_send(queue->port);
			queue->disk->status->counter[DRIVER_EVENTS_SENT]++;
		}
	}
}

static bool listen(bool on)
{
	bool is_there = false;

	for (unsigned int lane = 0; lane < blk.device->queues; lane++)
		if (!on || blk.flying[lane])
			is_there |= blk.device->driver->interrupts(blk.device, lane, on);
	blk.is_listening = on;
	return on && is_there;
}

/* The device begins before anybody is told of what it has done. */
bool blk_work(void)
{
	bool did;

	if (blk.is_listening)
		listen(false);
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
	return did;
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
		if (works_reap() || rings_have_news())
			return true;
		cpu_relax();
	}
	blk.is_quick = false;
	return false;
}

/* Rings with requests that may not be taken yet stay active: the disk's next answer, or the time, lets them go on. */
bool blk_rest(void)
{
	struct queue *last = blk.active_last, *queue;
	bool is_there;

	if (wait_awake())
		return true;
	is_there = listen(true);
	while ((queue = queue_pop())) {
		bool stays = queue->is_waiting || ring_back_sleep(&queue->answers.ring) != 0;

		if (queue->disk->state == DISK_SERVING && stays)
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
