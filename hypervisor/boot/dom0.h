/* SPDX-License-Identifier: MIT */
/* Domain-0: built from the boot loader's modules, and started. */
#pragma once

/*
 * The core's options dom0_mem= and dom0_max_vcpus= say how large. Refuses to run, with the reason, if it cannot be
 * done. When this returns the scheduler may run it.
 */
void dom0_build(void);
