/* SPDX-License-Identifier: MIT */
/*
 * A driver domain becomes what it was before its first instruction, so that Dom0 can load another image into it (reset/reset.h). As at
 * its end, in the same order; but it keeps its frames, its devices, and the channels to others.
 */
#include "reset/reset.h"

#include "event/event.h"
#include "grant/grant.h"
#include "mem/base.h"
#include "pci/pci.h"

static int may_renew(const struct domain *domain)
{
	if (!domain->reset || domain == domain_zero)
		return -ENODEV;
	/* Others may be about to write to a vcpu_info of the domain's own: its page could not become a table. */
	return !read_once(&domain->pause_count) || domain->vcpu[0]->info_frame.raw ? -EBUSY : 0;
}

/* It cannot be brought up again but with new registers. */
static void vcpu_renew(struct vcpu *vcpu)
{
	struct reset *reset = vcpu->domain->reset;

	vcpu_stop(vcpu);
	sched_vcpu_kick(vcpu);			/* it may have slept; the next one is awake */
	__atomic_store_n(&vcpu->work, 0, __ATOMIC_SEQ_CST);
	reset->is_unpinned &= !vcpu->is_initialised;
	vcpu->is_initialised = false;
	memset(&vcpu->trap, 0, sizeof(vcpu->trap));
}

static void state_renew(struct domain *domain)
{
	struct reset *reset = domain->reset;

	memset(reset->events_masked, 0xff, sizeof(reset->events_masked));
	event_forget(domain, reset->events_masked);
	reset->clean_max = 0;
	reset->is_declared = reset->is_asked = reset->is_unpinned = false;
	reset->phase = RESET_FENCE;
	reset->info = (struct skink_driver_info){ .generation = reset->info.generation + 1, .report_ns = reset->info.report_ns };
	write_once(&domain->is_shut_down, false);
	store_release(&domain->shutdown_reason, SHUTDOWN_NONE);
}

int reset_renew(struct domain *domain)
{
	struct reset *reset = domain->reset;
	int error = may_renew(domain);

	if (error)
		return error;
	write_once(&reset->is_armed, false);
	if (__atomic_exchange_n(&reset->state, SKINK_DRIVER_STARTING, __ATOMIC_SEQ_CST) != SKINK_DRIVER_STARTING)
		reset->info.report_ns = time_now_ns();
	pci_domain_fence(domain);		/* R1 */
	vcpu_renew(domain->vcpu[0]);
	/* First what resets knew of its tables: one that was given up is another's frame when it is none any more. */
	if (reset_release(domain) || (!reset->is_unpinned && mmu_domain_unpin(domain, &reset->unpin_next)))
		return -ERESTART;
	reset->is_unpinned = true;
	/* Lenders get their frames back when nobody maps them: they may be tables then. */
	if (grant_release_all(domain, &(uint32_t){ 0 }))
		return -ERESTART;
	event_close_own(domain);
	pci_domain_renew(domain);
	write_once(&domain->is_frozen, false);
	state_renew(domain);
	return pci_pool_is_there(domain) ? -EIO : 0;
}
