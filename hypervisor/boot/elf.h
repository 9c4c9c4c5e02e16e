/* SPDX-License-Identifier: MIT */
/*
 * A Xen PV kernel for x86-64: an ELF with notes in Xen's name. The file is not trusted: each offset and
 * length in it is checked, and whatever is wrong is said in words.
 */
#pragma once

#define ELF_SEGMENTS_MAX	16
#define ELF_ADDRESS_NONE	UINT64_MAX

struct elf_segment {
	uint64_t va;			/* where the kernel wants to see it */
	uint64_t file_offset;
	uint64_t file_bytes;		/* what the file does not have is zero */
};

struct elf_kernel {
	bool has_notes;			/* in Xen's name */
	uint64_t entry;			/* ENTRY, or the header's */
	uint64_t virt_base;		/* VIRT_BASE, or 0: the address of pseudo-physical frame 0 */
	uint64_t paddr_offset;
	uint64_t hypercall_page;	/* ELF_ADDRESS_NONE: it has none */
	uint64_t init_p2m;		/* ELF_ADDRESS_NONE: behind the initrd */
	uint64_t start, end;		/* of all segments; the end is a whole page's */
	uint64_t supported_features;	/* SUPPORTED_FEATURES: bits of XENFEAT_*; 0: it has no such note */
	uint64_t initrd_by_frame;	/* MOD_START_PFN: not 0: the initrd need not be mapped */
	uint32_t segment_count;
	struct elf_segment segment[ELF_SEGMENTS_MAX];
};

/* Reads `bytes` bytes at `file` into *kernel. Refuses to run if it is not such a kernel. */
void elf_parse(const uint8_t *file, uint64_t bytes, struct elf_kernel *kernel);
