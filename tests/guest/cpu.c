/* SPDX-License-Identifier: MIT */
/* What a vcpu is made of: trap table, callbacks, stack, segments, descriptors, debug registers, ports. */
/* QEMU smap: -cpu max */
#include "user.h"

#include "runtime/events.h"

USER_TEXT(
	USER_PROBE(user_syscall, "syscall")
	USER_PROBE(user_in, "in $0x80, %al\nsyscall")
	USER_PROBE(user_fs, "mov %fs:0, %rax\nsyscall")
	USER_PROBE(user_gs_selector, "mov %gs, %eax\nsyscall"))

extern char user_syscall[], user_in[], user_fs[], user_gs_selector[];

#define HYPERVISORS 0xffff830000000000UL
#define DESCRIPTOR_DATA 0x00cff2000000ffffUL    /* flat, DPL 3, writable, 4 GiB */
#define DESCRIPTOR_CODE64 0x00affa000000ffffUL
#define DESCRIPTOR_CALL_GATE 0x0000ec000010ffffUL
#define DESCRIPTOR_LDT 0x000082000000ffffUL
#define DESCRIPTOR_TSS 0x000089000000ffffUL

static void ud2(void *argument)
{
	(void)argument;
	__asm__ volatile("ud2");
}

static void load_fs(void *selector)
{
	__asm__ volatile("mov %0, %%fs" : : "r"((uint32_t)(uint64_t)selector));
}

static void load_fs_and_reset(void *selector)
{
	load_fs(selector);
	load_fs(NULL);
}

static void read_port(void *port)
{
	uint8_t value;

	__asm__ volatile("inb %w1, %0" : "=a"(value) : "d"(port));
}

static bool traps_with(void (*function)(void *), void *argument, unsigned int vector)
{
	struct trap_frame frame;

	return trap_try(&frame, function, argument) && frame.vector == vector;
}

/* Trap table */

static void trap_at_a_non_canonical_address_is_refused(void)
{
	struct trap_info table[2] = { { TRAP_INVALID_OPCODE, 0, FLAT_KERNEL_CS, 0x900000000000 }, { 0 } };

	check_equal(hypercall(__HYPERVISOR_set_trap_table, table), -XEN_EINVAL);
	check(traps_with(ud2, NULL, TRAP_INVALID_OPCODE));
}

/* Xen takes such an address and the trap then faults: nobody may run there. */
static void trap_inside_the_hypervisor_runs_nothing(void)
{
	struct trap_info table[2] = { { TRAP_INVALID_OPCODE, 0, FLAT_KERNEL_CS, HYPERVISORS }, { 0 } };
	struct trap_frame frame;

	if (hypercall(__HYPERVISOR_set_trap_table, table) == 0) {
		check(trap_try(&frame, ud2, NULL));
		check_equal(frame.vector, TRAP_PAGE_FAULT);
		check_equal(frame.rip, HYPERVISORS);
	}
	check_equal(hypercall(__HYPERVISOR_set_trap_table, trap_table), 0);
}

static void trap_table_ends_at_a_zero_address(void)
{
	struct trap_info table[3] = { { TRAP_INVALID_OPCODE, 0, FLAT_KERNEL_CS, trap_entries[TRAP_DIVIDE] },
				      { 0 },
				      { TRAP_PROTECTION, 0, FLAT_KERNEL_CS, 1 } };

	check_equal(hypercall(__HYPERVISOR_set_trap_table, table), 0);
	check(traps_with(ud2, NULL, TRAP_DIVIDE));
	table[0].address = trap_entries[TRAP_INVALID_OPCODE];
	check_equal(hypercall(__HYPERVISOR_set_trap_table, table), 0);
	check(traps_with(ud2, NULL, TRAP_INVALID_OPCODE));
}

/* No table clears them all; what was there is set again. */
static void trap_table_can_be_cleared(void)
{
	check_equal(hypercall(__HYPERVISOR_set_trap_table, 0), 0);
	check_equal(hypercall(__HYPERVISOR_set_trap_table, trap_table), 0);
	check(traps_with(ud2, NULL, TRAP_INVALID_OPCODE));
}

/* Callbacks */

static void callbacks_are_known_by_type(void)
{
	struct callback_register callback = { 99, 0, trap_entries[TRAP_UPCALL] };

	check_equal(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback), -XEN_ENOSYS);
	callback.type = CALLBACKTYPE_event;
	check_equal(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback), 0);
}

static void callback_at_a_non_canonical_address_is_refused(void)
{
	struct callback_register callback = { CALLBACKTYPE_event, 0, 0x900000000000 };

	check_equal(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback), -XEN_EINVAL);
}

static void callbacks_that_must_be_there_cannot_be_unregistered(void)
{
	struct callback_unregister callback = { CALLBACKTYPE_event, 0 };

	check_equal(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &callback), -XEN_EINVAL);
	callback.type = CALLBACKTYPE_failsafe;
	check_equal(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &callback), -XEN_EINVAL);
	callback.type = CALLBACKTYPE_syscall;
	check_equal(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &callback), -XEN_EINVAL);
	callback.type = 99;
	check_equal(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &callback), -XEN_ENOSYS);
}

static void set_callbacks_sets_three(void)
{
	check_equal(hypercall(__HYPERVISOR_set_callbacks, trap_entries[TRAP_UPCALL], trap_entries[TRAP_FAILSAFE],
			      trap_entries[TRAP_SYSCALL]), 0);
	check_equal(user_run(user_syscall).vector, TRAP_SYSCALL);
}

static void nmi_callback_is_registered_and_unregistered(void)
{
	struct callback_register callback = { CALLBACKTYPE_nmi, 0, trap_entries[TRAP_NMI] };
	struct callback_unregister unregister = { CALLBACKTYPE_nmi, 0 };

	check_equal(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback), 0);
	check_equal(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &unregister), 0);
}

static unsigned int nmis;

static bool count_nmi(struct trap_frame *frame)
{
	(void)frame;
	nmis++;
	return true;
}

static void nmi_to_ourselves_arrives(void)
{
	struct callback_register callback = { CALLBACKTYPE_nmi, 0, trap_entries[TRAP_NMI] };
	struct callback_unregister unregister = { CALLBACKTYPE_nmi, 0 };

	nmis = 0;
	trap_set_handler(TRAP_NMI, count_nmi);
	check_equal(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback), 0);
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0, 0), 0);
	check_equal(nmis, 1);
	hypercall(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &unregister);
}

/* Stack */

static void stack_switch_takes_what_user_mode_leads_to(void)
{
	static char stack[8192] __attribute__((aligned(16)));
	struct trap_frame frame;
	uint64_t here;

	check_equal(hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, stack + sizeof(stack)), 0);
	frame = user_run(user_syscall);
	check_equal(frame.vector, TRAP_SYSCALL);
	here = *(uint64_t *)(stack + sizeof(stack) - 8);
	check_equal(here & 0xffff, FLAT_USER_SS); /* ss is the first thing of the frame */
	check_equal(hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS,
			      (uint64_t)page_alloc_many(4) + 4 * PAGE_SIZE), 0);
}

/* Segments */

static void segment_bases_are_set_by_hypercall(void)
{
	struct trap_frame frame;

	*(uint64_t *)user_stack_page = 0x5e6;
	check_equal(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_FS, USER_STACK_TOP - PAGE_SIZE), 0);
	frame = user_run(user_fs);
	check_equal(frame.vector, TRAP_SYSCALL);
	check_equal(frame.rax, 0x5e6);
	check_equal(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_FS, 0), 0);
}

static void bad_segment_bases_are_refused(void)
{
	check_equal(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_FS, 0x900000000000), -XEN_EINVAL);
	check_equal(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, 0x900000000000), -XEN_EINVAL);
	check_equal(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, 0x900000000000), -XEN_EINVAL);
	check_equal(hypercall(__HYPERVISOR_set_segment_base, 99, 0), -XEN_EINVAL);
	check(vcpu_self()->self == vcpu_self());
}

static void user_gs_selector_is_set_by_hypercall(void)
{
	check_equal(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, FLAT_RING3_DS32), 0);
	check_equal(user_run(user_gs_selector).rax & 0xffff, FLAT_RING3_DS32);
	check_equal(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0), 0);
	check(vcpu_self()->self == vcpu_self());
}

static void user_gs_selector_that_is_bad_becomes_null(void)
{
	check_equal(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0x7ff8), 0);	/* Linux ends of an error */
	check_equal(user_run(user_gs_selector).rax & 0xfffc, 0);
	check(vcpu_self()->self == vcpu_self());
}

/* rdi, rsi, and all that is not the ABI's to change, as they were; the direction flag too. */
static void check_registers_after(uint64_t number, uint64_t first, uint64_t second)
{
	uint64_t after[12], rax = number, rdi = first, rsi = second;
	uint64_t *const to = after;
	static const uint64_t kept[] = { 0xb0, 0xd0, 0x80, 0x90, 0xa0, 0xc0, 0xd1, 0xe0, 0xf0 };

	asm volatile("push %%rbp\n\t"
		     "push %[to]\n\t"
		     "mov $0xb0, %%ebx\n\tmov $0xd0, %%edx\n\tmov $0x80, %%r8d\n\tmov $0x90, %%r9d\n\tmov $0xa0, %%r10d\n\t"
		     "mov $0xc0, %%r12d\n\tmov $0xd1, %%r13d\n\tmov $0xe0, %%r14d\n\tmov $0xf0, %%r15d\n\t"
		     "std\n\t"
		     "syscall\n\t"
		     "pop %%rcx\n\t"
		     "mov %%rbx, (%%rcx)\n\tmov %%rdx, 8(%%rcx)\n\tmov %%r8, 16(%%rcx)\n\tmov %%r9, 24(%%rcx)\n\tmov %%r10, 32(%%rcx)\n\t"
		     "mov %%r12, 40(%%rcx)\n\tmov %%r13, 48(%%rcx)\n\tmov %%r14, 56(%%rcx)\n\tmov %%r15, 64(%%rcx)\n\t"
		     "mov %%rdi, 72(%%rcx)\n\tmov %%rsi, 80(%%rcx)\n\t"
		     "pushf\n\tpop 88(%%rcx)\n\t"
		     "cld\n\t"
		     "pop %%rbp"
		     : "+a"(rax), "+D"(rdi), "+S"(rsi)
		     : [to] "c"(to)
		     : "rbx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	check_equal(rax, 0);
	for (unsigned int i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		check_equal(after[i], kept[i]);
	check_equal(after[9], first);
	check_equal(after[10], second);
	check_equal(after[11] & (RFLAGS_IF | 1 << 10), RFLAGS_IF | 1 << 10);
}

static void hypercalls_without_c_keep_the_registers(void)
{
	check_registers_after(__HYPERVISOR_set_segment_base, SEGBASE_FS, USER_STACK_TOP - PAGE_SIZE);
	check_registers_after(__HYPERVISOR_set_segment_base, SEGBASE_FS, 0);
	check_registers_after(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, 0xffff900000000000);
	check_registers_after(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, 0);
	check_registers_after(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, FLAT_RING3_DS32);
	check_registers_after(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0x7ff8);
	check_registers_after(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, (uint64_t)page_alloc_many(4) + 4 * PAGE_SIZE);
	check(vcpu_self()->self == vcpu_self());
}

/* Descriptor tables */

static void gdt_of_ours_is_used(void)
{
	uint64_t *table = page_alloc();
	unsigned long frame = virt_to_mfn(table);

	table[5] = DESCRIPTOR_DATA;
	check_equal(memory_protect(table, PTE_KERNEL_RO), 0);
	check_equal(hypercall(__HYPERVISOR_set_gdt, &frame, 512), 0);
	check(!traps_with(load_fs_and_reset, (void *)(5 * 8 | 3), TRAP_PROTECTION));
	check(traps_with(load_fs, (void *)(6 * 8 | 3), TRAP_PROTECTION) ||
	      traps_with(load_fs, (void *)(6 * 8 | 3), TRAP_NO_SEGMENT));
	check_equal(memory_protect(table, PTE_KERNEL), -XEN_EBUSY);
	check_equal(hypercall(__HYPERVISOR_set_gdt, NULL, 0), 0);
	check_equal(memory_protect(table, PTE_KERNEL), 0);
	page_free(table);
}

static void gdt_with_a_bad_descriptor_is_refused(void)
{
	static const uint64_t bad[] = { DESCRIPTOR_LDT, DESCRIPTOR_TSS };

	for (unsigned int i = 0; i < 2; i++) {
		uint64_t *table = page_alloc();
		unsigned long frame = virt_to_mfn(table);

		table[7] = bad[i];
		memory_protect(table, PTE_KERNEL_RO);
		check_equal(hypercall(__HYPERVISOR_set_gdt, &frame, 512), -XEN_EINVAL);
		check_equal(memory_protect(table, PTE_KERNEL), 0);
		page_free(table);
	}
}

/* DPL 0 cannot be had: such a descriptor is taken, and made ours. */
static void gdt_descriptor_of_ring_0_is_brought_down(void)
{
	uint64_t *table = page_alloc();
	unsigned long frame = virt_to_mfn(table);
	long result;

	table[5] = DESCRIPTOR_DATA & ~(3UL << 45);
	memory_protect(table, PTE_KERNEL_RO);
	result = hypercall(__HYPERVISOR_set_gdt, &frame, 512);
	check(result == 0 || result == -XEN_EINVAL);
	if (result == 0)
		check((table[5] >> 45 & 3) >= 1);
	hypercall(__HYPERVISOR_set_gdt, NULL, 0);
	memory_protect(table, PTE_KERNEL);
	page_free(table);
}

static void gdt_that_is_writable_or_too_large_is_refused(void)
{
	void *table = page_alloc();
	unsigned long frame = virt_to_mfn(table);

	check_equal(hypercall(__HYPERVISOR_set_gdt, &frame, 512), -XEN_EINVAL);
	check_equal(hypercall(__HYPERVISOR_set_gdt, &frame, FIRST_RESERVED_GDT_ENTRY + 1), -XEN_EINVAL);
	frame = ~0UL;
	check_equal(hypercall(__HYPERVISOR_set_gdt, &frame, 512), -XEN_EINVAL);
	page_free(table);
}

static void update_descriptor_checks_what_it_writes(void)
{
	uint64_t *table = page_alloc();
	uint64_t address = virt_to_mfn(table) << 12;
	unsigned long frame = virt_to_mfn(table);

	memory_protect(table, PTE_KERNEL_RO);
	check_equal(hypercall(__HYPERVISOR_set_gdt, &frame, 512), 0);
	check_equal(hypercall(__HYPERVISOR_update_descriptor, address + 40, DESCRIPTOR_DATA), 0);
	check_equal(table[5] & ~(1UL << 40), DESCRIPTOR_DATA & ~(1UL << 40));
	check(!traps_with(load_fs_and_reset, (void *)(5 * 8 | 3), TRAP_PROTECTION));
	check_equal(hypercall(__HYPERVISOR_update_descriptor, address + 48, DESCRIPTOR_TSS), -XEN_EINVAL);
	check_equal(table[6], 0);
	check_equal(hypercall(__HYPERVISOR_update_descriptor, address + 41, DESCRIPTOR_DATA), -XEN_EINVAL);
	check_equal(hypercall(__HYPERVISOR_update_descriptor, ~7UL, DESCRIPTOR_DATA), -XEN_EINVAL);
	check_equal(hypercall(__HYPERVISOR_update_descriptor, 0xfee00000, DESCRIPTOR_DATA), -XEN_EINVAL);
	hypercall(__HYPERVISOR_set_gdt, NULL, 0);
	memory_protect(table, PTE_KERNEL);
	page_free(table);
}

/* Xen takes a call gate and gives it DPL 0, out of ring 3's reach; refusing it is as good. */
static void call_gate_cannot_be_passed(void)
{
	uint64_t *table = page_alloc();
	unsigned long frame = virt_to_mfn(table);
	long result;

	memory_protect(table, PTE_KERNEL_RO);
	check_equal(hypercall(__HYPERVISOR_set_gdt, &frame, 512), 0);
	result = hypercall(__HYPERVISOR_update_descriptor, (virt_to_mfn(table) << 12) + 48, DESCRIPTOR_CALL_GATE);
	check(result == 0 || result == -XEN_EINVAL);
	check_equal(table[6] >> 45 & 3, 0);
	hypercall(__HYPERVISOR_set_gdt, NULL, 0);
	memory_protect(table, PTE_KERNEL);
	page_free(table);
}

/* The hypervisor checks a page of an LDT when it is first used. */
static int set_ldt(const void *table, unsigned int count)
{
	struct mmuext_op op = { .cmd = MMUEXT_SET_LDT };

	op.arg1.linear_addr = (unsigned long)table;
	op.arg2.nr_ents = count;
	return (int)hypercall(__HYPERVISOR_mmuext_op, &op, 1, NULL, DOMID_SELF);
}

static void ldt_of_ours_is_used(void)
{
	uint64_t *table = page_alloc();

	table[3] = DESCRIPTOR_DATA;
	memory_protect(table, PTE_KERNEL_RO);
	check_equal(set_ldt(table, 512), 0);
	check(!traps_with(load_fs_and_reset, (void *)(3 * 8 | 7), TRAP_PROTECTION));
	check(traps_with(load_fs, (void *)(4 * 8 | 7), TRAP_PROTECTION) ||
	      traps_with(load_fs, (void *)(4 * 8 | 7), TRAP_NO_SEGMENT));
	check_equal(set_ldt(NULL, 0), 0);
	check(traps_with(load_fs, (void *)(3 * 8 | 7), TRAP_PROTECTION));
	check_equal(memory_protect(table, PTE_KERNEL), 0);
	page_free(table);
}

static void ldt_with_a_bad_descriptor_cannot_be_used(void)
{
	uint64_t *table = page_alloc();
	struct trap_frame frame;

	table[3] = DESCRIPTOR_DATA;
	table[9] = DESCRIPTOR_TSS;
	memory_protect(table, PTE_KERNEL_RO);
	check_equal(set_ldt(table, 512), 0);
	check(trap_try(&frame, load_fs, (void *)(3 * 8 | 7)));
	check_equal(set_ldt(NULL, 0), 0);
	memory_protect(table, PTE_KERNEL);
	page_free(table);
}

static void ldt_in_a_bad_place_is_refused(void)
{
	check(set_ldt((void *)1, 16) < 0);
	check(set_ldt((void *)HYPERVISORS, 16) < 0);
	check(set_ldt(boot_shared, 8193) < 0);
	set_ldt(NULL, 0);
}

/* Debug registers */

static void debug_registers_are_kept(void)
{
	check_equal(hypercall(__HYPERVISOR_set_debugreg, 0, ud2), 0);
	check_equal(hypercall(__HYPERVISOR_get_debugreg, 0), (long)ud2);
	check_equal(hypercall(__HYPERVISOR_set_debugreg, 3, USER_CODE), 0);
	check_equal(hypercall(__HYPERVISOR_get_debugreg, 3), (long)USER_CODE);
	hypercall(__HYPERVISOR_set_debugreg, 0, 0);
	hypercall(__HYPERVISOR_set_debugreg, 3, 0);
}

static void debug_registers_never_watch_the_hypervisor(void)
{
	check(hypercall(__HYPERVISOR_set_debugreg, 0, HYPERVISORS) < 0);
	check(hypercall(__HYPERVISOR_set_debugreg, 1, 0xffff82d040200000) < 0);
	check_equal(hypercall(__HYPERVISOR_get_debugreg, 0), 0);
}

static void debug_registers_that_are_not_there_are_refused(void)
{
	check(hypercall(__HYPERVISOR_set_debugreg, 8, 0) < 0);
	check(hypercall(__HYPERVISOR_set_debugreg, -1, 0) < 0);
	check_equal(hypercall(__HYPERVISOR_get_debugreg, 8), -XEN_ENODEV);
	check_equal(hypercall(__HYPERVISOR_get_debugreg, -1), -XEN_ENODEV);
	check(hypercall(__HYPERVISOR_set_debugreg, 7, 1UL << 13) < 0); /* general detect */
	check(hypercall(__HYPERVISOR_set_debugreg, 7, 1UL << 32) < 0);
}

static volatile uint64_t watched;

static void write_watched(void *argument)
{
	(void)argument;
	watched = 1;
	barrier();
	watched = 2;
}

static void watchpoint_hits(void)
{
	struct trap_frame frame;

	hypercall(__HYPERVISOR_set_debugreg, 6, 0);
	check_equal(hypercall(__HYPERVISOR_set_debugreg, 0, &watched), 0);
	check_equal(hypercall(__HYPERVISOR_set_debugreg, 7, 0x00090401), 0); /* local 0, writes, 8 bytes */
	if (!trap_try(&frame, write_watched, NULL)) {
		hypercall(__HYPERVISOR_set_debugreg, 7, 0);
		check_that(false, "no trap");
		return;
	}
	check_equal(frame.vector, TRAP_DEBUG);
	check_equal(hypercall(__HYPERVISOR_get_debugreg, 6) & 0xf, 1);
	check_equal(hypercall(__HYPERVISOR_set_debugreg, 7, 0), 0);
	hypercall(__HYPERVISOR_set_debugreg, 6, 0);
	hypercall(__HYPERVISOR_set_debugreg, 0, 0);
	check(!trap_try(&frame, write_watched, NULL));
}

/* physdev_op */

static void iopl_is_asked_for(void)
{
	struct physdev_set_iopl iopl = { .iopl = 4 };

	check_equal(hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl), -XEN_EINVAL);
	check(traps_with(read_port, (void *)0x80, TRAP_PROTECTION));
	iopl.iopl = 1;
	check_equal(hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
	/* Ports that belong to nobody: read as all ones, or refused. */
	traps_with(read_port, (void *)0x80, TRAP_PROTECTION);
	check(user_run(user_in).vector == TRAP_PROTECTION);
	iopl.iopl = 0;
	check_equal(hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
}

/* The hypervisor's own: its UART, the interrupt controllers, the timer. */
static void ports_of_the_hypervisor_are_never_given(void)
{
	struct physdev_set_iopl iopl = { .iopl = 3 };
	static const uint16_t ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x3f8, 0x3fd };

	check_equal(hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
	for (unsigned int i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		struct trap_frame frame;

		/* Trapped or all ones: never the device. */
		if (!trap_try(&frame, read_port, (void *)(uint64_t)ports[i])) {
			uint8_t value;

			__asm__ volatile("inb %w1, %0" : "=a"(value) : "d"(ports[i]));
			check_that(value == 0xff, "port %x: %x", ports[i], value);
		}
	}
	iopl.iopl = 0;
	hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl);
}

static void interrupts_that_are_not_there_are_refused(void)
{
	struct physdev_eoi eoi = { .irq = 100000 };
	struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = 200 };

	check(hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_eoi, &eoi) < 0);
	check(hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq, &unmap) < 0);
}

/* vcpu_op, of what there is with one vcpu */

static void vcpu_0_is_up_and_cannot_be_initialised_again(void)
{
	static struct vcpu_guest_context context;

	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 0, 0), 1);
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, 0, 0), 0);
	vcpu_context(&context, 0, NULL, NULL);
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 0, &context), -XEN_EEXIST);
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1000, &context), -XEN_ENOENT);
}

static void vcpu_info_moves_once(void)
{
	struct vcpu_info *page = page_alloc();
	struct vcpu_register_vcpu_info where = { .mfn = virt_to_mfn(page), .offset = 4096 - 32 };

	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, &where), -XEN_ENXIO);
	where.offset = 3; /* it must be aligned */
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, &where), -XEN_ENXIO);
	where.offset = 128;
	where.mfn = ~0UL;
	check(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, &where) < 0);
	where.mfn = virt_to_mfn(page);
	event_mask_upcalls(); /* everything is made pending, and the upcall looks at the new place */
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, &where), 0);
	vcpu_self()->info = (struct vcpu_info *)((char *)page + 128);
	check_equal(vcpu_self()->info->evtchn_upcall_mask, 1);
	event_unmask_upcalls();
	check(vcpu_self()->info->time.tsc_to_system_mul != 0);
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, &where), -XEN_EINVAL);
}

/* It was moved by the test before: upcalls go by the new place. */
static unsigned int upcalls;

static void count_upcall(evtchn_port_t port)
{
	(void)port;
	upcalls++;
}

static void moved_vcpu_info_carries_events(void)
{
	evtchn_port_t port;

	check_equal(event_bind_ipi(0, &port), 0);
	event_set_handler(port, count_upcall);
	event_unmask(port);
	upcalls = 0;
	check_equal(event_send(port), 0);
	check_equal(upcalls, 1);
	event_mask_upcalls();
	event_send(port);
	check_equal(upcalls, 1);
	event_unmask_upcalls();
	check_equal(upcalls, 2);
	event_close(port);
}

static void physical_id_is_not_for_a_guest(void)
{
	struct vcpu_get_physid id;
	long result = hypercall(__HYPERVISOR_vcpu_op, VCPUOP_get_physid, 0, &id);

	check(result == -XEN_EINVAL || result == 0); /* only where vcpus are pinned */
}

static const struct tap_test tests[] = {
	TEST(trap_at_a_non_canonical_address_is_refused),
	TEST(trap_inside_the_hypervisor_runs_nothing),
	TEST(trap_table_ends_at_a_zero_address),
	TEST(trap_table_can_be_cleared),
	TEST(callbacks_are_known_by_type),
	TEST(callback_at_a_non_canonical_address_is_refused),
	TEST(callbacks_that_must_be_there_cannot_be_unregistered),
	TEST(set_callbacks_sets_three),
	TEST(nmi_callback_is_registered_and_unregistered),
	TEST(nmi_to_ourselves_arrives),
	TEST(stack_switch_takes_what_user_mode_leads_to),
	TEST(segment_bases_are_set_by_hypercall),
	TEST(bad_segment_bases_are_refused),
	TEST(hypercalls_without_c_keep_the_registers),
	TEST(user_gs_selector_is_set_by_hypercall),
	TEST(user_gs_selector_that_is_bad_becomes_null),
	TEST(gdt_of_ours_is_used),
	TEST(gdt_with_a_bad_descriptor_is_refused),
	TEST(gdt_descriptor_of_ring_0_is_brought_down),
	TEST(gdt_that_is_writable_or_too_large_is_refused),
	TEST(update_descriptor_checks_what_it_writes),
	TEST(call_gate_cannot_be_passed),
	TEST(ldt_of_ours_is_used),
	TEST(ldt_with_a_bad_descriptor_cannot_be_used),
	TEST(ldt_in_a_bad_place_is_refused),
	TEST(debug_registers_are_kept),
	TEST(debug_registers_never_watch_the_hypervisor),
	TEST(debug_registers_that_are_not_there_are_refused),
	TEST(watchpoint_hits),
	TEST(iopl_is_asked_for),
	TEST(ports_of_the_hypervisor_are_never_given),
	TEST(interrupts_that_are_not_there_are_refused),
	TEST(vcpu_0_is_up_and_cannot_be_initialised_again),
	TEST(physical_id_is_not_for_a_guest),
	TEST(vcpu_info_moves_once),
	TEST(moved_vcpu_info_carries_events),
};

RUNTIME_KERNEL

void guest_main(void)
{
	user_init();
	tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
