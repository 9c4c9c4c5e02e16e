/* SPDX-License-Identifier: MIT */
/*
 * A driver domain that has no device and moves nothing: it answers its table as its command line says, so that skinkd's side
 * can be tested alone. Words of the command line: "net" (else blk), "refuse" (every attachment), "deaf" (answers nothing),
 * "fails" (never serves), "dies" (of its first attachment, in each life), "noise" (an event, and a line, at each round), "early" (dies
 * before it is ready), "unready" (serves, and never says ready), "loops" (dies at once after each reset), "twice" (says ready again), "lies" (what
 * its status says is nonsense), "aside" (each attachment, a while after it was given, but not one that is given again under another serial),
 * "spins" (finds something to do each time, and does nothing), "mute" (goes to sleep for ever), "chatters" (a page into its log at each round),
 * "wipes" (its status loses its header), "backwards" (its heartbeat), "reboots" (asks to be), "scribbles" (writes over its ledgers), "recants" (takes
 * back what it has committed), "torn" (half of a commit), "gives" (says that it has published what it has not committed), "calls" (a hundred hypercalls
 * at each round), "hoards" (asks for all the memory there is), "storms" (its device, QEMU's edu, interrupts without end), "stuck"
 * (sleeps for ever before it serves).
 */
#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/events.h"
#include "runtime/hypercall.h"
#include "runtime/lib.h"
#include "runtime/memory.h"
#include "runtime/notes.h"
#include "runtime/pci.h"

RUNTIME_KERNEL
/* So that it can be tried in a network driver's place; for all else its role is what it is told. */
DRIVER_IMAGE(DRIVER_NET, UINT32_MAX, DRIVER_QUEUES_MAX);

#define ASIDE_BEATS 3u
#define CALLS_AT_ONCE 100u
#define EDGES_AT_ONCE 500u
#define EDU_RAISE 0x60u		/* QEMU, docs/specs/edu */
#define ILL_BEATS 3u		/* after which it misbehaves: by then everybody knows it as one that serves */

static bool is_told(const char *word)
{
	const char *line = (const char *)boot_info->cmd_line;
	size_t length = strlen(word);

	for (; *line; line++)
		if (!memcmp(line, word, length))
			return true;
	return false;
}

static void answer(struct driver_attachment_status *status, uint32_t serial, enum driver_answer answer)
{
	status->answer = answer;
	if (answer == DRIVER_REFUSED)
		snprintf(status->text, sizeof(status->text), "it was told to refuse");
	__atomic_store_n(&status->serial, serial, __ATOMIC_RELEASE);
}

static bool obey(void)
{
	for (uint32_t i = 0; i < driver_domain.attachment_count; i++) {
		struct driver_attachment_status *status = &driver_domain.status->attachment[i];
		uint32_t serial = __atomic_load_n(&driver_domain.table->attachment[i].serial, __ATOMIC_ACQUIRE);

		if (is_told("deaf"))
			return false;
		if (is_told("dies") && serial)
			panic("it was told to die of attachment %u", serial);
		if (serial && serial != status->serial)
			answer(status, serial, is_told("refuse") ? DRIVER_REFUSED : DRIVER_ATTACHED);
		else if (!serial && (status->answer == DRIVER_ATTACHED || status->answer == DRIVER_ASIDE))
			answer(status, status->serial, DRIVER_DETACHED);
	}
	return true;
}

/* A while after it was given, so that the front-end is connected. */
static void set_aside(void)
{
	static uint32_t beats[DRIVER_ATTACHMENTS_MAX];

	for (uint32_t i = 0; is_told("aside") && i < driver_domain.attachment_count; i++) {
		struct driver_attachment_status *status = &driver_domain.status->attachment[i];

		if (status->answer != DRIVER_ATTACHED || ++beats[i] != ASIDE_BEATS)
			continue;
		snprintf(status->text, sizeof(status->text), "it was told to set it aside");
		answer(status, status->serial, DRIVER_ASIDE);
		driver_domain_tell();
	}
}

static struct pci_function edu;
static volatile uint32_t *edu_registers;

static void edu_begin(void)
{
	uint32_t port;

	ASSERT(pci_open(driver_domain.table->function[0] & 0xffff, &edu) == 0);
	pci_enable(&edu);
	edu_registers = pci_map(&edu, 0, 0, PAGE_SIZE);
	ASSERT(edu_registers && pci_interrupt(&edu, 0, &port) == 0);
	event_mask(port);	/* the core hears each; to hear them too would only slow this down */
}

/* Each life has to have its device's messages let through again. */
static void storm(void)
{
	pci_enable_dma(&edu);
	for (uint32_t i = 0; i < EDGES_AT_ONCE; i++)
		edu_registers[EDU_RAISE / 4] = 1;
}

static char page_of_text[4096];

static bool work(void)
{
	if (is_told("noise")) {
		printf("noise\n");
		driver_domain_tell();
	}
	if (is_told("chatters"))
		driver_domain_log(page_of_text, sizeof(page_of_text));
	for (uint32_t i = 0; is_told("calls") && i < CALLS_AT_ONCE; i++)
		(void)hypercall(__HYPERVISOR_xen_version, 0, NULL);
	if (is_told("storms"))
		storm();
	return is_told("noise") || is_told("chatters") || is_told("spins") || is_told("calls") || is_told("storms");
}

static void again(void)
{
	if (is_told("loops"))
		panic("it was told to die in each life");
}

/* Of an event that nobody sends, and without its timer. */
static void sleep_for_ever(void)
{
	evtchn_port_t never;

	ASSERT(event_alloc(DOMID_FIRST_RESERVED - 1, &never) == 0);
	for (;;)
		event_poll(&never, 1, 0);
}

/* What Dom0 laid out for its first front-end's first ring. */
static void spoil_ledger(void)
{
	const struct driver_attachment *attachment = &driver_domain.table->attachment[0];
	struct ledger_ring *ledger = (void *)((char *)driver_domain.ledger + attachment->queue[0].ledger[0].offset);
	static uint32_t committed = 1000;

	if (!attachment->serial || !attachment->queue_count)
		return;
	if (is_told("scribbles"))
		memset(ledger, 0x5a, sizeof(*ledger));
	if (is_told("torn"))
		ledger->commit = ledger_commit_pack(1, 0) ^ 1ULL << 50;
	if (is_told("gives"))
		__atomic_store_n(&ledger->published, ledger_commit_index(ledger->commit) + 1, __ATOMIC_RELEASE);
	if (is_told("recants"))
		__atomic_store_n(&ledger->commit, ledger_commit_pack(--committed, 0), __ATOMIC_RELEASE);
}

/* The core gives it no more than its manifest does. */
static void hoard(void)
{
	xen_pfn_t pfn = boot_info->nr_pages;
	struct xen_memory_reservation more = { .nr_extents = 1, .domid = DOMID_SELF };

	set_xen_guest_handle(more.extent_start, &pfn);
	while (hypercall(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &more) == 1)
		pfn++;
	printf("hoarded %lu frames\n", pfn - boot_info->nr_pages);
}

/* What cannot be told from a driver that has lost its mind. */
static void fall_ill(void)
{
	struct sched_shutdown reboot = { .reason = SHUTDOWN_reboot };
	static uint32_t beats;

	if (++beats != ILL_BEATS)
		return;
	if (is_told("mute"))
		sleep_for_ever();
	if (is_told("wipes"))
		driver_domain.status->magic = 0;
	if (is_told("backwards"))
		driver_domain.status->heartbeat = 0;
	if (is_told("hoards"))
		hoard();
	if (is_told("reboots"))
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &reboot);
}

/* Now and then, what no driver may do: the core refuses it, and skinkd believes none of it. */
static void misbehave(void)
{
	struct driver_ready ready = { .version = DRIVER_VERSION };
	struct driver_status *status = driver_domain.status;

	set_aside();
	fall_ill();
	spoil_ledger();
	if (is_told("twice"))
		printf("ready again: %ld\n", hypercall(DRIVER_HYPERCALL, &ready));
	if (!is_told("lies"))
		return;
	memset(status->text, 0xff, sizeof(status->text));
	memset(status->device_name, 0x1b, sizeof(status->device_name));
	status->resumed_ns = status->acknowledged_ns = status->taken_ns = status->answered_ns = UINT64_MAX;
	status->table_seen = status->generation = UINT32_MAX;
	status->doing = status->found = UINT32_MAX;
	memset(status->busy, 0xff, sizeof(status->busy));
	for (uint32_t i = 0; i < driver_domain.attachment_count; i++)
		memset(&status->attachment[i], 0xff - i, sizeof(status->attachment[i]));
}

static bool rest(void)
{
	return false;
}

void guest_main(void)
{
	static struct driver_calls calls = { .again = again, .obey = obey, .work = work, .rest = rest,
					     .tick = misbehave };
	struct driver_status *status;

	memset(page_of_text, '.', sizeof(page_of_text));
	page_of_text[sizeof(page_of_text) - 1] = '\n';
	driver_domain_init(is_told("net") ? DRIVER_NET : DRIVER_BLK);
	status = driver_domain.status;
	snprintf(status->device_name, sizeof(status->device_name), "fake");
	status->device_flags = DRIVER_DEVICE_FLUSH | DRIVER_DEVICE_DISCARD | DRIVER_DEVICE_LINK_UP;
	status->sector_bytes = 512;
	status->device_sectors = 65536;
	if (is_told("storms"))
		edu_begin();
	if (is_told("fails"))
		driver_domain_fail("it was told to fail");
	if (is_told("stuck"))
		sleep_for_ever();
	if (is_told("early"))
		panic("it was told to die before it is ready");
	if (is_told("unready"))
		calls.again = NULL;
	driver_domain_run(&calls);
}
