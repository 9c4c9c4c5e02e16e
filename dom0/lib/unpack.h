/* SPDX-License-Identifier: MIT */
/* What kernels are packed with: gzip, xz, zstd, lz4 (the legacy frame that kernels use). */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct build_error;

struct bytes {
	uint8_t *at;			/* from bytes_alloc() */
	size_t count;
};

/* Pages of their own, all zero and in place; NULL in ->at if there are none. */
struct bytes bytes_alloc(size_t count);
void bytes_free(struct bytes *bytes);

/* What it is packed with: "gzip", "xz", ...; NULL: nothing known. Those that unpack() refuses are known too. */
const char *unpack_name(const uint8_t *packed, size_t count);

/* The stream must give exactly `expected` bytes. What stands behind it is not looked at. 0 or -errno and *error. */
int unpack(const uint8_t *packed, size_t count, size_t expected, struct bytes *out, struct build_error *error);
