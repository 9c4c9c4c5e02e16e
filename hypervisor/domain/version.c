/* SPDX-License-Identifier: MIT */
/* do_xen_version: what the core says of itself. It says Xen 4.17, because that is the ABI it speaks. */
#include "include/types.h"

#include <xen/features.h>
#include <xen/version.h>
#include <xen/xen.h>

#include "boot/boot_info.h"
#include "cpu/cpu.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "include/errno.h"
#include "lib/string.h"

#define VERSION_MAJOR	4
#define VERSION_MINOR	17

#define FEATURE(name)	(1U << XENFEAT_##name)

/* A text in a field of `room` bytes, zeroes behind it. */
static long write_text(uint64_t to, const char *text, size_t room)
{
	size_t length = MIN(strlen(text), room - 1);

	if (guest_write(to, text, length) || guest_clear(to + length, room - length))
		return -EFAULT;
	return 0;
}

static long write_compile_info(uint64_t to)
{
	struct xen_compile_info info = { .compile_by = "skink", .compile_domain = "skink" };

	/* No date: the same sources make the same core. */
	string_copy(info.compiler, __VERSION__, sizeof(info.compiler));
	return guest_write(to, &info, sizeof(info));
}

static uint32_t features_of(const struct domain *domain)
{
	uint32_t features = FEATURE(memory_op_vnode_supported) | FEATURE(mmu_pt_update_preserve_ad) |
			    FEATURE(highmem_assist) | FEATURE(gnttab_map_avail_bits);

	if (read_once(&domain->vm_assist) & 1ULL << VMASST_TYPE_pae_extended_cr3)
		features |= FEATURE(pae_pgdir_above_4gb);
	if (domain->is_privileged)
		features |= FEATURE(dom0);
	return features;
}

static long get_features(const struct domain *domain, uint64_t argument)
{
	struct xen_feature_info info;

	if (guest_read(&info, argument, sizeof(info)))
		return -EFAULT;
	if (info.submap_idx >= XENFEAT_NR_SUBMAPS)
		return -EINVAL;
	info.submap = features_of(domain);
	return guest_write(argument, &info, sizeof(info));
}

long do_xen_version(uint64_t command, uint64_t argument)
{
	static const xen_platform_parameters_t parameters = { .virt_start = HYPERVISOR_VIRT_START };
	const struct domain *domain = current_vcpu()->domain;

	switch ((uint32_t)command) {
	case XENVER_version:
		return VERSION_MAJOR << 16 | VERSION_MINOR;
	case XENVER_extraversion:
		return write_text(argument, ".0-skink", sizeof(xen_extraversion_t));
	case XENVER_compile_info:
		return write_compile_info(argument);
	case XENVER_capabilities:
		return write_text(argument, "xen-3.0-x86_64 ", sizeof(xen_capabilities_info_t));
	case XENVER_changeset:
		return write_text(argument, "", sizeof(xen_changeset_info_t));
	case XENVER_platform_parameters:
		return guest_write(argument, &parameters, sizeof(parameters));
	case XENVER_get_features:
		return get_features(domain, argument);
	case XENVER_pagesize:
		return PAGE_SIZE;
	case XENVER_guest_handle:
		return guest_write(argument, domain->handle, sizeof(domain->handle));
	case XENVER_commandline:
		return write_text(argument, domain->is_privileged ? boot_info.command_line : "<denied>",
				  sizeof(xen_commandline_t));
	case XENVER_build_id:
		return -ENODATA;	/* the core is linked without one */
	default:
		return -ENOSYS;
	}
}
