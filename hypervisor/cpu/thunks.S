/* SPDX-License-Identifier: MIT */
/*
 * Retpolines: an indirect branch whose target the CPU must not predict. The prediction of `ret` is the loop
 * behind the call; the real target is written over the return address.
 * in: the register in the name holds the target.   out: there, all registers and the stack as they were
 */

.macro THUNK name register
	.section .text.\name, "ax"
	.globl \name
	.balign 32
\name:
	call 2f
1:	pause
	lfence
	jmp 1b
2:	mov \register, (%rsp)
	ret
	int3
.endm

.irp register, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	THUNK __x86_indirect_thunk_\register, %\register
.endr
	THUNK __llvm_retpoline_r11, %r11

	.section .note.GNU-stack, "", @progbits
