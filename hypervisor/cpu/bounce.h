/* SPDX-License-Identifier: MIT */
/*
 * Bounce frames: what the core leaves on the stack of a guest's kernel to make it run a handler, as a CPU would for an
 * interrupt: from the lowest address rcx, r11, the error code if there is one, rip, cs with the saved event mask in
 * bits 32 to 39, rflags with IF for "events are not masked", rsp, ss.
 */
#pragma once

#include "include/types.h"

struct vcpu;

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
