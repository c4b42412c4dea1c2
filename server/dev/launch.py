"""Becomes a process of the stack: ``python -IS launch.py PARENT_PID DEATH_SIGNAL USER_ID GROUP_ID ARGV...``.

It changes to the user, unless USER_ID is KEEPS_USER, and has the kernel send it DEATH_SIGNAL when its parent
dies (Linux only, see prctl(2)). A program of its own: Popen would have to fork for that, and a fork of a
process with gRPC's threads in it may die before it gets to its command.
"""

from __future__ import annotations

import ctypes
import os
import sys

KEEPS_USER = -1
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Does not return."""
    parent_pid, death_signal, user_id, group_id = map(int, sys.argv[1:5])
    if user_id != KEEPS_USER:
        os.setgroups([])
        os.setgid(group_id)
        os.setuid(user_id)
    if sys.platform == "linux":
        # Behind the change of the user, which would forget it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent_pid:
            sys.exit(1)
    os.execvp(sys.argv[5], sys.argv[5:])


if __name__ == "__main__":
    main()
