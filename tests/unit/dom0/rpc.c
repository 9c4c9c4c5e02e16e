/* SPDX-License-Identifier: MIT */
/* skinkd's socket against clients that do not behave; its configuration and its small texts. A loop of its own, no core. */
#include <CUnit/Basic.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "skinkd/conf.h"
#include "skinkd/host.h"
#include "skinkd/rpc.h"
#include "skinkd/text.h"

struct host host;

static struct request *kept;		/* the last request of `keep`: nobody has answered it */

static bool always(const json_t *params)
{
	return true;
}

static void method_echo(struct request *request)
{
	const char *text;

	if (rpc_unpack(request, "{s:s}", "text", &text))
		rpc_answer(request, json_pack("{s:s}", "text", text));
}

static void method_keep(struct request *request)
{
	kept = request;
}

static void method_large(struct request *request)
{
	char *text = malloc(1 << 20);

	memset(text, 'x', 1 << 20);
	rpc_answer(request, json_pack("{s:s%}", "text", text, (size_t)1 << 20));
	free(text);
}

static void method_follow(struct request *request)
{
	rpc_follow(request);
	rpc_answer(request, json_object());
}

const struct method methods[] = {
	{ "echo", method_echo, always },
	{ "keep", method_keep, always },
	{ "large", method_large, always },
	{ "follow", method_follow, always },
	{ NULL, NULL, NULL },
};

/* ---- a client ---- */

static int client(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_usec = 1000 };
	int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, host.conf.socket);
	CU_ASSERT_EQUAL_FATAL(connect(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
	setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return descriptor;
}

static void turn(void)
{
	for (int i = 0; i < 20; i++)
		uv_run(host.loop, UV_RUN_NOWAIT);
}

/* Sends all of it, and lets the daemon work meanwhile. */
static void say_to(int descriptor, const char *text, size_t bytes)
{
	while (bytes) {
		ssize_t put = send(descriptor, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (put < 0 && errno != EAGAIN)
			return;
		if (put > 0) {
			text += put;
			bytes -= (size_t)put;
		}
		turn();
	}
	turn();
}

/* The next line; "" if the connection has ended, or nothing comes. */
static const char *hear(int descriptor)
{
	static char line[2 << 20];
	size_t bytes = 0;
	int quiet = 0;

	while (bytes < sizeof(line) - 1 && quiet < 50) {
		ssize_t got = recv(descriptor, line + bytes, 1, 0);

		if (got == 0)
			break;
		if (got < 0) {
			quiet++;
			turn();
			continue;
		}
		if (line[bytes] == '\n')
			break;
		bytes++;
	}
	line[bytes] = 0;
	return line;
}

static bool hears(int descriptor, const char *text)
{
	return strstr(hear(descriptor), text) != NULL;
}

#define REQUEST(method, params) "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"" method "\",\"params\":" params "}\n"

static void ask(int descriptor, const char *line)
{
	say_to(descriptor, line, strlen(line));
}

static bool has_ended(int descriptor)
{
	char byte;

	turn();
	return recv(descriptor, &byte, 1, 0) == 0;
}

static void end(int descriptor)
{
	close(descriptor);
	turn();
}

/* ---- what is tried ---- */

static void request_is_answered_with_its_id(void)
{
	int one = client();

	ask(one, REQUEST("echo", "{\"text\":\"a\"}"));
	CU_ASSERT(hears(one, "\"id\":7,\"result\":{\"text\":\"a\"}"));
	end(one);
}

static void request_in_pieces_is_one_request(void)
{
	const char *line = REQUEST("echo", "{\"text\":\"in pieces\"}");
	int one = client();

	for (; *line; line++)
		say_to(one, line, 1);
	CU_ASSERT(hears(one, "in pieces"));
	end(one);
}

static void requests_in_one_piece_are_answered_each(void)	/* Q1 */
{
	int one = client();

	ask(one, REQUEST("echo", "{\"text\":\"first\"}") REQUEST("echo", "{\"text\":\"second\"}") "\n" REQUEST("echo", "{\"text\":\"third\"}"));
	CU_ASSERT(hears(one, "first"));
	CU_ASSERT(hears(one, "second"));
	CU_ASSERT(hears(one, "third"));
	end(one);
}

static void unknown_methods_and_parameters_are_refused(void)
{
	int one = client();

	ask(one, REQUEST("shave", "{}"));
	CU_ASSERT(hears(one, "there is no method 'shave'"));
	ask(one, REQUEST("echo", "{\"text\":\"a\",\"loud\":true}"));
	CU_ASSERT(hears(one, "\"code\":2"));
	ask(one, REQUEST("echo", "{\"text\":5}"));
	CU_ASSERT(hears(one, "\"code\":2"));
	ask(one, REQUEST("echo", "[]"));
	CU_ASSERT(hears(one, "\"code\":2"));
	end(one);
}

/* Whatever is cut to fit is cut in the middle of a character too. */
static void long_names_that_are_not_ascii_are_refused_in_utf8(void)
{
	char name[2600], line[2 * sizeof(name)];
	int one = client();

	for (int length = 60; length < 1250; length++) {
		snprintf(name, sizeof(name), "%s", length % 2 ? "x" : "");
		for (int i = 0; i < length; i++)
			strcat(name, "\xc3\xa9");
		snprintf(line, sizeof(line), REQUEST("%s", "{}"), name);
		ask(one, line);
		CU_ASSERT_FATAL(hears(one, "\"code\":2"));
		snprintf(line, sizeof(line), REQUEST("echo", "{\"text\":\"a\",\"%s\":1}"), name);
		ask(one, line);
		CU_ASSERT_FATAL(hears(one, "\"code\":2"));
	}
	end(one);
}

static void request_without_an_id_or_of_another_version_is_refused(void)
{
	int one = client();

	ask(one, "{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}\n");
	CU_ASSERT(hears(one, "no request of JSON-RPC"));
	ask(one, "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"echo\"}\n");
	CU_ASSERT(hears(one, "no request of JSON-RPC"));
	ask(one, "[1,2,3]\n");
	CU_ASSERT(hears(one, "no request of JSON-RPC"));
	end(one);
}

static void what_is_not_json_ends_the_connection(void)
{
	static const char *const lines[] = { "hello\n", "{\n", "\xff\xfe\n", "{\"a\":1,\"a\":2}\n", "\"\\ud800\"\n" };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int one = client();

		ask(one, lines[i]);
		CU_ASSERT(hears(one, "not JSON"));
		CU_ASSERT(has_ended(one));
		end(one);
	}
}

static void deep_nesting_is_refused(void)
{
	char *text = malloc(200001);
	int one = client();

	memset(text, '[', 200000);
	text[200000] = '\n';
	say_to(one, text, 200001);
	CU_ASSERT(hears(one, "not JSON"));
	free(text);
	end(one);
}

static void endless_line_is_cut_off(void)			/* Q3 */
{
	char *text = malloc(1 << 20);
	int one = client();

	memset(text, 'a', 1 << 20);
	for (int i = 0; i < 9; i++)
		say_to(one, text, 1 << 20);
	CU_ASSERT(hears(one, "longer than 8 MiB"));
	free(text);
	end(one);
}

static void answer_to_a_client_that_has_gone_is_lost(void)	/* Q1 */
{
	int one = client();

	kept = NULL;
	ask(one, REQUEST("keep", "{}"));
	CU_ASSERT_PTR_NOT_NULL_FATAL(kept);
	end(one);
	rpc_progress(kept, "still at it");
	rpc_answer(kept, json_object());
	turn();
}

/* A client that is not root, whoever runs this. */
static int poor_client(void)
{
	int one;

	CU_ASSERT_EQUAL(chmod(host.conf.socket, 0666), 0);
	CU_ASSERT(geteuid() != 0 || !seteuid(65534));
	one = client();
	CU_ASSERT(getuid() != 0 || !seteuid(0));
	turn();
	return one;
}

static void poor_client_has_so_many_requests_open_and_no_more(void)	/* Q3 */
{
	struct request *open[512];
	int one = poor_client(), others[8];

	for (int i = 0; i < 64; i++) {
		ask(one, REQUEST("keep", "{}"));
		open[i] = kept;
	}
	ask(one, REQUEST("keep", "{}"));
	CU_ASSERT(hears(one, "too many requests"));
	rpc_answer(open[0], NULL);
	CU_ASSERT(hears(one, "result"));
	ask(one, REQUEST("keep", "{}"));
	open[0] = kept;
	end(one);
	for (int i = 0; i < 448; i++) {
		if (i % 64 == 0)
			others[i / 64] = poor_client();
		ask(others[i / 64], REQUEST("keep", "{}"));
		open[64 + i] = kept;
	}
	others[7] = poor_client();
	ask(others[7], REQUEST("keep", "{}"));
	CU_ASSERT(hears(others[7], "too many requests"));
	for (int i = 0; i < 512; i++)
		rpc_answer(open[i], NULL);
	ask(others[7], REQUEST("echo", "{\"text\":\"a\"}"));
	CU_ASSERT(hears(others[7], "result"));
	for (int i = 0; i < 8; i++)
		end(others[i]);
}

static void client_that_does_not_read_is_cut_off(void)		/* Q3 */
{
	int one = client();

	for (int i = 0; i < 40; i++)
		ask(one, REQUEST("large", "{}"));
	turn();
	while (!has_ended(one) && hear(one)[0])
		;
	CU_ASSERT(has_ended(one));
	end(one);
}

static void follower_hears_and_may_go(void)
{
	json_t *event = json_pack("{s:s}", "kind", "created");
	int one = client(), two = client();

	ask(one, REQUEST("follow", "{}"));
	ask(two, REQUEST("follow", "{}"));
	CU_ASSERT(hears(one, "result"));
	rpc_tell_followers(event);
	CU_ASSERT(hears(one, "\"method\":\"event\",\"params\":{\"kind\":\"created\"}"));
	close(two);
	rpc_tell_followers(event);
	CU_ASSERT(hears(one, "created"));
	rpc_tell_followers(event);
	json_decref(event);
	end(one);
}

static void too_many_clients_are_told(void)
{
	int clients[70], told = 0;

	for (int i = 0; i < 70; i++) {
		clients[i] = client();
		turn();
	}
	for (int i = 60; i < 70; i++)
		told += hears(clients[i], "too many clients");
	CU_ASSERT_EQUAL(told, 6);
	for (int i = 0; i < 70; i++)
		end(clients[i]);
	request_is_answered_with_its_id();
}

/* ---- configuration and texts ---- */

static bool reads(const char *text)
{
	char name[] = "/tmp/skink-conf-XXXXXX";
	struct conf conf;
	int file = mkstemp(name);
	bool result;

	conf_defaults(&conf);
	CU_ASSERT_EQUAL(write(file, text, strlen(text)), (ssize_t)strlen(text));
	close(file);
	result = conf_read(&conf, name, false);
	unlink(name);
	return result;
}

static void configuration_is_taken_or_refused_as_a_whole(void)
{
	struct conf conf;

	CU_ASSERT(reads(""));
	CU_ASSERT(reads("# a comment\nsocket_group = wheel\nevents_kept = 10\n"));
	CU_ASSERT(reads("post_mortems_kept = 0\n"));
	CU_ASSERT(!reads("no_such_key = 1\n"));
	CU_ASSERT(!reads("events_kept = many\n"));
	CU_ASSERT(!reads("events_kept = -1\n"));
	CU_ASSERT(!reads("this is no line\n"));
	CU_ASSERT(!reads("[section]\nevents_kept = 1\n"));
	CU_ASSERT(!conf_read(&conf, "/nonexistent/skinkd.conf", false));
	CU_ASSERT(conf_read(&conf, "/nonexistent/skinkd.conf", true));
}

static void sets_of_cpus_are_read_and_written(void)
{
	static const char *const bad[] = { "", ",", "1,", "-1", "3-1", "64", "1-64", "1 2", "x", "0x1", "99999999999999999999" };
	char text[CPUS_TEXT];
	uint64_t cpus;

	CU_ASSERT(cpus_parse("0-3,5", &cpus) && cpus == 0x2f);
	cpus_print(cpus, 8, text);
	CU_ASSERT_STRING_EQUAL(text, "0-3,5");
	CU_ASSERT(cpus_parse("all", &cpus) && cpus == UINT64_MAX);
	cpus_print(cpus, 8, text);
	CU_ASSERT_STRING_EQUAL(text, "all");
	CU_ASSERT(cpus_parse("0-63", &cpus) && cpus == UINT64_MAX);
	cpus_print(0x5555555555555555, 64, text);
	CU_ASSERT(cpus_parse(text, &cpus) && cpus == 0x5555555555555555);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT(!cpus_parse(bad[i], &cpus));
}

static void what_is_no_utf8_becomes_question_marks(void)
{
	char text[] = "a\xff\xc3\xa9\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf\xe2\x82";
	json_t *json;

	text_make_utf8(text);
	json = json_string(text);
	CU_ASSERT_PTR_NOT_NULL(json);
	CU_ASSERT_STRING_EQUAL(text, "a?\xc3\xa9?????????\x3f\x3f");
	json_decref(json);
}

int main(void)
{
	CU_pSuite suite;
	char folder[] = "/tmp/skink-rpc-XXXXXX";

	if (!mkdtemp(folder) || chmod(folder, 0755))
		return 1;
	signal(SIGPIPE, SIG_IGN);
	host.loop = uv_default_loop();
	conf_defaults(&host.conf);
	host.conf.socket_group[0] = 0;
	snprintf(host.conf.socket, sizeof(host.conf.socket), "%s/sock", folder);
	if (!rpc_open())
		return 1;
	CU_initialize_registry();
	suite = CU_add_suite("rpc", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(request_is_answered_with_its_id);
	TEST(request_in_pieces_is_one_request);
	TEST(requests_in_one_piece_are_answered_each);
	TEST(unknown_methods_and_parameters_are_refused);
	TEST(long_names_that_are_not_ascii_are_refused_in_utf8);
	TEST(request_without_an_id_or_of_another_version_is_refused);
	TEST(what_is_not_json_ends_the_connection);
	TEST(deep_nesting_is_refused);
	TEST(endless_line_is_cut_off);
	TEST(answer_to_a_client_that_has_gone_is_lost);
	TEST(poor_client_has_so_many_requests_open_and_no_more);
	TEST(client_that_does_not_read_is_cut_off);
	TEST(follower_hears_and_may_go);
	TEST(too_many_clients_are_told);
	TEST(configuration_is_taken_or_refused_as_a_whole);
	TEST(sets_of_cpus_are_read_and_written);
	TEST(what_is_no_utf8_becomes_question_marks);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	rpc_close();
	rmdir(folder);
	return CU_get_number_of_failures() ? 1 : 0;
}
