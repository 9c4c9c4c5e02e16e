/* SPDX-License-Identifier: MIT */
/*
 * Where a CPU starts. smp.c copies this to a page below 1 MiB and fills in the words at the end, for one CPU at a time.
 * Real mode begins with cs = page >> 4, ip = 0, so that ds = cs makes offsets from trampoline_start addresses.
 */
#include "cpu/layout.h"

#define HERE(label) (label - trampoline_start)

	.section .rodata.trampoline, "a"
	.balign 16
	.globl trampoline_start, trampoline_end, trampoline_words
	.hidden trampoline_start, trampoline_end, trampoline_words

	.code16
trampoline_start:
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	/* A CPU that comes so late that it was given up finds nobody waiting for it. */
	mov	$1, %eax
	mov	$2, %ecx
	lock cmpxchg %ecx, HERE(word_state)
	jne	1f

	lgdtl	HERE(word_gdt_pointer)
	/* Straight to long mode: PAE, the page tables, EFER, then protection and paging at once. */
	mov	$0x20, %eax
	mov	%eax, %cr4
	mov	HERE(word_cr3), %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	mov	HERE(word_efer), %eax
	xor	%edx, %edx
	wrmsr
	mov	$0x80010033, %eax		/* PG, WP, NE, ET, MP, PE */
	mov	%eax, %cr0
	ljmpl	*HERE(word_far)
1:	hlt
	jmp	1b

	.code64
long_mode:
	xor	%eax, %eax
	mov	%eax, %ds
	mov	word_stack(%rip), %rsp
	mov	word_entry(%rip), %rax
	mov	word_cpu(%rip), %rdi
	xor	%ebp, %ebp			/* ends back traces */
	push	%rbp
	push	%rbp
	push	%rbp				/* no way back; and the stack is as after a call */
	jmp	*%rax

	.balign 8
trampoline_gdt:
	.quad	0
	.quad	0x00af9b000000ffff

	/* struct trampoline_words in smp.c */
	.balign 8
trampoline_words:
word_state:		.long 0
word_cr3:		.long 0
word_efer:		.long 0
word_far:		.long HERE(long_mode)	/* smp.c adds the page's address */
			.short 8
word_gdt_pointer:	.short 15
			.long HERE(trampoline_gdt)	/* likewise */
word_stack:		.quad 0
word_entry:		.quad 0
word_cpu:		.quad 0
trampoline_end:
	.section .note.GNU-stack, "", @progbits
