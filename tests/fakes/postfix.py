"""Debian's Postfix on a high port of this machine, with its own configuration, queue and mailboxes.

It keeps every mail to itself: what is for another place is refused by its own `error` transport. The package
may be installed, or only unpacked: see tests/benchmarks/mailtools.py.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import mailtools

POSTFIX = mailtools.found("postfix")
MAIN = """
compatibility_level = 3.6
command_directory = {root}/sbin
daemon_directory = {root}/lib/postfix/sbin
shlib_directory = {root}/lib/postfix
meta_directory = {files}
import_environment = MAIL_CONFIG LD_LIBRARY_PATH
mail_owner = {owner}
setgid_group = {group}
queue_directory = {base}/queue
data_directory = {base}/data
maillog_file = {base}/log
maillog_file_prefixes = {base}
myhostname = mx.house.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
default_transport = error:5.1.2 outside is closed
relay_transport = error:5.1.2 outside is closed
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_reject_unlisted_recipient = no
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {base}/mail
virtual_mailbox_maps = texthash:{base}/etc/mailboxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_mailbox_limit = 0
"""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass
class Postfix:
    port: int
    base: Path

    def mails(self, mailbox: str, count: int) -> list[bytes]:
        """What lies in a mailbox, as soon as there are so many."""
        folder, end = self.base / "mail" / mailbox / "new", time.monotonic() + 30
        while not folder.exists() or len(list(folder.iterdir())) < count:
            assert time.monotonic() < end, (self.base / "log").read_text()
            time.sleep(0.1)
        return [one.read_bytes() for one in sorted(folder.iterdir())]


@contextmanager
def running(mailboxes: dict[str, str]) -> Iterator[Postfix]:
    """`mailboxes` are addresses, or @domain for whatever else is of it, and the names of their folders."""
    base = Path(tempfile.mkdtemp(prefix="postfix-"))
    port = mailtools.free_port()
    owner = pwd.getpwnam("nobody")
    domains = sorted({address.rpartition("@")[2] for address in mailboxes})
    base.chmod(0o755)
    for name in ("etc", "queue", "mail"):
        (base / name).mkdir(mode=0o755)
    os.chown(base / "mail", owner.pw_uid, owner.pw_gid)
    values = {
        "base": base,
        "domains": ", ".join(domains),
        "uid": owner.pw_uid,
        "gid": owner.pw_gid,
        **_place(),
    }
    (base / "etc/main.cf").write_text(MAIN.format(**values))
    (base / "etc/master.cf").write_text(MASTER.format(port=port))
    rows = (f"{address} {folder}/\n" for address, folder in mailboxes.items())
    (base / "etc/mailboxes").write_text("".join(rows))
    command = [str(POSTFIX), "-c", str(base / "etc")]
    environment = mailtools.environment(str(POSTFIX))
    started = subprocess.run([*command, "start"], capture_output=True, text=True, env=environment)
    assert started.returncode == 0, started.stderr
    try:
        yield Postfix(port, base)
    finally:
        subprocess.run([*command, "stop"], capture_output=True, env=environment)
        shutil.rmtree(base, ignore_errors=True)


def _place() -> dict[str, object]:
    """Where its parts lie, and as whom they run; without its own users, as others that do nothing here."""
    root = Path(str(POSTFIX)).parents[1]
    has_user = any(one.pw_name == "postfix" for one in pwd.getpwall())
    has_group = any(one.gr_name == "postdrop" for one in grp.getgrall())
    return {
        "root": root,
        "files": root.parent / "etc/postfix",
        "owner": "postfix" if has_user else "daemon",
        "group": "postdrop" if has_group else "games",
    }
