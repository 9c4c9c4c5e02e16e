/* SPDX-License-Identifier: MIT */
/*
 * virtio-blk (virtio 1.1, 5.2). An io is one slot of a queue: its head, its status and the table of its descriptors stand in a room of
 * the pool that goes with the slot. There is one disk in a domain.
 */
#include "device/drivers.h"
#include "device/virtio.h"
#include "runtime/console.h"
#include "runtime/lib.h"
#include "runtime/xen.h"

#define KIND 2u
#define SLOTS 128u

#define F_SIZE_MAX (1ULL << 1)
#define F_SEG_MAX (1ULL << 2)
#define F_RO (1ULL << 5)
#define F_BLK_SIZE (1ULL << 6)
#define F_FLUSH (1ULL << 9)
#define F_MQ (1ULL << 12)
#define F_DISCARD (1ULL << 13)
#define F_WANTED (F_SIZE_MAX | F_SEG_MAX | F_RO | F_BLK_SIZE | F_FLUSH | F_MQ | F_DISCARD)

#define CONFIG_CAPACITY 0u
#define CONFIG_SIZE_MAX 8u
#define CONFIG_SEG_MAX 12u
#define CONFIG_BLK_SIZE 20u
#define CONFIG_QUEUES 34u
#define CONFIG_DISCARD_SECTORS 36u

enum { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4, TYPE_DISCARD = 11 };
enum { STATUS_OK = 0, STATUS_IOERR = 1, STATUS_UNSUPPORTED = 2, STATUS_NONE = 0xff };

/* What goes with a slot, in the pool. */
struct room {
	struct virtq_desc table[VIRTQUEUE_PIECES_MAX];
	uint32_t type, zero;
	uint64_t sector;
	uint64_t discard_sector;
	uint32_t discard_count, discard_flags;
	uint8_t status;
	uint8_t pad[31];
};

_Static_assert(sizeof(struct room) == VIRTQUEUE_TABLE_BYTES + 64, "a room is of whole cache lines");

static struct virtio_device virtio;
static struct virtqueue queues[BLK_QUEUES_MAX];
static struct room *rooms[BLK_QUEUES_MAX];
/* By slot. A discard that is longer than the disk takes goes in parts: those before this one are done. */
static struct part {
	struct blk_io *io;
	uint64_t done;
} under_way[BLK_QUEUES_MAX][VIRTQUEUE_SLOTS_MAX];
static uint32_t discard_max;

static bool knows(const struct pci_function *function)
{
	return virtio_is(function, KIND);
}

/* ---- start and stop ---- */

/* A feature whose field cannot be read is an error of the device's: what is missing stays zero, and is refused. */
static void read_config(struct blk_device *device)
{
	uint32_t segments = VIRTQUEUE_PIECES_MAX;
	uint16_t queue_count = 1;

	discard_max = 0;
	device->sectors = 0;
	device->sector_bytes = 512;
	virtio_config(&virtio, CONFIG_CAPACITY, &device->sectors, 8);
	if (virtio_has(&virtio, F_BLK_SIZE))
		virtio_config(&virtio, CONFIG_BLK_SIZE, &device->sector_bytes, 4);
	if (virtio_has(&virtio, F_SEG_MAX))
		virtio_config(&virtio, CONFIG_SEG_MAX, &segments, 4);
	if (virtio_has(&virtio, F_MQ))
		virtio_config(&virtio, CONFIG_QUEUES, &queue_count, 2);
	if (virtio_has(&virtio, F_DISCARD))
		virtio_config(&virtio, CONFIG_DISCARD_SECTORS, &discard_max, 4);
	device->segments_max = segments < BLK_SEGMENTS_MAX ? segments : BLK_SEGMENTS_MAX;
	device->queues = queue_count < BLK_QUEUES_MAX ? queue_count : BLK_QUEUES_MAX;
	device->is_readonly = virtio_has(&virtio, F_RO);
	device->has_flush = virtio_has(&virtio, F_FLUSH);
	discard_max -= discard_max % (device->sector_bytes >= 512 ? device->sector_bytes / 512 : 1);
	device->has_discard = discard_max && !device->is_readonly;
}

static int check_config(const struct blk_device *device)
{
	uint32_t size_max = BUFFER_BYTES, bytes = device->sector_bytes;

	if (virtio_has(&virtio, F_SIZE_MAX))
		virtio_config(&virtio, CONFIG_SIZE_MAX, &size_max, 4);
	if (bytes < 512 || bytes > BUFFER_BYTES || (bytes & (bytes - 1)))
		printf("virtio-blk: its sectors have %u bytes: 512 to 4096 are possible\n", bytes);
	else if (!device->sectors || device->sectors % (bytes / 512) || device->sectors > UINT64_MAX / 512)
		printf("virtio-blk: it has %lu sectors of 512 bytes, its own are of %u: no disk is like that\n", device->sectors, bytes);
	else if (!device->segments_max || size_max < BUFFER_BYTES || !device->queues)
		printf("virtio-blk: it takes %u segments of %u bytes in %u queues: one of 4096 in one is the least\n", device->segments_max,
		       size_max, device->queues);
	else
		return 0;
	return -XEN_EINVAL;
}

static int queue_begin(struct blk_device *device, unsigned int number)
{
	unsigned int vectors = device->function->msix_vectors;
	struct virtqueue *queue = &queues[number];
	int error = virtio_queue(&virtio, number, SLOTS, vectors ? number % vectors : 0, queue, &device->port[number]);

	if (error)
		return error;
	if (queue->slots < 4) {
		printf("virtio-blk: a queue of %u slots: the least is 4\n", queue->slots);
		return -XEN_EINVAL;
	}
	/* No chain is longer than its queue, in a table neither (2.6.5.3.1): head and status are two of it. */
	if (device->segments_max > queue->slots - 2u)
		device->segments_max = queue->slots - 2u;
	rooms[number] = pool_take(queue->slots * sizeof(struct room));
	device->depth = virtio_has(&virtio, VIRTIO_F_INDIRECT_DESC) ? queue->slots : queue->slots / (device->segments_max + 2);
	return 0;
}

static int start(struct blk_device *device)
{
	int error = virtio_open(&virtio, device->function);

	if (error)
		return error;
	if (!virtio_reset(&virtio))
		return -XEN_EIO;
	error = virtio_negotiate(&virtio, F_WANTED);
	if (error)
		return error;
	read_config(device);
	error = check_config(device);
	for (unsigned int number = 0; number < device->queues && !error; number++)
		error = queue_begin(device, number);
	if (!error)
		virtio_ready(&virtio);
	return error;
}

static int restart(struct blk_device *device)
{
	int error = virtio_resume(&virtio);

	for (unsigned int number = 0; number < device->queues && !error; number++)
		error = virtio_queue_resume(&virtio, &queues[number]);
	if (!error)
		virtio_ready(&virtio);
	return error;
}

static bool stop(struct blk_device *device)
{
	return virtio_reset(&virtio);
}

/* ---- ios ---- */

static uint64_t discard_part(const struct blk_io *io, uint64_t done)
{
	return io->sectors - done < discard_max ? io->sectors - done : discard_max;
}

static void room_fill(struct room *room, const struct blk_io *io, uint64_t done)
{
	static const uint32_t types[] = {
		[BLK_READ] = TYPE_IN, [BLK_WRITE] = TYPE_OUT, [BLK_FLUSH] = TYPE_FLUSH, [BLK_DISCARD] = TYPE_DISCARD,
	};

	room->type = types[io->op];
	room->zero = 0;
	room->sector = io->op == BLK_READ || io->op == BLK_WRITE ? io->sector : 0;
	room->status = STATUS_NONE;
	if (io->op != BLK_DISCARD)
		return;
	room->discard_sector = io->sector + done;
	room->discard_count = (uint32_t)discard_part(io, done);
	room->discard_flags = 0;
}

/* Head, data, status: for a queue whose own slots they take. */
static int submit_chain(struct virtqueue *queue, struct room *room, const struct blk_io *io, uint32_t data, void *cookie)
{
	struct pool_part piece[VIRTQUEUE_PIECES_MAX];
	unsigned int count = 0, writes;

	piece[count++] = (struct pool_part){ &room->type, 16 };
	if (io->op == BLK_DISCARD)
		piece[count++] = (struct pool_part){ &room->discard_sector, 16 };
	for (uint32_t i = 0; i < data; i++)
		piece[count++] = (struct pool_part){ io->segment[i].at, io->segment[i].length };
	piece[count++] = (struct pool_part){ &room->status, 1 };
	writes = io->op == BLK_READ ? 1 + data : 1;
	return virtqueue_add(queue, piece, count - writes, writes, cookie);
}

/* The same in a table, where all but the data is in the room too: this is each request's way. */
static int submit_table(struct virtqueue *queue, struct room *room, const struct blk_io *io, uint32_t data, void *cookie)
{
	uint16_t count = 0, flags = io->op == BLK_READ ? VIRTQ_NEXT | VIRTQ_WRITE : VIRTQ_NEXT;
	struct virtq_desc *table = room->table;
	uint64_t machine = pool_machine(room);
	uint32_t bytes = 0;

	table[count++] = (struct virtq_desc){ machine + offsetof(struct room, type), 16, VIRTQ_NEXT, 1 };
	if (io->op == BLK_DISCARD)
		table[count++] = (struct virtq_desc){ machine + offsetof(struct room, discard_sector), 16, VIRTQ_NEXT, 2 };
	for (uint32_t i = 0; i < data; i++, count++) {
		const struct blk_segment *segment = &io->segment[i];

		ASSERT(pool_has(segment->at, segment->length));
		table[count] = (struct virtq_desc){ pool_machine(segment->at), segment->length, flags, (uint16_t)(count + 1) };
		bytes += segment->length;
	}
	table[count++] = (struct virtq_desc){ machine + offsetof(struct room, status), 1, VIRTQ_WRITE, 0 };
	return virtqueue_add_table(queue, machine, count, io->op == BLK_READ ? bytes + 1 : 1, cookie);
}

static int submit_from(struct blk_device *device, unsigned int number, struct blk_io *io, uint64_t done)
{
	uint32_t data = io->op == BLK_READ || io->op == BLK_WRITE ? io->segment_count : 0;
	struct virtqueue *queue = &queues[number];
	uint16_t slot = virtqueue_next(queue);
	struct part *part = &under_way[number][slot];

	ASSERT(data <= device->segments_max);
	if (!queue->free_count)
		return -XEN_ENOSPC;
	room_fill(&rooms[number][slot], io, done);
	*part = (struct part){ io, done };
	if (virtio_has(&virtio, VIRTIO_F_INDIRECT_DESC))
		return submit_table(queue, &rooms[number][slot], io, data, part);
	return submit_chain(queue, &rooms[number][slot], io, data, part);
}

static int submit(struct blk_device *device, unsigned int number, struct blk_io *io)
{
	return submit_from(device, number, io, 0);
}

static void push(struct blk_device *device, unsigned int number)
{
	virtqueue_push(&queues[number]);
}

/* K1. How much the device says that it has written is not asked: of a whole read some say one byte, the status. */
static bool result_of(struct blk_device *device, struct blk_io *io, uint8_t status)
{
	switch (status) {
	case STATUS_OK:			io->result = 0; return true;
	case STATUS_IOERR:		io->result = -XEN_EIO; return true;
	case STATUS_UNSUPPORTED:	io->result = -XEN_EOPNOTSUPP; return true;
	default:			device->failed(device, "virtio-blk: a status that does not exist"); return false;
	}
}

/* The rest of a discard of which a part is done takes the slot that has come free. */
static bool goes_on(struct blk_device *device, unsigned int number, struct blk_io *io, uint64_t done)
{
	if (io->op != BLK_DISCARD || io->result || done + discard_part(io, done) == io->sectors)
		return false;
	if (submit_from(device, number, io, done + discard_part(io, done)))
		return false;
	virtqueue_push(&queues[number]);
	return true;
}

static unsigned int reap(struct blk_device *device, unsigned int number, struct blk_io **io, unsigned int room_count)
{
	struct virtqueue *queue = &queues[number];
	unsigned int count = 0;
	uint32_t written;
	void *cookie;

	/* Each look counts: a quick disk could keep us here for all the parts of a discard. */
	for (unsigned int look = 0; look < room_count && virtqueue_reap(queue, &cookie, &written); look++) {
		const struct part *part = cookie;
		struct room *room = &rooms[number][part - under_way[number]];
		uint8_t status = *(volatile uint8_t *)&room->status;

		io[count] = part->io;
		if (result_of(device, part->io, status) && !goes_on(device, number, part->io, part->done))
			count++;
	}
	if (queue->broken)
		device->failed(device, queue->broken);
	return count;
}

static bool interrupts(struct blk_device *device, unsigned int number, bool on)
{
	return virtqueue_interrupts(&queues[number], on);
}

const struct blk_driver virtio_blk = {
	.name = "virtio-blk",
	.knows = knows,
	.reset = "its status register",
	.start = start,
	.restart = restart,
	.stop = stop,
	.submit = submit,
	.push = push,
	.reap = reap,
	.interrupts = interrupts,
};
