/* SPDX-License-Identifier: MIT */
/*
 * A domain's memory and registers as an ELF core file, which gdb opens beside its kernel:  gdb vmlinux web.core
 * Its segments are what the kernel half of the first vcpu's page tables maps, at the addresses of the kernel. That needs
 * nothing of the guest but its page tables, which the core has checked; a kernel that has its memory mapped as a whole
 * (Linux: the direct map) is in it as a whole. Physical addresses in it mean nothing.
 * DU1  Each frame is in the file once, however often it is mapped. Pages of zeros are holes.
 */
#pragma once

#include "lib/build.h"
#include "lib/core.h"

/* Whoever calls has paused the domain, or takes what it gets. The file is new, or it is an error. *bytes: its size on disk. */
int dump_core(struct core *core, domid_t id, const char *file, uint64_t *bytes, struct build_error *error);
