/* SPDX-License-Identifier: MIT */
#include "guests.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/directmap.h"
#include "domain/hypercall.h"
#include "event/event.h"
#include "event_oracle.h"
#include "grant/grant.h"
#include "include/errno.h"
#include "input.h"
#include "mem/alloc.h"
#include "memory_guest.h"
#include "memory_oracle.h"
#include "pci.h"
#include "sched/queue.h"
#include "reset/reset.h"
#include "tables.h"

#define FRAMES_MAX	120
#define ARGUMENT_BYTES	32768
#define TRIES_MAX	5000		/* of something that must end */
#define RIP		0x1000

struct input input;
struct domain *guest[GUESTS];

static uint8_t *argument;
static size_t argument_used;

void fuzz_fails(const char *what)
{
	fprintf(stderr, "==== %s\n", what);
	abort();
}

static void check(const char *wrong)
{
	if (wrong)
		fuzz_fails(wrong);
}

void fuzz_check(void)
{
	check(memory_oracle_complaint());
	check(grant_oracle_complaint());
	check(fake_pci_complaint());
	fuzz_check_iommu();
}

void fuzz_check_events(void)
{
	struct domain *all[GUESTS];
	uint32_t count = 0;

	for (domid_t id = 0; id < GUESTS; id++)
		if (domain_find(id))
			all[count++] = domain_find(id);
	check(event_oracle_complaint(all, count));
}

void *guest_argument(size_t bytes)
{
	void *memory = argument + argument_used;

	argument_used += ROUND_UP(bytes, 16);
	if (argument_used > ARGUMENT_BYTES)
		fuzz_fails("the fuzzer's own arguments are too long");
	return memory;
}

void guest_arguments_clear(void)
{
	memset(argument, 0, argument_used);
	argument_used = 0;
}

/* ---- what the core asks of sched/ ---- */

int sched_domain_init(struct domain *domain)
{
	domain->sched = heap_alloc(sizeof(*domain->sched));
	return domain->sched ? 0 : -ENOMEM;
}

void sched_domain_destroy(struct domain *domain) { heap_free(domain->sched); }
void sched_vcpu_init(struct vcpu *vcpu) { vcpu->cpu = cpu_by_id[0]; }
void sched_vcpu_destroy(struct vcpu *vcpu) { }
void sched_get_runstate(struct vcpu *vcpu, struct vcpu_runstate_info *info) { memset(info, 0, sizeof(*info)); }
void runstate_write_area(struct vcpu *vcpu) { }
void time_write_area(struct vcpu *vcpu) { }

void sched_vcpu_wait_until_off(struct vcpu *vcpu)
{
	uint32_t here = cpu_id();

	if (!vcpu->is_running)
		return;
	fake_on_cpu(vcpu->cpu->id);
	fake_switch_to(NULL);
	fake_on_cpu(here);
}

/* ---- a guest's life ---- */

void guest_create(domid_t id)
{
	struct memory_guest built = { 0 };
	struct domain *domain;

	fake.preempt_every = fake.guest_fault_access = 0;
	if (domain_create(id, id == GUEST_DRIVER ? 1 : GUEST_VCPUS, id == 0, &domain))
		return;
	domain->frame_limit = FRAMES_MAX;
	domain->references++;
	guest[id] = domain;
	built.domain = domain;
	if (!memory_guest_build(&built))
		return;			/* no memory left: never runs, and can be destroyed */
	domain->vcpu[0]->is_initialised = true;
	domain->vcpu[0]->is_up = true;
	domain_unpause(domain);
}

void guests_start(void)
{
	fake_reset();
	fuzz_iommu_start(take8() & 1);
	given_functions();
	argument = fake_guest_memory(ARGUMENT_BYTES);
	argument_used = 0;
	memset(guest, 0, sizeof(guest));
	for (domid_t id = 0; id < GUESTS; id++)
		guest_create(id);
}

void guest_leave(const struct domain *domain)
{
	for (uint32_t i = 0; i < domain->vcpu_max; i++)
		sched_vcpu_wait_until_off(domain->vcpu[i]);
}

static bool can_run(const struct vcpu *vcpu)
{
	const struct domain *domain = vcpu->domain;

	return vcpu->is_up && vcpu->is_initialised && !domain->is_dying && !domain->is_shut_down && !domain->pause_count &&
	       !vcpu->pause_count;
}

bool guest_enter(domid_t id)
{
	uint8_t choice = take8();
	struct vcpu *vcpu;

	if (!guest[id])
		return false;
	vcpu = guest[id]->vcpu[choice % guest[id]->vcpu_max];
	if (!can_run(vcpu))
		vcpu = guest[id]->vcpu[0];
	if (!can_run(vcpu))
		return false;
	fake_on_cpu(choice >> 4 & (GUEST_CPUS - 1));
	if (this_cpu()->current != vcpu)
		sched_vcpu_wait_until_off(vcpu);
	fake_switch_to(vcpu);
	fake_deferred_steps(vcpu, UINT32_MAX);
	guest_finish_reset(vcpu->domain);
	return can_run(vcpu);
}

void guest_check_reset(const struct domain *domain)
{
	static const uint8_t zeroes[PAGE_SIZE];
	const struct reset *reset = domain->reset;

	for (uint32_t i = 0; i < reset->slot_count; i++) {
		const struct reset_frame *slot = &reset->frame[i];

		if (slot->number && slot->number != domain->vcpu[0]->info_frame.raw &&
		    memcmp(mfn_to_virt(mfn(slot->number)), slot->clean ? mfn_to_virt(mfn(slot->clean)) : zeroes, PAGE_SIZE))
			fuzz_fails("a frame is not as it was at ready: R3");
	}
	for (uint32_t i = 0; i < reset->table_count; i++)
		if (memcmp(mfn_to_virt(mfn(reset->table[i].number)), mfn_to_virt(mfn(reset->table[i].clean)), PAGE_SIZE))
			fuzz_fails("a page table is not as it was at ready: R2");
}

void guest_finish_reset(struct domain *domain)
{
	struct vcpu *vcpu = domain->vcpu[0];
	bool was_asked = vcpu->work & VCPU_WORK_RESET;

	for (uint32_t tries = 0; (vcpu->work & VCPU_WORK_RESET) && tries < TRIES_MAX; tries++)
		reset_continue(vcpu);
	if (vcpu->work & VCPU_WORK_RESET)
		fuzz_fails("a reset makes no progress");
	if (was_asked && domain->reset->state == SKINK_DRIVER_SERVING)
		guest_check_reset(domain);
}

/* Others may still map frames of one that is taken apart. */
static void forget_if_gone(domid_t id)
{
	domain_end_dead();
	if (domain_find(id) == guest[id])
		return;
	domain_put(guest[id]);
	guest[id] = NULL;
}

int guest_destroy_step(domid_t id)
{
	struct vcpu *caller = guest[0]->vcpu[0];
	int error;

	fake_on_cpu(0);
	if (can_run(caller)) {
		if (this_cpu()->current != caller)
			sched_vcpu_wait_until_off(caller);
		fake_switch_to(caller);
	} else {
		fake_switch_to(NULL);
	}
	error = domain_destroy(guest[id]);
	fake_deferred_steps(current_vcpu(), take8() & 1 ? UINT32_MAX : 1);
	forget_if_gone(id);
	return error;
}

/* What domain_destroy() does, which refuses to do it to the first domain. */
static int end_domain_zero(struct domain *domain)
{
	int error;

	domain->is_dying = true;
	pci_domain_stop(domain);
	error = dma_pool_release(domain);
	if (!error)
		error = event_close_all(domain);
	for (uint32_t i = 0; i < domain->vcpu_max; i++)
		vcpu_release_info(domain->vcpu[i]);
	if (!error)
		error = grant_release_all(domain, &(uint32_t){ 0 });
	if (!error)
		error = mmu_domain_destroy(domain);
	if (!error)
		pci_domain_release(domain);
	return error;
}

static void end_one(domid_t id)
{
	uint32_t tries = 0;
	int error;

	do {
		error = id ? domain_destroy(guest[id]) : end_domain_zero(guest[id]);
		fake_deferred_steps(current_vcpu(), UINT32_MAX);
		if (++tries > TRIES_MAX)
			fuzz_fails("the end of a domain makes no progress");
	} while (error == -ERESTART);
	forget_if_gone(id);
}

void guests_end(void)
{
	char text[100];

	fake.preempt_every = fake.guest_fault_access = 0;
	for (domid_t id = 0; id < GUESTS; id++)
		if (guest[id])
			guest_leave(guest[id]);
	fake_on_cpu(0);
	for (int pass = 0; pass < 2; pass++) {
		for (domid_t id = 0; id < GUESTS; id++)
			if (guest[id])
				end_one(id);
		fuzz_check();
		fuzz_check_events();
	}
	for (domid_t id = 0; id < GUESTS; id++) {
		if (!guest[id] || (id == 0 && guest[id]->frame_count == 0))
			continue;
		snprintf(text, sizeof(text), "domain %u cannot be destroyed: %lu frames left: F3", id, guest[id]->frame_count);
		fuzz_fails(text);
	}
}

/* ---- hypercalls ---- */

/* Those of a multicall that is being put together; NULL: none is. */
static struct multicall_entry *gathered;
static uint32_t gathered_count;

void guest_gathers_calls(void)
{
	gathered = guest_argument(GATHERED_MAX * sizeof(*gathered));
	gathered_count = 0;
}

long guest_calls_gathered(void)
{
	uint64_t list = (uintptr_t)gathered;

	gathered = NULL;
	return guest_calls(__HYPERVISOR_multicall, list, gathered_count, 0, 0);
}

long guest_calls(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct vcpu *vcpu = current_vcpu();
	uint32_t tries = 0;

	if (gathered) {
		if (gathered_count < GATHERED_MAX)
			gathered[gathered_count++] = (struct multicall_entry){ .op = number, .args = { a, b, c, d } };
		return 0;
	}
	vcpu->regs.rax = number;
	vcpu->regs.rdi = a;
	vcpu->regs.rsi = b;
	vcpu->regs.rdx = c;
	vcpu->regs.r10 = d;
	for (;;) {
		uint8_t choice;

		vcpu->regs.rip = RIP;
		guest_enters_core(vcpu);
		if (vcpu->work & VCPU_WORK_RESET) {
			guest_finish_reset(vcpu->domain);
			return 0;
		}
		if (vcpu->regs.rip == RIP)
			return (long)vcpu->regs.rax;
		fuzz_check();
		if (vcpu->domain->is_shut_down)
			return 0;
		/* A continuation is the guest's to make or not; meanwhile it is interrupted, or another vcpu runs. */
		choice = take8();
		if (choice >= 0xe0 || ++tries > 600)
			return -ERESTART;
		if (tries > 20)
			fake.preempt_every = 0;
		fake_deferred_steps(vcpu, UINT32_MAX);
	}
}

/* ---- what they name ---- */

static uint64_t nth_of(const struct domain *domain, uint32_t n)
{
	uint32_t i = domain->page_list;

	if (!domain->frame_count)
		return 0;
	for (n %= domain->frame_count; n && i; n--)
		i = frame_at(mfn(i))->next;
	return i;
}

/* The first that fits behind a frame of the input's choice; that one if none does. */
static uint64_t first_that_fits(const struct domain *domain, bool (*fits)(const struct frame *, uint64_t), uint64_t wanted)
{
	uint64_t first = nth_of(domain, take8()), i = first;

	for (uint64_t n = 0; first && n < domain->frame_count; n++) {
		const struct frame *frame = frame_at(mfn(i));

		if (fits(frame, wanted))
			return i;
		i = frame->next ? frame->next : domain->page_list;
	}
	return first;
}

static bool is_of_type(const struct frame *frame, uint64_t type) { return frame_type_of(frame->type) == type; }
static bool has_count(const struct frame *frame, uint64_t count) { return frame->count == count; }

uint64_t pick_frame_of_type(enum frame_type type) { return pick_frame_used_as(current_vcpu()->domain, type); }

uint64_t pick_frame_used_as(const struct domain *domain, enum frame_type type)
{
	return first_that_fits(domain, is_of_type, type);
}

uint64_t pick_frame_unused(const struct domain *domain)
{
	return first_that_fits(domain, has_count, FRAME_ALLOCATED | 1);
}

static const struct domain *any_domain(void)
{
	const struct domain *domain = guest[take_below(GUESTS)];

	return domain ? domain : current_vcpu()->domain;
}

/* Also one behind each BAR, and the one that two functions share. */
uint64_t pick_device_page(void)
{
	static const paddr_t start[] = { BAR_MSIX, BAR_MSIX_TABLE, BAR_MSI, BAR_SHARED };
	uint8_t choice = take8();

	return (start[choice & 3] >> PAGE_SHIFT) + (choice >> 2) % 6;
}

uint64_t pick_frame(void)
{
	uint8_t choice = take8();

	switch (choice & 15) {
	case 0 ... 6:	return nth_of(current_vcpu()->domain, take8());
	case 7 ... 8:	return pick_frame_unused(current_vcpu()->domain);
	case 9 ... 11:	return pick_frame_of_type(choice >> 4 & 7);
	case 12:	return nth_of(any_domain(), take8());
	case 13:	return choice & 0x10 ? pick_device_page() : virt_to_mfn(any_domain()->shared_info).raw;
	case 14:	return take16() % (FAKE_FRAME_LIMIT + 16);
	default:	return take64() >> (choice >> 4);
	}
}

/* Mostly inside what its first tables map, sometimes by another way, or nowhere. */
uint64_t pick_address(void)
{
	static const uint16_t slot[] = { 0, 0, 0, 1, 2, 255, 256, 257, 261, 271, 272, 511 };
	uint8_t choice = take8();
	uint64_t va = (uint64_t)take8() << 12 & 0x3f000;

	va |= (uint64_t)(choice & 1) << 21;
	if (choice & 0x10)
		va |= (uint64_t)(take8() & 3) << 21;
	if (choice & 0x20)
		va |= (uint64_t)(take8() & 1) << 30;
	if ((choice & 0xc0) == 0xc0)
		va |= (uint64_t)slot[take_below(ARRAY_SIZE(slot))] << 39;
	return va & 1ULL << 47 ? va | 0xffff000000000000ULL : va;
}

uint64_t pick_entry(void)
{
	static const uint64_t flags[] = { 7, 7, 5, 7, 5, 0x67, 0x25, 0, 0x1e7, 0x67 | PTE_NO_EXECUTE, 3, 1, 0x87, 0xe05, 6 };
	uint8_t choice = take8();

	if (choice >= 0xf0)
		return choice == 0xff ? take64() : 0;
	return pick_frame() << PAGE_SHIFT | flags[choice % ARRAY_SIZE(flags)];
}

uint32_t pick_index(void)
{
	uint8_t choice = take8();

	return choice < 0xe0 ? choice & 31 : choice < 0xf0 ? 256 + (choice & 15) : take16() & 511;
}

domid_t pick_domain(void)
{
	uint8_t choice = take8();

	if (choice < 0x80)
		return DOMID_SELF;
	return choice < 0xf8 ? choice & 3 : take16();
}
