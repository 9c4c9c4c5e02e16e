/* SPDX-License-Identifier: MIT */
/* What the kernels under test have in common: a reference front-end's OS, on the runtime. */
#ifndef CONFORMANCE_KERNEL_H
#define CONFORMANCE_KERNEL_H

#include "../../protocols/front/os.h"

extern const struct front_os kernel_os;

/* Once, before all else. */
void kernel_init(void);

/* The other end has mapped it now. */
bool kernel_grant_is_used(uint32_t gref);

/* The device's directory in the store is there: waits for it. */
void kernel_begin(const char *device);
/* From now on changes of the back-end's state are told. */
void kernel_watch(const char *back);

/* What may have happened since the last call. Waits for any, at most so long if nothing is there and ms is not 0. */
struct kernel_news {
	bool store, device;
};
struct kernel_news kernel_wait(unsigned int ms);

#endif
