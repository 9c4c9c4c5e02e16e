/* SPDX-License-Identifier: MIT */
/* The windows of the CPUs: stacks between guard pages, descriptor tables, entry stubs. */
#include "cpu/cpu.h"
#include "cpu/directmap.h"
#include "cpu/entry.h"
#include "cpu/ops.h"
#include "cpu/paging.h"
#include "cpu/percpu.h"
#include "domain/vcpu.h"
#include "include/types.h"
#include "lib/string.h"
#include "mem/alloc.h"
#include "mem/mmu.h"

#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176

/* syscall clears these: AC, NT, IOPL, DF, IF, TF, RF. */
#define SYSCALL_CLEARS		0x57700

struct cpu *cpu_by_id[MAX_CPUS];
uint32_t cpu_count;
struct cpu boot_cpu;

static struct task_state task_state[MAX_CPUS];
static uint64_t no_descriptors[512] ALIGNED(4096);	/* behind every hole of a guest's GDT or LDT */

static void window_map(uint64_t va, paddr_t page, uint64_t flags)
{
	*paging_l1_entry(va) = page | flags | PTE_ACCESSED | (flags & PTE_WRITABLE ? PTE_DIRTY : 0);
}

MUST_CHECK static bool window_map_new(uint64_t va, uint64_t flags)
{
	mfn_t page;

	if (*paging_l1_entry(va))
		return true;		/* the boot CPU's stack */
	page = frame_alloc(0);
	if (mfn_is(page, MFN_NONE))
		return false;
	page_clear(mfn_to_virt(page));
	window_map(va, mfn_to_paddr(page), flags);
	return true;
}

static bool map_stacks(uint64_t window)
{
	static const uint64_t special[] = {
		STACK_DOUBLE_FAULT, STACK_NMI, STACK_MACHINE_CHECK, STACK_DEBUG
	};

	for (uint32_t i = 0; i < ARRAY_SIZE(special); i++)
		if (!window_map_new(window + special[i] - PAGE_SIZE, CORE_WRITE))
			return false;
	for (uint64_t page = STACK_MAIN_FIRST_PAGE; page < STACK_SPAN / PAGE_SIZE; page++)
		if (!window_map_new(window + page * PAGE_SIZE, CORE_WRITE))
			return false;
	return true;
}

static void gdt_fill(uint32_t id)
{
	uint64_t *entry = (uint64_t *)(cpu_window(id) + WINDOW_GDT);
	uint64_t tss = (uint64_t)&task_state[id];

	entry[SELECTOR_CORE_CODE >> 3] = 0x00af9b000000ffff;
	entry[SELECTOR_CORE_DATA >> 3] = 0x00cf93000000ffff;
	entry[SELECTOR_GUEST_CODE32 >> 3] = 0x00cffb000000ffff;
	entry[SELECTOR_GUEST_DATA >> 3] = 0x00cff3000000ffff;
	entry[SELECTOR_GUEST_CODE64 >> 3] = 0x00affb000000ffff;
	entry[SELECTOR_TSS >> 3] = (sizeof(struct task_state) - 1) | (tss & 0xffffff) << 16 |
		0x89ULL << 40 | (tss >> 24 & 0xff) << 56;
	entry[(SELECTOR_TSS >> 3) + 1] = tss >> 32;
}

static void task_state_fill(uint32_t id)
{
	struct task_state *state = &task_state[id];
	uint64_t window = cpu_window(id);

	state->ist[IST_DOUBLE_FAULT - 1] = window + STACK_DOUBLE_FAULT - 2 * STACK_CPU_OFFSET;
	state->ist[IST_NMI - 1] = window + STACK_NMI - 2 * STACK_CPU_OFFSET;
	state->ist[IST_MACHINE_CHECK - 1] = window + STACK_MACHINE_CHECK - 2 * STACK_CPU_OFFSET;
	state->ist[IST_DEBUG - 1] = window + STACK_DEBUG - 2 * STACK_CPU_OFFSET;
	state->io_map = sizeof(*state);
}

/* The stubs address their data relative to themselves; only their way out has to be put in. */
static bool map_stubs(uint64_t window)
{
	mfn_t code = frame_alloc(0);
	char *page;

	if (mfn_is(code, MFN_NONE) || !window_map_new(window + WINDOW_STUB_DATA, CORE_WRITE))
		return false;
	page = mfn_to_virt(code);
	memset(page, 0xcc, PAGE_SIZE);
	memcpy(page, entry_stubs, (size_t)(entry_stubs_end - entry_stubs));
	for (const uint32_t *at = entry_stub_jumps; at < entry_stub_jumps_end; at++) {
		uint64_t after = window + WINDOW_STUBS + *at + 4;
		int32_t distance = (int32_t)((uint64_t)entry_from_stub - after);

		memcpy(page + *at, &distance, sizeof(distance));
	}
	window_map(window + WINDOW_STUBS, mfn_to_paddr(code), CORE_EXECUTE);
	return true;
}

struct cpu *cpu_allocate(uint32_t id, uint32_t apic_id)
{
	struct cpu *cpu = id == 0 ? &boot_cpu : heap_alloc(sizeof(*cpu));
	uint64_t window = cpu_window(id);

	if (!cpu || !map_stacks(window) || !map_stubs(window) ||
	    !window_map_new(window + WINDOW_GDT + GDT_CORE_PAGE * PAGE_SIZE, CORE_WRITE))
		return NULL;
	cpu->id = id;
	cpu->apic_id = apic_id;
	cpu->kernel_stack = window + STACK_SPAN - 2 * STACK_CPU_OFFSET;
	*(struct cpu **)(window + STACK_SPAN - STACK_CPU_OFFSET) = cpu;
	gdt_fill(id);
	task_state_fill(id);
	for (uint32_t page = 0; page < 16; page++) {
		if (page < GDT_CORE_PAGE)
			window_map(window + WINDOW_GDT + page * PAGE_SIZE, virt_to_paddr(no_descriptors), CORE_READ);
		window_map(window + WINDOW_LDT + page * PAGE_SIZE, virt_to_paddr(no_descriptors), CORE_READ);
	}
	cpu_by_id[id] = cpu;
	return cpu;
}

void cpu_init_entry(struct cpu *cpu)
{
	uint64_t window = cpu_window(cpu->id);
	struct descriptor_pointer gdt = { GDT_LIMIT, window + WINDOW_GDT };

	lgdt(&gdt);
	entry_reload_segments();
	idt_load();
	/* A task state that is loaded once is marked busy: a second load would fault. */
	((uint64_t *)(window + WINDOW_GDT))[SELECTOR_TSS >> 3] &= ~(2ULL << 40);
	ltr(SELECTOR_TSS);

	msr_write(MSR_STAR, (uint64_t)SELECTOR_GUEST_CODE32 << 48 | (uint64_t)SELECTOR_CORE_CODE << 32);
	msr_write(MSR_LSTAR, window + WINDOW_STUBS);
	msr_write(MSR_CSTAR, window + WINDOW_STUBS + (uint64_t)(entry_stub_syscall32 - entry_stubs));
	msr_write(MSR_SFMASK, SYSCALL_CLEARS);
	msr_write(MSR_SYSENTER_CS, SELECTOR_CORE_CODE);
	msr_write(MSR_SYSENTER_ESP, cpu->kernel_stack);
	msr_write(MSR_SYSENTER_EIP, window + WINDOW_STUBS + (uint64_t)(entry_stub_sysenter - entry_stubs));
}

void cpu_set_entry_frame(struct cpu *cpu, struct vcpu *vcpu)
{
	uint64_t end = (uint64_t)&vcpu->regs.es;

	vcpu->kernel_stack = cpu->kernel_stack;
	task_state[cpu->id].rsp0 = end;
	((struct stub_data *)(cpu_window(cpu->id) + WINDOW_STUB_DATA))->frame_end = end;
}

static void table_map(uint64_t va, const mfn_t *frames, uint32_t count)
{
	uint64_t *entry = paging_l1_entry(va);

	for (uint32_t i = 0; i < count; i++) {
		uint64_t wanted = frames[i].raw ?
			mfn_to_paddr(frames[i]) | CORE_WRITE | PTE_ACCESSED | PTE_DIRTY :
			virt_to_paddr(no_descriptors) | CORE_READ | PTE_ACCESSED;

		if (entry[i] == wanted)
			continue;
		write_once(&entry[i], wanted);
		invlpg(va + i * PAGE_SIZE);
	}
}

void cpu_map_gdt(struct cpu *cpu, const mfn_t frames[14])
{
	table_map(cpu_window(cpu->id) + WINDOW_GDT, frames, 14);
}

void cpu_map_ldt(struct cpu *cpu, const mfn_t frames[16], uint32_t entries)
{
	uint64_t base = cpu_window(cpu->id) + WINDOW_LDT;
	uint64_t *entry = (uint64_t *)(cpu_window(cpu->id) + WINDOW_GDT) + (SELECTOR_LDT >> 3);

	table_map(base, frames, 16);
	if (entries == 0) {
		lldt(0);
		return;
	}
	entry[0] = (entries * 8 - 1) | (base & 0xffffff) << 16 | 0x82ULL << 40 | (base >> 24 & 0xff) << 56;
	entry[1] = base >> 32;
	lldt(SELECTOR_LDT);
}
