/* SPDX-License-Identifier: MIT */
/* Domains, their registers, and the way of a hypercall: what must be refused first. */
#include "include/types.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <xen/features.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/version.h>
#include <xen/xen.h>

#include "unit.h"

#include "boot/boot_info.h"
#include "domain/hypercall.h"
#include "domain_parts.h"
#include "include/errno.h"

#define CORE_ADDRESS	0xffff800000001000ULL
#define NOT_CANONICAL	0x0000800000000000ULL

/* Domain-0 is never destroyed, so all cases share one. */
static struct domain *given_zero(void)
{
	struct domain *domain;

	if (!domain_zero)
		CU_ASSERT_EQUAL_FATAL(domain_create(0, 2, true, &domain), 0);
	memset(&fake_parts, 0, sizeof(fake_parts));
	memset(fake_part_frames, 0, sizeof(fake_part_frames));
	fake_run(domain_zero->vcpu[0]);
	return domain_zero;
}

static struct domain *given_other(domid_t id)
{
	struct domain *domain;

	given_zero();
	CU_ASSERT_EQUAL_FATAL(domain_create(id, 3, false, &domain), 0);
	return domain;
}

static void end(struct domain *domain)
{
	fake_run(domain_zero->vcpu[0]);
	CU_ASSERT_EQUAL(domain_destroy(domain), 0);
}

/* ---- domains ---- */

static void a_domain_with_a_bad_number_is_refused(void)
{
	struct domain *domain;

	given_zero();
	CU_ASSERT_EQUAL(domain_create(MAX_DOMAINS, 1, false, &domain), -EINVAL);
	CU_ASSERT_EQUAL(domain_create(DOMID_SELF, 1, false, &domain), -EINVAL);
	CU_ASSERT_EQUAL(domain_create(7, 0, false, &domain), -EINVAL);
	CU_ASSERT_EQUAL(domain_create(7, MAX_VCPUS + 1, false, &domain), -EINVAL);
	CU_ASSERT_EQUAL(domain_create(0, 1, false, &domain), -EEXIST);
	CU_ASSERT_EQUAL(fake_parts.alive, 0);
}

static void a_creation_that_runs_out_of_memory_leaves_nothing(void)
{
	struct domain *domain;

	given_zero();
	for (uint32_t fail_after = 1; fail_after <= 3; fail_after++) {
		fake_parts.fail_after = fail_after;
		CU_ASSERT_EQUAL(domain_create(7, 3, false, &domain), -ENOMEM);
		CU_ASSERT_EQUAL(fake_parts.alive, 0);
		CU_ASSERT_PTR_NULL(domain_find(7));
	}
	for (uint32_t fail_after = 1; fail_after <= 5; fail_after++) {
		fake_parts.fail_after = 0;
		fake.heap_fail_call = fail_after;
		CU_ASSERT_EQUAL(domain_create(7, 3, false, &domain), -ENOMEM);
		CU_ASSERT_EQUAL(fake_parts.alive, 0);
	}
}

static void ids_that_nobody_has_are_not_found(void)
{
	given_zero();
	CU_ASSERT_PTR_NULL(domain_get(9));
	CU_ASSERT_PTR_NULL(domain_get(MAX_DOMAINS));
	CU_ASSERT_PTR_NULL(domain_get(DOMID_IDLE));
	CU_ASSERT_PTR_NULL(domain_get(DOMID_IO));
}

static void a_dying_domain_is_not_found_and_not_freed_while_held(void)	/* D1 */
{
	struct domain *domain = given_other(7);

	CU_ASSERT_PTR_EQUAL_FATAL(domain_get(7), domain);
	fake_parts.event_steps = fake_parts.grant_steps = fake_parts.mmu_steps = 2;
	for (int i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(domain_destroy(domain), -ERESTART);
	CU_ASSERT_PTR_NULL(domain_get(7));
	CU_ASSERT_PTR_EQUAL(domain_find(7), domain);
	domain->frame_count = 1;
	CU_ASSERT_EQUAL(domain_destroy(domain), 0);
	CU_ASSERT_EQUAL(domain_destroy(domain), 0);
	CU_ASSERT_PTR_EQUAL(domain_find(7), domain);
	domain->frame_count = 0;
	domain_may_end(7);
	CU_ASSERT_NOT_EQUAL(this_cpu()->softirqs & 1ULL << SOFTIRQ_DOMAIN, 0);
	domain_end_dead();
	CU_ASSERT_PTR_NULL(domain_find(7));
	CU_ASSERT_EQUAL(domain_destroy(domain), 0);
	CU_ASSERT_EQUAL(domain->references, 1);
	CU_ASSERT(fake_parts.alive > 0);
	domain_put(domain);
	CU_ASSERT_EQUAL(fake_parts.alive, 0);
}

static void ids_of_nobody_may_end(void)
{
	given_zero();
	domain_may_end(7);
	domain_may_end(0);
	domain_may_end(DOMID_INVALID);
	CU_ASSERT_EQUAL(this_cpu()->softirqs, 0);
}

static bool has_ended;

static void *end_dead(void *unused)
{
	domain_end_dead();
	write_once(&has_ended, true);
	return NULL;
}

/* One CPU has counted its last frame, and holds the list's lock still; another one looks for domains that are dead. */
static void a_domain_whose_last_frame_is_just_let_go_is_not_freed(void)	/* D1 */
{
	struct domain *domain = given_other(7);
	struct spinlock *lock = &domain->page_list_lock;
	pthread_t other;

	domain->frame_count = 1;
	CU_ASSERT_EQUAL(domain_destroy(domain), 0);
	fake_allow_waiting(true);
	has_ended = false;
	spin_lock(lock);
	domain->frame_count = 0;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&other, NULL, end_dead, NULL), 0);
	while (!read_once(&has_ended) && (uint16_t)(read_once(&lock->next) - lock->serving) < 2)
		sched_yield();
	CU_ASSERT_FALSE_FATAL(read_once(&has_ended));
	spin_unlock(lock);
	pthread_join(other, NULL);
	CU_ASSERT_PTR_NULL(domain_find(7));
	CU_ASSERT_EQUAL(fake_parts.alive, 0);
}

static uint32_t forgotten;		/* vcpus whose timers were stopped */

void sched_vcpu_forget(struct vcpu *vcpu)
{
	CU_ASSERT_TRUE(vcpu->domain->is_dying);
	forgotten |= 1u << vcpu->id;
}

/* Of a driver a watchdog's handler walks them. */
static void timers_are_stopped_before_page_tables_go(void)
{
	struct domain *domain = given_other(7);

	forgotten = 0;
	fake_parts.event_steps = 1;
	CU_ASSERT_EQUAL(domain_destroy(domain), -ERESTART);
	CU_ASSERT_EQUAL(forgotten, 7);
	end(domain);
}

static void domain_zero_and_oneself_cannot_be_destroyed(void)
{
	struct domain *domain = given_other(7);

	CU_ASSERT_EQUAL(domain_destroy(domain_zero), -EINVAL);
	fake_run(domain->vcpu[0]);
	CU_ASSERT_EQUAL(domain_destroy(domain), -EINVAL);
	end(domain);
}

static void a_new_domain_waits_for_its_builder(void)
{
	struct domain *domain = given_other(7);

	CU_ASSERT_EQUAL(domain->pause_count, 1);
	CU_ASSERT(!domain->vcpu[0]->is_up && !domain->vcpu[0]->is_initialised);
	CU_ASSERT_EQUAL(domain->vcpu[2]->info->evtchn_upcall_mask, 1);
	domain_unpause(domain);
	CU_ASSERT_EQUAL(domain->pause_count, 0);
	end(domain);
}

static void a_crash_happens_once_and_stops_that_domain_alone(void)
{
	struct domain *domain = given_other(7);

	domain_crash(domain, "%s", "first");
	domain_crash(domain, "%s", "second");
	domain_shutdown(domain, SHUTDOWN_poweroff);
	CU_ASSERT(domain->is_shut_down);
	CU_ASSERT_EQUAL(domain->shutdown_reason, SHUTDOWN_crash);
	CU_ASSERT(strstr(fake.log, "domain 7 crashed: first") != NULL);
	CU_ASSERT(strstr(fake.log, "second") == NULL);
	CU_ASSERT(!domain_zero->is_shut_down);
	end(domain);
}

static void domain_ends_once_whatever_its_reason(void)
{
	struct domain *domain = given_other(7);

	domain_shutdown(domain, 0xff);
	CU_ASSERT(domain->is_shut_down);
	CU_ASSERT_EQUAL(domain->shutdown_reason, 0xff);
	domain_crash(domain, "%s", "after its end");
	domain_shutdown(domain, SHUTDOWN_poweroff);
	CU_ASSERT_EQUAL(domain->shutdown_reason, 0xff);
	CU_ASSERT(strstr(fake.log, "after its end") == NULL);
	end(domain);
}

static void the_end_of_domain_zero_is_the_end(void)
{
	bool died;

	given_zero();
	FAKE_DIES(died, domain_shutdown(domain_zero, SHUTDOWN_poweroff));
	CU_ASSERT(died);
	domain_zero->is_shut_down = false;
}

static void a_registered_info_page_is_let_go_at_the_end(void)
{
	struct domain *domain = given_other(7);
	struct frame *frame = &fake_part_frames[5];

	*frame = (struct frame){ .owner = 7, .count = 2, .type = (uint64_t)FRAME_WRITABLE << FRAME_TYPE_SHIFT | 1 };
	domain->vcpu[1]->info_frame = mfn(5);
	end(domain);
	CU_ASSERT_EQUAL(frame->count, 1);
	CU_ASSERT_EQUAL(frame->type, 0);
}

/* ---- a vcpu's registers ---- */

static struct vcpu_guest_context context;

/* As Linux fills it in for a new CPU. */
static struct vcpu *given_context(void)
{
	struct domain *domain = given_other(7);

	memset(&context, 0, sizeof(context));
	context.flags = VGCF_in_kernel;
	context.user_regs.rip = 0xffffffff81000000;
	context.user_regs.cs = 0x10;
	context.user_regs.ss = 0x18;
	context.user_regs.rflags = 0x1000;
	context.kernel_ss = 0x18;
	context.kernel_sp = 0xffff888000004000;
	context.event_callback_eip = 0xffffffff81000100;
	context.trap_ctxt[14] = (struct trap_info){ 14, 4, 0x10, 0xffffffff81000200 };
	context.gdt_ents = 16;
	context.ctrlreg[3] = 3 << 12;
	for (uint32_t i = 3; i < 6; i++)
		fake_part_frames[i] = (struct frame){ .owner = 7, .count = 1 };
	return domain->vcpu[1];
}

static bool nothing_is_held(void)
{
	for (uint32_t i = 3; i < 6; i++)
		if (fake_part_frames[i].count != 1 || fake_part_frames[i].type != 0)
			return false;
	return true;
}

#define REFUSED(change, error)								\
	do {										\
		struct vcpu *vcpu_ = given_context();					\
		change;									\
		CU_ASSERT_EQUAL(vcpu_set_context(vcpu_, &context), (error));		\
		CU_ASSERT(!vcpu_->is_initialised && !vcpu_->is_being_set);		\
		CU_ASSERT_EQUAL(vcpu_->regs.rip, 0);					\
		CU_ASSERT(nothing_is_held());						\
		end(vcpu_->domain);							\
	} while (0)

static void addresses_that_are_not_the_guests_are_refused(void)
{
	static const uint64_t addresses[] = { CORE_ADDRESS, NOT_CANONICAL, 0xffff87ffffffffff };

	for (uint32_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		REFUSED(context.user_regs.rip = addresses[i], -EINVAL);
		REFUSED(context.event_callback_eip = addresses[i], -EINVAL);
		REFUSED(context.failsafe_callback_eip = addresses[i], -EINVAL);
		REFUSED(context.syscall_callback_eip = addresses[i], -EINVAL);
		REFUSED(context.trap_ctxt[255].address = addresses[i], -EINVAL);
		REFUSED(context.fs_base = addresses[i], -EINVAL);
		REFUSED(context.gs_base_kernel = addresses[i], -EINVAL);
		REFUSED(context.gs_base_user = addresses[i], -EINVAL);
		REFUSED((context.ldt_ents = 1, context.ldt_base = addresses[i] & PAGE_MASK), -EINVAL);
	}
	REFUSED(context.kernel_sp = CORE_ADDRESS, -EINVAL);
}

static void tables_that_cannot_be_are_refused(void)
{
	REFUSED(context.gdt_ents = 7169, -EINVAL);
	REFUSED(context.gdt_ents = 1UL << 32, -EINVAL);
	REFUSED(context.gdt_frames[0] = UINT64_MAX, -EINVAL);
	REFUSED(context.ldt_ents = 8193, -EINVAL);
	REFUSED((context.ldt_ents = 1, context.ldt_base = 0x1008), -EINVAL);
	REFUSED(context.debugreg[7] = 1UL << 40, -EPERM);
}

static void base_pointers_that_are_not_the_guests_are_refused(void)
{
	REFUSED(context.ctrlreg[3] = 0, -EINVAL);
	REFUSED(context.ctrlreg[3] = 3 << 12 | 8, -EINVAL);
	REFUSED(context.ctrlreg[3] = 9 << 12, -EINVAL);
	REFUSED(context.ctrlreg[3] = UINT64_MAX << 12, -EINVAL);
	REFUSED(context.ctrlreg[1] = 9 << 12, -EINVAL);
	REFUSED((context.ctrlreg[1] = 4 << 12, context.ldt_base = 8), -EINVAL);
	REFUSED(context.flags = 0, -EINVAL);	/* user mode, no user tables */
	REFUSED(fake_parts.validate_steps = 1, -ERESTART);
}

/* Or a table would be validated, taken apart and validated again for ever. */
static void tables_that_are_validated_stay_so_while_there_is_more(void)
{
	struct vcpu *vcpu = given_context();

	context.ctrlreg[1] = 4 << 12;
	fake_parts.validate_after = 1;
	fake_parts.validate_steps = 1;
	CU_ASSERT_EQUAL(vcpu_set_context(vcpu, &context), -ERESTART);
	CU_ASSERT(!vcpu->is_initialised && !vcpu->is_being_set);
	CU_ASSERT_EQUAL(fake_part_frames[3].count, 2);
	CU_ASSERT_EQUAL(vcpu_set_context(vcpu, &context), 0);
	CU_ASSERT_EQUAL(fake_part_frames[3].count, 2);
	CU_ASSERT_EQUAL(fake_part_frames[4].count, 2);
	end(vcpu->domain);
}

static void a_vcpu_that_has_its_registers_is_not_changed(void)
{
	struct vcpu *vcpu = given_context();

	vcpu->is_being_set = true;
	CU_ASSERT_EQUAL(vcpu_set_context(vcpu, &context), -EBUSY);
	vcpu->is_being_set = false;
	CU_ASSERT_EQUAL(vcpu_set_context(vcpu, &context), 0);
	context.user_regs.rip += 16;
	CU_ASSERT_EQUAL(vcpu_set_context(vcpu, &context), -EEXIST);
	CU_ASSERT_EQUAL(vcpu->regs.rip, 0xffffffff81000000);
	end(vcpu->domain);
}

static void registers_never_give_the_cores_privilege(void)
{
	struct vcpu *vcpu = given_context();

	context.user_regs.cs = 0xe008;		/* the core's own selectors */
	context.user_regs.ss = 0xe010;
	context.kernel_ss = 0xe010;
	context.user_regs.rflags = UINT64_MAX;
	context.user_regs.entry_vector = 0x100;
	context.user_regs.error_code = 0xffff;
	CU_ASSERT_EQUAL(vcpu_set_context(vcpu, &context), 0);
	CU_ASSERT_EQUAL(vcpu->regs.cs & 3, 3);
	CU_ASSERT_EQUAL(vcpu->regs.ss & 3, 3);
	CU_ASSERT_EQUAL(vcpu->regs.rflags & 0x1a7228, 0x200);	/* IOPL, VM, VIF, NT, reserved: 0; IF: 1 */
	CU_ASSERT_EQUAL(vcpu->iopl, 3);
	CU_ASSERT_EQUAL(vcpu->regs.entry_vector, 0);
	CU_ASSERT_EQUAL(vcpu->regs.error_code, 0);
	end(vcpu->domain);
}

static void a_context_as_linux_fills_it_in_is_taken(void)
{
	struct vcpu *vcpu = given_context();

	context.ctrlreg[1] = 4 << 12;
	context.flags |= VGCF_i387_valid | VGCF_syscall_disables_events;
	CU_ASSERT_EQUAL(vcpu_set_context(vcpu, &context), 0);
	CU_ASSERT(vcpu->is_initialised && vcpu->in_kernel && !vcpu->is_being_set);
	CU_ASSERT_EQUAL(vcpu->table_kernel.raw, 3);
	CU_ASSERT_EQUAL(vcpu->table_user.raw, 4);
	CU_ASSERT_EQUAL(fake_part_frames[3].type & FRAME_TYPE_COUNT_MASK, 1);
	CU_ASSERT_EQUAL(vcpu->regs.rip, 0xffffffff81000000);
	CU_ASSERT_EQUAL(vcpu->regs.cs, 0x13);
	CU_ASSERT_EQUAL(vcpu->trap.entry[14].address, 0xffffffff81000200);
	CU_ASSERT_EQUAL(vcpu->trap.entry[14].cs, 0x13);
	CU_ASSERT_TRUE(vcpu->trap.callback[CALLBACKTYPE_syscall].masks_events);
	CU_ASSERT_FALSE(vcpu->trap.callback[CALLBACKTYPE_failsafe].masks_events);
	CU_ASSERT_EQUAL(fake_parts.fpu_sets, 1);
	CU_ASSERT_EQUAL(fake_part_frames[3].count, 2);
	CU_ASSERT_EQUAL(fake_part_frames[4].count, 2);
	end(vcpu->domain);
}

/* ---- hypercalls ---- */

static struct vcpu *given_caller(uint64_t number)
{
	struct vcpu *vcpu = given_zero()->vcpu[0];

	memset(&vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs.rax = number;
	vcpu->regs.rdi = 1;
	vcpu->regs.rsi = 2;
	vcpu->regs.rdx = 3;
	vcpu->regs.r10 = 4;
	vcpu->regs.r8 = 5;
	vcpu->regs.rip = 0x1000;
	return vcpu;
}

static void numbers_that_are_none_are_refused(void)
{
	static const uint64_t numbers[] = { 11, 16, 19, 27, 31, 34, 37, 38, 39, 40, 41, 42, 48, 55, 63, 64, 128,
					    UINT32_MAX, 1ULL << 32, UINT64_MAX };

	for (uint32_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct vcpu *vcpu = given_caller(numbers[i]);

		hypercall_dispatch(vcpu);
		CU_ASSERT_EQUAL((int64_t)vcpu->regs.rax, -ENOSYS);
		CU_ASSERT_EQUAL(vcpu->regs.rip, 0x1000);
		CU_ASSERT_EQUAL(fake_parts.calls, 0);
	}
}

static void words_and_result_go_where_the_abi_has_them(void)
{
	struct vcpu *vcpu = given_caller(__HYPERVISOR_mmu_update);
	uint64_t before = domain_zero->account.used[ACCOUNT_HYPERCALLS];

	fake_parts.result = -EFAULT;
	hypercall_dispatch(vcpu);
	CU_ASSERT_EQUAL(fake_parts.called, __HYPERVISOR_mmu_update);
	CU_ASSERT_EQUAL(fake_parts.first_word, 1);
	CU_ASSERT_EQUAL(fake_parts.last_word, 4);
	CU_ASSERT_EQUAL((int64_t)vcpu->regs.rax, -EFAULT);
	CU_ASSERT_EQUAL(domain_zero->account.used[ACCOUNT_HYPERCALLS], before + 1);
}

static void iret_restores_rax(void)
{
	struct vcpu *vcpu = given_caller(__HYPERVISOR_iret);

	hypercall_dispatch(vcpu);
	CU_ASSERT_EQUAL(vcpu->regs.rax, 0x1234);
}

static void a_continued_call_runs_its_instruction_again(void)
{
	struct vcpu *vcpu = given_caller(__HYPERVISOR_mmu_update);

	fake_parts.continues = true;
	hypercall_dispatch(vcpu);
	CU_ASSERT_EQUAL(vcpu->regs.rip, 0x1000 - 2);
	CU_ASSERT_EQUAL(vcpu->regs.rax, __HYPERVISOR_mmu_update);
	CU_ASSERT_EQUAL(vcpu->regs.rdi, 17);
	CU_ASSERT_EQUAL(vcpu->regs.rsi, 1);
	CU_ASSERT_EQUAL(vcpu->regs.rdx, 3);
	CU_ASSERT_EQUAL(vcpu->regs.r10, 4);

	vcpu->regs.rip += 2;
	hypercall_dispatch(vcpu);
	CU_ASSERT_EQUAL(vcpu->regs.rip, 0x1000);
	CU_ASSERT_EQUAL(vcpu->regs.rax, 0);
}

/* ---- multicall ---- */

static multicall_entry_t *given_calls(uint32_t count)
{
	multicall_entry_t *calls;

	given_zero();
	calls = fake_guest_memory(count * sizeof(*calls));
	for (uint32_t i = 0; i < count; i++) {
		calls[i].op = __HYPERVISOR_set_timer_op;
		calls[i].result = 99;
		calls[i].args[0] = i;
	}
	return calls;
}

static struct vcpu *given_multicall(const void *calls, uint64_t count)
{
	struct vcpu *vcpu = domain_zero->vcpu[0];

	memset(&vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs.rax = __HYPERVISOR_multicall;
	vcpu->regs.rdi = guest_address(calls);
	vcpu->regs.rsi = count;
	vcpu->regs.rip = 0x1000;
	return vcpu;
}

static void a_multicall_within_one_and_an_iret_are_refused(void)
{
	multicall_entry_t *calls = given_calls(2);

	calls[0].op = __HYPERVISOR_multicall;
	calls[1].op = __HYPERVISOR_iret;
	CU_ASSERT_EQUAL(do_multicall(guest_address(calls), 2), 0);
	CU_ASSERT_EQUAL((int64_t)calls[0].result, -EINVAL);
	CU_ASSERT_EQUAL((int64_t)calls[1].result, -ENOSYS);
	CU_ASSERT_EQUAL(fake_parts.calls, 0);
}

static void an_entry_that_cannot_be_read_stops_it(void)
{
	multicall_entry_t *calls = given_calls(3);

	fake.guest_fault_at = guest_address(&calls[1]) + 8;
	CU_ASSERT_EQUAL(do_multicall(guest_address(calls), 3), -EFAULT);
	CU_ASSERT_EQUAL(fake_parts.calls, 1);
	CU_ASSERT_EQUAL(calls[0].result, 0);
	CU_ASSERT_EQUAL(calls[2].result, 99);
	CU_ASSERT_PTR_NULL(domain_zero->vcpu[0]->multicall);
	CU_ASSERT_EQUAL(do_multicall(CORE_ADDRESS, 1), -EFAULT);
}

static void each_entry_has_its_own_result(void)		/* M1 */
{
	multicall_entry_t *calls = given_calls(4);

	calls[2].op = 63;
	fake_parts.result = 5;
	CU_ASSERT_EQUAL(do_multicall(guest_address(calls), 4), 0);
	CU_ASSERT_EQUAL(calls[0].result, 5);
	CU_ASSERT_EQUAL((int64_t)calls[2].result, -ENOSYS);
	CU_ASSERT_EQUAL(calls[3].result, 5);
	CU_ASSERT_EQUAL(fake_parts.calls, 3);
	CU_ASSERT_EQUAL(do_multicall(guest_address(calls), 0), 0);
}

static void a_preempted_multicall_goes_on_with_the_next_entry(void)
{
	multicall_entry_t *calls = given_calls(10);
	struct vcpu *vcpu = given_multicall(calls, 10);
	uint32_t rounds = 0;

	fake.preempt_every = 3;
	for (;;) {
		hypercall_dispatch(vcpu);
		rounds++;
		if (vcpu->regs.rip == 0x1000)
			break;
		CU_ASSERT_EQUAL_FATAL(vcpu->regs.rip, 0x1000 - 2);
		CU_ASSERT_EQUAL(vcpu->regs.rax, __HYPERVISOR_multicall);
		vcpu->regs.rip += 2;
	}
	CU_ASSERT_EQUAL(vcpu->regs.rax, 0);
	CU_ASSERT_EQUAL(rounds, 4);
	CU_ASSERT_EQUAL(fake_parts.calls, 10);
	CU_ASSERT_EQUAL(fake_parts.first_word, 9);
}

static void a_continued_entry_is_written_back(void)	/* M2 */
{
	multicall_entry_t *calls = given_calls(2);
	struct vcpu *vcpu = given_multicall(calls, 2);

	calls[0].op = __HYPERVISOR_mmu_update;
	calls[0].args[0] = 1000;
	calls[0].args[1] = 3;
	calls[0].args[3] = 7;
	fake_parts.continues = true;
	for (uint32_t left = 2; left > 0; left--) {
		hypercall_dispatch(vcpu);
		CU_ASSERT_EQUAL(vcpu->regs.rip, 0x1000 - 2);
		CU_ASSERT_EQUAL(vcpu->regs.rdi, guest_address(calls));
		CU_ASSERT_EQUAL(vcpu->regs.rsi, 2);
		CU_ASSERT_EQUAL(calls[0].op, __HYPERVISOR_mmu_update);
		CU_ASSERT_EQUAL(calls[0].args[1], left);
		CU_ASSERT_EQUAL(calls[0].args[3], 7);
		vcpu->regs.rip += 2;
	}
	hypercall_dispatch(vcpu);
	CU_ASSERT_EQUAL(vcpu->regs.rip, 0x1000);
	CU_ASSERT_EQUAL(calls[0].result, 0);
	CU_ASSERT_EQUAL(calls[1].result, 0);
	CU_ASSERT_EQUAL(fake_parts.calls, 4);
}

static void a_crash_ends_the_multicall(void)
{
	struct domain *domain = given_other(7);
	multicall_entry_t *calls = given_calls(3);

	calls[1].op = __HYPERVISOR_sched_op;
	fake_parts.sched_op_crashes = true;
	fake_run(domain->vcpu[0]);
	CU_ASSERT_EQUAL(do_multicall(guest_address(calls), 3), 0);
	CU_ASSERT_EQUAL(fake_parts.calls, 2);
	end(domain);
}

/* ---- the small ones ---- */

static void xen_version_says_4_17(void)
{
	struct xen_feature_info *features = GUEST_COPY(struct xen_feature_info, .submap_idx = 0);
	char *text = fake_guest_memory(1024);

	given_zero();
	CU_ASSERT_EQUAL(do_xen_version(XENVER_version, 0), 0x40011);
	CU_ASSERT_EQUAL(do_xen_version(11, 0), -ENOSYS);
	CU_ASSERT_EQUAL(do_xen_version(XENVER_build_id, 0), -ENODATA);
	CU_ASSERT_EQUAL(do_xen_version(XENVER_capabilities, CORE_ADDRESS), -EFAULT);
	CU_ASSERT_EQUAL(do_xen_version(XENVER_get_features, 8), -EFAULT);
	CU_ASSERT_EQUAL(do_xen_version(XENVER_pagesize, 0), 4096);
	memset(text, 'x', 1024);
	CU_ASSERT_EQUAL(do_xen_version(XENVER_capabilities, guest_address(text)), 0);
	CU_ASSERT_STRING_EQUAL(text, "xen-3.0-x86_64 ");
	CU_ASSERT_EQUAL(text[1023], 0);
	CU_ASSERT_EQUAL(do_xen_version(XENVER_platform_parameters, guest_address(text)), 0);
	CU_ASSERT_EQUAL(*(uint64_t *)text, 0xffff800000000000);
	CU_ASSERT_EQUAL(do_xen_version(XENVER_get_features, guest_address(features)), 0);
	CU_ASSERT(features->submap & 1U << XENFEAT_dom0);
	CU_ASSERT(features->submap & 1U << XENFEAT_mmu_pt_update_preserve_ad);
	features->submap_idx = 1;
	CU_ASSERT_EQUAL(do_xen_version(XENVER_get_features, guest_address(features)), -EINVAL);
}

static void only_domain_zero_sees_the_command_line(void)
{
	struct domain *domain = given_other(7);
	char *text = fake_guest_memory(1024);

	strcpy(boot_info.command_line, "console=com1");
	CU_ASSERT_EQUAL(do_xen_version(XENVER_commandline, guest_address(text)), 0);
	CU_ASSERT_STRING_EQUAL(text, "console=com1");
	fake_run(domain->vcpu[0]);
	CU_ASSERT_EQUAL(do_xen_version(XENVER_commandline, guest_address(text)), 0);
	CU_ASSERT_STRING_EQUAL(text, "<denied>");
	end(domain);
}

static void vm_assist_takes_what_there_is(void)
{
	given_zero();
	CU_ASSERT_EQUAL(do_vm_assist(VMASST_CMD_enable, 31), -EINVAL);
	CU_ASSERT_EQUAL(do_vm_assist(VMASST_CMD_enable, 64), -EINVAL);
	CU_ASSERT_EQUAL(do_vm_assist(2, VMASST_TYPE_writable_pagetables), -ENOSYS);
	CU_ASSERT_EQUAL(do_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
	CU_ASSERT_EQUAL(domain_zero->vm_assist, 1U << VMASST_TYPE_writable_pagetables);
	CU_ASSERT_EQUAL(do_vm_assist(VMASST_CMD_disable, VMASST_TYPE_writable_pagetables), 0);
	CU_ASSERT_EQUAL(domain_zero->vm_assist, 0);
	/* Linux asks for what only 32-bit guests have. */
	CU_ASSERT_EQUAL(do_vm_assist(VMASST_CMD_enable, VMASST_TYPE_4gb_segments), 0);
	CU_ASSERT_EQUAL(do_vm_assist(VMASST_CMD_enable, VMASST_TYPE_4gb_segments_notify), 0);
	CU_ASSERT_EQUAL(do_vm_assist(VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3), 0);
	/* A driver that is ready (R2 of reset/reset.h). */
	domain_zero->is_frozen = true;
	CU_ASSERT_EQUAL(do_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), -EPERM);
	domain_zero->is_frozen = false;
}

static void platform_op_is_domain_zeros(void)
{
	struct domain *domain = given_other(7);
	xen_platform_op_t *op = GUEST_COPY(xen_platform_op_t, .cmd = XENPF_settime64,
					   .interface_version = XENPF_INTERFACE_VERSION,
					   .u.settime64 = { .secs = 1700000000, .nsecs = 5 });

	fake_run(domain->vcpu[0]);
	CU_ASSERT_EQUAL(do_platform_op(guest_address(op)), -EPERM);
	fake_run(domain_zero->vcpu[0]);
	CU_ASSERT_EQUAL(do_platform_op(CORE_ADDRESS), -EFAULT);
	CU_ASSERT_EQUAL(do_platform_op(guest_address(op)), 0);
	CU_ASSERT_EQUAL(fake_parts.wall_clock_s, 1700000000);
	CU_ASSERT_EQUAL(fake_parts.wall_clock_ns, 5);
	op->u.settime64.nsecs = 1000000000;
	CU_ASSERT_EQUAL(do_platform_op(guest_address(op)), -EINVAL);
	op->u.settime64.nsecs = 0;
	op->u.settime64.mbz = 1;
	CU_ASSERT_EQUAL(do_platform_op(guest_address(op)), -EINVAL);
	op->interface_version++;
	CU_ASSERT_EQUAL(do_platform_op(guest_address(op)), -EACCES);
	op->interface_version--;
	op->cmd = XENPF_get_cpuinfo;
	op->u.pcpu_info.xen_cpuid = 1;
	CU_ASSERT_EQUAL(do_platform_op(guest_address(op)), 0);
	CU_ASSERT_EQUAL(op->u.pcpu_info.flags, XEN_PCPU_FLAGS_ONLINE);
	CU_ASSERT_EQUAL(op->u.pcpu_info.max_present, FAKE_CPUS - 1);
	op->u.pcpu_info.xen_cpuid = UINT32_MAX;
	CU_ASSERT_EQUAL(do_platform_op(guest_address(op)), -EINVAL);
	op->cmd = 9999;
	CU_ASSERT_EQUAL(do_platform_op(guest_address(op)), -ENOSYS);
	end(domain);
}

static const struct unit_case cases[] = {
	UNIT_CASE(a_domain_with_a_bad_number_is_refused),
	UNIT_CASE(a_creation_that_runs_out_of_memory_leaves_nothing),
	UNIT_CASE(ids_that_nobody_has_are_not_found),
	UNIT_CASE(a_dying_domain_is_not_found_and_not_freed_while_held),
	UNIT_CASE(ids_of_nobody_may_end),
	UNIT_CASE(a_domain_whose_last_frame_is_just_let_go_is_not_freed),
	UNIT_CASE(timers_are_stopped_before_page_tables_go),
	UNIT_CASE(domain_zero_and_oneself_cannot_be_destroyed),
	UNIT_CASE(a_new_domain_waits_for_its_builder),
	UNIT_CASE(a_crash_happens_once_and_stops_that_domain_alone),
	UNIT_CASE(domain_ends_once_whatever_its_reason),
	UNIT_CASE(the_end_of_domain_zero_is_the_end),
	UNIT_CASE(a_registered_info_page_is_let_go_at_the_end),
	UNIT_CASE(addresses_that_are_not_the_guests_are_refused),
	UNIT_CASE(tables_that_cannot_be_are_refused),
	UNIT_CASE(base_pointers_that_are_not_the_guests_are_refused),
	UNIT_CASE(tables_that_are_validated_stay_so_while_there_is_more),
	UNIT_CASE(a_vcpu_that_has_its_registers_is_not_changed),
	UNIT_CASE(registers_never_give_the_cores_privilege),
	UNIT_CASE(a_context_as_linux_fills_it_in_is_taken),
	UNIT_CASE(numbers_that_are_none_are_refused),
	UNIT_CASE(words_and_result_go_where_the_abi_has_them),
	UNIT_CASE(iret_restores_rax),
	UNIT_CASE(a_continued_call_runs_its_instruction_again),
	UNIT_CASE(a_multicall_within_one_and_an_iret_are_refused),
	UNIT_CASE(an_entry_that_cannot_be_read_stops_it),
	UNIT_CASE(each_entry_has_its_own_result),
	UNIT_CASE(a_preempted_multicall_goes_on_with_the_next_entry),
	UNIT_CASE(a_continued_entry_is_written_back),
	UNIT_CASE(a_crash_ends_the_multicall),
	UNIT_CASE(xen_version_says_4_17),
	UNIT_CASE(only_domain_zero_sees_the_command_line),
	UNIT_CASE(vm_assist_takes_what_there_is),
	UNIT_CASE(platform_op_is_domain_zeros),
};

int main(void)
{
	return unit_run("domains", cases, ARRAY_SIZE(cases));
}
