/* SPDX-License-Identifier: MIT */
/* Who has a volume while something is done to it (VM1), against jobs that end when the test says so. No core, no lvm. */
#include "skinkd/volumes.c"

#include <CUnit/Basic.h>
#include <errno.h>

struct host host;
struct attachment *attachments;

#define PARTITION	1048576

static struct attachment own = { .key = "xvdp1", .back = XenbusStateConnected,
				 .blk = { .extent_count = 1, .extent = { { PARTITION, 131072 } } } }, webs;
static struct attachment look = { .driver = NULL, .kind = ATTACH_VBD, .is_wanted = true, .record = RECORD_GIVEN,
				  .blk = { .extent_count = 1, .extent = { { 0, 4194304 } } } };
static struct manifest_extent root = { .kind = EXTENT_VOLUME, .name = (char *)"root" };
static struct manifest_disk disk_of_web = { .extents = &root, .extent_count = 1 };
static struct driver_status status;
static struct driver driver = { .status = &status };
static struct job *begun;
static bool is_detached;		/* its manifest has it no more */
static int code;

/* ---- in skinkd's place ---- */

void event(const char *kind, const char *domain, int id, const char *format, ...)
{
}

void job_start(struct job *job)
{
	begun = job;
}

bool disks_attach_own(struct driver *of, const char *partition, char key[ATTACH_KEY])
{
	snprintf(key, ATTACH_KEY, "%s", own.key);
	return true;
}

void disks_detach_own(const char *key)
{
}

struct attachment *attach_find(domid_t id, const char *key)
{
	return &own;
}

struct manifest *attach_manifest_of(domid_t id)
{
	return NULL;
}

const struct manifest_disk *attach_disk(const struct manifest *manifest, const char *target)
{
	return is_detached ? NULL : &disk_of_web;
}

bool disks_is_own(const struct attachment *attachment)
{
	return attachment == &look;
}

bool disks_overlap(const struct driver_blk *a, const struct driver_blk *b)
{
	return a->extent_count && b->extent_count && a->extent[0].first < b->extent[0].first + b->extent[0].count &&
	       b->extent[0].first < a->extent[0].first + a->extent[0].count;
}

void attach_wait(const struct attachment *attachment, enum attach_await what, double timeout_s, done_fn done, void *context)
{
	const struct outcome connected_now = { 0 };

	done(context, &connected_now);
}

void attach_look(void)
{
}

bool transient_is_name(const char *volume)
{
	return false;
}

const struct attachment *transient_user(const struct driver *of, const char *volume)
{
	return NULL;
}

/* ---- given, when ---- */

static void told(void *context, const struct outcome *result)
{
	code = result->code;
}

static void is_asked_for(enum volumes_deed deed)
{
	const struct volumes_request request = { .deed = deed, .name = "root" };

	code = -1;
	volumes_do(&driver, &request, told, NULL);
}

/* With a volume in it, or none. */
static void ends(bool has_root)
{
	struct volume_group *group = &((struct work *)begun)->group;
	struct job *job = begun;

	begun = NULL;
	((struct work *)job)->is_read = true;
	if (has_root) {
		group->volumes = calloc(1, sizeof(*group->volumes));
		group->volumes->extents = calloc(1, sizeof(*group->volumes->extents));
		strcpy(group->volumes->name, "root");
		group->volumes->extents->first = 2048;
		group->volumes->extents->count = 8;
		group->volumes->extent_count = group->count = 1;
	}
	job->done(job);
}

static void ends_without_knowing(int result)
{
	struct job *job = begun;

	begun = NULL;
	job->result = result;
	strcpy(((struct work *)job)->why, result ? "no metadata" : "");
	job->done(job);
}

static struct driver_blk found;
static char why[ATTACH_WHY];

static enum disks_found is_found(void)
{
	found = (struct driver_blk){ 0 };
	return volumes_resolve(&driver, "root", &found, why);
}

static void given_root(void)
{
	static struct domain domain;
	static struct manifest manifest = { .name = (char *)"disk0" };

	domain.manifest = &manifest;
	driver.domain = &domain;
	attachments = NULL;
	is_asked_for(VOLUMES_READ);
	ends(true);
	CU_ASSERT_EQUAL(is_found(), DISKS_FOUND);
}

static void web_has_it(void)
{
	webs = (struct attachment){ .driver = &driver, .kind = ATTACH_VBD, .is_wanted = true };
	is_detached = false;
	attachments = &webs;
}

/* ---- then ---- */

static void volume_that_is_being_changed_is_nobodys_until_that_is_over(void)	/* VM1 */
{
	static const enum volumes_deed deeds[] = { VOLUMES_RESIZE, VOLUMES_DELETE, VOLUMES_EXPORT };

	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		given_root();
		is_asked_for(deeds[i]);
		CU_ASSERT_PTR_NOT_NULL_FATAL(begun);
		web_has_it();
		CU_ASSERT_EQUAL(is_found(), DISKS_NOT_YET);
		ends(deeds[i] != VOLUMES_DELETE);
		CU_ASSERT_EQUAL(code, 0);
		CU_ASSERT_EQUAL(is_found(), deeds[i] == VOLUMES_DELETE ? DISKS_NEVER : DISKS_FOUND);
	}
}

static void who_came_before_it_began_has_it(void)				/* VM1, VM2 */
{
	given_root();
	is_asked_for(VOLUMES_READ);
	is_asked_for(VOLUMES_DELETE);
	web_has_it();
	CU_ASSERT_EQUAL(is_found(), DISKS_NOT_YET);
	ends(true);
	CU_ASSERT_EQUAL(code, CODE_NOT_ALLOWED);
	CU_ASSERT_PTR_NULL(begun);
	CU_ASSERT_EQUAL(is_found(), DISKS_FOUND);
}

static void has_not_let_go_of(uint64_t first, enum attach_record record)
{
	web_has_it();
	webs.is_wanted = false;
	webs.record = record;
	webs.blk = (struct driver_blk){ .extent_count = 1, .extent = { { first, 8 } } };
	is_detached = true;
}

static void volume_that_is_detached_is_its_guest_s_until_that_lets_go(void)	/* VM1 */
{
	static const struct {
		uint64_t first;
		enum attach_record record;
		int code;
	} cases[] = { { PARTITION + 2048, RECORD_GIVEN, CODE_NOT_ALLOWED }, { PARTITION + 2048, RECORD_WITHDRAWN, CODE_NOT_ALLOWED },
		      { PARTITION + 2048, RECORD_NONE, -1 }, { PARTITION + 2056, RECORD_GIVEN, -1 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		given_root();
		has_not_let_go_of(cases[i].first, cases[i].record);
		is_asked_for(VOLUMES_DELETE);
		CU_ASSERT_EQUAL(code, cases[i].code);
		if (begun)
			ends(true);
	}
	is_detached = false;
}

static void volume_is_its_guest_s_before_that_has_found_the_driver(void)		/* VM1 */
{
	static const char *const drivers[] = { "disk0", "", "disk1" };

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		given_root();
		web_has_it();
		webs.driver = NULL;
		strcpy(webs.driver_name, drivers[i]);
		is_asked_for(VOLUMES_DELETE);
		CU_ASSERT_EQUAL(code, i < 2 ? CODE_NOT_ALLOWED : -1);
	}
	ends(true);
}

/* A copy, made when state.json could not be written; beside Domain-0's look at the whole device. */
static void volume_is_of_whom_it_is_served_to(void)				/* VM1 */
{
	given_root();
	has_not_let_go_of(PARTITION + 2048, RECORD_GIVEN);
	webs.is_wanted = true;
	is_asked_for(VOLUMES_DELETE);
	CU_ASSERT_EQUAL(code, CODE_NOT_ALLOWED);
	look.driver = &driver;
	attachments = &look;
	is_asked_for(VOLUMES_DELETE);
	CU_ASSERT_EQUAL(code, -1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(begun);
	ends(true);
	is_detached = false;
}

/* The first that is asked of a skinkd. If they cannot be read, it may be any of them. */
static void where_a_volume_is_is_known_before_it_is_changed(void)		/* VM1 */
{
	for (int is_read = 0; is_read < 2; is_read++) {
		given_root();
		pools->is_known = false;
		volume_group_free(&pools->group);
		has_not_let_go_of(PARTITION + (is_read ? 2048 : 4096), RECORD_GIVEN);
		is_asked_for(VOLUMES_DELETE);
		CU_ASSERT_EQUAL(code, -1);
		CU_ASSERT_PTR_NOT_NULL_FATAL(begun);
		if (is_read)
			ends(true);
		else
			ends_without_knowing(-EIO);
		CU_ASSERT_EQUAL(code, CODE_NOT_ALLOWED);
		CU_ASSERT_PTR_NULL(begun);
		is_detached = false;
	}
}

static void volumes_that_cannot_be_read_are_read_again_after_a_while(void)
{
	given_root();
	is_asked_for(VOLUMES_READ);
	ends_without_knowing(-EIO);
	CU_ASSERT_EQUAL(is_found(), DISKS_NOT_YET);
	CU_ASSERT_PTR_NULL_FATAL(begun);		/* not at once, and again and again */
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "no metadata"));
	pools->read_ms -= FRESH_MS;
	CU_ASSERT_EQUAL(is_found(), DISKS_NOT_YET);
	CU_ASSERT_PTR_NOT_NULL_FATAL(begun);
	ends(true);
	CU_ASSERT_EQUAL(is_found(), DISKS_FOUND);
}

static void what_is_not_read_after_a_change_is_not_taken_for_nothing(void)
{
	given_root();
	is_asked_for(VOLUMES_CREATE);
	ends_without_knowing(0);
	CU_ASSERT_EQUAL(code, 0);
	CU_ASSERT_EQUAL(is_found(), DISKS_NOT_YET);
	CU_ASSERT_PTR_NOT_NULL_FATAL(begun);
	ends(true);
	CU_ASSERT_EQUAL(is_found(), DISKS_FOUND);
}

static void volume_is_not_found_while_nobody_knows_where_the_partition_is(void)
{
	const struct driver_blk there = own.blk;

	given_root();
	CU_ASSERT_EQUAL(found.extent[0].first, PARTITION + 2048);
	own.blk = (struct driver_blk){ 0 };		/* lost with its rings, or resolved anew */
	CU_ASSERT_EQUAL(is_found(), DISKS_NOT_YET);
	CU_ASSERT_EQUAL(found.extent_count, 0);
	own.blk = there;
	CU_ASSERT_EQUAL(is_found(), DISKS_FOUND);
}

static void volume_that_is_not_whole_is_nobodys(void)				/* VO2 */
{
	struct volume_group *group;

	given_root();
	group = &pools->group;
	group->volumes->sectors = 16;
	group->volumes->is_marked = true;
	group->volumes->marked_from = 8;
	CU_ASSERT_EQUAL(is_found(), DISKS_NEVER);
	group->volumes->marked_from = 16;
	CU_ASSERT_EQUAL(is_found(), DISKS_FOUND);
}

int main(void)
{
	CU_pSuite suite;

	host.loop = uv_default_loop();
	CU_initialize_registry();
	suite = CU_add_suite("volumes", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(volume_that_is_being_changed_is_nobodys_until_that_is_over);
	TEST(who_came_before_it_began_has_it);
	TEST(volume_that_is_detached_is_its_guest_s_until_that_lets_go);
	TEST(volume_is_its_guest_s_before_that_has_found_the_driver);
	TEST(volume_is_of_whom_it_is_served_to);
	TEST(where_a_volume_is_is_known_before_it_is_changed);
	TEST(volumes_that_cannot_be_read_are_read_again_after_a_while);
	TEST(what_is_not_read_after_a_change_is_not_taken_for_nothing);
	TEST(volume_is_not_found_while_nobody_knows_where_the_partition_is);
	TEST(volume_that_is_not_whole_is_nobodys);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
