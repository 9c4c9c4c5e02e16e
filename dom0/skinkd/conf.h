/* SPDX-License-Identifier: MIT */
/* /etc/skink/skinkd.conf: lines `key = value`, as skinkd.conf(5) has them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_FILE	"/etc/skink/skinkd.conf"
#define CONF_TEXT	256

struct conf {
	char socket[108];		/* as long as a Unix socket's name may be */
	char socket_group[64];		/* may look; "" : root alone */
	char metrics_socket[108];	/* "": none */
	char metrics_address[64];
	uint64_t metrics_port;		/* TCP; 0: none */
	char state_dir[CONF_TEXT];
	char log_dir[CONF_TEXT];
	char console_dir[CONF_TEXT];	/* where xenconsoled logs to */
	char domains_dir[CONF_TEXT];
	char system_dir[CONF_TEXT];
	char own_devices[CONF_TEXT];	/* the file of Domain-0's own devices */
	char prepare_kernels[CONF_TEXT];	/* files, as the shell names them: unpacked when skinkd starts; "": none */
	uint64_t kernel_cache_kib;	/* of kernels that are kept unpacked; 0: none */
	uint64_t cores_kib_max;		/* of all core files together */
	uint64_t memory_reserve_kib;	/* of the machine, that no domain is given */
	uint64_t events_kept;
	uint64_t post_mortems_kept;	/* files; 0: none is made */
	uint64_t shutdown_timeout_s;	/* how long the host waits for its guests: told to whoever shuts all down */
	uint64_t quick_death_s;		/* a domain that ends sooner, five times in a row, is not started again */
};

void conf_defaults(struct conf *conf);

/* A file that is not there leaves the defaults, if `may_be_absent`. False: said on standard error what is wrong. */
bool conf_read(struct conf *conf, const char *file, bool may_be_absent);
