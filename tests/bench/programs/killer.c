/* SPDX-License-Identifier: MIT */
/*
 * killer ID [disarmed]: Dom0 sends a driver domain to an address where there is nothing: it dies as of a bug of its own, as soon as it has
 * something to do. With `disarmed` the core does not reset it by itself, so skinkd has to.
 * killer ID GAP_MS COUNT: so many times, with a pause before each.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sys/privcmd.h>

#define DOMCTL_ARM 0x534b0007u	/* protocols/control.h */

static int privcmd;
/* The core reads and writes these by their addresses: they have to be there. */
static struct xen_domctl domctl;
static struct vcpu_guest_context context;

static int ask(uint32_t what, domid_t id)
{
	struct privcmd_hypercall call = { .op = __HYPERVISOR_domctl, .arg = { (uint64_t)&domctl } };

	domctl.cmd = what;
	domctl.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	domctl.domain = id;
	if (ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &call) == 0)
		return 0;
	fprintf(stderr, "killer: domain %u, domctl %x: %s\n", id, what, strerror(errno));
	return 1;
}

static int disarm(domid_t id)
{
	memset(&domctl.u, 0, sizeof(domctl.u));
	return ask(DOMCTL_ARM, id);
}

static int ask_context(uint32_t what, domid_t id)
{
	memset(&domctl.u, 0, sizeof(domctl.u));
	set_xen_guest_handle(domctl.u.vcpucontext.ctxt, (vcpu_guest_context_t *)&context);
	return ask(what, id);
}

static int lose_its_way(domid_t id)
{
	if (ask(XEN_DOMCTL_pausedomain, id))
		return 1;
	if (!ask_context(XEN_DOMCTL_getvcpucontext, id)) {
		context.user_regs.rip = 0;
		if (!ask_context(XEN_DOMCTL_setvcpucontext, id))
			return ask(XEN_DOMCTL_unpausedomain, id);
	}
	ask(XEN_DOMCTL_unpausedomain, id);
	return 1;
}

static int kill_often(domid_t id, unsigned int gap_ms, int count)
{
	while (count-- > 0) {
		usleep(gap_ms * 1000);
		if (lose_its_way(id))
			return 1;
	}
	return 0;
}

int main(int count, char **words)
{
	domid_t id;

	if (count < 2 || count > 4 || (count == 3 && strcmp(words[2], "disarmed"))) {
		fprintf(stderr, "usage: killer ID [disarmed], or: killer ID GAP_MS COUNT\n");
		return 2;
	}
	id = (domid_t)atoi(words[1]);
	privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
	if (privcmd < 0 || mlockall(MCL_CURRENT | MCL_FUTURE)) {
		perror("killer: /dev/xen/privcmd");
		return 1;
	}
	if (count == 4)
		return kill_often(id, (unsigned int)atoi(words[2]), atoi(words[3]));
	return (count == 3 && disarm(id)) || lose_its_way(id);
}
