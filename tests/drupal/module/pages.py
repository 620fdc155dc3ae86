"""The settings, and the pages about the gateway, the phone servers and a node."""

import hashlib
import os
import re
import time

from cases import Deaf, WithSite, WithStandIn
from sounds import an_mp3


class Pages(WithSite):
    """What the gateway says of itself and of phone servers."""

    def test_the_settings_keep_the_token_to_themselves_and_test_the_connection(self):
        page = self.admin.get("admin/settings/audiospread")
        answer = self.admin.submit(page, "Save and test the connection", {"audiospread_token": "not-the-token-of-the-gateway"})
        self.assertIn("does not know this token", answer.said())
        answer = self.admin.submit(self.admin.get("admin/settings/audiospread"), "Save and test the connection",
                                   {"audiospread_token": "a-token-for-the-tests-of-the-module"})  # fmt: skip
        self.assertIn("answered after", answer.said())
        self.assertNotIn("a-token-for-the-tests", self.admin.get("admin/settings/audiospread").text)
        answer = self.admin.submit(self.admin.get("admin/settings/audiospread"), "Save configuration")
        self.assertEqual(self.site.run("print variable_get('audiospread_token', '');"), "a-token-for-the-tests-of-the-module")
        for wrong in ("gopher://x", "http://user:password@host/", "http://host/?q=x", "127.0.0.1:8095"):
            answer = self.admin.submit(self.admin.get("admin/settings/audiospread"), "Save configuration", {"audiospread_gateway": wrong})
            self.assertIn("no address of a gateway", answer.said())

    def test_the_gateways_own_status_and_findings_are_shown(self):
        page = self.admin.submit(self.admin.get("admin/settings/audiospread"), "Save and test the connection")
        self.assertIn("answered after", page.said())
        page = self.admin.get("admin/reports/audiospread")
        self.assertEqual(page.said(), "")
        self.assertRegex(page.text, r'href="/node/350"[^>]*>[^<]*</a></td><td>The recording belongs to a file that was deleted')

    def test_a_program_says_where_it_is_on_the_phone_as_the_phone_server_reports(self):
        cursor = self.gateway.settled()
        editor = self.site.browser("ed1", "ed1")
        self.gateway.report(cursor)
        page = editor.get("admin/reports/audiospread")
        self.assertRegex(page.text, r"<td>town</td><td>has everything</td>")
        self.assertIn("On the phone in town since", editor.get("node/171/phone").text)
        self.assertIn("Not on the phone in town. Nothing of it is published for the phone.", editor.get("node/350/phone").text)
        waits = {"kind": "program", "id": "171", "state": "absent", "why": "Its <sound> is on its way."}
        self.gateway.report(cursor, waiting_count=1, waiting=[waits], message="The disk is full.")
        self.assertIn("Not on the phone in town. Its &lt;sound&gt; is on its way.", editor.get("node/171/phone").text)
        self.assertIn("<td>The disk is full.</td>", editor.get("admin/reports/audiospread").text)
        self.gateway.report(cursor)
        self.admin.submit(self.admin.get("node/171/edit"), "Save", {"title": "On its way to town"})
        self.gateway.until(cursor, lambda line: line.get("id") == "171")
        self.assertIn("A newer state is on its way to town.", editor.get("node/171/phone").text)
        self.assertRegex(editor.get("admin/reports/audiospread").text, r"<td>town</td><td>(one change|\d changes) behind, for ")
        self.gateway.report(self.gateway.cursor())
        self.assertIn("On the phone in town since", editor.get("node/171/phone").text)

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
        one = self.left()
        nid, _ = self.message(one)
        self.site.run("require_once './includes/install.inc'; module_disable(array('audiospread')); drupal_uninstall_module('audiospread');")
        try:
            self.assertEqual(self.site.sql("SHOW TABLES LIKE 'audiospread%'"), [])
            self.assertEqual(self.site.sql("SELECT name FROM variable WHERE name LIKE 'audiospread%'"), [])
            self.assertEqual(self.site.sql(f"SELECT COUNT(*) FROM node WHERE nid = {nid}"), [["1"]])
        finally:
            self.site.install("audiospread")
            self.site.connect(self.gateway.address)


class StrangeAnswers(WithStandIn):
    """Names and sentences that no gateway gives are no markup either."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.site.install("audiospread_content")

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


def a_status(kind, name, **members):
    one = {
        "kind": kind, "name": name, "software": "0.3.0", "version": 812, "changed_at": 1795520000, "seen_at": int(time.time()), "behind": 0,
        "lag_seconds": 60, "backlog": 0, "errors": 0, "warnings": 0, "held": "", "message": "",
    }  # fmt: skip
    return {**one, **members}
