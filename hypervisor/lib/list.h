/* SPDX-License-Identifier: MIT */
/* A doubly linked ring; the head is a link like the others. The caller locks. */
#pragma once

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *list) { list->next = list->prev = list; }

static inline bool list_is_empty(const struct list *list) { return list->next == list; }

/* Puts `link` before `place`: with the head as place, at the end. */
static inline void list_insert_before(struct list *link, struct list *place)
{
	link->next = place;
	link->prev = place->prev;
	place->prev->next = link;
	place->prev = link;
}

/* Takes the link out; taking it out again does no harm. */
static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

#define list_first(head, type, member) container_of((head)->next, type, member)

/* The body may remove `item`, and nothing else. The head is in no item: there is none to be looked at behind it. */
#define list_each(item, head, member)								\
	for (struct list *at_ = (head)->next, *after_ = at_->next;				\
	     at_ != (head) && ((item) = container_of(at_, __typeof__(*(item)), member));	\
	     at_ = after_, after_ = at_->next)
