/* SPDX-License-Identifier: MIT */
/*
 * Time as guests see it: each vcpu's time info (and its second copy for the vDSO), the wall clock, runstates.
 *
 * C1  Where the timestamp counters are stable a vcpu's time info is written once and is exact for ever: it counts
 *     from the core's own origin.
 * C2  A reader who sees the same even version (or entry time without XEN_RUNSTATE_UPDATE) before and after has a
 *     consistent copy.
 */
#include "cpu/timer_hw.h"
#include "sched/queue.h"

#define barrier_write() __atomic_thread_fence(__ATOMIC_RELEASE)

/* ---- writing where a guest has registered ---- */

/* The area's address is the guest kernel's, whose tables may not be the loaded ones. */
static void with_kernel_tables(struct vcpu *vcpu, void (*write)(struct vcpu *vcpu))
{
	bool in_kernel = vcpu->in_kernel;

	vcpu->in_kernel = true;
	if (!in_kernel)
		mmu_load_base(vcpu);
	write(vcpu);
	vcpu->in_kernel = in_kernel;
	if (!in_kernel)
		mmu_load_base(vcpu);
}

/*
 * C2: the mark, at `offset` of the copy, says that the rest is not to be read, and at last that it is.
 * Where the guest has unmapped its area it gets no news, and that is all. guest_write() keeps the order.
 */
static bool area_write(uint64_t area, const void *copy, size_t bytes,
		       size_t offset, const void *done, size_t done_bytes)
{
	return !guest_write(area + offset, (const char *)copy + offset, done_bytes) &&
	       !guest_write(area, copy, bytes) && !guest_write(area + offset, done, done_bytes);
}

/* ---- time info ---- */

static void time_snapshot(struct vcpu_time_info *time)
{
	uint64_t tsc = tsc_is_stable ? tsc_at_boot : cpu_tsc();

	*time = (struct vcpu_time_info){ .tsc_timestamp = tsc, .system_time = tsc_to_ns(tsc),
					 .tsc_to_system_mul = tsc_scale.mul, .tsc_shift = tsc_scale.shift,
					 .flags = tsc_is_stable ? XEN_PVCLOCK_TSC_STABLE_BIT : 0 };
}

static void time_publish(struct vcpu_time_info *shared, struct vcpu_time_info time)
{
	time.version = read_once(&shared->version) | 1;
	write_once(&shared->version, time.version);
	barrier_write();
	*shared = time;
	store_release(&shared->version, time.version + 1);
}

void time_write_area(struct vcpu *vcpu)
{
	uint32_t version = read_once(&vcpu->info->time.version) & ~1U;
	struct vcpu_time_info time;

	if (!vcpu->time_area)
		return;
	time_snapshot(&time);
	time.version = version - 1;
	area_write(vcpu->time_area, &time, sizeof(time), offsetof(struct vcpu_time_info, version),
		   &version, sizeof(version));
}

void time_update_vcpu(struct vcpu *vcpu)
{
	struct vcpu_time_info time;

	time_snapshot(&time);
	if (tsc_is_stable && read_once(&vcpu->info->time.tsc_timestamp) == time.tsc_timestamp &&
	    read_once(&vcpu->info->time.tsc_to_system_mul) == time.tsc_to_system_mul)
		return;		/* C1 */
	time_publish(&vcpu->info->time, time);
	if (vcpu->time_area && vcpu == current_vcpu())
		with_kernel_tables(vcpu, time_write_area);
}

/* ---- runstates ---- */

/* As of the last change of state. */
static void runstate_snapshot(const struct vcpu *vcpu, struct vcpu_runstate_info *info)
{
	memset(info, 0, sizeof(*info));		/* its padding too goes to the guest */
	info->state = (int)vcpu->sched.state;
	info->state_entry_time = vcpu->sched.state_since_ns;
	for (uint32_t i = 0; i < 4; i++)
		info->time[i] = vcpu->sched.time_in_state[i];
}

void sched_get_runstate(struct vcpu *vcpu, struct vcpu_runstate_info *info)
{
	uint32_t hint = read_once(&vcpu->sched.queue_cpu), cpu = queue_lock_of(vcpu, hint);
	uint64_t now_ns = time_now_ns();

	runstate_snapshot(vcpu, info);
	spin_unlock_two(&sched_queue[cpu].lock, &sched_queue[hint].lock);
	info->time[info->state] += elapsed_ns(info->state_entry_time, now_ns);
}

static bool has_update_flag(const struct vcpu *vcpu) { return read_once(&vcpu->domain->vm_assist) >> VMASST_TYPE_runstate_update_flag & 1; }

/* What the guest sees here stands still until the next change of state. */
void runstate_write_area(struct vcpu *vcpu)
{
	struct vcpu_runstate_info info;
	uint64_t entry_time;

	if (!vcpu->runstate_area)
		return;
	runstate_snapshot(vcpu, &info);
	entry_time = info.state_entry_time;
	if (has_update_flag(vcpu))
		info.state_entry_time |= XEN_RUNSTATE_UPDATE;
	area_write(vcpu->runstate_area, &info, sizeof(info), offsetof(struct vcpu_runstate_info, state_entry_time),
		   &entry_time, sizeof(entry_time));
}

void runstate_update_area(struct vcpu *vcpu)
{
	if (vcpu->runstate_area)
		with_kernel_tables(vcpu, runstate_write_area);
}

/* Other vcpus may look at its area only with the flag: without it nobody needs this. */
NOINLINE void runstate_left(struct vcpu *vcpu)
{
	if (has_update_flag(vcpu))
		runstate_update_area(vcpu);
}

/* ---- the wall clock ---- */

static struct spinlock wall_lock;
static uint64_t wall_origin_ns;		/* since 1970, at time_now_ns() == 0 */

/* Also to tell it of a new time_offset_s. */
void time_init_domain(struct domain *domain)
{
	shared_info_t *shared = domain->shared_info;
	uint64_t seconds;
	uint32_t version;

	spin_lock(&wall_lock);
	seconds = wall_origin_ns / NSEC_PER_SEC + (uint64_t)domain->time_offset_s;
	version = read_once(&shared->wc_version) | 1;
	write_once(&shared->wc_version, version);
	barrier_write();
	write_once(&shared->wc_sec, (uint32_t)seconds);
	write_once(&shared->wc_sec_hi, (uint32_t)(seconds >> 32));
	write_once(&shared->wc_nsec, (uint32_t)(wall_origin_ns % NSEC_PER_SEC));
	store_release(&shared->wc_version, version + 1);
	spin_unlock(&wall_lock);
}

void time_set_wall_clock(uint64_t seconds, uint32_t nanoseconds, uint64_t at_ns)
{
	struct domain *domain;

	spin_lock(&wall_lock);
	wall_origin_ns = seconds * NSEC_PER_SEC + nanoseconds - at_ns;
	spin_unlock(&wall_lock);
	for (domid_t id = 0; id < MAX_DOMAINS; id++) {
		domain = domain_get(id);
		if (!domain)
			continue;
		time_init_domain(domain);
		domain_put(domain);
	}
}
