/* SPDX-License-Identifier: MIT */
/*
 * Traps: one table of handlers, and trap_try() for faults that are expected.
 * T1  A trap that has neither a handler nor a trap_try() around it ends the domain.
 */
#ifndef RUNTIME_TRAPS_H
#define RUNTIME_TRAPS_H

#include "runtime/xen.h"

enum trap_vector {
	TRAP_DIVIDE = 0,
	TRAP_DEBUG = 1,
	TRAP_NMI_VECTOR = 2,
	TRAP_BREAKPOINT = 3,
	TRAP_OVERFLOW = 4,
	TRAP_BOUND = 5,
	TRAP_INVALID_OPCODE = 6,
	TRAP_NO_DEVICE = 7,
	TRAP_INVALID_TSS = 10,
	TRAP_NO_SEGMENT = 11,
	TRAP_STACK = 12,
	TRAP_PROTECTION = 13,
	TRAP_PAGE_FAULT = 14,
	TRAP_FPU = 16,
	TRAP_ALIGNMENT = 17,
	TRAP_SIMD = 19,
	TRAP_UPCALL = 256,
	TRAP_SYSCALL,
	TRAP_SYSCALL32,
	TRAP_SYSENTER,
	TRAP_FAILSAFE,
	TRAP_NMI,
	TRAP_COUNT
};

/* rax onwards has the layout of struct iret_context; `error` stands where its flags do. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rdx, rsi, rdi;
	uint64_t vector;
	uint64_t rax, r11, rcx, error, rip, cs, rflags, rsp, ss;
};

#define RFLAGS_CF (1UL << 0)
#define RFLAGS_TF (1UL << 8)
#define RFLAGS_IF (1UL << 9)
#define RFLAGS_DF (1UL << 10)
#define RFLAGS_IOPL (3UL << 12)
#define RFLAGS_AC (1UL << 18)

#define CS_KERNEL (FLAT_KERNEL_CS & ~3)         /* as iret and frames name it */
#define CS_USER FLAT_USER_CS
#define SS_USER FLAT_USER_SS

extern uint64_t trap_entries[TRAP_COUNT];       /* start.S: where each of them enters */
extern uint64_t trap_failsafe_selectors[4];
extern uint64_t trap_cr2;                       /* of the latest page fault of this vcpu's turn */

/* The full trap table, ended by an all-zero entry; `flags` of each: 0, user may call 3, 4 and 0x80. */
extern struct trap_info trap_table[];

void trap_init(void);

/* A handler returns true when the trapped code may go on, at whatever the frame now says. */
typedef bool trap_handler(struct trap_frame *frame);
void trap_set_handler(unsigned int vector, trap_handler *handler);

/* Runs function(argument). True if it trapped: then *frame says how, and everything else is undone. */
bool trap_try(struct trap_frame *frame, void (*function)(void *), void *argument);

/* Leaves for what the frame says, user mode if its cs has RPL 3. */
void trap_resume(struct trap_frame *frame) __attribute__((noreturn));

void trap_dispatch(struct trap_frame *frame);
void trap_print(const struct trap_frame *frame);        /* registers and back trace */
void trap_backtrace(uint64_t frame_pointer);            /* on the console: addresses, the latest call first */

#endif
