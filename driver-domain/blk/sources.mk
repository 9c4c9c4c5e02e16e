# SPDX-License-Identifier: MIT
BLK_SOURCES += \
	driver-domain/blk/attach.c \
	driver-domain/blk/blk.c \
	driver-domain/blk/extent.c \
	driver-domain/blk/limit.c \
	driver-domain/blk/loop.c \
	driver-domain/blk/request.c \
	driver-domain/blk/ring.c \
	driver-domain/blk/successor.c \
	driver-domain/blk/work.c
