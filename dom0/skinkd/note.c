/* SPDX-License-Identifier: MIT */
#include "skinkd/note.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <xen/io/console.h>

#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/text.h"

#define LATE_MS		1000
#define CONSOLE_LINES	30

typedef struct xencons_interface console_ring_t;
#define RING_BYTES	sizeof(((console_ring_t *)NULL)->out)

/* What xenconsoled puts before each piece that it takes (--timestamp=guest), for each 0 another digit. */
static const char stamp[] = "[0000-00-00 00:00:00] ";
#define STAMP_BYTES	(sizeof(stamp) - 1)

struct note {
	struct domain *domain;
	uint32_t flags;
	note_fn done;
	char *head;				/* all but its last words */
	char words[RING_BYTES + 1];		/* what it wrote last */
	size_t word_bytes;
	bool is_logged;				/* they are the end of its console's log */
	uv_fs_event_t folder;			/* of the logs */
	uv_timer_t limit;
	uint32_t open_handles;
};

/* ---- what is there at once ---- */

static void print_registers(FILE *to, domid_t id)
{
	vcpu_guest_context_t context;
	const struct cpu_user_regs *regs = &context.user_regs;

	for (uint32_t vcpu = 0; vcpu < XEN_LEGACY_MAX_VCPUS; vcpu++) {
		memset(&context, 0, sizeof(context));
		if (core_vcpu_context_get(&host.core, id, vcpu, &context))
			return;
		if (!(context.flags & VGCF_online))
			continue;
		fprintf(to, "  vcpu %u: rip %016lx rsp %016lx rflags %08lx cr3 %lx cr2 %016lx\n", vcpu, regs->rip, regs->rsp,
			regs->rflags, context.ctrlreg[3], context.ctrlreg[2]);
		fprintf(to, "    rax %016lx rbx %016lx rcx %016lx rdx %016lx rsi %016lx rdi %016lx\n", regs->rax, regs->rbx,
			regs->rcx, regs->rdx, regs->rsi, regs->rdi);
	}
}

static char *head_of(const struct domain *domain, uint32_t flags)
{
	char *text = NULL, when[64];
	size_t bytes = 0;
	FILE *to = need_memory(open_memstream(&text, &bytes));
	time_t now = time(NULL);

	strftime(when, sizeof(when), "%F %T %z", localtime(&now));
	fprintf(to, "%s: %s (id %u): %s\n", when, domain->manifest->name, domain->id, reason_name(flags));
	print_registers(to, domain->id);
	fclose(to);
	return need_memory(text);
}

/* A ring is never wiped: what was fetched from it stands there until it is written over. The guest's numbers are only taken modulo its size. */
static size_t words_in(const console_ring_t *ring, char *words)
{
	XENCONS_RING_IDX end = ring->out_prod;
	size_t bytes = end < RING_BYTES ? end : RING_BYTES;

	for (size_t i = 0; i < bytes; i++)
		words[i] = ring->out[MASK_XENCONS_IDX(end - (XENCONS_RING_IDX)(bytes - i), ring->out)];
	return bytes;
}

/* Of one without a console, or whose ring cannot be had, nothing is awaited. */
static void take_words(struct note *note)
{
	char *frame = host.store.handle ? store_read(&host.store, note->domain->id, "console/ring-ref") : NULL;
	xen_pfn_t mfn = frame ? strtoul(frame, NULL, 10) : 0;
	console_ring_t *ring = frame ? core_map(&host.core, note->domain->id, PROT_READ, &mfn, 1) : NULL;

	free(frame);
	if (!ring)
		return;
	note->word_bytes = words_in(ring, note->words);
	core_unmap(&host.core, ring, 1);
}

/* ---- its end ---- */

static void write_down(struct note *note)
{
	const char *name = note->domain->manifest->name;
	char *console = note->is_logged ? console_tail(name, CONSOLE_LINES, NULL) : text_tail(note->words, note->word_bytes, CONSOLE_LINES);
	char *text;
	int bytes = asprintf(&text, "%s  what its console said last:\n%s\n", note->head, console ? console : "(nothing)");

	if (bytes > 0)
		log_append("deaths.log", need_memory(text), (size_t)bytes);
	free(text);
	free(console);
}

static void closed(uv_handle_t *handle)
{
	struct note *note = handle->data;

	if (--note->open_handles)
		return;
	free(note->head);
	free(note);
}

void note_end(struct domain *domain)
{
	struct note *note = domain->note;

	if (!note)
		return;
	domain->note = NULL;
	write_down(note);
	uv_close((uv_handle_t *)&note->folder, closed);
	uv_close((uv_handle_t *)&note->limit, closed);
}

static void finish(struct note *note)
{
	struct domain *domain = note->domain;
	uint32_t flags = note->flags;
	note_fn done = note->done;

	note_end(domain);
	done(domain, flags);
}

/* ---- what is awaited ---- */

static bool is_stamp(const char *text)
{
	size_t i = 0;

	while (i < STAMP_BYTES && (stamp[i] == '0' ? isdigit((unsigned char)text[i]) != 0 : text[i] == stamp[i]))
		i++;
	return i == STAMP_BYTES;
}

static size_t without_stamps(char *text, size_t bytes)
{
	size_t kept = 0;

	for (size_t i = 0; i < bytes;) {
		if (bytes - i >= STAMP_BYTES && is_stamp(text + i))
			i += STAMP_BYTES;
		else
			text[kept++] = text[i++];
	}
	return kept;
}

/* It may have had each letter for itself. */
static bool is_logged(const struct note *note)
{
	char words[RING_BYTES], end[RING_BYTES * (1 + STAMP_BYTES)];
	size_t word_bytes, bytes = without_stamps(end, console_end(note->domain->manifest->name, end, sizeof(end)));

	memcpy(words, note->words, note->word_bytes);
	word_bytes = without_stamps(words, note->word_bytes);
	return bytes >= word_bytes && !memcmp(end + bytes - word_bytes, words, word_bytes);
}

static void look(struct note *note)
{
	note->is_logged = is_logged(note);
	if (note->is_logged)
		finish(note);
}

static void one_was_written(uv_fs_event_t *folder, const char *file, int events, int status)
{
	look(folder->data);
}

static void is_late(uv_timer_t *limit)
{
	finish(limit->data);
}

void note_begin(struct domain *domain, uint32_t flags, note_fn done)
{
	struct note *note = need_memory(calloc(1, sizeof(*note)));

	*note = (struct note){ .domain = domain, .flags = flags, .done = done, .head = head_of(domain, flags), .open_handles = 2 };
	domain->note = note;
	take_words(note);
	note->folder.data = note->limit.data = note;
	uv_fs_event_init(host.loop, &note->folder);
	uv_timer_init(host.loop, &note->limit);
	/* Watched first: what is written behind the look is seen. Where it cannot be watched the limit is all there is. */
	uv_fs_event_start(&note->folder, one_was_written, host.conf.console_dir, 0);
	uv_timer_start(&note->limit, is_late, LATE_MS, 0);
	look(note);
}
