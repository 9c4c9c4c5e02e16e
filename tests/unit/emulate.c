/* SPDX-License-Identifier: MIT */
/*
 * Emulated instructions. Writes to page tables are compared with the real CPU, which executes the same bytes on the same
 * registers and memory.
 * X1  Only the guest's kernel gets one done; its programs get ports as its IOPL allows, and no more.
 * X2  A port of the machine is touched only if the domain was given it.
 */
#define _GNU_SOURCE
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/emulate.h"
#include "cpu/features.h"
#include "cpu/ops.h"
#include "cpu/registers.h"
#include "cpu/traps.h"
#include "domain/hypercall.h"
#include "include/errno.h"
#include "mem/mmu.h"
#include "pci/pci.h"
#include "privileged.h"

/* ---- what the emulation asks of its neighbours ---- */


static int write_error;			/* what mmu_emulate_write() says; 0: does it */
static uint32_t writes;
static long task_switched;
static uint64_t xcr0;
static bool msr_allowed;

int mmu_emulate_write(struct vcpu *vcpu, uint64_t va, uint64_t value, unsigned int bytes, uint64_t expected)
{
	uint64_t now = 0;

	writes++;
	if (write_error)
		return write_error;
	memcpy(&now, (void *)va, bytes);
	if (expected != now)
		return -EBUSY;
	CU_ASSERT_TRUE(bytes == 8 || value >> (8 * bytes) == 0);
	memcpy((void *)va, &value, bytes);
	return 0;
}

static struct vcpu *vcpu;
static int base_error;
static mfn_t base;

int base_set(struct domain_locked owner, struct vcpu *of, mfn_t l4, bool for_kernel)
{
	CU_ASSERT_TRUE(for_kernel && of == vcpu);
	base = l4;
	return base_error;
}

long do_fpu_taskswitch(uint64_t set) { task_switched = (long)set; current_vcpu()->guest_cr0_ts = !!set; return 0; }
long do_set_debugreg(uint64_t reg, uint64_t value) { return reg < 4 ? 0 : -EPERM; }
long do_get_debugreg(uint64_t reg) { return reg < 8 ? 0x4711 : -ENODEV; }
void cpu_load_guest_cr4(const struct vcpu *vcpu) { }

bool fpu_set_xcr0(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	xcr0 = value;
	return index == 0 && value & 1;
}

bool msr_guest_read(const struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	*value = 0x1122334455667788;
	return msr_allowed;
}

bool msr_guest_write(const struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	return msr_allowed && value == 0x1122334455667788;
}

void cpuid_for_guest(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	out[0] = leaf;
	out[1] = subleaf;
	out[2] = 3;
	out[3] = 4;
}

/* ---- a guest: one page of code, and its data behind it ---- */

#define DATA_BYTES	(16 * PAGE_SIZE)

static uint8_t *code_page, *data;

static void given_kernel(void)
{
	uint16_t selector;

	if (!code_page)
		code_page = mmap(NULL, PAGE_SIZE + DATA_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	data = code_page + PAGE_SIZE;
	fake_guest_window(code_page, PAGE_SIZE + DATA_BYTES);
	fake_machine_reset();
	fake_machine.cr[0] = 0x80050033;
	fake_msr_set(MSR_FS_BASE, 0x1000);
	fake_msr_set(MSR_GS_BASE, 0x2000);
	memset(code_page, 0xcc, PAGE_SIZE);
	vcpu = given_domain()->vcpu[0];
	fake_run(vcpu);
	memset(&vcpu->regs, 0, sizeof(vcpu->regs));
	asm volatile("mov %%cs, %0" : "=r"(selector));
	vcpu->regs.cs = selector;
	vcpu->regs.rip = guest_address(code_page);
	vcpu->regs.rflags = 0x202;
	vcpu->in_kernel = true;
	vcpu->iopl = 1;
	cpu_features.xsave = true;
	write_error = 0;
	writes = 0;
	task_switched = -1;
	msr_allowed = true;
}

static void given_code(const char *bytes, size_t count)
{
	memcpy(code_page, bytes, count);
	vcpu->regs.rip = guest_address(code_page);
}

#define GIVEN_CODE(text) given_code(text, sizeof(text) - 1)
#define DONE(text) (vcpu->regs.rip == guest_address(code_page) + sizeof(text) - 1)

/* Runs one privileged instruction; true if it was done and `rip` stands behind it. */
static bool privileged(const char *bytes, size_t count)
{
	given_code(bytes, count);
	return emulate_privileged(vcpu) && vcpu->regs.rip == guest_address(code_page) + count;
}

#define PRIVILEGED(text) privileged(text, sizeof(text) - 1)

/* ---- the same on the real CPU: all registers but rsp ---- */

struct cpu_user_regs *native_regs;
const void *native_code;
uint64_t native_scratch;
void native_run(void);
extern const char native_back[];

#define LOAD(reg)  "mov %c[" #reg "](%%rdi), %%" #reg "\n\t"
#define STORE(reg) "mov %%" #reg ", %c[" #reg "](%%rdi)\n\t"
#define EACH(move) move(rax) move(rbx) move(rcx) move(rdx) move(rsi) move(rbp) move(r8) move(r9) move(r10) \
	move(r11) move(r12) move(r13) move(r14) move(r15)
#define AT(reg) [reg] "i"(offsetof(struct cpu_user_regs, reg))

__attribute__((used, noinline, no_sanitize_address)) static void native_template(void)
{
	asm volatile(
		".pushsection .text\n\t"
		".globl native_run, native_back\n"
		"native_run:\n\t"
		"push %%rbx\n\tpush %%rbp\n\tpush %%r12\n\tpush %%r13\n\tpush %%r14\n\tpush %%r15\n\t"
		"mov native_regs(%%rip), %%rdi\n\t"
		"pushq %c[rflags](%%rdi)\n\tpopfq\n\t"
		EACH(LOAD)
		"mov %c[rdi](%%rdi), %%rdi\n\t"
		"jmp *native_code(%%rip)\n"
		"native_back:\n\t"
		"mov %%rdi, native_scratch(%%rip)\n\t"
		"mov native_regs(%%rip), %%rdi\n\t"
		EACH(STORE)
		"pushfq\n\tpopq %c[rflags](%%rdi)\n\t"
		"cld\n\t"
		"mov native_scratch(%%rip), %%rax\n\tmov %%rax, %c[rdi](%%rdi)\n\t"
		"pop %%r15\n\tpop %%r14\n\tpop %%r13\n\tpop %%r12\n\tpop %%rbp\n\tpop %%rbx\n\t"
		"ret\n\t"
		".popsection"
		: : AT(rax), AT(rbx), AT(rcx), AT(rdx), AT(rsi), AT(rdi), AT(rbp), AT(r8), AT(r9), AT(r10), AT(r11),
		    AT(r12), AT(r13), AT(r14), AT(r15), AT(rflags));
}

/* Executes what stands at the start of the code page, `count` bytes, on `regs`. */
static void run_on_cpu(struct cpu_user_regs *regs, size_t count)
{
	static const uint8_t jump[6] = { 0xff, 0x25 };	/* jmp *0(%rip) */
	uint64_t back = guest_address(native_back);

	memcpy(code_page + count, jump, sizeof(jump));
	memcpy(code_page + count + sizeof(jump), &back, sizeof(back));
	native_regs = regs;
	native_code = code_page;
	native_run();
}

/* ---- random instructions that write memory ---- */

#define CF 0x001
#define PF 0x004
#define AF 0x010
#define ZF 0x040
#define SF 0x080
#define DF 0x400
#define OF 0x800
#define RESULT (CF | PF | AF | ZF | SF | OF)

struct form {
	uint16_t opcode;	/* 0x0fxx: two bytes */
	int group;		/* ModRM's reg, or -1: any register */
	int immediate;		/* bytes; -1: of the operand's size, at most 4 */
	bool is_byte, lockable, is_bit;
	uint32_t undefined;	/* flags */
};

#define ARITHMETIC(n, u)							\
	{ 8 * (n), -1, 0, true, true, false, u }, { 8 * (n) + 1, -1, 0, false, true, false, u },	\
	{ 0x80, n, 1, true, true, false, u }, { 0x81, n, -1, false, true, false, u },			\
	{ 0x83, n, 1, false, true, false, u }
#define BITS(opcode, n) { opcode, -1, 0, false, true, true, OF | SF | AF | PF },	\
	{ 0x0fba, n, 1, false, true, false, OF | SF | AF | PF }

static const struct form forms[] = {
	ARITHMETIC(0, 0), ARITHMETIC(1, AF), ARITHMETIC(4, AF), ARITHMETIC(5, 0), ARITHMETIC(6, AF),
	BITS(0x0fab, 5), BITS(0x0fb3, 6), BITS(0x0fbb, 7),
	{ 0x86, -1, 0, true, true, false, 0 }, { 0x87, -1, 0, false, true, false, 0 },
	{ 0x88, -1, 0, true, false, false, 0 }, { 0x89, -1, 0, false, false, false, 0 },
	{ 0xc6, 0, 1, true, false, false, 0 }, { 0xc7, 0, -1, false, false, false, 0 },
	{ 0x0fb0, -1, 0, true, true, false, 0 }, { 0x0fb1, -1, 0, false, true, false, 0 },
};

static uint64_t random64(void)
{
	uint64_t value = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();

	switch (random() % 8) {
	case 0: return 0;
	case 1: return UINT64_MAX;
	case 2: return value & 0xff;
	case 3: return 1ULL << (value & 63);
	default: return value;
	}
}

static uint64_t *register_at(struct cpu_user_regs *regs, unsigned int index)
{
	uint64_t *const all[16] = {
		&regs->rax, &regs->rcx, &regs->rdx, &regs->rbx, &regs->rsp, &regs->rbp, &regs->rsi, &regs->rdi,
		&regs->r8, &regs->r9, &regs->r10, &regs->r11, &regs->r12, &regs->r13, &regs->r14, &regs->r15,
	};

	return all[index];
}

struct made {
	uint8_t code[16];
	size_t length;
	unsigned int bytes;
	uint64_t target;	/* the operand's address */
};

static void emit(struct made *made, uint64_t value, size_t bytes)
{
	memcpy(made->code + made->length, &value, bytes);
	made->length += bytes;
}

/* Any register but rsp, which the test itself needs. */
static unsigned int random_register(void)
{
	unsigned int index;

	do
		index = (unsigned int)random() % 16;
	while (index == 4);
	return index;
}

/* Emits ModRM and the like for [base + index * scale + displacement] = target; adjusts base to fit. */
static void make_operand(struct made *made, struct cpu_user_regs *regs, unsigned int reg, unsigned int base,
			 unsigned int index, unsigned int mod)
{
	int32_t displacement = mod == 0 ? 0 : mod == 1 ? (int8_t)random() : (int32_t)(random() - random());
	unsigned int scale = (unsigned int)random() % 4;

	*register_at(regs, base) = made->target - (uint64_t)(int64_t)displacement;
	if (index == base)
		index = 4;
	if (index != 4 || (base & 7) == 4) {
		emit(made, mod << 6 | (reg & 7) << 3 | 4, 1);
		emit(made, scale << 6 | (index & 7) << 3 | (base & 7), 1);
		if (index != 4)
			*register_at(regs, base) -= *register_at(regs, index) << scale;
	} else {
		emit(made, mod << 6 | (reg & 7) << 3 | (base & 7), 1);
	}
	emit(made, (uint64_t)(int64_t)displacement, mod == 0 ? 0 : mod == 1 ? 1 : 4);
}

/* An instruction of `form`, and registers with which it writes somewhere into `data`. */
static struct made make_instruction(const struct form *form, struct cpu_user_regs *regs)
{
	struct made made = { .length = 0 };
	unsigned int reg = form->group >= 0 ? (unsigned int)form->group : random_register();
	unsigned int base = random_register(), index = random() % 2 ? random_register() : 4;
	unsigned int mod = (unsigned int)random() % 3;
	bool wide = random() % 2, half = random() % 4 == 0, needs_rex, is_relative = random() % 8 == 0;
	size_t immediate, displacement_at;

	if (mod == 0 && (base & 7) == 5)
		mod = 1;
	if (index == base)
		index = 4;
	if (is_relative)
		base = index = 4;
	made.bytes = form->is_byte ? 1 : wide ? 8 : half ? 2 : 4;
	made.target = guest_address(data) + 8 * PAGE_SIZE + (uint64_t)random() % 64 * 8;

	for (unsigned int i = 0; i < 16; i++)
		*register_at(regs, i) = random64();
	if (form->is_bit) {
		/* Within the operand: what lies beyond is not done. */
		while (reg == base || reg == index)
			reg = random_register();
		*register_at(regs, reg) = (uint64_t)random() % (8 * made.bytes);
	}

	if (half)
		emit(&made, 0x66, 1);
	if (form->lockable && random() % 2)
		emit(&made, 0xf0, 1);
	needs_rex = wide || reg >= 8 || base >= 8 || (index >= 8 && index != 4) || random() % 4 == 0;
	if (!needs_rex && form->is_byte && reg == 4)
		reg = 5;
	if (needs_rex)
		emit(&made, 0x40 | (wide ? 8 : 0) | (reg >= 8 ? 4 : 0) | (index >= 8 ? 2 : 0) | (base >= 8 ? 1 : 0), 1);
	if (form->opcode >> 8)
		emit(&made, 0x0f, 1);
	emit(&made, form->opcode & 0xff, 1);
	displacement_at = made.length + 1;
	if (is_relative) {
		emit(&made, (reg & 7) << 3 | 5, 1);
		emit(&made, 0, 4);
	} else {
		make_operand(&made, regs, reg, base, index, mod);
	}
	immediate = form->immediate < 0 ? (made.bytes == 2 ? 2 : 4) : (size_t)form->immediate;
	emit(&made, random64(), immediate);
	if (is_relative) {
		uint32_t distance = (uint32_t)(made.target - guest_address(code_page) - made.length);

		memcpy(made.code + displacement_at, &distance, 4);
	}
	return made;
}

static bool same_result(const struct cpu_user_regs *a, const struct cpu_user_regs *b, uint32_t undefined)
{
	for (unsigned int i = 0; i < 16; i++)
		if (i != 4 && *register_at((struct cpu_user_regs *)(uintptr_t)a, i) !=
			      *register_at((struct cpu_user_regs *)(uintptr_t)b, i))
			return false;
	return ((a->rflags ^ b->rflags) & RESULT & ~(uint64_t)undefined) == 0;
}

static void say(const struct made *made, const struct cpu_user_regs *cpu)
{
	fprintf(stderr, "\n  differs:");
	for (size_t i = 0; i < made->length; i++)
		fprintf(stderr, " %02x", made->code[i]);
	fprintf(stderr, "  flags %lx, the CPU's %lx\n", (long)vcpu->regs.rflags, (long)cpu->rflags);
}

static void table_writes_do_what_the_cpu_does(void)
{
	static uint64_t before[DATA_BYTES / 8], after[DATA_BYTES / 8];
	struct cpu_user_regs cpu;

	given_kernel();
	srandom(2);
	for (unsigned int n = 0; n < 60000; n++) {
		const struct form *form = &forms[n % ARRAY_SIZE(forms)];
		struct made made = make_instruction(form, &vcpu->regs);
		bool done, same;

		memcpy(code_page, made.code, made.length);
		for (unsigned int i = 0; i < 512; i++)
			memcpy(data + 8 * PAGE_SIZE + i * 8, &(uint64_t){ random64() }, 8);
		/* Half of the comparisons find what they look for. */
		if (form->opcode >> 1 == 0x0fb0 >> 1 && random() % 2)
			memcpy((void *)made.target, &vcpu->regs.rax, 8);
		vcpu->regs.rflags = 0x202 | ((uint64_t)random() & RESULT);
		vcpu->regs.rip = guest_address(code_page);
		memcpy(before, data, DATA_BYTES);
		cpu = vcpu->regs;
		run_on_cpu(&cpu, made.length);
		memcpy(after, data, DATA_BYTES);
		memcpy(data, before, DATA_BYTES);

		done = emulate_table_write(vcpu, made.target);
		same = done && same_result(&vcpu->regs, &cpu, form->undefined) && !memcmp(data, after, DATA_BYTES) &&
		       vcpu->regs.rip == guest_address(code_page) + made.length;
		CU_ASSERT_TRUE(same);
		if (!same)
			say(&made, &cpu);
	}
}

static void string_stores_do_what_the_cpu_does(void)
{
	static const char *const codes[] = { "\xaa", "\x66\xab", "\xab", "\x48\xab", "\xa4", "\x66\xa5", "\xa5", "\x48\xa5" };
	static uint64_t after[DATA_BYTES / 8];
	struct cpu_user_regs cpu;

	given_kernel();
	srandom(3);
	for (unsigned int n = 0; n < 4000; n++) {
		uint8_t code[8];
		size_t length = 0, most = 20;
		bool repeats = random() % 2;

		if (repeats)
			code[length++] = 0xf3;
		memcpy(code + length, codes[n % 8], strlen(codes[n % 8]));
		length += strlen(codes[n % 8]);
		given_code((char *)code, length);
		vcpu->regs.rflags = 0x202 | (random() % 2 ? DF : 0);
		vcpu->regs.rax = random64();
		vcpu->regs.rcx = repeats ? (uint64_t)random() % 16 + 1 : random64();
		vcpu->regs.rdi = guest_address(data) + 4 * PAGE_SIZE + (uint64_t)random() % 512 * 8;
		vcpu->regs.rsi = guest_address(data) + 4 * PAGE_SIZE + (uint64_t)random() % 512 * 8;
		for (unsigned int i = 0; i < PAGE_SIZE / 8; i++)
			memcpy(data + 4 * PAGE_SIZE + i * 8, &(uint64_t){ random64() }, 8);
		memcpy(after, data, DATA_BYTES);
		cpu = vcpu->regs;
		run_on_cpu(&cpu, length);
		for (unsigned int i = 0; i < DATA_BYTES / 8; i++) {
			uint64_t word = after[i];

			memcpy(&after[i], data + i * 8, 8);
			memcpy(data + i * 8, &word, 8);
		}

		while (most-- && vcpu->regs.rip == guest_address(code_page))
			CU_ASSERT_TRUE(emulate_table_write(vcpu, vcpu->regs.rdi));
		CU_ASSERT_EQUAL(vcpu->regs.rip, guest_address(code_page) + length);
		CU_ASSERT_TRUE(same_result(&vcpu->regs, &cpu, 0));
		CU_ASSERT_EQUAL(memcmp(data, after, DATA_BYTES), 0);
	}
}

static void a_refused_entry_changes_no_register(void)
{
	static const struct { const char *code; size_t length; } changes[] = {
		{ "\x48\x89\x03", 3 }, { "\x48\x87\x0b", 3 }, { "\xf0\x48\x0f\xb1\x0b", 5 }, { "\x48\xab", 2 },
		{ "\x48\x83\x0b\x01", 4 }, { "\xf0\x48\x0f\xba\x2b\x01", 6 },
	};
	static const int errors[] = { -EINVAL, -EPERM, -EAGAIN, -ERESTART };
	struct cpu_user_regs before;

	given_kernel();
	vcpu->regs.rbx = vcpu->regs.rdi = guest_address(data);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
			given_code(changes[i].code, changes[i].length);
			write_error = errors[e];
			before = vcpu->regs;
			CU_ASSERT_FALSE(emulate_table_write(vcpu, guest_address(data)));
			CU_ASSERT_EQUAL(memcmp(&before, &vcpu->regs, sizeof(before)), 0);
		}
	}
}

static void an_entry_that_changed_meanwhile_is_tried_again(void)
{
	struct cpu_user_regs before;

	given_kernel();
	vcpu->regs.rbx = guest_address(data);
	GIVEN_CODE("\xf0\x48\x83\x0b\x01");	/* lock orq $1, (%rbx) */
	write_error = -EBUSY;
	before = vcpu->regs;
	CU_ASSERT_TRUE(emulate_table_write(vcpu, guest_address(data)));
	CU_ASSERT_EQUAL(memcmp(&before, &vcpu->regs, sizeof(before)), 0);
}

static void an_instruction_that_does_not_write_where_it_faulted_is_not_done(void)
{
	given_kernel();
	vcpu->regs.rbx = guest_address(data);
	GIVEN_CODE("\x48\x89\x03");
	CU_ASSERT_FALSE(emulate_table_write(vcpu, guest_address(data) + 8));
	CU_ASSERT_FALSE(emulate_table_write(vcpu, guest_address(data) - 1));
	GIVEN_CODE("\x48\x89\xd8");		/* mov %rbx, %rax: no memory at all */
	CU_ASSERT_FALSE(emulate_table_write(vcpu, guest_address(data)));
	GIVEN_CODE("\x0f\xa2");
	CU_ASSERT_FALSE(emulate_table_write(vcpu, guest_address(data)));
	GIVEN_CODE("\x0f\x01\x23");		/* smsw (%rbx) */
	CU_ASSERT_FALSE(emulate_table_write(vcpu, guest_address(data)));
	GIVEN_CODE("\xf0\x48\x89\x03");		/* lock mov is no instruction */
	CU_ASSERT_FALSE(emulate_table_write(vcpu, guest_address(data)));
	GIVEN_CODE("\x48\x83\x3b\x01");		/* cmpq $1, (%rbx) */
	CU_ASSERT_FALSE(emulate_table_write(vcpu, guest_address(data)));
	GIVEN_CODE("\x48\x83\x13\x01");		/* adcq: none of ours */
	CU_ASSERT_FALSE(emulate_table_write(vcpu, guest_address(data)));
	vcpu->regs.rax = 64;
	GIVEN_CODE("\x48\x0f\xab\x03");		/* bts %rax, (%rbx): of the word behind */
	CU_ASSERT_FALSE(emulate_table_write(vcpu, guest_address(data) + 8));
	GIVEN_CODE("\x0f\xba\x23\x01");		/* bt */
	CU_ASSERT_FALSE(emulate_table_write(vcpu, guest_address(data)));
	CU_ASSERT_EQUAL(writes, 0);
}

static void a_segment_base_is_none_of_ours(void)
{
	given_kernel();
	vcpu->regs.rbx = guest_address(data);
	GIVEN_CODE("\x65\x48\x89\x03");	/* mov %rax, %gs:(%rbx) */
	CU_ASSERT_FALSE(emulate_table_write(vcpu, guest_address(data)));
	GIVEN_CODE("\x64\x48\x89\x03");
	CU_ASSERT_FALSE(emulate_table_write(vcpu, guest_address(data)));
	CU_ASSERT_EQUAL(writes, 0);
	GIVEN_CODE("\x3e\x48\x89\x03");	/* ds has none */
	CU_ASSERT_TRUE(emulate_table_write(vcpu, guest_address(data)));
}

static void random_code_never_harms_the_core(void)
{
	given_kernel();
	srandom(4);
	for (unsigned int n = 0; n < 200000; n++) {
		uint8_t code[16];

		for (size_t i = 0; i < sizeof(code); i++)
			code[i] = (uint8_t)random();
		if (n % 2)
			code[0] = (uint8_t[]){ 0x0f, 0x48, 0x66, 0xf3 }[n / 2 % 4];
		given_code((char *)code, sizeof(code));
		for (unsigned int i = 0; i < 16; i++)
			*register_at(&vcpu->regs, i) = random() % 2 ? guest_address(data) + (uint64_t)random() % 4096 : random64();
		vcpu->regs.rflags = 0x202;
		write_error = -EINVAL;
		vcpu->in_kernel = n & 1;
		if (n % 3)
			(void)(emulate_privileged(vcpu) ? 0 : 1);
		else
			(void)(emulate_table_write(vcpu, *register_at(&vcpu->regs, n % 16)) ? 0 : 1);
	}
	CU_ASSERT_EQUAL(fake_machine.port_accesses, 0);
}

/* ---- privileged instructions ---- */

static void programs_get_nothing_done(void)	/* X1 */
{
	static const struct { const char *code; size_t length; } all[] = {
		{ "\xf4", 1 }, { "\xfa", 1 }, { "\xfb", 1 }, { "\x0f\x06", 2 }, { "\x0f\x09", 2 }, { "\x0f\x20\xc0", 3 },
		{ "\x0f\x22\xc0", 3 }, { "\x0f\x21\xc0", 3 }, { "\x0f\x23\xc0", 3 }, { "\x0f\x30", 2 }, { "\x0f\x32", 2 },
		{ "\x0f\x31", 2 }, { "\x0f\x01\xd1", 3 }, { "\xe4\x80", 2 }, { "\xee", 1 }, { "\xf3\x6c", 2 },
		{ "\x0f\x01\xf0", 3 }, { "\x0f\x01\xf9", 3 }, { "\x0f\xa2", 2 },
	};
	struct cpu_user_regs before;

	given_kernel();
	vcpu->in_kernel = false;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		given_code(all[i].code, all[i].length);
		before = vcpu->regs;
		CU_ASSERT_FALSE(emulate_privileged(vcpu));
		CU_ASSERT_EQUAL(memcmp(&before, &vcpu->regs, sizeof(before)), 0);
	}
	CU_ASSERT_EQUAL(task_switched, -1);
}

static void ports_need_an_iopl(void)		/* X1 */
{
	given_kernel();
	vcpu->iopl = 0;
	CU_ASSERT_FALSE(PRIVILEGED("\xec"));
	CU_ASSERT_FALSE(PRIVILEGED("\xfa"));
	vcpu->domain->vm_assist = 1ULL << VMASST_TYPE_architectural_iopl;
	CU_ASSERT_TRUE(PRIVILEGED("\xec"));
	vcpu->domain->vm_assist = 0;
	vcpu->iopl = 1;
	CU_ASSERT_TRUE(PRIVILEGED("\xec"));
	vcpu->in_kernel = false;
	CU_ASSERT_FALSE(PRIVILEGED("\xec"));
	vcpu->iopl = 3;
	CU_ASSERT_TRUE(PRIVILEGED("\xec"));
}

static void ports_of_nobody_read_all_ones(void)	/* X2 */
{
	given_kernel();
	vcpu->regs.rax = 0x1111111111111111;
	vcpu->regs.rdx = 0xcf8;
	CU_ASSERT_TRUE(PRIVILEGED("\xec"));
	CU_ASSERT_EQUAL(vcpu->regs.rax, 0x11111111111111ff);
	CU_ASSERT_TRUE(PRIVILEGED("\x66\xed"));
	CU_ASSERT_EQUAL(vcpu->regs.rax, 0x111111111111ffff);
	CU_ASSERT_TRUE(PRIVILEGED("\x48\xed"));
	CU_ASSERT_EQUAL(vcpu->regs.rax, 0xffffffff);
	CU_ASSERT_TRUE(PRIVILEGED("\xe7\x80"));
	CU_ASSERT_EQUAL(fake_machine.port_accesses, 0);
}

/* pci/config.c's part: it notes what it was asked, and answers if it is to. */
static struct { bool answers, is_out; uint16_t port; uint32_t bytes, value, calls; } pci;

bool pci_port(struct domain *domain, uint16_t port, uint32_t bytes, bool is_out, uint32_t *value)
{
	pci.calls++;
	pci.port = port;
	pci.bytes = bytes;
	pci.is_out = is_out;
	if (is_out)
		pci.value = *value;
	else
		*value = 0xc0de1af4;
	return pci.answers;
}

static void configuration_space_is_behind_its_ports_alone(void)		/* X2 */
{
	given_kernel();
	memset(&pci, 0, sizeof(pci));
	for (uint32_t port = 0; port < 0x10000; port++) {
		vcpu->regs.rdx = port;
		CU_ASSERT_TRUE(PRIVILEGED("\xed"));
		CU_ASSERT_EQUAL(vcpu->regs.rax, 0xffffffff);
	}
	CU_ASSERT_EQUAL(pci.calls, 8);
	pci.answers = true;
	vcpu->regs.rdx = 0xcfe;
	vcpu->regs.rax = 0x1111111111111111;
	CU_ASSERT_TRUE(PRIVILEGED("\x66\xed"));
	CU_ASSERT_EQUAL(vcpu->regs.rax, 0x1111111111111af4);
	CU_ASSERT(!pci.is_out && pci.port == 0xcfe && pci.bytes == 2);
	vcpu->regs.rax = 0x55aa55aa80000800;
	vcpu->regs.rdx = 0xcf8;
	CU_ASSERT_TRUE(PRIVILEGED("\xef"));
	CU_ASSERT(pci.is_out && pci.port == 0xcf8 && pci.bytes == 4 && pci.value == 0x80000800);
	CU_ASSERT_EQUAL(vcpu->regs.rax, 0x55aa55aa80000800);
	vcpu->iopl = 0;
	CU_ASSERT_FALSE(PRIVILEGED("\xed"));
	CU_ASSERT_EQUAL(fake_machine.port_accesses, 0);
}

static void strings_of_ports_are_refused(void)
{
	given_kernel();
	vcpu->regs.rcx = 1;
	vcpu->regs.rdi = vcpu->regs.rsi = guest_address(data);
	CU_ASSERT_FALSE(PRIVILEGED("\xf3\x6d"));
	CU_ASSERT_FALSE(PRIVILEGED("\x6c"));
	CU_ASSERT_FALSE(PRIVILEGED("\xf3\x6f"));
	CU_ASSERT_EQUAL(vcpu->regs.rcx, 1);
}

static void control_registers_are_the_guests(void)
{
	given_kernel();
	vcpu->table_kernel = mfn(0x1234);
	vcpu->info->arch.cr2 = 0x5678;
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x20\xc0"));
	CU_ASSERT_EQUAL(vcpu->regs.rax, 0x80050033);
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x20\xd3"));
	CU_ASSERT_EQUAL(vcpu->regs.rbx, 0x5678);
	CU_ASSERT_TRUE(PRIVILEGED("\x41\x0f\x20\xd8"));
	CU_ASSERT_EQUAL(vcpu->regs.r8, 0x1234000);
	CU_ASSERT_FALSE(PRIVILEGED("\x44\x0f\x20\xc0"));	/* cr8 */
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x20\xc8"));		/* cr1 */

	/* ModRM's mod does not matter here. */
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x20\x00"));
	CU_ASSERT_EQUAL(vcpu->regs.rax, 0x80050033);

	vcpu->regs.rax = UINT64_MAX;
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x22\xe0"));
	CU_ASSERT_EQUAL(vcpu->guest_cr4, CR4_TSD | CR4_DE | CR4_OSXSAVE);
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x20\xe0"));
	CU_ASSERT_EQUAL(vcpu->regs.rax, CR4_TSD | CR4_DE | CR4_OSXSAVE | CR4_OSFXSR | CR4_OSXMMEXCPT | 0x20);
	cpu_features.xsave = false;
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x22\xe0"));
	CU_ASSERT_EQUAL(vcpu->guest_cr4, CR4_TSD | CR4_DE);
}

static void cr3_is_validated(void)
{
	given_kernel();
	vcpu->regs.rax = 0x5432018;
	base_error = -EINVAL;
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x22\xd8"));
	CU_ASSERT_EQUAL(base.raw, 0x5432);
	base_error = -ERESTART;
	GIVEN_CODE("\x0f\x22\xd8");
	CU_ASSERT_TRUE(emulate_privileged(vcpu));
	CU_ASSERT_EQUAL(vcpu->regs.rip, guest_address(code_page));
	base_error = 0;
	CU_ASSERT_TRUE(emulate_privileged(vcpu));
	CU_ASSERT_TRUE(DONE("\x0f\x22\xd8"));
}

static void of_cr0_only_ts_can_be_changed(void)
{
	given_kernel();
	vcpu->regs.rax = 0x80050033 | CR0_TS;
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x22\xc0"));
	CU_ASSERT_EQUAL(task_switched, CR0_TS);
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x06"));
	CU_ASSERT_EQUAL(task_switched, 0);
	vcpu->regs.rax = 0x80050033 & ~(1ULL << 16);
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x22\xc0"));
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x01\xf0"));		/* lmsw */
}

static void descriptor_tables_and_machine_status_are_not_emulated(void)
{
	given_kernel();
	vcpu->regs.rbx = guest_address(data);
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x01\x03"));		/* sgdt (%rbx) */
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x01\x0b"));		/* sidt */
	CU_ASSERT_FALSE(PRIVILEGED("\x48\x0f\x01\xe0"));	/* smsw %rax */
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x01\x13"));		/* lgdt */
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x01\xc1"));		/* vmcall */
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x01\xf9"));		/* rdtscp: CPUID does not show it */
}

static void debug_registers_go_through_the_hypercalls(void)
{
	given_kernel();
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x21\xf0"));
	CU_ASSERT_EQUAL(vcpu->regs.rax, 0x4711);
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x23\xc0"));
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x23\xf8"));
	CU_ASSERT_FALSE(PRIVILEGED("\x44\x0f\x21\xc0"));	/* dr8 */
}

static void the_rest_is_done_for_the_kernel(void)
{
	given_kernel();
	CU_ASSERT_TRUE(PRIVILEGED("\xfa"));
	CU_ASSERT_TRUE(PRIVILEGED("\xfb"));
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x09"));
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x08"));		/* invd */
	CU_ASSERT_FALSE(PRIVILEGED("\xf4"));			/* hlt: there is a hypercall */
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x32"));
	CU_ASSERT_EQUAL(vcpu->regs.rax, 0x55667788);
	CU_ASSERT_EQUAL(vcpu->regs.rdx, 0x11223344);
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x30"));
	msr_allowed = false;
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x32"));
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x30"));
	vcpu->regs.rax = 7;
	vcpu->regs.rcx = vcpu->regs.rdx = 0;
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x01\xd1"));
	CU_ASSERT_EQUAL(xcr0, 7);
	vcpu->regs.rcx = 1;
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x01\xd1"));
	CU_ASSERT_FALSE(PRIVILEGED("\xf0\x0f\x09"));		/* lock */
	CU_ASSERT_FALSE(PRIVILEGED("\x0f\x01\x3b"));		/* invlpg */
}

static void a_single_step_hits_behind_an_emulated_instruction(void)
{
	given_kernel();
	vcpu->regs.rflags |= 0x10100;				/* TF, RF */
	CU_ASSERT_TRUE(PRIVILEGED("\x0f\x06"));
	CU_ASSERT_EQUAL(fake.trap_count, 1);
	CU_ASSERT_EQUAL(fake.trap_vector, TRAP_DEBUG);
	CU_ASSERT_EQUAL(vcpu->debug_register[6] & DR6_SINGLE_STEP, DR6_SINGLE_STEP);
	CU_ASSERT_EQUAL(vcpu->regs.rflags & 0x10000, 0);
}

static void forced_cpuid_is_done_for_programs_too(void)
{
	given_kernel();
	vcpu->in_kernel = false;
	vcpu->regs.rax = 0xffffffff40000000;
	vcpu->regs.rcx = 0x1122334455667788;
	GIVEN_CODE("\x0f\x0b\x78\x65\x6e\x0f\xa2");
	CU_ASSERT_TRUE(emulate_forced(vcpu));
	CU_ASSERT_TRUE(DONE("\x0f\x0b\x78\x65\x6e\x0f\xa2"));
	CU_ASSERT_EQUAL(vcpu->regs.rax, 0x40000000);
	CU_ASSERT_EQUAL(vcpu->regs.rbx, 0x55667788);
	CU_ASSERT_EQUAL(vcpu->regs.rcx, 3);
	CU_ASSERT_EQUAL(vcpu->regs.rdx, 4);
}

static void nothing_else_is_forced(void)
{
	given_kernel();
	GIVEN_CODE("\x0f\x0b\x78\x65\x6e\xf4");
	CU_ASSERT_FALSE(emulate_forced(vcpu));
	GIVEN_CODE("\x0f\x0b\x78\x65\x6f\x0f\xa2");
	CU_ASSERT_FALSE(emulate_forced(vcpu));
	vcpu->regs.rip = 0xffff800000000000;
	CU_ASSERT_FALSE(emulate_forced(vcpu));
	vcpu->regs.rip = 0x7fffffffffff;
	CU_ASSERT_FALSE(emulate_privileged(vcpu));
}

static void code_may_end_with_its_page(void)
{
	uint8_t *end = data + DATA_BYTES;

	given_kernel();
	end = data + DATA_BYTES;
	end[-1] = 0xfa;
	vcpu->regs.rip = guest_address(end) - 1;
	CU_ASSERT_TRUE(emulate_privileged(vcpu));
	end[-1] = 0x0f;
	vcpu->regs.rip = guest_address(end) - 1;
	CU_ASSERT_FALSE(emulate_privileged(vcpu));
}

static void only_64_bit_code_is_emulated(void)
{
	given_kernel();
	CU_ASSERT_TRUE(PRIVILEGED("\xfa"));
	vcpu->regs.cs = 0x23;	/* 32-bit code of this host's kernel */
	CU_ASSERT_FALSE(PRIVILEGED("\xfa"));
	vcpu->regs.cs = 0;
	CU_ASSERT_FALSE(PRIVILEGED("\xfa"));
	vcpu->regs.cs = 0xfffb;
	CU_ASSERT_FALSE(PRIVILEGED("\xfa"));
}

static const struct unit_case cases[] = {
	UNIT_CASE(random_code_never_harms_the_core),
	UNIT_CASE(programs_get_nothing_done),
	UNIT_CASE(ports_need_an_iopl),
	UNIT_CASE(ports_of_nobody_read_all_ones),
	UNIT_CASE(nothing_else_is_forced),
	UNIT_CASE(only_64_bit_code_is_emulated),
	UNIT_CASE(a_refused_entry_changes_no_register),
	UNIT_CASE(an_entry_that_changed_meanwhile_is_tried_again),
	UNIT_CASE(an_instruction_that_does_not_write_where_it_faulted_is_not_done),
	UNIT_CASE(a_segment_base_is_none_of_ours),
	UNIT_CASE(table_writes_do_what_the_cpu_does),
	UNIT_CASE(string_stores_do_what_the_cpu_does),
	UNIT_CASE(configuration_space_is_behind_its_ports_alone),
	UNIT_CASE(strings_of_ports_are_refused),
	UNIT_CASE(control_registers_are_the_guests),
	UNIT_CASE(cr3_is_validated),
	UNIT_CASE(of_cr0_only_ts_can_be_changed),
	UNIT_CASE(descriptor_tables_and_machine_status_are_not_emulated),
	UNIT_CASE(debug_registers_go_through_the_hypercalls),
	UNIT_CASE(the_rest_is_done_for_the_kernel),
	UNIT_CASE(a_single_step_hits_behind_an_emulated_instruction),
	UNIT_CASE(forced_cpuid_is_done_for_programs_too),
	UNIT_CASE(code_may_end_with_its_page),
};

int main(void) { return unit_run("emulation", cases, ARRAY_SIZE(cases)); }
