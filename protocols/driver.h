/* SPDX-License-Identifier: MIT */
/*
 * What Dom0 and a driver domain share, beside one event channel: the table, which Dom0 writes and the driver only reads, and the status, the
 * other way round. driver.md is the specification. A reader copies a record once and judges the copy; a field that is not
 * named for a role is zero. Byte order is x86's. Pages are of 4,096 bytes.
 */
#pragma once

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#define DRIVER_TABLE_MAGIC	0x544b5331u
#define DRIVER_STATUS_MAGIC	0x534b5331u
#define DRIVER_VERSION		1u
#define DRIVER_ATTACHMENTS_MAX	128u
#define DRIVER_QUEUES_MAX	16u
#define DRIVER_DISK_QUEUES_MAX	4u	/* of one disk */
#define DRIVER_RING_PAGES_MAX	8u	/* of one block ring: 256 slots */
#define DRIVER_RING_ORDER_MAX	3u
#define DRIVER_SEGMENTS_MAX	256u	/* of an indirect request: what Dom0 offers to block front-ends */
#define DRIVER_EXTENTS_MAX	24u
#define DRIVER_ADDRESSES_MAX	16u
#define DRIVER_VLANS_MAX	16u
#define DRIVER_FUNCTIONS_MAX	4u
#define DRIVER_TEXT_BYTES	120u

enum driver_role {
	DRIVER_NET = 1,
	DRIVER_BLK = 2,
};

/* Pages of the driver domain, by its own (pseudo-physical) numbers. */
struct driver_region {
	uint64_t pfn;
	uint64_t pages;
};

/* ---------------------------------------------------------------- ready: driver.md, section 6 */

/* What a reset does with a frame. */
enum driver_class {
	DRIVER_RESTORED,		/* as it was at ready: all that is nothing else */
	DRIVER_SCRATCH,			/* left as it is, and nobody needs what is in it */
	DRIVER_PRESERVED,		/* left as it is, for the successor and for Dom0 */
	DRIVER_HOST,			/* Dom0's to write; the domain cannot map it writable */
	DRIVER_CLASSES,
};

struct driver_frames {
	uint64_t pfn;
	uint32_t pages;
	uint32_t frame_class;		/* enum driver_class */
};

/* The number of the hypercall (__HYPERVISOR_arch_7) by which a driver domain says ready. One argument: the address of its: */
#define DRIVER_HYPERCALL	55
#define DRIVER_READY_REGIONS	8

struct driver_ready {
	uint32_t version;		/* DRIVER_VERSION */
	uint32_t region_count;
	struct driver_frames region[DRIVER_READY_REGIONS];	/* DRIVER_SCRATCH or DRIVER_PRESERVED */
};

/* ---------------------------------------------------------------- what an image says of itself: driver.md, section 8 */

/* An ELF note of owner "Skink" and this type, in a PT_NOTE segment. */
#define DRIVER_NOTE		1u

struct driver_note {
	uint16_t version;		/* DRIVER_VERSION */
	uint16_t role;			/* enum driver_role */
	uint32_t ledger_version;	/* LEDGER_VERSION */
	uint32_t flags;			/* of struct driver_attachment: those that it can serve */
	uint32_t queues;		/* of one attachment, at most */
};

/* ---------------------------------------------------------------- the table: Dom0's */

/* Where a ring's part of the ledger is, and what ledger.h needs to know of it. */
struct driver_ledger {
	uint32_t offset;		/* bytes into the ledger's region, a multiple of LEDGER_ALIGN */
	uint32_t ring;			/* a number that no other ring of this driver domain ever had */
	uint16_t slots;			/* of the ring, and of its ledger */
	uint16_t response_size;
	uint32_t zero;
};

/* One queue. Of two: [0] transmit, [1] receive. A block queue has one ring, and [0] only. */
struct driver_queue {
	uint32_t ring_ref[DRIVER_RING_PAGES_MAX];	/* grants: network [0] and [1]; block: the ring's pages in order */
	uint32_t ring_pages;				/* network 1, block 1, 2, 4 or 8 */
	uint32_t port[2];				/* the front-end's; network: equal if one serves both */
	uint32_t zero;
	struct driver_ledger ledger[2];
};

/* Tokens are bytes or requests; 0 in per_second: no limit. */
struct driver_rate {
	uint64_t per_second;
	uint64_t burst;
};

#define DRIVER_NET_GUARD_MAC	(1u << 0)	/* frames from another source MAC are dropped */
#define DRIVER_NET_GUARD_IP	(1u << 1)	/* packets from a source address that is not listed are dropped, and such ARP and ND */
#define DRIVER_NET_LINK_UP	(1u << 2)
#define DRIVER_NET_TRUNK	(1u << 3)	/* tagged frames of vlan[] pass as they are */
#define DRIVER_NET_MIRROR	(1u << 4)	/* it gets what passes the port of mirrored[], and nothing else; what it sends is dropped */
/* What the front-end takes and gives, negotiated. */
#define DRIVER_NET_SG		(1u << 8)	/* receive: packets of several slots */
#define DRIVER_NET_GSO_TCP4	(1u << 9)	/* receive: TCP segments larger than the MTU */
#define DRIVER_NET_GSO_TCP6	(1u << 10)
#define DRIVER_NET_NO_CSUM4	(1u << 11)	/* receive: checksums must be whole (feature-no-csum-offload) */
#define DRIVER_NET_CSUM6	(1u << 12)	/* receive: blank checksums of IPv6 are taken (feature-ipv6-csum-offload) */
#define DRIVER_NET_RX_NOTIFY	(1u << 13)	/* feature-rx-notify */

struct driver_address {
	uint8_t family;			/* 4 or 6 */
	uint8_t zero[3];
	uint8_t bytes[16];		/* IPv4: the first four */
};

struct driver_net {
	uint8_t mac[6];
	uint16_t mtu;			/* payload of a frame: 68 .. 65535 */
	uint16_t native_vlan;		/* 0: untagged frames stay untagged on the wire */
	uint16_t vlan_count;		/* not a trunk: 0 or 1 */
	uint16_t vlan[DRIVER_VLANS_MAX];
	uint32_t address_count;
	struct driver_address address[DRIVER_ADDRESSES_MAX];
	struct driver_rate to_guest, from_guest;	/* bytes */
	uint8_t mirrored[6];		/* MAC address of another interface of the same driver domain; all zero: the wire */
	uint8_t zero[2];
	struct driver_rate to_guest_peak, from_guest_peak;	/* kept besides: how fast what was saved up may pass */
};

#define DRIVER_BLK_READONLY	(1u << 0)
#define DRIVER_BLK_CDROM	(1u << 1)
#define DRIVER_BLK_DISCARD	(1u << 2)
#define DRIVER_BLK_SHARED	(1u << 3)	/* says nothing to the driver: for who reads the table */
#define DRIVER_BLK_INDIRECT	(1u << 4)	/* offered; the front-end may use it */

/* A disk is its extents, one behind the other. Units of 512 bytes, whatever the sector size; multiples of it. */
struct driver_extent {
	uint64_t first;			/* on the device */
	uint64_t count;
};

struct driver_blk {
	uint32_t sector_bytes;		/* as the guest sees it: 512 or 4096 */
	uint32_t extent_count;
	struct driver_extent extent[DRIVER_EXTENTS_MAX];
	struct driver_rate read_bytes, write_bytes, total_bytes;
	struct driver_rate read_requests, write_requests, total_requests;
};

/*
 * One front-end device. Dom0 fills all of it, then stores `serial` (release), adds one to `changed`, and sends an event. It changes
 * nothing of a record whose serial is not 0 but `flags` (link), and the rates; to take it away it stores 0 into serial
 * and waits for the driver's status to say DRIVER_DETACHED of that serial.
 */
struct driver_attachment {
	uint32_t serial;		/* 0: free. Never used again for another attachment of this domain. */
	uint16_t front_id;		/* domain id of the front-end: who granted */
	uint16_t queue_count;		/* 1 .. DRIVER_QUEUES_MAX; of a disk, DRIVER_DISK_QUEUES_MAX */
	uint32_t device;		/* the front-end's device number: vif N, vbd N */
	uint32_t flags;
	struct driver_queue queue[DRIVER_QUEUES_MAX];
	union {
		struct driver_net net;
		struct driver_blk blk;
		uint8_t room[752];
	};
};

struct driver_table {
	uint32_t magic;
	uint16_t version;
	uint16_t role;			/* enum driver_role */
	uint32_t attachment_count;	/* records that there is room for; most are free */
	uint32_t control_port;		/* the driver's own, bound to Dom0 */
	uint32_t function_count;
	uint32_t function[DRIVER_FUNCTIONS_MAX];	/* PCI: segment << 16 | bus << 8 | slot << 3 | function */
	uint32_t changed;		/* one more after each change; an event follows */
	struct driver_region pool;	/* DMA: machine-contiguous */
	struct driver_region ledger;
	struct driver_region status;
	struct driver_region log;
	uint64_t heartbeat_ns;		/* between two signs of life when idle */
	uint64_t device_ns;		/* what a command of the device may take */
	uint32_t serial_last;		/* Dom0's own note: what it gave out last, for attachments and for rings */
	uint32_t ring_last;
	uint32_t pardoned;		/* the reset after which `doing` accuses nobody: the death was not the driver's own (driver.md, section 7) */
	uint32_t is_rehearsal;		/* not 0: there is no device for it; it says DRIVER_WAITING (driver.md, section 8) */
	uint8_t zero[2048 - 136];
	struct driver_attachment attachment[];
};

#define DRIVER_TABLE_BYTES(attachments) \
	(sizeof(struct driver_table) + (attachments) * sizeof(struct driver_attachment))

/* ---------------------------------------------------------------- the status: the driver's */

enum driver_state {
	DRIVER_STARTING,
	DRIVER_SERVING,			/* the device works; the table is obeyed */
	DRIVER_FAILED,			/* status.text says why; it will not serve */
	DRIVER_WAITING,			/* in a rehearsal: it has come to where it would look for its device */
};

enum driver_answer {
	DRIVER_NONE,
	DRIVER_ATTACHED,
	DRIVER_REFUSED,			/* never attached, or dropped since: text says what the front-end did */
	DRIVER_DETACHED,
	DRIVER_ASIDE,			/* attached, and not served: a request of it has ended two generations; text names it */
	DRIVER_LOST,			/* as DRIVER_REFUSED: it was attached, and its rings are not what a predecessor's ledger says they are */
};

static inline bool driver_has_refused(uint32_t answer)
{
	return answer == DRIVER_REFUSED || answer == DRIVER_LOST;
}

/* Indices into counter[] of an attachment. Network: seen from the guest. */
enum driver_count {
	DRIVER_TX_PACKETS, DRIVER_TX_BYTES, DRIVER_TX_DROPPED, DRIVER_TX_SPOOFED,
	DRIVER_RX_PACKETS, DRIVER_RX_BYTES, DRIVER_RX_DROPPED,
	DRIVER_READS = 0, DRIVER_READ_BYTES, DRIVER_WRITES, DRIVER_WRITE_BYTES, DRIVER_FLUSHES, DRIVER_DISCARDS, DRIVER_ERRORS,
	DRIVER_EVENTS_TAKEN = 8, DRIVER_EVENTS_SENT, DRIVER_REDONE,
	DRIVER_BUSY_NS,			/* not the driver's: Dom0 reckons it from the others */
	DRIVER_COUNTERS = 16,
};

struct driver_attachment_status {
	uint32_t serial;		/* of what it speaks; written last (release) */
	uint32_t answer;		/* enum driver_answer */
	uint32_t port[DRIVER_QUEUES_MAX][2];	/* the driver's own ports, so that a successor finds them */
	uint64_t counter[DRIVER_COUNTERS];
	char text[DRIVER_TEXT_BYTES];
	/* The request that was the oldest unanswered one when a generation died at work on it, and how many did: driver.md, section 7. */
	uint32_t suspect_ring, suspect_index, suspect_deaths;
	uint8_t zero[512 - 8 - 128 - 128 - DRIVER_TEXT_BYTES - 12];
};

#define DRIVER_DEVICE_FLUSH	(1u << 0)	/* block: it has a volatile cache */
#define DRIVER_DEVICE_DISCARD	(1u << 1)
#define DRIVER_DEVICE_READONLY	(1u << 2)
#define DRIVER_DEVICE_LINK_UP	(1u << 3)
#define DRIVER_DEVICE_CSUM	(1u << 4)	/* network: checksums, segmentation of TCP, joining of received segments */
#define DRIVER_DEVICE_TSO	(1u << 5)
#define DRIVER_DEVICE_LRO	(1u << 6)

struct driver_status {
	uint32_t magic;
	uint16_t version;
	uint16_t state;			/* enum driver_state */
	uint32_t generation;		/* one more after each reset */
	uint32_t table_seen;		/* `changed` of the table that was last obeyed whole */
	uint64_t heartbeat;		/* one more with each sign of life */
	char text[DRIVER_TEXT_BYTES];
	char device_name[40];		/* "virtio-blk", as its driver calls it */
	uint32_t device_flags;
	uint32_t sector_bytes;		/* block: logical sector */
	uint64_t device_sectors;	/* block: in units of 512 bytes */
	uint8_t mac[6];			/* network */
	uint16_t device_mtu;
	/* System time, of the last reset: the driver runs again, its device has acknowledged, all rings are taken over, first answer. */
	uint64_t resumed_ns, acknowledged_ns, taken_ns, answered_ns;
	uint32_t doing;			/* place of the attachment whose request it works on, + 1; 0: nobody's */
	uint32_t doing_ring, doing_index;	/* struct driver_ledger's number, and the request's index in it */
	uint32_t rested;		/* one more each time that it found nothing to do, or that somebody else owes all that is owed; never 0 again */
	uint64_t busy[DRIVER_ATTACHMENTS_MAX / 64];	/* a bit for each place that has requests under way: a hint, whom a successor serves first */
	uint32_t found;			/* 1 + what waited for this life when it had taken all rings over (driver.md, section 6); 0: it does not say */
	uint32_t awaits_device;		/* not 0: it waits, awake, for its device to do as it was told */
	uint8_t zero[512 - 208 - 32 - 16 - DRIVER_ATTACHMENTS_MAX / 8 - 8];
	struct driver_attachment_status attachment[];
};

#define DRIVER_STATUS_BYTES(attachments) \
	(sizeof(struct driver_status) + (attachments) * sizeof(struct driver_attachment_status))

/* ---------------------------------------------------------------- the log: the driver's */

/* Text, UTF-8, one line each; the byte with number n (from 0) is at text[n % (bytes of the region - 64)]. */
struct driver_log {
	uint64_t written;		/* bytes ever; stored after them (release) */
	uint8_t zero[56];
	char text[];
};

_Static_assert(sizeof(struct driver_ready) == 136, "driver.md: ready");
_Static_assert(sizeof(struct driver_note) == 16, "driver.md: the note");
_Static_assert(sizeof(struct driver_queue) == 80, "driver.md: queues");
_Static_assert(offsetof(struct driver_attachment, queue) == 16, "driver.md: attachments");
_Static_assert(sizeof(struct driver_attachment) == 2048, "driver.md: attachments");
_Static_assert(sizeof(struct driver_net) <= 752 && sizeof(struct driver_blk) <= 752, "driver.md: attachments");
_Static_assert(sizeof(struct driver_table) == 2048, "driver.md: the table");
_Static_assert(sizeof(struct driver_attachment_status) == 512, "driver.md: the status");
_Static_assert(sizeof(struct driver_status) == 512, "driver.md: the status");
_Static_assert(sizeof(struct driver_log) == 64, "driver.md: the log");
