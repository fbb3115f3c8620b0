"""XML without entities, document types or depth, as plain nodes that can also be kept in a record."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse
from pydantic import JsonValue

from contracts.errors import InvalidInput, TooLarge
from interchange.reading import mapping, parse_number, rows, wrong
from interchange.text import MAX_BYTES

KML = "http://www.opengis.net/kml/2.2"
_WPMZ = re.compile(r"https?://www\.(uav\.)?dji\.com/wpmz/[\w.]+|https?://www\.uav\.com/wpmz/[\w.]+")
WPML = "http://www.dji.com/wpmz/1.0.2"
_MAX_ELEMENTS = 200_000
_MAX_DEPTH = 60
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"(wpml:)?[A-Za-z_][\w.-]*")


@dataclass
class Node:
    """An element: ``name`` is the local name, with ``wpml:`` before those of DJI's namespace."""

    name: str
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def all(self, name: str) -> list[Node]:
        """Return the children of a name (with or without ``wpml:``)."""
        return [child for child in self.children if child.name.removeprefix("wpml:") == name]

    def first(self, name: str) -> Node | None:
        found = self.all(name)
        return found[0] if found else None

    def say(self, name: str) -> str | None:
        """Return the text of a child, None without one."""
        found = self.first(name)
        return None if found is None else found.text.strip()

    def number(self, name: str, where: str) -> float | None:
        """Return the number a child says; NaN is refused."""
        text = self.say(name)
        if text is None or not text:
            return None
        value = parse_number(text, f"{where}/{name}")
        if value != value:  # noqa: PLR0124 - NaN
            raise wrong(f"{where}/{name}", "a number")
        return value

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it, in document order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def put(self, name: str, text: str | float) -> None:
        """Set a child's text, adding it in its place at the end."""
        found = self.first(name.removeprefix("wpml:"))
        said = say(text)
        if found is None:
            self.children.append(Node(name, said))
        else:
            found.text, found.children = said, []

    def place(self, child: Node) -> None:
        """Put a child in the place of the one of its name, else at the end."""
        for index, old in enumerate(self.children):
            if old.name == child.name:
                self.children[index] = child
                return
        self.children.append(child)

    def without(self, *names: str) -> Node:
        """Return a copy without the children of these names."""
        kept = [child for child in self.children if child.name.removeprefix("wpml:") not in names]
        return Node(self.name, self.text, kept)

    def record(self) -> JsonValue:
        """Return the node as JSON: name, text, children."""
        return {"name": self.name, "text": self.text, "children": [child.record() for child in self.children]}


def say(value: str | float) -> str:
    """Return a number as shortly as it comes back the same; text as it is."""
    if isinstance(value, str):
        return value
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def of_record(value: JsonValue, depth: int = _MAX_DEPTH) -> Node:
    """Return the node of a record; InvalidInput when it is none."""
    record = mapping(value, "verbatim")
    name, text = record.get("name"), record.get("text")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(text, str) or depth == 0:
        raise wrong("verbatim", "a record of an XML element")
    if _NO_XML.search(text):
        raise wrong("verbatim", "a record of an XML element")
    children = rows(record.get("children"), "verbatim.children")
    return Node(name, text, [of_record(child, depth - 1) for child in children])


def parse(content: bytes, where: str) -> Node:
    """Return the root of an XML file.

    Raises:
        InvalidInput: Not well-formed, a document type or an entity is declared, or nested too deep; line and column.
        TooLarge: Too many bytes or elements.

    """
    if len(content) > MAX_BYTES:
        raise TooLarge(f"{where} has {len(content)} bytes; at most {MAX_BYTES} are read.", hint="Split the plan.")
    try:
        return _build(content, where)
    except ParseError as error:
        line, column = error.position
        raise InvalidInput(
            f"{where}, line {line}, column {column + 1}: {error}.", hint="Correct the XML.", field=where
        ) from error
    except DefusedXmlException as error:
        raise InvalidInput(
            f"{where} declares a document type or an entity; such files are not read.",
            hint="Save it without a DOCTYPE.",
            field=where,
        ) from error
    except (ValueError, LookupError) as error:
        raise InvalidInput(f"{where} cannot be read: {error}.", hint="Save it as UTF-8.", field=where) from error


def _build(content: bytes, where: str) -> Node:
    root = Node("")
    stack, count = [root], 0
    for event, element in iterparse(io.BytesIO(content), events=("start", "end"), forbid_dtd=True):
        if event == "start":
            count += 1
            if count > _MAX_ELEMENTS:
                raise TooLarge(f"{where} has over {_MAX_ELEMENTS} elements.", hint="Split the plan.")
            if len(stack) > _MAX_DEPTH:
                raise InvalidInput(f"{where} is nested deeper than {_MAX_DEPTH}.", hint="Correct it.", field=where)
            stack.append(Node(_name(element)))
            stack[-2].children.append(stack[-1])
        else:
            stack.pop().text = (element.text or "").strip()
            element.clear()
    return root.children[0]


def _name(element: Element) -> str:
    space, _, local = str(element.tag).rpartition("}")
    return f"wpml:{local}" if _WPMZ.fullmatch(space.lstrip("{")) else local


def write(root: Node) -> bytes:
    """Return the KML file of a ``Document``."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<kml xmlns="{KML}" xmlns:wpml="{WPML}">']
    _write(root, "  ", lines)
    return "\n".join([*lines, "</kml>", ""]).encode()


def _write(node: Node, indent: str, lines: list[str]) -> None:
    if not node.children:
        lines.append(f"{indent}<{node.name}>{escape(node.text)}</{node.name}>")
        return
    lines.append(f"{indent}<{node.name}>{escape(node.text)}")
    for child in node.children:
        _write(child, indent + "  ", lines)
    lines.append(f"{indent}</{node.name}>")
