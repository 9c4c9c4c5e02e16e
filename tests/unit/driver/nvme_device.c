/* SPDX-License-Identifier: MIT */
#include "nvme_device.h"

#include <string.h>

#define CAPABILITIES	(255ull | 20ull << 24 | 1ull << 37)
#define REG_CC		0x14
#define REG_CSTS	0x1c
#define REG_AQA		0x24
#define REG_ASQ		0x28
#define REG_ACQ		0x30
#define DOORBELL(queue)	(0x1000u + 8 * (queue))

enum { CREATE_SQ = 1, CREATE_CQ = 5, IDENTIFY = 6, SET_FEATURES = 9 };

struct nvme_disk nvme_disk;

/* Of a page: its low bits do not count. */
static uint64_t get_page(uint32_t at) { return (fake_get(at) & ~0xfffu) | (uint64_t)fake_get(at + 4) << 32; }

struct nvme_command *nvme_take(uint32_t number)
{
	struct nvme_queue *queue = &nvme_disk.queue[number];
	uint32_t tail = fake_get(DOORBELL(number)), at = queue->seen;

	if (!queue->commands || queue->seen == tail || tail >= queue->entries)
		return NULL;
	queue->seen = (queue->seen + 1) % queue->entries;
	return fake_memory(queue->commands + at * sizeof(struct nvme_command), sizeof(struct nvme_command));
}

static void put(uint32_t number, uint16_t id, uint16_t status, uint32_t result)
{
	struct nvme_queue *queue = &nvme_disk.queue[number];
	struct nvme_completion *at = queue->completions ?
		fake_memory(queue->completions + queue->put * sizeof(*at), sizeof(*at)) : NULL;

	if (!at)
		return;
	*at = (struct nvme_completion){ .result = result, .id = id, .status = (uint16_t)(status << 1 | queue->phase) };
	if (++queue->put == queue->entries) {
		queue->put = 0;
		queue->phase ^= 1;
	}
}

void nvme_put(uint32_t number, uint16_t id, uint16_t status)
{
	put(number, id, status, 0);
}

static void queue_made(const struct nvme_command *command)
{
	uint32_t number = command->word[0] & 0xffff;
	struct nvme_queue *queue = &nvme_disk.queue[number < 5 ? number : 4];

	if (command->opcode == CREATE_CQ) {
		*queue = (struct nvme_queue){ .completions = command->page[0] & ~0xfffull, .entries = (command->word[0] >> 16) + 1, .phase = 1 };
		fake_set(DOORBELL(number % 5), 0);
	} else {
		queue->commands = command->page[0] & ~0xfffull;
	}
}

static void admin(const struct nvme_command *command)
{
	void *page = fake_memory(command->page[0], 4096);
	uint32_t result = 0;

	if (command->opcode == IDENTIFY && page)
		memcpy(page, command->word[0] == 1 ? nvme_disk.controller : nvme_disk.space, 4096);
	else if (command->opcode == SET_FEATURES)
		result = (nvme_disk.queues - 1) << 16 | (nvme_disk.queues - 1);
	else if (command->opcode == CREATE_CQ || command->opcode == CREATE_SQ)
		queue_made(command);
	put(0, (uint16_t)(command->id + nvme_disk.wrong_id), nvme_disk.status, result);
}

static void controller(void)
{
	struct nvme_queue *queue = &nvme_disk.queue[0];

	if ((fake_get(REG_CC) & 1) == (fake_get(REG_CSTS) & 1) || nvme_disk.is_never_ready)
		return;
	fake_set(REG_CSTS, fake_get(REG_CC) & 1);
	memset(nvme_disk.queue, 0, sizeof(nvme_disk.queue));
	*queue = (struct nvme_queue){ get_page(REG_ASQ), get_page(REG_ACQ), (fake_get(REG_AQA) & 0xfff) + 1, .phase = 1 };
	fake_set(DOORBELL(0), 0);
}

void nvme_look(void)
{
	struct nvme_command *command;

	controller();
	while (!nvme_disk.is_mute && (command = nvme_take(0)))
		admin(command);
}

void nvme_begin(struct blk_device *disk)
{
	fake_begin(0x2000);
	memset(&nvme_disk, 0, sizeof(nvme_disk));
	fake_set(0, (uint32_t)CAPABILITIES);
	fake_set(4, (uint32_t)(CAPABILITIES >> 32));
	nvme_disk.queues = 4;
	nvme_disk.controller[77] = 5;
	nvme_disk.controller[520] = 4;
	nvme_disk.controller[525] = 1;
	nvme_disk.space[130] = 9;
	memcpy(nvme_disk.space, &(uint64_t){ 1000000 }, 8);
	fake.look = nvme_look;
	fake_disk(disk, &nvme);
}
