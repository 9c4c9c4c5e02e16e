/* SPDX-License-Identifier: MIT */
#include "blk/blk.h"
#include "runtime/driver_domain.h"
#include "runtime/events.h"

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
	did |= serve();
	works_settle();
	works_push();
	answer();
	if (blk.is_releasing)
		disks_release();
	return did;
}

/* Rings with requests that may not be taken yet stay active: the device's next answer, or the time, lets them go on. */
bool blk_rest(void)
{
	struct queue *last = blk.active_last, *queue;
	bool is_there = listen(true);

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
	return is_there;
}
