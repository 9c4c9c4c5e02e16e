/* SPDX-License-Identifier: MIT */
#include "judge.h"

#include <stdarg.h>

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/lib.h"
#include "runtime/time.h"

#define TOLD_MAX 5

static unsigned int faults, events;
static const char *skipped;

void wrong(const char *format, ...)
{
	va_list arguments;
	char text[200];

	if (faults++ >= TOLD_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	printf("# seen: %s\n", text);
}

void step_skip(const char *why) { skipped = why; }

static bool step_run(const struct step *step, unsigned int number, void (*dump)(void))
{
	faults = 0;
	skipped = NULL;
	step->run();
	if (faults)
		dump();
	printf("%s %u - %s MUST %s%s%s\n", faults ? "not ok" : "ok", number, step->rule, step->text, skipped ? " # SKIP " : "",
	       skipped ? skipped : "");
	return !faults;
}

void judge(const struct step *steps, unsigned int count, void (*dump)(void))
{
	unsigned int broken = 0;

	printf("TAP version 13\n1..%u\n", count);
	for (unsigned int i = 0; i < count; i++)
		broken += !step_run(&steps[i], i + 1, dump);
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

bool judge_wait(bool (*condition)(void), unsigned int ms)
{
	uint64_t until = time_now_ns() + ms * 1000000ull;

	while (!condition()) {
		if (time_now_ns() >= until)
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

void ring_tell(const char *name, const struct ring_front *ring)
{
	printf("# %s: %u slots; req_prod %u req_event %u rsp_prod %u rsp_event %u; fetched up to %u\n", name, ring->slots,
	       ring->shared->req_prod, ring->shared->req_event, ring->shared->rsp_prod, ring->shared->rsp_event, ring->rsp_cons);
}
