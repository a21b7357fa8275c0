"""What the three mail servers of others have in common: a private root, and a spool on the disk
that is measured."""

import os
import resource

import machine
from root import NoRoot, Root
from system import Skip, System


class Peer(System):
    title = ''
    package = ''
    spool = ''  # where its root expects its spool

    def __init__(self, bench):
        super().__init__(bench)
        self.root = Root(self.package, bench.roots)

    def prepare(self):
        try:
            self.root.make()
        except NoRoot as why:
            raise Skip(str(why)) from None

    def version(self):
        return f'{self.title} {self.root.version}'

    @property
    def home(self):
        """Its spool, on the disk."""
        return f'{self.disk.root}/{self.name}'

    def place(self, disk):
        super().place(disk)
        os.makedirs(self.home)
        self.root.open()
        self.root.bind(self.home, self.spool)
        self.furnish()

    def furnish(self):
        """Makes what its package's scripts would have made."""
        raise NotImplementedError

    def make_folder(self, path, mode, owner=0, group=0):
        os.makedirs(path, exist_ok=True)
        os.chown(path, owner, group)
        os.chmod(path, mode)

    def commands(self, sending):
        self.port = machine.free_port()
        return self.configure(sending)

    def configure(self, sending):
        """Writes its configuration; returns what commands() does."""
        raise NotImplementedError

    def enter(self):
        super().enter()
        # What a service gets on Debian: the soft limit is low (Exim closes all descriptors it might
        # have, one by one), and may be raised.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
        os.chroot(self.root.path)
        os.chdir('/')

    def leave(self):
        super().leave()
        self.root.close()
