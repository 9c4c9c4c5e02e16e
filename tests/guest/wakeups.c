/* SPDX-License-Identifier: MIT */
/*
 * Vcpus that wake each other by all ways there are, in groups that each hand one token round: a wake-up that is lost has its group stand still for ever.
 * There are more vcpus than CPUs, so they are also moved, and the time slices of those that have work end in the middle of all.
 *
 * QEMU: -smp 4
 * CORE: dom0_max_vcpus=9
 * ARGS: seconds=5
 */
#include "tap.h"

#include "runtime/events.h"
#include "runtime/time.h"

#define GROUPS		4u
#define MEMBERS_MAX	3u
#define SECOND_NS	1000000000ull
#define STANDS_NS	(30 * SECOND_NS)

/* How a member waits for its token. The timed ones are woken by their timer at most once before it, so a timer rescues nobody. */
enum way { BLOCK, BLOCK_TIMED, POLL, POLL_TIMED, WAYS };
static const char *const way_names[] = { "block", "block, timer", "poll", "poll, timeout" };

struct member {
	uint32_t vcpu, place;		/* place: among the group's */
	evtchn_port_t bell, kick;	/* bell: an upcall; kick: masked, polled for */
	struct group *group;
};

static struct group {
	volatile uint64_t hop;		/* the token is with member hop % count */
	uint32_t count;
	volatile uint32_t ended;
	struct member member[MEMBERS_MAX];
} group[GROUPS] = { { .count = 2 }, { .count = 2 }, { .count = 1 }, { .count = 3 } };

static volatile bool stop;

/* The same for who sleeps and who wakes. */
static uint64_t chance(const struct group *in, uint64_t hop)
{
	uint64_t x = (hop + 1) * 6364136223846793005ull + (uint64_t)(in - group) * 1442695040888963407ull;

	return (x ^ x >> 29) * 0x9e3779b97f4a7c15ull >> 20;
}

static enum way way_of(const struct group *in, uint64_t hop)
{
	return chance(in, hop) % WAYS;
}

static void nothing(evtchn_port_t port)
{
	(void)port;
}

static bool is_there(const struct group *in, uint64_t hop)
{
	return stop || in->hop == hop;
}

static void sleep_once(struct member *self, uint64_t hop, bool is_first)
{
	enum way way = way_of(self->group, hop);
	uint64_t soon_ns = time_now_ns() + 1000 + chance(self->group, hop) / WAYS % 100000;

	if (way == POLL || way == POLL_TIMED) {
		event_clear(self->kick);
		if (!is_there(self->group, hop))
			event_poll(&self->kick, 1, way == POLL_TIMED && is_first ? soon_ns : 0);
		return;
	}
	if (way == BLOCK_TIMED && is_first)
		time_set_timer(soon_ns);
	event_mask_upcalls();
	if (!is_there(self->group, hop))
		event_block();
	else
		event_unmask_upcalls();
}

static void work(uint64_t turns)
{
	for (volatile uint64_t i = 0; i < turns; i++)
		;
}

static void pass(struct group *in, uint64_t hop)
{
	struct member *next = &in->member[(hop + 1) % in->count];
	enum way way = way_of(in, hop + 1);

	__atomic_store_n(&in->hop, hop + 1, __ATOMIC_SEQ_CST);
	event_send(way == POLL || way == POLL_TIMED ? next->kick : next->bell);
}

static void hand_round(void *argument)
{
	struct member *self = argument;
	struct group *in = self->group;
	evtchn_port_t timer;

	event_bind_virq(VIRQ_TIMER, self->vcpu, &timer);
	event_set_handler(timer, nothing);
	event_unmask(timer);
	event_unmask_upcalls();
	for (uint64_t hop = self->place; !stop; hop += in->count) {
		for (bool is_first = true; !is_there(in, hop); is_first = false)
			sleep_once(self, hop, is_first);
		if (stop)
			break;
		work(chance(in, hop) % 61 ? chance(in, hop) / 61 % 50 : 4000);
		pass(in, hop);
	}
	__atomic_fetch_add(&in->ended, 1, __ATOMIC_SEQ_CST);
}

static void begin(void)
{
	uint32_t vcpu = 1;

	for (struct group *in = group; in < group + GROUPS; in++)
		for (uint32_t place = 0; place < in->count; place++, vcpu++) {
			struct member *one = &in->member[place];

			one->group = in;
			one->place = place;
			one->vcpu = vcpu;
			check_equal(event_bind_ipi(vcpu, &one->bell), 0);
			check_equal(event_bind_ipi(vcpu, &one->kick), 0);
			event_set_handler(one->bell, nothing);
			event_unmask(one->bell);
		}
	for (struct group *in = group; in < group + GROUPS; in++)
		for (uint32_t place = 0; place < in->count; place++)
			check_equal(vcpu_start(in->member[place].vcpu, hand_round, &in->member[place]), 0);
}

static uint64_t seconds_wanted(void)
{
	const char *word = strstr((const char *)boot_info->cmd_line, "seconds=");
	uint64_t seconds = 0;

	for (word += word ? sizeof("seconds=") - 1 : 0; word && *word >= '0' && *word <= '9'; word++)
		seconds = seconds * 10 + (uint64_t)(*word - '0');
	return seconds;
}

static void tell_stand(struct group *in)
{
	struct member *asleep = &in->member[in->hop % in->count];
	struct vcpu_runstate_info info = { 0 };
	enum way way = way_of(in, in->hop);

	hypercall(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, asleep->vcpu, &info);
	check_that(false, "group %lu stands still at hop %lu: vcpu %u sleeps (%s), runstate %d, its port is pending: %d", (unsigned long)(in - group),
		   (unsigned long)in->hop, asleep->vcpu, way_names[way], info.state,
		   event_is_pending(way == POLL || way == POLL_TIMED ? asleep->kick : asleep->bell));
}

static bool goes_on(const struct group *in)
{
	uint64_t hop = in->hop, end_ns = time_now_ns() + STANDS_NS;

	while (in->hop == hop && time_now_ns() < end_ns)
		time_sleep_ns(SECOND_NS / 100);
	return in->hop != hop;
}

/* Whoever stands still does so to the end: nobody rings twice for a hop. */
static void no_wake_up_is_lost(void)
{
	begin();
	time_sleep_ns(seconds_wanted() * SECOND_NS);
	for (uint32_t i = 0; i < GROUPS; i++) {
		if (!goes_on(&group[i]))
			tell_stand(&group[i]);
		printf("# group %u of %u: %lu hops\n", i, group[i].count, (unsigned long)group[i].hop);
	}
}

static void all_of_them_end(void)
{
	uint64_t end_ns = time_now_ns() + STANDS_NS;
	uint32_t ended = 0, wanted = 0;

	stop = true;
	for (struct group *in = group; in < group + GROUPS; in++)
		for (uint32_t place = 0; place < in->count; place++, wanted++) {
			event_send(in->member[place].bell);
			event_send(in->member[place].kick);
		}
	while (ended < wanted && time_now_ns() < end_ns) {
		time_sleep_ns(SECOND_NS / 100);
		ended = 0;
		for (uint32_t i = 0; i < GROUPS; i++)
			ended += group[i].ended;
	}
	check_equal(ended, wanted);
}

static const struct tap_test tests[] = {
	TEST(no_wake_up_is_lost),
	TEST(all_of_them_end),
};

TAP_MAIN(tests)
