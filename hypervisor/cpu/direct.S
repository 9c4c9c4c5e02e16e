/* SPDX-License-Identifier: MIT */
/*
 * What a guest does most often, without C: a system call of a program, and the way back from it or from any other handler. Registers stay where
 * they are. All that is not plain goes on in C, from the beginning, with nothing changed (docs/decisions/direct-system-calls.md).
 */
#include "cpu/layout.h"
#include "cpu/smap.h"
#include "offsets.h"

/* An instruction that touches a guest's memory: on with `otherwise` if it faults. */
.macro MAY_FAULT otherwise, instruction:vararg
772:	\instruction
	.pushsection .extable, "a"
	.balign	4
	.long	772b - ., \otherwise - .
	.popsection
.endm

/* rdi = vcpu: the other mode's address space, as mode_toggle() and tlb_load_base() have it. `base` is used up */
.macro LOAD_BASE base, scratch
	swapgs
	mov	tlb_flush_clock(%rip), \scratch
	mov	\base, %cr3
	mov	VCPU_CPU(%rdi), \base
	mov	\scratch, CPU_FLUSHED_AT(\base)
.endm

/* speculation_leave() */
.macro CLEAR_BUFFERS
	cmpb	$0, speculation_clear_buffers(%rip)
	je	773f
	verw	no_selector(%rip)
773:
.endm

.macro LOAD_SCRATCH
	mov	VCPU_REGS + REGS_rdx(%rdi), %rdx
	mov	VCPU_REGS + REGS_rsi(%rdi), %rsi
.endm

	.text

/* On the way in: at the error code of vcpu->regs stands rsp. */
#define FROM_VCPU(offset) (offset) - VCPU_REGS - REGS_error_code(%rsp)

.macro BEGIN_DIRECT
	cmpl	$ENTRY_SYSCALL, REGS_entry_vector - REGS_error_code(%rsp)
	jne	entry_in_c
	mov	%rdi, REGS_rdi - REGS_error_code(%rsp)
	mov	%rsi, REGS_rsi - REGS_error_code(%rsp)
	mov	%rdx, REGS_rdx - REGS_error_code(%rsp)
	mov	%rax, REGS_rax - REGS_error_code(%rsp)
	lea	FROM_VCPU(0), %rdi
	mov	VCPU_DOMAIN(%rdi), %rsi
	testl	$VM_ASSIST_IOPL, DOMAIN_VM_ASSIST(%rsi)
	jnz	direct_in_c
.endm

/*
 * entry_from_stub: where the stubs jump to. In here rdi = vcpu, rcx = the caller's rip, r11 = its flags; rdi, rsi, rdx and rax are kept in vcpu->regs.
 */
	.globl entry_from_stub, entry_iret_direct
	.balign 16
entry_from_stub:
	cmpb	$0, FROM_VCPU(VCPU_IN_KERNEL)
	je	direct_call
	cmp	$HYPERCALL_IRET, %rax
	jne	entry_in_c

	/* Where the guest's kernel says, as do_iret() has it: interrupts are on there, and no event is pending. */
	BEGIN_DIRECT
	cmpq	$0, DOMAIN_LIMIT_HYPERCALLS(%rsi)
	jne	direct_in_c
	mov	VCPU_REGS + REGS_rsp(%rdi), %rax
	cmp	core_end(%rip), %rax
	jb	direct_in_c
	mov	VCPU_KERNEL_STACK(%rdi), %rsp
	OPEN_GUEST
	.irp	field, IRET_ss, IRET_rsp, IRET_rflags, IRET_cs, IRET_rip, IRET_flags, IRET_rcx, IRET_r11, IRET_rax
	MAY_FAULT direct_iret_undo, pushq \field(%rax)
	.endr
	CLOSE_GUEST
	/* From here on the copy. */
	movzwl	IRET_cs(%rsp), %eax
	mov	%eax, %edx
	or	$3, %edx
	mov	%rdx, IRET_cs(%rsp)
	movzwl	IRET_ss(%rsp), %edx
	or	$3, %edx
	mov	%rdx, IRET_ss(%rsp)
	mov	IRET_rflags(%rsp), %edx
	test	$FLAG_IF, %edx
	jz	direct_in_c
	and	$~FLAGS_IRET_CLEARS, %edx
	or	$FLAGS_IRET_SETS, %edx
	mov	%rdx, IRET_rflags(%rsp)
	mov	VCPU_INFO(%rdi), %rdx
	movb	$0, INFO_MASK(%rdx)
	cmpb	$0, INFO_PENDING(%rdx)
	jne	direct_in_c
	not	%eax
	test	$3, %al
	jnz	1f
	mov	VCPU_TABLE_USER(%rdi), %rax
	shl	$12, %rax
	jz	direct_in_c
	movb	$0, VCPU_IN_KERNEL(%rdi)
	LOAD_BASE %rax, %edx
1:	lock incq DOMAIN_USED_HYPERCALLS(%rsi)
	CLEAR_BUFFERS
	mov	IRET_r11(%rsp), %r11
	mov	IRET_rcx(%rsp), %rcx
	testl	$IRET_IN_SYSCALL, IRET_flags(%rsp)
	jz	1f
	mov	IRET_rip(%rsp), %rcx
	mov	IRET_rflags(%rsp), %r11
1:	mov	IRET_rax(%rsp), %rax
	LOAD_SCRATCH
	mov	VCPU_REGS + REGS_rdi(%rdi), %rdi
	add	$IRET_rip, %rsp
entry_iret_direct:
	iretq

	/* Into the guest's kernel, as bounce_to_guest() has it. rax = the frame */
direct_call:
	BEGIN_DIRECT
	cmpq	$0, VCPU_SYSCALL_HANDLER(%rdi)
	je	direct_in_c
	mov	VCPU_TABLE_KERNEL(%rdi), %rsi
	shl	$12, %rsi
	jz	direct_in_c
	mov	VCPU_GUEST_STACK(%rdi), %rax
	and	$-16, %rax
	sub	$(7 * 8), %rax
	cmp	core_end(%rip), %rax
	jb	direct_in_c
	mov	VCPU_KERNEL_STACK(%rdi), %rsp
	movb	$1, VCPU_IN_KERNEL(%rdi)
	LOAD_BASE %rsi, %edx
	mov	VCPU_INFO(%rdi), %rsi
	movzbl	INFO_MASK(%rsi), %edx
	mov	%r11d, %esi
	and	$~(FLAG_IF | FLAG_IOPL), %esi
	test	%edx, %edx
	jnz	1f
	or	$FLAG_IF, %esi
1:	shl	$32, %rdx
	or	$SELECTOR_GUEST_CODE64, %rdx
	OPEN_GUEST
	MAY_FAULT direct_call_undo, mov %rcx, (%rax)
	MAY_FAULT direct_call_undo, mov %r11, 8(%rax)
	MAY_FAULT direct_call_undo, mov %rcx, 16(%rax)
	MAY_FAULT direct_call_undo, mov %rdx, 24(%rax)
	MAY_FAULT direct_call_undo, mov %rsi, 32(%rax)
	mov	VCPU_REGS + REGS_rsp(%rdi), %rdx
	MAY_FAULT direct_call_undo, mov %rdx, 40(%rax)
	MAY_FAULT direct_call_undo, movq $SELECTOR_GUEST_DATA, 48(%rax)
	CLOSE_GUEST
	cmpb	$0, VCPU_SYSCALL_MASKS(%rdi)
	je	1f
	mov	VCPU_INFO(%rdi), %rdx
	movb	$1, INFO_MASK(%rdx)
1:	mov	VCPU_SYSCALL_HANDLER(%rdi), %rcx
	and	$~FLAGS_HANDLER_CLEARS, %r11
	CLEAR_BUFFERS
	mov	%rax, %rsp
	LOAD_SCRATCH
	mov	VCPU_REGS + REGS_rax(%rdi), %rax
	mov	VCPU_REGS + REGS_rdi(%rdi), %rdi
	sysretq

direct_call_undo:
	movb	$0, VCPU_IN_KERNEL(%rdi)
	mov	VCPU_TABLE_USER(%rdi), %rsi
	shl	$12, %rsi
	LOAD_BASE %rsi, %edx
direct_iret_undo:
	CLOSE_GUEST
direct_in_c:
	lea	VCPU_REGS + REGS_error_code(%rdi), %rsp
	LOAD_SCRATCH
	mov	VCPU_REGS + REGS_rax(%rdi), %rax
	mov	VCPU_REGS + REGS_rdi(%rdi), %rdi
	jmp	entry_in_c

	.pushsection .rodata
	.balign 8
core_end:
	.quad	CORE_END
no_selector:
	.word	0
	.popsection

	.section .note.GNU-stack, "", @progbits
