/* SPDX-License-Identifier: MIT */
/* Debug registers: what a guest may set, and what of it the machine gets. */
#include "cpu/debug.h"

#include "cpu/cpu.h"
#include "cpu/features.h"
#include "cpu/ops.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "include/errno.h"

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
static bool may_hold(uint64_t reg, uint64_t value)
{
	return reg < 4 ? guest_range_ok(value, 8) : reg != 7 || control_ok(value);
}

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

uint64_t debug_take_status(struct vcpu *vcpu)
{
	uint64_t status;

	asm volatile("mov %%db6, %0\n\tmov %1, %%db6" : "=&r"(status) : "r"(DR6_FIXED));
	status &= DR6_WRITABLE;
	vcpu->debug_register[6] |= status;
	return status;
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
