/* SPDX-License-Identifier: MIT */
#pragma once

/* Fills a page with the ABI's 128 stubs of 32 bytes: number n at n * 32. */
void hypercall_page_fill(void *page);
