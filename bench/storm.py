"""A storm of changes through many schedulers: ours and stock Buildbot 4.3 on one machine, in one run.

One client (stock's own library, `sendchange`'s call) hands the changes over on one connection to the
PBChangeSource of each master, so many at once that no master waits for it. Fifty schedulers without
a timer look at each change, by branch, project, category and files; a change counts as handled when
all of them have submitted the buildsets that their filters demand. No worker is there: nothing is
built.
"""

import argparse
import contextlib
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import time

from run import PEERS, ROOT, free_ports, wait_for
from workers import Farm

# Calls that wait for their answer at the same time.
WINDOW = 20

STOCK = """
import re
from buildbot.plugins import changes, schedulers, steps, util, worker
def important(directory):
    return lambda change: any(name.startswith(directory) for name in change.files)
def scheduler(index, kind, value):
    only = {{"branch": dict(branch=value), "project": dict(project=value),
            "branch_re": dict(branch_re=value), "category_re": dict(category_re=value),
            "files": {{}}}}[kind]
    extra = dict(fileIsImportant=important(value), onlyImportant=True) if kind == "files" else {{}}
    return schedulers.AnyBranchScheduler(name="s%d" % index, builderNames=["b%d" % index],
        change_filter=util.ChangeFilter(**only), **extra)
rules = {rules!r}
c = BuildmasterConfig = {{
    "buildbotNetUsageData": None,
    "buildbotURL": "http://localhost:{www}/",
    "collapseRequests": False,
    "db": {{"db_url": "sqlite:///state.sqlite"}},
    "protocols": {{"pb": {{"port": "tcp:{port}:interface=127.0.0.1"}}}},
    "www": {{"port": "tcp:{www}:interface=127.0.0.1"}},
    "workers": [worker.Worker("w", "pass", missing_timeout=0)],
    "change_source": [changes.PBChangeSource()],
    "schedulers": [scheduler(index, *rule) for index, rule in enumerate(rules)],
    "builders": [util.BuilderConfig(name="b%d" % index, workernames=["w"],
        factory=util.BuildFactory([steps.ShellCommand(command=["true"])]))
        for index in range(len(rules))],
}}
"""

OURS = """
buildbotURL = "http://localhost:{www}/"
collapseRequests = false
protocols.pb.port = "tcp:{port}:interface=127.0.0.1"
www.port = "tcp:{www}:interface=127.0.0.1"
[[workers]]
name = "w"
password = "pass"
missing_timeout = 0
[[change_source]]
type = "PBChangeSource"
"""

SCHEDULER = """
[[schedulers]]
type = "AnyBranchScheduler"
name = "s{index}"
builderNames = ["b{index}"]
{rule}
[[builders]]
name = "b{index}"
workernames = ["w"]
steps = [{{ type = "ShellCommand", command = ["true"] }}]
"""


def change(number):
    """The change of this number, as keywords of `sendchange`."""
    return {"who": f"dev{number % 7} <dev{number % 7}@example.org>", "revision": f"r{number}",
            "branch": f"branch{number % 10}", "project": f"project{number % 5}",
            "category": f"kind{number % 4}", "repository": "https://git.example.org/r.git",
            "files": [f"dir{number % 8}/file.c"], "comments": f"change {number}"}


def rules(count):
    """What each scheduler takes: a key and its value."""
    kinds = [lambda i: ("branch", f"branch{i % 10}"), lambda i: ("project", f"project{i % 5}"),
             lambda i: ("branch_re", f"branch[{i % 9}{i % 9 + 1}]$"),
             lambda i: ("category_re", f"kind{i % 4}"), lambda i: ("files", f"dir{i % 8}/")]
    return [kinds[index % 5](index // 5) for index in range(count)]


def takes(rule, of):
    import re
    kind, value = rule
    if kind == "files":
        return of["files"][0].startswith(value)
    if kind.endswith("_re"):
        return re.match(value, of[kind[:-3]]) is not None
    return of[kind] == value


def our_rule(kind, value):
    if kind == "files":
        return f"fileIsImportant = '{value}*'\nonlyImportant = true"
    return f"change_filter = {{ {kind} = '{value}' }}"


class Storm(Farm):
    """A master with many schedulers."""

    def __init__(self, name, programs, base, count):
        self.name, self.master, self.fleet = name, str(programs / "buildbot"), None
        self.port, self.www = free_ports(2)
        self.dir, self.fleet_dir = base / "master", base
        base.mkdir(parents=True)
        self.call(self.master, "create-master", "-q", "-r", self.dir)
        self.rules = rules(count)
        figures = dict(port=self.port, www=self.www, rules=self.rules)
        if name == "stock":
            (self.dir / "master.cfg").write_text(STOCK.format(**figures))
        else:
            parts = (SCHEDULER.format(index=index, rule=our_rule(*rule))
                     for index, rule in enumerate(self.rules))
            (self.dir / "master.toml").write_text(OURS.format(**figures) + "".join(parts))
        self.start()
        self.database = sqlite3.connect(f"file:{self.dir}/state.sqlite?mode=ro", uri=True)
        wait_for(f"the schedulers of {name}", lambda: self.row(
            "SELECT count(*) FROM scheduler_masters") >= count)

    def blow(self, first, count):
        """Seconds until all changes were taken in, and until all were handled; processor seconds."""
        changes = [change(number) for number in range(first, first + count)]
        sets = sum(takes(rule, of) for of in changes for rule in self.rules)
        due = self.row("SELECT count(*) FROM buildsets") + sets
        cpu, began = self.cpu(), time.monotonic()
        sender = [sys.executable, __file__, "--send", self.port, first, count]
        subprocess.run([str(part) for part in sender], check=True)
        taken = time.monotonic() - began
        wait_for(f"{sets} buildsets of {self.name}", deadline=3600, pause=0.01, fact=lambda:
                 self.row("SELECT count(*) FROM buildsets") >= due)
        handled, cpu = time.monotonic() - began, self.cpu() - cpu
        if self.row("SELECT count(*) FROM buildsets") != due:
            sys.exit(f"bench: {self.name} submitted other buildsets than the filters demand")
        return taken, handled, cpu, sets


def send(port, first, count):
    """The client: a process of its own."""
    sys.path.pop(0)  # queue.py here is not the library's
    from twisted.cred import credentials
    from twisted.internet import defer, reactor
    from twisted.spread import pb

    @defer.inlineCallbacks
    def one_after_the_other(remote, numbers):
        for number in numbers:
            yield remote.callRemote("addChange", change(number))

    @defer.inlineCallbacks
    def all_of_them():
        factory = pb.PBClientFactory()
        reactor.connectTCP("127.0.0.1", port, factory)
        remote = yield factory.login(credentials.UsernamePassword(b"change", b"changepw"))
        numbers = iter(range(first, first + count))
        yield defer.gatherResults([one_after_the_other(remote, numbers) for _ in range(WINDOW)])

    failures = []
    sending = defer.maybeDeferred(all_of_them).addErrback(failures.append)
    sending.addBoth(lambda _: reactor.callLater(0, reactor.stop))
    reactor.run()
    if failures:
        sys.exit(f"bench: {failures[0]}")


def measure(name, programs, asked, count):
    with contextlib.ExitStack() as at_end:
        storm = Storm.__new__(Storm)
        storm.fleet = None
        at_end.callback(lambda: storm.stop())
        storm.__init__(name, programs, asked.dir / name, asked.schedulers)
        storm.blow(0, 40)  # to warm up
        taken, handled, cpu, sets = storm.blow(40, count)
        return {"taken": taken / count * 1e3, "handled": handled / count * 1e3,
                "cpu": cpu / count * 1e3, "all": handled, "set": cpu / sets * 1e3,
                "sets": sets / count, "memory": storm.memory() / 1e6}


ROWS = [
    ("taken", "a change taken in, ms"),
    ("handled", "a change handled by all schedulers, ms"),
    ("cpu", "the same, master processor time, ms"),
    ("set", "master processor time per buildset, ms"),
    ("all", "all of them handled after, s"),
    ("memory", "resident memory of the master, MB"),
]


def main():
    if sys.argv[1:2] == ["--send"]:
        return send(*map(int, sys.argv[2:]))
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--changes", type=int, default=5_000, help="changes for ours")
    options.add_argument("--stock-changes", type=int, default=500, help="changes for stock")
    options.add_argument("--schedulers", type=int, default=50)
    options.add_argument("--bin", type=pathlib.Path, default=ROOT / "target" / "release")
    options.add_argument("--stock", type=pathlib.Path, default=PEERS)
    options.add_argument("--dir", type=pathlib.Path, default=ROOT / "target" / "bench-storm")
    asked = options.parse_args()
    shutil.rmtree(asked.dir, ignore_errors=True)
    figures = {}
    for name, programs, count in (("ours", asked.bin, asked.changes),
                                  ("stock", asked.stock, asked.stock_changes)):
        figures[name] = measure(name, programs, asked, count)
        print(name, figures[name], file=sys.stderr, flush=True)
    print(f"{asked.changes:,} changes for ours, {asked.stock_changes:,} for stock; "
          f"{figures['ours']['sets']:.1f} buildsets each\n")
    print("| | stock 4.3.0 | ours | ratio |\n|---|---:|---:|---:|")
    for key, label in ROWS:
        stock, ours = figures["stock"][key], figures["ours"][key]
        ratio = "" if key == "all" else f"{stock / ours:.1f}" if ours else "-"
        print(f"| {label} | {stock:,.2f} | {ours:,.2f} | {ratio} |")


if __name__ == "__main__":
    main()
