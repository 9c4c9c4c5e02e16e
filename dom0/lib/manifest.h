/* SPDX-License-Identifier: MIT */
/*
 * A manifest: what one domain shall be, as its XML file says it. docs/manifest.md tells the meaning of each element,
 * manifests/skink.rng its structure; here is what the rest of Dom0 gets of it.
 * N1  A struct manifest is complete: what the file left out has its default, and all that can be checked without the
 *     file system and the running system has been checked.
 * N2  manifest_write() of a manifest, parsed again, is equal to it.
 * N3  Nothing that the file says is ignored in silence: it is in the manifest, or an error, or a warning.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.h"

#include "report.h"

/* Larger files are refused before they are parsed. */
#define MANIFEST_BYTES_MAX	(1024 * 1024)

#define MANIFEST_NAMESPACE	"urn:skink:manifest:1"

/* The core's limits: hypervisor/include/types.h. A set of CPUs is one word, bit n stands for CPU n. */
#define MANIFEST_CPUS_MAX	64
#define MANIFEST_VCPUS_MAX	32

#define MANIFEST_MEMORY_KIB_MIN	1024

/* Elements that a check of the host can blame. Those that occur once; disks and the like carry their own position. */
enum manifest_element {
	MANIFEST_DOMAIN,
	MANIFEST_NAME,
	MANIFEST_UUID,
	MANIFEST_MEMORY,
	MANIFEST_CURRENT_MEMORY,
	MANIFEST_VCPU,
	MANIFEST_CPUTUNE,
	MANIFEST_SCHED,
	MANIFEST_LIMITS,
	MANIFEST_KERNEL,
	MANIFEST_INITRD,
	MANIFEST_CMDLINE,
	MANIFEST_ON_CRASH,
	MANIFEST_CONSOLE,
	MANIFEST_DRIVER,
	MANIFEST_FALLBACK,
	MANIFEST_DMA,
	MANIFEST_RESTART,
	MANIFEST_HOOK,
	MANIFEST_ELEMENTS
};

enum manifest_action {		/* on_poweroff, on_reboot, on_crash */
	ACTION_DESTROY,
	ACTION_RESTART,
	ACTION_PRESERVE,
	ACTION_COREDUMP_DESTROY,	/* on_crash only */
	ACTION_COREDUMP_RESTART,	/* on_crash only */
};

enum manifest_clock {
	CLOCK_UTC,
	CLOCK_LOCALTIME,
	CLOCK_VARIABLE,		/* UTC and clock_adjustment_s */
};

enum manifest_role {
	ROLE_GUEST,
	ROLE_NET,		/* driver domain that owns a NIC */
	ROLE_BLK,		/* driver domain that owns a disk */
};

/* The scheduler's parameters, as struct skink_domctl_sched has them. */
struct manifest_sched {
	uint32_t weight;	/* 1 .. 65535; 256 */
	uint32_t cap_percent;	/* of one CPU; 0: none */
	uint32_t warp_us;	/* 0: none */
	uint32_t warp_limit_us;	/* 0: no limit */
};

enum manifest_extent_kind {
	EXTENT_VOLUME,		/* by name */
	EXTENT_PARTITION_LABEL,	/* GPT */
	EXTENT_PARTITION_UUID,	/* GPT, lower case */
	EXTENT_WHOLE,		/* the whole disk; no name */
};

struct manifest_extent {
	enum manifest_extent_kind kind;
	char *name;		/* NULL for EXTENT_WHOLE */
	struct position at;
};

/* <iotune>; 0: no limit. A total and its parts are never both set. */
struct manifest_iotune {
	uint64_t total_bytes_per_s, read_bytes_per_s, write_bytes_per_s;
	uint64_t total_iops, read_iops, write_iops;
};

struct manifest_disk {
	char *target;		/* "xvda", unique in its manifest */
	char *driver;		/* the blk driver domain; NULL: the only one there is */
	struct manifest_extent *extents;
	size_t extent_count;	/* 0: a CD drive without a disc */
	bool is_cdrom;		/* then is_readonly too */
	bool is_readonly;
	bool is_shareable;
	bool is_transient;	/* what the guest writes is thrown away when it ends */
	bool may_discard;	/* the guest's discard requests reach the disk; true */
	uint32_t sector_bytes;	/* 512 or 4096; 0: the disk's own */
	uint32_t queues;	/* 1 .. 4; 0: as many as the guest has vcpus, 4 at most */
	struct manifest_iotune iotune;
	struct position at;
};

/* A token bucket; 0 in average: no limit. */
struct manifest_bandwidth {
	uint64_t average_bytes_per_s;
	uint64_t peak_bytes_per_s;
	uint64_t burst_bytes;
};

struct manifest_interface {
	char *driver;		/* the net driver domain; never NULL */
	bool has_mac;		/* else skinkd chooses one, and keeps it */
	uint8_t mac[6];
	char **addresses;	/* IPv4 and IPv6 in text; may be none */
	size_t address_count;
	bool guard_mac;		/* frames from another source MAC are dropped; true */
	bool guard_ip;		/* packets from another source address are dropped; true if there are addresses */
	bool is_up;		/* true */
	uint32_t mtu;		/* 68 .. 65535; 1500 */
	uint32_t queues;	/* 1 .. 16; 0: as many as the guest has vcpus, 4 at most */
	bool is_trunk;		/* tagged frames of vlans pass; else the guest sees no tags */
	uint16_t *vlans;	/* 1 .. 4094; none: untagged; one if not is_trunk */
	size_t vlan_count;
	uint16_t native_vlan;	/* of a trunk: the VLAN of untagged frames; 0: untagged on the wire too */
	struct manifest_bandwidth inbound;	/* to the guest */
	struct manifest_bandwidth outbound;	/* from the guest */
	bool is_mirror;		/* never in a file: it hears what passes another one (skink capture) ... */
	uint8_t mirrored[6];	/* ... with this address, or (all zero) the wire */
	struct position at;
};

struct manifest_pci {		/* <hostdev> */
	uint16_t segment;	/* PCI's domain */
	uint8_t bus;
	uint8_t slot;		/* 0 .. 31 */
	uint8_t function;	/* 0 .. 7 */
	struct position at;
};

enum manifest_exhausted {	/* when a driver has used up its restarts */
	EXHAUSTED_QUARANTINE_HOLD,	/* rings stay untouched, guests wait; the default for blk */
	EXHAUSTED_QUARANTINE_CLOSE,	/* its front-ends are closed; the default for net */
	EXHAUSTED_FALLBACK,		/* the fall-back image is tried, then as its role's default */
};

struct manifest_restart {
	bool is_automatic;	/* false: a driver that died stays dead until somebody restarts it */
	uint32_t limit;		/* 5 restarts ... */
	uint64_t within_us;	/* ... in 60 s */
	uint64_t backoff_us;	/* 1 ms, doubling ... */
	uint64_t backoff_max_us;	/* ... up to 30 s ... */
	uint32_t jitter_percent;	/* ... give or take 20 % */
	bool is_armed;		/* the core resets it at once when it crashes; true */
	enum manifest_exhausted then;
};

struct manifest_health {
	uint64_t hang_us;	/* of the driver's own CPU time, with work and no answer; 5 ms */
	uint64_t heartbeat_us;	/* between two signs of life when idle; 1 s */
	uint64_t device_us;	/* wall time of one device command; net 1 s, blk 10 s */
};

struct manifest_hook {		/* run after each death of the driver; command NULL: none */
	char *command;		/* absolute file name, run without a shell */
	char *user;
	uint64_t timeout_us;	/* 10 s */
};

struct manifest_driver {	/* all zero in a guest */
	uint64_t dma_pool_kib;	/* 4 MiB */
	bool dma_unprotected;	/* may own a device where no IOMMU keeps it to its DMA pool */
	char *fallback;		/* absolute file name of another image; may be NULL */
	bool may_inject;	/* `skink inject` may harm it */
	struct manifest_health health;
	struct manifest_restart restart;
	struct manifest_hook hook;
};

struct manifest {
	char *file;		/* the name it was parsed under, for messages */
	struct position at[MANIFEST_ELEMENTS];	/* of <domain> if the element itself is not there */

	char *name;
	bool has_uuid;		/* else skinkd makes one, and keeps it */
	uint8_t uuid[16];	/* in the order of its text */
	char *title;		/* may be NULL */
	char *description;	/* may be NULL */
	char *metadata;		/* the whole <metadata> element as XML text; may be NULL */

	uint64_t memory_kib;		/* most that it may have */
	uint64_t current_memory_kib;	/* what it starts with; at most memory_kib */
	uint32_t vcpus;			/* most that it may have */
	uint32_t current_vcpus;		/* what it starts with */
	uint64_t affinity[MANIFEST_VCPUS_MAX];	/* CPUs that each vcpu may run on; 0: any */
	struct manifest_sched sched;
	uint64_t limit[SKINK_ACCOUNT_KINDS];	/* in each period of 10 ms; 0: none */

	char *kernel;		/* absolute file name; NULL: skinkd's own image for the driver's role */
	char *initrd;		/* absolute file name; may be NULL */
	char *cmdline;		/* never NULL; may be "" */

	enum manifest_action on_poweroff;	/* destroy */
	enum manifest_action on_reboot;		/* restart */
	enum manifest_action on_crash;		/* destroy */
	enum manifest_clock clock;
	int64_t clock_adjustment_s;
	bool has_console;	/* guests always; a driver domain if it says so */

	struct manifest_disk *disks;
	size_t disk_count;
	struct manifest_interface *interfaces;
	size_t interface_count;
	struct manifest_pci *devices;
	size_t device_count;

	enum manifest_role role;
	struct manifest_driver driver;
};

/*
 * Parses and checks text. What is wrong goes into the report, in the order of the text. True: *manifest is set (there may
 * be warnings), and the caller frees it; false: there was an error, and *manifest is NULL.
 */
bool manifest_parse(const char *text, size_t length, const char *file, struct manifest **manifest, struct report *report)
	__attribute__((warn_unused_result));
void manifest_free(struct manifest *manifest);

/* Devices that come and go while the domain runs: all disks and interfaces of `from` become those of `to`. */
void manifest_take_devices(struct manifest *to, struct manifest *from);
void manifest_drop_disk(struct manifest *manifest, size_t index);
void manifest_drop_interface(struct manifest *manifest, size_t index);

/* What only several manifests together show: a name, a UUID, a MAC, a PCI device or an unshared extent twice. */
void manifest_check_set(struct manifest *const *manifests, size_t count, struct report *report);

/* Do they write to, or read what the other writes to, the same extent of the same driver? Then *of_a is the extent of a. */
bool manifest_disks_overlap(const struct manifest_disk *a, const struct manifest_disk *b, size_t *of_a);

/* For checks of the host that a file cannot show: a missing kernel, too much memory. */
struct blame manifest_blame(const struct manifest *manifest, enum manifest_element element);
struct blame manifest_blame_disk(const struct manifest *manifest, size_t index);
struct blame manifest_blame_extent(const struct manifest *manifest, size_t disk, size_t extent);
struct blame manifest_blame_interface(const struct manifest *manifest, size_t index);
struct blame manifest_blame_device(const struct manifest *manifest, size_t index);

/* Canonical XML, all defaults written out. The caller frees it. */
char *manifest_write(const struct manifest *manifest);

/* How a difference can be brought about. */
enum manifest_how {
	CHANGE_LIVE,		/* memory within the maximum, vcpus, scheduling, limits, policies, links */
	CHANGE_RESTART,		/* by destroying and creating the domain */
	CHANGE_RECORD,		/* only what skinkd remembers: title, description, metadata */
};

struct manifest_change {
	char *field;		/* as in the file: "memory", "disk xvda", "interface 2: mac" */
	char *from;		/* "" : was not there */
	char *to;		/* "" : shall not be there */
	enum manifest_how how;
};

struct manifest_changes {
	struct manifest_change *changes;
	size_t count;
	bool needs_restart;	/* one of them is CHANGE_RESTART */
};

/* Where the new one names no UUID or MAC, that is no difference. */
void manifest_compare(const struct manifest *old, const struct manifest *new, struct manifest_changes *changes);
void manifest_changes_free(struct manifest_changes *changes);

const char *manifest_action_name(enum manifest_action action);
const char *manifest_role_name(enum manifest_role role);
const char *manifest_limit_name(size_t kind);	/* "grant-maps" for SKINK_ACCOUNT_GRANT_MAPS */
