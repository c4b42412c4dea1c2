"""What every long-running process does first."""

from __future__ import annotations

import os

from server.config import Settings
from server.log import configure_logging


def process_settings() -> Settings:
    """The settings of the environment, with the logs going where they say."""
    settings = Settings.from_environment(os.environ)
    configure_logging(settings.log_format, settings.log_level)
    return settings
