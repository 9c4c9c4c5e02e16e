/* SPDX-License-Identifier: MIT */
#include "skinkd/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenevtchn.h>

#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/monitor.h"
#include "skinkd/text.h"

#define IMAGE_FOLDER	"/usr/lib/skink"
#define QUIET_MS	2u		/* so long nobody hears of a driver again that has just called ... */
#define QUIET_MAX_MS	64u		/* ... and so long of one that calls without end, */
#define AT_ONCE_MS	8u		/* which is to call again this soon after it could be heard: this machine may be slow */
#define LOG_LOOK_MAX	(16UL << 10)	/* bytes of a driver's log that are taken at one look ... */
#define LOG_SECOND_MAX	(32UL << 10)	/* ... and in a second: what it says beyond that is lost */

static xenevtchn_handle *channels;
static uv_poll_t channels_poll;
static uv_timer_t unmask_timer;

static const char *name_of(const struct driver *driver)
{
	return driver->domain->manifest->name;
}

/* ---- for the build ---- */

bool driver_request(const struct manifest *manifest, struct build_driver *request)
{
	const struct manifest_driver *driver = &manifest->driver;

	if (manifest->role == ROLE_GUEST)
		return false;
	*request = (struct build_driver){
		.role = manifest->role == ROLE_NET ? DRIVER_NET : DRIVER_BLK,
		.pool_frames = driver->dma_pool_kib >> (FRAME_SHIFT - 10), .is_unprotected = driver->dma_unprotected,
		.heartbeat_ns = driver->health.heartbeat_us * 1000, .device_ns = driver->health.device_us * 1000,
	};
	for (size_t i = 0; i < manifest->device_count && i < DRIVER_FUNCTIONS_MAX; i++) {
		const struct manifest_pci *pci = &manifest->devices[i];

		request->function[request->function_count++] = (uint32_t)pci->segment << 16 | (uint32_t)pci->bus << 8 |
			(uint32_t)pci->slot << 3 | pci->function;
	}
	return true;
}

uint64_t driver_own_kib(const struct manifest *manifest, uint64_t kib)
{
	if (manifest->role == ROLE_GUEST)
		return kib;
	return kib > DRIVER_CLEAN_KIB ? kib - DRIVER_CLEAN_KIB : 0;
}

const char *driver_image(const struct manifest *manifest)
{
	if (manifest->kernel)
		return manifest->kernel;
	return manifest->role == ROLE_NET ? IMAGE_FOLDER "/net.elf" : IMAGE_FOLDER "/blk.elf";
}

/* ---- its pages and its channel ---- */

/* The status and the log are read-only for Dom0 too: nothing here may write what is the driver's. */
static int map_shared(struct driver *driver)
{
	const struct driver_shared *shared = &driver->shared;
	uint64_t count = driver_shared_pages(shared);
	uint8_t *at = core_map(&host.core, driver->domain->id, PROT_READ | PROT_WRITE, shared->mfn, count);

	if (!at)
		return -(errno ? errno : EFAULT);
	driver->map = at;
	driver->table = (struct driver_table *)at;
	driver->status = (const struct driver_status *)(at += shared->table_pages << FRAME_SHIFT);
	driver->log = (const struct driver_log *)(at += shared->status_pages << FRAME_SHIFT);
	driver->ledger = at + (shared->log_pages << FRAME_SHIFT);
	return 0;
}

static void bind_channel(struct driver *driver)
{
	driver->port = channels ? xenevtchn_bind_interdomain(channels, driver->domain->id, driver->shared.control_port) : -1;
	if (driver->port < 0)
		event("failed", name_of(driver), driver->domain->id, "its event channel cannot be bound (%s): its news come late",
		      strerror(errno));
}

struct driver *driver_open(struct domain *domain, const struct driver_shared *shared)
{
	struct driver *driver = need_memory(calloc(1, sizeof(*driver)));
	int result;

	*driver = (struct driver){ .domain = domain, .shared = *shared, .port = -1 };
	result = map_shared(driver);
	if (result) {
		event("failed", domain->manifest->name, domain->id, "what it shares with Domain-0 cannot be mapped: %s",
		      strerror(-result));
		driver_shared_free(&driver->shared);
		free(driver);
		return NULL;
	}
	bind_channel(driver);
	domain->driver = driver;
	monitor_add(driver);
	return driver;
}

void driver_close(struct domain *domain)
{
	struct driver *driver = domain->driver;

	if (!driver)
		return;
	monitor_remove(driver);
	if (driver->port >= 0)
		xenevtchn_unbind(channels, (evtchn_port_t)driver->port);
	core_unmap(&host.core, driver->map, driver_shared_pages(&driver->shared));
	driver_shared_free(&driver->shared);
	free(driver);
	domain->driver = NULL;
}

void driver_tell(struct driver *driver)
{
	atomic_thread_fence(memory_order_release);
	driver->table->changed++;
	if (driver->port >= 0)
		xenevtchn_notify(channels, (evtchn_port_t)driver->port);
}

void driver_health(struct driver *driver, const struct manifest_health *health)
{
	uint64_t heartbeat_ns = health->heartbeat_us * 1000, device_ns = health->device_us * 1000;

	if (driver->table->heartbeat_ns == heartbeat_ns && driver->table->device_ns == device_ns)
		return;
	__atomic_store_n(&driver->table->heartbeat_ns, heartbeat_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&driver->table->device_ns, device_ns, __ATOMIC_RELAXED);
	driver_tell(driver);
}

/* ---- over a restart of skinkd: frames as runs of neighbours ---- */

static json_t *runs_out(const xen_pfn_t *frame, uint64_t count)
{
	json_t *runs = json_array();

	for (uint64_t i = 0, run; i < count; i += run) {
		for (run = 1; i + run < count && frame[i + run] == frame[i] + run; run++)
			;
		json_array_append_new(runs, json_pack("[I, I]", (json_int_t)frame[i], (json_int_t)run));
	}
	return runs;
}

static json_t *runs_in(json_t *runs, xen_pfn_t *frame, uint64_t count)
{
	json_int_t first, run;
	uint64_t at = 0;
	json_t *one;
	size_t i;

	json_array_foreach(runs, i, one) {
		if (json_unpack(one, "[I, I]", &first, &run))
			return NULL;
		while (run-- > 0 && at < count)
			frame[at++] = (xen_pfn_t)first++;
	}
	return at == count ? runs : NULL;
}

/* What another image needs to know; without it there is none. */
static json_t *memory_out(const struct driver_shared *shared)
{
	if (!shared->frame)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:i, s:i, s:o}", "frames", (json_int_t)shared->frames, "root", (json_int_t)shared->root, "console_mfn",
			 (json_int_t)shared->console_mfn, "store_mfn", (json_int_t)shared->store_mfn, "console_port", shared->console_port,
			 "store_port", shared->store_port, "frame", runs_out(shared->frame, shared->frames));
}

static void memory_in(json_t *json, struct driver_shared *shared)
{
	json_int_t frames, root, console_mfn, store_mfn;
	int console_port, store_port;
	json_t *runs;

	if (json_unpack(json, "{s:I, s:I, s:I, s:I, s:i, s:i, s:o}", "frames", &frames, "root", &root, "console_mfn", &console_mfn, "store_mfn",
			&store_mfn, "console_port", &console_port, "store_port", &store_port, "frame", &runs) ||
	    frames <= 0 || frames > SKINK_DRIVER_FRAMES_MAX)
		return;
	shared->frames = (uint64_t)frames;
	shared->root = (xen_pfn_t)root;
	shared->console_mfn = (xen_pfn_t)console_mfn;
	shared->store_mfn = (xen_pfn_t)store_mfn;
	shared->console_port = (uint32_t)console_port;
	shared->store_port = (uint32_t)store_port;
	shared->is_uncertain = true;
	shared->frame = need_memory(calloc(shared->frames, sizeof(xen_pfn_t)));
	if (runs_in(runs, shared->frame, shared->frames))
		return;
	free(shared->frame);
	shared->frame = NULL;
}

json_t *driver_out(const struct driver *driver)
{
	const struct driver_shared *shared = &driver->shared;

	return json_pack("{s:i, s:b, s:i, s:[I, I, I, I], s:I, s:o, s:o}", "port", shared->control_port, "protected", shared->is_protected,
			 "queues", shared->queues, "pages",
			 (json_int_t)shared->table_pages, (json_int_t)shared->status_pages, (json_int_t)shared->log_pages,
			 (json_int_t)shared->ledger_pages, "log", (json_int_t)shared->log_taken,
			 "frames", runs_out(shared->mfn, driver_shared_pages(shared)), "memory", memory_out(shared));
}

bool driver_in(json_t *json, struct driver_shared *shared)
{
	json_int_t pages[4], log;
	int port, is_protected;
	uint64_t count;
	json_t *runs;

	if (json_unpack(json, "{s:i, s:b, s:[I, I, I, I], s:I, s:o}", "port", &port, "protected", &is_protected, "pages", &pages[0],
			&pages[1], &pages[2], &pages[3], "log", &log, "frames", &runs))
		return false;
	*shared = (struct driver_shared){
		.control_port = (uint32_t)port, .is_protected = is_protected, .table_pages = (uint64_t)pages[0],
		.status_pages = (uint64_t)pages[1], .log_pages = (uint64_t)pages[2], .ledger_pages = (uint64_t)pages[3],
		.log_taken = (uint64_t)log, .queues = (uint32_t)json_integer_value(json_object_get(json, "queues")),
	};
	count = driver_shared_pages(shared);
	shared->mfn = need_memory(calloc(count, sizeof(xen_pfn_t)));
	memory_in(json_object_get(json, "memory"), shared);
	if (runs_in(runs, shared->mfn, count))
		return true;
	driver_shared_free(shared);
	return false;
}

/* ---- what it says ---- */

void driver_text(const char *from, size_t bytes, char *text, size_t room)
{
	size_t length = bytes < room - 1 ? bytes : room - 1;

	memcpy(text, from, length);
	text[length] = 0;
	text_make_utf8(text);
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = ' ';
}

/* As xenconsoled would have written it: who reads the one finds the other. */
static void append_log(const struct driver *driver, const char *text, size_t bytes)
{
	char path[CONSOLE_PATH];
	int file;

	console_path(path, name_of(driver));
	file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (file < 0 || write(file, text, bytes) < 0)
		say("%s: %s", path, strerror(errno));
	if (file >= 0)
		close(file);
}

static bool may_take_log(struct driver *driver)
{
	uint64_t now = uv_now(host.loop);

	if (now - driver->log_second_ms >= 1000) {
		driver->log_second_ms = now;
		driver->log_second_bytes = 0;
	}
	return driver->log_second_bytes < LOG_SECOND_MAX;
}

static void take_log(struct driver *driver)
{
	uint64_t written = __atomic_load_n(&driver->log->written, __ATOMIC_ACQUIRE);
	uint64_t room = (driver->shared.log_pages << FRAME_SHIFT) - sizeof(struct driver_log), count = written - driver->shared.log_taken;
	char text[LOG_LOOK_MAX];

	if (!count || !may_take_log(driver))
		return;
	if (count > LOG_LOOK_MAX) {			/* lost, or a lie */
		driver->shared.log_taken = written - LOG_LOOK_MAX;
		count = LOG_LOOK_MAX;
	}
	for (uint64_t i = 0; i < count; i++)
		text[i] = driver->log->text[(driver->shared.log_taken + i) % room];
	driver->shared.log_taken = written;
	driver->log_second_bytes += count;
	append_log(driver, text, count);
}

void driver_last_words(struct driver *driver, char *text, size_t room)
{
	driver->log_second_bytes = 0;
	take_log(driver);
	driver_text(driver->status->text, DRIVER_TEXT_BYTES, text, room);
}

static enum driver_state state_of(const struct driver *driver)
{
	const volatile struct driver_status *status = driver->status;
	uint16_t state = status->state;

	if (status->magic != DRIVER_STATUS_MAGIC)
		return DRIVER_STARTING;
	return status->version == DRIVER_VERSION && state <= DRIVER_FAILED ? (enum driver_state)state : DRIVER_FAILED;
}

bool driver_serves(const struct driver *driver)
{
	return driver->state == DRIVER_SERVING;
}

static void gave_up(struct driver *driver, const char *text)
{
	event("failed", name_of(driver), driver->domain->id, "the driver gives up: %s", text);
	monitor_gave_up(driver, text);
}

static void look_at(struct driver *driver)
{
	enum driver_state state = state_of(driver);
	char text[DRIVER_TEXT_BYTES + 1], device[sizeof(driver->status->device_name) + 1];

	take_log(driver);
	monitor_heard(driver);
	/* An heir of another image begins: it is not less of a driver for that. */
	if (state == driver->state || (state == DRIVER_STARTING && monitor_is_changing(driver)))
		return;
	driver->state = state;
	driver_text(driver->status->text, DRIVER_TEXT_BYTES, text, sizeof(text));
	driver_text(driver->status->device_name, sizeof(driver->status->device_name), device, sizeof(device));
	if (state == DRIVER_SERVING)
		event("serving", name_of(driver), driver->domain->id, "%s", device);
	else if (state == DRIVER_FAILED)
		gave_up(driver, *text ? text : "it does not say why");
}

void drivers_look(void)
{
	for (struct domain *domain = host.domains; domain; domain = domain->next)
		if (domain->driver && domain->phase == PHASE_RUNNING)
			look_at(domain->driver);
	attach_look();
}

/* ---- its events: DR3 ---- */

static void unmask_what_is_due(uv_timer_t *timer)
{
	uint64_t now = uv_now(host.loop), next_ms = UINT64_MAX;

	for (struct domain *domain = host.domains; domain; domain = domain->next) {
		struct driver *driver = domain->driver;

		if (!driver || !driver->call.is_masked)
			continue;
		if (driver->call.due_ms <= now) {
			driver->call.is_masked = false;
			driver->call.heard_from_ms = now;
			xenevtchn_unmask(channels, (evtchn_port_t)driver->port);
		} else if (driver->call.due_ms < next_ms) {
			next_ms = driver->call.due_ms;
		}
	}
	if (next_ms != UINT64_MAX)
		uv_timer_start(timer, unmask_what_is_due, next_ms - now, 0);
}

static void note_call(struct driver *driver)
{
	uint64_t now = uv_now(host.loop);
	bool is_endless = driver->call.quiet_ms && now - driver->call.heard_from_ms <= driver->call.quiet_ms + AT_ONCE_MS;

	driver->call.count++;
	driver->call.quiet_ms = !is_endless ? QUIET_MS : driver->call.quiet_ms < QUIET_MAX_MS ? 2 * driver->call.quiet_ms : QUIET_MAX_MS;
	driver->call.due_ms = now + driver->call.quiet_ms;
	driver->call.is_masked = true;
}

static void channels_have_news(uv_poll_t *poll, int status, int what)
{
	int port = xenevtchn_pending(channels);

	if (port < 0)
		return;
	for (struct domain *domain = host.domains; domain; domain = domain->next)
		if (domain->driver && domain->driver->port == port)
			note_call(domain->driver);
	drivers_look();
	unmask_what_is_due(&unmask_timer);
}

bool drivers_open(void)
{
	channels = xenevtchn_open(NULL, 0);
	if (!channels) {
		event("failed", NULL, 0, "/dev/xen/evtchn: %s: driver domains cannot be reached", strerror(errno));
		return false;
	}
	uv_timer_init(host.loop, &unmask_timer);
	uv_poll_init(host.loop, &channels_poll, xenevtchn_fd(channels));
	uv_poll_start(&channels_poll, UV_READABLE, channels_have_news);
	return true;
}

struct driver *driver_find(const char *name, enum driver_role role)
{
	struct driver *found = NULL;

	for (struct domain *domain = host.domains; domain; domain = domain->next) {
		struct driver *driver = domain->driver;

		if (!driver || driver->table->role != role || domain->phase != PHASE_RUNNING || monitor_is_closed(driver))
			continue;
		if (name && !strcmp(domain->manifest->name, name))
			return driver;
		if (!name && found)
			return NULL;		/* which one? */
		if (!name)
			found = driver;
	}
	return found;
}

const char *driver_state_name(const struct driver *driver)
{
	static const char *const names[] = { [DRIVER_STARTING] = "starting", [DRIVER_SERVING] = "serving", [DRIVER_FAILED] = "failed" };

	return monitor_waits_for_somebody(driver->domain) || monitor_backs_off(driver) ?
	       monitor_state_name(driver->monitor->state) : names[driver->state];
}

json_t *driver_json(const struct driver *driver)
{
	char text[DRIVER_TEXT_BYTES + 1], device[sizeof(driver->status->device_name) + 1];
	struct driver_status status;
	json_t *json;

	memcpy(&status, driver->status, sizeof(status));	/* DR1 */
	driver_text(status.text, DRIVER_TEXT_BYTES, text, sizeof(text));
	driver_text(status.device_name, sizeof(status.device_name), device, sizeof(device));
	json = json_pack("{s:s, s:s, s:s, s:b, s:i, s:I, s:b}", "state", driver_state_name(driver), "device", device, "text", text,
			 "protected", driver->shared.is_protected, "generation", status.generation, "heartbeat",
			 (json_int_t)status.heartbeat, "link_up", (status.device_flags & DRIVER_DEVICE_LINK_UP) != 0);
	json_object_set_new(json, "seen", json_pack("{s:I, s:I}", "looks", (json_int_t)driver->monitor->look_count, "calls",
						    (json_int_t)driver->call.count));
	json_object_set_new(json, "restart", monitor_json(driver->monitor));
	if (driver->table->role == DRIVER_BLK) {
		json_object_set_new(json, "sectors", json_integer((json_int_t)status.device_sectors));
		json_object_set_new(json, "sector_bytes", json_integer(status.sector_bytes));
	}
	return json;
}
