/* SPDX-License-Identifier: MIT */
/*
 * A guest speaks in its own name only. MAC: the frame's source, and the addresses that ARP and neighbour discovery tell others. IP: sources of
 * IPv4 and IPv6, what ARP and neighbour discovery claim; nothing but IP and ARP passes.
 * Always allowed: the unspecified source, where a host has no address yet (DHCP, ARP probes, duplicate address detection).
 */
#include "net/headers.h"
#include "net/net.h"
#include "runtime/lib.h"

#define OPTION_SOURCE_MAC 1
#define OPTION_TARGET_MAC 2

static bool is_zero(const uint8_t *bytes, unsigned int count)
{
	uint8_t any = 0;

	while (count-- > 0)
		any |= bytes[count];
	return any == 0;
}

static bool has_address(const struct port *port, uint8_t family, const uint8_t *address)
{
	for (uint32_t i = 0; i < port->net.address_count; i++)
		if (port->net.address[i].family == family && !memcmp(port->net.address[i].bytes, address, family == 4 ? 4 : 16))
			return true;
	return false;
}

static bool is_own_mac(const struct port *port, const uint8_t *mac)
{
	return !(port->flags & DRIVER_NET_GUARD_MAC) || !memcmp(mac, port->net.mac, 6);
}

/* Hardware and protocol addresses of the sender; those of the target are nobody's claim. */
static bool arp_allowed(const struct port *port, const uint8_t *arp)
{
	if (get16(arp) != 1 || get16(arp + 2) != ETHER_IP4 || arp[4] != 6 || arp[5] != 4)
		return !(port->flags & DRIVER_NET_GUARD_IP) && !(port->flags & DRIVER_NET_GUARD_MAC);
	if (!is_own_mac(port, arp + 8))
		return false;
	return !(port->flags & DRIVER_NET_GUARD_IP) || is_zero(arp + 14, 4) || has_address(port, 4, arp + 14);
}

static bool ip4_allowed(const struct port *port, const uint8_t *bytes, const struct headers *headers)
{
	const uint8_t *source = bytes + headers->l3 + 12;

	if (has_address(port, 4, source))
		return true;
	return is_zero(source, 4) && headers->protocol == IP_UDP && headers->l4 && get16(bytes + headers->l4) == 68 &&
	       get16(bytes + headers->l4 + 2) == 67;
}

static bool options_allowed(const struct port *port, const uint8_t *option, const uint8_t *end)
{
	while (option < end) {
		if (end - option < 8 || option[1] == 0 || option[1] * 8 > end - option)
			return false;
		if ((option[0] == OPTION_SOURCE_MAC || option[0] == OPTION_TARGET_MAC) && !is_own_mac(port, option + 2))
			return false;
		option += option[1] * 8;
	}
	return true;
}

/* A guest is no router: it advertises no prefixes and redirects nobody. */
static bool discovery_allowed(const struct port *port, const uint8_t *bytes, uint32_t have, const struct headers *headers)
{
	const uint8_t *icmp = bytes + headers->l4;
	uint32_t end = headers->l3 + 40u + get16(bytes + headers->l3 + 4);
	uint32_t fixed = icmp[0] == ICMP6_ROUTER_SOLICITATION ? 8 : 24;

	if (icmp[0] == ICMP6_ROUTER_ADVERTISEMENT || icmp[0] == ICMP6_REDIRECT || headers->is_fragment)
		return false;
	if (end > have || headers->l4 + fixed > end || !options_allowed(port, icmp + fixed, bytes + end))
		return false;
	return icmp[0] != ICMP6_NEIGHBOUR_ADVERTISEMENT || !(port->flags & DRIVER_NET_GUARD_IP) || has_address(port, 6, icmp + 8);
}

static bool ip6_allowed(const struct port *port, const uint8_t *bytes, uint32_t have, const struct headers *headers)
{
	const uint8_t *source = bytes + headers->l3 + 8;

	if (headers->is_strange)
		return false;
	if (headers->protocol == IP_ICMP6 && headers->l4 && icmp6_is_discovery(bytes[headers->l4]) &&
	    !discovery_allowed(port, bytes, have, headers))
		return false;
	if (!(port->flags & DRIVER_NET_GUARD_IP) || has_address(port, 6, source))
		return true;
	return is_zero(source, 16) && headers->protocol == IP_ICMP6;
}

bool guard_allows(const struct port *port, const uint8_t *bytes, uint32_t have, const struct headers *headers)
{
	if (!(port->flags & (DRIVER_NET_GUARD_MAC | DRIVER_NET_GUARD_IP)))
		return true;
	if (!is_own_mac(port, bytes + 6))
		return false;
	switch (headers->type) {
	case ETHER_ARP:
		return arp_allowed(port, bytes + headers->l3);
	case ETHER_IP4:
		return !(port->flags & DRIVER_NET_GUARD_IP) || ip4_allowed(port, bytes, headers);
	case ETHER_IP6:
		return ip6_allowed(port, bytes, have, headers);
	default:
		return !(port->flags & DRIVER_NET_GUARD_IP);
	}
}
