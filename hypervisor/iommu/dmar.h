/* SPDX-License-Identifier: MIT */
/* Which VT-d unit translates for which function: what the firmware's DMAR table says, resolved once at boot. */
#pragma once

struct vtd_unit;

/* Fills vtd_units. False if there is no such table, or it cannot be followed: said why. */
MUST_CHECK bool dmar_parse(void);

/* NULL: none translates for it. */
struct vtd_unit *dmar_unit_of(uint32_t sbdf);
/* Firmware has memory that this function must reach whoever owns it (RMRR). */
bool dmar_reserves_for(uint32_t sbdf);
/* The unit that remaps an IOAPIC's interrupts, and as whom it sends them. NULL: it is not named. */
struct vtd_unit *dmar_ioapic(uint32_t ioapic_id, uint16_t *requester);
