/* SPDX-License-Identifier: MIT */
/* Numbers that stand in frames. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ETHER_IP4	0x0800u
#define ETHER_ARP	0x0806u
#define ETHER_VLAN	0x8100u
#define ETHER_IP6	0x86ddu

#define ARP_BYTES	28u

#define IP_TCP		6u
#define IP_UDP		17u
#define IP_ICMP6	58u
#define IP6_HOPS	0u
#define IP6_ROUTING	43u
#define IP6_FRAGMENT	44u
#define IP6_AUTH	51u
#define IP6_OPTIONS	60u

enum icmp6_type {
	ICMP6_ROUTER_SOLICITATION = 133,
	ICMP6_ROUTER_ADVERTISEMENT,
	ICMP6_NEIGHBOUR_SOLICITATION,
	ICMP6_NEIGHBOUR_ADVERTISEMENT,
	ICMP6_REDIRECT,
};

static inline bool icmp6_is_discovery(uint8_t type)
{
	return type >= ICMP6_ROUTER_SOLICITATION && type <= ICMP6_REDIRECT;
}
