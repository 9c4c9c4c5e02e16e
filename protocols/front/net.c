/* SPDX-License-Identifier: MIT */
#include "net.h"

_Static_assert(VIF_RING_SLOTS % NET_RX_PAGES == 0, "F3");
_Static_assert(NET_RX_PAGES > VIF_PACKET_SLOTS, "NET-41");

static void net_break(struct net *net, const char *what)
{
	net->broken = what;
	net->bus.os->log(net->bus.own, what);
}

/* NET-5  xx:xx:xx:xx:xx:xx */
static bool mac_parse(const char *text, uint8_t mac[6])
{
	for (unsigned int i = 0; i < 12; i++) {
		char c = *text++;
		int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;

		if (digit < 0)
			return false;
		mac[i / 2] = (uint8_t)(mac[i / 2] << 4 | digit);
		if (i % 2 == 1 && *text++ != (i == 11 ? 0 : ':'))
			return false;
	}
	return true;
}

int net_open(struct net *net, const struct front_os *os, const char *own,
	     void (*received)(struct net *net, const uint8_t *frame, size_t size))
{
	char text[20];
	int result;

	*net = (struct net){ .received = received, .tx_ring_gref = FRONT_NO_GRANT, .rx_ring_gref = FRONT_NO_GRANT };
	result = bus_open(&net->bus, os, own);
	if (result)
		return result;
	result = bus_read_own(&net->bus, "mac", text, sizeof(text));
	return result < 0 ? result : mac_parse(text, net->mac) ? 0 : FRONT_INVALID;
}

/* ---------------------------------------------------------------- connecting and closing */

/* A page that the back-end still has mapped is not used again, by anybody. */
static void net_page_release(struct net *net, void *page, uint32_t gref)
{
	if (page && (gref == FRONT_NO_GRANT || net->bus.os->ungrant(gref)))
		net->bus.os->pages_free(page, 1);
}

static void net_release(struct net *net)
{
	if (net->port)
		net->bus.os->event_close(net->port);
	net->port = 0;
	for (unsigned int i = 0; i < NET_TX_PAGES; i++)
		net_page_release(net, net->tx_page[i].page, net->tx_page[i].gref);
	for (unsigned int i = 0; i < NET_RX_PAGES; i++)
		net_page_release(net, net->rx_page[i].page, net->rx_page[i].gref);
	__builtin_memset(net->tx_page, 0, sizeof(net->tx_page));
	__builtin_memset(net->rx_page, 0, sizeof(net->rx_page));
	net_page_release(net, net->tx_ring, net->tx_ring_gref);
	net_page_release(net, net->rx_ring, net->rx_ring_gref);
	net->tx_ring = net->rx_ring = NULL;
	if (net->packet.frame)
		net->bus.os->pages_free(net->packet.frame, VIF_PACKET_SLOTS);
	net->packet = (struct net_packet){ 0 };
}

static void *net_page_create(struct net *net, uint32_t *gref, bool readonly)
{
	void *page = net->bus.os->pages_alloc(1);

	*gref = page ? net->bus.os->grant(net->bus.back_id, page, readonly) : FRONT_NO_GRANT;
	return page;
}

static int net_pages_create(struct net *net, struct net_page *pages, unsigned int count, bool readonly)
{
	for (unsigned int i = 0; i < count; i++) {
		pages[i].page = net_page_create(net, &pages[i].gref, readonly);
		if (pages[i].gref == FRONT_NO_GRANT)
			return FRONT_NO_MEMORY;
	}
	return 0;
}

/* NET-41  Lends every page that is free: the ring's order is the pages'. */
static void net_post(struct net *net)
{
	while (net->rx.req_put - net->rx.rsp_cons < NET_RX_PAGES) {
		struct vif_rx_request request = {
			.id = (uint16_t)(net->rx.req_put % VIF_RING_SLOTS),
			.gref = net->rx_page[net->rx.req_put % NET_RX_PAGES].gref,
		};

		ring_front_put(&net->rx, &request, sizeof(request));
	}
	if (ring_front_push(&net->rx))
		net->bus.os->event_send(net->port);
}

static int net_rings_create(struct net *net)
{
	net->tx_ring = net_page_create(net, &net->tx_ring_gref, false);
	net->rx_ring = net_page_create(net, &net->rx_ring_gref, false);
	net->packet.frame = net->bus.os->pages_alloc(VIF_PACKET_SLOTS);
	if (net->tx_ring_gref == FRONT_NO_GRANT || net->rx_ring_gref == FRONT_NO_GRANT || !net->packet.frame)
		return FRONT_NO_MEMORY;
	ring_front_init(&net->tx, net->tx_ring, FRONT_PAGE, VIF_TX_SLOT);
	ring_front_init(&net->rx, net->rx_ring, FRONT_PAGE, VIF_RX_SLOT);
	if (net_pages_create(net, net->tx_page, NET_TX_PAGES, true) || net_pages_create(net, net->rx_page, NET_RX_PAGES, false))
		return FRONT_NO_MEMORY;
	return net->bus.os->event_open(net->bus.back_id, &net->port);
}

/* BUS-3  The keys first, the state last. */
static int net_keys_write(struct net *net)
{
	static const struct { const char *key; uint64_t value; } features[] = {
		{ "request-rx-copy", 1 }, { "feature-rx-notify", 1 }, { "feature-sg", 1 }, { "feature-no-csum-offload", 1 },
	};
	struct front_bus *bus = &net->bus;
	int result = bus_write(bus, "tx-ring-ref", net->tx_ring_gref);

	if (!result)
		result = bus_write(bus, "rx-ring-ref", net->rx_ring_gref);
	if (!result)
		result = bus_write(bus, "event-channel", net->port);
	for (size_t i = 0; !result && i < sizeof(features) / sizeof(features[0]); i++)
		result = bus_write(bus, features[i].key, features[i].value);
	return result;
}

static void net_publish(struct net *net)
{
	struct front_bus *bus = &net->bus;

	if (bus_read(bus, "feature-rx-copy", 0) != 1) {
		net_break(net, "the back-end would not copy what it receives (feature-rx-copy)");
		return;
	}
	net->sg = bus_read(bus, "feature-sg", 0) == 1;
	net->csum = bus_read(bus, "feature-no-csum-offload", 0) == 0;
	if (net_rings_create(net) || net_keys_write(net)) {
		bus->os->log(bus->own, "no rings could be offered: no memory, grants, event channels or store");
		net_release(net);
		return;
	}
	net_post(net);
	bus_switch(bus, BUS_CONNECTED);
}

/* BUS-9 */
static void net_close(struct net *net)
{
	bus_switch(&net->bus, BUS_CLOSING);
	net_release(net);
	bus_switch(&net->bus, BUS_CLOSED);
}

void net_back_changed(struct net *net)
{
	enum bus_state back = bus_back_state(&net->bus), own = net->bus.state;

	if (back == BUS_INIT_WAIT && own == BUS_INITIALISING)
		net_publish(net);
	else if ((back == BUS_CLOSING || back == BUS_CLOSED) && own != BUS_CLOSED && own != BUS_INITIALISING)
		net_close(net);
}

/* ---------------------------------------------------------------- transmit */

/* RST-4  The pages of a frame, by id: those whose requests are answered. */
static bool net_pages_find(struct net *net, unsigned int count, uint16_t ids[])
{
	unsigned int found = 0;

	for (uint16_t id = 0; id < NET_TX_PAGES && found < count; id++)
		if (!net->tx_page[id].used)
			ids[found++] = id;
	return found == count;
}

int net_send(struct net *net, const void *frame, size_t size, uint16_t flags)
{
	unsigned int slots = (unsigned int)((size + FRONT_PAGE - 1) / FRONT_PAGE);
	uint16_t ids[VIF_PACKET_SLOTS];

	if (!net_is_up(net))
		return FRONT_DOWN;
	if (size < 14 || size > VIF_PACKET_MAX || (slots > 1 && !net->sg) || (flags && (flags != VIF_TX_CSUM_BLANK || !net->csum)))
		return FRONT_INVALID;
	if (ring_front_free(&net->tx) < slots || !net_pages_find(net, slots, ids))
		return FRONT_FULL;
	for (unsigned int i = 0; i < slots; i++) {
		size_t from = i * FRONT_PAGE, part = size - from < FRONT_PAGE ? size - from : FRONT_PAGE;
		struct vif_tx_request request = {
			.gref = net->tx_page[ids[i]].gref, .id = ids[i],
			.flags = (uint16_t)((i == 0 ? flags : 0) | (i + 1 < slots ? VIF_TX_MORE : 0)),
			.size = (uint16_t)(i == 0 ? size : part),
		};

		net->tx_page[ids[i]].used = true;
		__builtin_memcpy(net->tx_page[ids[i]].page, (const uint8_t *)frame + from, part);
		ring_front_put(&net->tx, &request, sizeof(request));
	}
	/* NET-21  All slots of the packet at once. */
	if (ring_front_push(&net->tx))
		net->bus.os->event_send(net->port);
	return 0;
}

static void net_sent(struct net *net, const struct vif_tx_response *response)
{
	if (response->id >= NET_TX_PAGES || !net->tx_page[response->id].used) {
		net_break(net, "transmit: an answer to what was not asked");
		return;
	}
	net->tx_page[response->id].used = false;
	if (response->status != VIF_STATUS_OKAY)
		net->tx_errors++;
}

/* ---------------------------------------------------------------- receive */

/* One slot of a packet that is no extra. */
static void net_slot_receive(struct net *net, const struct vif_rx_response *response, const uint8_t *page)
{
	struct net_packet *packet = &net->packet;

	if (!packet->begun)
		*packet = (struct net_packet){ .frame = packet->frame, .begun = true };
	packet->more = response->flags & VIF_RX_MORE;
	packet->extra = response->flags & VIF_RX_EXTRA;
	if (response->status < 0 || packet->size + (size_t)response->status > NET_FRAME_MAX) {
		packet->bad = true;		/* NET-44 */
	} else {
		__builtin_memcpy(packet->frame + packet->size, page + response->offset, (size_t)response->status);
		packet->size += (size_t)response->status;
	}
}

/* `index` is the slot's: an extra has no id. */
static void net_response_receive(struct net *net, const struct vif_rx_response *response, uint32_t index)
{
	struct net_packet *packet = &net->packet;

	if (packet->extra) {
		struct vif_extra extra;

		/* NET-47  None is known here, so each is passed over. */
		__builtin_memcpy(&extra, response, sizeof(extra));
		packet->extra = extra.flags & VIF_EXTRA_MORE;
	} else if (response->id != index % VIF_RING_SLOTS ||
		   (response->status > 0 && response->offset + (uint32_t)response->status > FRONT_PAGE)) {
		net_break(net, "receive: an answer with a wrong id, or beyond its page");
		return;
	} else {
		net_slot_receive(net, response, net->rx_page[index % NET_RX_PAGES].page);
	}
	if (packet->extra || packet->more)
		return;
	packet->begun = false;
	if (packet->bad || packet->size < 14)
		net->rx_errors++;
	else
		net->received(net, packet->frame, packet->size);
}

/* ---------------------------------------------------------------- events */

static int net_tx_fetch(struct net *net)
{
	struct vif_tx_response response;
	int result;

	do {
		while ((result = ring_front_take(&net->tx, &response, sizeof(response))) == 1 && !net->broken)
			net_sent(net, &response);
	} while (result == 0 && (result = ring_front_sleep(&net->tx, 1)) > 0);
	return result;
}

static int net_rx_fetch(struct net *net)
{
	struct vif_rx_response response;
	int result;

	do {
		while ((result = ring_front_take(&net->rx, &response, sizeof(response))) == 1 && !net->broken)
			net_response_receive(net, &response, net->rx.rsp_cons - 1);
		if (result == 0 && !net->broken)
			net_post(net);
	} while (result == 0 && (result = ring_front_sleep(&net->rx, 1)) > 0);
	return result;
}

void net_event(struct net *net)
{
	if (!net_is_up(net))
		return;
	if (net_tx_fetch(net) < 0 || net_rx_fetch(net) < 0)
		net_break(net, "more answers than requests");
}
