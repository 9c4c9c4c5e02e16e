/* SPDX-License-Identifier: MIT */
/* The reference front-ends against a back-end that lies: nothing it writes is believed, and nothing is lost when it goes. */
#include <stdlib.h>
#include <string.h>

#include "../../protocols/front/blk.h"
#include "../../protocols/front/net.h"

#include "unit.h"

#define GRANTS	512u
#define KEYS	48u
#define OWN_BLK	"device/vbd/51712"
#define OWN_NET	"device/vif/0"
#define BACK	"/back"

/* ---------------------------------------------------------------- an OS that counts */

static struct { char path[96], value[40]; } keys[KEYS];
static unsigned int key_count;
static struct { void *page; bool is_readonly, is_mapped; } grants[GRANTS];
static unsigned int grants_live, pages_live, ports_live, events_sent, pages_left, grants_left, lines_logged;

static int key_find(const char *path)
{
	for (unsigned int i = 0; i < key_count; i++)
		if (!strcmp(keys[i].path, path))
			return (int)i;
	return -1;
}

static int os_store_read(const char *path, char *value, size_t size)
{
	int i = key_find(path);

	return i < 0 ? FRONT_NO_KEY : snprintf(value, size, "%s", keys[i].value);
}

static int os_store_write(const char *path, const char *value)
{
	int i = key_find(path);

	i = i < 0 ? (int)key_count++ : i;
	snprintf(keys[i].path, sizeof(keys[i].path), "%s", path);
	snprintf(keys[i].value, sizeof(keys[i].value), "%s", value);
	return 0;
}

static void *os_pages_alloc(unsigned int count)
{
	void *pages;

	if (pages_left < count)
		return NULL;
	pages_left -= count;
	pages_live += count;
	pages = aligned_alloc(FRONT_PAGE, (size_t)count * FRONT_PAGE);
	return memset(pages, 0, (size_t)count * FRONT_PAGE);
}

static void os_pages_free(void *pages, unsigned int count)
{
	pages_live -= count;
	pages_left += count;
	free(pages);
}

static uint32_t os_grant(uint16_t user, void *page, bool is_readonly)
{
	CU_ASSERT_EQUAL(user, 3);
	for (uint32_t gref = 8; grants_left > 0 && gref < GRANTS; gref++)
		if (!grants[gref].page) {
			grants[gref].page = page;
			grants[gref].is_readonly = is_readonly;
			grants_left--;
			grants_live++;
			return gref;
		}
	return FRONT_NO_GRANT;
}

static bool os_ungrant(uint32_t gref)
{
	CU_ASSERT_PTR_NOT_NULL(grants[gref].page);
	if (grants[gref].is_mapped)
		return false;
	grants[gref].page = NULL;
	grants_left++;
	grants_live--;
	return true;
}

static int os_event_open(uint16_t remote, uint32_t *port)
{
	*port = 9;
	ports_live++;
	return 0;
}

static void os_event_send(uint32_t port) { events_sent += port == 9; }
static void os_event_close(uint32_t port) { ports_live -= port == 9; }
static void os_log(const char *device, const char *text) { lines_logged++; }

static const struct front_os os = {
	.pages_alloc = os_pages_alloc, .pages_free = os_pages_free, .grant = os_grant, .ungrant = os_ungrant,
	.event_open = os_event_open, .event_send = os_event_send, .event_close = os_event_close,
	.store_read = os_store_read, .store_write = os_store_write, .log = os_log,
};

static void given_store(const char *own)
{
	char path[64];

	memset(grants, 0, sizeof(grants));
	key_count = grants_live = pages_live = ports_live = events_sent = lines_logged = 0;
	pages_left = 1000;
	grants_left = GRANTS;
	snprintf(path, sizeof(path), "%s/backend", own);
	os_store_write(path, BACK);
	snprintf(path, sizeof(path), "%s/backend-id", own);
	os_store_write(path, "3");
	os_store_write(OWN_NET "/mac", "00:16:3e:12:34:56");
	os_store_write(BACK "/state", "2");
	os_store_write(BACK "/feature-rx-copy", "1");
	os_store_write(BACK "/feature-sg", "1");
	os_store_write(BACK "/feature-flush-cache", "1");
	os_store_write(BACK "/sectors", "4096");
}

static uint32_t key_number(const char *path)
{
	int i = key_find(path);

	return i < 0 ? 0 : (uint32_t)strtoul(keys[i].value, NULL, 10);
}

static bool nothing_is_left(void) { return grants_live == 0 && pages_live == 0 && ports_live == 0; }

/* ---------------------------------------------------------------- a disk and its back-end */

static struct blk blk;
static struct ring_back back;
static struct blk_io ios[40];
static unsigned int finished;
static int last_status;
static uint8_t data[FRONT_PAGE];

static void io_done(struct blk_io *io, int status)
{
	finished++;
	last_status = status;
}

static void back_state(const char *state)
{
	os_store_write(BACK "/state", state);
}

static void given_disk_of(const char *info)
{
	given_store(OWN_BLK);
	os_store_write(BACK "/info", info);
	finished = 0;
	CU_ASSERT_EQUAL(blk_open(&blk, &os, OWN_BLK), 0);
	blk_back_changed(&blk);
	ring_back_attach(&back, grants[key_number(OWN_BLK "/ring-ref")].page, FRONT_PAGE, VBD_SLOT, 0, 0);
	back_state("4");
	blk_back_changed(&blk);
	CU_ASSERT_TRUE(blk_is_up(&blk));
	for (size_t i = 0; i < ARRAY_SIZE(ios); i++)
		ios[i] = (struct blk_io){
			.operation = VBD_OP_READ, .segments = 1, .sector = i * 8, .done = io_done, .segment = { { data, 0, 7 } },
		};
}

static void given_disk(void) { given_disk_of("0"); }

static union vbd_slot taken(void)
{
	union vbd_slot slot;

	CU_ASSERT_EQUAL(ring_back_take(&back, &slot, sizeof(slot)), 1);
	return slot;
}

static void answered(uint64_t id, uint8_t operation, int16_t status)
{
	struct vbd_response response = { .id = id, .operation = operation, .status = status };

	ring_back_put(&back, &response, sizeof(response));
	ring_back_push(&back);
	blk_event(&blk);
}

static void closed(void)
{
	back_state("5");
	blk_back_changed(&blk);
	CU_ASSERT_EQUAL(blk.bus.state, BUS_CLOSED);
	CU_ASSERT_TRUE(nothing_is_left());
}

static void answer_to_what_was_not_asked_breaks_the_disk(void)		/* F2 */
{
	static const uint64_t ids[] = { 1, 31, 32, UINT32_MAX, UINT64_MAX, (uint64_t)1 << 32 };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		given_disk();
		CU_ASSERT_EQUAL(blk_submit(&blk, &ios[0]), 0);
		answered(ids[i], VBD_OP_READ, 0);
		CU_ASSERT_PTR_NOT_NULL(blk.broken);
		CU_ASSERT_EQUAL(finished, 0);
		CU_ASSERT_EQUAL(blk_submit(&blk, &ios[1]), FRONT_DOWN);
		closed();
		CU_ASSERT_EQUAL(finished, 1);
		CU_ASSERT_EQUAL(last_status, VBD_STATUS_ERROR);
	}
}

static void second_answer_breaks_the_disk(void)			/* F2 */
{
	given_disk();
	blk_submit(&blk, &ios[0]);
	blk_submit(&blk, &ios[1]);
	answered(0, VBD_OP_READ, 0);
	answered(0, VBD_OP_READ, 0);
	CU_ASSERT_PTR_NOT_NULL(blk.broken);
	CU_ASSERT_EQUAL(finished, 1);
	closed();
}

static void answer_to_another_operation_breaks_the_disk(void)	/* F2 */
{
	given_disk();
	blk_submit(&blk, &ios[0]);
	answered(0, VBD_OP_WRITE, 0);
	CU_ASSERT_PTR_NOT_NULL(blk.broken);
	CU_ASSERT_EQUAL(finished, 0);
	closed();
}

static void more_answers_than_requests_break_the_disk(void)	/* F2 */
{
	given_disk();
	blk_submit(&blk, &ios[0]);
	blk.ring.shared->rsp_prod = 2;
	blk_event(&blk);
	CU_ASSERT_PTR_NOT_NULL(blk.broken);
	CU_ASSERT_EQUAL(finished, 0);
	closed();
}

static void page_that_is_still_mapped_is_no_success(void)
{
	given_disk();
	blk_submit(&blk, &ios[0]);
	grants[taken().plain.segment[0].gref].is_mapped = true;
	answered(0, VBD_OP_READ, 0);
	CU_ASSERT_EQUAL(finished, 1);
	CU_ASSERT_EQUAL(last_status, VBD_STATUS_ERROR);
	CU_ASSERT_PTR_NOT_NULL(blk.broken);
}

static void ring_that_is_still_mapped_is_not_used_again(void)	/* BUS-9 */
{
	given_disk();
	grants[key_number(OWN_BLK "/ring-ref")].is_mapped = true;
	back_state("5");
	blk_back_changed(&blk);
	CU_ASSERT_EQUAL(pages_live, 1);
	CU_ASSERT_EQUAL(grants_live, 1);
}

static void senseless_sector_sizes_are_refused(void)
{
	static const char *const sizes[] = { "0", "1", "256", "513", "1000", "8192", "4294967808" };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		given_store(OWN_BLK);
		os_store_write(BACK "/sector-size", sizes[i]);
		blk_open(&blk, &os, OWN_BLK);
		blk_back_changed(&blk);
		back_state("4");
		blk_back_changed(&blk);
		CU_ASSERT_FALSE(blk_is_up(&blk));
		closed();
	}
}

static void numbers_that_are_none_count_as_absent(void)		/* BUS-5 */
{
	static const char *const texts[] = { "", "-1", "12x", " 12", "0x10", "99999999999999999999999" };

	given_disk();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		os_store_write(BACK "/sectors", texts[i]);
		CU_ASSERT_EQUAL(bus_read(&blk.bus, "sectors", 77), 77);
	}
	os_store_write(BACK "/sectors", "12");
	CU_ASSERT_EQUAL(bus_read(&blk.bus, "sectors", 77), 12);
	os_store_write(BACK "/state", "4294967300");
	CU_ASSERT_EQUAL(bus_back_state(&blk.bus), BUS_UNKNOWN);
	closed();
}

static void back_end_that_is_none_is_not_opened(void)
{
	static const char *const ids[] = { "", "-1", "32752", "65536", "4294967296", "x" };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		given_store(OWN_BLK);
		os_store_write(OWN_BLK "/backend-id", ids[i]);
		CU_ASSERT_NOT_EQUAL(blk_open(&blk, &os, OWN_BLK), 0);
	}
	given_store(OWN_BLK);
	CU_ASSERT_EQUAL(blk_open(&blk, &os, "device/vbd/1"), FRONT_NO_KEY);
	CU_ASSERT_EQUAL(blk_open(&blk, &os, "device/vbd/a-name-that-is-longer-than-there-is-room-for"), FRONT_INVALID);
}

static void wrong_requests_are_not_sent(void)
{
	const struct blk_io right = { .operation = VBD_OP_READ, .segments = 1, .segment = { { data, 0, 7 } }, .done = io_done };
	struct blk_io wrong[10];

	given_disk();
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		wrong[i] = right;
	wrong[0].segments = 0;
	wrong[1].segments = 12;
	wrong[2].segment[0].last_sector = 8;
	wrong[3].segment[0].first_sector = 7;
	wrong[3].segment[0].last_sector = 6;
	wrong[4].sector = 4089;
	wrong[5].sector = UINT64_MAX;
	wrong[6].operation = 4;
	wrong[7].operation = VBD_OP_DISCARD;		/* not offered */
	wrong[8].operation = VBD_OP_FLUSH;		/* with a segment */
	wrong[9].operation = VBD_OP_INDIRECT;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		CU_ASSERT_EQUAL(blk_submit(&blk, &wrong[i]), FRONT_INVALID);
	CU_ASSERT_EQUAL(ring_back_look(&back), 0);
	CU_ASSERT_EQUAL(grants_live, 1);
	closed();
}

static void read_only_disk_is_not_written(void)			/* BLK-28 */
{
	given_disk_of("4");
	ios[0].operation = VBD_OP_WRITE;
	CU_ASSERT_EQUAL(blk_submit(&blk, &ios[0]), FRONT_INVALID);
	closed();
}

static void full_ring_is_told_and_nothing_is_lost(void)
{
	given_disk();
	for (unsigned int i = 0; i < BLK_SLOTS; i++)
		CU_ASSERT_EQUAL(blk_submit(&blk, &ios[i]), 0);
	CU_ASSERT_EQUAL(blk_submit(&blk, &ios[32]), FRONT_FULL);
	for (unsigned int i = 0; i < BLK_SLOTS; i++)
		answered(taken().plain.id, VBD_OP_READ, 0);
	CU_ASSERT_EQUAL(finished, BLK_SLOTS);
	CU_ASSERT_EQUAL(blk_submit(&blk, &ios[32]), 0);
	closed();
}

static void grants_that_run_out_leave_nothing_lent(void)
{
	given_disk();
	ios[0].segments = 5;
	for (unsigned int i = 0; i < 5; i++)
		ios[0].segment[i] = (struct blk_segment){ data, 0, 7 };
	grants_left = 3;
	CU_ASSERT_EQUAL(blk_submit(&blk, &ios[0]), FRONT_FULL);
	CU_ASSERT_EQUAL(grants_live, 1);
	CU_ASSERT_EQUAL(ring_back_look(&back), 0);
	grants_left = 5;
	CU_ASSERT_EQUAL(blk_submit(&blk, &ios[0]), 0);
	closed();
}

static void without_memory_nothing_is_published(void)
{
	for (unsigned int pages = 0; pages < 2; pages++) {
		given_store(OWN_BLK);
		pages_left = pages;
		grants_left = 0;
		blk_open(&blk, &os, OWN_BLK);
		blk_back_changed(&blk);
		CU_ASSERT_EQUAL(blk.bus.state, BUS_INITIALISING);
		CU_ASSERT_TRUE(nothing_is_left());
	}
	for (unsigned int pages = 0; pages < 2 + 128 + 18; pages++) {
		struct net net;

		given_store(OWN_NET);
		pages_left = pages;
		net_open(&net, &os, OWN_NET, NULL);
		net_back_changed(&net);
		CU_ASSERT_EQUAL(net.bus.state, BUS_INITIALISING);
		CU_ASSERT_TRUE(nothing_is_left());
	}
}

static void pages_to_be_read_into_are_writable_and_others_are_not(void)	/* BLK-27 */
{
	given_disk();
	blk_submit(&blk, &ios[0]);
	CU_ASSERT_FALSE(grants[taken().plain.segment[0].gref].is_readonly);
	ios[1].operation = VBD_OP_WRITE;
	blk_submit(&blk, &ios[1]);
	CU_ASSERT_TRUE(grants[taken().plain.segment[0].gref].is_readonly);
	closed();
}

/* ---------------------------------------------------------------- an interface and its back-end */

static struct net net;
static struct ring_back tx, rx;
static unsigned int frames;
static size_t frame_bytes;
static uint8_t frame[NET_FRAME_MAX];

static void frame_received(struct net *interface, const uint8_t *bytes, size_t size)
{
	frames++;
	frame_bytes = size;
	memcpy(frame, bytes, size);
}

static void given_interface(void)
{
	given_store(OWN_NET);
	frames = 0;
	CU_ASSERT_EQUAL(net_open(&net, &os, OWN_NET, frame_received), 0);
	net_back_changed(&net);
	CU_ASSERT_TRUE(net_is_up(&net));
	ring_back_attach(&tx, grants[key_number(OWN_NET "/tx-ring-ref")].page, FRONT_PAGE, VIF_TX_SLOT, 0, 0);
	ring_back_attach(&rx, grants[key_number(OWN_NET "/rx-ring-ref")].page, FRONT_PAGE, VIF_RX_SLOT, 0, 0);
	back_state("4");
	net_back_changed(&net);
}

/* The next receive request is answered so; its bytes are `fill`. */
static void arrives(uint16_t offset, int16_t status, uint16_t flags, uint8_t fill)
{
	struct vif_rx_request request;
	struct vif_rx_response response;

	CU_ASSERT_EQUAL(ring_back_take(&rx, &request, sizeof(request)), 1);
	if (status > 0 && offset + status <= (int)FRONT_PAGE)
		memset((uint8_t *)grants[request.gref].page + offset, fill, (size_t)status);
	response = (struct vif_rx_response){ .id = request.id, .offset = offset, .flags = flags, .status = status };
	ring_back_put(&rx, &response, sizeof(response));
	ring_back_push(&rx);
}

static void interface_closed(void)
{
	back_state("6");
	net_back_changed(&net);
	CU_ASSERT_EQUAL(net.bus.state, BUS_CLOSED);
	CU_ASSERT_TRUE(nothing_is_left());
}

static void slots_that_reach_beyond_their_page_break_the_interface(void)	/* F2 */
{
	static const struct { uint16_t offset; int16_t status; } lies[] = {
		{ 0, 4097 }, { 1, 4096 }, { 4095, 2 }, { 65535, 1 }, { 65535, 32767 }, { 4096, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		given_interface();
		arrives(lies[i].offset, lies[i].status, 0, 0);
		net_event(&net);
		CU_ASSERT_PTR_NOT_NULL(net.broken);
		CU_ASSERT_EQUAL(frames, 0);
		CU_ASSERT_EQUAL(net_send(&net, data, 60, 0), FRONT_DOWN);
		interface_closed();
	}
}

/* Whatever is wrong, and on whichever ring: pages that came back are not lent again, and no event is sent. */
static void back_end_that_breaks_the_rules_is_not_spoken_to_again(void)	/* F2 */
{
	for (unsigned int wrong = 0; wrong < 3; wrong++) {
		uint32_t posted;
		unsigned int events;

		given_interface();
		arrives(0, 60, 0, 1);
		if (wrong == 0)
			arrives(4095, 2, 0, 0);
		else if (wrong == 1)
			net.tx.shared->rsp_prod = 1;
		else
			net.rx.shared->rsp_prod = NET_RX_PAGES + 1;
		net.rx.shared->req_event = net.rx.req_prod + 1;
		posted = net.rx.shared->req_prod;
		events = events_sent;
		net_event(&net);
		CU_ASSERT_PTR_NOT_NULL(net.broken);
		CU_ASSERT_EQUAL(net.rx.shared->req_prod, posted);
		CU_ASSERT_EQUAL(events_sent, events);
		interface_closed();
	}
}

static void answers_to_what_was_not_sent_break_the_interface(void)	/* F2 */
{
	static const uint16_t ids[] = { 1, NET_TX_PAGES, 255, 65535 };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct vif_tx_response response = { .id = ids[i] };

		given_interface();
		CU_ASSERT_EQUAL(net_send(&net, data, 60, 0), 0);
		ring_back_put(&tx, &response, sizeof(response));
		ring_back_push(&tx);
		net_event(&net);
		CU_ASSERT_PTR_NOT_NULL(net.broken);
		interface_closed();
	}
}

static void indices_that_lie_break_the_interface(void)			/* F2 */
{
	given_interface();
	net.tx.shared->rsp_prod = 1;
	net_event(&net);
	CU_ASSERT_PTR_NOT_NULL(net.broken);
	interface_closed();
	given_interface();
	net.rx.shared->rsp_prod = NET_RX_PAGES + 1;
	net_event(&net);
	CU_ASSERT_PTR_NOT_NULL(net.broken);
	interface_closed();
}

static void packet_that_never_ends_is_dropped_when_it_does(void)
{
	given_interface();
	for (unsigned int i = 0; i < 200; i++) {
		arrives(0, 4096, VIF_RX_MORE, 1);
		net_event(&net);
	}
	CU_ASSERT_EQUAL(frames, 0);
	arrives(0, 10, 0, 1);
	net_event(&net);
	CU_ASSERT_EQUAL(frames, 0);
	CU_ASSERT_EQUAL(net.rx_errors, 1);
	arrives(64, 60, 0, 7);
	net_event(&net);
	CU_ASSERT_EQUAL(frames, 1);
	CU_ASSERT_TRUE(frame_bytes == 60 && frame[0] == 7 && frame[59] == 7);
	interface_closed();
}

static void extras_that_never_end_are_passed_over(void)			/* NET-47 */
{
	given_interface();
	arrives(0, 60, VIF_RX_EXTRA, 3);
	for (unsigned int i = 0; i < 300; i++) {
		struct vif_extra extra = { .type = (uint8_t)i, .flags = i < 299 ? VIF_EXTRA_MORE : 0 };
		struct vif_rx_request request;

		CU_ASSERT_EQUAL(ring_back_take(&rx, &request, sizeof(request)), 1);
		ring_back_put(&rx, &extra, sizeof(extra));
		ring_back_push(&rx);
		net_event(&net);
		CU_ASSERT_EQUAL(frames, i == 299);
	}
	CU_ASSERT_EQUAL(frame_bytes, 60);
	interface_closed();
}

static void packet_of_several_slots_and_events_is_one(void)		/* NET-45 */
{
	given_interface();
	arrives(0, 10, VIF_RX_MORE, 1);
	net_event(&net);
	arrives(4000, 96, VIF_RX_MORE, 2);
	arrives(100, 1, 0, 3);
	net_event(&net);
	CU_ASSERT_EQUAL(frames, 1);
	CU_ASSERT_EQUAL(frame_bytes, 107);
	CU_ASSERT_TRUE(frame[9] == 1 && frame[10] == 2 && frame[105] == 2 && frame[106] == 3);
	interface_closed();
}

static void packet_with_an_error_in_any_slot_is_dropped(void)		/* NET-44 */
{
	given_interface();
	arrives(0, 100, VIF_RX_MORE, 1);
	arrives(0, VIF_STATUS_ERROR, VIF_RX_MORE, 1);
	arrives(0, 100, 0, 1);
	arrives(0, -32768, 0, 1);
	arrives(0, 13, 0, 1);
	net_event(&net);
	CU_ASSERT_EQUAL(frames, 0);
	CU_ASSERT_EQUAL(net.rx_errors, 3);
	CU_ASSERT_PTR_NULL(net.broken);
	interface_closed();
}

static void frames_that_cannot_be_sent_are_refused(void)
{
	static uint8_t large[VIF_PACKET_MAX + 1];

	given_interface();
	CU_ASSERT_EQUAL(net_send(&net, large, 0, 0), FRONT_INVALID);
	CU_ASSERT_EQUAL(net_send(&net, large, 13, 0), FRONT_INVALID);
	CU_ASSERT_EQUAL(net_send(&net, large, VIF_PACKET_MAX + 1, 0), FRONT_INVALID);
	CU_ASSERT_EQUAL(net_send(&net, large, 60, VIF_TX_MORE), FRONT_INVALID);
	CU_ASSERT_EQUAL(net_send(&net, large, VIF_PACKET_MAX, 0), 0);
	CU_ASSERT_EQUAL(ring_back_look(&tx), 16);
	net.sg = false;
	CU_ASSERT_EQUAL(net_send(&net, large, 4097, 0), FRONT_INVALID);
	interface_closed();
}

static void full_ring_sends_nothing_of_a_packet(void)			/* NET-21 */
{
	static uint8_t large[5 * FRONT_PAGE];

	given_interface();
	for (unsigned int i = 0; i < NET_TX_PAGES / 5; i++)
		CU_ASSERT_EQUAL(net_send(&net, large, sizeof(large), 0), 0);
	CU_ASSERT_EQUAL(net_send(&net, large, sizeof(large), 0), FRONT_FULL);
	CU_ASSERT_EQUAL(ring_back_look(&tx), NET_TX_PAGES / 5 * 5);
	for (unsigned int i = 0; i < NET_TX_PAGES % 5; i++)
		CU_ASSERT_EQUAL(net_send(&net, large, 60, 0), 0);
	CU_ASSERT_EQUAL(net_send(&net, large, 60, 0), FRONT_FULL);
	interface_closed();
}

static void addresses_that_are_none_are_refused(void)
{
	static const char *const macs[] = { "", "00:16:3e:12:34", "00:16:3e:12:34:5", "00:16:3e:12:34:5g", "00-16-3e-12-34-56", "00:16:3e:12:34:567" };

	for (size_t i = 0; i < ARRAY_SIZE(macs); i++) {
		given_store(OWN_NET);
		os_store_write(OWN_NET "/mac", macs[i]);
		CU_ASSERT_EQUAL(net_open(&net, &os, OWN_NET, frame_received), FRONT_INVALID);
	}
}

static void back_end_that_does_not_copy_gets_no_rings(void)
{
	given_store(OWN_NET);
	os_store_write(BACK "/feature-rx-copy", "0");
	net_open(&net, &os, OWN_NET, frame_received);
	net_back_changed(&net);
	CU_ASSERT_EQUAL(net.bus.state, BUS_INITIALISING);
	CU_ASSERT_PTR_NOT_NULL(net.broken);
	CU_ASSERT_TRUE(nothing_is_left());
}

static const struct unit_case cases[] = {
	UNIT_CASE(answer_to_what_was_not_asked_breaks_the_disk),
	UNIT_CASE(second_answer_breaks_the_disk),
	UNIT_CASE(answer_to_another_operation_breaks_the_disk),
	UNIT_CASE(more_answers_than_requests_break_the_disk),
	UNIT_CASE(page_that_is_still_mapped_is_no_success),
	UNIT_CASE(ring_that_is_still_mapped_is_not_used_again),
	UNIT_CASE(senseless_sector_sizes_are_refused),
	UNIT_CASE(numbers_that_are_none_count_as_absent),
	UNIT_CASE(back_end_that_is_none_is_not_opened),
	UNIT_CASE(wrong_requests_are_not_sent),
	UNIT_CASE(read_only_disk_is_not_written),
	UNIT_CASE(full_ring_is_told_and_nothing_is_lost),
	UNIT_CASE(grants_that_run_out_leave_nothing_lent),
	UNIT_CASE(without_memory_nothing_is_published),
	UNIT_CASE(pages_to_be_read_into_are_writable_and_others_are_not),
	UNIT_CASE(slots_that_reach_beyond_their_page_break_the_interface),
	UNIT_CASE(back_end_that_breaks_the_rules_is_not_spoken_to_again),
	UNIT_CASE(answers_to_what_was_not_sent_break_the_interface),
	UNIT_CASE(indices_that_lie_break_the_interface),
	UNIT_CASE(packet_that_never_ends_is_dropped_when_it_does),
	UNIT_CASE(extras_that_never_end_are_passed_over),
	UNIT_CASE(packet_of_several_slots_and_events_is_one),
	UNIT_CASE(packet_with_an_error_in_any_slot_is_dropped),
	UNIT_CASE(frames_that_cannot_be_sent_are_refused),
	UNIT_CASE(full_ring_sends_nothing_of_a_packet),
	UNIT_CASE(addresses_that_are_none_are_refused),
	UNIT_CASE(back_end_that_does_not_copy_gets_no_rings),
};

int main(void)
{
	return unit_run("front", cases, ARRAY_SIZE(cases));
}
