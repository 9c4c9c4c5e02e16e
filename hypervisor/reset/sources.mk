# SPDX-License-Identifier: MIT
CORE_SOURCES += hypervisor/reset/ready.c hypervisor/reset/control.c hypervisor/reset/restore.c hypervisor/reset/renew.c
