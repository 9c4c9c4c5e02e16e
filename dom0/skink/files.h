/* SPDX-License-Identifier: MIT */
/* Manifests as files: one, or all of a directory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DOMAINS_DIRECTORY "/etc/skink/domains"

bool files_exist(const char *path);

/*
 * The whole text; "-" is standard input. False: it cannot be read, is no text or far too large for a manifest, and that
 * has been said. The caller frees.
 */
bool files_read(const char *path, char **text);

/* The *.xml of a directory, or a file alone, sorted by name; names[count] is NULL. False: said why. */
bool files_of(const char *path, char ***names, size_t *count);
void files_free(char **names);
