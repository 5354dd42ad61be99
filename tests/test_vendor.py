"""What is vendored is what was published."""

import gzip
import hashlib
import re
from pathlib import Path

from app.foundation.assets import concatenate

VENDOR = Path(__file__).resolve().parent.parent / "static" / "vendor"


def test_every_vendored_script_has_its_checksum() -> None:
    listed = dict(
        re.findall(r"^\| `([^`]+\.js)` .*`([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.MULTILINE)
    )
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.glob("*.js")}
    assert found == listed
    assert set(found) == {"htmx.min.js", "Sortable.min.js"}


def test_the_style_sheet_stays_small() -> None:
    sheet = concatenate(VENDOR.parent / "css" / "app.css").encode()
    assert len(sheet) <= 80_000
    assert len(gzip.compress(sheet)) <= 18_000
    assert b"@import" not in sheet
