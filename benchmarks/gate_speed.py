"""How fast is the gate beyond what its parts cost?

Runs `pytest suites/` with assets cached and prints wall seconds, CPU seconds, peak memory a worker,
and the ratio of wall time to the sum of the pure stage times (load, encode, decode, metrics, model)
divided by the workers. 1.0 would be no overhead at all and perfect balance.

    python benchmarks/gate_speed.py [--workers 2] [--mpq-profile mini]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--mpq-profile", default="mini")
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results.json")
        command = [sys.executable, "-m", "pytest", "suites/", "-q", "-n", str(parsed.workers)]
        command += ["--mpq-profile", parsed.mpq_profile, "--mpq-json", str(results)]
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT)
        peak = PeakMemory(process.pid)
        status = process.wait()
        wall = time.perf_counter() - start
        peak.stop()
        cases = json.loads(results.read_text())["cases"]
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    stages: dict[str, float] = {}
    for case in cases:
        for stage, seconds in case["seconds"].items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    pure = sum(stages.values())
    print(f"cases {len(cases)}, workers {parsed.workers}, exit status {status}")
    print(f"wall {wall:.1f} s, CPU {usage.ru_utime + usage.ru_stime:.1f} s")
    print(f"peak resident memory of one worker {peak.worker_bytes / 2**20:.0f} MiB")
    print("stages: " + ", ".join(f"{name} {value:.1f} s" for name, value in stages.items()))
    print(f"wall / (stages / workers) = {wall / (pure / parsed.workers):.2f}")
    for task in dict.fromkeys(case["task"] for case in cases):
        seconds = sum(sum(c["seconds"].values()) for c in cases if c["task"] == task)
        print(f"  {task:18} {seconds:6.1f} s, {seconds / pure:.0%} of all stages")
    return status


class PeakMemory:
    """Samples the resident memory of the largest child process."""

    def __init__(self, pid: int) -> None:
        self.worker_bytes = 0
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the sampling."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.25):
            for child in self._process.children(recursive=True):
                try:
                    self.worker_bytes = max(self.worker_bytes, child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue


if __name__ == "__main__":
    raise SystemExit(main())
