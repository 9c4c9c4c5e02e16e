/* SPDX-License-Identifier: MIT */
/* AT2: what a front-end has written into the store. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/attach.h"

#define PORT_MAX	131071u		/* of any ABI of event channels */
#define SHOWN		24		/* of a value that makes no sense */

static bool refuse(char why[ATTACH_WHY], const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(char why[ATTACH_WHY], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, ATTACH_WHY, format, arguments);
	va_end(arguments);
	return false;
}

static void show(const char *value, char shown[SHOWN + 4])
{
	size_t length = strnlen(value, SHOWN);

	for (size_t i = 0; i < length; i++)
		shown[i] = isprint((unsigned char)value[i]) ? value[i] : '?';
	strcpy(shown + length, value[length] ? "..." : "");
}

static bool is_there(const struct attach_front *front, const char *node)
{
	char *text = front->read(front->context, node);

	if (!text)
		return false;
	free(text);
	return true;
}

/* A node of decimal digits, at most `most`. Absent: *number is left as it is, if it may be. */
static bool read_number(const struct attach_front *front, const char *node, bool may_be_absent, uint64_t most, uint64_t *number,
			char why[ATTACH_WHY])
{
	char *text = front->read(front->context, node), shown[SHOWN + 4];
	bool is_digits, fits = false;
	uint64_t value = 0;

	if (!text)
		return may_be_absent || refuse(why, "it has not written '%s'", node);
	is_digits = *text && strlen(text) <= 12 && !text[strspn(text, "0123456789")];
	if (is_digits) {
		value = strtoull(text, NULL, 10);
		fits = value <= most;
	}
	show(text, shown);
	free(text);
	if (!is_digits)
		return refuse(why, "its '%s' is '%s', which is no number", node, shown);
	if (!fits)
		return refuse(why, "its '%s' is %s, and at most %lu is possible", node, shown, most);
	*number = value;
	return true;
}

static bool read_flag(const struct attach_front *front, const char *node, bool otherwise, bool *flag, char why[ATTACH_WHY])
{
	uint64_t value = otherwise;
	bool done = read_number(front, node, true, 1, &value, why);

	*flag = value;
	return done;
}

static bool read_gref(const struct attach_front *front, const char *node, uint32_t *gref, char why[ATTACH_WHY])
{
	uint64_t value = 0;
	bool done = read_number(front, node, false, UINT32_MAX, &value, why);

	*gref = (uint32_t)value;
	return done;
}

static bool read_port(const struct attach_front *front, const char *node, uint32_t *port, char why[ATTACH_WHY])
{
	uint64_t value = 0;
	bool done = read_number(front, node, false, PORT_MAX, &value, why);

	*port = (uint32_t)value;
	return done && (value || refuse(why, "its '%s' is 0, which is no port", node));
}

/* Where the nodes of a queue are: with one queue they may lie at the top. */
static bool read_queue_count(const struct attach_front *front, struct driver_attachment *record, char why[ATTACH_WHY])
{
	uint64_t count = 1;

	if (!read_number(front, "multi-queue-num-queues", true, front->queues_max, &count, why))
		return false;
	if (!count)
		return refuse(why, "its 'multi-queue-num-queues' is 0");
	record->queue_count = (uint16_t)count;
	return true;
}

static const char *node_of(char node[64], const struct driver_attachment *record, uint32_t queue, const char *name)
{
	if (record->queue_count == 1)
		snprintf(node, 64, "%s", name);
	else
		snprintf(node, 64, "queue-%u/%s", queue, name);
	return node;
}

/* ---- network ---- */

static bool read_vif_ports(const struct attach_front *front, struct driver_attachment *record, uint32_t index, char why[ATTACH_WHY])
{
	struct driver_queue *queue = &record->queue[index];
	char node[64];

	if (!is_there(front, node_of(node, record, index, "event-channel")))
		return read_port(front, node_of(node, record, index, "event-channel-tx"), &queue->port[0], why) &&
		       read_port(front, node_of(node, record, index, "event-channel-rx"), &queue->port[1], why);
	if (!read_port(front, node, &queue->port[0], why))
		return false;
	queue->port[1] = queue->port[0];
	return true;
}

static bool read_vif_queue(const struct attach_front *front, struct driver_attachment *record, uint32_t index, char why[ATTACH_WHY])
{
	struct driver_queue *queue = &record->queue[index];
	char node[64];

	queue->ring_pages = 1;
	return read_gref(front, node_of(node, record, index, "tx-ring-ref"), &queue->ring_ref[0], why) &&
	       read_gref(front, node_of(node, record, index, "rx-ring-ref"), &queue->ring_ref[1], why) &&
	       read_vif_ports(front, record, index, why);
}

bool attach_read_vif(const struct attach_front *front, struct driver_attachment *record, char why[ATTACH_WHY])
{
	static const struct {
		const char *node;
		uint32_t flag;
	} features[] = {
		{ "feature-sg", DRIVER_NET_SG }, { "feature-gso-tcpv4", DRIVER_NET_GSO_TCP4 },
		{ "feature-gso-tcpv6", DRIVER_NET_GSO_TCP6 }, { "feature-no-csum-offload", DRIVER_NET_NO_CSUM4 },
		{ "feature-ipv6-csum-offload", DRIVER_NET_CSUM6 }, { "feature-rx-notify", DRIVER_NET_RX_NOTIFY },
	};
	bool is_set;

	if (!read_flag(front, "request-rx-copy", false, &is_set, why))
		return false;
	if (!is_set)
		return refuse(why, "it does not ask for 'request-rx-copy', and there is no other way");
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (!read_flag(front, features[i].node, false, &is_set, why))
			return false;
		record->flags |= is_set ? features[i].flag : 0;
	}
	if (!read_queue_count(front, record, why))
		return false;
	for (uint32_t i = 0; i < record->queue_count; i++)
		if (!read_vif_queue(front, record, i, why))
			return false;
	return true;
}

/* ---- block ---- */

static bool read_ring(const struct attach_front *front, struct driver_attachment *record, uint32_t index, bool has_order, char why[ATTACH_WHY])
{
	struct driver_queue *queue = &record->queue[index];
	char node[64], name[32];

	for (uint32_t i = 0; i < queue->ring_pages; i++) {
		snprintf(name, sizeof(name), has_order ? "ring-ref%u" : "ring-ref", i);
		if (!read_gref(front, node_of(node, record, index, name), &queue->ring_ref[i], why))
			return false;
	}
	return read_port(front, node_of(node, record, index, "event-channel"), &queue->port[0], why);
}

static bool check_protocol(const struct attach_front *front, char why[ATTACH_WHY])
{
	char *text = front->read(front->context, "protocol"), shown[SHOWN + 4];
	bool is_ours = !text || !strcmp(text, "x86_64-abi");

	show(text ? text : "", shown);
	free(text);
	return is_ours || refuse(why, "its 'protocol' is '%s', and only x86_64-abi is spoken", shown);
}

bool attach_read_vbd(const struct attach_front *front, struct driver_attachment *record, char why[ATTACH_WHY])
{
	bool has_order = is_there(front, "ring-page-order");
	uint64_t order = 0;

	if (!check_protocol(front, why) || !read_queue_count(front, record, why) ||
	    !read_number(front, "ring-page-order", true, front->order_max, &order, why))
		return false;
	for (uint32_t i = 0; i < record->queue_count; i++) {
		record->queue[i].ring_pages = 1u << order;
		if (!read_ring(front, record, i, has_order, why))
			return false;
	}
	return true;
}
