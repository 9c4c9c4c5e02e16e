/* SPDX-License-Identifier: MIT */
/* Stand-ins for what sched/ asks of domain/: weak, as in core.c. */
#include "fake.h"

#include "include/errno.h"

__attribute__((weak)) int vcpu_set_context(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
	if (vcpu->is_initialised || vcpu->is_being_set)
		return vcpu->is_initialised ? -EEXIST : -EBUSY;
	vcpu->is_initialised = true;
	return 0;
}
