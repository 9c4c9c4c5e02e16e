/* SPDX-License-Identifier: MIT */
/*
 * A domain's console: the pseudo-terminal that xenconsoled made, joined to ours.
 * K1  What is typed goes to the domain, but for the one key that leaves; Ctrl-C is the domain's too.
 */
#pragma once

#include "client.h"

#define CONSOLE_ESCAPE 0x1d	/* Ctrl-] */

struct console {
	int tty;
	int escape;
	char name[64];		/* for messages */
};

/* Asks where it is, and opens it. */
int console_open(struct client *client, const char *domain, const char *name, struct console *console);

/* Until the key that leaves, the domain's end, or a signal. Closes. */
int console_run(struct console *console);

/* "^]", "^A" or one character: its code. NULL: CONSOLE_ESCAPE. -1: not a key. */
int console_escape(const char *text);
