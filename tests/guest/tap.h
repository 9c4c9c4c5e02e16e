/* SPDX-License-Identifier: MIT */
/*
 * TAP from inside a domain. A kernel lists its tests and ends with TAP_MAIN(tests):
 *
 *     static void closed_port_cannot_be_sent_to(void) { ... check(...); }
 *     static const struct tap_test tests[] = { TEST(closed_port_cannot_be_sent_to), ... };
 *
 * A test fails when one of its checks does (each that does is a # line), or when it traps. Where Skink
 * differs from Xen by design, on_skink() says which of the two is running.
 */
#ifndef GUEST_TAP_H
#define GUEST_TAP_H

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/hypercall.h"
#include "runtime/lib.h"
#include "runtime/memory.h"
#include "runtime/notes.h"
#include "runtime/traps.h"
#include "runtime/vcpu.h"

struct tap_test {
	const char *name;
	void (*body)(void);
};

#define TEST(function) { #function, function }

static unsigned int tap_failed_checks;
static const char *tap_skipped;

#define check(condition) check_that(condition, "%s", #condition)
#define check_that(condition, ...)                                                       \
	((condition) ? (void)0 :                                                         \
		       (tap_failed_checks++, printf("# %s:%d: ", __FILE__, __LINE__),    \
			printf(__VA_ARGS__), printf("\n")))
/* Both values are printed when they differ. */
#define check_equal(got, wanted)                                                         \
	do {                                                                             \
		long got_ = (long)(got), wanted_ = (long)(wanted);                       \
		check_that(got_ == wanted_, "%s is %ld (0x%lx), not %ld (0x%lx)", #got,  \
			   got_, got_, wanted_, wanted_);                                \
	} while (0)

static inline void skip(const char *why)
{
	tap_skipped = why;
}

/* Skink says so in its extra version; everything else of xen_version is Xen's. */
static inline bool on_skink(void)
{
	xen_extraversion_t extra = { 0 };

	hypercall(__HYPERVISOR_xen_version, XENVER_extraversion, extra);
	return strstr(extra, "skink") != NULL;
}

static void tap_call(void *body)
{
	((void (*)(void))body)();
}

static void tap_name(char *to, const char *from)
{
	for (; *from; from++)
		*to++ = *from == '_' ? ' ' : *from;
	*to = 0;
}

static void tap_run_one(unsigned int number, const struct tap_test *test)
{
	struct trap_frame frame;
	char name[200];

	tap_failed_checks = 0;
	tap_skipped = NULL;
	tap_name(name, test->name);
	if (trap_try(&frame, tap_call, (void *)test->body)) {
		printf("# it trapped:\n# ");
		trap_print(&frame);
		tap_failed_checks++;
	}
	printf("%s %u - %s%s%s\n", tap_failed_checks ? "not ok" : "ok", number, name,
	       tap_skipped ? " # SKIP " : "", tap_skipped ? tap_skipped : "");
}

static inline void tap_run(const struct tap_test *tests, unsigned int count)
{
	printf("1..%u\n", count);
	for (unsigned int i = 0; i < count; i++)
		tap_run_one(i + 1, &tests[i]);
}

#define TAP_MAIN(tests)                                                                  \
	RUNTIME_KERNEL                                                                   \
	void guest_main(void)                                                            \
	{                                                                                \
		tap_run(tests, sizeof(tests) / sizeof((tests)[0]));                      \
	}

#endif
