/* SPDX-License-Identifier: MIT */
/*
 * What stands in the rings of a virtual interface. docs/protocols.md has the rules (NET-n); the values are those of Xen's
 * io/netif.h, which tests/unit/protocols.c compares. Two rings a queue: transmit (from the front-end), receive.
 * A packet is one or more slots, its extra slots behind the first; an extra of a request is answered with VIF_STATUS_NULL.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define VIF_TX_SLOT		12u
#define VIF_RX_SLOT		8u
#define VIF_RING_SLOTS		256u	/* in the one page of either ring */
#define VIF_PACKET_SLOTS	18u	/* so many, without extras, every back-end takes */
#define VIF_PACKET_MAX		65535u

/* The front-end transmits. */
struct vif_tx_request {
	uint32_t gref;
	uint16_t offset;		/* in the granted page */
	uint16_t flags;			/* VIF_TX_* */
	uint16_t id;
	uint16_t size;			/* of the first slot: the whole packet; of the others: what lies in this page */
};

#define VIF_TX_CSUM_BLANK	1u	/* the transport checksum holds only the pseudo header's sum */
#define VIF_TX_VALIDATED	2u	/* no need to look at the transport checksum */
#define VIF_TX_MORE		4u	/* the packet goes on in the next slot that is no extra */
#define VIF_TX_EXTRA		8u	/* a struct vif_extra is in the next slot */

struct vif_tx_response {
	uint16_t id;
	int16_t status;			/* VIF_STATUS_* */
};

/* The front-end receives: it lends a page. */
struct vif_rx_request {
	uint16_t id;
	uint16_t zero;
	uint32_t gref;
};

struct vif_rx_response {
	uint16_t id;
	uint16_t offset;		/* in the page */
	uint16_t flags;			/* VIF_RX_* */
	int16_t status;			/* bytes in this page, or VIF_STATUS_* below 0 */
};

#define VIF_RX_VALIDATED	1u
#define VIF_RX_CSUM_BLANK	2u
#define VIF_RX_MORE		4u
#define VIF_RX_EXTRA		8u
#define VIF_RX_GSO_PREFIX	16u	/* of old back-ends; never sent */

#define VIF_STATUS_DROPPED	(-2)
#define VIF_STATUS_ERROR	(-1)
#define VIF_STATUS_OKAY		0
#define VIF_STATUS_NULL		1	/* the answer to an extra slot */

/* In the place of a transmit request or of a receive response. */
struct vif_extra {
	uint8_t type;			/* VIF_EXTRA_* */
	uint8_t flags;			/* VIF_EXTRA_MORE: one more extra in the next slot */
	union {
		struct {
			uint16_t size;	/* payload of each segment */
			uint8_t type;	/* VIF_GSO_* */
			uint8_t zero;
			uint16_t features;	/* zero */
		} gso;
		uint8_t mcast[6];	/* an address */
		struct {
			uint8_t type;
			uint8_t algorithm;
			uint8_t value[4];
		} hash;
		uint16_t word[3];
	};
};

#define VIF_EXTRA_NONE		0u	/* never sent */
#define VIF_EXTRA_GSO		1u
#define VIF_EXTRA_MCAST_ADD	2u
#define VIF_EXTRA_MCAST_DEL	3u
#define VIF_EXTRA_HASH		4u
#define VIF_EXTRA_TYPES		5u

#define VIF_EXTRA_MORE		1u

#define VIF_GSO_NONE		0u
#define VIF_GSO_TCPV4		1u
#define VIF_GSO_TCPV6		2u

_Static_assert(sizeof(struct vif_tx_request) == VIF_TX_SLOT, "NET-20");
_Static_assert(sizeof(struct vif_tx_response) == 4, "NET-20");
_Static_assert(sizeof(struct vif_rx_request) == VIF_RX_SLOT, "NET-20");
_Static_assert(sizeof(struct vif_rx_response) == VIF_RX_SLOT, "NET-20");
_Static_assert(sizeof(struct vif_extra) == VIF_RX_SLOT, "NET-20");
