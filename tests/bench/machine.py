"""The machine: what it is, and what a group of processes costs on it.

CPU time and processes of a server are those of a cgroup of its own (version 1 or 2). Where none
can be made, they are all processes of the bench's PID name space that are not its own, or,
without such a name space, those of the sessions that the bench began; the CPU time is then theirs
and that of their children, in ticks of 10 ms. Only processes that the bench started are ever
ended."""

import ctypes
import fcntl
import os
import platform
import signal
import socket
import struct
import time

TICKS = os.sysconf('SC_CLK_TCK')
CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID = 0x00020000, 0x40000000, 0x20000000
MS_REC, MS_PRIVATE, MS_BIND, MNT_DETACH = 0x4000, 0x40000, 0x1000, 2
LIBC = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    """Raises OSError for a C call that returned less than 0."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f'{what}: {os.strerror(number)}')


def mount(source, target, kind=None, flags=0, data=None):
    def text(value):
        return None if value is None else os.fsencode(value)
    check(LIBC.mount(text(source), text(target), text(kind), ctypes.c_ulong(flags), text(data)),
          f'mount {target}')


def bind(source, target):
    mount(source, target, flags=MS_BIND)


def unmount(target):
    LIBC.umount2(os.fsencode(target), MNT_DETACH)


def loopback_up():
    """Sets the loopback interface of a new network name space up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack('16sh14x', b'lo', 1)  # SIOCSIFFLAGS, IFF_UP
        fcntl.ioctl(s, 0x8914, request)


def reap_until(child):
    """What process 1 of a PID name space does: waits for everybody, until `child` has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def enter_private():
    """Goes on in name spaces of its own: whatever is mounted, listens or runs there ends with the
    bench, no port can be taken by others, and no packet leaves the machine."""
    check(LIBC.unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID), 'unshare')
    child = os.fork()
    if child:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda n, frame: os.kill(child, signal.SIGKILL))
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    mount('none', '/', flags=MS_REC | MS_PRIVATE)
    mount('proc', '/proc', 'proc')
    loopback_up()
    worker = os.fork()
    if worker:
        reap_until(worker)


def read(path, default=''):
    try:
        with open(path, encoding='utf-8', errors='replace') as f:
            return f.read()
    except OSError:
        return default


def pids():
    return {int(name) for name in os.listdir('/proc') if name.isdigit()}


def stat_seconds(pid, fields):
    """Fields of /proc/PID/stat, in seconds: 13, 14 own time, 15, 16 that of children waited for."""
    words = read(f'/proc/{pid}/stat').rpartition(')')[2].split()
    return sum(int(words[i - 2]) for i in fields) / TICKS if words else 0.0


def session(pid):
    words = read(f'/proc/{pid}/stat').rpartition(')')[2].split()
    return int(words[3]) if words else -1


def pss_kib(pid):
    for line in read(f'/proc/{pid}/smaps_rollup').splitlines():
        if line.startswith('Pss:'):
            return int(line.split()[1])
    return 0


def remove_empty(folder):
    try:
        os.rmdir(folder)
    except OSError:
        pass


class Group:
    """The processes of one server."""

    CGROUPS = (('/sys/fs/cgroup/cpuacct', 'cpuacct.usage', 1e-9),
               ('/sys/fs/cgroup/cpu,cpuacct', 'cpuacct.usage', 1e-9),
               ('/sys/fs/cgroup', 'cpu.stat', 1e-6))

    def __init__(self, name, private):
        """The name is the bench's alone; private: nobody else is in this PID name space."""
        self.private = private
        self.sessions = set()    # of what was launched
        self.strangers = pids()  # the bench itself
        self.path = None
        self.make_cgroup(f'{name}-{time.monotonic_ns()}')
        self.base = 0 if self.path else self.proc_seconds()

    def make_cgroup(self, name):
        for parent, self.file, self.unit in self.CGROUPS:
            path = f'{parent}/{name}'
            try:
                os.mkdir(path)
            except OSError:
                continue
            if os.path.exists(f'{path}/{self.file}'):
                self.path = path
                return
            os.rmdir(path)

    @classmethod
    def sweep(cls, prefix):
        """Removes the cgroups of a bench that was killed."""
        for parent, _, _ in cls.CGROUPS:
            for name in os.listdir(parent) if os.path.isdir(parent) else ():
                if name.startswith(prefix):
                    remove_empty(f'{parent}/{name}')

    def join(self):
        """Called in a child before it becomes the server."""
        if self.path:
            with open(f'{self.path}/cgroup.procs', 'w', encoding='ascii') as f:
                f.write('0')

    def pids(self):
        if self.path:
            return {int(p) for p in read(f'{self.path}/cgroup.procs').split() if p != '0'}
        new = pids() - self.strangers
        if self.private:  # tools are in the session of the bench
            return {p for p in new if session(p) != session(os.getpid())}
        return {p for p in new if session(p) in self.sessions}

    def proc_seconds(self):
        """In a PID name space of our own, process 1 waits for orphans."""
        orphans = stat_seconds(1, (15, 16)) if self.private else 0
        return sum(stat_seconds(p, (13, 14, 15, 16)) for p in self.pids()) + orphans

    def cpu_seconds(self):
        if not self.path:
            return self.proc_seconds() - self.base
        text = read(f'{self.path}/{self.file}', '0')
        return int(text.split('usage_usec')[-1].split()[0]) * self.unit

    def pss_kib(self):
        return sum(pss_kib(p) for p in self.pids())

    def signal(self, number):
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def end(self, patience=10):
        """Ends all of them, gently first; then the group."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.signal(number)
            stop = time.monotonic() + patience
            while self.living() and time.monotonic() < stop:
                time.sleep(0.01)
            if not self.living():
                break
        if self.path:
            remove_empty(self.path)

    def living(self):
        """Zombies that the bench itself must wait for do not count."""
        return [p for p in self.pids() if ') Z ' not in read(f'/proc/{p}/stat', ') Z ')]


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def wait_for(condition, seconds, step=0.002):
    """Whether it became true in time."""
    stop = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > stop:
            return False
        time.sleep(step)
    return True


def greets(port):
    """Whether an SMTP server greets there."""
    try:
        with socket.create_connection(('127.0.0.1', port), 1) as s:
            s.settimeout(5)
            return s.recv(512).startswith(b'220')
    except OSError:
        return False


def describe():
    model = [line.split(':', 1)[1].strip() for line in read('/proc/cpuinfo').splitlines()
             if line.startswith('model name')]
    memory = [int(line.split()[1]) // 1024 for line in read('/proc/meminfo').splitlines()
              if line.startswith('MemTotal')]
    return {
        'cpu': model[0] if model else platform.machine(),
        'cores': len(os.sched_getaffinity(0)),
        'memory_mib': memory[0] if memory else 0,
        'kernel': platform.release(),
        'load_at_start': os.getloadavg()[0],
    }
