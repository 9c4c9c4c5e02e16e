/* SPDX-License-Identifier: MIT */
/*
 * sql SOCKET	transactions of PostgreSQL whose result is known, by its own protocol (version 3, simple queries)
 *
 * Amounts go from one account to another, each in a transaction of its own; all accounts are read now and then and compared with what must
 * stand there. As load.c does, it prints a line of counters that only grow:
 *
 *	load sql t=8123 tx=40 read=5 bad=0 error=0 gap=31
 *
 * tx     transactions whose commit was answered; read: how often all accounts were compared
 * bad    accounts that were not what they had to be
 * error  queries that failed, and connections that ended: what stands there then is read anew
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS		100
#define PAUSE_US	30000
#define RETRY_US	200000
#define ACCOUNTS	64u
#define READ_EACH	4u		/* transactions */
#define PROTOCOL	(3u << 16)
#define MESSAGE_MAX	65536u

struct account {
	int64_t balance, version;
};

static struct {
	int socket;			/* -1: not connected */
	bool is_known;			/* expected[] is what stands there */
	struct account expected[ACCOUNTS];
	uint64_t transactions, reads, bad, errors, begun_ms, told_ms, gap_ms;
	uint32_t seed;
} sql = { .socket = -1, .seed = 0x5eed0004 };

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint32_t random_below(uint32_t limit)
{
	sql.seed ^= sql.seed << 13;
	sql.seed ^= sql.seed >> 17;
	sql.seed ^= sql.seed << 5;
	return sql.seed % limit;
}

/* The counters go on while an answer is awaited. */
static void line(void)
{
	uint64_t now = now_ms();

	if (now - sql.told_ms < TICK_MS)
		return;
	if (sql.begun_ms && now - sql.begun_ms > sql.gap_ms)
		sql.gap_ms = now - sql.begun_ms;
	printf("load sql t=%lu tx=%lu read=%lu bad=%lu error=%lu gap=%lu\n", now, sql.transactions, sql.reads, sql.bad, sql.errors, sql.gap_ms);
	sql.told_ms = now;
	sql.gap_ms = 0;
}

/* ---- the connection ---- */

static bool take(void *to, size_t bytes)
{
	for (uint8_t *at = to; bytes; line()) {
		ssize_t count = read(sql.socket, at, bytes);

		if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		at += count > 0 ? count : 0;
		bytes -= count > 0 ? (size_t)count : 0;
	}
	return true;
}

/* A message's kind, and its text with a zero behind it; 0: the connection has ended. */
static char take_message(char *text, uint32_t *bytes)
{
	struct __attribute__((packed)) { char kind; uint32_t bytes; } head;

	if (!take(&head, sizeof(head)))
		return 0;
	*bytes = ntohl(head.bytes) - 4;
	if (*bytes >= MESSAGE_MAX || !take(text, *bytes))
		return 0;
	text[*bytes] = 0;
	return head.kind;
}

/* A row's column, as a number. */
static int64_t number_in(const char **at)
{
	uint32_t bytes;
	char text[32] = "";

	memcpy(&bytes, *at, sizeof(bytes));
	bytes = ntohl(bytes);
	*at += sizeof(bytes);
	if (bytes >= sizeof(text))
		return INT64_MIN;
	memcpy(text, *at, bytes);
	*at += bytes;
	return strtoll(text, NULL, 10);
}

/* id, balance, version, and 1 if its note is that of its version. */
static void take_row(const char *row, uint32_t bytes, struct account *found, uint64_t *wrong)
{
	const char *at = row + sizeof(uint16_t);
	int64_t id = number_in(&at), balance = number_in(&at), version = number_in(&at), is_sound = number_in(&at);

	if (id < 0 || id >= (int64_t)ACCOUNTS || at > row + bytes)
		++*wrong;
	else {
		found[id] = (struct account){ balance, version };
		*wrong += is_sound != 1;
	}
}

/* Until the server is ready again. False: it has refused something, or is gone. */
static bool take_answers(struct account *found, uint64_t *wrong)
{
	static char text[MESSAGE_MAX];
	bool is_good = true;
	uint32_t bytes;

	for (;;) {
		char kind = take_message(text, &bytes);

		if (kind == 'D' && found)
			take_row(text, bytes, found, wrong);
		if (kind == 'E' || !kind) {
			is_good = false;
			sql.errors++;
		}
		if (kind == 'Z')
			return is_good;
		if (!kind) {
			close(sql.socket);
			sql.socket = -1;
			return false;
		}
	}
}

static bool query(const char *text, struct account *found, uint64_t *wrong)
{
	uint32_t bytes = htonl((uint32_t)strlen(text) + 5);
	bool is_good;

	sql.begun_ms = now_ms();
	is_good = send(sql.socket, "Q", 1, MSG_NOSIGNAL) == 1 && send(sql.socket, &bytes, sizeof(bytes), MSG_NOSIGNAL) == sizeof(bytes) &&
		  send(sql.socket, text, strlen(text) + 1, MSG_NOSIGNAL) == (ssize_t)strlen(text) + 1;
	is_good = take_answers(found, wrong) && is_good;
	if (now_ms() - sql.begun_ms > sql.gap_ms)
		sql.gap_ms = now_ms() - sql.begun_ms;
	sql.begun_ms = 0;
	return is_good;
}

static bool open_connection(const char *path)
{
	static const char parameters[] = "user\0postgres\0database\0postgres\0";
	const uint32_t head[2] = { htonl(sizeof(head) + sizeof(parameters)), htonl(PROTOCOL) };
	const struct timeval tick = { 0, TICK_MS * 1000 };
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	sql.socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(sql.socket, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof(tick));
	if (!connect(sql.socket, (struct sockaddr *)&to, sizeof(to)) && send(sql.socket, head, sizeof(head), MSG_NOSIGNAL) == sizeof(head) &&
	    send(sql.socket, parameters, sizeof(parameters), MSG_NOSIGNAL) == sizeof(parameters))
		return true;
	close(sql.socket);
	sql.socket = -1;
	return false;
}

/* A server that comes up, or recovers, is waited for: that nothing goes on meanwhile is seen by the counters. */
static void connect_to(const char *path)
{
	for (;; usleep(RETRY_US)) {
		uint64_t errors = sql.errors;

		line();
		if (open_connection(path) && take_answers(NULL, NULL))
			return;
		sql.errors = errors;
		if (sql.socket >= 0)
			close(sql.socket);
		sql.socket = -1;
	}
}

/* ---- the accounts ---- */

#define NOTE		"repeat(md5(id || ':' || version), 8)"

static void read_all(void)
{
	struct account found[ACCOUNTS] = { 0 };
	uint64_t wrong = 0;

	if (!query("SELECT id, balance, version, (note = " NOTE ")::int FROM account", found, &wrong))
		return;
	for (uint32_t i = 0; i < ACCOUNTS && sql.is_known; i++)
		wrong += found[i].balance != sql.expected[i].balance || found[i].version != sql.expected[i].version;
	sql.bad += wrong;
	memcpy(sql.expected, found, sizeof(found));
	sql.is_known = true;
	sql.reads++;
}

/* One query is one transaction. Of one whose commit was not answered nobody knows whether it was done. */
static void transfer(void)
{
	uint32_t from = random_below(ACCOUNTS), to = (from + 1 + random_below(ACCOUNTS - 1)) % ACCOUNTS, amount = random_below(1000);
	char text[512];

	snprintf(text, sizeof(text), "UPDATE account SET balance = balance - %u, version = version + 1, note = repeat(md5(id || ':' || version + 1), 8) "
		 "WHERE id = %u; UPDATE account SET balance = balance + %u, version = version + 1, note = repeat(md5(id || ':' || version + 1), 8) "
		 "WHERE id = %u", amount, from, amount, to);
	if (!query(text, NULL, NULL)) {
		sql.is_known = false;
		return;
	}
	sql.transactions++;
	sql.expected[from].balance -= amount;
	sql.expected[to].balance += amount;
	sql.expected[from].version++;
	sql.expected[to].version++;
}

static bool make_accounts(void)
{
	return query("DROP TABLE IF EXISTS account; CREATE TABLE account (id int PRIMARY KEY, balance bigint, version bigint, note text); "
		     "INSERT INTO account SELECT id, 1000000, 0, repeat(md5(id || ':0'), 8) FROM generate_series(0, 63) AS id", NULL, NULL);
}

int main(int count, char **arguments)
{
	bool is_made = false;

	setvbuf(stdout, NULL, _IOLBF, 512);
	if (count != 2) {
		fputs("sql SOCKET\n", stderr);
		return 2;
	}
	for (uint64_t round = 0;; round++) {
		if (sql.socket < 0)
			connect_to(arguments[1]);
		if (!is_made)
			is_made = make_accounts();
		else if (round % READ_EACH == 0 || !sql.is_known)
			read_all();
		else
			transfer();
		line();
		usleep(PAUSE_US);
	}
}
