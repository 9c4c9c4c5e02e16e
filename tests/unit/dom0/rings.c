/* SPDX-License-Identifier: MIT */
/* What 'skink rings' shows of a ring (lib/ring_view.h, skinkd/rings.c): what stands there, decoded, and of noise no more than there is room for (RV1). */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../../protocols/ledger.h"
#include "../../../protocols/ring.h"
#include "../../../protocols/vbd.h"
#include "../../../protocols/vif.h"
#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/methods.h"
#include "skinkd/rings.h"

#define FRONT	5
#define BACK	3
#define GREF	600		/* in the second page of the table */
#define FRAME	0x1234u

struct host host;
struct attachment *attachments;

/* What the method alone needs: it is not called here. */
void rpc_answer(struct request *request, json_t *result) { }
void rpc_fail(struct request *request, int code, const char *format, ...) { }
bool rpc_unpack(struct request *request, const char *format, ...) { return false; }
bool method_target(struct request *request, const json_t *named, struct target *target) { return false; }

/* ---- the front-end's memory, in libxenforeignmemory's place ---- */

static uint8_t page[8][4096] __attribute__((aligned(16)));
static grant_entry_v1_t grants[8192 / sizeof(grant_entry_v1_t)];
static int mapped;
static bool is_gone;

static void *given(void *at)
{
	if (is_gone)
		errno = ESRCH;
	mapped += !is_gone;
	return is_gone ? NULL : at;
}

xenforeignmemory_resource_handle *xenforeignmemory_map_resource(xenforeignmemory_handle *memory, domid_t id, unsigned int type,
								 unsigned int number, unsigned long frame, unsigned long count,
								 void **at, int protection, int flags)
{
	CU_ASSERT_TRUE(id == FRONT && type == XENMEM_resource_grant_table && count == 1 && frame < 2 && protection == PROT_READ);
	*at = given((uint8_t *)grants + frame * 4096);
	return *at;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *memory, xenforeignmemory_resource_handle *resource)
{
	return mapped--, 0;
}

void *xenforeignmemory_map(xenforeignmemory_handle *memory, uint32_t id, int protection, size_t count, const xen_pfn_t frames[], int errors[])
{
	CU_ASSERT_TRUE(id == FRONT && count == 1 && frames[0] >= FRAME && frames[0] < FRAME + 8 && protection == PROT_READ);
	return given(page[frames[0] - FRAME]);
}

int xenforeignmemory_unmap(xenforeignmemory_handle *memory, void *at, size_t count)
{
	return mapped--, 0;
}

/* ---- given ---- */

static struct domain domain = { .id = BACK };
static union {
	struct driver_table table;
	uint8_t bytes[sizeof(struct driver_table) + 3 * sizeof(struct driver_attachment)];
} dom0;
static uint8_t ledgers[4096] __attribute__((aligned(4096)));
static struct driver driver = { .domain = &domain, .table = &dom0.table, .ledger = ledgers, .shared = { .ledger_pages = 1 } };
static struct attachment attachment;
static struct ring_shared *const shared = (void *)page;

static void given_ring(enum attach_kind kind, uint32_t pages)
{
	struct driver_queue *queue = &dom0.table.attachment[2].queue[0];

	memset(page, 0, sizeof(page));
	memset(&dom0, 0, sizeof(dom0));
	memset(grants, 0, sizeof(grants));
	is_gone = false;
	attachment = (struct attachment){ .kind = kind, .front_id = FRONT, .front_name = "web", .key = "xvda", .driver_name = "disk0",
					  .driver = &driver, .record = RECORD_GIVEN, .slot = 2 };
	attachments = &attachment;
	dom0.table.attachment[2].queue_count = 1;
	queue->ring_pages = pages;
	for (uint32_t i = 0; i < pages; i++) {
		queue->ring_ref[i] = GREF + i;
		grants[GREF + i] = (grant_entry_v1_t){ .flags = GTF_permit_access, .domid = BACK, .frame = FRAME + i };
	}
	if (kind == ATTACH_VIF) {
		queue->ring_ref[1] = GREF + 1;
		grants[GREF + 1] = (grant_entry_v1_t){ .flags = GTF_permit_access, .domid = BACK, .frame = FRAME + 1 };
	}
}

static void put(uint32_t which, uint32_t index, const void *slot, uint32_t bytes, uint32_t slots)
{
	memcpy(page[which] + sizeof(struct ring_shared) + (index % slots) * bytes, slot, bytes);
}

/* ---- when, then ---- */

/* The n-th ring of the driver; the caller gives it away. */
static json_t *shown(size_t which, uint32_t most)
{
	json_t *rings = rings_of_driver(&driver, 99, most), *ring = json_incref(json_array_get(rings, which));
	char *text = json_dumps(rings, 0);

	CU_ASSERT_PTR_NOT_NULL(text);
	CU_ASSERT_EQUAL(mapped, 0);
	free(text);
	json_decref(rings);
	return ring;
}

static json_t *request_of(const json_t *ring, size_t number)
{
	return json_array_get(json_object_get(ring, "waiting"), number);
}

static json_int_t number(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

static bool says(const json_t *json, const char *key, const char *text)
{
	const char *said = json_string_value(json_object_get(json, key));

	return said && !strcmp(said, text);
}

static size_t waiting(const json_t *ring)
{
	return json_array_size(json_object_get(ring, "waiting"));
}

static void reads_and_writes_have_their_segments(void)
{
	const struct vbd_request read = { .operation = VBD_OP_READ, .segments = 2, .id = 77, .sector = 4096,
					  .segment = { { 11, 0, 7, 0 }, { 12, 3, 4, 0 } } };
	const struct vbd_request flush = { .operation = VBD_OP_FLUSH, .id = 78 };
	json_t *ring, *segments;

	given_ring(ATTACH_VBD, 1);
	put(0, 31, &read, VBD_SLOT, 32);
	put(0, 32, &flush, VBD_SLOT, 32);
	*shared = (struct ring_shared){ .req_prod = 33, .req_event = 34, .rsp_prod = 31, .rsp_event = 32 };
	ring = shown(0, 99);
	CU_ASSERT_TRUE(number(ring, "slots") == 32 && number(ring, "req_prod") == 33 && number(ring, "req_event") == 34);
	CU_ASSERT_TRUE(number(ring, "rsp_prod") == 31 && number(ring, "rsp_event") == 32 && waiting(ring) == 2);
	CU_ASSERT_TRUE(says(ring, "ring", "disk") && says(ring, "domain", "web") && says(ring, "driver", "disk0"));
	CU_ASSERT_TRUE(says(request_of(ring, 0), "operation", "read") && number(request_of(ring, 0), "id") == 77);
	CU_ASSERT_TRUE(number(request_of(ring, 0), "sector") == 4096 && number(request_of(ring, 0), "index") == 31);
	segments = json_object_get(request_of(ring, 0), "segments");
	CU_ASSERT_EQUAL(json_array_size(segments), 2);
	CU_ASSERT_TRUE(number(json_array_get(segments, 1), "gref") == 12 && number(json_array_get(segments, 1), "first_sector") == 3 &&
		       number(json_array_get(segments, 1), "last_sector") == 4);
	CU_ASSERT_TRUE(says(request_of(ring, 1), "operation", "flush") && number(request_of(ring, 1), "index") == 32);
	json_decref(ring);
}

static void indirect_and_discard_requests_are_what_they_are(void)
{
	const union vbd_slot indirect = { .indirect = { .operation = VBD_OP_INDIRECT, .inner = VBD_OP_WRITE, .segments = 200, .id = 9, .sector = 8 } };
	const union vbd_slot wrong = { .indirect = { .operation = VBD_OP_INDIRECT, .inner = 200 } };
	const union vbd_slot discard = { .discard = { .operation = VBD_OP_DISCARD, .id = 10, .sector = 16, .sectors = 1ull << 40 } };
	const struct vbd_request unknown = { .operation = 4 }, garbage = { .operation = 255, .segments = 255 };
	json_t *ring;

	given_ring(ATTACH_VBD, 1);
	put(0, 0, &indirect, VBD_SLOT, 32);
	put(0, 1, &discard, VBD_SLOT, 32);
	put(0, 2, &wrong, VBD_SLOT, 32);
	put(0, 3, &unknown, VBD_SLOT, 32);
	put(0, 4, &garbage, VBD_SLOT, 32);
	shared->req_prod = 5;
	ring = shown(0, 99);
	CU_ASSERT_TRUE(says(request_of(ring, 0), "operation", "write") && number(request_of(ring, 0), "indirect_segments") == 200 &&
		       number(request_of(ring, 0), "id") == 9 && number(request_of(ring, 0), "sector") == 8);
	CU_ASSERT_TRUE(says(request_of(ring, 1), "operation", "discard") && number(request_of(ring, 1), "sectors") == 1ll << 40 &&
		       number(request_of(ring, 1), "id") == 10 && number(request_of(ring, 1), "sector") == 16);
	for (size_t i = 2; i < 5; i++)
		CU_ASSERT_TRUE(says(request_of(ring, i), "operation", "?"));
	CU_ASSERT_EQUAL(json_array_size(json_object_get(request_of(ring, 4), "segments")), VBD_SEGMENTS);
	json_decref(ring);
}

static void ring_of_several_pages_is_one(void)
{
	const struct vbd_request read = { .operation = VBD_OP_READ, .id = 5 };
	uint32_t at = sizeof(struct ring_shared) + 200 * VBD_SLOT;

	given_ring(ATTACH_VBD, 8);
	memcpy((uint8_t *)page + at, &read, sizeof(read));
	*shared = (struct ring_shared){ .req_prod = 456 + 1, .rsp_prod = 456 };
	json_t *ring = shown(0, 99);

	CU_ASSERT_TRUE(number(ring, "slots") == 256 && waiting(ring) == 1 && number(request_of(ring, 0), "id") == 5);
	json_decref(ring);
}

static void packet_with_an_extra_is_decoded_slot_by_slot(void)
{
	const struct vif_tx_request first = { .gref = 40, .offset = 64, .flags = VIF_TX_EXTRA | VIF_TX_MORE | VIF_TX_CSUM_BLANK, .id = 1, .size = 9000 };
	const struct vif_tx_request second = { .gref = 41, .flags = VIF_TX_VALIDATED, .id = 2, .size = 4096 };
	struct { struct vif_extra extra; uint32_t rest; } gso = { .extra = { .type = VIF_EXTRA_GSO, .flags = VIF_EXTRA_MORE, .gso = { 1448, VIF_GSO_TCPV6, 0, 0 } } };
	struct { struct vif_extra extra; uint32_t rest; } hash = { .extra = { .type = VIF_EXTRA_HASH } };
	const struct vif_rx_request lent = { .id = 17, .gref = 99 };
	json_t *ring, *flags;

	given_ring(ATTACH_VIF, 1);
	put(0, 300, &first, VIF_TX_SLOT, 256);
	put(0, 301, &gso, VIF_TX_SLOT, 256);
	put(0, 302, &hash, VIF_TX_SLOT, 256);
	put(0, 303, &second, VIF_TX_SLOT, 256);
	*shared = (struct ring_shared){ .req_prod = 304, .rsp_prod = 300 };
	put(1, 0, &lent, VIF_RX_SLOT, 256);
	((struct ring_shared *)page[1])->req_prod = 1;
	ring = shown(0, 99);
	flags = json_object_get(request_of(ring, 0), "flags");
	CU_ASSERT_TRUE(says(ring, "ring", "transmit") && waiting(ring) == 4 && json_array_size(flags) == 3);
	CU_ASSERT_TRUE(number(request_of(ring, 0), "gref") == 40 && number(request_of(ring, 0), "offset") == 64 && number(request_of(ring, 0), "size") == 9000);
	CU_ASSERT_TRUE(says(request_of(ring, 1), "extra", "gso") && number(request_of(ring, 1), "gso_size") == 1448 && number(request_of(ring, 1), "gso_type") == 2);
	CU_ASSERT_TRUE(says(request_of(ring, 2), "extra", "hash"));
	CU_ASSERT_TRUE(number(request_of(ring, 3), "gref") == 41 && number(request_of(ring, 3), "index") == 303);
	json_decref(ring);
	ring = shown(1, 99);
	CU_ASSERT_TRUE(says(ring, "ring", "receive") && waiting(ring) == 1 && number(request_of(ring, 0), "id") == 17 && number(request_of(ring, 0), "gref") == 99);
	json_decref(ring);
}

static void indices_that_lie_show_no_more_than_there_are_slots(void)	/* RV1 */
{
	static const struct { uint32_t req_prod, rsp_prod; size_t shown; } lies[] = {
		{ 0, 1, 32 }, { UINT32_MAX, 0, 32 }, { 33, 0, 32 }, { 5, UINT32_MAX - 3, 9 }, { 7, 7, 0 },
	};

	given_ring(ATTACH_VBD, 1);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		*shared = (struct ring_shared){ .req_prod = lies[i].req_prod, .rsp_prod = lies[i].rsp_prod };
		json_t *ring = shown(0, 99), *few = shown(0, 4);

		CU_ASSERT_EQUAL(waiting(ring), lies[i].shown);
		CU_ASSERT_EQUAL(waiting(few), lies[i].shown < 4 ? lies[i].shown : 4);
		json_decref(ring);
		json_decref(few);
	}
}

static void page_that_is_not_this_drivers_is_not_looked_at(void)
{
	static const grant_entry_v1_t wrong[] = {
		{ .flags = GTF_permit_access, .domid = BACK + 1, .frame = FRAME }, { .flags = GTF_invalid, .domid = BACK, .frame = FRAME },
		{ .flags = GTF_accept_transfer, .domid = BACK, .frame = FRAME },
	};

	for (size_t i = 0; i <= sizeof(wrong) / sizeof(wrong[0]); i++) {
		given_ring(ATTACH_VBD, 1);
		if (i < sizeof(wrong) / sizeof(wrong[0]))
			grants[GREF] = wrong[i];
		else
			is_gone = true;
		json_t *ring = shown(0, 99);

		CU_ASSERT_PTR_NOT_NULL(json_string_value(json_object_get(ring, "error")));
		CU_ASSERT_PTR_NULL(json_object_get(ring, "waiting"));
		json_decref(ring);
	}
}

static void ledger_is_shown_where_there_is_one(void)
{
	struct ledger_ring *ledger = (void *)ledgers;
	json_t *ring;

	given_ring(ATTACH_VBD, 1);
	*ledger = (struct ledger_ring){ .commit = ledger_commit_pack(12, 3), .published = 11 };
	ring = shown(0, 99);
	CU_ASSERT_TRUE(number(ring, "commit") == 12 && number(ring, "published") == 11 && json_is_true(json_object_get(ring, "commit_whole")));
	json_decref(ring);
	ledger->commit ^= 1;
	ring = shown(0, 99);
	CU_ASSERT_TRUE(json_is_false(json_object_get(ring, "commit_whole")));
	json_decref(ring);
	dom0.table.attachment[2].queue[0].ledger[0].offset = 4096;		/* none of ours */
	ring = shown(0, 99);
	CU_ASSERT_PTR_NULL(json_object_get(ring, "commit"));
	json_decref(ring);
}

static void noise_is_shown_as_such(void)	/* RV1 */
{
	uint64_t random = 1;

	for (unsigned int turn = 0; turn < 300; turn++) {
		given_ring(turn % 2 ? ATTACH_VIF : ATTACH_VBD, 1);
		for (size_t i = 0; i < 2 * 4096; i++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			((uint8_t *)page)[i] = (uint8_t)(random >> 40);
		}
		for (size_t which = 0; which <= turn % 2; which++) {
			json_t *ring = shown(which, UINT32_MAX);

			CU_ASSERT_TRUE((json_int_t)waiting(ring) <= number(ring, "slots"));
			json_decref(ring);
		}
	}
}

#define TEST(name) CU_add_test(suite, #name, name)

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("rings", NULL, NULL);
	TEST(reads_and_writes_have_their_segments);
	TEST(indirect_and_discard_requests_are_what_they_are);
	TEST(ring_of_several_pages_is_one);
	TEST(packet_with_an_extra_is_decoded_slot_by_slot);
	TEST(indices_that_lie_show_no_more_than_there_are_slots);
	TEST(page_that_is_not_this_drivers_is_not_looked_at);
	TEST(ledger_is_shown_where_there_is_one);
	TEST(noise_is_shown_as_such);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
