"""A real Drupal 6 of one's own: a copy of the sources that are given, a database, PHP's web server on a free port."""

import atexit
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
import xmlrpc.client

from browser import Browser

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
FIXTURE = os.path.join(PROJECT, "tests", "fixtures", "drupal6-site")
TOKEN = "a-token-for-the-tests-of-the-module"
TOWN = "a-token-of-a-phone-server-for-the-tests"

# Gives each request an index.php that believes to be where Apache would have put it.
ROUTER = """<?php
$path = urldecode(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
$script = '/index.php';
if ($path != '/' && is_file($_SERVER['DOCUMENT_ROOT'] . $path)) {
  if (substr($path, -4) != '.php') {
    return FALSE;
  }
  $script = $path;
}
elseif ($path != '/') {
  $_GET['q'] = $_REQUEST['q'] = ltrim($path, '/');
}
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = $script;
$_SERVER['SCRIPT_FILENAME'] = $_SERVER['DOCUMENT_ROOT'] . $script;
chdir($_SERVER['DOCUMENT_ROOT']);
require $_SERVER['SCRIPT_FILENAME'];
"""


# call_user_func_array() of PHP 5.2 let whoever was given a reference change what it stands for, asked for or not. Bitcache and RDF rely on it for
# the tables of their repositories, so that with PHP 7 no RDF can be removed and no sound be saved anew. Asked for, it works with both.
REFERENCES = (re.compile(r"(function \w+_schema_alter\()\$"), r"\1&$")
RELY_ON_REFERENCES = ("bitcache/bitcache.install", "rdf/rdf.install")


def wait_for(condition, what, seconds=30):
    patience = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < patience, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def moment(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Gateway:
    """Whoever speaks for the gateway, and what it was told."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(os.path.join(directory, "sounds"), exist_ok=True)
        self.process = subprocess.Popen(
            ["python3", os.path.join(HERE, "gateway.py"), directory, TOKEN], stdout=subprocess.PIPE, text=True
        )
        atexit.register(self.stop)
        self.address = self.process.stdout.readline().strip()

    def write(self, name, value):
        path = os.path.join(self.directory, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(value, file)
        os.replace(path + ".new", path)

    def notes(self, name):
        try:
            with open(os.path.join(self.directory, name), encoding="utf-8") as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    def changes(self):
        return [change for call in self.notes("notified") for change in call["changes"]]

    def stop(self):
        atexit.unregister(self.stop)
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class RealGateway:
    """`audiospread serve` beside a site."""

    def __init__(self, program, directory, site):
        self.directory, self.port = os.path.join(directory, "real-gateway"), free_port()
        os.makedirs(self.directory)
        self.address = f"http://127.0.0.1:{self.port}"
        site.sql_as_root(
            f"CREATE DATABASE {site.name}_gateway CHARACTER SET utf8mb4; CREATE USER IF NOT EXISTS reader@localhost; CREATE USER IF NOT EXISTS own@localhost; "
            f"GRANT SELECT ON {site.name}.* TO reader@localhost; GRANT ALL ON {site.name}_gateway.* TO own@localhost"
        )
        scopes = {"drupal": ["feed", "blobs", "recordings", "calls", "admin"], "town": ["feed", "subscribers", "blobs", "recordings", "calls"]}
        tokens = [
            f'[[token]]\nname = "{name}"\nsha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\nscopes = {json.dumps(scopes[name])}\n'
            for name, token in (("drupal", TOKEN), ("town", TOWN))
        ]
        self.put("tokens.toml", "".join(tokens))
        self.put("gateway.toml", f"""
listen = "127.0.0.1:{self.port}"
tokens_file = "tokens.toml"
data_dir = "data"
packs_dir = "{PROJECT}/scripts/asterisk/packs"
[drupal]
url = "mysql://reader@localhost/{site.name}?socket={site.socket}"
root = "{site.root}"
site_url = "{site.url}"
[database]
url = "mysql://own@localhost/{site.name}_gateway?socket={site.socket}"
[numbers]
country_code = "221"
[intake]
web_user = "{os.geteuid()}"
""")
        os.mkdir(os.path.join(self.directory, "data"))
        self.log = open(os.path.join(self.directory, "log"), "wb")
        self.process = subprocess.Popen(
            [program, "serve", "--config", os.path.join(self.directory, "gateway.toml")], stdout=self.log, stderr=self.log
        )
        atexit.register(self.stop)
        wait_for(self.is_ready, f"the gateway to be ready; see {self.log.name}", 120)

    def put(self, name, content):
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
            file.write(content)

    def ask(self, path, timeout=60):
        request = urllib.request.Request(self.address + path, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.read().decode()

    def send(self, method, path, content, kind="application/json", **headers):
        """Sends something as the phone server `town` does; gives where the answer says that it is."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, content, {"Authorization": f"Bearer {TOWN}", "Content-Type": kind, **names}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.headers.get("Location")

    def leave(self, body, title, **facts):
        """A recording as a phone server hands it in."""
        one = {"uuid": str(uuid.uuid4()), "body_sha256": hashlib.sha256(body).hexdigest()}
        for sound in (body, title):
            self.send("POST", "/v1/uploads", sound, "application/offset+octet-stream", Tus_Resumable="1.0.0", Upload_Length=str(len(sound)))
        known = {"recorded_at": moment(time.time() - 60), "language": "fr", "category": "2", "caller": "+221775550107", **facts}
        known.update(body=one["body_sha256"], title=hashlib.sha256(title).hexdigest())
        self.send("PUT", f"/v1/recordings/{one['uuid']}", json.dumps(known).encode())
        return one

    def report(self, cursor, **members):
        """What `town` says of itself, having the feed up to a cursor."""
        receipt = {"software": "0.4.0", "cursor": cursor, "applied_at": moment(time.time()), "backlog": 0, "calls_backlog": 0, "waiting_count": 0}
        self.send("PUT", "/v1/receipt", json.dumps({**receipt, **members}).encode())

    def is_ready(self):
        assert self.process.poll() is None, open(self.log.name, encoding="utf-8").read()
        try:
            return bool(self.ask("/readyz"))
        except urllib.error.URLError:
            return False

    def feed(self, since, wait=30):
        """The lines of the feed since a cursor, as soon as there are some."""
        return [json.loads(line) for line in self.ask(f"/v1/feed?since={since}&wait={wait}").splitlines()]

    def cursor(self):
        """Where the feed is now; the snapshot may be a minute old."""
        snapshot = json.loads(self.ask("/v1/feed").splitlines()[-1])
        return self.feed(snapshot["cursor"], 0)[-1]["cursor"]

    def stop(self):
        atexit.unregister(self.stop)
        self.process.terminate()
        self.process.wait()
        self.log.close()


class Site:
    """A Drupal 6 that runs."""

    def __init__(self, sources, directory, database_socket, name, without=()):
        self.root, self.socket, self.name = os.path.join(directory, name), database_socket, name
        shutil.copytree(sources, self.root, symlinks=True, ignore=self.ignored(sources, without))
        modules = os.path.join(self.root, "sites", "all", "modules")
        shutil.copytree(os.path.join(PROJECT, "drupal-module"), os.path.join(modules, "audiospread"))
        self.make_fit_for_php_7(modules)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.router = os.path.join(directory, "router.php")
        with open(self.router, "w", encoding="utf-8") as file:
            file.write(ROUTER)
        with open(os.path.join(self.root, "sites", "default", "settings.php"), "w", encoding="utf-8") as file:
            file.write(f"<?php\n$db_url = 'mysqli://root@localhost/{name}';\n$db_prefix = '';\n$update_free_access = FALSE;\n")
        self.sql_as_root(f"CREATE DATABASE {name} CHARACTER SET utf8")
        self.log = open(os.path.join(directory, f"{name}.log"), "ab")
        self.process = None

    @staticmethod
    def ignored(sources, without):
        modules = os.path.join(sources, "sites", "all", "modules")

        def ignore(directory, names):
            if directory == os.path.join(sources, "sites", "default"):
                return [one for one in names if one in ("files", "settings.php")]
            if directory == modules:
                # Whatever of ours is there already, and what this site is to do without.
                return [one for one in names if one.startswith("audiospread") or one in without]
            return []

        return ignore

    @staticmethod
    def make_fit_for_php_7(modules):
        """In our copy alone, what these modules themselves would have to say to run under PHP 7."""
        for name in RELY_ON_REFERENCES:
            path = os.path.join(modules, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="surrogateescape") as file:
                    text = REFERENCES[0].sub(REFERENCES[1], file.read())
                with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(text)

    def php(self, *arguments):
        return [
            os.path.join(HERE, "php"), "-d", f"mysqli.default_socket={self.socket}", "-d", "memory_limit=256M", "-d", "display_errors=0",
            "-d", "log_errors=1", "-d", "error_reporting=22519", *arguments,
        ]  # fmt: skip

    def start(self):
        self.process = subprocess.Popen(
            self.php("-S", f"127.0.0.1:{self.port}", "-t", self.root, self.router),
            cwd=self.root, stdout=self.log, stderr=self.log, start_new_session=True,
            env=dict(os.environ, PHP_CLI_SERVER_WORKERS="5"),
        )  # fmt: skip

        def answers():
            with socket.socket() as one:
                return one.connect_ex(("127.0.0.1", self.port)) == 0

        # Whoever interrupts the tests is left with none of it.
        atexit.register(self.kill)
        wait_for(answers, "PHP's web server")
        return self

    def kill(self):
        """As a power cut would: no PHP finishes what it does."""
        atexit.unregister(self.kill)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self):
        self.kill()
        self.log.close()

    def sql_as_root(self, statement, database=None):
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", "-N", "--default-character-set=utf8"]
        command += [database] if database else []
        done = subprocess.run(command, input=statement, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    def sql(self, statement):
        return self.sql_as_root(statement, self.name)

    def load_fixture(self):
        with subprocess.Popen(["gunzip", "-c", os.path.join(FIXTURE, "site.sql.gz")], stdout=subprocess.PIPE) as dump:
            command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", "--default-character-set=utf8", self.name]
            subprocess.run(command, stdin=dump.stdout, check=True)
        shutil.copytree(os.path.join(FIXTURE, "files"), os.path.join(self.root, "sites", "default", "files"))
        # Mails of a test go nowhere.
        self.sql("REPLACE INTO variable (name, value) VALUES ('smtp_library', 's:0:\"\";')")
        return self

    def run(self, code):
        """Runs PHP inside of Drupal, and gives what it printed."""
        done = subprocess.run(
            self.php(os.path.join(HERE, "drupal.php"), self.url, code), cwd=self.root, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def install(self, *modules):
        names = ", ".join(f"'{one}'" for one in modules)
        self.run(f"require_once './includes/install.inc'; drupal_install_modules(array({names})); drupal_flush_all_caches();")

    def connect(self, address, token=TOKEN):
        self.run(f"variable_set('audiospread_gateway', '{address}'); variable_set('audiospread_token', '{token}');"
                 "variable_del('audiospread_paused_until');")  # fmt: skip

    def browser(self, name=None, password=None):
        browser = Browser(self.url)
        return browser.log_in(name, password) if name else browser

    def wake(self):
        key = self.run("print variable_get('audiospread_wake_key', '');")
        return xmlrpc.client.ServerProxy(f"{self.url}/xmlrpc.php").audiospread.wake(key)

    def cron(self):
        page = self.browser().get("cron.php")
        assert page.status == 200, page.text + self.said()

    def said(self):
        """What PHP said last."""
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-20:])


def install_from_scratch(site):
    """Goes through Drupal's own installer, as an administrator without JavaScript does."""
    browser = site.browser()
    page = browser.get("install.php?profile=default&locale=en")
    for _ in range(200):
        again = re.search(r'<meta http-equiv="Refresh" content="0; URL=([^"]+)"', page.text, re.I)
        if again:
            page = browser.get(again.group(1).replace("&amp;", "&"))
        elif any(label == "Save and continue" for form in page.forms() for _, label in form["buttons"]):
            values = {
                "site_name": "A site", "site_mail": "site@example.org", "account[name]": "admin", "account[mail]": "admin@example.org",
                "account[pass][pass1]": "admin", "account[pass][pass2]": "admin", "clean_url": "1", "update_status_module[1]": None,
                "date_default_timezone": "0",
            }  # fmt: skip
            page = browser.submit(page, "Save and continue", values)
        else:
            break
    assert "installation complete" in page.text.lower(), page.text
    return browser
