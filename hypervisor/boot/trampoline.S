/* SPDX-License-Identifier: MIT */
/*
 * Where a CPU starts. smp.c copies this to a page below 1 MiB and fills in the words at the end.
 * Real mode begins with cs = page >> 4, ip = 0, so that ds = cs makes offsets from trampoline_start addresses.
 */
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

	/* struct trampoline_words in smp.c */
	.balign 8
trampoline_words:
word_cr3:		.long 0
word_efer:		.long 0
word_far:		.long 0			/* secondary_start, where it lies in memory */
			.short 8
word_gdt_pointer:	.short 15
			.long 0			/* boot_gdt, likewise */
trampoline_end:
	.section .note.GNU-stack, "", @progbits
