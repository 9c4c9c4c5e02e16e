/* SPDX-License-Identifier: MIT */
#include "skinkd/attach_step.h"

#include <stdio.h>
#include <string.h>

#include "skinkd/attach_nodes.h"
#include "skinkd/disks.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/monitor.h"
#include "skinkd/state.h"
#include "skinkd/transient.h"
#include "skinkd/watch.h"

#define REFUSALS_TOLD	3		/* events about one front-end that connects wrongly again and again */
#define TOLD_MAX	3		/* that one brings about in TOLD_MS */
#define TOLD_MS		60000u

/* ---- what it looks like now ---- */

const struct driver_attachment_status *attach_status(const struct attachment *attachment)
{
	return &attachment->driver->status->attachment[attachment->slot];
}

/* DR1: one word each, the serial first and last. */
enum driver_answer attach_answer(const struct attachment *attachment)
{
	const volatile struct driver_attachment_status *status;
	uint32_t serial, answer;

	if (attachment->record == RECORD_NONE || !attachment->driver)
		return DRIVER_NONE;
	/* MO4: it will find what is then in the table, and has let go of all rings. */
	if (attachment->record == RECORD_WITHDRAWN && monitor_is_stopped(attachment->driver))
		return DRIVER_DETACHED;
	status = attach_status(attachment);
	serial = __atomic_load_n(&status->serial, __ATOMIC_ACQUIRE);
	answer = status->answer;
	/* It has obeyed the table without the record: it has let go of it, or never had it. */
	if (answer == DRIVER_ASIDE)
		answer = DRIVER_ATTACHED;		/* and not served: attach_is_aside() */
	if (attachment->record == RECORD_WITHDRAWN && !(serial == attachment->serial && answer == DRIVER_ATTACHED) &&
	    (int32_t)(attachment->driver->status->table_seen - attachment->withdrawn_at) >= 0)
		return DRIVER_DETACHED;
	return serial == attachment->serial && (answer <= DRIVER_DETACHED || answer == DRIVER_LOST) ? (enum driver_answer)answer : DRIVER_NONE;
}

bool attach_is_aside(const struct attachment *attachment)
{
	const volatile struct driver_attachment_status *status;

	if (attachment->record != RECORD_GIVEN || !attachment->driver)
		return false;
	status = attach_status(attachment);
	return __atomic_load_n(&status->serial, __ATOMIC_ACQUIRE) == attachment->serial && status->answer == DRIVER_ASIDE;
}

static bool serves(const struct attachment *attachment)
{
	return attachment->driver && driver_serves(attachment->driver) && !monitor_is_stopped(attachment->driver);
}

/* ---- the steps ---- */

/* What a front-end can do as often as it likes must not push everybody else's events out. */
static void tell_some(struct attachment *attachment, enum attach_told which, const char *what)
{
	static const char *const kind[TOLD_KINDS] = { [TOLD_ATTACHED] = "attached", [TOLD_REFUSED] = "refused" };
	uint64_t now = uv_now(host.loop);

	if (now - attachment->told_ms >= TOLD_MS) {
		attachment->told_ms = now;
		memset(attachment->told, 0, sizeof(attachment->told));
	}
	if (attachment->told[which]++ < TOLD_MAX)
		attach_told(attachment, kind[which], what);
}

static void refuse(struct attachment *attachment)
{
	attachment->is_refused = true;
	if (attachment->refusals++ < REFUSALS_TOLD)
		tell_some(attachment, TOLD_REFUSED, attachment->why);
}

static uint32_t queues_for(const struct attachment *attachment, uint32_t wanted)
{
	const struct manifest *manifest = attach_manifest_of(attachment->front_id);
	uint32_t vcpus = manifest && attachment->front_id ? manifest->vcpus : 1;

	return wanted ? wanted : vcpus < 4 ? vcpus : 4;
}

/* Its image says so of itself: 0, it does not. */
static uint32_t at_most(uint32_t most, uint32_t count)
{
	return most && most < count ? most : count;
}

static uint32_t queues_max(const struct attachment *attachment)
{
	const struct manifest *manifest = attach_manifest_of(attachment->front_id);
	const struct manifest_interface *interface = attach_interface(manifest, attachment->key);
	const struct manifest_disk *disk = attach_disk(manifest, attachment->key);

	return at_most(attachment->driver->shared.queues, queues_for(attachment, interface ? interface->queues : disk ? disk->queues : 0));
}

static uint32_t blk_flags(const struct attachment *attachment, const struct manifest_disk *disk)
{
	uint32_t device = attachment->driver->status->device_flags;

	return (disk->is_readonly || device & DRIVER_DEVICE_READONLY ? DRIVER_BLK_READONLY : 0) |
	       (disk->is_cdrom ? DRIVER_BLK_CDROM : 0) | (disk->is_shareable ? DRIVER_BLK_SHARED : 0) | DRIVER_BLK_INDIRECT |
	       (disk->may_discard && !disk->is_readonly && device & DRIVER_DEVICE_DISCARD ? DRIVER_BLK_DISCARD : 0);
}

bool attach_has_volumes(const struct attachment *attachment)
{
	const struct manifest_disk *disk = attach_disk(attach_manifest_of(attachment->front_id), attachment->key);

	if (attachment->transient == TRANSIENT_READY)
		return true;
	for (size_t i = 0; disk && i < disk->extent_count; i++)
		if (disk->extents[i].kind != EXTENT_VOLUME)
			return false;
	return disk && disk->extent_count;
}

/*
 * Domain-0's own look writes nothing, and believes nothing that it has not read anew. What it writes in the partition of the
 * volumes is not inside of one that somebody has.
 */
static bool may_share(const struct attachment *own, const struct attachment *other)
{
	return disks_is_own(own) && (own->blk_flags & DRIVER_BLK_READONLY || other->has_volumes);
}

/* DK1 */
static const struct attachment *overlapping(const struct attachment *mine)
{
	for (const struct attachment *other = attachments; other; other = other->next) {
		uint32_t both = mine->blk_flags & other->blk_flags;

		if (other == mine || other->kind != ATTACH_VBD || other->driver != mine->driver ||
		    both & (DRIVER_BLK_READONLY | DRIVER_BLK_SHARED) || may_share(mine, other) || may_share(other, mine))
			continue;
		if (disks_overlap(&mine->blk, &other->blk))
			return other;
	}
	return NULL;
}

static void stick(struct attachment *attachment, const char *why)
{
	if (!attachment->is_stuck || strcmp(attachment->why, why))
		attach_told(attachment, "waiting", why);
	snprintf(attachment->why, ATTACH_WHY, "%s", why);
	attachment->is_stuck = true;
	memset(&attachment->blk, 0, sizeof(attachment->blk));
}

/*
 * Its extents, as far as they can be known now. False: not yet, or never: ->is_stuck, ->why. The disk is a copy: looking at
 * its device may give Domain-0 one more, and move those that it has.
 */
static bool find_original(struct attachment *attachment, struct manifest_disk disk)
{
	char why[ATTACH_WHY] = "";
	const struct attachment *other;

	switch (disks_resolve(attachment->driver, &disk, disks_is_own(attachment), &attachment->blk, why)) {
	case DISKS_NOT_YET:
		if (!attachment->is_stuck)
			snprintf(attachment->why, ATTACH_WHY, "%s", why);
		return false;
	case DISKS_NEVER:
		stick(attachment, why);
		return false;
	case DISKS_FOUND:
		break;
	}
	attachment->blk_flags = blk_flags(attachment, &disk) | (disk.is_transient ? DRIVER_BLK_READONLY : 0);
	attachment->has_volumes = attach_has_volumes(attachment);
	other = overlapping(attachment);
	if (!other)
		return true;
	if (!other->is_wanted) {
		memset(&attachment->blk, 0, sizeof(attachment->blk));
		snprintf(attachment->why, ATTACH_WHY, "%s of '%.40s' had these sectors and has not let go of them", other->key,
			 other->front_name);
		return false;
	}
	snprintf(why, sizeof(why), "it overlaps %s of '%.40s': name other extents, or write <readonly/> or <shareable/> into both",
		 other->key, other->front_name);
	stick(attachment, why);
	return false;
}

/* Until its copy is there a transient disk only reads the original, and nobody may write to that (DK1). */
static bool find_extents(struct attachment *attachment, struct manifest_disk disk)
{
	char why[ATTACH_WHY] = "";
	enum disks_found found;

	if (!disk.is_transient)
		return find_original(attachment, disk);
	if (attachment->transient == TRANSIENT_NONE && !find_original(attachment, disk))
		return false;
	found = transient_resolve(attachment, &disk, why);
	if (found == DISKS_NEVER)
		stick(attachment, why);
	else if (found == DISKS_NOT_YET)
		snprintf(attachment->why, ATTACH_WHY, "%s", why);
	attachment->blk_flags = blk_flags(attachment, &disk) | (found == DISKS_FOUND ? 0 : DRIVER_BLK_READONLY);
	attachment->has_volumes = attach_has_volumes(attachment);
	return found == DISKS_FOUND;
}

static bool offer(struct attachment *attachment)
{
	const struct attach_offer to = { .put = attach_back_put, .context = attachment, .queues_max = queues_max(attachment) };
	const struct manifest_disk *disk = attach_disk(attach_manifest_of(attachment->front_id), attachment->key);

	attachment->is_refused = attachment->is_lost = false;
	if (attachment->kind == ATTACH_VIF) {
		attach_offer_vif(&to);
	} else if (disk) {
		if (!find_extents(attachment, *disk))
			return false;
		attach_offer_vbd(&to, &attachment->blk, attachment->blk_flags,
				 attachment->driver->status->device_flags & DRIVER_DEVICE_FLUSH);
	}
	attachment->why[0] = 0;
	attachment->is_stuck = false;
	attach_back_state(attachment, XenbusStateInitWait);
	return true;
}

static bool fill_record(struct attachment *attachment, struct driver_attachment *record)
{
	const struct attach_front front = { .read = attach_front_read, .context = attachment, .queues_max = queues_max(attachment),
					    .order_max = DRIVER_RING_ORDER_MAX };
	const struct manifest *manifest = attach_manifest_of(attachment->front_id);
	const struct manifest_interface *interface = attach_interface(manifest, attachment->key);
	const struct manifest_disk *disk = attach_disk(manifest, attachment->key);

	record->front_id = attachment->front_id;
	record->device = attachment->device;
	if (attachment->kind == ATTACH_VIF && interface) {
		record->flags = attach_vif_of(interface, &record->net);
		return attach_read_vif(&front, record, attachment->why);
	}
	if (attachment->kind == ATTACH_VBD && disk) {
		record->flags = attachment->blk_flags;
		record->blk = attachment->blk;
		attach_rates_of(&disk->iotune, &record->blk);
		return attach_read_vbd(&front, record, attachment->why);
	}
	return false;
}

/* AT1: everything of the record, then its serial. */
static void give(struct attachment *attachment, const struct driver_attachment *record)
{
	struct driver_table *table = attachment->driver->table;
	struct driver_attachment *place = &table->attachment[attachment->slot];

	attachment->serial = ++table->serial_last;
	attachment->record = RECORD_GIVEN;
	state_save();			/* K2 */
	*place = *record;
	__atomic_store_n(&place->serial, attachment->serial, __ATOMIC_RELEASE);
	driver_tell(attachment->driver);
}

static void connect_front(struct attachment *attachment)
{
	struct driver *driver = attachment->driver;
	struct driver_attachment record = { 0 };

	attachment->slot = attach_slot(driver->table);
	if (!fill_record(attachment, &record)) {
		refuse(attachment);
	} else if (attachment->slot < 0 ||
		   !attach_ledgers(driver->table, driver->ledger, driver->shared.ledger_pages << FRAME_SHIFT, &record)) {
		snprintf(attachment->why, ATTACH_WHY, "driver domain '%.60s' has no room for one more: use another, or fewer queues",
			 attachment->driver_name);
		refuse(attachment);
	} else {
		attachment->why[0] = 0;
		give(attachment, &record);
	}
}

static void note_refusal(struct attachment *attachment)
{
	if (!driver_has_refused(attach_answer(attachment)) || attachment->is_lost)
		return;
	driver_text(attach_status(attachment)->text, DRIVER_TEXT_BYTES, attachment->why, ATTACH_WHY);
	if (attach_answer(attachment) != DRIVER_LOST) {
		refuse(attachment);
		return;
	}
	attachment->is_refused = attachment->is_lost = true;		/* a death of its driver has done that, no front-end */
	attach_told(attachment, "refused", attachment->why);
}

static void withdraw(struct attachment *attachment)
{
	struct driver_table *table = attachment->driver->table;

	note_refusal(attachment);
	watch_drop(attachment);
	attachment->record = RECORD_WITHDRAWN;
	attachment->withdrawn_at = table->changed + 1;
	state_save();			/* K2 */
	__atomic_store_n(&table->attachment[attachment->slot].serial, 0, __ATOMIC_RELEASE);
	driver_tell(attachment->driver);
}

static void release(struct attachment *attachment)
{
	attach_count_gone(attachment);
	memset(&attachment->driver->table->attachment[attachment->slot], 0, sizeof(struct driver_attachment));
	attachment->record = RECORD_NONE;
	state_save();
}

static void connected(struct attachment *attachment)
{
	attach_back_state(attachment, XenbusStateConnected);
	attachment->refusals = 0;
	tell_some(attachment, TOLD_ATTACHED, "");
}

/* ---- set aside: driver.md, section 7 ---- */

static void note_aside(struct attachment *attachment)
{
	bool is_aside = attachment->record == RECORD_GIVEN && attach_is_aside(attachment);

	if (is_aside == attachment->is_aside)
		return;
	attachment->is_aside = is_aside;
	attachment->why[0] = 0;
	if (!is_aside)
		return;
	driver_text(attach_status(attachment)->text, DRIVER_TEXT_BYTES, attachment->why, ATTACH_WHY);
	attach_told(attachment, "set-aside", attachment->why);
}

void attach_renumber(struct attachment *attachment)
{
	__atomic_store_n(&attachment->driver->table->attachment[attachment->slot].serial, attachment->serial, __ATOMIC_RELEASE);
	driver_tell(attachment->driver);
}

/* The record as it is, under another serial. */
static void serve_again(struct attachment *attachment)
{
	attach_count_gone(attachment);
	attachment->serial = ++attachment->driver->table->serial_last;
	state_save();			/* K2 */
	attach_renumber(attachment);
	attach_told(attachment, "released", "");
}

uint32_t attach_serve_aside(struct driver *driver)
{
	uint32_t count = 0;

	for (struct attachment *attachment = attachments; attachment; attachment = attachment->next) {
		if (attachment->driver != driver || attachment->record != RECORD_GIVEN || !attach_is_aside(attachment))
			continue;
		serve_again(attachment);
		note_aside(attachment);
		count++;
	}
	return count;
}

/*
 * An interface is one like another. A guest's disk has a file system on it that has seen it fail: whoever mounted that decides what is to become of
 * it, and stays closed until then. Nor is it removed: a kernel that has a request left waits for it, and removes nothing else meanwhile.
 */
static bool comes_anew(const struct attachment *attachment)
{
	return attachment->is_lost && (attachment->kind == ATTACH_VIF || disks_is_own(attachment));
}

static struct attach_view view_of(const struct attachment *attachment)
{
	return (struct attach_view){
		.kind = attachment->kind, .back = attachment->back, .front = attachment->front, .record = attachment->record,
		.answer = attach_answer(attachment), .driver_serves = serves(attachment),
		.is_wanted = attachment->is_wanted && !monitor_is_closed(attachment->driver),
		.is_forced = attachment->is_forced, .is_refused = attachment->is_refused, .comes_anew = comes_anew(attachment),
	};
}

bool attach_step(struct attachment *attachment)
{
	struct attach_view view = view_of(attachment);

	note_aside(attachment);
	if (attachment->record == RECORD_GIVEN && view.answer == DRIVER_LOST)
		note_refusal(attachment);
	switch (attach_next(&view)) {
	case ATTACH_WAIT:
		return false;
	case ATTACH_OFFER:
		return offer(attachment);
	case ATTACH_CONNECT:
		connect_front(attachment);
		return true;
	case ATTACH_TELL:
		connected(attachment);
		return false;
	case ATTACH_CLOSE:
		attach_back_put(attachment, "online", view.is_wanted ? "1" : "0");
		attach_back_state(attachment, XenbusStateClosing);
		return false;
	case ATTACH_WITHDRAW:
		withdraw(attachment);
		return true;
	case ATTACH_RELEASE:
		release(attachment);
		return true;
	case ATTACH_CLOSED:
		attach_back_state(attachment, XenbusStateClosed);
		return true;
	case ATTACH_REMOVE:
		attach_back_state(attachment, XenbusStateClosed);
		if (view.comes_anew && attachment->is_wanted)
			attach_lost(attachment);
		else
			(attachment->is_wanted ? attach_park : attach_drop)(attachment);
		return false;
	}
	return false;
}
