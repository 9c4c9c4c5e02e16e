/* SPDX-License-Identifier: MIT */
/* Does a privileged instruction of the core's in the handler of the signal that it raised. */
#define _GNU_SOURCE
#include "privileged.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

struct fake_machine fake_machine;

static int find_msr(uint32_t index)
{
	for (int i = 0; i < FAKE_MSRS; i++)
		if (fake_machine.msr[i].exists && fake_machine.msr[i].index == index)
			return i;
	return -1;
}

void fake_msr_set(uint32_t index, uint64_t value)
{
	int i = find_msr(index);

	for (int free = 0; i < 0 && free < FAKE_MSRS; free++)
		if (!fake_machine.msr[free].exists)
			i = free;
	if (i < 0)
		abort();
	fake_machine.msr[i].index = index;
	fake_machine.msr[i].exists = true;
	fake_machine.msr[i].value = value;
}

uint64_t fake_msr_get(uint32_t index)
{
	int i = find_msr(index);

	return i < 0 ? 0 : fake_machine.msr[i].value;
}

uint32_t fake_msr_writes(uint32_t index)
{
	int i = find_msr(index);

	return i < 0 ? 0 : fake_machine.msr[i].writes;
}

static const int gregs[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

/* The "movb $1, register" behind a safe access, which one that fails skips. */
static size_t length_of_success(const uint8_t *code)
{
	return (code[0] & 0xf0) == 0x40 ? 3 : 2;
}

/* Returns the instruction's length; 0: it should not have failed on this machine. */
static size_t access_msr(greg_t *regs, const uint8_t *code)
{
	int i = find_msr((uint32_t)regs[REG_RCX]);

	if (i < 0)
		return code[2] == 0xb0 || code[3] == 1 || code[4] == 1 ? 2 + length_of_success(code + 2) : 0;
	if (code[1] == 0x30) {
		fake_machine.msr[i].value = (uint64_t)regs[REG_RDX] << 32 | (uint32_t)regs[REG_RAX];
		fake_machine.msr[i].writes++;
	} else {
		regs[REG_RAX] = (greg_t)(fake_machine.msr[i].value & UINT32_MAX);
		regs[REG_RDX] = (greg_t)(fake_machine.msr[i].value >> 32);
	}
	return 2;
}

static size_t access_port(greg_t *regs, const uint8_t *code, bool is_word)
{
	uint8_t opcode = code[0];
	bool is_immediate = opcode < 0xe8;

	fake_machine.port_accesses++;
	fake_machine.port = is_immediate ? code[1] : (uint16_t)regs[REG_RDX];
	fake_machine.port_bytes = !(opcode & 1) ? 1 : is_word ? 2 : 4;
	if (opcode & 2)
		fake_machine.port_value = (uint32_t)regs[REG_RAX];
	else
		memcpy(&regs[REG_RAX], &fake_machine.port_value, fake_machine.port_bytes);
	return is_immediate ? 2 : 1;
}

static void move_register(greg_t *regs, const uint8_t *code, uint8_t rex)
{
	uint64_t *bank = code[1] & 1 ? fake_machine.dr : fake_machine.cr;
	uint64_t *control = &bank[(code[2] >> 3 & 7) | (rex & 4 ? 8 : 0)];
	greg_t *general = &regs[gregs[(code[2] & 7) | (rex & 1 ? 8 : 0)]];

	if (code[1] & 2)
		*control = (uint64_t)*general;
	else
		*general = (greg_t)*control;
}

static size_t perform(greg_t *regs, const uint8_t *code, uint8_t rex, bool is_word)
{
	if (code[0] >= 0xe4 && code[0] <= 0xef)
		return access_port(regs, code, is_word);
	if (code[0] != 0x0f)
		return 0;
	switch (code[1]) {
	case 0x01:
		if (code[2] != 0xd1)
			return 0;
		fake_machine.xcr0 = (uint64_t)regs[REG_RDX] << 32 | (uint32_t)regs[REG_RAX];
		return 3;
	case 0x06:
		fake_machine.cr[0] &= ~8ULL;
		return 2;
	case 0x20: case 0x21: case 0x22: case 0x23:
		move_register(regs, code, rex);
		return 3;
	case 0x30: case 0x32:
		return access_msr(regs, code);
	}
	return 0;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	const uint8_t *start = (const uint8_t *)regs[REG_RIP], *code = start;
	bool is_word = *code == 0x66;
	uint8_t rex;
	size_t length;

	(void)info;
	code += is_word;
	rex = (*code & 0xf0) == 0x40 ? *code++ : 0;
	length = perform(regs, code, rex, is_word);
	if (length == 0) {
		/* No instruction of ours: it faults again, and that ends the test. */
		signal(number, SIG_DFL);
		return;
	}
	regs[REG_RIP] += (greg_t)(length + (size_t)(code - start));
}

void fake_machine_reset(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	memset(&fake_machine, 0, sizeof(fake_machine));
	sigaction(SIGSEGV, &action, NULL);
}
