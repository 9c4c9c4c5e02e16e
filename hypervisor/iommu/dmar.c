/* SPDX-License-Identifier: MIT */
/*
 * The DMAR table. It names functions by the way to them, through bridges; here that is a range of functions.
 * R1  A table that cannot be followed to its end is not used at all: half of it would leave devices unguarded.
 */
#include "iommu/dmar.h"

#include "boot/acpi.h"
#include "cpu/features.h"
#include "cpu/pci_config.h"
#include "iommu/unit.h"

#define CONFIG_BUSES	0x18		/* of a bridge: primary, secondary, last */

#define FIRST_STRUCTURE	48
#define SCOPES_MAX	256
#define RESERVED	VTD_UNITS_MAX	/* in place of a unit: RMRR */

enum structure { DRHD = 0, RMRR = 1 };
enum scope_type { SCOPE_FUNCTION = 1, SCOPE_BRIDGE = 2, SCOPE_IOAPIC = 3 };

static struct scope {
	uint32_t unit, type, id;
	uint32_t first, last;		/* functions */
} scopes[SCOPES_MAX];
static uint32_t scope_count;
static const struct acpi_table *dmar;

static uint32_t field(uint32_t at, uint32_t bytes) { return (uint32_t)acpi_field(dmar, at, bytes); }

static uint32_t bridge_buses(uint32_t sbdf) { return pci_config_read(sbdf, CONFIG_BUSES, 4); }

/* At `at`, `bytes` long: type, length, 2 reserved, id, bus, then device and function of each step. */
static bool add_scope(uint32_t unit, uint32_t segment, uint32_t at, uint32_t bytes)
{
	struct scope *scope = &scopes[scope_count];
	uint32_t bus = field(at + 5, 1), sbdf = 0;

	if (bytes < 8 || scope_count == SCOPES_MAX)
		return false;
	for (uint32_t step = 6; step + 2 <= bytes; step += 2) {
		if (step > 6)
			bus = bridge_buses(sbdf) >> 8 & 0xff;
		sbdf = segment << 16 | bus << 8 | (field(at + step, 1) & 31) << 3 | (field(at + step + 1, 1) & 7);
	}
	*scope = (struct scope){ unit, field(at, 1), field(at + 4, 1), sbdf, sbdf };
	if (scope->type == SCOPE_BRIDGE) {
		scope->first = segment << 16 | (bridge_buses(sbdf) >> 8 & 0xff) << 8;
		scope->last = segment << 16 | (bridge_buses(sbdf) >> 16 & 0xff) << 8 | 0xff;
	}
	scope_count++;
	return true;
}

static bool add_scopes(uint32_t unit, uint32_t segment, uint32_t at, uint32_t end)
{
	for (uint32_t bytes; at < end; at += bytes) {
		bytes = field(at + 1, 1);
		if (bytes > end - at || !add_scope(unit, segment, at, bytes))
			return false;
	}
	return true;
}

static bool add_unit(uint32_t at, uint32_t end)
{
	struct vtd_unit *unit = &vtd_units[vtd_unit_count];

	if (vtd_unit_count == VTD_UNITS_MAX || acpi_field(dmar, at + 8, 8) >> cpu_features.address_bits)
		return false;
	*unit = (struct vtd_unit){ .address = acpi_field(dmar, at + 8, 8), .segment = field(at + 6, 2),
				   .takes_rest = field(at + 4, 1) & 1 };
	return add_scopes(vtd_unit_count++, unit->segment, at + 16, end);
}

bool dmar_parse(void)
{
	uint32_t bytes;
	bool ok = true;

	vtd_unit_count = scope_count = 0;
	dmar = acpi_find("DMAR");
	for (uint32_t at = FIRST_STRUCTURE; ok && dmar && at < dmar->bytes; at += bytes) {
		bytes = field(at + 2, 2);
		ok = bytes >= 4 && bytes <= dmar->bytes - at;
		if (ok && field(at, 2) == DRHD)
			ok = bytes >= 16 && add_unit(at, at + bytes);
		else if (ok && field(at, 2) == RMRR)
			ok = bytes >= 24 && add_scopes(RESERVED, field(at + 6, 2), at + 24, at + bytes);
	}
	if (!ok)		/* R1 */
		log_warning("iommu: the DMAR table is broken or too long\n");
	return ok && vtd_unit_count;
}

static const struct scope *find(uint32_t sbdf, bool is_reserved)
{
	for (const struct scope *scope = scopes; scope < scopes + scope_count; scope++)
		if (scope->type <= SCOPE_BRIDGE && (scope->unit == RESERVED) == is_reserved &&
		    sbdf >= scope->first && sbdf <= scope->last)
			return scope;
	return NULL;
}

struct vtd_unit *dmar_unit_of(uint32_t sbdf)
{
	const struct scope *scope = find(sbdf, false);

	if (scope)
		return &vtd_units[scope->unit];
	for (struct vtd_unit *unit = vtd_units; unit < vtd_units + vtd_unit_count; unit++)
		if (unit->takes_rest && unit->segment == sbdf >> 16)
			return unit;
	return NULL;
}

bool dmar_reserves_for(uint32_t sbdf) { return find(sbdf, true); }

struct vtd_unit *dmar_ioapic(uint32_t ioapic_id, uint16_t *requester)
{
	for (const struct scope *scope = scopes; scope < scopes + scope_count; scope++)
		if (scope->type == SCOPE_IOAPIC && scope->id == ioapic_id && scope->unit < RESERVED) {
			*requester = (uint16_t)scope->first;
			return &vtd_units[scope->unit];
		}
	return NULL;
}
