/* SPDX-License-Identifier: MIT */
#include "skinkd/kernels.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/build.h"
#include "skinkd/host.h"

#define NICEST	19

/* Threads of their own, not the work queue's: they wait for the CPU behind everybody else. */
struct keeping {
	uv_thread_t thread;
	struct kernel kernel;
	char folder[CONF_TEXT + 16];
	char files[CONF_TEXT];		/* to prepare; "" : keep the kernel */
	uint64_t limit_kib;
};

const char *kernels_folder(void)
{
	static char folder[CONF_TEXT + 16];

	if (!host.conf.kernel_cache_kib)
		return NULL;
	snprintf(folder, sizeof(folder), "%s/kernels", host.conf.state_dir);
	return folder;
}

static void keep(const struct keeping *keeping, struct kernel *kernel)
{
	int result = kernel->is_new ? cache_keep(keeping->folder, &kernel->key, &kernel->elf, keeping->limit_kib) : 0;

	if (result)
		say("%s: a kernel is not kept unpacked: %s", keeping->folder, strerror(-result));
	bytes_free(&kernel->elf);
}

static void prepare(struct keeping *keeping)
{
	struct build_error error;
	struct kernel kernel;
	glob_t files = { 0 };
	char *rest = NULL;

	for (char *word = strtok_r(keeping->files, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		glob(word, files.gl_pathv ? GLOB_APPEND : 0, NULL, &files);
	for (size_t i = 0; i < files.gl_pathc; i++)
		if (!kernel_load(files.gl_pathv[i], keeping->folder, &kernel, &error))
			keep(keeping, &kernel);
	globfree(&files);
}

static void run(void *context)
{
	struct keeping *keeping = context;

	setpriority(PRIO_PROCESS, (id_t)gettid(), NICEST);
	if (*keeping->files)
		prepare(keeping);
	else
		keep(keeping, &keeping->kernel);
	free(keeping);
}

static void start(struct keeping *keeping)
{
	keeping->limit_kib = host.conf.kernel_cache_kib;
	snprintf(keeping->folder, sizeof(keeping->folder), "%s", kernels_folder());
	if (uv_thread_create(&keeping->thread, run, keeping)) {
		bytes_free(&keeping->kernel.elf);
		free(keeping);
	}
}

void kernels_keep(struct kernel *kernel)
{
	struct keeping *keeping;

	if (!kernel->elf.at || !kernel->is_new || !kernels_folder()) {
		bytes_free(&kernel->elf);
		return;
	}
	keeping = need_memory(calloc(1, sizeof(*keeping)));
	keeping->kernel = *kernel;
	start(keeping);
}

void kernels_prepare(void)
{
	struct keeping *keeping;

	if (!kernels_folder() || !*host.conf.prepare_kernels)
		return;
	keeping = need_memory(calloc(1, sizeof(*keeping)));
	snprintf(keeping->files, sizeof(keeping->files), "%s", host.conf.prepare_kernels);
	start(keeping);
}
