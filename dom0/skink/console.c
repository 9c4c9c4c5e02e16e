/* SPDX-License-Identifier: MIT */
/* A domain's console. */
#include "console.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ask.h"
#include "message.h"
#include "tty.h"
#include "verbs.h"

#define PIECE	4096
#define MADE_S	5.0
#define AGAIN_S 0.05

/* What is on its way in one direction. */
struct flow {
	char data[PIECE];
	size_t begin, end;
};

int console_escape(const char *text)
{
	if (!text)
		return CONSOLE_ESCAPE;
	if (text[0] == '^' && text[1] && !text[2] && toupper(text[1]) >= '@' && toupper(text[1]) <= '_')
		return toupper(text[1]) & 0x1f;
	return text[0] && !text[1] ? (unsigned char)text[0] : -1;
}

/* Nothing is added to or taken from what passes: the guest has a terminal's rules of its own. */
static void make_transparent(int tty)
{
	struct termios termios;

	if (tcgetattr(tty, &termios) != 0)
		return;
	cfmakeraw(&termios);
	tcsetattr(tty, TCSANOW, &termios);
}

/* xenconsoled makes the terminal a moment after skinkd has made the domain: it is asked for again until then. */
static int ask_tty(struct client *client, const char *domain, json_t **result)
{
	struct call call = {.method = "console", .what = "console"};
	double until = now() + MADE_S;

	for (;;) {
		int code;

		call.quiet = now() < until;
		call.params = json_pack("{s:s}", "domain", domain);
		code = client_call(client, &call, result);
		if (code != EXIT_FAILED || !call.quiet)
			return code;
		signals_wait(NULL, 0, AGAIN_S);
		if (signal_caught())
			return 128 + signal_caught();
	}
}

int console_open(struct client *client, const char *domain, const char *name, struct console *console)
{
	const char *path;
	json_t *result;
	int code = ask_tty(client, domain, &result);

	if (code)
		return code;
	*console = (struct console){.escape = CONSOLE_ESCAPE};
	for (size_t i = 0; name[i] && i < sizeof(console->name) - 1; i++)
		console->name[i] = (unsigned char)name[i] < ' ' || name[i] == 0x7f ? '?' : name[i];
	path = text_of(result, "tty");
	console->tty = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (console->tty < 0) {
		complain("%s: cannot open its console '%s': %s: is xenconsoled running?", name, path,
			 strerror(errno));
		code = errno == EACCES || errno == EPERM ? EXIT_NOT_ALLOWED : EXIT_FAILED;
	} else {
		make_transparent(console->tty);
	}
	json_decref(result);
	return code;
}

static bool is_empty(const struct flow *flow)
{
	return flow->begin == flow->end;
}

/* False at the end of that file. */
static bool fill(struct flow *flow, int from)
{
	ssize_t got = read(from, flow->data, PIECE);

	if (got > 0) {
		flow->begin = 0;
		flow->end = (size_t)got;
	}
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool drain(struct flow *flow, int to)
{
	ssize_t put = write(to, flow->data + flow->begin, flow->end - flow->begin);

	if (put > 0)
		flow->begin += (size_t)put;
	return put >= 0 || errno == EAGAIN || errno == EINTR;
}

/* True: the key was among what has been typed. What came before it still goes to the domain. */
static bool leaves(struct flow *typed, int escape)
{
	char *key = memchr(typed->data + typed->begin, escape, typed->end - typed->begin);

	if (key)
		typed->end = (size_t)(key - typed->data);
	return key != NULL;
}

enum ending { GOES_ON, LEFT, DOMAIN_ENDED, TERMINAL_ENDED };

static enum ending pass(const struct console *console, struct flow *typed, struct flow *shown, bool *has_input)
{
	struct pollfd fds[] = {
		{.fd = *has_input && is_empty(typed) ? STDIN_FILENO : -1, .events = POLLIN},
		{.fd = console->tty, .events = (is_empty(shown) ? POLLIN : 0) | (is_empty(typed) ? 0 : POLLOUT)},
		{.fd = is_empty(shown) ? -1 : STDOUT_FILENO, .events = POLLOUT},
	};

	signals_wait(fds, 3, -1);
	if (fds[0].revents) {
		*has_input = fill(typed, STDIN_FILENO);
		if (leaves(typed, console->escape)) {
			drain(typed, console->tty);
			return LEFT;
		}
	}
	if (fds[1].revents & POLLOUT && !drain(typed, console->tty))
		return DOMAIN_ENDED;
	if (fds[1].revents & (POLLIN | POLLHUP | POLLERR) && is_empty(shown) && !fill(shown, console->tty))
		return DOMAIN_ENDED;
	if (fds[2].revents && !drain(shown, STDOUT_FILENO))
		return TERMINAL_ENDED;
	/* Without a terminal, what the domain says is shown on after the end of what it is told. */
	return *has_input || !isatty(STDIN_FILENO) ? GOES_ON : TERMINAL_ENDED;
}

static enum ending join(const struct console *console)
{
	struct flow typed = {.end = 0}, shown = {.end = 0};
	bool has_input = true;
	enum ending ending;

	do {
		ending = pass(console, &typed, &shown, &has_input);
	} while (ending == GOES_ON && !signal_caught());
	return ending;
}

int console_run(struct console *console)
{
	bool terminal;
	enum ending ending;

	signals_hold();
	fflush(stdout);
	/* First the keys, then the words: who reads that it is the console may type at once. */
	terminal = tty_raw();
	if (terminal)
		fprintf(stderr, "Console of %s. Ctrl-%c leaves it.\r\n", console->name,
			console->escape < ' ' ? console->escape | 0x40 : console->escape);
	ending = join(console);
	close(console->tty);
	tty_restore();
	if (terminal)
		fputc('\n', stderr);
	if (ending == DOMAIN_ENDED)
		note("The console of %s is closed: the domain has ended, or begins anew.", console->name);
	return signal_caught() ? 128 + signal_caught() : EXIT_DONE;
}

int verb_console(const struct invocation *invocation)
{
	const char *escape = invocation->value[OPTION_ESCAPE], *domain = invocation->operands[0];
	struct console console;
	struct client *client;
	int code;

	if (console_escape(escape) < 0) {
		complain("--escape: '%s' is not a key: write '^]' or '^A'", escape);
		return EXIT_BAD_INPUT;
	}
	code = client_open(invocation->socket, false, &client);
	if (code)
		return code;
	code = console_open(client, domain, domain, &console);
	client_close(client);
	if (code)
		return code;
	console.escape = console_escape(escape);
	return console_run(&console);
}
