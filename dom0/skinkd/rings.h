/* SPDX-License-Identifier: MIT */
/* What stands in the rings of a driver domain's front-ends, decoded: at most about so many rings, and of each so many requests. */
#pragma once

#include <stdint.h>

#include <jansson.h>

struct driver;

json_t *rings_of_driver(const struct driver *driver, uint32_t rings, uint32_t requests);
