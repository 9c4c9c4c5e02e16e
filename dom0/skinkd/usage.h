/* SPDX-License-Identifier: MIT */
/*
 * What each domain has used, from its creation to its end, and after it: CPU time, memory times time, network, disk. For whoever
 * settles accounts.
 * US1  A total never falls: a domain that is built again is added to what was (usage_anew()), and what nobody can see any more stays.
 * US2  A domain that ends leaves one line in LOG_DIR/usage.log, whoever ended it; also one that ended while there was no skinkd.
 * US3  Memory is billed by a clock that nobody sets: the date only says when a domain began and ended.
 */
#pragma once

#include <jansson.h>

struct domain;

void usage_open(void);

/* Now and then, and before a domain goes: what it has used by now. */
void usage_look(void);
void usage_sample(const struct domain *domain);

/* It was built again under its record: all of it counts from nothing. */
void usage_anew(const struct domain *domain);

/* Its record goes. */
void usage_end(const struct domain *domain);

/* Those that have ended, oldest first, then those that run; the caller owns it. */
json_t *usage_list(void);
