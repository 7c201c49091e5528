# SPDX-License-Identifier: GPL-3.0-or-later
"""peer.py: a client of the daemon's socket, byte by byte, for tests that send what no real one does.

    p = Peer(path); p.control(3) -> (status, data, text)

By hand, in a node: peer.py hold SRVID: connects, registers, prints its pid, ends with its input."""
import os, socket, struct, sys

MAGIC, VERSION, CURRENT_NODE = 0x43544442, 1, 0xF0000001
REQ_CALL, REPLY_CALL, REPLY_ERROR, REQ_MESSAGE, REQ_CONTROL, REPLY_CONTROL, REQ_TUNNEL = 0, 1, 4, 5, 7, 8, 10
PATIENCE = 10


def packet(operation, body=b"", dest=0, reqid=0, length=None, magic=MAGIC, version=VERSION):
    length = 32 + len(body) if length is None else length
    return struct.pack("=8I", length, magic, version, 0, operation, dest, 0, reqid) + body


def control(opcode, data=b"", srvid=0, flags=0, datalen=None):
    datalen = len(data) if datalen is None else datalen
    return struct.pack("=IIQIII", opcode, 0, srvid, 0, flags, datalen) + data


def call(db_id, key, callid=0xFF000001, flags=1, keylen=None, datalen=0):
    return struct.pack("=6I", flags, db_id, callid, 0, len(key) if keylen is None else keylen, datalen) + key


class Closed(Exception):
    pass


class Peer:
    def __init__(self, path, patience=PATIENCE):
        self.patience = patience
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)
        self.sock.settimeout(PATIENCE)
        self.buf, self.reqid = b"", 0

    def send(self, data):
        self.sock.sendall(data)

    def receive(self, timeout=None):
        """(operation, reqid, body) of the next packet; None: nothing came; Closed at the end"""
        self.sock.settimeout(timeout or self.patience)
        while True:
            if len(self.buf) >= 4:
                length, = struct.unpack_from("=I", self.buf)
                if len(self.buf) >= length:
                    head, self.buf = self.buf[:length], self.buf[length:]
                    f = struct.unpack_from("=8I", head)
                    assert f[1] == MAGIC and f[2] == VERSION and length % 8 == 0 and length >= 48, f
                    return f[4], f[7], head[32:]
            try:
                more = self.sock.recv(65536)
            except socket.timeout:
                return None
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed
            self.buf += more

    def is_closed(self):
        try:
            while self.receive():
                pass
        except Closed:
            return True
        return False

    def control(self, opcode, data=b"", dest=CURRENT_NODE, srvid=0, datalen=None):
        """(status, data, text)"""
        self.reqid += 1
        self.send(packet(REQ_CONTROL, control(opcode, data, srvid, 0, datalen), dest, self.reqid))
        while True:
            got = self.receive()
            if got is None:
                raise TimeoutError(f"no answer to control {opcode}")
            operation, reqid, body = got
            if operation == REPLY_CONTROL and reqid == self.reqid:
                status, n, m = struct.unpack_from("=iII", body)
                return status, body[12:12 + n], body[12 + n:12 + n + m].decode()

    def close(self):
        self.sock.close()


if __name__ == "__main__":
    peer = Peer("/run/ctdb/ctdbd.socket")
    assert peer.control(23, srvid=int(sys.argv[2], 0))[0] == 0
    print(os.getpid(), flush=True)
    sys.stdin.read()
