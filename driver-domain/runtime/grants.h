/* SPDX-License-Identifier: MIT */
/* Grants, version 1: lending own frames, and mapping or copying what others lend. */
#ifndef RUNTIME_GRANTS_H
#define RUNTIME_GRANTS_H

#include "runtime/xen.h"

extern struct grant_entry_v1 *grant_entries;
extern unsigned int grant_entry_count;

int grant_init(unsigned int frames);    /* maps that many frames of the table */

grant_ref_t grant_lend(domid_t user, const void *page, uint16_t flags); /* 0 or GTF_readonly */
bool grant_withdraw(grant_ref_t gref);  /* false while it is in use */
void grant_set(grant_ref_t gref, uint16_t flags, domid_t user, unsigned long mfn);

int grant_op(unsigned int command, void *operations, unsigned int count);
/* One operation each; GNTST_* */
int grant_map(uint64_t address, uint32_t flags, grant_ref_t gref, domid_t lender,
	      grant_handle_t *handle);
int grant_unmap(uint64_t address, grant_handle_t handle);

#endif
