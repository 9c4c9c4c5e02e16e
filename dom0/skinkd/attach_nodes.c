/* SPDX-License-Identifier: MIT */
#include "skinkd/attach_nodes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skinkd/domain.h"

#define TRIES	8		/* of a transaction that somebody else's crossed */
#define TOKEN	"attachment"

struct writer {
	const struct attachment *attachment;
	xs_transaction_t transaction;
	const char *below;
	int error;
};

static const char *const kinds[] = { [ATTACH_VIF] = "vif", [ATTACH_VBD] = "vbd" };

void attach_front_path(const struct attachment *attachment, char path[ATTACH_PATH])
{
	snprintf(path, ATTACH_PATH, "/local/domain/%u/device/%s/%u", attachment->front_id, kinds[attachment->kind], attachment->device);
}

void attach_back_path(const struct attachment *attachment, char path[ATTACH_PATH])
{
	snprintf(path, ATTACH_PATH, "/local/domain/0/backend/%s/%u/%u", kinds[attachment->kind], attachment->front_id,
		 attachment->device);
}

/* ---- making them ---- */

static void put(struct writer *writer, const char *node, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void put(struct writer *writer, const char *node, const char *format, ...)
{
	char path[ATTACH_PATH + 64], value[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(value, sizeof(value), format, arguments);
	va_end(arguments);
	snprintf(path, sizeof(path), "%s/%s", writer->below, node);
	if (!xs_write(host.store.handle, writer->transaction, path, value, (unsigned int)strlen(value)) && !writer->error)
		writer->error = -(errno ? errno : EIO);
}

/* A folder that `owner` may write into and `reader` may read. */
static void make(struct writer *writer, domid_t owner, domid_t reader)
{
	struct xs_permissions permissions[] = { { .id = owner, .perms = XS_PERM_NONE }, { .id = reader, .perms = XS_PERM_READ } };

	xs_rm(host.store.handle, writer->transaction, writer->below);
	if ((!xs_mkdir(host.store.handle, writer->transaction, writer->below) ||
	     !xs_set_permissions(host.store.handle, writer->transaction, writer->below, permissions, 2)) && !writer->error)
		writer->error = -(errno ? errno : EIO);
}

static const struct manifest_interface *interface_of(const struct attachment *attachment)
{
	return attach_interface(attach_manifest_of(attachment->front_id), attachment->key);
}

static void put_front(struct writer *writer, const char *back, domid_t driver_id)
{
	const struct attachment *attachment = writer->attachment;
	const struct manifest_interface *interface;
	const struct manifest_disk *disk;

	make(writer, attachment->front_id, 0);
	put(writer, "backend", "%s", back);
	put(writer, "backend-id", "%u", driver_id);
	if (attachment->kind == ATTACH_VIF) {
		interface = interface_of(attachment);
		put(writer, "handle", "%u", attachment->device);
		put(writer, "mac", "%s", attachment->key);
		put(writer, "mtu", "%u", interface ? interface->mtu : 1500);
	} else {
		disk = attach_disk(attach_manifest_of(attachment->front_id), attachment->key);
		put(writer, "virtual-device", "%u", attachment->device);
		put(writer, "device-type", "%s", disk && disk->is_cdrom ? "cdrom" : "disk");
	}
	put(writer, "state", "%d", XenbusStateInitialising);
}

static void put_back(struct writer *writer, const char *front)
{
	const struct attachment *attachment = writer->attachment;
	const struct manifest_disk *disk;

	make(writer, 0, attachment->front_id);
	put(writer, "frontend", "%s", front);
	put(writer, "frontend-id", "%u", attachment->front_id);
	put(writer, "online", "1");
	put(writer, "backend-domain", "%s", attachment->driver_name);
	if (attachment->kind == ATTACH_VIF) {
		put(writer, "handle", "%u", attachment->device);
		put(writer, "mac", "%s", attachment->key);
		put(writer, "bridge", "%s", attachment->driver_name);
		put(writer, "type", "vif");
	} else {
		disk = attach_disk(attach_manifest_of(attachment->front_id), attachment->key);
		put(writer, "dev", "%s", attachment->key);
		put(writer, "type", "phy");
		put(writer, "params", "%s", attachment->driver_name);
		put(writer, "mode", "%s", disk && disk->is_readonly ? "r" : "w");
		put(writer, "device-type", "%s", disk && disk->is_cdrom ? "cdrom" : "disk");
		put(writer, "removable", "%d", disk && disk->is_cdrom);
	}
	put(writer, "state", "%d", XenbusStateInitialising);
}

static int add_once(const struct attachment *attachment, domid_t driver_id)
{
	char front[ATTACH_PATH], back[ATTACH_PATH];
	struct writer writer = { .attachment = attachment };

	attach_front_path(attachment, front);
	attach_back_path(attachment, back);
	writer.transaction = xs_transaction_start(host.store.handle);
	if (writer.transaction == XBT_NULL)
		return -(errno ? errno : EIO);
	writer.below = back;
	put_back(&writer, front);
	writer.below = front;
	put_front(&writer, back, driver_id);
	if (!xs_transaction_end(host.store.handle, writer.transaction, writer.error != 0) && !writer.error)
		return -(errno ? errno : EIO);
	return writer.error;
}

static void watch_front(const struct attachment *attachment)
{
	char path[ATTACH_PATH + 8];

	attach_front_path(attachment, path);
	strcat(path, "/state");
	if (host.store.handle)
		xs_watch(host.store.handle, path, TOKEN);
}

int attach_nodes_add(const struct attachment *attachment, domid_t driver_id)
{
	int result = host.store.handle ? -EAGAIN : -ENOTCONN;

	for (int i = 0; i < TRIES && result == -EAGAIN; i++)
		result = add_once(attachment, driver_id);
	if (!result)
		watch_front(attachment);
	return result;
}

void attach_nodes_remove(const struct attachment *attachment)
{
	char path[ATTACH_PATH + 8];

	if (!host.store.handle)
		return;
	attach_front_path(attachment, path);
	xs_rm(host.store.handle, XBT_NULL, path);
	strcat(path, "/state");
	xs_unwatch(host.store.handle, path, TOKEN);
	attach_back_path(attachment, path);
	xs_rm(host.store.handle, XBT_NULL, path);
}

/* ---- reading and writing ---- */

void attach_back_put(void *context, const char *node, const char *value)
{
	char path[ATTACH_PATH + 64], back[ATTACH_PATH];

	attach_back_path(context, back);
	snprintf(path, sizeof(path), "%s/%s", back, node);
	if (host.store.handle)
		xs_write(host.store.handle, XBT_NULL, path, value, (unsigned int)strlen(value));
}

static char *read_node(const char *path)
{
	unsigned int length;
	char *value = NULL;

	errno = ENOTCONN;
	if (host.store.handle)
		value = xs_read(host.store.handle, XBT_NULL, path, &length);
	if (value && (length > STORE_VALUE_MAX || strlen(value) != length))
		*value = 0;		/* X2: text it is not */
	return value;
}

void attach_back_state(struct attachment *attachment, enum xenbus_state state)
{
	char value[4];

	snprintf(value, sizeof(value), "%d", (int)state);
	attach_back_put(attachment, "state", value);
	attachment->back = state;
}

char *attach_front_read(void *context, const char *node)
{
	char path[ATTACH_PATH + 64], front[ATTACH_PATH];

	attach_front_path(context, front);
	snprintf(path, sizeof(path), "%s/%s", front, node);
	return read_node(path);
}

enum xenbus_state attach_front_state(const struct attachment *attachment)
{
	char *text = attach_front_read((void *)attachment, "state");
	enum xenbus_state state;

	/* The store does not answer: nothing has changed. */
	if (!text && errno != ENOENT)
		return attachment->front;
	state = attach_state_parse(text);
	free(text);
	return state;
}

void attach_nodes_take_up(struct attachment *attachment)
{
	char path[ATTACH_PATH + 8], *text;

	attach_back_path(attachment, path);
	strcat(path, "/state");
	text = read_node(path);
	if (text || errno == ENOENT)
		attachment->back = attach_state_parse(text);
	free(text);
	attachment->front = attach_front_state(attachment);
	watch_front(attachment);
}
