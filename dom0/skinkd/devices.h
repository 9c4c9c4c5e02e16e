/* SPDX-License-Identifier: MIT */
/* Devices apart from a manifest: one that is to be attached, and those that Domain-0 begins with. */
#pragma once

#include "lib/manifest.h"
#include "skinkd/rpc.h"

/* One <interface> or <disk>, checked against this host, in a manifest of its own. NULL: it has failed the request. */
struct manifest *devices_parse_one(struct request *request, const char *xml, const char *file, json_t **warnings);

/* What /etc/skink/domain-0.xml says, a <devices> element; without one: none. Never NULL. */
struct manifest *devices_of_dom0(const char *file);

/* The domain's manifest has no such device any more. */
void devices_forget(domid_t id, const char *key);
