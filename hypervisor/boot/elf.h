/* SPDX-License-Identifier: MIT */
/*
 * A Xen PV kernel for x86-64: an ELF with notes in Xen's name. The file is not trusted: each offset and
 * length in it is checked, and whatever is wrong is said in words.
 */
#ifndef SKINK_ELF_H
#define SKINK_ELF_H

#include "include/types.h"

#define ELF_SEGMENTS_MAX	16
#define ELF_ADDRESS_NONE	UINT64_MAX

struct elf_segment {
	uint64_t va;			/* where the kernel wants to see it */
	uint64_t file_offset;
	uint64_t file_bytes;
	uint64_t memory_bytes;		/* what the file does not have is zero */
};

struct elf_kernel {
	uint64_t entry;			/* ENTRY, or the header's */
	uint64_t virt_base;		/* VIRT_BASE, or 0: the address of pseudo-physical frame 0 */
	uint64_t paddr_offset;
	uint64_t hypercall_page;	/* ELF_ADDRESS_NONE: it has none */
	uint64_t init_p2m;		/* ELF_ADDRESS_NONE: behind the initrd */
	uint64_t start, end;		/* of all segments; the end is a whole page's */
	uint64_t core_above;		/* HV_START_LOW: the core may begin here or above; 0: anywhere */
	uint32_t features;		/* FEATURES: bits of XENFEAT_* */
	uint64_t supported_features;	/* SUPPORTED_FEATURES: the same; 0: it has no such note */
	uint64_t initrd_by_frame;	/* MOD_START_PFN: not 0: the initrd need not be mapped */
	char guest_os[32], guest_version[32];
	uint32_t segment_count;
	struct elf_segment segment[ELF_SEGMENTS_MAX];
};

/* Reads `bytes` bytes at `file` into *kernel. -ENOEXEC: not such a kernel; `why` says what is wrong with it. */
MUST_CHECK int elf_parse(const void *file, uint64_t bytes, struct elf_kernel *kernel, char *why, size_t room);

/* ---- between elf.c and elf_notes.c ---- */

struct elf_reader {
	const uint8_t *file;
	uint64_t bytes;
	struct elf_kernel *kernel;
	uint32_t xen_notes;		/* how many have been seen */
	char *why;
	size_t room;
};

/* Says why; returns -ENOEXEC. */
int elf_refuse(struct elf_reader *reader, const char *format, ...) PRINTF(2, 3);
/* The notes in a part of the file, which has been checked to lie inside it. */
MUST_CHECK int elf_read_notes(struct elf_reader *reader, uint64_t offset, uint64_t bytes, uint64_t alignment);

#endif
