/* SPDX-License-Identifier: MIT */
#include "kernel.h"

#include "../../protocols/front/store.h"

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/events.h"
#include "runtime/grants.h"
#include "runtime/lib.h"
#include "runtime/memory.h"
#include "runtime/notes.h"
#include "runtime/time.h"

RUNTIME_KERNEL

#define GRANT_FRAMES 4

static struct store store;
static volatile bool device_fired, any_fired;

static void store_notify(void) { event_send(boot_info->store_evtchn); }

static void wake(evtchn_port_t port) { any_fired = true; }

static void device_event(evtchn_port_t port) { device_fired = any_fired = true; }

/* Until any event has come. */
static void wait_for_event(void)
{
	event_mask_upcalls();
	if (!any_fired)
		event_block();
	any_fired = false;
	event_unmask_upcalls();
}

/* ---------------------------------------------------------------- the front-end's OS */

static void *pages_alloc(unsigned int count) { return page_alloc_many(count); }

static void pages_free(void *pages, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		page_free((uint8_t *)pages + i * PAGE_SIZE);
}

static uint32_t os_grant(uint16_t user, void *page, bool readonly) { return grant_lend(user, page, readonly ? GTF_readonly : 0); }

static bool os_ungrant(uint32_t gref) { return grant_withdraw(gref); }

static int os_event_open(uint16_t remote, uint32_t *port)
{
	int result = event_alloc(remote, port);

	if (result)
		return result;
	event_set_handler(*port, device_event);
	return event_unmask(*port);
}

static void os_event_send(uint32_t port) { event_send(port); }
static void os_event_close(uint32_t port) { event_close(port); }
static int os_store_read(const char *path, char *value, size_t size) { return store_get(&store, path, value, size); }
static int os_store_write(const char *path, const char *value) { return store_put(&store, path, value); }
static void os_log(const char *device, const char *text) { printf("%s: %s\n", device, text); }

const struct front_os kernel_os = {
	.pages_alloc = pages_alloc, .pages_free = pages_free, .grant = os_grant, .ungrant = os_ungrant,
	.event_open = os_event_open, .event_send = os_event_send, .event_close = os_event_close,
	.store_read = os_store_read, .store_write = os_store_write, .log = os_log,
};

bool kernel_grant_is_used(uint32_t gref)
{
	return __atomic_load_n(&grant_entries[gref].flags, __ATOMIC_ACQUIRE) & (GTF_reading | GTF_writing);
}

/* ---------------------------------------------------------------- beginning and waiting */

void kernel_init(void)
{
	evtchn_port_t timer;

	ASSERT(grant_init(GRANT_FRAMES) == 0);
	ASSERT(event_bind_virq(VIRQ_TIMER, 0, &timer) == 0);
	event_set_handler(timer, wake);
	ASSERT(event_unmask(timer) == 0);
	event_set_handler(boot_info->store_evtchn, wake);
	ASSERT(event_unmask(boot_info->store_evtchn) == 0);
	store_open(&store, mfn_to_virt(boot_info->store_mfn), store_notify, wait_for_event);
}

void kernel_begin(const char *device)
{
	char path[64], text[8];

	/* The state is the last that a toolstack writes. */
	snprintf(path, sizeof(path), "%s/state", device);
	ASSERT(store_watch(&store, device) == 0);
	printf("front: waits for %s\n", device);
	while (store_get(&store, path, text, sizeof(text)) <= 0)
		kernel_wait(0);
}

void kernel_watch(const char *back)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/state", back);
	ASSERT(store_watch(&store, path) == 0);
}

struct kernel_news kernel_wait(unsigned int ms)
{
	struct kernel_news news;
	uint64_t until = time_now_ns() + ms * 1000000ull;

	for (;;) {
		news = (struct kernel_news){ .store = store_changed(&store), .device = device_fired };
		device_fired = false;
		if (news.store || news.device || (ms && time_now_ns() >= until))
			return news;
		if (ms)
			time_set_timer(until);
		wait_for_event();
	}
}
