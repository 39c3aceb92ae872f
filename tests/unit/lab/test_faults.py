"""A fault is a value; words that make none are refused with what would."""

from __future__ import annotations

import pytest

from nuages.errors import UsageError
from nuages.lab import faults, inflict


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("512", 512), ("10M", 10 << 20), ("2G", 2 << 30), ("1gib", 1 << 30), ("4K", 4096), ("1T", 1 << 40)],
)
def test_sizes(text, size):
    assert faults.size(text) == size


def test_what_is_said_is_what_is_done():
    assert faults.memory("1G") == faults.Memory(1 << 30)
    assert faults.cpu("50%") == faults.Cpu(50)
    assert faults.bandwidth("512kbit") == faults.Bandwidth("512kbit")
    assert faults.clock("nginx", "+90s") == faults.Clock("nginx.service", "+90s")
    assert faults.fill_disk("10M") == faults.FillDisk(10 << 20)


def test_off_ends_a_limit():
    assert faults.memory("off") == faults.Memory(None)
    assert faults.cpu("off") == faults.Cpu(None)
    assert faults.bandwidth("off") == faults.Bandwidth("")
    assert faults.clock("shop.service", "off") == faults.Clock("shop.service", "")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (faults.memory, ["much"]),
        (faults.memory, ["-1"]),
        (faults.cpu, ["0%"]),
        (faults.cpu, ["half"]),
        (faults.bandwidth, ["5 apples"]),
        (faults.bandwidth, ["1mbit; reboot"]),
        (faults.clock, ["nginx", "tomorrow"]),
        (faults.fill_disk, ["all"]),
        (faults.Cut, ["sideways"]),
        (faults.Cut, ["", 0]),
        (faults.Cut, ["", 101]),
    ],
)
def test_other_words_are_refused_with_a_hint(made, words):
    with pytest.raises(UsageError) as error:
        made(*words)
    assert error.value.hint


def test_every_fault_is_carried_out_by_something():
    assert set(inflict.CARRIED_OUT) == set(faults.Fault.__args__)
