/* SPDX-License-Identifier: MIT */
#include "skinkd/kernels.h"

#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/build.h"
#include "skinkd/host.h"

#define NICEST		19
#define KEEP_AFTER_S	5	/* the guest that has just been made is starting, and Dom0 may go before it */

/* Threads of their own, not the work queue's: they wait for the CPU behind everybody else. */
struct keeping {
	struct kernel kernel;
	char folder[CONF_TEXT + 16];
	bool is_preparation;		/* there is no kernel */
	uint64_t limit_kib;
};

const char *kernels_folder(void)
{
	static char folder[CONF_TEXT + 16];

	if (!host.conf.kernel_cache_kib)
		return NULL;
	if (!*folder)
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

static void find_files(glob_t *files)
{
	char names[CONF_TEXT], *rest = NULL;

	snprintf(names, sizeof(names), "%s", host.conf.prepare_kernels);
	for (char *word = strtok_r(names, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		glob(word, files->gl_pathv ? GLOB_APPEND : 0, NULL, files);
}

bool kernels_prepare(void)
{
	struct build_error error;
	struct cache_key *keys;
	glob_t files = { 0 };
	size_t count = 0;
	bool good = true;
	int lock;

	if (!kernels_folder())
		return true;
	lock = cache_lock(kernels_folder());
	if (lock < 0) {
		say("%s: no kernel is unpacked ahead of its use: %s", kernels_folder(), strerror(-lock));
		return false;
	}
	find_files(&files);
	keys = need_memory(calloc(files.gl_pathc + 1, sizeof(*keys)));
	for (size_t i = 0; i < files.gl_pathc; i++) {
		int result = kernel_prepare(files.gl_pathv[i], kernels_folder(), &keys[count], &error);

		if (result < 0)
			say("%s: it is not unpacked ahead of its use: %s", files.gl_pathv[i], error.text);
		good = good && result >= 0;
		count += result == 0;
	}
	cache_forget_others(kernels_folder(), keys, count);
	close(lock);
	free(keys);
	globfree(&files);
	return good;
}

static void *run(void *context)
{
	struct keeping *keeping = context;

	setpriority(PRIO_PROCESS, (id_t)gettid(), NICEST);
	if (keeping->is_preparation) {
		kernels_prepare();
	} else {
		sleep(KEEP_AFTER_S);
		keep(keeping, &keeping->kernel);
	}
	free(keeping);
	return NULL;
}

static void start(struct keeping *keeping)
{
	pthread_t thread;

	keeping->limit_kib = host.conf.kernel_cache_kib;
	snprintf(keeping->folder, sizeof(keeping->folder), "%s", kernels_folder());
	if (pthread_create(&thread, NULL, run, keeping)) {
		bytes_free(&keeping->kernel.elf);
		free(keeping);
		return;
	}
	pthread_detach(thread);		/* nobody joins it: its stack goes with it */
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

void kernels_prepare_in_background(void)
{
	struct keeping *keeping;

	if (!kernels_folder())
		return;
	keeping = need_memory(calloc(1, sizeof(*keeping)));
	keeping->is_preparation = true;
	start(keeping);
}
