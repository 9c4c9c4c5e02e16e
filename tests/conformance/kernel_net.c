/* SPDX-License-Identifier: MIT */
/* The reference front-end of an interface, under test: pings 192.0.2.1 and answers pings until the end. */
#include "kernel.h"
#include "work.h"

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/time.h"

#define DEVICE "device/vif/0"
#define PING_MS 100

void guest_main(void)
{
	static struct net net;
	uint64_t pinged = 0;

	kernel_begin(DEVICE);
	ASSERT(net_open(&net, &kernel_os, DEVICE, work_net_received) == 0);
	kernel_watch(net.bus.back);
	for (;;) {
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
