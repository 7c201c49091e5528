# SPDX-License-Identifier: GPL-3.0-or-later
"""torture.py: Samba's own test suite for SMB servers (smbtorture), run against a cluster; what it
says is read into {test: result}."""
import re, subprocess

import base

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
    "smb2.maxfid": "65,536 open files", "smb2.credits": "wants other smb.conf settings",
    "smb2.kernel-oplocks": "wants kernel oplocks",
}

PASSED = "success"


def suites():
    out = subprocess.run(["smbtorture", "--list-suites"], stdin=-3, stdout=-1, stderr=-3, text=True).stdout
    return [s for s in out.split() if s.partition(".")[0] in KINDS and s not in LEFT_OUT]


def results(suite, text):
    """{SUITE.TEST: success, failure, error, skip, or "no end"}"""
    found, began = {}, None
    for line in text.splitlines():
        m = re.match(r"(test|success|failure|error|skip): (\S+)", line)
        if not m:
            continue
        name = f"{suite}.{m.group(2)}"
        if m.group(1) == "test":
            began = name
            found.setdefault(name, "no end")
        elif name == began or name in found:
            found[name] = m.group(1)
    return found or {suite: "did not run"}


def run(cluster, suite, nodes, seconds=120, log=None):
    """One suite against these nodes of a cluster, in a share that is empty before."""
    cluster.empty_share()
    text = cluster.smbtorture(suite, *nodes, seconds=seconds)
    if log:
        base.write(f"{log}/{suite}.{len(nodes)}", text)
    return results(suite, text)
