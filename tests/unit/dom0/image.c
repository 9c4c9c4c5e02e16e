/* SPDX-License-Identifier: MIT */
/* What an image says of itself, against what is attached (lib/image.h: IM2); and the note that says it (lib/pvelf.h). */
#include "lib/image.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

#include "../../../protocols/ledger.h"

static struct driver_table *table;
static char why[300];

static struct driver_note given_note(void)
{
	return (struct driver_note){ .version = DRIVER_VERSION, .role = DRIVER_BLK, .ledger_version = LEDGER_VERSION,
				     .flags = DRIVER_BLK_READONLY | DRIVER_BLK_DISCARD, .queues = 4 };
}

static void given_table(void)
{
	free(table);
	table = calloc(1, DRIVER_TABLE_BYTES(DRIVER_ATTACHMENTS_MAX));
	CU_ASSERT_PTR_NOT_NULL_FATAL(table);
	table->role = DRIVER_BLK;
	table->attachment[DRIVER_ATTACHMENTS_MAX - 1] = (struct driver_attachment){
		.serial = 7, .front_id = 12, .queue_count = 4, .flags = DRIVER_BLK_DISCARD };
}

static bool refuses(struct driver_note note, const char *what)
{
	*why = 0;
	return image_check(&note, table, why, sizeof(why)) && strstr(why, what);
}

static void image_of_another_version_or_role_is_refused(void)
{
	struct driver_note note = given_note();

	given_table();
	note.version++;
	CU_ASSERT_TRUE(refuses(note, "of the attachment table"));
	note = given_note();
	note.ledger_version++;
	CU_ASSERT_TRUE(refuses(note, "keeps ledgers of version 2"));
	note = given_note();
	note.role = DRIVER_NET;
	CU_ASSERT_TRUE(refuses(note, "is of role 1, and the driver of role 2"));
}

static void image_without_what_was_negotiated_is_refused(void)
{
	struct driver_note note = given_note();

	given_table();
	note.flags = DRIVER_BLK_READONLY;
	CU_ASSERT_TRUE(refuses(note, "domain 12 has negotiated (flags 0x4)"));
	note = given_note();
	note.queues = 3;
	CU_ASSERT_TRUE(refuses(note, "it serves 3 queues of a device, and domain 12 has 4"));
}

static void image_that_can_all_of_it_is_taken(void)
{
	struct driver_note note = given_note();

	given_table();
	CU_ASSERT_EQUAL(image_check(&note, table, why, sizeof(why)), 0);
	/* What a record that is free once said binds nobody. */
	table->attachment[DRIVER_ATTACHMENTS_MAX - 1].serial = 0;
	note.flags = note.queues = 0;
	CU_ASSERT_EQUAL(image_check(&note, table, why, sizeof(why)), 0);
	free(table);
	table = NULL;
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("image", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(image_of_another_version_or_role_is_refused);
	TEST(image_without_what_was_negotiated_is_refused);
	TEST(image_that_can_all_of_it_is_taken);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
