/* SPDX-License-Identifier: MIT */
/*
 * What the core says: each message goes to a ring, for readconsole, and to the console. What guests cause is
 * bounded by a bucket of lines.
 * Lock: log_lock, a leaf; after log_seize() nobody waits for it any more.
 */
#include "lib/log.h"

#include "cpu/cpu.h"
#include "cpu/timer_hw.h"
#include "cpu/uart.h"
#include "lib/spinlock.h"
#include "lib/string.h"

#define RING_BYTES	65536u		/* a power of two */
#define LINE_BYTES	512
#define GUEST_LINES	64u		/* a burst of so many */
#define GUEST_LINE_NS	(125 * NSEC_PER_MSEC)

static struct spinlock log_lock;
static uint32_t seized;			/* id + 1 of the CPU that panics; atomic */
static enum log_level loglvl = LOG_INFO;
static char ring[RING_BYTES];		/* below: log_lock */
static uint32_t ring_end;		/* bytes ever written, modulo 2^32 */
static uint32_t ring_begin;		/* the oldest that is still there */
static bool in_line;			/* the last message did not end its line */
static uint32_t guest_lines = GUEST_LINES;
static uint32_t guest_lines_dropped;
static uint64_t guest_refilled_ns;

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

void log_seize(void)
{
	write_once(&seized, 1);
}

static void emit(const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ring[ring_end++ % RING_BYTES] = bytes[i];
	if (ring_end - ring_begin > RING_BYTES)
		ring_begin = ring_end - RING_BYTES;
	uart_write(bytes, count);
}

/* A carriage return before each end of line; "skink: " before each begin. */
static void emit_text(const char *text)
{
	for (size_t length; *text; text += length) {
		for (length = 0; text[length] && text[length] != '\n';)
			length++;
		if (!in_line && length > 0)
			emit("skink: ", 7);
		emit(text, length);
		in_line = text[length] != '\n';
		if (!in_line) {
			emit("\r\n", 2);
			length++;
		}
	}
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

void log_set_level(enum log_level level)
{
	loglvl = level;
}

/* Takes a line out of the bucket; false if it is empty. */
static bool guest_line_allowed(void)
{
	uint64_t now = time_now_ns(), fresh = (now - guest_refilled_ns) / GUEST_LINE_NS;

	if (fresh > 0) {
		guest_lines = (uint32_t)MIN(guest_lines + fresh, GUEST_LINES);
		guest_refilled_ns = now;
	}
	if (guest_lines == 0) {
		guest_lines_dropped++;
		return false;
	}
	guest_lines--;
	return true;
}

void log_guest(uint16_t domain, const char *format, ...)
{
	char line[LINE_BYTES], head[48] = "";
	va_list arguments;

	lock();
	if (guest_line_allowed()) {
		if (guest_lines_dropped > 0)
			format_string(head, sizeof(head), "%s(%u lines of guests dropped)\n",
				      in_line ? "\n" : "", guest_lines_dropped);
		guest_lines_dropped = 0;
		emit_text(head);
		format_string(head, sizeof(head), "%sd%u: ", in_line ? "\n" : "", domain);
		va_start(arguments, format);
		format_string_list(line, sizeof(line), format, arguments);
		va_end(arguments);
		emit_text(head);
		emit_text(line);
	}
	unlock();
}

void log_write_raw(const char *bytes, size_t count)
{
	lock();
	emit(bytes, count);
	if (count > 0)
		in_line = bytes[count - 1] != '\n';
	unlock();
}

size_t log_read(uint32_t *position, char *to, size_t room)
{
	size_t count = 0;

	lock();
	if (ring_end - *position > ring_end - ring_begin)
		*position = ring_begin;
	for (; count < room && *position != ring_end; (*position)++)
		to[count++] = ring[*position % RING_BYTES];
	unlock();
	return count;
}

void log_forget(void)
{
	lock();
	ring_begin = ring_end;
	unlock();
}
