/* SPDX-License-Identifier: MIT */
#include "inject/decode.h"

#include <string.h>

#include <Zydis/Zydis.h>

#define RSP 4u
#define RBP 5u

static uint16_t register_bit(ZydisRegister reg)
{
	ZydisRegister large = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	return large >= ZYDIS_REGISTER_RAX && large <= ZYDIS_REGISTER_R15 ? (uint16_t)(1u << (large - ZYDIS_REGISTER_RAX)) : 0;
}

static uint8_t register_number(ZydisRegister reg)
{
	uint16_t bit = register_bit(reg);

	return reg == ZYDIS_REGISTER_RIP ? REGISTER_RIP : bit ? (uint8_t)__builtin_ctz(bit) : REGISTER_NONE;
}

static bool reads_stack(const struct instruction *instruction)
{
	return instruction->memory_bytes && (instruction->base == RSP || instruction->base == RBP);
}

static bool is_constant_zero(const ZydisDecodedOperand *operand)
{
	return operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operand->imm.value.u == 0;
}

static void take_memory(struct instruction *instruction, const ZydisDecodedOperand *operand)
{
	uint16_t base = register_bit(operand->mem.base);

	bool is_plain = operand->mem.segment != ZYDIS_REGISTER_FS && operand->mem.segment != ZYDIS_REGISTER_GS;

	instruction->reads |= base | register_bit(operand->mem.index);
	if (operand->mem.type == ZYDIS_MEMOP_TYPE_MEM && operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ && is_plain &&
	    !instruction->memory_bytes && operand->size / 8 <= 8) {
		instruction->memory_bytes = (uint8_t)(operand->size / 8);
		instruction->base = register_number(operand->mem.base);
		instruction->index = register_number(operand->mem.index);
		instruction->scale = operand->mem.scale;
		instruction->displacement = operand->mem.disp.value;
	}
	if (operand->mem.type == ZYDIS_MEMOP_TYPE_MEM && base && base != 1u << RSP && operand->mem.disp.has_displacement)
		instruction->has_pointer = true;
}

static void take_operand(struct instruction *instruction, const ZydisDecodedOperand *operand)
{
	if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY)
		take_memory(instruction, operand);
	if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return;
	if (operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ)
		instruction->reads |= register_bit(operand->reg.value);
}

static void take_kind(struct instruction *instruction, const ZydisDecodedInstruction *from, const ZydisDecodedOperand *operand)
{
	bool is_memory = from->operand_count_visible == 2 && operand[0].type == ZYDIS_OPERAND_TYPE_MEMORY;

	instruction->is_branch = from->meta.category == ZYDIS_CATEGORY_COND_BR && (from->opcode & 0xf0) != 0xe0;
	instruction->is_transfer = !instruction->is_branch &&
		(from->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE || from->meta.category == ZYDIS_CATEGORY_SYSCALL ||
		 from->meta.category == ZYDIS_CATEGORY_INTERRUPT || from->meta.category == ZYDIS_CATEGORY_RET);
	instruction->compares_constant = from->mnemonic == ZYDIS_MNEMONIC_CMP && from->raw.imm[0].size;
	instruction->clears_flag = is_memory && ((from->mnemonic == ZYDIS_MNEMONIC_MOV && is_constant_zero(&operand[1])) ||
		(from->mnemonic == ZYDIS_MNEMONIC_AND && operand[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE));
}

unsigned int decode(const uint8_t *code, size_t room, struct instruction *instruction)
{
	ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction from;
	ZydisDecoder decoder;

	*instruction = (struct instruction){ 0 };
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code, room, &from, operand)))
		return 0;
	instruction->bytes = from.length;
	if (from.raw.imm[0].size) {
		instruction->constant_at = from.raw.imm[0].offset;
		instruction->constant_bytes = (uint8_t)(from.raw.imm[0].size / 8);
	}
	if (from.raw.disp.size) {
		instruction->displacement_at = from.raw.disp.offset;
		instruction->displacement_bytes = (uint8_t)(from.raw.disp.size / 8);
	}
	for (unsigned int i = 0; i < from.operand_count; i++)
		take_operand(instruction, &operand[i]);
	take_kind(instruction, &from, operand);
	return instruction->bytes;
}

/* ---- what a fault makes of it ---- */

/* Of a short jcc (0x70 ...) or a long one (0x0f 0x80 ...): the byte with the condition in its low half. */
static unsigned int condition_at(const uint8_t *code)
{
	unsigned int at = 0;

	while (code[at] == 0x2e || code[at] == 0x3e || code[at] == 0xf2)	/* hints, bnd */
		at++;
	return code[at] == 0x0f ? at + 1 : at;
}

/* b/be and ae/a, l/le and ge/g: what makes the one of the other; 0: another condition. */
static uint8_t equality_of(uint8_t condition)
{
	switch (condition & 0xf) {
	case 0x2: case 0x6: case 0x3: case 0x7:
		return 4;
	case 0xc: case 0xe: case 0xd: case 0xf:
		return 2;
	default:
		return 0;
	}
}

bool mutation_fits(enum mutation mutation, const uint8_t *code, const struct instruction *instruction)
{
	if (instruction->bytes < 2)	/* a jump to itself has to fit in its place */
		return false;
	switch (mutation) {
	case MUTATION_FLIP:
	case MUTATION_SKIP:
		return true;
	case MUTATION_POINTER:
		return instruction->has_pointer && instruction->displacement_bytes;
	case MUTATION_OFF_BY_ONE:
		return (instruction->compares_constant && instruction->constant_bytes) ||
		       (instruction->is_branch && equality_of(code[condition_at(code)]));
	case MUTATION_BRANCH:
		return instruction->is_branch;
	case MUTATION_UNLOCK:
		return instruction->clears_flag;
	case MUTATION_MEMORY:
		return instruction->memory_bytes && !reads_stack(instruction);
	case MUTATION_POINTED:
		return instruction->memory_bytes && !reads_stack(instruction) && instruction->base < REGISTERS;
	case MUTATION_STACK:
		return reads_stack(instruction);
	case MUTATION_REGISTER:
		return instruction->reads;
	}
	return false;
}

static void add_to(uint8_t *at, unsigned int bytes, int64_t difference)
{
	uint64_t value = 0;

	memcpy(&value, at, bytes);
	value += (uint64_t)difference;
	memcpy(at, &value, bytes);
}

void mutate(enum mutation mutation, uint8_t *code, const struct instruction *instruction, struct random *random)
{
	int64_t sign = random_below(random, 2) ? 1 : -1;
	uint64_t bit;

	switch (mutation) {
	case MUTATION_FLIP:
		bit = random_below(random, instruction->bytes * 8u);
		code[bit / 8] ^= (uint8_t)(1u << bit % 8);
		break;
	case MUTATION_POINTER:
		add_to(code + instruction->displacement_at, instruction->displacement_bytes,
		       sign * (int64_t)(instruction->displacement_bytes == 1 ? 8 * (1 + random_below(random, 15)) : 1 + random_below(random, 1UL << 30)));
		break;
	case MUTATION_OFF_BY_ONE:
		if (instruction->compares_constant)
			add_to(code + instruction->constant_at, instruction->constant_bytes, sign);
		else
			code[condition_at(code)] ^= equality_of(code[condition_at(code)]);
		break;
	case MUTATION_SKIP:
	case MUTATION_UNLOCK:
		memset(code, 0x90, instruction->bytes);
		break;
	case MUTATION_BRANCH:
		code[condition_at(code)] ^= 1;
		break;
	case MUTATION_MEMORY:
	case MUTATION_POINTED:
	case MUTATION_STACK:
	case MUTATION_REGISTER:
		break;
	}
}
