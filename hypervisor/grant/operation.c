/* SPDX-License-Identifier: MIT */
/*
 * The hypercall: batches of operations, each with its own status, and the questions about a table. Operations are
 * copied in and out a few at a time. What a batch holds or has put off ends before the hypercall does or is continued.
 */
#include "include/types.h"

#include "cpu/cpu.h"
#include "cpu/directmap.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "grant/table.h"
#include "include/errno.h"

#define CHUNK 8			/* operations between two looks at preempt_needed() */
#define OPERATION_BYTES_MAX sizeof(struct gnttab_copy)

struct grant_command {
	grant_run *run;
	uint32_t bytes;		/* of one operation */
};

static const struct grant_command grant_commands[] = {
	[GNTTABOP_map_grant_ref] = { grant_map, sizeof(struct gnttab_map_grant_ref) },
	[GNTTABOP_unmap_grant_ref] = { grant_unmap, sizeof(struct gnttab_unmap_grant_ref) },
	[GNTTABOP_unmap_and_replace] = { grant_unmap_and_replace, sizeof(struct gnttab_unmap_and_replace) },
	[GNTTABOP_transfer] = { grant_transfer, sizeof(struct gnttab_transfer) },
	[GNTTABOP_copy] = { grant_copy, sizeof(struct gnttab_copy) },
	[GNTTABOP_swap_grant_ref] = { grant_swap, sizeof(struct gnttab_swap_grant_ref) },
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
	batch.source = batch.dest = (struct grant_copy_side){ 0 };
	batch.pending_count = 0;
	while (left && !error) {
		uint32_t count = chunk_read(operations, address, command->bytes, left);

		if (count == 0) {
			error = -EFAULT;
			break;
		}
		command->run(&batch, operations, count);
		error = guest_write(address, operations, (size_t)count * command->bytes);
		address += (uint64_t)count * command->bytes;
		left -= count;
		if (left && preempt_needed())
			break;
	}
	grant_unmap_flush(&batch);
	grant_copy_release(&batch);
	if (error || left == 0)
		return error;
	return hypercall_continue(__HYPERVISOR_grant_table_op, 3, (uint64_t)number, address, (uint64_t)left);
}

/* The domain whose table the caller asks about: its own, or any if it is privileged. GNTST_*. */
static int target_get(domid_t domid, struct domain **target)
{
	struct domain *domain = domain_get(domid);

	if (!domain)
		return GNTST_bad_domain;
	if (!domain_may_manage(current_vcpu()->domain, domain)) {
		domain_put(domain);
		return GNTST_permission_denied;
	}
	*target = domain;
	return GNTST_okay;
}

static int setup_frames(struct domain *domain, const struct gnttab_setup_table *setup)
{
	for (uint32_t i = 0; i < setup->nr_frames; i++) {
		mfn_t frame;
		xen_pfn_t number;

		if (grant_frame(domain, i, &frame) != 0)
			return GNTST_general_error;
		number = frame.raw;
		if (handle_write(setup->frame_list, i, &number) != 0)
			return GNTST_bad_virt_addr;
	}
	return GNTST_okay;
}

static long grant_setup_table(uint64_t address)
{
	struct gnttab_setup_table setup;
	struct domain *domain;
	int status;

	if (guest_read(&setup, address, sizeof(setup)) != 0)
		return -EFAULT;
	status = target_get(setup.dom, &domain);
	if (status == GNTST_okay) {
		status = setup.nr_frames > GRANT_FRAMES_MAX ? GNTST_general_error : setup_frames(domain, &setup);
		domain_put(domain);
	}
	setup.status = (int16_t)status;
	return guest_write(address, &setup, sizeof(setup));
}

static long grant_query_size(uint64_t address)
{
	struct gnttab_query_size query;
	struct domain *domain;
	int status;

	if (guest_read(&query, address, sizeof(query)) != 0)
		return -EFAULT;
	status = target_get(query.dom, &domain);
	if (status == GNTST_okay) {
		query.nr_frames = read_once(&domain->grants->frame_count);
		query.max_nr_frames = GRANT_FRAMES_MAX;
		domain_put(domain);
	}
	query.status = (int16_t)status;
	return guest_write(address, &query, sizeof(query));
}

/* Version 2 is refused in the way of a Xen that does not have it; the guest reads what it has instead. */
static long grant_set_version(uint64_t address)
{
	struct gnttab_set_version set;
	long error;

	if (guest_read(&set, address, sizeof(set)) != 0)
		return -EFAULT;
	error = set.version == 1 ? 0 : set.version == 2 ? -ENOSYS : -EINVAL;
	set.version = 1;
	return guest_write(address, &set, sizeof(set)) != 0 ? -EFAULT : error;
}

static long grant_get_version(uint64_t address)
{
	struct gnttab_get_version get;
	struct domain *domain;
	int status;

	if (guest_read(&get, address, sizeof(get)) != 0)
		return -EFAULT;
	status = target_get(get.dom, &domain);
	if (status != GNTST_okay)
		return status == GNTST_bad_domain ? -ESRCH : -EPERM;
	domain_put(domain);
	get.version = 1;
	return guest_write(address, &get, sizeof(get));
}

long do_grant_table_op(uint64_t command, uint64_t operations, uint64_t count)
{
	uint32_t number = (uint32_t)command, left = (uint32_t)count;

	if (left > INT32_MAX)
		return -EINVAL;
	if (number < ARRAY_SIZE(grant_commands) && grant_commands[number].run)
		return grant_batch(&grant_commands[number], number, operations, left);
	switch (number) {
	case GNTTABOP_setup_table:
		return left == 1 ? grant_setup_table(operations) : -EINVAL;
	case GNTTABOP_query_size:
		return left == 1 ? grant_query_size(operations) : -EINVAL;
	case GNTTABOP_set_version:
		return grant_set_version(operations);
	case GNTTABOP_get_version:
		return grant_get_version(operations);
	case GNTTABOP_cache_flush:
		return -EOPNOTSUPP;
	default:		/* dump_table is not Xen's either; status frames are version 2's */
		return -ENOSYS;
	}
}
