"""The module for content, on a site that has all of it already."""

import hashlib
import re

from cases import WithSite
from drupal_site import wait_for


class Content(WithSite):
    """Types, tree, roles, menus and prompts."""

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

    def test_a_field_that_another_type_has_is_given_to_a_type_and_stays_as_it_is_there(self):
        self.site.run("""
          module_load_include('inc', 'content', 'includes/content.crud');
          content_field_instance_create(array('field_name' => 'field_telephone', 'type_name' => 'page', 'label' => 'Telephone', 'type' => 'text',
            'widget_type' => 'text_textfield', 'max_length' => 20, 'required' => 1));
          content_field_instance_create(array('field_name' => 'field_tongue', 'type_name' => 'page', 'label' => 'Tongue', 'type' => 'text',
            'widget_type' => 'optionwidgets_select', 'allowed_values' => 'wo|Wolof'));""")
        self.addCleanup(self.site.run, """
          module_load_include('inc', 'content', 'includes/content.crud');
          foreach (array('field_telephone', 'field_tongue') as $name) {
            foreach (content_field_instance_read(array('field_name' => $name)) as $instance) {
              content_field_instance_delete($name, $instance['type_name']);
            }
          }""")
        about = "SELECT field_name, global_settings, required, multiple FROM content_node_field WHERE field_name IN ('field_telephone', 'field_tongue')"
        before = self.site.sql(about)
        number = "$n->field_telephone[0]['value']"
        nid = self.site.run("$n = (object) array('type' => 'page', 'title' => 'x', 'uid' => 1); node_save($n); "
                            f"$n = node_load($n->nid, NULL, TRUE); {number} = '+221 1'; $n->field_tongue[0]['value'] = 'wo'; node_save($n); print $n->nid;")  # fmt: skip
        made = self.site.run("""
          module_load_include('inc', 'audiospread', 'audiospread.types');
          print implode(' ', audiospread_types_make(array('prompt' => array('fields' => array(
            'field_telephone' => array('kind' => 'text', 'label' => 'Numbers', 'multiple' => 1, 'max_length' => 32),
            'field_tongue' => array('kind' => 'language', 'label' => 'Language', 'description' => 'Of the prompt.'))))));""")
        self.assertEqual(made, "prompt.field_telephone prompt.field_tongue")
        self.assertEqual(self.site.sql(about), before)
        instances = "SELECT field_name, type_name, label, description, widget_type FROM content_node_field_instance WHERE field_name = "
        self.assertEqual(self.site.sql(instances + "'field_telephone' AND type_name = 'prompt'"), [["field_telephone", "prompt", "Numbers", "", "text_textfield"]])
        self.assertEqual(self.site.sql(instances + "'field_tongue' AND type_name = 'prompt'"),
                         [["field_tongue", "prompt", "Language", "Of the prompt.", "optionwidgets_select"]])  # fmt: skip
        # The other type's nodes have kept what they had, and can be saved.
        self.assertEqual(self.site.run(f"$n = node_load({nid}); print {number} . $n->field_tongue[0]['value']; {number} = '+221 2'; node_save($n); "
                                       f"$n = node_load({nid}, NULL, TRUE); print {number};"), "+221 1wo+221 2")  # fmt: skip

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
        one = self.left()
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

    def test_sounds_of_a_category_and_prompts_wait_for_somebody_who_may_publish_them(self):
        contributor, editor = (self.site.browser(name, name) for name in ("contrib1", "ed1"))
        self.site.sql("UPDATE permission SET perm = CONCAT(perm, ', create prompt content') WHERE rid = 5")
        for path, title, more in (("category-info", "Sounds by a contributor", {"taxonomy[1][]": "8"}),
                                  ("prompt", "A prompt by a contributor", {"taxonomy[1][]": "13", "field_prompt_key[0][value]": "welcome"})):  # fmt: skip
            page = contributor.get(f"node/add/{path}")
            self.assertNotIn('name="status"', page.text)
            self.assertIn("has been created", contributor.submit(page, "Save", {"title": title, **more}).said())
            nid, status = self.site.sql(f"SELECT nid, status FROM node WHERE title = '{title}'")[0]
            self.assertEqual(status, "0", title)
            page = editor.get(f"node/{nid}/edit")
            self.assertNotIn('name="sticky"', page.text)
            editor.submit(page, "Save", {"status": "1"})
            self.assertEqual(self.site.sql(f"SELECT status FROM node WHERE nid = {nid}"), [["1"]], title)
        # What editors make is published at once, unless they say otherwise.
        editor.submit(editor.get("node/add/category-info"), "Save", {"title": "Sounds by an editor", "taxonomy[1][]": "1"})
        self.assertEqual(self.site.sql("SELECT status FROM node WHERE title = 'Sounds by an editor'"), [["1"]])

    def test_the_menus_settings_are_what_the_gateway_reads(self):
        publisher = self.site.browser("pub1", "pub1")
        page = publisher.get("admin/content/phone-menus")
        self.assertIn("have the same key", publisher.submit(page, "Save", {"keys[playing][stop]": "5"}).said())
        self.assertIn("the key 7 is taken", publisher.submit(page, "Save", {"menu_page_size": "7", "keys[menu][help]": "7"}).said())
        self.assertIn("must be one of those", publisher.submit(page, "Save", {"languages[en]": "en", "default_language": "fr"}).said())
        cursor = self.gateway.cursor()
        values = {
            "languages[fr]": "fr", "default_language": "fr", "home_categories[8]": "8", "home_categories[1]": "1", "menu_page_size": "5",
            "keys[menu][up]": "#", "keys[menu][code]": "*",
        }  # fmt: skip
        said = publisher.submit(page, "Save", values).said()
        self.assertIn("are saved", said)
        # A whole language is much to lose: the gateway holds it back, and the publisher is told.
        self.assertIn("All that was said in en goes from the phones", said)
        self.assertEqual(
            self.site.run("print json_encode(variable_get('audiospread_settings', array()));"),
            '{"languages":["fr"],"default_language":"fr","home_categories":[1,8],"menu_page_size":5,"keys":{"menu":{"up":"#","code":"*"}}}',
        )
        wait_for(lambda: '"held":true' in self.gateway.ask("/v1/status"), "the refresh to be held")
        self.gateway.accept()
        line = self.gateway.until(cursor, lambda line: line.get("kind") == "settings")
        self.assertEqual(line["value"]["menu_page_size"], 5)
        self.assertEqual(line["value"]["home_categories"], ["1", "8"])
        self.assertEqual((line["value"]["keys"]["menu"]["up"], line["value"]["keys"]["menu"]["help"]), ("#", "0"))
        page = publisher.get("admin/content/phone-menus")
        publisher.submit(page, "Save", {"languages[fr]": None, "home_categories[8]": None, "home_categories[1]": None, "menu_page_size": "",
                                        "default_language": "", "keys[menu][up]": "", "keys[menu][code]": ""})  # fmt: skip
        self.assertEqual(self.site.run("print json_encode(variable_get('audiospread_settings', 'x'));"), "[]")

    def test_the_prompts_page_says_and_plays_what_callers_hear(self):
        self.gateway.settled()
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

    def test_uninstalling_leaves_types_fields_and_terms(self):
        self.site.run("variable_set('audiospread_settings', array('menu_page_size' => 5)); require_once './includes/install.inc'; "
                      "module_disable(array('audiospread_content')); drupal_uninstall_module('audiospread_content');")  # fmt: skip
        try:
            self.assertEqual(self.site.sql("SELECT COUNT(*) FROM variable WHERE name IN ('audiospread_settings', 'audiospread_content_roles')"), [["0"]])
            self.assertEqual(self.site.sql("SELECT COUNT(*) FROM node_type WHERE type IN ('program', 'prompt', 'category_info', 'phone_message')"), [["4"]])
            self.assertEqual(self.site.sql("SELECT COUNT(*) FROM term_data WHERE name = 'minimals'"), [["1"]])
        finally:
            self.site.install("audiospread_content")
