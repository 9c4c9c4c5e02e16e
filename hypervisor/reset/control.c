/* SPDX-License-Identifier: MIT */
/* Who is told what of a driver domain's death, and who begins a reset (reset/reset.h). */
#include "reset/reset.h"

#include "event/event.h"
#include "mem/update.h"

/* It may be somebody else's turn, and guests wait for what Domain-0 does now. */
void reset_tell_host(void)
{
	sched_vcpu_hurry(domain_zero->vcpu[0], HOST_BORROWS_US);
	event_send_vcpu_virq(domain_zero->vcpu[0], VIRQ_ARCH_7);
}

/*
 * The upper end of its stack. Above L1 its tables stand still (R2), so they are read without its lock, which whoever crashes it
 * may hold; a page that goes meanwhile is an old one, and nothing worse.
 */
static void note_stack(const struct vcpu *vcpu, struct skink_driver_info *info)
{
	uint64_t va = vcpu->regs.rsp & ~7UL;
	uint32_t words;

	for (info->stack_words = 0; info->stack_words < SKINK_DRIVER_STACK_WORDS; info->stack_words += words, va += words * 8) {
		const pte_t *at = entry_for((struct domain_locked){ vcpu->domain }, vcpu, va);
		pte_t entry = at ? read_once(at) : 0;

		if ((entry & (PTE_PRESENT | PTE_DEVICE)) != PTE_PRESENT)
			return;
		words = MIN(SKINK_DRIVER_STACK_WORDS - info->stack_words, (uint32_t)(PAGE_SIZE - va % PAGE_SIZE) / 8);
		memcpy(&info->stack[info->stack_words], (const char *)mfn_to_virt(pte_frame(entry)) + va % PAGE_SIZE, words * 8UL);
	}
}

/* What it died of. Registers of a vcpu that runs elsewhere are old (V1), and better than none. */
static void note(struct domain *domain, enum skink_driver_cause cause, const char *text)
{
	struct skink_driver_info *info = &domain->reset->info;
	const struct vcpu *vcpu = domain->vcpu[0];
	const struct cpu_user_regs *regs = &vcpu->regs;

	info->cause = cause;
	info->report_ns = time_now_ns();
	info->begin_ns = info->fence_ns = info->copy_ns = info->resume_ns = 0;
	info->frames_copied = info->entries_undone = info->grants_released = 0;
	info->rip = regs->rip;
	info->cs = regs->cs;
	info->rflags = regs->rflags;
	info->rsp = regs->rsp;
	info->ss = regs->ss;
	info->cr2 = read_once(&vcpu->info->arch.cr2);
	memcpy(info->general, regs, sizeof(info->general));
	(void)string_copy(info->text, text, sizeof(info->text));
	note_stack(vcpu, info);
}

static bool state_change(struct reset *reset, uint32_t from, uint32_t to) { return compare_and_swap(&reset->state, &from, to); }

/* R7. What it was armed for is used up, but for a reset that Dom0 asks for. False: it did not serve. */
static bool dies(struct domain *domain, enum skink_driver_state to, enum skink_driver_cause cause, const char *text)
{
	struct reset *reset = domain->reset;
	bool is_first;

	spin_lock(&reset->lock);
	is_first = state_change(reset, SKINK_DRIVER_SERVING, to);
	if (is_first)
		note(domain, cause, text);
	if (is_first && cause != SKINK_CAUSE_RESET)
		write_once(&reset->is_armed, false);
	spin_unlock(&reset->lock);
	return is_first;
}

bool reset_begins(struct domain *domain, enum skink_driver_cause cause, const char *text)
{
	struct reset *reset = domain->reset;

	if (!reset)
		return false;
	if (read_once(&reset->is_armed) && dies(domain, SKINK_DRIVER_RESETTING, cause, text)) {
		vcpu_add_work(domain->vcpu[0], VCPU_WORK_RESET);
		sched_vcpu_kick(domain->vcpu[0]);
		sched_vcpu_hurry(domain->vcpu[0], RESET_BORROWS_US);
		return true;
	}
	return read_once(&reset->state) == SKINK_DRIVER_RESETTING;	/* of one death one reset */
}

void reset_note_death(struct domain *domain, enum skink_driver_cause cause, const char *text)
{
	if (domain->reset)
		(void)dies(domain, SKINK_DRIVER_DEAD, cause, text);
}

/* ---- what Dom0 asks ---- */

static int is_ready(const struct domain *domain)
{
	return !domain->reset ? -ENODEV : read_once(&domain->reset->state) == SKINK_DRIVER_STARTING ? -EAGAIN : 0;
}

int reset_by_host(struct domain *domain)
{
	struct reset *reset = domain->reset;
	int error = domain == current_vcpu()->domain ? -EINVAL : is_ready(domain);

	if (error)
		return error;
	/* This call was continued, and the vcpu has done the rest itself. */
	if (reset->is_asked && read_once(&reset->state) == SKINK_DRIVER_SERVING) {
		reset->is_asked = false;
		return 0;
	}
	domain_pause(domain);
	if (!dies(domain, SKINK_DRIVER_RESETTING, SKINK_CAUSE_RESET, "reset by Domain-0"))
		(void)state_change(reset, SKINK_DRIVER_DEAD, SKINK_DRIVER_RESETTING);
	/* Should this be continued, the vcpu itself may go on with it meanwhile. */
	vcpu_add_work(domain->vcpu[0], VCPU_WORK_RESET);
	error = reset_step(domain);
	reset->is_asked = error == -ERESTART;
	domain_unpause(domain);
	return error;
}

/* With the lock, so that one that dies just now is not armed for its next death. */
int reset_arm(struct domain *domain, bool is_on)
{
	struct reset *reset = domain->reset;
	int error = is_ready(domain);

	if (error)
		return error;
	spin_lock(&reset->lock);
	error = is_on && read_once(&reset->state) != SKINK_DRIVER_SERVING ? -EBUSY : 0;
	if (!error)
		write_once(&reset->is_armed, is_on);
	spin_unlock(&reset->lock);
	return error;
}

int reset_tell(struct domain *domain, const struct skink_domctl_driver_info *wanted)
{
	struct reset *reset = domain->reset;
	struct skink_driver_info info;

	if (!reset)
		return -ENODEV;
	spin_lock(&reset->lock);		/* R7 */
	info = reset->info;
	info.state = read_once(&reset->state);
	info.is_armed = read_once(&reset->is_armed);
	spin_unlock(&reset->lock);
	return guest_write(wanted->address, &info, MIN(wanted->bytes, sizeof(info)));
}
