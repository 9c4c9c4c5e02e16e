/* SPDX-License-Identifier: MIT */
/* What functions the machine has, found once at boot, and which of their pages a domain may map (pci/pci.h: Q3). */
#include "pci/function.h"

#include "boot/boot_info.h"
#include "cpu/features.h"

#define BUSES			256
#define FUNCTIONS_OF_BUS	256
#define NO_VENDOR		0xffffu
#define HEADER_MULTIPLE		0x80u
#define HEADER_TYPE		0x7fu
#define HEADER_BRIDGE		1u
#define CLASS_STORAGE		0x01u
#define CLASS_NETWORK		0x02u
#define CLASS_BRIDGE		0x06u
#define EXPRESS_TYPE		2
#define EXPRESS_ROOT_PORT	4u
#define EXPRESS_DOWNSTREAM	6u		/* and 5: upstream */
#define CAPABILITIES_MAX	48	/* as many as there is room for */

/* Behind these are interrupt controllers and the firmware, not what a BAR should name. */
#define CHIPSET_START		0xfec00000ULL
#define CHIPSET_END		0x100000000ULL

#define MSIX_CONTROL		2
#define MSIX_TABLE		4
#define MSIX_ENTRY_BYTES	16

struct pci_function *pci_functions;
struct spinlock pci_lock;

struct pci_function *pci_find(uint32_t sbdf)
{
	struct pci_function *function = pci_functions;

	while (function && function->sbdf != sbdf)
		function = function->next;
	return function;
}

/* ---- at boot ---- */

/* A register with all that can be set in it set, for a moment. */
static uint32_t bar_mask(const struct pci_function *function, uint32_t offset)
{
	uint32_t mask;

	function_write(function, offset, 4, UINT32_MAX);
	mask = function_read(function, offset, 4);
	function_write(function, offset, 4, function->header[offset / 4]);
	return mask;
}

/* Returns how many registers it takes. */
static uint32_t bar_probe(struct pci_function *function, uint32_t n)
{
	uint32_t offset = PCI_BAR + 4 * n, low = function->header[offset / 4];
	bool is_64 = !(low & BAR_IO) && (low & BAR_64) && n + 1 < BARS;
	uint64_t mask = bar_mask(function, offset) & ~BAR_FLAGS, start = low & ~BAR_FLAGS;

	if (is_64) {
		mask |= (uint64_t)bar_mask(function, offset + 4) << 32;
		start |= (uint64_t)function->header[offset / 4 + 1] << 32;
	} else if (mask) {
		mask |= 0xffffffffULL << 32;
	}
	if (!(low & BAR_IO) && mask)
		function->bar[n] = (struct pci_bar){ start, -mask, low & BAR_FLAGS };
	return is_64 ? 2 : 1;
}

/* Not where there is something else; a device may say what it likes. */
static bool bar_is_good(const struct pci_bar *bar)
{
	paddr_t end = bar->start + bar->bytes;

	if (bar->bytes == 0)
		return true;
	if (bar->start == 0 || bar->start % bar->bytes || (bar->bytes & (bar->bytes - 1)) ||
	    end < bar->start || (end - 1) >> cpu_features.address_bits || (bar->start < CHIPSET_END && end > CHIPSET_START))
		return false;
	for (uint32_t i = 0; i < boot_info.range_count; i++)
		if (bar->start < boot_info.range[i].start + boot_info.range[i].bytes && end > boot_info.range[i].start)
			return false;
	return true;
}

static void bars_probe(struct pci_function *function)
{
	uint32_t command = function_read(function, PCI_COMMAND, 2) & ~COMMAND_MASTER;

	/* While they are sized it must not answer where the sizes happen to point to. */
	function_write(function, PCI_COMMAND, 2, command & ~(COMMAND_IO | COMMAND_MEMORY));
	for (uint32_t n = 0; n < BARS; )
		n += bar_probe(function, n);
	function_write(function, PCI_COMMAND, 2, command);
	function->is_assignable = true;
	for (uint32_t n = 0; n < BARS; n++)
		function->is_assignable &= bar_is_good(&function->bar[n]);
}

static void capabilities_probe(struct pci_function *function)
{
	uint32_t at = function->header[PCI_CAPABILITIES / 4] & 0xfc;

	if (!(function->header[PCI_COMMAND / 4] >> 16 & STATUS_CAPABILITIES))
		return;
	for (uint32_t n = 0; n < CAPABILITIES_MAX && at >= sizeof(function->header); n++) {
		uint32_t word = function_read(function, at, 2);

		switch ((enum pci_capability)(word & 0xff)) {
		case CAPABILITY_MSI:		function->msi = at; break;
		case CAPABILITY_MSIX:		function->msix = at; break;
		case CAPABILITY_EXPRESS:	function->express = at; break;
		case CAPABILITY_AF:		function->af = at; break;
		}
		at = word >> 8 & 0xfc;
	}
}

/* The table may be in any BAR, and a device may say that it is outside of all. */
static void msix_probe(struct pci_function *function)
{
	uint32_t place = function_read(function, function->msix + MSIX_TABLE, 4);
	uint32_t count = (function_read(function, function->msix + MSIX_CONTROL, 2) & 0x7ff) + 1;
	const struct pci_bar *bar = &function->bar[place & 7];

	if ((place & 7) >= BARS || (uint64_t)(place & ~7u) + count * MSIX_ENTRY_BYTES > bar->bytes)
		return;
	function->msix_count = count;
	function->msix_start = bar->start + (place & ~7u);
	function->msix_table = mmio_map(function->msix_start, count * MSIX_ENTRY_BYTES);
}

static void function_probe(struct pci_function *function)
{
	uint32_t class;

	for (uint32_t i = 0; i < ARRAY_SIZE(function->header); i++)
		function->header[i] = function_read(function, i * 4, 4);
	class = function->header[PCI_CLASS / 4] >> 24;
	capabilities_probe(function);
	/* Bridges pass on what others master, and are nobody's. */
	if ((function->header[3] >> 16 & HEADER_TYPE) != 0 || class == CLASS_BRIDGE)
		return;
	bars_probe(function);
	if (function->is_assignable && function->msix)
		msix_probe(function);
	/* So that the first owner need not wait. A screen or a serial line may still be of use to somebody. */
	if (function->is_assignable && (class == CLASS_STORAGE || class == CLASS_NETWORK))
		pci_reset_start(function);
}

/* NULL: there is nothing. */
static struct pci_function *function_new(uint32_t sbdf)
{
	struct pci_function *function = NULL;

	if ((pci_config_read(sbdf, PCI_ID, 4) & NO_VENDOR) != NO_VENDOR)
		function = heap_alloc(sizeof(*function));
	if (function) {
		function->sbdf = sbdf;
		function->attached_to = DOMID_INVALID;
		function_probe(function);
	}
	return function;
}

/* Every bus, as some are behind no bridge that could be asked for them. */
void pci_init(void)
{
	struct pci_function **end = &pci_functions;
	uint32_t count = 0;

	pci_config_init();
	for (uint32_t sbdf = 0; sbdf < BUSES * FUNCTIONS_OF_BUS; sbdf++) {
		struct pci_function *function = *end = function_new(sbdf);

		if (function) {
			end = &function->next;
			count++;
		}
		if (sbdf % 8 == 0 && !(function && (function->header[3] >> 16 & HEADER_MULTIPLE)))
			sbdf += 7;
	}
	log_info("pci: %u functions\n", count);
}

bool pci_shares_name(uint32_t sbdf)
{
	uint32_t bus = sbdf >> 8 & 0xff, type;

	for (const struct pci_function *bridge = pci_functions; bridge; bridge = bridge->next) {
		if ((bridge->header[3] >> 16 & HEADER_TYPE) != HEADER_BRIDGE || bus < (bridge->header[6] >> 8 & 0xff) ||
		    bus > (bridge->header[6] >> 16 & 0xff))
			continue;
		type = bridge->express ? function_read(bridge, bridge->express + EXPRESS_TYPE, 1) >> 4 : 0;
		if (type < EXPRESS_ROOT_PORT || type > EXPRESS_DOWNSTREAM)
			return true;
	}
	return false;
}

/* ---- pages ---- */

static bool overlaps(paddr_t page, paddr_t start, uint64_t bytes) { return bytes && page < start + bytes && page + PAGE_SIZE > start; }

static bool has_page(const struct pci_function *function, paddr_t page)
{
	for (uint32_t n = 0; n < BARS; n++)
		if (overlaps(page, function->bar[n].start, function->bar[n].bytes))
			return true;
	return false;
}

/* Q3: the one function that has something there; NULL if there is none, or more than one. */
static struct pci_function *function_at(paddr_t page)
{
	struct pci_function *found = NULL;

	for (struct pci_function *function = pci_functions; function; function = function->next)
		if (has_page(function, page)) {
			if (found)
				return NULL;
			found = function;
		}
	return found;
}

int pci_page_get(const struct domain *domain, mfn_t page)
{
	struct pci_function *function = function_at(mfn_to_paddr(page));

	if (!function || function->owner != domain || function->is_stopped)
		return -EINVAL;
	if (overlaps(mfn_to_paddr(page), function->msix_start, function->msix_count * MSIX_ENTRY_BYTES))
		return -EPERM;
	__atomic_fetch_add(&function->mappings, 1, __ATOMIC_RELAXED);
	return 0;
}

NOINLINE void pci_page_put(mfn_t page)
{
	struct pci_function *function = function_at(mfn_to_paddr(page));
	uint32_t before = function ? __atomic_fetch_sub(&function->mappings, 1, __ATOMIC_RELAXED) : 0;

	ASSERT(before > 0, "Q3");
}
