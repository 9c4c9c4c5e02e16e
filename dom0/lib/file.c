/* SPDX-License-Identifier: MIT */
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check(const struct stat *status, const char *file, size_t limit, enum build_blame blame,
		 struct build_error *error)
{
	if (!S_ISREG(status->st_mode))
		return build_refuse(error, blame, -EINVAL, "'%s' is no regular file: name a file", file);
	if (status->st_size == 0)
		return build_refuse(error, blame, -ENOEXEC, "'%s' is empty: copy it again", file);
	if ((uint64_t)status->st_size > limit)
		return build_refuse(error, blame, -EFBIG, "'%s' has %lu MiB, more than %zu: is it the right file?", file,
				    (uint64_t)status->st_size >> 20, limit >> 20);
	return 0;
}

int file_open(const char *file, size_t limit, enum build_blame blame, size_t *bytes, struct build_error *error)
{
	/* A FIFO must not keep us waiting. */
	int descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	int result;

	if (descriptor < 0 || fstat(descriptor, &status)) {
		result = -errno;
		build_refuse(error, blame, result, "'%s' cannot be opened: %s", file, strerror(-result));
	} else {
		result = check(&status, file, limit, blame, error);
	}
	if (!result) {
		*bytes = (size_t)status.st_size;
		return descriptor;
	}
	if (descriptor >= 0)
		close(descriptor);
	return result;
}

int file_read(int descriptor, void *to, size_t count, enum build_blame blame, struct build_error *error)
{
	for (size_t done = 0; done < count;) {
		ssize_t got = pread(descriptor, (char *)to + done, count - done, (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return build_refuse(error, blame, got ? -errno : -EIO, "it cannot be read: %s",
					    got ? strerror(errno) : "it became shorter meanwhile");
		done += (size_t)got;
	}
	return 0;
}

int file_read_all(const char *file, size_t limit, enum build_blame blame, struct bytes *bytes, struct build_error *error)
{
	size_t count;
	int descriptor = file_open(file, limit, blame, &count, error), result;

	if (descriptor < 0)
		return descriptor;
	*bytes = bytes_alloc(count);
	if (bytes->at)
		result = file_read(descriptor, bytes->at, count, blame, error);
	else
		result = build_refuse(error, BLAME_MACHINE, -ENOMEM, "Domain-0 has no %zu MiB for '%s'", (count >> 20) + 1, file);
	if (result)
		bytes_free(bytes);
	close(descriptor);
	return result;
}
