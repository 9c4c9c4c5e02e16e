/* SPDX-License-Identifier: MIT */
/*
 * The words that every file of the core may use without asking: the compiler's, types, errors, bits, text, the log and ASSERT;
 * and the nouns that the core is about: CPUs, locks, domains and vcpus, frames, entries of page tables, a guest's memory.
 * The Makefile has the compiler read it before each file (-include), so no file names these headers.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/compiler.h"
#include "include/types.h"
#include "include/errno.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "lib/log.h"
#include "lib/list.h"

#include "cpu/cpu.h"
#include "lib/spinlock.h"
#include "cpu/directmap.h"
#include "cpu/uaccess.h"
#include "domain/dma_pool.h"
#include "domain/domain.h"
#include "sched/sched.h"
#include "sched/timer.h"
#include "domain/vcpu.h"
#include "mem/frame.h"
#include "mem/alloc.h"
#include "mem/mmu.h"
