/* SPDX-License-Identifier: MIT */
/* One conversation with skinkd. */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/need.h"
#include "lines.h"
#include "message.h"
#include "tty.h"

#define PROGRESS_AFTER_S 1.0

struct client {
	int fd;
	struct lines lines;
	json_int_t last_id;
};

/* A call that is under way. */
struct pending {
	const struct call *call;
	json_int_t id;
	double begun, until;		/* until is 0 when there is no limit */
	char *progress;			/* what skinkd said last, or NULL */
	bool has_ended;			/* of several: it was answered */
	bool (*take)(const json_t *params, void *context);	/* NULL until client_follow() */
	void *context;
};

static void say_unreachable(const char *path, int error)
{
	if (error == EACCES || error == EPERM)
		complain("%s: no permission to talk to skinkd: become root (su, sudo), or join the group that the "
			 "socket belongs to", path);
	else if (error == ENAMETOOLONG)
		complain("%s: the name of the socket is too long: give a shorter one to --socket", path);
	else
		complain("cannot reach skinkd at %s: %s: start skinkd, or name its socket with --socket or "
			 "SKINK_SOCKET", path, strerror(error));
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	/* A daemon that hangs accepts nobody: connect() waits once the queue before it is full. */
	struct timeval limit = {.tv_sec = (time_t)CLIENT_LIMIT_S};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

int client_open(const char *path, bool quiet, struct client **result)
{
	int fd = connect_to(path);
	struct client *client;

	if (fd < 0) {
		if (!quiet)
			say_unreachable(path, -fd);
		return fd == -EACCES || fd == -EPERM ? EXIT_NOT_ALLOWED : EXIT_UNREACHABLE;
	}
	client = need_zeroed(1, sizeof(*client));
	client->fd = fd;
	signals_hold();
	*result = client;
	return EXIT_DONE;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	close(client->fd);
	lines_free(&client->lines);
	free(client);
}

static int interrupted(const struct pending *pending)
{
	int number = signal_caught();

	if (number == SIGINT && !pending->call->quiet && !pending->take)
		complain("%s: interrupted: %s", pending->call->what,
			 pending->call->meanwhile ? pending->call->meanwhile : "nothing was changed");
	return 128 + number;
}

static int timed_out(const struct pending *pending)
{
	if (!pending->call->quiet)
		complain("%s: no answer from skinkd after %.0f seconds: see 'skink events', or wait longer with "
			 "--timeout", pending->call->what, now() - pending->begun);
	return EXIT_TIMED_OUT;
}

static int went_away(const struct pending *pending)
{
	if (!pending->call->quiet)
		complain("%s: skinkd went away before it answered: see whether it is back with 'skink version', and "
			 "what became of this with 'skink events'", pending->call->what);
	return EXIT_UNREACHABLE;
}

static int talks_nonsense(const struct pending *pending, const char *how)
{
	if (!pending->call->quiet)
		complain("%s: skinkd's answer makes no sense (%s): is skinkd of the same version? See "
			 "'skink version'", pending->call->what, how);
	return EXIT_FAILED;
}

static void show_progress(const struct pending *pending)
{
	double passed = now() - pending->begun;
	char line[256];

	if (passed < PROGRESS_AFTER_S || pending->call->quiet || pending->take)
		return;
	snprintf(line, sizeof(line), "%s%s%s ... %.0f s", pending->call->what, pending->progress ? ": " : "",
		 pending->progress ? pending->progress : "", passed);
	progress_show(line);
}

/* Until something can be read or written, as events says; EXIT_DONE then. */
static int wait_for(struct client *client, const struct pending *pending, short events)
{
	struct pollfd fd = {.fd = client->fd, .events = events};

	for (;;) {
		double left = pending->until ? pending->until - now() : 1e9;
		int ready;

		if (left <= 0)
			return timed_out(pending);
		ready = signals_wait(&fd, 1, left < PROGRESS_AFTER_S ? left : PROGRESS_AFTER_S);
		if (signal_caught())
			return interrupted(pending);
		if (ready > 0)
			return EXIT_DONE;
		if (ready < 0)
			return went_away(pending);
		show_progress(pending);
	}
}

static int send_all(struct client *client, const struct pending *pending, const char *text, size_t length)
{
	while (length) {
		ssize_t sent = send(client->fd, text, length, MSG_NOSIGNAL);
		int code;

		if (sent >= 0) {
			text += sent;
			length -= (size_t)sent;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return went_away(pending);
		code = wait_for(client, pending, POLLOUT);
		if (code)
			return code;
	}
	return EXIT_DONE;
}

static int send_request(struct client *client, const struct pending *pending)
{
	json_t *params = pending->call->params;
	json_t *request = params ? json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", pending->id,
					     "method", pending->call->method, "params", params) : NULL;
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	int code = EXIT_BAD_INPUT;

	json_decref(request);
	if (text) {
		size_t length = strlen(text);

		text[length] = '\n';
		code = send_all(client, pending, text, length + 1);
	} else if (!pending->call->quiet) {
		complain("%s: something in it is not UTF-8: write names and files in UTF-8", pending->call->what);
	}
	free(text);
	return code;
}

static void say_error(const struct pending *pending, const char *message, json_t *data)
{
	const json_t *line;
	size_t index;

	if (pending->call->error_data && data) {
		*pending->call->error_data = json_incref(data);
	} else {
		json_array_foreach(data, index, line) {
			if (json_string_value(line))
				note("%s", json_string_value(line));
		}
	}
	complain("%s", message);
}

static int take_error(const struct pending *pending, const json_t *error)
{
	const char *message = json_string_value(json_object_get(error, "message"));
	json_int_t code = json_integer_value(json_object_get(error, "code"));

	if (!message)
		return talks_nonsense(pending, "an error without a message");
	if (!pending->call->quiet)
		say_error(pending, message, json_object_get(error, "data"));
	return code >= EXIT_FAILED && code <= EXIT_TIMED_OUT ? (int)code : EXIT_FAILED;
}

/* A message without an id. False: the caller has seen enough. */
static bool take_notification(struct pending *pending, const json_t *message)
{
	const char *method = json_string_value(json_object_get(message, "method"));
	const json_t *params = json_object_get(message, "params");

	if (method && strcmp(method, "progress") == 0) {
		const char *text = json_string_value(json_object_get(params, "text"));

		free(pending->progress);
		pending->progress = text ? need_copy(text) : NULL;
		show_progress(pending);
		return !pending->call->until_begun;
	} else if (method && params && pending->take) {
		return pending->take(params, pending->context);
	}
	return true;
}

/* True: the call has ended, with *code. */
static bool take_message(struct pending *pending, const json_t *message, int *code, json_t **result)
{
	json_t *id = json_object_get(message, "id"), *answer = json_object_get(message, "result");
	json_t *error = json_object_get(message, "error");
	bool ended = true;

	if (!json_is_object(message)) {
		*code = talks_nonsense(pending, "not JSON");
	} else if (!id && json_object_get(message, "method")) {
		*code = EXIT_DONE;
		ended = !take_notification(pending, message);
	} else if (json_is_object(error) && (json_is_null(id) || json_integer_value(id) == pending->id)) {
		*code = take_error(pending, error);
	} else if (answer && json_is_integer(id) && json_integer_value(id) == pending->id) {
		*code = EXIT_DONE;
		if (result)
			*result = json_incref(answer);
	} else {
		*code = talks_nonsense(pending, "neither a result nor an error");
	}
	return ended;
}

/* What skinkd says next; NULL with EXIT_DONE when it is not JSON. */
static int next_message(struct client *client, const struct pending *pending, json_t **message)
{
	for (;;) {
		size_t length;
		const char *line = lines_next(&client->lines, &length);
		int code;

		if (line) {
			*message = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
			return EXIT_DONE;
		}
		code = wait_for(client, pending, POLLIN);
		if (code)
			return code;
		switch (lines_fill(&client->lines, client->fd)) {
		case LINES_MORE:
			break;
		case LINES_END:
			return went_away(pending);
		case LINES_TOO_LONG:
			return talks_nonsense(pending, "a line without an end");
		}
	}
}

static int await_answer(struct client *client, struct pending *pending, json_t **result)
{
	for (;;) {
		json_t *message = NULL;
		int code = next_message(client, pending, &message);
		bool ended = code || take_message(pending, message, &code, result);

		json_decref(message);
		if (ended)
			return code;
	}
}

static struct pending pending_for(struct client *client, const struct call *call)
{
	double limit = call->limit_s ? call->limit_s : CLIENT_LIMIT_S, begun = now();

	return (struct pending){.call = call, .id = ++client->last_id, .begun = begun,
				.until = limit > 0 ? begun + limit : 0};
}

int client_call(struct client *client, const struct call *call, json_t **result)
{
	struct pending pending = pending_for(client, call);
	json_t *answer = NULL;
	int code = send_request(client, &pending);

	if (code == EXIT_DONE)
		code = await_answer(client, &pending, &answer);
	progress_erase();
	free(pending.progress);
	if (code == EXIT_DONE && result)
		*result = answer ? answer : json_null();
	else
		json_decref(answer);
	return code;
}

/* Whose answer that is; what is nobody's is the first one's that waits. There is one that waits. */
static struct pending *addressee(struct pending *pending, const json_t *message)
{
	const json_t *id = json_object_get(message, "id");
	struct pending *first = pending;

	while (first->has_ended)
		first++;
	for (struct pending *one = first; json_is_integer(id) && one->call; one++) {
		if (!one->has_ended && one->id == json_integer_value(id))
			return one;
	}
	return first;
}

static int await_answers(struct client *client, struct pending *pending, size_t count,
			 void (*ended)(size_t at, int code, json_t *result, void *context), void *context)
{
	while (count) {
		json_t *message = NULL, *answer = NULL;
		int code = next_message(client, addressee(pending, NULL), &message);
		struct pending *one = addressee(pending, message);

		if (code)
			return code;
		one->has_ended = take_message(one, message, &code, &answer);
		json_decref(message);
		if (!one->has_ended)
			continue;
		count--;
		progress_erase();
		ended((size_t)(one - pending), code, answer, context);
	}
	return EXIT_DONE;
}

int client_call_each(struct client *client, const struct call *calls, size_t count,
		     void (*ended)(size_t at, int code, json_t *result, void *context), void *context)
{
	struct pending *pending = need_zeroed(count + 1, sizeof(*pending));
	int code = EXIT_DONE;

	for (size_t i = 0; i < count; i++) {
		pending[i] = pending_for(client, &calls[i]);
		if (code)
			json_decref(calls[i].params);
		else
			code = send_request(client, &pending[i]);
	}
	if (code == EXIT_DONE)
		code = await_answers(client, pending, count, ended, context);
	progress_erase();
	for (size_t i = 0; i < count; i++)
		free(pending[i].progress);
	free(pending);
	return code;
}

int client_follow(struct client *client, const struct call *call,
		  bool (*take)(const json_t *params, void *context), void *context)
{
	struct pending pending = {.call = call, .id = client->last_id, .begun = now(), .take = take,
				  .context = context};

	return await_answer(client, &pending, NULL);
}
