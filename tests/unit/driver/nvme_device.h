/* SPDX-License-Identifier: MIT */
/*
 * An NVMe disk over pci_device.h: its controller becomes ready, answers admin commands, and learns where the queues are. Each of that may be
 * made a lie; what it does with commands of its queues is the test's.
 */
#pragma once

#include "pci_device.h"

struct nvme_command {
	uint8_t opcode, flags;
	uint16_t id;
	uint32_t space;
	uint64_t reserved[2];
	uint64_t page[2];
	uint32_t word[6];
};

struct nvme_completion {
	uint32_t result, reserved;
	uint16_t head, queue, id, status;
};

/* 0 is the admin queue. */
struct nvme_queue {
	uint64_t commands, completions;	/* machine addresses; 0: the driver has not made it */
	uint32_t entries, seen, put;
	uint16_t phase;
};

struct nvme_disk {
	uint8_t controller[4096], space[4096];	/* what it says of itself */
	uint32_t queues;			/* that it has */
	bool is_never_ready, is_mute;
	uint16_t wrong_id;			/* added to the identifier of each admin completion */
	uint16_t status;			/* of each admin completion */
	struct nvme_queue queue[5];
};
extern struct nvme_disk nvme_disk;

void nvme_begin(struct blk_device *disk);	/* an honest one: 1,000,000 sectors of 512 bytes, all is offered */
void nvme_look(void);
struct nvme_command *nvme_take(uint32_t queue);	/* what was handed over next; NULL: nothing */
void nvme_put(uint32_t queue, uint16_t id, uint16_t status);	/* a completion of this turn; status as in 4.6.1, without the phase */
