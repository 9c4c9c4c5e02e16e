/* SPDX-License-Identifier: MIT */
/*
 * The scripted front-end of an interface: a guest that tries its back-end, device/vif/0, with what is right and what is wrong. Somebody
 * on the wire has 10.0.2.2 and answers ARP, as QEMU's user network does.
 */
#include "../../protocols/vif.h"
#include "judge.h"
#include "packet.h"

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/lib.h"
#include "runtime/memory.h"
#include "runtime/time.h"

#define ANSWER_MS 20000
#define STATE_MS 60000
#define ASKS 5				/* ARP may be lost */
#define RX_PAGES 64u
#define TX_PAGES 24u
#define PLACES_A_PAGE 64u
#define NO_GREF 1900u			/* within the table, and lent to nobody */
#define SLOTS_MAX 32u

static struct front_bus bus;
static struct ring_front tx, rx;
static uint32_t port, tx_gref, rx_gref;
static uint8_t *rx_page[RX_PAGES], *tx_page[TX_PAGES];
static uint32_t rx_lent[RX_PAGES], tx_lent[TX_PAGES];
static bool rx_bad;			/* the next receive request lends nothing */
static struct packet_host self = { .address = { 10, 0, 2, 15 } };
static const uint8_t wire_address[4] = { 10, 0, 2, 2 };
static bool wire_answered;
static unsigned int rx_refused;
static uint16_t next_id = 0x7ff0;
static unsigned int state_awaited;

/* ---------------------------------------------------------------- connecting */

static bool back_has_state(void) { return bus_back_state(&bus) == state_awaited; }

static bool back_comes_to(enum bus_state state, unsigned int ms)
{
	state_awaited = state;
	return judge_wait(back_has_state, ms);
}

static void mac_read(void)
{
	char text[20] = "";

	bus_read_own(&bus, "mac", text, sizeof(text));
	for (unsigned int i = 0; i < 12; i++) {
		char c = text[i / 2 * 3 + i % 2];

		self.mac[i / 2] = (uint8_t)(self.mac[i / 2] << 4 | (c <= '9' ? c - '0' : (c | 32) - 'a' + 10));
	}
}

/* Without that there is nothing to try. */
static void not_served(const char *expected)
{
	wrong(expected, "state %u of the back-end, %u s later", bus_back_state(&bus), STATE_MS / 1000);
	judge_over();
}

static void offers_before_init_wait(void)
{
	if (!back_comes_to(BUS_INIT_WAIT, STATE_MS))
		not_served("state 2 of a back-end that serves");
	else if (bus_read(&bus, "feature-rx-copy", 0) != 1 || bus_read(&bus, "feature-sg", 0) != 1)
		wrong("feature-rx-copy = 1, feature-sg = 1", "%u and %u", (unsigned int)bus_read(&bus, "feature-rx-copy", 0),
		      (unsigned int)bus_read(&bus, "feature-sg", 0));
}

static void post(void)
{
	while (rx.req_put - rx.rsp_cons < RX_PAGES) {
		struct vif_rx_request request = {
			.id = (uint16_t)(rx.req_put * 3), .gref = rx_bad ? NO_GREF : rx_lent[rx.req_put % RX_PAGES],
		};

		ring_front_put(&rx, &request, sizeof(request));
		rx_bad = false;
	}
	if (ring_front_push(&rx))
		kernel_os.event_send(port);
}

static void *ring_page(uint32_t *gref)
{
	void *page = kernel_os.pages_alloc(1);

	*gref = kernel_os.grant(bus.back_id, page, false);
	return page;
}

static void connects(void)
{
	ring_front_init(&tx, ring_page(&tx_gref), FRONT_PAGE, VIF_TX_SLOT);
	ring_front_init(&rx, ring_page(&rx_gref), FRONT_PAGE, VIF_RX_SLOT);
	for (unsigned int i = 0; i < RX_PAGES; i++)
		rx_page[i] = ring_page(&rx_lent[i]);
	for (unsigned int i = 0; i < TX_PAGES; i++)
		tx_page[i] = ring_page(&tx_lent[i]);
	ASSERT(kernel_os.event_open(bus.back_id, &port) == 0);
	post();
	bus_write(&bus, "tx-ring-ref", tx_gref);
	bus_write(&bus, "rx-ring-ref", rx_gref);
	bus_write(&bus, "event-channel", port);
	bus_write(&bus, "request-rx-copy", 1);
	bus_write(&bus, "feature-rx-notify", 1);
	bus_write(&bus, "feature-no-csum-offload", 1);
	bus_switch(&bus, BUS_CONNECTED);
	if (!back_comes_to(BUS_CONNECTED, STATE_MS))
		not_served("state 4 after the front-end's keys");
	else if (!kernel_grant_is_used(tx_gref) || !kernel_grant_is_used(rx_gref))
		wrong("both rings attached when the state is 4", "grants %u and %u are not both mapped", tx_gref, rx_gref);
}

/* ---------------------------------------------------------------- receiving */

static void received(const struct vif_rx_response *response, uint32_t index)
{
	uint8_t mac[6];

	if (response->id != (uint16_t)(index * 3))
		wrong("the id of the slot's request", "receive: id %u in the slot of id %u", response->id, (uint16_t)(index * 3));
	if (response->flags & (VIF_RX_MORE | VIF_RX_EXTRA | VIF_RX_CSUM_BLANK | VIF_RX_GSO_PREFIX))
		wrong("none of VIF_RX_CSUM_BLANK, _MORE, _EXTRA, _GSO_PREFIX", "receive: flags 0x%x", response->flags);
	if (response->status > 0 && response->offset + response->status > (int)FRONT_PAGE)
		wrong("bytes within the page", "receive: %d bytes from offset %u", response->status, response->offset);
	else if (response->status > 0)
		wire_answered |= packet_is_arp_reply(rx_page[index % RX_PAGES] + response->offset, (size_t)response->status, mac);
	else
		rx_refused++;
}

static void fetch_received(void)
{
	struct vif_rx_response response;

	do {
		while (ring_front_take(&rx, &response, sizeof(response)) == 1)
			received(&response, rx.rsp_cons - 1);
		post();
	} while (ring_front_sleep(&rx, 1) > 0);
}

static bool wire_has_answered(void)
{
	fetch_received();
	return wire_answered;
}

/* ---------------------------------------------------------------- sending */

/* A packet in its slots, as they will stand in the ring. */
struct shape {
	struct vif_tx_request slot[SLOTS_MAX];
	struct vif_extra extra;		/* behind the first, if its type is not 0 */
	unsigned int slots;
};

/* An ARP request of 60 bytes, in so many slots, each in a place that none of the last 1,500 used: RST-3. */
static struct shape given_arp(unsigned int slots)
{
	uint8_t frame[60];
	struct shape shape = { .slots = slots };
	unsigned int part = 60 / slots, from = 0;
	static unsigned int place;

	packet_arp(&self, wire_address, frame);
	for (unsigned int i = 0; i < slots; i++) {
		unsigned int bytes = i + 1 < slots ? part : 60 - from;
		unsigned int number = place / PLACES_A_PAGE % TX_PAGES, offset = place++ % PLACES_A_PAGE * 64;

		memcpy(tx_page[number] + offset, frame + from, bytes);
		from += bytes;
		shape.slot[i] = (struct vif_tx_request){
			.gref = tx_lent[number], .offset = (uint16_t)offset, .id = next_id++,
			.flags = i + 1 < slots ? VIF_TX_MORE : 0, .size = (uint16_t)(i ? bytes : 60),
		};
	}
	return shape;
}

static void put(const struct shape *shape)
{
	for (unsigned int i = 0; i < shape->slots; i++) {
		ring_front_put(&tx, &shape->slot[i], sizeof(shape->slot[i]));
		if (i == 0 && shape->slot[0].flags & VIF_TX_EXTRA)
			ring_front_put(&tx, &shape->extra, sizeof(shape->extra));
	}
}

static void push(void)
{
	if (ring_front_push(&tx))
		kernel_os.event_send(port);
}

static bool sent_is_answered(void)
{
	fetch_received();
	return ring_front_sleep(&tx, 1) != 0;
}

static bool take_answer(struct vif_tx_response *response)
{
	if (judge_wait(sent_is_answered, ANSWER_MS) && ring_front_take(&tx, response, sizeof(*response)) == 1)
		return true;
	wrong("an answer to each slot", "transmit: none for %u s", ANSWER_MS / 1000);
	judge_over();
	return false;
}

/* The answers to all its slots: fine, or each of them an error. */
static void expect(const struct shape *shape, bool fine, const char *what)
{
	struct vif_tx_response response;

	for (unsigned int i = 0; i < shape->slots; i++) {
		if (!take_answer(&response))
			return;
		if (response.id != shape->slot[i].id)
			wrong("the id of the request", "%s: id %u, asked was id %u", what, response.id, shape->slot[i].id);
		if ((response.status == VIF_STATUS_OKAY) != fine)
			wrong(fine ? "status 0" : "an error", "%s: status %d in slot %u", what, response.status, i);
		if (i == 0 && shape->slot[0].flags & VIF_TX_EXTRA && (!take_answer(&response) || response.status != VIF_STATUS_NULL))
			wrong("VIF_STATUS_NULL (1) for an extra", "%s: status %d", what, response.status);
	}
}

/* The wire answers an ARP request of that many slots. */
static void expect_wire(unsigned int slots)
{
	wire_answered = false;
	for (unsigned int i = 0; i < ASKS && !wire_answered; i++) {
		struct shape shape = given_arp(slots);

		put(&shape);
		push();
		expect(&shape, true, "an ARP request");
		judge_wait(wire_has_answered, ANSWER_MS / ASKS);
	}
	if (!wire_answered)
		wrong("an answer of 10.0.2.2", "none to an ARP request of %u slots, asked %u times", slots, ASKS);
}

/* ---------------------------------------------------------------- the steps */

static void asks_to_be_woken(void)
{
	time_sleep_ns(500000000);
	if (tx.shared->req_event != tx.req_prod + 1)
		wrong("req_event = req_prod + 1 in a back-end that waits", "tx: req_event %u, req_prod %u", tx.shared->req_event, tx.req_prod);
}

static void passes_packets(void) { expect_wire(1); }

static void takes_eighteen_slots(void) { expect_wire(VIF_PACKET_SLOTS); }

static void answers_in_order(void)
{
	struct shape shape[20];

	for (unsigned int i = 0; i < 20; i++) {
		shape[i] = given_arp(1 + i % 4);
		if (i % 6 == 5)
			shape[i].slot[0].size = 0;
		put(&shape[i]);
	}
	push();
	for (unsigned int i = 0; i < 20; i++)
		expect(&shape[i], i % 6 != 5, i % 6 == 5 ? "a packet of 0 bytes" : "one of 20 packets");
}

static void wrong_packets_are_refused(void)
{
	struct shape shape;

	for (unsigned int i = 0; i < 10; i++) {
		static const char *const what[] = {
			"13 bytes", "a slot beyond its page", "slots with more bytes than the packet", "19 slots", "a page that is not lent",
			"a second page that is not lent", "an extra of an unknown type", "segmentation by 0 bytes", "segmentation of an unknown type",
			"a second slot beyond its page",
		};

		shape = given_arp(i == 3 ? 19 : 2);
		switch (i) {
		case 0: shape = given_arp(1); shape.slot[0].size = 13; break;
		case 1: shape = given_arp(1); shape.slot[0].offset = 4090; break;
		case 2: shape.slot[1].size = 60; break;
		case 4: shape.slot[0].gref = NO_GREF; break;
		case 5: shape.slot[1].gref = NO_GREF; break;
		case 6: shape.slot[0].flags |= VIF_TX_EXTRA; shape.extra = (struct vif_extra){ .type = 9 }; break;
		case 7: shape.slot[0].flags |= VIF_TX_EXTRA | VIF_TX_CSUM_BLANK;
			shape.extra = (struct vif_extra){ .type = VIF_EXTRA_GSO, .gso = { .type = VIF_GSO_TCPV4 } }; break;
		case 8: shape.slot[0].flags |= VIF_TX_EXTRA | VIF_TX_CSUM_BLANK;
			shape.extra = (struct vif_extra){ .type = VIF_EXTRA_GSO, .gso = { .type = 9, .size = 1400 } }; break;
		case 9: shape.slot[1].offset = 4090; break;
		}
		put(&shape);
		push();
		expect(&shape, false, what[i]);
	}
	expect_wire(1);
}

/* The page for the next packet is not there: that one is lost, or comes in the page behind. */
static void receive_page_that_is_not_lent(void)
{
	unsigned int before = rx_refused;

	rx_bad = true;
	for (unsigned int i = 0; i < RX_PAGES + 8 && rx_refused == before; i++)
		expect_wire(1);
	if (rx_refused == before)
		wrong("an error for a receive request without a grant", "none, %u packets later", RX_PAGES + 8);
	expect_wire(1);
}

static bool four_are_answered(void)
{
	return tx.shared->rsp_prod - tx.rsp_cons >= 4;
}

static void event_that_is_asked_for_comes(void)
{
	struct shape shape[4];

	/* What is received has the same channel: nothing is asked of it meanwhile. */
	fetch_received();
	rx.shared->rsp_event = rx.rsp_cons + 1000;
	events_taken();
	tx.shared->rsp_event = tx.rsp_cons + 4;
	for (unsigned int i = 0; i < 4; i++) {
		shape[i] = given_arp(1);
		put(&shape[i]);
	}
	push();
	if (!judge_wait(four_are_answered, ANSWER_MS))
		wrong("four packets answered", "%u of them, %u s later", tx.shared->rsp_prod - tx.rsp_cons, ANSWER_MS / 1000);
	time_sleep_ns(100000000);
	if (events_taken() == 0)
		wrong("an event for the fourth response, as rsp_event asks", "none");
	for (unsigned int i = 0; i < 4; i++)
		expect(&shape[i], true, "one of four packets");
}

static bool closing_or_closed(void) { return bus_back_state(&bus) >= BUS_CLOSING || bus_back_state(&bus) == BUS_UNKNOWN; }

static void half_a_packet_ends_the_attachment(void)
{
	struct shape shape = given_arp(1);

	shape.slot[0].flags = VIF_TX_MORE;
	put(&shape);
	push();
	if (!judge_wait(closing_or_closed, STATE_MS))
		wrong("state 5 or 6: the attachment ends", "state %u of the back-end, %u s later", bus_back_state(&bus), STATE_MS / 1000);
}

static void lets_go_before_closed(void)
{
	bus_switch(&bus, BUS_CLOSING);
	bus_switch(&bus, BUS_CLOSED);
	kernel_os.event_close(port);
	if (!back_comes_to(BUS_CLOSED, STATE_MS))
		wrong("state 6 after the front-end's 6", "state %u of the back-end, %u s later", bus_back_state(&bus), STATE_MS / 1000);
	if (!kernel_os.ungrant(tx_gref) || !kernel_os.ungrant(rx_gref))
		wrong("the rings' grants free", "one is still mapped");
}

static void begin(void)
{
	offers_before_init_wait();
	connects();
}

static void tell(void)
{
	decode_tx_begin();
	ring_tell("tx", &tx, decode_tx_request, decode_tx_response);
	ring_tell("rx", &rx, decode_rx_request, decode_rx_response);
}

void guest_main(void)
{
	static const struct step steps[] = {
		{ "BUS-12", "has written what it offers before InitWait", offers_before_init_wait },
		{ "BUS-13", "attaches the rings and goes to Connected", connects },
		{ "BUS-39", "asks by req_event to be woken before it waits", asks_to_be_woken },
		{ "NET-63", "passes packets to the wire and from it", passes_packets },
		{ "NET-60", "takes packets of 18 slots", takes_eighteen_slots },
		{ "BUS-38", "answers in the order of the requests, with their ids", answers_in_order },
		{ "NET-61", "refuses wrong packets one by one, and goes on", wrong_packets_are_refused },
		{ "NET-40", "answers a receive page that is not lent with an error, and goes on", receive_page_that_is_not_lent },
		{ "BUS-39", "sends the event that is asked for", event_that_is_asked_for_comes },
		{ "NET-21", "ends the attachment of half a packet", half_a_packet_ends_the_attachment },
		{ "BUS-15", "lets go of the rings before it is Closed", lets_go_before_closed },
	};

	kernel_init();
	kernel_begin("device/vif/0");
	ASSERT(bus_open(&bus, &kernel_os, "device/vif/0") == 0);
	mac_read();
	kernel_watch(bus.back);
	storm_if_told(begin, &port);
	judge(steps, sizeof(steps) / sizeof(steps[0]), tell);
	for (;;)
		kernel_wait(0);
}
