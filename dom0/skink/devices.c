/* SPDX-License-Identifier: MIT */
/* Devices of a domain that runs: they come, they go, a link is cut. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "deed.h"
#include "files.h"
#include "lib/need.h"
#include "message.h"
#include "show.h"
#include "table.h"
#include "units.h"
#include "verbs.h"

#define WAIT_S	60.0

int verb_attach(const struct invocation *invocation)
{
	const char *domain = invocation->operands[0], *file = invocation->operands[1];
	struct deed deed = {.invocation = invocation, .method = "attach", .domain = domain, .may_wait = true, .knows_timeout = true,
			    .meanwhile = "skinkd goes on with it: see 'skink info'; 'skink detach' takes it back"};
	char *text, *said;
	json_t *result, *attachment;
	int code;

	if (!timeout_of(invocation, WAIT_S, &deed.timeout) || !files_read(file, &text))
		return EXIT_BAD_INPUT;
	deed.more = json_pack("{s:s, s:s}", "xml", text, "file", file);
	free(text);
	if (!deed.more) {
		complain("attach: %s is not UTF-8: write it in UTF-8", file);
		return EXIT_BAD_INPUT;
	}
	code = deed_do(&deed, &result);
	if (code)
		return code;
	note_lines(json_object_get(result, "warnings"), "");
	attachment = json_object_get(result, "attachment");
	said = need_text("%s %s at %s", text_of(attachment, "name"), strcmp(text_of(attachment, "state"), "connected") ? "is being attached" :
			 "attached", text_of(attachment, "driver"));
	deed_tell(invocation, domain, result, said);
	free(said);
	return EXIT_DONE;
}

int verb_detach(const struct invocation *invocation)
{
	const char *domain = invocation->operands[0], *device = invocation->operands[1];
	struct deed deed = {.invocation = invocation, .method = "detach", .domain = domain, .may_wait = true, .knows_timeout = true,
			    .meanwhile = "the guest was asked to let go of it: see 'skink info'"};
	json_t *result;
	char *said;
	int code;

	if (!timeout_of(invocation, WAIT_S, &deed.timeout))
		return EXIT_BAD_INPUT;
	deed.more = json_pack("{s:s, s:b}", "device", device, "force", invocation->given[OPTION_FORCE]);
	if (!deed.more) {
		complain("detach: write a disk's name, as xvda, or an interface's MAC address");
		return EXIT_BAD_INPUT;
	}
	code = deed_do(&deed, &result);
	if (code)
		return code;
	said = need_text("%s %s", device, invocation->given[OPTION_NO_WAIT] ? "is being detached" : "detached");
	deed_tell(invocation, domain, result, said);
	free(said);
	return EXIT_DONE;
}

int verb_link(const struct invocation *invocation)
{
	const char *domain = invocation->operands[0], *device = invocation->operands[1], *state = invocation->operands[2];
	struct deed deed = {.invocation = invocation, .method = "link", .domain = domain, .meanwhile = "it may have been done"};
	json_t *result;
	char *said;
	int code;

	if (strcmp(state, "up") && strcmp(state, "down")) {
		complain("link: '%s' is no state of a link: write up or down", state);
		return EXIT_BAD_INPUT;
	}
	deed.more = json_pack("{s:s, s:b}", "device", device, "up", strcmp(state, "up") == 0);
	if (!deed.more) {
		complain("link: write the interface's MAC address, as 'skink info %s' shows it", domain);
		return EXIT_BAD_INPUT;
	}
	code = deed_do(&deed, &result);
	if (code)
		return code;
	said = need_text("%s is %s", device, state);
	deed_tell(invocation, domain, result, said);
	free(said);
	return EXIT_DONE;
}

/* ---- as info shows them ---- */

static void traffic_cells(struct table *table, const json_t *attachment)
{
	const json_t *counters = json_object_get(attachment, "counters");
	bool is_disk = strcmp(text_of(attachment, "kind"), "disk") == 0;
	char in[UNITS_TEXT], out[UNITS_TEXT];

	table_cell(table, "%s", format_size(in, count_of(counters, is_disk ? "read_bytes" : "rx_bytes")));
	table_cell(table, "%s", format_size(out, count_of(counters, is_disk ? "write_bytes" : "tx_bytes")));
}

static void remark_cell(struct table *table, const json_t *attachment)
{
	const json_t *counters = json_object_get(attachment, "counters"), *link = json_object_get(attachment, "link_up");
	uint64_t spoofed = count_of(counters, "tx_spoofed"), errors = count_of(counters, "errors");

	if (*text_of(attachment, "why"))
		table_cell(table, "%s", text_of(attachment, "why"));
	else if (json_is_false(link))
		table_cell(table, "link down");
	else if (spoofed)
		table_cell(table, "%lu spoofed packets dropped", spoofed);
	else if (errors)
		table_cell(table, "%lu errors", errors);
	else
		table_cell(table, "%s", "");
}

void print_attachments(const json_t *attachments)
{
	static const char *const columns[] = {"Device", "Domain", "Driver", "State", ">Read/Received", ">Written/Sent", "", NULL};
	struct table *table;
	const json_t *attachment;
	size_t index;

	if (!json_array_size(attachments))
		return;
	putchar('\n');
	table = table_new(columns);
	json_array_foreach(attachments, index, attachment) {
		table_cell(table, "%s", text_of(attachment, "name"));
		table_cell(table, "%s", text_of(attachment, "domain"));
		table_cell(table, "%s", text_of(attachment, "driver"));
		table_cell(table, "%s", text_of(attachment, "state"));
		traffic_cells(table, attachment);
		remark_cell(table, attachment);
	}
	table_print(table);
}
