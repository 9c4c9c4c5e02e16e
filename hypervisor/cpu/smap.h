/* SPDX-License-Identifier: MIT */
#ifndef SKINK_SMAP_H
#define SKINK_SMAP_H

/* Puts stac and clac into the text, on CPUs that have SMAP. Boot CPU, before paging_init() makes text read-only. */
void smap_init(void);

#endif
