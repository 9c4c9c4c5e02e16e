/* SPDX-License-Identifier: MIT */
/*
 * A guest's own writes to its page tables. The instruction is taken apart, its result computed, and mem/ decides
 * whether the entry may become that. Nothing of the guest's registers changes unless memory did.
 */
#include "cpu/emulate.h"

#define FLAG_CF		0x001ULL
#define FLAG_PF		0x004ULL
#define FLAG_AF		0x010ULL
#define FLAG_ZF		0x040ULL
#define FLAG_SF		0x080ULL
#define FLAG_DF		0x400ULL
#define FLAG_OF		0x800ULL
#define FLAGS_RESULT	(FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

/* As the opcodes of the arithmetic group number them; those with a carry are not done, and cmp writes nothing. */
enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

static uint64_t alu(enum alu operation, uint64_t a, uint64_t b, unsigned int bytes, uint64_t *flags)
{
	uint64_t mask = operand_mask(bytes), sign = mask ^ mask >> 1, result, overflow = 0;
	bool carry = false;

	b &= mask;
	switch (operation) {
	case ALU_OR:
		result = a | b;
		break;
	case ALU_AND:
		result = a & b;
		break;
	case ALU_XOR:
		result = a ^ b;
		break;
	case ALU_ADD:
		result = (a + b) & mask;
		carry = result < a;
		overflow = (a ^ result) & (b ^ result);
		break;
	default:
		result = (a - b) & mask;
		carry = a < b;
		overflow = (a ^ b) & (a ^ result);
		break;
	}
	*flags &= ~FLAGS_RESULT;
	*flags |= (carry ? FLAG_CF : 0) | (overflow & sign ? FLAG_OF : 0) | (result & sign ? FLAG_SF : 0) |
		  (result ? 0 : FLAG_ZF) | (__builtin_parity(result & 0xff) ? 0 : FLAG_PF) |
		  ((a ^ b ^ result) & FLAG_AF);
	return result;
}

/* bts, btr, btc: of the old value, with the bit's number reduced to the operand. */
static uint64_t bit_operation(unsigned int which, uint64_t old, uint64_t number, unsigned int bytes, uint64_t *flags)
{
	uint64_t mask = 1ULL << (number & (8 * bytes - 1));

	*flags = (*flags & ~FLAG_CF) | (old & mask ? FLAG_CF : 0);
	return which == 5 ? old | mask : which == 6 ? old & ~mask : old ^ mask;
}

/* What memory holds after the instruction, and the flags; false if it is none that writes. */
static bool find_result(const struct instruction *in, const struct cpu_user_regs *regs, uint64_t old, uint64_t *value,
			uint64_t *flags)
{
	unsigned int which = in->reg & 7;
	uint64_t reg = register_read(regs, in->reg, in->bytes);

	*value = reg;
	switch (in->opcode) {
	case 0x00 ... 0x3f:
		*value = alu(in->opcode >> 3, old, reg, in->bytes, flags);
		return true;
	case 0x80 ... 0x83:
		*value = alu(which, old, in->immediate, in->bytes, flags);
		return which != ALU_ADC && which != ALU_SBB && which != ALU_CMP;
	case 0x86 ... 0x87:	/* xchg */
		return true;
	case 0x88 ... 0x89:	/* mov */
		return !in->lock;
	case 0xa4 ... 0xa5:	/* movs */
		return guest_read(value, regs->rsi, in->bytes) == 0;
	case 0xaa ... 0xab:	/* stos */
		*value = regs->rax;
		return true;
	case 0xc6 ... 0xc7:	/* mov */
		*value = in->immediate;
		return which == 0;
	case 0x0fab: case 0x0fb3: case 0x0fbb:	/* bts, btr, btc */
		*value = bit_operation(in->opcode >> 3 & 7, old, reg, in->bytes, flags);
		return true;
	case 0x0fb0 ... 0x0fb1:	/* cmpxchg: it writes in any case */
		alu(ALU_CMP, regs->rax & operand_mask(in->bytes), old, in->bytes, flags);
		*value = *flags & FLAG_ZF ? reg : old;
		return true;
	case 0x0fba:
		*value = bit_operation(which, old, in->immediate, in->bytes, flags);
		return which >= 5;
	}
	return false;
}

/* What the instruction does besides. A string with a repeat prefix is done one by one: the guest comes back for more. */
static void finish(struct vcpu *vcpu, const struct instruction *in, uint64_t old)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	uint64_t step = regs->rflags & FLAG_DF ? -(uint64_t)in->bytes : in->bytes;

	if (in->opcode >> 1 == 0x86 >> 1)
		register_write(regs, in->reg, in->bytes, old);
	if (in->opcode >> 1 == 0x0fb0 >> 1 && !(regs->rflags & FLAG_ZF))
		register_write(regs, 0, in->bytes, old);
	if (in->opcode >= 0xa4 && in->opcode <= 0xab) {
		regs->rdi += step;
		regs->rsi += in->opcode <= 0xa5 ? step : 0;
		if (in->repeat && --regs->rcx != 0)
			return;
	}
	emulate_finish(vcpu, in);
}

/*
 * xchg of a register and the eight bytes that another one points to: how Linux takes an entry away, and so most of all writes. 48 87 /r.
 * False: it is another instruction, or not so plain a case, and nothing is done.
 */
static bool exchange(struct vcpu *vcpu, uint64_t fault_address)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	uint8_t code[4];
	uint64_t old;

	if (regs->cs != SELECTOR_GUEST_CODE64 || (regs->rflags & (FLAG_TF | FLAG_RF)) || guest_read(code, regs->rip, sizeof(code)))
		return false;
	if ((code[0] & 0xfa) != 0x48 || code[1] != 0x87 || code[2] >= 0x40 || (code[2] & 6) == 4)
		return false;
	if (register_read(regs, (code[2] & 7) | (code[0] & 1) << 3, 8) != fault_address || guest_read(&old, fault_address, sizeof(old)))
		return false;
	code[2] = code[2] >> 3 | (code[0] & 4) << 1;
	if (mmu_emulate_write(vcpu, fault_address, register_read(regs, code[2], 8), sizeof(old), old))
		return false;
	register_write(regs, code[2], sizeof(old), old);
	regs->rip += 3;
	return true;
}

bool emulate_table_write(struct vcpu *vcpu, uint64_t fault_address)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	uint64_t old = 0, value, flags = regs->rflags;
	struct instruction in;
	int error;

	if (exchange(vcpu, fault_address))
		return true;
	/* With a bit's number in a register, bts and its like may reach beyond their operand: that is not done. */
	if (!emulate_fetch(vcpu, regs->rip, &in) || !in.is_memory || fault_address - in.address >= in.bytes)
		return false;
	if (guest_read(&old, in.address, in.bytes) || !find_result(&in, regs, old, &value, &flags))
		return false;
	error = mmu_emulate_write(vcpu, in.address, value & operand_mask(in.bytes), in.bytes, old);
	if (error)
		return error == -EBUSY;		/* somebody else was faster: the guest tries again */

	regs->rflags = flags;
	finish(vcpu, &in, old);
	return true;
}
