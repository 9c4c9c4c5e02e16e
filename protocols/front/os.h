/* SPDX-License-Identifier: MIT */
/*
 * What a front-end needs of the kernel that it is built into: ten functions. Any may be called from net_*, blk_* or store_* and none
 * calls back into them. Whoever calls a front-end sees to it that one call runs at a time for each device.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRONT_PAGE	4096u
#define FRONT_NO_GRANT	UINT32_MAX

/* Results, beside 0. */
#define FRONT_FULL	(-11)		/* no room: again after the next event */
#define FRONT_NO_MEMORY	(-12)
#define FRONT_INVALID	(-22)		/* the caller's mistake */
#define FRONT_NO_KEY	(-2)
#define FRONT_DOWN	(-107)		/* not connected */

struct front_os {
	void *(*pages_alloc)(unsigned int count);			/* zeroed, side by side; NULL */
	void (*pages_free)(void *pages, unsigned int count);
	uint32_t (*grant)(uint16_t user, void *page, bool readonly);	/* FRONT_NO_GRANT: none is left */
	bool (*ungrant)(uint32_t gref);					/* false: the other end still uses it */
	int (*event_open)(uint16_t remote, uint32_t *port);		/* an unbound port for that domain */
	void (*event_send)(uint32_t port);
	void (*event_close)(uint32_t port);
	int (*store_read)(const char *path, char *value, size_t size);	/* its length, zero-terminated; FRONT_NO_KEY */
	int (*store_write)(const char *path, const char *value);
	void (*log)(const char *device, const char *text);
};
