/* SPDX-License-Identifier: MIT */
/* Types that carry a rule: a frame of the machine is not a frame of a guest. */
#pragma once

#define PAGE_SHIFT	12
#define PAGE_SIZE	4096UL
#define PAGE_MASK	(~(PAGE_SIZE - 1))

#define MAX_CPUS	64		/* one word holds a set of CPUs */
#define MAX_VCPUS	32		/* a domain's vcpus: as many as shared_info has room for */
#define MAX_DOMAINS	4096		/* domain ids are below this */

typedef struct { uint64_t raw; } mfn_t;		/* a frame of the machine */
typedef struct { uint64_t raw; } gfn_t;		/* the same frame, as its guest counts it */
typedef uint64_t paddr_t;			/* a physical address of the machine, in bytes */
typedef uint64_t cpumask_t;			/* bit n: CPU n */
typedef uint32_t port_t;			/* an event channel, as its domain counts it */

#define MFN_NONE	((mfn_t){ UINT64_MAX })
#define GFN_NONE	((gfn_t){ UINT64_MAX })

static inline mfn_t mfn(uint64_t raw) { return (mfn_t){ raw }; }
static inline gfn_t gfn(uint64_t raw) { return (gfn_t){ raw }; }
static inline mfn_t paddr_to_mfn(paddr_t address) { return (mfn_t){ address >> PAGE_SHIFT }; }
static inline paddr_t mfn_to_paddr(mfn_t frame) { return frame.raw << PAGE_SHIFT; }
static inline bool mfn_is(mfn_t frame, mfn_t other) { return frame.raw == other.raw; }

struct cpu;
struct domain;
struct frame;
struct vcpu;

#define NSEC_PER_SEC	1000000000ULL
#define NSEC_PER_MSEC	1000000ULL
#define NSEC_PER_USEC	1000ULL
