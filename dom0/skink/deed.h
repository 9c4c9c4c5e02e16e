/* SPDX-License-Identifier: MIT */
/*
 * A deed: one request for one domain, and how it is told. What is done to several domains is the same deed for each:
 * to those that were named one after the other, to --all at once.
 */
#pragma once

#include <jansson.h>

#include "verb.h"

struct deed {
	const struct invocation *invocation;
	const char *method;
	const char *domain;
	const char *meanwhile;		/* what becomes of it when the person presses Ctrl-C */
	json_t *more;			/* further parameters; NULL: none */
	bool may_wait;			/* the method knows `wait` */
	bool knows_timeout;		/* the method knows `timeout` */
	bool for_guests;		/* --all leaves driver domains out */
	double timeout;			/* 0: it answers at once */
};

/* How skink ends. Takes deed->more. */
int deed_do(const struct deed *deed, json_t **result) __attribute__((warn_unused_result));

/* What has come of it; takes the result. */
typedef void deed_told(const struct invocation *invocation, const char *domain, json_t *result);

/* Likewise takes deed->more. The deed, of which no domain is named yet, for each domain that the invocation means; the first failure is how skink ends. */
int deed_each(const struct deed *deed, deed_told *told) __attribute__((warn_unused_result));

/* The fact as JSON, or a line that says it; takes the result. */
void deed_tell(const struct invocation *invocation, const char *domain, json_t *result, const char *text);
