/* SPDX-License-Identifier: MIT */
#include "skinkd/volumes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/job.h"
#include "skinkd/transient.h"

#define FRESH_MS	5000
#define CONNECT_S	30.0
#define TRIES		50

struct pool;

struct work {
	struct job job;
	struct work *next;
	struct pool *pool;
	enum volumes_deed deed;
	char device[ATTACH_KEY + 8], group_name[VOLUME_NAME], name[VOLUME_NAME + 1], *file;
	uint64_t bytes;
	struct volume_extent extents[DRIVER_EXTENTS_MAX];
	struct volume original;
	struct volume_group group;		/* as it is afterwards ... */
	bool is_read;				/* ... if that could be read */
	char why[VOLUME_WHY];
	done_fn done;
	void *context;
};

struct pool {
	struct pool *next;
	struct driver *driver;			/* NULL: it has gone */
	char key[ATTACH_KEY];			/* Domain-0's disk that is the partition */
	bool is_known;
	char why[VOLUME_WHY];			/* what was wrong when they were read last; "" */
	uint64_t read_ms;
	struct volume_group group;
	struct work *works;			/* the first is being done (VM2) */
	bool has_begun;
};

static struct pool *pools;

static void begin_next(struct pool *pool);

/* ---- pools ---- */

static struct pool *pool_of(struct driver *driver)
{
	struct pool *pool = pools;

	while (pool && pool->driver != driver)
		pool = pool->next;
	if (pool)
		return pool;
	pool = need_memory(calloc(1, sizeof(*pool)));
	*pool = (struct pool){ .next = pools, .driver = driver };
	if (!disks_attach_own(driver, VOLUMES_PARTITION, pool->key)) {
		free(pool);
		return NULL;
	}
	pools = pool;
	return pool;
}

static void pool_free(struct pool *pool)
{
	struct pool **at = &pools;

	while (*at != pool)
		at = &(*at)->next;
	*at = pool->next;
	volume_group_free(&pool->group);
	free(pool);
}

void volumes_forget(const struct driver *driver)
{
	struct pool *pool = pools;

	while (pool && pool->driver != driver)
		pool = pool->next;
	if (!pool)
		return;
	disks_detach_own(pool->key);
	pool->driver = NULL;
	if (!pool->works)
		pool_free(pool);
}

/* ---- work ---- */

/* The kernel makes the file a moment after it has said that it is connected. */
static void await_file(const char *path)
{
	const struct timespec moment = { .tv_nsec = 20000000 };

	for (int i = 0; access(path, F_OK) && i < TRIES; i++)
		nanosleep(&moment, NULL);
}

static int run_work(struct job *job, struct core *core)
{
	struct work *work = (struct work *)job;
	const struct volume_pool pool = { work->device, work->group_name };
	char ignored[VOLUME_WHY];
	int result = 0, read;

	await_file(work->device);
	switch (work->deed) {
	case VOLUMES_READ:
		break;
	case VOLUMES_CREATE:
		result = volume_create(&pool, work->name, work->bytes, work->why);
		break;
	case VOLUMES_RESIZE:
		result = volume_resize(&pool, work->name, work->bytes, work->why);
		break;
	case VOLUMES_DELETE:
		result = volume_delete(&pool, work->name, work->why);
		break;
	case VOLUMES_IMPORT:
		result = volume_import(&pool, work->name, work->file, work->why);
		break;
	case VOLUMES_EXPORT:
		result = volume_export(&pool, work->name, work->file, work->why);
		break;
	case VOLUMES_CLONE:
		result = volume_clone(&pool, work->name, work->file, &work->original, work->why);
		break;
	}
	read = volume_group_read(&pool, &work->group, work->deed == VOLUMES_READ ? work->why : ignored);
	work->is_read = !read;
	return work->deed == VOLUMES_READ ? read : result;
}

static void tell(const struct work *work, const struct outcome *result)
{
	static const char *const deeds[] = { "", "created", "resized", "deleted", "imported", "exported", "copied" };

	if (work->deed != VOLUMES_READ && work->pool->driver)
		event(result->code ? "failed" : "changed", work->pool->driver->domain->manifest->name, work->pool->driver->domain->id,
		      "volume %s: %s", work->name, result->code ? result->message : deeds[work->deed]);
}

/* VM3 */
static void sweep(struct pool *pool)
{
	struct volumes_request request = { .deed = VOLUMES_DELETE };

	for (size_t i = 0; i < pool->group.count; i++)
		if (transient_is_name(pool->group.volumes[i].name) && !transient_user(pool->driver, pool->group.volumes[i].name)) {
			request.name = pool->group.volumes[i].name;
			volumes_do(pool->driver, &request, NULL, NULL);
			return;
		}
}

static void finish(struct work *work, const struct outcome *result)
{
	struct pool *pool = work->pool;
	bool is_stubborn = work->deed == VOLUMES_DELETE && result->code;

	tell(work, result);
	if (work->deed == VOLUMES_READ) {
		snprintf(pool->why, sizeof(pool->why), "%.299s", result->code ? result->message : "");
		pool->read_ms = uv_now(host.loop);
	}
	pool->works = work->next;
	pool->has_begun = false;
	if (work->done)
		work->done(work->context, result);
	free(work->file);
	free(work);
	if (!pool->driver && !pool->works)
		pool_free(pool);
	else if (pool->works)
		begin_next(pool);
	else if (!is_stubborn)
		sweep(pool);
	attach_look();
}

static void done_work(struct job *job)
{
	struct work *work = (struct work *)job;
	struct pool *pool = work->pool;
	struct outcome result = outcome(job->result ? CODE_FAILED : 0, "%s", job->result ? *work->why ? work->why : strerror(-job->result) : "done");

	volume_group_free(&pool->group);
	pool->group = work->group;
	pool->is_known = work->is_read;
	pool->read_ms = uv_now(host.loop);
	finish(work, &result);
}

/* Where it is on the driver's device. */
static void add_extents(const struct attachment *own, const struct volume *volume, struct driver_blk *blk)
{
	for (size_t i = 0; i < volume->extent_count && blk->extent_count < DRIVER_EXTENTS_MAX; i++)
		blk->extent[blk->extent_count++] = (struct driver_extent){ own->blk.extent[0].first + volume->extents[i].first,
									    volume->extents[i].count };
}

/*
 * What the driver serves it of that no manifest names: it was detached, or its domain has ended, and has not let go of it; or it is a copy that
 * state.json does not know of. If nobody knows where the volume is, the first may have it.
 */
static bool still_holds(const struct pool *pool, const struct attachment *attachment, const char *name)
{
	const struct attachment *own = attach_find(0, pool->key);
	const struct volume *volume = volume_find(&pool->group, name);
	struct driver_blk blk = { 0 };

	if (attachment->record == RECORD_NONE || attachment->kind != ATTACH_VBD || disks_is_own(attachment) || !own || !own->blk.extent_count)
		return false;
	if (volume)
		add_extents(own, volume, &blk);
	else if (!pool->is_known && !attachment->is_wanted)
		blk = own->blk;
	return disks_overlap(&attachment->blk, &blk);
}

static bool names(const struct attachment *attachment, const char *name)
{
	const struct manifest_disk *disk = attach_disk(attach_manifest_of(attachment->front_id), attachment->key);

	for (size_t i = 0; disk && i < disk->extent_count; i++)
		if (disk->extents[i].kind == EXTENT_VOLUME && !strcmp(disk->extents[i].name, name))
			return true;
	return false;
}

/* Also one that has not found this driver yet: it has come anew, or xenstored does not answer. */
static bool is_at(const struct attachment *attachment, const struct driver *driver)
{
	if (attachment->driver || !driver)
		return driver && attachment->driver == driver;
	return !*attachment->driver_name || !strcmp(attachment->driver_name, driver->domain->manifest->name);
}

/* VM1: the volume is a disk of somebody; his name, and the disk's. */
static const struct attachment *user_of(const struct pool *pool, const char *name)
{
	for (const struct attachment *attachment = attachments; attachment; attachment = attachment->next)
		if (is_at(attachment, pool->driver) && (names(attachment, name) || still_holds(pool, attachment, name)))
			return attachment;
	return transient_user(pool->driver, name);
}

static bool needs_it_alone(const struct work *work)
{
	return work->deed == VOLUMES_RESIZE || work->deed == VOLUMES_DELETE || work->deed == VOLUMES_EXPORT;
}

static bool is_in_use(const struct work *work, struct outcome *result)
{
	const struct attachment *user = user_of(work->pool, work->name);

	if (!user || !needs_it_alone(work))
		return false;
	*result = outcome(CODE_NOT_ALLOWED, user->is_wanted ? "volume '%.60s' is %s of '%.60s': detach it there first" :
			  "volume '%.60s' was %s of '%.60s', which has not let go of it: wait until it has, or write 'skink detach --force'",
			  work->name, user->key, user->front_name);
	return true;
}

static void connected(void *context, const struct outcome *result)
{
	struct work *work = context;
	struct outcome refused;

	if (result->code) {
		refused = outcome(CODE_FAILED, "Domain-0 does not reach its volumes: %s", result->message);
		finish(work, &refused);
	} else if (is_in_use(work, &refused)) {
		finish(work, &refused);
	} else {
		job_start(&work->job);
	}
}

static void begin_next(struct pool *pool)
{
	struct work *work = pool->works;
	struct outcome gone = outcome(CODE_FAILED, "its driver domain has gone");
	struct attachment *own;

	if (!work || pool->has_begun)
		return;
	pool->has_begun = true;
	own = attach_find(0, pool->key);
	if (!pool->driver || !own)
		finish(work, &gone);
	else
		attach_wait(own, ATTACH_AWAIT_CONNECTED, CONNECT_S, connected, work);
}

static void original_of(struct work *work, const struct driver_blk *blk)
{
	work->original.extents = work->extents;
	for (uint32_t i = 0; blk && i < blk->extent_count; i++) {
		work->extents[i] = (struct volume_extent){ blk->extent[i].first, blk->extent[i].count };
		work->original.sectors += blk->extent[i].count;
		work->original.extent_count++;
	}
}

void volumes_do(struct driver *driver, const struct volumes_request *request, done_fn done, void *context)
{
	struct pool *pool = pool_of(driver);
	struct outcome full = outcome(CODE_FAILED, "Domain-0 has the volumes of 13 disks already, and can reach no more");
	const struct volumes_request read = { .deed = VOLUMES_READ };
	struct work *work, **at;

	if (!pool) {
		if (done)
			done(context, &full);
		return;
	}
	/* VM1: who has it, is seen by where it is. */
	if (request->deed != VOLUMES_READ && !pool->is_known && !pool->works)
		volumes_do(driver, &read, NULL, NULL);
	work = need_memory(calloc(1, sizeof(*work)));
	*work = (struct work){ .job = { .run = run_work, .done = done_work }, .pool = pool, .deed = request->deed, .bytes = request->bytes,
			       .done = done, .context = context };
	snprintf(work->device, sizeof(work->device), "/dev/%s", pool->key);
	snprintf(work->group_name, sizeof(work->group_name), "skink");
	snprintf(work->name, sizeof(work->name), "%s", request->name ? request->name : "");
	original_of(work, request->original);
	work->file = request->file ? need_memory(strdup(request->file)) : NULL;
	for (at = &pool->works; *at; at = &(*at)->next)
		;
	*at = work;
	begin_next(pool);
	attach_look();
}

/* ---- who asks what there is ---- */

static enum disks_found missing(char why[ATTACH_WHY], enum disks_found found, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static enum disks_found missing(char why[ATTACH_WHY], enum disks_found found, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, ATTACH_WHY, format, arguments);
	va_end(arguments);
	return found;
}

/* VM1: nobody is given it until that is over; what has not begun is refused, for it has a user now. */
static bool is_at_work_on(const struct pool *pool, const char *name)
{
	for (const struct work *work = pool->works; work; work = work->next)
		if (needs_it_alone(work) && !strcmp(work->name, name))
			return true;
	return false;
}

enum disks_found volumes_resolve(struct driver *driver, const char *name, struct driver_blk *blk, char why[ATTACH_WHY])
{
	const struct volumes_request read = { .deed = VOLUMES_READ };
	struct pool *pool = pool_of(driver);
	const struct attachment *own = pool ? attach_find(0, pool->key) : NULL;
	const struct volume *volume;
	bool is_fresh;

	if (!own || own->is_stuck)
		return missing(why, DISKS_NEVER, "there is no volume '%.60s': the disk has no partition " VOLUMES_PARTITION, name);
	/* Each end of a reading is a look at all disks, and that asks here again. */
	is_fresh = (pool->is_known || *pool->why) && uv_now(host.loop) - pool->read_ms < FRESH_MS;
	if (!is_fresh && !pool->works)
		volumes_do(driver, &read, NULL, NULL);
	if (!pool->is_known && *pool->why)
		return missing(why, DISKS_NOT_YET, "volume '%.60s' cannot be looked for: %s", name, pool->why);
	if (!pool->is_known)
		return missing(why, DISKS_NOT_YET, "Domain-0 looks for volume '%.60s'", name);
	/* Domain-0's disk is being attached anew: what is known is where volumes are in it, and not where it is. */
	if (!own->blk.extent_count)
		return missing(why, DISKS_NOT_YET, "Domain-0 looks for partition " VOLUMES_PARTITION " again");
	if (is_at_work_on(pool, name))
		return missing(why, DISKS_NOT_YET, "volume '%.60s' is being changed or copied", name);
	volume = volume_find(&pool->group, name);
	if (!volume)
		return missing(why, DISKS_NEVER, "there is no volume '%.60s': 'skink volume list' shows those there are", name);
	if (!volume_is_whole(volume))
		return missing(why, DISKS_NEVER, VOLUME_NOT_WHOLE, name);
	if (blk->extent_count + volume->extent_count > DRIVER_EXTENTS_MAX)
		return missing(why, DISKS_NEVER, "volume '%.60s' is in too many pieces: export it, delete it and import it again", name);
	add_extents(own, volume, blk);
	return DISKS_FOUND;
}

json_t *volumes_json(const struct driver *driver)
{
	const struct pool *pool = pools;
	json_t *list = json_array();

	while (pool && pool->driver != driver)
		pool = pool->next;
	for (size_t i = 0; pool && i < pool->group.count; i++) {
		const struct volume *volume = &pool->group.volumes[i];
		const struct attachment *user = user_of(pool, volume->name);

		json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:b, s:s?}", "name", volume->name, "bytes",
						      (json_int_t)(volume->sectors * 512), "extents", (json_int_t)volume->extent_count,
						      "unfinished", !volume_is_whole(volume), "domain", user ? user->front_name : NULL));
	}
	return json_pack("{s:s, s:I, s:I, s:o}", "pool", driver->domain->manifest->name, "bytes",
			 (json_int_t)(pool ? pool->group.all_sectors * 512 : 0), "free_bytes",
			 (json_int_t)(pool ? pool->group.free_sectors * 512 : 0), "volumes", list);
}
