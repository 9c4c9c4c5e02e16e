/* SPDX-License-Identifier: MIT */
/*
 * What can be wrong with the files is found before a domain is made.
 * T1  In the first page tables the frames that are page tables, and a driver domain's table, are mapped read-only, all others
 *     writable.
 */
#include "lib/builder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/grant_table.h>
#include <xen/memory.h>

#include "lib/file.h"
#include "lib/tables.h"

#define INITRD_FILE_MAX		(4UL << 30)
#define MEMORY_SLACK_KIB	1024		/* beyond the maximum, as every tool of Xen's gives */
#define RFLAGS_START		0x200UL
#define DR6_START		0xffff0ff0UL
#define DR7_START		0x400UL

/* The core, or Dom0's kernel, said no. */
static int failed(const struct builder *builder, const char *what, int result)
{
	return build_refuse(builder->error, BLAME_MACHINE, result, "%s: %s", what, strerror(-result));
}

/* ---- the files ---- */

static int open_initrd(struct builder *builder)
{
	builder->initrd = -1;
	if (builder->request->driver)
		builder->initrd_bytes = DRIVER_TABLE_BYTES(DRIVER_ATTACHMENTS_MAX);
	if (!builder->request->initrd || builder->request->driver)
		return 0;
	builder->initrd = file_open(builder->request->initrd, INITRD_FILE_MAX, BLAME_INITRD, &builder->initrd_bytes,
				    builder->error);
	return builder->initrd < 0 ? builder->initrd : 0;
}

static int check_command_line(const struct builder *builder)
{
	const char *line = builder->request->command_line;

	if (line && strlen(line) >= MAX_GUEST_CMDLINE)
		return build_refuse(builder->error, BLAME_COMMAND_LINE, -E2BIG, "it has %zu characters: at most %d fit",
				    strlen(line), MAX_GUEST_CMDLINE - 1);
	return 0;
}

int builder_read_files(struct builder *builder)
{
	int result = open_initrd(builder);

	builder->frames = builder->request->memory_kib >> (FRAME_SHIFT - 10);
	if (!result)
		result = check_command_line(builder);
	if (!result)
		result = kernel_load(builder->request->kernel, builder->request->cache, &builder->built.kernel, builder->error);
	if (!result)
		result = pvelf_parse(builder->built.kernel.elf.at, builder->built.kernel.elf.count, &builder->kernel, builder->error);
	if (result)
		return result;
	if (builder->request->driver)
		builder->kernel.initrd_by_frame = 0;		/* T1: its table is mapped */
	result = layout_choose(&builder->kernel, builder->frames, builder->initrd_bytes, &builder->layout, builder->error);
	if (result || !builder->request->driver)
		return result;
	result = driver_regions_choose(builder->request->driver, &builder->layout, builder->frames, &builder->regions,
				       builder->error);
	builder->layout.readonly_pages = builder->regions.table.pages;
	return result;
}

/* ---- the domain and its memory ---- */

static int make_domain(struct builder *builder)
{
	const struct build_request *request = builder->request;
	struct xen_domctl_getdomaininfo info;
	int result = core_domain_create(builder->core, request->uuid, request->vcpus_max, &builder->built.id);

	if (result)
		return failed(builder, "the core does not create a domain", result);
	builder->has_domain = true;
	result = core_memory_limit_set(builder->core, builder->built.id, request->memory_max_kib + MEMORY_SLACK_KIB);
	if (result)
		return failed(builder, "the core does not set its memory limit", result);
	result = core_domain_info(builder->core, builder->built.id, &info);
	if (result)
		return failed(builder, "the new domain has gone", result);
	builder->shared_info_mfn = info.shared_info_frame;
	return 0;
}

static int refuse_memory(const struct builder *builder, int result)
{
	struct xen_sysctl_physinfo machine = { 0 };
	struct xen_domctl_getdomaininfo domain = { 0 };

	/* What it was given before there was no more is free again in a moment. */
	core_machine(builder->core, &machine);
	if (core_domain_info(builder->core, builder->built.id, &domain))
		domain.tot_pages = 0;
	return build_refuse(builder->error, BLAME_MEMORY, result, "%lu MiB are more than this machine has free, about %lu: give "
			    "it less, or end another domain", builder->frames >> 8,
			    (machine.free_pages + domain.tot_pages) >> 8);
}

static int give_memory(struct builder *builder)
{
	const struct driver_regions *regions = builder->request->driver ? &builder->regions : NULL;
	uint64_t mapped = builder->layout.frames_needed;
	int result = 0;

	builder->mfn = calloc(builder->layout.p2m_bytes / sizeof(xen_pfn_t), sizeof(xen_pfn_t));
	if (!builder->mfn)
		return failed(builder, "no memory in Domain-0 for a list of frames", -ENOMEM);
	/* The block first: what is in one piece now may not be later. */
	if (regions)
		result = core_populate_block(builder->core, builder->built.id, regions->pool.pfn, regions->pool_order,
					     builder->mfn + regions->pool.pfn);
	if (!result)
		result = core_populate(builder->core, builder->built.id, 0, regions ? regions->pool.pfn : builder->frames, builder->mfn);
	if (result)
		return refuse_memory(builder, result);
	builder->memory = core_map(builder->core, builder->built.id, PROT_READ | PROT_WRITE, builder->mfn, mapped);
	return builder->memory ? 0 : failed(builder, "its memory cannot be mapped", -(errno ? errno : EFAULT));
}

static void unmap_memory(struct builder *builder)
{
	if (builder->memory)
		core_unmap(builder->core, builder->memory, builder->layout.frames_needed);
	builder->memory = NULL;
}

static int open_ports(struct builder *builder)
{
	int store = core_port_for_dom0(builder->core, builder->built.id);
	int console = core_port_for_dom0(builder->core, builder->built.id);
	int control = builder->request->driver ? core_port_for_dom0(builder->core, builder->built.id) : 0;

	if (store < 0 || console < 0 || control < 0)
		return failed(builder, "no event channels for it", store < 0 ? store : console < 0 ? console : control);
	builder->built.driver.control_port = (uint32_t)control;
	builder->built.store_port = (uint32_t)store;
	builder->built.console_port = (uint32_t)console;
	return 0;
}

/* ---- what stands in its memory ---- */

static void *at_address(const struct builder *builder, uint64_t va)
{
	return builder->memory + (va - builder->layout.start);
}

static void *at_frame(const struct builder *builder, uint64_t pfn)
{
	return builder->memory + (pfn << FRAME_SHIFT);
}

static xen_pfn_t mfn_of(const struct builder *builder, uint64_t va)
{
	return builder->mfn[layout_pfn(&builder->layout, va)];
}

static void load_kernel(struct builder *builder)
{
	for (uint32_t i = 0; i < builder->kernel.segment_count; i++) {
		const struct pvelf_segment *segment = &builder->kernel.segment[i];
		uint8_t *to = at_address(builder, segment->va);

		memcpy(to, builder->built.kernel.elf.at + segment->file_offset, segment->file_bytes);
		memset(to + segment->file_bytes, 0, segment->bytes - segment->file_bytes);
	}
	if (!builder->built.kernel.is_new)
		bytes_free(&builder->built.kernel.elf);
}

/* What a PV64 kernel calls the core through: each hypercall has 32 bytes, by its number. */
static void fill_hypercall_page(const struct builder *builder)
{
	/* push %rcx; push %r11 (syscall destroys them); mov $number, %eax; syscall; pop %r11; pop %rcx; ret */
	static const uint8_t stub[] = {
		0x51, 0x41, 0x53, 0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3,
	};
	/* push %rcx; push %r11; push %rax (so its frame begins); mov $number, %eax; syscall: it does not come back */
	static const uint8_t stub_iret[] = {
		0x51, 0x41, 0x53, 0x50, 0xb8, __HYPERVISOR_iret, 0, 0, 0, 0x0f, 0x05,
	};
	enum { STUB_BYTES = 32, NUMBER_AT = 4 };
	uint8_t *page;

	if (builder->kernel.hypercall_page == PVELF_NONE)
		return;
	page = at_address(builder, builder->kernel.hypercall_page);
	memset(page, 0xcc, FRAME_BYTES);
	for (uint32_t i = 0; i < FRAME_BYTES / STUB_BYTES; i++) {
		memcpy(page + i * STUB_BYTES, stub, sizeof(stub));
		page[i * STUB_BYTES + NUMBER_AT] = (uint8_t)i;
	}
	memcpy(page + __HYPERVISOR_iret * STUB_BYTES, stub_iret, sizeof(stub_iret));
}

static int load_initrd(struct builder *builder)
{
	if (builder->request->driver)
		driver_table_fill(builder->request->driver, &builder->regions, builder->built.driver.control_port,
				  at_frame(builder, builder->layout.initrd_pfn));
	if (builder->initrd < 0)
		return 0;
	return file_read(builder->initrd, at_frame(builder, builder->layout.initrd_pfn), builder->initrd_bytes, BLAME_INITRD,
			 builder->error);
}

static void fill_start_info(struct builder *builder)
{
	const struct layout *layout = &builder->layout;
	struct start_info *info = at_address(builder, layout->start_info);

	builder->built.store_mfn = mfn_of(builder, layout->store);
	builder->built.console_mfn = mfn_of(builder, layout->console);
	memset(at_address(builder, layout->store), 0, FRAME_BYTES);
	memset(at_address(builder, layout->console), 0, FRAME_BYTES);
	memset(info, 0, FRAME_BYTES);
	strcpy(info->magic, "xen-3.0-x86_64");
	info->nr_pages = builder->frames;
	info->shared_info = builder->shared_info_mfn << FRAME_SHIFT;
	info->store_mfn = builder->built.store_mfn;
	info->store_evtchn = builder->built.store_port;
	info->console.domU.mfn = builder->built.console_mfn;
	info->console.domU.evtchn = builder->built.console_port;
	info->pt_base = layout->tables;
	info->nr_pt_frames = layout->table_count;
	info->mfn_list = layout->p2m;
	if (layout->p2m_is_outside) {
		info->first_p2m_pfn = layout->p2m_pfn;
		info->nr_p2m_frames = (layout->p2m_bytes >> FRAME_SHIFT) + layout->p2m_table_count;
	}
	info->mod_len = builder->initrd_bytes;
	info->mod_start = layout->initrd ? layout->initrd : layout->initrd_pfn;
	if (info->mod_len && !layout->initrd)
		info->flags |= SIF_MOD_START_PFN;
	if (builder->request->command_line)
		strcpy((char *)info->cmd_line, builder->request->command_line);
}

int builder_fill_memory(struct builder *builder)
{
	const struct layout *layout = &builder->layout;
	int result;

	load_kernel(builder);
	fill_hypercall_page(builder);
	result = load_initrd(builder);
	if (result)
		return result;
	memcpy(at_frame(builder, layout->p2m_pfn), builder->mfn, layout->p2m_bytes);
	fill_start_info(builder);
	tables_fill(layout, builder->mfn, builder->memory);
	return 0;
}

/* ---- what stands beside its memory ---- */

/* Event delivery is masked until the kernel has set up its callback. */
static int fill_shared_info(struct builder *builder)
{
	struct shared_info *shared = core_map(builder->core, builder->built.id, PROT_READ | PROT_WRITE,
					      &builder->shared_info_mfn, 1);

	if (!shared)
		return failed(builder, "its shared info cannot be mapped", -(errno ? errno : EFAULT));
	for (uint32_t i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		shared->vcpu_info[i].evtchn_upcall_mask = 1;
	core_unmap(builder->core, shared, 1);
	return 0;
}

/* xenstored and xenconsoled map their rings by grant: the two reserved entries say that they may. */
static int fill_grants(struct builder *builder)
{
	struct core *core = builder->core;
	grant_entry_v1_t *entry;
	void *at = NULL;
	xenforeignmemory_resource_handle *resource =
		xenforeignmemory_map_resource(core->memory, builder->built.id, XENMEM_resource_grant_table,
					      XENMEM_resource_grant_table_id_shared, 0, 1, &at, PROT_READ | PROT_WRITE, 0);

	if (!resource)
		return failed(builder, "its grant table cannot be mapped", -(errno ? errno : EFAULT));
	entry = at;
	entry[GNTTAB_RESERVED_CONSOLE].frame = (uint32_t)builder->built.console_mfn;
	entry[GNTTAB_RESERVED_CONSOLE].flags = GTF_permit_access;
	entry[GNTTAB_RESERVED_XENSTORE].frame = (uint32_t)builder->built.store_mfn;
	entry[GNTTAB_RESERVED_XENSTORE].flags = GTF_permit_access;
	xenforeignmemory_unmap_resource(core->memory, resource);
	return 0;
}

void builder_first_registers(const struct builder *builder, vcpu_guest_context_t *context)
{
	const struct layout *layout = &builder->layout;

	*context = (vcpu_guest_context_t){ .flags = VGCF_in_kernel | VGCF_online };
	context->user_regs.rip = builder->kernel.entry;
	context->user_regs.rsp = layout->stack_end;
	context->user_regs.rsi = layout->start_info;
	context->user_regs.rflags = RFLAGS_START;
	context->user_regs.cs = FLAT_KERNEL_CS;
	context->user_regs.ds = FLAT_KERNEL_DS;
	context->user_regs.es = FLAT_KERNEL_DS;
	context->user_regs.fs = FLAT_KERNEL_DS;
	context->user_regs.gs = FLAT_KERNEL_DS;
	context->user_regs.ss = FLAT_KERNEL_SS;
	context->kernel_ss = FLAT_KERNEL_SS;
	context->kernel_sp = layout->stack_end;
	context->debugreg[6] = DR6_START;
	context->debugreg[7] = DR7_START;
	context->ctrlreg[3] = mfn_of(builder, layout->tables) << FRAME_SHIFT;
}

static int start_vcpu(struct builder *builder)
{
	vcpu_guest_context_t context;
	int result = core_pin_root(builder->core, builder->built.id, mfn_of(builder, builder->layout.tables));

	if (result)
		return failed(builder, "the core refuses its first page tables", result);
	builder_first_registers(builder, &context);
	result = core_vcpu_context_set(builder->core, builder->built.id, 0, &context);
	return result ? failed(builder, "the core refuses the state of its first vcpu", result) : 0;
}

/* ---- the whole ---- */

/* Another image is loaded into them one day. */
static void keep_frames(struct builder *builder)
{
	struct driver_shared *shared = &builder->built.driver;

	shared->root = mfn_of(builder, builder->layout.tables);
	shared->queues = builder->kernel.has_driver_note ? builder->kernel.driver.queues : 0;
	shared->console_port = builder->built.console_port;
	shared->store_port = builder->built.store_port;
	shared->console_mfn = builder->built.console_mfn;
	shared->store_mfn = builder->built.store_mfn;
	shared->frames = builder->frames;
	shared->frame = builder->mfn;
	builder->mfn = NULL;
}

static int build(struct builder *builder)
{
	int result = builder_read_files(builder);

	if (!result)
		result = make_domain(builder);
	if (!result)
		result = give_memory(builder);
	if (!result)
		result = open_ports(builder);
	if (!result)
		result = builder_fill_memory(builder);
	if (result)
		return result;

	/* A frame that is mapped writable anywhere is not taken as a page table. */
	unmap_memory(builder);
	result = fill_shared_info(builder);
	if (!result)
		result = fill_grants(builder);
	if (!result)
		result = start_vcpu(builder);
	if (!result && builder->request->driver)
		result = driver_furnish(builder->core, builder->built.id, builder->request->driver, &builder->regions, &builder->layout, builder->mfn,
					&builder->built.driver, builder->error);
	if (!result && builder->request->driver)
		keep_frames(builder);
	return result;
}

static void release(struct builder *builder)
{
	unmap_memory(builder);
	free(builder->mfn);
	if (builder->initrd >= 0)
		close(builder->initrd);
}

int build_domain(struct core *core, const struct build_request *request, struct built *built,
		 struct build_error *error)
{
	struct builder builder = { .core = core, .request = request, .error = error, .initrd = -1 };
	int result = build(&builder);

	release(&builder);
	if (result) {
		bytes_free(&builder.built.kernel.elf);
		driver_shared_free(&builder.built.driver);
	}
	if (result && builder.has_domain)
		core_domain_destroy(core, builder.built.id);		/* U1 */
	*built = builder.built;
	return result;
}

int build_check(const struct build_request *request, struct build_error *error)
{
	struct builder builder = { .request = request, .error = error, .initrd = -1 };
	int result = builder_read_files(&builder);

	release(&builder);
	bytes_free(&builder.built.kernel.elf);
	return result;
}
