/* SPDX-License-Identifier: MIT */
/*
 * What a guest does most often, without C: a system call or page fault of a program, the way back from it or from any other
 * handler, and the segments of the next program. Registers stay where they are. All that is not plain goes on in C, from the beginning, with nothing changed (docs/decisions/direct-system-calls.md).
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

.macro LOAD_SCRATCH
	mov	VCPU_REGS + REGS_rdx(%rdi), %rdx
	mov	VCPU_REGS + REGS_rsi(%rdi), %rsi
.endm

.macro RESTORE_SCRATCH
	LOAD_SCRATCH
	mov	VCPU_REGS + REGS_rax(%rdi), %rax
	mov	VCPU_REGS + REGS_rdi(%rdi), %rdi
.endm

.macro BACK_TO_REGISTERS
	lea	VCPU_REGS + REGS_error_code(%rdi), %rsp
	RESTORE_SCRATCH
.endm

.macro UNDO_MODE
	movb	$0, VCPU_IN_KERNEL(%rdi)
	mov	VCPU_TABLE_USER(%rdi), %rsi
	shl	$12, %rsi
	LOAD_BASE %rsi, %edx
.endm

/* On the core's stack and the kernel's tables; rax = where its frame of so many words begins. Or on, with nothing changed. */
.macro ENTER_KERNEL words, otherwise
	mov	VCPU_TABLE_KERNEL(%rdi), %rsi
	shl	$12, %rsi
	jz	\otherwise
	mov	VCPU_GUEST_STACK(%rdi), %rax
	and	$-16, %rax
	sub	$(\words * 8), %rax
	cmp	core_end(%rip), %rax
	jb	\otherwise
	mov	VCPU_KERNEL_STACK(%rdi), %rsp
	movb	$1, VCPU_IN_KERNEL(%rdi)
	LOAD_BASE %rsi, %edx
.endm

/* esi = the program's flags, as flags_for_guest() has them; rdx = the mask of events, for beside a selector */
.macro GUEST_FLAGS flags:vararg
	mov	VCPU_INFO(%rdi), %rsi
	movzbl	INFO_MASK(%rsi), %edx
	mov	\flags, %esi
	and	$~(FLAG_IF | FLAG_IOPL), %esi
	test	%edx, %edx
	jnz	774f
	or	$FLAG_IF, %esi
774:	shl	$32, %rdx
.endm

.macro MASK_EVENTS bit, flags
	testb	\bit, \flags
	jz	775f
	mov	VCPU_INFO(%rdi), %rdx
	movb	$1, INFO_MASK(%rdx)
775:
.endm

/* A register of the program's, into the frame at rax. */
.macro COPY_UP register, offset
	mov	VCPU_REGS + \register(%rdi), %rdx
	MAY_FAULT fault_undo, mov %rdx, \offset(%rax)
.endm

	.text

/* On the way in: at the error code of vcpu->regs stands rsp. */
#define FROM_VCPU(offset) (offset) - VCPU_REGS - REGS_error_code(%rsp)

.macro BEGIN_DIRECT otherwise
	mov	%rdi, REGS_rdi - REGS_error_code(%rsp)
	mov	%rsi, REGS_rsi - REGS_error_code(%rsp)
	mov	%rdx, REGS_rdx - REGS_error_code(%rsp)
	mov	%rax, REGS_rax - REGS_error_code(%rsp)
	lea	FROM_VCPU(0), %rdi
	mov	VCPU_DOMAIN(%rdi), %rsi
	testl	$VM_ASSIST_IOPL, DOMAIN_VM_ASSIST(%rsi)
	jnz	\otherwise
.endm

.macro BEGIN_CALL
	cmpl	$ENTRY_SYSCALL, REGS_entry_vector - REGS_error_code(%rsp)
	jne	entry_in_c
	BEGIN_DIRECT direct_in_c
.endm

/* rdx = the first word of a hypercall that needs no C, rsi = the second. rax and rcx may be used. */
.macro BEGIN_HYPERCALL
	cmpl	$ENTRY_SYSCALL, REGS_entry_vector - REGS_error_code(%rsp)
	jne	entry_in_c
	mov	%rdi, REGS_rdi - REGS_error_code(%rsp)
	mov	%rdx, REGS_rdx - REGS_error_code(%rsp)
	mov	%rax, REGS_rax - REGS_error_code(%rsp)
	mov	%rdi, %rdx
	lea	FROM_VCPU(0), %rdi
	JUMP_UNLESS_CANONICAL %rcx, hypercall_in_c
	mov	VCPU_DOMAIN(%rdi), %rax
	cmpq	$0, DOMAIN_LIMIT_HYPERCALLS(%rax)
	jne	hypercall_in_c
.endm

/*
 * entry_from_stub: where the stubs jump to. In here rdi = vcpu, rcx = the caller's rip, r11 = its flags; rdi, rsi, rdx and rax are kept in vcpu->regs.
 */
	.globl entry_from_stub, entry_iret_direct
	.balign 16
entry_from_stub:
	cmpb	$0, FROM_VCPU(VCPU_IN_KERNEL)
	je	direct_call
	cmp	$HYPERCALL_MMU_UPDATE, %rax
	je	entry_mmu_update
	cmp	$HYPERCALL_IRET, %rax
	je	direct_iret
	cmp	$HYPERCALL_SEGMENT_BASE, %rax
	je	direct_segment_base
	cmp	$HYPERCALL_STACK, %rax
	jne	entry_hypercall

	/* The kernel's stack for the next program, as do_stack_switch() has it. */
	BEGIN_HYPERCALL
	mov	%rsi, VCPU_GUEST_STACK(%rdi)
	jmp	hypercall_is_done

	/* Where the guest's kernel says, as do_iret() has it: interrupts are on there, and no event is pending. */
direct_iret:
	BEGIN_CALL
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
	BEGIN_CALL
	cmpq	$0, VCPU_SYSCALL_HANDLER(%rdi)
	je	direct_in_c
	ENTER_KERNEL 7, direct_in_c
	GUEST_FLAGS %r11d
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
	MASK_EVENTS $1, VCPU_SYSCALL_MASKS(%rdi)
	mov	VCPU_SYSCALL_HANDLER(%rdi), %rcx
	and	$~FLAGS_HANDLER_CLEARS, %r11
	CLEAR_BUFFERS
	mov	%rax, %rsp
	RESTORE_SCRATCH
	sysretq

	/* A base of a program's fs or gs, or its gs, as do_set_segment_base() has it. A gs that names nothing becomes 0. */
direct_segment_base:
	BEGIN_HYPERCALL
	cmp	$SEGMENT_GS_SELECTOR, %rdx
	je	1f
	cmp	$SEGMENT_BASES, %rdx
	jae	hypercall_in_c
	JUMP_UNLESS_CANONICAL %rsi, hypercall_in_c
	lea	(%rdx, %rdx), %ecx
	add	$FS_BASE, %ecx
	mov	%rsi, %rdx
	shr	$32, %rdx
	mov	%esi, %eax
	wrmsr
	jmp	hypercall_is_done
1:	mov	VCPU_KERNEL_STACK(%rdi), %rsp
	swapgs
	MAY_FAULT no_segment, mov %esi, %gs
segment_is_set:
	swapgs
hypercall_is_done:
	mov	VCPU_DOMAIN(%rdi), %rax
	lock incq DOMAIN_USED_HYPERCALLS(%rax)
	CLEAR_BUFFERS
	xor	%eax, %eax
	mov	VCPU_REGS + REGS_rip(%rdi), %rcx
	mov	VCPU_REGS + REGS_rdx(%rdi), %rdx
	mov	VCPU_REGS + REGS_rsp(%rdi), %rsp
	mov	VCPU_REGS + REGS_rdi(%rdi), %rdi
	sysretq

no_segment:
	xor	%eax, %eax
	mov	%eax, %gs
	jmp	segment_is_set

hypercall_in_c:
	mov	VCPU_REGS + REGS_rax(%rdi), %rax
	mov	VCPU_REGS + REGS_rdx(%rdi), %rdx
	mov	VCPU_REGS + REGS_rdi(%rdi), %rdi
	jmp	entry_hypercall

direct_call_undo:
	UNDO_MODE
direct_iret_undo:
	CLOSE_GUEST
direct_in_c:
	BACK_TO_REGISTERS
	jmp	entry_in_c

/* entry_page_fault: as entry_trap. A program's goes to the guest's kernel as page_fault() has it. rax = the frame, r11 = cr2 */
	.globl entry_page_fault, entry_iret_handler
	.balign 16
entry_page_fault:
	testb	$3, REGS_cs - REGS_error_code(%rsp)
	jz	entry_trap
	cmpb	$0, FROM_VCPU(VCPU_IN_KERNEL)
	jne	entry_trap
	CLOSE_GUEST
	mov	%rcx, REGS_rcx - REGS_error_code(%rsp)
	mov	%r11, REGS_r11 - REGS_error_code(%rsp)
	BEGIN_DIRECT fault_in_c
	testb	$FAULT_RESERVED, VCPU_REGS + REGS_error_code(%rdi)
	jnz	fault_in_c
	cmpq	$0, VCPU_PAGE_FAULT_HANDLER(%rdi)
	je	fault_in_c
	cmpw	$0, VCPU_PAGE_FAULT_SELECTOR(%rdi)
	je	fault_in_c
	ENTER_KERNEL 8, fault_in_c
	mov	%cr2, %r11
	mov	VCPU_INFO(%rdi), %rcx
	mov	%r11, INFO_CR2(%rcx)
	GUEST_FLAGS VCPU_REGS+REGS_rflags(%rdi)
	movzwl	VCPU_REGS + REGS_cs(%rdi), %ecx
	or	%rcx, %rdx
	mov	VCPU_REGS + REGS_error_code(%rdi), %ecx
	or	$FAULT_USER, %ecx
	OPEN_GUEST
	MAY_FAULT fault_undo, mov %rcx, 16(%rax)
	MAY_FAULT fault_undo, mov %rdx, 32(%rax)
	MAY_FAULT fault_undo, mov %rsi, 40(%rax)
	COPY_UP REGS_rcx, 0
	COPY_UP REGS_r11, 8
	COPY_UP REGS_rip, 24
	COPY_UP REGS_rsp, 48
	movzwl	VCPU_REGS + REGS_ss(%rdi), %edx
	MAY_FAULT fault_undo, mov %rdx, 56(%rax)
	CLOSE_GUEST
	MASK_EVENTS $TRAP_MASKS_EVENTS, VCPU_PAGE_FAULT_FLAGS(%rdi)
	mov	VCPU_REGS + REGS_rflags(%rdi), %r11
	and	$~FLAGS_HANDLER_CLEARS, %r11
	mov	VCPU_PAGE_FAULT_HANDLER(%rdi), %rcx
	movzwl	VCPU_PAGE_FAULT_SELECTOR(%rdi), %edx
	CLEAR_BUFFERS
	push	$SELECTOR_GUEST_DATA
	push	%rax
	push	%r11
	push	%rdx
	push	%rcx
	RESTORE_SCRATCH
entry_iret_handler:
	iretq

fault_undo:
	mov	%r11, %cr2
	UNDO_MODE
	CLOSE_GUEST
fault_in_c:
	mov	VCPU_REGS + REGS_rcx(%rdi), %rcx
	mov	VCPU_REGS + REGS_r11(%rdi), %r11
	BACK_TO_REGISTERS
	jmp	entry_trap

	.pushsection .rodata
	.balign 8
	.globl no_selector
core_end:
	.quad	CORE_END
no_selector:
	.word	0
	.popsection

	.section .note.GNU-stack, "", @progbits
