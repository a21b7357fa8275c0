"""Private roots for mail servers whose packages conflict.

Debian's packages are fetched by apt and unpacked, never installed: no script of theirs runs, and
nothing of the system is touched. Of what a package depends on only libraries are taken, because
the servers run without shell and init."""

import os
import re
import shutil
import subprocess
import time

from machine import bind, read, unmount

PASSWD = """root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
postfix:x:61001:61001::/var/spool/postfix:/bin/false
Debian-exim:x:61002:61002::/var/spool/exim4:/bin/false
opensmtpd:x:61003:61003::/run/opensmtpd:/bin/false
opensmtpq:x:61004:61004::/run/opensmtpd:/bin/false
"""
GROUP = """root:x:0:
mail:x:8:
nogroup:x:65534:
postfix:x:61001:
postdrop:x:61005:
Debian-exim:x:61002:
opensmtpd:x:61003:
opensmtpq:x:61004:
"""
ETC = {
    'passwd': PASSWD,
    'group': GROUP,
    'hosts': '127.0.0.1 localhost\n',
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\nservices: files\n',
    'services': 'smtp 25/tcp\n',
    'resolv.conf': 'lookup file\nnameserver 127.0.0.1\n',
    'mailname': 'peer.example\n',
}
MERGED = ('bin', 'sbin', 'lib', 'lib64')
FOLDERS = ('dev', 'proc', 'tmp', 'run', 'var/run', 'var/tmp', 'var/log', 'var/empty', 'root')
DEVICES = ('null', 'zero', 'random', 'urandom')


class NoRoot(Exception):
    """Why a server cannot be had."""


def run(command, **options):
    done = subprocess.run(command, text=True, capture_output=True, check=False, **options)
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise NoRoot(f'{" ".join(command[:2])}: {lines[-1] if lines else done.returncode}')
    return done.stdout


def dependencies(names):
    lines = run(['apt-cache', 'depends', *sorted(names)]).splitlines()
    found = (re.match(r'\s*\|?(?:Pre)?Depends: (\S+)', line) for line in lines)
    return {m.group(1) for m in found if m and re.match('lib|zlib', m.group(1))}


def closure(name):
    """The package and the libraries it needs, directly or not."""
    have, new = set(), {name}
    while new:
        have |= new
        new = dependencies(new) - have
    return have


def fetch(packages, cache):
    """Downloads what is not there yet; returns the files."""
    os.makedirs(cache, exist_ok=True)
    lines = run(['apt-get', 'download', '--print-uris', '-q', *sorted(packages)]).splitlines()
    files = [words[1] for words in map(str.split, lines) if len(words) > 2 and words[0][0] == "'"]
    missing = [f.split('_')[0] for f in files if not os.path.exists(f'{cache}/{f}')]
    if missing:
        run(['apt-get', 'download', '-q', '-o', 'APT::Sandbox::User=root', *missing], cwd=cache)
    return [f'{cache}/{f}' for f in files]


def unpack(files, root):
    """Directories that Debian has merged are links before anything is unpacked."""
    shutil.rmtree(root, ignore_errors=True)
    for name in MERGED:
        os.makedirs(f'{root}/usr/{name}', exist_ok=True)
        os.symlink(f'usr/{name}', f'{root}/{name}')
    for file in files:
        with subprocess.Popen(['dpkg-deb', '--fsys-tarfile', file], stdout=subprocess.PIPE) as deb:
            run(['tar', '-x', '--keep-directory-symlink', '-C', root], stdin=deb.stdout)
    for name, text in ETC.items():
        with open(f'{root}/etc/{name}', 'w', encoding='ascii') as f:
            f.write(text)
    for folder in FOLDERS:
        os.makedirs(f'{root}/{folder}', exist_ok=True)
    for device in DEVICES:
        open(f'{root}/dev/{device}', 'w', encoding='ascii').close()


class Root:
    """One server's root. make() needs the network the first time; open() and close() need a mount
    name space of our own."""

    def __init__(self, package, folder):
        self.package = package
        self.path = f'{folder}/{package}'
        self.cache = f'{folder}/packages'
        self.bound = []
        self.version = ''

    def make(self):
        if not shutil.which('apt-get') or not shutil.which('dpkg-deb'):
            raise NoRoot('needs Debian\'s apt-get and dpkg-deb')
        files = fetch(closure(self.package), self.cache)
        stamp = '\n'.join(sorted(files))
        if read(f'{self.path}/stamp') != stamp:
            unpack(files, self.path)
            with open(f'{self.path}/stamp', 'w', encoding='utf-8') as f:
                f.write(stamp)
        own = [os.path.basename(f).split('_')[1] for f in files
               if os.path.basename(f).startswith(self.package + '_')]
        self.version = own[0].replace('%3a', ':') if own else ''

    def bind(self, source, inside):
        target = f'{self.path}{inside}'
        if os.path.isdir(source):
            os.makedirs(target, exist_ok=True)
        bind(source, target)
        self.bound.append(target)

    def open(self):
        for device in DEVICES:
            self.bind(f'/dev/{device}', f'/dev/{device}')
        self.bind('/proc', '/proc')

    def close(self):
        while self.bound:
            unmount(self.bound.pop())

    def write(self, inside, text):
        path = f'{self.path}{inside}'
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        # Postfix waits for seconds when its configuration is new: it might be written still.
        os.utime(path, (0, time.time() - 3600))
