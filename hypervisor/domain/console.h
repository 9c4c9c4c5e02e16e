/* SPDX-License-Identifier: MIT */
/* Domain-0's console is the core's own: console_io. */
#ifndef SKINK_CONSOLE_H
#define SKINK_CONSOLE_H

/* Something was typed: tells domain-0. No lock held. */
void console_input_arrived(void);

#endif
