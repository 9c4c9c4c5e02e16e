/* SPDX-License-Identifier: MIT */
/*
 * The core's part of every address space: L4 slots 256 to 271, as the ABI has it. Assembly reads this too.
 *
 *   slot 256  the machine-to-physical table, read-only for guests' kernels
 *   slot 257  device memory, mapped once and for good
 *   slot 258  the machine-to-physical table, writable, the core's own
 *   slot 259  the frame table
 *   slot 261  the core's image; from 1 GiB on, the windows of each CPU
 *   slot 262  all RAM
 *
 * A CPU's window (256 KiB):
 *   +0        stack: guard, #DF, guard, NMI, guard, #MC, guard, #DB, guards, then 16 KiB for all the rest
 *   +64 KiB   the descriptor table (GDT): 14 pages of the guest's, then the core's
 *   +128 KiB  the guest's local descriptor table
 *   +192 KiB  the entry stubs of syscall and sysenter, and behind them their data
 */
#pragma once

#define LOWER_HALF_END		0x0000800000000000
#define CORE_END		0xffff880000000000
#define M2P_START		0xffff800000000000
#define MMIO_START		0xffff808000000000
#define M2P_WRITABLE_START	0xffff810000000000
#define FRAMES_START		0xffff818000000000
#define IMAGE_BASE		0xffff828000000000
#define IMAGE_START		0xffff828000200000	/* where it is linked */
#define IMAGE_LOAD		0x200000		/* where a loader that cannot choose puts it */
#define WINDOWS_START		0xffff828040000000
#define DIRECTMAP_START		0xffff830000000000

#define WINDOW_SIZE		0x40000
#define WINDOW_GDT		0x10000
#define WINDOW_LDT		0x20000
#define WINDOW_STUBS		0x30000
#define WINDOW_STUB_DATA	0x31000

#define STACK_SPAN		0x10000		/* a stack pointer, rounded up to this, is its end */
#define STACK_DOUBLE_FAULT	0x2000		/* ends of the special stacks, from the window's start, 2 pages apart */
#define STACK_DEBUG		0x8000
#define STACK_MAIN_FIRST_PAGE	12		/* .. 15 */
#define STACK_CPU_OFFSET	16		/* below its end: struct cpu *, for this_cpu() */

/* Selectors. Those of the guest are the ABI's; all stand in page 14 of the GDT. */
#define GDT_CORE_PAGE		14
#define SELECTOR_CORE_CODE	0xe008
#define SELECTOR_CORE_DATA	0xe010
#define SELECTOR_GUEST_CODE32	0xe023
#define SELECTOR_GUEST_DATA	0xe02b
#define SELECTOR_GUEST_CODE64	0xe033
#define SELECTOR_TSS		0xe040
#define SELECTOR_LDT		0xe050
#define GDT_LIMIT		0xe05f

#define IST_DOUBLE_FAULT	1
#define IST_NMI			2
#define IST_MACHINE_CHECK	3
#define IST_DEBUG		4

/*
 * entry_vector of what is no exception or interrupt. ENTRY_SYSCALL: rcx is rip, r11 is rflags, cs and ss are the flat
 * ones, so that sysret may end it; whoever changes one of them changes entry_vector, too.
 */
#define ENTRY_SYSCALL		0x100
#define ENTRY_SYSCALL32		0x101
#define ENTRY_SYSENTER		0x102
#define ENTRY_HANDLER		0x103		/* to be entered, with a code selector of its own */

/* Flags of a guest: what a handler does not begin with, as with an interrupt (AC, VM, RF, NT, TF) or Linux's SYSCALL_MASK (DF); what iret does not set (VIP, VIF, VM, IOPL), and does. */
#define FLAG_TF			0x100
#define FLAG_IF			0x200
#define FLAG_IOPL		0x3000
#define FLAG_RF			0x10000
#define FLAGS_HANDLER_CLEARS	0x74500
#define FLAGS_IRET_CLEARS	0x1a3000
#define FLAGS_IRET_SETS		0x202

/* A page fault's error code: as a program's (not as the kernel's), and by a reserved bit. */
#define FAULT_USER		4
#define FAULT_RESERVED		8
