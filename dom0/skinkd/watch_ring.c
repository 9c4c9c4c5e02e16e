/* SPDX-License-Identifier: MIT */
#include "skinkd/watch_ring.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/ring_view.h"
#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/host.h"

struct watch_ring *watch_ring_new(const struct attachment *attachment, uint32_t queue, int side)
{
	const struct driver *driver = attachment->driver;
	const struct driver_attachment *record = &driver->table->attachment[attachment->slot];
	const struct driver_ledger *place = &record->queue[queue].ledger[side];
	struct watch_ring *ring = need_memory(calloc(1, sizeof(*ring)));

	*ring = (struct watch_ring){ .of = attachment, .is_disk = attachment->kind != ATTACH_VIF, .place = *place, .record = record,
				     .ledger = (const void *)(driver->ledger + place->offset),
				     .status = &driver->status->attachment[attachment->slot] };
	snprintf(ring->name, sizeof(ring->name), "%s of %s", attachment->key, attachment->front_name);
	if (!side)
		ring->shared = ring_watch(&host.core, attachment->front_id, driver->domain->id, record->queue[queue].ring_ref[0]);
	return ring;
}

void watch_ring_free(struct watch_ring *ring)
{
	if (ring->shared)
		ring_watch_end(&host.core, ring->shared);
	free(ring);
}

bool watch_ring_is_limited(const struct watch_ring *ring)
{
	const volatile struct driver_blk *blk = &ring->record->blk;

	if (!ring->is_disk)
		return ring->record->net.from_guest.per_second;
	return blk->read_bytes.per_second || blk->write_bytes.per_second || blk->total_bytes.per_second || blk->read_requests.per_second ||
	       blk->write_requests.per_second || blk->total_requests.per_second;
}

uint32_t watch_ring_waiting(const struct watch_ring *ring)
{
	uint32_t count = 0;

	if (ring->shared && ring->status->answer == DRIVER_ATTACHED)
		count = ring->shared->req_prod - ring->seen.commit;
	return count < ring->place.slots ? count : ring->place.slots;	/* WA1 */
}

enum standstill_verdict watch_ring_judge(struct watch_ring *ring, const struct health *health, uint64_t answered, uint32_t changed)
{
	struct standstill_look look = {
		.fair_ns = health->fair_ns, .device_ns = health->setting.device_ns, .answered = answered, .published = ring->seen.published,
		.changed = changed, .looked = __atomic_load_n(&ring->ledger->looked, __ATOMIC_ACQUIRE), .seen = ring->ledger->seen,
	};

	if (!ring->shared || ring->status->answer != DRIVER_ATTACHED || watch_ring_is_limited(ring)) {
		ring->standstill.is_known = false;
		return RING_GOES_ON;
	}
	look.has_work = ring->shared->req_prod != ring->seen.published;
	return standstill_judge(&ring->standstill, &look);
}
