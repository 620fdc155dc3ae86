"""What changed is told to the gateway, and nobody waits for that."""

import random
import statistics
import time

from cases import Deaf, WithSite, WithStandIn
from drupal_site import wait_for


class Telling(WithStandIn):
    """What exactly is told, which only the stand-in writes down; and gateways that are away."""

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


class TellingTheGateway(WithSite):
    """What comes of it in the gateway."""

    def test_a_saved_program_is_in_the_feed_long_before_the_gateway_looks_by_itself(self):
        cursor = self.gateway.settled()
        self.admin.submit(self.admin.get("node/171/edit"), "Save", {"title": "Told at once"})
        line = self.gateway.until(cursor, lambda line: line.get("id") == "171", 20)
        self.assertEqual(line["value"]["title"], "Told at once")

    def test_cron_has_all_confirmed_by_the_gateway(self):
        self.admin.submit(self.admin.get("node/171/edit"), "Save", {"title": "To be confirmed"})
        self.site.cron()
        self.assertEqual(self.site.sql("SELECT COUNT(*) FROM audiospread_queue"), [["0"]])
