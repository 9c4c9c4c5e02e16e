/* SPDX-License-Identifier: MIT */
#include "device/virtqueue.h"

#include "runtime/lib.h"
#include "runtime/xen.h"

#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY 1u
#define USED_ALIGN 4096u

_Static_assert(sizeof(struct virtq_desc) == 16, "virtio 1.1, 2.6.5");
_Static_assert(sizeof(struct virtq_used_element) == 8, "virtio 1.1, 2.6.8");
_Static_assert(VIRTQUEUE_SLOTS_MAX * sizeof(struct virtq_desc) == USED_ALIGN, "the descriptors are the first page");

/* Descriptors | avail, then used in the second page. */
void virtqueue_init(struct virtqueue *queue, void *memory, uint16_t slots, bool has_event_index)
{
	uint8_t *at = memory;

	ASSERT(slots && slots <= VIRTQUEUE_SLOTS_MAX && (slots & (slots - 1)) == 0);
	queue->desc = memory;
	queue->slots = slots;
	queue->avail = (void *)(at + USED_ALIGN);
	queue->used = (void *)(at + USED_ALIGN + 1024);
	queue->has_event_index = has_event_index;
	queue->broken = NULL;
	queue->avail_index = queue->pushed_index = queue->used_index = 0;
	queue->flying = 0;
	queue->free_first = 0;
	queue->free_count = slots;
	for (uint16_t i = 0; i < slots; i++) {
		queue->next[i] = (uint16_t)(i + 1);
		queue->chain[i] = (struct virtqueue_chain){ 0 };
	}
}

static volatile uint16_t *used_event(const struct virtqueue *queue)
{
	return &queue->avail->ring[queue->slots];
}

static volatile uint16_t *avail_event(const struct virtqueue *queue)
{
	return (volatile uint16_t *)&queue->used->ring[queue->slots];
}

/* Nothing else of the memory is read before it is written. */
void virtqueue_clear(struct virtqueue *queue)
{
	if (queue->avail_index)		/* it was used before ready */
		virtqueue_init(queue, queue->desc, queue->slots, queue->has_event_index);
	queue->avail->flags = queue->avail->index = *used_event(queue) = 0;
	queue->used->flags = queue->used->index = *avail_event(queue) = 0;
}

/* ---- to the device ---- */

int virtqueue_add(struct virtqueue *queue, const struct pool_part *part, unsigned int reads, unsigned int writes, void *cookie)
{
	unsigned int count = reads + writes;
	uint16_t slot = queue->free_first, last = slot;
	uint32_t room = 0;

	ASSERT(count && count <= VIRTQUEUE_PIECES_MAX);
	if (!virtqueue_has_room(queue, count))
		return -XEN_ENOSPC;
	for (unsigned int i = 0; i < count; i++) {
		last = slot;
		slot = virtqueue_put(queue, slot, part[i].at, part[i].length, i < reads ? 0 : VIRTQ_WRITE);
		room += i < reads ? 0 : part[i].length;
	}
	virtqueue_give(queue, last, writes ? VIRTQ_WRITE : 0, count, room, cookie);
	return 0;
}

int virtqueue_add_table(struct virtqueue *queue, uint64_t table, unsigned int count, uint32_t room, void *cookie)
{
	uint16_t head = queue->free_first;

	ASSERT(count && count <= VIRTQUEUE_PIECES_MAX);
	if (!virtqueue_has_room(queue, 1))
		return -XEN_ENOSPC;
	queue->desc[head] = (struct virtq_desc){ table, count * (uint32_t)sizeof(struct virtq_desc), VIRTQ_INDIRECT, 0 };
	virtqueue_give(queue, head, VIRTQ_INDIRECT, 1, room, cookie);
	return 0;
}

void virtqueue_push(struct virtqueue *queue)
{
	uint16_t before = queue->pushed_index, now = queue->avail_index;
	bool is_wanted;

	if (before == now)
		return;
	__atomic_store_n(&queue->avail->index, now, __ATOMIC_RELEASE);
	memory_barrier();
	queue->pushed_index = now;
	if (queue->has_event_index)
		is_wanted = (uint16_t)(now - *avail_event(queue) - 1) < (uint16_t)(now - before);
	else
		is_wanted = !(queue->used->flags & USED_NO_NOTIFY);
	if (is_wanted)
		*queue->notify = queue->number;
}

/* ---- from the device ---- */

static void free_chain(struct virtqueue *queue, uint16_t head)
{
	queue->next[queue->chain[head].last] = queue->free_first;
	queue->free_first = head;
	queue->free_count = (uint16_t)(queue->free_count + queue->chain[head].slots);
	queue->chain[head].slots = 0;
	queue->flying--;
}

static const char *complaint(const struct virtqueue *queue, uint16_t waiting, uint32_t id, uint32_t length)
{
	if (waiting > queue->flying)
		return "the used ring has more entries than there are requests under way";
	if (id >= queue->slots || !queue->chain[id].slots)
		return "the used ring has an id that is not under way";
	if (length > queue->room[id])
		return "the used ring has a length that there is no room for";
	return NULL;
}

bool virtqueue_reap(struct virtqueue *queue, void **cookie, uint32_t *written)
{
	uint16_t waiting = (uint16_t)(__atomic_load_n(&queue->used->index, __ATOMIC_ACQUIRE) - queue->used_index);
	const volatile struct virtq_used_element *element = &queue->used->ring[queue->used_index & (queue->slots - 1)];
	uint32_t id, length;

	if (!waiting || queue->broken)
		return false;
	id = element->id;
	length = element->length;
	queue->broken = complaint(queue, waiting, id, length);
	if (queue->broken)
		return false;
	queue->used_index++;
	*cookie = queue->cookie[id];
	*written = length;
	free_chain(queue, (uint16_t)id);
	return true;
}

bool virtqueue_left(const struct virtqueue *queue, uint16_t taken, uint16_t *id, uint32_t *length)
{
	uint16_t waiting = (uint16_t)(__atomic_load_n(&queue->used->index, __ATOMIC_ACQUIRE) - taken);
	const volatile struct virtq_used_element *element = &queue->used->ring[taken & (queue->slots - 1)];
	uint32_t found = element->id;

	*length = element->length;
	*id = (uint16_t)found;
	return waiting && waiting <= queue->slots && found < queue->slots;
}

/* Off: the device is told of an index that it has passed. After 65,535 more it interrupts once for nothing. */
bool virtqueue_interrupts(struct virtqueue *queue, bool on)
{
	if (queue->has_event_index)
		*used_event(queue) = (uint16_t)(on ? queue->used_index : queue->used_index - 1);
	else
		queue->avail->flags = on ? 0 : AVAIL_NO_INTERRUPT;
	if (!on)
		return false;
	memory_barrier();
	return virtqueue_has_used(queue);
}
