"""How long `gentool` takes to start, beside an empty click program and an empty Python, in one run.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time

EMPTY = "import click\n@click.command()\ndef main(): pass\nmain()"
GENTOOL = "import sys; sys.argv[0] = 'gentool'; from gentoolkit.cli import main; main()"
CASES = {
    "empty Python": ["-c", "pass"],
    "empty click program, --help": ["-c", EMPTY, "--help"],
    "gentool --help": ["-c", GENTOOL, "--help"],
    "gentool components": ["-c", GENTOOL, "components"],
    "gentool explain denoiser unet": ["-c", GENTOOL, "explain", "denoiser", "unet"],
    "gentool check quickstart": ["-c", GENTOOL, "check", "quickstart"],
}
REPEATS = 5


def main() -> None:
    """Print the median of five of each case; the cases take turns, so that a slow moment hits them all."""
    times: dict[str, list[float]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(REPEATS + 1):
            for name, arguments in CASES.items():
                start = time.perf_counter()
                subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=folder)
                if repeat:  # the first round fills the file cache
                    times[name].append(time.perf_counter() - start)
    print(f"| start | median of {REPEATS}, s |\n|---|---|")
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values):.3f} |")


if __name__ == "__main__":
    main()
