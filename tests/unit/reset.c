/* SPDX-License-Identifier: MIT */
/* reset/ on the real mem/, grant/ and event/: R1 to R7, what a driver domain may not do, and what it finds after a reset. */
#include "unit.h"

#include <string.h>

#include <xen/domctl.h>
#include <xen/grant_table.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/version.h>

#include "event/channel.h"
#include "event/event.h"
#include "grant/table.h"
#include "include/errno.h"
#include "lib/bits.h"
#include "mem/alloc.h"
#include "mem/base.h"
#include "mem/pagelist.h"
#include "memory_guest.h"
#include "memory_oracle.h"
#include "pci/pci.h"
#include "reset/reset.h"
#include "tables.h"

#define DRIVER		5
#define FREE_VA(i)	(0x200000UL + (i) * PAGE_SIZE)
#define VA(i)		((uint64_t)(i) * PAGE_SIZE)

/* Of the pages of a guest, from DATA (6) on. The others are restored. */
enum { SCRATCH = 14, PRESERVED, HOST, ZERO = 18, LENT, LAST = GUEST_PAGES - 1 };

static struct memory_guest zero, driver;
static uint8_t before[GUEST_PAGES][PAGE_SIZE];

static void all_is_counted(void)
{
	const char *wrong = memory_oracle_complaint();

	if (wrong)
		fprintf(stderr, "  %s\n", wrong);
	CU_ASSERT_PTR_NULL(wrong);
}

/* ---- given ---- */

static void as_zero(void) { fake_switch_to(zero.domain->vcpu[0]); }
static void as_driver(void) { fake_switch_to(driver.domain->vcpu[0]); }

static struct xen_domctl *control(uint32_t command)
{
	return GUEST_COPY(struct xen_domctl, .cmd = command, .domain = DRIVER,
			  .interface_version = XEN_DOMCTL_INTERFACE_VERSION);
}

static long call(struct xen_domctl *op) { return guest_call(__HYPERVISOR_domctl, guest_address(op), 0, 0, 0); }

static long declare(uint32_t clean_max)
{
	struct xen_domctl *op = control(SKINK_DOMCTL_driver);

	*(struct skink_domctl_driver *)(void *)op->u.pad = (struct skink_domctl_driver){
		.region_count = 2, .clean_max = clean_max,
		.region = { { PRESERVED, 1, DRIVER_PRESERVED }, { HOST, 1, DRIVER_HOST } } };
	return call(op);
}

static long ready_with(struct driver_ready args)
{
	struct driver_ready *ready = fake_guest_memory(sizeof(*ready));

	*ready = args;
	return guest_call(DRIVER_HYPERCALL, guest_address(ready), 0, 0, 0);
}

static long ready(void)
{
	return ready_with((struct driver_ready){
		.version = DRIVER_VERSION, .region_count = 2,
		.region = { { SCRATCH, 1, DRIVER_SCRATCH }, { HOST, 1, DRIVER_SCRATCH } } });
}

static long reset(void)
{
	long error;

	as_zero();
	error = call(control(SKINK_DOMCTL_reset));
	as_driver();
	return error;
}

static long arm(uint32_t set)
{
	struct xen_domctl *op = control(SKINK_DOMCTL_arm);
	long error;

	((struct skink_domctl_arm *)(void *)op->u.pad)->set = set;
	as_zero();
	error = call(op);
	as_driver();
	return error;
}

static struct skink_driver_info info(void)
{
	struct skink_driver_info *info = fake_guest_memory(sizeof(*info));
	struct xen_domctl *op = control(SKINK_DOMCTL_driver_info);

	*(struct skink_domctl_driver_info *)(void *)op->u.pad =
		(struct skink_domctl_driver_info){ guest_address(info), sizeof(*info) };
	as_zero();
	CU_ASSERT_EQUAL(call(op), 0);
	as_driver();
	return *info;
}

/* The exit path of the driver's CPU. */
static void driver_leaves_core(void)
{
	struct vcpu *vcpu = driver.domain->vcpu[0];

	for (uint32_t i = 0; (vcpu->work & VCPU_WORK_RESET) && i < 1000; i++)
		reset_continue(vcpu);
}

static bool store(uint64_t va)
{
	uint8_t *at = fake_guest_touch(va, true);

	if (at)
		*at = 0xee;
	return at;
}

/* As it was built, with all its pages writable; each has contents of its own but one, which is zero. */
static void given_declared(void)
{
	zero = given_guest(0);
	driver.domain = given_domain_with(DRIVER, 1, false);
	driver.domain->frame_limit = 512;
	CU_ASSERT_FATAL(memory_guest_build(&driver));
	for (uint32_t i = DATA; i < GUEST_PAGES; i++)
		memset(words_of(driver.page[i]), i == ZERO ? 0 : (int)i, PAGE_SIZE);
	as_zero();
	driver.domain->pause_count = 1;
	CU_ASSERT_EQUAL(declare(GUEST_PAGES), 0);
	driver.domain->pause_count = 0;
	as_driver();
	driver.domain->vcpu[0]->info->evtchn_upcall_mask = 1;
}

/* Not yet ready. */
static void given_driver(void)
{
	given_declared();
	CU_ASSERT_EQUAL(guest_maps(VA(HOST), pte(driver.page[HOST], READ_ONLY)), 0);
}

static void given_ready(void)
{
	uint32_t preempt_every = fake.preempt_every;

	fake.preempt_every = 0;
	given_driver();
	fake.preempt_every = preempt_every;
	driver.domain->vcpu[0]->regs.rbx = 77;
	store(VA(DATA));			/* the CPU remembers that these are dirty */
	store(VA(DATA + 1));
	CU_ASSERT_EQUAL_FATAL(ready(), 0);
	for (uint32_t i = 0; i < GUEST_PAGES; i++)
		memcpy(before[i], words_of(driver.page[i]), PAGE_SIZE);
	all_is_counted();
}

/* In tables accessed and dirty bits may be as they like. */
static void page_is_as_before(uint32_t i)
{
	const uint64_t *now = words_of(driver.page[i]), *then = (const uint64_t *)(void *)before[i];
	uint64_t ignored = i < DATA ? PTE_ACCESSED | PTE_DIRTY : 0;
	bool is_same = true;

	for (uint32_t n = 0; n < 512; n++)
		is_same &= !((now[n] ^ then[n]) & ~ignored);
	if (!is_same)
		fprintf(stderr, "  page %u is not as it was\n", i);
	CU_ASSERT_TRUE(is_same);
}

static void restored_are_as_before(void)
{
	for (uint32_t i = 0; i < GUEST_PAGES; i++)
		if (i < SCRATCH || i > HOST)
			page_is_as_before(i);
	all_is_counted();
}

/* ---- what is refused ---- */

static long declare_as(domid_t id, struct skink_domctl_driver wanted)
{
	struct xen_domctl *op = control(SKINK_DOMCTL_driver);

	op->domain = id;
	*(struct skink_domctl_driver *)(void *)op->u.pad = wanted;
	return call(op);
}

static void what_can_be_no_driver_is_not_declared(void)
{
	static const struct skink_domctl_driver good = { .region_count = 1, .clean_max = GUEST_PAGES, .region = { { HOST, 1, DRIVER_HOST } } };
	struct skink_domctl_driver bad = good;
	struct domain *one, *two;

	zero = given_guest(0);
	one = given_domain_with(DRIVER, 1, false);
	two = given_domain_with(DRIVER + 1, 2, false);
	zero.domain->pause_count = one->pause_count = two->pause_count = 1;
	CU_ASSERT_EQUAL(declare_as(0, good), -EINVAL);
	CU_ASSERT_EQUAL(declare_as(two->id, good), -EINVAL);
	bad.region_count = SKINK_DRIVER_REGIONS + 1;
	CU_ASSERT_EQUAL(declare_as(DRIVER, bad), -EINVAL);
	bad = good;
	bad.region[0].frame_class = DRIVER_HOST + 1;
	CU_ASSERT_EQUAL(declare_as(DRIVER, bad), -EINVAL);
	bad = good;
	bad.clean_max = SKINK_DRIVER_CLEAN_MAX + 1;
	CU_ASSERT_EQUAL(declare_as(DRIVER, bad), -E2BIG);
	one->frame_count = SKINK_DRIVER_FRAMES_MAX + 1;
	CU_ASSERT_EQUAL(declare_as(DRIVER, good), -E2BIG);
	one->frame_count = 0;
	one->pause_count = 0;
	CU_ASSERT_EQUAL(declare_as(DRIVER, good), -EBUSY);
	one->pause_count = 1;
	one->vcpu[0]->sched.time_in_state[RUNSTATE_running] = 1;
	CU_ASSERT_EQUAL(declare_as(DRIVER, good), -EBUSY);
	one->vcpu[0]->sched.time_in_state[RUNSTATE_running] = 0;
	CU_ASSERT(!zero.domain->reset && !one->reset && !two->reset);
	CU_ASSERT_EQUAL(declare_as(DRIVER, good), 0);
	zero.domain->pause_count = two->pause_count = 0;
}

static void only_a_declared_domain_says_ready_and_once(void)
{
	given_driver();
	as_zero();
	CU_ASSERT_EQUAL(ready(), -ENOSYS);
	CU_ASSERT_EQUAL(declare(1), -EEXIST);
	as_driver();
	CU_ASSERT_EQUAL(reset(), -EAGAIN);
	CU_ASSERT_EQUAL(arm(1), -EAGAIN);
	CU_ASSERT_EQUAL(ready(), 0);
	CU_ASSERT_EQUAL(ready(), -EBUSY);
	CU_ASSERT_EQUAL(info().state, SKINK_DRIVER_SERVING);
}

static void nonsense_at_ready_changes_nothing(void)
{
	struct driver_ready good = { .version = DRIVER_VERSION }, bad = good;
	struct multicall_entry call = { 0 };
	uint32_t frame_count;

	given_driver();
	CU_ASSERT_EQUAL(guest_call(DRIVER_HYPERCALL, 8, 0, 0, 0), -EFAULT);
	bad.version++;
	CU_ASSERT_EQUAL(ready_with(bad), -EINVAL);
	bad = good;
	bad.region_count = DRIVER_READY_REGIONS + 1;
	CU_ASSERT_EQUAL(ready_with(bad), -EINVAL);
	for (uint32_t frame_class = DRIVER_HOST; frame_class < 9; frame_class++) {
		bad = good;
		bad.region_count = 1;
		bad.region[0] = (struct driver_frames){ 0, 4, frame_class };
		CU_ASSERT_EQUAL(ready_with(bad), -EINVAL);
	}
	bad.region[0] = (struct driver_frames){ UINT64_MAX, 4, DRIVER_SCRATCH };
	CU_ASSERT_EQUAL(ready_with(bad), -EINVAL);
	driver.domain->vcpu[0]->info->evtchn_upcall_mask = 0;
	CU_ASSERT_EQUAL(ready_with(good), -EINVAL);
	driver.domain->vcpu[0]->info->evtchn_upcall_mask = 1;
	driver.domain->vcpu[0]->multicall = &call;
	CU_ASSERT_EQUAL(ready_with(good), -EINVAL);
	driver.domain->vcpu[0]->multicall = NULL;
	frame_count = driver.domain->frame_count;
	driver.domain->frame_count = SKINK_DRIVER_FRAMES_MAX + 1;
	CU_ASSERT_EQUAL(ready_with(good), -E2BIG);
	driver.domain->frame_count = frame_count;
	/* More to copy than Dom0 has allowed. */
	driver.domain->reset->clean_max = 3;
	CU_ASSERT_EQUAL(ready_with(good), -ENOMEM);
	CU_ASSERT_FALSE(driver.domain->is_frozen);
	CU_ASSERT_EQUAL(driver.domain->reset->clean_count, 0);
	all_is_counted();
	driver.domain->reset->clean_max = GUEST_PAGES;
	CU_ASSERT_EQUAL(ready_with(good), 0);
	all_is_counted();
}

/* The driver has given it up, and another CPU drops the last reference to it. */
static void a_frame_that_goes_meanwhile_is_not_restored(void)		/* F3 */
{
	struct frame *frame;
	uint64_t count;

	given_driver();
	frame = frame_of(mfn(driver.page[DATA]));
	count = frame->count & (FRAME_ALLOCATED | FRAME_COUNT_MASK);
	frame->count = 0;
	CU_ASSERT_EQUAL(ready(), 0);
	CU_ASSERT_PTR_NULL(reset_find(driver.domain->reset, mfn(driver.page[DATA])));
	CU_ASSERT_EQUAL(frame->count & FRAME_COUNT_MASK, 0);
	frame->count |= count;
	all_is_counted();
}

static void a_table_that_is_writable_is_no_table_of_dom0s(void)		/* R5 */
{
	given_driver();
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(driver.page[HOST], WRITABLE)), -EPERM);
	CU_ASSERT_EQUAL(guest_updates(driver.page[HOST], 0, 1), -EINVAL);
	as_zero();
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_update_va_mapping_otherdomain, FREE_VA(0),
				   pte(driver.page[HOST], WRITABLE), 0, DRIVER), 0);
	as_driver();
	CU_ASSERT_EQUAL(words_of(driver.page[HOST])[0], 0x0101010101010101 * HOST);
	all_is_counted();
}

static void who_can_write_to_dom0s_table_is_not_ready(void)		/* R5 */
{
	given_declared();
	CU_ASSERT_EQUAL(ready(), -EBUSY);
	CU_ASSERT_FALSE(driver.domain->is_frozen);
	all_is_counted();
	CU_ASSERT_EQUAL(guest_maps(VA(HOST), pte(driver.page[HOST], READ_ONLY)), 0);
	CU_ASSERT_EQUAL(ready(), 0);
	all_is_counted();
}

static long guest_updates_machphys(uint64_t number, uint64_t name)
{
	struct mmu_update *request = GUEST_COPY(struct mmu_update, .ptr = number << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, .val = name);

	return guest_call(__HYPERVISOR_mmu_update, guest_address(request), 1, 0, DOMID_SELF);
}

static void after_ready_only_l1_entries_change(void)			/* R2 */
{
	struct xen_memory_reservation *request;
	uint64_t frame;
	port_t kept, later;

	given_driver();
	CU_ASSERT_EQUAL(channel_open(driver.domain, (struct channel){ .state = CHANNEL_UNBOUND, .for_id = 0 }, &kept), 0);
	CU_ASSERT_EQUAL(ready(), 0);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(driver.page[DATA], WRITABLE)), 0);
	CU_ASSERT_EQUAL(guest_updates(driver.page[L2], 2, pte(driver.page[L1], WRITABLE)), -EPERM);
	CU_ASSERT_EQUAL(guest_updates_machphys(driver.page[DATA], 0x77), -EPERM);
	CU_ASSERT_EQUAL(guest_pins(driver.page[L1], FRAME_L1), -EPERM);
	CU_ASSERT_EQUAL(guest_unpins(driver.page[L4_KERNEL]), -EPERM);
	CU_ASSERT_EQUAL(guest_ext(MMUEXT_NEW_BASEPTR, driver.page[L4_USER]), -EPERM);
	CU_ASSERT_EQUAL(guest_ext(MMUEXT_NEW_USER_BASEPTR, 0), -EPERM);
	CU_ASSERT_EQUAL(guest_ext(MMUEXT_SET_LDT, 0), -EPERM);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_set_gdt, 0, 0, 0, 0), -EPERM);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_update_descriptor, driver.page[DATA] << PAGE_SHIFT, 0, 0, 0), -EPERM);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_vm_assist, VMASST_CMD_disable, VMASST_TYPE_writable_pagetables, 0, 0), -EPERM);
	frame = driver.page[DATA + 1];
	request = GUEST_COPY(struct xen_memory_reservation, .nr_extents = 1, .domid = DOMID_SELF,
			     .extent_start.p = GUEST_COPY(uint64_t, frame));
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, guest_address(request), 0, 0), -EPERM);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_memory_op, XENMEM_increase_reservation, guest_address(request), 0, 0), -EPERM);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_memory_op, XENMEM_exchange,
				   guest_address(GUEST_COPY(struct xen_memory_exchange, .in = *request, .out = *request)), 0, 0), -EPERM);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq,
				   guest_address(GUEST_COPY(struct physdev_map_pirq, .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI)), 0, 0), -EPERM);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq,
				   guest_address(GUEST_COPY(struct physdev_unmap_pirq, .domid = DOMID_SELF, .pirq = 1)), 0, 0), -EPERM);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_grant_table_op, GNTTABOP_set_version,
				   guest_address(GUEST_COPY(struct gnttab_set_version, .version = 1)), 1, 0), -EPERM);
	/* Ports of before are kept; its own of later it may close. */
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_event_channel_op, EVTCHNOP_close,
				   guest_address(GUEST_COPY(struct evtchn_close, kept)), 0, 0), -EPERM);
	CU_ASSERT_EQUAL(channel_open(driver.domain, (struct channel){ .state = CHANNEL_UNBOUND, .for_id = 0 }, &later), 0);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_event_channel_op, EVTCHNOP_close,
				   guest_address(GUEST_COPY(struct evtchn_close, later)), 0, 0), 0);
	all_is_counted();
}

/* ---- what is told ---- */

/* Its memory is as it was before: what it died of can be read nowhere else. */
static void the_end_of_its_stack_survives_a_reset(void)
{
	struct skink_driver_info told;

	given_ready();
	driver.domain->vcpu[0]->regs.rsp = VA(DATA + 1) - 16;
	*(uint64_t *)(void *)fake_guest_touch(VA(DATA + 1) - 8, true) = 0xc0ffee;
	CU_ASSERT_EQUAL(reset(), 0);
	told = info();
	CU_ASSERT_EQUAL(told.rsp, VA(DATA + 1) - 16);
	CU_ASSERT_EQUAL(told.stack_words, SKINK_DRIVER_STACK_WORDS);
	CU_ASSERT_EQUAL(told.stack[0], 0x0101010101010101 * DATA);
	CU_ASSERT_EQUAL(told.stack[1], 0xc0ffee);
	CU_ASSERT_EQUAL(told.stack[3], 0x0101010101010101 * (DATA + 1));
	restored_are_as_before();
}

static void a_stack_that_is_nowhere_tells_nothing(void)
{
	static const uint64_t nowhere[] = { 0, 8, 0xffff800000000000, 0xffff808000000000, 0x7ffffffffffffff0, UINT64_MAX };

	given_ready();
	for (uint32_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
		driver.domain->vcpu[0]->regs.rsp = nowhere[i] ? nowhere[i] : FREE_VA(3);
		CU_ASSERT_EQUAL(reset(), 0);
		CU_ASSERT_EQUAL(info().stack_words, nowhere[i] == 8 ? SKINK_DRIVER_STACK_WORDS : 0);
	}
	/* It ends in the middle. */
	driver.domain->vcpu[0]->regs.rsp = VA(GUEST_PAGES) - 24;
	CU_ASSERT_EQUAL(reset(), 0);
	CU_ASSERT_EQUAL(info().stack_words, 3);
	all_is_counted();
}

/* ---- what is restored ---- */

static void each_way_to_change_a_frame_is_undone(void)			/* R3 */
{
	struct gnttab_copy *copy;

	given_ready();
	CU_ASSERT_TRUE(store(VA(DATA)));					/* a plain store */
	copy = GUEST_COPY(struct gnttab_copy, .source = { { .gmfn = driver.page[DATA] }, DOMID_SELF, 0 },
			  .dest = { { .gmfn = driver.page[DATA + 1] }, DOMID_SELF, 5 }, .len = 100);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, guest_address(copy), 1, 0), 0);
	CU_ASSERT_EQUAL(copy->status, GNTST_okay);
	CU_ASSERT_EQUAL(guest_updates(driver.page[DATA + 2], 3, 99), 0);	/* a word that the core writes */
	CU_ASSERT_EQUAL(guest_updates(driver.page[DATA + 3], 511, 99), 0);	/* and the last one of a page */
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(driver.page[DATA + 4], WRITABLE)), 0);
	CU_ASSERT_TRUE(store(FREE_VA(0)));					/* by an alias */
	CU_ASSERT_TRUE(store(VA(DATA + 5)));
	CU_ASSERT_EQUAL(guest_maps(VA(DATA + 5), 0), 0);			/* and the mapping goes */
	CU_ASSERT_TRUE(store(VA(DATA + 6)));
	CU_ASSERT_EQUAL(guest_updates(driver.page[L1], DATA + 6, pte(driver.page[DATA + 6], WRITABLE)), 0);
	CU_ASSERT_TRUE(store(VA(DATA + 7)));					/* the guest clears its dirty bit by a write of its own */
	CU_ASSERT_EQUAL(mmu_emulate_write(driver.domain->vcpu[0], VA(L1) + (DATA + 7) * 8,
					  words_of(driver.page[L1])[DATA + 7] & ~PTE_DIRTY, 8,
					  words_of(driver.page[L1])[DATA + 7]), 0);
	CU_ASSERT_TRUE(store(VA(ZERO)));
	CU_ASSERT_TRUE(store(VA(SCRATCH)) && store(VA(PRESERVED)));
	CU_ASSERT_FALSE(store(VA(HOST)));

	CU_ASSERT_EQUAL(reset(), 0);
	restored_are_as_before();
	CU_ASSERT_EQUAL(*(uint8_t *)words_of(driver.page[SCRATCH]), 0xee);
	CU_ASSERT_EQUAL(*(uint8_t *)words_of(driver.page[PRESERVED]), 0xee);
	CU_ASSERT_EQUAL(info().frames_copied, 9);
	CU_ASSERT_EQUAL(driver.domain->vcpu[0]->regs.rax, 1);
	CU_ASSERT_EQUAL(driver.domain->vcpu[0]->regs.rbx, 77);

	/* Once more: what was found is not found again, and what is new is. */
	CU_ASSERT_TRUE(store(VA(DATA)));
	CU_ASSERT_EQUAL(reset(), 0);
	restored_are_as_before();
	CU_ASSERT_EQUAL(info().frames_copied, 1);
	CU_ASSERT_EQUAL(driver.domain->vcpu[0]->regs.rax, 2);
	CU_ASSERT_EQUAL(reset(), 0);
	CU_ASSERT_EQUAL(info().frames_copied, 0);
}

/* Dom0 maps a page of it, and writes when the core cannot see it. */
static void what_others_can_write_to_is_always_restored(void)		/* R4 */
{
	given_ready();
	as_zero();
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_update_va_mapping_otherdomain, FREE_VA(0),
				   pte(driver.page[DATA], WRITABLE), 0, DRIVER), 0);
	for (int i = 0; i < 3; i++) {
		words_of(driver.page[DATA])[7] = 1234;
		CU_ASSERT_EQUAL(reset(), 0);
		page_is_as_before(DATA);
		CU_ASSERT_EQUAL(info().frames_copied, 1);
	}
	words_of(driver.page[DATA])[7] = 1234;
	as_zero();
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), 0), 0);
	CU_ASSERT_EQUAL(reset(), 0);
	restored_are_as_before();
	CU_ASSERT_EQUAL(reset(), 0);
	CU_ASSERT_EQUAL(info().frames_copied, 0);
}

/* Two grants of Dom0's, one mapped over a page of its own; and the lender knows when they are back. */
static void grants_are_released_and_their_entries_gone(void)
{
	struct grant_entry_v1 *entry;
	struct gnttab_map_grant_ref *map;

	given_ready();
	entry = zero.domain->grants->shared[0];
	store(VA(DATA + 1));
	for (uint32_t i = 8; i < 10; i++) {
		entry[i] = (struct grant_entry_v1){ GTF_permit_access, DRIVER, (uint32_t)zero.page[DATA + i - 8] };
		map = GUEST_COPY(struct gnttab_map_grant_ref, .host_addr = i == 8 ? FREE_VA(3) : VA(DATA + 1),
				 .flags = GNTMAP_host_map, .ref = i, .dom = 0);
		CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, guest_address(map), 1, 0), 0);
		CU_ASSERT_EQUAL(map->status, GNTST_okay);
	}
	CU_ASSERT_TRUE(store(FREE_VA(3)) && store(VA(DATA + 1)));
	CU_ASSERT_TRUE(entry[8].flags & GTF_writing);
	CU_ASSERT_EQUAL(reset(), 0);
	CU_ASSERT_EQUAL(info().grants_released, 2);
	CU_ASSERT_EQUAL(entry[8].flags, GTF_permit_access);
	CU_ASSERT_EQUAL(entry[9].flags, GTF_permit_access);
	CU_ASSERT_EQUAL(*(uint8_t *)words_of(zero.page[DATA]), 0xee);
	CU_ASSERT_PTR_NULL(fake_guest_touch(FREE_VA(3), false));
	restored_are_as_before();
	/* And again, by other handles. */
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, guest_address(map), 1, 0), 0);
	CU_ASSERT_EQUAL(reset(), 0);
	CU_ASSERT_EQUAL(info().grants_released, 1);
	restored_are_as_before();
}

/* The lender may make a page table of it at once. */
static void a_grant_is_back_when_nobody_maps_it(int (*ends)(struct domain *domain))
{
	struct frame *frame;
	struct grant_entry_v1 *entry;
	struct gnttab_map_grant_ref *map;
	uint64_t before_it;
	int error;

	frame = frame_of(mfn(zero.page[DATA]));
	before_it = frame->type;
	entry = &zero.domain->grants->shared[0][8];
	*entry = (struct grant_entry_v1){ GTF_permit_access, DRIVER, (uint32_t)zero.page[DATA] };
	map = GUEST_COPY(struct gnttab_map_grant_ref, .host_addr = FREE_VA(3), .flags = GNTMAP_host_map, .ref = 8, .dom = 0);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, guest_address(map), 1, 0), 0);
	CU_ASSERT_TRUE(entry->flags & GTF_writing);
	CU_ASSERT_NOT_EQUAL(frame->type, before_it);
	as_zero();
	fake.preempt_every = 1;
	do {
		error = ends(driver.domain);
		CU_ASSERT_TRUE((entry->flags & GTF_writing) || frame->type == before_it);
		all_is_counted();
		fake_deferred_steps(current_vcpu(), UINT32_MAX);
	} while (error == -ERESTART);
	fake.preempt_every = 0;
	CU_ASSERT_EQUAL(error, 0);
	CU_ASSERT_EQUAL(entry->flags, GTF_permit_access);
	all_is_counted();
}

static void at_its_end_a_grant_is_back_when_nobody_maps_it(void)		/* F1 */
{
	given_driver();
	a_grant_is_back_when_nobody_maps_it(domain_destroy);
}

/* Its root is pinned, and half a table holds another that maps the grant. */
static void at_renewal_a_grant_is_back_when_nobody_maps_it(void)		/* F1 */
{
	given_driver();
	for (uint32_t i = 0; i < 4; i++)
		words_of(driver.page[DATA])[i] = pte(driver.page[L1_SECOND], READ_ONLY);
	CU_ASSERT_EQUAL(guest_maps(VA(DATA), 0), 0);
	fake.preempt_every = 1;
	guest_call_tries = 0;
	CU_ASSERT_EQUAL(guest_pins(driver.page[DATA], FRAME_L2), -ERESTART);
	guest_call_tries = UINT32_MAX;
	fake.preempt_every = 0;
	CU_ASSERT_NOT_EQUAL(frame_of(mfn(driver.page[DATA]))->type & FRAME_PARTIAL, 0);
	driver.domain->pause_count = 1;
	a_grant_is_back_when_nobody_maps_it(reset_renew);
}

/* ---- armed ---- */

static void an_armed_driver_is_back_without_dom0(void)
{
	struct skink_driver_info seen;

	given_ready();
	CU_ASSERT_EQUAL(arm(1), 0);
	store(VA(DATA));
	driver.domain->vcpu[0]->regs.rip = 0xdead;
	domain_crash(driver.domain, "on purpose %u", 5);
	domain_crash(driver.domain, "and once more");
	CU_ASSERT_FALSE(driver.domain->is_shut_down);
	driver_leaves_core();
	restored_are_as_before();
	seen = info();
	CU_ASSERT_EQUAL(seen.state, SKINK_DRIVER_SERVING);
	CU_ASSERT_EQUAL(seen.generation, 1);
	CU_ASSERT_EQUAL(seen.cause, SKINK_CAUSE_CRASH);
	CU_ASSERT_EQUAL(seen.is_armed, 0);
	CU_ASSERT_EQUAL(seen.rip, 0xdead);
	CU_ASSERT_STRING_EQUAL(seen.text, "on purpose 5");
	CU_ASSERT_EQUAL(driver.domain->vcpu[0]->regs.rax, 1);
	/* Spent: it dies, and waits for Dom0. */
	domain_shutdown(driver.domain, SHUTDOWN_crash);
	CU_ASSERT_TRUE(driver.domain->is_shut_down);
	CU_ASSERT_EQUAL(info().state, SKINK_DRIVER_DEAD);
	CU_ASSERT_EQUAL(arm(1), -EBUSY);
	CU_ASSERT_EQUAL(reset(), 0);
	CU_ASSERT_FALSE(driver.domain->is_shut_down);
	CU_ASSERT_EQUAL(info().generation, 2);
	CU_ASSERT_EQUAL(info().cause, SKINK_CAUSE_SHUTDOWN);
	all_is_counted();
}

/* Another CPU is about to note of what it has died, or a frame as changed. */
/* Its last call may be as long as it likes to make it. */
static void a_long_call_stops_for_the_reset_of_its_driver(void)
{
	enum { COPIES = 40 };
	struct gnttab_copy *copy = fake_guest_memory(COPIES * sizeof(*copy));

	given_ready();
	for (uint32_t i = 0; i < COPIES; i++)
		copy[i] = (struct gnttab_copy){ .source = { { .gmfn = driver.page[DATA] }, DOMID_SELF, 0 },
						.dest = { { .gmfn = driver.page[DATA + 1] }, DOMID_SELF, 5 }, .len = 100 };
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, guest_address(copy), COPIES, 0), 0);
	CU_ASSERT_EQUAL(guest_call_continued, 0);
	CU_ASSERT_EQUAL(arm(1), 0);
	domain_crash(driver.domain, "on purpose");
	guest_call_tries = 0;
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, guest_address(copy), COPIES, 0), -ERESTART);
	CU_ASSERT_EQUAL(driver.domain->vcpu[0]->regs.rdx, COPIES - 8);
	guest_call_tries = UINT32_MAX;
	driver_leaves_core();
	restored_are_as_before();
}

static void a_death_is_told_with_its_cause_or_not_yet(void)			/* R7, R3 */
{
	struct skink_domctl_driver_info to = { guest_address(fake_guest_memory(sizeof(struct skink_driver_info))), 8 };
	struct frame *frame;
	struct reset *reset;
	bool waits;

	given_ready();
	reset = driver.domain->reset;
	frame = frame_of(mfn(driver.page[DATA]));
	spin_lock(&reset->lock);
	FAKE_DIES(waits, CU_ASSERT_EQUAL(reset_tell(driver.domain, &to), 0));
	CU_ASSERT_TRUE(waits);
	FAKE_DIES(waits, CU_ASSERT_EQUAL(reset_arm(driver.domain, true), 0));
	CU_ASSERT_TRUE(waits);
	FAKE_DIES(waits, reset_note_death(driver.domain, SKINK_CAUSE_CRASH, ""));
	CU_ASSERT_TRUE(waits);
	CU_ASSERT_EQUAL(reset->state, SKINK_DRIVER_SERVING);
	CU_ASSERT_FALSE(reset->is_armed);
	CU_ASSERT_TRUE_FATAL(frame_is_watched(frame));
	FAKE_DIES(waits, frame_touch(frame));
	CU_ASSERT_TRUE(waits && frame_is_watched(frame));
	reset->lock = (struct spinlock)SPINLOCK_FREE;
	all_is_counted();
}

/* Its watchdog's handler, on another CPU, found it serving before, and is slow; sched_vcpu_forget() waits for it. */
static bool barks;

void sched_vcpu_forget(struct vcpu *vcpu)
{
	if (!barks)
		return;
	vcpu->domain->shutdown_reason = SHUTDOWN_watchdog;
	vcpu->domain->is_shut_down = true;
	reset_note_death(vcpu->domain, SKINK_CAUSE_SHUTDOWN, "");
	barks = false;
}

static void a_watchdog_that_barks_during_a_reset_is_too_late(void)
{
	given_ready();
	barks = true;
	CU_ASSERT_EQUAL(reset(), 0);
	CU_ASSERT_FALSE(barks || driver.domain->is_shut_down);
	CU_ASSERT_EQUAL(driver.domain->shutdown_reason, SHUTDOWN_NONE);
	CU_ASSERT_EQUAL(info().state, SKINK_DRIVER_SERVING);
	restored_are_as_before();
}

/* Who sent it does so once; that it was sent is all that the successor can know of. */
static void event_of_before_is_told_of_when_its_port_is_unmasked(void)
{
	struct evtchn_bind_interdomain *bind;
	struct vcpu *vcpu;
	port_t offered;

	given_driver();
	vcpu = driver.domain->vcpu[0];
	driver.domain->shared_info->evtchn_mask[0] = ~0ULL;
	CU_ASSERT_EQUAL_FATAL(ready(), 0);
	CU_ASSERT_EQUAL(channel_open(zero.domain, (struct channel){ .state = CHANNEL_UNBOUND, .for_id = DRIVER }, &offered), 0);
	bind = GUEST_COPY(struct evtchn_bind_interdomain, .remote_dom = 0, .remote_port = offered);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, guest_address(bind), 0, 0), 0);
	driver.domain->shared_info->evtchn_mask[0] = 0;
	CU_ASSERT_EQUAL(reset(), 0);
	CU_ASSERT_TRUE(bit_test(driver.domain->shared_info->evtchn_mask, bind->local_port));
	CU_ASSERT_EQUAL(vcpu->info->evtchn_upcall_pending, 0);
	as_driver();
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_event_channel_op, EVTCHNOP_unmask,
				   guest_address(GUEST_COPY(struct evtchn_unmask, bind->local_port)), 0, 0), 0);
	CU_ASSERT_EQUAL(vcpu->info->evtchn_upcall_pending, 1);
}

static void events_of_before_are_not_pending_and_ports_are_there(void)
{
	struct evtchn_bind_interdomain *bind;
	struct vcpu *vcpu;
	port_t offered;

	given_ready();
	vcpu = driver.domain->vcpu[0];
	CU_ASSERT_EQUAL(channel_open(zero.domain, (struct channel){ .state = CHANNEL_UNBOUND, .for_id = DRIVER }, &offered), 0);
	bind = GUEST_COPY(struct evtchn_bind_interdomain, .remote_dom = 0, .remote_port = offered);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, guest_address(bind), 0, 0), 0);
	CU_ASSERT_TRUE(bit_test(driver.domain->shared_info->evtchn_pending, bind->local_port));
	driver.domain->shared_info->evtchn_mask[0] = ~0ULL;
	vcpu->info->evtchn_upcall_mask = 0;
	CU_ASSERT_EQUAL(reset(), 0);
	CU_ASSERT_FALSE(bit_test(driver.domain->shared_info->evtchn_pending, bind->local_port));
	CU_ASSERT_EQUAL(driver.domain->shared_info->evtchn_mask[0], 0);
	CU_ASSERT_EQUAL(vcpu->info->evtchn_upcall_pending, 0);
	CU_ASSERT_EQUAL(vcpu->info->evtchn_upcall_mask, 1);
	as_zero();
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_event_channel_op, EVTCHNOP_send,
				   guest_address(GUEST_COPY(struct evtchn_send, offered)), 0, 0), 0);
	CU_ASSERT_EQUAL(vcpu->info->evtchn_upcall_pending, 1);
}

/* Whoever goes on with it, and whoever dies meanwhile. */
static void it_may_be_stopped_at_each_step(void)
{
	fake.preempt_every = 1;
	given_ready();
	for (uint32_t i = DATA; i < SCRATCH; i++)
		store(VA(i));
	CU_ASSERT_EQUAL(reset(), 0);
	restored_are_as_before();
	CU_ASSERT_EQUAL(arm(1), 0);
	for (uint32_t i = DATA; i < SCRATCH; i++)
		store(VA(i));
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(driver.page[DATA], READ_ONLY)), 0);	/* R6: so there are two tables to look at */
	domain_crash(driver.domain, "on purpose");
	reset_continue(driver.domain->vcpu[0]);
	CU_ASSERT_EQUAL(driver.domain->reset->state, SKINK_DRIVER_RESETTING);
	all_is_counted();
	CU_ASSERT_EQUAL(reset(), 0);
	restored_are_as_before();
	CU_ASSERT_EQUAL(driver.domain->vcpu[0]->regs.rax, 2);
	CU_ASSERT_EQUAL(arm(1), 0);
	domain_crash(driver.domain, "on purpose");
	reset_continue(driver.domain->vcpu[0]);
	as_zero();
	CU_ASSERT_EQUAL(guest_ends(driver.domain), 0);
	CU_ASSERT_PTR_NULL(domain_find(DRIVER));
	fake.preempt_every = 0;
	all_is_counted();
}

/* What Dom0 writes through a mapping of its own while the frames are copied, and takes away, must not pass for what ready had. */
static void what_others_write_while_it_is_restored_is_undone_the_next_time(void)	/* R3, R4 */
{
	fake.preempt_every = 1;
	given_ready();
	CU_ASSERT_EQUAL(arm(1), 0);
	for (uint32_t i = DATA; i < GUEST_PAGES; i++)
		store(VA(i));
	domain_crash(driver.domain, "on purpose");
	for (uint32_t i = 0; i < 100 && driver.domain->reset->info.frames_copied < COPIES_AT_ONCE; i++)
		reset_continue(driver.domain->vcpu[0]);
	CU_ASSERT_EQUAL_FATAL(driver.domain->reset->state, SKINK_DRIVER_RESETTING);
	as_zero();
	for (uint32_t i = DATA; i < SCRATCH; i++) {
		CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_update_va_mapping_otherdomain, FREE_VA(0), pte(driver.page[i], WRITABLE), 0, DRIVER), 0);
		words_of(driver.page[i])[7] = 1234;
		CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), 0), 0);
	}
	as_driver();
	driver_leaves_core();
	fake.preempt_every = 0;
	CU_ASSERT_EQUAL(reset(), 0);
	restored_are_as_before();
}

/* ---- another image ---- */

static long renew(domid_t id)
{
	struct xen_domctl *op = control(SKINK_DOMCTL_renew);
	long error;

	op->domain = id;
	as_zero();
	error = call(op);
	as_driver();
	return error;
}

static void only_a_driver_that_is_paused_is_renewed(void)
{
	given_ready();
	CU_ASSERT_EQUAL(renew(0), -ENODEV);
	CU_ASSERT_EQUAL(renew(DRIVER), -EBUSY);
	driver.domain->pause_count = 1;
	driver.domain->vcpu[0]->info_frame = mfn(driver.page[DATA]);
	CU_ASSERT_EQUAL(renew(DRIVER), -EBUSY);
	driver.domain->vcpu[0]->info_frame = mfn(0);
	CU_ASSERT_EQUAL(info().state, SKINK_DRIVER_SERVING);
	CU_ASSERT_EQUAL(call(control(SKINK_DOMCTL_renew)), -EPERM);
	all_is_counted();
}

/* It keeps its frames with what stands in them; they have no class, no copy and no table any more. */
static void a_renewed_driver_is_as_before_it_ran(void)
{
	struct vcpu *vcpu;

	given_ready();
	vcpu = driver.domain->vcpu[0];
	store(VA(DATA));
	CU_ASSERT_EQUAL(arm(1), 0);
	driver.domain->pause_count = 1;
	CU_ASSERT_EQUAL(renew(DRIVER), 0);
	CU_ASSERT_EQUAL(info().state, SKINK_DRIVER_STARTING);
	CU_ASSERT_EQUAL(info().generation, 1);
	CU_ASSERT_FALSE(driver.domain->is_frozen || vcpu->is_initialised || vcpu->is_up);
	CU_ASSERT_EQUAL(vcpu->table_kernel.raw, 0);
	CU_ASSERT_EQUAL(words_of(driver.page[DATA])[1], words_of(driver.page[DATA])[2]);
	CU_ASSERT_FALSE(read_once(&frame_of(mfn(driver.page[DATA]))->count) & FRAME_WATCHED);
	CU_ASSERT_EQUAL(reset(), -EAGAIN);
	CU_ASSERT_EQUAL(arm(1), -EAGAIN);
	as_zero();
	CU_ASSERT_EQUAL(declare(GUEST_PAGES), 0);
	CU_ASSERT_EQUAL(declare(GUEST_PAGES), -EEXIST);
	CU_ASSERT_EQUAL(frame_class_of(frame_of(mfn(driver.page[HOST]))), DRIVER_HOST);
	CU_ASSERT_EQUAL(frame_class_of(frame_of(mfn(driver.page[SCRATCH]))), DRIVER_RESTORED);
	CU_ASSERT_EQUAL(guest_ends(driver.domain), 0);
	all_is_counted();
}

/* However often it is asked, and of a dead one. */
/* They are its front-ends', and the one who came before it has bound them. */
static void a_renewed_driver_cannot_close_all_its_ports(void)
{
	struct evtchn_reset *all;

	given_ready();
	driver.domain->pause_count = 1;
	CU_ASSERT_EQUAL(renew(DRIVER), 0);
	driver.domain->pause_count = 0;
	all = GUEST_COPY(struct evtchn_reset, .dom = DOMID_SELF);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_event_channel_op, EVTCHNOP_reset, guest_address(all), 0, 0), -EPERM);
}

static void renewal_may_be_stopped_and_asked_again(void)
{
	fake.preempt_every = 1;
	given_ready();
	domain_crash(driver.domain, "on purpose");
	CU_ASSERT_EQUAL(info().state, SKINK_DRIVER_DEAD);
	driver.domain->pause_count = 1;
	CU_ASSERT_EQUAL(renew(DRIVER), 0);
	CU_ASSERT_FALSE(driver.domain->is_shut_down);
	CU_ASSERT_EQUAL(renew(DRIVER), 0);
	CU_ASSERT_EQUAL(info().generation, 2);
	as_zero();
	CU_ASSERT_EQUAL(guest_ends(driver.domain), 0);
	fake.preempt_every = 0;
	all_is_counted();
}

/* As a table it is all that keeps its frame, and what a reset knew of the table must not be said of whoever has the frame next. */
static void a_table_that_was_given_up_goes_when_no_reset_knows_it(void)	/* R6 */
{
	struct frame *table;
	int error;

	given_driver();
	table = frame_of(mfn(driver.page[L1_SECOND]));
	CU_ASSERT_EQUAL(guest_maps(VA(L1_SECOND), 0), 0);
	CU_ASSERT_TRUE(frame_give_up(table));
	CU_ASSERT_EQUAL(ready(), 0);
	driver.domain->pause_count = 1;
	as_zero();
	fake.preempt_every = 1;
	do {
		error = reset_renew(driver.domain);
		fake_deferred_steps(current_vcpu(), UINT32_MAX);
		CU_ASSERT_TRUE(!driver.domain->reset->frame || table->owner == DRIVER);
		all_is_counted();
	} while (error == -ERESTART);
	fake.preempt_every = 0;
	CU_ASSERT_EQUAL(error, 0);
	CU_ASSERT_EQUAL(table->count, 0);
	all_is_counted();
}

/* Also when the frame where this was stopped has gone meanwhile. */
static void renewal_finds_all_that_is_pinned_however_often_it_is_stopped(void)
{
	for (uint32_t goes = 0; goes < 2; goes++) {
		uint32_t stopped = 0;
		mfn_t number[300];
		int error;

		given_driver();
		for (uint32_t i = 0; i < ARRAY_SIZE(number); i++) {
			CU_ASSERT_EQUAL_FATAL(frame_alloc_for(driver.domain, 0, 0, &number[i]), 0);
			if (i % 7 == 0)
				CU_ASSERT_EQUAL(guest_pins(number[i].raw, FRAME_L1), 0);
		}
		driver.domain->pause_count = 1;
		as_zero();
		fake.preempt_every = 1;
		do {
			error = reset_renew(driver.domain);
			fake_deferred_steps(current_vcpu(), UINT32_MAX);
			stopped += driver.domain->reset->unpin_next != 0;
			if (goes && driver.domain->reset->unpin_next && stopped < 3)
				CU_ASSERT_TRUE(frame_give_back(mfn(driver.domain->reset->unpin_next), driver.domain));
			all_is_counted();
		} while (error == -ERESTART && stopped < 50);
		fake.preempt_every = 0;
		CU_ASSERT_EQUAL(error, 0);
		CU_ASSERT_TRUE(stopped > 4);
		for (uint32_t i = driver.domain->page_list; i != FRAME_LINK_NONE; i = frame_of(mfn(i))->next)
			CU_ASSERT_EQUAL(frame_of(mfn(i))->type & (FRAME_PINNED | FRAME_TYPE_COUNT_MASK), 0);
		CU_ASSERT_EQUAL(guest_ends(driver.domain), 0);
		fake_reset();
	}
}

static void at_its_end_nothing_of_the_copy_is_left(void)
{
	given_ready();
	as_zero();
	CU_ASSERT_EQUAL(guest_ends(driver.domain), 0);
	CU_ASSERT_PTR_NULL(domain_find(DRIVER));
	all_is_counted();
}

static void nor_of_one_that_was_never_ready(void)
{
	given_driver();
	as_zero();
	CU_ASSERT_EQUAL(guest_ends(driver.domain), 0);
	CU_ASSERT_PTR_NULL(domain_find(DRIVER));
	all_is_counted();
}

static const struct unit_case cases[] = {
	UNIT_CASE(what_can_be_no_driver_is_not_declared),
	UNIT_CASE(only_a_declared_domain_says_ready_and_once),
	UNIT_CASE(nonsense_at_ready_changes_nothing),
	UNIT_CASE(a_frame_that_goes_meanwhile_is_not_restored),
	UNIT_CASE(a_table_that_is_writable_is_no_table_of_dom0s),
	UNIT_CASE(who_can_write_to_dom0s_table_is_not_ready),
	UNIT_CASE(after_ready_only_l1_entries_change),
	UNIT_CASE(the_end_of_its_stack_survives_a_reset),
	UNIT_CASE(a_stack_that_is_nowhere_tells_nothing),
	UNIT_CASE(each_way_to_change_a_frame_is_undone),
	UNIT_CASE(what_others_can_write_to_is_always_restored),
	UNIT_CASE(grants_are_released_and_their_entries_gone),
	UNIT_CASE(at_its_end_a_grant_is_back_when_nobody_maps_it),
	UNIT_CASE(at_renewal_a_grant_is_back_when_nobody_maps_it),
	UNIT_CASE(an_armed_driver_is_back_without_dom0),
	UNIT_CASE(a_long_call_stops_for_the_reset_of_its_driver),
	UNIT_CASE(a_death_is_told_with_its_cause_or_not_yet),
	UNIT_CASE(a_watchdog_that_barks_during_a_reset_is_too_late),
	UNIT_CASE(event_of_before_is_told_of_when_its_port_is_unmasked),
	UNIT_CASE(events_of_before_are_not_pending_and_ports_are_there),
	UNIT_CASE(it_may_be_stopped_at_each_step),
	UNIT_CASE(what_others_write_while_it_is_restored_is_undone_the_next_time),
	UNIT_CASE(only_a_driver_that_is_paused_is_renewed),
	UNIT_CASE(a_renewed_driver_is_as_before_it_ran),
	UNIT_CASE(a_renewed_driver_cannot_close_all_its_ports),
	UNIT_CASE(renewal_may_be_stopped_and_asked_again),
	UNIT_CASE(a_table_that_was_given_up_goes_when_no_reset_knows_it),
	UNIT_CASE(renewal_finds_all_that_is_pinned_however_often_it_is_stopped),
	UNIT_CASE(at_its_end_nothing_of_the_copy_is_left),
	UNIT_CASE(nor_of_one_that_was_never_ready),
};

int main(void) { return unit_run("reset", cases, ARRAY_SIZE(cases)); }
