# Skink: the index of what you can do. `make help` lists it, `make V=1` shows the commands.
#
# One Makefile, no recursion. Everything is built under build/. What belongs to what is listed by the
# folders themselves, in <folder>/sources.mk, which hold nothing but lines of these variables:
#
#   CORE_SOURCES          .c and .S of the core, all of them linked into build/skink
#   RUNTIME_SOURCES       .c and .S of the small PV kernel (driver-domain/runtime)
#   GUEST_TESTS           names; N is tests/guest/N.c + GUEST_N_SOURCES + the runtime -> build/guest/N.elf
#   GUEST_COMMON_SOURCES  linked into each guest test
#   UNIT_TESTS            names; N is tests/unit/N.c + UNIT_N_SOURCES + UNIT_COMMON_SOURCES -> build/unit/N
#   UNIT_COMMON_SOURCES   the fake CPU and what every unit test and fuzzer needs
#   FUZZ_TARGETS          names; N is tests/fuzz/N.c + FUZZ_N_SOURCES + UNIT_COMMON_SOURCES -> build/fuzz/N
#   FUZZ_COMMON_SOURCES   linked into each fuzzer
#   DOM0_FUZZ_TARGETS     names; N is tests/fuzz/N.c + DOM0_FUZZ_N_SOURCES -> build/fuzz/dom0-N, which begins with DOM0_FUZZ_N_SEEDS
#   DEVICE_SOURCES        .c of the device drivers (driver-domain/device), linked into each driver domain
#   NET_SOURCES           .c of the network back-end, with the runtime and the devices -> build/net.elf
#   BLK_SOURCES           .c of the block back-end, likewise -> build/blk.elf
#   DRIVER_UNIT_TESTS     names; N is tests/unit/driver/N.c + DRIVER_UNIT_N_SOURCES, of driver-domain/ -> build/unit/driver-N
#   DRIVER_FUZZ_TARGETS   names; N is tests/fuzz/N.c + DRIVER_FUZZ_N_SOURCES, of driver-domain/ -> build/fuzz/driver-N
#   DOM0_LIB_SOURCES      .c of dom0/lib -> build/dom0/libskink.a
#   DOM0_SKINKD_SOURCES   .c of the daemon, with the library -> build/dom0/skinkd
#   DOM0_SKINK_SOURCES    .c of the command, with the library -> build/dom0/skink, build/dom0/skink-validate
#   DOM0_INJECT_SOURCES   .c of the injector of faults, with the library -> build/dom0/inject
#   DOM0_UNIT_TESTS       names; N is tests/unit/dom0/N.c + DOM0_UNIT_N_SOURCES + the library -> build/unit/dom0-N
#                         (without DOM0_UNIT_N_WITHOUT)
#   CFLAGS_<path of a .c> what one file needs besides (CFLAGS_hypervisor/lib/x.c = -O3)
#
# Paths are those seen from here.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
# By all CPUs, unless -j says by how many.
MAKEFLAGS += --no-builtin-rules --no-builtin-variables -j$(shell nproc)

# ---------------------------------------------------------------- what can be chosen on the command line

ifneq ($(filter default undefined,$(origin CC)),)
CC := gcc
endif
FLAVOUR      := $(if $(findstring clang,$(CC)),clang,gcc)
CC_gcc       := $(if $(filter gcc,$(FLAVOUR)),$(CC),gcc)
CC_clang     := $(if $(filter clang,$(FLAVOUR)),$(CC),clang)
PYTHON       ?= /usr/bin/python3
QEMU         ?= qemu-system-x86_64
CPU          ?= qemu64
SMP          ?= 2
MEM          ?= 2048
FUZZ_SECONDS ?= 60
RUN_SECONDS  ?= 86400
HYPERVISOR   ?= build/skink
SYSTEMS      ?= bare skink xen uml
CORE_ARGS    ?= console=com1 com1=115200 dom0_mem=$(DOM0_MEM)
DOM0_MEM     ?= 640M
DOM0_ARGS    ?= console=hvc0 earlyprintk=xen acpi=off initcall_blacklist=cmos_init swiotlb=noforce cryptomgr.notests

Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-8s %s\n' $(1) $(2))

# The one list of what has to be installed.
PACKAGES := gcc libc6-dev clang libclang-rt-14-dev make gdb python3 python3-pytest python3-pytest-xdist python3-matplotlib python3-scipy python3-prometheus-client python3-yaml e2fsprogs groff-base \
	qemu-system-x86 ovmf libxen-dev grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools \
	libcunit1-dev libxml2-utils iproute2 strace cloc spin busybox-static cpio kmod zstd lz4 xz-utils gzip \
	mmdebstrap uidmap fakeroot e2fsprogs iperf3 libxml2-dev libuv1-dev libjansson-dev libinih-dev zlib1g-dev liblzma-dev libzstd-dev liblz4-dev libxxhash-dev libblkid-dev fdisk libzydis-dev

include $(wildcard hypervisor/*/sources.mk driver-domain/*/sources.mk dom0/*/sources.mk tests/*/sources.mk)

CONFORMANCE := $(addprefix build/conformance/,backend host net.elf blk.elf mutant.elf back-net.elf back-blk.elf back-mutants/built initrd)

DRIVER_DOMAINS := $(if $(NET_SOURCES),net) $(if $(BLK_SOURCES),blk)

# ---------------------------------------------------------------- what you can do

.PHONY: all core guests driver-domains dom0 iso run test test-full unit fuzz conformance bench campaign lint gdb clean help packages

all: core guests driver-domains dom0 dom0-programs ## build everything into build/ (CC=gcc or clang)

core: build/skink ## build the core alone: build/skink, and build/skink.elf with its symbols

guests: $(GUEST_TESTS:%=build/guest/%.elf) ## build the guest tests: build/guest/*.elf

driver-domains: $(DRIVER_DOMAINS:%=build/%.elf) ## build the driver domains' kernels: build/net.elf, build/blk.elf

dom0: build/dom0/vmlinux build/dom0/initrd build/dom0.cpio.zst build/dom0/unpacked.cpio ## Debian's kernel and the Dom0 system: build/dom0.cpio.zst

iso: build/skink.iso ## build/skink.iso: GRUB, Skink, Debian; boots on BIOS and UEFI

run: $(if $(ISO),build/skink.iso,$(HYPERVISOR)) dom0 build/run.disk ## boot it and type into it (ISO=1, CPU=, SMP=, MEM=, DOM0_ARGS=)
	@echo "A tour is played first. Then you are root in Dom0, and all of the tour goes on. To leave: 'poweroff', or Ctrl-A then X to stop QEMU at once."
	$(Q)if [ -t 0 ]; then $(RUN_QEMU); else dom0/image/play.sh build/run.log $(RUN_QEMU); fi

test: test-builds ## everything that must pass, about 35 minutes on two CPUs (TEST_JOBS=, TESTS=tests/system/test_run.py): unit, fuzz, lint, guests, a choice of the matrix
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) $(PYTEST) $(TESTS)

test-full: test-builds build/dom0/backports/vmlinux build/dom0/backports/initrd build/campaign/debian.ext4 ## the same with every repetition, two CPUs for each Dom0, and the whole system matrix
	$(Q)SKINK_FULL=1 FUZZ_SECONDS=$(FUZZ_SECONDS) $(PYTEST) $(TESTS)

HOST_UNIT_TESTS = $(UNIT_TESTS:%=build/unit/%) $(DRIVER_UNIT_TESTS:%=build/unit/driver-%) $(DOM0_UNIT_TESTS:%=build/unit/dom0-%)
HOST_FUZZERS = $(FUZZ_TARGETS:%=build/fuzz/%) $(DRIVER_FUZZ_TARGETS:%=build/fuzz/driver-%) $(DOM0_FUZZ_TARGETS:%=build/fuzz/dom0-%)

unit: $(HOST_UNIT_TESTS) ## the sources on the host: the core's against a fake CPU, the driver domains', Dom0's library (ASan, UBSan)
	$(Q)set -e; for test in $^; do echo "== $$test"; $(SANITIZE) timeout 300 $$test; done

fuzz: $(HOST_FUZZERS) ## random hypercalls against an oracle (FUZZ_SECONDS=, shared by all of them)
	$(Q)set -e; for test in $^; do echo "== $$test"; mkdir -p $$test.corpus; \
		$(SANITIZE) $$test -max_total_time=$$(($(FUZZ_SECONDS) / $(words $(HOST_FUZZERS)))) -print_final_stats=1 -verbosity=0 \
		-artifact_prefix=$$test. $$test.corpus; done

lint: | build/packages ## arrows between folders, headers that compile alone, lines of code, longest functions
	$(Q)$(PYTHON) -B tests/lint/lint.py --cc $(CC_gcc)

conformance: core dom0 $(CONFORMANCE) ## walk a kernel's front-end through docs/protocols.md, or a driver domain's back-end (ROLE=net|blk KERNEL= INITRD= CMDLINE= STEP=BLK-24; SIDE=back ROLE=net|blk KERNEL= DEVICE=nvme STEP=BLK-60)
	$(Q)$(PYTHON) -B tests/conformance/run.py $(if $(SIDE),--side '$(SIDE)') $(if $(ROLE),--role '$(ROLE)') $(if $(KERNEL),--kernel '$(KERNEL)') \
		$(if $(INITRD),--initrd '$(INITRD)') $(if $(CMDLINE),--cmdline='$(CMDLINE)') $(if $(DEVICE),--device '$(DEVICE)') $(if $(STEP),--step '$(STEP)')

bench: core guests dom0 $(if $(filter xen,$(SYSTEMS)),build/xen/xen) $(if $(filter uml,$(SYSTEMS)),build/uml/linux.uml) $(if $(filter apps% copies,$(or $(BENCH),apps)),build/apps.cpio) build/bench-counts.so build/bench/ledgerless-net.elf build/bench/ledgerless-blk.elf ## what it costs, beside bare QEMU, Xen and User-Mode Linux: a table, build/bench.html, build/bench.json (BENCH="guests system" SYSTEMS="bare skink" BASELINE=old.json)
	$(Q)$(PYTHON) -B tests/bench/bench.py $(addprefix --system ,$(SYSTEMS)) $(addprefix --part ,$(BENCH)) $(if $(BASELINE),--baseline '$(BASELINE)')

campaign: core driver-domains dom0 $(CAMPAIGN_PROGRAMS:%=build/campaign/programs/%) $(if $(PLAN)$(MERGE)$(REPORT),,build/campaign/debian.ext4) ## faults into drivers under load (PLAN= ONLY=net0/CLASS/SEED TIMES=20 EXACT=1 GDB=1 ACCUMULATE=1 MIXED=1; MERGE="OUT FILE..."; REPORT="OUT FILE...")
	$(Q)$(PYTHON) -B tests/campaign/campaign.py $(if $(MERGE),--merge $(MERGE),$(if $(REPORT),--report $(REPORT),$(or $(PLAN),tests/campaign/plans/default.toml) $(ONLY:%=--only %) \
		$(if $(TIMES),--times $(TIMES)) $(if $(EXACT),--exact) $(if $(GDB),--gdb) $(if $(ACCUMULATE),--accumulate))) $(if $(MIXED),--mixed)

gdb: core dom0 ## QEMU stopped at the first instruction, in gdb (domains, vcpus, cpus, machine-frame MFN); the console goes to build/gdb.log
	$(Q)gdb build/skink.elf -x tests/gdb/skink.py -ex 'set architecture i386:x86-64' -ex 'target remote | exec $(QEMU) $(QEMU_ARGS) \
		-S -gdb stdio -serial file:build/gdb.log $(QEMU_KERNEL)'

clean: ## remove build/
	$(Q)rm -rf build

help: ## this list
	@echo "make [target] [CC=gcc|clang] [V=1]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

# ---------------------------------------------------------------- the machine below

QEMU_ARGS = -accel tcg -cpu $(CPU) -smp $(SMP) -m $(MEM) -display none -nodefaults -no-reboot
# Played when Dom0 is up; without a terminal the machine ends with it. TOUR= : none.
TOUR ?= $(shell test -t 0 && echo skink.tour || echo skink.tour=end)
RUN_QEMU = timeout --foreground $(RUN_SECONDS) $(QEMU) $(QEMU_ARGS) $(RUN_DEVICES) -serial mon:stdio \
	$(if $(ISO),-cdrom build/skink.iso -boot d,$(QEMU_KERNEL_TOUR))
QEMU_KERNEL_TOUR = -kernel $(HYPERVISOR) -append "$(CORE_ARGS)" \
	-initrd "build/dom0/vmlinux $(DOM0_ARGS) $(TOUR),build/dom0.cpio.zst"
QEMU_KERNEL = -kernel $(HYPERVISOR) -append "$(CORE_ARGS)" \
	-initrd "build/dom0/vmlinux $(DOM0_ARGS),build/dom0.cpio.zst"
# A card (00:03.0) and a disk (00:04.0) behind an IOMMU, as manifests/net0.xml and disk0.xml have them.
RUN_DEVICES = -machine q35 -device intel-iommu,intremap=on \
	-netdev user,id=net0 -device virtio-net-pci,netdev=net0,addr=3,disable-legacy=on,iommu_platform=on \
	-drive file=build/run.disk,format=raw,if=none,id=disk0,discard=unmap \
	-device virtio-blk-pci,drive=disk0,addr=4,disable-legacy=on,iommu_platform=on
# What shares a machine stays together (tests/conftest.py); a machine under QEMU takes up to two CPUs and 2 GiB.
TEST_JOBS ?= $(shell n=$$(nproc); [ $$n -lt 3 ] && echo $$n || echo 3)
PYTEST = PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pytest -p no:cacheprovider -q -rA --tb=short --show-capture=no \
	--durations=20 --junitxml=build/test/results.xml -n $(TEST_JOBS) --dist loadgroup
TESTS ?= tests
SANITIZE = UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=detect_leaks=0

# All that `make test` runs is built first; the tests themselves never call make.
.PHONY: test-builds
test-builds: core guests dom0 build/dom0/newer.cpio build/dom0/root.ext4 build/dom0/root-initrd build/skink.iso build/gcc/skink build/gcc/skink.iso build/clang/skink build/clang/skink.iso \
	$(HOST_UNIT_TESTS) $(HOST_FUZZERS) driver-domains dom0-programs build/dom0/skink-checked build/dom0/skink-checked-validate build/dom0/kill-driver $(CONFORMANCE) \
	$(CAMPAIGN_PROGRAMS:%=build/campaign/programs/%) build/campaign/forgetful-blk.elf build/test/poisoned-blk.elf build/test/poisoned-net.elf build/test/skeleton.elf

# The disk of `make run`: a partition for manifests/web.xml, and room for volumes. What is written to it stays.
build/run.disk: | build/packages
	$(call say,DISK,$@)
	$(Q)truncate -s 2G $@.part
	$(Q)printf 'label: gpt\nsize=256M, name=web\nname=skink-volumes\n' | sfdisk -q $@.part
	$(Q)mv $@.part $@

# ---------------------------------------------------------------- packages

packages: build/packages ## install what is missing (root or sudo)

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

build/packages: Makefile
	$(Q)mkdir -p $(@D)
	$(Q). /etc/os-release; if [ "$$ID$$VERSION_ID" != debian12 ] && [ -z "$(ANYWAY)" ]; then \
		echo "Skink is built on Debian 12 (amd64), and this is $$PRETTY_NAME."; \
		echo "Install what stands in PACKAGES in the Makefile by hand, then: make ANYWAY=1"; exit 1; fi
	$(Q)missing=; for p in $(if $(ANYWAY),,$(PACKAGES)); do \
		dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "  INSTALL $$missing"; \
		$(SUDO) apt-get -q update && \
		DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get -q install -y --no-install-recommends $$missing; fi
	$(Q)touch $@

# ---------------------------------------------------------------- the core, once for each compiler

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wundef -Wvla -Wpointer-arith -Wwrite-strings -Wnested-externs -Wredundant-decls \
	-Wformat=2 -Wno-unused-parameter
# The newest interface of Xen's headers, and those of the control plane.
XEN_HEADERS := -D__XEN_TOOLS__
CORE_INCLUDES := -Ihypervisor -Ihypervisor/include -Iprotocols
CORE_PRELUDE := -include include/prelude.h
FREESTANDING := -std=gnu11 -O2 -g -ffreestanding -fvisibility=hidden -mno-red-zone -mgeneral-regs-only \
	-fno-strict-aliasing -fno-strict-overflow -fno-delete-null-pointer-checks -fno-common \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fcf-protection=none
CORE_FLAGS := $(FREESTANDING) -fbuiltin -fpie -fno-jump-tables $(WARNINGS) $(XEN_HEADERS) $(CORE_INCLUDES)
# hypervisor/cpu has the thunks: __x86_indirect_thunk_<reg> for gcc, __llvm_retpoline_r11 for clang.
CORE_FLAGS_gcc := -mindirect-branch=thunk-extern -mindirect-branch-register -flto=auto
CORE_FLAGS_clang := -fdirect-access-external-data -mretpoline -mretpoline-external-thunk
# gcc's objects become one, and functions of one file part of those of another; clang's are only put together.
CORE_JOIN_gcc = $(CC_gcc) $(CORE_FLAGS) $(CORE_FLAGS_gcc) -flinker-output=nolto-rel -nostdlib -r
CORE_JOIN_clang = $(LD) -r
LD ?= ld
LD_FLAGS := -nostdlib -static --build-id=none -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments

core_objects = $(addprefix build/$(1)/,$(addsuffix .o,$(CORE_SOURCES)))

# $(1) is gcc or clang. The core is linked three times: with an empty table of symbols, with one of the
# right size, and with the right addresses in it.
define CORE_RULES
build/$(1)/hypervisor/%.c.o: hypervisor/%.c Makefile | build/packages
	$$(call say,CC,$$<)
	$(Q)mkdir -p $$(@D)
	$(Q)$(CC_$(1)) $(CORE_FLAGS) $(CORE_PRELUDE) $(CORE_FLAGS_$(1)) $$(CFLAGS_$$<) -MMD -MP -c $$< -o $$@

build/$(1)/hypervisor/%.S.o: hypervisor/%.S build/$(1)/generated/offsets.h Makefile | build/packages
	$$(call say,AS,$$<)
	$(Q)mkdir -p $$(@D)
	$(Q)$(CC_$(1)) $(CORE_FLAGS) -D__ASSEMBLY__= -Ibuild/$(1)/generated -MMD -MP -c $$< -o $$@

# Offsets for assembly. The file says, for each of them, what DEFINE() writes:
#   #define DEFINE(name, value) asm volatile("\n.ascii \"->" #name " %c0\"" : : "i"(value))
build/$(1)/generated/offsets.h: $(wildcard hypervisor/cpu/offsets.c) Makefile | build/packages
	$$(call say,OFFSETS,$$@)
	$(Q)mkdir -p $$(@D)
	$(Q)$(if $(wildcard hypervisor/cpu/offsets.c),$(CC_$(1)) $(CORE_FLAGS) $(CORE_PRELUDE) -MMD -MP -MF $$@.d -MT $$@ \
		-S hypervisor/cpu/offsets.c -o $$(@:.h=.s),: > $$(@:.h=.s))
	$(Q)sed -n 's/.*->\([A-Za-z0-9_]*\) [$$$$]*\(-*[0-9]*\).*/#define \1 \2/p' $$(@:.h=.s) > $$@

build/$(1)/symbols-0.S: hypervisor/lib/symbols.py | build/packages
	$(Q)mkdir -p $$(@D)
	$(Q)$(PYTHON) -B hypervisor/lib/symbols.py < /dev/null > $$@

build/$(1)/symbols-%.S: build/$(1)/skink-%.elf hypervisor/lib/symbols.py
	$(Q)nm -n $$< | $(PYTHON) -B hypervisor/lib/symbols.py > $$@

build/$(1)/core.o: $(call core_objects,$(1)) Makefile
	$$(call say,JOIN,$$@)
	$(Q)$(CORE_JOIN_$(1)) -o $$@ $$(filter %.o,$$^)

build/$(1)/skink-1.elf: build/$(1)/symbols-0.S
build/$(1)/skink-2.elf: build/$(1)/symbols-1.S
build/$(1)/skink.elf: build/$(1)/symbols-2.S
build/$(1)/skink-1.elf build/$(1)/skink-2.elf build/$(1)/skink.elf: build/$(1)/core.o hypervisor/boot/skink.lds Makefile
	$$(call say,LINK,$$@)
	$(Q)$(CC_$(1)) -D__ASSEMBLY__= -c $$(filter %.S,$$^) -o $$@.symbols.o
	$(Q)$(LD) $(LD_FLAGS) -T hypervisor/boot/skink.lds -o $$@ build/$(1)/core.o $$@.symbols.o

build/$(1)/skink: build/$(1)/skink.elf
	$$(call say,BINARY,$$@)
	$(Q)objcopy -O binary $$< $$@

build/$(1)/skink.iso: build/$(1)/skink build/dom0/vmlinux build/dom0/initrd dom0/image/iso.sh
	$$(call say,ISO,$$@)
	$(Q)dom0/image/iso.sh $$@ build/$(1)/skink build/dom0/vmlinux build/dom0/initrd \
		'$(CORE_ARGS)' '$(DOM0_ARGS)'
endef
$(foreach flavour,gcc clang,$(eval $(call CORE_RULES,$(flavour))))

# build/skink is that of the compiler named last: the stamp changes when CC does.
build/flavour: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo '$(CC)' | cmp -s - $@ || echo '$(CC)' > $@

build/skink: build/$(FLAVOUR)/skink build/$(FLAVOUR)/skink.elf build/flavour
	$(Q)cp build/$(FLAVOUR)/skink.elf $@.elf
	$(Q)cp $< $@

build/skink.elf: build/skink ;

# The one to keep; those of the compilers have the small system of the tests.
build/skink.iso: build/skink build/dom0/vmlinux build/dom0.cpio.zst dom0/image/iso.sh
	$(call say,ISO,$@)
	$(Q)dom0/image/iso.sh $@ build/skink build/dom0/vmlinux build/dom0.cpio.zst '$(CORE_ARGS)' '$(DOM0_ARGS) skink.tour'

.PHONY: FORCE
FORCE:

# ---------------------------------------------------------------- the small PV kernel and the guest tests

# Only arrays are aligned for their size, as clang does it: runtime.lds sorts by that.
DATA_gcc := -malign-data=abi
RUNTIME_FLAGS := $(FREESTANDING) -fpie -fdata-sections $(DATA_$(FLAVOUR)) $(WARNINGS) -Wno-missing-prototypes $(XEN_HEADERS) \
	-Idriver-domain -Idriver-domain/runtime -Iprotocols -Itests/guest
GUEST := build/$(FLAVOUR)
guest_objects = $(addprefix $(GUEST)/,$(addsuffix .o,$(sort \
	tests/guest/$(1).c $(GUEST_$(1)_SOURCES) $(GUEST_COMMON_SOURCES) $(RUNTIME_SOURCES))))

$(GUEST)/driver-domain/%.c.o: driver-domain/%.c Makefile | build/packages
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(RUNTIME_FLAGS) $(CFLAGS_$<) -MMD -MP -c $< -o $@

$(GUEST)/driver-domain/%.S.o: driver-domain/%.S Makefile | build/packages
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(RUNTIME_FLAGS) -D__ASSEMBLY__= -MMD -MP -c $< -o $@

$(GUEST)/tests/guest/%.c.o: tests/guest/%.c Makefile | build/packages
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(RUNTIME_FLAGS) $(CFLAGS_$<) -MMD -MP -c $< -o $@

$(GUEST)/tests/guest/%.S.o: tests/guest/%.S Makefile | build/packages
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(RUNTIME_FLAGS) -D__ASSEMBLY__= -MMD -MP -c $< -o $@

define GUEST_RULE
build/guest/$(1).elf: $(call guest_objects,$(1)) driver-domain/runtime/runtime.lds build/flavour
	$$(call say,LINK,$$@)
	$(Q)mkdir -p $$(@D)
	$(Q)$(LD) $(LD_FLAGS) -T driver-domain/runtime/runtime.lds -o $$@ $(call guest_objects,$(1))
endef
$(foreach test,$(GUEST_TESTS),$(eval $(call GUEST_RULE,$(test))))

# $(1) is net or blk, $(2) its sources. The one that Dom0 loads has no debugging information; addresses in its log are
# those of build/<compiler>/<name>.elf.
define DRIVER_DOMAIN_RULE
$(GUEST)/$(1).elf: $(addprefix $(GUEST)/,$(addsuffix .o,$(sort $(2) $(DEVICE_SOURCES) $(RUNTIME_SOURCES)))) \
		driver-domain/runtime/runtime.lds
	$$(call say,LINK,$$@)
	$(Q)$(LD) $(LD_FLAGS) -T driver-domain/runtime/runtime.lds -o $$@ $$(filter %.o,$$^)

build/$(1).elf: $(GUEST)/$(1).elf build/flavour
	$$(call say,STRIP,$$@)
	$(Q)objcopy --strip-debug $$< $$@
endef
$(if $(NET_SOURCES),$(eval $(call DRIVER_DOMAIN_RULE,net,$(NET_SOURCES))))
$(if $(BLK_SOURCES),$(eval $(call DRIVER_DOMAIN_RULE,blk,$(BLK_SOURCES))))

# The block driver domain as it would be without a ledger: a campaign with it has to report what is lost.
build/campaign/forgetful/answers.c: tests/campaign/forgetful.py driver-domain/runtime/answers.c | build/packages
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON) -B $< > $@

build/campaign/forgetful/answers.c.o: build/campaign/forgetful/answers.c
	$(call say,CC,$<)
	$(Q)$(CC) $(RUNTIME_FLAGS) -MMD -MP -c $< -o $@

build/campaign/forgetful-blk.elf: $(GUEST)/blk.elf build/campaign/forgetful/answers.c.o
	$(call say,LINK,$@)
	$(Q)ld $(LD_FLAGS) -T driver-domain/runtime/runtime.lds -o $@ build/campaign/forgetful/answers.c.o \
		$(filter-out %/runtime/answers.c.o,$(addprefix $(GUEST)/,$(addsuffix .o,$(sort $(BLK_SOURCES) $(DEVICE_SOURCES) $(RUNTIME_SOURCES)))))

# The driver domain that docs/driver-domains.md walks through.
build/test/skeleton/skeleton.c build/test/skeleton/device.c &: tests/system/skeleton.py docs/driver-domains.md | build/packages
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON) -B $< $(@D)

build/test/skeleton/%.c.o: build/test/skeleton/%.c
	$(call say,CC,$<)
	$(Q)$(CC) $(RUNTIME_FLAGS) -MMD -MP -c $< -o $@

build/test/skeleton.elf: build/test/skeleton/skeleton.c.o build/test/skeleton/device.c.o $(GUEST)/blk.elf
	$(call say,LINK,$@)
	$(Q)ld $(LD_FLAGS) -T driver-domain/runtime/runtime.lds -o $@ $(filter %.c.o,$^) \
		$(addprefix $(GUEST)/,$(addsuffix .o,$(sort $(DEVICE_SOURCES) $(RUNTIME_SOURCES))))

# Both as they would be if drivers never died: what the ledger costs is the difference.
build/bench/answers.c: tests/bench/split/ledgerless.py driver-domain/runtime/answers.c | build/packages
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON) -B $< > $@

build/bench/answers.c.o: build/bench/answers.c
	$(call say,CC,$<)
	$(Q)$(CC) $(RUNTIME_FLAGS) -MMD -MP -c $< -o $@

define LEDGERLESS_RULE
build/bench/ledgerless-$(1).elf: $(GUEST)/$(1).elf build/bench/answers.c.o
	$$(call say,LINK,$$@)
	$(Q)$(LD) $(LD_FLAGS) -T driver-domain/runtime/runtime.lds -o $$@ build/bench/answers.c.o \
		$(filter-out %/runtime/answers.c.o,$(addprefix $(GUEST)/,$(addsuffix .o,$(sort $(2) $(DEVICE_SOURCES) $(RUNTIME_SOURCES)))))
endef
$(eval $(call LEDGERLESS_RULE,net,$(NET_SOURCES)))
$(eval $(call LEDGERLESS_RULE,blk,$(BLK_SOURCES)))

# And as it would be with a request, or a packet, that kills it: $(1) net or blk, $(2) all its sources, $(3) the one with the mistake.
define POISONED_RULE
build/test/poisoned/$(1).c: tests/system/poisoned.py driver-domain/$(1)/$(3).c | build/packages
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(PYTHON) -B $$< $(1) > $$@

build/test/poisoned/$(1).c.o: build/test/poisoned/$(1).c
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(RUNTIME_FLAGS) -MMD -MP -c $$< -o $$@

build/test/poisoned-$(1).elf: $(GUEST)/$(1).elf build/test/poisoned/$(1).c.o
	$$(call say,LINK,$$@)
	$$(Q)ld $$(LD_FLAGS) -T driver-domain/runtime/runtime.lds -o $$@ build/test/poisoned/$(1).c.o \
		$$(filter-out %/$(1)/$(3).c.o,$$(addprefix $(GUEST)/,$$(addsuffix .o,$$(sort $(2) $(DEVICE_SOURCES) $(RUNTIME_SOURCES)))))
endef
$(eval $(call POISONED_RULE,net,$(NET_SOURCES),transmit))
$(eval $(call POISONED_RULE,blk,$(BLK_SOURCES),request))

# ---------------------------------------------------------------- the core's sources on the host

HOST_FLAGS := -std=gnu11 -D_GNU_SOURCE= -O1 -g -fno-omit-frame-pointer -fno-strict-aliasing -DSKINK_HOST $(XEN_HEADERS) \
	-Wall -Wextra -Werror -Wno-unused-parameter $(CORE_INCLUDES) $(CORE_PRELUDE) -Itests/unit -Itests/unit/fake-cpu
UNIT_FLAGS := $(HOST_FLAGS) -fsanitize=address,undefined
FUZZ_FLAGS := $(HOST_FLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined

unit_objects = $(addprefix build/unit/objects/,$(addsuffix .o,$(sort \
	tests/unit/$(1).c $(UNIT_$(1)_SOURCES) $(UNIT_COMMON_SOURCES))))
fuzz_objects = $(addprefix build/fuzz/objects/,$(addsuffix .o,$(sort \
	tests/fuzz/$(1).c $(FUZZ_$(1)_SOURCES) $(FUZZ_COMMON_SOURCES) $(UNIT_COMMON_SOURCES))))

build/unit/objects/%.c.o: %.c Makefile | build/packages
	$(call say,CC-UNIT,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_gcc) $(UNIT_FLAGS) $(CFLAGS_$<) -MMD -MP -c $< -o $@

build/fuzz/objects/%.c.o: %.c Makefile | build/packages
	$(call say,CC-FUZZ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_clang) $(FUZZ_FLAGS) $(CFLAGS_$<) -MMD -MP -c $< -o $@

define HOST_RULE
build/$(1)/$(2): $(call $(1)_objects,$(2))
	$$(call say,LINK,$$@)
	$(Q)$(3) -o $$@ $$^ $(4)
endef
$(foreach test,$(UNIT_TESTS),$(eval $(call HOST_RULE,unit,$(test),$(CC_gcc) $(UNIT_FLAGS),-lcunit)))
$(foreach test,$(FUZZ_TARGETS),$(eval $(call HOST_RULE,fuzz,$(test),$(CC_clang) $(FUZZ_FLAGS),)))

# ---------------------------------------------------------------- the driver domains' sources on the host

# No -Idriver-domain/runtime: its time.h is not C's.
DRIVER_HOST_FLAGS := $(filter-out $(CORE_INCLUDES) $(CORE_PRELUDE) -Itests/unit/fake-cpu,$(HOST_FLAGS)) \
	-Idriver-domain -Iprotocols -Itests/unit/driver
DRIVER_UNIT_FLAGS := $(DRIVER_HOST_FLAGS) -fsanitize=address,undefined
DRIVER_FUZZ_FLAGS := $(DRIVER_HOST_FLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined

build/unit/driver-objects/%.c.o: %.c Makefile | build/packages
	$(call say,CC-UNIT,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_gcc) $(DRIVER_UNIT_FLAGS) $(CFLAGS_$<) -MMD -MP -c $< -o $@

build/fuzz/driver-objects/%.c.o: %.c Makefile | build/packages
	$(call say,CC-FUZZ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_clang) $(DRIVER_FUZZ_FLAGS) $(CFLAGS_$<) -MMD -MP -c $< -o $@

define DRIVER_HOST_RULES
$(foreach test,$(DRIVER_UNIT_TESTS),
build/unit/driver-$(test): $(patsubst %,build/unit/driver-objects/%.o,$(sort tests/unit/driver/$(test).c $(DRIVER_UNIT_$(test)_SOURCES)))
	$$(call say,LINK,$$@)
	$(Q)$(CC_gcc) $(DRIVER_UNIT_FLAGS) -o $$@ $$^ -lcunit
)
$(foreach test,$(DRIVER_FUZZ_TARGETS),
build/fuzz/driver-$(test): $(patsubst %,build/fuzz/driver-objects/%.o,$(sort tests/fuzz/$(test).c $(DRIVER_FUZZ_$(test)_SOURCES)))
	$$(call say,LINK,$$@)
	$(Q)$(CC_clang) $(DRIVER_FUZZ_FLAGS) -o $$@ $$^
)
endef
$(eval $(DRIVER_HOST_RULES))

# ---------------------------------------------------------------- the conformance test

CONFORMANCE_FLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -fno-strict-aliasing $(WARNINGS) $(XEN_HEADERS)
conformance_objects = $(patsubst %,build/conformance/$(1)/%.o,$(2))

build/conformance/objects/%.c.o: %.c Makefile | build/packages
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_gcc) $(CONFORMANCE_FLAGS) -MMD -MP -c $< -o $@

# In Dom0, and on the host beside the reference front-ends.
build/conformance/backend: $(call conformance_objects,objects,$(CONFORMANCE_BACKEND_SOURCES))
	$(call say,LINK,$@)
	$(Q)$(CC_gcc) -o $@ $^ -lxenstore -lxengnttab -lxenevtchn

build/conformance/host: $(call conformance_objects,objects,$(CONFORMANCE_HOST_SOURCES))
	$(call say,LINK,$@)
	$(Q)$(CC_gcc) -o $@ $^

# Kernels to be tested: the reference front-ends on the runtime, and Linux's.
build/conformance/kernel/%.c.o: %.c Makefile | build/packages
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_gcc) $(RUNTIME_FLAGS) -MMD -MP -c $< -o $@

# $(1) is the kernel's name, $(2) its sources.
define CONFORMANCE_RULE
build/conformance/$(1).elf: $(call conformance_objects,kernel,$(2)) $(addprefix $(GUEST)/,$(addsuffix .o,$(RUNTIME_SOURCES))) \
		driver-domain/runtime/runtime.lds
	$$(call say,LINK,$$@)
	$(Q)$(LD) $(LD_FLAGS) -T driver-domain/runtime/runtime.lds -o $$@ $$(filter %.o,$$^)
endef
$(foreach role,net blk,$(eval $(call CONFORMANCE_RULE,$(role),$(CONFORMANCE_KERNEL_SOURCES) tests/conformance/kernel_$(role).c)))
$(foreach role,net blk,$(eval $(call CONFORMANCE_RULE,back-$(role),$(CONFORMANCE_JUDGE_SOURCES) tests/conformance/back_$(role).c)))

# The kernel with the disk again, with a front-end that breaks a rule.
build/conformance/mutant/blk.c: tests/conformance/mutants.py protocols/front/blk.c | build/packages
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON) -B $< BLK-23 > $@

build/conformance/mutant/blk.c.o: build/conformance/mutant/blk.c
	$(Q)$(CC_gcc) $(RUNTIME_FLAGS) -iquote protocols/front -c $< -o $@

build/conformance/mutant.elf: build/conformance/blk.elf build/conformance/mutant/blk.c.o
	$(call say,LINK,$@)
	$(Q)ld $(LD_FLAGS) -T driver-domain/runtime/runtime.lds -o $@ build/conformance/mutant/blk.c.o \
		$(filter-out %/protocols/front/blk.c.o,$(call conformance_objects,kernel,$(CONFORMANCE_KERNEL_SOURCES) \
		tests/conformance/kernel_blk.c) $(addprefix $(GUEST)/,$(addsuffix .o,$(RUNTIME_SOURCES))))

# The driver domains again, each of which breaks a rule.
back_end_objects = $(addprefix $(GUEST)/,$(addsuffix .o,$(sort $(1) $(DEVICE_SOURCES) $(RUNTIME_SOURCES))))
build/conformance/back-mutants/built: $(addprefix tests/conformance/,back_mutants.py mutants.py) $(GUEST)/net.elf $(GUEST)/blk.elf
	$(call say,MUTANTS,$(@D))
	$(Q)COMPILE='$(CC) $(RUNTIME_FLAGS)' LINK='ld -S $(LD_FLAGS) -T driver-domain/runtime/runtime.lds' \
		OBJECTS_blk='$(call back_end_objects,$(BLK_SOURCES))' OBJECTS_net='$(call back_end_objects,$(NET_SOURCES))' $(PYTHON) -B $< $(@D)
	$(Q)touch $@

build/conformance/initrd: tests/conformance/guest-init build/dom0/vmlinuz $(addprefix dom0/image/,initrd.sh modules.sh pack.sh)
	$(call say,INITRD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)dom0/image/initrd.sh $@ $< build/dom0

# ---------------------------------------------------------------- Dom0's programs: skinkd, skink and their library

DOM0_FLAGS := -std=gnu11 -O2 -g -D_GNU_SOURCE -fPIE -fstack-protector-strong -fno-strict-aliasing $(WARNINGS) \
	$(XEN_HEADERS) -Idom0 -Iprotocols -isystem /usr/include/libxml2
DOM0_LIBRARIES := -lxencall -lxenforeignmemory -lxenevtchn -lxengnttab -lxenstore \
	-lxml2 -luv -ljansson -linih -lz -llzma -lzstd -llz4 -lxxhash -lblkid
DOM0_SANITIZE := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined
dom0_objects = $(patsubst %,build/dom0/objects/%.o,$(1))
dom0_unit_objects = $(addprefix build/unit/dom0-objects/,$(addsuffix .o,$(sort \
	tests/unit/dom0/$(1).c $(DOM0_UNIT_$(1)_SOURCES) $(filter-out $(DOM0_UNIT_$(1)_WITHOUT),$(DOM0_LIB_SOURCES)))))

.PHONY: dom0-programs
dom0-programs: $(if $(DOM0_LIB_SOURCES),build/dom0/libskink.a) $(if $(DOM0_SKINKD_SOURCES),build/dom0/skinkd) \
	$(if $(DOM0_SKINK_SOURCES),build/dom0/skink build/dom0/skink-validate) build/dom0/inject build/dom0/end-machine ## build skinkd, skink and their library: build/dom0/

build/dom0/objects/%.c.o: %.c Makefile | build/packages
	$(call say,CC-DOM0,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_gcc) $(DOM0_FLAGS) $(CFLAGS_$<) -MMD -MP -c $< -o $@

build/dom0/libskink.a: $(call dom0_objects,$(DOM0_LIB_SOURCES)) dom0/lib/sources.mk
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)ar rcD $@ $(filter %.o,$^)

build/dom0/skinkd: $(call dom0_objects,$(DOM0_SKINKD_SOURCES)) build/dom0/libskink.a
	$(call say,LINK,$@)
	$(Q)$(CC_gcc) -pie -Wl,--as-needed -Wl,-z,relro,-z,now -o $@ $^ $(DOM0_LIBRARIES)

# Two of one: the first is what is typed, and starts fast; the second has what needs libxml2.
build/dom0/skink build/dom0/skink-checked: DOM0_LEFT_OUT := validate
build/dom0/skink-validate build/dom0/skink-checked-validate: DOM0_LEFT_OUT := beside
build/dom0/skink build/dom0/skink-validate: $(call dom0_objects,$(DOM0_SKINK_SOURCES)) build/dom0/libskink.a
	$(call say,LINK,$@)
	$(Q)$(CC_gcc) -pie -Wl,--as-needed -Wl,-z,relro,-z,now -o $@ $(filter-out %/$(DOM0_LEFT_OUT).c.o,$^) $(DOM0_LIBRARIES)

build/dom0/inject: $(call dom0_objects,$(DOM0_INJECT_SOURCES)) build/dom0/libskink.a
	$(call say,LINK,$@)
	$(Q)$(CC_gcc) -pie -Wl,--as-needed -Wl,-z,relro,-z,now -o $@ $^ $(DOM0_LIBRARIES) -lZydis

build/dom0/end-machine: build/dom0/objects/dom0/power/main.c.o
	$(call say,LINK,$@)
	$(Q)$(CC_gcc) -pie -Wl,-z,relro,-z,now -o $@ $^ -lxencall

# What tests/system has Domain-0 do to a driver.
build/dom0/kill-driver: $(call dom0_objects,tests/system/kill_driver.c tests/system/ring_states.c $(addprefix dom0/inject/,decode.c image.c victim.c)) build/dom0/libskink.a
	$(call say,LINK,$@)
	$(Q)$(CC_gcc) -pie -Wl,--as-needed -o $@ $^ $(DOM0_LIBRARIES) -lZydis

build/unit/dom0-objects/%.c.o: %.c Makefile | build/packages
	$(call say,CC-UNIT,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_gcc) $(DOM0_FLAGS) $(DOM0_SANITIZE) $(CFLAGS_$<) -MMD -MP -c $< -o $@

# The schema is part of the library, by .incbin.
build/dom0/objects/dom0/lib/manifest_schema.c.o build/unit/dom0-objects/dom0/lib/manifest_schema.c.o \
	build/fuzz/dom0-objects/dom0/lib/manifest_schema.c.o: manifests/skink.rng

# The command with sanitizers, for tests/skink.
build/dom0/skink-checked build/dom0/skink-checked-validate: $(patsubst %,build/unit/dom0-objects/%.o,$(sort $(DOM0_SKINK_SOURCES) $(DOM0_LIB_SOURCES)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_gcc) $(DOM0_SANITIZE) -Wl,--as-needed -o $@ $(filter-out %/$(DOM0_LEFT_OUT).c.o,$^) $(DOM0_LIBRARIES)

define DOM0_UNIT_RULE
build/unit/dom0-$(1): $(call dom0_unit_objects,$(1))
	$$(call say,LINK,$$@)
	$(Q)$(CC_gcc) $(DOM0_SANITIZE) -Wl,--as-needed -o $$@ $$^ $(DOM0_LIBRARIES) -lZydis -lcunit
endef
$(foreach test,$(DOM0_UNIT_TESTS),$(eval $(call DOM0_UNIT_RULE,$(test))))

build/fuzz/dom0-objects/%.c.o: %.c Makefile | build/packages
	$(call say,CC-FUZZ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_clang) $(filter-out -O2,$(DOM0_FLAGS)) -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		$(CFLAGS_$<) -MMD -MP -c $< -o $@

define DOM0_FUZZ_RULE
build/fuzz/dom0-$(1): $(addprefix build/fuzz/dom0-objects/,$(addsuffix .o,tests/fuzz/$(1).c $(DOM0_FUZZ_$(1)_SOURCES)))
	$$(call say,LINK,$$@)
	$(Q)$(CC_clang) -fsanitize=fuzzer,address,undefined -Wl,--as-needed -o $$@ $$^ $(DOM0_LIBRARIES)
	$(Q)mkdir -p $$@.corpus
	$(Q)for seed in $(DOM0_FUZZ_$(1)_SEEDS); do cp $$$$seed $$@.corpus/$$$$(echo $$$$seed | tr / -); done
endef
$(foreach test,$(DOM0_FUZZ_TARGETS),$(eval $(call DOM0_FUZZ_RULE,$(test))))

# ---------------------------------------------------------------- the first domain: Debian's kernel, busybox

# Small programs that the system tests and the benchmarks start in the guest: C, static, on the guest's libc;
# those that end in -32 are 32-bit programs that need no libc.
GUEST_PROGRAMS := $(basename $(notdir $(wildcard tests/system/programs/*.c tests/bench/programs/*.c)))
GUEST_PROGRAM_FLAGS := -std=gnu11 -O2 -g0 -Wall -Wextra -Werror -static

build/dom0/programs/%-32: tests/system/programs/%-32.c Makefile | build/packages
	$(call say,CC32,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_gcc) $(GUEST_PROGRAM_FLAGS) -m32 -ffreestanding -fno-pic -no-pie -fno-stack-protector -nostdlib $< -o $@

build/dom0/programs/%: tests/system/programs/%.c Makefile | build/packages
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_gcc) $(GUEST_PROGRAM_FLAGS) $< -o $@

build/dom0/programs/%: tests/bench/programs/%.c $(wildcard tests/bench/programs/*.h) Makefile | build/packages
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_gcc) $(GUEST_PROGRAM_FLAGS) $< -o $@

# The disk of a campaign whose guests have PostgreSQL and fio.
build/campaign/debian.ext4: tests/campaign/debian-packages $(addprefix dom0/image/,root.sh sources.sh) | build/packages
	$(call say,DEBIAN,"$@ (some minutes)")
	$(Q)mkdir -p $(@D)
	$(Q)dom0/image/root.sh $@ 896 $< 2> $@.log || { tail -20 $@.log >&2; exit 1; }

# What runs in a campaign's guests and in its Dom0.
build/campaign/programs/%: tests/campaign/programs/%.c Makefile | build/packages
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_gcc) $(GUEST_PROGRAM_FLAGS) $< -o $@

# The kernel's package is unpacked here, never installed.
build/dom0/vmlinuz: $(addprefix dom0/image/,kernel.sh fetch.sh) | build/packages
	$(call say,KERNEL,$@)
	$(Q)dom0/image/kernel.sh build/dom0

build/%/vmlinux: build/%/vmlinuz dom0/image/vmlinux.py
	$(call say,UNPACK,$@)
	$(Q)$(PYTHON) -B dom0/image/vmlinux.py $< $@

build/%/initrd: build/%/vmlinuz $(addprefix dom0/image/,initrd.sh modules.sh pack.sh init) \
		$(GUEST_PROGRAMS:%=build/dom0/programs/%)
	$(call say,INITRD,$@)
	$(Q)dom0/image/initrd.sh $@ dom0/image/init build/$* $(filter build/dom0/programs/%,$^)

# ---------------------------------------------------------------- the Dom0 system

# An initrd may be several archives, one behind the other: what Debian has, what is ours, and what guests boot. Only
# the second takes long, and it changes only with the list of packages. (One that is not packed has to begin at a
# multiple of four bytes.)
build/dom0.cpio.zst: build/dom0/guests.cpio build/dom0/system.cpio.zst build/dom0/own.cpio.zst
	$(call say,DOM0,$@)
	$(Q)cat $^ > $@

# For tests, which boot it often: the same without what takes time to unpack.
build/dom0/unpacked.cpio: build/dom0/guests.cpio build/dom0/system.cpio.zst build/dom0/own.cpio.zst build/dom0.cpio.zst
	$(call say,UNPACK,$@)
	$(Q){ cat $<; zstd -qdc $(word 2,$^); zstd -qdc $(word 3,$^); } > $@

build/dom0/system.cpio.zst: $(addprefix dom0/image/,system.sh sources.sh tar2cpio.py packages) | build/packages
	$(call say,DEBIAN,"$@ (some minutes)")
	$(Q)mkdir -p $(@D)
	$(Q)dom0/image/system.sh $@ dom0/image/packages

DOM0_INSTALL += build/dom0/skinkd=usr/sbin/skinkd build/dom0/skink=usr/bin/skink build/dom0/skink-validate=usr/bin/skink-validate build/dom0/inject=usr/lib/skink/bin/inject \
	build/dom0/end-machine=usr/lib/skink/bin/end-machine manifests/skink.rng=usr/share/skink/skink.rng \
	$(foreach name,$(DRIVER_DOMAINS),build/$(name).elf=usr/lib/skink/$(name).elf) \
	$(foreach file,$(wildcard manifests/*.xml manifests/examples/*.xml),$(file)=usr/share/skink/$(file))
DOM0_FILES := $(shell find dom0/image/files -type f)

build/dom0/own.cpio.zst: build/dom0/vmlinuz $(addprefix dom0/image/,own.sh modules.sh fetch.sh pack.sh) $(DOM0_FILES) \
		$(foreach pair,$(DOM0_INSTALL),$(firstword $(subst =, ,$(pair)))) dom0/skink/sources.mk
	$(call say,OWN,$@)
	$(Q)dom0/image/own.sh $@ build/dom0 dom0/image/files $(DOM0_INSTALL)

# Guests' kernels as Debian packages them, and a small system for them, under /var/lib/skink/images in Dom0.
build/dom0/guests.cpio: build/dom0/vmlinuz build/dom0/guest-initrd build/dom0/skinkd dom0/image/images.sh
	$(call say,IMAGES,$@)
	$(Q)dom0/image/images.sh $@ build/dom0/skinkd build/dom0/vmlinuz=vmlinuz build/dom0/guest-initrd=initrd

build/dom0/newer.cpio: build/dom0/backports/vmlinuz build/dom0/skinkd dom0/image/images.sh
	$(call say,IMAGES,$@)
	$(Q)dom0/image/images.sh $@ build/dom0/skinkd build/dom0/backports/vmlinuz=vmlinuz-newer

build/dom0/backports/vmlinuz: $(addprefix dom0/image/,backports.sh kernel.sh fetch.sh) | build/packages
	$(call say,KERNEL,$@)
	$(Q)dom0/image/backports.sh build/dom0/backports

build/dom0/guest-initrd: build/dom0/vmlinuz $(addprefix dom0/image/,initrd.sh modules.sh pack.sh guest-modules) \
		$(shell find dom0/image/guest -type f) | build/packages
	$(call say,INITRD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)MODULES="$$(grep -v '^#' dom0/image/guest-modules)" dom0/image/initrd.sh $@ dom0/image/guest build/dom0

# A Debian with systemd, on the disk of a guest of the tests, and what brings it there.
build/dom0/root.ext4: $(addprefix dom0/image/,root.sh sources.sh root-packages) | build/packages
	$(call say,DEBIAN,"$@ (a minute)")
	$(Q)mkdir -p $(@D)
	$(Q)dom0/image/root.sh $@ 640 dom0/image/root-packages 2> $@.log || { tail -20 $@.log >&2; exit 1; }

build/dom0/root-initrd: dom0/image/root-init build/dom0/vmlinuz $(addprefix dom0/image/,initrd.sh modules.sh pack.sh guest-modules)
	$(call say,INITRD,$@)
	$(Q)MODULES="$$(grep -v '^#' dom0/image/guest-modules)" dom0/image/initrd.sh $@ dom0/image/root-init build/dom0

# Debian's Xen, unpacked: what the harness was tried on, and what benchmarks compare with.
build/xen/xen: dom0/image/xen.sh | build/packages
	$(call say,XEN,$@)
	$(Q)dom0/image/xen.sh build/xen

build/uml/linux.uml: tests/bench/uml/unpack.sh dom0/image/fetch.sh | build/packages
	$(call say,UML,$@)
	$(Q)$< build/uml

# What QEMU counts beside the instructions; it brings no header that declares what is called in it.
build/bench-counts.so: tests/bench/counts/counts.c Makefile | build/packages
	$(call say,PLUGIN,$@)
	$(Q)$(CC_gcc) -std=gnu11 -O2 $(WARNINGS) -Wno-unused-parameter -Wno-missing-prototypes -fPIC -shared -fvisibility=hidden -o $@ $<

build/apps.cpio: $(addprefix tests/bench/apps/,image.sh packages) $(addprefix dom0/image/,sources.sh tar2cpio.py) | build/packages
	$(call say,DEBIAN,"$@ (some minutes)")
	$(Q)tests/bench/apps/image.sh $@ tests/bench/apps/packages 2> $@.log || { tail -n 20 $@.log >&2; exit 1; }

-include $(shell find build/gcc build/clang build/unit build/fuzz build/dom0/objects build/conformance build/campaign/forgetful build/bench build/test/poisoned -name '*.d' -type f 2>/dev/null)
