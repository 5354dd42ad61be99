"""`python -m bench.one_page FOLDER`: measures the board on the seeded BENCH_DB in a process of its own, prints JSON."""

import json
import os
import sys
from pathlib import Path

from app import create_app
from bench import page
from bench.seed import settings

if __name__ == "__main__":
    application = create_app(settings(os.environ["BENCH_DB"], Path(sys.argv[1])))
    print(json.dumps(page.measure(application)))
