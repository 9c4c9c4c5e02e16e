/* SPDX-License-Identifier: MIT */
/* Virtual CPUs: what each has of its own (at its kernel GS base), and how further ones are started. */
#ifndef RUNTIME_VCPU_H
#define RUNTIME_VCPU_H

#include "runtime/traps.h"
#include "runtime/xen.h"

#define VCPU_LIMIT 32 /* as many as the shared page has a vcpu_info for */

struct vcpu_local {
	struct vcpu_local *self;        /* gs:0 */
	uint64_t try_stack;             /* gs:8, gs:16: start.S knows these */
	struct trap_frame *try_frame;
	struct vcpu_info *info;
	uint32_t id;
	void (*function)(void *);
	void *argument;
	volatile bool started;
};

_Static_assert(offsetof(struct vcpu_local, try_stack) == 8, "start.S, VCPU_TRY_STACK");
_Static_assert(offsetof(struct vcpu_local, try_frame) == 16, "start.S, VCPU_TRY_FRAME");

static inline struct vcpu_local *vcpu_self(void)
{
	struct vcpu_local *self;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(self));
	return self;
}

void vcpu_init_first(void);
void vcpu_init_shared(void); /* once the shared page is mapped */

/* Fills a context that would begin function(argument) on vcpu `id`; the caller may change it. */
void vcpu_context(struct vcpu_guest_context *context, uint32_t id, void (*function)(void *),
		  void *argument);
/* Starts it. The vcpu goes down when function returns. 0 or the hypervisor's error. */
int vcpu_start(uint32_t id, void (*function)(void *), void *argument);

extern char vcpu_entry[];
void vcpu_begin(struct vcpu_local *vcpu) __attribute__((noreturn));

#endif
