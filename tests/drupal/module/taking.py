"""Recordings become messages, exactly one each, whatever the gateway says and however PHP dies."""

import concurrent.futures
import os
import random
import threading
import time
import xmlrpc.client

from cases import WithSite, WithStandIn
from drupal_site import wait_for
from sounds import an_mp3


class Taking(WithStandIn):
    """With bytes in places, and answers of a kind, of which a real gateway gives on one site only some or none."""

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


class TakingFromTheGateway(WithSite):
    """From the gateway itself, which wakes the module."""

    def test_recordings_are_messages_once_however_often_and_from_wherever_they_are_asked_for(self):
        left = [self.gateway.leave(an_mp3(), an_mp3()) for _ in range(3)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for call in [pool.submit(self.site.wake), pool.submit(self.site.cron), pool.submit(self.site.wake), pool.submit(self.site.cron)]:
                call.result()
        for one in left:
            self.assert_one_whole_message(one)
            self.assertEqual(self.gateway.state(one), "pending")
        self.assertEqual(self.site.wake(), 0)
        editor = self.site.browser("ed1", "ed1")
        page = editor.get("admin/content/phone-messages")
        editor.submit(page, "Reject", {"reason": "Nothing to hear"}, self.form_of(left[0]))
        self.assertEqual(self.gateway.state(left[0]), "rejected")
        nid, _ = self.message(left[1])
        self.site.run(f"global $user; $user = user_load(1); node_delete({nid});")
        self.assertEqual(self.gateway.state(left[1]), "deleted")
        self.assertEqual(self.site.wake(), 0)

    def test_a_strangers_key_wakes_nobody(self):
        proxy = xmlrpc.client.ServerProxy(f"{self.site.url}/xmlrpc.php")
        for key in ("", "0" * 64, "true"):
            with self.assertRaises(xmlrpc.client.Fault) as caught:
                proxy.audiospread.wake(key)
            self.assertEqual(caught.exception.faultCode, 403)
