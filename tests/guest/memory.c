/* SPDX-License-Identifier: MIT */
/* memory_op: frames given back, asked for, exchanged; the maps. */
/* QEMU smap: -cpu max */
#include "tap.h"

static struct xen_memory_reservation reservation_of(xen_pfn_t *list, unsigned long count, unsigned int order)
{
	struct xen_memory_reservation reservation = { .nr_extents = count, .extent_order = order,
						      .domid = DOMID_SELF };

	set_xen_guest_handle(reservation.extent_start, list);
	return reservation;
}

static long memory_op(unsigned int command, void *argument)
{
	return hypercall(__HYPERVISOR_memory_op, command, argument);
}

static unsigned long pages_owned(void)
{
	domid_t self = DOMID_SELF;

	return (unsigned long)memory_op(XENMEM_current_reservation, &self);
}

/* Takes a page out of our mappings, so that its frame has no reference but the owner's. */
static unsigned long given_unmapped_frame(void *page)
{
	unsigned long mfn = virt_to_mfn(page);

	check_equal(memory_protect(page, 0), 0);
	return mfn;
}

static void put_back(void *page, unsigned long mfn)
{
	memory_p2m[virt_to_pfn(page)] = mfn;
	check_equal(memory_update(mfn << 12 | MMU_MACHPHYS_UPDATE, virt_to_pfn(page)), 0);
	check_equal(memory_protect(page, PTE_KERNEL), 0);
}

static void frame_given_back_is_gone(void)
{
	void *page = page_alloc();
	xen_pfn_t mfn = given_unmapped_frame(page), pfn = virt_to_pfn(page);
	struct xen_memory_reservation reservation = reservation_of(&mfn, 1, 0);
	unsigned long owned = pages_owned();

	check_equal(memory_op(XENMEM_decrease_reservation, &reservation), 1);
	check_equal(pages_owned(), owned - 1);
	check(hypercall(__HYPERVISOR_update_va_mapping, page, mfn << 12 | PTE_KERNEL, 0) < 0);
	reservation = reservation_of(&pfn, 1, 0);
	check_equal(memory_op(XENMEM_populate_physmap, &reservation), 1);
	check_equal(pages_owned(), owned);
	check_equal(mfn_to_pfn(pfn), virt_to_pfn(page));
	put_back(page, pfn);
	page_free(page);
}

static void frame_given_back_twice_counts_once(void)
{
	void *page = page_alloc();
	xen_pfn_t frames[2];
	struct xen_memory_reservation reservation = reservation_of(frames, 2, 0);
	unsigned long owned = pages_owned();

	frames[0] = frames[1] = given_unmapped_frame(page);
	check_equal(memory_op(XENMEM_decrease_reservation, &reservation), 1);
	check_equal(pages_owned(), owned - 1);
	frames[0] = virt_to_pfn(page);
	reservation = reservation_of(frames, 1, 0);
	check_equal(memory_op(XENMEM_populate_physmap, &reservation), 1);
	put_back(page, frames[0]);
	page_free(page);
}

/* Still mapped: it leaves us only when the last mapping goes; until then it stays as it was. */
static void frame_that_is_still_mapped_stays_readable_until_unmapped(void)
{
	uint64_t *page = page_alloc();
	xen_pfn_t mfn = virt_to_mfn(page), pfn = virt_to_pfn(page);
	struct xen_memory_reservation reservation = reservation_of(&mfn, 1, 0);

	page[1] = 0x1234;
	check_equal(memory_op(XENMEM_decrease_reservation, &reservation), 1);
	check_equal(page[1], 0x1234);
	check_equal(memory_protect(page, 0), 0);
	check(hypercall(__HYPERVISOR_update_va_mapping, page, mfn << 12 | PTE_KERNEL, 0) < 0);
	reservation = reservation_of(&pfn, 1, 0);
	check_equal(memory_op(XENMEM_populate_physmap, &reservation), 1);
	put_back(page, pfn);
	page_free(page);
}

static void frames_that_are_not_ours_cannot_be_given_back(void)
{
	xen_pfn_t frames[] = { 0xfee00, 1UL << 40, ~0UL };
	unsigned long owned = pages_owned();

	for (unsigned int i = 0; i < 3; i++) {
		struct xen_memory_reservation reservation = reservation_of(&frames[i], 1, 0);

		check_equal(memory_op(XENMEM_decrease_reservation, &reservation), 0);
	}
	check_equal(pages_owned(), owned);
}

static void page_table_cannot_be_given_back_while_in_use(void)
{
	xen_pfn_t mfn = memory_base_mfn;
	struct xen_memory_reservation reservation = reservation_of(&mfn, 1, 0);
	uint64_t before = ((uint64_t *)mfn_to_virt(mfn))[511];

	memory_op(XENMEM_decrease_reservation, &reservation);
	check_equal(((uint64_t *)mfn_to_virt(mfn))[511], before);
}

static void new_frame_comes_cleared(void)
{
	uint64_t *page = page_alloc(), sum = 0;
	xen_pfn_t frame;
	struct xen_memory_reservation reservation = reservation_of(&frame, 1, 0);

	page[3] = 0xbadbadbad;
	frame = given_unmapped_frame(page);
	check_equal(memory_op(XENMEM_decrease_reservation, &reservation), 1);
	frame = virt_to_pfn(page);
	reservation = reservation_of(&frame, 1, 0);
	check_equal(memory_op(XENMEM_populate_physmap, &reservation), 1);
	put_back(page, frame);
	for (unsigned int i = 0; i < 512; i++)
		sum |= page[i];
	/* Xen leaves Dom0 what it gave back itself; nobody else's data may be seen. */
	check(sum == 0 || sum == 0xbadbadbad || !on_skink());
	page_free(page);
}

static void reservation_beyond_the_maximum_is_refused(void)
{
	xen_pfn_t frame = boot_info->nr_pages;
	struct xen_memory_reservation reservation = reservation_of(&frame, 1, 0);
	domid_t self = DOMID_SELF;
	long maximum = memory_op(XENMEM_maximum_reservation, &self);

	check(maximum >= (long)pages_owned());
	if (maximum == (long)pages_owned())
		check_equal(memory_op(XENMEM_populate_physmap, &reservation), 0);
}

static void impossible_orders_are_refused(void)
{
	xen_pfn_t frame = 0;
	struct xen_memory_reservation reservation = reservation_of(&frame, 1, 40);
	unsigned long owned = pages_owned();

	check(memory_op(XENMEM_populate_physmap, &reservation) <= 0);
	check(memory_op(XENMEM_increase_reservation, &reservation) <= 0);
	check(memory_op(XENMEM_decrease_reservation, &reservation) <= 0);
	reservation = reservation_of(&frame, ~0UL, 0);
	check(memory_op(XENMEM_decrease_reservation, &reservation) <= 0);
	check_equal(pages_owned(), owned);
}

static void reservation_of_another_domain_is_refused(void)
{
	xen_pfn_t frame = 0;
	struct xen_memory_reservation reservation = reservation_of(&frame, 1, 0);
	domid_t nobody = 77;

	reservation.domid = nobody;
	check(memory_op(XENMEM_populate_physmap, &reservation) <= 0);
	check_equal(memory_op(XENMEM_current_reservation, &nobody), -XEN_ESRCH);
	check_equal(memory_op(XENMEM_maximum_reservation, &nobody), -XEN_ESRCH);
}

static void increase_gives_a_frame_without_a_place(void)
{
	void *page = page_alloc();
	xen_pfn_t frame = given_unmapped_frame(page);
	struct xen_memory_reservation reservation = reservation_of(&frame, 1, 0);

	check_equal(memory_op(XENMEM_decrease_reservation, &reservation), 1);
	frame = 0;
	check_equal(memory_op(XENMEM_increase_reservation, &reservation), 1);
	check(frame != 0);
	put_back(page, frame);
	page_free(page);
}

static void exchange_gives_other_frames_for_ours(void)
{
	void *pages[2] = { page_alloc(), page_alloc() };
	xen_pfn_t in[2], out[2];
	struct xen_memory_exchange exchange = { 0 };
	unsigned long owned = pages_owned();

	for (unsigned int i = 0; i < 2; i++) {
		in[i] = given_unmapped_frame(pages[i]);
		out[i] = virt_to_pfn(pages[i]);
	}
	exchange.in = reservation_of(in, 2, 0);
	exchange.out = reservation_of(out, 2, 0);
	check_equal(memory_op(XENMEM_exchange, &exchange), 0);
	check_equal(exchange.nr_exchanged, 2);
	check_equal(pages_owned(), owned);
	for (unsigned int i = 0; i < 2; i++) {
		check_equal(mfn_to_pfn(out[i]), virt_to_pfn(pages[i]));
		put_back(pages[i], out[i]);
		page_free(pages[i]);
	}
}

static void exchange_makes_one_large_extent_of_small_ones(void)
{
	char *pages = page_alloc_many(8);
	xen_pfn_t in[8], out = virt_to_pfn(pages);
	struct xen_memory_exchange exchange = { 0 };

	for (unsigned int i = 0; i < 8; i++)
		in[i] = given_unmapped_frame(pages + i * PAGE_SIZE);
	exchange.in = reservation_of(in, 8, 0);
	exchange.out = reservation_of(&out, 1, 3);
	check_equal(memory_op(XENMEM_exchange, &exchange), 0);
	check_equal(exchange.nr_exchanged, 8);
	check_equal(out % 8, 0);
	for (unsigned int i = 0; i < 8; i++)
		put_back(pages + i * PAGE_SIZE, out + i);
}

static void exchange_of_unequal_sizes_is_refused(void)
{
	xen_pfn_t in[2] = { 0 }, out = 0;
	struct xen_memory_exchange exchange = { 0 };

	exchange.in = reservation_of(in, 2, 0);
	exchange.out = reservation_of(&out, 1, 0);
	check_equal(memory_op(XENMEM_exchange, &exchange), -XEN_EINVAL);
	exchange.nr_exchanged = 1;
	check(memory_op(XENMEM_exchange, &exchange) < 0);
}

static void exchange_of_frames_that_are_not_ours_is_refused(void)
{
	xen_pfn_t in = 0xfee00, out = 5;
	struct xen_memory_exchange exchange = { 0 };
	unsigned long owned = pages_owned();

	exchange.in = reservation_of(&in, 1, 0);
	exchange.out = reservation_of(&out, 1, 0);
	check(memory_op(XENMEM_exchange, &exchange) < 0);
	check_equal(exchange.nr_exchanged, 0);
	check_equal(pages_owned(), owned);
}

static void maximum_ram_page_is_above_ours(void)
{
	long last = memory_op(XENMEM_maximum_ram_page, NULL);

	for (unsigned long pfn = 0; pfn < boot_info->nr_pages; pfn++)
		if ((long)memory_p2m[pfn] > last)
			check_that(false, "frame %lx is above %lx", memory_p2m[pfn], last);
}

static void machphys_mapping_is_at_its_architectural_address(void)
{
	struct xen_machphys_mapping mapping = { 0 };

	check_equal(memory_op(XENMEM_machphys_mapping, &mapping), 0);
	check_equal(mapping.v_start, MACH2PHYS_VIRT_START);
	printf("# M2P %lx to %lx, up to frame %lx\n", mapping.v_start, mapping.v_end, mapping.max_mfn);
	check(mapping.v_end <= MACH2PHYS_VIRT_END && mapping.v_end > mapping.v_start);
	check(mapping.max_mfn >= virt_to_mfn(boot_info));
}

static void memory_map_covers_our_pages(void)
{
	struct {
		uint64_t address, size;
		uint32_t type;
	} __attribute__((packed)) entries[32];
	struct xen_memory_map map = { .nr_entries = 32 };
	long result;

	set_xen_guest_handle(map.buffer, (void *)entries);
	result = memory_op(XENMEM_memory_map, &map);
	check(result == 0 || result == -XEN_ENOSYS); /* Dom0 was given none */
	if (result == 0)
		check(map.nr_entries >= 1 && map.nr_entries <= 32);
}

static void machine_memory_map_is_for_dom0(void)
{
	struct {
		uint64_t address, size;
		uint32_t type;
	} __attribute__((packed)) entries[64];
	struct xen_memory_map map = { .nr_entries = 64 };
	long result;

	set_xen_guest_handle(map.buffer, (void *)entries);
	result = memory_op(XENMEM_machine_memory_map, &map);
	if (!boot_is_dom0()) {
		check_equal(result, -XEN_EPERM);
		return;
	}
	check_equal(result, 0);
	check(map.nr_entries >= 1 && map.nr_entries <= 64);
	check_equal(entries[0].address, 0);
	check_equal(entries[0].type, 1);
}

static void hvm_places_are_refused_to_pv(void)
{
	struct xen_add_to_physmap add = { .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = 5 };
	struct xen_remove_from_physmap remove = { .domid = DOMID_SELF, .gpfn = 5 };
	unsigned long owned = pages_owned();

	check(memory_op(XENMEM_add_to_physmap, &add) < 0);
	check(memory_op(XENMEM_remove_from_physmap, &remove) < 0);
	check_equal(pages_owned(), owned);
}

/* A whole run of one kind, in one hypercall. */
static void many_frames_go_and_come_in_one_call(void)
{
	enum { COUNT = 1500 };
	static xen_pfn_t frames[COUNT];
	char *pages = page_alloc_many(COUNT);
	struct xen_memory_reservation reservation = reservation_of(frames, COUNT, 0);
	unsigned long owned = pages_owned();

	for (unsigned int i = 0; i < COUNT; i++)
		frames[i] = given_unmapped_frame(pages + i * PAGE_SIZE);
	check_equal(memory_op(XENMEM_decrease_reservation, &reservation), COUNT);
	check_equal(pages_owned(), owned - COUNT);
	for (unsigned int i = 0; i < COUNT; i++)
		frames[i] = virt_to_pfn(pages) + i;
	reservation = reservation_of(frames, COUNT, 0);
	check_equal(memory_op(XENMEM_populate_physmap, &reservation), COUNT);
	check_equal(pages_owned(), owned);
	for (unsigned int i = 0; i < COUNT; i++)
		put_back(pages + i * PAGE_SIZE, frames[i]);
}

static const struct tap_test tests[] = {
	TEST(frame_given_back_is_gone),
	TEST(frame_given_back_twice_counts_once),
	TEST(frame_that_is_still_mapped_stays_readable_until_unmapped),
	TEST(frames_that_are_not_ours_cannot_be_given_back),
	TEST(page_table_cannot_be_given_back_while_in_use),
	TEST(new_frame_comes_cleared),
	TEST(reservation_beyond_the_maximum_is_refused),
	TEST(impossible_orders_are_refused),
	TEST(reservation_of_another_domain_is_refused),
	TEST(increase_gives_a_frame_without_a_place),
	TEST(exchange_gives_other_frames_for_ours),
	TEST(exchange_makes_one_large_extent_of_small_ones),
	TEST(exchange_of_unequal_sizes_is_refused),
	TEST(exchange_of_frames_that_are_not_ours_is_refused),
	TEST(maximum_ram_page_is_above_ours),
	TEST(machphys_mapping_is_at_its_architectural_address),
	TEST(memory_map_covers_our_pages),
	TEST(machine_memory_map_is_for_dom0),
	TEST(hvm_places_are_refused_to_pv),
	TEST(many_frames_go_and_come_in_one_call),
};

TAP_MAIN(tests)
