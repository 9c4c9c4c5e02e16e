/* SPDX-License-Identifier: MIT */
/* What a guest may ask the core to do for it, domain by domain: bits of domain->vm_assist. */
#ifndef SKINK_VM_ASSIST_H
#define SKINK_VM_ASSIST_H

#include "include/types.h"

#include <xen/xen.h>

#define VM_ASSIST_BIT(name)	(1ULL << VMASST_TYPE_##name)

/*
 * Those that a 64-bit guest may switch on. 4gb_segments and pae_extended_cr3 mean nothing to one; Linux asks for
 * them all the same.
 */
#define VM_ASSIST_VALID (VM_ASSIST_BIT(4gb_segments) | VM_ASSIST_BIT(4gb_segments_notify) |		\
			 VM_ASSIST_BIT(writable_pagetables) | VM_ASSIST_BIT(pae_extended_cr3) |		\
			 VM_ASSIST_BIT(architectural_iopl) | VM_ASSIST_BIT(runstate_update_flag) |	\
			 VM_ASSIST_BIT(m2p_strict))
#define VM_ASSIST_DEFAULT 0ULL

#endif
