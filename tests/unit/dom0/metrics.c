/* SPDX-License-Identifier: MIT */
/* The metrics' socket and port, and those who misuse them (ME1). A loop of its own, no core. */
#include <CUnit/Basic.h>
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "skinkd/host.h"
#include "skinkd/metrics.h"
#include "skinkd/rpc.h"

#define BODY	"skink_x 1\n# EOF\n"
#define PORT	((uint16_t)(20000 + getpid() % 20000))

struct host host;
static int written;

void metrics_write(FILE *to)
{
	written++;
	fputs(BODY, to);
}

bool rpc_socket_mode(const char *path)
{
	return true;
}

static void turn(void)
{
	for (int i = 0; i < 30; i++)
		uv_run(host.loop, UV_RUN_NOWAIT);
}

static int visit(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, host.conf.metrics_socket);
	CU_ASSERT_EQUAL(connect(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
	turn();
	return descriptor;
}

/* All that comes, until the connection is closed; "": nothing yet. */
static const char *hear(int descriptor)
{
	static char text[65536];
	size_t bytes = 0;
	ssize_t got;

	turn();
	while (bytes < sizeof(text) - 1 && (got = read(descriptor, text + bytes, sizeof(text) - 1 - bytes)) > 0)
		bytes += (size_t)got;
	text[bytes] = 0;
	return text;
}

static const char *ask(const char *request)
{
	int descriptor = visit();
	const char *answer;

	CU_ASSERT_EQUAL(send(descriptor, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	answer = hear(descriptor);
	close(descriptor);
	turn();
	return answer;
}

static void who_asks_for_metrics_gets_them(void)
{
	const char *answer = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");

	CU_ASSERT_PTR_NOT_NULL(strstr(answer, "HTTP/1.1 200 OK\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(answer, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(answer, "Content-Length: 16\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\r\n\r\n" BODY));
	answer = ask("HEAD /metrics HTTP/1.0\r\n\r\n");
	CU_ASSERT_PTR_NULL(strstr(answer, BODY));
	CU_ASSERT_PTR_NOT_NULL(strstr(answer, "Content-Length: 16\r\n"));
}

static void who_asks_for_something_else_is_told_so(void)
{
	written = 0;
	CU_ASSERT_PTR_NOT_NULL(strstr(ask("GET / HTTP/1.1\r\n\r\n"), " 404 "));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask("GET /metricsandmore HTTP/1.1\r\n\r\n"), " 404 "));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask("POST /metrics HTTP/1.1\r\n\r\n"), " 405 "));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask("nonsense\r\n\r\n"), " 400 "));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask("GET /metrics GOPHER\r\n\r\n"), " 400 "));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask("\n\n"), " 400 "));
	CU_ASSERT_EQUAL(written, 0);
}

static void a_head_without_end_is_refused(void)
{
	static char head[8192];
	int descriptor = visit();

	memset(head, 'a', sizeof(head));
	send(descriptor, head, 4096, MSG_NOSIGNAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(hear(descriptor), " 431 "));
	close(descriptor);
	turn();
}

static void a_head_may_come_in_pieces(void)
{
	static const char *const pieces[] = { "GE", "T /metr", "ics HTTP/1.1\r\n", "\r", "\n" };
	int descriptor = visit();

	for (int i = 0; i < 5; i++) {
		CU_ASSERT_STRING_EQUAL(hear(descriptor), "");
		send(descriptor, pieces[i], strlen(pieces[i]), MSG_NOSIGNAL);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(hear(descriptor), BODY));
	close(descriptor);
	turn();
}

static void who_comes_in_hordes_is_turned_away_and_others_are_served_afterwards(void)
{
	int descriptor[40];
	size_t refused = 0;
	char byte;

	for (int i = 0; i < 40; i++)
		descriptor[i] = visit();
	for (int i = 0; i < 40; i++)
		refused += read(descriptor[i], &byte, 1) == 0;
	CU_ASSERT_EQUAL(refused, 40 - 16);
	for (int i = 0; i < 40; i++)
		close(descriptor[i]);
	turn();
	CU_ASSERT_PTR_NOT_NULL(strstr(ask("GET /metrics HTTP/1.1\r\n\r\n"), BODY));
}

static void who_says_nothing_is_sent_away(void)
{
	int descriptor = visit();
	ssize_t got;
	char byte;

	while ((got = read(descriptor, &byte, 1)) < 0 && errno == EAGAIN)
		uv_run(host.loop, UV_RUN_ONCE);		/* until its timer */
	CU_ASSERT_EQUAL(got, 0);
	close(descriptor);
	turn();
}

static void the_port_listens_where_it_was_told_to(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int descriptor = socket(AF_INET, SOCK_STREAM, 0);

	CU_ASSERT_EQUAL(connect(descriptor, (struct sockaddr *)&here, sizeof(here)), 0);
	send(descriptor, "GET /metrics HTTP/1.1\r\n\r\n", 25, MSG_NOSIGNAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(hear(descriptor), BODY));
	close(descriptor);
	turn();
}

/* In a process of its own: there is one socket and one port. */
static void a_socket_that_cannot_be_does_not_close_the_port(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(PORT + 1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	pid_t child = fork();
	int status;

	if (!child) {
		uv_loop_t loop;

		uv_loop_init(&loop);
		host.loop = &loop;
		host.conf.metrics_port = ntohs(here.sin_port);
		strcpy(host.conf.metrics_socket, "/nonexistent/metrics.sock");
		_exit(metrics_open() || connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&here, sizeof(here)));
	}
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	CU_pSuite suite;

	signal(SIGPIPE, SIG_IGN);
	host.loop = uv_default_loop();
	snprintf(host.conf.metrics_socket, sizeof(host.conf.metrics_socket), "/tmp/skink-metrics-%d.sock", getpid());
	strcpy(host.conf.metrics_address, "127.0.0.1");
	host.conf.metrics_port = PORT;
	if (!metrics_open())
		return 1;
	CU_initialize_registry();
	suite = CU_add_suite("metrics", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(who_asks_for_metrics_gets_them);
	TEST(who_asks_for_something_else_is_told_so);
	TEST(a_head_without_end_is_refused);
	TEST(a_head_may_come_in_pieces);
	TEST(who_comes_in_hordes_is_turned_away_and_others_are_served_afterwards);
	TEST(the_port_listens_where_it_was_told_to);
	TEST(a_socket_that_cannot_be_does_not_close_the_port);
	TEST(who_says_nothing_is_sent_away);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	metrics_close();
	return CU_get_number_of_failures() ? 1 : 0;
}
