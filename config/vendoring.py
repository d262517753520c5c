"""Fetches the front-end files under static/vendor/ again, at the versions and digests of vendor.json.

Needs npm, which knows its own registry; running Carillon needs neither. A file that differs from its digest
stops everything before a single one is written. After a new version was written into vendor.json,
`make vendor ARGS=--accept` writes the digests of what came; read the difference before you commit it.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from config.env import ROOT

WHERE = ROOT / "static" / "vendor"
MAP = re.compile(rb"\s*(/\*# sourceMappingURL=[^*]*\*/|//# sourceMappingURL=\S*)\s*$")


def fetched(package: dict[str, Any], into: Path) -> dict[str, bytes]:
    """The files of a package by their place here. A file without a `from` is ours and stays as it is."""
    name = f"{package['name']}@{package['version']}"
    npm = ["npm", "pack", "--silent", "--pack-destination", str(into), name]
    archive = into / subprocess.run(npm, check=True, capture_output=True, text=True).stdout.split()[-1]
    with tarfile.open(archive) as packed:
        found = {}
        for here, there in package.get("from", {}).items():
            member = packed.extractfile(f"package/{there}")
            assert member is not None, f"{name} has no {there}"
            found[here] = _without_map(here, member.read())
    return found


def _without_map(name: str, content: bytes) -> bytes:
    """Source maps are not shipped, and a comment that leads to one stops the hashing of names."""
    return MAP.sub(b"\n", content) if name.endswith((".js", ".css")) else content


def main(accepts: bool) -> int:
    listed = WHERE / "vendor.json"
    packages = json.loads(listed.read_text())
    files: dict[str, bytes] = {}
    wrong = []
    with tempfile.TemporaryDirectory() as scratch:
        for package in packages:
            for here, content in fetched(package, Path(scratch)).items():
                digest = hashlib.sha256(content).hexdigest()
                if package["files"].get(here) != digest:
                    wrong.append(here)
                    package["files"][here] = digest
                files[here] = content
    if wrong and not accepts:
        sys.stderr.write("\n  ".join(["other than vendor.json says:", *wrong]) + "\n")
        return 1
    for here, content in files.items():
        (WHERE / here).parent.mkdir(parents=True, exist_ok=True)
        (WHERE / here).write_bytes(content)
    listed.write_text(json.dumps(packages, indent=2, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main("--accept" in sys.argv[1:]))
