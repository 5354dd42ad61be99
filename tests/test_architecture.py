"""House rules that no tool knows, each with its reason."""

import re
from pathlib import Path

import pytest
from flask import Flask

ROOT = Path(__file__).resolve().parent.parent
ONE_CLOCK = ("app/foundation/clock.py", "app/traits/attachments/store.py")  # the store compares the times of files
SOURCES = sorted((ROOT / "app").rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def found(pattern: str, files: list[Path], *, but: tuple[str, ...] = ()) -> list[str]:
    """Where `pattern` occurs, as file:line."""
    search = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files
        if path.relative_to(ROOT).as_posix() not in but
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if search.search(line)
    ]


def test_only_transaction_commits() -> None:
    """A commit in the middle of an action would let half of it stand."""
    assert found(r"\.commit\(", SOURCES, but=("app/foundation/db.py",)) == []


def test_there_is_one_clock() -> None:
    """The demo, and tests, play months under a moved clock."""
    assert found(r"datetime\.(now|utcnow|today)\(|date\.today\(|time\.time\(", SOURCES, but=ONE_CLOCK) == []


def test_no_column_is_a_float() -> None:
    """Numeric is a float on SQLite: 0.1 + 0.2 screws."""
    assert (
        found(r"\b(Numeric|Float|DECIMAL|REAL)\b", [path for path in SOURCES if "mapped_column" in path.read_text()])
        == []
    )


def test_only_config_and_serving_read_the_environment() -> None:
    """A setting that is read in passing is a setting that nobody can find."""
    allowed = ("app/config.py", "app/cli.py", "app/serving/gunicorn_config.py")
    assert found(r"os\.environ|getenv\(", SOURCES, but=allowed) == []


def test_fragments_say_what_they_take() -> None:
    """A fragment is included from several pages; its first line is its signature."""
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in TEMPLATES
        if path.name.startswith("_") and not re.match(r"\{#.*?Takes: .*?#\}", path.read_text(), re.DOTALL)
    ]
    assert silent == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"""\son[a-z]+\s*=\s*["'{]""",
        r"""\sstyle\s*=\s*["'{]""",
        r"(?i)javascript:",
        r"\bhx-on\b",
        r"""hx-(vals|headers)[\w:]*\s*=\s*["']js:""",
        r"""hx-trigger\s*=\s*["'][^"']*\[""",
        r"<style\b",
        r"<script\b(?![^>]*\b(src|type=\"application/json\")\b)",
        r"""(?:src|href|action|hx-(?:get|post))\s*=\s*["']https?://""",
    ],
)
def test_templates_obey_the_content_security_policy(pattern: str) -> None:
    """What the policy forbids would simply not work, in silence."""
    assert found(pattern, [path for path in TEMPLATES if "mail" not in path.parts]) == []


def test_templates_escape() -> None:
    """`|safe` is how somebody else's words become our markup."""
    assert found(r"\|\s*safe\b|autoescape\s+false", TEMPLATES) == []


def test_every_form_that_posts_is_protected() -> None:
    """A form without token and `op` is refused, or happens twice."""
    bare = [
        f"{path.relative_to(ROOT)}: {form[:80]}"
        for path in TEMPLATES
        for form in re.findall(r"<form\b.*?</form>", path.read_text(), re.DOTALL | re.IGNORECASE)
        if re.search(r"""method\s*=\s*["']?post""", form, re.IGNORECASE)
        and not re.search(r"hidden_tag\(\)|hidden_fields\(|include|caller\(\)|csrf_token", form)
    ]
    assert bare == []


def test_every_route_declares_its_rule(app: Flask) -> None:
    """A route without a rule would be open by oversight."""
    silent = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "needs", None) is None
    ]
    assert silent == []


def test_no_test_is_skipped() -> None:
    """A skipped test is a promise that nobody checks."""
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    assert found(r"pytest\.(mark\.)?(skip|skipif|xfail|importorskip)\b|@unittest\.skip", tests) == []
