/* SPDX-License-Identifier: MIT */
/*
 * The ledger (protocols/ledger.md): one ring of N slots that requests and responses share, answered in order, with event
 * suppression on both sides, and a back-end that may be reset between any two of its steps, CRASHES times at most.
 * Indices count modulo M, as the ring's do modulo 2^32, and begin shortly before they wrap.
 *
 * L1  Every request is answered, once, in order, after its work was done.
 * L2  What is read as a request is one: no slot is overwritten before its answer is committed.
 * L3  published <= rsp_prod <= commit <= req_prod at each take-over, and commit is at most N in front of published.
 * L4  Nobody sleeps for ever: there is no invalid end state.
 * L5  The entries from rsp_prod to commit are whole, have their own index, and are all of the generation that moved commit.
 *
 * Mutants, by -D; tests/test_model.py says which invariant each of them breaks:
 *   NO_LEDGER       the successor begins at rsp_prod, and knows nothing of answers half published
 *   NO_KICK         it does not wake a front-end whose event died with the predecessor
 *   NO_SCAN         it waits for an event before it looks at the ring
 *   FROM_PUBLISHED  it republishes from `published` instead of from rsp_prod, and so over new requests
 *   COMMIT_FIRST    commit moves before the entries are written
 *   PLAIN_COMPARE   indices are compared as if they never wrapped
 *   COMPARE_SLOT    the successor expects the request still in its slot (docs/decisions/ledger-layout.md)
 */
#define N 2
#define K 4			/* requests in all */
#define CRASHES 2
#define M 8
#define START 6

#define PLUS(index, count)	(((index) + (count)) % M)
#define MINUS(index, other)	(((index) + M - (other)) % M)	/* index - other, as a uint32_t */
#define NOT_BEFORE(index, other) (MINUS(index, other) < M / 2)	/* (int32_t)(index - other) >= 0 */
#define ID(index)		MINUS(index, START)

#define REQUEST(id)	(id)
#define RESPONSE(id)	(100 + (id))
#define IS_RESPONSE(it)	((it) >= 100 && (it) < 200)
#define TORN		200	/* half written */

/* Names for the verifier to print: they are no part of the state. */
hidden byte L1, L2, L3, L5;
#define MUST(name, condition) d_step { name = (condition); assert(name) }

/* Shared with the front-end. */
byte slot[N];
byte req_prod = START, rsp_prod = START, req_event = PLUS(START, 1), rsp_event = PLUS(START, 1);
/* The ledger: preserved over a reset. */
byte commit = START, commit_generation = 0, published = START;
byte entry[N], entry_index[N], entry_generation[N];
/* The pending bits of the two ends of the event channel. */
bool to_front = false, to_back = false;

byte generation = 1;
bool worked[K], answered[K], done = false;

#define HAS_ROOM (sent < K && MINUS(req_prod, rsp_cons) < N)

proctype front()
{
	byte rsp_cons = START, sent = 0;

	do
	:: ID(rsp_cons) == K -> break
	:: else ->
		do
		:: HAS_ROOM ->
			slot[req_prod % N] = REQUEST(ID(req_prod));
			sent++;
			req_prod = PLUS(req_prod, 1);
			if :: req_event == req_prod -> to_back = true :: else fi
		:: else -> break
		od;
		do
		:: rsp_cons != rsp_prod ->
			d_step {
				L1 = slot[rsp_cons % N] == RESPONSE(ID(rsp_cons)) && worked[ID(rsp_cons)] && !answered[ID(rsp_cons)];
				assert(L1);
				answered[ID(rsp_cons)] = true;
				rsp_cons = PLUS(rsp_cons, 1)
			}
		:: else ->
			rsp_event = PLUS(rsp_cons, 1);
			if :: rsp_cons != rsp_prod -> skip :: else -> break fi
		od;
		if
		:: ID(rsp_cons) < K && !HAS_ROOM -> to_front; to_front = false	/* sleeps until an event comes */
		:: else
		fi
	od;
	done = true
}

#define MAY_DIE if :: generation <= CRASHES -> goto reset :: skip fi

inline publish(from, upto)
{
	i = from;
	do
	:: i != upto ->
		slot[i % N] = TORN; MAY_DIE;
		slot[i % N] = RESPONSE(entry[i % N]); i = PLUS(i, 1); MAY_DIE
	:: else -> break
	od;
	rsp_prod = upto; MAY_DIE;
	published = upto; MAY_DIE
}

inline write_entries(from, upto)
{
	i = from;
	do
	:: i != upto ->
		entry[i % N] = TORN; MAY_DIE;
		d_step {
			entry[i % N] = ID(i);
			entry_index[i % N] = i;
			entry_generation[i % N] = generation;
			i = PLUS(i, 1)
		};
		MAY_DIE
	:: else -> break
	od
}

inline move_commit(upto)
{
	d_step { commit = upto; commit_generation = generation };
	MAY_DIE
}

/* Only now are slots overwritten. */
inline publish_decided()
{
	old = rsp_prod;
	publish(old, cons);
	if :: MINUS(rsp_prod, rsp_event) < MINUS(rsp_prod, old) -> to_front = true :: else fi;
	MAY_DIE
}

inline check_ledger()
{
	MUST(L3, MINUS(commit, published) <= N && MINUS(rsp_prod, published) <= MINUS(commit, published) &&
		 MINUS(req_prod, rsp_prod) <= N && MINUS(commit, rsp_prod) <= MINUS(req_prod, rsp_prod));
	i = rsp_prod;
	do
	:: i != commit ->
		MUST(L5, entry[i % N] == ID(i) && entry_index[i % N] == i && entry_generation[i % N] == commit_generation &&
			 commit_generation < generation);
#ifdef COMPARE_SLOT
		MUST(L2, slot[i % N] == REQUEST(ID(i)));
#endif
		i = PLUS(i, 1)
	:: else -> break
	od
}

#ifdef PLAIN_COMPARE
#define IS_LEFT(upto, from) ((upto) > (from))
#else
#define IS_LEFT(upto, from) ((upto) != (from))
#endif

proctype back()
{
	byte cons, upto, i, old;

take_over:
#ifdef NO_LEDGER
	cons = rsp_prod;
#else
	check_ledger();				/* step 2 */
#ifdef FROM_PUBLISHED
	if :: commit != published -> publish(published, commit) :: else fi;
#else
	if :: IS_LEFT(commit, rsp_prod) -> publish(rsp_prod, commit) :: else -> published = rsp_prod fi;	/* step 3 */
#endif
	cons = commit;
#endif
#ifndef NO_KICK
	if :: NOT_BEFORE(rsp_prod, rsp_event) -> to_front = true :: else fi;	/* step 4 */
	MAY_DIE;
#endif
#ifdef NO_SCAN
	goto sleep;
#endif
serve:						/* step 5 */
	do
	:: cons != req_prod ->
		upto = cons;
		do				/* a batch of one request to all of them */
		:: upto != req_prod ->
			MUST(L2, slot[upto % N] == REQUEST(ID(upto)));
			worked[ID(upto)] = true; upto = PLUS(upto, 1); MAY_DIE
		:: upto != cons -> break
		od;
#ifdef COMMIT_FIRST
		move_commit(upto);
		write_entries(cons, upto);
#else
		write_entries(cons, upto);
		move_commit(upto);
#endif
		cons = upto;
		if
		:: skip				/* what is decided may wait for company */
		:: publish_decided()
		fi
	:: cons != rsp_prod -> publish_decided()
	:: cons == req_prod && cons == rsp_prod ->
		req_event = PLUS(cons, 1); MAY_DIE;
		if :: cons != req_prod -> skip :: else -> break fi
	od;
sleep:
	if
	:: done -> goto out
	:: to_back -> to_back = false; MAY_DIE; goto serve
	fi;
reset:						/* private memory is gone; ring and ledger stay; a pending event may be cleared */
	atomic {
		cons = 0; upto = 0; i = 0; old = 0;
		generation++;
		if :: to_back = false :: skip fi
	};
	goto take_over;
out:	skip
}

init { atomic { run front(); run back() } }
