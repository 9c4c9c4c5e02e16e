/* SPDX-License-Identifier: MIT */
/*
 * Exceptions. Of a guest: mended or emulated by the core, or handed to the guest's own handler. Of the core: one of the
 * instructions that may fault (extable), or the end.
 */
#include "cpu/emulate.h"
#include "cpu/entry.h"
#include "cpu/irq.h"
#include "cpu/ops.h"
#include "cpu/registers.h"
#include "cpu/traps.h"
#include "domain/hypercall.h"

#define HAS_ERROR_CODE		(1U << TRAP_INVALID_TSS | 1U << TRAP_NO_SEGMENT | 1U << TRAP_STACK | 1U << TRAP_ALIGNMENT)
#define ERROR_IDT		2U	/* in an error code: the selector is a vector */
#define FAULT_PRESENT		1U	/* in a page fault's error code */
#define FAULT_WRITE		2U

static void inject(struct vcpu *vcpu, uint32_t vector, bool has_error, uint32_t error_code)
{
	const struct trap_info *entry = &vcpu->trap.entry[vector];
	struct bounce bounce = {
		.target = entry->address, .code_selector = entry->cs, .masks_events = TI_GET_IF(entry),
		.has_error = has_error, .error_code = error_code,
	};

	if (entry->address == 0)
		domain_crash(vcpu->domain, "vcpu %u: exception %u, error code 0x%x, and no handler for it",
			     vcpu->id, vector, error_code);
	else
		bounce_to_guest(vcpu, &bounce);
}

void trap_inject(struct vcpu *vcpu, enum trap_vector vector) { inject(vcpu, vector, false, 0); }

/* int n: the guest's table decides who may. `rip` is at the instruction. */
static bool software_interrupt(struct vcpu *vcpu, uint32_t vector)
{
	const struct trap_info *entry = &vcpu->trap.entry[vector];

	if (entry->address == 0 || (!vcpu->in_kernel && TI_GET_DPL(entry) < 3))
		return false;
	vcpu->regs.rip += 2;
	inject(vcpu, vector, false, 0);
	return true;
}

static void protection_fault(struct vcpu *vcpu)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	uint8_t vector = (uint8_t)(regs->error_code >> 3), code[2];

	if (regs->error_code & ERROR_IDT) {
		/* QEMU 7.2 has it wrong in the error code, but the instruction tells. */
		if (!guest_read(code, regs->rip, sizeof(code)) && code[0] == 0xcd)
			vector = code[1];
		if (software_interrupt(vcpu, vector))
			return;
		regs->error_code = (uint32_t)vector << 3 | ERROR_IDT;
	} else if (regs->error_code == 0 && emulate_privileged(vcpu)) {
		return;
	}
	inject(vcpu, TRAP_PROTECTION, true, regs->error_code);
}

static void page_fault(struct vcpu *vcpu)
{
	uint64_t address = cr2_read();
	uint32_t error = vcpu->regs.error_code;

	if (error & FAULT_RESERVED) {
		domain_crash(vcpu->domain, "vcpu %u: reserved bits in a page table, at 0x%lx", vcpu->id, address);
		return;
	}
	if (vcpu->in_kernel && (error & (FAULT_PRESENT | FAULT_WRITE)) == (FAULT_PRESENT | FAULT_WRITE) &&
	    guest_range_ok(address, 1) && emulate_table_write(vcpu, address))
		return;
	/* Both modes of a guest are ring 3: only we know which one faulted. */
	error = vcpu->in_kernel ? error & ~FAULT_USER : error | FAULT_USER;
	write_once(&vcpu->info->arch.cr2, address);
	inject(vcpu, TRAP_PAGE_FAULT, true, error);
}

void trap_from_guest(struct vcpu *vcpu)
{
	uint32_t vector = vcpu->regs.entry_vector;

	switch (vector) {
	case TRAP_PAGE_FAULT:
		page_fault(vcpu);
		break;
	case TRAP_PROTECTION:
		protection_fault(vcpu);
		break;
	case TRAP_INVALID_OPCODE:
		if (!emulate_forced(vcpu))
			trap_inject(vcpu, TRAP_INVALID_OPCODE);
		break;
	case TRAP_NO_DEVICE:
		fpu_no_device(vcpu);
		break;
	case TRAP_DEBUG:
		debug_take_status(vcpu);
		trap_inject(vcpu, TRAP_DEBUG);
		break;
	case TRAP_NMI:			/* as in trap_from_core() */
		break;
	default:
		if (vector >= VECTOR_FIRST_IRQ)
			irq_dispatch(vector);
		else
			inject(vcpu, vector, HAS_ERROR_CODE >> vector & 1, vcpu->regs.error_code);
	}
}

void syscall_from_guest(struct vcpu *vcpu)
{
	static const uint8_t type[] = { CALLBACKTYPE_syscall, CALLBACKTYPE_syscall32, CALLBACKTYPE_sysenter };
	uint32_t way = vcpu->regs.entry_vector - ENTRY_SYSCALL;

	if (likely(vcpu->in_kernel && way == 0))
		hypercall_dispatch(vcpu);
	else if (!vcpu->in_kernel && bounce_to_callback(vcpu, type[way]))
		return;
	else if (type[way] == CALLBACKTYPE_sysenter)
		inject(vcpu, TRAP_PROTECTION, true, 0);
	else
		trap_inject(vcpu, TRAP_INVALID_OPCODE);
}

struct extable_entry { int32_t at, to; };
extern const struct extable_entry extable_start[], extable_end[];

static bool extable_fix(struct cpu_user_regs *regs)
{
	for (const struct extable_entry *entry = extable_start; entry < extable_end; entry++) {
		if ((uint64_t)&entry->at + (uint64_t)(int64_t)entry->at != regs->rip)
			continue;
		regs->rip = (uint64_t)&entry->to + (uint64_t)(int64_t)entry->to;
		return true;
	}
	return false;
}

/* In the order of struct cpu_user_regs. */
static void show_registers(enum log_level level, const struct cpu_user_regs *regs)
{
	static const char names[][4] = {
		"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9 ", "r8 ", "rax", "rcx", "rdx", "rsi", "rdi",
	};
	const uint64_t *value = (const uint64_t *)regs;

	log_print(level, "  rip %04x:%016lx  rsp %04x:%016lx  rflags %08lx", regs->cs, (uint64_t)regs->rip, regs->ss,
		  (uint64_t)regs->rsp, (uint64_t)regs->rflags);
	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++)
		log_print(level, "%s  %s %016lx", i % 4 ? "" : "\n", names[i], value[i]);
	log_print(level, "\n");
}

void trap_show_guest(struct vcpu *vcpu)
{
	show_registers(LOG_WARNING, &vcpu->regs);
	log_warning("  cr2 %016lx  cr3 %016lx  %s mode\n", read_once(&vcpu->info->arch.cr2),
		    mfn_to_paddr(vcpu->in_kernel ? vcpu->table_kernel : vcpu->table_user),
		    vcpu->in_kernel ? "kernel" : "user");
}

static NORETURN void trap_fatal(const struct cpu_user_regs *regs)
{
	panic_begin();
	log_error("CPU %u: exception %u in %s, error code 0x%x, cr2 0x%lx\n", cpu_id(), regs->entry_vector,
		  regs->cs & 3 ? "a guest" : "the core", regs->error_code, cr2_read());
	show_registers(LOG_ERROR, regs);
	backtrace_print(regs->rip, regs->cs & 3 ? 0 : regs->rbp);	/* a guest may have anything in rbp */
	cpu_halt_all();
}

/*
 * iretq did not like the guest's values. They are still in vcpu->regs; the guest's kernel is told by its failsafe
 * callback, which knows no error code. Throws the stack away.
 */
static NORETURN void iret_failed(uint32_t error_code)
{
	struct vcpu *vcpu = current_vcpu();

	switch_note_selectors(vcpu);
	if (vcpu->in_kernel && vcpu->regs.entry_vector >= ENTRY_SYSCALL)
		domain_crash(vcpu->domain, "vcpu %u: its handler's rip 0x%lx or cs 0x%x cannot be loaded", vcpu->id,
			     (uint64_t)vcpu->regs.rip, vcpu->regs.cs);
	else if (!bounce_to_callback(vcpu, CALLBACKTYPE_failsafe))
		inject(vcpu, TRAP_PROTECTION, true, error_code);
	entry_exit_to_guest();
}

/* In direct.S: the guest's registers are those of the fault, and what iretq did not like lies on the stack. */
static NORETURN void iret_direct_failed(const struct cpu_user_regs *fault)
{
	struct cpu_user_regs *regs = &current_vcpu()->regs;
	const uint64_t *frame = (const uint64_t *)fault->rsp;

	memcpy(regs, fault, offsetof(struct cpu_user_regs, error_code));
	regs->entry_vector = fault->rip == (uint64_t)entry_iret_handler ? ENTRY_HANDLER : 0;
	regs->rip = frame[0];
	regs->cs = (uint16_t)frame[1];
	regs->rflags = frame[2];
	regs->rsp = frame[3];
	regs->ss = (uint16_t)frame[4];
	iret_failed(fault->error_code);
}

void trap_from_core(struct cpu_user_regs *regs)
{
	uint32_t vector = regs->entry_vector;

	if (vector >= VECTOR_FIRST_IRQ) {
		irq_dispatch(vector);
	} else if (vector == TRAP_NMI) {
		return;			/* the machine's; nothing of ours sends any, and nothing can be done here */
	} else if (vector == TRAP_DEBUG) {
		/* A guest's breakpoint or single step that reached us by way of `mov ss` or sysenter. */
		asm volatile("mov %0, %%dr6" : : "r"(DR6_FIXED));
		regs->rflags &= ~(uint64_t)FLAG_TF;
	} else if (vector == TRAP_DOUBLE_FAULT || vector == TRAP_MACHINE_CHECK) {
		trap_fatal(regs);	/* from a guest, too */
	} else if (regs->rip == (uint64_t)entry_iret) {
		iret_failed(regs->error_code);
	} else if (regs->rip == (uint64_t)entry_iret_direct || regs->rip == (uint64_t)entry_iret_handler) {
		iret_direct_failed(regs);
	} else if (!extable_fix(regs)) {
		trap_fatal(regs);
	}
}
