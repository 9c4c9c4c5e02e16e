/* SPDX-License-Identifier: MIT */
/*
 * What every frame's references must be, recomputed from all that can hold one: entries of tables that are validated,
 * partial or deferred, pins, base pointers, descriptor tables, registered vcpu_info, shared pages, owners. And what no
 * guest may ever reach, by its tables or by what a TLB still remembers. Between two hypercalls all of it holds.
 */
#pragma once

#include "include/types.h"

/* What is wrong, naming frame and invariant; NULL if nothing is. All domains, also dying ones. */
const char *memory_oracle_complaint(void);
/* The same for grants: handles against active entries (G4). Needs grant/ linked. */
const char *grant_oracle_complaint(void);
