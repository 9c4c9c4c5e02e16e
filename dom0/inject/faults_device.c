/* SPDX-License-Identifier: MIT */
/*
 * What a device does wrong, or what a driver asks of it wrongly: in the queues that both share. Of virtio devices: what the queues of others
 * look like is not known here, so that their drivers have nothing that this could be done to.
 */
#include "inject/faults.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "inject/virtio_view.h"

#define PCI_ADDRESS	0xcf8u
#define PCI_DATA	0xcfcu
#define PCI_COMMAND	4u
#define PCI_BUS_MASTER	4u
#define FRAME_BITS_FIRST 12u
#define FRAME_BITS	27u		/* of 512 GiB */
#define PAUSE_NS	250000
#define PAUSES		20u

/* INJECTED: goes on. */
static enum injected knows_queues(struct victim *victim, struct fault *fault)
{
	struct driver_status status;
	struct driver_table table;
	uint64_t address;

	if (!victim_table(victim, &address, &table) ||
	    !victim_read(victim, victim->image.base + table.status.pfn * FRAME_BYTES, &status, sizeof(status)))
		return NOT_INJECTED;
	status.device_name[sizeof(status.device_name) - 1] = 0;
	if (!strncmp(status.device_name, "virtio-", strlen("virtio-")))
		return INJECTED;
	json_object_set_new(fault->record, "why", json_sprintf("its device is '%s': the queues of virtio devices alone are known",
							      status.device_name));
	return NO_TARGET;
}

/* Of a virtio device's driver. */
static enum injected reach_queue(struct victim *victim, struct fault *fault, const char *function, suits_fn suits)
{
	enum injected result = knows_queues(victim, fault);
	struct found found;

	return result == INJECTED ? reach_function(victim, fault, function, suits, &found) : result;
}

/* The queue that the function at whose beginning it stands is called with. */
static bool queue_of(struct victim *victim, struct virtqueue_view *queue)
{
	uint64_t mask;

	if (!victim_read(victim, victim->context.user_regs.rdi, queue, sizeof(*queue)))
		return false;
	mask = queue->slots - 1UL;
	return queue->slots && queue->slots <= 256 && !(queue->slots & mask) && queue->desc % FRAME_BYTES == 0 && queue->avail > queue->desc &&
	       queue->used > queue->avail;
}

static uint16_t waiting_of(struct victim *victim, const struct virtqueue_view *queue)
{
	uint16_t index = queue->used_index;

	(void)victim_read(victim, queue->used + VIRTQ_INDEX_AT, &index, sizeof(index));
	return (uint16_t)(index - queue->used_index);
}

static bool has_completions(struct victim *victim, uint16_t least)
{
	struct virtqueue_view queue;

	return queue_of(victim, &queue) && waiting_of(victim, &queue) >= least;
}

static bool has_one(struct victim *victim, const struct found *found)
{
	return has_completions(victim, 1);
}

/* The device goes on while its driver stands: what it has begun may end. */
static bool has_two(struct victim *victim, const struct found *found)
{
	const struct timespec pause = { 0, PAUSE_NS };

	for (unsigned int i = 0; i < PAUSES && has_completions(victim, 1); i++) {
		if (has_completions(victim, 2))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* That one has been taken before; used_index is modulo 2^16, and a queue that has run so far is no exception. */
static bool has_taken(struct victim *victim, const struct found *found)
{
	struct virtqueue_view queue;

	return queue_of(victim, &queue) && queue.used_index;
}

static enum injected move_used_index(struct victim *victim, struct fault *fault, suits_fn suits, int by)
{
	struct virtqueue_view queue;
	enum injected result = reach_queue(victim, fault, "virtqueue_reap", suits);
	uint16_t index;

	if (result != INJECTED)
		return result;
	if (!queue_of(victim, &queue))
		return NOT_INJECTED;
	index = (uint16_t)(queue.used_index + by);
	result = fault_write(victim, fault, victim->context.user_regs.rdi + offsetof(struct virtqueue_view, used_index), &index, sizeof(index));
	if (result == INJECTED)
		fault_activated(fault, true, by > 0 ? "the next completion is passed over" : "the last completion comes once more");
	return result;
}

enum injected fault_completion_lost(struct victim *victim, struct fault *fault)
{
	return move_used_index(victim, fault, has_one, 1);
}

enum injected fault_completion_double(struct victim *victim, struct fault *fault)
{
	return move_used_index(victim, fault, has_taken, -1);
}

enum injected fault_completion_reorder(struct victim *victim, struct fault *fault)
{
	struct virtqueue_view queue;
	uint8_t pair[2 * VIRTQ_USED_BYTES], swapped[sizeof(pair)];
	enum injected result = reach_queue(victim, fault, "virtqueue_reap", has_two);
	uint64_t at;

	if (result != INJECTED)
		return result;
	if (!queue_of(victim, &queue) || (queue.used_index & (queue.slots - 1)) == queue.slots - 1)
		return NOT_INJECTED;
	at = queue.used + VIRTQ_RING_AT + (queue.used_index & (queue.slots - 1u)) * VIRTQ_USED_BYTES;
	if (!victim_read(victim, at, pair, sizeof(pair)))
		return NOT_INJECTED;
	memcpy(swapped, pair + VIRTQ_USED_BYTES, VIRTQ_USED_BYTES);
	memcpy(swapped + VIRTQ_USED_BYTES, pair, VIRTQ_USED_BYTES);
	result = fault_write(victim, fault, at, swapped, sizeof(swapped));
	if (result == INJECTED)
		fault_activated(fault, true, "they are the next that it takes");
	return result;
}

static bool has_news_for_device(struct victim *victim, const struct found *found)
{
	struct virtqueue_view queue;

	return queue_of(victim, &queue) && queue.avail_index != queue.pushed_index;
}

/* Of the descriptor that is handed over last: of its data, or of its table of descriptors. */
enum injected fault_dma_address(struct victim *victim, struct fault *fault)
{
	struct virtqueue_view queue;
	enum injected result = reach_queue(victim, fault, "virtqueue_push", has_news_for_device);
	uint64_t address, at;
	uint16_t head;

	if (result != INJECTED)
		return result;
	if (!queue_of(victim, &queue))
		return NOT_INJECTED;
	at = queue.avail + VIRTQ_RING_AT + ((queue.avail_index - 1u) & (queue.slots - 1u)) * sizeof(head);
	if (!victim_read(victim, at, &head, sizeof(head)) || head >= queue.slots ||
	    !victim_read(victim, queue.desc + head * VIRTQ_DESC_BYTES, &address, sizeof(address)))
		return NOT_INJECTED;
	address ^= 1UL << (FRAME_BITS_FIRST + random_below(&fault->random, FRAME_BITS));
	result = fault_write(victim, fault, queue.desc + head * VIRTQ_DESC_BYTES, &address, sizeof(address));
	if (result == INJECTED)
		fault_activated(fault, true, "its device is told next");
	return result;
}

/* ---- the device itself ---- */

static enum injected port_out(struct victim *victim, uint16_t port, uint32_t value)
{
	static const uint8_t out[] = { 0xef };	/* out %eax,%dx */
	cpu_user_regs_t regs = victim->context.user_regs;

	regs.rax = value;
	regs.rdx = port;
	return execute(victim, out, sizeof(out), &regs);
}

static enum injected port_in(struct victim *victim, uint16_t port, uint32_t *value)
{
	static const uint8_t in[] = { 0xed };	/* in %dx,%eax */
	cpu_user_regs_t regs = victim->context.user_regs;
	enum injected result;

	regs.rax = 0;
	regs.rdx = port;
	result = execute(victim, in, sizeof(in), &regs);
	*value = (uint32_t)regs.rax;
	return result;
}

/* By the driver's own right to its function's configuration: bus mastering goes off, and the device hears and says nothing more. */
enum injected fault_device_silent(struct victim *victim, struct fault *fault)
{
	struct driver_table table;
	struct found found;
	enum injected result = reach_any(victim, fault, MUTATION_FLIP, NULL, &found);
	uint32_t old, new;
	uint64_t address;

	if (result != INJECTED)
		return result;
	if (!victim_table(victim, &address, &table))
		return NOT_INJECTED;
	if (!table.function_count)
		return NO_TARGET;
	result = port_out(victim, PCI_ADDRESS, 1u << 31 | (table.function[0] & 0xffff) << 8 | PCI_COMMAND);
	if (result == INJECTED)
		result = port_in(victim, PCI_DATA, &old);
	if (result != INJECTED)
		return result;
	new = old & 0xffff & ~PCI_BUS_MASTER;		/* the upper half has bits that are cleared by writing ones */
	result = port_out(victim, PCI_DATA, new);
	if (result != INJECTED)
		return result;
	fault_tell(victim, fault, found.address, &old, &new, sizeof(old));
	json_object_set_new(fault->record, "location", json_string("PCI command register"));
	fault_activated(fault, old & PCI_BUS_MASTER, old & PCI_BUS_MASTER ? "bus mastering was on" : "bus mastering was off");
	return INJECTED;
}
