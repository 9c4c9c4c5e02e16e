/* SPDX-License-Identifier: MIT */
/*
 * The hypercall: batches of operations, each with its own status, and the questions about a table. Operations are
 * copied in and out a few at a time. What a batch holds or has put off ends before the hypercall does or is continued.
 */
#include "domain/hypercall.h"
#include "grant/table.h"

#define CHUNK 8			/* operations between two looks at hypercall_must_stop() */
#define OPERATION_BYTES_MAX sizeof(struct gnttab_copy)

struct grant_command {
	grant_run *run;
	uint32_t bytes;		/* of one operation */
};

static const struct grant_command grant_commands[] = {
	[GNTTABOP_map_grant_ref] = { grant_map, sizeof(struct gnttab_map_grant_ref) },
	[GNTTABOP_unmap_grant_ref] = { grant_unmap, sizeof(struct gnttab_unmap_grant_ref) },
	[GNTTABOP_transfer] = { grant_transfer, sizeof(struct gnttab_transfer) },
	[GNTTABOP_copy] = { grant_copy, sizeof(struct gnttab_copy) },
};

/* Up to CHUNK operations, or if they cannot all be read the first alone; 0: not even that. */
static uint32_t chunk_read(void *operations, uint64_t address, uint32_t bytes, uint32_t left)
{
	uint32_t count = MIN(left, CHUNK);

	if (guest_read(operations, address, (size_t)count * bytes) == 0)
		return count;
	return count > 1 && guest_read(operations, address, bytes) == 0 ? 1 : 0;
}

static long grant_batch(const struct grant_command *command, uint32_t number, uint64_t address, uint32_t left)
{
	struct grant_batch batch;
	uint64_t operations[CHUNK * OPERATION_BYTES_MAX / sizeof(uint64_t)];
	long error = 0;

	batch.vcpu = current_vcpu();
	batch.domain = batch.vcpu->domain;
	batch.source = batch.dest = (struct grant_copy_side){};
	batch.pending_count = 0;
	while (left && !error) {
		uint32_t count = chunk_read(operations, address, command->bytes, left);

		command->run(&batch, operations, count);
		error = count ? guest_write(address, operations, (size_t)count * command->bytes) : -EFAULT;
		address += (uint64_t)count * command->bytes;
		left -= count;
		if (left && hypercall_must_stop())
			break;
	}
	grant_unmap_flush(&batch);
	grant_copy_release(&batch);
	if (error || left == 0)
		return error;
	return hypercall_continue(__HYPERVISOR_grant_table_op, 3, (uint64_t)number, address, (uint64_t)left);
}

static int setup_frames(struct domain *domain, const struct gnttab_setup_table *setup)
{
	if (setup->nr_frames > GRANT_FRAMES_MAX)
		return GNTST_general_error;
	for (uint32_t i = 0; i < setup->nr_frames; i++) {
		mfn_t frame;

		if (grant_frame(domain, i, &frame) != 0)
			return GNTST_general_error;
		if (handle_write(setup->frame_list, i, &frame.raw) != 0)
			return GNTST_bad_virt_addr;
	}
	return GNTST_okay;
}

union grant_question {
	domid_t domain;			/* the first field of all but set_version */
	struct gnttab_setup_table setup;
	struct gnttab_query_size size;
	struct gnttab_get_version get;
	struct gnttab_set_version set;
};

static const uint8_t question_bytes[] = {
	[GNTTABOP_setup_table] = sizeof(struct gnttab_setup_table),
	[GNTTABOP_query_size] = sizeof(struct gnttab_query_size),
	[GNTTABOP_get_version] = sizeof(struct gnttab_get_version),
	[GNTTABOP_set_version] = sizeof(struct gnttab_set_version),
};

/* `target` is NULL if there is none for the caller, which `error` explains. */
static long answer(uint32_t number, union grant_question *question, struct domain *target, int error)
{
	int status = !error ? GNTST_okay : error == -ESRCH ? GNTST_bad_domain : GNTST_permission_denied;
	uint32_t wanted = question->set.version;

	switch (number) {
	case GNTTABOP_setup_table:
		question->setup.status = (int16_t)(target ? setup_frames(target, &question->setup) : status);
		return 0;
	case GNTTABOP_query_size:
		question->size.status = (int16_t)status;
		if (target) {
			question->size.nr_frames = read_once(&target->grants->frame_count);
			question->size.max_nr_frames = GRANT_FRAMES_MAX;
		}
		return 0;
	case GNTTABOP_get_version:
		question->get.version = 1;
		return error;
	default:
		/* Version 2 is refused in the way of a Xen that does not have it; the guest reads what it has instead. */
		question->set.version = 1;
		if (target->is_frozen)
			return -EPERM;
		return wanted == 1 ? 0 : wanted == 2 ? -ENOSYS : -EINVAL;
	}
}

/* Of the caller's own table, or of any if it is privileged. */
static long grant_ask(uint32_t number, uint64_t address)
{
	union grant_question question;
	struct domain *target;
	long result;
	int error;

	if (guest_read(&question, address, question_bytes[number]))
		return -EFAULT;
	error = domain_get_managed(number == GNTTABOP_set_version ? DOMID_SELF : question.domain, &target);
	result = answer(number, &question, error ? NULL : target, error);
	if (!error)
		domain_put(target);
	return guest_write(address, &question, question_bytes[number]) ? -EFAULT : result;
}

long do_grant_table_op(uint64_t command, uint64_t operations, uint64_t count)
{
	uint32_t number = (uint32_t)command, left = (uint32_t)count;

	if (left > INT32_MAX)
		return -EINVAL;
	if (number < ARRAY_SIZE(grant_commands) && grant_commands[number].run)
		return grant_batch(&grant_commands[number], number, operations, left);
	if (number == GNTTABOP_cache_flush)
		return -EOPNOTSUPP;
	if (number >= ARRAY_SIZE(question_bytes) || !question_bytes[number])
		return -ENOSYS;		/* dump_table is not Xen's either; status frames are version 2's */
	if (left != 1 && (number == GNTTABOP_setup_table || number == GNTTABOP_query_size))
		return -EINVAL;
	return grant_ask(number, operations);
}
