"""Editors listen to messages and decide; the messages come from the gateway, and go back to it."""

import hashlib
import os
import time

from cases import WithSite
from drupal_site import wait_for
from sounds import an_mp3


class Messages(WithSite):
    """The page of phone messages."""

    def test_an_approved_message_reaches_the_feed(self):
        body = an_mp3()
        one = self.gateway.leave(body, an_mp3())
        # It is where fileframework looks for it before Drupal knows, and Drupal only names it.
        blob = hashlib.sha1(body).hexdigest()
        path = os.path.join(self.site.root, "sites/default/files/bitcache/file", blob)
        put = os.stat(path)
        wait_for(lambda: (self.row(one) or {}).get("state") == "made", "its message")
        nid = self.assert_one_whole_message(one)
        self.assertEqual(os.stat(path).st_ino, put.st_ino)
        uris = self.site.sql("SELECT f.uri FROM node n JOIN content_field_audio_body b ON b.vid = n.vid "
                             f"JOIN file_nodes f ON f.nid = b.field_audio_body_value WHERE n.nid = {nid}")  # fmt: skip
        self.assertEqual(uris, [[f"bitcache://{blob}"]])
        self.assertEqual(self.gateway.state(one), "pending")
        cursor = self.gateway.settled()
        editor = self.site.browser("ed1", "ed1")
        page = editor.get("admin/content/phone-messages")
        begin = time.monotonic()
        editor.submit(page, "Approve", {"title": "Rain at last", "category": "8"}, self.form_of(one))
        clicked = time.monotonic() - begin
        line = self.gateway.until(cursor, lambda line: line.get("kind") == "program" and line["id"] == nid and line["op"] == "put")
        print(f"\n   the click took {clicked:.2f} s; the message was in the feed {time.monotonic() - begin - clicked:.2f} s later", flush=True)
        self.assertEqual(line["value"]["title"], "Rain at last")
        self.assertEqual(line["value"]["categories"], ["8"])
        self.assertEqual(line["value"]["audio"]["body"]["sha256"], one["body_sha256"])
        self.assertEqual(self.gateway.state(one), "approved")
        # Withdrawn, it goes.
        cursor = self.gateway.cursor()
        editor.submit(editor.get("admin/content/phone-messages/approved"), "Withdraw", {"reason": "A mistake"}, self.form_of(one))
        line = self.gateway.until(cursor, lambda line: line.get("kind") == "program" and line["id"] == nid)
        self.assertEqual((line["op"], line["reason"]), ("delete", "unpublished"))
        self.assertEqual(self.gateway.state(one), "rejected")

    def test_an_approved_message_is_published_with_its_sounds_title_and_category(self):
        one = self.left()
        nid = self.assert_one_whole_message(one)
        editor = self.site.browser("ed1", "ed1")
        page = editor.get("admin/content/phone-messages")
        answer = editor.submit(page, "Approve", {"title": "Rain <b>at last</b>", "category": "8"}, self.form_of(one))
        self.assertIn("is approved", answer.said())
        self.assertNotIn("<b>at last", answer.text)
        self.assertIn('title="Withdraw: Rain &lt;b&gt;at last&lt;/b&gt;"', editor.get("admin/content/phone-messages/approved").text)
        self.assertEqual(self.site.sql(f"SELECT title, status FROM node WHERE nid = {nid}"), [["Rain <b>at last</b>", "1"]])
        self.assertEqual(self.site.sql(f"SELECT t.tid FROM term_node t JOIN node n ON n.vid = t.vid WHERE n.nid = {nid}"), [["8"]])
        sounds = self.site.sql(
            "SELECT f.status FROM node n JOIN content_field_audio_title t ON t.vid = n.vid JOIN content_field_audio_body b ON b.vid = n.vid "
            f"JOIN node f ON f.nid IN (t.field_audio_title_value, b.field_audio_body_value) WHERE n.nid = {nid}"
        )
        self.assertEqual(sounds, [["1"], ["1"]])
        self.assertEqual(self.body_of(nid), one["body_sha256"])
        # Withdrawn, it is silent again, and its sounds with it.
        page = editor.get("admin/content/phone-messages/approved")
        answer = editor.submit(page, "Withdraw", {"reason": "A mistake"}, self.form_of(one))
        self.assertEqual(self.site.sql(f"SELECT status FROM node WHERE nid = {nid}"), [["0"]])
        self.assertEqual(self.row(one)["state"], "rejected")

    def test_a_decision_leaves_a_message_in_its_categories_and_replaces_only_the_one_that_was_shown(self):
        one = self.left(category="8")
        nid, _ = self.message(one)
        # 3 is of the same vocabulary; the form shows the first of them.
        self.site.run(f"$n = node_load({nid}); $n->taxonomy = array(3, 8); node_save($n);")
        editor = self.site.browser("ed1", "ed1")
        page = editor.get("admin/content/phone-messages")
        shown = next(dict(form["fields"])["category"] for form in page.forms() if self.form_of(one) in form["id"])
        other = {"3": "8", "8": "3"}[shown]
        editor.submit(page, "Approve", {"title": "In two categories"}, self.form_of(one))
        self.assertEqual(self.message(one)[1], "1")
        self.assertEqual(self.categories(nid), {"3", "8"})
        editor.submit(editor.get("admin/content/phone-messages/approved"), "Withdraw", {"reason": "A mistake"}, self.form_of(one))
        self.assertEqual(self.message(one)[1], "0")
        self.assertEqual(self.categories(nid), {"3", "8"})
        editor.submit(editor.get("admin/content/phone-messages/rejected"), "Approve", {"category": "2"}, self.form_of(one))
        self.assertEqual(self.categories(nid), {"2", other})
        # In none is in none.
        page = editor.get("admin/content/phone-messages/approved")
        editor.submit(page, "Withdraw", {"reason": "A mistake", "category": "0"}, self.form_of(one))
        self.assertEqual(self.categories(nid), set())

    def categories(self, nid):
        return {row[0] for row in self.site.sql(f"SELECT t.tid FROM term_node t JOIN node n ON n.vid = t.vid WHERE n.nid = {nid}")}

    def test_of_two_editors_the_second_is_told_who_was_faster(self):
        one = self.left()
        first, second = self.site.browser("ed1", "ed1"), self.site.browser("ed2", "ed2")
        pages = [browser.get("admin/content/phone-messages") for browser in (first, second)]
        first.submit(pages[0], "Approve", {"category": "8"}, self.form_of(one))
        answer = second.submit(pages[1], "Reject", {"reason": "No"}, self.form_of(one))
        self.assertIn("ed1 has approved this message meanwhile", answer.said())
        self.assertEqual(self.message(one)[1], "1")
        self.assertEqual(self.row(one)["state"], "made")

    def test_a_reserved_message_waits_for_its_editor_until_the_reservation_ends(self):
        one = self.left()
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
        one = self.left()
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

    def test_a_number_is_seen_by_who_may_and_forgotten_in_time_and_nowhere_else(self):
        one = self.left(caller="+221775550199", title=False)
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
        tables = [row[0] for row in self.site.sql("SHOW TABLES")]
        knowing = [table for table in tables if "775550199" in str(self.site.sql(f"SELECT * FROM `{table}`"))]
        self.assertEqual(knowing, ["audiospread_recording"])
        self.site.sql(f"UPDATE audiospread_recording SET recorded_at = 1000000000 WHERE uuid = '{one['uuid']}'")
        self.site.cron()
        self.assertEqual(self.row(one)["caller"], "")

    def test_sounds_are_for_moderators_and_can_be_wound(self):
        one = self.left()
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
        one = self.left()
        editor = self.site.browser("ed1", "ed1")
        page = editor.get("admin/content/phone-messages")
        for token in (None, "0" * 32):
            editor.submit(page, "Approve", {"form_token": token}, self.form_of(one))
            self.assertEqual(self.message(one)[1], "0")
        self.assertEqual(self.site.browser().get("admin/content/phone-messages").status, 403)

    def test_files_chosen_in_another_window_are_not_taken_for_those_of_a_message(self):
        one = self.left()
        nid, _ = self.message(one)
        editor = self.site.browser("ed1", "ed1")
        page = editor.get("admin/content/phone-messages")
        session = self.put_into_session("ed1", "file_cck_files|a:1:{s:20:\"s_field_audio_body_0\";" + self.upload("bitcache://x") + "}")
        editor.submit(page, "Approve", {"category": "8"}, self.form_of(one))
        self.assertEqual(self.message(one)[1], "1")
        self.assertEqual(self.body_of(nid), one["body_sha256"])
        self.assertIn("s_field_audio_body_0", self.session(session))

    def test_a_file_previewed_in_another_window_does_not_replace_the_sound_of_a_message(self):
        one, another = self.left(title=False), self.left(title=False)
        nid, _ = self.message(one)
        upload = self.upload(self.site.sql("SELECT f.uri FROM file_nodes f JOIN content_field_audio_body b ON b.field_audio_body_value = f.nid "
                                           f"WHERE b.nid = {self.message(another)[0]}")[0][0])  # fmt: skip
        editor = self.site.browser("ed1", "ed1")
        editor.get("admin/content/phone-messages")
        session = self.put_into_session("ed1", "file_preview_file|" + upload)
        for page, button, values in (("", "Approve", {"category": "8"}), ("/approved", "Withdraw", {"reason": "A mistake"})):
            editor.submit(editor.get("admin/content/phone-messages" + page), button, values, self.form_of(one))
            self.assertEqual(self.message(one)[1], "1" if button == "Approve" else "0")
            self.assertEqual(self.body_of(nid), one["body_sha256"])
            self.assertIn("file_preview_file|O:8", self.session(session))
        # Of whoever may not edit the sound itself, and by whatever else saves a message.
        self.assertEqual(self.site.run(f"$_SESSION['file_preview_file'] = unserialize('{upload}'); $n = node_load({nid}); "
                                       "$n->status = 1; node_save($n); print $_SESSION['file_preview_file']->name;"), "x")  # fmt: skip
        self.assertEqual(self.message(one)[1], "1")
        self.assertEqual(self.body_of(nid), one["body_sha256"])

    @staticmethod
    def upload(uri):
        """A file that was uploaded to a form and not yet saved, as fileframework keeps it."""
        return f'O:8:"stdClass":3:{{s:3:"uri";s:{len(uri)}:"{uri}";s:4:"name";s:1:"x";s:4:"type";s:10:"audio/mpeg";}}'

    def put_into_session(self, name, stored):
        """Adds to what the newest session of a user keeps; gives the session."""
        found = self.site.sql(f"SELECT sid FROM sessions s JOIN users u ON u.uid = s.uid WHERE u.name = '{name}' ORDER BY s.timestamp DESC LIMIT 1")
        self.site.sql(f"UPDATE sessions SET session = CONCAT(session, '{stored}') WHERE sid = '{found[0][0]}'")
        return found[0][0]

    def session(self, sid):
        return self.site.sql(f"SELECT session FROM sessions WHERE sid = '{sid}'")[0][0]
