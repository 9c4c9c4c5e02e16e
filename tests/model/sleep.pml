/* SPDX-License-Identifier: MIT */
/*
 * How a vcpu sleeps and who wakes it (hypervisor/sched: do_sched_op, sched_vcpu_kick, poll_ends; event/deliver.c). It polls for an
 * event or for a deadline, some rounds of it; a sender and the timers kick it, and between any two of their steps it may have
 * gone on and sleep again. An event that is pending is not sent again. A timer is its own CPU's, so none fires while it falls
 * asleep; but it may have come from another CPU, which still kicks it for the last one.
 *
 * L4  No wake-up is lost, which is what S4 of sched/queue.h is for: there is no invalid end state.
 *
 * Mutants, by -D:
 *   KICK_CLEARS   whoever wakes it notes that it polls for nothing any more: by then it may poll for the next thing (S6)
 *   LOOKS_FIRST   it looks for its event and then says that it is blocked
 *   KICK_UNASKED  the sender looks who polls and then sets its event
 */
#define ROUNDS 4

bool pending, polls, is_blocked, is_off, timer, has_ended;

#ifdef KICK_CLEARS
#define KICKED	polls = false
#else
#define KICKED	skip
#endif

inline kick()
{
	if
	:: is_blocked ->
		d_step { was = is_blocked; is_blocked = false };
		if
		:: was -> KICKED;
			d_step { is_off = is_off && is_blocked; was = false }	/* sched_vcpu_update, with the queue's lock */
		:: else
		fi
	:: else
	fi
}

#ifdef LOOKS_FIRST
#define SLEEP(event)	if :: event :: else -> is_blocked = true fi
#else
#define SLEEP(event)	is_blocked = true; if :: event -> is_blocked = false :: else fi
#endif

proctype sleeper()
{
	byte round = 0;

	do
	:: round == ROUNDS -> has_ended = true; break
	:: else ->
		polls = true;
		if
		:: SLEEP(pending)
		:: d_step { timer = true; is_blocked = true }
		fi;
		is_off = is_blocked;		/* sched_softirq, with the queue's lock */
		!is_off;
		if :: pending = false :: skip fi;
		round++
	od
}

proctype sender()
{
	bool was = false, asked = false;
	do
#ifdef KICK_UNASKED
	:: !pending -> asked = polls && is_blocked;
		pending = true;
#else
	:: !pending -> pending = true;
		asked = polls;
#endif
		if :: asked -> asked = false; kick() :: else fi
	:: has_ended -> break
	od
}

proctype clock()
{
	bool was = false;
	do
	:: timer -> timer = false;
		if :: polls -> kick() :: else fi
	:: has_ended -> break
	od
}

init { atomic { run sleeper(); run sender(); run clock(); run clock() } }
