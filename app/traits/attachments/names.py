"""Names of files as people give them, made harmless before anything else looks at them."""

import re
import unicodedata

LONGEST = 80


def clean_name(given: str | None, extension: str, *, otherwise: str = "photo") -> str:
    """A name to show and to download under: one line, no path, no invisible characters, and this `extension`.

    Only letters, digits, marks, blanks and a few signs stay, so the name cannot climb, hide or lie about its kind.
    """
    name = unicodedata.normalize("NFC", given or "")
    name = re.split(r"[/\\\u2044\u2215\uff0f\uff3c]", name)[-1]
    name = "".join(c if unicodedata.category(c)[0] in "LNM" or c in " -_.()" else " " for c in name)
    stem = name.rsplit(".", 1)[0] if "." in name.strip(".") else name
    stem = re.sub(r"\s+", " ", stem.replace(".", " ")).strip(" -_")[:LONGEST].strip()
    return f"{stem or otherwise}.{extension}"
