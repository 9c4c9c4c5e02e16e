/* SPDX-License-Identifier: MIT */
#include "virtio_device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "device/pool.h"
#include "runtime/driver_domain.h"
#include "runtime/time.h"
#include "runtime/xen.h"

#define DESC_NEXT 1
#define DESC_INDIRECT 4

struct fake_device fake;
static struct pci_function function;

/* ---- the runtime ---- */

void panic(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	abort();
}

/* Like the pool it is there for a child of this process, and what that wrote is there when it has ended. */
static void *shared_alloc(size_t bytes)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* One request, of the card's driver. A successor finds in it what there was. */
void *ready_scratch(uint32_t pages)
{
	fake.scratch_bytes = pages * BUFFER_BYTES;
	return fake.scratch = shared_alloc(fake.scratch_bytes);
}

uint64_t driver_domain_device_ns(void)
{
	return 2000000000;
}

/* Whoever waits looks at the clock. */
uint64_t time_now_ns(void)
{
	if (fake.control)
		for (unsigned int i = 0; i < FAKE_QUEUES; i++)
			if (fake.queue[i].queue)
				fake.control(&fake.queue[i]);
	return fake.now_ns += 1000000;
}

/* ---- the transport ---- */

bool virtio_is(const struct pci_function *which, unsigned int kind)
{
	return true;
}

int virtio_open(struct virtio_device *device, struct pci_function *which)
{
	*device = (struct virtio_device){ .function = which, .queues = fake.queues };
	return 0;
}

bool virtio_reset(struct virtio_device *device)
{
	return !fake.is_deaf;
}

int virtio_negotiate(struct virtio_device *device, uint64_t wanted)
{
	device->features = fake.features & (wanted | VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC);
	return 0;
}

int virtio_queue(struct virtio_device *device, unsigned int number, unsigned int slots, unsigned int vector, struct virtqueue *queue,
		 uint32_t *port)
{
	struct fake_queue *mine = &fake.queue[number];

	if (number >= fake.queues || number >= FAKE_QUEUES)
		return -XEN_ENODEV;
	*port = 10 + vector;
	virtqueue_init(queue, pool_take(VIRTQUEUE_BYTES), (uint16_t)(slots < fake.slots ? slots : fake.slots),
		       virtio_has(device, VIRTIO_F_EVENT_IDX));
	queue->number = (uint16_t)number;
	*mine = (struct fake_queue){ .queue = queue, .bell = 0xffff };
	queue->notify = &mine->bell;
	return 0;
}

int virtio_resume(struct virtio_device *device)
{
	return virtio_reset(device) ? 0 : -XEN_EIO;
}

int virtio_queue_resume(struct virtio_device *device, struct virtqueue *queue)
{
	virtqueue_clear(queue);
	fake.queue[queue->number].seen = 0;
	return 0;
}

void virtio_ready(struct virtio_device *device)
{
}

bool virtio_config(const struct virtio_device *device, uint32_t offset, void *to, uint32_t bytes)
{
	if (offset + bytes > fake.config_bytes)
		return false;
	memcpy(to, fake.config + offset, bytes);
	return true;
}

/* ---- the device ---- */

void config_set(uint32_t offset, uint64_t value, uint32_t bytes)
{
	memcpy(fake.config + offset, &value, bytes);
}

void fake_begin(uint64_t features, uint16_t queues)
{
	static void *pool;

	if (!pool) {
		pool = shared_alloc(FAKE_POOL_PAGES * BUFFER_BYTES);
		memset(pool, 0xa5, FAKE_POOL_PAGES * BUFFER_BYTES);
	}
	pool_init(pool, FAKE_MACHINE, FAKE_POOL_PAGES);
	fake = (struct fake_device){ .scratch = fake.scratch, .scratch_bytes = fake.scratch_bytes, .features = features, .queues = queues, .slots = 256, .config_bytes = sizeof(fake.config) };
	function = (struct pci_function){ .msix_vectors = 8 };
}

static void disk_failed(struct blk_device *device, const char *why)
{
	fake.failures++;
	fake.why = why;
}

static void card_failed(struct net_device *device, const char *why)
{
	fake.failures++;
	fake.why = why;
}

void fake_disk(struct blk_device *disk)
{
	fake_begin(~0ULL & ~(1ULL << 5), 1);
	config_set(0, 1000000, 8);
	config_set(8, 4096, 4);
	config_set(12, 126, 4);
	config_set(20, 512, 4);
	config_set(34, 1, 2);
	config_set(36, 1000, 4);
	*disk = (struct blk_device){ .driver = &virtio_blk, .function = &function, .failed = disk_failed };
}

void fake_card(struct net_device *card)
{
	fake_begin(~0ULL & ~(1ULL << 17 | 1ULL << 18 | 1ULL << 22), 2);
	config_set(0, 0x020000005452, 6);
	config_set(6, 1, 2);
	config_set(8, 1, 2);
	config_set(10, 1500, 2);
	*card = (struct net_device){ .driver = &virtio_net, .function = &function, .failed = card_failed };
}

void *fake_memory(uint64_t machine)
{
	return machine - FAKE_MACHINE < pool_bytes ? pool_at + (machine - FAKE_MACHINE) : NULL;
}

bool fake_take(struct fake_queue *queue, uint16_t *head)
{
	struct virtqueue *ring = queue->queue;

	if (!ring || queue->seen == ring->avail->index)
		return false;
	*head = ring->avail->ring[queue->seen++ % ring->slots];
	return true;
}

void fake_put(struct fake_queue *queue, uint32_t id, uint32_t length)
{
	volatile struct virtq_used *used = queue->queue->used;
	uint16_t index = used->index;

	used->ring[index % queue->queue->slots].id = id;
	used->ring[index % queue->queue->slots].length = length;
	used->index = (uint16_t)(index + 1);
}

/* What stands in the pool may have been rewritten. */
static bool is_desc(const struct virtq_desc *at)
{
	return pool_has(at, sizeof(*at)) && (uintptr_t)at % 8 == 0;
}

struct virtq_desc *fake_piece(struct fake_queue *queue, uint16_t head, unsigned int number)
{
	struct virtq_desc *table = queue->queue->desc, *at = &table[head];

	if (at->flags & DESC_INDIRECT)
		at = table = fake_memory(at->address);
	while (is_desc(at) && number--)
		at = at->flags & DESC_NEXT ? &table[at->next] : NULL;
	return is_desc(at) ? at : NULL;
}
