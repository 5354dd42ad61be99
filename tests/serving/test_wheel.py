"""What is installed is whole: the wheel, unpacked far from the checkout, migrates, draws and serves everything."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROBE = """
import app, os, sys
from pathlib import Path
from app import create_app, bundle, config
from app.foundation import schema

root, unpacked = Path(sys.argv[1]), Path(sys.argv[2])
assert bundle() == unpacked / "app" / "_bundle", bundle()
settings = config.read()
settings.data_dir.mkdir()
schema.upgrade(settings.database_url)
application = create_app(settings)
templates = sorted(p.relative_to(root / "templates").as_posix() for p in (root / "templates").rglob("*") if p.is_file())
for name in templates:
    application.jinja_env.get_template(name)
files = sorted(p.relative_to(root / "static").as_posix() for p in (root / "static").rglob("*") if p.is_file())
client = application.test_client()
for name in files:
    assert client.get(f"/static/{application.config['BUILD']}/{name}").status_code == 200, name
assert client.get("/readyz").status_code == 200
print(len(templates), len(files))
"""


def test_the_wheel_carries_templates_static_files_and_migrations(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
        names = archive.namelist()
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests/", "bench/"))]
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(unpacked),
        "LOOPWRIGHT_DATA_DIR": str(tmp_path / "data"),
        "SECRET_KEY": "only-for-this-test-" + "x" * 20,
    }
    answer = subprocess.run(
        [sys.executable, "-c", PROBE, str(ROOT), str(unpacked)],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    templates, files = map(int, answer.stdout.split())
    assert templates > 0
    assert files > 0
