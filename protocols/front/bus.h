/* SPDX-License-Identifier: MIT */
/* What both front-ends say to the store: docs/protocols.md, BUS-n. Paths are relative to the domain's own, as store_read() takes them. */
#pragma once

#include "os.h"

enum bus_state {
	BUS_UNKNOWN, BUS_INITIALISING, BUS_INIT_WAIT, BUS_INITIALISED, BUS_CONNECTED, BUS_CLOSING, BUS_CLOSED,
};

struct front_bus {
	const struct front_os *os;
	char own[48];			/* "device/vif/0" */
	char back[80];			/* what the key `backend` says */
	uint16_t back_id;
	enum bus_state state;		/* ours, as written */
};

/* Reads who the back-end is. `own` without a slash at the end. */
int bus_open(struct front_bus *bus, const struct front_os *os, const char *own);

enum bus_state bus_back_state(const struct front_bus *bus);
void bus_switch(struct front_bus *bus, enum bus_state state);

/* The number in a key of the back-end's, or `absent` if it is not there or is none. */
uint64_t bus_read(const struct front_bus *bus, const char *key, uint64_t absent);
int bus_write(const struct front_bus *bus, const char *key, uint64_t value);
int bus_write_text(const struct front_bus *bus, const char *key, const char *text);
int bus_read_own(const struct front_bus *bus, const char *key, char *text, size_t size);
