"""Exim (exim4-daemon-light) in a private root. It takes mail with queue_only and drains it with
several queue runners at once; the spool is split, as its manual advises for many messages."""

from peer import Peer
from system import count_files

UID, GID = 61002, 61002
RUNNERS = 4

CONFIGURATION = """primary_hostname = exim.example
domainlist local_domains =
acl_smtp_rcpt = accept_all
acl_smtp_data = accept_all
{queue_only}
split_spool_directory = true
disable_ipv6 = true
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 0
smtp_accept_queue = 0
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 2000000000
smtp_connect_backlog = 1000
recipients_max = 0
message_size_limit = 1000M
log_file_path = syslog
queue_run_max = {runners}
check_spool_space = 0
check_spool_inodes = 0
tls_advertise_hosts =
begin acl
accept_all:
  accept
begin routers
sink:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = sink
  self = send
begin transports
sink:
  driver = smtp
  port = {sink}
  hosts_try_fastopen =
  hosts_avoid_tls = *
begin retry
* * F,4d,15m
"""


class Exim(Peer):
    name = 'exim'
    title = 'Exim'
    package = 'exim4-daemon-light'
    spool = '/var/spool/exim4'
    drain_share = 0.25
    idle_most = 2000  # a process for each connection

    def furnish(self):
        for name in ('', '/input', '/msglog', '/db'):
            self.make_folder(self.home + name, 0o750, UID, GID)
        for folder in ('/var/log/exim4', '/run/exim4'):
            self.make_folder(self.root.path + folder, 0o755, UID, GID)

    def configure(self, sending):
        self.root.write('/etc/exim4/exim4.conf', CONFIGURATION.format(
            queue_only='' if sending else 'queue_only = true', port=self.port,
            sink=self.sink_port, runners=RUNNERS))
        runners = [['/usr/sbin/exim4', '-q']] * (RUNNERS if sending else 0)
        return [['/usr/sbin/exim4', '-bdf'], *runners]

    def queued(self):
        return count_files(f'{self.home}/input', lambda name: name.endswith('-H'))
