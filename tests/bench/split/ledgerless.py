# SPDX-License-Identifier: MIT
"""
ledgerless.py: driver-domain/runtime/answers.c as it would be if drivers never died: an answer goes right into the ring, and nobody writes down what is
decided and what is published. What the ledger costs is the difference. A ring that such a driver has served cannot be taken over.

The text that is replaced is looked for and must be there once, so that what is built never turns into the driver itself.
"""
import sys

SOURCE = "driver-domain/runtime/answers.c"
BODIES = {
    "void answers_add(struct answers *answers, const void *response)": """
	response_copy(ring_slot(answers->ring.shared, answers->ring.slots, answers->ring.slot_size, answers->ring.rsp_put++), response,
		      answers->response_size);
	answers->added++;
""",
    "void answers_commit(struct answers *answers)": """
	(void)answers;
""",
    "bool answers_publish(struct answers *answers)": """
	return answers->added != answers->ring.rsp_prod && ring_back_push(&answers->ring);
""",
}


def with_body(text, head, body):
    before, found, after = text.partition(f"{head}\n{{\n")
    if not found or f"{head}\n{{\n" in after or "\n}\n" not in after:
        sys.exit(f"{SOURCE}: '{head}' is not there once: bring tests/bench/split/ledgerless.py up to date")
    return f"{before}{head}\n{{{body}}}\n{after.partition(chr(10) + '}' + chr(10))[2]}"


def main():
    with open(SOURCE, encoding="utf-8") as file:
        text = file.read()
    for head, body in BODIES.items():
        text = with_body(text, head, body)
    print(text, end="")


if __name__ == "__main__":
    main()
