"""The rows of the bench: what is done to a system, and what is measured.

A row's `measure` takes the bench, a system and one of its variants, and returns figures by the
names of METRICS. It raises Skip where a system has no figure, and Failed where something went
wrong: a reply that was not right, a message too few. No figure is ever compared with a
threshold."""

import os
import socket
import subprocess
import time
from dataclasses import dataclass, field

from ours import DEAD_HOST, FAST_RETRY
from system import Failed, Skip

# name: what it is, unit, which is better
METRICS = {
    'rate': ('messages', '/s', 'more'),
    'made': ('files made durable', '/s', 'more'),
    'trips': ('round trips', '/s', 'more'),
    'cpu': ('CPU for 1,000', 's', 'less'),
    'p50': ('median latency', 'ms', 'less'),
    'p99': ('99 % within', 'ms', 'less'),
    'share': ('of the raw limit', '%', 'more'),
    'written': ('written to the device for 1 octet of mail', 'octets', 'less'),
    'start': ('start to greeting', 'ms', 'less'),
    'rest': ('memory at rest', 'KiB', 'less'),
    'each': ('memory for each connection', 'KiB', 'less'),
    'sender': ('start of the sender', 'ms', 'less'),
    'scan': ('start with nothing due', 's', 'less'),
    'wake': ('CPU for a wake-up with nothing due', 'ms', 'less'),
    'octets': ('memory for each data set', 'octets', 'less'),
    'pass': ('retry pass, busy', 's', 'less'),
    'pass_cpu': ('retry pass, CPU', 's', 'less'),
    'new': ('a new message until it is sent', 'ms', 'less'),
    'new_empty': ('the same with an empty queue', 'ms', 'less'),
    'load': ('load', 's', 'less'),
    'lookup': ('look-up', 'us', 'less'),
    'handshakes': ('handshakes', '/s', 'more'),
}

OURS, PEERS = 'spoolmail', ('postfix', 'exim', 'opensmtpd')
ALL = (OURS, *PEERS)
KIB, MIB = 1024, 1024 * 1024


@dataclass
class Row:
    name: str
    title: str
    measure: object
    systems: tuple
    full: list
    quick: list
    disk: bool = True  # measured on every file system asked for; else once
    head: str = field(default='rate')  # the metric of its chart


def size_name(octets):
    for unit, name in ((MIB, 'MiB'), (KIB, 'KiB')):
        if octets >= unit:
            return f'{octets // unit} {name}'
    return f'{octets} octets'


def latency(done):
    return {'p50': done['p50_us'] / 1e3, 'p99': done['p99_us'] / 1e3}


# The machine.

def limit_durable(bench, system, v):
    bench.disk.fresh()
    done = bench.tool('rawlimit', 'durable', bench.disk.root, '--size', v['size'],
                      '--seconds', v['seconds'], '--writers', v['writers'],
                      *(['--shared'] if v['shared'] else []))
    return {'made': done['rate'], **latency(done)}


def limit_fsync(bench, system, v):
    bench.disk.fresh()
    done = bench.tool('rawlimit', 'fsync', bench.disk.root, '--seconds', v['seconds'])
    return latency(done)


def limit_tcp(bench, system, v):
    done = bench.tool('rawlimit', 'tcp', bench.folder, '--seconds', v['seconds'])
    return {'trips': done['rate']}


def limit_tools(bench, system, v):
    """The load generator against the sink: no figure of a server can be above it."""
    with bench.sink() as sink:
        done = bench.load(sink, **v['load'])
        sink.wait(done['messages'])
    return {'rate': done['rate'], **latency(done)}


# Inbound.

def accept(bench, system, v):
    load = v['load']
    system.start(sending=False)
    warm = bench.load(system, messages=load['sessions'], sessions=load['sessions'])
    before = system.group.cpu_seconds()
    done = bench.load(system, **load)
    queued = system.queued()  # waits for what is still done behind the reply
    cpu = system.group.cpu_seconds() - before
    expect(queued, done['messages'] + warm['messages'], f'{system.name} stored')
    system.stop()
    return {'rate': done['rate'], 'cpu': cpu * 1000 / done['messages'], **latency(done)}


def expect(count, wanted, what):
    if count != wanted:
        raise Failed(f'{what} {count} messages instead of {wanted}')


def start_up(bench, system, v):
    began = time.monotonic()
    system.start(sending=False)
    took = time.monotonic() - began
    figures = {'start': took * 1e3, 'rest': system.group.pss_kib()}
    system.stop()
    if system.name == OURS:
        began = time.monotonic()
        system.daemon('usmtp')
        figures['sender'] = (time.monotonic() - began) * 1e3
    return figures


def idle(bench, system, v):
    if v['connections'] > system.idle_most:
        raise Skip('not tried: it needs a process for each')
    system.room = v['connections'] + 50
    system.start(sending=False)
    bench.load(system, messages=10, sessions=10)
    before = system.group.pss_kib()
    with bench.holding(system, v['connections']):
        each = (system.group.pss_kib() - before) / v['connections']
    system.stop()
    return {'each': each}


def make_certificate(folder, kind):
    """Key and certificate, one behind the other, as every server here takes them."""
    key = {'RSA': ['rsa:2048'], 'ECDSA': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']}[kind]
    parts = [f'{folder}/tls.{name}' for name in ('key', 'crt')]
    subprocess.run(['openssl', 'req', '-x509', '-nodes', '-days', '9', '-subj', '/CN=bench.example',
                    '-keyout', parts[0], '-out', parts[1], '-newkey', *key],
                   check=True, capture_output=True)
    text = ''
    for part in parts:
        with open(part, encoding='ascii') as f:
            text += f.read()
    return text


# So many at once that waiting for acknowledgements is not what is measured.
HANDSHAKES = 50


def handshakes(bench, system, v):
    if not system.speaks_tls:
        raise Skip('not set up for TLS')
    system.certificate = make_certificate(bench.folder, v['key'])
    system.room = 100
    system.start(sending=False)
    options = ['--sessions', HANDSHAKES, '--seconds', v['seconds'], *(['--resume'] if v['resume'] else [])]
    done = bench.tool('tlsload', *options, system.port)
    cpu = system.group.cpu_seconds()
    system.stop()
    if bool(done['resumed']) != v['resume']:
        raise Failed(f"{done['resumed']} of {done['all']} handshakes resumed a session")
    return {'handshakes': done['handshakes'], 'cpu': cpu * 1000 / done['all']}


# Conversion.

def raw_files(bench, files, size):
    """Files of that size made durable a second, 64 writers sharing syncs: what a conversion is held
    against."""
    bench.disk.fresh()
    return bench.tool('rawlimit', 'durable', bench.disk.root, '--size', size, '--files', files,
                      '--writers', 64, '--shared')['rate']


def convert(bench, system, v):
    messages, size = v['files'] * v['recipients'], v['size']
    limit = raw_files(bench, messages, size)
    bench.place(system)
    if v['recipients'] == 1:
        system.drop_many(v['files'], size)
    else:
        system.drop_lists(v['recipients'], size)
    os.sync()
    written = bench.disk.written()
    began = time.monotonic()
    cpu = system.run('spool4')
    took = time.monotonic() - began
    expect(system.waiting(), messages, 'spool4 made')
    figures = {'rate': messages / took, 'share': messages / took / limit * 100,
               'cpu': cpu * 1000 / messages}
    if written is not None:
        figures['written'] = (bench.disk.written() - written) / (messages * size)
    return figures


# Outbound.

def share(system, messages):
    """Slow systems send fewer, so that a run has an end."""
    return max(10, int(messages * system.drain_share))


def drain(bench, system, v):
    messages = share(system, v['messages'])
    with bench.sink() as sink:
        system.sink_port = sink.port
        system.fill(messages, v['size'])
        os.sync()
        began = time.monotonic()
        system.begin_sending()
        took = sink.wait(messages) - began
        cpu = system.group.cpu_seconds()
        system.stop()
    return {'rate': messages / took, 'cpu': cpu * 1000 / messages}


def one_silent(bench, system, v):
    """Mail for many destinations; for v['silent'] mails more the host takes the connection, and no more."""
    with bench.sink() as sink, socket.create_server(('127.0.0.1', 0)) as silent:
        system.sink_port = sink.port
        system.hosts_with_one_silent(v['hosts'], silent.getsockname()[1])
        live = v['messages']
        to = [f'user{i}@h{i % v["hosts"]}.example' for i in range(live)]
        to[live // 2:live // 2] = [f'user{i}@silent.example' for i in range(v['silent'])]
        for at in range(0, len(to), 5000):
            system.drop_to(f'LIST{at:07}', to[at:at + 5000], v['size'])
        system.run('spool4')
        os.sync()
        began = time.monotonic()
        system.begin_sending()
        took = sink.wait(live) - began
        cpu = system.group.cpu_seconds()
        system.stop()
    return {'rate': live / took, 'cpu': cpu * 1000 / live}


def relay(bench, system, v):
    messages = share(system, v['messages'])
    with bench.sink() as sink:
        system.sink_port = sink.port
        system.start(sending=True)
        began = time.monotonic()
        before = system.group.cpu_seconds()
        bench.load(system, messages=messages, sessions=10, size=v['size'], rcpt='user%@far.example')
        took = sink.wait(messages) - began
        cpu = system.group.cpu_seconds() - before
        system.stop()
    return {'rate': messages / took, 'cpu': cpu * 1000 / messages}


def jobs(bench, system, v):
    with bench.sink() as sink:
        system.sink_port = sink.port
        system.configure()
        system.daemon('spool4')
        system.daemon('usmtp')
        began = time.monotonic()
        before = system.group.cpu_seconds()
        system.drop_many(v['messages'], v['size'])
        took = sink.wait(v['messages']) - began
        cpu = system.group.cpu_seconds() - before
        system.stop()
    return {'rate': v['messages'] / took, 'cpu': cpu * 1000 / v['messages']}


# Scale.

def settle(group, quiet=1.0):
    """Waits until the group uses no CPU; returns when it last did, and how much in all."""
    last, since = group.cpu_seconds(), time.monotonic()
    while time.monotonic() - since < quiet:
        time.sleep(0.02)
        now = group.cpu_seconds()
        if now - last > 0.002:
            last, since = now, time.monotonic()
    return since, last


def scale_peer(bench, system, v):
    """One pass over all that waits for a host that refuses connections."""
    system.fill(v['waiting'], KIB)
    began = time.monotonic()
    system.begin_sending()
    ended, cpu = settle(system.group, quiet=5.0)
    system.stop()
    return {'pass': ended - began, 'pass_cpu': cpu}


def new_message(system, sink):
    """From the rename of one more data set to its arrival, in ms."""
    stamp = time.gmtime()
    name = time.strftime('OUT.D%y%j.T%H%M%S9.N0001', stamp)
    part = f'{system.spool}/mail/.bench'
    with open(part, 'w', encoding='ascii') as f:
        f.write('X-From: sender@mail.example.org\nX-To: user@live.example\n'
                'Received: by bench; now\nSubject: a new message\n\nText.\n')
    time.sleep(0.2)  # the sink tells its count at once when it was quiet
    began = time.monotonic()
    os.rename(part, f'{system.spool}/mail/{name}')
    return (sink.wait(sink.count() + 1) - began) * 1e3


def wake_up(system, times=200):
    """CPU of a wake-up by the FIFO, in ms."""
    before = system.group.cpu_seconds()
    with open(f'{system.spool}/mail/.WAKE', 'wb', buffering=0) as fifo:
        for _ in range(times):
            fifo.write(b'x')
            time.sleep(0.003)
    return (system.group.cpu_seconds() - before) * 1e3 / times


def retry_pass(system):
    """Lets usmtp find its host dead twice; what the second time costs."""
    mark = system.mark()
    system.daemon('usmtp')
    system.wait_told(DEAD_HOST, mark, 600)
    _, cpu = settle(system.group)
    system.wait_told(DEAD_HOST, system.mark(), 60)
    busy = settle(system.group)[1] - cpu
    system.stop()
    return {'pass': busy, 'pass_cpu': busy}


def scale_ours(bench, system, v):
    """The host of nearly all mail is dead; that of live.example is the sink."""
    with bench.sink() as sink:
        system.live_port = sink.port
        system.timing = FAST_RETRY
        system.configure()
        system.daemon('usmtp')
        empty = system.group.pss_kib()
        figures = {'new_empty': new_message(system, sink)}
        system.stop()
        system.fill(v['waiting'], KIB)
        figures.update(retry_pass(system))
        system.timing = 'RETRYINT(1H) RETRYCEIL(1H)'
        system.configure()
        system.run('usmtp')
        began = time.monotonic()
        system.daemon('usmtp')
        figures['scan'] = time.monotonic() - began
        settle(system.group)
        figures['octets'] = (system.group.pss_kib() - empty) * KIB / v['waiting']
        figures['wake'] = wake_up(system)
        figures['new'] = new_message(system, sink)
        system.stop()
    system.live_port, system.timing = 0, ''
    return figures


def scale(bench, system, v):
    if system.name not in v['systems']:
        raise Skip('not tried: it takes many minutes')
    return (scale_ours if system.name == OURS else scale_peer)(bench, system, v)


def table(bench, system, v):
    path = f'{bench.folder}/table'
    bench.tool('tabletime', '--make', v['users'], path, figures=False)
    done = bench.tool('tabletime', path)
    expect(done['users'], v['users'], 'the table holds')
    return {'load': done['load_s'], 'lookup': done['lookup_us']}


# Variants.

def accept_variant(size, sessions, seconds=0, messages=4000000, each=None):
    load = {'size': size, 'sessions': sessions, 'seconds': seconds, 'messages': messages}
    title = f'{size_name(size)}, {sessions} session{"s" if sessions > 1 else ""}'
    if each:
        load['per_connection'] = each
        title += ', one message a connection'
    return {'title': title, 'load': load}


ACCEPT = [
    *(accept_variant(KIB, n, seconds=4) for n in (1, 10, 100)),
    *(accept_variant(10 * KIB, n, seconds=4) for n in (1, 10, 100)),
    *(accept_variant(MIB, n, seconds=4) for n in (1, 10)),
    *(accept_variant(KIB, n, seconds=4, each=1) for n in (1, 10, 100)),
]
ACCEPT_QUICK = [
    accept_variant(KIB, 10, messages=100),
    accept_variant(MIB, 2, messages=4),
    accept_variant(KIB, 10, messages=50, each=1),
]


def durable_variant(writers, shared, size, seconds):
    how = '64 writers sharing syncfs' if shared else '1 writer, fsync each'
    return {'title': f'{how}, {size_name(size)}', 'writers': writers, 'shared': shared,
            'size': size, 'seconds': seconds}


def convert_variant(files, recipients, size):
    title = (f'{files:,} files, one recipient, {size_name(size)}' if recipients == 1
             else f'one file, {recipients:,} recipients, {size_name(size)}')
    return {'title': title, 'files': files, 'recipients': recipients, 'size': size}


def tls_variant(key, resume, seconds=5):
    title = {'RSA': 'RSA-2048', 'ECDSA': 'ECDSA P-256'}[key] + (', resumed' if resume else ', full')
    return {'title': title, 'key': key, 'resume': resume, 'seconds': seconds}


def waiting_variant(waiting, systems):
    return {'title': f'{waiting:,} waiting', 'waiting': waiting, 'systems': systems}


def sending_variant(messages, size=KIB):
    return {'title': f'{messages:,} of {size_name(size)}', 'messages': messages, 'size': size}


def silent_variant(messages, silent):
    return {'title': f'{messages:,} of 1 KiB, {silent:,} more for a silent host', 'size': KIB,
            'messages': messages, 'silent': silent, 'hosts': 100}


ROWS = (
    Row('limit', 'Raw limit: files made durable', limit_durable, ('machine',), head='made',
        full=[durable_variant(1, False, KIB, 3), durable_variant(64, True, KIB, 3),
              durable_variant(64, True, 10 * KIB, 3)],
        quick=[durable_variant(1, False, KIB, 1), durable_variant(64, True, KIB, 1)]),
    Row('fsync', 'Raw limit: fsync of one block', limit_fsync, ('machine',), head='p50',
        full=[{'title': '4 KiB', 'seconds': 3}], quick=[{'title': '4 KiB', 'seconds': 1}]),
    Row('tcp', 'Raw limit: loopback TCP', limit_tcp, ('machine',), disk=False, head='trips',
        full=[{'title': '1 octet', 'seconds': 3}], quick=[{'title': '1 octet', 'seconds': 1}]),
    Row('tools', 'The load generator against the sink', limit_tools, ('machine',), disk=False,
        full=[accept_variant(KIB, n, seconds=3) for n in (1, 10, 100)],
        quick=[accept_variant(KIB, 10, messages=2000)]),
    Row('accept', 'Inbound: accepted and durable', accept, ALL, full=ACCEPT, quick=ACCEPT_QUICK),
    Row('idle', 'Idle connections', idle, ALL, disk=False, head='each',
        full=[{'title': f'{n:,} connections', 'connections': n} for n in (1000, 9000)],
        quick=[{'title': '50 connections', 'connections': 50}]),
    Row('tls', 'TLS handshakes', handshakes, ALL, disk=False, head='handshakes',
        full=[tls_variant('RSA', False), tls_variant('ECDSA', False), tls_variant('ECDSA', True)],
        quick=[tls_variant('ECDSA', False, 1)]),
    Row('start', 'Start-up', start_up, ALL, head='start',
        full=[{'title': 'empty queue'}], quick=[{'title': 'empty queue'}]),
    Row('convert', 'Conversion by spool4', convert, (OURS,),
        full=[convert_variant(10000, 1, KIB), convert_variant(1, 1000, 10 * KIB),
              convert_variant(1, 1000, 10 * MIB)],
        quick=[convert_variant(100, 1, KIB), convert_variant(1, 100, 10 * KIB)]),
    Row('drain', 'Outbound: a queue drained to the sink', drain, ALL,
        full=[sending_variant(20000)], quick=[sending_variant(200)]),
    Row('silent', 'Outbound: 100 hosts, and one more that is silent', one_silent, (OURS,),
        full=[silent_variant(10000, 0), silent_variant(10000, 1000)],
        quick=[silent_variant(200, 20)]),
    Row('relay', 'End to end: accepted and relayed at once, 10 sessions', relay, ALL,
        full=[sending_variant(5000)], quick=[sending_variant(100)]),
    Row('jobs', 'End to end: dropped by jobs, converted and sent', jobs, (OURS,),
        full=[sending_variant(10000)], quick=[sending_variant(100)]),
    Row('scale', 'Queue scale, nearly all for one dead host', scale, ALL, head='pass',
        full=[waiting_variant(10000, ALL), waiting_variant(100000, (OURS, 'postfix')),
              waiting_variant(1000000, (OURS,))],
        quick=[waiting_variant(300, (OURS,))]),
    Row('table', 'User table', table, (OURS,), disk=False, head='load',
        full=[{'title': '1,000,000 users', 'users': 1000000}],
        quick=[{'title': '1,000 users', 'users': 1000}]),
)
