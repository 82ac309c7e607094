"""Calls that are made and written down at once, so that what is shown can be made again.

    run = record(Run.open, "checkpoints/limoe-joint")
    trace = record(Run.probe, run, 3000)
    frame = record(analysis.roles, trace)
    figure = record(figures.shares_figure, frame)

    figure.value                           # the Plotly figure
    python(frame=frame, figure=figure)     # the lines of Python that make both

A page of the dashboard shows values of such records, and "copy as Python" prints the same records:
there is no second description of a figure that could come to differ from the first.
"""

from __future__ import annotations

import keyword
import operator
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from analysis.errors import AnalysisError
from analysis.written import Group, Home, flat, home_of, import_lines, layout, literal

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

#: Takes a computation and returns what it gives, from an earlier time if it is known.
Store = Callable[[Callable[..., T]], T]

#: Variables for results that are named even where they are used once, by their type.
_ALWAYS_NAMED = {
    "Run": "run",
    "RoutingTrace": "trace",
    "LoadedModel": "model",
    "Predictions": "predictions",
    "ExpertRecord": "measured",
}


class Recorded(Generic[T]):
    """A call with its arguments, some of which may be recorded too; made when it is asked for."""

    def __init__(
        self,
        function: Callable[..., T],
        arguments: tuple[Any, ...],
        options: Mapping[str, Any],
        *,
        store: Store[T] | None = None,
        mark: tuple[Hashable, ...] = (),
        names: tuple[str, ...] = (),
    ) -> None:
        self.function = function
        self.arguments = arguments
        self.options = dict(options)
        self._store = store
        self._mark = mark
        self._names = names
        self._value: list[T] = []
        self._written: str | None = None

    @property
    def value(self) -> T:
        """The result of the call, which is made once."""
        if not self._value:
            self._value.append(self.compute() if self._store is None else self._store(self.compute))
        return self._value[0]

    def compute(self, **unrecorded: Any) -> T:
        """Make the call anew.

        Args:
          unrecorded: options that change nothing of the result, such as `progress`.
        """
        arguments = [_value(argument) for argument in self.arguments]
        options = {name: _value(option) for name, option in self.options.items()}
        return self.function(*arguments, **options, **unrecorded)

    def through(self, store: Store[T], *mark: Hashable) -> Recorded[T]:
        """The same call with its value taken through `store`, such as a cache or a job.

        Args:
          store: gets `compute` and returns its result, of this time or of an earlier one.
          mark: what tells this call's value from others of the same code, such as the time when
            the file it reads was changed.
        """
        return Recorded(
            self.function,
            self.arguments,
            self.options,
            store=store,
            mark=(*self._mark, *mark),
            names=self._names,
        )

    def named(self, *names: str) -> Recorded[T]:
        """The same call with its result in a variable of that name."""
        return Recorded(
            self.function,
            self.arguments,
            self.options,
            store=self._store,
            mark=self._mark,
            names=names,
        )

    def unpacked(self, *names: str) -> tuple[Recorded[Any], ...]:
        """Each part of a tuple that the call returns, in a variable of its own."""
        whole = self.named(*names)
        return tuple(whole[place] for place in range(len(names)))

    def attribute(self, name: str) -> Recorded[Any]:
        """`recorded.name`, recorded."""
        return record(getattr, self, name)

    def __getitem__(self, key: Any) -> Recorded[Any]:
        return record(operator.getitem, self, key)

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Equal for two calls only if they give the same: the code, and the marks of its parts."""
        # In order: of two files of one name, it matters which comes first.
        return (str(self), *(mark for node in _walk(self) for mark in node._mark))

    def __str__(self) -> str:
        """The call as one expression."""
        if self._written is None:
            self._written = flat(_Writer({}).call(self))
        return self._written


def record(function: Callable[..., T], /, *arguments: Any, **options: Any) -> Recorded[T]:
    """A call that is written down, and made when its value is asked for.

    Args:
      function: a public function of a module, a class or its classmethod, or a method with what it
        is called on as its first argument: `record(Run.probe, run, 3000)`.
      arguments, options: plain values (None, numbers, strings, paths, and lists, tuples and dicts
        of them), or other records.

    Raises:
      AnalysisError: the function cannot be imported by its name, or an argument cannot be written.
    """
    recorded = Recorded(function, arguments, options)
    str(recorded)  # whoever records what cannot be written hears of it here
    return recorded


def constant(value: T, name: str) -> Recorded[T]:
    """A plain value in a variable of its own, for lists that several calls take."""
    return cast("Recorded[T]", record(_same, value).named(name))


def _same(value: Any) -> Any:
    return value


#: What is written as an operator and not as a call: an item, an attribute, a plain value.
_OPERATORS = (operator.getitem, getattr, _same)


def rows(frame: Recorded[pd.DataFrame], condition: str) -> Recorded[pd.DataFrame]:
    """`frame.query(condition)`, recorded."""
    import pandas as pd

    return cast("Recorded[pd.DataFrame]", record(pd.DataFrame.query, frame, condition))


def python(**roots: Recorded[Any]) -> str:
    """Lines of Python that make the roots, each in a variable of that name; they run as they are.

    What several calls use is made once. The lines need the project to be importable, and no
    particular folder to start from.
    """
    taken = dict.fromkeys(roots, "")
    named: dict[str, tuple[str, ...]] = {}  # expression -> its variables
    lines: list[str] = []
    wanted = {str(root): name for name, root in roots.items()}
    nodes = {str(node): node for root in roots.values() for node in _walk(root)}.values()
    uses = Counter(
        str(part) for node in nodes if not _is_look(node) for part in _parts_looked_into(node)
    )
    chained = {str(node.arguments[0]) for node in nodes if _goes_on(node)}
    chained = {expression for expression in chained if uses[expression] == 1}
    writer = _Writer(named)
    homes = {home.name for node in nodes if (home := _import_of(node)) is not None}
    for root in roots.values():
        for node in _walk(root):
            expression = str(node)
            if expression in named or (
                expression not in wanted and (expression in chained or not _has_name(node, uses))
            ):
                continue
            if expression in wanted:
                names: tuple[str, ...] = (wanted[expression],)
            else:
                names = tuple(_free(name, taken, homes) for name in _names(node))
            taken.update(dict.fromkeys(names, expression))
            start = f"{', '.join(names)} = "
            lines.append(start + layout(writer.call(node), 0, len(start)))
            named[expression] = names
    return "\n".join([*import_lines(writer.imports), "", *lines, ""])


def _has_name(node: Recorded[Any], uses: Mapping[str, int]) -> bool:
    """Whether the result is kept in a variable, or written where it is used."""
    if node._names:
        return True
    if _is_look(node):
        return False
    return _returns(node.function) in _ALWAYS_NAMED or uses[str(node)] > 1


def _names(node: Recorded[Any]) -> tuple[str, ...]:
    if node._names:
        return node._names
    always = _ALWAYS_NAMED.get(_returns(node.function))
    return (always or node.function.__name__.removesuffix("_frame"),)


def _free(name: str, taken: Mapping[str, str], homes: set[str]) -> str:
    tried, number = name, 1
    while tried in taken or tried in homes or keyword.iskeyword(tried):
        number += 1
        tried = f"{name}_{number}"
    return tried


def _returns(function: Callable[..., Any]) -> str:
    """Name of the type that a function returns, as its annotation has it."""
    found = getattr(function, "__annotations__", {}).get("return", "")
    name = found if isinstance(found, str) else getattr(found, "__name__", "")
    return name.rpartition(".")[2]


def _import_of(node: Recorded[Any]) -> Home | None:
    """Where what is called is imported from, if it has to be."""
    return None if node.function in _OPERATORS else home_of(node.function)


def _is_look(node: Recorded[Any]) -> bool:
    """Whether it is an item or an attribute of something, or a plain value."""
    return node.function in _OPERATORS and not node._names


def _goes_on(node: Recorded[Any]) -> bool:
    """Whether it is a method that makes of a thing another one of its kind: `trace.select`."""
    first = node.arguments[0] if node.arguments else None
    if not isinstance(first, Recorded) or first._names or _is_look(node):
        return False
    return _import_of(node) is None and _returns(first.function) == _returns(node.function)


# ---- the graph


def _parts(node: Recorded[Any]) -> Iterator[Recorded[Any]]:
    """The records among the arguments of one, also within lists and dicts."""
    for argument in (*node.arguments, *node.options.values()):
        yield from _records(argument)


def _parts_looked_into(node: Recorded[Any]) -> Iterator[Recorded[Any]]:
    """The parts of one, and what those are items or attributes of, as often as they are written."""
    for part in _parts(node):
        yield part
        if _is_look(part):
            yield from _parts_looked_into(part)


def _records(argument: Any) -> Iterator[Recorded[Any]]:
    if isinstance(argument, Recorded):
        yield argument
    elif isinstance(argument, list | tuple):
        for item in argument:
            yield from _records(item)
    elif isinstance(argument, dict):
        for item in argument.values():
            yield from _records(item)


def _walk(node: Recorded[Any]) -> Iterator[Recorded[Any]]:
    """The record and all that it is made from, what is needed first first."""
    for part in _parts(node):
        yield from _walk(part)
    yield node


def _value(argument: Any) -> Any:
    """The argument with records replaced by their values."""
    if isinstance(argument, Recorded):
        return argument.value
    if isinstance(argument, list | tuple):
        return type(argument)(_value(item) for item in argument)
    if isinstance(argument, dict):
        return {key: _value(item) for key, item in argument.items()}
    return argument


# ---- writing


class _Writer:
    """Writes calls, with variables for what is `named`, and gathers their imports."""

    def __init__(self, named: Mapping[str, tuple[str, ...]]) -> None:
        self.named = named
        self.imports: set[tuple[str, str]] = set()

    def call(self, node: Recorded[Any]) -> str | Group:
        """The call itself, whatever variable its result has."""
        arguments = node.arguments
        if node.function is _same:
            return self.term(arguments[0])
        if node.function is getattr:
            return f"{self._receiver(arguments[0])}.{arguments[1]}"
        if node.function is operator.getitem:
            return f"{self._receiver(arguments[0])}[{flat(self.term(arguments[1]))}]"
        home = _import_of(node)
        if home is None:
            if not arguments:
                raise AnalysisError(f"{node.function.__qualname__} was called on nothing")
            written = f"{self._receiver(arguments[0])}.{node.function.__name__}"
            arguments = arguments[1:]
        else:
            self.imports.add((home.module, home.imported))
            written = home.written
        items = [("", self.term(argument)) for argument in arguments]
        items += [(f"{name}=", self.term(option)) for name, option in node.options.items()]
        return Group(f"{written}(", tuple(items), ")")

    def term(self, argument: Any) -> str | Group:
        """An argument: a record by its variable or in full, anything else as a literal."""
        if isinstance(argument, Recorded):
            return self._result(argument)
        if isinstance(argument, list):
            return Group("[", tuple(("", self.term(item)) for item in argument), "]")
        if isinstance(argument, tuple):
            after = ",)" if len(argument) == 1 else ")"
            return Group("(", tuple(("", self.term(item)) for item in argument), after)
        if isinstance(argument, dict):
            items = ((f"{literal(key)}: ", self.term(item)) for key, item in argument.items())
            return Group("{", tuple(items), "}")
        return literal(argument)

    def _result(self, node: Recorded[Any]) -> str | Group:
        if names := self.named.get(str(node)):
            return names[0]
        if node.function is operator.getitem and isinstance(node.arguments[0], Recorded):
            names = self.named.get(str(node.arguments[0]), ())
            if len(names) > 1:  # a tuple that was unpacked
                return names[node.arguments[1]]
        return self.call(node)

    def _receiver(self, argument: Any) -> str:
        return flat(self.term(argument))


__all__ = ["Recorded", "Store", "constant", "python", "record", "rows"]
