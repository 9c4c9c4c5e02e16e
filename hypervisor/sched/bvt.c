/* SPDX-License-Identifier: MIT */
/*
 * Borrowed virtual time: who runs next. The one with the least effective virtual time does, but whoever runs may go
 * on for an allowance past that, so that two equals do not change places at every event. A warped vcpu that
 * wakes need not wait for it. A CPU on which nobody waits has no tick. The invariants are in queue.h.
 */
#include "sched/queue.h"

#define ALLOWANCE_NS		(1 * NSEC_PER_MSEC)
#define WARP_ALLOWANCE_NS	(50 * NSEC_PER_USEC)
#define SLICE_MIN_NS		(50 * NSEC_PER_USEC)
#define KERNEL_GRACE_NS		(500 * NSEC_PER_USEC)
#define HURRY_NS		(500 * NSEC_PER_USEC)
#define WEIGHT_USUAL		256
#define WEIGHT_MAX		65535
#define WARP_MAX_US		1000000
#define CAP_MAX_PERCENT		(100 * MAX_CPUS)

static void ask_to_choose(struct sched_queue *queue) { cpu_raise_softirq(queue->cpu, SOFTIRQ_SCHEDULE); }

/* ---- choosing ---- */

/*
 * How long `vcpu` may run before `first` has to; not above 0: its turn has come. Warp is for going before other domains: who wakes a sibling may hold a
 * lock that both want. Only in a hurry does it count among siblings too: others wait.
 */
static int64_t turn_left_ns(const struct vcpu *vcpu, const struct vcpu *first)
{
	int64_t lead = (int64_t)(first->sched.key - vcpu_effective_time(vcpu)), allowance_ns = ALLOWANCE_NS;

	if (first->domain == vcpu->domain && !first->sched.hurry_us)
		lead = (int64_t)(first->sched.actual_virtual_time - vcpu->sched.actual_virtual_time);
	else if (first->sched.warp_left_ns && !vcpu->sched.warp_left_ns)
		allowance_ns = WARP_ALLOWANCE_NS;
	return (int64_t)(((__int128)lead * vcpu_weight(vcpu)) >> VIRTUAL_SHIFT) + allowance_ns;
}

/* The first that can run here. Those that may not are sent away; those still on another CPU are left (S3). */
static struct vcpu *first_ready(struct sched_queue *queue, uint64_t now_ns)
{
	struct vcpu *vcpu;

	list_each(vcpu, &queue->waiting, sched.link) {
		if (!vcpu_may_run(vcpu))
			queue_remove(queue, vcpu, RUNSTATE_offline, now_ns);
		else if (!load_acquire(&vcpu->is_running))
			return vcpu;
	}
	return NULL;
}

/* Whoever runs and may go on needs not make room for `first` yet. */
static bool keeps_turn(const struct vcpu *running, const struct vcpu *first)
{
	/* In its kernel it may hold a lock for which a sibling would spin: it is looked at again after each SLICE_MIN_NS. */
	int64_t grace_ns = running->in_kernel && first->domain == running->domain ? KERNEL_GRACE_NS : 0;

	return !running->sched.yields && turn_left_ns(running, first) + grace_ns > 0;
}

static struct vcpu *choose(struct sched_queue *queue, uint64_t now_ns)
{
	struct vcpu *running = queue->running, *first = first_ready(queue, now_ns);
	bool goes_on = running && vcpu_may_run(running) && vcpu_may_use(running, queue->cpu->id);

	if (!goes_on || !first)
		return goes_on ? running : first;
	return keeps_turn(running, first) ? running : first;
}

/* ---- changing ---- */

/* How long `running` goes on without a further look, at most. The CPU is this one. */
static void slice_start(struct sched_queue *queue, uint64_t now_ns)
{
	struct vcpu *running = queue->running, *first = queue_first(queue);
	uint64_t slice_ns = running ? account_cpu_time_left_ns(running->domain) : UINT64_MAX, deadline_ns;

	if (running)
		running->sched.yields = false;
	if (running && first) {
		int64_t left_ns = turn_left_ns(running, first);

		slice_ns = left_ns <= 0 ? 0 : MIN(slice_ns, (uint64_t)left_ns);
		if (running->sched.warp_left_ns)
			slice_ns = MIN(slice_ns, running->sched.warp_left_ns);
	}
	deadline_ns = slice_ns == UINT64_MAX ? TIMER_NEVER : now_ns + MAX(slice_ns, SLICE_MIN_NS);
	/* One that is set already, and due before, stays: one look for nothing is cheaper than to move it at each wake-up. */
	if (!running || !timer_is_set(&queue->slice) || queue->slice.deadline_ns > deadline_ns)
		timer_set(&queue->slice, deadline_ns);
}

static void note_idle(struct sched_queue *queue, bool is_idle, uint64_t now_ns)
{
	uint32_t state = is_idle ? RUNSTATE_running : RUNSTATE_runnable;

	if (bit_test(&sched_idle_cpus, queue->cpu->id) != is_idle)
		(is_idle ? bit_test_and_set : bit_test_and_clear)(&sched_idle_cpus, queue->cpu->id);
	if (queue->cpu->idle->sched.state != state)
		vcpu_set_state(queue->cpu->idle, state, now_ns);
}

/* The queue is locked, and `next` (NULL: nobody) is not who runs. */
static void change(struct sched_queue *queue, struct vcpu *next, uint64_t now_ns)
{
	struct vcpu *prev = queue->running, *enters = next ? next : queue->cpu->idle;

	queue->running = next;
	if (next) {
		queue_remove(queue, next, RUNSTATE_running, now_ns);
		next->sched.charged_until_ns = now_ns;
	}
	if (prev && vcpu_may_run(prev))
		queue_insert(queue, prev, now_ns);
	else if (prev)
		vcpu_set_state(prev, prev->sched.is_blocked ? RUNSTATE_blocked : RUNSTATE_offline, now_ns);
	enters->cpu = queue->cpu;
	write_once(&enters->is_running, true);
}

/* Nothing is locked: what waits now may be taken by others, from here on. */
static void switch_to(struct sched_queue *queue, struct vcpu *prev, struct vcpu *next)
{
	struct vcpu *idle = queue->cpu->idle;

	if (prev)
		runstate_left(prev);
	if (prev && read_once(&prev->sched.state) == RUNSTATE_runnable)
		sched_vcpu_update(prev);
	context_switch(prev ? prev : idle, next ? next : idle);
}

FLATTEN void sched_softirq(void)
{
	struct sched_queue *queue = &sched_queue[cpu_id()];
	struct vcpu *prev = queue->running, *next;	/* only this CPU changes it */
	bool must_wait;
	uint64_t now_ns;

	if (!read_once(&queue->count) && !(prev && vcpu_may_run(prev)))
		balance_steal(queue->cpu->id);

	spin_lock(&queue->lock);
	now_ns = time_now_ns();
	queue_charge(queue, now_ns);
	next = choose(queue, now_ns);
	if (next != prev)
		change(queue, next, now_ns);
	note_idle(queue, !next, now_ns);
	slice_start(queue, now_ns);
	/* Somebody is still on another CPU, or became ready after we had looked. */
	must_wait = !next && queue->count;
	spin_unlock(&queue->lock);

	if (must_wait) {
		cpu_relax_serving();
		ask_to_choose(queue);
	}
	barrier_full();		/* is_running is seen before the exit path looks for events */
	if (next != prev)
		switch_to(queue, prev, next);
}

static void slice_ends(void *data) { ask_to_choose(data); }

/* ---- waking and stopping ---- */

/* For how long a vcpu that wakes is warped. */
static uint64_t warp_ns(const struct sched_params *params)
{
	uint64_t limit_ns = read_once(&params->warp_limit_us) * NSEC_PER_USEC;

	if (!read_once(&params->warp_us))
		return 0;
	return limit_ns ? limit_ns : UINT64_MAX;
}

/* A hurry that is not used up is more than what usually follows a sleep. */
static void warp_begin(struct vcpu *vcpu, uint64_t for_ns, uint32_t hurry_us)
{
	if (vcpu->sched.warp_left_ns > for_ns && vcpu->sched.hurry_us > hurry_us)
		return;
	vcpu->sched.warp_left_ns = for_ns;
	vcpu->sched.hurry_us = hurry_us;
}

/* A sleeper comes back, or it has to change CPUs. Both queues are locked; it is in neither. */
static void join(struct vcpu *vcpu, uint32_t to)
{
	struct sched_queue *queue = &sched_queue[to];
	uint64_t now_ns = time_now_ns();

	queue_charge(queue, now_ns);
	if (vcpu->sched.queue_cpu != to)
		queue_charge(&sched_queue[vcpu->sched.queue_cpu], now_ns);
	queue_adopt(vcpu, to);
	if (vcpu->sched.state == RUNSTATE_blocked)
		warp_begin(vcpu, warp_ns(&vcpu->domain->sched->params), 0);
	queue_insert(queue, vcpu, now_ns);
	bit_test_and_clear(&sched_idle_cpus, to);
	/* Behind another one it changes nothing: that CPU looks again in any case. */
	if (queue_first(queue) != vcpu)
		return;
	if (to == cpu_id() && queue->running && keeps_turn(queue->running, vcpu))
		slice_start(queue, now_ns);
	else
		ask_to_choose(queue);
}

FLATTEN void sched_vcpu_update(struct vcpu *vcpu)
{
	uint32_t to = balance_choose(vcpu), from = queue_lock_of(vcpu, to);
	bool may_run = vcpu_may_run(vcpu), may_stay = may_run && vcpu_may_use(vcpu, from);
	bool need_not_wait = from != to && sched_queue[from].running;

	if (vcpu->sched.state == RUNSTATE_running && !may_stay)
		ask_to_choose(&sched_queue[from]);
	if (vcpu->sched.state == RUNSTATE_runnable && (!may_stay || need_not_wait))
		queue_remove(&sched_queue[from], vcpu, RUNSTATE_offline, time_now_ns());
	if (vcpu->sched.state > RUNSTATE_runnable && may_run)
		join(vcpu, to);
	spin_unlock_two(&sched_queue[from].lock, &sched_queue[to].lock);
}

void sched_vcpu_hurry(struct vcpu *vcpu, uint32_t borrows_us)
{
	uint32_t last = read_once(&vcpu->sched.queue_cpu), cpu = queue_lock_of(vcpu, last);
	struct sched_queue *queue = &sched_queue[cpu];
	bool waits = vcpu->sched.state == RUNSTATE_runnable;
	uint64_t now_ns = time_now_ns();

	queue_charge(queue, now_ns);
	if (waits)
		queue_remove(queue, vcpu, RUNSTATE_offline, now_ns);
	warp_begin(vcpu, MAX(vcpu->sched.warp_left_ns, HURRY_NS), borrows_us);
	if (waits)
		queue_insert(queue, vcpu, now_ns);
	if (queue_first(queue) == vcpu)
		ask_to_choose(queue);
	spin_unlock_two(&queue->lock, &sched_queue[last].lock);
}

void sched_vcpu_wait_until_off(struct vcpu *vcpu)
{
	sched_vcpu_update(vcpu);
	while (load_acquire(&vcpu->is_running))
		cpu_relax_serving();
}

void sched_vcpu_kick(struct vcpu *vcpu)
{
	barrier_full();		/* S4: what it is kicked for was set before */
	if (read_once(&vcpu->sched.is_blocked) &&
	    __atomic_exchange_n(&vcpu->sched.is_blocked, false, __ATOMIC_SEQ_CST))
		sched_vcpu_update(vcpu);
	else if (read_once(&vcpu->is_running) && read_once(&vcpu->cpu) != this_cpu())
		cpu_send_event_check(read_once(&vcpu->cpu));
}

void sched_block_current(void)
{
	struct vcpu *vcpu = current_vcpu();

	write_once(&vcpu->sched.is_blocked, true);
	barrier_full();		/* S4; a reset that has begun is news, too */
	if (vcpu_has_deliverable_event(vcpu) || read_once(&vcpu->work))
		sched_unblock_current();
	else
		cpu_raise_softirq(this_cpu(), SOFTIRQ_SCHEDULE);
}

void sched_unblock_current(void) { write_once(&current_vcpu()->sched.is_blocked, false); }

void sched_yield_current(void)
{
	current_vcpu()->sched.yields = true;
	cpu_raise_softirq(this_cpu(), SOFTIRQ_SCHEDULE);
}

/* ---- CPUs, domains and vcpus come and go ---- */

void sched_init_cpu(struct cpu *cpu)
{
	struct sched_queue *queue = &sched_queue[cpu->id];

	timer_init_cpu(cpu->id);
	*queue = (struct sched_queue){ .cpu = cpu };
	list_init(&queue->waiting);
	timer_init(&queue->slice, slice_ends, queue);
	cpu->idle->sched = (struct sched_vcpu){ .queue_cpu = cpu->id, .state = RUNSTATE_running,
						.state_since_ns = time_now_ns() };
	bit_test_and_set(&sched_cpus, cpu->id);
	bit_test_and_set(&sched_idle_cpus, cpu->id);
}

int sched_domain_init(struct domain *domain)
{
	struct sched_domain *sched = heap_alloc(sizeof(*sched));

	if (!sched)
		return -ENOMEM;
	sched->params.weight = WEIGHT_USUAL;
	if (domain->is_privileged) {
		sched->params.warp_us = 5000;
		sched->params.warp_limit_us = 2000;
	}
	sched->period_start_ns = time_now_ns();
	timer_init(&sched->period, account_refresh, domain);
	for (uint32_t i = 0; i < WATCHDOGS; i++)
		timer_init(&sched->watchdog[i], watchdog_barks, domain);
	domain->sched = sched;
	return 0;
}

void sched_domain_destroy(struct domain *domain)
{
	heap_free(domain->sched);
	domain->sched = NULL;
}

void sched_vcpu_init(struct vcpu *vcpu)
{
	cpumask_t cpus = vcpu_cpus(vcpu);
	cpumask_t later = cpus & ~0ULL << (vcpu->domain->id + vcpu->id) % MAX(cpu_count, 1u);

	vcpu->sched.queue_cpu = bit_lowest(later ? later : cpus);
	vcpu->cpu = sched_queue[vcpu->sched.queue_cpu].cpu;
	vcpu->sched.state = RUNSTATE_offline;
	vcpu->sched.state_since_ns = time_now_ns();
	list_init(&vcpu->sched.link);
	vcpu_timers_init(vcpu);
}

void sched_vcpu_destroy(struct vcpu *vcpu)
{
	/* The domain's handlers look at every vcpu: they end before the first of them does. */
	timer_stop(&vcpu->domain->sched->period);
	sched_vcpu_forget(vcpu);
	sched_vcpu_update(vcpu);
	ASSERT(vcpu->sched.state == RUNSTATE_offline || vcpu->sched.state == RUNSTATE_blocked, "S2");
}

int sched_set_params(struct domain *domain, const struct sched_params *params)
{
	if (params->weight == 0 || params->weight > WEIGHT_MAX || params->cap_percent > CAP_MAX_PERCENT ||
	    params->warp_us > WARP_MAX_US)
		return -EINVAL;

	spin_lock(&domain->sched->lock);
	domain->sched->params = *params;
	if (!params->cap_percent)
		domain->sched->cpu_time_ns = 0;
	spin_unlock(&domain->sched->lock);
	account_refresh(domain);
	return 0;
}
