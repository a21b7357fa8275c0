"""The programs that are measured: ssmtp, spool4 and usmtp on one site."""

import os
import subprocess

from machine import free_port, wait_for
from system import Failed, START_SECONDS, Skip, System, count_files

HOST = 'mail.example.org'
QUEUE = 'RMT21'

MEMBER = """SYSTEM  HOST({host}) SPOOL({spool})
SMTP    PATH(OUT) REMOTE({queue}) POSTOFFICE(MYHOST) USERTABLE({table})
        MAXSIZE(1G) DIVERT(1G) RELAY(127.0.0.0/8) {timing} {tls}
SERVICE NAME(SPOOL#4)
SERVICE NAME(USMTP)
SERVICE NAME(SSMTP) PORT({port}) ADDRESS(127.0.0.1)
ROUTE   DOMAIN(*) HOST([127.0.0.1]) PORT({sink})
ROUTE   DOMAIN(live.example) HOST([127.0.0.1]) PORT({live})
{routes}"""
READY = b'T01SM020I'      # a program has started
DEAD_HOST = b'T01SM042I'  # no address of a destination answers
FAST_RETRY = 'RETRYINT(10S) RETRYCEIL(10S)'


def private(path, flags):
    return os.open(path, flags, 0o600)


class Ours(System):
    name = 'spoolmail'
    rcpt = f'user%@{HOST}'
    idle_most = 100000
    speaks_tls = True

    def reset(self):
        super().reset()
        self.timing = ''    # retry keywords
        self.routes = ''    # more statements
        self.live_port = 0  # where mail for live.example goes; 0: where all goes

    def prepare(self):
        for program in ('ssmtp', 'spool4', 'usmtp'):
            if not os.access(self.program(program), os.X_OK):
                raise Skip(f'{program} is not built in {self.bench.build}')

    def version(self):
        done = subprocess.run([self.program('spool4'), '--version'], capture_output=True, text=True,
                              check=False)
        return done.stdout.strip()

    def program(self, name):
        return f'{self.bench.build}/{name}'

    @property
    def spool(self):
        return f'{self.disk.root}/spoolmail'

    @property
    def member(self):
        return f'{self.bench.folder}/APPCFG00'

    def configure(self):
        self.port = free_port()
        tls = f'{self.bench.folder}/certificate.pem'
        if self.certificate:
            with open(tls, 'w', encoding='ascii', opener=private) as f:
                f.write(self.certificate)
        table = f'{self.bench.folder}/USERTBL'
        with open(table, 'w', encoding='ascii') as f:
            f.writelines(f'U{i:06}  user{i}\n' for i in range(1000))
        with open(self.member, 'w', encoding='ascii') as f:
            f.write(MEMBER.format(
                host=HOST, spool=self.spool, queue=QUEUE, table=table, port=self.port,
                sink=self.sink_port, live=self.live_port or self.sink_port, timing=self.timing,
                routes=self.routes,
                tls=f'CERT({tls})' if self.certificate else ''))

    def command(self, name, *more):
        return [self.program(name), '-C', self.member, '--log', 'stderr', *more]

    def receiver(self):
        return self.command('ssmtp', '--per-client', '60000', '--connections', '20000')

    def place(self, disk):
        super().place(disk)
        self.configure()
        self.run('spool4')  # makes the folders

    def commands(self, sending):
        self.configure()
        if not sending:
            return [self.receiver()]
        return [self.receiver(), self.command('spool4'), self.command('usmtp')]

    def run(self, name):
        """One pass of a program that empties a queue; returns its CPU seconds."""
        self.gather()
        child = self.launch(self.command(name, '--once'))
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        self.stop()
        if status != 0:
            raise Failed(f'{name} --once ended with {child.returncode}: see {self.log} (--keep)')
        return used.ru_utime + used.ru_stime

    def daemon(self, name):
        """Starts spool4 or usmtp; returns when it says that it has."""
        self.gather()
        mark = self.mark()
        child = self.launch(self.command(name))
        self.wait_told(READY, mark, START_SECONDS * 4, child)

    @property
    def log(self):
        return f'{self.bench.folder}/{self.name}.log'

    def mark(self):
        """Where the log ends now."""
        return os.path.getsize(self.log) if os.path.exists(self.log) else 0

    def wait_told(self, message, mark, seconds, child=None):
        """Waits for a message in the log behind the mark, as long as the child lives."""
        def told():
            with open(self.log, 'rb') as f:
                f.seek(mark)
                return message in f.read()
        dead = (lambda: child.poll() is not None) if child else (lambda: False)
        wait_for(lambda: told() or dead(), seconds)
        if not told():
            raise Failed(f'{message.decode()} does not come: see {self.log} (--keep)')

    def queued(self):
        """Counted when the receiver has made all its files, and shown them."""
        folder = f'{self.spool}/jes/POST'
        before = -1

        def settled():
            nonlocal before
            last, before = before, count_files(folder)
            return last == before and not count_files(folder, lambda name: name[0] == '.')
        wait_for(settled, START_SECONDS, step=0.1)
        return count_files(folder, lambda name: name[0] != '.')

    def waiting(self):
        return count_files(f'{self.spool}/mail', lambda name: name[0] != '.')

    def begin_sending(self):
        self.configure()
        self.daemon('usmtp')

    def hosts_with_one_silent(self, live, silent_port):
        """Routes to so many destinations at the sink, and to one that takes connections and is silent."""
        hosts = f'{self.bench.folder}/hosts'
        names = [f'h{i}.example' for i in range(live)]
        with open(hosts, 'w', encoding='ascii') as f:
            f.writelines(f'127.0.0.1 {name}\n' for name in (*names, 'silent.example'))
        ports = [(name, self.sink_port) for name in names] + [('silent.example', silent_port)]
        self.routes = f'DNS HOSTS({hosts})\n' + ''.join(
            f'ROUTE DOMAIN({name}) HOST({name}) PORT({port}) TLS(NONE)\n' for name, port in ports)
        self.configure()

    def drop(self, name, recipients, size):
        """A job's mail: written beside the queue, then renamed into it."""
        self.drop_to(name, (f'user{i}@far.example' for i in recipients), size)

    def drop_to(self, name, addresses, size):
        head = 'X-From: sender@' + HOST + '\n'
        head += ''.join(f'X-To: {address}\n' for address in addresses)
        text = f'Subject: {name}\n\n'
        line = 'The quick brown fox jumps over the lazy dog, and then again over it.\n'
        text += line * max(1, (size - len(text)) // len(line))
        part = f'{self.spool}/jes/{QUEUE}/.{name}'
        with open(part, 'w', encoding='ascii') as f:
            f.write(head + text)
        os.rename(part, f'{self.spool}/jes/{QUEUE}/{name}')

    def drop_many(self, files, size):
        for i in range(files):
            self.drop(f'JOB{i:07}', [i], size)

    def fill(self, messages, size):
        """Data sets for one destination each, made as they always are."""
        self.drop_lists(messages, size)
        self.run('spool4')
        if self.waiting() != messages:
            raise Failed(f'{self.waiting()} of {messages} data sets were made')

    def drop_lists(self, recipients, size, most=5000):
        for at in range(0, recipients, most):
            self.drop(f'LIST{at:07}', range(at, min(at + most, recipients)), size)
