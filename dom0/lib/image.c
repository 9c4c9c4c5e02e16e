/* SPDX-License-Identifier: MIT */
#include "lib/image.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../protocols/ledger.h"
#include "lib/builder.h"

#define REHEARSAL_LOOKS	600		/* a tenth of a second apart: a machine may be busy */
#define LOOK_NS		100000000L

/* ---- what it says of itself ---- */

static int __attribute__((format(printf, 3, 4))) refuse(char *why, size_t room, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, room, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

int image_check(const struct driver_note *note, const struct driver_table *table, char *why, size_t room)
{
	if (note->version != DRIVER_VERSION)
		return refuse(why, room, "it speaks version %u of the attachment table and skinkd version %u: take an image of this Skink",
			      note->version, DRIVER_VERSION);
	if (note->ledger_version != LEDGER_VERSION)
		return refuse(why, room, "it keeps ledgers of version %u, and those there are of version %u: take an image of this Skink",
			      note->ledger_version, LEDGER_VERSION);
	if (note->role != table->role)
		return refuse(why, room, "it is of role %u, and the driver of role %u (1: net, 2: blk): take an image of the driver's role",
			      note->role, table->role);
	for (uint32_t i = 0; i < DRIVER_ATTACHMENTS_MAX; i++) {
		const struct driver_attachment *record = &table->attachment[i];

		if (record->serial && (record->flags & ~note->flags))
			return refuse(why, room, "it lacks features that domain %u has negotiated (flags 0x%x): take one that has them, or "
				      "detach that device first", record->front_id, record->flags & ~note->flags);
		if (record->serial && record->queue_count > note->queues)
			return refuse(why, room, "it serves %u queues of a device, and domain %u has %u: take one that serves them, or detach "
				      "that device first", note->queues, record->front_id, record->queue_count);
	}
	return 0;
}

/* ---- preparing ---- */

/* IM1: frame `mfn` becomes number pfn, in exchange for the one that is. */
static void number(struct image *image, xen_pfn_t mfn, uint64_t pfn)
{
	for (uint64_t i = 0; i < image->frames; i++)
		if (image->frame[i] == mfn) {
			image->frame[i] = image->frame[pfn];
			image->frame[pfn] = mfn;
			return;
		}
}

static void number_all(struct image *image, const struct builder *builder, const struct driver_shared *shared)
{
	for (uint64_t i = 0; i < shared->table_pages; i++)
		number(image, shared->mfn[i], builder->regions.table.pfn + i);
	number(image, shared->store_mfn, layout_pfn(&builder->layout, builder->layout.store));
	number(image, shared->console_mfn, layout_pfn(&builder->layout, builder->layout.console));
}

static void take_pages(struct image *image, const struct builder *builder, uint64_t pfn, uint64_t count)
{
	memcpy(image->contents + (image->page_count << FRAME_SHIFT), builder->memory + (pfn << FRAME_SHIFT), count << FRAME_SHIFT);
	for (uint64_t i = 0; i < count; i++)
		image->page[image->page_count++] = image->frame[pfn + i];
}

/* All that a first address space holds but the shared frames, and what is nobody's yet. */
static void take_all(struct image *image, const struct builder *builder)
{
	const struct layout *layout = &builder->layout;

	take_pages(image, builder, layout_pfn(layout, builder->kernel.start), (builder->kernel.end - builder->kernel.start) >> FRAME_SHIFT);
	take_pages(image, builder, layout->p2m_pfn, (layout->p2m_bytes >> FRAME_SHIFT) + layout->p2m_table_count);
	take_pages(image, builder, layout_pfn(layout, layout->start_info), 1);
	take_pages(image, builder, layout_pfn(layout, layout->tables), layout->table_count);
}

static int allocate(struct image *image, struct builder *builder, const struct driver_shared *shared)
{
	uint64_t most = builder->layout.frames_needed;

	image->frames = shared->frames;
	image->frame = calloc(builder->layout.p2m_bytes / sizeof(xen_pfn_t), sizeof(xen_pfn_t));
	image->page = calloc(most, sizeof(xen_pfn_t));
	image->contents = calloc(most, FRAME_BYTES);
	image->renumber = calloc(shared->frames, sizeof(*image->renumber));
	builder->memory = calloc(most, FRAME_BYTES);
	if (!image->frame || !image->page || !image->contents || !image->renumber || !builder->memory)
		return build_refuse(builder->error, BLAME_MACHINE, -ENOMEM, "no memory in Domain-0 for the image");
	memcpy(image->frame, shared->frame, shared->frames * sizeof(xen_pfn_t));
	return 0;
}

/* Its regions lie where they lay: only what stands before them may be of another size. */
static int check_place(const struct builder *builder, const struct driver_shared *shared)
{
	const struct driver_regions *regions = &builder->regions;

	if (!builder->kernel.has_driver_note)
		return build_refuse(builder->error, BLAME_KERNEL, -ENOEXEC, "it has no note that says what it is (owner 'Skink'), so it is no "
				    "driver domain's image, or one of an older Skink: take an image of this Skink");
	if (builder->frames != shared->frames || shared->frame[regions->status.pfn] != shared->mfn[regions->table.pages] ||
	    regions->table.pages != shared->table_pages)
		return build_refuse(builder->error, BLAME_KERNEL, -EINVAL, "it is laid out for another size of memory: destroy the driver domain "
				    "and create it again with this image as its <kernel>");
	return 0;
}

static int prepare(struct builder *builder, const struct driver_shared *shared, struct image *image)
{
	struct xen_domctl_getdomaininfo info;
	int result = core_domain_info(builder->core, builder->built.id, &info);

	if (result)
		return build_refuse(builder->error, BLAME_MACHINE, result, "the domain has gone");
	builder->shared_info_mfn = info.shared_info_frame;
	builder->built.driver.control_port = shared->control_port;
	builder->built.store_port = shared->store_port;
	builder->built.console_port = shared->console_port;
	result = allocate(image, builder, shared);
	if (result)
		return result;
	number_all(image, builder, shared);
	builder->mfn = image->frame;
	result = builder_fill_memory(builder);
	if (result)
		return result;
	take_all(image, builder);
	image->note = builder->kernel.driver;
	image->declaration = driver_declaration(&builder->regions, &builder->layout);
	image->root = image->frame[layout_pfn(&builder->layout, builder->layout.tables)];
	builder_first_registers(builder, &image->context);
	return 0;
}

int image_prepare(struct core *core, domid_t id, const struct build_request *request, const struct driver_shared *shared, struct image *image,
		  struct build_error *error)
{
	struct builder builder = { .core = core, .request = request, .error = error, .initrd = -1, .built.id = id };
	int result = builder_read_files(&builder);

	*image = (struct image){ .page_count = 0 };
	snprintf(image->file, sizeof(image->file), "%s", request->kernel);
	if (!result)
		result = check_place(&builder, shared);
	if (!result)
		result = prepare(&builder, shared, image);
	free(builder.memory);
	bytes_free(&builder.built.kernel.elf);
	if (result)
		image_free(image);
	return result;
}

void image_free(struct image *image)
{
	free(image->frame);
	free(image->page);
	free(image->contents);
	free(image->renumber);
	*image = (struct image){ .page_count = 0 };
}

/* ---- a rehearsal ---- */

/* Its own word; a driver that gave up says why. */
static int judge_rehearsal(const struct driver_status *status, const struct xen_domctl_getdomaininfo *info, struct build_error *error)
{
	char text[DRIVER_TEXT_BYTES + 1] = "";

	for (size_t i = 0; i < DRIVER_TEXT_BYTES && status->text[i]; i++)
		text[i] = status->text[i] >= ' ' && status->text[i] < 0x7f ? status->text[i] : '?';
	if (__atomic_load_n(&status->state, __ATOMIC_ACQUIRE) == DRIVER_WAITING)
		return 0;
	if (info->flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying))
		return build_refuse(error, BLAME_KERNEL, -ENOEXEC, "it dies before it looks for its device%s%s: the old image still serves",
				    *text ? ": " : "", text);
	if (status->state == DRIVER_FAILED)
		return build_refuse(error, BLAME_KERNEL, -ENOEXEC, "it gives up: %s: the old image still serves", text);
	return -EAGAIN;
}

static int watch_rehearsal(struct core *core, domid_t id, const struct driver_status *status, struct build_error *error)
{
	const struct timespec pause = { 0, LOOK_NS };
	struct xen_domctl_getdomaininfo info;
	int result = -EAGAIN;

	for (uint32_t i = 0; i < REHEARSAL_LOOKS && result == -EAGAIN; i++) {
		nanosleep(&pause, NULL);
		result = core_domain_info(core, id, &info);
		if (!result)
			result = judge_rehearsal(status, &info, error);
	}
	if (result == -EAGAIN)
		return build_refuse(error, BLAME_KERNEL, -ETIME, "it has not begun to wait for its device within %lu s: the old image still serves",
				    REHEARSAL_LOOKS * LOOK_NS / 1000000000);
	return result;
}

void image_rehearsal_uuid(uint8_t uuid[16])
{
	uuid[0] ^= 0xff;
}

int image_rehearse(struct core *core, const struct build_request *request, struct build_error *error)
{
	struct build_driver alone = *request->driver;
	struct build_request rehearsal = *request;
	const struct driver_shared *shared;
	struct built built;
	void *status;
	int result;

	alone.function_count = 0;
	alone.is_rehearsal = true;
	rehearsal.driver = &alone;
	image_rehearsal_uuid(rehearsal.uuid);
	result = build_domain(core, &rehearsal, &built, error);
	if (result)
		return result;
	shared = &built.driver;
	status = core_map(core, built.id, PROT_READ, shared->mfn + shared->table_pages, shared->status_pages);
	result = status ? core_domain_unpause(core, built.id) : -(errno ? errno : EFAULT);
	if (!result)
		result = watch_rehearsal(core, built.id, status, error);
	if (status)
		core_unmap(core, status, shared->status_pages);
	core_domain_destroy(core, built.id);
	bytes_free(&built.kernel.elf);
	driver_shared_free(&built.driver);
	if (result && !error->text[0])
		build_refuse(error, BLAME_MACHINE, result, "it cannot be tried beside the old one: %s", strerror(-result));
	return result;
}

/* ---- loading ---- */

static int renumber(struct core *core, domid_t id, const struct driver_shared *shared, const struct image *image)
{
	uint32_t count = 0;

	for (uint64_t pfn = 0; pfn < image->frames; pfn++)
		if (shared->is_uncertain || image->frame[pfn] != shared->frame[pfn])
			image->renumber[count++] = (struct mmu_update){ image->frame[pfn] << FRAME_SHIFT | MMU_MACHPHYS_UPDATE, pfn };
	return count ? core_renumber(core, id, image->renumber, count) : 0;
}

static int write_pages(struct core *core, domid_t id, const struct image *image)
{
	void *at = core_map(core, id, PROT_READ | PROT_WRITE, image->page, image->page_count);

	if (!at)
		return -(errno ? errno : EFAULT);
	memcpy(at, image->contents, image->page_count << FRAME_SHIFT);
	core_unmap(core, at, image->page_count);
	return 0;
}

int image_load(struct core *core, domid_t id, struct driver_shared *shared, const struct image *image)
{
	struct skink_domctl_driver declaration = image->declaration;
	int result = core_renew(core, id);

	if (!result)
		result = renumber(core, id, shared, image);
	if (result)
		return result;
	memcpy(shared->frame, image->frame, image->frames * sizeof(xen_pfn_t));
	shared->root = image->root;
	shared->queues = image->note.queues;
	shared->is_uncertain = false;
	result = write_pages(core, id, image);
	if (!result)
		result = core_pin_root(core, id, image->root);
	if (!result)
		result = core_driver(core, id, &declaration);
	if (!result)
		result = core_vcpu_context_set(core, id, 0, &image->context);
	return result;
}
