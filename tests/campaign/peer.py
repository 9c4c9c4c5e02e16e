# SPDX-License-Identifier: MIT
"""The other side of the guests' TCP streams, on the host, where no driver domain can reach it. It knows each byte that has to come."""
import selectors
import socket
import struct
import threading
import time

STREAM_BYTES, UP_SEED, DOWN_SEED = 65521, 0x5eed0001, 0x5eed0002    # as programs/load.c has them
ACKNOWLEDGE_BYTES, ACKNOWLEDGE_S, TICK_S = 32768, 0.05, 0.01


def content(seed):
    """The stream, twice, so that a piece from any place lies in one piece."""
    data = bytearray()
    for _ in range(STREAM_BYTES):
        seed ^= seed << 13 & 0xffffffff
        seed ^= seed >> 17
        seed ^= seed << 5 & 0xffffffff
        data.append(seed >> 8 & 0xff)
    return bytes(data) * 2


class Connection:
    def __init__(self, link, is_up):
        self.link, self.is_up = link, is_up
        self.at = self.bad = self.acknowledged = 0
        self.begun = self.told = time.monotonic()
        self.owed = b""


class Peer(threading.Thread):
    def __init__(self, kib_per_s):
        super().__init__(daemon=True)
        self.rate = kib_per_s * 1024
        self.up, self.down = content(UP_SEED), content(DOWN_SEED)
        self.selector = selectors.DefaultSelector()
        self.listeners = [self.listen(True), self.listen(False)]
        self.ports = [listener.getsockname()[1] for listener in self.listeners]
        self.connections = []
        self.plants = set()    # "up", "down": the next byte that way is made wrong
        self.is_ended = False

    def listen(self, is_up):
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self.selector.register(listener, selectors.EVENT_READ, is_up)
        return listener

    def run(self):
        while not self.is_ended:
            for key, _ in self.selector.select(TICK_S):
                if key.fileobj in self.listeners:
                    self.accept(key.fileobj, key.data)
                else:
                    self.guarded(self.take, key.data)
            for one in list(self.connections):
                self.guarded(self.acknowledge if one.is_up else self.give, one)
        for one in [*self.listeners, *(connection.link for connection in self.connections)]:
            one.close()
        self.selector.close()

    def end(self):
        self.is_ended = True
        self.join()

    def accept(self, listener, is_up):
        link, _ = listener.accept()
        link.setblocking(False)
        one = Connection(link, is_up)
        self.connections.append(one)
        self.selector.register(link, selectors.EVENT_READ, one)

    def guarded(self, act, one):
        if one not in self.connections:
            return
        try:
            act(one)
        except BlockingIOError:
            pass
        except OSError:
            self.selector.unregister(one.link)
            self.connections.remove(one)
            one.link.close()

    def take(self, one):
        data = one.link.recv(1 << 16)
        if not data:
            raise ConnectionError
        if not one.is_up:
            return
        if "up" in self.plants:
            self.plants.discard("up")
            data = bytes([data[0] ^ 1]) + data[1:]
        for first in range(0, len(data), STREAM_BYTES):
            piece = data[first:first + STREAM_BYTES]
            place = one.at % STREAM_BYTES
            wanted = self.up[place:place + len(piece)]
            if piece != wanted:
                one.bad += sum(a != b for a, b in zip(piece, wanted))
            one.at += len(piece)

    def acknowledge(self, one):
        now = time.monotonic()
        if not one.owed and (one.at - one.acknowledged >= ACKNOWLEDGE_BYTES or one.at > one.acknowledged and now - one.told > ACKNOWLEDGE_S):
            one.owed = struct.pack("<QQ", one.at, one.bad)
            one.acknowledged, one.told = one.at, now
        if one.owed:
            one.owed = one.owed[one.link.send(one.owed):]

    def give(self, one):
        allowed = int((time.monotonic() - one.begun) * self.rate) - one.at
        if allowed > self.rate:    # what was missed is not made up for at once
            one.begun += (allowed - self.rate) / self.rate
            allowed = self.rate
        if allowed <= 0:
            return
        place = one.at % STREAM_BYTES
        data = self.down[place:place + min(allowed, STREAM_BYTES)]
        is_planted = "down" in self.plants
        if is_planted:
            data = bytes([data[0] ^ 1]) + data[1:]
        one.at += one.link.send(data)       # or nothing is sent, and the byte is planted the next time
        if is_planted:
            self.plants.discard("down")
