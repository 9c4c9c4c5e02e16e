/* SPDX-License-Identifier: MIT */
/*
 * The reference front-end of a virtual interface: one queue, pages lent once and for all, frames copied in and out of them.
 * docs/front-ends.md says how to build it in.
 *   net_open()            when the store has device/vif/N
 *   net_back_changed()    whenever the state of the back-end may have changed (a watch on <backend>/state)
 *   net_event()           whenever the event channel net->port fires
 * F1  A request's slot and page are left alone until its response is published (RST-1 to RST-4).
 * F2  A response is copied once and judged; a back-end that breaks the rules is not spoken to again (net->broken).
 * F3  Receive request n lends page n % NET_RX_PAGES: there are never more requests than pages.
 */
#pragma once

#include "../ring.h"
#include "../vif.h"
#include "bus.h"

#define NET_TX_PAGES	64u
#define NET_RX_PAGES	64u		/* divides VIF_RING_SLOTS; NET-41: at least VIF_PACKET_SLOTS */
#define NET_FRAME_MAX	(VIF_PACKET_SLOTS * FRONT_PAGE)

struct net_page {
	uint8_t *page;
	uint32_t gref;
	bool used;			/* transmit: its request is not answered */
};

/* The packet that is being received: its slots may come in several events. */
struct net_packet {
	uint8_t *frame;			/* NET_FRAME_MAX bytes */
	size_t size;
	bool begun;			/* its first slot has come */
	bool bad;			/* a slot said so, or it is too large */
	bool more, extra;		/* what comes next: a slot of it, an extra */
};

struct net {
	struct front_bus bus;
	struct ring_front tx, rx;
	uint32_t port;
	void *tx_ring, *rx_ring;
	uint32_t tx_ring_gref, rx_ring_gref;
	struct net_page tx_page[NET_TX_PAGES], rx_page[NET_RX_PAGES];
	struct net_packet packet;
	void (*received)(struct net *net, const uint8_t *frame, size_t size);	/* the OS's; the frame is gone after it */
	uint8_t mac[6];
	bool sg, csum;			/* the back-end takes packets of several slots; blank checksums */
	uint64_t tx_errors, rx_errors;
	const char *broken;		/* what the back-end did, or NULL */
};

int net_open(struct net *net, const struct front_os *os, const char *own,
	     void (*received)(struct net *net, const uint8_t *frame, size_t size));
void net_back_changed(struct net *net);
void net_event(struct net *net);

static inline bool net_is_up(const struct net *net)
{
	return net->bus.state == BUS_CONNECTED && !net->broken;
}

/* A whole frame of 14 bytes or more; `flags`: 0, or VIF_TX_CSUM_BLANK if net->csum. 0: copied and sent. FRONT_FULL: after a net_event(). */
int net_send(struct net *net, const void *frame, size_t size, uint16_t flags);
