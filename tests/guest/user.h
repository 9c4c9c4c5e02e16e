/* SPDX-License-Identifier: MIT */
/*
 * User mode for tests: an address space of its own with one page of code and one of stack.
 * user_run() enters it and returns with the frame of the first trap, system call or upcall that leaves it.
 */
#ifndef GUEST_USER_H
#define GUEST_USER_H

#include "tap.h"

#define USER_CODE 0x400000UL
#define USER_STACK_TOP 0x501000UL

static unsigned long user_base_mfn;
static char *user_stack_page;

/* Code for user mode: position independent, from user_code_begin to user_code_end of the same file. */
#define USER_TEXT(body)                                                                  \
	__asm__(".pushsection .rodata\n.balign 4096\n.globl user_code_begin, user_code_end\n" \
		"user_code_begin:\n" body "\nuser_code_end: .balign 4096\n.popsection\n");
#define USER_PROBE(name, body) ".globl " #name "\n" #name ": " body "\n"

extern char user_code_begin[], user_code_end[];

#define USER_ADDRESS(label) (USER_CODE + (uint64_t)((label) - user_code_begin))

static inline void user_init(void)
{
	uint64_t *base = page_alloc();
	void *code = page_alloc();

	user_stack_page = page_alloc();
	memcpy(code, user_code_begin, (size_t)(user_code_end - user_code_begin));
	user_base_mfn = virt_to_mfn(base);
	ASSERT(memory_protect(base, PTE_KERNEL_RO) == 0);
	ASSERT(memory_ext(MMUEXT_PIN_L4_TABLE, user_base_mfn) == 0);
	ASSERT(memory_map_in(user_base_mfn, USER_CODE, virt_to_mfn(code) << 12 | PTE_KERNEL_RO) == 0);
	ASSERT(memory_map_in(user_base_mfn, USER_STACK_TOP - PAGE_SIZE,
			     virt_to_mfn(user_stack_page) << 12 | PTE_KERNEL | PTE_NX) == 0);
	ASSERT(memory_ext(MMUEXT_NEW_USER_BASEPTR, user_base_mfn) == 0);
}

static inline struct trap_frame user_frame(uint64_t rip)
{
	return (struct trap_frame){ .rip = rip, .cs = CS_USER, .ss = SS_USER, .rsp = USER_STACK_TOP - 64,
				    .rflags = RFLAGS_IF | 2 };
}

static inline void user_resume(void *frame)
{
	trap_resume(frame);
}

/* The frame as it came back. */
static inline struct trap_frame user_run_frame(struct trap_frame frame)
{
	struct trap_frame result = { 0 };

	ASSERT(trap_try(&result, user_resume, &frame));
	return result;
}

static inline struct trap_frame user_run(char *label)
{
	return user_run_frame(user_frame(USER_ADDRESS(label)));
}

#endif
