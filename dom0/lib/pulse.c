/* SPDX-License-Identifier: MIT */
#include "lib/pulse.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#define ASKED_FOR	"/local/domain/0/name"
#define ANSWER_MAX	4096		/* a longer one is taken for a lost connection */

struct pulse {
	struct pulse_setting setting;
	int socket;			/* -1: not connected yet; afterwards it never changes */
	char answer[ANSWER_MAX];	/* the thread's alone */
	size_t taken;
	pthread_mutex_t lock;		/* for all below */
	enum pulse_state state;
	int guarded;			/* -1: none */
};

enum pulse_state pulse_state(struct pulse *pulse)
{
	enum pulse_state state;

	pthread_mutex_lock(&pulse->lock);
	state = pulse->state;
	pthread_mutex_unlock(&pulse->lock);
	return state;
}

bool pulse_guard(struct pulse *pulse, int socket)
{
	bool answers;

	pthread_mutex_lock(&pulse->lock);
	answers = pulse->state == PULSE_ANSWERS;
	pulse->guarded = answers ? socket : -1;
	pthread_mutex_unlock(&pulse->lock);
	return answers;
}

bool pulse_is_whole(struct pulse *pulse)
{
	bool is_whole;

	pthread_mutex_lock(&pulse->lock);
	is_whole = pulse->guarded >= 0;
	pthread_mutex_unlock(&pulse->lock);
	return is_whole;
}

int pulse_socket(const struct pulse *pulse)
{
	return pulse->socket;
}

static void become(struct pulse *pulse, enum pulse_state state)
{
	pthread_mutex_lock(&pulse->lock);
	pulse->state = state;
	if (state == PULSE_HANGS && pulse->guarded >= 0)
		shutdown(pulse->guarded, SHUT_RDWR);		/* PU1 */
	if (state != PULSE_ANSWERS)
		pulse->guarded = -1;
	pthread_mutex_unlock(&pulse->lock);
	if (pulse->setting.told)
		pulse->setting.told(pulse->setting.context);
}

/* ---- one question ---- */

static bool send_question(const struct pulse *pulse)
{
	struct {
		struct xsd_sockmsg head;
		char path[sizeof(ASKED_FOR)];
	} __attribute__((packed)) question = { .head = { .type = XS_READ, .len = sizeof(ASKED_FOR) }, .path = ASKED_FOR };

	return send(pulse->socket, &question, sizeof(question), MSG_NOSIGNAL) == sizeof(question);
}

/* Whether all of it is there. What it says does not matter: that it is said is all. */
static bool is_complete(const struct pulse *pulse)
{
	struct xsd_sockmsg head;

	memcpy(&head, pulse->answer, sizeof(head));
	return pulse->taken >= sizeof(head) && pulse->taken - sizeof(head) >= head.len;
}

/* 1: it has come; 0: not in `patience` intervals (-1: for ever), and what is missing may come later; -1: the connection is lost. */
static int take_answer(struct pulse *pulse, int patience)
{
	struct pollfd wait = { .fd = pulse->socket, .events = POLLIN };

	while (!is_complete(pulse)) {
		int ready = poll(&wait, 1, pulse->setting.interval_ms);		/* PU2 */
		ssize_t got = ready > 0 ? recv(pulse->socket, pulse->answer + pulse->taken, sizeof(pulse->answer) - pulse->taken,
					       MSG_DONTWAIT) : -1;

		if (got == 0 || (ready > 0 && got < 0 && errno != EAGAIN && errno != EINTR))
			return -1;
		if (got > 0)
			pulse->taken += (size_t)got;
		else if (ready == 0 && patience > 0 && --patience == 0)
			return 0;
	}
	pulse->taken = 0;
	return 1;
}

static enum pulse_state ask(struct pulse *pulse)
{
	int answer = send_question(pulse) ? take_answer(pulse, pulse->setting.patience) : -1;

	return answer > 0 ? PULSE_ANSWERS : answer < 0 ? PULSE_GONE : PULSE_HANGS;
}

/* ---- the thread ---- */

static void rest(const struct pulse *pulse)
{
	const struct timespec interval = { pulse->setting.interval_ms / 1000, pulse->setting.interval_ms % 1000 * 1000000L };

	nanosleep(&interval, NULL);
}

static int connect_to(const char *path, bool *is_busy)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (file >= 0 && connect(file, (struct sockaddr *)&address, sizeof(address))) {
		*is_busy = errno == EAGAIN;
		close(file);
		file = -1;
	}
	return file;
}

/* A daemon that hangs takes no connections; when too many wait for it, there is not even room to wait. */
static enum pulse_state connect_and_ask(struct pulse *pulse)
{
	bool is_busy = false;

	pulse->socket = connect_to(pulse->setting.socket, &is_busy);
	if (pulse->socket >= 0)
		return ask(pulse);
	return is_busy ? PULSE_HANGS : PULSE_GONE;
}

static void *beat(void *context)
{
	struct pulse *pulse = context;
	enum pulse_state state = pulse_state(pulse), now;

	while (state != PULSE_GONE) {
		if (state == PULSE_ANSWERS || pulse->socket < 0)
			rest(pulse);
		if (pulse->socket < 0)
			now = connect_and_ask(pulse);
		else if (state == PULSE_ANSWERS)
			now = ask(pulse);
		else
			now = take_answer(pulse, -1) > 0 ? PULSE_ANSWERS : PULSE_GONE;
		if (now != state)
			become(pulse, now);
		state = now;
	}
	return NULL;
}

struct pulse *pulse_start(const struct pulse_setting *setting)
{
	struct pulse *pulse = calloc(1, sizeof(*pulse));
	pthread_t thread;

	if (!pulse)
		return NULL;
	*pulse = (struct pulse){ .setting = *setting, .guarded = -1 };
	pthread_mutex_init(&pulse->lock, NULL);
	pulse->state = connect_and_ask(pulse);
	if (pulse->state != PULSE_GONE && !pthread_create(&thread, NULL, beat, pulse)) {
		pthread_detach(thread);
		return pulse;
	}
	if (pulse->socket >= 0)
		close(pulse->socket);
	free(pulse);
	return NULL;
}
