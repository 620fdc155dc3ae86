"""One machine, and everything on it that a radio has: a caller leaves a message, an editor approves it in Drupal, and the next caller hears it."""

import os
import threading
import time

from cases import WithSite
from drupal_site import PROJECT, wait_for
from phone_server import PhoneServer

# What is said, in French: nothing that is heard in an English call.
PACK = os.path.join(PROJECT, "scripts", "asterisk", "packs", "fr")
TITLE, BODY = (os.path.join(PACK, name) for name in ("programs/untitled.mp3", "home/home_message.mp3"))

# A category of the home menu.
NEWS = 8


class Watch:
    """When each of several things was first seen to be so; they are looked at in turn, all the time."""

    def __init__(self, **conditions):
        self.seen, self.conditions, self.is_over = {}, conditions, threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def look(self):
        while not self.is_over.is_set() and len(self.seen) < len(self.conditions):
            for name, condition in self.conditions.items():
                if name not in self.seen and condition():
                    self.seen[name] = time.monotonic()
            time.sleep(0.01)

    def wait(self, seconds=30):
        """Until all of it is so."""
        self.thread.join(seconds)
        self.is_over.set()
        self.thread.join()
        missing = set(self.conditions) - set(self.seen)
        assert not missing, f"not seen within {seconds} s: {missing}"

    def since(self, begin):
        return ", ".join(f"{name.replace('_', ' ')} {at - begin:.2f} s" for name, at in sorted(self.seen.items(), key=lambda one: one[1]))


class FromCallerToCallers(WithSite):
    """A caller, an editor, and a caller again."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.site.install("audiospread_content")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gateway.settled()
        cls.town = PhoneServer(os.environ["AUDIOSPREAD"], os.environ["AUDIOSPREAD_CALLER"], cls.directory, cls.gateway.address)
        cls.addClassCleanup(cls.town.stop)
        cls.town.start()

    def test_what_a_caller_leaves_an_editor_approves_and_the_next_caller_hears(self):
        town, editor = self.town, self.site.browser("ed1", "ed1")
        # After the last category a message can be left.
        home = town.asks("SELECT COUNT(*) FROM phone_home")[0][0]
        caller = town.call(str(home + 1), "--title", TITLE, "--body", BODY)
        self.assertEqual(caller.stdout.readline(), "hung up\n")
        begin = time.monotonic()
        watch = Watch(
            settled_by_the_phone=lambda: town.asks("SELECT 1 FROM recordings WHERE state = 'done'", database="calls.db"),
            at_the_gateway=lambda: '"uuid"' in self.gateway.ask("/v1/recordings"),
            in_Drupals_list=lambda: self.site.sql("SELECT 1 FROM audiospread_recording r INNER JOIN node n ON n.nid = r.nid WHERE r.state = 'made'"),
        )
        watch.wait()
        print(f"\n   after the caller hung up: {watch.since(begin)}", flush=True)
        caller.communicate()
        self.assertEqual(caller.returncode, 0)

        page = editor.get("admin/content/phone-messages")
        uuid, nid = self.site.sql("SELECT uuid, nid FROM audiospread_recording")[0]
        recording = {"uuid": uuid}
        self.assertIn(f"audiospread/recording/{uuid}/title", page.text)
        self.assertIn("The caller hung up while recording", page.text)
        sound = editor.get(f"audiospread/recording/{uuid}/body")
        self.assertEqual((sound.status, sound.headers["Content-Type"]), (200, "audio/mpeg"))

        cursor = self.gateway.cursor()
        begin = time.monotonic()
        watch = Watch(
            published_in_Drupal=lambda: self.site.sql(f"SELECT 1 FROM node WHERE nid = {nid} AND status = 1"),
            in_the_feed=lambda: f'"id":"{nid}"' in self.gateway.ask(f"/v1/feed?since={cursor}"),
            in_the_mirror=lambda: town.asks("SELECT 1 FROM phone_program WHERE id = ? AND body_sound IS NOT NULL", int(nid)),
        )
        answer = editor.submit(page, "Approve", {"title": "Rain at last", "category": str(NEWS)}, self.form_of(recording))
        clicked = time.monotonic() - begin
        self.assertIn("is approved", answer.said())
        watch.wait()
        print(f"   after the click on Approve: its page {clicked:.2f} s, {watch.since(begin)}", flush=True)
        self.assertIn("Rain at last", town.run("menu"))

        caller = town.call(town.keys_to(NEWS, int(nid)))
        heard, _ = caller.communicate()
        self.assertEqual(caller.returncode, 0, heard)
        self.assertIn(f'program {nid} "Rain at last" plays', heard)
        wait_for(lambda: "On the phone in town since" in editor.get(f"node/{nid}/phone").text, "the phone server to report", 90)
