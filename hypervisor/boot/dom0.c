/* SPDX-License-Identifier: MIT */
/*
 * Builds Domain-0 from module 1 (the kernel) and module 2 (its initrd, which may be absent).
 * What can be wrong is found before any memory is given away, as far as it can be.
 * T1  In its first page tables the frames that are page tables are mapped read-only, all others writable.
 */
#include "boot/main.h"

#include "boot/boot_info.h"
#include "boot/elf.h"
#include "boot/placement.h"
#include "cpu/hypercall_page.h"
#include "cpu/paging.h"
#include "mem/table.h"

#define PAGE_FLAGS	(PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY)
#define TABLE_FLAGS	(PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_ACCESSED)

static const struct boot_module *const kernel_module = &boot_info.module[0];
static const struct boot_module *const initrd_module = &boot_info.module[1];	/* 0 bytes if there is none */

struct builder {
	struct elf_kernel kernel;
	struct placement place;
	uint64_t frames, most_frames;
	uint64_t *frame_of;				/* machine frame of each pseudo-physical one */
	struct domain *domain;
};

static void choose_size(struct builder *builder)
{
	/* The list of its frames, in one piece, is taken from them first: at most twice 8 bytes for each. */
	uint64_t free = frames_free() - frames_free() * 16 / PAGE_SIZE - 1;
	char text[64];
	bool is_given = option_text("dom0_mem", text, sizeof(text));

	if (!dom0_memory_choose(is_given ? text : NULL, free, &builder->frames, &builder->most_frames))
		refuse_to_run("Domain-0: dom0_mem=%s: write it as 512M, min:256M,max:1G or -128M", text);
	placement_choose(&builder->kernel, builder->frames, initrd_module->bytes, &builder->place);
}

/* ---- its frames ---- */

/* In pieces, as large as there are. */
static void allocate_frames(struct builder *builder)
{
	uint64_t done = 0;
	mfn_t first;

	builder->frame_of = heap_alloc(builder->frames * sizeof(uint64_t));
	builder->domain->frame_limit = builder->most_frames;
	for (unsigned int order = FRAME_ORDER_MAX + 1; builder->frame_of && order-- > 0;)
		while (1ULL << order <= builder->frames - done &&
		       !frame_alloc_for(builder->domain, order, 64, &first))
			for (uint64_t i = 0; i < 1ULL << order; i++, done++) {
				builder->frame_of[done] = first.raw + i;
				m2p_set(mfn(first.raw + i), gfn(done));
			}
	if (done < builder->frames)
		refuse_to_run("Domain-0: too little memory: %lu of %lu frames", done, builder->frames);
}

static void *page_at(const struct builder *builder, uint64_t pfn) { return mfn_to_virt(mfn(builder->frame_of[pfn])); }

/* Copies to pseudo-physical memory, `offset` bytes from its start. */
static void copy_in(const struct builder *builder, uint64_t offset, const uint8_t *from, uint64_t bytes)
{
	uint64_t piece;

	for (; bytes; offset += piece, from += piece, bytes -= piece) {
		piece = MIN(PAGE_SIZE - offset % PAGE_SIZE, bytes);
		memcpy((uint8_t *)page_at(builder, offset >> PAGE_SHIFT) + offset % PAGE_SIZE, from, piece);
	}
}

/* ---- what stands in them ---- */

static void load_modules(const struct builder *builder)
{
	const struct elf_kernel *kernel = &builder->kernel;
	const struct elf_segment *segment = kernel->segment;

	for (; segment < kernel->segment + kernel->segment_count; segment++)
		copy_in(builder, segment->va - kernel->virt_base,
			paddr_to_virt(kernel_module->start + segment->file_offset), segment->file_bytes);
	if (kernel->hypercall_page != ELF_ADDRESS_NONE)
		hypercall_page_fill(page_at(builder, (kernel->hypercall_page - kernel->virt_base) >> PAGE_SHIFT));
	copy_in(builder, builder->place.initrd.pfn << PAGE_SHIFT, paddr_to_virt(initrd_module->start),
		initrd_module->bytes);
	copy_in(builder, builder->place.p2m.pfn << PAGE_SHIFT, (const uint8_t *)builder->frame_of,
		builder->frames * sizeof(uint64_t));
}

static void fill_start_info(const struct builder *builder)
{
	const struct placement *place = &builder->place;
	struct start_info *info = page_at(builder, place->start_info.pfn);

	string_copy(info->magic, "xen-3.0-x86_64", sizeof(info->magic));
	info->nr_pages = builder->frames;
	info->shared_info = virt_to_paddr(builder->domain->shared_info);
	info->flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
	info->console.dom0.info_off = sizeof(*info);	/* and no screen: info_size 0 */
	info->pt_base = place->tables.va;
	info->nr_pt_frames = place->tables.pages;
	info->mfn_list = place->p2m.va;
	if (place->p2m_tables) {
		info->first_p2m_pfn = place->p2m.pfn;
		info->nr_p2m_frames = place->p2m.pages + place->p2m_tables;
	}
	if (initrd_module->bytes) {
		info->mod_len = initrd_module->bytes;
		info->mod_start = place->initrd.va ? place->initrd.va : place->initrd.pfn;
		info->flags |= place->initrd.va ? 0 : SIF_MOD_START_PFN;
	}
	string_copy((char *)info->cmd_line, kernel_module->command_line, sizeof(info->cmd_line));
}

/* The L1 entry for `va`; tables that are missing are taken from the frames from *table_pfn on. */
static pte_t *entry_for(const struct builder *builder, uint64_t va, uint64_t *table_pfn)
{
	pte_t *table = page_at(builder, builder->place.tables.pfn);

	for (unsigned int shift = 39; shift > PAGE_SHIFT; shift -= 9) {
		pte_t *entry = &table[va >> shift & 511];

		if (!*entry)
			*entry = builder->frame_of[(*table_pfn)++] << PAGE_SHIFT | TABLE_FLAGS;
		table = mfn_to_virt(pte_frame(*entry));
	}
	return &table[va >> PAGE_SHIFT & 511];
}

/* Returns where the frames for tables, which begin at table_pfn, end. */
static uint64_t map_region(const struct builder *builder, struct region region, uint64_t table_pfn)
{
	for (uint64_t i = 0; i < region.pages; i++) {
		bool is_table = region.pfn + i - builder->place.tables.pfn < builder->place.tables.pages;	/* T1 */

		*entry_for(builder, region.va + i * PAGE_SIZE, &table_pfn) =
			builder->frame_of[region.pfn + i] << PAGE_SHIFT | PAGE_FLAGS | (is_table ? 0 : PTE_WRITABLE);
	}
	return table_pfn;
}

static void map_all(const struct builder *builder)
{
	const struct placement *place = &builder->place;
	uint64_t end = map_region(builder, place->mapped, place->tables.pfn + 1);

	ASSERT(end <= place->tables.pfn + place->tables.pages, "placement_choose() counted the tables");
	if (place->p2m_tables)
		map_region(builder, place->p2m, place->p2m.pfn + place->p2m.pages);
}

/* The loader's copies are not needed any more. Pages that something else may share stay. */
static void release_module(const struct boot_module *module)
{
	uint64_t first = ROUND_UP(module->start, PAGE_SIZE) >> PAGE_SHIFT;
	uint64_t end = (module->start + module->bytes) >> PAGE_SHIFT;

	if (first < end)
		alloc_add(first, end);
}

static void give_bios_page(struct domain *domain)
{
	table_bios_page = paddr_to_mfn(core_page());
	frame_share(mfn_to_virt(table_bios_page), domain);
}

/* ---- its first vcpu ---- */

static void start_vcpu(const struct builder *builder)
{
	struct vcpu *vcpu = builder->domain->vcpu[0];
	mfn_t root = mfn(builder->frame_of[builder->place.tables.pfn]);
	int error;

	do
		error = mmu_set_first_base(vcpu, root);
	while (error == -ERESTART);
	if (error)
		refuse_to_run("Domain-0: its first page tables are refused: error %d", error);
	vcpu->regs.rip = builder->kernel.entry;
	vcpu->regs.rsp = builder->place.stack.va + PAGE_SIZE;
	vcpu->regs.rsi = builder->place.start_info.va;
	vcpu->regs.rflags = FLAGS_IRET_SETS;
	vcpu->regs.cs = FLAT_KERNEL_CS;
	vcpu->regs.ss = FLAT_KERNEL_SS;
	vcpu->kernel_stack_pointer = vcpu->regs.rsp;
	vcpu->in_kernel = true;
	vcpu->is_initialised = true;
	write_once(&vcpu->is_up, true);
	domain_unpause(builder->domain);
}

void dom0_build(void)
{
	static struct builder builder;
	uint64_t vcpus = option_number("dom0_max_vcpus", cpu_count);

	if (boot_info.module_count == 0)
		refuse_to_run("Domain-0: the boot loader gave no module: the first is its kernel, a Xen PV ELF");
	elf_parse(paddr_to_virt(kernel_module->start), kernel_module->bytes, &builder.kernel);
	if (domain_create(0, (uint32_t)MAX(MIN(vcpus, (uint64_t)MAX_VCPUS), 1ULL), true, &builder.domain))
		refuse_to_run("Domain-0: too little memory");
	choose_size(&builder);		/* of what is left now */
	log_info("Domain-0: %lu MiB, %u vcpus, initrd %lu KiB\n", builder.frames >> 8,
		 builder.domain->vcpu_max, initrd_module->bytes >> 10);
	allocate_frames(&builder);
	load_modules(&builder);
	fill_start_info(&builder);
	map_all(&builder);
	release_module(kernel_module);
	release_module(initrd_module);
	give_bios_page(builder.domain);
	start_vcpu(&builder);
	heap_free(builder.frame_of);
}
