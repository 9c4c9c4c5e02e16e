/* SPDX-License-Identifier: MIT */
#include "device/drivers.h"

const struct net_driver *const net_drivers[] = {
	&virtio_net,
	NULL,
};

const struct blk_driver *const blk_drivers[] = {
	&virtio_blk,
	NULL,
};
