# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on a free port of 127.0.0.1 that can be told to misbehave."""
import selectors
import socket
import struct
import threading
import time

PASS, SLOW, BLACK_HOLE, RESET = 'pass', 'slow', 'black hole', 'reset'
SLOW_S = 0.1


def hard_close(sock):
    """Closes with a reset."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    except OSError:
        pass
    sock.close()


class Side:
    """One end of a connection; what arrives here waits to be sent at the other."""

    def __init__(self, sock):
        self.socket = sock
        self.other = None
        self.waiting = []  # (due, bytes), to be sent to the other
        self.ended = False


class Proxy(threading.Thread):
    """One thread for all connections. In a black hole nothing is read, sent or accepted, and nothing is
    closed; with a reset every connection is reset, new ones too; slow holds each piece back for SLOW_S."""

    def __init__(self, target_port):
        super().__init__(daemon=True)
        self.target = ('127.0.0.1', target_port)
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.sides = set()
        self.mode = PASS
        self.ending = False
        self.start()

    def set(self, mode):
        self.mode = mode

    def point(self, target_port):
        """New connections lead there from now on."""
        self.target = ('127.0.0.1', target_port)

    def stop(self):
        self.ending = True
        self.join()

    def run(self):
        while not self.ending:
            if self.mode == BLACK_HOLE:
                time.sleep(0.005)
                continue
            if self.mode == RESET:
                for side in list(self.sides):
                    self.drop(side, hard_close)
            for key, _ in self.selector.select(0.005):
                if key.fileobj is self.listener:
                    self.accept()
                elif key.data in self.sides:
                    self.receive(key.data)
            for side in list(self.sides):
                self.forward(side)
        for side in list(self.sides):
            self.drop(side, socket.socket.close)
        self.selector.close()
        self.listener.close()

    def accept(self):
        try:
            near, _ = self.listener.accept()
        except OSError:
            return
        if self.mode == RESET:
            hard_close(near)
            return
        try:
            far = socket.create_connection(self.target, 2)
        except OSError:
            hard_close(near)
            return
        sides = [Side(near), Side(far)]
        for side, other in (sides, sides[::-1]):
            side.other = other
            side.socket.setblocking(False)
            side.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sides.add(side)
            self.selector.register(side.socket, selectors.EVENT_READ, side)

    def receive(self, side):
        try:
            data = side.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            self.drop(side, hard_close)
            return
        if data:
            side.waiting.append((time.monotonic() + (SLOW_S if self.mode == SLOW else 0), data))
        else:
            side.ended = True
            self.selector.unregister(side.socket)
        self.forward(side)

    def forward(self, side):
        while side in self.sides and side.waiting and side.waiting[0][0] <= time.monotonic():
            due, data = side.waiting[0]
            try:
                sent = side.other.socket.send(data)
            except BlockingIOError:
                return
            except OSError:
                self.drop(side, hard_close)
                return
            if sent < len(data):
                side.waiting[0] = (due, data[sent:])
            else:
                side.waiting.pop(0)
        if side in self.sides and side.ended and not side.waiting:
            self.drop(side, socket.socket.close)

    def drop(self, side, close):
        for one in (side, side.other):
            if one in self.sides:
                self.sides.discard(one)
                if not one.ended:
                    self.selector.unregister(one.socket)
                close(one.socket)
