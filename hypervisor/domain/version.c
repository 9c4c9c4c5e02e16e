/* SPDX-License-Identifier: MIT */
/* What the core says of itself: Xen 4.17, because that is the ABI it speaks. And what a guest may ask it to do for it. */

#include <xen/features.h>
#include <xen/version.h>

#include "boot/boot_info.h"
#include "domain/hypercall.h"

#define VERSION_MAJOR	4
#define VERSION_MINOR	17

#define FEATURE(name)	(1U << XENFEAT_##name)

/* A text in a field of `room` bytes, zeroes behind it. */
static long write_text(uint64_t to, const char *text, size_t room)
{
	char field[sizeof(xen_commandline_t)] = "";	/* the longest of them */

	string_copy(field, text, room);
	return guest_write(to, field, room);
}

static long write_compile_info(uint64_t to)
{
	struct xen_compile_info info = { .compile_by = "skink", .compile_domain = "skink" };

	/* No date: the same sources make the same core. */
	string_copy(info.compiler, __VERSION__, sizeof(info.compiler));
	return guest_write(to, &info, sizeof(info));
}

static long get_features(const struct domain *domain, uint64_t argument)
{
	struct xen_feature_info info;

	if (guest_read(&info, argument, sizeof(info)))
		return -EFAULT;
	if (info.submap_idx >= XENFEAT_NR_SUBMAPS)
		return -EINVAL;
	info.submap = FEATURE(memory_op_vnode_supported) | FEATURE(mmu_pt_update_preserve_ad) |
		      FEATURE(highmem_assist) | FEATURE(gnttab_map_avail_bits);
	if (read_once(&domain->vm_assist) & VM_ASSIST_BIT(pae_extended_cr3))
		info.submap |= FEATURE(pae_pgdir_above_4gb);
	if (domain->is_privileged)
		info.submap |= FEATURE(dom0);
	return guest_write(argument, &info, sizeof(info));
}

long do_xen_version(uint64_t command, uint64_t argument)
{
	static const xen_platform_parameters_t parameters = { .virt_start = HYPERVISOR_VIRT_START };
	const struct domain *domain = current_vcpu()->domain;

	switch ((uint32_t)command) {
	case XENVER_version:			return VERSION_MAJOR << 16 | VERSION_MINOR;
	case XENVER_extraversion:		return write_text(argument, ".0-skink", sizeof(xen_extraversion_t));
	case XENVER_compile_info:		return write_compile_info(argument);
	case XENVER_capabilities:		return write_text(argument, "xen-3.0-x86_64 ", sizeof(xen_capabilities_info_t));
	case XENVER_changeset:			return write_text(argument, "", sizeof(xen_changeset_info_t));
	case XENVER_platform_parameters:	return guest_write(argument, &parameters, sizeof(parameters));
	case XENVER_get_features:		return get_features(domain, argument);
	case XENVER_pagesize:			return PAGE_SIZE;
	case XENVER_guest_handle:		return guest_write(argument, domain->handle, sizeof(domain->handle));
	case XENVER_commandline:
		return write_text(argument, domain->is_privileged ? boot_info.command_line : "<denied>",
				  sizeof(xen_commandline_t));
	case XENVER_build_id:			return -ENODATA;	/* the core is linked without one */
	default:				return -ENOSYS;
	}
}

long do_vm_assist(uint64_t command, uint64_t type)
{
	uint64_t *assist = &current_vcpu()->domain->vm_assist;
	uint64_t bit = (uint32_t)type < 64 ? 1ULL << type : 0;

	if (!(VM_ASSIST_VALID & bit))
		return -EINVAL;
	if (current_vcpu()->domain->is_frozen)
		return -EPERM;
	if ((uint32_t)command == VMASST_CMD_enable)
		__atomic_fetch_or(assist, bit, __ATOMIC_SEQ_CST);
	else if ((uint32_t)command == VMASST_CMD_disable)
		__atomic_fetch_and(assist, ~bit, __ATOMIC_SEQ_CST);
	else
		return -ENOSYS;
	return 0;
}
