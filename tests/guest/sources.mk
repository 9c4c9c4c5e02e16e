# SPDX-License-Identifier: MIT
GUEST_TESTS += boot abi
GUEST_TESTS += mmu memory traps user events time grants cpu
