/* SPDX-License-Identifier: MIT */
/* Every driver of a device that there is: one file each. A new one is a line here and one in drivers.c. */
#pragma once

#include "device/blk.h"
#include "device/net.h"

extern const struct net_driver virtio_net, e1000e;
extern const struct blk_driver virtio_blk, nvme;
