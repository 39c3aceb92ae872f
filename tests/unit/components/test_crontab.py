"""Five fields of crontab(5) mean the same times as calendar events."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nuages.components.supervisor.crontab import calendar
from nuages.errors import TopologyError


ANALYZE = shutil.which("systemd-analyze")
TIMES = {
    "15 3 * * *": ("*-*-* 03:15:00",),
    "*/20 * * * *": ("*-*-* *:00,20,40:00",),
    "5/20 * * * *": ("*-*-* *:05,25,45:00",),
    "0 9-17/4 * * mon-fri": ("Mon,Tue,Wed,Thu,Fri *-*-* 09,13,17:00:00",),
    "0 0 1,15 jan,JUL *": ("*-01,07-01,15 00:00:00",),
    "30 4 * * 7": ("Sun *-*-* 04:30:00",),
    "30 4 * * 5-7": ("Sun,Fri,Sat *-*-* 04:30:00",),
    "@daily": ("*-*-* 00:00:00",),
    "@weekly": ("Sun *-*-* 00:00:00",),
    "Mon..Fri 03:15": ("Mon..Fri 03:15",),
    "hourly": ("hourly",),
}


@pytest.mark.parametrize("at", TIMES)
def test_a_crontab_line_becomes_a_calendar_event(at):
    assert calendar(at, "cron.0.at") == TIMES[at]


def test_a_day_of_the_month_and_a_weekday_mean_either_of_them_as_in_crontab():
    assert calendar("0 6 13 * 5", "cron.0.at") == ("*-*-13 06:00:00", "Fri *-*-* 06:00:00")


@pytest.mark.parametrize("at", ["60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "5-1 * * * *",
                                "x * * * *", "25:99", "Mon 24:00", "@reboot", "", "a\nb", "1 2 3 4 5; rm"])  # fmt: skip
def test_what_is_no_time_is_refused_by_its_key(at):
    with pytest.raises(TopologyError) as error:
        calendar(at, "cron.0.at")

    assert "cron.0.at" in str(error.value)


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("at", TIMES)
def test_systemd_reads_what_we_write(at):
    for event in calendar(at, "cron.0.at"):
        done = subprocess.run([ANALYZE, "calendar", event], capture_output=True, check=False, timeout=30)
        assert done.returncode == 0, done.stderr


@given(st.text(alphabet="0123456789*/-,@abcdefgimnrtuwy :\n\"'$%", max_size=30))
def test_whatever_is_written_there_ends_in_an_event_of_one_line_or_in_a_refusal(at):
    try:
        events = calendar(at, "cron.0.at")
    except TopologyError:
        return
    assert all("\n" not in event and "%" not in event for event in events)
