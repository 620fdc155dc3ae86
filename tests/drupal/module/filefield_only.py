"""A new site, made by Drupal's own installer, that has filefield and nothing of fileframework."""

import hashlib
import os

from cases import WithSite
from drupal_site import install_from_scratch


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
        written = self.left(category=tid)
        recordings = self.stand_in()
        fetched = recordings.add("gateway", category=int(tid))
        self.assertEqual(self.site.wake(), 1)
        self.assertEqual(self.site.wake(), 0)
        for one in (written, fetched):
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
        recordings = self.stand_in()
        one = recordings.add("files", body_sha256="1" * 64)
        self.site.wake()
        self.assertEqual(self.row(one)["state"], "refused")
        self.assertIn("is not what the gateway wrote", self.row(one)["reason"])
        # An hour later the bytes are right.
        with open(os.path.join(self.site.root, one["body_ref"]), "rb") as file:
            recordings.all[-1]["body_sha256"] = hashlib.sha256(file.read()).hexdigest()
        os.rename(os.path.join(recordings.gateway.directory, "taken"), os.path.join(recordings.gateway.directory, "taken.before"))
        recordings.gateway.write("recordings.json", recordings.all)
        self.site.wake()
        self.assertEqual(self.row(one)["state"], "refused")
        self.site.sql(f"UPDATE audiospread_recording SET lease = 1 WHERE uuid = '{one['uuid']}'")
        self.site.wake()
        self.assert_one_whole_message(recordings.all[-1])

    def test_what_the_gateway_put_into_the_files_directory_becomes_a_message_there(self):
        one = self.left()
        name = f"sites/default/files/audiospread/{one['uuid']}-body.mp3"
        nid = self.assert_one_whole_message(one)
        kept = self.site.sql("SELECT f.filepath, f.status FROM node n JOIN content_field_audio_body b ON b.vid = n.vid "
                             f"JOIN files f ON f.fid = b.field_audio_body_fid WHERE n.nid = {nid}")  # fmt: skip
        self.assertEqual(kept, [[name, "1"]])
