# SPDX-License-Identifier: MIT
"""
Back-ends that break one rule each, made from the driver domains by one change of text, as mutants.py does with front-ends:
(rule, role, file, what stands there, what it becomes). The scripted front-ends must name exactly that rule.
BUS-12, BUS-13 and BUS-14 are skinkd's to keep: SKINKD_MUTANTS. There is none that does not ask to be woken, or that leaves requests where they are: the monitor resets it.

Those with a defect that no rule of a front-end's names, and that the monitor has to find, are DEFECTIVE.

  back_mutants.py FOLDER      all of them, as FOLDER/RULE-ROLE-NUMBER.elf; COMPILE, LINK, OBJECTS_blk and OBJECTS_net are in the environment
"""
import os
import shlex
import subprocess
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mutants import mutated   # noqa: E402

REQUEST, BLK_LOOP, BLK_RING = "driver-domain/blk/request.c", "driver-domain/blk/loop.c", "driver-domain/blk/ring.c"
TRANSMIT, RECEIVE, NET_LOOP = "driver-domain/net/transmit.c", "driver-domain/net/receive.c", "driver-domain/net/loop.c"
NET_ATTACH = "driver-domain/net/attach.c"
SKINKD_STEP = "dom0/skinkd/attach_step.c"
TAKEN = "	request->sector = sector;\n	request->sectors = 0;\n"

BACK_MUTANTS = [
    ("BUS-38", "blk", REQUEST, "{ .id = slot->id, ", "{ .id = slot->id + (answers_owed(answers) > 8), "),
    ("BUS-38", "net", TRANSMIT, "{ one->id, one->status }", "{ (uint16_t)(one->id + (answers_owed(tx) > 24)), one->status }"),
    ("BUS-39", "blk", BLK_LOOP, "		if (queue_answer(queue)) {", "		if (queue_answer(queue) || true) {"),
    ("BUS-39", "net", NET_LOOP, "	if (queue->wake_tx)\n", "	if (queue->wake_tx && queue->wake_rx)\n"),
    ("NET-60", "net", TRANSMIT, "packet->piece_count == VIF_PACKET_SLOTS)", "packet->piece_count == VIF_PACKET_SLOTS - 1)"),
    ("NET-61", "net", TRANSMIT, "			chain->wrong = \"an extra of an unknown type\";", "			chain->slots += 0;"),
    ("NET-63", "net", RECEIVE, ".flags = flags, .status = status };",
     ".flags = (uint16_t)(flags | (queue->rx.added ? 0 : VIF_RX_CSUM_BLANK)), .status = status };"),
    ("BLK-60", "blk", REQUEST, "> VBD_SEGMENTS ? VBD_STATUS_ERROR :", "> VBD_SEGMENTS ? VBD_STATUS_UNSUPPORTED :"),
    ("BLK-61", "blk", REQUEST, "	default:\n		return VBD_STATUS_UNSUPPORTED;", "	default:\n		return VBD_STATUS_ERROR;"),
    ("BLK-62", "blk", REQUEST, TAKEN, TAKEN + "	if (request->segment_count == 1 && request->segment[0].first_sector == 2)\n		request->sector++;\n"),
    ("BLK-63", "blk", REQUEST, "	case VBD_OP_FLUSH:\n		request->op = BLK_FLUSH;\n		return VBD_STATUS_OKAY;",
     "	case VBD_OP_FLUSH:\n		request->op = BLK_FLUSH;\n		return VBD_STATUS_UNSUPPORTED;"),
    ("BLK-64", "blk", REQUEST, "	request->operation = indirect->inner;\n", ""),
    ("BUS-31", "blk", REQUEST, "	if (waiting < 0)\n		return waiting;",
     "	if (waiting < 0)\n		queue->answers.ring.req_seen = queue->answers.ring.refused, waiting = 32;"),
    ("BLK-28", "blk", REQUEST, "	if (request->op == BLK_WRITE && disk->flags & DRIVER_BLK_READONLY)\n		return VBD_STATUS_ERROR;\n", ""),
    ("BUS-15", "blk", BLK_RING, "	queue_unmap(queue);\n	if (queue->slot)", "	if (queue->slot)"),
    ("NET-21", "net", TRANSMIT, "			return false;\n		ring_back_copy(ring, chain->slots, ", "			return true;\n		ring_back_copy(ring, chain->slots, "),
    ("NET-40", "net", RECEIVE, "delivery->slot + i, 0, VIF_STATUS_ERROR);", "delivery->slot + i, 0, 60);"),
    ("BUS-15", "net", NET_ATTACH, "	if (queue->tx_page)\n		foreign_unmap(queue->tx_page, 1);\n", ""),
    ("BLK-60", "blk", REQUEST, "sectors == 0 || bounds & (disk->unit - 1) ||", "sectors == 0 ||"),
]

# The second disk's ring is marked active and in no list, so that it is never looked at again: when it was looked at a thousand times, and at a request at sector 32,768.
DEFECTIVE = [
    ("stands", "blk", BLK_LOOP, "	while ((queue = queue_pop())) {\n		int count = ",
     """	while ((queue = queue_pop())) {
		const struct ring_back *ring = &queue->answers.ring;
		static uint32_t turns;

		if (queue->disk->place == 1 && queue->disk->state == DISK_SERVING &&
		    (++turns > 1000 || (ring_back_look(&queue->answers.ring) > 0 &&
				       ((union vbd_slot *)ring_slot(ring->shared, ring->slots, VBD_SLOT, ring->req_cons))->plain.sector == 32768))) {
			queue->is_active = true;
			if (queue == last)
				break;
			continue;
		}
		int count = """),
]

# The same of skinkd: (rule, role, file, what stands there, what it becomes).
SKINKD_MUTANTS = [
    ("BUS-12", "net", SKINKD_STEP, "		attach_offer_vif(&to);\n", "		(void)to;\n"),
    ("BUS-13", "net", SKINKD_STEP, "	attachment->record = RECORD_GIVEN;\n",
     "	attach_back_state(attachment, XenbusStateConnected);\n	sleep(3);\n	attachment->record = RECORD_GIVEN;\n"),
    ("BUS-14", "net", SKINKD_STEP, "		tell_some(attachment, TOLD_REFUSED, attachment->why);\n", "		tell_some(attachment, TOLD_REFUSED, \"\");\n"),
]


def names(mutants=None):
    return [f"{rule}-{role}-{number}" for number, (rule, role, *_) in enumerate(mutants or BACK_MUTANTS)]


def build(folder):
    for name, (_, role, file, old, new) in zip(names() + names(DEFECTIVE), BACK_MUTANTS + DEFECTIVE):
        source, compiled = f"{folder}/{os.path.basename(file)}", f"{folder}/{name}.o"
        with open(source, "w", encoding="utf-8") as out:
            out.write(mutated(file, old, new))
        subprocess.run([*shlex.split(os.environ["COMPILE"]), "-iquote", os.path.dirname(file), "-c", source, "-o", compiled], check=True)
        others = [one for one in os.environ[f"OBJECTS_{role}"].split() if not one.endswith(f"/{file}.o")]
        assert len(others) + 1 == len(os.environ[f"OBJECTS_{role}"].split()), f"{file} is not in {role}.elf"
        subprocess.run([*shlex.split(os.environ["LINK"]), "-o", f"{folder}/{name}.elf", compiled, *others], check=True)


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    build(sys.argv[1])
