/* SPDX-License-Identifier: MIT */
#include "skinkd/rpc.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "skinkd/text.h"

#define LINE_MAX_BYTES	(8UL << 20)
#define UNREAD_MAX	(16UL << 20)	/* answers that a client has not read yet */
#define CLIENTS_MAX	64
#define REQUESTS_MAX	64		/* that a client has open, and is not root: root's may ask for each of its domains at once */
#define ALL_REQUESTS_MAX 512		/* of all such clients, those that have gone too */

struct client {
	uv_pipe_t pipe;			/* first: what libuv hands back is the client */
	struct client *next;
	uint32_t users;			/* the connection, and each request of it */
	uint32_t requests;		/* that are open */
	bool is_open, is_root, is_follower;
	char *line;			/* what has come of the next one */
	size_t bytes, room, looked_at;	/* no line feed before looked_at */
};

struct writing {
	uv_write_t write;
	char *text;
};

static uv_pipe_t listener;
static struct client *clients;
static uint32_t client_count, request_count;	/* request_count: of those that are not root */

/* ---- clients come and go ---- */

static void client_put(struct client *client)
{
	if (--client->users)
		return;
	free(client->line);
	free(client);
}

static void closed(uv_handle_t *handle)
{
	struct client *client = (struct client *)handle;
	struct client **at = &clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	client_count--;
	client_put(client);
}

static void client_close(struct client *client)
{
	if (!client->is_open)
		return;
	client->is_open = false;
	client->is_follower = false;
	uv_close((uv_handle_t *)&client->pipe, closed);
}

static void written(uv_write_t *write, int status)
{
	struct writing *writing = (struct writing *)write;

	if (status < 0 && status != UV_ECANCELED)
		client_close((struct client *)write->handle);
	free(writing->text);
	free(writing);
}

/* Takes the object. */
static void send_object(struct client *client, json_t *object)
{
	struct writing *writing;
	uv_buf_t buffer;
	size_t bytes;
	char *text;

	if (client->is_open && client->pipe.write_queue_size > UNREAD_MAX) {
		say("a client does not read its answers: its connection is closed");
		client_close(client);			/* Q3 */
	}
	if (!client->is_open) {
		json_decref(object);
		return;
	}
	text = need_memory(json_dumps(object, JSON_COMPACT));
	json_decref(object);
	bytes = strlen(text);
	text[bytes] = '\n';				/* in the place of the NUL */
	writing = need_memory(malloc(sizeof(*writing)));
	writing->text = text;
	buffer = uv_buf_init(text, (unsigned int)bytes + 1);
	if (uv_write(&writing->write, (uv_stream_t *)&client->pipe, &buffer, 1, written)) {
		free(text);
		free(writing);
		client_close(client);
	}
}

/* ---- answers ---- */

static void request_free(struct request *request)
{
	request->client->requests--;
	request_count -= !request->client->is_root;
	client_put(request->client);
	json_decref(request->id);
	json_decref(request->params);
	free(request);
}

void rpc_answer(struct request *request, json_t *result)
{
	send_object(request->client, json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", request->id, "result",
					result ? result : json_object()));
	request_free(request);
}

/* What was cut to fit may have lost half of its last character. */
static json_t *error_object(int code, const char *message, json_t *lines)
{
	char *text = need_memory(strdup(message));
	json_t *error;

	text_make_utf8(text);
	error = json_pack("{s:i, s:s}", "code", code, "message", text);
	free(text);
	if (lines)
		json_object_set_new(error, "data", lines);
	return error;
}

void rpc_fail_lines(struct request *request, int code, const char *message, json_t *lines)
{
	send_object(request->client, json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", request->id, "error",
					error_object(code, message, lines)));
	request_free(request);
}

void rpc_fail_outcome(struct request *request, const struct outcome *outcome)
{
	rpc_fail_lines(request, outcome->code, outcome->message, outcome->lines ? json_incref(outcome->lines) : NULL);
}

void rpc_fail(struct request *request, int code, const char *format, ...)
{
	va_list arguments;
	char message[1024];

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	rpc_fail_lines(request, code, message, NULL);
}

void rpc_progress(struct request *request, const char *text)
{
	send_object(request->client, json_pack("{s:s, s:s, s:{s:O, s:s}}", "jsonrpc", "2.0", "method", "progress", "params", "id",
					request->id, "text", text));
}

void rpc_follow(struct request *request)
{
	request->client->is_follower = true;
}

void rpc_tell_followers(json_t *event)
{
	struct client *next;

	for (struct client *client = clients; client; client = next) {
		next = client->next;
		if (client->is_follower)
			send_object(client, json_pack("{s:s, s:s, s:O}", "jsonrpc", "2.0", "method", "event", "params", event));
	}
}

bool rpc_unpack(struct request *request, const char *format, ...)
{
	json_error_t error;
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = json_vunpack_ex(request->params, &error, JSON_STRICT, format, arguments);
	va_end(arguments);
	if (result)
		rpc_fail(request, CODE_BAD, "bad parameters: %s (protocols/skinkd.md has those of each method)", error.text);
	return !result;
}

/* ---- requests ---- */

static void refuse_line(struct client *client, json_t *id, const char *message)
{
	send_object(client, json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id", id ? json_incref(id) : json_null(), "error",
			       error_object(CODE_BAD, message, NULL)));
}

static const struct method *method_find(const char *name)
{
	for (const struct method *method = methods; method->name; method++)
		if (!strcmp(method->name, name))
			return method;
	return NULL;
}

static struct request *request_new(struct client *client, json_t *id, json_t *params)
{
	struct request *request = need_memory(malloc(sizeof(*request)));

	*request = (struct request){ client, json_incref(id), params ? json_incref(params) : json_object() };
	client->users++;
	client->requests++;
	request_count += !client->is_root;
	return request;
}

static void call(struct client *client, const char *name, json_t *id, json_t *params)
{
	bool is_too_many = !client->is_root && (client->requests >= REQUESTS_MAX || request_count >= ALL_REQUESTS_MAX);	/* Q3 */
	struct request *request = request_new(client, id, params);
	const struct method *method = method_find(name);

	if (is_too_many)
		rpc_fail(request, CODE_FAILED, "too many requests wait for their answers: try again when one of them has come");
	else if (!method)
		rpc_fail(request, CODE_BAD, "there is no method '%s'", name);
	else if (!client->is_root && !(method->is_read && method->is_read(request->params)))	/* Q2 */
		rpc_fail(request, CODE_NOT_ALLOWED, "only root may '%s': use sudo, or log in as root", name);
	else
		method->call(request);
}

static bool is_id(const json_t *id)
{
	return json_is_integer(id) || json_is_string(id);
}

static void take_line(struct client *client, const char *line, size_t bytes)
{
	json_error_t error;
	json_t *object = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &error);
	const char *name = json_string_value(json_object_get(object, "method"));
	const char *version = json_string_value(json_object_get(object, "jsonrpc"));
	json_t *id = json_object_get(object, "id"), *params = json_object_get(object, "params");

	if (!object) {
		refuse_line(client, NULL, "this line is not JSON");
		client_close(client);
	} else if (!is_id(id) || !name || !version || strcmp(version, "2.0") || (params && !json_is_object(params))) {
		refuse_line(client, is_id(id) ? id : NULL, "this is no request of JSON-RPC 2.0: {\"jsonrpc\":\"2.0\",\"id\":1,"
			    "\"method\":\"list\",\"params\":{}}");
	} else {
		call(client, name, id, params);
	}
	json_decref(object);
}

static void take_lines(struct client *client)
{
	size_t start = 0;
	char *end;

	while (client->is_open &&
	       (end = memchr(client->line + client->looked_at, '\n', client->bytes - client->looked_at))) {
		size_t at = (size_t)(end - client->line);

		if (at > start)
			take_line(client, client->line + start, at - start);
		start = client->looked_at = at + 1;
	}
	client->bytes -= start;
	memmove(client->line, client->line + start, client->bytes);
	client->looked_at = client->bytes;
	if (client->is_open && client->bytes > LINE_MAX_BYTES) {
		refuse_line(client, NULL, "this line is longer than 8 MiB");
		client_close(client);
	}
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct client *client = (struct client *)handle;

	if (client->room - client->bytes < 4096) {
		client->room = client->room ? 2 * client->room : 16384;
		client->line = need_memory(realloc(client->line, client->room));
	}
	*buffer = uv_buf_init(client->line + client->bytes, (unsigned int)(client->room - client->bytes));
}

static void has_come(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buffer)
{
	struct client *client = (struct client *)stream;

	if (bytes < 0) {
		client_close(client);
		return;
	}
	client->bytes += (size_t)bytes;
	client->users++;
	take_lines(client);
	client_put(client);
}

/* ---- the socket ---- */

static bool peer_is_root(struct client *client)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);
	uv_os_fd_t descriptor;

	return !uv_fileno((uv_handle_t *)&client->pipe, &descriptor) &&
	       !getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) && peer.uid == 0;
}

static void connected(uv_stream_t *server, int status)
{
	struct client *client;

	if (status < 0)
		return;
	client = need_memory(calloc(1, sizeof(*client)));
	uv_pipe_init(host.loop, &client->pipe, 0);
	client->users = 1;
	client->is_open = true;
	client->next = clients;
	clients = client;
	client_count++;
	if (uv_accept(server, (uv_stream_t *)&client->pipe)) {
		client_close(client);
		return;
	}
	client->is_root = peer_is_root(client);
	if (client_count > CLIENTS_MAX) {
		refuse_line(client, NULL, "skinkd has too many clients: try again later");
		client_close(client);
		return;
	}
	uv_read_start((uv_stream_t *)&client->pipe, give_room, has_come);
}

bool rpc_socket_mode(const char *path)
{
	const struct group *group = *host.conf.socket_group ? getgrnam(host.conf.socket_group) : NULL;

	if (*host.conf.socket_group && !group)
		say("there is no group '%s': only root may talk to skinkd", host.conf.socket_group);
	if (group && chown(path, 0, group->gr_gid))
		say("%s: %s", path, strerror(errno));
	return !chmod(path, group ? 0660 : 0600);
}

bool rpc_open(void)
{
	const char *path = host.conf.socket;
	mode_t mask = umask(0177);
	int error;

	uv_pipe_init(host.loop, &listener, 0);
	unlink(path);
	error = uv_pipe_bind(&listener, path);
	umask(mask);
	if (!error && !rpc_socket_mode(path))
		error = -errno;
	if (!error)
		error = uv_listen((uv_stream_t *)&listener, 16, connected);
	if (error)
		say("%s: %s", path, uv_strerror(error));
	return !error;
}

void rpc_close(void)
{
	unlink(host.conf.socket);
}
