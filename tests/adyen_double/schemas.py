"""What a request may look like, in our words, from Adyen's published schema of the Checkout API v71.

Of a payment only the parts that a card payment needs are described; a field that Adyen has and that is not
described here is let through, and any other is refused, as Adyen refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

JsonSchema = dict[str, Any]

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1

# Fields of a payment that are no concern of PayFlow's yet.
_OTHER_PAYMENT_FIELDS = """
accountInfo additionalAmount applicationInfo bankAccount billingAddress browserInfo checkoutAttemptId company
conversionId dateOfBirth dccQuote deliverAt deliveryAddress deliveryDate deviceFingerprint enableOneClick
enablePayOut enableRecurring enhancedSchemeData entityType fraudOffset fundOrigin fundRecipient industryUsage
installments lineItems localizedShopperStatement mandate mcc merchantOrderReference merchantRiskIndicator
metadata mpiData order orderReference origin paymentValidations platformChargebackLogic recurringExpiry
recurringFrequency riskData sessionValidity shopperConversionId shopperEmail shopperIP shopperLocale
shopperName shopperStatement shopperTaxInfo socialSecurityNumber splits store storePaymentMethod subMerchants
surcharge telephoneNumber threeDS2RequestData threeDSAuthenticationOnly trustedShopper
"""


def _object(required: str, **properties: object) -> JsonSchema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": properties,
    }


def _text(length_max: int, length_min: int = 0) -> JsonSchema:
    return {"type": "string", "minLength": length_min, "maxLength": length_max}


def _one_of(*values: str) -> JsonSchema:
    return {"type": "string", "enum": list(values)}


STRING: JsonSchema = {"type": "string"}
ENCRYPTED = _text(15_000)
AMOUNT = _object(
    "currency value",
    currency=_text(3, 3),
    value={"type": "integer", "minimum": -INT64_MAX - 1, "maximum": INT64_MAX},
)
CARD = _object(
    "",
    type=_one_of("bcmc", "scheme", "networkToken", "giftcard", "card", "clicktopay"),
    encryptedCardNumber=ENCRYPTED,
    encryptedExpiryMonth=ENCRYPTED,
    encryptedExpiryYear=ENCRYPTED,
    encryptedSecurityCode=ENCRYPTED,
    holderName=ENCRYPTED,
    storedPaymentMethodId=_text(64),
    brand=STRING,
    fundingSource=_one_of("credit", "debit", "prepaid"),
)
THREE_DS = _object(
    "",
    challengeWindowSize=_one_of("01", "02", "03", "04", "05"),
    dataOnly=_one_of("false", "true"),
    nativeThreeDS=_one_of("preferred", "disabled"),
    threeDSVersion=_one_of("2.1.0", "2.2.0"),
)
AUTHENTICATION = _object(
    "",
    attemptAuthentication=_one_of("always", "never"),
    authenticationOnly={"type": "boolean"},
    threeDSRequestData=THREE_DS,
)
PAYMENT = _object(
    "amount merchantAccount paymentMethod reference returnUrl",
    amount=AMOUNT,
    merchantAccount=STRING,
    paymentMethod=CARD,
    reference=STRING,
    returnUrl=_text(8_000),
    additionalData={"type": "object", "additionalProperties": STRING},
    authenticationData=AUTHENTICATION,
    captureDelayHours={"type": "integer", "minimum": -INT32_MAX - 1, "maximum": INT32_MAX},
    channel=_one_of("iOS", "Android", "Web"),
    countryCode=_text(100),
    recurringProcessingModel=_one_of("CardOnFile", "Subscription", "UnscheduledCardOnFile"),
    redirectFromIssuerMethod=STRING,
    redirectToIssuerMethod=STRING,
    shopperInteraction=_one_of("Ecommerce", "ContAuth", "Moto", "POS"),
    shopperReference=_text(256, 3),
    **dict.fromkeys(_OTHER_PAYMENT_FIELDS.split(), True),
)
DETAILS = _object(
    "details",
    details=_object("", redirectResult=_text(20_000), payload=_text(20_000), threeDSResult=_text(50_000)),
    paymentData=_text(200_000),
    authenticationData=_object("", authenticationOnly={"type": "boolean"}),
)
CAPTURE = _object("amount merchantAccount", amount=AMOUNT, merchantAccount=STRING, reference=STRING)
CANCEL = _object("merchantAccount", merchantAccount=STRING, reference=STRING)
REFUND = _object(
    "amount merchantAccount",
    amount=AMOUNT,
    merchantAccount=STRING,
    reference=STRING,
    capturePspReference=STRING,
    merchantRefundReason=_one_of("FRAUD", "CUSTOMER REQUEST", "RETURN", "DUPLICATE", "OTHER"),
)
TECHNICAL_CANCEL = _object(
    "merchantAccount paymentReference", merchantAccount=STRING, paymentReference=STRING, reference=STRING
)

_VALIDATORS = {
    "payments": Draft202012Validator(PAYMENT),
    "details": Draft202012Validator(DETAILS),
    "captures": Draft202012Validator(CAPTURE),
    "cancels": Draft202012Validator(CANCEL),
    "refunds": Draft202012Validator(REFUND),
    "technical_cancels": Draft202012Validator(TECHNICAL_CANCEL),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """Where a request breaks the schema, a path such as ``amount.currency``, and how."""

    path: str
    rule: str
    message: str

    @property
    def is_unknown_field(self) -> bool:
        """Whether it has a field that Adyen does not have."""
        return self.rule == "additionalProperties"

    def is_missing(self, field: str) -> bool:
        """Whether the request lacks the field."""
        return self.rule == "required" and self.message.startswith(f"'{field}' ")


def violation(endpoint: str, body: object) -> Violation | None:
    """The worst fault of a request's body; None where Adyen's schema has nothing against it."""
    worst = best_match(_VALIDATORS[endpoint].iter_errors(body))
    if worst is None:
        return None
    path = ".".join(str(part) for part in worst.absolute_path)
    return Violation(path, str(worst.validator), worst.message)
