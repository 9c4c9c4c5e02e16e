/* SPDX-License-Identifier: MIT */
/* The files that a domain is built from: regular ones, of a size that is known before they are read. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/build.h"
#include "lib/unpack.h"

/* A descriptor and the size; 1 .. limit bytes. Or -errno and *error, which blames `blame`. */
int file_open(const char *file, size_t limit, enum build_blame blame, size_t *bytes, struct build_error *error);

/* Exactly `count` bytes from the start of the file to `to`. */
int file_read(int descriptor, void *to, size_t count, enum build_blame blame, struct build_error *error);

int file_read_all(const char *file, size_t limit, enum build_blame blame, struct bytes *bytes, struct build_error *error);
