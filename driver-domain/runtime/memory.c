/* SPDX-License-Identifier: MIT */
#include "runtime/memory.h"

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/hypercall.h"
#include "runtime/lib.h"

extern char runtime_link_offset[];

unsigned long memory_base_mfn, memory_pages;
unsigned long *memory_p2m;

static unsigned long pages_next, pages_end;     /* never given out yet: pfns */
static void **pages_free;                       /* given back: each points to the next */
static unsigned long pages_free_count;

#define RESERVED_MAX 8
static struct { unsigned long first, end; } pages_reserved[RESERVED_MAX];
static unsigned int pages_reserved_count;

/*
 * What the hypervisor placed ends with the page tables and the stack; 512 KiB after that are mapped
 * for certain, and in practice up to a 4 MiB boundary. A P2M elsewhere (INIT_P2M) has frames of its own.
 */
void memory_init(void)
{
	unsigned long tables = virt_to_pfn((void *)boot_info->pt_base);

	memory_p2m = (unsigned long *)boot_info->mfn_list;
	memory_pages = tables + boot_info->nr_pt_frames + 1;
	memory_base_mfn = memory_p2m[tables];
	pages_next = memory_pages;
	pages_end = pages_next + 128;
	memory_reserve(boot_info->first_p2m_pfn, boot_info->nr_p2m_frames);
	memory_pages = pages_end;
}

static bool page_is_p2m(unsigned long pfn)
{
	return pfn - boot_info->first_p2m_pfn < boot_info->nr_p2m_frames;
}

void memory_reserve(unsigned long first, unsigned long count)
{
	if (!count)
		return;
	ASSERT(pages_reserved_count < RESERVED_MAX);
	pages_reserved[pages_reserved_count].first = first;
	pages_reserved[pages_reserved_count++].end = first + count;
}

/* The first of `count` pages from `pfn` on of which none is reserved. */
static unsigned long pages_after_reserved(unsigned long pfn, unsigned int count)
{
	unsigned int i = 0;

	while (i < pages_reserved_count) {
		if (pfn < pages_reserved[i].end && pfn + count > pages_reserved[i].first) {
			pfn = pages_reserved[i].end;
			i = 0;
		} else {
			i++;
		}
	}
	return pfn;
}

/* Entries that were empty need no flush, and go many at a time. */
static struct mmu_update map_batch[128];
static unsigned int map_batched;

static void map_now(void)
{
	if (map_batched)
		ASSERT(hypercall(__HYPERVISOR_mmu_update, map_batch, map_batched, NULL, DOMID_SELF) == 0);
	map_batched = 0;
}

static void map_soon(const uint64_t *entry, uint64_t value)
{
	map_batch[map_batched++] = (struct mmu_update){ memory_entry_address(entry), value };
	if (map_batched == sizeof(map_batch) / sizeof(map_batch[0]))
		map_now();
}

void memory_map_all(void)
{
	unsigned long total = boot_info->nr_pages;

	if (total > MEMORY_LIMIT_PAGES)
		total = MEMORY_LIMIT_PAGES;
	for (unsigned long pfn = pages_end; pfn < total; pfn++) {
		uint64_t *entry = memory_entry(memory_base_mfn, (uint64_t)pfn_to_virt(pfn), 1);

		if (page_is_p2m(pfn))
			continue; /* some of these are page tables */
		if (!entry)
			ASSERT(memory_map((uint64_t)pfn_to_virt(pfn),
					  memory_p2m[pfn] << 12 | PTE_KERNEL) == 0);
		else if (!(*entry & PTE_PRESENT))
			map_soon(entry, memory_p2m[pfn] << 12 | PTE_KERNEL);
		memory_pages = pfn + 1;
	}
	map_now();
	pages_end = total;
}

void *page_alloc_many(unsigned int count)
{
	void *page;

	pages_next = pages_after_reserved(pages_next, count);
	if (pages_next + count > pages_end)
		panic("out of memory");
	page = pfn_to_virt(pages_next);
	pages_next += count;
	memset(page, 0, count * PAGE_SIZE);
	return page;
}

void *page_alloc(void)
{
	void **page = pages_free;

	if (!page)
		return page_alloc_many(1);
	pages_free = *page;
	pages_free_count--;
	memset(page, 0, PAGE_SIZE);
	return page;
}

void page_free(void *page)
{
	ASSERT(pages_after_reserved(virt_to_pfn(page), 1) == virt_to_pfn(page));
	*(void **)page = pages_free;
	pages_free = page;
	pages_free_count++;
}

unsigned long page_unused(unsigned long *count)
{
	unsigned long first = pages_after_reserved(pages_next, 1), end = pages_end;

	for (unsigned int i = 0; i < pages_reserved_count; i++)
		if (pages_reserved[i].first >= first && pages_reserved[i].first < end)
			end = pages_reserved[i].first;
	*count = end > first ? end - first : 0;
	return first;
}

unsigned long page_free_count(void)
{
	unsigned long fresh = pages_end - pages_next;

	for (unsigned int i = 0; i < pages_reserved_count; i++) {
		unsigned long first = pages_reserved[i].first > pages_next ? pages_reserved[i].first : pages_next;
		unsigned long end = pages_reserved[i].end < pages_end ? pages_reserved[i].end : pages_end;

		fresh -= end > first ? end - first : 0;
	}
	return fresh + pages_free_count;
}

unsigned long virt_to_pfn(const void *address)
{
	return ((unsigned long)address - (unsigned long)runtime_link_offset) / PAGE_SIZE;
}

unsigned long virt_to_mfn(const void *address)
{
	return memory_p2m[virt_to_pfn(address)];
}

void *pfn_to_virt(unsigned long pfn)
{
	return runtime_link_offset + pfn * PAGE_SIZE;
}

unsigned long mfn_to_pfn(unsigned long mfn)
{
	return machine_to_phys_mapping[mfn];
}

void *mfn_to_virt(unsigned long mfn)
{
	return pfn_to_virt(mfn_to_pfn(mfn));
}

uint64_t *memory_entry(unsigned long base_mfn, uint64_t address, unsigned int level)
{
	uint64_t *table = mfn_to_virt(base_mfn);

	for (unsigned int at = 4;; at--) {
		uint64_t *entry = &table[address >> (3 + 9 * at) & 511];

		if (at == level)
			return entry;
		if (!(*entry & PTE_PRESENT))
			return NULL;
		table = mfn_to_virt((*entry & PTE_FRAME) >> 12);
	}
}

uint64_t memory_entry_address(const uint64_t *entry)
{
	return (virt_to_mfn(entry) << 12) + ((uint64_t)entry & (PAGE_SIZE - 1));
}

int memory_update(uint64_t machine_address, uint64_t value)
{
	struct mmu_update update = { machine_address, value };

	return (int)hypercall(__HYPERVISOR_mmu_update, &update, 1, NULL, DOMID_SELF);
}

int memory_ext(unsigned int command, unsigned long argument)
{
	struct mmuext_op op = { .cmd = command };

	op.arg1.mfn = argument; /* linear_addr is in the same place */
	return (int)hypercall(__HYPERVISOR_mmuext_op, &op, 1, NULL, DOMID_SELF);
}

int memory_protect(void *page, uint64_t flags)
{
	return (int)hypercall(__HYPERVISOR_update_va_mapping, page, virt_to_mfn(page) << 12 | flags,
			      UVMF_INVLPG | UVMF_ALL);
}

/* M1: read-only first, then a table. */
static int memory_table_add(uint64_t *entry)
{
	void *table = page_alloc();
	int error = memory_protect(table, PTE_KERNEL_RO);

	if (error)
		return error;
	return memory_update(memory_entry_address(entry), virt_to_mfn(table) << 12 | PTE_KERNEL);
}

int memory_map_in(unsigned long base_mfn, uint64_t address, uint64_t value)
{
	int error;

	for (unsigned int level = 4; level > 1; level--) {
		uint64_t *entry = memory_entry(base_mfn, address, level);

		if (*entry & PTE_PRESENT)
			continue;
		error = memory_table_add(entry);
		if (error)
			return error;
	}
	error = memory_update(memory_entry_address(memory_entry(base_mfn, address, 1)), value);
	return error ? error : memory_ext(MMUEXT_INVLPG_LOCAL, address);
}

int memory_map(uint64_t address, uint64_t value)
{
	return memory_map_in(memory_base_mfn, address, value);
}
