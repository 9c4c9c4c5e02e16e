/* SPDX-License-Identifier: MIT */
#include "vtd_model.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/directmap.h"
#include "fake.h"
#include "iommu/registers.h"
#include "iommu/unit.h"

#define PRESENT		1ULL
#define READ		1ULL
#define WRITE		2ULL
#define LARGE		(1ULL << 7)
#define ADDRESS		0x000ffffffffff000ULL
#define UNITS_AT	(1ULL << 50)	/* where the core's own variables are, as the hardware counts */
#define GARBAGE		0xa5

struct model model[MODEL_UNITS];
static uint8_t *seen;			/* memory as hardware sees it */

static void off_track(struct model *m, const char *why)
{
	m->was_off_track = true;
	m->why = why;
}

void model_reset(void)
{
	for (uint32_t i = 0; i < MODEL_UNITS; i++) {
		free(model[i].context);
		free(model[i].context_is_known);
		model[i] = (struct model){ .capability = MODEL_CAP(6, 48, 3, 4) | MODEL_CAP_DRAIN,
					   .extended = MODEL_ECAP_QUEUE | MODEL_ECAP_REMAPPING,
					   .fault_control = 1U << 31, .protection = 1 };
		model[i].context = calloc(MODEL_CONTEXTS, sizeof(struct model_entry));
		model[i].context_is_known = calloc(MODEL_CONTEXTS, sizeof(bool));
	}
	if (!seen)
		seen = mmap(NULL, FAKE_RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(seen + MODEL_TABLES_AT, GARBAGE, MODEL_TABLES_BYTES);
}

paddr_t model_paddr(const void *address)
{
	uint64_t offset = (uint64_t)((const char *)address - (const char *)vtd_units);

	return offset < sizeof(vtd_units) ? UNITS_AT + offset : virt_to_paddr(address);
}

void cache_write_back(const void *memory, size_t bytes)
{
	paddr_t at = virt_to_paddr(memory) & ~63ULL;

	memcpy(seen + at, paddr_to_virt(at), ROUND_UP(virt_to_paddr(memory) + bytes, 64) - at);
}

static struct model_entry read_entry(struct model *m, paddr_t table, uint32_t index)
{
	struct model_entry entry = { 0, 0 };

	if ((table & ADDRESS) + PAGE_SIZE > FAKE_RAM_BYTES)
		off_track(m, "a table where there is no memory");
	else
		memcpy(&entry, seen + (table & ADDRESS) + index * sizeof(entry), sizeof(entry));
	return entry;
}

static uint64_t read_word(struct model *m, paddr_t table, uint32_t index)
{
	struct model_entry pair = read_entry(m, table, index / 2);

	return index % 2 ? pair.high : pair.low;
}

/* ---- the queue ---- */

static void forget_contexts(struct model *m, uint64_t low)
{
	uint32_t which = low >> 4 & 3;

	for (uint32_t i = 0; i < MODEL_CONTEXTS; i++)
		if (which == 1 || (which == 3 && i == (low >> 32 & 0xffff)) ||
		    (which == 2 && (m->context[i].high >> 8 & 0xffff) == (low >> 16 & 0xffff)))
			m->context_is_known[i] = false;
	for (uint32_t bus = 0; which == 1 && bus < 256; bus++)
		m->root_is_known[bus] = false;
	if (which == 0)
		off_track(m, "a context invalidation of a kind that does not exist");
}

static void forget_pages(struct model *m, uint64_t low)
{
	uint32_t which = low >> 4 & 3, pool = low >> 16 & 0xffff;

	if (which != 1 && which != 2)
		off_track(m, "a page invalidation of a kind that is not expected");
	if ((low >> 6 & 3) != (m->capability >> 54 & 3))
		off_track(m, "not drained");
	for (uint32_t i = 0; i < ARRAY_SIZE(m->page); i++)
		if (which == 1 || m->page[i].pool == pool)
			m->page[i].is_used = false;
}

static void forget_interrupts(struct model *m, uint64_t low)
{
	for (uint32_t i = 0; i < 256; i++)
		if (!(low & 1 << 4) || (i & ~0U << (low >> 27 & 31)) == (low >> 32 & 0xffff))
			m->interrupt_is_known[i] = false;
}

static void wait_descriptor(struct model *m, const struct model_entry *entry)
{
	uint64_t offset = entry->high - UNITS_AT;
	uint32_t value = (uint32_t)(entry->low >> 32);

	if (!(entry->low & 1 << 5))
		off_track(m, "a wait that tells nobody");
	if (offset >= sizeof(vtd_units))
		off_track(m, "an answer to nowhere");
	else
		memcpy((char *)vtd_units + offset, &value, sizeof(value));
}

/* A context must be forgotten before the pages that it names: between the two is a wait with its fence. */
static void run_queue(struct model *m)
{
	bool after_context = false;

	for (; m->head != m->tail; m->head = (m->head + 1) % MODEL_QUEUE) {
		const struct model_entry *entry = (const struct model_entry *)paddr_to_virt(m->queue & ADDRESS) + m->head;

		m->descriptors++;
		switch (entry->low & 15) {
		case 1:
			forget_contexts(m, entry->low);
			after_context = true;
			break;
		case 2:
			forget_pages(m, entry->low);
			if (after_context)
				off_track(m, "pages were read again by the old context");
			break;
		case 4:
			forget_interrupts(m, entry->low);
			break;
		case 5:
			wait_descriptor(m, entry);
			after_context = after_context && !(entry->low & 1 << 6);
			break;
		default:
			off_track(m, "no such descriptor");
		}
	}
}

void model_time_passes(void)
{
	for (struct model *m = model; m < model + MODEL_UNITS; m++)
		if (m->head != m->tail && !m->is_dead && m->waited++ >= m->delay) {
			m->waited = 0;
			run_queue(m);
		}
}

/* ---- registers ---- */

static struct model *model_at(volatile void *registers, uint32_t at)
{
	uint64_t offset = virt_to_paddr((const void *)registers) - MODEL_AT;

	if (offset / 0x2000 >= MODEL_UNITS || offset % 0x2000 || at > MODEL_RECORDS_AT + MODEL_RECORDS * 16)
		panic("model: no register 0x%x of a unit at %p", at, registers);
	return &model[offset / 0x2000];
}

static void send_interrupt(struct model *m)
{
	m->interrupts++;
	m->interrupt_address = (uint64_t)m->fault_address[1] << 32 | m->fault_address[0];
	m->interrupt_data = m->fault_data;
	m->fault_control &= ~(1U << 30);
}

static void update_faults(struct model *m)
{
	m->fault_status &= ~2U;
	for (uint32_t i = 0; i < MODEL_RECORDS; i++)
		if (m->record[i].high >> 63)
			m->fault_status |= 2;
	if (!(m->fault_status & 3))
		m->fault_control &= ~(1U << 30);
}

static void run_command(struct model *m, uint32_t value)
{
	if (m->is_deaf)
		return;
	if ((value & 1U << 26) && !(m->status & 1U << 26)) {
		m->head = 0;
		if (m->tail)
			off_track(m, "a queue that begins in the middle");
	}
	if ((value & 1U << 31) && !(m->status & 1U << 30))
		off_track(m, "translation without a root");
	if (value & 1U << 30)
		m->root = m->root_register;
	if (value & 1U << 24)
		m->table = m->table_register;
	if (value & 1U << 27)
		m->flushes++;
	m->status = (value & (1U << 31 | 1U << 26 | 1U << 25 | 1U << 23)) | (m->status & (1U << 30 | 1U << 24)) |
		    (value & (1U << 30 | 1U << 24));
}

uint64_t vtd_read64(volatile void *registers, uint32_t at)
{
	struct model *m = model_at(registers, at);
	uint32_t record = (at - MODEL_RECORDS_AT) / 16;

	if (at == VTD_CAPABILITY)
		return m->capability;
	if (at == VTD_EXTENDED)
		return m->extended;
	if (record < MODEL_RECORDS)
		return at % 16 ? m->record[record].high : m->record[record].low;
	panic("model: 64 bits of register 0x%x are read", at);
}

uint32_t vtd_read32(volatile void *registers, uint32_t at)
{
	struct model *m = model_at(registers, at);

	switch (at) {
	case VTD_STATUS:	return m->status;
	case VTD_FAULT_STATUS:	return m->fault_status;
	default:		panic("model: register 0x%x is read", at);
	}
}

void vtd_write64(volatile void *registers, uint32_t at, uint64_t value)
{
	struct model *m = model_at(registers, at);

	switch (at) {
	case VTD_ROOT:		m->root_register = value; break;
	case VTD_QUEUE:		m->queue = value; break;
	case VTD_INTERRUPTS:	m->table_register = value; break;
	default:		panic("model: 64 bits of register 0x%x are written", at);
	}
}

void vtd_write32(volatile void *registers, uint32_t at, uint32_t value)
{
	struct model *m = model_at(registers, at);
	uint32_t record = (at - MODEL_RECORDS_AT) / 16;

	if (record < MODEL_RECORDS && at % 16 == 12) {
		m->record[record].high &= ~((uint64_t)(value & 1U << 31) << 32);
		update_faults(m);
		return;
	}
	switch (at) {
	case VTD_COMMAND:	run_command(m, value); break;
	case VTD_FAULT_STATUS:	m->fault_status &= ~(value & 1); update_faults(m); break;
	case VTD_FAULT_DATA:	m->fault_data = value; break;
	case VTD_FAULT_ADDRESS:	m->fault_address[0] = value; break;
	case VTD_FAULT_ADDRESS_HIGH: m->fault_address[1] = value; break;
	case VTD_PROTECTED:	m->protection = value >> 31; break;
	case VTD_QUEUE_TAIL:	m->tail = value / 16 % MODEL_QUEUE; m->waited = 0; break;
	case VTD_FAULT_CONTROL:
		m->fault_control = (m->fault_control & 1U << 30) | (value & 1U << 31);
		if (m->fault_control == 1U << 30)
			send_interrupt(m);
		break;
	default:
		panic("model: register 0x%x is written", at);
	}
}

/* ---- what devices do ---- */

static void record_fault(struct model *m, uint16_t requester, uint32_t reason, uint64_t about, bool is_read)
{
	uint32_t free = 0;

	if (m->fault_status & 1)
		return;
	while (free < MODEL_RECORDS && m->record[free].high >> 63)
		free++;
	if (free == MODEL_RECORDS) {
		m->fault_status |= 1;
		return;
	}
	m->record[free] = (struct model_entry){ about, 1ULL << 63 | (uint64_t)is_read << 62 | (uint64_t)reason << 32 | requester };
	if (m->fault_status & 2)
		return;
	m->fault_status |= 2;
	m->fault_control |= 1U << 30;
	if (!(m->fault_control & 1U << 31))
		send_interrupt(m);
}

static const struct model_entry *context_of(struct model *m, uint16_t requester)
{
	struct model_entry root;

	if (m->context_is_known[requester])
		return &m->context[requester];
	if (!m->root_is_known[requester >> 8])
		m->root_entry[requester >> 8] = read_entry(m, m->root, requester >> 8);
	m->root_is_known[requester >> 8] = true;
	root = m->root_entry[requester >> 8];
	m->context[requester] = root.low & PRESENT ? read_entry(m, root.low, requester & 0xff) : (struct model_entry){ 0, 0 };
	m->context_is_known[requester] = true;
	return &m->context[requester];
}

/* The entry that maps `page` of a pool, and how much; 0: none. */
static uint64_t walk(struct model *m, const struct model_entry *context, uint64_t page, unsigned int *shift)
{
	unsigned int level = (unsigned int)(context->high & 7) + 2;
	uint64_t table = context->low, entry = 0;

	if (!(m->capability >> 8 & 1U << (level - 2)))
		off_track(m, "a depth of tables that it does not know");
	if (page >> (9 * level))
		return 0;
	for (; level > 0; level--) {
		*shift = 9 * (level - 1);
		entry = read_word(m, table, (uint32_t)(page >> *shift & 511));
		if (!(entry & (READ | WRITE)) || level == 1)
			return entry;
		if (entry & LARGE) {
			if (level > 3 || !(m->capability >> (34 + level - 2) & 1))
				off_track(m, "a page of a size that it does not know");
			return entry;
		}
		table = entry;
	}
	return entry;
}

static uint64_t page_entry(struct model *m, const struct model_entry *context, uint64_t page, unsigned int *shift)
{
	uint32_t pool = context->high >> 8 & 0xffff;
	struct model_page *known;
	uint64_t entry;

	for (known = m->page; known < m->page + ARRAY_SIZE(m->page); known++)
		if (known->is_used && known->pool == pool && known->page == page) {
			*shift = known->shift;
			return known->entry;
		}
	entry = walk(m, context, page, shift);
	m->page[m->page_next++ % ARRAY_SIZE(m->page)] = (struct model_page){ page, entry, pool, true, *shift };
	return entry;
}

bool model_dma(uint32_t unit, uint16_t requester, paddr_t address, bool is_write)
{
	struct model *m = &model[unit];
	const struct model_entry *context;
	unsigned int shift = 0;
	uint64_t entry;

	if (!(m->status & 1U << 31))
		return true;
	context = context_of(m, requester);
	if (!(context->low & PRESENT)) {
		record_fault(m, requester, 2, address & ADDRESS, !is_write);
		return false;
	}
	if (context->low >> 1 & 7)
		off_track(m, "a context that lets more through than tables say");
	if (!(context->high >> 8 & 0xffff) || (context->high >> 8 & 0xffff) >> (4 + 2 * (m->capability & 7)))
		off_track(m, "a pool's id that it does not know");
	entry = page_entry(m, context, address >> PAGE_SHIFT, &shift);
	if (entry & (is_write ? WRITE : READ)) {
		if ((entry & ADDRESS) >> (PAGE_SHIFT + shift) != address >> (PAGE_SHIFT + shift))
			off_track(m, "another address than was asked for");
		return true;
	}
	record_fault(m, requester, is_write ? 5 : 6, address & ADDRESS, !is_write);
	return false;
}

static int remap(struct model *m, uint16_t requester, uint32_t index)
{
	struct model_entry *entry = &m->interrupt[index & 255];

	if (index >= 2U << (m->table & 15)) {
		record_fault(m, requester, 0x21, (uint64_t)index << 48, false);
		return -1;
	}
	if (!m->interrupt_is_known[index & 255])
		*entry = read_entry(m, m->table, index);
	m->interrupt_is_known[index & 255] = true;
	if (!(entry->low & PRESENT) || ((entry->high >> 18 & 3) == 1 && (uint16_t)entry->high != requester)) {
		record_fault(m, requester, entry->low & PRESENT ? 0x26 : 0x22, (uint64_t)index << 48, false);
		return -1;
	}
	if ((entry->low & 0xfe) || (entry->high >> 16 & 3) || (entry->high >> 18 & 3) != 1)
		off_track(m, "an interrupt that is no edge of one function alone");
	return (int)(entry->low >> 16 & 0xff);
}

int model_message(uint32_t unit, uint16_t requester, uint64_t address, uint32_t data)
{
	struct model *m = &model[unit];

	if (!(m->status & 1U << 25))
		return (int)(data & 0xff);
	if (!(address & 1 << 4)) {
		if (m->status & 1U << 23)
			return (int)(data & 0xff);
		record_fault(m, requester, 0x25, 0, false);
		return -1;
	}
	if (data || (address & 1 << 3))
		off_track(m, "a message with more than an index");
	return remap(m, requester, (uint32_t)(address >> 5 & 0x7fff) | (uint32_t)(address >> 2 & 1) << 15);
}

int model_ioapic(uint32_t unit, uint16_t requester, uint32_t low, uint32_t high)
{
	return model_message(unit, requester,
			     0xfee00000U | (high >> 17) << 5 | (high >> 16 & 1) << 4 | (low >> 11 & 1) << 2,
			     high >> 16 & 1 ? 0 : low & 0xff);
}
