/* SPDX-License-Identifier: MIT */
/*
 * A virtio device on PCI, by its modern transport (virtio 1.1, 4.1): finding its registers, reset, features, queues. What it is, its
 * driver knows (virtio-net.c, virtio-blk.c).
 * V1  After virtio_reset() has said true the device touches no memory until a driver is ready again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "device/virtqueue.h"
#include "runtime/pci.h"

#define VIRTIO_VENDOR 0x1af4u
/* By kind (1 network, 2 block), modern and transitional. */
#define VIRTIO_DEVICE(kind) (0x1040u + (kind))
#define VIRTIO_DEVICE_TRANSITIONAL(kind) (0x0fffu + (kind))

#define VIRTIO_F_INDIRECT_DESC (1ULL << 28)
#define VIRTIO_F_EVENT_IDX (1ULL << 29)
#define VIRTIO_F_VERSION_1 (1ULL << 32)
#define VIRTIO_F_ACCESS_PLATFORM (1ULL << 33)
#define VIRTIO_F_ORDER_PLATFORM (1ULL << 36)

struct virtio_registers;

struct virtio_device {
	struct pci_function *function;
	volatile struct virtio_registers *registers;
	volatile uint8_t *config;
	uint64_t config_bytes;
	unsigned int notify_bar;
	uint32_t notify_offset, notify_bytes, notify_step;
	uint64_t features;		/* negotiated */
	uint16_t queues;		/* that it has with these features */
};

bool virtio_is(const struct pci_function *function, unsigned int kind);

/* Each 0 or -errno, with the reason on the log. In this order; all of it may be done again. */
int virtio_open(struct virtio_device *device, struct pci_function *function);
bool virtio_reset(struct virtio_device *device);	/* V1; false: it did not acknowledge in time */
int virtio_negotiate(struct virtio_device *device, uint64_t wanted);	/* and what the transport wants */
/* Queue `number`, of at most `slots`, whose interrupt is that vector: *port is its event channel. */
int virtio_queue(struct virtio_device *device, unsigned int number, unsigned int slots, unsigned int vector, struct virtqueue *queue,
		 uint32_t *port);
void virtio_ready(struct virtio_device *device);

/*
 * A successor's way, with the memory of a driver that had done all of the above: virtio_resume() resets the device and gives it the same
 * features, virtio_queue_resume() each queue the memory and the interrupt that it had; then virtio_ready().
 */
int virtio_resume(struct virtio_device *device);
int virtio_queue_resume(struct virtio_device *device, struct virtqueue *queue);

static inline bool virtio_has(const struct virtio_device *device, uint64_t feature)
{
	return device->features & feature;
}

/* Bytes of the device's own configuration, as they stood at one moment. False: it has none there, or it never stops changing. */
bool virtio_config(const struct virtio_device *device, uint32_t offset, void *to, uint32_t bytes);
