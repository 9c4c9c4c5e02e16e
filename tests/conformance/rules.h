/* SPDX-License-Identifier: MIT */
/* The verdicts: for each rule, whether it was kept, was broken (and by what), or nothing was seen that it speaks of. */
#ifndef CONFORMANCE_RULES_H
#define CONFORMANCE_RULES_H

#include <stdbool.h>
#include <stdio.h>

enum rule {
#define RULE(name, level, roles, text) name,
#include "rules.def"
#undef RULE
	RULES
};

enum role { NET = 1, BLK = 2, BOTH = 3 };

void rule_kept(enum rule rule);
/* Does not return if the rule is a MUST: what follows from a fault is not judged. With it goes what `dump` says of the rings. */
void rule_broken(enum rule rule, const char *expected, const char *seen, ...) __attribute__((format(printf, 3, 4)));
/* For the walk that begins: how it ends, and how its rings are told of. */
void rules_begin(void (*stop)(void));
void rules_dump_set(void (*dump)(FILE *to));

/* "BLK-17" or "BLK_17"; RULES if there is none. */
enum rule rule_find(const char *name);
bool rule_is_for(enum rule rule, enum role role);

/* TAP: all rules of a role, or one. Returns how many MUSTs are broken. */
unsigned int rules_report(FILE *to, enum role role, enum rule only);

#endif
