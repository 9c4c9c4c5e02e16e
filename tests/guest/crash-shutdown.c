/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: domain-0 has ended|domain 0 shut down: crash|domain 0 .*crash|Hardware Dom0 crashed
 */
/* It says so itself. */
#include "crash.h"

CRASH("domain that says it crashed is believed", domain_shutdown(SHUTDOWN_crash))
