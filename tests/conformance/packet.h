/* SPDX-License-Identifier: MIT */
/* ARP and ICMP echo over Ethernet, as much as one needs to ping: 192.0.2.1 is the scripted wire, 192.0.2.2 the kernel under test. */
#ifndef CONFORMANCE_PACKET_H
#define CONFORMANCE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packet_host {
	uint8_t mac[6];
	uint8_t address[4];
};

/* What a host answers to a frame: its length, 0 for nothing. ARP requests and echo requests for its address. */
size_t packet_answer(const struct packet_host *host, const uint8_t *frame, size_t size, uint8_t *reply, size_t room);
/* What a host answers to TCP that accepts every connection, takes all bytes and resets at the end. Of the requests nothing is kept. */
size_t packet_tcp_answer(const struct packet_host *host, const uint8_t *frame, size_t size, uint8_t reply[60]);
/* A request to know the address of who has it. */
size_t packet_arp(const struct packet_host *host, const uint8_t address[4], uint8_t *frame);
/* An echo request with `bytes` of a pattern. Its length. */
size_t packet_ping(const struct packet_host *host, const uint8_t mac[6], const uint8_t address[4], uint16_t sequence, size_t bytes,
		   uint8_t *frame);
bool packet_is_echo_reply(const uint8_t *frame, size_t size, uint16_t *sequence);
/* Its payload is that of packet_ping(). */
bool packet_echo_is_right(const uint8_t *frame, size_t size, uint16_t sequence, size_t bytes);
bool packet_is_arp_reply(const uint8_t *frame, size_t size, uint8_t mac[6]);

#endif
