/* SPDX-License-Identifier: MIT */
/*
 * What the core says, to the serial console.
 * Formats, as in printf: %s %.*s %%, %d %u %x and the long %ld %lu %lx, %016lx (filled with zeroes only).
 */
#pragma once

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* One line or part of one; `level` above the one set by loglvl= is dropped. */
void log_print(enum log_level level, const char *format, ...) PRINTF(2, 3);
void log_print_list(enum log_level level, const char *format, va_list arguments);

#define log_error(...)		log_print(LOG_ERROR, __VA_ARGS__)
#define log_warning(...)	log_print(LOG_WARNING, __VA_ARGS__)
#define log_info(...)		log_print(LOG_INFO, __VA_ARGS__)

/* A line that a guest wrote: bounded to a few lines a second for all guests, so that none can flood the console. */
void log_guest(uint16_t domain, const char *text, size_t count);

/*
 * What is kept of the log, from its first byte on: a place is a count of all that was ever said, modulo 2^32. log_read()
 * moves `place` past what it gives, and to the first byte if that is gone by now.
 */
uint32_t log_first(void);
uint32_t log_read(uint32_t *place, char *to, uint32_t room);
void log_forget(void);

void log_set_level(enum log_level level);

/* printf into a buffer: always ends in NUL, returns the length that the whole would have had. */
size_t format_string(char *to, size_t room, const char *format, ...) PRINTF(3, 4);
size_t format_string_list(char *to, size_t room, const char *format, va_list arguments);

/* Bytes as they are (a guest's console), to the same place. */
void log_write_raw(const char *bytes, size_t count);

/* From now on nobody waits for the log's lock: its holder may be what has stopped. */
void log_seize(void);

/* First words of the last message: for panic() and faults of the core. Only the first CPU that comes returns. */
void panic_begin(void);

/* Prints `address` and the callers that the frame pointer (rbp) leads to, by name; a broken chain ends it. */
void backtrace_print(uint64_t address, uint64_t frame_pointer);

/* What the core was given cannot be run: says why, and halts. Nothing in the core is broken: no back trace. */
NORETURN void refuse_to_run(const char *format, ...) PRINTF(1, 2);
