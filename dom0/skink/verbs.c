/* SPDX-License-Identifier: MIT */
/* The table of verbs. */
#include "verbs.h"

#include <stdlib.h>
#include <string.h>

#include "message.h"

#define FACTS	 (TAKES(SOCKET) | TAKES(JSON))
#define WAITS	 (TAKES(TIMEOUT) | TAKES(NO_WAIT) | TAKES(WAIT))
#define MANY	 100000

#define DOMAIN_DOC "DOMAIN is a name, an id or a UUID; a name wins over an id."
#define CTRL_C_DOC "Ctrl-C only ends the waiting: skinkd goes on."

const struct verb verbs[] = {
	{"create", "Domains", "MANIFEST", 1, 1, OPERAND_FILE,
	 FACTS | TAKES(CONSOLE) | TAKES(ESCAPE) | TAKES(PAUSED) | TAKES(TIMEOUT) | TAKES(NO_WAIT), verb_create,
	 "Build the domain that a manifest describes, and let it run",
	 "MANIFEST is a file, or - for standard input. A name without a slash that is no file here is looked for in "
	 "/etc/skink/domains/. Ctrl-C only ends the waiting: skinkd goes on, and 'skink destroy' takes it back."},
	{"destroy", "Domains", "DOMAIN...", 1, MANY, OPERAND_DOMAIN, FACTS | TAKES(ALL) | TAKES(FORCE), verb_destroy,
	 "End domains at once, as by pulling the plug",
	 "What the guest has not written to its disk is lost. Its on_poweroff and on_crash are not obeyed: it stays "
	 "gone. A driver domain that serves others needs --force; --all includes it. " DOMAIN_DOC " Domain-0 is never destroyed."},
	{"shutdown", "Domains", "DOMAIN...", 1, MANY, OPERAND_DOMAIN, FACTS | WAITS | TAKES(ALL) | TAKES(FORCE) | TAKES(FOR_GOOD), verb_shutdown,
	 "Ask guests to shut down, and wait until they have",
	 "What then becomes of the domain is on_poweroff in its manifest; with --for-good none is started again. With --all, all are asked at once, and waited for "
	 "as long as skinkd.conf says (shutdown_timeout_s) unless --timeout does. A driver domain has nothing to write back: it ends at once, with --force if it serves others; "
	 "--all leaves it to 'skink destroy --all'. " DOMAIN_DOC " " CTRL_C_DOC},
	{"reboot", "Domains", "DOMAIN...", 1, MANY, OPERAND_DOMAIN, FACTS | WAITS | TAKES(ALL), verb_reboot,
	 "Ask guests to reboot, and wait until they run again",
	 "A domain that has rebooted has another id, the same name and the same UUID. " CTRL_C_DOC},
	{"restart", "Domains", "DRIVER...", 1, MANY, OPERAND_DOMAIN, FACTS | TAKES(TIMEOUT) | TAKES(ALL_DRIVERS) | TAKES(DUMP_CORE), verb_restart,
	 "Reset driver domains in place, under load too",
	 "The guests that a driver domain serves do not notice: it goes back to where it was ready, and takes over their rings. It answers when they "
	 "are served again. It does not count against the limit of its manifest's <skink:restart>. One that is held, closed or dead is let go. A guest is 'skink reboot'ed."},
	{"release", "Domains", "DRIVER...", 1, MANY, OPERAND_DOMAIN, FACTS | TAKES(TIMEOUT), verb_release,
	 "Let a driver domain go that died too often, or stays dead; or a disk that it has set aside",
	 "'skink list' shows which are held, closed or dead, 'skink events' why. What it did before no longer counts. A disk of which a request "
	 "has killed two drivers is set aside ('skink info DRIVER'): its guest waits, until this, or until it is detached."},
	{"upgrade", "Domains", "DRIVER", 1, 1, OPERAND_DOMAIN, FACTS | TAKES(TIMEOUT) | TAKES(IMAGE), verb_upgrade,
	 "Give a driver domain another image, under load",
	 "The new image first begins beside the old one, up to where it waits for its device; then it takes over, and the guests wait for some "
	 "milliseconds. An image that cannot serve what they have negotiated is refused before that. If it dies within a minute the old one comes back by "
	 "itself. The manifest stays as it is: to keep the image for good write it into its <kernel>."},
	{"pause", "Domains", "DOMAIN...", 1, MANY, OPERAND_DOMAIN, FACTS, verb_pause,
	 "Stop domains where they are; they keep their memory", DOMAIN_DOC},
	{"unpause", "Domains", "DOMAIN...", 1, MANY, OPERAND_DOMAIN, FACTS, verb_unpause,
	 "Let paused domains go on", DOMAIN_DOC},
	{"console", "Domains", "DOMAIN", 1, 1, OPERAND_DOMAIN, TAKES(SOCKET) | TAKES(ESCAPE), verb_console,
	 "Type into a domain's console; Ctrl-] leaves it",
	 "All other keys are the domain's, Ctrl-C among them. " DOMAIN_DOC},
	{"wait", "Domains", "DOMAIN", 1, 1, OPERAND_DOMAIN, FACTS | TAKES(FOR) | TAKES(TIMEOUT), verb_wait,
	 "Wait until a domain runs, has shut down, or has recovered",
	 "--for shutdown ends also when the domain is gone. Without --timeout it waits for as long as it takes; "
	 "without --for, for running. " DOMAIN_DOC},
	{"autostart", "Domains", "DOMAIN", 1, 1, OPERAND_DOMAIN, FACTS | TAKES(DISABLE), verb_autostart,
	 "Start a domain whenever Dom0 boots, or no longer",
	 "DOMAIN may also be the name of a domain that is not there now."},
	{"sysrq", "Domains", "DOMAIN KEY", 2, 2, OPERAND_DOMAIN, TAKES(SOCKET), verb_sysrq,
	 "Send a Linux guest a SysRq key",
	 "KEY is one letter or digit: h lists them on the guest's console, s syncs, b reboots at once."},
	{"dump-core", "Domains", "DOMAIN [FILE]", 1, 2, OPERAND_DOMAIN, FACTS | TAKES(TIMEOUT) | TAKES(LIVE), verb_dump_core,
	 "Write a domain's memory and registers to a file that gdb opens",
	 "Without FILE, a new one in /var/lib/skink/cores/. Without --live the domain is paused meanwhile."},

	{"attach", "Devices", "DOMAIN FILE", 2, 2, OPERAND_DOMAIN, FACTS | WAITS, verb_attach,
	 "Plug a disk or an interface into a domain that runs",
	 "FILE has one <disk> or <interface>, as in a manifest; - is standard input. It stays with the domain, over reboots "
	 "too, until it is detached or the domain ends. DOMAIN may be Domain-0. " CTRL_C_DOC},
	{"detach", "Devices", "DOMAIN DEVICE", 2, 2, OPERAND_DOMAIN, FACTS | WAITS | TAKES(FORCE), verb_detach,
	 "Take a disk or an interface away from a domain",
	 "DEVICE is a disk's name, as xvda, or an interface's MAC address. The guest is asked first, and may "
	 "keep it for a while; Linux lets go at once, of a disk that is mounted too: unmount it there first. --force does not ask. " CTRL_C_DOC},
	{"link", "Devices", "DOMAIN DEVICE up|down", 3, 3, OPERAND_DOMAIN, FACTS, verb_link,
	 "Plug in, or pull, an interface's cable",
	 "DEVICE is an interface's MAC address. While the link is down, no packet passes in either direction."},
	{"capture", "Devices", "DOMAIN [DEVICE]", 1, 2, OPERAND_DOMAIN, TAKES(SOCKET) | TAKES(WRITE) | TAKES(PACKETS), verb_capture,
	 "Write what passes an interface to a file that wireshark reads",
	 "DEVICE is an interface's MAC address; without it DOMAIN is a net driver domain, and what passes its wire is written. The guest takes no "
	 "notice. Packets may be larger than the MTU, as they are before they are cut; frames that are refused are not among them."},
	{"rings", "Devices", "DOMAIN [DEVICE]", 1, 2, OPERAND_DOMAIN, FACTS, verb_rings,
	 "What stands in the rings between a domain and its drivers",
	 "DOMAIN may also be a driver domain: then all that it serves. DEVICE is a disk's name or an interface's MAC address. Each ring's "
	 "indices, what its ledger has committed, and the requests that have no answer yet, oldest first; docs/protocols.md has their "
	 "meaning. Both ends go on meanwhile: what is shown is one instant, page by page."},

	{"inject", "Devices", "DOMAIN", 0, 1, OPERAND_DOMAIN,
	 FACTS | TAKES(CLASS) | TAKES(FAULTS) | TAKES(SEED) | TAKES(RATE) | TAKES(LIST_CLASSES), verb_inject,
	 "Make a driver domain fail, to see that nobody notices",
	 "DOMAIN is a driver domain whose manifest has <skink:inject allow='yes'/>. The same seed chooses the same place; when the driver comes by "
	 "there depends on its work. --json tells what was changed, where, and whether the driver met it. docs/faults.md defines each class. " CTRL_C_DOC},

	{"volume-list", "Volumes", "[POOL]", 0, 1, OPERAND_DOMAIN, FACTS, verb_volume_list,
	 "Volumes on the disks of driver domains, and who has them",
	 "POOL is a disk's driver domain. Volumes are in the disk's GPT partition 'skink-volumes'."},
	{"volume-create", "Volumes", "POOL NAME SIZE", 3, 3, OPERAND_DOMAIN, FACTS, verb_volume_create,
	 "Make a volume, filled with zeros", "SIZE is as in 512MiB or 10GiB; a number alone is MiB. " CTRL_C_DOC},
	{"volume-resize", "Volumes", "POOL NAME SIZE", 3, 3, OPERAND_DOMAIN, FACTS, verb_volume_resize,
	 "Make a volume larger or smaller that no domain has",
	 "What it gains is filled with zeros, what it loses is lost: shrink what is in it first. " CTRL_C_DOC},
	{"volume-delete", "Volumes", "POOL NAME", 2, 2, OPERAND_DOMAIN, FACTS, verb_volume_delete,
	 "Delete a volume that no domain has", NULL},
	{"volume-import", "Volumes", "POOL NAME FILE", 3, 3, OPERAND_DOMAIN, FACTS, verb_volume_import,
	 "Make a volume of a disk image in a file of Dom0",
	 "FILE is a raw image; of another format, 'qemu-img convert -O raw' makes one. " CTRL_C_DOC},
	{"volume-export", "Volumes", "POOL NAME FILE", 3, 3, OPERAND_DOMAIN, FACTS, verb_volume_export,
	 "Write a volume that no domain has into a new file of Dom0", CTRL_C_DOC},

	{"list", "Looking", "[DOMAIN...]", 0, MANY, OPERAND_DOMAIN, FACTS, verb_list,
	 "Domains: memory, vcpus, state, CPU time", "--json prints an array."},
	{"info", "Looking", "[DOMAIN]", 0, 1, OPERAND_DOMAIN, FACTS, verb_info,
	 "All about a domain, or about the host", DOMAIN_DOC},
	{"top", "Looking", NULL, 0, 0, OPERAND_NONE,
	 FACTS | TAKES(BATCH) | TAKES(ITERATIONS) | TAKES(DELAY), verb_top,
	 "What each domain uses, live",
	 "Keys: c by CPU, m by memory, n by name, i by id, q leaves. CPU% is of one CPU. Sizes a second for network "
	 "and disk, where a domain has any. --json prints each sample as one line, with skinkd's counts."},
	{"usage", "Looking", "[DOMAIN]", 0, 1, OPERAND_DOMAIN, FACTS | TAKES(CSV), verb_usage,
	 "What domains have used, those that run and those that are gone",
	 "CPU time, memory by the hour, bytes received and sent, read and written. --csv is for whoever settles accounts."},
	{"events", "Looking", NULL, 0, 0, OPERAND_NONE, FACTS | TAKES(FOLLOW) | TAKES(LINES), verb_events,
	 "What happened, newest last", "--json prints one event a line."},
	{"why", "Looking", "DOMAIN", 1, 1, OPERAND_DOMAIN, FACTS | TAKES(VERBOSE), verb_why,
	 "What happened last to a domain, and what was done about it",
	 "Of a driver domain: its last death with its back trace, times and log, and whom it does not serve and for which request. --verbose "
	 "adds what stood in rings and ledger, a moment after it was back. DOMAIN may be gone. --json prints the whole post-mortem; all of them are in /var/log/skink/deaths/."},
	{"logs", "Looking", "DOMAIN", 1, 1, OPERAND_DOMAIN, FACTS | TAKES(LINES), verb_logs,
	 "What a domain's console said", "The last 100 lines; the files are in /var/log/skink/."},
	{"dmesg", "Looking", NULL, 0, 0, OPERAND_NONE, FACTS, verb_dmesg, "The core's log", NULL},
	{"dumpxml", "Looking", "DOMAIN", 1, 1, OPERAND_DOMAIN, FACTS, verb_dumpxml,
	 "A domain's manifest, all defaults written out", DOMAIN_DOC},
	{"version", "Looking", NULL, 0, 0, OPERAND_NONE, FACTS, verb_version,
	 "Versions of the core, of skinkd and of the protocol", NULL},

	{"validate", "Manifests", "FILE...", 1, MANY, OPERAND_FILE, TAKES(JSON), verb_validate,
	 "Check manifests, without skinkd and without a change",
	 "A directory stands for its *.xml. Whether kernel files are there and memory suffices is checked by create, "
	 "plan and apply."},
	{"plan", "Manifests", "[DIR]", 0, 1, OPERAND_DIRECTORY, FACTS | TAKES(PRUNE) | TAKES(RESTART), verb_plan,
	 "What apply would change", "Without DIR, /etc/skink/domains."},
	{"apply", "Manifests", "[DIR]", 0, 1, OPERAND_DIRECTORY,
	 FACTS | TAKES(PRUNE) | TAKES(RESTART) | TAKES(TIMEOUT) | TAKES(NO_WAIT), verb_apply,
	 "Bring the host to what the manifests of a directory say",
	 "Without DIR, /etc/skink/domains. Without --prune no domain is ended because its manifest is absent; without "
	 "--restart none is restarted to change it: both are named instead. Ctrl-C only ends the waiting: skinkd goes "
	 "on with all steps."},

	{"vcpu-list", "Changing", "[DOMAIN]", 0, 1, OPERAND_DOMAIN, FACTS, verb_vcpu_list,
	 "Virtual CPUs: where they run, and may run", DOMAIN_DOC},
	{"vcpu-set", "Changing", "DOMAIN COUNT", 2, 2, OPERAND_DOMAIN, FACTS | WAITS, verb_vcpu_set,
	 "Set how many virtual CPUs a guest has online", DOMAIN_DOC},
	{"vcpu-pin", "Changing", "DOMAIN VCPU CPUS", 3, 3, OPERAND_DOMAIN, FACTS, verb_vcpu_pin,
	 "Set which CPUs a virtual CPU may run on", "VCPU is a number or all; CPUS is as in 0-3,5, or all."},
	{"mem-set", "Changing", "DOMAIN SIZE", 2, 2, OPERAND_DOMAIN, FACTS | WAITS, verb_mem_set,
	 "Set how much memory a guest has", "SIZE is as in 512MiB or 1.5GiB; a number alone is MiB."},
	{"sched", "Changing", "[DOMAIN]", 0, 1, OPERAND_DOMAIN,
	 FACTS | TAKES(WEIGHT) | TAKES(CAP) | TAKES(WARP) | TAKES(WARP_LIMIT), verb_sched,
	 "Show or set weight, cap and warp", "Without options, they are shown; without DOMAIN, those of all domains."},

	{"help", "Help", "[VERB]", 0, 1, OPERAND_VERB, 0, verb_show_help, "This list, or help for one verb", NULL},
	{"__complete", NULL, "INDEX [WORD...]", 1, MANY, OPERAND_NONE, 0, verb_complete,
	 "Print what may stand as that word of a command line", NULL},
	{.name = NULL},
};

const struct other_word other_words[] = {
	{"start", "create", NULL},	 {"ls", "list", NULL},		{"domlist", "list", NULL},
	{"dominfo", "info", NULL},	 {"domstate", "info", NULL},	{"nodeinfo", "info", NULL},
	{"suspend", "pause", NULL},	 {"resume", "unpause", NULL},	{"vcpuinfo", "vcpu-list", NULL},
	{"vcpupin", "vcpu-pin", NULL},	 {"setvcpus", "vcpu-set", NULL}, {"setmem", "mem-set", NULL},
	{"schedinfo", "sched", NULL},	 {"dump", "dump-core", NULL},	{"diff", "plan", NULL},
	{"hostinfo", "info", NULL},	 {"xentop", "top", NULL},	{"check", "validate", NULL},
	{"stop", "shutdown", NULL},
	{"define", NULL, "put the manifest into /etc/skink/domains/, and write 'skink apply'"},
	{"attach-disk", NULL, "write 'skink attach DOMAIN FILE', with a <disk> in the file"},
	{"attach-interface", NULL, "write 'skink attach DOMAIN FILE', with an <interface> in the file"},
	{"attach-device", "attach", NULL}, {"detach-device", "detach", NULL}, {"detach-disk", "detach", NULL},
	{"detach-interface", "detach", NULL}, {"block-detach", "detach", NULL}, {"network-detach", "detach", NULL},
	{"block-attach", NULL, "write 'skink attach DOMAIN FILE', with a <disk> in the file"},
	{"network-attach", NULL, "write 'skink attach DOMAIN FILE', with an <interface> in the file"},
	{"domif-setlink", NULL, "write 'skink link DOMAIN DEVICE up' or 'down'"},
	{"undefine", NULL, "take the manifest out of /etc/skink/domains/, and write 'skink apply --prune'"},
	{"edit", NULL, "change the manifest with an editor, and write 'skink apply'"},
	{"config-update", NULL, "change the manifest with an editor, and write 'skink apply'"},
	{"migrate", NULL, "Skink does not move running domains: shut it down here and create it there"},
	{"save", NULL, "Skink does not keep suspended domains: 'skink pause' stops one in memory"},
	{"restore", NULL, "Skink does not keep suspended domains: 'skink pause' stops one in memory"},
	{"managedsave", NULL, "Skink does not keep suspended domains: 'skink pause' stops one in memory"},
	{"snapshot-create", NULL, "Skink has no snapshots"},
	{"rename", NULL, "shut it down, change <name> in its manifest, and create it"},
	{"trigger", NULL, "write 'skink shutdown' or 'skink sysrq'"},
	{"domid", NULL, "write 'skink list DOMAIN'"},
	{"domname", NULL, "write 'skink list DOMAIN'"},
	{"domuuid", NULL, "write 'skink info DOMAIN'"},
	{"mem-max", NULL, "change <memory> in its manifest, and write 'skink apply --restart'"},
	{"setmaxmem", NULL, "change <memory> in its manifest, and write 'skink apply --restart'"},
	{"vcpu", NULL, "write 'skink vcpu list', 'skink vcpu set' or 'skink vcpu pin'"},
	{.word = NULL},
};

static const struct verb *by_name(const char *name)
{
	for (const struct verb *verb = verbs; verb->name; verb++) {
		if (strcmp(verb->name, name) == 0)
			return verb;
	}
	return NULL;
}

static const struct other_word *find_other(const char *word)
{
	for (const struct other_word *other = other_words; other->word; other++) {
		if (strcmp(other->word, word) == 0)
			return other;
	}
	return NULL;
}

const struct verb *verb_find(const char *word)
{
	const struct other_word *other = find_other(word);

	return by_name(other && other->verb ? other->verb : word);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

#define WORD_MAX 31

/*
 * How many letters are to be changed, added, taken out or swapped with their neighbour to get from one word to the other
 * (optimal string alignment). Words beyond WORD_MAX are far from everything.
 */
static size_t distance(const char *from, const char *to)
{
	size_t cost[WORD_MAX + 1][WORD_MAX + 1], rows = strlen(from), columns = strlen(to);

	if (rows > WORD_MAX || columns > WORD_MAX)
		return WORD_MAX;
	for (size_t i = 0; i <= rows; i++) {
		for (size_t j = 0; j <= columns; j++) {
			if (i == 0 || j == 0) {
				cost[i][j] = i + j;
				continue;
			}
			cost[i][j] = least(cost[i - 1][j - 1] + (from[i - 1] != to[j - 1]),
					   1 + least(cost[i - 1][j], cost[i][j - 1]));
			if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
				cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
		}
	}
	return cost[rows][columns];
}

static void consider(const char *word, const char *candidate, size_t *nearest, const char **result)
{
	size_t away = distance(word, candidate);

	/* The beginning of a verb is as good as one slip: "des" may be destroy. */
	if (strlen(word) >= 2 && strncmp(candidate, word, strlen(word)) == 0)
		away = least(away, 1);
	if (away < *nearest) {
		*nearest = away;
		*result = candidate;
	}
}

void verb_complain(const char *word)
{
	const struct other_word *other = find_other(word);
	const char *nearest = NULL;
	size_t away = strlen(word) < 5 ? 2 : 3;

	if (other) {
		complain("there is no '%s': %s", word, other->instead);
		return;
	}
	for (const struct verb *verb = verbs; verb->name; verb++) {
		if (verb->group)
			consider(word, verb->name, &away, &nearest);
	}
	for (other = other_words; other->word; other++)
		consider(word, other->word, &away, &nearest);
	if (nearest)
		complain("there is no '%s': did you mean '%s'? 'skink help' lists what there is", word, nearest);
	else
		complain("there is no '%s': 'skink help' lists what there is", word);
}
