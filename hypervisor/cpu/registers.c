/* SPDX-License-Identifier: MIT */
/*
 * Registers that are switched with a vcpu. FPU state: in each vcpu, a standard-format XSAVE area (or FXSAVE).
 * P1  All components that any guest may switch on are saved and loaded, whatever a vcpu's own XCR0: so nothing of it is
 *     left behind when the guest switches one off, and nothing of another is found when it switches one on.
 */
#include "cpu/registers.h"

#include "cpu/features.h"
#include "cpu/ops.h"
#include "cpu/traps.h"
#include "domain/hypercall.h"

#define FCW_RESET	0x37f
#define MXCSR_RESET	0x1f80
#define MXCSR_VALID	0xffff

struct fpu_area {
	uint16_t fcw, fsw;		/* the FXSAVE area, of which these are all that we name */
	uint8_t skip1[20];
	uint32_t mxcsr, mxcsr_mask;
	uint8_t skip2[480];
	uint64_t present;		/* XSAVE header: components that are not in their initial state */
	uint8_t more[FPU_BYTES - 520];
};
_Static_assert(offsetof(struct fpu_area, present) == 512, "XSAVE header");
_Static_assert(sizeof(struct fpu_area) == FPU_BYTES, "vcpu->fpu");

static struct fpu_area *area_of(struct vcpu *vcpu) { return (struct fpu_area *)(void *)vcpu->fpu; }

/* xsetbv is slow, and slower inside a virtual machine: not for nothing. The upper half is 0 always. */
static void xcr0_load(uint64_t value)
{
	uint32_t now, high;

	asm volatile("xgetbv" : "=a"(now), "=d"(high) : "c"(0));
	if (now != value)
		asm volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"(0) : "memory");
}

void fpu_vcpu_init(struct vcpu *vcpu)
{
	struct fpu_area *area = area_of(vcpu);

	ASSERT(cpu_features.xsave_bytes <= sizeof(*area), "domain/vcpu.h: FPU_BYTES");
	area->fcw = FCW_RESET;
	area->mxcsr = MXCSR_RESET;
	area->present = vcpu->xcr0 = XCR0_X87 | XCR0_SSE;
}

void fpu_save(struct vcpu *vcpu)
{
	struct fpu_area *area = area_of(vcpu);

	clts();
	if (cpu_features.xsave) {
		xcr0_load(cpu_features.xcr0_mask);	/* P1 */
		asm volatile("xsave64 %0" : "+m"(*area) : "a"((uint32_t)cpu_features.xcr0_mask), "d"(0) : "memory");
	} else {
		asm volatile("fxsave64 %0" : "=m"(*area) : : "memory");
	}
}

void fpu_load(struct vcpu *vcpu)
{
	static const uint32_t zero;
	const struct fpu_area *area = area_of(vcpu);

	/*
	 * Some of AMD's CPUs leave FIP, FDP and FOP alone unless an exception is pending: those of another guest must
	 * not be seen, so a harmless load overwrites them first.
	 */
	if (cpu_features.vendor == VENDOR_AMD && !(area->fsw & 0x80))
		asm volatile("fnclex\n\temms\n\tfildl %0" : : "m"(zero));
	if (cpu_features.xsave) {
		xcr0_load(cpu_features.xcr0_mask);
		asm volatile("xrstor64 %0" : : "m"(*area), "a"((uint32_t)cpu_features.xcr0_mask), "d"(0) : "memory");
		xcr0_load(vcpu->xcr0);
	} else {
		asm volatile("fxrstor64 %0" : : "m"(*area) : "memory");
	}
	if (vcpu->guest_cr0_ts)
		cr0_write(cr0_read() | CR0_TS);
}

long do_fpu_taskswitch(uint64_t set)
{
	struct vcpu *vcpu = current_vcpu();

	vcpu->guest_cr0_ts = set != 0;
	if (set)
		cr0_write(cr0_read() | CR0_TS);
	else
		clts();
	return 0;
}

void fpu_no_device(struct vcpu *vcpu)
{
	clts();
	if (vcpu->guest_cr0_ts) {
		vcpu->guest_cr0_ts = 0;
		trap_inject(vcpu, TRAP_NO_DEVICE);
	}
}

/* x87, and SSE, and AVX, and AVX-512: each needs those before it. */
static bool xcr0_is_valid(uint64_t value)
{
	return (value == 0x1 || value == 0x3 || value == 0x7 || value == 0xe7) && !(value & ~cpu_features.xcr0_mask);
}

bool fpu_set_xcr0(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	if (index != 0 || !cpu_features.xsave || !xcr0_is_valid(value))
		return false;
	vcpu->xcr0 = value;
	xcr0_load(value);
	return true;
}

void fpu_set_registers(struct vcpu *vcpu, const void *fxsave)
{
	struct fpu_area *area = area_of(vcpu);

	memcpy(area, fxsave, 512);
	/* A reserved bit in MXCSR would make our own xrstor fault. */
	area->mxcsr &= MXCSR_VALID;
	area->present = XCR0_X87 | XCR0_SSE;
}

/* ---- debug registers: what a guest may set, and what of it the machine gets ---- */

#define DR6_WRITABLE	0xe00fULL		/* B0-B3, BD, BS, BT */
#define DR7_WRITABLE	0xffff03ffULL		/* L, G, LE, GE; not RTM, not GD; types and lengths */
#define DR7_GENERAL_DETECT (1ULL << 13)

enum { BREAK_EXECUTE, BREAK_WRITE, BREAK_IO, BREAK_READ_WRITE };

#define DEBUG_WRITE(n, value) asm volatile("mov %0, %%db" #n : : "r"(value))

static bool is_active(const struct vcpu *vcpu) { return vcpu->debug_register[7] & DR7_ENABLES; }

/* B2; and an instruction has no length. */
static bool control_ok(uint64_t control)
{
	if (control >> 32 || control & DR7_GENERAL_DETECT)
		return false;
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int type = control >> (16 + 4 * i) & 3, length = control >> (18 + 4 * i) & 3;

		if (type == BREAK_IO || (type == BREAK_EXECUTE && length != 0 && control >> (2 * i) & 3))
			return false;
	}
	return true;
}

/* B1: any address that a breakpoint of 8 bytes cannot stretch from into the core. */
static bool may_hold(uint64_t reg, uint64_t value) { return reg < 4 ? guest_range_ok(value, 8) : reg != 7 || control_ok(value); }

void debug_save(struct vcpu *vcpu)
{
	if (is_active(vcpu))
		DEBUG_WRITE(7, DR7_FIXED);
}

void debug_load(struct vcpu *vcpu)
{
	const uint64_t *value = vcpu->debug_register;

	if (is_active(vcpu)) {
		DEBUG_WRITE(0, value[0]);
		DEBUG_WRITE(1, value[1]);
		DEBUG_WRITE(2, value[2]);
		DEBUG_WRITE(3, value[3]);
		DEBUG_WRITE(7, value[7] | DR7_FIXED);
	}
	cpu_load_guest_cr4(vcpu);
}

/* Bits that the guest may set, and those that read as ones. 4 and 5 do not exist, as with CR4.DE. */
static const uint64_t writable[8] = { ~0ULL, ~0ULL, ~0ULL, ~0ULL, 0, 0, DR6_WRITABLE, DR7_WRITABLE };
static const uint64_t fixed[8] = { [6] = DR6_FIXED, [7] = DR7_FIXED };

long do_set_debugreg(uint64_t reg, uint64_t value)
{
	struct vcpu *vcpu = current_vcpu();

	if (reg >= 8 || !writable[reg])
		return -ENODEV;
	if (!may_hold(reg, value))
		return -EPERM;
	debug_save(vcpu);
	vcpu->debug_register[reg] = value & writable[reg];
	debug_load(vcpu);
	return 0;
}

long do_get_debugreg(uint64_t reg)
{
	if (reg >= 8 || !writable[reg])
		return -ENODEV;
	return (long)(current_vcpu()->debug_register[reg] | fixed[reg]);
}

void debug_take_status(struct vcpu *vcpu)
{
	uint64_t status;

	asm volatile("mov %%db6, %0\n\tmov %1, %%db6" : "=&r"(status) : "r"(DR6_FIXED));
	vcpu->debug_register[6] |= status & DR6_WRITABLE;
}

int debug_set_registers(struct vcpu *vcpu, const uint64_t values[8])
{
	for (unsigned int i = 0; i < 8; i++)
		if (!may_hold(i, values[i]))
			return -EPERM;
	for (unsigned int i = 0; i < 8; i++)
		vcpu->debug_register[i] = values[i] & writable[i];
	return 0;
}
