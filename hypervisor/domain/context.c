/* SPDX-License-Identifier: MIT */
/*
 * A vcpu's first registers, or new ones, from a vcpu_guest_context: VCPUOP_initialise and the toolstack.
 * Everything is checked before anything changes; page tables and the GDT come last before the change, because
 * checking them takes references.
 */
#include "domain/vcpu.h"

#include <xen/xen.h>

#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "cpu/fpu.h"
#include "cpu/uaccess.h"
#include "domain/vm_assist.h"
#include "include/errno.h"
#include "lib/string.h"
#include "mem/base.h"
#include "mem/frame.h"
#include "mem/mmu.h"
#include "mem/segment.h"

#define GDT_GUEST_ENTRIES	7168U	/* below FIRST_RESERVED_GDT_ENTRY */
#define LDT_ENTRIES_MAX		8192U
#define CR0_TASK_SWITCHED	8UL
#define CR4_GUEST_MAY_SET	0xcUL	/* TSD and DE */

/* What a guest may have in rflags; the interrupt flag is always set, its own is the upcall mask. */
#define RFLAGS_GUEST		0x250dd5UL
#define RFLAGS_FIXED		0x202UL
#define RFLAGS_IOPL_SHIFT	12

/* Both of a guest's modes are ring 3, whatever it wrote. */
static uint16_t guest_selector(uint64_t selector)
{
	return (uint16_t)(selector | 3);
}

static bool traps_ok(const struct trap_info trap[256])
{
	for (uint32_t i = 0; i < 256; i++)
		if (!guest_range_ok(trap[i].address, 1))
			return false;
	return true;
}

static bool addresses_ok(const struct vcpu_guest_context *context)
{
	return guest_range_ok(context->user_regs.rip, 1) && guest_range_ok(context->event_callback_eip, 1) &&
	       guest_range_ok(context->failsafe_callback_eip, 1) && guest_range_ok(context->syscall_callback_eip, 1) &&
	       guest_range_ok(context->kernel_sp, 0) && guest_range_ok(context->fs_base, 1) &&
	       guest_range_ok(context->gs_base_kernel, 1) && guest_range_ok(context->gs_base_user, 1);
}

static bool tables_ok(const struct vcpu_guest_context *context)
{
	if (context->gdt_ents > GDT_GUEST_ENTRIES || context->ldt_ents > LDT_ENTRIES_MAX)
		return false;
	if (context->ldt_ents && (context->ldt_base % PAGE_SIZE || !guest_range_ok(context->ldt_base,
										   context->ldt_ents * 8)))
		return false;
	/* User mode needs a base pointer of its own. */
	return (context->flags & VGCF_in_kernel) || context->ctrlreg[1];
}

/* ---- base pointers ---- */

/* An L4, with references that keep it one until it is set; none for a base pointer of 0. */
static int take_base(struct domain *domain, uint64_t base, mfn_t *table)
{
	struct frame *frame;
	int error;

	*table = mfn(xen_cr3_to_pfn(base));
	if (!table->raw)
		return 0;
	if (base % PAGE_SIZE)
		return -EINVAL;
	frame = frame_get(*table, domain);
	if (!frame)
		return -EINVAL;
	error = frame_get_type(frame, FRAME_L4);
	if (error)
		frame_put(frame);
	return error;
}

static void drop_base(mfn_t table)
{
	if (!table.raw)
		return;
	frame_put_type(frame_at(table));
	frame_put(frame_at(table));
}

static int take_bases(struct domain *domain, const struct vcpu_guest_context *context, mfn_t *kernel, mfn_t *user)
{
	struct domain_locked locked = domain_lock(domain);
	int error = context->ctrlreg[3] ? take_base(domain, context->ctrlreg[3], kernel) : -EINVAL;

	if (!error) {
		error = take_base(domain, context->ctrlreg[1], user);
		if (error)
			drop_base(*kernel);
	}
	domain_unlock(locked);
	return error;
}

/* ---- all that cannot fail ---- */

static struct cpu_user_regs guest_registers(const struct cpu_user_regs *from)
{
	struct cpu_user_regs regs = *from;

	regs.rflags = (regs.rflags & RFLAGS_GUEST) | RFLAGS_FIXED;
	regs.cs = guest_selector(regs.cs);
	regs.ss = guest_selector(regs.ss);
	regs.entry_vector = 0;		/* the core's own, as the next two */
	regs.error_code = 0;
	regs.saved_upcall_mask = 0;
	return regs;
}

static void set_registers(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
	vcpu->regs = guest_registers(&context->user_regs);
	vcpu->iopl = context->user_regs.rflags >> RFLAGS_IOPL_SHIFT & 3;
	vcpu->fs_base = context->fs_base;
	vcpu->gs_base_kernel = context->gs_base_kernel;
	vcpu->gs_base_user = context->gs_base_user;
	if (context->flags & VGCF_i387_valid)
		fpu_set_registers(vcpu, &context->fpu_ctxt);
}

static void set_traps(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
	struct vcpu_trap_state *trap = &vcpu->trap;

	memset(trap, 0, sizeof(*trap));
	trap->callback[CALLBACKTYPE_event].address = context->event_callback_eip;
	trap->callback[CALLBACKTYPE_failsafe].address = context->failsafe_callback_eip;
	trap->callback[CALLBACKTYPE_failsafe].masks_events = context->flags & VGCF_failsafe_disables_events;
	trap->callback[CALLBACKTYPE_syscall].address = context->syscall_callback_eip;
	trap->callback[CALLBACKTYPE_syscall].masks_events = context->flags & VGCF_syscall_disables_events;
	memcpy(trap->entry, context->trap_ctxt, sizeof(trap->entry));
	for (uint32_t i = 0; i < 256; i++)
		trap->entry[i].cs = guest_selector(trap->entry[i].cs);
}

static void set_modes(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
	vcpu->in_kernel = context->flags & VGCF_in_kernel;
	vcpu->kernel_stack_pointer = context->kernel_sp;
	vcpu->kernel_stack_selector = guest_selector(context->kernel_ss);
	vcpu->guest_cr0_ts = context->ctrlreg[0] & CR0_TASK_SWITCHED ? 1 : 0;
	if (vcpu->id == 0)
		vcpu->domain->vm_assist = context->vm_assist & VM_ASSIST_VALID;
}

/* Where nothing can be refused any more: both have been found to be L4s, and LDT pages that do not fit are holes. */
static int set_tables(struct vcpu *vcpu, const struct vcpu_guest_context *context, mfn_t kernel, mfn_t user)
{
	struct domain_locked locked = domain_lock(vcpu->domain);
	int error = base_set(locked, vcpu, kernel, true);

	if (!error)
		error = base_set(locked, vcpu, user, false);
	if (!error)
		error = segment_set_ldt(locked, vcpu, context->ldt_base, context->ldt_ents);
	domain_unlock(locked);
	return error;
}

/* What may be refused: the page tables, debug registers, GDT. */
static int set_checked(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
	mfn_t kernel = mfn(0), user = mfn(0);
	uint64_t gdt_frames[14], old_cr4 = vcpu->guest_cr4;
	struct domain_locked locked;
	int error = take_bases(vcpu->domain, context, &kernel, &user);

	if (error)
		return error;
	vcpu->guest_cr4 = context->ctrlreg[4] & CR4_GUEST_MAY_SET;	/* debug registers depend on DE */
	memcpy(gdt_frames, context->gdt_frames, sizeof(gdt_frames));
	error = debug_set_registers(vcpu, context->debugreg);
	if (!error)
		error = mmu_set_gdt(vcpu, gdt_frames, (uint32_t)context->gdt_ents);
	if (!error)
		error = set_tables(vcpu, context, kernel, user);
	else
		vcpu->guest_cr4 = old_cr4;

	locked = domain_lock(vcpu->domain);
	drop_base(kernel);
	drop_base(user);
	domain_unlock(locked);
	return error;
}

/*
 * X1  Between these two nobody else sets its registers, and nobody can bring it up: VCPUOP_up wants is_initialised,
 *     under the same lock.
 */
static bool claim(struct vcpu *vcpu, bool *was_initialised)
{
	struct domain_locked locked = domain_lock(vcpu->domain);
	bool may_run = vcpu->is_up && !read_once(&vcpu->pause_count) && !read_once(&vcpu->domain->pause_count);
	bool is_free = !may_run && !load_acquire(&vcpu->is_running) && !vcpu->is_being_set;

	if (is_free) {
		*was_initialised = vcpu->is_initialised;
		vcpu->is_initialised = false;
		vcpu->is_being_set = true;
	}
	domain_unlock(locked);
	return is_free;
}

static void release(struct vcpu *vcpu, bool is_initialised)
{
	struct domain_locked locked = domain_lock(vcpu->domain);

	vcpu->is_initialised = is_initialised;
	vcpu->is_being_set = false;
	domain_unlock(locked);
}

int vcpu_set_context(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
	bool was_initialised;
	int error;

	if (!addresses_ok(context) || !traps_ok(context->trap_ctxt) || !tables_ok(context))
		return -EINVAL;
	if (!claim(vcpu, &was_initialised))
		return -EBUSY;
	error = set_checked(vcpu, context);
	if (!error) {
		set_registers(vcpu, context);
		set_traps(vcpu, context);
		set_modes(vcpu, context);
	}
	release(vcpu, was_initialised || !error);
	return error;
}
