"""Adyen behind PayFlow's connector protocol, over its Checkout API v71 and its standard webhooks.

``checkout`` makes one exchange, ``requests`` says what is asked and ``outcomes`` what an answer means;
``webhooks`` verifies and ``notices`` interprets what Adyen tells later. The tables are in ``refusals``,
``payment_methods`` and ``currencies``. docs/psp/adyen.md is for whoever sets it up.
"""
