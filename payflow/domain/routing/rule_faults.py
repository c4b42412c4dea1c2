"""What is wrong with rules: every fault with its place, such as ``rules[2].conditions[0].amount_max``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import islice

from payflow.domain.currency import exponent
from payflow.domain.errors import FieldViolation, PayFlowError, Reason
from payflow.domain.fields import (
    AMOUNT_MAX,
    METADATA_KEY_MAX,
    METADATA_VALUE_MAX,
    country,
    payment_method_type,
    text,
)
from payflow.domain.routing.rules import Condition, Rule, RuleAccount, RuleSet, Strategy, Weights

RULES_MAX = 50
CONDITIONS_MAX = 10
VALUES_MAX = 50
ACCOUNTS_MAX = 20
SHARE_WEIGHT_MAX = 1_000
SCORE_WEIGHT_MAX = 10_000
EXPLORATION_PERCENT_MAX = 20
# Of everything that rules say, in characters.
TEXT_MAX = 50_000
FAULTS_MAX = 50

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def require_none(faults: Iterable[FieldViolation]) -> None:
    """Raises VALIDATION_FAILED with all of the faults, FAULTS_MAX at most, where there are any."""
    found = tuple(islice(faults, FAULTS_MAX))
    if not found:
        return
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    message = f"{found[0].field}: {found[0].description}{more}"
    raise PayFlowError(Reason.VALIDATION_FAILED, message, found)


def faults_of_rules(
    rules: RuleSet, psp_account_ids: Container[str], place: str = ""
) -> Iterator[FieldViolation]:
    """Those of a rule set that stands at ``place``; it may name no other accounts than these."""
    yield from _too_many(f"{place}rules", rules.rules, RULES_MAX, "rules")
    if sum(len(text) for rule in rules.rules for text in _texts(rule)) > TEXT_MAX:
        yield FieldViolation(f"{place}rules", f"must be at most {TEXT_MAX} characters in all")
    names = Counter(rule.name for rule in rules.rules)
    for number, rule in enumerate(rules.rules[:RULES_MAX]):
        here = f"{place}rules[{number}]"
        yield from fault_of_name(f"{here}.name", rule.name, names)
        yield from _faults_of_conditions(here, rule)
        yield from _faults_of_accounts(here, rule, psp_account_ids)
    yield from _faults_of_weights(f"{place}weights", rules.weights)


def _texts(rule: Rule) -> Iterator[str]:
    yield rule.name
    for account in rule.accounts:
        yield account.psp_account_id
    for one in rule.conditions:
        yield one.metadata_key
        yield from (*one.currencies, *one.countries, *one.payment_method_types, *one.metadata_values)


def fault_of_name(place: str, name: str, names: Counter[str]) -> Iterator[FieldViolation]:
    """Whether a name cannot be told from the others in ``names``, or is none."""
    if not _NAME.fullmatch(name):
        yield FieldViolation(place, "must be 1 to 64 of letters, digits, '_', '-' and '.'")
    elif names[name] > 1:
        yield FieldViolation(place, "must be different from the others")


def _faults_of_conditions(here: str, rule: Rule) -> Iterator[FieldViolation]:
    yield from _too_many(f"{here}.conditions", rule.conditions, CONDITIONS_MAX, "conditions")
    for number, condition in enumerate(rule.conditions[:CONDITIONS_MAX]):
        place = f"{here}.conditions[{number}]"
        if condition == Condition():
            yield FieldViolation(place, "must name something that a payment has to have")
        yield from _faults_of_amounts(place, condition)
        yield from _faults_of_values(f"{place}.currencies", condition.currencies, exponent)
        yield from _faults_of_values(f"{place}.countries", condition.countries, country)
        types = condition.payment_method_types
        yield from _faults_of_values(f"{place}.payment_method_types", types, payment_method_type)
        yield from _faults_of_metadata(place, condition)


def _faults_of_amounts(place: str, condition: Condition) -> Iterator[FieldViolation]:
    least, most = condition.amount_min, condition.amount_max
    for name, amount in (("amount_min", least), ("amount_max", most)):
        if amount is not None and not 0 < amount <= AMOUNT_MAX:
            yield FieldViolation(f"{place}.{name}", f"must be minor units from 1 to {AMOUNT_MAX}")
    if least is not None and most is not None and least > most:
        yield FieldViolation(f"{place}.amount_max", "must not be less than amount_min")
    if (least is not None or most is not None) and not condition.currencies:
        yield FieldViolation(f"{place}.currencies", "is required beside an amount, to say of what")


def _faults_of_metadata(place: str, condition: Condition) -> Iterator[FieldViolation]:
    yield from _fault_of_value(f"{place}.metadata_key", condition.metadata_key, _metadata_key)
    if condition.metadata_values and not condition.metadata_key:
        yield FieldViolation(f"{place}.metadata_key", "is required beside metadata_values")
    yield from _faults_of_values(f"{place}.metadata_values", condition.metadata_values, _metadata_value)


def _faults_of_values(
    place: str, values: tuple[str, ...], check: Callable[[str], object]
) -> Iterator[FieldViolation]:
    yield from _too_many(place, values, VALUES_MAX, "values")
    for number, value in enumerate(values[:VALUES_MAX]):
        yield from _fault_of_value(f"{place}[{number}]", value, check)


def _fault_of_value(place: str, value: str, check: Callable[[str], object]) -> Iterator[FieldViolation]:
    """The rule that a field of a payment obeys, for what a condition compares with it."""
    try:
        check(value)
    except PayFlowError as error:
        yield FieldViolation(place, error.fields[0].description)


def _metadata_key(value: str) -> str:
    return text("metadata_key", value, METADATA_KEY_MAX)


def _metadata_value(value: str) -> str:
    return text("metadata_values", value, METADATA_VALUE_MAX)


def _faults_of_accounts(here: str, rule: Rule, psp_account_ids: Container[str]) -> Iterator[FieldViolation]:
    place = f"{here}.accounts"
    yield from _too_many(place, rule.accounts, ACCOUNTS_MAX, "accounts")
    if not rule.accounts and rule.strategy is not Strategy.SCORE:
        yield FieldViolation(place, f"must name an account for the strategy {rule.strategy}")
    named = Counter(one.psp_account_id for one in rule.accounts)
    for number, account in enumerate(rule.accounts[:ACCOUNTS_MAX]):
        one = f"{place}[{number}]"
        if account.psp_account_id not in psp_account_ids:
            yield FieldViolation(f"{one}.psp_account_id", "must be a PSP account of the merchant")
        elif named[account.psp_account_id] > 1:
            yield FieldViolation(f"{one}.psp_account_id", "must be named once")
        yield from _fault_of_weight(f"{one}.weight", account, rule.strategy)


def _fault_of_weight(place: str, account: RuleAccount, strategy: Strategy) -> Iterator[FieldViolation]:
    if strategy is Strategy.SPLIT:
        if not 0 < account.weight <= SHARE_WEIGHT_MAX:
            yield FieldViolation(place, f"must be from 1 to {SHARE_WEIGHT_MAX}")
    elif account.weight:
        yield FieldViolation(place, "is for the strategy SPLIT only")


def _faults_of_weights(place: str, weights: Weights) -> Iterator[FieldViolation]:
    parts = {"success": weights.success, "cost": weights.cost, "latency": weights.latency}
    for name, weight in parts.items():
        if not 0 <= weight <= SCORE_WEIGHT_MAX:
            yield FieldViolation(f"{place}.{name}", f"must be from 0 to {SCORE_WEIGHT_MAX}")
    if not any(parts.values()):
        yield FieldViolation(place, "must not all be 0")
    if not 0 <= weights.exploration_percent <= EXPLORATION_PERCENT_MAX:
        yield FieldViolation(f"{place}.exploration_percent", f"must be from 0 to {EXPLORATION_PERCENT_MAX}")


def _too_many(place: str, items: tuple[object, ...], most: int, kind: str) -> Iterator[FieldViolation]:
    if len(items) > most:
        yield FieldViolation(place, f"must be at most {most} {kind}")
