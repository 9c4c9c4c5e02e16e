/* SPDX-License-Identifier: MIT */
/*
 * What Dom0 may ask of the core beyond Xen's domctl: commands of our own, in struct xen_domctl of Xen 4.17
 * (interface version 0x15), their argument in its union's first bytes. The rules are domctl's: Domain-0 only, -EPERM to
 * all others; -ESRCH: no such domain; -EINVAL: a value out of range, and nothing has changed.
 */
#pragma once

#include <stdint.h>

#include "driver.h"

#define SKINK_DOMCTL_sched	0x534b0001u	/* struct skink_domctl_sched: read, or set and read */
#define SKINK_DOMCTL_account	0x534b0002u	/* struct skink_domctl_account: read, or set limits and read */
#define SKINK_DOMCTL_dma_pool	0x534b0003u	/* struct skink_domctl_dma_pool: once for each domain */

/* The scheduler's parameters of one domain (borrowed virtual time; Duda and Cheriton, SOSP 1999). */
struct skink_domctl_sched {
	uint32_t set;			/* in: 0 reads, 1 sets all that follows and reads it back */
	uint32_t weight;		/* share of CPU time: 1 .. 65535, 256 is usual */
	uint32_t cap_percent;		/* of one CPU; 0: none */
	uint32_t warp_us;		/* virtual time that a waking vcpu borrows; 0: none */
	uint32_t warp_limit_us;		/* run time before warp is withdrawn; 0: no limit */
};

/* Index into the counts. */
#define SKINK_ACCOUNT_HYPERCALLS		0
#define SKINK_ACCOUNT_EVENTS_SENT		1
#define SKINK_ACCOUNT_GRANT_MAPS		2
#define SKINK_ACCOUNT_GRANT_COPIES		3
#define SKINK_ACCOUNT_PAGE_TABLE_UPDATES	4
#define SKINK_ACCOUNT_KINDS			5

struct skink_domctl_account {
	uint64_t set;				/* in: 0 reads, 1 sets the limits and reads */
	uint64_t used[SKINK_ACCOUNT_KINDS];	/* since the domain was created */
	uint64_t limit[SKINK_ACCOUNT_KINDS];	/* in each period of 10 ms; 0: none */
};

_Static_assert(sizeof(struct skink_domctl_account) <= 128, "the union of struct xen_domctl has 128 bytes");

#define SKINK_DMA_POOL_UNPROTECTED	1u	/* where there is no IOMMU, devices reach all memory: so be it */
#define SKINK_DMA_POOL_FRAMES_MAX	4096u	/* 16 MiB */

/*
 * Frames of the domain, machine-contiguous, that its devices reach, and nothing else. They stay the domain's until its end,
 * and are never page tables. -EINVAL: count, flags, or a frame that is not the domain's; -EBUSY: one is a page table;
 * -EEXIST: it has a pool; -EOPNOTSUPP: no IOMMU guards it, and `flags` do not say that none need do.
 */
struct skink_domctl_dma_pool {
	uint64_t first_mfn, count;
	uint32_t flags;			/* SKINK_DMA_POOL_* */
	uint32_t is_protected;		/* out: an IOMMU guards it */
};

#define SKINK_DOMCTL_pci_function	0x534b0004u	/* struct skink_domctl_pci_function; the domain that is named does not matter */

#define SKINK_PCI_ASSIGNABLE	1u	/* no bridge, and firmware has given it its memory */
#define SKINK_PCI_PROTECTED	2u	/* its owner has a pool, and an IOMMU lets it reach nothing else */
#define SKINK_PCI_HAS_RESET	4u	/* function level reset: it begins anew for each owner */
#define SKINK_PCI_BARS		6

/*
 * The PCI functions of the machine, one after the other. -ENOENT: there is none with this index or a higher one.
 * XEN_DOMCTL_assign_device, deassign_device and test_assign_device do what Xen's do; flags must be 0. assign: -ENODEV: no such
 * function, or not assignable; -EBUSY: it is somebody's, or its last owner is not yet gone. deassign: -ENODEV: it is not
 * this domain's; -EBUSY: the domain still maps its memory or has its interrupts.
 */
struct skink_domctl_pci_function {
	uint32_t index;			/* in: from 0 on */
	uint32_t sbdf;			/* segment << 16 | bus << 8 | slot << 3 | function */
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code;		/* class << 16 | subclass << 8 | interface */
	uint8_t header_type;		/* bit 7: one of several functions */
	uint8_t revision;
	uint16_t owner;			/* DOMID_INVALID: nobody */
	uint32_t flags;			/* SKINK_PCI_* */
	uint32_t msix_vectors;		/* 0: it has no MSI-X */
	uint32_t faults;		/* what the IOMMU has refused of it, since boot */
	uint32_t storms;		/* how often its interrupts had to be masked for a while */
	uint64_t bar_start[SKINK_PCI_BARS];	/* memory; 0: none */
	uint8_t bar_order[SKINK_PCI_BARS];	/* of 1 << so many bytes */
	uint8_t zero[2];
};

_Static_assert(sizeof(struct skink_domctl_pci_function) <= 128, "the union of struct xen_domctl has 128 bytes");

#define SKINK_DOMCTL_driver	0x534b0005u	/* struct skink_domctl_driver: this domain is a driver domain */
#define SKINK_DOMCTL_reset	0x534b0006u	/* no argument: back to where it said ready */
#define SKINK_DOMCTL_arm	0x534b0007u	/* struct skink_domctl_arm: the core resets it by itself, once */
#define SKINK_DOMCTL_driver_info 0x534b0008u	/* struct skink_domctl_driver_info */
#define SKINK_DOMCTL_renew	0x534b0009u	/* no argument: as it was before it ran, for another image */

#define SKINK_DRIVER_FRAMES_MAX	8192u	/* of a driver domain: 32 MiB */
#define SKINK_DRIVER_CLEAN_MAX	4096u	/* of its clean copy: 16 MiB; a frame of zeroes needs none */
#define SKINK_DRIVER_REGIONS	7
#define SKINK_DRIVER_STACK_WORDS 128u

/*
 * Before the domain runs for the first time, once: which of its frames are not DRIVER_RESTORED, by the numbers that its
 * builder has given them (MMU_MACHPHYS_UPDATE, populate_physmap). It has one vcpu. driver.md, section 6. -EEXIST: it is a
 * driver domain already; -EBUSY: it has run; -EINVAL: more vcpus, or Domain-0, or no such class; -E2BIG: its frames, or
 * clean_max, are too many.
 *
 * Renew: of a driver domain that is paused, ready or not. Its devices are fenced and have no interrupts, its vcpu is down and has no
 * registers and no page tables, and nothing of it is pinned, by whomever: no frame of it is a table any more. Then the grants that it
 * mapped are given back. It keeps its id, its frames with what stands in them, its pool and its devices, and the channels to other
 * domains. Then Dom0 writes, pins, declares it again, and gives the vcpu its first registers. The generation is one more. -ENODEV: no driver domain; -EBUSY: it is not paused, or has
 * registered a vcpu_info; -EIO: its devices could not be attached again.
 */
struct skink_domctl_driver {
	uint32_t region_count;
	uint32_t clean_max;		/* frames that the clean copy may have, of the core's memory */
	struct driver_frames region[SKINK_DRIVER_REGIONS];
};

/*
 * Reset and arm: -ENODEV: no driver domain; -EAGAIN: it has not said ready. Reset, whatever the domain does or has died of, and
 * it is back when the call is; -EINVAL: the caller's own; -EIO: its devices could not be attached again, it is as if it had
 * crashed. Arm: spent when the domain dies; -EBUSY: it is dead.
 */
struct skink_domctl_arm {
	uint32_t set;			/* in: 1 arms, 0 disarms */
};

enum skink_driver_state {
	SKINK_DRIVER_STARTING,		/* it has not said ready: what it dies of is VIRQ_DOM_EXC's news */
	SKINK_DRIVER_SERVING,
	SKINK_DRIVER_DEAD,		/* after ready; waits for a reset, or its end */
	SKINK_DRIVER_RESETTING,
};

enum skink_driver_cause { SKINK_CAUSE_NONE, SKINK_CAUSE_CRASH, SKINK_CAUSE_SHUTDOWN, SKINK_CAUSE_RESET };

/*
 * VIRQ_ARCH_7 tells Domain-0 that something of this has changed, in any driver domain: ready, death, the end of a reset. Times
 * are the core's (system time); those of a reset are 0 while it has not come that far.
 */
struct skink_driver_info {
	uint32_t state;			/* enum skink_driver_state */
	uint32_t generation;		/* resets and renewals so far */
	uint32_t cause;			/* of the last death: enum skink_driver_cause */
	uint32_t is_armed;
	uint64_t report_ns;		/* the last death, or call of reset, */
	uint64_t begin_ns;		/* the core began the reset: armed at once, else when it was asked to */
	uint64_t fence_ns, copy_ns, resume_ns;	/* devices fenced, memory as it was, the driver runs again */
	uint32_t frames_restored;	/* frames of this class */
	uint32_t frames_clean;		/* memory that the clean copy has */
	uint32_t frames_copied;		/* by the last reset, as the next two */
	uint32_t entries_undone;	/* of page tables */
	uint32_t grants_released;
	uint32_t stack_words;		/* of stack[]: fewer where the stack is not mapped further */
	/* Of its vcpu when it died. */
	uint64_t rip, cs, rflags, rsp, ss, cr2;
	uint64_t general[15];		/* r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi */
	char text[160];			/* what it died of */
	uint64_t stack[SKINK_DRIVER_STACK_WORDS];	/* from rsp on, when it died: its own word, and gone from its memory after a reset */
};

/* -EFAULT: it cannot be written there; `bytes`: the room, and what was written. */
struct skink_domctl_driver_info {
	uint64_t address;		/* of a struct skink_driver_info, the caller's virtual address */
	uint64_t bytes;
};

_Static_assert(sizeof(struct skink_domctl_driver) <= 128, "the union of struct xen_domctl has 128 bytes");
_Static_assert(sizeof(struct skink_driver_info) == 408 + 8 * SKINK_DRIVER_STACK_WORDS, "as skinkd reads it");
