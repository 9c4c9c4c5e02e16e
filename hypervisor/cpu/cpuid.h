/* SPDX-License-Identifier: MIT */
/* What a guest sees when it asks by the emulated cpuid; docs/abi.md has the list. */
#pragma once

#include "include/types.h"

struct vcpu;

/* out: eax, ebx, ecx, edx. `vcpu` is the current one. */
void cpuid_for_guest(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
