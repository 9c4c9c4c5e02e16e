/* SPDX-License-Identifier: MIT */
/* The libraries do the work and check the stream; here is only what they are called with. */
#include "lib/unpack.h"

#include <errno.h>
#include <lz4.h>
#include <lzma.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#include "lib/build.h"

#define XZ_MEMORY_MAX	(192UL << 20)	/* kernels are packed with dictionaries of up to 128 MiB */
#define LZ4_BLOCK_MAX	(8UL << 20)
#define LZ4_MAGIC	0x184c2102u

struct bytes bytes_alloc(size_t count)
{
	void *at = count ? mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)
			 : MAP_FAILED;

	return (struct bytes){ at == MAP_FAILED ? NULL : at, count };
}

void bytes_free(struct bytes *bytes)
{
	if (bytes->at)
		munmap(bytes->at, bytes->count);
	*bytes = (struct bytes){ 0 };
}

static bool gzip_unpack(const uint8_t *packed, size_t count, struct bytes *out)
{
	z_stream stream = { .next_in = (uint8_t *)packed, .avail_in = (uInt)count,
			    .next_out = out->at, .avail_out = (uInt)out->count };
	int result;

	if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
		return false;
	result = inflate(&stream, Z_FINISH);
	inflateEnd(&stream);
	return result == Z_STREAM_END && stream.avail_out == 0;
}

static bool xz_unpack(const uint8_t *packed, size_t count, struct bytes *out)
{
	uint64_t memory = XZ_MEMORY_MAX;
	size_t in_at = 0, out_at = 0;

	return lzma_stream_buffer_decode(&memory, 0, NULL, packed, &in_at, count, out->at, &out_at,
					 out->count) == LZMA_OK && out_at == out->count;
}

static bool zstd_unpack(const uint8_t *packed, size_t count, struct bytes *out)
{
	size_t frame = ZSTD_findFrameCompressedSize(packed, count);

	return !ZSTD_isError(frame) && ZSTD_decompress(out->at, out->count, packed, frame) == out->count;
}

/* A magic word, then blocks: their packed size and what unpacks to at most 8 MiB. */
static bool lz4_unpack(const uint8_t *packed, size_t count, struct bytes *out)
{
	size_t at = sizeof(uint32_t), out_at = 0;
	uint32_t block;
	int got;

	while (out_at < out->count) {
		size_t room = out->count - out_at < LZ4_BLOCK_MAX ? out->count - out_at : LZ4_BLOCK_MAX;

		if (count - at < sizeof(block))
			return false;
		memcpy(&block, packed + at, sizeof(block));
		at += sizeof(block);
		if (block > count - at || block > LZ4_COMPRESSBOUND(LZ4_BLOCK_MAX))
			return false;
		got = LZ4_decompress_safe((const char *)packed + at, (char *)out->at + out_at, (int)block, (int)room);
		if (got <= 0)
			return false;
		at += block;
		out_at += (size_t)got;
	}
	return true;
}

static const struct format {
	const char *name;
	uint8_t magic[6];
	size_t magic_bytes;
	bool (*unpack)(const uint8_t *packed, size_t count, struct bytes *out);	/* NULL: known, not unpacked */
} formats[] = {
	{ "gzip", { 0x1f, 0x8b }, 2, gzip_unpack },
	{ "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, xz_unpack },
	{ "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, zstd_unpack },
	{ "lz4", { 0x02, 0x21, 0x4c, 0x18 }, 4, lz4_unpack },
	{ "bzip2", { 'B', 'Z', 'h' }, 3, NULL },
	{ "lzma", { 0x5d, 0, 0 }, 3, NULL },
	{ "lzop", { 0x89, 'L', 'Z', 'O' }, 4, NULL },
};

static const struct format *format_of(const uint8_t *packed, size_t count)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (count > formats[i].magic_bytes && !memcmp(packed, formats[i].magic, formats[i].magic_bytes))
			return &formats[i];
	return NULL;
}

const char *unpack_name(const uint8_t *packed, size_t count)
{
	const struct format *format = format_of(packed, count);

	return format ? format->name : NULL;
}

int unpack(const uint8_t *packed, size_t count, size_t expected, struct bytes *out, struct build_error *error)
{
	const struct format *format = format_of(packed, count);

	if (!format || !format->unpack)
		return build_refuse(error, BLAME_KERNEL, -ENOEXEC, "it is packed with %s: take a kernel packed with gzip, xz, "
				    "zstd or lz4", format ? format->name : "something unknown");
	*out = bytes_alloc(expected);
	if (!out->at)
		return build_refuse(error, BLAME_MACHINE, -ENOMEM, "Domain-0 has no %zu MiB to unpack the kernel in",
				    (expected >> 20) + 1);
	if (format->unpack(packed, count, out))
		return 0;
	bytes_free(out);
	return build_refuse(error, BLAME_KERNEL, -ENOEXEC, "its %s data is damaged: copy the file again", format->name);
}
