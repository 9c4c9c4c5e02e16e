/* SPDX-License-Identifier: MIT */
/* A driver that takes what it has no use for. Where it stands, a loop takes its code's place, and it never leaves that. */
#include "inject/faults.h"

#include <string.h>

#include <xen/xen.h>

#define LINE		"injected: a line for the log, one of very many\n"

static void put(uint8_t **to, const void *from, size_t bytes)
{
	memcpy(*to, from, bytes);
	*to += bytes;
}

static enum injected loop(struct victim *victim, struct fault *fault, const struct found *found, const uint8_t *code, size_t bytes, const char *how)
{
	enum injected result = fault_write(victim, fault, found->address, code, bytes);

	if (result == INJECTED)
		fault_activated(fault, true, how);
	return result;
}

/* Sleeping is nothing any more: it looks for work again and again. */
enum injected fault_hog_cpu(struct victim *victim, struct fault *fault)
{
	static const uint8_t ret[] = { 0xc3 };
	struct found found;
	enum injected result = reach_function(victim, fault, "event_block", NULL, &found);

	return result == INJECTED ? loop(victim, fault, &found, ret, sizeof(ret), "it does not sleep any more") : result;
}

enum injected fault_hog_hypercalls(struct victim *victim, struct fault *fault)
{
	static const uint8_t code[] = {
		0xb8, __HYPERVISOR_xen_version, 0, 0, 0,	/* mov $xen_version,%eax */
		0x31, 0xff,					/* xor %edi,%edi: XENVER_version */
		0x0f, 0x05,					/* syscall */
		0xeb, 0xf5,					/* jmp to the first */
	};
	struct found found;
	enum injected result = reach_any(victim, fault, MUTATION_FLIP, NULL, &found);

	return result == INJECTED ? loop(victim, fault, &found, code, sizeof(code), "it calls the core without end") : result;
}

enum injected fault_hog_events(struct victim *victim, struct fault *fault)
{
	static const uint8_t begin[] = { 0xb8, __HYPERVISOR_event_channel_op, 0, 0, 0, 0xbf, EVTCHNOP_send, 0, 0, 0, 0x48, 0xbe };
	static const uint8_t end[] = { 0x0f, 0x05, 0xeb, 0xe8 };
	struct evtchn_send send;
	struct driver_table table;
	struct found found;
	enum injected result = reach_any(victim, fault, MUTATION_FLIP, NULL, &found);
	uint64_t address, at;
	uint8_t code[sizeof(begin) + 8 + sizeof(end)], *to = code;

	if (result != INJECTED)
		return result;
	at = below_stack(victim);
	if (!victim_table(victim, &address, &table))
		return NOT_INJECTED;
	send.port = table.control_port;
	if (!victim_write(victim, at, &send, sizeof(send)))
		return VICTIM_GONE;
	put(&to, begin, sizeof(begin));			/* mov $32,%eax; mov $4,%edi; movabs $at,%rsi */
	put(&to, &at, sizeof(at));
	put(&to, end, sizeof(end));			/* syscall; jmp to the first */
	return loop(victim, fault, &found, code, sizeof(code), "it sends Domain-0 events without end");
}

enum injected fault_hog_log(struct victim *victim, struct fault *fault)
{
	static const uint8_t begin[] = { 0x48, 0xbf }, middle[] = { 0xbe, sizeof(LINE) - 1, 0, 0, 0, 0x48, 0xb8 }, end[] = { 0xff, 0xd0, 0xeb, 0xe3 };
	const struct symbol *log = image_symbol(&victim->image, "driver_domain_log");
	struct found found;
	enum injected result = log ? reach_any(victim, fault, MUTATION_FLIP, NULL, &found) : NO_TARGET;
	uint8_t code[sizeof(begin) + 8 + sizeof(middle) + 8 + sizeof(end)], *to = code;
	uint64_t at;

	if (result != INJECTED)
		return result;
	at = below_stack(victim);
	if (!victim_write(victim, at, LINE, sizeof(LINE)))
		return VICTIM_GONE;
	victim->context.user_regs.rsp = at - 16;		/* the function has a frame of its own below the text */
	if (victim_set(victim))
		return VICTIM_GONE;
	put(&to, begin, sizeof(begin));			/* movabs $at,%rdi; mov $bytes,%esi; movabs $driver_domain_log,%rax */
	put(&to, &at, sizeof(at));
	put(&to, middle, sizeof(middle));
	put(&to, &log->address, sizeof(log->address));
	put(&to, end, sizeof(end));			/* call *%rax; jmp to the first */
	return loop(victim, fault, &found, code, sizeof(code), "it writes to its log without end");
}
