/* SPDX-License-Identifier: MIT */
/*
 * The virtio drivers with a device that does anything: its configuration, what it says of queues, and all of the pool are the fuzzer's
 * bytes. What comes back from a driver was given to it, once; a driver that has failed gives nothing more.
 */
#include <string.h>

#include "bytes.h"
#include "virtio_device.h"

#define IOS 64u
#define FRAMES 64u

static struct blk_device disk;
static struct net_device card;

/* ---- the device ---- */

static bool is_card;

/* The last byte is a status; or a frame's header, of as many buffers. */
static void fill(struct fake_queue *queue, uint16_t head)
{
	struct virtq_desc *piece = fake_piece(queue, head, 0);
	uint8_t *memory;

	for (unsigned int i = 1; !is_card && piece && i < VIRTQUEUE_PIECES_MAX && fake_piece(queue, head, i); i++)
		piece = fake_piece(queue, head, i);
	memory = piece ? fake_memory(piece->address) : NULL;
	if (!memory || !pool_has(memory, 12))
		return;
	if (!is_card) {
		*memory = take8() % 4;
		return;
	}
	memory[0] = take8() & 3;
	memory[1] = take8() % 6;
	for (unsigned int i = 2; i < 10; i++)
		memory[i] = take8() & 1 ? take8() : 0;
	memory[10] = (uint8_t)(1 + take8() % 20 * (take8() % 4 == 0));
	memory[11] = 0;
}

/* Mostly ids that were handed over, so that there is something behind the checks too. */
static void complete(struct fake_queue *queue)
{
	uint16_t head = 0;
	uint8_t how = take8();

	if (!queue->queue)
		return;
	if (is_card && queue == &fake.queue[0] && how == 7) {
		for (unsigned int count = 1 + take8() % 20; count && fake_take(queue, &head) && head < queue->queue->slots; count--) {
			fill(queue, head);
			fake_put(queue, head, BUFFER_BYTES);
		}
		return;
	}
	if (how & 0x80)
		queue->queue->used->index = take16();
	else if (how & 0x40)
		fake_put(queue, take32(), take32());
	else if (fake_take(queue, &head) && head < queue->queue->slots) {
		if (!(how & 8))
			fill(queue, head);
		fake_put(queue, head, how & 0x20 ? take32() : !is_card ? 1 : queue == &fake.queue[0] ? 72 : 0);
	}
}

static void misbehave(void)
{
	if (take8() & 1)
		scribble(pool_at, pool_bytes);
	else
		complete(&fake.queue[take8() % 3]);
}

/* Honest in most lives, or nothing would start. */
static void answer_command(struct fake_queue *queue)
{
	uint16_t head = 0;

	if (queue != &fake.queue[2])
		return;
	if (take8() == 0xff)
		complete(queue);
	while (fake_take(queue, &head) && head < queue->queue->slots && fake_piece(queue, head, 2)) {
		*(uint8_t *)fake_memory(fake_piece(queue, head, 2)->address) = take8() == 0xff;
		fake_put(queue, head, 1);
	}
}

static void lie_of_itself(void)
{
	for (unsigned int count = take8() % 4; count; count--)
		fake.config[take8() % sizeof(fake.config)] = take8();
	fake.features &= ~(1ULL << take8() % 64 | 1ULL << take8() % 64);
	fake.slots = (uint16_t)(256u >> take8() % 9);
}

/* ---- the disk ---- */

static struct blk_io io[IOS];
static bool is_given[IOS];

static void give_io(void)
{
	unsigned int number = take8() % IOS;
	uint8_t what = take8();

	if (is_given[number])
		return;
	for (uint32_t i = 0; i < io[number].segment_count; i++)
		buffer_free(io[number].segment[i].at);
	io[number] = (struct blk_io){ .op = what % 4, .sector = take32(), .sectors = 1 + take16(), .cookie = &io[number] };
	if (io[number].op == BLK_READ || io[number].op == BLK_WRITE)
		for (uint32_t i = 0; i < disk.segments_max && i <= what / 16u; i++) {
			void *buffer = buffer_alloc();

			if (!buffer)
				break;
			io[number].segment[io[number].segment_count++] = (struct blk_segment){ buffer, BUFFER_BYTES };
		}
	is_given[number] = disk.driver->submit(&disk, take8() % disk.queues, &io[number]) == 0;
}

static void take_ios(void)
{
	struct blk_io *done[4];
	unsigned int count = disk.driver->reap(&disk, take8() % disk.queues, done, 4);

	for (unsigned int i = 0; i < count; i++) {
		must(done[i] >= io && done[i] < io + IOS && done[i]->cookie == done[i], "an io that was never given");
		must(is_given[done[i] - io], "an io that comes back twice");
		must(done[i]->result <= 0, "a result that is none");
		is_given[done[i] - io] = false;
	}
}

static void fuzz_disk(void)
{
	fake_disk(&disk);
	lie_of_itself();
	memset(is_given, 0, sizeof(is_given));
	memset(io, 0, sizeof(io));
	if (disk.driver->start(&disk))
		return;
	must(disk.queues >= 1 && disk.queues <= BLK_QUEUES_MAX && disk.segments_max >= 1 && disk.segments_max <= BLK_SEGMENTS_MAX,
	     "a disk that no back-end expects");
	while (at < end) {
		switch (take8() % 4) {
		case 0: give_io(); break;
		case 1: disk.driver->push(&disk, take8() % disk.queues); break;
		case 2: take_ios(); break;
		default: misbehave();
		}
	}
}

/* ---- the card ---- */

static bool is_sent[FRAMES];
static unsigned int next_sent, next_reaped;

static void send(void)
{
	struct net_frame frame = { .segment_count = (uint8_t)(1 + take8() % NET_SEGMENTS_MAX), .flags = take8() & 1, .gso = take8() % 3,
				   .csum_start = take16(), .csum_offset = take16(), .gso_bytes = take16(), .header_bytes = take16() };

	if (is_sent[next_sent % FRAMES])
		return;
	for (unsigned int i = 0; i < frame.segment_count; i++) {
		frame.segment[i] = (struct pool_part){ pool_at + pool_bytes - BUFFER_BYTES, 100 };
		frame.length += 100;
	}
	frame.cookie = &is_sent[next_sent % FRAMES];
	if (card.driver->transmit(&card, take8() % card.queues, &frame) == 0)
		is_sent[next_sent++ % FRAMES] = true;
}

static void take_sent(void)
{
	void *cookie[4];
	unsigned int count = card.driver->reap(&card, 0, cookie, 4);

	for (unsigned int i = 0; i < count; i++) {
		must(cookie[i] == &is_sent[next_reaped++ % FRAMES], "a frame that comes back in no order");
		must(*(bool *)cookie[i], "a frame that comes back twice");
		*(bool *)cookie[i] = false;
	}
}

static void take_frame(void)
{
	struct net_frame frame;
	uint32_t length = 0;

	if (card.driver->receive(&card, take8() % card.queues, &frame))
		return;
	must(frame.segment_count >= 1 && frame.segment_count <= NET_SEGMENTS_MAX, "a frame of so many segments");
	for (unsigned int i = 0; i < frame.segment_count; i++) {
		must(frame.segment[i].length && pool_has(frame.segment[i].at, frame.segment[i].length), "a segment that is no memory");
		length += frame.segment[i].length;
		buffer_free(frame.segment[i].at);	/* P1: nobody else had it */
	}
	must(length == frame.length, "a length that is not the segments'");
	must(!(frame.flags & NET_NEEDS_CSUM) || frame.csum_start + frame.csum_offset + 2u <= length, "a checksum beyond the frame");
	must(frame.header_bytes <= length || !frame.gso, "headers beyond the frame");
}

static void give_buffer(void)
{
	void *buffer = buffer_alloc();

	if (buffer && card.driver->receive_give(&card, take8() % card.queues, buffer))
		buffer_free(buffer);
}

static void fuzz_card(void)
{
	fake_card(&card);
	fake.features = ~0ULL;
	fake.queues = 3;
	fake.control = answer_command;
	lie_of_itself();
	memset(is_sent, 0, sizeof(is_sent));
	next_sent = next_reaped = 0;
	if (card.driver->start(&card))
		return;
	fake.control = NULL;
	card.queues = 1;
	while (at < end) {
		switch (take8() % 8) {
		case 0: send(); break;
		case 1: card.driver->transmit_push(&card, 0); break;
		case 2: take_sent(); break;
		case 3: give_buffer(); break;
		case 4: card.driver->receive_push(&card, 0); break;
		case 5: take_frame(); break;
		case 6: card.driver->interrupts(&card, 0, take8() & 1, take8() & 1); break;
		default: misbehave();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	at = data;
	end = data + bytes;
	is_card = take8() & 1;
	if (!is_card)
		fuzz_disk();
	else
		fuzz_card();
	return 0;
}
