/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions that a guest's kernel (in ring 3, like its programs) tries all the same. Not hlt and invd,
 * nor descriptor tables and segments: the ABI has hypercalls for those and a #GP for the instruction.
 * X1  Only the guest's kernel gets one done; its programs get ports as its IOPL and the core allow, and no more.
 * X2  A port of the machine is touched only if the domain was given it.
 */
#include "cpu/emulate.h"

#include "cpu/cpu.h"
#include "cpu/cpuid.h"
#include "cpu/debug.h"
#include "cpu/emulate_internal.h"
#include "cpu/features.h"
#include "cpu/fpu.h"
#include "cpu/msr.h"
#include "cpu/ops.h"
#include "cpu/traps.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "include/errno.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mem/base.h"
#include "mem/mmu.h"

#define FLAG_TF		(1ULL << 8)
#define FLAG_DF		(1ULL << 10)
#define FLAG_RF		(1ULL << 16)
#define CODE_LONG	(1U << 21)	/* of a descriptor's access rights: 64-bit code */

#define CR4_PAE		(1ULL << 5)
#define CR4_SHOWN	(CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT)	/* what a guest reads besides its own */
#define CR4_OWN		(CR4_TSD | CR4_DE | CR4_OSXSAVE)		/* what it may change */

#define FAULT_WRITE_USER 6
#define FAULT_READ_USER	4

/* Asks the CPU, which has the guest's descriptor tables loaded. An LDT may have holes. */
static bool is_long_code(uint16_t selector)
{
	uint32_t rights = 0;

	asm volatile("1: lar %1, %0\n2:\n\t" EXTABLE("1b", "2b") : "+r"(rights) : "r"((uint32_t)selector) : "cc");
	return rights & CODE_LONG;
}

bool emulate_fetch(struct vcpu *vcpu, uint64_t rip, struct instruction *out)
{
	uint8_t code[INSTRUCTION_MAX];
	size_t on_this_page = PAGE_SIZE - (rip & ~PAGE_MASK), count = sizeof(code);

	if (!is_long_code(vcpu->regs.cs))
		return false;
	if (guest_read(code, rip, count)) {
		/* It may end where the next page is missing. */
		count = MIN(on_this_page, count);
		if (count == sizeof(code) || guest_read(code, rip, count))
			return false;
	}
	return decode(code, count, &vcpu->regs, out);
}

uint64_t emulate_linear(enum segment segment, uint64_t address)
{
	if (segment == SEGMENT_FLAT)
		return address;
	return address + msr_read(segment == SEGMENT_FS ? MSR_FS_BASE : MSR_GS_BASE);
}

void emulate_finish(struct vcpu *vcpu, const struct instruction *done)
{
	vcpu->regs.rip += done->length;
	vcpu->regs.rflags &= ~FLAG_RF;
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

static bool owns_ports(const struct domain *domain, uint16_t port, unsigned int bytes)
{
	if (!domain->ports || port + bytes > 0x10000)
		return false;
	for (unsigned int i = 0; i < bytes; i++)
		if (!bit_test(domain->ports, port + i))
			return false;
	return true;
}

static uint64_t port_read(const struct domain *domain, uint16_t port, unsigned int bytes)
{
	if (!owns_ports(domain, port, bytes))
		return operand_mask(bytes);
	return bytes == 1 ? port_in8(port) : bytes == 2 ? port_in16(port) : port_in32(port);
}

static void port_write(const struct domain *domain, uint16_t port, unsigned int bytes, uint64_t value)
{
	if (!owns_ports(domain, port, bytes))
		return;
	switch (bytes) {
	case 1:	 port_out8(port, (uint8_t)value); break;
	case 2:	 port_out16(port, (uint16_t)value); break;
	default: port_out32(port, (uint32_t)value); break;
	}
}

static unsigned int port_bytes(const struct instruction *in) { return MIN(in->bytes, 4U); }

/* in, out, with the port in the instruction or in dx. */
static bool do_port(struct vcpu *vcpu, const struct instruction *in)
{
	bool is_out = in->opcode & 2, is_immediate = in->opcode < 0xe8;
	uint16_t port = is_immediate ? (uint8_t)in->immediate : (uint16_t)vcpu->regs.rdx;
	unsigned int bytes = port_bytes(in);

	if (!has_io_privilege(vcpu))
		return false;
	if (is_out)
		port_write(vcpu->domain, port, bytes, vcpu->regs.rax);
	else
		register_write(&vcpu->regs, 0, bytes, true, port_read(vcpu->domain, port, bytes));
	emulate_finish(vcpu, in);
	return true;
}

/* One round of ins or outs; with a repeat prefix the guest comes back for the next. */
static bool do_port_string(struct vcpu *vcpu, const struct instruction *in)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	bool is_out = in->opcode & 2;
	unsigned int bytes = port_bytes(in);
	uint64_t step = regs->rflags & FLAG_DF ? -(uint64_t)bytes : bytes, value = 0;
	uint64_t source = emulate_linear(in->segment, regs->rsi);

	if (!has_io_privilege(vcpu) || in->has_address32)
		return false;
	if (!in->repeat || regs->rcx) {
		if (is_out && guest_read(&value, source, bytes)) {
			trap_inject_page_fault(vcpu, source, FAULT_READ_USER);
			return true;
		}
		if (is_out)
			port_write(vcpu->domain, (uint16_t)regs->rdx, bytes, value);
		else
			value = port_read(vcpu->domain, (uint16_t)regs->rdx, bytes);
		if (!is_out && guest_write(regs->rdi, &value, bytes)) {
			trap_inject_page_fault(vcpu, regs->rdi, FAULT_WRITE_USER);
			return true;
		}
		*(is_out ? &regs->rsi : &regs->rdi) += step;
		regs->rcx -= in->repeat ? 1 : 0;
	}
	if (!in->repeat || !regs->rcx)
		emulate_finish(vcpu, in);
	return true;
}

/* ---- control and debug registers ---- */

static uint64_t guest_cr0(const struct vcpu *vcpu)
{
	return (cr0_read() & ~CR0_TS) | (vcpu->guest_cr0_ts ? CR0_TS : 0);
}

/* Of CR0, TS is the guest's; the rest may be written as it is. */
static bool write_cr0(struct vcpu *vcpu, uint64_t value)
{
	if ((value ^ guest_cr0(vcpu)) & ~CR0_TS)
		return false;
	return do_fpu_taskswitch(value & CR0_TS) == 0;
}

/* Bits that are not the guest's are ignored, as the ABI has it. */
static int write_cr4(struct vcpu *vcpu, uint64_t value)
{
	vcpu->guest_cr4 = value & (cpu_features.xsave ? CR4_OWN : CR4_OWN & ~CR4_OSXSAVE);
	cpu_load_guest_cr4(vcpu);
	return 0;
}

static int read_control(const struct vcpu *vcpu, unsigned int which, uint64_t *value)
{
	switch (which) {
	case 0: *value = guest_cr0(vcpu); return 0;
	case 2: *value = read_once(&vcpu->info->arch.cr2); return 0;
	case 3: *value = mfn_to_paddr(vcpu->table_kernel); return 0;
	case 4: *value = vcpu->guest_cr4 | CR4_SHOWN; return 0;
	}
	return -EINVAL;
}

/* A new base pointer, which flushes the TLB as the CPU would; -ERESTART: the guest has to try again. */
static int write_cr3(struct vcpu *vcpu, uint64_t value)
{
	struct domain_locked locked = domain_lock(vcpu->domain);
	int error = base_set(locked, vcpu, mfn(value >> PAGE_SHIFT), true);

	if (!error)
		mmu_load_base(vcpu);
	domain_unlock(locked);
	return error;
}

static int write_control(struct vcpu *vcpu, unsigned int which, uint64_t value)
{
	switch (which) {
	case 0: return write_cr0(vcpu, value) ? 0 : -EINVAL;
	case 2: write_once(&vcpu->info->arch.cr2, value); return 0;
	case 3: return write_cr3(vcpu, value);
	case 4: return write_cr4(vcpu, value);
	}
	return -EINVAL;
}

/* An address may look like an error: dr0 to dr3, 6 and 7 always succeed. */
static int read_debug(unsigned int which, uint64_t *value)
{
	*value = (uint64_t)do_get_debugreg(which);
	return which < 4 || which == 6 || which == 7 ? 0 : -EINVAL;
}

static bool do_control(struct vcpu *vcpu, const struct instruction *in)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	uint64_t value = register_read(regs, in->rm, 8, true);
	int error;

	switch (in->opcode) {
	case 0x0f20: error = read_control(vcpu, in->reg, &value); break;
	case 0x0f21: error = read_debug(in->reg, &value); break;
	case 0x0f22: error = write_control(vcpu, in->reg, value); break;
	default: error = (int)do_set_debugreg(in->reg, value); break;
	}
	if (error)
		return error == -ERESTART;
	register_write(regs, in->rm, 8, true, value);
	emulate_finish(vcpu, in);
	return true;
}

/* ---- the rest ---- */

static uint64_t edx_eax(const struct cpu_user_regs *regs)
{
	return regs->rdx << 32 | (uint32_t)regs->rax;
}

static bool set_edx_eax(struct cpu_user_regs *regs, uint64_t value)
{
	regs->rax = (uint32_t)value;
	regs->rdx = value >> 32;
	return true;
}

static void do_cpuid(struct vcpu *vcpu)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	uint32_t out[4];

	cpuid_for_guest(vcpu, (uint32_t)regs->rax, (uint32_t)regs->rcx, out);
	regs->rax = out[0];
	regs->rbx = out[1];
	regs->rcx = out[2];
	regs->rdx = out[3];
}

/*
 * sgdt, sidt and smsw: a CPU with UMIP refuses them in ring 3, one without it shows the core's tables. They get
 * what Linux shows its programs.
 */
static bool do_store_table(struct vcpu *vcpu, const struct instruction *in)
{
	struct { uint16_t limit; uint64_t base; } PACKED table = { 0, in->reg & 1 ? 0xffffffffffff0000 : 0xfffffffffffe0000 };
	uint64_t cr0 = guest_cr0(vcpu), va = emulate_linear(in->segment, in->address);

	if ((in->reg & 7) < 2)
		return in->is_memory && guest_write(va, &table, sizeof(table)) == 0;
	if ((in->reg & 7) != 4)
		return false;
	if (in->is_memory)
		return guest_write(va, &cr0, 2) == 0;
	register_write(&vcpu->regs, in->rm, in->bytes, true, cr0);
	return true;
}

/* 0f 01: xsetbv, rdtscp; most of this group is not to be had. */
static bool do_group7(struct vcpu *vcpu, const struct instruction *in)
{
	if (vcpu->in_kernel && in->modrm == 0xd1)
		return fpu_set_xcr0(vcpu, (uint32_t)vcpu->regs.rcx, edx_eax(&vcpu->regs));
	if (vcpu->in_kernel && in->modrm == 0xf9) {
		vcpu->regs.rcx = 0;
		return set_edx_eax(&vcpu->regs, cpu_tsc());
	}
	return do_store_table(vcpu, in);
}

/* X1: the caller has seen that it is the guest's kernel. False: not done, nothing has changed. */
static bool do_kernel_instruction(struct vcpu *vcpu, const struct instruction *in)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	uint64_t value;

	switch (in->opcode) {
	case 0xfa:   /* and nothing happens: events have a mask of their own */
	case 0xfb:   return has_io_privilege(vcpu);
	case 0x0f06: return do_fpu_taskswitch(0) == 0;
	case 0x0f09: return true;	/* a domain without a device has nothing to write back */
	case 0x0f30: return msr_guest_write(vcpu, (uint32_t)regs->rcx, edx_eax(regs));
	case 0x0f31: return set_edx_eax(regs, cpu_tsc());
	case 0x0f32: return msr_guest_read(vcpu, (uint32_t)regs->rcx, &value) && set_edx_eax(regs, value);
	}
	return false;
}

bool emulate_privileged(struct vcpu *vcpu)
{
	struct instruction in;

	if (!emulate_fetch(vcpu, vcpu->regs.rip, &in) || in.lock)
		return false;
	if (in.opcode >= 0x6c && in.opcode <= 0x6f)
		return do_port_string(vcpu, &in);
	if (in.opcode >= 0xe4 && in.opcode <= 0xef)
		return do_port(vcpu, &in);
	if (vcpu->in_kernel && in.opcode >= 0x0f20 && in.opcode <= 0x0f23)
		return do_control(vcpu, &in);
	if (in.opcode == 0x0f01 ? !do_group7(vcpu, &in) : !vcpu->in_kernel || !do_kernel_instruction(vcpu, &in))
		return false;
	emulate_finish(vcpu, &in);
	return true;
}

bool emulate_forced(struct vcpu *vcpu)
{
	static const uint8_t prefix[5] = { 0x0f, 0x0b, 'x', 'e', 'n' };
	uint8_t code[sizeof(prefix)];
	struct instruction in;

	if (guest_read(code, vcpu->regs.rip, sizeof(code)) || memcmp(code, prefix, sizeof(prefix)))
		return false;
	if (!emulate_fetch(vcpu, vcpu->regs.rip + sizeof(prefix), &in) || in.opcode != 0x0fa2)
		return false;
	do_cpuid(vcpu);
	vcpu->regs.rip += sizeof(prefix);
	emulate_finish(vcpu, &in);
	return true;
}
