"""SMS parts, against examples that vendors publish and a plain reading of the standard."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from channels.segments import EXTENDED, GSM, segment

GSM_TABLE = (  # 3GPP TS 23.038 section 6.2.1, by code; 0x1B is the escape
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


def test_the_alphabet_is_the_standards() -> None:
    assert len(GSM_TABLE) == 128
    assert set(GSM_TABLE) - {"\x1b"} == GSM
    assert not GSM & EXTENDED
    assert len(EXTENDED) == 10


@pytest.mark.parametrize(
    ("text", "encoding", "units", "count"),
    [
        ("", "GSM-7", 0, 1),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("a" * 459, "GSM-7", 459, 3),
        ("a" * 460, "GSM-7", 460, 4),
        ("蕨" * 70, "UCS-2", 70, 1),
        ("蕨" * 71, "UCS-2", 71, 2),
        ("蕨" * 134, "UCS-2", 134, 2),
        ("蕨" * 135, "UCS-2", 135, 3),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 80 + "a", "GSM-7", 161, 2),
        ("€" * 76 + "a" + "€" * 76 + "a", "GSM-7", 306, 2),
        ("€" * 153, "GSM-7", 306, 3),  # an escape never stands alone: 76 fit into 153
        ("[]{}\\^~|", "GSM-7", 16, 1),
        ("😀" * 35, "UCS-2", 70, 1),
        ("😀" * 36, "UCS-2", 72, 2),
        ("😀" * 67, "UCS-2", 134, 3),  # a pair never parts: 33 fit into 67
        ("a" * 69 + "😀", "UCS-2", 71, 2),
        ("don’t", "UCS-2", 5, 1),  # a typographic apostrophe
        ("`", "UCS-2", 1, 1),  # looks like GSM-7 and is not
        ("ç", "UCS-2", 1, 1),  # the alphabet has only the capital
        ("Ç", "GSM-7", 1, 1),
        ("\t", "UCS-2", 1, 1),
        ("line\r\nline", "GSM-7", 10, 1),
    ],
)
def test_known_examples(text: str, encoding: str, units: int, count: int) -> None:
    found = segment(text)
    assert (found.encoding, found.units, found.count) == (encoding, units, count)


def test_what_made_a_text_wide_is_named_once_each() -> None:
    assert segment("“Hi” – “Hi”").widest == "“”–"
    assert segment("Hi").widest == ""


def test_how_much_is_left() -> None:
    assert segment("a" * 100).left == 60
    assert segment("a" * 161).left == 153 - 8
    assert segment("€" * 153).left == 153 - 2


def wire(text: str) -> tuple[str, list[bytes]]:
    """By octets: each character as it travels, whatever `segment` thinks of it."""
    codes = []
    for character in text:
        if character in GSM_TABLE and character != "\x1b":
            codes.append(bytes([GSM_TABLE.index(character)]))
        elif character in "\f^{}\\[~]|€":
            codes.append(b"\x1b" + bytes(["\f^{}\\[~]|€".index(character)]))
        else:
            return "UCS-2", [one.encode("utf-16-be") for one in text]
    return "GSM-7", codes


def reference(text: str) -> tuple[str, int]:
    encoding, codes = wire(text)
    octets = {"GSM-7": (160, 153), "UCS-2": (140, 134)}[encoding]
    if len(b"".join(codes)) <= octets[0]:
        return encoding, 1
    parts, room = 1, octets[1]
    for code in codes:
        if len(code) > room:
            parts, room = parts + 1, octets[1]
        room -= len(code)
    return encoding, parts


texts = st.one_of(
    st.text(st.sampled_from(sorted(GSM | EXTENDED)), max_size=700),
    st.text(st.sampled_from("a€蕨😀"), max_size=400),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.builds(
        lambda base, times: base * times, st.sampled_from(["€", "😀", "ab€", "蕨😀"]), st.integers(0, 200)
    ),
)


@settings(max_examples=300)
@given(texts)
@example("€" * 153)
@example("a" * 152 + "€" + "a" * 200)
def test_parts_agree_with_a_plain_reading_of_the_standard(text: str) -> None:
    found = segment(text)
    assert (found.encoding, found.count) == reference(text)
    assert "".join(found.parts) == text
    limit = {"GSM-7": 153, "UCS-2": 134}[found.encoding]
    if found.count > 1:
        assert all(0 < len(b"".join(_as_sent(part, found.encoding))) <= limit for part in found.parts)
    assert found.left >= 0


def _as_sent(text: str, encoding: str) -> list[bytes]:
    return [one.encode("utf-16-be") for one in text] if encoding == "UCS-2" else wire(text)[1]
