/* SPDX-License-Identifier: MIT */
/*
 * Timers in pairing heaps, one for each CPU. The links stand in the timers, so setting one cannot fail.
 * Lock: the heap's, a leaf.
 *
 * T1  No timer of a heap is due before the deadline that its CPU's hardware timer is programmed for.
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

static void unlock_heaps(uint32_t cpu, uint32_t also)
{
	spin_unlock_two(&heaps[MIN(cpu, also)].lock, &heaps[MAX(cpu, also)].lock);
}

/* Locks the heap of a timer, and `also`. Returns whose the timer's is. */
static uint32_t lock_heap_of(const struct timer *timer, uint32_t also)
{
	for (;;) {
		uint32_t cpu = read_once(&timer->cpu);

		spin_lock_two(&heaps[MIN(cpu, also)].lock, &heaps[MAX(cpu, also)].lock);
		if (read_once(&timer->cpu) == cpu)
			return cpu;
		unlock_heaps(cpu, also);
	}
}

/* T1. The heap is this CPU's, and locked. */
static void program(struct timer_heap *heap)
{
	uint64_t first_ns = heap->first ? heap->first->deadline_ns : UINT64_MAX;

	if (first_ns < heap->programmed_ns) {
		heap->programmed_ns = first_ns;
		cpu_timer_program(first_ns);
	}
}

void timer_init_cpu(uint32_t cpu)
{
	heaps[cpu] = (struct timer_heap){ .programmed_ns = UINT64_MAX };
}

void timer_init(struct timer *timer, void (*handler)(void *data), void *data)
{
	*timer = (struct timer){ .handler = handler, .data = data };
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	uint32_t here = cpu_id(), from = lock_heap_of(timer, here);

	heap_remove(&heaps[from], timer);
	timer->deadline_ns = deadline_ns;
	write_once(&timer->cpu, here);
	heap_insert(&heaps[here], timer);
	program(&heaps[here]);
	unlock_heaps(from, here);
}

void timer_stop(struct timer *timer)
{
	uint32_t here = cpu_id(), own = heaps[here].firing == timer, from;
	bool fires_elsewhere;

	do {
		from = lock_heap_of(timer, here);
		/* The hardware timer may fire for nothing: cheaper than programming it each time. */
		heap_remove(&heaps[from], timer);
		fires_elsewhere = read_once(&timer->firing) > own;
		unlock_heaps(from, here);
		if (fires_elsewhere)
			cpu_relax_serving();
	} while (fires_elsewhere);
}

/* The first one that is due, taken out; NULL: none, and the hardware waits for the next. */
static struct timer *take_due(struct timer_heap *heap, uint64_t now_ns)
{
	struct timer *timer;

	spin_lock(&heap->lock);
	timer = heap->first;
	if (timer && timer->deadline_ns <= now_ns) {
		heap_remove(heap, timer);
		__atomic_fetch_add(&timer->firing, 1, __ATOMIC_SEQ_CST);
	} else {
		timer = NULL;
		heap->programmed_ns = UINT64_MAX;	/* it has fired */
		program(heap);
	}
	heap->firing = timer;
	spin_unlock(&heap->lock);
	return timer;
}

void timer_softirq(void)
{
	struct timer_heap *heap = &heaps[cpu_id()];
	uint64_t now_ns = time_now_ns();
	struct timer *timer;

	while ((timer = take_due(heap, now_ns)) != NULL) {
		timer->handler(timer->data);
		__atomic_fetch_sub(&timer->firing, 1, __ATOMIC_SEQ_CST);
	}
}
