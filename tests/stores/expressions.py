"""DynamoDB's expressions, compiled once into functions: what the chat uses of them, no more."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, TypeAlias

Value: TypeAlias = dict[str, Any]  # {"S": "x"}
Item: TypeAlias = dict[str, Value]
Names: TypeAlias = dict[str, str]
Operand: TypeAlias = Callable[[Item, Names, Item], Value | None]
Condition: TypeAlias = Callable[[Item, Names, Item], bool]
Update: TypeAlias = Callable[[Item, Names, Item], None]

_TOKEN = re.compile(r"\s*([#:]?\w+|<>|<=|>=|[=<>(),.+-])")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@cache
def condition(expression: str) -> Condition:
    """Compile a condition, filter or key condition."""
    tokens = _Tokens(expression)
    compiled = _either(tokens)
    tokens.end()
    return compiled


@cache
def update(expression: str) -> Update:
    """Compile an update, which changes the item that it is given."""
    tokens = _Tokens(expression)
    changes: list[Update] = []
    while tokens.peek():
        clause = _CLAUSES[tokens.take()]
        changes.append(clause(tokens))
        while tokens.accept(","):
            changes.append(clause(tokens))

    def apply(item: Item, names: Names, values: Item) -> None:
        for change in changes:
            change(item, names, values)

    return apply


def comparable(value: Value) -> Any:
    """Return something that compares as the value does among values of its type."""
    ((kind, content),) = value.items()
    if kind == "N":
        return Decimal(content)
    return frozenset(content) if kind in {"SS", "NS"} else content


class _Tokens:
    def __init__(self, expression: str) -> None:
        self._all = _TOKEN.findall(expression)
        if "".join(self._all) != "".join(expression.split()):
            raise ValueError(f"cannot read {expression!r}")
        self._at = 0

    def peek(self) -> str:
        return self._all[self._at] if self._at < len(self._all) else ""

    def take(self) -> str:
        self._at += 1
        return str(self._all[self._at - 1])

    def accept(self, *wanted: str) -> bool:
        found = self.peek() in wanted
        self._at += found
        return found

    def expect(self, wanted: str) -> None:
        if not self.accept(wanted):
            raise ValueError(f"{wanted!r} is missing before {self.peek()!r}")

    def end(self) -> None:
        if self.peek():
            raise ValueError(f"{self.peek()!r} is one too many")


def _either(tokens: _Tokens) -> Condition:
    parts = [_both(tokens)]
    while tokens.accept("OR"):
        parts.append(_both(tokens))
    return parts[0] if len(parts) == 1 else lambda *given: any(part(*given) for part in parts)


def _both(tokens: _Tokens) -> Condition:
    parts = [_one(tokens)]
    while tokens.accept("AND"):
        parts.append(_one(tokens))
    return parts[0] if len(parts) == 1 else lambda *given: all(part(*given) for part in parts)


def _one(tokens: _Tokens) -> Condition:
    if tokens.accept("("):
        inner = _either(tokens)
        tokens.expect(")")
        return inner
    if tokens.peek() in _FUNCTIONS:
        return _FUNCTIONS[tokens.take()](tokens)
    left = _operand(tokens)
    if tokens.accept("BETWEEN"):
        low = _operand(tokens)
        tokens.expect("AND")
        high = _operand(tokens)
        return lambda *given: (
            _compared("<=", low(*given), left(*given))
            and _compared("<=", left(*given), high(*given))
        )
    sign = tokens.take()
    right = _operand(tokens)
    return lambda *given: _compared(sign, left(*given), right(*given))


def _compared(sign: str, left: Value | None, right: Value | None) -> bool:
    if left is None or right is None:
        return False
    if left.keys() != right.keys():
        return sign == "<>"
    return _COMPARISONS[sign](comparable(left), comparable(right))


def _operand(tokens: _Tokens) -> Operand:
    if tokens.accept("size"):
        tokens.expect("(")
        measured = _path(tokens)
        tokens.expect(")")
        return lambda *given: _size(_found(measured, *given))
    if tokens.accept("if_not_exists"):
        old, otherwise = _arguments(tokens, _operand)
        return lambda *given: old(*given) or otherwise(*given)
    if tokens.peek().startswith(":"):
        name = tokens.take()
        return lambda _item, _names, values: values[name]
    path = _path(tokens)
    return lambda *given: _found(path, *given)


def _size(value: Value | None) -> Value | None:
    return None if value is None else {"N": str(len(next(iter(value.values()))))}


def _path(tokens: _Tokens) -> list[str]:
    path = [tokens.take()]
    while tokens.accept("."):
        path.append(tokens.take())
    return path


def _found(path: list[str], item: Item, names: Names, _values: Item) -> Value | None:
    holder, name = _place(path, item, names)
    return None if holder is None else holder.get(name)


def _place(path: list[str], item: Item, names: Names) -> tuple[Item | None, str]:
    """Return the map that the last name of a path is in, and that name."""
    *outer, last = (names[part] if part.startswith("#") else part for part in path)
    holder: Item | None = item
    for part in outer:
        holder = (holder or {}).get(part, {}).get("M")
    return holder, last


def _exists(tokens: _Tokens) -> Condition:
    (path,) = _arguments(tokens, _path)
    return lambda *given: _found(path, *given) is not None


def _not_exists(tokens: _Tokens) -> Condition:
    (path,) = _arguments(tokens, _path)
    return lambda *given: _found(path, *given) is None


def _contains(tokens: _Tokens) -> Condition:
    holder, wanted = _arguments(tokens, _operand)

    def contains(*given: Any) -> bool:
        value, element = holder(*given), wanted(*given)
        return bool(value and element and element.get("S") in next(iter(value.values())))

    return contains


def _begins_with(tokens: _Tokens) -> Condition:
    whole, start = _arguments(tokens, _operand)

    def begins(*given: Any) -> bool:
        value, beginning = whole(*given), start(*given)
        return bool(value and beginning and value["S"].startswith(beginning["S"]))

    return begins


def _arguments(tokens: _Tokens, read: Callable[[_Tokens], Any]) -> list[Any]:
    tokens.expect("(")
    found = [read(tokens)]
    while tokens.accept(","):
        found.append(read(tokens))
    tokens.expect(")")
    return found


def _set(tokens: _Tokens) -> Update:
    path = _path(tokens)
    tokens.expect("=")
    value = _sum(tokens)

    def change(item: Item, names: Names, values: Item) -> None:
        holder, name = _place(path, item, names)
        new = value(item, names, values)
        if holder is None or new is None:
            raise ValueError("the path is not there")
        holder[name] = new

    return change


def _sum(tokens: _Tokens) -> Operand:
    left = _operand(tokens)
    if tokens.peek() not in {"+", "-"}:
        return left
    sign = 1 if tokens.take() == "+" else -1
    right = _operand(tokens)

    def added(*given: Any) -> Value | None:
        one, other = left(*given), right(*given)
        if one is None or other is None:
            return None
        return {"N": str(Decimal(one["N"]) + sign * Decimal(other["N"]))}

    return added


def _remove(tokens: _Tokens) -> Update:
    path = _path(tokens)

    def change(item: Item, names: Names, _values: Item) -> None:
        holder, name = _place(path, item, names)
        if holder is None:
            raise ValueError("the path is not there")
        holder.pop(name, None)

    return change


def _combine(join: Callable[[set[str], set[str]], set[str]]) -> Callable[[_Tokens], Update]:
    def clause(tokens: _Tokens) -> Update:
        path, operand = _path(tokens), tokens.take()

        def change(item: Item, names: Names, values: Item) -> None:
            holder, name = _place(path, item, names)
            assert holder is not None
            old = set(holder.get(name, {}).get("SS", []))
            new = sorted(join(old, set(values[operand]["SS"])))
            holder.pop(name, None)
            if new:
                holder[name] = {"SS": new}

        return change

    return clause


_FUNCTIONS: dict[str, Callable[[_Tokens], Condition]] = {
    "attribute_exists": _exists,
    "attribute_not_exists": _not_exists,
    "begins_with": _begins_with,
    "contains": _contains,
}
_CLAUSES: dict[str, Callable[[_Tokens], Update]] = {
    "SET": _set,
    "REMOVE": _remove,
    "ADD": _combine(set.union),
    "DELETE": _combine(set.difference),
}
