/* SPDX-License-Identifier: MIT */
/* Exceptions: what a guest's own handler gets, and what is the core's to mend. */
#pragma once

enum trap_vector {
	TRAP_DEBUG = 1, TRAP_NMI = 2, TRAP_BREAKPOINT = 3, TRAP_OVERFLOW = 4, TRAP_INVALID_OPCODE = 6, TRAP_NO_DEVICE = 7,
	TRAP_DOUBLE_FAULT = 8, TRAP_INVALID_TSS = 10, TRAP_NO_SEGMENT = 11, TRAP_STACK = 12, TRAP_PROTECTION = 13,
	TRAP_PAGE_FAULT = 14, TRAP_ALIGNMENT = 17, TRAP_MACHINE_CHECK = 18,
};

/*
 * Makes the current vcpu take exception `vector` at its present registers: its kernel's handler will run next, or
 * the domain is crashed if it has none or its stack cannot be written. At most one for each entry to the core.
 */
void trap_inject(struct vcpu *vcpu, enum trap_vector vector);		/* one without an error code */

/* Registers of a guest, to the console. */
void trap_show_guest(struct vcpu *vcpu);

/*
 * Bounce frames: what the core leaves on the stack of a guest's kernel to make it run a handler, as a CPU would for an
 * interrupt: from the lowest address rcx, r11, the error code if there is one, rip, cs with the saved event mask in
 * bits 32 to 39, rflags with IF for "events are not masked", rsp, ss.
 */
struct bounce {
	uint64_t target;		/* the handler */
	uint16_t code_selector;		/* 0: the flat 64-bit one */
	bool masks_events;
	bool has_error;
	uint32_t error_code;
	bool has_segments;		/* the failsafe callback: ds, es, fs and gs behind r11 */
};

/* Makes the current vcpu go on at the handler, in its kernel mode. If its stack cannot be written it is crashed. */
void bounce_to_guest(struct vcpu *vcpu, const struct bounce *bounce);

/* The same for the callback CALLBACKTYPE_`type`; false if the guest has none. */
bool bounce_to_callback(struct vcpu *vcpu, uint32_t type);

/* Between the guest's user and kernel mode: page tables and gs. */
void mode_toggle(struct vcpu *vcpu);
