/* SPDX-License-Identifier: MIT */
#include "lib/health.h"

#define LOOKS		4		/* in `hang`, at one in doubt ... */
#define BUSY_LOOKS	2		/* ... and in so much of the CPU time of one that gives signs of life, */
#define BUSY_STRETCH	4		/* but at most so many times as far apart as if it had a CPU of its own */
#define LATE_PART	16		/* HE2 */
#define TAKEN_PART	16		/* HE9: of a step, the most that a look is thought to take */
#define LOOK_MIN_NS	250000UL	/* looks at a driver that works ... */
#define IDLE_MAX_NS	20000000UL	/* ... and at one that does nothing */
#define ROUNDS_MIN	64		/* HE6: without an answer; and CPU time for each request that waits */
#define REQUEST_NS	1000000UL
#define MUTE_BEATS	2		/* heartbeats that may be missing, and a little */
#define MUTE_MORE_NS	100000000UL

static uint64_t since(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}

static uint64_t part_ns(const struct health *health, uint64_t looks)
{
	uint64_t part = health->setting.hang_ns / looks;

	return part > LOOK_MIN_NS ? part : LOOK_MIN_NS;
}

static uint64_t step_ns(const struct health *health)
{
	return part_ns(health, LOOKS);
}

void health_begin(struct health *health, const struct health_setting *setting, const struct health_look *look)
{
	*health = (struct health){ .setting = *setting, .last = *look, .beat_ns = look->now_ns,
				   .answer_cpu_ns = look->cpu_ns, .whole_cpu_ns = look->cpu_ns };
	health->idle_ns = part_ns(health, BUSY_LOOKS);
	health->next_ns = look->now_ns + health->idle_ns;
}

/* ---- heartbeats ---- */

static void credit_add(struct health *health, const struct health_look *look)
{
	uint64_t step = step_ns(health), cpu_ns = since(health->last.cpu_ns, look->cpu_ns);
	bool is_late = look->now_ns > health->next_ns + step / 2;
	uint64_t most = is_late ? step / LATE_PART : step, from_afar = since(health->credit_ns, health->setting.hang_ns / 2);

	if (!look->is_close)
		most = is_late && most < from_afar ? most : from_afar;		/* HE3: half of it */
	health->credit_ns += cpu_ns < most ? cpu_ns : most;
}

/* What it has had beyond `hang` it had until whoever looks was woken, which was not before he wanted to be. */
static uint64_t deadline_ns(const struct health *health, const struct health_look *look, uint64_t left)
{
	uint64_t woken_ns = health->next_ns < look->now_ns ? health->next_ns : look->now_ns;
	uint64_t passed_ns = since(since(health->setting.hang_ns, health->credit_ns), woken_ns);
	uint64_t earliest_ns = health->last.now_ns + left;

	return passed_ns > earliest_ns ? passed_ns : earliest_ns;
}

static enum health_verdict heart_judge(struct health *health, const struct health_look *look)
{
	uint64_t left = since(health->credit_ns, health->setting.hang_ns);

	if (look->heartbeat != health->last.heartbeat || look->is_resetting || look->is_held) {
		health->credit_ns = 0;
		health->beat_ns = look->now_ns;
		return HEALTH_WELL;
	}
	credit_add(health, look);
	if (health->credit_ns >= health->setting.hang_ns) {
		health->passed_ns = deadline_ns(health, look, left);
		return HEALTH_HANG;
	}
	if (!look->is_blocked || !health->last.is_blocked)
		health->beat_ns = look->now_ns;		/* HE1: it may have waited for a CPU */
	if (since(health->beat_ns, look->now_ns) > MUTE_BEATS * health->setting.heartbeat_ns + MUTE_MORE_NS)
		return HEALTH_MUTE;
	return health->credit_ns >= health->setting.hang_ns / 2 ? HEALTH_DOUBT : HEALTH_WELL;
}

/* ---- answers ---- */

static enum health_verdict answers_judge(struct health *health, const struct health_look *look)
{
	bool goes_on = look->waiting && health->had_work && look->answered == health->answered;

	health->was_blocked |= look->is_blocked;
	if (!look->is_whole)
		return HEALTH_WELL;
	health->had_work = look->waiting;
	health->answered = look->answered;
	if (!goes_on) {
		health->answer_ns = health->fair_ns;
		health->answer_cpu_ns = look->cpu_ns;
		health->was_blocked = look->is_blocked;
		return HEALTH_WELL;
	}
	if (health->fair_ns - health->answer_ns < health->setting.device_ns)
		return HEALTH_WELL;
	if (health->was_blocked)
		return HEALTH_SILENT;
	return since(health->answer_cpu_ns, look->cpu_ns) >= health->setting.hang_ns ? HEALTH_LIVELOCK : HEALTH_WELL;
}

/* ---- rounds that lead nowhere: HE6 ---- */

static bool is_restless(const struct health *health, const struct health_look *look)
{
	return look->rested && look->rested == health->last.rested && !look->is_resetting;
}

bool health_wants_rings(const struct health *health, const struct health_look *look)
{
	return is_restless(health, look) && since(health->whole_cpu_ns, look->cpu_ns) >= health->setting.hang_ns;
}

static enum health_verdict rounds_judge(struct health *health, const struct health_look *look)
{
	uint64_t enough_ns = health->setting.hang_ns + look->waiting * REQUEST_NS;

	if (look->is_whole)
		health->whole_cpu_ns = look->cpu_ns;
	if (look->is_held || !is_restless(health, look))
		health->restless.is_begun = false;
	else if (look->is_whole && (!health->restless.is_begun || !look->waiting || look->answered != health->restless.answered)) {
		health->restless.is_begun = true;
		health->restless.cpu_ns = look->cpu_ns;
		health->restless.heartbeat = look->heartbeat;
		health->restless.answered = look->answered;
	} else if (look->is_whole && since(health->restless.cpu_ns, look->cpu_ns) >= enough_ns &&
		   look->heartbeat - health->restless.heartbeat >= ROUNDS_MIN)
		return HEALTH_LIVELOCK;
	return HEALTH_WELL;
}

/* ---- when to look again ---- */

/* HE5: a driver that gets half of a CPU is looked at half as often, and one that the looks themselves keep from its CPU too. */
static uint64_t busy_pause_ns(const struct health *health, const struct health_look *look)
{
	uint64_t part = part_ns(health, BUSY_LOOKS), wall_ns = since(health->last.now_ns, look->now_ns);
	uint64_t cpu_ns = since(health->last.cpu_ns, look->cpu_ns);

	if (cpu_ns <= wall_ns / BUSY_STRETCH)
		return part * BUSY_STRETCH;
	return cpu_ns < wall_ns ? (uint64_t)((unsigned __int128)part * wall_ns / cpu_ns) : part;
}

/* HE9: the least that was taken between two close looks. What others have had besides may be another amount the next time. */
static void note_taken(struct health *health, const struct health_look *look)
{
	uint64_t taken_ns = since(since(health->last.cpu_ns, look->cpu_ns), since(health->last.now_ns, look->now_ns));

	if (!look->is_close)
		health->taken_ns = step_ns(health) / TAKEN_PART;
	else if (taken_ns < health->taken_ns)
		health->taken_ns = taken_ns;
}

/* HE9: a short one is the last, in which nobody else is likely to have the CPU. */
static uint64_t close_pause_ns(const struct health *health)
{
	uint64_t step = step_ns(health), left = since(health->credit_ns, health->setting.hang_ns);

	if (left > 2 * LOOK_MIN_NS)
		left = left - LOOK_MIN_NS < step ? left - LOOK_MIN_NS : step;
	return left + health->taken_ns;
}

static uint64_t pause_ns(struct health *health, const struct health_look *look, enum health_verdict heart)
{
	note_taken(health, look);
	if (heart == HEALTH_DOUBT)
		return close_pause_ns(health);
	if (look->cpu_ns != health->last.cpu_ns || !look->is_blocked)
		return health->idle_ns = busy_pause_ns(health, look);
	if (health->idle_ns < IDLE_MAX_NS)
		health->idle_ns = 2 * health->idle_ns < IDLE_MAX_NS ? 2 * health->idle_ns : IDLE_MAX_NS;
	return health->idle_ns;
}

/* ---- time ---- */

/* Between two looks it was awake and had no CPU: that time does not count. */
static bool has_starved(const struct health *health, const struct health_look *look)
{
	return !look->is_blocked && !health->last.is_blocked && look->heartbeat == health->last.heartbeat;
}

/* HE7 */
static void time_passes(struct health *health, const struct health_look *look)
{
	uint64_t passed_ns = since(health->last.now_ns, look->now_ns), late_ns = since(health->next_ns, look->now_ns);

	if (late_ns <= step_ns(health) / 2)
		late_ns = 0;
	health->beat_ns += late_ns;
	if (!has_starved(health, look) && !look->is_held)
		health->fair_ns += since(late_ns, passed_ns);
}

enum health_verdict health_judge(struct health *health, const struct health_look *look)
{
	enum health_verdict heart, answers, rounds;

	time_passes(health, look);
	heart = heart_judge(health, look);
	answers = answers_judge(health, look);
	rounds = rounds_judge(health, look);

	health->next_ns = look->now_ns + pause_ns(health, look, heart);
	health->last = *look;
	if (heart == HEALTH_HANG || heart == HEALTH_MUTE)
		return heart;
	return rounds != HEALTH_WELL ? rounds : answers != HEALTH_WELL ? answers : heart;
}
