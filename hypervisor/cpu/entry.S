/* SPDX-License-Identifier: MIT */
/*
 * In and out of the core. From a guest everything is pushed right into vcpu->regs (the task state and the stubs point
 * there), then the stack of the CPU is taken. Out again, the frame for iretq is built on that stack: if the guest's
 * values make iretq fault, vcpu->regs is still whole.
 */
#include "cpu/layout.h"
#include "cpu/smap.h"
#include "offsets.h"

/* Below an error code, from the highest address of struct cpu_user_regs to its first. */
.macro PUSH_REGISTERS
	.irp	register, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	push	%\register
	.endr
.endm

/* Out of a struct cpu_user_regs at rdi. */
.macro LOAD_REGISTERS
	offset = 0
	.irp	register, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
	mov	offset(%rdi), %\register
	offset = offset + 8
	.endr
.endm

/*
 * in: vcpu->regs is filled down to its error code, which rsp points to    out: in `function`, then in the guest again
 * What a guest left in registers must not steer the core, not even speculatively.
 */
.macro FROM_GUEST_TO function
	PUSH_REGISTERS
	.irp	register, esi, edx, ecx, eax, r8d, r9d, r10d, r11d, ebx, ebp, r12d, r13d, r14d, r15d
	xor	%\register, %\register
	.endr
	lea	-VCPU_REGS(%rsp), %rdi
	mov	VCPU_KERNEL_STACK(%rdi), %rsp
	call	\function
	jmp	exit_on_empty_stack
.endm

/* reg = struct cpu * of this CPU, from its stack */
.macro THIS_CPU reg
	mov	%rsp, \reg
	or	$(STACK_SPAN - 1), \reg
	mov	1 - STACK_CPU_OFFSET(\reg), \reg
.endm

	.text

/*
 * 256 ways in, 16 bytes each: exceptions and interrupts through the IDT. All leave an error code and the vector. Debug
 * exceptions (1) come on a stack of their own, as do NMIs (2), which are ignored, and double faults and machine checks
 * (8, 18), which are the end, wherever they come from.
 */
	.globl entry_vectors
	.balign 16
entry_vectors:
vector = 0
.rept 256
	.balign 16
	.if vector != 8 && (vector < 10 || vector > 14) && vector != 17
	push	$0
	.endif
	movl	$vector, 4(%rsp)
	.if vector == 1 || vector == 2
	jmp	entry_own_stack
	.elseif vector == 8 || vector == 18
	jmp	from_core
	.elseif vector == 14
	jmp	entry_page_fault
	.else
	jmp	entry_trap
	.endif
vector = vector + 1
.endr

/* entry_trap: an error code and vector lie on the stack, above them the CPU's frame: in vcpu->regs, or on our stack. */
	.globl entry_trap
	.balign 16
entry_trap:
	testb	$3, REGS_cs - REGS_error_code(%rsp)
	jz	from_core
	cld
	CLOSE_GUEST
	FROM_GUEST_TO trap_from_guest

from_core:
	cld
	CLOSE_GUEST
	PUSH_REGISTERS
	mov	%rsp, %rdi
	sub	$8, %rsp
	call	trap_from_core
	lea	8(%rsp), %rdi
	LOAD_REGISTERS
	add	$(8 + REGS_rip), %rsp
	iretq

/* entry_own_stack: a stack of its own, since syscall may be stepped into before it has one. */
entry_own_stack:
	testb	$3, REGS_cs - REGS_error_code(%rsp)
	jz	from_core
	/* From a guest: move what was pushed to where an ordinary entry has it. */
	push	%rdi
	push	%rsi
	THIS_CPU %rdi
	mov	CPU_CURRENT(%rdi), %rdi
	.irp	offset, 0, 8, 16, 24, 32, 40
	mov	16 + \offset(%rsp), %rsi
	mov	%rsi, VCPU_REGS + REGS_error_code + \offset(%rdi)
	.endr
	pop	%rsi
	pop	VCPU_REGS + REGS_rdi(%rdi)
	lea	VCPU_REGS + REGS_error_code(%rdi), %rsp
	mov	REGS_rdi - REGS_error_code(%rsp), %rdi
	jmp	entry_trap

/*
 * The stubs: copied to each CPU's window (percpu.c), with a page of data behind them. syscall and sysenter give no
 * stack and save little; what they lose is filled in as the ABI has it.
 */
#define STUB_DATA(offset) (entry_stubs + WINDOW_STUB_DATA - WINDOW_STUBS + offset)(%rip)

.macro SYSCALL_STUB code_selector, vector
	mov	%rsp, STUB_DATA(STUB_GUEST_STACK)
	mov	STUB_DATA(STUB_FRAME_END), %rsp
	push	$SELECTOR_GUEST_DATA
	push	STUB_DATA(STUB_GUEST_STACK)
	push	%r11
	push	$\code_selector
	push	%rcx
	push	$0
	movl	$\vector, 4(%rsp)
.endm

	.globl entry_stubs, entry_stubs_end, entry_stub_syscall32, entry_stub_sysenter
	.globl entry_stub_distance
	.balign 16
entry_stubs:
	SYSCALL_STUB SELECTOR_GUEST_CODE64, ENTRY_SYSCALL
stub_out:
	.byte	0xe9			/* jmp entry_from_stub */
entry_stub_distance:
	.long	0

entry_stub_syscall32:
	SYSCALL_STUB SELECTOR_GUEST_CODE32, ENTRY_SYSCALL32
	jmp	stub_out

entry_stub_sysenter:
	mov	STUB_DATA(STUB_FRAME_END), %rsp
	push	$SELECTOR_GUEST_DATA
	push	$0
	pushfq
	orl	$0x200, (%rsp)			/* sysenter cleared IF; a guest always runs with it */
	push	$SELECTOR_GUEST_CODE32
	push	$0
	push	$0
	movl	$ENTRY_SYSENTER, 4(%rsp)
	pushq	$2				/* NT, TF and AC are still the guest's */
	popfq
	jmp	stub_out
entry_stubs_end:

/* entry_in_c: as the stubs leave it (direct.S) */
	.globl entry_in_c, entry_hypercall, entry_mmu_update
	.balign 16
entry_in_c:
	FROM_GUEST_TO syscall_from_guest

/* entry_hypercall: the same, from the guest's kernel */
	.balign 16
entry_hypercall:
	cmpl	$ENTRY_SYSCALL, REGS_entry_vector - REGS_error_code(%rsp)
	jne	entry_in_c
	FROM_GUEST_TO hypercall_dispatch

/* entry_mmu_update: the same, if that is what it calls */
	.balign 16
entry_mmu_update:
	cmpl	$ENTRY_SYSCALL, REGS_entry_vector - REGS_error_code(%rsp)
	jne	entry_in_c
	FROM_GUEST_TO hypercall_mmu_update

/* entry_exit_to_guest: in: interrupts off; any stack of this CPU    out: in the guest of the current vcpu */
	.globl entry_exit_to_guest, entry_iret
	.balign 16
entry_exit_to_guest:
	THIS_CPU %rax
	mov	CPU_KERNEL_STACK(%rax), %rsp
exit_on_empty_stack:
	THIS_CPU %rax
	mov	CPU_CURRENT(%rax), %rdi
	cmpq	$0, CPU_SOFTIRQS(%rax)
	jne	1f
	cmpq	$0, VCPU_WORK(%rdi)
	jne	1f
	cmpl	$0, VCPU_DEFERRED_TABLES(%rdi)
	jne	1f
	mov	VCPU_INFO(%rdi), %rdx
	cmpb	$0, INFO_PENDING(%rdx)
	je	2f
	cmpb	$0, INFO_MASK(%rdx)
	jne	2f
1:	mov	%rdi, %rbx
	call	exit_work
	mov	%rbx, %rdi
2:	CLEAR_BUFFERS
	add	$VCPU_REGS, %rdi

	/* sysretq is quicker. An address that is not canonical would make it fault in ring 0, on the guest's stack. */
	cmpl	$ENTRY_SYSCALL, REGS_entry_vector(%rdi)
	jne	1f
	mov	REGS_rip(%rdi), %rcx
	JUMP_UNLESS_CANONICAL %rcx, 1f
	mov	REGS_rsp(%rdi), %rsp
	LOAD_REGISTERS
	sysretq

1:	.irp	offset, REGS_ss, REGS_rsp, REGS_rflags, REGS_cs, REGS_rip
	pushq	\offset(%rdi)
	.endr
	LOAD_REGISTERS
entry_iret:
	iretq

/* entry_run_idle: in: interrupts off    out: cpu_idle_loop() on an empty stack, never back */
	.globl entry_run_idle
entry_run_idle:
	THIS_CPU %rax
	mov	CPU_KERNEL_STACK(%rax), %rsp
	xor	%ebp, %ebp
	call	cpu_idle_loop
	ud2

/* entry_reload_segments: the core's own selectors after lgdt; fs and gs are left empty */
	.globl entry_reload_segments
entry_reload_segments:
	pop	%rax
	push	$SELECTOR_CORE_CODE
	push	%rax
	xor	%eax, %eax
	.irp	register, ds, es, fs, gs
	mov	%eax, %\register
	.endr
	mov	$SELECTOR_CORE_DATA, %eax
	mov	%eax, %ss
	lretq

	.section .note.GNU-stack, "", @progbits
