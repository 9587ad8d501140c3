"""Draw docs/images/report.svg: the end of a real run of the mini gate, as a terminal shows it.

python scripts/report_picture.py
"""

import io
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = 102
FONT_FACE = re.compile(r"@font-face \{.*?\}", re.DOTALL)


def main() -> int:
    """Run the gate and draw what it printed last."""
    command = [sys.executable, "-m", "pytest", "suites/", "-n", "auto", "--color=yes"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    first = next(index for index, line in enumerate(lines) if " mpq mini " in line)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print("$ pytest suites/ -n auto")
    for line in lines[first:]:
        text = Text.from_ansi(line)
        text.truncate(COLUMNS)
        console.print(text)
    svg = console.export_svg(title="mpq-checks", clear=False)
    # The picture must not ask another server for a font.
    target = ROOT / "docs" / "images" / "report.svg"
    target.write_text(FONT_FACE.sub("", svg), encoding="utf-8")
    print(f"{target}, exit status {done.returncode}")
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
