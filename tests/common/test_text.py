"""What text from outside is taken for."""

from __future__ import annotations

from common.text import LARGEST_KEY, whole_number


def test_only_plain_digits_are_a_whole_number_and_no_more_than_asked_for() -> None:
    taken = {"0": 0, "7": 7, "0012": 12, str(LARGEST_KEY): LARGEST_KEY}
    assert {text: whole_number(text) for text in taken} == taken
    refused = (
        "",
        " 7",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "１２",
        "²",
        "٣",
        "1_0",
        "0x1",
        "\0",
        str(LARGEST_KEY + 1),
        "9" * 5000,
    )
    assert {text: found for text in refused if (found := whole_number(text)) is not None} == {}
    assert (whole_number("99", 99), whole_number("100", 99)) == (99, None)
