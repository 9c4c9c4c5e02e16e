/* SPDX-License-Identifier: MIT */
#include "runtime/boot.h"

#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/events.h"
#include "runtime/hypercall.h"
#include "runtime/memory.h"
#include "runtime/traps.h"
#include "runtime/vcpu.h"

struct start_info *boot_info;
struct shared_info *boot_shared;
uint64_t boot_ticks;

static char boot_shared_page[4096] __attribute__((aligned(4096)));

bool boot_is_dom0(void)
{
	return boot_info->flags & SIF_INITDOMAIN;
}

static void boot_map_shared(void)
{
	ASSERT(hypercall(__HYPERVISOR_update_va_mapping, boot_shared_page,
			 boot_info->shared_info | PTE_KERNEL, UVMF_INVLPG) == 0);
	boot_shared = (struct shared_info *)boot_shared_page;
}

/* Traps come before memory, so that a mistake in the rest is told. */
void runtime_start(struct start_info *info)
{
	boot_info = info;
	memory_init();
	driver_domain_find();
	vcpu_init_first();
	boot_map_shared();
	vcpu_init_shared();
	trap_init();
	ASSERT(hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables) == 0);
	memory_map_all();
	event_init();
	guest_main();
	domain_shutdown(SHUTDOWN_poweroff);
}

void domain_shutdown(unsigned int reason)
{
	struct sched_shutdown shutdown = { reason };

	for (;;)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &shutdown);
}
