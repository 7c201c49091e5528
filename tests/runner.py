# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/run - run cotdb's tests

  sudo tests/run            the quick tier (25 minutes at most)
  sudo tests/run --all      everything
  sudo tests/run NAME...    these; NAME is a test, or a folder of them, as --list prints them
  tests/run --list          their names; those of --all alone are marked
  --stop                    end at the first failure
  --times N                 the whole selection N times
  --jobs N                  as many tests at once (default 2: most of them wait most of the time);
                            "unit", "bench" and "samba/kill" run alone

It installs the Debian packages it misses, builds what is not built (in build/, or $SANDBOX_BUILD),
prints a line for each test, the end of its log when it failed, what was not run and why, and last
"N passed, N failed". All logs stay in the folder it names first ($TESTS_LOGS, or a new one in
$TMPDIR).

What is a test: "unit" is `make check`; an executable tests/FOLDER/run is the test FOLDER; an
executable tests/FOLDER/test-NAME is FOLDER/NAME, and long-NAME too but with --all only;
"bench/ring-pair" (--all) wants a ratio of 1.3 from that program. A test passes by exit code 0, and
is "not run" by 77 (the last line it printed says why). Each has in its environment: TMPDIR, its own
and deleted afterwards; SANDBOX_DIR, its own: a sandbox that it leaves behind is ended, and its logs
kept when the test failed; SANDBOX_INST, cotdb installed; SANDBOX_BUILD and COTDB_BUILD, the build
folder. It may take 300 s, or what a line "# seconds: N" in it says.
"""
import argparse, concurrent.futures, glob, os, re, shutil, signal, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(HERE)
sys.path.insert(0, SOURCE + "/tools/sandbox.d")

SECONDS, NOT_RUN, ENDED = 300, 77, 130
ALONE = ["unit", "bench", "samba/kill"]     # they want all processors, or measure
# What a folder's `run` is given: in the quick tier, and with --all
ARGUMENTS = {"sim": (["--seeds", "1-1000"], ["--seeds", "1-10000"])}


class Test:
    def __init__(self, name, argv, only_all=False, seconds=SECONDS):
        self.name, self.argv, self.only_all, self.seconds = name, argv, only_all, seconds

    def is_in(self, names):
        return any(self.name == n or self.name.startswith(n.rstrip("/") + "/") for n in names)


def seconds_of(path):
    with open(path, errors="replace") as f:
        found = re.search(r"^[#/* ]*seconds: (\d+)", f.read(4000), re.M)
    return int(found.group(1)) if found else SECONDS


# What is measured rather than passed, with what has to come out
RATIO = 'out=$(tests/bench/ring-pair); echo "$out"; echo "$out" | awk \'END { exit $1 != "ratio" || $2 < 1.3 }\''


def all_tests(is_all):
    tests = [Test("unit", ["flock", build.BUILD + "/.check-lock", "make", "-C", build.BUILD,
                           f"-j{os.cpu_count()}", "check", "VERBOSE=1"], seconds=600),
             Test("bench/ring-pair", ["sh", "-c", RATIO], only_all=True)]
    for folder in sorted(os.scandir(HERE), key=lambda d: d.name):
        for f in sorted(os.scandir(folder.path), key=lambda f: f.name) if folder.is_dir() else ():
            tier, dash, rest = f.name.partition("-")
            if not f.is_file() or not os.access(f.path, os.X_OK):
                continue
            if f.name == "run":
                arguments = ARGUMENTS.get(folder.name, ([], []))[is_all]
                tests.append(Test(folder.name, [f.path, *arguments], seconds=seconds_of(f.path)))
            elif tier in ("test", "long") and dash:
                name = f"{folder.name}/{rest.rsplit('.', 1)[0]}"
                tests.append(Test(name, [f.path], tier == "long", seconds_of(f.path)))
    return tests


class Running:
    """The processes of the tests that run: a signal ends them, and what they left behind is cleaned
    up as after any test."""

    def __init__(self):
        self.lock, self.procs, self.is_over = threading.Lock(), set(), False
        for sig in signal.SIGINT, signal.SIGTERM:
            signal.signal(sig, self.end)

    def start(self, *args, **options):
        with self.lock:
            proc = subprocess.Popen(*args, **options)
            self.procs.add(proc)
            if self.is_over:
                end_group(proc)
        return proc

    def ended(self, proc):
        with self.lock:
            self.procs.discard(proc)

    def end(self, *_):
        self.is_over = True
        for proc in list(self.procs):
            end_group(proc)


def end_group(proc):
    """Nothing that a test started in its process group outlives it."""
    try:
        os.killpg(proc.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def sandboxes(env):
    """The test's sandbox, and others that it made below its TMPDIR."""
    found = {env["SANDBOX_DIR"]}
    for depth in "*", "*/*", "*/*/*":
        found.update(os.path.dirname(f) for f in glob.glob(f"{env['TMPDIR']}/{depth}/conf.json"))
    return [s for s in sorted(found) if os.path.exists(s + "/conf.json") and os.path.exists(s + "/sock")]


def clean_up(env, log, keep):
    """End the sandboxes that the test left behind; keep their logs if the test failed."""
    with open(log, "a") as f:
        for i, sandbox in enumerate(sandboxes(env)):
            try:
                if keep:
                    save_logs(sandbox, keep + f".{i}" * (i > 0))
            except OSError as e:
                f.write(f"tests/run: {e}\n")
            f.flush()
            subprocess.run([SOURCE + "/tools/sandbox", "down"], env={**env, "SANDBOX_DIR": sandbox}, stdin=-3,
                           stdout=f, stderr=f)


def save_logs(sandbox, keep):
    shutil.rmtree(keep, ignore_errors=True)
    os.makedirs(keep)
    shutil.copy(sandbox + "/log", keep)
    for node in os.scandir(sandbox + "/nodes"):
        shutil.copytree(node.path + "/var/log", f"{keep}/{node.name}", ignore_dangling_symlinks=True)
        shutil.copy(node.path + "/console", f"{keep}/{node.name}/console")


def run(test, logs, inst, running, number):
    """(exit code, seconds, path of the log); number: which of --times"""
    log = f"{logs}/{test.name.replace('/', '-')}{f'.{number}' if number else ''}.log"
    if running.is_over:
        return ENDED, 0, log
    tmp = tempfile.mkdtemp(prefix="cotdb-test-")
    env = {**os.environ, "TMPDIR": tmp, "SANDBOX_DIR": tmp + "/sandbox", "SANDBOX_INST": inst,
           "SANDBOX_BUILD": build.BUILD, "COTDB_BUILD": build.BUILD,
           "PYTHONDONTWRITEBYTECODE": "1"}
    builder = build.owner(build.BUILD) if test.name == "unit" else {}
    if builder:
        os.chown(tmp, builder["user"], builder["group"])
    begin = time.monotonic()
    code = None
    try:
        with open(log, "w") as out:
            proc = running.start(test.argv, cwd=SOURCE, env=env, stdin=-3, stdout=out, stderr=out,
                                 start_new_session=True, **builder)
            try:
                code = proc.wait(test.seconds)
            except subprocess.TimeoutExpired:
                out.write(f"\ntests/run: not done after {test.seconds} s, killed\n")
                code = 124
            finally:
                end_group(proc)
                proc.wait()
                running.ended(proc)
        took = time.monotonic() - begin
    finally:
        clean_up(env, log, code not in (0, NOT_RUN) and log[:-4])
        shutil.rmtree(tmp, ignore_errors=True)
    return code, took, log


def tail(log, lines):
    with open(log, errors="replace") as f:
        return [x.rstrip("\n") for x in f.readlines()[-lines:]]


def parse(args):
    p = argparse.ArgumentParser(prog="tests/run", description=__doc__, add_help=False,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="*")
    for flag in "--all", "--list", "--stop", "--help":
        p.add_argument(flag, action="store_true")
    p.add_argument("--times", type=int, default=1)
    p.add_argument("--jobs", type=int, default=2)
    return p.parse_args(args)


def main(args):
    ask = parse(args)
    if ask.help:
        return print(__doc__, end="")
    tests = all_tests(ask.all)
    for n in ask.names:
        if not any(t.is_in([n]) for t in tests):
            sys.exit(f"tests/run: there is no test {n} (see --list)")
    if ask.list:
        for t in tests:
            print(t.name + ("  (--all)" if t.only_all else ""))
        return None
    if os.getuid():
        sys.exit("tests/run: this needs root (sudo tests/run): the cluster tests make namespaces")
    chosen = [t for t in tests
              if (t.is_in(ask.names) if ask.names else ask.all or not t.only_all)]
    chosen.sort(key=lambda t: -t.seconds)       # the longest first, so that none is left alone at the end
    build.packages("build", "sandbox", "tests", *["fuzz"] * ask.all)
    logs = os.environ.get("TESTS_LOGS") or tempfile.mkdtemp(prefix="cotdb-tests-")
    os.makedirs(logs, exist_ok=True)
    print(f"logs in {logs}", flush=True)
    build.build(logs + "/inst")
    passed, failed, not_run = 0, [], []

    def tell(t, code, took, log):
        nonlocal passed
        if code == 0:
            passed += 1
            print(f"ok {t.name} {took:.1f} s", flush=True)
        elif code == NOT_RUN:
            not_run.append(f"{t.name}: {(tail(log, 1) or ['?'])[0]}")
        elif running.is_over:
            not_run.append(f"{t.name}: ended before it was done")
        else:
            failed.append(t.name)
            print(f"FAILED {t.name} {took:.1f} s, exit code {code}, {log}", flush=True)
            print("".join(f"    {x}\n" for x in tail(log, 25)), end="", flush=True)
            if ask.stop:
                running.end()

    running = Running()
    work = [(t, number) for number in range(ask.times) for t in chosen]
    for alone in True, False:
        part = [w for w in work if w[0].is_in(ALONE) == alone]
        with concurrent.futures.ThreadPoolExecutor(1 if alone else max(ask.jobs, 1)) as pool:
            doing = {pool.submit(run, t, logs, logs + "/inst", running, number): t for t, number in part}
            for done in concurrent.futures.as_completed(doing):
                tell(doing[done], *done.result())
    shutil.rmtree(logs + "/inst", ignore_errors=True)
    not_run += [f"{t.name}: with --all" for t in tests if t not in chosen and not ask.names]
    for line in not_run:
        print("not run: " + line)
    if failed:
        print("failed: " + " ".join(failed))
    print(f"{passed} passed, {len(failed)} failed")
    return len(failed) > 0 or running.is_over


import build                                                                    # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
