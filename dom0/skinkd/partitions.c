/* SPDX-License-Identifier: MIT */
#include "skinkd/partitions.h"

#include <blkid/blkid.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "lib/need.h"
#include "skinkd/text.h"

#define TRIES	50		/* the kernel makes the file a moment after it has said that it is connected */

static int open_device(const char *path)
{
	const struct timespec moment = { .tv_nsec = 20000000 };
	int file = open(path, O_RDONLY | O_CLOEXEC);

	for (int i = 0; file < 0 && errno == ENOENT && i < TRIES; i++) {
		nanosleep(&moment, NULL);
		file = open(path, O_RDONLY | O_CLOEXEC);
	}
	return file;
}

static void copy_text(char *to, size_t room, const char *from)
{
	snprintf(to, room, "%s", from ? from : "");
	text_make_utf8(to);
	for (; *to; to++)
		if (iscntrl((unsigned char)*to))
			*to = '?';
}

static void take(struct partition_table *table, blkid_partition found)
{
	struct partition *partition = NEED_ONE_MORE(table->partitions, table->count);

	copy_text(partition->label, sizeof(partition->label), blkid_partition_get_name(found));
	copy_text(partition->uuid, sizeof(partition->uuid), blkid_partition_get_uuid(found));
	partition->first = (uint64_t)blkid_partition_get_start(found);
	partition->count = (uint64_t)blkid_partition_get_size(found);
}

static int probe(int file, struct partition_table *table)
{
	blkid_probe prober = blkid_new_probe();
	blkid_partlist list;
	int count;

	if (!prober)
		return -ENOMEM;
	if (blkid_probe_set_device(prober, file, 0, 0) || blkid_probe_enable_partitions(prober, 1)) {
		blkid_free_probe(prober);
		return -EIO;
	}
	/* NULL: it has no table that libblkid knows. */
	list = blkid_probe_get_partitions(prober);
	count = list ? blkid_partlist_numof_partitions(list) : 0;
	for (int i = 0; i < count && i < PARTITIONS_MAX; i++)
		take(table, blkid_partlist_get_partition(list, i));
	blkid_free_probe(prober);
	return 0;
}

int partitions_read(const char *path, struct partition_table *table)
{
	int file = open_device(path);

	*table = (struct partition_table){ 0 };
	if (file < 0) {
		table->error = -errno;
	} else {
		ioctl(file, BLKFLSBUF);
		table->error = probe(file, table);
		close(file);
	}
	return 0;
}

void partitions_free(struct partition_table *table)
{
	free(table->partitions);
	*table = (struct partition_table){ 0 };
}

void partitions_names(const struct partition_table *table, bool by_uuid, char *text, size_t room)
{
	static const char rest[] = ", ...";
	size_t length = 0;

	*text = 0;
	for (size_t i = 0; i < table->count; i++) {
		const char *name = by_uuid ? table->partitions[i].uuid : table->partitions[i].label;

		if (*name && length + strlen(", ''") + strlen(name) + sizeof(rest) > room) {
			snprintf(text + length, room - length, "%s", rest);
			return;
		}
		if (*name)
			length += (size_t)snprintf(text + length, room - length, "%s'%s'", length ? ", " : "", name);
	}
}
