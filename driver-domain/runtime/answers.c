/* SPDX-License-Identifier: MIT */
#include "runtime/answers.h"

#include "runtime/console.h"
#include "runtime/lib.h"
#include "runtime/step.h"

/* What another domain or a predecessor wrote, each read once (section 4, step 2). */
struct found {
	uint64_t commit;
	uint32_t published, rsp_prod, req_prod;
};

static struct ledger_entry *answers_entry(const struct answers *answers, uint32_t index)
{
	return &answers->ledger->entry[index & (answers->ring.slots - 1)];
}

/* Section 6, the first row: the ledger is the one that Dom0 laid out for this ring. */
static bool answers_ledger_is(const struct answers_place *place, const struct driver_ledger *want, uint32_t slots)
{
	const struct ledger_ring *ledger = (void *)((char *)place->ledger + want->offset);

	return want->slots == slots && slots <= LEDGER_SLOTS_MAX && want->response_size <= LEDGER_RESPONSE_MAX &&
	       want->offset % LEDGER_ALIGN == 0 && want->offset <= place->ledger_bytes &&
	       ledger_bytes(slots) <= place->ledger_bytes - want->offset && ledger->magic == LEDGER_MAGIC &&
	       ledger->version == LEDGER_VERSION && ledger->response_size == want->response_size &&
	       ledger->slots == slots && ledger->ring == want->ring;
}

static int answers_refuse(char *why, size_t room, const char *what, uint32_t value, uint32_t other)
{
	snprintf(why, room, "%s: 0x%x and 0x%x", what, value, other);
	return RING_EPROTO;
}

/* The other rows. */
static int answers_check(const struct answers *answers, const struct found *found, uint32_t slots, char *why, size_t room)
{
	uint32_t commit = ledger_commit_index(found->commit);

	if (!ledger_commit_is_whole(found->commit))
		return answers_refuse(why, room, "ledger: commit is damaged", commit, (uint32_t)(found->commit >> 32));
	if (found->req_prod - found->rsp_prod > slots)
		return answers_refuse(why, room, "ring: more requests than slots: req_prod and rsp_prod are", found->req_prod,
				      found->rsp_prod);
	if (commit - found->rsp_prod > found->req_prod - found->rsp_prod)
		return answers_refuse(why, room, "ring: requests were taken back: req_prod and the ledger's commit are",
				      found->req_prod, commit);
	if (!ledger_indices_agree(found->published, found->rsp_prod, commit, found->req_prod, slots))
		return answers_refuse(why, room, "ring: rsp_prod and the ledger's published do not agree", found->rsp_prod,
				      found->published);
	for (uint32_t index = found->rsp_prod; index != commit; index++) {
		struct ledger_entry entry = answers->ledger->entry[index & (slots - 1)];

		if (!ledger_entry_agrees(&entry, answers->number, index, found->commit))
			return answers_refuse(why, room, "ledger: an entry is damaged: index and its own", index, entry.index);
	}
	return 0;
}

int answers_attach(struct answers *answers, const struct answers_place *place, const struct driver_ledger *ledger,
		   bool *wake, char *why, size_t room)
{
	uint32_t slots = ring_slots(place->bytes, place->slot_size), commit;
	struct ring_shared *shared = place->pages;
	struct found found;

	if (!answers_ledger_is(place, ledger, slots))
		return answers_refuse(why, room, "ledger: not the one that the table names: ring and offset", ledger->ring, ledger->offset);
	answers->ledger = (void *)((char *)place->ledger + ledger->offset);
	answers->number = ledger->ring;
	answers->generation = place->generation;
	answers->response_size = ledger->response_size;
	found = (struct found){
		.commit = __atomic_load_n(&answers->ledger->commit, __ATOMIC_RELAXED), .published = answers->ledger->published,
		.rsp_prod = atomic_load_explicit(&shared->rsp_prod, memory_order_relaxed),
		.req_prod = atomic_load_explicit(&shared->req_prod, memory_order_acquire),
	};
	if (answers_check(answers, &found, slots, why, room))
		return RING_EPROTO;

	commit = ledger_commit_index(found.commit);
	ring_back_attach(&answers->ring, place->pages, place->bytes, place->slot_size, found.rsp_prod, commit);
	for (uint32_t index = found.rsp_prod; index != commit; index++) {
		ring_back_put(&answers->ring, answers_entry(answers, index)->response, answers->response_size);
		STEP();
	}
	answers->added = commit;
	answers->republished = commit - found.rsp_prod;
	*wake = ring_back_push_take_over(&answers->ring);
	STEP();
	answers->ledger->published = commit;
	STEP();
	return 0;
}

/* The three sizes that there are, without a loop. */
static inline void response_copy(void *to, const void *from, uint32_t size)
{
	if (size == 4)
		memcpy(to, from, 4);
	else if (size == 8)
		memcpy(to, from, 8);
	else
		ring_copy(to, from, LEDGER_RESPONSE_MAX);
}

void answers_add(struct answers *answers, const void *response)
{
	struct ledger_entry *entry = answers_entry(answers, answers->added);

	if (answers->response_size < LEDGER_RESPONSE_MAX)
		memset(entry->response, 0, LEDGER_RESPONSE_MAX);
	response_copy(entry->response, response, answers->response_size);
	entry->index = answers->added;
	entry->generation = answers->generation;
	entry->ring = answers->number;
	entry->sum = ledger_entry_sum(entry);
	answers->added++;
	STEP();
}

void answers_commit(struct answers *answers)
{
	__atomic_store_n(&answers->ledger->commit, ledger_commit_pack(answers->added, answers->generation), __ATOMIC_RELEASE);
	STEP();
}

bool answers_publish(struct answers *answers)
{
	bool wake;

	if (answers->added == answers->ring.rsp_prod)
		return false;
	answers_commit(answers);
	for (uint32_t index = answers->ring.rsp_prod; index != answers->added; index++) {
		ring_back_put(&answers->ring, answers_entry(answers, index)->response, answers->response_size);
		STEP();
	}
	wake = ring_back_push(&answers->ring);
	STEP();
	__atomic_store_n(&answers->ledger->published, answers->added, __ATOMIC_RELEASE);
	STEP();
	return wake;
}
