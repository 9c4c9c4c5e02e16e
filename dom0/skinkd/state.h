/* SPDX-License-Identifier: MIT */
/*
 * What skinkd remembers of its domains, so that it can be killed at any instant and find them again: STATE_DIR/state.json.
 * ST1  The file is complete: it is written beside and moved into place.
 * ST2  Domain ids mean something only until the machine is started anew: the file says which start it is of.
 * ST3  A file that cannot be read, or is of another version, is kept: state.json.bad.
 */
#pragma once

#include <stdbool.h>

/* Makes host.domains of the file. False: the machine has been started since, or there is no file. */
bool state_load(void);
void state_save(void);

/* Writes a file as ST1 has it; 0 or -errno. */
int file_replace(const char *path, const char *text);
