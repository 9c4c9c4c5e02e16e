/* SPDX-License-Identifier: MIT */
/*
 * A loan in use: the marks in the shared entry, by which the lender knows, and the counts in the active entry, by
 * which the core knows.
 *
 *   withdrawn --lender: permit_access--> lent --first reader--> reading --first writer--> reading, writing
 *   writing --last writer unpins--> reading --last pin goes--> lent --lender: flags = 0--> withdrawn
 *
 * The lender withdraws by a compare-and-swap that fails while a mark is set (G2); the marks are set the same way.
 */
#include "grant/table.h"

/* A lender that changes its entry under our hands so often does not want the loan. */
#define MARK_TRIES 5

static int entry_mark(struct grant_entry_v1 *entry, domid_t user, bool writable)
{
	uint32_t *word = grant_entry_word(entry);
	uint32_t marks = writable ? GTF_reading | GTF_writing : GTF_reading;
	uint32_t seen = read_once(word);

	for (int tries = 0; tries < MARK_TRIES; tries++) {
		if ((seen & GTF_type_mask) != GTF_permit_access || seen >> 16 != user)
			return GNTST_general_error;
		if (writable && (seen & GTF_readonly))
			return GNTST_general_error;
		if (compare_and_swap(word, &seen, seen | marks))
			return GNTST_okay;
	}
	return GNTST_general_error;
}

int grant_pin(struct domain *lender, grant_ref_t gref, domid_t user, bool writable, struct frame **frame)
{
	struct grant_table *table = lender->grants;
	struct grant_entry_v1 *entry;
	struct grant_active *active;
	bool is_first;
	int status = GNTST_okay, error;

	if (lender->is_dying)
		return GNTST_bad_domain;
	if (!grant_ref_ok(table, gref))
		return GNTST_bad_gntref;
	entry = grant_entry(table, gref);
	active = grant_active(table, gref);
	is_first = !active->readers && !active->writers;
	if (!is_first && active->user != user)
		return GNTST_general_error;
	if (is_first || (writable && !active->writers))
		status = entry_mark(entry, user, writable);
	if (status != GNTST_okay)
		return status;

	/* While it is pinned the frame is the one of the first pin, whatever the entry says by now. */
	if (is_first)
		active->frame = read_once(&entry->frame);
	/* G1, G3: by a reference of its own, a writable one of the right type, for each pin. */
	error = frame_get_as(mfn(active->frame), lender, frame_access(writable), frame);
	if (error) {
		grant_unmark(entry, active);
		return error == -EINVAL ? GNTST_bad_page : GNTST_general_error;
	}
	active->user = user;
	if (writable)
		active->writers++;
	else
		active->readers++;
	return GNTST_okay;
}
