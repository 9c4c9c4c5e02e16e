/* SPDX-License-Identifier: MIT */
/* <skink:driver>: what a driver domain is besides a domain, and what is done when it fails. */
#include <stdlib.h>
#include <string.h>

#include "manifest_names.h"
#include "manifest_read.h"
#include "manifest_value.h"
#include "need.h"

#define MILLISECOND	1000ull
#define SECOND		1000000ull
#define MINUTE		(60 * SECOND)
#define HOUR		(60 * MINUTE)

static void read_dma(struct reader *reader, const xmlNode *dma)
{
	struct manifest_driver *driver = &reader->manifest->driver;
	const char *text = read_attribute(reader, dma, "pool");
	uint64_t pool = 4096;

	driver->dma_pool_kib = pool;
	read_yes(reader, dma, "unprotected", &driver->dma_unprotected);
	if (!text || !value_size(text, &pool))
		return;
	if (pool < 64 || pool % 4)
		read_error(reader, dma, "pool", "pool='%s' is no pool of pages\nwrite 64KiB or more, in steps of 4KiB", text);
	else if (reader->manifest->memory_kib && pool >= reader->manifest->memory_kib)
		read_error(reader, dma, "pool", "pool='%s' leaves nothing of <memory>, %llu KiB\nwrite less, or raise <memory>", text,
			   (unsigned long long)reader->manifest->memory_kib);
	else
		driver->dma_pool_kib = pool;
}

static void read_fallback(struct reader *reader, const xmlNode *fallback)
{
	struct manifest *manifest = reader->manifest;
	const char *image = read_attribute(reader, fallback, "image");

	if (!image)
		return;
	manifest->driver.fallback = need_copy(image);
	if (manifest->kernel && strcmp(image, manifest->kernel) == 0)
		read_error(reader, fallback, "image", "is the same file as <kernel>\nname another image, or leave it out");
}

static void read_health(struct reader *reader, const xmlNode *health)
{
	struct manifest_health *result = &reader->manifest->driver.health;

	*result = (struct manifest_health) {
		.hang_us = 5 * MILLISECOND,
		.heartbeat_us = SECOND,
		.device_us = reader->manifest->role == ROLE_BLK ? 10 * SECOND : SECOND,
	};
	read_duration(reader, health, "hang", 100, MINUTE, &result->hang_us);
	read_duration(reader, health, "heartbeat", 10 * MILLISECOND, HOUR, &result->heartbeat_us);
	read_duration(reader, health, "device", 10 * MILLISECOND, 10 * MINUTE, &result->device_us);
	if (health && result->heartbeat_us < result->hang_us)
		read_error(reader, health, "heartbeat", "the heartbeat is due before a driver counts as hung\n"
			   "write a longer heartbeat= or a shorter hang=");
}

/* What says something about automatic restarts, where there are none. */
static void check_not_automatic(struct reader *reader, const xmlNode *restart)
{
	static const char *const senseless[] = { "limit", "within", "backoff", "backoff-limit", "jitter", "then" };

	for (size_t i = 0; i < sizeof(senseless) / sizeof(senseless[0]); i++)
		if (read_attribute(reader, restart, senseless[i]))
			read_error(reader, restart, senseless[i], "'%s' contradicts automatic='no'\nleave one of them out",
				   senseless[i]);
	if (reader->manifest->driver.restart.is_armed && read_attribute(reader, restart, "armed"))
		read_error(reader, restart, "armed", "armed='yes' contradicts automatic='no'\nleave one of them out");
}

static enum manifest_exhausted default_exhausted(enum manifest_role role)
{
	return role == ROLE_NET ? EXHAUSTED_QUARANTINE_CLOSE : EXHAUSTED_QUARANTINE_HOLD;
}

static void read_then(struct reader *reader, const xmlNode *restart)
{
	const char *then = read_attribute(reader, restart, "then");
	struct manifest_driver *driver = &reader->manifest->driver;

	/* "quarantine" is the role's own kind of it. */
	for (enum manifest_exhausted i = EXHAUSTED_QUARANTINE_HOLD; then && i <= EXHAUSTED_FALLBACK; i++)
		if (strcmp(then, manifest_exhausted_name(i)) == 0)
			driver->restart.then = i;
	if (driver->restart.then == EXHAUSTED_FALLBACK && !driver->fallback)
		read_error(reader, restart, "then", "then='fallback', and there is no image to fall back to\n"
			   "write <skink:fallback image='/…'/> into <skink:driver>, or then='quarantine'");
}

static void read_restart(struct reader *reader, const xmlNode *restart)
{
	struct manifest_restart *result = &reader->manifest->driver.restart;
	const char *jitter = read_attribute(reader, restart, "jitter");
	uint64_t limit = 5;

	*result = (struct manifest_restart) {
		.is_automatic = true,
		.within_us = MINUTE,
		.backoff_us = MILLISECOND,
		.backoff_max_us = 30 * SECOND,
		.jitter_percent = 20,
		.is_armed = true,
		.then = default_exhausted(reader->manifest->role),
	};
	read_yes(reader, restart, "automatic", &result->is_automatic);
	read_yes(reader, restart, "armed", &result->is_armed);
	if (!result->is_automatic) {
		check_not_automatic(reader, restart);
		result->is_armed = false;
	}
	read_unsigned(reader, restart, "limit", &limit);
	result->limit = limit <= 1000 ? limit : 0;
	read_duration(reader, restart, "within", MILLISECOND, 24 * HOUR, &result->within_us);
	read_duration(reader, restart, "backoff", 0, HOUR, &result->backoff_us);
	read_duration(reader, restart, "backoff-limit", 0, 24 * HOUR, &result->backoff_max_us);
	if (result->backoff_us > result->backoff_max_us)
		read_error(reader, restart, "backoff", "backoff= begins above its backoff-limit=, 30s if it is not written\n"
			   "write a smaller backoff= or a larger backoff-limit=");
	if (jitter && strspn(jitter, "0123456789") <= 3)
		result->jitter_percent = strtoul(jitter, NULL, 10);
	read_then(reader, restart);
}

static void read_hook(struct reader *reader, const xmlNode *hook)
{
	struct manifest_hook *result = &reader->manifest->driver.hook;
	const char *command = read_attribute(reader, hook, "command"), *user = read_attribute(reader, hook, "user");

	result->timeout_us = 10 * SECOND;
	read_duration(reader, hook, "timeout", MILLISECOND, HOUR, &result->timeout_us);
	result->command = command ? need_copy(command) : NULL;
	result->user = user ? need_copy(user) : NULL;
	if (user && strcmp(user, "root") == 0)
		read_warning(reader, hook, "user", "the hook runs as root\nname a user of its own");
}

static void check_domain(struct reader *reader, const xmlNode *domain)
{
	struct manifest *manifest = reader->manifest;
	const xmlNode *current = read_child(domain, "currentMemory");

	if (current && manifest->current_memory_kib < manifest->memory_kib)
		read_error(reader, current, NULL, "a driver domain has all its memory from the beginning\n"
			   "leave it out, or write as much as in <memory>");
}

void read_driver(struct reader *reader, const xmlNode *domain)
{
	const xmlNode *driver = read_our_child(domain, "driver");

	if (reader->manifest->role == ROLE_GUEST)
		return;
	check_domain(reader, domain);
	read_dma(reader, read_our_child(driver, "dma"));
	read_fallback(reader, read_our_child(driver, "fallback"));
	read_yes(reader, read_our_child(driver, "inject"), "allow", &reader->manifest->driver.may_inject);
	read_health(reader, read_our_child(driver, "health"));
	read_restart(reader, read_our_child(driver, "restart"));
	read_hook(reader, read_our_child(driver, "hook"));
}
