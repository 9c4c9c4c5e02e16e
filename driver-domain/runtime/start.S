/* SPDX-License-Identifier: MIT */
/*
 * The entries of a PV kernel: start of day, traps, upcalls, system calls, a second vcpu; and the
 * ways out: iret, user mode. All of them build one struct trap_frame (traps.h) and call trap_dispatch.
 */
#define __ASSEMBLY__ /* what Xen's headers go by */
#include <xen/xen.h>

#define VCPU_TRY_STACK 8	/* struct vcpu_local, vcpu.h */
#define VCPU_TRY_FRAME 16

	.section .text.entry, "ax"

/* runtime_entry: the domain's first instruction.   in: rsi = struct start_info *   out: never */
	.globl runtime_entry
runtime_entry:
	cld
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, boot_ticks
	mov	$boot_stack_top, %rsp
	xor	%ebp, %ebp
	mov	%rsi, %rdi
	call	runtime_start
	ud2

/* vcpu_entry: first instruction of every other vcpu.   in: rdi = struct vcpu_local *   out: never */
	.globl vcpu_entry
vcpu_entry:
	cld
	xor	%ebp, %ebp
	call	vcpu_begin
	ud2

	.text

/*
 * Entered with rcx and r11 of whoever was interrupted on top of the ABI's frame. What is built has the
 * shape of struct iret_context at its end, so that leaving needs no copy.
 */
.macro TRAP_ENTRY vector, has_error
trap_entry_\vector:
	pop	%rcx
	pop	%r11
	.if \has_error == 0
	push	$0
	.endif
	push	%rcx
	push	%r11
	push	%rax
	push	$\vector
	jmp	trap_common
.endm

	.altmacro
.macro TRAP_NUMBERED number
	.if (\number == 8) || ((\number >= 10) && (\number <= 14)) || (\number == 17) || (\number == 21)
	TRAP_ENTRY \number, 1
	.else
	TRAP_ENTRY \number, 0
	.endif
.endm
	.set	number, 0
	.rept	256
	TRAP_NUMBERED %number
	.set	number, number + 1
	.endr

	TRAP_ENTRY 256, 0	/* TRAP_UPCALL */
	TRAP_ENTRY 257, 0	/* TRAP_SYSCALL */
	TRAP_ENTRY 258, 0	/* TRAP_SYSCALL32 */
	TRAP_ENTRY 259, 0	/* TRAP_SYSENTER */

/* The failsafe callback: rcx, r11, then the four data selectors that could not be loaded. */
trap_entry_260:
	pop	%rcx
	pop	%r11
	mov	%rcx, trap_failsafe_saved(%rip)
	popq	trap_failsafe_selectors(%rip)
	popq	trap_failsafe_selectors+8(%rip)
	popq	trap_failsafe_selectors+16(%rip)
	popq	trap_failsafe_selectors+24(%rip)
	push	$0
	push	trap_failsafe_saved(%rip)
	push	%r11
	push	%rax
	push	$260
	jmp	trap_common

	TRAP_ENTRY 261, 0	/* TRAP_NMI */

trap_common:
	push	%rdi
	push	%rsi
	push	%rdx
	push	%r8
	push	%r9
	push	%r10
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
	mov	%rsp, %rdi
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	trap_dispatch
	mov	%rbp, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdx
	pop	%rsi
	pop	%rdi
	add	$8, %rsp
	mov	$__HYPERVISOR_iret, %eax
	syscall
	ud2

/* trap_resume: load a frame.   in: rdi = struct trap_frame *   out: never */
	.globl trap_resume
trap_resume:
	mov	%rdi, %rsp
	mov	%rdi, %rbp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdx
	pop	%rsi
	pop	%rdi
	add	$8, %rsp
	mov	$__HYPERVISOR_iret, %eax
	syscall
	ud2

/* trap_try: traps.h.   in: rdi = frame to fill, rsi = function, rdx = its argument   out: eax = trapped */
	.globl trap_try, trap_try_recover
trap_try:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	pushq	%gs:VCPU_TRY_FRAME
	pushq	%gs:VCPU_TRY_STACK
	mov	%rdi, %gs:VCPU_TRY_FRAME
	mov	%rsp, %gs:VCPU_TRY_STACK
	mov	%rdx, %rdi
	call	*%rsi
	xor	%eax, %eax
trap_try_leave:
	popq	%gs:VCPU_TRY_STACK
	popq	%gs:VCPU_TRY_FRAME
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
trap_try_recover:		/* trap_dispatch sends us here, with rsp as it was before the call */
	mov	$1, %eax
	cld
	jmp	trap_try_leave

	.section .rodata
	.balign	8
	.globl	trap_entries
trap_entries:
.macro TRAP_ADDRESS number
	.quad	trap_entry_\number
.endm
	.set	number, 0
	.rept	262
	TRAP_ADDRESS %number
	.set	number, number + 1
	.endr

	.data
	.balign	8
	.globl	trap_failsafe_selectors
trap_failsafe_selectors:
	.quad	0, 0, 0, 0	/* ds, es, fs, gs */
trap_failsafe_saved:
	.quad	0

	.section .text.hypercall, "ax"
	.balign	4096
	.globl	runtime_hypercall_page
runtime_hypercall_page:		/* filled by the hypervisor where the notes ask for it */
	.skip	4096, 0xcc

	.bss
	.balign	4096
	.globl	boot_stack, boot_stack_top
boot_stack:
	.skip	32768
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
