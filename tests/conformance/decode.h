/* SPDX-License-Identifier: MIT */
/* What stands in a ring's slot, in words: for both scripts, in Dom0, on the host and in a guest. At most `size` bytes are written, with the NUL. */
#ifndef CONFORMANCE_DECODE_H
#define CONFORMANCE_DECODE_H

#include <stdbool.h>
#include <stddef.h>

typedef void decode_slot(char *to, size_t size, const void *slot);

decode_slot decode_vbd_request, decode_vbd_response;
decode_slot decode_rx_request, decode_rx_response;

/* Transmit slots are told in the ring's order: extras are known by the request in front of them. */
void decode_tx_begin(void);
decode_slot decode_tx_request, decode_tx_response;

#endif
