/* SPDX-License-Identifier: MIT */
/* Text into buffers: the formats that lib/log.h names, a copy that always ends, numbers out of text. */

struct sink {
	char *to;
	size_t room;
	size_t length;		/* what the text would have without the limit */
};

static void put(struct sink *sink, char c)
{
	if (sink->length + 1 < sink->room)
		sink->to[sink->length] = c;
	sink->length++;
}

static void put_text(struct sink *sink, const char *text, size_t limit)
{
	if (!text)
		text = "(null)";
	for (; limit > 0 && *text; limit--)
		put(sink, *text++);
}

static void put_number(struct sink *sink, uint64_t value, unsigned int base, size_t width)
{
	char backwards[24];
	size_t count = 0;

	do {
		backwards[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value > 0);
	for (; width > count; width--)
		put(sink, '0');
	while (count > 0)
		put(sink, backwards[--count]);
}

/* What follows a '%'; returns what follows the conversion. */
static const char *convert(struct sink *sink, const char *format, va_list *arguments)
{
	size_t width = text_number(format, &format), limit = SIZE_MAX;
	int64_t value;
	bool is_long;

	if (format[0] == '.' && format[1] == '*') {
		limit = va_arg(*arguments, unsigned int);
		format += 2;
	}
	is_long = *format == 'l';
	format += is_long;
	switch (*format) {
	case 's':
		put_text(sink, va_arg(*arguments, const char *), limit);
		break;
	case 'd':
		value = is_long ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);
		if (value < 0)
			put(sink, '-');
		put_number(sink, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, 0);
		break;
	case 'u':
	case 'x':
		put_number(sink, is_long ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned int),
			   *format == 'x' ? 16 : 10, width);
		break;
	case 0:
		return format;
	default:		/* '%', and what we do not know is shown as it is */
		put(sink, *format);
	}
	return format + 1;
}

size_t format_string_list(char *to, size_t room, const char *format, va_list arguments)
{
	struct sink sink = { to, room, 0 };
	va_list rest;

	va_copy(rest, arguments);
	while (*format) {
		if (*format == '%')
			format = convert(&sink, format + 1, &rest);
		else
			put(&sink, *format++);
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

size_t string_copy(char *to, const char *from, size_t room) { return format_string(to, room, "%s", from); }

static unsigned int digit_of(char c)
{
	unsigned int letter = (unsigned int)(c | 0x20) - 'a';

	return c >= '0' && c <= '9' ? (unsigned int)(c - '0') : letter < 6 ? letter + 10 : 255;
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
