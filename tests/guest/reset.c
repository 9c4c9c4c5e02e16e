/* SPDX-License-Identifier: MIT */
/*
 * Reset in place: a driver domain, built of this kernel by Domain-0, says ready, spoils its memory in each way there is, dies
 * in each way there is, and is back as it was: every restored frame is compared byte for byte.
 *
 * MODULE: reset
 */
#include "tap.h"

#include "builder.h"
#include "control.h"
#include "runtime/events.h"
#include "runtime/grants.h"
#include "runtime/time.h"

#define VIEW 0x6000400000UL
#define VIEW_WRITABLE 0x6000500000UL
#define LOANS_AT 0x6000600000UL
#define LOANS 64u
#define SECOND 1000000000UL
#define VIRQ_DRIVER VIRQ_ARCH_7

enum { ASK_GENERATION, ASK_REFUSED, ASK_SPOIL, ASK_BORROW, ASK_PAGE, ASK_DIE };
enum { PAGE_SPOILED, PAGE_SCRATCH };
enum { DEATHS = 10 };

static struct child child;
static evtchn_port_t virq;
static uint8_t *snapshot;

/* ---- the child ---- */

static uint64_t *page[8], *scratch;
static struct driver_ready ready = { .version = DRIVER_VERSION };
static long generation;

static long say_ready(void)
{
	return hypercall(DRIVER_HYPERCALL, &ready);
}

/* GNTST_*. Of a ready driver's own frames the core takes no references (F6). */
static int copy_within(uint64_t from, uint64_t to)
{
	struct gnttab_copy copy = { .len = 8, .source = { .domid = DOMID_SELF }, .dest = { .domid = DOMID_SELF } };

	copy.source.u.gmfn = from;
	copy.dest.u.gmfn = to;
	return grant_op(GNTTABOP_copy, &copy, 1) ? -1 : copy.status;
}

/* A bit for each that was accepted. */
static int64_t try_forbidden(void)
{
	struct evtchn_close close = { .port = (evtchn_port_t)boot_info->store_evtchn };
	uint64_t mfn = virt_to_mfn(page[0]);
	struct xen_memory_reservation give = { .nr_extents = 1, .domid = DOMID_SELF };
	struct callback_register callback = { .type = CALLBACKTYPE_nmi, .address = (uint64_t)say_ready };
	struct callback_unregister no_callback = { .type = CALLBACKTYPE_nmi };
	struct physdev_map_pirq pirq = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI };
	struct gnttab_set_version version = { .version = 1 };

	set_xen_guest_handle(give.extent_start, &mfn);
	const bool refused[] = {
		say_ready() == -XEN_EBUSY,
		memory_ext(MMUEXT_PIN_L1_TABLE, mfn) == -XEN_EPERM,
		memory_ext(MMUEXT_UNPIN_TABLE, memory_base_mfn) == -XEN_EPERM,
		memory_ext(MMUEXT_NEW_USER_BASEPTR, 0) == -XEN_EPERM,
		hypercall(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &give) == -XEN_EPERM,
		hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &close) == -XEN_EPERM,
		hypercall(__HYPERVISOR_set_trap_table, trap_table) == -XEN_EPERM,
		hypercall(__HYPERVISOR_set_callbacks, say_ready, say_ready, say_ready) == -XEN_EPERM,
		hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback) == -XEN_EPERM,
		hypercall(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &no_callback) == -XEN_EPERM,
		hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_disable, VMASST_TYPE_writable_pagetables) == -XEN_EPERM,
		hypercall(__HYPERVISOR_vcpu_op, VCPUOP_down, 0, NULL) == -XEN_EPERM,
		hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, &pirq) == -XEN_EPERM,
		hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_set_version, &version, 1) == -XEN_EPERM,
		hypercall(__HYPERVISOR_set_gdt, &mfn, 0) == -XEN_EPERM,
		memory_update(memory_entry_address(memory_entry(memory_base_mfn, (uint64_t)boot_info, 2)), 0) == -XEN_EPERM,
		memory_protect((void *)((uint64_t)boot_info & ~(PAGE_SIZE - 1)), PTE_KERNEL) != 0,
		copy_within(mfn, memory_base_mfn) == GNTST_bad_page,
		copy_within(mfn, virt_to_mfn(boot_info)) == GNTST_bad_page,
		copy_within(mfn + 1000000, mfn) == GNTST_bad_page,
	};
	int64_t accepted = 0;

	for (unsigned int i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		accepted |= (int64_t)!refused[i] << i;
	return accepted;
}

static int64_t spoil(void)
{
	struct gnttab_copy copy = { .len = PAGE_SIZE, .source = { .domid = DOMID_SELF }, .dest = { .domid = DOMID_SELF } };
	uint64_t *entry = memory_entry(memory_base_mfn, (uint64_t)page[6], 1);
	int64_t failed = 0;

	page[0][0] = 0xbad;                                             /* a plain store */
	copy.source.u.gmfn = virt_to_mfn(page[0]);
	copy.dest.u.gmfn = virt_to_mfn(page[1]);
	failed += grant_op(GNTTABOP_copy, &copy, 1) != 0 || copy.status != GNTST_okay;
	failed += hypercall(__HYPERVISOR_xen_version, XENVER_extraversion, page[2]) != 0;
	failed += memory_map(VIEW, virt_to_mfn(page[3]) << 12 | PTE_KERNEL) != 0;
	*(volatile uint64_t *)VIEW = 0xbad;                             /* by an alias, */
	failed += memory_map(VIEW, 0) != 0;                             /* which is not there any more */
	page[4][5] = 0xbad;
	failed += memory_protect(page[4], 0) != 0;
	failed += memory_update(virt_to_mfn(page[5]) << 12 | 4088, 0xbad) != 0;
	page[6][511] = 0xbad;
	*(volatile uint64_t *)entry = 0;                                /* to a table, which the core does in its place */
	failed += memory_update(virt_to_mfn(page[7]) << 12 | 64, 0xbad) != 0;
	scratch[1]++;
	return failed;
}

/* Rings of Dom0's, as a back-end maps them. */
static int64_t borrow(uint64_t first, uint64_t count)
{
	grant_handle_t handle;
	int64_t mapped = 0;

	for (uint64_t i = 0; i < count; i++)
		mapped += grant_map(LOANS_AT + i * PAGE_SIZE, GNTMAP_host_map, (grant_ref_t)(first + i), 0, &handle) == GNTST_okay;
	return mapped;
}

static struct trap_frame to_user = { .cs = CS_USER, .ss = SS_USER, .rflags = RFLAGS_IF, .rip = 0x400000 };

static int64_t die(uint64_t how)
{
	struct sched_shutdown crash = { SHUTDOWN_crash };
	struct mailbox *mailbox = mfn_to_virt(boot_info->store_mfn);

	mailbox->is_asked = 0;
	mailbox->died_ns = time_now_ns();
	hypercall(__HYPERVISOR_fpu_taskswitch, how % 2 == 0);	/* the core loads the registers all the same */
	switch (how) {
	case 0:
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &crash);
		break;
	case 1:
		__asm__ volatile("ud2");
		break;
	case 2:
		*(volatile uint64_t *)0x10000 = 1;
		break;
	case 3:
		((void (*)(void))0x123456789000)();
		break;
	case 4:
		__asm__ volatile("mov $0x7f1234567000, %%rsp\n\tud2" : : : "memory");
		break;
	case 5:
		__asm__ volatile("xor %%esp, %%esp\n\tmov %0, %%eax\n\tsyscall" : : "i"(__HYPERVISOR_iret) : "memory");
		break;
	case 6:
		trap_resume(&to_user);
		break;
	case 7:
		__asm__ volatile("mov (%0), %%rax" : : "r"(0x8000000000000000UL) : "rax", "memory");
		break;
	case 8:
		__asm__ volatile("xor %%ecx, %%ecx\n\tdiv %%ecx" : : : "eax", "ecx", "edx");
		break;
	default:
		__asm__ volatile("cli\n\thlt");
		break;
	}
	return -1;
}

static int64_t answer(uint32_t what, const uint64_t *argument)
{
	switch (what) {
	case ASK_GENERATION:
		return generation;
	case ASK_REFUSED:
		return try_forbidden();
	case ASK_SPOIL:
		return spoil();
	case ASK_BORROW:
		return borrow(argument[0], argument[1]);
	case ASK_PAGE:
		return (int64_t)virt_to_pfn(argument[0] == PAGE_SCRATCH ? scratch : page[0]);
	default:
		return die(argument[0]);
	}
}

static void __attribute__((noreturn)) be_driver(void)
{
	uint64_t *info = (uint64_t *)((uint64_t)boot_info & ~(PAGE_SIZE - 1));

	for (unsigned int i = 0; i < 8; i++) {
		page[i] = page_alloc();
		page[i][7] = 0x900d + i;
	}
	scratch = page_alloc();
	ASSERT(memory_map(VIEW, 0) == 0 && memory_map(LOANS_AT, 0) == 0);
	ready.region_count = 1;
	ready.region[0] = (struct driver_frames){ virt_to_pfn(scratch), 1, DRIVER_SCRATCH };
	event_mask_upcalls();
	ASSERT(say_ready() == -XEN_EBUSY);      /* start_info is Dom0's now, and writable still */
	ASSERT(memory_protect(info, PTE_KERNEL_RO) == 0);
	generation = say_ready();
	child_serve(answer);
}

/* ---- Dom0 ---- */

static unsigned long scratch_pfn;

static long declare(void)
{
	struct xen_domctl op = { 0 };

	*(struct skink_domctl_driver *)(void *)op.u.pad = (struct skink_domctl_driver){
		.region_count = 2, .clean_max = 2048,
		.region = { { child.store_pfn, 1, DRIVER_PRESERVED }, { child.console_pfn - 1, 1, DRIVER_HOST } },
	};
	return domctl(SKINK_DOMCTL_driver, child.id, &op);
}

static long arm(void)
{
	struct xen_domctl op = { 0 };

	((struct skink_domctl_arm *)(void *)op.u.pad)->set = 1;
	return domctl(SKINK_DOMCTL_arm, child.id, &op);
}

static struct skink_driver_info info(void)
{
	static struct skink_driver_info seen;
	struct xen_domctl op = { 0 };

	memset(&seen, 0, sizeof(seen));
	*(struct skink_domctl_driver_info *)(void *)op.u.pad = (struct skink_domctl_driver_info){ (uint64_t)&seen, sizeof(seen) };
	check_equal(domctl(SKINK_DOMCTL_driver_info, child.id, &op), 0);
	return seen;
}

/* True when it comes to be. */
static bool wait_for(uint32_t state, uint32_t wanted_generation)
{
	uint64_t end = time_now_ns() + 20 * SECOND;

	while (info().state != state || info().generation != wanted_generation) {
		if (time_now_ns() > end) {
			struct skink_driver_info seen = info();

			printf("# state %u, generation %u, %s\n", seen.state, seen.generation, seen.text);
			return false;
		}
		event_poll(&virq, 1, time_now_ns() + SECOND / 50);
		event_clear(virq);
	}
	return true;
}

static const uint8_t *look(unsigned long pfn)
{
	ASSERT(others_map(child.id, VIEW, child.mfn[pfn] << 12 | PTE_KERNEL_RO) == 0);
	return (const uint8_t *)VIEW;
}

static bool is_table(unsigned long pfn)
{
	struct xen_domctl op = { .u.getpageframeinfo3.num = 1 };
	xen_pfn_t frame = child.mfn[pfn];

	set_xen_guest_handle(op.u.getpageframeinfo3.array, &frame);
	return domctl(XEN_DOMCTL_getpageframeinfo3, child.id, &op) == 0 && (frame & XEN_DOMCTL_PFINFO_LTABTYPE_MASK);
}

static bool is_same(unsigned long pfn)
{
	const uint64_t *now = (const uint64_t *)look(pfn), *then = (const uint64_t *)(snapshot + pfn * PAGE_SIZE);
	uint64_t differs = 0;

	for (unsigned int i = 0; i < PAGE_SIZE / 8; i++)
		differs |= now[i] ^ then[i];
	return !differs || (!(differs & ~(PTE_ACCESSED | PTE_DIRTY)) && is_table(pfn));
}

/* The child is paused: nothing has run since the reset. */
static unsigned int changed_frames(void)
{
	unsigned int changed = 0;

	for (unsigned long pfn = 0; pfn < CHILD_PAGES; pfn++) {
		if (pfn == child.store_pfn || pfn == scratch_pfn || is_same(pfn))
			continue;
		if (changed++ < 5)
			printf("# frame %lu is not as it was\n", pfn);
	}
	others_map(child.id, VIEW, 0);
	return changed;
}

static void reset_paused(void)
{
	check_equal(domctl_plain(XEN_DOMCTL_pausedomain, child.id), 0);
	check_equal(domctl_plain(SKINK_DOMCTL_reset, child.id), 0);
}

static void go_on(void)
{
	check_equal(domctl_plain(XEN_DOMCTL_unpausedomain, child.id), 0);
}

/* ---- the tests ---- */

static void who_is_no_driver_is_not_reset(void)
{
	check_equal(domctl_plain(SKINK_DOMCTL_reset, 0), -XEN_EINVAL);
	check_equal(hypercall(DRIVER_HYPERCALL, &ready), -XEN_ENOSYS);
	check_equal(child_create(&child), 0);
	check_equal(domctl_plain(SKINK_DOMCTL_reset, child.id), -XEN_ENODEV);
	check_equal(arm(), -XEN_ENODEV);
}

static void driver_says_ready(void)
{
	check_equal(event_bind_virq(VIRQ_DRIVER, 0, &virq), 0);
	check_equal(child_load(&child), 0);
	check_equal(child_set_context(&child), 0);
	check_equal(child_connect(&child), 0);
	check_equal(declare(), 0);
	check_equal(declare(), -XEN_EEXIST);
	check_equal(domctl_plain(SKINK_DOMCTL_reset, child.id), -XEN_EAGAIN);
	check_equal(domctl_plain(XEN_DOMCTL_unpausedomain, child.id), 0);
	check_equal(child_call(&child, ASK_GENERATION, 0, 0), 0);
	check_equal(info().state, SKINK_DRIVER_SERVING);
	check(event_is_pending(virq));
	printf("# %u frames restored, %u of clean copy\n", info().frames_restored, info().frames_clean);
}

static void ready_driver_is_frozen(void)
{
	check_equal(child_call(&child, ASK_REFUSED, 0, 0), 0);
}

static void reset_brings_it_back(void)
{
	reset_paused();
	snapshot = page_alloc_many(CHILD_PAGES);
	for (unsigned long pfn = 0; pfn < CHILD_PAGES; pfn++)
		memcpy(snapshot + pfn * PAGE_SIZE, look(pfn), PAGE_SIZE);
	go_on();
	check_equal(child_call(&child, ASK_GENERATION, 0, 0), 1);
	check_equal(info().cause, SKINK_CAUSE_RESET);
}

static void each_frame_is_as_it_was(void)
{
	unsigned long spoiled_pfn = (unsigned long)child_call(&child, ASK_PAGE, PAGE_SPOILED, 0);

	scratch_pfn = (unsigned long)child_call(&child, ASK_PAGE, PAGE_SCRATCH, 0);
	for (uint64_t round = 1; round <= 3; round++) {
		check_equal(child_call(&child, ASK_SPOIL, 0, 0), 0);
		check(!is_same(spoiled_pfn));
		reset_paused();
		check_equal(changed_frames(), 0);
		check_equal(((const uint64_t *)look(scratch_pfn))[1], round);
		others_map(child.id, VIEW, 0);
		go_on();
		check_equal(child_call(&child, ASK_GENERATION, 0, 0), 1 + round);
	}
	printf("# %u frames copied, %u entries undone\n", info().frames_copied, info().entries_undone);
}

/* As faults are injected: from outside, into memory and registers, by a mapping that is still there at the reset or not. */
static void spoil_from_outside(bool is_mapped)
{
	const unsigned long text_pfn = virt_to_pfn((const void *)(uint64_t)be_driver);
	static vcpu_guest_context_t context;
	struct xen_domctl op = { 0 };

	check_equal(domctl_plain(XEN_DOMCTL_pausedomain, child.id), 0);
	check_equal(others_map(child.id, VIEW_WRITABLE, child.mfn[text_pfn] << 12 | PTE_KERNEL), 0);
	*(volatile uint64_t *)VIEW_WRITABLE ^= 0x10;
	if (!is_mapped)
		check_equal(others_map(child.id, VIEW_WRITABLE, 0), 0);
	check(!is_same(text_pfn));
	set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
	check_equal(domctl(XEN_DOMCTL_getvcpucontext, child.id, &op), 0);
	context.user_regs.rip = 0x123456789000;
	context.user_regs.rsp ^= 0x1000;
	check_equal(domctl(XEN_DOMCTL_setvcpucontext, child.id, &op), 0);
}

static void what_dom0_writes_is_undone(void)
{
	for (uint32_t turn = 0; turn < 4; turn++) {
		uint32_t before = info().generation;

		spoil_from_outside(turn % 2);
		reset_paused();
		check_equal(changed_frames(), 0);
		go_on();
		go_on();
		check_equal(child_call(&child, ASK_GENERATION, 0, 0), before + 1);
		check_equal(others_map(child.id, VIEW_WRITABLE, 0), 0);
	}
}

/* What it took is of interest where an instruction is a nanosecond: make bench. */
static void grants_are_back(const char *how, unsigned int count)
{
	struct skink_driver_info seen = info();

	check_equal(seen.grants_released, count);
	printf("# %u frames copied; devices fenced after %lu, copied after %lu ns\n", seen.frames_copied,
	       seen.fence_ns - seen.report_ns, seen.copy_ns - seen.report_ns);
	printf("BENCH reset_%s_%u_grants %lu\n", how, count, seen.resume_ns - seen.report_ns);
}

static void lent_pages_come_back(void)
{
	grant_ref_t gref[LOANS];

	for (unsigned int i = 0; i < LOANS; i++)
		gref[i] = grant_lend(child.id, page_alloc(), 0);
	for (unsigned int i = 1; i < LOANS; i++)
		check_equal(gref[i], gref[0] + i);
	for (unsigned int i = 0; i < 3; i++) {
		static const unsigned int count[] = { 1, 16, LOANS };
		uint32_t before = info().generation;

		check_equal(child_call(&child, ASK_BORROW, gref[0], count[i]), count[i]);
		check_equal(domctl_plain(SKINK_DOMCTL_reset, child.id), 0);
		grants_are_back("dom0", count[i]);
		check_equal(child_call(&child, ASK_BORROW, gref[0], count[i]), count[i]);
		check_equal(arm(), 0);
		child_ask(&child, ASK_DIE, 0, 0);
		check(wait_for(SKINK_DRIVER_SERVING, before + 2));
		grants_are_back("armed", count[i]);
	}
	for (unsigned int i = 0; i < LOANS; i++)
		check(grant_withdraw(gref[i]));
}

/* The core does it alone: Dom0 only looks. */
static void armed_driver_survives_each_death(void)
{
	uint32_t before = info().generation;
	uint64_t noticed_ns, slowest_ns = 0;

	for (uint32_t how = 0; how < DEATHS; how++) {
		check_equal(child_call(&child, ASK_SPOIL, 0, 0), 0);
		check_equal(arm(), 0);
		check_equal(info().is_armed, 1);
		child_ask(&child, ASK_DIE, how, 0);
		check(wait_for(SKINK_DRIVER_SERVING, before + how + 1));
		check_equal(info().is_armed, 0);
		check_equal(child_call(&child, ASK_GENERATION, 0, 0), before + how + 1);
		noticed_ns = info().report_ns - child.mailbox->died_ns;
		slowest_ns = noticed_ns > slowest_ns ? noticed_ns : slowest_ns;
		printf("# death %u: %s: noticed after %lu ns, resumed %lu ns later\n", how, info().text, noticed_ns,
		       info().resume_ns - info().report_ns);
	}
	printf("BENCH fault_to_report_slowest %lu\n", slowest_ns);
	reset_paused();
	check_equal(changed_frames(), 0);
	go_on();
}

static void one_that_is_not_armed_waits_for_dom0(void)
{
	uint32_t before = info().generation;
	struct xen_domctl op = { 0 };

	child_ask(&child, ASK_DIE, 1, 0);
	check(wait_for(SKINK_DRIVER_DEAD, before));
	check_equal(arm(), -XEN_EBUSY);
	check_equal(domctl(XEN_DOMCTL_getdomaininfo, child.id, &op), 0);
	check(op.u.getdomaininfo.flags & XEN_DOMINF_shutdown);
	check_equal(domctl_plain(SKINK_DOMCTL_reset, child.id), 0);
	check_equal(child_call(&child, ASK_GENERATION, 0, 0), before + 1);
}

static struct evtchn_status old_channel(evtchn_port_t port)
{
	struct evtchn_status status = { .dom = child.id, .port = port };

	check_equal(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_status, &status), 0);
	return status;
}

static long unpin(void)
{
	struct mmuext_op op = { .cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = child.mfn[child.table_pfn] };

	return hypercall(__HYPERVISOR_mmuext_op, &op, 1, NULL, child.id);
}

/* As before its first instruction: nothing of the old image is left but frames and channels, and another is loaded. */
static void renewed_driver_takes_another_image(void)
{
	uint32_t before = info().generation;
	evtchn_port_t old_port = child.child_port;
	grant_ref_t gref = grant_lend(child.id, page_alloc(), 0);

	check_equal(child_call(&child, ASK_BORROW, gref, 1), 1);
	check_equal(domctl_plain(SKINK_DOMCTL_renew, child.id), -XEN_EBUSY);
	check_equal(domctl_plain(SKINK_DOMCTL_renew, 0), -XEN_ENODEV);
	check_equal(domctl_plain(XEN_DOMCTL_pausedomain, child.id), 0);
	check_equal(domctl_plain(SKINK_DOMCTL_renew, child.id), 0);
	check_equal(info().state, SKINK_DRIVER_STARTING);
	check_equal(info().generation, before + 1);
	check_equal(domctl_plain(SKINK_DOMCTL_reset, child.id), -XEN_EAGAIN);
	check_equal(arm(), -XEN_EAGAIN);
	check_equal(old_channel(old_port).status, EVTCHNSTAT_interdomain);
	check_equal(unpin(), -XEN_EINVAL);	/* it was pinned: renewal has undone that */
	check(grant_withdraw(gref));

	check_equal(child_load(&child), 0);
	check_equal(child_set_context(&child), 0);
	child_disconnect(&child);
	check_equal(child_connect(&child), 0);
	check_equal(declare(), 0);
	check_equal(declare(), -XEN_EEXIST);
	go_on();
	check_equal(child_call(&child, ASK_GENERATION, 0, 0), 0);
	check_equal(info().state, SKINK_DRIVER_SERVING);
	check_equal(info().generation, before + 1);
	check_equal(old_channel(old_port).status, EVTCHNSTAT_unbound);	/* the test has closed its end */
}

/* Also of one that has died, and is brought back from there as any other. */
static void renewed_driver_is_reset_to_its_own_ready(void)
{
	uint32_t before = info().generation;

	child_ask(&child, ASK_DIE, 1, 0);
	check(wait_for(SKINK_DRIVER_DEAD, before));
	check_equal(domctl_plain(SKINK_DOMCTL_reset, child.id), 0);
	check_equal(child_call(&child, ASK_GENERATION, 0, 0), before + 1);
}

static void it_ends_as_any_other(void)
{
	check_equal(child_destroy(&child), 0);
}

static const struct tap_test tests[] = {
	TEST(who_is_no_driver_is_not_reset),
	TEST(driver_says_ready),
	TEST(ready_driver_is_frozen),
	TEST(reset_brings_it_back),
	TEST(each_frame_is_as_it_was),
	TEST(what_dom0_writes_is_undone),
	TEST(lent_pages_come_back),
	TEST(armed_driver_survives_each_death),
	TEST(one_that_is_not_armed_waits_for_dom0),
	TEST(renewed_driver_takes_another_image),
	TEST(renewed_driver_is_reset_to_its_own_ready),
	TEST(it_ends_as_any_other),
};

RUNTIME_KERNEL

void guest_main(void)
{
	if (!boot_is_dom0())
		be_driver();
	ASSERT(grant_init(1) == 0);
	tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
