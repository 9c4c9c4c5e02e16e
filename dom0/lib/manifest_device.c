/* SPDX-License-Identifier: MIT */
/* <devices>: consoles and PCI functions; disks and interfaces have files of their own. */
#include <string.h>

#include "manifest_read.h"
#include "manifest_value.h"
#include "need.h"

static void read_pci(struct reader *reader, const xmlNode *node)
{
	const xmlNode *address = read_child(read_child(node, "source"), "address");
	uint64_t segment = 0, bus, slot, function;
	struct manifest *manifest = reader->manifest;
	struct manifest_pci pci;

	read_unsigned(reader, address, "domain", &segment);
	if (!read_unsigned(reader, address, "bus", &bus) || !read_unsigned(reader, address, "slot", &slot) ||
	    !read_unsigned(reader, address, "function", &function))
		return;
	if (segment > 0xffff || bus > 0xff || slot > 31 || function > 7)
		return;
	pci = (struct manifest_pci) { segment, bus, slot, function, read_position(reader, node) };
	for (size_t i = 0; i < manifest->device_count; i++) {
		const struct manifest_pci *other = &manifest->devices[i];

		if (other->segment == segment && other->bus == bus && other->slot == slot && other->function == function)
			read_error(reader, node, NULL, "%04x:%02x:%02x.%x stands here a second time, the first is in line %u\n"
				   "keep one of them", pci.segment, pci.bus, pci.slot, pci.function, other->at.line);
	}
	*NEED_ONE_MORE(manifest->devices, manifest->device_count) = pci;
}

static void read_hostdevs(struct reader *reader, const xmlNode *devices)
{
	for (const xmlNode *node = read_child(devices, "hostdev"); node; node = read_next(node)) {
		read_pci(reader, node);
		if (reader->manifest->role == ROLE_GUEST)
			read_error(reader, node, NULL, "only a driver domain owns a device\nwrite <skink:driver role='net'/> or "
				   "role='blk' into <domain>, or leave it out and use that driver's <interface> or <disk>");
	}
}

/* What is for guests only. */
static void refuse_in_driver(struct reader *reader, const xmlNode *node, const char *what)
{
	for (; node && reader->manifest->role != ROLE_GUEST; node = read_next(node))
		read_error(reader, node, NULL, "a driver domain serves %s, and has none\nleave it out", what);
}

void read_devices(struct reader *reader, const xmlNode *devices)
{
	struct manifest *manifest = reader->manifest;

	read_hostdevs(reader, devices);
	for (const xmlNode *node = read_child(devices, "disk"); node; node = read_next(node))
		read_disk(reader, node);
	for (const xmlNode *node = read_child(devices, "interface"); node; node = read_next(node))
		read_interface(reader, node);
	refuse_in_driver(reader, read_child(devices, "disk"), "disks");
	refuse_in_driver(reader, read_child(devices, "interface"), "interfaces");
	manifest->has_console = manifest->role == ROLE_GUEST || read_child(devices, "console");
	if (manifest->role == ROLE_BLK && !read_child(devices, "hostdev")) {
		struct blame blame = manifest_blame(manifest, MANIFEST_DRIVER);

		report_error(reader->document->report, &blame, "a blk driver domain without a device has no disk to serve\n"
			     "write <hostdev type='pci'>…</hostdev> into <devices>");
	}
}
