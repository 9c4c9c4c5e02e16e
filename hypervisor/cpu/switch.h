/* SPDX-License-Identifier: MIT */
/* One CPU from one vcpu to another: what sched/ does not see. context_switch() is declared in sched/sched.h. */
#pragma once

struct vcpu;

/* What the current vcpu has in ds, es, fs and gs goes into its regs. */
void switch_note_selectors(struct vcpu *vcpu);

/* The current vcpu's descriptor tables have changed: this CPU sees the new ones. */
void switch_reload_gdt(struct vcpu *vcpu);
void switch_reload_ldt(struct vcpu *vcpu);
