"""OpenSMTPD in a private root. Its defaults hold, but for the number of messages in one session.
It keeps mail while its mta is paused."""

from peer import Peer
from system import count_files

QUEUE_UID = 61004

CONFIGURATION = """smtp max-message-size 1000M
smtp limit max-mails 100000000
smtp limit max-rcpt 100000
listen on 127.0.0.1 port {port} hostname opensmtpd.example
action "sink" relay host smtp://127.0.0.1:{sink}
match from any for any action "sink"
"""


class OpenSmtpd(Peer):
    name = 'opensmtpd'
    title = 'OpenSMTPD'
    package = 'opensmtpd'
    spool = '/var/spool/smtpd'
    opening = 5  # its listen() asks for no more
    drain_share = 0.05
    idle_most = 100000

    def furnish(self):
        self.make_folder(self.home, 0o711)
        for name in ('queue', 'purge', 'corrupt', 'incoming', 'temporary'):
            self.make_folder(f'{self.home}/{name}', 0o700, QUEUE_UID)
        self.make_folder(f'{self.home}/offline', 0o770, 0, QUEUE_UID)
        self.make_folder(f'{self.root.path}/var/lib/opensmtpd/empty', 0o755)

    def configure(self, sending):
        self.root.write('/etc/smtpd.conf', CONFIGURATION.format(
            port=self.port, sink=self.sink_port))
        paused = [] if sending else ['-P', 'mta']
        return [['/usr/sbin/smtpd', '-d', '-f', '/etc/smtpd.conf', *paused]]

    def queued(self):
        return count_files(f'{self.home}/queue', lambda name: name != 'message')
