/* SPDX-License-Identifier: MIT */
#include "device/drivers.h"

const struct net_driver *const net_drivers[] = {
	&virtio_net,
	&e1000e,
	NULL,
};

const struct blk_driver *const blk_drivers[] = {
	&virtio_blk,
	&nvme,
	NULL,
};
