/* SPDX-License-Identifier: MIT */
/* The scripts: what a back-end offers before it is in InitWait, the walk through the rules, and giving back what is mapped. */
#ifndef CONFORMANCE_ROLES_H
#define CONFORMANCE_ROLES_H

void blk_offer(void);
void blk_walk(void);
void blk_end(void);

void net_offer(void);
void net_walk(void);
void net_end(void);

#endif
