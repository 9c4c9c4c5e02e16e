/* SPDX-License-Identifier: MIT */
/* What the enumerations of manifest.h are called in a file; manifest_action_name() and its like are in manifest.h. */
#pragma once

#include "manifest.h"

const char *manifest_clock_name(enum manifest_clock clock);
const char *manifest_exhausted_name(enum manifest_exhausted then);
const char *manifest_extent_attribute(enum manifest_extent_kind kind);
const char *manifest_element_name(enum manifest_element element);
