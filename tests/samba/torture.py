# SPDX-License-Identifier: GPL-3.0-or-later
"""torture.py: Samba's own test suite for SMB servers (smbtorture), run against a cluster; what it
says is read into {test: result}."""
import concurrent.futures, queue, re, subprocess, tempfile

import base, smbd

KINDS = "smb2", "raw", "base"

# Those that test no server, or that only measure, wait for ever, or want what is not here
LEFT_OUT = {
    "base.bench-holdcon": "measures", "base.bench-holdopen": "measures", "base.bench-readwrite": "measures",
    "base.bench-torture": "measures", "base.iometer": "measures", "base.scan-ioctl": "explores",
    "base.scan-maxfid": "explores", "base.scan-pipe_number": "explores", "base.trans2-scan": "explores",
    "base.nttrans": "explores", "base.casetable": "explores", "base.utable": "explores", "base.smb": "explores",
    "base.fdpass": "of the client", "base.delaywrite": "minutes of waiting for the clock",
    "raw.bench-oplock": "measures", "raw.bench-lock": "measures", "raw.bench-open": "measures",
    "raw.bench-lookup": "measures", "raw.bench-tcon": "measures", "raw.ping-pong": "measures",
    "raw.hold-oplock": "waits for ever", "raw.offline": "wants offline files", "raw.scan-eamax": "explores",
    "smb2.bench": "measures", "smb2.scan": "explores", "smb2.hold-oplock": "waits for ever",
    "smb2.hold-sharemode": "waits for ever", "smb2.check-sharemode": "the other half of hold-sharemode",
    "smb2.aio_delay": "wants a slow read; hangs by chance over either daemon",
    "smb2.maxfid": "65,536 open files", "smb2.credits": "wants other smb.conf settings",
    "smb2.kernel-oplocks": "wants kernel oplocks",
}

PASSED = "success"
SECONDS = 300       # for a suite


def suites():
    with tempfile.TemporaryDirectory() as folder:       # it makes one of its own where it is
        out = subprocess.run(["smbtorture", "--list-suites"], stdin=-3, stdout=-1, stderr=-3, text=True,
                             cwd=folder).stdout
    return [s for s in out.split() if s.partition(".")[0] in KINDS and s not in LEFT_OUT]


def results(suite, text):
    """{SUITE.TEST: success, failure, error, skip, or "no end"}; suite: also the name of one test"""
    found, began = {}, None
    for line in text.splitlines():
        m = re.match(r"(test|success|failure|error|skip): (\S+)", line)
        if not m:
            continue
        name = suite if suite.endswith("." + m.group(2)) else f"{suite}.{m.group(2)}"
        if m.group(1) == "test":
            began = name
            found.setdefault(name, "no end")
        elif name == began or name in found:
            found[name] = m.group(1)
    return found or {suite: "did not run"}


def run(cluster, suite, n, share, seconds=SECONDS, log=None):
    """One suite against the first n nodes of a cluster, in a share that is empty before."""
    cluster.empty_share(share)
    text = cluster.smbtorture(suite, range(1, n + 1), share, seconds)
    if log:
        base.write(f"{log}/{suite}.{n}", text)
    return results(suite, text)


def run_all(cluster, sizes, names, told=lambda *_: None, log=None):
    """{(nodes, test): result} of these suites, as many at once as there are shares. told: called with
    nodes, suite and its results after each."""
    found, shares = {}, queue.Queue()
    for share in smbd.SHARES:
        shares.put(share)

    def one(job):
        n, suite = job
        share = shares.get()
        try:
            got = run(cluster, suite, n, share, log=log)
        finally:
            shares.put(share)
        told(n, suite, got)
        return {(n, test): result for test, result in got.items()}

    with concurrent.futures.ThreadPoolExecutor(len(smbd.SHARES)) as pool:
        for part in pool.map(one, [(n, suite) for n in sizes for suite in names]):
            found.update(part)
    return found
