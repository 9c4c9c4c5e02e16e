/* SPDX-License-Identifier: MIT */
#include "runtime/console.h"

#include "runtime/boot.h"
#include "runtime/driver_domain.h"
#include "runtime/hypercall.h"
#include "runtime/lib.h"
#include "runtime/memory.h"
#include "runtime/traps.h"

/* A driver's last words go to its log alone: an event for whoever reads the console would have Domain-0 run before they are spoken. */
static bool is_ending;

struct output {
	char *buffer;
	size_t size, length;
};

static void output_char(struct output *output, char letter)
{
	if (output->length + 1 < output->size)
		output->buffer[output->length] = letter;
	output->length++;
}

static void output_text(struct output *output, const char *text, size_t length)
{
	size_t room = output->length + 1 < output->size ? output->size - 1 - output->length : 0;

	if (room)
		memcpy(output->buffer + output->length, text, length < room ? length : room);
	output->length += length;
}

static void output_padded(struct output *output, const char *text, int width, char pad, bool left)
{
	int length = (int)strlen(text);

	for (int i = length; !left && i < width; i++)
		output_char(output, pad);
	output_text(output, text, (size_t)length);
	for (int i = length; left && i < width; i++)
		output_char(output, ' ');
}

static const char *number_text(char *end, uint64_t value, unsigned int base, bool negative)
{
	*--end = 0;
	do {
		*--end = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (negative)
		*--end = '-';
	return end;
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
{
	struct output output = { buffer, size, 0 };
	char digits[32];

	for (; *format; format++) {
		bool left = false, wide = false;
		char pad = ' ', letter[2] = { 0 };
		int64_t number;
		int width = 0;

		if (*format != '%') {
			const char *end = format + 1;

			while (*end && *end != '%')
				end++;
			output_text(&output, format, (size_t)(end - format));
			format = end - 1;
			continue;
		}
		for (format++; *format == '-' || *format == '0'; format++)
			*format == '-' ? (left = true) : (pad = '0');
		for (; *format >= '0' && *format <= '9'; format++)
			width = width * 10 + *format - '0';
		for (; *format == 'l' || *format == 'z'; format++)
			wide = true;
		switch (*format) {
		case 's':
			output_padded(&output, va_arg(arguments, const char *), width, ' ', left);
			break;
		case 'c':
			letter[0] = (char)va_arg(arguments, int);
			output_padded(&output, letter, width, ' ', left);
			break;
		case 'd':
			number = wide ? va_arg(arguments, int64_t) : va_arg(arguments, int);
			output_padded(&output,
				      number_text(digits + sizeof(digits),
						  number < 0 ? -(uint64_t)number : (uint64_t)number, 10,
						  number < 0),
				      width, pad, left);
			break;
		case 'u':
		case 'x':
		case 'p':
			wide |= *format == 'p';
			number = wide ? va_arg(arguments, int64_t) :
					(int64_t)va_arg(arguments, unsigned int);
			output_padded(&output,
				      number_text(digits + sizeof(digits), (uint64_t)number,
						  *format == 'u' ? 10 : 16, false),
				      width, pad, left);
			break;
		default:
			output_char(&output, *format);
		}
	}
	if (size)
		buffer[output.length < size ? output.length : size - 1] = 0;
	return (int)output.length;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(buffer, size, format, arguments);
	va_end(arguments);
	return length;
}

/* Without a gap: up to the ring's end, or to what has not been read. */
static size_t console_ring_room(const struct xencons_interface *ring, XENCONS_RING_IDX out)
{
	size_t waiting = out - *(const volatile XENCONS_RING_IDX *)&ring->out_cons;
	size_t room = waiting < sizeof(ring->out) ? sizeof(ring->out) - waiting : 0;
	size_t end = sizeof(ring->out) - MASK_XENCONS_IDX(out, ring->out);

	return room < end ? room : end;
}

/* The ring is the only way out, so a full one is waited for; but a driver domain has its log, and waits for nobody (H3). */
static void console_ring_write(const char *text, size_t size)
{
	struct xencons_interface *ring = mfn_to_virt(boot_info->console.domU.mfn);
	struct evtchn_send send = { boot_info->console.domU.evtchn };

	while (size) {
		XENCONS_RING_IDX out = ring->out_prod;

		size_t count = console_ring_room(ring, out);

		count = count < size ? count : size;
		memcpy(&ring->out[MASK_XENCONS_IDX(out, ring->out)], text, count);
		text += count;
		size -= count;
		memory_barrier();
		ring->out_prod = out + (XENCONS_RING_IDX)count;
		if (size && console_ring_room(ring, ring->out_prod))
			continue;
		hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
		if (size && driver_domain.table)
			return;
		if (size)
			hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	}
}

void console_write(const char *text, size_t size)
{
	driver_domain_log(text, size);
	if (boot_is_dom0())
		hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, size, text);
	else if (boot_info->console.domU.mfn && !(is_ending && driver_domain.table))
		console_ring_write(text, size);
}

static void console_vprintf(const char *format, va_list arguments)
{
	char line[512];
	size_t length = (size_t)vsnprintf(line, sizeof(line), format, arguments);

	console_write(line, length < sizeof(line) ? length : sizeof(line) - 1);
}

void printf(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	console_vprintf(format, arguments);
	va_end(arguments);
}

/* What goes wrong while this is told is not told. */
static void __attribute__((noreturn)) domain_end(const char *text, const struct trap_frame *frame)
{
	if (is_ending)
		domain_shutdown(SHUTDOWN_crash);
	is_ending = true;
	driver_domain_last_words(text);
	/* A guest test speaks TAP. */
	printf("%s%s\n", driver_domain.table ? "panic: " : "Bail out! ", text);
	if (frame)
		trap_print(frame);
	else
		trap_backtrace((uint64_t)__builtin_frame_address(0));
	domain_shutdown(SHUTDOWN_crash);
}

void panic_trapped(const struct trap_frame *frame)
{
	char text[120];

	snprintf(text, sizeof(text), "a trap that nobody expected: %lu, error %lx, at %lx, address %lx", frame->vector, frame->error,
		 frame->rip, trap_cr2);
	domain_end(text, frame);
}

void panic(const char *format, ...)
{
	char text[200];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	domain_end(text, NULL);
}
