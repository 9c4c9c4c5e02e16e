/* SPDX-License-Identifier: MIT */
/* What keeps time besides the CPU: the ACPI PM timer or the PIT, and the calendar. */
#include "boot/acpi.h"
#include "cpu/ops.h"
#include "cpu/timer_hw.h"

#define PM_TIMER_HZ		3579545
#define PIT_HZ			1193182
#define PIT_CHANNEL_2		0x42
#define PIT_CONTROL		0x43
#define PIT_LATCH_2		0x80
#define PIT_START_2		0xb4	/* both bytes, mode 2: counts down and begins again */
#define PIT_GATE		0x61
#define PIT_GATE_2		0x01
#define PIT_SPEAKER		0x02

#define RTC_INDEX		0x70
#define RTC_DATA		0x71
#define RTC_TRIES		10000

static uint64_t pm_timer_read(void)
{
	return port_in32(acpi_info.pm_timer_port);
}

static uint64_t pit_read(void)
{
	uint8_t low;

	port_out8(PIT_CONTROL, PIT_LATCH_2);
	low = port_in8(PIT_CHANNEL_2);
	return 0x10000u - (low | (uint32_t)port_in8(PIT_CHANNEL_2) << 8);
}

static void pit_start(void)
{
	port_out8(PIT_GATE, (uint8_t)((port_in8(PIT_GATE) & ~PIT_SPEAKER) | PIT_GATE_2));
	port_out8(PIT_CONTROL, PIT_START_2);
	port_out8(PIT_CHANNEL_2, 0);
	port_out8(PIT_CHANNEL_2, 0);
}

struct refclock refclock_start(void)
{
	uint64_t mask = acpi_info.pm_timer_has_32_bits ? UINT32_MAX : 0xffffff;

	if (acpi_info.pm_timer_port)
		return (struct refclock){ "PM timer", PM_TIMER_HZ, mask, pm_timer_read };
	pit_start();
	return (struct refclock){ "PIT", PIT_HZ, 0xffff, pit_read };
}

enum rtc_register {
	RTC_SECONDS = 0, RTC_MINUTES = 2, RTC_HOURS = 4, RTC_DAY = 7, RTC_MONTH = 8, RTC_YEAR = 9,
	RTC_STATUS_A = 10, RTC_STATUS_B = 11,
};
#define RTC_UPDATING	0x80
#define RTC_BINARY	0x04
#define RTC_24_HOURS	0x02
#define RTC_PM		0x80

static uint8_t rtc_register(enum rtc_register reg)
{
	port_out8(RTC_INDEX, (uint8_t)reg);
	return port_in8(RTC_DATA);
}

static uint32_t rtc_value(enum rtc_register reg, uint8_t status)
{
	uint8_t raw = rtc_register(reg);
	uint32_t value = raw & (reg == RTC_HOURS ? 0x7f : 0xff);

	if (!(status & RTC_BINARY))
		value = (value >> 4) * 10 + (value & 0xf);
	if (reg == RTC_HOURS && !(status & RTC_24_HOURS))
		value = value % 12 + (raw & RTC_PM ? 12 : 0);
	return value;
}

/* Days from 1970-01-01 to a date; months count from March, so that the leap day ends a year. */
static uint64_t days_since_1970(uint32_t year, uint32_t month, uint32_t day)
{
	uint32_t months = (month + 9) % 12;

	year -= month < 3;
	return year * 365ULL + year / 4 - year / 100 + year / 400 + (months * 306 + 5) / 10 + day - 1 - 719468;
}

static uint64_t rtc_read_once(void)
{
	uint8_t status = rtc_register(RTC_STATUS_B);
	uint32_t year = rtc_value(RTC_YEAR, status), month = rtc_value(RTC_MONTH, status);
	uint64_t days;

	year += year < 70 ? 2000 : 1900;
	days = days_since_1970(year, month, rtc_value(RTC_DAY, status));
	return ((days * 24 + rtc_value(RTC_HOURS, status)) * 60 + rtc_value(RTC_MINUTES, status)) * 60 +
	       rtc_value(RTC_SECONDS, status);
}

uint64_t rtc_read_seconds(void)
{
	uint64_t before, after = 0;

	/* Two readings that agree were not torn by the clock's own update. */
	for (int tries = 0; tries < RTC_TRIES; tries++) {
		if (rtc_register(RTC_STATUS_A) & RTC_UPDATING)
			continue;
		before = rtc_read_once();
		after = rtc_read_once();
		if (before == after)
			break;
	}
	return after;
}
