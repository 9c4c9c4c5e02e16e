/* SPDX-License-Identifier: MIT */
/* The virtio drivers against a device that lies: Q1, Q2, K1, K2, N1, N2; and against one that does not, in any order. */
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/xen.h"
#include "virtio_device.h"

#define STATUS_BYTE(queue, head, pieces) ((uint8_t *)fake_memory(fake_piece(queue, head, (pieces) - 1)->address))

static struct blk_device disk;
static struct net_device card;
static struct blk_io io[300];
static struct fake_queue *const requests = &fake.queue[0], *const receives = &fake.queue[0], *const transmits = &fake.queue[1];

/* ---- given, when ---- */

static void given_disk(void)
{
	fake_disk(&disk);
	CU_ASSERT_EQUAL_FATAL(disk.driver->start(&disk), 0);
}

static struct blk_io *given_read(unsigned int number, uint64_t sector, uint32_t segments)
{
	io[number] = (struct blk_io){ .op = BLK_READ, .sector = sector, .sectors = segments * 8, .segment_count = segments, .result = 99 };
	for (uint32_t i = 0; i < segments; i++)
		io[number].segment[i] = (struct blk_segment){ buffer_alloc(), BUFFER_BYTES };
	CU_ASSERT_EQUAL_FATAL(disk.driver->submit(&disk, 0, &io[number]), 0);
	disk.driver->push(&disk, 0);
	return &io[number];
}

static uint16_t disk_takes(void)
{
	uint16_t head = 0xffff;

	CU_ASSERT_TRUE_FATAL(fake_take(requests, &head));
	return head;
}

static unsigned int count_of(uint16_t head)
{
	unsigned int count = 0;

	while (fake_piece(requests, head, count))
		count++;
	return count;
}

static void disk_answers(uint16_t head, uint8_t status)
{
	*STATUS_BYTE(requests, head, count_of(head)) = status;
	fake_put(requests, head, 1);
}

static void disk_has_failed_and_gives_nothing(void)
{
	struct blk_io *done[4];

	CU_ASSERT_EQUAL(disk.driver->reap(&disk, 0, done, 4), 0);
	CU_ASSERT_TRUE(fake.failures > 0);
	CU_ASSERT_EQUAL(disk.driver->reap(&disk, 0, done, 4), 0);
	CU_ASSERT_FALSE(disk.driver->interrupts(&disk, 0, true));
}

/* ---- the disk ---- */

static void request_is_what_the_standard_says(void)
{
	struct virtq_desc *piece;
	uint16_t head;

	given_disk();
	given_read(0, 0x123456789, 3);
	head = disk_takes();
	CU_ASSERT_EQUAL(count_of(head), 5);
	piece = fake_piece(requests, head, 0);
	CU_ASSERT_EQUAL(piece->length, 16);
	CU_ASSERT_EQUAL(memcmp(fake_memory(piece->address), "\0\0\0\0\0\0\0\0\x89\x67\x45\x23\x01\0\0\0", 16), 0);
	for (unsigned int i = 1; i <= 3; i++) {
		piece = fake_piece(requests, head, i);
		CU_ASSERT_PTR_EQUAL(fake_memory(piece->address), io[0].segment[i - 1].at);
		CU_ASSERT_EQUAL(piece->length, BUFFER_BYTES);
		CU_ASSERT_EQUAL(piece->flags, 3);
	}
	CU_ASSERT_EQUAL(fake_piece(requests, head, 4)->length, 1);
	CU_ASSERT_EQUAL(fake_piece(requests, head, 4)->flags, 2);
}

static void ios_come_back_in_the_disks_order(void)
{
	struct blk_io *done[4];
	uint16_t head[3];

	given_disk();
	for (unsigned int i = 0; i < 3; i++) {
		given_read(i, i * 8, 1);
		head[i] = disk_takes();
	}
	disk_answers(head[2], 0);
	disk_answers(head[0], 1);
	CU_ASSERT_EQUAL(disk.driver->reap(&disk, 0, done, 4), 2);
	CU_ASSERT_PTR_EQUAL(done[0], &io[2]);
	CU_ASSERT_PTR_EQUAL(done[1], &io[0]);
	CU_ASSERT_EQUAL(io[2].result, 0);
	CU_ASSERT_EQUAL(io[0].result, -XEN_EIO);
	disk_answers(head[1], 2);
	CU_ASSERT_EQUAL(disk.driver->reap(&disk, 0, done, 4), 1);
	CU_ASSERT_EQUAL(io[1].result, -XEN_EOPNOTSUPP);
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static void id_that_is_not_under_way_is_the_disks_error(void)	/* Q1, K1 */
{
	uint16_t head;

	given_disk();
	given_read(0, 0, 1);
	head = disk_takes();
	fake_put(requests, head + 1u, 1);
	disk_has_failed_and_gives_nothing();
}

static void id_beyond_the_queue_is_the_disks_error(void)	/* Q1 */
{
	static const uint32_t ids[] = { 128, 256, 65535, 65536, UINT32_MAX };

	for (unsigned int i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		given_disk();
		given_read(0, 0, 1);
		fake_put(requests, ids[i], 1);
		disk_has_failed_and_gives_nothing();
	}
}

static void id_that_comes_twice_is_the_disks_error(void)	/* Q1 */
{
	struct blk_io *done[1];
	uint16_t head;

	given_disk();
	given_read(0, 0, 1);
	given_read(1, 8, 1);
	head = disk_takes();
	disk_answers(head, 0);
	CU_ASSERT_EQUAL(disk.driver->reap(&disk, 0, done, 1), 1);
	disk_answers(head, 0);
	disk_has_failed_and_gives_nothing();
}

static void more_answers_than_requests_are_the_disks_error(void)	/* Q1 */
{
	given_disk();
	given_read(0, 0, 1);
	disk_answers(disk_takes(), 0);
	requests->queue->used->index = 7;
	disk_has_failed_and_gives_nothing();
	given_disk();
	requests->queue->used->index = 0xffff;
	disk_has_failed_and_gives_nothing();
}

static void length_beyond_the_room_is_the_disks_error(void)	/* Q1 */
{
	uint16_t head;

	given_disk();
	given_read(0, 0, 1);
	head = disk_takes();
	*STATUS_BYTE(requests, head, 3) = 0;
	fake_put(requests, head, BUFFER_BYTES + 2);
	disk_has_failed_and_gives_nothing();
}

static void status_that_does_not_exist_is_the_disks_error(void)	/* K1 */
{
	static const uint8_t statuses[] = { 3, 0x80, 0xfe, 0xff };
	struct blk_io *done[1];

	for (unsigned int i = 0; i < sizeof(statuses); i++) {
		given_disk();
		given_read(0, 0, 1);
		disk_answers(disk_takes(), statuses[i]);
		CU_ASSERT_EQUAL(disk.driver->reap(&disk, 0, done, 1), 0);
		CU_ASSERT_EQUAL(fake.failures, 1);
	}
}

static void disk_that_rewrites_its_descriptors_harms_nobody(void)	/* Q2 */
{
	struct blk_io *done[4];
	uint16_t head[4];

	given_disk();
	for (unsigned int i = 0; i < 4; i++) {
		given_read(i, i * 8, 2);
		head[i] = disk_takes();
		*STATUS_BYTE(requests, head[i], 4) = 0;
	}
	memset(requests->queue->desc, 0xff, requests->queue->slots * sizeof(struct virtq_desc));
	memset((void *)(uintptr_t)requests->queue->avail, 0xff, 500);
	for (unsigned int i = 0; i < 4; i++)
		fake_put(requests, head[i], 1);
	CU_ASSERT_EQUAL(disk.driver->reap(&disk, 0, done, 4), 4);
	for (unsigned int i = 0; i < 4; i++)
		CU_ASSERT_PTR_EQUAL(done[i], &io[i]);
	CU_ASSERT_EQUAL(fake.failures, 0);
	given_read(5, 0, 1);
	CU_ASSERT_EQUAL(requests->queue->flying, 1);
}

static void queue_is_full_when_it_says_so(void)
{
	unsigned int count = 0;

	given_disk();
	for (unsigned int i = 0; i < 300; i++)
		io[i] = (struct blk_io){ .op = BLK_FLUSH };
	while (count < 300 && disk.driver->submit(&disk, 0, &io[count]) == 0)
		count++;
	CU_ASSERT_EQUAL(count, disk.depth);
	CU_ASSERT_EQUAL(disk.driver->submit(&disk, 0, &io[count]), -XEN_ENOSPC);
}

static void discard_of_any_length_goes_in_parts(void)
{
	struct blk_io *done[2];
	uint64_t expected = 10, left = 3500;

	given_disk();
	io[0] = (struct blk_io){ .op = BLK_DISCARD, .sector = expected, .sectors = left, .result = 99 };
	CU_ASSERT_EQUAL(disk.driver->submit(&disk, 0, &io[0]), 0);
	disk.driver->push(&disk, 0);
	while (left) {
		uint16_t head = disk_takes();
		const uint8_t *part = fake_memory(fake_piece(requests, head, 1)->address);
		uint64_t first;
		uint32_t count;

		memcpy(&first, part, 8);
		memcpy(&count, part + 8, 4);
		CU_ASSERT_EQUAL(first, expected);
		CU_ASSERT_EQUAL_FATAL(count, left < 1000 ? left : 1000);
		expected += count;
		left -= count;
		disk_answers(head, 0);
		CU_ASSERT_EQUAL(disk.driver->reap(&disk, 0, done, 2), left ? 0 : 1);
	}
	CU_ASSERT_PTR_EQUAL(done[0], &io[0]);
	CU_ASSERT_EQUAL(io[0].result, 0);
}

/* One that answers each part at once must not keep the loop from showing that it lives. */
static void discards_that_go_on_count_as_looked_at(void)
{
	struct blk_io *done[4];
	uint16_t head;

	given_disk();
	for (unsigned int i = 0; i < 10; i++) {
		io[i] = (struct blk_io){ .op = BLK_DISCARD, .sector = i * 2000, .sectors = 2000 };
		CU_ASSERT_EQUAL(disk.driver->submit(&disk, 0, &io[i]), 0);
		disk.driver->push(&disk, 0);
		disk_answers(disk_takes(), 0);
	}
	for (unsigned int left = 10; left > 0; left -= left < 4 ? left : 4) {
		CU_ASSERT_TRUE(disk.driver->interrupts(&disk, 0, true));
		CU_ASSERT_EQUAL(disk.driver->reap(&disk, 0, done, 4), 0);
		for (unsigned int i = 0; i < 4 && i < left; i++)
			disk_takes();
		CU_ASSERT_FALSE(fake_take(requests, &head));
	}
	CU_ASSERT_FALSE(disk.driver->interrupts(&disk, 0, true));
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static void discard_ends_with_its_first_error(void)
{
	struct blk_io *done[2];

	given_disk();
	io[0] = (struct blk_io){ .op = BLK_DISCARD, .sectors = 3500 };
	CU_ASSERT_EQUAL(disk.driver->submit(&disk, 0, &io[0]), 0);
	disk.driver->push(&disk, 0);
	disk_answers(disk_takes(), 1);
	CU_ASSERT_EQUAL(disk.driver->reap(&disk, 0, done, 2), 1);
	CU_ASSERT_EQUAL(io[0].result, -XEN_EIO);
}

/* virtio 1.1, 2.6.5.3.1 */
static void no_chain_is_longer_than_its_queue(void)
{
	for (unsigned int slots = 1; slots <= 128; slots *= 2)
		for (unsigned int has_tables = 0; has_tables < 2; has_tables++) {
			int error;

			fake_disk(&disk);
			fake.slots = (uint16_t)slots;
			fake.features &= ~(has_tables ? 0 : VIRTIO_F_INDIRECT_DESC);
			error = disk.driver->start(&disk);
			CU_ASSERT_EQUAL(error, slots < 4 ? -XEN_EINVAL : 0);
			if (error)
				continue;
			CU_ASSERT_TRUE(disk.segments_max >= 2 && disk.depth >= 1);
			given_read(0, 0, disk.segments_max);
			CU_ASSERT_TRUE(count_of(disk_takes()) <= slots);
		}
}

static void disk_that_cannot_be_is_refused(void)
{
	static const struct { uint32_t offset, bytes; uint64_t value; } lies[] = {
		{ 0, 8, 0 }, { 0, 8, UINT64_MAX }, { 0, 8, 1ULL << 60 }, { 8, 4, 512 }, { 8, 4, 0 }, { 12, 4, 0 }, { 20, 4, 0 },
		{ 20, 4, 3 }, { 20, 4, 256 }, { 20, 4, 8192 }, { 20, 4, UINT32_MAX }, { 34, 2, 0 },
	};

	for (unsigned int i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		fake_disk(&disk);
		config_set(lies[i].offset, lies[i].value, lies[i].bytes);
		CU_ASSERT_EQUAL(disk.driver->start(&disk), -XEN_EINVAL);
	}
	fake_disk(&disk);
	config_set(20, 4096, 4);
	config_set(0, 1000001, 8);
	CU_ASSERT_EQUAL(disk.driver->start(&disk), -XEN_EINVAL);
	fake_disk(&disk);
	config_set(20, 1536, 4);
	config_set(0, 999999, 8);
	CU_ASSERT_EQUAL(disk.driver->start(&disk), -XEN_EINVAL);
	fake_disk(&disk);
	fake.config_bytes = 4;
	CU_ASSERT_EQUAL(disk.driver->start(&disk), -XEN_EINVAL);
	fake_disk(&disk);
	config_set(34, 60000, 2);
	CU_ASSERT_EQUAL(disk.driver->start(&disk), -XEN_ENODEV);
	fake_disk(&disk);
	fake.is_deaf = true;
	CU_ASSERT_EQUAL(disk.driver->start(&disk), -XEN_EIO);
	CU_ASSERT_FALSE(disk.driver->stop(&disk));
}

static void doorbell_rings_when_the_disk_wants_it(void)
{
	volatile uint16_t *wanted;

	given_disk();
	wanted = (volatile uint16_t *)&requests->queue->used->ring[requests->queue->slots];
	*wanted = 1;
	given_read(0, 0, 1);
	CU_ASSERT_EQUAL(requests->bell, 0xffff);
	given_read(1, 8, 1);
	CU_ASSERT_EQUAL(requests->bell, 0);
	requests->bell = 0xffff;
	disk.driver->push(&disk, 0);
	CU_ASSERT_EQUAL(requests->bell, 0xffff);
}

static void interrupts_are_asked_for_by_index(void)
{
	volatile uint16_t *event;
	struct blk_io *done[1];
	uint16_t head;

	given_disk();
	event = &requests->queue->avail->ring[requests->queue->slots];
	CU_ASSERT_FALSE(disk.driver->interrupts(&disk, 0, true));
	CU_ASSERT_EQUAL(*event, 0);
	given_read(0, 0, 1);
	head = disk_takes();
	CU_ASSERT_FALSE(disk.driver->interrupts(&disk, 0, false));
	CU_ASSERT_EQUAL(*event, 0xffff);
	disk_answers(head, 0);
	CU_ASSERT_TRUE(disk.driver->interrupts(&disk, 0, true));
	CU_ASSERT_EQUAL(disk.driver->reap(&disk, 0, done, 1), 1);
	CU_ASSERT_FALSE(disk.driver->interrupts(&disk, 0, true));
	CU_ASSERT_EQUAL(*event, 1);
}

/* Indices wrap three times; some come back at once, some late, in an order of their own. */
static void long_run_is_right(void)
{
	struct blk_io *done[8];
	uint16_t held[64];
	unsigned int holding = 0, given = 0, back = 0;

	given_disk();
	srand(1);
	while (back < 200000) {
		uint16_t head;

		if (given - back < 64) {
			unsigned int number = 0;

			while (io[number].cookie)
				number++;
			io[number] = (struct blk_io){ .op = BLK_FLUSH, .cookie = &io[number] };
			CU_ASSERT_EQUAL_FATAL(disk.driver->submit(&disk, 0, &io[number]), 0);
			disk.driver->push(&disk, 0);
			given++;
		}
		while (holding < 64 && fake_take(requests, &head))
			held[holding++] = head;
		for (unsigned int i = (unsigned int)rand() % 3; i && holding; i--) {
			unsigned int which = (unsigned int)rand() % holding;

			disk_answers(held[which], 0);
			held[which] = held[--holding];
		}
		for (unsigned int count = disk.driver->reap(&disk, 0, done, 8); count; count--, back++) {
			CU_ASSERT_PTR_EQUAL_FATAL(done[count - 1]->cookie, done[count - 1]);
			done[count - 1]->cookie = NULL;
		}
		CU_ASSERT_EQUAL_FATAL(fake.failures, 0);
	}
}

/* ---- the card ---- */

static void given_card(void)
{
	fake_card(&card);
	CU_ASSERT_EQUAL_FATAL(card.driver->start(&card), 0);
	for (unsigned int i = 0; i < 64; i++)
		CU_ASSERT_EQUAL_FATAL(card.driver->receive_give(&card, 0, buffer_alloc()), 0);
	card.driver->receive_push(&card, 0);
}

struct header {
	uint8_t flags, gso_type;
	uint16_t header_bytes, gso_bytes, csum_start, csum_offset, buffer_count;
};

/* The card writes a frame of `length` bytes, header not counted, and says of it what `header` says. */
static void card_receives(const struct header *header, uint32_t length)
{
	uint32_t left = length + 12, buffers = (left + BUFFER_BYTES - 1) / BUFFER_BYTES;

	for (uint32_t i = 0; i < buffers; i++) {
		uint32_t now = left < BUFFER_BYTES ? left : BUFFER_BYTES;
		uint16_t head = 0;
		uint8_t *at;

		CU_ASSERT_TRUE_FATAL(fake_take(receives, &head));
		at = fake_memory(fake_piece(receives, head, 0)->address);
		memset(at, (int)i + 1, now);
		if (i == 0)
			memcpy(at, header, 12);
		fake_put(receives, head, now);
		left -= now;
	}
}

static void frame_is_refused(void)
{
	struct net_frame frame;

	CU_ASSERT_EQUAL(card.driver->receive(&card, 0, &frame), -XEN_EAGAIN);
	CU_ASSERT_TRUE(fake.failures > 0);
}

static void frame_of_many_buffers_is_whole(void)
{
	struct header header = { .flags = 1, .gso_type = 1, .header_bytes = 54, .gso_bytes = 1448, .csum_start = 34, .csum_offset = 16,
				 .buffer_count = 16 };
	struct net_frame frame;

	given_card();
	card_receives(&header, 65000);
	CU_ASSERT_EQUAL_FATAL(card.driver->receive(&card, 0, &frame), 0);
	CU_ASSERT_EQUAL(frame.length, 65000);
	CU_ASSERT_EQUAL(frame.segment_count, 16);
	CU_ASSERT_EQUAL(frame.segment[0].length, BUFFER_BYTES - 12);
	CU_ASSERT_EQUAL(frame.gso, NET_GSO_TCP4);
	CU_ASSERT_EQUAL(frame.gso_bytes, 1448);
	CU_ASSERT_EQUAL(frame.flags, NET_NEEDS_CSUM);
	CU_ASSERT_EQUAL(frame.csum_start, 34);
	for (unsigned int i = 0; i < 16; i++)
		CU_ASSERT_EQUAL(((uint8_t *)frame.segment[i].at)[100], i + 1);
	CU_ASSERT_EQUAL(card.driver->receive(&card, 0, &frame), -XEN_EAGAIN);
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static void number_of_buffers_that_cannot_be_is_the_cards_error(void)	/* N1 */
{
	static const uint16_t counts[] = { 0, NET_SEGMENTS_MAX + 1, 0x8000, 0xffff };
	struct header header = { 0 };

	for (unsigned int i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		given_card();
		header.buffer_count = counts[i];
		/* As many as it says, where there are so many. */
		for (uint32_t n = 0; n < counts[i] && n < 40; n++)
			card_receives(&header, 60);
		card_receives(&header, 60);
		frame_is_refused();
	}
}

static void frame_of_which_buffers_are_missing_is_the_cards_error(void)	/* N1 */
{
	struct header header = { .buffer_count = 3 };

	given_card();
	card_receives(&header, 5000);
	frame_is_refused();
}

static void buffer_with_nothing_in_it_is_the_cards_error(void)	/* N1 */
{
	static const uint32_t lengths[] = { 0, 1, 11, 12 };
	struct header header = { .buffer_count = 1 };
	uint16_t head = 0;

	for (unsigned int i = 0; i < 4; i++) {
		given_card();
		CU_ASSERT_TRUE(fake_take(receives, &head));
		memcpy(fake_memory(fake_piece(receives, head, 0)->address), &header, 12);
		fake_put(receives, head, lengths[i]);
		frame_is_refused();
	}
}

static void length_beyond_the_buffer_is_the_cards_error(void)	/* Q1 */
{
	struct header header = { .buffer_count = 1 };
	uint16_t head = 0;

	given_card();
	CU_ASSERT_TRUE(fake_take(receives, &head));
	memcpy(fake_memory(fake_piece(receives, head, 0)->address), &header, 12);
	fake_put(receives, head, BUFFER_BYTES + 1);
	frame_is_refused();
}

/* They come from whoever sent the frame: it is dropped, its buffers are free, the next one comes. */
static void frame_with_absurd_offsets_is_dropped(void)
{
	static const struct header bad[] = {
		{ .flags = 1, .csum_start = 60, .csum_offset = 0, .buffer_count = 1 },
		{ .flags = 1, .csum_start = 0xffff, .csum_offset = 0xffff, .buffer_count = 1 },
		{ .gso_type = 1, .gso_bytes = 1448, .buffer_count = 1 },
		{ .flags = 1, .gso_type = 1, .gso_bytes = 0, .buffer_count = 1 },
		{ .flags = 1, .gso_type = 3, .gso_bytes = 100, .buffer_count = 1 },
		{ .flags = 1, .gso_type = 0xff, .gso_bytes = 100, .buffer_count = 1 },
		{ .flags = 1, .gso_type = 4, .gso_bytes = 100, .header_bytes = 61, .buffer_count = 1 },
	};
	struct header good = { .flags = 2, .buffer_count = 1 };
	struct net_frame frame;
	uint32_t free_before;

	given_card();
	free_before = buffer_free_count();
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		card_receives(&bad[i], 60);
	card_receives(&good, 60);
	CU_ASSERT_EQUAL_FATAL(card.driver->receive(&card, 0, &frame), 0);
	CU_ASSERT_EQUAL(frame.flags, NET_CSUM_VALID);
	CU_ASSERT_EQUAL(frame.length, 60);
	CU_ASSERT_EQUAL(buffer_free_count(), free_before + sizeof(bad) / sizeof(bad[0]));
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static struct net_frame given_frame(unsigned int segments, void *cookie)
{
	struct net_frame frame = { .length = segments * 100, .segment_count = (uint8_t)segments, .cookie = cookie };

	for (unsigned int i = 0; i < segments; i++)
		frame.segment[i] = (struct pool_part){ buffer_alloc(), 100 };
	return frame;
}

static void frames_that_complete_out_of_order_come_back_in_order(void)
{
	void *cookie[8];
	uint16_t head[4];
	int marks[4];

	given_card();
	for (unsigned int i = 0; i < 4; i++) {
		struct net_frame frame = given_frame(i + 1, &marks[i]);

		CU_ASSERT_EQUAL(card.driver->transmit(&card, 0, &frame), 0);
	}
	card.driver->transmit_push(&card, 0);
	for (unsigned int i = 0; i < 4; i++)
		CU_ASSERT_TRUE(fake_take(transmits, &head[i]));
	fake_put(transmits, head[2], 0);
	fake_put(transmits, head[1], 0);
	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, cookie, 8), 0);
	fake_put(transmits, head[0], 0);
	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, cookie, 2), 2);
	CU_ASSERT_PTR_EQUAL(cookie[0], &marks[0]);
	CU_ASSERT_PTR_EQUAL(cookie[1], &marks[1]);
	fake_put(transmits, head[3], 0);
	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, cookie, 8), 2);
	CU_ASSERT_PTR_EQUAL(cookie[0], &marks[2]);
	CU_ASSERT_PTR_EQUAL(cookie[1], &marks[3]);
}

static void header_of_a_sent_frame_says_what_is_to_be_done(void)
{
	struct net_frame frame;
	struct header header;
	uint16_t head = 0;

	given_card();
	frame = given_frame(2, NULL);
	frame.flags = NET_NEEDS_CSUM;
	frame.csum_start = 34;
	frame.csum_offset = 16;
	frame.gso = NET_GSO_TCP6;
	frame.gso_bytes = 1428;
	frame.header_bytes = 74;
	CU_ASSERT_EQUAL(card.driver->transmit(&card, 0, &frame), 0);
	card.driver->transmit_push(&card, 0);
	CU_ASSERT_TRUE_FATAL(fake_take(transmits, &head));
	CU_ASSERT_EQUAL(fake_piece(transmits, head, 0)->length, 12);
	memcpy(&header, fake_memory(fake_piece(transmits, head, 0)->address), 12);
	CU_ASSERT_EQUAL(header.flags, 1);
	CU_ASSERT_EQUAL(header.gso_type, 4);
	CU_ASSERT_EQUAL(header.gso_bytes, 1428);
	CU_ASSERT_EQUAL(header.header_bytes, 74);
	CU_ASSERT_EQUAL(header.csum_start, 34);
	CU_ASSERT_EQUAL(header.csum_offset, 16);
	CU_ASSERT_EQUAL(header.buffer_count, 0);
}

static void transmit_lies_are_the_cards_error(void)	/* Q1 */
{
	struct net_frame frame;
	void *cookie[4];

	given_card();
	frame = given_frame(1, NULL);
	CU_ASSERT_EQUAL(card.driver->transmit(&card, 0, &frame), 0);
	card.driver->transmit_push(&card, 0);
	fake_put(transmits, 200, 0);
	CU_ASSERT_EQUAL(card.driver->reap(&card, 0, cookie, 4), 0);
	CU_ASSERT_TRUE(fake.failures > 0);
	CU_ASSERT_EQUAL(card.driver->transmit(&card, 0, &frame), -XEN_ENOSPC);
}

static void card_that_cannot_be_is_refused(void)
{
	static const struct { uint32_t offset, bytes; uint64_t value; } lies[] = {
		{ 0, 6, 0 }, { 0, 6, 0xffffffffffff }, { 0, 6, 1 }, { 10, 2, 67 }, { 10, 2, 0 },
	};

	for (unsigned int i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		fake_card(&card);
		config_set(lies[i].offset, lies[i].value, lies[i].bytes);
		CU_ASSERT_EQUAL(card.driver->start(&card), -XEN_EINVAL);
	}
	for (unsigned int pairs = 0; pairs < 65536; pairs += 13107) {
		fake_card(&card);
		fake.features = ~0ULL;
		config_set(8, pairs, 2);
		CU_ASSERT_EQUAL(card.driver->start(&card), -XEN_EINVAL);
	}
	fake_card(&card);
	fake.features &= ~(1ULL << 15);		/* it merges no buffers, and its frames are larger than one */
	config_set(10, 9000, 2);
	CU_ASSERT_EQUAL(card.driver->start(&card), -XEN_EINVAL);
}

/* Nor does it put segments together then, though it could: nobody has a buffer of 64 KiB for them. */
static void card_that_does_not_merge_buffers_is_used_without(void)
{
	static const struct header whole = { 0 };
	struct net_frame frame;

	fake_card(&card);
	CU_ASSERT_EQUAL(card.driver->start(&card), 0);
	CU_ASSERT_TRUE(card.does_lro);
	fake_card(&card);
	fake.features &= ~(1ULL << 15);
	CU_ASSERT_EQUAL_FATAL(card.driver->start(&card), 0);
	CU_ASSERT_TRUE(!card.does_lro && card.does_tso);
	CU_ASSERT_EQUAL_FATAL(card.driver->receive_give(&card, 0, buffer_alloc()), 0);
	card.driver->receive_push(&card, 0);
	card_receives(&whole, 1514);
	CU_ASSERT_EQUAL_FATAL(card.driver->receive(&card, 0, &frame), 0);
	CU_ASSERT_TRUE(frame.length == 1514 && frame.segment_count == 1);
}

/* Of its largest frame each part and the header have a slot: an empty queue that says "later" says so for ever. */
static void card_has_room_for_each_frame_or_is_refused(void)
{
	struct net_frame frame = { .segment_count = NET_SEGMENTS_MAX, .length = NET_SEGMENTS_MAX * 100, .cookie = &card };

	for (unsigned int slots = 1; slots <= 256; slots *= 2) {
		int error;

		fake_card(&card);
		fake.slots = (uint16_t)slots;
		error = card.driver->start(&card);
		CU_ASSERT_EQUAL(error, slots < 32 ? -XEN_EINVAL : 0);
		for (unsigned int i = 0; i < NET_SEGMENTS_MAX; i++)
			frame.segment[i] = (struct pool_part){ pool_at, 100 };
		if (!error)
			CU_ASSERT_EQUAL(card.driver->transmit(&card, 0, &frame), 0);
	}
}

static unsigned int commands;
static uint8_t command_answer;

static void answer_commands(struct fake_queue *queue)
{
	uint16_t head;

	while (queue == &fake.queue[fake.queues - 1] && fake_take(queue, &head)) {
		commands++;
		*(uint8_t *)fake_memory(fake_piece(queue, head, 2)->address) = command_answer;
		fake_put(queue, head, 1);
	}
}

static void given_card_of_two_pairs(uint8_t answer)
{
	fake_card(&card);
	fake.features = ~0ULL;
	fake.queues = 5;
	config_set(8, 2, 2);
	commands = 0;
	command_answer = answer;
	fake.control = answer_commands;
}

static void pairs_are_asked_for_by_command(void)
{
	given_card_of_two_pairs(0);
	CU_ASSERT_EQUAL(card.driver->start(&card), 0);
	CU_ASSERT_EQUAL(card.queues, 2);
	CU_ASSERT_EQUAL(commands, 2);
	CU_ASSERT_NOT_EQUAL(card.port[0], card.port[1]);
}

static void card_that_does_not_obey_is_refused(void)
{
	given_card_of_two_pairs(1);
	CU_ASSERT_EQUAL(card.driver->start(&card), -XEN_EOPNOTSUPP);
	given_card_of_two_pairs(0);
	fake.control = NULL;
	CU_ASSERT_EQUAL(card.driver->start(&card), -XEN_EIO);
	CU_ASSERT_TRUE(fake.now_ns < 10000000000);
}

/* ---- a successor ---- */

/*
 * A child is a life: what it does to memory is gone with it, but for the pool and what is scratch. Here, as at ready, the card is started and has
 * no buffers.
 */
static void after_a_life_of_this_card(void (*life)(void))
{
	pid_t child;
	int status = -1;

	CU_ASSERT_EQUAL_FATAL(card.driver->start(&card), 0);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		for (unsigned int i = 0; i < 64; i++)
			card.driver->receive_give(&card, 0, buffer_alloc());
		card.driver->receive_push(&card, 0);
		life();
		_exit(fake.failures != 0);
	}
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_EQUAL_FATAL(status, 0);
	CU_ASSERT_TRUE_FATAL(card.driver->stop(&card));
}

static void after_a_life(void (*life)(void))
{
	fake_card(&card);
	after_a_life_of_this_card(life);
}

static void frame_is_left(uint32_t length, uint32_t segments)
{
	struct net_frame frame;

	CU_ASSERT_EQUAL_FATAL(card.driver->left(&card, 0, &frame), 0);
	CU_ASSERT_EQUAL(frame.length, length);
	CU_ASSERT_EQUAL(frame.segment_count, segments);
	for (unsigned int i = 0; i < frame.segment_count; i++)
		CU_ASSERT_EQUAL(((uint8_t *)frame.segment[i].at)[50], i + 1);
}

static void nothing_is_left(void)
{
	struct net_frame frame;

	CU_ASSERT_EQUAL(card.driver->left(&card, 0, &frame), -XEN_EAGAIN);
	CU_ASSERT_EQUAL(card.driver->left(&card, 0, &frame), -XEN_EAGAIN);
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static unsigned int test_number;
static const struct header one = { .buffer_count = 1 }, three = { .buffer_count = 3 };

static void life_that_takes_two_of_five(void)
{
	struct net_frame frame;

	for (unsigned int i = 0; i < 4; i++)
		card_receives(&one, 100 + i);
	card_receives(&three, 9000);
	card.driver->receive(&card, 0, &frame);
	card.driver->receive(&card, 0, &frame);
}

static void life_that_takes_two_and_gives_buffers(void)
{
	life_that_takes_two_of_five();
	card.driver->receive_give(&card, 0, buffer_alloc());
}

/* The second may have been taken and not recorded. */
static void frames_that_were_not_taken_are_left(void)
{
	after_a_life(life_that_takes_two_of_five);
	frame_is_left(101, 1);
	frame_is_left(102, 1);
	frame_is_left(103, 1);
	frame_is_left(9000, 3);
	nothing_is_left();
	CU_ASSERT_EQUAL(card.driver->restart(&card), 0);
	nothing_is_left();
}

static void frames_that_were_taken_are_not_left(void)
{
	after_a_life(life_that_takes_two_and_gives_buffers);
	frame_is_left(102, 1);
	frame_is_left(103, 1);
	frame_is_left(9000, 3);
	nothing_is_left();
}

static void life_that_says_that_two_are_taken(void)
{
	life_that_takes_two_of_five();
	card.driver->receive_taken(&card, 0);
}

static void frames_that_are_said_to_be_taken_are_not_left(void)
{
	after_a_life(life_that_says_that_two_are_taken);
	frame_is_left(102, 1);
	frame_is_left(103, 1);
	frame_is_left(9000, 3);
	nothing_is_left();
}

/* The buffer of one that is dropped is soon somebody else's, whose bytes may look like a header. */
static void life_that_drops_a_frame_and_sends_a_guests(void)
{
	static const struct header bad = { .flags = 1, .csum_start = 0xffff, .buffer_count = 1 };
	struct net_frame frame;
	uint8_t *buffer;

	card_receives(&bad, 200);
	card_receives(&one, 102);
	card.driver->receive(&card, 0, &frame);
	buffer = buffer_alloc();
	memset(buffer, 0x5e, BUFFER_BYTES);
	memcpy(buffer, &one, sizeof(one));
}

static void frame_that_was_dropped_is_not_left(void)
{
	after_a_life(life_that_drops_a_frame_and_sends_a_guests);
	frame_is_left(102, 1);
	nothing_is_left();
}

static void life_that_gives_until_no_more_are_taken(void)
{
	while (card.driver->receive_give(&card, 0, buffer_alloc()) == 0)
		;
	card.driver->receive_push(&card, 0);
	card_receives(&one, 100);
}

/* The buffer that was refused is not noted for a head that the card has. */
static void full_ring_leaves_its_own_buffers(void)
{
	after_a_life(life_that_gives_until_no_more_are_taken);
	frame_is_left(100, 1);
	nothing_is_left();
}

static void life_that_ends_with_a_lie(void)
{
	static const uint32_t lies[][2] = { { 256, 72 }, { UINT32_MAX, 72 }, { 5, 0 }, { 5, 12 }, { 5, BUFFER_BYTES + 1 }, { 5, UINT32_MAX } };
	uint16_t head = 0;

	card_receives(&one, 60);
	if (test_number < 6) {
		fake_put(receives, lies[test_number][0], lies[test_number][1]);
	} else if (test_number == 6) {
		receives->queue->used->index = 40000;
	} else if (test_number == 7) {
		fake_put(receives, 0, 72);		/* its buffer once more */
	} else {
		static const uint16_t counts[] = { 0, 19, 65535, 4 };
		struct header header = { .buffer_count = counts[test_number - 8] };

		fake_take(receives, &head);
		memcpy(fake_memory(fake_piece(receives, head, 0)->address), &header, 12);
		fake_put(receives, head, 72);
	}
}

/* What came before the lie is delivered, unless the number of all is one. */
static void lies_are_the_end_of_what_is_left(void)	/* N1, P2 */
{
	for (test_number = 0; test_number < 12; test_number++) {
		after_a_life(life_that_ends_with_a_lie);
		if (test_number != 6)
			frame_is_left(60, 1);
		nothing_is_left();
		CU_ASSERT_EQUAL(card.driver->restart(&card), 0);
	}
}

static void life_that_ends_in_noise(void)
{
	life_that_takes_two_of_five();
	srand(test_number);
	for (unsigned int i = 0; i < 20; i++) {
		fake.scratch[(unsigned int)rand() % (i % 2 ? 64 : fake.scratch_bytes)] = (uint8_t)rand();
		((uint8_t *)(uintptr_t)receives->queue->used)[(unsigned int)rand() % 64] = (uint8_t)(rand() % 8);
	}
}

static void noise_gives_whole_frames_of_buffers_that_are_nobodys(void)	/* P1, P2 */
{
	for (test_number = 0; test_number < 100; test_number++) {
		uint32_t free_before, count = 0, segments = 0;
		struct net_frame frame;

		after_a_life(life_that_ends_in_noise);
		free_before = buffer_free_count();
		for (; card.driver->left(&card, 0, &frame) == 0 && count < 1000; count++) {
			uint32_t length = 0;

			for (unsigned int i = 0; i < frame.segment_count; i++) {
				CU_ASSERT_TRUE(pool_has(frame.segment[i].at, frame.segment[i].length));
				length += frame.segment[i].length;
			}
			CU_ASSERT_EQUAL(length, frame.length);
			segments += frame.segment_count;
		}
		CU_ASSERT_TRUE(count < 1000);
		CU_ASSERT_EQUAL(buffer_free_count(), free_before - segments);
	}
}

static void given_card_with_one_command(void)
{
	fake_card(&card);
	fake.features = ~(1ULL << 22);
	fake.queues = 3;
	commands = 0;
	command_answer = 0;
	fake.control = answer_commands;
}

static void life_that_receives_in_its_first_buffer(void)
{
	card_receives(&one, 100);
}

static void no_buffer_is_spent_on_a_command_before_ready(void)	/* P2 */
{
	given_card_with_one_command();
	after_a_life_of_this_card(life_that_receives_in_its_first_buffer);
	CU_ASSERT_EQUAL(commands, 1);
	frame_is_left(100, 1);
	nothing_is_left();
}

/* The answer to its one command is looked at with the link. */
static void successor_does_not_wait_for_the_control_queue(void)
{
	for (unsigned int answer = 0; answer < 3; answer++) {
		given_card_with_one_command();
		CU_ASSERT_EQUAL_FATAL(card.driver->start(&card), 0);
		CU_ASSERT_EQUAL(commands, 1);
		fake.control = NULL;
		CU_ASSERT_TRUE(card.driver->stop(&card));
		CU_ASSERT_EQUAL(card.driver->restart(&card), 0);
		CU_ASSERT_TRUE(card.driver->link_is_up(&card));
		CU_ASSERT_EQUAL(fake.failures, 0);
		command_answer = (uint8_t)answer;
		if (answer < 2)
			answer_commands(&fake.queue[2]);
		else
			fake.now_ns += 10000000000;
		card.driver->link_is_up(&card);
		CU_ASSERT_EQUAL(fake.failures, answer != 0);
	}
}

#define CASE(name) CU_add_test(suite, #name, name)

int main(void)
{
	unsigned int failures;
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("virtio", NULL, NULL);
	CASE(request_is_what_the_standard_says);
	CASE(ios_come_back_in_the_disks_order);
	CASE(id_that_is_not_under_way_is_the_disks_error);
	CASE(id_beyond_the_queue_is_the_disks_error);
	CASE(id_that_comes_twice_is_the_disks_error);
	CASE(more_answers_than_requests_are_the_disks_error);
	CASE(length_beyond_the_room_is_the_disks_error);
	CASE(status_that_does_not_exist_is_the_disks_error);
	CASE(disk_that_rewrites_its_descriptors_harms_nobody);
	CASE(queue_is_full_when_it_says_so);
	CASE(discard_of_any_length_goes_in_parts);
	CASE(discards_that_go_on_count_as_looked_at);
	CASE(discard_ends_with_its_first_error);
	CASE(no_chain_is_longer_than_its_queue);
	CASE(disk_that_cannot_be_is_refused);
	CASE(doorbell_rings_when_the_disk_wants_it);
	CASE(interrupts_are_asked_for_by_index);
	CASE(long_run_is_right);
	CASE(frame_of_many_buffers_is_whole);
	CASE(number_of_buffers_that_cannot_be_is_the_cards_error);
	CASE(frame_of_which_buffers_are_missing_is_the_cards_error);
	CASE(buffer_with_nothing_in_it_is_the_cards_error);
	CASE(length_beyond_the_buffer_is_the_cards_error);
	CASE(frame_with_absurd_offsets_is_dropped);
	CASE(frames_that_complete_out_of_order_come_back_in_order);
	CASE(header_of_a_sent_frame_says_what_is_to_be_done);
	CASE(transmit_lies_are_the_cards_error);
	CASE(card_that_cannot_be_is_refused);
	CASE(card_that_does_not_merge_buffers_is_used_without);
	CASE(card_has_room_for_each_frame_or_is_refused);
	CASE(pairs_are_asked_for_by_command);
	CASE(card_that_does_not_obey_is_refused);
	CASE(successor_does_not_wait_for_the_control_queue);
	CASE(frames_that_were_not_taken_are_left);
	CASE(frames_that_were_taken_are_not_left);
	CASE(frames_that_are_said_to_be_taken_are_not_left);
	CASE(frame_that_was_dropped_is_not_left);
	CASE(full_ring_leaves_its_own_buffers);
	CASE(no_buffer_is_spent_on_a_command_before_ready);
	CASE(lies_are_the_end_of_what_is_left);
	CASE(noise_gives_whole_frames_of_buffers_that_are_nobodys);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
