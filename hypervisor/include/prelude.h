/* SPDX-License-Identifier: MIT */
/*
 * The words that every file of the core may use without asking: the compiler's, types, errors, bits, text, the log and ASSERT.
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
