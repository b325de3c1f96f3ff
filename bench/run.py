"""Compares this Buildbot with stock Buildbot 4.3 on one machine, in one run.

Both masters get a worker of their own, one builder with one step (`true`), and a force scheduler.
Builds are forced one after the other over REST. A build counts as finished when its request is
complete in the database: reading that needs nothing of the master. The master's processor time
comes from the kernel.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "target" / "peers" / "bin"
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
DEADLINE = 60.0

STOCK_CONFIG = """
from buildbot.plugins import schedulers, steps, util, worker
c = BuildmasterConfig = {{
    "buildbotNetUsageData": None,
    "buildbotURL": "http://localhost:{www}/",
    "db": {{"db_url": "sqlite:///state.sqlite"}},
    "protocols": {{"pb": {{"port": "tcp:{port}:interface=127.0.0.1"}}}},
    "www": {{"port": "tcp:{www}:interface=127.0.0.1"}},
    "workers": [worker.Worker("w", "pass")],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=["b"])],
    "builders": [util.BuilderConfig(name="b", workernames=["w"], factory=util.BuildFactory(
        [steps.ShellCommand(command=["true"])]))],
}}
"""

OUR_CONFIG = """
buildbotURL = "http://localhost:{www}/"
[db]
db_url = "sqlite:///state.sqlite"
[protocols]
pb = {{ port = "tcp:{port}:interface=127.0.0.1" }}
[www]
port = "tcp:{www}:interface=127.0.0.1"
[[workers]]
name = "w"
password = "pass"
[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = ["b"]
[[builders]]
name = "b"
workernames = ["w"]
[[builders.steps]]
type = "ShellCommand"
command = ["true"]
"""


def free_ports(count):
    """Ports nobody listens on at the moment."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_for(what, fact, deadline=DEADLINE, pause=0.02):
    """Returns the first true value of fact(); gives up loudly."""
    value = first_true(fact, deadline, pause)
    return value or sys.exit(f"bench: waited {deadline:.0f} s in vain for {what}")


def first_true(fact, deadline, pause=0.02):
    """The first true value of fact(), or None after the deadline."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        if value := fact():
            return value
        time.sleep(pause)


class Side:
    """One master with its worker, both running."""

    def __init__(self, name, base, master, worker, config_file, config, worker_options):
        self.name = name
        self.port, self.www = free_ports(2)
        self.master, self.worker = str(master), str(worker)
        self.dir, self.worker_dir = base / name / "master", base / name / "worker"
        self.dir.parent.mkdir(parents=True)
        self.call(self.master, "create-master", "-q", "-r", self.dir)
        (self.dir / config_file).write_text(config.format(www=self.www, port=self.port))
        began = time.monotonic()
        self.call(self.master, "start", self.dir)
        self.pid = int((self.dir / "twistd.pid").read_text())
        self.start_seconds = time.monotonic() - began
        self.call(self.worker, "create-worker", "-q", "-r", *worker_options,
                  self.worker_dir, f"127.0.0.1:{self.port}", "w", "pass")
        self.call(self.worker, "start", self.worker_dir)
        self.database = sqlite3.connect(f"file:{self.dir}/state.sqlite?mode=ro", uri=True)
        wait_for(f"the worker of {name}", lambda: self.row("SELECT count(*) FROM connected_workers"))
        self.builder = self.row("SELECT id FROM builders WHERE name = 'b'")
        self.http = http.client.HTTPConnection("127.0.0.1", self.www, timeout=DEADLINE)

    @staticmethod
    def call(*command):
        command = [str(part) for part in command]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"bench: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")

    def row(self, query, *values):
        row = self.database.execute(query, values).fetchone()
        return row and row[0]

    def post(self, path, method, params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        self.http.request("POST", path, body, {"Content-Type": "application/json"})
        answer = self.http.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"bench: {self.name} answered {answer.status}: {text[:300]!r}")
        return json.loads(text)["result"]

    def get(self, path):
        self.http.request("GET", path, headers={"Accept": "application/json"})
        answer = self.http.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"bench: {self.name} answered {answer.status} for {path}: {text[:300]!r}")
        return text

    def build(self):
        """Forces one build; seconds from the request to its completion."""
        began = time.monotonic()
        buildset = self.post("/api/v2/forceschedulers/force", "force",
                             {"builderid": self.builder, "reason": "bench"})[0]
        results = wait_for("a build", lambda: self.done(buildset), pause=0.0005)
        seconds = time.monotonic() - began
        if results != (0,):
            sys.exit(f"bench: a build of {self.name} ended with results {results}")
        return seconds

    def done(self, buildset):
        return self.database.execute(
            "SELECT results FROM buildrequests WHERE buildsetid = ? AND complete = 1",
            (buildset,)).fetchone()

    def cpu(self):
        """Seconds of processor time the master has used, its ended children left out."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self):
        """Resident bytes of the master."""
        return int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE

    def stop(self):
        for program, where in ((self.worker, self.worker_dir), (self.master, self.dir)):
            subprocess.run([program, "stop", where], capture_output=True)
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((where / "twistd.pid").read_text()), signal.SIGKILL)


def measure(side, builds, warm_up):
    for _ in range(warm_up):
        side.build()
    cpu = side.cpu()
    seconds = [side.build() for _ in range(builds)]
    per_build = (side.cpu() - cpu) / builds
    path = "/api/v2/builds?limit=20&order=-number"
    side.get(path)
    calls, cpu, began = builds * 5, side.cpu(), time.monotonic()
    for _ in range(calls):
        side.get(path)
    return {
        "start": side.start_seconds * 1e3,
        "build": statistics.median(seconds) * 1e3,
        "slowest": max(seconds) * 1e3,
        "cpu": per_build * 1e3,
        "call": (time.monotonic() - began) / calls * 1e3,
        "call_cpu": (side.cpu() - cpu) / calls * 1e3,
        "memory": side.memory() / 1e6,
    }


ROWS = [
    ("start", "start of the master, ms"),
    ("build", "forced build, request to finished, median ms"),
    ("slowest", "the same, slowest, ms"),
    ("cpu", "master processor time per build, ms"),
    ("call", "GET 20 builds, ms"),
    ("call_cpu", "the same, master processor time, ms"),
    ("memory", "resident memory of the master, MB"),
]


def table(stock, ours):
    print("| | stock 4.3.0 | ours | ratio |")
    print("|---|---:|---:|---:|")
    for key, label in ROWS:
        ratio = f"{stock[key] / ours[key]:.1f}" if ours[key] else "-"
        print(f"| {label} | {stock[key]:.2f} | {ours[key]:.2f} | {ratio} |")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--builds", type=int, default=200, help="measured builds of ours")
    options.add_argument("--stock-builds", type=int, default=20, help="measured builds of stock")
    options.add_argument("--bin", type=pathlib.Path, default=ROOT / "target" / "release")
    options.add_argument("--stock", type=pathlib.Path, default=PEERS)
    options.add_argument("--dir", type=pathlib.Path, default=ROOT / "target" / "bench")
    asked = options.parse_args()
    shutil.rmtree(asked.dir, ignore_errors=True)

    figures = []
    sides = [
        ("stock", asked.stock, "master.cfg", STOCK_CONFIG, [], asked.stock_builds),
        ("ours", asked.bin, "master.toml", OUR_CONFIG,
         [], asked.builds),
    ]
    for name, programs, file, config, worker_options, builds in sides:
        with contextlib.ExitStack() as at_end:
            side = Side.__new__(Side)
            at_end.callback(lambda: side.stop())
            side.__init__(name, asked.dir, programs / "buildbot", programs / "buildbot-worker",
                          file, config, worker_options)
            figures.append(measure(side, builds, warm_up=3))
    table(*figures)


if __name__ == "__main__":
    main()
