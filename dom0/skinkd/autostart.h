/* SPDX-License-Identifier: MIT */
/* DOMAINS_DIR: its manifests are applied when the host starts, in the order of their names: 10-web.xml, db.xml. */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "skinkd/host.h"

/* Is there a file for this domain: NAME.xml, or digits and '-' before that? */
bool autostart_is_on(const char *domain);

/* A file that is there is left as it is; one that was put aside is put back; else NAME.xml is written. */
struct outcome autostart_enable(const char *domain, const char *xml);
/* The domain's file is put aside: FILE.disabled. One from before that says something else is somebody's: that fails, and nothing is moved. */
struct outcome autostart_disable(const char *domain);

/* All *.xml of a folder, in order: [{"file","xml"}]. */
json_t *autostart_files(const char *folder);
