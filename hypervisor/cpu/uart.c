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
#include "cpu/irq.h"
#include "cpu/ops.h"

#define UART_PORT		0x3f8

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
#define BAUD_CLOCK		115200
#define POLLS_MAX		200000	/* a read of a port takes about 1 us */
#define RING_BYTES		1024u

static bool is_there;			/* and wanted */
static bool has_stopped;		/* U1 */

static struct spinlock receive_lock;
static char ring[RING_BYTES];
static uint32_t ring_head, ring_tail;	/* bytes ever put in and taken out */

static uint8_t uart_in(enum uart_register reg) { return port_in8((uint16_t)(UART_PORT + reg)); }
static void uart_out(enum uart_register reg, uint8_t value) { port_out8((uint16_t)(UART_PORT + reg), value); }

void uart_init(uint64_t divisor)
{
	uart_out(UART_INTERRUPTS, 0);
	uart_out(UART_LINE, LINE_DIVISOR);
	uart_out(UART_DIVISOR_LOW, (uint8_t)divisor);
	uart_out(UART_DIVISOR_HIGH, (uint8_t)(divisor >> 8));
	uart_out(UART_LINE, LINE_8N1);
	uart_out(UART_FIFO, FIFO_ON_AND_CLEAR);
	uart_out(UART_MODEM, MODEM_DTR_RTS_OUT2);
	is_there = uart_in(UART_STATUS) != 0xff;
}

static bool wait_until_empty(void)
{
	int polls = has_stopped ? 1 : POLLS_MAX;

	while (!(uart_in(UART_STATUS) & STATUS_EMPTY) && --polls > 0)
		;
	has_stopped = polls == 0;
	return !has_stopped;
}

void uart_write(const char *bytes, size_t count)
{
	for (size_t i = 0; is_there && i < count && wait_until_empty(); i++)
		uart_out(UART_DATA, (uint8_t)bytes[i]);
}

size_t uart_read(char *to, size_t room)
{
	size_t count = 0;

	spin_lock(&receive_lock);
	while (count < room && ring_tail != ring_head)
		to[count++] = ring[ring_tail++ % RING_BYTES];
	if (count > 0)
		uart_out(UART_INTERRUPTS, INTERRUPT_RECEIVE);
	spin_unlock(&receive_lock);
	return count;
}

void uart_receive(void)		/* U2 */
{
	uint32_t before;
	bool is_news;

	spin_lock(&receive_lock);
	before = ring_head;
	while (ring_head - ring_tail < RING_BYTES && (uart_in(UART_STATUS) & STATUS_RECEIVED))
		ring[ring_head++ % RING_BYTES] = (char)uart_in(UART_DATA);
	if (ring_head - ring_tail == RING_BYTES)
		uart_out(UART_INTERRUPTS, 0);
	is_news = ring_head != before;
	spin_unlock(&receive_lock);
	if (is_news)
		console_input_arrived();
}

static void set_level(void)
{
	static const char *const names[] = { "error", "warning", "info", "debug", "all" };
	char text[32];

	(void)option_text("loglvl", text, sizeof(text));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(text, names[i]))
			log_set_level((enum log_level)MIN(i, (size_t)LOG_DEBUG));
}

/* "com1=9600"; what may follow after a comma, as in Xen's options, is as on every PC. */
void console_init(void)
{
	char text[32];
	const char *end;
	uint64_t baud;

	set_level();
	(void)option_text("com1", text, sizeof(text));
	baud = text_number(text, &end);
	uart_init(baud ? MAX(BAUD_CLOCK / baud, 1u) : 1);
	(void)option_text("console", text, sizeof(text));
	if (!strcmp(text, "none"))
		is_there = false;
}

void console_enable_input(void)
{
	if (!is_there)
		return;
	uart_out(UART_INTERRUPTS, INTERRUPT_RECEIVE);
	uart_receive();
}
