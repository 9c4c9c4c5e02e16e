/* SPDX-License-Identifier: MIT */
#include "skinkd/transient.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/need.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/state.h"
#include "skinkd/volumes.h"

#define PREFIX	"transient-"

struct copying {
	domid_t front_id;
	char key[ATTACH_KEY];
	uint32_t number;
};

static void name_of(const struct attachment *attachment, char name[VOLUME_NAME])
{
	snprintf(name, VOLUME_NAME, PREFIX "%u-%s", attachment->front_id, attachment->key);
}

bool transient_is_name(const char *volume)
{
	return !strncmp(volume, PREFIX, strlen(PREFIX));
}

/* Also one whose driver domain has gone and come again, and which does not know of the new one yet. */
static bool is_at(const struct attachment *attachment, const struct driver *driver)
{
	return driver && !strcmp(attachment->driver_name, driver->domain->manifest->name);
}

const struct attachment *transient_user(const struct driver *driver, const char *volume)
{
	char name[VOLUME_NAME];

	for (const struct attachment *attachment = attachments; attachment; attachment = attachment->next) {
		name_of(attachment, name);
		if (attachment->kind == ATTACH_VBD && !strcmp(name, volume) && is_at(attachment, driver) &&
		    (attachment->transient == TRANSIENT_READY || attachment->transient == TRANSIENT_COPYING))
			return attachment;
	}
	return NULL;
}

static void copied(void *context, const struct outcome *result)
{
	struct copying *copying = context;
	struct attachment *attachment = attach_find(copying->front_id, copying->key);

	/* It may have gone meanwhile, and its driver too; and there may be another in its place, the copy of which has not begun. */
	if (attachment && attachment->transient == TRANSIENT_COPYING && attachment->copying == copying->number) {
		attachment->transient = result->code ? TRANSIENT_FAILED : TRANSIENT_READY;
		if (result->code)
			snprintf(attachment->why, ATTACH_WHY, "<transient/> needs a copy of the disk on the disk of '%.40s': %.90s",
				 attachment->driver_name, result->message);
		state_save();
	}
	free(copying);
}

static enum disks_found begin(struct attachment *attachment, char why[ATTACH_WHY])
{
	static uint32_t number;
	struct volumes_request request = { .deed = VOLUMES_CLONE, .original = &attachment->blk };
	struct copying *copying;
	char name[VOLUME_NAME];
	bool is_never;

	request.name = name;
	request.file = disks_look(attachment->driver, &is_never);
	snprintf(why, ATTACH_WHY, is_never ? "Domain-0 looks at 13 devices already, and can copy from no more" : "its content is being copied");
	if (!request.file)
		return is_never ? DISKS_NEVER : DISKS_NOT_YET;
	name_of(attachment, name);
	copying = need_memory(calloc(1, sizeof(*copying)));
	copying->front_id = attachment->front_id;
	copying->number = attachment->copying = ++number;
	snprintf(copying->key, sizeof(copying->key), "%s", attachment->key);
	attachment->transient = TRANSIENT_COPYING;
	volumes_do(attachment->driver, &request, copied, copying);
	if (attachment->transient == TRANSIENT_COPYING)
		return DISKS_NOT_YET;
	snprintf(why, ATTACH_WHY, "%s", attachment->why);
	return DISKS_NEVER;
}

static uint64_t sectors_of(const struct driver_blk *blk)
{
	uint64_t sectors = 0;

	for (uint32_t i = 0; i < blk->extent_count; i++)
		sectors += blk->extent[i].count;
	return sectors;
}

/* A volume is of whole LVM extents, the disk as long as the original. */
static void cut(struct driver_blk *blk, uint64_t sectors)
{
	for (uint32_t i = 0; i < blk->extent_count; i++) {
		if (blk->extent[i].count >= sectors) {
			blk->extent[i].count = sectors;
			blk->extent_count = i + 1;
			return;
		}
		sectors -= blk->extent[i].count;
	}
}

static enum disks_found find_copy(struct attachment *attachment, const struct manifest_disk *disk, char why[ATTACH_WHY])
{
	struct driver_blk original, copy;
	char name[VOLUME_NAME];
	enum disks_found found = disks_resolve(attachment->driver, disk, false, &original, why);

	if (found != DISKS_FOUND)
		return found;
	copy = original;
	copy.extent_count = 0;
	name_of(attachment, name);
	found = volumes_resolve(attachment->driver, name, &copy, why);
	if (found != DISKS_FOUND)
		return found;
	cut(&copy, sectors_of(&original));
	attachment->blk = copy;
	return DISKS_FOUND;
}

enum disks_found transient_resolve(struct attachment *attachment, const struct manifest_disk *disk, char why[ATTACH_WHY])
{
	switch (attachment->transient) {
	case TRANSIENT_NONE:
		return begin(attachment, why);
	case TRANSIENT_COPYING:
		snprintf(why, ATTACH_WHY, "its content is being copied");
		return DISKS_NOT_YET;
	case TRANSIENT_READY:
		return find_copy(attachment, disk, why);
	case TRANSIENT_FAILED:
		snprintf(why, ATTACH_WHY, "%s", attachment->why);
		return DISKS_NEVER;
	}
	return DISKS_NEVER;
}

void transient_drop(struct attachment *attachment)
{
	const struct volumes_request read = { .deed = VOLUMES_READ };
	bool is_copy = attachment->transient == TRANSIENT_READY;

	attachment->transient = TRANSIENT_NONE;
	if (is_copy && attachment->driver && driver_serves(attachment->driver))
		volumes_do(attachment->driver, &read, NULL, NULL);
}
