/* SPDX-License-Identifier: MIT */
#include "lib/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lz4.h>
#include <lz4hc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "lib/build.h"
#include "lib/file.h"

#define MAGIC		0x33304b4e494b53UL	/* "SKINK03": another when the format changes */
#define BLOCK_BYTES	(4UL << 20)
#define LZ4_MAGIC	0x184c2102u
#define FILE_MAX	(256UL << 20)
#define PATH_TEXT	512
#define NAME_TEXT	64
#define SMALLER_LEVEL	3		/* of lz4's slower packer: more hardly gives less */

struct header {
	uint64_t magic;
	struct cache_key key;
	uint64_t elf_bytes;
	uint64_t sum;			/* of all behind the header: a stream as kernels have it */
};

bool cache_key(int descriptor, struct cache_key *key)
{
	struct stat status;

	if (fstat(descriptor, &status))
		return false;
	*key = (struct cache_key){ CACHE_KEPT, (uint64_t)status.st_size, { status.st_dev, status.st_ino },
				   status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec };
	return true;
}

struct cache_key cache_key_of(const struct bytes *file)
{
	return (struct cache_key){ .kind = CACHE_PREPARED, .bytes = file->count,
				   .place = { XXH3_64bits(file->at, file->count) } };
}

static const char *const endings[] = { [CACHE_KEPT] = ".kernel", [CACHE_PREPARED] = ".prepared" };

static void name_of(const struct cache_key *key, char name[NAME_TEXT])
{
	snprintf(name, NAME_TEXT, "%lx-%lx%s", key->place[0], key->place[1], endings[key->kind]);
}

static void path_of(const char *folder, const struct cache_key *key, char path[PATH_TEXT])
{
	char name[NAME_TEXT];

	name_of(key, name);
	snprintf(path, PATH_TEXT, "%.400s/%s", folder, name);
}

static bool header_fits(const struct header *header, const struct cache_key *key)
{
	return header->magic == MAGIC && !memcmp(&header->key, key, sizeof(*key)) && header->elf_bytes <= FILE_MAX;
}

bool cache_has(const char *folder, const struct cache_key *key)
{
	struct header header;
	char path[PATH_TEXT];
	bool has;
	int file;

	path_of(folder, key, path);
	file = open(path, O_RDONLY | O_CLOEXEC);
	has = file >= 0 && read(file, &header, sizeof(header)) == sizeof(header) && header_fits(&header, key);
	if (file >= 0)
		close(file);
	return has;
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
		found = header_fits(&header, key) &&
			header.sum == XXH3_64bits(file.at + sizeof(header), file.count - sizeof(header)) &&
			!unpack(file.at + sizeof(header), file.count - sizeof(header), header.elf_bytes, elf, &ignored);
	}
	bytes_free(&file);
	return found;
}

/* ---- keeping ---- */

struct output {
	int file;
	XXH3_state_t *sum;		/* of what is behind the header */
};

static int put(struct output *output, const void *from, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t put = write(output->file, (const char *)from + done, bytes - done);

		if (put < 0 && errno != EINTR)
			return -errno;
		if (put > 0)
			done += (size_t)put;
	}
	return XXH3_64bits_update(output->sum, from, bytes) == XXH_OK ? 0 : -EIO;
}

static int pack(enum cache_kind kind, const char *from, size_t bytes, char *to)
{
	int room = LZ4_compressBound(BLOCK_BYTES);

	return kind == CACHE_PREPARED ? LZ4_compress_HC(from, to, (int)bytes, room, SMALLER_LEVEL)
				      : LZ4_compress_default(from, to, (int)bytes, room);
}

/* A stream as lz4 kernels have it, a block at a time: Dom0 may be small. */
static int put_stream(struct output *output, enum cache_kind kind, const struct bytes *elf)
{
	const uint32_t magic = LZ4_MAGIC;
	char *buffer = malloc(4 + (size_t)LZ4_compressBound(BLOCK_BYTES));
	int result = buffer ? put(output, &magic, sizeof(magic)) : -ENOMEM;

	for (size_t done = 0; done < elf->count && !result; done += BLOCK_BYTES) {
		size_t piece = elf->count - done < BLOCK_BYTES ? elf->count - done : BLOCK_BYTES;
		int packed = pack(kind, (const char *)elf->at + done, piece, buffer + 4);

		memcpy(buffer, &packed, sizeof(packed));
		result = put(output, buffer, 4 + (size_t)packed);
	}
	free(buffer);
	return result;
}

static int put_all(int file, const struct cache_key *key, const struct bytes *elf)
{
	struct header header = { .magic = MAGIC, .key = *key, .elf_bytes = elf->count };
	struct output output = { .file = file, .sum = XXH3_createState() };
	int result = !output.sum || XXH3_64bits_reset(output.sum) != XXH_OK ? -ENOMEM : 0;

	if (!result)
		result = lseek(file, sizeof(header), SEEK_SET) < 0 ? -errno : put_stream(&output, key->kind, elf);
	if (!result)
		header.sum = XXH3_64bits_digest(output.sum);
	XXH3_freeState(output.sum);
	if (!result && pwrite(file, &header, sizeof(header), 0) != sizeof(header))
		result = -(errno ? errno : EIO);
	return result;
}

/* Removes the oldest that are kept, or were to be kept, until all have at most limit_kib. */
static void make_room(const char *folder, uint64_t limit_kib)
{
	char path[PATH_TEXT + 260], oldest[PATH_TEXT + 260];
	struct dirent *entry;
	struct stat status;
	time_t since;
	uint64_t all;
	DIR *list;

	do {
		all = 0;
		*oldest = 0;
		since = 0;
		list = opendir(folder);
		while (list && (entry = readdir(list))) {
			snprintf(path, sizeof(path), "%.400s/%s", folder, entry->d_name);
			if (!strstr(entry->d_name, endings[CACHE_KEPT]) || lstat(path, &status) || !S_ISREG(status.st_mode))
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
	char path[PATH_TEXT], beside[PATH_TEXT + 32];
	int file, result;

	mkdir(folder, 0700);
	path_of(folder, key, path);
	/* Two threads may keep the same one. */
	snprintf(beside, sizeof(beside), "%s.new-%d", path, gettid());
	file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0)
		return -errno;
	result = put_all(file, key, elf);
	close(file);
	if (!result && rename(beside, path))
		result = -errno;
	if (result)
		unlink(beside);
	make_room(folder, limit_kib);
	return result;
}

int cache_lock(const char *folder)
{
	int lock;

	mkdir(folder, 0700);
	lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0)
		return -errno;
	while (flock(lock, LOCK_EX)) {
		if (errno != EINTR) {
			int result = -errno;

			close(lock);
			return result;
		}
	}
	return lock;
}

static bool is_one_of(const char *name, const struct cache_key *keys, size_t count)
{
	char one[NAME_TEXT];

	for (size_t i = 0; i < count; i++) {
		name_of(&keys[i], one);
		if (!strcmp(name, one))
			return true;
	}
	return false;
}

void cache_forget_others(const char *folder, const struct cache_key *keys, size_t count)
{
	DIR *list = opendir(folder);
	struct dirent *entry;

	while (list && (entry = readdir(list)))
		if (strstr(entry->d_name, endings[CACHE_PREPARED]) && !is_one_of(entry->d_name, keys, count))
			unlinkat(dirfd(list), entry->d_name, 0);
	if (list)
		closedir(list);
}
