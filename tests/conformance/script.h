/* SPDX-License-Identifier: MIT */
/*
 * What the scripts for both roles stand on: the store's side of a device, rings, and the end of a walk.
 * C1  A MUST is named when it is seen to be broken. What follows from that is not judged: the walk ends.
 * C2  Nothing but the front-end's own doing is held against it: each wish and each answer here keeps to the same rules.
 */
#ifndef CONFORMANCE_SCRIPT_H
#define CONFORMANCE_SCRIPT_H

#include "../../protocols/ring.h"
#include "decode.h"
#include "rules.h"
#include "world.h"

#define SLOT_MAX	112u
#define SLOTS_MAX	512u

struct script {
	enum role role;
	unsigned int pass;		/* 1: all rules; 2: a back-end that offers next to nothing, a read-only disk of large sectors */
	unsigned int front_id;
	char front[128], back[128];	/* directories in the store */
	unsigned int begin_ms;		/* until a kernel has booted and its front-end speaks */
	unsigned int limit_ms;		/* until it does what comes next */
	unsigned int silence_ms;	/* of RST-7 */
	enum rule blame;		/* that the front-end should go on now: what is broken if it does not */
	bool closing;			/* the back-end is */
	unsigned int state;		/* the front-end's, as last seen */
};
extern struct script script;

/* One ring as the back-end has it. */
struct wire {
	const char *name;
	struct ring_back ring;
	void *pages;
	unsigned int page_count;
	int event;
	uint32_t rsp_event;			/* as it was before the last event */
	bool moved;				/* rsp_event since then, when the front-end seemed dead */
	uint8_t copy[SLOTS_MAX][SLOT_MAX];	/* each request as it was taken, by slot */
	decode_slot *decode_request, *decode_response;
};

/* Runs walk() to its end, or until a MUST is broken: false. */
bool script_run(void (*walk)(void));

/* ---------------------------------------------------------------- the store */

uint64_t key_number(const char *key, bool *there);		/* of the front-end; BUS-5 */
bool key_is(const char *key, const char *text);
bool key_is_there(const char *key);
void back_write(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));
void back_switch(unsigned int state);

/* Looks at the front-end's state: BUS-1, and who closes without being asked. */
void front_watch(void);
/* From Initialising to the keys of its rings: BUS-1, BUS-2. False: a second device, which is not taken up. */
bool front_begin(void);
/* BUS-4: the keys that were read are what they were. */
void front_keys_check(void);
/* BUS-10: the back-end's directory has what back_write() wrote, and nothing else. */
void back_keys_check(void);
/* BUS-9. What is asked meanwhile is answered by serve(). */
void front_close(void (*serve)(void));

/* ---------------------------------------------------------------- rings */

/* Maps what the keys name, under `directory`: "ring-ref", or "ring-ref0" and so on. BUS-3, BUS-7, BUS-30. */
void wire_map(struct wire *wire, const char *name, const char *key, unsigned int pages, size_t slot_size);
int wire_bind(const char *key);					/* BUS-8 */
void wire_unmap(struct wire *wire);

int wire_look(struct wire *wire);				/* BUS-31 */
/* Asks to be woken, and waits. How many requests there are. BUS-33. */
int wire_wait(struct wire *wire, unsigned int ms);
void wire_take(struct wire *wire, void *request, size_t size);	/* of those that there are */
void wire_answer(struct wire *wire, const void *response, size_t size);	/* RST-1; not published */
void wire_push(struct wire *wire);
void wire_dump(FILE *to, const struct wire *wire);

/* The front-end has done nothing for so long: names the rule, and stops. If it never did anything, no rule is: the kernel does not use it. */
void wire_is_dead(struct wire *wire, const char *expected) __attribute__((noreturn));
void wire_check_asked(struct wire *wire);			/* BUS-35, with requests unanswered and the front-end idle */
/* Just after responses were published: BUS-36, once the front-end has had time. */
void wire_check_fetched(struct wire *wire);

#endif
