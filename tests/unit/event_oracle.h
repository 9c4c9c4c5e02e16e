/* SPDX-License-Identifier: MIT */
/* Looks at all channels of some domains from outside: do E1 to E3 hold? */
#ifndef SKINK_EVENT_ORACLE_H
#define SKINK_EVENT_ORACLE_H

#include "domain/domain.h"

/* NULL if all is well, else what is wrong with which channel. No code under test runs meanwhile. */
const char *event_oracle_complaint(struct domain *const *domains, uint32_t count);

#endif
