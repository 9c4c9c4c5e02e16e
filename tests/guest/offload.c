/* SPDX-License-Identifier: MIT */
/*
 * What a card does besides moving frames: checksums, TCP segmentation and joining, several queues. On the wire is a bridge that sends each
 * frame back to where it came from, as large as the card can take it.
 *
 * WIRE: echo
 * QEMU: -machine q35 -netdev tap,id=net,ifname=tap0,script=no,downscript=no,queues=2 -device virtio-net-pci,netdev=net,disable-legacy=on,mq=on,vectors=6
 * QEMU iommu: -machine q35 -device intel-iommu,intremap=on -netdev tap,id=net,ifname=tap0,script=no,downscript=no,queues=2 -device virtio-net-pci,netdev=net,disable-legacy=on,mq=on,vectors=6,iommu_platform=on
 * QEMU segments: -machine q35 -netdev tap,id=net,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=net,disable-legacy=on,guest_tso4=off,guest_tso6=off,guest_csum=off
 * QEMU e1000e: -machine q35 -netdev tap,id=net,ifname=tap0,script=no,downscript=no -device e1000e,netdev=net
 */
#include "card.h"

#define ROOM 65536u
#define ETHERNET 14u
#define TCP 20u
#define MSS 1400u

static const uint8_t other_mac[6] = { 2, 0, 0, 0, 0, 0x42 };
static uint8_t out[ROOM], in[ROOM], whole[ROOM];

static uint8_t letter_at(uint32_t offset, uint32_t seed)
{
	return (uint8_t)((offset * 2654435761u >> 13) + seed);
}

/* ---- frames ---- */

static uint32_t ip_bytes(enum net_gso kind)
{
	return kind == NET_GSO_TCP6 ? 40 : 20;
}

/* Over addresses, protocol and length, as whoever leaves the checksum to the card writes it. */
static uint16_t pseudo_sum(const uint8_t *ip, enum net_gso kind, uint32_t protocol, uint32_t bytes)
{
	return kind == NET_GSO_TCP6 ? sum_on(protocol + bytes, ip + 8, 32) : sum_on(protocol + bytes, ip + 12, 8);
}

static void put_ip(uint8_t *ip, enum net_gso kind, uint32_t protocol, uint32_t bytes)
{
	static const uint8_t from[4] = { 10, 9, 0, 1 }, to[4] = { 10, 9, 0, 2 };

	if (kind != NET_GSO_TCP6)
		return put_ip4(ip, protocol, from, to, 20 + bytes);
	memset(ip, 0, 40);
	ip[0] = 0x60;
	put16(ip + 4, bytes);
	ip[6] = (uint8_t)protocol;
	ip[7] = 64;
	ip[8] = ip[24] = 0xfd;
	ip[23] = 1;
	ip[39] = 2;
}

static struct net_frame make_tcp(enum net_gso kind, uint32_t sequence, uint32_t payload, uint32_t seed)
{
	uint32_t head = ETHERNET + ip_bytes(kind) + TCP;
	uint8_t *ip = out + ETHERNET, *tcp = ip + ip_bytes(kind);

	put_ethernet(out, other_mac, kind == NET_GSO_TCP6 ? 0x86dd : 0x0800);
	put_ip(ip, kind, 6, TCP + payload);
	memset(tcp, 0, TCP);
	put16(tcp, 4000);
	put16(tcp + 2, 5000);
	put16(tcp + 4, sequence >> 16);
	put16(tcp + 6, sequence & 0xffff);
	tcp[12] = 5 << 4;
	tcp[13] = 0x10;
	put16(tcp + 14, 8192);
	put16(tcp + 16, pseudo_sum(ip, kind, 6, TCP + payload));
	for (uint32_t i = 0; i < payload; i++)
		out[head + i] = letter_at(i, seed);
	return (struct net_frame){ .length = head + payload, .flags = NET_NEEDS_CSUM, .gso = payload > MSS ? (uint8_t)kind : NET_GSO_NONE,
				   .csum_start = (uint16_t)(ETHERNET + ip_bytes(kind)), .csum_offset = 16,
				   .gso_bytes = payload > MSS ? MSS : 0, .header_bytes = (uint16_t)head };
}

/* Either the card says that it has not been filled in, or it is right. */
static bool checksum_holds(const struct net_frame *frame, enum net_gso kind, uint32_t length)
{
	uint32_t bytes = length - ETHERNET - ip_bytes(kind);
	const uint8_t *ip = in + ETHERNET, *tcp = ip + ip_bytes(kind);

	if (frame->flags & NET_NEEDS_CSUM)
		return frame->csum_start == ETHERNET + ip_bytes(kind) && frame->csum_offset == 16 &&
		       get16(tcp + 16) == pseudo_sum(ip, kind, 6, bytes);
	return sum_on(pseudo_sum(ip, kind, 6, bytes), tcp, bytes) == 0xffff;
}

/* Without what a card adds to a frame that is too short for the wire. */
static uint32_t length_of(enum net_gso kind)
{
	return ETHERNET + (kind == NET_GSO_TCP6 ? 40 + get16(in + ETHERNET + 4) : get16(in + ETHERNET + 2));
}

/* One piece of the payload; how much of it. */
static uint32_t take_piece(enum net_gso kind, uint32_t sequence, uint32_t payload, uint32_t *frames, uint32_t *largest)
{
	struct net_frame frame;
	uint32_t head = ETHERNET + ip_bytes(kind) + TCP, length, offset;

	do {
		length = card_receive(&frame, in, ROOM);
		if (!length)
			return 0;
	} while (memcmp(in, other_mac, 6) || get16(in + 12) != (kind == NET_GSO_TCP6 ? 0x86ddu : 0x0800u) || length <= head);
	check(length_of(kind) <= length && length_of(kind) > head);
	length = length_of(kind);
	offset = (get16(in + head - TCP + 4) << 16 | get16(in + head - TCP + 6)) - sequence;
	check(checksum_holds(&frame, kind, length));
	check(frame.gso == NET_GSO_NONE ? length <= head + MSS : frame.gso == kind && frame.gso_bytes == MSS);
	if (offset > payload || length - head > payload - offset) {
		check_that(false, "a segment of %u bytes at %u", length - head, offset);
		return 0;
	}
	memcpy(whole + offset, in + head, length - head);
	++*frames;
	if (length > *largest)
		*largest = length;
	return length - head;
}

static bool comes_back(enum net_gso kind, uint32_t sequence, uint32_t payload, uint32_t seed, uint32_t *largest)
{
	uint32_t left = payload, frames = 0;

	*largest = 0;
	memset(whole, 0, sizeof(whole));
	while (left) {
		uint32_t now = take_piece(kind, sequence, payload, &frames, largest);

		if (!now || now > left)
			return false;
		left -= now;
	}
	for (uint32_t i = 0; i < payload; i++)
		if (whole[i] != letter_at(i, seed))
			return false;
	return true;
}

static void tcp_goes_and_comes(unsigned int queue, enum net_gso kind, uint32_t payload, unsigned int segments, bool is_whole)
{
	uint32_t largest, sequence = payload * 16, head = ETHERNET + ip_bytes(kind) + TCP;
	struct net_frame frame = make_tcp(kind, sequence, payload, segments);

	check_equal(card_send(queue, frame, out, segments), 0);
	card.driver->transmit_push(&card, queue);
	check_equal(card_reap(queue, 1), 1);
	check(comes_back(kind, sequence, payload, segments, &largest));
	check_equal(largest, is_whole ? head + payload : head + (payload > MSS ? MSS : payload));
}

/* ---- the tests ---- */

static void card_is_found_and_started(void)
{
	check(card_find(3072));
	if (!card.driver)
		return;
	card_begin(128);
	card_print();
	check(card.does_csum && card.does_tso);
}

/* The first frames of a wire may come before it is ready. */
static void frame_comes_back_as_it_went(void)
{
	struct net_frame frame = { .length = 500 };

	put_ethernet(out, other_mac, 0x88b5);
	for (uint32_t i = ETHERNET; i < 500; i++)
		out[i] = letter_at(i, 1);
	for (int round = 0; round < 20; round++) {
		check_equal(card_send(0, frame, out, 2), 0);
		card.driver->transmit_push(&card, 0);
		check_equal(card_reap(0, 1), 1);
		if (card_receive(&frame, in, ROOM) == 500 && memcmp(in, out, 500) == 0)
			return;
		frame = (struct net_frame){ .length = 500 };
	}
	check(!"it comes back");
}

static void checksums_are_filled_in_or_said_to_be_blank(void)
{
	for (uint32_t payload = 1; payload <= MSS; payload += 233) {
		tcp_goes_and_comes(0, NET_GSO_TCP4, payload, 1, true);
		tcp_goes_and_comes(0, NET_GSO_TCP6, payload, 2, true);
	}
}

static void large_tcp4_is_cut_or_comes_whole(void)
{
	tcp_goes_and_comes(0, NET_GSO_TCP4, 2 * MSS, 2, card.does_lro);
	tcp_goes_and_comes(0, NET_GSO_TCP4, 20001, 7, card.does_lro);
	tcp_goes_and_comes(0, NET_GSO_TCP4, 60000, 17, card.does_lro);
	tcp_goes_and_comes(0, NET_GSO_TCP4, 65000, NET_SEGMENTS_MAX, card.does_lro);
}

static void large_tcp6_is_cut_or_comes_whole(void)
{
	tcp_goes_and_comes(0, NET_GSO_TCP6, 2 * MSS, 2, card.does_lro);
	tcp_goes_and_comes(0, NET_GSO_TCP6, 60000, NET_SEGMENTS_MAX, card.does_lro);
}

static void each_queue_works(void)
{
	printf("# %u queues\n", card.queues);
	for (unsigned int queue = 0; queue < card.queues; queue++)
		for (int round = 0; round < 8; round++)
			tcp_goes_and_comes(queue, NET_GSO_TCP4, 30000 + (uint32_t)round, 9, card.does_lro);
}

static void many_large_frames_are_under_way_at_once(void)
{
	/* The host sends a flow back by the queue that it came by last. */
	uint32_t largest, sent = 0, queue = card.queues - 1;

	for (; sent < 6; sent++)
		if (card_send(queue, make_tcp(NET_GSO_TCP4, sent << 20, 30000 + sent, sent), out, 9))
			break;
	check(sent >= 3);
	card.driver->transmit_push(&card, queue);
	for (uint32_t i = 0; i < sent; i++)
		check(comes_back(NET_GSO_TCP4, i << 20, 30000 + i, i, &largest));
	check_equal(card_reap(queue, sent), sent);
}

static void card_starts_again(void)
{
	for (int round = 0; round < 3; round++) {
		check(card.driver->stop(&card));
		card_begin(128);
		tcp_goes_and_comes(card.queues - 1, NET_GSO_TCP4, 40000, 11, card.does_lro);
	}
	check(card.driver->stop(&card));
}

static const struct tap_test tests[] = {
	TEST(card_is_found_and_started),
	TEST(frame_comes_back_as_it_went),
	TEST(checksums_are_filled_in_or_said_to_be_blank),
	TEST(large_tcp4_is_cut_or_comes_whole),
	TEST(large_tcp6_is_cut_or_comes_whole),
	TEST(each_queue_works),
	TEST(many_large_frames_are_under_way_at_once),
	TEST(card_starts_again),
};

TAP_MAIN(tests)
