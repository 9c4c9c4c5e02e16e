/* SPDX-License-Identifier: MIT */
/* NVMe disks, for the list of disk drivers. */
#pragma once

#include "device/blk.h"

extern const struct blk_driver nvme_driver;
