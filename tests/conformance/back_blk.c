/* SPDX-License-Identifier: MIT */
/*
 * The scripted front-end of a disk: a guest that tries its back-end, device/vbd/51712, with what is right and what is wrong.
 * The disk's last MiB is written over. device/vbd/51728 is to be read-only, and device/vbd/51744 to have sectors of 4096 bytes.
 */
#include "../../protocols/vbd.h"
#include "judge.h"

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/lib.h"
#include "runtime/memory.h"
#include "runtime/time.h"

#define ANSWER_MS 20000
#define STATE_MS 60000
#define PAGES 40
#define AREA 2048u			/* sectors at the end that are ours */
#define NO_GREF 1900u			/* within the table, and lent to nobody */

static struct front_bus bus;
static struct ring_front ring;
static uint32_t port, ring_gref;
static uint64_t sectors, area;
static uint32_t unit;			/* in 512 bytes */
static bool readonly;
static uint8_t *page[PAGES];
static uint32_t writable[PAGES], readable[PAGES];	/* grants */
static uint64_t next_id = 0xfedcba9876543210u;
static unsigned int state_awaited;

/* ---------------------------------------------------------------- connecting */

static bool back_has_state(void) { return bus_back_state(&bus) == state_awaited; }

static bool back_comes_to(enum bus_state state, unsigned int ms)
{
	state_awaited = state;
	return judge_wait(back_has_state, ms);
}

static void publish(void)
{
	void *pages = kernel_os.pages_alloc(1);

	ring_front_init(&ring, pages, FRONT_PAGE, VBD_SLOT);
	ring_gref = kernel_os.grant(bus.back_id, pages, false);
	ASSERT(kernel_os.event_open(bus.back_id, &port) == 0);
	bus_write(&bus, "ring-ref", ring_gref);
	bus_write(&bus, "event-channel", port);
	bus_write_text(&bus, "protocol", "x86_64-abi");
	bus_switch(&bus, BUS_INITIALISED);
}

static void look_at_offer(void)
{
	sectors = bus_read(&bus, "sectors", 0);
	unit = (uint32_t)bus_read(&bus, "sector-size", VBD_SECTOR) / VBD_SECTOR;
	readonly = bus_read(&bus, "info", 0) & VBD_INFO_READONLY;
	area = sectors - AREA;
}

/* Without that there is nothing to try. */
static void not_served(const char *expected)
{
	wrong(expected, "state %u of the back-end, %u s later", bus_back_state(&bus), STATE_MS / 1000);
	judge_over();
}

static void offers_before_init_wait(void)
{
	if (!back_comes_to(BUS_INIT_WAIT, STATE_MS)) {
		not_served("state 2 of a back-end that serves");
		return;
	}
	look_at_offer();
	if (sectors >= 2 * AREA && (unit == 1 || unit == 8))
		return;
	wrong("4096 sectors or more, sector-size 512 or 4096", "sectors = %lu, sector-size = %u", sectors, unit * VBD_SECTOR);
	judge_over();
}

static void connects(void)
{
	publish();
	if (!back_comes_to(BUS_CONNECTED, STATE_MS))
		not_served("state 4 after the front-end's keys");
	else if (!kernel_grant_is_used(ring_gref))
		wrong("the ring attached when the state is 4", "its grant %u is not mapped", ring_gref);
	bus_switch(&bus, BUS_CONNECTED);
	for (unsigned int i = 0; i < PAGES; i++) {
		page[i] = kernel_os.pages_alloc(1);
		writable[i] = kernel_os.grant(bus.back_id, page[i], false);
		readable[i] = kernel_os.grant(bus.back_id, page[i], true);
	}
}

/* ---------------------------------------------------------------- asking */

static union vbd_slot given_request(uint8_t operation, uint64_t sector, unsigned int pages)
{
	union vbd_slot slot = { .plain = { .operation = operation, .segments = (uint8_t)pages, .id = next_id += 0x1234567, .sector = sector } };

	for (unsigned int i = 0; i < pages && i < VBD_SEGMENTS; i++)
		slot.plain.segment[i] = (struct vbd_segment){ .gref = operation == VBD_OP_READ ? writable[i] : readable[i], .last_sector = 7 };
	return slot;
}

static void push(void)
{
	if (ring_front_push(&ring))
		kernel_os.event_send(port);
}

static void ask(const union vbd_slot *slot)
{
	ring_front_put(&ring, slot, sizeof(*slot));
	push();
}

static bool answer_is_there(void) { return ring_front_sleep(&ring, 1) != 0; }

/* The next response, which must be to that request. Its status, or 99. */
static int answer_to(const union vbd_slot *slot)
{
	uint8_t operation = slot->plain.operation == VBD_OP_INDIRECT ? slot->indirect.inner : slot->plain.operation;
	struct vbd_response response;

	if (!judge_wait(answer_is_there, ANSWER_MS) || ring_front_take(&ring, &response, sizeof(response)) != 1) {
		wrong("an answer to each request", "none to operation %u, id %lu, sector %lu, for %u s", slot->plain.operation, slot->plain.id,
		      slot->plain.sector, ANSWER_MS / 1000);
		judge_over();
		return 99;
	}
	if (response.id != slot->plain.id || response.operation != operation) {
		wrong("the id and the operation of the request", "id %lu and operation %u, asked was id %lu and operation %u", response.id,
		      response.operation, slot->plain.id, operation);
		return 99;
	}
	return response.status;
}

static int done(const union vbd_slot *slot)
{
	ask(slot);
	return answer_to(slot);
}

static void expect(const union vbd_slot *slot, int status, const char *what)
{
	int seen = done(slot);

	if (seen != status && seen != 99)
		wrong(status == VBD_STATUS_OKAY ? "status 0" : status == VBD_STATUS_ERROR ? "status -1" : "status -2", "%s: status %d", what, seen);
}

static void expect_fine(void)
{
	union vbd_slot slot = given_request(VBD_OP_READ, area, 1);

	expect(&slot, VBD_STATUS_OKAY, "a read after it");
}

static void fill(unsigned int count, uint8_t seed)
{
	for (unsigned int i = 0; i < count; i++)
		for (unsigned int byte = 0; byte < FRONT_PAGE; byte++)
			page[i][byte] = (uint8_t)(seed + i * 5 + byte * 3 + byte / 256);
}

/* Everything in `count` pages is what fill() made, but the bytes from `from` to `to` of all of them together. */
static bool filled_but(unsigned int count, uint8_t seed, unsigned int from, unsigned int to)
{
	for (unsigned int i = 0; i < count; i++)
		for (unsigned int byte = 0; byte < FRONT_PAGE; byte++) {
			unsigned int at = i * FRONT_PAGE + byte;

			if ((at < from || at >= to) && page[i][byte] != (uint8_t)(seed + i * 5 + byte * 3 + byte / 256))
				return false;
		}
	return true;
}

/* ---------------------------------------------------------------- the steps */

static void asks_to_be_woken(void)
{
	time_sleep_ns(500000000);
	if (ring.shared->req_event != ring.req_prod + 1)
		wrong("req_event = req_prod + 1 in a back-end that waits", "req_event %u, req_prod %u", ring.shared->req_event, ring.req_prod);
}

static void answers_in_order(void)
{
	union vbd_slot slot[24];

	fill(PAGES, 1);
	for (unsigned int i = 0; i < 24; i++) {
		slot[i] = i % 5 == 4 ? given_request(VBD_OP_READ, area + 1024, 1) :
			  i % 5 == 2 ? given_request(VBD_OP_READ, area, 11) : given_request(VBD_OP_WRITE, area + 8 * i, 1 + i % 3);
		if (slot[i].plain.operation == VBD_OP_READ)
			for (unsigned int j = 0; j < slot[i].plain.segments; j++)
				slot[i].plain.segment[j].gref = writable[20 + j];
		ring_front_put(&ring, &slot[i], sizeof(slot[i]));
	}
	push();
	for (unsigned int i = 0; i < 24; i++)
		if (answer_to(&slot[i]) != VBD_STATUS_OKAY)
			wrong("status 0", "another for request %u of 24", i);
}

static void touches_what_is_named(void)
{
	union vbd_slot slot = given_request(VBD_OP_WRITE, area, 4);
	uint8_t first = unit == 1 ? 2 : 0, last = unit == 1 ? 5 : 7;

	fill(4, 10);
	expect(&slot, VBD_STATUS_OKAY, "a write of four pages");
	fill(4, 99);
	slot = given_request(VBD_OP_WRITE, area + 8 + first, 1);
	slot.plain.segment[0].first_sector = first;
	slot.plain.segment[0].last_sector = last;
	expect(&slot, VBD_STATUS_OKAY, "a write of some sectors");
	fill(6, 50);
	slot = given_request(VBD_OP_READ, area, 4);
	expect(&slot, VBD_STATUS_OKAY, "a read of four pages");
	if (!filled_but(4, 10, FRONT_PAGE + first * VBD_SECTOR, FRONT_PAGE + (last + 1u) * VBD_SECTOR))
		wrong("the bytes that were written", "others, in what four pages brought");
	for (unsigned int byte = first * VBD_SECTOR; byte < (last + 1u) * VBD_SECTOR; byte++)
		if (page[1][byte] != (uint8_t)(99 + byte * 3 + byte / 256)) {
			wrong("the bytes that were written last", "another at %u of the page", byte);
			break;
		}
	fill(1, 77);
	slot = given_request(VBD_OP_READ, area + first, 1);
	slot.plain.segment[0].first_sector = first;
	slot.plain.segment[0].last_sector = last;
	expect(&slot, VBD_STATUS_OKAY, "a read of some sectors");
	if (!filled_but(1, 77, first * VBD_SECTOR, (last + 1u) * VBD_SECTOR))
		wrong("nothing written beside the sectors of a read", "other bytes there than before");
}

/* One of them for each way to be wrong; the page of a read stays as it was, and so does the disk. */
static void wrong_requests_are_refused(void)
{
	static const struct {
		const char *what;
		uint8_t operation, segments, first, last;
		uint64_t sector;
		bool no_grant, wrong_way;
	} wrongs[] = {
		{ "a read without segments", VBD_OP_READ, 0, 0, 7, 0, false, false },
		{ "a write without segments", VBD_OP_WRITE, 0, 0, 7, 0, false, false },
		{ "a read of 12 segments", VBD_OP_READ, 12, 0, 7, 0, false, false },
		{ "a write of 255 segments", VBD_OP_WRITE, 255, 0, 7, 0, false, false },
		{ "a segment that ends before it begins", VBD_OP_READ, 1, 5, 4, 0, false, false },
		{ "a segment beyond its page", VBD_OP_READ, 1, 0, 8, 0, false, false },
		{ "a segment far beyond its page", VBD_OP_WRITE, 1, 0, 255, 0, false, false },
		{ "a read at the end of the disk", VBD_OP_READ, 1, 0, 7, UINT64_MAX, false, false },
		{ "a write at the end of the disk", VBD_OP_WRITE, 1, 0, 7, UINT64_MAX, false, false },
		{ "a write at the end of all sectors", VBD_OP_WRITE, 1, 0, 7, UINT64_MAX - 7, false, false },
		{ "a read of a page that is not lent", VBD_OP_READ, 1, 0, 7, 0, true, false },
		{ "a write of a page that is not lent", VBD_OP_WRITE, 1, 0, 7, 0, true, false },
		{ "a read into a page that is lent read-only", VBD_OP_READ, 1, 0, 7, 0, false, true },
	};

	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		uint64_t sector = wrongs[i].sector == UINT64_MAX ? sectors : wrongs[i].sector ? wrongs[i].sector : area;
		union vbd_slot slot = given_request(wrongs[i].operation, sector, wrongs[i].segments);

		slot.plain.segment[0].first_sector = wrongs[i].first;
		slot.plain.segment[0].last_sector = wrongs[i].last;
		if (wrongs[i].no_grant)
			slot.plain.segment[0].gref = NO_GREF;
		if (wrongs[i].wrong_way)
			slot.plain.segment[0].gref = readable[0];
		fill(1, 33);
		expect(&slot, VBD_STATUS_ERROR, wrongs[i].what);
		if (!filled_but(1, 33, 0, 0))
			wrong("the page as it was", "%s: other bytes", wrongs[i].what);
	}
	expect_fine();
	if (!filled_but(1, 10, 0, 0))
		wrong("the disk as it was", "other bytes in its page");
}

static void unknown_operations_are_unsupported(void)
{
	static const uint8_t operations[] = { 4, 7, 100, 255 };
	union vbd_slot slot;

	for (size_t i = 0; i < sizeof(operations); i++) {
		slot = given_request(operations[i], area, 1);
		expect(&slot, VBD_STATUS_UNSUPPORTED, "an operation that there is not");
	}
	if (bus_read(&bus, "feature-discard", 0) != 1) {
		slot = (union vbd_slot){ .discard = { .operation = VBD_OP_DISCARD, .id = 5, .sector = area, .sectors = 8 } };
		expect(&slot, VBD_STATUS_UNSUPPORTED, "a discard");
	}
	expect_fine();
}

static void flush_and_barrier(void)
{
	union vbd_slot slot = given_request(VBD_OP_FLUSH, 0, 0);

	if (bus_read(&bus, "feature-flush-cache", 0) == 1)
		expect(&slot, VBD_STATUS_OKAY, "a flush");
	else
		expect(&slot, VBD_STATUS_UNSUPPORTED, "a flush that is not offered");
	if (bus_read(&bus, "feature-barrier", 0) != 1)
		return;
	fill(1, 10);
	slot = given_request(VBD_OP_BARRIER, area, 1);
	expect(&slot, VBD_STATUS_OKAY, "a barrier with a page");
	slot = given_request(VBD_OP_BARRIER, 0, 0);
	expect(&slot, VBD_STATUS_OKAY, "a barrier with nothing");
}

static void indirect(void)
{
	struct vbd_segment *segment = (struct vbd_segment *)page[PAGES - 1];
	union vbd_slot slot = { .indirect = { .operation = VBD_OP_INDIRECT, .inner = VBD_OP_WRITE, .segments = 32, .id = 77, .sector = area,
					      .gref = { readable[PAGES - 1] } } };

	if (bus_read(&bus, "feature-max-indirect-segments", 0) < 32) {
		step_skip("not offered");
		return;
	}
	fill(32, 10);
	memset(segment, 0, FRONT_PAGE);
	for (unsigned int i = 0; i < 32; i++)
		segment[i] = (struct vbd_segment){ .gref = readable[i], .last_sector = 7 };
	expect(&slot, VBD_STATUS_OKAY, "an indirect write of 32 pages");
	fill(32, 200);
	for (unsigned int i = 0; i < 32; i++)
		segment[i].gref = writable[i];
	slot.indirect.inner = VBD_OP_READ;
	expect(&slot, VBD_STATUS_OKAY, "an indirect read of 32 pages");
	if (!filled_but(32, 10, 0, 0))
		wrong("the 32 pages that were written", "other bytes");
	slot.indirect.inner = VBD_OP_FLUSH;
	if (done(&slot) == VBD_STATUS_OKAY)
		wrong("a status below 0", "an indirect flush: status 0");
	slot.indirect.inner = VBD_OP_READ;
	slot.indirect.segments = 0xffff;
	expect(&slot, VBD_STATUS_ERROR, "an indirect read of 65535 segments");
	slot.indirect.segments = 1;
	slot.indirect.gref[0] = NO_GREF;
	expect(&slot, VBD_STATUS_ERROR, "an indirect read whose segments are not lent");
	expect_fine();
}

/* Woken by the response that was asked for, not before it, and not for those that nobody asked for. */
static bool four_are_answered(void) { return ring.shared->rsp_prod - ring.rsp_cons >= 4; }

static void events_are_those_asked_for(void)
{
	union vbd_slot slot[4];

	for (unsigned int round = 0; round < 2; round++) {
		events_taken();
		ring.shared->rsp_event = ring.rsp_cons + (round ? 1000 : 4);
		for (unsigned int i = 0; i < 4; i++) {
			slot[i] = given_request(VBD_OP_READ, area + 8 * i, 1);
			ring_front_put(&ring, &slot[i], sizeof(slot[i]));
		}
		push();
		if (!judge_wait(four_are_answered, ANSWER_MS))
			wrong("four reads answered", "%u of them, %u s later", ring.shared->rsp_prod - ring.rsp_cons, ANSWER_MS / 1000);
		time_sleep_ns(100000000);
		if (round == 0 && events_taken() == 0)
			wrong("an event for the fourth response, as rsp_event asks", "none");
		if (round == 1 && events_taken() != 0)
			wrong("no event before rsp_event", "one");
		for (unsigned int i = 0; i < 4; i++)
			answer_to(&slot[i]);
	}
}

static bool closing_or_closed(void) { return bus_back_state(&bus) >= BUS_CLOSING || bus_back_state(&bus) == BUS_UNKNOWN; }

static void index_that_lies_ends_the_attachment(void)
{
	ring.shared->req_prod = ring.req_prod + ring.slots + 1;
	kernel_os.event_send(port);
	if (!judge_wait(closing_or_closed, STATE_MS))
		wrong("state 5 or 6: the attachment ends", "state %u of the back-end, %u s later", bus_back_state(&bus), STATE_MS / 1000);
}

static void lets_go_before_closed(void)
{
	bus_switch(&bus, BUS_CLOSING);
	bus_switch(&bus, BUS_CLOSED);
	kernel_os.event_close(port);
	if (!back_comes_to(BUS_CLOSED, STATE_MS))
		wrong("state 6 after the front-end's 6", "state %u of the back-end, %u s later", bus_back_state(&bus), STATE_MS / 1000);
	if (!kernel_os.ungrant(ring_gref))
		wrong("the ring's grant free", "it is still mapped");
}

static void begin(void)
{
	offers_before_init_wait();
	connects();
}

/* Another disk takes the place of the one before. */
static void take_disk(const char *device)
{
	kernel_begin(device);
	ASSERT(bus_open(&bus, &kernel_os, device) == 0);
	kernel_watch(bus.back);
	begin();
}

/* Writes are refused, reads are not. */
static void read_only_disk_is_not_written(void)
{
	union vbd_slot slot;

	take_disk("device/vbd/51728");
	if (!readonly)
		wrong("bit 2 of info: read-only", "device/vbd/51728: info = %u", (unsigned int)bus_read(&bus, "info", 0));
	slot = given_request(VBD_OP_WRITE, area, 1);
	expect(&slot, VBD_STATUS_ERROR, "a write to a read-only disk");
	slot = given_request(VBD_OP_BARRIER, area, 1);
	if (done(&slot) == VBD_STATUS_OKAY)
		wrong("a status below 0", "a barrier with a page, to a read-only disk: status 0");
	expect_fine();
}

/* A request or a segment that begins or ends within a sector. */
static void parts_of_sectors_are_refused(void)
{
	static const struct {
		const char *what;
		uint8_t operation, offset, first, last;
	} parts[] = {
		{ "a read from the middle of a sector", VBD_OP_READ, 4, 0, 7 },
		{ "a write to the middle of a sector", VBD_OP_WRITE, 4, 0, 7 },
		{ "a write of the first 512 bytes", VBD_OP_WRITE, 0, 0, 0 },
		{ "a write of the last 3584 bytes", VBD_OP_WRITE, 1, 1, 7 },
		{ "a read of half a sector", VBD_OP_READ, 0, 0, 3 },
	};
	union vbd_slot slot;

	take_disk("device/vbd/51744");
	if (unit != 8 || bus_read(&bus, "physical-sector-size", 0) != 4096)
		wrong("sector-size and physical-sector-size 4096", "sector-size = %u, physical-sector-size = %lu", unit * VBD_SECTOR,
		      bus_read(&bus, "physical-sector-size", 0));
	fill(2, 60);
	slot = given_request(VBD_OP_WRITE, area, 2);
	expect(&slot, VBD_STATUS_OKAY, "a write of two sectors");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		slot = given_request(parts[i].operation, area + parts[i].offset, 1);
		slot.plain.segment[0].first_sector = parts[i].first;
		slot.plain.segment[0].last_sector = parts[i].last;
		fill(1, 33);
		expect(&slot, VBD_STATUS_ERROR, parts[i].what);
		if (!filled_but(1, 33, 0, 0))
			wrong("its page as it was", "%s: the page is another", parts[i].what);
	}
	slot = given_request(VBD_OP_READ, area, 2);
	expect(&slot, VBD_STATUS_OKAY, "a read of two sectors");
	if (!filled_but(2, 60, 0, 0))
		wrong("the disk as it was", "it has other bytes");
}

static void tell(void) { ring_tell("ring", &ring, decode_vbd_request, decode_vbd_response); }

void guest_main(void)
{
	static const struct step steps[] = {
		{ "BUS-12", "has written what it offers before InitWait", offers_before_init_wait },
		{ "BUS-13", "attaches the ring and goes to Connected", connects },
		{ "BUS-39", "asks by req_event to be woken before it waits", asks_to_be_woken },
		{ "BUS-38", "answers in the order of the requests, with their ids", answers_in_order },
		{ "BLK-62", "touches the sectors and pages that are named, and no others", touches_what_is_named },
		{ "BLK-60", "refuses wrong requests one by one, and goes on", wrong_requests_are_refused },
		{ "BLK-61", "says of what it does not offer that it is not supported", unknown_operations_are_unsupported },
		{ "BLK-63", "flushes", flush_and_barrier },
		{ "BLK-64", "obeys indirect requests, and answers with the inner operation", indirect },
		{ "BUS-39", "sends the events that are asked for, and no others", events_are_those_asked_for },
		{ "BUS-31", "ends the attachment of an index that lies", index_that_lies_ends_the_attachment },
		{ "BUS-15", "lets go of the ring before it is Closed", lets_go_before_closed },
		{ "BLK-28", "refuses to write to a read-only disk", read_only_disk_is_not_written },
		{ "BLK-60", "refuses what is no multiple of the sector-size that it has offered", parts_of_sectors_are_refused },
	};

	kernel_init();
	kernel_begin("device/vbd/51712");
	ASSERT(bus_open(&bus, &kernel_os, "device/vbd/51712") == 0);
	kernel_watch(bus.back);
	storm_if_told(begin, &port);
	judge(steps, sizeof(steps) / sizeof(steps[0]), tell);
	for (;;)
		kernel_wait(0);
}
