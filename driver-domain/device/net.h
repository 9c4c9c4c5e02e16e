/* SPDX-License-Identifier: MIT */
/*
 * What a network card's driver is to the back-end: a table of functions, one file a card. All memory that the card sees is of the DMA pool.
 * A driver keeps no policy and starts nothing by itself: it is called, from one thread, with upcalls masked or not.
 * N1  What the card says is not believed: an id, a length or an index that cannot be is an error of the card: net_failed().
 * N2  A buffer belongs to the back-end, or to the card between being handed over and coming back; never to both.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "device/pool.h"
#include "runtime/pci.h"

#define NET_SEGMENTS_MAX	18	/* 64 KiB in pages, unaligned, and a header */
#define NET_QUEUES_MAX		4

#define NET_NEEDS_CSUM	(1u << 0)	/* sent: the card fills it in; received: it is blank, nobody has to check it */
#define NET_CSUM_VALID	(1u << 1)	/* received: checked */

enum net_gso { NET_GSO_NONE, NET_GSO_TCP4, NET_GSO_TCP6 };

struct net_frame {
	uint32_t length;		/* of all segments: Ethernet header on, no FCS */
	uint16_t flags;
	uint8_t gso;			/* enum net_gso */
	uint8_t segment_count;
	uint16_t csum_start;		/* NET_NEEDS_CSUM: bytes from the frame's beginning */
	uint16_t csum_offset;		/* from csum_start */
	uint16_t gso_bytes;		/* payload of one segment */
	uint16_t header_bytes;		/* gso: Ethernet, IP and TCP headers */
	uint16_t room;			/* sent: free bytes of the pool before the first segment, which the driver may use until it is back */
	void *cookie;			/* sent: comes back by reap() */
	struct pool_part segment[NET_SEGMENTS_MAX];
};

struct net_device;

struct net_driver {
	const char *name;
	bool (*knows)(const struct pci_function *function);
	/* Resets the card, waits until it says so, sets it up. 0 or -errno; says why on the log. */
	int (*start)(struct net_device *device);
	/* Resets it; true: the card has acknowledged, no DMA will come. */
	bool (*stop)(struct net_device *device);
	/*
	 * A successor's, with the memory of when start() had returned, after stop(): frames that the card had received and the predecessor
	 * had not asked for, as receive() gives them, their buffers claimed. -EAGAIN: there are no more.
	 */
	int (*left)(struct net_device *device, unsigned int queue, struct net_frame *frame);
	/* And then: resets it again, sets it up as it was. 0 or -errno. */
	int (*restart)(struct net_device *device);

	/* Takes one frame; -ENOSPC: later; another error: never, and that only of a frame that has to be summed up or cut. The frame's record is free on return, its memory after reap(). */
	int (*transmit)(struct net_device *device, unsigned int queue, const struct net_frame *frame);
	void (*transmit_push)(struct net_device *device, unsigned int queue);	/* the doorbell, after any number */
	/* Cookies of frames that the card is done with, in the order in which it got them. */
	unsigned int (*reap)(struct net_device *device, unsigned int queue, void **cookie, unsigned int room);

	/* An empty buffer of BUFFER_BYTES; -ENOSPC: it has enough. */
	int (*receive_give)(struct net_device *device, unsigned int queue, void *buffer);
	void (*receive_push)(struct net_device *device, unsigned int queue);
	/*
	 * One whole frame; segment[].at lies in buffers that are the back-end's again. -EAGAIN: none. A frame stays one that left() gives until
	 * the next call of this, of receive_give() or of receive_taken().
	 */
	int (*receive)(struct net_device *device, unsigned int queue, struct net_frame *frame);
	/* left() gives none of those that receive() has given: something else may be in their buffers soon. */
	void (*receive_taken)(struct net_device *device, unsigned int queue);

	/* May the queue interrupt, for frames received, for frames sent? True: there is something already; look again. */
	bool (*interrupts)(struct net_device *device, unsigned int queue, bool receive, bool transmit);
	bool (*link_is_up)(struct net_device *device);
	/*
	 * The link is lost. Resets a card that keeps what it cannot send, and sets it up again: all that was handed over comes back by reap(), sent or not,
	 * and the buffers that it had are free. 0 or -errno. NULL: it keeps nothing.
	 */
	int (*recall)(struct net_device *device);
};

struct net_device {
	const struct net_driver *driver;
	struct pci_function *function;
	uint8_t mac[6];
	uint16_t mtu;
	unsigned int queues;			/* pairs; 1 .. NET_QUEUES_MAX */
	bool does_csum, does_tso, does_lro;
	uint32_t port[NET_QUEUES_MAX];		/* event ports of the queues' interrupts; may all be one */
	uint32_t header_room;			/* bytes that receive() leaves free before a frame's first segment */
	void (*failed)(struct net_device *device, const char *why);	/* the back-end's */
	void *state;				/* the driver's */
};

extern const struct net_driver *const net_drivers[];	/* NULL ends it */

/* P2: all buffers of a frame, or none. */
static inline bool net_frame_claim(const struct net_frame *frame)
{
	for (unsigned int i = 0; i < frame->segment_count; i++)
		if (!buffer_claim(frame->segment[i].at)) {
			while (i-- > 0)
				buffer_free(frame->segment[i].at);
			return false;
		}
	return true;
}
