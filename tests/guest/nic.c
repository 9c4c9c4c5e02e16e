/* SPDX-License-Identifier: MIT */
/*
 * A network card through its driver (device/net.h), whichever of the drivers knows it, on QEMU's user network: 10.0.2.2 answers ARP and
 * ICMP echo by itself, and has a DHCP server.
 *
 * QEMU: -machine q35 -netdev user,id=net -device virtio-net-pci,netdev=net,disable-legacy=on
 * QEMU pc: -machine pc -netdev user,id=net -device virtio-net-pci,netdev=net
 * QEMU iommu: -machine q35 -device intel-iommu,intremap=on -netdev user,id=net -device virtio-net-pci,netdev=net,disable-legacy=on,iommu_platform=on
 * QEMU plain: -machine q35 -netdev user,id=net -device virtio-net-pci,netdev=net,disable-legacy=on,mrg_rxbuf=off,event_idx=off,indirect_desc=off,ctrl_vq=off
 * QEMU mtu: -machine q35 -netdev user,id=net -device virtio-net-pci,netdev=net,disable-legacy=on,host_mtu=1400,rx_queue_size=1024
 * QEMU e1000e: -machine q35 -netdev user,id=net -device e1000e,netdev=net
 * QEMU e1000e_iommu: -machine q35 -device intel-iommu,intremap=on -netdev user,id=net -device e1000e,netdev=net
 */
#include "tap.h"

#include "device.h"
#include "device/drivers.h"
#include "runtime/events.h"
#include "runtime/time.h"

#define SECOND 1000000000UL
#define PATIENCE (20 * SECOND)
#define FRAMES 128
#define ETHERNET 14u
#define PING_HEAD (ETHERNET + 20u + 8u)

static const uint8_t own_ip[4] = { 10, 0, 2, 15 }, host_ip[4] = { 10, 0, 2, 2 };
static uint8_t host_mac[6];

static struct pci_function function;
static struct net_device card;
static const char *failure;
static unsigned int given[NET_QUEUES_MAX];	/* buffers that the card has for receiving */

static bool known(const struct pci_function *candidate)
{
	for (const struct net_driver *const *driver = net_drivers; *driver; driver++)
		if ((*driver)->knows(candidate)) {
			card.driver = *driver;
			return true;
		}
	return false;
}

static void failed(struct net_device *device, const char *why)
{
	failure = why;
}

/* ---- frames ---- */

static void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned int get16(const uint8_t *at)
{
	return (unsigned int)(at[0] << 8 | at[1]);
}

static uint16_t sum(const uint8_t *at, unsigned int bytes)
{
	uint32_t total = 0;

	for (unsigned int i = 0; i < bytes; i++)
		total += i % 2 ? at[i] : (unsigned int)at[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

static void ethernet(uint8_t *frame, const uint8_t *to, unsigned int type)
{
	memcpy(frame, to, 6);
	memcpy(frame + 6, card.mac, 6);
	put16(frame + 12, type);
}

static void ip(uint8_t *at, unsigned int protocol, const uint8_t *from, const uint8_t *to, unsigned int bytes)
{
	memset(at, 0, 20);
	at[0] = 0x45;
	put16(at + 2, bytes);
	at[8] = 64;
	at[9] = (uint8_t)protocol;
	memcpy(at + 12, from, 4);
	memcpy(at + 16, to, 4);
	put16(at + 10, sum(at, 20));
}

static unsigned int make_arp(uint8_t *frame)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 }, head[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	memset(frame, 0, 60);
	ethernet(frame, all, 0x0806);
	memcpy(frame + 14, head, 8);
	memcpy(frame + 22, card.mac, 6);
	memcpy(frame + 28, own_ip, 4);
	memcpy(frame + 38, host_ip, 4);
	return 60;
}

static uint8_t letter_at(unsigned int number, unsigned int offset)
{
	return (uint8_t)(number * 31 + offset * 7);
}

static unsigned int make_ping(uint8_t *frame, unsigned int number, unsigned int payload)
{
	uint8_t *icmp = frame + ETHERNET + 20;

	ethernet(frame, host_mac, 0x0800);
	ip(frame + ETHERNET, 1, own_ip, host_ip, 28 + payload);
	memset(icmp, 0, 8);
	icmp[0] = 8;
	put16(icmp + 4, 0x5c1c);
	put16(icmp + 6, number);
	for (unsigned int i = 0; i < payload; i++)
		icmp[8 + i] = letter_at(number, i);
	put16(icmp + 2, sum(icmp, 8 + payload));
	return PING_HEAD + payload;
}

static bool is_answer(const uint8_t *frame, unsigned int length, unsigned int number, unsigned int payload)
{
	const uint8_t *icmp = frame + ETHERNET + 20;

	if (length < PING_HEAD + payload || get16(frame + 12) != 0x0800 || frame[ETHERNET + 9] != 1 || icmp[0] != 0 ||
	    get16(icmp + 4) != 0x5c1c || get16(icmp + 6) != number || memcmp(frame, card.mac, 6) ||
	    memcmp(frame + ETHERNET + 12, host_ip, 4) || sum(icmp, 8 + payload))
		return false;
	for (unsigned int i = 0; i < payload; i++)
		if (icmp[8 + i] != letter_at(number, i))
			return false;
	return true;
}

/* ---- the card ---- */

static void give(unsigned int queue, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		void *buffer = buffer_alloc();

		ASSERT(buffer);
		if (card.driver->receive_give(&card, queue, buffer)) {
			buffer_free(buffer);
			break;
		}
		given[queue]++;
	}
	card.driver->receive_push(&card, queue);
}

/* A frame in `count` segments, cut anywhere, in a buffer of its own each. */
static int send(unsigned int queue, const uint8_t *bytes, unsigned int length, unsigned int count, void *cookie)
{
	struct net_frame frame = { .length = length, .segment_count = (uint8_t)count, .cookie = cookie };
	unsigned int done = 0;
	int error;

	for (unsigned int i = 0; i < count; i++) {
		unsigned int piece = i + 1 == count ? length - done : (length - done) / (count - i) - i % 2;
		uint8_t *at = buffer_alloc();

		ASSERT(at);
		at += i * 3;
		memcpy(at, bytes + done, piece);
		frame.segment[i] = (struct net_segment){ at, piece };
		done += piece;
	}
	error = card.driver->transmit(&card, queue, &frame);
	for (unsigned int i = 0; i < count && error; i++)
		buffer_free(frame.segment[i].at);
	return error;
}

/* Segments stay the card's until reap(): what they are is noted here. */
static unsigned int reap(unsigned int queue, unsigned int wanted)
{
	static uintptr_t expected;
	uint64_t end = time_now_ns() + PATIENCE;
	unsigned int count = 0;
	void *cookie[8];

	if (!wanted)
		expected = 0;
	while (count < wanted && !failure && time_now_ns() < end) {
		unsigned int now = card.driver->reap(&card, queue, cookie, wanted - count < 8 ? wanted - count : 8);

		for (unsigned int i = 0; i < now; i++) {
			if ((uintptr_t)cookie[i] != expected)
				check_equal(cookie[i], expected);
			expected++;
		}
		count += now;
	}
	check_that(!failure, "the driver says: %s", failure);
	return count;
}

/* The next frame that comes on any queue, in one piece; 0: none comes. */
static unsigned int receive(uint8_t *bytes, unsigned int room)
{
	uint64_t end = time_now_ns() + 5 * SECOND;
	struct net_frame frame;

	do {
		for (unsigned int queue = 0; queue < card.queues; queue++) {
			unsigned int length = 0;

			if (card.driver->receive(&card, queue, &frame))
				continue;
			check(frame.segment_count >= 1 && frame.segment_count <= NET_SEGMENTS_MAX);
			for (unsigned int i = 0; i < frame.segment_count; i++) {
				check(pool_has(frame.segment[i].at, frame.segment[i].length));
				if (length + frame.segment[i].length <= room)
					memcpy(bytes + length, frame.segment[i].at, frame.segment[i].length);
				length += frame.segment[i].length;
				buffer_free(frame.segment[i].at);
				given[queue]--;
			}
			check_equal(length, frame.length);
			give(queue, 1);
			return length;
		}
		event_poll(NULL, 0, time_now_ns() + SECOND / 10000);
	} while (!failure && time_now_ns() < end);
	check_that(!failure, "the driver says: %s", failure);
	return 0;
}

static bool answer_comes(unsigned int number, unsigned int payload)
{
	static uint8_t bytes[2048];
	unsigned int length;

	while ((length = receive(bytes, sizeof(bytes))) != 0)
		if (is_answer(bytes, length, number, payload))
			return true;
	return false;
}

static void begin(void)
{
	memset(given, 0, sizeof(given));
	check_equal(card.driver->start(&card), 0);
	for (unsigned int queue = 0; queue < card.queues; queue++)
		give(queue, 64);
}

static uintptr_t next_cookie;

static void ping(unsigned int queue, unsigned int number, unsigned int payload, unsigned int segments)
{
	static uint8_t bytes[2048];

	check_equal(send(queue, bytes, make_ping(bytes, number, payload), segments, (void *)next_cookie++), 0);
	card.driver->transmit_push(&card, queue);
}

/* ---- the tests ---- */

static void card_is_found_and_started(void)
{
	device_pool(3072);
	check(device_find(known, &function));
	if (!card.driver)
		return;
	card.function = &function;
	card.failed = failed;
	begin();
	printf("# %s: %02x:%02x:%02x:%02x:%02x:%02x, MTU %u, %u queues, checksums %u, TSO %u, LRO %u\n", card.driver->name, card.mac[0],
	       card.mac[1], card.mac[2], card.mac[3], card.mac[4], card.mac[5], card.mtu, card.queues, card.does_csum, card.does_tso,
	       card.does_lro);
	check(card.queues >= 1 && card.queues <= NET_QUEUES_MAX && card.mtu >= 68);
	check_equal(card.mac[5], 0x56);
	check(card.driver->link_is_up(&card));
}

static void arp_is_answered(void)
{
	static uint8_t bytes[2048];
	unsigned int length;

	check_equal(send(0, bytes, make_arp(bytes), 1, (void *)next_cookie++), 0);
	card.driver->transmit_push(&card, 0);
	check_equal(reap(0, 1), 1);
	while ((length = receive(bytes, sizeof(bytes))) != 0)
		if (length >= 42 && get16(bytes + 12) == 0x0806 && get16(bytes + 20) == 2 && memcmp(bytes + 28, host_ip, 4) == 0)
			break;
	check(length != 0);
	memcpy(host_mac, bytes + 22, 6);
}

static void echo_comes_back_in_every_size(void)
{
	unsigned int largest = (card.mtu < 1500 ? card.mtu : 1500) - 28u;	/* the network's MTU is 1500 */

	for (unsigned int payload = 1; payload <= largest; payload += payload < 64 ? 7 : 183) {
		ping(0, payload, payload, 1);
		check_equal(reap(0, 1), 1);
		check(answer_comes(payload, payload));
	}
	ping(0, 9999, largest, 1);
	check_equal(reap(0, 1), 1);
	check(answer_comes(9999, largest));
}

static void frame_in_many_segments_is_one_frame(void)
{
	for (unsigned int segments = 2; segments <= NET_SEGMENTS_MAX; segments++) {
		ping(0, 100 + segments, 1200, segments);
		check_equal(reap(0, 1), 1);
		check(answer_comes(100 + segments, 1200));
	}
}

static void udp_is_answered(void)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 }, none[4], every[4] = { 255, 255, 255, 255 };
	static uint8_t bytes[2048];
	uint8_t *udp = bytes + ETHERNET + 20, *dhcp = udp + 8;
	unsigned int length;

	memset(bytes, 0, sizeof(bytes));
	ethernet(bytes, all, 0x0800);
	ip(bytes + ETHERNET, 17, none, every, 28 + 248);
	put16(udp, 68);
	put16(udp + 2, 67);
	put16(udp + 4, 8 + 248);
	dhcp[0] = dhcp[1] = 1;
	dhcp[2] = 6;
	put16(dhcp + 4, 0x1234);
	memcpy(dhcp + 28, card.mac, 6);
	memcpy(dhcp + 236, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
	check_equal(send(0, bytes, ETHERNET + 28 + 248, 3, (void *)next_cookie++), 0);
	card.driver->transmit_push(&card, 0);
	check_equal(reap(0, 1), 1);
	while ((length = receive(bytes, sizeof(bytes))) != 0)
		if (length > ETHERNET + 28 + 240 && bytes[ETHERNET + 9] == 17 && get16(udp + 2) == 68)
			break;
	check(length != 0);
	check_equal(dhcp[0], 2);
	check(memcmp(dhcp + 16, own_ip, 4) == 0);
}

static void frames_come_back_in_the_order_in_which_they_went(void)
{
	static uint8_t bytes[2048];
	unsigned int sent = 0;

	for (; sent < FRAMES; sent++)
		if (send(0, bytes, make_ping(bytes, sent, 600), 1 + sent % 3, (void *)next_cookie))
			break;
		else
			next_cookie++;
	check(sent >= 16);
	card.driver->transmit_push(&card, 0);
	check_equal(reap(0, sent), sent);
	for (unsigned int i = 0, answers = 0; i < sent; i++) {
		answers += answer_comes(i, 600);
		if (i + 1 == sent || answers <= i) {
			check_equal(answers, i + 1);
			return;
		}
	}
}

static void each_queue_works(void)
{
	for (unsigned int queue = 0; queue < card.queues; queue++) {
		ping(queue, 200 + queue, 300, 1);
		check_equal(reap(queue, 1), 1);
		check(answer_comes(200 + queue, 300));
	}
}

static void card_without_buffers_goes_on_when_it_has_some(void)
{
	static uint8_t bytes[2048];
	struct net_frame frame;
	unsigned int dropped = 0;

	/* All that it has come back full, and are kept. */
	for (unsigned int i = 0; i < 96; i++) {
		ping(0, 300 + i, 900, 1);
		check_equal(reap(0, 1), 1);
	}
	time_sleep_ns(SECOND / 10);
	while (card.driver->receive(&card, 0, &frame) == 0) {
		for (unsigned int i = 0; i < frame.segment_count; i++) {
			buffer_free(frame.segment[i].at);
			given[0]--;
			dropped++;
		}
	}
	check(dropped >= 60);
	give(0, 64);
	while (receive(bytes, sizeof(bytes)))
		if (dropped++ > 200)
			break;
	ping(0, 500, 700, 1);
	check_equal(reap(0, 1), 1);
	check(answer_comes(500, 700));
}

static volatile unsigned int events;

static void on_event(evtchn_port_t port)
{
	events++;
}

static void interrupt_comes_when_it_is_wanted(void)
{
	static uint8_t bytes[2048];
	uint64_t end = time_now_ns() + PATIENCE;

	event_set_handler(card.port[0], on_event);
	while (card.driver->interrupts(&card, 0, true, false))
		receive(bytes, sizeof(bytes));
	time_sleep_ns(SECOND / 100);
	events = 0;
	ping(0, 600, 64, 1);
	while (!events && time_now_ns() < end)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, NULL);
	check(events > 0);
	check(card.driver->interrupts(&card, 0, true, false));
	check(answer_comes(600, 64));
	check_equal(reap(0, 1), 1);
}

static void interrupt_does_not_come_when_it_is_not_wanted(void)
{
	check(!card.driver->interrupts(&card, 0, false, false));
	time_sleep_ns(SECOND / 100);
	events = 0;
	ping(0, 700, 64, 1);
	check_equal(reap(0, 1), 1);
	check(answer_comes(700, 64));
	check_equal(events, 0);
}

static bool is_untouched(uint8_t *const *buffer, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		for (unsigned int at = 0; at < BUFFER_BYTES; at++)
			if (buffer[i][at] != 0x5a)
				return false;
	return true;
}

static void card_that_was_stopped_writes_nothing(void)
{
	static uint8_t *buffer[64];
	unsigned int count = 0;

	for (; count < 64; count++) {
		buffer[count] = buffer_alloc();
		memset(buffer[count], 0x5a, BUFFER_BYTES);
		if (card.driver->receive_give(&card, 0, buffer[count]))
			break;
	}
	check(count > 0);
	/* They are behind those that it has already: those are used up first, and not by a card that was stopped. */
	card.driver->receive_push(&card, 0);
	for (unsigned int i = 0; i < 100; i++)
		ping(0, 800 + i, 64, 1);
	check(card.driver->stop(&card));
	for (unsigned int i = 0; i < count; i++)
		memset(buffer[i], 0x5a, BUFFER_BYTES);
	time_sleep_ns(SECOND / 5);
	check(is_untouched(buffer, count));
}

static void card_starts_again(void)
{
	uint32_t ports[NET_QUEUES_MAX];

	memcpy(ports, card.port, sizeof(ports));
	for (unsigned int round = 0; round < 5; round++) {
		pool_reset();
		begin();
		reap(0, 0);
		next_cookie = 0;
		check_equal(memcmp(ports, card.port, sizeof(ports)), 0);
		ping(0, 1000 + round, 500, 2);
		check_equal(reap(0, 1), 1);
		check(answer_comes(1000 + round, 500));
	}
	check(card.driver->stop(&card));
}

static const struct tap_test tests[] = {
	TEST(card_is_found_and_started),
	TEST(arp_is_answered),
	TEST(echo_comes_back_in_every_size),
	TEST(frame_in_many_segments_is_one_frame),
	TEST(udp_is_answered),
	TEST(frames_come_back_in_the_order_in_which_they_went),
	TEST(each_queue_works),
	TEST(card_without_buffers_goes_on_when_it_has_some),
	TEST(interrupt_comes_when_it_is_wanted),
	TEST(interrupt_does_not_come_when_it_is_not_wanted),
	TEST(card_that_was_stopped_writes_nothing),
	TEST(card_starts_again),
};

TAP_MAIN(tests)
