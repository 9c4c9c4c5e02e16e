# SPDX-License-Identifier: MIT
# The scripts, and the worlds that they run in; the kernels under test that the reference front-ends are built into.
CONFORMANCE_SCRIPT_SOURCES := $(addprefix tests/conformance/,script.c rules.c blk.c net.c packet.c decode.c)
CONFORMANCE_FRONT_SOURCES := $(addprefix protocols/front/,bus.c blk.c net.c)
CONFORMANCE_WORK_SOURCES := $(addprefix tests/conformance/,work_blk.c work_net.c)
CONFORMANCE_BACKEND_SOURCES := $(CONFORMANCE_SCRIPT_SOURCES) tests/conformance/world_xen.c
CONFORMANCE_HOST_SOURCES := $(CONFORMANCE_SCRIPT_SOURCES) $(CONFORMANCE_FRONT_SOURCES) $(CONFORMANCE_WORK_SOURCES) \
	tests/conformance/world_host.c
CONFORMANCE_KERNEL_SOURCES := $(CONFORMANCE_FRONT_SOURCES) protocols/front/store.c $(CONFORMANCE_WORK_SOURCES) \
	$(addprefix tests/conformance/,kernel.c packet.c)
# The scripted front-ends, which try back-ends.
CONFORMANCE_JUDGE_SOURCES := $(addprefix protocols/front/,bus.c store.c) $(addprefix tests/conformance/,kernel.c judge.c packet.c decode.c)
