/* SPDX-License-Identifier: MIT */
/*
 * Message-signalled interrupts: which entry of which function raises which pirq. Addresses, data and masks are written here
 * and nowhere else.
 * Q6  What a pirq's entry sends is the pirq's own vector; every other entry of an owned function is masked.
 */
#include "pci/function.h"

#include "cpu/irq.h"
#include "event/event.h"
#include "iommu/iommu.h"

#define CONTROL			2	/* of either capability */
#define MSI_ENABLE		0x0001u
#define MSI_COUNT		0x0070u	/* one message */
#define MSI_64			0x0080u
#define MSI_MASKABLE		0x0100u
#define MSI_PLACE		4
#define MSIX_ENABLE		0x8000u
#define MSIX_MASK_ALL		0x4000u
enum msix_entry { ENTRY_ADDRESS, ENTRY_ADDRESS_HIGH, ENTRY_DATA, ENTRY_CONTROL, ENTRY_WORDS };
#define ENTRY_MASKED		1u

#define PIRQS_OF_DOMAIN_MAX	64

/* More than this of one function is no work but an attack, or a device that is broken. */
#define STORM_PERIOD_NS		(10 * NSEC_PER_MSEC)
#define STORM_LIMIT		2000

/* By pirq; pci_lock. */
static struct msi {
	struct pci_function *function;	/* NULL: not an MSI */
	uint32_t entry;
	bool is_masked;			/* for a storm's sake */
} msis[PIRQ_COUNT];

static void storm_over(void *data);
static struct timer storm_timer = { .handler = storm_over };

/* ---- registers ---- */

static void control_set(const struct pci_function *function, uint32_t capability, uint32_t clear, uint32_t set)
{
	uint32_t control = function_read(function, capability + CONTROL, 2);

	function_write(function, capability + CONTROL, 2, (control & ~clear) | set);
}

static void entry_mask(const struct pci_function *function, uint32_t entry, bool is_masked)
{
	volatile uint32_t *control = &function->msix_table[entry * ENTRY_WORDS + ENTRY_CONTROL];

	*control = is_masked ? *control | ENTRY_MASKED : *control & ~ENTRY_MASKED;
	(void)*control;		/* what it has sent is here before the answer */
}

/* MSI-X is masked, not off: QEMU's e1000e stops the whole machine if a throttled interrupt finds it off. */
void pci_msi_disable(const struct pci_function *function)
{
	if (function->msi)
		control_set(function, function->msi, MSI_ENABLE | MSI_COUNT, 0);
	if (function->msix)
		control_set(function, function->msix, 0, MSIX_MASK_ALL);
}

void pci_msi_prepare(const struct pci_function *function)
{
	pci_msi_disable(function);
	for (uint32_t entry = 0; entry < function->msix_count; entry++)
		entry_mask(function, entry, true);
}

static void msix_program(const struct pci_function *function, uint32_t entry, uint64_t address, uint32_t data)
{
	volatile uint32_t *words = &function->msix_table[entry * ENTRY_WORDS];

	words[ENTRY_ADDRESS] = (uint32_t)address;
	words[ENTRY_ADDRESS_HIGH] = (uint32_t)(address >> 32);
	words[ENTRY_DATA] = data;
	control_set(function, function->msix, MSIX_MASK_ALL, MSIX_ENABLE);
	entry_mask(function, entry, false);
}

static void msi_program(const struct pci_function *function, uint64_t address, uint32_t data)
{
	uint32_t at = function->msi, control = function_read(function, at + CONTROL, 2);

	function_write(function, at + MSI_PLACE, 4, (uint32_t)address);
	if (control & MSI_64)
		function_write(function, at + MSI_PLACE + 4, 4, (uint32_t)(address >> 32));
	function_write(function, at + (control & MSI_64 ? 0x0c : 0x08), 2, data);
	if (control & MSI_MASKABLE)
		function_write(function, at + (control & MSI_64 ? 0x10 : 0x0c), 4, 0);
	control_set(function, at, MSI_COUNT, MSI_ENABLE);
}

static void msi_mask(const struct msi *msi, bool is_masked)
{
	const struct pci_function *function = msi->function;

	if (function->uses_msix)
		entry_mask(function, msi->entry, is_masked);
	else
		control_set(function, function->msi, MSI_ENABLE, is_masked ? 0 : MSI_ENABLE);
}

/* ---- pirqs ---- */

/* An error, or 0: the function is the domain's, and the entry can be had. */
static int check(const struct domain *domain, const struct pci_function *function, uint32_t entry, bool is_msix)
{
	uint32_t of_domain = 0;

	if (!function || function->owner != domain || function->is_stopped)
		return -ENODEV;
	if (entry >= (is_msix ? function->msix_count : function->msi ? 1 : 0))
		return -EINVAL;
	if (function->msis && function->uses_msix != is_msix)
		return -EBUSY;
	for (uint32_t pirq = 0; pirq < PIRQ_COUNT; pirq++) {
		if (msis[pirq].function == function && msis[pirq].entry == entry)
			return -EEXIST;
		of_domain += msis[pirq].function && msis[pirq].function->owner == domain;
	}
	return of_domain < PIRQS_OF_DOMAIN_MAX ? 0 : -ENOSPC;
}

static void msi_forget(uint32_t pirq)
{
	msis[pirq].function->msis--;
	msis[pirq].function = NULL;
}

static int map_locked(struct domain *domain, struct pci_function *function, uint32_t entry, bool is_msix, uint32_t *pirq)
{
	int error = check(domain, function, entry, is_msix);
	uint64_t address = 0;
	uint32_t data = 0;

	if (!error)
		error = pirq_create(domain, pirq, &address, &data);
	if (error)
		return error;
	msis[*pirq] = (struct msi){ .function = function, .entry = entry };
	function->msis++;
	function->uses_msix = is_msix;
	error = iommu_msi_map(function->sbdf, *pirq, &address, &data);
	if (error) {
		/* If its owner has guessed the number and bound it, it stays until the function goes. */
		if (pirq_destroy(*pirq) == 0)
			msi_forget(*pirq);
		return error;
	}
	if (is_msix)
		msix_program(function, entry, address, data);
	else
		msi_program(function, address, data);
	return 0;
}

int pci_msi_map(struct domain *domain, uint32_t sbdf, uint32_t entry, bool is_msix, uint32_t *pirq)
{
	int error;

	spin_lock(&pci_lock);
	error = map_locked(domain, pci_find(sbdf), entry, is_msix, pirq);
	spin_unlock(&pci_lock);
	return error;
}

static void msi_end(uint32_t pirq)
{
	struct pci_function *function = msis[pirq].function;

	/* The entry is silent before its vector can be another's. */
	msi_mask(&msis[pirq], true);
	iommu_msi_unmap(function->sbdf, pirq);
	msi_forget(pirq);
}

int pci_msi_unmap(struct domain *domain, uint32_t pirq)
{
	int error = -EINVAL;

	spin_lock(&pci_lock);
	if (pirq < PIRQ_COUNT && msis[pirq].function && msis[pirq].function->owner == domain) {
		error = pirq_destroy(pirq);
		if (!error)
			msi_end(pirq);
	}
	spin_unlock(&pci_lock);
	return error;
}

void pci_msi_free(struct pci_function *function)
{
	for (uint32_t pirq = 0; pirq < PIRQ_COUNT; pirq++)
		if (msis[pirq].function == function) {
			ASSERT(pirq_destroy(pirq) == 0, "Q1: its owner's channels are closed");
			iommu_msi_unmap(function->sbdf, pirq);
			msi_forget(pirq);
		}
}

/* ---- storms ---- */

/* What came while it was masked is told of once more: not each device remembers it. */
static void storm_over(void *data)
{
	for (uint32_t pirq = 0; pirq < PIRQ_COUNT; pirq++) {
		bool was_masked;

		spin_lock(&pci_lock);
		was_masked = msis[pirq].function && msis[pirq].is_masked;
		if (was_masked && !msis[pirq].function->is_stopped)
			msi_mask(&msis[pirq], false);
		msis[pirq].is_masked = false;
		spin_unlock(&pci_lock);
		if (was_masked)
			event_send_pirq(pirq);
	}
}

static void storm_begins(uint32_t pirq)
{
	struct msi *msi = &msis[pirq];

	spin_lock(&pci_lock);
	if (msi->function && !msi->function->is_stopped && !msi->is_masked) {
		msi_mask(msi, true);
		msi->is_masked = true;
		if (msi->function->storms++ == 0)
			log_warning("pci: %x:%x.%u interrupts too often: masked for a while, and told of once\n",
				    msi->function->sbdf >> 8, msi->function->sbdf >> 3 & 31, msi->function->sbdf & 7);
	}
	spin_unlock(&pci_lock);
}

/* The clock is read once in so many interrupts. */
void pci_msi_arrived(uint32_t pirq)
{
	struct pci_function *function = read_once(&msis[pirq].function);
	uint64_t now;

	if (!function || ++function->period_count <= STORM_LIMIT)
		return;
	now = time_now_ns();
	if (now - function->period_start_ns >= STORM_PERIOD_NS) {
		function->period_start_ns = now;
		function->period_count = 0;
		return;
	}
	storm_begins(pirq);
	/* Not put off by the next function that does the same. */
	if (!timer_is_set(&storm_timer))
		timer_set(&storm_timer, function->period_start_ns + STORM_PERIOD_NS);
}
