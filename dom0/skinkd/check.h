/* SPDX-License-Identifier: MIT */
/* What a manifest asks of this host: is the name free, is there so much memory, is there a driver for its disks? */
#pragma once

#include "lib/build.h"
#include "lib/manifest.h"
#include "skinkd/domain.h"

/* Manifests that are applied together: one may need what another makes. */
struct check_set {
	struct manifest *const *manifests;
	size_t count;
};

/* instead_of: the record that it would take the place of, or NULL; set may be NULL. Complaints go into the report. */
void check_host(const struct manifest *manifest, const struct domain *instead_of, const struct check_set *set,
		struct report *report);

/* Is there a driver domain for each of its disks and interfaces? */
void check_served(const struct manifest *manifest, const struct check_set *set, struct report *report);

/* The kernel and initrd are read and judged: slow. Complaints as above. */
int check_files(const struct manifest *manifest, struct build_error *error);

/* Of the machine, without what is kept back; free now and in all. */
void memory_free(uint64_t *free_kib, uint64_t *all_kib);

/* The report's lines; errors and warnings. */
json_t *report_lines(const struct report *report, enum severity severity);
