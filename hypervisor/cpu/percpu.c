/* SPDX-License-Identifier: MIT */
/*
 * The windows of the CPUs: stacks between guard pages, descriptor tables, entry stubs. And the interrupt descriptor
 * table, the same for all of them, never changed after boot (SDM volume 3, 6.14).
 */
#include "cpu/entry.h"
#include "cpu/irq.h"
#include "cpu/ops.h"
#include "cpu/paging.h"
#include "cpu/traps.h"

/* syscall clears these: AC, NT, IOPL, DF, IF, TF, RF. */
#define SYSCALL_CLEARS		0x57700

#define SYSTEM_PRESENT		0x80	/* types of system descriptors */
#define SYSTEM_LDT		0x02
#define SYSTEM_TSS		0x09
#define GATE_INTERRUPT		0x8e
#define GATE_FOR_GUESTS		0x60	/* ring 3 may use it; every other int n is a #GP, and goes on from there */

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};

struct cpu *cpu_by_id[MAX_CPUS];
uint32_t cpu_count;
struct cpu cpus[MAX_CPUS];

static struct gate idt[256] ALIGNED(4096);
static struct task_state task_state[MAX_CPUS];
static uint64_t no_descriptors[512] ALIGNED(4096);	/* behind every hole of a guest's GDT or LDT */

void idt_init(void)
{
	static const uint8_t ist[256] = {
		[TRAP_DOUBLE_FAULT] = IST_DOUBLE_FAULT, [TRAP_NMI] = IST_NMI,
		[TRAP_MACHINE_CHECK] = IST_MACHINE_CHECK, [TRAP_DEBUG] = IST_DEBUG,
	};

	for (uint32_t vector = 0; vector < 256; vector++) {
		bool is_for_guests = vector == TRAP_BREAKPOINT || vector == TRAP_OVERFLOW;
		uint64_t target = (uint64_t)entry_vectors + vector * 16;

		idt[vector] = (struct gate){
			.offset_low = (uint16_t)target, .offset_middle = (uint16_t)(target >> 16),
			.offset_high = (uint32_t)(target >> 32), .selector = SELECTOR_CORE_CODE,
			.ist = ist[vector], .type = GATE_INTERRUPT | (is_for_guests ? GATE_FOR_GUESTS : 0),
		};
	}
}

/* Returns the page as the core can always write it. */
static void *window_map_new(uint64_t va, uint64_t flags)
{
	paddr_t page = core_page();

	paging_map(va, page, PAGE_SIZE, flags);
	return paddr_to_virt(page);
}

static void map_stacks(uint64_t window)
{
	for (uint64_t end = STACK_DOUBLE_FAULT; end <= STACK_DEBUG; end += 2 * PAGE_SIZE)
		window_map_new(window + end - PAGE_SIZE, CORE_WRITE);
	for (uint64_t page = STACK_MAIN_FIRST_PAGE; page < STACK_SPAN / PAGE_SIZE; page++)
		if (!*paging_l1_entry(window + page * PAGE_SIZE))	/* the boot CPU has its own already */
			window_map_new(window + page * PAGE_SIZE, CORE_WRITE);
}

/* Of 16 bytes: a task state or a local descriptor table. */
static void system_descriptor(uint32_t cpu, uint32_t selector, uint64_t base, uint64_t bytes, uint64_t type)
{
	uint64_t *entry = (uint64_t *)(cpu_window(cpu) + WINDOW_GDT) + (selector >> 3);

	entry[0] = (bytes - 1) | (base & 0xffffff) << 16 | (SYSTEM_PRESENT | type) << 40 | (base >> 24 & 0xff) << 56;
	entry[1] = base >> 32;
}

static void tables_fill(uint32_t id)
{
	uint64_t *gdt = (uint64_t *)(cpu_window(id) + WINDOW_GDT);

	gdt[SELECTOR_CORE_CODE >> 3] = 0x00af9b000000ffff;
	gdt[SELECTOR_CORE_DATA >> 3] = 0x00cf93000000ffff;
	gdt[SELECTOR_GUEST_CODE32 >> 3] = 0x00cffb000000ffff;
	gdt[SELECTOR_GUEST_DATA >> 3] = 0x00cff3000000ffff;
	gdt[SELECTOR_GUEST_CODE64 >> 3] = 0x00affb000000ffff;
	/* From IST_DOUBLE_FAULT to IST_DEBUG, as map_stacks() has them. */
	for (uint32_t i = 0; i < IST_DEBUG; i++)
		task_state[id].ist[i] = cpu_window(id) + STACK_DOUBLE_FAULT + 2 * (i * PAGE_SIZE - STACK_CPU_OFFSET);
	task_state[id].io_map = sizeof(struct task_state);
}

/* The stubs address their data relative to themselves; only their way out has to be put in. */
static void map_stubs(uint64_t window)
{
	uint64_t at = (uint64_t)(entry_stub_distance - entry_stubs);
	char *page = window_map_new(window + WINDOW_STUBS, CORE_EXECUTE);
	int32_t distance = (int32_t)((uint64_t)entry_from_stub - (window + WINDOW_STUBS + at + sizeof(distance)));

	memcpy(page, entry_stubs, (size_t)(entry_stubs_end - entry_stubs));
	memcpy(page + at, &distance, sizeof(distance));
	window_map_new(window + WINDOW_STUB_DATA, CORE_WRITE);
}

/* A guest's GDT or LDT; 0 is a hole. */
static void table_map(uint64_t va, const mfn_t *frames, uint32_t count)
{
	uint64_t *entry = paging_l1_entry(va), hole = virt_to_paddr(no_descriptors) | CORE_READ | PTE_ACCESSED;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t wanted = frames[i].raw ? mfn_to_paddr(frames[i]) | CORE_WRITE | PTE_ACCESSED | PTE_DIRTY : hole;

		if (entry[i] == wanted)
			continue;
		write_once(&entry[i], wanted);
		invlpg(va + i * PAGE_SIZE);
	}
}

struct cpu *cpu_allocate(uint32_t id, uint32_t apic_id)
{
	static const mfn_t no_frames[16];
	uint64_t window = cpu_window(id);
	struct cpu *cpu = &cpus[id];

	map_stacks(window);
	map_stubs(window);
	table_map(window + WINDOW_GDT, no_frames, GDT_CORE_PAGE);
	table_map(window + WINDOW_LDT, no_frames, ARRAY_SIZE(no_frames));
	window_map_new(window + WINDOW_GDT + GDT_CORE_PAGE * PAGE_SIZE, CORE_WRITE);
	tables_fill(id);
	cpu->id = id;
	cpu->apic_id = apic_id;
	cpu->kernel_stack = window + STACK_SPAN - 2 * STACK_CPU_OFFSET;
	*(struct cpu **)(window + STACK_SPAN - STACK_CPU_OFFSET) = cpu;
	cpu_by_id[id] = cpu;
	return cpu;
}

void cpu_init_entry(struct cpu *cpu)
{
	uint64_t window = cpu_window(cpu->id), stubs = window + WINDOW_STUBS;
	struct descriptor_pointer gdt = { GDT_LIMIT, window + WINDOW_GDT };
	struct descriptor_pointer interrupts = { sizeof(idt) - 1, (uint64_t)idt };

	lgdt(&gdt);
	entry_reload_segments();
	lidt(&interrupts);
	/* Written each time: a task state that is loaded once is marked busy, and a second load would fault. */
	system_descriptor(cpu->id, SELECTOR_TSS, (uint64_t)&task_state[cpu->id], sizeof(struct task_state), SYSTEM_TSS);
	ltr(SELECTOR_TSS);

	msr_write(MSR_STAR, (uint64_t)SELECTOR_GUEST_CODE32 << 48 | (uint64_t)SELECTOR_CORE_CODE << 32);
	msr_write(MSR_LSTAR, stubs);
	msr_write(MSR_CSTAR, stubs + (uint64_t)(entry_stub_syscall32 - entry_stubs));
	msr_write(MSR_SFMASK, SYSCALL_CLEARS);
	msr_write(MSR_SYSENTER_CS, SELECTOR_CORE_CODE);
	msr_write(MSR_SYSENTER_ESP, cpu->kernel_stack);
	msr_write(MSR_SYSENTER_EIP, stubs + (uint64_t)(entry_stub_sysenter - entry_stubs));
}

void cpu_set_entry_frame(struct cpu *cpu, struct vcpu *vcpu)
{
	uint64_t end = (uint64_t)&vcpu->regs.es;

	vcpu->kernel_stack = cpu->kernel_stack;
	task_state[cpu->id].rsp0 = end;
	((struct stub_data *)(cpu_window(cpu->id) + WINDOW_STUB_DATA))->frame_end = end;
}

/* What this CPU's window has of the last vcpu's descriptors, `had` pages, becomes that of the next one's: most have one page, and no LDT. */
static void table_switch(uint64_t va, const mfn_t *frames, uint32_t entries, uint8_t *had)
{
	uint8_t has = (uint8_t)((entries * 8 + PAGE_SIZE - 1) >> PAGE_SHIFT);

	if (has || *had)
		table_map(va, frames, MAX(has, *had));
	*had = has;
}

void switch_reload_gdt(struct vcpu *vcpu)
{
	static uint8_t had[MAX_CPUS];

	table_switch(cpu_window(cpu_id()) + WINDOW_GDT, vcpu->gdt_frame, vcpu->gdt_entries, &had[cpu_id()]);
}

void switch_reload_ldt(struct vcpu *vcpu)
{
	static uint8_t had[MAX_CPUS];
	uint64_t base = cpu_window(cpu_id()) + WINDOW_LDT;

	table_switch(base, vcpu->ldt_frame, vcpu->ldt_entries, &had[cpu_id()]);
	if (vcpu->ldt_entries)
		system_descriptor(cpu_id(), SELECTOR_LDT, base, vcpu->ldt_entries * 8, SYSTEM_LDT);
	lldt(vcpu->ldt_entries ? SELECTOR_LDT : 0);
}
