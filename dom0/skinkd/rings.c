/* SPDX-License-Identifier: MIT */
/* rings: what stands in the rings between a driver domain and those it serves, decoded. RV1: it is shown, not believed. */
#include <stdlib.h>
#include <string.h>

#include "../../protocols/ledger.h"
#include "../../protocols/vbd.h"
#include "../../protocols/vif.h"
#include "lib/ring_view.h"
#include "skinkd/attach.h"
#include "skinkd/check.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/methods.h"
#include "skinkd/rings.h"

struct flag_name {
	unsigned int bit;
	const char *name;
};

/* ---- one slot ---- */

static json_t *flags_json(const struct flag_name *names, unsigned int flags)
{
	json_t *list = json_array();

	for (; names->bit; names++)
		if (flags & names->bit)
			json_array_append_new(list, json_string(names->name));
	return list;
}

static json_t *extra_json(const struct vif_extra *extra)
{
	static const char *const types[] = { "none", "gso", "mcast-add", "mcast-del", "hash" };

	if (extra->type != VIF_EXTRA_GSO)
		return json_pack("{s:s, s:i}", "extra", extra->type < VIF_EXTRA_TYPES ? types[extra->type] : "?", "type", extra->type);
	return json_pack("{s:s, s:i, s:i}", "extra", "gso", "gso_size", extra->gso.size, "gso_type", extra->gso.type);
}

static json_t *transmit_json(const struct vif_tx_request *request)
{
	static const struct flag_name names[] = { { VIF_TX_CSUM_BLANK, "csum-blank" }, { VIF_TX_VALIDATED, "validated" },
						  { VIF_TX_MORE, "more" }, { VIF_TX_EXTRA, "extra" }, { 0, NULL } };

	return json_pack("{s:i, s:I, s:i, s:i, s:o}", "id", request->id, "gref", (json_int_t)request->gref, "offset", request->offset,
			 "size", request->size, "flags", flags_json(names, request->flags));
}

static json_t *receive_json(const struct vif_rx_request *request)
{
	return json_pack("{s:i, s:I}", "id", request->id, "gref", (json_int_t)request->gref);
}

static json_t *segments_json(const struct vbd_request *request)
{
	uint32_t count = request->segments < VBD_SEGMENTS ? request->segments : VBD_SEGMENTS;
	json_t *list = json_array();

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(list, json_pack("{s:I, s:i, s:i}", "gref", (json_int_t)request->segment[i].gref, "first_sector",
						      request->segment[i].first_sector, "last_sector", request->segment[i].last_sector));
	return list;
}

static json_t *disk_json(const union vbd_slot *slot)
{
	static const char *const names[] = { "read", "write", "barrier", "flush", "?", "discard", "indirect" };
	uint8_t operation = slot->plain.operation, inner = slot->indirect.inner;
	const char *name = operation <= VBD_OP_INDIRECT ? names[operation] : "?";

	if (operation == VBD_OP_DISCARD)
		return json_pack("{s:s, s:I, s:I, s:I}", "operation", name, "id", (json_int_t)slot->discard.id, "sector",
				 (json_int_t)slot->discard.sector, "sectors", (json_int_t)slot->discard.sectors);
	if (operation == VBD_OP_INDIRECT)
		return json_pack("{s:s, s:I, s:I, s:i}", "operation", inner <= VBD_OP_WRITE ? names[inner] : "?", "id",
				 (json_int_t)slot->indirect.id, "sector", (json_int_t)slot->indirect.sector, "indirect_segments",
				 slot->indirect.segments);
	return json_pack("{s:s, s:I, s:I, s:o}", "operation", name, "id", (json_int_t)slot->plain.id, "sector",
			 (json_int_t)slot->plain.sector, "segments", segments_json(&slot->plain));
}

/* ---- one ring ---- */

enum ring_kind { RING_TRANSMIT, RING_RECEIVE, RING_DISK };

static const struct {
	const char *name;
	uint32_t slot_bytes;
} kinds[] = {
	[RING_TRANSMIT] = { "transmit", VIF_TX_SLOT },
	[RING_RECEIVE] = { "receive", VIF_RX_SLOT },
	[RING_DISK] = { "disk", VBD_SLOT },
};

/* The requests that have no answer, oldest first; no more than there are slots, whatever the indices say. */
static json_t *waiting_json(enum ring_kind kind, const struct ring_view *view, uint32_t most)
{
	uint32_t count = view->req_prod - view->rsp_prod, extras = 0;
	json_t *list = json_array();

	if (count > view->slots)
		count = view->slots;
	if (count > most)
		count = most;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = view->rsp_prod + i;
		const void *slot = ring_view_slot(view, index);
		json_t *json;

		if (kind == RING_TRANSMIT && extras) {
			json = extra_json(slot);
			extras = ((const struct vif_extra *)slot)->flags & VIF_EXTRA_MORE;
		} else if (kind == RING_TRANSMIT) {
			json = transmit_json(slot);
			extras = ((const struct vif_tx_request *)slot)->flags & VIF_TX_EXTRA;
		} else {
			json = kind == RING_RECEIVE ? receive_json(slot) : disk_json(slot);
		}
		json_object_set_new(json, "index", json_integer(index));
		json_array_append_new(list, json);
	}
	return list;
}

/* What its part of the ledger says. */
static void add_ledger(json_t *json, const struct driver *driver, const struct driver_ledger *place)
{
	uint64_t bytes = driver->shared.ledger_pages * FRAME_BYTES;
	const volatile struct ledger_ring *ledger = (const void *)(driver->ledger + place->offset);
	uint64_t commit;

	if (place->offset > bytes - sizeof(*ledger))
		return;
	commit = ledger->commit;
	json_object_set_new(json, "commit", json_integer(ledger_commit_index(commit)));
	json_object_set_new(json, "commit_whole", json_boolean(ledger_commit_is_whole(commit)));
	json_object_set_new(json, "published", json_integer(ledger->published));
}

static json_t *ring_json(const struct attachment *attachment, const struct driver_attachment *record, uint32_t queue, enum ring_kind kind,
			uint32_t most)
{
	const struct driver_queue *place = &record->queue[queue];
	int side = kind == RING_RECEIVE;
	uint32_t pages = kind == RING_DISK ? place->ring_pages : 1;
	json_t *json = json_pack("{s:s, s:s, s:s, s:i, s:s}", "device", attachment->key, "domain", attachment->front_name, "driver",
				 attachment->driver_name, "queue", queue, "ring", kinds[kind].name);
	struct ring_view view;
	int result = ring_view_read(&host.core, attachment->front_id, attachment->driver->domain->id, &place->ring_ref[side], pages,
				    kinds[kind].slot_bytes, &view);

	if (result) {
		json_object_set_new(json, "error", json_sprintf("its pages cannot be read: %s", strerror(-result)));
		return json;
	}
	json_object_set_new(json, "slots", json_integer(view.slots));
	json_object_set_new(json, "req_prod", json_integer(view.req_prod));
	json_object_set_new(json, "req_event", json_integer(view.req_event));
	json_object_set_new(json, "rsp_prod", json_integer(view.rsp_prod));
	json_object_set_new(json, "rsp_event", json_integer(view.rsp_event));
	add_ledger(json, attachment->driver, &place->ledger[side]);
	json_object_set_new(json, "waiting", waiting_json(kind, &view, most));
	free(view.pages);
	return json;
}

/* Of each ring `most` requests. */
static void add_rings(json_t *list, const struct attachment *attachment, uint32_t most)
{
	const struct driver_attachment *record;

	if (attachment->record != RECORD_GIVEN || !attachment->driver)
		return;
	record = &attachment->driver->table->attachment[attachment->slot];
	for (uint32_t queue = 0; queue < record->queue_count && queue < DRIVER_QUEUES_MAX; queue++) {
		if (attachment->kind == ATTACH_VBD) {
			json_array_append_new(list, ring_json(attachment, record, queue, RING_DISK, most));
			continue;
		}
		json_array_append_new(list, ring_json(attachment, record, queue, RING_TRANSMIT, most));
		json_array_append_new(list, ring_json(attachment, record, queue, RING_RECEIVE, most));
	}
}

json_t *rings_of_driver(const struct driver *driver, uint32_t rings, uint32_t requests)
{
	json_t *list = json_array();

	for (const struct attachment *attachment = attachments; attachment && json_array_size(list) < rings; attachment = attachment->next)
		if (attachment->driver == driver)
			add_rings(list, attachment, requests);
	return list;
}

/* ---- the method ---- */

void method_rings(struct request *request)
{
	const char *device = NULL;
	struct target target;
	bool is_there = false;
	json_t *named, *list;

	if (!rpc_unpack(request, "{s:o, s?s}", "domain", &named, "device", &device) || !method_target(request, named, &target))
		return;
	list = json_array();
	for (struct attachment *attachment = attachments; attachment; attachment = attachment->next) {
		bool is_served = target.record && target.record->driver && attachment->driver == target.record->driver;

		if ((!is_served && !(target.has_id && attachment->front_id == target.id)) || (device && strcmp(attachment->key, device)))
			continue;
		is_there = true;
		add_rings(list, attachment, UINT32_MAX);
	}
	if (!is_there && device) {
		json_decref(list);
		rpc_fail(request, CODE_BAD, "'%s' has no device '%.40s': write a disk's name, as xvda, or an interface's MAC address, as 'skink "
			 "info %s' shows them", target.name, device, target.name);
		return;
	}
	rpc_answer(request, json_pack("{s:o}", "rings", list));
}
