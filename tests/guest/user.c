/* SPDX-License-Identifier: MIT */
/* User mode: system calls, traps and upcalls out of it, iret into it, and what it must not reach. */
/* QEMU smap: -cpu max */
#include "user.h"

#include "runtime/events.h"
#include "runtime/time.h"

USER_TEXT(
	USER_PROBE(user_syscall, "mov $0x1111, %rax\nmov $0x2222, %rdi\nsyscall")
	USER_PROBE(user_syscall_after, "nop")
	USER_PROBE(user_std_syscall, "std\nsyscall")
	USER_PROBE(user_ud2, "ud2")
	USER_PROBE(user_int3, "int3")
	USER_PROBE(user_int80, "int $0x80")
	USER_PROBE(user_int81, "int $0x81")
	USER_PROBE(user_cli, "cli")
	USER_PROBE(user_hlt, "hlt")
	USER_PROBE(user_cr3, "mov %cr3, %rax")
	USER_PROBE(user_in, "in $0x80, %al")
	USER_PROBE(user_wbinvd, "wbinvd")
	USER_PROBE(user_rdmsr, "mov $0xc0000080, %ecx\nrdmsr")
	USER_PROBE(user_read, "mov (%rdi), %rax\nsyscall")
	USER_PROBE(user_write, "mov %rax, (%rdi)\nsyscall")
	USER_PROBE(user_fault, "mov $0xa, %eax\nmov $0xc, %ecx\nmov $0xd, %edx\nmov $0xe, %esi\nmov $0xb, %r11d\nmov $0x8, %r8d\nmov %rax, (%rdi)")
	USER_PROBE(user_spin, "1: pause\njmp 1b")
	USER_PROBE(user_flags, "pushf\npop %rax\nmov %ss, %ebx\nmov %cs, %ecx\nsyscall")
	USER_PROBE(user_gs, "mov %gs:0, %rax\nsyscall")
	USER_PROBE(user_swapgs, "swapgs")
	USER_PROBE(user_iret, "iretq")
	USER_PROBE(user_xmm, "movq %rdi, %xmm3\nsyscall")
	USER_PROBE(user_xmm_get, "movq %xmm3, %rdi\nsyscall")
	USER_PROBE(user_stack_fault, "movabs $0x900000000000, %rsp\npush %rax")
	USER_PROBE(user32_int80, ".code32\nmov $0x12345678, %eax\nint $0x80\n.code64")
	USER_PROBE(user32_syscall, ".code32\nmov $0x1234, %eax\nsyscall\n.code64")
	USER_PROBE(user32_sysenter, ".code32\nsysenter\n.code64")
	USER_PROBE(user_cpuid, "xor %eax, %eax\ncpuid\nsyscall"))

extern char user_syscall[], user_syscall_after[], user_std_syscall[], user_ud2[], user_int3[], user_int80[], user_int81[], user_cli[],
	user_hlt[], user_cr3[], user_in[], user_wbinvd[], user_rdmsr[], user_read[], user_write[], user_fault[], user_spin[],
	user_flags[], user_gs[], user_swapgs[], user_iret[], user_xmm[], user_xmm_get[], user_stack_fault[],
	user32_int80[], user32_syscall[], user32_sysenter[], user_cpuid[];

static void check_from_user(const struct trap_frame *frame, unsigned int vector, uint64_t error)
{
	check_equal(frame->vector, vector);
	check_equal(frame->error, error);
	check_equal(frame->cs & 0xffff, CS_USER);
	check_equal(frame->ss & 0xffff, SS_USER);
	check_equal(frame->rflags & (RFLAGS_IF | RFLAGS_IOPL), RFLAGS_IF);
}

static void check_refused(char *label)
{
	struct trap_frame frame = user_run(label);

	check_from_user(&frame, TRAP_PROTECTION, 0);
}

static void system_call_arrives_with_its_registers(void)
{
	struct trap_frame frame = user_run(user_syscall);

	check_from_user(&frame, TRAP_SYSCALL, 0);
	check_equal(frame.rax, 0x1111);
	check_equal(frame.rdi, 0x2222);
	check_equal(frame.rip, USER_ADDRESS(user_syscall_after));
	check_equal(frame.rcx, frame.rip);
	check_equal(frame.r11, frame.rflags);
	check_equal(frame.rsp, USER_STACK_TOP - 64);
}

/* A handler of ours that looks at its flags before anything else, as no ordinary one can. */
extern char flags_first[];
uint64_t flags_first_seen;
__asm__("flags_first: pushf\npop flags_first_seen(%rip)\njmp *trap_entries + 8 * 257(%rip)");	/* TRAP_SYSCALL */

static void system_call_begins_with_the_direction_flag_clear(void)
{
	struct callback_register callback = { CALLBACKTYPE_syscall, CALLBACKF_mask_events, (uint64_t)flags_first };
	struct trap_frame frame;

	check_equal(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback), 0);
	frame = user_run(user_std_syscall);
	callback.address = trap_entries[TRAP_SYSCALL];
	check_equal(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback), 0);
	check_equal(frame.vector, TRAP_SYSCALL);
	check_equal(flags_first_seen & RFLAGS_DF, 0);
	check_equal(frame.rflags & RFLAGS_DF, RFLAGS_DF);	/* its program has it again */
}

static uint8_t mask_seen;

static bool mask_handler(struct trap_frame *frame)
{
	(void)frame;
	mask_seen = vcpu_self()->info->evtchn_upcall_mask;
	return false;
}

static void system_call_masks_upcalls_as_registered(void)
{
	trap_set_handler(TRAP_SYSCALL, mask_handler);
	mask_seen = 77;
	user_run(user_syscall);
	trap_set_handler(TRAP_SYSCALL, NULL);
	check_equal(mask_seen, 1);
	check_equal(vcpu_self()->info->evtchn_upcall_mask, 0);
}

static void user_mode_cannot_do_what_is_privileged(void)
{
	check_refused(user_cli);
	check_refused(user_hlt);
	check_refused(user_cr3);
	check_refused(user_in);
	check_refused(user_wbinvd);
	check_refused(user_rdmsr);
	check_refused(user_swapgs);
}

static void user_mode_cannot_touch_the_kernel(void)
{
	struct trap_frame frame = user_frame(USER_ADDRESS(user_read));

	frame.rdi = (uint64_t)boot_info;
	frame = user_run_frame(frame);
	check_from_user(&frame, TRAP_PAGE_FAULT, 4);
	check_equal(trap_cr2, (uint64_t)boot_info);
}

static void user_mode_cannot_touch_the_hypervisor(void)
{
	struct trap_frame frame = user_frame(USER_ADDRESS(user_read));

	frame.rdi = 0xffff82d040200000;
	frame = user_run_frame(frame);
	check_from_user(&frame, TRAP_PAGE_FAULT, 5 & frame.error ? frame.error : 4);
	check_equal(frame.error & ~1UL, 4);
	frame = user_frame(USER_ADDRESS(user_write));
	frame.rdi = MACH2PHYS_VIRT_START;
	frame = user_run_frame(frame);
	check_equal(frame.vector, TRAP_PAGE_FAULT);
	check_equal(frame.error & 6, 6);
}

static void strict_m2p_is_hidden_from_user_mode(void)
{
	struct trap_frame frame = user_frame(USER_ADDRESS(user_read));

	check_equal(hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_m2p_strict), 0);
	frame.rdi = MACH2PHYS_VIRT_START + (virt_to_mfn(boot_info) << 3);
	frame = user_run_frame(frame);
	hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_disable, VMASST_TYPE_m2p_strict);
	check_equal(frame.vector, TRAP_PAGE_FAULT);
	check_equal(frame.error & 4, 4);
}

static void user_page_fault_says_so(void)
{
	struct trap_frame frame = user_frame(USER_ADDRESS(user_write));

	frame.rdi = USER_CODE;
	frame = user_run_frame(frame);
	check_from_user(&frame, TRAP_PAGE_FAULT, 7);
	check_equal(trap_cr2, USER_CODE);
	check_equal(frame.rip, USER_ADDRESS(user_write));
}

static void user_page_fault_keeps_its_registers(void)
{
	struct trap_frame frame = user_frame(USER_ADDRESS(user_fault));

	frame.rdi = USER_CODE + PAGE_SIZE - 4;
	frame = user_run_frame(frame);
	check_equal(frame.vector, TRAP_PAGE_FAULT);
	check_equal(frame.rdi, USER_CODE + PAGE_SIZE - 4);
	check_equal(frame.rax, 0xa);
	check_equal(frame.rcx, 0xc);
	check_equal(frame.rdx, 0xd);
	check_equal(frame.rsi, 0xe);
	check_equal(frame.r8, 0x8);
	check_equal(frame.r11, 0xb);
	check_equal(frame.rsp, USER_STACK_TOP - 64);
}

static void user_page_fault_masks_upcalls_and_tells_whether_they_were(void)
{
	struct trap_frame frame = user_frame(USER_ADDRESS(user_fault));

	frame.rflags = 2;
	trap_set_handler(TRAP_PAGE_FAULT, mask_handler);
	mask_seen = 77;
	frame = user_run_frame(frame);
	check_equal(mask_seen, 1);
	check_equal(frame.vector, TRAP_PAGE_FAULT);
	check_equal(frame.rflags & RFLAGS_IF, 0);
	mask_seen = 77;
	frame = user_run(user_fault);
	trap_set_handler(TRAP_PAGE_FAULT, NULL);
	check_equal(mask_seen, 1);
	check_equal(frame.rflags & RFLAGS_IF, RFLAGS_IF);
	vcpu_self()->info->evtchn_upcall_mask = 0;
}

static void user_exceptions_reach_the_kernel(void)
{
	struct trap_frame frame = user_run(user_ud2);

	check_from_user(&frame, TRAP_INVALID_OPCODE, 0);
	check_equal(frame.rip, USER_ADDRESS(user_ud2));
	frame = user_run(user_int3);
	check_from_user(&frame, TRAP_BREAKPOINT, 0);
	check_equal(frame.rip, USER_ADDRESS(user_int3) + 1);
	frame = user_run(user_int80);
	check_from_user(&frame, 0x80, 0);
	check_equal(frame.rip, USER_ADDRESS(user_int80) + 2);
}

/* The table gives vector 0x81 to the kernel only. */
static void user_cannot_raise_an_interrupt_of_the_kernel(void)
{
	struct trap_frame frame = user_run(user_int81);

	check_equal(frame.vector, TRAP_PROTECTION);
	check_equal(frame.rip, USER_ADDRESS(user_int81));
}

static void user_single_step_traps(void)
{
	struct trap_frame frame = user_frame(USER_ADDRESS(user_syscall));

	frame.rflags |= RFLAGS_TF;
	frame = user_run_frame(frame);
	check_equal(frame.vector, TRAP_DEBUG);
	check_equal(frame.rip, USER_ADDRESS(user_syscall) + 7);
	hypercall(__HYPERVISOR_set_debugreg, 6, 0);
}

static void user_non_canonical_stack_is_survived(void)
{
	struct trap_frame frame = user_run(user_stack_fault);

	check(frame.vector == TRAP_STACK || frame.vector == TRAP_PROTECTION); /* TCG gives the second */
	check_equal(frame.cs & 0xffff, CS_USER);
}

/* iret: flags that user mode must not choose are chosen for it. */
static void iret_keeps_interrupts_on_and_iopl_off(void)
{
	struct trap_frame frame = user_frame(USER_ADDRESS(user_flags));

	frame.rflags = RFLAGS_IOPL | RFLAGS_CF | 2;
	frame = user_run_frame(frame);
	check_equal(frame.vector, TRAP_SYSCALL);
	check_equal(frame.rax & (RFLAGS_IF | RFLAGS_IOPL), RFLAGS_IF);
	check_equal(frame.rax & RFLAGS_CF, RFLAGS_CF);
	check_equal(frame.rcx, frame.rip); /* cs was in ecx before the system call took it */
	check_equal(frame.rbx, SS_USER);
}

/* A return to a selector or an address that the CPU refuses comes back to the kernel, not to the hypervisor. */
static void iret_to_a_bad_code_selector_comes_back(void)
{
	struct trap_frame frame = user_frame(USER_ADDRESS(user_syscall));

	frame.cs = 0x1233;
	frame = user_run_frame(frame);
	check_that(frame.vector == TRAP_FAILSAFE || (frame.vector == TRAP_PROTECTION && frame.error == 0x1230),
		   "vector %lu, error %lx", frame.vector, frame.error);
	check_equal(frame.cs & 0xffff, 0x1233);
	check_equal(frame.rip, USER_ADDRESS(user_syscall));
	check_equal(frame.rsp, USER_STACK_TOP - 64);
	check_equal(trap_failsafe_selectors[0] & 0xffff, 0);
}

static void iret_to_a_non_canonical_address_comes_back(void)
{
	struct trap_frame frame = user_frame(0x0000900000000000);

	frame = user_run_frame(frame);
	check_that(frame.vector == TRAP_FAILSAFE || frame.vector == TRAP_PROTECTION ||
			   frame.vector == TRAP_PAGE_FAULT, "vector %lu", frame.vector);
	frame = user_run_frame(user_frame(0xffff830000000000));
	check_that(frame.vector == TRAP_FAILSAFE || frame.vector == TRAP_PROTECTION ||
			   frame.vector == TRAP_PAGE_FAULT, "vector %lu", frame.vector);
}

static bool upcall_handler(struct trap_frame *frame)
{
	mask_seen = vcpu_self()->info->evtchn_upcall_mask;
	event_upcall(frame);
	/* It came before user mode did. */
	if ((frame->cs & 3) != 3)
		time_set_timer(time_now_ns() + 30000000);
	return (frame->cs & 3) != 3; /* back to the test, not to user mode */
}

static void upcall_interrupts_user_mode(void)
{
	struct trap_frame frame;
	evtchn_port_t timer;

	check_equal(event_bind_virq(VIRQ_TIMER, 0, &timer), 0);
	event_unmask(timer);
	trap_set_handler(TRAP_UPCALL, upcall_handler);
	mask_seen = 77;
	time_set_timer(time_now_ns() + 30000000);
	frame = user_run(user_spin);
	trap_set_handler(TRAP_UPCALL, event_upcall);
	event_close(timer);
	check_equal(frame.vector, TRAP_UPCALL);
	check_equal(frame.cs & 0xffff, CS_USER);
	check_equal(mask_seen, 1);
	check(frame.rip >= USER_ADDRESS(user_spin) && frame.rip < USER_ADDRESS(user_flags));
}

static void user_gs_base_is_its_own(void)
{
	struct trap_frame frame;

	*(uint64_t *)user_stack_page = 0xfeedface;
	check_equal(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, USER_STACK_TOP - PAGE_SIZE), 0);
	frame = user_run(user_gs);
	check_equal(frame.vector, TRAP_SYSCALL);
	check_equal(frame.rax, 0xfeedface);
	check(vcpu_self()->self == vcpu_self());
}

static void user_vector_registers_survive_the_kernel(void)
{
	struct trap_frame frame = user_frame(USER_ADDRESS(user_xmm));

	frame.rdi = 0xabcdef0123456789;
	user_run_frame(frame);
	time_sleep_ns(2000000);
	frame = user_run(user_xmm_get);
	check_equal(frame.rdi, 0xabcdef0123456789);
}

/* 32-bit programs of a 64-bit guest */

static struct trap_frame user32_frame(char *label)
{
	struct trap_frame frame = user_frame(USER_ADDRESS(label));

	frame.cs = FLAT_USER_CS32;
	return frame;
}

static void int_80_of_a_32_bit_program_arrives(void)
{
	struct trap_frame frame = user_run_frame(user32_frame(user32_int80));

	check_equal(frame.vector, 0x80);
	check_equal(frame.cs & 0xffff, FLAT_USER_CS32);
	check_equal((uint32_t)frame.rax, 0x12345678);
}

static void syscall_of_a_32_bit_program_arrives_where_registered(void)
{
	struct callback_register callback = { CALLBACKTYPE_syscall32, CALLBACKF_mask_events,
					      trap_entries[TRAP_SYSCALL32] };
	struct trap_frame frame;

	check_equal(hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback), 0);
	frame = user_run_frame(user32_frame(user32_syscall));
	check_that(frame.vector == TRAP_SYSCALL32, "vector %lu", frame.vector);
	check_equal(frame.cs & 0xffff, FLAT_USER_CS32);
	check_equal((uint32_t)frame.rax, 0x1234);
}

/* An AMD CPU has no sysenter in long mode: then it is an invalid opcode, or the ABI's #GP. */
static void sysenter_of_a_32_bit_program_arrives_or_is_refused(void)
{
	struct callback_register callback = { CALLBACKTYPE_sysenter, CALLBACKF_mask_events,
					      trap_entries[TRAP_SYSENTER] };
	long result = hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback);
	struct trap_frame frame;

	check(result == 0 || result == -XEN_EINVAL || result == -XEN_ENOSYS);
	frame = user_run_frame(user32_frame(user32_sysenter));
	printf("# sysenter: callback %ld, vector %lu\n", result, frame.vector);
	check_that(frame.vector == TRAP_SYSENTER || frame.vector == TRAP_INVALID_OPCODE ||
			   frame.vector == TRAP_PROTECTION, "vector %lu", frame.vector);
}

static void cpuid_of_user_mode_answers(void)
{
	struct trap_frame frame = user_run(user_cpuid);

	check_equal(frame.vector, TRAP_SYSCALL);
	check(frame.rax >= 1);
}

static const struct tap_test tests[] = {
	TEST(system_call_arrives_with_its_registers),
	TEST(system_call_begins_with_the_direction_flag_clear),
	TEST(system_call_masks_upcalls_as_registered),
	TEST(user_mode_cannot_do_what_is_privileged),
	TEST(user_mode_cannot_touch_the_kernel),
	TEST(user_mode_cannot_touch_the_hypervisor),
	TEST(strict_m2p_is_hidden_from_user_mode),
	TEST(user_page_fault_says_so),
	TEST(user_page_fault_keeps_its_registers),
	TEST(user_page_fault_masks_upcalls_and_tells_whether_they_were),
	TEST(user_exceptions_reach_the_kernel),
	TEST(user_cannot_raise_an_interrupt_of_the_kernel),
	TEST(user_single_step_traps),
	TEST(user_non_canonical_stack_is_survived),
	TEST(iret_keeps_interrupts_on_and_iopl_off),
	TEST(iret_to_a_bad_code_selector_comes_back),
	TEST(iret_to_a_non_canonical_address_comes_back),
	TEST(upcall_interrupts_user_mode),
	TEST(user_gs_base_is_its_own),
	TEST(user_vector_registers_survive_the_kernel),
	TEST(int_80_of_a_32_bit_program_arrives),
	TEST(syscall_of_a_32_bit_program_arrives_where_registered),
	TEST(sysenter_of_a_32_bit_program_arrives_or_is_refused),
	TEST(cpuid_of_user_mode_answers),
};

RUNTIME_KERNEL

void guest_main(void)
{
	user_init();
	tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
