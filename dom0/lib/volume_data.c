/* SPDX-License-Identifier: MIT */
#include "lib/volume_data.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR		512UL
#define PIECE		(1UL << 20)

static int wrong(int result, char why[VOLUME_WHY], const char *file)
{
	snprintf(why, VOLUME_WHY, "%.200s: %s", file, strerror(-result));
	return result;
}

int volume_wipe(const char *device, const struct volume *volume, uint64_t from)
{
	int file = open(device, O_RDWR | O_CLOEXEC), result = file < 0 ? -errno : 0;
	uint64_t at = 0;

	for (size_t i = 0; i < volume->extent_count && !result; i++) {
		uint64_t count = volume->extents[i].count, skip = from > at ? from - at : 0;
		uint64_t range[2] = { (volume->extents[i].first + skip) * SECTOR, (count - skip) * SECTOR };

		if (skip < count && ioctl(file, BLKZEROOUT, range))
			result = -errno;
		at += count;
	}
	if (!result && fsync(file))
		result = -errno;
	if (file >= 0)
		close(file);
	return result;
}

/* A FIFO must not keep us waiting. */
static int open_image(const char *file)
{
	return open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

int volume_image_size(const char *file, uint64_t *bytes, char why[VOLUME_WHY])
{
	static const struct {
		const char *magic, *name;
		size_t length;
	} formats[] = { { "QFI\xfb", "qcow2", 4 }, { "KDMV", "VMDK", 4 }, { "<<< ", "VDI", 4 }, { "conectix", "VHD", 8 }, { "vhdxfile", "VHDX", 8 } };
	int descriptor = open_image(file), result;
	struct stat status;
	char head[8] = "";

	if (descriptor < 0)
		return wrong(-errno, why, file);
	result = fstat(descriptor, &status) || (S_ISREG(status.st_mode) && pread(descriptor, head, sizeof(head), 0) < 0) ? -errno : 0;
	close(descriptor);
	if (result)
		return wrong(result, why, file);
	if (!S_ISREG(status.st_mode)) {
		snprintf(why, VOLUME_WHY, "%.200s is no regular file: name one that is a raw image", file);
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!memcmp(head, formats[i].magic, formats[i].length)) {
			snprintf(why, VOLUME_WHY, "%.150s is a %s image: make it a raw one, 'qemu-img convert -O raw FILE FILE.raw', and "
				 "import that", file, formats[i].name);
			return -EINVAL;
		}
	*bytes = ((uint64_t)status.st_size + SECTOR - 1) / SECTOR * SECTOR;
	return 0;
}

static bool is_zero(const char *piece, size_t count)
{
	return !count || (!piece[0] && !memcmp(piece, piece + 1, count - 1));
}

static int read_whole(int file, char *to, size_t count, uint64_t at, size_t *got)
{
	ssize_t one = 1;

	for (*got = 0; *got < count && one > 0; *got += one > 0 ? (size_t)one : 0) {
		one = pread(file, to + *got, count - *got, (off_t)(at + *got));
		if (one < 0)
			return -errno;
	}
	return 0;
}

static int write_whole(int file, const char *from, size_t count, uint64_t at)
{
	for (size_t put = 0; put < count;) {
		ssize_t one = pwrite(file, from + put, count - put, (off_t)(at + put));

		if (one < 0)
			return -errno;
		put += (size_t)one;
	}
	return 0;
}

/* Piece by piece in the volume's order; a piece of zeros is not written. */
static int move(const struct volume *volume, int from, int to, bool into_volume)
{
	char *piece = malloc(PIECE);
	uint64_t at = 0;
	int result = piece ? 0 : -ENOMEM;

	for (size_t i = 0; i < volume->extent_count && !result; i++) {
		uint64_t start = volume->extents[i].first * SECTOR, bytes = volume->extents[i].count * SECTOR;

		for (uint64_t done = 0; done < bytes && !result;) {
			size_t count = bytes - done < PIECE ? bytes - done : PIECE, got = 0;

			result = read_whole(from, piece, count, into_volume ? at + done : start + done, &got);
			if (!result && !is_zero(piece, got))
				result = write_whole(to, piece, got, into_volume ? start + done : at + done);
			done += count;
		}
		at += bytes;
	}
	free(piece);
	return result;
}

int volume_fill(const char *device, const struct volume *volume, const char *file, char why[VOLUME_WHY])
{
	int image = open_image(file), disk = open(device, O_RDWR | O_CLOEXEC);
	int result = image < 0 || disk < 0 ? -errno : move(volume, image, disk, true);

	if (!result && (fsync(disk) || ioctl(disk, BLKFLSBUF)))
		result = -errno;
	if (image >= 0)
		close(image);
	if (disk >= 0)
		close(disk);
	return result ? wrong(result, why, file) : 0;
}

/* Where the volume's byte is on its device, and how many follow it there. */
static size_t place_of(const struct volume *volume, uint64_t byte, size_t count, uint64_t *at)
{
	for (size_t i = 0; i < volume->extent_count; i++) {
		uint64_t bytes = volume->extents[i].count * SECTOR;

		if (byte < bytes) {
			*at = volume->extents[i].first * SECTOR + byte;
			return bytes - byte < count ? bytes - byte : count;
		}
		byte -= bytes;
	}
	return 0;
}

static int gather(const struct volume *volume, int to, const struct volume *original, int from)
{
	uint64_t bytes = original->sectors * SECTOR, read_at = 0, write_at = 0;
	char *piece = malloc(PIECE);
	size_t count, got = 0;
	int result = piece ? 0 : -ENOMEM;

	for (uint64_t done = 0; done < bytes && !result; done += count) {
		count = place_of(original, done, PIECE, &read_at);
		count = place_of(volume, done, count, &write_at);
		result = count ? read_whole(from, piece, count, read_at, &got) : -ENOSPC;
		if (!result && got < count)
			result = -EIO;
		if (!result && !is_zero(piece, got))
			result = write_whole(to, piece, got, write_at);
	}
	free(piece);
	return result;
}

int volume_gather(const char *device, const struct volume *volume, const char *source, const struct volume *original)
{
	int from = open(source, O_RDONLY | O_CLOEXEC), to = open(device, O_RDWR | O_CLOEXEC), result;

	/* What a guest has written to the original is on the disk, and what is cached of it here may be old. */
	result = from < 0 || to < 0 || ioctl(from, BLKFLSBUF) ? -errno : gather(volume, to, original, from);
	if (!result && (fsync(to) || ioctl(to, BLKFLSBUF)))
		result = -errno;
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return result;
}

int volume_copy(const char *device, const struct volume *volume, const char *file, char why[VOLUME_WHY])
{
	int disk = open(device, O_RDONLY | O_CLOEXEC), image = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), result = 0;

	if (image < 0)
		result = wrong(-errno, why, file);
	else if (disk < 0 || ioctl(disk, BLKFLSBUF))
		result = wrong(-errno, why, device);
	else if ((result = move(volume, disk, image, false)))
		wrong(result, why, file);
	/* It has its size when it has all: what a skinkd that was killed leaves is not taken for whole. */
	else if (ftruncate(image, (off_t)(volume->sectors * SECTOR)) || fsync(image))
		result = wrong(-errno, why, file);
	if (image >= 0)
		close(image);
	if (image >= 0 && result)
		unlink(file);
	if (disk >= 0)
		close(disk);
	return result;
}
