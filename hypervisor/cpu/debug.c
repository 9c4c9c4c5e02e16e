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

enum breakpoint_type { BREAK_EXECUTE, BREAK_WRITE, BREAK_IO, BREAK_READ_WRITE };

static unsigned int type_of(uint64_t control, unsigned int i) { return control >> (16 + 4 * i) & 3; }
static unsigned int length_of(uint64_t control, unsigned int i) { return control >> (18 + 4 * i) & 3; }
static uint64_t enables_of(unsigned int i) { return 3ULL << (2 * i); }

static void address_write(unsigned int i, uint64_t value)
{
	switch (i) {
	case 0: asm volatile("mov %0, %%db0" : : "r"(value)); break;
	case 1: asm volatile("mov %0, %%db1" : : "r"(value)); break;
	case 2: asm volatile("mov %0, %%db2" : : "r"(value)); break;
	default: asm volatile("mov %0, %%db3" : : "r"(value)); break;
	}
}

static void control_write(uint64_t value)
{
	asm volatile("mov %0, %%db7" : : "r"(value));
}

/* B2: of the guest's DR7, what the machine gets. */
static uint64_t machine_control(uint64_t control)
{
	for (unsigned int i = 0; i < 4; i++)
		if (type_of(control, i) == BREAK_IO)
			control &= ~(enables_of(i) | 0xfULL << (16 + 4 * i));
	return control | DR7_FIXED;
}

static bool is_active(const struct vcpu *vcpu)
{
	return vcpu->debug_register[7] & DR7_ENABLES;
}

/* B1: any address that a breakpoint of 8 bytes cannot stretch from into the core. */
static bool address_ok(uint64_t address)
{
	return guest_range_ok(address, 8);
}

static bool control_ok(const struct vcpu *vcpu, uint64_t control)
{
	if (control >> 32 || control & DR7_GENERAL_DETECT)
		return false;
	for (unsigned int i = 0; i < 4; i++) {
		if (!(control & enables_of(i)))
			continue;
		if (type_of(control, i) == BREAK_EXECUTE && length_of(control, i) != 0)
			return false;
		if (type_of(control, i) == BREAK_IO && !(vcpu->guest_cr4 & CR4_DE))
			return false;
	}
	return true;
}

void debug_save(struct vcpu *vcpu)
{
	if (is_active(vcpu))
		control_write(DR7_FIXED);
}

void debug_load(struct vcpu *vcpu)
{
	if (is_active(vcpu)) {
		for (unsigned int i = 0; i < 4; i++)
			address_write(i, vcpu->debug_register[i]);
		control_write(machine_control(vcpu->debug_register[7]));
	}
	cpu_load_guest_cr4(vcpu);
}

static long set_control(struct vcpu *vcpu, uint64_t value)
{
	if (!control_ok(vcpu, value))
		return -EPERM;
	debug_save(vcpu);
	vcpu->debug_register[7] = value & DR7_WRITABLE;
	debug_load(vcpu);
	return 0;
}

static long set_address(struct vcpu *vcpu, unsigned int i, uint64_t value)
{
	if (!address_ok(value))
		return -EPERM;
	vcpu->debug_register[i] = value;
	debug_load(vcpu);
	return 0;
}

/* 4 and 5 are 6 and 7 unless CR4.DE says that they are nothing. */
static uint64_t register_meant(const struct vcpu *vcpu, uint64_t reg)
{
	if (reg == 4 || reg == 5)
		return vcpu->guest_cr4 & CR4_DE ? UINT64_MAX : reg + 2;
	return reg;
}

long do_set_debugreg(uint64_t reg, uint64_t value)
{
	struct vcpu *vcpu = current_vcpu();

	switch (register_meant(vcpu, reg)) {
	case 0: case 1: case 2: case 3:
		return set_address(vcpu, (unsigned int)reg, value);
	case 6:
		vcpu->debug_register[6] = value & DR6_WRITABLE;
		return 0;
	case 7:
		return set_control(vcpu, value);
	}
	return -ENODEV;
}

long do_get_debugreg(uint64_t reg)
{
	const struct vcpu *vcpu = current_vcpu();

	switch (register_meant(vcpu, reg)) {
	case 0: case 1: case 2: case 3:
		return (long)vcpu->debug_register[reg];
	case 6:
		return (long)(vcpu->debug_register[6] | DR6_FIXED);
	case 7:
		return (long)(vcpu->debug_register[7] | DR7_FIXED);
	}
	return -ENODEV;
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
	for (unsigned int i = 0; i < 4; i++)
		if (!address_ok(values[i]))
			return -EPERM;
	if (!control_ok(vcpu, values[7]))
		return -EPERM;
	for (unsigned int i = 0; i < 4; i++)
		vcpu->debug_register[i] = values[i];
	vcpu->debug_register[6] = values[6] & DR6_WRITABLE;
	vcpu->debug_register[7] = values[7] & DR7_WRITABLE;
	return 0;
}
