/* SPDX-License-Identifier: MIT */
/*
 * What an operation costs, in instructions: under QEMU's -icount shift=0 one instruction is one nanosecond,
 * and system time counts them. Each line is BENCH <name> <instructions per operation>.
 *
 * QEMU: -icount shift=0,sleep=off
 */
#include "tap.h"

#include "builder.h"
#include "runtime/events.h"
#include "runtime/grants.h"
#include "runtime/time.h"

#define WINDOW 0x5000000000UL
#define ROUNDS 2000
#define GRANTS 64
#define PAGES 32                /* of one request to a disk */
#define CROWD 100               /* domains that are only there */

static domid_t self;
static void *page, *other;
static evtchn_port_t offer, taker;
static grant_ref_t gref, page_gref[PAGES];
static void *page_of[PAGES];
static uint64_t entry;
static struct mmu_update updates[512];

static void null_hypercall(void)
{
	hypercall(__HYPERVISOR_xen_version, XENVER_version, 0);
}

static void event_to_ourselves(void)
{
	event_send(offer); /* the upcall has run when it returns */
}

static void grant_map_and_unmap(void)
{
	grant_handle_t handle;

	grant_map(WINDOW, GNTMAP_host_map, gref, self, &handle);
	grant_unmap(WINDOW, handle);
}

/* Not one after the other: what only one of them costs. */
static void measure_grants(void)
{
	static grant_handle_t handles[GRANTS];
	uint64_t start = time_now_ns(), between;

	for (unsigned int i = 0; i < GRANTS; i++)
		ASSERT(grant_map(WINDOW + i * PAGE_SIZE, GNTMAP_host_map, gref, self, &handles[i]) == GNTST_okay);
	between = time_now_ns();
	for (unsigned int i = 0; i < GRANTS; i++)
		ASSERT(grant_unmap(WINDOW + i * PAGE_SIZE, handles[i]) == GNTST_okay);
	printf("BENCH grant_map %lu\nBENCH grant_unmap %lu\n", (between - start) / GRANTS, (time_now_ns() - between) / GRANTS);
}

static void grant_copy_of_a_page(void)
{
	struct gnttab_copy copy = { .len = PAGE_SIZE, .flags = GNTCOPY_source_gref };

	copy.source.u.ref = gref;
	copy.source.domid = self;
	copy.dest.u.gmfn = virt_to_mfn(other);
	copy.dest.domid = DOMID_SELF;
	grant_op(GNTTABOP_copy, &copy, 1);
}

/* As a back-end answers a large read: each page of its own to another of its front-end's. */
static void grant_copy_of_32_pages(void)
{
	static struct gnttab_copy copy[PAGES];

	for (unsigned int i = 0; i < PAGES; i++) {
		copy[i] = (struct gnttab_copy){ .len = PAGE_SIZE, .flags = GNTCOPY_dest_gref };
		copy[i].source.u.gmfn = virt_to_mfn(page_of[PAGES - 1 - i]);
		copy[i].source.domid = DOMID_SELF;
		copy[i].dest.u.ref = page_gref[i];
		copy[i].dest.domid = self;
	}
	grant_op(GNTTABOP_copy, copy, PAGES);
}

static void mmu_update_of_one(void)
{
	static unsigned int turn;

	memory_update(entry, turn++ & 1 ? 0 : virt_to_mfn(page) << 12 | PTE_KERNEL);
}

static void mmu_update_of_512(void)
{
	static unsigned int turn;
	uint64_t value = turn++ & 1 ? 0 : virt_to_mfn(page) << 12 | PTE_KERNEL;

	for (unsigned int i = 0; i < 512; i++)
		updates[i] = (struct mmu_update){ entry + i * 8, value };
	hypercall(__HYPERVISOR_mmu_update, updates, 512, NULL, DOMID_SELF);
}

static void update_va_mapping(void)
{
	static unsigned int turn;

	hypercall(__HYPERVISOR_update_va_mapping, WINDOW, turn++ & 1 ? 0 : virt_to_mfn(page) << 12 | PTE_KERNEL,
		  UVMF_INVLPG);
}

static void write_to_a_page_table(void)
{
	static unsigned int turn;

	*(volatile uint64_t *)memory_entry(memory_base_mfn, WINDOW, 1) =
		turn++ & 1 ? 0 : virt_to_mfn(page) << 12 | PTE_KERNEL;
}

static bool skip_ud2(struct trap_frame *frame)
{
	frame->rip += 2;
	return true;
}

static void exception_and_return(void)
{
	__asm__ volatile("ud2");
}

static void timer_set(void)
{
	time_set_timer(time_now_ns() + 1000000000);
}

static void poll_that_is_over(void)
{
	event_poll(NULL, 0, 1);
}

static void yield(void)
{
	hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

static void multicall_of_32(void)
{
	static struct multicall_entry calls[32];

	for (unsigned int i = 0; i < 32; i++)
		calls[i] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version, .args = { XENVER_version } };
	hypercall(__HYPERVISOR_multicall, calls, 32);
}

/* ---- with a second domain, a child of this one (builder.h) ---- */

enum { ASK_NOTHING, ASK_YIELD };

static struct child child;

/* Yields until it is told to stop. */
static int64_t answer(uint32_t what, const uint64_t *argument)
{
	while (what == ASK_YIELD && *(const volatile uint64_t *)argument == 0)
		yield();
	return 0;
}

static void event_there_and_back(void)
{
	child_call(&child, ASK_NOTHING, 0, 0);
}

static void create_and_destroy(void)
{
	static struct child passing;

	ASSERT(child_create(&passing) == 0 && child_destroy(&passing) == 0);
}

static xen_domctl_getdomaininfo_t list[CROWD + 2];

static void list_of_domains(void)
{
	struct xen_sysctl op = { .u.getdomaininfolist.max_domains = CROWD + 2 };

	set_xen_guest_handle(op.u.getdomaininfolist.buffer, list);
	ASSERT(sysctl(XEN_SYSCTL_getdomaininfolist, &op) == 0);
}

/* ---- how late a timer is: from its deadline to what its handler reads from the clock ---- */

#define TIMER_AFTER_NS 100000
#define TIMERS 200

static volatile uint64_t timer_seen_ns;

static void timer_came(evtchn_port_t port)
{
	timer_seen_ns = time_now_ns();
}

/* In `event_block()` the CPU has nothing to do meanwhile. */
static void measure_timer(const char *name, void (*wait)(void))
{
	uint64_t late = 0;

	for (unsigned int i = 0; i < TIMERS; i++) {
		uint64_t deadline = time_now_ns() + TIMER_AFTER_NS;

		timer_seen_ns = 0;
		ASSERT(time_set_timer(deadline) == 0);
		while (!timer_seen_ns)
			wait();
		/* Xen runs what is due within its slop of 50 us early: that is on time. */
		late += timer_seen_ns > deadline ? timer_seen_ns - deadline : 0;
	}
	printf("BENCH %s %lu\n", name, late / TIMERS);
}

/* The best of five: what the hypervisor's own timers add falls away. */
static uint64_t measure(const char *name, void (*operation)(void), unsigned int rounds)
{
	uint64_t best = ~0UL;

	for (unsigned int attempt = 0; attempt < 5; attempt++) {
		uint64_t start = time_now_ns(), spent;

		for (unsigned int i = 0; i < rounds; i++)
			operation();
		spent = time_now_ns() - start;
		if (spent < best)
			best = spent;
	}
	printf("BENCH %s %lu\n", name, best / rounds);
	return best / rounds;
}

static void nothing(void)
{
	barrier();
}

static void prepare(void)
{
	struct evtchn_status status;

	page = page_alloc();
	other = page_alloc();
	ASSERT(event_alloc(DOMID_SELF, &offer) == 0);
	event_status(offer, &status);
	self = status.u.unbound.dom;
	ASSERT(event_bind_interdomain(DOMID_SELF, offer, &taker) == 0);
	event_clear(taker);
	event_unmask(taker);
	ASSERT(grant_init(1) == 0);
	gref = grant_lend(self, page, 0);
	for (unsigned int i = 0; i < PAGES; i++) {
		page_of[i] = page_alloc();
		page_gref[i] = grant_lend(self, page_of[i], 0);
	}
	ASSERT(memory_map(WINDOW, 0) == 0);
	entry = memory_entry_address(memory_entry(memory_base_mfn, WINDOW, 1));
	trap_set_handler(TRAP_INVALID_OPCODE, skip_ud2);
}

static void measure_timers(void)
{
	evtchn_port_t port;

	ASSERT(event_bind_virq(VIRQ_TIMER, 0, &port) == 0);
	event_set_handler(port, timer_came);
	event_unmask(port);
	measure_timer("timer_latency_busy", nothing);
	measure_timer("timer_latency_idle", event_block);
	ASSERT(event_close(port) == 0);
}

/* What is free, and what domains have: all else is the hypervisor's. */
static void measure_memory(void)
{
	unsigned long pages = frames_free();

	list_of_domains();
	for (unsigned int i = 0; i < CROWD + 2; i++)
		pages += list[i].tot_pages;
	printf("BENCH memory_for_domains %lu KiB\n", pages * (PAGE_SIZE / 1024));
}

/* The same again with so many around them. */
static void measure_among(unsigned int domains, const char *hypercall_name, const char *event_name, const char *grant_name)
{
	static struct child crowd;
	static domid_t ids[CROWD];
	unsigned long free_before = frames_free();

	for (unsigned int i = 0; i < domains; i++) {
		ASSERT(child_create_empty(&crowd) == 0);
		ids[i] = crowd.id;
	}
	printf("BENCH memory_domain_%u %lu KiB\n", domains + 2, (free_before - frames_free()) * (PAGE_SIZE / 1024) / domains);
	measure(hypercall_name, null_hypercall, ROUNDS);
	measure(event_name, event_there_and_back, ROUNDS);
	measure(grant_name, grant_map_and_unmap, ROUNDS);
	if (domains == CROWD)
		measure("list_102_domains", list_of_domains, 10);
	for (unsigned int i = 0; i < domains; i++)
		ASSERT(domctl_plain(XEN_DOMCTL_destroydomain, ids[i]) == 0);
}

static void measure_two_domains(void)
{
	unsigned long free_before;

	if (boot_info->mod_len == 0) {
		printf("# no second kernel: nothing between two domains\n");
		return;
	}
	measure_memory();
	free_before = frames_free();
	ASSERT(child_start(&child) == 0);
	printf("BENCH memory_domain %lu KiB\n", (free_before - frames_free() - CHILD_PAGES) * (PAGE_SIZE / 1024));
	measure("event_ping_pong", event_there_and_back, ROUNDS);
	child_ask(&child, ASK_YIELD, 0, 0);
	printf("BENCH domain_switch %lu\n", measure("yield_there_and_back", yield, ROUNDS) / 2);
	child.mailbox->argument[0] = 1;
	ASSERT(child_wait(&child) == 0);
	measure_among(CROWD / 10, "null_hypercall_12", "event_ping_pong_12", "grant_map_unmap_12");
	measure_among(CROWD, "null_hypercall_102", "event_ping_pong_102", "grant_map_unmap_102");
	ASSERT(child_destroy(&child) == 0);
	measure("domain_4_mib_create_destroy", create_and_destroy, 10);
}

RUNTIME_KERNEL

void guest_main(void)
{
	if (!boot_is_dom0())
		child_serve(answer);
	printf("1..1\n");
	prepare();
	measure("loop", nothing, ROUNDS);
	measure("null_hypercall", null_hypercall, ROUNDS);
	measure("event_ping", event_to_ourselves, ROUNDS);
	measure("grant_map_unmap", grant_map_and_unmap, ROUNDS);
	measure_grants();
	measure("grant_copy_page", grant_copy_of_a_page, ROUNDS);
	measure("grant_copy_32_pages", grant_copy_of_32_pages, 100);
	measure("mmu_update_1", mmu_update_of_one, ROUNDS);
	measure("mmu_update_512", mmu_update_of_512, 100);
	measure("update_va_mapping", update_va_mapping, ROUNDS);
	measure("page_table_write", write_to_a_page_table, ROUNDS);
	measure("exception", exception_and_return, ROUNDS);
	measure("set_timer", timer_set, ROUNDS);
	measure("poll_past", poll_that_is_over, ROUNDS);
	measure("yield", yield, ROUNDS);
	measure("multicall_32", multicall_of_32, 200);
	time_set_timer(0);
	measure_timers();
	measure_two_domains();
	printf("ok 1 - every operation was measured\n");
}
