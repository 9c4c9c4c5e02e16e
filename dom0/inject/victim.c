/* SPDX-License-Identifier: MIT */
#include "inject/victim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#define PTE_PRESENT	1UL
#define PTE_FRAME	0x000ffffffffff000UL
#define STEPS		100u		/* in which an instruction of one byte is left behind */
#define URGENT		-20
#define LOOK_NS		200000u		/* between two looks where it is */

static const uint8_t jump_to_itself[2] = { 0xeb, 0xfe };

static void find_kick_port(struct victim *victim);

/* ---- who it is ---- */

int victim_open(struct victim *victim, domid_t id, const char *image, volatile struct fault_page *page)
{
	int result;

	*victim = (struct victim){ .id = id, .page = page };
	result = core_open(&victim->core);
	if (result)
		return result;
	result = image_open(&victim->image, image);
	if (result)
		core_close(&victim->core);
	return result;
}

static void close_windows(struct victim *victim)
{
	while (victim->windows)
		core_unmap(&victim->core, victim->window[--victim->windows].at, 1);
}

/* V4. Until it is free again nobody is more urgent than we. */
static void hold(struct victim *victim, bool is_on)
{
	uint32_t steps = victim->page->steps;

	if (steps % 2 == is_on)
		return;
	__atomic_store_n(&victim->page->steps, steps + 1, __ATOMIC_SEQ_CST);
	(void)setpriority(PRIO_PROCESS, 0, is_on ? URGENT : 0);
}

void victim_obstruct(struct victim *victim, bool is_on)
{
	victim->is_obstructed = is_on;
	hold(victim, is_on || victim->is_paused);
}

void victim_leave(struct victim *victim)
{
	close_windows(victim);
	victim_obstruct(victim, false);
	if (victim->is_paused)
		(void)victim_go(victim);
}

void victim_close(struct victim *victim)
{
	victim_leave(victim);
	free(victim->candidates.address);
	image_close(&victim->image);
	core_close(&victim->core);
}

int victim_begin(struct victim *victim)
{
	struct skink_driver_info info;
	int result = core_driver_info(&victim->core, victim->id, &info);

	if (!result && info.state != SKINK_DRIVER_SERVING)
		result = -EAGAIN;
	victim->generation = info.generation;
	memset(victim->place, 0, sizeof(victim->place));
	if (!result)
		find_kick_port(victim);
	return result;
}

bool victim_is_the_same(struct victim *victim)
{
	struct skink_driver_info info;

	return !core_driver_info(&victim->core, victim->id, &info) && info.state == SKINK_DRIVER_SERVING &&
	       info.generation == victim->generation;
}

/* ---- its registers ---- */

int victim_look(struct victim *victim)
{
	memset(&victim->context, 0, sizeof(victim->context));
	return core_vcpu_context_get(&victim->core, victim->id, 0, &victim->context);
}

static void say_pause(struct victim *victim, enum fault_pause pause)
{
	__atomic_store_n(&victim->page->pause, pause, __ATOMIC_SEQ_CST);
}

int victim_pause(struct victim *victim)
{
	int result = 0;

	hold(victim, true);
	if (!victim->is_paused) {
		say_pause(victim, FAULT_PAUSING);
		result = core_domain_pause(&victim->core, victim->id);
		say_pause(victim, result ? FAULT_FREE : FAULT_PAUSED);
	}
	victim->is_paused = !result;
	return result ? result : victim_look(victim);
}

int victim_go(struct victim *victim)
{
	int result;

	victim->is_paused = false;
	say_pause(victim, FAULT_FREEING);
	result = core_domain_unpause(&victim->core, victim->id);
	say_pause(victim, FAULT_FREE);
	hold(victim, victim->is_obstructed);
	return result;
}

int victim_set(struct victim *victim)
{
	return core_vcpu_context_set(&victim->core, victim->id, 0, &victim->context);
}

/* ---- its memory ---- */

/* Tables are mapped to be read, and no longer than that: they may not be written by anybody. */
bool victim_entry(struct victim *victim, uint64_t table, uint64_t index, uint64_t *entry)
{
	xen_pfn_t mfn = table;
	const uint64_t *at = core_map(&victim->core, victim->id, PROT_READ, &mfn, 1);

	if (!at)
		return false;
	*entry = at[index];
	core_unmap(&victim->core, (void *)(uintptr_t)at, 1);
	return *entry & PTE_PRESENT;
}

bool victim_frame(struct victim *victim, uint64_t address, uint64_t *entry)
{
	uint64_t table = victim->context.ctrlreg[3] >> FRAME_SHIFT;

	for (unsigned int shift = 39; shift >= FRAME_SHIFT; shift -= 9) {
		if (!victim_entry(victim, table, address >> shift & 511, entry))
			return false;
		table = (*entry & PTE_FRAME) >> FRAME_SHIFT;
	}
	return true;
}

static uint8_t *window_on(struct victim *victim, uint64_t mfn, bool is_writable)
{
	xen_pfn_t frame = mfn;
	uint8_t *at;

	for (uint32_t i = 0; i < victim->windows; i++)
		if (victim->window[i].mfn == mfn && victim->window[i].is_writable >= is_writable)
			return victim->window[i].at;
	at = core_map(&victim->core, victim->id, PROT_READ | (is_writable ? PROT_WRITE : 0), &frame, 1);
	if (!at)
		return NULL;
	if (victim->windows == WINDOWS)
		close_windows(victim);
	victim->window[victim->windows++] = (struct window){ mfn, at, is_writable };
	return at;
}

/* What is mapped from its frame 0 on stays where it is: that is not looked up again in its tables. */
static bool frame_behind(struct victim *victim, uint64_t address, uint64_t *mfn)
{
	uint64_t page = address >> FRAME_SHIFT, slot = page % PLACES, entry;

	if (victim->place[slot].page != page) {
		if (!victim_frame(victim, address, &entry))
			return false;
		*mfn = (entry & PTE_FRAME) >> FRAME_SHIFT;
		if (address < victim->image.base)
			return true;
		victim->place[slot].page = page;
		victim->place[slot].mfn = *mfn;
	}
	*mfn = victim->place[slot].mfn;
	return true;
}

static bool move(struct victim *victim, uint64_t address, uint8_t *to, const uint8_t *from, size_t bytes)
{
	while (bytes) {
		size_t offset = address % FRAME_BYTES, here = FRAME_BYTES - offset < bytes ? FRAME_BYTES - offset : bytes;
		uint64_t mfn;
		uint8_t *at;

		if (!frame_behind(victim, address, &mfn))
			return false;
		at = window_on(victim, mfn, from);
		if (!at)
			return false;
		if (to)
			memcpy(to, at + offset, here);
		else
			memcpy(at + offset, from, here);
		to = to ? to + here : NULL;
		from = from ? from + here : NULL;
		address += here;
		bytes -= here;
	}
	return true;
}

bool victim_read(struct victim *victim, uint64_t address, void *to, size_t bytes)
{
	return move(victim, address, to, NULL, bytes);
}

bool victim_write(struct victim *victim, uint64_t address, const void *from, size_t bytes)
{
	return move(victim, address, NULL, from, bytes);
}

struct shared_info *shared_info_of(struct victim *victim)
{
	struct xen_domctl_getdomaininfo info;

	if (core_domain_info(&victim->core, victim->id, &info))
		return NULL;
	return (struct shared_info *)(void *)window_on(victim, info.shared_info_frame, true);
}

/* ---- what Dom0 has told it ---- */

bool victim_start_info(struct victim *victim, start_info_t *info)
{
	const struct symbol *symbol = image_symbol(&victim->image, "boot_info");
	uint64_t at;

	return symbol && victim_read(victim, symbol->address, &at, sizeof(at)) && victim_read(victim, at, info, sizeof(*info));
}

bool victim_table(struct victim *victim, uint64_t *address, struct driver_table *table)
{
	start_info_t info;

	if (!victim_start_info(victim, &info) || !victim_read(victim, info.mod_start, table, sizeof(*table)))
		return false;
	*address = info.mod_start;
	return table->magic == DRIVER_TABLE_MAGIC && table->attachment_count <= DRIVER_ATTACHMENTS_MAX;
}

static void find_kick_port(struct victim *victim)
{
	struct evtchn_status status;
	struct driver_table table;
	uint64_t address;

	victim->kick_port = 0;
	if (victim_look(victim) || !victim_table(victim, &address, &table))
		return;
	victim->driver_port = table.control_port;
	if (!core_port_status(&victim->core, victim->id, table.control_port, &status) && status.status == EVTCHNSTAT_interdomain &&
	    status.u.interdomain.dom == 0)
		victim->kick_port = status.u.interdomain.port;
}

/* ---- where it is ---- */

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum reached wait_at(struct victim *victim, uint64_t address, uint32_t limit_ms)
{
	const struct timespec pause = { 0, LOOK_NS };
	uint64_t end = now_ms() + limit_ms;

	for (;;) {
		bool is_late = now_ms() >= end;

		if (victim_look(victim))
			return GONE;
		if (victim->context.user_regs.rip == address)
			return REACHED;
		if (is_late)
			return NOT_REACHED;
		nanosleep(&pause, NULL);
	}
}

/* An instruction of one byte has just been executed: the second byte of the jump would be in its way. */
static bool step_over(struct victim *victim, uint64_t address)
{
	const struct timespec while_it_steps = { 0, LOOK_NS };

	for (unsigned int i = 0; i < STEPS && !victim_pause(victim); i++) {
		if (victim->context.user_regs.rip != address + 1)
			return true;
		if (victim_go(victim))
			break;
		nanosleep(&while_it_steps, NULL);	/* with one CPU it runs when nobody else does */
	}
	return false;
}

enum reached victim_reach(struct victim *victim, uint64_t address, uint32_t limit_ms)
{
	uint8_t original[2];
	enum reached reached;

	if (!step_over(victim, address) || !victim_is_the_same(victim) || !victim_read(victim, address, original, sizeof(original)))
		return GONE;
	victim_obstruct(victim, true);
	if (!victim_write(victim, address, jump_to_itself, sizeof(jump_to_itself)) || victim_go(victim))
		return GONE;
	if (victim->kick_port)
		(void)core_port_send(&victim->core, victim->kick_port);
	reached = wait_at(victim, address, limit_ms);
	if (victim_pause(victim) || !victim_is_the_same(victim))	/* V3: a reset has restored it */
		return GONE;
	if (victim->context.user_regs.rip == address)
		reached = REACHED;
	if (!victim_write(victim, address, original, sizeof(original)))		/* V2 */
		return GONE;
	victim_obstruct(victim, false);
	if (reached != REACHED && victim_go(victim))
		return GONE;
	return reached;
}
