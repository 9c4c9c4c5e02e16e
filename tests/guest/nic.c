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
#include "card.h"

#define FRAMES 128
#define ETHERNET 14u
#define PING_HEAD (ETHERNET + 20u + 8u)

static const uint8_t own_ip[4] = { 10, 0, 2, 15 }, host_ip[4] = { 10, 0, 2, 2 };
static uint8_t host_mac[6];

/* ---- frames ---- */

static unsigned int make_arp(uint8_t *frame)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 }, head[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	memset(frame, 0, 60);
	put_ethernet(frame, all, 0x0806);
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

	put_ethernet(frame, host_mac, 0x0800);
	put_ip4(frame + ETHERNET, 1, own_ip, host_ip, 28 + payload);
	memset(icmp, 0, 8);
	icmp[0] = 8;
	put16(icmp + 4, 0x5c1c);
	put16(icmp + 6, number);
	for (unsigned int i = 0; i < payload; i++)
		icmp[8 + i] = letter_at(number, i);
	put16(icmp + 2, (uint16_t)~sum_on(0, icmp, 8 + payload));
	return PING_HEAD + payload;
}

static bool is_answer(const uint8_t *frame, unsigned int length, unsigned int number, unsigned int payload)
{
	const uint8_t *icmp = frame + ETHERNET + 20;

	if (length < PING_HEAD + payload || get16(frame + 12) != 0x0800 || frame[ETHERNET + 9] != 1 || icmp[0] != 0 ||
	    get16(icmp + 4) != 0x5c1c || get16(icmp + 6) != number || memcmp(frame, card.mac, 6) ||
	    memcmp(frame + ETHERNET + 12, host_ip, 4) || sum_on(0, icmp, 8 + payload) != 0xffff)
		return false;
	for (unsigned int i = 0; i < payload; i++)
		if (icmp[8 + i] != letter_at(number, i))
			return false;
	return true;
}

static bool answer_comes(unsigned int number, unsigned int payload)
{
	static uint8_t bytes[2048];
	struct net_frame frame;
	unsigned int length;

	while ((length = card_receive(&frame, bytes, sizeof(bytes))) != 0)
		if (is_answer(bytes, length, number, payload))
			return true;
	return false;
}

static void ping(unsigned int queue, unsigned int number, unsigned int payload, unsigned int segments)
{
	static uint8_t bytes[2048];
	struct net_frame frame = { .length = make_ping(bytes, number, payload) };

	check_equal(card_send(queue, frame, bytes, segments), 0);
	card.driver->transmit_push(&card, queue);
}

/* ---- the tests ---- */

static void card_is_found_and_started(void)
{
	check(card_find(3072));
	if (!card.driver)
		return;
	card_begin(64);
	card_print();
	check(card.queues >= 1 && card.queues <= NET_QUEUES_MAX && card.mtu >= 68);
	check_equal(card.mac[5], 0x56);
	check(card.driver->link_is_up(&card));
}

static void arp_is_answered(void)
{
	static uint8_t bytes[2048];
	struct net_frame frame;
	unsigned int length;

	check_equal(card_send(0, (struct net_frame){ .length = make_arp(bytes) }, bytes, 1), 0);
	card.driver->transmit_push(&card, 0);
	check_equal(card_reap(0, 1), 1);
	while ((length = card_receive(&frame, bytes, sizeof(bytes))) != 0)
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
		check_equal(card_reap(0, 1), 1);
		check(answer_comes(payload, payload));
	}
	ping(0, 9999, largest, 1);
	check_equal(card_reap(0, 1), 1);
	check(answer_comes(9999, largest));
}

static void frame_in_many_segments_is_one_frame(void)
{
	for (unsigned int segments = 2; segments <= NET_SEGMENTS_MAX; segments++) {
		ping(0, 100 + segments, 1200, segments);
		check_equal(card_reap(0, 1), 1);
		check(answer_comes(100 + segments, 1200));
	}
}

static void udp_is_answered(void)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 }, none[4], every[4] = { 255, 255, 255, 255 };
	struct net_frame frame;
	static uint8_t bytes[2048];
	uint8_t *udp = bytes + ETHERNET + 20, *dhcp = udp + 8;
	unsigned int length;

	memset(bytes, 0, sizeof(bytes));
	put_ethernet(bytes, all, 0x0800);
	put_ip4(bytes + ETHERNET, 17, none, every, 28 + 248);
	put16(udp, 68);
	put16(udp + 2, 67);
	put16(udp + 4, 8 + 248);
	dhcp[0] = dhcp[1] = 1;
	dhcp[2] = 6;
	put16(dhcp + 4, 0x1234);
	memcpy(dhcp + 28, card.mac, 6);
	memcpy(dhcp + 236, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
	check_equal(card_send(0, (struct net_frame){ .length = ETHERNET + 28 + 248 }, bytes, 3), 0);
	card.driver->transmit_push(&card, 0);
	check_equal(card_reap(0, 1), 1);
	while ((length = card_receive(&frame, bytes, sizeof(bytes))) != 0)
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
		if (card_send(0, (struct net_frame){ .length = make_ping(bytes, sent, 600) }, bytes, 1 + sent % 3))
			break;
	check(sent >= 16);
	card.driver->transmit_push(&card, 0);
	check_equal(card_reap(0, sent), sent);
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
		check_equal(card_reap(queue, 1), 1);
		check(answer_comes(200 + queue, 300));
	}
}

static void card_without_buffers_goes_on_when_it_has_some(void)
{
	static uint8_t bytes[2048];
	struct net_frame frame;
	unsigned int dropped = 0;
	uint64_t end;

	/* All that it has come back full, and are kept. */
	for (unsigned int i = 0; i < 96; i++) {
		ping(0, 300 + i, 900, 1);
		check_equal(card_reap(0, 1), 1);
	}
	end = time_now_ns() + PATIENCE;
	while (dropped < 60 && time_now_ns() < end) {
		while (card.driver->receive(&card, 0, &frame) == 0) {
			for (unsigned int i = 0; i < frame.segment_count; i++) {
				buffer_free(frame.segment[i].at);
				card_given[0]--;
				dropped++;
			}
		}
		time_sleep_ns(SECOND / 100);
	}
	check(dropped >= 60);
	card_give(0, 64);
	while (card_receive(&frame, bytes, sizeof(bytes)))
		if (dropped++ > 200)
			break;
	ping(0, 500, 700, 1);
	check_equal(card_reap(0, 1), 1);
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
	struct net_frame frame;
	uint64_t end = time_now_ns() + PATIENCE;

	event_set_handler(card.port[0], on_event);
	while (card.driver->interrupts(&card, 0, true, false))
		card_receive(&frame, bytes, sizeof(bytes));
	time_sleep_ns(SECOND / 100);
	events = 0;
	ping(0, 600, 64, 1);
	while (!events && time_now_ns() < end)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, NULL);
	check(events > 0);
	check(card.driver->interrupts(&card, 0, true, false));
	check(answer_comes(600, 64));
	check_equal(card_reap(0, 1), 1);
}

static void interrupt_does_not_come_when_it_is_not_wanted(void)
{
	check(!card.driver->interrupts(&card, 0, false, false));
	time_sleep_ns(SECOND / 100);
	events = 0;
	ping(0, 700, 64, 1);
	check_equal(card_reap(0, 1), 1);
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
		card_begin(64);
		check_equal(memcmp(ports, card.port, sizeof(ports)), 0);
		ping(0, 1000 + round, 500, 2);
		check_equal(card_reap(0, 1), 1);
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
