/* SPDX-License-Identifier: MIT */
/* For assembly. Between the first two the pages of guests are open to the core. smap_init() takes them out where the CPU does not know them. */
#pragma once

#ifdef __ASSEMBLER__
.macro SMAP_SITE instruction
771:	\instruction
	.pushsection .smap_sites, "a"
	.long	771b - .
	.popsection
.endm

.macro OPEN_GUEST
	SMAP_SITE stac
.endm

.macro CLOSE_GUEST
	SMAP_SITE clac
.endm

/* Bits 63 to 47 are the same: with one more at bit 47 nothing is left of them. rax is used up. */
.macro JUMP_UNLESS_CANONICAL address, otherwise
	mov	$(1 << 47), %rax
	add	\address, %rax
	shr	$48, %rax
	jnz	\otherwise
.endm

/* Last thing before the return to a guest: docs/decisions/speculation.md. */
.macro CLEAR_BUFFERS
	cmpb	$0, speculation_clear_buffers(%rip)
	je	773f
	verw	no_selector(%rip)
773:
.endm

#endif
