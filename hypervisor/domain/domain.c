/* SPDX-License-Identifier: MIT */
/*
 * The life of a domain, from domain_create() to the last domain_put().
 *
 * D1  A domain that somebody holds a reference to is not freed. The table of ids holds one itself, until the domain is
 *     taken apart and nobody maps a frame of it.
 * D2  A dying domain gets no new frame, channel or grant mapping.
 */

#include <xen/sched.h>

#include "boot/power.h"
#include "cpu/traps.h"
#include "event/event.h"
#include "grant/grant.h"
#include "pci/pci.h"
#include "reset/reset.h"

struct domain *domain_zero;
struct domain domain_idle = { .id = DOMID_IDLE, .references = 1, .page_list = FRAME_LINK_NONE };

/* A leaf: nothing is locked under it. */
static struct spinlock table_lock;
static struct domain *table[MAX_DOMAINS];
static uint32_t table_end;		/* no domain has had this id or a higher one */

struct domain *domain_find(domid_t id) { return id < MAX_DOMAINS ? load_acquire(&table[id]) : NULL; }

static struct domain *get(domid_t id, bool may_be_dying)
{
	struct domain *domain;

	spin_lock(&table_lock);
	domain = domain_find(id);
	if (domain && read_once(&domain->is_dying) && !may_be_dying)
		domain = NULL;
	if (domain)
		__atomic_fetch_add(&domain->references, 1, __ATOMIC_RELAXED);
	spin_unlock(&table_lock);
	return domain;
}

struct domain *domain_get(domid_t id)
{
	struct domain *own = current_vcpu()->domain;

	if (id != DOMID_SELF)
		return get(id, false);
	if (read_once(&own->is_dying))
		return NULL;
	__atomic_fetch_add(&own->references, 1, __ATOMIC_RELAXED);	/* no lock: who runs keeps it */
	return own;
}

struct domain *domain_get_from(uint32_t id)
{
	struct domain *domain = NULL;

	for (; !domain && id < read_once(&table_end); id++)
		if (domain_find((domid_t)id))
			domain = get((domid_t)id, true);
	return domain;
}

/* Also what a domain_create() that failed leaves behind: any part may be missing. */
static NOINLINE void domain_free(struct domain *domain)
{
	for (uint32_t i = 0; i < domain->vcpu_max; i++)
		if (domain->vcpu[i])
			vcpu_free(domain->vcpu[i]);
	if (domain->events[0])
		event_domain_free(domain);
	if (domain->grants)
		grant_domain_free(domain);
	if (domain->sched)
		sched_domain_destroy(domain);
	reset_free(domain);
	ASSERT(!domain->shared_info || frame_unshare(domain->shared_info), "D1");
	heap_free(domain->shared_info);
	heap_free(domain);
}

void domain_put_many(struct domain *domain, uint32_t count)
{
	uint32_t had = __atomic_fetch_sub(&domain->references, count, __ATOMIC_ACQ_REL);

	ASSERT(had >= count, "D1");
	if (had == count)
		domain_free(domain);
}

NOINLINE int domain_get_managed(domid_t id, struct domain **domain)
{
	*domain = domain_get(id);
	if (!*domain)
		return -ESRCH;
	if (domain_may_manage(current_vcpu()->domain, *domain))
		return 0;
	domain_put(*domain);
	return -EPERM;
}

/* ---- creation ---- */

static int domain_build(struct domain *domain)
{
	int error;

	domain->shared_info = heap_alloc(PAGE_SIZE);
	if (!domain->shared_info)
		return -ENOMEM;
	frame_share(domain->shared_info, domain);
	time_init_domain(domain);
	error = sched_domain_init(domain);
	for (uint32_t i = 0; !error && i < domain->vcpu_max; i++)
		error = vcpu_create(domain, i);
	if (!error)
		error = event_domain_init(domain);
	if (!error)
		error = grant_domain_init(domain);
	return error;
}

int domain_create(domid_t id, uint32_t vcpu_max, bool is_privileged, struct domain **result)
{
	struct domain *domain;
	int error;

	if (id >= MAX_DOMAINS || vcpu_max == 0 || vcpu_max > MAX_VCPUS)
		return -EINVAL;
	if (read_once(&table[id]))		/* before anything is its */
		return -EEXIST;
	domain = heap_alloc(sizeof(*domain));
	if (!domain)
		return -ENOMEM;

	domain->id = id;
	domain->is_privileged = is_privileged;
	domain->vcpu_max = vcpu_max;
	domain->references = 1;
	domain->pause_count = 1;	/* until the builder has finished */
	domain->shutdown_reason = SHUTDOWN_NONE;
	domain->page_list = FRAME_LINK_NONE;
	write_once(&table_end, MAX(table_end, id + 1U));
	error = domain_build(domain);
	if (error) {
		domain_free(domain);
		return error;
	}
	store_release(&table[id], domain);
	if (id == 0)
		domain_zero = domain;
	*result = domain;
	return 0;
}

/* ---- pausing and the end ---- */

static void update_all(struct domain *domain)
{
	for (uint32_t i = 0; i < domain->vcpu_max; i++)
		sched_vcpu_update(domain->vcpu[i]);
}

void domain_pause(struct domain *domain)
{
	struct vcpu *self = current_vcpu();

	__atomic_fetch_add(&domain->pause_count, 1, __ATOMIC_SEQ_CST);
	update_all(domain);
	for (uint32_t i = 0; i < domain->vcpu_max; i++)
		if (domain->vcpu[i] != self)
			sched_vcpu_wait_until_off(domain->vcpu[i]);
}

void domain_unpause(struct domain *domain)
{
	uint32_t before = __atomic_fetch_sub(&domain->pause_count, 1, __ATOMIC_SEQ_CST);

	ASSERT(before > 0, "D1: unpaused more often than paused");
	if (before == 1)
		update_all(domain);
}

/* True for the first caller. */
static bool shut_down_once(struct domain *domain, uint8_t reason)
{
	uint16_t none = SHUTDOWN_NONE;

	if (!compare_and_swap(&domain->shutdown_reason, &none, reason))
		return false;
	store_release(&domain->is_shut_down, true);
	return true;
}

static void tell_domain_zero(void)
{
	if (domain_zero)
		event_send_vcpu_virq(domain_zero->vcpu[0], VIRQ_DOM_EXC);
}

static void shutdown_tell(struct domain *domain, uint8_t reason)
{
	if (domain == domain_zero)
		power_domain_zero_ended(reason);
	update_all(domain);
	/* VIRQ_DOM_EXC is xenstored's, who would tell everybody that the domain is gone. */
	if (!domain->is_frozen)
		tell_domain_zero();
	if (domain->reset)
		reset_tell_host();
}

void domain_shutdown(struct domain *domain, uint8_t reason)
{
	bool is_death = reason == SHUTDOWN_crash || reason == SHUTDOWN_watchdog;
	char text[32];

	(void)format_string(text, sizeof(text), "it was shut down, reason %u", reason);
	if (is_death && reset_begins(domain, SKINK_CAUSE_SHUTDOWN, text))
		return;
	if (shut_down_once(domain, reason)) {
		reset_note_death(domain, SKINK_CAUSE_SHUTDOWN, text);
		shutdown_tell(domain, reason);
	}
}

int domain_resume(struct domain *domain)
{
	if (!load_acquire(&domain->is_shut_down) || read_once(&domain->shutdown_reason) == SHUTDOWN_crash || domain->is_frozen)
		return -EINVAL;
	write_once(&domain->is_shut_down, false);
	store_release(&domain->shutdown_reason, SHUTDOWN_NONE);
	update_all(domain);
	return 0;
}

void domain_crash(struct domain *domain, const char *format, ...)
{
	char reason[160];
	va_list arguments;

	va_start(arguments, format);
	format_string_list(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	if (reset_begins(domain, SKINK_CAUSE_CRASH, reason) || !shut_down_once(domain, SHUTDOWN_crash))
		return;
	reset_note_death(domain, SKINK_CAUSE_CRASH, reason);

	log_error("domain %u crashed: %s\n", domain->id, reason);
	if (current_vcpu()->domain == domain)
		trap_show_guest(current_vcpu());
	shutdown_tell(domain, SHUTDOWN_crash);
}

/* ---- destruction ---- */

/* Nothing of it runs from here on. */
static void domain_kill(struct domain *domain)
{
	domain_pause(domain);
	spin_lock(&domain->grant_lock);
	spin_lock(&domain->lock);
	spin_lock(&domain->event_lock);
	spin_lock(&domain->page_list_lock);
	write_once(&domain->is_dying, true);
	spin_unlock(&domain->page_list_lock);
	spin_unlock(&domain->event_lock);
	spin_unlock(&domain->lock);
	spin_unlock(&domain->grant_lock);
	for (uint32_t i = 0; i < domain->vcpu_max; i++)
		vcpu_stop(domain->vcpu[i]);
}

/* Domains are destroyed one at a time; before all other locks. */
static struct spinlock destroy_lock;

/* If nobody maps a frame of it any more the id is free again, and the table's own reference goes. */
static void end_if_dead(struct domain *domain)
{
	if (!domain->is_taken_apart || read_once(&domain->frame_count) || !grant_domain_unshare(domain) ||
	    !frame_unshare(domain->shared_info))
		return;
	/* Whoever has counted its last frame away may hold this still. */
	spin_lock(&domain->page_list_lock);
	spin_unlock(&domain->page_list_lock);
	spin_lock(&table_lock);
	write_once(&table[domain->id], NULL);
	spin_unlock(&table_lock);
	domain_put(domain);
	tell_domain_zero();
}

/* What went has kept it: by now it is in the table, or nowhere. */
NOINLINE void domain_may_end(domid_t id)
{
	const struct domain *domain;

	spin_lock(&table_lock);
	domain = domain_find(id);
	if (domain && read_once(&domain->is_dying) && !read_once(&domain->frame_count))
		cpu_raise_softirq(this_cpu(), SOFTIRQ_DOMAIN);
	spin_unlock(&table_lock);
}

void domain_end_dead(void)
{
	spin_lock(&destroy_lock);
	for (domid_t id = 0; id < read_once(&table_end); id++)
		if (domain_find(id))
			end_if_dead(domain_find(id));
	spin_unlock(&destroy_lock);
}

/* Each part starts again where it stopped, and has nothing to do once it has said 0. */
static int destroy_step(struct domain *domain)
{
	int error;

	if (domain->is_taken_apart)
		return 0;
	/* First nothing can write to its frames any more (D3). */
	pci_domain_stop(domain);
	error = dma_pool_release(domain);
	if (!error)
		error = reset_release(domain);
	if (!error)
		error = event_close_all(domain);
	for (uint32_t i = 0; !error && i < domain->vcpu_max; i++)
		vcpu_release_info(domain->vcpu[i]);
	/* Lenders get their frames back when nobody maps them: they may be tables then. */
	if (!error)
		error = mmu_domain_destroy(domain);
	if (!error)
		error = grant_release_all(domain, &(uint32_t){ 0 });
	if (error)
		return error;
	pci_domain_release(domain);
	domain->is_taken_apart = true;
	tell_domain_zero();
	end_if_dead(domain);
	return 0;
}

int domain_destroy(struct domain *domain)
{
	int error;

	if (domain == domain_zero || domain == current_vcpu()->domain)
		return -EINVAL;
	/* Not under the lock: one of its vcpus may be about to leave its CPU, and wait for it in domain_end_dead(). */
	if (!read_once(&domain->is_dying))
		domain_kill(domain);
	spin_lock(&destroy_lock);
	error = destroy_step(domain);
	spin_unlock(&destroy_lock);
	return error;
}
