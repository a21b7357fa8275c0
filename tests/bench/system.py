"""What the rows ask of every mail system that is measured.

A system lives on a fresh disk from place() to leave(). start(sending=False) makes it take mail
and keep it; start(sending=True) makes it send on as well, to the sink. So a queue is filled by
the first and drained by the second."""

import os
import subprocess

from machine import Group, greets, wait_for

START_SECONDS = 30


class Skip(Exception):
    """Why a system has no figure in a row: said in its place in the table."""


class Failed(Exception):
    """Something that must not happen: the bench ends with status 1."""


class System:
    name = ''
    rcpt = 'user%@far.example'  # a recipient it accepts from the network
    opening = 100               # connections that its backlog holds
    speaks_tls = False          # with `certificate`
    drain_share = 1.0           # of the messages of a row: slow systems drain fewer

    def __init__(self, bench):
        self.bench = bench
        self.disk = None
        self.port = 0
        self.group = None
        self.children = []
        self.reset()

    def reset(self):
        """What rows may have set, as it was."""
        self.sink_port = 9  # nobody listens there
        self.room = 250     # sessions that it must be able to serve at once
        self.certificate = None  # key and certificate, as text: it offers STARTTLS

    def prepare(self):
        """Once, before anything is measured; raises Skip."""

    def version(self):
        return ''

    def place(self, disk):
        """Makes its spool on an empty disk."""
        self.reset()
        self.disk = disk
        with self.bench.log(self.name) as log:
            log.truncate(0)

    def commands(self, sending):
        """The command lines that make it run."""
        raise NotImplementedError

    def launch(self, command, **options):
        """Starts one of its processes, inside its group."""
        with self.bench.log(self.name) as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     start_new_session=True, preexec_fn=self.enter, **options)
        self.group.sessions.add(child.pid)
        self.children.append(child)
        return child

    def gather(self):
        """A group for what is launched next."""
        if self.group is None:
            self.group = Group(f'{self.bench.token}-{self.name}', self.bench.private)

    def enter(self):
        """Runs in the child, before its program."""
        self.group.join()

    def start(self, sending):
        self.gather()
        for command in self.commands(sending):
            self.launch(command)
        if not wait_for(lambda: greets(self.port), START_SECONDS):
            raise Failed(f'{self.name} does not greet: see its log in {self.bench.folder} (--keep)')

    def begin_sending(self):
        """Starts what empties the queue."""
        self.start(sending=True)

    def queued(self):
        """How many messages lie in its queue."""
        raise NotImplementedError

    def fill(self, messages, size):
        """Puts messages for one destination into its queue; it does not run afterwards."""
        self.start(sending=False)
        self.bench.load(self, messages=messages, size=size, sessions=10)
        self.stop()

    def stop(self):
        if self.group:
            self.group.end()
            self.group = None
        for child in self.children:
            child.wait()
        self.children = []

    def leave(self):
        self.stop()
        self.disk = None


def count_files(folder, wanted=lambda name: True):
    """Files below a folder whose name is wanted."""
    return sum(1 for _, _, names in os.walk(folder) for name in names if wanted(name))
