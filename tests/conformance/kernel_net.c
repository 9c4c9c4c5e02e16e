/* SPDX-License-Identifier: MIT */
/* The reference front-end of an interface, under test: pings 192.0.2.1 and answers pings until the end. */
#include "kernel.h"
#include "work.h"

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/time.h"

#define PING_MS 100

/* Until the back-end closes it. */
static void interface_use(const char *device)
{
	static struct net net;
	uint64_t pinged = 0;

	kernel_begin(device);
	ASSERT(net_open(&net, &kernel_os, device, work_net_received) == 0);
	kernel_watch(net.bus.back);
	while (net.bus.state != BUS_CLOSED) {
		struct kernel_news news = kernel_wait(PING_MS);

		if (news.store)
			net_back_changed(&net);
		if (news.device)
			net_event(&net);
		if (net_is_up(&net) && time_now_ns() >= pinged + PING_MS * 1000000ull) {
			pinged = time_now_ns();
			work_net_ping(&net);
		}
	}
}

void guest_main(void)
{
	kernel_init();
	interface_use("device/vif/0");
	interface_use("device/vif/1");
	for (;;)
		kernel_wait(0);
}
