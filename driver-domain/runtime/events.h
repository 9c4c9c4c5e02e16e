/* SPDX-License-Identifier: MIT */
/* Event channels, 2-level: one handler for each port, called with upcalls masked. */
#ifndef RUNTIME_EVENTS_H
#define RUNTIME_EVENTS_H

#include "runtime/traps.h"
#include "runtime/xen.h"

typedef void event_handler(evtchn_port_t port);

void event_init(void);
bool event_is_due(void);                /* event_take() has something to do */
bool event_upcall(struct trap_frame *frame);
void event_take(void);                  /* with upcalls masked: runs the handlers of what is pending */

/* NULL: the port is only cleared. Does not unmask. */
void event_set_handler(evtchn_port_t port, event_handler *handler);

/* Each returns 0 or the hypervisor's error. */
int event_alloc(domid_t remote, evtchn_port_t *port);
int event_bind_interdomain(domid_t remote, evtchn_port_t remote_port, evtchn_port_t *port);
int event_bind_virq(uint32_t virq, uint32_t vcpu, evtchn_port_t *port);
int event_bind_ipi(uint32_t vcpu, evtchn_port_t *port);
int event_bind_vcpu(evtchn_port_t port, uint32_t vcpu);
int event_status(evtchn_port_t port, struct evtchn_status *status);
int event_send(evtchn_port_t port);
int event_close(evtchn_port_t port);
int event_unmask(evtchn_port_t port);
int event_poll(evtchn_port_t *ports, unsigned int count, uint64_t timeout);

void event_mask(evtchn_port_t port);
bool event_is_masked(evtchn_port_t port);
bool event_is_pending(evtchn_port_t port);
void event_clear(evtchn_port_t port);

/* The upcall mask of this vcpu. Unmasking runs what is waiting. */
void event_mask_upcalls(void);
void event_unmask_upcalls(void);
/* Waits for an upcall: returns after at least one was handled. Call with upcalls masked or not. */
void event_block(void);
/* Whoever waits for this CPU runs first: for some 50 us, or until it sleeps. */
void event_yield(void);

#endif
