/* SPDX-License-Identifier: MIT */
/* The PCI functions of the machine, as the core has found them. */
#pragma once

#include <jansson.h>

#include "lib/core.h"

/* Of all: `at` (0000:00:04.0), `kind`, ids, `owner`, and whether it can be given away. */
json_t *functions_json(void);

/* What the IOMMU refused, and interrupts that came too often: an event for each function of which there are more than before. */
void functions_look(void);
