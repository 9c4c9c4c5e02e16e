/* SPDX-License-Identifier: MIT */
/*
 * NVMe disks: NVM Express Base Specification 1.4, section numbers are its. One admin queue, polled; up to BLK_QUEUES_MAX pairs of queues for
 * reading and writing. An io is one command, or several where its segments cannot stand in one list of pages (PRP, 4.3).
 * V1  Commands under way are at most QUEUE_ENTRIES - 1, each with an identifier of its own: neither queue overflows.
 * V2  A completion is read once, and names a command that is under way on its queue; else the disk has failed.
 * V3  An io that the disk was not ready for is begun anew, all of it, and not more than IO_TRIES times.
 */
#include "device/drivers.h"

#include "runtime/console.h"
#include "runtime/events.h"
#include "runtime/lib.h"
#include "runtime/time.h"
#include "runtime/xen.h"

#define CLASS_NVME	0x010802u

/* Registers, 3.1. */
#define REG_CAP		0x00
#define REG_CC		0x14
#define REG_CSTS	0x1c
#define REG_AQA		0x24
#define REG_ASQ		0x28
#define REG_ACQ		0x30
#define REG_DOORBELLS	0x1000
#define REGISTERS_BYTES	0x2000

#define CAP_ENTRIES(cap)	((uint32_t)(cap & 0xffff) + 1)
#define CAP_TIMEOUT_NS(cap)	(((cap >> 24 & 0xff) + 1) * 500000000ULL)
#define CAP_STRIDE(cap)		(4u << (cap >> 32 & 15))
#define CAP_PAGE_MIN(cap)	(cap >> 48 & 15)
#define CC_ON		1u
#define CC_ENABLE		0x00460001u	/* entries of 64 and 16 bytes, pages of 4 KiB, the NVM command set */
#define CSTS_READY		1u
#define CSTS_FATAL		2u

enum { ADMIN_CREATE_SQ = 1, ADMIN_CREATE_CQ = 5, ADMIN_IDENTIFY = 6, ADMIN_SET_FEATURES = 9 };
enum { IO_FLUSH = 0, IO_WRITE = 1, IO_READ = 2, IO_DATASET = 9 };

#define FEATURE_QUEUES		7
#define QUEUE_CONTIGUOUS	1u
#define QUEUE_INTERRUPTS	2u
#define DATASET_DEALLOCATE	4u
#define DATASET_RANGE_MAX	0xffffffffu
#define ONCS_DATASET		4u
#define STATUS(word)		((word) >> 1 & 0x7ff)	/* type and code; 0: done */
#define STATUS_BAD_OPCODE	1u
#define STATUS_NOT_READY	0x82u		/* the namespace */
#define STATUS_FINAL(word)	((word) & 0x8000u)	/* it would be the same again */
#define IO_TRIES	5u
#define NAMESPACE		1

#define ADMIN_ENTRIES	16
#define QUEUE_ENTRIES	128u
#define LIST_BYTES	512u				/* one command's PRP list, or its ranges */
#define LIST_ENTRIES	(LIST_BYTES / 8)
_Static_assert(BLK_SEGMENTS_MAX <= LIST_ENTRIES, "a list never needs a second page");

struct command {
	uint8_t opcode, flags;
	uint16_t id;
	uint32_t space;			/* namespace */
	uint64_t reserved[2];
	uint64_t page[2];		/* PRP 1 and 2 */
	uint32_t word[6];		/* 10 .. 15 */
};
_Static_assert(sizeof(struct command) == 64, "4.2");

struct completion {
	uint32_t result, reserved;
	uint16_t head, queue, id, status;	/* status, bit 0: the phase */
};
_Static_assert(sizeof(struct completion) == 16, "4.6");

struct range {
	uint32_t attributes, blocks;
	uint64_t first;
};

#define DATASET_SECTORS_MAX	((uint64_t)DATASET_RANGE_MAX * (LIST_BYTES / sizeof(struct range)))

/* By identifier. The slot of an io's first command counts for all of them, and is taken until the last is answered. */
struct slot {
	struct blk_io *io;
	uint16_t first;			/* the slot that counts */
	uint16_t remaining;		/* in that slot: commands of the io that are under way */
	bool is_under_way;
};

struct queue {
	struct command *commands;
	volatile struct completion *completions;
	volatile uint32_t *tail_bell, *head_bell;
	uint32_t entries, tail, head;
	uint32_t rung;			/* tail, as the disk was told */
	uint16_t phase;
	uint8_t *lists;			/* LIST_BYTES for each identifier */
	struct slot slot[QUEUE_ENTRIES];
	uint16_t free[QUEUE_ENTRIES];	/* identifiers; a stack */
	uint32_t free_count;
};

static struct disk {
	volatile uint8_t *registers;
	uint64_t capabilities;
	uint32_t block_shift;		/* of the disk's sector */
	uint32_t part_bytes;		/* most that one command moves */
	struct queue admin, queue[BLK_QUEUES_MAX];
} disk APART;

static uint32_t get32(uint32_t at) { return *(volatile uint32_t *)(disk.registers + at); }
static void set32(uint32_t at, uint32_t value) { *(volatile uint32_t *)(disk.registers + at) = value; }

/* In halves: all of them can be read so, and not every machine passes 8 bytes on. */
static uint64_t get64(uint32_t at) { return get32(at) | (uint64_t)get32(at + 4) << 32; }

static void set64(uint32_t at, uint64_t value)
{
	set32(at, (uint32_t)value);
	set32(at + 4, (uint32_t)(value >> 32));
}

static bool knows(const struct pci_function *function) { return function->class_code == CLASS_NVME; }

/* 7.3: until CSTS says so, commands of a predecessor may still be at work. */
static bool wait_ready(uint32_t wanted)
{
	uint64_t until = time_now_ns() + CAP_TIMEOUT_NS(disk.capabilities);

	for (;;) {
		uint32_t status = get32(REG_CSTS);

		if (status == 0xffffffff)
			return false;
		if ((status & CSTS_READY) == wanted)
			return true;
		if ((wanted && (status & CSTS_FATAL)) || time_now_ns() > until)
			return false;
		cpu_relax();
	}
}

/* 3.1.5: a disk that is becoming ready is not to be disabled before it is; a predecessor may have died meanwhile. */
static bool reset(void)
{
	if (get32(REG_CC) & CC_ON)
		wait_ready(CSTS_READY);
	set32(REG_CC, get32(REG_CC) & ~CC_ON);
	return wait_ready(0);
}

/* ---------------------------------------------------------------- queues */

/* Takes its memory the first time. */
static void queue_init(struct queue *queue, uint32_t entries, unsigned int number)
{
	uint32_t stride = CAP_STRIDE(disk.capabilities);

	if (!queue->commands) {
		queue->commands = pool_take(entries * sizeof(struct command));
		queue->completions = pool_take(entries * sizeof(struct completion));
	}
	queue->entries = entries;
	queue->tail = queue->head = queue->rung = 0;
	queue->phase = 1;
	/* A completion of before would pass for one of this turn. */
	memset((void *)(uintptr_t)queue->completions, 0, entries * sizeof(struct completion));
	queue->tail_bell = (volatile uint32_t *)(disk.registers + REG_DOORBELLS + 2 * number * stride);
	queue->head_bell = (volatile uint32_t *)(disk.registers + REG_DOORBELLS + (2 * number + 1) * stride);
}

/* V1 is the caller's. */
static void put(struct queue *queue, const struct command *command)
{
	queue->commands[queue->tail] = *command;
	queue->tail = queue->tail + 1 == queue->entries ? 0 : queue->tail + 1;
}

static void ring_bell(struct queue *queue)
{
	if (queue->rung == queue->tail)
		return;
	barrier();
	*queue->tail_bell = queue->rung = queue->tail;
}

/* One completion, copied; the disk is told of it by the caller, through head_bell. */
static bool take(struct queue *queue, struct completion *completion)
{
	volatile struct completion *at = &queue->completions[queue->head];

	completion->status = at->status;
	if ((completion->status & 1) != queue->phase)
		return false;
	barrier();
	completion->id = at->id;
	completion->result = at->result;
	if (++queue->head == queue->entries) {
		queue->head = 0;
		queue->phase ^= 1;
	}
	return true;
}

/* ---------------------------------------------------------------- the admin queue */

static int admin(struct command *command, uint32_t *result)
{
	uint64_t until = time_now_ns() + CAP_TIMEOUT_NS(disk.capabilities);
	struct completion completion;

	command->id = (uint16_t)disk.admin.tail;
	put(&disk.admin, command);
	ring_bell(&disk.admin);
	while (!take(&disk.admin, &completion)) {
		if (time_now_ns() > until) {
			printf("nvme: no answer to admin command %u\n", command->opcode);
			return -XEN_EIO;
		}
		cpu_relax();
	}
	*disk.admin.head_bell = disk.admin.head;
	if (completion.id != command->id || STATUS(completion.status)) {
		printf("nvme: admin command %u is refused: status 0x%x\n", command->opcode, STATUS(completion.status));
		return -XEN_EIO;
	}
	if (result)
		*result = completion.result;
	return 0;
}

static int identify(uint32_t space, uint32_t what, void *page)
{
	struct command command = { .opcode = ADMIN_IDENTIFY, .space = space, .page = { pool_machine(page) }, .word = { what } };

	return admin(&command, NULL);
}

static uint64_t field(const uint8_t *page, uint32_t at, uint32_t bytes)
{
	uint64_t value = 0;

	memcpy(&value, page + at, bytes);
	return value;
}

/* Figure 245: identify namespace. */
static int learn_space(struct blk_device *device, const uint8_t *page)
{
	uint64_t format = field(page, 128 + 4 * (field(page, 26, 1) & 15), 4), protection = field(page, 29, 1) & 7;
	uint32_t metadata = format & 0xffff, shift = format >> 16 & 0xff;

	device->sectors = field(page, 0, 8);
	device->is_readonly = field(page, 99, 1) & 1;
	if (shift < 9 || shift > 12 || device->sectors == 0 || device->sectors > UINT64_MAX >> 12) {
		printf("nvme: namespace %d has %lu sectors of 2^%u bytes: that is no disk for us\n", NAMESPACE, device->sectors, shift);
		return -XEN_ENODEV;
	}
	/* They would be moved with each sector, beyond the memory that the sectors have. */
	if (metadata || protection) {
		printf("nvme: namespace %d has %u bytes of metadata a sector and protection of type %lu: format it without\n", NAMESPACE, metadata,
		       protection);
		return -XEN_ENODEV;
	}
	disk.block_shift = shift;
	device->sector_bytes = 1u << shift;
	device->sectors <<= shift - 9;
	return 0;
}

/* Figure 247: identify controller. */
static int learn(struct blk_device *device)
{
	uint8_t *page = buffer_alloc();
	int result = page ? identify(0, 1, page) : -XEN_ENOMEM;

	if (!result) {
		uint64_t most = field(page, 77, 1);

		disk.part_bytes = (BLK_SEGMENTS_MAX - 1) * BUFFER_BYTES;
		if (most && most < 5)
			disk.part_bytes = BUFFER_BYTES << most;
		device->has_discard = field(page, 520, 2) & ONCS_DATASET;
		device->has_flush = field(page, 525, 1) & 1;
		result = identify(NAMESPACE, 0, page);
	}
	if (!result)
		result = learn_space(device, page);
	if (page)
		buffer_free(page);
	return result;
}

/* ---------------------------------------------------------------- start and stop */

static int count_queues(struct blk_device *device)
{
	uint32_t vectors = device->function->msix_vectors ? device->function->msix_vectors : 1;
	uint32_t wanted = BLK_QUEUES_MAX - 1, given;
	struct command command = { .opcode = ADMIN_SET_FEATURES, .word = { FEATURE_QUEUES, wanted << 16 | wanted } };
	int result = admin(&command, &given);

	if (result)
		return result;
	device->queues = (given & 0xffff) + 1;
	if (device->queues > (given >> 16) + 1)
		device->queues = (given >> 16) + 1;
	if (device->queues > BLK_QUEUES_MAX)
		device->queues = BLK_QUEUES_MAX;
	if (device->queues > vectors)		/* each has a channel of its own to mask */
		device->queues = vectors;
	return 0;
}

static int open_queue(struct blk_device *device, unsigned int number)
{
	struct queue *queue = &disk.queue[number];
	uint32_t size_and_id = (queue->entries - 1) << 16 | (number + 1);
	struct command make_cq = { .opcode = ADMIN_CREATE_CQ, .page = { pool_machine((const void *)queue->completions) },
				   .word = { size_and_id, number << 16 | QUEUE_INTERRUPTS | QUEUE_CONTIGUOUS } };
	struct command make_sq = { .opcode = ADMIN_CREATE_SQ, .page = { pool_machine(queue->commands) },
				   .word = { size_and_id, (number + 1) << 16 | QUEUE_CONTIGUOUS } };
	int result = pci_interrupt(device->function, number, &device->port[number]);

	if (!result)
		result = admin(&make_cq, NULL);
	return result ? result : admin(&make_sq, NULL);
}

static int open_queues(struct blk_device *device)
{
	uint32_t entries = CAP_ENTRIES(disk.capabilities) < QUEUE_ENTRIES ? CAP_ENTRIES(disk.capabilities) : QUEUE_ENTRIES;
	int result = count_queues(device);

	for (unsigned int i = 0; !result && i < device->queues; i++) {
		struct queue *queue = &disk.queue[i];

		queue_init(queue, entries, i + 1);
		queue->lists = pool_take(entries * LIST_BYTES);
		while (queue->free_count < entries - 1) {		/* V1 */
			queue->free[queue->free_count] = (uint16_t)queue->free_count;
			queue->free_count++;
		}
		result = open_queue(device, i);
	}
	device->depth = entries - 1;
	/* Each may have to be a command: an io that no empty queue can take would wait for ever. */
	device->segments_max = device->depth < BLK_SEGMENTS_MAX ? device->depth : BLK_SEGMENTS_MAX;
	return result;
}

static int enable(void)
{
	queue_init(&disk.admin, ADMIN_ENTRIES, 0);
	set32(REG_AQA, (ADMIN_ENTRIES - 1) << 16 | (ADMIN_ENTRIES - 1));
	set64(REG_ASQ, pool_machine(disk.admin.commands));
	set64(REG_ACQ, pool_machine((const void *)disk.admin.completions));
	set32(REG_CC, CC_ENABLE);
	if (wait_ready(CSTS_READY))
		return 0;
	printf("nvme: it does not become ready: CSTS 0x%x\n", get32(REG_CSTS));
	return -XEN_EIO;
}

static int start(struct blk_device *device)
{
	int result;

	memset(&disk, 0, sizeof(disk));
	pci_enable(device->function);
	disk.registers = pci_map(device->function, 0, 0, REGISTERS_BYTES);
	if (!disk.registers) {
		printf("nvme: its registers cannot be mapped\n");
		return -XEN_ENODEV;
	}
	disk.capabilities = get64(REG_CAP);
	if (CAP_PAGE_MIN(disk.capabilities) != 0 || CAP_ENTRIES(disk.capabilities) < ADMIN_ENTRIES ||
	    (2 * BLK_QUEUES_MAX + 2) * CAP_STRIDE(disk.capabilities) > REGISTERS_BYTES - REG_DOORBELLS) {
		printf("nvme: capabilities 0x%lx: pages of 4 KiB, %u entries and doorbells within a page are needed\n",
		       disk.capabilities, ADMIN_ENTRIES);
		return -XEN_ENODEV;
	}
	if (!reset()) {
		printf("nvme: it does not acknowledge its reset\n");
		return -XEN_EIO;
	}
	pci_enable_dma(device->function);
	result = enable();
	if (!result)
		result = learn(device);
	return result ? result : open_queues(device);
}

/* What the disk can do was learnt before ready. */
static int restart(struct blk_device *device)
{
	unsigned int queues = device->queues;
	int result = -XEN_EIO;

	if (!reset())
		return result;
	pci_enable_dma(device->function);
	result = enable();
	if (!result)
		result = count_queues(device);
	if (!result && device->queues < queues)
		result = -XEN_ENODEV;
	device->queues = queues;
	for (unsigned int i = 0; !result && i < queues; i++) {
		queue_init(&disk.queue[i], disk.queue[i].entries, i + 1);
		result = open_queue(device, i);
	}
	return result;
}

static bool stop(struct blk_device *device)
{
	(void)device;
	return reset();
}

/* ---------------------------------------------------------------- an io */

/* How many segments from `at` on one command can take: only its first may begin, only its last may end within a page. */
static uint32_t part_of(const struct blk_io *io, uint32_t at, uint32_t *bytes)
{
	uint32_t end = at;

	*bytes = 0;
	do {
		*bytes += io->segment[end].length;
		end++;
	} while (end < io->segment_count && *bytes + io->segment[end].length <= disk.part_bytes &&
		 ((uintptr_t)io->segment[end - 1].at + io->segment[end - 1].length) % BUFFER_BYTES == 0 &&
		 (uintptr_t)io->segment[end].at % BUFFER_BYTES == 0);
	return end - at;
}

/* 0: it cannot be done, because a part of it is no whole sectors. */
static uint32_t count_parts(const struct blk_io *io)
{
	uint32_t parts = 0, bytes;

	for (uint32_t at = 0; at < io->segment_count; parts++) {
		at += part_of(io, at, &bytes);
		if (bytes & ((1u << disk.block_shift) - 1))
			return 0;
	}
	return parts;
}

static uint16_t slot_take(struct queue *queue, struct blk_io *io, uint16_t first, uint32_t parts)
{
	uint16_t id = queue->free[--queue->free_count];

	queue->slot[id] = (struct slot){ io, parts ? id : first, (uint16_t)parts, true };
	return id;
}

static void point_at(struct queue *queue, struct command *command, const struct blk_segment *segment, uint32_t count)
{
	uint64_t *list = (uint64_t *)(queue->lists + command->id * LIST_BYTES);

	command->page[0] = pool_machine(segment[0].at);
	if (count == 2)
		command->page[1] = pool_machine(segment[1].at);
	if (count <= 2)
		return;
	for (uint32_t i = 1; i < count; i++)
		list[i - 1] = pool_machine(segment[i].at);
	command->page[1] = pool_machine(list);
}

static int submit_data(struct queue *queue, struct blk_io *io)
{
	uint32_t parts = count_parts(io), bytes;
	uint64_t block = io->sector >> (disk.block_shift - 9);
	uint16_t first = 0;

	if (parts == 0)
		return -XEN_EINVAL;
	if (parts > queue->free_count)
		return -XEN_ENOSPC;
	for (uint32_t at = 0, part = 0; part < parts; part++) {
		struct command command = { .opcode = io->op == BLK_READ ? IO_READ : IO_WRITE, .space = NAMESPACE };
		uint32_t count = part_of(io, at, &bytes);

		command.id = slot_take(queue, io, first, part ? 0 : parts);
		if (part == 0)
			first = command.id;
		point_at(queue, &command, &io->segment[at], count);
		command.word[0] = (uint32_t)block;
		command.word[1] = (uint32_t)(block >> 32);
		command.word[2] = (bytes >> disk.block_shift) - 1;
		put(queue, &command);
		block += bytes >> disk.block_shift;
		at += count;
	}
	return 0;
}

static int submit_discard(struct queue *queue, struct blk_io *io)
{
	uint64_t block = io->sector >> (disk.block_shift - 9), left = io->sectors >> (disk.block_shift - 9);
	struct command command = { .opcode = IO_DATASET, .space = NAMESPACE, .word = { 0, DATASET_DEALLOCATE } };
	struct range *range;
	uint32_t count = 0;

	if (left == 0 || left > DATASET_SECTORS_MAX)
		return -XEN_EINVAL;
	if (queue->free_count == 0)
		return -XEN_ENOSPC;
	command.id = slot_take(queue, io, 0, 1);
	range = (struct range *)(queue->lists + command.id * LIST_BYTES);
	for (; left; count++) {
		uint32_t blocks = left > DATASET_RANGE_MAX ? DATASET_RANGE_MAX : (uint32_t)left;

		range[count] = (struct range){ 0, blocks, block };
		block += blocks;
		left -= blocks;
	}
	command.page[0] = pool_machine(range);
	command.word[0] = count - 1;
	put(queue, &command);
	return 0;
}

static int submit_flush(struct queue *queue, struct blk_io *io)
{
	struct command command = { .opcode = IO_FLUSH, .space = NAMESPACE };

	if (queue->free_count == 0)
		return -XEN_ENOSPC;
	command.id = slot_take(queue, io, 0, 1);
	put(queue, &command);
	return 0;
}

static int submit_once(struct queue *queue, struct blk_io *io)
{
	io->result = 0;
	switch (io->op) {
	case BLK_READ:
	case BLK_WRITE:
		return submit_data(queue, io);
	case BLK_FLUSH:
		return submit_flush(queue, io);
	default:
		return submit_discard(queue, io);
	}
}

static int submit(struct blk_device *device, unsigned int number, struct blk_io *io)
{
	(void)device;
	io->tries = 1;
	return submit_once(&disk.queue[number], io);
}

static void push(struct blk_device *device, unsigned int number)
{
	(void)device;
	ring_bell(&disk.queue[number]);
}

/* What the back-end is told of a status: 4.6.1. */
static int result_of(const struct blk_io *io, uint16_t status)
{
	if (STATUS(status) == 0)
		return io->result;
	if (STATUS(status) == STATUS_NOT_READY && !STATUS_FINAL(status))
		return io->result ? io->result : -XEN_EAGAIN;
	return STATUS(status) == STATUS_BAD_OPCODE ? -XEN_EOPNOTSUPP : -XEN_EIO;
}

/* V3. True: it is under way again. All its identifiers have come back: there is room for it. */
static bool is_retried(struct queue *queue, struct blk_io *io)
{
	if (io->result != -XEN_EAGAIN)
		return false;
	if (io->tries++ < IO_TRIES && submit_once(queue, io) == 0)
		return true;
	io->result = -XEN_EIO;
	return false;
}

/* The io whose last command this was, or NULL. */
static struct blk_io *finish(struct queue *queue, const struct completion *completion)
{
	struct slot *slot = &queue->slot[completion->id], *first = &queue->slot[slot->first];
	struct blk_io *io = slot->io;

	io->result = result_of(io, completion->status);
	slot->is_under_way = false;
	if (slot != first)
		queue->free[queue->free_count++] = completion->id;
	if (--first->remaining)
		return NULL;
	queue->free[queue->free_count++] = slot->first;
	return is_retried(queue, io) ? NULL : io;
}

static unsigned int reap(struct blk_device *device, unsigned int number, struct blk_io **io, unsigned int room)
{
	struct queue *queue = &disk.queue[number];
	struct completion completion;
	uint32_t head = queue->head;
	unsigned int count = 0;

	while (count < room && take(queue, &completion)) {
		if (completion.id >= QUEUE_ENTRIES || !queue->slot[completion.id].is_under_way) {		/* V2 */
			device->failed(device, "nvme: it completed a command that it was not given");
			break;
		}
		io[count] = finish(queue, &completion);
		count += io[count] != NULL;
	}
	if (queue->head != head)
		*queue->head_bell = queue->head;
	ring_bell(queue);
	return count;
}

/* With MSI-X the disk itself masks nothing (3.1.3): its event channel does. What came meanwhile is told by the answer, not by an event. */
static bool interrupts(struct blk_device *device, unsigned int number, bool on)
{
	const struct queue *queue = &disk.queue[number];

	if (!on) {
		event_mask(device->port[number]);
		return false;
	}
	if (event_is_masked(device->port[number])) {
		event_clear(device->port[number]);
		event_unmask(device->port[number]);
	}
	return (queue->completions[queue->head].status & 1) == queue->phase;
}

const struct blk_driver nvme = {
	.name = "nvme",
	.knows = knows,
	.reset = "its enable bit",
	.start = start,
	.restart = restart,
	.stop = stop,
	.submit = submit,
	.push = push,
	.reap = reap,
	.interrupts = interrupts,
};
