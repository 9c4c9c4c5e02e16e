# SPDX-License-Identifier: MIT
RUNTIME_SOURCES += driver-domain/device/pool.c
