/* SPDX-License-Identifier: MIT */
/*
 * The terminal and the signals.
 * T1  However skink ends, by exit(), by a signal that can be caught or by abort(), the terminal is as it was found.
 * T2  After signals_hold() a signal is seen only where signals_wait() waits: nothing is interrupted half way.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>

/* Keys come one by one, and none of them is a signal. False: standard input is no terminal. */
bool tty_raw(void);
/* The same, but Ctrl-C stays one, and what is printed is processed: for `top`. */
bool tty_keys(void);
/* As top and editors do: the lines of before come back afterwards. */
void tty_alternate_screen(void);
void tty_restore(void);

void tty_size(int *rows, int *columns);

/* From here on SIGINT, SIGTERM, SIGHUP and SIGQUIT wait for signals_wait(). */
void signals_hold(void);

/*
 * poll() for at most that many seconds (negative: for ever); returns what poll() does. A signal that has come is in
 * signal_caught(), and stays there.
 */
int signals_wait(struct pollfd *fds, nfds_t count, double seconds);
int signal_caught(void);
/* What has come is dealt with: what is still to be done may wait again. */
void signals_forget(void);

/* Monotonic time in seconds. */
double now(void);
