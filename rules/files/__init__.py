"""Rule files: what sets the rules, and the tests that each file brings with it.

What the room promises: nothing in a file is guessed at. An unknown field, a moment that cannot be read, a key that stands twice, another
version of the rule: each is refused with a sentence that names file and field. The tests of a file run on the real engine with the file's
rule alone in force. `rules.library` makes a rule book of a folder of such files; `default/` holds those that are in force where nobody says
otherwise.
"""

from __future__ import annotations

from rules.files.inline import InlineTest, Report, run
from rules.files.schema import EngineFile, RuleFile, read_engine_file, read_rule_file

__all__ = ["EngineFile", "InlineTest", "Report", "RuleFile", "read_engine_file", "read_rule_file", "run"]
