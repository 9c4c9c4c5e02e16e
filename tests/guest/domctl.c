/* SPDX-License-Identifier: MIT */
/*
 * Domain control: this kernel as Domain-0 builds a second domain of itself, works with it, and ends it.
 *
 * MODULE: domctl
 * QEMU: -m 512 -smp 2
 */
#include "tap.h"

#include "builder.h"
#include "control.h"
#include "runtime/events.h"
#include "runtime/grants.h"
#include "runtime/time.h"

#define VIEW 0x6000400000UL
#define ROUNDS 100
#define SECOND 1000000000UL
#define NOBODY 77

static struct child child;
static unsigned long free_before;

/* ---- what the child does when it is asked ---- */

enum { ASK_ECHO, ASK_FORBIDDEN, ASK_LEND, ASK_ACCEPT, ASK_ACCEPTED, ASK_SUSPEND, ASK_BUSY, ASK_CRASH };

static uint64_t *lent;

/* How many of those that are Domain-0's alone were refused. */
static int64_t try_forbidden(void)
{
	struct xen_sysctl machine = { 0 };
	struct xen_domctl info = { 0 };
	struct sched_remote_shutdown end = { 0, SHUTDOWN_crash };
	struct gnttab_query_size size = { .dom = 0 };
	struct mmu_update update = { 0 };

	grant_op(GNTTABOP_query_size, &size, 1);
	return (domctl(XEN_DOMCTL_getdomaininfo, 0, &info) == -XEN_EPERM) +
	       (domctl_plain(XEN_DOMCTL_destroydomain, 0) == -XEN_EPERM) +
	       (sysctl(XEN_SYSCTL_physinfo, &machine) == -XEN_EPERM) +
	       (hypercall(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, &end) < 0) +
	       (hypercall(__HYPERVISOR_mmu_update, &update, 1, NULL, 0) == -XEN_EPERM) +
	       (size.status == GNTST_permission_denied);
}

static int64_t lend(void)
{
	if (!lent) {
		ASSERT(grant_init(1) == 0);
		lent = page_alloc();
	}
	*lent = 0x1e47;
	return (int64_t)grant_lend(0, lent, 0);
}

static int64_t accept(void)
{
	lend();
	grant_set(100, GTF_accept_transfer, 0, CHILD_PAGES);
	return 100;
}

/* What stands in the frame that came. */
static int64_t accepted(void)
{
	uint16_t done = GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed;

	if (grant_entries[100].flags != done || mfn_to_pfn(grant_entries[100].frame) != CHILD_PAGES ||
	    memory_map(VIEW, (uint64_t)grant_entries[100].frame << 12 | PTE_KERNEL))
		return -1;
	return *(volatile int64_t *)VIEW;
}

/* Does everything at once, until it is ended. */
static void __attribute__((noreturn)) be_busy(void)
{
	grant_ref_t gref = (grant_ref_t)lend();
	struct gnttab_copy copy = { .len = PAGE_SIZE, .flags = GNTCOPY_dest_gref };
	evtchn_port_t port;

	copy.source.domid = DOMID_SELF;
	copy.dest.u.ref = gref;
	copy.dest.domid = DOMID_SELF;
	for (;;) {
		void *page = page_alloc();

		copy.source.u.gmfn = virt_to_mfn(page);
		event_send((evtchn_port_t)boot_info->store_evtchn);
		if (event_alloc(0, &port) == 0)
			event_close(port);
		grant_op(GNTTABOP_copy, &copy, 1);
		memory_map(VIEW, virt_to_mfn(page) << 12 | PTE_KERNEL);
		memory_map(VIEW, 0);
		memory_protect(page, PTE_KERNEL_RO);
		memory_ext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(page));
		memory_ext(MMUEXT_UNPIN_TABLE, virt_to_mfn(page));
		memory_protect(page, PTE_KERNEL);
		page_free(page);
		time_set_timer(time_now_ns() + 1000);
	}
}

/* It has nothing that would take the trap: the hypervisor ends it. */
static void __attribute__((noreturn)) crash(void)
{
	printf("these are its last words\n");
	hypercall(__HYPERVISOR_set_trap_table, 0);
	for (;;)
		__asm__ volatile("ud2");
}

static int64_t answer(uint32_t what, const uint64_t *argument)
{
	struct sched_shutdown suspend = { SHUTDOWN_suspend };

	switch (what) {
	case ASK_ECHO:		return (int64_t)argument[0] + 1;
	case ASK_FORBIDDEN:	return try_forbidden();
	case ASK_LEND:		return lend();
	case ASK_ACCEPT:	return accept();
	case ASK_ACCEPTED:	return accepted();
	case ASK_SUSPEND:	return hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &suspend);
	case ASK_BUSY:		be_busy();
	default:		crash();
	}
}

/* ---- refused, and nothing has changed ---- */

static void other_versions_are_refused(void)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo, .interface_version = 0x14 };
	struct xen_sysctl sys = { .cmd = XEN_SYSCTL_physinfo, .interface_version = 0x14 };

	check_equal(hypercall(__HYPERVISOR_domctl, &op), -XEN_EACCES);
	check_equal(hypercall(__HYPERVISOR_sysctl, &sys), -XEN_EACCES);
	check_equal(hypercall(__HYPERVISOR_domctl, 8), -XEN_EFAULT);
	check_equal(hypercall(__HYPERVISOR_sysctl, 8), -XEN_EFAULT);
}

static void domain_that_is_not_there_is_esrch(void)
{
	static const uint32_t commands[] = {
		XEN_DOMCTL_destroydomain, XEN_DOMCTL_pausedomain, XEN_DOMCTL_unpausedomain, XEN_DOMCTL_getdomaininfo,
		XEN_DOMCTL_max_mem, XEN_DOMCTL_max_vcpus, XEN_DOMCTL_setvcpucontext, XEN_DOMCTL_getvcpucontext,
		XEN_DOMCTL_getvcpuinfo, XEN_DOMCTL_resumedomain, XEN_DOMCTL_settimeoffset,
	};

	for (unsigned int i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		check_that(domctl_plain(commands[i], NOBODY) == -XEN_ESRCH, "command %u", commands[i]);
		check_that(domctl_plain(commands[i], 0x7000) == -XEN_ESRCH, "command %u", commands[i]);
	}
}

static long create(uint32_t flags, uint32_t vcpus, domid_t id)
{
	struct xen_domctl op = { .u.createdomain = { .flags = flags, .max_vcpus = vcpus, .max_evtchn_port = 1023,
						     .max_grant_frames = 4, .max_maptrack_frames = 4,
						     .grant_opts = XEN_DOMCTL_GRANT_version(1) } };
	long error = domctl(XEN_DOMCTL_createdomain, id, &op);

	if (!error)
		domctl_plain(XEN_DOMCTL_destroydomain, op.domain);
	return error;
}

static void domain_that_cannot_be_is_not_made(void)
{
	check(create(XEN_DOMCTL_CDF_hvm, 1, 0) < 0);
	check_equal(create(1U << 31, 1, 0), -XEN_EINVAL);
	check_equal(create(0, 0, 0), -XEN_EINVAL);
	check(create(0, 100000, 0) < 0);
	check_equal(frames_free(), free_before);
}

static void id_may_be_asked_for(void)
{
	struct xen_domctl op = { 0 };

	check_equal(create(0, 1, 55), 0);
	check_equal(domctl(XEN_DOMCTL_createdomain, 0, &op), -XEN_EINVAL);
}

static void first_domain_is_not_ended_or_paused(void)
{
	check_equal(domctl_plain(XEN_DOMCTL_destroydomain, 0), -XEN_EINVAL);
	check_equal(domctl_plain(XEN_DOMCTL_pausedomain, 0), -XEN_EINVAL);
}

/* ---- building ---- */

static void new_domain_is_as_it_was_asked_for(void)
{
	struct xen_domctl op = { 0 };
	struct xen_domctl_getdomaininfo *info = &op.u.getdomaininfo;

	check_equal(child_create(&child), 0);
	check_equal(domctl(XEN_DOMCTL_getdomaininfo, child.id, &op), 0);
	check_equal(info->domain, child.id);
	check_equal(info->flags & (XEN_DOMINF_paused | XEN_DOMINF_dying | XEN_DOMINF_shutdown), XEN_DOMINF_paused);
	check_equal(info->tot_pages, CHILD_PAGES);
	check_equal(info->max_pages, CHILD_PAGES);
	check_equal(info->max_vcpu_id, 0);
	check_equal(info->nr_online_vcpus, 0);
	check_equal(info->handle[15], 0xaf);
	check(mfn_to_pfn(child.mfn[17]) == 17);
}

static void limit_of_memory_holds(void)
{
	xen_pfn_t pfn = CHILD_PAGES;
	struct xen_memory_reservation more = { .nr_extents = 1, .domid = child.id };

	set_xen_guest_handle(more.extent_start, &pfn);
	check_equal(hypercall(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &more), 0);
	check_equal(hypercall(__HYPERVISOR_memory_op, XENMEM_maximum_reservation, &child.id), CHILD_PAGES);
	check_equal(hypercall(__HYPERVISOR_memory_op, XENMEM_current_reservation, &child.id), CHILD_PAGES);
}

static long set_context(uint64_t rip, uint64_t cr3)
{
	static struct vcpu_guest_context context;
	struct xen_domctl op = { 0 };

	memset(&context, 0, sizeof(context));
	context.flags = VGCF_in_kernel | VGCF_online;
	context.user_regs.rip = rip;
	context.ctrlreg[3] = cr3;
	set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
	return domctl(XEN_DOMCTL_setvcpucontext, child.id, &op);
}

static void registers_that_cannot_be_are_refused(void)
{
	struct xen_domctl op = { .u.vcpucontext.vcpu = 5 };

	check(set_context(0x800000000000, child.mfn[3] << 12) < 0 || !on_skink());
	check(set_context(0xffffffff80100000, virt_to_mfn(&child) << 12) < 0);
	check(set_context(0xffffffff80100000, 0) < 0);
	check_equal(domctl(XEN_DOMCTL_setvcpucontext, child.id, &op), -XEN_EINVAL);
	op.u.vcpucontext.vcpu = 0;
	check_equal(domctl(XEN_DOMCTL_getvcpucontext, child.id, &op), -XEN_ENODATA);
}

static void frames_are_mapped_by_their_owners_name_alone(void)
{
	check_equal(others_map(child.id, VIEW, child.mfn[9] << 12 | PTE_KERNEL), 0);
	check_equal(*(volatile uint64_t *)VIEW, 0);
	*(volatile uint64_t *)VIEW = 9;
	check_equal(others_map(child.id, VIEW, child.mfn[10] << 12 | PTE_KERNEL_RO), 0);
	check_equal(others_map(child.id, VIEW, child.mfn[9] << 12 | PTE_KERNEL_RO), 0);
	check_equal(*(volatile uint64_t *)VIEW, 9);
	check(others_map(child.id, VIEW, virt_to_mfn(&child) << 12 | PTE_KERNEL) < 0);
	check(others_map(DOMID_SELF, VIEW, child.mfn[9] << 12 | PTE_KERNEL) < 0);
	check_equal(others_map(NOBODY, VIEW, child.mfn[9] << 12 | PTE_KERNEL), -XEN_ESRCH);
	check_equal(others_map(child.id, VIEW, 0), 0);
}

static void domain_that_was_built_runs(void)
{
	check_equal(child_load(&child), 0);
	check_equal(child_set_context(&child), 0);
	check_equal(child_connect(&child), 0);
	check(others_map(child.id, VIEW, child.mfn[child.table_pfn] << 12 | PTE_KERNEL) < 0);
	check_equal(others_map(child.id, VIEW, child.mfn[child.table_pfn] << 12 | PTE_KERNEL_RO), 0);
	check_equal(others_map(child.id, VIEW, 0), 0);
	check_equal(domctl_plain(XEN_DOMCTL_unpausedomain, child.id), 0);
	check_equal(domctl_plain(XEN_DOMCTL_unpausedomain, child.id), -XEN_EINVAL);
	check_equal(child_call(&child, ASK_ECHO, 41, 0), 42);
}

/* ---- two domains ---- */

static void events_go_to_and_fro(void)
{
	unsigned int right = 0;

	for (unsigned int i = 0; i < 500; i++)
		right += child_call(&child, ASK_ECHO, i, 0) == i + 1;
	check_equal(right, 500);
}

static void other_domains_have_no_control(void)
{
	check_equal(child_call(&child, ASK_FORBIDDEN, 0, 0), 6);
}

static void paused_domain_stands_still(void)
{
	struct xen_domctl op = { 0 };

	check_equal(domctl_plain(XEN_DOMCTL_pausedomain, child.id), 0);
	check_equal(domctl_plain(XEN_DOMCTL_pausedomain, child.id), 0);
	child_ask(&child, ASK_ECHO, 1, 0);
	time_sleep_ns(SECOND / 20);
	check_equal(child.mailbox->is_asked, 1);
	check_equal(domctl(XEN_DOMCTL_getdomaininfo, child.id, &op), 0);
	check(op.u.getdomaininfo.flags & XEN_DOMINF_paused);
	check_equal(domctl_plain(XEN_DOMCTL_unpausedomain, child.id), 0);
	time_sleep_ns(SECOND / 20);
	check_equal(child.mailbox->is_asked, 1);
	check_equal(domctl_plain(XEN_DOMCTL_unpausedomain, child.id), 0);
	check_equal(child_wait(&child), 2);
}

static uint32_t cpu_count(void)
{
	struct xen_sysctl op = { 0 };

	ASSERT(sysctl(XEN_SYSCTL_physinfo, &op) == 0);
	return op.u.physinfo.nr_cpus;
}

static void vcpu_can_be_looked_at(void)
{
	static struct vcpu_guest_context context;
	struct xen_domctl op = { 0 };

	set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
	check_equal(domctl(XEN_DOMCTL_getvcpucontext, child.id, &op), 0);
	check_equal(context.ctrlreg[3], child.mfn[child.table_pfn] << 12);
	check(context.user_regs.rip >= 0xffffffff80100000 && context.user_regs.rip < 0xffffffff80400000);
	check(context.user_regs.rsp > 0xffffffff80100000 && context.flags & VGCF_in_kernel);
	check_equal(context.event_callback_eip, trap_entries[TRAP_UPCALL]);
	check_equal(context.trap_ctxt[14].address, trap_entries[TRAP_PAGE_FAULT]);
	op = (struct xen_domctl){ 0 };
	check_equal(domctl(XEN_DOMCTL_getvcpuinfo, child.id, &op), 0);
	check_equal(op.u.getvcpuinfo.online, 1);
	check(op.u.getvcpuinfo.cpu < cpu_count());
	check(op.u.getvcpuinfo.cpu_time > 0);
	op.u.getvcpuinfo.vcpu = 1;
	check_equal(domctl(XEN_DOMCTL_getvcpuinfo, child.id, &op), -XEN_EINVAL);
}

static long affinity(uint32_t command, uint32_t flags, uint8_t *cpus, uint32_t bits)
{
	struct xen_domctl op = { .u.vcpuaffinity = { .flags = flags } };

	set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, cpus);
	op.u.vcpuaffinity.cpumap_hard.nr_bits = bits;
	set_xen_guest_handle(op.u.vcpuaffinity.cpumap_soft.bitmap, cpus);
	op.u.vcpuaffinity.cpumap_soft.nr_bits = bits;
	return domctl(command, child.id, &op);
}

static void vcpu_runs_where_it_is_told(void)
{
	uint8_t cpus[16] = { 0 };

	check_equal(affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD, cpus, 64), -XEN_EINVAL);
	cpus[0] = 0x80;
	check_equal(affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD, cpus, 64), -XEN_EINVAL);
	cpus[0] = 0x81;
	check_equal(affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD, cpus, 64), 0);
	check_equal(cpus[0], 1);
	cpus[0] = 0;
	cpus[15] = 0xff;
	check_equal(affinity(XEN_DOMCTL_getvcpuaffinity, XEN_VCPUAFFINITY_HARD, cpus, 128), 0);
	check_equal(cpus[0] & 1, 1);
	check_equal(cpus[15], 0);
	check_equal(child_call(&child, ASK_ECHO, 1, 0), 2);
}

static void frames_are_told_by_what_they_are(void)
{
	xen_pfn_t frames[4] = { child.mfn[child.table_pfn], child.mfn[child.table_pfn + 3], child.mfn[3],
				virt_to_mfn(&child) };
	struct xen_domctl op = { .u.getpageframeinfo3.num = 4 };

	set_xen_guest_handle(op.u.getpageframeinfo3.array, frames);
	check_equal(domctl(XEN_DOMCTL_getpageframeinfo3, child.id, &op), 0);
	check_equal(frames[0], XEN_DOMCTL_PFINFO_L4TAB | XEN_DOMCTL_PFINFO_LPINTAB);
	check_equal(frames[1], XEN_DOMCTL_PFINFO_L1TAB);
	check_equal(frames[2], XEN_DOMCTL_PFINFO_NOTAB);
	check_equal(frames[3], XEN_DOMCTL_PFINFO_XTAB);
	op.u.getpageframeinfo3.num = 1025;
	check_equal(domctl(XEN_DOMCTL_getpageframeinfo3, child.id, &op), -XEN_E2BIG);
}

static void page_that_is_lent_is_mapped_and_copied(void)
{
	grant_ref_t gref = (grant_ref_t)child_call(&child, ASK_LEND, 0, 0);
	uint64_t *page = page_alloc();
	struct gnttab_copy copy = { .len = PAGE_SIZE, .flags = GNTCOPY_source_gref };
	grant_handle_t handle;

	check_equal(memory_map(VIEW, 0), 0);
	check_equal(grant_map(VIEW, GNTMAP_host_map, gref, child.id, &handle), GNTST_okay);
	check_equal(*(volatile uint64_t *)VIEW, 0x1e47);
	*(volatile uint64_t *)VIEW = 0x1e48;
	check_equal(grant_unmap(VIEW, handle), GNTST_okay);
	copy.source.u.ref = gref;
	copy.source.domid = child.id;
	copy.dest.u.gmfn = virt_to_mfn(page);
	copy.dest.domid = DOMID_SELF;
	check_equal(grant_op(GNTTABOP_copy, &copy, 1), 0);
	check_equal(copy.status, GNTST_okay);
	check_equal(*page, 0x1e48);
	page_free(page);
}

static void set_max_pages(unsigned long pages)
{
	struct xen_domctl op = { .u.max_mem.max_memkb = pages * 4 };

	check_equal(domctl(XEN_DOMCTL_max_mem, child.id, &op), 0);
}

static int transfer(grant_ref_t gref, unsigned long mfn)
{
	struct gnttab_transfer give = { .mfn = mfn, .domid = child.id, .ref = gref };

	check_equal(grant_op(GNTTABOP_transfer, &give, 1), 0);
	return give.status;
}

/* The frame is mapped by nobody when it goes; the giver gets another one for it. */
static void page_can_be_given_away(void)
{
	uint64_t *page = page_alloc();
	unsigned long mfn = virt_to_mfn(page), pfn = virt_to_pfn(page);
	struct xen_memory_reservation again = { .nr_extents = 1, .domid = DOMID_SELF };
	grant_ref_t gref = (grant_ref_t)child_call(&child, ASK_ACCEPT, 0, 0);

	*page = 0x9174;
	check(transfer(gref, mfn) != GNTST_okay);
	check_equal(memory_protect(page, 0), 0);
	/* It may not have that many. Xen takes the page all the same. */
	check(!on_skink() || transfer(gref, mfn) != GNTST_okay);
	set_max_pages(CHILD_PAGES + 1);
	check_equal(transfer(gref, mfn), GNTST_okay);
	check_equal(child_call(&child, ASK_ACCEPTED, 0, 0), 0x9174);
	set_xen_guest_handle(again.extent_start, &pfn);
	check_equal(hypercall(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &again), 1);
	memory_p2m[virt_to_pfn(page)] = pfn;
	check_equal(memory_protect(page, PTE_KERNEL), 0);
	page_free(page);
}

static void grant_table_of_the_child_can_be_mapped(void)
{
	xen_pfn_t frame = 0;
	struct xen_mem_acquire_resource resource = { .domid = child.id, .type = XENMEM_resource_grant_table };

	check_equal(hypercall(__HYPERVISOR_memory_op, XENMEM_acquire_resource, &resource), 0);
	check(resource.nr_frames >= 1);
	resource.nr_frames = 1;
	set_xen_guest_handle(resource.frame_list, &frame);
	check_equal(hypercall(__HYPERVISOR_memory_op, XENMEM_acquire_resource, &resource), 0);
	check_equal(others_map(child.id, VIEW, frame << 12 | PTE_KERNEL), 0);
	check_equal(((struct grant_entry_v1 *)VIEW)[100].flags & GTF_type_mask, GTF_accept_transfer);
	check_equal(others_map(child.id, VIEW, 0), 0);
	resource.type = 99;
	check_equal(hypercall(__HYPERVISOR_memory_op, XENMEM_acquire_resource, &resource), -XEN_EOPNOTSUPP);
	resource.domid = NOBODY;
	check_equal(hypercall(__HYPERVISOR_memory_op, XENMEM_acquire_resource, &resource), -XEN_ESRCH);
}

/* ---- what only Skink has ---- */

static void scheduling_can_be_set(void)
{
	struct xen_domctl op = { 0 };
	struct skink_domctl_sched *sched = (void *)op.u.pad;

	if (!on_skink())
		return skip("Skink's own");
	check_equal(domctl(SKINK_DOMCTL_sched, child.id, &op), 0);
	check_equal(sched->weight, 256);
	*sched = (struct skink_domctl_sched){ .set = 1, .weight = 0 };
	check_equal(domctl(SKINK_DOMCTL_sched, child.id, &op), -XEN_EINVAL);
	*sched = (struct skink_domctl_sched){ .set = 1, .weight = 512, .cap_percent = 50, .warp_us = 100 };
	check_equal(domctl(SKINK_DOMCTL_sched, child.id, &op), 0);
	*sched = (struct skink_domctl_sched){ 0 };
	check_equal(domctl(SKINK_DOMCTL_sched, child.id, &op), 0);
	check_equal(sched->weight, 512);
	check_equal(sched->cap_percent, 50);
	check_equal(sched->warp_us, 100);
}

static void use_is_counted(void)
{
	struct xen_domctl op = { 0 };
	struct skink_domctl_account *account = (void *)op.u.pad;
	uint64_t before;

	if (!on_skink())
		return skip("Skink's own");
	check_equal(domctl(SKINK_DOMCTL_account, child.id, &op), 0);
	before = account->used[SKINK_ACCOUNT_EVENTS_SENT];
	check(before >= 500 && account->used[SKINK_ACCOUNT_HYPERCALLS] > before);
	check_equal(account->limit[SKINK_ACCOUNT_EVENTS_SENT], 0);
	account->set = 1;
	account->limit[SKINK_ACCOUNT_EVENTS_SENT] = 1000;
	check_equal(domctl(SKINK_DOMCTL_account, child.id, &op), 0);
	check_equal(child_call(&child, ASK_ECHO, 1, 0), 2);
	op = (struct xen_domctl){ 0 };
	check_equal(domctl(SKINK_DOMCTL_account, child.id, &op), 0);
	check_equal(account->limit[SKINK_ACCOUNT_EVENTS_SENT], 1000);
	check_equal(account->used[SKINK_ACCOUNT_EVENTS_SENT], before + 1);
}

/* A segment's base and the kernel's stack, which need no C in the core, and what is counted of them. */
static void ours_are_counted(uint64_t limit, uint64_t stack)
{
	struct xen_domctl op = { 0 };
	struct skink_domctl_account *account = (void *)op.u.pad;
	uint64_t before;

	account->set = 1;
	account->limit[SKINK_ACCOUNT_HYPERCALLS] = limit;
	check_equal(domctl(SKINK_DOMCTL_account, 0, &op), 0);
	op = (struct xen_domctl){ 0 };
	check_equal(domctl(SKINK_DOMCTL_account, 0, &op), 0);
	check_equal(account->limit[SKINK_ACCOUNT_HYPERCALLS], limit);
	before = account->used[SKINK_ACCOUNT_HYPERCALLS];
	for (unsigned int i = 0; i < 10; i++) {
		check_equal(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_FS, 0), 0);
		check_equal(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0x7ff8), 0);
		check_equal(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_FS, 0x900000000000), -XEN_EINVAL);
		check_equal(hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, stack), 0);
	}
	op = (struct xen_domctl){ 0 };
	check_equal(domctl(SKINK_DOMCTL_account, 0, &op), 0);
	check_equal(account->used[SKINK_ACCOUNT_HYPERCALLS], before + 41);
}

static void ours_are_counted_with_a_limit_and_without(void)
{
	uint64_t stack = (uint64_t)page_alloc_many(4) + 4 * PAGE_SIZE;

	if (!on_skink())
		return skip("Skink's own");
	ours_are_counted(0, stack);
	ours_are_counted(1000000000, stack);
	ours_are_counted(0, stack);
}

/* ---- the machine ---- */

static void machine_says_what_it_has(void)
{
	struct xen_sysctl op = { 0 };

	check_equal(sysctl(XEN_SYSCTL_physinfo, &op), 0);
	check(op.u.physinfo.nr_cpus >= 1 && op.u.physinfo.nr_cpus <= 4);
	check(op.u.physinfo.total_pages > op.u.physinfo.free_pages && op.u.physinfo.free_pages > 1000);
	check(op.u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_pv);
	op = (struct xen_sysctl){ 0 };
	check_equal(sysctl(XEN_SYSCTL_sched_id, &op), 0);
	check_equal(sysctl(99, &op), -XEN_ENOSYS);
}

static void domains_are_listed(void)
{
	static xen_domctl_getdomaininfo_t list[4];
	struct xen_sysctl op = { .u.getdomaininfolist = { .first_domain = 0, .max_domains = 4 } };

	set_xen_guest_handle(op.u.getdomaininfolist.buffer, list);
	check_equal(sysctl(XEN_SYSCTL_getdomaininfolist, &op), 0);
	check_equal(op.u.getdomaininfolist.num_domains, 2);
	check_equal(list[0].domain, 0);
	check_equal(list[1].domain, child.id);
	check_equal(list[1].nr_online_vcpus, 1);
	op.u.getdomaininfolist.first_domain = (domid_t)(child.id + 1);
	check_equal(sysctl(XEN_SYSCTL_getdomaininfolist, &op), 0);
	check_equal(op.u.getdomaininfolist.num_domains, 0);
}

static void pool_is_all_there_is(void)
{
	uint8_t cpus[8] = { 0 };
	struct xen_sysctl op = { .u.cpupool_op = { .op = XEN_SYSCTL_CPUPOOL_OP_INFO } };

	set_xen_guest_handle(op.u.cpupool_op.cpumap.bitmap, cpus);
	op.u.cpupool_op.cpumap.nr_bits = 64;
	check_equal(sysctl(XEN_SYSCTL_cpupool_op, &op), 0);
	check_equal(op.u.cpupool_op.cpupool_id, 0);
	check_equal(op.u.cpupool_op.n_dom, 2);
	check_equal(cpus[0], (1 << cpu_count()) - 1);
	op.u.cpupool_op.cpupool_id = 1;
	check_equal(sysctl(XEN_SYSCTL_cpupool_op, &op), -XEN_ENOENT);
}

/* Its own words, and those that came since the last time. */
static void log_of_the_core_can_be_read(void)
{
	static char text[32768];
	struct xen_sysctl op = { 0 };
	uint32_t end;

	set_xen_guest_handle(op.u.readconsole.buffer, text);
	op.u.readconsole.count = sizeof(text) - 1;
	check_equal(sysctl(XEN_SYSCTL_readconsole, &op), 0);
	check(op.u.readconsole.count > 100 && op.u.readconsole.count < sizeof(text));
	text[op.u.readconsole.count] = 0;
	check(strstr(text, on_skink() ? "Domain-0" : "Xen") != NULL);
	end = op.u.readconsole.index;
	op = (struct xen_sysctl){ .u.readconsole = { .incremental = 1, .index = end, .count = 8 } };
	set_xen_guest_handle(op.u.readconsole.buffer, text);
	check_equal(sysctl(XEN_SYSCTL_readconsole, &op), 0);
	check_equal(op.u.readconsole.count, 0);
	check_equal(op.u.readconsole.index, end);
}

/* ---- the end ---- */

static uint32_t flags_of_the_child(void)
{
	struct xen_domctl op = { 0 };

	check_equal(domctl(XEN_DOMCTL_getdomaininfo, child.id, &op), 0);
	return op.u.getdomaininfo.flags;
}

/* Waits for the news, and returns the reason. */
static unsigned int child_ends(evtchn_port_t news)
{
	check_equal(event_poll(&news, 1, time_now_ns() + 20 * SECOND), 0);
	check(event_is_pending(news));
	event_clear(news);
	check(flags_of_the_child() & XEN_DOMINF_shutdown);
	return flags_of_the_child() >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
}

static void suspended_domain_can_be_resumed(void)
{
	evtchn_port_t news;

	check_equal(event_bind_virq(VIRQ_DOM_EXC, 0, &news), 0);
	event_clear(news);
	check_equal(domctl_plain(XEN_DOMCTL_resumedomain, child.id), on_skink() ? -XEN_EINVAL : 0);
	child_ask(&child, ASK_SUSPEND, 0, 0);
	check_equal(child_ends(news), SHUTDOWN_suspend);
	check_equal(domctl_plain(XEN_DOMCTL_resumedomain, child.id), 0);
	check(!(flags_of_the_child() & XEN_DOMINF_shutdown));
	check_equal(child_wait(&child), 0);
	check_equal(child_call(&child, ASK_ECHO, 7, 0), 8);
	event_close(news);
}

static void crash_is_told(void)
{
	evtchn_port_t news;

	check_equal(event_bind_virq(VIRQ_DOM_EXC, 0, &news), 0);
	event_clear(news);
	child_ask(&child, ASK_CRASH, 0, 0);
	check_equal(child_ends(news), SHUTDOWN_crash);
	child_print_console(&child);
	if (on_skink())
		check_equal(domctl_plain(XEN_DOMCTL_resumedomain, child.id), -XEN_EINVAL);
	event_close(news);
}

static bool child_is_gone(void)
{
	struct xen_domctl op = { 0 };
	uint64_t end = time_now_ns() + 20 * SECOND;

	while (domctl(XEN_DOMCTL_getdomaininfo, child.id, &op) == 0 && op.u.getdomaininfo.domain == child.id)
		if (time_now_ns() > end)
			return false;
		else
			time_sleep_ns(SECOND / 1000);
	return true;
}

/* On Xen some of them come back a moment later. */
static unsigned long frames_free_at_last(void)
{
	uint64_t end = time_now_ns() + 20 * SECOND;

	while (frames_free() != free_before && time_now_ns() < end)
		time_sleep_ns(SECOND / 1000);
	return frames_free();
}

static void domain_that_is_destroyed_lasts_while_it_is_mapped(void)
{
	struct xen_domctl op = { 0 };

	check_equal(others_map(child.id, VIEW, child.mfn[3] << 12 | PTE_KERNEL), 0);
	*(volatile uint64_t *)VIEW = 0x3333;
	check_equal(child_destroy(&child), 0);
	check_equal(child_destroy(&child), 0);
	check_equal(*(volatile uint64_t *)VIEW, 0x3333);
	check_equal(domctl(XEN_DOMCTL_getdomaininfo, child.id, &op), 0);
	check(op.u.getdomaininfo.flags & XEN_DOMINF_dying);
	check_equal(op.u.getdomaininfo.tot_pages, 1);
	check_equal(domctl_plain(XEN_DOMCTL_pausedomain, child.id), on_skink() ? -XEN_ESRCH : 0);
	check(others_map(child.id, VIEW + PAGE_SIZE, child.mfn[3] << 12 | PTE_KERNEL) < 0 || !on_skink());
	check_equal(others_map(DOMID_SELF, VIEW, 0), 0);
	check_equal(others_map(DOMID_SELF, VIEW + PAGE_SIZE, 0), 0);
	check(child_is_gone());
}

static void given_page_comes_back_to_the_machine(void)
{
	check_equal(frames_free_at_last(), free_before);
}

static void grant_keeps_its_frame_alone(void)
{
	grant_handle_t handle;
	grant_ref_t gref;

	check_equal(child_start(&child), 0);
	gref = (grant_ref_t)child_call(&child, ASK_LEND, 0, 0);
	check_equal(grant_map(VIEW, GNTMAP_host_map, gref, child.id, &handle), GNTST_okay);
	check_equal(child_destroy(&child), 0);
	check_equal(*(volatile uint64_t *)VIEW, 0x1e47);
	check_equal(grant_unmap(VIEW, handle), GNTST_okay);
	check(child_is_gone());
	check_equal(frames_free_at_last(), free_before);
}

/* Wherever it was, on this CPU or another. */
static void busy_domain_can_be_ended(void)
{
	for (unsigned int i = 0; i < ROUNDS / 5; i++) {
		check_equal(child_start(&child), 0);
		check_equal(child_call(&child, ASK_ECHO, i, 0), i + 1);
		child_ask(&child, ASK_BUSY, 0, 0);
		time_sleep_ns(SECOND / 1000 + i * 10000);
		check_equal(child_destroy(&child), 0);
		check(child_is_gone());
	}
	check_equal(frames_free_at_last(), free_before);
}

static void domains_come_and_go_and_leave_nothing(void)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		check_equal(i % 4 ? child_create(&child) : child_start(&child), 0);
		if (i % 4 == 0)
			check_equal(child_call(&child, ASK_ECHO, i, 0), i + 1);
		check_equal(child_destroy(&child), 0);
	}
	check(child_is_gone());
	check_equal(frames_free_at_last(), free_before);
}

static const struct tap_test tests[] = {
	TEST(other_versions_are_refused),
	TEST(domain_that_is_not_there_is_esrch),
	TEST(domain_that_cannot_be_is_not_made),
	TEST(id_may_be_asked_for),
	TEST(first_domain_is_not_ended_or_paused),
	TEST(new_domain_is_as_it_was_asked_for),
	TEST(limit_of_memory_holds),
	TEST(registers_that_cannot_be_are_refused),
	TEST(frames_are_mapped_by_their_owners_name_alone),
	TEST(domain_that_was_built_runs),
	TEST(events_go_to_and_fro),
	TEST(other_domains_have_no_control),
	TEST(paused_domain_stands_still),
	TEST(vcpu_can_be_looked_at),
	TEST(vcpu_runs_where_it_is_told),
	TEST(frames_are_told_by_what_they_are),
	TEST(page_that_is_lent_is_mapped_and_copied),
	TEST(page_can_be_given_away),
	TEST(grant_table_of_the_child_can_be_mapped),
	TEST(scheduling_can_be_set),
	TEST(use_is_counted),
	TEST(ours_are_counted_with_a_limit_and_without),
	TEST(machine_says_what_it_has),
	TEST(domains_are_listed),
	TEST(pool_is_all_there_is),
	TEST(log_of_the_core_can_be_read),
	TEST(suspended_domain_can_be_resumed),
	TEST(crash_is_told),
	TEST(domain_that_is_destroyed_lasts_while_it_is_mapped),
	TEST(given_page_comes_back_to_the_machine),
	TEST(grant_keeps_its_frame_alone),
	TEST(busy_domain_can_be_ended),
	TEST(domains_come_and_go_and_leave_nothing),
};

RUNTIME_KERNEL

/* The hypervisor keeps a page for a domain's mappings from its first one on. */
static void map_a_loan_once(void)
{
	grant_handle_t handle;

	ASSERT(grant_init(1) == 0);
	ASSERT(memory_map(VIEW, 0) == 0);
	ASSERT(grant_map(VIEW, GNTMAP_host_map, grant_lend(0, page_alloc(), 0), 0, &handle) == GNTST_okay);
	ASSERT(grant_unmap(VIEW, handle) == GNTST_okay);
}

void guest_main(void)
{
	if (!boot_is_dom0())
		child_serve(answer);
	map_a_loan_once();
	free_before = frames_free();
	tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
