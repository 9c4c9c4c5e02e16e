/* SPDX-License-Identifier: MIT */
/* Checksums of the Internet: sums of 16-bit words, the first byte the high one, with the carry added in at the low end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

uint16_t sum_fold(uint64_t sum);
/* What comes behind an odd number of bytes begins in the middle of a word: *is_odd says so, from call to call. */
uint64_t sum_bytes(uint64_t sum, const uint8_t *bytes, uint32_t count, bool *is_odd);
/* TCP's or UDP's: addresses, protocol, and the bytes from its header on. `ip`: where the IP header is. */
uint16_t sum_pseudo(const uint8_t *ip, bool is_4, uint32_t protocol, uint32_t bytes);
