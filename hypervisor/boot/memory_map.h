/* SPDX-License-Identifier: MIT */
/* The memory map of boot_info while it is made: in pieces as the loader has them, then in order. */
#ifndef SKINK_MEMORY_MAP_H
#define SKINK_MEMORY_MAP_H

#include "boot/boot_info.h"

/* Refuses to run if there is no room. */
void memory_map_add(paddr_t start, uint64_t bytes, enum memory_kind kind);

/* Sorts; where ranges overlap, the kind with the higher number counts. */
void memory_map_finish(void);

/* A page of RAM below 1 MiB, where nothing is ever allocated, that no module lies in; 0 if there is none. */
paddr_t memory_map_low_page(void);

#endif
