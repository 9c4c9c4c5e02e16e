/* SPDX-License-Identifier: MIT */
/* Domain-0 as it is built, frame by frame and entry by entry; what cannot be built first. */
#include "include/types.h"

#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>

#include "unit.h"

#include "boot/boot_info.h"
#include "boot/main.h"
#include "cpu/directmap.h"
#include "cpu/hypercall_page.h"
#include "elf_file.h"
#include "include/errno.h"
#include "lib/log.h"
#include "mem/alloc.h"
#include "mem/frame.h"
#include "mem/mmu.h"

#define KERNEL_AT	(32UL << 20)		/* where the loader has put the modules */
#define INITRD_AT	(40UL << 20)
#define INITRD_BYTES	10001U
#define FRAMES		4096UL			/* dom0_mem=16M */

/* ---- what the builder asks for ---- */

static struct domain *built;
static const char *dom0_mem;
static uint64_t dom0_vcpus;
static uint64_t frames_left, released_frames;
static mfn_t first_base;
static int base_steps;
static uint64_t m2p[FAKE_RAM_BYTES / PAGE_SIZE];

int domain_create(domid_t id, uint32_t vcpu_max, bool is_privileged, struct domain **domain)
{
	built = heap_alloc(sizeof(*built));
	*built = (struct domain){ .id = id, .vcpu_max = vcpu_max, .is_privileged = is_privileged, .pause_count = 1 };
	built->shared_info = mfn_to_virt(fake_frame());
	for (uint32_t i = 0; i < vcpu_max; i++) {
		built->vcpu[i] = heap_alloc(sizeof(struct vcpu));
		built->vcpu[i]->domain = built;
	}
	*domain = built;
	return 0;
}

bool option_text(const char *name, char *value, size_t room)
{
	value[0] = 0;
	if (strcmp(name, "dom0_mem") || !dom0_mem)
		return false;
	snprintf(value, room, "%s", dom0_mem);
	return true;
}

uint64_t option_number(const char *name, uint64_t otherwise) { return dom0_vcpus ? dom0_vcpus : otherwise; }
uint64_t frames_free(void) { return frames_left; }
void m2p_set(mfn_t frame, gfn_t guest) { m2p[frame.raw] = guest.raw; }
void hypercall_page_fill(void *page) { memset(page, 0xcc, PAGE_SIZE); }
mfn_t table_bios_page;
paddr_t core_page(void) { return mfn_to_paddr(fake_frame()); }
void alloc_add(uint64_t first, uint64_t end) { released_frames += end - first; }

/* Pieces of at most four frames, each from another place. */
int frame_alloc_for(struct domain *domain, unsigned int order, unsigned int address_bits, mfn_t *first)
{
	if (order > 2 || frames_left < 1UL << order || domain->frame_count + (1UL << order) > domain->frame_limit)
		return -ENOMEM;
	frames_left -= 1UL << order;
	domain->frame_count += 1UL << order;
	fake_frame();
	*first = fake_frame();
	for (uint64_t i = 1; i < 1UL << order; i++)
		fake_frame();
	return 0;
}

int mmu_set_first_base(struct vcpu *vcpu, mfn_t l4)
{
	first_base = l4;
	return base_steps-- > 0 ? -ERESTART : 0;
}

/* ---- given ---- */

static void given_modules(void)
{
	memcpy(paddr_to_virt(KERNEL_AT), file, file_bytes);
	boot_info.module_count = 1;
	boot_info.module[1] = (struct boot_module){ 0 };
	boot_info.module[0] = (struct boot_module){ KERNEL_AT, file_bytes, "console=hvc0" };
	dom0_mem = "16M";
	dom0_vcpus = 0;
	frames_left = 6000;
	released_frames = 0;
	base_steps = 0;
}

static void given_initrd(void)
{
	uint8_t *initrd = paddr_to_virt(INITRD_AT);

	for (uint32_t i = 0; i < INITRD_BYTES; i++)
		initrd[i] = (uint8_t)(i * 7);
	boot_info.module_count = 2;
	boot_info.module[1] = (struct boot_module){ INITRD_AT, INITRD_BYTES, "" };
}

static bool refused_with(const char *part)
{
	bool died;

	FAKE_DIES(died, dom0_build());
	return died && strstr(fake.log, part);
}

/* The L1 entry that maps `va`; 0 if none does. */
static pte_t walk(uint64_t va)
{
	pte_t entry = mfn_to_paddr(first_base) | PTE_PRESENT;

	for (int shift = 39; shift >= 12; shift -= 9) {
		if (!(entry & PTE_PRESENT) || (shift < 39 && !(entry & PTE_USER)))
			return 0;
		entry = ((pte_t *)mfn_to_virt(pte_frame(entry)))[va >> shift & 511];
	}
	return entry & PTE_PRESENT ? entry : 0;
}

static void *guest_at(uint64_t va)
{
	pte_t entry = walk(va);

	return entry ? (uint8_t *)mfn_to_virt(pte_frame(entry)) + va % PAGE_SIZE : NULL;
}

/* ---- what cannot be built ---- */

static void without_a_module_it_says_so(void)
{
	given_linux(false);
	given_modules();
	boot_info.module_count = 0;
	CU_ASSERT(refused_with("no module"));
}

static void a_kernel_that_is_none_is_refused_by_name(void)
{
	given_linux(false);
	given_modules();
	boot_info.module[0].bytes = 0x1100;
	CU_ASSERT(refused_with("truncated"));
	given_linux(false);
	given_number(99, 1);
	given_modules();
	CU_ASSERT(refused_with("type 99"));
	given_minimal_kernel();
	given_number32(XEN_ELFNOTE_SUPPORTED_FEATURES, 1);
	given_modules();
	CU_ASSERT(refused_with("no feature dom0"));
}

static void too_little_memory_is_refused(void)
{
	given_linux(false);
	given_modules();
	dom0_mem = "3M";
	CU_ASSERT(refused_with("too little memory"));
	given_modules();
	dom0_mem = "lots";
	CU_ASSERT(refused_with("dom0_mem=lots"));
}

/* ---- what is built ---- */

/* T1, and every frame of the first region where it belongs. */
static void check_first_region(const struct start_info *info, uint64_t start, uint64_t end)
{
	uint64_t wrong = 0;

	for (uint64_t va = start; va < end; va += PAGE_SIZE) {
		bool is_table = va - info->pt_base < info->nr_pt_frames * PAGE_SIZE;
		pte_t entry = walk(va);

		wrong += !entry || !(entry & PTE_USER) || !(entry & PTE_WRITABLE) != is_table ||
			 m2p[pte_frame(entry).raw] != (va - start) / PAGE_SIZE;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(walk(end), 0);
	CU_ASSERT_EQUAL(pte_frame(walk(info->pt_base)).raw, first_base.raw);
}

static void check_p2m(const struct start_info *info)
{
	uint64_t wrong = 0;

	for (uint64_t pfn = 0; pfn < info->nr_pages; pfn++) {
		const uint64_t *entry = guest_at(info->mfn_list + pfn * 8);

		wrong += !entry || m2p[*entry] != pfn;
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void check_start_info(const struct start_info *info)
{
	CU_ASSERT_STRING_EQUAL(info->magic, "xen-3.0-x86_64");
	CU_ASSERT_EQUAL(info->nr_pages, FRAMES);
	CU_ASSERT_EQUAL(info->shared_info, virt_to_paddr(built->shared_info));
	CU_ASSERT_EQUAL(info->flags & (SIF_PRIVILEGED | SIF_INITDOMAIN), SIF_PRIVILEGED | SIF_INITDOMAIN);
	CU_ASSERT_STRING_EQUAL((const char *)info->cmd_line, "console=hvc0");
	CU_ASSERT_EQUAL(info->console.dom0.info_size, 0);
}

static void linux_finds_everything_where_it_looks(void)
{
	const struct cpu_user_regs *regs;
	const struct start_info *info;
	const uint64_t *list;

	given_linux(false);
	given_modules();
	given_initrd();
	memset(paddr_to_virt(KERNEL_AT + TEXT_AT), 0x5a, 0x2000);
	base_steps = 3;
	dom0_build();

	regs = &built->vcpu[0]->regs;
	CU_ASSERT_EQUAL(regs->rip, LINUX_BASE + 0x100020);
	CU_ASSERT_EQUAL(regs->cs, FLAT_KERNEL_CS);
	CU_ASSERT_EQUAL(regs->ss, FLAT_KERNEL_SS);
	CU_ASSERT_EQUAL(regs->rflags, 0x202);
	CU_ASSERT(walk(regs->rsp - 8) & PTE_WRITABLE);
	info = guest_at(regs->rsi);
	CU_ASSERT_PTR_NOT_NULL_FATAL(info);
	check_start_info(info);
	check_first_region(info, LINUX_BASE, ROUND_UP(regs->rsp + (512 << 10), 4UL << 20));
	check_p2m(info);
	CU_ASSERT_EQUAL(info->mfn_list, 0x8000000000);
	CU_ASSERT_EQUAL(m2p[pte_frame(walk(info->mfn_list)).raw], info->first_p2m_pfn);
	CU_ASSERT_EQUAL(info->nr_p2m_frames, 8 + 3);

	CU_ASSERT(info->flags & SIF_MOD_START_PFN);
	CU_ASSERT_EQUAL(info->mod_len, INITRD_BYTES);
	list = guest_at(info->mfn_list);
	CU_ASSERT(!memcmp(mfn_to_virt(mfn(list[info->mod_start])), paddr_to_virt(INITRD_AT), PAGE_SIZE));
	CU_ASSERT(!memcmp(mfn_to_virt(mfn(list[info->mod_start + 2])), paddr_to_virt(INITRD_AT + 2 * PAGE_SIZE),
			  INITRD_BYTES % PAGE_SIZE));

	CU_ASSERT_EQUAL(*(uint8_t *)guest_at(LINUX_BASE + 0x100fff), 0x5a);
	CU_ASSERT_EQUAL(*(uint8_t *)guest_at(LINUX_BASE + 0x101000), 0xcc);	/* the hypercall page */
	CU_ASSERT_EQUAL(*(uint8_t *)guest_at(LINUX_BASE + 0x102000), 0);	/* bss */
	CU_ASSERT(built->vcpu[0]->is_up && built->vcpu[0]->is_initialised && built->vcpu[0]->in_kernel);
	CU_ASSERT_EQUAL(built->pause_count, 0);
	CU_ASSERT_EQUAL(built->vcpu_max, FAKE_CPUS);
	CU_ASSERT_EQUAL(released_frames, 3 + 2);
}

static void a_minimal_kernel_finds_its_initrd_mapped(void)
{
	const struct start_info *info;

	given_minimal_kernel();
	given_modules();
	given_initrd();
	dom0_vcpus = 1000;
	dom0_build();
	info = guest_at(built->vcpu[0]->regs.rsi);
	CU_ASSERT_PTR_NOT_NULL_FATAL(info);
	check_start_info(info);
	check_first_region(info, 0, ROUND_UP(built->vcpu[0]->regs.rsp + (512 << 10), 4UL << 20));
	check_p2m(info);
	CU_ASSERT_EQUAL(info->flags & SIF_MOD_START_PFN, 0);
	CU_ASSERT_EQUAL(info->mod_start, 0x103000);
	CU_ASSERT(!memcmp(guest_at(info->mod_start), paddr_to_virt(INITRD_AT), PAGE_SIZE));
	CU_ASSERT_EQUAL(info->first_p2m_pfn, 0);
	CU_ASSERT_EQUAL(built->vcpu[0]->regs.rip, 0x100010);
	CU_ASSERT_EQUAL(built->vcpu_max, MAX_VCPUS);
}

static void without_an_initrd_there_is_none(void)
{
	const struct start_info *info;

	given_linux(true);
	given_modules();
	dom0_build();
	info = guest_at(built->vcpu[0]->regs.rsi);
	CU_ASSERT_PTR_NOT_NULL_FATAL(info);
	CU_ASSERT_EQUAL(info->mod_start, 0);
	CU_ASSERT_EQUAL(info->mod_len, 0);
	CU_ASSERT_EQUAL(info->flags & SIF_MOD_START_PFN, 0);
}

static const struct unit_case cases[] = {
	UNIT_CASE(without_a_module_it_says_so),
	UNIT_CASE(a_kernel_that_is_none_is_refused_by_name),
	UNIT_CASE(too_little_memory_is_refused),
	UNIT_CASE(linux_finds_everything_where_it_looks),
	UNIT_CASE(a_minimal_kernel_finds_its_initrd_mapped),
	UNIT_CASE(without_an_initrd_there_is_none),
};

int main(void)
{
	return unit_run("Domain-0", cases, ARRAY_SIZE(cases));
}
