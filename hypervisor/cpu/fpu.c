/* SPDX-License-Identifier: MIT */
/*
 * FPU state: one page per vcpu, a standard-format XSAVE area (or FXSAVE) and, at the page's end, which components the
 * guest has ever switched on.
 * P1  XCR0 holds all that its vcpu ever switched on whenever its registers are saved or loaded, so nothing of
 *     it is left behind when the guest switches a component off, and nothing of another is found when it
 *     switches one on.
 */
#include "cpu/fpu.h"

#include "cpu/cpu.h"
#include "cpu/features.h"
#include "cpu/ops.h"
#include "cpu/traps.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "include/errno.h"
#include "lib/string.h"
#include "mem/alloc.h"

#define FCW_RESET	0x37f
#define MXCSR_RESET	0x1f80
#define MXCSR_VALID	0xffff

struct fpu_page {
	uint16_t fcw, fsw;		/* the FXSAVE area, of which these are all that we name */
	uint8_t skip1[20];
	uint32_t mxcsr, mxcsr_mask;
	uint8_t skip2[480];
	uint64_t present;		/* XSAVE header: components that are not in their initial state */
	uint8_t more[PAGE_SIZE - 528];
	uint64_t used;			/* components that the guest ever switched on */
};
_Static_assert(offsetof(struct fpu_page, present) == 512, "XSAVE header");
_Static_assert(sizeof(struct fpu_page) == PAGE_SIZE, "one page");

/* xsetbv is slow, and slower inside a virtual machine: not for nothing. The upper half is 0 always. */
static void xcr0_load(uint64_t value)
{
	uint32_t now, high;

	asm volatile("xgetbv" : "=a"(now), "=d"(high) : "c"(0));
	if (now != value)
		asm volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"(0) : "memory");
}

static void task_switched_clear(void) { asm volatile("clts" : : : "memory"); }

int fpu_vcpu_init(struct vcpu *vcpu)
{
	struct fpu_page *page;

	ASSERT(cpu_features.xsave_bytes <= offsetof(struct fpu_page, used), "an FPU area is one page");
	page = heap_alloc(sizeof(*page));
	if (!page)
		return -ENOMEM;
	page->fcw = FCW_RESET;
	page->mxcsr = MXCSR_RESET;
	page->present = page->used = vcpu->xcr0 = XCR0_X87 | XCR0_SSE;
	vcpu->fpu = page;
	return 0;
}

void fpu_vcpu_destroy(struct vcpu *vcpu)
{
	heap_free(vcpu->fpu);
	vcpu->fpu = NULL;
}

void fpu_save(struct vcpu *vcpu)
{
	struct fpu_page *page = vcpu->fpu;

	if (vcpu_is_idle(vcpu))
		return;
	task_switched_clear();
	if (!cpu_features.xsave) {
		asm volatile("fxsave64 %0" : "=m"(*page) : : "memory");
		return;
	}
	xcr0_load(page->used);
	asm volatile("xsave64 %0" : "+m"(*page) : "a"((uint32_t)page->used), "d"(0) : "memory");
}

void fpu_load(struct vcpu *vcpu)
{
	static const uint32_t zero;
	const struct fpu_page *page = vcpu->fpu;

	if (vcpu_is_idle(vcpu))
		return;
	/*
	 * Some of AMD's CPUs leave FIP, FDP and FOP alone unless an exception is pending: those of another guest must
	 * not be seen, so a harmless load overwrites them first.
	 */
	if (cpu_features.vendor == VENDOR_AMD && !(page->fsw & 0x80))
		asm volatile("fnclex\n\temms\n\tfildl %0" : : "m"(zero));
	if (cpu_features.xsave) {
		xcr0_load(page->used);
		asm volatile("xrstor64 %0" : : "m"(*page), "a"((uint32_t)page->used), "d"(0) : "memory");
		xcr0_load(vcpu->xcr0);
	} else {
		asm volatile("fxrstor64 %0" : : "m"(*page) : "memory");
	}
	if (vcpu->guest_cr0_ts)
		cr0_write(cr0_read() | CR0_TS);
}

long do_fpu_taskswitch(uint64_t set)
{
	struct vcpu *vcpu = current_vcpu();

	vcpu->guest_cr0_ts = set != 0;
	if (set)
		cr0_write(cr0_read() | CR0_TS);
	else
		task_switched_clear();
	return 0;
}

void fpu_no_device(struct vcpu *vcpu)
{
	task_switched_clear();
	if (vcpu->guest_cr0_ts) {
		vcpu->guest_cr0_ts = 0;
		trap_inject(vcpu, TRAP_NO_DEVICE);
	}
}

static bool xcr0_is_valid(uint64_t value)
{
	if (!(value & XCR0_X87) || value & ~cpu_features.xcr0_mask)
		return false;
	if (value & XCR0_AVX && !(value & XCR0_SSE))
		return false;
	return !(value & XCR0_AVX512) || ((value & XCR0_AVX512) == XCR0_AVX512 && value & XCR0_AVX);
}

bool fpu_set_xcr0(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct fpu_page *page = vcpu->fpu;

	if (index != 0 || !cpu_features.xsave || !xcr0_is_valid(value))
		return false;
	/* P1: what is new starts from its initial state, not from what the last guest left there. */
	fpu_save(vcpu);
	page->used |= value;
	vcpu->xcr0 = value;
	fpu_load(vcpu);
	return true;
}

void fpu_set_registers(struct vcpu *vcpu, const void *fxsave)
{
	struct fpu_page *page = vcpu->fpu;

	memcpy(page, fxsave, 512);
	/* A reserved bit in MXCSR would make our own xrstor fault. */
	page->mxcsr &= MXCSR_VALID;
	page->present = XCR0_X87 | XCR0_SSE;
}
