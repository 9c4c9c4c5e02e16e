/* SPDX-License-Identifier: MIT */
/*
 * From the boot loader to C: 32-bit, no paging, to 64-bit at the linked address. A Multiboot 2 loader may put the image
 * at any 2 MiB boundary below 4 GiB, so until paging is on all addresses are relative to ebp, the distance moved.
 *
 * boot_start: in: eax = magic, ebx = physical address of the loader's information    out: core_main(), never back
 */
#include "cpu/layout.h"

#define PHYS(symbol) (symbol - IMAGE_BASE)

	.section .multiboot, "ax"
	.balign 8
multiboot1_header:
	.long 0x1badb002
	.long 0x00010003			/* page-aligned modules, memory map, the address fields below */
	.long -(0x1badb002 + 0x00010003)
	.long PHYS(multiboot1_header), IMAGE_LOAD, PHYS(data_end), PHYS(image_end), PHYS(boot_start)

	.balign 8
multiboot2_header:
	.long 0xe85250d6, 0, multiboot2_end - multiboot2_header
	.long -(0xe85250d6 + 0 + (multiboot2_end - multiboot2_header))
	/* Tags, each a multiple of 8 bytes apart: type, size, what it says. */
	.long 2, 24, PHYS(multiboot2_header), IMAGE_LOAD, PHYS(data_end), PHYS(image_end)
	.long 3, 12, PHYS(boot_start), 0
	.long 6, 8				/* modules start on pages */
	.long 10 | 1 << 16, 24, 0x200000, 0x40000000, 0x200000, 1	/* optional: may be moved, by 2 MiB */
	.long 0, 8
multiboot2_end:

	.code32
	.globl boot_start
boot_start:
	cli
	cld
	/* Where are we? The loader gives no stack; both kinds put a word at [ebx] that we may borrow. */
	mov	(%ebx), %edx
	lea	4(%ebx), %esp
	call	1f
1:	pop	%ebp
	sub	$PHYS(1b), %ebp
	mov	%edx, (%ebx)

	mov	%eax, %edi			/* magic, kept for C */
	mov	%ebx, %esi
	lea	PHYS(boot_stack_end)(%ebp), %esp

	/* L4: slot 0 (until C takes it out) and the direct map share one L3; slot 261 has the image. */
	lea	PHYS(core_l4)(%ebp), %ebx
	lea	PHYS(boot_l3_low + 3)(%ebp), %eax
	mov	%eax, (%ebx)
	mov	%eax, 262 * 8(%ebx)
	lea	PHYS(boot_l3_image + 3)(%ebp), %eax
	mov	%eax, 261 * 8(%ebx)

	/* 4 GiB in pages of 2 MiB, at slot 0 and at the direct map; the image: 16 MiB from where it was loaded. */
	mov	$0x200000, %edx
	mov	$0x83, %eax
	lea	PHYS(boot_l2_low)(%ebp), %ebx
	mov	$2048, %ecx
	call	fill
	lea	0x83 + IMAGE_LOAD(%ebp), %eax
	lea	PHYS(boot_l2_image + 8)(%ebp), %ebx
	mov	$8, %ecx
	call	fill
	mov	$4096, %edx
	lea	PHYS(boot_l2_low + 3)(%ebp), %eax
	lea	PHYS(boot_l3_low)(%ebp), %ebx
	mov	$4, %ecx
	call	fill
	lea	PHYS(boot_l2_image + 3)(%ebp), %eax
	mov	%eax, PHYS(boot_l3_image)(%ebp)

	/* The first CPU's window: its main stack. */
	lea	PHYS(boot_l2_windows + 3)(%ebp), %eax
	mov	%eax, PHYS(boot_l3_image + 8)(%ebp)
	lea	PHYS(boot_l1_windows + 3)(%ebp), %eax
	mov	%eax, PHYS(boot_l2_windows)(%ebp)
	lea	PHYS(boot_stack + 3)(%ebp), %eax
	lea	PHYS(boot_l1_windows + 8 * STACK_MAIN_FIRST_PAGE)(%ebp), %ebx
	mov	$4, %ecx
	call	fill

	/* PAE, long mode, no-execute if there is any, paging with write protection. */
	mov	%cr4, %eax
	or	$0x20, %eax
	mov	%eax, %cr4
	lea	PHYS(core_l4)(%ebp), %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x101, %eax			/* LME, SCE */
	wrmsr
	mov	$0x80010033, %eax		/* PG, WP, NE, ET, MP, PE */
	mov	%eax, %cr0

	lea	PHYS(boot_gdt)(%ebp), %eax
	mov	%eax, PHYS(boot_gdt_pointer + 2)(%ebp)
	lgdt	PHYS(boot_gdt_pointer)(%ebp)
	lea	PHYS(boot_long)(%ebp), %eax
	push	$8
	push	%eax
	lret

	/* ecx entries from ebx on: eax, eax + edx, ... */
fill:	mov	%eax, (%ebx)
	add	%edx, %eax
	add	$8, %ebx
	loop	fill
	ret

	.code64
boot_long:
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	movabs	$2f, %rax
	jmp	*%rax
2:	movabs	$WINDOWS_START + STACK_SPAN - 64, %rsp
	mov	%ebp, %edx
	mov	%edx, image_moved(%rip)
	lea	boot_cpu(%rip), %rax
	mov	%rax, 64 - STACK_CPU_OFFSET(%rsp)
	mov	%edi, %edi
	mov	%esi, %esi
	xor	%ebp, %ebp			/* ends back traces */
	push	%rbp
	push	%rbp
	call	core_main
	ud2

	.section .data
	.balign 8
boot_gdt:
	.quad	0
	.quad	0x00af9b000000ffff
boot_gdt_pointer:
	.short	15
	.quad	0
	.balign 8
	.globl image_moved
image_moved:					/* physical address of the image, less IMAGE_LOAD */
	.quad	0

	.section .bss.page, "aw", @nobits
	.balign 4096
	.globl core_l4, boot_l3_image, boot_l2_image, boot_l2_windows, boot_l1_windows, boot_l3_low
core_l4:	.skip 4096
boot_l3_low:	.skip 4096
boot_l3_image:	.skip 4096
boot_l2_low:	.skip 4096 * 4
boot_l2_image:	.skip 4096
boot_l2_windows: .skip 4096
boot_l1_windows: .skip 4096
boot_stack:	.skip 4096 * 4
boot_stack_end:
	.section .note.GNU-stack, "", @progbits
