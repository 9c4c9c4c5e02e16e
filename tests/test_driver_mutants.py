# SPDX-License-Identifier: MIT
"""
Rules of docs/protocols.md that bind a back-end and that no guest alone can try: the switch's, and when a packet is answered. Network back-ends that
break one of them, each made by one change of text, do not pass the unit test: the case that is named fails.
"""
import glob
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "conformance"))

from hostprograms import unit_test_with   # noqa: E402
from mutants import mutated               # noqa: E402

NET = "driver-domain/net"
OBJECTS = "build/unit/driver-objects"
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE=", "-D__XEN_TOOLS__", "-DSKINK_HOST", "-O1", "-w", "-fsanitize=address,undefined",
         "-Idriver-domain", "-Iprotocols", "-Itests/unit", "-Itests/unit/driver"]
# (rule, file, what stands there, what it becomes, the case that sees it)
MUTANTS = [
    ("NET-62", f"{NET}/guard.c", "	if (!is_own_mac(port, bytes + 6))\n		return false;\n", "", "a_foreign_source_address_is_dropped"),
    ("NET-62", f"{NET}/guard.c", "ip4_allowed(port, bytes, headers);", "true;", "ip4_comes_only_from_what_is_listed"),
    ("NET-62", f"{NET}/guard.c", "		return arp_allowed(port, bytes + headers->l3);", "		return true;", "arp_claims_only_what_is_listed"),
    ("NET-62", f"{NET}/switch.c", "	else if (port_has_vlan(to, packet->vlan))\n		receive_offer(", "	else\n		receive_offer(",
     "vlans_do_not_meet_and_are_tagged_on_the_wire"),
    ("NET-62", f"{NET}/switch.c", "	if (one && (one->is_given || one->port == from)) {", "	if (one && one->port == from) {",
     "nobody_takes_over_an_address_that_was_given"),
    ("NET-64", f"{NET}/transmit.c", "		if (!note->is_done)\n			break;\n", "", "an_answer_waits_for_those_before_it"),
    ("NET-64", f"{NET}/wire.c", "	child->whole = packet;		/* whose reference goes with it */\n", "	packet_release(packet);\n",
     "an_answer_waits_for_the_card"),
]


def unit_test(folder, file, text):
    """build/unit/driver-net with one file changed."""
    parts = [name for name in glob.glob(f"{OBJECTS}/{NET}/*.o") if name not in (f"{OBJECTS}/{NET}/net.c.o", f"{OBJECTS}/{file}.o")]
    parts += [f"{OBJECTS}/{name}.c.o" for name in ("driver-domain/runtime/answers", "driver-domain/runtime/suspicion", "driver-domain/device/pool",
                                                   "tests/unit/driver/net", "tests/unit/driver/net_world")]
    return unit_test_with(folder, file, text, [*FLAGS, "-iquote", NET], parts)


@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{rule}-{number}" for number, (rule, *_) in enumerate(MUTANTS)])
def test_mutant_fails_its_case(mutant, tmp_path):
    _, file, old, new, case = mutant
    status, failed, said = unit_test(str(tmp_path), file, mutated(file, old, new))
    assert status != 0 and case in failed, said[-2000:]


def test_what_the_mutants_are_made_of_passes(tmp_path):
    with open(f"{NET}/wire.c", encoding="utf-8") as source:
        status, failed, said = unit_test(str(tmp_path), f"{NET}/wire.c", source.read())
    assert (status, failed) == (0, set()), said[-2000:]
