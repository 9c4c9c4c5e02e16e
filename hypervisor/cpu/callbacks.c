/* SPDX-License-Identifier: MIT */
/* Where a guest's kernel wants to be entered: its trap table, its callbacks, its stack. */
#include "include/types.h"

#include <xen/callback.h>
#include <xen/nmi.h>
#include <xen/xen.h>

#include "cpu/cpu.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "include/errno.h"
#include "lib/string.h"

long do_set_trap_table(uint64_t traps)
{
	struct vcpu *vcpu = current_vcpu();
	struct trap_info entry;

	if (traps == 0) {
		memset(vcpu->trap.entry, 0, sizeof(vcpu->trap.entry));
		return 0;
	}
	for (uint32_t i = 0; i <= ARRAY_SIZE(vcpu->trap.entry); i++) {
		if (guest_read(&entry, traps + i * sizeof(entry), sizeof(entry)))
			return -EFAULT;
		if (entry.address == 0)
			return 0;
		if (!guest_range_ok(entry.address, 1))
			return -EINVAL;
		entry.cs |= 3;
		vcpu->trap.entry[entry.vector] = entry;
	}
	return 0;
}

static bool callback_is_known(uint32_t type)
{
	return type == CALLBACKTYPE_syscall32 ||
	       (type <= CALLBACKTYPE_sysenter && type != CALLBACKTYPE_sysenter_deprecated);
}

MUST_CHECK static int callback_set(uint32_t type, uint32_t flags, uint64_t address)
{
	struct vcpu_trap_state *trap = &current_vcpu()->trap;

	if (!guest_range_ok(address, 1))
		return -EINVAL;
	if (!callback_is_known(type))
		return -ENOSYS;
	trap->callback[type].address = address;
	trap->callback[type].masks_events = flags & CALLBACKF_mask_events;
	return 0;
}

/* As the ABI has it: the others may be changed, not taken away. */
MUST_CHECK static int callback_remove(uint32_t type)
{
	if (!callback_is_known(type))
		return -ENOSYS;
	if (type != CALLBACKTYPE_nmi)
		return -EINVAL;
	current_vcpu()->trap.callback[type].address = 0;
	return 0;
}

long do_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall)
{
	struct vcpu_trap_state *trap = &current_vcpu()->trap;

	if (!guest_range_ok(event, 1) || !guest_range_ok(failsafe, 1) || !guest_range_ok(syscall, 1))
		return -EINVAL;
	trap->callback[CALLBACKTYPE_event].address = event;
	trap->callback[CALLBACKTYPE_failsafe].address = failsafe;
	trap->callback[CALLBACKTYPE_syscall].address = syscall;
	return 0;
}

long do_callback_op(uint64_t command, uint64_t argument)
{
	struct callback_register request;
	struct callback_unregister removal;

	switch (command) {
	case CALLBACKOP_register:
		if (guest_read(&request, argument, sizeof(request)))
			return -EFAULT;
		return callback_set(request.type, request.flags, request.address);
	case CALLBACKOP_unregister:
		if (guest_read(&removal, argument, sizeof(removal)))
			return -EFAULT;
		return callback_remove(removal.type);
	default:
		return -ENOSYS;
	}
}

long do_nmi_op(uint64_t command, uint64_t argument)
{
	struct xennmi_callback request;

	switch (command) {
	case XENNMI_register_callback:
		if (guest_read(&request, argument, sizeof(request)))
			return -EFAULT;
		return callback_set(CALLBACKTYPE_nmi, 0, request.handler_address);
	case XENNMI_unregister_callback:
		return callback_remove(CALLBACKTYPE_nmi);
	default:
		return -ENOSYS;
	}
}

long do_stack_switch(uint64_t selector, uint64_t pointer)
{
	struct vcpu *vcpu = current_vcpu();

	vcpu->kernel_stack_selector = (uint16_t)selector | 3;
	vcpu->kernel_stack_pointer = pointer;
	return 0;
}
