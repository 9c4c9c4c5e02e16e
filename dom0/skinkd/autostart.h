/* SPDX-License-Identifier: MIT */
/* DOMAINS_DIR: its manifests are applied when the host starts, in the order of their names: 10-web.xml, db.xml. */
#pragma once

#include <stdbool.h>

#include <jansson.h>

/* Is there a file for this domain: NAME.xml, or digits and '-' before that? */
bool autostart_is_on(const char *domain);

/* Writes NAME.xml, or removes the domain's file. 0 or -errno. */
int autostart_set(const char *domain, const char *xml);		/* xml NULL: off */

/* All *.xml of a folder, in order: [{"file","xml"}]. */
json_t *autostart_files(const char *folder);
