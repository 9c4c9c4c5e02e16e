/* SPDX-License-Identifier: MIT */
/*
 * What stands in the ring of a virtual disk. docs/protocols.md has the rules (BLK-n); the values are those of Xen's io/blkif.h,
 * which tests/unit/protocols.c compares. "Sector" is 512 bytes in every message, whatever the disk's own sector size is.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define VBD_SLOT		112u
#define VBD_RING_PAGES_MAX	16u
#define VBD_SEGMENTS		11u	/* in the slot itself */
#define VBD_INDIRECT_PAGES	8u
#define VBD_SEGMENTS_A_PAGE	512u	/* of an indirect page */
#define VBD_SECTOR		512u
#define VBD_SECTORS_A_PAGE	8u

/* A part of one granted page. */
struct vbd_segment {
	uint32_t gref;
	uint8_t first_sector;		/* 0 to 7 */
	uint8_t last_sector;		/* this one too */
	uint16_t zero;
};

/* Read, write, write barrier, flush. */
struct vbd_request {
	uint8_t operation;		/* VBD_OP_* */
	uint8_t segments;
	uint16_t handle;		/* of the disk; not used */
	uint32_t zero;
	uint64_t id;
	uint64_t sector;
	struct vbd_segment segment[VBD_SEGMENTS];
};

struct vbd_request_discard {
	uint8_t operation;		/* VBD_OP_DISCARD */
	uint8_t flags;			/* VBD_DISCARD_SECURE */
	uint16_t handle;
	uint32_t zero;
	uint64_t id;
	uint64_t sector;
	uint64_t sectors;
};

/* Its segments are in pages of their own. */
struct vbd_request_indirect {
	uint8_t operation;		/* VBD_OP_INDIRECT */
	uint8_t inner;			/* VBD_OP_READ or VBD_OP_WRITE: what a response repeats */
	uint16_t segments;
	uint32_t zero;
	uint64_t id;
	uint64_t sector;
	uint16_t handle;
	uint16_t zero2;
	uint32_t gref[VBD_INDIRECT_PAGES];
	uint32_t zero3;
};

/* One slot, before its operation is known. The first byte and the id have the same place in all three. */
union vbd_slot {
	struct vbd_request plain;
	struct vbd_request_discard discard;
	struct vbd_request_indirect indirect;
};

struct vbd_response {
	uint64_t id;
	uint8_t operation;		/* of the request; of an indirect one the inner */
	uint8_t zero;
	int16_t status;			/* VBD_STATUS_* */
	uint32_t zero2;
};

#define VBD_OP_READ		0u
#define VBD_OP_WRITE		1u
#define VBD_OP_BARRIER		2u	/* flush, write what it carries, flush */
#define VBD_OP_FLUSH		3u
#define VBD_OP_DISCARD		5u
#define VBD_OP_INDIRECT		6u

#define VBD_DISCARD_SECURE	1u

#define VBD_STATUS_UNSUPPORTED	(-2)
#define VBD_STATUS_ERROR	(-1)
#define VBD_STATUS_OKAY		0

/* The key `info`. */
#define VBD_INFO_CDROM		1u
#define VBD_INFO_REMOVABLE	2u
#define VBD_INFO_READONLY	4u

_Static_assert(sizeof(struct vbd_segment) == 8, "BLK-20");
_Static_assert(sizeof(struct vbd_request) == VBD_SLOT, "BLK-20");
_Static_assert(sizeof(union vbd_slot) == VBD_SLOT, "BLK-20");
_Static_assert(sizeof(struct vbd_response) == 16, "BLK-20");
_Static_assert(offsetof(struct vbd_request, id) == 8, "BLK-20");
_Static_assert(offsetof(struct vbd_request_discard, id) == 8, "BLK-20");
_Static_assert(offsetof(struct vbd_request_indirect, id) == 8, "BLK-20");
_Static_assert(offsetof(struct vbd_request_indirect, gref) == 28, "BLK-20");
