"""Postfix in a private root. Its defaults hold, but for what follows: names are not looked up,
hundreds of sessions may be served at once, and the limits for one client are off. Mail that is to
stay goes to its hold queue."""

from peer import Peer
from system import Failed, count_files

UID, GID, DROP_GID = 61001, 61001, 61005
QUEUES = ('active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming',
          'private', 'saved', 'trace')

MAIN = """compatibility_level = 3.6
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = postfix.example
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
relayhost = [127.0.0.1]:{sink}
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
default_process_limit = {processes}
message_size_limit = 1073741824
mailbox_size_limit = 0
smtpd_relay_restrictions = permit_mynetworks, reject
biff = no
smtpd_end_of_data_restrictions = {restriction}
{tls}
"""

TLS = """smtpd_tls_security_level = may
smtpd_tls_chain_files = /etc/postfix/certificate.pem
"""

MASTER = """127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
qmgr unix n - n 300 1 qmgr
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Peer):
    name = 'postfix'
    title = 'Postfix'
    package = 'postfix'
    spool = '/var/spool/postfix'
    idle_most = 2000  # a process for each connection
    speaks_tls = True

    def furnish(self):
        self.make_folder(self.home, 0o755)
        for queue in QUEUES:
            self.make_folder(f'{self.home}/{queue}', 0o700, UID)
        self.make_folder(f'{self.home}/public', 0o710, UID, DROP_GID)
        self.make_folder(f'{self.home}/maildrop', 0o1730, UID, DROP_GID)
        self.make_folder(f'{self.home}/pid', 0o755)
        self.make_folder(f'{self.root.path}/var/lib/postfix', 0o700, UID, GID)

    def configure(self, sending):
        hold = '' if sending else 'check_client_access static:HOLD'
        tls = ''
        if self.certificate:
            self.root.write('/etc/postfix/certificate.pem', self.certificate)
            tls = TLS
        self.root.write('/etc/postfix/main.cf', MAIN.format(
            sink=self.sink_port, processes=self.room, restriction=hold, tls=tls))
        self.root.write('/etc/postfix/master.cf', MASTER.format(port=self.port))
        return [['/usr/lib/postfix/sbin/master', '-c', '/etc/postfix', '-d']]

    def fill(self, messages, size):
        super().fill(messages, size)
        self.gather()
        status = self.launch(['/usr/sbin/postsuper', '-c', '/etc/postfix', '-H', 'ALL']).wait()
        self.stop()
        if status != 0:
            raise Failed('postsuper does not release the mail')

    def queued(self):
        queues = ('incoming', 'active', 'deferred', 'hold')
        return sum(count_files(f'{self.home}/{queue}') for queue in queues)
