# SPDX-License-Identifier: MIT
"""
forgetful.py: driver-domain/runtime/answers.c as it would be without a ledger: a successor knows nothing of what its predecessor had taken and not
answered, and begins with what comes next. A campaign with such a driver domain has to report the loss, or it would see none of any other.

The text that is replaced is looked for and must be there once, so that what is built never turns into the driver itself.
"""
import sys

SOURCE = "driver-domain/runtime/answers.c"
OLD = "	commit = ledger_commit_index(found.commit);\n	ring_back_attach("
NEW = "	commit = found.rsp_prod ? found.req_prod : ledger_commit_index(found.commit);\n	found.rsp_prod = commit;\n	ring_back_attach("


def main():
    with open(SOURCE, encoding="utf-8") as file:
        text = file.read()
    if text.count(OLD) != 1:
        sys.exit(f"{SOURCE}: what is to be replaced is there {text.count(OLD)} times: bring tests/campaign/forgetful.py up to date")
    print(text.replace(OLD, NEW), end="")


if __name__ == "__main__":
    main()
