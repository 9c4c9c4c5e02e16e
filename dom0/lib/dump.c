/* SPDX-License-Identifier: MIT */
/*
 * DU2  A guest may have built tables that map the same things for ever: what is looked at is bounded by what it owns.
 * DU3  One table is followed at most ALIASES_MAX times. Linux has its L1 tables in the direct map and in the kernel's own
 *      mapping, which is both wanted, and those of its espfix stacks in 65,536 places, which nobody wants.
 */
#include "lib/dump.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#define PTE_PRESENT		1UL
#define PTE_LARGE		0x80UL
#define PTE_FRAME		0x000ffffffffff000UL
#define ENTRIES			512u
#define FIRST_KERNEL_SLOT	272u		/* of the L4: below are the core's, and programs */
#define SEGMENTS_MAX		65000u		/* an ELF counts them in 16 bits */
#define CHUNK			256u		/* frames mapped at once */
#define ALIASES_MAX		4
#define SLOT_NONE		UINT64_MAX
#define NOTE_BYTES		(sizeof(Elf64_Nhdr) + 8 + ((sizeof(struct elf_prstatus) + 3) & ~3UL))

struct segment {
	uint64_t va, slot, count;	/* slot: place in the file, in pages behind its headers */
};

/* Which slot a frame has: open addressing, a power of two of places, at most half of them taken. */
struct slots {
	struct { uint64_t mfn, slot; } *place;
	uint64_t room;
	xen_pfn_t *mfn;			/* by slot */
	uint64_t count, count_max;
};

struct dumper {
	struct core *core;
	domid_t id;
	struct slots slots;
	struct slots tables;
	uint8_t *visits;		/* by slot of a table (DU3) */
	struct segment *segment;
	uint32_t segment_count;
	uint64_t entries_left;		/* DU2 */
	uint8_t *notes;
	uint32_t vcpu_count;
	int file;
	uint64_t data_at;
};

/* ---- which frames ---- */

static void slots_enter(struct slots *slots, uint64_t mfn, uint64_t slot)
{
	uint64_t at = mfn * 0x9e3779b97f4a7c15UL & (slots->room - 1);

	while (slots->place[at].slot != SLOT_NONE)
		at = (at + 1) & (slots->room - 1);
	slots->place[at].mfn = mfn;
	slots->place[at].slot = slot;
}

static bool slots_open(struct slots *slots, uint64_t frames)
{
	slots->count_max = frames;
	for (slots->room = 1024; slots->room < frames * 2;)
		slots->room *= 2;
	slots->place = malloc(slots->room * sizeof(*slots->place));
	slots->mfn = malloc(frames * sizeof(*slots->mfn));
	if (!slots->place || !slots->mfn)
		return false;
	for (uint64_t i = 0; i < slots->room; i++)
		slots->place[i].slot = SLOT_NONE;
	return true;
}

static void slots_close(struct slots *slots)
{
	free(slots->place);
	free(slots->mfn);
}

/* The frame's slot; a new one if it has none. */
static uint64_t slot_of(struct slots *slots, uint64_t mfn)
{
	uint64_t at = mfn * 0x9e3779b97f4a7c15UL & (slots->room - 1);

	for (; slots->place[at].slot != SLOT_NONE; at = (at + 1) & (slots->room - 1))
		if (slots->place[at].mfn == mfn)
			return slots->place[at].slot;
	if (slots->count == slots->count_max)
		return SLOT_NONE;
	slots->mfn[slots->count] = mfn;
	slots_enter(slots, mfn, slots->count);
	return slots->count++;
}

static int take_page(struct dumper *dumper, uint64_t va, uint64_t mfn)
{
	struct segment *last = dumper->segment_count ? &dumper->segment[dumper->segment_count - 1] : NULL;
	uint64_t slot;

	if (!dumper->entries_left--)
		return -ELOOP;
	slot = slot_of(&dumper->slots, mfn);
	if (slot == SLOT_NONE)
		return -ELOOP;
	if (last && va == last->va + last->count * FRAME_BYTES && slot == last->slot + last->count) {
		last->count++;
		return 0;
	}
	if (dumper->segment_count == SEGMENTS_MAX)
		return -E2BIG;
	dumper->segment[dumper->segment_count++] = (struct segment){ va, slot, 1 };
	return 0;
}

/* A table of level 4 .. 1 and all below it. What is not the domain's own is left out. */
static int walk(struct dumper *dumper, unsigned int level, xen_pfn_t mfn, uint64_t va)
{
	uint64_t table[ENTRIES], *mapped;
	unsigned int shift = FRAME_SHIFT + 9 * (level - 1);
	uint64_t slot = slot_of(&dumper->tables, mfn);
	int result = 0;

	if (slot == SLOT_NONE)
		return -ELOOP;
	if (dumper->visits[slot]++ == ALIASES_MAX) {
		dumper->visits[slot] = ALIASES_MAX;
		return 0;
	}
	mapped = core_map(dumper->core, dumper->id, PROT_READ, &mfn, 1);
	if (!mapped)
		return 0;
	memcpy(table, mapped, sizeof(table));
	core_unmap(dumper->core, mapped, 1);
	for (unsigned int i = level == 4 ? FIRST_KERNEL_SLOT : 0; i < ENTRIES && !result; i++) {
		uint64_t at = va | (uint64_t)i << shift, frame = (table[i] & PTE_FRAME) >> FRAME_SHIFT;

		if (level == 4)
			at |= 0xffff000000000000UL;
		if (!(table[i] & PTE_PRESENT) || (level > 1 && table[i] & PTE_LARGE))
			continue;
		result = level > 1 ? walk(dumper, level - 1, frame, at) : take_page(dumper, at, frame);
	}
	return result;
}

/* ---- registers ---- */

static void take_registers(const vcpu_guest_context_t *context, struct elf_prstatus *status)
{
	const struct cpu_user_regs *from = &context->user_regs;
	unsigned long long registers[] = {
		from->r15, from->r14, from->r13, from->r12, from->rbp, from->rbx, from->r11, from->r10, from->r9, from->r8,
		from->rax, from->rcx, from->rdx, from->rsi, from->rdi, (unsigned long long)-1, from->rip, from->cs,
		from->rflags, from->rsp, from->ss, context->fs_base,
		context->flags & VGCF_in_kernel ? context->gs_base_kernel : context->gs_base_user,
		from->ds, from->es, from->fs, from->gs,
	};

	_Static_assert(sizeof(registers) == sizeof(status->pr_reg), "the order of struct user_regs_struct");
	memcpy(&status->pr_reg, registers, sizeof(registers));
}

static int take_vcpus(struct dumper *dumper, uint32_t vcpus, xen_pfn_t *root)
{
	uint8_t *to = dumper->notes = calloc(vcpus, NOTE_BYTES);

	if (!to)
		return -ENOMEM;
	for (uint32_t i = 0; i < vcpus; i++) {
		const Elf64_Nhdr header = { 5, sizeof(struct elf_prstatus), NT_PRSTATUS };
		struct elf_prstatus status = { .pr_pid = (pid_t)i + 1 };
		vcpu_guest_context_t context;
		int result;

		memset(&context, 0, sizeof(context));
		result = core_vcpu_context_get(dumper->core, dumper->id, i, &context);
		if (i == 0 && result)
			return result;
		if (result || (i && !(context.flags & VGCF_online)))
			continue;
		if (i == 0)
			*root = context.ctrlreg[3] >> FRAME_SHIFT;
		take_registers(&context, &status);
		memcpy(to, &header, sizeof(header));
		memcpy(to + sizeof(header), "CORE", 5);
		memcpy(to + sizeof(header) + 8, &status, sizeof(status));
		to += NOTE_BYTES;
		dumper->vcpu_count++;
	}
	return 0;
}

/* ---- the file ---- */

static int put(const struct dumper *dumper, const void *from, size_t bytes, uint64_t at)
{
	while (bytes) {
		ssize_t done = pwrite(dumper->file, from, bytes, (off_t)at);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			from = (const char *)from + done;
			bytes -= (size_t)done;
			at += (uint64_t)done;
		}
	}
	return 0;
}

static int put_headers(struct dumper *dumper)
{
	uint32_t count = dumper->segment_count + 1;
	uint64_t notes_at = sizeof(Elf64_Ehdr) + count * sizeof(Elf64_Phdr), notes = dumper->vcpu_count * NOTE_BYTES;
	Elf64_Ehdr header = { .e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
			      .e_phoff = sizeof(header), .e_ehsize = sizeof(header), .e_phentsize = sizeof(Elf64_Phdr),
			      .e_phnum = (Elf64_Half)count };
	Elf64_Phdr *program = calloc(count, sizeof(*program));
	int result;

	if (!program)
		return -ENOMEM;
	memcpy(header.e_ident, ELFMAG, SELFMAG);
	header.e_ident[EI_CLASS] = ELFCLASS64;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	header.e_ident[EI_VERSION] = EV_CURRENT;
	dumper->data_at = (notes_at + notes + FRAME_BYTES - 1) & ~(FRAME_BYTES - 1);
	program[0] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = notes_at, .p_filesz = notes, .p_align = 4 };
	for (uint32_t i = 1; i < count; i++) {
		const struct segment *segment = &dumper->segment[i - 1];

		program[i] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X, .p_vaddr = segment->va,
					   .p_offset = dumper->data_at + segment->slot * FRAME_BYTES,
					   .p_filesz = segment->count * FRAME_BYTES,
					   .p_memsz = segment->count * FRAME_BYTES, .p_align = FRAME_BYTES };
	}
	result = put(dumper, &header, sizeof(header), 0);
	if (!result)
		result = put(dumper, program, count * sizeof(*program), sizeof(header));
	if (!result)
		result = put(dumper, dumper->notes, notes, notes_at);
	free(program);
	return result;
}

static bool is_zero(const uint64_t *page)
{
	for (size_t i = 0; i < FRAME_BYTES / sizeof(*page); i++)
		if (page[i])
			return false;
	return true;
}

static int put_chunk(struct dumper *dumper, uint64_t first, size_t count)
{
	int errors[CHUNK], result = 0;
	uint8_t *mapped = xenforeignmemory_map(dumper->core->memory, dumper->id, PROT_READ, count,
					       dumper->slots.mfn + first, errors);

	if (!mapped)
		return -errno;
	for (size_t i = 0; i < count && !result; i++)
		if (!errors[i] && !is_zero((const uint64_t *)(mapped + i * FRAME_BYTES)))	/* DU1 */
			result = put(dumper, mapped + i * FRAME_BYTES, FRAME_BYTES, dumper->data_at + (first + i) * FRAME_BYTES);
	core_unmap(dumper->core, mapped, count);
	return result;
}

static int put_all(struct dumper *dumper)
{
	int result = put_headers(dumper);

	for (uint64_t at = 0; at < dumper->slots.count && !result; at += CHUNK)
		result = put_chunk(dumper, at, dumper->slots.count - at < CHUNK ? dumper->slots.count - at : CHUNK);
	if (!result && ftruncate(dumper->file, (off_t)(dumper->data_at + dumper->slots.count * FRAME_BYTES)))
		result = -errno;
	return result;
}

static int dump(struct dumper *dumper, struct build_error *error)
{
	struct xen_domctl_getdomaininfo info;
	xen_pfn_t root = 0;
	int result = core_domain_info(dumper->core, dumper->id, &info);

	if (result)
		return build_refuse(error, BLAME_MACHINE, result, "the domain has gone");
	/* What it maps may be a little more than it owns: grants of others. */
	dumper->entries_left = 4 * info.tot_pages + 65536;
	dumper->visits = calloc(info.tot_pages + 1, 1);
	dumper->segment = malloc(SEGMENTS_MAX * sizeof(*dumper->segment));
	if (!dumper->segment || !dumper->visits || !slots_open(&dumper->tables, info.tot_pages + 1) ||
	    !slots_open(&dumper->slots, info.tot_pages + 16384))
		return build_refuse(error, BLAME_MACHINE, -ENOMEM, "Domain-0 has too little memory for it");
	result = take_vcpus(dumper, info.max_vcpu_id + 1, &root);
	if (!result)
		result = walk(dumper, 4, root, 0);
	if (result)
		return build_refuse(error, BLAME_MACHINE, result, "its page tables cannot be followed: %s", strerror(-result));
	result = put_all(dumper);
	return result ? build_refuse(error, BLAME_MACHINE, result, "the file cannot be written: %s", strerror(-result)) : 0;
}

int dump_core(struct core *core, domid_t id, const char *file, uint64_t *bytes, struct build_error *error)
{
	struct dumper dumper = { .core = core, .id = id };
	struct stat status = { 0 };
	int result;

	dumper.file = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (dumper.file < 0)
		return build_refuse(error, BLAME_MACHINE, -errno, "%s: %s", file, strerror(errno));
	result = dump(&dumper, error);
	fstat(dumper.file, &status);
	*bytes = (uint64_t)status.st_blocks * 512;
	close(dumper.file);
	if (result)
		unlink(file);
	free(dumper.segment);
	slots_close(&dumper.slots);
	slots_close(&dumper.tables);
	free(dumper.visits);
	free(dumper.notes);
	return result;
}
