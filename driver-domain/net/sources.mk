# SPDX-License-Identifier: MIT
NET_LOGIC_SOURCES := \
	driver-domain/net/attach.c \
	driver-domain/net/copy.c \
	driver-domain/net/guard.c \
	driver-domain/net/harvest.c \
	driver-domain/net/headers.c \
	driver-domain/net/join.c \
	driver-domain/net/loop.c \
	driver-domain/net/offload.c \
	driver-domain/net/packet.c \
	driver-domain/net/rate.c \
	driver-domain/net/receive.c \
	driver-domain/net/segments.c \
	driver-domain/net/successor.c \
	driver-domain/net/sum.c \
	driver-domain/net/switch.c \
	driver-domain/net/transmit.c \
	driver-domain/net/wire.c
NET_SOURCES += driver-domain/net/net.c $(NET_LOGIC_SOURCES)
