"""How fast a long queue moves, and how long a large master takes to start: ours and stock Buildbot
4.3 on one machine, in one run.

The queue is written into the database, whose schema both share, while the master is stopped. Fifty
workers of our own kind in one process (`worker/examples/fleet.rs`) build it. Each build waits at a
gate, so that one worker at a time becomes idle; its commands note when they begin and end.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time

from run import PEERS, ROOT, free_ports, wait_for
from workers import Farm

STOCK = """
from buildbot.plugins import schedulers, steps, util, worker
workers = ["w%d" % i for i in range({workers})]
builders = ["b%d" % i for i in range({builders})]
c = BuildmasterConfig = {{
    "buildbotNetUsageData": None,
    "buildbotURL": "http://localhost:{www}/",
    "collapseRequests": False,
    "db": {{"db_url": "sqlite:///state.sqlite"}},
    "protocols": {{"pb": {{"port": "tcp:{port}:interface=127.0.0.1"}}}},
    "www": {{"port": "tcp:{www}:interface=127.0.0.1"}},
    "workers": [worker.Worker(name, "pass", max_builds=1, missing_timeout=0) for name in workers],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=builders)],
    "builders": [util.BuilderConfig(name=name, workernames=workers, factory=util.BuildFactory(
        [steps.ShellCommand(name="s%d" % i, command={command!r}) for i in range({steps})]))
        for name in builders],
}}
"""

OURS = """
buildbotURL = "http://localhost:{www}/"
collapseRequests = false
protocols.pb.port = "tcp:{port}:interface=127.0.0.1"
www.port = "tcp:{www}:interface=127.0.0.1"
[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = {builder_names}
"""

COMMAND = ("date +%s%N >> ../../begun; read gate < ../../gate; date +%s%N >> ../../ended")


def our_config(workers, builders, steps, command, port, www):
    names = [f"w{index}" for index in range(workers)]
    builder_names = [f"b{index}" for index in range(builders)]
    step = "[[builders.steps]]\ntype = 'ShellCommand'\nname = 's{}'\ncommand = {!r}\n"
    all_steps = "".join(step.format(index, command) for index in range(steps))
    return "".join([
        OURS.format(www=www, port=port, builder_names=builder_names),
        *(f"[[workers]]\nname = '{name}'\npassword = 'pass'\nmax_builds = 1\n"
          "missing_timeout = 0\n" for name in names),
        *(f"[[builders]]\nname = '{name}'\nworkernames = {names}\n{all_steps}"
          for name in builder_names),
    ])


class Crowd(Farm):
    """A master with many builders, and a queue in its database."""

    def __init__(self, name, programs, base, **figures):
        self.name, self.master, self.fleet = name, str(programs / "buildbot"), None
        self.port, self.www = free_ports(2)
        self.dir, self.fleet_dir = base / "master", base / "fleet"
        self.fleet_dir.mkdir(parents=True)
        self.builders, self.workers = figures["builders"], figures["workers"]
        self.call(self.master, "create-master", "-q", "-r", self.dir)
        figures.update(port=self.port, www=self.www, command=COMMAND)
        if name == "stock":
            (self.dir / "master.cfg").write_text(STOCK.format(**figures))
        else:
            (self.dir / "master.toml").write_text(our_config(**figures))

    def take_off(self):
        """Seconds and processor seconds from the command `start` until the master serves."""
        began = time.monotonic()
        self.start()
        database = f"file:{self.dir}/state.sqlite?mode=ro"
        self.database = sqlite3.connect(database, uri=True)
        wait_for(f"the builders of {self.name}", deadline=900, pause=0.01, fact=lambda:
                 self.row("SELECT count(*) FROM builder_masters") == self.builders)
        wait_for(f"the pages of {self.name}", self.answers, deadline=900, pause=0.01)
        return time.monotonic() - began, self.cpu()

    def answers(self):
        import http.client
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.http = http.client.HTTPConnection("127.0.0.1", self.www, timeout=600)
            return b"builderid" in self.get("/api/v2/builders?limit=1")

    def land(self):
        subprocess.run([self.master, "stop", self.dir], capture_output=True)
        wait_for(f"the end of {self.name}", deadline=300,
                 fact=lambda: not pathlib.Path(f"/proc/{self.pid}").exists())

    def queue_up(self, count):
        """Writes pending requests, spread over the builders."""
        self.database.close()
        database = sqlite3.connect(self.dir / "state.sqlite")
        now = int(time.time())
        builders = [row[0] for row in database.execute("SELECT id FROM builders ORDER BY id")]
        database.execute("INSERT INTO sourcestamps (id, ss_hash, repository, project, codebase, "
                         "created_at) VALUES (1, 'bench', '', '', '', ?)", (now,))
        for index in range(1, count + 1):
            database.execute("INSERT INTO buildsets (id, reason, submitted_at, complete, results) "
                             "VALUES (?, 'bench', ?, 0, -1)", (index, now))
            database.execute("INSERT INTO buildset_sourcestamps (buildsetid, sourcestampid) "
                             "VALUES (?, 1)", (index,))
            database.execute(
                "INSERT INTO buildrequests (id, buildsetid, builderid, priority, complete, "
                "results, submitted_at, waited_for) VALUES (?, ?, ?, 0, 0, -1, ?, 0)",
                (index, index, builders[index % len(builders)], now))
        database.commit()
        database.close()

    def attach(self, fleet):
        """Starts the workers; returns when each of them builds."""
        for index in range(self.workers):
            home = self.fleet_dir / f"w{index}"
            home.mkdir()
            os.mkfifo(home / "gate")
        arguments = [fleet, "pb", "127.0.0.1", self.port, self.workers, 10, self.fleet_dir]
        self.fleet = subprocess.Popen([str(part) for part in arguments], stdin=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        began = time.monotonic()
        wait_for(f"{self.workers} builds of {self.name}", deadline=1800, fact=lambda: all(
            self.times(index, "begun") for index in range(self.workers)))
        return time.monotonic() - began

    def times(self, worker, what):
        with contextlib.suppress(OSError):
            return (self.fleet_dir / f"w{worker}" / what).read_text().split()
        return []

    def turn(self, worker):
        """Lets one build end; seconds until the next one of its worker begins."""
        before = len(self.times(worker, "begun"))
        with open(self.fleet_dir / f"w{worker}" / "gate", "w") as gate:
            gate.write("go\n")
        wait_for(f"the next build of {self.name}", deadline=600, pause=0.002,
                 fact=lambda: len(self.times(worker, "begun")) > before)
        ended, begun = self.times(worker, "ended")[-1], self.times(worker, "begun")[before]
        return (int(begun) - int(ended)) / 1e9


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def measure(name, programs, asked, turns):
    figures = {}
    with contextlib.ExitStack() as at_end:
        def crowd(part, **numbers):
            side = Crowd.__new__(Crowd)
            side.fleet = None
            at_end.callback(lambda: side.stop())
            side.__init__(name, programs, asked.dir / name / part, **numbers)
            return side

        large = crowd("large", builders=asked.large, workers=asked.workers, steps=8)
        figures["large"], figures["large_cpu"] = large.take_off()
        large.land()
        figures["again"], figures["again_cpu"] = large.take_off()
        large.land()

        long = crowd("long", builders=asked.builders, workers=asked.workers, steps=1)
        long.take_off()
        long.land()
        long.queue_up(asked.long)
        figures["long"], figures["long_cpu"] = long.take_off()
        figures["memory"] = long.memory() / 1e6
        long.land()

        queue = crowd("queue", builders=asked.builders, workers=asked.workers, steps=1)
        queue.take_off()
        queue.land()
        queue.queue_up(asked.pending)
        queue.take_off()
        figures["first"] = queue.attach(asked.bin / "examples" / "fleet")
        cpu = queue.cpu()
        seconds = [queue.turn(index % asked.workers) for index in range(turns)]
        figures["turn_cpu"] = (queue.cpu() - cpu) / turns * 1e3
        figures["p50"] = statistics.median(seconds) * 1e3
        figures["p99"] = percentile(seconds, 0.99) * 1e3
    return figures


ROWS = [
    ("p50", "from idle to the next build, median ms"),
    ("p99", "the same, 99th percentile, ms"),
    ("turn_cpu", "the same, master processor time, ms"),
    ("first", "all workers building after their start, s"),
    ("large", "first start with {large} builders of 8 steps, s"),
    ("large_cpu", "the same, processor time, s"),
    ("again", "second start of the same, s"),
    ("again_cpu", "the same, processor time, s"),
    ("long", "start with {long} pending requests, s"),
    ("long_cpu", "the same, processor time, s"),
    ("memory", "resident memory after it, MB"),
]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pending", type=int, default=10_000)
    options.add_argument("--builders", type=int, default=200)
    options.add_argument("--workers", type=int, default=50)
    options.add_argument("--large", type=int, default=1_000, help="builders of the large master")
    options.add_argument("--long", type=int, default=25_000, help="requests of the long queue")
    options.add_argument("--turns", type=int, default=300, help="measured builds of ours")
    options.add_argument("--stock-turns", type=int, default=20, help="measured builds of stock")
    options.add_argument("--bin", type=pathlib.Path, default=ROOT / "target" / "release")
    options.add_argument("--stock", type=pathlib.Path, default=PEERS)
    options.add_argument("--dir", type=pathlib.Path, default=ROOT / "target" / "bench-queue")
    asked = options.parse_args()
    shutil.rmtree(asked.dir, ignore_errors=True)
    figures = {}
    for name, programs, turns in (("ours", asked.bin, asked.turns),
                                  ("stock", asked.stock, asked.stock_turns)):
        figures[name] = measure(name, programs, asked, turns)
        print(name, figures[name], file=sys.stderr, flush=True)
    print("| | stock 4.3.0 | ours | ratio |\n|---|---:|---:|---:|")
    for key, label in ROWS:
        stock, ours = figures["stock"][key], figures["ours"][key]
        ratio = f"{stock / ours:.1f}" if ours else "-"
        label = label.format(large=f"{asked.large:,}", long=f"{asked.long:,}")
        print(f"| {label} | {stock:,.2f} | {ours:,.2f} | {ratio} |")


if __name__ == "__main__":
    main()
