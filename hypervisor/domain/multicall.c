/* SPDX-License-Identifier: MIT */
/*
 * Many hypercalls in one.
 *
 * M1  The result of each entry is in the guest's memory before the next entry is read.
 * M2  An entry that was stopped half way is written back as what is left to do, and the multicall continues with it.
 */
#include "include/types.h"

#include <xen/xen.h>

#include "cpu/cpu.h"
#include "cpu/uaccess.h"
#include "domain/dispatch.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "include/errno.h"

struct multicall_run {
	struct multicall_entry entry;	/* the core's copy */
	bool is_continued;		/* M2 */
};

long multicall_continue(struct vcpu *vcpu, uint32_t number, const uint64_t *words, uint32_t count)
{
	struct multicall_run *run = container_of(vcpu->multicall, struct multicall_run, entry);

	run->is_continued = true;
	run->entry.op = number;
	for (uint32_t i = 0; i < count; i++)
		run->entry.args[i] = words[i];
	return 0;
}

/* Does the entry at `address`. */
static int run_entry(struct vcpu *vcpu, uint64_t address, struct multicall_run *run)
{
	struct multicall_entry *entry = &run->entry;
	uint64_t words[HYPERCALL_WORDS];

	run->is_continued = false;
	if (guest_read(entry, address, sizeof(*entry)))
		return -EFAULT;
	for (uint32_t i = 0; i < HYPERCALL_WORDS; i++)
		words[i] = entry->args[i];

	vcpu->multicall = entry;
	entry->result = (uint64_t)hypercall_run(entry->op, words);
	vcpu->multicall = NULL;

	if (run->is_continued)
		return guest_write(address, entry, sizeof(*entry));
	return guest_write(address + offsetof(struct multicall_entry, result), &entry->result,
			   sizeof(entry->result));
}

long do_multicall(uint64_t calls, uint64_t count)
{
	struct vcpu *vcpu = current_vcpu();
	struct multicall_run run;

	for (count = (uint32_t)count; count; count--, calls += sizeof(run.entry)) {
		int error = run_entry(vcpu, calls, &run);

		if (error)
			return error;
		if (read_once(&vcpu->domain->is_shut_down))
			return 0;
		if (run.is_continued)
			return hypercall_continue(__HYPERVISOR_multicall, 2, calls, count);
		if (count > 1 && preempt_needed())
			return hypercall_continue(__HYPERVISOR_multicall, 2, calls + sizeof(run.entry), count - 1);
	}
	return 0;
}
