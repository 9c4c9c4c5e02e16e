/* SPDX-License-Identifier: MIT */
/* The terminal and the signals. */
#include "tty.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static struct termios found;
static volatile sig_atomic_t changed, alternate, caught;

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static const int dying_signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGPIPE};

/* Only what may be called from a signal handler. */
void tty_restore(void)
{
	static const char leave[] = "\033[?25h\033[?1049l";

	if (alternate && write(STDOUT_FILENO, leave, sizeof(leave) - 1) < 0)
		alternate = 0;
	alternate = 0;
	if (changed)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &found);
	changed = 0;
}

static void restore_and_die(int number)
{
	tty_restore();
	signal(number, SIG_DFL);
	raise(number);
}

static bool change(void (*how)(struct termios *))
{
	static bool prepared;
	struct termios wanted;

	if (!changed && tcgetattr(STDIN_FILENO, &found) != 0)
		return false;
	if (!prepared) {
		atexit(tty_restore);
		for (size_t i = 0; i < sizeof(dying_signals) / sizeof(*dying_signals); i++)
			signal(dying_signals[i], restore_and_die);
		prepared = true;
	}
	wanted = found;
	how(&wanted);
	changed = 1;
	return tcsetattr(STDIN_FILENO, TCSADRAIN, &wanted) == 0;
}

static void single_keys(struct termios *wanted)
{
	wanted->c_lflag &= ~(ICANON | ECHO);
	wanted->c_cc[VMIN] = 0;
	wanted->c_cc[VTIME] = 0;
}

bool tty_raw(void)
{
	return change(cfmakeraw);
}

bool tty_keys(void)
{
	return change(single_keys);
}

void tty_alternate_screen(void)
{
	alternate = 1;
	fputs("\033[?1049h\033[?25l", stdout);
	fflush(stdout);
}

void tty_size(int *rows, int *columns)
{
	struct winsize size;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;

	/* A serial line does not know. */
	*rows = known && size.ws_row ? size.ws_row : 24;
	*columns = known && size.ws_col ? size.ws_col : 80;
}

static void catch(int number)
{
	caught = number;
}

void signals_hold(void)
{
	struct sigaction action = {.sa_handler = catch};
	sigset_t held;

	sigemptyset(&held);
	for (size_t i = 0; i < sizeof(ending_signals) / sizeof(*ending_signals); i++) {
		struct sigaction before;

		/* nohup and background jobs: what is ignored stays so. */
		sigaction(ending_signals[i], NULL, &before);
		if (before.sa_handler == SIG_IGN)
			continue;
		sigaddset(&held, ending_signals[i]);
		sigaction(ending_signals[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &held, NULL);
}

int signals_wait(struct pollfd *fds, nfds_t count, double seconds)
{
	struct timespec limit = {.tv_sec = (time_t)seconds,
				 .tv_nsec = (long)((seconds - (time_t)seconds) * 1e9)};
	sigset_t open;
	int result;

	sigemptyset(&open);
	result = ppoll(fds, count, seconds < 0 ? NULL : &limit, &open);
	if (result < 0) {
		for (nfds_t i = 0; i < count; i++)
			fds[i].revents = 0;
	}
	return result < 0 && errno == EINTR ? 0 : result;
}

void signals_forget(void)
{
	caught = 0;
}

int signal_caught(void)
{
	return caught;
}

double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}
