/* SPDX-License-Identifier: MIT */
/*
 * console_io. Domain-0 has the core's console: its bytes pass as they are. What other domains write is for
 * their own debugging: each piece as one line, with their id before it, and not many.
 */

#include "cpu/uart.h"
#include "domain/hypercall.h"
#include "event/event.h"

#define CHUNK_BYTES	128		/* between two looks at whether we should stop */

/* No control character of a guest's reaches the console, and no line that looks like somebody else's. */
static void write_line(const struct domain *domain, char *text, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = ' ';
	log_guest(domain->id, text, count);
}

static long console_write(uint32_t count, uint64_t buffer)
{
	struct domain *domain = current_vcpu()->domain;
	char text[CHUNK_BYTES];
	uint32_t now;

	for (; count > 0; count -= now, buffer += now) {
		now = MIN(count, (uint32_t)CHUNK_BYTES);
		if (guest_read(text, buffer, now))
			return -EFAULT;
		if (domain->is_privileged)
			log_write_raw(text, now);
		else
			write_line(domain, text, now);
		if (count > now && hypercall_must_stop())
			return hypercall_continue(__HYPERVISOR_console_io, 3, (uint64_t)CONSOLEIO_write,
						  (uint64_t)(count - now), buffer + now);
	}
	return 0;
}

/* How many were read; what does not fit stays. */
static long console_read(uint32_t count, uint64_t buffer)
{
	char text[CHUNK_BYTES];

	count = (uint32_t)uart_read(text, MIN(count, (uint32_t)CHUNK_BYTES));
	return guest_write(buffer, text, count) ? -EFAULT : (long)count;
}

long do_console_io(uint64_t command, uint64_t count, uint64_t buffer)
{
	/* The ABI's arguments are ints, and a number of bytes must not look like an error. */
	if ((uint32_t)count > INT32_MAX)
		return -E2BIG;
	switch ((uint32_t)command) {
	case CONSOLEIO_write:
		return console_write((uint32_t)count, buffer);
	case CONSOLEIO_read:
		return current_vcpu()->domain->is_privileged ? console_read((uint32_t)count, buffer) : -EPERM;
	default:
		return -ENOSYS;
	}
}

void console_input_arrived(void)
{
	if (domain_zero)
		event_send_vcpu_virq(domain_zero->vcpu[0], VIRQ_CONSOLE);
}
