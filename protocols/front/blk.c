/* SPDX-License-Identifier: MIT */
#include "blk.h"

int blk_open(struct blk *blk, const struct front_os *os, const char *own)
{
	*blk = (struct blk){ .ring_gref = FRONT_NO_GRANT };
	return bus_open(&blk->bus, os, own);
}

/* ---------------------------------------------------------------- connecting and closing */

static void blk_release(struct blk *blk)
{
	const struct front_os *os = blk->bus.os;

	if (!blk->ring_page)
		return;
	if (blk->port)
		os->event_close(blk->port);
	/* A page that the back-end still has mapped is not used again, by anybody. */
	if (blk->ring_gref == FRONT_NO_GRANT || os->ungrant(blk->ring_gref))
		os->pages_free(blk->ring_page, 1);
	blk->ring_page = NULL;
	blk->ring_gref = FRONT_NO_GRANT;
	blk->port = 0;
}

static int blk_ring_create(struct blk *blk)
{
	const struct front_os *os = blk->bus.os;

	blk->ring_page = os->pages_alloc(1);
	if (!blk->ring_page)
		return FRONT_NO_MEMORY;
	ring_front_init(&blk->ring, blk->ring_page, FRONT_PAGE, VBD_SLOT);
	blk->ring_gref = os->grant(blk->bus.back_id, blk->ring_page, false);
	return blk->ring_gref == FRONT_NO_GRANT ? FRONT_NO_MEMORY : os->event_open(blk->bus.back_id, &blk->port);
}

/* BUS-3  The keys first, the state last. */
static int blk_publish(struct blk *blk)
{
	struct front_bus *bus = &blk->bus;
	int result = blk_ring_create(blk);

	if (!result)
		result = bus_write(bus, "ring-ref", blk->ring_gref);
	if (!result)
		result = bus_write(bus, "event-channel", blk->port);
	if (!result)
		result = bus_write_text(bus, "protocol", "x86_64-abi");
	if (!result)
		result = bus_write(bus, "feature-large-sector-size", 1);
	if (result) {
		bus->os->log(bus->own, "no ring could be offered: no memory, grants, event channels or store");
		blk_release(blk);
		return result;
	}
	bus_switch(bus, BUS_INITIALISED);
	return 0;
}

/* BLK-4  What the disk is, once the back-end is connected. */
static void blk_connect(struct blk *blk)
{
	struct front_bus *bus = &blk->bus;
	uint64_t sector_bytes = bus_read(bus, "sector-size", VBD_SECTOR);

	blk->sectors = bus_read(bus, "sectors", 0);
	if (sector_bytes < VBD_SECTOR || sector_bytes > FRONT_PAGE || (sector_bytes & (sector_bytes - 1))) {
		blk->broken = "sector-size is no power of two from 512 to 4096";
		bus->os->log(bus->own, blk->broken);
		return;
	}
	blk->sector_bytes = (uint32_t)sector_bytes;
	blk->readonly = bus_read(bus, "info", 0) & VBD_INFO_READONLY;
	blk->flush = bus_read(bus, "feature-flush-cache", 0) == 1;
	blk->barrier = bus_read(bus, "feature-barrier", 0) == 1;
	blk->discard = bus_read(bus, "feature-discard", 0) == 1;
	bus_switch(bus, BUS_CONNECTED);
}

static void blk_finish(struct blk *blk, struct blk_io *io, int status)
{
	for (unsigned int i = 0; i < io->segments; i++)
		if (!blk->bus.os->ungrant(io->gref[i]))
			blk->broken = "a page is still mapped though its request is answered";
	io->done(io, blk->broken ? VBD_STATUS_ERROR : status);
}

/* BUS-9  Whoever waits is told; then nothing of ours is lent any more. */
static void blk_close(struct blk *blk)
{
	bus_switch(&blk->bus, BUS_CLOSING);
	for (unsigned int id = 0; id < BLK_SLOTS; id++) {
		struct blk_io *io = blk->io[id];

		blk->io[id] = NULL;
		if (io)
			blk_finish(blk, io, VBD_STATUS_ERROR);
	}
	blk_release(blk);
	bus_switch(&blk->bus, BUS_CLOSED);
}

void blk_back_changed(struct blk *blk)
{
	enum bus_state back = bus_back_state(&blk->bus), own = blk->bus.state;

	if (back == BUS_INIT_WAIT && own == BUS_INITIALISING)
		blk_publish(blk);
	else if (back == BUS_CONNECTED && own == BUS_INITIALISED)
		blk_connect(blk);
	else if ((back == BUS_CLOSING || back == BUS_CLOSED) && own != BUS_CLOSED && own != BUS_INITIALISING)
		blk_close(blk);
}

/* ---------------------------------------------------------------- requests */

static int blk_check(const struct blk *blk, const struct blk_io *io)
{
	uint64_t sectors = 0, unit = blk->sector_bytes / VBD_SECTOR;

	if (io->segments > VBD_SEGMENTS)
		return FRONT_INVALID;
	for (unsigned int i = 0; i < io->segments; i++) {
		const struct blk_segment *segment = &io->segment[i];

		if (segment->first_sector > segment->last_sector || segment->last_sector >= VBD_SECTORS_A_PAGE ||
		    segment->first_sector % unit || (segment->last_sector + 1u) % unit)
			return FRONT_INVALID;
		sectors += segment->last_sector - segment->first_sector + 1u;
	}
	switch (io->operation) {
	case VBD_OP_READ:
	case VBD_OP_WRITE:
		if (!io->segments || (io->operation == VBD_OP_WRITE && blk->readonly))
			return FRONT_INVALID;
		break;
	case VBD_OP_BARRIER:
		if (!blk->barrier || blk->readonly)
			return FRONT_INVALID;
		break;
	case VBD_OP_FLUSH:
		return blk->flush && !io->segments ? 0 : FRONT_INVALID;
	case VBD_OP_DISCARD:
		if (!blk->discard || blk->readonly || io->segments || !io->sectors)
			return FRONT_INVALID;
		sectors = io->sectors;
		break;
	default:
		return FRONT_INVALID;
	}
	if (io->sector % unit || sectors % unit || sectors > blk->sectors || io->sector > blk->sectors - sectors)
		return FRONT_INVALID;
	return 0;
}

static int blk_grant(struct blk *blk, struct blk_io *io)
{
	bool readonly = io->operation != VBD_OP_READ;

	for (unsigned int i = 0; i < io->segments; i++) {
		io->gref[i] = blk->bus.os->grant(blk->bus.back_id, io->segment[i].page, readonly);
		if (io->gref[i] != FRONT_NO_GRANT)
			continue;
		while (i-- > 0)
			blk->bus.os->ungrant(io->gref[i]);
		return FRONT_FULL;
	}
	return 0;
}

static union vbd_slot blk_message(const struct blk_io *io, uint32_t id)
{
	union vbd_slot slot = { .plain = { .operation = io->operation, .segments = io->segments, .id = id, .sector = io->sector } };

	if (io->operation == VBD_OP_DISCARD) {
		slot.discard.sectors = io->sectors;
		return slot;
	}
	for (unsigned int i = 0; i < io->segments; i++)
		slot.plain.segment[i] = (struct vbd_segment){
			.gref = io->gref[i],
			.first_sector = io->segment[i].first_sector, .last_sector = io->segment[i].last_sector,
		};
	return slot;
}

int blk_submit(struct blk *blk, struct blk_io *io)
{
	union vbd_slot slot;
	uint32_t id = 0;
	int result;

	if (!blk_is_up(blk))
		return FRONT_DOWN;
	result = blk_check(blk, io);
	if (result)
		return result;
	/* RST-4  The id of an answer is free; back-ends elsewhere answer in any order. */
	while (id < BLK_SLOTS && blk->io[id])
		id++;
	if (id == BLK_SLOTS || !ring_front_free(&blk->ring))
		return FRONT_FULL;
	result = blk_grant(blk, io);
	if (result)
		return result;

	blk->io[id] = io;
	slot = blk_message(io, id);
	ring_front_put(&blk->ring, &slot, sizeof(slot));
	if (ring_front_push(&blk->ring))
		blk->bus.os->event_send(blk->port);
	return 0;
}

/* ---------------------------------------------------------------- responses */

static void blk_answer(struct blk *blk, const struct vbd_response *response)
{
	struct blk_io *io = response->id < BLK_SLOTS ? blk->io[response->id] : NULL;

	if (!io || response->operation != io->operation) {
		blk->broken = "an answer to what was not asked";
		return;
	}
	blk->io[response->id] = NULL;
	blk_finish(blk, io, response->status);
}

void blk_event(struct blk *blk)
{
	struct vbd_response response;
	int result;

	if (!blk_is_up(blk))
		return;
	do {
		while ((result = ring_front_take(&blk->ring, &response, sizeof(response))) == 1 && !blk->broken)
			blk_answer(blk, &response);
	} while (result == 0 && (result = ring_front_sleep(&blk->ring, 1)) > 0);
	if (result < 0)
		blk->broken = "more answers than requests";
	if (blk->broken)
		blk->bus.os->log(blk->bus.own, blk->broken);
}
