/* SPDX-License-Identifier: MIT */
/*
 * How skink ends. The same numbers are the codes of errors in protocols/skinkd.md, and stand in skink(1).
 */
#pragma once

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_BAD_INPUT = 2,		/* a bad manifest, or bad usage */
	EXIT_NO_DOMAIN = 3,
	EXIT_NOT_ALLOWED = 4,
	EXIT_UNREACHABLE = 5,		/* skinkd does not run, or went away before it answered */
	EXIT_TIMED_OUT = 6,
	EXIT_INTERRUPTED = 130		/* 128 + SIGINT; other signals likewise */
};
