/* SPDX-License-Identifier: MIT */
/*
 * What a driver domain may never write into its ledger: nobody else can have written there, so it is proof against it. Between two looks
 * at a ring everything only goes forward (protocols/ledger.md).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../protocols/driver.h"
#include "../../protocols/ledger.h"

struct ledger_seen {
	bool is_known;			/* the others are of a look before */
	uint32_t commit, published;
};

/* NULL, and *seen is what was seen now; or what is wrong, in words. Each field is read once. */
const char *ledger_check(const volatile struct ledger_ring *ledger, const struct driver_ledger *place, struct ledger_seen *seen);
