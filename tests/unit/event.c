/* SPDX-License-Identifier: MIT */
/* Event channels: what must be refused, then every transition. */
#include "event_guest.h"

/* ---- hostile ---- */

static void unreadable_arguments_are_refused(void)
{
	struct domain *guest = given_domain();

	for (uint32_t command = 0; command <= EVTCHNOP_reset; command++) {
		fake_run(guest->vcpu[0]);
		CU_ASSERT_EQUAL(do_event_channel_op(command, NOWHERE), -EFAULT);
		CU_ASSERT_EQUAL(do_event_channel_op(command, 0xffff800000000000ULL), -EFAULT);
		CU_ASSERT_EQUAL(do_event_channel_op(command, UINT64_MAX - 3), -EFAULT);
	}
	CU_ASSERT_EQUAL(guest->event_free_from, 1);
	all_is_consistent();
}

static void operations_of_the_fifo_abi_and_unknown_ones_do_not_exist(void)
{
	struct domain *guest = given_domain();

	fake_run(guest->vcpu[0]);
	CU_ASSERT_EQUAL(do_event_channel_op(EVTCHNOP_init_control, NOWHERE), -ENOSYS);
	CU_ASSERT_EQUAL(do_event_channel_op(EVTCHNOP_expand_array, NOWHERE), -ENOSYS);
	CU_ASSERT_EQUAL(do_event_channel_op(EVTCHNOP_set_priority, NOWHERE), -ENOSYS);
	CU_ASSERT_EQUAL(do_event_channel_op(14, NOWHERE), -ENOSYS);
	CU_ASSERT_EQUAL(do_event_channel_op(UINT32_MAX, NOWHERE), -ENOSYS);
}

/* The second access, the write of the result, faults. */
static void what_cannot_be_answered_is_undone(void)
{
	struct domain *guest = given_domain_zero(), *other = given_domain();
	port_t offer = given_offer(other, guest), port;
	uint64_t address;
	uint32_t pirq, data;

	CU_ASSERT_EQUAL(pirq_create(guest, &pirq, &address, &data), 0);
	fake.guest_fault_access = 2;
	CU_ASSERT_EQUAL(offer_for(guest, DOMID_SELF, 1, &port), -EFAULT);
	fake.guest_fault_access = 2;
	CU_ASSERT_EQUAL(offer_for(guest, other->id, 0, &port), -EFAULT);
	fake.guest_fault_access = 2;
	CU_ASSERT_EQUAL(bind(guest, other->id, offer, &port), -EFAULT);
	fake.guest_fault_access = 2;
	CU_ASSERT_EQUAL(bind_virq(guest, VIRQ_DOM_EXC, 0, &port), -EFAULT);
	fake.guest_fault_access = 2;
	CU_ASSERT_EQUAL(bind_virq(guest, VIRQ_TIMER, 1, &port), -EFAULT);
	fake.guest_fault_access = 2;
	CU_ASSERT_EQUAL(bind_ipi(guest, 0, &port), -EFAULT);
	fake.guest_fault_access = 2;
	CU_ASSERT_EQUAL(bind_pirq(guest, pirq, &port), -EFAULT);

	CU_ASSERT_EQUAL(guest->event_free_from, 1);
	CU_ASSERT_EQUAL(state_of(other, offer + 1), EVTCHNSTAT_closed);
	CU_ASSERT_EQUAL(state_of(guest, 1), EVTCHNSTAT_closed);
	CU_ASSERT_FALSE(is_pending(guest, 1));
	CU_ASSERT_EQUAL(state_of(other, offer), EVTCHNSTAT_unbound);
	CU_ASSERT_EQUAL(bind(guest, other->id, offer, &port), 0);
	CU_ASSERT_EQUAL(bind_pirq(guest, pirq, &port), 0);
	all_is_consistent();
}

static void ports_that_do_not_exist_are_refused(void)
{
	static const port_t wrong[] = { 0, 4096, 4097, 65536, 1U << 31, UINT32_MAX };
	struct domain *guest = given_domain(), *other = given_domain();
	port_t port;

	for (uint32_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		CU_ASSERT_EQUAL(send(guest, wrong[i]), -EINVAL);
		CU_ASSERT_EQUAL(close_port(guest, wrong[i]), -EINVAL);
		CU_ASSERT_EQUAL(unmask(guest, wrong[i]), -EINVAL);
		CU_ASSERT_EQUAL(move(guest, wrong[i], 0), -EINVAL);
		CU_ASSERT_EQUAL(bind(guest, other->id, wrong[i], &port), -EINVAL);
		CU_ASSERT_EQUAL(call(guest, EVTCHNOP_status, GUEST_COPY(struct evtchn_status, .dom = DOMID_SELF,
									.port = wrong[i])), -EINVAL);
		CU_ASSERT_FALSE(event_port_is_valid(guest, wrong[i]));
		CU_ASSERT_FALSE(event_is_pending(guest, wrong[i]));
	}
	all_is_consistent();
}

static void closed_ports_cannot_be_used(void)
{
	struct domain *guest = given_domain();

	CU_ASSERT_EQUAL(send(guest, 5), -EINVAL);
	CU_ASSERT_EQUAL(close_port(guest, 5), -EINVAL);
	CU_ASSERT_EQUAL(move(guest, 5, 0), -EINVAL);
	CU_ASSERT_EQUAL(state_of(guest, 5), EVTCHNSTAT_closed);
	CU_ASSERT_FALSE(is_pending(guest, 5));		/* E2 */
}

static void only_the_named_peer_can_bind_an_offer(void)
{
	struct domain *owner = given_domain(), *friend = given_domain(), *thief = given_domain();
	port_t offer = given_offer(owner, friend), port;

	CU_ASSERT_EQUAL(bind(thief, owner->id, offer, &port), -EINVAL);
	CU_ASSERT_EQUAL(bind(owner, DOMID_SELF, offer, &port), -EINVAL);
	CU_ASSERT_EQUAL(bind(friend, owner->id, offer + 1, &port), -EINVAL);
	CU_ASSERT_EQUAL(bind(friend, 99, offer, &port), -ESRCH);
	CU_ASSERT_EQUAL(bind(friend, DOMID_XEN, offer, &port), -ESRCH);
	CU_ASSERT_EQUAL(state_of(owner, offer), EVTCHNSTAT_unbound);
	CU_ASSERT_EQUAL(bind(friend, owner->id, offer, &port), 0);
	CU_ASSERT_EQUAL(bind(friend, owner->id, offer, &port), -EINVAL);	/* E1: it is taken */
	all_is_consistent();
}

static void other_domains_are_the_toolstacks_business(void)
{
	struct domain *zero = given_domain_zero(), *guest = given_domain(), *victim = given_domain();
	struct evtchn_status *query = GUEST_COPY(struct evtchn_status, .dom = victim->id, .port = 1);
	struct evtchn_reset *op = GUEST_COPY(struct evtchn_reset, .dom = victim->id);
	port_t port;

	CU_ASSERT_EQUAL(offer_for(guest, victim->id, guest->id, &port), -EPERM);
	CU_ASSERT_EQUAL(offer_for(guest, 99, guest->id, &port), -ESRCH);
	CU_ASSERT_EQUAL(call(guest, EVTCHNOP_status, query), -EPERM);
	CU_ASSERT_EQUAL(call(guest, EVTCHNOP_reset, op), -EPERM);
	CU_ASSERT_EQUAL(victim->event_free_from, 1);

	CU_ASSERT_EQUAL(offer_for(zero, victim->id, 0, &port), 0);
	CU_ASSERT_EQUAL(status_of(zero, victim->id, port).status, EVTCHNSTAT_unbound);
	CU_ASSERT_EQUAL(call(zero, EVTCHNOP_reset, op), -EINVAL);	/* it is not paused */
	CU_ASSERT_EQUAL(state_of(victim, port), EVTCHNSTAT_unbound);
	victim->pause_count = 1;
	CU_ASSERT_EQUAL(call(zero, EVTCHNOP_reset, op), 0);
	CU_ASSERT_EQUAL(state_of(victim, port), EVTCHNSTAT_closed);
	CU_ASSERT_EQUAL(victim->references, 1);
	all_is_consistent();
}

static void a_dying_domain_gets_no_channel(void)			/* D2 */
{
	struct domain *dying = given_domain(), *other = given_domain();
	port_t offer = given_offer(dying, other), mine = given_offer(other, dying), port;

	given_dying(dying);

	CU_ASSERT_EQUAL(bind(other, dying->id, offer, &port), -ESRCH);
	CU_ASSERT_EQUAL(bind(dying, other->id, mine, &port), -ESRCH);
	CU_ASSERT_EQUAL(bind_virq(dying, VIRQ_TIMER, 0, &port), -ESRCH);
	CU_ASSERT_EQUAL(bind_ipi(dying, 0, &port), -ESRCH);
	CU_ASSERT_EQUAL(channel_open(dying, (struct channel){ .state = CHANNEL_UNBOUND }, &port), -ESRCH);
	CU_ASSERT_EQUAL(channel_connect(other, dying, offer, &port), -ESRCH);	/* it died a moment ago */
	CU_ASSERT_EQUAL(channel_find(dying, offer + 1)->state, CHANNEL_FREE);
	CU_ASSERT_EQUAL(channel_find(other, mine + 1)->state, CHANNEL_FREE);
	all_is_consistent();
}

static void virqs_that_make_no_sense_are_refused(void)
{
	struct domain *zero = given_domain_zero(), *guest = given_domain();
	port_t port;

	CU_ASSERT_EQUAL(bind_virq(zero, NR_VIRQS, 0, &port), -EINVAL);
	CU_ASSERT_EQUAL(bind_virq(zero, UINT32_MAX, 0, &port), -EINVAL);
	CU_ASSERT_EQUAL(bind_virq(zero, VIRQ_TIMER, 2, &port), -ENOENT);
	CU_ASSERT_EQUAL(bind_virq(zero, VIRQ_TIMER, UINT32_MAX, &port), -ENOENT);
	CU_ASSERT_EQUAL(bind_virq(zero, VIRQ_DOM_EXC, 1, &port), -EINVAL);
	CU_ASSERT_EQUAL(bind_virq(guest, VIRQ_DOM_EXC, 0, &port), -EPERM);
	CU_ASSERT_EQUAL(bind_virq(guest, VIRQ_CONSOLE, 0, &port), -EPERM);
	CU_ASSERT_EQUAL(zero->event_free_from, 1);
	CU_ASSERT_EQUAL(guest->event_free_from, 1);
}

static void a_virq_belongs_to_one_port(void)				/* E3 */
{
	struct domain *zero = given_domain_zero();
	port_t port, again;

	for (uint32_t virq = 0; virq < NR_VIRQS; virq++) {
		CU_ASSERT_EQUAL(bind_virq(zero, virq, 0, &port), 0);
		CU_ASSERT_EQUAL(bind_virq(zero, virq, 0, &again), -EEXIST);
		CU_ASSERT_EQUAL(bind_virq(zero, virq, 1, &again), virq_is_per_vcpu(virq) ? 0 : -EINVAL);
	}
	all_is_consistent();
}

static void ipis_of_no_vcpu_are_refused(void)
{
	struct domain *guest = given_domain_with(3, MAX_VCPUS, false);
	port_t port;

	CU_ASSERT_EQUAL(bind_ipi(guest, MAX_VCPUS, &port), -ENOENT);
	CU_ASSERT_EQUAL(bind_ipi(given_domain(), 1, &port), -ENOENT);
	CU_ASSERT_EQUAL(bind_ipi(guest, UINT32_MAX, &port), -ENOENT);
	CU_ASSERT_EQUAL(guest->event_free_from, 1);
}

static void what_belongs_to_a_vcpu_stays_with_it(void)
{
	struct domain *guest = given_domain_with(3, 2, false);
	port_t timer, ipi;

	CU_ASSERT_EQUAL(bind_virq(guest, VIRQ_TIMER, 1, &timer), 0);
	CU_ASSERT_EQUAL(bind_ipi(guest, 1, &ipi), 0);

	CU_ASSERT_EQUAL(move(guest, timer, 0), -EINVAL);
	CU_ASSERT_EQUAL(move(guest, ipi, 0), -EINVAL);
	CU_ASSERT_EQUAL(move(guest, ipi, 2), -ENOENT);
	CU_ASSERT_EQUAL(move(guest, 0, 0), -EINVAL);
	CU_ASSERT_EQUAL(status_of(guest, DOMID_SELF, timer).vcpu, 1);
	CU_ASSERT_EQUAL(status_of(guest, DOMID_SELF, ipi).vcpu, 1);
}

static void a_pirq_is_bound_only_by_whom_it_was_given_to(void)		/* E3 */
{
	struct domain *owner = given_domain(), *thief = given_domain();
	uint32_t pirq, data;
	uint64_t address;
	port_t port, again;

	CU_ASSERT_EQUAL(pirq_create(owner, &pirq, &address, &data), 0);
	CU_ASSERT_EQUAL(bind_pirq(thief, pirq, &port), -EPERM);
	CU_ASSERT_EQUAL(bind_pirq(owner, pirq + 1, &port), -EPERM);
	CU_ASSERT_EQUAL(bind_pirq(owner, PIRQ_COUNT, &port), -EINVAL);
	CU_ASSERT_EQUAL(bind_pirq(owner, UINT32_MAX, &port), -EINVAL);

	CU_ASSERT_EQUAL(bind_pirq(owner, pirq, &port), 0);
	CU_ASSERT_EQUAL(bind_pirq(owner, pirq, &again), -EEXIST);
	CU_ASSERT_EQUAL(close_port(owner, port), 0);
	CU_ASSERT_EQUAL(bind_pirq(owner, pirq, &port), 0);
	CU_ASSERT_EQUAL(close_port(owner, port), 0);
	all_is_consistent();
}

static void virqs_and_pirqs_are_not_for_the_guest_to_send(void)
{
	struct domain *guest = given_domain();
	uint32_t pirq, data;
	uint64_t address;
	port_t timer, interrupt;

	CU_ASSERT_EQUAL(pirq_create(guest, &pirq, &address, &data), 0);
	CU_ASSERT_EQUAL(bind_virq(guest, VIRQ_TIMER, 0, &timer), 0);
	CU_ASSERT_EQUAL(bind_pirq(guest, pirq, &interrupt), 0);
	CU_ASSERT_EQUAL(send(guest, timer), -EINVAL);
	CU_ASSERT_EQUAL(send(guest, interrupt), -EINVAL);
	CU_ASSERT_FALSE(is_pending(guest, timer));
	CU_ASSERT_EQUAL(close_port(guest, interrupt), 0);
}

static void when_all_ports_are_used_the_next_is_refused(void)
{
	struct domain *guest = given_domain();
	uint32_t pirq, data;
	uint64_t address;
	port_t port;

	CU_ASSERT_EQUAL(pirq_create(guest, &pirq, &address, &data), 0);
	for (port_t expected = 1; expected < EVENT_PORTS_MAX; expected++) {
		if (channel_open(guest, (struct channel){ .state = CHANNEL_UNBOUND, .for_id = 0 }, &port) || port != expected)
			CU_FAIL("an offer is refused or has another port");
	}
	CU_ASSERT_EQUAL(channel_open(guest, (struct channel){ .state = CHANNEL_UNBOUND, .for_id = 0 }, &port), -ENOSPC);
	CU_ASSERT_EQUAL(bind_ipi(guest, 0, &port), -ENOSPC);
	CU_ASSERT_EQUAL(bind_virq(guest, VIRQ_TIMER, 0, &port), -ENOSPC);
	CU_ASSERT_EQUAL(bind_pirq(guest, pirq, &port), -ENOSPC);

	CU_ASSERT_EQUAL(close_port(guest, 4000), 0);
	CU_ASSERT_EQUAL(close_port(guest, 700), 0);
	CU_ASSERT_EQUAL(bind_ipi(guest, 0, &port), 0);
	CU_ASSERT_EQUAL(port, 700);
	CU_ASSERT_EQUAL(bind_pirq(guest, pirq, &port), 0);
	CU_ASSERT_EQUAL(port, 4000);
	CU_ASSERT_EQUAL(close_port(guest, port), 0);
	all_is_consistent();
}

static void port_for_which_there_is_no_memory_is_not_opened(void)
{
	struct domain *guest = given_domain();
	port_t port = 0;

	for (port_t expected = 1; expected < EVENT_PART; expected++)
		CU_ASSERT_EQUAL(bind_ipi(guest, 0, &port), 0);
	CU_ASSERT_EQUAL(port, EVENT_PART - 1);
	CU_ASSERT_EQUAL(state_of(guest, EVENT_PART), EVTCHNSTAT_closed);
	CU_ASSERT_EQUAL(close_port(guest, EVENT_PART), -EINVAL);
	fake.heap_fail_call = 1;
	CU_ASSERT_EQUAL(bind_ipi(guest, 0, &port), -ENOMEM);
	CU_ASSERT_EQUAL(state_of(guest, EVENT_PART), EVTCHNSTAT_closed);
	CU_ASSERT_EQUAL(bind_ipi(guest, 0, &port), 0);
	CU_ASSERT_EQUAL(port, EVENT_PART);
	all_is_consistent();
}

static void without_memory_nothing_changes(void)
{
	struct domain broken = { .id = 9 };

	fake.heap_fail_call = 1;
	CU_ASSERT_EQUAL(event_domain_init(&broken), -ENOMEM);
	CU_ASSERT_PTR_NULL(broken.events[0]);
	all_is_consistent();
}

/* ---- transitions ---- */

static void an_offer_is_bound_and_each_end_names_the_other(void)	/* E1 */
{
	struct pair pair = given_pair();
	struct evtchn_status a = status_of(pair.a, DOMID_SELF, pair.a_port);
	struct evtchn_status b = status_of(pair.b, DOMID_SELF, pair.b_port);

	CU_ASSERT_EQUAL(a.status, EVTCHNSTAT_interdomain);
	CU_ASSERT_EQUAL(a.u.interdomain.dom, pair.b->id);
	CU_ASSERT_EQUAL(a.u.interdomain.port, pair.b_port);
	CU_ASSERT_EQUAL(b.status, EVTCHNSTAT_interdomain);
	CU_ASSERT_EQUAL(b.u.interdomain.dom, pair.a->id);
	CU_ASSERT_EQUAL(b.u.interdomain.port, pair.a_port);
	CU_ASSERT_EQUAL(pair.a->references, 1);
	all_is_consistent();
}

static void binding_is_news_for_the_binder_alone(void)
{
	struct domain *a = given_domain(), *b = given_domain();
	port_t offer = given_offer(a, b), port;

	CU_ASSERT_EQUAL(bind(b, a->id, offer, &port), 0);

	CU_ASSERT_TRUE(is_pending(b, port));
	CU_ASSERT_TRUE(is_upcalled(b->vcpu[0]));
	CU_ASSERT_FALSE(is_pending(a, offer));
	CU_ASSERT_FALSE(is_upcalled(a->vcpu[0]));
}

static void when_one_end_closes_the_other_is_unbound_for_the_same_domain(void)
{
	struct pair pair = given_pair();
	struct domain *stranger = given_domain();
	struct evtchn_status status;
	port_t port;

	CU_ASSERT_EQUAL(close_port(pair.b, pair.b_port), 0);

	status = status_of(pair.a, DOMID_SELF, pair.a_port);
	CU_ASSERT_EQUAL(status.status, EVTCHNSTAT_unbound);
	CU_ASSERT_EQUAL(status.u.unbound.dom, pair.b->id);
	CU_ASSERT_EQUAL(state_of(pair.b, pair.b_port), EVTCHNSTAT_closed);
	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);			/* vanishes */
	CU_ASSERT_FALSE(is_pending(pair.a, pair.a_port));		/* E2 */
	CU_ASSERT_FALSE(is_pending(pair.b, pair.b_port));
	CU_ASSERT_EQUAL(bind(stranger, pair.a->id, pair.a_port, &port), -EINVAL);
	CU_ASSERT_EQUAL(bind(pair.b, pair.a->id, pair.a_port, &port), 0);
	CU_ASSERT_EQUAL(port, pair.b_port);
	all_is_consistent();

	/* The end that offered may be the one that closes, too. The other keeps its vcpu. */
	CU_ASSERT_EQUAL(move(pair.b, pair.b_port, 1), 0);
	CU_ASSERT_EQUAL(close_port(pair.a, pair.a_port), 0);
	status = status_of(pair.b, DOMID_SELF, pair.b_port);
	CU_ASSERT_EQUAL(status.status, EVTCHNSTAT_unbound);
	CU_ASSERT_EQUAL(status.u.unbound.dom, pair.a->id);
	CU_ASSERT_EQUAL(status.vcpu, 1);
	all_is_consistent();
}

static void a_domain_can_talk_to_itself(void)
{
	struct domain *guest = given_domain();
	port_t offer, port;

	CU_ASSERT_EQUAL(offer_for(guest, DOMID_SELF, DOMID_SELF, &offer), 0);
	CU_ASSERT_EQUAL(bind(guest, DOMID_SELF, offer, &port), 0);
	CU_ASSERT_NOT_EQUAL(offer, port);
	CU_ASSERT_EQUAL(send(guest, port), 0);
	CU_ASSERT_TRUE(is_pending(guest, offer));
	all_is_consistent();
	CU_ASSERT_EQUAL(close_port(guest, port), 0);
	CU_ASSERT_EQUAL(state_of(guest, offer), EVTCHNSTAT_unbound);
	CU_ASSERT_EQUAL(close_port(guest, offer), 0);
	all_is_consistent();
}

static void a_closed_port_leaves_no_news_to_its_successor(void)
{
	struct pair pair = given_pair();
	port_t port;

	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);
	CU_ASSERT_TRUE(is_pending(pair.b, pair.b_port));
	CU_ASSERT_EQUAL(close_port(pair.b, pair.b_port), 0);
	CU_ASSERT_EQUAL(bind_ipi(pair.b, 0, &port), 0);
	CU_ASSERT_EQUAL(port, pair.b_port);
	CU_ASSERT_FALSE(is_pending(pair.b, port));
}

static void virqs_are_bound_sent_and_closed(void)
{
	struct domain *guest = given_domain_with(3, 2, false);
	struct evtchn_status status;
	port_t port;

	event_send_vcpu_virq(guest->vcpu[1], VIRQ_TIMER);		/* nobody listens */
	CU_ASSERT_EQUAL(bind_virq(guest, VIRQ_TIMER, 1, &port), 0);
	CU_ASSERT_FALSE(is_pending(guest, port));
	status = status_of(guest, DOMID_SELF, port);
	CU_ASSERT_EQUAL(status.status, EVTCHNSTAT_virq);
	CU_ASSERT_EQUAL(status.u.virq, VIRQ_TIMER);
	CU_ASSERT_EQUAL(status.vcpu, 1);

	event_send_vcpu_virq(guest->vcpu[0], VIRQ_TIMER);
	CU_ASSERT_FALSE(is_pending(guest, port));
	event_send_vcpu_virq(guest->vcpu[1], VIRQ_TIMER);
	CU_ASSERT_TRUE(is_pending(guest, port));
	CU_ASSERT_TRUE(is_upcalled(guest->vcpu[1]));
	CU_ASSERT_FALSE(is_upcalled(guest->vcpu[0]));

	CU_ASSERT_EQUAL(close_port(guest, port), 0);
	event_send_vcpu_virq(guest->vcpu[1], VIRQ_TIMER);
	CU_ASSERT_FALSE(is_pending(guest, port));			/* E2 */
	CU_ASSERT_EQUAL(bind_virq(guest, VIRQ_TIMER, 1, &port), 0);
	all_is_consistent();
}

static void a_virq_of_the_domain_follows_bind_vcpu(void)
{
	struct domain *zero = given_domain_zero();
	port_t port;

	CU_ASSERT_EQUAL(bind_virq(zero, VIRQ_DOM_EXC, 0, &port), 0);
	CU_ASSERT_EQUAL(move(zero, port, 1), 0);
	event_send_vcpu_virq(zero->vcpu[0], VIRQ_DOM_EXC);
	CU_ASSERT_TRUE(is_pending(zero, port));
	CU_ASSERT_TRUE(is_upcalled(zero->vcpu[1]));
	CU_ASSERT_FALSE(is_upcalled(zero->vcpu[0]));

	CU_ASSERT_EQUAL(close_port(zero, port), 0);
	CU_ASSERT_EQUAL(bind_virq(zero, VIRQ_DOM_EXC, 0, &port), 0);
	all_is_consistent();
}

static void ipis_go_to_their_vcpu(void)
{
	struct domain *guest = given_domain_with(3, 2, false);
	port_t port, second;

	CU_ASSERT_EQUAL(bind_ipi(guest, 1, &port), 0);
	CU_ASSERT_EQUAL(bind_ipi(guest, 1, &second), 0);
	CU_ASSERT_NOT_EQUAL(port, second);
	CU_ASSERT_EQUAL(state_of(guest, port), EVTCHNSTAT_ipi);
	CU_ASSERT_EQUAL(send(guest, port), 0);
	CU_ASSERT_TRUE(is_pending(guest, port));
	CU_ASSERT_TRUE(is_upcalled(guest->vcpu[1]));
	CU_ASSERT_FALSE(is_upcalled(guest->vcpu[0]));
	CU_ASSERT_EQUAL(close_port(guest, port), 0);
	all_is_consistent();
}

static void pirqs_are_sent_to_whom_has_bound_them(void)
{
	struct domain *guest = given_domain();
	struct evtchn_status status;
	uint32_t pirq, data;
	uint64_t address;
	port_t port;

	CU_ASSERT_EQUAL(pirq_create(guest, &pirq, &address, &data), 0);
	event_send_pirq(pirq);
	CU_ASSERT_EQUAL(bind_pirq(guest, pirq, &port), 0);
	CU_ASSERT_FALSE(is_pending(guest, port));
	event_send_pirq(pirq);
	CU_ASSERT_TRUE(is_pending(guest, port));
	status = status_of(guest, DOMID_SELF, port);
	CU_ASSERT_EQUAL(status.status, EVTCHNSTAT_pirq);
	CU_ASSERT_EQUAL(status.u.pirq, pirq);
	CU_ASSERT_EQUAL(close_port(guest, port), 0);
	event_send_pirq(pirq);
	CU_ASSERT_FALSE(is_pending(guest, port));			/* E2 */
	all_is_consistent();
}

static void a_reset_closes_all_and_is_continued(void)
{
	struct pair pair = given_pair();
	struct evtchn_reset *op = GUEST_COPY(struct evtchn_reset, .dom = DOMID_SELF);
	uint32_t calls = 0;
	port_t port;
	long result;

	for (uint32_t i = 0; i < 200; i++)
		CU_ASSERT_EQUAL(channel_open(pair.b, (struct channel){ .state = CHANNEL_UNBOUND, .for_id = 0 }, &port), 0);
	CU_ASSERT_EQUAL(bind_virq(pair.b, VIRQ_TIMER, 0, &port), 0);
	fake.preempt_every = 1;
	do {
		result = call(pair.b, EVTCHNOP_reset, op);
		calls++;
	} while (result == -ERESTART);

	CU_ASSERT_EQUAL(result, 0);
	CU_ASSERT_EQUAL(calls, 7);			/* 202 channels, 32 at once */
	CU_ASSERT_EQUAL(fake.continued_number, __HYPERVISOR_event_channel_op);
	CU_ASSERT_EQUAL(fake.continued[0], EVTCHNOP_reset);
	CU_ASSERT_EQUAL(fake.continued[1], guest_address(op));
	CU_ASSERT_EQUAL(pair.b->event_free_from, 1);
	CU_ASSERT_EQUAL(state_of(pair.a, pair.a_port), EVTCHNSTAT_unbound);
	CU_ASSERT_EQUAL(bind_virq(pair.b, VIRQ_TIMER, 0, &port), 0);
	all_is_consistent();
}

static void a_destroyed_domain_lets_go_of_its_peers(void)
{
	struct pair pair = given_pair();
	uint32_t pieces = 1;
	port_t port;

	for (uint32_t i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(channel_open(pair.a, (struct channel){ .state = CHANNEL_UNBOUND, .for_id = 0 }, &port), 0);
	given_dying(pair.a);
	fake.preempt_every = 1;
	while (event_close_all(pair.a) == -ERESTART)
		pieces++;

	CU_ASSERT_EQUAL(pieces, 4);
	CU_ASSERT_EQUAL(state_of(pair.b, pair.b_port), EVTCHNSTAT_unbound);
	CU_ASSERT_EQUAL(send(pair.b, pair.b_port), 0);
	all_is_consistent();
	event_domain_free(pair.a);
	CU_ASSERT_PTR_NULL(pair.a->events[0]);
	event_domain_free(pair.a);
}

static const struct unit_case cases[] = {
	UNIT_CASE(unreadable_arguments_are_refused),
	UNIT_CASE(operations_of_the_fifo_abi_and_unknown_ones_do_not_exist),
	UNIT_CASE(what_cannot_be_answered_is_undone),
	UNIT_CASE(ports_that_do_not_exist_are_refused),
	UNIT_CASE(closed_ports_cannot_be_used),
	UNIT_CASE(only_the_named_peer_can_bind_an_offer),
	UNIT_CASE(other_domains_are_the_toolstacks_business),
	UNIT_CASE(a_dying_domain_gets_no_channel),
	UNIT_CASE(virqs_that_make_no_sense_are_refused),
	UNIT_CASE(a_virq_belongs_to_one_port),
	UNIT_CASE(ipis_of_no_vcpu_are_refused),
	UNIT_CASE(what_belongs_to_a_vcpu_stays_with_it),
	UNIT_CASE(a_pirq_is_bound_only_by_whom_it_was_given_to),
	UNIT_CASE(virqs_and_pirqs_are_not_for_the_guest_to_send),
	UNIT_CASE(when_all_ports_are_used_the_next_is_refused),
	UNIT_CASE(port_for_which_there_is_no_memory_is_not_opened),
	UNIT_CASE(without_memory_nothing_changes),
	UNIT_CASE(an_offer_is_bound_and_each_end_names_the_other),
	UNIT_CASE(binding_is_news_for_the_binder_alone),
	UNIT_CASE(when_one_end_closes_the_other_is_unbound_for_the_same_domain),
	UNIT_CASE(a_domain_can_talk_to_itself),
	UNIT_CASE(a_closed_port_leaves_no_news_to_its_successor),
	UNIT_CASE(virqs_are_bound_sent_and_closed),
	UNIT_CASE(a_virq_of_the_domain_follows_bind_vcpu),
	UNIT_CASE(ipis_go_to_their_vcpu),
	UNIT_CASE(pirqs_are_sent_to_whom_has_bound_them),
	UNIT_CASE(a_reset_closes_all_and_is_continued),
	UNIT_CASE(a_destroyed_domain_lets_go_of_its_peers),
};

int main(void)
{
	return unit_run("event channels", cases, ARRAY_SIZE(cases));
}
