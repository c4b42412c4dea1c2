"""What Stripe takes, and what it costs."""

from __future__ import annotations

from payflow.domain.psp_capabilities import Capabilities, PspCosts

# docs.stripe.com/api/idempotent_requests: keys are kept for 24 hours at least.
KEY_WINDOW_S = 86_400

# The payment methods of PayFlow that Stripe takes, and its own name for each: wallets hand out cards.
PAYMENT_METHOD_TYPES = {"card": "card", "apple_pay": "card", "google_pay": "card"}

# docs.stripe.com/currencies#presentment-currencies, less what ISO 4217 has withdrawn. An account may be
# allowed fewer.
CURRENCIES = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD
    CDF CHF CLP CNY COP CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD
    HNL HTG HUF IDR ILS INR ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL
    MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG
    QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD SZL THB TJS TND TOP TRY TTD TWD TZS UAH UGX
    USD UYU UZS VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW
    """.split()  # noqa: SIM905 (a table of codes reads best as one)
)

# stripe.com/pricing, standard price of domestic cards in the United States: 2.9 % + 30 cents.
COSTS = PspCosts(bps=290, fixed_default=30)

CAPABILITIES = Capabilities(
    key_window_s=KEY_WINDOW_S,
    looks_up=True,
    currencies=CURRENCIES,
    payment_methods=frozenset(PAYMENT_METHOD_TYPES),
    costs=COSTS,
)
