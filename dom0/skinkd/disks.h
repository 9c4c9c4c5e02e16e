/* SPDX-License-Identifier: MIT */
/*
 * Which sectors of its driver's device a disk is: extents of the manifest against the device and its partition table, which
 * Domain-0 reads through a read-only attachment of its own to the whole device.
 * DK1  Two attachments that are not both read-only, or both shareable, never have a sector in common.
 */
#pragma once

#include <stdbool.h>

#include "skinkd/attach.h"

struct driver;

enum disks_found { DISKS_FOUND, DISKS_NOT_YET, DISKS_NEVER };

/* If not found, `why` says what is missing, or wrong. */
enum disks_found disks_resolve(struct driver *driver, const struct manifest_disk *disk, bool is_own, struct driver_blk *blk,
			       char why[ATTACH_WHY]);
/* Domain-0's look at the whole of the driver's device: its file; NULL: it has none yet, or (*is_never) cannot have one. */
const char *disks_look(struct driver *driver, bool *is_never);
bool disks_overlap(const struct driver_blk *a, const struct driver_blk *b);

/*
 * Domain-0's own: a read-only look at a whole device (partition NULL), or a partition that it alone writes. False: there are 13
 * such already. `key`: which disk of Domain-0 it is, or will be as soon as it is connected.
 */
bool disks_attach_own(struct driver *driver, const char *partition, char key[ATTACH_KEY]);
void disks_detach_own(const char *key);
const struct manifest *disks_own(void);		/* what these are */
void disks_take_up(const struct attachment *attachment);	/* one that a skinkd before this one made */
bool disks_is_own(const struct attachment *attachment);

/* A driver that goes takes what was known of its device along. */
void disks_forget(const struct driver *driver);
