/* SPDX-License-Identifier: MIT */
/*
 * Why a take-over waits for the device (protocols/ledger.md, section 4, step 1): K writes to one sector, each asked for when the one
 * before it is answered; a device that carries out what it was given in any order and outlives its driver; a back-end that may be
 * reset between any two of its steps and redoes what is not committed.
 *
 * L10  What was answered stays done: after the answer to a write, the sector has it until another is asked for.
 * L4   Every write is answered: there is no invalid end state.
 *
 * Mutants, by -D:
 *   NO_FENCE     the successor begins while the device still has commands of its predecessor
 *   EARLY_COMMIT an answer is committed when the device has the command instead of when it is done
 */
#define K 3
#define CRASHES 2

hidden byte L10;

byte asked = 0, answered = 0, sector = 0;
byte commit = 0;			/* in the ledger */
byte crashes = 0;

/* The device: how often it still has to write each value, and what it has completed for the living generation. */
byte queued[K + 1];
byte completed = 0;

proctype front()
{
	do
	:: answered == asked && asked < K -> asked++
	:: answered == K -> break
	od
}

proctype device()
{
	byte value;

	do
	:: atomic { value = 1;
		do
		:: value < K -> value++
		:: break
		od;
		if :: queued[value] > 0 -> queued[value]--; sector = value; completed = value :: else fi };
		d_step { L10 = answered != asked || sector == answered; assert(L10) }
	:: answered == K -> break
	od
}

#define MAY_DIE if :: crashes < CRASHES -> crashes++; goto reset :: skip fi

proctype back()
{
take_over:
	answered = commit;
	do
	:: asked == commit + 1 ->
		queued[asked]++; MAY_DIE;
#ifndef EARLY_COMMIT
		completed == asked; MAY_DIE;
#endif
		commit = asked; MAY_DIE;
		d_step { answered = commit; L10 = sector == answered; assert(L10) };
		MAY_DIE
	:: commit == K -> goto out
	od;
reset:
	atomic {
		completed = 0;
#ifndef NO_FENCE
		queued[1] = 0; queued[2] = 0; queued[3] = 0
#endif
	};
	goto take_over;
out:	skip
}

init { atomic { run front(); run device(); run back() } }
