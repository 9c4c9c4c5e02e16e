# SPDX-License-Identifier: MIT
GUEST_TESTS += boot abi
