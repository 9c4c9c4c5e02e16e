/* SPDX-License-Identifier: MIT */
/* What the compiler offers, under one name for gcc and clang. */
#pragma once

#define MUST_CHECK	__attribute__((warn_unused_result))
#define NORETURN	__attribute__((noreturn))
#define NOINLINE	__attribute__((noinline))
#define FLATTEN		__attribute__((flatten))	/* with all in it that it calls, but what is NOINLINE */
#define PRINTF(f, a)	__attribute__((format(printf, f, a)))
#define PACKED		__attribute__((packed))
#define ALIGNED(n)	__attribute__((aligned(n)))
#define FALLTHROUGH	__attribute__((fallthrough))

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define MAX(a, b)	((a) > (b) ? (a) : (b))
#define ROUND_UP(x, to)	(((x) + (to) - 1) / (to) * (to))

/* Memory that somebody else may be writing: one access, neither torn nor repeated. */
#define read_once(p)		__atomic_load_n((p), __ATOMIC_RELAXED)
#define write_once(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define load_acquire(p)		__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* Atomic, a full barrier. False: something else was there, and is in *expected now. */
#define compare_and_swap(p, expected, value) \
	__atomic_compare_exchange_n((p), (expected), (value), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define barrier_full()		__atomic_thread_fence(__ATOMIC_SEQ_CST)

/* Stops everything for good: prints, back trace, halts all CPUs (lib/panic.c). */
NORETURN void panic(const char *format, ...) PRINTF(1, 2);

/* A broken invariant of the core's own. On in every build; nothing that a guest does may reach one. */
#define ASSERT(condition, invariant)							\
	do {										\
		if (unlikely(!(condition)))						\
			panic("%s: %s (%s:%d)", invariant, #condition, __FILE__, __LINE__);	\
	} while (0)
