/* SPDX-License-Identifier: MIT */
#include "runtime/vcpu.h"

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/events.h"
#include "runtime/hypercall.h"
#include "runtime/lib.h"
#include "runtime/memory.h"

#define VCPU_STACK_PAGES 4

static struct vcpu_local vcpus[VCPU_LIMIT];

static void vcpu_set_gs(struct vcpu_local *vcpu)
{
	ASSERT(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, vcpu) == 0);
}

void vcpu_init_first(void)
{
	vcpus[0].self = &vcpus[0];
	vcpu_set_gs(&vcpus[0]);
	ASSERT(hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS,
			 (uint64_t)page_alloc_many(VCPU_STACK_PAGES) + VCPU_STACK_PAGES * 4096) == 0);
}

void vcpu_init_shared(void)
{
	for (uint32_t id = 0; id < VCPU_LIMIT; id++) {
		vcpus[id].self = &vcpus[id];
		vcpus[id].id = id;
		vcpus[id].info = &boot_shared->vcpu_info[id];
	}
}

void vcpu_context(struct vcpu_guest_context *context, uint32_t id, void (*function)(void *),
		  void *argument)
{
	struct vcpu_local *vcpu = &vcpus[id];
	uint64_t stack = (uint64_t)page_alloc_many(VCPU_STACK_PAGES) + VCPU_STACK_PAGES * 4096;

	vcpu->function = function;
	vcpu->argument = argument;
	vcpu->try_frame = NULL;
	memset(context, 0, sizeof(*context));
	memcpy(context->trap_ctxt, trap_table, 256 * sizeof(struct trap_info));
	context->flags = VGCF_IN_KERNEL | VGCF_syscall_disables_events | VGCF_failsafe_disables_events;
	context->user_regs.rip = (uint64_t)vcpu_entry;
	context->user_regs.cs = FLAT_KERNEL_CS;
	context->user_regs.ss = FLAT_KERNEL_SS;
	context->user_regs.rflags = 1UL << 1;
	context->user_regs.rsp = stack;
	context->user_regs.rdi = (uint64_t)vcpu;
	context->kernel_ss = FLAT_KERNEL_SS;
	context->kernel_sp = (uint64_t)page_alloc_many(VCPU_STACK_PAGES) + VCPU_STACK_PAGES * 4096;
	context->ctrlreg[3] = xen_pfn_to_cr3(memory_base_mfn);
	context->event_callback_eip = trap_entries[TRAP_UPCALL];
	context->failsafe_callback_eip = trap_entries[TRAP_FAILSAFE];
	context->syscall_callback_eip = trap_entries[TRAP_SYSCALL];
	context->gs_base_kernel = (uint64_t)vcpu;
}

int vcpu_start(uint32_t id, void (*function)(void *), void *argument)
{
	static struct vcpu_guest_context context APART;
	long error;

	vcpu_context(&context, id, function, argument);
	error = hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, id, &context);
	if (error && error != -XEN_EEXIST)
		return (int)error;
	return (int)hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, id, 0);
}

void vcpu_begin(struct vcpu_local *vcpu)
{
	for (;;) {
		vcpu->started = true;
		event_unmask_upcalls();
		vcpu->function(vcpu->argument);
		event_mask_upcalls();
		vcpu->started = false;
		hypercall(__HYPERVISOR_vcpu_op, VCPUOP_down, vcpu->id, 0);
	}
}
