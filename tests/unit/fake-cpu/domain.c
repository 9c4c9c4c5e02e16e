/* SPDX-License-Identifier: MIT */
/* Stand-ins for what hypervisor/domain/ calls in its neighbours and core.c does not have. Weak: the real source wins. */
#include "fake.h"
#include "domain_parts.h"

#include <string.h>

#include "cpu/registers.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "event/event.h"
#include "grant/grant.h"
#include "include/errno.h"
#include "mem/alloc.h"
#include "mem/base.h"
#include "mem/frame.h"
#include "mem/mmu.h"
#include "sched/queue.h"

#define WEAK __attribute__((weak))

/* As much as the largest of them has: a domain's scheduling, a vcpu's FPU registers. */
#define FAKE_PART_BYTES PAGE_SIZE

struct fake_parts fake_parts;

/* One step of something that takes several. */
static int part_step(int *left)
{
	return *left && (*left)-- ? -ERESTART : 0;
}

static int part_init(void **part)
{
	if (fake_parts.fail_after && !--fake_parts.fail_after)
		return -ENOMEM;
	*part = heap_alloc(FAKE_PART_BYTES);
	if (!*part)
		return -ENOMEM;
	fake_parts.alive++;
	return 0;
}

static void part_free(void **part)
{
	heap_free(*part);
	*part = NULL;
	fake_parts.alive--;
}

WEAK int event_domain_init(struct domain *domain) { return part_init((void **)&domain->events); }
WEAK int event_close_all(struct domain *domain) { return part_step(&fake_parts.event_steps); }
WEAK void event_domain_free(struct domain *domain) { part_free((void **)&domain->events); }
WEAK int grant_domain_init(struct domain *domain) { return part_init((void **)&domain->grants); }
WEAK int grant_release_all(struct domain *domain, uint32_t *released) { return part_step(&fake_parts.grant_steps); }
WEAK void grant_domain_free(struct domain *domain) { part_free((void **)&domain->grants); }
WEAK bool grant_domain_unshare(struct domain *domain) { return true; }
WEAK int mmu_domain_destroy(struct domain *domain) { return part_step(&fake_parts.mmu_steps); }
WEAK int sched_domain_init(struct domain *domain) { return part_init((void **)&domain->sched); }
WEAK void sched_domain_destroy(struct domain *domain) { part_free((void **)&domain->sched); }

WEAK void sched_vcpu_init(struct vcpu *vcpu)
{
	vcpu->cpu = cpu_by_id[vcpu->id % FAKE_CPUS];
	fake_parts.alive++;
}

WEAK void sched_vcpu_destroy(struct vcpu *vcpu) { fake_parts.alive--; }
WEAK void time_init_domain(struct domain *domain) { }

WEAK int sched_set_params(struct domain *domain, const struct sched_params *params)
{
	if (!params->weight)
		return -EINVAL;
	domain->sched->params = *params;
	return 0;
}

WEAK void sched_get_runstate(struct vcpu *vcpu, struct vcpu_runstate_info *info)
{
	*info = (struct vcpu_runstate_info){ .state = vcpu->sched.state, .time = { vcpu->sched.time_in_state[0] } };
}

WEAK uint64_t frame_limit = 4096;
WEAK uint64_t frames_total(void) { return 2048; }
WEAK uint64_t frames_free(void) { return 1024; }
WEAK void account_refresh(void *domain) { fake_parts.account_refreshes++; }

WEAK void time_set_wall_clock(uint64_t seconds, uint32_t nanoseconds, uint64_t at_ns)
{
	fake_parts.wall_clock_s = seconds;
	fake_parts.wall_clock_ns = nanoseconds;
}

WEAK void fpu_vcpu_init(struct vcpu *vcpu) { }
WEAK void fpu_set_registers(struct vcpu *vcpu, const void *fxsave) { fake_parts.fpu_sets++; }

WEAK int debug_set_registers(struct vcpu *vcpu, const uint64_t values[8])
{
	return values[7] >> 32 ? -EPERM : 0;
}

WEAK int mmu_set_gdt(struct vcpu *vcpu, const uint64_t *frames, uint32_t entries)
{
	fake_parts.gdt_sets++;
	return frames[0] == UINT64_MAX || entries > 7168 ? -EINVAL : 0;
}

static void drop_base(mfn_t *base)
{
	if (base->raw) {
		frame_put_type(frame_at(*base));
		frame_put(frame_at(*base));
	}
	*base = mfn(0);
}

/* As mem/base.c, without its L4s' own entries. */
WEAK int base_set(struct domain_locked owner, struct vcpu *vcpu, mfn_t l4, bool for_kernel)
{
	mfn_t *base = for_kernel ? &vcpu->table_kernel : &vcpu->table_user;
	struct frame *frame;
	int error;

	if (mfn_is(l4, *base) && l4.raw)
		return 0;
	if (l4.raw || for_kernel) {
		frame = frame_get(l4, owner.domain);
		if (!frame)
			return -EINVAL;
		error = frame_get_type(frame, FRAME_L4);
		if (error) {
			frame_put(frame);
			return error;
		}
	}
	drop_base(base);
	*base = l4;
	return 0;
}

WEAK void base_drop_all(struct vcpu *vcpu)
{
	drop_base(&vcpu->table_kernel);
	drop_base(&vcpu->table_user);
}

WEAK int segment_set_ldt(struct domain_locked owner, struct vcpu *vcpu, uint64_t base, uint64_t entries)
{
	if (entries > 8192 || base % PAGE_SIZE || !guest_range_ok(base, entries * 8))
		return -EINVAL;
	vcpu->ldt_base = base;
	vcpu->ldt_entries = (uint16_t)entries;
	return 0;
}

/* ---- hypercalls: each tells who it is, and what it was given ---- */

static long called(uint32_t number, uint64_t first, uint64_t last)
{
	fake_parts.called = number;
	fake_parts.first_word = first;
	fake_parts.last_word = last;
	fake_parts.calls++;
	return fake_parts.result;
}

WEAK long do_set_trap_table(uint64_t a) { return called(0, a, 0); }
WEAK long do_mmu_update(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	called(1, a, d);
	/* Three steps: what is left is counted in `b`. */
	if (fake_parts.continues && b > 1)
		return hypercall_continue(1, 2, a + 16, b - 1);
	return fake_parts.result;
}
WEAK long do_set_gdt(uint64_t a, uint64_t b) { return called(2, a, b); }
WEAK long do_stack_switch(uint64_t a, uint64_t b) { return called(3, a, b); }
WEAK long do_set_callbacks(uint64_t a, uint64_t b, uint64_t c) { return called(4, a, c); }
WEAK long do_fpu_taskswitch(uint64_t a) { return called(5, a, 0); }
WEAK long do_set_debugreg(uint64_t a, uint64_t b) { return called(8, a, b); }
WEAK long do_get_debugreg(uint64_t a) { return called(9, a, 0); }
WEAK long do_update_descriptor(uint64_t a, uint64_t b) { return called(10, a, b); }
WEAK long do_memory_op(uint64_t a, uint64_t b) { return called(12, a, b); }
WEAK long do_update_va_mapping(uint64_t a, uint64_t b, uint64_t c) { return called(14, a, c); }
WEAK long do_set_timer_op(uint64_t a) { return called(15, a, 0); }
WEAK long do_console_io(uint64_t a, uint64_t b, uint64_t c) { return called(18, a, c); }
WEAK long do_grant_table_op(uint64_t a, uint64_t b, uint64_t c) { return called(20, a, c); }
WEAK long do_update_va_mapping_otherdomain(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return called(22, a, d);
}
WEAK long do_iret(struct vcpu *vcpu)
{
	called(23, 0, 0);
	return 0x1234;
}
WEAK long do_vcpu_op(uint64_t a, uint64_t b, uint64_t c) { return called(24, a, c); }
WEAK long do_set_segment_base(uint64_t a, uint64_t b) { return called(25, a, b); }
WEAK long do_mmuext_op(uint64_t a, uint64_t b, uint64_t c, uint64_t d) { return called(26, a, d); }
WEAK long do_sched_op(uint64_t a, uint64_t b)
{
	if (fake_parts.sched_op_crashes)
		domain_crash(current_vcpu()->domain, "asked for");
	return called(29, a, b);
}
WEAK long do_callback_op(uint64_t a, uint64_t b) { return called(30, a, b); }
WEAK long do_event_channel_op(uint64_t a, uint64_t b) { return called(32, a, b); }
WEAK long do_physdev_op(uint64_t a, uint64_t b) { return called(33, a, b); }

/* ---- frames: a few, for base pointers and registered pages ---- */

struct frame fake_part_frames[FAKE_PART_FRAMES];

WEAK struct frame *frame_at(mfn_t number)
{
	return number.raw && number.raw < FAKE_PART_FRAMES ? &fake_part_frames[number.raw] : NULL;
}

WEAK struct frame *frame_get(mfn_t number, const struct domain *owner)
{
	struct frame *frame = frame_at(number);

	if (!frame || !frame->count || frame->owner != owner->id)
		return NULL;
	frame->count++;
	return frame;
}

WEAK void frame_put(struct frame *frame)
{
	ASSERT(frame->count > 1, "F3");
	frame->count--;
}

WEAK int frame_get_type(struct frame *frame, enum frame_type type)
{
	if (fake_parts.validate_after)
		fake_parts.validate_after--;
	else if (part_step(&fake_parts.validate_steps))
		return -ERESTART;
	if (frame->type && frame_type_of(frame->type) != type)
		return -EINVAL;
	frame->type = ((uint64_t)type << FRAME_TYPE_SHIFT) + (frame->type & FRAME_TYPE_COUNT_MASK) + 1;
	return 0;
}

WEAK void frame_put_type(struct frame *frame)
{
	ASSERT((frame->type & FRAME_TYPE_COUNT_MASK) > 0, "F3");
	if ((--frame->type & FRAME_TYPE_COUNT_MASK) == 0)
		frame->type = 0;
}

WEAK void frame_put_as(struct frame *frame, enum frame_type type)
{
	if (type != FRAME_PLAIN)
		frame_put_type(frame);
	frame_put(frame);
}
