/* SPDX-License-Identifier: MIT */
/*
 * hypercall(__HYPERVISOR_xxx, arguments...): up to five arguments of any integer or pointer type.
 * A plain `syscall` in kernel mode is a hypercall; the hypercall page holds nothing else.
 */
#ifndef RUNTIME_HYPERCALL_H
#define RUNTIME_HYPERCALL_H

#include "runtime/xen.h"

static inline long hypercall_raw(unsigned long number, unsigned long first, unsigned long second,
				 unsigned long third, unsigned long fourth, unsigned long fifth)
{
	register unsigned long r10 __asm__("r10") = fourth;
	register unsigned long r8 __asm__("r8") = fifth;
	unsigned long result = number;

	__asm__ volatile("syscall"
			 : "+a"(result), "+D"(first), "+S"(second), "+d"(third), "+r"(r10), "+r"(r8)
			 :
			 : "rcx", "r11", "memory", "cc");
	return (long)result;
}

#define HYPERCALL_PICK(_0, _1, _2, _3, _4, _5, name, ...) name
#define HYPERCALL_0(n) hypercall_raw(n, 0, 0, 0, 0, 0)
#define HYPERCALL_1(n, a) hypercall_raw(n, (unsigned long)(a), 0, 0, 0, 0)
#define HYPERCALL_2(n, a, b) hypercall_raw(n, (unsigned long)(a), (unsigned long)(b), 0, 0, 0)
#define HYPERCALL_3(n, a, b, c) \
	hypercall_raw(n, (unsigned long)(a), (unsigned long)(b), (unsigned long)(c), 0, 0)
#define HYPERCALL_4(n, a, b, c, d)                                                       \
	hypercall_raw(n, (unsigned long)(a), (unsigned long)(b), (unsigned long)(c),     \
		      (unsigned long)(d), 0)
#define HYPERCALL_5(n, a, b, c, d, e)                                                    \
	hypercall_raw(n, (unsigned long)(a), (unsigned long)(b), (unsigned long)(c),     \
		      (unsigned long)(d), (unsigned long)(e))
#define hypercall(...)                                                                   \
	HYPERCALL_PICK(__VA_ARGS__, HYPERCALL_5, HYPERCALL_4, HYPERCALL_3, HYPERCALL_2,  \
		       HYPERCALL_1, HYPERCALL_0)(__VA_ARGS__)

#endif
