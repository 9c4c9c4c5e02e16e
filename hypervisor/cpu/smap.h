/* SPDX-License-Identifier: MIT */
/* For assembly: between the two the pages of guests are open to the core. smap_init() takes them out where the CPU does not know them. */
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

#endif
