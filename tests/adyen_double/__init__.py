"""A double of Adyen: what PayFlow uses of its Checkout API v71, and its webhooks, over real HTTP.

It refuses what Adyen's published OpenAPI schema refuses, remembers idempotency keys, answers "received" to
captures, cancels and refunds and tells what came of them by signed webhooks, late and twice where it is
told to. Its effects are durable and can be listed, so that an auditor can compare them with the books.
Nothing here imports PayFlow: what both get wrong in the same way could not be found otherwise.

    python -m tests.adyen_double --port 8090 --webhooks-to http://127.0.0.1:8080/webhooks/adyen

``server`` documents its HTTP API.
"""
