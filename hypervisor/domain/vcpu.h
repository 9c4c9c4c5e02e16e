/* SPDX-License-Identifier: MIT */
/*
 * A virtual CPU. `regs` holds its registers whenever it is not in the guest: the entry code pushes them right
 * here, so a switch to another vcpu copies nothing.
 *
 * V1  vcpu->regs of a vcpu that runs in the guest are stale; only its own CPU, in the core, may read them.
 * V2  A vcpu runs on one CPU at a time: is_running is cleared only after its state has been saved.
 */
#pragma once

#include <xen/callback.h>

enum vcpu_work {			/* bits of vcpu->work: before it next enters the guest */
	VCPU_WORK_NMI = 2,		/* an NMI to deliver */
	VCPU_WORK_FAILSAFE = 8,		/* a segment could not be loaded: failsafe callback */
	VCPU_WORK_RESET = 16,		/* its domain is being reset: reset_continue() */
};

#define FPU_BYTES 2752		/* a standard XSAVE area with all that is ever switched on: up to AVX-512's last registers */
#define POLL_SEVERAL UINT32_MAX

struct vcpu_callback {
	uint64_t address;		/* 0: none; no CALLBACKTYPE_event: the guest gets no upcalls */
	bool masks_events;		/* CALLBACKF_mask_events; those for events and NMIs always do */
};

struct vcpu_trap_state {
	struct trap_info entry[256];	/* set_trap_table; address 0: none */
	struct vcpu_callback callback[CALLBACKTYPE_syscall32 + 1];
};

struct vcpu {
	/* Offsets known to entry.S; `kernel_stack` sits just below `regs`, and regs.es is 16-byte aligned. */
	uint64_t kernel_stack;		/* of the CPU it runs on */
	struct cpu_user_regs regs;

	/* Set at creation. */
	struct domain *domain;
	uint32_t id;

	/* Only its own CPU, or anybody while it is paused. */
	bool in_kernel;			/* the guest's kernel mode (both are ring 3) */
	bool is_initialised;		/* has been given registers (boot or VCPUOP_initialise) */
	bool is_being_set;		/* vcpu_set_context() is at work; domain->lock */
	uint64_t kernel_stack_pointer;	/* guest: where traps from its user mode go (stack_switch) */
	struct vcpu_trap_state trap;
	uint64_t guest_cr0_ts;		/* fpu_taskswitch: 1 if the guest wants #NM */
	uint64_t guest_cr4;		/* the bits that a guest may set, as it reads them */
	uint64_t fs_base;		/* saved while it does not run */
	uint64_t gs_base_kernel;	/* the guest kernel's gs base */
	uint64_t gs_base_user;
	uint64_t debug_register[8];	/* dr0-3, 6, 7, validated */
	uint64_t iopl;			/* physdev_op set_iopl: 0-3, emulated */
	uint8_t fpu[FPU_BYTES] ALIGNED(64);	/* cpu/registers.c */
	uint64_t xcr0;

	/* Current base pointers, each with a type reference; raw 0: none. domain->lock. */
	mfn_t table_kernel;
	mfn_t table_user;

	/* Descriptor tables: frames with a FRAME_SEGMENT reference. domain->lock. */
	mfn_t gdt_frame[14];
	uint16_t gdt_entries;
	mfn_t ldt_frame[16];		/* raw 0: a hole */
	uint16_t ldt_entries;
	uint64_t ldt_base;

	/* Page tables it must take apart before it next enters the guest (mem/deferred.c). Own CPU. */
	uint32_t deferred_tables;

	/* Multicall in progress, for continuations. Own CPU. */
	struct multicall_entry *multicall;	/* the core's copy of the entry that runs; NULL: none */

	/* Shared with the guest and with other CPUs; each access once and atomic. */
	vcpu_info_t *info;		/* in shared_info, or the page that the guest registered */
	mfn_t info_frame;		/* of a registered one; raw 0: none */
	uint64_t work;			/* bits of enum vcpu_work; atomic */
	bool is_up;			/* VCPUOP_up and down */
	bool is_running;		/* V2 */
	uint32_t pause_count;		/* own, besides the domain's; atomic */
	struct cpu *cpu;		/* where it runs or last ran */
	cpumask_t affinity;

	/* Areas that the guest registered: virtual addresses, written when it is current. 0: none. */
	uint64_t runstate_area;
	uint64_t time_area;

	struct timer singleshot;	/* VCPUOP_set_singleshot_timer, set_timer_op: VIRQ_TIMER */
	struct timer poll_timer;	/* SCHEDOP_poll's time-out */

	uint32_t virq_port[24];		/* event_lock; 0: not bound */
	uint32_t poll_port;		/* what it last slept for: a port, POLL_SEVERAL, 0: upcalls; only the vcpu itself sets it (S6) */

	struct sched_vcpu sched;	/* the scheduler's */
};

_Static_assert(sizeof(struct vcpu) <= 2 * PAGE_SIZE, "a vcpu takes two frames");

static inline bool vcpu_is_idle(const struct vcpu *vcpu) { return vcpu->domain->id == DOMID_IDLE; }

/* Is there an event, and is the guest willing? */
static inline bool vcpu_has_deliverable_event(const struct vcpu *vcpu)
{
	return read_once(&vcpu->info->evtchn_upcall_pending) &&
	       !read_once(&vcpu->info->evtchn_upcall_mask);
}

/* vcpu `id` of a new domain, not up; the scheduler chooses its CPU. -ENOMEM. */
MUST_CHECK int vcpu_create(struct domain *domain, uint32_t id);
/* Who runs on `cpu` when nobody does. The caller makes it cpu->idle and cpu->current. NULL: no memory. */
struct vcpu *vcpu_create_idle(struct cpu *cpu);
/* The domain is dying and paused: down for good, no timer set; and, when nobody sends it events any more, its info's page let go. */
void vcpu_stop(struct vcpu *vcpu);
void vcpu_release_info(struct vcpu *vcpu);
void vcpu_free(struct vcpu *vcpu);

/* Asks `vcpu` to do `work` before it next enters the guest, wherever it is. Atomic. */
void vcpu_add_work(struct vcpu *vcpu, enum vcpu_work work);

/*
 * Gives a vcpu its first registers; every field is checked (context.c). -EEXIST: it has them; -EBUSY: somebody else is
 * at it; -EINVAL, -EPERM; -ERESTART: validating its page tables takes longer, call again with the same.
 */
struct vcpu_guest_context;
MUST_CHECK int vcpu_set_context(struct vcpu *vcpu, const struct vcpu_guest_context *context);
/*
 * Of a driver that is ready: general registers, rip and rflags; all else of *context does not count, and a reset undoes it. So faults are
 * injected (docs/faults.md). -EEXIST: it is another domain's; -EBUSY: the domain is not paused; -EINVAL: no such rip.
 */
MUST_CHECK int vcpu_change_registers(struct vcpu *vcpu, const struct vcpu_guest_context *context);
/* The same way back; *context is all zeroes before. The vcpu does not run. */
void vcpu_get_context(struct vcpu *vcpu, struct vcpu_guest_context *context);
