#!/usr/bin/python3 -ESB
# SPDX-License-Identifier: GPL-3.0-or-later
"""hang_fs.py FOLDER: mounts a file system that never says whether it has a file. Who asks stays in the
kernel for as long as this process lives, and not even SIGKILL ends it: as on a cluster file system that
waits for fencing. Prints "mounted", and "asked" for each such question."""
import ctypes, os, struct, sys

INIT, GETATTR, LOOKUP = 26, 3, 1

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
fuse = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = f"fd={fuse},rootmode=40755,user_id=0,group_id=0,allow_other"
if libc.mount(b"hang", folder.encode(), b"fuse", 0, options.encode()) != 0:
    sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
print("mounted", flush=True)
while True:
    request = os.read(fuse, 1 << 20)
    _, what, unique = struct.unpack_from("=IIQ", request)
    if what == INIT:
        answer = struct.pack("=IIII HHII HHI 28x", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0)
    elif what == GETATTR:
        answer = struct.pack("=QII 6Q 10I", 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
    else:
        if what == LOOKUP:
            print("asked", flush=True)
        continue
    os.write(fuse, struct.pack("=IiQ", 16 + len(answer), 0, unique) + answer)
