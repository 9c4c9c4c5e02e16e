/* SPDX-License-Identifier: MIT */
/* The few functions of C's <string.h> that the core and the compiler use; same contracts. */
#pragma once

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit);

/* Copies and cuts at `room` bytes; the result always ends in NUL. Returns the length of `from`. */
size_t string_copy(char *to, const char *from, size_t room);

/* A number, decimal or 0x..., that text begins with; *end is what follows. 0 and *end == text: none. */
uint64_t text_number(const char *text, const char **end);

/* A whole page at a time, by rep stosq and movsq. */
static inline void page_clear(void *page) { memset(page, 0, PAGE_SIZE); }
static inline void page_copy(void *to, const void *from) { memcpy(to, from, PAGE_SIZE); }

/* The first word of two pages that differs, from `word` on; PAGE_SIZE / 8: none does. By repe cmpsq. */
uint32_t page_difference(const uint64_t *a, const uint64_t *b, uint32_t word);
