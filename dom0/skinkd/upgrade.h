/* SPDX-License-Identifier: MIT */
/* Other images for driver domains, prepared on a worker: for 'skink upgrade', and for then='fallback'. The monitor loads them. */
#pragma once

/* Those whose manifest names a fall-back image, and that serve, get it into memory. */
void upgrade_look(void);
