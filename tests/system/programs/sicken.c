/* SPDX-License-Identifier: MIT */
/*
 * sicken ID: says where the vcpu of a driver domain is. sicken ID ADDRESS [FLAGS]: it goes on from there, which does it no good, with
 * these arithmetic flags. For Domain-0, by the core's own domctl.
 */
#define _GNU_SOURCE
#define __XEN_TOOLS__ 1
#define __XEN_INTERFACE_VERSION__ 0x00040e00

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARITHMETIC	0x8d5ul		/* overflow, sign, zero, auxiliary carry, parity, carry */

#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sys/privcmd.h>

struct room {
	struct xen_domctl operation;
	vcpu_guest_context_t context;
} __attribute__((aligned(4096)));

static struct room *room;
static int privcmd;

static void domctl(uint32_t command, domid_t id)
{
	privcmd_hypercall_t call = { __HYPERVISOR_domctl, { (uintptr_t)&room->operation } };

	room->operation.cmd = command;
	room->operation.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	room->operation.domain = id;
	if (ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &call) < 0) {
		perror("sicken: the core does not do it");
		exit(1);
	}
}

static void context(uint32_t command, domid_t id)
{
	room->operation.u.vcpucontext.vcpu = 0;
	set_xen_guest_handle(room->operation.u.vcpucontext.ctxt, &room->context);
	domctl(command, id);
}

int main(int count, char **values)
{
	domid_t id = count > 1 ? (domid_t)atoi(values[1]) : 0;

	privcmd = open("/dev/xen/privcmd", O_RDWR);
	room = mmap(NULL, sizeof(*room), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
	if (count < 2 || privcmd < 0 || room == MAP_FAILED) {
		fprintf(stderr, "sicken ID [ADDRESS [FLAGS]], in Domain-0 of Skink\n");
		return 2;
	}
	domctl(XEN_DOMCTL_pausedomain, id);
	context(XEN_DOMCTL_getvcpucontext, id);
	printf("%016lx\n", (unsigned long)room->context.user_regs.rip);
	if (count > 2) {
		room->context.user_regs.rip = strtoul(values[2], NULL, 16);
		room->context.user_regs.rflags &= ~ARITHMETIC;
		room->context.user_regs.rflags |= count > 3 ? strtoul(values[3], NULL, 16) & ARITHMETIC : 0;
		context(XEN_DOMCTL_setvcpucontext, id);
	}
	domctl(XEN_DOMCTL_unpausedomain, id);
	return 0;
}
