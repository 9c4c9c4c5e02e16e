/* SPDX-License-Identifier: MIT */
/* hypervisor/iommu/ against a model of the hardware (vtd_model.h). Nothing here looks into tables: devices try. */
#include "vtd_model.h"

#include "lib/spinlock.h"

/* Their variables are set back for each case; they share some names. */
#define find		dmar_find
#include "../../hypervisor/iommu/dmar.c"
#undef find
#define table_new	pages_table_new
#include "../../hypervisor/iommu/pages.c"
#undef table_new
#define virt_to_paddr		model_paddr
#define cpu_relax_serving	model_time_passes
#include "../../hypervisor/iommu/unit.c"
#undef virt_to_paddr
#undef cpu_relax_serving
#include "../../hypervisor/iommu/iommu.c"

#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define PAGES_FIRST	(MODEL_TABLES_AT >> PAGE_SHIFT)
#define PAGES_MAX	(MODEL_TABLES_BYTES >> PAGE_SHIFT)
#define POOL		0x1000u		/* frames, beyond the fake RAM: nobody looks into them */
#define DMAR_ROOM	4096u
#define IOAPIC_SID	0xf8f0
#define EDU		0x0018u		/* 0:3.0 */
#define OTHER		0x0020u
#define SHARED		0x0500u

static struct { struct acpi_table header; uint8_t rest[DMAR_ROOM]; } table;
static bool has_table, x2apic_on, option_iommu;
static uint64_t page_used[PAGES_MAX / 64];
static uint32_t pages_used;
static uint32_t (*config)(uint32_t sbdf);

/* ---- what the rest of the core would say ---- */

bool option_flag(const char *name, bool otherwise) { return strcmp(name, "iommu") ? otherwise : option_iommu; }
bool apic_is_x2apic(void) { return x2apic_on; }
const struct acpi_table *acpi_find(const char *signature) { return has_table && !strcmp(signature, "DMAR") ? &table.header : NULL; }
uint32_t pci_config_read(uint32_t sbdf, uint32_t offset, uint32_t bytes) { return config && offset == 0x18 ? config(sbdf) : UINT32_MAX; }

bool pci_shares_name(uint32_t sbdf) { return sbdf == SHARED; }

#define MACHINE_FUNCTIONS 4
static struct pci_function machine[MACHINE_FUNCTIONS];
struct pci_function *pci_functions = machine;

struct pci_function *pci_find(uint32_t sbdf)
{
	for (uint32_t i = 0; i < MACHINE_FUNCTIONS; i++)
		if (machine[i].sbdf == sbdf)
			return &machine[i];
	return NULL;
}

static uint64_t fault_count(uint32_t sbdf) { return pci_find(sbdf) ? pci_find(sbdf)->faults : 0; }

static void given_functions(void)
{
	static const uint32_t sbdfs[MACHINE_FUNCTIONS] = { EDU, EDU + 1, OTHER, SHARED };

	for (uint32_t i = 0; i < MACHINE_FUNCTIONS; i++)
		machine[i] = (struct pci_function){ .next = i + 1 < MACHINE_FUNCTIONS ? &machine[i + 1] : NULL,
						    .sbdf = sbdfs[i], .attached_to = DOMID_INVALID };
}

uint64_t acpi_field(const struct acpi_table *from, uint32_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	if ((uint64_t)offset + bytes <= from->bytes)
		memcpy(&value, (const uint8_t *)from + offset, bytes);
	return value;
}

void *heap_alloc(size_t bytes)
{
	uint32_t n = 0;

	if (fake.heap_fail_call && --fake.heap_fail_call == 0)
		return NULL;
	if (bytes < PAGE_SIZE)
		return calloc(1, bytes);
	while (page_used[n / 64] >> (n % 64) & 1)
		n++;
	page_used[n / 64] |= 1ULL << (n % 64);
	pages_used++;
	return memset(mfn_to_virt(mfn(PAGES_FIRST + n)), 0, PAGE_SIZE);
}

void heap_free(void *memory)
{
	uint64_t n = virt_to_mfn(memory).raw - PAGES_FIRST;

	/* What is freed is soon something else. */
	memset(memory, 0xff, PAGE_SIZE);
	cache_write_back(memory, PAGE_SIZE);
	page_used[n / 64] &= ~(1ULL << (n % 64));
	pages_used--;
}

paddr_t core_page(void) { return virt_to_paddr(heap_alloc(PAGE_SIZE)); }

/* ---- given ---- */

static uint8_t *add(uint32_t bytes)
{
	uint8_t *place = (uint8_t *)&table + table.header.bytes;

	table.header.bytes += bytes;
	return memset(place, 0, bytes);
}

static uint8_t *given_structure(uint8_t type, uint8_t bytes)
{
	uint8_t *at = add(bytes);

	at[0] = type;
	at[2] = bytes;
	return at;
}

static void given_scope(uint8_t *structure, uint8_t type, uint8_t id, uint32_t sbdf)
{
	uint8_t *at = add(8);

	at[0] = type;
	at[1] = 8;
	at[4] = id;
	at[5] = sbdf >> 8 & 0xff;
	at[6] = sbdf >> 3 & 31;
	at[7] = sbdf & 7;
	structure[2] = (uint8_t)(structure[2] + 8);
}

static uint8_t *given_unit(uint32_t n, bool takes_rest)
{
	uint8_t *at = given_structure(0, 16);
	uint64_t address = MODEL_AT + n * 0x2000;

	at[4] = takes_rest;
	memcpy(at + 8, &address, 8);
	return at;
}

static uint8_t *given_reserved(void) { return given_structure(1, 24); }

static void given_table(void)
{
	table.header.bytes = 48;
	has_table = true;
}

static void given_no_units(void)
{
	given_table();
	option_iommu = true;
	x2apic_on = false;
	config = NULL;
	memset(page_used, 0, sizeof(page_used));
	memset(vtd_units, 0, sizeof(vtd_units));
	pages_used = 0;
	is_on = false;
	pool_ids = 1;
	given_functions();
	stray_faults = 0;
	limits.depths = DEPTHS_KNOWN;
	limits.address_bits = 64;
	limits.pools = 65536;
	limits.has_large = true;
	model_reset();
}

/* One that takes all functions, and the IOAPIC 2. */
static void given(void)
{
	given_no_units();
	given_scope(given_unit(0, true), SCOPE_IOAPIC, 2, IOAPIC_SID);
	cpu_by_id[0]->apic_id = 5;
	iommu_init();
}

static struct domain *given_pool(uint64_t first, uint64_t count)
{
	struct domain *domain = given_domain();

	CU_ASSERT_EQUAL_FATAL(iommu_pool_map(domain, mfn(first), count), 0);
	return domain;
}

static void none_was_off_track(void)
{
	for (const struct model *m = model; m < model + MODEL_UNITS; m++)
		if (m->was_off_track)
			CU_FAIL(m->why);
}

static bool reaches(uint32_t sbdf, uint64_t frame)
{
	bool reads = model_dma(0, (uint16_t)sbdf, frame << PAGE_SHIFT, false);
	bool writes = model_dma(0, (uint16_t)sbdf, (frame << PAGE_SHIFT) + 0xff8, true);

	CU_ASSERT_EQUAL(reads, writes);
	return writes;
}

/* ---- memory ---- */

static void a_function_that_is_not_attached_reaches_nothing(void)		/* N1 */
{
	given();
	CU_ASSERT_TRUE(iommu_is_there());
	(void)given_pool(POOL, 16);
	for (uint32_t sbdf = 0; sbdf < 0x10000; sbdf += 0x35)
		CU_ASSERT_FALSE(reaches(sbdf, POOL));
	none_was_off_track();
}

static void an_attached_function_reaches_its_pool_and_nothing_else(void)	/* N2 */
{
	struct domain *one, *two;

	given();
	one = given_pool(POOL + 1, 16);
	two = given_pool(POOL + 100, 1);
	CU_ASSERT_EQUAL(iommu_device_attach(EDU, one), 0);
	CU_ASSERT_EQUAL(iommu_device_attach(OTHER, two), 0);
	for (uint64_t frame = POOL - 8; frame < POOL + 110; frame++) {
		CU_ASSERT_EQUAL(reaches(EDU, frame), frame >= POOL + 1 && frame < POOL + 17);
		CU_ASSERT_EQUAL(reaches(OTHER, frame), frame == POOL + 100);
	}
	for (uint32_t sbdf = 0; sbdf < 0x100; sbdf++)
		CU_ASSERT_EQUAL(reaches(sbdf, POOL + 1), sbdf == EDU);
	CU_ASSERT_FALSE(reaches(EDU, POOL + 1 + (1ULL << 27)));
	CU_ASSERT_FALSE(reaches(EDU, POOL + 1 + (1ULL << 36)));
	none_was_off_track();
}

/* Each border of each pool, in all that hardware can be. */
static void pools_of_all_places_and_sizes_are_exact(void)
{
	static const uint32_t depths[] = { 2, 4, 6 };
	struct domain *domain;
	uint64_t first, count;

	srand(1);
	for (uint32_t round = 0; round < 300; round++) {
		given_no_units();
		model[0].capability = MODEL_CAP(depths[round % 3], 39, round % 2 ? 3 : 0, 4) | MODEL_CAP_DRAIN;
		given_unit(0, true);
		iommu_init();
		count = 1 + (uint32_t)rand() % 4096;
		first = (uint64_t)rand() % (1U << 27) & (round % 5 ? ~0ULL : ~511ULL);
		if (round % 7 == 0)
			first = (first & ~0x3ffffULL) + 0x40000 - count / 2;
		first = MIN(first, (1ULL << 27) - count);
		domain = given_pool(first, count);
		CU_ASSERT_EQUAL(iommu_device_attach(EDU, domain), 0);
		CU_ASSERT_TRUE(reaches(EDU, first) && reaches(EDU, first + count - 1));
		CU_ASSERT_FALSE(reaches(EDU, first - 1) || reaches(EDU, first + count));
		for (uint32_t i = 0; i < 64; i++) {
			uint64_t frame = (first + (uint32_t)rand() % (3 * count) - count) & ((1ULL << 27) - 1);

			CU_ASSERT_EQUAL(reaches(EDU, frame), frame - first < count);
		}
		iommu_device_detach(EDU);
		iommu_pool_unmap(domain);
		none_was_off_track();
	}
}

static void large_pages_are_used_where_they_fit(void)
{
	struct domain *domain;
	uint32_t before;

	given();
	domain = given_domain();
	before = pages_used;
	CU_ASSERT_EQUAL(iommu_pool_map(domain, mfn(512 * 9), 512 * 4), 0);
	CU_ASSERT_EQUAL(pages_used - before, 3);	/* of 4 levels the upper three */
	iommu_pool_unmap(domain);
	CU_ASSERT_EQUAL(iommu_pool_map(domain, mfn(512 * 9 + 1), 511), 0);
	CU_ASSERT_EQUAL(pages_used - before, 4);
	iommu_pool_unmap(domain);
	CU_ASSERT_EQUAL(pages_used, before);
}

/* The hardware remembers all that it has seen, and is slow. */
static void nothing_gets_through_after_detach(void)				/* N3, U1 */
{
	struct domain *domain;

	given();
	domain = given_pool(POOL, 16);
	for (uint32_t round = 0; round < 2000; round++) {	/* the queue goes round many times */
		model[0].delay = round % 5;
		CU_ASSERT_FALSE(reaches(EDU, POOL + 3));
		CU_ASSERT_EQUAL(iommu_device_attach(EDU, domain), 0);
		CU_ASSERT_TRUE(reaches(EDU, POOL + 3));
		iommu_device_detach(EDU);
	}
	CU_ASSERT_FALSE(reaches(EDU, POOL + 3));
	iommu_device_detach(EDU);
	iommu_device_detach(OTHER);
	none_was_off_track();
}

static void what_one_pool_had_is_not_left_to_the_next(void)
{
	struct domain *one, *two;

	given();
	one = given_pool(POOL, 16);
	CU_ASSERT_EQUAL(iommu_device_attach(EDU, one), 0);
	CU_ASSERT_TRUE(reaches(EDU, POOL));
	CU_ASSERT_FALSE(reaches(EDU, POOL + 50));
	iommu_device_detach(EDU);
	iommu_pool_unmap(one);
	two = given_pool(POOL + 50, 16);
	CU_ASSERT_EQUAL(two->dma_pool.id, 1);
	CU_ASSERT_EQUAL(iommu_device_attach(EDU, two), 0);
	CU_ASSERT_FALSE(reaches(EDU, POOL));
	CU_ASSERT_TRUE(reaches(EDU, POOL + 50));
	none_was_off_track();
}

static void two_functions_share_a_pool_and_part_alone(void)
{
	struct domain *domain;

	given();
	domain = given_pool(POOL, 16);
	CU_ASSERT_EQUAL(iommu_device_attach(EDU, domain), 0);
	CU_ASSERT_EQUAL(iommu_device_attach(OTHER, domain), 0);
	CU_ASSERT_TRUE(reaches(EDU, POOL) && reaches(OTHER, POOL));
	iommu_device_detach(EDU);
	CU_ASSERT_FALSE(reaches(EDU, POOL));
	CU_ASSERT_TRUE(reaches(OTHER, POOL));
}

static void a_pool_that_is_in_use_does_not_go(void)				/* N2 */
{
	struct domain *domain;
	bool died;

	given();
	domain = given_pool(POOL, 16);
	CU_ASSERT_EQUAL(iommu_device_attach(EDU, domain), 0);
	FAKE_DIES(died, iommu_pool_unmap(domain));
	CU_ASSERT_TRUE(died);
	iommu_lock = (struct spinlock)SPINLOCK_FREE;
}

static void what_cannot_be_is_refused(void)
{
	struct domain *domain, *none;
	uint8_t *unit;

	given_no_units();
	model[0].capability = MODEL_CAP(6, 36, 3, 0);		/* 16 pools, 64 GiB */
	unit = given_unit(0, false);
	given_scope(unit, SCOPE_FUNCTION, 0, EDU);
	given_scope(unit, SCOPE_FUNCTION, 0, OTHER);
	given_scope(unit, SCOPE_FUNCTION, 0, SHARED);
	given_scope(given_reserved(), SCOPE_FUNCTION, 0, OTHER);
	iommu_init();
	none = given_domain();
	CU_ASSERT_EQUAL(iommu_pool_map(none, mfn((1ULL << 24) - 3), 4), -ERANGE);
	CU_ASSERT_EQUAL(iommu_device_attach(EDU, none), -EINVAL);
	domain = given_pool((1ULL << 24) - 4, 4);
	CU_ASSERT_EQUAL(iommu_device_attach(EDU + 1, domain), -ENODEV);
	CU_ASSERT_EQUAL(iommu_device_attach(0x10000 + EDU, domain), -ENODEV);
	CU_ASSERT_EQUAL(iommu_device_attach(OTHER, domain), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(iommu_device_attach(SHARED, domain), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(iommu_device_attach(EDU, domain), 0);
	CU_ASSERT_EQUAL(iommu_device_attach(EDU, domain), -EBUSY);
	for (uint32_t i = 2; i < 16; i++)
		(void)given_pool(POOL, 1);
	CU_ASSERT_EQUAL(iommu_pool_map(none, mfn(POOL), 1), -ENOSPC);
	none_was_off_track();
}

static void without_memory_nothing_has_changed(void)
{
	struct domain *domain;
	uint32_t before, calls;
	int error;

	given();
	domain = given_domain();
	before = pages_used;
	for (calls = 1, error = -ENOMEM; error; calls++) {
		fake.heap_fail_call = calls;
		error = iommu_pool_map(domain, mfn(POOL + 511), 2);
		if (error) {
			CU_ASSERT_EQUAL(error, -ENOMEM);
			CU_ASSERT_EQUAL(pages_used, before);
			CU_ASSERT_EQUAL(domain->dma_pool.tables, NULL);
		}
	}
	CU_ASSERT_EQUAL(calls, 7);
	for (fake.heap_fail_call = 1; iommu_device_attach(EDU, domain); fake.heap_fail_call = 2)
		CU_ASSERT_FALSE(reaches(EDU, POOL + 511));
	CU_ASSERT_TRUE(reaches(EDU, POOL + 511));
	none_was_off_track();
}

static void a_unit_that_does_not_answer_stops_the_machine(void)
{
	struct domain *domain;
	bool died;

	given();
	domain = given_pool(POOL, 16);
	CU_ASSERT_EQUAL(iommu_device_attach(EDU, domain), 0);
	model[0].is_dead = true;
	FAKE_DIES(died, iommu_device_detach(EDU));
	CU_ASSERT_TRUE(died);
	iommu_lock = (struct spinlock)SPINLOCK_FREE;
	given_no_units();
	model[0].is_deaf = true;
	given_unit(0, true);
	FAKE_DIES(died, iommu_init());
	CU_ASSERT_TRUE(died);
}

/* ---- interrupts ---- */

static void a_function_raises_what_it_was_given_and_nothing_else(void)		/* N4 */
{
	uint64_t address = 0;
	uint32_t data = 0;

	given();
	CU_ASSERT_EQUAL(iommu_msi_map(EDU, 0x31, &address, &data), 0);
	CU_ASSERT_EQUAL(model_message(0, EDU, address, data), 0x31);
	CU_ASSERT_EQUAL(model_message(0, OTHER, address, data), -1);
	for (uint64_t index = 0; index < 65536; index++)
		if (index != 0x31)
			CU_ASSERT_EQUAL(model_message(0, EDU, 0xfee00010 | (index & 0x7fff) << 5 | index >> 15 << 2, 0), -1);
	/* The old form: the HALT of the core's own. */
	CU_ASSERT_EQUAL(model_message(0, EDU, MSI_ADDRESS, VECTOR_HALT), -1);
	CU_ASSERT_EQUAL(model[0].interrupt[0x31].low >> 32, 5 << 8);
	iommu_msi_unmap(EDU, 0x31);
	CU_ASSERT_EQUAL(model_message(0, EDU, address, data), -1);
	CU_ASSERT_EQUAL(iommu_msi_map(OTHER, 0x31, &address, &data), 0);
	CU_ASSERT_EQUAL(model_message(0, EDU, address, data), -1);
	CU_ASSERT_EQUAL(model_message(0, OTHER, address, data), 0x31);
	none_was_off_track();
}

static void with_x2apic_ids_are_wide(void)
{
	uint64_t address = 0;
	uint32_t data = 0;

	given_no_units();
	x2apic_on = true;
	given_unit(0, true);
	iommu_init();
	CU_ASSERT_FALSE(iommu_is_there());
	given_no_units();
	x2apic_on = true;
	model[0].extended |= MODEL_ECAP_WIDE;
	given_unit(0, true);
	cpu_by_id[0]->apic_id = 0x12345;
	iommu_init();
	CU_ASSERT_TRUE(iommu_is_there());
	CU_ASSERT_TRUE(model[0].table & 1 << 11);
	CU_ASSERT_EQUAL(iommu_msi_map(EDU, 0x40, &address, &data), 0);
	CU_ASSERT_EQUAL(model_message(0, EDU, address, data), 0x40);
	CU_ASSERT_EQUAL(model[0].interrupt[0x40].low >> 32, 0x12345);
	CU_ASSERT_FALSE(reaches(EDU, POOL));
	CU_ASSERT_EQUAL(model[0].interrupt_address, 0x12300fee45000);
}

static void the_consoles_interrupt_comes_from_its_ioapic_alone(void)
{
	uint32_t high = 7;

	given();
	CU_ASSERT_FALSE(iommu_ioapic_entry(3, VECTOR_CONSOLE, &high));
	CU_ASSERT_TRUE(iommu_ioapic_entry(2, VECTOR_CONSOLE, &high));
	CU_ASSERT_EQUAL(model_ioapic(0, IOAPIC_SID, VECTOR_CONSOLE, high), VECTOR_CONSOLE);
	CU_ASSERT_EQUAL(model_ioapic(0, EDU, VECTOR_CONSOLE, high), -1);
	none_was_off_track();
}

/* ---- faults ---- */

static void a_refused_access_is_counted_and_told_of_its_owner(void)
{
	struct domain *domain;

	given();
	domain = given_pool(POOL, 16);
	CU_ASSERT_EQUAL(iommu_device_attach(EDU, domain), 0);
	CU_ASSERT_FALSE(model_dma(0, EDU, 0x1234567, true));
	CU_ASSERT_EQUAL(model[0].interrupts, 1);
	CU_ASSERT_EQUAL(model[0].interrupt_address, MSI_ADDRESS | 5 << 12);
	CU_ASSERT_EQUAL(model[0].interrupt_data, VECTOR_IOMMU);
	iommu_faults_read();
	CU_ASSERT_EQUAL(fault_count(EDU), 1);
	CU_ASSERT_EQUAL(fault_count(OTHER), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(fake.log, "writing 0x1234000 refused to 0:3.0 of domain 1 (reason 0x5), 1 times"));
	/* After its owner's end it is known still. */
	iommu_device_detach(EDU);
	CU_ASSERT_EQUAL(fault_count(EDU), 1);
}

static void one_that_is_nobodys_is_told_of_too(void)
{
	given();
	CU_ASSERT_FALSE(model_dma(0, 0x1f0, 0x1000, false));
	CU_ASSERT_EQUAL(model_message(0, 0x1f0, MSI_ADDRESS, VECTOR_HALT), -1);
	iommu_faults_read();
	CU_ASSERT_EQUAL(fault_count(0x1f0), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(fake.log, "reading 0x1000 refused to 1:1e.0 of nobody"));
	CU_ASSERT_PTR_NOT_NULL(strstr(fake.log, "interrupt 0x0 refused to 1:1e.0 of nobody"));
}

/* At most 100 times a second, and a line each time that the count has doubled. */
static void a_storm_costs_little(void)
{
	struct domain *domain;
	size_t said;

	given();
	domain = given_pool(POOL, 16);
	CU_ASSERT_EQUAL(iommu_device_attach(EDU, domain), 0);
	said = fake.log_length;
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t before = model[0].interrupts;

		for (uint32_t n = 0; n < 50; n++)
			CU_ASSERT_FALSE(model_dma(0, EDU, i * PAGE_SIZE, true));
		CU_ASSERT_EQUAL(model[0].interrupts, before + (i == 0));
		iommu_faults_read();
		CU_ASSERT_EQUAL(model[0].fault_status, 0);
		CU_ASSERT_EQUAL(quiet.deadline_ns, fake.now_ns + QUIET_NS);
	}
	CU_ASSERT_EQUAL(fault_count(EDU), 100 * MODEL_RECORDS);
	CU_ASSERT_TRUE(fake.log_length - said < 9 * 120);
	/* What comes in the silence comes out at its end. */
	CU_ASSERT_FALSE(model_dma(0, EDU, 0, true));
	CU_ASSERT_EQUAL(model[0].interrupts, 1);
	quiet.handler(quiet.data);
	CU_ASSERT_EQUAL(fault_count(EDU), 100 * MODEL_RECORDS + 1);
	CU_ASSERT_FALSE(model_dma(0, EDU, 0, true));
	CU_ASSERT_EQUAL(model[0].interrupts, 2);
}

/* ---- at boot ---- */

static void hardware_that_guards_too_little_is_not_used(void)
{
	static const uint64_t lacks[] = { MODEL_ECAP_QUEUE, MODEL_ECAP_REMAPPING };

	for (uint32_t i = 0; i < 4; i++) {
		given_no_units();
		given_unit(0, true);
		given_unit(1, false);
		if (i < 2)
			model[1].extended &= ~lacks[i];
		else if (i == 2)
			model[1].capability = MODEL_CAP(1, 39, 0, 4);
		else
			option_iommu = false;
		iommu_init();
		CU_ASSERT_FALSE(iommu_is_there());
		CU_ASSERT_EQUAL(model[0].status | model[1].status, 0);
		CU_ASSERT_EQUAL(iommu_pool_map(given_domain(), mfn(POOL), 1), 0);
	}
	given_no_units();
	has_table = false;
	iommu_init();
	CU_ASSERT_FALSE(iommu_is_there());
}

static void what_firmware_left_on_begins_anew(void)
{
	struct domain *domain;

	given_no_units();
	given_unit(0, true);
	model[0].status = 1U << 31 | 1U << 30 | 1U << 26 | 1U << 25 | 1U << 24 | 1U << 23;
	model[0].head = model[0].tail = 77;
	model[0].capability |= MODEL_CAP_PROTECTED | MODEL_CAP_WRITE_BUFFER;
	iommu_init();
	CU_ASSERT_EQUAL(model[0].protection, 0);
	CU_ASSERT_EQUAL(model_message(0, EDU, MSI_ADDRESS, VECTOR_HALT), -1);
	domain = given_pool(POOL, 16);
	model[0].flushes = 0;
	CU_ASSERT_EQUAL(iommu_device_attach(EDU, domain), 0);
	CU_ASSERT_TRUE(model[0].flushes > 0);
	CU_ASSERT_TRUE(reaches(EDU, POOL));
	iommu_device_detach(EDU);
	CU_ASSERT_FALSE(reaches(EDU, POOL));
	none_was_off_track();
}

/* 0:1.0 is a bridge to buses 4 .. 6; 4:2.0 one to bus 5. */
static uint32_t config_of_bridges(uint32_t sbdf)
{
	return sbdf == 0x0008 ? 0x060400 : sbdf == 0x0410 ? 0x050504 : UINT32_MAX;
}

static void the_table_says_whose_unit_is_whose(void)
{
	uint8_t *unit, *reserved;
	uint16_t requester = 0;

	given_no_units();
	config = config_of_bridges;
	unit = given_unit(0, false);
	given_scope(unit, SCOPE_FUNCTION, 0, 0x0010);
	given_scope(unit, SCOPE_BRIDGE, 0, 0x0008);
	given_scope(unit, SCOPE_IOAPIC, 8, IOAPIC_SID);
	given_unit(1, true);
	add(8)[0] = 2;				/* an ATSR for all root ports, which is short */
	((uint8_t *)&table)[table.header.bytes - 6] = 8;
	reserved = given_reserved();
	/* The way to 5:3.1: by the bridge 0:1.0 to 4:2.0, from there on to bus 5. */
	given_scope(reserved, SCOPE_FUNCTION, 0, 0x0008);
	memcpy(add(4), "\2\0\3\1", 4);
	reserved[2] = (uint8_t)(reserved[2] + 4);
	reserved[25] = 12;
	CU_ASSERT_TRUE(dmar_parse());
	CU_ASSERT_PTR_EQUAL(dmar_unit_of(0x0010), &vtd_units[0]);
	CU_ASSERT_PTR_EQUAL(dmar_unit_of(0x0011), &vtd_units[1]);
	CU_ASSERT_PTR_EQUAL(dmar_unit_of(0x0400), &vtd_units[0]);
	CU_ASSERT_PTR_EQUAL(dmar_unit_of(0x06ff), &vtd_units[0]);
	CU_ASSERT_PTR_EQUAL(dmar_unit_of(0x0700), &vtd_units[1]);
	CU_ASSERT_PTR_NULL(dmar_unit_of(0x10010));
	CU_ASSERT_TRUE(dmar_reserves_for(0x0519));
	CU_ASSERT_FALSE(dmar_reserves_for(0x0010) || dmar_reserves_for(0x0518) || dmar_reserves_for(0x0008));
	CU_ASSERT_PTR_EQUAL(dmar_ioapic(8, &requester), &vtd_units[0]);
	CU_ASSERT_EQUAL(requester, IOAPIC_SID);
	CU_ASSERT_PTR_NULL(dmar_ioapic(9, &requester));
}

static void a_broken_table_is_not_used_at_all(void)				/* R1 */
{
	uint32_t whole;

	for (uint32_t cut = 1; cut < 100; cut++) {
		given_table();
		given_scope(given_unit(0, true), SCOPE_IOAPIC, 2, IOAPIC_SID);
		given_scope(given_reserved(), SCOPE_FUNCTION, 0, OTHER);
		whole = table.header.bytes;
		if (cut >= whole - 48)
			break;
		table.header.bytes = whole - cut;
		/* Up to the second structure it is a shorter, good one. */
		CU_ASSERT_EQUAL(dmar_parse(), whole - cut == 48 + 24);
	}
	for (uint32_t units = 1; units <= VTD_UNITS_MAX + 1; units++) {
		given_table();
		for (uint32_t i = 0; i < units; i++)
			given_unit(0, false);
		CU_ASSERT_EQUAL(dmar_parse(), units <= VTD_UNITS_MAX);
	}
	/* A scope that goes on behind its structure. */
	given_table();
	given_scope(given_unit(0, true), SCOPE_IOAPIC, 2, IOAPIC_SID);
	given_unit(1, false);
	((uint8_t *)&table)[48 + 16 + 1] = 10;
	CU_ASSERT_FALSE(dmar_parse());
	/* More of them than there is room for. */
	given_table();
	for (uint32_t i = 0; i < SCOPES_MAX + 1; i += 16) {
		uint8_t *unit = given_unit(0, false);

		for (uint32_t n = 0; n < 16 && i + n < SCOPES_MAX; n++)
			given_scope(unit, SCOPE_FUNCTION, 0, EDU);
		CU_ASSERT_TRUE(dmar_parse() || vtd_unit_count == VTD_UNITS_MAX);
		if (i == SCOPES_MAX - 16)
			break;
	}
	CU_ASSERT_EQUAL(scope_count, SCOPES_MAX);
	given_scope(given_reserved(), SCOPE_FUNCTION, 0, OTHER);
	CU_ASSERT_FALSE(dmar_parse());
	srand(2);
	for (uint32_t round = 0; round < 20000; round++) {
		given_table();
		for (uint32_t i = 0; i < (uint32_t)rand() % 4; i++)
			given_scope(rand() % 2 ? given_unit(i % 2, rand() % 2) : given_reserved(), (uint8_t)(1 + rand() % 4), 2, (uint32_t)rand() & 0xffff);
		for (uint32_t i = 0; i < (uint32_t)rand() % 5; i++)
			((uint8_t *)&table)[48 + (uint32_t)rand() % 100] = (uint8_t)rand();
		table.header.bytes -= MIN(table.header.bytes - 48, (uint32_t)rand() % 4);
		if (dmar_parse())
			CU_ASSERT_TRUE(vtd_unit_count <= VTD_UNITS_MAX && scope_count <= SCOPES_MAX);
	}
}

static const struct unit_case cases[] = {
	UNIT_CASE(a_function_that_is_not_attached_reaches_nothing),
	UNIT_CASE(an_attached_function_reaches_its_pool_and_nothing_else),
	UNIT_CASE(pools_of_all_places_and_sizes_are_exact),
	UNIT_CASE(large_pages_are_used_where_they_fit),
	UNIT_CASE(nothing_gets_through_after_detach),
	UNIT_CASE(what_one_pool_had_is_not_left_to_the_next),
	UNIT_CASE(two_functions_share_a_pool_and_part_alone),
	UNIT_CASE(a_pool_that_is_in_use_does_not_go),
	UNIT_CASE(what_cannot_be_is_refused),
	UNIT_CASE(without_memory_nothing_has_changed),
	UNIT_CASE(a_unit_that_does_not_answer_stops_the_machine),
	UNIT_CASE(a_function_raises_what_it_was_given_and_nothing_else),
	UNIT_CASE(with_x2apic_ids_are_wide),
	UNIT_CASE(the_consoles_interrupt_comes_from_its_ioapic_alone),
	UNIT_CASE(a_refused_access_is_counted_and_told_of_its_owner),
	UNIT_CASE(one_that_is_nobodys_is_told_of_too),
	UNIT_CASE(a_storm_costs_little),
	UNIT_CASE(hardware_that_guards_too_little_is_not_used),
	UNIT_CASE(what_firmware_left_on_begins_anew),
	UNIT_CASE(the_table_says_whose_unit_is_whose),
	UNIT_CASE(a_broken_table_is_not_used_at_all),
};

int main(void)
{
	return unit_run("iommu", cases, ARRAY_SIZE(cases));
}
