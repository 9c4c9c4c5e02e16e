/* SPDX-License-Identifier: MIT */
/*
 * Transient disks: what the guest writes goes to a copy, which is thrown away with the disk. The copy is a volume on the same device
 * (docs/decisions/transient-disks.md), made when the disk is attached.
 * TR1  The name says whose copy it is: so a skinkd that is started again knows which are nobody's, and deletes them.
 */
#pragma once

#include "skinkd/disks.h"

/* The copy's extents, into attachment->blk, which has the original's before. As disks_resolve(). */
enum disks_found transient_resolve(struct attachment *attachment, const struct manifest_disk *disk, char why[ATTACH_WHY]);

/* The attachment is about to go. */
void transient_drop(struct attachment *attachment);

bool transient_is_name(const char *volume);
/* NULL: it is no copy, or nobody's. */
const struct attachment *transient_user(const struct driver *driver, const char *volume);
