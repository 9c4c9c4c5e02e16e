/* SPDX-License-Identifier: MIT */
/*
 * From the boot loader to C: 32-bit, no paging, to 64-bit at the linked address. A Multiboot 2 loader may put the image
 * at any 2 MiB boundary below 4 GiB, so until paging is on all addresses are relative to ebp, the distance moved.
 *
 * boot_start: in: eax = magic, ebx = physical address of the loader's information    out: core_main(), never back
 */
#include "cpu/layout.h"
#include "offsets.h"

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

	/* Each entry below that is not 0 says where something in the image lies. */
	lea	PHYS(boot_tables)(%ebp), %ebx
	mov	$(boot_tables_end - boot_tables) / 8, %ecx
2:	cmpl	$0, (%ebx)
	je	3f
	add	%ebp, (%ebx)
3:	add	$8, %ebx
	loop	2b

	/* PAE, long mode, no-execute if there is any, paging with write protection. */
	mov	%cr4, %eax
	or	$0x20, %eax
	mov	%eax, %cr4
	lea	PHYS(start_l4)(%ebp), %eax
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

	.code64
boot_long:
	movabs	$WINDOWS_START + STACK_SPAN - 64, %rsp
	movabs	$cpus, %rax			/* the first of them */
	mov	%rax, 64 - STACK_CPU_OFFSET(%rsp)
	mov	%ebp, image_moved(%rip)
	mov	%edi, %edi
	mov	%esi, %esi
	movabs	$core_main, %rax

	/* in: rax = a function, rdi, rsi = its arguments, rsp = its stack */
enter_c:
	xor	%ebp, %ebp			/* ends back traces */
	mov	%ebp, %ds
	mov	%ebp, %es
	mov	%ebp, %ss
	push	%rbp
	push	%rbp
	call	*%rax
	ud2

	/* The other CPUs come here, from trampoline.S. Who is not expected (S1) gets no stack. */
	.globl secondary_start
secondary_start:
	xor	%edi, %edi
	xchg	%rdi, smp_expected(%rip)
	test	%rdi, %rdi
	jz	1f
	mov	CPU_KERNEL_STACK(%rdi), %rsp
	movabs	$cpu_secondary_main, %rax
	jmp	enter_c
1:	hlt
	jmp	1b

	.section .data
	.balign 8
	.globl boot_gdt
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

/*
 * The first page tables, until C has built its own: 4 GiB at slot 0 and at the direct map (262), which share one L3; at
 * slot 261 the image, 16 MiB from where it was loaded, and the first CPU's window with nothing but its stack.
 */
	.globl start_l4, boot_stack
	.balign 4096
boot_tables:
start_l4:	.quad PHYS(boot_l3_low) + 3
		.fill 260, 8, 0
		.quad PHYS(boot_l3_image) + 3, PHYS(boot_l3_low) + 3
		.fill 249, 8, 0
boot_l3_low:	.quad PHYS(boot_l2_low) + 0x3, PHYS(boot_l2_low) + 0x1003
		.quad PHYS(boot_l2_low) + 0x2003, PHYS(boot_l2_low) + 0x3003
		.fill 508, 8, 0
boot_l3_image:	.quad PHYS(boot_l2_image) + 3, PHYS(boot_l2_windows) + 3
		.fill 510, 8, 0
boot_l2_image:	.quad 0, 0x200083, 0x400083, 0x600083, 0x800083, 0xa00083, 0xc00083, 0xe00083, 0x1000083
		.fill 503, 8, 0
boot_l2_windows: .quad PHYS(boot_l1_windows) + 3
		.fill 511, 8, 0
boot_l1_windows: .fill STACK_MAIN_FIRST_PAGE, 8, 0
		.quad PHYS(boot_stack) + 0x3, PHYS(boot_stack) + 0x1003
		.quad PHYS(boot_stack) + 0x2003, PHYS(boot_stack) + 0x3003
		.fill 508 - STACK_MAIN_FIRST_PAGE, 8, 0
boot_tables_end:
boot_l2_low:	.set at, 0			/* not moved */
		.rept 2048
		.quad at + 0x83
		.set at, at + 0x200000
		.endr

	.section .bss.page, "aw", @nobits
	.balign 4096
boot_stack:	.skip 4096 * 4
boot_stack_end:
	.section .note.GNU-stack, "", @progbits
