/* SPDX-License-Identifier: MIT */
/*
 * In and out of the core. From a guest everything is pushed right into vcpu->regs (the task state and the stubs point
 * there), then the stack of the CPU is taken. Out again, the frame for iretq is built on that stack: if the guest's
 * values make iretq fault, vcpu->regs is still whole.
 */
#include "cpu/layout.h"
#include "offsets.h"

/* 3 bytes that do nothing; smap_init() puts clac or stac here on a CPU that has them. */
.macro CLAC
771:	.byte	0x0f, 0x1f, 0x00
	.pushsection .smap_sites, "a"
	.long	771b - ., 0
	.popsection
.endm

.macro PUSH_REGISTERS
	push	%rdi
	push	%rsi
	push	%rdx
	push	%rcx
	push	%rax
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
.endm

.macro POP_REGISTERS
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
.endm

/* What a guest left in registers must not steer the core, not even speculatively. */
.macro CLEAR_REGISTERS
	xor	%esi, %esi
	xor	%edx, %edx
	xor	%ecx, %ecx
	xor	%eax, %eax
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%ebx, %ebx
	xor	%ebp, %ebp
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d
.endm

/* reg = struct cpu * of this CPU, from its stack */
.macro THIS_CPU reg
	mov	%rsp, \reg
	or	$(STACK_SPAN - 1), \reg
	mov	1 - STACK_CPU_OFFSET(\reg), \reg
.endm

	.text

/* 256 ways in, 16 bytes each: exceptions and interrupts through the IDT. All leave an error code and the vector. */
	.globl entry_vectors
	.balign 16
entry_vectors:
vector = 0
.rept 256
	.balign 16
	.if vector == 1
	push	$0
	jmp	entry_debug
	.elseif vector == 2
	push	$0
	jmp	entry_nmi
	.elseif vector == 8
	jmp	entry_fatal
	.elseif vector == 18
	push	$0
	jmp	entry_fatal
	.else
	.if vector != 10 && vector != 11 && vector != 12 && vector != 13 && vector != 14 && vector != 17
	push	$0
	.endif
	movl	$vector, 4(%rsp)
	jmp	entry_trap
	.endif
vector = vector + 1
.endr

/* entry_trap: an error code and vector lie on the stack, above them the CPU's frame: in vcpu->regs, or on our stack. */
	.balign 16
entry_trap:
	cld
	CLAC
	testb	$3, REGS_cs - REGS_error_code(%rsp)
	jz	from_core
	push	%rdi
entry_trap_pushed_rdi:
	push	%rsi
	push	%rdx
	push	%rcx
	push	%rax
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	CLEAR_REGISTERS
	lea	-VCPU_REGS(%rsp), %rdi
	mov	VCPU_KERNEL_STACK(%rdi), %rsp
	call	trap_from_guest
	jmp	exit_on_empty_stack

from_core:
	PUSH_REGISTERS
	mov	%rsp, %rdi
	sub	$8, %rsp
	call	trap_from_core
return_to_core:
	add	$8, %rsp
	POP_REGISTERS
	add	$8, %rsp
	iretq

/* entry_debug: on a stack of its own, since syscall may be stepped into before it has one. */
entry_debug:
	cld
	CLAC
	movl	$1, 4(%rsp)
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
	mov	8(%rsp), %rsi
	mov	%rsi, VCPU_REGS + REGS_rdi(%rdi)
	pop	%rsi
	lea	VCPU_REGS + REGS_rdi(%rdi), %rsp
	jmp	entry_trap_pushed_rdi

entry_nmi:
	cld
	CLAC
	movl	$2, 4(%rsp)
	PUSH_REGISTERS
	mov	%rsp, %rdi
	sub	$8, %rsp
	call	trap_nmi
	jmp	return_to_core

entry_fatal:
	cld
	CLAC
	PUSH_REGISTERS
	mov	%rsp, %rdi
	sub	$8, %rsp
	call	trap_fatal
	ud2

/*
 * The stubs: copied to each CPU's window (percpu.c), with a page of data behind them. syscall and sysenter give no
 * stack and save little; what they lose is filled in as the ABI has it.
 */
#define STUB_DATA(offset) (entry_stubs + WINDOW_STUB_DATA - WINDOW_STUBS + offset)(%rip)

	.globl entry_stubs, entry_stubs_end, entry_stub_syscall32, entry_stub_sysenter
	.globl entry_stub_jumps, entry_stub_jumps_end, entry_from_stub
	.balign 16
entry_stubs:
	mov	%rsp, STUB_DATA(STUB_GUEST_STACK)
	mov	STUB_DATA(STUB_FRAME_END), %rsp
	push	$SELECTOR_GUEST_DATA
	push	STUB_DATA(STUB_GUEST_STACK)
	push	%r11
	push	$SELECTOR_GUEST_CODE64
	push	%rcx
	push	$0
	movl	$ENTRY_SYSCALL, 4(%rsp)
	.byte	0xe9
stub_jump_1:
	.long	0

entry_stub_syscall32:
	mov	%rsp, STUB_DATA(STUB_GUEST_STACK)
	mov	STUB_DATA(STUB_FRAME_END), %rsp
	push	$SELECTOR_GUEST_DATA
	push	STUB_DATA(STUB_GUEST_STACK)
	push	%r11
	push	$SELECTOR_GUEST_CODE32
	push	%rcx
	push	$0
	movl	$ENTRY_SYSCALL32, 4(%rsp)
	.byte	0xe9
stub_jump_2:
	.long	0

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
	.byte	0xe9
stub_jump_3:
	.long	0
entry_stubs_end:

	.balign 16
entry_from_stub:
	PUSH_REGISTERS
	CLEAR_REGISTERS
	lea	-VCPU_REGS(%rsp), %rdi
	mov	VCPU_KERNEL_STACK(%rdi), %rsp
	call	syscall_from_guest
	jmp	exit_on_empty_stack

/* entry_exit_to_guest: in: interrupts off; any stack of this CPU    out: in the guest of the current vcpu */
	.globl entry_exit_to_guest, entry_iret
	.balign 16
entry_exit_to_guest:
	THIS_CPU %rax
	mov	CPU_KERNEL_STACK(%rax), %rsp
exit_on_empty_stack:
	THIS_CPU %rax
	mov	CPU_CURRENT(%rax), %rdi
	mov	%rdi, %rbx
	call	exit_work
	lea	VCPU_REGS(%rbx), %rdi

	/* sysretq is quicker, and does the same if the guest came by syscall and rcx and r11 agree. */
	mov	REGS_rcx(%rdi), %rcx
	mov	REGS_r11(%rdi), %r11
	cmpl	$ENTRY_SYSCALL, REGS_entry_vector(%rdi)
	jne	1f
	cmp	REGS_rip(%rdi), %rcx
	jne	1f
	cmp	REGS_rflags(%rdi), %r11
	jne	1f
	cmpw	$SELECTOR_GUEST_CODE64, REGS_cs(%rdi)
	jne	1f
	cmpw	$SELECTOR_GUEST_DATA, REGS_ss(%rdi)
	jne	1f
	/* An address that is not canonical would fault in ring 0, on the guest's stack. */
	mov	%rcx, %rax
	shl	$16, %rax
	sar	$16, %rax
	cmp	%rcx, %rax
	jne	1f
	mov	REGS_r15(%rdi), %r15
	mov	REGS_r14(%rdi), %r14
	mov	REGS_r13(%rdi), %r13
	mov	REGS_r12(%rdi), %r12
	mov	REGS_rbp(%rdi), %rbp
	mov	REGS_rbx(%rdi), %rbx
	mov	REGS_r10(%rdi), %r10
	mov	REGS_r9(%rdi), %r9
	mov	REGS_r8(%rdi), %r8
	mov	REGS_rax(%rdi), %rax
	mov	REGS_rdx(%rdi), %rdx
	mov	REGS_rsi(%rdi), %rsi
	mov	REGS_rsp(%rdi), %rsp
	mov	REGS_rdi(%rdi), %rdi
	sysretq

1:	pushq	REGS_ss(%rdi)
	pushq	REGS_rsp(%rdi)
	pushq	REGS_rflags(%rdi)
	pushq	REGS_cs(%rdi)
	pushq	REGS_rip(%rdi)
	mov	REGS_r15(%rdi), %r15
	mov	REGS_r14(%rdi), %r14
	mov	REGS_r13(%rdi), %r13
	mov	REGS_r12(%rdi), %r12
	mov	REGS_rbp(%rdi), %rbp
	mov	REGS_rbx(%rdi), %rbx
	mov	REGS_r10(%rdi), %r10
	mov	REGS_r9(%rdi), %r9
	mov	REGS_r8(%rdi), %r8
	mov	REGS_rax(%rdi), %rax
	mov	REGS_rdx(%rdi), %rdx
	mov	REGS_rsi(%rdi), %rsi
	mov	REGS_rdi(%rdi), %rdi
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
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	mov	$SELECTOR_CORE_DATA, %eax
	mov	%eax, %ss
	lretq

	.section .rodata
	.balign 4
entry_stub_jumps:
	.long	stub_jump_1 - entry_stubs
	.long	stub_jump_2 - entry_stubs
	.long	stub_jump_3 - entry_stubs
entry_stub_jumps_end:
	.section .note.GNU-stack, "", @progbits
