/* SPDX-License-Identifier: MIT */
/*
 * A network card for a test, through its driver (device/net.h), whichever of the drivers knows it: frames out of and into plain memory.
 * What is sent comes back in the order in which it went, or a check fails.
 */
#ifndef GUEST_CARD_H
#define GUEST_CARD_H

#include "tap.h"

#include "device.h"
#include "device/drivers.h"
#include "runtime/events.h"
#include "runtime/time.h"

#define SECOND 1000000000UL
#define PATIENCE (20 * SECOND)
#define LOOKS 2000u		/* of a ten thousandth of a second */
#define CARD_SENT 256u

static struct pci_function card_function;
static struct net_device card;
static const char *card_failure;
static unsigned int card_given[NET_QUEUES_MAX];	/* buffers that the card has for receiving */

static struct card_sent {
	void *buffer[NET_SEGMENTS_MAX];
	unsigned int count;
} card_sent[NET_QUEUES_MAX][CARD_SENT];
static unsigned int card_sent_index[NET_QUEUES_MAX], card_reaped_index[NET_QUEUES_MAX];

static inline bool card_knows(const struct pci_function *candidate)
{
	for (const struct net_driver *const *driver = net_drivers; *driver; driver++)
		if ((*driver)->knows(candidate)) {
			card.driver = *driver;
			return true;
		}
	return false;
}

static inline void card_failed(struct net_device *device, const char *why)
{
	card_failure = why;
}

static inline void card_give(unsigned int queue, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		void *buffer = buffer_alloc();

		ASSERT(buffer);
		if (card.driver->receive_give(&card, queue, buffer)) {
			buffer_free(buffer);
			break;
		}
		card_given[queue]++;
	}
	card.driver->receive_push(&card, queue);
}

/* Starts it, anew if it was started before, with `buffers` for each queue. */
static inline void card_begin(unsigned int buffers)
{
	pool_reset();
	memset(card_given, 0, sizeof(card_given));
	memset(card_sent_index, 0, sizeof(card_sent_index));
	memset(card_reaped_index, 0, sizeof(card_reaped_index));
	check_equal(card.driver->start(&card), 0);
	for (unsigned int queue = 0; queue < card.queues; queue++)
		card_give(queue, buffers);
}

static inline bool card_find(unsigned int pool_pages)
{
	device_pool(pool_pages);
	if (!device_find(card_knows, &card_function))
		return false;
	card.function = &card_function;
	card.failed = card_failed;
	return true;
}

static inline void card_print(void)
{
	printf("# %s: %02x:%02x:%02x:%02x:%02x:%02x, MTU %u, %u queues, checksums %u, TSO %u, LRO %u\n", card.driver->name, card.mac[0],
	       card.mac[1], card.mac[2], card.mac[3], card.mac[4], card.mac[5], card.mtu, card.queues, card.does_csum, card.does_tso,
	       card.does_lro);
}

/* A frame in `count` segments, cut anywhere, in a buffer of its own each. `frame` has all but the segments. 0, or the driver's error. */
static inline int card_send(unsigned int queue, struct net_frame frame, const uint8_t *bytes, unsigned int count)
{
	struct card_sent *sent = &card_sent[queue][card_sent_index[queue] % CARD_SENT];
	unsigned int done = 0;
	int error;

	if (card_sent_index[queue] - card_reaped_index[queue] >= CARD_SENT)
		return -XEN_ENOSPC;
	frame.segment_count = (uint8_t)count;
	frame.cookie = sent;
	sent->count = count;
	for (unsigned int i = 0; i < count; i++) {
		unsigned int left = frame.length - done, piece = i + 1 == count ? left : left / (count - i) - i % 2;
		unsigned int skip = piece + i * 3 <= BUFFER_BYTES ? i * 3 : 0;
		uint8_t *at = buffer_alloc();

		ASSERT(at && piece <= BUFFER_BYTES);
		sent->buffer[i] = at;
		memcpy(at + skip, bytes + done, piece);
		frame.segment[i] = (struct pool_part){ at + skip, piece };
		done += piece;
	}
	error = card.driver->transmit(&card, queue, &frame);
	for (unsigned int i = 0; i < count && error; i++)
		buffer_free(sent->buffer[i]);
	card_sent_index[queue] += !error;
	return error;
}

/* Waits until so many that were sent have come back; how many did. */
static inline unsigned int card_reap(unsigned int queue, unsigned int wanted)
{
	uint64_t end = time_now_ns() + PATIENCE;
	unsigned int count = 0;
	void *cookie[8];

	while (count < wanted && !card_failure && time_now_ns() < end) {
		unsigned int now = card.driver->reap(&card, queue, cookie, wanted - count < 8 ? wanted - count : 8);

		for (unsigned int i = 0; i < now; i++) {
			struct card_sent *expected = &card_sent[queue][card_reaped_index[queue]++ % CARD_SENT];

			if (cookie[i] != expected)
				check_equal(cookie[i], expected);
			for (unsigned int n = 0; n < expected->count; n++)
				buffer_free(expected->buffer[n]);
		}
		count += now;
	}
	check_that(!card_failure, "the driver says: %s", card_failure);
	return count;
}

static inline void card_take(unsigned int queue, struct net_frame *frame, uint8_t *bytes, unsigned int room)
{
	unsigned int length = 0;

	check(frame->segment_count >= 1 && frame->segment_count <= NET_SEGMENTS_MAX);
	for (unsigned int i = 0; i < frame->segment_count; i++) {
		const struct pool_part *segment = &frame->segment[i];

		check(pool_has(segment->at, segment->length));
		check(i || (uintptr_t)segment->at % BUFFER_BYTES >= card.header_room);
		if (length + segment->length <= room)
			memcpy(bytes + length, segment->at, segment->length);
		length += segment->length;
		buffer_free(segment->at);
		card_given[queue]--;
	}
	check_equal(length, frame->length);
	card_give(queue, frame->segment_count);
}

/* The next frame that comes on any queue, in one piece; its length, and *frame says the rest. 0: none comes. */
static inline unsigned int card_receive(struct net_frame *frame, uint8_t *bytes, unsigned int room)
{
	uint64_t end = time_now_ns() + 5 * SECOND;
	unsigned int looks = 0;

	/* If the machine stood still, so did who is to answer. */
	do {
		for (unsigned int queue = 0; queue < card.queues; queue++)
			if (card.driver->receive(&card, queue, frame) == 0) {
				card_take(queue, frame, bytes, room);
				return frame->length;
			}
		event_poll(NULL, 0, time_now_ns() + SECOND / 10000);
	} while (!card_failure && (looks++ < LOOKS || time_now_ns() < end));
	check_that(!card_failure, "the driver says: %s", card_failure);
	return 0;
}

/* ---- what stands in frames ---- */

static inline void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline unsigned int get16(const uint8_t *at)
{
	return (unsigned int)(at[0] << 8 | at[1]);
}

/* The Internet checksum's sum, not complemented. */
static inline uint16_t sum_on(uint32_t total, const uint8_t *at, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		total += i % 2 ? at[i] : (unsigned int)at[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)total;
}

static inline void put_ethernet(uint8_t *frame, const uint8_t *to, unsigned int type)
{
	memcpy(frame, to, 6);
	memcpy(frame + 6, card.mac, 6);
	put16(frame + 12, type);
}

static inline void put_ip4(uint8_t *at, unsigned int protocol, const uint8_t *from, const uint8_t *to, unsigned int bytes)
{
	memset(at, 0, 20);
	at[0] = 0x45;
	put16(at + 2, bytes);
	at[8] = 64;
	at[9] = (uint8_t)protocol;
	memcpy(at + 12, from, 4);
	memcpy(at + 16, to, 4);
	put16(at + 10, (uint16_t)~sum_on(0, at, 20));
}

#endif
