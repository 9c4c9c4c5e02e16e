/* SPDX-License-Identifier: MIT */
/* Grant tables, version 1, by a domain that lends to itself; most of what is tried must be refused. */
/* QEMU smap: -cpu max */
#include "tap.h"

#include "runtime/events.h"
#include "runtime/grants.h"

#define WINDOW 0x5000000000UL

static domid_t self;

static domid_t find_own_id(void)
{
	struct evtchn_status status;
	evtchn_port_t port;

	ASSERT(event_alloc(DOMID_SELF, &port) == 0);
	event_status(port, &status);
	event_close(port);
	return status.u.unbound.dom;
}

/* An L1 entry at WINDOW, empty, with its tables. */
static void given_window(void)
{
	check_equal(memory_map(WINDOW, 0), 0);
	check_equal(memory_map(WINDOW + PAGE_SIZE, 0), 0);
}

static void write_at(void *address)
{
	*(volatile uint64_t *)address = 0x77;
}

static bool write_faults(uint64_t address)
{
	struct trap_frame frame;

	return trap_try(&frame, write_at, (void *)address) && frame.vector == TRAP_PAGE_FAULT;
}

static int map_ro(grant_ref_t gref, grant_handle_t *handle)
{
	return grant_map(WINDOW, GNTMAP_host_map | GNTMAP_readonly, gref, self, handle);
}

static int map_rw(grant_ref_t gref, grant_handle_t *handle)
{
	return grant_map(WINDOW, GNTMAP_host_map, gref, self, handle);
}

/* Mapping */

static void mapped_page_is_the_lenders_page(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, 0);
	grant_handle_t handle;

	given_window();
	check_equal(map_rw(gref, &handle), GNTST_okay);
	check_equal(grant_entries[gref].flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing);
	*(volatile uint64_t *)WINDOW = 0xcafe;
	check_equal(*page, 0xcafe);
	check(!grant_withdraw(gref));
	check_equal(grant_unmap(WINDOW, handle), GNTST_okay);
	check_equal(grant_entries[gref].flags & (GTF_reading | GTF_writing), 0);
	check(write_faults(WINDOW));
	check(grant_withdraw(gref));
	page_free(page);
}

static void read_only_mapping_cannot_be_written(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, 0);
	grant_handle_t handle;

	given_window();
	*page = 0x1234;
	check_equal(map_ro(gref, &handle), GNTST_okay);
	check_equal(grant_entries[gref].flags & (GTF_reading | GTF_writing), GTF_reading);
	check_equal(*(volatile uint64_t *)WINDOW, 0x1234);
	check(write_faults(WINDOW));
	check_equal(grant_unmap(WINDOW, handle), GNTST_okay);
	grant_withdraw(gref);
	page_free(page);
}

static void read_only_grant_cannot_be_mapped_writable(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, GTF_readonly);
	grant_handle_t handle;

	given_window();
	check(map_rw(gref, &handle) < 0);
	check_equal(grant_entries[gref].flags, GTF_permit_access | GTF_readonly);
	check_equal(map_ro(gref, &handle), GNTST_okay);
	check_equal(grant_unmap(WINDOW, handle), GNTST_okay);
	grant_withdraw(gref);
	page_free(page);
}

static void withdrawn_grant_cannot_be_mapped(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, 0);
	grant_handle_t handle;

	given_window();
	check(grant_withdraw(gref));
	check_equal(map_rw(gref, &handle), GNTST_general_error);
	page_free(page);
}

static void grant_for_another_domain_cannot_be_mapped(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(77, page, 0);
	grant_handle_t handle;

	given_window();
	check_equal(map_rw(gref, &handle), GNTST_general_error);
	grant_withdraw(gref);
	page_free(page);
}

static void grant_of_a_domain_that_is_not_there_is_a_bad_domain(void)
{
	grant_handle_t handle;

	given_window();
	check_equal(grant_map(WINDOW, GNTMAP_host_map, 8, 77, &handle), GNTST_bad_domain);
	check_equal(grant_map(WINDOW, GNTMAP_host_map, 8, DOMID_IO, &handle), GNTST_bad_domain);
}

static void reference_out_of_range_is_a_bad_reference(void)
{
	grant_handle_t handle;

	given_window();
	check_equal(map_rw(grant_entry_count * 1000, &handle), GNTST_bad_gntref);
	check_equal(map_rw(0xffffffff, &handle), GNTST_bad_gntref);
}

static void grant_of_a_frame_that_is_not_ours_is_refused(void)
{
	static const uint32_t frames[] = { 0xfee00, 0x7fffffff, 0xffffffff };
	grant_handle_t handle;

	given_window();
	for (unsigned int i = 0; i < 3; i++) {
		grant_set(20, GTF_permit_access, self, frames[i]);
		check_that(map_rw(20, &handle) < 0, "frame %x", frames[i]);
		grant_set(20, 0, 0, 0);
	}
}

/* A page table lent out must not become writable this way either. */
static void grant_of_a_page_table_cannot_be_mapped_writable(void)
{
	grant_handle_t handle;

	given_window();
	grant_set(20, GTF_permit_access, self, memory_base_mfn);
	check(map_rw(20, &handle) < 0);
	check_equal(map_ro(20, &handle), GNTST_okay);
	check_equal(grant_unmap(WINDOW, handle), GNTST_okay);
	grant_set(20, 0, 0, 0);
}

static void mapping_to_a_bad_address_is_refused(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, 0);
	grant_handle_t handle;

	check(grant_map(0xffff830000000000, GNTMAP_host_map, gref, self, &handle) < 0);
	check(grant_map(0x0000900000000000, GNTMAP_host_map, gref, self, &handle) < 0);
	check(grant_map(0x0000123456789000, GNTMAP_host_map, gref, self, &handle) < 0); /* no table there */
	check_equal(grant_entries[gref].flags, GTF_permit_access);
	check(grant_withdraw(gref));
	page_free(page);
}

static void mapping_for_nothing_is_refused(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, 0);
	grant_handle_t handle;

	check_equal(grant_map(WINDOW, 0, gref, self, &handle), GNTST_bad_gntref);
	grant_withdraw(gref);
	page_free(page);
}

static void grant_is_mapped_twice_and_counted(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, 0);
	grant_handle_t first, second;

	given_window();
	check_equal(map_rw(gref, &first), GNTST_okay);
	check_equal(grant_map(WINDOW + PAGE_SIZE, GNTMAP_host_map, gref, self, &second), GNTST_okay);
	check(first != second);
	check_equal(grant_unmap(WINDOW, first), GNTST_okay);
	check_equal(grant_entries[gref].flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing);
	check_equal(grant_unmap(WINDOW + PAGE_SIZE, second), GNTST_okay);
	check_equal(grant_entries[gref].flags & (GTF_reading | GTF_writing), 0);
	grant_withdraw(gref);
	page_free(page);
}

static void mapping_by_page_table_entry_works(void)
{
	uint64_t *page = page_alloc(), entry;
	grant_ref_t gref = grant_lend(self, page, 0);
	grant_handle_t handle;

	given_window();
	entry = memory_entry_address(memory_entry(memory_base_mfn, WINDOW, 1));
	check_equal(grant_map(entry, GNTMAP_host_map | GNTMAP_contains_pte, gref, self, &handle), GNTST_okay);
	*(volatile uint64_t *)WINDOW = 0xbeef;
	check_equal(*page, 0xbeef);
	check_equal(grant_unmap(entry, handle), GNTST_okay);
	check(grant_withdraw(gref));
	page_free(page);
}

static void mapping_into_somebody_elses_table_is_refused(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, 0);
	grant_handle_t handle;

	check(grant_map(0xfee00000, GNTMAP_host_map | GNTMAP_contains_pte, gref, self, &handle) < 0);
	check(grant_map(0x1000, GNTMAP_host_map | GNTMAP_contains_pte, gref, self, &handle) < 0);
	check(grant_map(virt_to_mfn(page) << 12, GNTMAP_host_map | GNTMAP_contains_pte, gref, self, &handle) < 0);
	check_equal(*page, 0);
	check(grant_withdraw(gref));
	page_free(page);
}

/* Unmapping */

static void unmap_of_a_bad_handle_is_refused(void)
{
	check_equal(grant_unmap(WINDOW, 123456), GNTST_bad_handle);
	check_equal(grant_unmap(WINDOW, 0xffffffff), GNTST_bad_handle);
}

static void unmap_twice_is_refused(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, 0);
	grant_handle_t handle;

	given_window();
	check_equal(map_rw(gref, &handle), GNTST_okay);
	check_equal(grant_unmap(WINDOW, handle), GNTST_okay);
	check(grant_unmap(WINDOW, handle) < 0);
	check(grant_withdraw(gref));
	page_free(page);
}

static void unmap_at_another_address_is_refused(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, 0);
	grant_handle_t handle;

	given_window();
	check_equal(map_rw(gref, &handle), GNTST_okay);
	check(grant_unmap(WINDOW + PAGE_SIZE, handle) < 0);
	check(!grant_withdraw(gref));
	check_equal(grant_unmap(WINDOW, handle), GNTST_okay);
	check(grant_withdraw(gref));
	page_free(page);
}

/* The user maps a grant and lets its own page table entry go, without telling: G1 must hold all the same. */
static void entry_of_a_grant_that_is_overwritten_stays_pinned_down(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, 0);
	grant_handle_t handle;

	given_window();
	check_equal(map_rw(gref, &handle), GNTST_okay);
	memory_map(WINDOW, 0);
	check(!grant_withdraw(gref));
	check(grant_unmap(WINDOW, handle) < 0 || grant_withdraw(gref));
	page_free(page);
}

/* Each of a batch has its own status, and the rest goes on. */
static void batch_gives_each_its_status(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, 0);
	struct gnttab_map_grant_ref maps[3];
	struct gnttab_unmap_grant_ref unmaps[2];

	given_window();
	for (unsigned int i = 0; i < 3; i++)
		maps[i] = (struct gnttab_map_grant_ref){ .host_addr = WINDOW + (i == 2) * PAGE_SIZE,
							 .flags = GNTMAP_host_map,
							 .ref = i == 1 ? 0xffffff : gref, .dom = self };
	check_equal(grant_op(GNTTABOP_map_grant_ref, maps, 3), 0);
	check_equal(maps[0].status, GNTST_okay);
	check_equal(maps[1].status, GNTST_bad_gntref);
	check_equal(maps[2].status, GNTST_okay);
	unmaps[0] = (struct gnttab_unmap_grant_ref){ .host_addr = WINDOW, .handle = maps[0].handle };
	unmaps[1] = (struct gnttab_unmap_grant_ref){ .host_addr = WINDOW + PAGE_SIZE, .handle = maps[2].handle };
	check_equal(grant_op(GNTTABOP_unmap_grant_ref, unmaps, 2), 0);
	check(unmaps[0].status == GNTST_okay && unmaps[1].status == GNTST_okay);
	check(grant_withdraw(gref));
	page_free(page);
}

static void large_batch_is_done_whole(void)
{
	enum { COUNT = 200 };
	static struct gnttab_copy copies[COUNT];
	uint64_t *from = page_alloc(), *to = page_alloc();
	grant_ref_t gref = grant_lend(self, from, GTF_readonly);

	from[0] = 5;
	for (unsigned int i = 0; i < COUNT; i++) {
		copies[i] = (struct gnttab_copy){ .len = 8, .flags = GNTCOPY_source_gref, .status = 77 };
		copies[i].source.u.ref = gref;
		copies[i].source.domid = self;
		copies[i].dest.u.gmfn = virt_to_mfn(to);
		copies[i].dest.domid = DOMID_SELF;
		copies[i].dest.offset = (uint16_t)(i * 8);
	}
	check_equal(grant_op(GNTTABOP_copy, copies, COUNT), 0);
	for (unsigned int i = 0; i < COUNT; i++)
		if (copies[i].status != GNTST_okay || to[i] != 5)
			check_that(false, "copy %u: %d", i, copies[i].status);
	check(grant_withdraw(gref));
	page_free(from);
	page_free(to);
}

/* Copy */

static struct gnttab_copy copy_of(grant_ref_t gref, void *to, uint16_t from_offset, uint16_t to_offset,
				  uint16_t length)
{
	struct gnttab_copy copy = { .len = length, .flags = GNTCOPY_source_gref };

	copy.source.u.ref = gref;
	copy.source.domid = self;
	copy.source.offset = from_offset;
	copy.dest.u.gmfn = virt_to_mfn(to);
	copy.dest.domid = DOMID_SELF;
	copy.dest.offset = to_offset;
	return copy;
}

static int copy_status(struct gnttab_copy copy)
{
	int error = grant_op(GNTTABOP_copy, &copy, 1);

	return error ? error : copy.status;
}

static void copy_moves_exactly_its_bytes(void)
{
	uint8_t *from = page_alloc(), *to = page_alloc();
	grant_ref_t gref = grant_lend(self, from, GTF_readonly);

	memset(from, 0xaa, PAGE_SIZE);
	check_equal(copy_status(copy_of(gref, to, 100, 200, 50)), GNTST_okay);
	check(to[199] == 0 && to[200] == 0xaa && to[249] == 0xaa && to[250] == 0);
	check_equal(copy_status(copy_of(gref, to, 0, 0, PAGE_SIZE)), GNTST_okay);
	check(memcmp(from, to, PAGE_SIZE) == 0);
	check_equal(copy_status(copy_of(gref, to, 0, 0, 0)), GNTST_okay);
	check_equal(grant_entries[gref].flags, GTF_permit_access | GTF_readonly);
	check(grant_withdraw(gref));
	page_free(from);
	page_free(to);
}

static void copy_across_a_page_is_refused(void)
{
	uint8_t *from = page_alloc(), *to = page_alloc();
	grant_ref_t gref = grant_lend(self, from, GTF_readonly);

	check_equal(copy_status(copy_of(gref, to, 4000, 0, 97)), GNTST_bad_copy_arg);
	check_equal(copy_status(copy_of(gref, to, 0, 4000, 97)), GNTST_bad_copy_arg);
	check_equal(copy_status(copy_of(gref, to, 0xffff, 0, 1)), GNTST_bad_copy_arg);
	check_equal(copy_status(copy_of(gref, to, 0, 0, 0xffff)), GNTST_bad_copy_arg);
	check(grant_withdraw(gref));
	page_free(from);
	page_free(to);
}

static void copy_to_a_read_only_grant_is_refused(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, GTF_readonly);
	struct gnttab_copy copy = { .len = 8, .flags = GNTCOPY_dest_gref };

	copy.source.u.gmfn = virt_to_mfn(boot_info);
	copy.source.domid = DOMID_SELF;
	copy.dest.u.ref = gref;
	copy.dest.domid = self;
	check(copy_status(copy) < 0);
	check_equal(page[0], 0);
	check(grant_withdraw(gref));
	page_free(page);
}

static void copy_to_a_page_table_is_refused(void)
{
	uint64_t *from = page_alloc(), *base = mfn_to_virt(memory_base_mfn), before = base[0];
	grant_ref_t gref = grant_lend(self, from, GTF_readonly);
	struct gnttab_copy copy = copy_of(gref, base, 0, 0, 8);

	check(copy_status(copy) < 0);
	check_equal(base[0], before);
	check(grant_withdraw(gref));
	page_free(from);
}

static void copy_without_a_grant_of_another_domain_is_refused(void)
{
	uint64_t *to = page_alloc();
	struct gnttab_copy copy = { .len = 8 };

	copy.source.u.gmfn = virt_to_mfn(boot_info);
	copy.source.domid = 77;
	copy.dest.u.gmfn = virt_to_mfn(to);
	copy.dest.domid = DOMID_SELF;
	check(copy_status(copy) < 0);
	copy.source.domid = DOMID_SELF;
	copy.source.u.gmfn = 0xfee00;
	check(copy_status(copy) < 0);
	copy.source.u.gmfn = ~0UL;
	check(copy_status(copy) < 0);
	page_free(to);
}

static void copy_of_a_withdrawn_grant_is_refused(void)
{
	uint64_t *from = page_alloc(), *to = page_alloc();
	grant_ref_t gref = grant_lend(self, from, GTF_readonly);

	grant_withdraw(gref);
	check_equal(copy_status(copy_of(gref, to, 0, 0, 8)), GNTST_general_error);
	page_free(from);
	page_free(to);
}

/* Transfer */

static void transfer_to_nobody_is_refused(void)
{
	void *page = page_alloc();
	struct gnttab_transfer transfer = { .mfn = virt_to_mfn(page), .domid = 77, .ref = 8 };

	check_equal(grant_op(GNTTABOP_transfer, &transfer, 1), 0);
	check(transfer.status < 0);
	check_equal(memory_protect(page, PTE_KERNEL), 0);
	transfer.mfn = 0xfee00;
	check_equal(grant_op(GNTTABOP_transfer, &transfer, 1), 0);
	check(transfer.status < 0);
	page_free(page);
}

/* The table itself */

static void size_is_told(void)
{
	struct gnttab_query_size query = { .dom = DOMID_SELF };

	check_equal(grant_op(GNTTABOP_query_size, &query, 1), 0);
	check_equal(query.status, GNTST_okay);
	check(query.nr_frames >= 1 && query.max_nr_frames >= query.nr_frames);
	query.dom = 77;
	check_equal(grant_op(GNTTABOP_query_size, &query, 1), 0);
	check_equal(query.status, GNTST_bad_domain);
}

static void table_larger_than_the_limit_is_refused(void)
{
	static xen_pfn_t frames[1];
	struct gnttab_query_size query = { .dom = DOMID_SELF };
	struct gnttab_setup_table setup = { .dom = DOMID_SELF };

	grant_op(GNTTABOP_query_size, &query, 1);
	setup.nr_frames = query.max_nr_frames + 1;
	set_xen_guest_handle(setup.frame_list, frames);
	check_equal(grant_op(GNTTABOP_setup_table, &setup, 1), 0);
	check(setup.status < 0);
}

static void table_grows_and_keeps_its_entries(void)
{
	uint64_t *page = page_alloc();
	grant_ref_t gref = grant_lend(self, page, 0);

	check_equal(grant_init(8), 0);
	check_equal(grant_entries[gref].flags, GTF_permit_access);
	check_equal(grant_entries[grant_entry_count - 1].flags, 0);
	check(grant_withdraw(gref));
	page_free(page);
}

/* The table is the hypervisor's memory: its frames are mapped by us and are still not ours. */
static void frames_of_the_table_cannot_be_page_tables(void)
{
	unsigned long mfn = (*memory_entry(memory_base_mfn, (uint64_t)grant_entries, 1) & PTE_FRAME) >> 12;

	check(memory_ext(MMUEXT_PIN_L1_TABLE, mfn) < 0);
}

static void version_is_1(void)
{
	struct gnttab_get_version get = { .dom = DOMID_SELF };
	struct gnttab_set_version set = { .version = 1 };

	check_equal(grant_op(GNTTABOP_set_version, &set, 1), 0);
	check_equal(grant_op(GNTTABOP_get_version, &get, 1), 0);
	check_equal(get.version, 1);
	set.version = 3;
	check_equal(grant_op(GNTTABOP_set_version, &set, 1), -XEN_EINVAL);
	set.version = 0;
	check_equal(grant_op(GNTTABOP_set_version, &set, 1), -XEN_EINVAL);
}

static void version_2_is_refused_on_skink(void)
{
	struct gnttab_set_version set = { .version = 2 };
	struct gnttab_get_status_frames status = { .nr_frames = 1, .dom = DOMID_SELF };
	uint64_t frame;

	if (!on_skink())
		return skip("for Skink");
	check_equal(grant_op(GNTTABOP_set_version, &set, 1), -XEN_ENOSYS);
	set_xen_guest_handle(status.frame_list, &frame);
	check(grant_op(GNTTABOP_get_status_frames, &status, 1) < 0 || status.status < 0);
}

static void swap_and_replace_are_refused_on_skink(void)
{
	struct gnttab_swap_grant_ref swap = { .ref_a = 30, .ref_b = 31 };
	struct gnttab_unmap_and_replace replace = { .host_addr = WINDOW };

	if (!on_skink())
		return skip("for Skink");
	check_equal(grant_op(GNTTABOP_swap_grant_ref, &swap, 1), -XEN_ENOSYS);
	check_equal(grant_op(GNTTABOP_unmap_and_replace, &replace, 1), -XEN_ENOSYS);
}

static const struct tap_test tests[] = {
	TEST(mapped_page_is_the_lenders_page),
	TEST(read_only_mapping_cannot_be_written),
	TEST(read_only_grant_cannot_be_mapped_writable),
	TEST(withdrawn_grant_cannot_be_mapped),
	TEST(grant_for_another_domain_cannot_be_mapped),
	TEST(grant_of_a_domain_that_is_not_there_is_a_bad_domain),
	TEST(reference_out_of_range_is_a_bad_reference),
	TEST(grant_of_a_frame_that_is_not_ours_is_refused),
	TEST(grant_of_a_page_table_cannot_be_mapped_writable),
	TEST(mapping_to_a_bad_address_is_refused),
	TEST(mapping_for_nothing_is_refused),
	TEST(grant_is_mapped_twice_and_counted),
	TEST(mapping_by_page_table_entry_works),
	TEST(mapping_into_somebody_elses_table_is_refused),
	TEST(unmap_of_a_bad_handle_is_refused),
	TEST(unmap_twice_is_refused),
	TEST(unmap_at_another_address_is_refused),
	TEST(entry_of_a_grant_that_is_overwritten_stays_pinned_down),
	TEST(batch_gives_each_its_status),
	TEST(large_batch_is_done_whole),
	TEST(copy_moves_exactly_its_bytes),
	TEST(copy_across_a_page_is_refused),
	TEST(copy_to_a_read_only_grant_is_refused),
	TEST(copy_to_a_page_table_is_refused),
	TEST(copy_without_a_grant_of_another_domain_is_refused),
	TEST(copy_of_a_withdrawn_grant_is_refused),
	TEST(transfer_to_nobody_is_refused),
	TEST(size_is_told),
	TEST(table_larger_than_the_limit_is_refused),
	TEST(table_grows_and_keeps_its_entries),
	TEST(frames_of_the_table_cannot_be_page_tables),
	TEST(version_is_1),
	TEST(version_2_is_refused_on_skink),
	TEST(swap_and_replace_are_refused_on_skink),
};

RUNTIME_KERNEL

void guest_main(void)
{
	struct gnttab_set_version set = { .version = 1 };

	self = find_own_id();
	grant_op(GNTTABOP_set_version, &set, 1);
	ASSERT(grant_init(1) == 0);
	tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
