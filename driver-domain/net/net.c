/* SPDX-License-Identifier: MIT */
/* A network driver domain: one card, or none, found and started, and the loop. */
#include "net/net.h"
#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/foreign.h"
#include "runtime/lib.h"
#include "runtime/notes.h"

#define RING_PAGES 1024u		/* of 512 queues: each page table of the window is looked through by a reset */

RUNTIME_KERNEL

DRIVER_IMAGE(DRIVER_NET, DRIVER_NET_GUARD_MAC | DRIVER_NET_GUARD_IP | DRIVER_NET_LINK_UP | DRIVER_NET_TRUNK | DRIVER_NET_MIRROR | DRIVER_NET_SG |
	     DRIVER_NET_GSO_TCP4 | DRIVER_NET_GSO_TCP6 | DRIVER_NET_NO_CSUM4 | DRIVER_NET_CSUM6 | DRIVER_NET_RX_NOTIFY, DRIVER_QUEUES_MAX);

static struct net_device device;
static struct pci_function function;

static void __attribute__((noreturn)) net_failed(struct net_device *which, const char *why)
{
	panic("%s: %s", which->driver->name, why);
}

static const struct net_driver *driver_for(uint32_t address)
{
	for (const struct net_driver *const *driver = net_drivers; *driver; driver++)
		if ((*driver)->knows(&function))
			return *driver;
	driver_domain_fail("PCI %02x:%02x.%x is %04x:%04x, class %06x: no network card that this image has a driver for", address >> 8,
			   address >> 3 & 31, address & 7, function.vendor, function.device, function.class_code);
}

static void device_start(uint32_t address)
{
	int error = pci_open(address, &function);

	if (error)
		driver_domain_fail("PCI %02x:%02x.%x is not this domain's: error %d", address >> 8, address >> 3 & 31, address & 7, error);
	device.driver = driver_for(address);
	device.function = &function;
	device.failed = net_failed;
	error = device.driver->start(&device);
	if (error)
		driver_domain_fail("%s does not start: error %d, the log says more", device.driver->name, error);
	net.device = &device;
}

static void device_tell(void)
{
	struct driver_status *status = driver_domain.status;

	snprintf(status->device_name, sizeof(status->device_name), "%s", device.driver->name);
	status->device_flags = (device.does_csum ? DRIVER_DEVICE_CSUM : 0) | (device.does_tso ? DRIVER_DEVICE_TSO : 0) |
			       (device.does_lro ? DRIVER_DEVICE_LRO : 0) |
			       (device.driver->link_is_up(&device) ? DRIVER_DEVICE_LINK_UP : 0);
	memcpy(status->mac, device.mac, 6);
	status->device_mtu = device.mtu;
	printf("%s: %02x:%02x:%02x:%02x:%02x:%02x, MTU %u, %u queues, checksums %s, TSO %s, LRO %s\n", device.driver->name, device.mac[0],
	       device.mac[1], device.mac[2], device.mac[3], device.mac[4], device.mac[5], device.mtu, device.queues,
	       device.does_csum ? "yes" : "no", device.does_tso ? "yes" : "no", device.does_lro ? "yes" : "no");
}

static void device_find(void)
{
	const struct driver_table *table = driver_domain.table;

	if (table->function_count > 1)
		driver_domain_fail("a network driver has one card at most, and the table names %u PCI functions", table->function_count);
	if (table->function_count == 0) {
		snprintf(driver_domain.status->device_name, sizeof(driver_domain.status->device_name), "none");
		printf("no card: a switch between guests alone\n");
		return;
	}
	device_start(table->function[0] & 0xffff);
	device_tell();
}

static bool obey(void)
{
	net.generation = driver_domain.generation;
	return attach_obey();
}

void guest_main(void)
{
	static const struct driver_calls calls = { .again = net_again, .obey = obey, .work = net_work, .rest = net_rest, .tick = net_tick };

	driver_domain_init(DRIVER_NET);
	net.table = driver_domain.table;
	net.status = driver_domain.status;
	net.ledger = driver_domain.ledger;
	net.ledger_bytes = driver_domain.ledger_bytes;
	net.attachment_count = driver_domain.attachment_count;
	device_find();
	net_init();
	foreign_init(RING_PAGES);
	driver_domain_run(&calls);
}
