# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting cotdb and what it needs onto this machine: Debian packages, the build in build/ of the
checkout (or $SANDBOX_BUILD), and its installation into the sandbox's own folder."""
import fcntl, os, subprocess, sys

from base import PATH, SANDBOX, SOURCE, die

BUILD = os.path.abspath(os.environ.get("SANDBOX_BUILD") or SOURCE + "/build")
# An installed tree to use instead of building (tests/run installs once for all its sandboxes)
READY = os.environ.get("SANDBOX_INST")
CONFIGURE = ["--prefix=/usr", "--sysconfdir=/etc", "--localstatedir=/var", "--runstatedir=/run",
             "CFLAGS=-O2 -g"]


def packages(*groups):
    done = subprocess.run([SOURCE + "/tools/install-packages", *groups])
    if done.returncode:
        sys.exit(done.returncode)


def owner(path):
    """Who builds: the one to whom the folder belongs, so that sudo leaves no files of root's there."""
    s = os.stat(path)
    return dict(user=s.st_uid, group=s.st_gid, extra_groups=[]) if s.st_uid and not os.getuid() else {}


class Teller:
    """Says something when the first line with that sign comes."""

    def __init__(self, sign, text):
        self.sign, self.text, self.is_said = sign, text, False

    def __call__(self, line):
        if not self.is_said and self.sign in line:
            self.is_said = True
            print(self.text, flush=True)


def step(what, argv, cwd, log, on_line=None, **kw):
    env = {**os.environ, "PATH": PATH + ":" + os.environ.get("PATH", "")}
    env.pop("MAKEFLAGS", None)
    log.write(f"$ {' '.join(argv)}\n")
    log.flush()
    run = subprocess.Popen(argv, cwd=cwd, stdin=-3, stdout=-1, stderr=-2, text=True, errors="replace",
                           env=env, **kw)
    for line in run.stdout:
        log.write(line)
        if on_line:
            on_line(line)
    if run.wait():
        log.flush()
        with open(log.name) as f:
            sys.stderr.write("".join(f.readlines()[-30:]))
        die(f"{what} failed; all of it is in {log.name}")


def build(install_to=None):
    """Build what is not built or older than its sources; install it below install_to."""
    tree = owner(SOURCE)
    if not os.path.isdir(BUILD):
        os.mkdir(BUILD)
        if tree:
            os.chown(BUILD, tree["user"], tree["group"])
    builder = owner(BUILD)
    jobs = f"-j{os.cpu_count() or 1}"
    with open(BUILD + "/.sandbox-lock", "w") as lock:       # one at a time in one folder
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(BUILD + "/sandbox-build.log", "w") as log:
            if not os.path.exists(SOURCE + "/configure"):
                print("preparing the build (autogen.sh)", flush=True)
                step("autogen.sh", ["./autogen.sh"], SOURCE, log, **tree)
            if not os.path.exists(BUILD + "/Makefile"):
                print(f"configuring in {BUILD}", flush=True)
                step("configure", [SOURCE + "/configure", *CONFIGURE], BUILD, log, **builder)
            step("make", ["make", jobs], BUILD, log, on_line=Teller("  CC", "building cotdb"), **builder)
            if install_to:
                step("make install", ["make", jobs, "install", "DESTDIR=" + install_to], BUILD, log)


def prepared():
    """Everything is there and built, so that a sandbox need not be begun in vain."""
    if not READY:
        packages("build")
        build()


def installed():
    """Install for this sandbox; the folder that is laid over / in the nodes."""
    if READY:
        return os.path.abspath(READY)
    build(SANDBOX + "/inst")
    return SANDBOX + "/inst"
