/* SPDX-License-Identifier: MIT */
/* Whose a copy is, against a disk that copies when the test says so. No core, no lvm. */
#include "skinkd/transient.c"

#include <CUnit/Basic.h>

struct host host;
struct attachment *attachments;

static struct manifest manifest = { .name = (char *)"disk0" };
static struct domain domain = { .manifest = &manifest };
static struct driver driver = { .domain = &domain };
static struct attachment webs;
static struct {
	done_fn done;
	void *context;
} clones[2];
static uint32_t clone_count;

/* ---- in skinkd's place ---- */

void state_save(void)
{
}

bool driver_serves(const struct driver *of)
{
	return true;
}

const char *disks_look(struct driver *of, bool *is_never)
{
	*is_never = false;
	return "/dev/xvdpa";
}

struct attachment *attach_find(domid_t id, const char *key)
{
	return attachments;
}

enum disks_found disks_resolve(struct driver *of, const struct manifest_disk *disk, bool is_own, struct driver_blk *blk, char why[ATTACH_WHY])
{
	*blk = (struct driver_blk){ .extent_count = 1, .extent = { { 2048, 8 } } };
	return DISKS_FOUND;
}

enum disks_found volumes_resolve(struct driver *of, const char *name, struct driver_blk *blk, char why[ATTACH_WHY])
{
	blk->extent[blk->extent_count++] = (struct driver_extent){ 4096, 8192 };
	return DISKS_FOUND;
}

void volumes_do(struct driver *of, const struct volumes_request *request, done_fn done, void *context)
{
	if (request->deed == VOLUMES_CLONE && clone_count < 2) {
		clones[clone_count].done = done;
		clones[clone_count++].context = context;
	}
}

/* ---- given, when ---- */

static enum disks_found is_found(void)
{
	const struct manifest_disk disk = { .is_transient = true };
	char why[ATTACH_WHY];

	return transient_resolve(&webs, &disk, why);
}

static void comes(void)
{
	webs = (struct attachment){ .front_id = 3, .key = "xvdb", .kind = ATTACH_VBD, .driver = &driver, .driver_name = "disk0", .is_wanted = true,
				    .blk = { .extent_count = 1, .extent = { { 2048, 8 } } } };
	attachments = &webs;
	CU_ASSERT_EQUAL(is_found(), DISKS_NOT_YET);
}

static void goes(void)
{
	transient_drop(&webs);
	attachments = NULL;
}

static void copy_ends(uint32_t which, int code)
{
	const struct outcome result = { .code = code };

	clones[which].done(clones[which].context, &result);
}

/* ---- then ---- */

static void copy_is_as_long_as_the_original(void)
{
	clone_count = 0;
	comes();
	copy_ends(0, 0);
	CU_ASSERT_EQUAL(is_found(), DISKS_FOUND);
	CU_ASSERT_EQUAL(webs.blk.extent[0].first, 4096);
	CU_ASSERT_EQUAL(webs.blk.extent[0].count, 8);
	goes();
}

/* The first is thrown away before the second is made, under the same name: whoever had it would write where others are. */
static void copy_for_a_disk_that_has_gone_is_not_its_successors(void)		/* TR1 */
{
	static const int codes[] = { 0, CODE_FAILED };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		clone_count = 0;
		comes();
		goes();
		comes();
		copy_ends(0, codes[i]);
		CU_ASSERT_EQUAL(is_found(), DISKS_NOT_YET);
		copy_ends(1, 0);
		CU_ASSERT_EQUAL(is_found(), DISKS_FOUND);
		goes();
	}
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("transient", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(copy_is_as_long_as_the_original);
	TEST(copy_for_a_disk_that_has_gone_is_not_its_successors);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
