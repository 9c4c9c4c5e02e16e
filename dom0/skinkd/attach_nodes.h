/* SPDX-License-Identifier: MIT */
/* The nodes of one attachment in the store: as xl writes them, but that the back-end's lie under Domain-0's path. */
#pragma once

#include "skinkd/attach.h"

#define ATTACH_PATH	96

void attach_front_path(const struct attachment *attachment, char path[ATTACH_PATH]);
void attach_back_path(const struct attachment *attachment, char path[ATTACH_PATH]);

/* Both ends' nodes, in one transaction, both states Initialising; and a watch on the front-end's. 0 or -errno. */
int attach_nodes_add(const struct attachment *attachment, domid_t driver_id);
void attach_nodes_remove(const struct attachment *attachment);
/* After skinkd or the connection to the store was started again: states as the store has them, and the watch. */
void attach_nodes_take_up(struct attachment *attachment);

/* Below the back-end's path. */
void attach_back_put(void *attachment, const char *node, const char *value);
void attach_back_state(struct attachment *attachment, enum xenbus_state state);

/* Below the front-end's. */
char *attach_front_read(void *attachment, const char *node);
enum xenbus_state attach_front_state(const struct attachment *attachment);
