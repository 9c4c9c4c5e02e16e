/* SPDX-License-Identifier: MIT */
/* The console: a 16550 as COM1. Options: console=com1|none, com1=baud; always 8n1. */
#pragma once

#define UART_IRQ	4

void uart_init(uint64_t divisor);	/* 115200 baud / divisor; with 1 before anything else */
void console_init(void);		/* as the options say, loglvl= too */
void console_enable_input(void);	/* by interrupt; after irq_init() */
void uart_receive(void);		/* VECTOR_CONSOLE: something was typed */

/* Under the log's lock, or alone. A UART that does not answer costs a bounded time, once. */
void uart_write(const char *bytes, size_t count);

/* What was typed and not read yet; any CPU. */
size_t uart_read(char *to, size_t room);

/* domain/console.c: something was typed; tells domain-0. No lock is held. */
void console_input_arrived(void);
