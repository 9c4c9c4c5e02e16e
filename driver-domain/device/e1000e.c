/* SPDX-License-Identifier: MIT */
/*
 * Intel 82574 (QEMU's e1000e): section numbers are those of its datasheet (revision 3.4). One pair of queues, extended receive descriptors,
 * checksums and TCP segmentation by context descriptors, one MSI-X vector (or MSI) for both directions.
 * E1  What a descriptor says is read once. Which buffer it stands for is in our own memory, never in the ring.
 * E2  One descriptor of each ring stays empty: head equal to tail means none to the card (3.3.2).
 */
#include "device/drivers.h"

#include "runtime/console.h"
#include "runtime/lib.h"
#include "runtime/ready.h"
#include "runtime/time.h"
#include "runtime/xen.h"

#define INTEL		0x8086
#define CARD_82574L	0x10d3

/* Registers, 10.2. */
#define REG_CTRL	0x0000
#define REG_STATUS	0x0008
#define REG_EECD	0x0010
#define REG_CTRL_EXT	0x0018
#define REG_ICR		0x00c0
#define REG_IMS		0x00d0
#define REG_IMC		0x00d8
#define REG_EIAC	0x00dc
#define REG_IVAR	0x00e4
#define REG_RCTL	0x0100
#define REG_TCTL	0x0400
#define REG_RDBAL	0x2800
#define REG_RDBAH	0x2804
#define REG_RDLEN	0x2808
#define REG_RDH		0x2810
#define REG_RDT		0x2818
#define REG_TDBAL	0x3800
#define REG_TDBAH	0x3804
#define REG_TDLEN	0x3808
#define REG_TDH		0x3810
#define REG_TDT		0x3818
#define REG_TXDCTL	0x3828
#define REG_RXCSUM	0x5000
#define REG_RFCTL	0x5008
#define REG_MTA		0x5200
#define REG_RAL		0x5400
#define REG_RAH		0x5404
#define REGISTERS_BYTES	0x6000
#define MTA_WORDS	128

#define CTRL_MASTER_DISABLE	(1u << 2)
#define CTRL_LINK_UP		(1u << 6)
#define CTRL_FORCE		((1u << 11) | (1u << 12))	/* speed, duplex */
#define CTRL_RESET		(1u << 26)
#define STATUS_LINK_UP		(1u << 1)
#define STATUS_MASTER		(1u << 19)
#define EECD_READ_DONE		(1u << 9)
#define CTRL_EXT_PBA		(1u << 31)
#define IVAR_RX_AND_TX_0	((1u << 3) | (1u << 11))
#define CAUSE_RX_QUEUE		(1u << 20)
#define CAUSE_TX_QUEUE		(1u << 22)
#define CAUSE_RX		((1u << 7) | (1u << 4))		/* without MSI-X */
#define CAUSE_TX		(1u << 0)
#define RCTL_ENABLE		(1u << 1)
/* All unicast and multicast (a switch stands behind), long packets, buffers of 4 KiB, no checksum at the end. */
#define RCTL_SETTINGS		((1u << 3) | (1u << 4) | (1u << 5) | (1u << 15) | (3u << 16) | (1u << 25) | (1u << 26))
#define TCTL_ENABLE		(1u << 1)
#define TCTL_SETTINGS		((1u << 3) | (0xfu << 4) | (0x3fu << 12))
#define TXDCTL_SETTINGS		((1u << 24) | (1u << 22) | (1u << 16))
#define RXCSUM_IP_TCP		((1u << 8) | (1u << 9))
#define RFCTL_EXTENDED		(1u << 15)

/* Extended receive descriptors, 7.1.5. */
#define RX_DONE		(1u << 0)
#define RX_END		(1u << 1)
#define RX_TCP_CHECKED	(1u << 5)
#define RX_TCP_WRONG	(1u << 29)
#define RX_IP_WRONG	(1u << 30)
#define RX_BAD		((1u << 31) | (1u << 28) | (1u << 25) | (1u << 24))

/* Transmit descriptors, 7.2.5 and 7.2.6: bits of the second word's low half. */
#define TX_DATA		(1u << 20)
#define TX_END		(1u << 24)
#define TX_FCS		(1u << 25)
#define TX_SEGMENT	(1u << 26)
#define TX_REPORT	(1u << 27)
#define TX_EXTENDED	(1u << 29)
#define TX_TCP		(1u << 24)		/* in a context */
#define TX_IPV4		(1u << 25)
#define TX_DONE		(1u << 0)		/* in the high half */
#define TX_OPTION_TCP	(1u << 9)

#define ENTRIES		256u
#define MTU		9000
#define RESET_NS	1000000000ULL
#define MASTER_NS	80000000ULL
#define ETHERNET_BYTES	14u
#define VLAN_BYTES	4u

struct descriptor {
	uint64_t at;			/* or the context's offsets, or what was received */
	uint32_t low, high;
};
_Static_assert(sizeof(struct descriptor) == 16, "7.1.5, 7.2.6");

/* What a successor needs to know of the receive ring; in a scratch page, which the card does not reach. */
static struct kept {
	uint32_t range;			/* the first descriptor that is not the back-end's, and << 16 how many the card has from there on */
	uint16_t buffer[ENTRIES];	/* numbers in the pool */
} *kept;

static struct card {
	const struct pci_function *function;
	volatile uint8_t *registers;
	volatile struct descriptor *receives, *transmits;
	uint32_t receive_causes, transmit_causes;

	/* Receive: [head, tail) is the card's. */
	uint32_t receive_head, receive_tail, receive_told;
	void *buffer[ENTRIES];
	uint32_t left_count;		/* descriptors of the frame that left() gave last */

	/* Transmit: [head, tail) is the card's. A frame's cookie is at its last descriptor. */
	uint32_t transmit_head, transmit_tail, transmit_told;
	struct { void *cookie; bool is_last; } sent[ENTRIES];
	struct descriptor context;	/* the one that the card has; all zero: none */
} card APART;

static uint32_t get(uint32_t at) { return *(volatile uint32_t *)(card.registers + at); }
static void set(uint32_t at, uint32_t value) { *(volatile uint32_t *)(card.registers + at) = value; }
static uint32_t after(uint32_t index) { return (index + 1) % ENTRIES; }
static uint32_t room(uint32_t head, uint32_t tail) { return (head - tail - 1) % ENTRIES; }	/* E2 */

static bool knows(const struct pci_function *function)
{
	return function->vendor == INTEL && function->device == CARD_82574L;
}

/* ---------------------------------------------------------------- start and stop */

static bool wait_for(uint32_t at, uint32_t bits, uint32_t wanted, uint64_t most_ns)
{
	uint64_t until = time_now_ns() + most_ns;

	while ((get(at) & bits) != wanted) {
		if (time_now_ns() > until)
			return false;
		cpu_relax();
	}
	return true;
}

/*
 * 4.3: both directions off, no new requests on the bus, then the reset. Not each card shows the second, and a successor, who resets it twice, has no
 * more time than `device_ns` says (driver.md, 2); the others it has to acknowledge. Then it reads from its own memory what it begins with, its address
 * too: not before that is done is it set up, or asked.
 */
static bool reset(void)
{
	set(REG_IMC, 0xffffffff);
	set(REG_RCTL, 0);
	set(REG_TCTL, 0);
	set(REG_CTRL, get(REG_CTRL) | CTRL_MASTER_DISABLE);
	wait_for(REG_STATUS, STATUS_MASTER, 0, MASTER_NS);
	set(REG_CTRL, get(REG_CTRL) | CTRL_RESET);
	if (!wait_for(REG_CTRL, CTRL_RESET, 0, RESET_NS) || !wait_for(REG_EECD, EECD_READ_DONE, EECD_READ_DONE, RESET_NS))
		return false;
	if ((get(REG_RCTL) & RCTL_ENABLE) || (get(REG_TCTL) & TCTL_ENABLE))
		return false;
	set(REG_IMC, 0xffffffff);
	get(REG_ICR);
	return true;
}

/* An empty one: the card is to begin at `index`. */
static void set_ring(uint32_t base_low, const volatile struct descriptor *ring, uint32_t index)
{
	uint64_t machine = pool_machine((const void *)ring);

	set(base_low, (uint32_t)machine);
	set(base_low + (REG_RDBAH - REG_RDBAL), (uint32_t)(machine >> 32));
	set(base_low + (REG_RDLEN - REG_RDBAL), ENTRIES * sizeof(struct descriptor));
	set(base_low + (REG_RDH - REG_RDBAL), index);
	set(base_low + (REG_RDT - REG_RDBAL), index);
}

static void set_receive(void)
{
	for (uint32_t i = 0; i < MTA_WORDS; i++)
		set(REG_MTA + 4 * i, 0);
	set(REG_RFCTL, get(REG_RFCTL) | RFCTL_EXTENDED);
	set(REG_RXCSUM, RXCSUM_IP_TCP);
	set_ring(REG_RDBAL, card.receives, card.receive_tail);
	set(REG_RCTL, RCTL_SETTINGS | RCTL_ENABLE);
}

static void set_transmit(void)
{
	set_ring(REG_TDBAL, card.transmits, card.transmit_tail);
	set(REG_TXDCTL, get(REG_TXDCTL) | TXDCTL_SETTINGS);
	set(REG_TCTL, TCTL_SETTINGS | TCTL_ENABLE);
}

static int set_interrupts(struct net_device *device)
{
	bool is_msix = device->function->msix_vectors != 0;

	card.receive_causes = is_msix ? CAUSE_RX_QUEUE : CAUSE_RX;
	card.transmit_causes = is_msix ? CAUSE_TX_QUEUE : CAUSE_TX;
	if (is_msix) {
		set(REG_IVAR, IVAR_RX_AND_TX_0);
		set(REG_CTRL_EXT, get(REG_CTRL_EXT) | CTRL_EXT_PBA);
		set(REG_EIAC, CAUSE_RX_QUEUE | CAUSE_TX_QUEUE);
	}
	return pci_interrupt(device->function, 0, &device->port[0]);
}

static void learn(struct net_device *device)
{
	uint32_t low = get(REG_RAL), high = get(REG_RAH);

	memcpy(device->mac, &low, 4);
	memcpy(device->mac + 4, &high, 2);
	device->mtu = MTU;
	device->queues = 1;
	device->does_csum = device->does_tso = true;
	device->does_lro = false;
	device->header_room = 0;
}

static void keep(uint32_t head, uint32_t count)
{
	__atomic_store_n(&kept->range, head | count << 16, __ATOMIC_RELEASE);
}

/* What it reads from its own memory may force a speed and a duplex that are not what the other end of the link has agreed to. */
static void begin(void)
{
	set(REG_CTRL, (get(REG_CTRL) & ~(CTRL_MASTER_DISABLE | CTRL_FORCE)) | CTRL_LINK_UP);
	pci_enable_dma(card.function);
	set_receive();
	set_transmit();
}

static int start(struct net_device *device)
{
	if (!kept)
		kept = ready_scratch(1);
	memset(&card, 0, sizeof(card));
	card.function = device->function;
	pci_enable(device->function);
	card.registers = pci_map(device->function, 0, 0, REGISTERS_BYTES);
	if (!card.registers) {
		printf("e1000e: its registers cannot be mapped\n");
		return -XEN_ENODEV;
	}
	if (!reset()) {
		printf("e1000e: it does not acknowledge its reset: CTRL 0x%x, EECD 0x%x, RCTL 0x%x, TCTL 0x%x\n", get(REG_CTRL), get(REG_EECD), get(REG_RCTL),
		       get(REG_TCTL));
		return -XEN_EIO;
	}
	card.receives = pool_take(ENTRIES * sizeof(struct descriptor));
	card.transmits = pool_take(ENTRIES * sizeof(struct descriptor));
	keep(0, 0);
	learn(device);
	begin();
	return set_interrupts(device);
}

/* The memory is as when start() had returned; descriptors are written anew as they are given. */
static int restart(struct net_device *device)
{
	keep(0, 0);
	if (!reset())
		return -XEN_EIO;
	begin();
	return set_interrupts(device);
}

static bool stop(struct net_device *device)
{
	(void)device;
	return reset();
}

/* ---------------------------------------------------------------- transmit */

static void put(uint64_t at, uint32_t low, uint32_t high)
{
	volatile struct descriptor *descriptor = &card.transmits[card.transmit_tail];

	descriptor->at = at;
	descriptor->high = high;
	descriptor->low = low;
	card.sent[card.transmit_tail].is_last = false;
	card.transmit_tail = after(card.transmit_tail);
}

static uint32_t ip_offset(const uint8_t *frame)
{
	return frame[12] == 0x81 && frame[13] == 0 ? ETHERNET_BYTES + VLAN_BYTES : ETHERNET_BYTES;
}

/* The sum over a pseudo-header of TCP, without its length, as the card wants it in the checksum's place (7.2.4.2). */
static uint16_t pseudo_sum(const uint8_t *addresses, uint32_t bytes)
{
	uint32_t sum = 6;

	for (uint32_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)addresses[i] << 8 | addresses[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/* The card writes length, identification and checksums into each segment; what it adds to has to be prepared. */
static void prepare_headers(const struct net_frame *frame)
{
	uint8_t *bytes = frame->segment[0].at, *ip = bytes + ip_offset(bytes), *check = bytes + frame->csum_start + frame->csum_offset;
	uint16_t sum = frame->gso == NET_GSO_TCP4 ? pseudo_sum(ip + 12, 8) : pseudo_sum(ip + 8, 32);

	if (frame->gso == NET_GSO_TCP4) {
		memset(ip + 2, 0, 2);
		memset(ip + 10, 0, 2);
	} else {
		memset(ip + 4, 0, 2);
	}
	check[0] = (uint8_t)(sum >> 8);
	check[1] = (uint8_t)sum;
}

static struct descriptor context_for(const struct net_frame *frame)
{
	uint32_t ip = ip_offset(frame->segment[0].at), transport = frame->csum_start;
	struct descriptor context = {
		.at = ip | (uint64_t)(ip + 10) << 8 | (uint64_t)(transport - 1) << 16 |
		      (uint64_t)transport << 32 | (uint64_t)(transport + frame->csum_offset) << 40,
		.low = TX_EXTENDED,
	};

	if (frame->gso) {
		context.low |= (frame->length - frame->header_bytes) | TX_SEGMENT | TX_TCP | (frame->gso == NET_GSO_TCP4 ? TX_IPV4 : 0);
		context.high = (uint32_t)frame->header_bytes << 8 | (uint32_t)frame->gso_bytes << 16;
	}
	return context;
}

/* Offsets of a context are single bytes, and headers are read in the first segment. */
static bool can_be_described(const struct net_frame *frame)
{
	if (!(frame->flags & NET_NEEDS_CSUM))
		return frame->gso == NET_GSO_NONE;
	if (frame->csum_start < ETHERNET_BYTES + 20 || frame->csum_start + frame->csum_offset > 254 || frame->segment[0].length < ETHERNET_BYTES)
		return false;
	return !frame->gso || (frame->header_bytes <= 255 && frame->header_bytes <= frame->segment[0].length && frame->gso_bytes &&
			       frame->header_bytes >= frame->csum_start + 20u && frame->length > frame->header_bytes &&
			       frame->csum_start >= ip_offset(frame->segment[0].at) + (frame->gso == NET_GSO_TCP4 ? 20u : 40u));
}

static void put_context(const struct net_frame *frame)
{
	struct descriptor context = context_for(frame);

	if (memcmp(&context, &card.context, sizeof(context)) == 0)
		return;
	card.context = context;
	put(context.at, context.low, context.high);
}

static int transmit(struct net_device *device, unsigned int queue, const struct net_frame *frame)
{
	uint32_t command = TX_EXTENDED | TX_DATA | TX_FCS, options = 0, last;

	(void)device;
	(void)queue;
	if (room(card.transmit_head, card.transmit_tail) < frame->segment_count + 1u)
		return -XEN_ENOSPC;
	if (frame->segment_count == 0 || !can_be_described(frame))
		return -XEN_EINVAL;
	if (frame->flags & NET_NEEDS_CSUM) {
		if (frame->gso) {
			prepare_headers(frame);
			command |= TX_SEGMENT;
		}
		put_context(frame);
		options = TX_OPTION_TCP | (frame->gso == NET_GSO_TCP4 ? 1u << 8 : 0);
	}
	for (uint32_t i = 0; i < frame->segment_count; i++) {
		uint32_t end = i + 1 == frame->segment_count ? TX_END | TX_REPORT : 0;

		put(pool_machine(frame->segment[i].at), command | end | frame->segment[i].length, options);
	}
	last = (card.transmit_tail - 1) % ENTRIES;
	card.sent[last].is_last = true;
	card.sent[last].cookie = frame->cookie;
	return 0;
}

static void transmit_push(struct net_device *device, unsigned int queue)
{
	(void)device;
	(void)queue;
	if (card.transmit_told == card.transmit_tail)
		return;
	barrier();
	set(REG_TDT, card.transmit_told = card.transmit_tail);
}

/* The last descriptor of the oldest frame that is under way; the tail if none is. */
static uint32_t oldest_last(void)
{
	uint32_t index = card.transmit_head;

	while (index != card.transmit_tail && !card.sent[index].is_last)
		index = after(index);
	return index;
}

static bool has_sent(void)
{
	uint32_t index = oldest_last();

	return index != card.transmit_tail && (card.transmits[index].high & TX_DONE);
}

static unsigned int reap(struct net_device *device, unsigned int queue, void **cookie, unsigned int most)
{
	unsigned int count = 0;

	(void)device;
	(void)queue;
	for (; count < most && has_sent(); count++) {
		uint32_t index = oldest_last();

		cookie[count] = card.sent[index].cookie;
		card.transmit_head = after(index);
	}
	return count;
}

/* ---------------------------------------------------------------- receive */

/* Before a descriptor is written anew with another buffer, or a buffer that nobody has recorded is free. */
static void all_is_taken(void)
{
	keep(card.receive_head, (card.receive_tail - card.receive_head) % ENTRIES);
}

static void receive_taken(struct net_device *device, unsigned int queue)
{
	(void)device;
	(void)queue;
	all_is_taken();
}

static int receive_give(struct net_device *device, unsigned int queue, void *buffer)
{
	volatile struct descriptor *descriptor = &card.receives[card.receive_tail];

	(void)device;
	(void)queue;
	if (room(card.receive_head, card.receive_tail) == 0)
		return -XEN_ENOSPC;
	all_is_taken();
	card.buffer[card.receive_tail] = buffer;
	kept->buffer[card.receive_tail] = (uint16_t)buffer_number(buffer);
	descriptor->at = pool_machine(buffer);
	descriptor->low = descriptor->high = 0;
	card.receive_tail = after(card.receive_tail);
	return 0;
}

static void receive_push(struct net_device *device, unsigned int queue)
{
	(void)device;
	(void)queue;
	if (card.receive_told == card.receive_tail)
		return;
	all_is_taken();
	barrier();
	set(REG_RDT, card.receive_told = card.receive_tail);
}

/* The frame at head into *frame, its status words in *status; false: it is not whole yet. E1. */
static bool peek(struct net_device *device, struct net_frame *frame, uint32_t *status)
{
	uint32_t index = card.receive_head;

	frame->length = frame->segment_count = 0;
	for (; index != card.receive_told; index = after(index)) {
		uint32_t word = card.receives[index].low, length;

		if (!(word & RX_DONE))
			return false;
		barrier();
		length = card.receives[index].high & 0xffff;
		if (length > BUFFER_BYTES || frame->segment_count == NET_SEGMENTS_MAX) {
			device->failed(device, "e1000e: it received more than fits what it was given");
			return false;
		}
		frame->segment[frame->segment_count++] = (struct pool_part){ card.buffer[index], length };
		frame->length += length;
		if (word & RX_END) {
			*status = word;
			return true;
		}
	}
	return false;
}

static void drop(const struct net_frame *frame)
{
	for (uint32_t i = 0; i < frame->segment_count; i++)
		buffer_free(frame->segment[i].at);
}

/* The card takes the FCS off, and where that alone was in the last buffer nothing is left in it. */
static void drop_empty(struct net_frame *frame)
{
	uint8_t count = 0;

	for (uint32_t i = 0; i < frame->segment_count; i++)
		if (frame->segment[i].length)
			frame->segment[count++] = frame->segment[i];
		else
			buffer_free(frame->segment[i].at);
	frame->segment_count = count;
}

static bool is_good(struct net_frame *frame, uint32_t status)
{
	frame->gso = NET_GSO_NONE;
	frame->flags = (status & RX_TCP_CHECKED) && !(status & (RX_TCP_WRONG | RX_IP_WRONG)) ? NET_CSUM_VALID : 0;
	return !(status & RX_BAD) && frame->length >= ETHERNET_BYTES;
}

static int receive(struct net_device *device, unsigned int queue, struct net_frame *frame)
{
	uint32_t status;

	(void)queue;
	all_is_taken();
	while (peek(device, frame, &status)) {
		card.receive_head = (card.receive_head + frame->segment_count) % ENTRIES;
		if (is_good(frame, status)) {
			drop_empty(frame);
			return 0;
		}
		all_is_taken();
		drop(frame);
	}
	return -XEN_EAGAIN;
}

/* ---------------------------------------------------------------- what a predecessor has not taken */

/* Everything here was written by the card or by a dying driver. False: nothing, or no whole frame. */
static bool left_whole(struct net_frame *frame, uint32_t *status)
{
	uint32_t head = kept->range & 0xffff, count = kept->range >> 16;
	bool is_whole = false;

	frame->length = frame->segment_count = 0;
	while (!is_whole && frame->segment_count < count && frame->segment_count < NET_SEGMENTS_MAX) {
		uint32_t index = (head + frame->segment_count) % ENTRIES, word = card.receives[index].low, length;
		uint8_t *buffer = pool_at + (size_t)kept->buffer[index] * BUFFER_BYTES;

		length = card.receives[index].high & 0xffff;
		if (!(word & RX_DONE) || length > BUFFER_BYTES || !pool_has(buffer, BUFFER_BYTES))
			return false;
		frame->segment[frame->segment_count++] = (struct pool_part){ buffer, length };
		frame->length += length;
		*status = word;
		is_whole = word & RX_END;
	}
	return is_whole;
}

static void left_pass(uint32_t descriptors)
{
	uint32_t head = kept->range & 0xffff, count = kept->range >> 16;

	keep((head + descriptors) % ENTRIES, descriptors < count ? count - descriptors : 0);
}

/* The one before is recorded by now. */
static int left(struct net_device *device, unsigned int queue, struct net_frame *frame)
{
	uint32_t status;

	(void)device;
	(void)queue;
	if (kept->range >> 16 >= ENTRIES)
		return -XEN_EAGAIN;
	left_pass(card.left_count);
	while (left_whole(frame, &status)) {
		card.left_count = frame->segment_count;
		if (is_good(frame, status) && net_frame_claim(frame)) {
			drop_empty(frame);
			return 0;
		}
		left_pass(frame->segment_count);
	}
	card.left_count = 0;
	return -XEN_EAGAIN;
}

static bool has_received(void)
{
	return card.receive_head != card.receive_told && (card.receives[card.receive_head].low & RX_DONE);
}

/* ---------------------------------------------------------------- interrupts and the link */

static bool interrupts(struct net_device *device, unsigned int queue, bool receive, bool transmit)
{
	uint32_t on = (receive ? card.receive_causes : 0) | (transmit ? card.transmit_causes : 0);
	uint32_t off = (card.receive_causes | card.transmit_causes) & ~on;

	(void)device;
	(void)queue;
	if (off)
		set(REG_IMC, off);
	if (on) {
		set(REG_ICR, on);		/* what has been seen to is no news */
		set(REG_IMS, on);
		/*
		 * Writes take their time to the card. What it does before they are there interrupts nobody; with the answer to a read it is in
		 * the rings, and what it does later interrupts.
		 */
		get(REG_STATUS);
	}
	return (receive && has_received()) || (transmit && has_sent());
}

static bool link_is_up(struct net_device *device)
{
	(void)device;
	return get(REG_STATUS) & STATUS_LINK_UP;
}

/* Without a link it sends nothing and gives nothing back. Frames that it has received, and nobody has asked for, are lost with it. */
static int recall(struct net_device *device)
{
	if (!reset())
		return -XEN_EIO;
	keep(0, 0);
	for (; card.receive_head != card.receive_tail; card.receive_head = after(card.receive_head))
		buffer_free(card.buffer[card.receive_head]);
	for (uint32_t index = card.transmit_head; index != card.transmit_tail; index = after(index))
		card.transmits[index].high |= TX_DONE;
	card.receive_told = card.receive_tail;
	card.transmit_told = card.transmit_tail;
	memset(&card.context, 0, sizeof(card.context));
	begin();
	return set_interrupts(device);
}

const struct net_driver e1000e = {
	.name = "e1000e",
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
	.recall = recall,
};
