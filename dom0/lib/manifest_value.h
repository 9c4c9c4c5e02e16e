/* SPDX-License-Identifier: MIT */
/* The values that attributes and elements have: text to C, and back. What does not parse leaves the result as it was. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* White space at both ends gone, inside one space each: XML Schema's token. The caller frees it. */
char *value_collapsed(const char *text);

/* As it is quoted in a message: shortened to VALUE_SHOWN - 1 bytes, on one line. */
#define VALUE_SHOWN	64
void value_show(const char *text, char shown[VALUE_SHOWN]);

bool value_unsigned(const char *text, uint64_t *number);	/* "12", "0x1f" */
bool value_signed(const char *text, int64_t *number);
bool value_memory(const char *number, const char *unit, uint64_t *kib);	/* libvirt's units, rounded up; NULL: KiB */
bool value_size(const char *text, uint64_t *kib);		/* "8MiB" */
bool value_duration(const char *text, uint64_t *us);		/* "500us" "60s" */
bool value_uuid(const char *text, uint8_t uuid[16]);
bool value_mac(const char *text, uint8_t mac[6]);
/* "0-3,^2": bit n for CPU n. *large is the first CPU that a set has no room for. */
bool value_cpus(const char *text, uint64_t *cpus, uint64_t *large);

/* The caller frees what these return. */
char *value_duration_text(uint64_t us);
char *value_size_text(uint64_t kib);
char *value_uuid_text(const uint8_t uuid[16]);
char *value_mac_text(const uint8_t mac[6]);
char *value_cpus_text(uint64_t cpus);
