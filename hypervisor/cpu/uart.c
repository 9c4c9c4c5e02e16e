/* SPDX-License-Identifier: MIT */
/*
 * The console's UART, a 16550. Sends by polling, receives by interrupt into a ring.
 * Lock: receive_lock, for the ring and the interrupt enable register. The sender has the log's lock.
 *
 * U1  Waiting for the UART is bounded: one that stops answering is given up until it is ready again.
 * U2  While the ring is full nothing is taken out of the UART, so that it can hold off the other end.
 */
#include "cpu/uart.h"

#include "boot/boot_info.h"
#include "cpu/ioapic.h"
#include "cpu/irq.h"
#include "cpu/ops.h"
#include "domain/console.h"
#include "lib/log.h"
#include "lib/spinlock.h"
#include "lib/string.h"

enum uart_register {
	UART_DATA = 0, UART_DIVISOR_LOW = 0, UART_INTERRUPTS = 1, UART_DIVISOR_HIGH = 1,
	UART_FIFO = 2, UART_LINE = 3, UART_MODEM = 4, UART_STATUS = 5,
};

#define INTERRUPT_RECEIVE	0x01
#define FIFO_ON_AND_CLEAR	0x07
#define LINE_DIVISOR		0x80
#define LINE_8N1		0x03
#define MODEM_DTR_RTS_OUT2	0x0b	/* OUT2 lets the interrupt out of a PC's UART */
#define STATUS_RECEIVED		0x01
#define STATUS_EMPTY		0x20
#define FIFO_WORKS		0xc0
#define FIFO_BYTES		16
#define BAUD_CLOCK		115200
#define POLLS_MAX		200000	/* a read of a port takes about 1 us, a full FIFO at 9600 baud 17 ms */
#define RING_BYTES		1024u

static struct uart {
	uint16_t port;			/* 0: none */
	uint32_t irq;
	uint32_t fifo_bytes;
	bool has_stopped;		/* U1 */
	bool receives;
} uart;

static struct spinlock receive_lock;
static char ring[RING_BYTES];
static uint32_t ring_head, ring_tail;	/* bytes ever put in and taken out */

static uint8_t uart_in(enum uart_register reg) { return port_in8((uint16_t)(uart.port + reg)); }
static void uart_out(enum uart_register reg, uint8_t value) { port_out8((uint16_t)(uart.port + reg), value); }

/* baud 0: leave the speed as it is */
static void uart_set_up(uint32_t baud, uint8_t frame)
{
	uint32_t divisor = baud ? MAX(BAUD_CLOCK / baud, 1u) : 0;

	uart_out(UART_INTERRUPTS, 0);
	if (divisor) {
		uart_out(UART_LINE, LINE_DIVISOR | frame);
		uart_out(UART_DIVISOR_LOW, (uint8_t)divisor);
		uart_out(UART_DIVISOR_HIGH, (uint8_t)(divisor >> 8));
	}
	uart_out(UART_LINE, frame);
	uart_out(UART_FIFO, FIFO_ON_AND_CLEAR);
	uart.fifo_bytes = (uart_in(UART_FIFO) & FIFO_WORKS) == FIFO_WORKS ? FIFO_BYTES : 1;
	uart_out(UART_MODEM, MODEM_DTR_RTS_OUT2);
	if (uart_in(UART_STATUS) == 0xff)
		uart.port = 0;		/* nobody there */
}

void uart_early_init(void)
{
	uart = (struct uart){ .port = 0x3f8, .irq = 4 };
	uart_set_up(BAUD_CLOCK, LINE_8N1);
}

static bool wait_until_empty(void)
{
	int polls = uart.has_stopped ? 1 : POLLS_MAX;

	while (!(uart_in(UART_STATUS) & STATUS_EMPTY))
		if (--polls == 0)
			break;
	uart.has_stopped = polls == 0;
	return !uart.has_stopped;
}

void uart_write(const char *bytes, size_t count)
{
	for (size_t i = 0; uart.port && i < count; i++) {
		if (i % uart.fifo_bytes == 0 && !wait_until_empty())
			return;
		uart_out(UART_DATA, (uint8_t)bytes[i]);
	}
}

size_t uart_read(char *to, size_t room)
{
	size_t count = 0;

	spin_lock(&receive_lock);
	while (count < room && ring_tail != ring_head)
		to[count++] = ring[ring_tail++ % RING_BYTES];
	if (uart.receives && count > 0)
		uart_out(UART_INTERRUPTS, INTERRUPT_RECEIVE);
	spin_unlock(&receive_lock);
	return count;
}

/* The UART has something; U2. */
static void uart_receive(void *data)
{
	uint32_t before;
	bool is_news;

	spin_lock(&receive_lock);
	before = ring_head;
	while (ring_head - ring_tail < RING_BYTES && ring_head - before < RING_BYTES &&
	       (uart_in(UART_STATUS) & STATUS_RECEIVED))
		ring[ring_head++ % RING_BYTES] = (char)uart_in(UART_DATA);
	if (ring_head - ring_tail == RING_BYTES)
		uart_out(UART_INTERRUPTS, 0);
	is_news = ring_head != before;
	spin_unlock(&receive_lock);
	if (is_news)
		console_input_arrived();
}

/* The next word of a list with commas, as a number; `otherwise` if there is none. */
static uint32_t next_number(const char **text, uint32_t otherwise)
{
	uint64_t value;
	const char *end;

	value = text_number(*text, &end);
	if (end == *text)
		value = otherwise;
	while (*end && *end != ',')
		end++;
	*text = *end ? end + 1 : end;
	return value > UINT32_MAX ? otherwise : (uint32_t)value;
}

/* "8n1" as the line register has it; LINE_8N1 if it is something else. */
static uint8_t parse_frame(const char *text)
{
	static const char parities[] = "n?oe";
	const char *parity = text[0] >= '5' && text[0] <= '8' && text[1] ? strchr(parities, text[1]) : NULL;
	static const uint8_t parity_bits[] = { 0x00, 0x00, 0x08, 0x18 };

	if (!parity || (text[2] != '1' && text[2] != '2'))
		return LINE_8N1;
	return (uint8_t)((text[0] - '5') | (text[2] == '2' ? 0x04 : 0) | parity_bits[parity - parities]);
}

static void choose(uint16_t port, uint32_t irq, const char *option)
{
	char text[64];
	const char *rest = text, *frame;
	uint32_t baud = BAUD_CLOCK;
	uint8_t line = LINE_8N1;

	uart = (struct uart){ .port = port, .irq = irq };
	if (option_text(option, text, sizeof(text))) {
		baud = next_number(&rest, strncmp(text, "auto", 4) ? BAUD_CLOCK : 0);
		frame = rest;
		(void)next_number(&rest, 0);
		line = parse_frame(frame);
		uart.port = (uint16_t)next_number(&rest, port);
		uart.irq = next_number(&rest, irq);
	}
	uart_set_up(baud, line);
}

static void set_level(void)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	char text[32];

	if (!option_text("loglvl", text, sizeof(text)))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(text, names[i]))
			log_set_level((enum log_level)i);
	if (!strcmp(text, "all"))
		log_set_level(LOG_DEBUG);
}

void console_init(void)
{
	char text[64];

	set_level();
	if (!option_text("console", text, sizeof(text)))
		string_copy(text, "com1", sizeof(text));
	/* "com1,vga" is an old habit. */
	if (strstr(text, "com2"))
		choose(0x2f8, 3, "com2");
	else if (strcmp(text, "none"))
		choose(0x3f8, 4, "com1");
	else
		uart.port = 0;
	if (!strstr(text, "com") && strcmp(text, "none"))
		log_warning("console=%s is unknown: com1, com2 or none; com1 is used\n", text);
}

void console_enable_input(void)
{
	uint32_t vector;

	if (!uart.port || uart.irq >= 16)
		return;
	vector = irq_allocate(uart_receive, NULL);
	if (vector == 0 || !ioapic_route_isa(uart.irq, vector)) {
		log_warning("console: no interrupt for the UART: no input\n");
		return;
	}
	uart.receives = true;
	uart_out(UART_INTERRUPTS, INTERRUPT_RECEIVE);
	uart_receive(NULL);
}
