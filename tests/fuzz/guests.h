/* SPDX-License-Identifier: MIT */
/* The guests of the fuzzers: who they are, what they may name, how they call. */
#pragma once

#include "fake.h"

#include "mem/frame.h"
#include "mem/mmu.h"

#define GUESTS		4	/* ids 0 .. 3; 0 is privileged */
#define GUEST_VCPUS	2	/* but of the last guest, */
#define GUEST_DRIVER	(GUESTS - 1)	/* which may be a driver domain */
#define GUEST_CPUS	2

extern struct domain *guest[GUESTS];	/* NULL: does not exist now */

/* An empty machine, and all guests on it. */
void guests_start(void);
void guest_create(domid_t id);
/* One more try to destroy it: 0, -ERESTART, -EBUSY. */
int guest_destroy_step(domid_t id);
/* All end, also the privileged one. What is left over is a leak. */
void guests_end(void);

/* A vcpu of the guest's runs from now on, on some CPU; false: none can. */
bool guest_enter(domid_t id);
/* All vcpus of the domain leave their CPUs. */
void guest_leave(const struct domain *domain);

/* A reset that the core has begun by itself is carried out, as the exit path does it, and looked at. */
void guest_finish_reset(struct domain *domain);
/* A reset is over: its restored frames and its tables are as the clean copy is. */
void guest_check_reset(const struct domain *domain);

/* A hypercall by the vcpu that runs, continued until it is done or the input has enough of it. */
long guest_calls(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/* From now on guest_calls() only notes what would be called, up to so many and says 0; then they are called as one multicall. */
#define GATHERED_MAX 8
void guest_gathers_calls(void);
long guest_calls_gathered(void);

/* Where arguments of a hypercall stand: cleared at the next step. */
void *guest_argument(size_t bytes);
void guest_arguments_clear(void);

/* What a hostile guest would name. */
uint64_t pick_frame(void);
uint64_t pick_frame_unused(const struct domain *domain);	/* only its owner's, if there is one */
uint64_t pick_frame_used_as(const struct domain *domain, enum frame_type type);
uint64_t pick_frame_of_type(enum frame_type type);			/* of the caller's */
uint64_t pick_device_page(void);
uint64_t pick_address(void);
uint64_t pick_entry(void);
uint32_t pick_index(void);
domid_t pick_domain(void);

/* An invariant does not hold: says so and stops. */
NORETURN void fuzz_fails(const char *what);
void fuzz_check(void);
void fuzz_check_events(void);

/* iommu.c: the machine has one, or none. */
void fuzz_iommu_start(bool exists);
void fuzz_check_iommu(void);
