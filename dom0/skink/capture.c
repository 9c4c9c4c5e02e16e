/* SPDX-License-Identifier: MIT */
/*
 * What passes an interface, into a file that wireshark reads. skinkd gives Domain-0 one more interface, a mirror of that one, which is
 * read here by a packet socket: a pcap file is a header and the frames, and libpcap would bring D-Bus and InfiniBand into every start of skink.
 * CP1  However it ends, short of being killed, the mirror is taken away again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "message.h"
#include "tty.h"
#include "units.h"
#include "verbs.h"

#define FRAME_MAX	65549		/* the longest there is */
#define RECEIVE_BYTES	(8 << 20)
#define APPEARS_S	10.0
#define LOOK_S		0.05
#define FLUSH_S		0.5
#define READER_LEFT	(128 + SIGPIPE)

/* draft-ietf-opsawg-pcap; times in nanoseconds. */
#define PCAP_MAGIC	0xa1b23c4du
#define PCAP_ETHERNET	1

struct pcap_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zero[2], longest, kind;
};

struct pcap_frame {
	uint32_t seconds, nanoseconds, there, length;
};

struct capture {
	int from;			/* packet socket */
	int lost;			/* what it says when its interface is gone: errno; 0 */
	FILE *to;
	uint64_t count, most;		/* most 0: until a signal comes */
};

/* Domain-0's kernel names it as it likes; which one it is, its xenbus node says. */
static bool find_interface(uint64_t device, char name[IFNAMSIZ])
{
	char wanted[40], said[40] = "";
	bool is_there = false;
	glob_t files;

	snprintf(wanted, sizeof(wanted), "device/vif/%lu\n", device);
	if (glob("/sys/class/net/*/device/nodename", 0, NULL, &files))
		return false;
	for (size_t i = 0; i < files.gl_pathc && !is_there; i++) {
		FILE *file = fopen(files.gl_pathv[i], "re");

		if (!file)
			continue;
		is_there = fgets(said, sizeof(said), file) && !strcmp(said, wanted);
		fclose(file);
		if (is_there)
			sscanf(files.gl_pathv[i], "/sys/class/net/%15[^/]", name);
	}
	globfree(&files);
	return is_there;
}

static bool bring_up(const char *name)
{
	struct ifreq request = { 0 };
	int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_up;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	request.ifr_flags = IFF_UP | IFF_NOARP | IFF_PROMISC;
	is_up = any >= 0 && ioctl(any, SIOCSIFFLAGS, &request) == 0;
	if (any >= 0)
		close(any);
	return is_up;
}

static bool wait_for_interface(uint64_t device, char name[IFNAMSIZ])
{
	double until = now() + APPEARS_S;

	while (!find_interface(device, name)) {
		if (now() > until || signal_caught())
			return false;
		signals_wait(NULL, 0, LOOK_S);
	}
	return bring_up(name);
}

static int open_interface(const char *name)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name) };
	int from = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), room = RECEIVE_BYTES;

	if (from >= 0) {
		setsockopt(from, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
		if (bind(from, (struct sockaddr *)&address, sizeof(address)) == 0)
			return from;
		close(from);
	}
	complain("capture: %s cannot be listened to: %s", name, strerror(errno));
	return -1;
}

/* False: there is no frame now. */
static bool take(struct capture *capture)
{
	static uint8_t bytes[FRAME_MAX];
	struct sockaddr_ll address;
	socklen_t room = sizeof(address);
	ssize_t length = recvfrom(capture->from, bytes, sizeof(bytes), MSG_TRUNC, (struct sockaddr *)&address, &room);
	struct timespec at;
	struct pcap_frame frame;

	if (length < 0) {
		capture->lost = errno == EAGAIN || errno == EINTR ? 0 : errno;
		return false;
	}
	if (address.sll_pkttype == PACKET_OUTGOING)
		return true;
	clock_gettime(CLOCK_REALTIME, &at);
	frame = (struct pcap_frame){ (uint32_t)at.tv_sec, (uint32_t)at.tv_nsec,
				     length < FRAME_MAX ? (uint32_t)length : FRAME_MAX, (uint32_t)length };
	fwrite(&frame, sizeof(frame), 1, capture->to);
	fwrite(bytes, frame.there, 1, capture->to);
	capture->count++;
	return true;
}

static bool goes_on(const struct capture *capture)
{
	return !ferror(capture->to) && !capture->lost && !signal_caught() && (!capture->most || capture->count < capture->most);
}

/* 0, or of what the file took no more. */
static int take_all(struct capture *capture)
{
	const struct pcap_header header = { .magic = PCAP_MAGIC, .major = 2, .minor = 4, .longest = FRAME_MAX, .kind = PCAP_ETHERNET };
	struct pollfd ready = { .fd = capture->from, .events = POLLIN };

	fwrite(&header, sizeof(header), 1, capture->to);
	fflush(capture->to);
	while (goes_on(capture))
		if (signals_wait(&ready, 1, FLUSH_S) > 0)
			while (goes_on(capture) && take(capture))
				;
		else
			fflush(capture->to);
	return fflush(capture->to) || ferror(capture->to) ? errno : 0;
}

static FILE *open_file(const char *file)
{
	FILE *to = fopen(file, "we");

	if (!to)
		complain("capture: %s cannot be written: %s", file, strerror(errno));
	return to;
}

static bool is_fifo(const char *file)
{
	struct stat its;

	return !stat(file, &its) && S_ISFIFO(its.st_mode);
}

/* What there was is overwritten only when there is something to write. */
static int write_file(struct capture *capture, const char *file)
{
	int error;

	if (!capture->to)
		capture->to = open_file(file);
	if (!capture->to)
		return EXIT_FAILED;
	error = take_all(capture);
	if (capture->to != stdout && fclose(capture->to) && !error)
		error = errno;
	note("%lu packets", capture->count);
	if (error == EPIPE)
		return READER_LEFT;
	if (error)
		complain("capture: %s took no more: %s", file, strerror(error));
	else if (capture->lost)
		complain("capture: the mirror is gone (%s): it was detached, or its driver domain has ended; what came before is written",
			 strerror(capture->lost));
	return error || capture->lost ? EXIT_FAILED : EXIT_DONE;
}

/* Everything between having the mirror and giving it back. */
static int listen_to(const json_t *mirror, const char *file, FILE *to, uint64_t most)
{
	struct capture capture = { .to = to, .most = most };
	char name[IFNAMSIZ];
	int code;

	if (!wait_for_interface(count_of(mirror, "device"), name)) {
		if (signal_caught())
			return 128 + signal_caught();
		complain("capture: Domain-0's kernel does not bring up the mirror: see its 'dmesg'; has it the module xen-netfront?");
		return EXIT_FAILED;
	}
	capture.from = open_interface(name);
	if (capture.from < 0)
		return EXIT_FAILED;
	note("listening at %s: Ctrl-C ends it", text_of(mirror, "driver"));
	code = write_file(&capture, file);
	close(capture.from);
	return code;
}

int verb_capture(const struct invocation *invocation)
{
	const struct call begin = {.method = "capture", .what = "capture",
				   .meanwhile = "the mirror may be there: see 'skink info Domain-0', and detach it",
				   .params = json_pack("{s:s, s:s*}", "domain", invocation->operands[0], "device", invocation->operands[1])};
	struct call end = {.method = "detach", .what = "capture"};
	const char *file = invocation->value[OPTION_WRITE], *most = invocation->value[OPTION_PACKETS];
	uint64_t packets = 0;
	FILE *to = NULL;
	const json_t *mirror;
	json_t *result;
	int code, last = EXIT_DONE;

	if (!file) {
		complain("capture: write where to: -w FILE, or -w - for standard output");
		return EXIT_BAD_INPUT;
	}
	if (most && !parse_count(most, 1, UINT32_MAX, &packets)) {
		complain("capture: '%s' is no number of packets: write 1 or more, or leave --count out", most);
		return EXIT_BAD_INPUT;
	}
	if (!strcmp(file, "-"))
		to = stdout;
	else if (is_fifo(file) && !(to = open_file(file)))	/* waits for its reader, as long as a signal still ends it */
		return EXIT_FAILED;
	signals_hold();
	signal(SIGPIPE, SIG_IGN);		/* CP1 */
	code = ask(invocation, &begin, &result);
	if (!code) {
		mirror = json_object_get(result, "attachment");
		code = listen_to(mirror, file, to, packets);
		signals_forget();
		end.params = json_pack("{s:s, s:s, s:b}", "domain", "Domain-0", "device", text_of(mirror, "name"), "force", 1);
		last = ask(invocation, &end, NULL);
		json_decref(result);
	}
	signal(SIGPIPE, SIG_DFL);
	if (code == READER_LEFT)
		raise(SIGPIPE);			/* as it ends every other verb */
	return code ? code : last;
}
