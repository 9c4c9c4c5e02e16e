/* SPDX-License-Identifier: MIT */
/* Privileged instructions and their like, one inline function each. Only boot/, cpu/ and iommu/ include this. */
#ifndef SKINK_OPS_H		/* not `#pragma once`: the unit tests have an ops.h of their own */
#define SKINK_OPS_H

/* An entry of the table of instructions that may fault: a fault at `at` goes on at `to`. */
#define EXTABLE(at, to)						\
	".pushsection .extable, \"a\"\n\t"			\
	".balign 4\n\t"						\
	".long (" at ") - ., (" to ") - .\n\t"			\
	".popsection\n\t"

/* port_in8(port), port_out8(port, value) and so on */
#define OPS_PORT(bits, suffix)								\
	static inline uint##bits##_t port_in##bits(uint16_t port)			\
	{										\
		uint##bits##_t value;							\
											\
		asm volatile("in" #suffix " %1, %0" : "=a"(value) : "Nd"(port));	\
		return value;								\
	}										\
	static inline void port_out##bits(uint16_t port, uint##bits##_t value)		\
	{										\
		asm volatile("out" #suffix " %0, %1" : : "a"(value), "Nd"(port));	\
	}

OPS_PORT(8, b)
OPS_PORT(16, w)
OPS_PORT(32, l)

static inline uint64_t msr_read(uint32_t msr)
{
	uint32_t low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* False, and 0 in *value, if the machine has no such register. */
MUST_CHECK static inline bool msr_read_safe(uint32_t msr, uint64_t *value)
{
	uint32_t low = 0, high = 0;
	bool ok = false;

	asm volatile("1: rdmsr\n\tmovb $1, %0\n\t2:\n\t" EXTABLE("1b", "2b")
		     : "+q"(ok), "+a"(low), "+d"(high) : "c"(msr));
	*value = (uint64_t)high << 32 | low;
	return ok;
}

/* out: eax, ebx, ecx, edx */
static inline void cpuid_read(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	asm volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
		     : "a"(leaf), "c"(subleaf));
}

/* Ordered after earlier loads. */
static inline uint64_t tsc_read(void)
{
	uint32_t low, high;

	asm volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

#define OPS_CONTROL_REGISTER(n)								\
	static inline uint64_t cr##n##_read(void)					\
	{										\
		uint64_t value;								\
											\
		asm volatile("mov %%cr" #n ", %0" : "=r"(value) : : "memory");		\
		return value;								\
	}										\
	static inline void cr##n##_write(uint64_t value)				\
	{										\
		asm volatile("mov %0, %%cr" #n : : "r"(value) : "memory");		\
	}

OPS_CONTROL_REGISTER(0)
OPS_CONTROL_REGISTER(2)
OPS_CONTROL_REGISTER(3)
OPS_CONTROL_REGISTER(4)

#define CR0_TS		(1ULL << 3)
#define CR4_TSD		(1ULL << 2)
#define CR4_DE		(1ULL << 3)
#define CR4_PAE		(1ULL << 5)
#define CR4_PGE		(1ULL << 7)
#define CR4_OSFXSR	(1ULL << 9)
#define CR4_OSXMMEXCPT	(1ULL << 10)
#define CR4_OSXSAVE	(1ULL << 18)
#define CR4_SMEP	(1ULL << 20)
#define CR4_SMAP	(1ULL << 21)

static inline void interrupts_disable(void) { asm volatile("cli" : : : "memory"); }
static inline void clts(void) { asm volatile("clts" : : : "memory"); }
static inline void cpu_pause(void) { asm volatile("pause" : : : "memory"); }

/* Waits for an interrupt and takes it; one that is pending already is not missed. */
static inline void cpu_hlt_enabled(void) { asm volatile("sti\n\thlt\n\tcli" : : : "memory"); }

/* With interrupts off: for ever, but for an NMI. */
static inline void cpu_hlt(void) { asm volatile("hlt" : : : "memory"); }

static inline void invlpg(uint64_t address) { asm volatile("invlpg (%0)" : : "r"(address) : "memory"); }

/* The operand of lgdt, lidt. */
struct descriptor_pointer {
	uint16_t limit;
	uint64_t base;
} PACKED;

static inline void lgdt(const struct descriptor_pointer *table) { asm volatile("lgdt %0" : : "m"(*table)); }
static inline void lidt(const struct descriptor_pointer *table) { asm volatile("lidt %0" : : "m"(*table)); }
static inline void lldt(uint16_t selector) { asm volatile("lldt %0" : : "r"(selector) : "memory"); }
static inline void ltr(uint16_t selector) { asm volatile("ltr %0" : : "r"(selector) : "memory"); }

#define MSR_APIC_BASE		0x1b
#define MSR_PRED_CMD		0x49
#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176
#define MSR_TSC_DEADLINE	0x6e0
#define MSR_EFER		0xc0000080
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_CSTAR		0xc0000083
#define MSR_SFMASK		0xc0000084
#define MSR_FS_BASE		0xc0000100
#define MSR_GS_BASE		0xc0000101
#define MSR_KERNEL_GS_BASE	0xc0000102

#endif
