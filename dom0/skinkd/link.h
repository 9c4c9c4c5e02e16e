/* SPDX-License-Identifier: MIT */
/*
 * skinkd's connection to xenstored. host.store.handle is NULL while there is none.
 * LK1  No call of the loop waits for xenstored much longer than LINK_PATIENCE_S: then the connection is cut (lib/pulse.h).
 * LK2  What a domain that ended meanwhile has left in the store goes when there is a connection again.
 */
#pragma once

/* When skinkd starts; what goes wrong is told as an event. */
void link_open(void);

/* Once in a while: a connection that was lost is made again, if there is somebody to connect to. */
void link_look(void);
