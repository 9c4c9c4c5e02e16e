/* SPDX-License-Identifier: MIT */
/*
 * A Xen PV kernel for x86-64: an ELF with notes in Xen's name.
 * U2  The file is not trusted: each offset and length in it is checked, and whatever is wrong is said in words.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../protocols/driver.h"

struct build_error;

#define PVELF_SEGMENTS_MAX	16
#define PVELF_NONE		UINT64_MAX

struct pvelf_segment {
	uint64_t va;			/* where the kernel wants to see it */
	uint64_t bytes;			/* in memory */
	uint64_t file_offset;
	uint64_t file_bytes;		/* what the file does not have is zero */
};

struct pvelf {
	uint64_t entry;			/* ENTRY, or the header's */
	uint64_t virt_base;		/* VIRT_BASE, or 0: the address of pseudo-physical frame 0 */
	uint64_t paddr_offset;
	uint64_t hypercall_page;	/* PVELF_NONE: it has none */
	uint64_t init_p2m;		/* PVELF_NONE: behind the initrd */
	uint64_t initrd_by_frame;	/* MOD_START_PFN: not 0: the initrd need not be mapped */
	uint64_t start, end;		/* of all segments, in whole pages */
	bool has_notes;			/* in Xen's name ... */
	bool has_pv_notes;		/* ... and not those of PVH alone */
	bool has_pvh_entry;
	bool has_driver_note;		/* it is a driver domain's, and says so: */
	struct driver_note driver;
	uint32_t segment_count;
	struct pvelf_segment segment[PVELF_SEGMENTS_MAX];
};

/* 0, or -ENOEXEC and *error. */
int pvelf_parse(const uint8_t *file, size_t bytes, struct pvelf *kernel, struct build_error *error);
