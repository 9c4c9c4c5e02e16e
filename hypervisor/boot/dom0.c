/* SPDX-License-Identifier: MIT */
/*
 * Builds Domain-0 from module 1 (the kernel) and module 2 (its initrd, which may be absent).
 * What can be wrong is found before any memory is given away, as far as it can be.
 */
#include "boot/dom0.h"

#include <xen/features.h>
#include <xen/xen.h>

#include "boot/boot_info.h"
#include "boot/elf.h"
#include "boot/placement.h"
#include "cpu/cpu.h"
#include "cpu/directmap.h"
#include "cpu/hypercall_page.h"
#include "domain/domain.h"
#include "domain/vcpu.h"
#include "include/errno.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mem/alloc.h"
#include "mem/frame.h"
#include "mem/m2p.h"
#include "mem/mmu.h"
#include "sched/sched.h"

#define RFLAGS_START	0x202UL
#define LOW_FRAMES	256		/* the first MiB is not for allocation */

struct builder {
	const struct boot_module *kernel_module;
	const struct boot_module *initrd_module;	/* NULL: none */
	const uint8_t *kernel_file;
	struct elf_kernel kernel;
	struct placement place;
	uint64_t frames, most_frames;
	uint64_t *frame_of;				/* machine frame of each pseudo-physical one */
	struct domain *domain;
};

/* ---- what is asked for ---- */

static void read_modules(struct builder *builder)
{
	char why[200];

	if (boot_info.module_count == 0)
		refuse_to_run("Domain-0: the boot loader gave no module: the first has to be its kernel (a Xen PV ELF)");
	builder->kernel_module = &boot_info.module[0];
	if (boot_info.module_count > 1)
		builder->initrd_module = &boot_info.module[1];
	builder->kernel_file = boot_map(builder->kernel_module->start, builder->kernel_module->bytes);
	if (elf_parse(builder->kernel_file, builder->kernel_module->bytes, &builder->kernel, why, sizeof(why)))
		refuse_to_run("Domain-0: module 1 cannot be its kernel: %s", why);
	if (builder->kernel.supported_features && !(builder->kernel.supported_features & 1U << XENFEAT_dom0))
		refuse_to_run("Domain-0: its kernel says that it cannot be Domain-0 (no feature dom0)");
}

static uint64_t initrd_bytes(const struct builder *builder)
{
	return builder->initrd_module ? builder->initrd_module->bytes : 0;
}

static void choose_size(struct builder *builder)
{
	struct dom0_memory memory = { 0 };
	char text[64], why[200];

	if (option_text("dom0_mem", text, sizeof(text)) && dom0_memory_parse(text, &memory))
		refuse_to_run("Domain-0: dom0_mem=%s cannot be read: write it as 512M, min:256M,max:1G or -128M", text);
	dom0_memory_choose(&memory, frames_free(), &builder->frames, &builder->most_frames);
	if (placement_choose(&builder->kernel, builder->frames, initrd_bytes(builder), &builder->place, why,
			     sizeof(why)))
		refuse_to_run("Domain-0: %s", why);
}

/* ---- its frames ---- */

/* As large pieces as there are. */
static uint64_t allocate_piece(struct builder *builder, uint64_t done)
{
	uint64_t left = builder->frames - done;
	mfn_t first;

	for (unsigned int order = FRAME_ORDER_MAX + 1; order-- > 0;) {
		if (1ULL << order > left || frame_alloc_for(builder->domain, order, 64, &first))
			continue;
		for (uint64_t i = 0; i < 1ULL << order; i++) {
			builder->frame_of[done + i] = first.raw + i;
			m2p_set(mfn(first.raw + i), gfn(done + i));
		}
		return 1ULL << order;
	}
	refuse_to_run("Domain-0: too little memory: %lu of its %lu frames were there",
		      done, builder->frames);
}

static void allocate_frames(struct builder *builder)
{
	builder->frame_of = heap_alloc(builder->place.p2m_bytes);
	if (!builder->frame_of)
		refuse_to_run("Domain-0: too little memory to build it");
	builder->domain->frame_limit = builder->most_frames;
	for (uint64_t done = 0; done < builder->frames;)
		done += allocate_piece(builder, done);
}

static void *page_at(const struct builder *builder, uint64_t pfn)
{
	ASSERT(pfn < builder->frames, "placement_choose() counted the frames");
	return mfn_to_virt(mfn(builder->frame_of[pfn]));
}

/* Copies to pseudo-physical memory, `offset` bytes from its start. */
static void copy_in(const struct builder *builder, uint64_t offset, const void *from, uint64_t bytes)
{
	const uint8_t *at = from;

	while (bytes) {
		uint64_t within = offset % PAGE_SIZE, piece = MIN(PAGE_SIZE - within, bytes);

		memcpy((uint8_t *)page_at(builder, offset >> PAGE_SHIFT) + within, at, piece);
		offset += piece;
		at += piece;
		bytes -= piece;
	}
}

/* ---- what stands in them ---- */

static void load_kernel(const struct builder *builder)
{
	const struct elf_kernel *kernel = &builder->kernel;

	for (uint32_t i = 0; i < kernel->segment_count; i++) {
		const struct elf_segment *segment = &kernel->segment[i];

		copy_in(builder, segment->va - builder->place.start, builder->kernel_file + segment->file_offset,
			segment->file_bytes);
	}
	if (kernel->hypercall_page != ELF_ADDRESS_NONE)
		hypercall_page_fill(page_at(builder, placement_pfn(&builder->place, kernel->hypercall_page)));
}

static void load_initrd(const struct builder *builder)
{
	const struct boot_module *module = builder->initrd_module;

	if (module && module->bytes)
		copy_in(builder, builder->place.initrd_pfn << PAGE_SHIFT, boot_map(module->start, module->bytes),
			module->bytes);
}

static void fill_start_info(const struct builder *builder)
{
	const struct placement *place = &builder->place;
	struct start_info *info = page_at(builder, placement_pfn(place, place->start_info));

	string_copy(info->magic, "xen-3.0-x86_64", sizeof(info->magic));
	info->nr_pages = builder->frames;
	info->shared_info = virt_to_paddr(builder->domain->shared_info);
	info->flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
	info->console.dom0.info_off = sizeof(*info);	/* and no screen: info_size 0 */
	info->pt_base = place->tables;
	info->nr_pt_frames = place->table_count;
	info->mfn_list = place->p2m;
	if (place->p2m_is_outside) {
		info->first_p2m_pfn = place->p2m_pfn;
		info->nr_p2m_frames = (place->p2m_bytes >> PAGE_SHIFT) + place->p2m_table_count;
	}
	if (initrd_bytes(builder)) {
		info->mod_start = place->initrd ? place->initrd : place->initrd_pfn;
		info->mod_len = initrd_bytes(builder);
		info->flags |= place->initrd ? 0 : SIF_MOD_START_PFN;
	}
	string_copy((char *)info->cmd_line, builder->kernel_module->command_line, sizeof(info->cmd_line));
}

static void fill_frames(const struct builder *builder)
{
	const struct placement *place = &builder->place;

	load_kernel(builder);
	load_initrd(builder);
	copy_in(builder, place->p2m_pfn << PAGE_SHIFT, builder->frame_of, builder->frames * sizeof(uint64_t));
	fill_start_info(builder);
	dom0_map(place, builder->frame_of);
}

/* The loader's copies are not needed any more. Pages that something else may share stay. */
static void release_module(const struct boot_module *module)
{
	uint64_t first = ROUND_UP(module->start, PAGE_SIZE) >> PAGE_SHIFT;
	uint64_t end = (module->start + module->bytes) >> PAGE_SHIFT;

	if (first < end && first >= LOW_FRAMES && frame_at(mfn(first)) && frame_at(mfn(end - 1)))
		alloc_add(first, end);
}

/* ---- its first vcpu ---- */

static void set_first_base(const struct builder *builder, struct vcpu *vcpu)
{
	mfn_t root = mfn(builder->frame_of[placement_pfn(&builder->place, builder->place.tables)]);
	int error;

	do
		error = mmu_set_first_base(vcpu, root);
	while (error == -ERESTART);
	if (error)
		refuse_to_run("Domain-0: its first page tables are refused: error %d", error);
}

static void start_vcpu(const struct builder *builder)
{
	struct vcpu *vcpu = builder->domain->vcpu[0];

	set_first_base(builder, vcpu);
	vcpu->regs.rip = builder->kernel.entry;
	vcpu->regs.rsp = builder->place.stack_end;
	vcpu->regs.rsi = builder->place.start_info;
	vcpu->regs.rflags = RFLAGS_START;
	vcpu->regs.cs = FLAT_KERNEL_CS;
	vcpu->regs.ss = FLAT_KERNEL_SS;
	vcpu->kernel_stack_pointer = vcpu->regs.rsp;
	vcpu->kernel_stack_selector = FLAT_KERNEL_SS;
	vcpu->in_kernel = true;
	vcpu->is_initialised = true;
	write_once(&vcpu->is_up, true);
	domain_unpause(builder->domain);
}

static uint32_t choose_vcpus(void)
{
	uint64_t vcpus = option_number("dom0_max_vcpus", cpu_count);

	return (uint32_t)MAX(MIN(vcpus, (uint64_t)MAX_VCPUS), 1ULL);
}

void dom0_build(void)
{
	static struct builder builder;

	read_modules(&builder);
	if (domain_create(0, choose_vcpus(), true, &builder.domain))
		refuse_to_run("Domain-0: too little memory");
	choose_size(&builder);		/* of what is left now */
	log_info("Domain-0: %s %s, %lu MiB, %u vcpus, initrd %lu KiB\n", builder.kernel.guest_os,
		 builder.kernel.guest_version, builder.frames >> 8, builder.domain->vcpu_max,
		 initrd_bytes(&builder) >> 10);
	allocate_frames(&builder);
	fill_frames(&builder);
	for (uint32_t i = 0; i < MIN(boot_info.module_count, 2U); i++)
		release_module(&boot_info.module[i]);
	start_vcpu(&builder);
	heap_free(builder.frame_of);
}
