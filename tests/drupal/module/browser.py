"""An editor's browser, as far as a form and a link need one: cookies, redirects, forms filled in and sent by the label of a button."""

import html.parser
import http.cookiejar
import re
import time
import urllib.error
import urllib.parse
import urllib.request


class Forms(html.parser.HTMLParser):
    """The forms of a page with what their fields contain."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.select, self.option, self.area = [], None, None, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append({"id": attributes.get("id", ""), "action": attributes.get("action", ""), "fields": [], "buttons": []})
        if not self.forms:
            return
        form, name = self.forms[-1], attributes.get("name")
        if tag == "input" and name:
            kind, value = attributes.get("type", "text"), attributes.get("value", "")
            if kind == "submit":
                form["buttons"].append((name, value))
            elif kind not in ("checkbox", "radio") or "checked" in attributes:
                if kind != "file":
                    form["fields"].append((name, value))
        elif tag == "textarea" and name:
            self.area = [name, ""]
        elif tag == "select" and name:
            self.select = [name, None, "multiple" in attributes]
        elif tag == "option" and self.select:
            if self.select[1] is None and not self.select[2] or "selected" in attributes:
                self.select[1] = attributes.get("value", "")

    def handle_endtag(self, tag):
        if tag == "select" and self.select:
            if self.select[1] is not None:
                self.forms[-1]["fields"].append((self.select[0], self.select[1]))
            self.select = None
        elif tag == "textarea" and self.area:
            self.forms[-1]["fields"].append(tuple(self.area))
            self.area = None

    def handle_data(self, data):
        if self.area:
            self.area[1] += data


class Page:
    """What a request brought."""

    def __init__(self, url, status, body, seconds, headers):
        self.url, self.status, self.body, self.seconds, self.headers = url, status, body, seconds, headers
        self.text = body.decode("utf-8", "replace")

    def forms(self):
        return Forms(self.text).forms

    def said(self):
        """The messages that Drupal shows on top of a page."""
        found = re.findall(r'<div class="messages[^"]*">(.*?)</div>', self.text, re.S)
        return " ".join(" ".join(re.sub(r"<[^>]+>", " ", one) for one in found).split())


class Browser:
    """One person's browser on a site."""

    def __init__(self, site):
        self.site = site
        jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def get(self, path, data=None, headers=None, timeout=120):
        url = urllib.parse.urljoin(self.site + "/", path)
        body = urllib.parse.urlencode(data).encode() if data is not None else None
        request = urllib.request.Request(url, body, headers or {})
        begin = time.monotonic()
        try:
            with self.opener.open(request, timeout=timeout) as answer:
                content = answer.read()
                return Page(answer.url, answer.status, content, time.monotonic() - begin, answer.headers)
        except urllib.error.HTTPError as error:
            return Page(url, error.code, error.read(), time.monotonic() - begin, error.headers)

    def submit(self, page, button, values=None, form=None):
        """Fills in the form that has this button, the one whose id contains `form` if several have, and presses it."""
        for one in page.forms():
            labels = [label for _, label in one["buttons"]]
            if button in labels and (form is None or form in one["id"]):
                break
        else:
            raise AssertionError(f"no form with the button {button!r} on {page.url}: {page.said()}")
        changed = dict(values or {})
        fields = [(name, changed.pop(name, value)) for name, value in one["fields"]]
        fields += changed.items()
        fields = [(name, value) for name, value in fields if value is not None]
        fields.append(next((name, label) for name, label in one["buttons"] if label == button))
        return self.get(urllib.parse.urljoin(page.url, one["action"]), fields)

    def log_in(self, name, password):
        page = self.submit(self.get("user/login"), "Log in", {"name": name, "pass": password})
        assert "/user/login" not in page.url and "edit-user-login" not in page.text, f"{name} cannot log in: {page.said()}"
        return self
