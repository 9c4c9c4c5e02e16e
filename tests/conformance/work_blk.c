/* SPDX-License-Identifier: MIT */
#include "work.h"

#define COPIES		6u		/* at a time */
#define PAGES_A_COPY	3u
#define FLUSH_EVERY	16u

/* One piece of the first half: read, then written to its place in the second. */
struct copy {
	struct blk_io io;
	bool busy;
	bool is_read;			/* of the next request */
	bool read_only;			/* all that may be done */
	uint64_t sector;
};

static struct copy copies[COPIES];
static struct blk_io flush;
static bool flushing;
static uint64_t next_sector, finished;

void work_blk_begin(void)
{
	__builtin_memset(copies, 0, sizeof(copies));
	flushing = false;
	next_sector = finished = 0;
}

static void flush_done(struct blk_io *io, int status)
{
	(void)io;
	(void)status;
	flushing = false;
}

static void copy_done(struct blk_io *io, int status)
{
	struct copy *copy = (struct copy *)io;

	copy->busy = false;
	if (status != VBD_STATUS_OKAY)
		return;			/* the same again */
	copy->is_read = !copy->is_read || copy->read_only;
	if (copy->is_read) {
		copy->sector = UINT64_MAX;
		finished++;
	}
}

/* Pieces of other sizes each time, within pages and over them. */
static void copy_choose(const struct blk *blk, struct copy *copy, uint8_t *pages, unsigned int number)
{
	uint64_t unit = blk->sector_bytes / VBD_SECTOR;
	uint8_t first = (uint8_t)(number % 3 * 2 / unit * unit);

	copy->is_read = true;
	copy->read_only = blk->readonly;
	copy->sector = next_sector;
	copy->io = (struct blk_io){ .done = copy_done, .segments = (uint8_t)(1 + number % PAGES_A_COPY) };
	for (unsigned int i = 0; i < copy->io.segments; i++) {
		copy->io.segment[i] = (struct blk_segment){ .page = pages + i * FRONT_PAGE, .first_sector = i ? 0 : first, .last_sector = 7 };
		next_sector += 8u - (i ? 0 : first);
	}
	if (next_sector + PAGES_A_COPY * 8 >= blk->sectors / 2)
		next_sector = 0;
}

static bool copy_go_on(struct blk *blk, struct copy *copy, uint8_t *pages, unsigned int number)
{
	if (copy->busy)
		return false;
	if (!copy->io.done || copy->sector == UINT64_MAX)
		copy_choose(blk, copy, pages, number);
	copy->io.operation = copy->is_read ? VBD_OP_READ : VBD_OP_WRITE;
	copy->io.sector = copy->sector + (copy->is_read ? 0 : blk->sectors / 2);
	copy->busy = true;
	if (blk_submit(blk, &copy->io))
		copy->busy = false;
	return copy->busy;
}

bool work_blk_go_on(struct blk *blk, void *pages, unsigned int count)
{
	static unsigned int number;
	bool begun = false;

	for (unsigned int i = 0; i < COPIES && (i + 1) * PAGES_A_COPY <= count; i++)
		begun |= copy_go_on(blk, &copies[i], (uint8_t *)pages + i * PAGES_A_COPY * FRONT_PAGE, number++);
	if (finished >= FLUSH_EVERY && blk->flush && !flushing) {
		finished = 0;
		flush = (struct blk_io){ .operation = VBD_OP_FLUSH, .done = flush_done };
		flushing = blk_submit(blk, &flush) == 0;
		begun |= flushing;
	}
	return begun;
}
