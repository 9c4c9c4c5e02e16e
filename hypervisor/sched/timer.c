/* SPDX-License-Identifier: MIT */
/*
 * Timers in skew heaps (Sleator and Tarjan, 1986), one for each CPU.
 * The links stand in the timers, so setting one cannot fail.
 * Lock: the heap's, a leaf.
 *
 * T1  No timer of a heap is due before the deadline that its CPU's hardware timer is programmed for.
 * T2  timer->cpu changes only with the locks of both heaps held.
 */

#include "cpu/timer_hw.h"

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

/* Two heaps become one, at `link`. Sides change on the way down: that keeps it shallow in the long run. */
static void meld(struct timer **link, struct timer *a, struct timer *b)
{
	struct timer *top, *below;

	while (a && b) {
		top = b->deadline_ns < a->deadline_ns ? b : a;
		below = top == a ? b : a;
		place(link, top);
		a = top->right;
		b = below;
		place(&top->right, top->left);
		link = &top->left;
	}
	place(link, a ? a : b);
}

static void heap_insert(struct timer_heap *heap, struct timer *timer)
{
	timer->left = timer->right = NULL;
	meld(&heap->first, heap->first, timer);
}

static void heap_remove(struct timer *timer)
{
	if (timer->link)
		meld(timer->link, timer->left, timer->right);
	timer->link = NULL;
}

/* ---- the heaps of the CPUs ---- */

/* Locks the heap of a timer, and `also`. Returns whose the timer's is. */
static uint32_t lock_heap_of(const struct timer *timer, uint32_t also)
{
	for (;;) {
		uint32_t cpu = read_once(&timer->cpu);

		spin_lock_two(&heaps[cpu].lock, &heaps[also].lock);
		if (read_once(&timer->cpu) == cpu)
			return cpu;
		spin_unlock_two(&heaps[cpu].lock, &heaps[also].lock);
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

void timer_init_cpu(uint32_t cpu) { heaps[cpu] = (struct timer_heap){ .programmed_ns = UINT64_MAX }; }

void timer_init(struct timer *timer, void (*handler)(void *data), void *data)
{
	*timer = (struct timer){ .handler = handler, .data = data };
}

/* Returns how many handlers run. The hardware timer may fire for nothing: cheaper than to program it. */
static NOINLINE uint32_t move(struct timer *timer, uint64_t deadline_ns)
{
	uint32_t here = cpu_id(), from = lock_heap_of(timer, here), firing = read_once(&timer->firing);

	heap_remove(timer);
	timer->deadline_ns = deadline_ns;
	write_once(&timer->cpu, here);
	if (deadline_ns != TIMER_NEVER)
		heap_insert(&heaps[here], timer);
	program(&heaps[here]);
	spin_unlock_two(&heaps[from].lock, &heaps[here].lock);
	return firing;
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	if (deadline_ns != TIMER_NEVER || read_once(&timer->link))
		move(timer, deadline_ns);
}

void timer_stop(struct timer *timer)
{
	uint32_t own = heaps[cpu_id()].firing == timer;

	while (move(timer, TIMER_NEVER) > own)
		cpu_relax_serving();
}

/* The first one that is due, taken out; NULL: none, and the hardware waits for the next. */
static struct timer *take_due(struct timer_heap *heap, uint64_t now_ns)
{
	struct timer *timer;

	spin_lock(&heap->lock);
	timer = heap->first;
	if (timer && timer->deadline_ns <= now_ns) {
		heap_remove(timer);
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
