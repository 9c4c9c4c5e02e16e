/* SPDX-License-Identifier: MIT */
#include "blk_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/pool.h"
#include "runtime/driver_domain.h"
#include "runtime/events.h"
#include "runtime/ready.h"

#define RING_REF_BASE	1000000u
#define PORT_BASE	100u
#define SCRATCH_PAGES	256u

struct world world;
struct driver_domain driver_domain;

static uint8_t *pool, *lent_pages, *ledger, *status_page, *scratch;
static uint32_t scratch_used;

uint64_t world_random(void)
{
	uint64_t x = world.random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return world.random = x;
}

uint8_t *world_page(uint32_t gref)
{
	return lent_pages + (size_t)gref * RING_PAGE;
}

static void complain(const char *what)
{
	fprintf(stderr, "blk_world: %s\n", what);
	abort();
}

/* ---------------------------------------------------------------- the runtime */

void step(void)
{
	world.steps++;
	if (world.meanwhile)
		world.meanwhile();
	if (world.is_mortal && world.steps_left-- == 0)
		longjmp(world.death, 1);
}

void panic(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (!world.panic_is_expected)
		vfprintf(stderr, format, arguments);
	va_end(arguments);
	world.panic = format;
	if (world.panic_is_expected)
		longjmp(world.panicked, 1);
	abort();
}

uint64_t time_now_ns(void) { return world.now_ns += 100; }
void driver_domain_tell(void) { world.told++; }
void driver_domain_note_first_answer(void) { driver_domain.has_answered = true; }
void driver_domain_note_republished(void) { }

void driver_domain_wake_at(uint64_t time_ns)
{
	if (!world.wake_ns || time_ns < world.wake_ns)
		world.wake_ns = time_ns;
}

unsigned long page_free_count(void) { return 1000; }
unsigned long virt_to_mfn(const void *address) { return (uintptr_t)address / RING_PAGE; }

/* Whatever a predecessor left there. */
void *ready_scratch(uint32_t pages)
{
	void *at = scratch + scratch_used * RING_PAGE;

	scratch_used += pages;
	if (scratch_used > SCRATCH_PAGES)
		complain("no scratch page is left");
	return at;
}

/* ---------------------------------------------------------------- grants */

static struct world_queue *queue_of_ref(domid_t lender, uint32_t gref)
{
	uint32_t number = (gref - RING_REF_BASE) / DRIVER_RING_PAGES_MAX;

	if (gref < RING_REF_BASE || number >= WORLD_DISKS * BLK_RINGS_MAX || lender != 1 + number / BLK_RINGS_MAX)
		return NULL;
	return &world.disk[number / BLK_RINGS_MAX].queue[number % BLK_RINGS_MAX];
}

void *foreign_map(domid_t lender, const uint32_t *grefs, unsigned int count, int *status)
{
	struct world_queue *queue = queue_of_ref(lender, grefs[0]);

	step();
	*status = GNTST_bad_gntref;
	for (unsigned int i = 0; i < count; i++)
		if (!queue || grefs[i] != queue->ring_ref + i)
			return NULL;
	return queue->pages;
}

void foreign_unmap(void *at, unsigned int count)
{
	if (!at || !count)
		complain("what is not mapped is unmapped");
	step();
}

static int copy_one(const struct gnttab_copy *copy)
{
	bool from_guest = copy->flags == GNTCOPY_source_gref;
	const struct gnttab_copy_ptr *guest = from_guest ? &copy->source : &copy->dest, *own = from_guest ? &copy->dest : &copy->source;
	uint8_t *at = (uint8_t *)(own->u.gmfn * RING_PAGE) + own->offset, *theirs;
	enum lent wanted = from_guest ? LENT_READONLY : LENT;

	if (own->domid != DOMID_SELF || own->offset + copy->len > RING_PAGE || guest->offset + copy->len > RING_PAGE)
		complain("a copy crosses a page");
	if (guest->u.ref >= WORLD_GREFS || guest->domid != 1 + world.lent_to_disk[guest->u.ref] || world.lent[guest->u.ref] < wanted) {
		world.missed++;
		return GNTST_bad_gntref;
	}
	theirs = world_page(guest->u.ref) + guest->offset;
	if (from_guest)
		memcpy(at, theirs, copy->len);
	else
		memcpy(theirs, at, copy->len);
	return GNTST_okay;
}

int grant_op(unsigned int command, void *operations, unsigned int count)
{
	struct gnttab_copy *copy = operations;

	if (command != GNTTABOP_copy || count == 0)
		complain("an empty or foreign grant operation");
	for (unsigned int i = 0; i < count; i++) {
		step();
		copy[i].status = (int16_t)copy_one(&copy[i]);
	}
	step();
	return 0;
}

/* ---------------------------------------------------------------- events */

static struct world_queue *queue_of_port(domid_t front_id, uint32_t port)
{
	uint32_t number = port - PORT_BASE;

	if (port < PORT_BASE || number >= WORLD_DISKS * BLK_RINGS_MAX || front_id != 1 + number / BLK_RINGS_MAX)
		return NULL;
	return &world.disk[number / BLK_RINGS_MAX].queue[number % BLK_RINGS_MAX];
}

static struct world_queue *queue_of_bound(uint32_t port)
{
	for (uint32_t i = 0; i < WORLD_DISKS * BLK_RINGS_MAX; i++) {
		struct world_queue *queue = &world.disk[i / BLK_RINGS_MAX].queue[i % BLK_RINGS_MAX];

		if (port && queue->bound == port)
			return queue;
	}
	return NULL;
}

int event_bind_interdomain(domid_t remote, evtchn_port_t remote_port, evtchn_port_t *port)
{
	struct world_queue *queue = queue_of_port(remote, remote_port);
	uint32_t free = 1;

	step();
	*port = 0;
	if (!queue || queue->bound)
		return -XEN_EINVAL;
	while (queue_of_bound(free))
		free++;
	queue->bound = free;
	*port = free;
	step();
	return 0;
}

int event_status(evtchn_port_t port, struct evtchn_status *status)
{
	struct world_queue *queue = queue_of_bound(port);
	uint32_t number = queue ? queue->port - PORT_BASE : 0;

	memset(status, 0, sizeof(*status));
	status->status = queue ? EVTCHNSTAT_interdomain : EVTCHNSTAT_closed;
	status->u.interdomain.dom = (domid_t)(1 + number / BLK_RINGS_MAX);
	status->u.interdomain.port = queue ? queue->port : 0;
	return port < 64 ? 0 : -XEN_EINVAL;
}

int event_close(evtchn_port_t port)
{
	struct world_queue *queue = queue_of_bound(port);

	step();
	if (!queue)
		complain("a port is closed that is not bound");
	queue->bound = 0;
	world.pending[port] = false;
	return 0;
}

int event_send(evtchn_port_t port)
{
	struct world_queue *queue = queue_of_bound(port);

	step();
	if (!queue)
		complain("an event is sent to nobody");
	queue->is_kicked = true;
	queue->kicks++;
	step();
	return 0;
}

void event_set_handler(evtchn_port_t port, event_handler *handler) { world.handler[port] = handler; }
void event_yield(void)
{
	step();
	world.yields++;
	if (world.meanwhile_yield)
		world.meanwhile_yield();
}

int event_unmask(evtchn_port_t port) { return port ? 0 : -XEN_EINVAL; }

void world_kick(struct world_queue *queue)
{
	if (queue->bound)
		world.pending[queue->bound] = true;
}

bool event_is_due(void)
{
	for (uint32_t port = 1; port < 64; port++)
		if (world.pending[port])
			return true;
	return false;
}

static bool events_take(void)
{
	bool any = false;

	for (uint32_t port = 1; port < 64; port++)
		if (world.pending[port]) {
			world.pending[port] = false;
			any = true;
			if (world.handler[port])
				world.handler[port](port);
		}
	return any;
}

/* ---------------------------------------------------------------- the disk */

static bool in_extents(uint64_t sector, uint64_t sectors)
{
	for (uint32_t i = 0; i < WORLD_DISKS; i++)
		for (uint32_t j = 0; world.disk[i].record.serial && j < world.disk[i].record.blk.extent_count; j++) {
			const struct driver_extent *extent = &world.disk[i].record.blk.extent[j];

			if (sector >= extent->first && sector + sectors <= extent->first + extent->count)
				return true;
		}
	return false;
}

static int disk_submit(struct blk_device *device, unsigned int queue, struct blk_io *io)
{
	uint64_t bytes = 0;

	step();
	if (world.flying_count == world.depth)
		return -XEN_ENOSPC;
	for (uint32_t i = 0; i < io->segment_count; i++) {
		if (!pool_has(io->segment[i].at, io->segment[i].length) || (uintptr_t)io->segment[i].at % 512 ||
		    (i + 1 < io->segment_count && io->segment[i].length != BUFFER_BYTES))
			complain("a segment is not as device/blk.h says");
		bytes += io->segment[i].length;
	}
	if (io->op <= BLK_WRITE && (bytes != io->sectors * 512 || io->segment_count > device->segments_max || !bytes))
		complain("segments and sectors do not agree");
	if (io->op != BLK_FLUSH && !in_extents(io->sector, io->sectors))
		complain("B1: an io outside of all extents");
	if (io->op == BLK_FLUSH && world.flush_alone && (world.flying_count || world.landed_count))
		complain("B5: a flush while others are under way");
	world.flying[world.flying_count++] = io;
	step();
	return 0;
}

static void io_apply(const struct blk_io *io)
{
	uint8_t *at = world.media + io->sector * 512;

	for (uint32_t i = 0; i < io->segment_count && io->op <= BLK_WRITE; i++) {
		memcpy(io->op == BLK_WRITE ? at : io->segment[i].at, io->op == BLK_WRITE ? io->segment[i].at : at, io->segment[i].length);
		at += io->segment[i].length;
	}
	if (io->op == BLK_DISCARD)
		memset(at, 0, io->sectors * 512);
}

void world_complete(uint32_t index, int result)
{
	static uint32_t *const counters[] = { &world.reads, &world.writes, &world.flushes, &world.discards };
	struct blk_io *io = world.flying[index];

	if (!result)
		io_apply(io);
	io->result = result;
	(*counters[io->op])++;
	world.flying[index] = world.flying[--world.flying_count];
	world.landed[world.landed_count++] = io;
	if (world.may_interrupt)
		world.has_interrupted = true;
}

/* What it had taken is done, or never will be; when it has acknowledged, nothing more comes. */
void world_device_reset(void)
{
	while (world.flying_count) {
		if (world_chance(2))
			io_apply(world.flying[world.flying_count - 1]);
		world.flying_count--;
	}
	world.landed_count = 0;
	world.may_interrupt = world.has_interrupted = false;
}

static unsigned int disk_reap(struct blk_device *device, unsigned int queue, struct blk_io **io, unsigned int room)
{
	unsigned int count = 0;

	while (world.landed_count && count < room)
		io[count++] = world.landed[--world.landed_count];
	return count;
}

static void disk_push(struct blk_device *device, unsigned int queue) { world.doorbells++; }

static bool disk_interrupts(struct blk_device *device, unsigned int queue, bool on)
{
	if (on)
		step();
	world.may_interrupt = on;
	return world.landed_count;
}

static void disk_failed(struct blk_device *device, const char *why) { panic("%s", why); }

static const struct blk_driver driver = {
	.name = "world", .submit = disk_submit, .push = disk_push, .reap = disk_reap, .interrupts = disk_interrupts,
};

/* ---------------------------------------------------------------- Dom0 */

static void *pages_of(size_t bytes)
{
	return memset(aligned_alloc(RING_PAGE, bytes), 0, bytes);
}

/* Of the largest world that there can be, once. */
static void memory_begin(void)
{
	uint32_t ring_bytes = DRIVER_RING_PAGES_MAX * RING_PAGE;

	pool = pages_of(WORLD_POOL_PAGES * RING_PAGE);
	scratch = pages_of(SCRATCH_PAGES * RING_PAGE);
	lent_pages = pages_of((size_t)WORLD_GREFS * RING_PAGE);
	ledger = pages_of(64 * RING_PAGE);
	status_page = pages_of(2 * RING_PAGE);
	world.table = pages_of(4 * RING_PAGE);
	for (uint32_t i = 0; i < WORLD_DISKS * BLK_RINGS_MAX; i++)
		world.disk[i / BLK_RINGS_MAX].queue[i % BLK_RINGS_MAX].pages = pages_of(ring_bytes);
}

void world_begin(uint64_t seed)
{
	uint8_t *ring[WORLD_DISKS * BLK_RINGS_MAX];
	struct driver_table *table;

	if (!pool)
		memory_begin();
	table = world.table;
	for (uint32_t i = 0; i < WORLD_DISKS * BLK_RINGS_MAX; i++)
		ring[i] = world.disk[i / BLK_RINGS_MAX].queue[i % BLK_RINGS_MAX].pages;
	memset(&world, 0, sizeof(world));
	memset(&blk, 0, sizeof(blk));
	memset(&driver_domain, 0, sizeof(driver_domain));
	memset(table, 0, DRIVER_TABLE_BYTES(WORLD_DISKS));
	memset(status_page, 0, DRIVER_STATUS_BYTES(WORLD_DISKS));
	memset(scratch, 0xa5, SCRATCH_PAGES * RING_PAGE);
	world.table = table;
	for (uint32_t i = 0; i < WORLD_DISKS * BLK_RINGS_MAX; i++) {
		struct world_queue *queue = &world.disk[i / BLK_RINGS_MAX].queue[i % BLK_RINGS_MAX];

		queue->pages = ring[i];
		queue->port = PORT_BASE + i;
		queue->ring_ref = RING_REF_BASE + i * DRIVER_RING_PAGES_MAX;
	}
	world.random = seed * 0x9e3779b97f4a7c15u + 1;
	world.depth = WORLD_FLYING;
	world.now_ns = 1000000000;
	world.device = (struct blk_device){
		.driver = &driver, .sectors = WORLD_SECTORS, .sector_bytes = 512, .has_flush = true, .has_discard = true,
		.segments_max = 16, .queues = 1, .depth = WORLD_FLYING, .failed = disk_failed,
	};
	driver_domain.table = table;
	driver_domain.status = (void *)status_page;
	driver_domain.ledger = ledger;
	driver_domain.ledger_bytes = 64 * RING_PAGE;
	driver_domain.attachment_count = WORLD_DISKS;
}

static void ledger_lay_out(struct driver_ledger *place, uint32_t number, uint32_t slots)
{
	static uint32_t ring;
	struct ledger_ring *at;

	*place = (struct driver_ledger){ .offset = number * (uint32_t)((ledger_bytes(256) + 63) / 64 * 64), .ring = ++ring,
					 .slots = (uint16_t)slots, .response_size = sizeof(struct vbd_response) };
	at = (void *)(ledger + place->offset);
	memset(at, 0, ledger_bytes(slots));
	*at = (struct ledger_ring){ .magic = LEDGER_MAGIC, .version = LEDGER_VERSION, .response_size = place->response_size,
				    .slots = slots, .ring = ring, .commit = ledger_commit_pack(0, 0) };
}

static uint32_t serial_last;

void world_serve_again(uint32_t place)
{
	world.disk[place].record.serial = world.table->attachment[place].serial = ++serial_last;
	world.table->changed++;
}

struct world_disk *world_attach(uint32_t place, uint32_t queues, uint32_t ring_pages, uint32_t extents, uint32_t count)
{
	struct world_disk *disk = &world.disk[place];
	struct driver_attachment *record = &disk->record;

	*record = (struct driver_attachment){ .front_id = (uint16_t)(1 + place), .queue_count = (uint16_t)queues, .serial = ++serial_last,
					      .flags = DRIVER_BLK_DISCARD | DRIVER_BLK_INDIRECT };
	for (uint32_t i = 0; i < queues; i++) {
		struct world_queue *queue = &disk->queue[i];
		uint32_t bytes = ring_pages * RING_PAGE;

		ring_front_init(&queue->ring, queue->pages, bytes, VBD_SLOT);
		queue->is_kicked = false;
		record->queue[i].ring_pages = ring_pages;
		record->queue[i].port[0] = queue->port;
		for (uint32_t j = 0; j < ring_pages; j++)
			record->queue[i].ring_ref[j] = queue->ring_ref + j;
		ledger_lay_out(&record->queue[i].ledger[0], place * BLK_RINGS_MAX + i, ring_slots(bytes, VBD_SLOT));
	}
	record->blk.sector_bytes = 512;
	record->blk.extent_count = extents;
	for (uint32_t i = 0; i < extents; i++)
		record->blk.extent[i] = (struct driver_extent){ .first = place * (WORLD_SECTORS / WORLD_DISKS) + 8 + (extents - 1 - i) * (count + 8),
								.count = count };
	world.table->attachment[place] = *record;
	world.table->changed++;
	return disk;
}

void world_detach(uint32_t place)
{
	world.table->attachment[place].serial = 0;
	world.table->changed++;
}

const struct driver_attachment_status *world_status(uint32_t place)
{
	return &driver_domain.status->attachment[place];
}

uint64_t world_device_sector(const struct world_disk *disk, uint64_t sector)
{
	const struct driver_extent *extent = disk->record.blk.extent;

	for (; sector >= extent->count; extent++)
		sector -= extent->count;
	return extent->first + sector;
}

/* ---------------------------------------------------------------- lives */

static uint32_t table_obeyed;
static bool table_is_due;

void world_start(void)
{
	memset(&blk, 0, sizeof(blk));
	scratch_used = 0;
	memset(world.pending, 0, sizeof(world.pending));
	memset(world.handler, 0, sizeof(world.handler));
	world_device_reset();
	pool_init(pool, (uintptr_t)pool, WORLD_POOL_PAGES);
	driver_domain.generation++;
	driver_domain.has_answered = driver_domain.generation == 1;
	driver_domain.found = 0;
	table_is_due = true;
	blk_begin(&world.device);
}

static void obey(void)
{
	uint32_t changed = world.table->changed;

	if (changed == table_obeyed && !table_is_due)
		return;
	table_is_due = !table_obey();
	table_obeyed = changed;
}

bool world_round(void)
{
	bool event = events_take() || world.has_interrupted;

	world.has_interrupted = false;
	world.wake_ns = 0;
	obey();
	if (blk_work() || event)
		return true;
	return blk_rest();
}

void world_settle(void)
{
	uint32_t quiet = 0;

	while (quiet < 3) {
		bool moved = world_round();

		if (world.flying_count) {
			world_complete(world_below(world.flying_count), 0);
			moved = true;
		}
		quiet = moved ? 0 : quiet + 1;
	}
}
