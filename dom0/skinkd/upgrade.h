/* SPDX-License-Identifier: MIT */
/* Other images for driver domains, prepared on a worker: for 'skink upgrade', and for then='fallback'. The monitor loads them. */
#pragma once

struct domain;

/* Those whose manifest names a fall-back image, and that serve, get it into memory. */
void upgrade_look(void);
/* Its manifest names another one, or none. */
void upgrade_fallback_anew(struct domain *domain);
