/* SPDX-License-Identifier: MIT */
/* lib/volume.h, against an lvm that says what the test wants. */
#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/lvm.h"
#include "lib/volume_data.h"

#define ONE_THAT_BEGINS(at) "{\"pv_name\":\"/dev/xvdpn\", \"vg_name\":\"skink\", \"pe_start\":\"" at "\", \"vg_extent_size\":\"8192\", " \
			"\"pv_free\":\"106496\", \"pv_size\":\"122880\", \"pv_mda_size\":\"2040\", \"dev_size\":\"131072\"}"
#define ONE_DEVICE	ONE_THAT_BEGINS("2048")
#define LIES_AT(extents) "{\"lv_name\":\"mine\", \"segtype\":\"linear\", \"seg_pe_ranges\":\"/dev/xvdpn:" extents "\", \"lv_tags\":\"\"}"
#define ITS_VOLUME	LIES_AT("0-1")

static const struct volume_pool pool = { "/dev/xvdpn", "skink" };
static const char *devices, *segments;		/* what lvm's reports have */
static char why[VOLUME_WHY], size[32];		/* that a volume was to be made with */

/* ---- in lvm's place ---- */

char *lvm_run(const char *device, const char *const arguments[], char *complaint, size_t room)
{
	bool is_of_devices = !strcmp(arguments[0], "pvs");
	char *text = NULL;

	for (size_t i = 0; !strcmp(arguments[0], "lvcreate") && arguments[i]; i++)
		if (!strcmp(arguments[i], "-L"))
			snprintf(size, sizeof(size), "%s", arguments[i + 1]);
	if (asprintf(&text, "{\"report\": [{\"%s\": [%s]}]}", is_of_devices ? "pv" : "seg", is_of_devices ? devices : segments) < 0)
		return NULL;
	return text;
}

/* ---- in the kernel's place: a file is as good as a device ---- */

int ioctl(int file, unsigned long request, ...)
{
	return 0;
}

static off_t size_before_the_end;		/* of what was given its size last */

int ftruncate(int file, off_t length)
{
	struct stat status;

	size_before_the_end = fstat(file, &status) ? -1 : status.st_size;
	return syscall(SYS_ftruncate, file, length) ? -1 : 0;
}

/* ---- then ---- */

#define PIECES	3

static struct volume_extent extents[PIECES] = { { 4096, 2048 }, { 0, 1024 }, { 8192, 4096 } };	/* the last ends with zeros */
static const struct volume scattered = { .sectors = 7168, .extents = extents, .extent_count = PIECES };

static void given_disk(const char *disk)
{
	int file = open(disk, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_NOT_EQUAL_FATAL(file, -1);
	CU_ASSERT_EQUAL(pwrite(file, "second", 6, 0), 6);
	CU_ASSERT_EQUAL(pwrite(file, "first", 5, 4096 * 512), 5);
	CU_ASSERT_EQUAL(pwrite(file, "third", 5, 8192 * 512), 5);
	CU_ASSERT_EQUAL(syscall(SYS_ftruncate, file, 12288 * 512), 0);
	close(file);
}

static bool has(const char *image, off_t at, const char *text)
{
	char found[8] = "";
	int file = open(image, O_RDONLY);
	bool is_there = pread(file, found, strlen(text), at) == (ssize_t)strlen(text) && !strcmp(found, text);

	close(file);
	return is_there;
}

/* Whoever finds a file that is as long as the volume may believe that all of the volume is in it. */
static void exported_image_has_its_size_when_it_has_all(void)
{
	char folder[] = "/tmp/volume-XXXXXX", disk[64], image[64];
	struct stat status;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(disk, sizeof(disk), "%s/disk", folder);
	snprintf(image, sizeof(image), "%s/image", folder);
	given_disk(disk);
	CU_ASSERT_EQUAL_FATAL(volume_copy(disk, &scattered, image, why), 0);
	CU_ASSERT_TRUE(has(image, 0, "first") && has(image, 2048 * 512, "second") && has(image, 3072 * 512, "third"));
	CU_ASSERT_EQUAL(stat(image, &status), 0);
	CU_ASSERT_EQUAL(status.st_size, 7168 * 512);
	CU_ASSERT_TRUE(size_before_the_end >= 3072 * 512 && size_before_the_end < 7168 * 512);
	unlink(disk);
	unlink(image);
	rmdir(folder);
}

static void volumes_are_where_their_extents_are_on_the_device(void)
{
	struct volume_group group;

	devices = ONE_DEVICE;
	segments = ITS_VOLUME;
	CU_ASSERT_EQUAL_FATAL(volume_group_read(&pool, &group, why), 0);
	CU_ASSERT_EQUAL_FATAL(group.count, 1);
	CU_ASSERT_EQUAL(group.volumes[0].extents[0].first, 2048);
	CU_ASSERT_EQUAL(group.volumes[0].sectors, 16384);
	volume_group_free(&group);
}

/* What lvm 2.03.16 says of a group on two devices when it may look at one: both volumes seem to be in the same place. */
static void volumes_on_a_device_that_is_not_there_are_nowhere_else(void)
{
	struct volume_group group;

	devices = ONE_DEVICE ", {\"pv_name\":\"[unknown]\", \"vg_name\":\"skink\", \"pe_start\":\"2048\", \"vg_extent_size\":\"8192\", "
		  "\"pv_free\":\"106496\", \"pv_size\":\"122880\"}";
	segments = ITS_VOLUME ", {\"lv_name\":\"other\", \"segtype\":\"linear\", \"seg_pe_ranges\":\"[unknown]:0-1\", \"lv_tags\":\"\"}";
	CU_ASSERT_EQUAL(volume_group_read(&pool, &group, why), -EPROTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "is on 2 devices"));
	CU_ASSERT_EQUAL(group.count, 0);
	volume_group_free(&group);
}

static void image_that_is_no_file_is_refused_at_once(void)
{
	char folder[] = "/tmp/volume-XXXXXX", fifo[64];
	uint64_t bytes;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	CU_ASSERT_EQUAL_FATAL(mkfifo(fifo, 0600), 0);
	alarm(10);
	CU_ASSERT_EQUAL(volume_image_size(fifo, &bytes, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "is no regular file"));
	CU_ASSERT_EQUAL(volume_image_size(folder, &bytes, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "is no regular file"));
	alarm(0);
	unlink(fifo);
	rmdir(folder);
}

/* A device whose metadata lvm 2.03.16 cannot read is of "[unknown]"; one that nobody has made a group of yet is of none. */
static void device_of_another_group_is_not_taken_for_a_blank_one(void)
{
	static const struct {
		const char *group;
		int result;
	} cases[] = { { "[unknown]", -EPROTO }, { "debian-vg", -EPROTO }, { "", 0 } };
	struct volume_group group;
	char row[200];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(row, sizeof(row), "{\"pv_name\":\"/dev/xvdpn\", \"vg_name\":\"%s\", \"vg_extent_size\":\"0\"}", cases[i].group);
		devices = row;
		why[0] = 0;
		CU_ASSERT_EQUAL(volume_group_read(&pool, &group, why), cases[i].result);
		CU_ASSERT_TRUE(!cases[i].result || strstr(why, cases[i].group));
		CU_ASSERT_FALSE(group.is_there);
		volume_group_free(&group);
	}
}

/* lvm 2.03.16 reports all of these; two volumes in the same place it does not. */
static void volume_that_would_lie_elsewhere_than_among_the_volumes_is_refused(void)
{
	static const struct {
		const char *device, *volume;
		int result;
	} cases[] = { { ONE_DEVICE, LIES_AT("14-14"), 0 }, { ONE_DEVICE, LIES_AT("14-15"), -EPROTO }, { ONE_DEVICE, LIES_AT("100002-100003"), -EPROTO },
		      { ONE_THAT_BEGINS("0"), LIES_AT("0-1"), -EPROTO }, { ONE_THAT_BEGINS("36028797018961920"), LIES_AT("0-1"), -EPROTO } };
	struct volume_group group;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		devices = cases[i].device;
		segments = cases[i].volume;
		why[0] = 0;
		CU_ASSERT_EQUAL(volume_group_read(&pool, &group, why), cases[i].result);
		CU_ASSERT_TRUE(!cases[i].result || strstr(why, "volume 'mine' lies where"));
		volume_group_free(&group);
	}
}

/* lvm takes whole sectors only. */
static void size_of_a_new_volume_is_rounded_up(void)
{
	devices = ONE_DEVICE;
	segments = ITS_VOLUME;
	CU_ASSERT_NOT_EQUAL(volume_create(&pool, "new", 4194305, why), 0);		/* nothing is made by this lvm */
	CU_ASSERT_STRING_EQUAL(size, "8193s");
}

static void names_that_lvm_keeps_for_itself_are_refused_and_no_others(void)		/* VO1 */
{
	static const char *const good[] = { "web", "my-snapshot", "my_pvmove", "a", "A.b_c+d-9" };
	static const char *const bad[] = { "", "-a", ".", "snapshot0", "pvmove0", "web_tdata", "web_rimage_0", "a/b", "a b" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT_TRUE(volume_name_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(volume_name_ok(bad[i]));
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("volume", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(image_that_is_no_file_is_refused_at_once);
	TEST(exported_image_has_its_size_when_it_has_all);
	TEST(volumes_are_where_their_extents_are_on_the_device);
	TEST(volumes_on_a_device_that_is_not_there_are_nowhere_else);
	TEST(device_of_another_group_is_not_taken_for_a_blank_one);
	TEST(volume_that_would_lie_elsewhere_than_among_the_volumes_is_refused);
	TEST(size_of_a_new_volume_is_rounded_up);
	TEST(names_that_lvm_keeps_for_itself_are_refused_and_no_others);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
