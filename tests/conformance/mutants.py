# SPDX-License-Identifier: MIT
"""
Front-ends that break one rule each: (rule, role, file, what stands there, what it becomes). The scripts must name exactly that rule.
The text is looked for in the file and must be there once, so that a mutant never turns into the front-end itself.

  mutants.py RULE > FILE.c      the first of that rule, for a kernel to be built with it
"""
import sys

BLK, NET, BUS = "protocols/front/blk.c", "protocols/front/net.c", "protocols/front/bus.c"
HOST, WORK_NET = "tests/conformance/world_host.c", "tests/conformance/work_net.c"

BLK_EVENT = "	struct vbd_response response;\n	int result;\n\n	if (!blk_is_up(blk))\n		return;\n"
NET_EVENT = "void net_event(struct net *net)\n{\n	if (!net_is_up(net))\n		return;\n"
NET_PUT = "		ring_front_put(&net->tx, &request, sizeof(request));\n"
BLK_KEYS = "	bus_switch(bus, BUS_INITIALISED);\n	return 0;"
NET_KEYS = "	for (size_t i = 0; !result && i < sizeof(features)"


def extra(fields):
    return NET_PUT + f"		if (i == 0) {{\n			struct vif_extra extra = {{ {fields} }};\n" \
        "			ring_front_put(&net->tx, &extra, sizeof(extra));\n		}\n"


MUTANTS = [
    ("BUS-1", "blk", BLK, BLK_KEYS, "	bus_switch(bus, BUS_INIT_WAIT);\n	return 0;"),
    ("BUS-1", "net", NET, "	net_post(net);\n	bus_switch(bus, BUS_CONNECTED);", "	net_post(net);\n	bus_switch(bus, BUS_CLOSING);"),
    ("BUS-3", "blk", BLK, "		result = bus_write(bus, \"event-channel\", blk->port);", "		result = 0;"),
    ("BUS-3", "net", NET, "		result = bus_write(bus, \"rx-ring-ref\", net->rx_ring_gref);", "		result = 0;"),
    ("BUS-4", "blk", BLK, "	bus_switch(bus, BUS_CONNECTED);", "	bus_switch(bus, BUS_CONNECTED);\n	bus_write(bus, \"ring-ref\", 5);"),
    ("BUS-5", "blk", BLK, "		result = bus_write(bus, \"ring-ref\", blk->ring_gref);", "		result = bus_write_text(bus, \"ring-ref\", \"0x8\");"),
    ("BUS-7", "blk", BLK, "os->grant(blk->bus.back_id, blk->ring_page, false)", "os->grant(blk->bus.back_id, blk->ring_page, true)"),
    ("BUS-8", "blk", BLK, ": os->event_open(blk->bus.back_id, &blk->port);", ": (int)(blk->port = 99) - 99;"),
    ("BUS-9", "blk", BLK, "	else if ((back == BUS_CLOSING", "	else if (back == 77 && (back == BUS_CLOSING"),
    ("BUS-9", "net", NET, "	else if ((back == BUS_CLOSING", "	else if (back == 77 && (back == BUS_CLOSING"),
    ("BUS-10", "blk", BLK, BLK_KEYS, "	bus->os->store_write(\"/local/domain/0/backend/vbd/1/1/online\", \"0\");\n" + BLK_KEYS),
    ("BUS-10", "net", NET, NET_KEYS, "	bus->os->store_write(\"/local/domain/0/backend/vif/1/1/feature-sg-front\", \"1\");\n" + NET_KEYS),
    ("BUS-30", "blk", BLK, "	blk->ring_gref = os->grant(", "	blk->ring.shared->rsp_prod = 7;\n	blk->ring_gref = os->grant("),
    ("BUS-31", "blk", BLK, "	if (ring_front_push(&blk->ring))", "	blk->ring.req_put += 200;\n	if (ring_front_push(&blk->ring))"),
    ("BUS-31", "net", NET, NET_PUT, NET_PUT + "		net->tx.req_put += 300;\n"),
    ("BUS-33", "blk", BLK, "	if (ring_front_push(&blk->ring))", "	if (ring_front_push(&blk->ring) && !blk->ring.req_prod)"),
    ("BUS-33", "net", NET, "	if (ring_front_push(&net->tx))", "	if (ring_front_push(&net->tx) && !net->tx.req_prod)"),
    ("BUS-34", "blk", BLK, "	if (ring_front_push(&blk->ring))", "	if (ring_front_push(&blk->ring) || true)"),
    ("BUS-34", "net", NET, "	if (ring_front_push(&net->tx))", "	if (ring_front_push(&net->tx) || true)"),
    ("BUS-35", "blk", BLK, "ring_front_sleep(&blk->ring, 1)", "ring_front_look(&blk->ring)"),
    ("BUS-35", "net", NET, "ring_front_sleep(&net->tx, 1)", "ring_front_look(&net->tx)"),
    ("BUS-35", "net", NET, "ring_front_sleep(&net->rx, 1)", "ring_front_look(&net->rx)"),
    ("BUS-36", "blk", BLK, "		while ((result = ring_front_take(&blk->ring, &response, sizeof(response))) == 1 && !blk->broken)\n"
     "			blk_answer(blk, &response);\n	} while (result == 0 && (result = ring_front_sleep(&blk->ring, 1)) > 0);",
     "		if ((result = ring_front_take(&blk->ring, &response, sizeof(response))) == 1)\n"
     "			blk_answer(blk, &response);\n		ring_front_sleep(&blk->ring, 1);\n	} while (false);"),
    ("RST-1", "blk", BLK, BLK_EVENT, BLK_EVENT +
     "	*((uint8_t *)ring_slot(blk->ring.shared, BLK_SLOTS, VBD_SLOT, blk->ring.rsp_cons) + 111) ^= 1;\n"),
    ("RST-1", "net", NET, NET_EVENT, NET_EVENT +
     "	*((uint8_t *)ring_slot(net->tx.shared, VIF_RING_SLOTS, VIF_TX_SLOT, net->tx.rsp_cons) + 11) ^= 1;\n"),
    ("RST-2", "blk", BLK, BLK_EVENT, BLK_EVENT +
     "	for (unsigned int id = 0; blk->ring.shared->rsp_prod == blk->ring.rsp_cons && id < BLK_SLOTS; id++)\n"
     "		for (unsigned int i = 0; blk->io[id] && i < blk->io[id]->segments; i++)\n"
     "			blk->bus.os->ungrant(blk->io[id]->gref[i]);\n"),
    ("RST-2", "net", NET, NET_EVENT, NET_EVENT +
     "	for (unsigned int id = 0; net->tx.shared->rsp_prod == net->tx.rsp_cons && net->rx.shared->rsp_prod == net->rx.rsp_cons &&\n"
     "	     id < NET_TX_PAGES; id++)\n		if (net->tx_page[id].used)\n			net->bus.os->ungrant(net->tx_page[id].gref);\n"),
    ("RST-4", "net", NET, "		if (!net->tx_page[id].used)", "		if (!net->tx_page[id].used || id < 2)"),
    ("RST-4", "blk", BLK, ".segments = io->segments, .id = id, ", ".segments = io->segments, .id = id & ~1u, "),
    ("RST-5", "blk", BLK, BLK_EVENT, BLK_EVENT + "	blk->ring.rsp_seen = blk->ring.req_prod;\n"),
    ("RST-5", "net", NET, NET_EVENT, NET_EVENT +
     "	if (net->tx.shared->rsp_prod != net->tx.rsp_cons)\n		net->tx.rsp_seen = net->tx.req_prod;\n"),
    ("RST-6", "blk", BLK, BLK_EVENT, BLK_EVENT + "	if (ring_front_look(&blk->ring) == 0)\n		blk->broken = \"an event for nothing\";\n"),
    ("RST-6", "net", NET, NET_EVENT, NET_EVENT +
     "	if (ring_front_look(&net->tx) == 0 && ring_front_look(&net->rx) == 0)\n		net->broken = \"an event for nothing\";\n"),
    ("RST-7", "blk", HOST, "static bool front_works(void)\n{\n", "static bool front_works(void)\n{\n	static uint64_t answered;\n\n"
     "	if (blk.ring.req_prod == blk.ring.rsp_cons || front_pending || !blk_is_up(&blk))\n		answered = now_ms;\n"
     "	if (now_ms > answered + 3000)\n		bus_switch(&blk.bus, BUS_CLOSING);\n"),
    ("RST-7", "net", HOST, "static bool front_works(void)\n{\n", "static bool front_works(void)\n{\n	static uint64_t answered;\n\n"
     "	if (net.tx.req_prod == net.tx.rsp_cons || front_pending || !net_is_up(&net))\n		answered = now_ms;\n"
     "	if (now_ms > answered + 4500)\n		bus_switch(&net.bus, BUS_CLOSING);\n"),

    ("NET-1", "net", NET, NET_KEYS, "	bus_write(bus, \"event-channel-tx\", net->port);\n" + NET_KEYS),
    ("NET-2", "net", NET, NET_KEYS, "	bus_write(bus, \"multi-queue-num-queues\", 2);\n" + NET_KEYS),
    ("NET-3", "net", NET, "{ \"request-rx-copy\", 1 }", "{ \"request-rx-copy\", 0 }"),
    ("NET-4", "net", NET, "{ \"feature-rx-notify\", 1 }", "{ \"feature-rx-notify\", 0 }"),
    ("NET-5", "net", NET, "	return result < 0 ? result : mac_parse(text, net->mac) ? 0 : FRONT_INVALID;",
     "	mac_parse(text, net->mac);\n	net->mac[5] ^= 1;\n	return 0;"),
    ("NET-21", "net", NET, "(i + 1 < slots ? VIF_TX_MORE : 0)", "(i + 1 < slots || size == 98 ? VIF_TX_MORE : 0)"),
    ("NET-22", "net", NET, ".size = (uint16_t)(i == 0 ? size : part),", ".size = (uint16_t)part,"),
    ("NET-23", "net", NET, "			.gref = net->tx_page[ids[i]].gref, .id = ids[i],", "			.gref = net->tx_page[ids[i]].gref, .id = ids[i], .offset = 4090,"),
    ("NET-24", "net", NET, "unsigned int slots = (unsigned int)((size + FRONT_PAGE - 1) / FRONT_PAGE);\n	uint16_t ids[VIF_PACKET_SLOTS];",
     "unsigned int slots = (unsigned int)((size + 199) / 200);\n	uint16_t ids[64];\n#undef FRONT_PAGE\n#define FRONT_PAGE 200u"),
    ("NET-25", "net", NET, "	net->sg = bus_read(bus, \"feature-sg\", 0) == 1;", "	net->sg = true;"),
    ("NET-26", "net", NET, "(i == 0 ? flags : 0)", "(i == 0 ? flags | 0x40 : 0)"),
    ("NET-27", "net", NET, NET_PUT, "		if (i == 0)\n			request.flags |= VIF_TX_EXTRA;\n" + extra(".type = VIF_EXTRA_MCAST_ADD")),
    ("NET-28", "net", NET, NET_PUT, "		if (i == 0)\n			request.flags |= VIF_TX_EXTRA | VIF_TX_CSUM_BLANK;\n" +
     extra(".type = VIF_EXTRA_GSO, .gso = { .type = VIF_GSO_TCPV4 }")),
    ("NET-29", "net", NET, "(i == 0 ? flags : 0)", "(i == 0 ? flags | VIF_TX_CSUM_BLANK : 0)"),
    ("NET-30", "net", NET, "			.gref = net->tx_page[ids[i]].gref, .id", "			.gref = net->tx_page[ids[i]].gref + 2000, .id"),
    ("NET-31", "net", NET, "		net->tx_errors++;", "		net->broken = \"not sent\";"),
    ("NET-32", "net", NET, NET_PUT, "		if (i == 0) {\n			uint8_t *tcp = net->tx_page[ids[0]].page;\n\n			tcp[12] = 8, tcp[13] = 0, tcp[23] = 6;\n"
     "			request.flags |= VIF_TX_EXTRA | VIF_TX_CSUM_BLANK;\n		}\n" + extra(".type = VIF_EXTRA_GSO, .gso = { .type = VIF_GSO_TCPV4, .size = 500 }")),
    ("NET-40", "net", NET, "net_pages_create(net, net->rx_page, NET_RX_PAGES, false)", "net_pages_create(net, net->rx_page, NET_RX_PAGES, true)"),
    ("NET-41", "net", NET, "net->rx.rsp_cons < NET_RX_PAGES)", "net->rx.rsp_cons < 8)"),
    ("NET-42", "net", NET, "		if (result == 0 && !net->broken)\n			net_post(net);\n", ""),
    ("NET-43", "net", NET, "page + response->offset, (size_t)", "page, (size_t)"),
    ("NET-44", "net", NET, "		packet->bad = true;", "		packet->bad = false;"),
    ("NET-45", "net", NET, "	packet->more = response->flags & VIF_RX_MORE;", "	packet->more = false;"),
    ("NET-47", "net", NET, "	packet->extra = response->flags & VIF_RX_EXTRA;", "	packet->extra = false;"),

    ("BLK-1", "blk", BLK, "\"x86_64-abi\"", "\"x86_32-abi\""),
    ("BLK-2", "blk", BLK, BLK_KEYS, "	bus_write(bus, \"ring-page-order\", 3);\n" + BLK_KEYS),
    ("BLK-3", "blk", BLK, BLK_KEYS, "	bus_write(bus, \"multi-queue-num-queues\", 2);\n" + BLK_KEYS),
    ("BLK-4", "blk", BLK, BLK_KEYS, "	bus_switch(bus, BUS_CONNECTED);\n	return 0;"),
    ("BLK-4", "blk", BLK, "	bus_switch(bus, BUS_CONNECTED);", "	;"),
    ("BLK-21", "blk", BLK, ".plain = { .operation = io->operation,", ".plain = { .operation = io->operation == VBD_OP_FLUSH ? VBD_OP_BARRIER : io->operation,"),
    ("BLK-22", "blk", BLK, ".segments = io->segments, .id", ".segments = io->segments ? 12 : 0, .id"),
    ("BLK-23", "blk", BLK, ".last_sector = io->segment[i].last_sector,", ".last_sector = (uint8_t)(io->segment[i].last_sector + 1),"),
    ("BLK-24", "blk", BLK, ".id = id, .sector = io->sector }", ".id = id, .sector = io->sector + 16384 }"),
    ("BLK-25", "blk", BLK, "uint64_t sector_bytes = bus_read(bus, \"sector-size\", VBD_SECTOR);", "uint64_t sector_bytes = VBD_SECTOR;"),
    ("BLK-26", "blk", BLK, "	if (io->operation == VBD_OP_DISCARD) {\n", "	if (io->operation == VBD_OP_READ)\n		slot.indirect = "
     "(struct vbd_request_indirect){ .operation = VBD_OP_INDIRECT, .inner = VBD_OP_FLUSH, .segments = 1, .id = id };\n"
     "	else if (io->operation == VBD_OP_DISCARD) {\n"),
    ("BLK-27", "blk", BLK, "bool readonly = io->operation != VBD_OP_READ;", "bool readonly = true;"),
    ("BLK-27", "blk", BLK, "			.gref = io->gref[i],\n", "			.gref = io->gref[i] + 2000,\n"),
    ("BLK-28", "blk", BLK, "	blk->readonly = bus_read(bus, \"info\", 0) & VBD_INFO_READONLY;", "	blk->readonly = false;"),
    ("BLK-29", "blk", BLK, "			.gref = io->gref[i],\n",
     "			.gref = io->gref[io->operation == VBD_OP_READ ? io->segments - 1u - i : i],\n"),
    ("BLK-30", "blk", BLK, "io->done(io, blk->broken ? VBD_STATUS_ERROR : status);", "io->done(io, status == VBD_STATUS_ERROR && !blk->io ? status : 0);"),
    ("BLK-30", "blk", BLK, "	blk->io[response->id] = NULL;\n	blk_finish(", "	if (response->status == VBD_STATUS_ERROR)\n"
     "		blk->broken = \"an error\";\n	blk->io[response->id] = NULL;\n	blk_finish("),
    ("BLK-31", "blk", BLK, "	blk->io[response->id] = NULL;\n	blk_finish(", "	if (response->status == VBD_STATUS_UNSUPPORTED)\n"
     "		blk->broken = \"unsupported\";\n	blk->io[response->id] = NULL;\n	blk_finish("),
]


def mutated(file, old, new):
    with open(file, encoding="utf-8") as source:
        text = source.read()
    assert text.count(old) == 1, f"{file}: a mutant's text is there {text.count(old)} times"
    return text.replace(old, new)


if __name__ == "__main__":
    print(mutated(*next(mutant[2:] for mutant in MUTANTS if mutant[0] == sys.argv[1])), end="")
