/* SPDX-License-Identifier: MIT */
/*
 * `skink validate` is a program of its own, which stands beside this one under its name and "-validate". It alone needs libxml2, which brings ICU
 * and the library of C++ along: to load those takes longer than all that another verb does.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/need.h"
#include "message.h"
#include "verbs.h"

#define SUFFIX "-validate"

static char *path_beside(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path));

	return length < 0 ? NULL : need_text("%.*s" SUFFIX, (int)length, path);
}

/* The same words, and none of them an option that was none. */
static char **same_words(const struct invocation *invocation)
{
	char **words = need_zeroed((size_t)invocation->operand_count + 5, sizeof(char *)), **word = words;

	*word++ = need_copy("skink");
	*word++ = need_copy(invocation->verb->name);
	if (invocation->given[OPTION_JSON])
		*word++ = need_copy("--json");
	*word++ = need_copy("--");
	memcpy(word, invocation->operands, (size_t)invocation->operand_count * sizeof(char *));
	return words;
}

int verb_validate(const struct invocation *invocation)
{
	char *path = path_beside();

	if (path)
		execv(path, same_words(invocation));
	complain("%s: %s: it is installed with skink, and beside it", path ? path : "skink" SUFFIX, strerror(errno));
	return EXIT_FAILED;
}
