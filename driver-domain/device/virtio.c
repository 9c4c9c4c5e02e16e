/* SPDX-License-Identifier: MIT */
#include "device/virtio.h"

#include "device/pool.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/lib.h"
#include "runtime/time.h"
#include "runtime/xen.h"

#define CAPABILITY_VENDOR 0x09
#define VECTOR_NONE 0xffffu

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER 2u
#define STATUS_DRIVER_OK 4u
#define STATUS_FEATURES_OK 8u

/* virtio 1.1, 4.1.4.3 */
struct virtio_registers {
	uint32_t device_feature_select, device_feature;
	uint32_t driver_feature_select, driver_feature;
	uint16_t config_vector, queue_count;
	uint8_t status, generation;
	uint16_t queue_select, queue_size, queue_vector, queue_enable, queue_notify_offset;
	uint32_t queue_desc[2], queue_avail[2], queue_used[2];
};

_Static_assert(sizeof(struct virtio_registers) == 56, "virtio 1.1, 4.1.4.3");

enum virtio_part { PART_COMMON = 1, PART_NOTIFY = 2, PART_CONFIG = 4 };

bool virtio_is(const struct pci_function *function, unsigned int kind)
{
	return function->vendor == VIRTIO_VENDOR &&
	       (function->device == VIRTIO_DEVICE(kind) || function->device == VIRTIO_DEVICE_TRANSITIONAL(kind));
}

/* ---- where its registers are ---- */

/* The first capability of a kind is the one to use; 0: there is none. */
static uint32_t part_find(const struct pci_function *function, enum virtio_part part)
{
	uint32_t at = pci_capability(function, CAPABILITY_VENDOR, 0);

	while (at && (at > 256 - 20 || pci_read(function, at + 3, 1) != part))
		at = pci_capability(function, CAPABILITY_VENDOR, at);
	return at;
}

/* `bytes`: in, at least; out, as many as there are, and a page at most. */
static volatile void *part_map(struct pci_function *function, enum virtio_part part, uint64_t *bytes)
{
	uint32_t at = part_find(function, part), length = at ? pci_read(function, at + 12, 4) : 0;

	if (length < *bytes)
		return NULL;
	*bytes = length < 4096 ? length : 4096;
	return pci_map(function, pci_read(function, at + 4, 1), pci_read(function, at + 8, 4), *bytes);
}

/* Each page of doorbells is mapped when a queue has its own there: some devices have one for each queue. */
static bool doorbells_find(struct virtio_device *device)
{
	uint32_t at = part_find(device->function, PART_NOTIFY);

	if (!at)
		return false;
	device->notify_bar = pci_read(device->function, at + 4, 1);
	device->notify_offset = pci_read(device->function, at + 8, 4);
	device->notify_bytes = pci_read(device->function, at + 12, 4);
	device->notify_step = pci_read(device->function, at + 16, 4);
	return true;
}

/* NULL: it has none there. */
static volatile uint16_t *doorbell_map(struct virtio_device *device, uint64_t offset)
{
	uint64_t in_page = offset % 4096, page = offset - in_page, left;
	volatile uint8_t *at;

	if (offset % 2 || offset + 2 > device->notify_bytes)
		return NULL;
	left = device->notify_bytes - page;
	at = pci_map(device->function, device->notify_bar, device->notify_offset + page, left < 4096 ? left : 4096);
	return at ? (volatile uint16_t *)(at + in_page) : NULL;
}

int virtio_open(struct virtio_device *device, struct pci_function *function)
{
	uint64_t common_bytes = sizeof(struct virtio_registers);

	pci_enable(function);
	*device = (struct virtio_device){ .function = function, .config_bytes = 4 };
	device->registers = part_map(function, PART_COMMON, &common_bytes);
	device->config = part_map(function, PART_CONFIG, &device->config_bytes);
	if (!device->registers || !device->config || !doorbells_find(device) || (uintptr_t)device->registers % 4) {
		printf("pci %04x: no modern virtio registers: QEMU's device needs disable-legacy=on\n", function->address);
		return -XEN_ENODEV;
	}
	return 0;
}

/* ---- reset and features ---- */

bool virtio_reset(struct virtio_device *device)
{
	uint64_t end = time_now_ns() + driver_domain_device_ns();

	device->registers->status = 0;
	while (device->registers->status) {
		if (time_now_ns() > end) {
			printf("pci %04x: the device has not acknowledged its reset in %lu ms\n", device->function->address,
			       driver_domain_device_ns() / 1000000);
			return false;
		}
		cpu_relax();
	}
	return true;
}

static uint64_t features_offered(const struct virtio_device *device)
{
	uint64_t offered;

	device->registers->device_feature_select = 0;
	offered = device->registers->device_feature;
	device->registers->device_feature_select = 1;
	return offered | (uint64_t)device->registers->device_feature << 32;
}

static int features_set(const struct virtio_device *device)
{
	volatile struct virtio_registers *registers = device->registers;

	registers->driver_feature_select = 0;
	registers->driver_feature = (uint32_t)device->features;
	registers->driver_feature_select = 1;
	registers->driver_feature = (uint32_t)(device->features >> 32);
	registers->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
	if (virtio_has(device, VIRTIO_F_VERSION_1) && (registers->status & STATUS_FEATURES_OK))
		return 0;
	printf("pci %04x: the device offers the features 0x%lx, and does not take 0x%lx of them\n", device->function->address,
	       features_offered(device), device->features);
	return -XEN_ENODEV;
}

int virtio_negotiate(struct virtio_device *device, uint64_t wanted)
{
	volatile struct virtio_registers *registers = device->registers;
	int error;

	registers->status = STATUS_ACKNOWLEDGE;
	registers->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
	wanted |= VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM;
	device->features = features_offered(device) & wanted;
	error = features_set(device);
	/* A device counts its queues by the features that it has been given. */
	device->queues = registers->queue_count;
	return error;
}

int virtio_resume(struct virtio_device *device)
{
	volatile struct virtio_registers *registers = device->registers;

	if (!virtio_reset(device))
		return -XEN_EIO;
	registers->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
	return features_set(device);
}

void virtio_ready(struct virtio_device *device)
{
	pci_enable_dma(device->function);
	device->registers->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
}

/* ---- queues ---- */

static void set_address(volatile uint32_t *at, const volatile void *memory)
{
	uint64_t machine = pool_machine((const void *)(uintptr_t)memory);

	at[0] = (uint32_t)machine;
	at[1] = (uint32_t)(machine >> 32);
}

static uint16_t slots_of(unsigned int offered, unsigned int wanted)
{
	uint16_t slots = 1;

	while (slots * 2u <= offered && slots * 2u <= wanted && slots * 2u <= VIRTQUEUE_SLOTS_MAX)
		slots = (uint16_t)(slots * 2);
	return slots;
}

/* It is selected. */
static int queue_enable(struct virtio_device *device, const struct virtqueue *queue)
{
	volatile struct virtio_registers *registers = device->registers;

	registers->queue_vector = queue->vector;
	if (registers->queue_vector != queue->vector) {
		printf("pci %04x: the device does not take interrupt %u\n", device->function->address, queue->vector);
		return -XEN_ENODEV;
	}
	registers->queue_size = queue->slots;
	set_address(registers->queue_desc, queue->desc);
	set_address(registers->queue_avail, queue->avail);
	set_address(registers->queue_used, queue->used);
	registers->queue_enable = 1;
	return 0;
}

int virtio_queue(struct virtio_device *device, unsigned int number, unsigned int slots, unsigned int vector, struct virtqueue *queue,
		 uint32_t *port)
{
	volatile struct virtio_registers *registers = device->registers;
	volatile uint16_t *notify;
	int error;

	registers->queue_select = (uint16_t)number;
	notify = registers->queue_size ? doorbell_map(device, (uint64_t)registers->queue_notify_offset * device->notify_step) : NULL;
	if (!notify) {
		printf("pci %04x: there is no queue %u, or no doorbell for it\n", device->function->address, number);
		return -XEN_ENODEV;
	}
	error = pci_interrupt(device->function, vector, port);
	if (error) {
		printf("pci %04x: no interrupt %u: error %d\n", device->function->address, vector, -error);
		return error;
	}
	virtqueue_init(queue, pool_take(VIRTQUEUE_BYTES), slots_of(registers->queue_size, slots), virtio_has(device, VIRTIO_F_EVENT_IDX));
	queue->number = (uint16_t)number;
	queue->notify = notify;
	queue->vector = (uint16_t)vector;
	registers->config_vector = 0;
	return queue_enable(device, queue);
}

int virtio_queue_resume(struct virtio_device *device, struct virtqueue *queue)
{
	virtqueue_clear(queue);
	device->registers->queue_select = queue->number;
	return queue_enable(device, queue);
}

/* ---- its own configuration ---- */

/* A number as wide as it is (virtio 1.1, 4.1.3.1); what is no number by bytes. */
static void config_read(const volatile uint8_t *at, void *to, uint32_t bytes)
{
	uint32_t width = bytes == 2 ? 2 : bytes % 4 ? 1 : 4;

	for (uint32_t i = 0; i < bytes; i += width) {
		if (width == 4)
			((uint32_t *)to)[i / 4] = *(const volatile uint32_t *)(at + i);
		else if (width == 2)
			*(uint16_t *)to = *(const volatile uint16_t *)at;
		else
			((uint8_t *)to)[i] = at[i];
	}
}

bool virtio_config(const struct virtio_device *device, uint32_t offset, void *to, uint32_t bytes)
{

	if (offset % (bytes % 4 ? 1 : 4) || offset > device->config_bytes || bytes > device->config_bytes - offset)
		return false;
	for (unsigned int turn = 0; turn < 16; turn++) {
		uint8_t generation = device->registers->generation;

		config_read(device->config + offset, to, bytes);
		if (device->registers->generation == generation)
			return true;
	}
	return false;
}
