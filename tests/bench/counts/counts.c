/* SPDX-License-Identifier: MIT */
/*
 * A plugin of QEMU's: what icount charges nothing for, from the core's report of a driver's death to its successor's first answer.
 *
 *     -d plugin -plugin counts.so,begin=ADDRESS,...,end=ADDRESS,...,text=FIRST-LAST,...
 *
 * begin, end: instructions of the core and of drivers; text: where theirs are, and registers of devices are reached from. After each death:
 *
 *     COUNTED registers N flushes N
 *
 * registers: accesses to devices', by memory and by port; flushes: writes to CR3 and CR4, and invlpg, of whoever runs meanwhile.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is used of the plugin interface, version 1: Debian's QEMU 7.2 brings no header for it. */
#define EXPORT __attribute__((visibility("default")))
#define NO_REGISTERS 0
#define READS_AND_WRITES 3

struct tb;
struct insn;
struct hwaddr;

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, void (*seen)(uint64_t plugin, struct tb *tb));
size_t qemu_plugin_tb_n_insns(const struct tb *tb);
struct insn *qemu_plugin_tb_get_insn(const struct tb *tb, size_t at);
const void *qemu_plugin_insn_data(const struct insn *insn);
size_t qemu_plugin_insn_size(const struct insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct insn *insn, void (*run)(unsigned int cpu, void *data), int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct insn *insn, void (*reached)(unsigned int cpu, uint32_t how, uint64_t address, void *data), int flags,
				      int which, void *data);
struct hwaddr *qemu_plugin_get_hwaddr(uint32_t how, uint64_t address);
bool qemu_plugin_hwaddr_is_io(const struct hwaddr *address);
void qemu_plugin_outs(const char *text);

EXPORT int qemu_plugin_version = 1;

#define ROOM 8

struct range { uint64_t first, last; };

static struct range begins[ROOM], ends[ROOM], texts[ROOM];
static unsigned int begin_count, end_count, text_count;
static bool is_counting;
static unsigned int registers, flushes;

/* ---- while it runs ---- */

static void begin(unsigned int cpu, void *data)
{
	if (is_counting)
		return;
	is_counting = true;
	registers = flushes = 0;
}

static void end(unsigned int cpu, void *data)
{
	char text[80];

	if (!is_counting)
		return;
	is_counting = false;
	snprintf(text, sizeof(text), "\nCOUNTED registers %u flushes %u\n", registers, flushes);
	qemu_plugin_outs(text);
}

static void flush(unsigned int cpu, void *data) { flushes += is_counting; }
static void port(unsigned int cpu, void *data) { registers += is_counting; }

static void memory(unsigned int cpu, uint32_t how, uint64_t address, void *data)
{
	const struct hwaddr *where = is_counting ? qemu_plugin_get_hwaddr(how, address) : NULL;

	registers += where && qemu_plugin_hwaddr_is_io(where);
}

/* ---- when it is translated ---- */

static bool is_in(uint64_t at, const struct range *range, unsigned int count)
{
	bool found = false;

	for (unsigned int i = 0; i < count; i++)
		found |= at >= range[i].first && at <= range[i].last;
	return found;
}

/* Behind the prefixes of size and of REX. */
static const uint8_t *opcode(const struct insn *insn, size_t *left)
{
	const uint8_t *at = qemu_plugin_insn_data(insn);

	for (*left = qemu_plugin_insn_size(insn); *left > 1 && (*at == 0x66 || (*at & 0xf0) == 0x40); at++)
		--*left;
	return at;
}

static bool is_flush(const uint8_t *at, size_t left)
{
	if (left < 3 || at[0] != 0x0f)
		return false;
	if (at[1] == 0x22)
		return (at[2] >> 3 & 7) == 3 || (at[2] >> 3 & 7) == 4;
	return at[1] == 0x01 && (at[2] >> 3 & 7) == 7 && at[2] >> 6 != 3;
}

static bool is_port(const uint8_t *at)
{
	return (at[0] & 0xf4) == 0xe4;		/* e4 to e7, ec to ef */
}

static void seen(uint64_t plugin, struct tb *tb)
{
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t where = qemu_plugin_insn_vaddr(insn);
		size_t left;
		const uint8_t *at = opcode(insn, &left);

		if (is_in(where, begins, begin_count))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, NO_REGISTERS, NULL);
		if (is_in(where, ends, end_count))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, end, NO_REGISTERS, NULL);
		if (is_flush(at, left))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, flush, NO_REGISTERS, NULL);
		if (!is_in(where, texts, text_count))
			continue;
		if (is_port(at))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, port, NO_REGISTERS, NULL);
		qemu_plugin_register_vcpu_mem_cb(insn, memory, NO_REGISTERS, READS_AND_WRITES, NULL);
	}
}

static bool take(const char *word, const char *name, struct range *range, unsigned int *count)
{
	size_t length = strlen(name);
	char *rest;

	if (strncmp(word, name, length) || *count == ROOM)
		return false;
	range += (*count)++;
	range->first = range->last = strtoull(word + length, &rest, 16);
	if (*rest == '-')
		range->last = strtoull(rest + 1, NULL, 16);
	return true;
}

EXPORT int qemu_plugin_install(uint64_t plugin, const void *machine, int count, char **words)
{
	for (int i = 0; i < count; i++)
		if (!take(words[i], "begin=", begins, &begin_count) && !take(words[i], "end=", ends, &end_count) &&
		    !take(words[i], "text=", texts, &text_count))
			return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(plugin, seen);
	return 0;
}
