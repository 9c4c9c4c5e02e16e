/* SPDX-License-Identifier: MIT */
#include "lib/store.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <xen/grant_table.h>

#define TRIES		8		/* of a transaction that somebody else's crossed, and of what may go well the next time */
#define CONSOLE_LIMIT	1048576		/* bytes that xenconsoled keeps for a reader */
#define PATH_MAX_TEXT	256

/* A transaction that is being filled: the first error stays. */
struct writer {
	struct xs_handle *handle;
	xs_transaction_t transaction;
	domid_t id;
	int error;
};

int store_open(struct store *store)
{
	store->handle = xs_open(XS_OPEN_SOCKETONLY);
	return store->handle ? 0 : -(errno ? errno : ENOENT);
}

void store_close(struct store *store)
{
	if (store->handle)
		xs_close(store->handle);
	store->handle = NULL;
}

static bool peer_of(int socket, struct sockaddr_un *peer, socklen_t *bytes)
{
	*bytes = sizeof(*peer);
	return !getpeername(socket, (struct sockaddr *)peer, bytes) && peer->sun_family == AF_UNIX;
}

int store_socket(int alike)
{
	struct sockaddr_un wanted, peer;
	socklen_t wanted_bytes, bytes;
	struct dirent *entry;
	int found = -1;
	DIR *list;

	if (!peer_of(alike, &wanted, &wanted_bytes))
		return -1;
	list = opendir("/proc/self/fd");
	while (list && (entry = readdir(list)) && found < 0) {
		int file = atoi(entry->d_name);

		if (file != alike && peer_of(file, &peer, &bytes) && bytes == wanted_bytes && !memcmp(&peer, &wanted, bytes))
			found = file;
	}
	if (list)
		closedir(list);
	return found;
}

void uuid_text(const uint8_t uuid[16], char text[UUID_TEXT])
{
	for (int i = 0, at = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[at++] = '-';
		at += snprintf(text + at, 3, "%02x", uuid[i]);
	}
}

/* ---- writing ---- */

static void note(struct writer *writer, bool done)
{
	if (!done && !writer->error)
		writer->error = -(errno ? errno : EIO);
}

static void put_at(struct writer *writer, const char *path, const char *value)
{
	note(writer, xs_write(writer->handle, writer->transaction, path, value, (unsigned int)strlen(value)));
}

/* Below the domain's own path. */
__attribute__((format(printf, 3, 4)))
static void put(struct writer *writer, const char *node, const char *format, ...)
{
	char path[PATH_MAX_TEXT], value[STORE_VALUE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(value, sizeof(value), format, arguments);
	va_end(arguments);
	snprintf(path, sizeof(path), "/local/domain/%u/%s", writer->id, node);
	put_at(writer, path, value);
}

/* Who owns a node may do everything with it; Dom0 may anyway. */
static void make(struct writer *writer, const char *path, struct xs_permissions *permissions, unsigned int count)
{
	note(writer, xs_mkdir(writer->handle, writer->transaction, path));
	note(writer, xs_set_permissions(writer->handle, writer->transaction, path, permissions, count));
}

static void make_readable(struct writer *writer, const char *node)
{
	struct xs_permissions permissions[] = { { .id = 0, .perms = XS_PERM_NONE }, { .id = writer->id, .perms = XS_PERM_READ } };
	char path[PATH_MAX_TEXT];

	snprintf(path, sizeof(path), "/local/domain/%u%s%s", writer->id, *node ? "/" : "", node);
	make(writer, path, permissions, 2);
}

static void make_writable(struct writer *writer, const char *node)
{
	struct xs_permissions owner = { .id = writer->id, .perms = XS_PERM_NONE };
	char path[PATH_MAX_TEXT];

	snprintf(path, sizeof(path), "/local/domain/%u/%s", writer->id, node);
	make(writer, path, &owner, 1);
}

static void make_nodes(struct writer *writer)
{
	static const char *const readable[] = { "", "cpu", "memory", "device", "control", "console", "store" };
	/* What the guest writes: its answers to control/, and where it may keep things of its own. (X1) */
	static const char *const writable[] = {
		"control/shutdown", "control/sysrq", "control/feature-poweroff", "control/feature-reboot",
		"control/feature-suspend", "device/suspend/event-channel", "data", "drivers", "feature", "attr", "error",
	};

	for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++)
		make_readable(writer, readable[i]);
	for (size_t i = 0; i < sizeof(writable) / sizeof(writable[0]); i++)
		make_writable(writer, writable[i]);
}

static void put_vm(struct writer *writer, const struct store_domain *domain)
{
	struct xs_permissions permissions[] = { { .id = 0, .perms = XS_PERM_NONE }, { .id = writer->id, .perms = XS_PERM_READ } };
	char uuid[UUID_TEXT], path[PATH_MAX_TEXT];

	uuid_text(domain->uuid, uuid);
	snprintf(path, sizeof(path), "/vm/%s", uuid);
	make(writer, path, permissions, 2);
	put(writer, "vm", "%s", path);
	snprintf(path, sizeof(path), "/vm/%s/uuid", uuid);
	put_at(writer, path, uuid);
	snprintf(path, sizeof(path), "/vm/%s/name", uuid);
	put_at(writer, path, domain->name);
}

static void put_all(struct writer *writer, const struct store_domain *domain)
{
	const struct built *built = domain->built;
	char node[64];

	make_nodes(writer);
	put_vm(writer, domain);
	put(writer, "name", "%s", domain->name);
	put(writer, "domid", "%u", writer->id);
	put(writer, "memory/static-max", "%lu", domain->memory_max_kib);
	put(writer, "memory/target", "%lu", domain->memory_kib);
	put(writer, "control/platform-feature-multiprocessor-suspend", "1");
	put(writer, "control/platform-feature-xs_reset_watches", "1");
	for (uint32_t i = 0; i < domain->vcpus_max; i++) {
		snprintf(node, sizeof(node), "cpu/%u/availability", i);
		put(writer, node, "%s", i < domain->vcpus ? "online" : "offline");
	}
	put(writer, "store/port", "%u", built->store_port);
	put(writer, "store/ring-ref", "%lu", built->store_mfn);
	if (!domain->has_console)
		return;
	put(writer, "console/limit", "%u", CONSOLE_LIMIT);
	put(writer, "console/type", "xenconsoled");
	put(writer, "console/output", "pty");
	put(writer, "console/tty", "%s", "");
	put(writer, "console/port", "%u", built->console_port);
	put(writer, "console/ring-ref", "%lu", built->console_mfn);
}

/* -EAGAIN: another transaction crossed it, and nothing was written. */
static int write_once(struct store *store, const struct store_domain *domain)
{
	struct writer writer = { .handle = store->handle, .id = domain->built->id };

	writer.transaction = xs_transaction_start(store->handle);
	if (writer.transaction == XBT_NULL)
		return -(errno ? errno : EIO);
	put_all(&writer, domain);
	if (!xs_transaction_end(store->handle, writer.transaction, writer.error != 0) && !writer.error)
		return -(errno ? errno : EIO);
	return writer.error;
}

/*
 * xenstored maps the domain's page and binds its port. Whatever goes wrong with that, and be it for a moment, it says EINVAL of: seen on a machine
 * that had just started and was very busy.
 */
static int introduce(struct store *store, const struct store_domain *domain)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	int result = -EINVAL;

	for (int i = 0; i < TRIES && result == -EINVAL; i++) {
		if (i)
			nanosleep(&pause, NULL);
		result = xs_introduce_domain(store->handle, domain->built->id, domain->built->store_mfn, domain->built->store_port) ? 0 :
			 -(errno ? errno : EIO);
	}
	return result;
}

int store_add(struct store *store, const struct store_domain *domain)
{
	int result = -EAGAIN;

	for (int i = 0; i < TRIES && result == -EAGAIN; i++)
		result = write_once(store, domain);
	if (!result)
		result = introduce(store, domain);
	if (result)
		store_remove(store, domain->built->id, domain->uuid);
	return result;
}

void store_remove(struct store *store, domid_t id, const uint8_t uuid[16])
{
	char path[PATH_MAX_TEXT], text[UUID_TEXT];

	uuid_text(uuid, text);
	snprintf(path, sizeof(path), "/local/domain/%u", id);
	xs_rm(store->handle, XBT_NULL, path);
	snprintf(path, sizeof(path), "/vm/%s", text);
	xs_rm(store->handle, XBT_NULL, path);
	/* It knows by itself when the core says that a domain has died; this is for one that never ran. */
	xs_release_domain(store->handle, id);
}

static bool is_id(const char *name)
{
	return *name && strlen(name) <= 5 && strspn(name, "0123456789") == strlen(name);
}

/* Of the nodes of `path` that are called like a domain that is gone. */
static void sweep(struct store *store, const char *path, bool (*is_there)(domid_t id))
{
	unsigned int count = 0, length;
	char **names = xs_directory(store->handle, XBT_NULL, path, &count), node[PATH_MAX_TEXT], *vm;

	for (unsigned int i = 0; names && i < count; i++) {
		if (!is_id(names[i]) || is_there((domid_t)atoi(names[i])))
			continue;
		snprintf(node, sizeof(node), "%s/%s/vm", path, names[i]);
		vm = xs_read(store->handle, XBT_NULL, node, &length);
		if (vm && !strncmp(vm, "/vm/", 4))
			xs_rm(store->handle, XBT_NULL, vm);
		free(vm);
		snprintf(node, sizeof(node), "%s/%s", path, names[i]);
		xs_rm(store->handle, XBT_NULL, node);
		/* It may have a page of it mapped still, and the core keeps the domain for that. */
		xs_release_domain(store->handle, (unsigned int)atoi(names[i]));
	}
	free(names);
}

void store_sweep(struct store *store, bool (*is_there)(domid_t id))
{
	sweep(store, "/local/domain", is_there);
	sweep(store, "/local/domain/0/backend/vif", is_there);
	sweep(store, "/local/domain/0/backend/vbd", is_there);
}

/* ---- later ---- */

char *store_read(struct store *store, domid_t id, const char *node)
{
	char path[PATH_MAX_TEXT];
	unsigned int length;
	char *value;

	snprintf(path, sizeof(path), "/local/domain/%u/%s", id, node);
	value = xs_read(store->handle, XBT_NULL, path, &length);
	if (value && length > STORE_VALUE_MAX)		/* X2 */
		value[STORE_VALUE_MAX] = 0;
	return value;
}

int store_write(struct store *store, domid_t id, const char *node, const char *value)
{
	char path[PATH_MAX_TEXT];

	snprintf(path, sizeof(path), "/local/domain/%u/%s", id, node);
	return xs_write(store->handle, XBT_NULL, path, value, (unsigned int)strlen(value)) ? 0 : -(errno ? errno : EIO);
}

int store_vcpu_set(struct store *store, domid_t id, uint32_t vcpu, bool is_online)
{
	char node[64];

	snprintf(node, sizeof(node), "cpu/%u/availability", vcpu);
	return store_write(store, id, node, is_online ? "online" : "offline");
}
