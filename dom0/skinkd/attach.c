/* SPDX-License-Identifier: MIT */
#include "skinkd/attach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skinkd/attach_nodes.h"
#include "skinkd/attach_step.h"
#include "skinkd/disks.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/state.h"
#include "skinkd/transient.h"
#include "skinkd/watch.h"

#define LOOKS_MAX	8		/* what is left to do comes with the next */
#define STEPS_MAX	16		/* of one attachment at one look: a front-end cannot keep skinkd here */
#define ANEW_MS		2000u		/* so long a guest has to see that a device is gone before there is another in its place */

struct attachment *attachments;

/* ---- devices in manifests ---- */

struct manifest *attach_manifest_of(domid_t id)
{
	struct domain *domain = id ? domain_by_id(id) : NULL;

	return id ? (domain ? domain->manifest : NULL) : host.own;
}

void attach_mac_text(const uint8_t mac[6], char text[ATTACH_KEY])
{
	snprintf(text, ATTACH_KEY, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

const struct manifest_interface *attach_interface(const struct manifest *manifest, const char *mac)
{
	char text[ATTACH_KEY];

	for (size_t i = 0; manifest && i < manifest->interface_count; i++) {
		attach_mac_text(manifest->interfaces[i].mac, text);
		if (!strcmp(text, mac))
			return &manifest->interfaces[i];
	}
	return NULL;
}

const struct manifest_disk *attach_disk(const struct manifest *manifest, const char *target)
{
	for (size_t i = 0; manifest && i < manifest->disk_count; i++)
		if (!strcmp(manifest->disks[i].target, target))
			return &manifest->disks[i];
	return manifest && manifest == host.own ? attach_disk(disks_own(), target) : NULL;
}

/* ---- coming and going ---- */

void attach_told(struct attachment *attachment, const char *kind, const char *what)
{
	event(kind, attachment->front_name, attachment->front_id, "%s %s at %s%s%s", attachment->kind == ATTACH_VIF ? "interface" :
	      "disk", attachment->key, attachment->driver_name, *what ? ": " : "", what);
}

void attach_drop(struct attachment *attachment)
{
	struct attachment **at = &attachments;

	while (*at != attachment)
		at = &(*at)->next;
	*at = attachment->next;
	attach_nodes_remove(attachment);
	attach_told(attachment, "detached", "");
	transient_drop(attachment);
	free(attachment);
	state_save();
}

/* A driver that has come: the nodes name it, so they are made for it. */
static void plug(struct attachment *attachment)
{
	enum driver_role role = attachment->kind == ATTACH_VIF ? DRIVER_NET : DRIVER_BLK;
	struct driver *driver = driver_find(*attachment->driver_name ? attachment->driver_name : NULL, role);
	int result;

	if (!driver || !attachment->is_wanted || attachment->anew_ms > uv_now(host.loop))
		return;
	attachment->anew_ms = 0;
	attachment->is_lost = false;
	snprintf(attachment->driver_name, sizeof(attachment->driver_name), "%s", driver->domain->manifest->name);
	result = attach_nodes_add(attachment, driver->domain->id);
	if (result) {
		snprintf(attachment->why, ATTACH_WHY, "xenstored does not take its nodes: %s", strerror(-result));
		return;
	}
	attachment->driver = driver;
	attachment->back = attachment->front = XenbusStateInitialising;
	attachment->record = RECORD_NONE;
	state_save();
}

/* Its driver is no more, or never was, or is closed: whatever it had there is gone with it. */
void attach_park(struct attachment *attachment)
{
	if (attachment->driver) {
		attach_back_state(attachment, XenbusStateClosing);
		attach_nodes_remove(attachment);
	}
	watch_drop(attachment);
	attach_count_gone(attachment);
	memset(attachment->told, 0, sizeof(attachment->told));
	attachment->driver = NULL;
	attachment->record = RECORD_NONE;
	if (attachment->transient != TRANSIENT_READY)
		attachment->transient = TRANSIENT_NONE;
	memset(&attachment->blk, 0, sizeof(attachment->blk));
	attachment->is_stuck = false;
}

static void look_again(uv_timer_t *unused)
{
	attach_look();
}

void attach_comes_later(struct attachment *attachment)
{
	static uv_timer_t timer;

	uv_update_time(host.loop);
	attachment->anew_ms = uv_now(host.loop) + ANEW_MS;
	if (!timer.loop)
		uv_timer_init(host.loop, &timer);
	uv_timer_start(&timer, look_again, ANEW_MS, 0);
}

void attach_lost(struct attachment *attachment)
{
	attach_told(attachment, "detached", "a death of its driver has spoilt its rings: it is attached anew");
	attach_park(attachment);
	attach_comes_later(attachment);
	state_save();
}

static void look_at(struct attachment *attachment)
{
	if (!attachment->driver && !attachment->is_wanted) {
		attach_drop(attachment);
		return;
	}
	if (!attachment->driver)
		plug(attachment);
	for (int i = 0; attachment->driver && i < STEPS_MAX; i++)
		if (!attach_step(attachment))
			return;
}

void attach_look(void)
{
	static bool is_looking, is_asked_again;
	struct attachment *next;

	/* A step may ask for a look: the one that is under way begins again, and no list changes under its feet. */
	is_asked_again = true;
	if (is_looking)
		return;
	is_looking = true;
	for (int i = 0; is_asked_again && i < LOOKS_MAX; i++) {
		is_asked_again = false;
		for (struct attachment *attachment = attachments; attachment; attachment = next) {
			next = attachment->next;
			look_at(attachment);
		}
	}
	is_looking = false;
	for (struct attachment *attachment = attachments; attachment; attachment = attachment->next)
		if (attachment->record == RECORD_GIVEN && attach_answer(attachment) == DRIVER_ATTACHED)
			watch_take(attachment);
	attach_waits_look();
}

bool attach_store_news(const char *path, const char *token)
{
	char front[ATTACH_PATH + 8];

	if (strcmp(token, "attachment"))
		return false;
	for (struct attachment *attachment = attachments; attachment; attachment = attachment->next) {
		attach_front_path(attachment, front);
		strcat(front, "/state");
		if (!strcmp(front, path) && attachment->driver)
			attachment->front = attach_front_state(attachment);
	}
	return true;
}

/* ---- from outside ---- */

struct attachment *attach_find(domid_t id, const char *key)
{
	struct attachment *attachment = attachments;

	while (attachment && (attachment->front_id != id || strcmp(attachment->key, key)))
		attachment = attachment->next;
	return attachment;
}

static bool vif_is_taken(domid_t id, uint32_t device)
{
	const struct attachment *other = attachments;

	while (other && (other->kind != ATTACH_VIF || other->front_id != id || other->device != device))
		other = other->next;
	return other;
}

static uint32_t free_vif(domid_t id)
{
	uint32_t device = 0;

	while (vif_is_taken(id, device))
		device++;
	return device;
}

static struct attachment *add(domid_t id, const char *name, enum attach_kind kind, const char *key, const char *driver_name)
{
	struct attachment *attachment = need_memory(calloc(1, sizeof(*attachment))), **at = &attachments;

	*attachment = (struct attachment){ .kind = kind, .front_id = id, .is_wanted = true,
					   .device = kind == ATTACH_VIF ? free_vif(id) : attach_disk_number(key) };
	snprintf(attachment->front_name, sizeof(attachment->front_name), "%s", name);
	snprintf(attachment->key, sizeof(attachment->key), "%s", key);
	snprintf(attachment->driver_name, sizeof(attachment->driver_name), "%s", driver_name ? driver_name : "");
	while (*at)
		at = &(*at)->next;
	*at = attachment;
	return attachment;
}

struct attachment *attach_add(domid_t id, const char *name, enum attach_kind kind, const char *key, const char *driver_name)
{
	struct attachment *attachment = add(id, name, kind, key, driver_name);

	look_at(attachment);
	return attachment;
}

/* The first of the manifest's devices that there is no attachment of; NULL: there is one of each. */
static struct attachment *add_next(domid_t id, const struct manifest *manifest)
{
	const char *name = id ? manifest->name : "Domain-0";
	char key[ATTACH_KEY];

	for (size_t i = 0; i < manifest->interface_count; i++) {
		attach_mac_text(manifest->interfaces[i].mac, key);
		if (!attach_find(id, key))
			return add(id, name, ATTACH_VIF, key, manifest->interfaces[i].driver);
	}
	for (size_t i = 0; i < manifest->disk_count; i++)
		if (!attach_find(id, manifest->disks[i].target))
			return add(id, name, ATTACH_VBD, manifest->disks[i].target, manifest->disks[i].driver);
	return NULL;
}

void attach_domain(domid_t id, const struct manifest *manifest)
{
	struct attachment *attachment;

	while ((attachment = add_next(id, manifest)))
		look_at(attachment);
}

void attach_remove(struct attachment *attachment, bool is_forced)
{
	attachment->is_wanted = false;
	attachment->is_forced = is_forced;
	look_at(attachment);
}

static bool is_of(const struct attachment *attachment, const struct manifest *manifest)
{
	return attach_interface(manifest, attachment->key) || attach_disk(manifest, attachment->key);
}

static struct attachment *remove_next(domid_t id, const struct manifest *manifest)
{
	struct attachment *attachment = attachments;

	while (attachment && (attachment->front_id != id || !attachment->is_wanted || is_of(attachment, manifest)))
		attachment = attachment->next;
	if (attachment)
		attachment->is_wanted = attachment->is_forced = false;
	return attachment;
}

/* Nothing is looked at meanwhile: a look may drop attachments, and end waits. */
void attach_change(domid_t id, const struct manifest *manifest, double timeout_s, done_fn done, void *context, size_t *left)
{
	struct attachment *attachment;

	while ((attachment = remove_next(id, manifest))) {
		attach_wait(attachment, ATTACH_AWAIT_GONE, timeout_s, done, context);
		++*left;
	}
	while ((attachment = add_next(id, manifest))) {
		attach_wait(attachment, ATTACH_AWAIT_CONNECTED, timeout_s, done, context);
		++*left;
	}
	state_save();
}

void attach_resume(domid_t id, const struct manifest *manifest)
{
	while (remove_next(id, manifest) || add_next(id, manifest))
		;
}

const char *attach_leaving(domid_t id, const struct manifest *manifest)
{
	const struct attachment *attachment = attachments;

	while (attachment && (attachment->front_id != id || attachment->is_wanted || !is_of(attachment, manifest)))
		attachment = attachment->next;
	return attachment ? attachment->key : NULL;
}

static struct attachment *first_to_force(domid_t id)
{
	struct attachment *attachment = attachments;

	while (attachment && (attachment->front_id != id || (!attachment->is_wanted && attachment->is_forced)))
		attachment = attachment->next;
	return attachment;
}

void attach_domain_gone(domid_t id)
{
	struct attachment *attachment;

	/* From the first each time: a copy that is dropped asks for a look, which may drop others. */
	while ((attachment = first_to_force(id)))
		attach_remove(attachment, true);
}

void attach_driver_gone(struct driver *driver)
{
	for (struct attachment *attachment = attachments; attachment; attachment = attachment->next)
		if (attachment->driver == driver) {
			attach_park(attachment);
			attachment->is_lost = false;
			attach_told(attachment, "detached", "its driver domain has gone; it is attached again when there is one of that name");
		}
	disks_forget(driver);
}

void attach_update(domid_t id, const struct manifest *manifest)
{
	for (struct attachment *attachment = attachments; attachment; attachment = attachment->next) {
		const struct manifest_interface *interface = attach_interface(manifest, attachment->key);
		const struct manifest_disk *disk = attach_disk(manifest, attachment->key);
		struct driver_attachment *record;
		struct driver_net net;

		if (attachment->front_id != id || attachment->record != RECORD_GIVEN)
			continue;
		record = &attachment->driver->table->attachment[attachment->slot];
		if (attachment->kind == ATTACH_VIF && interface) {
			attach_vif_of(interface, &net);
			record->net.to_guest = net.to_guest;
			record->net.from_guest = net.from_guest;
			record->net.to_guest_peak = net.to_guest_peak;
			record->net.from_guest_peak = net.from_guest_peak;
			record->flags = (record->flags & ~DRIVER_NET_LINK_UP) | (interface->is_up ? DRIVER_NET_LINK_UP : 0);
		} else if (attachment->kind == ATTACH_VBD && disk) {
			attach_rates_of(&disk->iotune, &record->blk);
		}
		watch_drop(attachment);		/* its rates may be others */
		driver_tell(attachment->driver);
	}
}
