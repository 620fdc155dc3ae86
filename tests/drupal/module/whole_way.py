"""The whole way in a real Drupal 6, with CCK and fileframework and with filefield alone: from a save to the gateway, from a recording to a
published message, and the pages of editors and publishers.

Started by `run`, which gives the place of Drupal's sources in DRUPAL_ROOT and a MariaDB in DATABASE_SOCKET.
"""

import concurrent.futures
import hashlib
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import unittest
import uuid
import xmlrpc.client

from drupal_site import FIXTURE, Gateway, RealGateway, Site, install_from_scratch, moment, wait_for

BLOBS = os.path.join(FIXTURE, "files", "bitcache", "file")


def an_mp3():
    """Bytes of the fixture that are an mp3, made different from all others."""
    for name in sorted(os.listdir(BLOBS)):
        with open(os.path.join(BLOBS, name), "rb") as file:
            content = file.read()
        if content[:3] == b"ID3" or content[:2] == b"\xff\xfb":
            return content + uuid.uuid4().bytes
    raise AssertionError("the fixture has no mp3")


class Recordings:
    """Recordings as the gateway has them: bytes where it says, and a struct of recordings.pending."""

    def __init__(self, site, gateway):
        self.site, self.gateway, self.all = site, gateway, []

    def add(self, store="bitcache", title=True, **facts):
        name = str(uuid.uuid4())
        one = {
            "uuid": name, "recorded_at": int(time.time()) - 60, "received_at": int(time.time()), "server": "thies",
            "caller": "+221775550107", "language": "fr", "category": 2, "hung_up": 0, "silent": 0,
        }  # fmt: skip
        for part, there in (("title", title), ("body", True)):
            one.update(self.sound(name, part, store) if there else self.no_sound(part))
        one.update(facts)
        self.all.append(one)
        self.gateway.write("recordings.json", self.all)
        return one

    def no_sound(self, part):
        texts = {f"{part}_{name}": "" for name in ("store", "ref", "sha256", "mime")}
        return {**texts, f"{part}_size": 0, f"{part}_seconds": 0}

    def sound(self, name, part, store):
        content = an_mp3()
        files = os.path.join(self.site.root, "sites", "default", "files")
        if store == "bitcache":
            digest = hashlib.sha1(content).hexdigest()
            path, ref = os.path.join(files, "bitcache", "file", digest), f"bitcache://{digest}"
        elif store == "files":
            path, ref = os.path.join(files, "audiospread", f"{name}-{part}.mp3"), f"sites/default/files/audiospread/{name}-{part}.mp3"
        else:
            path, ref = os.path.join(self.gateway.directory, "sounds", f"{name}-{part}.mp3"), f"/v1/recordings/{name}/{part}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        return {
            f"{part}_store": store, f"{part}_ref": ref, f"{part}_size": len(content), f"{part}_seconds": 4,
            f"{part}_sha256": hashlib.sha256(content).hexdigest(), f"{part}_mime": "audio/mpeg",
        }  # fmt: skip


class WithSite(unittest.TestCase):
    """A site and a gateway for all tests of a class."""

    # Modules that the site does not have.
    WITHOUT = ()

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="audiospread-drupal-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.gateway = Gateway(os.path.join(cls.directory, "gateway"))
        cls.addClassCleanup(cls.gateway.stop)
        cls.site = Site(os.environ["DRUPAL_ROOT"], cls.directory, os.environ["DATABASE_SOCKET"], cls.__name__.lower(), cls.WITHOUT)
        cls.prepare()
        cls.site.connect(cls.gateway.address)
        cls.addClassCleanup(cls.site.close)
        cls.recordings = Recordings(cls.site, cls.gateway)
        cls.admin = cls.site.browser("admin", "admin")

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


class Telling(WithSite):
    """What changed is told to the gateway, and nobody waits for that."""

    def edit(self, browser, nid, **values):
        page = browser.get(f"node/{nid}/edit")
        begin = time.monotonic()
        answer = browser.submit(page, "Save", values)
        self.assertIn("has been updated", answer.said())
        return time.monotonic() - begin

    def test_a_save_is_told_when_it_has_ended_with_vid_and_changed(self):
        before = len(self.gateway.changes())
        self.edit(self.admin, 171, title="Fertilizer tomorrow")
        told = wait_for(lambda: [one for one in self.gateway.changes()[before:] if one["id"] == 171], "the gateway to be told")
        vid, changed = self.site.sql("SELECT vid, changed FROM node WHERE nid = 171")[0]
        self.assertEqual(told[0], {"kind": "node", "id": 171, "vid": int(vid), "changed": int(changed), "op": "save"})

    def test_terms_fields_and_deletions_are_told(self):
        before = len(self.gateway.changes())
        page = self.admin.get("admin/content/taxonomy/edit/term/8")
        self.admin.submit(page, "Save", {"name": "The news"})
        nid = self.site.run("$n = (object) array('type' => 'page', 'title' => 'x', 'uid' => 1); node_save($n); print $n->nid;")
        page = self.admin.submit(self.admin.get(f"node/{nid}/delete"), "Delete")
        page = self.admin.get("admin/content/node-type/program/fields/field_weight")
        self.admin.submit(page, "Save field settings", {"label": "Place"})

        def told():
            return {(one["kind"], one["id"], one["op"]) for one in self.gateway.changes()[before:]}

        wanted = {("term", 8, "save"), ("node", int(nid), "delete"), ("field", 0, "save")}
        wait_for(lambda: wanted <= told(), "all of them to be told")

    def test_cron_repeats_what_was_not_confirmed_and_then_forgets_it(self):
        self.edit(self.admin, 171, title="Fertilizer once more")
        self.assertGreater(int(self.site.sql("SELECT COUNT(*) FROM audiospread_queue")[0][0]), 0)
        before = len(self.gateway.notes("notified"))
        self.site.cron()
        self.assertEqual(self.site.sql("SELECT COUNT(*) FROM audiospread_queue"), [["0"]])
        self.assertGreater(len(self.gateway.notes("notified")), before)

    def test_more_than_five_hundred_changes_are_told_as_all(self):
        many = ", ".join(f"('node', {nid}, 1, 'save')" for nid in range(1, 1200))
        self.site.sql(f"INSERT INTO audiospread_queue (kind, id, changed, op) VALUES {many}")
        deaf = Deaf(64)
        self.site.run(f"variable_set('audiospread_gateway', '{deaf.address}'); module_load_include('inc', 'audiospread', 'audiospread.notify'); "
                      "audiospread_notify_confirm();")  # fmt: skip
        deaf.close()
        # While the gateway is away, thousands are kept as one.
        self.assertEqual(self.site.sql("SELECT kind FROM audiospread_queue"), [["all"]])
        self.site.connect(self.gateway.address)
        before = len(self.gateway.changes())
        self.site.cron()
        self.assertEqual([one["kind"] for one in self.gateway.changes()[before:]], ["all"])
        self.assertEqual(self.site.sql("SELECT COUNT(*) FROM audiospread_queue"), [["0"]])

    def test_a_gateway_that_is_down_or_hangs_costs_an_editor_at_most_half_a_second_a_minute(self):
        def several(count=5):
            return [self.edit(self.admin, 165, title=f"Crocodiles {random.random()}") for _ in range(count)]

        several(2)
        usual = statistics.median(several())
        report = [f"usual {usual:.2f} s"]
        for name, listener in (("down", None), ("takes no connection", Deaf(0)), ("takes all and answers nothing", Deaf(64))):
            address = listener.address if listener else f"http://127.0.0.1:{Deaf.nobody()}"
            self.site.connect(address)
            first, *others = several(4)
            report.append(f"{name}: first {first:.2f} s, then {statistics.median(others):.2f} s")
            self.assertLess(first, usual + 0.5 + 0.5, report)
            self.assertLess(statistics.median(others), usual + 0.3, report)
            if listener:
                listener.close()
        print("\n   " + "; ".join(report), flush=True)
        self.site.connect(self.gateway.address)

    def test_a_visitor_who_registers_waits_for_nothing(self):
        deaf = Deaf(0)
        self.site.connect(deaf.address)
        try:
            visitor = self.site.browser()
            page = visitor.get("user/register")
            self.assertIn("name=\"mail\"", page.text)
            begin = time.monotonic()
            visitor.submit(page, "Create new account", {"name": "visitor", "mail": "visitor@example.org"})
            self.assertEqual(self.site.sql("SELECT COUNT(*) FROM users WHERE name = 'visitor'"), [["1"]])
            self.assertEqual(deaf.met(), 0)
            self.assertEqual(self.site.sql("SELECT COUNT(*) FROM audiospread_queue WHERE kind = 'user'"), [["1"]])
            self.assertLess(time.monotonic() - begin, 30)
        finally:
            self.site.connect(self.gateway.address)
            deaf.close()


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


class Messages(WithSite):
    """Recordings become messages, exactly one each, and editors decide."""

    def test_recordings_become_messages_wherever_their_bytes_are(self):
        added = [self.recordings.add(store, title=there) for store in ("bitcache", "gateway", "files") for there in (True, False)]
        begin = time.monotonic()
        self.assertEqual(self.site.wake(), len(added))
        print(f"\n   {len(added)} recordings were messages {time.monotonic() - begin:.2f} s after the wake-up", flush=True)
        for one in added:
            nid = self.assert_one_whole_message(one)
            self.assertIn({"uuid": one["uuid"], "nid": int(nid), "state": "made", "message": ""}, self.gateway.notes("taken"))
            self.assertEqual(self.site.sql(f"SELECT status FROM node WHERE nid = {nid}"), [["0"]])
        self.assertEqual(self.site.wake(), 0)

    def test_a_strangers_key_wakes_nobody(self):
        proxy = xmlrpc.client.ServerProxy(f"{self.site.url}/xmlrpc.php")
        for key in ("", "0" * 64, "true"):
            with self.assertRaises(xmlrpc.client.Fault) as caught:
                proxy.audiospread.wake(key)
            self.assertEqual(caught.exception.faultCode, 403)

    def test_what_the_gateway_says_wrongly_is_refused_with_a_reason_and_makes_nothing(self):
        wrong = [
            self.recordings.add(body_ref="bitcache://" + "0" * 40),
            self.recordings.add(body_ref="../../etc/passwd", body_store="files"),
            self.recordings.add("gateway", body_sha256="0" * 64),
            self.recordings.add("gateway", body_ref="/v1/../secret"),
            self.recordings.add(body_mime="text/html"),
            self.recordings.add(body_size=-1),
        ]
        self.site.wake()
        said = {one["uuid"]: one for one in self.gateway.notes("taken")}
        for one in wrong:
            self.assertEqual(said[one["uuid"]]["state"], "refused", one)
            self.assertTrue(said[one["uuid"]]["message"])
            self.assertEqual(self.row(one)["state"], "refused")
            self.assertEqual(self.site.sql(f"SELECT COUNT(*) FROM node_revisions WHERE log LIKE '%{one['uuid']}'"), [["0"]])

    def test_however_many_wake_it_and_cron_each_recording_is_one_message(self):
        added = [self.recordings.add(random.choice(("bitcache", "gateway"))) for _ in range(6)]
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            jobs = [pool.submit(self.site.wake) for _ in range(4)] + [pool.submit(self.site.cron)]
            made = sum(job.result() or 0 for job in jobs)
        self.site.wake()
        for one in added:
            self.assert_one_whole_message(one)
        self.assertLessEqual(made, len(added))

    def test_php_that_dies_at_any_moment_leaves_one_whole_message_of_each(self):
        for count in range(int(os.environ.get("DRUPAL_DEATHS", "12"))):
            added = [self.recordings.add(random.choice(("bitcache", "gateway"))) for _ in range(3)]
            waking = threading.Thread(target=self.quietly, args=(self.site.wake,))
            waking.start()
            wait_for(lambda: self.row(added[0]), "the first one to be claimed")
            time.sleep(random.uniform(0, 0.4))
            self.site.kill()
            waking.join()
            self.site.start()
            # The lease of whoever died runs out.
            self.site.sql("UPDATE audiospread_recording SET lease = 1 WHERE state = 'claimed'")
            self.site.wake()
            for one in added:
                self.assert_one_whole_message(one)
        self.assertEqual(self.site.sql("SELECT vid, title, log FROM node_revisions WHERE nid = 0"), [])

    @staticmethod
    def quietly(job):
        try:
            job()
        except Exception:  # whatever a client gets whose server is killed
            pass

    def test_a_save_that_died_between_revision_and_node_is_cleared_away(self):
        one = self.recordings.add()
        floor = self.site.sql("SELECT MAX(vid) FROM node_revisions")[0][0]
        self.site.sql(
            "INSERT INTO audiospread_recording (uuid, state, lease, claimant, revision_floor) "
            f"VALUES ('{one['uuid']}', 'claimed', 1, 'dead', {floor}); "
            "INSERT INTO node_revisions (nid, uid, title, body, teaser, log, timestamp, format) "
            f"VALUES (0, 0, 'x', '', '', 'AudioSpread recording {one['uuid']}', 1, 1)"
        )
        self.site.wake()
        self.assert_one_whole_message(one)
        self.assertEqual(self.site.sql("SELECT COUNT(*) FROM node_revisions WHERE nid = 0"), [["0"]])

    def test_an_approved_message_is_published_with_its_sounds_title_and_category_and_told(self):
        one = self.recordings.add()
        self.site.wake()
        nid = self.assert_one_whole_message(one)
        before = len(self.gateway.changes())
        editor = self.site.browser("ed1", "ed1")
        page = editor.get("admin/content/phone-messages")
        answer = editor.submit(page, "Approve", {"title": "Rain <b>at last</b>", "category": "8"}, self.form_of(one))
        self.assertIn("is approved", answer.said())
        self.assertNotIn("<b>at last", answer.text)
        self.assertEqual(self.site.sql(f"SELECT title, status FROM node WHERE nid = {nid}"), [["Rain <b>at last</b>", "1"]])
        self.assertEqual(self.site.sql(f"SELECT t.tid FROM term_node t JOIN node n ON n.vid = t.vid WHERE n.nid = {nid}"), [["8"]])
        sounds = self.site.sql(
            "SELECT f.status FROM node n JOIN content_field_audio_title t ON t.vid = n.vid JOIN content_field_audio_body b ON b.vid = n.vid "
            f"JOIN node f ON f.nid IN (t.field_audio_title_value, b.field_audio_body_value) WHERE n.nid = {nid}"
        )
        self.assertEqual(sounds, [["1"], ["1"]])
        self.assertEqual(self.body_of(nid), one["body_sha256"])
        told = wait_for(lambda: [c for c in self.gateway.changes()[before:] if c["id"] == int(nid)], "the gateway to be told")
        self.assertEqual([str(told[-1]["vid"])], self.site.sql(f"SELECT vid FROM node WHERE nid = {nid}")[0])
        # Withdrawn, it is silent again, and its sounds with it.
        page = editor.get("admin/content/phone-messages/approved")
        answer = editor.submit(page, "Withdraw", {"reason": "A mistake"}, self.form_of(one))
        self.assertEqual(self.site.sql(f"SELECT status FROM node WHERE nid = {nid}"), [["0"]])
        self.assertEqual(self.row(one)["state"], "rejected")

    def test_of_two_editors_the_second_is_told_who_was_faster(self):
        one = self.recordings.add()
        self.site.wake()
        first, second = self.site.browser("ed1", "ed1"), self.site.browser("ed2", "ed2")
        pages = [browser.get("admin/content/phone-messages") for browser in (first, second)]
        first.submit(pages[0], "Approve", {"category": "8"}, self.form_of(one))
        answer = second.submit(pages[1], "Reject", {"reason": "No"}, self.form_of(one))
        self.assertIn("ed1 has approved this message meanwhile", answer.said())
        self.assertEqual(self.message(one)[1], "1")
        self.assertEqual(self.row(one)["state"], "made")

    def test_a_reserved_message_waits_for_its_editor_until_the_reservation_ends(self):
        one = self.recordings.add()
        self.site.wake()
        first, second = self.site.browser("ed1", "ed1"), self.site.browser("ed2", "ed2")
        first.submit(first.get("admin/content/phone-messages"), "Reserve for 30 minutes", form=self.form_of(one))
        page = second.get("admin/content/phone-messages")
        self.assertIn("Reserved by ed1", page.text)
        self.assertIn("ed1 has reserved", second.submit(page, "Approve", {}, self.form_of(one)).said())
        self.assertEqual(self.message(one)[1], "0")
        self.site.sql(f"UPDATE audiospread_recording SET reserved_until = 1 WHERE uuid = '{one['uuid']}'")
        second.submit(second.get("admin/content/phone-messages"), "Approve", {"category": "8"}, self.form_of(one))
        self.assertEqual(self.message(one)[1], "1")

    def test_a_rejection_needs_a_reason_and_ends_when_the_node_is_published_by_its_own_form(self):
        one = self.recordings.add()
        self.site.wake()
        nid, _ = self.message(one)
        editor = self.site.browser("ed1", "ed1")
        page = editor.get("admin/content/phone-messages")
        self.assertIn("Say why", editor.submit(page, "Reject", {}, self.form_of(one)).said())
        editor.submit(page, "Reject", {"reason": "Too <i>loud</i>"}, self.form_of(one))
        self.assertEqual(self.row(one)["reason"], "Too <i>loud</i>")
        page = editor.get("admin/content/phone-messages/rejected")
        self.assertIn("Too &lt;i&gt;loud", page.text)
        self.admin.submit(self.admin.get(f"node/{nid}/edit"), "Save", {"status": "1"})
        self.assertEqual(self.message(one)[1], "1")
        self.assertEqual((self.row(one)["state"], self.row(one)["reason"]), ("made", ""))
        self.assertEqual(self.body_of(nid), one["body_sha256"])

    def test_a_deleted_message_is_not_made_again_and_its_caller_is_forgotten(self):
        one = self.recordings.add()
        self.site.wake()
        nid, _ = self.message(one)
        self.admin.submit(self.admin.get(f"node/{nid}/delete"), "Delete")
        self.gateway.write("recordings.json", [])
        os.rename(os.path.join(self.gateway.directory, "taken"), os.path.join(self.gateway.directory, "taken.before"))
        # As if "taken" had been lost on its way.
        self.gateway.write("recordings.json", [one])
        self.site.wake()
        self.gateway.write("recordings.json", self.recordings.all)
        self.assertEqual(self.row(one), {"nid": nid, "state": "deleted", "reason": "", "caller": "", "version": self.row(one)["version"]})
        self.assertEqual(self.site.sql(f"SELECT COUNT(*) FROM node_revisions WHERE log LIKE '%{one['uuid']}'"), [["0"]])

    def test_a_number_is_seen_by_who_may_and_forgotten_in_time_and_nowhere_else(self):
        one = self.recordings.add(caller="+221775550199", title=False)
        self.site.wake()
        nid, _ = self.message(one)
        editor = self.site.browser("ed1", "ed1")
        self.assertIn("+221775550199", editor.get("admin/content/phone-messages").text)
        self.site.sql("UPDATE permission SET perm = REPLACE(perm, 'view caller numbers', 'nothing') WHERE rid = 4")
        try:
            self.assertNotIn("775550199", editor.get("admin/content/phone-messages").text)
            for path in (f"node/{nid}", f"node/{nid}/edit", f"node/{nid}/revisions"):
                self.assertNotIn("775550199", self.admin.get(path).text)
        finally:
            self.site.sql("UPDATE permission SET perm = REPLACE(perm, 'nothing', 'view caller numbers') WHERE rid = 4")
        dump = subprocess.run(
            ["mariadb-dump", "--no-defaults", f"--socket={self.site.socket}", "--user=root", self.site.name,
             f"--ignore-table={self.site.name}.audiospread_recording"], capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        self.assertEqual(dump.returncode, 0, dump.stderr)
        self.assertNotIn("775550199", dump.stdout)
        self.site.sql(f"UPDATE audiospread_recording SET recorded_at = 1000000000 WHERE uuid = '{one['uuid']}'")
        self.site.cron()
        self.assertEqual(self.row(one)["caller"], "")

    def test_sounds_are_for_moderators_and_can_be_wound(self):
        one = self.recordings.add()
        self.site.wake()
        nid, _ = self.message(one)
        path = f"audiospread/recording/{one['uuid']}/body"
        whole = self.admin.get(path)
        self.assertEqual(hashlib.sha256(whole.body).hexdigest(), one["body_sha256"])
        part = self.admin.get(path, headers={"Range": "bytes=100-199"})
        self.assertEqual((part.status, part.body), (206, whole.body[100:200]))
        self.assertEqual(self.admin.get(path, headers={"Range": f"bytes={len(whole.body)}-"}).status, 416)
        self.assertEqual(self.site.browser().get(path).status, 403)
        self.assertEqual(self.site.browser("contrib1", "contrib1").get(path).status, 403)
        file = self.site.sql(f"SELECT field_audio_body_value FROM content_field_audio_body WHERE nid = {nid}")[0][0]
        self.assertEqual(self.site.browser().get(f"file/{file}/download").status, 403)
        self.assertEqual(self.admin.get(f"audiospread/recording/{one['uuid']}/../../x").status, 404)

    def test_a_decision_without_the_forms_token_counts_for_nothing(self):
        one = self.recordings.add()
        self.site.wake()
        editor = self.site.browser("ed1", "ed1")
        page = editor.get("admin/content/phone-messages")
        for token in (None, "0" * 32):
            editor.submit(page, "Approve", {"form_token": token}, self.form_of(one))
            self.assertEqual(self.message(one)[1], "0")
        self.assertEqual(self.site.browser().get("admin/content/phone-messages").status, 403)

    def test_files_chosen_in_another_window_are_not_taken_for_those_of_a_message(self):
        one = self.recordings.add()
        self.site.wake()
        nid, _ = self.message(one)
        editor = self.site.browser("ed1", "ed1")
        page = editor.get("admin/content/phone-messages")
        session = self.site.sql("SELECT sid FROM sessions s JOIN users u ON u.uid = s.uid WHERE u.name = 'ed1' ORDER BY s.timestamp DESC LIMIT 1")
        upload = "O:8:\"stdClass\":3:{s:3:\"uri\";s:12:\"bitcache://x\";s:4:\"name\";s:1:\"x\";s:4:\"type\";s:10:\"audio/mpeg\";}"
        stored = "file_cck_files|a:1:{s:20:\"s_field_audio_body_0\";" + upload + "}"
        self.site.sql(f"UPDATE sessions SET session = CONCAT(session, '{stored}') WHERE sid = '{session[0][0]}'")
        editor.submit(page, "Approve", {"category": "8"}, self.form_of(one))
        self.assertEqual(self.message(one)[1], "1")
        self.assertEqual(self.body_of(nid), one["body_sha256"])
        kept = self.site.sql(f"SELECT session FROM sessions WHERE sid = '{session[0][0]}'")
        self.assertIn("s_field_audio_body_0", kept[0][0])


class Pages(WithSite):
    """The settings and the pages about the gateway."""

    def test_the_settings_keep_the_token_to_themselves_and_test_the_connection(self):
        page = self.admin.get("admin/settings/audiospread")
        answer = self.admin.submit(page, "Save and test the connection", {"audiospread_token": "not-the-token-of-the-gateway"})
        self.assertIn("does not accept the token", answer.said())
        self.gateway.write("status.json", [a_status("gateway", "here")])
        answer = self.admin.submit(self.admin.get("admin/settings/audiospread"), "Save and test the connection",
                                   {"audiospread_token": "a-token-for-the-tests-of-the-module"})  # fmt: skip
        self.assertIn("answered after", answer.said())
        self.assertNotIn("a-token-for-the-tests", self.admin.get("admin/settings/audiospread").text)
        answer = self.admin.submit(self.admin.get("admin/settings/audiospread"), "Save configuration")
        self.assertEqual(self.site.run("print variable_get('audiospread_token', '');"), "a-token-for-the-tests-of-the-module")
        for wrong in ("gopher://x", "http://user:password@host/", "http://host/?q=x", "127.0.0.1:8095"):
            answer = self.admin.submit(self.admin.get("admin/settings/audiospread"), "Save configuration", {"audiospread_gateway": wrong})
            self.assertIn("no address of a gateway", answer.said())

    def test_the_status_page_tells_servers_and_findings_with_links(self):
        self.gateway.write("status.json", [a_status("gateway", "here", errors=1), a_status("phone_server", "<i>thies</i>", behind=2)])
        finding = {"code": "no_title", "severity": "error", "kind": "node", "id": 350, "name": "", "message": "Do <b>this</b>."}
        self.gateway.write("findings.json", [finding])
        page = self.site.browser("ed1", "ed1").get("admin/reports/audiospread")
        self.assertEqual(page.status, 200)
        self.assertIn("&lt;i&gt;thies", page.text)
        self.assertIn("2 changes behind", page.text)
        self.assertIn("Do &lt;b&gt;this", page.text)
        self.assertRegex(page.text, r'href="/node/350"')

    def test_a_program_says_where_it_is_on_the_phone_and_since_when(self):
        shown = {"name": "thies", "state": "shown", "since": 1795520000, "message": ""}
        absent = {"name": "kaolack", "state": "absent", "since": 0, "message": "Its audio is on its way."}
        self.gateway.write("nodes.json", {"171": [shown, absent]})
        page = self.site.browser("ed1", "ed1").get("node/171/phone")
        self.assertIn("On the phone in thies since Tue, 11/24/2026", page.text)
        self.assertIn("Not on the phone in kaolack. Its audio is on its way.", page.text)

    def test_a_gateway_that_hangs_lets_a_page_about_it_wait_three_seconds_and_says_so(self):
        deaf = Deaf(64)
        self.site.connect(deaf.address)
        try:
            page = self.admin.get("admin/reports/audiospread")
            self.assertIn("did not answer within 3 seconds", page.said())
            self.assertLess(page.seconds, 5)
        finally:
            self.site.connect(self.gateway.address)
            deaf.close()

    def test_uninstalling_removes_tables_and_variables_and_no_message(self):
        one = self.recordings.add()
        self.site.wake()
        nid, _ = self.message(one)
        self.site.run("require_once './includes/install.inc'; module_disable(array('audiospread')); drupal_uninstall_module('audiospread');")
        try:
            self.assertEqual(self.site.sql("SHOW TABLES LIKE 'audiospread%'"), [])
            self.assertEqual(self.site.sql("SELECT name FROM variable WHERE name LIKE 'audiospread%'"), [])
            self.assertEqual(self.site.sql(f"SELECT COUNT(*) FROM node WHERE nid = {nid}"), [["1"]])
        finally:
            self.site.install("audiospread")
            self.site.connect(self.gateway.address)


class Content(WithSite):
    """The module for content, on a site that has all of it already."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.site.install("audiospread_content")

    def test_what_exists_is_used_and_only_what_is_missing_is_added(self):
        fields = self.site.sql("SELECT type_name, field_name FROM content_node_field_instance ORDER BY type_name, field_name")
        self.assertEqual(self.site.run("module_load_include('inc', 'audiospread_content', 'audiospread_content.types'); "
                                       "print count(audiospread_content_missing()) . count(audiospread_content_make());"), "00")  # fmt: skip
        self.assertEqual(self.site.sql("SELECT type_name, field_name FROM content_node_field_instance ORDER BY type_name, field_name"), fields)
        self.assertEqual(self.site.sql("SELECT COUNT(*) FROM vocabulary_node_types WHERE vid = 1 AND type = 'phone_message'"), [["1"]])
        self.assertEqual(self.site.sql("SELECT COUNT(*) FROM term_data WHERE name = 'minimals'"), [["1"]])
        # What an administrator takes away is offered again, and comes back.
        self.site.run("taxonomy_del_term(16); module_load_include('inc', 'content', 'includes/content.crud'); "
                      "content_field_instance_delete('field_duration', 'phone_message');")  # fmt: skip
        page = self.admin.get("admin/content/phone-menus")
        self.assertIn("phone_message.field_duration, minimals/programs", page.text)
        self.assertIn("Added: phone_message.field_duration, minimals/programs", self.admin.submit(page, "Add what is missing").said())

    def test_a_category_has_programs_or_sub_categories_and_the_tree_two_levels(self):
        def said(path, button, values):
            return self.admin.submit(self.admin.get(path), button, values).said()

        # 1 Agriculture has 2 Crops below it and programs in it; 8 News has programs; 12 is minimals, 13 home below it.
        program = {"title": "A program", "taxonomy[1][]": "1"}
        self.assertIn("Agriculture has sub-categories", said("node/add/program", "Save", program))
        self.assertIn("sounds of the menus", said("node/add/program", "Save", {**program, "taxonomy[1][]": "13"}))
        self.assertIn("has been created", said("node/add/program", "Save", {**program, "taxonomy[1][]": "8"}))
        term = {"name": "New", "parent[]": "2"}
        self.assertIn("two levels", said("admin/content/taxonomy/1/add/term", "Save", term))
        self.assertRegex(said("admin/content/taxonomy/1/add/term", "Save", {**term, "parent[]": "8"}), r"News has \d+ programs")
        self.assertIn("Created new term", said("admin/content/taxonomy/1/add/term", "Save", {**term, "parent[]": "12"}))
        self.assertIn("has sub-categories of its own", said("admin/content/taxonomy/edit/term/5", "Save", {"parent[]": "9"}))
        # Whoever only changes a name is not held up by what is wrong already.
        self.assertIn("Updated term", said("admin/content/taxonomy/edit/term/2", "Save", {"name": "Crops and fields"}))
        in_a_parent = self.site.sql("SELECT n.nid FROM node n JOIN term_node t ON t.vid = n.vid WHERE t.tid = 1 AND n.type = 'program' LIMIT 1")
        self.assertIn("has been updated", said(f"node/{in_a_parent[0][0]}/edit", "Save", {"title": "Renamed"}))

    def test_terms_that_are_moved_in_the_list_keep_to_two_levels(self):
        page = self.admin.get("admin/content/taxonomy/1")
        answer = self.admin.submit(page, "Save", {"tid:7:0[parent]": "2", "tid:7:0[depth]": "2"})
        self.assertIn("third level", answer.said())
        self.assertEqual(self.site.sql("SELECT parent FROM term_hierarchy WHERE tid = 7"), [["5"]])

    def test_a_message_is_not_approved_into_a_category_with_sub_categories(self):
        one = self.recordings.add()
        self.site.wake()
        editor = self.site.browser("ed1", "ed1")
        answer = editor.submit(editor.get("admin/content/phone-messages"), "Approve", {"category": "1"}, self.form_of(one))
        self.assertIn("Agriculture has sub-categories", answer.said())
        self.assertEqual(self.message(one)[1], "0")

    def test_contributors_create_editors_publish_publishers_set_the_menus(self):
        contributor, editor, publisher = (self.site.browser(name, name) for name in ("contrib1", "ed1", "pub1"))
        page = contributor.submit(contributor.get("node/add/program"), "Save", {"title": "By a contributor", "taxonomy[1][]": "8"})
        self.assertIn("has been created", page.said())
        nid = self.site.sql("SELECT MAX(nid) FROM node WHERE title = 'By a contributor'")[0][0]
        self.assertEqual(self.site.sql(f"SELECT status FROM node WHERE nid = {nid}"), [["0"]])
        page = editor.get(f"node/{nid}/edit")
        self.assertNotIn('name="sticky"', page.text)
        editor.submit(page, "Save", {"status": "1"})
        self.assertEqual(self.site.sql(f"SELECT status FROM node WHERE nid = {nid}"), [["1"]])
        # And by the contributor it stays published.
        contributor.submit(contributor.get(f"node/{nid}/edit"), "Save", {"title": "By a contributor, again"})
        for browser, path, status in (
            (contributor, "admin/content/phone-messages", 403), (contributor, "admin/content/phone-menus", 403),
            (editor, "admin/content/phone-messages", 200), (editor, "admin/content/phone-menus", 403),
            (publisher, "admin/content/phone-messages", 200), (publisher, "admin/content/phone-menus", 200),
            (publisher, "admin/settings/audiospread", 403),
        ):  # fmt: skip
            self.assertEqual(browser.get(path).status, status, path)

    def test_the_menus_settings_are_what_the_gateway_reads(self):
        publisher = self.site.browser("pub1", "pub1")
        page = publisher.get("admin/content/phone-menus")
        self.assertIn("have the same key", publisher.submit(page, "Save", {"keys[playing][stop]": "5"}).said())
        self.assertIn("the key 7 is taken", publisher.submit(page, "Save", {"menu_page_size": "7", "keys[menu][help]": "7"}).said())
        self.assertIn("must be one of those", publisher.submit(page, "Save", {"languages[en]": "en", "default_language": "fr"}).said())
        before = len(self.gateway.changes())
        values = {
            "languages[fr]": "fr", "default_language": "fr", "home_categories[8]": "8", "home_categories[1]": "1", "menu_page_size": "5",
            "keys[menu][up]": "#", "keys[menu][code]": "*",
        }  # fmt: skip
        self.assertIn("are saved", publisher.submit(page, "Save", values).said())
        self.assertEqual(
            self.site.run("print json_encode(variable_get('audiospread_settings', array()));"),
            '{"languages":["fr"],"default_language":"fr","home_categories":[1,8],"menu_page_size":5,"keys":{"menu":{"up":"#","code":"*"}}}',
        )
        wait_for(lambda: [one for one in self.gateway.changes()[before:] if one["kind"] == "settings"], "the gateway to be told")
        page = publisher.get("admin/content/phone-menus")
        publisher.submit(page, "Save", {"languages[fr]": None, "home_categories[8]": None, "home_categories[1]": None, "menu_page_size": "",
                                        "default_language": "", "keys[menu][up]": "", "keys[menu][code]": ""})  # fmt: skip
        self.assertEqual(self.site.run("print json_encode(variable_get('audiospread_settings', 'x'));"), "[]")

    def test_the_prompts_page_plays_what_callers_hear_and_leads_to_recording_it(self):
        content = an_mp3()
        digest = hashlib.sha256(content).hexdigest()
        with open(os.path.join(self.gateway.directory, "sounds", f"blobs-{digest}.mp3"), "wb") as file:
            file.write(content)
        members = {"context": "home", "language": "fr", "text": "<u>Au revoir</u>", "source": "default", "nid": 0, "sha256": digest, "seconds": 3}
        self.gateway.write("prompts.json", [{**members, "key": "goodbye"}, {**members, "key": "timeout", "source": "none", "sha256": ""}])
        publisher = self.site.browser("pub1", "pub1")
        page = publisher.get("admin/content/phone-prompts")
        self.assertIn("&lt;u&gt;Au revoir", page.text)
        self.assertIn("the language pack of the default language", page.text)
        self.assertEqual(publisher.get(f"audiospread/prompt/{digest}").body, content)
        self.assertEqual(publisher.get("audiospread/prompt/" + "0" * 64).status, 404)
        self.assertEqual(self.site.browser().get(f"audiospread/prompt/{digest}").status, 403)
        link = re.search(r'href="(/node/add/prompt[^"]+)"', page.text).group(1).replace("&amp;", "&")
        page = publisher.get(link)
        self.assertIn("has been created", publisher.submit(page, "Save").said())
        found = self.site.sql(
            "SELECT n.language, f.field_prompt_key_value, t.tid FROM node n JOIN content_type_prompt f ON f.vid = n.vid "
            "JOIN term_node t ON t.vid = n.vid ORDER BY n.nid DESC LIMIT 1"
        )
        self.assertEqual(found, [["fr", "goodbye", "13"]])

    def test_uninstalling_leaves_types_fields_and_terms(self):
        self.site.run("variable_set('audiospread_settings', array('menu_page_size' => 5)); require_once './includes/install.inc'; "
                      "module_disable(array('audiospread_content')); drupal_uninstall_module('audiospread_content');")  # fmt: skip
        try:
            self.assertEqual(self.site.sql("SELECT COUNT(*) FROM variable WHERE name IN ('audiospread_settings', 'audiospread_content_roles')"), [["0"]])
            self.assertEqual(self.site.sql("SELECT COUNT(*) FROM node_type WHERE type IN ('program', 'prompt', 'category_info', 'phone_message')"), [["4"]])
            self.assertEqual(self.site.sql("SELECT COUNT(*) FROM term_data WHERE name = 'minimals'"), [["1"]])
        finally:
            self.site.install("audiospread_content")


class Business(WithSite):
    """The module for subscribers."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.site.install("audiospread_business")

    MONTH = time.strftime("%Y-%m", time.gmtime())

    def totals(self, *rows):
        names = ("number", "subscriber", "calls", "seconds", "billable_seconds")
        self.gateway.write("totals.json", {self.MONTH: [dict(zip(names, row)) for row in rows]})

    def test_each_call_is_taken_off_the_balance_once_however_often_cron_runs(self):
        self.set_balance(294, 3600)
        self.totals(("+221775550100", 294, 2, 200, 180), ("+221775559999", 0, 1, 50, 50))
        for _ in range(3):
            self.site.cron()
        self.assertEqual(self.balance(294), 3420)
        # A record that comes late makes the sum grow.
        self.totals(("+221775550100", 294, 3, 260, 240), ("+33612345603", 294, 1, 10, 10))
        self.site.cron()
        self.site.cron()
        self.assertEqual(self.balance(294), 3350)
        # A gateway that was restored from a backup gives nothing back, and takes nothing twice.
        self.totals(("+221775550100", 294, 1, 100, 100))
        self.site.cron()
        self.totals(("+221775550100", 294, 3, 260, 250))
        self.site.cron()
        self.assertEqual(self.balance(294), 3340)
        self.assertIn({"kind": "node", "id": 294}, [{"kind": one["kind"], "id": one["id"]} for one in self.gateway.changes()])

    def test_a_debit_that_died_is_made_up_for_and_never_made_twice(self):
        number = "+221775550111"
        nid = self.site.sql("SELECT f.nid FROM content_field_phone_number f JOIN node n ON n.vid = f.vid "
                            f"WHERE f.field_phone_number_value = '{number}'")[0][0]  # fmt: skip
        self.set_balance(nid, 1000)
        self.totals((number, int(nid), 1, 100, 100))
        died = "UPDATE audiospread_usage SET debited = 0, target = 100, balance_before = 1000, lease = 1 WHERE number = '" + number + "'"
        self.site.cron()
        self.assertEqual(self.balance(nid), 900)
        # Died after the save.
        self.site.sql(died)
        self.site.cron()
        self.assertEqual(self.balance(nid), 900)
        # Died before it.
        self.set_balance(nid, 1000)
        self.site.sql(died)
        self.site.cron()
        self.assertEqual(self.balance(nid), 900)
        self.assertEqual(self.site.sql(f"SELECT debited, target, lease FROM audiospread_usage WHERE number = '{number}'"), [["100", "0", "0"]])

    def test_subscribers_are_seen_by_nobody_who_may_not(self):
        self.site.sql("UPDATE node SET promote = 1, created = 2000000000 WHERE nid = 294")
        title = self.site.sql("SELECT title FROM node WHERE nid = 294")[0][0]
        for browser in (self.site.browser(), self.site.browser("contrib1", "contrib1"), self.site.browser("ed1", "ed1")):
            self.assertEqual(browser.get("node/294").status, 403)
            self.assertEqual(browser.get("node/294/revisions").status, 403)
            self.assertEqual(browser.get("admin/content/phone-subscribers").status, 403)
            self.assertEqual(browser.get("admin/content/phone-subscribers/csv").status, 403)
            for path in ("node", "rss.xml"):
                self.assertNotIn(title, browser.get(path).text)
            self.assertEqual(browser.get("node/171").status, 200)
        publisher = self.site.browser("pub1", "pub1")
        self.assertEqual(publisher.get("node/294").status, 200)
        self.assertIn(title, publisher.get("node").text)

    def test_the_list_is_filtered_and_exported(self):
        publisher = self.site.browser("pub1", "pub1")
        page = publisher.get("admin/content/phone-subscribers")
        self.assertIn("Awa Diop", page.text)
        page = publisher.submit(page, "Show", {"text": "77 555 02", "plan": ""})
        self.assertIn("Moussa Traor", page.text)
        self.assertNotIn("Awa Diop", page.text)
        page = publisher.submit(page, "Show", {"text": "%", "plan": ""})
        self.assertIn("no such subscriber", page.text)
        page = publisher.submit(page, "Show", {"text": "", "plan": "premium"})
        self.assertIn("Awa Diop", page.text)
        csv = publisher.get(re.search(r'href="(/admin/content/phone-subscribers/csv[^"]*)"', page.text).group(1))
        self.assertIn('"Awa Diop","+221775550100","premium"', csv.text)
        self.assertNotIn('"standard"', csv.text)
        self.set_title(294, '=cmd|"x"')
        try:
            self.assertIn("\"'=cmd|\"\"x\"\"\"", publisher.get("admin/content/phone-subscribers/csv").text)
        finally:
            self.set_title(294, "Awa Diop")

    def set_title(self, nid, title):
        self.site.run(f"$n = node_load({nid}); $n->title = '{title}'; node_save($n);")


class FilefieldOnly(WithSite):
    """A new site that has filefield and nothing of fileframework."""

    WITHOUT = ("fileframework", "bitcache", "rdf", "getid3", "token")

    @classmethod
    def prepare(cls):
        os.makedirs(os.path.join(cls.site.root, "sites", "default", "files"), exist_ok=True)
        cls.site.start()
        admin = install_from_scratch(cls.site)
        # All but one at once, as an administrator in a hurry does.
        names = ("content", "text", "number", "optionwidgets", "userreference")
        ours = ("audiospread", "audiospread_content", "audiospread_business")
        page = admin.submit(admin.get("admin/build/modules"), "Save configuration", {f"status[{name}]": name for name in names + ours})
        assert "nothing to keep sounds in" in page.said(), page.said()
        admin.submit(admin.get("admin/build/modules"), "Save configuration", {"status[filefield]": "filefield"})
        page = admin.submit(admin.get("admin/content/phone-menus"), "Add what is missing")
        assert "Added: program.field_audio_title, program.field_audio_body" in page.said(), page.said()

    def test_types_fields_tree_and_roles_are_made(self):
        kinds = {row[0]: row[1] for row in self.site.sql("SELECT field_name, type FROM content_node_field")}
        for name in ("field_audio_title", "field_audio_body", "field_audio_header", "field_audio_footer", "field_audio_prompt"):
            self.assertEqual(kinds[name], "filefield")
        names = {row[0] for row in self.site.sql("SELECT name FROM term_data")}
        self.assertLessEqual({"minimals", "home", "recording", "categories", "programs", "playing", "support"}, names)
        self.assertLessEqual({"publisher", "editor", "contributor"}, {row[0] for row in self.site.sql("SELECT name FROM role")})
        page = self.admin.get("admin/reports/status")
        self.assertIn("Types, fields and tree are there", page.text)
        for path in ("node/add/program", "node/add/category-info", "node/add/prompt", "node/add/phone-subscriber"):
            self.assertEqual(self.admin.get(path).status, 200)

    def test_recordings_become_messages_and_are_approved(self):
        term = "$t = array('vid' => audiospread_messages_vocabulary(), 'name' => 'News', 'parent' => 0, 'weight' => 0, 'description' => '');"
        tid = self.site.run("module_load_include('inc', 'audiospread', 'audiospread.messages'); " + term + " taxonomy_save_term($t); print $t['tid'];")
        added = [self.recordings.add(store, category=int(tid)) for store in ("files", "gateway")]
        self.assertEqual(self.site.wake(), 2)
        self.assertEqual(self.site.wake(), 0)
        for one in added:
            nid = self.assert_one_whole_message(one)
            whole = self.admin.get(f"audiospread/recording/{one['uuid']}/body")
            self.assertEqual(hashlib.sha256(whole.body).hexdigest(), one["body_sha256"])
            answer = self.admin.submit(self.admin.get("admin/content/phone-messages"), "Approve", {"title": "Heard"}, self.form_of(one))
            self.assertIn("is approved", answer.said())
            self.assertEqual(self.body_of(nid), one["body_sha256"])
            kept = self.site.sql("SELECT f.filepath, f.status FROM node n JOIN content_field_audio_body b ON b.vid = n.vid "
                                 f"JOIN files f ON f.fid = b.field_audio_body_fid WHERE n.nid = {nid}")  # fmt: skip
            self.assertEqual(kept, [[f"sites/default/files/audiospread/{one['uuid']}-body.mp3", "1"]])

    def test_what_the_gateway_wrote_is_compared_before_it_is_taken(self):
        one = self.recordings.add("files", body_sha256="1" * 64)
        self.site.wake()
        self.assertEqual(self.row(one)["state"], "refused")
        self.assertIn("is not what the gateway wrote", self.row(one)["reason"])
        # An hour later the bytes are right.
        with open(os.path.join(self.site.root, one["body_ref"]), "rb") as file:
            self.recordings.all[-1]["body_sha256"] = hashlib.sha256(file.read()).hexdigest()
        os.rename(os.path.join(self.gateway.directory, "taken"), os.path.join(self.gateway.directory, "taken.before"))
        self.gateway.write("recordings.json", self.recordings.all)
        self.site.wake()
        self.assertEqual(self.row(one)["state"], "refused")
        self.site.sql(f"UPDATE audiospread_recording SET lease = 1 WHERE uuid = '{one['uuid']}'")
        self.site.wake()
        self.assert_one_whole_message(self.recordings.all[-1])

    def test_what_the_gateway_put_into_the_files_directory_becomes_a_message_there(self):
        real = RealGateway(os.environ["AUDIOSPREAD"], self.directory, self.site)
        self.addCleanup(real.stop)
        self.addCleanup(self.site.connect, self.gateway.address)
        one = real.leave(an_mp3(), an_mp3())
        name = f"sites/default/files/audiospread/{one['uuid']}-body.mp3"
        put = os.stat(os.path.join(self.site.root, name))
        self.site.connect(real.address)
        self.site.cron()
        nid = self.assert_one_whole_message(one)
        self.assertEqual(os.stat(os.path.join(self.site.root, name)).st_ino, put.st_ino)
        kept = self.site.sql("SELECT f.filepath, f.status FROM node n JOIN content_field_audio_body b ON b.vid = n.vid "
                             f"JOIN files f ON f.fid = b.field_audio_body_fid WHERE n.nid = {nid}")  # fmt: skip
        self.assertEqual(kept, [[name, "1"]])


class BesideTheGateway(WithSite):
    """The modules and the gateway itself, on one site."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.site.install("audiospread_content", "audiospread_business")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.real = RealGateway(os.environ["AUDIOSPREAD"], cls.directory, cls.site)
        cls.addClassCleanup(cls.real.stop)

    def setUp(self):
        self.site.connect(self.real.address)

    def until(self, cursor, wanted, seconds=60):
        """Follows the feed from a cursor until a line is there."""
        patience = time.monotonic() + seconds
        while time.monotonic() < patience:
            lines = self.real.feed(cursor)
            for line in lines:
                if wanted(line):
                    return line
            cursor = lines[-1]["cursor"]
        raise AssertionError(f"not in the feed within {seconds} s")

    def settled(self):
        """A cursor behind which nothing comes any more: all audio is indexed."""
        before = None
        while before != (before := self.real.cursor()):
            time.sleep(3)
        return before

    def state(self, recording):
        """How a recording stands, by what the gateway reads of Drupal."""
        return json.loads(self.real.ask(f"/v1/recordings/{recording['uuid']}"))["state"]

    def test_an_approved_message_reaches_the_feed(self):
        body = an_mp3()
        one = self.real.leave(body, an_mp3())
        # It is where fileframework looks for it before Drupal knows, and Drupal only names it.
        blob = hashlib.sha1(body).hexdigest()
        path = os.path.join(self.site.root, "sites/default/files/bitcache/file", blob)
        put = os.stat(path)
        self.site.cron()
        nid = self.assert_one_whole_message(one)
        self.assertEqual(os.stat(path).st_ino, put.st_ino)
        uris = self.site.sql("SELECT f.uri FROM node n JOIN content_field_audio_body b ON b.vid = n.vid "
                             f"JOIN file_nodes f ON f.nid = b.field_audio_body_value WHERE n.nid = {nid}")  # fmt: skip
        self.assertEqual(uris, [[f"bitcache://{blob}"]])
        self.assertEqual(self.state(one), "pending")
        cursor = self.settled()
        editor = self.site.browser("ed1", "ed1")
        page = editor.get("admin/content/phone-messages")
        begin = time.monotonic()
        editor.submit(page, "Approve", {"title": "Rain at last", "category": "8"}, self.form_of(one))
        clicked = time.monotonic() - begin
        line = self.until(cursor, lambda line: line.get("kind") == "program" and line["id"] == nid and line["op"] == "put")
        print(f"\n   the click took {clicked:.2f} s; the message was in the feed {time.monotonic() - begin - clicked:.2f} s later", flush=True)
        self.assertEqual(line["value"]["title"], "Rain at last")
        self.assertEqual(line["value"]["categories"], ["8"])
        self.assertEqual(line["value"]["audio"]["body"]["sha256"], one["body_sha256"])
        self.assertEqual(self.state(one), "approved")
        # Withdrawn, it goes.
        cursor = self.real.cursor()
        editor.submit(editor.get("admin/content/phone-messages/approved"), "Withdraw", {"reason": "A mistake"}, self.form_of(one))
        line = self.until(cursor, lambda line: line.get("kind") == "program" and line["id"] == nid)
        self.assertEqual((line["op"], line["reason"]), ("delete", "unpublished"))
        self.assertEqual(self.state(one), "rejected")

    def test_recordings_are_messages_once_however_often_and_from_wherever_they_are_asked_for(self):
        left = [self.real.leave(an_mp3(), an_mp3()) for _ in range(3)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for call in [pool.submit(self.site.wake), pool.submit(self.site.cron), pool.submit(self.site.wake), pool.submit(self.site.cron)]:
                call.result()
        for one in left:
            self.assert_one_whole_message(one)
            self.assertEqual(self.state(one), "pending")
        self.assertEqual(self.site.wake(), 0)
        editor = self.site.browser("ed1", "ed1")
        page = editor.get("admin/content/phone-messages")
        editor.submit(page, "Reject", {"reason": "Nothing to hear"}, self.form_of(left[0]))
        self.assertEqual(self.state(left[0]), "rejected")
        nid, _ = self.message(left[1])
        self.site.run(f"global $user; $user = user_load(1); node_delete({nid});")
        self.assertEqual(self.state(left[1]), "deleted")
        self.assertEqual(self.site.wake(), 0)

    def test_a_program_says_where_it_is_on_the_phone_as_the_phone_server_reports(self):
        cursor = self.settled()
        editor = self.site.browser("ed1", "ed1")
        self.real.report(cursor)
        page = editor.get("admin/reports/audiospread")
        self.assertRegex(page.text, r"<td>town</td><td>has everything</td>")
        self.assertIn("On the phone in town since", editor.get("node/171/phone").text)
        self.assertIn("Not on the phone in town. Nothing of it is published for the phone.", editor.get("node/350/phone").text)
        waits = {"kind": "program", "id": "171", "state": "absent", "why": "Its <sound> is on its way."}
        self.real.report(cursor, waiting_count=1, waiting=[waits], message="The disk is full.")
        self.assertIn("Not on the phone in town. Its &lt;sound&gt; is on its way.", editor.get("node/171/phone").text)
        self.assertIn("<td>The disk is full.</td>", editor.get("admin/reports/audiospread").text)
        self.real.report(cursor)
        self.admin.submit(self.admin.get("node/171/edit"), "Save", {"title": "On its way to town"})
        self.until(cursor, lambda line: line.get("id") == "171")
        self.assertIn("A newer state is on its way to town.", editor.get("node/171/phone").text)
        self.assertRegex(editor.get("admin/reports/audiospread").text, r"<td>town</td><td>(one change|\d changes) behind, for ")
        self.real.report(self.real.cursor())
        self.assertIn("On the phone in town since", editor.get("node/171/phone").text)

    def test_calls_are_taken_off_the_balance_once(self):
        number = "+221775550111"
        nid = self.site.sql("SELECT f.nid FROM content_field_phone_number f JOIN node n ON n.vid = f.vid "
                            f"WHERE f.field_phone_number_value = '{number}'")[0][0]  # fmt: skip
        self.set_balance(nid, 1000)
        # Of this month, whenever the test runs.
        began = time.time() - 1
        call = {"call_id": "call", "caller": number, "direction": "in", "plan": "premium", "started_at": moment(began), "answered_at": moment(began),
                "ended_at": moment(began + 100), "billable_seconds": 100, "disposition": "answered"}  # fmt: skip
        source = str(uuid.uuid4())
        for ids in ([1], [1, 2]):
            self.real.send("POST", "/v1/calls", json.dumps({"source": source, "calls": [{**call, "id": one} for one in ids]}).encode())
            self.site.cron()
            self.site.cron()
            self.assertEqual(self.balance(nid), 1000 - 100 * len(ids))
        page = self.site.browser("pub1", "pub1").get("admin/content/phone-subscribers")
        self.assertIn("<td>2</td><td>3:20</td>", page.text)

    def test_the_prompts_page_says_and_plays_what_callers_hear(self):
        self.settled()
        publisher = self.site.browser("pub1", "pub1")
        page = publisher.get("admin/content/phone-prompts")
        self.assertEqual(page.said(), "")
        self.assertIn("Merci de votre appel. Au revoir.", page.text)
        self.assertIn("<td>the language pack</td>", page.text)
        own = re.search(r'<td>your recording</td>.*?href="/node/(\d+)/edit">record again', page.text)
        self.assertEqual(self.site.sql(f"SELECT type FROM node WHERE nid = {own.group(1)}"), [["prompt"]])
        heard = set(re.findall(r"/audiospread/prompt/([0-9a-f]{64})", page.text))
        self.assertGreater(len(heard), 50)
        for digest in sorted(heard)[:3]:
            self.assertEqual(hashlib.sha256(publisher.get(f"audiospread/prompt/{digest}").body).hexdigest(), digest)

    def test_a_saved_program_is_in_the_feed_long_before_the_gateway_looks_by_itself(self):
        cursor = self.settled()
        self.admin.submit(self.admin.get("node/171/edit"), "Save", {"title": "Told at once"})
        line = self.until(cursor, lambda line: line.get("id") == "171", 20)
        self.assertEqual(line["value"]["title"], "Told at once")

    def test_the_gateways_own_status_and_findings_are_shown(self):
        page = self.admin.submit(self.admin.get("admin/settings/audiospread"), "Save and test the connection")
        self.assertIn("answered after", page.said())
        page = self.admin.get("admin/reports/audiospread")
        self.assertEqual(page.said(), "")
        self.assertRegex(page.text, r'href="/node/350"[^>]*>[^<]*</a></td><td>The recording belongs to a file that was deleted')

    def test_cron_has_all_confirmed_by_the_gateway(self):
        self.admin.submit(self.admin.get("node/171/edit"), "Save", {"title": "To be confirmed"})
        self.site.cron()
        self.assertEqual(self.site.sql("SELECT COUNT(*) FROM audiospread_queue"), [["0"]])


def a_status(kind, name, **members):
    one = {
        "kind": kind, "name": name, "software": "0.3.0", "version": 812, "changed_at": 1795520000, "seen_at": int(time.time()), "behind": 0,
        "lag_seconds": 60, "backlog": 0, "errors": 0, "warnings": 0, "held": "", "message": "",
    }  # fmt: skip
    return {**one, **members}


if __name__ == "__main__":
    unittest.main(verbosity=2)
