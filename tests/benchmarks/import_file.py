"""A file of people with twenty columns of every type, the same for every run, and its hand-written merge."""

from __future__ import annotations

from pathlib import Path

HEADER = (
    "email,phone,locale,time_zone,name,city,tier,points,spent,vip,born,last_order,tags,company,job,note,source,"
    "store,shoe_size,coupon"
)
TYPES = {
    **dict.fromkeys(("name", "city", "tier", "company", "job", "note", "source", "store", "coupon"), "text"),
    **dict.fromkeys(("points", "spent", "shoe_size"), "number"),
    "vip": "boolean",
    "born": "date",
    "last_order": "datetime",
    "tags": "list",
}
NAMES = ["林怡君", "Emily Tsai", "陳柏翰", "James O'Hara", "王小明", "張淑芬", "Ana Duarte"]
CITIES = ["臺北市", "高雄市", "臺中市", "Tainan", "Hsinchu"]


def write(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER + "\n")
        for n in range(rows):
            day = n % 28 + 1
            file.write(
                f"person{n * 7919 % rows}.{n % 97}@example{n % 50}.com,+8869{n:08d},zh-TW,Asia/Taipei,"
                f"{NAMES[n % 7]}{n % 9973},{CITIES[n % 5]},{('gold', 'silver', 'blue')[n % 3]},{n % 5000},"
                f"{n % 10000 / 10},{('true', 'false')[n % 2]},{1950 + n % 60}-{n % 12 + 1:02d}-{day:02d},"
                f"2026-{n % 12 + 1:02d}-{day:02d}T{n % 24:02d}:{n % 60:02d}:{n % 59:02d}Z,"
                f'{("a;b", "b;c;d", "", "e")[n % 4]},Company {n % 3001},Job {n % 211},"Note, number {n}",'
                f"{('web', 'shop', 'fair')[n % 3]},S{n % 120},{30 + n % 15},{'' if n % 3 else f'C{n}'}\n"
            )


COLUMNS = HEADER.split(",")
STAGING = f"CREATE UNLOGGED TABLE bench_staging ({', '.join(f'{name} text' for name in COLUMNS)})"
COPY = "COPY bench_staging FROM STDIN WITH (FORMAT csv, HEADER)"
AS_JSON = {
    "number": "{0}::numeric",
    "boolean": "{0}::boolean",
    "list": "string_to_array({0}, ';')",
}
_MEMBERS = ", ".join(f"'{key}', {AS_JSON.get(kind, '{0}').format(key)}" for key, kind in TYPES.items())
MERGE = f"""
INSERT INTO audiences_profile AS p
    (workspace_id, email, phone, locale, time_zone, attributes, is_test, created_at, changed_at)
SELECT %(workspace)s, email, phone, locale, time_zone, jsonb_strip_nulls(jsonb_build_object({_MEMBERS})),
       FALSE, now(), now()
FROM bench_staging
ON CONFLICT (workspace_id, email) DO UPDATE SET phone = EXCLUDED.phone, locale = EXCLUDED.locale,
    time_zone = EXCLUDED.time_zone, attributes = p.attributes || EXCLUDED.attributes,
    changed_at = EXCLUDED.changed_at
"""
