/* SPDX-License-Identifier: MIT */
/* What a block driver's successor does with what it finds: who is first, and requests that kill (driver.md, sections 6 and 7). */
#include <CUnit/Basic.h>
#include <string.h>

#include "blk_world.h"
#include "device/pool.h"
#include "runtime/driver_domain.h"
#include "runtime/lib.h"

#define REQUESTS 5u

static uint64_t deadly_id = UINT64_MAX;		/* the driver dies when it comes to this one */
static bool dies_of_answers;
static uint32_t deaths;

/* ---- given ---- */

static uint32_t page_of(uint32_t place) { return place * 4096; }

static void given_disks(uint32_t count)
{
	world_begin(1);
	deaths = 0;
	deadly_id = UINT64_MAX;
	for (uint32_t place = 0; place < count; place++) {
		world_attach(place, 1, 1, 1, 64);
		world.lent[page_of(place)] = LENT;
		world.lent_to_disk[page_of(place)] = (uint16_t)place;
	}
	world_start();
	world_settle();
}

static void given_requests(uint32_t place, uint32_t count)
{
	struct world_queue *queue = &world.disk[place].queue[0];
	union vbd_slot slot = { .plain = { .operation = VBD_OP_READ, .segments = 1 } };

	slot.plain.segment[0] = (struct vbd_segment){ .gref = page_of(place), .last_sector = 7 };
	for (uint32_t i = 0; i < count; i++) {
		slot.plain.id = place * 100 + i;
		slot.plain.sector = 8 * (i % 8);
		ring_front_put(&queue->ring, &slot, VBD_SLOT);
	}
	ring_front_push(&queue->ring);
	world_kick(queue);
}

static uint32_t answered(uint32_t place)
{
	return world.disk[place].queue[0].ring.shared->rsp_prod;
}

static struct driver_status *status(void) { return driver_domain.status; }

/* Where it is at work on the deadly request. */
static void meanwhile(void)
{
	uint32_t place = (uint32_t)(deadly_id / 100);

	if (status()->doing == place + 1 && status()->doing_index == deadly_id % 100 && (!dies_of_answers || world.reads))
		longjmp(world.death, 1);
}

/* Lives, one after the other, until one lives on. */
static void when_it_lives(void)
{
	world.meanwhile = meanwhile;
	if (setjmp(world.death)) {
		deaths++;
		if (deaths > 10)
			deadly_id = UINT64_MAX;
		world_start();
	}
	world_settle();
	world.meanwhile = NULL;
}

/* ---- a request that kills ---- */

static void disk_whose_request_kills_is_set_aside_and_the_others_go_on(void)
{
	given_disks(3);
	deadly_id = 102;
	for (uint32_t place = 0; place < 3; place++)
		given_requests(place, REQUESTS);
	when_it_lives();
	CU_ASSERT_EQUAL(deaths, 2);
	CU_ASSERT_EQUAL(world_status(1)->answer, DRIVER_ASIDE);
	CU_ASSERT_EQUAL(world_status(1)->suspect_index, 2);
	CU_ASSERT_EQUAL(world_status(1)->suspect_deaths, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(world_status(1)->text, "request 0x2 of ring"));
	CU_ASSERT_PTR_NOT_NULL(strstr(world_status(1)->text, "read of 1 segments at sector 16"));
	CU_ASSERT_EQUAL(answered(0), REQUESTS);
	CU_ASSERT_EQUAL(answered(1), 2);
	CU_ASSERT_EQUAL(answered(2), REQUESTS);
	CU_ASSERT_EQUAL(status()->doing, 0);
}

static void what_is_found_is_what_nobody_has_answered(void)
{
	given_disks(2);
	given_requests(0, REQUESTS);
	given_requests(1, 1);
	world_start();
	world_settle();
	CU_ASSERT_EQUAL(driver_domain.found, REQUESTS + 1);
	CU_ASSERT_EQUAL(answered(0), REQUESTS);
	world_start();
	world_settle();
	CU_ASSERT_EQUAL(driver_domain.found, 0);
}

/* It knows nothing of its disk, and somebody has waited longer than others do. */
static void successor_waits_awake_for_its_first_answer(void)
{
	given_disks(1);
	CU_ASSERT_FALSE(blk.is_quick);
	given_requests(0, 1);
	world_start();
	world_round();
	CU_ASSERT_TRUE(blk.is_quick);
}

static bool dies_at_once(void)
{
	world.meanwhile = meanwhile;
	if (setjmp(world.death)) {
		world.meanwhile = NULL;
		return true;
	}
	world_settle();
	return false;
}

/* A driver that was reset by hand was at work on something, and that did it no harm. */
static void request_that_was_at_work_when_a_hand_came_is_not_accused(void)
{
	given_disks(2);
	deadly_id = 3;
	given_requests(0, REQUESTS);
	for (int hands = 0; hands < 5; hands++) {
		CU_ASSERT_TRUE(dies_at_once());
		driver_domain.is_pardoned = true;
		world_start();
	}
	world_settle();
	driver_domain.is_pardoned = false;
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_ATTACHED);
	CU_ASSERT_EQUAL(world_status(0)->suspect_deaths, 0);
	CU_ASSERT_EQUAL(answered(0), REQUESTS);
}

static void request_that_kills_when_it_completes_is_found_too(void)
{
	given_disks(2);
	deadly_id = 3;
	dies_of_answers = true;
	given_requests(0, REQUESTS);
	given_requests(1, REQUESTS);
	when_it_lives();
	dies_of_answers = false;
	CU_ASSERT(deaths <= 3);
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_ASIDE);
	CU_ASSERT_EQUAL(answered(0), 3);
	CU_ASSERT_EQUAL(answered(1), REQUESTS);
}

static void disk_that_is_aside_stays_that_over_another_death(void)
{
	disk_whose_request_kills_is_set_aside_and_the_others_go_on();
	world_start();
	given_requests(1, 1);
	given_requests(2, 1);
	world_settle();
	CU_ASSERT_EQUAL(world_status(1)->answer, DRIVER_ASIDE);
	CU_ASSERT_EQUAL(answered(1), 2);
	CU_ASSERT_EQUAL(answered(2), REQUESTS + 1);
}

static void disk_that_is_aside_can_be_taken_away(void)
{
	disk_whose_request_kills_is_set_aside_and_the_others_go_on();
	world_detach(1);
	world_settle();
	CU_ASSERT_EQUAL(world_status(1)->answer, DRIVER_DETACHED);
	CU_ASSERT_EQUAL(world.disk[1].queue[0].bound, 0);
	CU_ASSERT_EQUAL(answered(1), REQUESTS);		/* B8 */
}

static void disk_that_is_aside_is_served_again_under_another_serial(void)
{
	disk_whose_request_kills_is_set_aside_and_the_others_go_on();
	world_serve_again(1);
	world_settle();
	CU_ASSERT_EQUAL(world_status(1)->answer, DRIVER_ATTACHED);
	CU_ASSERT_EQUAL(world_status(1)->suspect_deaths, 0);
	CU_ASSERT_EQUAL(answered(1), REQUESTS);
}

static void one_that_is_served_again_and_kills_again_is_aside_again(void)
{
	disk_whose_request_kills_is_set_aside_and_the_others_go_on();
	world_serve_again(1);
	deaths = 0;
	when_it_lives();
	CU_ASSERT_EQUAL(deaths, 2);
	CU_ASSERT_EQUAL(world_status(1)->answer, DRIVER_ASIDE);
	CU_ASSERT_EQUAL(answered(1), 2);
}

static void one_death_is_forgotten_when_the_request_is_answered(void)
{
	given_disks(2);
	given_requests(0, REQUESTS);
	status()->doing_ring = world.disk[0].record.queue[0].ledger[0].ring;
	status()->doing_index = 3;
	status()->doing = 1;
	world_start();
	world_round();
	CU_ASSERT_EQUAL(status()->doing, 0);
	CU_ASSERT_EQUAL(world_status(0)->suspect_deaths, 1);
	world_settle();
	CU_ASSERT_EQUAL(answered(0), REQUESTS);
	CU_ASSERT_EQUAL(world_status(0)->suspect_deaths, 0);
	CU_ASSERT_FALSE(blk.disk[0]->queue[0].is_suspect);
}

/* B7 */
static void requests_of_a_suspect_are_taken_one_by_one(void)
{
	uint32_t most = 0;

	given_disks(1);
	given_requests(0, REQUESTS);
	status()->doing_ring = world.disk[0].record.queue[0].ledger[0].ring;
	status()->doing_index = 2;
	status()->doing = 1;
	world_start();
	while (answered(0) < 3) {
		for (uint32_t i = 0; i < 4; i++)
			world_round();
		most = world.flying_count > most ? world.flying_count : most;
		CU_ASSERT_FATAL(world.flying_count > 0);
		world_complete(0, 0);
		world_round();
	}
	CU_ASSERT_EQUAL(most, 1);
	world_round();
	world_round();
	CU_ASSERT_EQUAL(world.flying_count, 2);
}

static void word_of_a_driver_that_has_lost_its_mind_harms_nobody(void)
{
	uint32_t ring;

	given_disks(2);
	ring = world.disk[1].record.queue[0].ledger[0].ring;
	const uint32_t said[][3] = {
		{ 3, ring, 0 }, { 1, ring, 0 }, { 2, ring, 32 }, { 2, ring, UINT32_MAX }, { DRIVER_ATTACHMENTS_MAX + 1, ring, 0 },
		{ UINT32_MAX, ring, 0 }, { 2, ring + 1, 0 }, { 0, ring, 0 },
	};

	for (uint32_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		status()->doing = said[i][0];
		status()->doing_ring = said[i][1];
		status()->doing_index = said[i][2];
		world_start();
		world_settle();
		for (uint32_t place = 0; place < WORLD_DISKS; place++)
			CU_ASSERT_EQUAL(world_status(place)->suspect_deaths, 0);
		CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_ATTACHED);
		CU_ASSERT_EQUAL(world_status(1)->answer, DRIVER_ATTACHED);
	}
}

/* ---- who is first ---- */

static void disk_with_work_under_way_is_served_before_the_others_are_taken_over(void)	/* B7 */
{
	given_disks(3);
	given_requests(2, BLK_FIRST_BATCH);
	world_round();
	CU_ASSERT(world.flying_count > 0);
	world_start();
	world_round();
	CU_ASSERT_PTR_NOT_NULL(blk.disk[2]);
	CU_ASSERT_PTR_NULL(blk.disk[0]);
	CU_ASSERT_EQUAL(world.flying_count, BLK_FIRST_BATCH);
	CU_ASSERT_TRUE(world_round());
	CU_ASSERT_PTR_NULL(blk.disk[0]);	/* an answer is waited for, and there was something to do: nothing is left of it now */
	CU_ASSERT_TRUE(world_round());
	CU_ASSERT_PTR_NOT_NULL(blk.disk[0]);
	CU_ASSERT_PTR_NULL(blk.disk[1]);
	world_settle();
	CU_ASSERT_PTR_NOT_NULL(blk.disk[1]);
	CU_ASSERT_EQUAL(answered(2), BLK_FIRST_BATCH);
}

/* Whether the disk answers at once or not at all: nobody waits for it before he takes more. */
static void disk_works_on_the_first_requests_while_others_are_taken(void)
{
	for (int is_quick = 0; is_quick < 2; is_quick++) {
		given_disks(1);
		given_requests(0, 4 * BLK_FIRST_BATCH);
		world_start();
		world_round();
		CU_ASSERT_EQUAL(world.flying_count, BLK_FIRST_BATCH);
		while (is_quick && world.flying_count)
			world_complete(0, 0);
		world_round();
		CU_ASSERT_EQUAL(answered(0), is_quick ? BLK_FIRST_BATCH : 0);
		CU_ASSERT_EQUAL(world.flying_count, is_quick ? BLK_FIRST_BATCH : 2 * BLK_FIRST_BATCH);
		world_round();
		CU_ASSERT_EQUAL(world.flying_count, 3 * BLK_FIRST_BATCH);
		world_settle();
		CU_ASSERT_EQUAL(answered(0), 4 * BLK_FIRST_BATCH);
	}
}

static void suspect_comes_after_who_has_work_and_before_who_has_none(void)
{
	given_disks(3);
	given_requests(0, REQUESTS);
	given_requests(1, 1);
	world_round();
	status()->doing_ring = world.disk[0].record.queue[0].ledger[0].ring;
	status()->doing_index = 0;
	status()->doing = 1;
	world_start();
	world_round();
	CU_ASSERT_PTR_NULL(blk.disk[0]);
	CU_ASSERT_PTR_NOT_NULL(blk.disk[1]);
	for (unsigned int rounds = 0; rounds < 10 && !blk.disk[0]; rounds++) {
		if (world.flying_count)
			world_complete(0, 0);
		world_round();
	}
	CU_ASSERT_PTR_NOT_NULL(blk.disk[0]);
	CU_ASSERT_PTR_NULL(blk.disk[2]);
	world_settle();
	CU_ASSERT_EQUAL(answered(0), REQUESTS);
}

static void successor_does_not_sleep_while_a_disk_is_left(void)
{
	given_disks(4);
	given_requests(3, 1);
	world_start();
	for (uint32_t i = 0; i < 4; i++)
		CU_ASSERT_TRUE(world_round());
	world_settle();
	CU_ASSERT_EQUAL(answered(3), 1);
}

/* ---- what stays as it was ---- */

static void disk_that_was_refused_stays_refused(void)
{
	given_disks(2);
	world.disk[0].queue[0].ring.shared->req_prod = 99;
	world_kick(&world.disk[0].queue[0]);
	world_settle();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_REFUSED);
	world.disk[0].queue[0].ring.shared->req_prod = 0;
	world_start();
	world_settle();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_REFUSED);
	CU_ASSERT_EQUAL(world.disk[0].queue[0].bound, 0);
	world_detach(0);
	world_settle();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_DETACHED);
	CU_ASSERT_EQUAL(world_status(1)->answer, DRIVER_ATTACHED);
}

/* ---- a ring that a death has spoilt ---- */

static struct ledger_ring *ledger_of(uint32_t place, uint32_t number)
{
	return (void *)((uint8_t *)driver_domain.ledger + world.disk[place].record.queue[number].ledger[0].offset);
}

/* How many of its requests were answered with an error, each by its own id. */
static uint32_t given_up(uint32_t place, uint32_t number)
{
	struct ring_front *ring = &world.disk[place].queue[number].ring;
	struct vbd_response response;
	uint32_t count = 0;

	while (ring_front_take(ring, &response, sizeof(response)) > 0) {
		CU_ASSERT_EQUAL(response.id, place * 100 + count);
		CU_ASSERT_EQUAL(response.operation, VBD_OP_READ);
		CU_ASSERT_EQUAL(response.status, VBD_STATUS_ERROR);
		count++;
	}
	return count;
}

static void who_waits_at_a_spoilt_ring_is_told(void)
{
	given_disks(2);
	for (uint32_t place = 0; place < 2; place++)
		given_requests(place, REQUESTS);
	ledger_of(0, 0)->magic ^= 1;
	world_start();
	world_settle();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_LOST);
	CU_ASSERT_EQUAL(given_up(0, 0), REQUESTS);
	CU_ASSERT_EQUAL(world_status(1)->answer, DRIVER_ATTACHED);
	CU_ASSERT_EQUAL(answered(1), REQUESTS);
	/* What it has written to the ring before it closed. */
	given_requests(0, 2);
	world_settle();
	CU_ASSERT_EQUAL(answered(0), REQUESTS);
	world_detach(0);
	world_settle();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_DETACHED);
	CU_ASSERT_EQUAL(given_up(0, 0), 2);
	CU_ASSERT_EQUAL(world.disk[0].queue[0].bound, 0);
}

static void given_lost_disk(void)
{
	given_disks(1);
	ledger_of(0, 0)->magic ^= 1;
	world_start();
	world_settle();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_LOST);
}

/* And leaves nobody waiting who wrote to it before it was taken away (B8). */
static void disk_that_is_lost_stays_lost(void)
{
	given_lost_disk();
	given_requests(0, 2);
	world.disk[0].queue[0].is_kicked = false;
	world_start();
	world_settle();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_LOST);
	world_detach(0);
	world_settle();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_DETACHED);
	CU_ASSERT_EQUAL(given_up(0, 0), 2);
	CU_ASSERT(world.disk[0].queue[0].is_kicked);
	CU_ASSERT_EQUAL(world.disk[0].queue[0].bound, 0);
}

/* It died between the slot and rsp_prod: what stands there is a response already, whose id is elsewhere. */
static void half_of_an_answer_is_no_request(void)
{
	struct vbd_response response = { .id = 0, .operation = VBD_OP_READ, .status = VBD_STATUS_OKAY };
	struct ring_front *ring;
	struct ledger_entry *entry;

	given_disks(1);
	given_requests(0, 1);
	ring = &world.disk[0].queue[0].ring;
	entry = &ledger_of(0, 0)->entry[0];
	memset(entry, 0, sizeof(*entry));
	memcpy(entry->response, &response, sizeof(response));
	entry->ring = world.disk[0].record.queue[0].ledger[0].ring;
	entry->sum = ledger_entry_sum(entry);
	memset(ring->shared->slot, 0x55, VBD_SLOT);
	world_detach(0);
	world_start();
	world_settle();
	memset(&response, 0xff, sizeof(response));
	CU_ASSERT_EQUAL(ring_front_take(ring, &response, sizeof(response)), 1);
	CU_ASSERT_EQUAL(response.id, 0);
	CU_ASSERT_EQUAL(response.status, VBD_STATUS_OKAY);
}

static void ring_whose_indices_make_no_sense_is_left_as_it_is(void)
{
	struct ring_shared *shared;

	given_disks(1);
	given_requests(0, REQUESTS);
	shared = world.disk[0].queue[0].ring.shared;
	shared->rsp_prod = 1u << 16;
	world_start();
	world_settle();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_LOST);
	CU_ASSERT_EQUAL(shared->rsp_prod, 1u << 16);
}

/* The one that is well has been taken over when the other is found to be spoilt, or is not looked at at all. */
static void spoilt_ring_takes_its_disks_other_ring_with_it(void)
{
	for (uint32_t spoilt = 0; spoilt < 2; spoilt++) {
		union vbd_slot slot = { .plain = { .operation = VBD_OP_READ, .segments = 1 } };
		struct world_queue *queue;

		world_begin(1);
		world_attach(0, 2, 1, 1, 64);
		world_start();
		world_settle();
		slot.plain.segment[0] = (struct vbd_segment){ .gref = page_of(0), .last_sector = 7 };
		for (uint32_t number = 0; number < 2; number++) {
			queue = &world.disk[0].queue[number];
			slot.plain.id = 0;
			ring_front_put(&queue->ring, &slot, VBD_SLOT);
			ring_front_push(&queue->ring);
		}
		ledger_of(0, spoilt)->slots ^= 1;
		world_start();
		world_settle();
		CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_LOST);
		CU_ASSERT_EQUAL(given_up(0, 0), 1);
		CU_ASSERT_EQUAL(given_up(0, 1), 1);
		world_detach(0);
		world_settle();
		CU_ASSERT_EQUAL(world.disk[0].queue[0].bound + world.disk[0].queue[1].bound, 0);
	}
}

/* ---- a disk that goes ---- */

/* Also where its driver died when it was taken away. */
static void disk_that_goes_leaves_nobody_waiting(void)		/* B8 */
{
	for (unsigned int has_died = 0; has_died < 2; has_died++) {
		given_disks(2);
		for (uint32_t place = 0; place < 2; place++)
			given_requests(place, REQUESTS);
		world_detach(0);
		if (has_died)
			world_start();
		world_settle();
		CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_DETACHED);
		CU_ASSERT_EQUAL(given_up(0, 0), REQUESTS);
		CU_ASSERT_EQUAL(world.disk[0].queue[0].bound, 0);
		CU_ASSERT_EQUAL(answered(1), REQUESTS);
	}
}

/* It dies after so many steps, and its successor does not. False: it had fewer to do. */
static bool dies_after(uint64_t steps)
{
	static bool has_died;

	has_died = false;
	world.steps_left = steps;
	world.is_mortal = true;
	if (setjmp(world.death)) {
		has_died = true;
		world.is_mortal = false;
		world_start();
	}
	world_settle();
	world.is_mortal = false;
	return has_died;
}

static void nobody_waits_wherever_its_driver_dies(void (*given_disk)(void))
{
	bool has_died = true;
	uint32_t steps;

	for (steps = 0; has_died; steps++) {
		given_disk();
		given_requests(0, REQUESTS);
		world.disk[0].queue[0].is_kicked = false;
		world_detach(0);
		has_died = dies_after(steps);
		CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_DETACHED);
		CU_ASSERT_EQUAL(given_up(0, 0), REQUESTS);
		CU_ASSERT(world.disk[0].queue[0].is_kicked);
		CU_ASSERT_EQUAL(world.disk[0].queue[0].bound, 0);
	}
	CU_ASSERT(steps > 3 * REQUESTS);
}

static void given_one_disk(void) { given_disks(1); }

static void disk_that_goes_leaves_nobody_waiting_wherever_its_driver_dies(void)	/* B8 */
{
	nobody_waits_wherever_its_driver_dies(given_one_disk);
	nobody_waits_wherever_its_driver_dies(given_lost_disk);
}

static uint64_t detached_at;

static void goes_in_between(void)
{
	if (world.steps == detached_at)
		world_detach(0);
}

/* Also between two looks of its successor at the table. */
static void disk_that_goes_while_it_is_taken_over_leaves_nobody_waiting(void)	/* B8 */
{
	for (uint64_t steps = 1; steps < 60; steps++) {
		given_disks(2);
		for (uint32_t place = 0; place < 2; place++)
			given_requests(place, REQUESTS);
		world_round();
		world_start();
		detached_at = world.steps + steps;
		world.meanwhile = goes_in_between;
		world_settle();
		world.meanwhile = NULL;
		CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_DETACHED);
		CU_ASSERT(world_status(0)->serial != 0);
		CU_ASSERT_PTR_NULL(blk.disk[0]);
		CU_ASSERT_EQUAL(world.disk[0].queue[0].bound, 0);
		CU_ASSERT(answered(0) == REQUESTS);
		CU_ASSERT_EQUAL(answered(1), REQUESTS);
	}
}

/* Nobody who looks in between sees a disk that is not attached. */
static void disk_is_attached_all_the_while(void)
{
	given_disks(2);
	CU_ASSERT_EQUAL(world_status(1)->answer, DRIVER_ATTACHED);
	world_start();
	while (!blk.disk[1]) {
		CU_ASSERT_EQUAL(world_status(1)->answer, DRIVER_ATTACHED);
		world_round();
	}
	CU_ASSERT_EQUAL(world_status(1)->answer, DRIVER_ATTACHED);
}

#define CASE(name) CU_add_test(suite, #name, name)

int main(void)
{
	unsigned int failures;
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("block successor", NULL, NULL);
	CASE(disk_whose_request_kills_is_set_aside_and_the_others_go_on);
	CASE(what_is_found_is_what_nobody_has_answered);
	CASE(successor_waits_awake_for_its_first_answer);
	CASE(request_that_was_at_work_when_a_hand_came_is_not_accused);
	CASE(request_that_kills_when_it_completes_is_found_too);
	CASE(disk_that_is_aside_stays_that_over_another_death);
	CASE(disk_that_is_aside_can_be_taken_away);
	CASE(disk_that_is_aside_is_served_again_under_another_serial);
	CASE(one_that_is_served_again_and_kills_again_is_aside_again);
	CASE(one_death_is_forgotten_when_the_request_is_answered);
	CASE(requests_of_a_suspect_are_taken_one_by_one);
	CASE(word_of_a_driver_that_has_lost_its_mind_harms_nobody);
	CASE(disk_with_work_under_way_is_served_before_the_others_are_taken_over);
	CASE(disk_works_on_the_first_requests_while_others_are_taken);
	CASE(suspect_comes_after_who_has_work_and_before_who_has_none);
	CASE(successor_does_not_sleep_while_a_disk_is_left);
	CASE(disk_that_was_refused_stays_refused);
	CASE(disk_is_attached_all_the_while);
	CASE(who_waits_at_a_spoilt_ring_is_told);
	CASE(disk_that_is_lost_stays_lost);
	CASE(half_of_an_answer_is_no_request);
	CASE(ring_whose_indices_make_no_sense_is_left_as_it_is);
	CASE(spoilt_ring_takes_its_disks_other_ring_with_it);
	CASE(disk_that_goes_leaves_nobody_waiting);
	CASE(disk_that_goes_while_it_is_taken_over_leaves_nobody_waiting);
	CASE(disk_that_goes_leaves_nobody_waiting_wherever_its_driver_dies);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
