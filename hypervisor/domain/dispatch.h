/* SPDX-License-Identifier: MIT */
/* Between the entry code, the dispatcher and multicalls. */
#ifndef SKINK_DISPATCH_H
#define SKINK_DISPATCH_H

#include "include/types.h"

#define HYPERCALL_WORDS 6

struct vcpu;

/* entry.S: the current vcpu called, from its kernel mode: number in rax, words in rdi rsi rdx r10 r8 r9. */
void hypercall_dispatch(struct vcpu *vcpu);

/* One call, neither iret nor multicall. */
long hypercall_run(uint64_t number, const uint64_t words[HYPERCALL_WORDS]);

/* hypercall_continue() within a multicall: the entry is changed, not the registers. */
long multicall_continue(struct vcpu *vcpu, uint32_t number, const uint64_t *words, uint32_t count);

#endif
