/* SPDX-License-Identifier: MIT */
/* volume-list and what changes volumes. */
#include <stdlib.h>
#include <string.h>

#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/methods.h"
#include "skinkd/transient.h"
#include "skinkd/volumes.h"

/* NULL: it has failed the request. */
static struct driver *find_pool(struct request *request, const char *name)
{
	struct driver *driver = driver_find(name, DRIVER_BLK);
	json_t *known;

	if (driver && driver_serves(driver))
		return driver;
	known = json_array();
	for (struct domain *domain = host.domains; domain; domain = domain->next)
		if (domain->driver && domain->driver->table->role == DRIVER_BLK)
			json_array_append_new(known, json_sprintf("known: %s (%s)", domain->manifest->name, driver_state_name(domain->driver)));
	rpc_fail_lines(request, CODE_NO_DOMAIN, name ? "no disk driver domain of that name serves: volumes are on one's disk" :
		       "say on which driver domain's disk", known);
	return NULL;
}

/* ---- list ---- */

struct listing {
	struct request *request;
	json_t *pools;
	uint32_t awaited;
};

struct one_of_list {
	struct listing *listing;
	struct driver *driver;		/* compared, and used only if it is still there */
};

static void listed_one(void *context, const struct outcome *result)
{
	struct one_of_list *one = context;
	struct listing *listing = one->listing;
	json_t *pool;

	for (struct domain *domain = host.domains; domain; domain = domain->next)
		if (domain->driver && domain->driver == one->driver) {
			pool = volumes_json(one->driver);
			json_object_set_new(pool, "error", result->code ? json_string(result->message) : json_null());
			json_array_append_new(listing->pools, pool);
		}
	free(one);
	if (--listing->awaited)
		return;
	rpc_answer(listing->request, json_pack("{s:o}", "pools", listing->pools));
	free(listing);
}

static void list_one(struct listing *listing, struct driver *driver)
{
	const struct volumes_request read = { .deed = VOLUMES_READ };
	struct one_of_list *one = need_memory(calloc(1, sizeof(*one)));

	*one = (struct one_of_list){ listing, driver };
	listing->awaited++;
	volumes_do(driver, &read, listed_one, one);
}

void method_volume_list(struct request *request)
{
	const struct outcome nothing = outcome(0, "done");
	struct listing *listing;
	const char *pool = NULL;
	struct one_of_list *last;

	if (!rpc_unpack(request, "{s?s}", "pool", &pool) || (pool && !find_pool(request, pool)))
		return;
	listing = need_memory(calloc(1, sizeof(*listing)));
	last = need_memory(calloc(1, sizeof(*last)));
	/* One more is awaited than there are pools: some may be done before the next is begun. */
	*listing = (struct listing){ .request = request, .pools = json_array(), .awaited = 1 };
	*last = (struct one_of_list){ listing, NULL };
	for (struct domain *domain = host.domains; domain; domain = domain->next)
		if (domain->driver && domain->driver->table->role == DRIVER_BLK && driver_serves(domain->driver) &&
		    (!pool || !strcmp(domain->manifest->name, pool)))
			list_one(listing, domain->driver);
	listed_one(last, &nothing);
}

/* ---- changes ---- */

static void changed(void *context, const struct outcome *result)
{
	struct request *request = context;

	if (result->code)
		rpc_fail_outcome(request, result);
	else
		rpc_answer(request, json_object());
}

static void change(struct request *request, const char *pool, const struct volumes_request *wanted)
{
	struct driver *driver;

	if (!volume_name_ok(wanted->name)) {
		rpc_fail(request, CODE_BAD, VOLUME_NAME_WRONG, wanted->name);
		return;
	}
	if (transient_is_name(wanted->name) && wanted->deed != VOLUMES_DELETE) {
		rpc_fail(request, CODE_BAD, "'%.60s' is what the copy of a transient disk may be called: choose another name", wanted->name);
		return;
	}
	if (wanted->file && *wanted->file != '/') {
		rpc_fail(request, CODE_BAD, "'%.200s': write the whole name of a file, from '/' on", wanted->file);
		return;
	}
	driver = find_pool(request, pool);
	if (driver)
		volumes_do(driver, wanted, changed, request);
}

static void change_size(struct request *request, enum volumes_deed deed)
{
	struct volumes_request wanted = { .deed = deed };
	json_int_t bytes;
	const char *pool;

	if (!rpc_unpack(request, "{s:s, s:s, s:I}", "pool", &pool, "name", &wanted.name, "bytes", &bytes))
		return;
	wanted.bytes = bytes > 0 ? (uint64_t)bytes : 0;
	change(request, pool, &wanted);
}

static void move_file(struct request *request, enum volumes_deed deed)
{
	struct volumes_request wanted = { .deed = deed };
	const char *pool;

	if (rpc_unpack(request, "{s:s, s:s, s:s}", "pool", &pool, "name", &wanted.name, "file", &wanted.file))
		change(request, pool, &wanted);
}

void method_volume_create(struct request *request)
{
	change_size(request, VOLUMES_CREATE);
}

void method_volume_resize(struct request *request)
{
	change_size(request, VOLUMES_RESIZE);
}

void method_volume_delete(struct request *request)
{
	struct volumes_request wanted = { .deed = VOLUMES_DELETE };
	const char *pool;

	if (rpc_unpack(request, "{s:s, s:s}", "pool", &pool, "name", &wanted.name))
		change(request, pool, &wanted);
}

void method_volume_import(struct request *request)
{
	move_file(request, VOLUMES_IMPORT);
}

void method_volume_export(struct request *request)
{
	move_file(request, VOLUMES_EXPORT);
}
