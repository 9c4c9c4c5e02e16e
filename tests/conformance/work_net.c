/* SPDX-License-Identifier: MIT */
#include "packet.h"
#include "work.h"

static const uint8_t peer_address[4] = { 192, 0, 2, 1 };
static uint8_t peer_mac[6];
static bool peer_known;
static uint8_t frame[2048];

#define LARGE_BYTES	10000u
#define LARGE_EVERY	8u

static struct packet_host self(const struct net *net)
{
	struct packet_host host = { .address = { 192, 0, 2, 2 } };

	__builtin_memcpy(host.mac, net->mac, 6);
	return host;
}

void work_net_received(struct net *net, const uint8_t *received, size_t size)
{
	struct packet_host host = self(net);
	size_t length;

	peer_known |= packet_is_arp_reply(received, size, peer_mac);
	length = packet_answer(&host, received, size, frame, sizeof(frame));
	if (length)
		net_send(net, frame, length, 0);
}

/* For nobody, of several slots: the type is one of those for experiments. */
static void large_send(struct net *net)
{
	static uint8_t large[LARGE_BYTES];

	__builtin_memset(large, 0xff, 6);
	__builtin_memcpy(large + 6, net->mac, 6);
	large[12] = 0x88;
	large[13] = 0xb5;
	net_send(net, large, sizeof(large), 0);
}

void work_net_ping(struct net *net)
{
	static uint16_t sequence;
	struct packet_host host = self(net);
	size_t length;

	if (net->sg && sequence % LARGE_EVERY == 1)
		large_send(net);
	length = peer_known ? packet_ping(&host, peer_mac, peer_address, ++sequence, 56, frame) : packet_arp(&host, peer_address, frame);
	net_send(net, frame, length, 0);
}
