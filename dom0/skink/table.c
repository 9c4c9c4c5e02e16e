/* SPDX-License-Identifier: MIT */
/* Facts in columns. */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "lib/need.h"

struct cell {
	char *text;
	enum colour colour;
};

/* cells[0 .. columns-1] are the heads. */
struct table {
	const char *const *columns;
	size_t column_count;
	struct cell *cells;
	size_t cell_count, room;
	int blanks;			/* between the cell printed last and the next one in its row */
};

static void add(struct table *table, char *text, enum colour colour)
{
	if (table->cell_count == table->room) {
		table->room = table->room ? 2 * table->room : 64;
		table->cells = need_resized(table->cells, table->room, sizeof(*table->cells));
	}
	table->cells[table->cell_count++] = (struct cell){.text = text, .colour = colour};
}

struct table *table_new(const char *const *columns)
{
	struct table *table = need_zeroed(1, sizeof(*table));

	table->columns = columns;
	for (; columns[table->column_count]; table->column_count++) {
		const char *name = columns[table->column_count];

		add(table, need_copy(name + (*name == '>')), BOLD);
	}
	return table;
}

void table_cell(struct table *table, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(table, need_vtext(format, arguments), PLAIN);
	va_end(arguments);
}

void table_paint(struct table *table, enum colour colour)
{
	table->cells[table->cell_count - 1].colour = colour;
}

/* As a terminal counts: an umlaut is one column wide, though two bytes long. */
static int width_of(const char *text)
{
	wchar_t wide[256];
	size_t length = mbstowcs(wide, text, 256);
	int width = length == (size_t)-1 || length == 256 ? -1 : wcswidth(wide, length);

	return width < 0 ? (int)strlen(text) : width;
}

static int column_width(const struct table *table, size_t column)
{
	int widest = 0;

	for (size_t i = column; i < table->cell_count; i += table->column_count) {
		int width = width_of(table->cells[i].text);

		widest = width > widest ? width : widest;
	}
	return widest;
}

/* Blanks are printed only when something follows them in the row. */
static void print_cell(struct table *table, size_t index, int width)
{
	const struct cell *cell = &table->cells[index];
	size_t column = index % table->column_count;
	int missing = width - width_of(cell->text);
	bool right = table->columns[column][0] == '>';

	if (*cell->text) {
		printf("%*s", table->blanks + (right ? missing : 0), "");
		fputs(cell->colour ? colour(stdout, cell->colour) : "", stdout);
		print_text(stdout, cell->text);
		fputs(cell->colour ? colour(stdout, PLAIN) : "", stdout);
		table->blanks = 2 + (right ? 0 : missing);
	} else {
		table->blanks += width + 2;
	}
	if (column + 1 == table->column_count) {
		putchar('\n');
		table->blanks = 0;
	}
}

void table_print(struct table *table)
{
	int *widths = need_zeroed(table->column_count, sizeof(*widths));

	for (size_t column = 0; column < table->column_count; column++)
		widths[column] = column_width(table, column);
	for (size_t i = 0; i < table->cell_count; i++)
		print_cell(table, i, widths[i % table->column_count]);
	free(widths);
	table_drop(table);
}

void table_drop(struct table *table)
{
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}
