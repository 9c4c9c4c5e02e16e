/* SPDX-License-Identifier: MIT */
#include "runtime/traps.h"

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/events.h"
#include "runtime/hypercall.h"
#include "runtime/vcpu.h"

extern char trap_try_recover[];

#define BACKTRACE_MAX 24
#define BACKTRACE_STACK 32768UL		/* no stack is larger */

struct trap_info trap_table[257];
uint64_t trap_cr2;
static trap_handler *trap_handlers[TRAP_COUNT];

static void trap_register(uint16_t type, uint16_t flags, unsigned int entry)
{
	struct callback_register callback = { type, flags, trap_entries[entry] };

	ASSERT(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback) == 0);
}

/* Vector 2 comes by a callback. Page faults keep upcalls masked: the handler must read cr2 first. */
static void trap_table_fill(void)
{
	unsigned int count = 0;

	for (unsigned int vector = 0; vector < 256; vector++) {
		struct trap_info *info = &trap_table[count];

		if (vector == TRAP_NMI_VECTOR || (vector >= 32 && vector < 0x80))
			continue;
		info->vector = (uint8_t)vector;
		info->cs = FLAT_KERNEL_CS;
		info->address = trap_entries[vector];
		info->flags = vector == 3 || vector == 4 || vector == 0x80 ? 3 : 0;
		if (vector == TRAP_PAGE_FAULT)
			TI_SET_IF(info, 1);
		count++;
	}
}

void trap_init(void)
{
	trap_table_fill();
	ASSERT(hypercall(__HYPERVISOR_set_trap_table, trap_table) == 0);
	trap_register(CALLBACKTYPE_event, 0, TRAP_UPCALL);
	trap_register(CALLBACKTYPE_failsafe, CALLBACKF_mask_events, TRAP_FAILSAFE);
	trap_register(CALLBACKTYPE_syscall, CALLBACKF_mask_events, TRAP_SYSCALL);
	trap_set_handler(TRAP_UPCALL, event_upcall);
}

void trap_set_handler(unsigned int vector, trap_handler *handler)
{
	ASSERT(vector < TRAP_COUNT);
	trap_handlers[vector] = handler;
}

static void trap_recover(struct vcpu_local *vcpu, struct trap_frame *frame)
{
	*vcpu->try_frame = *frame;
	frame->rip = (uint64_t)trap_try_recover;
	frame->rsp = vcpu->try_stack;
	frame->cs = CS_KERNEL;
	frame->ss = FLAT_KERNEL_SS;
	frame->rflags &= ~(RFLAGS_TF | RFLAGS_DF | RFLAGS_AC);
}

void trap_dispatch(struct trap_frame *frame)
{
	struct vcpu_local *vcpu = vcpu_self();
	trap_handler *handler = trap_handlers[frame->vector];

	if (frame->vector == TRAP_PAGE_FAULT)
		trap_cr2 = vcpu->info->arch.cr2;
	if (!handler || !handler(frame)) {
		if (!vcpu->try_frame)
			panic_trapped(frame);
		trap_recover(vcpu, frame);
	}
	frame->error = 0; /* becomes the flags of struct iret_context */
}

void trap_print(const struct trap_frame *frame)
{
	printf("trap %lu error %lx rip %lx cs %lx rflags %lx rsp %lx ss %lx cr2 %lx\n", frame->vector,
	       frame->error, frame->rip, frame->cs, frame->rflags, frame->rsp, frame->ss, trap_cr2);
	printf("rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx r11 %lx\n", frame->rax, frame->rbx,
	       frame->rcx, frame->rdx, frame->rsi, frame->rdi, frame->rbp, frame->r11);
	if (frame->cs == CS_KERNEL)
		trap_backtrace(frame->rbp);
}

static void print_calls(void *frame_pointer)
{
	const uint64_t *frame = frame_pointer;

	for (unsigned int depth = 0; depth < BACKTRACE_MAX && frame && (uint64_t)frame % 8 == 0; depth++) {
		printf("called from %lx\n", frame[1]);
		if (frame[0] <= (uint64_t)frame || frame[0] - (uint64_t)frame > BACKTRACE_STACK)
			return;
		frame = (const uint64_t *)frame[0];
	}
}

/* A frame pointer of a mad kernel may point anywhere. */
void trap_backtrace(uint64_t frame_pointer)
{
	struct trap_frame ignored;

	trap_try(&ignored, print_calls, (void *)frame_pointer);
}
