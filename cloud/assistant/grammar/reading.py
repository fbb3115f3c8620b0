"""A question being read: each rule takes the words it understands; what nobody took was not understood."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from cloud.assistant.plans import Understood

MAX_QUESTION_CHARS = 500
_TAKEN = "\x00"


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return the pattern at word limits; Python's own cache of 512 is smaller than the grammar."""
    return re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])")


class Reading:
    """The question in lower case with straight quotes; taken words are blanked so that no rule reads them twice."""

    def __init__(self, question: str) -> None:
        text = unicodedata.normalize("NFKC", question).replace("’", "'").replace("‘", "'")
        text = text.replace("“", '"').replace("”", '"').lower()
        text = re.sub(r"[^\w\s.:/'\"%-]", " ", text)
        text = re.sub(r"(?<!\d)[.:](?!\d)|[.:](?!\d)|(?<=\s)-(?=\s)", " ", text)
        text = re.sub(r"(?<=\w)'(?:ve|re|ll|d|m)(?!\w)", "", text)
        text = re.sub(r"(day|week|month|quarter|year|yesterday|today)'s(?!\w)", r"\1", text)
        text = re.sub(r"\bhalf a met(?:re|er)\b", "500 mm", text)
        self.text = " ".join(text.split())
        self.understood: list[Understood] = []

    def peek(self, pattern: str) -> re.Match[str] | None:
        """Return the first match at word limits, without taking it."""
        return _compiled(pattern).search(self.text)

    def take(self, pattern: str, means: str = "") -> re.Match[str] | None:
        """Return the first match at word limits and blank it; ``means`` goes to what was understood."""
        found = self.peek(pattern)
        if found is not None:
            self.blank(found.start(), found.end())
            if means:
                self.understood.append(Understood(words=found[0].strip(), means=means))
        return found

    def blank(self, start: int, end: int) -> None:
        """Mark a span as read."""
        self.text = self.text[:start] + _TAKEN * (end - start) + self.text[end:]

    def note(self, words: str, means: str) -> None:
        """Record what words were taken to mean."""
        self.understood.append(Understood(words=words.strip(), means=means[:200]))

    def leftovers(self, ignored: frozenset[str]) -> list[str]:
        """Return the words nobody took, in order, without the ignored ones."""
        text = re.sub(rf"(?<={_TAKEN})'s(?!\w)", "", self.text).replace(_TAKEN, " ")
        words = re.findall(r"[\w'%/.:-]*\w[\w'%/.:-]*", text)
        bare = (re.sub(r"'s$|'$", "", word.strip("'\"-.:/")) for word in words)
        return list(dict.fromkeys(word for word in bare if word and word not in ignored))
