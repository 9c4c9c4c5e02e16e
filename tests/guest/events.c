/* SPDX-License-Identifier: MIT */
/* Event channels: each operation and transition, by a domain that is both ends of what it binds. */
#include "tap.h"

#include "runtime/events.h"
#include "runtime/time.h"

#define PATIENCE_NS 20000000000UL	/* a host that is busy may stop the machine for a while */

static unsigned int upcalls;

static void count_upcall(evtchn_port_t port)
{
	(void)port;
	upcalls++;
}

static evtchn_port_t given_unbound(domid_t remote)
{
	evtchn_port_t port = 0;

	check_equal(event_alloc(remote, &port), 0);
	event_set_handler(port, count_upcall);
	return port;
}

static domid_t own_id(void)
{
	evtchn_port_t port = given_unbound(DOMID_SELF);
	struct evtchn_status status;

	event_status(port, &status);
	event_close(port);
	return status.u.unbound.dom;
}

/* Two ends of one channel, both ours, unmasked. */
static void given_loopback(evtchn_port_t *offer, evtchn_port_t *taker)
{
	*offer = given_unbound(DOMID_SELF);
	*taker = 0;
	check_equal(event_bind_interdomain(DOMID_SELF, *offer, taker), 0);
	event_set_handler(*taker, count_upcall);
	event_clear(*taker);
	event_unmask(*offer);
	event_unmask(*taker);
	upcalls = 0;
}

static uint32_t status_of(evtchn_port_t port)
{
	struct evtchn_status status;
	int error = event_status(port, &status);

	return error ? (uint32_t)error : status.status;
}

static void reserved_port_is_never_given(void)
{
	evtchn_port_t port = given_unbound(DOMID_SELF);

	check(port != 0);
	check_equal(event_send(0), -XEN_EINVAL);
	check_equal(event_close(0), -XEN_EINVAL);
	event_close(port);
}

static void ports_out_of_range_are_refused(void)
{
	static const evtchn_port_t ports[] = { 4096, 4097, 131072, 0x7fffffff, 0xffffffff };
	struct evtchn_status status;

	for (unsigned int i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		check_equal(event_send(ports[i]), -XEN_EINVAL);
		check_equal(event_close(ports[i]), -XEN_EINVAL);
		check_equal(event_unmask(ports[i]), -XEN_EINVAL);
		check_equal(event_bind_vcpu(ports[i], 0), ports[i] ? -XEN_EINVAL : 0);
		check_equal(event_status(ports[i], &status), -XEN_EINVAL);
	}
}

static void closed_port_cannot_be_used(void)
{
	evtchn_port_t port = given_unbound(DOMID_SELF), other;

	check_equal(event_close(port), 0);
	check_equal(event_close(port), -XEN_EINVAL);
	check_equal(event_send(port), -XEN_EINVAL);
	check_equal(event_bind_vcpu(port, 0), -XEN_EINVAL);
	check_equal(event_bind_interdomain(DOMID_SELF, port, &other), -XEN_EINVAL);
	check_equal(status_of(port), EVTCHNSTAT_closed);
}

static void unbound_port_swallows_sends(void)
{
	evtchn_port_t port = given_unbound(DOMID_SELF);

	check_equal(status_of(port), EVTCHNSTAT_unbound);
	check_equal(event_send(port), 0);
	check(!event_is_pending(port));
	event_close(port);
}

static void alloc_for_another_domain_needs_it_to_be_there(void)
{
	struct evtchn_alloc_unbound alloc = { .dom = 77, .remote_dom = DOMID_SELF };
	evtchn_port_t port;

	check_equal(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &alloc), -XEN_ESRCH);
	check_equal(event_bind_interdomain(77, 1, &port), -XEN_ESRCH);
}

/* A port that is offered to domain 77 is not for us. */
static void offer_to_another_cannot_be_taken(void)
{
	evtchn_port_t port = given_unbound(77), mine;

	check_equal(event_bind_interdomain(DOMID_SELF, port, &mine), -XEN_EINVAL);
	check_equal(status_of(port), EVTCHNSTAT_unbound);
	event_close(port);
}

static void binding_connects_both_ends(void)
{
	evtchn_port_t offer, taker;
	struct evtchn_status status;

	given_loopback(&offer, &taker);
	check_equal(event_status(offer, &status), 0);
	check_equal(status.status, EVTCHNSTAT_interdomain);
	check_equal(status.u.interdomain.port, taker);
	check_equal(status.u.interdomain.dom, own_id());
	check_equal(event_status(taker, &status), 0);
	check_equal(status.u.interdomain.port, offer);
	event_close(offer);
	event_close(taker);
}

static void binding_sets_the_binders_port_pending(void)
{
	evtchn_port_t offer = given_unbound(DOMID_SELF), taker;

	check_equal(event_bind_interdomain(DOMID_SELF, offer, &taker), 0);
	check(event_is_pending(taker));
	check(!event_is_pending(offer));
	event_clear(taker);
	event_close(offer);
	event_close(taker);
}

static void bound_offer_cannot_be_taken_twice(void)
{
	evtchn_port_t offer, taker, another;

	given_loopback(&offer, &taker);
	check_equal(event_bind_interdomain(DOMID_SELF, offer, &another), -XEN_EINVAL);
	check_equal(event_bind_interdomain(DOMID_SELF, taker, &another), -XEN_EINVAL);
	event_close(offer);
	event_close(taker);
}

static void send_reaches_the_other_end(void)
{
	evtchn_port_t offer, taker;

	given_loopback(&offer, &taker);
	check_equal(event_send(offer), 0);
	check_equal(upcalls, 1);
	check_equal(event_send(taker), 0);
	check_equal(upcalls, 2);
	event_close(offer);
	event_close(taker);
}

static void masked_port_becomes_pending_without_an_upcall(void)
{
	evtchn_port_t offer, taker;

	given_loopback(&offer, &taker);
	event_mask(taker);
	check_equal(event_send(offer), 0);
	check_equal(event_send(offer), 0);
	check_equal(upcalls, 0);
	check(event_is_pending(taker));
	check_equal(event_unmask(taker), 0);
	check_equal(upcalls, 1);
	check(!event_is_pending(taker));
	event_close(offer);
	event_close(taker);
}

static void masked_upcalls_wait_for_the_mask(void)
{
	evtchn_port_t offer, taker;

	given_loopback(&offer, &taker);
	event_mask_upcalls();
	check_equal(event_send(offer), 0);
	check_equal(upcalls, 0);
	check_equal(vcpu_self()->info->evtchn_upcall_pending, 1);
	check(vcpu_self()->info->evtchn_pending_sel >> (taker / 64) & 1);
	event_unmask_upcalls();
	check_equal(upcalls, 1);
	event_close(offer);
	event_close(taker);
}

/* Sent twice before it was looked at: one event. */
static void pending_port_is_pending_once(void)
{
	evtchn_port_t offer, taker;

	given_loopback(&offer, &taker);
	event_mask_upcalls();
	event_send(offer);
	event_send(offer);
	event_unmask_upcalls();
	check_equal(upcalls, 1);
	event_close(offer);
	event_close(taker);
}

static void unmask_of_a_quiet_port_makes_no_upcall(void)
{
	evtchn_port_t offer, taker;

	given_loopback(&offer, &taker);
	event_mask(taker);
	check_equal(event_unmask(taker), 0);
	check_equal(upcalls, 0);
	check(!event_is_masked(taker));
	event_close(offer);
	event_close(taker);
}

/* The other end falls back to unbound, for the same domain, and what is sent to it vanishes. */
static void closing_one_end_leaves_the_other_unbound(void)
{
	evtchn_port_t offer, taker, again;
	struct evtchn_status status;

	given_loopback(&offer, &taker);
	check_equal(event_close(taker), 0);
	check_equal(event_status(offer, &status), 0);
	check_equal(status.status, EVTCHNSTAT_unbound);
	check_equal(status.u.unbound.dom, own_id());
	check_equal(event_send(offer), 0);
	check_equal(upcalls, 0);
	check_equal(event_bind_interdomain(DOMID_SELF, offer, &again), 0);
	check_equal(status_of(offer), EVTCHNSTAT_interdomain);
	event_clear(again);
	event_close(again);
	event_close(offer);
}

static void closing_the_offer_leaves_the_taker_unbound(void)
{
	evtchn_port_t offer, taker;

	given_loopback(&offer, &taker);
	check_equal(event_close(offer), 0);
	check_equal(status_of(offer), EVTCHNSTAT_closed);
	check_equal(status_of(taker), EVTCHNSTAT_unbound);
	event_close(taker);
}

static void closed_port_is_given_again_clean(void)
{
	evtchn_port_t first = given_unbound(DOMID_SELF), second;

	event_close(first);
	second = given_unbound(DOMID_SELF);
	check_equal(second, first);
	check(!event_is_pending(second));
	event_close(second);
}

/* VIRQs */

static void virq_is_bound_once(void)
{
	evtchn_port_t first, second = 0;

	check_equal(event_bind_virq(VIRQ_TIMER, 0, &first), 0);
	check_equal(event_bind_virq(VIRQ_TIMER, 0, &second), -XEN_EEXIST);
	check_equal(status_of(first), EVTCHNSTAT_virq);
	check_equal(event_close(first), 0);
	check_equal(event_bind_virq(VIRQ_TIMER, 0, &second), 0);
	event_close(second);
}

static void virqs_that_are_not_there_are_refused(void)
{
	evtchn_port_t port;

	check_equal(event_bind_virq(NR_VIRQS, 0, &port), -XEN_EINVAL);
	check_equal(event_bind_virq(0xffffffff, 0, &port), -XEN_EINVAL);
	check_equal(event_bind_virq(VIRQ_TIMER, 1000, &port), -XEN_ENOENT);
	check_equal(event_bind_virq(VIRQ_TIMER, 0xffffffff, &port), -XEN_ENOENT);
}

static void global_virq_begins_at_vcpu_0(void)
{
	evtchn_port_t port;

	check(event_bind_virq(VIRQ_DOM_EXC, 1, &port) < 0);
	check_equal(event_bind_virq(VIRQ_CONSOLE, 0, &port), 0);
	event_close(port);
}

static void every_virq_below_24_can_be_bound(void)
{
	evtchn_port_t ports[NR_VIRQS];

	for (uint32_t virq = 0; virq < NR_VIRQS; virq++)
		check_that(event_bind_virq(virq, 0, &ports[virq]) == 0, "virq %u", virq);
	for (uint32_t virq = 0; virq < NR_VIRQS; virq++)
		event_close(ports[virq]);
}

static void sending_to_a_virq_is_refused(void)
{
	evtchn_port_t port;

	check_equal(event_bind_virq(VIRQ_TIMER, 0, &port), 0);
	check_equal(event_send(port), -XEN_EINVAL);
	check(!event_is_pending(port));
	event_close(port);
}

static void timer_virq_arrives(void)
{
	evtchn_port_t port;

	check_equal(event_bind_virq(VIRQ_TIMER, 0, &port), 0);
	event_set_handler(port, count_upcall);
	event_unmask(port);
	upcalls = 0;
	time_set_timer(time_now_ns() + 1000000);
	for (uint64_t end = time_now_ns() + PATIENCE_NS; !upcalls && time_now_ns() < end;)
		cpu_relax();
	check_equal(upcalls, 1);
	event_close(port);
}

/* IPIs */

static void ipi_to_ourselves_arrives(void)
{
	evtchn_port_t port;

	check_equal(event_bind_ipi(0, &port), 0);
	event_set_handler(port, count_upcall);
	event_unmask(port);
	upcalls = 0;
	check_equal(event_send(port), 0);
	check_equal(upcalls, 1);
	check_equal(status_of(port), EVTCHNSTAT_ipi);
	event_close(port);
}

static void ipi_of_a_vcpu_that_is_not_there_is_refused(void)
{
	evtchn_port_t port;

	check_equal(event_bind_ipi(1000, &port), -XEN_ENOENT);
}

static void ipi_and_per_vcpu_virq_stay_at_their_vcpu(void)
{
	evtchn_port_t ipi, virq;

	check_equal(event_bind_ipi(0, &ipi), 0);
	check_equal(event_bind_virq(VIRQ_TIMER, 0, &virq), 0);
	check(event_bind_vcpu(ipi, 0) < 0);
	check(event_bind_vcpu(virq, 0) < 0);
	event_close(ipi);
	event_close(virq);
}

static void bind_vcpu_needs_a_vcpu(void)
{
	evtchn_port_t offer, taker;

	given_loopback(&offer, &taker);
	check_equal(event_bind_vcpu(taker, 1000), -XEN_ENOENT);
	check_equal(event_bind_vcpu(taker, 0), 0);
	event_close(offer);
	event_close(taker);
}

/* Poll */

static void poll_ends_with_a_pending_port(void)
{
	evtchn_port_t offer, taker;
	uint64_t start = time_now_ns();

	given_loopback(&offer, &taker);
	event_mask(taker);
	event_send(offer);
	check_equal(event_poll(&taker, 1, start + PATIENCE_NS), 0);
	check(time_now_ns() < start + PATIENCE_NS);
	event_clear(taker);
	event_close(offer);
	event_close(taker);
}

static void poll_ends_when_the_timer_fires_masked(void)
{
	evtchn_port_t port;
	uint64_t start = time_now_ns();

	check_equal(event_bind_virq(VIRQ_TIMER, 0, &port), 0);
	time_set_timer(start + 3000000);
	check_equal(event_poll(&port, 1, start + PATIENCE_NS), 0);
	check(event_is_pending(port));
	check(time_now_ns() < start + PATIENCE_NS);
	event_clear(port);
	event_close(port);
}

/* Limits and the rest */

static void ports_run_out_with_enospc_and_come_back(void)
{
	static evtchn_port_t ports[4096];
	unsigned int count = 0;
	int error = 0;

	while (count < 4096 && (error = event_alloc(DOMID_SELF, &ports[count])) == 0)
		count++;
	printf("# %u ports\n", count);
	check_equal(error, -XEN_ENOSPC);
	check(count >= 1000);
	while (count--)
		check_equal(event_close(ports[count]), 0);
	check_equal(event_alloc(DOMID_SELF, &ports[0]), 0);
	event_close(ports[0]);
}

static void pirq_that_is_not_there_is_refused(void)
{
	struct evtchn_bind_pirq bind = { .pirq = 100000 };

	check_equal(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, &bind), -XEN_EINVAL);
}

/* 2-level only, by design: refused as an interface that is not known. */
static void fifo_abi_is_refused_on_skink(void)
{
	struct evtchn_init_control control = { .control_gfn = virt_to_mfn(page_alloc()), .vcpu = 0 };
	struct evtchn_set_priority priority = { .port = 1, .priority = 0 };

	if (!on_skink())
		return skip("for Skink");
	check_equal(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_init_control, &control), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_expand_array, &control), -XEN_ENOSYS);
	check_equal(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_set_priority, &priority), -XEN_ENOSYS);
}

static void reset_closes_every_port(void)
{
	struct evtchn_reset reset = { .dom = DOMID_SELF };
	evtchn_port_t offer, taker;

	given_loopback(&offer, &taker);
	check_equal(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_reset, &reset), 0);
	check_equal(status_of(offer), EVTCHNSTAT_closed);
	check_equal(status_of(taker), EVTCHNSTAT_closed);
}

/* The guest may scribble over its own bits: nothing of the hypervisor's depends on them. */
static void scribbled_shared_page_harms_only_us(void)
{
	evtchn_port_t offer, taker;

	given_loopback(&offer, &taker);
	event_mask_upcalls();
	for (unsigned int word = 0; word < 64; word++)
		boot_shared->evtchn_pending[word] = ~0UL;
	check_equal(event_send(offer), 0);
	for (unsigned int word = 0; word < 64; word++)
		boot_shared->evtchn_pending[word] = 0;
	vcpu_self()->info->evtchn_pending_sel = 0;
	vcpu_self()->info->evtchn_upcall_pending = 0;
	event_unmask_upcalls();
	upcalls = 0;
	check_equal(event_send(offer), 0);
	check_equal(upcalls, 1);
	event_close(offer);
	event_close(taker);
}

static const struct tap_test tests[] = {
	TEST(reserved_port_is_never_given),
	TEST(ports_out_of_range_are_refused),
	TEST(closed_port_cannot_be_used),
	TEST(unbound_port_swallows_sends),
	TEST(alloc_for_another_domain_needs_it_to_be_there),
	TEST(offer_to_another_cannot_be_taken),
	TEST(binding_connects_both_ends),
	TEST(binding_sets_the_binders_port_pending),
	TEST(bound_offer_cannot_be_taken_twice),
	TEST(send_reaches_the_other_end),
	TEST(masked_port_becomes_pending_without_an_upcall),
	TEST(masked_upcalls_wait_for_the_mask),
	TEST(pending_port_is_pending_once),
	TEST(unmask_of_a_quiet_port_makes_no_upcall),
	TEST(closing_one_end_leaves_the_other_unbound),
	TEST(closing_the_offer_leaves_the_taker_unbound),
	TEST(closed_port_is_given_again_clean),
	TEST(virq_is_bound_once),
	TEST(virqs_that_are_not_there_are_refused),
	TEST(global_virq_begins_at_vcpu_0),
	TEST(every_virq_below_24_can_be_bound),
	TEST(sending_to_a_virq_is_refused),
	TEST(timer_virq_arrives),
	TEST(ipi_to_ourselves_arrives),
	TEST(ipi_of_a_vcpu_that_is_not_there_is_refused),
	TEST(ipi_and_per_vcpu_virq_stay_at_their_vcpu),
	TEST(bind_vcpu_needs_a_vcpu),
	TEST(poll_ends_with_a_pending_port),
	TEST(poll_ends_when_the_timer_fires_masked),
	TEST(ports_run_out_with_enospc_and_come_back),
	TEST(pirq_that_is_not_there_is_refused),
	TEST(fifo_abi_is_refused_on_skink),
	TEST(scribbled_shared_page_harms_only_us),
	TEST(reset_closes_every_port),
};

TAP_MAIN(tests)
