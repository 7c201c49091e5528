#!/usr/bin/python3 -EB
# SPDX-License-Identifier: GPL-3.0-or-later
"""load.py - a client that opens and closes files over SMB as fast as it can

  load.py --conf FILE --user NAME%PASSWORD --seconds S [OPTIONS] //ADDRESS/SHARE...

  --file NAME        what is opened (load); with --own NAME.PID.NUMBER, another one for each client
  --files N          that many of them in turn
  --kind open        open and close a file that exists (default)
         create      create, close and delete it
         write       open, write 4 KiB, read them again and compare, close
  --keep-going       a lost connection is made again, for the whole time

A client for each share named, all at once. Prints "running" when all are connected, and in the end
one JSON object: how many, per second, the longest
that one took (with connecting again if it came to that), and the errors that were seen."""
import argparse, json, os, sys, time

from samba.credentials import Credentials, DONT_USE_KERBEROS
from samba.samba3 import libsmb_samba_internal as libsmb
from samba.samba3 import param
from samba import NTSTATUSError

READ_WRITE, DELETE, SHARE_ALL, OPEN_IF, DELETE_ON_CLOSE = 0x3, 0x10000, 7, 3, 0x1000
PATIENCE_MS = 20000     # of the client library for one answer


def connect(args, host, share):
    lp = param.get_context()
    lp.load(args.conf)
    user, _, password = args.user.partition("%")
    creds = Credentials()
    creds.guess(lp)
    creds.set_kerberos_state(DONT_USE_KERBEROS)
    creds.set_username(user)
    creds.set_password(password)
    conn = libsmb.Conn(host, share, lp, creds)
    conn.settimeout(PATIENCE_MS)
    return conn


def step(conn, args, name):
    if args.kind == "create":
        fnum = conn.create(name, DesiredAccess=READ_WRITE | DELETE, ShareAccess=SHARE_ALL,
                           CreateDisposition=OPEN_IF, CreateOptions=DELETE_ON_CLOSE)
        return conn.close(fnum)
    fnum = conn.create(name, DesiredAccess=READ_WRITE, ShareAccess=SHARE_ALL, CreateDisposition=OPEN_IF)
    if args.kind == "write":
        data = os.urandom(4096)
        conn.write(fnum, buffer=data, offset=0)
        if conn.read(fnum, 0, len(data)) != data:
            raise SystemExit("read something else than was written")
    return conn.close(fnum)


def client(args, unc, number, out):
    """What one client saw. A line tells that it begins."""
    host, share = unc.strip("/").split("/")
    name = f"{args.file}.{os.getpid()}.{number}" if args.own else args.file
    count, longest, when, errors = 0, 0.0, 0.0, {}
    conn = connect(args, host, share)       # not counted: what it takes says nothing about the others
    print(file=out, flush=True)
    end = time.monotonic() + args.seconds
    last = begin = time.monotonic()
    while last < end:
        try:
            conn = conn or connect(args, host, share)
            step(conn, args, name if args.files == 1 else f"{name}.{count % args.files}")
            count += 1
        except NTSTATUSError as e:
            errors[e.args[1]] = errors.get(e.args[1], 0) + 1
            if not args.keep_going:
                break
            conn = None
            time.sleep(0.02)        # whoever refuses connections is not asked in a tight loop
            if time.monotonic() < end:
                continue
        now = time.monotonic()
        if now - last > longest:
            longest, when = now - last, last - begin
        last = now
    return dict(unc=unc, count=count, per_second=round(count / (last - begin), 1),
                longest_ms=round(longest * 1000, 1), longest_at_s=round(when, 3), errors=errors)


def main():
    a = argparse.ArgumentParser(usage=__doc__)
    a.add_argument("--conf", required=True)
    a.add_argument("--user", required=True)
    a.add_argument("--seconds", type=float, required=True)
    a.add_argument("--file", default="load")
    a.add_argument("--files", type=int, default=1)
    a.add_argument("--own", action="store_true")
    a.add_argument("--kind", default="open", choices=("open", "create", "write"))
    a.add_argument("--keep-going", action="store_true")
    a.add_argument("uncs", nargs="+")
    args = a.parse_args()
    pipes = []
    for number, unc in enumerate(args.uncs):
        r, w = os.pipe()
        if os.fork() == 0:
            with os.fdopen(w, "w") as out:
                json.dump(client(args, unc, number, out), out)
            os._exit(0)
        os.close(w)
        pipes.append(os.fdopen(r))
    if all([p.readline() for p in pipes]):
        print("running", flush=True)
    rows = [json.loads(p.read() or "null") for p in pipes]
    if None in rows:
        sys.exit("load.py: a client died")
    print(json.dumps(dict(per_second=round(sum(x["per_second"] for x in rows), 1), clients=rows)))


main()
