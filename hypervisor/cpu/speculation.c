/* SPDX-License-Identifier: MIT */
/* Which leaks this machine has, and what is done about them: docs/decisions/speculation.md. */
#include "cpu/speculation.h"

#include "cpu/cpu.h"
#include "cpu/features.h"
#include "cpu/ops.h"
#include "domain/vcpu.h"
#include "lib/log.h"
#include "lib/string.h"

#define MSR_SPEC_CTRL		0x48
#define MSR_PRED_CMD		0x49
#define MSR_ARCH_CAPABILITIES	0x10a
#define SPEC_CTRL_IBRS		1ULL
#define PRED_CMD_IBPB		1ULL

#define ARCH_RDCL_NO		(1ULL << 0)
#define ARCH_IBRS_ALL		(1ULL << 1)
#define ARCH_MDS_NO		(1ULL << 5)

bool speculation_clear_buffers;
uint64_t speculation_l1tf_limit;

static struct {
	bool is_intel;
	bool is_affected_by_mds;
	bool has_md_clear;
	bool has_enhanced_ibrs;
} machine;

/* Atoms that do not speculate at all, and everything that is not Intel's, have neither Meltdown nor L1TF. */
static bool is_in_order_atom(void)
{
	static const uint8_t models[] = { 0x1c, 0x26, 0x27, 0x35, 0x36 };

	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		if (cpu_features.model == models[i])
			return true;
	return false;
}

void speculation_init(void)
{
	uint64_t capabilities = 0;
	uint32_t out[4] = { 0 };

	machine.is_intel = !strcmp(cpu_features.vendor, "GenuineIntel");
	if (cpu_features.max_leaf >= 7)
		cpuid_read(7, 0, out);
	if (out[3] >> 29 & 1)
		capabilities = msr_read(MSR_ARCH_CAPABILITIES);

	cpu_features.rdcl_no = capabilities & ARCH_RDCL_NO || !machine.is_intel ||
			       cpu_features.family != 6 || is_in_order_atom();
	machine.is_affected_by_mds = machine.is_intel && cpu_features.family == 6 && !(capabilities & ARCH_MDS_NO) &&
				     !is_in_order_atom();
	machine.has_md_clear = out[3] >> 10 & 1;
	machine.has_enhanced_ibrs = cpu_features.ibrs && capabilities & ARCH_IBRS_ALL;

	speculation_clear_buffers = machine.is_affected_by_mds && machine.has_md_clear;
	/* The L1 cache compares so many bits of an address; no RAM of ours lies above the machine's address space. */
	speculation_l1tf_limit = cpu_features.rdcl_no ? 0 : 1ULL << (cpu_features.address_bits - 1);
}

void speculation_enable(void)
{
	if (machine.has_enhanced_ibrs)
		msr_write(MSR_SPEC_CTRL, SPEC_CTRL_IBRS);
}

void speculation_report(void)
{
	log_info("Speculation: retpolines%s%s%s%s\n", cpu_features.ibpb ? ", IBPB between domains" : "",
		 machine.has_enhanced_ibrs ? ", IBRS always on" : "",
		 speculation_clear_buffers ? ", buffers cleared on return" : "",
		 speculation_l1tf_limit ? ", L1TF entries refused" : "");
	if (!cpu_features.rdcl_no)
		log_warning("This CPU has Meltdown, which is not mitigated: a guest can read all memory. "
			    "Run only guests that you trust.\n");
	if (!cpu_features.ibpb)
		log_warning("This CPU has no IBPB: domains can steer each other's branch predictions.\n");
	if (machine.is_affected_by_mds && !machine.has_md_clear)
		log_warning("This CPU has MDS and no microcode against it: guests can sample others' data.\n");
}

bool speculation_barrier(void)
{
	if (cpu_features.ibpb)
		msr_write(MSR_PRED_CMD, PRED_CMD_IBPB);
	return cpu_features.ibpb;
}

/* A domain that finds its CPU idle since it last ran meets only its own predictions: no barrier. */
void speculation_switch_domain(void)
{
	static const struct domain *last[MAX_CPUS];
	struct cpu *cpu = this_cpu();

	if (last[cpu->id] != cpu->current->domain && !speculation_barrier())
		return;
	last[cpu->id] = cpu->current->domain;
}
