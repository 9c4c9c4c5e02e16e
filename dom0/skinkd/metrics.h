/* SPDX-License-Identifier: MIT */
/*
 * Metrics: what skinkd knows, as OpenMetrics text over HTTP, at a local socket, and by TCP where skinkd.conf says so.
 * ME1  Whoever asks changes nothing, and who reads slowly or sends nonsense costs a bounded amount of memory and nobody's time.
 * ME2  What is asked for is put together when it is asked for: nothing runs for nobody.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* False: said why not; skinkd goes on without. */
bool metrics_open(void);
void metrics_close(void);

/* All of it. */
void metrics_write(FILE *to);

/* A driver's successor has taken over: seconds since the core's report. */
void metrics_recovered(const char *driver, double seconds);
