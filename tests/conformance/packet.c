/* SPDX-License-Identifier: MIT */
#include "packet.h"

#define ETHER	14u
#define IP	20u
#define ICMP	8u
#define ECHO_AT	(ETHER + IP + ICMP)
#define TCP	20u
#define TCP_FIN	1u
#define TCP_SYN	2u
#define TCP_RST	4u
#define TCP_ACK	16u
#define TCP_FIRST	1000u		/* the peer's first sequence number */

static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *at) { return (uint32_t)get16(at) << 16 | get16(at + 2); }

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)(value >> 16));
	put16(at + 2, (uint16_t)value);
}

static uint16_t checksum(const uint8_t *from, size_t bytes)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < bytes; i += 2)
		sum += get16(from + i);
	if (bytes & 1)
		sum += (uint32_t)(from[bytes - 1] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static bool same(const uint8_t *left, const uint8_t *right, size_t bytes) { return !__builtin_memcmp(left, right, bytes); }

static void ether_put(uint8_t *frame, const uint8_t to[6], const uint8_t from[6], uint16_t type)
{
	__builtin_memmove(frame, to, 6);
	__builtin_memcpy(frame + 6, from, 6);
	put16(frame + 12, type);
}

static size_t arp_put(uint8_t *frame, uint16_t operation, const struct packet_host *host, const uint8_t mac[6], const uint8_t address[4])
{
	static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	__builtin_memset(frame, 0, 60);
	ether_put(frame, operation == 1 ? everybody : mac, host->mac, 0x0806);
	put16(frame + 14, 1);
	put16(frame + 16, 0x0800);
	frame[18] = 6;
	frame[19] = 4;
	put16(frame + 20, operation);
	__builtin_memcpy(frame + 22, host->mac, 6);
	__builtin_memcpy(frame + 28, host->address, 4);
	if (operation == 2)
		__builtin_memcpy(frame + 32, mac, 6);
	__builtin_memcpy(frame + 38, address, 4);
	return 60;
}

size_t packet_arp(const struct packet_host *host, const uint8_t address[4], uint8_t *frame)
{
	return arp_put(frame, 1, host, host->mac, address);
}

static bool is_arp(const uint8_t *frame, size_t size, uint16_t operation)
{
	return size >= 42 && get16(frame + 12) == 0x0806 && get16(frame + 20) == operation;
}

bool packet_is_arp_reply(const uint8_t *frame, size_t size, uint8_t mac[6])
{
	if (!is_arp(frame, size, 2))
		return false;
	__builtin_memcpy(mac, frame + 22, 6);
	return true;
}

/* An IPv4 header of 20 bytes, whole, and ICMP of that type behind it. */
static bool is_icmp(const uint8_t *frame, size_t size, uint8_t type)
{
	return size >= ECHO_AT && get16(frame + 12) == 0x0800 && frame[ETHER] == 0x45 && frame[ETHER + 9] == 1 &&
	       frame[ETHER + IP] == type && get16(frame + ETHER + 2) >= IP + ICMP && get16(frame + ETHER + 2) <= size - ETHER;
}

static size_t echo_finish(uint8_t *frame, size_t ip_bytes)
{
	put16(frame + ETHER + 10, 0);
	put16(frame + ETHER + 10, checksum(frame + ETHER, IP));
	put16(frame + ETHER + IP + 2, 0);
	put16(frame + ETHER + IP + 2, checksum(frame + ETHER + IP, ip_bytes - IP));
	return ETHER + ip_bytes < 60 ? 60 : ETHER + ip_bytes;
}

static size_t echo_answer(const struct packet_host *host, const uint8_t *frame, size_t size, uint8_t *reply, size_t room)
{
	size_t ip_bytes = get16(frame + ETHER + 2);

	if (size > room || room < 60 || checksum(frame + ETHER + IP, ip_bytes - IP))
		return 0;
	__builtin_memset(reply, 0, 60);
	__builtin_memcpy(reply, frame, size);
	ether_put(reply, frame + 6, host->mac, 0x0800);
	__builtin_memcpy(reply + ETHER + 12, host->address, 4);
	__builtin_memcpy(reply + ETHER + 16, frame + ETHER + 12, 4);
	reply[ETHER + IP] = 0;
	return echo_finish(reply, ip_bytes);
}

size_t packet_answer(const struct packet_host *host, const uint8_t *frame, size_t size, uint8_t *reply, size_t room)
{
	if (is_arp(frame, size, 1) && same(frame + 38, host->address, 4))
		return arp_put(reply, 2, host, frame + 22, frame + 28);
	if (is_icmp(frame, size, 8) && same(frame + ETHER + 16, host->address, 4))
		return echo_answer(host, frame, size, reply, room);
	return 0;
}

static uint8_t pattern(uint16_t sequence, size_t at) { return (uint8_t)(at * 7 + at / 256 * 3 + sequence * 31u + 5); }

size_t packet_ping(const struct packet_host *host, const uint8_t mac[6], const uint8_t address[4], uint16_t sequence, size_t bytes,
		   uint8_t *frame)
{
	__builtin_memset(frame, 0, 60);
	ether_put(frame, mac, host->mac, 0x0800);
	frame[ETHER] = 0x45;
	frame[ETHER + 1] = 0;
	put16(frame + ETHER + 2, (uint16_t)(IP + ICMP + bytes));
	frame[ETHER + 8] = 64;
	frame[ETHER + 9] = 1;
	__builtin_memcpy(frame + ETHER + 12, host->address, 4);
	__builtin_memcpy(frame + ETHER + 16, address, 4);
	frame[ETHER + IP] = 8;
	put16(frame + ETHER + IP + 4, 0x5341);
	put16(frame + ETHER + IP + 6, sequence);
	for (size_t i = 0; i < bytes; i++)
		frame[ECHO_AT + i] = pattern(sequence, i);
	return echo_finish(frame, IP + ICMP + bytes);
}

bool packet_is_echo_reply(const uint8_t *frame, size_t size, uint16_t *sequence)
{
	if (!is_icmp(frame, size, 0) || get16(frame + ETHER + IP + 4) != 0x5341)
		return false;
	*sequence = get16(frame + ETHER + IP + 6);
	return true;
}

bool packet_echo_is_right(const uint8_t *frame, size_t size, uint16_t sequence, size_t bytes)
{
	if (get16(frame + ETHER + 2) != IP + ICMP + bytes || size < ECHO_AT + bytes)
		return false;
	for (size_t i = 0; i < bytes; i++)
		if (frame[ECHO_AT + i] != pattern(sequence, i))
			return false;
	return true;
}

/* The header that answers, from ports and numbers of the one that came. */
static void tcp_put(uint8_t *reply, const uint8_t *tcp, uint8_t flags, uint32_t taken)
{
	uint8_t *to = reply + ETHER + IP, pseudo[12 + TCP] = { 0 };

	__builtin_memcpy(to, tcp + 2, 2);
	__builtin_memcpy(to + 2, tcp, 2);
	put32(to + 4, flags & TCP_SYN ? TCP_FIRST : get32(tcp + 8));
	put32(to + 8, get32(tcp + 4) + taken);
	to[12] = TCP / 4 << 4;
	to[13] = flags;
	put16(to + 14, 0xffff);
	__builtin_memcpy(pseudo, reply + ETHER + 12, 8);
	pseudo[9] = 6;
	put16(pseudo + 10, TCP);
	__builtin_memcpy(pseudo + 12, to, TCP);
	put16(to + 16, checksum(pseudo, sizeof(pseudo)));
}

size_t packet_tcp_answer(const struct packet_host *host, const uint8_t *frame, size_t size, uint8_t reply[60])
{
	const uint8_t *tcp = frame + ETHER + IP;
	uint32_t bytes, header;

	if (size < ETHER + IP + TCP || get16(frame + 12) != 0x0800 || frame[ETHER] != 0x45 || frame[ETHER + 9] != 6 ||
	    !same(frame + ETHER + 16, host->address, 4))
		return 0;
	header = IP + (tcp[12] >> 4) * 4u;
	bytes = get16(frame + ETHER + 2);
	if (header > bytes || bytes > size - ETHER || tcp[13] & TCP_RST)
		return 0;
	bytes -= header;
	if (!bytes && !(tcp[13] & (TCP_SYN | TCP_FIN)))
		return 0;
	__builtin_memset(reply, 0, 60);
	ether_put(reply, frame + 6, host->mac, 0x0800);
	reply[ETHER] = 0x45;
	put16(reply + ETHER + 2, IP + TCP);
	reply[ETHER + 8] = 64;
	reply[ETHER + 9] = 6;
	__builtin_memcpy(reply + ETHER + 12, host->address, 4);
	__builtin_memcpy(reply + ETHER + 16, frame + ETHER + 12, 4);
	put16(reply + ETHER + 10, checksum(reply + ETHER, IP));
	if (tcp[13] & TCP_SYN)
		tcp_put(reply, tcp, TCP_SYN | TCP_ACK, 1);
	else
		tcp_put(reply, tcp, tcp[13] & TCP_FIN ? TCP_RST | TCP_ACK : TCP_ACK, bytes + (tcp[13] & TCP_FIN));
	return 60;
}
