"""Of htmx 4 we use a small, documented part: what is not listed here is not to be found in a template.

Going to another version of htmx would touch only these.
"""

import re
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
ALLOWED = {
    "hx-get", "hx-post", "hx-put", "hx-patch", "hx-delete", "hx-target", "hx-swap", "hx-select", "hx-trigger",
    "hx-vals",
    "hx-include", "hx-headers:inherited", "hx-confirm", "hx-indicator", "hx-disable", "hx-sync", "hx-push-url",
    "hx-encoding", "hx-partial", "hx-morph-skip", "hx-morph-skip-children", "hx-config",
}  # fmt: skip
SWAPS = {"innerHTML", "outerHTML", "beforeend", "delete", "none", "outerMorph", "innerMorph"}


def pages() -> list[Path]:
    return [path for path in TEMPLATES.rglob("*.html") if "mail" not in path.parts]


def test_only_the_documented_attributes_are_used() -> None:
    used = {
        (path.name, name)
        for path in pages()
        for name in re.findall(r"[\s<](hx-[a-z-]+(?::[\w-]+)?)(?==|[\s>])", path.read_text())
    }
    assert {(page, name) for page, name in used if name not in ALLOWED and not name.startswith("hx-status:")} == set()


def test_only_the_documented_swaps_are_used() -> None:
    used = {swap for path in pages() for swap in re.findall(r'hx-swap="(\w+)', path.read_text())}
    assert used <= SWAPS


def test_the_configuration_of_htmx_is_fixed() -> None:
    page = (TEMPLATES / "layouts" / "page.html").read_text()
    found = re.search(r"""name="htmx-config" content='([^']+)'""", page)
    assert found is not None
    for pair in (
        '"allowEval":false', '"allowScriptTags":false', '"includeIndicatorStyles":false', '"selfRequestsOnly":true',
        '"historyCacheSize":0', '"noSwap":[204,304,"5xx"]', '"mode":"same-origin"',
    ):  # fmt: skip
        assert pair in found[1]
    assert page.count("hx-headers:inherited") == 1
