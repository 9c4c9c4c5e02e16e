/* SPDX-License-Identifier: MIT */
/* The back-end's side of xenbus against front-ends and drivers of every kind; and where things lie in a driver's pages. */
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

#include "../../../protocols/ledger.h"
#include "lib/attach.h"
#include "lib/build.h"
#include "lib/driver.h"
#include "lib/layout.h"

#define TEST(name)	CU_add_test(suite, #name, name)
#define ROUNDS		200000

/* ---- a world of one attachment: what skinkd would do with each action ---- */

struct world {
	struct attach_view view;
	bool is_removed;
	bool driver_is_dead;		/* answers nothing */
	bool driver_refuses;
	uint32_t given, released;
};

static struct world given_world(enum attach_kind kind)
{
	return (struct world){ .view = { .kind = kind, .back = XenbusStateInitialising, .front = XenbusStateInitialising,
					 .driver_serves = true, .is_wanted = true } };
}

static void skinkd_does(struct world *world, enum attach_action action)
{
	struct attach_view *view = &world->view;

	switch (action) {
	case ATTACH_WAIT:
		return;
	case ATTACH_OFFER:
		view->back = XenbusStateInitWait;
		view->is_refused = false;
		return;
	case ATTACH_CONNECT:
		CU_ASSERT_EQUAL(view->record, RECORD_NONE);	/* AT1 */
		view->record = RECORD_GIVEN;
		view->answer = DRIVER_NONE;
		world->given++;
		return;
	case ATTACH_TELL:
		CU_ASSERT(view->record == RECORD_GIVEN && view->answer == DRIVER_ATTACHED);
		view->back = XenbusStateConnected;
		return;
	case ATTACH_CLOSE:
		view->back = XenbusStateClosing;
		return;
	case ATTACH_WITHDRAW:
		CU_ASSERT_EQUAL(view->record, RECORD_GIVEN);
		view->is_refused |= view->answer == DRIVER_REFUSED;
		view->record = RECORD_WITHDRAWN;
		return;
	case ATTACH_RELEASE:
		CU_ASSERT(view->record == RECORD_WITHDRAWN && view->answer == DRIVER_DETACHED);	/* AT1 */
		view->record = RECORD_NONE;
		view->answer = DRIVER_NONE;
		world->released++;
		return;
	case ATTACH_CLOSED:
		view->back = XenbusStateClosed;
		return;
	case ATTACH_REMOVE:
		CU_ASSERT_EQUAL(view->record, RECORD_NONE);
		world->is_removed = true;
		return;
	}
}

static void skinkd_looks(struct world *world)
{
	int steps = 0;

	while (!world->is_removed && attach_next(&world->view) != ATTACH_WAIT && steps++ < 20)
		skinkd_does(world, attach_next(&world->view));
	CU_ASSERT(steps < 20);		/* it comes to rest by itself */
}

static void driver_works(struct world *world)
{
	struct attach_view *view = &world->view;

	if (world->driver_is_dead)
		return;
	if (view->record == RECORD_GIVEN && view->answer == DRIVER_NONE)
		view->answer = world->driver_refuses ? DRIVER_REFUSED : DRIVER_ATTACHED;
	if (view->record == RECORD_WITHDRAWN)
		view->answer = DRIVER_DETACHED;
}

/* As Linux's netfront and blkfront do it. */
static void linux_works(struct world *world)
{
	struct attach_view *view = &world->view;

	if (view->back == XenbusStateInitWait && view->front == XenbusStateInitialising)
		view->front = view->kind == ATTACH_VIF ? XenbusStateConnected : XenbusStateInitialised;
	if (view->back == XenbusStateConnected && view->front == XenbusStateInitialised)
		view->front = XenbusStateConnected;
	if (view->back == XenbusStateClosing && view->front != XenbusStateClosed)
		view->front = XenbusStateClosed;
}

static void all_work(struct world *world)
{
	for (int i = 0; i < 12 && !world->is_removed; i++) {
		skinkd_looks(world);
		driver_works(world);
		linux_works(world);
	}
	skinkd_looks(world);
}

static bool is_connected(const struct world *world)
{
	return world->view.back == XenbusStateConnected && world->view.front == XenbusStateConnected &&
	       world->view.record == RECORD_GIVEN;
}

static const enum attach_kind kinds[] = { ATTACH_VIF, ATTACH_VBD };

static void linux_connects_and_lets_go(void)
{
	for (size_t i = 0; i < 2; i++) {
		struct world world = given_world(kinds[i]);

		all_work(&world);
		CU_ASSERT(is_connected(&world));
		world.view.is_wanted = false;
		all_work(&world);
		CU_ASSERT(world.is_removed && world.given == 1 && world.released == 1);
	}
}

static void nothing_is_offered_before_the_driver_serves(void)
{
	struct world world = given_world(ATTACH_VBD);

	world.view.driver_serves = false;
	all_work(&world);
	CU_ASSERT_EQUAL(world.view.back, XenbusStateInitialising);
	world.view.driver_serves = true;
	all_work(&world);
	CU_ASSERT(is_connected(&world));
}

static void front_end_that_begins_anew_is_served_anew(void)
{
	struct world world = given_world(ATTACH_VIF);

	all_work(&world);
	world.view.front = XenbusStateInitialising;	/* another kernel, by kexec */
	all_work(&world);
	CU_ASSERT(is_connected(&world) && world.given == 2 && world.released == 1);
}

static void front_end_that_closes_may_come_back(void)
{
	struct world world = given_world(ATTACH_VIF);

	all_work(&world);
	world.view.front = XenbusStateClosing;
	skinkd_looks(&world);
	CU_ASSERT_EQUAL(world.view.back, XenbusStateClosing);
	all_work(&world);
	CU_ASSERT(world.view.back == XenbusStateClosed && world.view.record == RECORD_NONE);
	world.view.front = XenbusStateInitialising;
	all_work(&world);
	CU_ASSERT(is_connected(&world));
}

static void front_end_that_never_answers_is_taken_away_by_force_only(void)
{
	struct world world = given_world(ATTACH_VBD);

	all_work(&world);
	world.view.is_wanted = false;
	skinkd_looks(&world);
	CU_ASSERT(!world.is_removed && world.view.record == RECORD_GIVEN);	/* it may still use its disk */
	world.view.is_forced = true;
	skinkd_looks(&world);
	driver_works(&world);
	skinkd_looks(&world);
	CU_ASSERT(world.is_removed);
}

static void driver_that_never_lets_go_keeps_its_record(void)
{
	struct world world = given_world(ATTACH_VBD);

	all_work(&world);
	world.driver_is_dead = true;
	world.view.is_wanted = false;
	world.view.is_forced = true;
	all_work(&world);
	CU_ASSERT(!world.is_removed && world.view.record == RECORD_WITHDRAWN);	/* AT1 */
}

static void front_end_that_is_refused_is_closed_until_it_begins_anew(void)
{
	struct world world = given_world(ATTACH_VBD);

	world.driver_refuses = true;
	for (int i = 0; i < 6; i++) {
		skinkd_looks(&world);
		driver_works(&world);
		if (world.view.back == XenbusStateInitWait && world.view.front == XenbusStateInitialising)
			world.view.front = XenbusStateInitialised;
	}
	CU_ASSERT(world.view.back == XenbusStateClosing && world.view.record == RECORD_NONE && world.given == 1);
	world.view.front = XenbusStateClosed;
	skinkd_looks(&world);
	CU_ASSERT_EQUAL(world.view.back, XenbusStateClosed);
	world.driver_refuses = false;
	world.view.front = XenbusStateInitialising;
	all_work(&world);
	CU_ASSERT(is_connected(&world));
}

/* skinkd was ended in between, and the next one takes up the attachment: what was offered it finds anew. */
static void front_end_that_has_answered_an_offer_of_somebody_else_is_served(void)
{
	const enum xenbus_state answers[] = { XenbusStateInitialised, XenbusStateConnected };

	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < 2; k++) {
			struct world world = given_world(kinds[k]);

			world.view.front = answers[i];
			world.view.driver_serves = false;
			skinkd_looks(&world);
			CU_ASSERT(world.view.back == XenbusStateInitialising && world.given == 0);	/* BUS-12 */
			world.view.driver_serves = true;
			all_work(&world);
			if (kinds[k] == ATTACH_VIF && answers[i] == XenbusStateInitialised)
				CU_ASSERT(world.given == 0);		/* an interface answers with Connected */
			world.view.front = XenbusStateConnected;
			all_work(&world);
			CU_ASSERT(is_connected(&world) && world.given == 1);
		}
}

static void front_end_that_has_answered_so_and_is_refused_is_not_offered_anything_again(void)
{
	for (size_t i = 0; i < 2; i++) {
		struct world world = given_world(kinds[i]);

		world.driver_refuses = true;
		world.view.front = XenbusStateConnected;
		for (int round = 0; round < 6; round++) {
			skinkd_looks(&world);
			driver_works(&world);
			world.view.front = round & 1 ? XenbusStateConnected : XenbusStateInitialised;
		}
		CU_ASSERT(world.view.back == XenbusStateClosing && world.given == 1 && world.released == 1);
	}
}

/* Closing is asked of it first. */
static void front_end_whose_ring_a_death_has_spoilt_goes_when_it_has_closed(void)
{
	for (size_t i = 0; i < 2; i++) {
		struct world world = given_world(kinds[i]);

		all_work(&world);
		world.view.answer = DRIVER_LOST;
		world.view.comes_anew = true;
		skinkd_looks(&world);
		CU_ASSERT(world.view.back == XenbusStateClosing && world.view.record == RECORD_GIVEN);
		all_work(&world);
		CU_ASSERT(world.is_removed && world.released == 1);
	}
}

/* Whatever a front-end and a driver do in whatever order, AT1 holds, skinkd comes to rest, and what is forced out goes. */
static void any_front_end_and_any_driver_do_no_harm(void)
{
	srandom(1);
	for (int round = 0; round < ROUNDS; round++) {
		struct world world = given_world(kinds[random() % 2]);

		for (int i = 0; i < 12 && !world.is_removed; i++) {
			world.view.front = (enum xenbus_state)(random() % 9);
			world.view.is_wanted = random() % 8 != 0;
			world.driver_refuses = random() % 4 == 0;
			if (random() % 3)
				driver_works(&world);
			skinkd_looks(&world);
		}
		world.view.is_wanted = false;
		world.view.is_forced = true;
		skinkd_looks(&world);
		driver_works(&world);
		skinkd_looks(&world);
		CU_ASSERT(world.is_removed && world.given == world.released);
	}
}

static void after_any_past_linux_that_closes_and_begins_anew_is_served(void)
{
	srandom(2);
	for (int round = 0; round < ROUNDS; round++) {
		struct world world = given_world(kinds[random() % 2]);

		for (int i = 0; i < 8; i++) {
			world.view.front = (enum xenbus_state)(random() % 9);
			if (random() % 2)
				driver_works(&world);
			skinkd_looks(&world);
		}
		world.view.front = XenbusStateClosed;
		all_work(&world);
		CU_ASSERT_EQUAL(world.view.back, XenbusStateClosed);
		world.view.front = XenbusStateInitialising;
		all_work(&world);
		CU_ASSERT(is_connected(&world));
	}
}

/* ---- what is read ---- */

struct node {
	const char *name, *value;
};

static char *read_node(void *context, const char *name)
{
	for (const struct node *node = context; node->name; node++)
		if (!strcmp(node->name, name))
			return strdup(node->value);
	return NULL;
}

static bool read_vif(const struct node *nodes, struct driver_attachment *record, char why[ATTACH_WHY])
{
	const struct attach_front front = { read_node, (void *)nodes, 4, DRIVER_RING_ORDER_MAX };

	memset(record, 0, sizeof(*record));
	*why = 0;
	return attach_read_vif(&front, record, why);
}

static bool read_vbd(const struct node *nodes, struct driver_attachment *record, char why[ATTACH_WHY])
{
	const struct attach_front front = { read_node, (void *)nodes, 4, DRIVER_RING_ORDER_MAX };

	memset(record, 0, sizeof(*record));
	*why = 0;
	return attach_read_vbd(&front, record, why);
}

static void what_netfront_writes_is_read(void)
{
	static const struct node one[] = {
		{ "tx-ring-ref", "521" }, { "rx-ring-ref", "522" }, { "event-channel-tx", "10" }, { "event-channel-rx", "11" },
		{ "request-rx-copy", "1" }, { "feature-rx-notify", "1" }, { "feature-sg", "1" }, { "feature-gso-tcpv4", "1" },
		{ "feature-gso-tcpv6", "1" }, { "feature-ipv6-csum-offload", "1" }, { "multi-queue-num-queues", "1" }, { NULL, NULL },
	};
	static const struct node two[] = {
		{ "multi-queue-num-queues", "2" }, { "request-rx-copy", "1" },
		{ "queue-0/tx-ring-ref", "8" }, { "queue-0/rx-ring-ref", "9" }, { "queue-0/event-channel", "5" },
		{ "queue-1/tx-ring-ref", "10" }, { "queue-1/rx-ring-ref", "11" }, { "queue-1/event-channel", "6" }, { NULL, NULL },
	};
	struct driver_attachment record;
	char why[ATTACH_WHY];

	CU_ASSERT(read_vif(one, &record, why));
	CU_ASSERT(record.queue_count == 1 && record.queue[0].ring_ref[0] == 521 && record.queue[0].ring_ref[1] == 522);
	CU_ASSERT(record.queue[0].port[0] == 10 && record.queue[0].port[1] == 11);
	CU_ASSERT_EQUAL(record.flags, DRIVER_NET_SG | DRIVER_NET_GSO_TCP4 | DRIVER_NET_GSO_TCP6 | DRIVER_NET_CSUM6 | DRIVER_NET_RX_NOTIFY);
	CU_ASSERT(read_vif(two, &record, why));
	CU_ASSERT(record.queue_count == 2 && record.queue[1].ring_ref[1] == 11 && record.queue[1].port[0] == 6 &&
		  record.queue[1].port[1] == 6);
}

static void what_blkfront_writes_is_read(void)
{
	static const struct node one[] = {
		{ "ring-ref", "8" }, { "event-channel", "9" }, { "protocol", "x86_64-abi" }, { "feature-persistent", "1" }, { NULL, NULL },
	};
	static const struct node four[] = {
		{ "ring-page-order", "2" }, { "ring-ref0", "4" }, { "ring-ref1", "5" }, { "ring-ref2", "6" }, { "ring-ref3", "7" },
		{ "event-channel", "9" }, { NULL, NULL },
	};
	struct driver_attachment record;
	char why[ATTACH_WHY];

	CU_ASSERT(read_vbd(one, &record, why));
	CU_ASSERT(record.queue_count == 1 && record.queue[0].ring_pages == 1 && record.queue[0].ring_ref[0] == 8 &&
		  record.queue[0].port[0] == 9);
	CU_ASSERT(read_vbd(four, &record, why));
	CU_ASSERT(record.queue[0].ring_pages == 4 && record.queue[0].ring_ref[3] == 7);
}

static void what_a_liar_writes_is_refused_in_words(void)
{
	static const struct {
		struct node node;
		const char *complaint;
	} lies[] = {
		{ { "ring-ref", "4294967296" }, "its 'ring-ref' is 4294967296, and at most 4294967295 is possible" },
		{ { "ring-ref", "99999999999999999999" }, "which is no number" },
		{ { "ring-ref", "" }, "its 'ring-ref' is '', which is no number" },
		{ { "ring-ref", " 8" }, "which is no number" },
		{ { "ring-ref", "0x8" }, "which is no number" },
		{ { "ring-ref", "-8" }, "which is no number" },
		{ { "ring-ref", "\x1b[2J\xff." }, "its 'ring-ref' is '?[2J?.', which is no number" },
		{ { "event-channel", "0" }, "its 'event-channel' is 0, which is no port" },
		{ { "event-channel", "131072" }, "at most 131071 is possible" },
		{ { "protocol", "x86_32-abi" }, "only x86_64-abi is spoken" },
		{ { "ring-page-order", "4" }, "at most 3 is possible" },
		{ { "multi-queue-num-queues", "5" }, "at most 4 is possible" },
		{ { "multi-queue-num-queues", "0" }, "its 'multi-queue-num-queues' is 0" },
		{ { "multi-queue-num-queues", "2" }, "it has not written 'queue-0/ring-ref'" },
		{ { "ring-page-order", "1" }, "it has not written 'ring-ref0'" },
	};
	struct driver_attachment record;
	char why[ATTACH_WHY];

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct node nodes[] = { lies[i].node, { "ring-ref", "8" }, { "event-channel", "9" }, { NULL, NULL } };

		CU_ASSERT(!read_vbd(nodes, &record, why));
		CU_ASSERT_PTR_NOT_NULL(strstr(why, lies[i].complaint));
	}
}

static void front_end_that_flips_pages_is_refused(void)
{
	static const struct node nodes[] = { { "tx-ring-ref", "1" }, { "rx-ring-ref", "2" }, { "event-channel", "3" }, { NULL, NULL } };
	struct driver_attachment record;
	char why[ATTACH_WHY];

	CU_ASSERT(!read_vif(nodes, &record, why));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "request-rx-copy"));
}

static void disks_have_linux_numbers(void)
{
	CU_ASSERT_EQUAL(attach_disk_number("xvda"), 51712);
	CU_ASSERT_EQUAL(attach_disk_number("xvdb"), 51728);
	CU_ASSERT_EQUAL(attach_disk_number("xvda1"), 51713);
	CU_ASSERT_EQUAL(attach_disk_number("xvdp15"), 51967);
	CU_ASSERT_EQUAL(attach_disk_number("xvdq"), 1u << 28 | 16u << 8);
	CU_ASSERT_EQUAL(attach_disk_number("xvdaa"), 1u << 28 | 26u << 8);
	CU_ASSERT_EQUAL(attach_disk_number("xvd"), 0);
	CU_ASSERT_EQUAL(attach_disk_number("xvda16"), 0);
	CU_ASSERT_EQUAL(attach_disk_number("xvda1x"), 0);
	CU_ASSERT_EQUAL(attach_disk_number("sda"), 0);
}

/* ---- places ---- */

static struct driver_table *given_table(enum driver_role role)
{
	struct driver_table *table = calloc(1, DRIVER_TABLE_BYTES(DRIVER_ATTACHMENTS_MAX));

	table->role = (uint16_t)role;
	table->attachment_count = DRIVER_ATTACHMENTS_MAX;
	return table;
}

static bool parts_are_apart(const struct driver_table *table, uint32_t bytes)
{
	uint8_t *taken = calloc(bytes, 1);
	bool are_apart = true;

	for (uint32_t i = 0; i < table->attachment_count; i++)
		for (uint32_t q = 0; q < table->attachment[i].queue_count; q++)
			for (int ring = 0; ring < 2; ring++) {
				const struct driver_ledger *part = &table->attachment[i].queue[q].ledger[ring];

				for (size_t at = part->offset; part->slots && at < part->offset + ledger_bytes(part->slots); at++) {
					are_apart &= at < bytes && !taken[at];
					taken[at % bytes] = 1;
				}
			}
	free(taken);
	return are_apart;
}

/* Comes and goes at random until it is full: parts never overlap, numbers never repeat, and all of it is found again when free. */
static void parts_of_the_ledger_never_overlap(void)
{
	const enum driver_role roles[] = { DRIVER_NET, DRIVER_BLK };

	srandom(3);
	for (int r = 0; r < 2; r++) {
		struct driver_table *table = given_table(roles[r]);
		uint8_t *ledger = malloc(DRIVER_LEDGER_BYTES);
		uint32_t refused = 0, last = 0;

		for (int round = 0; round < 400; round++) {
			struct driver_attachment record = { .queue_count = (uint16_t)(1 + random() % 4) };
			int slot = attach_slot(table);

			for (uint32_t q = 0; q < record.queue_count; q++)
				record.queue[q].ring_pages = roles[r] == DRIVER_NET ? 1 : 1u << random() % 4;
			if (slot >= 0 && attach_ledgers(table, ledger, DRIVER_LEDGER_BYTES, &record)) {
				const struct ledger_ring *ring = (const void *)(ledger + record.queue[0].ledger[0].offset);

				CU_ASSERT(ring->magic == LEDGER_MAGIC && ring->ring > last && ring->commit == ledger_commit_pack(0, 0));
				CU_ASSERT_EQUAL(record.queue[0].ledger[0].offset % LEDGER_ALIGN, 0);
				last = ring->ring;
				record.serial = (uint32_t)round + 1;
				table->attachment[slot] = record;
			} else {
				refused++;
			}
			if (random() % 3 == 0)
				memset(&table->attachment[random() % DRIVER_ATTACHMENTS_MAX], 0, sizeof(record));
		}
		CU_ASSERT(parts_are_apart(table, DRIVER_LEDGER_BYTES));
		CU_ASSERT(refused > 0);
		free(ledger);
		free(table);
	}
}

static void withdrawn_record_keeps_its_place(void)
{
	struct driver_table *table = given_table(DRIVER_BLK);

	table->attachment[0].queue_count = 1;		/* serial 0: the driver has not let go of it */
	CU_ASSERT_EQUAL(attach_slot(table), 1);
	free(table);
}

static void a_ring_has_as_many_slots_as_linux_counts(void)
{
	static const struct {
		uint32_t pages;
		uint16_t slots;
	} rings[] = { { 1, 32 }, { 2, 64 }, { 4, 128 }, { 8, 256 } };
	struct driver_table *table = given_table(DRIVER_BLK);
	uint8_t *ledger = malloc(DRIVER_LEDGER_BYTES);

	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
		struct driver_attachment record = { .queue_count = 1, .queue[0].ring_pages = rings[i].pages };

		CU_ASSERT(attach_ledgers(table, ledger, DRIVER_LEDGER_BYTES, &record));
		CU_ASSERT_EQUAL(record.queue[0].ledger[0].slots, rings[i].slots);
		CU_ASSERT_EQUAL(record.queue[0].ledger[0].response_size, 16);
	}
	free(ledger);
	free(table);
}

static void the_driver_is_told_each_limit_of_the_manifest(void)
{
	const struct manifest_interface interface = {
		.inbound = { .average_bytes_per_s = 5000000, .peak_bytes_per_s = 9000000, .burst_bytes = 300000 },
		.outbound = { .average_bytes_per_s = 2000000 },
	};
	struct driver_net net;

	attach_vif_of(&interface, &net);
	CU_ASSERT(net.to_guest.per_second == 5000000 && net.to_guest.burst == 300000);
	CU_ASSERT(net.to_guest_peak.per_second == 9000000 && net.to_guest_peak.burst == 65535);
	CU_ASSERT(net.from_guest.per_second == 2000000 && net.from_guest.burst == 200000);	/* 100 ms */
	CU_ASSERT_EQUAL(net.from_guest_peak.per_second, 0);
}

static void regions_lie_behind_all_else_and_apart(void)
{
	const struct layout layout = { .initrd_pfn = 30, .frames_needed = 1024 };
	struct build_driver driver = { .role = DRIVER_NET, .pool_frames = 768 };
	struct driver_regions regions;
	struct build_error error;

	CU_ASSERT_EQUAL(driver_regions_choose(&driver, &layout, 4096, &regions, &error), 0);
	CU_ASSERT(regions.pool_order == 10 && regions.pool.pfn == 4096 - 1024 && regions.pool.pages == 768);
	CU_ASSERT(regions.ledger.pfn + regions.ledger.pages == regions.pool.pfn);
	CU_ASSERT(regions.log.pfn + regions.log.pages == regions.ledger.pfn);
	CU_ASSERT(regions.status.pfn + regions.status.pages == regions.log.pfn);
	CU_ASSERT(regions.status.pfn >= layout.frames_needed && regions.table.pfn == 30);
	CU_ASSERT(driver_regions_choose(&driver, &layout, 2048, &regions, &error) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "needs 13 MiB and there are 9"));
	driver.pool_frames = SKINK_DMA_POOL_FRAMES_MAX + 1;
	CU_ASSERT(driver_regions_choose(&driver, &layout, 1 << 20, &regions, &error) < 0);
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("attach", NULL, NULL);
	TEST(linux_connects_and_lets_go);
	TEST(nothing_is_offered_before_the_driver_serves);
	TEST(front_end_that_begins_anew_is_served_anew);
	TEST(front_end_that_closes_may_come_back);
	TEST(front_end_that_never_answers_is_taken_away_by_force_only);
	TEST(driver_that_never_lets_go_keeps_its_record);
	TEST(front_end_that_is_refused_is_closed_until_it_begins_anew);
	TEST(front_end_that_has_answered_an_offer_of_somebody_else_is_served);
	TEST(front_end_that_has_answered_so_and_is_refused_is_not_offered_anything_again);
	TEST(front_end_whose_ring_a_death_has_spoilt_goes_when_it_has_closed);
	TEST(any_front_end_and_any_driver_do_no_harm);
	TEST(after_any_past_linux_that_closes_and_begins_anew_is_served);
	TEST(what_netfront_writes_is_read);
	TEST(what_blkfront_writes_is_read);
	TEST(what_a_liar_writes_is_refused_in_words);
	TEST(front_end_that_flips_pages_is_refused);
	TEST(disks_have_linux_numbers);
	TEST(parts_of_the_ledger_never_overlap);
	TEST(withdrawn_record_keeps_its_place);
	TEST(a_ring_has_as_many_slots_as_linux_counts);
	TEST(the_driver_is_told_each_limit_of_the_manifest);
	TEST(regions_lie_behind_all_else_and_apart);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
