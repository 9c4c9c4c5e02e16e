# Dom0's library: build/dom0/libskink.a
DOM0_LIB_SOURCES += dom0/lib/build.c dom0/lib/core.c dom0/lib/file.c dom0/lib/kernel.c dom0/lib/layout.c dom0/lib/pvelf.c dom0/lib/store.c \
	dom0/lib/tables.c dom0/lib/unpack.c
