/* SPDX-License-Identifier: MIT */
/* lvm(8), run without a shell, on one device, without udev and device-mapper. */
#pragma once

#include <stddef.h>

/* What it printed, for the caller to free; NULL: it failed, or could not be run, and `why` has its first complaint. */
char *lvm_run(const char *device, const char *const arguments[], char *why, size_t room);
