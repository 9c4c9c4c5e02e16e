/* SPDX-License-Identifier: MIT */
/*
 * A 32-bit program with no libc: system calls by int $0x80 and by the vDSO's fast entry (sysenter or
 * syscall, whichever the CPU has), and a segment of its own for %gs.
 */
#include <stdint.h>

enum { SYS_EXIT = 1, SYS_WRITE = 4, SYS_GETPID = 20, SYS_SET_THREAD_AREA = 243 };
enum { AT_SYSINFO = 32 };

struct user_desc {
	uint32_t entry_number, base_addr, limit, flags;
};

static uint32_t fast_entry;
static uint32_t words[4] = { 0x11, 0x22, 0x33, 0x44 };

static int call_int80(int number, uint32_t a, uint32_t b, uint32_t c)
{
	int result;

	asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
	return result;
}

static int call_fast(int number, uint32_t a, uint32_t b, uint32_t c)
{
	int result;

	asm volatile("call *fast_entry"
		     : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "m"(fast_entry) : "memory");
	return result;
}

static void say(const char *text)
{
	uint32_t length = 0;

	while (text[length])
		length++;
	call_int80(SYS_WRITE, 1, (uint32_t)text, length);
}

static int segment_works(void)
{
	/* 32-bit, limit in pages, usable. */
	struct user_desc desc = { (uint32_t)-1, (uint32_t)words, 0xfffff, 0x51 };
	uint32_t value;

	if (call_int80(SYS_SET_THREAD_AREA, (uint32_t)&desc, 0, 0) != 0)
		return 0;
	asm volatile("movl %1, %%gs\n\tmovl %%gs:8, %0" : "=r"(value) : "r"(desc.entry_number * 8 + 3));
	return value == 0x33;
}

static int entries_agree(void)
{
	int pid = call_int80(SYS_GETPID, 0, 0, 0);

	for (int i = 0; i < 10000; i++)
		if (call_fast(SYS_GETPID, 0, 0, 0) != pid || call_int80(SYS_GETPID, 0, 0, 0) != pid)
			return 0;
	return pid > 0;
}

__attribute__((used)) static void begin(uint32_t *stack)
{
	uint32_t *word = stack + 1 + stack[0] + 1;
	int status = 1;

	while (*word)
		word++;
	for (word++; word[0]; word += 2)
		if (word[0] == AT_SYSINFO)
			fast_entry = word[1];

	if (!fast_entry)
		say("compat-32: the kernel offers no fast entry\n");
	else if (!entries_agree())
		say("compat-32: int80 and the fast entry disagree\n");
	else if (!segment_works())
		say("compat-32: set_thread_area or gs fails\n");
	else {
		say("compat-32: ok\n");
		status = 0;
	}
	call_int80(SYS_EXIT, status, 0, 0);
}

asm(".globl _start\n_start:\n\tmovl %esp, %eax\n\tandl $-16, %esp\n\tsubl $12, %esp\n\tpushl %eax\n\tcall begin\n");
