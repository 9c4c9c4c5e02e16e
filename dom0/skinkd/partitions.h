/* SPDX-License-Identifier: MIT */
/* A disk's partitions, as libblkid finds them. Whoever could write to the disk wrote the table: it is judged by its reader. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARTITIONS_MAX	256

struct partition {
	char label[112];		/* GPT: 36 characters, as UTF-8; "" : it has none */
	char uuid[40];
	uint64_t first, count;		/* of 512 bytes */
};

struct partition_table {
	int error;			/* -errno: it could not be read */
	struct partition *partitions;
	size_t count;
};

/* Of a block device, read from the disk and from no cache. Takes as long as the disk does. */
int partitions_read(const char *path, struct partition_table *table);
void partitions_free(struct partition_table *table);

/* "'root', 'swap'", as far as there is room. */
void partitions_names(const struct partition_table *table, bool by_uuid, char *text, size_t room);
