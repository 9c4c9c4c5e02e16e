/* SPDX-License-Identifier: MIT */
/* What a kernel under test does with its device, as the scripts ask: on the reference front-ends, on the host and in a domain. */
#ifndef CONFORMANCE_WORK_H
#define CONFORMANCE_WORK_H

#include "../../protocols/front/blk.h"
#include "../../protocols/front/net.h"

/* A new disk. */
void work_blk_begin(void);
/* Copies the first half of a disk onto the second, again and again. True: something was begun. */
bool work_blk_go_on(struct blk *blk, void *pages, unsigned int count);

/* Pings 192.0.2.1 once for each call, and answers what comes. */
void work_net_received(struct net *net, const uint8_t *frame, size_t size);
void work_net_ping(struct net *net);

#endif
