/* SPDX-License-Identifier: MIT */
/*
 * Volumes of driver domains' disks: in the GPT partition VOLUMES_PARTITION, which Domain-0 writes through an attachment of its
 * own, and nobody else is given.
 * VM1  A volume that a domain has, or has not let go of yet, is not resized, deleted or exported.
 * VM2  One thing at a time is done to the volumes of a disk, in the order in which it was asked for.
 * VM3  A volume with the name of a transient disk's copy that is nobody's is deleted (transient.h).
 */
#pragma once

#include "lib/volume.h"
#include "skinkd/disks.h"

#define VOLUMES_PARTITION	"skink-volumes"

enum volumes_deed {
	VOLUMES_READ, VOLUMES_CREATE, VOLUMES_RESIZE, VOLUMES_DELETE, VOLUMES_IMPORT, VOLUMES_EXPORT,
	VOLUMES_CLONE,			/* of `original`, on the device `file` */
};

struct volumes_request {
	enum volumes_deed deed;
	const char *name, *file;
	uint64_t bytes;
	const struct driver_blk *original;
};

/* done() when it is over; what is known of the volumes is new then. */
void volumes_do(struct driver *driver, const struct volumes_request *request, done_fn done, void *context);

/* Adds the volume's extents, on the driver's device. */
enum disks_found volumes_resolve(struct driver *driver, const char *name, struct driver_blk *blk, char why[ATTACH_WHY]);

/* After VOLUMES_READ: those of the disk, each with who has it; NULL: nothing is known. */
json_t *volumes_json(const struct driver *driver);

void volumes_forget(const struct driver *driver);
