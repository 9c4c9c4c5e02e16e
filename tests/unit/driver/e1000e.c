/* SPDX-License-Identifier: MIT */
/* The e1000e driver against a card that lies: E1, E2, N1, N2, and what a successor believes of its rings; and against one that does not. */
#include <CUnit/Basic.h>
#include <string.h>

#include "pci_device.h"
#include "runtime/time.h"
#include "runtime/xen.h"

#define ENTRIES		256u
#define RX_DONE		1u
#define RX_END		2u
#define RX_WHOLE	(RX_DONE | RX_END)
#define REG_CTRL	0x0000
#define REG_STATUS	0x0008
#define REG_EECD	0x0010
#define REG_RCTL	0x0100
#define REG_RAL		0x5400
#define REG_RDH		0x2810
#define REG_RDT		0x2818
#define REG_RDBAL	0x2800
#define REG_TDBAL	0x3800
#define REG_TDH		0x3810
#define REG_TDT		0x3818

struct descriptor {
	uint64_t at;
	uint32_t low, high;
};

static struct net_device card;
static struct net_frame got;
static uint32_t received;		/* descriptors that the card has used */

/* ---- given ---- */

static void card_looks(void)
{
	fake_set(REG_EECD, fake_get(REG_EECD) | 1u << 9);
	fake_set(REG_CTRL, fake_get(REG_CTRL) & ~(1u << 26));
}

static void given_card(void)
{
	fake_begin(0x6000);
	fake.look = card_looks;
	fake_card(&card, &e1000e);
	received = 0;
	CU_ASSERT_EQUAL_FATAL(card.driver->start(&card), 0);
}

static volatile struct descriptor *ring(uint32_t base, uint32_t number)
{
	return (volatile struct descriptor *)fake_memory(fake_get(base) | (uint64_t)fake_get(base + 4) << 32, ENTRIES * 16) + number % ENTRIES;
}

static void given_buffers(uint32_t count)
{
	while (count-- > 0)
		CU_ASSERT_EQUAL_FATAL(card.driver->receive_give(&card, 0, buffer_alloc()), 0);
	card.driver->receive_push(&card, 0);
}

/* ---- when ---- */

static void card_receives(uint32_t length, uint32_t status)
{
	volatile struct descriptor *descriptor = ring(REG_RDBAL, received++);

	memset(fake_memory(descriptor->at, BUFFER_BYTES), (int)received, length < BUFFER_BYTES ? length : BUFFER_BYTES);
	descriptor->high = length;
	descriptor->low = status;
}

static int receives(void)
{
	return card.driver->receive(&card, 0, &got);
}

static void frame_freed(void)
{
	for (unsigned int i = 0; i < got.segment_count; i++)
		buffer_free(got.segment[i].at);
}

static int cookies[300];

static int sends(unsigned int number, uint8_t segments)
{
	struct net_frame frame = { .segment_count = segments, .length = segments * 100u, .cookie = &cookies[number] };

	for (unsigned int i = 0; i < segments; i++)
		frame.segment[i] = (struct pool_part){ pool_at + pool_bytes - BUFFER_BYTES, 100 };
	return card.driver->transmit(&card, 0, &frame);
}

static void card_has_sent(uint32_t descriptor)
{
	ring(REG_TDBAL, descriptor)->high |= 1;
}

/* ---- then ---- */

static uint32_t buffers_missing(uint32_t given)
{
	return FAKE_POOL_PAGES - 2 - given - buffer_free_count();	/* two for the rings */
}

static void card_has_failed(void)
{
	CU_ASSERT_EQUAL(receives(), -XEN_EAGAIN);
	CU_ASSERT_EQUAL(fake.failures, 1);
}

/* ---- receive ---- */

static void frame_of_many_buffers_is_whole(void)
{
	given_card();
	given_buffers(20);
	card_receives(BUFFER_BYTES, RX_DONE);
	card_receives(BUFFER_BYTES, RX_DONE);
	CU_ASSERT_EQUAL(receives(), -XEN_EAGAIN);
	card_receives(100, RX_WHOLE | 1u << 5);
	CU_ASSERT_EQUAL_FATAL(receives(), 0);
	CU_ASSERT_TRUE(got.segment_count == 3 && got.length == 2 * BUFFER_BYTES + 100 && got.flags == NET_CSUM_VALID);
	for (unsigned int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(*(uint8_t *)got.segment[i].at, i + 1);
	frame_freed();
	CU_ASSERT_EQUAL(buffers_missing(17), 0);
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static void buffer_with_nothing_in_it_is_no_part_of_a_frame(void)	/* N2 */
{
	given_card();
	given_buffers(20);
	card_receives(BUFFER_BYTES, RX_DONE);
	card_receives(0, RX_WHOLE);
	card_receives(200, RX_WHOLE);
	CU_ASSERT_EQUAL_FATAL(receives(), 0);
	CU_ASSERT_TRUE(got.segment_count == 1 && got.length == BUFFER_BYTES);
	frame_freed();
	CU_ASSERT_EQUAL_FATAL(receives(), 0);
	CU_ASSERT_TRUE(got.segment_count == 1 && got.length == 200);
	frame_freed();
	CU_ASSERT_EQUAL(buffers_missing(17), 0);
}

static void length_beyond_the_buffer_is_the_cards_error(void)	/* N1 */
{
	static const uint32_t lengths[] = { BUFFER_BYTES + 1, 0x8000, 0xffff, 0xffffffff };

	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		given_card();
		given_buffers(4);
		card_receives(lengths[i], RX_WHOLE);
		card_has_failed();
	}
}

static void frame_of_too_many_buffers_is_the_cards_error(void)	/* N1 */
{
	given_card();
	given_buffers(40);
	for (unsigned int i = 0; i < NET_SEGMENTS_MAX; i++)
		card_receives(10, RX_DONE);
	CU_ASSERT_EQUAL(receives(), -XEN_EAGAIN);
	CU_ASSERT_EQUAL(fake.failures, 0);
	card_receives(10, RX_WHOLE);
	card_has_failed();
}

/* Nor are frames behind one that is not there yet. */
static void what_the_card_was_not_given_is_not_taken(void)	/* E1 */
{
	given_card();
	given_buffers(2);
	for (unsigned int i = 0; i < ENTRIES; i++) {
		ring(REG_RDBAL, i)->high = 100;
		ring(REG_RDBAL, i)->low = RX_WHOLE;
	}
	for (unsigned int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(receives(), 0);
		frame_freed();
	}
	CU_ASSERT_EQUAL(receives(), -XEN_EAGAIN);
	given_card();
	given_buffers(2);
	received = 1;
	card_receives(100, RX_WHOLE);
	CU_ASSERT_EQUAL(receives(), -XEN_EAGAIN);
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static void what_is_bad_or_short_is_dropped(void)
{
	static const struct { uint32_t length, status; } bad[] = {
		{ 100, RX_WHOLE | 1u << 24 }, { 100, RX_WHOLE | 1u << 25 }, { 100, RX_WHOLE | 1u << 28 }, { 100, RX_WHOLE | 1u << 31 },
		{ 13, RX_WHOLE }, { 0, RX_WHOLE },
	};

	given_card();
	given_buffers(10);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		card_receives(bad[i].length, bad[i].status);
	card_receives(100, RX_WHOLE | 1u << 5 | 1u << 29);
	CU_ASSERT_EQUAL(receives(), 0);
	CU_ASSERT_TRUE(got.length == 100 && !got.flags);		/* a wrong checksum is not a right one */
	frame_freed();
	CU_ASSERT_EQUAL(buffers_missing(3), 0);
}

static void absurd_heads_are_not_looked_at(void)
{
	given_card();
	given_buffers(4);
	for (unsigned int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(sends(i, 1), 0);
	card.driver->transmit_push(&card, 0);
	fake_set(REG_RDH, UINT32_MAX);
	fake_set(REG_TDH, UINT32_MAX);
	fake_set(REG_RDT, 9999);
	fake_set(REG_TDT, 9999);
	CU_ASSERT_EQUAL(receives(), -XEN_EAGAIN);
	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, (void *[8]){ 0 }, 8), 0);
	card_receives(60, RX_WHOLE);
	CU_ASSERT_EQUAL(receives(), 0);
	frame_freed();
}

static void ring_takes_one_buffer_less_than_it_has_places(void)	/* E2 */
{
	uint32_t count = 0;

	given_card();
	while (card.driver->receive_give(&card, 0, buffer_alloc()) == 0)
		count++;
	CU_ASSERT_EQUAL(count, ENTRIES - 1);
}

/* ---- transmit ---- */

static void frames_come_back_in_order_when_their_last_descriptor_does(void)
{
	void *cookie[8];

	given_card();
	CU_ASSERT_EQUAL(sends(0, 3), 0);
	CU_ASSERT_EQUAL(sends(1, 1), 0);
	CU_ASSERT_EQUAL(sends(2, 2), 0);
	card.driver->transmit_push(&card, 0);
	CU_ASSERT_EQUAL(fake_get(REG_TDT), 6);
	card_has_sent(3);			/* out of its turn */
	card_has_sent(0);			/* not a last one */
	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, cookie, 8), 0);
	card_has_sent(2);
	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, cookie, 8), 2);
	CU_ASSERT_TRUE(cookie[0] == &cookies[0] && cookie[1] == &cookies[1]);
	card_has_sent(5);
	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, cookie, 8), 1);
	CU_ASSERT_PTR_EQUAL(cookie[0], &cookies[2]);
	card_has_sent(6);
	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, cookie, 8), 0);
}

static void card_that_rewrites_its_ring_harms_nobody(void)	/* E1 */
{
	void *cookie[300];
	unsigned int count = 0;

	given_card();
	while (sends(count, 2) == 0)
		count++;
	CU_ASSERT_EQUAL(count, 127);
	card.driver->transmit_push(&card, 0);
	memset((void *)(uintptr_t)ring(REG_TDBAL, 0), 0xff, ENTRIES * sizeof(struct descriptor));
	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, cookie, 300), count);
	for (unsigned int i = 0; i < count; i++)
		CU_ASSERT_PTR_EQUAL(cookie[i], &cookies[i]);
	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, cookie, 300), 0);
}

/* It knows nothing any more of what it had, and goes on where the rings are empty. */
static void card_without_a_link_gives_back_all_it_has(void)	/* N2 */
{
	void *cookie[8];

	given_card();
	given_buffers(20);
	card_receives(100, RX_WHOLE);
	CU_ASSERT_EQUAL(receives(), 0);
	frame_freed();
	card_receives(100, RX_DONE);
	for (unsigned int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(sends(i, 2), 0);
	card.driver->transmit_push(&card, 0);
	card_has_sent(1);
	CU_ASSERT_EQUAL(sends(3, 1), 0);		/* and it was not told of this one */

	CU_ASSERT_EQUAL(card.driver->recall(&card), 0);

	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, cookie, 8), 4);
	for (unsigned int i = 0; i < 4; i++)
		CU_ASSERT_PTR_EQUAL(cookie[i], &cookies[i]);
	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, cookie, 8), 0);
	CU_ASSERT_EQUAL(buffers_missing(0), 0);
	CU_ASSERT_EQUAL(receives(), -XEN_EAGAIN);
	CU_ASSERT_TRUE(fake_get(REG_RDH) == fake_get(REG_RDT) && fake_get(REG_TDH) == fake_get(REG_TDT));
	received = fake_get(REG_RDH);
	given_buffers(20);
	card_receives(200, RX_WHOLE);
	CU_ASSERT_TRUE(receives() == 0 && got.length == 200);
	frame_freed();
	CU_ASSERT_EQUAL(sends(4, 1), 0);
	card.driver->transmit_push(&card, 0);
	card_has_sent(fake_get(REG_TDH));
	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, cookie, 8), 1);
	CU_ASSERT_PTR_EQUAL(cookie[0], &cookies[4]);
	CU_ASSERT_EQUAL(fake.failures, 0);
}

/* ---- start ---- */

static void refuses_reset(void) { }
static void comes_up_enabled(void) { card_looks(); fake_set(REG_RCTL, 2); }

static void card_that_does_not_acknowledge_its_reset_is_refused(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		fake_begin(0x6000);
		fake_card(&card, &e1000e);
		fake.look = i ? comes_up_enabled : refuses_reset;
		CU_ASSERT_EQUAL(card.driver->start(&card), -XEN_EIO);
		CU_ASSERT_FALSE(card.driver->stop(&card));
	}
	fake_begin(0x1000);		/* a BAR that is too small */
	fake_card(&card, &e1000e);
	CU_ASSERT_EQUAL(card.driver->start(&card), -XEN_ENODEV);
}

static void never_shows_that_it_is_off_the_bus(void) { card_looks(); fake_set(REG_STATUS, 1u << 19); }

/* Both its resets within a second, which is what an interface's device has. */
static void successor_is_not_held_up_by_what_the_card_does_not_show(void)
{
	uint64_t began_ns;

	given_card();
	fake.look = never_shows_that_it_is_off_the_bus;
	began_ns = time_now_ns();
	CU_ASSERT_TRUE(card.driver->stop(&card));
	CU_ASSERT_EQUAL(card.driver->restart(&card), 0);
	CU_ASSERT_TRUE(time_now_ns() - began_ns < 500000000);
}

static unsigned int looks_until_read;

static void reads_its_memory(void)
{
	fake_set(REG_CTRL, fake_get(REG_CTRL) & ~(1u << 26));
	if (looks_until_read && --looks_until_read == 0) {
		fake_set(REG_EECD, 1u << 9);
		fake_set(REG_RAL, 0x00efbe02);
	}
}

static void card_is_set_up_when_it_has_read_its_own_memory(void)
{
	fake_begin(0x6000);
	fake_card(&card, &e1000e);
	fake.look = reads_its_memory;
	looks_until_read = 10;
	CU_ASSERT_EQUAL(card.driver->start(&card), 0);
	CU_ASSERT_EQUAL(memcmp(card.mac, (uint8_t[6]){ 2, 0xbe, 0xef }, 6), 0);
	fake_begin(0x6000);
	fake_card(&card, &e1000e);
	fake.look = reads_its_memory;		/* it never has */
	CU_ASSERT_EQUAL(card.driver->start(&card), -XEN_EIO);
}

static void comes_up_forced(void) { card_looks(); fake_set(REG_CTRL, fake_get(REG_CTRL) | 3u << 11); }

static void link_is_as_both_ends_agree(void)
{
	fake_begin(0x6000);
	fake_card(&card, &e1000e);
	fake.look = comes_up_forced;
	CU_ASSERT_EQUAL(card.driver->start(&card), 0);
	CU_ASSERT_EQUAL(fake_get(REG_CTRL), 1u << 6);
}

/* ---- a successor ---- */

/* As after a reset of the domain: its memory is as when start() had returned, but for the pool and what is scratch. */
static void next_life(void)
{
	uint32_t bases[4] = { fake_get(REG_RDBAL), fake_get(REG_RDBAL + 4), fake_get(REG_TDBAL), fake_get(REG_TDBAL + 4) };
	static uint8_t kept[4096], descriptors[ENTRIES * 16];
	volatile struct descriptor *receive = ring(REG_RDBAL, 0);

	memcpy(kept, fake.scratch, sizeof(kept));
	memcpy(descriptors, (void *)(uintptr_t)receive, sizeof(descriptors));
	pool_reset();
	CU_ASSERT_EQUAL_FATAL(card.driver->start(&card), 0);
	CU_ASSERT_TRUE(bases[0] == fake_get(REG_RDBAL) && bases[2] == fake_get(REG_TDBAL));
	memcpy(fake.scratch, kept, sizeof(kept));
	memcpy((void *)(uintptr_t)receive, descriptors, sizeof(descriptors));
	CU_ASSERT_TRUE(card.driver->stop(&card));
}

static int left(void)
{
	return card.driver->left(&card, 0, &got);
}

static void frames_that_were_not_taken_are_left(void)
{
	given_card();
	given_buffers(20);
	for (unsigned int i = 0; i < 2; i++)
		card_receives(100 + i, RX_WHOLE);
	card_receives(BUFFER_BYTES, RX_DONE);
	card_receives(0, RX_WHOLE);		/* the FCS was in it */
	card_receives(BUFFER_BYTES, RX_DONE);
	card_receives(300, RX_WHOLE);
	card_receives(100, RX_DONE);		/* not whole */
	CU_ASSERT_EQUAL(receives(), 0);
	CU_ASSERT_EQUAL(receives(), 0);		/* the last that was asked for may not be recorded: it is left as well */
	next_life();
	CU_ASSERT_TRUE(left() == 0 && got.length == 101 && *(uint8_t *)got.segment[0].at == 2);
	CU_ASSERT_TRUE(left() == 0 && got.length == BUFFER_BYTES && got.segment_count == 1);
	CU_ASSERT_TRUE(left() == 0 && got.length == BUFFER_BYTES + 300 && got.segment_count == 2);
	CU_ASSERT_EQUAL(left(), -XEN_EAGAIN);
	CU_ASSERT_EQUAL(left(), -XEN_EAGAIN);
	CU_ASSERT_EQUAL(card.driver->restart(&card), 0);
	CU_ASSERT_EQUAL(left(), -XEN_EAGAIN);
	CU_ASSERT_EQUAL(buffers_missing(4), 0);
}

static void frames_that_are_said_to_be_taken_are_not_left(void)
{
	given_card();
	given_buffers(20);
	for (unsigned int i = 0; i < 3; i++)
		card_receives(100 + i, RX_WHOLE);
	CU_ASSERT_EQUAL(receives(), 0);
	CU_ASSERT_EQUAL(receives(), 0);
	card.driver->receive_taken(&card, 0);
	next_life();
	CU_ASSERT_TRUE(left() == 0 && got.length == 102);
	CU_ASSERT_EQUAL(left(), -XEN_EAGAIN);
}

static void lies_are_the_end_of_what_is_left(void)
{
	for (unsigned int how = 0; how < 4; how++) {
		given_card();
		given_buffers(20);
		card_receives(100, RX_WHOLE);
		card_receives(how == 0 ? BUFFER_BYTES + 1 : 100, how == 1 ? 0 : RX_WHOLE);
		card_receives(100, RX_WHOLE);
		CU_ASSERT_EQUAL(receives(), 0);
		if (how == 2)
			memset(fake.scratch + 4 + 2, 0xff, 2);		/* the second buffer's number */
		if (how == 3)
			memset(fake.scratch, 0xff, 4);			/* the range */
		next_life();
		for (unsigned int i = 0; i < (how == 3 ? 0 : 1); i++)
			CU_ASSERT_TRUE(left() == 0 && got.length == 100);
		CU_ASSERT_EQUAL(left(), -XEN_EAGAIN);
	}
}

static uint64_t random_state = 1;

static uint32_t noise(uint32_t limit)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33) % limit;
}

static void noise_gives_whole_frames_of_buffers_that_are_nobodys(void)
{
	for (unsigned int turn = 0; turn < 2000; turn++) {
		uint32_t owned = 0, frames = 0;

		given_card();
		given_buffers(60);
		for (unsigned int i = 0; i < 40; i++)
			card_receives(noise(4) ? noise(BUFFER_BYTES + 2) : noise(3), noise(8) ? RX_DONE | noise(2) << 1 : noise(UINT32_MAX));
		receives();
		for (unsigned int i = noise(6); i > 0; i--)
			fake.scratch[noise(80)] = (uint8_t)noise(256);
		next_life();
		while (left() == 0) {
			uint32_t length = 0;

			for (unsigned int i = 0; i < got.segment_count; i++) {
				CU_ASSERT_TRUE_FATAL(got.segment[i].length && pool_has(got.segment[i].at, got.segment[i].length));
				length += got.segment[i].length;
			}
			CU_ASSERT_TRUE_FATAL(length == got.length && length >= 14 && frames++ < ENTRIES);
			owned += got.segment_count;
		}
		CU_ASSERT_EQUAL(buffers_missing(owned), 0);
	}
}

#define CASE(name) CU_add_test(suite, #name, name)

int main(void)
{
	unsigned int failures;
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("e1000e", NULL, NULL);
	CASE(frame_of_many_buffers_is_whole);
	CASE(buffer_with_nothing_in_it_is_no_part_of_a_frame);
	CASE(length_beyond_the_buffer_is_the_cards_error);
	CASE(frame_of_too_many_buffers_is_the_cards_error);
	CASE(what_the_card_was_not_given_is_not_taken);
	CASE(what_is_bad_or_short_is_dropped);
	CASE(absurd_heads_are_not_looked_at);
	CASE(ring_takes_one_buffer_less_than_it_has_places);
	CASE(frames_come_back_in_order_when_their_last_descriptor_does);
	CASE(card_that_rewrites_its_ring_harms_nobody);
	CASE(card_without_a_link_gives_back_all_it_has);
	CASE(card_that_does_not_acknowledge_its_reset_is_refused);
	CASE(successor_is_not_held_up_by_what_the_card_does_not_show);
	CASE(card_is_set_up_when_it_has_read_its_own_memory);
	CASE(link_is_as_both_ends_agree);
	CASE(frames_that_were_not_taken_are_left);
	CASE(frames_that_are_said_to_be_taken_are_not_left);
	CASE(lies_are_the_end_of_what_is_left);
	CASE(noise_gives_whole_frames_of_buffers_that_are_nobodys);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
