# SPDX-License-Identifier: MIT
RUNTIME_SOURCES += driver-domain/device/pool.c
DEVICE_SOURCES += \
	driver-domain/device/drivers.c \
	driver-domain/device/e1000e.c \
	driver-domain/device/nvme.c \
	driver-domain/device/virtio.c \
	driver-domain/device/virtio-blk.c \
	driver-domain/device/virtio-net.c \
	driver-domain/device/virtqueue.c
