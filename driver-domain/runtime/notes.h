/* SPDX-License-Identifier: MIT */
/*
 * Xen's ELF notes, as assembly: each kernel puts exactly one of these at file scope.
 *
 *   RUNTIME_KERNEL          as Linux has them: ENTRY, VIRT_BASE, HYPERCALL_PAGE; linked at -2 GiB
 *   RUNTIME_KERNEL_P2M      the same, with the P2M at a place of its own (INIT_P2M)
 *   RUNTIME_KERNEL_MINIMAL  no ENTRY, no VIRT_BASE, no HYPERCALL_PAGE: e_entry, and base 0
 */
#ifndef RUNTIME_NOTES_H
#define RUNTIME_NOTES_H

#include <xen/elfnote.h>

#define NOTES_TEXT(value) NOTES_TEXT_(value)
#define NOTES_TEXT_(value) #value
#define NOTE(type, descriptor)                                                           \
	".pushsection .note.Xen, \"a\", @note\n"                                         \
	".balign 4\n .long 4, 2f - 1f, " NOTES_TEXT(type) "\n .asciz \"Xen\"\n"          \
	"1: " descriptor "\n2: .balign 4\n.popsection\n"

#define NOTES_COMMON                                                                     \
	NOTE(XEN_ELFNOTE_GUEST_OS, ".asciz \"Skink\"")                                   \
	NOTE(XEN_ELFNOTE_GUEST_VERSION, ".asciz \"1\"")                                  \
	NOTE(XEN_ELFNOTE_XEN_VERSION, ".asciz \"xen-3.0\"")                              \
	NOTE(XEN_ELFNOTE_LOADER, ".asciz \"generic\"")

#define NOTES_FULL                                                                       \
	NOTES_COMMON                                                                     \
	NOTE(XEN_ELFNOTE_ENTRY, ".quad runtime_entry")                                   \
	NOTE(XEN_ELFNOTE_VIRT_BASE, ".quad 0xffffffff80000000")                          \
	NOTE(XEN_ELFNOTE_PADDR_OFFSET, ".quad 0")                                        \
	NOTE(XEN_ELFNOTE_HYPERCALL_PAGE, ".quad runtime_hypercall_page")                 \
	NOTE(XEN_ELFNOTE_FEATURES, ".asciz \"!writable_page_tables|pae_pgdir_above_4gb\"") \
	NOTE(XEN_ELFNOTE_SUPPORTED_FEATURES, ".long 0x801")                              \
	NOTE(XEN_ELFNOTE_HV_START_LOW, ".quad 0xffff800000000000")                       \
	NOTE(XEN_ELFNOTE_PAE_MODE, ".asciz \"yes\"")                                     \
	NOTE(XEN_ELFNOTE_SUSPEND_CANCEL, ".long 1")

#define RUNTIME_KERNEL __asm__(NOTES_FULL);

#define RUNTIME_KERNEL_P2M                                                               \
	__asm__(NOTES_FULL NOTE(XEN_ELFNOTE_INIT_P2M, ".quad 0x8000000000")              \
		NOTE(XEN_ELFNOTE_MOD_START_PFN, ".long 1"));

#define RUNTIME_KERNEL_MINIMAL                                                           \
	__asm__(NOTES_COMMON ".globl runtime_base\nruntime_base = 0x100000\n");

#endif
