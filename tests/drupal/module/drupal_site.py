"""A real Drupal 6 of one's own: a copy of the sources that are given, a database, PHP's web server on a free port."""

import atexit
import os
import re
import shutil
import signal
import socket
import subprocess
import time
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
        done = subprocess.run(command, input=statement, capture_output=True, text=True, errors="replace")
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
