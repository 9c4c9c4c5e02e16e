/* SPDX-License-Identifier: MIT */
/*
 * A disk through its driver (device/blk.h), whichever of the drivers knows it. What is written comes back, in whatever way it was
 * cut; what cannot be done is refused; and the disk can be stopped and started at any time.
 *
 * QEMU: -machine q35 -drive if=none,id=disk,file={image},format=raw,discard=unmap -device virtio-blk-pci,drive=disk,disable-legacy=on,num-queues=4
 * QEMU pc: -machine pc -drive if=none,id=disk,file={image},format=raw,discard=unmap -device virtio-blk-pci,drive=disk,num-queues=1
 * QEMU iommu: -machine q35 -device intel-iommu,intremap=on -drive if=none,id=disk,file={image},format=raw,discard=unmap -device virtio-blk-pci,drive=disk,disable-legacy=on,iommu_platform=on
 * QEMU 4096: -machine q35 -drive if=none,id=disk,file={image},format=raw -device virtio-blk-pci,drive=disk,disable-legacy=on,logical_block_size=4096,physical_block_size=4096,max-discard-sectors=24
 * QEMU direct: -machine q35 -drive if=none,id=disk,file={image},format=raw -device virtio-blk-pci,drive=disk,disable-legacy=on,indirect_desc=off,event_idx=off,max-discard-sectors=7
 * QEMU readonly: -machine q35 -drive if=none,id=disk,file={image},format=raw,readonly=on -device virtio-blk-pci,drive=disk,disable-legacy=on
 * QEMU nvme: -machine q35 -drive if=none,id=disk,file={image},format=raw,discard=unmap -device nvme,serial=1,drive=disk
 * QEMU nvme_iommu: -machine q35 -device intel-iommu,intremap=on -drive if=none,id=disk,file={image},format=raw,discard=unmap -device nvme,serial=1,drive=disk
 * QEMU nvme_4096: -machine pc -drive if=none,id=disk,file={image},format=raw -device nvme,serial=1,drive=disk,logical_block_size=4096,physical_block_size=4096
 */
#include "tap.h"

#include "device.h"
#include "device/drivers.h"
#include "runtime/events.h"
#include "runtime/time.h"

#define SECOND 1000000000UL
#define PATIENCE (20 * SECOND)
#define IOS 256

static struct pci_function function;
static struct blk_device disk;
static const char *failure;
static struct blk_io ios[IOS];
static unsigned int out;		/* ios that the disk has */
static uint32_t step;			/* sectors of 512 bytes in one of its own */

static bool known(const struct pci_function *candidate)
{
	for (const struct blk_driver *const *driver = blk_drivers; *driver; driver++)
		if ((*driver)->knows(candidate)) {
			disk.driver = *driver;
			return true;
		}
	return false;
}

static void failed(struct blk_device *device, const char *why)
{
	failure = why;
}

/* ---- given, when ---- */

/* `count` segments of `length` bytes each, of fresh pages, from a sector on. */
static struct blk_io *io_make(unsigned int number, enum blk_op op, uint64_t sector, uint32_t count, uint32_t length)
{
	struct blk_io *io = &ios[number];

	*io = (struct blk_io){ .op = op, .sector = sector, .segment_count = count, .sectors = count * length / 512, .result = 77,
			       .cookie = io };
	for (uint32_t i = 0; i < count; i++) {
		io->segment[i] = (struct blk_segment){ buffer_alloc(), length };
		ASSERT(io->segment[i].at);
	}
	return io;
}

static void io_free(struct blk_io *io)
{
	for (uint32_t i = 0; i < io->segment_count; i++)
		buffer_free(io->segment[i].at);
	io->segment_count = 0;
}

/* Each word says which one of the disk it is. */
static uint64_t word_at(uint64_t sector, uint32_t offset, uint64_t seed)
{
	return (sector * 512 + offset) * 0x9e3779b97f4a7c15UL + seed;
}

static void io_fill(struct blk_io *io, uint64_t seed)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < io->segment_count; i++)
		for (uint32_t offset = 0; offset < io->segment[i].length; offset += 8, at += 8)
			*(uint64_t *)((uint8_t *)io->segment[i].at + offset) = word_at(io->sector, (uint32_t)at, seed);
}

static bool io_holds(const struct blk_io *io, uint64_t seed)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < io->segment_count; i++)
		for (uint32_t offset = 0; offset < io->segment[i].length; offset += 8, at += 8)
			if (*(uint64_t *)((uint8_t *)io->segment[i].at + offset) != word_at(io->sector, (uint32_t)at, seed))
				return false;
	return true;
}

static void submit(unsigned int queue, struct blk_io *io)
{
	check_equal(disk.driver->submit(&disk, queue, io), 0);
	out++;
}

static bool reap_all(unsigned int queue)
{
	uint64_t end = time_now_ns() + PATIENCE;
	struct blk_io *done[8];

	disk.driver->push(&disk, queue);
	while (out && !failure && time_now_ns() < end) {
		unsigned int count = disk.driver->reap(&disk, queue, done, 8);

		for (unsigned int i = 0; i < count; i++)
			check(done[i] >= ios && done[i] < ios + IOS && done[i]->cookie == done[i]);
		out -= count;
		if (!count)
			event_poll(NULL, 0, time_now_ns() + SECOND / 10000);
	}
	check_that(!failure, "the driver says: %s", failure);
	check_equal(out, 0);
	return !out;
}

static int run(unsigned int queue, struct blk_io *io)
{
	submit(queue, io);
	return reap_all(queue) ? io->result : -XEN_ETIME;
}

/* Writes in one way, reads in another. */
static void write_and_read(unsigned int queue, uint64_t sector, uint32_t count, uint32_t length, uint64_t seed)
{
	struct blk_io *write = io_make(0, BLK_WRITE, sector, count, length), *read;
	uint32_t total = count * length, piece = step * 512;

	io_fill(write, seed);
	check_equal(run(queue, write), disk.is_readonly ? -XEN_EIO : 0);
	if (total / piece > disk.segments_max)
		piece = BUFFER_BYTES;
	read = io_make(1, BLK_READ, sector, total / piece, piece);
	check_equal(run(queue, read), 0);
	check(io_holds(read, seed) == !disk.is_readonly);
	io_free(write);
	io_free(read);
}

/* ---- the tests ---- */

static void disk_is_found_and_started(void)
{
	device_pool(2048);
	check(device_find(known, &function));
	if (!disk.driver)
		return;
	disk.function = &function;
	disk.failed = failed;
	check_equal(disk.driver->start(&disk), 0);
	step = disk.sector_bytes / 512;
	printf("# %s: %lu sectors of 512 bytes, %u bytes each, %u segments, %u queues of %u, flush %u, discard %u, read-only %u\n",
	       disk.driver->name, disk.sectors, disk.sector_bytes, disk.segments_max, disk.queues, disk.depth, disk.has_flush,
	       disk.has_discard, disk.is_readonly);
	check_equal(disk.sectors, 131072);
	check(disk.queues >= 1 && disk.queues <= BLK_QUEUES_MAX && disk.depth >= 1 && disk.segments_max >= 1);
	check(disk.segments_max <= BLK_SEGMENTS_MAX);
}

static void what_is_written_is_read_back(void)
{
	write_and_read(0, 0, 1, step * 512, 1);
	write_and_read(0, 24, 1, BUFFER_BYTES, 2);
	write_and_read(0, disk.sectors - step, 1, step * 512, 3);
}

static void io_of_all_segments_is_whole(void)
{
	uint32_t count = disk.segments_max < 32 ? disk.segments_max : 32;

	write_and_read(0, 1024, count, BUFFER_BYTES, 4);
	write_and_read(0, 8 * step, disk.segments_max, step * 512, 5);
}

static void each_queue_works(void)
{
	for (unsigned int queue = 0; queue < disk.queues; queue++)
		write_and_read(queue, 4096 + queue * 64, 2, BUFFER_BYTES, 6 + queue);
}

static void queue_takes_as_many_as_it_says(void)
{
	uint32_t count = disk.depth < IOS ? disk.depth : IOS;
	enum blk_op op = disk.is_readonly ? BLK_READ : BLK_WRITE;
	struct blk_io *one_more;
	int error;

	for (uint32_t i = 0; i < count; i++) {
		io_make(i, op, 8192 + 8 * i, 1, BUFFER_BYTES);
		io_fill(&ios[i], 9);
		submit(0, &ios[i]);
	}
	if (count < IOS) {
		one_more = io_make(count, op, 0, 1, BUFFER_BYTES);
		error = disk.driver->submit(&disk, 0, one_more);
		check(error == 0 || error == -XEN_ENOSPC);
		out += !error;
	}
	reap_all(0);
	for (uint32_t i = 0; i < count; i++) {
		check_equal(ios[i].result, 0);
		io_free(&ios[i]);
	}
	if (count < IOS)
		io_free(one_more);
	for (uint32_t i = 0; i < count; i++)
		submit(0, io_make(i, BLK_READ, 8192 + 8 * i, 1, BUFFER_BYTES));
	reap_all(0);
	for (uint32_t i = 0; i < count; i++) {
		check(ios[i].result == 0 && (disk.is_readonly || io_holds(&ios[i], 9)));
		io_free(&ios[i]);
	}
}

static void flush_is_done_or_not_offered(void)
{
	struct blk_io *io = io_make(0, BLK_FLUSH, 0, 0, 0);

	if (!disk.has_flush)
		return skip("this disk has no cache to flush");
	check_equal(run(0, io), 0);
}

static void discarded_sectors_can_be_written_again(void)
{
	struct blk_io *io = io_make(2, BLK_DISCARD, 1024, 0, 0);

	io->sectors = 256;
	if (!disk.has_discard)
		return skip("this disk discards nothing");
	check_equal(run(0, io), 0);
	write_and_read(0, 1024, 1, BUFFER_BYTES, 10);
}

static void io_beyond_the_end_is_an_error(void)
{
	struct blk_io *io = io_make(0, BLK_READ, disk.sectors, 1, BUFFER_BYTES);

	check_equal(run(0, io), -XEN_EIO);
	io_free(io);
	io = io_make(0, disk.is_readonly ? BLK_READ : BLK_WRITE, disk.sectors - step, 2, BUFFER_BYTES);
	check_equal(run(0, io), -XEN_EIO);
	io_free(io);
	io = io_make(0, BLK_READ, UINT64_MAX / 512 / step * step, 1, BUFFER_BYTES);
	check_equal(run(0, io), -XEN_EIO);
	io_free(io);
	write_and_read(0, 0, 1, BUFFER_BYTES, 11);
}

static volatile unsigned int events;

static void on_event(evtchn_port_t port)
{
	events++;
}

static void interrupt_comes_when_it_is_wanted(void)
{
	struct blk_io *io = io_make(0, BLK_READ, 0, 1, BUFFER_BYTES), *done;
	uint64_t end = time_now_ns() + PATIENCE;

	event_set_handler(disk.port[0], on_event);
	check(!disk.driver->interrupts(&disk, 0, true));
	time_sleep_ns(SECOND / 100);
	events = 0;
	submit(0, io);
	disk.driver->push(&disk, 0);
	while (!events && time_now_ns() < end)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, NULL);
	check(events > 0);
	check(disk.driver->interrupts(&disk, 0, true));
	check_equal(disk.driver->reap(&disk, 0, &done, 1), 1);
	out = 0;
	check(!disk.driver->interrupts(&disk, 0, true));
	io_free(io);
}

static void interrupt_does_not_come_when_it_is_not_wanted(void)
{
	struct blk_io *io = io_make(0, BLK_READ, 0, 1, BUFFER_BYTES);

	check(!disk.driver->interrupts(&disk, 0, false));
	events = 0;
	check_equal(run(0, io), 0);
	time_sleep_ns(SECOND / 100);
	check_equal(events, 0);
	io_free(io);
}

/* What it had is not given back, and no memory of it is written to any more. */
static void disk_that_was_stopped_writes_nothing(void)
{
	uint32_t count = disk.depth < 64 ? disk.depth : 64;

	for (uint32_t i = 0; i < count; i++) {
		io_make(i, BLK_READ, 8192 + 8 * i, 1, BUFFER_BYTES);
		submit(0, &ios[i]);
	}
	disk.driver->push(&disk, 0);
	check(disk.driver->stop(&disk));
	out = 0;
	for (uint32_t i = 0; i < count; i++)
		io_fill(&ios[i], 12);
	time_sleep_ns(SECOND / 5);
	for (uint32_t i = 0; i < count; i++) {
		check(io_holds(&ios[i], 12));
		io_free(&ios[i]);
	}
}

static void disk_starts_again(void)
{
	uint32_t ports[BLK_QUEUES_MAX];

	memcpy(ports, disk.port, sizeof(ports));
	for (int round = 0; round < 5; round++) {
		pool_reset();
		check_equal(disk.driver->start(&disk), 0);
		check_equal(memcmp(ports, disk.port, sizeof(ports)), 0);
		for (unsigned int queue = 0; queue < disk.queues; queue++)
			write_and_read(queue, 64, 2, BUFFER_BYTES, 13 + (uint64_t)round);
	}
	check(disk.driver->stop(&disk));
}

/* What a successor does, with the memory of when start() had returned. */
static void disk_restarts_with_what_it_had(void)
{
	uint32_t ports[BLK_QUEUES_MAX], left;

	pool_reset();
	check_equal(disk.driver->start(&disk), 0);
	memcpy(ports, disk.port, sizeof(ports));
	left = buffer_free_count();
	check_equal(disk.driver->restart(&disk), 0);
	check_equal(disk.driver->restart(&disk), 0);
	check_equal(memcmp(ports, disk.port, sizeof(ports)), 0);
	check_equal(buffer_free_count(), left);
	for (unsigned int queue = 0; queue < disk.queues; queue++)
		write_and_read(queue, 64, 2, BUFFER_BYTES, 30 + queue);
	check(disk.driver->stop(&disk));
}

static const struct tap_test tests[] = {
	TEST(disk_is_found_and_started),
	TEST(what_is_written_is_read_back),
	TEST(io_of_all_segments_is_whole),
	TEST(each_queue_works),
	TEST(queue_takes_as_many_as_it_says),
	TEST(flush_is_done_or_not_offered),
	TEST(discarded_sectors_can_be_written_again),
	TEST(io_beyond_the_end_is_an_error),
	TEST(interrupt_comes_when_it_is_wanted),
	TEST(interrupt_does_not_come_when_it_is_not_wanted),
	TEST(disk_that_was_stopped_writes_nothing),
	TEST(disk_starts_again),
	TEST(disk_restarts_with_what_it_had),
};

TAP_MAIN(tests)
