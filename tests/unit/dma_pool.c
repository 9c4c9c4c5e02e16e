/* SPDX-License-Identifier: MIT */
/* domain/dma_pool.c on the real mem/: D3, and what Domain-0 may not declare. */
#include "unit.h"

#include <control.h>
#include <xen/domctl.h>

#include "include/errno.h"
#include "iommu/iommu.h"
#include "mem/alloc.h"
#include "memory_guest.h"
#include "memory_oracle.h"
#include "pci/pci.h"
#include "tables.h"

#define OTHER	5
#define UNPROTECTED SKINK_DMA_POOL_UNPROTECTED

static struct { bool is_there; int map_error; uint32_t maps, unmaps; } iommu;

bool iommu_is_there(void) { return iommu.is_there; }

int iommu_pool_map(struct domain *domain, mfn_t first, uint64_t count)
{
	iommu.maps += !iommu.map_error;
	return iommu.map_error;
}

/* Nobody has given its frames back yet. */
void iommu_pool_unmap(struct domain *domain)
{
	CU_ASSERT_TRUE(frame_of(domain->dma_pool.first)->count & FRAME_COUNT_MASK);
	iommu.unmaps++;
}

static void all_is_counted(void)
{
	const char *wrong = memory_oracle_complaint();

	if (wrong)
		fprintf(stderr, "  %s\n", wrong);
	CU_ASSERT_PTR_NULL(wrong);
}

/* Domain-0 runs. */
static struct memory_guest given_other(void)
{
	struct memory_guest zero = given_guest(0), other = given_guest(OTHER);

	iommu.is_there = true;
	iommu.map_error = 0;
	iommu.maps = iommu.unmaps = 0;
	fake_switch_to(zero.domain->vcpu[0]);
	return other;
}

static long declare(domid_t id, uint64_t first, uint64_t count, uint32_t flags, uint32_t *is_protected)
{
	struct xen_domctl *op = GUEST_COPY(struct xen_domctl, .cmd = SKINK_DOMCTL_dma_pool, .domain = id,
					   .interface_version = XEN_DOMCTL_INTERFACE_VERSION);
	struct skink_domctl_dma_pool *wanted = (void *)op->u.pad;
	long error;

	*wanted = (struct skink_domctl_dma_pool){ .first_mfn = first, .count = count, .flags = flags };
	error = guest_call(__HYPERVISOR_domctl, guest_address(op), 0, 0, 0);
	if (is_protected)
		*is_protected = wanted->is_protected;
	return error;
}

static void what_is_no_pool_is_refused_and_leaves_nothing(void)
{
	struct memory_guest other = given_other();
	uint64_t first = other.page[DATA];

	CU_ASSERT_EQUAL(declare(OTHER, first, 0, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(declare(OTHER, first, SKINK_DMA_POOL_FRAMES_MAX + 1, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(declare(OTHER, first, UINT64_MAX, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(declare(OTHER, first, 1, 2, NULL), -EINVAL);
	CU_ASSERT_EQUAL(declare(OTHER, UINT64_MAX, 1, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(declare(OTHER, UINT64_MAX - 1, 3, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(declare(0, first, 1, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(declare(OTHER + 1, first, 1, 0, NULL), -ESRCH);
	/* The last one is a table, or not its. */
	CU_ASSERT_EQUAL(declare(OTHER, other.page[L1], 1, 0, NULL), -EBUSY);
	CU_ASSERT_EQUAL(declare(OTHER, other.page[GUEST_PAGES - 1], SKINK_DMA_POOL_FRAMES_MAX, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(declare(OTHER, other.page[L4_KERNEL], 1 + other.page[DATA] - other.page[L4_KERNEL], 0, NULL), -EBUSY);
	CU_ASSERT_EQUAL(iommu.maps, 0);
	iommu.map_error = -ENOSPC;
	CU_ASSERT_EQUAL(declare(OTHER, first, 2, 0, NULL), -ENOSPC);
	CU_ASSERT_EQUAL(other.domain->dma_pool.count, 0);
	all_is_counted();
}

static void it_is_declared_once(void)
{
	struct memory_guest other = given_other();
	uint32_t is_protected = 0;

	CU_ASSERT_EQUAL(declare(OTHER, other.page[DATA], 2, 0, &is_protected), 0);
	CU_ASSERT_EQUAL(is_protected, 1);
	CU_ASSERT_EQUAL(declare(OTHER, other.page[DATA + 2], 2, 0, NULL), -EEXIST);
	CU_ASSERT_EQUAL(iommu.maps, 1);
	all_is_counted();
}

static void without_an_iommu_it_has_to_be_said(void)
{
	struct memory_guest other = given_other();
	uint32_t is_protected = 7;

	iommu.is_there = false;
	CU_ASSERT_EQUAL(declare(OTHER, other.page[DATA], 2, 0, NULL), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(declare(OTHER, other.page[DATA], 2, UNPROTECTED, &is_protected), 0);
	CU_ASSERT_EQUAL(is_protected, 0);
	CU_ASSERT_TRUE(other.domain->dma_pool.is_unprotected);
}

static void no_frame_of_it_becomes_a_table(void)				/* D3 */
{
	struct memory_guest other = given_other();

	CU_ASSERT_EQUAL(declare(OTHER, other.page[DATA], 2, 0, NULL), 0);
	fake_switch_to(other.domain->vcpu[0]);
	for (uint32_t i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(guest_maps((DATA + i) * PAGE_SIZE, 0), 0);
		for (enum frame_type type = FRAME_L1; type <= FRAME_L4; type++)
			CU_ASSERT_NOT_EQUAL(guest_pins(other.page[DATA + i], type), 0);
	}
	CU_ASSERT_EQUAL(guest_maps((DATA + 2) * PAGE_SIZE, 0), 0);
	CU_ASSERT_EQUAL(guest_pins(other.page[DATA + 2], FRAME_L1), 0);
	all_is_counted();
}

static void at_the_end_it_is_unmapped_before_it_is_free(void)			/* D3 */
{
	struct memory_guest other = given_other();

	CU_ASSERT_EQUAL(declare(OTHER, other.page[DATA], 2, 0, NULL), 0);
	CU_ASSERT_EQUAL(guest_ends(other.domain), 0);
	CU_ASSERT_EQUAL(iommu.unmaps, 1);
	CU_ASSERT_PTR_NULL(domain_find(OTHER));
	all_is_counted();
}

/* Each look at preempt_needed() says yes: it goes on where it stopped, and nothing is held twice. */
static void a_large_one_lets_others_run_meanwhile(void)
{
	struct memory_guest other = given_other();
	uint32_t steps = 0;
	mfn_t first;

	CU_ASSERT_EQUAL_FATAL(frame_alloc_for(other.domain, 7, 0, &first), 0);
	fake.preempt_every = 1;
	guest_call_tries = 0;
	CU_ASSERT_EQUAL(declare(OTHER, first.raw, 128, 0, NULL), -ERESTART);
	CU_ASSERT_EQUAL(other.domain->dma_pool.count, 0);
	CU_ASSERT_EQUAL(iommu.maps, 0);
	all_is_counted();
	CU_ASSERT_EQUAL(declare(OTHER, first.raw, 60, 0, NULL), -EEXIST);
	CU_ASSERT_EQUAL(declare(OTHER, first.raw + 1, 128, 0, NULL), -EEXIST);
	CU_ASSERT_EQUAL(declare(OTHER, first.raw, 128, 0, NULL), 0);
	CU_ASSERT_EQUAL(other.domain->dma_pool.held, 128);
	all_is_counted();
	other.domain->is_dying = true;
	while (dma_pool_release(other.domain)) {
		CU_ASSERT_EQUAL(iommu.unmaps, 1);
		all_is_counted();
		steps++;
	}
	CU_ASSERT_EQUAL(steps, 1);
	CU_ASSERT_EQUAL(iommu.unmaps, 1);
	other.domain->is_dying = false;
	fake.preempt_every = 0;
	guest_call_tries = UINT32_MAX;
}

/* Nor is anything left of one that Domain-0 began and gave up, or whose last frame is none. */
static void one_that_was_not_finished_leaves_nothing(void)
{
	struct memory_guest other = given_other();
	mfn_t first;

	CU_ASSERT_EQUAL_FATAL(frame_alloc_for(other.domain, 7, 0, &first), 0);
	fake.preempt_every = 1;
	CU_ASSERT_EQUAL(declare(OTHER, first.raw, 129, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(other.domain->dma_pool.held, 0);
	guest_call_tries = 0;
	CU_ASSERT_EQUAL(declare(OTHER, first.raw, 128, 0, NULL), -ERESTART);
	guest_call_tries = UINT32_MAX;
	CU_ASSERT_EQUAL(guest_ends(other.domain), 0);
	CU_ASSERT_PTR_NULL(domain_find(OTHER));
	CU_ASSERT_EQUAL(iommu.unmaps, 0);
	fake.preempt_every = 0;
	all_is_counted();
}

static const struct unit_case cases[] = {
	UNIT_CASE(what_is_no_pool_is_refused_and_leaves_nothing),
	UNIT_CASE(it_is_declared_once),
	UNIT_CASE(without_an_iommu_it_has_to_be_said),
	UNIT_CASE(no_frame_of_it_becomes_a_table),
	UNIT_CASE(a_large_one_lets_others_run_meanwhile),
	UNIT_CASE(one_that_was_not_finished_leaves_nothing),
	UNIT_CASE(at_the_end_it_is_unmapped_before_it_is_free),
};

int main(void)
{
	return unit_run("dma_pool", cases, ARRAY_SIZE(cases));
}
