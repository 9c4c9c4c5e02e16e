/* SPDX-License-Identifier: MIT */
/*
 * virtio-net (virtio 1.1, 5.1): pairs of queues 2n (receive) and 2n + 1 (transmit), and a control queue behind the last pair that the device
 * has. Buffers for receiving are merged: a frame is as many of them as it needs. There is one card in a domain.
 */
#include "device/drivers.h"
#include "device/virtio.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/lib.h"
#include "runtime/ready.h"
#include "runtime/time.h"
#include "runtime/xen.h"

#define KIND 1u
#define SLOTS VIRTQUEUE_SLOTS_MAX

#define F_CSUM (1ULL << 0)
#define F_GUEST_CSUM (1ULL << 1)
#define F_MTU (1ULL << 3)
#define F_MAC (1ULL << 5)
#define F_GUEST_TSO4 (1ULL << 7)
#define F_GUEST_TSO6 (1ULL << 8)
#define F_HOST_TSO4 (1ULL << 11)
#define F_HOST_TSO6 (1ULL << 12)
#define F_MRG_RXBUF (1ULL << 15)
#define F_STATUS (1ULL << 16)
#define F_CTRL_VQ (1ULL << 17)
#define F_CTRL_RX (1ULL << 18)
#define F_MQ (1ULL << 22)
#define F_TSO (F_HOST_TSO4 | F_HOST_TSO6)
#define F_LRO (F_GUEST_TSO4 | F_GUEST_TSO6)
#define F_WANTED \
	(F_CSUM | F_GUEST_CSUM | F_MTU | F_MAC | F_LRO | F_TSO | F_MRG_RXBUF | F_STATUS | F_CTRL_VQ | F_CTRL_RX | F_MQ)

#define CONFIG_MAC 0u
#define CONFIG_STATUS 6u
#define CONFIG_PAIRS 8u
#define CONFIG_MTU 10u
#define STATUS_LINK_UP 1u

#define HEADER_NEEDS_CSUM 1u
#define HEADER_DATA_VALID 2u
enum { GSO_NONE = 0, GSO_TCP4 = 1, GSO_TCP6 = 4 };

#define CONTROL_RX 0
#define CONTROL_RX_PROMISCUOUS 0
#define CONTROL_MQ 4
#define CONTROL_MQ_PAIRS 0

#define COMMAND_ANSWER 64u

#define FRAME_MIN 14u

struct header {
	uint8_t flags, gso_type;
	uint16_t header_bytes, gso_bytes, csum_start, csum_offset, buffer_count;
};

_Static_assert(sizeof(struct header) == 12, "virtio 1.1, 5.1.6");

/* A frame that was sent and is not reaped: they come back in the order in which they went (net.h). */
struct sent {
	void *cookie;
	bool is_done;
};

struct pair {
	struct virtqueue receive, transmit;
	struct header *header;			/* in the pool, one for each sent[] */
	struct sent sent[VIRTQUEUE_SLOTS_MAX];
	uint16_t sent_index, reaped_index;
	uint16_t left_count;			/* buffers of the frame that left() gave last */
};

#define KEPT_WHOLE 0x4b455054u

/* What a successor needs to know of a receive queue; in scratch pages, which the card does not reach. */
struct kept {
	uint32_t whole;				/* KEPT_WHOLE: the ring, and what is here, are of one life */
	uint16_t taken;				/* of the used ring: so many are the back-end's */
	uint16_t buffer[VIRTQUEUE_SLOTS_MAX];	/* of each head: its number in the pool */
};

static struct kept *kept;			/* NET_QUEUES_MAX */
static struct virtio_device virtio;
static struct pair pairs[NET_QUEUES_MAX];
static struct virtqueue control APART;
static uint8_t *command_room;			/* in the pool */
static struct posted {
	bool is_under_way;
	uint64_t until_ns;
} posted;

static bool knows(const struct pci_function *function)
{
	return virtio_is(function, KIND);
}

/* ---- start and stop ---- */

static void read_config(struct net_device *device, uint16_t *pairs_there)
{
	unsigned int vectors = device->function->msix_vectors ? device->function->msix_vectors : 1;

	memset(device->mac, 0, sizeof(device->mac));
	device->mtu = 1500;
	*pairs_there = 1;
	if (virtio_has(&virtio, F_MAC))
		virtio_config(&virtio, CONFIG_MAC, device->mac, 6);
	if (virtio_has(&virtio, F_MTU))
		virtio_config(&virtio, CONFIG_MTU, &device->mtu, 2);
	if (virtio_has(&virtio, F_MQ) && virtio_has(&virtio, F_CTRL_VQ))
		virtio_config(&virtio, CONFIG_PAIRS, pairs_there, 2);
	device->queues = *pairs_there < NET_QUEUES_MAX ? *pairs_there : NET_QUEUES_MAX;
	if (device->queues > vectors)
		device->queues = vectors;
	device->does_csum = virtio_has(&virtio, F_CSUM);
	device->does_tso = device->does_csum && (virtio.features & F_TSO) == F_TSO;
	device->does_lro = virtio.features & F_LRO;
	device->header_room = sizeof(struct header);
	device->state = pairs;
}

static int check_config(const struct net_device *device, uint16_t pairs_there)
{
	static const uint8_t none[6];

	if (memcmp(device->mac, none, 6) == 0 || (device->mac[0] & 1))
		printf("virtio-net: its address is none of a card\n");
	else if (device->mtu < 68)
		printf("virtio-net: its MTU of %u is too small: 68 is the least\n", device->mtu);
	else if (!pairs_there || 2 * pairs_there > virtio.queues)
		printf("virtio-net: it says that it has %u pairs in %u queues\n", pairs_there, virtio.queues);
	else if (!virtio_has(&virtio, F_MRG_RXBUF) && device->mtu + 64u > BUFFER_BYTES)
		printf("virtio-net: it does not merge buffers, and its frames are larger than one\n");
	else
		return 0;
	return -XEN_EINVAL;
}

static int pair_begin(struct net_device *device, unsigned int number)
{
	struct pair *pair = &pairs[number];
	int error = virtio_queue(&virtio, 2 * number, SLOTS, number, &pair->receive, &device->port[number]);

	if (!error)
		error = virtio_queue(&virtio, 2 * number + 1, SLOTS, number, &pair->transmit, &device->port[number]);
	if (error)
		return error;
	/* A frame that no empty queue can take would wait for ever, and all others behind it. */
	if (pair->transmit.slots < NET_SEGMENTS_MAX + 1) {
		printf("virtio-net: queue %u has %u slots: the largest frame takes %u\n", 2 * number + 1, pair->transmit.slots,
		       NET_SEGMENTS_MAX + 1);
		return -XEN_EINVAL;
	}
	pair->sent_index = pair->reaped_index = 0;
	kept[number] = (struct kept){ .whole = KEPT_WHOLE };
	pair->header = pool_take(sizeof(struct header) * VIRTQUEUE_SLOTS_MAX);
	return 0;
}

static int command_post(uint8_t group, uint8_t what, const void *argument, uint32_t bytes)
{
	uint8_t *room = command_room;
	struct pool_part piece[] = { { room, 2 }, { room + 8, bytes }, { room + COMMAND_ANSWER, 1 } };

	room[0] = group;
	room[1] = what;
	memcpy(room + 8, argument, bytes);
	room[COMMAND_ANSWER] = 0xff;
	if (virtqueue_add(&control, piece, 2, 1, room))
		return -XEN_EIO;
	virtqueue_push(&control);
	posted = (struct posted){ true, time_now_ns() + driver_domain_device_ns() };
	return 0;
}

/* -EAGAIN: it has not answered yet. */
static int command_settle(void)
{
	uint32_t written;
	void *cookie;

	if (!virtqueue_reap(&control, &cookie, &written))
		return control.broken || time_now_ns() > posted.until_ns ? -XEN_EIO : -XEN_EAGAIN;
	posted.is_under_way = false;
	return *(volatile uint8_t *)(command_room + COMMAND_ANSWER) ? -XEN_EOPNOTSUPP : 0;
}

/* One command, waited for: the card answers at once, or it is broken. */
static int command(uint8_t group, uint8_t what, const void *argument, uint32_t bytes)
{
	int result = command_post(group, what, argument, bytes);

	if (result)
		return result;
	while ((result = command_settle()) == -XEN_EAGAIN)
		;
	return result;
}

/* Frames for the guests behind this card are for other addresses than its own. */
static int commands(const struct net_device *device)
{
	uint16_t wanted = (uint16_t)device->queues;
	uint8_t on = 1;
	int error = 0;

	if (virtio_has(&virtio, F_MQ))
		error = command(CONTROL_MQ, CONTROL_MQ_PAIRS, &wanted, sizeof(wanted));
	if (!error && virtio_has(&virtio, F_CTRL_RX))
		error = command(CONTROL_RX, CONTROL_RX_PROMISCUOUS, &on, sizeof(on));
	if (error)
		printf("virtio-net: it does not obey its control queue: error %d\n", -error);
	return error;
}

static int queues_begin(struct net_device *device, uint16_t pairs_there)
{
	uint32_t port;
	int error = 0;

	for (unsigned int number = 0; number < device->queues && !error; number++)
		error = pair_begin(device, number);
	if (!error && virtio_has(&virtio, F_CTRL_VQ)) {
		error = virtio_queue(&virtio, 2u * pairs_there, 4, 0, &control, &port);
		/* No buffer: one that was free once before ready is none that a successor can claim (P2). */
		command_room = pool_take(COMMAND_ANSWER + 1);
	}
	return error;
}

/* Segments that it has put together are not taken from a card that does not merge buffers: such a frame is larger than one. */
static int negotiate(void)
{
	int error = virtio_negotiate(&virtio, F_WANTED);

	if (error || virtio_has(&virtio, F_MRG_RXBUF) || !virtio_has(&virtio, F_LRO))
		return error;
	return virtio_reset(&virtio) ? virtio_negotiate(&virtio, F_WANTED & ~F_LRO) : -XEN_EIO;
}

static int start(struct net_device *device)
{
	uint16_t pairs_there;
	int error = virtio_open(&virtio, device->function);

	if (!kept)
		kept = ready_scratch((sizeof(*kept) * NET_QUEUES_MAX + BUFFER_BYTES - 1) / BUFFER_BYTES);
	if (error)
		return error;
	if (!virtio_reset(&virtio))
		return -XEN_EIO;
	error = negotiate();
	if (error)
		return error;
	read_config(device, &pairs_there);
	error = check_config(device, pairs_there);
	if (!error)
		error = queues_begin(device, pairs_there);
	if (error)
		return error;
	virtio_ready(&virtio);
	return virtio_has(&virtio, F_CTRL_VQ) ? commands(device) : 0;
}

static bool stop(struct net_device *device)
{
	return virtio_reset(&virtio);
}

static int restart(struct net_device *device)
{
	int error = virtio_resume(&virtio);

	for (unsigned int number = 0; number < device->queues && !error; number++) {
		__atomic_store_n(&kept[number].whole, 0, __ATOMIC_RELEASE);
		error = virtio_queue_resume(&virtio, &pairs[number].receive);
		if (!error)
			error = virtio_queue_resume(&virtio, &pairs[number].transmit);
		kept[number].taken = 0;
		__atomic_store_n(&kept[number].whole, KEPT_WHOLE, __ATOMIC_RELEASE);
	}
	if (!error && virtio_has(&virtio, F_CTRL_VQ))
		error = virtio_queue_resume(&virtio, &control);
	if (error)
		return error;
	virtio_ready(&virtio);
	if (!virtio_has(&virtio, F_CTRL_VQ) || device->queues > 1)
		return virtio_has(&virtio, F_CTRL_VQ) ? commands(device) : 0;
	/* One pair is what it begins with; that it is to hear all is not waited for. */
	return virtio_has(&virtio, F_CTRL_RX) ? command_post(CONTROL_RX, CONTROL_RX_PROMISCUOUS, &(uint8_t){ 1 }, 1) : 0;
}

/* ---- sending ---- */

static void header_fill(struct header *header, const struct net_frame *frame)
{
	*header = (struct header){ 0 };
	if (frame->flags & NET_NEEDS_CSUM) {
		header->flags = HEADER_NEEDS_CSUM;
		header->csum_start = frame->csum_start;
		header->csum_offset = frame->csum_offset;
	}
	if (frame->gso != NET_GSO_NONE) {
		header->gso_type = frame->gso == NET_GSO_TCP4 ? GSO_TCP4 : GSO_TCP6;
		header->gso_bytes = frame->gso_bytes;
		header->header_bytes = frame->header_bytes;
	}
}

/* Not as pairs[number]: each of its arrays would be indexed anew. */
static inline struct pair *pair_of(const struct net_device *device, unsigned int number)
{
	return (struct pair *)device->state + number;
}

/* The header stands right before the first segment if there is room for it. */
static int transmit(struct net_device *device, unsigned int number, const struct net_frame *frame)
{
	struct pair *pair = pair_of(device, number);
	struct virtqueue *queue = &pair->transmit;
	const struct pool_part *part = frame->segment, *end = part + frame->segment_count;
	unsigned int at = pair->sent_index % VIRTQUEUE_SLOTS_MAX, slots = frame->segment_count;
	struct header *header = &pair->header[at];
	uint16_t last = virtqueue_next(queue), slot;
	uint32_t length = sizeof(*header);

	ASSERT(part < end && slots <= NET_SEGMENTS_MAX);
	if (frame->room >= sizeof(*header)) {
		header = (void *)((uint8_t *)part->at - sizeof(*header));
		length += part++->length;
	} else {
		slots++;
	}
	if ((uint16_t)(pair->sent_index - pair->reaped_index) >= VIRTQUEUE_SLOTS_MAX || !virtqueue_has_room(queue, slots))
		return -XEN_ENOSPC;
	header_fill(header, frame);
	slot = virtqueue_put(queue, last, header, length, 0);
	for (; part < end; part++) {
		last = slot;
		slot = virtqueue_put(queue, slot, part->at, part->length, 0);
	}
	virtqueue_give(queue, last, 0, slots, 0, &pair->sent[at]);
	pair->sent[at] = (struct sent){ frame->cookie, false };
	pair->sent_index++;
	return 0;
}

static void transmit_push(struct net_device *device, unsigned int number)
{
	virtqueue_push(&pairs[number].transmit);
}

static unsigned int reap(struct net_device *device, unsigned int number, void **cookie, unsigned int room)
{
	struct pair *pair = pair_of(device, number);
	uint16_t index = pair->reaped_index;
	unsigned int count = 0;
	uint32_t written;
	void *sent;

	while (virtqueue_reap(&pair->transmit, &sent, &written))
		((struct sent *)sent)->is_done = true;
	if (pair->transmit.broken)
		device->failed(device, pair->transmit.broken);
	for (; count < room && index != pair->sent_index && pair->sent[index % VIRTQUEUE_SLOTS_MAX].is_done; index++)
		cookie[count++] = pair->sent[index % VIRTQUEUE_SLOTS_MAX].cookie;
	pair->reaped_index = index;
	return count;
}

/* ---- receiving ---- */

/* Before a head that has come back is given out again with another buffer, or a buffer that nobody has recorded is free. */
static void all_is_taken(unsigned int number)
{
	__atomic_store_n(&kept[number].taken, pairs[number].receive.used_index, __ATOMIC_RELEASE);
}

static void receive_taken(struct net_device *device, unsigned int number)
{
	all_is_taken(number);
}

static int receive_give(struct net_device *device, unsigned int number, void *buffer)
{
	struct pool_part piece = { buffer, BUFFER_BYTES };

	if (!virtqueue_has_room(&pairs[number].receive, 1))
		return -XEN_ENOSPC;	/* there is no next head */
	all_is_taken(number);
	kept[number].buffer[virtqueue_next(&pairs[number].receive) % VIRTQUEUE_SLOTS_MAX] = (uint16_t)buffer_number(buffer);
	return virtqueue_add(&pairs[number].receive, &piece, 0, 1, buffer);
}

static void receive_push(struct net_device *device, unsigned int number)
{
	virtqueue_push(&pairs[number].receive);
}

static int fail(struct net_device *device, const char *why)
{
	device->failed(device, why);
	return -XEN_EAGAIN;
}

/* The buffers of one frame; the header stands at the beginning of the first. N1 */
static int collect(struct net_device *device, struct virtqueue *queue, struct net_frame *frame, struct header *header)
{
	unsigned int count = 1;
	uint32_t written;
	void *buffer;

	for (unsigned int i = 0; i < count; i++) {
		uint32_t skip = i ? 0 : sizeof(*header);

		if (!virtqueue_reap(queue, &buffer, &written)) {
			if (queue->broken || i)
				return fail(device, queue->broken ? queue->broken : "virtio-net: a frame of which buffers are missing");
			return -XEN_EAGAIN;
		}
		if (written <= skip)
			return fail(device, "virtio-net: a received buffer with nothing in it");
		if (!i) {
			memcpy(header, buffer, sizeof(*header));
			count = virtio_has(&virtio, F_MRG_RXBUF) ? header->buffer_count : 1;
			if (!count || count > NET_SEGMENTS_MAX)
				return fail(device, "virtio-net: a received frame of as many buffers as no frame has");
		}
		frame->segment[i] = (struct pool_part){ (uint8_t *)buffer + skip, written - skip };
		frame->length += written - skip;
		frame->segment_count++;
	}
	return 0;
}

/* The header comes from whoever sent the frame: what cannot be is a bad frame, not a bad card. */
static bool header_take(struct net_frame *frame, const struct header *header)
{
	if (header->flags & HEADER_NEEDS_CSUM) {
		if ((uint32_t)header->csum_start + header->csum_offset + 2 > frame->length)
			return false;
		frame->flags |= NET_NEEDS_CSUM;
		frame->csum_start = header->csum_start;
		frame->csum_offset = header->csum_offset;
	} else if (header->flags & HEADER_DATA_VALID) {
		frame->flags |= NET_CSUM_VALID;
	}
	if (header->gso_type == GSO_NONE)
		return true;
	frame->gso = header->gso_type == GSO_TCP4 ? NET_GSO_TCP4 : NET_GSO_TCP6;
	frame->gso_bytes = header->gso_bytes;
	frame->header_bytes = header->header_bytes;
	return (header->gso_type == GSO_TCP4 || header->gso_type == GSO_TCP6) && header->gso_bytes &&
	       (frame->flags & NET_NEEDS_CSUM) && header->header_bytes <= frame->length;
}

static int receive(struct net_device *device, unsigned int number, struct net_frame *frame)
{
	struct virtqueue *queue = &pairs[number].receive;
	struct header header;
	int error;

	all_is_taken(number);
	for (;;) {
		frame->length = frame->flags = frame->gso = frame->segment_count = 0;
		error = collect(device, queue, frame, &header);
		if (error || (frame->length >= FRAME_MIN && header_take(frame, &header)))
			return error;
		all_is_taken(number);
		for (unsigned int i = 0; i < frame->segment_count; i++)
			buffer_free(frame->segment[i].at);
	}
}

/* ---- what a predecessor has not taken ---- */

/* All of it stands where the device, or a dying driver, could write. NULL: there is nothing, or it cannot be. */
static void *left_buffer(unsigned int number, uint16_t at, uint32_t *written)
{
	uint16_t id;
	uint8_t *buffer;

	if (!virtqueue_left(&pairs[number].receive, at, &id, written) || *written > BUFFER_BYTES)
		return NULL;
	buffer = pool_at + (size_t)kept[number].buffer[id] * BUFFER_BYTES;
	return pool_has(buffer, BUFFER_BYTES) ? buffer : NULL;
}

/* A frame's buffers, none of them claimed. After one that is not whole, what follows may be the middle of something: it is the end. */
static bool left_whole(unsigned int number, struct net_frame *frame, struct header *header)
{
	unsigned int count = 1;

	frame->length = frame->flags = frame->gso = frame->segment_count = 0;
	for (unsigned int i = 0; i < count; i++) {
		uint32_t skip = i ? 0 : sizeof(*header), written;
		uint8_t *buffer = left_buffer(number, (uint16_t)(kept[number].taken + i), &written);

		if (!buffer || written <= skip)
			return false;
		if (!i) {
			memcpy(header, buffer, sizeof(*header));
			count = virtio_has(&virtio, F_MRG_RXBUF) ? header->buffer_count : 1;
		}
		if (!count || count > NET_SEGMENTS_MAX)
			return false;
		frame->segment[frame->segment_count++] = (struct pool_part){ buffer + skip, written - skip };
		frame->length += written - skip;
	}
	return true;
}

/* The one before, of left_count buffers, is recorded by now. */
static int left(struct net_device *device, unsigned int number, struct net_frame *frame)
{
	struct kept *mine = &kept[number];
	struct header header;

	if (mine->whole != KEPT_WHOLE)
		return -XEN_EAGAIN;
	mine->taken = (uint16_t)(mine->taken + pairs[number].left_count);
	while (left_whole(number, frame, &header)) {
		pairs[number].left_count = frame->segment_count;
		if (frame->length >= FRAME_MIN && header_take(frame, &header) && net_frame_claim(frame))
			return 0;
		mine->taken = (uint16_t)(mine->taken + frame->segment_count);
	}
	pairs[number].left_count = 0;
	return -XEN_EAGAIN;
}

/* ---- the rest ---- */

static bool interrupts(struct net_device *device, unsigned int number, bool want_receive, bool want_transmit)
{
	bool is_received = virtqueue_interrupts(&pairs[number].receive, want_receive);

	return virtqueue_interrupts(&pairs[number].transmit, want_transmit) || is_received;
}

static bool link_is_up(struct net_device *device)
{
	uint16_t status = STATUS_LINK_UP;
	int error = posted.is_under_way ? command_settle() : 0;

	if (error && error != -XEN_EAGAIN)
		device->failed(device, "virtio-net: it does not obey its control queue");
	if (virtio_has(&virtio, F_STATUS))
		virtio_config(&virtio, CONFIG_STATUS, &status, 2);
	return status & STATUS_LINK_UP;
}

const struct net_driver virtio_net = {
	.name = "virtio-net",
	.knows = knows,
	.start = start,
	.stop = stop,
	.left = left,
	.restart = restart,
	.transmit = transmit,
	.transmit_push = transmit_push,
	.reap = reap,
	.receive_give = receive_give,
	.receive_push = receive_push,
	.receive = receive,
	.receive_taken = receive_taken,
	.interrupts = interrupts,
	.link_is_up = link_is_up,
};
