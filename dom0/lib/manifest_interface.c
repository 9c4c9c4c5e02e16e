/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <string.h>

#include "../../protocols/driver.h"
#include "manifest_read.h"
#include "manifest_value.h"
#include "need.h"

static const char *read_switch(struct reader *reader, const xmlNode *node)
{
	const xmlNode *source = read_child(node, "source"), *backend = read_child(node, "backenddomain");
	const char *type = read_attribute(reader, node, "type"), *driver = read_attribute(reader, backend, "name");
	const char *other = type && strcmp(type, "network") == 0 ? "bridge" : "network";
	const char *name = type ? read_attribute(reader, source, type) : NULL;

	if (!type || (strcmp(type, "bridge") != 0 && strcmp(type, "network") != 0))
		return NULL;
	if (read_attribute(reader, source, other))
		read_error(reader, source, other, "'%s' is for type='%s'\nwrite <source %s='net0'/>, or that type", other, other, type);
	else if (!name && !driver)
		read_error(reader, source ? source : node, NULL, "does not say whose switch it is on\n"
			   "write <source %s='net0'/>, the name of a net driver domain", type);
	if (name && driver && strcmp(name, driver) != 0)
		read_error(reader, backend, "name", "'%.64s' is not the %s of <source>, '%.64s'\nleave it out: "
			   "a net driver domain has one switch, with its own name", driver, type, name);
	return name ? name : driver;
}

static void read_driver_name(struct reader *reader, struct manifest_interface *interface, const xmlNode *node)
{
	const char *driver = read_switch(reader, node);

	interface->driver = need_copy(driver ? driver : "");
	if (driver && reader->manifest->name && strcmp(driver, reader->manifest->name) == 0)
		read_error(reader, node, NULL, "the domain is its own driver domain\nname another");
}

static void read_mac(struct reader *reader, struct manifest_interface *interface, const xmlNode *node)
{
	static const uint8_t zero[6];
	const char *text = read_attribute(reader, node, "address");
	struct manifest *manifest = reader->manifest;

	interface->has_mac = text && value_mac(text, interface->mac);
	if (!interface->has_mac)
		return;
	if (interface->mac[0] & 1)
		read_error(reader, node, "address", "address='%s' is a group's, its first byte is odd\n"
			   "write an even first byte, as 00:16:3e:…", text);
	if (memcmp(interface->mac, zero, sizeof(zero)) == 0)
		read_error(reader, node, "address", "address='%s' is nobody's\nwrite another, or leave <mac> out", text);
	for (size_t i = 0; i < manifest->interface_count; i++)
		if (manifest->interfaces[i].has_mac && memcmp(manifest->interfaces[i].mac, interface->mac, 6) == 0)
			read_error(reader, node, "address", "address='%s': the interface in line %u has it already\n"
				   "give each interface its own, or leave <mac> out", text, manifest->interfaces[i].at.line);
}

/* ---- addresses ---- */

/* In the one text that inet_ntop() gives it. False if it is no address of a host. */
static bool canonical_address(const char *text, const char *family, char canonical[INET6_ADDRSTRLEN])
{
	uint8_t bytes[16];

	if ((!family || strcmp(family, "ipv4") == 0) && inet_pton(AF_INET, text, bytes) == 1)
		return bytes[0] != 0 && bytes[0] < 224 && inet_ntop(AF_INET, bytes, canonical, INET6_ADDRSTRLEN);
	if ((!family || strcmp(family, "ipv6") == 0) && inet_pton(AF_INET6, text, bytes) == 1)
		return bytes[0] != 0xff && memcmp(bytes, (uint8_t [16]) { 0 }, 16) != 0 &&
		       inet_ntop(AF_INET6, bytes, canonical, INET6_ADDRSTRLEN);
	return false;
}

static void read_address(struct reader *reader, struct manifest_interface *interface, const xmlNode *node)
{
	const char *text = read_attribute(reader, node, "address"), *family = read_attribute(reader, node, "family");
	char canonical[INET6_ADDRSTRLEN];

	if (!text || text[strspn(text, "0123456789abcdefABCDEF.:")])
		return;
	if (!canonical_address(text, family, canonical)) {
		read_error(reader, node, "address", "address='%.48s' is no %s address of a host\nwrite one, as 192.0.2.10 or "
			   "2001:db8::10", text, !family ? "IP" : strcmp(family, "ipv4") == 0 ? "IPv4" : "IPv6");
		return;
	}
	for (size_t i = 0; i < interface->address_count; i++)
		if (strcmp(interface->addresses[i], canonical) == 0) {
			read_error(reader, node, "address", "address='%s' stands here a second time\nkeep one of them", text);
			return;
		}
	if (interface->address_count == DRIVER_ADDRESSES_MAX) {
		read_error(reader, node, NULL, "a driver domain keeps %u addresses of an interface\nkeep so many, or none, "
			   "and write <skink:guard ip='no'/>", DRIVER_ADDRESSES_MAX);
		return;
	}
	*NEED_ONE_MORE(interface->addresses, interface->address_count) = need_copy(canonical);
}

static void read_guard(struct reader *reader, struct manifest_interface *interface, const xmlNode *node)
{
	const xmlNode *guard = read_our_child(node, "guard");

	for (const xmlNode *ip = read_child(node, "ip"); ip; ip = read_next(ip))
		read_address(reader, interface, ip);
	interface->guard_mac = true;
	interface->guard_ip = interface->address_count > 0;
	read_yes(reader, guard, "mac", &interface->guard_mac);
	read_yes(reader, guard, "ip", &interface->guard_ip);
	if (interface->guard_ip && !read_child(node, "ip"))
		read_error(reader, guard, "ip", "ip='yes', and no address is known\nwrite <ip address='…'/> for each of the guest's");
}

/* ---- VLANs and bandwidth ---- */

static void read_tag(struct reader *reader, struct manifest_interface *interface, const xmlNode *tag)
{
	uint64_t id;

	if (!read_unsigned(reader, tag, "id", &id) || id < 1 || id > 4094)
		return;
	for (size_t i = 0; i < interface->vlan_count; i++)
		if (interface->vlans[i] == id) {
			read_error(reader, tag, "id", "id='%u' stands here a second time\nkeep one of them", (unsigned)id);
			return;
		}
	if (interface->vlan_count == DRIVER_VLANS_MAX) {
		read_error(reader, tag, NULL, "a driver domain keeps %u VLANs of an interface\nkeep so many, and write the rest into another "
			   "<interface>", DRIVER_VLANS_MAX);
		return;
	}
	if (read_attribute(reader, tag, "nativeMode") && interface->native_vlan)
		read_error(reader, tag, "nativeMode", "VLAN %u is the native one already\nkeep one of them", interface->native_vlan);
	else if (read_attribute(reader, tag, "nativeMode"))
		interface->native_vlan = id;
	*NEED_ONE_MORE(interface->vlans, interface->vlan_count) = id;
}

static void read_vlan(struct reader *reader, struct manifest_interface *interface, const xmlNode *vlan)
{
	const xmlNode *tag = read_child(vlan, "tag");

	for (; tag; tag = read_next(tag))
		read_tag(reader, interface, tag);
	read_yes(reader, vlan, "trunk", &interface->is_trunk);
	if (!interface->is_trunk && interface->vlan_count > 1)
		read_error(reader, vlan, NULL, "several VLANs, and no trunk\nwrite trunk='yes', or keep one <tag>");
	else if (!interface->is_trunk && interface->native_vlan)
		read_error(reader, vlan, NULL, "'nativeMode' is for a trunk\nwrite trunk='yes', or leave it out");
}

static void read_bandwidth(struct reader *reader, struct manifest_bandwidth *bandwidth, const xmlNode *node)
{
	uint64_t average = 0, peak = 0, burst = 0;

	read_unsigned(reader, node, "average", &average);
	read_unsigned(reader, node, "burst", &burst);
	if (read_unsigned(reader, node, "peak", &peak) && peak < average)
		read_error(reader, node, "peak", "peak='%llu' is less than average='%llu'\nwrite more, or leave it out",
			   (unsigned long long)peak, (unsigned long long)average);
	*bandwidth = (struct manifest_bandwidth) { average * 1024, peak * 1024, burst * 1024 };
}

void read_interface(struct reader *reader, const xmlNode *node)
{
	struct manifest *manifest = reader->manifest;
	struct manifest_interface interface = { .at = read_position(reader, node) };
	const xmlNode *bandwidth = read_child(node, "bandwidth");
	const char *state = read_attribute(reader, read_child(node, "link"), "state");
	uint64_t mtu = 1500, queues = 0;

	read_driver_name(reader, &interface, node);
	read_mac(reader, &interface, read_child(node, "mac"));
	read_guard(reader, &interface, node);
	read_vlan(reader, &interface, read_child(node, "vlan"));
	read_bandwidth(reader, &interface.inbound, read_child(bandwidth, "inbound"));
	read_bandwidth(reader, &interface.outbound, read_child(bandwidth, "outbound"));
	interface.is_up = !state || strcmp(state, "up") == 0;
	read_unsigned(reader, read_child(node, "mtu"), "size", &mtu);
	read_unsigned(reader, read_child(node, "driver"), "queues", &queues);
	interface.mtu = mtu <= 65535 ? mtu : 0;
	interface.queues = queues <= DRIVER_QUEUES_MAX ? queues : 0;
	*NEED_ONE_MORE(manifest->interfaces, manifest->interface_count) = interface;
}
