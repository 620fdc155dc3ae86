"""The whole way in a real Drupal 6, with CCK and fileframework and with filefield alone: from a save to the gateway, from a recording to a
published message, the pages of editors and publishers, and from a caller to the next.

Started by `run`, which gives the place of Drupal's sources in DRUPAL_ROOT, a MariaDB in DATABASE_SOCKET, and the programs in AUDIOSPREAD and
AUDIOSPREAD_CALLER.
"""

import signal
import sys
import unittest

from business import Business, Sums
from content import Content
from filefield_only import FilefieldOnly
from from_caller_to_callers import FromCallerToCallers
from messages import Messages
from pages import Pages, StrangeAnswers
from taking import Taking, TakingFromTheGateway
from telling import Telling, TellingTheGateway

if __name__ == "__main__":
    # Whatever was started is ended, however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    unittest.main(verbosity=2)
