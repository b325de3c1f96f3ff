"""What connected workers cost a master: ours and stock Buildbot 4.3 on one machine, in one run.

A thousand workers, all of our own kind in one process (`worker/examples/fleet.rs`), connect to each
master, idle, answer and send signs of life, print, and come back after a restart of the master. Only
the master is measured: resident memory and processor time as the kernel counts them.
"""

import argparse
import contextlib
import http.client
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

from run import PEERS, ROOT, Side, first_true, free_ports, wait_for

STOCK_CONFIG = """
from buildbot.plugins import schedulers, steps, util, worker
names = ["w%d" % i for i in range({workers})]
printers = ["p%d" % i for i in range({printers})]
c = BuildmasterConfig = {{
    "buildbotNetUsageData": None,
    "buildbotURL": "http://localhost:{www}/",
    "db": {{"db_url": "sqlite:///state.sqlite"}},
    "protocols": {{"{protocol}": {{"port": {port}}}}},
    "www": {{"port": "tcp:{www}:interface=127.0.0.1"}},
    "workers": [worker.Worker(name, "pass", missing_timeout=0) for name in names],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=printers)],
    "builders": [util.BuilderConfig(name="p%d" % i, workernames=["w%d" % i],
        factory=util.BuildFactory([steps.ShellCommand(command={command!r})]))
        for i in range({printers})],
}}
"""

WORKER = """
[[workers]]
name = "w{0}"
password = "pass"
missing_timeout = 0
"""

BUILDER = """
[[builders]]
name = "p{0}"
workernames = ["w{0}"]
[[builders.steps]]
type = "ShellCommand"
command = {1!r}
"""


def our_config(workers, printers, protocol, port, www, command):
    names = [f"p{index}" for index in range(printers)]
    return "".join([
        f"buildbotURL = 'http://localhost:{www}/'\n",
        f"protocols.{protocol}.port = {port}\n",
        f"www.port = 'tcp:{www}:interface=127.0.0.1'\n",
        f"[[schedulers]]\ntype = 'ForceScheduler'\nname = 'force'\nbuilderNames = {names}\n",
        *(WORKER.format(index) for index in range(workers)),
        *(BUILDER.format(index, command) for index in range(printers)),
    ])


class Farm(Side):
    """A master and its fleet, both running."""

    def __init__(self, name, programs, base, asked, protocol, fleet):
        self.name, self.master = name, str(programs / "buildbot")
        self.port, self.www = free_ports(2)
        self.dir, self.fleet_dir = base / "master", base / "fleet"
        self.fleet_dir.mkdir(parents=True)
        self.call(self.master, "create-master", "-q", "-r", self.dir)
        command = f"yes '{asked.line}' | head -n {asked.lines}"
        figures = dict(workers=asked.workers, printers=asked.printers, protocol=protocol,
                       port=self.port, www=self.www, command=command)
        if name == "stock":
            (self.dir / "master.cfg").write_text(STOCK_CONFIG.format(**figures))
        else:
            (self.dir / "master.toml").write_text(our_config(**figures))
        self.fleet = None
        self.start()
        self.database = sqlite3.connect(f"file:{self.dir}/state.sqlite?mode=ro", uri=True)
        self.bare = self.settled_memory()
        self.asked = asked
        self.fleet_command = [fleet, protocol, "127.0.0.1", self.port, asked.workers,
                              asked.keepalive, self.fleet_dir]
        self.start_fleet()
        self.attach_seconds = self.seconds_to_attach()
        if self.attach_seconds is None:
            # What follows is measured with workers that come one behind the other.
            self.stop_fleet()
            self.stop_master()
            self.start()
            self.bare = self.settled_memory()
            self.start_fleet(asked.pause)
            wait_for(f"{asked.workers} workers of {name}", self.all_attached, 10 * PATIENCE)
        self.http = http.client.HTTPConnection("127.0.0.1", self.www, timeout=600)

    def start(self):
        """Returns when the workers' port is open; stock's `start` gives up waiting before."""
        subprocess.run([self.master, "start", self.dir], capture_output=True)
        wait_for(f"the port of {self.name}", self.is_open, deadline=300, pause=0.05)
        self.pid = int((self.dir / "twistd.pid").read_text())

    def is_open(self):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True

    def start_fleet(self, pause=0):
        arguments = [str(part) for part in (*self.fleet_command, pause)]
        self.fleet = subprocess.Popen(arguments, stdin=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def seconds_to_attach(self):
        """None when they do not all get in; stock serves one at a time, and drops whom it keeps
        waiting for longer than 5 s."""
        began = time.monotonic()
        if first_true(self.all_attached, PATIENCE):
            return time.monotonic() - began

    def all_attached(self):
        return self.row("SELECT count(*) FROM connected_workers") == self.asked.workers

    def settled_memory(self):
        time.sleep(2)
        return self.memory()

    def heartbeats(self):
        """Processor seconds per second of idling with signs of life."""
        time.sleep(self.asked.keepalive)
        cpu, began = self.cpu(), time.monotonic()
        time.sleep(self.asked.idle)
        return (self.cpu() - cpu) / (time.monotonic() - began)

    def printing(self):
        """Lines per second, and per processor second of the master, with all printers at once."""
        cpu, began = self.cpu(), time.monotonic()
        for index in range(self.asked.printers):
            builder = self.row("SELECT id FROM builders WHERE name = ?", f"p{index}")
            self.post("/api/v2/forceschedulers/force", "force", {"builderid": builder})
        done = "SELECT count(*) FROM builds WHERE complete_at IS NOT NULL"
        wait_for("the printers", lambda: self.row(done) == self.asked.printers, deadline=1800)
        seconds, cpu = time.monotonic() - began, self.cpu() - cpu
        if self.row("SELECT count(*) FROM builds WHERE results <> 0"):
            sys.exit(f"bench: a printer of {self.name} failed")
        lines = self.row("SELECT sum(num_lines) FROM logs")
        wanted = self.asked.printers * self.asked.lines
        if lines < wanted:
            sys.exit(f"bench: {self.name} has {lines} of {wanted} lines")
        return wanted / seconds, wanted / max(cpu, 0.01)

    def restart(self):
        """Seconds from the master being up again until all workers are back."""
        self.stop_master()
        self.start()
        return self.seconds_to_attach()

    def stop_master(self):
        """Stock does not end while it still attaches workers that have gone away."""
        subprocess.run([self.master, "stop", self.dir], capture_output=True)
        gone = lambda: not pathlib.Path(f"/proc/{self.pid}").exists()
        if not first_true(gone, deadline=30):
            os.kill(self.pid, signal.SIGKILL)
            wait_for(f"the end of {self.name}", gone)

    def stop_fleet(self):
        self.fleet.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.fleet.wait(30)
        self.fleet.kill()

    def stop(self):
        if self.fleet:
            self.stop_fleet()
        subprocess.run([self.master, "stop", self.dir], capture_output=True)
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.dir / "twistd.pid").read_text()), signal.SIGKILL)


def measure(farm):
    figures = {"attach": farm.attach_seconds}
    figures["memory"] = (farm.settled_memory() - farm.bare) / farm.asked.workers / 1024
    figures["heartbeats"] = farm.heartbeats() * 1e3
    figures["lines"], figures["cpu_lines"] = farm.printing()
    figures["megabytes"] = figures["cpu_lines"] * (len(farm.asked.line) + 1) / 1e6
    figures["restart"] = farm.restart()
    return figures


# Seconds that all workers together have for connecting.
PATIENCE = 150

# Label, and whether a larger figure is the better one.
ROWS = [
    ("attach", "all workers attached after, s", False),
    ("memory", "memory per idle worker, KiB", False),
    ("heartbeats", "processor time of idling, ms per s", False),
    ("lines", "log lines per s", True),
    ("cpu_lines", "log lines per processor second", True),
    ("megabytes", "log MB per processor second", True),
    ("restart", "all back after a restart, s", False),
]


def table(protocol, stock, ours):
    print(f"\n| {protocol} | stock 4.3.0 | ours | ratio |\n|---|---:|---:|---:|")
    for key, label, more in ROWS:
        better, worse = (ours[key], stock[key]) if more else (stock[key], ours[key])
        ratio = f"{better / worse:.1f}" if better and worse else "-"
        print(f"| {label} | {figure(stock[key])} | {figure(ours[key])} | {ratio} |", flush=True)


def figure(value):
    return f"not within {PATIENCE}" if value is None else f"{value:,.1f}"


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--workers", type=int, default=1000)
    options.add_argument("--printers", type=int, default=20)
    options.add_argument("--lines", type=int, default=1_000_000, help="of each printer of ours")
    options.add_argument("--stock-lines", type=int, default=10_000, help="the same of stock's")
    options.add_argument("--line", default="x" * 54)
    options.add_argument("--keepalive", type=float, default=10.0, help="seconds")
    options.add_argument("--idle", type=float, default=30.0, help="seconds of measured idling")
    options.add_argument("--pause", type=float, default=0.2,
                         help="seconds between two workers' first attempts, where a crowd fails")
    options.add_argument("--protocols", nargs="+", default=["pb", "msgpack_experimental_v7"])
    options.add_argument("--bin", type=pathlib.Path, default=ROOT / "target" / "release")
    options.add_argument("--stock", type=pathlib.Path, default=PEERS)
    options.add_argument("--dir", type=pathlib.Path, default=ROOT / "target" / "bench-workers")
    asked = options.parse_args()
    shutil.rmtree(asked.dir, ignore_errors=True)
    fleet, ours = asked.bin / "examples" / "fleet", asked.lines
    for protocol in asked.protocols:
        figures = {}
        for name, programs in (("stock", asked.stock), ("ours", asked.bin)):
            asked.lines = ours if name == "ours" else asked.stock_lines
            with contextlib.ExitStack() as at_end:
                farm = Farm.__new__(Farm)
                at_end.callback(lambda: farm.stop())
                farm.__init__(name, programs, asked.dir / protocol / name, asked, protocol, fleet)
                figures[name] = measure(farm)
        table(protocol, **figures)


if __name__ == "__main__":
    main()
