/* SPDX-License-Identifier: MIT */
#include "lib/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/build.h"
#include "lib/file.h"

#define MAGIC		0x31304b4e494b53UL	/* "SKINK01": another when the format changes */
#define BLOCK_BYTES	(4UL << 20)
#define LZ4_MAGIC	0x184c2102u
#define FILE_MAX	(256UL << 20)
#define PATH_TEXT	512

struct header {
	uint64_t magic;
	struct cache_key key;
	uint64_t elf_bytes;
	uint64_t crc;			/* of all behind the header: a stream as kernels have it */
};

bool cache_key(int descriptor, struct cache_key *key)
{
	struct stat status;

	if (fstat(descriptor, &status))
		return false;
	*key = (struct cache_key){ status.st_dev, status.st_ino, (uint64_t)status.st_size, status.st_mtim.tv_sec,
				   status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec };
	return true;
}

static void path_of(const char *folder, const struct cache_key *key, char path[PATH_TEXT])
{
	snprintf(path, PATH_TEXT, "%.400s/%lx-%lx.kernel", folder, key->device, key->inode);
}

bool cache_find(const char *folder, const struct cache_key *key, struct bytes *elf)
{
	struct build_error ignored;
	struct header header;
	struct bytes file;
	char path[PATH_TEXT];
	bool found;

	path_of(folder, key, path);
	if (file_read_all(path, FILE_MAX, BLAME_NOBODY, &file, &ignored))
		return false;
	found = file.count > sizeof(header);
	if (found) {
		memcpy(&header, file.at, sizeof(header));
		found = header.magic == MAGIC && !memcmp(&header.key, key, sizeof(*key)) && header.elf_bytes <= FILE_MAX &&
			header.crc == crc32_z(0, file.at + sizeof(header), file.count - sizeof(header)) &&
			!unpack(file.at + sizeof(header), file.count - sizeof(header), header.elf_bytes, elf, &ignored);
	}
	bytes_free(&file);
	return found;
}

/* ---- keeping ---- */

/* The whole file in memory, and how much of that is used. */
static struct bytes pack(const struct cache_key *key, const struct bytes *elf, size_t *used)
{
	struct header header = { .magic = MAGIC, .key = *key, .elf_bytes = elf->count };
	size_t blocks = elf->count / BLOCK_BYTES + 1, at = sizeof(header) + 4;
	struct bytes file = bytes_alloc(at + blocks * (4 + (size_t)LZ4_compressBound(BLOCK_BYTES)));
	const uint32_t magic = LZ4_MAGIC;

	if (!file.at)
		return file;
	memcpy(file.at + sizeof(header), &magic, sizeof(magic));
	for (size_t done = 0; done < elf->count; done += BLOCK_BYTES) {
		size_t piece = elf->count - done < BLOCK_BYTES ? elf->count - done : BLOCK_BYTES;
		int packed = LZ4_compress_default((const char *)elf->at + done, (char *)file.at + at + 4, (int)piece,
						  LZ4_compressBound(BLOCK_BYTES));

		memcpy(file.at + at, &packed, sizeof(packed));
		at += 4 + (size_t)packed;
	}
	header.crc = crc32_z(0, file.at + sizeof(header), at - sizeof(header));
	memcpy(file.at, &header, sizeof(header));
	*used = at;
	return file;
}

static int write_file(const char *path, const uint8_t *from, size_t bytes)
{
	char beside[PATH_TEXT + 8];
	int file, result = 0;

	snprintf(beside, sizeof(beside), "%s.new", path);
	file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0)
		return -errno;
	while (bytes && !result) {
		ssize_t put = write(file, from, bytes);

		if (put < 0 && errno != EINTR)
			result = -errno;
		if (put > 0) {
			from += put;
			bytes -= (size_t)put;
		}
	}
	close(file);
	if (!result && rename(beside, path))
		result = -errno;
	if (result)
		unlink(beside);
	return result;
}

/* Removes the oldest files until there is room for `kib` more. */
static void make_room(const char *folder, uint64_t kib, uint64_t limit_kib)
{
	char path[PATH_TEXT + 260], oldest[PATH_TEXT + 260];
	struct dirent *entry;
	struct stat status;
	time_t since;
	uint64_t all;
	DIR *list;

	do {
		all = kib;
		*oldest = 0;
		since = 0;
		list = opendir(folder);
		while (list && (entry = readdir(list))) {
			snprintf(path, sizeof(path), "%.400s/%s", folder, entry->d_name);
			if (lstat(path, &status) || !S_ISREG(status.st_mode))
				continue;
			all += (uint64_t)status.st_blocks / 2;
			if (!*oldest || status.st_mtim.tv_sec < since) {
				since = status.st_mtim.tv_sec;
				strcpy(oldest, path);
			}
		}
		if (list)
			closedir(list);
	} while (all > limit_kib && *oldest && !unlink(oldest));
}

int cache_keep(const char *folder, const struct cache_key *key, const struct bytes *elf, uint64_t limit_kib)
{
	size_t used = 0;
	struct bytes file = pack(key, elf, &used);
	char path[PATH_TEXT];
	int result;

	if (!file.at)
		return -ENOMEM;
	mkdir(folder, 0700);
	make_room(folder, used >> 10, limit_kib);
	path_of(folder, key, path);
	result = used >> 10 > limit_kib ? -ENOSPC : write_file(path, file.at, used);
	bytes_free(&file);
	return result;
}
