/* SPDX-License-Identifier: MIT */
/*
 * Tables whose last type reference has gone. Taking a tree apart may take long, so nothing does it at once: the table is
 * put on a list of the current vcpu, which takes one table apart at each step before it enters its guest again, and can be
 * preempted between steps. The tables below become deferred in their turn, so nothing recurses.
 *
 * While it is deferred a frame keeps a general reference, and frame->flushed links the list.
 */
#pragma once

/* FRAME_DEFERRED is set in its type. Owner's lock held, or nobody else knows it. */
void deferred_add(struct frame *frame);

/* A partial one that is wanted as something else. It brings the reference that it kept. */
void deferred_add_partial(struct frame *frame);

/* The list of a vcpu that will not run again becomes the current vcpu's work, when that has none: ask again until it has none. */
void deferred_adopt(struct vcpu *from);

/* One table of the vcpu's list. No lock held; the vcpu is current. */
void deferred_step(struct vcpu *vcpu);
