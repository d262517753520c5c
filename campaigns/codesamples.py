"""One call, written out for a reader: as cURL and in four languages, all from the same description."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from channels.needs import LIST, NUMBER, Need

TOKEN = "TOKEN"  # noqa: S105  the name of the place where the reader puts theirs


@dataclass(frozen=True)
class Request:
    url: str
    body: dict[str, Any]

    @property
    def json(self) -> str:
        return json.dumps(self.body, indent=2, ensure_ascii=False)


def sample_values(needs: Iterable[Need], root: str) -> dict[str, Any]:
    """What the content reads below `root`, each with a value that shows what it is."""
    found: dict[str, Any] = {}
    for need in needs:
        if need.root != root:
            continue
        inner = found
        *branches, leaf = need.name.split(".")
        for branch in branches:
            deeper = inner.get(branch)
            inner[branch] = inner = deeper if isinstance(deeper, dict) else {}
        inner.setdefault(leaf, _sample(need))
    return found


def _sample(need: Need) -> Any:
    if need.kind == LIST:
        return []
    return 1 if need.kind == NUMBER else f"[{need.name.rpartition('.')[2]}]"


def curl(request: Request) -> str:
    body = request.json.replace("'", "'\\''")
    return (
        f'curl -X POST "{request.url}" \\\n'
        f'  -H "Authorization: Bearer ${TOKEN}" -H "Content-Type: application/json" \\\n'
        f"  -d '{body}'"
    )


def python(request: Request) -> str:
    body = request.json.replace("'''", "\\u0027" * 3)
    return f"""import json, os, urllib.error, urllib.request

body = json.loads(r'''{body}''')
request = urllib.request.Request(
    "{request.url}",
    data=json.dumps(body).encode(),
    headers={{
        "Authorization": "Bearer " + os.environ["{TOKEN}"],
        "Content-Type": "application/json",
    }},
)
try:
    with urllib.request.urlopen(request, timeout=60) as answer:
        print(answer.status, json.load(answer))
except urllib.error.HTTPError as refusal:
    print(refusal.status, json.load(refusal))  # "errors" says what is wrong, and where
"""


def javascript(request: Request) -> str:
    return f"""const answer = await fetch({json.dumps(request.url)}, {{
  method: "POST",
  headers: {{
    "Authorization": `Bearer ${{process.env.{TOKEN}}}`,
    "Content-Type": "application/json",
  }},
  body: JSON.stringify({request.json}),
}});
console.log(answer.status, await answer.json());
"""


def php(request: Request) -> str:
    return f"""<?php
$body = <<<'JSON'
{request.json}
JSON;
$call = curl_init({json.dumps(request.url)});
curl_setopt_array($call, [
    CURLOPT_POST => true,
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_HTTPHEADER => [
        'Authorization: Bearer ' . getenv('{TOKEN}'),
        'Content-Type: application/json',
    ],
    CURLOPT_POSTFIELDS => $body,
]);
echo curl_exec($call);
"""


def java(request: Request) -> str:
    body = request.json.replace("\\", "\\\\").replace('"""', '\\"""')
    indented = "\n".join(f"            {line}" for line in body.splitlines())
    return f'''import java.net.URI;
import java.net.http.*;

public class Call {{
    public static void main(String[] arguments) throws Exception {{
        String body = """
{indented}
            """;
        HttpRequest request = HttpRequest.newBuilder(URI.create("{request.url}"))
            .header("Authorization", "Bearer " + System.getenv("{TOKEN}"))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
        HttpResponse<String> answer =
            HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        System.out.println(answer.statusCode() + " " + answer.body());
    }}
}}
'''


LANGUAGES: dict[str, Callable[[Request], str]] = {
    "cURL": curl,
    "Python": python,
    "JavaScript": javascript,
    "PHP": php,
    "Java": java,
}
