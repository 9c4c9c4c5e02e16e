/* SPDX-License-Identifier: MIT */
/*
 * The little of HTTP/1.1 that a collector of metrics speaks: one GET, one answer, and the connection is closed.
 *
 *   accepted --> head is read --(blank line)--> answer is written --> closed
 *                     +--- too long, too slow, no GET: an error is written ---^
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/openmetrics.h"
#include "skinkd/host.h"
#include "skinkd/metrics.h"
#include "skinkd/rpc.h"

#define VISITORS_MAX	16		/* ME1 */
#define HEAD_MAX	4096
#define LIMIT_MS	5000		/* for all of it */

struct visitor {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
	};
	uv_timer_t timer;
	uv_write_t write;
	char head[HEAD_MAX + 1];
	size_t bytes;
	char *answer;
	bool is_answered;
	int open;			/* handles */
};

static union {
	uv_stream_t stream;
	uv_pipe_t pipe;
} local;
static union {
	uv_stream_t stream;
	uv_tcp_t tcp;
} remote;
static int visitors;

static struct visitor *visitor_of(uv_handle_t *handle)
{
	return handle->data;
}

static void closed(uv_handle_t *handle)
{
	struct visitor *visitor = visitor_of(handle);

	if (--visitor->open)
		return;
	visitors--;
	free(visitor->answer);
	free(visitor);
}

static void leave(struct visitor *visitor)
{
	if (!uv_is_closing(&visitor->handle))
		uv_close(&visitor->handle, closed);
	if (!uv_is_closing((uv_handle_t *)&visitor->timer))
		uv_close((uv_handle_t *)&visitor->timer, closed);
}

static void written(uv_write_t *write, int status)
{
	leave(visitor_of((uv_handle_t *)write->handle));
}

/* `is_head`: all but the body itself. */
static void answer(struct visitor *visitor, const char *status, const char *type, const char *body, size_t bytes, bool is_head)
{
	size_t room = bytes + 512;
	uv_buf_t buffer;
	int head;

	visitor->is_answered = true;
	uv_read_stop(&visitor->stream);
	visitor->answer = need_memory(malloc(room));
	head = snprintf(visitor->answer, room, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
			type, bytes);
	memcpy(visitor->answer + head, body, bytes);
	buffer = uv_buf_init(visitor->answer, (unsigned int)((size_t)head + (is_head ? 0 : bytes)));
	if (uv_write(&visitor->write, &visitor->stream, &buffer, 1, written))
		leave(visitor);
}

static void refuse(struct visitor *visitor, const char *status, const char *text)
{
	answer(visitor, status, "text/plain; charset=utf-8", text, strlen(text), false);
}

static void answer_metrics(struct visitor *visitor, bool is_head)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *to = need_memory(open_memstream(&text, &bytes));

	metrics_write(to);
	fclose(to);
	answer(visitor, "200 OK", METRICS_TYPE, text, bytes, is_head);
	free(text);
}

/* The head has come whole. */
static void obey(struct visitor *visitor)
{
	char method[16], path[256], version[16];

	if (sscanf(visitor->head, "%15s %255s %15s", method, path, version) != 3 || strncmp(version, "HTTP/1.", 7))
		refuse(visitor, "400 Bad Request", "this is no HTTP request: GET /metrics HTTP/1.1\n");
	else if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		refuse(visitor, "405 Method Not Allowed", "only GET /metrics is answered here\n");
	else if (strcmp(path, "/metrics") && strncmp(path, "/metrics?", 9))
		refuse(visitor, "404 Not Found", "the metrics are at /metrics\n");
	else
		answer_metrics(visitor, !strcmp(method, "HEAD"));
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct visitor *visitor = visitor_of(handle);

	*buffer = uv_buf_init(visitor->head + visitor->bytes, (unsigned int)(HEAD_MAX - visitor->bytes));
}

static void has_come(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buffer)
{
	struct visitor *visitor = visitor_of((uv_handle_t *)stream);

	if (bytes < 0 && bytes != UV_ENOBUFS) {
		leave(visitor);
		return;
	}
	visitor->bytes += bytes > 0 ? (size_t)bytes : 0;
	visitor->head[visitor->bytes] = 0;
	if (strstr(visitor->head, "\r\n\r\n") || strstr(visitor->head, "\n\n"))
		obey(visitor);
	else if (visitor->bytes == HEAD_MAX)
		refuse(visitor, "431 Request Header Fields Too Large", "the request's head is longer than 4 KiB\n");
}

static void too_late(uv_timer_t *timer)
{
	leave(visitor_of((uv_handle_t *)timer));
}

static void connected(uv_stream_t *server, int status)
{
	struct visitor *visitor;

	if (status < 0)
		return;
	visitor = need_memory(calloc(1, sizeof(*visitor)));
	if (server == &local.stream)
		uv_pipe_init(host.loop, &visitor->pipe, 0);
	else
		uv_tcp_init(host.loop, &visitor->tcp);
	uv_timer_init(host.loop, &visitor->timer);
	visitor->handle.data = visitor->timer.data = visitor;
	visitor->open = 2;
	visitors++;
	if (uv_accept(server, &visitor->stream) || visitors > VISITORS_MAX) {
		leave(visitor);
		return;
	}
	uv_timer_start(&visitor->timer, too_late, LIMIT_MS, 0);
	uv_read_start(&visitor->stream, give_room, has_come);
}

static int open_local(const char *path)
{
	int error;

	uv_pipe_init(host.loop, &local.pipe, 0);
	unlink(path);
	error = uv_pipe_bind(&local.pipe, path);
	if (!error && !rpc_socket_mode(path))
		error = UV_EACCES;
	return error ? error : uv_listen(&local.stream, VISITORS_MAX, connected);
}

static int open_remote(const char *address, uint16_t port)
{
	struct sockaddr_storage at;
	int error;

	if (uv_ip4_addr(address, port, (struct sockaddr_in *)&at) && uv_ip6_addr(address, port, (struct sockaddr_in6 *)&at))
		return UV_EINVAL;
	uv_tcp_init(host.loop, &remote.tcp);
	error = uv_tcp_bind(&remote.tcp, (const struct sockaddr *)&at, 0);
	return error ? error : uv_listen(&remote.stream, VISITORS_MAX, connected);
}

bool metrics_open(void)
{
	const struct conf *conf = &host.conf;
	int error = *conf->metrics_socket ? open_local(conf->metrics_socket) : 0;
	bool is_open = !error;

	if (error)
		say("%s: %s: no metrics there (metrics_socket)", conf->metrics_socket, uv_strerror(error));
	if (!conf->metrics_port)
		return is_open;
	error = conf->metrics_port > 65535 ? UV_EINVAL : open_remote(conf->metrics_address, (uint16_t)conf->metrics_port);
	if (error)
		say("%s, port %lu: %s: no metrics there (metrics_address, metrics_port)", conf->metrics_address, conf->metrics_port,
		    uv_strerror(error));
	return is_open && !error;
}

void metrics_close(void)
{
	if (*host.conf.metrics_socket)
		unlink(host.conf.metrics_socket);
}
