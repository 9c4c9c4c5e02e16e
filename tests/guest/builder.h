/* SPDX-License-Identifier: MIT */
/*
 * A second domain, built by this one as Domain-0: domctl, foreign mappings, a kernel on the runtime. Its kernel is the
 * second module (MODULE: in a test's head), so that parent and child can be one source.
 *
 * Parent and child have a page (the child's store page) and a channel (its store channel) in common, on which the
 * parent calls: child_call() waits for what child_serve() answers.
 */
#ifndef GUEST_BUILDER_H
#define GUEST_BUILDER_H

#include "runtime/xen.h"

#include <xen/domctl.h>
#include <xen/sysctl.h>

#define CHILD_PAGES 1024UL

struct mailbox {
	volatile uint32_t is_asked;     /* the parent sets it, the child clears it with the answer */
	uint32_t what;
	uint64_t argument[4];
	int64_t answer;
	uint64_t died_ns;               /* the child's last word, before it dies as it was asked to */
};

struct child {
	domid_t id;
	unsigned long mfn[CHILD_PAGES];
	unsigned long shared_info_mfn;
	unsigned long store_pfn, console_pfn, table_pfn, table_count;
	evtchn_port_t port, child_port;
	struct mailbox *mailbox;
};

/* `domctl` of `command` on `id` with the union that *op has; 0 or the hypervisor's error. */
long domctl(uint32_t command, domid_t id, struct xen_domctl *op);
long domctl_plain(uint32_t command, domid_t id);
long sysctl(uint32_t command, struct xen_sysctl *op);
unsigned long frames_free(void);

/* Each 0 or the hypervisor's error. child_start() is all of the four before it. */
long child_create(struct child *child);                 /* a domain and its frames */
long child_create_empty(struct child *child);           /* and no frames */
long child_load(struct child *child);                   /* what stands in them */
long child_set_context(struct child *child);
long child_connect(struct child *child);                /* the channel, and the mailbox at `at` */
long child_start(struct child *child);
void child_disconnect(struct child *child);
long child_destroy(struct child *child);

/* A frame of another domain at an address of ours; entry 0 ends it. */
long others_map(domid_t owner, uint64_t address, uint64_t entry);

void child_ask(struct child *child, uint32_t what, uint64_t first, uint64_t second);
int64_t child_wait(struct child *child);                /* -ETIME after 20 seconds */
int64_t child_call(struct child *child, uint32_t what, uint64_t first, uint64_t second);
void child_print_console(const struct child *child);    /* what it said, each line as a # line */

/* The child's side: answers until the domain ends. */
void child_serve(int64_t (*answer)(uint32_t what, const uint64_t *argument)) __attribute__((noreturn));

#endif
