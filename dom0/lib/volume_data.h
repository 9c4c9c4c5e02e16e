/* SPDX-License-Identifier: MIT */
/* What is in a volume: its sectors, on the device that it is on. */
#pragma once

#include "lib/volume.h"

/* Zeros from the volume's sector `from` to its end. 0 or -errno. */
int volume_wipe(const char *device, const struct volume *volume, uint64_t from);

/* How large a volume an image needs; refused is what is no raw image. */
int volume_image_size(const char *file, uint64_t *bytes, char why[VOLUME_WHY]);

/* From the image into the volume, all of which is zero; from the volume into a new file, with holes where there are zeros. */
int volume_fill(const char *device, const struct volume *volume, const char *file, char why[VOLUME_WHY]);
/* From the device `source` into the volume, all of which is zero and no smaller. 0 or -errno. */
int volume_gather(const char *device, const struct volume *volume, const char *source, const struct volume *original);
int volume_copy(const char *device, const struct volume *volume, const char *file, char why[VOLUME_WHY]);
