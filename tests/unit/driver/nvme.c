/* SPDX-License-Identifier: MIT */
/* The NVMe driver against a disk that lies: V1 to V3, K1, K2; and against one that does not, in any order. */
#include <CUnit/Basic.h>
#include <string.h>

#include "nvme_device.h"
#include "runtime/xen.h"

static struct blk_device disk;
static struct blk_io io[300];

/* ---- given, when ---- */

static void given_disk(void)
{
	nvme_begin(&disk);
	CU_ASSERT_EQUAL_FATAL(disk.driver->start(&disk), 0);
}

/* Segments of a page, each in a buffer of its own. */
static int submitted(unsigned int number, enum blk_op op, uint64_t sector, uint32_t segments)
{
	io[number] = (struct blk_io){ .op = op, .sector = sector, .sectors = 8, .segment_count = segments, .result = 99 };
	for (uint32_t i = 0; i < segments; i++)
		io[number].segment[i] = (struct blk_segment){ buffer_alloc(), BUFFER_BYTES };
	return disk.driver->submit(&disk, 0, &io[number]);
}

static void given_read(unsigned int number, uint64_t sector, uint32_t segments)
{
	CU_ASSERT_EQUAL_FATAL(submitted(number, BLK_READ, sector, segments), 0);
	disk.driver->push(&disk, 0);
}

/* None of the segments goes on where another ends: each is a command. */
static void given_read_in_parts(unsigned int number, uint32_t segments)
{
	io[number] = (struct blk_io){ .op = BLK_READ, .segment_count = segments };
	for (uint32_t i = 0; i < segments; i++)
		io[number].segment[i] = (struct blk_segment){ (uint8_t *)buffer_alloc() + 512, 512 };
	CU_ASSERT_EQUAL_FATAL(disk.driver->submit(&disk, 0, &io[number]), 0);
	disk.driver->push(&disk, 0);
}

static struct nvme_command disk_takes(void)
{
	struct nvme_command *command = nvme_take(1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(command);
	return *command;
}

static unsigned int reaped(struct blk_io **done)
{
	return disk.driver->reap(&disk, 0, done, 8);
}

static void disk_has_failed_and_gives_nothing(void)
{
	struct blk_io *done[8];

	CU_ASSERT_EQUAL(reaped(done), 0);
	CU_ASSERT_EQUAL(fake.failures, 1);
}

/* ---- what is said to it ---- */

static void command_is_what_the_standard_says(void)
{
	struct nvme_command command;
	uint64_t *list;

	given_disk();
	given_read(0, 0x1234, 3);
	command = disk_takes();
	list = fake_memory(command.page[1], 16);
	CU_ASSERT_TRUE(command.opcode == 2 && command.space == 1);
	CU_ASSERT_TRUE(command.word[0] == 0x1234 && command.word[1] == 0 && command.word[2] == 23);
	CU_ASSERT_PTR_EQUAL(fake_memory(command.page[0], 4096), io[0].segment[0].at);
	CU_ASSERT_PTR_NOT_NULL_FATAL(list);
	CU_ASSERT_PTR_EQUAL(fake_memory(list[0], 4096), io[0].segment[1].at);
	CU_ASSERT_PTR_EQUAL(fake_memory(list[1], 4096), io[0].segment[2].at);
}

static void discard_is_what_the_standard_says(void)
{
	struct { uint32_t attributes, blocks; uint64_t first; } *range;
	struct nvme_command command;

	given_disk();
	io[0] = (struct blk_io){ .op = BLK_DISCARD, .sector = 0x1234, .sectors = 0x100000007 };
	CU_ASSERT_EQUAL(disk.driver->submit(&disk, 0, &io[0]), 0);
	disk.driver->push(&disk, 0);
	command = disk_takes();
	CU_ASSERT_TRUE(command.opcode == 9 && command.space == 1);
	CU_ASSERT_TRUE(command.word[0] == 1 && command.word[1] == 4);		/* two ranges; deallocate */
	range = fake_memory(command.page[0], 2 * sizeof(*range));
	CU_ASSERT_PTR_NOT_NULL_FATAL(range);
	CU_ASSERT_TRUE(range[0].first == 0x1234 && range[0].blocks == 0xffffffff);
	CU_ASSERT_TRUE(range[1].first == 0x100001233 && range[1].blocks == 8);
}

static void what_is_no_whole_sectors_or_too_many_is_refused(void)
{
	unsigned int count = 0;

	given_disk();
	io[0] = (struct blk_io){ .op = BLK_WRITE, .segment_count = 1, .segment = { { buffer_alloc(), 100 } } };
	CU_ASSERT_EQUAL(disk.driver->submit(&disk, 0, &io[0]), -XEN_EINVAL);
	io[0] = (struct blk_io){ .op = BLK_DISCARD };
	CU_ASSERT_EQUAL(disk.driver->submit(&disk, 0, &io[0]), -XEN_EINVAL);
	io[0].sectors = UINT64_MAX;
	CU_ASSERT_EQUAL(disk.driver->submit(&disk, 0, &io[0]), -XEN_EINVAL);
	disk.driver->push(&disk, 0);
	CU_ASSERT_PTR_NULL(nvme_take(1));
	while (submitted(count, BLK_FLUSH, 0, 0) == 0)
		count++;
	CU_ASSERT_EQUAL(count, disk.depth);
}

static void ios_come_back_in_the_disks_order(void)
{
	static const struct { uint16_t status; int result; } answers[] = { { 0, 0 }, { 1, -XEN_EOPNOTSUPP }, { 0x281, -XEN_EIO }, { 0x7ff, -XEN_EIO } };
	struct blk_io *done[8];
	uint16_t id[4];

	given_disk();
	for (unsigned int i = 0; i < 4; i++) {
		given_read(i, i * 8, 1);
		id[i] = disk_takes().id;
	}
	for (unsigned int i = 4; i-- > 0;)
		nvme_put(1, id[i], answers[i].status);
	CU_ASSERT_EQUAL(reaped(done), 4);
	for (unsigned int i = 0; i < 4; i++) {
		CU_ASSERT_PTR_EQUAL(done[i], &io[3 - i]);
		CU_ASSERT_EQUAL(io[i].result, answers[i].result);
	}
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static void io_of_several_commands_is_answered_by_the_last_and_keeps_an_error(void)
{
	struct blk_io *done[8];
	uint16_t id[3];

	given_disk();
	given_read_in_parts(0, 3);
	for (unsigned int i = 0; i < 3; i++)
		id[i] = disk_takes().id;
	nvme_put(1, id[0], 0x281);
	nvme_put(1, id[2], 0);
	CU_ASSERT_EQUAL(reaped(done), 0);
	/* No identifier that is under way is given again: the first command's counts for all of them. */
	given_read(1, 0, 1);
	CU_ASSERT_TRUE(disk_takes().id != id[0]);
	nvme_put(1, id[1], 0);
	CU_ASSERT_EQUAL(reaped(done), 1);
	CU_ASSERT_TRUE(done[0] == &io[0] && io[0].result == -XEN_EIO);
	CU_ASSERT_EQUAL(fake.failures, 0);
}

#define NOT_READY	0x82
#define FINAL		0x4000		/* do not retry */

static void disk_that_is_not_ready_yet_is_asked_again(void)	/* V3 */
{
	struct nvme_command first, again;
	struct blk_io *done[8];

	given_disk();
	given_read(0, 0x1234, 3);
	first = disk_takes();
	nvme_put(1, first.id, NOT_READY);
	CU_ASSERT_EQUAL(reaped(done), 0);
	again = disk_takes();
	CU_ASSERT_TRUE(again.opcode == first.opcode && again.page[0] == first.page[0] && !memcmp(again.word, first.word, sizeof(first.word)));
	nvme_put(1, again.id, 0);
	CU_ASSERT_EQUAL(reaped(done), 1);
	CU_ASSERT_TRUE(done[0] == &io[0] && io[0].result == 0);
	CU_ASSERT_PTR_NULL(nvme_take(1));
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static void disk_is_asked_again_only_so_often_and_not_if_it_says_so(void)	/* V3 */
{
	for (unsigned int is_final = 0; is_final < 2; is_final++) {
		unsigned int tries = 0;
		struct blk_io *done[8];

		given_disk();
		given_read(0, 0, 1);
		do
			nvme_put(1, disk_takes().id, (uint16_t)(NOT_READY | (is_final ? FINAL : 0)));
		while (++tries < 20 && reaped(done) == 0);
		CU_ASSERT_EQUAL(tries, is_final ? 1 : 5);
		CU_ASSERT_TRUE(done[0] == &io[0] && io[0].result == -XEN_EIO);
		CU_ASSERT_PTR_NULL(nvme_take(1));
	}
}

/* And of an error and a request to ask again, the error counts. */
static void io_of_several_commands_is_asked_again_as_a_whole(void)	/* V3 */
{
	for (unsigned int has_failed = 0; has_failed < 2; has_failed++) {
		struct blk_io *done[8];

		given_disk();
		given_read_in_parts(0, 3);
		nvme_put(1, disk_takes().id, 0);
		nvme_put(1, disk_takes().id, NOT_READY);
		nvme_put(1, disk_takes().id, has_failed ? 0x281 : 0);
		CU_ASSERT_EQUAL(reaped(done), has_failed);
		for (unsigned int i = 0; !has_failed && i < 3; i++)
			nvme_put(1, disk_takes().id, 0);
		CU_ASSERT_EQUAL(reaped(done), !has_failed);
		CU_ASSERT_EQUAL(io[0].result, has_failed ? -XEN_EIO : 0);
		CU_ASSERT_EQUAL(fake.failures, 0);
	}
}

static void queue_is_full_when_it_says_so(void)		/* V1 */
{
	struct blk_io *done[8];
	unsigned int count = 0;

	given_disk();
	while (submitted(count, BLK_FLUSH, 0, 0) == 0)
		count++;
	CU_ASSERT_EQUAL(count, disk.depth);
	CU_ASSERT_EQUAL(io[count].result, 0);
	disk.driver->push(&disk, 0);
	nvme_put(1, disk_takes().id, 0);
	CU_ASSERT_EQUAL(reaped(done), 1);
	CU_ASSERT_EQUAL(submitted(200, BLK_FLUSH, 0, 0), 0);
	CU_ASSERT_EQUAL(submitted(201, BLK_FLUSH, 0, 0), -XEN_ENOSPC);
	CU_ASSERT_EQUAL(submitted(201, BLK_DISCARD, 0, 0), -XEN_ENOSPC);
	CU_ASSERT_EQUAL(submitted(201, BLK_READ, 0, 1), -XEN_ENOSPC);
}

static void long_run_is_right(void)
{
	struct blk_io *done[8];

	given_disk();
	for (unsigned int turn = 0; turn < 1000; turn++) {
		given_read(turn % 100, turn * 8, 2);
		nvme_put(1, disk_takes().id, turn % 7 ? 0 : 0x281);
		CU_ASSERT_EQUAL_FATAL(reaped(done), 1);
		CU_ASSERT_TRUE(done[0] == &io[turn % 100] && done[0]->result == (turn % 7 ? 0 : -XEN_EIO));
		CU_ASSERT_EQUAL(fake_get(0x100c), (turn + 1) % 128);
		for (unsigned int i = 0; i < 2; i++)
			buffer_free(done[0]->segment[i].at);
	}
	CU_ASSERT_EQUAL(fake.failures, 0);
}

/* ---- lies ---- */

static void completion_of_another_turn_is_none(void)
{
	struct nvme_completion *completion;
	struct blk_io *done[8];

	given_disk();
	given_read(0, 0, 1);
	nvme_put(1, disk_takes().id, 0);
	completion = fake_memory(nvme_disk.queue[1].completions, sizeof(*completion));
	completion->status ^= 1;
	CU_ASSERT_EQUAL(reaped(done), 0);
	CU_ASSERT_FALSE(disk.driver->interrupts(&disk, 0, true));
	completion->status ^= 1;
	CU_ASSERT_TRUE(disk.driver->interrupts(&disk, 0, true));
	CU_ASSERT_EQUAL(reaped(done), 1);
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static void id_that_is_not_under_way_is_the_disks_error(void)	/* V2 */
{
	static const uint16_t wrong[] = { 1, 2, 127, 128, 129, 255, 0x7fff, 0x8000, 0xffff };

	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		given_disk();
		given_read(0, 0, 1);
		nvme_put(1, (uint16_t)(disk_takes().id + wrong[i]), 0);
		disk_has_failed_and_gives_nothing();
		CU_ASSERT_EQUAL(io[0].result, 0);
	}
}

static void id_that_comes_twice_is_the_disks_error(void)	/* V2 */
{
	struct blk_io *done[8];
	uint16_t id;

	given_disk();
	given_read(0, 0, 1);
	given_read(1, 0, 1);
	id = disk_takes().id;
	nvme_put(1, id, 0);
	CU_ASSERT_EQUAL(reaped(done), 1);
	nvme_put(1, id, 0);
	disk_has_failed_and_gives_nothing();
}

/* Its slot is taken until the last one is answered, but it is not under way any more. */
static void first_of_several_commands_that_comes_twice_is_the_disks_error(void)	/* V2 */
{
	uint16_t id;

	given_disk();
	given_read_in_parts(0, 2);
	id = disk_takes().id;
	nvme_put(1, id, 0);
	nvme_put(1, id, 0);
	disk_has_failed_and_gives_nothing();
}

static void completion_of_another_queues_command_is_the_disks_error(void)	/* V2 */
{
	struct blk_io *done[8];
	uint16_t id;

	given_disk();
	given_read(0, 0, 1);
	id = disk_takes().id;
	nvme_put(2, id, 0);
	CU_ASSERT_EQUAL(disk.driver->reap(&disk, 1, done, 8), 0);
	CU_ASSERT_EQUAL(fake.failures, 1);
}

static void head_that_a_completion_names_is_not_looked_at(void)
{
	struct nvme_completion *completion;
	struct blk_io *done[8];

	given_disk();
	given_read(0, 0, 1);
	nvme_put(1, disk_takes().id, 0);
	completion = fake_memory(nvme_disk.queue[1].completions, sizeof(*completion));
	completion->head = completion->queue = 0xffff;
	completion->result = completion->reserved = UINT32_MAX;
	CU_ASSERT_EQUAL(reaped(done), 1);
	given_read(1, 0, 1);
	nvme_put(1, disk_takes().id, 0);
	CU_ASSERT_EQUAL(reaped(done), 1);
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static void disk_that_rewrites_its_commands_and_lists_harms_nobody(void)	/* K2 */
{
	struct blk_io *done[8];
	uint16_t id[4];

	given_disk();
	for (unsigned int i = 0; i < 4; i++) {
		given_read(i, 0, 5);
		id[i] = disk_takes().id;
	}
	memset(fake_memory(nvme_disk.queue[1].commands, 128 * sizeof(struct nvme_command)), 0xff, 128 * sizeof(struct nvme_command));
	for (unsigned int i = 0; i < 4; i++)
		nvme_put(1, id[i], 0);
	CU_ASSERT_EQUAL(reaped(done), 4);
	for (unsigned int i = 0; i < 4; i++)
		CU_ASSERT_TRUE(done[i] == &io[i] && done[i]->result == 0 && pool_has(done[i]->segment[4].at, BUFFER_BYTES));
	CU_ASSERT_EQUAL(fake.failures, 0);
}

/* ---- what it says of itself ---- */

static void is_refused(void)
{
	CU_ASSERT_NOT_EQUAL(disk.driver->start(&disk), 0);
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static void capabilities_that_cannot_be_are_refused(void)
{
	static const uint64_t capabilities[] = {
		14 | 20 << 24,					/* 15 entries */
		255 | 1ull << 48,				/* no pages of 4 KiB */
		255 | 15ull << 32, UINT64_MAX,			/* doorbells beyond what is mapped */
	};

	for (unsigned int i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++) {
		nvme_begin(&disk);
		fake_set(0, (uint32_t)capabilities[i]);
		fake_set(4, (uint32_t)(capabilities[i] >> 32));
		is_refused();
	}
}

static void disk_that_never_becomes_ready_is_refused(void)
{
	nvme_begin(&disk);
	nvme_disk.is_never_ready = true;
	is_refused();
	for (unsigned int i = 0; i < 2; i++) {
		nvme_begin(&disk);
		nvme_disk.is_never_ready = true;
		fake_set(0x1c, i ? UINT32_MAX : 2);		/* gone; fatal */
		is_refused();
	}
	nvme_begin(&disk);
	nvme_disk.is_never_ready = true;
	fake_set(0x1c, 1);					/* ready for ever: it does not acknowledge its reset */
	is_refused();
	CU_ASSERT_FALSE(disk.driver->stop(&disk));
}

static void admin_commands_that_are_not_answered_right_end_the_start(void)
{
	nvme_begin(&disk);
	nvme_disk.is_mute = true;
	is_refused();
	nvme_begin(&disk);
	nvme_disk.wrong_id = 1;
	is_refused();
	nvme_begin(&disk);
	nvme_disk.status = 1;
	is_refused();
}

static void disk_of_no_size_is_refused(void)
{
	static const struct { uint64_t sectors; uint8_t shift; } sizes[] = {
		{ 0, 9 }, { UINT64_MAX, 9 }, { UINT64_MAX >> 11, 12 }, { 1000, 8 }, { 1000, 13 }, { 1000, 255 }, { 1000, 0 },
	};

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		nvme_begin(&disk);
		memcpy(nvme_disk.space, &sizes[i].sectors, 8);
		nvme_disk.space[130] = sizes[i].shift;
		is_refused();
	}
}

/* What goes with each sector has no place in an io's memory. */
static void sectors_with_metadata_or_protection_are_refused(void)
{
	static const struct { uint16_t metadata; uint8_t format, protection; bool is_refused; } formats[] = {
		{ 8, 0, 0, true }, { 8, 0x10, 0, true }, { 0x4000, 0, 0, true }, { 0, 0, 1, true }, { 8, 0x10, 3, true }, { 0, 2, 2, true },
		{ 8, 2, 0, true }, { 0, 0x10, 8, false }, { 0, 2, 0, false },
	};

	for (unsigned int i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		nvme_begin(&disk);
		nvme_disk.space[26] = formats[i].format;
		nvme_disk.space[29] = formats[i].protection;
		nvme_disk.space[130] = nvme_disk.space[138] = 9;
		memcpy(&nvme_disk.space[formats[i].format & 15 ? 136 : 128], &formats[i].metadata, 2);
		if (formats[i].is_refused)
			is_refused();
		else
			CU_ASSERT_EQUAL(disk.driver->start(&disk), 0);
	}
}

static void it_has_as_many_queues_as_both_can(void)
{
	static const struct { uint32_t queues; uint16_t vectors; unsigned int taken; } cases[] = {
		{ 65536, 8, 4 }, { 2, 8, 2 }, { 4, 1, 1 }, { 4, 0, 1 }, { 1, 8, 1 },
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		nvme_begin(&disk);
		nvme_disk.queues = cases[i].queues;
		fake.function.msix_vectors = cases[i].vectors;
		CU_ASSERT_EQUAL(disk.driver->start(&disk), 0);
		CU_ASSERT_EQUAL(disk.queues, cases[i].taken);
	}
}

/* Whatever an io looks like, it fits an empty queue: else it would wait for ever. */
static void io_is_never_too_large_for_a_short_queue(void)	/* V1 */
{
	nvme_begin(&disk);
	fake_set(0, 15 | 20 << 24);		/* 16 entries */
	CU_ASSERT_EQUAL_FATAL(disk.driver->start(&disk), 0);
	CU_ASSERT_EQUAL(disk.depth, 15);
	given_read_in_parts(0, disk.segments_max);
}

/* ---- a successor ---- */

static void successor_believes_no_completion_of_before(void)
{
	struct blk_io *done[8];

	given_disk();
	given_read(0, 0, 1);
	nvme_put(1, disk_takes().id, 0);
	CU_ASSERT_EQUAL(reaped(done), 1);	/* as at ready, but for the ring's memory */
	given_disk();
	nvme_put(1, 0, 0);
	CU_ASSERT_TRUE(disk.driver->stop(&disk));
	CU_ASSERT_EQUAL(disk.driver->restart(&disk), 0);
	CU_ASSERT_EQUAL(reaped(done), 0);
	given_read(1, 0, 1);
	nvme_put(1, disk_takes().id, 0);
	CU_ASSERT_EQUAL(reaped(done), 1);
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static bool was_enabling, was_disturbed;

static void disk_becomes_ready(void)
{
	was_disturbed |= was_enabling && !(fake_get(0x14) & 1);
	nvme_look();
	was_enabling = (fake_get(0x14) & 1) && !(fake_get(0x1c) & 1);
}

/* As a death within enable() leaves it. */
static void disk_that_is_becoming_ready_is_not_disabled_before_it_is(void)
{
	given_disk();
	fake_set(0x1c, 0);
	was_enabling = true;
	was_disturbed = false;
	fake.look = disk_becomes_ready;
	CU_ASSERT_TRUE(disk.driver->stop(&disk));
	CU_ASSERT_EQUAL(disk.driver->restart(&disk), 0);
	CU_ASSERT_FALSE(was_disturbed);

	nvme_disk.is_never_ready = true;		/* one that says it never will be is reset all the same */
	fake_set(0x14, fake_get(0x14) | 1);
	fake_set(0x1c, 2);
	CU_ASSERT_TRUE(disk.driver->stop(&disk));
	CU_ASSERT_EQUAL(fake.failures, 0);
}

static void disk_that_has_fewer_queues_than_before_is_refused(void)
{
	given_disk();
	nvme_disk.queues = 2;
	CU_ASSERT_NOT_EQUAL(disk.driver->restart(&disk), 0);
	CU_ASSERT_EQUAL(disk.queues, 4);
}

#define CASE(name) CU_add_test(suite, #name, name)

int main(void)
{
	unsigned int failures;
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("nvme", NULL, NULL);
	CASE(command_is_what_the_standard_says);
	CASE(discard_is_what_the_standard_says);
	CASE(what_is_no_whole_sectors_or_too_many_is_refused);
	CASE(ios_come_back_in_the_disks_order);
	CASE(io_of_several_commands_is_answered_by_the_last_and_keeps_an_error);
	CASE(disk_that_is_not_ready_yet_is_asked_again);
	CASE(disk_is_asked_again_only_so_often_and_not_if_it_says_so);
	CASE(io_of_several_commands_is_asked_again_as_a_whole);
	CASE(queue_is_full_when_it_says_so);
	CASE(long_run_is_right);
	CASE(completion_of_another_turn_is_none);
	CASE(id_that_is_not_under_way_is_the_disks_error);
	CASE(id_that_comes_twice_is_the_disks_error);
	CASE(first_of_several_commands_that_comes_twice_is_the_disks_error);
	CASE(completion_of_another_queues_command_is_the_disks_error);
	CASE(head_that_a_completion_names_is_not_looked_at);
	CASE(disk_that_rewrites_its_commands_and_lists_harms_nobody);
	CASE(capabilities_that_cannot_be_are_refused);
	CASE(disk_that_never_becomes_ready_is_refused);
	CASE(admin_commands_that_are_not_answered_right_end_the_start);
	CASE(disk_of_no_size_is_refused);
	CASE(sectors_with_metadata_or_protection_are_refused);
	CASE(it_has_as_many_queues_as_both_can);
	CASE(io_is_never_too_large_for_a_short_queue);
	CASE(successor_believes_no_completion_of_before);
	CASE(disk_that_is_becoming_ready_is_not_disabled_before_it_is);
	CASE(disk_that_has_fewer_queues_than_before_is_refused);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
