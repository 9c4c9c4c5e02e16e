/* SPDX-License-Identifier: MIT */
#include "runtime/driver_domain.h"

#include "device/pool.h"
#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/events.h"
#include "runtime/lib.h"
#include "runtime/memory.h"
#include "runtime/ready.h"
#include "runtime/time.h"

#define HEARTBEAT_MIN_NS 1000000UL
#define HEARTBEAT_USUAL_NS 10000000UL
#define DEVICE_USUAL_NS 2000000000UL
#define LOOKS_AT_DEVICE 4		/* before it counts as silent: a link that is lost is found by then */
#define NEVER UINT64_MAX

struct driver_domain driver_domain;

static void only_live(enum driver_state state) __attribute__((noreturn));

static struct driver_log *log_region;
static uint64_t text_bytes;		/* of the log */
static uint32_t table_obeyed;		/* `changed` of the table that was obeyed last */
static bool is_table_due = true;	/* it was never looked at, or not obeyed whole */
static uint64_t wake_ns = NEVER, timer_ns = NEVER, beat_ns;

/* ---- the table and its regions ---- */

static bool region_is_there(const struct driver_region *region)
{
	return region->pages && region->pages <= boot_info->nr_pages && region->pfn <= boot_info->nr_pages - region->pages &&
	       region->pfn + region->pages <= MEMORY_LIMIT_PAGES;
}

static void reserve(const struct driver_region *region)
{
	if (region_is_there(region))
		memory_reserve(region->pfn, region->pages);
}

/* Before the first page is taken. What is wrong is said later, when there is somewhere to say it. */
void driver_domain_find(void)
{
	const struct driver_table *table = (const void *)boot_info->mod_start;

	if (boot_is_dom0() || (boot_info->flags & SIF_MOD_START_PFN) || boot_info->mod_len < sizeof(*table) ||
	    table->magic != DRIVER_TABLE_MAGIC)
		return;
	driver_domain.table = table;
	reserve(&table->pool);
	reserve(&table->ledger);
	reserve(&table->status);
	reserve(&table->log);
}

static void *region_take(const char *name, const struct driver_region *region, uint64_t bytes)
{
	if (!region_is_there(region) || region->pages * PAGE_SIZE < bytes)
		panic("the table's region '%s' (frames 0x%lx and %lu more) has no room for %lu bytes in this domain's %lu frames",
		      name, region->pfn, region->pages, bytes, boot_info->nr_pages);
	return pfn_to_virt(region->pfn);
}

static void log_begin(const struct driver_region *region)
{
	log_region = region_take("log", region, PAGE_SIZE);
	text_bytes = region->pages * PAGE_SIZE - sizeof(*log_region);
}

static void pool_begin(const struct driver_region *region)
{
	void *at = region_take("pool", region, PAGE_SIZE);

	for (uint64_t page = 1; page < region->pages; page++)
		if (memory_p2m[region->pfn + page] != memory_p2m[region->pfn] + page)
			panic("the DMA pool is not contiguous in the machine: it breaks off before frame 0x%lx", region->pfn + page);
	pool_init(at, memory_p2m[region->pfn] << 12, region->pages);
}

static void check_table(const struct driver_table *table, enum driver_role role)
{
	if (!table)
		panic("this kernel needs a driver's table as its module, and has none: deploy it with <skink:driver role=...>");
	if (table->version != DRIVER_VERSION)
		panic("the table is of version %u, and this kernel speaks %u: take both from one build", table->version,
		      DRIVER_VERSION);
	if (table->role != role)
		panic("the table is for role %u, and this kernel is of role %u: give the domain the other image", table->role, role);
	if (table->attachment_count > DRIVER_ATTACHMENTS_MAX ||
	    DRIVER_TABLE_BYTES(table->attachment_count) > boot_info->mod_len)
		panic("the table has %u attachments in %lu bytes", table->attachment_count, boot_info->mod_len);
}

/* A predecessor's status is kept: its counters go on, and its ports are found there. */
static void status_begin(struct driver_status *status)
{
	if (status->magic != DRIVER_STATUS_MAGIC || status->version != DRIVER_VERSION) {
		memset(status, 0, DRIVER_STATUS_BYTES(driver_domain.attachment_count));
		status->version = DRIVER_VERSION;
	}
	status->state = DRIVER_STARTING;
	memset(status->text, 0, sizeof(status->text));
	__atomic_store_n(&status->magic, DRIVER_STATUS_MAGIC, __ATOMIC_RELEASE);
}

void driver_domain_init(enum driver_role role)
{
	const struct driver_table *table = driver_domain.table;

	if (table)
		log_begin(&table->log);
	check_table(table, role);
	driver_domain.attachment_count = table->attachment_count;
	driver_domain.status = region_take("status", &table->status, DRIVER_STATUS_BYTES(table->attachment_count));
	driver_domain.ledger = region_take("ledger", &table->ledger, PAGE_SIZE);
	driver_domain.ledger_bytes = table->ledger.pages * PAGE_SIZE;
	status_begin(driver_domain.status);
	pool_begin(&table->pool);
	event_unmask(table->control_port);
	if (table->is_rehearsal)
		only_live(DRIVER_WAITING);
}

uint64_t driver_domain_device_ns(void)
{
	uint64_t wanted = driver_domain.table ? driver_domain.table->device_ns : 0;

	return wanted ? wanted : DEVICE_USUAL_NS;
}

/* ---- what it says ---- */

void driver_domain_log(const char *text, size_t size)
{
	uint64_t at;

	if (!log_region)
		return;
	at = log_region->written;
	for (size_t count; size; size -= count, text += count, at += count) {
		size_t end = text_bytes - at % text_bytes;

		count = size < end ? size : end;
		memcpy(&log_region->text[at % text_bytes], text, count);
	}
	__atomic_store_n(&log_region->written, at, __ATOMIC_RELEASE);
}

void driver_domain_last_words(const char *text)
{
	if (driver_domain.status)
		snprintf(driver_domain.status->text, sizeof(driver_domain.status->text), "%s", text);
}

void driver_domain_tell(void)
{
	event_send(driver_domain.table->control_port);
}

/* ---- the loop ---- */

static void beat(void)
{
	__atomic_store_n(&driver_domain.status->heartbeat, driver_domain.status->heartbeat + 1, __ATOMIC_RELAXED);
}

/* 0 would say that it does not say. */
void driver_domain_note_rest(void)
{
	uint32_t rested = driver_domain.status->rested + 1;

	__atomic_store_n(&driver_domain.status->rested, rested ? rested : 1, __ATOMIC_RELAXED);
}

static uint64_t beat_period(void)
{
	uint64_t wanted = driver_domain.table->heartbeat_ns, most = driver_domain_device_ns() / LOOKS_AT_DEVICE;

	wanted = !wanted ? HEARTBEAT_USUAL_NS : wanted < most ? wanted : most;
	return wanted > HEARTBEAT_MIN_NS ? wanted : HEARTBEAT_MIN_NS;
}

void driver_domain_wake_at(uint64_t time_ns)
{
	if (time_ns < wake_ns)
		wake_ns = time_ns;
}

/* H2: upcalls are masked; blocking lets them in, and returns at once if one waits. The handlers have run on return. */
static void sleep_until_event(void)
{
	uint64_t until = wake_ns < beat_ns ? wake_ns : beat_ns;

	if (until != timer_ns) {
		timer_ns = until;
		if (time_set_timer(until))
			timer_ns = NEVER;
	}
	event_block();
	event_mask_upcalls();
	wake_ns = NEVER;
}

/* A timer that has fired is none; one that is set for later than needed is set anew before the next sleep. */
static void tick_if_due(const struct driver_calls *calls)
{
	uint64_t now = time_now_ns();

	if (now >= timer_ns)
		timer_ns = NEVER;
	if (now < beat_ns)
		return;
	beat_ns = now + beat_period();
	if (calls && calls->tick)
		calls->tick();
}

/* The table's heartbeat may be another one now. */
static void beat_no_later(void)
{
	uint64_t next_ns = time_now_ns() + beat_period();

	if (next_ns < beat_ns)
		beat_ns = next_ns;
}

static bool obey(const struct driver_calls *calls)
{
	uint32_t changed = __atomic_load_n(&driver_domain.table->changed, __ATOMIC_ACQUIRE);

	if (changed == table_obeyed && !is_table_due)
		return false;
	is_table_due = !calls->obey();
	if (is_table_due)
		return false;
	if (!driver_domain.status->taken_ns) {
		driver_domain.status->found = 1 + driver_domain.found;
		__atomic_store_n(&driver_domain.status->taken_ns, time_now_ns(), __ATOMIC_RELEASE);
	}
	table_obeyed = changed;
	beat_no_later();
	__atomic_store_n(&driver_domain.status->table_seen, changed, __ATOMIC_RELEASE);
	driver_domain_tell();
	return true;
}

static void timer_begin(void)
{
	evtchn_port_t port;

	event_mask_upcalls();
	ASSERT(event_bind_virq(VIRQ_TIMER, 0, &port) == 0);
	event_unmask(port);
}

static void state_set(enum driver_state state)
{
	__atomic_store_n(&driver_domain.status->state, (uint16_t)state, __ATOMIC_RELEASE);
	driver_domain_tell();
}

/* The state is SERVING, and stays that, unless somebody wrote over it; Dom0 hears of the successor when the table is obeyed. */
static void begin_again(const struct driver_calls *calls, uint32_t resets)
{
	struct driver_status *status = driver_domain.status;

	status->resumed_ns = time_now_ns();
	status->acknowledged_ns = status->taken_ns = status->answered_ns = status->found = 0;
	status->version = DRIVER_VERSION;
	status->state = DRIVER_SERVING;
	status->magic = DRIVER_STATUS_MAGIC;
	driver_domain.is_pardoned = driver_domain.table->pardoned == resets;
	driver_domain_awaits_device(true);
	calls->again();
	driver_domain_awaits_device(false);
	status->acknowledged_ns = time_now_ns();
	driver_domain.generation = status->generation = resets + 1;
}

/* Also the heir of another image, which has left a status behind: what Dom0 is told of its way is as of a successor's. */
static void begin(void)
{
	struct driver_status *status = driver_domain.status;

	driver_domain.generation = ++status->generation;
	driver_domain.has_answered = status->generation == 1;
	driver_domain.is_pardoned = true;	/* what another image died at accuses nobody */
	status->resumed_ns = status->acknowledged_ns = time_now_ns();
	status->taken_ns = status->answered_ns = status->found = 0;
	state_set(DRIVER_SERVING);
}

void driver_domain_awaits_device(bool does)
{
	__atomic_store_n(&driver_domain.status->awaits_device, does, __ATOMIC_RELEASE);
}

void driver_domain_note_republished(void)
{
	if (!driver_domain.status->answered_ns)
		driver_domain.status->answered_ns = time_now_ns();
}

void driver_domain_note_first_answer(void)
{
	driver_domain.has_answered = true;
	driver_domain_note_republished();
}

void driver_domain_run(const struct driver_calls *calls)
{
	uint32_t resets;

	timer_begin();
	resets = calls->again ? ready_say() : 0;
	if (resets)
		begin_again(calls, resets);
	else
		begin();
	beat_ns = time_now_ns() + beat_period();
	for (;;) {
		bool has_obeyed;

		event_take();
		beat();
		tick_if_due(calls);
		has_obeyed = obey(calls);
		if (calls->work() || has_obeyed)
			continue;
		driver_domain_note_rest();
		if (!calls->rest())
			sleep_until_event();
	}
}

/* It shows that it lives, and does nothing else. */
static void only_live(enum driver_state state)
{
	timer_begin();
	beat_ns = time_now_ns() + beat_period();
	state_set(state);
	for (;;) {
		event_take();
		beat();
		tick_if_due(NULL);
		sleep_until_event();
	}
}

void driver_domain_fail(const char *format, ...)
{
	char *text = driver_domain.status->text;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(driver_domain.status->text), format, arguments);
	va_end(arguments);
	printf("it cannot serve: %s\n", text);
	only_live(DRIVER_FAILED);
}
