/* SPDX-License-Identifier: MIT */
#include "lib/kernel.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "lib/build.h"
#include "lib/file.h"

/* The kernel's documentation, x86/boot: offsets in a bzImage. */
#define SECTOR_BYTES		512u
#define SETUP_SECTORS_AT	0x1f1u
#define MAGIC_AT		0x202u		/* "HdrS" */
#define PROTOCOL_AT		0x206u
#define PAYLOAD_OFFSET_AT	0x248u
#define PAYLOAD_LENGTH_AT	0x24cu
#define HEADER_END		0x250u
#define PROTOCOL_WITH_PAYLOAD	0x208u
#define SETUP_SECTORS_OLD	4u		/* what 0 stands for */
#define SIZE_BYTES		4u		/* at the payload's end: how much it unpacks to */

static uint32_t read_32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static bool is_elf(const struct bytes *image)
{
	return image->count >= SELFMAG && !memcmp(image->at, ELFMAG, SELFMAG);
}

/* Where in a bzImage the packed kernel lies. */
static int find_payload(const struct bytes *image, const uint8_t **payload, size_t *count, struct build_error *error)
{
	uint32_t sectors = image->at[SETUP_SECTORS_AT] ? image->at[SETUP_SECTORS_AT] : SETUP_SECTORS_OLD;
	uint64_t start = (sectors + 1) * SECTOR_BYTES + (uint64_t)read_32(image->at + PAYLOAD_OFFSET_AT);
	uint64_t length = read_32(image->at + PAYLOAD_LENGTH_AT);
	uint32_t protocol = image->at[PROTOCOL_AT] | (uint32_t)image->at[PROTOCOL_AT + 1] << 8;

	if (protocol < PROTOCOL_WITH_PAYLOAD)
		return build_refuse(error, BLAME_KERNEL, -ENOEXEC, "it is a bzImage of boot protocol %u.%02u, older than 2.08: "
				    "take a newer kernel", protocol >> 8, protocol & 0xff);
	if (start > image->count || length > image->count - start || length <= SIZE_BYTES)
		return build_refuse(error, BLAME_KERNEL, -ENOEXEC, "it is a truncated bzImage: its kernel should lie at "
				    "%lu to %lu, and the file ends at %zu: copy it again", start, start + length, image->count);
	*payload = image->at + start;
	*count = length;
	return 0;
}

static int unpack_sized(const uint8_t *packed, size_t count, struct bytes *elf, struct build_error *error)
{
	uint32_t expected = read_32(packed + count - SIZE_BYTES);

	if (expected > KERNEL_FILE_MAX || expected < SELFMAG)
		return build_refuse(error, BLAME_KERNEL, -ENOEXEC, "it says that it unpacks to %u bytes, which no kernel does: "
				    "copy the file again", expected);
	return unpack(packed, count, expected, elf, error);
}

static int extract(const struct bytes *image, struct bytes *elf, struct build_error *error)
{
	const uint8_t *payload = image->at;
	size_t count = image->count;
	int result;

	if (count >= HEADER_END && !memcmp(image->at + MAGIC_AT, "HdrS", 4)) {
		result = find_payload(image, &payload, &count, error);
		if (result)
			return result;
	} else if (count <= SIZE_BYTES || strcmp(unpack_name(image->at, count) ?: "", "gzip")) {
		return build_refuse(error, BLAME_KERNEL, -ENOEXEC, "it is no kernel: neither an ELF nor a bzImage "
				    "(on Debian a kernel is /boot/vmlinuz-VERSION)");
	}
	result = unpack_sized(payload, count, elf, error);
	if (!result && !is_elf(elf)) {
		bytes_free(elf);
		return build_refuse(error, BLAME_KERNEL, -ENOEXEC, "what is packed in it is no ELF: it is no kernel for Xen");
	}
	return result;
}

int kernel_extract(struct bytes *image, struct bytes *elf, struct build_error *error)
{
	int result;

	if (is_elf(image)) {
		*elf = *image;
		*image = (struct bytes){ 0 };
		return 0;
	}
	result = extract(image, elf, error);
	bytes_free(image);
	return result;
}

static int read_image(int descriptor, size_t bytes, struct bytes *image, struct build_error *error)
{
	int result;

	*image = bytes_alloc(bytes);
	if (!image->at)
		return build_refuse(error, BLAME_MACHINE, -ENOMEM, "Domain-0 has no %zu MiB to read it", (bytes >> 20) + 1);
	result = file_read(descriptor, image->at, bytes, BLAME_KERNEL, error);
	if (result)
		bytes_free(image);
	return result;
}

static int load(int descriptor, size_t bytes, const char *cache, struct kernel *kernel, struct build_error *error)
{
	bool has_key = cache && cache_key(descriptor, &kernel->key);
	struct cache_key contents;
	struct bytes image;
	int result;

	if (has_key && cache_find(cache, &kernel->key, &kernel->elf))
		return 0;
	result = read_image(descriptor, bytes, &image, error);
	if (result)
		return result;
	if (!cache || is_elf(&image))
		return kernel_extract(&image, &kernel->elf, error);
	contents = cache_key_of(&image);
	if (cache_find(cache, &contents, &kernel->elf)) {
		bytes_free(&image);
		return 0;
	}
	kernel->is_new = has_key;
	return kernel_extract(&image, &kernel->elf, error);
}

int kernel_load(const char *file, const char *cache, struct kernel *kernel, struct build_error *error)
{
	size_t bytes;
	int descriptor = file_open(file, KERNEL_FILE_MAX, BLAME_KERNEL, &bytes, error), result;

	*kernel = (struct kernel){ 0 };
	if (descriptor < 0)
		return descriptor;
	result = load(descriptor, bytes, cache, kernel, error);
	close(descriptor);
	return result;
}

int kernel_prepare(const char *file, const char *cache, struct cache_key *key, struct build_error *error)
{
	struct bytes image, elf;
	int result = file_read_all(file, KERNEL_FILE_MAX, BLAME_KERNEL, &image, error);

	if (result)
		return result;
	*key = cache_key_of(&image);
	if (is_elf(&image) || cache_has(cache, key)) {
		result = is_elf(&image);
		bytes_free(&image);
		return result;
	}
	result = kernel_extract(&image, &elf, error);
	if (result)
		return result;
	result = cache_keep(cache, key, &elf, UINT64_MAX);
	bytes_free(&elf);
	return result ? build_refuse(error, BLAME_MACHINE, result, "%s: %s", cache, strerror(-result)) : 0;
}
