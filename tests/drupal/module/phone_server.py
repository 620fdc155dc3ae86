"""A phone server beside the gateway: the agent's own program, an Asterisk of one's own with the shipped menus, and somebody who calls it."""

import atexit
import os
import shutil
import sqlite3
import subprocess

from drupal_site import PROJECT, TOWN

ASTERISK = os.path.join(PROJECT, "scripts", "asterisk", "private")


class PhoneServer:
    """The phone server `town`."""

    def __init__(self, program, caller, directory, gateway):
        self.program, self.caller = program, caller
        self.directory, self.asterisk = os.path.join(directory, "town"), os.path.join(directory, "asterisk")
        self.data = os.path.join(self.directory, "data")
        os.makedirs(self.directory)
        with open(os.path.join(self.directory, "token"), "w", encoding="utf-8") as file:
            file.write(TOWN)
        self.settings = os.path.join(self.directory, "agent.toml")
        with open(self.settings, "w", encoding="utf-8") as file:
            file.write(f'gateway = "{gateway}"\ntoken_file = "token"\ndata_dir = "data"\npacks_dir = "{PROJECT}/scripts/asterisk/packs"\n')
        self.process = self.log = None

    def start(self):
        """Pulls all there is, and starts the agent and Asterisk."""
        self.run("pull")
        self.log = open(os.path.join(self.directory, "log"), "wb")
        self.process = subprocess.Popen([self.program, "run", "--config", self.settings], stdout=self.log, stderr=self.log)
        atexit.register(self.stop)
        begun = subprocess.run([ASTERISK, "start", self.asterisk, "--data", self.data, "--softphone"], capture_output=True, text=True)
        assert begun.returncode == 0, begun.stderr
        return self

    def stop(self):
        atexit.unregister(self.stop)
        subprocess.run([ASTERISK, "stop", self.asterisk], check=True)
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def run(self, *command):
        done = subprocess.run([self.program, *command, "--config", self.settings], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def call(self, keys, *more):
        """Somebody calls, and goes down by these keys: a process that ends with 0 when he did what he wanted."""
        with open(os.path.join(self.asterisk, "port"), encoding="utf-8") as file:
            port = file.read().strip()
        return subprocess.Popen(
            [self.caller, "--server", f"127.0.0.1:{port}", "--account", "softphone", "--password-file", os.path.join(self.asterisk, "softphone"),
             "--data", self.data, "--keys", keys, "--write", os.path.join(self.directory, "call"), *more],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def asks(self, question, *values, database="mirror.db"):
        """Rows of the mirror, or of calls.db, as the dialplan reads them."""
        connection = sqlite3.connect(os.path.join(self.data, database), timeout=10)
        try:
            return connection.execute(question, values).fetchall()
        finally:
            connection.close()

    def keys_to(self, category, program):
        """The keys of the home menu and of a category's that lead to a program."""
        home = [row[0] for row in self.asks("SELECT category_id FROM phone_home ORDER BY position")]
        programs = [row[0] for row in self.asks(
            "SELECT program_id FROM phone_category_program WHERE category_id = ? AND language = 'en' ORDER BY weight, created DESC, program_id",
            category,
        )]  # fmt: skip
        return f"{home.index(category) + 1}{programs.index(program) + 1}"

    def keep_call(self, path):
        """Keeps what the last caller heard."""
        shutil.copy(os.path.join(self.directory, "call.wav"), path)
