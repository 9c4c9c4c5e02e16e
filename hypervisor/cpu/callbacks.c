/* SPDX-License-Identifier: MIT */
/* Where a guest's kernel wants to be entered: its trap table, its callbacks, its stack. */
#include "include/types.h"

#include <xen/callback.h>
#include <xen/nmi.h>
#include <xen/xen.h>

#include "cpu/cpu.h"
#include "cpu/layout.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "include/errno.h"
#include "lib/string.h"

/* A handler must lie where the guest can have code. */
static bool handler_ok(uint64_t address)
{
	return address_is_canonical(address) && guest_range_ok(address, 1);
}

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
		if (!handler_ok(entry.address))
			return -EINVAL;
		entry.cs |= 3;
		vcpu->trap.entry[entry.vector] = entry;
	}
	return 0;
}

MUST_CHECK static int callback_set(struct vcpu_trap_state *trap, uint32_t type, uint32_t flags, uint64_t address)
{
	bool masks = flags & CALLBACKF_mask_events;

	if (!handler_ok(address))
		return -EINVAL;
	switch (type) {
	case CALLBACKTYPE_event:
		trap->event_callback = address;
		return 0;
	case CALLBACKTYPE_failsafe:
		trap->failsafe_callback = address;
		trap->failsafe_masks_events = masks;
		return 0;
	case CALLBACKTYPE_syscall:
		trap->syscall_callback = address;
		trap->syscall_masks_events = masks;
		return 0;
	case CALLBACKTYPE_syscall32:
		trap->syscall32_callback = address;
		trap->syscall32_masks_events = masks;
		return 0;
	case CALLBACKTYPE_sysenter:
		trap->sysenter_callback = address;
		trap->sysenter_masks_events = masks;
		return 0;
	case CALLBACKTYPE_nmi:
		trap->nmi_callback = address;
		return 0;
	default:
		return -ENOSYS;
	}
}

MUST_CHECK static int callback_remove(struct vcpu_trap_state *trap, uint32_t type)
{
	switch (type) {
	case CALLBACKTYPE_event:
	case CALLBACKTYPE_failsafe:
	case CALLBACKTYPE_syscall:
	case CALLBACKTYPE_syscall32:
	case CALLBACKTYPE_sysenter:
		return -EINVAL;		/* as the ABI: these may be changed, not taken away */
	case CALLBACKTYPE_nmi:
		trap->nmi_callback = 0;
		return 0;
	default:
		return -ENOSYS;
	}
}

long do_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall)
{
	struct vcpu_trap_state *trap = &current_vcpu()->trap;
	const uint64_t address[] = { event, failsafe, syscall };

	for (uint32_t i = 0; i < ARRAY_SIZE(address); i++)
		if (!handler_ok(address[i]))
			return -EINVAL;
	trap->event_callback = event;
	trap->failsafe_callback = failsafe;
	trap->syscall_callback = syscall;
	return 0;
}

long do_callback_op(uint64_t command, uint64_t argument)
{
	struct vcpu_trap_state *trap = &current_vcpu()->trap;
	struct callback_register request;
	struct callback_unregister removal;

	switch (command) {
	case CALLBACKOP_register:
		if (guest_read(&request, argument, sizeof(request)))
			return -EFAULT;
		return callback_set(trap, request.type, request.flags, request.address);
	case CALLBACKOP_unregister:
		if (guest_read(&removal, argument, sizeof(removal)))
			return -EFAULT;
		return callback_remove(trap, removal.type);
	default:
		return -ENOSYS;
	}
}

long do_nmi_op(uint64_t command, uint64_t argument)
{
	struct vcpu_trap_state *trap = &current_vcpu()->trap;
	struct xennmi_callback request;

	switch (command) {
	case XENNMI_register_callback:
		if (guest_read(&request, argument, sizeof(request)))
			return -EFAULT;
		return callback_set(trap, CALLBACKTYPE_nmi, 0, request.handler_address);
	case XENNMI_unregister_callback:
		return callback_remove(trap, CALLBACKTYPE_nmi);
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
