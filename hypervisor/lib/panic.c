/* SPDX-License-Identifier: MIT */
/*
 * The end of the core when it finds itself broken: one CPU tells why and who called whom, all stop.
 * Names come from the table that lib/symbols.py makes. A chain of frames that does not climb a stack is not followed.
 */

#define FRAMES_MAX	24
#define STACK_BYTES_MAX	32768		/* of any stack of the core */
#define FUNCTION_MAX	65536		/* the last one may have so many bytes */

extern const char image_start[];
extern const uint32_t symbol_count;
extern const uint32_t symbol_offset[];
extern const char symbol_names[];

/* "name+0x12" behind the address, if it is in the core's text. */
static void print_address(uint64_t address)
{
	uint64_t offset = address - (uint64_t)(uintptr_t)image_start, start = 0;
	const char *name = symbol_names, *next = symbol_names;

	for (uint32_t i = 0; i < symbol_count && symbol_offset[i] <= offset; i++) {
		start = symbol_offset[i];
		name = next;
		next += strlen(next) + 1;
	}
	if (start && offset - start < FUNCTION_MAX)
		log_error("  %016lx %s+0x%lx\n", address, name, offset - start);
	else
		log_error("  %016lx\n", address);
}

void backtrace_print(uint64_t address, uint64_t frame_pointer)
{
	uint64_t bottom = frame_pointer, top = frame_pointer + STACK_BYTES_MAX;

	log_error("back trace:\n");
	for (int i = 0; i < FRAMES_MAX; i++) {
		const uint64_t *frame = (const uint64_t *)(uintptr_t)frame_pointer;

		print_address(address);
		if (frame_pointer < bottom || frame_pointer > top || frame_pointer % 8 || !(frame_pointer >> 63))
			return;
		if (frame[1] == 0)
			return;
		address = frame[1] - 1;
		bottom = frame_pointer + 16;
		frame_pointer = frame[0];
	}
}

void panic_begin(void)
{
	/* Of those that come here only the first speaks; if it comes again, printing is what is broken. */
	static bool panicking;

	if (__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST))
		cpu_halt_all();
	log_seize();
	log_error("\nSKINK PANIC: ");
}

void panic(const char *format, ...)
{
	va_list arguments;

	panic_begin();
	va_start(arguments, format);
	log_print_list(LOG_ERROR, format, arguments);
	va_end(arguments);
	log_error("\n");
	backtrace_print((uint64_t)(uintptr_t)__builtin_return_address(0) - 1,
			*(uint64_t *)__builtin_frame_address(0));
	cpu_halt_all();
}

void refuse_to_run(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_print_list(LOG_ERROR, format, arguments);
	va_end(arguments);
	log_error("\n");
	cpu_halt_all();
}
