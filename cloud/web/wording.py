"""Makes every text of a template a message, so that none can be forgotten: texts between tags and spoken attributes.

``<p>{{ n }} of {{ all }} seen</p>`` is read as ``<p>{{ phrase("{0} of {1} seen", n, all) }}</p>``, and a string that an
expression chooses (``"drone" if n == 1 else "drones"``) as ``_("drone")``. A run of text ends at a tag or a block. What
holds no word (units, names, signs) stays as it is, and so does what stands in ``code``, ``kbd`` and scripts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

NEUTRAL = frozenset(
    {
        *("Kestrel", "SAP", "PDF", "CSV", "KML", "COCO", "GeoJSON", "JSON", "YAML", "HTTP", "UTC", "API", "https"),
        *("QGroundControl", "WPML", "Litchi", "Python", "Linux", "GB", "kB", "MB", "Mbit", "mm", "px", "ms", "km"),
    }
)
"""Words that are the same in every language."""
SPOKEN = frozenset({"title", "aria-label", "placeholder", "alt", "hx-confirm", "content-label"})
"""Attributes that people read or hear."""
_INSIDE_TAGS = frozenset({"told", "acts", "refused", "swaps"})
"""Blocks and macros that hold attributes."""
_SILENT = frozenset({"code", "kbd", "script", "style"})
_WORD = re.compile(r"[^\W\d_]{2,}")
_MARKUP = re.compile(r"<!--|</?[A-Za-z!][\w-]*|<")
_ATTRIBUTE = re.compile(r"""([\w:@.-]+)=(["'])|>""")
_COMPARED = frozenset({"eq", "ne", "lparen", "comma", "lbracket", "gt", "lt"})

Expression = list[Token]
Part = str | Expression


def speaks(text: str) -> bool:
    """Return whether a text holds a word to translate."""
    return any(word not in NEUTRAL for word in _WORD.findall(re.sub(r"\{\d+\}|%[-+#0-9.]*[a-z]|&\w+;", " ", text)))


class Wording(Extension):
    """The extension; rendering and the extraction of messages read templates through it."""

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        """Rewrite a template's tokens."""
        return _Reader().read(stream)


class _Reader:
    """Where in the HTML the template is, and the run of text that is being gathered."""

    def __init__(self) -> None:
        self._tag = ""
        self._in_tag = False
        self._quote = ""
        self._attribute = ""
        self._was_spoken = False
        self._run: list[Part] = []
        self._line = 1
        self._left: list[tuple[bool, str, str]] = []

    def read(self, stream: TokenStream) -> Iterator[Token]:
        for token in stream:
            self._line = token.lineno
            if token.type == "data":
                yield from self._data(token.value)
            elif token.type == "variable_begin":
                yield from self._variable([token, *_until(stream, "variable_end")])
            else:
                yield from self._end_run()
                block = [token, *_until(stream, "block_end")] if token.type == "block_begin" else [token]
                self._enter_or_leave(block)
                yield from block
        yield from self._end_run()

    def _enter_or_leave(self, block: list[Token]) -> None:
        word = block[1].value if len(block) > 1 else ""
        if word in {"block", "macro"}:
            self._left.append((self._in_tag, self._quote, self._attribute))
            self._in_tag = self._in_tag or block[2].value in _INSIDE_TAGS
        elif word in {"endblock", "endmacro"}:
            self._in_tag, self._quote, self._attribute = self._left.pop()

    @property
    def _spoken(self) -> bool:
        if self._quote:
            return self._attribute in SPOKEN
        return not self._in_tag and self._tag not in _SILENT

    def _variable(self, tokens: list[Token]) -> Iterator[Token]:
        if self._spoken:
            self._run.append(_chosen(tokens[1:-1]))
        else:
            yield from tokens

    def _data(self, text: str) -> Iterator[Token]:
        while text:
            end, piece = self._piece(text)
            piece, text = text[:end] if piece is None else piece, text[end:]
            if self._was_spoken:
                self._run.append(piece)
                if text:
                    yield from self._end_run()
            else:
                yield from self._end_run()
                yield Token(self._line, "data", piece)

    def _piece(self, text: str) -> tuple[int, str | None]:
        """Return how far the state that is now reaches, and step into the next one."""
        self._was_spoken = self._spoken
        if self._quote:
            at = text.find(self._quote)
            if at < 0:
                return len(text), None
            if at == 0:
                self._was_spoken, self._quote = False, ""
                return 1, None
            return at, None
        if self._in_tag:
            found = _ATTRIBUTE.search(text)
            if found is None:
                return len(text), None
            if found[0] == ">":
                self._in_tag = False
            else:
                self._attribute, self._quote = found[1], found[2]
            return found.end(), None
        return self._text(text)

    def _text(self, text: str) -> tuple[int, str | None]:
        found = _MARKUP.search(text)
        if found is None:
            return len(text), None
        if found.start():
            return found.start(), None
        self._was_spoken = False
        if found[0] == "<!--":
            return text.find("-->") + 3, None
        self._in_tag = True
        name = found[0].lstrip("</").lower()
        self._tag = "" if found[0].startswith("</") else name
        return found.end(), None

    def _end_run(self) -> Iterator[Token]:
        run, self._run = self._run, []
        values = [part for part in run if isinstance(part, list)]
        text = "".join(part if isinstance(part, str) else f"{{{_nth(values, part)}}}" for part in run)
        core = " ".join(text.split())
        if not speaks(core):
            yield from self._as_it_was(run)
            return
        yield Token(self._line, "data", text[: len(text) - len(text.lstrip())])
        yield Token(self._line, "variable_begin", "{{")
        yield from _call(self._line, "phrase", core, values)
        yield Token(self._line, "variable_end", "}}")
        yield Token(self._line, "data", text[len(text.rstrip()) :])

    def _as_it_was(self, run: list[Part]) -> Iterator[Token]:
        for part in run:
            if isinstance(part, str):
                yield Token(self._line, "data", part)
            else:
                yield Token(self._line, "variable_begin", "{{")
                yield from part
                yield Token(self._line, "variable_end", "}}")


def _nth(values: list[Expression], part: Expression) -> int:
    return next(n for n, value in enumerate(values) if value is part)


def _until(stream: TokenStream, kind: str) -> Iterator[Token]:
    for token in stream:
        yield token
        if token.type == kind:
            return


def _call(line: int, name: str, text: str, values: list[Expression]) -> Iterator[Token]:
    yield Token(line, "name", name)
    yield Token(line, "lparen", "(")
    yield Token(line, "string", text)
    for value in values:
        yield from (Token(line, "comma", ","), Token(line, "lparen", "("), *value, Token(line, "rparen", ")"))
    yield Token(line, "rparen", ")")


def _chosen(tokens: list[Token]) -> Expression:
    """Return an expression in which the strings that it may come to are messages."""
    made: Expression = []
    for n, token in enumerate(tokens):
        if token.type == "string" and speaks(str(token.value)) and _comes_out(tokens, n):
            made.extend(_call(token.lineno, "_", str(token.value), []))
        else:
            made.append(token)
    return made


def _comes_out(tokens: list[Token], n: int) -> bool:
    before, after = tokens[n - 1] if n else None, tokens[n + 1] if n + 1 < len(tokens) else None
    if after is not None and (after.value in {"if", "else"} or after.type == "tilde"):
        return before is None or before.type not in {"eq", "ne"}
    if before is None:
        return True
    if before.type == "name":
        return before.value in {"else", "or"}
    if before.type == "colon":
        return True  # a value of a table; its keys are followed by one
    return before.type == "tilde"
