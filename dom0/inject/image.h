/* SPDX-License-Identifier: MIT */
/*
 * The kernel of a driver domain as its file has it: where its parts lie, what its functions and variables are called.
 * IM1  The file is not trusted: an offset or a length that does not fit makes the image one without symbols.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/unpack.h"

struct symbol {
	uint64_t address, bytes;
	const char *name;		/* in the file */
	bool is_function;
};

struct image {
	struct bytes file;
	uint64_t base;			/* where its frame 0 is mapped */
	uint64_t text, text_end;	/* what is executable */
	uint64_t data, data_end;	/* what is writable, .bss too */
	struct symbol *symbol;		/* by address; labels of assembly have no size */
	size_t symbol_count;
};

/* 0 or -errno; -ENOEXEC: it is no ELF with symbols. */
int image_open(struct image *image, const char *path);
void image_close(struct image *image);

/* The one that an address lies in, or of that name; NULL. */
const struct symbol *image_symbol_at(const struct image *image, uint64_t address);
const struct symbol *image_symbol(const struct image *image, const char *name);
/* "blk_work+0x12", or the address in hexadecimal. */
void image_describe(const struct image *image, uint64_t address, char *text, size_t room);
/* What the file has at an address; NULL: nothing that long. */
const uint8_t *image_bytes(const struct image *image, uint64_t address, size_t bytes);
