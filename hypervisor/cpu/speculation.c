/* SPDX-License-Identifier: MIT */
/* Which leaks this machine has, and what is done about them: docs/decisions/speculation.md. */
#include "cpu/speculation.h"

#include "cpu/features.h"
#include "cpu/ops.h"

#define MSR_SPEC_CTRL		0x48
#define MSR_ARCH_CAPABILITIES	0x10a
#define SPEC_CTRL_IBRS		1ULL
#define PRED_CMD_IBPB		1ULL

#define ARCH_RDCL_NO		(1ULL << 0)
#define ARCH_IBRS_ALL		(1ULL << 1)
#define ARCH_MDS_NO		(1ULL << 5)

bool speculation_clear_buffers;
uint64_t speculation_l1tf_limit;

static bool has_mds, has_enhanced_ibrs;

/* A CPU of Intel's that does not say that it is safe, is not. L1TF goes with Meltdown. */
void speculation_init(void)
{
	uint64_t capabilities = cpu_features.arch_capabilities ? msr_read(MSR_ARCH_CAPABILITIES) : 0;
	bool is_intel = cpu_features.vendor == VENDOR_INTEL, has_meltdown = is_intel && !(capabilities & ARCH_RDCL_NO);

	has_mds = is_intel && !(capabilities & ARCH_MDS_NO);
	has_enhanced_ibrs = cpu_features.ibrs && capabilities & ARCH_IBRS_ALL;

	speculation_clear_buffers = has_mds && cpu_features.md_clear;
	/* The L1 cache compares so many bits of an address; no RAM of ours lies above the machine's address space. */
	speculation_l1tf_limit = has_meltdown ? 1ULL << (cpu_features.address_bits - 1) : 0;
}

void speculation_enable(void)
{
	if (has_enhanced_ibrs)
		msr_write(MSR_SPEC_CTRL, SPEC_CTRL_IBRS);
}

void speculation_report(void)
{
	log_info("Speculation: retpolines%s%s%s%s\n", cpu_features.ibpb ? ", IBPB between domains" : "",
		 has_enhanced_ibrs ? ", IBRS always on" : "",
		 speculation_clear_buffers ? ", buffers cleared on return" : "",
		 speculation_l1tf_limit ? ", L1TF entries refused" : "");
	if (speculation_l1tf_limit)
		log_warning("This CPU has Meltdown, which is not mitigated: a guest can read all memory. "
			    "Run only guests that you trust.\n");
	if (!cpu_features.ibpb)
		log_warning("This CPU has no IBPB: domains can steer each other's branch predictions.\n");
	if (has_mds && !speculation_clear_buffers)
		log_warning("This CPU has MDS and no microcode against it: guests can sample others' data.\n");
}

bool speculation_barrier(void)
{
	if (cpu_features.ibpb)
		msr_write(MSR_PRED_CMD, PRED_CMD_IBPB);
	return cpu_features.ibpb;
}

/*
 * A domain that finds its CPU idle since it last ran meets only its own predictions: no barrier. By its id, which is not soon
 * another's: where it lay another may lie.
 */
void speculation_switch_domain(void)
{
	static domid_t last[MAX_CPUS];
	struct cpu *cpu = this_cpu();

	if (last[cpu->id] != cpu->current->domain->id && !speculation_barrier())
		return;
	last[cpu->id] = cpu->current->domain->id;
}
