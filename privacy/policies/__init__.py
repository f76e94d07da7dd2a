"""What may leave, as a file: one policy of fields, sinks and releases, refused with a sentence when it is dangerous.

`read_policy` reads the file, `with_overrides` lets settings win, `compile_policy` judges it and returns what the stage masks by, and
`RecordMasker` applies that to records. docs/privacy-policy.md is the grammar.
"""

from privacy.policies.applying import RecordMasker, masked
from privacy.policies.compiling import CompiledPolicy, compile_policy, faults_of
from privacy.policies.model import DEFAULT_FILE, Policy, read_policy
from privacy.policies.overrides import with_overrides

__all__ = [
    "DEFAULT_FILE",
    "CompiledPolicy",
    "Policy",
    "RecordMasker",
    "compile_policy",
    "faults_of",
    "masked",
    "read_policy",
    "with_overrides",
]
