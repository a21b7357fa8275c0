"""The file systems that are measured on: fresh for each measurement, so that none inherits
another's leftovers.

ext4 (with its journal) and xfs are images, sparse files that are mounted by the loop device;
`here` is a plain folder, for those who may not mount."""

import os
import shutil
import subprocess

from machine import read, unmount

IMAGE_OCTETS = 24 << 30

MAKE = {
    # Tables are set up lazily, and never by the kernel while we measure.
    'ext4': (['mkfs.ext4', '-q', '-F', '-E', 'nodiscard,lazy_itable_init=1,lazy_journal_init=1'],
             'loop,noinit_itable'),
    'xfs': (['mkfs.xfs', '-q', '-f', '-K'], 'loop'),
}


class Disk:
    def __init__(self, fs, folder):
        self.fs = fs
        self.image = f'{folder}/{fs}.img'
        self.root = f'{folder}/{fs}'
        os.makedirs(self.root, exist_ok=True)
        self.mounted = False

    def fresh(self):
        """An empty file system; whatever was on it is gone."""
        self.close()
        if self.fs == 'here':
            os.makedirs(self.root)
            os.sync()
            return
        make, options = MAKE[self.fs]
        with open(self.image, 'ab') as f:
            f.truncate(IMAGE_OCTETS)
        subprocess.run([*make, self.image], check=True)
        subprocess.run(['mount', '-t', self.fs, '-o', options, self.image, self.root], check=True)
        self.mounted = True
        os.chmod(self.root, 0o755)
        os.sync()

    def written(self):
        """Octets written to the device so far; None where nobody counts them."""
        for line in read('/proc/self/mountinfo').splitlines():
            words = line.split()
            if words[4] == self.root:
                stat = read(f'/sys/dev/block/{words[2]}/stat').split()
                return int(stat[6]) * 512 if stat else None
        return None

    def close(self):
        if self.mounted:
            # Not detached: the loop device must be free before the image is made anew.
            done = subprocess.run(['umount', self.root], check=False, capture_output=True)
            if done.returncode != 0:
                unmount(self.root)
                os.unlink(self.image)
            self.mounted = False
        elif self.fs == 'here':
            shutil.rmtree(self.root, ignore_errors=True)

    def remove(self):
        self.close()
        if os.path.exists(self.image):
            os.unlink(self.image)
        if os.path.isdir(self.root):
            os.rmdir(self.root)
