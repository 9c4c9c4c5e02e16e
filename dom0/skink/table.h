/* SPDX-License-Identifier: MIT */
/*
 * Facts in columns. Cells are copied; the widths come from what is in them; the last column is as long as it is.
 */
#pragma once

#include "message.h"

struct table;

/* A column's name; '>' before it sets the column to the right. NULL ends the list. */
struct table *table_new(const char *const *columns);

/* One more cell, row by row. */
void table_cell(struct table *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The cell that was added last is painted. */
void table_paint(struct table *, enum colour);

/* Prints to stdout, and frees. */
void table_print(struct table *table);

/* Frees without printing. */
void table_drop(struct table *table);
