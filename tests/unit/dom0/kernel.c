/* SPDX-License-Identifier: MIT */
/* Kernels as somebody hostile would hand them to the builder: bzImages, ELF files, notes, layouts, first page tables. */
#include <CUnit/Basic.h>
#include <elf.h>
#include <fcntl.h>
#include <lz4.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <xen/elfnote.h>

#include "lib/build.h"
#include "lib/kernel.h"
#include "lib/layout.h"
#include "lib/pvelf.h"
#include "lib/tables.h"

#define VIRT_BASE	0xffffffff80000000UL
#define LOAD_AT		0x1000000UL
#define FILE_BYTES	0x3000UL
#define TEXT_AT		0x1000UL
#define NOTES_AT	0x2000UL

static struct build_error error;

static bool complains(const char *text)
{
	return strstr(error.text, text) != NULL;
}

/* ---- a kernel that is right ---- */

struct given {
	Elf64_Ehdr *header;
	Elf64_Phdr *program;
	uint8_t file[FILE_BYTES];
	size_t notes;
};

static void add_note(struct given *kernel, uint32_t type, const void *value, uint32_t bytes)
{
	Elf64_Nhdr note = { 4, bytes, type };
	uint8_t *at = kernel->file + NOTES_AT + kernel->notes;

	memcpy(at, &note, sizeof(note));
	memcpy(at + sizeof(note), "Xen", 4);
	memcpy(at + sizeof(note) + 4, value, bytes);
	kernel->notes += sizeof(note) + 4 + ((bytes + 3) & ~3U);
	kernel->program[1].p_filesz = kernel->notes;
}

static void add_number(struct given *kernel, uint32_t type, uint64_t number)
{
	add_note(kernel, type, &number, sizeof(number));
}

static struct given *given_kernel(void)
{
	struct given *kernel = calloc(1, sizeof(*kernel));

	kernel->header = (Elf64_Ehdr *)kernel->file;
	kernel->program = (Elf64_Phdr *)(kernel->file + sizeof(Elf64_Ehdr));
	memcpy(kernel->header->e_ident, ELFMAG, SELFMAG);
	kernel->header->e_ident[EI_CLASS] = ELFCLASS64;
	kernel->header->e_machine = EM_X86_64;
	kernel->header->e_phoff = sizeof(Elf64_Ehdr);
	kernel->header->e_phentsize = sizeof(Elf64_Phdr);
	kernel->header->e_phnum = 2;
	kernel->program[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = TEXT_AT, .p_paddr = LOAD_AT, .p_filesz = 0x1000,
					   .p_memsz = 0x4000 };
	kernel->program[1] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = NOTES_AT, .p_align = 4 };
	add_note(kernel, XEN_ELFNOTE_XEN_VERSION, "xen-3.0", 8);
	add_number(kernel, XEN_ELFNOTE_VIRT_BASE, VIRT_BASE);
	add_number(kernel, XEN_ELFNOTE_ENTRY, VIRT_BASE + LOAD_AT + 0x100);
	return kernel;
}

/* Parses and frees it. */
static int parse(struct given *kernel, struct pvelf *parsed)
{
	uint8_t *exact = malloc(FILE_BYTES);	/* so that a byte too far is seen */
	int result;

	memset(&error, 0, sizeof(error));
	memcpy(exact, kernel->file, FILE_BYTES);
	result = pvelf_parse(exact, FILE_BYTES, parsed, &error);
	free(exact);
	free(kernel);
	return result;
}

/* ---- ELF ---- */

static void kernel_that_is_right_is_taken(void)
{
	struct pvelf parsed;

	CU_ASSERT_EQUAL(parse(given_kernel(), &parsed), 0);
	CU_ASSERT_EQUAL(parsed.entry, VIRT_BASE + LOAD_AT + 0x100);
	CU_ASSERT_EQUAL(parsed.segment_count, 1);
	CU_ASSERT_EQUAL(parsed.segment[0].va, VIRT_BASE + LOAD_AT);
	CU_ASSERT_EQUAL(parsed.end, VIRT_BASE + LOAD_AT + 0x4000);
}

static void file_cut_anywhere_is_refused_or_harmless(void)	/* U2 */
{
	struct given *kernel = given_kernel();
	struct pvelf parsed;

	for (size_t bytes = 0; bytes < TEXT_AT + 0x1000; bytes += 7) {
		uint8_t *exact = malloc(bytes ? bytes : 1);

		memcpy(exact, kernel->file, bytes);
		CU_ASSERT_NOT_EQUAL(pvelf_parse(exact, bytes, &parsed, &error), 0);
		free(exact);
	}
	free(kernel);
}

static void elf_of_another_machine_is_refused(void)
{
	struct given *kernel = given_kernel();
	struct pvelf parsed;

	kernel->header->e_machine = EM_AARCH64;
	CU_ASSERT_NOT_EQUAL(parse(kernel, &parsed), 0);
	CU_ASSERT(complains("x86-64"));
}

static void kernel_without_notes_is_no_pv_kernel(void)
{
	struct given *kernel = given_kernel();
	struct pvelf parsed;

	kernel->program[1].p_filesz = 0;
	CU_ASSERT_NOT_EQUAL(parse(kernel, &parsed), 0);
	CU_ASSERT(complains("no note in Xen's name"));
	CU_ASSERT_EQUAL(error.blame, BLAME_KERNEL);
}

static void kernel_for_pvh_alone_is_refused(void)
{
	struct given *kernel = given_kernel();
	struct pvelf parsed;

	kernel->notes = 0;
	add_number(kernel, XEN_ELFNOTE_PHYS32_ENTRY, 0x1000000);
	CU_ASSERT_NOT_EQUAL(parse(kernel, &parsed), 0);
	CU_ASSERT(complains("PVH"));
}

static void note_that_runs_out_of_its_segment_is_refused(void)
{
	struct given *kernel = given_kernel();
	struct pvelf parsed;

	((Elf64_Nhdr *)(kernel->file + NOTES_AT))->n_descsz = 0xfffffff0;
	CU_ASSERT_NOT_EQUAL(parse(kernel, &parsed), 0);
	CU_ASSERT(complains("runs past the end"));
}

static void number_of_an_odd_size_is_refused(void)
{
	struct given *kernel = given_kernel();
	struct pvelf parsed;

	add_note(kernel, XEN_ELFNOTE_INIT_P2M, "abcdefghijkl", 12);
	CU_ASSERT_NOT_EQUAL(parse(kernel, &parsed), 0);
	CU_ASSERT(complains("12 bytes"));
}

static void feature_that_we_lack_is_named(void)
{
	struct given *kernel = given_kernel();
	struct pvelf parsed;

	add_note(kernel, XEN_ELFNOTE_FEATURES, "!writable_page_tables|!auto_translated_physmap", 46);
	CU_ASSERT_NOT_EQUAL(parse(kernel, &parsed), 0);
	CU_ASSERT(complains("auto_translated_physmap"));
}

static void segment_beyond_the_file_is_refused(void)
{
	struct given *kernel = given_kernel();
	struct pvelf parsed;

	kernel->program[0].p_offset = UINT64_MAX - 10;
	CU_ASSERT_NOT_EQUAL(parse(kernel, &parsed), 0);
	CU_ASSERT(complains("truncated"));
}

static void segment_larger_in_the_file_than_in_memory_is_refused(void)
{
	struct given *kernel = given_kernel();
	struct pvelf parsed;

	kernel->program[0].p_memsz = 0x800;
	CU_ASSERT_NOT_EQUAL(parse(kernel, &parsed), 0);
	CU_ASSERT(complains("does not fit"));
}

/* An image is loaded by pages: of one that begins within a page, the last is not left out. */
static void kernel_begins_and_ends_with_a_page(void)
{
	struct given *kernel = given_kernel();
	struct pvelf parsed;

	kernel->program[0].p_paddr = LOAD_AT + 0x80;
	CU_ASSERT_EQUAL(parse(kernel, &parsed), 0);
	CU_ASSERT_EQUAL(parsed.segment[0].va, VIRT_BASE + LOAD_AT + 0x80);
	CU_ASSERT_EQUAL(parsed.start, VIRT_BASE + LOAD_AT);
	CU_ASSERT_EQUAL(parsed.end, VIRT_BASE + LOAD_AT + 0x5000);
}

static void segment_that_wraps_around_is_refused(void)
{
	struct given *kernel = given_kernel();
	struct pvelf parsed;

	kernel->program[0].p_paddr = 0x7ffff000;
	kernel->program[0].p_memsz = 0x10000000;
	CU_ASSERT_NOT_EQUAL(parse(kernel, &parsed), 0);
}

static void entry_outside_of_the_kernel_is_refused(void)
{
	struct given *kernel = given_kernel();
	struct pvelf parsed;

	add_number(kernel, XEN_ELFNOTE_ENTRY, 0x1234);
	CU_ASSERT_NOT_EQUAL(parse(kernel, &parsed), 0);
	CU_ASSERT(complains("entry"));
}

static void hypercall_page_outside_of_the_kernel_is_refused(void)
{
	struct given *kernel = given_kernel();
	struct pvelf parsed;

	add_number(kernel, XEN_ELFNOTE_HYPERCALL_PAGE, VIRT_BASE + LOAD_AT + 0x4000);
	CU_ASSERT_NOT_EQUAL(parse(kernel, &parsed), 0);
	CU_ASSERT(complains("HYPERCALL_PAGE"));
}

/* ---- bzImage ---- */

typedef size_t (*pack_fn)(const uint8_t *from, size_t bytes, uint8_t *to, size_t room);

static size_t pack_gzip(const uint8_t *from, size_t bytes, uint8_t *to, size_t room)
{
	z_stream stream = { .next_in = (uint8_t *)from, .avail_in = (uInt)bytes, .next_out = to, .avail_out = (uInt)room };

	CU_ASSERT_EQUAL(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	CU_ASSERT_EQUAL(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return stream.total_out - 4;		/* its own size is the last word, as in a kernel */
}

static size_t pack_xz(const uint8_t *from, size_t bytes, uint8_t *to, size_t room)
{
	size_t at = 0;

	CU_ASSERT_EQUAL(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, from, bytes, to, &at, room), LZMA_OK);
	return at;
}

static size_t pack_zstd(const uint8_t *from, size_t bytes, uint8_t *to, size_t room)
{
	return ZSTD_compress(to, room, from, bytes, 3);
}

static size_t pack_lz4(const uint8_t *from, size_t bytes, uint8_t *to, size_t room)
{
	int packed = LZ4_compress_default((const char *)from, (char *)to + 8, (int)bytes, (int)room - 8);
	uint32_t words[2] = { 0x184c2102, (uint32_t)packed };

	memcpy(to, words, sizeof(words));
	return (size_t)packed + 8;
}

#define IMAGE_BYTES	(64UL << 10)
#define PAYLOAD_AT	0x400UL		/* one sector of set-up behind the first */

/* A bzImage with the kernel in it; claims[] may lie. */
static struct bytes given_image(pack_fn pack, uint32_t claimed_bytes)
{
	struct given *kernel = given_kernel();
	struct bytes image = bytes_alloc(IMAGE_BYTES);
	uint32_t length = (uint32_t)pack(kernel->file, FILE_BYTES, image.at + PAYLOAD_AT, IMAGE_BYTES - PAYLOAD_AT - 4);
	uint32_t offset = 0;

	memcpy(image.at + PAYLOAD_AT + length, &claimed_bytes, 4);
	length += 4;
	image.at[0x1f1] = 1;
	memcpy(image.at + 0x202, "HdrS\x0f\x02", 6);
	memcpy(image.at + 0x248, &offset, 4);
	memcpy(image.at + 0x24c, &length, 4);
	free(kernel);
	return image;
}

static void every_packing_is_unpacked(void)
{
	static const pack_fn packs[] = { pack_gzip, pack_xz, pack_zstd, pack_lz4 };
	struct given *kernel = given_kernel();

	for (size_t i = 0; i < sizeof(packs) / sizeof(packs[0]); i++) {
		struct bytes image = given_image(packs[i], FILE_BYTES), elf = { 0 };

		CU_ASSERT_EQUAL_FATAL(kernel_extract(&image, &elf, &error), 0);
		CU_ASSERT_EQUAL(elf.count, FILE_BYTES);
		CU_ASSERT_EQUAL(memcmp(elf.at, kernel->file, FILE_BYTES), 0);
		bytes_free(&elf);
	}
	free(kernel);
}

static void size_that_is_a_lie_is_refused(void)		/* U2 */
{
	static const pack_fn packs[] = { pack_gzip, pack_xz, pack_zstd, pack_lz4 };
	static const uint32_t lies[] = { 0, 3, FILE_BYTES - 1, FILE_BYTES + 1, 100 << 20, 0x7fffffff, 0xffffffff };

	for (size_t i = 0; i < 4 * sizeof(lies) / sizeof(lies[0]); i++) {
		struct bytes image = given_image(packs[i % 4], lies[i / 4]), elf = { 0 };

		CU_ASSERT_NOT_EQUAL(kernel_extract(&image, &elf, &error), 0);
		CU_ASSERT_PTR_NULL(elf.at);
	}
}

static void flipped_bits_do_no_harm(void)		/* U2 */
{
	static const pack_fn packs[] = { pack_gzip, pack_xz, pack_zstd, pack_lz4 };

	srand(1);
	for (int i = 0; i < 400; i++) {
		struct bytes image = given_image(packs[i % 4], FILE_BYTES), elf = { 0 };
		struct pvelf parsed;

		for (int flips = 0; flips < 3; flips++)
			image.at[PAYLOAD_AT + (size_t)rand() % 1024] ^= (uint8_t)(1 << rand() % 8);
		if (!kernel_extract(&image, &elf, &error))
			pvelf_parse(elf.at, elf.count, &parsed, &error);
		bytes_free(&elf);
	}
}

static void payload_beyond_the_file_is_refused(void)
{
	struct bytes image = given_image(pack_gzip, FILE_BYTES), elf = { 0 };
	uint32_t offset = 0xfffffff0;

	memcpy(image.at + 0x248, &offset, 4);
	CU_ASSERT_NOT_EQUAL(kernel_extract(&image, &elf, &error), 0);
	CU_ASSERT(complains("truncated bzImage"));
}

static void packing_that_is_not_unpacked_is_named(void)
{
	struct bytes image = given_image(pack_gzip, FILE_BYTES), elf = { 0 };

	memcpy(image.at + PAYLOAD_AT, "BZh9", 4);
	CU_ASSERT_NOT_EQUAL(kernel_extract(&image, &elf, &error), 0);
	CU_ASSERT(complains("bzip2"));
}

static void text_is_no_kernel(void)
{
	struct bytes image = bytes_alloc(5000), elf = { 0 };

	memset(image.at, 'x', 5000);
	CU_ASSERT_NOT_EQUAL(kernel_extract(&image, &elf, &error), 0);
	CU_ASSERT(complains("no kernel"));
}

static void file_that_is_not_there_is_named(void)
{
	struct kernel loaded;

	CU_ASSERT_NOT_EQUAL(kernel_load("/nonexistent/vmlinuz", NULL, &loaded, &error), 0);
	CU_ASSERT(complains("/nonexistent/vmlinuz"));
	CU_ASSERT_NOT_EQUAL(kernel_load("/dev", NULL, &loaded, &error), 0);
	CU_ASSERT(complains("no regular file"));
}

/* ---- kernels that are kept ---- */

static char folder[] = "/tmp/skink-unit-XXXXXX", file_name[64], cache_name[64];

static void given_folder(pack_fn pack)
{
	struct bytes image = given_image(pack, FILE_BYTES);
	FILE *file;

	strcpy(folder, "/tmp/skink-unit-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(file_name, sizeof(file_name), "%s/vmlinuz", folder);
	snprintf(cache_name, sizeof(cache_name), "%s/cache", folder);
	file = fopen(file_name, "w");
	CU_ASSERT_EQUAL(fwrite(image.at, 1, image.count, file), image.count);
	fclose(file);
	bytes_free(&image);
}

static void remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	CU_ASSERT_EQUAL(system(command), 0);
}

static bool load_is_new(void)
{
	struct kernel loaded;
	bool is_new;

	CU_ASSERT_EQUAL_FATAL(kernel_load(file_name, cache_name, &loaded, &error), 0);
	CU_ASSERT_EQUAL(loaded.elf.count, FILE_BYTES);
	is_new = loaded.is_new;
	if (is_new)
		CU_ASSERT_EQUAL(cache_keep(cache_name, &loaded.key, &loaded.elf, 1024), 0);
	bytes_free(&loaded.elf);
	return is_new;
}

static void kept_kernel_is_found_until_its_file_changes(void)	/* CA1 */
{
	FILE *file;

	given_folder(pack_xz);
	CU_ASSERT_TRUE(load_is_new());
	CU_ASSERT_FALSE(load_is_new());
	file = fopen(file_name, "r+");
	fputc(0, file);
	fclose(file);
	CU_ASSERT_TRUE(load_is_new());
	CU_ASSERT_FALSE(load_is_new());
	remove_folder();
}

/*
 * Turns bits over, or lengthens the file if it ends before. A constant would now and then be what is
 * there already: a header holds times.
 */
static void damage(const char *path, long at)
{
	FILE *file = fopen(path, "r+");
	int was;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fseek(file, at, SEEK_SET);
	was = fgetc(file);
	fseek(file, at, SEEK_SET);
	fputc(was ^ 0xa5, file);
	fclose(file);
}

static void damaged_cache_is_not_used(void)			/* CA2 */
{
	struct cache_key key;
	char path[256];
	FILE *file;

	given_folder(pack_gzip);
	CU_ASSERT_TRUE(load_is_new());
	file = fopen(file_name, "r");
	CU_ASSERT_TRUE_FATAL(cache_key(fileno(file), &key));
	fclose(file);
	snprintf(path, sizeof(path), "%s/%lx-%lx.kernel", cache_name, key.place[0], key.place[1]);
	for (long at = 0; at < 400; at += 13) {
		damage(path, at);
		CU_ASSERT_TRUE(load_is_new());
	}
	CU_ASSERT_EQUAL(truncate(path, 30), 0);
	CU_ASSERT_TRUE(load_is_new());
	remove_folder();
}

static bool prepared_is_found(const char *file)
{
	struct kernel loaded;
	bool is_found;

	CU_ASSERT_EQUAL_FATAL(kernel_load(file, cache_name, &loaded, &error), 0);
	CU_ASSERT_EQUAL(loaded.elf.count, FILE_BYTES);
	is_found = !loaded.is_new;
	bytes_free(&loaded.elf);
	return is_found;
}

static void prepared_kernel_is_found_by_its_contents(void)	/* CA3 */
{
	struct cache_key key;
	char copy[96], command[256];
	FILE *file;

	given_folder(pack_xz);
	snprintf(copy, sizeof(copy), "%s/copy", folder);
	snprintf(command, sizeof(command), "cp %s %s", file_name, copy);
	CU_ASSERT_EQUAL(system(command), 0);
	CU_ASSERT_FALSE(prepared_is_found(file_name));
	CU_ASSERT_EQUAL(kernel_prepare(file_name, cache_name, &key, &error), 0);
	CU_ASSERT_TRUE(cache_has(cache_name, &key));
	CU_ASSERT_TRUE(prepared_is_found(file_name));
	CU_ASSERT_TRUE(prepared_is_found(copy));
	file = fopen(copy, "a");
	fputc(0, file);
	fclose(file);
	CU_ASSERT_FALSE(prepared_is_found(copy));
	cache_forget_others(cache_name, &key, 1);
	CU_ASSERT_TRUE(prepared_is_found(file_name));
	cache_forget_others(cache_name, NULL, 0);
	CU_ASSERT_FALSE(prepared_is_found(file_name));
	remove_folder();
}

static void damaged_preparation_is_not_used(void)		/* CA2 */
{
	struct cache_key key;
	char path[256];

	given_folder(pack_gzip);
	CU_ASSERT_EQUAL(kernel_prepare(file_name, cache_name, &key, &error), 0);
	snprintf(path, sizeof(path), "%s/%lx-0.prepared", cache_name, key.place[0]);
	for (long at = 0; at < 400; at += 13) {
		CU_ASSERT_TRUE(prepared_is_found(file_name));
		damage(path, at);
		CU_ASSERT_FALSE(prepared_is_found(file_name));
		unlink(path);
		CU_ASSERT_EQUAL(kernel_prepare(file_name, cache_name, &key, &error), 0);
	}
	CU_ASSERT_EQUAL(truncate(path, 30), 0);
	CU_ASSERT_FALSE(prepared_is_found(file_name));
	remove_folder();
}

static void what_is_prepared_outlives_the_limit_of_what_is_kept(void)
{
	struct cache_key key;

	given_folder(pack_xz);
	CU_ASSERT_EQUAL(kernel_prepare(file_name, cache_name, &key, &error), 0);
	CU_ASSERT_EQUAL(cache_keep(cache_name, &key, &(struct bytes){ (uint8_t *)"x", 1 }, 0), 0);
	CU_ASSERT_TRUE(cache_has(cache_name, &key));
	remove_folder();
}

static void only_one_prepares_at_a_time(void)
{
	int lock, other;

	given_folder(pack_xz);
	lock = cache_lock(cache_name);
	CU_ASSERT_FATAL(lock >= 0);
	other = open(cache_name, O_RDONLY | O_DIRECTORY);
	CU_ASSERT(flock(other, LOCK_EX | LOCK_NB) < 0);
	close(lock);
	CU_ASSERT_EQUAL(flock(other, LOCK_EX | LOCK_NB), 0);
	close(other);
	CU_ASSERT_EQUAL(cache_lock("/nonexistent/kernels"), -ENOENT);
	remove_folder();
}

static void what_was_half_prepared_when_its_maker_died_is_removed(void)
{
	struct cache_key key;
	char path[256], half[280];

	given_folder(pack_xz);
	CU_ASSERT_EQUAL(kernel_prepare(file_name, cache_name, &key, &error), 0);
	snprintf(path, sizeof(path), "%s/%lx-0.prepared", cache_name, key.place[0]);
	snprintf(half, sizeof(half), "%s.new-1", path);
	CU_ASSERT_EQUAL(link(path, half), 0);
	cache_forget_others(cache_name, &key, 1);
	CU_ASSERT(access(half, F_OK) < 0);
	CU_ASSERT_TRUE(prepared_is_found(file_name));
	remove_folder();
}

static void what_cannot_be_prepared_is_told_of(void)
{
	struct cache_key key;

	given_folder(pack_xz);
	CU_ASSERT_EQUAL(truncate(file_name, 700), 0);
	CU_ASSERT(kernel_prepare(file_name, cache_name, &key, &error) < 0);
	CU_ASSERT(complains("truncated"));
	CU_ASSERT(kernel_prepare("/nonexistent/vmlinuz", cache_name, &key, &error) < 0);
	remove_folder();
}

/* ---- layout and page tables ---- */

static void given_parsed(struct pvelf *parsed, uint64_t init_p2m, bool initrd_by_frame)
{
	struct given *kernel = given_kernel();

	if (init_p2m)
		add_number(kernel, XEN_ELFNOTE_INIT_P2M, init_p2m);
	add_number(kernel, XEN_ELFNOTE_MOD_START_PFN, initrd_by_frame);
	CU_ASSERT_EQUAL_FATAL(parse(kernel, parsed), 0);
}

static void too_little_memory_says_how_much_is_needed(void)
{
	struct pvelf parsed;
	struct layout layout;

	given_parsed(&parsed, 0, true);
	CU_ASSERT_NOT_EQUAL(layout_choose(&parsed, 16, 0, &layout, &error), 0);
	CU_ASSERT_EQUAL(error.blame, BLAME_MEMORY);
	CU_ASSERT(complains("give it more"));
}

static void initrd_larger_than_memory_is_refused(void)
{
	struct pvelf parsed;
	struct layout layout;

	given_parsed(&parsed, 0, false);
	CU_ASSERT_NOT_EQUAL(layout_choose(&parsed, 32768, 4UL << 30, &layout, &error), 0);
}

static void p2m_in_the_hypervisors_part_is_refused(void)
{
	static const uint64_t places[] = { 0xffff800000000000, 0xffff870000000000, 0x0000900000000000, VIRT_BASE, 0x1001,
					   0xfffffffffffff000 };
	struct pvelf parsed;
	struct layout layout;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		given_parsed(&parsed, places[i], true);
		CU_ASSERT_NOT_EQUAL(layout_choose(&parsed, 32768, 0, &layout, &error), 0);
	}
}

/* Walks the tables as a CPU would: the L1 entry, or 0. */
static uint64_t entry_for(const struct layout *layout, const uint8_t *memory, uint64_t mfn_base, uint64_t va)
{
	uint64_t pfn = layout_pfn(layout, layout->tables), entry = 0;

	for (int shift = 39; shift >= 12; shift -= 9) {
		entry = ((const uint64_t *)(memory + (pfn << FRAME_SHIFT)))[va >> shift & 511];
		if (!(entry & 1))
			return 0;
		pfn = ((entry & 0x000ffffffffff000) >> FRAME_SHIFT) - mfn_base;
	}
	return entry;
}

static void check_tables(const struct pvelf *parsed, uint64_t frames, uint64_t initrd_bytes)
{
	enum { MFN_BASE = 0x5000 };
	struct layout layout;
	xen_pfn_t *mfn;
	uint8_t *memory;

	CU_ASSERT_EQUAL_FATAL(layout_choose(parsed, frames, initrd_bytes, &layout, &error), 0);
	mfn = malloc(layout.p2m_bytes);
	memory = malloc(layout.frames_needed << FRAME_SHIFT);
	for (uint64_t i = 0; i < frames; i++)
		mfn[i] = MFN_BASE + i;
	tables_fill(&layout, mfn, memory);
	for (uint64_t va = layout.start; va < layout.end; va += FRAME_BYTES) {
		uint64_t entry = entry_for(&layout, memory, MFN_BASE, va), pfn = layout_pfn(&layout, va);
		bool is_table = va >= layout.tables && va < layout.tables + layout.table_count * FRAME_BYTES;

		CU_ASSERT_EQUAL((entry & 0x000ffffffffff000) >> FRAME_SHIFT, MFN_BASE + pfn);
		CU_ASSERT_EQUAL(!(entry & 2), is_table);	/* T1 */
	}
	for (uint64_t at = 0; at < layout.p2m_bytes; at += FRAME_BYTES)
		CU_ASSERT_EQUAL((entry_for(&layout, memory, MFN_BASE, layout.p2m + at) & 0x000ffffffffff000) >> FRAME_SHIFT,
				MFN_BASE + layout.p2m_pfn + at / FRAME_BYTES);
	CU_ASSERT_EQUAL(entry_for(&layout, memory, MFN_BASE, layout.end + (64UL << 20)), 0);
	free(memory);
	free(mfn);
}

static void tables_map_all_that_was_laid_out(void)	/* T1 */
{
	static const uint64_t sizes[] = { 8192, 16384, 32768, 262144 };
	struct pvelf parsed;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		given_parsed(&parsed, 0x8000000000, true);
		check_tables(&parsed, sizes[i], 3UL << 20);
		given_parsed(&parsed, 0, true);
		check_tables(&parsed, sizes[i], 5000);
		given_parsed(&parsed, 0, false);
		check_tables(&parsed, sizes[i], 2UL << 20);
	}
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("kernel", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(kernel_that_is_right_is_taken);
	TEST(file_cut_anywhere_is_refused_or_harmless);
	TEST(elf_of_another_machine_is_refused);
	TEST(kernel_without_notes_is_no_pv_kernel);
	TEST(kernel_for_pvh_alone_is_refused);
	TEST(note_that_runs_out_of_its_segment_is_refused);
	TEST(number_of_an_odd_size_is_refused);
	TEST(feature_that_we_lack_is_named);
	TEST(segment_beyond_the_file_is_refused);
	TEST(segment_larger_in_the_file_than_in_memory_is_refused);
	TEST(kernel_begins_and_ends_with_a_page);
	TEST(segment_that_wraps_around_is_refused);
	TEST(entry_outside_of_the_kernel_is_refused);
	TEST(hypercall_page_outside_of_the_kernel_is_refused);
	TEST(every_packing_is_unpacked);
	TEST(size_that_is_a_lie_is_refused);
	TEST(flipped_bits_do_no_harm);
	TEST(payload_beyond_the_file_is_refused);
	TEST(packing_that_is_not_unpacked_is_named);
	TEST(text_is_no_kernel);
	TEST(file_that_is_not_there_is_named);
	TEST(kept_kernel_is_found_until_its_file_changes);
	TEST(damaged_cache_is_not_used);
	TEST(only_one_prepares_at_a_time);
	TEST(what_was_half_prepared_when_its_maker_died_is_removed);
	TEST(prepared_kernel_is_found_by_its_contents);
	TEST(damaged_preparation_is_not_used);
	TEST(what_is_prepared_outlives_the_limit_of_what_is_kept);
	TEST(what_cannot_be_prepared_is_told_of);
	TEST(too_little_memory_says_how_much_is_needed);
	TEST(initrd_larger_than_memory_is_refused);
	TEST(p2m_in_the_hypervisors_part_is_refused);
	TEST(tables_map_all_that_was_laid_out);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
