/* SPDX-License-Identifier: MIT */
/* The calendar: the real-time clock, which counts 24 hours a day as the firmware of every PC sets it up. */
#include "cpu/ops.h"
#include "cpu/timer_hw.h"

#define RTC_INDEX	0x70
#define RTC_DATA	0x71
#define RTC_STATUS_A	10
#define RTC_STATUS_B	11
#define RTC_UPDATING	0x80
#define RTC_BINARY	0x04
#define RTC_TRIES	10000

enum { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, FIELDS };

static uint8_t rtc_register(uint8_t reg)
{
	port_out8(RTC_INDEX, reg);
	return port_in8(RTC_DATA);
}

static void rtc_read(uint8_t field[FIELDS])
{
	static const uint8_t reg[FIELDS] = { 0, 2, 4, 7, 8, 9 };
	bool is_binary = rtc_register(RTC_STATUS_B) & RTC_BINARY;

	for (size_t i = 0; i < FIELDS; i++) {
		uint8_t raw = rtc_register(reg[i]);

		field[i] = is_binary ? raw : (uint8_t)((raw >> 4) * 10 + (raw & 0xf));
	}
}

/* Days from 1970-01-01 to a date; months count from March, so that the leap day ends a year. */
static uint64_t days_since_1970(uint32_t year, uint32_t month, uint32_t day)
{
	uint32_t months = (month + 9) % 12;

	year -= month < 3;
	return year * 365ULL + year / 4 - year / 100 + year / 400 + (months * 306 + 5) / 10 + day - 1 - 719468;
}

uint64_t rtc_read_seconds(void)
{
	uint8_t now[FIELDS], again[FIELDS];

	/* Two readings that agree were not torn by the clock's own update. */
	for (int tries = 0; tries < RTC_TRIES; tries++) {
		bool is_updating = rtc_register(RTC_STATUS_A) & RTC_UPDATING;

		rtc_read(now);
		rtc_read(again);
		if (!is_updating && !memcmp(now, again, sizeof(now)))
			break;
	}
	return ((days_since_1970(now[YEAR] + (now[YEAR] < 70 ? 2000U : 1900U), now[MONTH], now[DAY]) * 24 +
		 now[HOUR]) * 60 + now[MINUTE]) * 60 + now[SECOND];
}
