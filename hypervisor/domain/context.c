/* SPDX-License-Identifier: MIT */
/*
 * A vcpu's first registers, from a vcpu_guest_context: VCPUOP_initialise and the toolstack. What cannot be refused
 * is set last; page tables and descriptor tables are let go again if one of them is refused.
 */

#include "cpu/registers.h"
#include "mem/base.h"

#define CR0_TASK_SWITCHED	8UL
#define CR4_GUEST_MAY_SET	0xcUL	/* TSD and DE */

/* What a guest may have in rflags; the interrupt flag is always set, its own is the upcall mask. */
#define RFLAGS_GUEST		0x250dd5UL
#define RFLAGS_IOPL_SHIFT	12

/* Both of a guest's modes are ring 3, whatever it wrote. */
static uint16_t guest_selector(uint64_t selector) { return (uint16_t)(selector | 3); }

static bool addresses_ok(const struct vcpu_guest_context *context)
{
	const uint64_t addresses[] = {
		context->user_regs.rip, context->event_callback_eip, context->failsafe_callback_eip,
		context->syscall_callback_eip, context->kernel_sp, context->fs_base,
		context->gs_base_kernel, context->gs_base_user,
	};

	for (uint32_t i = 0; i < ARRAY_SIZE(addresses); i++)
		if (!guest_range_ok(addresses[i], 1))
			return false;
	for (uint32_t i = 0; i < ARRAY_SIZE(context->trap_ctxt); i++)
		if (!guest_range_ok(context->trap_ctxt[i].address, 1))
			return false;
	return true;
}

static int set_bases(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
	struct domain_locked locked = domain_lock(vcpu->domain);
	int error = base_set(locked, vcpu, paddr_to_mfn(context->ctrlreg[3]), true);

	if (!error)
		error = base_set(locked, vcpu, paddr_to_mfn(context->ctrlreg[1]), false);
	if (!error)
		error = segment_set_ldt(locked, vcpu, context->ldt_base, context->ldt_ents);
	domain_unlock(locked);
	return error;
}

/* What may be refused. */
static int set_checked(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
	bool is_user = !(context->flags & VGCF_in_kernel);
	struct domain_locked locked;
	int error;

	/* User mode needs a base pointer of its own. */
	if (!addresses_ok(context) || (is_user && !context->ctrlreg[1]) ||
	    (context->ctrlreg[1] | context->ctrlreg[3]) % PAGE_SIZE)
		return -EINVAL;
	vcpu->guest_cr4 = context->ctrlreg[4] & CR4_GUEST_MAY_SET;	/* debug registers depend on DE */
	error = debug_set_registers(vcpu, context->debugreg);
	if (!error)
		error = mmu_set_gdt(vcpu, context->gdt_frames, MIN(context->gdt_ents, UINT32_MAX));
	if (!error)
		error = set_bases(vcpu, context);

	/* What has been validated stays so while there is more. */
	if (error && error != -ERESTART) {
		locked = domain_lock(vcpu->domain);
		base_drop_all(vcpu);
		domain_unlock(locked);
	}
	return error;
}

static void set_general(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
	struct cpu_user_regs *regs = &vcpu->regs;

	*regs = context->user_regs;
	regs->rflags = (regs->rflags & RFLAGS_GUEST) | FLAGS_IRET_SETS;
	regs->cs = guest_selector(regs->cs);
	regs->ss = guest_selector(regs->ss);
	regs->entry_vector = 0;		/* the core's own, as the next two */
	regs->error_code = 0;
	regs->saved_upcall_mask = 0;
	vcpu->iopl = context->user_regs.rflags >> RFLAGS_IOPL_SHIFT & 3;
}

static void set_registers(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
	set_general(vcpu, context);
	vcpu->fs_base = context->fs_base;
	vcpu->gs_base_kernel = context->gs_base_kernel;
	vcpu->gs_base_user = context->gs_base_user;
	vcpu->in_kernel = context->flags & VGCF_in_kernel;
	vcpu->kernel_stack_pointer = context->kernel_sp;
	vcpu->guest_cr0_ts = context->ctrlreg[0] & CR0_TASK_SWITCHED ? 1 : 0;
	if (context->flags & VGCF_i387_valid)
		fpu_set_registers(vcpu, &context->fpu_ctxt);
	if (vcpu->id == 0)
		vcpu->domain->vm_assist = context->vm_assist & VM_ASSIST_VALID;
}

static void set_traps(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
	struct vcpu_trap_state *trap = &vcpu->trap;
	struct vcpu_callback *failsafe = &trap->callback[CALLBACKTYPE_failsafe];
	struct vcpu_callback *syscall = &trap->callback[CALLBACKTYPE_syscall];

	trap->callback[CALLBACKTYPE_event].address = context->event_callback_eip;
	failsafe->address = context->failsafe_callback_eip;
	failsafe->masks_events = context->flags & VGCF_failsafe_disables_events;
	syscall->address = context->syscall_callback_eip;
	syscall->masks_events = context->flags & VGCF_syscall_disables_events;
	memcpy(trap->entry, context->trap_ctxt, sizeof(trap->entry));
	for (uint32_t i = 0; i < ARRAY_SIZE(trap->entry); i++)
		trap->entry[i].cs = guest_selector(trap->entry[i].cs);
}

/*
 * X1  While it is_being_set nobody else sets its registers, and nobody can bring it up: VCPUOP_up wants
 *     is_initialised, under the same lock. Two vcpus may want to start the same third.
 */
static int claim(struct vcpu *vcpu)
{
	struct domain_locked locked = domain_lock(vcpu->domain);
	int error = vcpu->is_initialised ? -EEXIST : vcpu->is_being_set ? -EBUSY : 0;

	if (!error)
		vcpu->is_being_set = true;
	domain_unlock(locked);
	return error;
}

int vcpu_set_context(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
	struct domain_locked locked;
	int error = claim(vcpu);

	if (error)
		return error;
	error = set_checked(vcpu, context);
	if (!error) {
		set_registers(vcpu, context);
		set_traps(vcpu, context);
	}
	locked = domain_lock(vcpu->domain);
	vcpu->is_initialised = !error;
	vcpu->is_being_set = false;
	domain_unlock(locked);
	return error;
}

int vcpu_change_registers(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
	if (!vcpu->domain->is_frozen)
		return -EEXIST;
	if (!read_once(&vcpu->domain->pause_count))
		return -EBUSY;
	if (!guest_range_ok(context->user_regs.rip, 1))
		return -EINVAL;
	set_general(vcpu, context);
	return 0;
}

/* ---- and back ---- */

static void get_traps(const struct vcpu_trap_state *trap, struct vcpu_guest_context *context)
{
	const struct vcpu_callback *failsafe = &trap->callback[CALLBACKTYPE_failsafe];
	const struct vcpu_callback *syscall = &trap->callback[CALLBACKTYPE_syscall];

	memcpy(context->trap_ctxt, trap->entry, sizeof(trap->entry));
	context->event_callback_eip = trap->callback[CALLBACKTYPE_event].address;
	context->failsafe_callback_eip = failsafe->address;
	context->syscall_callback_eip = syscall->address;
	context->flags |= (failsafe->masks_events ? VGCF_failsafe_disables_events : 0) |
			  (syscall->masks_events ? VGCF_syscall_disables_events : 0);
}

void vcpu_get_context(struct vcpu *vcpu, struct vcpu_guest_context *context)
{
	context->flags = VGCF_i387_valid | (vcpu->in_kernel ? VGCF_in_kernel : 0) | (vcpu->is_up ? VGCF_online : 0);
	memcpy(&context->fpu_ctxt, vcpu->fpu, sizeof(context->fpu_ctxt));
	context->user_regs = vcpu->regs;
	context->user_regs.rflags |= vcpu->iopl << RFLAGS_IOPL_SHIFT;
	context->user_regs.saved_upcall_mask = read_once(&vcpu->info->evtchn_upcall_mask);
	get_traps(&vcpu->trap, context);
	for (uint32_t i = 0; i < ARRAY_SIZE(vcpu->gdt_frame); i++)
		context->gdt_frames[i] = vcpu->gdt_frame[i].raw;
	context->gdt_ents = vcpu->gdt_entries;
	context->ldt_base = vcpu->ldt_base;
	context->ldt_ents = vcpu->ldt_entries;
	context->kernel_ss = FLAT_KERNEL_SS;
	context->kernel_sp = vcpu->kernel_stack_pointer;
	context->ctrlreg[0] = vcpu->guest_cr0_ts ? CR0_TASK_SWITCHED : 0;
	context->ctrlreg[1] = mfn_to_paddr(vcpu->table_user);
	context->ctrlreg[2] = read_once(&vcpu->info->arch.cr2);
	context->ctrlreg[3] = mfn_to_paddr(vcpu->table_kernel);
	context->ctrlreg[4] = vcpu->guest_cr4;
	memcpy(context->debugreg, vcpu->debug_register, sizeof(context->debugreg));
	context->fs_base = vcpu->fs_base;
	context->gs_base_kernel = vcpu->gs_base_kernel;
	context->gs_base_user = vcpu->gs_base_user;
	context->vm_assist = vcpu->domain->vm_assist;
}
