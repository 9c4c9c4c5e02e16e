/* SPDX-License-Identifier: MIT */
/*
 * watch SOCKET CONSOLE...: the campaign's eyes and hands in Domain-0. It decides nothing.
 *
 * Lines of its input go to skinkd as they are; a line that begins with ! is a command of the shell. It prints one line each, which ends with
 * a dollar sign so that who reads a serial console can tell a line that something came between:
 *
 *	@s TEXT			from skinkd: an answer, or something that happened
 *	@c NAME TEXT		what a console said; NAME is its file's, without guest- and .log
 *	@k TEXT			a message of Domain-0's kernel
 *	@t MS PID		a sign of life every second: milliseconds since the start, skinkd's process
 *	@o TEXT, @x STATUS	of a command
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS		100		/* at consoles: under QEMU a call of the kernel is dear, and so is who asks for nothing */
#define SIGN_MS		1000
#define LINE_MAX_BYTES	(256 * 1024)

/* What is read, until it is a line. */
struct source {
	const char *prefix;
	const char *path;		/* of a console's */
	char name[64];
	int file;
	bool is_console;
	size_t bytes;
	char line[LINE_MAX_BYTES];
};

static struct source *input, *skinkd, *messages;
static const char *socket_path;

static void print(const char *prefix, const char *name, const char *text)
{
	printf("%s%s%s %s$\n", prefix, *name ? " " : "", name, text);
}

static struct source *source_new(const char *prefix, const char *name, int file)
{
	struct source *source = calloc(1, sizeof(*source));

	if (!source)
		exit(1);
	source->prefix = prefix;
	snprintf(source->name, sizeof(source->name), "%s", name);
	source->file = file;
	return source;
}

static int connect_to_skinkd(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int file = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", socket_path);
	if (file >= 0 && connect(file, (struct sockaddr *)&to, sizeof(to))) {
		close(file);
		file = -1;
	}
	if (file >= 0)
		fcntl(file, F_SETFL, O_NONBLOCK);
	return file;
}

static void run(const char *command)
{
	FILE *from = popen(command, "r");
	char line[4096], status[16];

	while (from && fgets(line, sizeof(line), from)) {
		line[strcspn(line, "\n")] = 0;
		print("@o", "", line);
	}
	snprintf(status, sizeof(status), "%d", from ? WEXITSTATUS(pclose(from)) : 127);
	print("@x", "", status);
}

static void obey(const char *line)
{
	if (*line == '!') {
		run(line + 1);
		return;
	}
	if (skinkd->file < 0)
		skinkd->file = connect_to_skinkd();
	if (skinkd->file < 0 || dprintf(skinkd->file, "%s\n", line) < 0)
		print("@s", "", "{\"gone\":true}");
}

static void take_line(struct source *source, char *line)
{
	line[strcspn(line, "\r")] = 0;
	for (char *at = line; *at; at++)
		if (iscntrl((unsigned char)*at))
			*at = '?';
	if (source == input)
		obey(line);
	else
		print(source->prefix, source->name, line);
}

/* False: it has ended. */
static bool take(struct source *source)
{
	ssize_t count = read(source->file, source->line + source->bytes, LINE_MAX_BYTES - 1 - source->bytes);
	char *begin = source->line, *end;

	if (count <= 0)
		return source->is_console || (count < 0 && errno != ECONNRESET);
	source->bytes += (size_t)count;
	source->line[source->bytes] = 0;
	while ((end = memchr(begin, '\n', (size_t)(source->line + source->bytes - begin)))) {
		*end = 0;
		take_line(source, begin);
		begin = end + 1;
	}
	source->bytes -= (size_t)(begin - source->line);
	memmove(source->line, begin, source->bytes);
	if (source->bytes == LINE_MAX_BYTES - 1)
		source->bytes = 0;
	return true;
}

static bool is_process_of(const char *number, const char *program)
{
	char path[300], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/comm", number);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		*name = 0;
	fclose(file);
	name[strcspn(name, "\n")] = 0;
	return !strcmp(name, program);
}

/* The one that was there before, for as long as it is: what it starts has its name for a moment. */
static long process_of(const char *program)
{
	static char known[300];
	struct dirent *entry;
	DIR *folder;

	if (*known && is_process_of(known, program))
		return atol(known);
	*known = 0;
	folder = opendir("/proc");
	while (folder && (entry = readdir(folder)))
		if (isdigit((unsigned char)*entry->d_name) && is_process_of(entry->d_name, program) && (!*known || atol(entry->d_name) < atol(known)))
			snprintf(known, sizeof(known), "%s", entry->d_name);
	if (folder)
		closedir(folder);
	return atol(known);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* True: it was time. */
static bool give_sign(void)
{
	static uint64_t given;
	char text[64];

	if (now_ms() - given < SIGN_MS)
		return false;
	given = now_ms();
	snprintf(text, sizeof(text), "%lu %ld", given, process_of("skinkd"));
	print("@t", "", text);
	return true;
}

static struct source *console_open(const char *path)
{
	const char *base = strrchr(path, '/');
	char name[64];
	struct source *source;
	int file = open(path, O_RDONLY | O_CLOEXEC);

	base = base ? base + 1 : path;
	snprintf(name, sizeof(name), "%s", strncmp(base, "guest-", 6) ? base : base + 6);
	if (strstr(name, ".log"))
		*strstr(name, ".log") = 0;
	if (file < 0) {
		fprintf(stderr, "watch: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	/* From its beginning: a guest that was created first may have said already that its loads begin. */
	source = source_new("@c", name, file);
	source->path = path;
	source->is_console = true;
	return source;
}

/* A log that has become long is set aside, and another one takes its name once nothing more comes to the old one (dom0/image/files/etc/sv/rotate). */
static void look_for_another(struct source *console)
{
	struct stat old, new;
	int file;

	if (fstat(console->file, &old) || stat(console->path, &new) || old.st_ino == new.st_ino)
		return;
	file = open(console->path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return;
	take(console);
	close(console->file);
	console->file = file;
}

static void look(struct source **console, int consoles)
{
	struct pollfd wait[] = { { input->file, POLLIN, 0 }, { skinkd->file, POLLIN, 0 }, { messages->file, POLLIN, 0 } };

	poll(wait, 3, LOOK_MS);
	if (wait[0].revents && !take(input))
		exit(0);
	if (wait[1].revents && !take(skinkd)) {
		close(skinkd->file);
		skinkd->file = -1;
		skinkd->bytes = 0;
		print("@s", "", "{\"gone\":true}");
	}
	if (wait[2].revents)
		take(messages);
	for (int i = 0; i < consoles; i++)
		take(console[i]);
	if (give_sign())
		for (int i = 0; i < consoles; i++)
			look_for_another(console[i]);
	fflush(stdout);
}

int main(int count, char **arguments)
{
	struct source **console = calloc((size_t)count, sizeof(*console));

	if (count < 2 || !console) {
		fputs("watch SOCKET CONSOLE...\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOFBF, 65536);
	socket_path = arguments[1];
	input = source_new("", "", 0);
	skinkd = source_new("@s", "", connect_to_skinkd());
	messages = source_new("@k", "", open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	lseek(messages->file, 0, SEEK_END);
	for (int i = 2; i < count; i++)
		console[i - 2] = console_open(arguments[i]);
	for (;;)
		look(console, count - 2);
}
