/* SPDX-License-Identifier: MIT */
/*
 * What a CPU holds for a process comes back as it was: SSE and x87 registers across switches and signals,
 * segment bases, a local descriptor table, a hardware breakpoint. Each check is made while others like it run.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <errno.h>
#include <fenv.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
	double zeroes[2] = { 0, 0 };

	(void)number;
	asm volatile("movupd %0, %%xmm7\n\tfninit" : : "m"(zeroes) : "xmm7");
	signals = signals + 1;
}

static const char *fpu_survives(uint64_t seed)
{
	uint64_t in[2] = { seed * 0x9e3779b97f4a7c15, ~seed }, out[2];
	double deep_in = (double)seed + 0.5, deep_out;

	for (int i = 0; i < 300; i++) {
		asm volatile("movdqu %2, %%xmm7\n\t"
			     "fldl %3\n\t"
			     "movl %4, %%eax\n\tmovl %5, %%edi\n\tsyscall\n\t"
			     "movdqu %%xmm7, %0\n\t"
			     "fstpl %1"
			     : "=m"(out), "=m"(deep_out)
			     : "m"(in), "m"(deep_in), "i"(SYS_sched_yield), "i"(0)
			     : "rax", "rcx", "rdi", "r11", "xmm7", "memory");
		if (memcmp(in, out, sizeof(in)) || deep_in != deep_out)
			return "FPU registers changed over a switch";

		asm volatile("movdqu %1, %%xmm7\n\t"
			     "movl %2, %%eax\n\tmovl %3, %%edi\n\tmovl %4, %%esi\n\tsyscall\n\t"
			     "movdqu %%xmm7, %0"
			     : "=m"(out) : "m"(in), "i"(SYS_kill), "r"(getpid()), "i"(SIGUSR1)
			     : "rax", "rcx", "rdi", "rsi", "r11", "xmm7", "memory");
		if (memcmp(in, out, sizeof(in)))
			return "FPU registers changed over a signal";
	}
	return signals == 300 ? NULL : "signals were lost";
}

static const char *segment_bases_hold(uint64_t seed)
{
	static uint64_t cell[2];
	unsigned long base;
	uint64_t value;

	cell[0] = seed;
	if (syscall(SYS_arch_prctl, ARCH_SET_GS, cell))
		return "arch_prctl";
	for (int i = 0; i < 300; i++) {
		sched_yield();
		asm volatile("movq %%gs:0, %0" : "=r"(value));
		if (value != seed || syscall(SYS_arch_prctl, ARCH_GET_GS, &base) || base != (unsigned long)cell)
			return "the base of gs changed";
	}
	return NULL;
}

static const char *local_descriptors_work(uint64_t seed)
{
	/* Segments of the LDT have 32-bit bases. */
	uint32_t *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct user_desc desc = { .entry_number = 5, .limit = 0xfff, .seg_32bit = 1, .useable = 1 };
	uint32_t value = 0;

	if (low == MAP_FAILED)
		return "mmap below 4 GiB";
	desc.base_addr = (unsigned long)low;
	low[3] = (uint32_t)seed ^ 0x5a5a5a5a;
	if (syscall(SYS_modify_ldt, 1, &desc, sizeof(desc)))
		return errno == ENOSYS ? NULL : "modify_ldt";
	for (int i = 0; i < 300; i++) {
		asm volatile("movw %w1, %%gs\n\tmovl %%gs:12, %0" : "=r"(value) : "r"(5 * 8 + 7));
		if (value != low[3])
			return "a read through the LDT gave something else";
		sched_yield();
	}
	asm volatile("movw %w0, %%gs" : : "r"(0));
	return NULL;
}

static volatile int watched;

static const char *breakpoint_hits(uint64_t seed)
{
	struct user *user = NULL;
	int status;
	pid_t child = fork();

	(void)seed;
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		watched = 1;
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (ptrace(PTRACE_POKEUSER, child, (char *)user + offsetof(struct user, u_debugreg[0]), &watched) ||
	    ptrace(PTRACE_POKEUSER, child, (char *)user + offsetof(struct user, u_debugreg[7]), 0xd0001L))
		return "setting a debug register";
	ptrace(PTRACE_CONT, child, 0, 0);
	waitpid(child, &status, 0);
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		return "a write to the watched word did not trap";
	ptrace(PTRACE_KILL, child, 0, 0);
	waitpid(child, &status, 0);
	return NULL;
}

static const char *faults_are_signals(uint64_t seed)
{
	static const struct { int signal; const char *what; } expected[] = {
		{ SIGFPE, "a division by zero" }, { SIGILL, "ud2" },
		{ SIGSEGV, "a write to address 0" }, { SIGTRAP, "int3" },
	};

	(void)seed;
	for (int i = 0; i < 4; i++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			int zero = 0;

			switch (i) {
			case 0: asm volatile("idivl %0" : "+r"(zero) : "a"(1), "d"(0)); break;
			case 1: asm volatile("ud2"); break;
			case 2: asm volatile("movl $1, 0"); break;
			case 3: asm volatile("int3"); break;
			}
			_exit(0);
		}
		waitpid(child, &status, 0);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != expected[i].signal)
			return expected[i].what;
	}
	return NULL;
}

static const struct {
	const char *name;
	const char *(*run)(uint64_t seed);
} checks[] = {
	{ "fpu", fpu_survives },
	{ "bases", segment_bases_hold },
	{ "ldt", local_descriptors_work },
	{ "breakpoint", breakpoint_hits },
	{ "faults", faults_are_signals },
};

static int run_one(int worker)
{
	signal(SIGUSR1, on_signal);
	for (unsigned i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		const char *wrong = checks[i].run(worker + 1);

		if (wrong) {
			printf("state: %s: %s\n", checks[i].name, wrong);
			return 1;
		}
	}
	return 0;
}

int main(void)
{
	int failed = 0, status;

	for (int worker = 0; worker < 4; worker++) {
		if (fork() == 0) {
			status = run_one(worker);
			fflush(stdout);
			_exit(status);
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	if (!failed)
		printf("state: ok\n");
	return failed != 0;
}
