/* SPDX-License-Identifier: MIT */
/*
 * Which event a take-over sends (protocols/ledger.md, section 4, step 4). Only indices and events here: responses are published
 * in any portions, and the back-end may be reset between any two of its steps, so that the event for what was published dies
 * with it. Indices count modulo M; N slots, N <= M / 2.
 *
 * L4  Nobody sleeps for ever, no wake-up is lost: there is no invalid end state.
 * L8  A take-over does not decide to wake a front-end that sleeps and has nothing to fetch.
 * L9  Serving sends one event at most for each time that the front-end asked; each take-over adds one at most.
 *
 * Mutants, by -D:
 *   NO_KICK       no event at take-over
 *   ALWAYS_KICK   an event at each take-over
 *   PUSH_MACRO    what RING_PUSH_RESPONSES_AND_CHECK_NOTIFY does: only for what this generation published
 *   OFF_BY_ONE    > 0 instead of >= 0
 *   NO_BARRIER    at take-over rsp_event is read before rsp_prod is seen to be written: an old rsp_event mostly wakes for what
 *                 was fetched already; with ONLY_L4, which does not mind that, one that is older than M / 2 loses the wake-up
 *   SERVE_EARLY   the same while serving, where it loses the event
 *   SERVE_SIGNED  serving decides as a take-over does
 */
#define N 3			/* slots: so many responses at most are not fetched yet */
#define K 7			/* responses in all */
#define CRASHES 3
#define M 8
#define START 5

#define PLUS(index, count)	(((index) + (count)) % M)
#define MINUS(index, other)	(((index) + M - (other)) % M)
#define NOT_BEFORE(index, other) (MINUS(index, other) < M / 2)	/* (int32_t)(index - other) >= 0 */
#define HAS_ROOM(index)	(LEFT(index) != 0 && MINUS(index, rsp_cons) < N)
#define LEFT(index)		(K - MINUS(index, START))

hidden byte L8, L9;

byte rsp_prod = START, rsp_event = PLUS(START, 1), rsp_cons = START;
byte commit = START;		/* in the ledger */
bool to_front = false;
bool asleep = false;		/* waits, and no event is on its way */
bool told = false;		/* serving has sent an event since the front-end asked for one */
byte crashes = 0;

proctype front()
{
	do
	:: LEFT(rsp_cons) == 0 -> break
	:: else ->
		do
		:: rsp_cons != rsp_prod -> rsp_cons = PLUS(rsp_cons, 1)
		:: rsp_cons == rsp_prod ->
			d_step { rsp_event = PLUS(rsp_cons, 1); told = false };
			if :: rsp_cons != rsp_prod -> skip :: else -> break fi
		od;
		if
		:: LEFT(rsp_cons) != 0 ->
			d_step { asleep = !to_front };
			d_step { to_front -> to_front = false; asleep = false }
		:: else
		fi
	od
}

#define MAY_DIE if :: crashes < CRASHES -> crashes++; goto reset :: skip fi

inline send() { d_step { to_front = true; asleep = false } }

#if defined(NO_KICK)
#define TAKE_OVER_SENDS	false
#elif defined(ALWAYS_KICK)
#define TAKE_OVER_SENDS	true
#elif defined(PUSH_MACRO)
#define TAKE_OVER_SENDS	(MINUS(rsp_prod, rsp_event) < MINUS(rsp_prod, old))
#elif defined(OFF_BY_ONE)
#define TAKE_OVER_SENDS	(NOT_BEFORE(rsp_prod, rsp_event) && rsp_prod != rsp_event)
#elif defined(NO_BARRIER)
#define TAKE_OVER_SENDS	NOT_BEFORE(rsp_prod, event)
#else
#define TAKE_OVER_SENDS	NOT_BEFORE(rsp_prod, rsp_event)
#endif
#ifdef ONLY_L4
#define CHECK_L8	skip
#else
#define CHECK_L8	L8 = !(asleep && rsp_cons == rsp_prod); assert(L8)
#endif
#ifdef SERVE_SIGNED
#define SERVING_SENDS	NOT_BEFORE(rsp_prod, rsp_event)
#elif defined(SERVE_EARLY)
#define SERVING_SENDS	(MINUS(rsp_prod, event) < MINUS(rsp_prod, old))
#else
#define SERVING_SENDS	(MINUS(rsp_prod, rsp_event) < MINUS(rsp_prod, old))
#endif

proctype back()
{
	byte upto, old, event;

take_over:
	old = rsp_prod;
	event = rsp_event;
	rsp_prod = commit; MAY_DIE;
	if
	:: d_step { TAKE_OVER_SENDS -> CHECK_L8 };
		send()
	:: else
	fi;
	MAY_DIE;
	do
	:: LEFT(rsp_prod) == 0 -> goto out
	:: HAS_ROOM(rsp_prod) ->
		old = rsp_prod;
		upto = PLUS(rsp_prod, 1);
		do
		:: HAS_ROOM(upto) -> upto = PLUS(upto, 1)
		:: break
		od;
		commit = upto; MAY_DIE;
		event = rsp_event;
		rsp_prod = upto; MAY_DIE;
		if
		:: d_step { SERVING_SENDS -> L9 = !told; assert(L9); told = true };
			send()
		:: else
		fi;
		MAY_DIE
	od;
reset:
	atomic { upto = 0; old = 0; event = 0 };
	goto take_over;
out:	skip
}

init { atomic { run front(); run back() } }
