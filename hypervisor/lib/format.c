/* SPDX-License-Identifier: MIT */
/* Text into buffers: printf's formats that lib/log.h names, and a copy that always ends. */
#include "lib/log.h"
#include "lib/string.h"

struct sink {
	char *to;
	size_t room;
	size_t length;		/* what the text would have without the limit */
};

/* One conversion: %[-0][width][.precision][size]letter */
struct conversion {
	bool left, zeroes;
	int width, precision;	/* precision -1: not given */
	int size_shift;		/* 2: char, 1: short, 0: int, -1: 64 bits */
};

static void put(struct sink *sink, char c)
{
	if (sink->length + 1 < sink->room)
		sink->to[sink->length] = c;
	sink->length++;
}

static void put_many(struct sink *sink, char c, int count)
{
	for (; count > 0; count--)
		put(sink, c);
}

static void put_text(struct sink *sink, const struct conversion *how, const char *text)
{
	int length = 0;

	if (!text)
		text = "(null)";
	while (length != how->precision && text[length])
		length++;
	if (!how->left)
		put_many(sink, ' ', how->width - length);
	for (int i = 0; i < length; i++)
		put(sink, text[i]);
	if (how->left)
		put_many(sink, ' ', how->width - length);
}

static void put_number(struct sink *sink, const struct conversion *how, uint64_t value,
		       const char *prefix, unsigned int base, const char *digits)
{
	char backwards[24];
	int count = 0, zeroes, padding, prefix_length = (int)strlen(prefix);

	for (; value > 0 || (count == 0 && how->precision != 0); value /= base)
		backwards[count++] = digits[value % base];
	zeroes = MAX(how->precision - count, 0);
	if (how->zeroes && !how->left && how->precision < 0)
		zeroes = MAX(how->width - count - prefix_length, 0);
	padding = how->width - count - zeroes - prefix_length;

	if (!how->left)
		put_many(sink, ' ', padding);
	while (*prefix)
		put(sink, *prefix++);
	put_many(sink, '0', zeroes);
	while (count > 0)
		put(sink, backwards[--count]);
	if (how->left)
		put_many(sink, ' ', padding);
}

static int parse_number(const char **format, va_list *arguments)
{
	int value = 0;

	if (**format == '*') {
		(*format)++;
		return va_arg(*arguments, int);
	}
	for (; **format >= '0' && **format <= '9' && value < 10000; (*format)++)
		value = value * 10 + **format - '0';
	return value;
}

static struct conversion parse_conversion(const char **format, va_list *arguments)
{
	struct conversion how = { .precision = -1 };

	for (; **format == '-' || **format == '0'; (*format)++)
		*(**format == '-' ? &how.left : &how.zeroes) = true;
	how.width = parse_number(format, arguments);
	if (**format == '.') {
		(*format)++;
		how.precision = parse_number(format, arguments);
	}
	for (; **format == 'l' || **format == 'z' || **format == 'h'; (*format)++)
		how.size_shift = **format == 'h' ? how.size_shift + 1 : -1;
	return how;
}

static int64_t next_signed(const struct conversion *how, va_list *arguments)
{
	int value;

	if (how->size_shift < 0)
		return va_arg(*arguments, int64_t);
	value = va_arg(*arguments, int);
	return how->size_shift == 0 ? value : how->size_shift == 1 ? (int16_t)value : (int8_t)value;
}

static uint64_t next_unsigned(const struct conversion *how, va_list *arguments)
{
	unsigned int value;

	if (how->size_shift < 0)
		return va_arg(*arguments, uint64_t);
	value = va_arg(*arguments, unsigned int);
	return how->size_shift == 0 ? value : how->size_shift == 1 ? (uint16_t)value : (uint8_t)value;
}

static void convert(struct sink *sink, char letter, struct conversion *how, va_list *arguments)
{
	static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
	char one[2] = { letter, 0 };
	int64_t value;

	switch (letter) {
	case 's':
		put_text(sink, how, va_arg(*arguments, const char *));
		break;
	case 'c':
		put(sink, (char)va_arg(*arguments, int));
		break;
	case 'd':
	case 'i':
		value = next_signed(how, arguments);
		put_number(sink, how, value < 0 ? 0 - (uint64_t)value : (uint64_t)value,
			   value < 0 ? "-" : "", 10, lower);
		break;
	case 'u':
		put_number(sink, how, next_unsigned(how, arguments), "", 10, lower);
		break;
	case 'x':
	case 'X':
		put_number(sink, how, next_unsigned(how, arguments), "", 16,
			   letter == 'x' ? lower : upper);
		break;
	case 'p':
		put_number(sink, how, (uintptr_t)va_arg(*arguments, void *), "0x", 16, lower);
		break;
	default:		/* '%', and what we do not know is shown as it is */
		put_text(sink, how, one);
	}
}

size_t format_string_list(char *to, size_t room, const char *format, va_list arguments)
{
	struct sink sink = { to, room, 0 };
	struct conversion how;
	va_list rest;

	va_copy(rest, arguments);
	while (*format) {
		if (*format != '%') {
			put(&sink, *format++);
			continue;
		}
		format++;
		how = parse_conversion(&format, &rest);
		if (*format)
			convert(&sink, *format++, &how, &rest);
	}
	va_end(rest);
	if (room > 0)
		to[MIN(sink.length, room - 1)] = 0;
	return sink.length;
}

size_t format_string(char *to, size_t room, const char *format, ...)
{
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = format_string_list(to, room, format, arguments);
	va_end(arguments);
	return length;
}

size_t string_copy(char *to, const char *from, size_t room)
{
	size_t length = 0;

	for (; from[length]; length++)
		if (length + 1 < room)
			to[length] = from[length];
	if (room > 0)
		to[MIN(length, room - 1)] = 0;
	return length;
}

static unsigned int digit_of(char c)
{
	return c >= '0' && c <= '9' ? (unsigned int)(c - '0') :
	       (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (unsigned int)((c | 0x20) - 'a' + 10) : 255;
}

uint64_t text_number(const char *text, const char **end)
{
	bool is_hex = text[0] == '0' && (text[1] | 0x20) == 'x' && digit_of(text[2]) < 16;
	unsigned int base = is_hex ? 16 : 10;
	uint64_t value = 0;

	for (text += is_hex ? 2 : 0; digit_of(*text) < base; text++)
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit_of(*text), &value))
			value = UINT64_MAX / 16;	/* absurd, and it stays so */
	*end = text;
	return value;
}
