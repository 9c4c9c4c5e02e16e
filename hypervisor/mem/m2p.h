/* SPDX-License-Identifier: MIT */
/* The machine-to-physical table: what each frame's owner calls it. Guests read it at MACH2PHYS_VIRT_START. */
#pragma once

void m2p_set(mfn_t frame, gfn_t guest);		/* GFN_NONE: nobody's */
gfn_t m2p_get(mfn_t frame);
