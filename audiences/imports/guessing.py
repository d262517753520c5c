"""What a file's columns probably are, from their names and first rows. The wizard shows it to be changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import TZPATH

from audiences.attributes import KEY, RESERVED
from audiences.imports import cells
from audiences.imports.cells import Refused
from audiences.imports.mapping import COUNTRIES, MATCHES, Known
from audiences.models import AttributeDefinition
from common.csvfiles import plain_cell

Type = AttributeDefinition.Type
NAMES: dict[str, str] = {
    **dict.fromkeys(
        [
            "email",
            "e-mail",
            "mail",
            "email_address",
            "e_mail",
            "電子郵件",
            "電子信箱",
            "信箱",
            "電郵",
            "郵箱",
            "电子邮件",
            "邮箱",
            "メール",
            "メールアドレス",
        ],
        "email",
    ),
    **dict.fromkeys(
        [
            "phone",
            "mobile",
            "phone_number",
            "mobile_phone",
            "cell",
            "tel",
            "telephone",
            "手機",
            "手機號碼",
            "行動電話",
            "電話",
            "手机",
            "电话",
            "電話番号",
            "携帯電話",
        ],
        "phone",
    ),
    **dict.fromkeys(
        [
            "external_id",
            "customer_id",
            "customer_no",
            "member_id",
            "member_no",
            "user_id",
            "會員編號",
            "會員代號",
            "客戶編號",
            "顧客編號",
            "会员编号",
            "会員番号",
        ],
        "external_id",
    ),
    **dict.fromkeys(["locale", "language", "lang", "語言", "语言", "言語"], "locale"),
    **dict.fromkeys(["time_zone", "timezone", "tz", "時區", "时区", "タイムゾーン"], "time_zone"),
    **dict.fromkeys(["is_test", "test_profile", "測試"], "is_test"),
    **dict.fromkeys(
        [
            "subscribed",
            "subscribe",
            "newsletter",
            "opt_in",
            "optin",
            "email_opt_in",
            "email_consent",
            "consent",
            "訂閱",
            "訂閱電子報",
            "電子報",
            "同意",
            "同意行銷",
            "行銷同意",
            "订阅",
        ],
        "consent",
    ),
    **dict.fromkeys(["line_id", "line_user_id"], "line_id"),
    **dict.fromkeys(["push_token", "device_token"], "push_token"),
}
KEYS = {
    **dict.fromkeys(["姓名", "名字", "名稱", "氏名", "名前"], "name"),
    **dict.fromkeys(["生日", "出生日期", "誕生日"], "birthday"),
    **dict.fromkeys(["性別", "性别"], "gender"),
    **dict.fromkeys(["城市", "縣市", "市"], "city"),
    **dict.fromkeys(["地址", "住址", "住所"], "address"),
    **dict.fromkeys(["公司", "公司名稱", "会社"], "company"),
    **dict.fromkeys(["等級", "會員等級", "等级"], "tier"),
    **dict.fromkeys(["點數", "點數餘額", "积分"], "points"),
    **dict.fromkeys(["備註", "备注", "備考"], "note"),
    **dict.fromkeys(["年齡", "年龄", "年齢"], "age"),
    **dict.fromkeys(["標籤", "标签", "タグ"], "tags"),
}


def guess(header: Sequence[str], rows: Sequence[Sequence[str]], known: Known) -> dict[str, Any]:
    """A mapping in the form of mapping.py; columns named like ours are ignored."""
    columns: list[dict[str, Any]] = []
    style = date_format(rows)
    used: set[str] = set()
    for place, name in enumerate(header):
        values = [plain_cell(row[place].strip()) for row in rows if place < len(row) and row[place].strip()]
        column = _column(place, name, values, known, style, used)
        used.add(column.get("key") or column.get("namespace") or column["to"])
        columns.append(column)
    match = next((to for to in MATCHES if any(column["to"] == to for column in columns)), "")
    found = {"match": match, "dateFormat": style, "columns": columns}
    if any(_lacks_country(rows, place) for place, one in enumerate(columns) if one["to"] == "phone"):
        found["country"] = country_of(known.workspace.time_zone)
    return found


def _lacks_country(rows: Sequence[Sequence[str]], place: int) -> bool:
    return any(row[place].strip().startswith("0") for row in rows if place < len(row))


@cache
def country_of(zone: str) -> str:
    """Where a time zone lies, as the time zone database tells it; "" where it does not."""
    for root in map(Path, TZPATH):
        if (root / "zone.tab").exists():
            lines = (root / "zone.tab").read_text().splitlines()
            told = (line.split("\t") for line in lines if not line.startswith("#"))
            return next((parts[0] for parts in told if parts[2] == zone and parts[0] in COUNTRIES), "")
    return ""


def _column(
    place: int, name: str, values: list[str], known: Known, style: str, used: set[str]
) -> dict[str, Any]:
    word = re.sub(r"[\s\-./()]+", "_", name.strip().lower()).strip("_")
    ours = NAMES.get(word)
    if ours and ours not in used:
        if ours == "consent":
            return {"name": name, "to": "consent", "channel": "email", "topic": ""}
        if ours in known.namespaces:
            return {"name": name, "to": "identity", "namespace": ours}
        return {"name": name, "to": ours}
    if word in known.namespaces and word not in used:
        return {"name": name, "to": "identity", "namespace": word}
    key = KEYS.get(word, word)
    if not name or key in RESERVED or name.startswith("_"):
        return {"name": name, "to": "ignore"}
    if not KEY.fullmatch(key):
        by_label = {one.label: one.key for one in known.definitions.values() if one.label}
        key = by_label.get(name, f"column_{place + 1}")
    if key in used:
        return {"name": name, "to": "ignore"}
    if key in known.definitions:
        return {"name": name, "to": "attribute", "key": key, "type": known.definitions[key].type}
    return {"name": name, "to": "attribute", "key": key, "type": type_of(values, style)}


def type_of(values: Sequence[str], style: str) -> str:
    """Text, unless every value of the first rows is of a narrower type."""
    if not values or any(re.fullmatch(r"0[0-9]+", value) for value in values):
        return Type.TEXT  # with a leading zero it is a code or a phone, and the zero counts
    tests: tuple[tuple[str, Callable[[str], str]], ...] = (
        (Type.NUMBER, cells.number),
        (Type.BOOLEAN, cells.boolean),
        (Type.DATE, cells.date_cleaner(style)),
        (Type.DATE_TIME, cells.date_time_cleaner(style, "UTC")),
    )
    for kind, clean in tests:
        if _all(values, clean):
            return kind
    listed = sum(";" in value or "|" in value for value in values)
    return Type.LIST if listed * 3 > len(values) else Type.TEXT


def _all(values: Sequence[str], clean: Callable[[str], str]) -> bool:
    try:
        return all(clean(value) for value in values)
    except Refused:
        return False


_DATE_LIKE = re.compile(r"(?:民國)? ?[0-9]{1,4}[-./年][0-9]{1,2}[-./月][0-9]{1,4}日?(?:[ T].*)?")


def date_format(rows: Sequence[Sequence[str]]) -> str:
    """The one that reads most of what looks like a date; day before month where both would do."""
    found = [cell.strip() for row in rows for cell in row if _DATE_LIKE.fullmatch(cell.strip())][:500]

    def fit(style: str) -> int:
        count = 0
        for cell in found:
            try:
                cells.read_date(re.split(r"[ T]", cell, maxsplit=1)[0] if "民國" not in cell else cell, style)
                count += 1
            except Refused:
                pass
        return count

    return max(("iso", "ymd", "dmy", "mdy", "roc"), key=fit) if found else "iso"
