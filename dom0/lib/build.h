/* SPDX-License-Identifier: MIT */
/*
 * Builds a domain: a PV kernel, its initrd and command line in new memory, its first page tables, its console and store
 * pages, its first vcpu. It is left paused; nobody else has been told of it.
 * U1  A build that fails leaves nothing: no domain, no frame, no mapping, no file open.
 * U2  Kernel and initrd are somebody else's: no byte of them is trusted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/core.h"
#include "lib/driver.h"
#include "lib/kernel.h"

struct build_request {
	const char *kernel;		/* file names */
	const char *initrd;		/* NULL: none */
	const char *command_line;	/* NULL: none */
	uint8_t uuid[16];
	uint64_t memory_kib;		/* what it begins with */
	uint64_t memory_max_kib;	/* what it may grow to; at least memory_kib */
	uint32_t vcpus_max;
	const struct build_driver *driver;	/* NULL: a guest. Else its table is the module, and there is no initrd. */
	const char *cache;		/* folder of kernels unpacked before; NULL: none */
};

/* Whose fault it was: so that the caller can point to a place in a manifest. */
enum build_blame {
	BLAME_NOBODY,
	BLAME_KERNEL,
	BLAME_INITRD,
	BLAME_COMMAND_LINE,
	BLAME_MEMORY,
	BLAME_VCPUS,
	BLAME_DMA,
	BLAME_DEVICE,			/* `index` says which */
	BLAME_MACHINE,			/* the core or Dom0 refused: nothing the manifest says */
};

struct build_error {
	enum build_blame blame;
	uint32_t index;
	char text[512];			/* what is wrong, and what to do */
};

/* Fills in *error, if there is one, and returns `result`. */
int build_refuse(struct build_error *error, enum build_blame blame, int result, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

struct built {
	struct kernel kernel;		/* as it was unpacked, for whoever wants to keep it: the caller frees ->elf */
	domid_t id;
	xen_pfn_t console_mfn, store_mfn;
	uint32_t console_port, store_port;
	struct driver_shared driver;	/* of a driver domain: the caller frees ->mfn */
};

/* 0, or -errno and *error says why. Takes as long as unpacking a kernel takes. */
int build_domain(struct core *core, const struct build_request *request, struct built *built,
		 struct build_error *error);

/* The same checks without a domain: is there a kernel, is it one for Xen PV, does all of it fit the memory? */
int build_check(const struct build_request *request, struct build_error *error);
