"""The module for subscribers."""

import json
import re
import time
import uuid

from cases import WithSite, WithStandIn
from drupal_site import moment


class Business(WithSite):
    """Accounts, and the calls that the gateway knows of."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.site.install("audiospread_content", "audiospread_business")

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
            self.gateway.send("POST", "/v1/calls", json.dumps({"source": source, "calls": [{**call, "id": one} for one in ids]}).encode())
            self.site.cron()
            self.site.cron()
            self.assertEqual(self.balance(nid), 1000 - 100 * len(ids))
        page = self.site.browser("pub1", "pub1").get("admin/content/phone-subscribers")
        self.assertIn("<td>2</td><td>3:20</td>", page.text)

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
            self.assertEqual(browser.get("node/294/phone").status, 403)
        # Where comments are open, the form for a reply shows the node above it; a preview does wherever.
        for comments, preview in ((2, None), (0, {"op": "Preview"})):
            self.site.sql(f"UPDATE node SET comment = {comments} WHERE nid = 294; UPDATE node_revisions SET body = 'Notes of 294' WHERE nid = 294")
            for browser in (self.site.browser("contrib1", "contrib1"), self.site.browser("ed1", "ed1")):
                page = browser.get("comment/reply/294", preview)
                self.assertEqual(page.status, 403)
                self.assertNotIn(title, page.text)
                self.assertNotIn("Notes of 294", page.text)
            page = self.site.browser("pub1", "pub1").get("comment/reply/294", preview)
            self.assertEqual(page.status, 200)
            self.assertIn("Notes of 294", page.text)
        self.site.sql("UPDATE node SET comment = 2 WHERE nid = 171")
        self.assertEqual(self.site.browser("contrib1", "contrib1").get("comment/reply/171").status, 200)
        publisher = self.site.browser("pub1", "pub1")
        self.assertEqual(publisher.get("node/294").status, 200)
        self.assertEqual(publisher.get("node/294/phone").status, 200)
        self.assertIn(title, publisher.get("node").text)

    def test_findings_name_subscribers_to_those_alone_who_may_see_them(self):
        self.gateway.settled()
        publisher, editor = (self.site.browser(name, name).get("admin/reports/audiospread").text for name in ("pub1", "ed1"))
        linked = re.findall(r'<a href="/node/(\d+)"[^>]*>([^<]+)</a></td><td>', publisher)
        subscribers = {row[0] for row in self.site.sql("SELECT nid FROM node WHERE type = 'phone_subscriber'")}
        found = [(nid, name) for nid, name in linked if nid in subscribers]
        self.assertGreater(len(found), 1)
        for nid, name in found:
            self.assertIn(f"node {nid}", editor)
            self.assertNotIn(name, editor)
            self.assertNotIn(f'"/node/{nid}"', editor)
        self.assertIn('"/node/350"', editor)

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


class Sums(WithStandIn):
    """Sums that fall, as after a restore, and debits that died."""

    MONTH = time.strftime("%Y-%m", time.gmtime())

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.site.install("audiospread_business")

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

    def test_calls_from_before_there_was_an_account_are_not_taken_off_its_balance(self):
        number = "+221775559998"
        self.set_balance(294, 1000)
        self.totals((number, 0, 1, 50, 50))
        self.site.cron()
        # A call that was made since the number has an account.
        self.totals((number, 294, 2, 90, 80))
        self.site.cron()
        self.site.cron()
        self.assertEqual(self.balance(294), 970)
        self.assertEqual(self.site.sql(f"SELECT nid, debited, target FROM audiospread_usage WHERE number = '{number}'"), [["294", "80", "0"]])

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

    def test_a_debit_that_died_is_made_up_for_before_another_number_of_the_subscriber_is_debited(self):
        first, second = "+221775550121", "+33612345621"
        nid = self.site.sql("SELECT nid FROM node WHERE type = 'phone_subscriber' AND nid <> 294 ORDER BY nid DESC LIMIT 1")[0][0]
        self.set_balance(nid, 1000)
        self.totals((second, int(nid), 1, 100, 100))
        self.site.cron()
        self.assertEqual(self.balance(nid), 900)
        # Died before the save, a moment ago: whoever is at it may still be.
        self.set_balance(nid, 1000)
        self.site.sql(f"UPDATE audiospread_usage SET debited = 0, target = 100, balance_before = 1000, lease = {int(time.time()) + 300} "
                      f"WHERE number = '{second}'")  # fmt: skip
        self.totals((first, int(nid), 1, 30, 30), (second, int(nid), 1, 100, 100))
        self.site.cron()
        self.assertEqual(self.balance(nid), 1000)
        self.site.sql(f"UPDATE audiospread_usage SET lease = 1 WHERE number = '{second}'")
        self.site.cron()
        self.assertEqual(self.balance(nid), 870)
        paid = self.site.sql(f"SELECT debited, target, lease FROM audiospread_usage WHERE nid = {nid} AND number IN ('{first}', '{second}') ORDER BY number")
        self.assertEqual(paid, [["30", "0", "0"], ["100", "0", "0"]])
