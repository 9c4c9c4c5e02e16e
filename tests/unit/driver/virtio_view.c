/* SPDX-License-Identifier: MIT */
/* What the injector of faults believes of a virtqueue (dom0/inject/virtio_view.h) is what the driver has. */
#include <CUnit/Basic.h>

#include "../../../dom0/inject/virtio_view.h"
#include "device/virtqueue.h"

#define SAME(field) \
	(offsetof(struct virtqueue_view, field) == offsetof(struct virtqueue, field) && \
	 sizeof(((struct virtqueue_view *)0)->field) == sizeof(((struct virtqueue *)0)->field))

static void fields_stand_where_the_injector_looks(void)
{
	CU_ASSERT(SAME(desc));
	CU_ASSERT(SAME(avail));
	CU_ASSERT(SAME(used));
	CU_ASSERT(SAME(notify));
	CU_ASSERT(SAME(number));
	CU_ASSERT(SAME(slots));
	CU_ASSERT(SAME(broken));
	CU_ASSERT(SAME(avail_index));
	CU_ASSERT(SAME(pushed_index));
	CU_ASSERT(SAME(used_index));
}

static void rings_are_as_the_injector_reads_them(void)
{
	CU_ASSERT_EQUAL(sizeof(struct virtq_desc), VIRTQ_DESC_BYTES);
	CU_ASSERT_EQUAL(offsetof(struct virtq_desc, address), 0);
	CU_ASSERT_EQUAL(offsetof(struct virtq_avail, ring), VIRTQ_RING_AT);
	CU_ASSERT_EQUAL(offsetof(struct virtq_used, ring), VIRTQ_RING_AT);
	CU_ASSERT_EQUAL(offsetof(struct virtq_used, index), VIRTQ_INDEX_AT);
	CU_ASSERT_EQUAL(sizeof(struct virtq_used_element), VIRTQ_USED_BYTES);
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("virtio_view", NULL, NULL);
	CU_add_test(suite, "fields_stand_where_the_injector_looks", fields_stand_where_the_injector_looks);
	CU_add_test(suite, "rings_are_as_the_injector_reads_them", rings_are_as_the_injector_reads_them);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
