/* SPDX-License-Identifier: MIT */
/* The ABI's error numbers, from Xen's public header, as EPERM and so on. */
#pragma once

#ifndef EPERM		/* on the host, libc has them with the same values */
#define XEN_ERRNO(name, value) name = (value),
enum skink_errno {
#include <xen/errno.h>
	ERESTART = 85,		/* the core's own: stopped half way, call again; no guest sees it */
};
#endif
