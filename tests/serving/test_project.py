"""Promises of the project's own files."""

import re
import subprocess
import tomllib
from pathlib import Path

from flask import Flask

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")


def test_lock_files_have_hashes_and_name_no_place() -> None:
    for name in LOCKS:
        text = (ROOT / name).read_text()
        assert not re.search(r"https?:|file:|--index|--extra-index|--find-links| @ ", text), name
        packages = re.findall(r"^[a-z0-9].*==\S+.*?(?=^[a-z0-9]|\Z)", text, re.MULTILINE | re.DOTALL)
        assert packages
        assert all("--hash=sha256:" in package for package in packages), name


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["build"]]
    for name in LOCKS:
        locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / name).read_text(), re.MULTILINE))
        for requirement in wanted:
            assert re.split(r"[\[<>=; ]", requirement)[0].replace(".", "-").lower() in locked, requirement


def test_make_alone_lists_the_targets() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "quick", "check", "bench", "migration"):
        assert f"make {target} " in listed


def test_every_setting_is_explained() -> None:
    """A setting that the program reads stands in the README."""
    readme = (ROOT / "README.md").read_text()
    sources = [ROOT / "app" / "config.py", *(ROOT / "app" / "serving").glob("*.py")]
    read = {name for source in sources for name in re.findall(r'"(LOOPWRIGHT_[A-Z_]+)"', source.read_text())}
    internal = {"LOOPWRIGHT_BIND"}  # from `up` to gunicorn
    assert read - internal
    assert {name for name in read - internal if f"`{name}`" not in readme} == set()


def test_every_fact_of_the_loop_is_told() -> None:
    facts = re.findall(r"^class (\w+)\(Fact\)", (ROOT / "app" / "foundation" / "loop.py").read_text(), re.MULTILINE)
    told = (ROOT / "docs" / "loop.md").read_text()
    assert facts
    assert [fact for fact in facts if f"`{fact}`" not in told] == []


def test_every_screen_is_told(app: Flask) -> None:
    """Whoever looks for a screen finds it in docs/screens.md by the first part of its address."""
    told = (ROOT / "docs" / "screens.md").read_text()
    silent = {"static", "<plural>", "boards"}  # files, parts of records, parts of boards
    first = {rule.rule.split("/")[1] for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    assert sorted(part for part in first - silent if f"`/{part}" not in told) == []
