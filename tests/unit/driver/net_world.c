/* SPDX-License-Identifier: MIT */
#include "net_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/driver_domain.h"

#define LEDGER_STRIDE	16384u

struct world world;

#define PAGES		8192u
#define TABLE_BYTES	65536u
#define LEDGER_BYTES	(WORLD_GUESTS * WORLD_QUEUES * 2 * LEDGER_STRIDE)

static uint8_t pages[PAGES][4096] __attribute__((aligned(4096)));
static uint8_t pool[WORLD_POOL * 4096] __attribute__((aligned(4096)));
static uint8_t table[TABLE_BYTES], statuses[TABLE_BYTES], ledger[LEDGER_BYTES] __attribute__((aligned(4096)));
static struct driver_status *const status = (void *)statuses;
static void *scratch;
static struct net at_ready;
struct driver_domain driver_domain;
static uint32_t page_count, serials, rings, generation;

uint64_t world_random(void)
{
	world.random = world.random * 6364136223846793005ull + 1442695040888963407ull;
	return world.random;
}

/* ---- what the runtime is ---- */

void step(void)
{
	world.steps++;
	if (world.meanwhile)
		world.meanwhile();
	if (world.is_mortal && world.steps_left-- == 0)
		longjmp(world.death, 1);
}

void panic(const char *format, ...)
{
	static char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	world.panic = text;
	if (world.panic_is_expected)
		longjmp(world.panicked, 1);
	fprintf(stderr, "panic: %s\n", text);
	abort();
}

void *page_alloc(void)
{
	return calloc(1, (step(), 4096));
}

void page_free(void *page)
{
	free(page);
}

/* What the back-end takes before it is ready. */
void *ready_scratch(uint32_t count)
{
	return scratch = scratch ? scratch : aligned_alloc(4096, count * 4096u);
}

void driver_domain_note_rest(void)
{
	world.rests++;
}

void driver_domain_note_republished(void)
{
}

void driver_domain_note_first_answer(void)
{
	driver_domain.has_answered = true;
}

unsigned long virt_to_mfn(const void *address)
{
	return (uintptr_t)address >> 12;
}

uint64_t driver_domain_device_ns(void)
{
	return 1000000000;
}

void driver_domain_awaits_device(bool does)
{
	world.is_awaited = does;
}

uint64_t time_now_ns(void)
{
	return world.now_ns;
}

void driver_domain_wake_at(uint64_t time_ns)
{
	if (time_ns < world.wake_ns)
		world.wake_ns = time_ns;
}

void driver_domain_tell(void)
{
	world.told++;
}

int event_status(evtchn_port_t port, struct evtchn_status *found)
{
	memset(found, 0, sizeof(*found));
	world.ports_asked++;
	for (uint32_t i = 0; i < WORLD_GUESTS; i++)
		for (uint32_t j = 0; j < WORLD_QUEUES; j++)
			if (world.guest[i].queue[j].local_port == port) {
				found->status = EVTCHNSTAT_interdomain;
				found->u.interdomain.dom = (domid_t)(i + 1);
				found->u.interdomain.port = world.guest[i].queue[j].front_port;
				return 0;
			}
	return -3;
}

int event_bind_interdomain(domid_t remote, evtchn_port_t remote_port, evtchn_port_t *port)
{
	for (uint32_t j = 0; remote >= 1 && remote <= WORLD_GUESTS && j < WORLD_QUEUES; j++) {
		struct world_queue *queue = &world.guest[remote - 1].queue[j];

		if (queue->front_port == remote_port && !queue->local_port) {
			*port = queue->local_port = 1 + (remote - 1u) * WORLD_QUEUES + j;
			world.pending[*port] = true;
			return 0;
		}
	}
	return -22;
}

bool event_is_pending(evtchn_port_t port)
{
	return world.pending[port];
}

int event_close(evtchn_port_t port)
{
	for (uint32_t i = 0; i < WORLD_GUESTS; i++)
		for (uint32_t j = 0; j < WORLD_QUEUES; j++)
			if (world.guest[i].queue[j].local_port == port)
				world.guest[i].queue[j].local_port = 0;
	return 0;
}

void event_set_handler(evtchn_port_t port, void (*handler)(evtchn_port_t))
{
	world.handler[port] = handler;
}

int event_unmask(evtchn_port_t port)
{
	return 0;
}

int event_send(evtchn_port_t port)
{
	step();
	for (uint32_t i = 0; i < WORLD_GUESTS; i++)
		for (uint32_t j = 0; j < WORLD_QUEUES; j++)
			if (world.guest[i].queue[j].local_port == port) {
				world.guest[i].queue[j].is_kicked = true;
				world.guest[i].queue[j].kicks++;
			}
	step();
	return 0;
}

static struct world_grant *grant_of(domid_t lender, uint32_t gref)
{
	if (lender < 1 || lender > WORLD_GUESTS || gref >= WORLD_GREFS || !world.guest[lender - 1].grant[gref].page)
		return NULL;
	return &world.guest[lender - 1].grant[gref];
}

void *foreign_map(domid_t lender, const uint32_t *grefs, unsigned int count, int *found)
{
	struct world_grant *grant = grant_of(lender, grefs[0]);

	step();
	*found = grant && !grant->is_readonly ? GNTST_okay : GNTST_bad_gntref;
	return *found == GNTST_okay ? grant->page : NULL;
}

void foreign_unmap(void *at, unsigned int count)
{
}

static bool is_own(uint64_t frame)
{
	uint8_t *at = (uint8_t *)(frame << 12);
	uintptr_t state = (uintptr_t)&net;

	return (at >= pool && at < pool + WORLD_POOL * 4096) ||
	       (at >= (uint8_t *)scratch && at < (uint8_t *)scratch + sizeof(struct net_scratch)) || frame == state >> 12;
}

static int side(const struct gnttab_copy_ptr *pointer, bool is_gref, bool is_written, uint32_t length, uint8_t **at)
{
	struct world_grant *grant;

	if (pointer->offset + length > 4096)
		return GNTST_bad_copy_arg;
	if (!is_gref) {
		if (pointer->domid != DOMID_SELF || !is_own(pointer->u.gmfn))
			panic("a copy from or to a page that is nobody's: %llx", (unsigned long long)pointer->u.gmfn);
		*at = (uint8_t *)(pointer->u.gmfn << 12) + pointer->offset;
		return GNTST_okay;
	}
	grant = grant_of(pointer->domid, pointer->u.ref);
	if (!grant || (grant->is_readonly && is_written))
		return GNTST_bad_gntref;
	*at = grant->page + pointer->offset;
	return GNTST_okay;
}

int grant_op(unsigned int command, void *operations, unsigned int count)
{
	struct gnttab_copy *copy = operations;

	if (command != GNTTABOP_copy)
		panic("grant operation %u", command);
	world.hypercalls++;
	world.copies += count;
	for (; count > 0; count--, copy++) {
		uint8_t *from, *to;
		int error;

		step();
		error = side(&copy->source, copy->flags & GNTCOPY_source_gref, false, copy->len, &from);
		if (!error)
			error = side(&copy->dest, copy->flags & GNTCOPY_dest_gref, true, copy->len, &to);
		if (!error)
			memmove(to, from, copy->len);
		copy->status = (int16_t)error;
	}
	step();
	return 0;
}

/* ---- the card ---- */

static int card_transmit(struct net_device *device, unsigned int queue, const struct net_frame *frame)
{
	uint32_t bytes = 0;

	step();
	if (world.flying_count == world.depth)
		return -28;
	if (frame->length == world.refused_length)
		return -22;
	for (unsigned int i = 0; i < frame->segment_count; i++) {
		if (!frame->segment[i].length || !pool_has(frame->segment[i].at, frame->segment[i].length))
			panic("N: the card is sent to memory that it does not reach, or for nothing");
		bytes += frame->segment[i].length;
	}
	if (bytes != frame->length || frame->segment_count > NET_SEGMENTS_MAX)
		panic("N: a frame of %u bytes has segments of %u", frame->length, bytes);
	world.flying[world.flying_count++] = *frame;
	return 0;
}

static void card_push(struct net_device *device, unsigned int queue)
{
	world.doorbells++;
}

static void frame_complete(const struct net_frame *frame)
{
	static struct world_frame copy;

	copy.length = 0;
	for (unsigned int i = 0; i < frame->segment_count; i++) {
		memcpy(copy.bytes + copy.length, frame->segment[i].at, frame->segment[i].length);
		copy.length += frame->segment[i].length;
	}
	copy.flags = frame->flags;
	copy.csum_start = frame->csum_start;
	copy.csum_offset = frame->csum_offset;
	copy.gso = frame->gso;
	copy.gso_bytes = frame->gso_bytes;
	copy.header_bytes = frame->header_bytes;
	if (world.sent)
		world.sent(&copy);
}

void world_card_completes(uint32_t count)
{
	for (; count > 0 && world.completed < world.flying_count; count--)
		frame_complete(&world.flying[world.completed++]);
}

static unsigned int card_reap(struct net_device *device, unsigned int queue, void **cookie, unsigned int room)
{
	unsigned int count = world.completed < room ? world.completed : room;

	step();
	for (unsigned int i = 0; i < count; i++)
		cookie[i] = world.flying[i].cookie;
	world.flying_count -= count;
	world.completed -= count;
	memmove(world.flying, world.flying + count, world.flying_count * sizeof(world.flying[0]));
	return count;
}

static int card_give(struct net_device *device, unsigned int queue, void *buffer)
{
	if (world.buffer_count == 256)
		return -28;
	world.taken.segment_count = 0;
	world.buffer[world.buffer_count++] = buffer;
	return 0;
}

/* What the card has received into the buffers that it was given last. */
static int frame_take(struct net_frame *frame)
{
	struct world_frame *arrived = &world.arriving[world.arriving_first % 16];
	uint32_t at = 0;

	world.taken.segment_count = 0;
	if (!world.arriving_count || world.buffer_count < NET_SEGMENTS_MAX)
		return -11;
	*frame = (struct net_frame){
		.length = arrived->length, .flags = arrived->flags, .gso = arrived->gso, .csum_start = arrived->csum_start,
		.csum_offset = arrived->csum_offset, .gso_bytes = arrived->gso_bytes, .header_bytes = arrived->header_bytes,
	};
	while (at < arrived->length) {
		struct pool_part *segment = &frame->segment[frame->segment_count++];
		uint32_t room = frame->segment_count == 1 ? 4096 - 12 : 4096, offset = 4096 - room;

		segment->at = (uint8_t *)world.buffer[--world.buffer_count] + offset;
		segment->length = arrived->length - at < room ? arrived->length - at : room;
		memcpy(segment->at, arrived->bytes + at, segment->length);
		at += segment->length;
	}
	world.arriving_count--;
	world.arriving_first++;
	world.taken = *frame;
	return 0;
}

static int card_receive(struct net_device *device, unsigned int queue, struct net_frame *frame)
{
	int result = frame_take(frame);

	step();
	return result;
}

static void card_taken(struct net_device *device, unsigned int queue)
{
	world.taken.segment_count = 0;
}

static bool card_stop(struct net_device *device)
{
	step();
	world.flying_count = world.completed = 0;
	world.is_left_begun = false;
	return !world.is_deaf;
}

static int card_left(struct net_device *device, unsigned int queue, struct net_frame *frame)
{
	step();
	*frame = world.taken;
	if (!world.is_left_begun && frame->segment_count && net_frame_claim(frame)) {
		world.is_left_begun = true;
		return 0;
	}
	world.is_left_begun = true;
	if (frame_take(frame))
		return -11;
	if (!net_frame_claim(frame))
		panic("P2: a buffer that the card had has another owner");
	return 0;
}

static int card_restart(struct net_device *device)
{
	step();
	world.buffer_count = world.taken.segment_count = 0;
	step();
	return 0;
}

struct world_frame *world_card_receives(void)
{
	return world.arriving_count < 16 ? &world.arriving[(world.arriving_first + world.arriving_count++) % 16] : NULL;
}

static bool card_interrupts(struct net_device *device, unsigned int queue, bool receive, bool transmit)
{
	world.interrupts_on = receive;
	return (receive && world.arriving_count && world.buffer_count >= NET_SEGMENTS_MAX) || (transmit && world.completed);
}

static bool card_link(struct net_device *device)
{
	return !world.is_unplugged;
}

static int card_recall(struct net_device *device)
{
	if (!world.is_awaited)
		panic("the card is reset, and nobody is told");
	world.completed = world.flying_count;
	world.taken.segment_count = 0;
	while (world.buffer_count)
		buffer_free(world.buffer[--world.buffer_count]);
	return 0;
}

static void __attribute__((noreturn)) card_failed(struct net_device *device, const char *why)
{
	panic("card: %s", why);
}

static const struct net_driver card = {
	.name = "card", .stop = card_stop, .left = card_left, .restart = card_restart, .transmit = card_transmit, .transmit_push = card_push, .reap = card_reap, .receive_give = card_give,
	.receive_push = card_push, .receive = card_receive, .receive_taken = card_taken, .interrupts = card_interrupts, .link_is_up = card_link,
	.recall = card_recall,
};

/* ---- the whole ---- */

void *world_page(void)
{
	if (page_count == PAGES)
		panic("the test has too many pages");
	return memset(pages[page_count++], 0, 4096);
}

uint32_t world_lend(uint32_t number, void *page, bool is_readonly)
{
	struct world_guest *guest = &world.guest[number];
	static uint32_t next;

	for (uint32_t tried = 0; tried < WORLD_GREFS; tried++) {
		uint32_t gref = 8 + next++ % (WORLD_GREFS - 8);

		if (!guest->grant[gref].page) {
			guest->grant[gref] = (struct world_grant){ page, is_readonly };
			return gref;
		}
	}
	panic("the test has too many grants");
}

void world_withdraw(uint32_t number, uint32_t gref)
{
	world.guest[number].grant[gref].page = NULL;
}

struct driver_attachment_status *world_status(uint32_t number)
{
	return &status->attachment[number];
}

static void ledger_lay_out(struct driver_ledger *place, uint32_t offset, uint32_t response_size)
{
	struct ledger_ring *ring = (void *)(ledger + offset);

	*place = (struct driver_ledger){ offset, ++rings, VIF_RING_SLOTS, (uint16_t)response_size, 0 };
	memset(ring, 0, ledger_bytes(VIF_RING_SLOTS));
	ring->magic = LEDGER_MAGIC;
	ring->version = LEDGER_VERSION;
	ring->response_size = (uint16_t)response_size;
	ring->slots = VIF_RING_SLOTS;
	ring->ring = place->ring;
	ring->commit = ledger_commit_pack(0, 0);
}

static void queue_attach(uint32_t number, uint32_t which)
{
	struct world_queue *queue = &world.guest[number].queue[which];
	struct driver_queue *record = &world.guest[number].record->queue[which];

	queue->tx_page = queue->tx_page ? queue->tx_page : world_page();
	queue->rx_page = queue->rx_page ? queue->rx_page : world_page();
	ring_front_init(&queue->tx, queue->tx_page, 4096, VIF_TX_SLOT);
	ring_front_init(&queue->rx, queue->rx_page, 4096, VIF_RX_SLOT);
	queue->front_port = 10 + which;
	record->ring_ref[0] = world_lend(number, queue->tx_page, false);
	record->ring_ref[1] = world_lend(number, queue->rx_page, false);
	record->ring_pages = 1;
	record->port[0] = record->port[1] = queue->front_port;
	ledger_lay_out(&record->ledger[0], (number * WORLD_QUEUES + which) * 2 * LEDGER_STRIDE, 4);
	ledger_lay_out(&record->ledger[1], ((number * WORLD_QUEUES + which) * 2 + 1) * LEDGER_STRIDE, 8);
}

void world_attach(uint32_t number, uint32_t queues)
{
	struct driver_attachment *record = &world.table->attachment[number];

	memset(record, 0, sizeof(*record));
	world.guest[number].record = record;
	record->front_id = (uint16_t)(number + 1);
	record->queue_count = (uint16_t)queues;
	world.guest[number].queues = queues;
	record->flags = DRIVER_NET_GUARD_MAC | DRIVER_NET_LINK_UP | DRIVER_NET_SG | DRIVER_NET_GSO_TCP4 | DRIVER_NET_GSO_TCP6 |
			DRIVER_NET_CSUM6 | DRIVER_NET_RX_NOTIFY;
	memcpy(record->net.mac, (uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)(number + 1) }, 6);
	record->net.mtu = 1500;
	for (uint32_t which = 0; which < queues; which++)
		queue_attach(number, which);
	record->serial = ++serials;
	world.table->changed++;
}

void world_detach(uint32_t number)
{
	world.table->attachment[number].serial = 0;
	world.table->changed++;
}

void world_begin(uint64_t seed, uint32_t guests, uint32_t queues, bool has_card)
{
	memset(&world, 0, offsetof(struct world, arriving));
	memset(&world.arriving_first, 0, sizeof(world) - offsetof(struct world, arriving_first));
	world.random = seed;
	world.now_ns = 1000000000;
	world.depth = 16;
	world.device = (struct net_device){ .driver = &card, .failed = card_failed, .mtu = 1500, .queues = 1, .does_csum = true, .does_tso = true };
	memset(table, 0, sizeof(table));
	memset(statuses, 0, sizeof(statuses));
	world.table = (void *)table;
	page_count = 0;
	world.table->attachment_count = WORLD_GUESTS;
	world.table->function_count = has_card;
	world.table->pool.pages = WORLD_POOL;
	pool_init(pool, 1ull << 40, WORLD_POOL);
	for (uint32_t number = 0; number < guests; number++)
		world_attach(number, queues);
}

void world_end(void)
{
	memset(&net, 0, sizeof(net));
}

static void first_life(void)
{
	generation = 0;
	driver_domain.has_answered = true;
	memset(&net, 0, sizeof(net));
	net.table = driver_domain.table = world.table;
	net.status = driver_domain.status = status;
	net.ledger = driver_domain.ledger = ledger;
	net.ledger_bytes = driver_domain.ledger_bytes = LEDGER_BYTES;
	net.attachment_count = driver_domain.attachment_count = WORLD_GUESTS;
	net.device = world.table->function_count ? &world.device : NULL;
	pool_reset();
	net_init();
	memset(scratch, 0, sizeof(struct net_scratch));
	at_ready = net;
}

static void next_life(void)
{
	net = at_ready;
	driver_domain.has_answered = false;
	driver_domain.found = 0;
	pool_reset();
	switch_init();
	net_again();
}

/* At once, as if it had looked at everything. */
static void take_over_all(void)
{
	bool is_first_round = net.is_first_round;

	net.is_first_round = false;
	while (net.is_taking_over)
		attach_obey();
	net.is_first_round = is_first_round;
}

/* The first is at ready; later ones come after a reset: memory as at ready but what is scratch, no event pending. */
void world_back_end(void)
{
	memset(world.pending, 0, sizeof(world.pending));
	memset(world.handler, 0, sizeof(world.handler));
	if (!net.scratch)
		first_life();
	else
		next_life();
	net.generation = ++generation;
	if (!world.is_gradual)
		take_over_all();
	attach_obey();
}

static void events_take(void)
{
	for (uint32_t port = 0; port < 64; port++)
		if (world.pending[port] && world.handler[port]) {	/* the others are masked, and stay pending */
			world.pending[port] = false;
			world.handler[port](port);
		}
}

bool world_round(void)
{
	events_take();
	if (net.is_taking_over)
		attach_obey();
	world.wake_ns = UINT64_MAX;
	return net_work() || net_rest();
}

/* A moment that it wants to wait for is let pass. */
void world_run(void)
{
	for (unsigned int rounds = 0; rounds < 10000; rounds++) {
		if (world_round()) {
			world.now_ns += 10;	/* who waits awake does not wait for ever */
			continue;
		}
		if (world.wake_ns > world.now_ns + 2 * HOLD_NS)
			return;
		if (world.wake_ns > world.now_ns)
			world.now_ns = world.wake_ns;
	}
	panic("the back-end works and works");
}

void world_kick(uint32_t number, uint32_t queue)
{
	uint32_t port = world.guest[number].queue[queue].local_port;

	if (port)
		world.pending[port] = true;
}
