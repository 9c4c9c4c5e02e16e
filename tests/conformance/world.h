/* SPDX-License-Identifier: MIT */
/*
 * What the scripted back-end does to the world: in Dom0 by Xen's libraries (world_xen.c), on the host by a front-end
 * that is linked beside it, on its own clock (world_host.c).
 */
#ifndef CONFORMANCE_WORLD_H
#define CONFORMANCE_WORLD_H

#include <stddef.h>
#include <stdint.h>

/* The store. The paths are whole. */
int world_read(const char *path, char *text, size_t size);		/* length, or -1 */
void world_write(const char *path, const char *text);
unsigned int world_entries(const char *directory);	/* how many keys it has */

/* Grants of the front-end's domain. */
void *world_map(const uint32_t *grefs, unsigned int count);		/* writable and contiguous; NULL */
void world_unmap(void *pages, unsigned int count);
int world_copy_from(uint32_t gref, unsigned int offset, void *to, unsigned int size);	/* 0, or it is not lent */
int world_copy_to(uint32_t gref, unsigned int offset, const void *from, unsigned int size);

/* Event channels of the front-end's domain. */
int world_bind(uint32_t remote_port);					/* a handle, or -1 */
void world_unbind(int handle);
void world_send(int handle);
unsigned int world_events(int handle);					/* that came since it was last asked */

/* Until something happened, or so long. */
void world_wait(unsigned int ms);
uint64_t world_now_ms(void);

#endif
