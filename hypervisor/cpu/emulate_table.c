/* SPDX-License-Identifier: MIT */
/*
 * A guest's own writes to its page tables. The instruction is taken apart, its result computed, and mem/ decides
 * whether the entry may become that. Nothing of the guest's registers changes unless memory did.
 */
#include "cpu/emulate.h"

#include "cpu/emulate_internal.h"
#include "cpu/uaccess.h"
#include "domain/vcpu.h"
#include "include/errno.h"
#include "mem/mmu.h"

#define FLAG_CF		0x001ULL
#define FLAG_PF		0x004ULL
#define FLAG_AF		0x010ULL
#define FLAG_ZF		0x040ULL
#define FLAG_SF		0x080ULL
#define FLAG_DF		0x400ULL
#define FLAG_OF		0x800ULL
#define FLAGS_RESULT	(FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

/* As the opcodes of the arithmetic group number them. */
enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

/* What the instruction makes of the old value. */
struct effect {
	uint64_t value;		/* for memory */
	uint64_t flags;		/* the new RFLAGS */
	bool loads_reg;		/* xchg, xadd: the old value goes to the register */
};

static uint64_t flags_of_result(uint64_t result, unsigned int bytes)
{
	uint64_t flags = 0;

	result &= operand_mask(bytes);
	if (!result)
		flags |= FLAG_ZF;
	if (result >> (8 * bytes - 1))
		flags |= FLAG_SF;
	if (!__builtin_parity((unsigned int)result & 0xff))
		flags |= FLAG_PF;
	return flags;
}

/* Bit n of `carries` is the carry (or borrow) out of bit n; `changed` has the top bit set where the sign is wrong. */
static uint64_t flags_of_carries(uint64_t carries, uint64_t changed, unsigned int bytes)
{
	unsigned int top = 8 * bytes - 1;

	return (carries >> top & 1 ? FLAG_CF : 0) | (carries >> 3 & 1 ? FLAG_AF : 0) |
	       (changed >> top & 1 ? FLAG_OF : 0);
}

static uint64_t alu(enum alu operation, uint64_t a, uint64_t b, unsigned int bytes, uint64_t *flags)
{
	uint64_t carry = *flags & FLAG_CF, result, new_flags = 0;

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
	case ALU_ADC:
		result = a + b + (operation == ALU_ADC ? carry : 0);
		new_flags = flags_of_carries((a & b) | ((a | b) & ~result), (a ^ result) & (b ^ result), bytes);
		break;
	default:
		result = a - b - (operation == ALU_SBB ? carry : 0);
		new_flags = flags_of_carries((~a & b) | ((~a | b) & result), (a ^ b) & (a ^ result), bytes);
		break;
	}
	*flags = (*flags & ~FLAGS_RESULT) | new_flags | flags_of_result(result, bytes);
	return result & operand_mask(bytes);
}

/* inc and dec leave the carry alone. */
static uint64_t alu_step(enum alu operation, uint64_t a, unsigned int bytes, uint64_t *flags)
{
	uint64_t carry = *flags & FLAG_CF, result = alu(operation, a, 1, bytes, flags);

	*flags = (*flags & ~FLAG_CF) | carry;
	return result;
}

/* bts, btr, btc: of the old value, with the bit's number reduced to the operand. */
static uint64_t bit_operation(unsigned int which, uint64_t old, uint64_t number, unsigned int bytes, uint64_t *flags)
{
	uint64_t mask = 1ULL << (number & (8 * bytes - 1));

	*flags = (*flags & ~FLAG_CF) | (old & mask ? FLAG_CF : 0);
	return which == 5 ? old | mask : which == 6 ? old & ~mask : old ^ mask;
}

/* Groups 80-83, fe/ff and f6/f7, where ModRM's reg chooses. */
static bool group_effect(const struct instruction *in, uint64_t old, struct effect *effect)
{
	unsigned int which = in->reg & 7;

	switch (in->opcode) {
	case 0x80: case 0x81: case 0x83:
		effect->value = alu(which, old, in->immediate & operand_mask(in->bytes), in->bytes, &effect->flags);
		return which != ALU_CMP;
	case 0xfe: case 0xff:
		effect->value = alu_step(which ? ALU_SUB : ALU_ADD, old, in->bytes, &effect->flags);
		return which < 2;
	case 0xf6: case 0xf7:
		if (which == 2)
			effect->value = ~old & operand_mask(in->bytes);
		else
			effect->value = alu(ALU_SUB, 0, old, in->bytes, &effect->flags);
		return which == 2 || which == 3;
	case 0x0fba:
		effect->value = bit_operation(which, old, in->immediate, in->bytes, &effect->flags);
		return which >= 5;
	}
	return false;
}

/* Read, change, write. False: it is no such instruction. */
static bool find_effect(const struct instruction *in, uint64_t old, uint64_t reg, struct effect *effect)
{
	switch (in->opcode) {
	case 0x86: case 0x87:
		effect->value = reg;
		effect->loads_reg = true;
		return true;
	case 0x0fc0: case 0x0fc1:
		effect->value = alu(ALU_ADD, old, reg, in->bytes, &effect->flags);
		effect->loads_reg = true;
		return true;
	case 0x0fab: case 0x0fb3: case 0x0fbb:
		effect->value = bit_operation(in->opcode >> 3 & 7, old, reg, in->bytes, &effect->flags);
		return true;
	}
	if (in->opcode < 0x40) {
		effect->value = alu(in->opcode >> 3 & 7, old, reg, in->bytes, &effect->flags);
		return true;
	}
	return group_effect(in, old, effect);
}

static bool change_table(struct vcpu *vcpu, const struct instruction *in, uint64_t va)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	uint64_t old = 0, reg = register_read(regs, in->reg, in->bytes, in->has_rex);
	struct effect effect = { .flags = regs->rflags };
	int error;

	if (guest_read(&old, va, in->bytes) || !find_effect(in, old, reg, &effect))
		return false;
	error = mmu_emulate_write(vcpu, va, effect.value, in->bytes, &(uint64_t){ old });
	if (error)
		return error == -EBUSY;	/* somebody else was faster: the guest tries again */

	regs->rflags = effect.flags;
	if (effect.loads_reg)
		register_write(regs, in->reg, in->bytes, in->has_rex, old);
	emulate_finish(vcpu, in);
	return true;
}

static bool compare_and_exchange(struct vcpu *vcpu, const struct instruction *in, uint64_t va)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	uint64_t wanted = regs->rax & operand_mask(in->bytes), found = wanted, flags = regs->rflags;
	uint64_t value = register_read(regs, in->reg, in->bytes, in->has_rex);
	int error = mmu_emulate_write(vcpu, va, value, in->bytes, &found);

	if (error && error != -EBUSY)
		return false;
	alu(ALU_CMP, wanted, found & operand_mask(in->bytes), in->bytes, &flags);
	regs->rflags = flags;
	if (error)
		register_write(regs, 0, in->bytes, true, found);
	emulate_finish(vcpu, in);
	return true;
}

static bool store(struct vcpu *vcpu, const struct instruction *in, uint64_t va, uint64_t value)
{
	int error = in->lock ? -EINVAL : mmu_emulate_write(vcpu, va, value & operand_mask(in->bytes), in->bytes, NULL);

	if (!error)
		emulate_finish(vcpu, in);
	return !error || error == -EBUSY;	/* busy: the guest tries again */
}

/* One round of stos or movs; with a repeat prefix the guest comes back for the next. */
static bool store_string(struct vcpu *vcpu, const struct instruction *in, uint64_t fault_address)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	uint64_t step = regs->rflags & FLAG_DF ? -(uint64_t)in->bytes : in->bytes, value = regs->rax;
	bool is_movs = in->opcode <= 0xa5;
	int error;

	if (in->lock || in->has_address32 || fault_address != regs->rdi || (in->repeat && !regs->rcx))
		return false;
	if (is_movs && guest_read(&value, emulate_linear(in->segment, regs->rsi), in->bytes))
		return false;
	error = mmu_emulate_write(vcpu, regs->rdi, value & operand_mask(in->bytes), in->bytes, NULL);
	if (error)
		return error == -EBUSY;
	regs->rdi += step;
	if (is_movs)
		regs->rsi += step;
	if (!in->repeat || --regs->rcx == 0)
		emulate_finish(vcpu, in);
	return true;
}

/* bts and its like reach beyond their operand when a register has the bit's number. */
static uint64_t displacement_of_bit(const struct cpu_user_regs *regs, const struct instruction *in)
{
	unsigned int unused = 64 - 8 * in->bytes;
	int64_t number;

	if (in->opcode != 0x0fab && in->opcode != 0x0fb3 && in->opcode != 0x0fbb)
		return 0;
	number = (int64_t)(register_read(regs, in->reg, in->bytes, true) << unused) >> unused;
	return (uint64_t)(number >> 3) & ~(uint64_t)(in->bytes - 1);
}

bool emulate_table_write(struct vcpu *vcpu, uint64_t fault_address)
{
	struct instruction in;
	uint64_t va, reg;

	if (!emulate_fetch(vcpu, vcpu->regs.rip, &in))
		return false;
	if (in.opcode >= 0xa4 && in.opcode <= 0xab)
		return store_string(vcpu, &in, fault_address);
	if (!in.is_memory)
		return false;
	va = emulate_linear(in.segment, in.address + displacement_of_bit(&vcpu->regs, &in));
	if (fault_address - va >= in.bytes)
		return false;

	reg = register_read(&vcpu->regs, in.reg, in.bytes, in.has_rex);
	switch (in.opcode) {
	case 0x88: case 0x89:
		return store(vcpu, &in, va, reg);
	case 0x0fc3:
		return in.bytes >= 4 && store(vcpu, &in, va, reg);
	case 0xa2: case 0xa3:
		return store(vcpu, &in, va, vcpu->regs.rax);
	case 0xc6: case 0xc7:
		return (in.reg & 7) == 0 && store(vcpu, &in, va, in.immediate);
	case 0x0fb0: case 0x0fb1:
		return compare_and_exchange(vcpu, &in, va);
	}
	return change_table(vcpu, &in, va);
}
