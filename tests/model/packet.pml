/* SPDX-License-Identifier: MIT */
/*
 * Packets of several slots (protocols/ledger.md, section 5): a packet has one slot or two, and a back-end that may be reset
 * between any two of its steps. To transmit, the front-end chooses the lengths; with -DRECEIVE each request is an empty buffer and
 * the back-end chooses, and a successor may choose otherwise. Indices count modulo M and wrap.
 *
 * L6  Every generation begins at the first slot of a packet, and finds that packet whole.
 * L7  The front-end sees whole packets only, and all slots of one are answers to, or parts of, that packet.
 * L4  Every slot is answered: there is no invalid end state.
 *
 * Mutants, by -D:
 *   COMMIT_BY_SLOT   commit moves after each entry instead of after each packet
 *   PUBLISH_BY_SLOT  rsp_prod moves after each slot instead of after each packet
 */
#define N 4
#define K 5			/* slots in all */
#define CRASHES 2
#define M 16
#define START 13

#define PLUS(index, count)	(((index) + (count)) % M)
#define MINUS(index, other)	(((index) + M - (other)) % M)

/* What a slot or an entry holds. */
#define SINGLE		1
#define FIRST		2
#define SECOND		3
#define BUFFER		4
#define RESPONSE(part)	(100 + (part))

hidden byte L6, L7;
#define MUST(name, condition) d_step { name = (condition); assert(name) }

byte slot[N], req_prod = START, rsp_prod = START;
byte commit = START, entry[N];
byte crashes = 0;
bool done = false;

proctype front()
{
	byte rsp_cons = START, sent = 0;

	do
	:: MINUS(rsp_cons, START) == K -> break
	:: sent < K && MINUS(req_prod, rsp_cons) < N ->
#ifdef RECEIVE
		slot[req_prod % N] = BUFFER;
#else
		slot[req_prod % N] = SINGLE;
#endif
		sent++; req_prod = PLUS(req_prod, 1)
#ifndef RECEIVE
	:: sent + 1 < K && MINUS(req_prod, rsp_cons) < N - 1 ->
		slot[req_prod % N] = FIRST; slot[PLUS(req_prod, 1) % N] = SECOND;
		sent = sent + 2; req_prod = PLUS(req_prod, 2)
#endif
	:: rsp_cons != rsp_prod ->
		if
		:: slot[rsp_cons % N] == RESPONSE(FIRST) ->
			MUST(L7, MINUS(rsp_prod, rsp_cons) >= 2 && slot[PLUS(rsp_cons, 1) % N] == RESPONSE(SECOND));
			rsp_cons = PLUS(rsp_cons, 2)
		:: else ->
			MUST(L7, slot[rsp_cons % N] == RESPONSE(SINGLE));
			rsp_cons = PLUS(rsp_cons, 1)
		fi
	od;
	done = true
}

#define MAY_DIE if :: crashes < CRASHES -> crashes++; goto reset :: skip fi

inline publish(from, upto)
{
	i = from;
	do
	:: i != upto ->
		slot[i % N] = RESPONSE(entry[i % N]); i = PLUS(i, 1); MAY_DIE;
#ifdef PUBLISH_BY_SLOT
		rsp_prod = i; MAY_DIE
#endif
	:: else -> break
	od;
	rsp_prod = upto; MAY_DIE
}

inline write_entry(part)
{
	entry[i % N] = part; i = PLUS(i, 1); MAY_DIE;
#ifdef COMMIT_BY_SLOT
	commit = i; MAY_DIE
#endif
}

/* Work on the packet at `upto`, and move `upto` behind it. */
inline take_packet()
{
	i = upto;
	if
#ifdef RECEIVE
	:: write_entry(SINGLE)
	:: MINUS(req_prod, upto) >= 2 -> write_entry(FIRST); write_entry(SECOND)
#else
	:: slot[upto % N] == SINGLE -> write_entry(SINGLE)
	:: else ->
		MUST(L6, slot[upto % N] == FIRST && MINUS(req_prod, upto) >= 2 && slot[PLUS(upto, 1) % N] == SECOND);
		write_entry(FIRST); write_entry(SECOND)
#endif
	fi;
	upto = i
}

proctype back()
{
	byte cons, upto, i;

take_over:
	if :: commit != rsp_prod -> publish(rsp_prod, commit) :: else fi;
	cons = commit;
	do
	:: cons != req_prod ->
		upto = cons;
		do			/* a batch of one packet to all of them */
		:: upto != req_prod -> take_packet()
		:: upto != cons -> break
		od;
		commit = upto; MAY_DIE;
		publish(cons, upto);
		cons = upto
	:: cons == req_prod && done -> goto out
	od;
reset:
	atomic { cons = 0; upto = 0; i = 0 };
	goto take_over;
out:	skip
}

init { atomic { run front(); run back() } }
