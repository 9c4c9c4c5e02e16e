/* SPDX-License-Identifier: MIT */
/* What a back-end writes before InitWait, and what the driver is told of the manifest. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/attach.h"

/* xen/io/blkif.h */
#define INFO_CDROM	1u
#define INFO_READONLY	4u

static void put(const struct attach_offer *offer, const char *node, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void put(const struct attach_offer *offer, const char *node, const char *format, ...)
{
	va_list arguments;
	char value[64];

	va_start(arguments, format);
	vsnprintf(value, sizeof(value), format, arguments);
	va_end(arguments);
	offer->put(offer->context, node, value);
}

void attach_offer_vif(const struct attach_offer *offer)
{
	static const char *const has[] = {
		"feature-sg", "feature-gso-tcpv4", "feature-gso-tcpv6", "feature-ipv6-csum-offload", "feature-rx-copy",
	};

	for (size_t i = 0; i < sizeof(has) / sizeof(has[0]); i++)
		put(offer, has[i], "1");
	put(offer, "feature-rx-flip", "0");
	put(offer, "multi-queue-max-queues", "%u", offer->queues_max);
}

void attach_offer_vbd(const struct attach_offer *offer, const struct driver_blk *disk, uint32_t flags, bool has_cache)
{
	uint64_t sectors = 0;

	for (uint32_t i = 0; i < disk->extent_count; i++)
		sectors += disk->extent[i].count;
	put(offer, "sectors", "%" PRIu64, sectors);
	put(offer, "sector-size", "%u", disk->sector_bytes);
	put(offer, "physical-sector-size", "%u", disk->sector_bytes);
	put(offer, "info", "%u", (flags & DRIVER_BLK_CDROM ? INFO_CDROM : 0) | (flags & DRIVER_BLK_READONLY ? INFO_READONLY : 0));
	put(offer, "feature-flush-cache", "%d", has_cache);
	put(offer, "feature-barrier", "%d", has_cache);
	put(offer, "feature-persistent", "0");
	put(offer, "feature-discard", "%d", (flags & DRIVER_BLK_DISCARD) != 0);
	if (flags & DRIVER_BLK_DISCARD) {
		put(offer, "discard-granularity", "%u", disk->sector_bytes);
		put(offer, "discard-alignment", "0");
		put(offer, "discard-secure", "0");
	}
	put(offer, "feature-max-indirect-segments", "%u", DRIVER_SEGMENTS_MAX);
	put(offer, "max-ring-page-order", "%u", DRIVER_RING_ORDER_MAX);
	put(offer, "multi-queue-max-queues", "%u", offer->queues_max);
}

/* ---- for the driver ---- */

static void add_address(const char *text, struct driver_net *net)
{
	struct driver_address address = { .family = strchr(text, ':') ? 6 : 4 };

	if (net->address_count < DRIVER_ADDRESSES_MAX &&
	    inet_pton(address.family == 6 ? AF_INET6 : AF_INET, text, address.bytes) == 1)
		net->address[net->address_count++] = address;
}

/* A burst that is not named lets 100 ms of the rate through at once, and a packet at least. */
static struct driver_rate rate_of(const struct manifest_bandwidth *bandwidth)
{
	uint64_t burst = bandwidth->burst_bytes ? bandwidth->burst_bytes : bandwidth->average_bytes_per_s / 10;

	return (struct driver_rate){ bandwidth->average_bytes_per_s, burst < UINT16_MAX ? UINT16_MAX : burst };
}

/* How fast a burst may pass: nothing is saved up for it but a packet. */
static struct driver_rate peak_of(const struct manifest_bandwidth *bandwidth)
{
	return (struct driver_rate){ bandwidth->peak_bytes_per_s, UINT16_MAX };
}

uint32_t attach_vif_of(const struct manifest_interface *interface, struct driver_net *net)
{
	memset(net, 0, sizeof(*net));
	memcpy(net->mac, interface->mac, sizeof(net->mac));
	net->mtu = (uint16_t)interface->mtu;
	net->native_vlan = interface->native_vlan;
	for (size_t i = 0; i < interface->vlan_count && i < DRIVER_VLANS_MAX; i++)
		net->vlan[net->vlan_count++] = interface->vlans[i];
	for (size_t i = 0; i < interface->address_count; i++)
		add_address(interface->addresses[i], net);
	net->to_guest = rate_of(&interface->inbound);
	net->from_guest = rate_of(&interface->outbound);
	net->to_guest_peak = peak_of(&interface->inbound);
	net->from_guest_peak = peak_of(&interface->outbound);
	memcpy(net->mirrored, interface->mirrored, sizeof(net->mirrored));
	return (interface->guard_mac ? DRIVER_NET_GUARD_MAC : 0) | (interface->guard_ip ? DRIVER_NET_GUARD_IP : 0) |
	       (interface->is_up ? DRIVER_NET_LINK_UP : 0) | (interface->is_trunk ? DRIVER_NET_TRUNK : 0) |
	       (interface->is_mirror ? DRIVER_NET_MIRROR : 0);
}

/* A tenth of a second at once. */
static struct driver_rate tenth(uint64_t per_second)
{
	return (struct driver_rate){ per_second, per_second / 10 + 1 };
}

void attach_rates_of(const struct manifest_iotune *limits, struct driver_blk *blk)
{
	blk->read_bytes = tenth(limits->read_bytes_per_s);
	blk->write_bytes = tenth(limits->write_bytes_per_s);
	blk->total_bytes = tenth(limits->total_bytes_per_s);
	blk->read_requests = tenth(limits->read_iops);
	blk->write_requests = tenth(limits->write_iops);
	blk->total_requests = tenth(limits->total_iops);
}
