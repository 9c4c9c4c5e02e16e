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

/* The body may remove `item`, and nothing else. */
#define list_each(item, after, head, member)						\
	for (item = container_of((head)->next, __typeof__(*item), member),		\
	     after = container_of(item->member.next, __typeof__(*item), member);	\
	     &item->member != (head);							\
	     item = after, after = container_of(item->member.next, __typeof__(*item), member))
