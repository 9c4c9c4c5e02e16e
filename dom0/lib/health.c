/* SPDX-License-Identifier: MIT */
#include "lib/health.h"

#define LOOKS		4		/* in `hang` */
#define LATE_PART	16		/* HE2 */
#define LOOK_MIN_NS	250000UL	/* looks at a driver that works ... */
#define IDLE_MAX_NS	20000000UL	/* ... and at one that does nothing */
#define MUTE_BEATS	2		/* heartbeats that may be missing, and a little */
#define MUTE_MORE_NS	100000000UL

static uint64_t since(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}

static uint64_t step_ns(const struct health *health)
{
	uint64_t step = health->setting.hang_ns / LOOKS;

	return step > LOOK_MIN_NS ? step : LOOK_MIN_NS;
}

void health_begin(struct health *health, const struct health_setting *setting, const struct health_look *look)
{
	*health = (struct health){ .setting = *setting, .last = *look, .beat_ns = look->now_ns, .answer_ns = look->now_ns,
				   .answer_cpu_ns = look->cpu_ns };
	health->idle_ns = step_ns(health);
	health->next_ns = look->now_ns + health->idle_ns;
}

/* ---- heartbeats ---- */

static void credit_add(struct health *health, const struct health_look *look)
{
	uint64_t step = step_ns(health), cpu_ns = since(health->last.cpu_ns, look->cpu_ns);
	bool is_late = look->now_ns > health->next_ns + step / 2;
	uint64_t most = is_late ? step / LATE_PART : step;

	/* HE3: half of it is found from afar. */
	if (!look->is_close && health->credit_ns + cpu_ns > health->setting.hang_ns / 2)
		most = since(health->credit_ns, health->setting.hang_ns / 2);
	health->credit_ns += cpu_ns < most ? cpu_ns : most;
}

static enum health_verdict heart_judge(struct health *health, const struct health_look *look)
{
	if (look->heartbeat != health->last.heartbeat || look->is_resetting) {
		health->credit_ns = 0;
		health->beat_ns = look->now_ns;
		return HEALTH_WELL;
	}
	credit_add(health, look);
	if (health->credit_ns >= health->setting.hang_ns)
		return HEALTH_HANG;
	if (!look->is_blocked || !health->last.is_blocked)
		health->beat_ns = look->now_ns;		/* HE1: it may have waited for a CPU */
	if (since(health->beat_ns, look->now_ns) > MUTE_BEATS * health->setting.heartbeat_ns + MUTE_MORE_NS)
		return HEALTH_MUTE;
	return health->credit_ns >= health->setting.hang_ns / 2 ? HEALTH_DOUBT : HEALTH_WELL;
}

/* ---- answers ---- */

/* Between two looks it was awake and had no CPU: that time does not count. */
static bool has_starved(const struct health *health, const struct health_look *look)
{
	return !look->is_blocked && !health->last.is_blocked && look->heartbeat == health->last.heartbeat;
}

static enum health_verdict answers_judge(struct health *health, const struct health_look *look)
{
	bool goes_on = look->has_work && health->had_work && look->answered == health->answered;

	health->was_blocked |= look->is_blocked;
	if (has_starved(health, look))
		health->answer_ns += since(health->last.now_ns, look->now_ns);
	if (!look->is_whole)
		return HEALTH_WELL;
	health->had_work = look->has_work;
	health->answered = look->answered;
	if (!goes_on) {
		health->answer_ns = look->now_ns;
		health->answer_cpu_ns = look->cpu_ns;
		health->was_blocked = look->is_blocked;
		return HEALTH_WELL;
	}
	if (since(health->answer_ns, look->now_ns) < health->setting.device_ns)
		return HEALTH_WELL;
	if (health->was_blocked)
		return HEALTH_SILENT;
	return since(health->answer_cpu_ns, look->cpu_ns) >= health->setting.hang_ns ? HEALTH_LIVELOCK : HEALTH_WELL;
}

/* ---- when to look again ---- */

static uint64_t pause_ns(struct health *health, const struct health_look *look, enum health_verdict heart)
{
	uint64_t step = step_ns(health), left = since(health->credit_ns, health->setting.hang_ns);

	if (heart == HEALTH_DOUBT)
		return left && left < step ? left : step;
	if (look->cpu_ns != health->last.cpu_ns || !look->is_blocked)
		health->idle_ns = step;
	else if (health->idle_ns < IDLE_MAX_NS)
		health->idle_ns = 2 * health->idle_ns < IDLE_MAX_NS ? 2 * health->idle_ns : IDLE_MAX_NS;
	return health->idle_ns;
}

enum health_verdict health_judge(struct health *health, const struct health_look *look)
{
	enum health_verdict heart = heart_judge(health, look), answers = answers_judge(health, look);

	health->next_ns = look->now_ns + pause_ns(health, look, heart);
	health->last = *look;
	return heart == HEALTH_HANG || heart == HEALTH_MUTE || answers == HEALTH_WELL ? heart : answers;
}
