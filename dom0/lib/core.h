/* SPDX-License-Identifier: MIT */
/*
 * What Dom0 asks of the core: domctl, sysctl, memory_op, mmuext_op, event_channel_op, through libxencall, and the memory
 * of other domains through libxenforeignmemory. Nothing is decided here and nothing is said: each function does one
 * operation and answers 0 (or a count) or -errno, which is the core's own error.
 * C1  A `struct core` is used by one thread at a time: each worker opens its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xencall.h>
#include <xenforeignmemory.h>
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/sysctl.h>

#include "../../protocols/control.h"

#define FRAME_SHIFT	12
#define FRAME_BYTES	(1UL << FRAME_SHIFT)

struct core {
	xencall_handle *call;
	xenforeignmemory_handle *memory;
};

int core_open(struct core *core);
void core_close(struct core *core);

/* Domains. A new one is paused; *id is the core's choice. */
int core_domain_create(struct core *core, const uint8_t uuid[16], uint32_t vcpus, domid_t *id);
int core_domain_destroy(struct core *core, domid_t id);
int core_domain_pause(struct core *core, domid_t id);
int core_domain_unpause(struct core *core, domid_t id);
/* The domain itself: -ESRCH if it is not there (the core alone would tell of the next one). */
int core_domain_info(struct core *core, domid_t id, struct xen_domctl_getdomaininfo *info);
/* From `first` upwards, at most `room`: how many there are in info[]. */
int core_domain_list(struct core *core, domid_t first, struct xen_domctl_getdomaininfo *info, uint32_t room);
int core_memory_limit_set(struct core *core, domid_t id, uint64_t kib);
/* Its wall clock is so far from UTC. */
int core_time_offset_set(struct core *core, domid_t id, int64_t seconds);

/* Vcpus. */
int core_vcpu_context_set(struct core *core, domid_t id, uint32_t vcpu, const vcpu_guest_context_t *context);
int core_vcpu_context_get(struct core *core, domid_t id, uint32_t vcpu, vcpu_guest_context_t *context);
int core_vcpu_info(struct core *core, domid_t id, uint32_t vcpu, struct xen_domctl_getvcpuinfo *info);
/* Bit n of *cpus: CPU n of the machine. */
int core_vcpu_affinity_set(struct core *core, domid_t id, uint32_t vcpu, uint64_t cpus);
int core_vcpu_affinity_get(struct core *core, domid_t id, uint32_t vcpu, uint64_t *cpus);

/* Scheduling and counts: protocols/control.h. */
int core_sched(struct core *core, domid_t id, struct skink_domctl_sched *sched);
int core_account(struct core *core, domid_t id, struct skink_domctl_account *account);

/* Devices: protocols/control.h. A function is segment << 16 | bus << 8 | slot << 3 | function. */
int core_dma_pool(struct core *core, domid_t id, struct skink_domctl_dma_pool *pool);
/* function->index: from 0 on; -ENOENT: there are no more. */
int core_pci_function(struct core *core, struct skink_domctl_pci_function *function);
int core_device_assign(struct core *core, domid_t id, uint32_t function);

/* What the core knows of a driver domain: -ENODEV: it is none. */
int core_driver_info(struct core *core, domid_t id, struct skink_driver_info *info);

/* A driver domain, before it runs: protocols/control.h. What is asked of it later goes by lib/line.h. */
int core_driver(struct core *core, domid_t id, struct skink_domctl_driver *driver);

/* As it was before it ran, for another image: nothing is pinned, and its tables are none any more. */
int core_renew(struct core *core, domid_t id);
/* What the guest will find as the numbers of `count` of its frames. */
int core_renumber(struct core *core, domid_t id, const struct mmu_update *update, uint32_t count);

/* Memory. mfn[] gets the machine frames of the guest's frames first .. first + count - 1; all of them or -ENOMEM. */
int core_populate(struct core *core, domid_t id, uint64_t first, uint64_t count, xen_pfn_t *mfn);
/* The same in one piece of 2^order frames of the machine. */
int core_populate_block(struct core *core, domid_t id, uint64_t first, unsigned int order, xen_pfn_t *mfn);
/* Makes the frame a page table of the highest level for good: the core checks all that hangs on it. */
int core_pin_root(struct core *core, domid_t id, xen_pfn_t mfn);
/* NULL and errno if one of the frames cannot be mapped. */
void *core_map(struct core *core, domid_t id, int protection, const xen_pfn_t *mfn, size_t count);
void core_unmap(struct core *core, void *at, size_t count);

/* A channel of domain `id` that waits for Dom0: its port, or -errno. */
int core_port_for_dom0(struct core *core, domid_t id);
/* What a port of domain `id` is bound to; and an event through one of Dom0's own. */
int core_port_status(struct core *core, domid_t id, uint32_t port, struct evtchn_status *status);
int core_port_send(struct core *core, uint32_t port);

/* The machine. */
int core_machine(struct core *core, struct xen_sysctl_physinfo *info);
/* The core's log from its beginning: bytes copied to text, not more than room; no NUL. */
int core_log(struct core *core, char *text, uint32_t room);
/* The version that the core says it is: "4.17.0-skink". */
int core_version(struct core *core, char *text, size_t room);
