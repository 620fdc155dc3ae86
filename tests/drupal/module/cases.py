"""What tests of the modules have in common: a site that runs, and a gateway."""

import hashlib
import os
import socket
import tempfile
import time
import unittest

from drupal_site import Site, wait_for
from real_gateway import RealGateway
from sounds import an_mp3
from stand_in import Recordings, StandIn


class WithSite(unittest.TestCase):
    """A site, and the gateway itself beside it, for all tests of a class."""

    # Modules that the site does not have.
    WITHOUT = ()

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="audiospread-drupal-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = directory.name
        cls.site = Site(os.environ["DRUPAL_ROOT"], cls.directory, os.environ["DATABASE_SOCKET"], cls.__name__.lower(), cls.WITHOUT)
        cls.addClassCleanup(cls.site.close)
        cls.prepare()
        cls.gateway = cls.start_gateway()
        cls.addClassCleanup(cls.gateway.stop)
        cls.site.connect(cls.gateway.address)
        # The first question tells the gateway by which key it may wake.
        cls.site.cron()
        cls.admin = cls.site.browser("admin", "admin")

    @classmethod
    def start_gateway(cls):
        return RealGateway(os.environ["AUDIOSPREAD"], cls.directory, cls.site)

    def left(self, title=True, **facts):
        """A recording that the gateway was given, and of which it had a message made."""
        one = self.gateway.leave(an_mp3(), an_mp3() if title else None, **facts)
        wait_for(lambda: (self.row(one) or {}).get("state") == "made", "the message of a recording")
        return one

    def stand_in(self):
        """The stand-in in the gateway's place for the rest of a test: recordings that it offers."""
        one = StandIn(os.path.join(self.directory, "stand-in"))
        self.addCleanup(one.stop)
        self.addCleanup(self.site.connect, self.gateway.address)
        self.site.connect(one.address)
        return Recordings(self.site, one)

    @classmethod
    def prepare(cls):
        cls.site.load_fixture()
        cls.site.install("audiospread")
        cls.site.start()
        cls.site.sql("UPDATE users SET pass = MD5(name) WHERE uid > 0")
        # The fixture's editors have the rights that the module for content gives.
        cls.site.sql("UPDATE permission SET perm = CONCAT(perm, ', access administration pages, moderate phone messages, "
                     "view audiospread status, edit any phone_message content, edit any file content, view caller numbers') WHERE rid = 4")

    @classmethod
    def tearDownClass(cls):
        # Whatever PHP complained about in the modules while the tests passed.
        said = cls.site.sql("SELECT variables FROM watchdog WHERE type = 'php' AND variables LIKE '%modules/audiospread%'")
        assert not said, said

    def row(self, recording):
        found = self.site.sql(f"SELECT nid, state, reason, caller, version FROM audiospread_recording WHERE uuid = '{recording['uuid']}'")
        return dict(zip(("nid", "state", "reason", "caller", "version"), found[0])) if found else None

    def message(self, recording):
        """The one message there must be of a recording: nid and status."""
        found = self.site.sql(
            "SELECT DISTINCT n.nid, n.status FROM node n INNER JOIN node_revisions r ON r.nid = n.nid "
            f"WHERE r.log = 'AudioSpread recording {recording['uuid']}'"
        )
        self.assertEqual(len(found), 1, f"messages of {recording['uuid']}: {found}")
        return found[0]

    def body_of(self, nid):
        """The bytes of a message's body, by its field."""
        code = f"""
          module_load_include('inc', 'audiospread', 'audiospread.storage');
          print audiospread_storage_path(node_load({nid}), 'body');"""
        with open(os.path.join(self.site.root, self.site.run(code)), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def assert_one_whole_message(self, recording):
        nid, _ = self.message(recording)
        self.assertEqual(self.row(recording)["nid"], nid)
        self.assertEqual(self.row(recording)["state"], "made")
        self.assertEqual(self.body_of(nid), recording["body_sha256"])
        return nid

    def balance(self, nid):
        found = self.site.sql(
            f"SELECT f.field_balance_seconds_value FROM node n JOIN content_type_phone_subscriber f ON f.vid = n.vid WHERE n.nid = {nid}"
        )
        return int(found[0][0])

    def set_balance(self, nid, seconds):
        self.site.run(f"$n = node_load({nid}); $n->field_balance_seconds[0]['value'] = {seconds}; node_save($n);")

    def form_of(self, recording):
        return "audiospread-message-form-" + recording["uuid"]


class WithStandIn(WithSite):
    """The same with the stand-in in the gateway's place."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.recordings = Recordings(cls.site, cls.gateway)

    @classmethod
    def start_gateway(cls):
        return StandIn(os.path.join(cls.directory, "stand-in"))


class Deaf:
    """A listener that never answers; with a backlog of 0 it takes no connection either."""

    def __init__(self, backlog):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(backlog)
        self.backlog, self.filling = backlog, []
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        if backlog == 0:
            # Linux takes one more than the backlog; to the next it says nothing at all.
            for _ in range(2):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(self.socket.getsockname())
                self.filling.append(one)
            time.sleep(0.1)

    def met(self):
        """How many connections are there beside those that fill the backlog."""
        self.socket.setblocking(False)
        ours, count = {one.getsockname() for one in self.filling}, 0
        while True:
            try:
                accepted, peer = self.socket.accept()
                accepted.close()
                count += peer not in ours
            except BlockingIOError:
                return count

    def close(self):
        for one in [self.socket, *self.filling]:
            one.close()

    @staticmethod
    def nobody():
        """A port on which nobody listens."""
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            return one.getsockname()[1]
