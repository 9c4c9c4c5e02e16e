/* SPDX-License-Identifier: MIT */
#pragma once

#include "message.h"

/* How a domain's state is painted. */
enum colour state_colour(const char *state);
