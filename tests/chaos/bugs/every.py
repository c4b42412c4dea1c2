"""Every deliberate bug there is."""

from __future__ import annotations

from tests.chaos.bugs.bookkeeping import BOOKKEEPING
from tests.chaos.bugs.failing_over import FAILING_OVER
from tests.chaos.bugs.noticing import NOTICING
from tests.chaos.bugs.recovering import RECOVERING

BUGS = (*FAILING_OVER, *RECOVERING, *NOTICING, *BOOKKEEPING)
