/* SPDX-License-Identifier: MIT */
/*
 * load tcp PAUSE-MS ADDRESS UP-PORT DOWN-PORT KIB-PER-SECOND	a stream each way, all of whose bytes are known
 * load disk PAUSE-MS FILE KIB				blocks that know where they are and of which version, written, made durable and read back
 * load memory PAUSE-MS MIB				for who has no device: memory that must stay what it is
 *
 * A load that never pauses leaves no CPU to anybody: so long between two rounds at the disk, half of it between two looks at the streams, a quarter
 * of it between two pieces of memory.
 *
 * What a guest does while drivers die under it. Each prints a line of counters that only grow every TICK_MS:
 *
 *	load tcp t=8123 up=1048576 down=2097152 bad=0 broken=0 gap=12
 *	load disk t=8123 write=4096 read=8192 sync=3 sweep=1 bad=0 error=0 gap=7
 *	load memory t=8123 round=4 bad=0
 *
 * t      milliseconds since the guest began
 * bad    bytes, blocks or pages that were not what they had to be: silent corruption
 * broken connections that ended; error: requests that failed. The guest was told of those.
 * gap    the longest time, in ms, since the last line in which a stream or a request stood still
 * up     what the other side has verified and acknowledged; down, read: verified here
 * sweep  how often the whole file was read past the cache and compared since it began
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS		250		/* each line wakes Domain-0 three times */
#define STREAM_BYTES	65521u		/* of a stream before it repeats: a prime, so that no block lies on itself */
#define UP_SEED		0x5eed0001u
#define DOWN_SEED	0x5eed0002u
#define BLOCK		4096u
#define DEPTH		8u
#define WRITES_A_ROUND	8u

static unsigned int pause_ms;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static _Noreturn void die(const char *what)
{
	printf("load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* ---- TCP ---- */

struct stream {
	const char *address;
	uint16_t port;
	int socket;			/* -1: not connected */
	bool is_open;			/* the connection has been established */
	uint8_t content[2 * STREAM_BYTES];
	uint64_t at;			/* bytes of this connection */
	uint64_t good, bad, broken;	/* of all */
	uint64_t moved_ms;		/* when it last went on */
	uint8_t held[16];		/* of an acknowledgement that has not all come */
	size_t held_bytes;
	uint64_t acknowledged[2];	/* by this connection: verified, bad */
};

static uint64_t gap;

static void stream_begin(struct stream *stream, const char *address, const char *port, uint32_t seed)
{
	stream->address = address;
	stream->port = (uint16_t)atoi(port);
	stream->socket = -1;
	stream->moved_ms = now_ms();
	for (uint32_t i = 0; i < STREAM_BYTES; i++)
		stream->content[i] = stream->content[i + STREAM_BYTES] = (uint8_t)(next_random(&seed) >> 8);
}

static void stream_connect(struct stream *stream)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(stream->port) };

	inet_pton(AF_INET, stream->address, &to.sin_addr);
	stream->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	stream->at = 0;
	stream->held_bytes = 0;
	memset(stream->acknowledged, 0, sizeof(stream->acknowledged));
	if (connect(stream->socket, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS) {
		close(stream->socket);
		stream->socket = -1;
	}
}

/* A connection that was never established is none that broke: the other side may not be there yet. */
static void stream_end(struct stream *stream)
{
	if (stream->is_open)
		stream->broken++;
	stream->is_open = false;
	close(stream->socket);
	stream->socket = -1;
}

static void stream_moved(struct stream *stream)
{
	uint64_t now = now_ms();

	if (stream->is_open && now - stream->moved_ms > gap)
		gap = now - stream->moved_ms;
	stream->moved_ms = now;
	stream->is_open = true;
}

static bool has_ended(ssize_t result)
{
	return result == 0 || (result < 0 && errno != EAGAIN && errno != EINTR);
}

static void take_down(struct stream *stream)
{
	static uint8_t data[STREAM_BYTES];
	ssize_t count = read(stream->socket, data, sizeof(data));
	const uint8_t *wanted = stream->content + stream->at % STREAM_BYTES;

	if (has_ended(count)) {
		stream_end(stream);
		return;
	}
	if (count < 0)
		return;
	stream_moved(stream);
	if (memcmp(data, wanted, (size_t)count))
		for (ssize_t i = 0; i < count; i++)
			stream->bad += data[i] != wanted[i];
	stream->at += (uint64_t)count;
	stream->good += (uint64_t)count;
}

/* The other side says how many bytes it has verified, and how many were wrong, since the connection began. */
static void take_acknowledgements(struct stream *stream)
{
	uint64_t said[2];
	ssize_t count = read(stream->socket, stream->held + stream->held_bytes, sizeof(stream->held) - stream->held_bytes);

	if (has_ended(count)) {
		stream_end(stream);
		return;
	}
	if (count < 0)
		return;
	stream->held_bytes += (size_t)count;
	if (stream->held_bytes < sizeof(stream->held))
		return;
	memcpy(said, stream->held, sizeof(said));
	stream->held_bytes = 0;
	stream_moved(stream);
	stream->good += said[0] - stream->acknowledged[0];
	stream->bad += said[1] - stream->acknowledged[1];
	memcpy(stream->acknowledged, said, sizeof(said));
}

static void give_up(struct stream *stream, uint64_t allowance)
{
	size_t at = stream->at % STREAM_BYTES, bytes = allowance < STREAM_BYTES ? allowance : STREAM_BYTES;
	ssize_t count = write(stream->socket, stream->content + at, bytes);

	if (has_ended(count))
		stream_end(stream);
	else if (count > 0)
		stream->at += (uint64_t)count;
}

static void tcp_line(uint64_t *told, const struct stream *up, const struct stream *down)
{
	const struct stream *const both[] = { up, down };
	uint64_t now = now_ms();

	if (now - *told < TICK_MS)
		return;
	for (unsigned int i = 0; i < 2; i++)
		if (now - both[i]->moved_ms > gap)
			gap = now - both[i]->moved_ms;
	printf("load tcp t=%lu up=%lu down=%lu bad=%lu broken=%lu gap=%lu\n", now, up->good, down->good, up->bad + down->bad,
	       up->broken + down->broken, gap);
	*told = now;
	gap = 0;
}

static _Noreturn void tcp(char **arguments)
{
	static struct stream stream[2];
	struct stream *up = &stream[0], *down = &stream[1];
	uint64_t rate = strtoull(arguments[3], NULL, 10) * 1024 / 1000, told = 0, refilled = now_ms(), allowance = 0;

	stream_begin(up, arguments[0], arguments[1], UP_SEED);
	stream_begin(down, arguments[0], arguments[2], DOWN_SEED);
	for (;;) {
		uint64_t now = now_ms();
		struct pollfd wait[2];

		if (now - refilled > 1000)
			refilled = now - 1000;		/* what was missed is not made up for at once */
		allowance += (now - refilled) * rate;
		refilled = now;
		for (unsigned int i = 0; i < 2; i++) {
			if (stream[i].socket < 0 && now - stream[i].moved_ms > 200)
				stream_connect(&stream[i]);
			wait[i] = (struct pollfd){ stream[i].socket, POLLIN, 0 };
		}
		poll(wait, 2, (int)pause_ms / 2);
		if (wait[0].revents)
			take_acknowledgements(up);
		if (wait[1].revents)
			take_down(down);
		if (up->socket >= 0 && allowance) {
			uint64_t before = up->at;

			give_up(up, allowance);
			allowance -= up->socket >= 0 ? up->at - before : 0;
		}
		if (allowance > rate * 1000)
			allowance = rate * 1000;
		tcp_line(&told, up, down);
	}
}

/* ---- disk ---- */

/* The first words of each block; the rest follows from them. */
struct block_head {
	uint64_t magic, place, version, check;
};

#define BLOCK_MAGIC	0x6b63616d70616967u

struct request {
	struct iocb iocb;
	uint32_t place;
	uint64_t version;		/* that is written; of a read: the one that has to be there */
	bool is_write, is_busy;
	uint64_t begun_ms;
	uint8_t *data;
};

static struct {
	int file;
	aio_context_t context;
	uint32_t blocks, sweep_at;
	uint64_t *version;		/* of each block, the last that was answered */
	uint64_t versions, written, read, syncs, sweeps, bad, errors, told;
	struct request request[DEPTH];
	uint32_t busy;
} disk;

static void block_fill(uint8_t *data, uint32_t place, uint64_t version)
{
	struct block_head head = { BLOCK_MAGIC, place, version, 0 };
	uint64_t word = (head.place << 40 ^ version) * 0x9e3779b97f4a7c15u;

	head.check = word;
	memcpy(data, &head, sizeof(head));
	for (size_t i = sizeof(head); i < BLOCK; i += sizeof(word)) {
		word = word * 6364136223846793005u + 1442695040888963407u;
		memcpy(data + i, &word, sizeof(word));
	}
}

static void disk_line(void)
{
	uint64_t now = now_ms();

	if (now - disk.told < TICK_MS)
		return;
	for (unsigned int i = 0; i < DEPTH; i++)
		if (disk.request[i].is_busy && now - disk.request[i].begun_ms > gap)
			gap = now - disk.request[i].begun_ms;
	printf("load disk t=%lu write=%lu read=%lu sync=%lu sweep=%lu bad=%lu error=%lu gap=%lu\n", now, disk.written, disk.read,
	       disk.syncs, disk.sweeps, disk.bad, disk.errors, gap);
	disk.told = now;
	gap = 0;
}

static void begin(struct request *one, uint32_t place, bool is_write)
{
	struct iocb *iocb = &one->iocb;

	one->place = place;
	one->is_write = is_write;
	one->is_busy = true;
	one->version = is_write ? ++disk.versions : disk.version[place];
	one->begun_ms = now_ms();
	if (is_write)
		block_fill(one->data, place, one->version);
	else
		memset(one->data, 0xa5, BLOCK);
	*iocb = (struct iocb){ .aio_fildes = (uint32_t)disk.file, .aio_buf = (uint64_t)one->data, .aio_nbytes = BLOCK,
			       .aio_offset = (int64_t)place * BLOCK, .aio_data = (uint64_t)one,
			       .aio_lio_opcode = is_write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD };
	if (syscall(SYS_io_submit, disk.context, 1, &iocb) != 1)
		die("io_submit");
	disk.busy++;
}

static void end(struct request *one, int64_t result)
{
	static uint8_t wanted[BLOCK];
	uint64_t took = now_ms() - one->begun_ms;

	one->is_busy = false;
	disk.busy--;
	gap = took > gap ? took : gap;
	if (result != BLOCK) {
		printf("load: %s of block %u: %ld\n", one->is_write ? "write" : "read", one->place, (long)result);
		disk.errors++;
		disk.version[one->place] = 0;		/* whatever is there, it is written anew */
		return;
	}
	if (one->is_write) {
		disk.version[one->place] = one->version;
		disk.written += BLOCK;
		return;
	}
	block_fill(wanted, one->place, one->version);
	disk.read += BLOCK;
	if (memcmp(wanted, one->data, BLOCK)) {
		struct block_head head;

		memcpy(&head, one->data, sizeof(head));
		printf("load: block %u does not hold version %lu: place %lx version %lx\n", one->place, one->version, head.place, head.version);
		disk.bad++;
		disk.version[one->place] = 0;		/* told of once: it is written anew */
	}
}

/* Until no more than `left` are under way. The counters go on meanwhile. */
static void reap(uint32_t left)
{
	struct timespec tick = { .tv_nsec = TICK_MS * 1000000 };
	struct io_event event[DEPTH];

	while (disk.busy > left) {
		long got = syscall(SYS_io_getevents, disk.context, 1, DEPTH, event, &tick);

		for (long i = 0; i < got; i++)
			end((struct request *)event[i].data, event[i].res);
		disk_line();
	}
}

static void submit(uint32_t place, bool is_write)
{
	reap(DEPTH - 1);
	for (unsigned int i = 0; i < DEPTH; i++) {
		if (disk.request[i].is_busy)
			continue;
		begin(&disk.request[i], place, is_write);
		return;
	}
}

static void make_durable(void)
{
	uint64_t begun = now_ms(), took;

	if (fdatasync(disk.file)) {
		printf("load: fdatasync: %s\n", strerror(errno));
		disk.errors++;
	}
	took = now_ms() - begun;
	gap = took > gap ? took : gap;
	disk.syncs++;
}

/* Work for the file system, whose check comes in the end: a file that comes, is made durable under another name, and goes. */
static void change_names(uint64_t round)
{
	char name[64], other[64];
	int file;

	snprintf(name, sizeof(name), "names/%lu", round % 16);
	snprintf(other, sizeof(other), "names/of-%lu", round % 32);
	file = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644);
	if (file < 0 || write(file, name, sizeof(name)) != sizeof(name) || fsync(file) || rename(name, other)) {
		printf("load: %s: %s\n", name, strerror(errno));
		disk.errors++;
	}
	close(file);
}

static void disk_round(uint32_t *seed, uint64_t round)
{
	uint32_t places[WRITES_A_ROUND];

	for (unsigned int i = 0; i < WRITES_A_ROUND; i++) {
		bool is_twice = false;

		places[i] = next_random(seed) % disk.blocks;
		for (unsigned int j = 0; j < i; j++)
			is_twice |= places[j] == places[i];
		if (!is_twice)
			submit(places[i], true);
	}
	reap(0);
	make_durable();
	if (round % 4 == 0)
		change_names(round);
	for (uint32_t i = 0; i < disk.blocks / 4; i++) {
		submit(disk.sweep_at, !disk.version[disk.sweep_at]);
		disk.sweep_at = (disk.sweep_at + 1) % disk.blocks;
		disk.sweeps += disk.sweep_at == 0;
	}
	reap(0);
}

static _Noreturn void use_disk(char **arguments)
{
	uint32_t seed = 0x5eed0003;

	disk.blocks = (uint32_t)atoi(arguments[1]) * 1024 / BLOCK;
	disk.version = calloc(disk.blocks, sizeof(*disk.version));
	disk.file = open(arguments[0], O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0644);
	if (!disk.version || disk.file < 0 || posix_fallocate(disk.file, 0, (int64_t)disk.blocks * BLOCK) ||
	    syscall(SYS_io_setup, DEPTH, &disk.context) || mkdir("names", 0755))
		die(arguments[0]);
	for (unsigned int i = 0; i < DEPTH; i++)
		disk.request[i].data = aligned_alloc(BLOCK, BLOCK);
	for (uint32_t i = 0; i < disk.blocks; i++)
		submit(i, true);
	reap(0);
	make_durable();
	for (uint64_t round = 0;; round++) {
		disk_round(&seed, round);
		disk_line();
		usleep(pause_ms * 1000);
	}
}

/* ---- memory ---- */

static _Noreturn void memory(char **arguments)
{
	size_t words = (size_t)atoi(arguments[0]) * (1u << 20) / sizeof(uint64_t);
	uint64_t *at = malloc(words * sizeof(*at)), round = 0, bad = 0, told = 0;

	for (size_t i = 0; at && i < words; i++)
		at[i] = i * 0x9e3779b97f4a7c15u;
	while (at) {
		for (size_t i = 0; i < words; i++) {
			bad += at[i] != i * 0x9e3779b97f4a7c15u;
			if (i % (1u << 16) == 0)
				usleep(pause_ms * 1000 / 4);
		}
		round++;
		if (now_ms() - told >= TICK_MS) {
			told = now_ms();
			printf("load memory t=%lu round=%lu bad=%lu\n", told, round, bad);
		}
	}
	die("memory");
}

int main(int count, char **arguments)
{
	setvbuf(stdout, NULL, _IOLBF, 512);
	pause_ms = count > 2 ? (unsigned int)atoi(arguments[2]) : 0;
	if (count == 7 && !strcmp(arguments[1], "tcp"))
		tcp(arguments + 3);
	if (count == 5 && !strcmp(arguments[1], "disk"))
		use_disk(arguments + 3);
	if (count == 4 && !strcmp(arguments[1], "memory"))
		memory(arguments + 3);
	fputs("load tcp PAUSE-MS ADDRESS UP-PORT DOWN-PORT KIB-PER-SECOND | load disk PAUSE-MS FILE KIB | load memory PAUSE-MS MIB\n", stderr);
	return 2;
}
