/* SPDX-License-Identifier: MIT */
/*
 * Instructions of the driver's kernel: where they begin, what they are, and what a fault makes of them. Arithmetic on bytes alone.
 * DE1  A mutation is as long as the instruction that it replaces, and differs from it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inject/random.h"

#define INSTRUCTION_BYTES_MAX 15u

struct instruction {
	uint8_t bytes;			/* 0: not one */
	bool is_branch;			/* jcc */
	bool is_transfer;		/* any other that may go on elsewhere: jmp, call, ret, syscall, traps */
	bool compares_constant;		/* cmp with an immediate */
	bool clears_flag;		/* stores a constant 0, or takes bits out of memory by a constant */
	bool has_pointer;		/* reads or writes memory at a register, not the stack's, plus a displacement */
	uint8_t constant_at, constant_bytes;	/* of the immediate; 0 bytes: none */
	uint8_t displacement_at, displacement_bytes;
	uint16_t reads;			/* general registers: bit 0 rax, 1 rcx, 2 rdx, 3 rbx, 4 rsp, 5 rbp, 6 rsi, 7 rdi, 8-15 */
	uint8_t memory_bytes;		/* that it reads: 0: none, or at an address that is not known here */
	uint8_t base, index, scale;	/* of that address: registers by number, or REGISTER_RIP, REGISTER_NONE */
	int64_t displacement;
};

#define REGISTERS	16u
#define REGISTER_RIP	16u		/* the next instruction's */
#define REGISTER_NONE	17u

/* 0: what stands there is no instruction. */
unsigned int decode(const uint8_t *code, size_t room, struct instruction *instruction);

enum mutation {
	MUTATION_FLIP,			/* one bit */
	MUTATION_POINTER,		/* another displacement */
	MUTATION_OFF_BY_ONE,		/* a constant compared with, or a condition with and without equality */
	MUTATION_SKIP,			/* no operation */
	MUTATION_BRANCH,		/* the opposite condition */
	MUTATION_UNLOCK,		/* a flag that is not cleared: no operation */
	MUTATION_MEMORY,		/* not of the instruction, but of what it reads: at a fixed address, or by a pointer, */
	MUTATION_POINTED,		/* by a pointer that is not the stack's, */
	MUTATION_STACK,			/* or from the stack */
	MUTATION_REGISTER,		/* or from a general register */
};

/* Is it one that the mutation can be done to? */
bool mutation_fits(enum mutation mutation, const uint8_t *code, const struct instruction *instruction);
/* In place. It fits, and it is one of the instruction's own. */
void mutate(enum mutation mutation, uint8_t *code, const struct instruction *instruction, struct random *random);
