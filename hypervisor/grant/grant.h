/* SPDX-License-Identifier: MIT */
/*
 * Grant tables, version 1: a domain lends a frame to another. The loan ends when the user drops it or dies.
 * Lock: a domain's table (its own shared entries, active entries) and its handles: its grant_lock; two by spin_lock_two().
 *
 * G1  A frame that is mapped through a grant is never freed.
 * G2  A grant that its lender has withdrawn is never mapped again.
 * G3  A writable mapping of a grant holds a writable type reference: never of a page table.
 * G4  Every handle in use names an active entry whose count includes it.
 */
#pragma once

#include <xen/grant_table.h>

#define GRANT_FRAMES_MAX	64	/* of 512 entries each; a domain's limit may be lower */
#define GRANT_HANDLES_MAX	32768	/* mappings at once */

MUST_CHECK int grant_domain_init(struct domain *domain);	/* -ENOMEM */
/* Drops all mappings it holds, a bounded piece at a time: -ERESTART while there is more. No vcpu of it runs. Counts them. */
MUST_CHECK int grant_release_all(struct domain *domain, uint32_t *released);
/* After the domain's page tables are gone: true when nobody maps the frames of its table any more; false: try later. */
MUST_CHECK bool grant_domain_unshare(struct domain *domain);
void grant_domain_free(struct domain *domain);

/* For setup_table and Dom0: the frame `index` of the shared table, growing it if need be. */
MUST_CHECK int grant_frame(struct domain *domain, uint32_t index, mfn_t *frame);
