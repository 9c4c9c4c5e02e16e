/* SPDX-License-Identifier: MIT */
/* The page through which a guest's kernel calls us: it need not know that the way is syscall. */

#include "cpu/hypercall_page.h"

#define STUB_BYTES	32
#define STUB_COUNT	128
#define STUB_NUMBER_AT	4	/* of mov's operand */

void hypercall_page_fill(void *page)
{
	/* push %rcx; push %r11 (syscall destroys them); mov $number, %eax; syscall; pop %r11; pop %rcx; ret */
	static const uint8_t stub[] = {
		0x51, 0x41, 0x53, 0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3,
	};
	/* push %rcx; push %r11; push %rax (so its frame begins); mov $number, %eax; syscall: it does not come back */
	static const uint8_t stub_iret[] = {
		0x51, 0x41, 0x53, 0x50, 0xb8, __HYPERVISOR_iret, 0, 0, 0, 0x0f, 0x05,
	};

	memset(page, 0xcc, PAGE_SIZE);
	for (uint32_t i = 0; i < STUB_COUNT; i++) {
		uint8_t *at = (uint8_t *)page + i * STUB_BYTES;

		memcpy(at, stub, sizeof(stub));
		at[STUB_NUMBER_AT] = (uint8_t)i;
	}
	memcpy((uint8_t *)page + __HYPERVISOR_iret * STUB_BYTES, stub_iret, sizeof(stub_iret));
}
