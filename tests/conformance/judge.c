/* SPDX-License-Identifier: MIT */
#include "judge.h"

#include <stdarg.h>

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/lib.h"
#include "runtime/time.h"

#define TOLD_MAX	5u
#define TEXT_MAX	300u
#define RINGS_MAX	6000u
#define RESPONSES_TOLD	4u
#define REQUESTS_TOLD	8u

struct fault {
	const char *expected;
	char seen[TEXT_MAX];
};

static struct fault faults[TOLD_MAX];
static unsigned int fault_count, events;
static char rings[RINGS_MAX];		/* as they were at the first fault */
static size_t rings_length;
static void (*tell_rings)(void);
static const char *skipped;
static bool is_over;			/* nothing more can be tried */

void wrong(const char *expected, const char *seen, ...)
{
	struct fault *fault = &faults[fault_count];
	va_list arguments;

	if (fault_count++ >= TOLD_MAX)
		return;
	fault->expected = expected;
	va_start(arguments, seen);
	vsnprintf(fault->seen, sizeof(fault->seen), seen, arguments);
	va_end(arguments);
	if (fault_count == 1)
		tell_rings();
}

void step_skip(const char *why) { skipped = why; }

void judge_over(void) { is_over = true; }

/* ---------------------------------------------------------------- what is said */

/* YAML's scalars are quoted: what was seen has colons. Quotes there are none in it. */
static void fault_print(const char *before, const struct fault *fault)
{
	printf("  %sexpected: \"%s\"\n", before, fault->expected);
	printf("  %sseen: \"%s\"\n", *before ? "    " : "", fault->seen);
}

static void rings_print(void)
{
	const char *line = rings;

	printf(*line ? "  rings: |\n" : "  rings: \"none is offered yet\"\n");
	while (*line) {
		size_t length = 0;

		while (line[length] && line[length] != '\n')
			length++;
		printf("      ");
		console_write(line, length);
		printf("\n");
		line += length + (line[length] == '\n');
	}
}

static void faults_print(void)
{
	unsigned int told = fault_count < TOLD_MAX ? fault_count : TOLD_MAX;

	printf("  ---\n");
	fault_print("", &faults[0]);
	if (told > 1)
		printf("  also:\n");
	for (unsigned int i = 1; i < told; i++)
		fault_print("  - ", &faults[i]);
	if (fault_count > told)
		printf("  more: %u\n", fault_count - told);
	rings_print();
	printf("  ...\n");
}

static bool step_run(const struct step *step, unsigned int number)
{
	fault_count = 0;
	rings_length = 0;
	rings[0] = 0;
	skipped = is_over ? "the back-end serves no longer" : NULL;
	if (!is_over)
		step->run();
	printf("%s %u - %s MUST %s%s%s\n", fault_count ? "not ok" : "ok", number, step->rule, step->text, skipped ? " # SKIP " : "",
	       skipped ? skipped : "");
	if (fault_count)
		faults_print();
	return !fault_count;
}

void judge(const struct step *steps, unsigned int count, void (*tell)(void))
{
	unsigned int broken = 0;

	tell_rings = tell;
	printf("TAP version 13\n1..%u\n", count);
	for (unsigned int i = 0; i < count; i++)
		broken += !step_run(&steps[i], i + 1);
	printf("conformance: done, %u broken\n", broken);
}

void storm_if_told(void (*connect)(void), const uint32_t *port)
{
	if (!strstr((const char *)boot_info->cmd_line, "storm"))
		return;
	connect();
	printf("conformance: storm\n");
	for (;;)
		kernel_os.event_send(*port);
}

/* ---------------------------------------------------------------- waiting */

bool judge_wait(bool (*condition)(void), unsigned int ms)
{
	uint64_t until = time_now_ns() + ms * 1000000ull;

	while (!condition()) {
		if (is_over || time_now_ns() >= until)
			return false;
		events += kernel_wait(10).device;
	}
	return true;
}

unsigned int events_taken(void)
{
	unsigned int taken = events + kernel_wait(1).device;

	events = 0;
	return taken;
}

/* ---------------------------------------------------------------- rings */

static void rings_add(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void rings_add(const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(rings + rings_length, sizeof(rings) - rings_length, format, arguments);
	va_end(arguments);
	rings_length += (size_t)length;
	if (rings_length >= sizeof(rings))
		rings_length = sizeof(rings) - 1;
}

static void slot_tell(const struct ring_front *ring, const char *kind, uint32_t index, decode_slot *decode)
{
	char text[TEXT_MAX];

	decode(text, sizeof(text), ring_slot(ring->shared, ring->slots, ring->slot_size, index));
	rings_add("  %s %u: %s\n", kind, index, text);
}

void ring_tell(const char *name, const struct ring_front *ring, decode_slot *request, decode_slot *response)
{
	uint32_t rsp_prod, put = ring->req_put;

	if (!ring->shared)
		return;
	rsp_prod = ring->shared->rsp_prod;
	rings_add("%s: %u slots; req_prod %u req_event %u rsp_prod %u rsp_event %u; fetched up to %u\n", name, ring->slots,
		  ring->shared->req_prod, ring->shared->req_event, rsp_prod, ring->shared->rsp_event, ring->rsp_cons);
	if (put - rsp_prod > ring->slots)
		put = rsp_prod;				/* it has answered more than was asked */
	/* A response is there until its slot has the next request. */
	for (uint32_t i = rsp_prod < RESPONSES_TOLD ? 0 : rsp_prod - RESPONSES_TOLD; i != rsp_prod; i++)
		if (put - i <= ring->slots)
			slot_tell(ring, "response", i, response);
	for (uint32_t i = put - rsp_prod > REQUESTS_TOLD ? put - REQUESTS_TOLD : rsp_prod; i != put; i++)
		slot_tell(ring, "request", i, request);
}
