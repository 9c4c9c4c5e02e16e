/* SPDX-License-Identifier: MIT */
/* What skink says to a person. */
#include "message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/need.h"
#include "tty.h"

static bool progress_shown;

static bool wants_colour(FILE *file)
{
	const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(fileno(file)) && !(no_colour && *no_colour) && terminal &&
	       strcmp(terminal, "dumb") != 0;
}

const char *colour(FILE *file, enum colour which)
{
	static const char *const sequences[] = {
		[PLAIN] = "\033[0m",   [BOLD] = "\033[1m",    [RED] = "\033[31m",
		[GREEN] = "\033[32m", [YELLOW] = "\033[33m", [FAINT] = "\033[2m",
	};

	return wants_colour(file) ? sequences[which] : "";
}

/* C1 controls (U+0080 to U+009F, in UTF-8 c2 80 to c2 9f) steer a terminal as well as C0 does. */
static size_t control_length(const unsigned char *text)
{
	if ((*text < ' ' && *text != '\n' && *text != '\t') || *text == 0x7f)
		return 1;
	return text[0] == 0xc2 && text[1] >= 0x80 && text[1] < 0xa0 ? 2 : 0;
}

void print_text_of(FILE *file, const char *text, size_t length)
{
	const char *end = text + length;
	bool terminal = isatty(fileno(file));

	while (text < end) {
		size_t control = terminal ? control_length((const unsigned char *)text) : 0;

		if (control && *text != '\r')
			fputc('?', file);
		else if (!control)
			fputc(*text, file);
		text += control ? control : 1;
	}
}

void print_text(FILE *file, const char *text)
{
	print_text_of(file, text, strlen(text));
}

static void say(const char *before, const char *format, va_list arguments)
{
	char *text = need_vtext(format, arguments);

	tty_restore();
	progress_erase();
	fflush(stdout);
	fputs(before, stderr);
	print_text(stderr, text);
	fputc('\n', stderr);
	free(text);
}

void complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("skink: ", format, arguments);
	va_end(arguments);
}

void note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("", format, arguments);
	va_end(arguments);
}

/* M3: jansson takes DEL, which stands in strings only, for a character like others. */
static int put_without_delete(const char *text, size_t length, void *unused)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == 0x7f)
			fputs("\\u007F", stdout);
		else
			putchar(text[i]);
	}
	return 0;
}

static void put_json(const json_t *fact, size_t flags)
{
	if (isatty(STDOUT_FILENO))
		json_dump_callback(fact, put_without_delete, NULL, flags | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
	else
		json_dumpf(fact, stdout, flags | JSON_ENCODE_ANY);
	putchar('\n');
}

void print_json(const json_t *fact)
{
	put_json(fact, JSON_INDENT(2));
}

void print_json_line(const json_t *fact)
{
	put_json(fact, JSON_COMPACT);
}

static int terminal_width(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

void progress_show(const char *text)
{
	if (!isatty(STDERR_FILENO))
		return;
	fputs("\r", stderr);
	for (int left = terminal_width() - 1; left > 0 && *text; left--, text++)
		fputc(control_length((const unsigned char *)text) ? '?' : *text, stderr);
	fputs("\033[K", stderr);
	fflush(stderr);
	progress_shown = true;
}

void progress_erase(void)
{
	if (!progress_shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	progress_shown = false;
}

bool output_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	complain("cannot write to standard output: %s", strerror(errno));
	return false;
}
