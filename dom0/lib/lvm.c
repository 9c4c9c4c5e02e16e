/* SPDX-License-Identifier: MIT */
#include "lib/lvm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/need.h"

#define PROGRAM		"/sbin/lvm"
#define ARGUMENTS_MAX	32
#define OUTPUT_MAX	(4UL << 20)

/* Nothing but this device is looked at; nobody is told; no copy of its metadata is kept in Dom0. */
static const char config[] =
	"devices { obtain_device_list_from_udev=0 external_device_info_source=\"none\" } "
	"activation { udev_sync=0 udev_rules=0 monitoring=0 } backup { backup=0 archive=0 } "
	"global { use_lvmpolld=0 event_activation=0 } log { silent=0 }";

struct child {
	pid_t pid;
	int out, complaints;
};

static int start(char *const arguments[], struct child *child)
{
	static char *const environment[] = { (char *)"LVM_SUPPRESS_FD_WARNINGS=1", (char *)"PATH=/sbin:/bin:/usr/sbin:/usr/bin",
					     (char *)"LC_ALL=C", NULL };
	posix_spawn_file_actions_t actions;
	int out[2], complaints[2], result;

	if (pipe2(out, O_CLOEXEC))
		return -errno;
	if (pipe2(complaints, O_CLOEXEC)) {
		close(out[0]);
		close(out[1]);
		return -errno;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_adddup2(&actions, complaints[1], 2);
	result = posix_spawn(&child->pid, PROGRAM, &actions, NULL, arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	close(complaints[1]);
	child->out = out[0];
	child->complaints = complaints[0];
	if (!result)
		return 0;
	close(child->out);
	close(child->complaints);
	return -result;
}

/* Both, as they come: a pipe that is full would stop it. */
static void read_both(const struct child *child, char *text[2], size_t length[2])
{
	struct pollfd polled[2] = { { .fd = child->out, .events = POLLIN }, { .fd = child->complaints, .events = POLLIN } };

	while (polled[0].fd >= 0 || polled[1].fd >= 0) {
		if (poll(polled, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return;
		}
		for (int i = 0; i < 2; i++) {
			char piece[4096];
			ssize_t got = polled[i].fd >= 0 && polled[i].revents ? read(polled[i].fd, piece, sizeof(piece)) : -2;

			if (got == 0 || got == -1)
				polled[i].fd = -1;
			if (got <= 0 || length[i] + (size_t)got > OUTPUT_MAX)
				continue;
			text[i] = need_resized(text[i], length[i] + (size_t)got + 1, 1);
			memcpy(text[i] + length[i], piece, (size_t)got);
			length[i] += (size_t)got;
			text[i][length[i]] = 0;
		}
	}
}

/* Its first line that is no warning. */
static void take_complaint(const char *complaints, char *why, size_t room)
{
	const char *line = complaints;

	while (*line) {
		size_t length = strcspn(line, "\n");
		const char *text = line + strspn(line, " ");

		if (*text != '\n' && *text && strncmp(text, "WARNING:", 8)) {
			snprintf(why, room, "%.*s", (int)(line + length - text), text);
			return;
		}
		line += length + (line[length] == '\n');
	}
	snprintf(why, room, "lvm failed and did not say why");
}

char *lvm_run(const char *device, const char *const arguments[], char *why, size_t room)
{
	const char *all[ARGUMENTS_MAX] = { "lvm" };
	char *text[2] = { need_copy(""), need_copy("") };
	size_t count = 1, length[2] = { 0, 0 };
	struct child child;
	int status = -1, result;

	while (*arguments)
		all[count++] = *arguments++;
	all[count++] = "--driverloaded";
	all[count++] = "n";
	all[count++] = "--config";
	all[count++] = config;
	all[count++] = "--devices";
	all[count++] = device;
	result = start((char *const *)all, &child);
	if (result) {
		snprintf(why, room, "%s: %s", PROGRAM, strerror(-result));
	} else {
		read_both(&child, text, length);
		close(child.out);
		close(child.complaints);
		while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR)
			;
		if (status)
			take_complaint(text[1], why, room);
	}
	free(text[1]);
	if (!result && !status)
		return text[0];
	free(text[0]);
	return NULL;
}
