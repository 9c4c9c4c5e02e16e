/* SPDX-License-Identifier: MIT */
#include "lib/ledger_check.h"

#include <stddef.h>

static bool is_dom0s_part_whole(const volatile struct ledger_ring *ledger, const struct driver_ledger *place)
{
	return ledger->magic == LEDGER_MAGIC && ledger->version == LEDGER_VERSION && ledger->slots == place->slots &&
	       ledger->ring == place->ring && ledger->response_size == place->response_size;
}

/* `published` first: it is moved last. */
const char *ledger_check(const volatile struct ledger_ring *ledger, const struct driver_ledger *place, struct ledger_seen *seen)
{
	uint32_t published = __atomic_load_n(&ledger->published, __ATOMIC_ACQUIRE);
	uint64_t commit = __atomic_load_n(&ledger->commit, __ATOMIC_ACQUIRE);
	struct ledger_seen now = { true, ledger_commit_index(commit), published };

	if (!is_dom0s_part_whole(ledger, place))
		return "it has written over Domain-0's part of the ledger";
	if (!ledger_commit_is_whole(commit))
		return "what it has committed is not whole";
	if (seen->is_known && ((int32_t)(now.commit - seen->commit) < 0 || (int32_t)(published - seen->published) < 0))
		return "what it has committed, or published, runs backwards";
	/* Not beyond: it may have gone on by a ring between the two reads above, and no further. */
	if ((int32_t)(now.commit - published) < 0)
		return "it says that it has published more than it has committed";
	*seen = now;
	return NULL;
}
