/* SPDX-License-Identifier: MIT */
/*
 * Time as guests see it: each vcpu's time info (and its second copy for the vDSO), the wall clock, runstates.
 *
 * C1  Where the timestamp counters are stable a vcpu's time info is written once and is exact for ever: it counts
 *     from the core's own origin.
 * C2  A reader who sees the same even version (or entry time without XEN_RUNSTATE_UPDATE) before and after has a
 *     consistent copy.
 */
#include "cpu/cpu.h"
#include "cpu/timer_hw.h"
#include "cpu/uaccess.h"
#include "domain/domain.h"
#include "domain/vcpu.h"
#include "include/errno.h"
#include "lib/string.h"
#include "mem/mmu.h"
#include "sched/ops.h"
#include "sched/queue.h"
#include "sched/sched.h"

#define barrier_write() __atomic_thread_fence(__ATOMIC_RELEASE)

/* ---- writing where a guest has registered ---- */

/* The area's address is the guest kernel's, whose tables may not be the loaded ones. */
static void with_kernel_tables(struct vcpu *vcpu, void (*write)(struct vcpu *vcpu))
{
	bool was_user = !vcpu->in_kernel;

	if (was_user) {
		vcpu->in_kernel = true;
		mmu_load_base(vcpu);
	}
	write(vcpu);
	if (was_user) {
		vcpu->in_kernel = false;
		mmu_load_base(vcpu);
	}
}

/*
 * C2: the mark, a part of `copy`, says that the rest is not to be read, and at last that it is. Nothing here can fail
 * for us: where the guest has unmapped its area it gets no news.
 */
static void area_write(uint64_t area, const void *copy, size_t bytes, const void *mark, size_t mark_bytes, uint64_t done)
{
	uint64_t mark_address = area + (uint64_t)((const char *)mark - (const char *)copy);
	int error = guest_write(mark_address, mark, mark_bytes);

	barrier_write();
	if (!error)
		error = guest_write(area, copy, bytes);
	barrier_write();
	if (!error)
		error = guest_write(mark_address, &done, mark_bytes);
}

/* ---- time info ---- */

static void time_snapshot(struct vcpu_time_info *time)
{
	uint64_t tsc = tsc_is_stable ? tsc_at_boot : cpu_tsc();

	*time = (struct vcpu_time_info){ .tsc_timestamp = tsc, .system_time = tsc_to_ns(tsc),
					 .tsc_to_system_mul = tsc_scale.mul, .tsc_shift = tsc_scale.shift,
					 .flags = tsc_is_stable ? XEN_PVCLOCK_TSC_STABLE_BIT : 0 };
}

static void time_publish(struct vcpu_time_info *shared, const struct vcpu_time_info *time)
{
	uint32_t version = read_once(&shared->version) | 1;

	write_once(&shared->version, version);
	barrier_write();
	write_once(&shared->tsc_timestamp, time->tsc_timestamp);
	write_once(&shared->system_time, time->system_time);
	write_once(&shared->tsc_to_system_mul, time->tsc_to_system_mul);
	write_once(&shared->tsc_shift, time->tsc_shift);
	write_once(&shared->flags, time->flags);
	store_release(&shared->version, version + 1);
}

void time_write_area(struct vcpu *vcpu)
{
	struct vcpu_time_info time;

	if (!vcpu->time_area)
		return;
	time_snapshot(&time);
	time.version = read_once(&vcpu->info->time.version) - 1;
	time.version |= 1;
	area_write(vcpu->time_area, &time, sizeof(time), &time.version, sizeof(time.version), time.version + 1);
}

void time_update_vcpu(struct vcpu *vcpu)
{
	struct vcpu_time_info time;

	time_snapshot(&time);
	if (tsc_is_stable && read_once(&vcpu->info->time.tsc_timestamp) == time.tsc_timestamp &&
	    read_once(&vcpu->info->time.tsc_to_system_mul) == time.tsc_to_system_mul)
		return;		/* C1 */
	time_publish(&vcpu->info->time, &time);
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
	queue_unlock(cpu, hint);
	if (now_ns > info->state_entry_time)
		info->time[info->state] += now_ns - info->state_entry_time;
}

uint64_t sched_vcpu_cpu_time_ns(struct vcpu *vcpu)
{
	struct vcpu_runstate_info info;

	sched_get_runstate(vcpu, &info);
	return info.time[RUNSTATE_running];
}

static bool has_update_flag(const struct vcpu *vcpu)
{
	return read_once(&vcpu->domain->vm_assist) >> VMASST_TYPE_runstate_update_flag & 1;
}

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
	area_write(vcpu->runstate_area, &info, sizeof(info), &info.state_entry_time, sizeof(entry_time), entry_time);
}

void runstate_update_area(struct vcpu *vcpu)
{
	if (vcpu->runstate_area)
		with_kernel_tables(vcpu, runstate_write_area);
}

/* Other vcpus may look at its area only with the flag: without it nobody needs this. */
void runstate_left(struct vcpu *vcpu)
{
	if (has_update_flag(vcpu))
		runstate_update_area(vcpu);
}

/* ---- the wall clock ---- */

static struct spinlock wall_lock;
static uint64_t wall_origin_ns;		/* since 1970, at time_now_ns() == 0 */

/* wall_lock is held. */
static void wall_publish(struct domain *domain)
{
	shared_info_t *shared = domain->shared_info;
	uint64_t seconds = wall_origin_ns / NSEC_PER_SEC + (uint64_t)domain->time_offset_s;
	uint32_t version = read_once(&shared->wc_version) | 1;

	write_once(&shared->wc_version, version);
	barrier_write();
	write_once(&shared->wc_sec, (uint32_t)seconds);
	write_once(&shared->wc_sec_hi, (uint32_t)(seconds >> 32));
	write_once(&shared->wc_nsec, (uint32_t)(wall_origin_ns % NSEC_PER_SEC));
	store_release(&shared->wc_version, version + 1);
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

/* Also to tell it of a new time_offset_s. */
void time_init_domain(struct domain *domain)
{
	spin_lock(&wall_lock);
	wall_publish(domain);
	spin_unlock(&wall_lock);
}
