/* SPDX-License-Identifier: MIT */
#include "bus.h"

#define PATH_BYTES	128

/* first/second into `path`. Longer than there is room for: false. */
static bool path_join(char path[PATH_BYTES], const char *first, const char *second)
{
	size_t length = 0;

	for (; *first && length < PATH_BYTES; first++)
		path[length++] = *first;
	if (length < PATH_BYTES)
		path[length++] = '/';
	for (; *second && length < PATH_BYTES; second++)
		path[length++] = *second;
	if (length == PATH_BYTES)
		return false;
	path[length] = 0;
	return true;
}

/* BUS-5  Digits and nothing else. */
static bool number_parse(const char *text, uint64_t *number)
{
	*number = 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || *number > (UINT64_MAX - 9) / 10)
			return false;
		*number = *number * 10 + (uint64_t)(*text - '0');
	}
	return true;
}

static int key_read(const struct front_bus *bus, const char *directory, const char *key, char *text, size_t size)
{
	char path[PATH_BYTES];

	return path_join(path, directory, key) ? bus->os->store_read(path, text, size) : FRONT_INVALID;
}

int bus_read_own(const struct front_bus *bus, const char *key, char *text, size_t size)
{
	return key_read(bus, bus->own, key, text, size);
}

uint64_t bus_read(const struct front_bus *bus, const char *key, uint64_t absent)
{
	char text[24];
	uint64_t number;

	return key_read(bus, bus->back, key, text, sizeof(text)) > 0 && number_parse(text, &number) ? number : absent;
}

int bus_write_text(const struct front_bus *bus, const char *key, const char *text)
{
	char path[PATH_BYTES];

	return path_join(path, bus->own, key) ? bus->os->store_write(path, text) : FRONT_INVALID;
}

int bus_write(const struct front_bus *bus, const char *key, uint64_t value)
{
	char text[24], *digit = text + sizeof(text) - 1;

	*digit = 0;
	do {
		*--digit = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	return bus_write_text(bus, key, digit);
}

int bus_open(struct front_bus *bus, const struct front_os *os, const char *own)
{
	uint64_t back_id;
	char text[24];
	size_t length = 0;
	int result;

	*bus = (struct front_bus){ .os = os, .state = BUS_INITIALISING };
	while (own[length] && length < sizeof(bus->own) - 1) {
		bus->own[length] = own[length];
		length++;
	}
	if (own[length])
		return FRONT_INVALID;
	result = bus_read_own(bus, "backend", bus->back, sizeof(bus->back));
	if (result <= 0)
		return result < 0 ? result : FRONT_NO_KEY;
	result = bus_read_own(bus, "backend-id", text, sizeof(text));
	if (result <= 0 || !number_parse(text, &back_id) || back_id >= 0x7ff0)
		return result < 0 ? result : FRONT_NO_KEY;
	bus->back_id = (uint16_t)back_id;
	return 0;
}

enum bus_state bus_back_state(const struct front_bus *bus)
{
	uint64_t state = bus_read(bus, "state", BUS_UNKNOWN);

	return state <= BUS_CLOSED ? (enum bus_state)state : BUS_UNKNOWN;
}

void bus_switch(struct front_bus *bus, enum bus_state state)
{
	if (bus->state == state)
		return;
	bus->state = state;
	bus_write(bus, "state", state);
}
