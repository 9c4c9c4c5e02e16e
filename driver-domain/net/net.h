/* SPDX-License-Identifier: MIT */
/*
 * The network back-end: an Ethernet switch between the interfaces of guests and the domain's own card, the wire. Without a card it is
 * a switch all the same.
 *
 *   a guest's ring --transmit.c--> packet --guard.c--> switch.c --receive.c--> another guest's ring
 *             the card --wire.c-->                               --wire.c----> the card
 *
 * A packet from a guest stays in that guest's pages: its headers are copied and judged, the rest goes from grant to grant,
 * or from grant to the card's buffers, once. All of one round goes by one hypercall. Its request is answered when nobody needs it any more.
 * NB1  What was judged is what is sent: headers go out of our copy, never out of the guest's page again.
 * NB2  A packet is let go of by each who got it; the last one lets its slots be answered, or its buffers be free.
 * NB3  Nobody waits for a guest that does not fetch: what it was to get is dropped after RECEIVE_PATIENCE_NS, and then at once, until it has had all
 *      that waits. Nor for long for one that may get no more yet (its rate): half of what a device may take, by which time its senders would be taken
 *      for stuck. Nor for either while packets are short: nobody else is kept from sending. Nor with more of the card's buffers than HELD_BY_ONE,
 *      or HELD_BY_ALL together: they are missing to all others who receive. A round in which senders wait for that alone counts as a rest, however much
 *      comes from the wire: this driver owes nothing then.
 * NB4  While packets of a port are under way its rings stay mapped, and nobody is told DRIVER_DETACHED.
 * NB5  A frame from the card keeps its buffers, and its record in scratch pages, until all who get it have it published: a successor delivers it anew.
 *      One that has no record is no longer the card's before anything else is in its buffers: a successor takes no guest's bytes for a frame.
 * NB6  A successor forwards no frame past a port that it has not taken over yet.
 * NB7  What waits for the card holds packets and buffers, and needs more of both to go out: who begins something leaves enough for its copy, and the copy
 *      enough for the headers of segments. So there is always one that can go on, and what it held comes back.
 * NB8  After a round that had not room for all the next begins with any of them: each queue is the first again and again.
 * NB9  The first answer of a successor does not wait for the card. When all of a packet is in the pool it is recorded as a frame from the card is (NB5),
 *      answered, and kept until the card has sent it all: a successor sends it before anything else. One at a time.
 * NB10 A round makes no more segments than there are packets, and few that are dropped: who has no room for one gets none of those behind it.
 */
#pragma once

#include "device/net.h"
#include "driver.h"
#include "net/rate.h"
#include "runtime/answers.h"
#include "runtime/driver_domain.h"
#include "runtime/step.h"
#include "runtime/xen.h"
#include "vif.h"

#define PACKETS			1024u
#define PACKETS_FOR_COPIES	320u	/* NB7: only for what is copied for the card, and of those */
#define PACKETS_FOR_ARRIVALS	64u	/* only for what it brings: that does not wait for what goes out */
#define PACKETS_FOR_SEGMENTS	16u	/* only for pages of headers */
#define PACKETS_FOR_OTHERS	128u	/* NB3: half of what a round takes */
#define BUFFERS_FOR_COPIES	24u	/* the largest frame's, and: */
#define BUFFERS_FOR_SEGMENTS	4u
#define PIECES_MAX		(NET_SEGMENTS_MAX + 1)	/* a segment may begin in the headers' copy */
#define HEADER_MAX		192u	/* so much of a packet can be looked at */
#define HEADER_PULL		128u	/* and so much is, at first */
#define HEADER_TAGGED		256u	/* where they stand once more with a VLAN tag */
#define HEADER_CELL		512u
#define ETHERNET_BYTES		14u
#define TAG_BYTES		4u
#define GSO_BYTES_MIN		32u
#define GSO_SEGMENTS_MAX	1024u
#define EVENT_PORTS		4096u
#define COPIES_MAX		1024u
#define COPIES_OF_PACKET	(3 * PIECES_MAX)	/* each piece may end in the middle of a page on both sides */
#define DELIVERIES_MAX		512u
#define TRANSMIT_BATCH		64u	/* packets taken from a ring before it is another's turn */
#define COLLECTED_MAX		256u
#define FIRST_BATCH		1u
#define FIRST_PATIENCE_NS	20000u	/* so long a successor looks for the card's first completion without sleep */
#define HOLD_NS			60000u	/* so long an answer to a transmit may wait for company */
#define HOLD_BYTES		131072u	/* and no longer than that much is held */
#define HOLD_SLOTS		64u
#define RECEIVE_WAITING_MAX	256u
#define RECEIVE_PATIENCE_NS	50000000u
#define HELD_BY_ONE(pool)	((pool) * 3 / 16)
#define HELD_BY_ALL(pool)	((pool) * 3 / 8)	/* the card has as much; the rest is for what goes out */
#define ARRIVALS		1024u
#define DEPARTURE		ARRIVALS	/* NB9: its place among them */
#define DEPARTURE_LIVES_MAX	8u	/* the card, or time, may end who sends it, and no death is laid to it then */
#define ARRIVAL_DEATHS_MAX	2u	/* at work on one frame from the wire, and it is dropped */
#define ADDRESSES		2048u	/* a power of two */
#define QUEUES_KEPT		256u	/* in scratch pages; more are restored by each reset */

struct port;
struct queue;

/* One part of a packet, in one page: of the guest that sent it, or of ours. */
struct piece {
	uint8_t *at;			/* NULL: page `gref` of the packet's lender, from `offset` on */
	uint32_t gref;
	uint16_t offset, length;
	bool is_owned;			/* a buffer of the pool that goes with the packet */
};

/* The whole is header[0 .. header_length), then the pieces. Never tagged: the tag is in `vlan`. */
struct packet {
	struct packet *next;
	uint8_t *header;		/* HEADER_CELL bytes */
	struct packet *whole;		/* of which it is a part, or a copy: held as long as it lives */
	struct packet *joined;		/* what was joined to it, by `next`: held as long */
	struct queue *from;		/* whose slots it holds */
	uint32_t slot;			/* the first of them */
	uint32_t references;
	uint64_t since_ns;
	uint32_t length;
	uint32_t hash;			/* of its flow */
	domid_t lender;
	uint16_t vlan;			/* 0: untagged */
	uint16_t header_length;
	uint16_t flags;			/* NET_NEEDS_CSUM, NET_CSUM_VALID */
	int16_t status;			/* VIF_STATUS_*, for its slots */
	uint16_t csum_start, csum_offset, gso_bytes, header_bytes;	/* as in struct net_frame */
	uint16_t arrival;		/* its place in arrival[], + 1; 0: it has none */
	uint16_t join_bytes;		/* payload of the first frame, if others can be joined; 0: they cannot */
	uint32_t sequence_next;		/* join_bytes: of TCP, behind its last byte */
	uint8_t gso;
	uint8_t piece_count;
	bool is_flooded;		/* many get it: each has a packet of his own */
	bool is_tagged;			/* header[] has the tag as well, at HEADER_TAGGED */
	bool is_alone;			/* J3 */
	bool is_closed;			/* join_bytes: nothing more is joined behind it */
	bool is_to_cut;			/* for a card that cannot: segments.c */
	uint32_t cut_bytes;		/* is_to_cut: so much of its payload the card has */
	struct piece piece[PIECES_MAX];
};

struct fifo {
	struct packet *first, *last;
	uint32_t count;
};

/* What is to be said of a transmit slot. `slots`, `is_done`: of a packet's first. */
struct note {
	uint16_t id;
	int16_t status;
	uint16_t slots;
	bool is_done;
};

struct queue {
	struct port *port;
	struct queue *next_active;
	bool is_active, is_stalled;	/* NB3 */
	bool wake_tx, wake_rx;		/* an event is owed */
	bool is_suspect;		/* one of its packets may end the driver: they are taken one by one */
	uint32_t number;
	evtchn_port_t tx_port, rx_port;
	void *tx_page, *rx_page;	/* NULL: not mapped */
	uint64_t blocked_ns;		/* nothing is taken until then */
	uint64_t held_ns;		/* when the oldest answer was ready that is held; 0: none */
	uint32_t held_bytes;
	struct answers tx, rx;
	struct fifo waiting;		/* for the front-end's buffers */
	struct note note[VIF_RING_SLOTS];
	uint16_t rx_id[VIF_RING_SLOTS];
};

/* PORT_SERVING --the front-end lied--> PORT_DROPPED --Dom0 takes it away--> PORT_LEAVING, or right from SERVING to LEAVING. */
enum port_state { PORT_SERVING, PORT_DROPPED, PORT_LEAVING };

struct port {
	uint32_t place;			/* in the table; PLACE_WIRE */
	uint32_t serial;
	enum port_state state;
	bool was_attached;		/* by a predecessor */
	domid_t front_id;
	uint32_t device;		/* the front-end's number */
	uint32_t flags;			/* DRIVER_NET_* */
	struct driver_net net;
	uint16_t vlan;			/* of frames without a tag */
	uint32_t learned;		/* addresses in the switch */
	uint32_t held;			/* buffers of the pool, by packets that wait for its guest */
	struct rate to_guest, from_guest;
	struct driver_attachment_status *status;
	uint32_t queue_count;
	struct queue *queue[DRIVER_QUEUES_MAX];
};

#define PLACE_WIRE DRIVER_ATTACHMENTS_MAX

/* A packet that is being copied for one who gets it. */
struct delivery {
	struct packet *packet;
	struct queue *queue;		/* NULL: the wire */
	struct packet *child;		/* the wire: where the copy is */
	uint32_t first_copy, copy_count;
	uint32_t slot;			/* the first of the front-end's */
	uint16_t slots;
	bool has_extra;
	uint32_t length;
};

/* Taken from rings, headers not judged. */
struct collected {
	struct packet *packet;
	uint32_t copies_end;		/* those that pull its headers end before this one */
};

/* The switch's: who is where. */
struct address {
	struct port *port;		/* NULL: free */
	uint64_t seen_ns;
	uint8_t mac[6];
	uint16_t vlan;
	uint32_t generation;		/* of the driver who wrote it */
	bool is_given;			/* by Dom0 */
};

/* NB9: what its frame does not say. */
struct departure {
	uint32_t lives;			/* of successors that have had it to send */
	uint16_t vlan, header_length;
	uint8_t header[HEADER_MAX];	/* of a packet that is to be cut; they are not in the frame */
};

/* What no reset copies back. Of the predecessor's, a successor reads what begins with arrival[] and believes none of it. */
struct net_scratch {
	struct packet packet[PACKETS];
	uint8_t header[PACKETS][HEADER_CELL];
	struct gnttab_copy copy[COPIES_MAX];
	struct delivery delivery[DELIVERIES_MAX];
	struct collected collected[COLLECTED_MAX];
	struct port port[DRIVER_ATTACHMENTS_MAX];
	struct queue queue[QUEUES_KEPT];
	struct address address[ADDRESSES];
	struct net_frame arrival[ARRIVALS + 1];	/* NB5, NB9 */
	uint8_t is_arrived[ARRIVALS + 1];	/* 0: free; else one more than drivers have died at work on it */
	struct departure departure;
	uint32_t arrival_next;
	uint32_t arrival_doing;			/* the place of the one that is worked on, + 1 */
	uint32_t arrivals_blamed;		/* dropped, all lives */
};

/* All state there is. */
struct net {
	struct net_device *device;	/* NULL: no wire */
	const struct driver_table *table;
	struct driver_status *status;
	void *ledger;
	uint64_t ledger_bytes;
	uint32_t attachment_count;			/* of the table, checked */
	uint32_t generation;
	uint64_t now_ns;
	struct net_scratch *scratch;
	struct port *port[DRIVER_ATTACHMENTS_MAX];
	bool is_taking_over;				/* a successor: some are not attached yet */
	bool is_first_round;				/* of a successor */
	uint64_t awaited_ns;				/* others wait for its first answer, and not longer than until then */
	bool is_short;					/* this round had no room for all that was active */
	uint32_t turn;					/* pseudo-random: with whom the next begins */
	bool has_worked;				/* the last round had something to do */
	uint32_t take_over_next, suspect;		/* suspect: the place whose packet the predecessor died at, + 1 */
	uint64_t was_busy[DRIVER_ATTACHMENTS_MAX / 64];	/* a bit for each place */
	uint64_t was_taken[DRIVER_ATTACHMENTS_MAX / 64];	/* the same; has_looked: what the table said then */
	uint64_t was_open[DRIVER_ATTACHMENTS_MAX / 64];	/* of those: who may have other addresses than Dom0 gave them */
	bool has_looked;
	uint32_t held;					/* by all ports */
	uint32_t owed;					/* packets of guests that wait for receivers */
	bool has_left;					/* this round left requests in rings that it might have taken */
	bool has_dropped;				/* some port is PORT_DROPPED, and has its rings still */
	struct port wire;
	struct fifo wire_harvested;			/* from a predecessor's card */
	bool has_departed;				/* NB9: in this round */
	struct fifo wire_waiting;			/* to be copied for the card */
	struct fifo wire_ready;				/* copied: to be handed over */
	uint32_t wire_flying;				/* handed over */
	uint64_t wire_patient_ns;			/* a successor's first answer waits for the card: no sleep before that time */
	bool wire_refills;				/* the card may want buffers */
	uint16_t queue_of_port[EVENT_PORTS];		/* 1 + place * DRIVER_QUEUES_MAX + number */
	struct queue *active;
	struct packet *free;				/* came back; others were never used */
	uint32_t packets_used, free_count;		/* free_count: of both */
	struct packet *delivered;			/* NB5: free at the end of the round */
	uint32_t delivered_count;
	struct queue *queue_free;
	uint32_t queues_used;
	struct gnttab_copy *copy;			/* scratch */
	uint32_t copy_count;
	struct delivery *delivery;
	uint32_t delivery_count;
	struct collected *collected;
	uint32_t collected_count;
};
extern struct net net;

/* loop.c */
void net_init(void);				/* table, status, ledger and device are set; before ready */
void net_again(void);				/* a successor's first: its card is silent, and begins anew */
bool net_work(void);
bool net_rest(void);
void net_tick(void);
void queue_activate(struct queue *queue);	/* there is work for it */
void queue_glance(struct queue *queue);		/* there may be */
void net_event(evtchn_port_t port);
bool queue_publish(struct answers *answers);	/* true: send the event */

/* A successor's first round is a short one: somebody waits for an answer. */
static inline uint32_t batch(uint32_t usual)
{
	return driver_domain.has_answered ? usual : FIRST_BATCH;
}

/* Nothing more is taken from it while one of its packets is under way: that one may kill, or a successor's first answer waits for it. */
static inline bool is_one_by_one(const struct queue *queue)
{
	return queue->is_suspect || !driver_domain.has_answered;
}

/* attach.c */
bool attach_obey(void);				/* false: somebody leaves, and has packets under way, or has to be taken over */
bool place_obey(uint32_t place);
void attach_settle(void);			/* rings of those that lied are let go of */
void port_drop(struct port *port, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void port_count(struct port *port, enum driver_count counter, uint64_t more)
{
	port->status->counter[counter] += more;
}

/*
 * Who had work under way when a driver died is served first by its successor. Of several queues the last word counts: it is a hint. One that is merely
 * looked at, as all are that a successor attaches, has none until it is found.
 */
static inline void busy_note(const struct port *port, bool is_busy)
{
	uint64_t bit = 1ull << port->place % 64, *word = &net.status->busy[port->place / 64];

	*word = is_busy ? *word | bit : *word & ~bit;
}

/* successor.c */
void successor_begin(void);
bool successor_next(void);			/* false: all are taken over */
void attach_for(const uint8_t *mac, bool is_flooded);	/* NB6: who gets a frame for this address is taken over now */
bool suspicion_ask(struct port *port);	/* true: it is to be set aside, and it has been said why */
void suspicion_watch(struct queue *queue);
void suspicion_settle(struct queue *queue);	/* answers were published */

/* packet.c */
void packets_init(void);
struct packet *packet_new(void);		/* for what a guest sends; one reference; NULL: none is left, NB7 */
struct packet *packet_take(uint32_t kept);	/* the same, unless no more than so many are left */
struct packet *packet_part(struct packet *whole);	/* the same, for a part or a copy of that */
struct packet *packet_share(struct packet *packet);	/* the same once more, for somebody else; NULL: none is left */
static inline uint32_t packets_kept(void)
{
	return net.device ? PACKETS_FOR_COPIES : 0;
}
static inline bool packets_are_out(void)
{
	return net.free_count <= packets_kept();
}
static inline bool packets_are_short(void)
{
	return net.free_count + net.delivered_count <= packets_kept() + PACKETS_FOR_OTHERS;
}
void packet_end(struct packet *packet);		/* nobody holds it any more */
/* NB2 */
static inline void packet_release(struct packet *packet)
{
	if (packet && --packet->references == 0)
		packet_end(packet);
}
void packets_settle(void);			/* what was delivered is published */
bool packet_pull(struct packet *packet, uint32_t bytes);	/* makes the header that long, at once */
bool packet_gather(struct packet *packet);	/* brings all of it into our pages, at once */
const uint8_t *packet_tagged(struct packet *packet);	/* header_length + TAG_BYTES bytes */
/* Of the frames that it is sent as: the longest one's. */
static inline uint32_t packet_frame_bytes(const struct packet *packet)
{
	uint32_t segmented = (uint32_t)packet->header_bytes + packet->gso_bytes;

	return packet->gso && segmented < packet->length ? segmented : packet->length;
}
/* Whose slots it holds, itself or as a part: the packet that they are of. */
static inline struct packet *packet_origin(struct packet *packet)
{
	while (packet->whole)
		packet = packet->whole;
	return packet;
}

/* What is worked on, for a successor: driver.md, section 7. */
static inline void doing_request(const struct queue *queue, uint32_t slot)
{
	net.status->doing_ring = queue->tx.number;
	net.status->doing_index = slot;
	__atomic_store_n(&net.status->doing, queue->port->place + 1, __ATOMIC_RELEASE);
	STEP();
}

/* One at a time: whoever was worked on before has done nothing to what comes now. */
static inline void doing(struct packet *packet)
{
	const struct packet *origin = packet_origin(packet);

	net.scratch->arrival_doing = origin->from ? 0 : origin->arrival;
	if (origin->from)
		doing_request(origin->from, origin->slot);
	else
		__atomic_store_n(&net.status->doing, 0, __ATOMIC_RELEASE);
}
static inline void doing_nothing(void)
{
	__atomic_store_n(&net.status->doing, 0, __ATOMIC_RELEASE);
	net.scratch->arrival_doing = 0;
}

void fifo_put(struct fifo *fifo, struct packet *packet);
struct packet *fifo_take(struct fifo *fifo);
static inline struct packet *fifo_last(const struct fifo *fifo)
{
	return fifo->first ? fifo->last : NULL;
}

/* copy.c */
struct target {
	struct queue *queue;		/* a front-end's buffers; NULL: the pool's, as pieces of `child` */
	struct packet *child;
	uint32_t slot;			/* the next buffer of the front-end's ring */
	bool has_extra;			/* the second buffer is for an extra */
	uint16_t room;
	struct gnttab_copy copy;	/* its destination: where the next byte goes */
};

static inline uint32_t copies_room(void)
{
	return COPIES_MAX - net.copy_count;
}
void copies_run(void);
void copy_pull(struct gnttab_copy *copy, struct packet *packet, uint32_t bytes);	/* from its first piece to the header's end */
bool copy_packet(struct packet *packet, bool is_tagged, struct target *target);	/* false: the pool is empty */
bool copy_pieces(const struct packet *packet, struct target *target);	/* the same without its headers */
bool grant_is_readable(domid_t lender, uint32_t gref);

/* transmit.c */
bool transmit_collect(void);
void transmit_judge(void);
void transmit_answer(struct queue *queue, bool is_awake);	/* awake: the front-end gets an event anyway */
void transmit_done(const struct packet *packet);	/* nobody needs it any more */

/* receive.c */
void receive_offer(struct port *port, struct packet *packet);	/* takes a reference of its own */
bool receive_fill(void);
void receive_finish(const struct delivery *delivery, bool is_whole);
void fifo_forget(struct fifo *fifo, const struct port *from);	/* what waits there of one port; NULL: of all */
void receive_forget(struct queue *queue, const struct port *from);

/* wire.c */
bool wire_receive(void);
void wire_offer(struct packet *packet);
bool wire_fill(void);
void wire_finish(const struct delivery *delivery, bool is_whole);
bool wire_push(void);
bool wire_reap(void);
void wire_recall(void);				/* the link is lost; between two rounds */
bool wire_interrupts(bool on);
void frame_of(const struct packet *packet, struct net_frame *frame);
struct packet *packet_of(const struct net_frame *frame);	/* its buffers are the packet's; NULL: there is no packet, and they are free */
/*
 * One frame of the card's, by its receive() or left(), recorded (NB5) unless the place for it is still another's. NULL: none; *came: one came, and there is
 * no packet for it.
 */
struct packet *wire_take(int (*give)(struct net_device *, unsigned int, struct net_frame *), unsigned int queue, bool *came);

/* harvest.c */
void wire_again(void);				/* a successor's card: silent, harvested, and set up again */
void departure_note(struct packet *child);	/* NB9: all of it is in the pool */

/* segments.c */
bool segments_are_ours(struct packet *packet);	/* true: the card cannot cut it and sum it up, and it can be done here; its headers are pulled */
/* Of a copy in the pool. The card's until it has been sent; false: it has no room for all of it now. */
bool segments_give(struct packet *packet, unsigned int queue);

/* switch.c */
void switch_init(void);
void switch_add(struct port *port);
void switch_remove(struct port *port);
void switch_forward(struct port *from, struct packet *packet);
void switch_age(void);

/* headers.c */
struct headers {
	uint16_t type;			/* of what is in the frame */
	uint16_t tag;			/* has_tag */
	uint16_t l3, l4;		/* offsets; 0: none */
	uint8_t protocol;
	uint8_t l4_bytes;		/* of TCP: its header's length */
	bool has_tag, is_fragment, is_strange;	/* strange: IP that could not be followed to its payload */
};
#define HEADERS_BAD (-1)		/* the packet is too short for what it says, or no IP that there is */
/* 0; or so many bytes are needed; or HEADERS_BAD. */
int headers_parse(const uint8_t *bytes, uint32_t have, uint32_t length, struct headers *headers);
uint32_t headers_hash(const uint8_t *bytes, const struct headers *headers);

/* join.c */
void join_look(struct packet *packet, const struct headers *headers);	/* of one that came from the wire, its tag taken off: can it be joined? */
bool join(struct packet *packet, struct packet *next);	/* true: `next` goes as the end of it */

/* guard.c */
bool guard_allows(const struct port *port, const uint8_t *bytes, uint32_t have, const struct headers *headers);

/* offload.c: what the one who gets it cannot do itself. */
struct abilities {
	bool tso4, tso6, csum4, csum6;
	uint32_t length_max;		/* of a frame */
};
/* Calls `give` for the packet, or for each of what it was cut into. False: it could not be done. */
/* Fills in where the checksum and the payload are. False: what is asked for does not fit what the packet is. */
bool offload_find(struct packet *packet, const struct headers *headers);
void headers_settle(struct packet *packet);	/* its lengths and checksums, after something was joined to it */
bool checksum_is_right(struct packet *packet, const uint8_t *frame);	/* or blank; its headers are at `frame`, pulled or in its first piece */
bool offload(struct packet *packet, const struct abilities *abilities, bool (*give)(void *to, struct packet *packet), void *to);

static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}
