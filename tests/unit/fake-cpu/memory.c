/* SPDX-License-Identifier: MIT */
/* The fake machine's memory: RAM behind the direct map, and what a guest can see. */
#include "fake.h"

#include <string.h>
#include <sys/mman.h>

#include "boot/boot_info.h"
#include "cpu/directmap.h"
#include "cpu/uaccess.h"
#include "include/errno.h"
#include "lib/log.h"
#include "lib/string.h"

__attribute__((weak)) struct boot_info boot_info;

static uint8_t *ram;
static uint8_t *guest;
static size_t guest_used;
static uint8_t *window;
static size_t window_bytes;
static uint64_t frames_used;

static uint8_t *map_zeroes(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		panic("no memory for the fake machine");
	return memory;
}

void fake_memory_reset(void)
{
	if (!ram) {
		ram = map_zeroes(FAKE_RAM_BYTES);
		guest = map_zeroes(FAKE_GUEST_BYTES);
	} else {
		madvise(ram, FAKE_RAM_BYTES, MADV_DONTNEED);
		memset(guest, 0, guest_used);
	}
	guest_used = 0;
	frames_used = 16;
	fake_guest_window(NULL, 0);
	boot_info = (struct boot_info){ .loader = "fake", .range_count = 1 };
	boot_info.range[0] = (struct memory_range){ 1UL << 20, FAKE_RAM_BYTES - (1UL << 20) };
}

mfn_t fake_frame(void)
{
	if (frames_used == FAKE_RAM_BYTES / PAGE_SIZE)
		panic("the fake machine has no frame left");
	return mfn(frames_used++);
}

void *paddr_to_virt(paddr_t address)
{
	if (address >= FAKE_RAM_BYTES)
		panic("paddr_to_virt: no RAM at %llx", (unsigned long long)address);
	return ram + address;
}

paddr_t virt_to_paddr(const void *address)
{
	uint64_t offset = guest_address(address) - guest_address(ram);

	if (offset >= FAKE_RAM_BYTES)
		panic("virt_to_paddr: %p is not in the direct map", address);
	return offset;
}

__attribute__((weak)) volatile void *mmio_map(paddr_t address, size_t bytes) { return paddr_to_virt(address); }
const void *boot_map(paddr_t address, size_t bytes) { return paddr_to_virt(address); }

void *fake_guest_memory(size_t bytes)
{
	void *memory = guest + guest_used;

	bytes = ROUND_UP(bytes, 16);
	if (bytes > FAKE_GUEST_BYTES - guest_used)
		panic("the fake guest's memory is used up");
	guest_used += bytes;
	return memory;
}

void fake_guest_window(void *start, size_t bytes)
{
	window = start;
	window_bytes = bytes;
}

/* ---- cpu/uaccess.h ---- */

bool guest_range_ok(uint64_t address, uint64_t bytes)
{
	uint64_t end = address + bytes;

	if (end < address)
		return false;
	return end <= 0x0000800000000000ULL || address >= 0xffff880000000000ULL;
}

static bool is_inside(uint64_t address, uint64_t bytes, const uint8_t *start, size_t room)
{
	uint64_t offset = address - guest_address(start);

	return start && offset <= room && bytes <= room - offset;
}

/* How many bytes of an access are done before it faults. */
static size_t bytes_until_fault(uint64_t address, size_t bytes)
{
	if (!guest_range_ok(address, bytes))
		return 0;
	if (!is_inside(address, bytes, guest, FAKE_GUEST_BYTES) && !is_inside(address, bytes, window, window_bytes))
		return 0;
	if (fake.guest_fault_at - address < bytes)
		return fake.guest_fault_at - address;
	if (fake.guest_fault_access && --fake.guest_fault_access == 0)
		return 0;
	return bytes;
}

static int guest_copy(void *to, const void *from, uint64_t address, size_t bytes)
{
	size_t done = bytes ? bytes_until_fault(address, bytes) : 0;

	if (done && from)
		memcpy(to, from, done);
	else if (done)
		memset(to, 0, done);
	return done < bytes ? -EFAULT : 0;
}

int guest_read(void *to, uint64_t from, size_t bytes)
{
	return guest_copy(to, (const void *)(uintptr_t)from, from, bytes);
}

bool guest_read_two(uint64_t *first, uint64_t *second, uint64_t from)
{
	uint64_t words[2] = { 0 };
	int error = guest_read(words, from, sizeof(words));

	*first = words[0];
	*second = words[1];
	return !error;
}

int guest_write(uint64_t to, const void *from, size_t bytes)
{
	return guest_copy((void *)(uintptr_t)to, from, to, bytes);
}

uint32_t page_difference(const uint64_t *a, const uint64_t *b, uint32_t word)
{
	while (word < PAGE_SIZE / 8 && a[word] == b[word])
		word++;
	return word;
}
