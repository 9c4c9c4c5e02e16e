/* SPDX-License-Identifier: MIT */
#include "runtime/time.h"

#include "runtime/boot.h"
#include "runtime/events.h"
#include "runtime/hypercall.h"
#include "runtime/lib.h"
#include "runtime/vcpu.h"

static uint64_t time_scale(uint64_t ticks, const struct vcpu_time_info *info)
{
	if (info->tsc_shift >= 0)
		ticks <<= info->tsc_shift;
	else
		ticks >>= -info->tsc_shift;
	return (uint64_t)((unsigned __int128)ticks * info->tsc_to_system_mul >> 32);
}

uint64_t time_from(const struct vcpu_time_info *info)
{
	struct vcpu_time_info copy;
	uint64_t tsc;

	do {
		copy.version = *(volatile const uint32_t *)&info->version & ~1U;
		barrier();
		copy = *info;
		tsc = rdtsc();
		barrier();
	} while ((copy.version & 1) || copy.version != *(volatile const uint32_t *)&info->version);
	return copy.system_time + time_scale(tsc - copy.tsc_timestamp, &copy);
}

uint64_t time_now_ns(void)
{
	return time_from(&vcpu_self()->info->time);
}

uint64_t time_wall_ns(void)
{
	volatile struct shared_info *shared = boot_shared;
	uint64_t seconds, nanoseconds;
	uint32_t version;

	do {
		version = shared->wc_version;
		barrier();
		seconds = shared->wc_sec | (uint64_t)shared->wc_sec_hi << 32;
		nanoseconds = shared->wc_nsec;
		barrier();
	} while ((version & 1) || version != shared->wc_version);
	return seconds * 1000000000 + nanoseconds + time_now_ns();
}

uint64_t time_tsc_per_second(void)
{
	const struct vcpu_time_info *info = &vcpu_self()->info->time;
	uint64_t hertz = (1000000000UL << 32) / info->tsc_to_system_mul;

	return info->tsc_shift >= 0 ? hertz >> info->tsc_shift : hertz << -info->tsc_shift;
}

int time_set_timer(uint64_t deadline_ns)
{
	return (int)hypercall(__HYPERVISOR_set_timer_op, deadline_ns);
}

void time_sleep_ns(uint64_t duration_ns)
{
	uint64_t end = time_now_ns() + duration_ns;

	while (time_now_ns() < end)
		event_poll(NULL, 0, end);
}
