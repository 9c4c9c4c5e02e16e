/* SPDX-License-Identifier: MIT */
/*
 * The NVMe driver with a disk that does anything: what it says of itself, its registers, its completions and all of the pool are the fuzzer's
 * bytes. What comes back was given to it, once, and not before its last command; a driver whose disk has failed is at its end.
 */
#include <setjmp.h>
#include <string.h>

#include "bytes.h"
#include "nvme_device.h"

#define IOS 64u

static struct blk_device disk;
static struct blk_io io[IOS];
static bool is_given[IOS];
static jmp_buf over;

static void domain_ends(void)
{
	longjmp(over, 1);
}

/* ---- the disk ---- */

/* Mostly identifiers that were handed over, so that there is something behind the checks too. */
static void complete(void)
{
	uint32_t queue = 1 + take8() % 4;
	uint8_t how = take8();
	const struct nvme_command *command;

	if (how & 0x80)
		nvme_put(queue, take16(), take16());
	else if ((command = nvme_take(queue)))
		nvme_put(queue, command->id, how & 1 ? take16() & 0x7ff : 0);
	if ((how & 0x7f) == 0x7f)
		nvme_disk.queue[queue].phase ^= 1;
}

static void misbehave(void)
{
	switch (take8() % 8) {
	case 0: scribble(pool_at, pool_bytes); break;
	case 1: fake_set(take16() % (fake.bytes / 4) * 4, take32()); break;
	default: complete();
	}
}

/* Honest in most lives, or nothing would start. */
static void look(void)
{
	if (take8() == 0xff)
		misbehave();
	nvme_look();
}

static void lie_of_itself(void)
{
	static const uint8_t places[] = { 26, 77, 130, 0, 1, 7, 99, 134 };

	for (unsigned int count = take8() % 4; count; count--) {
		nvme_disk.space[places[take8() % sizeof(places)]] = take8();
		nvme_disk.controller[take8() & 1 ? 77 : 520] = take8();
	}
	nvme_disk.queues = 1 + take8() % 6;
	fake.function.msix_vectors = take8() % 6;
	if (take8() & 1)
		fake_set(0, 15u + take8() % 64 | 20u << 24);
	if (take8() == 0xff)
		fake_set(4, take32());
}

/* ---- the back-end ---- */

static void io_forget(struct blk_io *one)
{
	for (uint32_t i = 0; i < one->segment_count; i++)
		buffer_free(one->segment[i].at);
	one->segment_count = 0;
}

static void give_io(void)
{
	unsigned int number = take8() % IOS;
	uint8_t what = take8(), shape = take8();

	if (is_given[number])
		return;
	io_forget(&io[number]);
	io[number] = (struct blk_io){ .op = what % 4, .sector = take32() & ~7u, .sectors = 8u + take16(), .cookie = &io[number] };
	if (io[number].op == BLK_READ || io[number].op == BLK_WRITE)
		for (uint32_t i = 0; i < disk.segments_max && i <= what / 4u; i++) {
			uint8_t *buffer = buffer_alloc();

			if (!buffer)
				break;
			io[number].segment[io[number].segment_count++] = (struct blk_segment){
				buffer + (shape & 1 ? 512 * (shape >> 5) : 0), shape & 1 ? disk.sector_bytes & 512 : BUFFER_BYTES };
			if (!io[number].segment[i].length)
				io[number].segment[i] = (struct blk_segment){ buffer, BUFFER_BYTES };
		}
	is_given[number] = disk.driver->submit(&disk, take8() % disk.queues, &io[number]) == 0;
}

static void take_ios(void)
{
	struct blk_io *done[4];
	unsigned int count = disk.driver->reap(&disk, take8() % disk.queues, done, 1 + take8() % 4);

	must(count <= 4, "more than there was room for");
	for (unsigned int i = 0; i < count; i++) {
		must(done[i] >= io && done[i] < io + IOS && done[i]->cookie == done[i], "an io that was never given");
		must(is_given[done[i] - io], "an io that comes back twice");
		must(done[i]->result <= 0, "a result that is none");
		is_given[done[i] - io] = false;
	}
}

static void another_life(void)
{
	if (!disk.driver->stop(&disk))
		longjmp(over, 1);
	/* Its memory is as it was at ready: what was under way is forgotten, so it starts anew. */
	memset(is_given, 0, sizeof(is_given));
	memset(io, 0, sizeof(io));
	pool_reset();
	if (disk.driver->start(&disk))
		longjmp(over, 1);
	if (disk.driver->restart(&disk))
		longjmp(over, 1);
}

static void live(void)
{
	if (disk.driver->start(&disk))
		return;
	must(disk.queues >= 1 && disk.queues <= BLK_QUEUES_MAX && disk.segments_max >= 1 && disk.segments_max <= BLK_SEGMENTS_MAX &&
	     disk.sector_bytes >= 512 && disk.sector_bytes <= 4096, "a disk that no back-end expects");
	while (at < end) {
		switch (take8() % 8) {
		case 0: case 1: give_io(); break;
		case 2: disk.driver->push(&disk, take8() % disk.queues); break;
		case 3: take_ios(); break;
		case 4: disk.driver->interrupts(&disk, take8() % disk.queues, take8() & 1); break;
		case 5:
			if (take8() == 0)
				another_life();
			break;
		default: misbehave();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	at = data;
	end = data + bytes;
	memset(is_given, 0, sizeof(is_given));
	memset(io, 0, sizeof(io));
	nvme_begin(&disk);
	fake.ends = domain_ends;
	fake.look = look;
	lie_of_itself();
	if (!setjmp(over))
		live();
	return 0;
}
