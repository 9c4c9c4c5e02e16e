/* SPDX-License-Identifier: MIT */
/* Event channels: how news reaches a guest, also when two domains quarrel on two CPUs; and physdev_op. */
#include "event_guest.h"

#include <pthread.h>

/* ---- delivery ---- */

static void a_send_sets_pending_then_selector_then_upcall(void)
{
	struct pair pair = given_pair();
	vcpu_info_t *info = pair.b->vcpu[0]->info;

	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);

	CU_ASSERT_TRUE(is_pending(pair.b, pair.b_port));
	CU_ASSERT_EQUAL(info->evtchn_pending_sel, 1);
	CU_ASSERT_EQUAL(info->evtchn_upcall_pending, 1);
	CU_ASSERT_EQUAL(fake.kicks, 1);
	CU_ASSERT_PTR_EQUAL(fake.kicked, pair.b->vcpu[0]);
	CU_ASSERT_EQUAL(pair.a->account.used[ACCOUNT_EVENTS_SENT], 1);
	CU_ASSERT_FALSE(is_upcalled(pair.a->vcpu[0]));
}

static void news_that_is_known_kicks_nobody(void)
{
	struct pair pair = given_pair();
	vcpu_info_t *info = pair.b->vcpu[0]->info;

	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);
	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);
	CU_ASSERT_EQUAL(fake.kicks, 1);

	/* The bit is set and the selector is not: the guest is looking at that word. */
	info->evtchn_pending_sel = 0;
	info->evtchn_upcall_pending = 0;
	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);
	CU_ASSERT_EQUAL(info->evtchn_pending_sel, 0);
	CU_ASSERT_EQUAL(fake.kicks, 1);
	info->evtchn_pending_sel = 1;

	/* The selector is set and the bit is not: the guest is about to look at that word. */
	bit_test_and_clear(pair.b->shared_info->evtchn_pending, pair.b_port);
	info->evtchn_upcall_pending = 0;
	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);
	CU_ASSERT_EQUAL(fake.kicks, 1);

	/* The upcall is pending already. */
	bit_test_and_clear(pair.b->shared_info->evtchn_pending, pair.b_port);
	info->evtchn_pending_sel = 0;
	info->evtchn_upcall_pending = 1;
	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);
	CU_ASSERT_EQUAL(info->evtchn_pending_sel, 1);
	CU_ASSERT_EQUAL(fake.kicks, 1);
}

static void a_masked_port_is_pending_in_silence_until_it_is_unmasked(void)
{
	struct pair pair = given_pair();

	mask(pair.b, pair.b_port);
	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);
	CU_ASSERT_TRUE(is_pending(pair.b, pair.b_port));
	CU_ASSERT_TRUE(event_is_pending(pair.b, pair.b_port));
	CU_ASSERT_FALSE(is_upcalled(pair.b->vcpu[0]));
	CU_ASSERT_EQUAL(fake.kicks, 0);

	CU_ASSERT_EQUAL(unmask(pair.b, pair.b_port), 0);
	CU_ASSERT_FALSE(bit_test(pair.b->shared_info->evtchn_mask, pair.b_port));
	CU_ASSERT_TRUE(is_upcalled(pair.b->vcpu[0]));
	CU_ASSERT_EQUAL(fake.kicks, 1);
}

static void unmasking_tells_only_news(void)
{
	struct pair pair = given_pair();

	mask(pair.b, pair.b_port);
	CU_ASSERT_EQUAL(unmask(pair.b, pair.b_port), 0);
	CU_ASSERT_FALSE(is_upcalled(pair.b->vcpu[0]));

	/* Not masked: the news was told when it came. */
	bit_test_and_set(pair.b->shared_info->evtchn_pending, pair.b_port);
	CU_ASSERT_EQUAL(unmask(pair.b, pair.b_port), 0);
	CU_ASSERT_FALSE(is_upcalled(pair.b->vcpu[0]));
}

static void a_moved_port_tells_its_new_vcpu(void)
{
	struct pair pair = given_pair();

	CU_ASSERT_EQUAL(move(pair.b, pair.b_port, 1), 0);
	CU_ASSERT_EQUAL(status_of(pair.b, DOMID_SELF, pair.b_port).vcpu, 1);
	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);
	CU_ASSERT_TRUE(is_upcalled(pair.b->vcpu[1]));
	CU_ASSERT_FALSE(is_upcalled(pair.b->vcpu[0]));
	CU_ASSERT_EQUAL(move(pair.b, pair.b_port, 2), -ENOENT);
}

static void whoever_polls_a_port_is_woken_even_if_it_is_masked(void)
{
	struct pair pair = given_pair();

	mask(pair.b, pair.b_port);
	pair.b->vcpu[1]->sched.is_blocked = true;
	pair.b->vcpu[1]->poll_port = pair.b_port + 1;
	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);
	CU_ASSERT_EQUAL(fake.kicks, 0);

	bit_test_and_clear(pair.b->shared_info->evtchn_pending, pair.b_port);
	pair.b->vcpu[1]->poll_port = pair.b_port;
	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);
	CU_ASSERT_EQUAL(fake.kicks, 1);
	CU_ASSERT_PTR_EQUAL(fake.kicked, pair.b->vcpu[1]);

	bit_test_and_clear(pair.b->shared_info->evtchn_pending, pair.b_port);
	pair.b->vcpu[1]->poll_port = UINT32_MAX;
	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);
	CU_ASSERT_EQUAL(fake.kicks, 2);
	CU_ASSERT_FALSE(is_upcalled(pair.b->vcpu[1]));

	bit_test_and_clear(pair.b->shared_info->evtchn_pending, pair.b_port);
	pair.b->vcpu[1]->sched.is_blocked = false;	/* it has ended its poll, and not slept since */
	CU_ASSERT_EQUAL(send(pair.a, pair.a_port), 0);
	CU_ASSERT_EQUAL(fake.kicks, 2);
}

static void ports_of_every_word_are_delivered(void)
{
	struct domain *guest = given_domain();
	vcpu_info_t *info = guest->vcpu[0]->info;
	const struct channel ipi = { .state = CHANNEL_IPI };
	port_t port = 0;

	while (port < EVENT_PORTS_MAX - 1) {
		CU_ASSERT_EQUAL_FATAL(channel_open(guest, ipi, &port), 0);
		info->evtchn_pending_sel = 0;
		if (port % 61 != 0 && port != EVENT_PORTS_MAX - 1)
			continue;
		CU_ASSERT_EQUAL(send(guest, port), 0);
		CU_ASSERT_TRUE(is_pending(guest, port));
		CU_ASSERT_EQUAL(info->evtchn_pending_sel, 1ULL << (port / 64));
	}
}

static void after_its_info_has_moved_a_vcpu_looks_at_everything(void)
{
	struct pair pair = given_pair();
	vcpu_info_t *moved = fake_guest_memory(sizeof(*moved));

	pair.b->vcpu[1]->info = moved;
	event_info_moved(pair.b->vcpu[1]);
	CU_ASSERT_EQUAL(moved->evtchn_pending_sel, UINT64_MAX);
	CU_ASSERT_EQUAL(moved->evtchn_upcall_pending, 1);
}

static void an_upcall_that_is_not_taken_yet_is_not_repeated(void)
{
	struct domain *guest = given_domain();

	event_upcall(guest->vcpu[0]);
	event_upcall(guest->vcpu[0]);
	CU_ASSERT_EQUAL(fake.kicks, 1);
}

/* ---- physdev_op ---- */

static long physdev(struct domain *domain, uint32_t command, void *operation)
{
	fake_run(domain->vcpu[0]);
	return do_physdev_op(command, guest_address(operation));
}

static void physdev_operations_check_what_they_are_told(void)
{
	struct domain *guest = given_domain();

	CU_ASSERT_EQUAL(do_physdev_op(PHYSDEVOP_set_iopl, NOWHERE), -EFAULT);
	CU_ASSERT_EQUAL(do_physdev_op(PHYSDEVOP_map_pirq, NOWHERE), -EFAULT);
	CU_ASSERT_EQUAL(do_physdev_op(PHYSDEVOP_unmap_pirq, NOWHERE), -EFAULT);
	for (uint32_t command = 0; command < 40; command++)
		if (command != PHYSDEVOP_set_iopl && command != PHYSDEVOP_map_pirq && command != PHYSDEVOP_unmap_pirq)
			CU_ASSERT_EQUAL(do_physdev_op(command, NOWHERE), -ENOSYS);
	CU_ASSERT_EQUAL(physdev(guest, PHYSDEVOP_set_iopl, GUEST_COPY(struct physdev_set_iopl, .iopl = 4)), -EINVAL);
	CU_ASSERT_EQUAL(guest->vcpu[0]->iopl, 0);
}

static void io_privilege_is_each_vcpus_own(void)
{
	struct domain *zero = given_domain_zero();

	CU_ASSERT_EQUAL(physdev(zero, PHYSDEVOP_set_iopl, GUEST_COPY(struct physdev_set_iopl, .iopl = 1)), 0);
	CU_ASSERT_EQUAL(zero->vcpu[0]->iopl, 1);
}

/* ---- several CPUs at once ---- */

#define ROUNDS 200000

static struct pair contested;
static struct evtchn_send *contested_send;	/* 16 of them, one for each port from 0 */

/* Offers, binds, sends and closes, one domain against the other, each on its own CPU. */
static void *quarrel(void *cpu)
{
	struct domain *me = cpu ? contested.b : contested.a, *peer = cpu ? contested.a : contested.b;
	uint64_t random = 88172645463325252ULL + (cpu != NULL);
	const struct channel timer = { .state = CHANNEL_VIRQ, .virq = VIRQ_TIMER };
	uint32_t done = 0;
	port_t port;

	fake_on_cpu(cpu ? 1 : 0);
	fake_run(me->vcpu[0]);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		switch (random >> 8 & 7) {
		case 0: done += !channel_open(me, (struct channel){ .state = CHANNEL_UNBOUND, .for_id = peer->id }, &port); break;
		case 1: case 2: done += !channel_connect(me, peer, random >> 16 & 15, &port); break;
		case 3: done += !channel_close(me, random >> 16 & 15); break;
		case 4: event_send_vcpu_virq(peer->vcpu[0], VIRQ_TIMER); break;
		case 5: done += !channel_open(me, timer, &port); break;
		default:
			done += !do_event_channel_op(EVTCHNOP_send, guest_address(&contested_send[random >> 16 & 15]));
		}
	}
	CU_ASSERT_TRUE(done > ROUNDS / 100);
	return NULL;
}

static void two_domains_quarrel_and_stay_consistent(void)		/* E1, E2, E3 */
{
	pthread_t thread;

	contested = (struct pair){ .a = given_domain(), .b = given_domain() };
	contested_send = fake_guest_memory(16 * sizeof(*contested_send));
	for (uint32_t i = 0; i < 16; i++)
		contested_send[i].port = i;
	fake_allow_waiting(true);
	CU_ASSERT_EQUAL(pthread_create(&thread, NULL, quarrel, &contested), 0);
	quarrel(NULL);
	pthread_join(thread, NULL);
	all_is_consistent();
}

static const struct unit_case cases[] = {
	UNIT_CASE(a_send_sets_pending_then_selector_then_upcall),
	UNIT_CASE(news_that_is_known_kicks_nobody),
	UNIT_CASE(a_masked_port_is_pending_in_silence_until_it_is_unmasked),
	UNIT_CASE(unmasking_tells_only_news),
	UNIT_CASE(a_moved_port_tells_its_new_vcpu),
	UNIT_CASE(whoever_polls_a_port_is_woken_even_if_it_is_masked),
	UNIT_CASE(ports_of_every_word_are_delivered),
	UNIT_CASE(after_its_info_has_moved_a_vcpu_looks_at_everything),
	UNIT_CASE(an_upcall_that_is_not_taken_yet_is_not_repeated),
	UNIT_CASE(physdev_operations_check_what_they_are_told),
	UNIT_CASE(io_privilege_is_each_vcpus_own),
	UNIT_CASE(two_domains_quarrel_and_stay_consistent),
};

int main(void)
{
	return unit_run("event delivery", cases, ARRAY_SIZE(cases));
}
