# SPDX-License-Identifier: MIT
CORE_SOURCES += \
	hypervisor/sched/account.c \
	hypervisor/sched/bvt.c \
	hypervisor/sched/ops.c \
	hypervisor/sched/queue.c \
	hypervisor/sched/time.c \
	hypervisor/sched/timer.c
