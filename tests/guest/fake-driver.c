/* SPDX-License-Identifier: MIT */
/*
 * A driver domain that has no device and moves nothing: it answers its table as its command line says, so that skinkd's side
 * can be tested alone. Words of the command line: "net" (else blk), "refuse" (every attachment), "deaf" (answers nothing),
 * "fails" (never serves), "dies" (of its first attachment), "noise" (an event, and a line, at each round).
 */
#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/lib.h"
#include "runtime/notes.h"

RUNTIME_KERNEL

static bool is_told(const char *word)
{
	const char *line = (const char *)boot_info->cmd_line;
	size_t length = strlen(word);

	for (; *line; line++)
		if (!memcmp(line, word, length))
			return true;
	return false;
}

static void answer(struct driver_attachment_status *status, uint32_t serial, enum driver_answer answer)
{
	status->answer = answer;
	if (answer == DRIVER_REFUSED)
		snprintf(status->text, sizeof(status->text), "it was told to refuse");
	__atomic_store_n(&status->serial, serial, __ATOMIC_RELEASE);
}

static bool obey(void)
{
	for (uint32_t i = 0; i < driver_domain.attachment_count; i++) {
		struct driver_attachment_status *status = &driver_domain.status->attachment[i];
		uint32_t serial = __atomic_load_n(&driver_domain.table->attachment[i].serial, __ATOMIC_ACQUIRE);

		if (is_told("deaf"))
			return false;
		if (is_told("dies") && serial)
			panic("it was told to die of attachment %u", serial);
		if (serial && serial != status->serial)
			answer(status, serial, is_told("refuse") ? DRIVER_REFUSED : DRIVER_ATTACHED);
		else if (!serial && status->answer == DRIVER_ATTACHED)
			answer(status, status->serial, DRIVER_DETACHED);
	}
	return true;
}

static bool work(void)
{
	if (is_told("noise")) {
		printf("noise\n");
		driver_domain_tell();
	}
	return is_told("noise");
}

static bool rest(void)
{
	return false;
}

void guest_main(void)
{
	static const struct driver_calls calls = { .obey = obey, .work = work, .rest = rest };
	struct driver_status *status;

	driver_domain_init(is_told("net") ? DRIVER_NET : DRIVER_BLK);
	status = driver_domain.status;
	snprintf(status->device_name, sizeof(status->device_name), "fake");
	status->device_flags = DRIVER_DEVICE_FLUSH | DRIVER_DEVICE_DISCARD | DRIVER_DEVICE_LINK_UP;
	status->sector_bytes = 512;
	status->device_sectors = 65536;
	if (is_told("fails"))
		driver_domain_fail("it was told to fail");
	driver_domain_run(&calls);
}
