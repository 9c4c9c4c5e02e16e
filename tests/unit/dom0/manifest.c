/* SPDX-License-Identifier: MIT */
/*
 * The manifest's parser under sanitizers: hostile texts first. tests/manifests/bad has one mistake in each file, and what
 * is to be said about it on top, in <!-- expect: ... --> lines, or beside it in a .expect file where the file cannot hold
 * a comment; tests/manifests/good has none. Both also feed the fuzzer.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <CUnit/Basic.h>

#include "lib/manifest_schema.h"
#include "lib/manifest.h"
#include "lib/manifest_value.h"
#include "lib/need.h"

#define BAD		"tests/manifests/bad"
#define GOOD		"tests/manifests/good"
#define EXAMPLES	"manifests/examples"
#define SAMPLES		"manifests"

#define EXPECT		"<!-- expect: "

struct text {
	char *bytes;
	size_t length;
};

static struct text file_text(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct text text = { need_zeroed(2 * MANIFEST_BYTES_MAX, 1), 0 };

	if (file) {
		text.length = fread(text.bytes, 1, 2 * MANIFEST_BYTES_MAX - 1, file);
		fclose(file);
	}
	return text;
}

/* A copy of exactly its length, so that ASan sees each step over its end. */
static bool parse(const char *bytes, size_t length, struct manifest **manifest, struct report *report)
{
	char *copy = malloc(length ? length : 1);
	bool is_good;

	memcpy(copy, bytes, length);
	is_good = manifest_parse(copy, length, "x.xml", manifest, report);
	free(copy);
	return is_good;
}

static struct manifest *given(const char *text)
{
	struct report report = { 0 };
	struct manifest *manifest;

	parse(text, strlen(text), &manifest, &report);
	if (report.error_count)
		report_print(&report, stdout);
	report_free(&report);
	return manifest;
}

/* ---- the corpus ---- */

/* "line:column: ..." of each complaint, a line feed after each. */
static char *said(const struct report *report)
{
	char *all = need_copy("");

	for (size_t i = 0; i < report->entry_count; i++) {
		char *line = report_line(&report->entries[i]);
		char *longer = need_text("%s%s\n", all, strchr(line, ':') + 1);

		free(line);
		free(all);
		all = longer;
	}
	return all;
}

static char *expected_on_top(const char *text)
{
	char *all = need_copy("");

	while (strncmp(text, EXPECT, strlen(EXPECT)) == 0) {
		const char *end = strstr(text, " -->\n");
		char *longer;

		if (!end)
			break;
		longer = need_text("%s%.*s\n", all, (int)(end - text - strlen(EXPECT)), text + strlen(EXPECT));
		free(all);
		all = longer;
		text = end + strlen(" -->\n");
	}
	return all;
}

static char *expected(const char *path, const struct text *text)
{
	char *beside = need_text("%.*s.expect", (int)(strlen(path) - strlen(".xml")), path);
	FILE *file = fopen(beside, "rb");
	char *found;

	if (file) {
		fclose(file);
		found = file_text(beside).bytes;
	} else {
		found = expected_on_top(text->bytes);
	}
	free(beside);
	return found;
}

/* Runs `check` on each *.xml in the folder; how many there were. */
static size_t each_file(const char *folder, void (*check)(const char *path, const struct text *text))
{
	struct dirent **entries;
	int count = scandir(folder, &entries, NULL, alphasort);
	size_t checked = 0;

	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		char *path = need_text("%s/%s", folder, name);

		if (strlen(name) > 4 && strcmp(name + strlen(name) - 4, ".xml") == 0) {
			struct text text = file_text(path);

			check(path, &text);
			free(text.bytes);
			checked++;
		}
		free(path);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return checked;
}

static void compare_said(const char *path, const struct text *text, const struct report *report)
{
	char *is = said(report), *ought = expected(path, text);

	if (strcmp(is, ought) != 0) {
		printf("\n    %s\n    said:     %s    expected: %s", path, is, ought);
		CU_FAIL("it says something else");
	}
	free(is);
	free(ought);
}

static void check_bad(const char *path, const struct text *text)
{
	struct report report = { 0 };
	struct manifest *manifest;

	if (parse(text->bytes, text->length, &manifest, &report) || manifest || !report.error_count) {
		printf("\n    %s", path);
		CU_FAIL("a bad manifest is taken for a good one");
	}
	compare_said(path, text, &report);
	report_free(&report);
	manifest_free(manifest);
}

static void each_bad_manifest_is_refused_in_these_words(void)
{
	CU_ASSERT(each_file(BAD, check_bad) >= 200);
}

static bool same(const struct manifest *a, const struct manifest *b)
{
	struct manifest_changes changes;
	bool is_same;

	manifest_compare(a, b, &changes);
	is_same = changes.count == 0 && a->has_uuid == b->has_uuid;
	for (size_t i = 0; i < changes.count; i++)
		printf("\n    %s: '%s' '%s'", changes.changes[i].field, changes.changes[i].from, changes.changes[i].to);
	manifest_changes_free(&changes);
	return is_same;
}

static void check_good(const char *path, const struct text *text)
{
	struct report report = { 0 }, silent = { 0 };
	struct manifest *manifest, *again;
	char *written, *rewritten;

	if (!parse(text->bytes, text->length, &manifest, &report)) {
		report_print(&report, stdout);
		printf("\n    %s", path);
		CU_FAIL("a good manifest is refused");
		report_free(&report);
		return;
	}
	compare_said(path, text, &report);

	written = manifest_write(manifest);
	if (!parse(written, strlen(written), &again, &silent)) {
		report_print(&silent, stdout);
		CU_FAIL_FATAL("N2: what is written cannot be read");
	}
	rewritten = manifest_write(again);
	CU_ASSERT(same(manifest, again));			/* N2 */
	CU_ASSERT_STRING_EQUAL(written, rewritten);
	report_free(&report);
	report_free(&silent);
	free(written);
	free(rewritten);
	manifest_free(manifest);
	manifest_free(again);
}

static void each_good_manifest_is_read_written_and_read_again(void)	/* N2 */
{
	CU_ASSERT(each_file(GOOD, check_good) >= 5);
	CU_ASSERT(each_file(EXAMPLES, check_good) >= 5);
	each_file(SAMPLES, check_good);
}

/* Does libxml2 think of the structure what we think of it? */
static void check_agreement(const char *path, const struct text *text)
{
	struct report report = { 0 };
	struct document document;
	unsigned line;
	char *message = NULL;

	if (document_open(&document, text->bytes, text->length, "x.xml", &report) && document_parse(&document)) {
		bool valid = schema_validates(schema_get(), document.xml, &line, &message);

		manifest_explain(&document, schema_get());
		if (valid != (report.error_count == 0)) {
			printf("\n    %s: libxml2 says %s, we found %zu errors", path, valid ? "valid" : message, report.error_count);
			CU_FAIL("S1");
		}
	}
	free(message);
	document_close(&document);
	report_free(&report);
}

static void explanation_and_validator_agree(void)			/* S1 */
{
	each_file(BAD, check_agreement);
	each_file(GOOD, check_agreement);
	each_file(EXAMPLES, check_agreement);
}

/* ---- hostile texts ---- */

static void check_truncations(const char *path, const struct text *text)
{
	for (size_t length = 0; length < text->length; length++) {
		struct report report = { 0 };
		struct manifest *manifest;

		if (parse(text->bytes, length, &manifest, &report) && memmem(text->bytes, length, "</domain>", 9) == NULL) {
			printf("\n    %s: %zu bytes", path, length);
			CU_FAIL("a truncated manifest is taken for a whole one");
		}
		CU_ASSERT(manifest || report.error_count);
		report_free(&report);
		manifest_free(manifest);
	}
}

static void no_truncation_is_taken_for_a_whole_one(void)
{
	each_file(EXAMPLES, check_truncations);
}

/* Each byte in turn becomes another. Whatever is said, it is said, and nothing breaks. */
static void check_changed_bytes(const char *path, const struct text *text)
{
	static const char others[] = "<>'\"&/=-0 ;\n\xff";

	for (size_t at = 0; at < text->length; at += 3) {
		struct report report = { 0 };
		struct manifest *manifest;
		char old = text->bytes[at];

		text->bytes[at] = others[(at / 3) % (sizeof(others) - 1)];
		CU_ASSERT(parse(text->bytes, text->length, &manifest, &report) == (report.error_count == 0));
		text->bytes[at] = old;
		report_free(&report);
		manifest_free(manifest);
	}
}

static void no_changed_byte_breaks_it(void)
{
	each_file(GOOD, check_changed_bytes);
}

/* head, then body `times` times, then tail. */
static struct text repeated(const char *head, const char *body, size_t times, const char *tail)
{
	struct text text = { need_zeroed(strlen(head) + strlen(body) * times + strlen(tail) + 1, 1), 0 };
	char *end = stpcpy(text.bytes, head);

	for (size_t i = 0; i < times; i++)
		end = stpcpy(end, body);
	text.length = stpcpy(end, tail) - text.bytes;
	return text;
}

#define GUEST_BEGIN	"<domain type='skink' xmlns:skink='urn:skink:manifest:1'><name>web</name><memory>131072</memory>" \
			"<os><kernel>/boot/vmlinuz</kernel></os>"
#define GUEST_END	"</domain>"

/* Whether it is refused is the caller's matter; that it takes long is ours: a minute of CPU time with sanitizers, where the worst takes some ten seconds. */
static bool is_refused_soon(struct text text)
{
	struct report report = { 0 };
	struct manifest *manifest;
	clock_t begin = clock();
	bool is_good = parse(text.bytes, text.length, &manifest, &report);
	double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;

	if (seconds > 60)
		printf("\n    %.1f s for %zu bytes", seconds, text.length);
	CU_ASSERT(seconds <= 60);
	CU_ASSERT(report.entry_count <= REPORT_ENTRIES_MAX);		/* R1 */
	free(text.bytes);
	report_free(&report);
	manifest_free(manifest);
	return !is_good;
}

static void what_is_too_large_is_refused_before_it_is_parsed(void)
{
	CU_ASSERT(is_refused_soon(repeated("", "<a>", MANIFEST_BYTES_MAX / 3 + 1, "")));
	CU_ASSERT(is_refused_soon(repeated(GUEST_BEGIN, " ", MANIFEST_BYTES_MAX, GUEST_END)));
	CU_ASSERT(!is_refused_soon(repeated(GUEST_BEGIN, " ", MANIFEST_BYTES_MAX / 2, GUEST_END)));
}

static void much_of_anything_takes_no_long_time(void)
{
	CU_ASSERT(is_refused_soon(repeated("", "<a>", 300000, "")));
	CU_ASSERT(is_refused_soon(repeated("<domain ", "a='' ", 200000, "/>")));
	CU_ASSERT(is_refused_soon(repeated("<domain a='", "x", 1000000, "'/>")));
	CU_ASSERT(is_refused_soon(repeated(GUEST_BEGIN, "<a/>", 250000, GUEST_END)));
	CU_ASSERT(is_refused_soon(repeated(GUEST_BEGIN, "<vcpus/>", 120000, GUEST_END)));
	CU_ASSERT(is_refused_soon(repeated(GUEST_BEGIN "<description>", "a<!---->", 120000, "</description><a/>" GUEST_END)));
	CU_ASSERT(is_refused_soon(repeated("<!DOCTYPE domain [", "<!ENTITY a 'b'>", 60000, "]><domain/>")));
	CU_ASSERT(is_refused_soon(repeated(GUEST_BEGIN, "&#60;", 200000, GUEST_END)));
	CU_ASSERT(!is_refused_soon(repeated(GUEST_BEGIN "<devices>", "<input/>", 60000, "</devices>" GUEST_END)));
	CU_ASSERT(is_refused_soon(repeated(GUEST_BEGIN "<devices>", "<disk type='volume'><source pool='d' volume='v'/>"
					   "<target dev='xvda'/></disk>", 10000, "</devices>" GUEST_END)));
	CU_ASSERT(is_refused_soon(repeated(GUEST_BEGIN "<cputune>", "<vcpupin vcpu='0' cpuset='0'/>", 30000,
					   "</cputune>" GUEST_END)));
	CU_ASSERT(is_refused_soon(repeated(GUEST_BEGIN "<metadata>", "<a>", 200, "</metadata>" GUEST_END)));
}

static void nothing_outside_of_the_text_is_read(void)			/* X1, X3 */
{
	static const char *const texts[] = {
		"<!DOCTYPE d SYSTEM '/etc/passwd'>" GUEST_BEGIN GUEST_END,
		"<!DOCTYPE d [<!ENTITY e SYSTEM '/etc/passwd'>]>" GUEST_BEGIN "<title>&e;</title>" GUEST_END,
		GUEST_BEGIN "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='/etc/passwd' parse='text'/>" GUEST_END,
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct report report = { 0 };
		struct manifest *manifest;
		char *all;

		CU_ASSERT(!parse(texts[i], strlen(texts[i]), &manifest, &report));
		all = said(&report);
		CU_ASSERT_PTR_NULL(strstr(all, "root:"));
		free(all);
		report_free(&report);
	}
}

static void a_message_moves_no_cursor(void)
{
	struct report report = { 0 };
	struct blame blame = { "a\033[2J.xml", { 1, 1 }, "b" };
	char *line;

	report_error(&report, &blame, "'%s'\n%s", "\r\033]0;x\a\xc2\x9b", "\x7f");
	line = report_line(&report.entries[0]);
	CU_ASSERT_STRING_EQUAL(line, "a?[2J.xml:1:1: <b>: '?" "?]0;x?" "?" "?': ?");
	free(line);
	report_free(&report);
}

/* ---- what comes out ---- */

static void what_is_left_out_has_its_default(void)			/* N1 */
{
	struct manifest *manifest = given(GUEST_BEGIN GUEST_END);

	CU_ASSERT_FATAL(manifest != NULL);
	CU_ASSERT_STRING_EQUAL(manifest->name, "web");
	CU_ASSERT(!manifest->has_uuid);
	CU_ASSERT(manifest->memory_kib == 131072 && manifest->current_memory_kib == 131072);
	CU_ASSERT(manifest->vcpus == 1 && manifest->current_vcpus == 1 && manifest->affinity[0] == 0);
	CU_ASSERT(manifest->sched.weight == 256 && manifest->sched.cap_percent == 0 && manifest->sched.warp_us == 0);
	CU_ASSERT_STRING_EQUAL(manifest->cmdline, "");
	CU_ASSERT_PTR_NULL(manifest->initrd);
	CU_ASSERT(manifest->on_poweroff == ACTION_DESTROY && manifest->on_reboot == ACTION_RESTART &&
		  manifest->on_crash == ACTION_DESTROY);
	CU_ASSERT(manifest->has_console && manifest->role == ROLE_GUEST);
	manifest_free(manifest);
}

#define DRIVER(role, inside) \
	"<domain type='skink' xmlns:skink='urn:skink:manifest:1'><name>d</name><memory unit='MiB'>16</memory><devices>" \
	"<hostdev type='pci'><source><address bus='0' slot='10' function='1'/></source></hostdev></devices>" \
	"<skink:driver role='" role "'>" inside "</skink:driver></domain>"

static void a_driver_has_the_policy_of_its_role(void)			/* N1 */
{
	struct manifest *net = given(DRIVER("net", "")), *blk = given(DRIVER("blk", "<skink:restart then='quarantine'/>"));

	CU_ASSERT_FATAL(net && blk);
	CU_ASSERT(net->driver.restart.then == EXHAUSTED_QUARANTINE_CLOSE && blk->driver.restart.then == EXHAUSTED_QUARANTINE_HOLD);
	CU_ASSERT(net->driver.health.device_us == 1000000 && blk->driver.health.device_us == 10000000);
	CU_ASSERT(net->driver.restart.limit == 5 && net->driver.restart.within_us == 60000000 && net->driver.restart.is_armed);
	CU_ASSERT(net->driver.dma_pool_kib == 4096 && !net->driver.dma_unprotected && !net->driver.may_inject);
	CU_ASSERT(net->device_count == 1 && net->devices[0].slot == 10 && net->devices[0].function == 1);
	CU_ASSERT_PTR_NULL(net->kernel);
	CU_ASSERT(!net->has_console);
	manifest_free(net);
	manifest_free(blk);
}

/* It comes before Domain-0 while it is warped: one that hangs is not to keep skinkd away until its deadline has passed. */
static void a_disk_s_driver_that_hangs_is_soon_nobody_special(void)
{
	struct manifest *net = given(DRIVER("net", "")), *blk = given(DRIVER("blk", ""));

	CU_ASSERT_FATAL(net && blk);
	CU_ASSERT(!net->sched.warp_us && !net->sched.warp_limit_us && blk->sched.warp_us == 10000);
	CU_ASSERT(blk->sched.warp_limit_us && blk->sched.warp_limit_us <= blk->driver.health.hang_us / 2);
	manifest_free(net);
	manifest_free(blk);
}

static void everything_arrives(void)
{
	struct text text = file_text(GOOD "/everything.xml");
	struct manifest *m = given(text.bytes);

	CU_ASSERT_FATAL(m != NULL);
	CU_ASSERT(m->has_uuid && m->uuid[0] == 0x3e && m->uuid[15] == 0x2b);
	CU_ASSERT(m->memory_kib == 1 << 20 && m->current_memory_kib == 512 << 10);
	CU_ASSERT(m->vcpus == 4 && m->current_vcpus == 2 && m->affinity[0] == 0xf7 && m->affinity[1] == 1ull << 63);
	CU_ASSERT(m->sched.weight == 512 && m->sched.cap_percent == 200 && m->sched.warp_us == 10000 &&
		  m->sched.warp_limit_us == 100000);
	CU_ASSERT(m->limit[SKINK_ACCOUNT_HYPERCALLS] == 2000 && m->limit[SKINK_ACCOUNT_EVENTS_SENT] == 1 &&
		  m->limit[SKINK_ACCOUNT_GRANT_MAPS] == 0 && m->limit[SKINK_ACCOUNT_PAGE_TABLE_UPDATES] == 10000);
	CU_ASSERT_STRING_EQUAL(m->cmdline, "root=/dev/xvda1 ro  name=\"two  spaces\" it='s <fine>'");
	CU_ASSERT(m->on_poweroff == ACTION_PRESERVE && m->on_reboot == ACTION_DESTROY && m->on_crash == ACTION_COREDUMP_RESTART);
	CU_ASSERT(m->clock == CLOCK_VARIABLE && m->clock_adjustment_s == -3600);
	CU_ASSERT_FATAL(m->disk_count == 6 && m->interface_count == 3);
	CU_ASSERT(m->disks[0].sector_bytes == 4096 && m->disks[0].queues == 2 && !m->disks[0].may_discard);
	CU_ASSERT(m->disks[0].iotune.total_bytes_per_s == 10000000 && m->disks[0].iotune.write_iops == 50);
	CU_ASSERT_STRING_EQUAL(m->disks[1].extents[0].name, "logs%20and-more");
	CU_ASSERT(m->disks[1].is_transient && m->disks[2].is_shareable && m->disks[3].is_readonly && m->disks[3].extent_count == 3);
	CU_ASSERT_STRING_EQUAL(m->disks[2].extents[0].name, "abcdef01-4f53-4fa7-bb32-11f34168b82b");
	CU_ASSERT(m->disks[4].extents[0].kind == EXTENT_WHOLE && m->disks[5].is_cdrom && m->disks[5].extent_count == 0);
	CU_ASSERT(m->interfaces[0].mac[5] == 0x56 && m->interfaces[0].address_count == 2 && !m->interfaces[0].guard_mac);
	CU_ASSERT_STRING_EQUAL(m->interfaces[0].addresses[1], "2001:db8::10");
	CU_ASSERT(m->interfaces[0].inbound.peak_bytes_per_s == 2048000 && m->interfaces[0].outbound.burst_bytes == 0);
	CU_ASSERT(m->interfaces[0].vlan_count == 2 && m->interfaces[0].native_vlan == 1 && m->interfaces[0].is_trunk);
	CU_ASSERT(!m->interfaces[0].is_up && m->interfaces[0].mtu == 9000 && m->interfaces[1].vlans[0] == 42);
	CU_ASSERT_STRING_EQUAL(m->interfaces[2].driver, "net2");
	CU_ASSERT_STRING_EQUAL(m->description, "First line & <second> \"line\",\n    with 'quotes' and <cdata> & co.");
	CU_ASSERT_PTR_NOT_NULL(strstr(m->metadata, "paid &amp; sent<!-- a note -->"));
	CU_ASSERT_PTR_NOT_NULL(strstr(m->metadata, "xmlns:shop"));
	manifest_free(m);
	free(text.bytes);
}

/* As many as their drivers serve: a disk's 4, an interface's 16. */
static void queues_are_no_more_than_a_driver_serves(void)
{
	for (unsigned int queues = 0; queues < 18; queues++) {
		char text[1024];
		struct report report = { 0 };
		struct manifest *manifest;

		snprintf(text, sizeof(text), "<domain type='skink'><name>web</name><memory>131072</memory><os><kernel>/k</kernel></os><devices>"
			 "<disk type='volume'><source pool='disk0' volume='web'/><target dev='xvda'/><driver type='raw' queues='%u'/></disk>"
			 "</devices></domain>", queues);
		CU_ASSERT_EQUAL(parse(text, strlen(text), &manifest, &report), queues >= 1 && queues <= 4);
		CU_ASSERT(!manifest || manifest->disks[0].queues == queues);
		manifest_free(manifest);
		report_free(&report);
		snprintf(text, sizeof(text), "<domain type='skink'><name>web</name><memory>131072</memory><os><kernel>/k</kernel></os><devices>"
			 "<interface type='bridge'><source bridge='net0'/><driver queues='%u'/></interface></devices></domain>", queues);
		CU_ASSERT_EQUAL(parse(text, strlen(text), &manifest, &report), queues >= 1 && queues <= 16);
		CU_ASSERT(!manifest || manifest->interfaces[0].queues == queues);
		manifest_free(manifest);
		report_free(&report);
	}
}

static void a_check_of_the_host_can_blame_an_element(void)
{
	struct manifest *manifest = given("<domain type='skink'>\n  <name>web</name><memory>131072</memory>\n"
					  "  <os>\n\t<kernel>/boot/vmlinuz</kernel></os>\n</domain>");
	struct report report = { 0 };
	struct blame kernel = manifest_blame(manifest, MANIFEST_KERNEL), initrd = manifest_blame(manifest, MANIFEST_INITRD);
	char *line;

	report_error(&report, &kernel, "'%s' is not there\nname a kernel", manifest->kernel);
	line = report_line(&report.entries[0]);
	CU_ASSERT_STRING_EQUAL(line, "x.xml:4:2: <kernel>: '/boot/vmlinuz' is not there: name a kernel");
	CU_ASSERT_STRING_EQUAL(initrd.element, "domain");
	CU_ASSERT_EQUAL(initrd.at.line, 1);
	CU_ASSERT_STRING_EQUAL(manifest_blame(manifest, MANIFEST_CURRENT_MEMORY).element, "memory");
	free(line);
	report_free(&report);
	manifest_free(manifest);
}

/* ---- several of them ---- */

static size_t errors_in_set(const char *first, const char *second)
{
	struct manifest *manifests[2] = { given(first), given(second) };
	struct report report = { 0 };
	size_t errors;

	CU_ASSERT_FATAL(manifests[0] && manifests[1]);
	manifest_check_set(manifests, 2, &report);
	errors = report.error_count;
	report_free(&report);
	manifest_free(manifests[0]);
	manifest_free(manifests[1]);
	return errors;
}

#define WEB(name, inside) \
	"<domain type='skink' xmlns:skink='urn:skink:manifest:1'><name>" name "</name><memory>131072</memory>" \
	"<os><kernel>/boot/vmlinuz</kernel></os>" inside "</domain>"
#define UUID		"<uuid>3e3fce45-4f53-4fa7-bb32-11f34168b82b</uuid>"
#define NIC_WITH(inside) "<devices><interface type='bridge'><source bridge='net0'/><mac address='00:16:3e:00:00:01'/>" inside \
			"</interface></devices>"
#define NIC(net)	"<devices><interface type='bridge'><source bridge='" net "'/><mac address='00:16:3e:00:00:01'/>" \
			"</interface></devices>"
#define DISK(inside)	"<devices><disk type='volume'><source pool='disk0' volume='v'/><target dev='xvda'/>" inside \
			"</disk></devices>"

#define ONLY_DISK(extent) "<devices><disk type='block'><source><skink:extent " extent "/></source><target dev='xvda'/>" \
			"</disk></devices>"

static void a_set_has_each_name_uuid_mac_device_and_extent_once(void)
{
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", ""), WEB("b", "")), 0);
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", ""), WEB("a", "")), 1);
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", UUID), WEB("b", UUID)), 1);
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", UUID), WEB("b", "")), 0);
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", NIC("net0")), WEB("b", NIC("net0"))), 1);
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", NIC("net0")), WEB("b", NIC("net1"))), 0);
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", DISK("")), WEB("b", DISK(""))), 1);
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", DISK("<readonly/>")), WEB("b", DISK(""))), 1);
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", DISK("<readonly/>")), WEB("b", DISK("<readonly/>"))), 0);
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", DISK("<shareable/>")), WEB("b", DISK("<shareable/>"))), 0);
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", DISK("<shareable/>")), WEB("b", DISK(""))), 1);
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", DISK("")), WEB("b", ONLY_DISK("volume='v'"))), 1);
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", DISK("")), WEB("b", ONLY_DISK("volume='w'"))), 0);
	CU_ASSERT_EQUAL(errors_in_set(WEB("a", DISK("")), WEB("b", ONLY_DISK("whole='yes'"))), 1);
	CU_ASSERT_EQUAL(errors_in_set(DRIVER("net", ""), WEB("b", "")), 0);
	CU_ASSERT_EQUAL(errors_in_set(DRIVER("net", ""), DRIVER("blk", "")), 2);
}

/* ---- comparing ---- */

/* "field=how" of each difference, a space after each. */
static char *differences(const char *old_text, const char *new_text)
{
	static const char *const how[] = { [CHANGE_LIVE] = "live", [CHANGE_RESTART] = "restart", [CHANGE_RECORD] = "record" };
	struct manifest *old = given(old_text), *new = given(new_text);
	struct manifest_changes changes;
	char *all = need_copy("");

	CU_ASSERT_FATAL(old && new);
	manifest_compare(old, new, &changes);
	for (size_t i = 0; i < changes.count; i++) {
		char *longer = need_text("%s%s=%s ", all, changes.changes[i].field, how[changes.changes[i].how]);

		free(all);
		all = longer;
	}
	manifest_changes_free(&changes);
	manifest_free(old);
	manifest_free(new);
	return all;
}

#define CHECK_DIFFERENCES(old, new, expected_text) do { \
	char *found = differences(old, new); \
	if (strcmp(found, expected_text) != 0) \
		printf("\n    found: %s", found); \
	CU_ASSERT_STRING_EQUAL(found, expected_text); \
	free(found); \
} while (0)

static void a_plan_tells_what_needs_a_restart(void)
{
	CHECK_DIFFERENCES(WEB("a", ""), WEB("a", ""), "");
	CHECK_DIFFERENCES(WEB("a", UUID), WEB("a", ""), "");
	CHECK_DIFFERENCES(WEB("a", ""), WEB("a", UUID), "uuid=restart ");
	CHECK_DIFFERENCES(WEB("a", ""), WEB("a", "<title>t</title>"), "title=record ");
	CHECK_DIFFERENCES(WEB("a", ""), WEB("a", "<currentMemory>65536</currentMemory>"), "currentMemory=live ");
	CHECK_DIFFERENCES(WEB("a", ""), WEB("a", "<vcpu>2</vcpu>"), "vcpu=restart vcpu current=live ");
	CHECK_DIFFERENCES(WEB("a", "<vcpu>2</vcpu>"), WEB("a", "<vcpu current='1'>2</vcpu>"), "vcpu current=live ");
	CHECK_DIFFERENCES(WEB("a", ""), WEB("a", "<vcpu cpuset='1'>1</vcpu>"), "vcpupin 0=live ");
	CHECK_DIFFERENCES(WEB("a", ""), WEB("a", "<skink:sched weight='512'/>"), "weight=live ");
	CHECK_DIFFERENCES(WEB("a", ""), WEB("a", "<on_crash>restart</on_crash>"), "on_crash=live ");
	CHECK_DIFFERENCES(WEB("a", DISK("")), WEB("a", ""), "disk xvda=live ");
	CHECK_DIFFERENCES(WEB("a", ""), WEB("a", DISK("")), "disk xvda=live ");
	CHECK_DIFFERENCES(WEB("a", DISK("")), WEB("a", DISK("<readonly/>")), "disk xvda=restart ");
	CHECK_DIFFERENCES(WEB("a", DISK("")), WEB("a", DISK("<iotune><total_iops_sec>9</total_iops_sec></iotune>")),
			  "disk xvda iotune=live ");
	CHECK_DIFFERENCES(WEB("a", NIC("net0")), WEB("a", NIC("net1")), "interface 0=restart ");
	CHECK_DIFFERENCES(WEB("a", ""), WEB("a", NIC("net0")), "interface 0=live ");
	CHECK_DIFFERENCES(WEB("a", NIC("net0")), WEB("a", NIC_WITH("<vlan><tag id='7'/></vlan>")), "interface 0: vlan=restart ");
	CHECK_DIFFERENCES(WEB("a", NIC("net0")), WEB("a", NIC_WITH("<link state='down'/>")), "interface 0: link=live ");
	CHECK_DIFFERENCES(DRIVER("net", ""), DRIVER("net", "<skink:restart limit='6'/>"), "restart limit=live ");
	CHECK_DIFFERENCES(DRIVER("net", ""), DRIVER("net", "<skink:dma pool='8MiB'/>"), "dma pool=restart ");
}

/* ---- values ---- */

static void amounts_are_exact_or_refused(void)
{
	uint64_t result = 7;

	CU_ASSERT(value_duration("0us", &result) && result == 0);
	CU_ASSERT(value_duration("999999999h", &result) && result == 3599999996400000000ull);
	CU_ASSERT(!value_duration("99999999999999h", &result) && !value_duration("5", &result) && !value_duration("ms", &result));
	CU_ASSERT(value_memory("1", "b", &result) && result == 1);
	CU_ASSERT(value_memory("2049", "bytes", &result) && result == 3);
	CU_ASSERT(value_memory("1", "MB", &result) && result == 977);
	CU_ASSERT(value_memory("3", NULL, &result) && result == 3);
	CU_ASSERT(!value_memory("18446744073709551615", "KiB", &result) && !value_memory("-1", "KiB", &result));
	CU_ASSERT(!value_memory("1", "kib", &result));
	CU_ASSERT_EQUAL(result, 3);
}

static void sets_of_cpus_are_written_as_they_are_read(void)
{
	static const char *const texts[] = { "0", "63", "0-63", "1-2,4", "0,2,4-6" };
	uint64_t cpus, large = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *text;

		CU_ASSERT(value_cpus(texts[i], &cpus, &large));
		text = value_cpus_text(cpus);
		CU_ASSERT_STRING_EQUAL(text, texts[i]);
		free(text);
	}
	CU_ASSERT(value_cpus("0-3,^1-2", &cpus, &large) && cpus == 9);
	CU_ASSERT(value_cpus("5, 6", &cpus, &large) && cpus == 0x60);
	CU_ASSERT(!value_cpus("^5", &cpus, &large) && !value_cpus("2-1", &cpus, &large) && !value_cpus("", &cpus, &large));
	CU_ASSERT(!value_cpus("0-99999999999999999999", &cpus, &large) && large == 0);
	CU_ASSERT(!value_cpus("64", &cpus, &large) && large == 64);
}

static void what_is_quoted_is_short_and_whole(void)
{
	char shown[VALUE_SHOWN];
	char *umlauts = repeated("", "ü", 40, "").bytes;

	value_show("a\nb", shown);
	CU_ASSERT_STRING_EQUAL(shown, "a b");
	value_show(umlauts, shown);
	CU_ASSERT(strlen(shown) < VALUE_SHOWN);
	CU_ASSERT_STRING_EQUAL(shown + strlen(shown) - 5, "ü…");
	free(umlauts);
}

#define CASE(function) { #function, function }

int main(void)
{
	static CU_TestInfo cases[] = {
		CASE(each_bad_manifest_is_refused_in_these_words),
		CASE(each_good_manifest_is_read_written_and_read_again),
		CASE(explanation_and_validator_agree),
		CASE(no_truncation_is_taken_for_a_whole_one),
		CASE(no_changed_byte_breaks_it),
		CASE(what_is_too_large_is_refused_before_it_is_parsed),
		CASE(much_of_anything_takes_no_long_time),
		CASE(nothing_outside_of_the_text_is_read),
		CASE(a_message_moves_no_cursor),
		CASE(what_is_left_out_has_its_default),
		CASE(a_driver_has_the_policy_of_its_role),
		CASE(a_disk_s_driver_that_hangs_is_soon_nobody_special),
		CASE(everything_arrives),
		CASE(queues_are_no_more_than_a_driver_serves),
		CASE(a_check_of_the_host_can_blame_an_element),
		CASE(a_set_has_each_name_uuid_mac_device_and_extent_once),
		CASE(a_plan_tells_what_needs_a_restart),
		CASE(amounts_are_exact_or_refused),
		CASE(sets_of_cpus_are_written_as_they_are_read),
		CASE(what_is_quoted_is_short_and_whole),
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "manifest", NULL, NULL, NULL, NULL, cases }, CU_SUITE_INFO_NULL };
	unsigned failures;

	if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS)
		return 1;
	CU_basic_set_mode(CU_BRM_NORMAL);
	failures = CU_basic_run_tests() == CUE_SUCCESS ? CU_get_number_of_failures() : 1;
	failures += CU_get_number_of_tests_run() != sizeof(cases) / sizeof(cases[0]) - 1;
	CU_cleanup_registry();
	return failures ? 1 : 0;
}
