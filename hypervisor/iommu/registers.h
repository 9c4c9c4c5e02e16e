/* SPDX-License-Identifier: MIT */
/* The registers of a VT-d unit (Intel's specification, chapter 11), and how it and the core see the same memory. */
#pragma once

enum vtd_register {
	VTD_CAPABILITY = 0x08, VTD_EXTENDED = 0x10, VTD_COMMAND = 0x18, VTD_STATUS = 0x1c, VTD_ROOT = 0x20,
	VTD_FAULT_STATUS = 0x34, VTD_FAULT_CONTROL = 0x38, VTD_FAULT_DATA = 0x3c, VTD_FAULT_ADDRESS = 0x40,
	VTD_FAULT_ADDRESS_HIGH = 0x44, VTD_PROTECTED = 0x64, VTD_QUEUE_TAIL = 0x88, VTD_QUEUE = 0x90,
	VTD_INTERRUPTS = 0xb8,
};

/* The unit test has a model of the hardware behind these. */
#if __STDC_HOSTED__
uint64_t vtd_read64(volatile void *registers, uint32_t at);
uint32_t vtd_read32(volatile void *registers, uint32_t at);
void vtd_write64(volatile void *registers, uint32_t at, uint64_t value);
void vtd_write32(volatile void *registers, uint32_t at, uint32_t value);
void cache_write_back(const void *memory, size_t bytes);
#else
static inline uint64_t vtd_read64(volatile void *registers, uint32_t at) { return *(volatile uint64_t *)((volatile char *)registers + at); }

static inline uint32_t vtd_read32(volatile void *registers, uint32_t at) { return *(volatile uint32_t *)((volatile char *)registers + at); }

static inline void vtd_write64(volatile void *registers, uint32_t at, uint64_t value)
{
	*(volatile uint64_t *)((volatile char *)registers + at) = value;
}

static inline void vtd_write32(volatile void *registers, uint32_t at, uint32_t value)
{
	*(volatile uint32_t *)((volatile char *)registers + at) = value;
}

/* Not every unit looks into the CPUs' caches when it reads its tables. */
static inline void cache_write_back(const void *memory, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += 64)
		asm volatile("clflush (%0)" : : "r"((const char *)memory + at) : "memory");
	asm volatile("mfence" : : : "memory");
}
#endif
