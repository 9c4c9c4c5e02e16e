/* SPDX-License-Identifier: MIT */
/* In libxencall's place, for tests whose core is a few numbers: each has an xencall1() of its own. */
#include <stdlib.h>

#include <xencall.h>

xencall_handle *xencall_open(struct xentoollog_logger *logger, unsigned int flags)
{
	static int handle;

	return (xencall_handle *)&handle;
}

int xencall_close(xencall_handle *handle)
{
	return 0;
}

void *xencall_alloc_buffer(xencall_handle *handle, size_t bytes)
{
	return calloc(1, bytes);
}

void xencall_free_buffer(xencall_handle *handle, void *buffer)
{
	free(buffer);
}
