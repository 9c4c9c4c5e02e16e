/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/events.h"
#include "runtime/hypercall.h"
#include "runtime/lib.h"
#include "runtime/memory.h"
#include "runtime/time.h"

#define WINDOW 0x6000000000UL           /* where a child's frame is looked at for a moment */
#define MAILBOX 0x6000200000UL
#define BASE 0xffffffff80000000UL       /* where the runtime's kernels are linked: pfn 0 */
#define SECOND 1000000000UL

/* Of ELF, what is needed of a kernel that we have linked ourselves. */
struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, program_at, section_at;
	uint32_t flags;
	uint16_t header_bytes, program_bytes, program_count;
};

struct elf_program {
	uint32_t type, flags;
	uint64_t offset, va, pa, file_bytes, memory_bytes, align;
};

#define ELF_LOAD 1

/* ---- hypercalls ---- */

long domctl(uint32_t command, domid_t id, struct xen_domctl *op)
{
	op->cmd = command;
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	op->domain = id;
	return hypercall(__HYPERVISOR_domctl, op);
}

long domctl_plain(uint32_t command, domid_t id)
{
	struct xen_domctl op = { 0 };

	return domctl(command, id, &op);
}

long sysctl(uint32_t command, struct xen_sysctl *op)
{
	op->cmd = command;
	op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return hypercall(__HYPERVISOR_sysctl, op);
}

unsigned long frames_free(void)
{
	struct xen_sysctl op = { 0 };

	ASSERT(sysctl(XEN_SYSCTL_physinfo, &op) == 0);
	return op.u.physinfo.free_pages;
}

long others_map(domid_t owner, uint64_t address, uint64_t entry)
{
	struct mmu_update update = { .val = entry };
	long error = 0;

	if (!memory_entry(memory_base_mfn, address, 2) || !memory_entry(memory_base_mfn, address, 1))
		error = memory_map(address, 0);
	if (error)
		return error;
	update.ptr = memory_entry_address(memory_entry(memory_base_mfn, address, 1));
	error = hypercall(__HYPERVISOR_mmu_update, &update, 1, NULL, owner);
	return error ? error : memory_ext(MMUEXT_INVLPG_LOCAL, address);
}

/* ---- its frames ---- */

static long set_limits(struct child *child)
{
	struct xen_domctl op = { .u.max_vcpus.max = 1 };
	long error = domctl(XEN_DOMCTL_max_vcpus, child->id, &op);

	if (error)
		return error;
	op = (struct xen_domctl){ .u.max_mem.max_memkb = CHILD_PAGES * 4 };
	return domctl(XEN_DOMCTL_max_mem, child->id, &op);
}

static long populate(struct child *child)
{
	struct xen_memory_reservation request = { .nr_extents = CHILD_PAGES, .domid = child->id };
	long done;

	for (unsigned long pfn = 0; pfn < CHILD_PAGES; pfn++)
		child->mfn[pfn] = pfn;
	set_xen_guest_handle(request.extent_start, child->mfn);
	done = hypercall(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &request);
	return done < 0 ? done : done == CHILD_PAGES ? 0 : -XEN_ENOMEM;
}

long child_create_empty(struct child *child)
{
	struct xen_domctl op = {
		.u.createdomain = { .max_vcpus = 1, .max_evtchn_port = 1023, .max_grant_frames = 4,
				    .max_maptrack_frames = 4, .grant_opts = XEN_DOMCTL_GRANT_version(1) },
	};
	long error;

	memset(child, 0, sizeof(*child));
	for (unsigned int i = 0; i < sizeof(op.u.createdomain.handle); i++)
		op.u.createdomain.handle[i] = (uint8_t)(0xa0 + i);
	error = domctl(XEN_DOMCTL_createdomain, 0, &op);
	if (error)
		return error;
	child->id = op.domain;
	error = set_limits(child);
	if (error)
		return error;
	op = (struct xen_domctl){ 0 };
	error = domctl(XEN_DOMCTL_getdomaininfo, child->id, &op);
	child->shared_info_mfn = op.u.getdomaininfo.shared_info_frame;
	return error;
}

long child_create(struct child *child)
{
	long error = child_create_empty(child);

	return error ? error : populate(child);
}

/* ---- what stands in them ---- */

static void *page_of(const struct child *child, unsigned long pfn)
{
	ASSERT(pfn < CHILD_PAGES);
	ASSERT(others_map(child->id, WINDOW, child->mfn[pfn] << 12 | PTE_KERNEL) == 0);
	return (void *)WINDOW;
}

static void copy_in(const struct child *child, uint64_t va, const uint8_t *from, uint64_t bytes)
{
	while (bytes) {
		uint64_t room = PAGE_SIZE - va % PAGE_SIZE, now = bytes < room ? bytes : room;

		memcpy((uint8_t *)page_of(child, (va - BASE) / PAGE_SIZE) + va % PAGE_SIZE, from, now);
		va += now;
		from += now;
		bytes -= now;
	}
}

/* New frames are empty; those of a child that has run are not. */
static void clear_in(const struct child *child, uint64_t va, uint64_t bytes)
{
	while (bytes) {
		uint64_t room = PAGE_SIZE - va % PAGE_SIZE, now = bytes < room ? bytes : room;

		memset((uint8_t *)page_of(child, (va - BASE) / PAGE_SIZE) + va % PAGE_SIZE, 0, now);
		va += now;
		bytes -= now;
	}
}

static const struct elf_header *image(void)
{
	const struct elf_header *header = (void *)boot_info->mod_start;

	ASSERT(boot_info->mod_len > sizeof(*header) && memcmp(header->ident, "\177ELF", 4) == 0);
	return header;
}

/* Returns where the image ends: a pfn. */
static unsigned long load_image(const struct child *child)
{
	const struct elf_header *header = image();
	const struct elf_program *program = (const void *)((const uint8_t *)header + header->program_at);
	uint64_t end = BASE;

	for (unsigned int i = 0; i < header->program_count; i++) {
		if (program[i].type != ELF_LOAD)
			continue;
		copy_in(child, program[i].va, (const uint8_t *)header + program[i].offset, program[i].file_bytes);
		clear_in(child, program[i].va + program[i].file_bytes, program[i].memory_bytes - program[i].file_bytes);
		if (program[i].va + program[i].memory_bytes > end)
			end = program[i].va + program[i].memory_bytes;
	}
	return (end - BASE + PAGE_SIZE - 1) / PAGE_SIZE;
}

static uint64_t table_entry(const struct child *child, unsigned long pfn)
{
	return child->mfn[pfn] << 12 | PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED;
}

/* One L4, L3 and L2, and as many L1 as map all of its pages; page tables are mapped read-only. */
static void fill_tables(const struct child *child)
{
	unsigned long first = child->table_pfn;
	uint64_t *table;

	clear_in(child, BASE + first * PAGE_SIZE, child->table_count * PAGE_SIZE);
	((uint64_t *)page_of(child, first))[BASE >> 39 & 511] = table_entry(child, first + 1);
	((uint64_t *)page_of(child, first + 1))[BASE >> 30 & 511] = table_entry(child, first + 2);
	table = page_of(child, first + 2);
	for (unsigned long i = 0; i < child->table_count - 3; i++)
		table[(BASE >> 21 & 511) + i] = table_entry(child, first + 3 + i);
	for (unsigned long pfn = 0; pfn < CHILD_PAGES; pfn++) {
		bool is_table = pfn - first < child->table_count;

		if (pfn % 512 == 0)
			table = page_of(child, first + 3 + pfn / 512);
		table[pfn % 512] = child->mfn[pfn] << 12 | (is_table ? PTE_KERNEL_RO : PTE_KERNEL);
	}
}

static void fill_start_info(struct child *child, unsigned long pfn, unsigned long p2m_pfn)
{
	struct start_info *info = page_of(child, pfn);

	memcpy(info->magic, "xen-3.0-x86_64", 15);
	info->nr_pages = CHILD_PAGES;
	info->shared_info = child->shared_info_mfn << 12;
	info->store_mfn = child->mfn[child->store_pfn];
	info->store_evtchn = child->child_port;
	info->console.domU.mfn = child->mfn[child->console_pfn];
	info->pt_base = BASE + child->table_pfn * PAGE_SIZE;
	info->nr_pt_frames = child->table_count;
	info->mfn_list = BASE + p2m_pfn * PAGE_SIZE;
}

/* On Xen it is the builder who keeps events away until the kernel can take them. */
static void fill_shared_info(const struct child *child)
{
	struct shared_info *shared = (struct shared_info *)WINDOW;

	ASSERT(others_map(child->id, WINDOW, child->shared_info_mfn << 12 | PTE_KERNEL) == 0);
	for (unsigned int i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		shared->vcpu_info[i].evtchn_upcall_mask = 1;
}

static long alloc_port(struct child *child)
{
	struct evtchn_alloc_unbound alloc = { .dom = child->id, .remote_dom = DOMID_SELF };
	long error = hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &alloc);

	child->child_port = alloc.port;
	return error;
}

/* A domain's new frames need not be empty, where there is this to empty them; Skink gives none that is not, and has none. */
static long clear_all(const struct child *child)
{
	static struct mmuext_op clear[CHILD_PAGES];
	long error;

	for (unsigned long pfn = 0; pfn < CHILD_PAGES; pfn++)
		clear[pfn] = (struct mmuext_op){ .cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = child->mfn[pfn] };
	error = hypercall(__HYPERVISOR_mmuext_op, clear, CHILD_PAGES, NULL, child->id);
	return error == -XEN_ENOSYS ? 0 : error;
}

/* image | P2M | start_info, console, store | page tables */
long child_load(struct child *child)
{
	struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE };
	long error = clear_all(child);
	unsigned long p2m = load_image(child), info = p2m + CHILD_PAGES * 8 / PAGE_SIZE;

	if (!error)
		error = alloc_port(child);
	if (error)
		return error;
	child->console_pfn = info + 1;
	child->store_pfn = info + 2;
	child->table_pfn = info + 3;
	child->table_count = 3 + CHILD_PAGES / 512;
	copy_in(child, BASE + p2m * PAGE_SIZE, (const uint8_t *)child->mfn, sizeof(child->mfn));
	fill_start_info(child, info, p2m);
	fill_tables(child);
	fill_shared_info(child);
	ASSERT(others_map(child->id, WINDOW, 0) == 0);
	pin.arg1.mfn = child->mfn[child->table_pfn];
	return hypercall(__HYPERVISOR_mmuext_op, &pin, 1, NULL, child->id);
}

long child_set_context(struct child *child)
{
	static struct vcpu_guest_context context;
	struct xen_domctl op = { .u.vcpucontext.vcpu = 0 };

	memset(&context, 0, sizeof(context));
	context.flags = VGCF_in_kernel | VGCF_online;
	context.user_regs.rip = image()->entry;
	context.user_regs.rsi = BASE + (child->console_pfn - 1) * PAGE_SIZE;
	context.user_regs.rflags = 1UL << 9;
	context.user_regs.cs = FLAT_KERNEL_CS;
	context.user_regs.ss = context.kernel_ss = FLAT_KERNEL_SS;
	context.user_regs.ds = context.user_regs.es = FLAT_KERNEL_DS;
	context.user_regs.rsp = context.kernel_sp = context.user_regs.rsi + PAGE_SIZE;
	context.ctrlreg[3] = child->mfn[child->table_pfn] << 12;
	set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
	return domctl(XEN_DOMCTL_setvcpucontext, child->id, &op);
}

long child_connect(struct child *child)
{
	long error = event_bind_interdomain(child->id, child->child_port, &child->port);

	if (error)
		return error;
	event_clear(child->port);
	child->mailbox = (struct mailbox *)MAILBOX;
	return others_map(child->id, MAILBOX, child->mfn[child->store_pfn] << 12 | PTE_KERNEL);
}

void child_disconnect(struct child *child)
{
	if (child->mailbox) {
		others_map(child->id, MAILBOX, 0);
		event_close(child->port);
	}
	child->mailbox = NULL;
}

long child_start(struct child *child)
{
	long error = child_create(child);

	if (!error)
		error = child_load(child);
	if (!error)
		error = child_set_context(child);
	if (!error)
		error = child_connect(child);
	return error ? error : domctl_plain(XEN_DOMCTL_unpausedomain, child->id);
}

long child_destroy(struct child *child)
{
	child_disconnect(child);
	return domctl_plain(XEN_DOMCTL_destroydomain, child->id);
}

void child_print_console(const struct child *child)
{
	struct xencons_interface *ring = page_of(child, child->console_pfn);
	char line[120];
	unsigned int length = 0;

	for (; ring->out_cons != ring->out_prod; ring->out_cons++) {
		char letter = ring->out[MASK_XENCONS_IDX(ring->out_cons, ring->out)];

		if (letter != '\n')
			line[length++] = letter;
		if (letter != '\n' && length < sizeof(line) - 1)
			continue;
		line[length] = 0;
		printf("# child: %s\n", line);
		length = 0;
	}
	others_map(child->id, WINDOW, 0);
}

/* ---- calls ---- */

void child_ask(struct child *child, uint32_t what, uint64_t first, uint64_t second)
{
	struct mailbox *mailbox = child->mailbox;

	mailbox->what = what;
	mailbox->argument[0] = first;
	mailbox->argument[1] = second;
	__atomic_store_n(&mailbox->is_asked, 1, __ATOMIC_SEQ_CST);
	event_send(child->port);
}

int64_t child_call(struct child *child, uint32_t what, uint64_t first, uint64_t second)
{
	child_ask(child, what, first, second);
	return child_wait(child);
}

int64_t child_wait(struct child *child)
{
	struct mailbox *mailbox = child->mailbox;
	uint64_t end = time_now_ns() + 20 * SECOND;     /* the machine may be a slow one */

	while (mailbox->is_asked) {
		event_clear(child->port);
		if (mailbox->is_asked)
			event_poll(&child->port, 1, time_now_ns() + SECOND / 10);
		if (time_now_ns() > end) {
			printf("# child %u does not answer %u\n", child->id, mailbox->what);
			child_print_console(child);
			return -XEN_ETIME;
		}
	}
	return mailbox->answer;
}

void child_serve(int64_t (*answer)(uint32_t what, const uint64_t *argument))
{
	struct mailbox *mailbox = mfn_to_virt(boot_info->store_mfn);
	evtchn_port_t port = (evtchn_port_t)boot_info->store_evtchn;

	for (;;) {
		event_clear(port);
		if (!mailbox->is_asked) {
			event_poll(&port, 1, 0);
			continue;
		}
		mailbox->answer = answer(mailbox->what, mailbox->argument);
		__atomic_store_n(&mailbox->is_asked, 0, __ATOMIC_SEQ_CST);
		event_send(port);
	}
}
