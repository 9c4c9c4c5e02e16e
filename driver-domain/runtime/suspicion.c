/* SPDX-License-Identifier: MIT */
#include "runtime/suspicion.h"

#include "ledger.h"
#include "runtime/driver_domain.h"
#include "runtime/step.h"

/* A request of this ring that was neither answered nor is the answer to it decided. */
static bool is_unanswered(const struct driver_ledger *place, uint32_t index)
{
	const struct ledger_ring *ledger = (const void *)((const char *)driver_domain.ledger + place->offset);
	uint64_t commit;

	if (place->offset > driver_domain.ledger_bytes - sizeof(*ledger) || place->offset % LEDGER_ALIGN)
		return false;
	commit = __atomic_load_n(&ledger->commit, __ATOMIC_RELAXED);
	return ledger_commit_is_whole(commit) && index - ledger_commit_index(commit) < place->slots;
}

/* Requests are of a queue's first ring: a network queue's second has buffers. */
static uint32_t queue_of_request(uint32_t place, uint32_t ring, uint32_t index)
{
	const struct driver_attachment *record = &driver_domain.table->attachment[place];
	uint32_t count = record->queue_count <= DRIVER_QUEUES_MAX ? record->queue_count : 0;

	for (uint32_t number = 0; number < count; number++)
		if (record->queue[number].ledger[0].ring == ring && is_unanswered(&record->queue[number].ledger[0], index))
			return number;
	return DRIVER_QUEUES_MAX;
}

uint32_t suspicion_queue(uint32_t place)
{
	const struct driver_attachment_status *status = &driver_domain.status->attachment[place];

	return status->suspect_deaths ? queue_of_request(place, status->suspect_ring, status->suspect_index) : DRIVER_QUEUES_MAX;
}

/* A death that comes in here may not be counted: one more will be. */
static void note(struct driver_attachment_status *status, uint32_t ring, uint32_t index)
{
	if (status->suspect_ring != ring || status->suspect_index != index)
		status->suspect_deaths = 0;
	STEP();
	status->suspect_ring = ring;
	status->suspect_index = index;
	STEP();
	status->suspect_deaths++;
}

uint32_t suspicion_begin(void)
{
	struct driver_status *status = driver_domain.status;
	uint32_t place = status->doing - 1, ring = status->doing_ring, index = status->doing_index;

	status->doing = 0;
	STEP();
	if (driver_domain.is_pardoned || place >= driver_domain.attachment_count || queue_of_request(place, ring, index) == DRIVER_QUEUES_MAX)
		return 0;
	note(&status->attachment[place], ring, index);
	return place + 1;
}

void suspicion_clear(struct driver_attachment_status *status)
{
	status->suspect_deaths = 0;
	STEP();
	status->suspect_ring = status->suspect_index = 0;
}
