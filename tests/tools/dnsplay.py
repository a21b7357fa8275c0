#!/usr/bin/env python3
"""dnsplay: a name server that answers badly on purpose.

    dnsplay.py PORT LOG

Serves UDP and TCP on 127.0.0.1. The first label of the name that is asked for chooses the answer: see ANSWERS.
Every question is a line of LOG, "udp many.bad.example MX". Ends at SIGTERM."""
import socket
import struct
import sys
import threading

A, CNAME, SOA, MX, AAAA = 1, 5, 6, 15, 28
TYPES = {A: 'A', CNAME: 'CNAME', MX: 'MX', AAAA: 'AAAA'}
HOST = '127.0.0.2'


def wire(name):
    out = b''
    for label in name.split('.'):
        if label:
            raw = label if isinstance(label, bytes) else label.encode('latin-1')
            out += bytes([len(raw)]) + raw
    return out + b'\0'


def labels(*parts):
    return b''.join(bytes([len(p)]) + p for p in parts) + b'\0'


def record(owner, kind, data, ttl=60, length=None):
    return owner + struct.pack('>HHIH', kind, 1, ttl, len(data) if length is None else length) + data


def mx(name, preference=10):
    return struct.pack('>H', preference) + (name if isinstance(name, bytes) else wire(name))


def address(text=HOST):
    return socket.inet_aton(text)


OWNER = b'\xc0\x0c'  # the name of the question


class Question:
    def __init__(self, packet, tcp):
        self.id, self.tcp = packet[:2], tcp
        at, parts = 12, []
        while packet[at]:
            parts.append(packet[at + 1:at + 1 + packet[at]].decode('latin-1'))
            at += 1 + packet[at]
        self.name = '.'.join(parts).lower()
        self.first = parts[0].lower() if parts else ''
        self.rest = '.'.join(parts[1:]).lower()
        self.kind = struct.unpack('>H', packet[at + 1:at + 3])[0]
        self.section = packet[12:at + 5]

    def answer(self, *records, rcode=0, truncated=False, count=None, ident=None, section=None):
        flags = 0x8400 | 0x0180 | rcode | (0x0200 if truncated else 0)
        body = b''.join(records)
        head = (ident or self.id) + struct.pack('>HHHHH', flags, 1, len(records) if count is None else count, 0, 0)
        return head + (section or self.section) + body

    def nothing(self):
        return self.answer()

    def only(self, kind, *data):
        """Records of one type; NODATA for the others."""
        return self.answer(*(record(OWNER, kind, d) for d in data)) if self.kind == kind else self.nothing()

    def name_server_fits(self, whole):
        """Whole by TCP; cut by UDP, as a name server does it."""
        return whole if self.tcp or len(whole) <= 512 else self.answer(truncated=True)


def many(q):
    hosts = [mx(f'host{n}.{q.rest}', 10 + n % 7) for n in range(1000)]
    return q.name_server_fits(q.only(MX, *hosts))


def chain(q):
    if q.kind != MX:
        return q.nothing()
    names = [wire(f'c{n}.{q.rest}') for n in range(40)]
    return q.answer(record(OWNER, CNAME, names[0]),
                    *(record(a, CNAME, b) for a, b in zip(names, names[1:])))


def truncated_for_ever(q):
    return None if q.tcp else q.answer(truncated=True)


ANSWERS = {
    'good': lambda q: q.only(MX, mx(f'ok.{q.rest}')),
    'ok': lambda q: q.only(A, address()),
    'many': many,
    'loop': lambda q: q.answer(record(OWNER, CNAME, wire(f'pool.{q.rest}'))),
    'pool': lambda q: q.answer(record(OWNER, CNAME, wire(f'loop.{q.rest}'))),
    'itself': lambda q: q.answer(record(OWNER, CNAME, OWNER)),
    'chain': chain,
    'pointer': lambda q: q.only(MX, mx(struct.pack('>H', 0xC000 | (12 + len(q.section) + 12 + 2)))),
    'forward': lambda q: q.only(MX, mx(b'\xc3\xff')),
    'ownerloop': lambda q: q.answer(record(struct.pack('>H', 0xC000 | (12 + len(q.section))), MX, mx('x'))),
    'toolong': lambda q: q.answer(record(OWNER, MX, mx(f'ok.{q.rest}'), length=4000)),
    'tooshort': lambda q: q.only(MX, b'\0'),
    'empty': lambda q: q.only(MX, b''),
    'crlf': lambda q: q.only(MX, mx(labels(b'evil\r\nRCPT TO:<x>', b'example'))),
    'nul': lambda q: q.only(MX, mx(labels(b'a\0b', b'example'))),
    'escape': lambda q: q.only(MX, mx(labels(b'\x1b]52;c;x\x07', b'example'))),
    'blank': lambda q: q.only(MX, mx(labels(b'a b', b'example'))),
    'longname': lambda q: q.only(MX, mx(labels(*[b'a' * 63] * 5))),
    'label64': lambda q: q.only(MX, mx(b'\x40' + b'a' * 64 + b'\0')),
    'otherid': lambda q: q.answer(record(OWNER, MX, mx(f'ok.{q.rest}')), ident=b'\x12\x34'),
    'otherquestion': lambda q: q.answer(record(OWNER, MX, mx(f'ok.{q.rest}')),
                                        section=wire('www.evil.example') + struct.pack('>HH', MX, 1)),
    'otherowner': lambda q: q.answer(record(wire('good.evil.example'), MX, mx(f'ok.{q.rest}'))),
    'cuttcp': truncated_for_ever,
    'silence': lambda q: None,
    'nodatagram': lambda q: b'',
    'garbage': lambda q: q.id + bytes(range(256)),
    'cut': lambda q: q.only(MX, mx(f'ok.{q.rest}'))[:-3],
    'counts': lambda q: q.answer(record(OWNER, MX, mx(f'ok.{q.rest}')), count=65535),
    'servfail': lambda q: q.answer(rcode=2),
    'refused': lambda q: q.answer(rcode=5),
    'notimp': lambda q: q.answer(rcode=4),
    'reserved': lambda q: q.answer(rcode=15),
    'v4short': lambda q: q.only(A, b'\x7f\0\0'),
    'v4long': lambda q: q.only(A, address() + b'\1'),
    'v6short': lambda q: q.only(AAAA, b'\0' * 15),
    # MX records, good and bad, in one answer.
    'mixed': lambda q: q.only(MX, mx(labels(b'evil\r\n', b'example'), 1), mx(f'ok.{q.rest}', 20), mx(b'\0', 5)),
    'null': lambda q: q.only(MX, mx(b'\0', 0)),
    'nowhere': lambda q: q.answer(rcode=3),
    'nohost': lambda q: q.only(MX, mx(f'nowhere.{q.rest}')),
    'noaddress': lambda q: q.nothing(),
    'mapped': lambda q: q.only(AAAA, b'\0' * 10 + b'\xff\xff' + address('127.0.0.1')),
}


def reply(packet, tcp, log):
    q = Question(packet, tcp)
    log.write(f"{'tcp' if tcp else 'udp'} {q.name} {TYPES.get(q.kind, q.kind)}\n")
    log.flush()
    if q.first.startswith('host'):
        return q.only(A, address())
    return ANSWERS.get(q.first, Question.nothing)(q)


def whole(connection, n):
    got = b''
    while len(got) < n:
        piece = connection.recv(n - len(got))
        if not piece:
            return None
        got += piece
    return got


def talk(connection, log):
    with connection:
        while True:
            head = whole(connection, 2)
            packet = head and whole(connection, struct.unpack('>H', head)[0])
            out = packet and reply(packet, True, log)
            if not out:
                return
            connection.sendall(struct.pack('>H', len(out)) + out)


def serve_tcp(listener, log):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=talk, args=(connection, log), daemon=True).start()


def main():
    port = int(sys.argv[1])
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(('127.0.0.1', port))
    listener = socket.create_server(('127.0.0.1', port))
    with open(sys.argv[2], 'w') as log:
        threading.Thread(target=serve_tcp, args=(listener, log), daemon=True).start()
        while True:
            packet, peer = udp.recvfrom(65535)
            try:
                out = reply(packet, False, log)
            except (IndexError, struct.error):
                continue
            if out is not None:
                udp.sendto(out, peer)


main()
