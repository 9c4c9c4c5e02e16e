/* SPDX-License-Identifier: MIT */
/*
 * The e1000e driver with a card that does anything: its registers, its descriptors and all of the pool are the fuzzer's bytes, and so is what a
 * dying driver has left in its scratch page. A buffer has one owner, a frame is what its segments are, what was sent comes back once and in order; a
 * driver whose card has failed is at its end.
 */
#include <setjmp.h>
#include <string.h>

#include "bytes.h"
#include "pci_device.h"

#define FRAMES		64u
#define ENTRIES		256u
#define REG_CTRL	0x0000
#define REG_EECD	0x0010
#define REG_RDBAL	0x2800
#define REG_TDBAL	0x3800

struct descriptor {
	uint64_t at;
	uint32_t low, high;
};

static struct net_device card;
static bool is_sent[FRAMES], is_card_s[FAKE_POOL_PAGES];
static unsigned int next_sent, next_reaped;
static struct descriptor *receives, *transmits;
static uint32_t received, sent;
static jmp_buf over;

static void domain_ends(void)
{
	longjmp(over, 1);
}

/* ---- the card ---- */

static void look(void)
{
	uint8_t how = take8();

	if (how == 0xff)
		fake_set(take16() % (fake.bytes / 4) * 4, take32());
	if (how != 0xfe) {
		fake_set(REG_CTRL, fake_get(REG_CTRL) & ~(1u << 26));
		fake_set(REG_EECD, fake_get(REG_EECD) | 1u << 9);
	}
}

static struct descriptor *ring(uint32_t base)
{
	return fake_memory(fake_get(base) | (uint64_t)fake_get(base + 4) << 32, ENTRIES * sizeof(struct descriptor));
}

/* Mostly what a card does, so that there is something behind the checks too. */
static void card_receives(void)
{
	struct descriptor *descriptor = &receives[received % ENTRIES];
	uint8_t how = take8();

	descriptor->high = how & 0x80 ? take32() : how & 0x40 ? 0 : BUFFER_BYTES - (how & 0x20 ? take8() : 0);
	descriptor->low = 1u | (how & 3 ? 2u : 0) | (how & 0x10 ? take32() : 0);
	received++;
}

static void card_sends(void)
{
	if (take8() & 0x80)
		sent = take8();
	transmits[sent++ % ENTRIES].high |= 1;
}

static void misbehave(void)
{
	switch (take8() % 8) {
	case 0: scribble(pool_at, pool_bytes); break;
	case 1: fake_set(take16() % (fake.bytes / 4) * 4, take32()); break;
	case 2: case 3: card_sends(); break;
	default: card_receives();
	}
}

/* ---- the back-end ---- */

static void send(void)
{
	struct net_frame frame = { .segment_count = (uint8_t)(1 + take8() % NET_SEGMENTS_MAX) };

	if (is_sent[next_sent % FRAMES])
		return;
	for (unsigned int i = 0; i < frame.segment_count; i++) {
		frame.segment[i] = (struct pool_part){ pool_at + pool_bytes - BUFFER_BYTES, 100 };
		frame.length += 100;
	}
	if (take8() & 1) {
		frame.flags = NET_NEEDS_CSUM;
		frame.gso = take8() % 3;
		frame.csum_start = take8();
		frame.csum_offset = 16;
		frame.header_bytes = take8();
		frame.gso_bytes = take16();
	}
	frame.cookie = &is_sent[next_sent % FRAMES];
	if (card.driver->transmit(&card, 0, &frame) == 0)
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

static void frame_judge(const struct net_frame *frame)
{
	uint32_t length = 0;

	must(frame->segment_count >= 1 && frame->segment_count <= NET_SEGMENTS_MAX, "a frame of so many segments");
	for (unsigned int i = 0; i < frame->segment_count; i++) {
		must(frame->segment[i].length && pool_has(frame->segment[i].at, frame->segment[i].length), "a segment that is no memory");
		length += frame->segment[i].length;
	}
	must(length == frame->length && length >= 14, "a length that is not the segments'");
	must(frame->gso == NET_GSO_NONE && !(frame->flags & NET_NEEDS_CSUM), "a card of this kind says no such thing");
}

static void take_frame(void)
{
	struct net_frame frame;

	if (card.driver->receive(&card, 0, &frame))
		return;
	frame_judge(&frame);
	for (unsigned int i = 0; i < frame.segment_count; i++) {
		must(is_card_s[buffer_number(frame.segment[i].at)], "a buffer that the card did not have");
		is_card_s[buffer_number(frame.segment[i].at)] = false;
		buffer_free(frame.segment[i].at);		/* P1: nobody else had it */
	}
}

static void give_buffer(void)
{
	void *buffer = buffer_alloc();

	if (!buffer)
		return;
	if (card.driver->receive_give(&card, 0, buffer))
		buffer_free(buffer);
	else
		is_card_s[buffer_number(buffer)] = true;
}

/* The driver's memory is as when start() had returned; the pool and its scratch page are as they were. */
static void another_life(void)
{
	static uint8_t kept[BUFFER_BYTES], descriptors[ENTRIES * sizeof(struct descriptor)];
	struct net_frame frame;
	unsigned int frames = 0;

	memcpy(kept, fake.scratch, sizeof(kept));
	memcpy(descriptors, receives, sizeof(descriptors));
	for (unsigned int count = take8() % 4; count; count--)
		kept[take16() % (4 + 2 * ENTRIES)] = take8();
	pool_reset();
	memset(is_sent, 0, sizeof(is_sent));
	memset(is_card_s, 0, sizeof(is_card_s));
	next_sent = next_reaped = received = sent = 0;
	if (card.driver->start(&card))
		longjmp(over, 1);
	memcpy(fake.scratch, kept, sizeof(kept));
	memcpy(receives, descriptors, sizeof(descriptors));
	if (!card.driver->stop(&card))
		longjmp(over, 1);
	while (card.driver->left(&card, 0, &frame) == 0) {
		must(frames++ <= ENTRIES, "more is left than there was");
		frame_judge(&frame);
		if (take8() & 1)
			for (unsigned int i = 0; i < frame.segment_count; i++)
				buffer_free(frame.segment[i].at);
	}
	if (card.driver->restart(&card))
		longjmp(over, 1);
}

static void live(void)
{
	if (card.driver->start(&card))
		return;
	receives = ring(REG_RDBAL);
	transmits = ring(REG_TDBAL);
	if (!receives || !transmits)		/* the card has rewritten its registers: we know the rings no more */
		return;
	while (at < end) {
		switch (take8() % 12) {
		case 0: send(); break;
		case 1: card.driver->transmit_push(&card, 0); break;
		case 2: take_sent(); break;
		case 3: case 4: give_buffer(); break;
		case 5: card.driver->receive_push(&card, 0); break;
		case 6: take_frame(); break;
		case 7: card.driver->interrupts(&card, 0, take8() & 1, take8() & 1); break;
		case 8: card.driver->link_is_up(&card); break;
		case 9:
			if (take8() % 4 == 0)
				another_life();
			break;
		default: misbehave();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	at = data;
	end = data + bytes;
	fake_begin(0x6000);
	fake_card(&card, &e1000e);
	fake.ends = domain_ends;
	fake.look = look;
	fake.function.msix_vectors = take8() & 1 ? 5 : 0;
	memset(is_sent, 0, sizeof(is_sent));
	memset(is_card_s, 0, sizeof(is_card_s));
	next_sent = next_reaped = received = sent = 0;
	if (!setjmp(over))
		live();
	return 0;
}
