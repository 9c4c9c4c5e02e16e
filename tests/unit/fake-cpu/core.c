/* SPDX-License-Identifier: MIT */
/*
 * Stand-ins for the core's own parts that a test does not link. All weak: the real source wins. They count
 * calls in `fake`, and do the least that their header promises.
 */
#include "fake.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "domain/hypercall.h"
#include "event/event.h"
#include "include/errno.h"
#include "iommu/iommu.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mem/alloc.h"
#include "mem/frame.h"
#include "pci/pci.h"
#include "reset/reset.h"
#include "sched/sched.h"
#include "sched/timer.h"

#define WEAK __attribute__((weak))

/* ---- lib ---- */

WEAK void log_print_list(enum log_level level, const char *format, va_list arguments)
{
	size_t room = sizeof(fake.log) - fake.log_length;
	int length = vsnprintf(fake.log + fake.log_length, room, format, arguments);

	if (length > 0)
		fake.log_length += MIN((size_t)length, room - 1);
}

WEAK void log_print(enum log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_print_list(level, format, arguments);
	va_end(arguments);
}

WEAK void log_guest(uint16_t domain, const char *text, size_t count)
{
	log_print(LOG_WARNING, "%.*s\n", (int)count, text);
}

WEAK void log_set_level(enum log_level level) { }
WEAK uint32_t log_first(void) { return 0; }
WEAK void log_forget(void) { fake.log_length = 0; }

WEAK uint32_t log_read(uint32_t *place, char *to, uint32_t room)
{
	uint32_t count = MIN(room, (uint32_t)fake.log_length - MIN(*place, (uint32_t)fake.log_length));

	memcpy(to, fake.log + *place, count);
	*place += count;
	return count;
}

WEAK void log_write_raw(const char *bytes, size_t count)
{
	log_print(LOG_INFO, "%.*s", (int)count, bytes);
}

WEAK size_t format_string_list(char *to, size_t room, const char *format, va_list arguments)
{
	return (size_t)vsnprintf(to, room, format, arguments);
}

WEAK size_t format_string(char *to, size_t room, const char *format, ...)
{
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = format_string_list(to, room, format, arguments);
	va_end(arguments);
	return length;
}

WEAK size_t string_copy(char *to, const char *from, size_t room)
{
	return (size_t)snprintf(to, room, "%s", from);
}

/* ---- mem ---- */

WEAK void *heap_alloc(size_t bytes)
{
	size_t alignment = bytes >= PAGE_SIZE ? PAGE_SIZE : 16;
	bool fails = fake.heap_fail_call && --fake.heap_fail_call == 0;
	void *memory = fails ? NULL : aligned_alloc(alignment, ROUND_UP(bytes, alignment));

	return memory ? memset(memory, 0, bytes) : NULL;
}

WEAK void heap_free(void *memory) { free(memory); }
WEAK void frame_share(void *page, struct domain *domain) { }
WEAK bool frame_unshare(void *page) { return true; }
WEAK void m2p_set(mfn_t frame, gfn_t guest) { }
WEAK gfn_t m2p_get(mfn_t frame) { return GFN_NONE; }

/* ---- domain ---- */

WEAK struct domain *domain_zero;
WEAK void domain_may_end(domid_t id) { }

WEAK struct domain *domain_get(domid_t id)
{
	struct domain *domain = id == DOMID_SELF ? current_vcpu()->domain : fake_domain_find(id);

	if (!domain || read_once(&domain->is_dying))
		return NULL;
	__atomic_fetch_add(&domain->references, 1, __ATOMIC_SEQ_CST);
	return domain;
}

WEAK int domain_get_managed(domid_t id, struct domain **domain)
{
	*domain = domain_get(id);
	if (!*domain)
		return -ESRCH;
	if (domain_may_manage(current_vcpu()->domain, *domain))
		return 0;
	domain_put(*domain);
	return -EPERM;
}

WEAK void domain_put_many(struct domain *domain, uint32_t count)
{
	ASSERT(__atomic_fetch_sub(&domain->references, count, __ATOMIC_SEQ_CST) > count, "D1");
}

WEAK void domain_crash(struct domain *domain, const char *format, ...)
{
	fake.crashes++;
	fake.crashed = domain;
}

WEAK void domain_shutdown(struct domain *domain, uint8_t reason)
{
	fake.shutdowns++;
	domain->shutdown_reason = reason;
	domain->is_shut_down = true;
}

WEAK void domain_pause(struct domain *domain) { domain->pause_count++; }
WEAK void domain_unpause(struct domain *domain) { domain->pause_count--; }

WEAK void vcpu_add_work(struct vcpu *vcpu, enum vcpu_work work)
{
	__atomic_fetch_or(&vcpu->work, work, __ATOMIC_SEQ_CST);
}

WEAK long hypercall_continue(uint32_t number, uint32_t count, ...)
{
	va_list arguments;

	fake.continued_number = number;
	fake.continued_count = count;
	va_start(arguments, count);
	for (uint32_t i = 0; i < count && i < 6; i++)
		fake.continued[i] = va_arg(arguments, uint64_t);
	va_end(arguments);
	return -ERESTART;
}

/* ---- sched ---- */

WEAK void sched_vcpu_kick(struct vcpu *vcpu)
{
	__atomic_fetch_add(&fake.kicks, 1, __ATOMIC_RELAXED);
	fake.kicked = vcpu;
}

WEAK void sched_vcpu_update(struct vcpu *vcpu) { }
WEAK void sched_vcpu_hurry(struct vcpu *vcpu, uint32_t borrows_us) { }
WEAK void sched_vcpu_wait_until_off(struct vcpu *vcpu) { }
WEAK void sched_block_current(void) { current_vcpu()->sched.is_blocked = true; }
WEAK void sched_unblock_current(void) { current_vcpu()->sched.is_blocked = false; }
WEAK void sched_yield_current(void) { }
WEAK void account_check_limit(struct domain *domain, enum account_kind kind) { }
WEAK void timer_stop(struct timer *timer) { timer->deadline_ns = UINT64_MAX; }

WEAK void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	timer->deadline_ns = deadline_ns;
}

WEAK void timer_init(struct timer *timer, void (*handler)(void *data), void *data)
{
	*timer = (struct timer){ .handler = handler, .data = data, .deadline_ns = UINT64_MAX };
}

/* ---- iommu ---- */

WEAK bool iommu_is_there(void) { return false; }
WEAK int iommu_pool_map(struct domain *domain, mfn_t first, uint64_t count) { return 0; }
WEAK void iommu_pool_unmap(struct domain *domain) { }
WEAK int iommu_device_attach(uint32_t sbdf, struct domain *domain) { return 0; }
WEAK void iommu_device_detach(uint32_t sbdf) { }
WEAK int iommu_msi_map(uint32_t sbdf, uint32_t vector, uint64_t *address, uint32_t *data) { return 0; }
WEAK void iommu_msi_unmap(uint32_t sbdf, uint32_t vector) { }
WEAK bool iommu_ioapic_entry(uint32_t ioapic_id, uint32_t vector, uint32_t *high) { return true; }
WEAK void iommu_faults_read(void) { }

WEAK int dma_pool_declare(struct domain *domain, struct skink_domctl_dma_pool *wanted) { return -EOPNOTSUPP; }
WEAK int dma_pool_release(struct domain *domain) { return 0; }

/* ---- reset: nobody is a driver domain ---- */

WEAK void frame_note_change(struct frame *frame) { }
WEAK int frame_may_write(struct frame *frame) { return 0; }
WEAK int reset_declare(struct domain *domain, const struct skink_domctl_driver *wanted) { return -EOPNOTSUPP; }
WEAK int reset_by_host(struct domain *domain) { return -ENODEV; }
WEAK int reset_renew(struct domain *domain) { return -ENODEV; }
WEAK int reset_arm(struct domain *domain, bool is_on) { return -ENODEV; }
WEAK int reset_tell(struct domain *domain, const struct skink_domctl_driver_info *wanted) { return -ENODEV; }
WEAK bool reset_begins(struct domain *domain, enum skink_driver_cause cause, const char *text) { return false; }
WEAK void reset_note_death(struct domain *domain, enum skink_driver_cause cause, const char *text) { }
WEAK void reset_tell_host(void) { }
WEAK int reset_release(struct domain *domain) { return 0; }
WEAK void reset_free(struct domain *domain) { }
WEAK long do_driver_op(uint64_t argument) { return -ENOSYS; }
WEAK void sched_vcpu_forget(struct vcpu *vcpu) { }
WEAK void event_keep_all(struct domain *domain, bool is_first) { }
WEAK void event_close_own(struct domain *domain) { }
WEAK void event_forget(struct domain *domain, const uint64_t *masked) { }

/* ---- pci: a machine without any ---- */

WEAK int pci_test_assign(uint32_t sbdf) { return -ENODEV; }
WEAK int pci_assign(struct domain *domain, uint32_t sbdf) { return -ENODEV; }
WEAK int pci_deassign(struct domain *domain, uint32_t sbdf) { return -ENODEV; }
WEAK int pci_describe(struct skink_domctl_pci_function *wanted) { return -ENOENT; }
WEAK int pci_pool_is_there(struct domain *domain) { return 0; }
WEAK void pci_domain_fence(struct domain *domain) { }
WEAK void pci_domain_stop(struct domain *domain) { }
WEAK void pci_domain_release(struct domain *domain) { }
WEAK bool pci_port(struct domain *domain, uint16_t port, uint32_t bytes, bool is_out, uint32_t *value) { return false; }
WEAK int pci_page_get(const struct domain *domain, mfn_t page) { return -EINVAL; }
WEAK void pci_page_put(mfn_t page) { }
WEAK void pci_msi_arrived(uint32_t pirq) { }

WEAK int pci_msi_map(struct domain *domain, uint32_t sbdf, uint32_t entry, bool is_msix, uint32_t *pirq)
{
	return -ENODEV;
}

WEAK int pci_msi_unmap(struct domain *domain, uint32_t pirq) { return -EINVAL; }

/* ---- event ---- */

WEAK void event_send_vcpu_virq(struct vcpu *vcpu, uint32_t virq) { }
WEAK bool event_is_pending(struct domain *domain, port_t port) { return false; }
WEAK bool event_port_is_valid(struct domain *domain, port_t port) { return true; }
WEAK void event_info_moved(struct vcpu *vcpu) { }

WEAK void event_upcall(struct vcpu *vcpu)
{
	vcpu->info->evtchn_upcall_pending = 1;
	sched_vcpu_kick(vcpu);
}
