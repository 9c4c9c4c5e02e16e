/* SPDX-License-Identifier: MIT */
/* The pulse of xenstored, against one that answers, hangs, goes on, and dies as the test wants it to. */
#include "lib/pulse.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#define INTERVAL_MS	20
#define PATIENCE	150	/* 3 s: whoever runs this may stand still for most of that, and hangs nobody */
#define LONG_MS		5000

static char path[64];
static int listener;
static pthread_t daemon_thread;
static atomic_bool hangs;
static atomic_int changes;
static atomic_int peer;

static void *daemon_run(void *unused)
{
	struct xsd_sockmsg head;
	char text[64];
	int file = accept(listener, NULL, NULL);

	peer = file;
	while (recv(file, &head, sizeof(head), MSG_WAITALL) == sizeof(head) && head.len < sizeof(text) &&
	       recv(file, text, head.len, MSG_WAITALL) == (ssize_t)head.len) {
		while (hangs)
			usleep(1000);
		head.len = 8;
		if (send(file, &head, sizeof(head), MSG_NOSIGNAL) < 0 || send(file, "Domain-0", 8, MSG_NOSIGNAL) < 0)
			break;
	}
	close(file);
	return NULL;
}

static void given_daemon(bool is_hung)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	hangs = is_hung;
	changes = 0;
	peer = -1;
	snprintf(path, sizeof(path), "/tmp/skink-pulse-%d", getpid());
	unlink(path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(listener, 1), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&daemon_thread, NULL, daemon_run, NULL), 0);
}

static void told(void *context)
{
	changes++;
}

static struct pulse *given_pulse(void)
{
	const struct pulse_setting setting = { path, INTERVAL_MS, PATIENCE, told, NULL };

	return pulse_start(&setting);
}

static bool comes_to(struct pulse *pulse, enum pulse_state state)
{
	for (int i = 0; i < LONG_MS && pulse_state(pulse) != state; i++)
		usleep(1000);
	return pulse_state(pulse) == state;
}

static void daemon_dies(struct pulse *pulse)
{
	hangs = false;
	shutdown(peer, SHUT_RDWR);
	pthread_join(daemon_thread, NULL);
	close(listener);
	unlink(path);
	CU_ASSERT_TRUE(comes_to(pulse, PULSE_GONE));
}

static void without_a_daemon_there_is_no_pulse(void)
{
	snprintf(path, sizeof(path), "/tmp/skink-pulse-%d", getpid());
	CU_ASSERT_PTR_NULL(given_pulse());
}

static void call_that_waits_fails_when_the_daemon_hangs(void)		/* PU1 */
{
	struct pulse *pulse;
	int waiting[2];
	char byte;

	given_daemon(false);
	pulse = given_pulse();
	CU_ASSERT_PTR_NOT_NULL_FATAL(pulse);
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, waiting), 0);
	CU_ASSERT_TRUE(pulse_guard(pulse, waiting[0]));
	CU_ASSERT_TRUE(pulse_is_whole(pulse));
	hangs = true;
	CU_ASSERT_EQUAL(recv(waiting[0], &byte, 1, 0), 0);	/* returns at all */
	CU_ASSERT_EQUAL(pulse_state(pulse), PULSE_HANGS);
	CU_ASSERT_FALSE(pulse_is_whole(pulse));
	CU_ASSERT_FALSE(pulse_guard(pulse, waiting[1]));
	hangs = false;
	CU_ASSERT_TRUE(comes_to(pulse, PULSE_ANSWERS));
	CU_ASSERT_TRUE(pulse_guard(pulse, waiting[1]));
	CU_ASSERT_EQUAL(changes, 2);
	daemon_dies(pulse);
	close(waiting[0]);
	close(waiting[1]);
}

static void daemon_that_answers_slowly_does_not_hang(void)
{
	struct pulse *pulse;

	given_daemon(false);
	pulse = given_pulse();
	CU_ASSERT_PTR_NOT_NULL_FATAL(pulse);
	for (int i = 0; i < 5; i++) {
		hangs = true;
		usleep(2 * INTERVAL_MS * 1000);
		hangs = false;
		usleep(3 * INTERVAL_MS * 1000);
	}
	CU_ASSERT_EQUAL(pulse_state(pulse), PULSE_ANSWERS);
	CU_ASSERT_EQUAL(changes, 0);
	daemon_dies(pulse);
}

static void daemon_that_hangs_at_the_start_is_known_to_hang(void)
{
	struct pulse *pulse;

	given_daemon(true);
	pulse = given_pulse();
	CU_ASSERT_PTR_NOT_NULL_FATAL(pulse);
	CU_ASSERT_EQUAL(pulse_state(pulse), PULSE_HANGS);
	hangs = false;
	CU_ASSERT_TRUE(comes_to(pulse, PULSE_ANSWERS));
	daemon_dies(pulse);
	CU_ASSERT_EQUAL(changes, 2);
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("pulse", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(without_a_daemon_there_is_no_pulse);
	TEST(call_that_waits_fails_when_the_daemon_hangs);
	TEST(daemon_that_answers_slowly_does_not_hang);
	TEST(daemon_that_hangs_at_the_start_is_known_to_hang);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
