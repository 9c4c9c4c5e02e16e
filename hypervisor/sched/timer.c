/* SPDX-License-Identifier: MIT */
/*
 * Timers in pairing heaps, one for each CPU. The links stand in the timers, so setting one cannot fail.
 * Lock: the heap's, a leaf.
 *
 * T1  No timer of a heap is due before the deadline that its CPU's hardware timer is programmed for, unless
 *     SOFTIRQ_TIMER is raised there.
 * T2  timer->cpu changes only with the locks of both heaps held.
 */
#include "sched/timer.h"

#include "cpu/cpu.h"
#include "cpu/timer_hw.h"
#include "lib/spinlock.h"

struct timer_heap {
	struct spinlock lock;
	struct timer *first;		/* the root: the earliest */
	struct timer *firing;		/* whose handler runs just now */
	uint64_t programmed_ns;		/* what the hardware timer waits for; UINT64_MAX: nothing */
};

static struct timer_heap heaps[MAX_CPUS];

/* ---- the heap: each timer is due no later than those below it ---- */

static void place(struct timer **link, struct timer *timer)
{
	*link = timer;
	if (timer)
		timer->link = link;
}

/* Two heaps become one; neither root has a `next`. */
static struct timer *meld(struct timer *a, struct timer *b)
{
	struct timer *top, *below;

	if (!a || !b)
		return a ? a : b;
	top = b->deadline_ns < a->deadline_ns ? b : a;
	below = top == a ? b : a;
	place(&below->next, top->child);
	place(&top->child, below);
	return top;
}

/* Melds a row of siblings, two by two and then all: the second pass is what keeps the heap shallow. */
static struct timer *meld_row(struct timer *row)
{
	struct timer *pairs = NULL, *all = NULL, *a, *b;

	while ((a = row) != NULL) {
		b = a->next;
		row = b ? b->next : NULL;
		a->next = NULL;
		if (b)
			b->next = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while ((a = pairs) != NULL) {
		pairs = a->next;
		a->next = NULL;
		all = meld(all, a);
	}
	return all;
}

static void heap_insert(struct timer_heap *heap, struct timer *timer)
{
	timer->child = timer->next = NULL;
	timer->is_set = true;
	place(&heap->first, meld(heap->first, timer));
}

static void heap_remove(struct timer_heap *heap, struct timer *timer)
{
	struct timer *below;

	if (!timer->is_set)
		return;
	place(timer->link, timer->next);
	below = meld_row(timer->child);
	place(&heap->first, meld(heap->first, below));
	timer->is_set = false;
}

/* ---- the heaps of the CPUs ---- */

static struct timer_heap *lock_heap_of(const struct timer *timer)
{
	for (;;) {
		uint32_t cpu = read_once(&timer->cpu);

		spin_lock(&heaps[cpu].lock);
		if (read_once(&timer->cpu) == cpu)
			return &heaps[cpu];
		spin_unlock(&heaps[cpu].lock);
	}
}

/* T1 after an earlier deadline came. The heap is locked. */
static void program(struct timer_heap *heap, uint32_t cpu)
{
	uint64_t first_ns = heap->first ? heap->first->deadline_ns : UINT64_MAX;

	if (first_ns >= heap->programmed_ns)
		return;
	if (cpu != cpu_id()) {
		cpu_raise_softirq(cpu_by_id[cpu], SOFTIRQ_TIMER);
		return;
	}
	heap->programmed_ns = first_ns;
	cpu_timer_program(first_ns);
}

void timer_init_cpu(uint32_t cpu)
{
	heaps[cpu] = (struct timer_heap){ .programmed_ns = UINT64_MAX };
}

void timer_init(struct timer *timer, void (*handler)(void *data), void *data, uint32_t cpu)
{
	*timer = (struct timer){ .handler = handler, .data = data, .cpu = cpu };
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	struct timer_heap *heap = lock_heap_of(timer);

	heap_remove(heap, timer);
	timer->deadline_ns = deadline_ns;
	heap_insert(heap, timer);
	program(heap, timer->cpu);
	spin_unlock(&heap->lock);
}

void timer_stop(struct timer *timer)
{
	for (;;) {
		struct timer_heap *heap = lock_heap_of(timer);
		bool fires_elsewhere = heap->firing == timer && timer->cpu != cpu_id();

		/* The hardware timer may fire for nothing: cheaper than programming it each time. */
		heap_remove(heap, timer);
		spin_unlock(&heap->lock);
		if (!fires_elsewhere)
			return;
		cpu_relax_serving();
	}
}

/* Both heaps are locked. */
static void move(struct timer *timer, uint32_t from, uint32_t to)
{
	bool was_set = timer->is_set;

	heap_remove(&heaps[from], timer);
	write_once(&timer->cpu, to);
	if (was_set) {
		heap_insert(&heaps[to], timer);
		program(&heaps[to], to);
	}
}

void timer_migrate(struct timer *timer, uint32_t cpu)
{
	while (read_once(&timer->cpu) != cpu) {
		uint32_t from = read_once(&timer->cpu);
		struct timer_heap *low = &heaps[MIN(from, cpu)], *high = &heaps[MAX(from, cpu)];

		spin_lock_two(&low->lock, &high->lock);
		/* While its handler runs elsewhere it stays: timer_stop() looks for it there. */
		if (timer->cpu == from && (heaps[from].firing != timer || from == cpu_id()))
			move(timer, from, cpu);
		spin_unlock_two(&low->lock, &high->lock);
		if (read_once(&timer->cpu) != cpu)
			cpu_relax_serving();
	}
}

/* The first one that is due, taken out; NULL: none, and the hardware waits for the next. */
static struct timer *take_due(struct timer_heap *heap, uint32_t cpu, uint64_t now_ns)
{
	struct timer *timer;

	spin_lock(&heap->lock);
	timer = heap->first;
	if (timer && timer->deadline_ns <= now_ns) {
		heap_remove(heap, timer);
	} else {
		timer = NULL;
		heap->programmed_ns = UINT64_MAX;	/* it has fired, or an earlier deadline came from elsewhere */
		program(heap, cpu);
	}
	heap->firing = timer;
	spin_unlock(&heap->lock);
	return timer;
}

void timer_softirq(void)
{
	uint32_t cpu = cpu_id();
	uint64_t now_ns = time_now_ns();
	struct timer *timer;

	while ((timer = take_due(&heaps[cpu], cpu, now_ns)) != NULL)
		timer->handler(timer->data);
}
