/* SPDX-License-Identifier: MIT */
/* domctl and sysctl: how Domain-0 makes, sees and ends the others. What must be refused first. */
#include "unit.h"

#include <string.h>

#include <control.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/sysctl.h>

#include "cpu/directmap.h"
#include "domain/domctl.h"
#include "domain_parts.h"
#include "grant/table.h"
#include "include/errno.h"
#include "mem/alloc.h"
#include "mem/frame.h"
#include "mem/pagelist.h"
#include "memory_guest.h"
#include "memory_oracle.h"
#include "sched/queue.h"
#include "tables.h"

#define FREE_VA(i)	(0x200000UL + (i) * PAGE_SIZE)
#define OTHER		5

static void all_is_counted(void)
{
	const char *wrong = memory_oracle_complaint();

	if (wrong)
		fprintf(stderr, "  %s\n", wrong);
	CU_ASSERT_PTR_NULL(wrong);
}

/* Domain-0 and another, which is as its builder left it; Domain-0 runs. */
static struct memory_guest given_other(void)
{
	struct memory_guest zero = given_guest(0), other = given_guest(OTHER);

	fake_switch_to(zero.domain->vcpu[0]);
	return other;
}

static struct xen_domctl *given_op(uint32_t command, domid_t id)
{
	return GUEST_COPY(struct xen_domctl, .cmd = command, .domain = id,
			  .interface_version = XEN_DOMCTL_INTERFACE_VERSION);
}

static long run(struct xen_domctl *op) { return guest_call(__HYPERVISOR_domctl, guest_address(op), 0, 0, 0); }
static long domctl(uint32_t command, domid_t id) { return run(given_op(command, id)); }

static struct xen_sysctl *given_sysctl(uint32_t command)
{
	return GUEST_COPY(struct xen_sysctl, .cmd = command, .interface_version = XEN_SYSCTL_INTERFACE_VERSION);
}

static long run_sysctl(struct xen_sysctl *op) { return guest_call(__HYPERVISOR_sysctl, guest_address(op), 0, 0, 0); }

static struct xen_domctl_getdomaininfo info_of(domid_t id)
{
	struct xen_domctl *op = given_op(XEN_DOMCTL_getdomaininfo, id);

	CU_ASSERT_EQUAL(run(op), 0);
	return op->u.getdomaininfo;
}

/* ---- who, and how ---- */

static void others_have_no_control(void)
{
	given_other();
	given_guest(6);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_getdomaininfo, 6), -EPERM);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_destroydomain, OTHER), -EPERM);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_domctl, 8, 0, 0, 0), -EPERM);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_sysctl, 8, 0, 0, 0), -EPERM);
	CU_ASSERT(!domain_find(OTHER)->is_dying);
}

static void other_versions_and_bad_pointers_are_refused(void)
{
	struct xen_domctl *op = given_op(XEN_DOMCTL_destroydomain, OTHER);
	struct xen_sysctl *sys = given_sysctl(XEN_SYSCTL_physinfo);

	given_other();
	op = given_op(XEN_DOMCTL_destroydomain, OTHER);
	op->interface_version--;
	CU_ASSERT_EQUAL(run(op), -EACCES);
	sys = given_sysctl(XEN_SYSCTL_physinfo);
	sys->interface_version++;
	CU_ASSERT_EQUAL(run_sysctl(sys), -EACCES);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_domctl, 8, 0, 0, 0), -EFAULT);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_sysctl, UINT64_MAX - 8, 0, 0, 0), -EFAULT);
	CU_ASSERT(!domain_find(OTHER)->is_dying);
	for (uint32_t command = 1; command < 100; command++)
		CU_ASSERT(domctl(command, OTHER + 1) == -ESRCH || command == XEN_DOMCTL_createdomain ||
			  command == XEN_DOMCTL_test_assign_device);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_shadow_op, OTHER), -ENOSYS);
	CU_ASSERT_EQUAL(domctl(0x534b0000, OTHER), -ENOSYS);
	CU_ASSERT_EQUAL(run_sysctl(given_sysctl(0)), -ENOSYS);
}

/* ---- making ---- */

static struct xen_domctl *given_creation(domid_t id)
{
	struct xen_domctl *op = given_op(XEN_DOMCTL_createdomain, id);

	op->u.createdomain.max_vcpus = 2;
	op->u.createdomain.grant_opts = 1;
	memset(op->u.createdomain.handle, 0x5a, sizeof(op->u.createdomain.handle));
	return op;
}

#define REFUSED_CREATION(field, value)			\
	do {						\
		struct xen_domctl *op = given_creation(0);	\
		op->u.createdomain.field = (value);	\
		CU_ASSERT_EQUAL(run(op), -EINVAL);	\
	} while (0)

static void what_cannot_be_is_not_made(void)
{
	uint64_t free;

	given_guest(0);
	free = frames_free();
	REFUSED_CREATION(flags, XEN_DOMCTL_CDF_hvm);
	REFUSED_CREATION(flags, XEN_DOMCTL_CDF_iommu);
	REFUSED_CREATION(flags, 1U << 31);
	REFUSED_CREATION(iommu_opts, 1);
	REFUSED_CREATION(vmtrace_size, 4096);
	REFUSED_CREATION(cpupool_id, 1);
	REFUSED_CREATION(max_vcpus, 0);
	REFUSED_CREATION(max_vcpus, MAX_VCPUS + 1);
	REFUSED_CREATION(grant_opts, 3);
	REFUSED_CREATION(arch.emulation_flags, XEN_X86_EMU_LAPIC);
	REFUSED_CREATION(arch.misc_flags, 1U << 31);
	CU_ASSERT_EQUAL(run(given_creation(MAX_DOMAINS)), -EINVAL);
	CU_ASSERT_EQUAL(frames_free(), free);
	all_is_counted();
}

static void an_id_is_given_in_turn_or_as_asked(void)
{
	struct xen_domctl *first = (given_guest(0), given_creation(0)), *second = given_creation(DOMID_INVALID);

	CU_ASSERT_EQUAL(run(first), 0);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_destroydomain, first->domain), 0);
	CU_ASSERT_EQUAL(run(second), 0);
	CU_ASSERT_EQUAL(second->domain, first->domain + 1);
	CU_ASSERT_EQUAL(run(given_creation(second->domain)), -EEXIST);
	CU_ASSERT_EQUAL(run(given_creation(1234)), 0);
	CU_ASSERT_EQUAL(info_of(1234).handle[3], 0x5a);
	CU_ASSERT_EQUAL(info_of(1234).max_vcpu_id, 1);
	CU_ASSERT_EQUAL(info_of(1234).flags, XEN_DOMINF_paused | XEN_DOMINF_blocked);
	CU_ASSERT(!domain_find(1234)->is_privileged);
	all_is_counted();
}

static void creation_without_memory_leaves_nothing(void)
{
	uint64_t free;

	given_guest(0);
	CU_ASSERT_EQUAL(run(given_creation(9)), 0);	/* the heap keeps a page of what it was once asked for */
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_destroydomain, 9), 0);
	free = frames_free();
	for (uint32_t i = 1; i < 12; i++) {
		struct xen_domctl *op = given_creation(0);
		long error;

		fake_parts.fail_after = i;
		error = run(op);
		fake_parts.fail_after = 0;
		CU_ASSERT(error == 0 || error == -ENOMEM);
		if (error == 0)
			CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_destroydomain, op->domain), 0);
	}
	CU_ASSERT_EQUAL(frames_free(), free);
	all_is_counted();
}

static void limits_of_memory_and_vcpus(void)
{
	struct xen_domctl *op;

	given_other();
	op = given_op(XEN_DOMCTL_max_mem, OTHER);
	op->u.max_mem.max_memkb = 100 * 4 + 3;
	CU_ASSERT_EQUAL(run(op), 0);
	CU_ASSERT_EQUAL(info_of(OTHER).max_pages, 100);
	op = given_op(XEN_DOMCTL_max_vcpus, OTHER);
	op->u.max_vcpus.max = 3;
	CU_ASSERT_EQUAL(run(op), -EINVAL);
	op->u.max_vcpus.max = 2;
	CU_ASSERT_EQUAL(run(op), 0);
}

/* ---- seeing ---- */

static void the_next_domain_is_told_of(void)
{
	given_other();
	CU_ASSERT_EQUAL(info_of(1).domain, OTHER);
	CU_ASSERT_EQUAL(info_of(OTHER).tot_pages, GUEST_PAGES);
	CU_ASSERT_EQUAL(info_of(OTHER).shared_info_frame, virt_to_mfn(domain_find(OTHER)->shared_info).raw);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_getdomaininfo, OTHER + 1), -ESRCH);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_getdomaininfo, DOMID_SELF), -ESRCH);
}

static void flags_say_how_it_is(void)
{
	struct domain *domain = given_other().domain;

	domain->pause_count = 0;
	domain->vcpu[0]->is_up = true;
	CU_ASSERT_EQUAL(info_of(OTHER).flags & (XEN_DOMINF_paused | XEN_DOMINF_blocked), 0);
	domain->vcpu[0]->sched.is_blocked = true;
	domain->vcpu[1]->is_up = false;
	CU_ASSERT_EQUAL(info_of(OTHER).flags & 0xff, XEN_DOMINF_blocked);
	CU_ASSERT_EQUAL(info_of(OTHER).nr_online_vcpus, 1);
	domain_shutdown(domain, SHUTDOWN_reboot);
	CU_ASSERT_EQUAL(info_of(OTHER).flags & ~0xfbU, XEN_DOMINF_shutdown | SHUTDOWN_reboot << XEN_DOMINF_shutdownshift);
}

static void frames_say_what_they_are(void)
{
	struct memory_guest other = given_other();
	uint64_t free = frames_free();
	xen_pfn_t *list = fake_guest_memory(6 * sizeof(*list));
	struct xen_domctl *op = given_op(XEN_DOMCTL_getpageframeinfo3, OTHER);

	list[0] = other.page[L4_KERNEL];
	list[1] = other.page[L2];
	list[2] = other.page[DATA];
	list[3] = virt_to_mfn(other.domain->shared_info).raw;
	list[4] = UINT64_MAX;
	list[5] = 0x77;
	set_xen_guest_handle(op->u.getpageframeinfo3.array, list);
	op->u.getpageframeinfo3.num = 5;
	CU_ASSERT_EQUAL(run(op), 0);
	CU_ASSERT_EQUAL(list[0], XEN_DOMCTL_PFINFO_L4TAB | XEN_DOMCTL_PFINFO_LPINTAB);
	CU_ASSERT_EQUAL(list[1], XEN_DOMCTL_PFINFO_L2TAB);
	CU_ASSERT_EQUAL(list[2], XEN_DOMCTL_PFINFO_NOTAB);
	CU_ASSERT_EQUAL(list[3], XEN_DOMCTL_PFINFO_XTAB);
	CU_ASSERT_EQUAL(list[4], XEN_DOMCTL_PFINFO_XTAB);
	CU_ASSERT_EQUAL(list[5], 0x77);
	op->u.getpageframeinfo3.num = 1ULL << 32;
	CU_ASSERT_EQUAL(run(op), -E2BIG);
	op->u.getpageframeinfo3.num = 1;
	op->u.getpageframeinfo3.array.p = (xen_pfn_t *)8;
	CU_ASSERT_EQUAL(run(op), -EFAULT);
	CU_ASSERT_EQUAL(frames_free(), free);
	all_is_counted();
}

/* ---- pausing, resuming ---- */

static void pauses_count(void)
{
	struct domain *domain = given_other().domain;
	uint32_t before = domain->pause_count;

	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_pausedomain, 0), -EINVAL);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_unpausedomain, 0), -EINVAL);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_pausedomain, OTHER), 0);
	CU_ASSERT_EQUAL(domain->pause_count, before + 1);
	for (uint32_t i = 0; i <= before; i++)
		CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_unpausedomain, OTHER), 0);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_unpausedomain, OTHER), -EINVAL);
	CU_ASSERT_EQUAL(domain->pause_count, 0);
}

static void only_what_is_shut_down_and_whole_is_resumed(void)
{
	struct domain *domain = given_other().domain;

	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_resumedomain, OTHER), -EINVAL);
	domain_shutdown(domain, SHUTDOWN_suspend);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_resumedomain, OTHER), 0);
	CU_ASSERT(!domain->is_shut_down && domain->shutdown_reason == SHUTDOWN_NONE);
	domain_crash(domain, "on purpose");
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_resumedomain, OTHER), -EINVAL);
	CU_ASSERT_EQUAL(info_of(OTHER).flags >> XEN_DOMINF_shutdownshift, SHUTDOWN_crash);
}

/* ---- registers ---- */

static struct xen_domctl *given_context_op(uint32_t command, uint32_t vcpu, vcpu_guest_context_t *context)
{
	struct xen_domctl *op = given_op(command, OTHER);

	op->u.vcpucontext.vcpu = vcpu;
	set_xen_guest_handle(op->u.vcpucontext.ctxt, context);
	return op;
}

static void registers_of_oneself_or_nobody_are_refused(void)
{
	struct vcpu *vcpu = given_other().domain->vcpu[1];
	vcpu_guest_context_t *context;
	struct xen_domctl *op;

	vcpu->is_initialised = false;
	context = fake_guest_memory(sizeof(*context));
	CU_ASSERT_EQUAL(run(given_context_op(XEN_DOMCTL_setvcpucontext, 2, context)), -EINVAL);
	CU_ASSERT_EQUAL(run(given_context_op(XEN_DOMCTL_getvcpucontext, UINT32_MAX, context)), -EINVAL);
	CU_ASSERT_EQUAL(run(given_context_op(XEN_DOMCTL_getvcpucontext, 1, context)), -ENODATA);
	CU_ASSERT_EQUAL(run(given_context_op(XEN_DOMCTL_setvcpucontext, 1, (vcpu_guest_context_t *)8)), -EFAULT);
	CU_ASSERT_EQUAL(run(given_context_op(XEN_DOMCTL_setvcpucontext, 1, context)), -EINVAL);	/* no tables */
	op = given_context_op(XEN_DOMCTL_setvcpucontext, 0, context);
	op->domain = 0;
	CU_ASSERT_EQUAL(run(op), -EINVAL);
	all_is_counted();
}

static void registers_are_given_once_and_come_back_the_same(void)
{
	vcpu_guest_context_t *context, *seen;
	struct memory_guest other = given_other();
	struct vcpu *vcpu = other.domain->vcpu[1];

	context = fake_guest_memory(sizeof(*context));
	seen = fake_guest_memory(sizeof(*seen));
	vcpu->is_up = vcpu->is_initialised = false;
	context->flags = VGCF_in_kernel | VGCF_online | VGCF_i387_valid | VGCF_syscall_disables_events;
	context->user_regs.rip = 0xffffffff81000000;
	context->user_regs.rbx = 0x1234;
	context->user_regs.rflags = 3UL << 12;
	context->kernel_sp = 0x5000;
	context->event_callback_eip = 0x6000;
	context->trap_ctxt[14] = (struct trap_info){ .vector = 14, .cs = FLAT_KERNEL_CS, .address = 0x7000 };
	context->ctrlreg[3] = other.page[L4_KERNEL] << PAGE_SHIFT;
	context->ctrlreg[1] = other.page[L4_USER] << PAGE_SHIFT;
	context->gs_base_kernel = 0x8000;
	CU_ASSERT_EQUAL(run(given_context_op(XEN_DOMCTL_setvcpucontext, 1, context)), 0);
	CU_ASSERT(vcpu->is_up && vcpu->is_initialised);
	all_is_counted();
	CU_ASSERT_EQUAL(run(given_context_op(XEN_DOMCTL_setvcpucontext, 1, context)), -EEXIST);
	CU_ASSERT_EQUAL(run(given_context_op(XEN_DOMCTL_getvcpucontext, 1, seen)), 0);
	CU_ASSERT_EQUAL(seen->flags, context->flags);
	CU_ASSERT_EQUAL(seen->user_regs.rip, context->user_regs.rip);
	CU_ASSERT_EQUAL(seen->user_regs.rbx, 0x1234);
	CU_ASSERT_EQUAL(seen->user_regs.rflags >> 12 & 3, 3);
	CU_ASSERT_EQUAL(seen->kernel_sp, 0x5000);
	CU_ASSERT_EQUAL(seen->event_callback_eip, 0x6000);
	CU_ASSERT_EQUAL(seen->trap_ctxt[14].address, 0x7000);
	CU_ASSERT_EQUAL(seen->ctrlreg[1], context->ctrlreg[1]);
	CU_ASSERT_EQUAL(seen->ctrlreg[3], context->ctrlreg[3]);
	CU_ASSERT_EQUAL(seen->gs_base_kernel, 0x8000);
	CU_ASSERT_EQUAL(other.domain->pause_count, info_of(OTHER).flags & XEN_DOMINF_paused ? 1 : 0);
}

/* A driver that is ready and paused gets its registers, and nothing else of what is written there. */
static void registers_of_a_ready_driver_can_be_changed_while_it_is_paused(void)
{
	vcpu_guest_context_t *context;
	struct memory_guest other = given_other();
	struct vcpu *vcpu = other.domain->vcpu[0];
	uint64_t table = vcpu->table_kernel.raw;
	struct xen_domctl *op;

	context = fake_guest_memory(sizeof(*context));
	vcpu->is_initialised = true;
	context->user_regs.rip = 0xffffffff80100000;
	context->user_regs.rbx = 0x1234;
	context->user_regs.cs = 0x10;
	context->user_regs.rflags = 0x3000 | 1UL << 17;
	op = given_context_op(XEN_DOMCTL_setvcpucontext, 0, context);
	CU_ASSERT_EQUAL(run(op), -EEXIST);
	other.domain->is_frozen = true;
	other.domain->pause_count = 0;
	CU_ASSERT_EQUAL(run(op), -EBUSY);
	other.domain->pause_count = 1;
	context->user_regs.rip = 0x8000000000000000;
	CU_ASSERT_EQUAL(run(op), -EINVAL);
	context->user_regs.rip = 0xffffffff80100000;
	CU_ASSERT_NOT_EQUAL(vcpu->regs.rbx, 0x1234);
	CU_ASSERT_EQUAL(run(op), 0);
	CU_ASSERT_EQUAL(vcpu->regs.rip, context->user_regs.rip);
	CU_ASSERT_EQUAL(vcpu->regs.rbx, 0x1234);
	CU_ASSERT_EQUAL(vcpu->regs.cs, 0x13);
	CU_ASSERT_EQUAL(vcpu->regs.rflags, 0x202);
	CU_ASSERT_EQUAL(vcpu->table_kernel.raw, table);
	other.domain->is_frozen = false;
	all_is_counted();
}

/* ---- where a vcpu runs ---- */

static long affinity(uint32_t command, uint32_t flags, uint8_t *cpus, uint32_t bits)
{
	struct xen_domctl *op = given_op(command, OTHER);

	op->u.vcpuaffinity.flags = flags;
	set_xen_guest_handle(op->u.vcpuaffinity.cpumap_hard.bitmap, cpus);
	set_xen_guest_handle(op->u.vcpuaffinity.cpumap_soft.bitmap, cpus);
	op->u.vcpuaffinity.cpumap_hard.nr_bits = op->u.vcpuaffinity.cpumap_soft.nr_bits = bits;
	return run(op);
}

static void a_vcpu_is_kept_on_cpus_that_are_there(void)
{
	struct vcpu *vcpu = given_other().domain->vcpu[0];
	uint8_t *cpus = fake_guest_memory(64);

	CU_ASSERT_EQUAL(affinity(XEN_DOMCTL_setvcpuaffinity, 0, cpus, 64), -EINVAL);
	CU_ASSERT_EQUAL(affinity(XEN_DOMCTL_setvcpuaffinity, 4, cpus, 64), -EINVAL);
	CU_ASSERT_EQUAL(affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD, cpus, 64), -EINVAL);
	CU_ASSERT_EQUAL(affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD, cpus, 0), -EINVAL);
	CU_ASSERT_EQUAL(affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD, (uint8_t *)8, 64), -EFAULT);
	cpus[7] = 0x80;
	CU_ASSERT_EQUAL(affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD, cpus, 64), -EINVAL);
	CU_ASSERT_EQUAL(vcpu->affinity, UINT64_MAX);

	cpus[0] = 0xfe;
	CU_ASSERT_EQUAL(affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD, cpus, 2), 0);
	CU_ASSERT_EQUAL(vcpu->affinity, 2);
	CU_ASSERT_EQUAL(cpus[0], 2);
	CU_ASSERT_EQUAL(cpus[7], 0x80);		/* beyond what it said */
}

static void a_set_of_cpus_fills_its_room_and_no_more(void)
{
	uint8_t *cpus = (given_other(), fake_guest_memory(64));

	memset(cpus, 0x77, 64);
	CU_ASSERT_EQUAL(affinity(XEN_DOMCTL_getvcpuaffinity, XEN_VCPUAFFINITY_SOFT, cpus, 9), 0);
	CU_ASSERT_EQUAL(cpus[1], 0xff);
	CU_ASSERT_EQUAL(cpus[2], 0x77);
	CU_ASSERT_EQUAL(affinity(XEN_DOMCTL_getvcpuaffinity, XEN_VCPUAFFINITY_HARD, cpus, 128), 0);
	CU_ASSERT_EQUAL(cpus[7], 0xff);
	CU_ASSERT_EQUAL(cpus[8], 0);
	CU_ASSERT_EQUAL(cpus[15], 0);
	CU_ASSERT_EQUAL(cpus[16], 0x77);
	CU_ASSERT_EQUAL(affinity(XEN_DOMCTL_getvcpuaffinity, XEN_VCPUAFFINITY_HARD, (uint8_t *)8, 0), 0);
	CU_ASSERT_EQUAL(affinity(XEN_DOMCTL_getvcpuaffinity, XEN_VCPUAFFINITY_HARD, (uint8_t *)8, UINT32_MAX), 0);
	CU_ASSERT_EQUAL(affinity(XEN_DOMCTL_getvcpuaffinity, XEN_VCPUAFFINITY_HARD, (uint8_t *)8, 1), -EFAULT);
}

static void a_vcpu_tells_how_it_is(void)
{
	struct vcpu *vcpu = given_other().domain->vcpu[1];
	struct xen_domctl *op = given_op(XEN_DOMCTL_getvcpuinfo, OTHER);

	vcpu->is_up = true;
	vcpu->sched.is_blocked = true;
	vcpu->cpu = cpu_by_id[1];
	vcpu->sched.time_in_state[RUNSTATE_running] = 77;
	op->u.getvcpuinfo.vcpu = 1;
	CU_ASSERT_EQUAL(run(op), 0);
	CU_ASSERT_EQUAL(op->u.getvcpuinfo.online, 1);
	CU_ASSERT_EQUAL(op->u.getvcpuinfo.blocked, 1);
	CU_ASSERT_EQUAL(op->u.getvcpuinfo.running, 0);
	CU_ASSERT_EQUAL(op->u.getvcpuinfo.cpu, 1);
	CU_ASSERT_EQUAL(op->u.getvcpuinfo.cpu_time, 77);
	op->u.getvcpuinfo.vcpu = 2;
	CU_ASSERT_EQUAL(run(op), -EINVAL);
}

/* ---- the rest of a domain ---- */

static void a_time_offset_is_kept(void)
{
	struct domain *domain = given_other().domain;
	struct xen_domctl *op = given_op(XEN_DOMCTL_settimeoffset, OTHER);

	op->u.settimeoffset.time_offset_seconds = -3600;
	CU_ASSERT_EQUAL(run(op), 0);
	CU_ASSERT_EQUAL(domain->time_offset_s, -3600);
}

static void our_own_commands_read_and_set(void)
{
	struct domain *domain = given_other().domain;
	struct xen_domctl *op = given_op(SKINK_DOMCTL_sched, OTHER);
	struct skink_domctl_sched *sched = (void *)op->u.pad;
	struct skink_domctl_account *account;

	*sched = (struct skink_domctl_sched){ .set = 1 };
	CU_ASSERT_EQUAL(run(op), -EINVAL);	/* no weight */
	*sched = (struct skink_domctl_sched){ .set = 1, .weight = 7, .cap_percent = 8, .warp_us = 9, .warp_limit_us = 10 };
	CU_ASSERT_EQUAL(run(op), 0);
	op = given_op(SKINK_DOMCTL_sched, OTHER);
	sched = (void *)op->u.pad;
	CU_ASSERT_EQUAL(run(op), 0);
	CU_ASSERT(sched->weight == 7 && sched->cap_percent == 8 && sched->warp_us == 9 && sched->warp_limit_us == 10);

	op = given_op(SKINK_DOMCTL_account, OTHER);
	account = (void *)op->u.pad;
	domain->account.used[ACCOUNT_GRANT_MAPS] = 5;
	account->limit[SKINK_ACCOUNT_GRANT_COPIES] = 6;
	CU_ASSERT_EQUAL(run(op), 0);
	CU_ASSERT_EQUAL(account->used[SKINK_ACCOUNT_GRANT_MAPS], 5);
	CU_ASSERT_EQUAL(account->limit[SKINK_ACCOUNT_GRANT_COPIES], 0);
	account->set = 1;
	account->limit[SKINK_ACCOUNT_GRANT_COPIES] = 6;
	CU_ASSERT_EQUAL(run(op), 0);
	CU_ASSERT_EQUAL(domain->account.limit[ACCOUNT_GRANT_COPIES], 6);
	CU_ASSERT_EQUAL(fake_parts.account_refreshes, 1);
	domain->account.limit[ACCOUNT_GRANT_COPIES] = 0;
}

/* ---- the end ---- */

static void the_first_domain_is_not_ended(void)
{
	given_other();
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_destroydomain, 0), -EINVAL);
	CU_ASSERT(!domain_zero->is_dying);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_destroydomain, 1), -ESRCH);	/* not the next one */
	CU_ASSERT(!domain_find(OTHER)->is_dying);
}

/* Wherever it is stopped, the one who sees a domain sees a dying one, and it ends. */
static void an_end_in_pieces_is_an_end(void)
{
	for (uint32_t every = 1; every < 12; every++) {
		fake_reset();
		given_other();
		fake.preempt_every = every;
		CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_destroydomain, OTHER), 0);
		CU_ASSERT_PTR_NULL(domain_find(OTHER));
		all_is_counted();
	}
}

static long map_foreign(uint32_t at, uint64_t number)
{
	return guest_call(__HYPERVISOR_update_va_mapping_otherdomain, FREE_VA(at), pte(number, WRITABLE), 0, OTHER);
}

static void a_dying_domain_lasts_as_long_as_its_frames(void)	/* D1 */
{
	struct memory_guest other = given_other();

	for (uint32_t i = DATA; i < GUEST_PAGES; i++)
		CU_ASSERT_EQUAL(map_foreign(i, other.page[i]), 0);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_destroydomain, OTHER), 0);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_destroydomain, OTHER), 0);
	CU_ASSERT_EQUAL(info_of(OTHER).flags & XEN_DOMINF_dying, XEN_DOMINF_dying);
	CU_ASSERT_EQUAL(info_of(OTHER).tot_pages, GUEST_PAGES - DATA);
	CU_ASSERT_EQUAL(run(given_creation(OTHER)), -EEXIST);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_pausedomain, OTHER), -ESRCH);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_max_mem, OTHER), -ESRCH);
	CU_ASSERT_EQUAL(map_foreign(0, other.page[DATA]), -ESRCH);
	all_is_counted();
	for (uint32_t i = DATA; i < GUEST_PAGES; i++) {
		CU_ASSERT_PTR_NOT_NULL(domain_find(OTHER));
		CU_ASSERT_EQUAL(guest_maps(FREE_VA(i), 0), 0);
	}
	fake_run_softirqs();
	CU_ASSERT_PTR_NULL(domain_find(OTHER));
	all_is_counted();
}

static void a_shared_page_keeps_its_domain(void)		/* D1 */
{
	struct memory_guest other = given_other();
	uint64_t shared = virt_to_mfn(other.domain->shared_info).raw;

	CU_ASSERT_EQUAL(map_foreign(0, shared), 0);
	CU_ASSERT_EQUAL(map_foreign(1, virt_to_mfn(other.domain->grants->shared[0]).raw), 0);
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_destroydomain, OTHER), 0);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(1), 0), 0);
	fake_run_softirqs();
	CU_ASSERT_PTR_NOT_NULL(domain_find(OTHER));
	CU_ASSERT_EQUAL(info_of(OTHER).tot_pages, 0);
	all_is_counted();
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), 0), 0);
	fake_run_softirqs();
	CU_ASSERT_PTR_NULL(domain_find(OTHER));
	all_is_counted();
}

static void frames_that_others_hold_are_looked_at_once(void)
{
	struct memory_guest other = given_other();
	struct frame *held = frame_get(mfn(other.page[DATA]), other.domain), *next;

	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_destroydomain, OTHER), 0);
	CU_ASSERT_EQUAL(other.domain->page_list, FRAME_LINK_NONE);
	CU_ASSERT_EQUAL(other.domain->page_list_kept, other.page[DATA]);
	CU_ASSERT_FALSE(page_list_keep_next(other.domain, &next));
	frame_put(held);
	fake_run_softirqs();
	CU_ASSERT_PTR_NULL(domain_find(OTHER));
	all_is_counted();
}

static uint32_t frames_to_look_at(const struct domain *domain)
{
	uint32_t count = 0;

	for (uint32_t i = domain->page_list; i != FRAME_LINK_NONE; i = frame_of(mfn(i))->next)
		count++;
	return count;
}

/* Dom0 holds what the domain has given up: that is no reason to look at all of it at once. */
static void a_domain_that_gave_much_up_ends_a_piece_at_a_time(void)
{
	struct memory_guest other = given_other();
	struct frame *held[200];
	uint32_t before;
	int error;

	for (uint32_t i = 0; i < ARRAY_SIZE(held); i++) {
		mfn_t number;

		CU_ASSERT_EQUAL_FATAL(frame_alloc_for(other.domain, 0, 0, &number), 0);
		held[i] = frame_get(number, other.domain);
		CU_ASSERT(frame_give_up(held[i]));
	}
	fake.preempt_every = 1;
	do {
		before = frames_to_look_at(other.domain);
		error = domain_destroy(other.domain);
		CU_ASSERT(before - frames_to_look_at(other.domain) <= 64);
		fake_deferred_steps(current_vcpu(), UINT32_MAX);
	} while (error == -ERESTART);
	fake.preempt_every = 0;
	CU_ASSERT_EQUAL(error, 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(held); i++)
		frame_put(held[i]);
	fake_run_softirqs();
	CU_ASSERT_PTR_NULL(domain_find(OTHER));
	all_is_counted();
}

/* A frame that is on its way when the domain begins to die keeps it until it has come, and is freed then. */
static void a_dying_domain_gets_no_frame(void)			/* D2 */
{
	struct memory_guest other = given_other();
	struct domain_locked locked;
	struct frame *stolen;
	uint64_t free;
	mfn_t number;

	CU_ASSERT(page_list_reserve(other.domain, 1));
	CU_ASSERT_EQUAL(domctl(XEN_DOMCTL_destroydomain, OTHER), 0);
	CU_ASSERT_PTR_EQUAL_FATAL(domain_find(OTHER), other.domain);
	CU_ASSERT_EQUAL(frame_alloc_for(other.domain, 0, 0, &number), -ENOMEM);
	CU_ASSERT_EQUAL_FATAL(frame_alloc_for(domain_zero, 0, 0, &number), 0);
	free = frames_free();
	locked = domain_lock(domain_zero);
	CU_ASSERT_EQUAL(frame_steal(locked, number, &stolen), 0);
	domain_unlock(locked);
	page_list_unreserve(domain_zero, 1);
	page_list_add(other.domain, stolen);
	CU_ASSERT_EQUAL(frames_free(), free + 1);
	fake_run_softirqs();
	CU_ASSERT_PTR_NULL(domain_find(OTHER));
	all_is_counted();
}

/* ---- grant tables of others ---- */

static struct xen_mem_acquire_resource *given_resource(uint32_t count, uint64_t *list)
{
	struct xen_mem_acquire_resource *op = GUEST_COPY(struct xen_mem_acquire_resource, .domid = OTHER,
							 .type = XENMEM_resource_grant_table, .nr_frames = count);

	set_xen_guest_handle(op->frame_list, list);
	return op;
}

static long acquire(struct xen_mem_acquire_resource *op)
{
	return guest_call(__HYPERVISOR_memory_op, XENMEM_acquire_resource, guest_address(op), 0, 0);
}

#define REFUSED_RESOURCE(field, value, error)					\
	do {									\
		struct xen_mem_acquire_resource *op = given_resource(1, list);	\
		op->field = (value);						\
		CU_ASSERT_EQUAL(acquire(op), (error));				\
	} while (0)

static void a_grant_table_is_shown_to_its_builder(void)
{
	struct domain *other = given_other().domain;
	uint64_t *list = fake_guest_memory((GRANT_FRAMES_MAX + 1) * sizeof(*list));
	struct xen_mem_acquire_resource *size = given_resource(0, NULL);

	REFUSED_RESOURCE(type, XENMEM_resource_ioreq_server, -EOPNOTSUPP);
	REFUSED_RESOURCE(id, XENMEM_resource_grant_table_id_status, -EOPNOTSUPP);
	REFUSED_RESOURCE(pad, 1, -EINVAL);
	REFUSED_RESOURCE(domid, OTHER + 1, -ESRCH);
	REFUSED_RESOURCE(frame, GRANT_FRAMES_MAX, -EINVAL);
	REFUSED_RESOURCE(frame, UINT64_MAX, -EINVAL);
	REFUSED_RESOURCE(frame, 1UL << 32, -EINVAL);
	CU_ASSERT_EQUAL(acquire(given_resource(GRANT_FRAMES_MAX + 1, list)), -EINVAL);
	CU_ASSERT_EQUAL(acquire(given_resource(1, NULL)), -EINVAL);
	CU_ASSERT_EQUAL(acquire(given_resource(1, (uint64_t *)8)), -EFAULT);
	CU_ASSERT_EQUAL(acquire(size), 0);
	CU_ASSERT_EQUAL(size->nr_frames, GRANT_FRAMES_MAX);
	CU_ASSERT_EQUAL(acquire(given_resource(2, list)), 0);
	CU_ASSERT_EQUAL(list[1], virt_to_mfn(other->grants->shared[1]).raw);
	given_guest(6);
	CU_ASSERT_EQUAL(acquire(given_resource(1, list)), -EPERM);
	REFUSED_RESOURCE(domid, DOMID_SELF, -EPERM);
	all_is_counted();
}

/* ---- the machine ---- */

static void the_log_is_read_from_a_place_on(void)
{
	struct xen_sysctl *op;
	char *text;

	given_guest(0);
	text = fake_guest_memory(64);
	fake.log_length = 0;
	strcpy(fake.log, "said before");
	fake.log_length = strlen(fake.log);
	op = given_sysctl(XEN_SYSCTL_readconsole);
	set_xen_guest_handle(op->u.readconsole.buffer, text);
	op->u.readconsole.count = 4;
	CU_ASSERT_EQUAL(run_sysctl(op), 0);
	CU_ASSERT_EQUAL(op->u.readconsole.count, 4);
	CU_ASSERT_EQUAL(op->u.readconsole.index, 4);
	CU_ASSERT_STRING_EQUAL(text, "said");
	op->u.readconsole.incremental = op->u.readconsole.clear = 1;
	op->u.readconsole.count = 64;
	CU_ASSERT_EQUAL(run_sysctl(op), 0);
	CU_ASSERT_STRING_EQUAL(text, " before");
	CU_ASSERT_EQUAL(fake.log_length, 0);
	strcpy(fake.log, "more");
	fake.log_length = 4;
	op->u.readconsole.buffer.p = (char *)8;
	op->u.readconsole.index = 0;
	CU_ASSERT_EQUAL(run_sysctl(op), -EFAULT);
}

static void domains_are_listed_from_one_on(void)
{
	struct xen_sysctl *op;
	xen_domctl_getdomaininfo_t *list;

	given_other();
	list = fake_guest_memory(3 * sizeof(*list));
	op = given_sysctl(XEN_SYSCTL_getdomaininfolist);
	set_xen_guest_handle(op->u.getdomaininfolist.buffer, list);
	op->u.getdomaininfolist.max_domains = 3;
	CU_ASSERT_EQUAL(run_sysctl(op), 0);
	CU_ASSERT_EQUAL(op->u.getdomaininfolist.num_domains, 2);
	CU_ASSERT_EQUAL(list[1].domain, OTHER);
	op->u.getdomaininfolist.max_domains = 1;
	CU_ASSERT_EQUAL(run_sysctl(op), 0);
	CU_ASSERT_EQUAL(op->u.getdomaininfolist.num_domains, 1);
	op->u.getdomaininfolist.first_domain = DOMID_INVALID;
	CU_ASSERT_EQUAL(run_sysctl(op), 0);
	CU_ASSERT_EQUAL(op->u.getdomaininfolist.num_domains, 0);
	op->u.getdomaininfolist.first_domain = 0;
	op->u.getdomaininfolist.buffer.p = (xen_domctl_getdomaininfo_t *)8;
	CU_ASSERT_EQUAL(run_sysctl(op), -EFAULT);
}

static void the_machine_is_told_of(void)
{
	struct xen_sysctl *op;

	given_guest(0);
	op = given_sysctl(XEN_SYSCTL_physinfo);
	CU_ASSERT_EQUAL(run_sysctl(op), 0);
	CU_ASSERT_EQUAL(op->u.physinfo.nr_cpus, cpu_count);
	CU_ASSERT_EQUAL(op->u.physinfo.free_pages, frames_free());
	CU_ASSERT_EQUAL(op->u.physinfo.total_pages, frames_total());
	CU_ASSERT_EQUAL(op->u.physinfo.max_mfn, frame_limit - 1);
}

static void the_pool_is_one(void)
{
	struct xen_sysctl *op = (given_other(), given_sysctl(XEN_SYSCTL_cpupool_op));

	op->u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_CREATE;
	CU_ASSERT_EQUAL(run_sysctl(op), -EOPNOTSUPP);
	op->u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
	op->u.cpupool_op.cpupool_id = 1;
	CU_ASSERT_EQUAL(run_sysctl(op), -ENOENT);
	op->u.cpupool_op.cpupool_id = XEN_SYSCTL_CPUPOOL_PAR_ANY;
	CU_ASSERT_EQUAL(run_sysctl(op), 0);
	CU_ASSERT_EQUAL(op->u.cpupool_op.cpupool_id, 0);
	CU_ASSERT_EQUAL(op->u.cpupool_op.n_dom, 2);
}

static const struct unit_case cases[] = {
	UNIT_CASE(others_have_no_control),
	UNIT_CASE(other_versions_and_bad_pointers_are_refused),
	UNIT_CASE(what_cannot_be_is_not_made),
	UNIT_CASE(an_id_is_given_in_turn_or_as_asked),
	UNIT_CASE(creation_without_memory_leaves_nothing),
	UNIT_CASE(limits_of_memory_and_vcpus),
	UNIT_CASE(the_next_domain_is_told_of),
	UNIT_CASE(flags_say_how_it_is),
	UNIT_CASE(frames_say_what_they_are),
	UNIT_CASE(pauses_count),
	UNIT_CASE(only_what_is_shut_down_and_whole_is_resumed),
	UNIT_CASE(registers_of_oneself_or_nobody_are_refused),
	UNIT_CASE(registers_are_given_once_and_come_back_the_same),
	UNIT_CASE(registers_of_a_ready_driver_can_be_changed_while_it_is_paused),
	UNIT_CASE(a_vcpu_is_kept_on_cpus_that_are_there),
	UNIT_CASE(a_set_of_cpus_fills_its_room_and_no_more),
	UNIT_CASE(a_vcpu_tells_how_it_is),
	UNIT_CASE(a_time_offset_is_kept),
	UNIT_CASE(our_own_commands_read_and_set),
	UNIT_CASE(the_first_domain_is_not_ended),
	UNIT_CASE(an_end_in_pieces_is_an_end),
	UNIT_CASE(a_dying_domain_lasts_as_long_as_its_frames),
	UNIT_CASE(a_shared_page_keeps_its_domain),
	UNIT_CASE(frames_that_others_hold_are_looked_at_once),
	UNIT_CASE(a_domain_that_gave_much_up_ends_a_piece_at_a_time),
	UNIT_CASE(a_dying_domain_gets_no_frame),
	UNIT_CASE(a_grant_table_is_shown_to_its_builder),
	UNIT_CASE(the_log_is_read_from_a_place_on),
	UNIT_CASE(domains_are_listed_from_one_on),
	UNIT_CASE(the_machine_is_told_of),
	UNIT_CASE(the_pool_is_one),
};

int main(void)
{
	return unit_run("domctl", cases, ARRAY_SIZE(cases));
}
