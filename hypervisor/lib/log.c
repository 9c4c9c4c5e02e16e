/* SPDX-License-Identifier: MIT */
/*
 * What the core says goes to the console, line by line. What guests cause is bounded: so many lines a second, then only how many there were.
 * The last of it is kept, for Domain-0 to read. Lock: log_lock, a leaf; after log_seize() nobody waits for it any more.
 */

#include "cpu/uart.h"

#define LINE_BYTES	512
#define GUEST_LINES	16u		/* of all guests, in a second */
#define KEPT_BYTES	16384u

static struct spinlock log_lock;
static bool seized;			/* atomic */
static enum log_level loglvl = LOG_INFO;
static enum { NOBODY, CORE, DOM0 } line_of;	/* below: log_lock; whose last words did not end their line */
static uint64_t guest_second;		/* the one that guest_lines is for */
static uint32_t guest_lines;
static char kept[KEPT_BYTES];
static uint32_t kept_end;		/* how much was ever said, modulo 2^32: the place of what comes next */
static uint32_t kept_bytes;		/* so many before it are kept */

static void lock(void)
{
	if (!read_once(&seized))
		spin_lock(&log_lock);
}

static void unlock(void)
{
	if (!read_once(&seized))
		spin_unlock(&log_lock);
}

void log_seize(void) { write_once(&seized, true); }

static void keep(char c)
{
	kept[kept_end++ % KEPT_BYTES] = c;
	kept_bytes = MIN(kept_bytes + 1, KEPT_BYTES);
}

/* A carriage return before each end of line; "skink: " before each begin. What Domain-0 has begun to say it goes on with behind this. */
static void emit_text(const char *text)
{
	for (; *text; text++) {
		if (line_of == DOM0)
			uart_write("\r\n", 2);
		if (line_of != CORE && *text != '\n')
			uart_write("skink: ", 7);
		line_of = *text != '\n' ? CORE : NOBODY;
		uart_write(line_of ? text : "\r\n", line_of ? 1 : 2);
		keep(*text);
	}
}

uint32_t log_first(void) { return read_once(&kept_end) - read_once(&kept_bytes); }

void log_forget(void)
{
	lock();
	kept_bytes = 0;
	unlock();
}

uint32_t log_read(uint32_t *place, char *to, uint32_t room)
{
	uint32_t count = 0;

	lock();
	if (kept_end - *place > kept_bytes)
		*place = kept_end - kept_bytes;
	while (count < room && *place != kept_end)
		to[count++] = kept[(*place)++ % KEPT_BYTES];
	unlock();
	return count;
}

void log_print_list(enum log_level level, const char *format, va_list arguments)
{
	char line[LINE_BYTES];

	if (level > loglvl)
		return;
	format_string_list(line, sizeof(line), format, arguments);
	lock();
	emit_text(line);
	unlock();
}

void log_print(enum log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_print_list(level, format, arguments);
	va_end(arguments);
}

void log_set_level(enum log_level level) { loglvl = level; }

void log_guest(uint16_t domain, const char *text, size_t count)
{
	char line[LINE_BYTES];
	uint64_t second = time_now_ns() / NSEC_PER_SEC;
	uint32_t dropped = 0;

	lock();
	if (second != guest_second) {
		dropped = guest_lines - MIN(guest_lines, GUEST_LINES);
		guest_second = second;
		guest_lines = 0;
	}
	if (guest_lines++ < GUEST_LINES) {
		emit_text(line_of == CORE ? "\n" : "");
		format_string(line, sizeof(line), "(%u lines of guests dropped)\n", dropped);
		emit_text(dropped ? line : "");
		format_string(line, sizeof(line), "d%u: %.*s\n", domain, (int)count, text);
		emit_text(line);
	}
	unlock();
}

void log_write_raw(const char *bytes, size_t count)
{
	lock();
	uart_write(bytes, count);
	if (count > 0)
		line_of = bytes[count - 1] != '\n' ? DOM0 : NOBODY;
	unlock();
}
