/* SPDX-License-Identifier: MIT */
/* protocols/vif.h, vbd.h and ring.h say what Xen's headers say: compared by the compiler, and rings against Xen's own macros. */
#include <string.h>

#define xen_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>
#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>

#include "../../protocols/front/bus.h"
#include "../../protocols/front/store.h"
#include "../../protocols/ring.h"
#include "../../protocols/vbd.h"
#include "../../protocols/vif.h"

#include "unit.h"

#define SAME(ours, theirs) _Static_assert((intmax_t)(ours) == (intmax_t)(theirs), #ours " is not " #theirs)
#define SAME_FIELD(ours, field, theirs, their_field)						\
	SAME(offsetof(ours, field), offsetof(theirs, their_field));				\
	SAME(sizeof(((ours *)0)->field), sizeof(((theirs *)0)->their_field))

SAME(offsetof(struct ring_shared, req_prod), offsetof(netif_tx_sring_t, req_prod));
SAME(offsetof(struct ring_shared, req_event), offsetof(netif_tx_sring_t, req_event));
SAME(offsetof(struct ring_shared, rsp_prod), offsetof(netif_tx_sring_t, rsp_prod));
SAME(offsetof(struct ring_shared, rsp_event), offsetof(netif_tx_sring_t, rsp_event));
SAME(offsetof(struct ring_shared, slot), offsetof(netif_tx_sring_t, ring));
SAME(offsetof(struct ring_shared, slot), offsetof(netif_rx_sring_t, ring));
SAME(offsetof(struct ring_shared, slot), offsetof(blkif_sring_t, ring));
SAME(VIF_TX_SLOT, sizeof(union netif_tx_sring_entry));
SAME(VIF_RX_SLOT, sizeof(union netif_rx_sring_entry));
SAME(VBD_SLOT, sizeof(union blkif_sring_entry));
SAME(VIF_RING_SLOTS, __CONST_RING_SIZE(netif_tx, 4096));
SAME(VIF_RING_SLOTS, __CONST_RING_SIZE(netif_rx, 4096));

SAME(sizeof(struct vif_tx_request), sizeof(struct netif_tx_request));
SAME_FIELD(struct vif_tx_request, gref, struct netif_tx_request, gref);
SAME_FIELD(struct vif_tx_request, offset, struct netif_tx_request, offset);
SAME_FIELD(struct vif_tx_request, flags, struct netif_tx_request, flags);
SAME_FIELD(struct vif_tx_request, id, struct netif_tx_request, id);
SAME_FIELD(struct vif_tx_request, size, struct netif_tx_request, size);
SAME(sizeof(struct vif_tx_response), sizeof(struct netif_tx_response));
SAME_FIELD(struct vif_tx_response, id, struct netif_tx_response, id);
SAME_FIELD(struct vif_tx_response, status, struct netif_tx_response, status);
SAME(sizeof(struct vif_rx_request), sizeof(struct netif_rx_request));
SAME_FIELD(struct vif_rx_request, id, struct netif_rx_request, id);
SAME_FIELD(struct vif_rx_request, gref, struct netif_rx_request, gref);
SAME(sizeof(struct vif_rx_response), sizeof(struct netif_rx_response));
SAME_FIELD(struct vif_rx_response, id, struct netif_rx_response, id);
SAME_FIELD(struct vif_rx_response, offset, struct netif_rx_response, offset);
SAME_FIELD(struct vif_rx_response, flags, struct netif_rx_response, flags);
SAME_FIELD(struct vif_rx_response, status, struct netif_rx_response, status);
SAME(sizeof(struct vif_extra), sizeof(struct netif_extra_info));
SAME_FIELD(struct vif_extra, type, struct netif_extra_info, type);
SAME_FIELD(struct vif_extra, flags, struct netif_extra_info, flags);
SAME_FIELD(struct vif_extra, gso.size, struct netif_extra_info, u.gso.size);
SAME_FIELD(struct vif_extra, gso.type, struct netif_extra_info, u.gso.type);
SAME_FIELD(struct vif_extra, gso.features, struct netif_extra_info, u.gso.features);
SAME_FIELD(struct vif_extra, mcast, struct netif_extra_info, u.mcast.addr);
SAME_FIELD(struct vif_extra, hash.type, struct netif_extra_info, u.hash.type);
SAME_FIELD(struct vif_extra, hash.algorithm, struct netif_extra_info, u.hash.algorithm);
SAME_FIELD(struct vif_extra, hash.value, struct netif_extra_info, u.hash.value);
SAME(VIF_TX_CSUM_BLANK, NETTXF_csum_blank);
SAME(VIF_TX_VALIDATED, NETTXF_data_validated);
SAME(VIF_TX_MORE, NETTXF_more_data);
SAME(VIF_TX_EXTRA, NETTXF_extra_info);
SAME(VIF_RX_VALIDATED, NETRXF_data_validated);
SAME(VIF_RX_CSUM_BLANK, NETRXF_csum_blank);
SAME(VIF_RX_MORE, NETRXF_more_data);
SAME(VIF_RX_EXTRA, NETRXF_extra_info);
SAME(VIF_RX_GSO_PREFIX, NETRXF_gso_prefix);
SAME(VIF_STATUS_DROPPED, NETIF_RSP_DROPPED);
SAME(VIF_STATUS_ERROR, NETIF_RSP_ERROR);
SAME(VIF_STATUS_OKAY, NETIF_RSP_OKAY);
SAME(VIF_STATUS_NULL, NETIF_RSP_NULL);
SAME(VIF_EXTRA_NONE, XEN_NETIF_EXTRA_TYPE_NONE);
SAME(VIF_EXTRA_GSO, XEN_NETIF_EXTRA_TYPE_GSO);
SAME(VIF_EXTRA_MCAST_ADD, XEN_NETIF_EXTRA_TYPE_MCAST_ADD);
SAME(VIF_EXTRA_MCAST_DEL, XEN_NETIF_EXTRA_TYPE_MCAST_DEL);
SAME(VIF_EXTRA_HASH, XEN_NETIF_EXTRA_TYPE_HASH);
SAME(VIF_EXTRA_TYPES, XEN_NETIF_EXTRA_TYPE_MAX);
SAME(VIF_EXTRA_MORE, XEN_NETIF_EXTRA_FLAG_MORE);
SAME(VIF_GSO_NONE, XEN_NETIF_GSO_TYPE_NONE);
SAME(VIF_GSO_TCPV4, XEN_NETIF_GSO_TYPE_TCPV4);
SAME(VIF_GSO_TCPV6, XEN_NETIF_GSO_TYPE_TCPV6);
SAME(VIF_PACKET_SLOTS, XEN_NETIF_NR_SLOTS_MIN);
SAME(VIF_PACKET_MAX, XEN_NETIF_MAX_TX_SIZE);

SAME(sizeof(struct vbd_segment), sizeof(struct blkif_request_segment));
SAME_FIELD(struct vbd_segment, gref, struct blkif_request_segment, gref);
SAME_FIELD(struct vbd_segment, first_sector, struct blkif_request_segment, first_sect);
SAME_FIELD(struct vbd_segment, last_sector, struct blkif_request_segment, last_sect);
SAME(sizeof(struct vbd_request), sizeof(struct blkif_request));
SAME_FIELD(struct vbd_request, operation, struct blkif_request, operation);
SAME_FIELD(struct vbd_request, segments, struct blkif_request, nr_segments);
SAME_FIELD(struct vbd_request, handle, struct blkif_request, handle);
SAME_FIELD(struct vbd_request, id, struct blkif_request, id);
SAME_FIELD(struct vbd_request, sector, struct blkif_request, sector_number);
SAME_FIELD(struct vbd_request, segment, struct blkif_request, seg);
SAME(sizeof(struct vbd_request_discard), sizeof(struct blkif_request_discard));
SAME_FIELD(struct vbd_request_discard, flags, struct blkif_request_discard, flag);
SAME_FIELD(struct vbd_request_discard, id, struct blkif_request_discard, id);
SAME_FIELD(struct vbd_request_discard, sector, struct blkif_request_discard, sector_number);
SAME_FIELD(struct vbd_request_discard, sectors, struct blkif_request_discard, nr_sectors);
SAME(sizeof(struct vbd_request_indirect), sizeof(struct blkif_request_indirect));
SAME_FIELD(struct vbd_request_indirect, inner, struct blkif_request_indirect, indirect_op);
SAME_FIELD(struct vbd_request_indirect, segments, struct blkif_request_indirect, nr_segments);
SAME_FIELD(struct vbd_request_indirect, id, struct blkif_request_indirect, id);
SAME_FIELD(struct vbd_request_indirect, sector, struct blkif_request_indirect, sector_number);
SAME_FIELD(struct vbd_request_indirect, handle, struct blkif_request_indirect, handle);
SAME_FIELD(struct vbd_request_indirect, gref, struct blkif_request_indirect, indirect_grefs);
SAME(sizeof(struct vbd_response), sizeof(struct blkif_response));
SAME_FIELD(struct vbd_response, id, struct blkif_response, id);
SAME_FIELD(struct vbd_response, operation, struct blkif_response, operation);
SAME_FIELD(struct vbd_response, status, struct blkif_response, status);
SAME(VBD_SEGMENTS, BLKIF_MAX_SEGMENTS_PER_REQUEST);
SAME(VBD_INDIRECT_PAGES, BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST);
SAME(VBD_SEGMENTS_A_PAGE, 4096 / sizeof(struct blkif_request_segment));
SAME(VBD_OP_READ, BLKIF_OP_READ);
SAME(VBD_OP_WRITE, BLKIF_OP_WRITE);
SAME(VBD_OP_BARRIER, BLKIF_OP_WRITE_BARRIER);
SAME(VBD_OP_FLUSH, BLKIF_OP_FLUSH_DISKCACHE);
SAME(VBD_OP_DISCARD, BLKIF_OP_DISCARD);
SAME(VBD_OP_INDIRECT, BLKIF_OP_INDIRECT);
SAME(VBD_DISCARD_SECURE, BLKIF_DISCARD_SECURE);
SAME(VBD_STATUS_UNSUPPORTED, BLKIF_RSP_EOPNOTSUPP);
SAME(VBD_STATUS_ERROR, BLKIF_RSP_ERROR);
SAME(VBD_STATUS_OKAY, BLKIF_RSP_OKAY);
SAME(VBD_INFO_CDROM, VDISK_CDROM);
SAME(VBD_INFO_REMOVABLE, VDISK_REMOVABLE);
SAME(VBD_INFO_READONLY, VDISK_READONLY);

SAME(BUS_INITIALISING, XenbusStateInitialising);
SAME(BUS_INIT_WAIT, XenbusStateInitWait);
SAME(BUS_INITIALISED, XenbusStateInitialised);
SAME(BUS_CONNECTED, XenbusStateConnected);
SAME(BUS_CLOSING, XenbusStateClosing);
SAME(BUS_CLOSED, XenbusStateClosed);

SAME_FIELD(struct store_page, request, struct xenstore_domain_interface, req);
SAME_FIELD(struct store_page, reply, struct xenstore_domain_interface, rsp);
SAME_FIELD(struct store_page, request_read, struct xenstore_domain_interface, req_cons);
SAME_FIELD(struct store_page, request_written, struct xenstore_domain_interface, req_prod);
SAME_FIELD(struct store_page, reply_read, struct xenstore_domain_interface, rsp_cons);
SAME_FIELD(struct store_page, reply_written, struct xenstore_domain_interface, rsp_prod);
SAME(STORE_READ, XS_READ);
SAME(STORE_WATCH, XS_WATCH);
SAME(STORE_WRITE, XS_WRITE);
SAME(STORE_EVENT, XS_WATCH_EVENT);
SAME(STORE_ERROR, XS_ERROR);
SAME(sizeof(struct store_header), sizeof(struct xsd_sockmsg));
SAME_FIELD(struct store_header, type, struct xsd_sockmsg, type);
SAME_FIELD(struct store_header, id, struct xsd_sockmsg, req_id);
SAME_FIELD(struct store_header, transaction, struct xsd_sockmsg, tx_id);
SAME_FIELD(struct store_header, length, struct xsd_sockmsg, len);

#define PAGES		16
#define BYTES		(PAGES * RING_PAGE)

/* Before, at and behind the wrap, and half way round. */
static const uint32_t beginnings[] = { 0, 1, 0x7fffffe0u, 0x7fffffffu, 0x80000000u, 0xffffffe0u, 0xffffffffu };
static uint64_t memory[BYTES / 8];
static struct ring_shared *const shared = (struct ring_shared *)memory;

static struct ring_front front;
static struct ring_back back;

/* Both ends of a ring of `slots` from `pages` pages, as if `index` requests had been made and answered. */
static void given_ring(size_t bytes, size_t slot_size, uint32_t index)
{
	ring_front_init(&front, memory, bytes, slot_size);
	front.req_put = front.req_prod = front.rsp_cons = front.rsp_seen = index;
	shared->req_prod = shared->rsp_prod = index;
	shared->req_event = shared->rsp_event = index + 1;
	ring_back_attach(&back, memory, bytes, slot_size, index, index);
}

static struct vif_tx_request given_request(uint16_t id)
{
	return (struct vif_tx_request){ .gref = id * 3u, .id = id, .size = 60 };
}

static void slots_are_as_many_as_xen_counts(void)
{
	blkif_sring_t *sring = (blkif_sring_t *)memory;

	CU_ASSERT_EQUAL(ring_slots(RING_PAGE, VIF_TX_SLOT), VIF_RING_SLOTS);
	CU_ASSERT_EQUAL(ring_slots(RING_PAGE, VIF_RX_SLOT), VIF_RING_SLOTS);
	for (size_t pages = 1; pages <= PAGES; pages *= 2) {
		blkif_front_ring_t theirs;

		FRONT_RING_INIT(&theirs, sring, pages * RING_PAGE);
		CU_ASSERT_EQUAL(ring_slots(pages * RING_PAGE, VBD_SLOT), RING_SIZE(&theirs));
	}
}

static void new_ring_is_what_xen_makes_of_it(void)
{
	static uint64_t theirs[RING_PAGE / 8];
	netif_tx_sring_t *sring = (netif_tx_sring_t *)theirs;

	SHARED_RING_INIT(sring);
	given_ring(RING_PAGE, VIF_TX_SLOT, 0);
	CU_ASSERT_EQUAL(memcmp(theirs, memory, sizeof(struct ring_shared)), 0);
}

static void more_requests_than_slots_are_refused(void)			/* R3 */
{
	struct vif_tx_request request;

	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		uint32_t index = beginnings[i];

		given_ring(RING_PAGE, VIF_TX_SLOT, index);
		shared->req_prod = index + VIF_RING_SLOTS;
		CU_ASSERT_EQUAL(ring_back_look(&back), VIF_RING_SLOTS);
		shared->req_prod = index + VIF_RING_SLOTS + 1;
		CU_ASSERT_EQUAL(ring_back_look(&back), RING_EPROTO);
		CU_ASSERT_EQUAL(back.refused, index + VIF_RING_SLOTS + 1);
		given_ring(RING_PAGE, VIF_TX_SLOT, index);
		shared->req_prod = index - 1;
		CU_ASSERT_EQUAL(ring_back_take(&back, &request, sizeof(request)), RING_EPROTO);
		CU_ASSERT_EQUAL(back.req_cons, index);
	}
}

static void requests_count_until_their_answer_is_published(void)		/* R3 */
{
	struct vif_tx_response response = { 0 };
	struct vif_tx_request request;

	given_ring(RING_PAGE, VIF_TX_SLOT, 0xfffffff0u);
	shared->req_prod = 0xfffffff0u + VIF_RING_SLOTS;
	CU_ASSERT_EQUAL(ring_back_take(&back, &request, sizeof(request)), 1);
	ring_back_put(&back, &response, sizeof(response));
	shared->req_prod++;
	CU_ASSERT_EQUAL(ring_back_look(&back), RING_EPROTO);
	ring_back_push(&back);
	CU_ASSERT_EQUAL(ring_back_look(&back), VIF_RING_SLOTS);
}

static void req_prod_that_runs_backwards_is_refused(void)		/* R3 */
{
	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		given_ring(RING_PAGE, VIF_TX_SLOT, beginnings[i]);
		shared->req_prod = beginnings[i] + 5;
		CU_ASSERT_EQUAL(ring_back_look(&back), 5);
		shared->req_prod = beginnings[i] + 4;
		CU_ASSERT_EQUAL(ring_back_look(&back), RING_EPROTO);
	}
}

static void rsp_prod_that_lies_is_refused(void)
{
	struct vif_tx_request request = given_request(1);

	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		given_ring(RING_PAGE, VIF_TX_SLOT, beginnings[i]);
		ring_front_put(&front, &request, sizeof(request));
		ring_front_put(&front, &request, sizeof(request));
		ring_front_push(&front);
		ring_front_put(&front, &request, sizeof(request));
		shared->rsp_prod = beginnings[i] + 3;			/* that one is not published */
		CU_ASSERT_EQUAL(ring_front_look(&front), RING_EPROTO);
		CU_ASSERT_EQUAL(front.refused, beginnings[i] + 3);
		shared->rsp_prod = beginnings[i] + 2;
		CU_ASSERT_EQUAL(ring_front_look(&front), 2);
		shared->rsp_prod = beginnings[i] + 1;
		CU_ASSERT_EQUAL(ring_front_look(&front), RING_EPROTO);
		shared->rsp_prod = beginnings[i] - 1;
		CU_ASSERT_EQUAL(ring_front_look(&front), RING_EPROTO);
	}
}

static void request_that_is_rewritten_later_is_as_it_was_copied(void)	/* R1 */
{
	struct vif_tx_request request = given_request(7), taken;

	given_ring(RING_PAGE, VIF_TX_SLOT, 0);
	ring_front_put(&front, &request, sizeof(request));
	ring_front_push(&front);
	CU_ASSERT_EQUAL(ring_back_take(&back, &taken, sizeof(taken)), 1);
	memset(shared->slot, 0xff, VIF_TX_SLOT);
	CU_ASSERT_EQUAL(memcmp(&taken, &request, sizeof(taken)), 0);
}

/* Both ends of ours over a whole number of rounds, in steps that do not divide the ring. */
static void every_request_arrives_once_and_in_order(void)		/* R2 */
{
	uint16_t sent = 0, served = 0, received = 0;

	given_ring(RING_PAGE, VIF_TX_SLOT, 0xfffffe00u);
	for (unsigned int step = 1; received < 4 * VIF_RING_SLOTS; step = step * 7 % 251) {
		struct vif_tx_request request;
		struct vif_tx_response response;

		for (unsigned int i = 0; i < step && ring_front_free(&front) > 0; i++) {
			request = given_request(sent++);
			ring_front_put(&front, &request, sizeof(request));
		}
		ring_front_push(&front);
		while (ring_back_take(&back, &request, sizeof(request)) == 1) {
			CU_ASSERT_EQUAL(request.id, served++);
			CU_ASSERT_EQUAL(request.gref, request.id * 3u);
			response = (struct vif_tx_response){ .id = request.id };
			ring_back_put(&back, &response, sizeof(response));
		}
		ring_back_push(&back);
		while (ring_front_take(&front, &response, sizeof(response)) == 1)
			CU_ASSERT_EQUAL(response.id, received++);
	}
	CU_ASSERT_EQUAL(received, sent);
}

static void full_ring_has_no_free_slot(void)
{
	struct vif_tx_request request = given_request(1);

	given_ring(RING_PAGE, VIF_TX_SLOT, 0xffffffffu);
	for (unsigned int i = 0; i < VIF_RING_SLOTS; i++) {
		CU_ASSERT_EQUAL(ring_front_free(&front), VIF_RING_SLOTS - i);
		ring_front_put(&front, &request, sizeof(request));
	}
	CU_ASSERT_EQUAL(ring_front_free(&front), 0);
	ring_front_push(&front);
	CU_ASSERT_EQUAL(ring_back_look(&back), VIF_RING_SLOTS);
}

/* Against Xen's macro, for every place that rsp_event may have near the indices. */
static void events_are_those_of_xens_macros(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++)
		for (uint32_t count = 0; count < 5; count++)
			for (uint32_t event = beginnings[i] - 6; event != beginnings[i] + 8; event++) {
				blkif_sring_t *sring = (blkif_sring_t *)memory;
				blkif_front_ring_t xen_front;
				blkif_back_ring_t xen_back;
				bool due;

				given_ring(RING_PAGE, VBD_SLOT, beginnings[i]);
				BACK_RING_ATTACH(&xen_back, sring, beginnings[i] + count, RING_PAGE);
				FRONT_RING_ATTACH(&xen_front, sring, beginnings[i] + count, RING_PAGE);
				shared->rsp_event = shared->req_event = event;
				RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&xen_back, due);
				back.rsp_put += count;
				CU_ASSERT_EQUAL(ring_back_push(&back), due);
				RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&xen_front, due);
				front.req_put += count;
				CU_ASSERT_EQUAL(ring_front_push(&front), due);
			}
}

static void who_sleeps_is_woken_by_what_comes_next(void)
{
	struct vif_tx_request request = given_request(1);
	struct vif_tx_response response = { .id = 1 };

	given_ring(RING_PAGE, VIF_TX_SLOT, 0x7fffffffu);
	CU_ASSERT_EQUAL(ring_back_sleep(&back), 0);
	CU_ASSERT_EQUAL(ring_front_sleep(&front, 1), 0);
	ring_front_put(&front, &request, sizeof(request));
	CU_ASSERT_TRUE(ring_front_push(&front));
	ring_front_put(&front, &request, sizeof(request));
	CU_ASSERT_FALSE(ring_front_push(&front));			/* nobody asked again */
	CU_ASSERT_EQUAL(ring_back_sleep(&back), 2);
	CU_ASSERT_EQUAL(ring_back_take(&back, &request, sizeof(request)), 1);
	ring_back_put(&back, &response, sizeof(response));
	CU_ASSERT_TRUE(ring_back_push(&back));
	CU_ASSERT_EQUAL(ring_front_sleep(&front, 1), 1);
}

/* A predecessor committed three answers and published one; requests behind them wait. */
static void take_over_publishes_what_was_committed_and_serves_from_there(void)	/* ledger.md, 4 */
{
	struct vif_tx_request request;
	struct vif_tx_response response;

	given_ring(RING_PAGE, VIF_TX_SLOT, 0xfffffffeu);
	for (uint16_t id = 0; id < 5; id++) {
		request = given_request(id);
		ring_front_put(&front, &request, sizeof(request));
	}
	ring_front_push(&front);
	shared->rsp_prod = 0xffffffffu;

	ring_back_attach(&back, memory, RING_PAGE, VIF_TX_SLOT, 0xffffffffu, 0xfffffffeu + 3);
	for (uint16_t id = 1; id < 3; id++) {
		response = (struct vif_tx_response){ .id = id };
		ring_back_put(&back, &response, sizeof(response));
	}
	CU_ASSERT_TRUE(ring_back_push_take_over(&back));
	CU_ASSERT_EQUAL(shared->rsp_prod, 1);
	CU_ASSERT_EQUAL(ring_back_look(&back), 2);
	CU_ASSERT_EQUAL(ring_back_take(&back, &request, sizeof(request)), 1);
	CU_ASSERT_EQUAL(request.id, 3);
}

/* It may have died between publishing and its event: an event is due though nothing is put. None to one that has fetched all. */
static void take_over_wakes_whom_the_predecessor_did_not(void)		/* L4, L8 */
{
	given_ring(RING_PAGE, VIF_TX_SLOT, 0x80000000u);
	shared->req_prod = 0x80000002u;
	shared->rsp_prod = 0x80000001u;
	ring_back_attach(&back, memory, RING_PAGE, VIF_TX_SLOT, 0x80000001u, 0x80000001u);
	CU_ASSERT_TRUE(ring_back_push_take_over(&back));
	shared->rsp_event = 0x80000002u;
	CU_ASSERT_FALSE(ring_back_push_take_over(&back));
}

static const struct unit_case cases[] = {
	UNIT_CASE(more_requests_than_slots_are_refused),
	UNIT_CASE(requests_count_until_their_answer_is_published),
	UNIT_CASE(req_prod_that_runs_backwards_is_refused),
	UNIT_CASE(rsp_prod_that_lies_is_refused),
	UNIT_CASE(request_that_is_rewritten_later_is_as_it_was_copied),
	UNIT_CASE(slots_are_as_many_as_xen_counts),
	UNIT_CASE(new_ring_is_what_xen_makes_of_it),
	UNIT_CASE(every_request_arrives_once_and_in_order),
	UNIT_CASE(full_ring_has_no_free_slot),
	UNIT_CASE(events_are_those_of_xens_macros),
	UNIT_CASE(who_sleeps_is_woken_by_what_comes_next),
	UNIT_CASE(take_over_publishes_what_was_committed_and_serves_from_there),
	UNIT_CASE(take_over_wakes_whom_the_predecessor_did_not),
};

int main(void)
{
	return unit_run("protocols", cases, ARRAY_SIZE(cases));
}
