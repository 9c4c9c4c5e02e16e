/* SPDX-License-Identifier: MIT */
/* Direct paging: a page table is never writable, and nothing gets into one that was not checked. */
/* QEMU smap: -cpu max */
#include "tap.h"

#define WINDOW 0x6000000000UL /* a part of the address space that nothing else here uses */

static uint64_t pte_of(const void *page, uint64_t flags)
{
	return virt_to_mfn(page) << 12 | flags;
}

/* A page that may become a table: not writable anywhere. */
static uint64_t *given_read_only_page(void)
{
	void *page = page_alloc();

	check_equal(memory_protect(page, PTE_KERNEL_RO), 0);
	return page;
}

/* An L1 that is in use: the one that maps WINDOW. */
static uint64_t *given_l1(void)
{
	void *page = page_alloc();

	check_equal(memory_map(WINDOW, pte_of(page, PTE_KERNEL)), 0);
	return (uint64_t *)((uint64_t)memory_entry(memory_base_mfn, WINDOW, 1) & ~(PAGE_SIZE - 1));
}

static void poke(void *address)
{
	*(volatile uint64_t *)address = 0x5a;
}

static void peek(void *address)
{
	(void)*(volatile uint64_t *)address;
}

static void store(void *values)
{
	void **value = values;

	*(volatile uint64_t *)value[0] = (uint64_t)value[1];
}

static bool write_faults(void *address)
{
	struct trap_frame frame;

	return trap_try(&frame, poke, address) && frame.vector == TRAP_PAGE_FAULT;
}

/* A page table is never writable, by any path */

static void table_cannot_be_mapped_writable_by_mmu_update(void)
{
	uint64_t *table = given_l1();
	uint64_t entry = memory_entry_address(memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1));

	check_equal(memory_update(entry, pte_of(table, PTE_KERNEL)), -XEN_EBUSY);
	check_equal(memory_update(entry, pte_of(table, PTE_KERNEL_RO)), 0);
	check_equal(memory_update(entry, pte_of(table, PTE_KERNEL)), -XEN_EBUSY);
	check_equal(*memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1) & PTE_WRITE, 0);
	check_equal(memory_update(entry, 0), 0);
}

static void table_cannot_be_mapped_writable_by_update_va_mapping(void)
{
	uint64_t *table = given_l1();

	check_equal(memory_protect(table, PTE_KERNEL), -XEN_EBUSY);
	check_equal(*memory_entry(memory_base_mfn, (uint64_t)table, 1) & PTE_WRITE, 0);
}

/* As a read-only mapping first: only the write bit changes, which must be checked all the same. */
static void table_cannot_be_mapped_writable_by_a_direct_write(void)
{
	uint64_t *table = given_l1(), *entry = memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1);
	void *argument[2] = { entry, (void *)pte_of(table, PTE_KERNEL) };
	struct trap_frame frame;

	*(volatile uint64_t *)entry = pte_of(table, PTE_KERNEL_RO);
	check_equal(*entry & PTE_FRAME, pte_of(table, 0));
	check(trap_try(&frame, store, argument));
	check_equal(*entry & PTE_WRITE, 0);
	*(volatile uint64_t *)entry = 0;
}

static void table_with_a_writable_mapping_cannot_be_pinned(void)
{
	uint64_t *page = page_alloc();

	check_equal(memory_ext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(page)), -XEN_EINVAL);
	check_equal(memory_ext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(page)), -XEN_EINVAL);
	*page = 1;
	*page = 0;
	page_free(page);
}

static void table_in_a_new_l1_cannot_map_a_table_writable(void)
{
	uint64_t *victim = given_l1(), *table = page_alloc();

	table[7] = pte_of(victim, PTE_KERNEL);
	check_equal(memory_protect(table, PTE_KERNEL_RO), 0);
	check_equal(memory_ext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), -XEN_EBUSY);
	check_equal(memory_protect(table, PTE_KERNEL), 0);
	page_free(table);
}

/* An L1 that maps itself writable has one reference of each type: refused. */
static void table_cannot_map_itself_writable(void)
{
	uint64_t *table = page_alloc();

	table[0] = pte_of(table, PTE_KERNEL);
	check_equal(memory_protect(table, PTE_KERNEL_RO), 0);
	check_equal(memory_ext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), -XEN_EBUSY);
	check_equal(memory_protect(table, PTE_KERNEL), 0);
	page_free(table);
}

static void table_that_is_unpinned_can_be_written_again(void)
{
	uint64_t *table = given_read_only_page();

	check_equal(memory_ext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), 0);
	check_equal(memory_protect(table, PTE_KERNEL), -XEN_EBUSY);
	check_equal(memory_ext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
	check_equal(memory_protect(table, PTE_KERNEL), 0);
	table[0] = 1;
	table[0] = 0;
	page_free(table);
}

/* Pin and unpin */

static void page_is_pinned_once(void)
{
	uint64_t *table = given_read_only_page();

	check_equal(memory_ext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), 0);
	check_equal(memory_ext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), -XEN_EINVAL);
	check_equal(memory_ext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
	check_equal(memory_ext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), -XEN_EINVAL);
	memory_protect(table, PTE_KERNEL);
	page_free(table);
}

static void table_of_one_level_is_not_of_another(void)
{
	uint64_t *table = given_read_only_page();
	unsigned long mfn = virt_to_mfn(table);

	check_equal(memory_ext(MMUEXT_PIN_L1_TABLE, mfn), 0);
	check_equal(memory_ext(MMUEXT_PIN_L2_TABLE, mfn), -XEN_EINVAL);
	check_equal(memory_ext(MMUEXT_PIN_L3_TABLE, mfn), -XEN_EINVAL);
	check_equal(memory_ext(MMUEXT_PIN_L4_TABLE, mfn), -XEN_EINVAL);
	check_equal(memory_ext(MMUEXT_UNPIN_TABLE, mfn), 0);
	check_equal(memory_ext(MMUEXT_PIN_L2_TABLE, mfn), 0);
	check_equal(memory_ext(MMUEXT_UNPIN_TABLE, mfn), 0);
	check_equal(memory_ext(MMUEXT_PIN_L3_TABLE, mfn), 0);
	check_equal(memory_ext(MMUEXT_UNPIN_TABLE, mfn), 0);
	check_equal(memory_ext(MMUEXT_PIN_L4_TABLE, mfn), 0);
	check_equal(memory_ext(MMUEXT_UNPIN_TABLE, mfn), 0);
	check_equal(memory_protect(table, PTE_KERNEL), 0);
	page_free(table);
}

static void frames_that_are_not_ours_cannot_be_pinned(void)
{
	check(memory_ext(MMUEXT_PIN_L1_TABLE, 0) < 0);
	check(memory_ext(MMUEXT_PIN_L1_TABLE, 0xfee00) < 0);
	check(memory_ext(MMUEXT_PIN_L1_TABLE, 1UL << 40) < 0);
	check(memory_ext(MMUEXT_PIN_L1_TABLE, ~0UL) < 0);
	check(memory_ext(MMUEXT_UNPIN_TABLE, ~0UL) < 0);
	check(memory_ext(MMUEXT_NEW_BASEPTR, ~0UL) < 0);
}

static void base_table_cannot_be_unpinned_from_under_us(void)
{
	long result = memory_ext(MMUEXT_UNPIN_TABLE, memory_base_mfn);

	/* The pin goes, the reference of the base pointer stays: the table remains a table. */
	if (result == 0)
		check_equal(memory_ext(MMUEXT_PIN_L4_TABLE, memory_base_mfn), 0);
	check_equal(memory_protect(mfn_to_virt(memory_base_mfn), PTE_KERNEL), -XEN_EBUSY);
}

/* mmu_update */

static void update_of_a_frame_that_is_no_table_is_a_checked_write_to_data(void)
{
	uint64_t *page = page_alloc();

	check_equal(memory_update(virt_to_mfn(page) << 12, 0x1234), 0);
	check_equal(page[0], 0x1234);
	page_free(page);
}

static void update_of_a_read_only_frame_of_ours_succeeds_as_data(void)
{
	uint64_t *page = given_read_only_page();

	check_equal(memory_update((virt_to_mfn(page) << 12) + 8, 0x77), 0);
	check_equal(page[1], 0x77);
	memory_protect(page, PTE_KERNEL);
	page_free(page);
}

static void update_of_a_frame_that_is_not_ours_is_refused(void)
{
	check(memory_update(0x0, 0) < 0);
	check(memory_update(0xfee00000, 0) < 0);
	check(memory_update(1UL << 51, 0) < 0);
	check(memory_update(0xfffffffffffff000, 0) < 0);
}

static unsigned long first_grant_frame, bios_frame;

static bool frame_is_ours(unsigned long mfn)
{
	unsigned long pfn = mfn_to_pfn(mfn);

	if (mfn == boot_info->shared_info >> 12 || mfn == bios_frame || (mfn >= first_grant_frame && mfn < first_grant_frame + 64))
		return true; /* the hypervisor's, and shared with us */
	return pfn < boot_info->nr_pages && memory_p2m[pfn] == mfn;
}

static unsigned long grant_frame(void)
{
	struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };
	xen_pfn_t frame = 0;

	set_xen_guest_handle(setup.frame_list, &frame);
	hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &setup, 1);
	return frame;
}

/* RAM that belongs to the hypervisor, to somebody else or to nobody. */
static void frames_that_are_not_ours_cannot_be_mapped(void)
{
	unsigned long end = (unsigned long)hypercall(__HYPERVISOR_memory_op, XENMEM_maximum_ram_page, 0);
	unsigned int tried = 0;
	uint64_t entry;

	first_grant_frame = grant_frame();
	given_l1();
	entry = memory_entry_address(memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1));
	check(memory_update(entry, 0x000ffffffffff000UL | PTE_KERNEL) < 0);
	/* Where a BIOS would be the first domain finds one page of its own. */
	if (memory_update(entry, 0x80UL << 12 | PTE_KERNEL_RO) == 0)
		bios_frame = *memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1) >> 12 & 0xffffffffffUL;
	check_equal(memory_update(entry, 0xffUL << 12 | PTE_KERNEL_RO) == 0, bios_frame != 0);
	for (unsigned long mfn = 512; mfn < end - 512; mfn += mfn < 8192 ? 1 : 61) {
		long result;

		if (frame_is_ours(mfn))
			continue;
		result = memory_update(entry, mfn << 12 | PTE_KERNEL_RO);
		tried++;
		if (result == 0) { /* even to read it would be wrong; to write it would be the end of everything */
			check_that(false, "frame %lx was mapped (grants %lx, shared %lx)", mfn, first_grant_frame,
				   boot_info->shared_info >> 12);
			break;
		}
	}
	printf("# %u frames tried\n", tried);
	memory_update(entry, 0);
}

static void reserved_bits_are_refused(void)
{
	void *page = page_alloc();
	uint64_t entry;

	given_l1();
	entry = memory_entry_address(memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1));
	check_equal(memory_update(entry, pte_of(page, PTE_KERNEL)), 0);
	check(memory_update(entry, pte_of(page, PTE_KERNEL) | 1UL << 51) < 0);
	check_equal(memory_update(entry, pte_of(page, PTE_KERNEL) | 7UL << 9), 0);
	check_equal(*memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1) & 7UL << 9, 7UL << 9);
	/* Linux 6.12 keeps a dirty bit in bit 58. */
	check_equal(memory_update(entry, pte_of(page, PTE_KERNEL) | 1UL << 58), 0);
	check_equal(*memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1) & 1UL << 58, 1UL << 58);
	check_equal(memory_update(entry, 0), 0);
	page_free(page);
}

static void large_pages_are_refused(void)
{
	uint64_t *entry;

	given_l1();
	entry = memory_entry(memory_base_mfn, WINDOW + (1UL << 21), 2);
	check(memory_update(memory_entry_address(entry), pte_of(boot_info, PTE_KERNEL) | PTE_LARGE) < 0);
	check_equal(*entry, 0);
	entry = memory_entry(memory_base_mfn, WINDOW + (1UL << 30), 3);
	check(memory_update(memory_entry_address(entry), pte_of(boot_info, PTE_KERNEL) | PTE_LARGE) < 0);
	check_equal(*entry, 0);
}

static void hypervisor_slots_are_refused(void)
{
	uint64_t *base = mfn_to_virt(memory_base_mfn);

	for (unsigned int slot = 256; slot < 272; slot++) {
		check_that(memory_update((memory_base_mfn << 12) + slot * 8, 0) < 0, "slot %u", slot);
		check_that(memory_update((memory_base_mfn << 12) + slot * 8, base[511]) < 0, "slot %u", slot);
	}
	check_equal(memory_update((memory_base_mfn << 12) + 272 * 8, 0), 0);
}

static void entry_that_is_not_present_may_hold_anything(void)
{
	uint64_t *entry;

	given_l1();
	entry = memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1);
	check_equal(memory_update(memory_entry_address(entry), 0xdeadbeefdeadbee0UL), 0);
	check_equal(*entry, 0xdeadbeefdeadbee0UL);
	check_equal(memory_update(memory_entry_address(entry), 0), 0);
}

static void unaligned_addresses_mean_their_command(void)
{
	struct mmu_update update;
	uint64_t *entry;
	void *page = page_alloc();

	given_l1();
	entry = memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1);
	update = (struct mmu_update){ memory_entry_address(entry) + 4, 0 };
	check(hypercall(__HYPERVISOR_mmu_update, &update, 1, NULL, DOMID_SELF) < 0 || *entry == 0);
	update = (struct mmu_update){ memory_entry_address(entry) | MMU_PT_UPDATE_NO_TRANSLATE,
				      pte_of(page, PTE_KERNEL) };
	check_equal(hypercall(__HYPERVISOR_mmu_update, &update, 1, NULL, DOMID_SELF), 0);
	memory_update(memory_entry_address(entry), 0);
	page_free(page);
}

static void preserve_ad_keeps_accessed_and_dirty(void)
{
	struct mmu_update update;
	uint64_t *entry;
	void *page = page_alloc();

	given_l1();
	entry = memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1);
	check_equal(memory_update(memory_entry_address(entry), pte_of(page, PTE_KERNEL)), 0);
	update = (struct mmu_update){ memory_entry_address(entry) | MMU_PT_UPDATE_PRESERVE_AD,
				      pte_of(page, PTE_PRESENT | PTE_USER) };
	check_equal(hypercall(__HYPERVISOR_mmu_update, &update, 1, NULL, DOMID_SELF), 0);
	check_equal(*entry & (PTE_ACCESSED | PTE_DIRTY | PTE_WRITE), PTE_ACCESSED | PTE_DIRTY);
	check_equal(memory_update(memory_entry_address(entry), pte_of(page, PTE_PRESENT | PTE_USER)), 0);
	check_equal(*entry & (PTE_ACCESSED | PTE_DIRTY), 0);
	memory_update(memory_entry_address(entry), 0);
	page_free(page);
}

/* Each of a batch is done in order; the first that fails ends it, and `done` counts those before. */
static void batch_stops_at_the_first_refusal(void)
{
	struct mmu_update updates[3];
	unsigned int done = 99;
	uint64_t *entry;
	void *page = page_alloc();

	given_l1();
	entry = memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1);
	updates[0] = (struct mmu_update){ memory_entry_address(entry), pte_of(page, PTE_KERNEL) };
	updates[1] = (struct mmu_update){ memory_entry_address(entry + 1), 1UL << 51 | PTE_KERNEL };
	updates[2] = (struct mmu_update){ memory_entry_address(entry + 2), pte_of(page, PTE_KERNEL) };
	check(hypercall(__HYPERVISOR_mmu_update, updates, 3, &done, DOMID_SELF) < 0);
	check_equal(done, 1);
	check_equal(entry[0] & PTE_PRESENT, 1);
	check_equal(entry[1], 0);
	check_equal(entry[2], 0);
	memory_update(memory_entry_address(entry), 0);
	page_free(page);
}

static void batch_of_many_is_done_whole(void)
{
	static struct mmu_update updates[1024];
	unsigned int done = 0;
	uint64_t *entry;
	void *page = page_alloc();

	given_l1();
	entry = memory_entry(memory_base_mfn, WINDOW, 1);
	for (unsigned int i = 0; i < 1024; i++)
		updates[i] = (struct mmu_update){ memory_entry_address(entry + i % 512),
						  i < 512 ? pte_of(page, PTE_KERNEL) : 0 };
	check_equal(hypercall(__HYPERVISOR_mmu_update, updates, 1024, &done, DOMID_SELF), 0);
	check_equal(done, 1024);
	for (unsigned int i = 0; i < 512; i++)
		if (entry[i])
			check_equal(entry[i], 0);
	page_free(page);
}

static void machphys_update_sets_what_the_m2p_says(void)
{
	void *page = page_alloc();
	unsigned long mfn = virt_to_mfn(page), pfn = virt_to_pfn(page);

	check_equal(memory_update(mfn << 12 | MMU_MACHPHYS_UPDATE, 0xabcde), 0);
	check_equal(mfn_to_pfn(mfn), 0xabcde);
	check_equal(memory_update(mfn << 12 | MMU_MACHPHYS_UPDATE, pfn), 0);
	check_equal(mfn_to_pfn(mfn), pfn);
	check(memory_update(0xfffffffff000 | MMU_MACHPHYS_UPDATE, 1) < 0);
	page_free(page);
}

static void m2p_is_read_only(void)
{
	check(write_faults((void *)MACH2PHYS_VIRT_START));
}

static void hypervisor_cannot_be_read(void)
{
	struct trap_frame frame;

	check(trap_try(&frame, peek, (void *)0xffff830000000000));
	check_equal(frame.vector, TRAP_PAGE_FAULT);
	check(trap_try(&frame, peek, (void *)0xffff82d040200000));
	check_equal(frame.vector, TRAP_PAGE_FAULT);
}

/* update_va_mapping */

static void update_va_mapping_refuses_the_hypervisors_addresses(void)
{
	void *page = page_alloc();

	check(hypercall(__HYPERVISOR_update_va_mapping, MACH2PHYS_VIRT_START, pte_of(page, PTE_KERNEL), 0) < 0);
	check(hypercall(__HYPERVISOR_update_va_mapping, 0xffff830000000000, pte_of(page, PTE_KERNEL), 0) < 0);
	check(hypercall(__HYPERVISOR_update_va_mapping, 0x0000900000000000, pte_of(page, PTE_KERNEL), 0) < 0);
	page_free(page);
}

static void update_va_mapping_needs_a_table(void)
{
	void *page = page_alloc();

	check(hypercall(__HYPERVISOR_update_va_mapping, 0x123456789000, pte_of(page, PTE_KERNEL), 0) < 0);
	page_free(page);
}

static void update_va_mapping_maps_and_unmaps(void)
{
	uint64_t *page = page_alloc();
	volatile uint64_t *window = (void *)(WINDOW + PAGE_SIZE);

	given_l1();
	check_equal(hypercall(__HYPERVISOR_update_va_mapping, window, pte_of(page, PTE_KERNEL), UVMF_INVLPG), 0);
	*window = 42;
	check_equal(*page, 42);
	check_equal(hypercall(__HYPERVISOR_update_va_mapping, window, 0, UVMF_INVLPG | UVMF_ALL), 0);
	check(write_faults((void *)window));
	page_free(page);
}

/* Writes by the guest itself */

#define EMULATED(name, size, instruction, operand)                                       \
	static void name(uint64_t *entry, uint64_t value)                                \
	{                                                                                \
		__asm__ volatile(instruction : : "r"(entry), "a"(0UL), operand((size)value) : "memory", "cc"); \
	}
EMULATED(write_mov64, uint64_t, "movq %2, (%0)", "r")
EMULATED(write_mov32, uint32_t, "movl %2, (%0)", "r")
EMULATED(write_mov16, uint16_t, "movw %2, (%0)", "r")
EMULATED(write_mov8, uint8_t, "movb %b2, (%0)", "q")
EMULATED(write_xchg, uint64_t, "xchgq %2, (%0)", "r")
EMULATED(write_cmpxchg, uint64_t, "lock cmpxchgq %2, (%0)", "r")
EMULATED(write_or, uint64_t, "lock orq %2, (%0)", "r")
EMULATED(write_add, uint64_t, "lock addq %2, (%0)", "r")


static void direct_writes_of_eight_bytes_are_emulated(void)
{
	static void (*const writes[])(uint64_t *, uint64_t) = { write_mov64, write_xchg, write_cmpxchg,
								 write_or, write_add };
	uint64_t *entry;
	uint64_t *page = page_alloc();

	given_l1();
	entry = memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1);
	for (unsigned int i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		memory_update(memory_entry_address(entry), 0);
		writes[i](entry, pte_of(page, PTE_KERNEL));
		check_that((*entry & PTE_FRAME) == pte_of(page, 0), "write %u: %lx", i, *entry);
		*(volatile uint64_t *)(WINDOW + PAGE_SIZE) = i + 100;
		check_equal(*page, i + 100);
	}
	memory_update(memory_entry_address(entry), 0);
	memory_ext(MMUEXT_TLB_FLUSH_LOCAL, 0);
	page_free(page);
}

/* Half an entry: the other half stays, and the whole is checked. */
static void direct_writes_of_less_are_emulated(void)
{
	uint64_t *entry;
	void *page = page_alloc();
	uint64_t value = pte_of(page, PTE_KERNEL);

	given_l1();
	entry = memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1);
	memory_update(memory_entry_address(entry), value & ~PTE_PRESENT);
	write_mov8(entry, value);
	check_equal(*entry & PTE_PRESENT, PTE_PRESENT);
	write_mov16(entry, value & ~PTE_PRESENT);
	check_equal(*entry & PTE_PRESENT, 0);
	write_mov32(entry, value);
	check_equal(*entry & (PTE_FRAME | PTE_PRESENT), value & (PTE_FRAME | PTE_PRESENT));
	memory_update(memory_entry_address(entry), 0);
	page_free(page);
}

static void direct_bit_operations_are_emulated(void)
{
	uint64_t *entry;
	void *page = page_alloc();
	bool was;

	given_l1();
	entry = memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1);
	memory_update(memory_entry_address(entry), pte_of(page, PTE_KERNEL));
	__asm__ volatile("lock btrq %2, %0; setc %1" : "+m"(*entry), "=q"(was) : "r"(6UL) : "cc");
	check(was && !(*entry & PTE_DIRTY));
	__asm__ volatile("lock andq %1, %0" : "+m"(*entry) : "r"(~PTE_WRITE) : "cc");
	check_equal(*entry & PTE_WRITE, 0);
	__asm__ volatile("lock btsq %2, %0; setc %1" : "+m"(*entry), "=q"(was) : "r"(1UL) : "cc");
	check(!was && (*entry & PTE_WRITE));
	check_equal(__atomic_exchange_n(entry, 0, __ATOMIC_SEQ_CST) & PTE_FRAME, pte_of(page, 0));
	check_equal(*entry, 0);
	page_free(page);
}

static void direct_compare_and_exchange_reports_a_mismatch(void)
{
	uint64_t *entry, expected = 0x1230;
	void *page = page_alloc();

	given_l1();
	entry = memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1);
	memory_update(memory_entry_address(entry), 0x7770);
	check(!__atomic_compare_exchange_n(entry, &expected, pte_of(page, PTE_KERNEL), false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST));
	check_equal(expected, 0x7770);
	check_equal(*entry, 0x7770);
	check(__atomic_compare_exchange_n(entry, &expected, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	check_equal(*entry, 0);
	page_free(page);
}

static void direct_write_of_a_bad_entry_faults(void)
{
	struct trap_frame frame;
	uint64_t *entry;
	void *argument[2];

	given_l1();
	entry = memory_entry(memory_base_mfn, WINDOW + PAGE_SIZE, 1);
	argument[0] = entry;
	argument[1] = (void *)(0x000ffffffffff000UL | PTE_KERNEL);
	check(trap_try(&frame, store, argument));
	check_equal(frame.vector, TRAP_PAGE_FAULT);
	check_equal(frame.error & 3, 3);
	check_equal(trap_cr2, (uint64_t)entry);
	check_equal(*entry, 0);
}

/* Xen emulates writes to level 1 only; Skink checks them at each. What is wrong gets in at none. */
static void direct_write_to_a_higher_level_faults_or_is_checked(void)
{
	struct trap_frame frame;
	uint64_t *entry;
	void *argument[2];

	given_l1();
	entry = memory_entry(memory_base_mfn, WINDOW + (1UL << 21), 2);
	argument[0] = entry;
	argument[1] = (void *)pte_of(boot_info, PTE_KERNEL);
	check(trap_try(&frame, store, argument));
	check_equal(frame.vector, TRAP_PAGE_FAULT);
	check_equal(*entry, 0);
}

/* Structure: linear tables, sharing, levels */

static void l2_cannot_point_to_data(void)
{
	uint64_t *entry;
	void *page = page_alloc();

	given_l1();
	entry = memory_entry(memory_base_mfn, WINDOW + (1UL << 21), 2);
	check_equal(memory_update(memory_entry_address(entry), pte_of(page, PTE_KERNEL)), -XEN_EINVAL);
	check_equal(*entry, 0);
	page_free(page);
}

static void table_can_be_shared_by_two_entries(void)
{
	uint64_t *entry, *table = given_l1();

	entry = memory_entry(memory_base_mfn, WINDOW + (1UL << 21), 2);
	check_equal(memory_update(memory_entry_address(entry), pte_of(table, PTE_KERNEL)), 0);
	check_equal(memory_update(memory_entry_address(entry), 0), 0);
	check_equal(memory_protect(table, PTE_KERNEL), -XEN_EBUSY);
}

static void l1_cannot_be_used_as_l2(void)
{
	uint64_t *table = given_l1();
	uint64_t *entry = memory_entry(memory_base_mfn, WINDOW + (1UL << 30), 3);

	check_equal(memory_update(memory_entry_address(entry), pte_of(table, PTE_KERNEL)), -XEN_EINVAL);
	check_equal(*entry, 0);
}

/* An L4 entry that points to the L4 itself is a linear page table: read-only it may stand. */
static void linear_table_is_read_only_or_refused(void)
{
	uint64_t slot = (memory_base_mfn << 12) + 300 * 8;

	check(memory_update(slot, memory_base_mfn << 12 | PTE_KERNEL) < 0);
	if (memory_update(slot, memory_base_mfn << 12 | PTE_KERNEL_RO) == 0) {
		uint64_t self = 0xffff000000000000UL | 300UL << 39 | 300UL << 30 | 300UL << 21 | 300UL << 12;

		check_equal(((uint64_t *)self)[300] & PTE_FRAME, memory_base_mfn << 12);
		check(write_faults((void *)(self + 301 * 8)));
		check_equal(memory_update(slot, 0), 0);
	} else {
		printf("# linear page tables are refused\n");
	}
}

/* Base pointers */

static void new_base_pointer_is_taken_and_given_back(void)
{
	uint64_t *copy = page_alloc(), *base = mfn_to_virt(memory_base_mfn);

	memcpy(copy, base, PAGE_SIZE);
	check_equal(memory_protect(copy, PTE_KERNEL_RO), 0);
	check_equal(memory_ext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(copy)), 0);
	check_equal(memory_ext(MMUEXT_NEW_BASEPTR, virt_to_mfn(copy)), 0);
	check_equal(memory_ext(MMUEXT_UNPIN_TABLE, virt_to_mfn(copy)), 0);
	check_equal(memory_protect(copy, PTE_KERNEL), -XEN_EBUSY);
	check_equal(memory_ext(MMUEXT_NEW_BASEPTR, memory_base_mfn), 0);
	check_equal(memory_protect(copy, PTE_KERNEL), 0);
	page_free(copy);
}

static void data_is_no_base_pointer(void)
{
	void *page = page_alloc();

	check(memory_ext(MMUEXT_NEW_BASEPTR, virt_to_mfn(page)) < 0);
	check(memory_ext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(page)) < 0);
	page_free(page);
}

static void user_base_pointer_holds_a_reference(void)
{
	uint64_t *table = given_read_only_page();

	check_equal(memory_ext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(table)), 0);
	check_equal(memory_protect(table, PTE_KERNEL), -XEN_EBUSY);
	check_equal(memory_ext(MMUEXT_NEW_USER_BASEPTR, 0), 0);
	check_equal(memory_protect(table, PTE_KERNEL), 0);
	page_free(table);
}

/* A tree of 2 + 64 tables, 32,768 entries: more than one slice of work. */
static void large_tree_is_pinned_and_unpinned(void)
{
	uint64_t *l4 = page_alloc(), *l3 = page_alloc(), *l2 = page_alloc(), *data = page_alloc();
	uint64_t *l1[64];

	for (unsigned int i = 0; i < 64; i++) {
		l1[i] = page_alloc();
		for (unsigned int j = 0; j < 512; j++)
			l1[i][j] = pte_of(data, PTE_KERNEL);
		l2[i] = pte_of(l1[i], PTE_KERNEL);
		check_equal(memory_protect(l1[i], PTE_KERNEL_RO), 0);
	}
	l3[0] = pte_of(l2, PTE_KERNEL);
	l4[0] = pte_of(l3, PTE_KERNEL);
	memory_protect(l2, PTE_KERNEL_RO);
	memory_protect(l3, PTE_KERNEL_RO);
	memory_protect(l4, PTE_KERNEL_RO);
	check_equal(memory_ext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(l4)), 0);
	check_equal(memory_protect(l1[63], PTE_KERNEL), -XEN_EBUSY);
	check_equal(memory_ext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l4)), 0);
	for (unsigned int i = 0; i < 64; i++) {
		check_equal(memory_protect(l1[i], PTE_KERNEL), 0);
		page_free(l1[i]);
	}
	memory_protect(l2, PTE_KERNEL);
	memory_protect(l3, PTE_KERNEL);
	memory_protect(l4, PTE_KERNEL);
}

/* One bad entry at the end of a large tree: everything that was validated before it is given back. */
static void large_tree_with_one_bad_entry_leaves_nothing(void)
{
	uint64_t *l2 = page_alloc(), *data = page_alloc(), *l1[16];

	for (unsigned int i = 0; i < 16; i++) {
		l1[i] = page_alloc();
		for (unsigned int j = 0; j < 512; j++)
			l1[i][j] = pte_of(data, PTE_KERNEL);
		if (i == 15)
			l1[i][511] = 0x000ffffffffff000UL | PTE_KERNEL;
		l2[i] = pte_of(l1[i], PTE_KERNEL);
		memory_protect(l1[i], PTE_KERNEL_RO);
	}
	memory_protect(l2, PTE_KERNEL_RO);
	check(memory_ext(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)) < 0);
	for (unsigned int i = 0; i < 16; i++) {
		check_equal(memory_protect(l1[i], PTE_KERNEL), 0);
		page_free(l1[i]);
	}
	check_equal(memory_protect(l2, PTE_KERNEL), 0);
	memory_protect(data, PTE_KERNEL_RO);
	check_equal(memory_ext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(data)), 0);
	check_equal(memory_ext(MMUEXT_UNPIN_TABLE, virt_to_mfn(data)), 0);
	memory_protect(data, PTE_KERNEL);
	page_free(data);
}

/* The other operations of mmuext_op */

static void flushes_succeed(void)
{
	struct mmuext_op op = { 0 };
	uint64_t mask = 1;

	check_equal(memory_ext(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
	check_equal(memory_ext(MMUEXT_INVLPG_LOCAL, WINDOW), 0);
	check_equal(memory_ext(MMUEXT_TLB_FLUSH_ALL, 0), 0);
	check_equal(memory_ext(MMUEXT_INVLPG_ALL, WINDOW), 0);
	op.cmd = MMUEXT_TLB_FLUSH_MULTI;
	set_xen_guest_handle(op.arg2.vcpumask, &mask);
	check_equal(hypercall(__HYPERVISOR_mmuext_op, &op, 1, NULL, DOMID_SELF), 0);
	op.cmd = MMUEXT_INVLPG_MULTI;
	op.arg1.linear_addr = WINDOW;
	check_equal(hypercall(__HYPERVISOR_mmuext_op, &op, 1, NULL, DOMID_SELF), 0);
}

static void flush_with_a_bad_vcpu_mask_is_refused(void)
{
	struct mmuext_op op = { .cmd = MMUEXT_TLB_FLUSH_MULTI };

	set_xen_guest_handle(op.arg2.vcpumask, (void *)0x7f1234567000);
	check(hypercall(__HYPERVISOR_mmuext_op, &op, 1, NULL, DOMID_SELF) < 0);
}

static void unknown_mmuext_op_is_refused(void)
{
	check_equal(memory_ext(99, 0), -XEN_ENOSYS);
	check(memory_ext(MMUEXT_MARK_SUPER, virt_to_mfn(boot_info)) < 0);
	check(memory_ext(MMUEXT_UNMARK_SUPER, virt_to_mfn(boot_info)) < 0);
	check(memory_ext(14, 0) < 0);
}

static void mmuext_batch_counts_what_was_done(void)
{
	struct mmuext_op ops[3] = { { .cmd = MMUEXT_TLB_FLUSH_LOCAL }, { .cmd = MMUEXT_UNPIN_TABLE },
				    { .cmd = MMUEXT_TLB_FLUSH_LOCAL } };
	unsigned int done = 99;

	ops[1].arg1.mfn = ~0UL;
	check(hypercall(__HYPERVISOR_mmuext_op, ops, 3, &done, DOMID_SELF) < 0);
	check_equal(done, 1);
}

static void foreign_domain_that_is_not_there_is_esrch(void)
{
	struct mmu_update update = { 0, 0 };
	struct mmuext_op op = { .cmd = MMUEXT_PIN_L1_TABLE };

	check_equal(hypercall(__HYPERVISOR_mmu_update, &update, 1, NULL, 77), -XEN_ESRCH);
	check_equal(hypercall(__HYPERVISOR_mmu_update, &update, 1, NULL, DOMID_SELF | 78 << 16), -XEN_ESRCH);
	check_equal(hypercall(__HYPERVISOR_mmuext_op, &op, 1, NULL, 77), -XEN_ESRCH);
	check_equal(hypercall(__HYPERVISOR_update_va_mapping_otherdomain, WINDOW, 0, 0, 77), -XEN_ESRCH);
}

static void page_zero_can_be_unmapped_and_faults(void)
{
	struct trap_frame frame;

	check(trap_try(&frame, peek, NULL));
	check_equal(frame.vector, TRAP_PAGE_FAULT);
	check_equal(trap_cr2, 0);
}

static void execute_disable_holds(void)
{
	struct trap_frame frame;
	uint8_t *page = page_alloc();
	uint64_t *entry = memory_entry(memory_base_mfn, (uint64_t)page, 1);

	page[0] = 0xc3;
	check(!trap_try(&frame, (void (*)(void *))(void *)page, NULL));
	check_equal(memory_update(memory_entry_address(entry), pte_of(page, PTE_KERNEL | PTE_NX)), 0);
	memory_ext(MMUEXT_INVLPG_LOCAL, (unsigned long)page);
	check(trap_try(&frame, (void (*)(void *))(void *)page, NULL));
	check_equal(frame.vector, TRAP_PAGE_FAULT);
	check_equal(frame.error & 0x11, 0x11);
	memory_protect(page, PTE_KERNEL);
	page_free(page);
}

static const struct tap_test tests[] = {
	TEST(table_cannot_be_mapped_writable_by_mmu_update),
	TEST(table_cannot_be_mapped_writable_by_update_va_mapping),
	TEST(table_cannot_be_mapped_writable_by_a_direct_write),
	TEST(table_with_a_writable_mapping_cannot_be_pinned),
	TEST(table_in_a_new_l1_cannot_map_a_table_writable),
	TEST(table_cannot_map_itself_writable),
	TEST(table_that_is_unpinned_can_be_written_again),
	TEST(page_is_pinned_once),
	TEST(table_of_one_level_is_not_of_another),
	TEST(frames_that_are_not_ours_cannot_be_pinned),
	TEST(base_table_cannot_be_unpinned_from_under_us),
	TEST(update_of_a_frame_that_is_no_table_is_a_checked_write_to_data),
	TEST(update_of_a_read_only_frame_of_ours_succeeds_as_data),
	TEST(update_of_a_frame_that_is_not_ours_is_refused),
	TEST(frames_that_are_not_ours_cannot_be_mapped),
	TEST(reserved_bits_are_refused),
	TEST(large_pages_are_refused),
	TEST(hypervisor_slots_are_refused),
	TEST(entry_that_is_not_present_may_hold_anything),
	TEST(unaligned_addresses_mean_their_command),
	TEST(preserve_ad_keeps_accessed_and_dirty),
	TEST(batch_stops_at_the_first_refusal),
	TEST(batch_of_many_is_done_whole),
	TEST(machphys_update_sets_what_the_m2p_says),
	TEST(m2p_is_read_only),
	TEST(hypervisor_cannot_be_read),
	TEST(update_va_mapping_refuses_the_hypervisors_addresses),
	TEST(update_va_mapping_needs_a_table),
	TEST(update_va_mapping_maps_and_unmaps),
	TEST(direct_writes_of_eight_bytes_are_emulated),
	TEST(direct_writes_of_less_are_emulated),
	TEST(direct_bit_operations_are_emulated),
	TEST(direct_compare_and_exchange_reports_a_mismatch),
	TEST(direct_write_of_a_bad_entry_faults),
	TEST(direct_write_to_a_higher_level_faults_or_is_checked),
	TEST(l2_cannot_point_to_data),
	TEST(table_can_be_shared_by_two_entries),
	TEST(l1_cannot_be_used_as_l2),
	TEST(linear_table_is_read_only_or_refused),
	TEST(new_base_pointer_is_taken_and_given_back),
	TEST(data_is_no_base_pointer),
	TEST(user_base_pointer_holds_a_reference),
	TEST(large_tree_is_pinned_and_unpinned),
	TEST(large_tree_with_one_bad_entry_leaves_nothing),
	TEST(flushes_succeed),
	TEST(flush_with_a_bad_vcpu_mask_is_refused),
	TEST(unknown_mmuext_op_is_refused),
	TEST(mmuext_batch_counts_what_was_done),
	TEST(foreign_domain_that_is_not_there_is_esrch),
	TEST(page_zero_can_be_unmapped_and_faults),
	TEST(execute_disable_holds),
};

TAP_MAIN(tests)
