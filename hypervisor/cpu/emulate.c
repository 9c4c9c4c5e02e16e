/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions that a guest's kernel (in ring 3, like its programs) tries all the same. Not hlt and invd,
 * nor descriptor tables and segments: the ABI has hypercalls for those and a #GP for the instruction.
 * X1  Only the guest's kernel gets one done; its programs get ports as its IOPL allows, and no more.
 * X2  No port of the machine is touched for a guest, but for those of its own functions' configuration space (pci/pci.h).
 */
#include "cpu/emulate.h"

#include "cpu/features.h"
#include "cpu/ops.h"
#include "cpu/registers.h"
#include "cpu/traps.h"
#include "domain/hypercall.h"
#include "mem/base.h"
#include "pci/pci.h"

#define PORT_PCI	0xcf8
#define CODE_LONG	(1U << 21)	/* of a descriptor's access rights: 64-bit code */

#define CR4_SHOWN	(CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT)	/* what a guest reads besides its own */

/* Asks the CPU, which has the guest's descriptor tables loaded. An LDT may have holes. */
static bool is_long_code(uint16_t selector)
{
	uint32_t rights = 0;

	asm volatile("1: lar %1, %0\n2:\n\t" EXTABLE("1b", "2b") : "+r"(rights) : "r"((uint32_t)selector) : "cc");
	return rights & CODE_LONG;
}

bool emulate_fetch(struct vcpu *vcpu, uint64_t rip, struct instruction *out)
{
	uint8_t code[16];
	size_t count = MIN(PAGE_SIZE - (rip & ~PAGE_MASK), sizeof(code));

	if (!is_long_code(vcpu->regs.cs) || guest_read(code, rip, count))
		return false;
	/* It may end where the next page is missing. */
	if (unlikely(count < sizeof(code)) && !guest_read(code + count, rip + count, sizeof(code) - count))
		count = sizeof(code);
	return decode(code, count, &vcpu->regs, out);
}

void emulate_finish(struct vcpu *vcpu, const struct instruction *done)
{
	vcpu->regs.rip += done->length;
	vcpu->regs.rflags &= ~(uint64_t)FLAG_RF;
	if (vcpu->regs.rflags & FLAG_TF) {
		vcpu->debug_register[6] |= DR6_SINGLE_STEP;
		trap_inject(vcpu, TRAP_DEBUG);
	}
}

/* ---- ports ---- */

/* The guest's kernel counts as ring 1, or as ring 0 if it asked for an architectural IOPL. */
static bool has_io_privilege(const struct vcpu *vcpu)
{
	bool is_architectural = vcpu->domain->vm_assist & (1ULL << VMASST_TYPE_architectural_iopl);
	uint64_t ring = !vcpu->in_kernel ? 3 : is_architectural ? 0 : 1;

	return ring <= vcpu->iopl;
}

/*
 * in, out, with the port in the instruction or in dx. Of the machine's ports no domain has any (X2): what is neither its own
 * PCI configuration space nor anything reads as all ones.
 */
static int do_port(struct vcpu *vcpu, const struct instruction *in)
{
	uint16_t port = in->opcode < 0xe8 ? (uint8_t)in->immediate : (uint16_t)vcpu->regs.rdx;
	unsigned int bytes = MIN(in->bytes, 4U);
	bool is_out = in->opcode & 2;
	uint32_t value = is_out ? (uint32_t)vcpu->regs.rax : UINT32_MAX;

	if (!has_io_privilege(vcpu))
		return -EPERM;
	if (port / 8 == PORT_PCI / 8 && !pci_port(vcpu->domain, port, bytes, is_out, &value))
		value = UINT32_MAX;
	if (!is_out)
		register_write(&vcpu->regs, 0, bytes, value);
	return 0;
}

/* ---- control and debug registers ---- */

static uint64_t guest_cr0(const struct vcpu *vcpu) { return (cr0_read() & ~CR0_TS) | (vcpu->guest_cr0_ts ? CR0_TS : 0); }

/* A new base pointer, which flushes the TLB as the CPU would; -ERESTART: the guest has to try again. */
static int write_cr3(struct vcpu *vcpu, uint64_t value)
{
	struct domain_locked locked = domain_lock(vcpu->domain);
	int error = base_set(locked, vcpu, mfn(value >> PAGE_SHIFT), true);

	domain_unlock(locked);
	return error;
}

/* -ENODEV, as do_get_debugreg(), for one that does not exist. */
static uint64_t read_control(const struct vcpu *vcpu, unsigned int which)
{
	switch (which) {
	case 0:	 return guest_cr0(vcpu);
	case 2:	 return read_once(&vcpu->info->arch.cr2);
	case 3:	 return mfn_to_paddr(vcpu->table_kernel);
	case 4:	 return vcpu->guest_cr4 | CR4_SHOWN;
	default: return (uint64_t)-ENODEV;
	}
}

/* Of CR0, TS is the guest's. Bits of CR4 that are not the guest's are ignored, as the ABI has it. */
static int write_control(struct vcpu *vcpu, unsigned int which, uint64_t value)
{
	switch (which) {
	case 0:
		if ((value ^ guest_cr0(vcpu)) & ~CR0_TS)
			return -EINVAL;
		return (int)do_fpu_taskswitch(value & CR0_TS);
	case 2:
		write_once(&vcpu->info->arch.cr2, value);
		return 0;
	case 3:
		return write_cr3(vcpu, value);
	case 4:
		vcpu->guest_cr4 = value & (CR4_TSD | CR4_DE | (cpu_features.xsave ? CR4_OSXSAVE : 0));
		cpu_load_guest_cr4(vcpu);
		return 0;
	default:
		return -ENODEV;
	}
}

static int do_control(struct vcpu *vcpu, const struct instruction *in)
{
	uint64_t value = register_read(&vcpu->regs, in->rm, 8);

	if (in->opcode == 0x0f22)
		return write_control(vcpu, in->reg, value);
	if (in->opcode == 0x0f23)
		return (int)do_set_debugreg(in->reg, value);
	value = in->opcode == 0x0f20 ? read_control(vcpu, in->reg) : (uint64_t)do_get_debugreg(in->reg);
	if (value == (uint64_t)-ENODEV)
		return -ENODEV;
	register_write(&vcpu->regs, in->rm, 8, value);
	return 0;
}

/* ---- the rest ---- */

static uint64_t edx_eax(const struct cpu_user_regs *regs) { return regs->rdx << 32 | (uint32_t)regs->rax; }

static bool set_edx_eax(struct cpu_user_regs *regs, uint64_t value)
{
	regs->rax = (uint32_t)value;
	regs->rdx = value >> 32;
	return true;
}

static bool do_other(struct vcpu *vcpu, const struct instruction *in)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	uint64_t value;

	switch (in->opcode) {
	case 0xfa:   /* and nothing happens: events have a mask of their own */
	case 0xfb:   return has_io_privilege(vcpu);
	case 0x0f01: return in->modrm == 0xd1 && fpu_set_xcr0(vcpu, (uint32_t)regs->rcx, edx_eax(regs));
	case 0x0f06: return do_fpu_taskswitch(0) == 0;
	case 0x0f09: return true;	/* a domain without a device has nothing to write back */
	case 0x0f30: return msr_guest_write(vcpu, (uint32_t)regs->rcx, edx_eax(regs));
	case 0x0f31: return set_edx_eax(regs, cpu_tsc());
	case 0x0f32: return msr_guest_read(vcpu, (uint32_t)regs->rcx, &value) && set_edx_eax(regs, value);
	}
	return false;
}

/* 0: done; -ERESTART: it has to be tried again; other errors: not done, nothing has changed. */
static int do_instruction(struct vcpu *vcpu, const struct instruction *in)
{
	if (in->opcode >= 0xe4 && in->opcode <= 0xef)
		return do_port(vcpu, in);
	if (!vcpu->in_kernel)		/* X1 */
		return -EPERM;
	if (in->opcode >= 0x0f20 && in->opcode <= 0x0f23)
		return do_control(vcpu, in);
	return do_other(vcpu, in) ? 0 : -EPERM;
}

bool emulate_privileged(struct vcpu *vcpu)
{
	struct instruction in;
	int error;

	if (!emulate_fetch(vcpu, vcpu->regs.rip, &in) || in.lock)
		return false;
	error = do_instruction(vcpu, &in);
	if (!error)
		emulate_finish(vcpu, &in);
	return !error || error == -ERESTART;
}

bool emulate_forced(struct vcpu *vcpu)
{
	static const uint8_t prefix[5] = { 0x0f, 0x0b, 'x', 'e', 'n' };
	struct cpu_user_regs *regs = &vcpu->regs;
	uint8_t code[sizeof(prefix)];
	struct instruction in;
	uint32_t out[4];

	if (guest_read(code, regs->rip, sizeof(code)) || memcmp(code, prefix, sizeof(prefix)))
		return false;
	if (!emulate_fetch(vcpu, regs->rip + sizeof(prefix), &in) || in.opcode != 0x0fa2)
		return false;
	cpuid_for_guest(vcpu, (uint32_t)regs->rax, (uint32_t)regs->rcx, out);
	regs->rax = out[0];
	regs->rbx = out[1];
	regs->rcx = out[2];
	regs->rdx = out[3];
	regs->rip += sizeof(prefix);
	emulate_finish(vcpu, &in);
	return true;
}
